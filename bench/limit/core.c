/*
 * core.c - the limit of bench/core.c: the same work by hand.
 */
#include "bench/limit/raw.h"

/* ---- switch ---- */

static size_t switches;

static void switch_back(void *arg)
{
    struct raw_co *main = arg, *me = raw_self;
    for (;;)
        raw_switch(me, main);
}

/* Between two stacks, without a scheduler. */
static int run_switch(void)
{
    switches = bench_count(10000000, 1);
    struct raw_co *other = raw_create(switch_back, &raw_thread);
    raw_self = other;
    raw_switch(&raw_thread, other);
    double began = bench_now();
    for (size_t i = 0; i < switches; i++)
        raw_switch(&raw_thread, other);
    bench_say_ns("switch", began, 2.0 * (double)switches);
    return 0;
}

/* ---- giving way ---- */

static size_t running;

static void give_way(void *arg)
{
    for (size_t n = *(size_t *)arg; n > 0; n--)
        raw_yield();
    running--;
}

static void yield_among(size_t tasks, size_t each)
{
    running = tasks;
    for (size_t i = 0; i < tasks; i++)
        raw_create(give_way, &each);
    while (running)
        raw_yield();
}

static int run_yield(const char *name, size_t tasks, size_t each)
{
    yield_among(tasks, 2);
    double began = bench_now();
    yield_among(tasks, each);
    bench_say_ns(name, began, (double)tasks * (double)each);
    return 0;
}

static int run_yield_two(void)
{
    return run_yield("yield-2", 2, bench_count(500000, 1));
}

static int run_yield_thousand(void)
{
    return run_yield("yield-1000", 1000, bench_count(2000, 1));
}

/* ---- starting and joining ---- */

static void nothing(void *arg)
{
    (void)arg;
}

static int run_create_and_join(void)
{
    const size_t n = bench_count(1000000, 1);
    double began = bench_now();
    for (size_t i = 0; i < n; i++) {
        raw_create(nothing, NULL)->joiner = raw_self;
        raw_next();
    }
    bench_say_ns("create-join", began, (double)n);
    return 0;
}

struct crowd {
    size_t left;
    struct raw_co *waiter;
};

static void one_of(void *arg)
{
    struct crowd *c = arg;
    if (--c->left == 0)
        raw_ready(c->waiter);
}

static void gather(size_t n)
{
    struct crowd c = {n, raw_self};
    for (size_t i = 0; i < n; i++)
        raw_create(one_of, &c);
    raw_next();
}

static int run_gather(void)
{
    const size_t times = bench_count(20, 1);
    gather(10000);
    double began = bench_now();
    for (size_t i = 0; i < times; i++)
        gather(10000);
    bench_say("gather-deferred", (bench_now() - began) * 1e6 / (double)times);
    return 0;
}

/* ---- messages ---- */

struct cell {
    void *item;
    struct raw_co *getter;
};

static inline void put(struct cell *c, void *item)
{
    c->item = item;
    if (c->getter) {
        raw_ready(c->getter);
        c->getter = NULL;
    }
}

static inline void *get(struct cell *c)
{
    while (!c->item) {
        c->getter = raw_self;
        raw_next();
    }
    void *item = c->item;
    c->item = NULL;
    return item;
}

static struct cell there, back;
static size_t rounds;

static void answer(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < rounds; i++)
        put(&back, get(&there));
}

static int run_ping_pong(void)
{
    rounds = bench_count(500000, 1);
    void *ball = &rounds;
    raw_create(answer, NULL);
    double began = bench_now();
    for (size_t i = 0; i < rounds; i++) {
        put(&there, ball);
        ball = get(&back);
    }
    bench_say_ns("ping-pong", began, (double)rounds);
    return 0;
}

static const struct bench_row rows[] = {
    {"switch", run_switch},
    {"yield-2", run_yield_two},
    {"yield-1000", run_yield_thousand},
    {"create-join", run_create_and_join},
    {"ping-pong", run_ping_pong},
    {"gather-deferred", run_gather},
};

BENCH_MAIN(rows)
