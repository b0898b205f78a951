/*
 * await/task.h - coroutines, tasks and futures.
 *
 * A coroutine is `int fn(void *arg)`.  A task runs one on a stack of its own; a future is a result
 * that somebody else will set.  A task is a future too: every call on futures takes tasks.
 *
 *     static int hello(void *arg)
 *     {
 *         AW_TRY(aw_sleep(1));
 *         printf("hello %s\n", (char *)arg);
 *         return 0;
 *     }
 *     ...
 *     aw_task *t = aw_create_task(hello, "world");
 *     int err = aw_join(t);
 *
 * Keyword arguments.  Required arguments come first, options follow as designated initialisers:
 * aw_create_task(hello, "world", .name = "greeter", .stack_size = 1 << 20).  The functions behind
 * the macros end in '_' and take a pointer to the options: that is the API for C++ and bindings.
 * An options struct of zeros means the defaults.
 *
 * Threads.  Every call belongs to the thread that runs the future's loop and fails with AW_ETHREAD
 * elsewhere; while the loop does not run, its futures may be used by any one thread at a time.
 *
 * Handles.  What creates returns a handle that is the caller's: aw_unref() gives it up.  Giving
 * it up never cancels; the loop keeps running tasks alive.  NULL, what a failed creation returns,
 * may be passed on: calls that return int answer with the reason of that failure (aw_errno(), or
 * -EINVAL if there is none), calls that return bool with false.
 *
 * Durations are seconds as double.  A positional duration <= 0 is already due, INFINITY (of math.h)
 * is never, NaN is -EINVAL.  A `.timeout` option that is omitted or zero means none.
 */
#ifndef AWAIT_TASK_H
#define AWAIT_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "await/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct aw_future aw_future;   /* a result to come */
typedef struct aw_future aw_task;     /* a coroutine that is being run: a future as well */
typedef struct aw_loop aw_loop;       /* await/loop.h */
typedef struct aw_context aw_context; /* await/local.h */

/* A coroutine: returns a result >= 0, or a negative error code. */
typedef int aw_fn(void *arg);

/* What the loop calls once a future is done.  A negative return is reported. */
typedef int aw_done_callback(aw_future *f, void *arg);

/* ---- creating tasks ---- */

/* Options of everything that starts a coroutine. */
typedef struct aw_task_opts {
    const char *file, *fn_name; /* where and of what it was created: filled by the macros */
    int line;
    void *arg;                  /* handed to the coroutine, and its value (see aw_value()) */
    const char *name;           /* copied; "Task-<number>" by default */
    size_t stack_size;          /* bytes of address space, guard included, at least 16 KiB;
                                   64 KiB by default.  AWAIT_STACKS=1 tells what is used of it:
                                   see aw_stack_report() */
    size_t copy;                /* > 0: so many bytes at `arg` are copied to the task's stack,
                                   and the coroutine gets the copy */
    void (*release)(void *arg); /* called once with the caller's `arg` when the work has ended,
                                   also when it never began; not when creating it failed */
    bool eager;                 /* run at once, up to its first suspension (JavaScript style) */
    aw_loop *loop;              /* the loop to run on; the running one by default */
    aw_context *context;        /* task-local values to start with; the creator's by default */
    aw_task **ret_task;         /* aw_spawn() and aw_group_start(): receives a handle of the
                                   caller's; -EINVAL where the call returns one anyway */
    void *submission;           /* private: aw_submit() sets it */
    struct aw_group *group;     /* private: aw_group_start() sets it */
} aw_task_opts;

/* aw_task *aw_create_task(aw_fn *fn, void *arg, ...options): schedule a coroutine.
 *
 * Its first step comes in the loop's next pass (with .eager: before this call returns).  Returns a
 * handle, or NULL with aw_errno(): -EINVAL (fn is NULL, .stack_size or .copy make no sense),
 * -ENOMEM (no memory, no address space, or the kernel's limit on mappings reached: aw_errmsg()
 * says which), AW_EMISUSE (no running loop, or a closed one), AW_ETHREAD.  If it fails `arg` is
 * still the caller's.  Does not suspend. */
#ifndef __cplusplus
#define aw_create_task(fn, ...) aw_create_task_((fn), AW_TASK_OPTS_(fn, .arg = __VA_ARGS__))
#endif
AW_API aw_task *aw_create_task_(aw_fn *fn, const aw_task_opts *opts);

