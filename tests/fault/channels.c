/*
 * channels.c - scenarios of channels: between tasks, between a thread and a coroutine.
 *
 * Whatever happens, every item that a send took is received or dropped, once.
 */
#include <math.h>
#include <pthread.h>

#include "fault/inject.h"

static struct owned items[8];

/* A thread waits in time of its own: no limits then, in a loop whose time is virtual. */
static bool with_thread;

/* ---- without waiting ---- */

static int use_at_hand(aw_channel *ch)
{
    void *got = NULL;
    aw_channel_unref(aw_channel_ref(ch));
    CHECK(aw_channel_capacity(ch) == 2 && aw_channel_count(ch) == 0);
    CHECK(aw_channel_try_recv(ch, &got) == AW_EEMPTY);
    CHECK(aw_channel_send(ch, &items[0]) == 0 && aw_channel_try_send(ch, &items[1]) == 0);
    items[0].given = items[1].given = 1;
    CHECK(aw_channel_try_send(ch, &items[2]) == AW_EFULL);
    CHECK(aw_channel_send(ch, &items[2], .timeout = 1e-9) == -ETIMEDOUT);
    CHECK(aw_channel_recv(ch, &got) == 0 && got == &items[0]);
    release_owned(got);
    CHECK(!aw_channel_closed(ch) && aw_channel_close(ch, .immediate = true) == 0);
    CHECK(aw_channel_closed(ch) && items[1].released == 1);
    CHECK(aw_channel_send(ch, &items[2]) == AW_ESHUTDOWN);
    CHECK(aw_channel_recv(ch, &got) == AW_ESHUTDOWN);
    return 0;
}

/* Makes the channel that all use, and gives it up. */
static int with_channel(size_t capacity, int (*body)(aw_channel *ch))
{
    memset(items, 0, sizeof items);
    aw_channel *ch = aw_channel_new(capacity, .release = release_owned);
    if (!ch)
        return unexpected(aw_errno(), "a channel", __FILE__, __LINE__);
    int err = body(ch);
    aw_channel_unref(ch);
    CHECK(owned_settled(items, 8));
    return err;
}

SCENARIO(channel_at_hand)
{
    return with_channel(2, use_at_hand);
}

/* ---- between tasks ---- */

static int send_all(aw_channel *ch)
{
    for (int i = 0; i < 6; i++) {
        int err = i % 2 || with_thread ? aw_channel_send(ch, &items[i])
                                       : aw_channel_send(ch, &items[i], .timeout = 100);
        if (err < 0)
            return err == AW_ESHUTDOWN ? 0 : err;
        items[i].given = 1;
        if (i == 2 && !with_thread)
            AW_TRY(aw_sleep(1));
    }
    return 0;
}

static int send_and_close(void *arg)
{
    int err = send_all(arg);
    CHECK(aw_channel_close(arg) == 0);
    return err;
}

static int receive_all(aw_channel *ch)
{
    void *got;
    int err;
    for (int n = 0;; n++) {
        err = n % 2 || with_thread ? aw_channel_recv(ch, &got)
                                   : aw_channel_recv(ch, &got, .timeout = 100);
        if (err < 0)
            break;
        release_owned(got);
        if (n == 3 && !with_thread)
            AW_TRY(aw_sleep(1));
    }
    return err == AW_ESHUTDOWN ? 0 : err;
}

static int receive_and_close(void *arg)
{
    int err = receive_all(arg);
    CHECK(aw_channel_close(arg) == 0);
    return err;
}

static int exchange(void *arg)
{
    return aw_gather(AW_CORO(send_and_close, arg), AW_CORO(receive_and_close, arg));
}

static int exchange_in_a_loop(aw_channel *ch)
{
    return run_main(exchange, ch);
}

SCENARIO(channel_between_tasks)
{
    return with_channel(1, exchange_in_a_loop);
}

SCENARIO(channel_without_room)
{
    return with_channel(0, exchange_in_a_loop);
}

/* Closed, or given up by its loop, over those who wait. */
static int wait_for_an_item(void *arg)
{
    void *got;
    return aw_channel_recv(arg, &got);
}

static int close_over_two(void *arg)
{
    aw_task *first, *second;
    MAKE(first, aw_create_task(wait_for_an_item, arg));
    MAKE(second, aw_create_task(wait_for_an_item, arg));
    AW_TRY(aw_sleep(1));
    CHECK(aw_channel_close(arg) == 0);
    EXPECT(aw_await(first), AW_ESHUTDOWN);
    EXPECT(aw_await(second), AW_ESHUTDOWN);
    return 0;
}

static int close_in_a_loop(aw_channel *ch)
{
    return run_main(close_over_two, ch);
}

SCENARIO(channel_closed_over_tasks)
{
    return with_channel(1, close_in_a_loop);
}

/* ---- between a thread and a coroutine ---- */

struct peer {
    int (*fn)(void *arg);
    aw_channel *ch;
    int result;
};

static void *run_peer(void *arg)
{
    struct peer *p = arg;
    p->result = p->fn(p->ch);
    return NULL;
}

/* A plain thread at one end, a loop at the other; whoever fails first closes. */
static int with_peer(aw_channel *ch, int (*fn)(void *arg), aw_fn *mine)
{
    struct peer peer = {.fn = fn, .ch = ch};
    pthread_t thread;
    threads_take_part();
    with_thread = true;
    CHECK(pthread_create(&thread, NULL, run_peer, &peer) == 0);
    int err = run_main(mine, ch);
    CHECK(aw_channel_close(ch) == 0); /* it may not have come to that */
    CHECK(pthread_join(thread, NULL) == 0);
    with_thread = false;
    if (peer.result < 0)
        return unexpected(peer.result, "the thread's end", __FILE__, __LINE__);
    return err;
}

static int from_thread(aw_channel *ch)
{
    return with_peer(ch, send_and_close, receive_and_close);
}

static int to_thread(aw_channel *ch)
{
    return with_peer(ch, receive_and_close, send_and_close);
}

SCENARIO(channel_from_a_thread)
{
    return with_channel(1, from_thread);
}

SCENARIO(channel_to_a_thread)
{
    return with_channel(1, to_thread);
}
