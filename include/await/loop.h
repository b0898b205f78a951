/*
 * await/loop.h - the event loop: running coroutines, callbacks and timers, watching descriptors.
 *
 * aw_run() is all that most programs need.  A loop runs in passes, as asyncio's does: a pass takes
 * what is ready (first in, first out), polls the kernel, adds the timers that are due, and runs
 * what was ready when it began; what gets ready meanwhile belongs to the next pass.
 *
 * One loop, one thread.  A loop belongs to the thread that runs it; calls on a running loop from
 * another thread fail with AW_ETHREAD.  One that is not running may be handed to another thread.
 */
#ifndef AWAIT_LOOP_H
#define AWAIT_LOOP_H

#include "await/task.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct aw_handle aw_handle; /* a scheduled callback that can be cancelled */
typedef int aw_callback(void *arg); /* a negative return is reported, and the loop goes on */

/* ---- running ---- */

struct aw_report; /* await/report.h */

/* Signals for .stop_on. */
enum { AW_SIGINT = 1, AW_SIGTERM = 2, AW_SIGINT_SIGTERM = 3 };

typedef struct aw_run_opts {
    const char *file, *fn_name; /* filled by the macro */
    int line;
    void *arg;
    const char *name;    /* of the main task */
    size_t stack_size;   /* of the main task; 256 KiB by default */
    bool debug;          /* debug mode; also by AWAIT_DEBUG=1 in the environment */
    bool virtual_clock;  /* time jumps when nothing is ready; also by AWAIT_CLOCK=virtual */
    const char *backend; /* "io_uring" or "epoll", see below; also by AWAIT_BACKEND */
    unsigned stop_on;    /* AW_SIGINT, AW_SIGTERM or both: a graceful stop, see below */
    double grace;        /* seconds from the signal until all tasks are cancelled; 10 by default */
    double hard;         /* seconds from there until every suspending call fails; 2 by default */
    uint64_t seed;       /* draws what order is left open; also by AWAIT_SEED */
    bool shuffle;        /* tasks that are ready run in a drawn order; also by AWAIT_SHUFFLE=1 */
    double spin;         /* seconds to stay awake before sleeping, see below; 0: none */
    size_t submit_limit; /* most submissions of other threads that are not over; 0: no limit */
    aw_loop *(*loop_factory)(void *arg); /* makes the loop, which the run closes and frees */
    void *loop_factory_arg;
    int (*exception_handler)(const struct aw_report *report, void *arg);
    void *exception_arg;
} aw_run_opts;

/* int aw_run(aw_fn *main, void *arg, ...options): run a coroutine on a loop of its own.
 *
 * Returns main's result or error.  Before that every task that is left is cancelled (each is
 * reported) and waited for, and the loop is closed.  AW_EMISUSE when a loop is running in this
 * thread; -EINVAL for bad options; -EBUSY when another loop has a signal of .stop_on; -ENOMEM,
 * -EMFILE and the like if no loop could be made; -EDEADLK, with a report, when nothing is left that
 * could wake the run.  Not from inside a coroutine; blocks the thread.
 *
 * .backend: which of the kernel's interfaces does the waiting.  Without a wish it is io_uring where
 * the kernel has it (5.11) and allows it, and epoll elsewhere; debug mode says why.  One that is
 * asked for by name and not to be had is an error, with the reason in aw_errmsg().
 *
 * .stop_on: the first such signal makes aw_stopping() true and wakes aw_stop_wait() (runner.h);
 * after .grace seconds main and all tasks are cancelled; .hard seconds later every suspending call
 * of what is left fails (who awaits a task waits for its end all the same), and what even that does
 * not end is reported with its stack and given up (the run then returns -ETIMEDOUT if main is among
 * it).  A second signal names every task and ends the process by the signal.  A run so stopped
 * returns main's result, or 0 if main ended cancelled. Tasks left behind at the end of any run have
 * the same .hard seconds.
 *
 * .spin: a loop with nothing to do, and threads that wait for its results, look again and again for
 * so long (20e-6 is enough) before they sleep: an answer then takes less than a microsecond from
 * one processor to another, and both are busy meanwhile.  It adapts: where nothing comes it is
 * tried only now and then.  Without effect where the process may use one processor only.
 *
 * .submit_limit: aw_submit() and aw_call_soon_threadsafe() fail with AW_EFULL while so many of
 * theirs wait or have not ended, so that threads faster than the loop cannot fill the memory. */
