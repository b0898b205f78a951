/*
 * await/thread.h - a loop in a synchronous program: start one in a thread, hand it coroutines.
 *
 *     aw_loop_thread *io = aw_loop_thread_start(.name = "io");
 *     aw_cfuture *f = aw_submit(aw_loop_thread_loop(io), fetch, &job);
 *     ...                                     the program goes on, blocking as it likes
 *     int err = aw_cfuture_join(f, 5.0);      the coroutine has ended: job holds what it found
 *     aw_loop_thread_stop(io, .timeout = 5.0);
 *
 * What crosses threads has `threadsafe`, `submit` or `cfuture` in its name: these calls may be made
 * from any thread.  Everything else belongs to the loop's thread and fails with AW_ETHREAD.
 *
 * A concurrent future (aw_cfuture) is the thread-safe kind of result: threads wait for it, and
 * coroutines await it by aw_wrap_future().  It is reference counted; the handle that a call returns
 * is the caller's, and giving it up never cancels.
 */
#ifndef AWAIT_THREAD_H
#define AWAIT_THREAD_H

#include "await/loop.h"
#include "await/task.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct aw_cfuture aw_cfuture;         /* a result to come, for any thread */
typedef struct aw_loop_thread aw_loop_thread; /* a thread that runs a loop */

/* ---- callbacks ---- */

/* A callback's own node, for the call that must not allocate.  Private; zero at first. */
typedef struct aw_inbox_node {
    void *private_[4];
} aw_inbox_node;

/* Call cb(arg) on the loop, soon, from any thread; wakes the loop if it sleeps.  Calls of one
 * thread run in the order they were made, and before what is scheduled on the loop afterwards.  It
 * is not called if the loop is closed before: what only `arg` leads to is then lost (aw_submit()
 * with .release has no such hole).  A negative return goes to the loop's exception handler.  0;
 * -ENOMEM; -EINVAL for NULL; AW_EMISUSE once the loop is closed; AW_EFULL at its .submit_limit;
 * AW_EFORKED.  Never blocks. */
AW_API int aw_call_soon_threadsafe(aw_loop *loop, aw_callback *cb, void *arg);

/* The same with a node of the caller's, which must not be in use, and must stay until cb is called
 * (which may use it again) or the loop has been closed; never fails for want of memory, and has no
 * limit. */
AW_API int aw_call_soon_threadsafe_node(aw_loop *loop, aw_inbox_node *node, aw_callback *cb,
                                        void *arg);

/* ---- coroutines from any thread ---- */

/* aw_cfuture *aw_submit(aw_loop *loop, aw_fn *fn, void *arg, ...options of aw_create_task()): run a
 * coroutine on the loop.
 *
 * Returns a handle at once; NULL with aw_errno(): -EINVAL, -ENOMEM, AW_EMISUSE once the loop is
 * closed, AW_EFULL at its .submit_limit, AW_EFORKED: the argument is then still the caller's, and
 * .release is not called.  With .copy the argument is copied before the call returns; without, it
 * must stay until the coroutine has ended: wait for that with aw_cfuture_join(), or use .release.
 * The future's value is what aw_return_value() was given, else the argument; NULL if that was a
 * copy, which goes with the coroutine, or was released.  If the loop closes, or its run comes to
 * its end, before the coroutine could begin, the future ends cancelled; if it could not be begun
 * the future has that error, and the loop's exception handler too.  .release is called in the
 * loop's thread, or the one that closes it, on every one of these ways.  Never blocks.
 *
 * The coroutine's failure is reported if nobody looks at it: the future's last handle was given up
 * without its result having been asked for.  A coroutine that fails after its future was cancelled
 * is reported like any task. */
#define aw_submit(loop, fn, ...) aw_submit_((loop), (fn), AW_TASK_OPTS_(fn, .arg = __VA_ARGS__))
AW_API aw_cfuture *aw_submit_(aw_loop *loop, aw_fn *fn, const aw_task_opts *opts);

/* aw_cfuture *aw_submit_ready(loop, fn, arg, ...options): submit, and return only once the
 * coroutine has called aw_announce(), has ended, or could not be begun.  What it announced is
 * aw_cfuture_announced().  Blocks the thread; NULL as above, and with -EDEADLK on the loop's own.
 */
#define aw_submit_ready(loop, fn, ...)                                                             \
    aw_submit_ready_((loop), (fn), AW_TASK_OPTS_(fn, .arg = __VA_ARGS__))
AW_API aw_cfuture *aw_submit_ready_(aw_loop *loop, aw_fn *fn, const aw_task_opts *opts);

