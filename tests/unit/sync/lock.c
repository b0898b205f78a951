/*
 * Locks: held by one at a time, in the order of asking, and not lost when a waiter is cancelled.
 */
#include "util.h"

/* SYNC-001: A new lock is unlocked; acquiring locks it, and releasing it with nobody waiting
 * unlocks it. */
TEST_IN_LOOP(SYNC_001_acquire_and_release)
{
    aw_lock lock = AW_LOCK_INIT;
    assert_false(aw_lock_locked(&lock));
    assert_int_equal(aw_lock_acquire(&lock), 0);
    assert_true(aw_lock_locked(&lock));
    assert_int_equal(aw_lock_release(&lock), 0);
    assert_false(aw_lock_locked(&lock));
}

/* Zeroed storage is a fresh lock. */
TEST_IN_LOOP(lock_of_zeros)
{
    static aw_lock lock;
    assert_int_equal(aw_lock_acquire(&lock), 0);
    assert_int_equal(aw_lock_release(&lock), 0);
}

/* SYNC-002: Acquiring a free lock does not suspend: no pass goes by. */
TEST_IN_LOOP(SYNC_002_free_lock_does_not_suspend)
{
    aw_lock lock = AW_LOCK_INIT;
    aw_task *other = aw_create_task(note_it, "x");
    assert_at_once(aw_lock_acquire(&lock), 0);
    assert_int_equal(aw_lock_release(&lock), 0);
    assert_at_once(aw_lock_acquire(&lock), 0);
    assert_trace("");
    assert_int_equal(aw_lock_release(&lock), 0);
    assert_int_equal(aw_join(other), 0);
}

/* SYNC-003: Releasing a lock that is not held fails with AW_EMISUSE. */
TEST_IN_LOOP(SYNC_003_release_of_a_free_lock)
{
    aw_lock lock = AW_LOCK_INIT;
    assert_int_equal(aw_lock_release(&lock), AW_EMISUSE);
    assert_string_equal(aw_errmsg(), "the lock is not held");
    assert_int_equal(aw_lock_acquire(&lock), 0);
    assert_int_equal(aw_lock_release(&lock), 0);
    assert_int_equal(aw_lock_release(&lock), AW_EMISUSE);
    assert_false(aw_lock_locked(&lock));
}

static int release_lock(void *arg)
{
    return aw_lock_release(arg);
}

/* SYNC-004: A lock has no owner: a task other than the one that acquired it may release it. */
TEST_IN_LOOP(SYNC_004_any_task_may_release)
{
    aw_lock lock = AW_LOCK_INIT;
    assert_int_equal(aw_lock_acquire(&lock), 0);
    assert_int_equal(aw_join(aw_create_task(release_lock, &lock)), 0);
    assert_false(aw_lock_locked(&lock));
}

/* So may a callback, which is no task at all. */
TEST_IN_LOOP(lock_released_by_a_callback)
{
    aw_lock lock = AW_LOCK_INIT;
    assert_int_equal(aw_lock_acquire(&lock), 0);
    assert_int_equal(aw_call_soon(release_lock, &lock), 0);
    assert_int_equal(aw_lock_acquire(&lock), 0);
}

/* SYNC-005: Cancelling a task blocked on a lock ends it with -ECANCELED and takes it out of the
 * line. */
TEST_IN_LOOP(SYNC_005_cancelled_waiter_leaves_the_line)
{
    aw_lock lock = AW_LOCK_INIT;
    assert_int_equal(aw_lock_acquire(&lock), 0);
    aw_task *t = aw_create_task(take_lock, &lock);
    passes(1);
    end_by_cancel(t);
    assert_int_equal(aw_lock_release(&lock), 0);
    assert_false(aw_lock_locked(&lock));
    passes(2);
    assert_false(aw_lock_locked(&lock));
    assert_at_once(aw_lock_acquire(&lock), 0);
}

