/*
 * lock.c - held by one at a time.
 *
 * Releasing does not hand the lock over: it wakes the first in line, who takes it when it runs.
 * Until then the lock reads free, but a newcomer joins the line all the same, because somebody
 * stands there; so the one that was woken cannot be overtaken.  Whoever is woken and cancelled
 * before it runs wakes the next in its turn.
 *
 * Invariant: a lock that is free with tasks in line has the first of them woken or cancelled.
 */
#include "sync/wait.h"

static const char other_loop[] = "the lock belongs to another loop";

static int check(const aw_lock *lock)
{
    return AW_LIKELY(lock != NULL) ? 0 : aw_fail(-EINVAL, "the lock is NULL");
}

/* Nobody in line, but those whose cancellation they have not seen yet. */
static bool all_cancelled(const aw_waiters *line)
{
    const struct aw_waiter *w = line->first;
    do {
        if (!w->wait.woken || w->wait.result != -ECANCELED)
            return false;
        w = aw_waiter_next(w);
    } while (w != line->first);
    return true;
}

static inline bool can_take(const aw_lock *lock)
{
    return !lock->locked && (AW_LIKELY(!lock->waiters.first) || all_cancelled(&lock->waiters));
}

static void wake_first(aw_lock *lock)
{
    struct aw_waiter *w = lock->waiters.first;
    if (!w)
        lock->loop = 0; /* free, and nobody waits */
    else if (!w->wait.woken)
        aw_waiter_wake(w);
}

static AW_NOINLINE int wait_turn(aw_lock *lock, const struct aw_sync_call *call)
{
    AW_TRY(aw_sync_claim(&lock->loop, true, other_loop));
    struct aw_waiter w = {.stays = true};
    int err = aw_waiter_sleep(&lock->waiters, &w, call);
    if (err >= 0)
        lock->locked = true;
    else if (!lock->locked)
        wake_first(lock);
    return err;
}

int aw_lock_acquire_as(aw_lock *lock, const struct aw_sync_call *call)
{
    if (!can_take(lock))
        return wait_turn(lock, call);
    lock->locked = true;
    return 0;
}

int aw_lock_retake(aw_lock *lock, const struct aw_sync_call *call, int err)
{
    int again;
    while ((again = aw_lock_acquire_as(lock, call)) == -ECANCELED)
        err = again;
    return again < 0 ? again : err;
}

static void describe(const struct aw_wait *w, aw_buf *out)
{
    const aw_lock *lock = w->object;
    aw_waiters_describe(&lock->waiters, "lock", out);
}

static const struct aw_wait_kind acquire_kind = AW_SYNC_KIND("aw_lock_acquire", describe);
static const struct aw_wait_kind call_kind = AW_SYNC_KIND("aw_lock_call", describe);

static inline int acquire(aw_lock *lock, const struct aw_wait_kind *kind, const void *caller)
{
    AW_TRY(check(lock));
    if (AW_UNLIKELY(!aw_sync_task()))
        return aw_no_loop();
    return aw_lock_acquire_as(lock, &(struct aw_sync_call){kind, lock, caller});
}

int aw_lock_acquire(aw_lock *lock)
{
    return acquire(lock, &acquire_kind, __builtin_return_address(0));
}

int aw_lock_release(aw_lock *lock)
{
    AW_TRY(check(lock));
    if (AW_UNLIKELY(!lock->locked))
        return aw_fail(AW_EMISUSE, "the lock is not held");
    AW_TRY(aw_waiters_check(&lock->waiters));
    lock->locked = false;
    wake_first(lock);
    return 0;
}

bool aw_lock_locked(const aw_lock *lock)
{
    return lock && lock->locked;
}

int aw_lock_call(aw_lock *lock, aw_fn *fn, void *arg)
{
    if (!fn)
        return aw_fail(-EINVAL, "the function is NULL");
    AW_TRY(acquire(lock, &call_kind, __builtin_return_address(0)));
    int result = fn(arg);
    if (result < 0 && !lock->locked)
        return result;
    int err = aw_lock_release(lock);
    return result < 0 || err >= 0 ? result : err;
}
