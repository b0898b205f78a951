/*
 * await/runner.h - runs: several on one loop, interrupted by signals, stopped gracefully.
 *
 * aw_run() (await/loop.h) is one run on a loop of its own.  A runner keeps its loop for several.
 * This header also has the graceful stop of a service: `.stop_on` turns a signal into a wish that
 * the program can see, wait for, and answer within a time limit.
 */
#ifndef AWAIT_RUNNER_H
#define AWAIT_RUNNER_H

#include "await/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A loop for several runs, one after the other. */
typedef struct aw_runner aw_runner;

/* Options of aw_runner_new(). */
typedef struct aw_runner_opts {
    const char *file; /* filled by the macro */
    int line;
    bool no_sigint; /* leave SIGINT alone */
    bool debug, virtual_clock, shuffle;
    const char *backend;
    uint64_t seed;
    double spin, hard; /* as for aw_run() */
    size_t submit_limit;
    aw_loop *(*loop_factory)(void *arg); /* makes the loop, once; default: aw_loop_new() */
    void *loop_factory_arg;
    int (*exception_handler)(const struct aw_report *report, void *arg);
    void *exception_arg;
} aw_runner_opts;

/* aw_runner *aw_runner_new(...options): a runner; its loop is made when it is first needed.  NULL
 * with aw_errno(): -ENOMEM, -EINVAL (.hard is negative or NaN). */
#ifndef __cplusplus
#define aw_runner_new(...)                                                                         \
    aw_runner_new_(&(aw_runner_opts){.file = __FILE__, .line = __LINE__, __VA_ARGS__})
#endif
AW_API aw_runner *aw_runner_new_(const aw_runner_opts *opts);

/* int aw_runner_run(aw_runner *r, aw_fn *main, void *arg, ...options of aw_create_task()): run a
 * coroutine on the runner's loop and return its result or error.
 *
 * Task-local values that one run sets are there in the next.  Tasks that main leaves behind go on
 * in the next run.  In the main thread, and where SIGINT has its default action, a first SIGINT
 * cancels main: if that ends with -ECANCELED and nobody else had cancelled it, the call returns
 * AW_EINTR.  A second one makes the call return AW_EINTR at once; what is left is cancelled by
 * aw_runner_close().  AW_EMISUSE inside a running loop or for a closed runner; the errors of making
 * a loop.  Blocks the thread. */
#ifndef __cplusplus
#define aw_runner_run(r, fn, ...) aw_runner_run_((r), (fn), AW_TASK_OPTS_(fn, .arg = __VA_ARGS__))
#endif
AW_API int aw_runner_run_(aw_runner *r, aw_fn *main, const aw_task_opts *opts);

/* The runner's loop, made if need be; NULL with aw_errno(): AW_EMISUSE for a closed runner. */
AW_API aw_loop *aw_runner_loop(aw_runner *r);

/* Cancel every task that is left, wait for them, and close the loop.  0; AW_EMISUSE during a run; a
 * NULL or closed runner gives 0 again. */
AW_API int aw_runner_close(aw_runner *r);

/* Close it if need be, and free it. */
AW_API void aw_runner_free(aw_runner *r);

/* ---- stopping gracefully ---- */

/* Has a signal of .stop_on asked this run to end?  False outside a run. */
AW_API bool aw_stopping(void);

/* Suspend until the run is asked to end: 0, at once if it has been; -ECANCELED; AW_EMISUSE outside
 * a task. */
AW_API int aw_stop_wait(void) AW_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
