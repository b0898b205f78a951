/*
 * inbox_close.c - a loop falls asleep, wakes up for whatever reason, and closes, while two threads
 * push: each push is refused, or the item is let go of by the closing thread; and nobody wakes a
 * poll that is gone.
 */
#include <limits.h>

#include "model/world.h"

static aw_loop *l;
static struct message {
    struct aw_ready ready;
    bool accepted;
    int let_go;
} messages[2];

static void let_go(struct aw_ready *item)
{
    aw_container_of(item, struct message, ready)->let_go++;
}

static void make_loop(void)
{
    l = world_loop();
    aw_loop_hold(l); /* the pushers', until the check */
    for (int i = 0; i < 2; i++)
        messages[i] = (struct message){.ready = {.run = let_go}};
}

static void push_first(void)
{
    messages[0].accepted = aw_inbox_push(l, &messages[0].ready) == 0;
}

static void push_second(void)
{
    messages[1].accepted = aw_inbox_push(l, &messages[1].ready) == 0;
}

/* The poll's time is over at any moment. */
static void sleep_and_close(void)
{
    aw_list none;
    model_assert(aw_inbox_sleep(l, 1000, &none) == 0);
    aw_loop_free(l);
}

static void check(void)
{
    for (int i = 0; i < 2; i++)
        model_assert(messages[i].let_go == messages[i].accepted);
    model_assert(aw_inbox_push(l, &messages[0].ready) == AW_EMISUSE);
    aw_loop_release(l);
}

static const struct model closing = {.setup = make_loop,
                                     .threads = {sleep_and_close, push_first, push_second},
                                     .check = check,
                                     .preemptions = 4};

TEST_MODEL(model_inbox_close_against_push, closing)

static void make_polling_loop(void)
{
    make_loop();
    l->io->in_flight = 1;
}

static const struct model closing_polled = {.setup = make_polling_loop,
                                            .threads = {sleep_and_close, push_first, push_second},
                                            .check = check,
                                            .preemptions = 4};

TEST_MODEL(model_inbox_close_against_push_polled, closing_polled)
