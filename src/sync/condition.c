/*
 * condition.c - a lock, and tasks that wait for what it protects to change.
 *
 * A wait is three steps: release the lock, sleep until notified, take the lock again.  The third
 * happens whatever became of the second, and however often the task is cancelled meanwhile: the
 * caller's code relies on the lock.  A wait that ends with an error may have used up a
 * notification, so it notifies somebody in its place; for those who did not need it that is a
 * spurious wake-up, which every user of a condition has to expect.
 */
#include <limits.h>

#include "sync/wait.h"

static int check(const aw_condition *cond)
{
    return AW_LIKELY(cond != NULL) ? 0 : aw_fail(-EINVAL, "the condition is NULL");
}

static aw_lock *lock_of(aw_condition *cond)
{
    return cond->lock ? cond->lock : &cond->own;
}

/* ---- its lock ---- */

static void describe_lock(const struct aw_wait *w, aw_buf *out)
{
    aw_condition *cond = w->object;
    aw_waiters_describe(&lock_of(cond)->waiters, "its lock", out);
}

static const struct aw_wait_kind acquire_kind = AW_SYNC_KIND("aw_condition_acquire", describe_lock);

int aw_condition_acquire(aw_condition *cond)
{
    AW_TRY(check(cond));
    if (AW_UNLIKELY(!aw_sync_task()))
        return aw_no_loop();
    return aw_lock_acquire_as(
        lock_of(cond), &(struct aw_sync_call){&acquire_kind, cond, __builtin_return_address(0)});
}

int aw_condition_release(aw_condition *cond)
{
    AW_TRY(check(cond));
    return aw_lock_release(lock_of(cond));
}

bool aw_condition_locked(const aw_condition *cond)
{
    return cond && aw_lock_locked(cond->lock ? cond->lock : &cond->own);
}

/* ---- waiting ---- */

int aw_condition_wait_as(aw_condition *cond, const struct aw_sync_call *wait,
                         const struct aw_sync_call *retake)
{
    aw_lock *lock = lock_of(cond);
    if (!lock->locked)
        return aw_fail(AW_EMISUSE, "the condition's lock is not held");
    AW_TRY(
        aw_sync_claim(&cond->loop, cond->waiters.first, "the condition belongs to another loop"));
    AW_TRY(aw_lock_release(lock));
    struct aw_waiter w = {.stays = false};
    int err = aw_waiter_sleep(&cond->waiters, &w, wait);
    err = aw_lock_retake(lock, retake, err);
    if (err < 0)
        aw_ignore(aw_condition_wake(cond, 1));
    return err;
}

static void describe(const struct aw_wait *w, aw_buf *out)
{
    const aw_condition *cond = w->object;
    aw_waiters_describe(&cond->waiters, "condition", out);
}

static const struct aw_wait_kind wait_kind = AW_SYNC_KIND("aw_condition_wait", describe);
static const struct aw_wait_kind wait_lock_kind = AW_SYNC_KIND("aw_condition_wait", describe_lock);
static const struct aw_wait_kind for_kind = AW_SYNC_KIND("aw_condition_wait_for", describe);
static const struct aw_wait_kind for_lock_kind =
    AW_SYNC_KIND("aw_condition_wait_for", describe_lock);

int aw_condition_wait(aw_condition *cond)
{
    const void *caller = __builtin_return_address(0);
    AW_TRY(check(cond));
    if (!aw_sync_task())
        return aw_no_loop();
    return aw_condition_wait_as(cond, &(struct aw_sync_call){&wait_kind, cond, caller},
                                &(struct aw_sync_call){&wait_lock_kind, cond, caller});
}

int aw_condition_wait_for(aw_condition *cond, int (*predicate)(void *arg), void *arg)
{
    const void *caller = __builtin_return_address(0);
    AW_TRY(check(cond));
    if (!predicate)
        return aw_fail(-EINVAL, "the predicate is NULL");
    if (!aw_sync_task())
        return aw_no_loop();
    const struct aw_sync_call wait = {&for_kind, cond, caller};
    const struct aw_sync_call retake = {&for_lock_kind, cond, caller};
    int answer;
    while ((answer = predicate(arg)) == 0)
        AW_TRY(aw_condition_wait_as(cond, &wait, &retake));
    return answer;
}

/* ---- notifying ---- */

int aw_condition_wake(aw_condition *cond, int n)
{
    int woken = 0;
    AW_TRY(aw_waiters_check(&cond->waiters));
    for (; woken < n && cond->waiters.first; woken++)
        aw_waiter_wake(cond->waiters.first);
    return woken;
}

int aw_condition_notify(aw_condition *cond, int n)
{
    AW_TRY(check(cond));
    if (!lock_of(cond)->locked)
        return aw_fail(AW_EMISUSE, "the condition's lock is not held");
    return aw_condition_wake(cond, n);
}

int aw_condition_notify_all(aw_condition *cond)
{
    return aw_condition_notify(cond, INT_MAX);
}
