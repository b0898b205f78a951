/*
 * cold.c - random reads of a file that lies on the disk alone, by 64 tasks, and what another task
 * of the loop notices of it.
 *
 * The other one sleeps for a millisecond at a time.  By how much its sleeps are late is the loop's
 * lag: a loop that waited for the disk would make them late by as much as the disk takes.
 */
#include <fcntl.h>

#include <await.h>

#include "bench/cached.h"

#define TICK 0.001 /* seconds */

enum { LAGS = 100000 };

static struct cached file;
static double lags[LAGS];
static size_t n_lags;
static bool over;

static int reader(void *arg)
{
    char block[CACHED_BLOCK];
    uint64_t state = (uintptr_t)arg;
    for (size_t i = 0; i < file.reads / CACHED_READERS; i++) {
        ssize_t n = aw_pread(file.fd, block, sizeof block, cached_next(&file, &state));
        if (n != CACHED_BLOCK)
            return n < 0 ? (int)n : -EIO;
    }
    return 0;
}

static int tick(void *arg)
{
    (void)arg;
    while (!over && n_lags < LAGS) {
        double due = bench_now() + TICK;
        AW_TRY(aw_sleep(TICK));
        lags[n_lags++] = (bench_now() - due) * 1e6;
    }
    return 0;
}

static int read_all(aw_group *g, void *arg)
{
    (void)arg;
    for (uintptr_t i = 0; i < CACHED_READERS; i++)
        AW_TRY(aw_group_start(g, reader, (void *)i));
    return 0;
}

static int read_cold(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    (void)arg;
    aw_task *ticker = aw_create_task(tick, NULL);
    double began = bench_now();
    AW_TRY(aw_group_call(&g, read_all, NULL));
    bench_say_rate("cold", began, (double)file.reads);
    over = true;
    AW_TRY(aw_join(ticker));
    bench_say_percentiles("cold-lag", lags, n_lags);
    bench_say("cold-lag-most", lags[n_lags - 1]);
    return 0;
}

static int run_cold(void)
{
    if (cached_open(&file) < 0)
        return -1;
    file.reads = file.blocks / 2; /* most of them no other read has brought in */
    if (fsync(file.fd) < 0 || posix_fadvise(file.fd, 0, 0, POSIX_FADV_DONTNEED) != 0 ||
        posix_fadvise(file.fd, 0, 0, POSIX_FADV_RANDOM) != 0)
        return perror("dropping the file from memory"), -1;
    int err = aw_run(read_cold, NULL);
    if (err < 0)
        fprintf(stderr, "%s %s\n", aw_strerror(err), aw_errmsg());
    return err;
}

static const struct bench_row rows[] = {{"cold", run_cold}};

BENCH_MAIN(rows)
