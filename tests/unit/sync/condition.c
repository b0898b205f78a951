/*
 * Conditions: notified in order, the lock always taken again, and no notification lost.
 */
#include "util.h"

/* SYNC-013: Notifying one or all without holding the lock fails with AW_EMISUSE. */
TEST_IN_LOOP(SYNC_013_notify_without_the_lock)
{
    aw_condition cond = AW_CONDITION_INIT(NULL);
    assert_int_equal(aw_condition_notify(&cond, 1), AW_EMISUSE);
    assert_string_equal(aw_errmsg(), "the condition's lock is not held");
    assert_int_equal(aw_condition_notify_all(&cond), AW_EMISUSE);
}

/* Nor can one wait without it. */
TEST_IN_LOOP(condition_wait_without_the_lock)
{
    aw_condition cond = AW_CONDITION_INIT(NULL);
    assert_int_equal(aw_condition_wait(&cond), AW_EMISUSE);
    assert_int_equal(aw_condition_acquire(&cond), 0);
    assert_int_equal(aw_condition_release(&cond), 0);
    assert_int_equal(aw_condition_release(&cond), AW_EMISUSE);
    assert_int_equal(aw_condition_wait(&cond), AW_EMISUSE);
}

/* Takes the lock, waits once, notes a letter, and keeps the lock or not. */
struct waiter {
    aw_condition *cond;
    char name;
    bool release;
};

static int wait_once(void *arg)
{
    struct waiter *w = arg;
    AW_TRY(aw_condition_acquire(w->cond));
    int err = aw_condition_wait(w->cond);
    assert_true(aw_condition_locked(w->cond));
    if (err == 0)
        note(w->name);
    if (w->release || err < 0)
        aw_ignore(aw_condition_release(w->cond));
    return err;
}

#define WAITER(cond, name) (&(struct waiter){(cond), (name), .release = true})
#define KEEPER(cond, name) (&(struct waiter){(cond), (name), .release = false})

/* Notifies so many with the lock held. */
static void notify(aw_condition *cond, int n, int expected)
{
    assert_int_equal(aw_condition_acquire(cond), 0);
    assert_int_equal(aw_condition_notify(cond, n), expected);
    assert_int_equal(aw_condition_release(cond), 0);
}

/* SYNC-014: Waiting on a condition frees its lock; a notified waiter returns only once it holds the
 * lock again. */
TEST_IN_LOOP(SYNC_014_wait_frees_the_lock)
{
    aw_condition cond = AW_CONDITION_INIT(NULL);
    aw_task *t = aw_create_task(wait_once, KEEPER(&cond, 'a'));
    passes(1);
    assert_false(aw_condition_locked(&cond));
    assert_int_equal(aw_condition_acquire(&cond), 0);
    assert_int_equal(aw_condition_notify(&cond, 1), 1);
    passes(3);
    assert_trace("");
    assert_int_equal(aw_condition_release(&cond), 0);
    passes(1);
    assert_trace("a");
    assert_true(aw_condition_locked(&cond));
    assert_ended(t, 0);
}

/* SYNC-015: Notify wakes the task that has waited longest; notify(2) wakes two, which then take the
 * lock one after the other as each lets go. */
TEST_IN_LOOP(SYNC_015_notify_in_order)
{
    aw_condition cond = AW_CONDITION_INIT(NULL);
    aw_task *a = aw_create_task(wait_once, KEEPER(&cond, 'a'));
    aw_task *b = aw_create_task(wait_once, KEEPER(&cond, 'b'));
    aw_task *c = aw_create_task(wait_once, KEEPER(&cond, 'c'));
    passes(1);
    notify(&cond, 1, 1);
    passes(1);
    assert_trace("a");
    assert_true(aw_condition_locked(&cond)); /* a keeps it */
    assert_int_equal(aw_condition_notify(&cond, 2), 2);
    passes(1);
    assert_trace("a");
    assert_int_equal(aw_condition_release(&cond), 0);
    passes(1);
    assert_trace("ab");
    assert_true(aw_condition_locked(&cond));
    assert_int_equal(aw_condition_release(&cond), 0);
    passes(1);
    assert_trace("abc");
    assert_ended(a, 0);
    assert_ended(b, 0);
    assert_ended(c, 0);
}

