/*
 * jobs.h - what the tests of pools share: jobs that are held at a gate, arguments that count.
 */
#ifndef TESTS_THREAD_JOBS_H
#define TESTS_THREAD_JOBS_H

#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

#include "../core/util.h"
#include "await/testing.h"
#include "thread/pool.h"

/* ---- a job that stops in the middle ---- */

/* A job enters, says so, waits until it is let go, and returns the result. */
struct gate {
    sem_t entered, go;
    int result;
    _Atomic int calls;
};

static inline void gate_init(struct gate *g, int result)
{
    assert_int_equal(sem_init(&g->entered, 0, 0), 0);
    assert_int_equal(sem_init(&g->go, 0, 0), 0);
    atomic_init(&g->calls, 0);
    g->result = result;
}

static inline void sem_take(sem_t *s)
{
    while (sem_wait(s) < 0)
        continue;
}

static inline int stand_at_gate(void *arg)
{
    struct gate *g = arg;
    atomic_fetch_add(&g->calls, 1);
    sem_post(&g->entered);
    sem_take(&g->go);
    return g->result;
}

/* The job has been begun.  Let one go. */
static inline void gate_await(struct gate *g)
{
    sem_take(&g->entered);
}

static inline void gate_open(struct gate *g)
{
    sem_post(&g->go);
}

/* ---- small jobs ---- */

static inline int count_call(void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
    return 0;
}

static inline void nap(int ms)
{
    usleep((useconds_t)ms * 1000);
}

/* Sleeps so many milliseconds and returns that number. */
static inline int nap_job(void *arg)
{
    nap((int)(intptr_t)arg);
    return (int)(intptr_t)arg;
}

/* The name of the thread it runs in, into 64 bytes. */
static inline int tell_name(void *arg)
{
    snprintf(arg, 64, "%s", aw_worker_name());
    return 0;
}

/* Waits until the counter has this value; the test's time limit is the other way out. */
static inline void wait_for_count(_Atomic int *n, int value)
{
    while (atomic_load(n) != value)
        usleep(200);
}

/* Its thread becomes idle a little after the future is done. */
static inline void wait_for_idle(aw_executor *ex)
{
    for (bool idle = false; !idle; usleep(200)) {
        aw_mutex_lock(&ex->lock);
        idle = !aw_list_empty(&ex->idle);
        aw_mutex_unlock(&ex->lock);
    }
}

/* ---- arguments that count ---- */

/* An argument that is released; a copy of it shows which one a job got. */
struct parcel {
    struct parcel *original;
    _Atomic int *calls, *releases;
    int result;
};

static inline int open_parcel(void *arg)
{
    struct parcel *p = arg;
    atomic_fetch_add(p->calls, 1);
    return p->result;
}

static inline void release_parcel(void *arg)
{
    struct parcel *p = arg;
    assert_ptr_equal(p->original, p);
    atomic_fetch_add(p->releases, 1);
}

/* The future's outcome, and its handle goes. */
static inline int collect(aw_cfuture *f)
{
    assert_non_null(f);
    int result = aw_cfuture_result(f, INFINITY);
    aw_cfuture_unref(f);
    return result;
}

#endif
