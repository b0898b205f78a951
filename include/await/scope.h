/*
 * await/scope.h - structured concurrency: task groups and time limits.
 *
 * What is started in a scope ends in that scope.  A group starts tasks whose number is not known
 * beforehand and does not end before they have; a time limit cancels what its body awaits.  The
 * `_call` forms run a body in the calling task and cannot be left by accident: prefer them.  The
 * enter/exit forms are for code that a function call would cut in two:
 *
 *     aw_group g = AW_GROUP_INIT;
 *     int err = aw_group_enter(&g);
 *     if (err >= 0)
 *         err = aw_group_start(&g, fetch, &a);
 *     ...
 *     return aw_group_exit(&g, err);
 *
 * A scope is a struct of the caller's, all zero at first, used once.  Scopes nest; leaving one by
 * `return`, in the wrong order, or by the end of its task aborts the process with a report that
 * names the place where it was entered, because memory would be corrupt otherwise.
 */
#ifndef AWAIT_SCOPE_H
#define AWAIT_SCOPE_H

#include "await/task.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What enter/exit scopes share: they are linked on the task, and leaving one open is noticed.
 * Private. */
typedef struct aw_scope {
    struct aw_scope *outer;
    const char *what, *file;
    aw_task *task;
    void (*abandon)(struct aw_scope *scope); /* its task will never go on: free what it holds */
    int line;
    int state; /* zero: fresh */
} aw_scope;

/* Where a scope is entered: filled by the macros. */
typedef struct aw_scope_opts {
    const char *file;
    int line;
} aw_scope_opts;
#define AW_SCOPE_HERE_ (&(aw_scope_opts){.file = __FILE__, .line = __LINE__})

/* ---- task groups ---- */

/* A group of tasks.  Starts all zero: AW_GROUP_INIT.  Its fields are private. */
typedef struct aw_group {
    aw_scope scope;
    void *first, *last; /* live children */
    size_t alive;
    void *errors; /* storage for failures, reserved as children are started */
    void *wait;   /* the exit's sleep */
    bool aborting, exiting, parent_cancelled, unwrap;
} aw_group;
#define AW_GROUP_INIT                                                                              \
    {                                                                                              \
        .alive = 0                                                                                 \
    }

/* The body of a group: runs in the calling task. */
typedef int aw_group_body(aw_group *g, void *arg);

/* Enter a group, run body(g, arg) in the calling task, and leave the group: see aw_group_exit().
 * -EINVAL when the body is NULL. */
#define aw_group_call(g, body, arg) aw_group_call_((g), (body), (arg), AW_SCOPE_HERE_)
AW_API int aw_group_call_(aw_group *g, aw_group_body *body, void *arg,
                          const aw_scope_opts *opts) AW_MUST_USE;

/* Begin a group in the running task.  0; AW_EMISUSE outside a task or for a group that is not
 * fresh; -EINVAL for NULL.  Does not suspend. */
#define aw_group_enter(g) aw_group_enter_((g), AW_SCOPE_HERE_)
AW_API int aw_group_enter_(aw_group *g, const aw_scope_opts *opts) AW_MUST_USE;

/* int aw_group_start(aw_group *g, aw_fn *fn, void *arg, ...options of aw_create_task()): start a
 * task in the group; .ret_task = &t gives a handle, which is the caller's.
 *
 * Any task of the loop may start children in an entered group, its children included.  0; the
 * errors of aw_create_task(); AW_EMISUSE when the group was not entered, has ended, or is being
 * shut down because of a failure.  Does not suspend (with .eager: runs the child's first step). */
#define aw_group_start(g, fn, ...) aw_group_start_((g), (fn), AW_TASK_OPTS_(fn, .arg = __VA_ARGS__))
AW_API int aw_group_start_(aw_group *g, aw_fn *fn, const aw_task_opts *opts) AW_MUST_USE;

/* End the group: wait for every child.  `err` is what the body came to.
 *
 * The first child that fails (being cancelled is no failure) cancels its siblings and, if it is
 * still at work, the body.  So does an `err` < 0.  Cancelling the task while it waits here cancels
 * the children.  Returns, when all children have ended:
 *   - AW_EGROUP if a child failed, or the body did with another error than -ECANCELED: the
 *     failures are in aw_group_errors(), in the order in which they happened, the body's last;
 *     after aw_group_unwrap(), a single failure is returned as itself;
 *   - -ECANCELED if the task was cancelled from outside, or the body returned it;
 *   - `err` otherwise.
 * A cancellation from outside that met a failure is not lost: it stays counted and is delivered at
 * the next suspension.  AW_EMISUSE for a group that is not entered by this task.  Suspends. */
