/*
 * aw_wait_for and aw_timeout_call: waiting with a limit.
 */
#include <math.h>

#include "util.h"

/* TASK-045: With a limit of 0 or less, aw_wait_for of what is done returns its result. */
TEST_IN_LOOP(TASK_045_done_within_no_time)
{
    aw_future *f = aw_future_new();
    assert_int_equal(aw_set_result(f, 12, NULL), 0);
    assert_int_equal(aw_wait_for(f, 0), 12);
    assert_int_equal(aw_wait_for(f, -1), 12);
    assert_int_equal(aw_wait_for(f, 1), 12);
    aw_unref(f);
    f = aw_future_new();
    assert_int_equal(aw_set_error(f, -EIO), 0);
    assert_int_equal(aw_wait_for(f, 0), -EIO);
    aw_unref(f);
}

/* TASK-046: With a limit of 0, aw_wait_for of a task that has not begun returns -ETIMEDOUT, and its
 * coroutine never runs. */
TEST_IN_LOOP(TASK_046_not_begun_within_no_time)
{
    double began = aw_time();
    for (int i = 0; i < 2; i++) {
        aw_task *t = aw_create_task(note_it, "t");
        assert_int_equal(aw_wait_for(t, -i), -ETIMEDOUT);
        assert_true(aw_cancelled(t));
        aw_unref(t);
    }
    passes(2);
    assert_trace("");
    assert_time(aw_time() - began, 0);
}

/* TASK-047: If the awaited task swallows the limit's cancellation and returns a value, aw_wait_for
 * returns that instead of -ETIMEDOUT. */
TEST_IN_LOOP(TASK_047_swallowed_timeout)
{
    double began = aw_time();
    aw_task *t = aw_create_task(answer_cancel, INT(42));
    assert_int_equal(aw_wait_for(t, 1), 42);
    assert_time(aw_time() - began, 1);
    assert_false(aw_cancelled(t));
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    aw_unref(t);
}

/* TASK-048: If the awaited task fails with another error while it is being cancelled for the limit,
 * aw_wait_for returns that error. */
TEST_IN_LOOP(TASK_048_error_during_the_timeout)
{
    aw_task *t = aw_create_task(answer_cancel, INT(-EIO));
    assert_int_equal(aw_wait_for(t, 1), -EIO);
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    aw_unref(t);
}

struct limited {
    aw_future *f;
    double seconds;
};

static int wait_for_it(void *arg)
{
    struct limited *l = arg;
    return aw_wait_for(l->f, l->seconds);
}

/* TASK-049: When the caller of aw_wait_for is cancelled in the pass in which the awaited task
 * finishes, it gets -ECANCELED, and the task keeps its result. */
TEST_IN_LOOP(TASK_049_cancelled_in_the_pass_of_completion)
{
    aw_task *inner = aw_create_task(give_later, LATER(0, 42));
    aw_task *outer = aw_create_task(wait_for_it, &((struct limited){inner, 10}));
    passes(1);
    assert_false(aw_done(inner));
    passes(1); /* inner, which was created first, has run before us */
    assert_true(aw_done(inner));
    assert_false(aw_done(outer));
    assert_true(aw_cancel(outer));
    assert_int_equal(aw_await(outer), -ECANCELED);
    assert_true(aw_cancelled(outer));
    assert_int_equal(aw_result(inner), 42);
    aw_unref(outer);
    aw_unref(inner);
}

/* TASK-050: aw_wait_for of a shield returns -ETIMEDOUT on time and leaves the shielded task running
 * to its result. */
TEST_IN_LOOP(TASK_050_timeout_of_a_shield)
{
    double began = aw_time();
    aw_task *inner = aw_create_task(give_later, LATER(2, 6));
    aw_future *s = aw_shield(inner);
    assert_int_equal(aw_wait_for(s, 0.5), -ETIMEDOUT);
    assert_time(aw_time() - began, 0.5);
    assert_true(aw_cancelled(s));
    assert_false(aw_done(inner));
    assert_int_equal(aw_join(inner), 6);
    assert_time(aw_time() - began, 2);
    aw_unref(s);
}