/* Inside a submitted coroutine: "I am ready", with a value for whoever submitted it.  0; AW_EMISUSE
 * outside one, and the second time.  Does not suspend. */
AW_API int aw_announce(void *value);

/* What was announced; NULL if nothing was, or not yet. */
AW_API void *aw_cfuture_announced(aw_cfuture *f);

/* ---- concurrent futures ---- */

/* The result, or error, of `f`: waits at most `timeout` seconds (INFINITY: for ever, <= 0: not at
 * all).  -ETIMEDOUT if the time is over, and the coroutine goes on; -ECANCELED; -EDEADLK on the
 * thread of the loop that would have to do the work; -EINVAL for NaN.  Blocks the thread. */
AW_API int aw_cfuture_result(aw_cfuture *f, double timeout) AW_MUST_USE;

/* Wait until the coroutine behind `f` has ended, so that nothing of the caller's is used any more,
 * then give `f` up: returns its result or error.  When the time is over the coroutine is cancelled,
 * and still waited for: the call never returns while it runs; -ETIMEDOUT then, unless it came to a
 * result first.  -EDEADLK, AW_EFORKED, -EINVAL as above, and `f` is not given up.  For a future
 * that has no coroutine: the same as the result. */
AW_API int aw_cfuture_join(aw_cfuture *f, double timeout) AW_MUST_USE;

/* The value that came with the result; NULL without one. */
AW_API void *aw_cfuture_value(aw_cfuture *f);

/* Finished, failed or cancelled?  Being worked on by a pool's thread?  Cancelled? */
AW_API bool aw_cfuture_done(aw_cfuture *f);
AW_API bool aw_cfuture_running(aw_cfuture *f);
AW_API bool aw_cfuture_cancelled(aw_cfuture *f);

/* Cancel it: it is cancelled at once, and its coroutine is asked to end.  False when it is done, or
 * a job that is running, or the work of this process's parent; true also when it was cancelled
 * before. */
AW_API bool aw_cfuture_cancel(aw_cfuture *f);

/* What is called when one is done.  A negative return is reported. */
typedef int aw_cfuture_callback(aw_cfuture *f, void *arg);

/* Call cb(f, arg) when `f` is done: inside the call that completes it, in that thread (a submitted
 * coroutine: on its loop, in a later pass), in order of registration; inside this call if it is
 * done already and those before have begun to be called.  Not called if the last handle is given
 * up before it is done.  0, -ENOMEM, -EINVAL; AW_EFORKED for work of the parent's that is not done.
 */
AW_API int aw_cfuture_add_done_callback(aw_cfuture *f, aw_cfuture_callback *cb, void *arg);

/* Wait until enough of n futures are done: `when` is one of enum aw_wait_when of await/compose.h.
 * Returns how many are; running out of time is no error.  A timeout <= 0 only looks.  -EINVAL for
 * n == 0, a NULL or NaN; -ENOMEM; -EDEADLK and AW_EFORKED as above.  Blocks the thread. */
AW_API int aw_cfuture_wait(aw_cfuture *const *fs, size_t n, int when, double timeout) AW_MUST_USE;

/* The next of `fs` that is done, each once: its index; n when all were handed out; -ETIMEDOUT, with
 * aw_errmsg() saying how many of how many are unfinished; other errors as above.  `seen` is n bytes
 * of the caller's, zero at first.  Blocks the thread. */
AW_API int aw_cfuture_next_completed(aw_cfuture *const *fs, size_t n, unsigned char *seen,
                                     double timeout) AW_MUST_USE;

/* Another reference; returns `f`.  And one less: the last one frees it, and reports a failure that
 * nobody has looked at.  NULL is allowed in both. */
AW_API aw_cfuture *aw_cfuture_ref(aw_cfuture *f);
AW_API void aw_cfuture_unref(aw_cfuture *f);

/* For one's own producers.  A new one is pending; each setter returns 0, or AW_ESTATE when it is
 * done (set_running: when it is not pending); AW_EMISUSE for one that has work of its own behind
 * it; -EINVAL for NULL, a negative result or a code >= 0.  A producer that is the only one to
 * complete it needs no handle of its own: the waiter may give up the last one as soon as it is
 * done.  Where others may cancel it, it does.  NULL with aw_errno() -ENOMEM. */
AW_API aw_cfuture *aw_cfuture_new(void);
AW_API int aw_cfuture_set_running(aw_cfuture *f);
AW_API int aw_cfuture_set_result(aw_cfuture *f, int result, void *value);
AW_API int aw_cfuture_set_error(aw_cfuture *f, int code, const char *msg);

