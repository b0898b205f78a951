/*
 * Closing a channel, giving it up, and loops that close over those who wait.
 */
#include "jobs.h"

static _Atomic int released;

static void count_release(void *item)
{
    atomic_fetch_add(&released, (int)(intptr_t)item);
}

static aw_channel *filled(size_t capacity, int n)
{
    aw_channel *ch = aw_channel_new(capacity, .release = count_release);
    for (int i = 0; i < n; i++)
        assert_int_equal(aw_channel_try_send(ch, INT(1)), 0);
    return ch;
}

TEST(chan_closing_leaves_what_is_in_it)
{
    void *item;
    aw_channel *ch = filled(4, 2);
    assert_false(aw_channel_closed(ch));
    assert_int_equal(aw_channel_close(ch), 0);
    assert_true(aw_channel_closed(ch));
    assert_int_equal(aw_channel_send(ch, INT(1)), AW_ESHUTDOWN);
    assert_string_equal(aw_errmsg(), "the channel is closed");
    assert_int_equal(aw_channel_try_send(ch, INT(1)), AW_ESHUTDOWN);
    assert_int_equal(aw_channel_recv(ch, &item), 0);
    assert_int_equal(aw_channel_try_recv(ch, &item), 0);
    assert_int_equal(aw_channel_recv(ch, &item), AW_ESHUTDOWN);
    assert_int_equal(aw_channel_try_recv(ch, &item), AW_ESHUTDOWN);
    assert_int_equal(aw_channel_close(ch), 0);
    aw_channel_unref(ch);
    assert_int_equal(released, 0);
}

TEST(chan_closing_at_once_drops_what_is_in_it)
{
    void *item;
    aw_channel *ch = filled(4, 3);
    assert_int_equal(aw_channel_close(ch), 0);
    assert_int_equal(aw_channel_recv(ch, &item), 0);
    assert_int_equal(aw_channel_close(ch, .immediate = true), 0); /* the second thought */
    assert_int_equal(released, 2);
    assert_int_equal(aw_channel_recv(ch, &item), AW_ESHUTDOWN);
    aw_channel_unref(ch);
    assert_int_equal(released, 2);
}

TEST(chan_the_last_handle_drops_what_is_left)
{
    aw_channel *ch = filled(4, 4);
    assert_ptr_equal(aw_channel_ref(ch), ch);
    aw_channel_unref(ch);
    assert_int_equal(released, 0);
    aw_channel_unref(ch);
    assert_int_equal(released, 4);
    ch = aw_channel_new(2); /* without .release */
    assert_int_equal(aw_channel_try_send(ch, INT(1)), 0);
    aw_channel_unref(ch);
}

struct side {
    aw_channel *ch;
    int result;
    void *item;
};

static int send_it(void *arg)
{
    struct side *s = arg;
    s->result = aw_channel_send(s->ch, INT(1));
    return s->result;
}

static int recv_it(void *arg)
{
    struct side *s = arg;
    s->result = aw_channel_recv(s->ch, &s->item);
    return s->result;
}

static void *send_in_thread(void *arg)
{
    aw_ignore(send_it(arg));
    return NULL;
}

static void *recv_in_thread(void *arg)
{
    aw_ignore(recv_it(arg));
    return NULL;
}

static void close_over(aw_channel *ch, aw_fn *fn, void *(*in_thread)(void *))
{
    struct side task = {.ch = ch}, thread = {.ch = ch};
    pthread_t id;
    aw_task *t = aw_create_task(fn, &task);
    passes(1);
    assert_int_equal(pthread_create(&id, NULL, in_thread, &thread), 0);
    nap(50);
    assert_int_equal(aw_channel_close(ch), 0);
    assert_int_equal(aw_join(t), AW_ESHUTDOWN);
    assert_int_equal(pthread_join(id, NULL), 0);
    assert_int_equal(thread.result, AW_ESHUTDOWN);
    aw_channel_unref(ch);
}

TEST_IN_LOOP(chan_closing_turns_away_those_who_wait)
{
    close_over(aw_channel_new(1), recv_it, recv_in_thread);
    close_over(filled(1, 1), send_it, send_in_thread);
    assert_int_equal(released, 1); /* what was in it; the others were never sent */
}

/* ---- a waiting call keeps the channel ---- */

TEST_IN_LOOP(chan_the_handle_may_go_while_a_call_waits)
{
    struct side s = {.ch = aw_channel_new(1)};
    aw_task *t = aw_create_task(recv_it, &s);
    passes(1);
    aw_channel_unref(s.ch);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), -ECANCELED);
}

/* ---- loops that close ---- */