/* SYNC-016: Notifying more tasks than are waiting (2048) wakes all of them; notifying when none
 * waits does nothing. */
TEST_IN_LOOP(SYNC_016_notify_more_than_wait)
{
    aw_condition cond = AW_CONDITION_INIT(NULL);
    notify(&cond, 2048, 0);
    aw_task *a = aw_create_task(wait_once, WAITER(&cond, 'a'));
    aw_task *b = aw_create_task(wait_once, WAITER(&cond, 'b'));
    aw_task *c = aw_create_task(wait_once, WAITER(&cond, 'c'));
    passes(1);
    assert_int_equal(aw_condition_acquire(&cond), 0);
    assert_int_equal(aw_condition_notify(&cond, 1), 1);
    assert_int_equal(aw_condition_notify(&cond, 2048), 2);
    assert_int_equal(aw_condition_release(&cond), 0);
    assert_int_equal(aw_join(c), 0);
    assert_trace("abc");
    assert_ended(a, 0);
    assert_ended(b, 0);
}

/* Notifying none, or fewer, wakes none; notifying all wakes all. */
TEST_IN_LOOP(condition_notify_none_and_all)
{
    aw_condition cond = AW_CONDITION_INIT(NULL);
    aw_task *a = aw_create_task(wait_once, WAITER(&cond, 'a'));
    aw_task *b = aw_create_task(wait_once, WAITER(&cond, 'b'));
    passes(1);
    notify(&cond, 0, 0);
    notify(&cond, -1, 0);
    passes(3);
    assert_trace("");
    assert_int_equal(aw_condition_acquire(&cond), 0);
    assert_int_equal(aw_condition_notify_all(&cond), 2);
    assert_int_equal(aw_condition_release(&cond), 0);
    assert_int_equal(aw_join(a), 0);
    assert_int_equal(aw_join(b), 0);
    assert_trace("ab");
}

/* ---- predicates ---- */

static int answer; /* of the predicate */

static int ask(void *arg)
{
    note(*(const char *)arg);
    return answer;
}

static int wait_for_answer(void *arg)
{
    aw_condition *cond = arg;
    AW_TRY(aw_condition_acquire(cond));
    int result = aw_condition_wait_for(cond, ask, "?");
    assert_true(aw_condition_locked(cond));
    assert_int_equal(aw_condition_release(cond), 0);
    return result;
}

/* SYNC-017: Waiting for a predicate goes back to waiting when notified while the predicate is
 * false, and returns the predicate's value once it is true. */
TEST_IN_LOOP(SYNC_017_wait_for_a_predicate)
{
    aw_condition cond = AW_CONDITION_INIT(NULL);
    aw_task *t = aw_create_task(wait_for_answer, &cond);
    passes(1);
    assert_trace("?");
    notify(&cond, 1, 1);
    passes(3);
    assert_trace("??");
    assert_false(aw_done(t));
    answer = 42;
    passes(3);
    assert_trace("??"); /* it is asked when notified, not before */
    notify(&cond, 1, 1);
    assert_int_equal(aw_join(t), 42);
    assert_trace("???");
}

/* A predicate's error ends the waiting too, with the lock held. */
TEST_IN_LOOP(condition_predicate_fails)
{
    aw_condition cond = AW_CONDITION_INIT(NULL);
    aw_task *t = aw_create_task(wait_for_answer, &cond);
    passes(1);
    answer = -EIO;
    notify(&cond, 1, 1);
    assert_int_equal(aw_join(t), -EIO);
}

/* SYNC-018: Waiting for a predicate that is already true returns its value at once, lock or no
 * lock; if it is false and the lock is not held, it fails with AW_EMISUSE. */
TEST_IN_LOOP(SYNC_018_wait_for_without_the_lock)
{
    aw_condition cond = AW_CONDITION_INIT(NULL);
    answer = 3;
    assert_at_once(aw_condition_wait_for(&cond, ask, "?"), 3);
    answer = 0;
    assert_at_once(aw_condition_wait_for(&cond, ask, "?"), AW_EMISUSE);
    assert_trace("??");
}

/* ---- cancelled ---- */

