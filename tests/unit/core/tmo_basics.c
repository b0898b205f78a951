/*
 * Time limits: what they end, what they leave alone, and what an outcome becomes on the way out.
 */
#include "util.h"

#include <math.h>

/* No request of the limit's is left behind, and the task can go on. */
static void assert_uncancelled(void)
{
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    assert_int_equal(aw_sleep(0), 0);
}

/* TMO-001: A block with a limit of 0.01 s that sleeps for 10 s ends with -ETIMEDOUT, and the limit
 * says that it expired. */
TEST_IN_LOOP(TMO_001_expires)
{
    double began = aw_time();
    aw_timeout tm = AW_TIMEOUT_INIT;
    assert_int_equal(aw_timeout_enter(&tm, 0.01), 0);
    assert_false(aw_timeout_expired(&tm));
    assert_int_equal(aw_timeout_exit(&tm, aw_sleep(10)), -ETIMEDOUT);
    assert_string_equal(aw_errmsg(), "");
    assert_true(aw_timeout_expired(&tm));
    assert_time(aw_time() - began, 0.01);
    assert_uncancelled();
}

/* TMO-002: A limit given as a time of the clock works the same, and goes on reporting exactly that
 * time. */
TEST_IN_LOOP(TMO_002_absolute_deadline)
{
    double deadline = aw_time() + 0.01;
    aw_timeout tm = AW_TIMEOUT_INIT;
    assert_int_equal(aw_timeout_enter_at(&tm, deadline), 0);
    assert_true(aw_timeout_when(&tm) == deadline);
    assert_int_equal(aw_timeout_exit(&tm, aw_sleep(10)), -ETIMEDOUT);
    assert_true(aw_timeout_expired(&tm));
    assert_true(aw_timeout_when(&tm) == deadline);
    assert_time(aw_time(), deadline);
}

static int note_cancellation(void *arg)
{
    int err = sleep_long(arg);
    note(err == -ECANCELED ? 'c' : '?');
    return err;
}

/* TMO-003: The code inside sees the end of the time as -ECANCELED; that becomes -ETIMEDOUT only on
 * the way out. */
TEST_IN_LOOP(TMO_003_seen_as_cancellation_inside)
{
    aw_timeout tm = AW_TIMEOUT_INIT;
    assert_int_equal(aw_timeout_call(1, note_cancellation, NULL), -ETIMEDOUT);
    assert_int_equal(aw_timeout_enter(&tm, 1), 0);
    aw_task *t = aw_create_task(note_cancellation, NULL);
    int err = aw_await(t); /* what the block awaits is cancelled with it */
    assert_int_equal(err, -ECANCELED);
    assert_true(aw_cancelled(t));
    assert_int_equal(aw_cancelling(aw_current_task()), 1);
    assert_int_equal(aw_timeout_exit(&tm, err), -ETIMEDOUT);
    assert_trace("cc");
    assert_uncancelled();
    aw_unref(t);
}

/* TMO-004: A block that ends in time has no error, its limit did not expire, and its deadline is
 * still in the future. */
TEST_IN_LOOP(TMO_004_ends_in_time)
{
    double began = aw_time();
    aw_timeout tm = AW_TIMEOUT_INIT;
    assert_int_equal(aw_timeout_enter(&tm, 10), 0);
    assert_int_equal(aw_sleep(0.01), 0);
    assert_int_equal(aw_timeout_exit(&tm, 5), 5);
    assert_false(aw_timeout_expired(&tm));
    assert_true(aw_timeout_when(&tm) > aw_time());
    assert_time(aw_timeout_when(&tm), began + 10);
    assert_int_equal(aw_sleep(20), 0); /* nothing comes later */
    assert_false(aw_timeout_expired(&tm));
}

static int limit_of_zero(void *arg)
{
    double before = aw_time();
    aw_timeout tm = AW_TIMEOUT_INIT;
    AW_TRY(aw_timeout_enter(&tm, 0));
    double after = aw_time(), when = aw_timeout_when(&tm);
    assert_true(before <= when && when <= after);
    int err = aw_timeout_exit(&tm, sleep_long(arg));
    assert_true(aw_timeout_expired(&tm));
    assert_true(aw_time() - before < 5);
    assert_int_equal(aw_timeout_call(0, sleep_long, arg), -ETIMEDOUT);
    return err;
}

