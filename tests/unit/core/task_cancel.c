/*
 * Cancelling tasks: what aw_cancel does at once, what one pass later, and what the task may do.
 */
#include "util.h"

/* TASK-012: Cancelling a pending task returns true, and right after the call it is neither done nor
 * cancelled. */
TEST_IN_LOOP(TASK_012_cancel_is_a_request)
{
    aw_task *asleep = aw_create_task(sleep_long, NULL);
    passes(1);
    aw_task *new = aw_create_task(sleep_long, NULL);
    assert_true(aw_cancel(asleep));
    assert_true(aw_cancel(new));
    assert_false(aw_done(asleep) || aw_cancelled(asleep));
    assert_false(aw_done(new) || aw_cancelled(new));
    assert_int_equal(aw_cancelling(asleep), 1);
    assert_int_equal(aw_join(asleep), -ECANCELED);
    assert_int_equal(aw_join(new), -ECANCELED);
}

/* TASK-013: Cancelling a task that awaits a future cancels that future inside the call; the task
 * ends cancelled in the next pass. */
TEST_IN_LOOP(TASK_013_awaited_future_is_cancelled_at_once)
{
    aw_future *f = aw_future_new();
    aw_task *t = aw_create_task(await_it, f);
    passes(1);
    assert_true(aw_cancel(t));
    assert_true(aw_cancelled(f));
    assert_false(aw_done(t));
    passes(1);
    assert_true(aw_cancelled(t));
    assert_int_equal(aw_result(t), -ECANCELED);
    aw_unref(t);
    aw_unref(f);
}

/* TASK-014: A task that sleeps for 10 s and is cancelled ends cancelled at once, and cancelling it
 * again returns false. */
TEST_IN_LOOP(TASK_014_sleep_is_cut_short)
{
    double began = aw_time();
    aw_task *t = aw_create_task(give_later, LATER(10, 1));
    assert_int_equal(aw_sleep(0.5), 0);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_await(t), -ECANCELED);
    assert_time(aw_time() - began, 0.5);
    assert_true(aw_done(t));
    assert_true(aw_cancelled(t));
    assert_false(aw_cancel(t));
    aw_unref(t);
}

/* TASK-015: Cancelling only the future that a task awaits ends the task as cancelled too. */
TEST_IN_LOOP(TASK_015_cancelled_future_cancels_its_waiter)
{
    aw_future *f = aw_future_new();
    aw_task *t = aw_create_task(await_it, f);
    passes(1);
    assert_true(aw_cancel(f));
    assert_false(aw_done(t));
    passes(1);
    assert_true(aw_cancelled(t));
    assert_int_equal(aw_cancelling(t), 0);
    aw_unref(t);
    aw_unref(f);
}

/* TASK-016: A coroutine that catches -ECANCELED and returns 42 ends with 42, not cancelled. */
TEST_IN_LOOP(TASK_016_cancellation_caught)
{
    aw_task *t = aw_create_task(answer_cancel, INT(42));
    passes(1);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_await(t), 42);
    assert_false(aw_cancelled(t));
    assert_int_equal(aw_error(t), 0);
    aw_unref(t);
}

static int cancel_self_and_sleep(void *arg)
{
    aw_future *done = arg;
    assert_true(aw_cancel(aw_current_task(), .msg = "myself"));
    assert_int_equal(aw_await(done), 3); /* does not suspend */
    note('a');
    assert_int_equal(aw_sleep(100), -ECANCELED);
    assert_string_equal(aw_errmsg(), "myself");
    note('b');
    assert_int_equal(aw_sleep(100), 0); /* told once */
    return aw_cancelling(aw_current_task());
}

/* TASK-017: A task that cancels itself gets -ECANCELED at its very next call that suspends, however
 * long that would have taken. */
TEST_IN_LOOP(TASK_017_task_that_cancels_itself)
{
    double began = aw_time();
    aw_future *done = aw_future_new();
    assert_int_equal(aw_set_result(done, 3, NULL), 0);
    aw_task *t = aw_create_task(cancel_self_and_sleep, done);
    passes(1);
    assert_trace("a");
    passes(1);
    assert_trace("ab");
    assert_time(aw_time() - began, 0);
    assert_int_equal(aw_join(t), 1);
    assert_time(aw_time() - began, 100);
    aw_unref(done);
}

static int cancel_self_and(void *arg)
{
    assert_true(aw_cancel(aw_current_task()));
    return ((int (*)(void))(intptr_t)arg)();
}

static int yield_once(void)
{
    assert_int_equal(aw_sleep(0), -ECANCELED);
    return aw_sleep(0);
}

static int await_new_future(void)
{
    aw_future *f = aw_future_new();
    assert_int_equal(aw_await(f), -ECANCELED);
    assert_true(aw_cancelled(f));
    aw_unref(f);
    return aw_sleep(0);
}

