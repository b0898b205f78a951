/*
 * Time limits inside time limits, limits that are moved, and limits used wrongly.
 */
#include "util.h"

#include <math.h>
#include <pthread.h>

/* TMO-011: A short limit around a longer one: its end passes the inner one as -ECANCELED, and only
 * the outer one reports -ETIMEDOUT. */
TEST_IN_LOOP(TMO_011_outer_limit_is_shorter)
{
    aw_timeout outer = AW_TIMEOUT_INIT, inner = AW_TIMEOUT_INIT;
    assert_int_equal(aw_timeout_enter(&outer, 1), 0);
    assert_int_equal(aw_timeout_enter(&inner, 2), 0);
    int err = aw_timeout_exit(&inner, aw_sleep(10));
    assert_int_equal(err, -ECANCELED);
    assert_false(aw_timeout_expired(&inner));
    assert_int_equal(aw_timeout_exit(&outer, err), -ETIMEDOUT);
    assert_true(aw_timeout_expired(&outer));
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    assert_int_equal(aw_sleep(5), 0);
}

/* The other way round the inner one's end is an error like others to the outer one. */
TEST_IN_LOOP(scope_timeout_inner_limit_is_shorter)
{
    aw_timeout outer = AW_TIMEOUT_INIT, inner = AW_TIMEOUT_INIT;
    assert_int_equal(aw_timeout_enter(&outer, 2), 0);
    assert_int_equal(aw_timeout_enter(&inner, 1), 0);
    int err = aw_timeout_exit(&inner, aw_sleep(10));
    assert_int_equal(err, -ETIMEDOUT);
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    assert_int_equal(aw_sleep(0.5), 0);
    assert_int_equal(aw_timeout_exit(&outer, err), -ETIMEDOUT);
    assert_false(aw_timeout_expired(&outer));
    assert_int_equal(aw_sleep(5), 0);
}

/* Several with the same deadline: all expire, and the innermost takes its own request back, which
 * leaves the others'. */
TEST_IN_LOOP(scope_timeout_nested_with_the_same_deadline)
{
    enum { N = 5 };
    aw_timeout tm[N];
    double deadline = aw_time() + 1;
    for (int i = 0; i < N; i++) {
        tm[i] = (aw_timeout)AW_TIMEOUT_INIT;
        assert_int_equal(aw_timeout_enter_at(&tm[i], deadline), 0);
    }
    int err = aw_sleep(10);
    for (int i = N - 1; i > 0; i--) {
        assert_int_equal(aw_cancelling(aw_current_task()), i + 1);
        err = aw_timeout_exit(&tm[i], err);
        assert_int_equal(err, -ECANCELED);
        assert_true(aw_timeout_expired(&tm[i]));
    }
    assert_int_equal(aw_timeout_exit(&tm[0], err), -ETIMEDOUT);
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    assert_int_equal(aw_sleep(0), 0);
}

static int sleep_and_answer(void *arg)
{
    int err = aw_timeout_call(1, sleep_long, NULL);
    note(err == -ETIMEDOUT ? 't' : err == -ECANCELED ? 'c' : '?');
    return give(arg);
}

/* The inner one swallows what was the outer one's: no request is left, and nothing comes later. */
TEST_IN_LOOP(scope_timeout_nested_with_the_same_deadline_and_swallowed)
{
    assert_int_equal(aw_timeout_call(1, sleep_and_answer, INT(4)), 4);
    assert_trace("c");
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    assert_int_equal(aw_sleep(1), 0);
}

static int descend(void *arg)
{
    int depth = give(arg);
    if (depth == 0)
        return sleep_long(NULL);
    return aw_timeout_call(100 + depth, descend, INT(depth - 1));
}

TEST_IN_LOOP(scope_timeout_many_levels)
{
    double began = aw_time();
    assert_int_equal(aw_timeout_call(50, descend, INT(100)), -ETIMEDOUT);
    assert_time(aw_time() - began, 50);
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    /* the innermost ends first, at 101 s; all that is above passes it on as an error */
    assert_int_equal(descend(INT(100)), -ETIMEDOUT);
    assert_time(aw_time() - began, 151);
    assert_int_equal(aw_sleep(500), 0);
}