/* SYNC-019: A waiter that was notified and is cancelled while it takes the lock again still takes
 * it before -ECANCELED comes out, and its task ends cancelled. */
TEST_IN_LOOP(SYNC_019_cancelled_while_taking_the_lock_again)
{
    aw_condition cond = AW_CONDITION_INIT(NULL);
    aw_task *t = aw_create_task(wait_once, WAITER(&cond, 'a'));
    passes(1);
    assert_int_equal(aw_condition_acquire(&cond), 0);
    assert_int_equal(aw_condition_notify(&cond, 1), 1);
    passes(1);
    assert_true(aw_cancel(t, .msg = "the reason"));
    passes(5);
    assert_false(aw_done(t)); /* as long as the lock is held by somebody else */
    assert_int_equal(aw_condition_release(&cond), 0);
    passes(2);
    assert_int_equal(aw_await(t), -ECANCELED); /* and wait_once() saw the lock held */
    assert_string_equal(aw_errmsg(), "the reason");
    assert_ended_cancelled(t);
    assert_trace("");
}

/* However often it is cancelled meanwhile; the latest reason is the one that it gets. */
TEST_IN_LOOP(condition_cancelled_again_and_again)
{
    aw_condition cond = AW_CONDITION_INIT(NULL);
    aw_task *t = aw_create_task(wait_once, WAITER(&cond, 'a'));
    passes(1);
    assert_int_equal(aw_condition_acquire(&cond), 0);
    assert_true(aw_cancel(t, .msg = "first"));
    for (int i = 0; i < 10; i++) {
        passes(2);
        assert_true(aw_cancel(t, .msg = i < 9 ? "again" : "last"));
    }
    passes(2);
    assert_false(aw_done(t));
    assert_int_equal(aw_condition_release(&cond), 0);
    assert_int_equal(aw_await(t), -ECANCELED);
    assert_string_equal(aw_errmsg(), "last");
    assert_ended_cancelled(t);
}

static int release_it(void *arg)
{
    return aw_condition_release(arg);
}

static int cancel_it(void *arg)
{
    assert_true(aw_cancel(arg));
    return 0;
}

/* SYNC-020: When a notified waiter is cancelled and the lock freed in the same pass, the lock is
 * held again when its wait ends, however it ends. */
TEST_IN_LOOP(SYNC_020_cancelled_as_the_lock_is_freed)
{
    aw_condition cond = AW_CONDITION_INIT(NULL);
    aw_task *t = aw_create_task(wait_once, KEEPER(&cond, 'a'));
    passes(1);
    assert_int_equal(aw_condition_acquire(&cond), 0);
    assert_int_equal(aw_condition_notify(&cond, 1), 1);
    assert_int_equal(aw_call_soon(cancel_it, t), 0);
    assert_int_equal(aw_call_soon(release_it, &cond), 0);
    assert_int_equal(aw_join(t), -ECANCELED); /* wait_once() has seen that it is held */
}

/* Takes an item when there is one: state counts them, and ends the work below 0. */
struct shop {
    aw_condition cond;
    int state, served;
};

static int something_to_do(void *arg)
{
    return ((struct shop *)arg)->state != 0;
}

static int nothing_left(void *arg)
{
    return ((struct shop *)arg)->state == 0;
}

static int consume(void *arg)
{
    struct shop *s = arg;
    AW_TRY(aw_condition_acquire(&s->cond));
    int err;
    while ((err = aw_condition_wait_for(&s->cond, something_to_do, s)) > 0 && s->state > 0) {
        s->state--;
        s->served++;
        aw_ignore(aw_condition_notify_all(&s->cond));
    }
    aw_ignore(aw_condition_release(&s->cond));
    return err < 0 ? err : 0;
}

static int wait_until_served(void *arg)
{
    struct shop *s = arg;
    return aw_condition_wait_for(&s->cond, nothing_left, s);
}

