/*
 * Cancellation and channels: a call is served or cancelled, never both, and nothing is lost.
 */
#include "jobs.h"

struct side {
    aw_channel *ch;
    int first, second;
    void *item;
};

static int recv_and_sleep(void *arg)
{
    struct side *s = arg;
    s->first = aw_channel_recv(s->ch, &s->item);
    s->second = aw_sleep(1);
    return s->second;
}

static int send_and_sleep(void *arg)
{
    struct side *s = arg;
    s->first = aw_channel_send(s->ch, INT(2));
    s->second = aw_sleep(1);
    return s->second;
}

TEST_IN_LOOP(chan_cancelling_a_receiver_that_waits)
{
    struct side s = {.ch = aw_channel_new(1), .item = "untouched"};
    aw_task *t = aw_create_task(recv_and_sleep, &s);
    passes(1);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_channel_try_send(s.ch, INT(1)), 0);
    assert_int_equal(aw_channel_count(s.ch), 1); /* not for the one that is cancelled */
    assert_int_equal(aw_join(t), 0);             /* it swallowed the request */
    assert_int_equal(s.first, -ECANCELED);
    assert_string_equal(s.item, "untouched");
    aw_channel_unref(s.ch);
}

TEST_IN_LOOP(chan_cancelling_a_receiver_that_was_served)
{
    struct side s = {.ch = aw_channel_new(1)};
    aw_task *t = aw_create_task(recv_and_sleep, &s);
    passes(1);
    assert_int_equal(aw_channel_try_send(s.ch, INT(1)), 0);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_int_equal(s.first, 0); /* it took effect, and the request stayed pending */
    assert_ptr_equal(s.item, INT(1));
    assert_int_equal(s.second, -ECANCELED);
    aw_channel_unref(s.ch);
}

TEST_IN_LOOP(chan_cancelling_a_sender_that_waits)
{
    void *item;
    struct side s = {.ch = aw_channel_new(1)};
    assert_int_equal(aw_channel_try_send(s.ch, INT(1)), 0);
    aw_task *t = aw_create_task(send_and_sleep, &s);
    passes(1);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_channel_try_recv(s.ch, &item), 0);
    assert_int_equal(aw_channel_try_recv(s.ch, &item), AW_EEMPTY);
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(s.first, -ECANCELED);
    aw_channel_unref(s.ch);
}

TEST_IN_LOOP(chan_cancelling_a_sender_that_was_served)
{
    void *item;
    struct side s = {.ch = aw_channel_new(1)};
    assert_int_equal(aw_channel_try_send(s.ch, INT(1)), 0);
    aw_task *t = aw_create_task(send_and_sleep, &s);
    passes(1);
    assert_int_equal(aw_channel_try_recv(s.ch, &item), 0);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_int_equal(s.first, 0);
    assert_int_equal(aw_channel_try_recv(s.ch, &item), 0);
    assert_ptr_equal(item, INT(2));
    aw_channel_unref(s.ch);
}

TEST_IN_LOOP(chan_a_request_that_was_there_before)
{
    void *item;
    aw_channel *ch = aw_channel_new(1);
    aw_cancel(aw_current_task());
    assert_int_equal(aw_channel_send(ch, INT(1)), 0); /* there is room: it does not suspend */
    assert_int_equal(aw_channel_send(ch, INT(2)), -ECANCELED);
    assert_int_equal(aw_uncancel(aw_current_task()), 0);
    assert_int_equal(aw_channel_recv(ch, &item), 0);
    assert_int_equal(aw_channel_count(ch), 0);
    aw_channel_unref(ch);
}

TEST_IN_LOOP(chan_the_next_in_line_is_served_in_place_of_a_cancelled_one)
{
    aw_channel *ch = aw_channel_new(1);
    struct side a = {.ch = ch}, b = {.ch = ch};
    aw_task *ta = aw_create_task(recv_and_sleep, &a), *tb = aw_create_task(recv_and_sleep, &b);
    passes(1);
    assert_true(aw_cancel(ta));
    assert_int_equal(aw_channel_try_send(ch, INT(3)), 0);
    assert_int_equal(aw_join(ta), 0);
    assert_int_equal(aw_join(tb), 0);
    assert_int_equal(a.first, -ECANCELED);
    assert_int_equal(b.first, 0);
    assert_ptr_equal(b.item, INT(3));
    aw_channel_unref(ch);
}

/* The limit comes in the pass in which the item does. */
TEST_IN_LOOP(chan_a_time_limit_and_an_item_at_once)
{
    void *item = NULL;
    aw_channel *ch = aw_channel_new(1);
    assert_int_equal(aw_channel_try_send(ch, INT(1)), 0);
    struct side s = {.ch = ch};
    aw_task *t = aw_create_task(send_and_sleep, &s);
    passes(1);
    assert_int_equal(aw_channel_recv(ch, &item, .timeout = 1), 0);
    assert_int_equal(aw_channel_recv(ch, &item, .timeout = 1), 0);
    assert_int_equal(aw_channel_recv(ch, &item, .timeout = 1), -ETIMEDOUT);
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    assert_int_equal(aw_join(t), 0);
    aw_channel_unref(ch);
}

struct late {
    aw_channel *ch;
    int result;
};

static int served_and_late(void *arg)
{
    struct late *l = arg;
    void *item;
    l->result = aw_channel_recv(l->ch, &item, .timeout = 1);
    AW_TRY(aw_sleep(0)); /* no request is left over */
    return l->result;
}

static int send_and_block(void *arg)
{
    assert_int_equal(aw_channel_try_send(arg, INT(1)), 0);
    return aw_testing_advance(5); /* and the receiver's limit is over before it runs */
}

TEST_IN_LOOP(chan_served_before_the_limit_was_noticed)
{
    struct late l = {.ch = aw_channel_new(1)};
    aw_task *t = aw_create_task(served_and_late, &l);
    passes(1);
    aw_task *s = aw_create_task(send_and_block, l.ch);
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(aw_join(s), 0);
    aw_channel_unref(l.ch);
}
