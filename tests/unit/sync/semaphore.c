/*
 * Semaphores: units in the order of asking, none lost with a cancelled waiter, none too many.
 */
#include <limits.h>

#include "util.h"

/* SYNC-024: A semaphore made with 0 reads locked; a negative initial value fails with -EINVAL; the
 * default value is 1. */
TEST_IN_LOOP(SYNC_024_initial_value)
{
    aw_semaphore none = AW_SEMAPHORE_INIT(0), negative = AW_SEMAPHORE_INIT(-1);
    aw_semaphore one = AW_SEMAPHORE_INIT(), three = AW_SEMAPHORE_INIT(1 + 2);
    assert_true(aw_semaphore_locked(&none));
    assert_int_equal(aw_semaphore_value(&none), 0);
    assert_int_equal(aw_semaphore_acquire(&negative), -EINVAL);
    assert_string_equal(aw_errmsg(), "the semaphore's initial value is negative");
    assert_int_equal(aw_semaphore_release(&negative), -EINVAL);
    assert_int_equal(aw_semaphore_value(&negative), -EINVAL);
    assert_false(aw_semaphore_locked(&negative));
    assert_false(aw_semaphore_locked(&one));
    assert_int_equal(aw_semaphore_value(&one), 1);
    assert_int_equal(aw_semaphore_value(&three), 3);
}

/* A semaphore of zeros has no units; static ones can be made with the macros. */
TEST_IN_LOOP(semaphore_static)
{
    static aw_semaphore zeros, two = AW_SEMAPHORE_INIT(2);
    static aw_bounded_semaphore one = AW_BOUNDED_SEMAPHORE_INIT();
    assert_int_equal(aw_semaphore_value(&zeros), 0);
    assert_at_once(aw_semaphore_acquire(&two), 0);
    assert_at_once(aw_semaphore_acquire(&two), 0);
    assert_true(aw_semaphore_locked(&two));
    assert_int_equal(aw_bounded_semaphore_value(&one), 1);
}

/* Takes a unit, notes a letter, and perhaps does something more. */
struct taker {
    aw_semaphore *sem;
    char name;
};

static int take(void *arg)
{
    struct taker *t = arg;
    AW_TRY(aw_semaphore_acquire(t->sem));
    note(t->name);
    return 0;
}

#define TAKER(sem, name) (&(struct taker){(sem), (name)})

/* SYNC-025: Two releases with three tasks waiting let exactly the first two through and leave the
 * value at 0. */
TEST_IN_LOOP(SYNC_025_two_releases_for_three)
{
    aw_semaphore sem = AW_SEMAPHORE_INIT(3);
    assert_int_equal(aw_semaphore_acquire(&sem), 0);
    assert_int_equal(aw_semaphore_acquire(&sem), 0);
    assert_false(aw_semaphore_locked(&sem));
    aw_task *t[4];
    t[0] = aw_create_task(take, TAKER(&sem, '1'));
    t[1] = aw_create_task(take, TAKER(&sem, '2'));
    t[2] = aw_create_task(take, TAKER(&sem, '3'));
    passes(1);
    assert_trace("1");
    assert_true(aw_semaphore_locked(&sem));
    t[3] = aw_create_task(take, TAKER(&sem, '4'));
    assert_int_equal(aw_semaphore_release(&sem), 0);
    assert_int_equal(aw_semaphore_release(&sem), 0);
    assert_int_equal(aw_semaphore_value(&sem), 0);
    passes(3);
    assert_trace("123");
    assert_int_equal(aw_semaphore_value(&sem), 0);
    assert_true(aw_semaphore_locked(&sem));
    for (int i = 0; i < 3; i++)
        assert_ended(t[i], 0);
    end_by_cancel(t[3]);
}

/* SYNC-026: Cancelling a task blocked on a semaphore ends it with -ECANCELED and takes no unit. */
TEST_IN_LOOP(SYNC_026_cancelled_waiter_takes_nothing)
{
    aw_semaphore sem = AW_SEMAPHORE_INIT(1);
    assert_int_equal(aw_semaphore_acquire(&sem), 0);
    aw_task *t = aw_create_task(take_unit, &sem);
    passes(1);
    end_by_cancel(t);
    assert_int_equal(aw_semaphore_value(&sem), 0);
    assert_int_equal(aw_semaphore_release(&sem), 0);
    assert_int_equal(aw_semaphore_value(&sem), 1);
    assert_false(aw_semaphore_locked(&sem));
}

