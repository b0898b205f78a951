/*
 * child.h - worker processes, forked by a server that was forked before there were threads.
 *
 *     program ---- control ----> server --fork--> worker
 *        |  \------ status ------/                  |
 *         \-------- data -------------------------- /
 *
 * For each worker the program makes two pairs of sockets and hands one end of each over: `data` is
 * the worker's, and what goes over it is its business; over `status` the worker tells that it has
 * started, and the server, with which it stays, how it has ended; there the server is asked for
 * signals, too.  Only it waits for workers, so a process id that it signals is still the worker's.
 * The program closing its end of `status` means SIGKILL for the worker; closing `control`, also by
 * dying, the end of them all.
 */
#ifndef AW_SYS_CHILD_H
#define AW_SYS_CHILD_H

#include "sys/sys.h"

/* What a worker does: `data` is its only descriptor besides the standard three.  Returning ends
 * the process. */
typedef void aw_child_main(int data);

/* Fork the server off, unless this process has one: 0; -EBUSY when there are threads, whatever the
 * system says. */
int aw_child_server_start(aw_child_main *worker);

/* Has this process a server?  Its descriptor, to be polled for POLLHUP: the server is gone. */
bool aw_child_server_is_there(void);
int aw_child_server_fd(void);

/* Ask for a worker: the program's ends, which do not block, and 0; or -errno. */
int aw_child_spawn(int *ret_data, int *ret_status);

/* Have a signal sent to it; lost if it is gone. */
void aw_child_signal(int status, int signo);

/* What is told on `status`. */
struct aw_child_news {
    int32_t kind;   /* AW_CHILD_* */
    int32_t pid;    /* of the worker; 0 where there is none */
    int32_t status; /* ended: as waitpid() gives it; refused: -errno */
};
enum {
    AW_CHILD_STARTED = 1, /* told before the worker does anything */
    AW_CHILD_ENDED,       /* it may have come to its end before it told that it had started */
    AW_CHILD_REFUSED,
    AW_CHILD_LOST, /* no news will come any more; never sent, but made of the end of file */
};

/* The next news: 1, or 0 when there is none yet. */
int aw_child_news(int status, struct aw_child_news *ret);

/* "was killed by signal 9 (Killed)", "ended with status 3". */
void aw_child_describe(int wait_status, char *out, size_t size);

/* Have a poll of an eventfd return, now or next time; and take that back.  Cannot fail. */
void aw_eventfd_add(int fd);
void aw_eventfd_clear(int fd);

/* How many threads this process has, or -errno. */
int aw_thread_count(void);

#endif