/* ---- aw_wait_for otherwise ---- */

TEST_IN_LOOP(task_wait_for_in_time)
{
    double began = aw_time();
    int value;
    aw_task *t = aw_create_task(give_later, LATER(1, 5));
    assert_int_equal(aw_wait_for(t, 1.5), 5);
    assert_time(aw_time() - began, 1);
    aw_unref(t);
    t = aw_create_task(give_later, LATER(1, -EIO));
    assert_int_equal(aw_wait_for(t, INFINITY), -EIO);
    aw_unref(t);
    aw_future *f = aw_future_new();
    assert_int_equal(aw_call_soon(note_it, "c"), 0);
    assert_int_equal(aw_set_result(f, 2, &value), 0);
    assert_int_equal(aw_wait_for(f, 1), 2);
    assert_trace(""); /* did not suspend */
    passes(1);
    aw_unref(f);
}

TEST_IN_LOOP(task_wait_for_too_long)
{
    double began = aw_time();
    aw_future *f = aw_future_new();
    assert_int_equal(aw_wait_for(f, 2), -ETIMEDOUT);
    assert_time(aw_time() - began, 2);
    assert_true(aw_cancelled(f));
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    aw_unref(f);
    assert_int_equal(aw_sleep(1), 0); /* nothing is left of it */
}

static int slow_to_end(void *arg)
{
    if (aw_sleep(1000) != -ECANCELED)
        return -EINVAL;
    AW_TRY(aw_sleep(*(double *)arg));
    note('e');
    return -ECANCELED;
}

TEST_IN_LOOP(task_wait_for_waits_for_the_cancelled)
{
    double began = aw_time();
    aw_task *t = aw_create_task(slow_to_end, &(double){3});
    assert_int_equal(aw_wait_for(t, 2), -ETIMEDOUT);
    assert_trace("e");
    assert_time(aw_time() - began, 5);
    assert_true(aw_cancelled(t));
    aw_unref(t);
}

TEST_IN_LOOP(task_wait_for_cancelled_from_elsewhere)
{
    double began = aw_time();
    aw_task *inner = aw_create_task(sleep_long, NULL);
    aw_task *outer = aw_create_task(wait_for_it, &((struct limited){inner, 10}));
    passes(1);
    assert_true(aw_cancel(outer, .msg = "never mind"));
    assert_int_equal(aw_cancelling(inner), 1);
    assert_int_equal(aw_await(outer), -ECANCELED);
    assert_string_equal(aw_errmsg(), "never mind");
    assert_true(aw_cancelled(inner));
    assert_time(aw_time() - began, 0);
    aw_unref(outer);
    aw_unref(inner);
    inner = aw_create_task(sleep_long, NULL);
    outer = aw_create_task(wait_for_it, &((struct limited){inner, 10}));
    passes(1);
    assert_true(aw_cancel(inner)); /* the awaited one alone: that is its result, no timeout */
    assert_int_equal(aw_join(outer), -ECANCELED);
    assert_int_equal(aw_join(inner), -ECANCELED);
}

TEST_IN_LOOP(task_wait_for_cancelled_while_the_timed_out_one_ends)
{
    double began = aw_time();
    aw_task *inner = aw_create_task(slow_to_end, &(double){10});
    aw_task *outer = aw_create_task(wait_for_it, &((struct limited){inner, 1}));
    assert_int_equal(aw_sleep(5), 0);
    assert_false(aw_done(outer));
    assert_true(aw_cancel(outer));
    assert_int_equal(aw_await(outer), -ECANCELED);
    assert_time(aw_time() - began, 5);
    assert_int_equal(aw_cancelling(outer), 1);
    aw_unref(outer);
    aw_unref(inner);
}

/* ---- aw_timeout_call ---- */

TEST_IN_LOOP(task_timeout_call_returns_the_result)
{
    double began = aw_time();
    assert_int_equal(aw_timeout_call(5, give_later, LATER(1, 7)), 7);
    assert_time(aw_time() - began, 1);
    assert_int_equal(aw_timeout_call(5, give_later, LATER(1, -EIO)), -EIO);
    assert_int_equal(aw_timeout_call(INFINITY, give, INT(3)), 3);
    assert_int_equal(aw_timeout_call(0, give, INT(3)), 3); /* it never suspended */
    aw_fn *nothing = NULL;
    assert_int_equal(aw_timeout_call(1, nothing, NULL), -EINVAL);
}

