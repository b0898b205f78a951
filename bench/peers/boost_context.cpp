/*
 * boost_context.cpp - the benchmarks on Boost.Context: stacks and a switch, no scheduler.
 */
#include <boost/context/fiber.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "bench/bench.h"

namespace ctx = boost::context;

static int run_switch()
{
    const size_t n = bench_count(5000000, 1);
    ctx::pooled_fixedsize_stack stacks(64 << 10);
    ctx::fiber other(std::allocator_arg, stacks, [](ctx::fiber &&main) {
        for (;;)
            main = std::move(main).resume();
        return std::move(main);
    });
    other = std::move(other).resume();
    double began = bench_now();
    for (size_t i = 0; i < n; i++)
        other = std::move(other).resume();
    bench_say_ns("switch", began, 2.0 * static_cast<double>(n));
    return 0;
}

/* Made, run to its end, and its stack given back; there is nobody to schedule it or to join. */
static int run_create_and_join()
{
    const size_t n = bench_count(1000000, 1);
    ctx::pooled_fixedsize_stack stacks(64 << 10);
    double began = bench_now();
    for (size_t i = 0; i < n; i++) {
        ctx::fiber one(std::allocator_arg, stacks,
                       [](ctx::fiber &&main) { return std::move(main); });
        one = std::move(one).resume();
    }
    bench_say_ns("create-join", began, static_cast<double>(n));
    return 0;
}

static const struct bench_row rows[] = {
    {"switch", run_switch},
    {"create-join", run_create_and_join},
};

BENCH_MAIN(rows)
