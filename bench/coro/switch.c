/*
 * switch.c - what one change of stacks costs, without tasks or a scheduler.
 *
 * The only benchmark of a private part: the switch itself is not offered to programs.
 */
#include "coro/fiber.h"

#include "bench/bench.h"

static struct aw_fiber main_fiber;

static void switch_back(struct aw_fiber *self)
{
    for (;;)
        aw_fiber_switch(self, &main_fiber);
}

static int run_switch(void)
{
    const size_t n = bench_count(10000000, 1);
    struct aw_stack_pool pool;
    struct aw_fiber *other;
    aw_stack_pool_init(&pool, sizeof *other);
    if (aw_stack_get(&pool, (size_t)64 << 10, &other) < 0)
        return -1;
    aw_fiber_adopt_thread(&main_fiber);
    aw_fiber_prepare(other, switch_back, 0);
    aw_fiber_switch(&main_fiber, other);
    double began = bench_now();
    for (size_t i = 0; i < n; i++)
        aw_fiber_switch(&main_fiber, other);
    bench_say_ns("switch", began, 2.0 * (double)n);
    aw_stack_put(&pool, other);
    aw_stack_pool_fini(&pool);
    return 0;
}

static const struct bench_row rows[] = {{"switch", run_switch}};

BENCH_MAIN(rows)
