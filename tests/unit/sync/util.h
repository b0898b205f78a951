/*
 * util.h - what the tests of the primitives share: tasks that take something and say so.
 */
#ifndef TESTS_SYNC_UTIL_H
#define TESTS_SYNC_UTIL_H

#include "../core/util.h"
#include "await/testing.h"

/* The call returns this, without having suspended; having suspended. */
#define assert_at_once(call, expected)                                                             \
    do {                                                                                           \
        uint64_t before_ = aw_suspensions();                                                       \
        assert_int_equal((call), (expected));                                                      \
        assert_int_equal(aw_suspensions(), before_);                                               \
    } while (0)
#define assert_after_wait(call, expected)                                                          \
    do {                                                                                           \
        uint64_t before_ = aw_suspensions();                                                       \
        assert_int_equal((call), (expected));                                                      \
        assert_true(aw_suspensions() > before_);                                                   \
    } while (0)

/* A call on a primitive as the whole work of a task: its result is the task's. */
#define CALL_AS_TASK(name, call, type)                                                             \
    static inline int name(void *arg)                                                              \
    {                                                                                              \
        type *object = arg;                                                                        \
        return call(object);                                                                       \
    }
CALL_AS_TASK(take_lock, aw_lock_acquire, aw_lock)
CALL_AS_TASK(wait_event, aw_event_wait, aw_event)
CALL_AS_TASK(take_unit, aw_semaphore_acquire, aw_semaphore)
CALL_AS_TASK(wait_barrier, aw_barrier_wait, aw_barrier)
CALL_AS_TASK(join_queue, aw_queue_join, aw_queue)

/* The task has ended cancelled; drops it. */
#define assert_ended_cancelled(t)                                                                  \
    do {                                                                                           \
        assert_true(aw_cancelled(t));                                                              \
        aw_unref(t);                                                                               \
    } while (0)

/* The task has ended with this result; drops it. */
#define assert_ended(t, expected)                                                                  \
    do {                                                                                           \
        assert_true(aw_done(t));                                                                   \
        assert_int_equal(aw_result(t), (expected));                                                \
        aw_unref(t);                                                                               \
    } while (0)

/* Cancels a task that waits, and sees it end so; drops it. */
static inline void end_by_cancel(aw_task *t)
{
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), -ECANCELED);
}

#endif
