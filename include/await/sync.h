/*
 * await/sync.h - locks, events, conditions, semaphores and barriers between the tasks of a loop.
 *
 * Between two suspension points nothing else runs, so most data needs no lock.  These are for what
 * must hold across a suspension ("one task at a time talks to the server"), and for waiting until
 * something is so.  They mean what asyncio's of the same names do:
 *
 *     static aw_lock lock;
 *     ...
 *     AW_TRY(aw_lock_acquire(&lock));
 *     int err = talk(server);
 *     aw_ignore(aw_lock_release(&lock));
 *     return err;
 *
 * Storage.  Each is a struct that the program embeds where it likes; its fields are private unless
 * it says otherwise.  Zeros are a fresh lock, event and condition; the others begin with their
 * AW_..._INIT(n), and one that began with a bad number answers every call with -EINVAL (calls that
 * return bool: false).  Nothing is allocated and there is nothing to free; do not copy, move or
 * reuse the storage while a task waits on it.
 *
 * Waiting.  Tasks are served first come, first served; being woken means to run in the next pass.
 * What can be had at once is had without suspending.  A cancelled task leaves the line with
 * -ECANCELED, and what it was granted and could not take goes to the next.
 *
 * Loops.  A primitive belongs to a loop from the moment a task has to wait on it until nobody waits
 * any more and it is free again; having to wait on it in another loop meanwhile is AW_ETHREAD.  So
 * is a call that would wake a task whose loop runs in another thread; it has no effect then.  As
 * long as the loop does not run, any one thread may call what does not suspend.
 *
 * All calls that may suspend return AW_EMISUSE outside a task; all calls return -EINVAL for NULL
 * (bool: false), and else only the errors that they name.
 */
#ifndef AWAIT_SYNC_H
#define AWAIT_SYNC_H

#include "await/task.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Those who wait: private. */
typedef struct aw_waiters {
    struct aw_waiter *first;
} aw_waiters;

/* ---- lock ---- */

/* Held by one at a time.  It has no owner: any task may release it. */
typedef struct aw_lock {
    bool locked;
    aw_waiters waiters;
    uint64_t loop;
} aw_lock;
#ifndef __cplusplus
#define AW_LOCK_INIT                                                                               \
    {                                                                                              \
        .locked = false                                                                            \
    }
#endif

/* Take the lock, waiting until it is free and those who came before have had it.  0, -ECANCELED,
 * AW_ETHREAD.  A lock that is free and that nobody waits for is taken without suspending. */
AW_API int aw_lock_acquire(aw_lock *lock) AW_MUST_USE;

/* Give it back; the first that waits takes it in the next pass, ahead of anybody who asks before
 * that.  0; AW_EMISUSE if it is not locked; AW_ETHREAD, and it stays locked.  Never suspends. */
AW_API int aw_lock_release(aw_lock *lock);

/* Is it held? */
AW_API bool aw_lock_locked(const aw_lock *lock);

/* Call fn(arg) with the lock held, in the calling task: acquire, call, release whatever happens.
 * Returns fn's result or error; the errors of acquiring, in which case fn was not called; and
 * those of releasing, if fn succeeded: AW_EMISUSE when it has released the lock itself.  -EINVAL
 * for a NULL fn.  Suspends. */
AW_API int aw_lock_call(aw_lock *lock, aw_fn *fn, void *arg) AW_MUST_USE;

/* ---- event ---- */

/* A flag that tasks wait for. */
typedef struct aw_event {
    bool is_set;
    aw_waiters waiters;
    uint64_t loop;
} aw_event;
#ifndef __cplusplus
#define AW_EVENT_INIT                                                                              \
    {                                                                                              \
        .is_set = false                                                                            \
    }
#endif

/* Set the flag and wake everybody who waits; they get through even if it is cleared at once.  0;
 * AW_ETHREAD, and it stays unset.  Never suspends, and neither does clearing it. */
AW_API int aw_event_set(aw_event *event);
AW_API int aw_event_clear(aw_event *event);

/* Is the flag set? */
AW_API bool aw_event_is_set(const aw_event *event);

/* Wait until the flag is set: at once if it is.  0, -ECANCELED, AW_ETHREAD.  Suspends. */
AW_API int aw_event_wait(aw_event *event) AW_MUST_USE;

/* ---- condition ---- */

/* A lock, and tasks that wait for what it protects to change. */
typedef struct aw_condition {
    aw_lock *lock; /* set before first use: the lock to work with; NULL: one of its own */
    aw_lock own;
    aw_waiters waiters;
    uint64_t loop;
} aw_condition;

/* A condition that shares the lock pointed to: holding either is holding both. */
#ifndef __cplusplus
#define AW_CONDITION_INIT(lock_)                                                                   \
    {                                                                                              \
        .lock = (lock_)                                                                            \
    }
#endif

/* The same as on its lock. */
AW_API int aw_condition_acquire(aw_condition *cond) AW_MUST_USE;
AW_API int aw_condition_release(aw_condition *cond);
AW_API bool aw_condition_locked(const aw_condition *cond);

/* Release the lock, wait for a notification, and take the lock again.
 *
 * 0 may come without a notification meant for this task: look at what was waited for again, or use
 * aw_condition_wait_for().  -ECANCELED: the lock is held again all the same, and a notification
 * that was underway went to another task; a cancellation while the lock is being taken again is
 * kept until it is.  AW_EMISUSE if the lock is not held.  AW_ETHREAD; if that is because another
 * loop's tasks took the lock meanwhile, it is not held.  Suspends. */