/* Takes the lock, waits for a future if there is one, and releases. */
struct holder {
    aw_lock *lock;
    aw_future *until;
    char name;
};

static int hold(void *arg)
{
    struct holder *h = arg;
    AW_TRY(aw_lock_acquire(h->lock));
    note(h->name);
    int err = h->until ? aw_await(h->until) : 0;
    aw_ignore(aw_lock_release(h->lock));
    return err;
}

/* SYNC-006: If the holder releases while the first waiter is being cancelled in the same pass, the
 * second waiter gets the lock. */
TEST_IN_LOOP(SYNC_006_release_races_with_cancellation)
{
    aw_lock lock = AW_LOCK_INIT;
    aw_future *until = aw_future_new();
    aw_task *a = aw_create_task(hold, (&(struct holder){&lock, until, 'a'}));
    aw_task *b = aw_create_task(hold, (&(struct holder){&lock, NULL, 'b'}));
    aw_task *c = aw_create_task(hold, (&(struct holder){&lock, NULL, 'c'}));
    passes(1);
    assert_trace("a");
    assert_int_equal(aw_set_result(until, 0, NULL), 0);
    assert_true(aw_cancel(b));
    passes(1);
    assert_false(aw_lock_locked(&lock));
    assert_ended(a, 0);
    assert_ended_cancelled(b);
    assert_int_equal(aw_join(c), 0);
    assert_trace("ac");
    aw_unref(until);
}

/* SYNC-007: A waiter that was woken by a release and is cancelled before it runs hands the lock on
 * to the next; it is not lost. */
TEST_IN_LOOP(SYNC_007_woken_and_cancelled)
{
    aw_lock lock = AW_LOCK_INIT;
    assert_int_equal(aw_lock_acquire(&lock), 0);
    aw_task *b = aw_create_task(take_lock, &lock);
    aw_task *c = aw_create_task(take_lock, &lock);
    passes(1);
    assert_int_equal(aw_lock_release(&lock), 0);
    assert_true(aw_cancel(b));
    passes(1);
    assert_ended_cancelled(b);
    assert_false(aw_done(c));
    passes(1);
    assert_ended(c, 0);
    assert_true(aw_lock_locked(&lock));
}

/* The same with nobody else in line: the lock is free again. */
TEST_IN_LOOP(lock_woken_and_cancelled_alone)
{
    aw_lock lock = AW_LOCK_INIT;
    assert_int_equal(aw_lock_acquire(&lock), 0);
    aw_task *t = aw_create_task(take_lock, &lock);
    passes(1);
    assert_int_equal(aw_lock_release(&lock), 0);
    assert_true(aw_cancel(t));
    assert_after_wait(aw_lock_acquire(&lock), 0); /* it still stands in line */
    assert_true(aw_lock_locked(&lock));
    assert_ended_cancelled(t);
}

/* A newcomer does not overtake the one that was woken and has not run yet. */
TEST_IN_LOOP(lock_newcomer_does_not_overtake)
{
    aw_lock lock = AW_LOCK_INIT;
    assert_int_equal(aw_lock_acquire(&lock), 0);
    aw_task *b = aw_create_task(hold, (&(struct holder){&lock, NULL, 'b'}));
    passes(1);
    assert_int_equal(aw_lock_release(&lock), 0);
    assert_false(aw_lock_locked(&lock));
    assert_after_wait(aw_lock_acquire(&lock), 0);
    note('m');
    assert_trace("bm");
    assert_ended(b, 0);
}

/* A newcomer need not wait for those who were cancelled and have not run yet. */
TEST_IN_LOOP(lock_newcomer_overtakes_the_cancelled)
{
    aw_lock lock = AW_LOCK_INIT;
    assert_int_equal(aw_lock_acquire(&lock), 0);
    aw_task *b = aw_create_task(take_lock, &lock), *c = aw_create_task(take_lock, &lock);
    passes(1);
    assert_true(aw_cancel(b) && aw_cancel(c));
    assert_int_equal(aw_lock_release(&lock), 0);
    assert_at_once(aw_lock_acquire(&lock), 0);
    passes(1);
    assert_ended_cancelled(b);
    assert_ended_cancelled(c);
    assert_true(aw_lock_locked(&lock));
}

