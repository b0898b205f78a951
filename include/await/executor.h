/*
 * await/executor.h - code that blocks, in threads beside the loop: pools, jobs, to_thread.
 *
 *     static int lookup(void *arg)                    // an ordinary function that blocks
 *     {
 *         struct query *q = arg;
 *         return query_database(q->text, &q->answer);
 *     }
 *     ...
 *     AW_TRY(aw_to_thread(lookup, &q));               // in a coroutine: the loop goes on meanwhile
 *
 * A job is a function with an argument, done by one of a pool's threads.  A coroutine awaits it
 * (aw_to_thread(), aw_run_in_executor()); a thread gets a concurrent future of await/thread.h
 * (aw_executor_submit()), or the results of many at once (aw_executor_map()).
 *
 * A job returns a result >= 0 or a negative code, as a coroutine does; aw_refuse(code, "detail")
 * before returning the code gives it a detail.  One that returns -ECANCELED has ended cancelled.
 * It runs with the task-local values of the code that submitted it; what it sets is its own.  It
 * runs on its thread's stack, and calls that need a loop fail in it with AW_EMISUSE.
 *
 * Arguments.  Without options the argument must stay until the job is over.  .copy = n has n bytes
 * copied before the call returns, and the job works on the copy.  .release = f has f called, once,
 * with the argument that was given: when the function has returned, or when it will never be
 * called; in the job's thread, or in the one that took the job back.  If the call that starts the
 * job fails, neither happens, and the argument is still the caller's.
 */
#ifndef AWAIT_EXECUTOR_H
#define AWAIT_EXECUTOR_H

#include "await/thread.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A pool of threads that work off jobs, first in, first out. */
typedef struct aw_executor aw_executor;

/* ---- pools ---- */

typedef struct aw_pool_opts {
    const char *file; /* filled by the macro */
    const char *said; /* the options as they were written, so that 0 workers are not the default */
    int line;
    int max_workers;               /* most threads; by default the usable processors plus 4, at
                                      most 32 */
    const char *prefix;            /* of its threads' names; copied; "await-pool-<n>" by default */
    int (*initializer)(void *arg); /* called first in every thread; < 0 breaks the pool */
    void *initializer_arg;
    size_t queue_limit;  /* most jobs that wait for a thread; 0: no limit */
    size_t stack_size;   /* of its threads; 0: the system's */
    bool daemon;         /* the end of the process does not wait for its jobs */
    double exit_timeout; /* seconds that the end of the process gives them; 5 by default */
} aw_pool_opts;

/* aw_executor *aw_thread_pool(...options): a pool.
 *
 * Makes no thread yet: while jobs wait for one, and none is idle, it makes more, up to
 * .max_workers, and they stay.  Of a burst of jobs the first threads to come call the next, so that
 * it may be a moment until there are as many as jobs.  Threads are named prefix_0, prefix_1, ...
 * (the system shows 15 characters of it), and block all signals.  The handle is the caller's.  NULL
 * with aw_errno(): -EINVAL (0 or fewer workers, NaN), -ENOMEM.
 *
 * At the exit of the process the pools that are left finish what was submitted, for .exit_timeout
 * seconds (INFINITY: however long it takes); then what waits is cancelled, and jobs that still run
 * are named.  A .daemon pool is abandoned, with a line if it had jobs. */
