/*
 * process.h - a child process: what its files share.
 *
 *     spawn.c        options, pipes, the start
 *     process.c      its life: the end seen, waited for, signalled; the end of its loop
 *     communicate.c  input and outputs, a program run to its end
 *
 * One descriptor becomes readable when the child has ended: a pidfd, or, where the kernel has none,
 * the end of a pipe whose other end is closed by a thread that waits.  The loop watches it as long
 * as the child is there, sees the child off when it ends, and only then is its number free to be
 * another's; so whoever signals by number or by pidfd before that signals this child.
 */
#ifndef AW_PROC_CHILD_H
#define AW_PROC_CHILD_H

#include "core/upper.h"
#include "sys/spawn.h"
#include "sys/thread.h"

#include "await/process.h"

/* This side of a pipe: a descriptor, until somebody wants it as a stream. */
struct aw_pipe_end {
    int fd; /* or -1 */
    aw_stream *stream;
};

struct aw_process {
    unsigned refs; /* handles; and one while it has not ended */
    unsigned handles;
    aw_loop *loop; /* its memory is kept */
    int pid;
    int end_fd; /* readable when it has ended; -1 once it was seen off */
    bool has_pidfd;
    struct aw_os_thread waiter; /* without one: the thread that waits, until it was joined */
    int waiter_fd;              /* what it closes then */
    bool ended, lost;           /* seen off; and its status was not to be had */
    int unwatched;              /* the error because of which the loop does not watch it, or 0 */
    bool leads_group;
    int status;
    struct aw_line line; /* those who wait */
    struct aw_closer closer;
    struct aw_pipe_end ends[3];
    size_t limit;
    const char *file;
    int line_number;
    char name[64]; /* of the program, for reports */
};

/* ---- process.c ---- */

/* A record for a child to be; NULL with the reason.  And the child is there: watch it.  If that
 * fails it is killed, and the record is still the caller's. */
aw_process *aw_child_new(aw_loop *l, const aw_process_opts *opts);
int aw_child_begin(aw_process *p, int pid);
/* It never was: frees the record. */
void aw_child_discard(aw_process *p);

/* An error with its reason, and the process that it is about. */
int aw_child_raise(const aw_process *p, int code, const char *why);

/* 0, or the error of a handle that is NULL or not of this thread. */
int aw_child_check(const aw_process *p);

/* ---- spawn.c ---- */

/* A child, as the options say that make one; NULL with the reason. */
aw_process *aw_child_create(const aw_process_opts *opts);

/* ---- communicate.c ---- */

/* Close this side, at once. */
void aw_pipe_end_close(struct aw_pipe_end *e);

#endif