/* TMO-005: A limit of 0 around a long sleep ends it with -ETIMEDOUT at once; its deadline lies
 * between the times before and after. */
TEST_REAL_CLOCK(TMO_005_zero)
{
    assert_int_equal(aw_run(limit_of_zero, NULL), -ETIMEDOUT);
}

TEST_IN_LOOP(TMO_005_zero_on_the_virtual_clock)
{
    double began = aw_time();
    assert_int_equal(limit_of_zero(NULL), -ETIMEDOUT);
    assert_true(aw_time() == began);
}

/* TMO-006: A limit of 0, or one that is 11 s in the past, around a yield of one pass ends it with
 * -ETIMEDOUT. */
TEST_IN_LOOP(TMO_006_due_already_around_a_yield)
{
    static const double limits[] = {0, -0.0, -11, -INFINITY};
    for (int i = 0; i < 4; i++) {
        aw_timeout tm = AW_TIMEOUT_INIT, at = AW_TIMEOUT_INIT;
        assert_int_equal(aw_timeout_enter(&tm, limits[i]), 0);
        assert_true(aw_timeout_when(&tm) == aw_time() + limits[i]);
        assert_int_equal(aw_timeout_exit(&tm, aw_sleep(0)), -ETIMEDOUT);
        assert_true(aw_timeout_expired(&tm));
        assert_uncancelled();
        assert_int_equal(aw_timeout_enter_at(&at, aw_time() + limits[i]), 0);
        assert_int_equal(aw_timeout_exit(&at, aw_sleep(0)), -ETIMEDOUT);
        assert_true(aw_timeout_expired(&at));
        assert_uncancelled();
    }
}

/* TMO-007: Another error that the block comes to before the limit passes through unchanged, and the
 * limit did not expire. */
TEST_IN_LOOP(TMO_007_other_error_before_the_limit)
{
    aw_timeout tm = AW_TIMEOUT_INIT;
    aw_future *f = aw_future_new();
    assert_int_equal(aw_set_error(f, -EIO, .msg = "the disk is gone"), 0);
    assert_int_equal(aw_timeout_enter(&tm, 1), 0);
    assert_int_equal(aw_sleep(0.5), 0);
    assert_int_equal(aw_timeout_exit(&tm, aw_join(f)), -EIO);
    assert_string_equal(aw_errmsg(), "the disk is gone");
    assert_false(aw_timeout_expired(&tm));
    assert_int_equal(aw_sleep(1), 0);
}

/* TMO-008: If the body answers the end of its time with an error of its own, that comes out and not
 * -ETIMEDOUT; the limit says that it expired, and the count is 0 again. */
TEST_IN_LOOP(TMO_008_other_answer_to_the_limit)
{
    static const int answers[] = {-EIO, -ETIMEDOUT, AW_EMISUSE, 0, 7};
    for (int i = 0; i < 5; i++) {
        aw_timeout tm = AW_TIMEOUT_INIT;
        assert_int_equal(aw_timeout_enter(&tm, 1), 0);
        assert_int_equal(aw_sleep(10), -ECANCELED);
        assert_int_equal(aw_timeout_exit(&tm, answers[i]), answers[i]);
        assert_true(aw_timeout_expired(&tm));
        assert_uncancelled();
    }
}

/* ---- cancelled from elsewhere ---- */

struct watched {
    double seconds;  /* of the limit */
    double reaction; /* of the body, once it is cancelled */
    int result, count;
    bool expired;
};

static int sleep_in_limit(void *arg)
{
    struct watched *w = arg;
    aw_timeout tm = AW_TIMEOUT_INIT;
    AW_TRY(aw_timeout_enter(&tm, w->seconds));
    int err = aw_sleep(100);
    if (w->reaction > 0)
        aw_ignore(aw_sleep(w->reaction));
    w->result = aw_timeout_exit(&tm, err);
    w->count = aw_cancelling(aw_current_task());
    w->expired = aw_timeout_expired(&tm);
    return w->result;
}