static int wait_shielded(void)
{
    aw_future *f = aw_future_new();
    assert_int_equal(aw_await_shielded(f), -ECANCELED);
    assert_int_equal(aw_wait(&f, 1, AW_ALL_COMPLETED, .timeout = 1), 0); /* told once */
    assert_false(aw_done(f));
    aw_unref(f);
    return aw_sleep(0);
}

TEST_IN_LOOP(TASK_017_every_kind_of_suspension)
{
    int (*const bodies[])(void) = {yield_once, await_new_future, wait_shielded};
    for (int i = 0; i < 3; i++) {
        aw_task *t = aw_create_task(cancel_self_and, (void *)(intptr_t)bodies[i]);
        assert_int_equal(aw_join(t), 0);
    }
}

static int return_five(void)
{
    return 5;
}

/* TASK-018: A task that cancels itself and returns without suspending ends cancelled; what it
 * returned is dropped. */
TEST_IN_LOOP(TASK_018_cancelled_at_the_end)
{
    aw_task *t = aw_create_task(cancel_self_and, (void *)(intptr_t)return_five);
    assert_int_equal(aw_await(t), -ECANCELED);
    assert_true(aw_cancelled(t));
    assert_int_equal(aw_result(t), -ECANCELED);
    assert_null(aw_value(t));
    aw_unref(t);
}

static int return_error(void)
{
    return -EIO;
}

TEST_IN_LOOP(TASK_018_an_error_at_the_end_is_not_dropped)
{
    aw_task *t = aw_create_task(cancel_self_and, (void *)(intptr_t)return_error);
    assert_int_equal(aw_await(t), -EIO);
    assert_false(aw_cancelled(t));
    aw_unref(t);
}

static int innermost(void)
{
    int err = aw_sleep(1000);
    if (err == -ECANCELED)
        note('1');
    return err;
}

static int middle(void)
{
    int err = innermost();
    if (err == -ECANCELED)
        note('2');
    return err;
}

static int swallows(void *arg)
{
    if (middle() == -ECANCELED)
        note('3');
    AW_TRY(aw_sleep(1));
    return give(arg);
}

/* TASK-019: A cancellation unwinds from the inside out: the innermost call sees -ECANCELED first,
 * then its callers, and one that swallows it lets the task finish normally. */
TEST_IN_LOOP(TASK_019_unwinds_from_the_inside_out)
{
    aw_task *t = aw_create_task(swallows, INT(8));
    passes(1);
    assert_true(aw_cancel(t));
    passes(1);
    assert_trace("123");
    assert_false(aw_done(t));
    assert_int_equal(aw_await(t), 8);
    assert_false(aw_cancelled(t));
    aw_unref(t);
}

/* TASK-020: When A awaits task B and B awaits a future, cancelling A cancels the future at once,
 * ends B one pass later and A two passes later. */
TEST_IN_LOOP(TASK_020_cancellation_through_a_chain)
{
    aw_future *f = aw_future_new();
    aw_task *b = aw_create_task(await_it, f), *a = aw_create_task(await_it, b);
    passes(2);
    assert_true(aw_cancel(a, .msg = "all of you"));
    assert_true(aw_cancelled(f));
    assert_false(aw_done(b));
    assert_false(aw_done(a));
    passes(1);
    assert_true(aw_cancelled(b));
    assert_false(aw_done(a));
    passes(1);
    assert_true(aw_cancelled(a));
    assert_int_equal(aw_await(a), -ECANCELED);
    assert_string_equal(aw_errmsg(), "all of you");
    aw_unref(a);
    aw_unref(b);
    aw_unref(f);
}

TEST_IN_LOOP(TASK_020_the_waiter_gets_what_became_of_the_awaited)
{
    aw_task *b = aw_create_task(answer_cancel, INT(6)), *a = aw_create_task(await_it, b);
    passes(2);
    assert_true(aw_cancel(a));
    assert_int_equal(aw_await(a), 6); /* B swallowed it, and A never heard of it */
    assert_false(aw_cancelled(a));
    assert_int_equal(aw_cancelling(b), 1);
    aw_unref(a);
    aw_unref(b);
}

static int await_cancelled_and_note(void *arg)
{
    note(aw_await(arg) == -ECANCELED ? 'c' : '-');
    return 0;
}

/* TASK-021: If the awaited future was completed and the task is cancelled before it resumes, it
 * gets -ECANCELED at that call; the future keeps its value. */
TEST_IN_LOOP(TASK_021_cancelled_between_completion_and_resumption)
{
    aw_future *f = aw_future_new();
    aw_task *t = aw_create_task(await_cancelled_and_note, f);
    passes(1);
    assert_int_equal(aw_set_result(f, 7, NULL), 0);
    assert_true(aw_cancel(t));
    assert_false(aw_cancelled(f));
    passes(1);
    assert_trace("c");
    assert_int_equal(aw_result(f), 7);
    assert_int_equal(aw_join(t), 0);
    aw_unref(f);
}

