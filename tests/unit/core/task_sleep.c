/*
 * Sleeping and shielding.
 */
#include <math.h>

#include "util.h"

static int note_and_schedule(void *arg)
{
    note('a');
    return aw_call_soon(note_it, arg);
}

/* TASK-033: aw_sleep(0) gives up exactly one pass: callbacks scheduled before it have run when it
 * returns 0, what they scheduled has not. */
TEST_IN_LOOP(TASK_033_zero_sleep_is_one_pass)
{
    double began = aw_time();
    assert_int_equal(aw_call_soon(note_and_schedule, "b"), 0);
    assert_int_equal(aw_call_soon(note_it, "c"), 0);
    assert_trace("");
    assert_int_equal(aw_sleep(0), 0);
    assert_trace("ac");
    assert_int_equal(aw_sleep(-3), 0);
    assert_trace("acb");
    assert_time(aw_time() - began, 0);
}

/* TASK-034: A sleep of d lasts d and returns 0; two sleeps of 0.05 s take 0.1 s in all. */
TEST_IN_LOOP(TASK_034_sleep_lasts_its_time)
{
    double began = aw_time();
    assert_int_equal(aw_sleep(0.05), 0);
    assert_time(aw_time() - began, 0.05);
    assert_int_equal(aw_sleep(0.05), 0);
    assert_time(aw_time() - began, 0.1);
    assert_int_equal(aw_sleep(86400), 0);
    assert_time(aw_time() - began, 86400.1);
}

static int sleep_for_real(void *arg)
{
    double began = aw_time();
    AW_TRY(aw_sleep(0.05));
    double first = aw_time() - began;
    AW_TRY(aw_sleep(0.05));
    double both = aw_time() - began;
    *(bool *)arg = first >= 0.05 && both >= 0.1 && both < 5;
    return 0;
}

TEST_REAL_CLOCK(TASK_034_sleep_is_never_short)
{
    bool right = false;
    assert_int_equal(aw_run(sleep_for_real, &right), 0);
    assert_true(right);
}

static int sleep_and_note(void *arg)
{
    struct later *l = arg;
    AW_TRY(aw_sleep(l->seconds));
    note((char)l->result);
    return 0;
}

TEST_IN_LOOP(task_sleepers_wake_in_order_of_time_then_of_sleeping)
{
    struct later l[] = {{3, 'd'}, {1, 'a'}, {2, 'c'}, {1, 'b'}, {1e-9, '0'}, {3, 'e'}};
    aw_task *t[6];
    for (int i = 0; i < 6; i++)
        t[i] = aw_create_task(sleep_and_note, &l[i]);
    for (int i = 0; i < 6; i++)
        assert_int_equal(aw_join(t[i]), 0);
    assert_trace("0abcde");
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return aw_sleep(INFINITY);
}

TEST_IN_LOOP(task_infinite_sleep_ends_by_cancel)
{
    double began = aw_time();
    aw_task *t = aw_create_task(sleep_for_ever, NULL);
    assert_int_equal(aw_sleep(1e6), 0);
    assert_false(aw_done(t));
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_time(aw_time() - began, 1e6);
}

/* ---- shield ---- */

/* TASK-035: A shield passes the result and value, the error and its detail, or the cancellation of
 * what it shields on to whoever awaits it. */
TEST_IN_LOOP(TASK_035_shield_passes_the_outcome_on)
{
    int value;
    aw_future *inner[3], *shield[3];
    for (int i = 0; i < 3; i++) {
        inner[i] = aw_future_new();
        shield[i] = aw_shield(inner[i]);
        assert_non_null(shield[i]);
        assert_false(aw_done(shield[i]));
    }
    assert_int_equal(aw_set_result(inner[0], 42, &value), 0);
    assert_int_equal(aw_set_error(inner[1], -EIO, .msg = "the disk is gone"), 0);
    assert_true(aw_cancel(inner[2]));
    assert_int_equal(aw_await(shield[0]), 42);
    assert_ptr_equal(aw_value(shield[0]), &value);
    assert_int_equal(aw_await(shield[1]), -EIO);
    assert_string_equal(aw_errmsg(), "the disk is gone");
    assert_false(aw_cancelled(shield[1]));
    assert_int_equal(aw_await(shield[2]), -ECANCELED);
    assert_true(aw_cancelled(shield[2]));
    for (int i = 0; i < 3; i++) {
        aw_unref(inner[i]);
        aw_unref(shield[i]);
    }
}

TEST_IN_LOOP(TASK_035_shield_of_what_is_done)
{
    aw_future *f = aw_future_new();
    assert_int_equal(aw_set_result(f, 3, NULL), 0);
    aw_future *s = aw_shield(f);
    assert_int_equal(aw_await(s), 3);
    aw_unref(f);
    assert_int_equal(aw_join(s), 3);
}

TEST_IN_LOOP(TASK_035_shield_keeps_what_it_shields)
{
    aw_task *t = aw_create_task(give_later, LATER(1, 5));
    aw_future *s = aw_shield(t);
    aw_unref(t);
    assert_int_equal(aw_join(s), 5);
}