/* SYNC-027: Cancelling the first of two waiters and releasing in the same step lets the second
 * through. */
TEST_IN_LOOP(SYNC_027_cancelled_and_released)
{
    aw_semaphore sem = AW_SEMAPHORE_INIT(0);
    aw_task *a = aw_create_task(take_unit, &sem), *b = aw_create_task(take_unit, &sem);
    passes(1);
    assert_true(aw_cancel(a));
    assert_int_equal(aw_semaphore_release(&sem), 0);
    passes(1);
    assert_ended_cancelled(a);
    assert_ended(b, 0);
    assert_true(aw_semaphore_locked(&sem));
}

/* SYNC-028: A waiter that was granted a unit and is cancelled before running gives it back: a later
 * acquire succeeds without delay. */
TEST_IN_LOOP(SYNC_028_granted_and_cancelled)
{
    aw_semaphore sem = AW_SEMAPHORE_INIT(1);
    assert_int_equal(aw_semaphore_acquire(&sem), 0);
    aw_task *t = aw_create_task(take_unit, &sem);
    passes(1);
    assert_int_equal(aw_semaphore_release(&sem), 0);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_semaphore_value(&sem), 0);
    passes(1);
    assert_ended_cancelled(t);
    assert_int_equal(aw_semaphore_value(&sem), 1);
    assert_at_once(aw_semaphore_acquire(&sem), 0);
}

/* What it was granted goes to the next in line. */
TEST_IN_LOOP(semaphore_granted_and_cancelled_with_another_in_line)
{
    aw_semaphore sem = AW_SEMAPHORE_INIT(0);
    aw_task *a = aw_create_task(take_unit, &sem), *b = aw_create_task(take_unit, &sem);
    passes(1);
    assert_int_equal(aw_semaphore_release(&sem), 0);
    assert_true(aw_cancel(a));
    passes(2);
    assert_ended_cancelled(a);
    assert_ended(b, 0);
    assert_int_equal(aw_semaphore_value(&sem), 0);
}

/* SYNC-029: A plain semaphore may be released above its initial value: one of 1 released once
 * allows two acquires. */
TEST_IN_LOOP(SYNC_029_released_above_the_initial_value)
{
    aw_semaphore sem = AW_SEMAPHORE_INIT(1);
    assert_int_equal(aw_semaphore_release(&sem), 0);
    assert_int_equal(aw_semaphore_value(&sem), 2);
    assert_at_once(aw_semaphore_acquire(&sem), 0);
    assert_at_once(aw_semaphore_acquire(&sem), 0);
    assert_true(aw_semaphore_locked(&sem));
}

/* There is an end to it: more units than an int can count are refused. */
TEST_IN_LOOP(semaphore_does_not_overflow)
{
    aw_semaphore sem = AW_SEMAPHORE_INIT(INT_MAX);
    assert_int_equal(aw_semaphore_release(&sem), -EOVERFLOW);
    assert_int_equal(aw_semaphore_value(&sem), INT_MAX);
    assert_int_equal(aw_semaphore_acquire(&sem), 0);
    assert_int_equal(aw_semaphore_release(&sem), 0);
    assert_int_equal(aw_semaphore_release(&sem), -EOVERFLOW);
}

static int two_turns(void *arg)
{
    struct taker *t = arg;
    for (int i = 0; i < 2; i++) {
        AW_TRY(take(t));
        AW_TRY(aw_sleep(0.01));
        AW_TRY(aw_semaphore_release(t->sem));
    }
    return 0;
}

/* SYNC-030: Tasks that share a semaphore of 1 and acquire it again take strict turns. */
TEST_IN_LOOP(SYNC_030_strict_turns)
{
    aw_semaphore sem = AW_SEMAPHORE_INIT(1);
    int err = aw_gather(AW_CORO(two_turns, TAKER(&sem, '1')), AW_CORO(two_turns, TAKER(&sem, '2')),
                        AW_CORO(two_turns, TAKER(&sem, '3')));
    assert_int_equal(err, 0);
    assert_trace("123123");
}

