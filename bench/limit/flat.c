/*
 * flat.c - the limit of bench/flat.c: the caches' part of what n parked stacks cost.
 *
 * Nothing in these loops depends on n, so where their cost grows the machine's does: stacks that
 * have left the caches and the page tables' cache.
 */
#include "bench/limit/raw.h"

#define TIMES 200000

static bool *stops;
static struct raw_co **parked;

static void nothing(void *arg)
{
    (void)arg;
}

static void park(void *arg)
{
    size_t i = (size_t)(uintptr_t)arg;
    parked[i] = raw_self;
    while (!stops[i])
        raw_next();
}

static void say(const char *kind, size_t n, double began, size_t operations)
{
    char name[64];
    snprintf(name, sizeof name, "flat-%s-%zu", kind, n);
    bench_say_ns(name, began, (double)operations);
}

static void tasks(size_t n, size_t times)
{
    double began = bench_now();
    for (size_t i = 0; i < times; i++) {
        raw_create(nothing, NULL)->joiner = raw_self;
        raw_next();
    }
    say("task", n, began, times);
}

static void wake(size_t n, size_t times)
{
    size_t at_a_time = n < 100 ? n : 100, woken = 0;
    double began = bench_now();
    for (size_t i = 0; woken < times; i = (i + at_a_time) % n) {
        for (size_t k = 0; k < at_a_time; k++)
            raw_ready(parked[(i + k) % n]);
        raw_yield();
        woken += at_a_time;
    }
    say("wake", n, began, woken);
}

static void measure_parked(size_t n, size_t times)
{
    for (size_t i = 0; i < n; i++)
        raw_create(park, (void *)(uintptr_t)i);
    raw_yield();
    tasks(n, times);
    wake(n, times > n ? times : n);
    for (size_t i = 0; i < n; i++) {
        stops[i] = true;
        raw_ready(parked[i]);
    }
    raw_yield();
}

static int run_flat(void)
{
    const size_t most = bench_count(1000000, 10), times = bench_count(TIMES, 10);
    for (size_t n = 10; n <= most; n *= 10) {
        stops = calloc(n, sizeof *stops);
        parked = calloc(n, sizeof(struct raw_co *));
        if (!stops || !parked)
            return -1;
        measure_parked(n, times);
        free(stops);
        free(parked);
    }
    return 0;
}

static const struct bench_row rows[] = {{"flat", run_flat}};

BENCH_MAIN(rows)