static int count_cancellations(void *arg)
{
    int *told = arg, last = 0;
    for (int i = 0; i < 4; i++) {
        last = aw_sleep(1);
        *told += last == -ECANCELED;
    }
    assert_int_equal(last, 0);
    return aw_cancelling(aw_current_task());
}

/* TASK-022: Two aw_cancel calls before the task resumes deliver one -ECANCELED, while the count of
 * requests is 2. */
TEST_IN_LOOP(TASK_022_two_requests_one_delivery)
{
    int told = 0;
    aw_task *t = aw_create_task(count_cancellations, &told);
    passes(1);
    assert_true(aw_cancel(t, .msg = "first"));
    assert_true(aw_cancel(t, .msg = "second"));
    assert_int_equal(aw_cancelling(t), 2);
    passes(1);
    assert_int_equal(told, 1);
    assert_int_equal(aw_join(t), 2);
    assert_int_equal(told, 1);
}

TEST_IN_LOOP(TASK_022_two_requests_through_an_awaited_task)
{
    aw_task *b = aw_create_task(answer_cancel, INT(6)), *a = aw_create_task(await_it, b);
    passes(2);
    assert_true(aw_cancel(a));
    assert_true(aw_cancel(a));
    assert_int_equal(aw_cancelling(a), 2);
    assert_int_equal(aw_cancelling(b), 2);
    assert_int_equal(aw_join(a), 6);
    assert_int_equal(aw_join(b), 6);
}

/* TASK-023: An error returned while handling -ECANCELED takes its place: the task failed with it
 * and is not cancelled. */
TEST_IN_LOOP(TASK_023_error_replaces_the_cancellation)
{
    aw_task *t = aw_create_task(answer_cancel, INT(-EIO));
    passes(1);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_await(t), -EIO);
    assert_false(aw_cancelled(t));
    assert_int_equal(aw_error(t), -EIO);
    aw_unref(t);
}

TEST_IN_LOOP(TASK_023_returning_canceled_unasked_is_being_cancelled)
{
    aw_task *t = aw_create_task(give, INT(-ECANCELED));
    assert_int_equal(aw_await(t), -ECANCELED);
    assert_true(aw_cancelled(t));
    assert_int_equal(aw_cancelling(t), 0);
    aw_unref(t);
}

/* TASK-024: A cancel message travels: awaiting a task, its result and its error give -ECANCELED
 * with the message in aw_errmsg; without a message there is none. */
TEST_IN_LOOP(TASK_024_cancel_message_travels)
{
    char msg[] = "my message";
    aw_task *with = aw_create_task(sleep_long, NULL), *without = aw_create_task(sleep_long, NULL);
    passes(1);
    assert_true(aw_cancel(with, .msg = msg));
    assert_true(aw_cancel(without));
    msg[0] = '-';
    assert_int_equal(aw_await(with), -ECANCELED);
    assert_string_equal(aw_errmsg(), "my message");
    assert_int_equal(aw_await(without), -ECANCELED);
    assert_string_equal(aw_errmsg(), "");
    assert_int_equal(aw_result(with), -ECANCELED);
    assert_string_equal(aw_errmsg(), "my message");
    assert_int_equal(aw_error(without), -ECANCELED);
    assert_string_equal(aw_errmsg(), "");
    assert_int_equal(aw_error(with), -ECANCELED);
    assert_string_equal(aw_errmsg(), "my message");
    aw_unref(with);
    aw_unref(without);
}

static int expect_message(void *arg)
{
    assert_int_equal(aw_sleep(10), -ECANCELED);
    assert_string_equal(aw_errmsg(), arg);
    return 0;
}

TEST_IN_LOOP(TASK_024_cancelled_task_reads_the_message)
{
    aw_task *t = aw_create_task(expect_message, "my message");
    aw_task *u = aw_create_task(expect_message, "");
    passes(1);
    assert_true(aw_cancel(t, .msg = "my message"));
    assert_string_equal(aw_errmsg(), ""); /* the canceller's own is left alone */
    assert_true(aw_cancel(u));
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(aw_join(u), 0);
}

TEST_IN_LOOP(TASK_024_message_of_a_task_that_never_began)
{
    aw_task *t = aw_create_task(note_it, "t");
    assert_true(aw_cancel(t, .msg = "too early"));
    assert_int_equal(aw_await(t), -ECANCELED);
    assert_string_equal(aw_errmsg(), "too early");
    assert_true(aw_cancelled(t));
    assert_trace("");
    aw_unref(t);
}