/* ---- moved ---- */

static int moved_to_never(void *arg)
{
    aw_timeout *tm = arg;
    double now = aw_time();
    AW_TRY(aw_timeout_enter_at(tm, now + 10));
    assert_true(aw_timeout_when(tm) == now + 10);
    assert_int_equal(aw_timeout_reschedule(tm, now + 20), 0);
    assert_true(aw_timeout_when(tm) == now + 20);
    assert_int_equal(aw_timeout_reschedule(tm, INFINITY), 0);
    assert_true(isinf(aw_timeout_when(tm)));
    return aw_timeout_exit(tm, aw_sleep(1000));
}

/* TMO-012: Moving the deadline of an entered limit changes the time that it reports, and moving it
 * to INFINITY turns it off: a cancellation later on is a plain -ECANCELED. */
TEST_IN_LOOP(TMO_012_moved_and_turned_off)
{
    aw_timeout tm = AW_TIMEOUT_INIT;
    aw_task *t = aw_create_task(moved_to_never, &tm);
    assert_int_equal(aw_sleep(100), 0);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_false(aw_timeout_expired(&tm));
}

/* TMO-013: A limit of 0.01 s that is moved to 0.05 s before it expires does so at 0.05 s. */
TEST_IN_LOOP(TMO_013_postponed)
{
    double began = aw_time();
    aw_timeout tm = AW_TIMEOUT_INIT;
    assert_int_equal(aw_timeout_enter(&tm, 0.01), 0);
    assert_int_equal(aw_timeout_reschedule(&tm, began + 0.05), 0);
    assert_int_equal(aw_timeout_exit(&tm, aw_sleep(10)), -ETIMEDOUT);
    assert_time(aw_time() - began, 0.05);
}

static int move_it(void *arg)
{
    aw_timeout *tm = arg;
    AW_TRY(aw_sleep(1));
    return aw_timeout_reschedule(tm, aw_time() + 3); /* by anyone */
}

TEST_IN_LOOP(scope_timeout_moved_by_another_task)
{
    double began = aw_time();
    aw_timeout tm = AW_TIMEOUT_INIT;
    aw_task *t = aw_create_task(move_it, &tm);
    assert_int_equal(aw_timeout_enter(&tm, 2), 0);
    assert_int_equal(aw_timeout_exit(&tm, aw_sleep(10)), -ETIMEDOUT);
    assert_time(aw_time() - began, 4);
    assert_int_equal(aw_join(t), 0);
}

TEST_IN_LOOP(scope_timeout_moved_earlier_and_into_the_past)
{
    static const double to[] = {1, 0, -5, -INFINITY};
    for (int i = 0; i < 4; i++) {
        double began = aw_time();
        aw_timeout tm = AW_TIMEOUT_INIT;
        assert_int_equal(aw_timeout_enter(&tm, INFINITY), 0);
        assert_true(isinf(aw_timeout_when(&tm)));
        assert_int_equal(aw_sleep(1), 0);
        assert_int_equal(aw_timeout_reschedule(&tm, aw_time() + to[i]), 0);
        assert_false(aw_timeout_expired(&tm)); /* at the next suspension, not here */
        assert_int_equal(aw_timeout_exit(&tm, aw_sleep(10)), -ETIMEDOUT);
        assert_time(aw_time() - began, to[i] > 0 ? 2 : 1);
    }
}

