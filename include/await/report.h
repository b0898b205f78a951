/*
 * await/report.h - nothing is lost silently: what the library tells, and to whom.
 *
 * Errors that no call can return (a failed task nobody looked at, a failing callback, a task cut
 * off by the end of its loop, a step that blocked the loop) become reports.  They go to the loop's
 * exception handler; the default one writes the block of text to standard error in one piece.
 */
#ifndef AWAIT_REPORT_H
#define AWAIT_REPORT_H

#include "await/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What happened. */
enum aw_report_kind {
    AW_REPORT_CALLBACK_FAILED = 1, /* a callback returned an error */
    AW_REPORT_NEVER_RETRIEVED,     /* a task or future failed and nobody looked at it */
    AW_REPORT_PENDING,             /* a task was pending when its loop was closed */
    AW_REPORT_NEVER_RAN,           /* a task never ran: its loop was closed before */
    AW_REPORT_CANCELLED_AT_END,    /* a task was cancelled because the run ended */
    AW_REPORT_NEVER_AWAITED,       /* a coroutine object was never used */
    AW_REPORT_SLOW,                /* debug mode: a step blocked the loop */
    AW_REPORT_HANDLER_FAILED,      /* the exception handler itself failed */
    AW_REPORT_DEADLOCK,            /* nothing is left that could wake the run */
    AW_REPORT_WOULD_NOT_STOP,      /* even hard cancellation did not end a task */
    AW_REPORT_LOOP_FAILED,         /* a loop thread's loop ended by an error of the system's */
    AW_REPORT_SERVER,              /* a server turns connections away, or has lost a socket */
};

/* A report.  Everything in it is valid during the handler's call; pointers may be NULL. */
typedef struct aw_report {
    enum aw_report_kind kind;
    const char *message; /* one line, no place: "task failed and nobody looked at it" */
    int error;           /* the code, or 0 */
    const char *detail;  /* the error's detail, "" if none */
    const char *name;    /* the task's name */
    const char *fn_name; /* the coroutine's or callback's name as written in the source */
    const char *file;    /* where it was created */
    int line;
    double duration;   /* AW_REPORT_SLOW: seconds */
    aw_future *future; /* the task or future, borrowed */
    aw_handle *handle; /* the callback's handle, borrowed */
    aw_loop *loop;
    const char *text; /* the whole block, lines ending in newline */
} aw_report;

/* Called in the loop's thread, must not suspend; runs with the task-local values of the task or
 * callback that failed.  A negative return is reported by the default handler. */
typedef int aw_exception_handler(const aw_report *report, void *arg);

/* Set the handler of a loop; NULL goes back to the default.  0, -EINVAL for a NULL loop. */
AW_API int aw_loop_set_exception_handler(aw_loop *loop, aw_exception_handler *handler, void *arg);

/* The default handler: writes report->text to standard error.  Returns 0. */
AW_API int aw_default_exception_handler(const aw_report *report, void *arg);

/* How much of their stacks the tasks of a loop have used, at most: a line to standard error for
 * every place that created tasks with stacks of one size, the highest first.
 *
 *     await: the most that tasks used of their stacks
 *         25.3 KiB of 64 KiB, 1200 tasks: fetch_url at main.c:42
 *
 * The guard comes on top: a .stack_size of 32 KiB would do for these.  Counted is everything above
 * the lowest word that was written, so an array that was never filled may be missing.  `loop` NULL:
 * the running one.  Returns how many lines; AW_EMISUSE when stacks are not measured, without a
 * loop, or when it is closed; AW_ETHREAD.  Does not suspend.
 *
 * Stacks are measured by loops that were made while AWAIT_STACKS=1 was in the environment, which
 * write the same report when they are closed.  Creating a task then takes some microseconds more,
 * and all of its stack's pages: it is for finding a size, not for production. */
AW_API int aw_stack_report(aw_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
