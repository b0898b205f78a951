/*
 * timer.c - when things are due: a wheel for what is far, a heap for what is near.
 *
 * Most timers are time limits, set and cancelled long before they are due.  In the wheel both are
 * a list operation, for ten timers or a million: eight levels of 64 slots, a slot of level k being
 * 64^k ticks wide, a tick about a millisecond.  A timer stands in the lowest level at which its
 * tick differs from the present one.  As the present moves on, slots that are reached are emptied
 * into lower levels, and at last into the heap, which holds what is due in this tick or overdue
 * and orders it exactly: by deadline, then in the order in which the timers were set.
 *
 * Invariant: a timer in level k shares all higher digits of its tick with `now`, and its digit k is
 * greater than now's.  So every occupied slot lies ahead, the first occupied slot of the lowest
 * occupied level holds the least deadline of the wheel, and everything in the heap is less.
 */
#include <math.h>

#include "core/core.h"

static aw_list *slot_of(struct aw_timers *ts, unsigned level, unsigned slot)
{
    return &ts->slots[level][slot];
}

void aw_timers_init(struct aw_timers *ts, int64_t now_ns)
{
    *ts = (struct aw_timers){.now = now_ns >> AW_TICK_BITS};
    aw_list_init(&ts->never);
    for (unsigned level = 0; level < AW_WHEEL_LEVELS; level++)
        for (unsigned slot = 0; slot < AW_WHEEL_SLOTS; slot++)
            aw_list_init(slot_of(ts, level, slot));
}

static void place(struct aw_timers *ts, struct aw_timer *t)
{
    int64_t tick = t->node.key >> AW_TICK_BITS;
    if (tick <= ts->now) {
        t->where = AW_TIMER_HEAP;
        aw_heap_insert(&ts->heap, &t->node);
        return;
    }
    unsigned top_bit = 63u - (unsigned)__builtin_clzll((uint64_t)(tick ^ ts->now));
    t->where = AW_TIMER_WHEEL;
    t->level = (uint8_t)(top_bit / AW_WHEEL_BITS);
    t->slot = (uint8_t)((tick >> (t->level * AW_WHEEL_BITS)) & (AW_WHEEL_SLOTS - 1));
    ts->used[t->level] |= UINT64_C(1) << t->slot;
    aw_list_push_back(slot_of(ts, t->level, t->slot), &t->link);
}

void aw_timer_set(struct aw_timers *ts, struct aw_timer *t, int64_t deadline)
{
    aw_assert(t->where == AW_TIMER_IDLE);
    t->node.key = deadline;
    t->node.seq = ts->seq++;
    if (deadline == INT64_MAX) {
        t->where = AW_TIMER_NEVER;
        aw_list_push_back(&ts->never, &t->link);
        return;
    }
    ts->count++;
    place(ts, t);
}

/* Off its slot's list, which may then be empty. */
static void leave_wheel(struct aw_timers *ts, struct aw_timer *t)
{
    aw_list_remove(&t->link);
    if (aw_list_empty(slot_of(ts, t->level, t->slot)))
        ts->used[t->level] &= ~(UINT64_C(1) << t->slot);
}

void aw_timer_cancel(struct aw_timers *ts, struct aw_timer *t)
{
    if (t->where == AW_TIMER_HEAP)
        aw_heap_remove(&ts->heap, &t->node);
    else if (t->where == AW_TIMER_WHEEL)
        leave_wheel(ts, t);
    else if (t->where == AW_TIMER_NEVER)
        aw_list_remove(&t->link);
    if (t->where == AW_TIMER_HEAP || t->where == AW_TIMER_WHEEL)
        ts->count--;
    t->where = AW_TIMER_IDLE;
}

