/*
 * await/compose.h - several things at once: gather, wait, as_completed, wait_for, shield.
 *
 * Two families.  The structured ones take work (AW_CORO, AW_USE), start it, and return only when
 * all of it has ended, so that arguments and results can live on the caller's stack.  The ones on
 * handles take futures that exist, and have asyncio's exact meaning.
 */
#ifndef AWAIT_COMPOSE_H
#define AWAIT_COMPOSE_H

#include "await/scope.h"
#include "await/task.h"
#include "await/work.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- structured ---- */

/* int aw_gather(AW_CORO(fn, arg), AW_CORO(fn2, arg2), ...): run the work concurrently.
 *
 * Returns when all of it has ended: 0, or the first error.  The first error cancels the others; a
 * child that ends cancelled counts as an error, -ECANCELED.  Cancelling the caller cancels all
 * children, waits for them, and returns -ECANCELED.  Results are where the coroutines put them.
 * One object passed twice with AW_USE runs once.  -ENOMEM and other errors of starting come back
 * before any child has run.  Suspends. */
#ifndef __cplusplus
#define aw_gather(...)                                                                             \
    aw_gather_array_(&(aw_gather_array_opts){                                                      \
        .works = (const aw_work[]){__VA_ARGS__, {.state = AW_WORK_END}}, .n = (size_t)-1})
#endif

typedef struct aw_gather_array_opts {
    const aw_work *works;
    size_t n;
    size_t limit;       /* at most so many at a time; 0: all */
    int *results;       /* NULL, or room for n results or errors, in the order of the works */
    bool return_errors; /* an error is a result: nobody is cancelled for it, and 0 is returned */
} aw_gather_array_opts;

/* int aw_gather_array(const aw_work *works, size_t n, ...options): the same for an array, with a
 * limit on how many run at a time (a child starts when another ends; what has not started when
 * one fails, never does, and its result reads -ECANCELED).  n == 0 returns 0 at once. */
#ifndef __cplusplus
#define aw_gather_array(...) aw_gather_array_(&(aw_gather_array_opts){.works = __VA_ARGS__})
#endif
AW_API int aw_gather_array_(const aw_gather_array_opts *opts) AW_MUST_USE;

/* ---- on handles ---- */

typedef struct aw_gather_opts {
    const char *file; /* filled by the macros */
    int line;
    aw_future *const *fs;
    size_t n;
    bool return_errors; /* an error takes its child's place among the results */
} aw_gather_opts;

/* aw_future *aw_gather_new(aw_future *const *fs, size_t n, ...options): asyncio's gather.
 *
 * A future that finishes when all of `fs` have: its value is `const int *`, the n results in the
 * order given, valid as long as the handle; its result is n.  The first child that fails makes it
 * fail at once with that error and the others go on; a child that was cancelled makes it fail with
 * -ECANCELED without counting as cancelled.  Cancelling it cancels every child; it then ends with
 * -ECANCELED: when the first child has ended cancelled, or when all have ended in another way.
 * Nothing to gather gives a future that is done.  It holds a reference to each child.  NULL with
 * aw_errno(): -ENOMEM, -EINVAL (a NULL child, or children of two loops: AW_ETHREAD). */
#ifndef __cplusplus
#define aw_gather_new(...)                                                                         \
    aw_gather_new_(&(aw_gather_opts){.file = __FILE__, .line = __LINE__, .fs = __VA_ARGS__})
#endif
AW_API aw_future *aw_gather_new_(const aw_gather_opts *opts);

/* int aw_gather_futures(aw_future *const *fs, size_t n, ...options): make one and await it. */
#ifndef __cplusplus
#define aw_gather_futures(...)                                                                     \
    aw_gather_futures_(&(aw_gather_opts){.file = __FILE__, .line = __LINE__, .fs = __VA_ARGS__})
#endif
AW_API int aw_gather_futures_(const aw_gather_opts *opts) AW_MUST_USE;

