/*
 * signal.c - signals of the process, lent to one taker each.
 *
 * A taker's function is called in signal context, in whatever thread the kernel chose; it may only
 * set flags and wake somebody.  Giving a signal back restores the action that was in force, and
 * returns only when no handler is at work any more, so that the taker's memory may go.
 *
 * The child of a fork inherits the handlers, and not the loops they serve: what was taken before
 * the fork counts as given back there.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "sys/sys.h"

#define SIGNALS 65

static struct taken {
    _Atomic(aw_signal_fn *) fn; /* NULL: not taken */
    void *_Atomic arg;
    _Atomic unsigned generation; /* of the process that took it */
    struct sigaction former;
} taken[SIGNALS];
static atomic_int handlers_at_work;

static bool is_taken(struct taken *t)
{
    return atomic_load(&t->fn) && atomic_load(&t->generation) == aw_fork_generation();
}

/* In the child of a fork: as it was before, beginning with this one, which is blocked until the
 * handler returns. */
static void pass_on(int signo)
{
    sigaction(signo, &taken[signo].former, NULL);
    raise(signo);
}

static void on_signal(int signo)
{
    int saved = errno;
    struct taken *t = &taken[signo];
    atomic_fetch_add(&handlers_at_work, 1);
    aw_signal_fn *fn = atomic_load(&t->fn);
    if (fn && atomic_load(&t->generation) != aw_fork_generation())
        pass_on(signo);
    else if (fn)
        fn(signo, atomic_load(&t->arg));
    atomic_fetch_sub(&handlers_at_work, 1);
    errno = saved;
}

int aw_signal_take(int signo, aw_signal_fn *fn, void *arg)
{
    if (signo < 1 || signo >= SIGNALS || !fn)
        return -EINVAL;
    struct taken *t = &taken[signo];
    aw_process_lock();
    if (is_taken(t)) {
        aw_process_unlock();
        return -EBUSY;
    }
    atomic_store(&t->arg, arg);
    atomic_store(&t->generation, aw_fork_generation());
    atomic_store(&t->fn, fn);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
    sigfillset(&action.sa_mask);
    int err = aw_sys.sigaction(signo, &action, &before);
    if (err < 0)
        atomic_store(&t->fn, NULL);
    else if (before.sa_handler != on_signal) /* or it is the parent's, and what was before it */
        t->former = before;
    aw_process_unlock();
    return err;
}

void aw_signal_give_back(int signo)
{
    aw_process_lock();
    aw_assert(atomic_load(&taken[signo].fn));
    sigaction(signo, &taken[signo].former, NULL);
    atomic_store(&taken[signo].fn, NULL);
    aw_process_unlock();
    while (atomic_load(&handlers_at_work) > 0)
        sched_yield();
}

bool aw_signal_is_default_sigint(void)
{
    struct sigaction action;
    if (sigaction(SIGINT, NULL, &action) < 0)
        return false;
    if (action.sa_handler == on_signal && !is_taken(&taken[SIGINT]))
        action = taken[SIGINT].former;
    return !(action.sa_flags & SA_SIGINFO) && action.sa_handler == SIG_DFL;
}

void aw_signal_raise(int signo)
{
    int saved = errno;
    kill(getpid(), signo);
    errno = saved;
}

void aw_signal_die(int signo)
{
    signal(signo, SIG_DFL);
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, signo);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    raise(signo);
    _exit(128 + signo);
}

bool aw_is_main_thread(void)
{
    return aw_thread_id() == (long)getpid();
}
