/*
 * testing.c - what tests of programs need: time to move, tasks to be blocked, calls to be watched.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "await/testing.h"
#include "core/core.h"

void aw_loop_advance(aw_loop *l, double seconds)
{
    aw_assert(l->clock.is_virtual);
    l->clock.virtual_now = aw_deadline_in(l, seconds);
}

int aw_testing_advance(double seconds)
{
    aw_loop *l = aw_self.loop;
    if (!l || !l->clock.is_virtual)
        return l ? aw_fail(AW_EMISUSE, "the loop's clock is the real one") : aw_no_loop();
    if (isnan(seconds) || seconds < 0)
        return aw_fail(-EINVAL, "the duration is negative or NaN");
    aw_loop_advance(l, seconds);
    return 0;
}

/* ---- waiting until nothing is ready ---- */

struct blocked_wait {
    aw_list link; /* on loop->idle_waiters */
    struct aw_wait wait;
};

static bool blocked_cancel(struct aw_wait *w)
{
    aw_list_remove(&aw_container_of(w, struct blocked_wait, wait)->link);
    aw_wake(w, -ECANCELED);
    return true;
}

static const struct aw_wait_kind blocked_kind = {.name = "aw_wait_all_blocked",
                                                 .cancel = blocked_cancel};

int aw_wait_all_blocked(void)
{
    aw_loop *l = aw_self.loop;
    if (!l || !l->current)
        return aw_no_loop();
    struct blocked_wait b = {
        .wait = {.kind = &blocked_kind, .caller = __builtin_return_address(0)}};
    aw_list_push_back(&l->idle_waiters, &b.link);
    return aw_suspend(l->current, &b.wait);
}

bool aw_wake_one_idle(aw_loop *l)
{
    aw_list *link = aw_list_pop_front(&l->idle_waiters);
    if (link)
        aw_wake(&aw_container_of(link, struct blocked_wait, link)->wait, 0);
    return link != NULL;
}

/* ---- did it suspend? ---- */

uint64_t aw_suspensions(void)
{
    aw_loop *l = aw_self.loop;
    return l && l->current ? l->current->suspensions : 0;
}

void aw_testing_check_suspended(uint64_t before, bool want, const char *expr, const char *file,
                                int line)
{
    if ((aw_suspensions() != before) == want)
        return;
    char text[512];
    aw_buf b;
    aw_buf_init(&b, text, sizeof text);
    aw_buf_printf(&b, "await: %s:%d: %s: %s\n", file, line,
                  want ? "expected to suspend, but did not" : "expected not to suspend, but did",
                  expr);
    aw_stderr_write(text, b.len);
    abort();
}

/* ---- order from a seed ---- */

uint64_t aw_loop_trace(aw_loop *l)
{
    return l ? l->trace : 0;
}

void aw_trace_step(aw_loop *l, uint64_t id)
{
    uint64_t now = (uint64_t)aw_clock_now(&l->clock);
    l->trace = (l->trace ^ id) * UINT64_C(0x100000001b3);
    l->trace = (l->trace ^ now) * UINT64_C(0x100000001b3);
}

static void fifo_append(aw_fifo *to, aw_fifo *from)
{
    if (!from->head)
        return;
    if (to->head)
        to->tail->next = from->head;
    else
        to->head = from->head;
    to->tail = from->tail;
}

/* Deal the items out to eight hands and put the hands together, three times over: an order drawn
 * from the generator, without an array. */
static void shuffle(aw_prng *prng, aw_fifo *q)
{
    for (int round = 0; round < 3; round++) {
        aw_fifo hands[8] = {{0}};
        aw_fifo_node *node;
        while ((node = aw_fifo_pop(q)) != NULL)
            aw_fifo_push(&hands[aw_prng_below(prng, 8)], node);
        for (int i = 0; i < 8; i++)
            fifo_append(q, &hands[i]);
    }
}

/* Tasks change places; callbacks keep their order among themselves, as they are promised. */
void aw_shuffle_batch(aw_loop *l)
{
    aw_fifo tasks = {0}, callbacks = {0}, mixed = {0};
    aw_fifo_node *node;
    while ((node = aw_fifo_pop(&l->batch)) != NULL) {
        bool is_task = !aw_container_of(node, struct aw_ready, link)->run;
        aw_fifo_push(is_task ? &tasks : &callbacks, node);
    }
    shuffle(&l->prng, &tasks);
    while (tasks.head || callbacks.head) {
        bool task = tasks.head && (!callbacks.head || aw_prng_below(&l->prng, 2));
        aw_fifo_push(&mixed, aw_fifo_pop(task ? &tasks : &callbacks));
    }
    l->batch = mixed;
}

/* What one poll brought has no order of its own. */
void aw_shuffle_completed(aw_loop *l, aw_list *completed)
{
    aw_list hands[4], *link;
    for (int i = 0; i < 4; i++)
        aw_list_init(&hands[i]);
    while ((link = aw_list_pop_front(completed)) != NULL) {
        aw_list *hand = &hands[aw_prng_below(&l->prng, 4)];
        if (aw_prng_below(&l->prng, 2))
            aw_list_push_back(hand, link);
        else
            aw_list_push_front(hand, link);
    }
    for (int i = 0; i < 4; i++)
        aw_list_splice(completed, &hands[i]);
}

/* A number from the environment; 0 when there is none. */
static uint64_t env_number(const char *name)
{
    const char *value = getenv(name);
    return value ? strtoull(value, NULL, 10) : 0;
}

void aw_seed_loop(aw_loop *l, uint64_t seed, bool shuffle_tasks)
{
    seed = seed ? seed : env_number("AWAIT_SEED");
    l->shuffle = shuffle_tasks || aw_env_flag("AWAIT_SHUFFLE");
    l->seeded = seed || l->shuffle;
    aw_prng_seed(&l->prng, seed);
}