/* int aw_spawn(aw_fn *fn, void *arg, ...options): fire and forget.
 *
 * As aw_create_task(), but without a handle: the loop keeps the task alive, and a failure is
 * reported to the exception handler.  Returns 0 or the errors of aw_create_task(). */
#ifndef __cplusplus
#define aw_spawn(fn, ...) aw_spawn_((fn), AW_TASK_OPTS_(fn, .arg = __VA_ARGS__))
#endif
AW_API int aw_spawn_(aw_fn *fn, const aw_task_opts *opts);

#ifndef __cplusplus
#define AW_TASK_OPTS_(fn_, ...)                                                                    \
    (&(aw_task_opts){.file = __FILE__, .line = __LINE__, .fn_name = #fn_, __VA_ARGS__})
#endif

/* Inside a coroutine: set what aw_value() of its task will be, in place of its argument.  Does not
 * suspend; without effect outside a task. */
AW_API void aw_return_value(void *value);

/* ---- waiting ---- */

/* Wait until `f` is done.  Returns its result, or its error, -ECANCELED if it was cancelled; the
 * error's detail is then in aw_errmsg().  Returns at once if it is done already.
 *
 * Suspends.  If the waiting task is cancelled, `f` is cancelled (a task: asked to end), and the
 * call returns what became of it.  A cancellation that comes when `f` is done already, but before
 * this task has run, gives -ECANCELED too: `f` keeps its result and value.  -EINVAL or aw_errno()
 * for NULL; AW_EMISUSE outside a task, or for a task awaiting itself; AW_ETHREAD. */
AW_API int aw_await(aw_future *f) AW_MUST_USE;

/* aw_await(), and then, however that ended, aw_unref(f). */
AW_API int aw_join(aw_future *f) AW_MUST_USE;

/* Like aw_await(), but cancelling the waiting task leaves `f` alone: the call returns -ECANCELED
 * and `f` goes on.  Does not allocate. */
AW_API int aw_await_shielded(aw_future *f) AW_MUST_USE;

/* Suspend for so many seconds; 0 or less gives up exactly one pass.  Returns 0, -ECANCELED,
 * -EINVAL for NaN, AW_EMISUSE outside a task.  INFINITY sleeps until cancelled. */
AW_API int aw_sleep(double seconds) AW_MUST_USE;

/* ---- cancelling ---- */

typedef struct aw_cancel_opts {
    aw_future *future;
    const char *msg; /* travels with the -ECANCELED, read by aw_errmsg(); copied */
} aw_cancel_opts;

/* bool aw_cancel(aw_future *f, .msg = "why"): ask a task to end, or cancel a plain future at once.
 *
 * A task gets -ECANCELED from its current or next suspension point, once; it may clean up, and it
 * may go on.  What it awaits is cancelled inside this call.  A task that has not begun never will.
 * Returns whether there was anything to cancel: false for NULL, for a future that is done, and in
 * the wrong thread.  Each call counts: see aw_cancelling().  Does not suspend. */
#ifndef __cplusplus
#define aw_cancel(...) aw_cancel_(&(aw_cancel_opts){.future = __VA_ARGS__})
#endif
AW_API bool aw_cancel_(const aw_cancel_opts *opts);

/* The number of cancel requests of a task that aw_uncancel() has not taken back; 0 for a plain
 * future, or the error of a NULL or foreign handle. */
AW_API int aw_cancelling(aw_task *t);

/* Take one cancel request back and return how many are left.  At 0 a cancellation that was not
 * delivered yet is withdrawn.  Who swallows an -ECANCELED that it asked for itself calls this. */
AW_API int aw_uncancel(aw_task *t);

/* ---- futures ---- */

typedef struct aw_future_opts {
    const char *file; /* filled by the macros */
    int line;
    aw_loop *loop; /* the running one by default */
} aw_future_opts;

/* aw_future *aw_future_new(...options): a pending future of the running loop.  NULL with
 * aw_errno(): -ENOMEM, AW_EMISUSE (no running loop, or a closed one), AW_ETHREAD. */
#ifndef __cplusplus
#define aw_future_new(...)                                                                         \
    aw_future_new_(&(aw_future_opts){.file = __FILE__, .line = __LINE__, __VA_ARGS__})
#endif
AW_API aw_future *aw_future_new_(const aw_future_opts *opts);

/* Finish a pending future with a result >= 0 and a value (which stays the caller's business).
 * Returns 0; AW_ESTATE if it is done already; AW_EMISUSE for a task, whose own coroutine decides;
 * -EINVAL for NULL or a negative result; AW_ETHREAD.  Waiters run in a later pass. */
AW_API int aw_set_result(aw_future *f, int result, void *value);

typedef struct aw_error_opts {
    int code;
    const char *msg; /* detail for whoever awaits it: aw_errmsg(); copied */
} aw_error_opts;

/* int aw_set_error(aw_future *f, int code, .msg = "detail"): finish a pending future with a
 * negative code.  -ECANCELED set this way is an error like others: aw_cancelled() stays false.
 * Returns as aw_set_result(); -EINVAL for a code >= 0. */
#ifndef __cplusplus
#define aw_set_error(f, ...) aw_set_error_((f), &(aw_error_opts){.code = __VA_ARGS__})
#endif
AW_API int aw_set_error_(aw_future *f, const aw_error_opts *opts);

/* Give a pending future the outcome of a finished one: result, error or cancellation.  Returns as
 * aw_set_result(); AW_ESTATE also when `from` is still pending. */
AW_API int aw_copy_outcome(aw_future *to, aw_future *from);

/* Is it finished, failed or cancelled?  Was it cancelled?  False for NULL. */
AW_API bool aw_done(aw_future *f);
AW_API bool aw_cancelled(aw_future *f);

/* The result, or the error (-ECANCELED if cancelled), of a future that is done; AW_ESTATE while it
 * is pending.  Never suspends.  Counts as looking at a failure. */
AW_API int aw_result(aw_future *f);

/* As aw_result(), but 0 for a future that has a result: is there an error, and which? */
AW_API int aw_error(aw_future *f);

/* The value: what aw_set_result() was given; for a task what aw_return_value() was, else its
 * argument (with .copy: the copy, valid as long as the handle).  NULL unless it has a result. */
AW_API void *aw_value(aw_future *f);

/* Call `cb(f, arg)` from the loop, in a pass after the one in which `f` became done (the next one
 * if it is done already), in order of registration.  Returns 0, -ENOMEM, -EINVAL, AW_ETHREAD. */
AW_API int aw_add_done_callback(aw_future *f, aw_done_callback *cb, void *arg);

/* Drop every registration of this callback with this argument that has not been scheduled yet;
 * returns how many went, or a negative code as above. */
AW_API int aw_remove_done_callback(aw_future *f, aw_done_callback *cb, void *arg);

/* Another reference; returns `f`.  And one less: the last one frees the future.  A failure that
 * nobody looked at is reported then.  NULL is allowed in both. */
AW_API aw_future *aw_ref(aw_future *f);
AW_API void aw_unref(aw_future *f);

/* Writes a one-line description ("<task Task-3 fetch pending>") as snprintf() does: returns the
 * length it wanted.  In debug mode it says where the future was created. */
AW_API int aw_describe(aw_future *f, char *buf, size_t size);

/* ---- looking around ---- */

/* The task that is running, or NULL.  Borrowed: use aw_ref() to keep it. */
AW_API aw_task *aw_current_task(void);

/* Give the system back what of this task's stack lies below here, in whole pages: what calls have
 * used that have returned.  For a task that has been deep (a handshake, a parser) and will now wait
 * for long, as one of ten thousand that do.  What is called later takes its memory anew.  Costs a
 * system call, about a microsecond.  Nothing happens outside of a task.  Does not suspend. */
AW_API void aw_trim_stack(void);

typedef struct aw_all_tasks_opts {
    aw_task **tasks; /* receives up to max handles, each a reference of the caller's */
    size_t max;
    aw_loop *loop; /* the running one by default */
} aw_all_tasks_opts;

/* int aw_all_tasks(aw_task **tasks, size_t max, ...options): the unfinished tasks of a loop, in
 * order of creation, the caller's own included.  Returns how many there are, which may be more
 * than max; unref each one that was handed out.  AW_EMISUSE without a loop, AW_ETHREAD. */
#ifndef __cplusplus
#define aw_all_tasks(...) aw_all_tasks_(&(aw_all_tasks_opts){.tasks = __VA_ARGS__})
#endif
AW_API int aw_all_tasks_(const aw_all_tasks_opts *opts);

/* A task's name, valid until it is renamed or freed; "" for NULL and for a plain future. */
AW_API const char *aw_task_name(aw_task *t);

/* Rename a task; the name is copied.  0, -ENOMEM, -EINVAL, AW_EMISUSE for a plain future. */
AW_API int aw_set_task_name(aw_task *t, const char *name);

/* The loop a future belongs to; NULL for NULL. */
AW_API aw_loop *aw_future_loop(aw_future *f);

#ifdef __cplusplus
}
#endif
#endif
