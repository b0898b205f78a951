/*
 * channel_threads.c - threads send, receive with a time limit, and close, through a channel
 * with room for nothing and one with room for one: each item is received once, or stays with its
 * sender, or is dropped with the channel, and everybody comes back.
 */
#include <limits.h>
#include <math.h>

#include "model/world.h"

#include "await/channel.h"

static aw_channel *ch;
static struct item {
    int text; /* written by the sender, read by whoever has the item */
    int sent, received, dropped;
} items[2];
static int got[2];

static void drop(void *arg)
{
    ((struct item *)arg)->dropped++;
}

static void make_channel(size_t capacity)
{
    world_begin();
    ch = aw_channel_new(capacity, .release = drop);
    aw_channel_ref(ch);
    aw_channel_ref(ch);
    items[0] = items[1] = (struct item){.sent = 1};
}

static void make_narrow(void)
{
    make_channel(0);
}

static void make_wide(void)
{
    make_channel(1);
}

static void send_item(struct item *item, double timeout)
{
    item->text = 7;
    item->sent = aw_channel_send(ch, item, .timeout = timeout);
    world_reuse_stack();
    if (item->sent < 0)
        item->text = 0; /* it is still ours */
    aw_channel_unref(ch);
}

static void send_first(void)
{
    send_item(&items[0], 0);
}

static void send_second_for_a_while(void)
{
    send_item(&items[1], 1);
}

static int receive(double timeout)
{
    void *item = NULL;
    int err = aw_channel_recv(ch, &item, .timeout = timeout);
    world_reuse_stack();
    if (err == 0) {
        struct item *i = item;
        model_assert(i->text == 7);
        i->text = 0;
        i->received++;
    }
    return err;
}

static void receive_one(void)
{
    got[0] = receive(0);
    model_assert(got[0] == 0 || got[0] == AW_ESHUTDOWN);
    aw_channel_unref(ch);
}

static void receive_for_a_while(void)
{
    got[0] = receive(1);
    model_assert(got[0] == 0 || got[0] == -ETIMEDOUT || got[0] == AW_ESHUTDOWN);
    aw_channel_unref(ch);
}

/* The first may never be told that the second has given up; so this one closes. */
static void receive_and_close(void)
{
    got[0] = receive(1);
    got[1] = receive(1);
    model_assert(aw_channel_close(ch) == 0);
    aw_channel_unref(ch);
}

static void close_it(void)
{
    model_assert(aw_channel_close(ch) == 0);
    aw_channel_unref(ch);
}

static void check_items(int n)
{
    for (int i = 0; i < n; i++) {
        const struct item *it = &items[i];
        model_assert(it->sent <= 0 && it->received + it->dropped == (it->sent == 0));
    }
}

static void check_one(void)
{
    check_items(1);
    model_assert(items[0].received == (got[0] == 0));
}

static void check_two(void)
{
    check_items(2);
    model_assert(items[0].received + items[1].received == (got[0] == 0) + (got[1] == 0));
}

#define MEETING(make, receiver)                                                                    \
    {                                                                                              \
        .setup = (make), .threads = {send_first, receiver, close_it}, .check = check_one,          \
        .preemptions = 3, .quick = 2                                                               \
    }
static const struct model narrow = MEETING(make_narrow, receive_for_a_while);
static const struct model wide = MEETING(make_wide, receive_one);
static const struct model crowded = {
    .setup = make_wide,
    .threads = {receive_and_close, send_first, send_second_for_a_while},
    .check = check_two,
    .preemptions = 2,
    .quick = 1};

TEST_MODEL(model_channel_without_room_time_limit_and_close, narrow)
TEST_MODEL(model_channel_with_room_closed, wide)
TEST_MODEL(model_channel_two_senders_for_one_place, crowded)
