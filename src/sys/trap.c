/*
 * trap.c - catching SIGSEGV where the stack itself is what is broken.
 *
 * A handler for a stack overflow cannot run on the stack that overflowed, so each thread that
 * wants the trap has an alternate stack; the handler itself is the process's, and is put in place
 * by the first thread that wants it and taken away by the last.
 *
 * The handler is a guest.  A fault that is not ours is passed to whoever had the signal before,
 * under the conditions (mask, flags) that he had set, and dies with the fault's own siginfo where
 * that was the default action, so that a core dump looks as if we had never been there.
 *
 * Somebody may put his handler over ours and chain to it.  Taking ours away would then take his,
 * so it stays in the chain: with `fn` NULL it passes everything on.  It is not put in place a
 * second time while it may be there, because the chain would be a ring.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <ucontext.h>

#include "sys/sys.h"

enum { ALT_STACK_SIZE = 64 << 10 }; /* a report is written on it; extended registers take 12 KiB */

/* The process's side.  All but `fn` is written under the lock, `former` only while the handler is
 * not in any chain. */
static struct {
    pthread_mutex_t lock;
    unsigned users;           /* threads with the trap installed */
    bool buried;              /* users is 0, but somebody's handler may chain to ours */
    bool fork_safe;           /* the lock is held across fork() */
    struct sigaction former;  /* who had the signal before */
    _Atomic(aw_trap_fn *) fn; /* NULL: nothing is ours */
} trap = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The thread's side. */
static _Thread_local struct {
    unsigned installed; /* nesting of aw_trap_install() */
    char *stack;        /* our mapping, guard page first; NULL: an alternate stack was there */
} mine;

/* ---- in signal context ---- */

static void restore_default(int sig)
{
    struct sigaction by_default = {.sa_handler = SIG_DFL};
    sigemptyset(&by_default.sa_mask);
    sigaction(sig, &by_default, NULL);
}

/* Ends the process by the default action as soon as the handler returns: a fault happens again at
 * the same instruction, with its own siginfo, and a signal that was sent is sent again. */
static void die(int sig, const siginfo_t *info)
{
    restore_default(sig);
    if (info->si_code <= 0)
        raise(sig);
}

/* SIG_IGN covers only signals that were sent: the kernel lets no program ignore a fault. */
static bool ignored(const siginfo_t *info)
{
    return trap.former.sa_handler == SIG_IGN && info->si_code <= 0;
}

/* A former handler that wanted to be called once has been replaced by the default by then. */
static void pass_on(int sig, siginfo_t *info, void *context)
{
    const struct sigaction *former = &trap.former;
    if (ignored(info))
        return;
    if (former->sa_flags & (int)SA_RESETHAND)
        restore_default(sig);
    if (former->sa_handler == SIG_DFL || former->sa_handler == SIG_IGN)
        die(sig, info);
    else if (former->sa_flags & SA_SIGINFO)
        former->sa_sigaction(sig, info, context);
    else
        former->sa_handler(sig);
}

static uintptr_t stack_pointer(const void *context)
{
#if defined(__x86_64__) && defined(__LP64__)
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.sp;
#else
    (void)context;
    return 0;
#endif
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    int saved = errno;
    aw_trap_fn *fn = atomic_load_explicit(&trap.fn, memory_order_acquire);
    bool is_fault = info->si_code > 0;
    if (fn && is_fault && fn((uintptr_t)info->si_addr, stack_pointer(context))) {
        die(sig, info);
    } else {
        pass_on(sig, info, context);
    }
    errno = saved;
}

/* ---- the handler, process-wide; under the lock ---- */

/* Both kinds of handler are the same word, so SIG_DFL and SIG_IGN count whatever the flags say. */
static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_fault;
}

static bool is_default(const struct sigaction *action)
{
    return action->sa_handler == SIG_DFL;
}

/* Our action blocks what the former one blocked, so that a handler passed to finds its own. */
static int place_handler(const struct sigaction *former)
{
    struct sigaction ours = {.sa_sigaction = on_fault, .sa_mask = former->sa_mask};
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (former->sa_flags & (SA_NODEFER | SA_RESTART));
    trap.former = *former;
    return sigaction(SIGSEGV, &ours, NULL) < 0 ? -errno : 0;
}