/* TMO-009: A cancellation from elsewhere before the limit leaves the block as -ECANCELED and not as
 * -ETIMEDOUT, and the limit did not expire. */
TEST_IN_LOOP(TMO_009_cancelled_before_the_limit)
{
    struct watched w = {.seconds = 10};
    aw_task *t = aw_create_task(sleep_in_limit, &w);
    assert_int_equal(aw_sleep(1), 0);
    assert_true(aw_cancel(t, .msg = "for another reason"));
    assert_int_equal(aw_await(t), -ECANCELED);
    assert_string_equal(aw_errmsg(), "for another reason");
    assert_int_equal(w.result, -ECANCELED);
    assert_false(w.expired);
    assert_int_equal(w.count, 1);
    assert_true(aw_cancelled(t));
    aw_unref(t);
}

/* TMO-010: A cancellation from elsewhere and the limit both come before the block is left:
 * -ECANCELED comes out, and the task ends cancelled with a count of 1. */
TEST_IN_LOOP(TMO_010_cancelled_and_expired)
{
    for (int first = 0; first < 2; first++) { /* which of them comes first */
        struct watched w = {.seconds = first ? 1 : 2, .reaction = 3};
        aw_task *t = aw_create_task(sleep_in_limit, &w);
        assert_int_equal(aw_sleep(1.5), 0);
        assert_true(aw_cancel(t));
        assert_int_equal(aw_await(t), -ECANCELED);
        assert_int_equal(w.result, -ECANCELED);
        assert_true(w.expired);
        assert_true(aw_cancelled(t));
        assert_int_equal(aw_cancelling(t), 1);
        aw_unref(t);
    }
}

/* ---- an earlier cancellation that was caught ---- */

static int limit_after_cancellation(void *arg)
{
    aw_timeout tm = AW_TIMEOUT_INIT;
    assert_int_equal(aw_sleep(100), -ECANCELED); /* caught, but not taken back */
    assert_int_equal(aw_cancelling(aw_current_task()), 1);
    AW_TRY(aw_timeout_enter(&tm, 2));
    int err = aw_timeout_exit(&tm, aw_sleep(10));
    note(aw_timeout_expired(&tm) ? 'e' : '-');
    note(err == -ETIMEDOUT ? 't' : err == -ECANCELED ? 'c' : '?');
    assert_int_equal(aw_cancelling(aw_current_task()), give(arg));
    return err;
}

/* TMO-017: A limit that is used after an earlier cancellation was caught, with a count of 1, turns
 * its own end into -ETIMEDOUT all the same. */
TEST_IN_LOOP(TMO_017_after_a_caught_cancellation)
{
    aw_task *t = aw_create_task(limit_after_cancellation, INT(1));
    passes(1);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), -ETIMEDOUT);
    assert_trace("et");
}

/* TMO-018: A new cancellation inside the block, after an earlier one was caught, leaves the block
 * as -ECANCELED. */
TEST_IN_LOOP(TMO_018_cancelled_again_inside)
{
    aw_task *t = aw_create_task(limit_after_cancellation, INT(2));
    passes(1);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_sleep(1), 0);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_trace("-c");
}

/* ---- children ---- */

static int two_sleepers(aw_group *g, void *arg)
{
    assert_int_equal(aw_group_start(g, sleep_long, arg), 0);
    assert_int_equal(aw_group_start(g, note_cancellation, arg), 0);
    return 0;
}

/* TMO-019: A limit around a group whose children simply end cancelled reports -ETIMEDOUT, and the
 * count is 0 afterwards. */
TEST_IN_LOOP(TMO_019_around_a_group)
{
    aw_timeout tm = AW_TIMEOUT_INIT;
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_timeout_enter(&tm, 1), 0);
    int err = aw_group_call(&g, two_sleepers, NULL);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(aw_cancelling(aw_current_task()), 1);
    assert_int_equal(aw_timeout_exit(&tm, err), -ETIMEDOUT);
    assert_trace("c");
    assert_uncancelled();
}
