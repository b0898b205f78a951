/*
 * Awaiting another thread's future: what the wrapper gets, and what cancelling it does.
 */
#include "util.h"

/* ---- the basics ---- */

static void *set_later(void *arg)
{
    pause_ms(20);
    assert_int_equal(aw_cfuture_set_result(arg, 5, "yeah"), 0);
    return NULL;
}

static int await_value(void *arg)
{
    aw_future *f = aw_wrap_future(arg);
    int err = aw_await(f);
    assert_string_equal(aw_value(f), "yeah");
    aw_unref(f);
    return err;
}

/* THR-014: A concurrent future that is wrapped for the loop delivers the other thread's value to
 * who awaits it. */
TEST_REAL_CLOCK(THR_014_value_of_another_thread)
{
    aw_cfuture *f = aw_cfuture_new();
    pthread_t t = start_thread(set_later, f);
    assert_int_equal(aw_run(await_value, f), 5);
    end_thread(t);
    aw_cfuture_unref(f);
}

static void *fail_later(void *arg)
{
    pause_ms(20);
    assert_int_equal(aw_cfuture_set_error(arg, -EIO, "no paper"), 0);
    return NULL;
}

static int await_error(void *arg)
{
    assert_int_equal(aw_join(aw_wrap_future(arg)), -EIO);
    assert_string_equal(aw_errmsg(), "no paper");
    return 0;
}

TEST_REAL_CLOCK(THR_014_error_with_its_detail)
{
    aw_cfuture *f = aw_cfuture_new();
    pthread_t t = start_thread(fail_later, f);
    assert_int_equal(aw_run(await_error, f), 0);
    end_thread(t);
    aw_cfuture_unref(f);
}

static void *cancel_later(void *arg)
{
    pause_ms(20);
    assert_true(aw_cfuture_cancel(arg));
    return NULL;
}

static int await_cancelled(void *arg)
{
    aw_future *f = aw_wrap_future(arg);
    assert_int_equal(aw_await(f), -ECANCELED);
    assert_true(aw_cancelled(f));
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    aw_unref(f);
    return aw_sleep(0); /* it was the future, not this task */
}

TEST_REAL_CLOCK(THR_014_cancelled_by_another_thread)
{
    aw_cfuture *f = aw_cfuture_new();
    pthread_t t = start_thread(cancel_later, f);
    assert_int_equal(aw_run(await_cancelled, f), 0);
    end_thread(t);
    aw_cfuture_unref(f);
}

/* ---- cancelling the wrapper ---- */

static int cancel_pending(void *arg)
{
    aw_future *f = aw_wrap_future(arg);
    assert_true(aw_cancel(f));
    assert_true(aw_cancelled(f));
    assert_false(aw_cfuture_cancelled(arg));
    AW_TRY(aw_sleep(0));
    assert_true(aw_cfuture_cancelled(arg));
    aw_unref(f);
    return 0;
}

/* THR-015: Cancelling the wrapper cancels a concurrent future that has not started, after one
 * pass. */
TEST(THR_015_cancels_what_has_not_started)
{
    aw_cfuture *f = aw_cfuture_new();
    assert_int_equal(aw_run(cancel_pending, f), 0);
    aw_cfuture_unref(f);
}

static int cancel_running(void *arg)
{
    aw_future *f = aw_wrap_future(arg);
    assert_true(aw_cancel(f));
    AW_TRY(aw_sleep(0));
    assert_true(aw_cancelled(f));
    assert_true(aw_cfuture_running(arg));
    aw_unref(f);
    return 0;
}

TEST(THR_015_leaves_what_is_running)
{
    aw_cfuture *f = aw_cfuture_new();
    assert_int_equal(aw_cfuture_set_running(f), 0);
    assert_int_equal(aw_run(cancel_running, f), 0);
    assert_int_equal(aw_cfuture_set_result(f, 1, NULL), 0);
    assert_int_equal(aw_cfuture_result(f, 0), 1);
    aw_cfuture_unref(f);
}

static int cancel_finished(void *arg)
{
    aw_future *f = aw_wrap_future(arg);
    assert_true(aw_cancel(f));
    AW_TRY(aw_sleep(0));
    AW_TRY(aw_sleep(0));
    assert_true(aw_cancelled(f));
    assert_int_equal(aw_cfuture_result(arg, 0), 42);
    aw_unref(f);
    return 0;
}

/* THR-016: If the concurrent future is finished already, cancelling the wrapper leaves its result
 * of 42 alone, while the wrapper is cancelled. */
TEST(THR_016_leaves_what_is_finished)
{
    aw_cfuture *f = aw_cfuture_new();
    assert_int_equal(aw_cfuture_set_result(f, 42, NULL), 0);
    assert_int_equal(aw_run(cancel_finished, f), 0);
    aw_cfuture_unref(f);
}

static int wait_in_vain(void *arg)
{
    aw_future *f = aw_wrap_future(arg);
    int err = aw_wait_for(f, 0.01);
    aw_unref(f);
    return err;
}

/* By a time limit, through the task that waits: the coroutine behind it is asked to end. */
TEST_REAL_CLOCK(THR_015_reaches_a_submitted_coroutine)
{
    aw_loop_thread *lt = start_loop();
    flag began = {0};
    aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), signal_and_sleep, &began);
    wait_flag(&began);
    assert_int_equal(aw_run(wait_in_vain, f), -ETIMEDOUT);
    assert_int_equal(aw_cfuture_join(f, 5), -ECANCELED);
    stop_loop(lt);
}
