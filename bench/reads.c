/*
 * reads.c - random reads of a file that lies in the page cache, by 64 tasks.
 *
 * Nothing of it has to wait for a disk: what is measured is what a call costs that might have had
 * to.
 */
#include <await.h>

#include "bench/cached.h"

static struct cached file;

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

static int run_reads(void)
{
    if (cached_open(&file) < 0)
        return -1;
    int err = aw_run(read_twice, NULL);
    if (err < 0)
        fprintf(stderr, "%s %s\n", aw_strerror(err), aw_errmsg());
    return err;
}

static const struct bench_row rows[] = {{"reads", run_reads}};

BENCH_MAIN(rows)
