/*
 * inbox.c - two threads hand something to a loop that falls asleep and wakes up; it ends, and frees
 * itself, when both have come.
 *
 * The loop's side is what loop.c does in a pass, without the rest: take what there is, run it, and
 * sleep if that was nothing.
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

static void run_loop(void)
{
    while (came < 2) {
        aw_inbox_take(l);
        run_what_came();
        if (came < 2 && aw_inbox_may_sleep(l)) {
            aw_list none;
            l->io->backend->poll(l->io, -1, &none);
            aw_inbox_awake(l);
        }
    }
    aw_loop_free(l);
}

static const struct model pushing = {
    .setup = make_loop, .threads = {run_loop, push_first, push_second}, .preemptions = 4};

TEST_MODEL(model_inbox_push_sleep_wake, pushing)