/* SYNC-031: With the first of three waiters cancelled, two releases let the second and the third
 * through, in that order. */
TEST_IN_LOOP(SYNC_031_first_of_three_cancelled)
{
    aw_semaphore sem = AW_SEMAPHORE_INIT(0);
    aw_task *a = aw_create_task(take, TAKER(&sem, '1'));
    aw_task *b = aw_create_task(take, TAKER(&sem, '2'));
    aw_task *c = aw_create_task(take, TAKER(&sem, '3'));
    passes(1);
    end_by_cancel(a);
    assert_int_equal(aw_semaphore_release(&sem), 0);
    assert_int_equal(aw_semaphore_release(&sem), 0);
    assert_int_equal(aw_join(c), 0);
    assert_int_equal(aw_join(b), 0);
    assert_trace("23");
}

static int release_thrice_and_take(void *arg)
{
    struct taker *t = arg;
    for (int i = 0; i < 3; i++)
        assert_int_equal(aw_semaphore_release(t->sem), 0);
    assert_int_equal(aw_semaphore_value(t->sem), 2);
    assert_true(aw_semaphore_locked(t->sem)); /* the first has not run yet */
    return take(arg);
}

static int take_and_start_another(void *arg)
{
    struct taker *t = arg;
    AW_TRY(take(arg));
    assert_int_equal(aw_semaphore_value(t->sem), 0); /* the others have been woken */
    return aw_spawn(note_it, "4");
}

/* SYNC-032: Three releases while the first waiter has not yet run leave the value at 2, and the
 * semaphore still reads locked because others wait; the first lets them through when it runs. */
TEST_IN_LOOP(SYNC_032_three_releases_at_once)
{
    aw_semaphore sem = AW_SEMAPHORE_INIT(0);
    aw_task *a = aw_create_task(take_and_start_another, TAKER(&sem, '1'));
    aw_task *b = aw_create_task(release_thrice_and_take, TAKER(&sem, '2'));
    aw_task *c = aw_create_task(take, TAKER(&sem, '3'));
    passes(1);
    assert_int_equal(aw_semaphore_value(&sem), 2);
    passes(2);
    assert_trace("1234");
    assert_ended(a, 0);
    assert_ended(b, 0);
    assert_ended(c, 0);
}

/* ---- bounded ---- */

/* A bounded semaphore refuses one release too many, and keeps its value. */
TEST_IN_LOOP(bounded_semaphore_released_too_often)
{
    aw_bounded_semaphore sem = AW_BOUNDED_SEMAPHORE_INIT(2);
    assert_int_equal(aw_bounded_semaphore_release(&sem), -EINVAL);
    assert_int_equal(aw_bounded_semaphore_value(&sem), 2);
    assert_int_equal(aw_bounded_semaphore_acquire(&sem), 0);
    assert_int_equal(aw_bounded_semaphore_release(&sem), 0);
    assert_int_equal(aw_bounded_semaphore_release(&sem), -EINVAL);
    assert_int_equal(aw_bounded_semaphore_value(&sem), 2);
}

static int take_bounded(void *arg)
{
    return aw_bounded_semaphore_acquire(arg);
}

/* Otherwise it works as a plain one: waits, hands over, lets cancelled ones go. */
TEST_IN_LOOP(bounded_semaphore_waits)
{
    aw_bounded_semaphore sem = AW_BOUNDED_SEMAPHORE_INIT(1);
    assert_int_equal(aw_bounded_semaphore_acquire(&sem), 0);
    assert_true(aw_bounded_semaphore_locked(&sem));
    aw_task *a = aw_create_task(take_bounded, &sem), *b = aw_create_task(take_bounded, &sem);
    passes(1);
    assert_int_equal(aw_bounded_semaphore_release(&sem), 0);
    assert_int_equal(aw_bounded_semaphore_value(&sem), 0); /* a's */
    assert_true(aw_cancel(a));
    assert_int_equal(aw_join(b), 0);
    assert_ended_cancelled(a);
    assert_int_equal(aw_bounded_semaphore_release(&sem), 0);
    assert_int_equal(aw_bounded_semaphore_release(&sem), -EINVAL);
}