/* When aw_wait() returns. */
enum aw_wait_when { AW_ALL_COMPLETED = 1, AW_FIRST_COMPLETED, AW_FIRST_ERROR };

typedef struct aw_wait_opts {
    aw_future *const *fs;
    size_t n;
    enum aw_wait_when when;
    double timeout; /* seconds; 0: none, < 0: look and return */
} aw_wait_opts;

/* int aw_wait(aw_future *const *fs, size_t n, when, .timeout = seconds): wait for several.
 *
 * Returns how many are done: ask each with aw_done().  Running out of time is not an error, and
 * nothing is cancelled, neither then nor when the caller is (-ECANCELED).  AW_FIRST_ERROR also
 * returns when all are done; a cancelled future is no error to it.  -EINVAL for n == 0, a NULL
 * child or an unknown `when`; -ENOMEM (only for n > 8); AW_ETHREAD; AW_EMISUSE outside a task. */
#ifndef __cplusplus
#define aw_wait(...) aw_wait_(&(aw_wait_opts){.fs = __VA_ARGS__})
#endif
AW_API int aw_wait_(const aw_wait_opts *opts) AW_MUST_USE;

/* Wait for one future with a limit: when the time is over `f` is cancelled, and waited for.
 * Returns its result, or -ETIMEDOUT if the limit ended it; what `f` answers to its cancellation (a
 * value, another error) wins.  A limit <= 0 returns the result of a future that is done and
 * otherwise cancels it at once.  Suspends; cancelling the caller cancels `f`. */
AW_API int aw_wait_for(aw_future *f, double seconds) AW_MUST_USE;

/* aw_future *aw_shield(aw_future *f): a future that follows `f` and can be cancelled without
 * cancelling `f`.  Holds a reference to it.  NULL with aw_errno(): -ENOMEM, -EINVAL, AW_ETHREAD. */
#ifndef __cplusplus
#define aw_shield(f) aw_shield_((f), &(aw_future_opts){.file = __FILE__, .line = __LINE__})
#endif
AW_API aw_future *aw_shield_(aw_future *f, const aw_future_opts *opts);

/* ---- in the order of completion ---- */

/* An iteration.  Starts all zero: AW_COMPLETED_INIT.  Its fields are private. */
typedef struct aw_completed {
    aw_scope scope;
    void *nodes;
    size_t n, handed_out;
    void *done_head, *done_tail;
    int64_t deadline;
    void *waiter;
    void *inline_nodes[8 * 6];
} aw_completed;
#ifndef __cplusplus
#define AW_COMPLETED_INIT                                                                          \
    {                                                                                              \
        .n = 0                                                                                     \
    }
#endif

typedef struct aw_completed_opts {
    const char *file; /* filled by the macro */
    int line;
    aw_completed *it;
    aw_future *const *fs;
    size_t n;
    double timeout; /* seconds for the whole iteration; 0: none */
} aw_completed_opts;

/* int aw_completed_enter(aw_completed *it, aw_future *const *fs, size_t n, .timeout = seconds):
 * begin to hand out `fs` as they complete.  0; -EINVAL for a NULL child; -ENOMEM (only for n > 8);
 * AW_EMISUSE for an iteration that is not fresh or outside a task; AW_ETHREAD. */
#ifndef __cplusplus
#define aw_completed_enter(...)                                                                    \
    aw_completed_enter_(&(aw_completed_opts){.file = __FILE__, .line = __LINE__, .it = __VA_ARGS__})
#endif
AW_API int aw_completed_enter_(const aw_completed_opts *opts) AW_MUST_USE;

/* The next future that is done, one of those passed in and not a new reference: 1 and *ret; 0 when
 * all have been handed out; -ETIMEDOUT when the time is over (the rest is not cancelled);
 * -ECANCELED.  Suspends when none is done yet. */
AW_API int aw_completed_next(aw_completed *it, aw_future **ret) AW_MUST_USE;

/* End the iteration, on every way out; returns `err`. */
AW_API int aw_completed_exit(aw_completed *it, int err) AW_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