#ifndef __cplusplus
#define aw_thread_pool(...)                                                                        \
    aw_thread_pool_(                                                                               \
        &(aw_pool_opts){.file = __FILE__, .line = __LINE__, .said = "" #__VA_ARGS__, __VA_ARGS__})
#endif
AW_API aw_executor *aw_thread_pool_(const aw_pool_opts *opts);

/* Another handle; returns `ex`.  And one less: giving up the last one lets the pool finish what was
 * submitted and end, without waiting for that.  NULL is allowed in both. */
AW_API aw_executor *aw_executor_ref(aw_executor *ex);
AW_API void aw_executor_unref(aw_executor *ex);

typedef struct aw_executor_shutdown_opts {
    aw_executor *executor;
    bool wait;           /* return when all its jobs are over and its threads have ended */
    bool cancel_futures; /* cancel the jobs that wait for a thread */
    double timeout;      /* with .wait: seconds; 0: none */
} aw_executor_shutdown_opts;

/* int aw_executor_shutdown(aw_executor *ex, .wait = true, .cancel_futures = true, .timeout = s):
 * let no more jobs in; what was submitted is still done, unless it is cancelled.
 *
 * May be called again, to wait or to cancel.  0; -ETIMEDOUT; -EDEADLK when one of its own threads
 * would wait; -EINVAL; AW_EFORKED.  Does not give up the handle.  With .wait it blocks the thread:
 * in a coroutine use aw_loop_shutdown_default_executor(). */
#ifndef __cplusplus
#define aw_executor_shutdown(...)                                                                  \
    aw_executor_shutdown_(&(aw_executor_shutdown_opts){.executor = __VA_ARGS__})
#endif
AW_API int aw_executor_shutdown_(const aw_executor_shutdown_opts *opts);

/* Shut down, wait, and give up the handle: 0, also for NULL; -EDEADLK on one of its own threads,
 * and the handle is still the caller's.  Blocks the thread. */
AW_API int aw_executor_free(aw_executor *ex);

/* How many threads it may have, has; how many jobs wait for one.  -EINVAL for NULL.  Any thread. */
AW_API int aw_executor_max_workers(aw_executor *ex);
AW_API int aw_executor_threads(aw_executor *ex);
AW_API int aw_executor_queued(aw_executor *ex);

/* The full name of the pool's thread that runs this code; "" in any other thread. */
AW_API const char *aw_worker_name(void);

/* ---- jobs ---- */

/* Options of everything that starts a job. */
typedef struct aw_job_opts {
    const char *file, *fn_name; /* filled by the macros */
    int line;
    void *arg;                  /* handed to the function; with .copy, the copy */
    const char *name;           /* in reports; copied */
    size_t copy;                /* > 0: so many bytes at `arg` are copied */
    void (*release)(void *arg); /* see above */
    aw_context *context;        /* task-local values to run with; the caller's by default */
    bool abandon_on_cancel;     /* for the calls of coroutines: see aw_run_in_executor() */
} aw_job_opts;

#ifndef __cplusplus
#define AW_JOB_OPTS_(fn_, ...)                                                                     \
    (&(aw_job_opts){.file = __FILE__, .line = __LINE__, .fn_name = #fn_, __VA_ARGS__})
#endif

/* aw_cfuture *aw_executor_submit(aw_executor *ex, aw_fn *fn, void *arg, ...options): have fn(arg)
 * called in one of the pool's threads.  From any thread.
 *
 * The future is running while the function does, and can be cancelled only before; its value is the
 * function's argument (NULL if that was released).  aw_cfuture_join() waits until nothing of the
 * caller's is used any more.  NULL with aw_errno(): -EINVAL, -ENOMEM; AW_EMISUSE after shutdown;
 * AW_EFULL at the queue's limit; AW_EBROKEN when an initialiser has failed; -EAGAIN when the system
 * gives no thread and the pool has none; AW_EFORKED.  Does not wait. */
#ifndef __cplusplus
#define aw_executor_submit(ex, fn, ...)                                                            \
    aw_executor_submit_((ex), (fn), AW_JOB_OPTS_(fn, .arg = __VA_ARGS__))
#endif
AW_API aw_cfuture *aw_executor_submit_(aw_executor *ex, aw_fn *fn, const aw_job_opts *opts);

typedef struct aw_map_opts {
    const char *file, *fn_name; /* filled by the macro */
    int line;
    const void *inputs; /* n pointers, handed to the function one by one */
    size_t n;
    size_t stride;     /* > 0: n objects of this size: the function gets their addresses */
    size_t chunk;      /* how many calls a thread takes at a time; 1 by default */
    int *results;      /* NULL, or room for n results, in the order of the inputs */
    size_t *ret_count; /* how many results were delivered, in order, before an error */
    double timeout;    /* seconds for all of it; 0: none */
} aw_map_opts;

/* int aw_executor_map(aw_executor *ex, aw_fn *fn, const void *inputs, size_t n, ...options): call
 * fn for each input, in the pool's threads, as many at a time as it has.
 *
 * Returns when all calls have ended: 0, or the first error in the order of the inputs, and the
 * results before that.  After an error no call for a later input begins; when the time is over
 * (-ETIMEDOUT, with the results that were there by then) none does.  Those that have begun are
 * waited for; so inputs and results may live on the caller's stack.  -ECANCELED when a shutdown
 * cancelled it; the errors of aw_executor_submit(); -EDEADLK in one of the pool's own threads.
 * Blocks the thread: in a coroutine, gather calls of aw_to_thread(). */
#ifndef __cplusplus
#define aw_executor_map(ex, fn, ...)                                                               \
    aw_executor_map_(                                                                              \
        (ex), (fn),                                                                                \
        &(aw_map_opts){.file = __FILE__, .line = __LINE__, .fn_name = #fn, .inputs = __VA_ARGS__})
#endif
AW_API int aw_executor_map_(aw_executor *ex, aw_fn *fn, const aw_map_opts *opts) AW_MUST_USE;

/* ---- from coroutines ---- */

/* aw_future *aw_run_in_executor(aw_executor *ex, aw_fn *fn, void *arg, ...options): have fn(arg)
 * called in one of the pool's threads (NULL: of the loop's own pool), as a future of the running
 * loop.
 *
 * Cancelling it, or who awaits it: a job that waits for a thread is cancelled at once, and never
 * runs.  One that has begun cannot be stopped: it comes to its own result, which who awaits it
 * gets; the request stays pending until that task's next suspension point, as with any call that
 * took effect.  With .abandon_on_cancel the future is cancelled at once then too, and the job goes
 * on by itself: its argument must be copied, or be the job's to free.
 *
 * The end of a run waits for the tasks that wait for jobs, however long that takes, and names them
 * when it takes long; closing a loop waits for the jobs of its own pool, and names those that take
 * more than 5 s.  Abandoned jobs alone are not waited for.
 *
 * NULL with aw_errno(): as aw_executor_submit(); AW_EMISUSE outside a running loop.  Does not
 * suspend. */
#ifndef __cplusplus
#define aw_run_in_executor(ex, fn, ...)                                                            \
    aw_run_in_executor_((ex), (fn), AW_JOB_OPTS_(fn, .arg = __VA_ARGS__))
#endif
AW_API aw_future *aw_run_in_executor_(aw_executor *ex, aw_fn *fn, const aw_job_opts *opts);

/* int aw_to_thread(aw_fn *fn, void *arg, ...options): have fn(arg) called in a thread of the loop's
 * own pool, and wait for its result or error.  Suspends; cancellation is as with
 * aw_run_in_executor().  Errors as there; AW_EMISUSE outside a task. */
#ifndef __cplusplus
#define aw_to_thread(fn, ...) aw_to_thread_((fn), AW_JOB_OPTS_(fn, .arg = __VA_ARGS__))
#endif
AW_API int aw_to_thread_(aw_fn *fn, const aw_job_opts *opts) AW_MUST_USE;

/* The pool that NULL and aw_to_thread() stand for from now on, in place of the one that the loop
 * makes when it needs one.  The loop holds a handle, and gives it up when it is closed or another
 * is set; it does not shut the pool down.  Jobs of the former one are not affected.  0; -EINVAL for
 * NULL, and the setting stays; AW_ETHREAD; -ENOMEM; AW_EMISUSE for a closed loop. */
AW_API int aw_loop_set_default_executor(aw_loop *loop, aw_executor *ex);

typedef struct aw_loop_shutdown_executor_opts {
    aw_loop *loop;
    double timeout; /* seconds; 0: none */
} aw_loop_shutdown_executor_opts;

/* int aw_loop_shutdown_default_executor(aw_loop *loop, .timeout = seconds): shut the loop's pool
 * down (NULL: of the running loop) and wait until its jobs are over, while the loop goes on.
 *
 * From then on jobs for the loop's own pool are refused with AW_EMISUSE.  0; -ETIMEDOUT, when the
 * jobs that still run are named, and closing the loop will not wait for them either; -ECANCELED;
 * AW_EMISUSE outside a task of this loop; AW_ETHREAD.  Suspends. */
#ifndef __cplusplus
#define aw_loop_shutdown_default_executor(...)                                                     \
    aw_loop_shutdown_default_executor_(&(aw_loop_shutdown_executor_opts){.loop = __VA_ARGS__})
#endif
AW_API int
aw_loop_shutdown_default_executor_(const aw_loop_shutdown_executor_opts *opts) AW_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
