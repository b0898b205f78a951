/*
 * signal.c - signals of the process, lent to one taker each.
 *
 * A taker's function is called in signal context, in whatever thread the kernel chose; it may only
 * set flags and wake somebody.  Giving a signal back restores the action that was in force, and
 * returns only when no handler is at work any more, so that the taker's memory may go.
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
    struct sigaction former;
} taken[SIGNALS];
static atomic_int handlers_at_work;

static void on_signal(int signo)
{
    int saved = errno;
    atomic_fetch_add(&handlers_at_work, 1);
    aw_signal_fn *fn = atomic_load(&taken[signo].fn);
    if (fn)
        fn(signo, atomic_load(&taken[signo].arg));
    atomic_fetch_sub(&handlers_at_work, 1);
    errno = saved;
}

int aw_signal_take(int signo, aw_signal_fn *fn, void *arg)
{
    if (signo < 1 || signo >= SIGNALS || !fn)
        return -EINVAL;
    struct taken *t = &taken[signo];
    aw_process_lock();
    if (atomic_load(&t->fn)) {
        aw_process_unlock();
        return -EBUSY;
    }
    atomic_store(&t->arg, arg);
    atomic_store(&t->fn, fn);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    int err = sigaction(signo, &action, &t->former) < 0 ? -errno : 0;
    if (err < 0)
        atomic_store(&t->fn, NULL);
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
    return sigaction(SIGINT, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) &&
           action.sa_handler == SIG_DFL;
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
