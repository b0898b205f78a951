/*
 * core.c - what the core costs: giving way, starting and joining, passing messages, timers.
 *
 * What a program does all day, in the words that it would use.  bench/limit/core.c does the same
 * work by hand.
 */
#include <await.h>

#include "bench/bench.h"

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Runs `main` on a loop, and says why if it fails. */
static int on_a_loop(aw_fn *main)
{
    int err = aw_run(main, NULL);
    if (err < 0)
        fprintf(stderr, "%s %s\n", aw_strerror(err), aw_errmsg());
    return err;
}

/* ---- giving way ---- */

static int give_way(void *arg)
{
    for (size_t n = *(size_t *)arg; n > 0; n--)
        AW_TRY(aw_sleep(0));
    return 0;
}

/* `tasks` tasks give way to each other, `each` times. */
static int yield_among(const char *name, size_t tasks, size_t each)
{
    aw_work *works = malloc(tasks * sizeof *works);
    if (!works)
        return -ENOMEM;
    for (size_t i = 0; i < tasks; i++)
        works[i] = AW_CORO(give_way, &each);
    int err = aw_gather_array(works, tasks); /* touches the stacks */
    double began = bench_now();
    if (err == 0)
        err = aw_gather_array(works, tasks);
    bench_say_ns(name, began, (double)tasks * (double)each);
    free(works);
    return err;
}

static int yield_two(void *arg)
{
    (void)arg;
    return yield_among("yield-2", 2, bench_count(500000, 1));
}

static int yield_thousand(void *arg)
{
    (void)arg;
    return yield_among("yield-1000", 1000, bench_count(2000, 1));
}

/* ---- starting and joining ---- */

static int create_and_join(void *arg)
{
    (void)arg;
    const size_t n = bench_count(1000000, 1);
    double began = bench_now();
    for (size_t i = 0; i < n; i++)
        AW_TRY(aw_join(aw_create_task(nothing, NULL)));
    bench_say_ns("create-join", began, (double)n);
    return 0;
}

/* 10,000 children that end at once; the first round touches their stacks. */
static int gather_ten_thousand(const char *name, bool eager)
{
    enum { N = 10000 };
    static aw_work works[N];
    const size_t times = bench_count(20, 1);
    for (int i = 0; i < N; i++)
        works[i] = AW_CORO(nothing, NULL, .eager = eager);
    AW_TRY(aw_gather_array(works, N));
    double began = bench_now();
    for (size_t i = 0; i < times; i++)
        AW_TRY(aw_gather_array(works, N));
    bench_say(name, (bench_now() - began) * 1e6 / (double)times);
    return 0;
}

static int gather_deferred(void *arg)
{
    (void)arg;
    return gather_ten_thousand("gather-deferred", false);
}

static int gather_eager(void *arg)
{
    (void)arg;
    return gather_ten_thousand("gather-eager", true);
}

/* ---- messages ---- */

struct table {
    aw_queue there, back;
    size_t rounds;
};

static int answer(void *arg)
{
    struct table *t = arg;
    void *ball;
    for (size_t i = 0; i < t->rounds; i++) {
        AW_TRY(aw_queue_get(&t->there, &ball));
        AW_TRY(aw_queue_put(&t->back, ball));
    }
    return 0;
}

static int ping_pong(void *arg)
{
    (void)arg;
    struct table t = {.rounds = bench_count(500000, 1)};
    aw_task *other = aw_create_task(answer, &t);
    void *ball = &t;
    double began = bench_now();
    for (size_t i = 0; i < t.rounds; i++) {
        AW_TRY(aw_queue_put(&t.there, ball));
        AW_TRY(aw_queue_get(&t.back, &ball));
    }
    bench_say_ns("ping-pong", began, (double)t.rounds);
    int err = aw_join(other);
    aw_queue_fini(&t.there);
    aw_queue_fini(&t.back);
    return err;
}

/* ---- timers ---- */

/* When the i-th of many timers is due, in seconds from now. */
static double due(size_t i)
{
    return 1 + (double)(i % 1000) * 0.37;
}

/* A million are present; others are set and cancelled beside them, so many at a time. */
static int timers(void *arg)
{
    (void)arg;
    enum { AT_A_TIME = 1000 };
    static aw_handle *handles[AT_A_TIME];
    const size_t present = bench_count(1000000, 1), n = bench_count(AT_A_TIME, 1), times = 500;
    double set = 0, cancel = 0;
    for (size_t i = 0; i < present; i++)
        AW_TRY(aw_call_later(due(i), nothing, NULL));
    for (size_t k = 0; k < times; k++) {
        double began = bench_now();
        for (size_t i = 0; i < n; i++)
            AW_TRY(aw_call_later(due(i), nothing, NULL, .handle = &handles[i]));
        double middle = bench_now();
        for (size_t i = 0; i < n; i++) {
            aw_handle_cancel(handles[i]);
            aw_handle_unref(handles[i]);
        }
        set += middle - began;
        cancel += bench_now() - middle;
    }
    double each = 1e9 / (double)(n * times);
    bench_say("timer-set", set * each);
    bench_say("timer-cancel", cancel * each);
    bench_say("timers", (set + cancel) * each / 2);
    return 0;
}

#define ROW(name)                                                                                  \
    static int run_##name(void)                                                                    \
    {                                                                                              \
        return on_a_loop(name);                                                                    \
    }
ROW(yield_two)
ROW(yield_thousand)
ROW(create_and_join)
ROW(ping_pong)
ROW(timers)
ROW(gather_deferred)
ROW(gather_eager)

static const struct bench_row rows[] = {
    {"yield-2", run_yield_two},
    {"yield-1000", run_yield_thousand},
    {"create-join", run_create_and_join},
    {"ping-pong", run_ping_pong},
    {"timers", run_timers},
    {"gather-deferred", run_gather_deferred},
    {"gather-eager", run_gather_eager},
};

BENCH_MAIN(rows)
