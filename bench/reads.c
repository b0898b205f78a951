/*
 * reads.c - random reads of a file by 64 tasks.
 *
 * reads  The file lies in the page cache, nothing has to wait for a disk: what is measured is what
 *        a call costs that might have had to.
 * cold   The file lies on the disk alone, and another task of the loop sleeps for a millisecond at
 *        a time.  By how much its sleeps are late is the loop's lag: a loop that waited for the
 *        disk would make them late by as much as the disk takes.
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

static int read_all(aw_group *g, void *arg)
{
    (void)arg;
    for (uintptr_t i = 0; i < CACHED_READERS; i++)
        AW_TRY(aw_group_start(g, reader, (void *)i));
    return 0;
}

/* ---- in memory ---- */

static int read_twice(void *arg)
{
    (void)arg;
    aw_group g = AW_GROUP_INIT;
    AW_TRY(aw_group_call(&g, read_all, NULL));
    double began = bench_now();
    g = (aw_group)AW_GROUP_INIT;
    AW_TRY(aw_group_call(&g, read_all, NULL));
    bench_say_rate("reads", began, (double)file.reads);
    return 0;
}

/* ---- on the disk ---- */

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

/* ---- the rows ---- */

static int run(aw_fn *row)
{
    int err = aw_run(row, NULL);
    if (err < 0)
        fprintf(stderr, "%s %s\n", aw_strerror(err), aw_errmsg());
    return err;
}

static int run_reads(void)
{
    return cached_open(&file) < 0 ? -1 : run(read_twice);
}

static int run_cold(void)
{
    if (cached_open(&file) < 0)
        return -1;
    file.reads = file.blocks / 2; /* most of them no other read has brought in */
    if (fsync(file.fd) < 0 || posix_fadvise(file.fd, 0, 0, POSIX_FADV_DONTNEED) != 0 ||
        posix_fadvise(file.fd, 0, 0, POSIX_FADV_RANDOM) != 0)
        return perror("dropping the file from memory"), -1;
    return run(read_cold);
}

static const struct bench_row rows[] = {{"reads", run_reads}, {"cold", run_cold}};

BENCH_MAIN(rows)
