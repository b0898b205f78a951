/*
 * upper.h - what the layers above the core (files, network, processes) see of it besides the
 * public calls: errors, the end of a loop, tasks that wait in line, signals.
 *
 * Everything here belongs to the thread that runs the loop.
 */
#ifndef AW_UPPER_H
#define AW_UPPER_H

#include "base/buf.h"
#include "base/list.h"

#include "await/loop.h"

/* ---- errors ---- */

/* Both record the detail of a failing call; `msg` is a literal or NULL.  The first returns the
 * code, the second is for calls that return NULL. */
int aw_fail(int code, const char *msg);
void *aw_fail_null(int code, const char *msg);

/* What was tried and with what, as printf() has it, and the text of the code behind it: "cannot
 * bind 127.0.0.1:80: address already in use".  Returns the code. */
int aw_fail_about(int code, const char *fmt, ...) AW_PRINTF(2, 3);

/* Record the code and keep the detail that a check has recorded; NULL. */
void *aw_null(int code);

/* What a call that was handed NULL answers. */
int aw_null_handle(void);

/* ---- the loop ---- */

/* The loop of the running task, not counted as known to the user; NULL with the reason recorded. */
aw_loop *aw_loop_of_task(void);
/* The same of the running loop, whether a task runs or a callback. */
aw_loop *aw_loop_here_quietly(void);

/* 0 if this thread may use the loop now; AW_ETHREAD or AW_EFORKED, recorded. */
int aw_loop_check_slow(const aw_loop *l);

/* Keep the memory of a loop that this thread may use, and let go of it. */
void aw_loop_keep(aw_loop *l);
void aw_loop_let_go(aw_loop *l);

/* What a layer above has to do when a loop closes: run() is called once, in the closing thread,
 * after the inbox was closed and before the schedule is dropped; it is off the list then. */
struct aw_closer {
    aw_list link; /* on loop->closers */
    void (*run)(struct aw_closer *closer);
};
void aw_closer_add(aw_loop *l, struct aw_closer *closer);
void aw_closer_remove(struct aw_closer *closer);

/* So many things more, or less, that may wake the loop and that it cannot see. */
void aw_loop_expect(aw_loop *l, int by);

/* aw_add_reader() that tells in the place of a report when the descriptor cannot be watched (any
 * more); the reader is gone then.  opts->loop is set. */
int aw_fd_watch(int fd, aw_callback *cb, void (*failed)(void *arg, int error),
                const aw_call_opts *opts);

/* A child process is left to itself or killed, as `message` says. */
void aw_report_child(aw_loop *l, const char *message, const char *name, const char *file, int line);

/* ---- line.c: tasks that wait in line ---- */

struct aw_line {
    aw_list waiting; /* aw_list_init() */
};

/* The public call that waits. */
struct aw_line_call {
    const char *name;
    const void *caller; /* the return address of the public call */
    void (*describe)(const void *object, aw_buf *out);
    const void *object;
    bool (*patient)(const void *object); /* a cancellation waits until it is woken; NULL: never */
};

/* In a task: suspend until the line is woken; that result.  -ECANCELED, but not when it was woken
 * before: then the cancellation waits for the next call. */
int aw_line_wait(struct aw_line *line, const struct aw_line_call *call);

/* Wake all of them. */
void aw_line_wake(struct aw_line *line, int result);

/* ---- signals.c ---- */

#define AW_SIGNAL_BIT(signo) (UINT64_C(1) << ((signo)-1))

/* Who wants to know of signals: arrived() is called once for each that came, in the loop's thread
 * and before what is ready runs; it may wake tasks, and must not run the user's code. */
struct aw_signal_sub {
    aw_list link; /* on loop->signal_subs */
    uint64_t set; /* AW_SIGNAL_BIT() of each */
    void (*arrived)(struct aw_signal_sub *sub, int signo);
    aw_loop *loop;
};

/* Begin, in the main thread: 0; -EINVAL for an empty set or a number that is no signal's;
 * AW_EMISUSE for signals that cannot be caught, and in another thread; -EBUSY when another loop
 * has one of them, or the run's own stop; sigaction()'s error. */
int aw_signal_subscribe(aw_loop *l, struct aw_signal_sub *sub);

/* Has one come that will be told? */
bool aw_signal_is_coming(const struct aw_signal_sub *sub);

/* End: signals that nobody else wants have their former actions again.  Returns those that came
 * and had not been told. */
uint64_t aw_signal_unsubscribe(struct aw_signal_sub *sub);

/* Let these come again, if they have their former actions now. */
void aw_signal_come_again(aw_loop *l, uint64_t set);

#endif
