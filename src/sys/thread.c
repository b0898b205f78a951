/*
 * thread.c - starting and ending threads.
 *
 * A thread is told what to do by a record on its starter's stack: the starter waits until it has
 * been read, so that starting needs no memory that somebody would have to free.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "sys/thread.h"

struct orders {
    void (*fn)(void *arg);
    void *arg;
    char name[16];
    _Atomic uint32_t read;
};

static void *run(void *p)
{
    struct orders *o = p;
    void (*fn)(void *) = o->fn;
    void *arg = o->arg;
    if (*o->name)
        pthread_setname_np(pthread_self(), o->name);
    atomic_store(&o->read, 1);
    aw_futex_wake_all(&o->read);
    fn(arg);
    return NULL;
}

static int set_up(pthread_attr_t *attr, size_t stack_size, int cpu)
{
    int err = stack_size ? pthread_attr_setstacksize(attr, stack_size) : 0;
    if (!err && cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        if (cpu >= CPU_SETSIZE)
            return EINVAL;
        CPU_SET(cpu, &set);
        err = pthread_attr_setaffinity_np(attr, sizeof set, &set);
    }
    return err;
}

/* All but those of faults: a fault in a thread that blocks its signal ends the process without the
 * handler that would explain it. */
static void block_signals(sigset_t *before)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&set, faults[i]);
    pthread_sigmask(SIG_SETMASK, &set, before);
}

int aw_os_thread_start(struct aw_os_thread *t, const char *name, size_t stack_size, int cpu,
                       void (*fn)(void *arg), void *arg)
{
    struct orders o = {.fn = fn, .arg = arg};
    pthread_attr_t attr;
    pthread_t handle;
    sigset_t before;
    snprintf(o.name, sizeof o.name, "%s", name ? name : "");
    int err = pthread_attr_init(&attr);
    if (err)
        return -err;
    err = set_up(&attr, stack_size, cpu);
    block_signals(&before);
    if (!err)
        err = pthread_create(&handle, &attr, run, &o);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (err)
        return -err;
    t->handle = (uint64_t)handle;
    while (!atomic_load(&o.read))
        aw_futex_wait(&o.read, 0, INT64_MAX);
    return 0;
}

void aw_os_thread_join(struct aw_os_thread *t)
{
    int err = pthread_join((pthread_t)t->handle, NULL);
    aw_assert(err == 0);
}

void aw_os_thread_detach(struct aw_os_thread *t)
{
    int err = pthread_detach((pthread_t)t->handle);
    aw_assert(err == 0);
}

unsigned aw_usable_cpus(void)
{
    cpu_set_t own, first;
    CPU_ZERO(&own);
    CPU_ZERO(&first);
    (void)sched_getaffinity(0, sizeof own, &own);
    (void)sched_getaffinity(getpid(), sizeof first, &first);
    CPU_OR(&own, &own, &first);
    return (unsigned)CPU_COUNT(&own) ? (unsigned)CPU_COUNT(&own) : 1;
}
