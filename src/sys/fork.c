/*
 * fork.c - knowing that this process is a copy.
 *
 * In the child of a fork a loop's thread is gone, its kernel objects are shared with the parent,
 * and its memory looks perfectly healthy; so everything that outlives a call compares the number
 * kept here.  A process id would not do: they are reused.
 *
 * The handler is registered when the library is loaded, so that no fork is missed.  Children made
 * by vfork() or a bare clone() do not run it, and must not touch the library before exec.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "sys/sys.h"

atomic_uint aw_forks;
static _Atomic(void (*)(void)) watcher;
static int registered; /* 0, or -errno: written once, before main */

static void count_fork(void)
{
    atomic_fetch_add(&aw_forks, 1);
    void (*on_child)(void) = atomic_load(&watcher);
    if (on_child)
        on_child();
}

__attribute__((constructor)) static void register_handler(void)
{
    registered = -pthread_atfork(NULL, NULL, count_fork);
}

int aw_fork_watch(void (*on_child)(void))
{
    void (*nobody)(void) = NULL;
    atomic_compare_exchange_strong(&watcher, &nobody, on_child);
    return registered;
}