static int await_shield(void *arg)
{
    aw_future *s = aw_shield((aw_future *)arg);
    note('s');
    int err = aw_join(s);
    note(err == -ECANCELED ? 'c' : '-');
    return err;
}

static int note_later(void *arg)
{
    AW_TRY(aw_sleep(1));
    return note_it(arg);
}

/* TASK-036: Cancelling a task that awaits a shield gives it -ECANCELED, while what is shielded runs
 * on to its end. */
TEST_IN_LOOP(TASK_036_shielded_work_survives_its_waiter)
{
    aw_task *inner = aw_create_task(note_later, "i"), *outer = aw_create_task(await_shield, inner);
    passes(1);
    assert_trace("s");
    assert_true(aw_cancel(outer));
    assert_int_equal(aw_await(outer), -ECANCELED);
    assert_true(aw_cancelled(outer));
    assert_trace("sc");
    assert_false(aw_done(inner));
    assert_int_equal(aw_cancelling(inner), 0);
    assert_int_equal(aw_join(inner), 0);
    assert_trace("sci");
    aw_unref(outer);
}

static int await_shielded(void *arg)
{
    return aw_await_shielded(arg);
}

TEST_IN_LOOP(TASK_036_await_shielded_does_the_same_without_a_future)
{
    aw_task *inner = aw_create_task(note_later, "i");
    aw_task *outer = aw_create_task(await_shielded, inner);
    aw_task *stays = aw_create_task(await_shielded, inner);
    passes(1);
    assert_true(aw_cancel(outer, .msg = "enough"));
    passes(1);
    assert_true(aw_cancelled(outer));
    assert_int_equal(aw_await(outer), -ECANCELED);
    assert_string_equal(aw_errmsg(), "enough");
    assert_false(aw_done(inner) || aw_done(stays));
    assert_int_equal(aw_join(stays), 0);
    assert_trace("i");
    assert_int_equal(aw_join(inner), 0);
    aw_unref(outer);
}

static int two_shielded_waits(void *arg)
{
    aw_future *f = arg;
    assert_int_equal(aw_await_shielded(f), -ECANCELED);
    return aw_await_shielded(f); /* waits again, told once */
}

TEST_IN_LOOP(TASK_036_await_shielded_may_be_taken_up_again)
{
    aw_future *f = aw_future_new();
    aw_task *t = aw_create_task(two_shielded_waits, f);
    passes(1);
    assert_true(aw_cancel(t));
    passes(2);
    assert_false(aw_done(t));
    assert_int_equal(aw_set_result(f, 9, NULL), 0);
    assert_int_equal(aw_join(t), 9);
    aw_unref(f);
}

/* TASK-037: Shielding a gather and cancelling the shield leaves the gather alive: when its children
 * finish, its results are [1, 2]. */
TEST_IN_LOOP(TASK_037_shielded_gather)
{
    aw_future *c[2] = {aw_future_new(), aw_future_new()};
    aw_future *g = aw_gather_new(c, 2), *s = aw_shield(g);
    assert_true(aw_cancel(s));
    passes(2);
    assert_true(aw_cancelled(s));
    assert_false(aw_done(g));
    assert_int_equal(aw_set_result(c[0], 1, NULL), 0);
    assert_int_equal(aw_set_result(c[1], 2, NULL), 0);
    passes(2);
    assert_int_equal(aw_await(g), 2);
    const int *results = aw_value(g);
    assert_int_equal(results[0], 1);
    assert_int_equal(results[1], 2);
    aw_unref(s);
    aw_unref(g);
    aw_unref(c[0]);
    aw_unref(c[1]);
}

/* TASK-038: Gathering two shields and cancelling the gather cancels both shields and leaves what
 * they shield pending; the gather's error is -ECANCELED. */
TEST_IN_LOOP(TASK_038_gathered_shields)
{
    aw_future *c[2] = {aw_future_new(), aw_future_new()};
    aw_future *s[2] = {aw_shield(c[0]), aw_shield(c[1])};
    aw_future *g = aw_gather_new(s, 2);
    passes(1);
    assert_true(aw_cancel(g));
    passes(2);
    assert_int_equal(aw_error(g), -ECANCELED);
    for (int i = 0; i < 2; i++) {
        assert_true(aw_cancelled(s[i]));
        assert_false(aw_done(c[i]));
        assert_int_equal(aw_set_result(c[i], i, NULL), 0);
        passes(2);
        aw_unref(s[i]);
        aw_unref(c[i]);
    }
    aw_unref(g);
}

/* A shield that was cancelled or dropped does not hide an error of what it shields. */
TEST_IN_LOOP(task_shield_cancelled_does_not_look_at_the_error)
{
    aw_future *f = aw_future_new(), *s = aw_shield(f);
    assert_true(aw_cancel(s));
    passes(1);
    aw_unref(s);
    assert_int_equal(aw_set_error(f, -EIO), 0);
    passes(2);
    aw_unref(f);
    assert_int_equal(reports.error, -EIO);
    assert_reports(1);
}
