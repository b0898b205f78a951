/*
 * timers.c - the limit of the timers of bench/core.c: a hierarchical wheel and nothing else.
 *
 * Eight levels of 64 slots, a tick of about a millisecond.  A timer is a list node with its tick,
 * part of its owner's memory; setting it finds the level and links it, cancelling unlinks it.
 */
#include <stdint.h>

#include "bench/bench.h"

enum { LEVELS = 8, BITS = 6, SLOTS = 1 << BITS, TICK_BITS = 20 };

struct timer {
    struct timer *next, *prev;
    int64_t tick;
    uint16_t slot;
};

static struct timer slots[LEVELS * SLOTS];
static uint64_t used[LEVELS];
static int64_t now_tick;

static inline void set(struct timer *t, int64_t deadline)
{
    t->tick = deadline >> TICK_BITS;
    uint64_t differs = (uint64_t)(t->tick ^ now_tick) | 1;
    unsigned level = (63u - (unsigned)__builtin_clzll(differs)) / BITS;
    unsigned in_level = (unsigned)(t->tick >> (level * BITS)) & (SLOTS - 1);
    t->slot = (uint16_t)(level * SLOTS + in_level);
    used[level] |= (uint64_t)1 << in_level;
    struct timer *head = &slots[t->slot];
    t->next = head;
    t->prev = head->prev;
    head->prev->next = t;
    head->prev = t;
}

static inline void cancel(struct timer *t)
{
    t->prev->next = t->next;
    t->next->prev = t->prev;
    struct timer *head = &slots[t->slot];
    if (head->next == head)
        used[t->slot / SLOTS] &= ~((uint64_t)1 << t->slot % SLOTS);
}

static int64_t due(size_t i)
{
    return (int64_t)((1 + (double)(i % 1000) * 0.37) * 1e9);
}

static int run_timers(void)
{
    const size_t present = bench_count(1000000, 1), n = bench_count(1000, 1), times = 500;
    struct timer *timers = malloc((present + n) * sizeof *timers);
    double set_time = 0, cancel_time = 0;
    if (!timers)
        return -1;
    for (int i = 0; i < LEVELS * SLOTS; i++)
        slots[i].next = slots[i].prev = &slots[i];
    for (size_t i = 0; i < present; i++)
        set(&timers[i], due(i));
    for (size_t k = 0; k < times; k++) {
        double began = bench_now();
        for (size_t i = 0; i < n; i++)
            set(&timers[present + i], due(i));
        double middle = bench_now();
        for (size_t i = 0; i < n; i++)
            cancel(&timers[present + i]);
        set_time += middle - began;
        cancel_time += bench_now() - middle;
    }
    double each = 1e9 / (double)(n * times);
    bench_say("timer-set", set_time * each);
    bench_say("timer-cancel", cancel_time * each);
    bench_say("timers", (set_time + cancel_time) * each / 2);
    free(timers);
    return 0;
}

static const struct bench_row rows[] = {{"timers", run_timers}};

BENCH_MAIN(rows)