/* Off and on again, and moved many times: one timer, the last deadline. */
TEST_IN_LOOP(scope_timeout_moved_often)
{
    double began = aw_time();
    aw_timeout tm = AW_TIMEOUT_INIT;
    assert_int_equal(aw_timeout_enter(&tm, 1), 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(aw_timeout_reschedule(&tm, i % 3 ? began + i : INFINITY), 0);
    assert_true(isinf(aw_timeout_when(&tm)));
    assert_int_equal(aw_timeout_reschedule(&tm, began + 2), 0);
    assert_int_equal(aw_timeout_exit(&tm, aw_sleep(5000)), -ETIMEDOUT);
    assert_time(aw_time() - began, 2);
    assert_int_equal(aw_sleep(5000), 0);
}

/* ---- used wrongly ---- */

/* TMO-014: Moving a limit before it is entered, or after it has ended, in time or not, fails with
 * AW_EMISUSE. */
TEST_IN_LOOP(TMO_014_moved_too_early_or_too_late)
{
    aw_timeout tm = AW_TIMEOUT_INIT, late = AW_TIMEOUT_INIT;
    assert_int_equal(aw_timeout_reschedule(&tm, 10), AW_EMISUSE);
    assert_int_equal(aw_timeout_enter(&tm, 5), 0);
    assert_int_equal(aw_timeout_exit(&tm, 0), 0);
    assert_int_equal(aw_timeout_reschedule(&tm, 10), AW_EMISUSE);
    assert_int_equal(aw_timeout_enter(&late, 5), 0);
    assert_int_equal(aw_sleep(10), -ECANCELED);
    assert_int_equal(aw_timeout_reschedule(&late, aw_time() + 10), AW_EMISUSE); /* expired */
    assert_int_equal(aw_timeout_exit(&late, -ECANCELED), -ETIMEDOUT);
    assert_int_equal(aw_timeout_reschedule(&late, aw_time() + 10), AW_EMISUSE);
}

/* TMO-015: Entering the same limit twice, inside itself or after it has ended, fails with
 * AW_EMISUSE. */
TEST_IN_LOOP(TMO_015_entered_twice)
{
    aw_timeout tm = AW_TIMEOUT_INIT;
    double began = aw_time();
    assert_int_equal(aw_timeout_enter(&tm, 5), 0);
    assert_int_equal(aw_timeout_enter(&tm, 1), AW_EMISUSE);
    assert_int_equal(aw_timeout_enter_at(&tm, 1), AW_EMISUSE);
    assert_time(aw_timeout_when(&tm), began + 5); /* that did no harm */
    assert_int_equal(aw_timeout_exit(&tm, aw_sleep(10)), -ETIMEDOUT);
    assert_int_equal(aw_timeout_enter(&tm, 5), AW_EMISUSE);
    assert_int_equal(aw_timeout_enter_at(&tm, 5), AW_EMISUSE);
    assert_int_equal(aw_timeout_exit(&tm, 0), AW_EMISUSE);
    assert_int_equal(aw_timeout_exit(&tm, -EIO), -EIO);
}

static int enter_outside_a_task(void *arg)
{
    assert_int_equal(aw_timeout_enter((aw_timeout *)arg, 5), AW_EMISUSE);
    assert_int_equal(aw_timeout_enter_at((aw_timeout *)arg, 5), AW_EMISUSE);
    assert_int_equal(aw_timeout_call(5, sleep_long, NULL), AW_EMISUSE);
    assert_int_equal(aw_timeout_exit(arg, 0), AW_EMISUSE);
    assert_int_equal(aw_timeout_reschedule(arg, 10), AW_EMISUSE);
    note('c');
    return 0;
}

static int enter_afterwards(void *arg)
{
    aw_timeout *tm = arg;
    assert_int_equal(aw_call_soon(enter_outside_a_task, tm), 0);
    passes(2);
    assert_int_equal(aw_timeout_enter(tm, 1), 0); /* it is still fresh */
    return aw_timeout_exit(tm, aw_sleep(10));
}

/* TMO-016: Entering a limit outside any task fails with AW_EMISUSE, and it still counts as not
 * entered. */
TEST(TMO_016_entered_outside_a_task)
{
    aw_timeout tm = AW_TIMEOUT_INIT;
    assert_int_equal(enter_outside_a_task(&tm), 0); /* without a loop */
    assert_int_equal(aw_run(enter_afterwards, &tm), -ETIMEDOUT);
    assert_trace("cc");
}

TEST_IN_LOOP(scope_timeout_of_nothing)
{
    aw_timeout tm = AW_TIMEOUT_INIT, *none = NULL;
    aw_fn *no_function = NULL;
    assert_int_equal(aw_timeout_enter(&tm, (double)NAN), -EINVAL);
    assert_int_equal(aw_timeout_enter_at(&tm, (double)NAN), -EINVAL);
    assert_int_equal(aw_timeout_enter(none, 1), -EINVAL);
    assert_int_equal(aw_timeout_enter_at(none, 1), -EINVAL);
    assert_int_equal(aw_timeout_exit(NULL, 0), AW_EMISUSE);
    assert_int_equal(aw_timeout_exit(NULL, -EIO), -EIO);
    assert_int_equal(aw_timeout_reschedule(NULL, 1), -EINVAL);
    assert_true(aw_timeout_when(NULL) == 0);
    assert_false(aw_timeout_expired(NULL));
    assert_int_equal(aw_timeout_call((double)NAN, give, INT(1)), -EINVAL);
    assert_int_equal(aw_timeout_call(1, no_function, NULL), -EINVAL);
    assert_int_equal(aw_timeout_enter(&tm, 1), 0); /* still fresh */
    assert_int_equal(aw_timeout_reschedule(&tm, (double)NAN), -EINVAL);
    assert_int_equal(aw_timeout_exit(&tm, aw_sleep(2)), -ETIMEDOUT);
}

/* What is too far away for the clock is never. */
TEST_IN_LOOP(scope_timeout_far_away)
{
    static const double far[] = {INFINITY, 1e300, 1e12};
    for (int i = 0; i < 3; i++) {
        aw_timeout tm = AW_TIMEOUT_INIT, at = AW_TIMEOUT_INIT;
        assert_int_equal(aw_timeout_enter(&tm, far[i]), 0);
        assert_int_equal(aw_timeout_enter_at(&at, far[i]), 0);
        assert_true(aw_timeout_when(&at) == far[i]);
        int err = aw_sleep(86400.0 * 365 * 10);
        assert_int_equal(aw_timeout_exit(&at, err), 0);
        assert_int_equal(aw_timeout_exit(&tm, err), 0);
        assert_int_equal(aw_timeout_call(far[i], give, INT(3)), 3);
    }
}

static int exit_foreign(void *arg)
{
    assert_int_equal(aw_timeout_exit(arg, 0), AW_EMISUSE);
    assert_int_equal(aw_timeout_exit(arg, -EIO), -EIO);
    note('f');
    return 0;
}

TEST_IN_LOOP(scope_timeout_left_by_another_task)
{
    aw_timeout tm = AW_TIMEOUT_INIT;
    assert_int_equal(aw_timeout_enter(&tm, 1), 0);
    assert_int_equal(aw_join(aw_create_task(exit_foreign, &tm)), 0);
    assert_int_equal(aw_timeout_exit(&tm, aw_sleep(2)), -ETIMEDOUT); /* it is still in force */
    assert_trace("f");
}

static void *move_in_another_thread(void *arg)
{
    assert_int_equal(aw_timeout_reschedule(arg, 100), AW_ETHREAD);
    assert_int_equal(aw_timeout_exit(arg, 0), AW_EMISUSE);
    return NULL;
}

TEST_IN_LOOP(scope_timeout_in_another_thread)
{
    pthread_t thread;
    double began = aw_time();
    aw_timeout tm = AW_TIMEOUT_INIT;
    assert_int_equal(aw_timeout_enter(&tm, 1), 0);
    assert_int_equal(pthread_create(&thread, NULL, move_in_another_thread, &tm), 0);
    pthread_join(thread, NULL);
    assert_int_equal(aw_timeout_exit(&tm, aw_sleep(2)), -ETIMEDOUT);
    assert_time(aw_time() - began, 1);
}