#ifndef __cplusplus
#define aw_run(fn, ...)                                                                            \
    aw_run_((fn), &(aw_run_opts){                                                                  \
                      .file = __FILE__, .line = __LINE__, .fn_name = #fn, .arg = __VA_ARGS__})
#endif
AW_API int aw_run_(aw_fn *main, const aw_run_opts *opts);

/* Options of aw_loop_new(). */
typedef struct aw_loop_opts {
    const char *file; /* filled by the macro */
    int line;
    bool debug, virtual_clock, shuffle; /* as in aw_run_opts */
    const char *backend;
    uint64_t seed;
    double spin; /* seconds to stay awake before sleeping; see above, as aw_run_opts */
    size_t submit_limit;
} aw_loop_opts;

/* aw_loop *aw_loop_new(...options): a loop that is not running.  NULL with aw_errno(): -ENOMEM. */
#ifndef __cplusplus
#define aw_loop_new(...)                                                                           \
    aw_loop_new_(&(aw_loop_opts){.file = __FILE__, .line = __LINE__, __VA_ARGS__})
#endif
AW_API aw_loop *aw_loop_new_(const aw_loop_opts *opts);

/* Run until `f` is done and return its result or error; at once if it is done already.
 * AW_EMISUSE when the loop is closed, is running, or another runs in this thread, and when it was
 * stopped before `f` was done (which is then still pending); AW_ETHREAD for another loop's future;
 * the backend's error if it cannot be opened in this thread. */
AW_API int aw_loop_run_until_complete(aw_loop *loop, aw_future *f);

/* Run until aw_loop_stop().  0, or errors as above. */
AW_API int aw_loop_run_forever(aw_loop *loop);

/* Make the run return after the current pass; before a run: make it do one pass, not blocking. */
AW_API int aw_loop_stop(aw_loop *loop);

/* Close a loop that is not running: its descriptors go, and every later call that would give it
 * work fails with AW_EMISUSE.  Tasks still pending are reported and will never go on; cancel and
 * await them before if they have something to clean up.  0; AW_EMISUSE while it runs; a NULL or
 * closed loop gives 0 again. */
AW_API int aw_loop_close(aw_loop *loop);

/* Close it if it is not closed, and give it up; its memory goes with the last handle of its tasks
 * and futures.  Does nothing while it runs. */
AW_API void aw_loop_free(aw_loop *loop);

/* Is it running, in whatever thread?  Is it closed?  False for NULL. */
AW_API bool aw_loop_is_running(aw_loop *loop);
AW_API bool aw_loop_is_closed(aw_loop *loop);

/* The loop that runs this code; NULL with aw_errno() AW_EMISUSE when none does. */
AW_API aw_loop *aw_running_loop(void);

/* ---- time ---- */

/* Seconds of the running loop's clock (outside a loop: of the system's monotonic clock). */
AW_API double aw_time(void);

/* Seconds of this loop's clock. */
AW_API double aw_loop_time(aw_loop *loop);

/* Seconds since 1970, of the clock that people set: for dates, never for durations.  It is the
 * system's also where the loop's clock is virtual.  Any thread. */
AW_API double aw_wall_time(void);

/* Seconds left until a deadline of aw_time(): for .timeout, so it is never 0, which would mean
 * "no limit": a deadline that has passed gives a negative number. */
AW_API double aw_left(double deadline);

/* ---- callbacks ---- */

typedef struct aw_call_opts {
    const char *file, *cb_name; /* filled by the macros */
    int line;
    void *arg;
    aw_handle **handle;  /* receives a handle of the caller's, to cancel by */
    aw_loop *loop;       /* the running one by default */
    aw_context *context; /* task-local values to run with; the caller's by default */
} aw_call_opts;

/* int aw_call_soon(aw_callback *cb, void *arg, ...options): call it in the next pass, in order.
 * 0; -EINVAL (cb is NULL), -ENOMEM, AW_EMISUSE (no loop, or a closed one), AW_ETHREAD. */
#ifndef __cplusplus
#define aw_call_soon(cb, ...) aw_call_soon_((cb), AW_CALL_OPTS_(cb, .arg = __VA_ARGS__))
#endif
AW_API int aw_call_soon_(aw_callback *cb, const aw_call_opts *opts);

/* int aw_call_later(double seconds, cb, arg, ...): after so many seconds, never earlier; timers
 * that are due at the same moment run in the order they were set.  As aw_call_soon(); also
 * -EINVAL for NaN. */
#ifndef __cplusplus
#define aw_call_later(seconds, cb, ...)                                                            \
    aw_call_later_((seconds), (cb), AW_CALL_OPTS_(cb, .arg = __VA_ARGS__))
#endif
AW_API int aw_call_later_(double seconds, aw_callback *cb, const aw_call_opts *opts);

/* int aw_call_at(double when, cb, arg, ...): at a time of the loop's clock. */
#ifndef __cplusplus
#define aw_call_at(when, cb, ...) aw_call_at_((when), (cb), AW_CALL_OPTS_(cb, .arg = __VA_ARGS__))
#endif
AW_API int aw_call_at_(double when, aw_callback *cb, const aw_call_opts *opts);

#ifndef __cplusplus
#define AW_CALL_OPTS_(cb_, ...)                                                                    \
    (&(aw_call_opts){.file = __FILE__, .line = __LINE__, .cb_name = #cb_, __VA_ARGS__})
#endif

/* Do not call it; once it has been called, or cancelled, this changes nothing. */
AW_API void aw_handle_cancel(aw_handle *h);
AW_API bool aw_handle_cancelled(aw_handle *h);

/* When a timer's handle is due, in seconds of the loop's clock; 0 for one of aw_call_soon(). */
AW_API double aw_handle_when(aw_handle *h);

/* Give the handle up; does not cancel.  NULL is allowed. */
AW_API void aw_handle_unref(aw_handle *h);

/* ---- descriptors ---- */

/* int aw_add_reader(int fd, aw_callback *cb, void *arg, ...options): call it in every pass in
 * which the descriptor is readable, until aw_remove_reader().  A second one for the same
 * descriptor replaces the first; readers and writers are independent.  0, -EINVAL, -ENOMEM, -EBADF,
 * AW_EMISUSE (no loop, or a closed one), AW_ETHREAD.  Cancelling its handle removes it as well.
 * Does not own the descriptor: remove first, close then. */
#ifndef __cplusplus
#define aw_add_reader(fd, cb, ...) aw_add_reader_((fd), (cb), AW_CALL_OPTS_(cb, .arg = __VA_ARGS__))
#endif
AW_API int aw_add_reader_(int fd, aw_callback *cb, const aw_call_opts *opts);
#ifndef __cplusplus
#define aw_add_writer(fd, cb, ...) aw_add_writer_((fd), (cb), AW_CALL_OPTS_(cb, .arg = __VA_ARGS__))
#endif
AW_API int aw_add_writer_(int fd, aw_callback *cb, const aw_call_opts *opts);

/* Was there one?  False also on a closed loop.  NULL means the running loop. */
AW_API bool aw_remove_reader(aw_loop *loop, int fd);
AW_API bool aw_remove_writer(aw_loop *loop, int fd);

/* ---- debugging ---- */

/* Debug mode: steps that block the loop are reported, futures tell where they were created. */
AW_API void aw_loop_set_debug(aw_loop *loop, bool on);
AW_API bool aw_loop_debug(aw_loop *loop);

/* The duration in seconds from which a step counts as slow in debug mode; 0.1 by default.
 * -EINVAL for a negative number or NaN. */
AW_API int aw_loop_set_slow_step(aw_loop *loop, double seconds);

/* Makes the tasks of a loop: called by everything that creates one, with the loop in opts->loop.
 * It calls aw_create_task_default() and may look at, count or refuse (NULL after aw_refuse()). */
typedef aw_task *aw_task_factory(aw_fn *fn, const aw_task_opts *opts, void *arg);

/* Set a loop's task factory; NULL goes back to the default.  -EINVAL for a NULL loop. */
AW_API int aw_loop_set_task_factory(aw_loop *loop, aw_task_factory *factory, void *arg);
AW_API aw_task *aw_create_task_default(aw_fn *fn, const aw_task_opts *opts);

/* For calls of one's own that return NULL: set aw_errno() and aw_errmsg(); returns NULL. */
AW_API void *aw_refuse(int code, const char *msg);

/* For code of one's own that fails with a detail: `return aw_raise(-EIO, "the disk is gone");` sets
 * aw_errmsg(), which travels with the task's outcome, and returns the code.  The text is copied. */
AW_API int aw_raise(int code, const char *msg);

#ifdef __cplusplus
}
#endif
#endif