/* Waiters get the lock in the order in which they asked. */
TEST_IN_LOOP(lock_first_come_first_served)
{
    aw_lock lock = AW_LOCK_INIT;
    static struct holder h[26];
    aw_task *t[26];
    assert_int_equal(aw_lock_acquire(&lock), 0);
    for (int i = 0; i < 26; i++) {
        h[i] = (struct holder){&lock, NULL, (char)('a' + i)};
        t[i] = aw_create_task(hold, &h[i]);
    }
    passes(1);
    assert_int_equal(aw_lock_release(&lock), 0);
    for (int i = 0; i < 26; i++)
        assert_int_equal(aw_join(t[i]), 0);
    assert_trace("abcdefghijklmnopqrstuvwxyz");
}

static int sleep_locked(void *arg)
{
    assert_true(aw_lock_locked(arg));
    assert_int_equal(aw_sleep(1), 0);
    assert_true(aw_lock_locked(arg));
    return 7;
}

static int fail_locked(void *arg)
{
    assert_true(aw_lock_locked(arg));
    return aw_result(aw_current_task()); /* an error with a detail */
}

/* SYNC-008: A lock block holds the lock inside and has released it afterwards, also when the body
 * fails. */
TEST_IN_LOOP(SYNC_008_lock_block)
{
    aw_lock lock = AW_LOCK_INIT;
    assert_int_equal(aw_lock_call(&lock, sleep_locked, &lock), 7);
    assert_false(aw_lock_locked(&lock));
    assert_int_equal(aw_lock_call(&lock, fail_locked, &lock), AW_ESTATE);
    assert_string_equal(aw_errmsg(), "the future is still pending");
    assert_false(aw_lock_locked(&lock));
}

static int lock_block(void *arg)
{
    return aw_lock_call(arg, sleep_locked, arg);
}

static int cancelled_inside(void *arg)
{
    return aw_lock_call(arg, sleep_long, arg);
}

/* So it has when its task is cancelled inside; and cancelled at the entrance, the body is not run.
 */
TEST_IN_LOOP(lock_block_cancelled)
{
    aw_lock lock = AW_LOCK_INIT;
    aw_task *inside = aw_create_task(cancelled_inside, &lock);
    aw_task *waiting = aw_create_task(lock_block, &lock);
    passes(1);
    end_by_cancel(waiting); /* whose body would have failed the test */
    assert_true(aw_lock_locked(&lock));
    end_by_cancel(inside);
    assert_false(aw_lock_locked(&lock));
}

static int fail_unlocked(void *arg)
{
    assert_int_equal(aw_lock_release(arg), 0);
    return -EIO;
}

/* A body that releases the lock itself: its error comes first, else AW_EMISUSE. */
TEST_IN_LOOP(lock_block_released_inside)
{
    aw_lock lock = AW_LOCK_INIT;
    assert_int_equal(aw_lock_call(&lock, release_lock, &lock), AW_EMISUSE);
    assert_int_equal(aw_lock_call(&lock, fail_unlocked, &lock), -EIO);
    assert_false(aw_lock_locked(&lock));
}

/* A time limit on acquiring leaves no waiter behind. */
TEST_IN_LOOP(lock_acquire_with_a_time_limit)
{
    aw_lock lock = AW_LOCK_INIT;
    double began = aw_time();
    assert_int_equal(aw_lock_acquire(&lock), 0);
    assert_int_equal(aw_timeout_call(2, take_lock, &lock), -ETIMEDOUT);
    assert_time(aw_time() - began, 2);
    assert_int_equal(aw_lock_release(&lock), 0);
    assert_at_once(aw_lock_acquire(&lock), 0);
}