/* The first occupied slot of the wheel and the tick it begins at; false: the wheel is empty. */
static bool first_slot(const struct aw_timers *ts, unsigned *level, unsigned *slot, int64_t *tick)
{
    for (unsigned k = 0; k < AW_WHEEL_LEVELS; k++) {
        if (!ts->used[k])
            continue;
        unsigned shift = k * AW_WHEEL_BITS;
        int64_t higher = ts->now >> (shift + AW_WHEEL_BITS) << (shift + AW_WHEEL_BITS);
        *level = k;
        *slot = (unsigned)__builtin_ctzll(ts->used[k]);
        *tick = higher | (int64_t)*slot << shift;
        return true;
    }
    return false;
}

/* The present has reached this slot: its timers move down. */
static void empty_slot(struct aw_timers *ts, unsigned level, unsigned slot)
{
    aw_list reached;
    aw_list_init(&reached);
    aw_list_splice(&reached, slot_of(ts, level, slot));
    ts->used[level] &= ~(UINT64_C(1) << slot);
    aw_list *link;
    while ((link = aw_list_pop_front(&reached)) != NULL)
        place(ts, aw_container_of(link, struct aw_timer, link));
}

void aw_timers_fire(struct aw_timers *ts, int64_t now_ns)
{
    int64_t present = now_ns >> AW_TICK_BITS, tick;
    unsigned level, slot;
    while (first_slot(ts, &level, &slot, &tick) && tick <= present) {
        ts->now = tick;
        empty_slot(ts, level, slot);
    }
    if (present > ts->now)
        ts->now = present;
    aw_heap_node *least;
    while ((least = aw_heap_min(&ts->heap)) != NULL && least->key <= now_ns) {
        struct aw_timer *t = aw_container_of(aw_heap_pop(&ts->heap), struct aw_timer, node);
        t->where = AW_TIMER_IDLE;
        ts->count--;
        t->fire(t);
    }
}

/* The least deadline in a slot, or where the slot begins if that would take long to find out. */
static int64_t least_in_slot(const struct aw_timers *ts, unsigned level, unsigned slot,
                             int64_t tick)
{
    const aw_list *head = &ts->slots[level][slot];
    int64_t least = INT64_MAX;
    int looked_at = 0;
    aw_list_each(link, head)
    {
        if (++looked_at > 16)
            return tick << AW_TICK_BITS;
        const struct aw_timer *t = aw_container_of(link, struct aw_timer, link);
        least = t->node.key < least ? t->node.key : least;
    }
    return least;
}

int64_t aw_timers_next(const struct aw_timers *ts)
{
    if (aw_heap_min(&ts->heap))
        return aw_heap_min(&ts->heap)->key;
    unsigned level, slot;
    int64_t tick;
    if (!first_slot(ts, &level, &slot, &tick))
        return INT64_MAX;
    return least_in_slot(ts, level, slot, tick);
}

struct aw_timer *aw_timers_take_any(struct aw_timers *ts)
{
    unsigned level, slot;
    int64_t tick;
    struct aw_timer *t = NULL;
    if (aw_heap_min(&ts->heap))
        t = aw_container_of(aw_heap_min(&ts->heap), struct aw_timer, node);
    else if (first_slot(ts, &level, &slot, &tick))
        t = aw_container_of(slot_of(ts, level, slot)->next, struct aw_timer, link);
    else if (!aw_list_empty(&ts->never))
        t = aw_container_of(ts->never.next, struct aw_timer, link);
    if (t)
        aw_timer_cancel(ts, t);
    return t;
}

/* ---- seconds and nanoseconds ---- */

int64_t aw_ns_from_seconds(double seconds)
{
    double ns = ceil(seconds * 1e9);
    if (ns >= 9.2e18)
        return INT64_MAX;
    return ns <= 0 ? 0 : (int64_t)ns;
}

int64_t aw_deadline_in(aw_loop *l, double seconds)
{
    int64_t ns = aw_ns_from_seconds(seconds), now = aw_clock_now(&l->clock);
    return ns > INT64_MAX - now ? INT64_MAX : now + ns;
}