/* 0: our handler is in the chain.  1: somebody else's was left alone. */
static int claim_signal(bool force)
{
    struct sigaction now;
    if (sigaction(SIGSEGV, NULL, &now) < 0)
        return -errno;
    if (is_ours(&now))
        return 0;
    if (!is_default(&now) && !force)
        return 1;
    if (!is_default(&now) && trap.buried)
        return 0;
    return place_handler(&now);
}

static void release_signal(void)
{
    struct sigaction now;
    trap.buried = sigaction(SIGSEGV, NULL, &now) < 0 || !is_ours(&now);
    if (!trap.buried)
        sigaction(SIGSEGV, &trap.former, NULL);
}

/* ---- the alternate stack, per thread ---- */

/* Nothing to do where the thread has one: its owner may rely on it. */
static int give_stack(void)
{
    stack_t now;
    if (sigaltstack(NULL, &now) < 0)
        return -errno;
    if (!(now.ss_flags & SS_DISABLE))
        return 0;
    size_t guard = aw_page_size();
    void *memory;
    int err = aw_sys.map(&memory, guard + ALT_STACK_SIZE);
    if (err < 0)
        return err;
    char *stack = memory;
    stack_t wanted = {.ss_sp = stack + guard, .ss_size = ALT_STACK_SIZE};
    err = aw_sys.protect_none(stack, guard);
    if (err == 0 && sigaltstack(&wanted, NULL) < 0)
        err = -errno;
    if (err < 0)
        aw_sys.unmap(stack, guard + ALT_STACK_SIZE);
    else
        mine.stack = stack;
    return err;
}

/* A stack that somebody replaced is no longer used; one that this call runs on is left. */
static void take_stack(void)
{
    size_t guard = aw_page_size();
    char *stack = mine.stack;
    stack_t now, none = {.ss_flags = SS_DISABLE};
    mine.stack = NULL;
    if (!stack || sigaltstack(NULL, &now) < 0)
        return;
    if (now.ss_sp == stack + guard && sigaltstack(&none, NULL) < 0)
        return;
    aw_sys.unmap(stack, guard + ALT_STACK_SIZE);
}

/* ---- installing and removing ---- */

static void lock(void)
{
    pthread_mutex_lock(&trap.lock);
}

static void unlock(void)
{
    pthread_mutex_unlock(&trap.lock);
}

/* The lock is taken by whoever forks, so that the child never finds it held by a thread that it
 * does not have. */
static int make_fork_safe(void)
{
    int err = trap.fork_safe ? 0 : -pthread_atfork(lock, unlock, unlock);
    trap.fork_safe = err == 0;
    return err;
}

/* One function per process, since there is one handler. */
static int add_user(aw_trap_fn *fn, bool force)
{
    if (trap.users > 0 && atomic_load(&trap.fn) != fn)
        return -EBUSY;
    int result = make_fork_safe();
    if (result == 0 && trap.users == 0)
        result = claim_signal(force);
    if (result != 0)
        return result;
    trap.buried = false;
    trap.users++;
    atomic_store_explicit(&trap.fn, fn, memory_order_release);
    return 0;
}

static void drop_user(void)
{
    aw_assert(trap.users > 0);
    if (--trap.users > 0)
        return;
    atomic_store_explicit(&trap.fn, NULL, memory_order_release);
    release_signal();
}

int aw_trap_install(aw_trap_fn *fn, bool force)
{
    if (!fn)
        return -EINVAL;
    if (mine.installed > 0) {
        if (atomic_load(&trap.fn) != fn)
            return -EBUSY;
        mine.installed++;
        return 0;
    }
    int err = give_stack();
    if (err < 0)
        return err;
    lock();
    int result = add_user(fn, force);
    unlock();
    if (result == 0)
        mine.installed = 1;
    else
        take_stack();
    return result;
}

void aw_trap_remove(void)
{
    if (mine.installed == 0 || --mine.installed > 0)
        return;
    lock();
    drop_user();
    unlock();
    take_stack();
}
