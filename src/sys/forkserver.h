/*
 * forkserver.h - the other side of child.h: what runs in the process that forks the workers.
 */
#ifndef AW_SYS_FORKSERVER_H
#define AW_SYS_FORKSERVER_H

#include "sys/child.h"
#include "sys/notes.h"

/* Threads that the system counts and nobody made: a sanitizer's own, from the first thread or fork
 * on. */
#ifdef AW_TSAN
#define AW_OWN_THREADS 1
#else
#define AW_OWN_THREADS 0
#endif

/* Be the server, whose end of `control` this is. */
_Noreturn void aw_forkserver_run(int control, aw_child_main *worker);

/* The first message on `control`: 0, or -errno why there will be no server. */
void aw_forkserver_greet(int control, int err);

#endif