/* Await another thread's future: a future of the running loop that follows `f`, with its value and
 * its error's detail.  Cancelling it cancels `f` in the loop's next pass, where that can be
 * cancelled.  Holds a reference.  NULL with aw_errno(): -ENOMEM, -EINVAL, AW_EMISUSE outside a
 * loop, AW_EFORKED for work of the parent's that is not done. */
#define aw_wrap_future(f)                                                                          \
    aw_wrap_future_((f), &(aw_future_opts){.file = __FILE__, .line = __LINE__})
AW_API aw_future *aw_wrap_future_(aw_cfuture *f, const aw_future_opts *opts);

/* ---- a loop in a thread ---- */

typedef struct aw_loop_thread_opts {
    const char *file; /* filled by the macro */
    int line;
    const char *name;    /* of the thread, as the system shows it; 15 characters count */
    int cpu_plus_one;    /* > 0: run only on this processor (number + 1) */
    size_t stack_size;   /* of the thread */
    bool daemon;         /* the end of the process does not wait for it */
    double exit_timeout; /* seconds that the end of the process gives its work; 5 by default */
    bool debug, virtual_clock;
    const char *backend;
    double spin; /* these two as in aw_run_opts */
    size_t submit_limit;
    int (*exception_handler)(const struct aw_report *report, void *arg);
    void *exception_arg;
} aw_loop_thread_opts;

/* aw_loop_thread *aw_loop_thread_start(...options): start a thread with a loop.  The loop runs when
 * this returns.  NULL with aw_errno(): -ENOMEM, -EAGAIN, -EINVAL (a processor or a stack that the
 * system refuses, a NaN), the errors of opening a loop.
 *
 * Signals are blocked in the thread, but for those of faults: they go to the program's own threads.
 * A child process made there inherits that.
 *
 * At exit() a thread that was not stopped has `.exit_timeout` seconds (none, if it is negative) to
 * finish its tasks; what is left is cancelled and reported, and has as long again, but 1 to 5 s, to
 * clean up; what does not end even then is named, with its stack.  The loop's own pool comes after
 * it, with the same `.exit_timeout` for its jobs.  The tasks of a daemon, and the jobs of its
 * loop's own pool, are abandoned, with a line that says so.
 *
 * A loop whose waiting for the kernel fails ends by itself, and says so to its exception handler:
 * AW_REPORT_LOOP_FAILED. */
#define aw_loop_thread_start(...)                                                                  \
    aw_loop_thread_start_(&(aw_loop_thread_opts){.file = __FILE__, .line = __LINE__, __VA_ARGS__})
AW_API aw_loop_thread *aw_loop_thread_start_(const aw_loop_thread_opts *opts);

/* Its loop, to submit to; valid until the thread is stopped. */
AW_API aw_loop *aw_loop_thread_loop(aw_loop_thread *lt);

typedef struct aw_loop_thread_stop_opts {
    aw_loop_thread *lt;
    double timeout; /* seconds; 5 by default, INFINITY allowed */
} aw_loop_thread_stop_opts;

/* int aw_loop_thread_stop(aw_loop_thread *lt, .timeout = seconds): cancel what runs on the loop,
 * wait for it, close the loop, end the thread, and free it all.  A task that goes on after a third
 * of the time has every suspending call fail, and is given up after the second: it is reported with
 * its stack.
 *
 * 0; -ETIMEDOUT when tasks would not stop (the thread has ended), or a task or callback blocks the
 * loop, or a task waits for a job of a pool that does not end (that is reported, and the thread
 * left to itself).  -EDEADLK on its own thread, AW_EFORKED, -EINVAL for NaN, AW_EMISUSE while the
 * end of the process is stopping it: then `lt` is as it was. 0 for NULL.  Blocks the thread. */
#define aw_loop_thread_stop(...)                                                                   \
    aw_loop_thread_stop_(&(aw_loop_thread_stop_opts){.lt = __VA_ARGS__})
AW_API int aw_loop_thread_stop_(const aw_loop_thread_stop_opts *opts);

/* The loop thread of the process, for libraries: started by the first call, a reference for each.
 * NULL as from start.  The last release stops it and returns what that does; AW_EMISUSE for one too
 * many.  The child of a fork has one of its own. */
AW_API aw_loop_thread *aw_loop_thread_shared(void);
AW_API int aw_loop_thread_shared_release(void);

#ifdef __cplusplus
}
#endif
#endif
