/*
 * inbox.c - two threads hand something to a loop that falls asleep and wakes up; it ends, and frees
 * itself, when both have come.
 *
 * The loop's side is what loop.c does in a pass, without the rest: take what there is, run it, and
 * sleep if that was not all.
 */
#include <limits.h>

#include "model/world.h"

static aw_loop *l;
static struct message {
    struct aw_ready ready;
    int text; /* written before the push, read by the loop */
} messages[2];
static int came;

static void receive(struct aw_ready *item)
{
    struct message *m = aw_container_of(item, struct message, ready);
    model_assert(m->text == 7);
    m->text = 0;
    came++;
}

static void make_loop(void)
{
    l = world_loop();
    came = 0;
}

static void push(struct message *m)
{
    m->ready.run = receive;
    m->text = 7;
    model_assert(aw_inbox_push(l, &m->ready) == 0);
}

static void push_first(void)
{
    push(&messages[0]);
}

static void push_second(void)
{
    push(&messages[1]);
}

static void run_what_came(void)
{
    aw_fifo_node *node;
    while ((node = aw_fifo_pop(&l->ready)) != NULL) {
        struct aw_ready *item = aw_container_of(node, struct aw_ready, link);
        item->run(item);
    }
}

static void take_and_run(void)
{
    if (aw_inbox_filled(l))
        aw_inbox_take(l);
    run_what_came();
}

static void run_loop(void)
{
    aw_list none;
    while (came < 2) {
        take_and_run();
        if (came < 2)
            model_assert(aw_inbox_sleep(l, -1, &none) == 0);
    }
    aw_loop_free(l);
}

static const struct model pushing = {.setup = make_loop,
                                     .threads = {run_loop, push_first, push_second},
                                     .preemptions = 4,
                                     .quick = 3};

TEST_MODEL(model_inbox_push_sleep_wake, pushing)

/* The same where the kernel has something to do for the loop: it sleeps in its poll. */

static void make_polling_loop(void)
{
    make_loop();
    l->io->in_flight = 1;
}

static const struct model polled = {.setup = make_polling_loop,
                                    .threads = {run_loop, push_first, push_second},
                                    .preemptions = 4,
                                    .quick = 3};

TEST_MODEL(model_inbox_push_poll_wake, polled)

/* One item after the other from the same thread; the loop takes what is there at a moment of its
 * own, all of it, as it does before it schedules something itself. */

static void push_both(void)
{
    push_first();
    push_second();
}

static void take_all(void)
{
    aw_list none;
    while (came < 2) {
        int before = came;
        if (aw_inbox_filled(l))
            aw_inbox_take_all(l);
        run_what_came();
        if (came == before)
            model_assert(aw_inbox_sleep(l, -1, &none) == 0);
    }
    aw_loop_free(l);
}

static const struct model taking_all = {
    .setup = make_loop, .threads = {take_all, push_both}, .preemptions = 4};

TEST_MODEL(model_inbox_take_all, taking_all)

/* A signal handler asks for attention, while a thread pushes. */

static struct gate handled;

static void ask_for_attention(void)
{
    atomic_store(&l->attention, true);
    aw_inbox_wake(l);
    gate_open(&handled);
}

static void attend(void)
{
    aw_list none;
    bool attended = false;
    while (came < 1 || !attended) {
        attended |= atomic_exchange(&l->attention, false);
        take_and_run();
        if (came < 1 || !attended)
            model_assert(aw_inbox_sleep(l, -1, &none) == 0);
    }
    gate_pass(&handled); /* a signal is given back before its loop goes */
    aw_loop_free(l);
}

static void make_loop_for_signals(void)
{
    make_loop();
    handled.open = false;
}

static const struct model attending = {.setup = make_loop_for_signals,
                                       .threads = {attend, push_first, ask_for_attention},
                                       .preemptions = 3};

TEST_MODEL(model_inbox_attention, attending)