AW_API int aw_group_exit(aw_group *g, int err) AW_MUST_USE;

/* Return a single failure as itself and not as AW_EGROUP. */
AW_API void aw_group_unwrap(aw_group *g);

/* Cancel every live child of the group; the body goes on.  Children may still be started. */
AW_API void aw_group_cancel(aw_group *g);

/* How many children have not ended. */
AW_API size_t aw_group_alive(const aw_group *g);

/* One failure of a group. */
typedef struct aw_group_error {
    const char *name; /* of the task that failed */
    const char *fn_name;
    int code;
    const char *msg; /* its detail; "" if none */
} aw_group_error;

/* The failures behind the AW_EGROUP that this task's last failing call returned.  Returns their
 * number, 0 if that was another error; *ret is valid until this task's next failing call. */
AW_API int aw_group_errors(const aw_group_error **ret);

/* ---- time limits ---- */

/* A time limit.  Starts all zero: AW_TIMEOUT_INIT.  Its fields are private. */
typedef struct aw_timeout {
    aw_scope scope;
    void *timer[8];
    double when;
    uint32_t requests_before;
    bool expired;
} aw_timeout;
#define AW_TIMEOUT_INIT                                                                            \
    {                                                                                              \
        .expired = false                                                                           \
    }

/* Run fn(arg) in the calling task with a time limit: what it awaits is cancelled when the time is
 * over.  Returns fn's result; -ETIMEDOUT if the limit ended it.  A limit <= 0 is already over.
 * -EINVAL for NaN or a NULL function; AW_EMISUSE outside a task. */
AW_API int aw_timeout_call(double seconds, aw_fn *fn, void *arg) AW_MUST_USE;

/* Begin a time limit in the running task: so many seconds from now, or at a time of aw_time().
 * 0; -EINVAL for NaN or NULL; AW_EMISUSE outside a task or for one that is not fresh. */
#define aw_timeout_enter(tm, seconds) aw_timeout_enter_((tm), (seconds), AW_SCOPE_HERE_)
AW_API int aw_timeout_enter_(aw_timeout *tm, double seconds, const aw_scope_opts *opts) AW_MUST_USE;
#define aw_timeout_enter_at(tm, when) aw_timeout_enter_at_((tm), (when), AW_SCOPE_HERE_)
AW_API int aw_timeout_enter_at_(aw_timeout *tm, double when, const aw_scope_opts *opts) AW_MUST_USE;

/* End it.  `err` is what the body came to: an -ECANCELED that was the limit's own becomes
 * -ETIMEDOUT, everything else passes through; a cancellation from elsewhere stays one. */
AW_API int aw_timeout_exit(aw_timeout *tm, int err) AW_MUST_USE;

/* Move the deadline of an entered limit to another time of aw_time(); INFINITY turns it off.  0;
 * -EINVAL for NaN; AW_EMISUSE before it is entered and once it has expired or ended. */
AW_API int aw_timeout_reschedule(aw_timeout *tm, double when);

/* The deadline (INFINITY: none), and whether it was the limit that ended the body. */
AW_API double aw_timeout_when(const aw_timeout *tm);
AW_API bool aw_timeout_expired(const aw_timeout *tm);

/* ---- leaving by itself ---- */

/* For compilers with __attribute__((cleanup)): declares a time limit that is entered here and left
 * at the end of the enclosing block; *err_ is a variable of the caller's that holds the block's
 * outcome, and becomes what aw_timeout_exit() makes of it.  Read it after the block: the value of a
 * `return` inside the block is taken before the scope is left. */
#if defined(__GNUC__) && !defined(__cplusplus)
struct aw_timeout_guard {
    aw_timeout tm;
    int *err;
};
AW_API void aw_timeout_guard_exit(struct aw_timeout_guard *guard);
#define AW_TIMEOUT_BLOCK(name, seconds, err_)                                                      \
    struct aw_timeout_guard name                                                                   \
        __attribute__((cleanup(aw_timeout_guard_exit))) = {.tm = AW_TIMEOUT_INIT, .err = (err_)};  \
    *(err_) = aw_timeout_enter(&name.tm, (seconds))

/* The same for a group: every path out of the block waits for its children. */
struct aw_group_guard {
    aw_group group;
    int *err;
};
AW_API void aw_group_guard_exit(struct aw_group_guard *guard);
#define AW_GROUP_BLOCK(name, err_)                                                                 \
    struct aw_group_guard name                                                                     \
        __attribute__((cleanup(aw_group_guard_exit))) = {.group = AW_GROUP_INIT, .err = (err_)};   \
    *(err_) = aw_group_enter(&name.group)
#endif

#ifdef __cplusplus
}
#endif
#endif