/* Two consumers; the one that is notified of an item is cancelled so many passes later. */
static void cancel_the_notified(int later)
{
    struct shop s = {.state = 0};
    aw_task *first = aw_create_task(consume, &s), *second = aw_create_task(consume, &s);
    passes(1);
    assert_int_equal(aw_condition_acquire(&s.cond), 0);
    s.state = 1;
    assert_int_equal(aw_condition_notify(&s.cond, 1), 1);
    passes(later);
    assert_true(aw_cancel(first));
    assert_int_equal(aw_timeout_call(0.01, wait_until_served, &s), 1);
    assert_int_equal(s.served, 1);
    s.state = -1;
    assert_int_equal(aw_condition_notify_all(&s.cond), 1);
    assert_int_equal(aw_condition_release(&s.cond), 0);
    assert_int_equal(aw_join(second), 0);
    assert_int_equal(aw_join(first), -ECANCELED);
}

/* SYNC-021: A notify that hits a waiter which is cancelled at the same moment is passed on to
 * another waiter; no wake-up is lost. */
TEST_IN_LOOP(SYNC_021_notified_and_cancelled_at_once)
{
    cancel_the_notified(0);
}

/* SYNC-022: A notify is passed on to another waiter also when the notified one is cancelled while
 * it is taking the lock again. */
TEST_IN_LOOP(SYNC_022_notified_and_cancelled_at_the_lock)
{
    cancel_the_notified(1);
}

/* A cancelled waiter that was not notified wakes another, who finds nothing and waits on. */
TEST_IN_LOOP(condition_cancelled_unnotified)
{
    struct shop s = {.state = 0};
    aw_task *first = aw_create_task(consume, &s), *second = aw_create_task(consume, &s);
    passes(1);
    end_by_cancel(first);
    passes(5);
    assert_false(aw_done(second) || aw_condition_locked(&s.cond));
    assert_int_equal(s.served, 0);
    end_by_cancel(second);
}

/* A time limit on a wait is no exception: the lock is held when it is over. */
TEST_IN_LOOP(condition_wait_with_a_time_limit)
{
    struct shop s = {.state = 1};
    double began = aw_time();
    assert_int_equal(aw_condition_acquire(&s.cond), 0);
    assert_int_equal(aw_timeout_call(0.5, wait_until_served, &s), -ETIMEDOUT);
    assert_time(aw_time() - began, 0.5);
    assert_true(aw_condition_locked(&s.cond));
}

/* ---- its lock ---- */

/* SYNC-023: A condition made on an existing lock shares it: locking either shows as locked on
 * both. */
TEST_IN_LOOP(SYNC_023_condition_on_a_lock)
{
    aw_lock lock = AW_LOCK_INIT;
    aw_condition a = AW_CONDITION_INIT(&lock), b = AW_CONDITION_INIT(&lock);
    assert_int_equal(aw_lock_acquire(&lock), 0);
    assert_true(aw_condition_locked(&a) && aw_condition_locked(&b));
    assert_int_equal(aw_condition_release(&a), 0);
    assert_false(aw_lock_locked(&lock) || aw_condition_locked(&b));
    assert_int_equal(aw_condition_acquire(&b), 0);
    assert_true(aw_lock_locked(&lock));
    assert_int_equal(aw_condition_notify(&a, 1), 0);
    assert_int_equal(aw_lock_release(&lock), 0);
}

/* A zeroed condition has a lock of its own. */
TEST_IN_LOOP(condition_of_zeros)
{
    static aw_condition a, b;
    assert_int_equal(aw_condition_acquire(&a), 0);
    assert_true(aw_condition_locked(&a));
    assert_false(aw_condition_locked(&b));
    assert_int_equal(aw_condition_release(&a), 0);
}

static int take_condition(void *arg)
{
    return aw_condition_acquire(arg);
}

/* Acquiring a condition waits for its lock as acquiring the lock does, and can be cancelled. */
TEST_IN_LOOP(condition_acquire_waits)
{
    aw_lock lock = AW_LOCK_INIT;
    aw_condition cond = AW_CONDITION_INIT(&lock);
    assert_int_equal(aw_lock_acquire(&lock), 0);
    aw_task *a = aw_create_task(take_condition, &cond), *b = aw_create_task(take_condition, &cond);
    passes(1);
    end_by_cancel(a);
    assert_int_equal(aw_lock_release(&lock), 0);
    assert_int_equal(aw_join(b), 0);
    assert_true(aw_condition_locked(&cond));
}
