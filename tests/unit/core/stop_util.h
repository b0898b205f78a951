/*
 * stop_util.h - what the tests of the end of a run share: signals to oneself, tasks that will not.
 */
#ifndef TESTS_CORE_STOP_UTIL_H
#define TESTS_CORE_STOP_UTIL_H

#include <signal.h>
#include <unistd.h>

#include "util.h"

/* As callback or coroutine: the signal that is its argument comes. */
static inline int raise_it(void *arg)
{
    return raise((int)(intptr_t)arg);
}

/* As callback: cancels the task that is its argument. */
static inline int stop_this_run(void *arg)
{
    return aw_cancel(arg) ? 0 : -EPROTO;
}

/* The action in force for a signal. */
static inline struct sigaction action_of(int signo)
{
    struct sigaction now;
    assert_int_equal(sigaction(signo, NULL, &now), 0);
    return now;
}

/* Ignores what its calls return, so many times. */
static inline int ignore_errors(void *arg)
{
    for (int left = *(int *)arg; left > 0; left--)
        aw_ignore(aw_sleep(100));
    note('i');
    return 0;
}

#endif
