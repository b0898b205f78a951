/*
 * semaphore.c - a number of units, of which each acquire takes one and each release gives one.
 *
 * Releasing hands the unit over: it is the first waiter's from that moment, whether it has run or
 * not.  A newcomer waits as long as somebody is in line or has yet to run with what it was granted,
 * even if units are left; so that those are not left lying, everyone who stops waiting, on whatever
 * way, wakes as many as there are units for.
 */
#include <limits.h>

#include "sync/wait.h"

static int check(const aw_semaphore *sem)
{
    if (AW_UNLIKELY(!sem))
        return aw_fail(-EINVAL, "the semaphore is NULL");
    if (AW_UNLIKELY(sem->initial < 0))
        return aw_fail(-EINVAL, "the semaphore's initial value is negative");
    return 0;
}

static inline int value(const aw_semaphore *sem)
{
    return sem->initial - sem->taken;
}

static inline bool must_wait(const aw_semaphore *sem)
{
    return value(sem) == 0 || sem->waiters.first || sem->granted;
}

/* Give the next in line a unit; the owner goes when nobody waits and none is out. */
static bool wake_next(aw_semaphore *sem)
{
    if (!sem->waiters.first) {
        if (!sem->granted && sem->taken <= 0)
            sem->loop = 0;
        return false;
    }
    sem->taken++;
    sem->granted++;
    aw_waiter_wake(sem->waiters.first);
    return true;
}

/* ---- acquiring ---- */

static AW_NOINLINE int wait_turn(aw_semaphore *sem, const struct aw_sync_call *call)
{
    bool in_use = sem->waiters.first || sem->granted || sem->taken > 0;
    AW_TRY(aw_sync_claim(&sem->loop, in_use, "the semaphore belongs to another loop"));
    struct aw_waiter w = {.stays = false};
    int err = aw_waiter_sleep(&sem->waiters, &w, call);
    bool granted = aw_waiter_granted(&w);
    sem->granted -= granted;
    sem->taken -= granted && err < 0;
    while (value(sem) > 0 && wake_next(sem))
        continue;
    return err;
}

static inline int acquire(aw_semaphore *sem, const struct aw_wait_kind *kind, const void *caller)
{
    AW_TRY(check(sem));
    if (AW_UNLIKELY(!aw_sync_task()))
        return aw_no_loop();
    if (must_wait(sem))
        return wait_turn(sem, &(struct aw_sync_call){kind, sem, caller});
    sem->taken++;
    return 0;
}

static void describe(const struct aw_wait *w, aw_buf *out)
{
    const aw_semaphore *sem = w->object;
    aw_waiters_describe(&sem->waiters, "semaphore", out);
}

/* A loop closes over a task that was granted a unit and never ran. */
static void drop(struct aw_wait *wait)
{
    struct aw_waiter *w = aw_container_of(wait, struct aw_waiter, wait);
    aw_semaphore *sem = wait->object;
    if (aw_waiter_granted(w)) {
        sem->granted--;
        sem->taken--;
    }
    aw_waiter_drop(wait);
}

#define SEMAPHORE_KIND(call)                                                                       \
    {                                                                                              \
        .name = (call), .cancel = aw_waiter_cancel, .drop = drop, .describe = describe             \
    }
static const struct aw_wait_kind acquire_kind = SEMAPHORE_KIND("aw_semaphore_acquire");
static const struct aw_wait_kind bounded_kind = SEMAPHORE_KIND("aw_bounded_semaphore_acquire");

int aw_semaphore_acquire(aw_semaphore *sem)
{
    return acquire(sem, &acquire_kind, __builtin_return_address(0));
}

/* ---- releasing, asking ---- */

int aw_semaphore_release(aw_semaphore *sem)
{
    AW_TRY(check(sem));
    AW_TRY(aw_waiters_check(&sem->waiters));
    if (AW_UNLIKELY(value(sem) == INT_MAX))
        return aw_fail(-EOVERFLOW, "the semaphore has INT_MAX units");
    sem->taken--;
    wake_next(sem);
    return 0;
}

bool aw_semaphore_locked(const aw_semaphore *sem)
{
    return check(sem) == 0 && must_wait(sem);
}

int aw_semaphore_value(const aw_semaphore *sem)
{
    AW_TRY(check(sem));
    return value(sem);
}

/* ---- bounded ---- */

static aw_semaphore *plain(aw_bounded_semaphore *sem)
{
    return sem ? &sem->sem : NULL;
}

static const aw_semaphore *plain_const(const aw_bounded_semaphore *sem)
{
    return sem ? &sem->sem : NULL;
}

int aw_bounded_semaphore_acquire(aw_bounded_semaphore *sem)
{
    return acquire(plain(sem), &bounded_kind, __builtin_return_address(0));
}

int aw_bounded_semaphore_release(aw_bounded_semaphore *sem)
{
    AW_TRY(check(plain(sem)));
    if (sem->sem.taken <= 0)
        return aw_fail(-EINVAL, "the semaphore was released more often than acquired");
    return aw_semaphore_release(&sem->sem);
}

bool aw_bounded_semaphore_locked(const aw_bounded_semaphore *sem)
{
    return aw_semaphore_locked(plain_const(sem));
}

int aw_bounded_semaphore_value(const aw_bounded_semaphore *sem)
{
    return aw_semaphore_value(plain_const(sem));
}