static int cancelled_in_shield(void *arg)
{
    assert_int_equal(aw_await_shielded(arg), -ECANCELED);
    assert_string_equal(aw_errmsg(), "leave it");
    return 0;
}

TEST_IN_LOOP(TASK_024_message_stays_out_of_the_cancellers_own)
{
    aw_future *f = aw_future_new(), *failed = aw_future_new();
    aw_task *t = aw_create_task(cancelled_in_shield, f);
    passes(1);
    assert_int_equal(aw_set_error(failed, -EIO, .msg = "mine"), 0);
    assert_int_equal(aw_join(failed), -EIO);
    assert_true(aw_cancel(t, .msg = "leave it"));
    assert_string_equal(aw_errmsg(), "mine");
    assert_int_equal(aw_join(t), 0);
    aw_unref(f);
}

/* TASK-025: aw_uncancel lowers the count of requests by one and returns what is left; at 0 it
 * stays 0. */
TEST_IN_LOOP(TASK_025_uncancel_counts_down)
{
    int told = 0;
    aw_task *t = aw_create_task(count_cancellations, &told);
    passes(1);
    assert_int_equal(aw_uncancel(t), 0);
    for (int i = 1; i <= 3; i++) {
        assert_true(aw_cancel(t));
        assert_int_equal(aw_cancelling(t), i);
    }
    for (int i = 2; i >= 0; i--) {
        assert_int_equal(aw_uncancel(t), i);
        assert_int_equal(aw_cancelling(t), i);
    }
    assert_int_equal(aw_uncancel(t), 0);
    assert_int_equal(aw_cancelling(t), 0);
    assert_int_equal(aw_join(t), 0);
}

static int catch_and_uncancel(void *arg)
{
    (void)arg;
    aw_task *me = aw_current_task();
    assert_int_equal(aw_sleep(10), -ECANCELED);
    assert_int_equal(aw_cancelling(me), 1);
    assert_int_equal(aw_sleep(1), 0);
    assert_int_equal(aw_cancelling(me), 1);
    assert_int_equal(aw_uncancel(me), 0);
    assert_int_equal(aw_cancelling(me), 0);
    return aw_sleep(1);
}

/* TASK-026: Catching -ECANCELED does not lower the count of requests: it is 1 until aw_uncancel. */
TEST_IN_LOOP(TASK_026_catching_does_not_lower_the_count)
{
    aw_task *t = aw_create_task(catch_and_uncancel, NULL);
    passes(1);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_await(t), 0);
    assert_int_equal(aw_cancelling(t), 0);
    aw_unref(t);
}

static int await_then_42(void *arg)
{
    AW_TRY(aw_await(arg));
    AW_TRY(aw_sleep(1));
    return 42;
}

/* TASK-027: If aw_uncancel brings the count to 0 before the task resumes, the cancellation that was
 * not delivered is withdrawn, and the task runs on to return 42. */
TEST_IN_LOOP(TASK_027_uncancel_withdraws)
{
    aw_future *f = aw_future_new();
    aw_task *t = aw_create_task(await_then_42, f);
    passes(1);
    assert_int_equal(aw_set_result(f, 0, NULL), 0);
    assert_true(aw_cancel(t));
    assert_true(aw_cancel(t));
    assert_int_equal(aw_uncancel(t), 1);
    assert_int_equal(aw_uncancel(t), 0);
    assert_int_equal(aw_await(t), 42);
    assert_false(aw_cancelled(t));
    aw_unref(t);
    aw_unref(f);
}

TEST_IN_LOOP(TASK_027_uncancel_leaves_others_requests)
{
    aw_future *f = aw_future_new();
    aw_task *t = aw_create_task(await_then_42, f);
    passes(1);
    assert_int_equal(aw_set_result(f, 0, NULL), 0);
    assert_true(aw_cancel(t));
    assert_true(aw_cancel(t));
    assert_int_equal(aw_uncancel(t), 1);
    assert_int_equal(aw_join(t), -ECANCELED);
    aw_unref(f);
}

static int cancel_and_uncancel_self(void *arg)
{
    (void)arg;
    aw_task *me = aw_current_task();
    assert_true(aw_cancel(me));
    assert_int_equal(aw_uncancel(me), 0);
    AW_TRY(aw_sleep(1));
    return 42;
}

TEST_IN_LOOP(TASK_027_uncancel_of_ones_own_request)
{
    assert_int_equal(aw_join(aw_create_task(cancel_and_uncancel_self, NULL)), 42);
}

TEST_IN_LOOP(TASK_027_uncancel_of_a_task_that_has_not_begun)
{
    aw_task *t = aw_create_task(note_it, "t");
    assert_true(aw_cancel(t));
    assert_int_equal(aw_uncancel(t), 0);
    assert_int_equal(aw_join(t), 0);
    assert_trace("t");
}