AW_API int aw_condition_wait(aw_condition *cond) AW_MUST_USE;

/* Wait until predicate(arg) is not 0, asking it first and whenever notified: returns what it
 * answered.  A negative answer is an error of the predicate's and ends the wait as well, with the
 * lock held.  Does not suspend, nor ask for the lock, if the first answer is not 0.  -EINVAL for a
 * NULL predicate, otherwise the errors of aw_condition_wait(). */
AW_API int aw_condition_wait_for(aw_condition *cond, int (*predicate)(void *arg),
                                 void *arg) AW_MUST_USE;

/* Wake the n tasks that have waited longest, or all if they are fewer; they return when they have
 * the lock again, which the caller has to release.  Returns how many were woken.  AW_EMISUSE if
 * the lock is not held; AW_ETHREAD.  Never suspends. */
AW_API int aw_condition_notify(aw_condition *cond, int n);
AW_API int aw_condition_notify_all(aw_condition *cond);

/* ---- semaphore ---- */

/* A number of units, of which each acquire takes one and each release gives one. */
typedef struct aw_semaphore {
    int initial; /* set before first use, >= 0; zeros are a semaphore of none */
    int taken;
    int granted;
    aw_waiters waiters;
    uint64_t loop;
} aw_semaphore;

/* A semaphore that begins with n units; with one if n is left out. */
#ifndef __cplusplus
#define AW_SEMAPHORE_INIT(...)                                                                     \
    {                                                                                              \
        .initial = AW_OR_ONE_(__VA_ARGS__)                                                         \
    }
#define AW_OR_ONE_(...) (sizeof("" #__VA_ARGS__) == 1 ? 1 : (__VA_ARGS__ + 0))
#endif

/* Take a unit, waiting until there is one and those who came before have had theirs.  0,
 * -ECANCELED (no unit was taken), AW_ETHREAD.  Suspends only if aw_semaphore_locked(). */
AW_API int aw_semaphore_acquire(aw_semaphore *sem) AW_MUST_USE;

/* Give a unit, also above the initial number: it goes to the first that waits.  0; AW_ETHREAD, and
 * -EOVERFLOW beyond INT_MAX, without effect.  Never suspends. */
AW_API int aw_semaphore_release(aw_semaphore *sem);

/* Would acquiring have to wait: because no unit is left, or because others are about to take
 * theirs first? */
AW_API bool aw_semaphore_locked(const aw_semaphore *sem);

/* The number of units that are left. */
AW_API int aw_semaphore_value(const aw_semaphore *sem);

/* ---- bounded semaphore ---- */

/* A semaphore whose number of units never exceeds the initial one. */
typedef struct aw_bounded_semaphore {
    aw_semaphore sem;
} aw_bounded_semaphore;
#ifndef __cplusplus
#define AW_BOUNDED_SEMAPHORE_INIT(...)                                                             \
    {                                                                                              \
        AW_SEMAPHORE_INIT(__VA_ARGS__)                                                             \
    }
#endif

/* As the ones above, but one release too many is -EINVAL and without effect. */
AW_API int aw_bounded_semaphore_acquire(aw_bounded_semaphore *sem) AW_MUST_USE;
AW_API int aw_bounded_semaphore_release(aw_bounded_semaphore *sem);
AW_API bool aw_bounded_semaphore_locked(const aw_bounded_semaphore *sem);
AW_API int aw_bounded_semaphore_value(const aw_bounded_semaphore *sem);

/* ---- barrier ---- */

/* Where a fixed number of parties wait for each other, round by round. */
typedef struct aw_barrier {
    int parties; /* set before first use, >= 1 */
    int count;
    int state;
    aw_condition cond;
} aw_barrier;
#ifndef __cplusplus
#define AW_BARRIER_INIT(n)                                                                         \
    {                                                                                              \
        .parties = (n)                                                                             \
    }
#endif

/* Wait until all parties have come; then all go on.  Returns the number of those who were there
 * when this task came: 0 to parties - 1, different for each of a round that nobody left early.
 *
 * While a round's parties are still leaving, who comes for the next waits at the entrance.
 * AW_EBROKEN: the barrier was reset while this task waited, or has been aborted.  -ECANCELED: the
 * task has left, the others wait on for somebody in its place.  AW_ETHREAD.  Suspends. */
AW_API int aw_barrier_wait(aw_barrier *barrier) AW_MUST_USE;

/* Make everybody who waits in the barrier fail with AW_EBROKEN and begin afresh; those at the
 * entrance are not concerned.  0, -ECANCELED, AW_ETHREAD.  Suspends when tasks are just leaving. */
AW_API int aw_barrier_reset(aw_barrier *barrier) AW_MUST_USE;

/* Break the barrier until it is reset: everybody who waits, or comes later, fails with AW_EBROKEN.
 * As aw_barrier_reset(). */
AW_API int aw_barrier_abort(aw_barrier *barrier) AW_MUST_USE;

/* The number of parties of a round; of those who wait for it to be complete; is it broken? */
AW_API int aw_barrier_parties(const aw_barrier *barrier);
AW_API int aw_barrier_n_waiting(const aw_barrier *barrier);
AW_API bool aw_barrier_broken(const aw_barrier *barrier);

#ifdef __cplusplus
}
#endif
#endif
