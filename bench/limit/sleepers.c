/*
 * sleepers.c - the limit of bench/sleepers.c: a million stacks parked, then run on in turn.
 *
 * There are no timers and no guards: what is left is the first touch of a page for each, and the
 * cache misses of coming back to it.
 */
#include "bench/limit/raw.h"

static size_t awake;

static void sleeper(void *arg)
{
    (void)arg;
    raw_yield(); /* parked: at the end of a long queue */
    awake++;
}

static double crowd(size_t n, double *ret_bytes)
{
    double before = bench_memory(), began = bench_now();
    awake = 0;
    for (size_t i = 0; i < n; i++)
        raw_create(sleeper, NULL);
    raw_yield(); /* they all begin */
    double took = bench_now() - began;
    *ret_bytes = bench_memory() - before;
    while (awake < n)
        raw_yield();
    return took;
}

static int run_sleepers(void)
{
    const size_t n = bench_count(1000000, 100);
    double bytes, ignored;
    crowd(n, &bytes);
    double used = bench_cpu(), warm = crowd(n, &ignored);
    bench_say("sleepers-bytes", bytes / (double)n);
    bench_say("sleepers-rate", (double)n / warm / 1e3);
    bench_say("sleepers-cpu", bench_cpu() - used);
    return 0;
}

static const struct bench_row rows[] = {{"sleepers", run_sleepers}};

BENCH_MAIN(rows)
