/*
 * await/signal.h - signals of the process: as callbacks of a loop, and to be waited for.
 *
 *     AW_TRY(aw_add_signal_handler(SIGHUP, reload, &config));
 *     ...
 *     int signo = aw_signal_wait(aw_signal(SIGUSR1) | aw_signal(SIGUSR2));
 *
 * Whatever thread the kernel interrupts, the answer comes in the loop's thread: a callback is an
 * ordinary callback, which may call anything.  Signals of one number that come faster than the loop
 * can answer are one, as they are for the kernel.
 *
 * Whose a signal is.  It is the loop's while somebody there wants it, and has its former action
 * again when nobody does: after the last handler is removed, the last wait is over, or the loop is
 * closed.  One loop of a process can have it at a time.  A signal that aw_run() was given with
 * .stop_on is refused (-EBUSY): use aw_stop_wait() for that.  The SIGINT that a runner takes of its
 * own accord goes to handlers and waits while there are any, and stops the run otherwise.
 *
 * Signals are for the main thread's loops.  SIGKILL and SIGSTOP cannot be caught, and faults
 * (SIGSEGV, SIGBUS, SIGFPE, SIGILL) not by a callback: AW_EMISUSE.
 *
 * In the child of a fork nothing of this is in force: signals have their former actions there.
 */
#ifndef AWAIT_SIGNAL_H
#define AWAIT_SIGNAL_H

#include "await/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- callbacks ---- */

/* int aw_add_signal_handler(int signo, aw_callback *cb, void *arg, ...options of aw_call_soon()):
 * have it called for every signal of that number; a second handler replaces the first.
 *
 * It runs before what is ready then, with the task-local values of the caller.  Its handle
 * (.handle) cancels it; a loop with a handler is not taken for deadlocked.  .loop may be one that
 * does not run yet.  0; -EINVAL (no such signal, cb is NULL); AW_EMISUSE for signals that cannot be
 * caught, outside the main thread, without a loop or for a closed one; -EBUSY when another loop has
 * it, or .stop_on; AW_ETHREAD; -ENOMEM; the error of sigaction(2).  Does not suspend. */
#ifndef __cplusplus
#define aw_add_signal_handler(signo, cb, ...)                                                      \
    aw_add_signal_handler_((signo), (cb), AW_CALL_OPTS_(cb, .arg = __VA_ARGS__))
#endif
AW_API int aw_add_signal_handler_(int signo, aw_callback *cb, const aw_call_opts *opts);

/* Take it away (NULL: of the running loop): 1, or 0 when there was none, which is so for signals
 * that cannot be caught.  A signal that has come and was not answered is forgotten.  -EINVAL (no
 * such signal), AW_EMISUSE without a loop, AW_ETHREAD. */
AW_API int aw_remove_signal_handler(aw_loop *loop, int signo);

/* ---- waiting ---- */

/* The set of one signal; sets are joined by |.  Of a number that is no signal's: the empty set. */
static inline uint64_t aw_signal(int signo)
{
    return signo >= 1 && signo <= 64 ? (uint64_t)1 << (signo - 1) : 0;
}

/* Suspend until a signal of the set comes: its number.
 *
 * The signals are the loop's for the time of the wait only: one that comes before or after it has
 * its former action.  To miss none between two waits use aw_signals_new().  All that wait for a
 * signal get it, and handlers too.  Cancellation ends the wait with -ECANCELED, unless a signal has
 * come before: then that is returned.  Errors as of aw_add_signal_handler(); -EINVAL for an empty
 * set; AW_EMISUSE outside a task. */
AW_API int aw_signal_wait(uint64_t set) AW_MUST_USE;

/* Signals that are kept until they are asked for. */
typedef struct aw_signals aw_signals;

/* Have signals of the set kept, from now on: an object of the running or, outside of one, the given
 * loop (NULL: the running one).  NULL with aw_errno(): as aw_signal_wait(), -ENOMEM. */
AW_API aw_signals *aw_signals_new(aw_loop *loop, uint64_t set);

/* The number of a signal that has come since the last call, the lowest if there are several, or
 * else suspend until one comes.  Those that come while several tasks wait go to all of them; those
 * that come while none does are kept, one of each number.  Cancellation as with aw_signal_wait().
 * AW_EMISUSE outside a task and when the loop was closed; AW_ETHREAD; -EINVAL for NULL. */
AW_API int aw_signals_wait(aw_signals *s) AW_MUST_USE;

/* Give it up: the signals have their former actions again, those that were kept are forgotten.
 * Nobody may wait for it.  NULL is allowed. */
AW_API void aw_signals_free(aw_signals *s);

#ifdef __cplusplus
}
#endif
#endif
