/*
 * state_threads.c - the benchmarks on State Threads: coroutines with a scheduler, without tasks
 * that can be cancelled, without other threads.
 */
#include <st.h>

#include "bench/bench.h"

/* What it takes from a stack's mapping for itself is on top of this. */
#define STACK (64 << 10)

static void *nothing(void *arg)
{
    return arg;
}

static void *give_way(void *arg)
{
    for (size_t n = *(size_t *)arg; n > 0; n--)
        st_usleep(0);
    return NULL;
}

static void yield_among(size_t tasks, size_t each)
{
    st_thread_t *threads = malloc(tasks * sizeof *threads);
    for (size_t i = 0; i < tasks; i++)
        threads[i] = st_thread_create(give_way, &each, 1, STACK);
    for (size_t i = 0; i < tasks; i++)
        st_thread_join(threads[i], NULL);
    free(threads);
}

static int yields(const char *name, size_t tasks, size_t each)
{
    st_init();
    yield_among(tasks, 2);
    double began = bench_now();
    yield_among(tasks, each);
    bench_say_ns(name, began, (double)tasks * (double)each);
    return 0;
}

static int run_yield_two(void)
{
    return yields("yield-2", 2, bench_count(300000, 1));
}

static int run_yield_thousand(void)
{
    return yields("yield-1000", 1000, bench_count(500, 1));
}

static int run_create_and_join(void)
{
    const size_t n = bench_count(300000, 1);
    st_init();
    double began = bench_now();
    for (size_t i = 0; i < n; i++)
        st_thread_join(st_thread_create(nothing, NULL, 1, STACK), NULL);
    bench_say_ns("create-join", began, (double)n);
    return 0;
}

static void gather(st_thread_t *threads, size_t n)
{
    for (size_t i = 0; i < n; i++)
        threads[i] = st_thread_create(nothing, NULL, 1, STACK);
    for (size_t i = 0; i < n; i++)
        st_thread_join(threads[i], NULL);
}

static int run_gather(void)
{
    enum { N = 10000 };
    static st_thread_t threads[N];
    const size_t times = bench_count(10, 1);
    st_init();
    gather(threads, N);
    double began = bench_now();
    for (size_t i = 0; i < times; i++)
        gather(threads, N);
    bench_say("gather-deferred", (bench_now() - began) * 1e6 / (double)times);
    return 0;
}

/* It has no channel: a cell with a condition variable. */
struct cell {
    void *item;
    st_cond_t full;
};

static void put(struct cell *c, void *item)
{
    c->item = item;
    st_cond_signal(c->full);
}

static void *get(struct cell *c)
{
    while (!c->item)
        st_cond_wait(c->full);
    void *item = c->item;
    c->item = NULL;
    return item;
}

static struct cell there, back;
static size_t rounds;

static void *answer(void *arg)
{
    for (size_t i = 0; i < rounds; i++)
        put(&back, get(&there));
    return arg;
}

static int run_ping_pong(void)
{
    void *ball = &rounds;
    st_init();
    rounds = bench_count(500000, 1);
    there.full = st_cond_new();
    back.full = st_cond_new();
    st_thread_t other = st_thread_create(answer, NULL, 1, STACK);
    double began = bench_now();
    for (size_t i = 0; i < rounds; i++) {
        put(&there, ball);
        ball = get(&back);
    }
    bench_say_ns("ping-pong", began, (double)rounds);
    st_thread_join(other, NULL);
    return 0;
}

/* ---- sleepers ---- */

static size_t awake;
static double until;

static void *sleeper(void *arg)
{
    double left = until - bench_now();
    st_usleep(left > 0 ? (st_utime_t)(left * 1e6) : 0);
    awake++;
    return arg;
}

static double crowd(size_t n, double seconds, double *ret_bytes)
{
    double before = bench_memory(), began = bench_now();
    awake = 0;
    until = began + seconds;
    for (size_t i = 0; i < n; i++)
        if (!st_thread_create(sleeper, NULL, 0, STACK))
            return -1;
    st_usleep(0);
    double took = bench_now() - began;
    *ret_bytes = bench_memory() - before;
    while (awake < n)
        st_usleep(10000);
    return took;
}

static int run_sleepers(void)
{
    const size_t n = bench_count(1000000, 100);
    double bytes, ignored;
    st_init();
    double start = crowd(n, (double)n * 8e-6, &bytes), used = bench_cpu();
    double warm = start < 0 ? -1 : crowd(n, start * 1.5, &ignored);
    if (warm < 0) {
        fprintf(stderr, "State Threads: no memory for so many stacks\n");
        return -1;
    }
    bench_say("sleepers-bytes", bytes / (double)n);
    bench_say("sleepers-rate", (double)n / warm / 1e3);
    bench_say("sleepers-cpu", bench_cpu() - used);
    return 0;
}

static const struct bench_row rows[] = {
    {"yield-2", run_yield_two},           {"yield-1000", run_yield_thousand},
    {"create-join", run_create_and_join}, {"ping-pong", run_ping_pong},
    {"gather-deferred", run_gather},      {"sleepers", run_sleepers},
};

BENCH_MAIN(rows)
