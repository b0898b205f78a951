/*
 * thread.h - threads of the operating system, as far as loops and pools need them.
 */
#ifndef AW_SYS_THREAD_H
#define AW_SYS_THREAD_H

#include "sys/sys.h"

/* A thread: started by aw_os_thread_start(), and joined or detached once. */
struct aw_os_thread {
    uint64_t handle; /* private */
};

/* Start fn(arg) in a thread with all signals blocked but those of faults, so that they go to the
 * program's own threads.
 * stack_size 0 is the system's default; cpu < 0 is any processor; the name is cut to 15 characters,
 * NULL leaves it.  0, -EAGAIN, -EINVAL. */
int aw_os_thread_start(struct aw_os_thread *t, const char *name, size_t stack_size, int cpu,
                       void (*fn)(void *arg), void *arg);
void aw_os_thread_join(struct aw_os_thread *t);
void aw_os_thread_detach(struct aw_os_thread *t);

/* Processors that this thread or the process's first may use, since either may be bound to one of
 * several: >= 1. */
unsigned aw_usable_cpus(void);

#endif