static aw_loop *loop_over(aw_fn *fn, struct side *s, aw_task **ret)
{
    aw_loop *l = aw_loop_new();
    assert_int_equal(aw_loop_set_exception_handler(l, collect_report, NULL), 0);
    *ret = aw_create_task(fn, s, .loop = l);
    assert_int_equal(aw_loop_stop(l), 0);
    assert_int_equal(aw_loop_run_forever(l), 0);
    assert_false(aw_done(*ret));
    return l;
}

static void end_loop(aw_loop *l, aw_task *t)
{
    assert_int_equal(aw_loop_close(l), 0);
    assert_reports(1); /* pending when its loop was closed */
    assert_true(aw_cancelled(t));
    aw_unref(t);
    aw_loop_free(l);
}

TEST(chan_a_loop_closes_over_a_receiver)
{
    aw_task *t;
    struct side s = {.ch = filled(2, 0)};
    aw_loop *l = loop_over(recv_it, &s, &t);
    end_loop(l, t);
    assert_int_equal(aw_channel_try_send(s.ch, INT(1)), 0); /* stays: nobody is in line */
    assert_int_equal(aw_channel_count(s.ch), 1);
    aw_channel_unref(s.ch);
    assert_int_equal(released, 1);
}

TEST(chan_a_loop_closes_over_a_sender)
{
    aw_task *t;
    void *item;
    struct side s = {.ch = filled(1, 1)};
    aw_loop *l = loop_over(send_it, &s, &t);
    end_loop(l, t);
    assert_int_equal(aw_channel_try_recv(s.ch, &item), 0);
    assert_int_equal(aw_channel_try_recv(s.ch, &item), AW_EEMPTY); /* it was never sent */
    aw_channel_unref(s.ch);
    assert_int_equal(released, 0);
}

/* It was handed an item, and never runs again: the item is dropped. */
TEST(chan_a_loop_closes_over_a_receiver_that_was_served)
{
    aw_task *t;
    struct side s = {.ch = filled(2, 0)};
    aw_loop *l = loop_over(recv_it, &s, &t);
    assert_int_equal(aw_channel_try_send(s.ch, INT(1)), 0);
    assert_int_equal(aw_channel_count(s.ch), 0);
    end_loop(l, t);
    assert_int_equal(released, 1);
    aw_channel_unref(s.ch);
    assert_int_equal(released, 1);
}

TEST(chan_a_loop_closes_over_a_sender_that_was_served)
{
    aw_task *t;
    void *item;
    struct side s = {.ch = filled(1, 1)};
    aw_loop *l = loop_over(send_it, &s, &t);
    assert_int_equal(aw_channel_try_recv(s.ch, &item), 0);
    assert_int_equal(aw_channel_count(s.ch), 1); /* its item is in */
    end_loop(l, t);
    assert_int_equal(aw_channel_try_recv(s.ch, &item), 0);
    aw_channel_unref(s.ch);
    assert_int_equal(released, 0);
}

/* The handle of such a task may outlive everything. */
TEST(chan_a_served_task_without_a_handle)
{
    aw_task *t;
    struct side s = {.ch = filled(1, 0)};
    aw_loop *l = loop_over(recv_it, &s, &t);
    aw_unref(t);
    assert_int_equal(aw_channel_try_send(s.ch, INT(1)), 0);
    assert_int_equal(aw_channel_close(s.ch), 0);
    aw_loop_free(l);
    assert_reports(1);
    aw_channel_unref(s.ch);
    assert_int_equal(released, 1);
}

/* ---- deadlocks ---- */

static void *send_late(void *arg)
{
    nap(50);
    assert_int_equal(aw_channel_send(arg, INT(7)), 0);
    return NULL;
}

static int recv_seven(void *arg)
{
    void *item;
    AW_TRY(aw_channel_recv(arg, &item));
    return (int)(intptr_t)item;
}

TEST(chan_a_task_that_waits_for_a_thread_is_no_deadlock)
{
    pthread_t thread;
    aw_channel *ch = aw_channel_new(1);
    assert_int_equal(pthread_create(&thread, NULL, send_late, ch), 0);
    assert_int_equal(aw_run(recv_seven, ch), 7);
    assert_int_equal(pthread_join(thread, NULL), 0);
    aw_channel_unref(ch);
}

static int leave_receiver(void *arg)
{
    aw_unref(aw_create_task(recv_it, arg));
    return aw_sleep(0);
}

TEST(chan_the_end_of_a_run_cancels_those_who_wait)
{
    struct side s = {.ch = filled(1, 0)};
    assert_int_equal(aw_run(leave_receiver, &s, .exception_handler = collect_report), 0);
    assert_reports(1);
    assert_int_equal(s.result, -ECANCELED);
    assert_int_equal(aw_channel_try_send(s.ch, INT(1)), 0);
    assert_int_equal(aw_channel_count(s.ch), 1);
    aw_channel_unref(s.ch);
}
