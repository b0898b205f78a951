/*
 * util.h - what the tests of threads share: plain threads, a loop in one, small coroutines, and
 * reports collected from any thread.
 *
 * Every test has a process of its own, so that the collections can be static.
 */
#ifndef TESTS_THREAD_UTIL_H
#define TESTS_THREAD_UTIL_H

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "await.h"
#include "harness/test.h"

/* A number as an argument. */
#define INT(n) ((void *)(intptr_t)(n))

/* ---- time ---- */

/* Seconds of the machine's own clock. */
static inline double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* Wait until a condition holds that another thread brings about; 8 seconds, less than a test has.
 */
#define wait_until(condition)                                                                      \
    do {                                                                                           \
        double until_ = now() + 8;                                                                 \
        while (!(condition)) {                                                                     \
            if (now() > until_)                                                                    \
                fail_msg("it did not come about: %s", #condition);                                 \
            pause_ms(1);                                                                           \
        }                                                                                          \
    } while (0)

/* ---- plain threads ---- */

static inline pthread_t start_thread(void *(*fn)(void *), void *arg)
{
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, fn, arg), 0);
    return t;
}

static inline void *end_thread(pthread_t t)
{
    void *result;
    assert_int_equal(pthread_join(t, &result), 0);
    return result;
}

/* The end of a child made by a program with threads: a leak checker would look for those. */
static inline void end_child(void)
{
    if (test_is_instrumented())
        _exit(0);
}

/* ---- something that is opened once, for threads and for coroutines ---- */

typedef struct flag {
    _Atomic int up;
} flag;

static inline void raise_flag(flag *f)
{
    atomic_store(&f->up, 1);
}

static inline bool is_up(flag *f)
{
    return atomic_load(&f->up);
}

#define wait_flag(f) wait_until(is_up(f))

/* ---- a loop in a thread ---- */

static inline aw_loop_thread *start_loop(void)
{
    aw_loop_thread *lt = aw_loop_thread_start(.name = "loop");
    assert_non_null(lt);
    return lt;
}

static inline void stop_loop(aw_loop_thread *lt)
{
    assert_int_equal(aw_loop_thread_stop(lt), 0);
}

/* Everything that this thread handed over before has run. */
static inline int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static inline void flush_loop(aw_loop *l)
{
    assert_int_equal(aw_cfuture_join(aw_submit(l, do_nothing, NULL), INFINITY), 0);
}

/* ---- coroutines and callbacks ---- */

/* Returns its argument. */
static inline int give(void *arg)
{
    return (int)(intptr_t)arg;
}

/* Sleeps until it is cancelled. */
static inline int sleep_long(void *arg)
{
    (void)arg;
    return aw_sleep(INFINITY);
}

/* Raises the flag that is its argument, and sleeps until it is cancelled. */
static inline int signal_and_sleep(void *arg)
{
    raise_flag(arg);
    return aw_sleep(INFINITY);
}

/* As a callback: blocks the loop until the flag is up. */
static inline int block_until(void *arg)
{
    wait_flag((flag *)arg);
    return 0;
}

/* As a callback: ends the run of its loop. */
static inline int stop_running_loop(void *arg)
{
    (void)arg;
    return aw_loop_stop(aw_running_loop());
}

/* A counter, as callback, coroutine or release. */
static inline int count_up(void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
    return 0;
}

static inline void count_release(void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
}

/* ---- reports ---- */

/* The latest report to a handler, and how many there were. */
static struct {
    _Atomic int n;
    enum aw_report_kind kind;
    int error, line;
    char detail[64], fn_name[64], name[64], text[2048];
    pthread_t thread;
} reports;

static inline int collect_report(const aw_report *r, void *arg)
{
    (void)arg;
    printf("report: %s", r->text); /* shown if the test fails */
    reports.kind = r->kind;
    reports.error = r->error;
    reports.line = r->line;
    reports.thread = pthread_self();
    snprintf(reports.detail, sizeof reports.detail, "%s", r->detail);
    snprintf(reports.fn_name, sizeof reports.fn_name, "%s", r->fn_name ? r->fn_name : "");
    snprintf(reports.name, sizeof reports.name, "%s", r->name ? r->name : "");
    snprintf(reports.text, sizeof reports.text, "%s", r->text);
    atomic_fetch_add(&reports.n, 1);
    return 0;
}

/* There have been so many since the last call. */
#define assert_reports(count)                                                                      \
    do {                                                                                           \
        assert_int_equal(atomic_load(&reports.n), (count));                                        \
        atomic_store(&reports.n, 0);                                                               \
    } while (0)

/* A loop thread whose reports are collected. */
static inline aw_loop_thread *start_reporting_loop(void)
{
    aw_loop_thread *lt = aw_loop_thread_start(.exception_handler = collect_report);
    assert_non_null(lt);
    return lt;
}

/* ---- memory ---- */

/* An allocator that counts the blocks that are in use, and can be made to fail for one thread. */
static _Atomic long blocks_in_use;

/* A thread keeps one from which it cuts callbacks; this thread gives it back first. */
void aw_record_thread_ends(void);
static inline long blocks_left(void)
{
    aw_record_thread_ends();
    return blocks_in_use;
}
static _Thread_local bool no_memory;

static inline void *count_alloc(size_t size, void *arg)
{
    (void)arg;
    void *p = no_memory ? NULL : malloc(size);
    atomic_fetch_add(&blocks_in_use, p != NULL);
    return p;
}

static inline void count_free(void *ptr, void *arg)
{
    (void)arg;
    atomic_fetch_sub(&blocks_in_use, ptr != NULL);
    free(ptr);
}

/* To be called before the first loop is made. */
static inline void count_memory(void)
{
    aw_allocator a = {count_alloc, count_free, NULL};
    assert_int_equal(aw_set_allocator(&a), 0);
}

#endif