TEST_IN_LOOP(task_timeout_call_ends_it)
{
    double began = aw_time();
    assert_int_equal(aw_timeout_call(5, sleep_long, NULL), -ETIMEDOUT);
    assert_time(aw_time() - began, 5);
    assert_int_equal(aw_timeout_call(0, sleep_long, NULL), -ETIMEDOUT);
    assert_int_equal(aw_timeout_call(-1, sleep_long, NULL), -ETIMEDOUT);
    assert_time(aw_time() - began, 5);
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    assert_int_equal(aw_sleep(1), 0);
}

TEST_IN_LOOP(task_timeout_call_respects_another_answer)
{
    assert_int_equal(aw_timeout_call(1, answer_cancel, INT(4)), 4);
    assert_int_equal(aw_timeout_call(1, answer_cancel, INT(-EIO)), -EIO);
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
}

static int same_task(void *arg)
{
    return aw_current_task() == arg;
}

static int await_child(void *arg)
{
    int err = aw_await(arg);
    note(err == -ECANCELED ? 'c' : '-');
    return err;
}

TEST_IN_LOOP(task_timeout_call_runs_in_the_caller_and_cancels_what_it_awaits)
{
    assert_int_equal(aw_timeout_call(1, same_task, aw_current_task()), 1);
    aw_task *t = aw_create_task(sleep_long, NULL);
    assert_int_equal(aw_timeout_call(1, await_child, t), -ETIMEDOUT);
    assert_trace("c");
    assert_true(aw_cancelled(t));
    aw_unref(t);
}

static int timeout_call_2(void *arg)
{
    int err = aw_timeout_call(2, sleep_long, arg);
    note(err == -ETIMEDOUT ? 't' : err == -ECANCELED ? 'c' : '-');
    AW_TRY(err == -ETIMEDOUT ? 0 : err);
    AW_TRY(aw_sleep(1));
    note('s');
    return 0;
}

TEST_IN_LOOP(task_timeout_call_nests)
{
    double began = aw_time();
    assert_int_equal(aw_timeout_call(10, timeout_call_2, NULL), 0); /* the inner one is first */
    assert_trace("ts");
    assert_time(aw_time() - began, 3);
    assert_int_equal(aw_timeout_call(1, timeout_call_2, NULL), -ETIMEDOUT); /* the outer one is */
    assert_trace("tsc");
    assert_time(aw_time() - began, 4);
    assert_int_equal(aw_timeout_call(2.5, timeout_call_2, NULL), -ETIMEDOUT); /* both are */
    assert_trace("tsct");
    assert_time(aw_time() - began, 6.5);
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
}

TEST_IN_LOOP(task_timeout_call_cancelled_from_elsewhere)
{
    aw_task *t = aw_create_task(timeout_call_2, NULL);
    passes(1);
    assert_true(aw_cancel(t, .msg = "for another reason"));
    assert_int_equal(aw_await(t), -ECANCELED);
    assert_string_equal(aw_errmsg(), "for another reason");
    assert_trace("c");
    assert_int_equal(aw_cancelling(t), 1);
    aw_unref(t);
}

static int cancel_it(void *arg)
{
    return aw_cancel((aw_future *)arg) ? 0 : -EINVAL;
}

/* A limit and a cancellation due at the same moment: the cancellation is not taken for the limit's,
 * and if the limit is delivered first, the cancellation comes at the next suspension. */
TEST_IN_LOOP(task_timeout_call_cancelled_in_the_pass_of_the_limit)
{
    for (int order = 0; order < 2; order++) {
        aw_task *t = aw_create_task(timeout_call_2, NULL, .eager = order == 1);
        assert_int_equal(aw_call_later(2, cancel_it, t), 0);
        assert_int_equal(aw_join(t), -ECANCELED);
    }
    assert_trace("ct");
}
