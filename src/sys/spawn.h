/*
 * spawn.h - child processes that run other programs: started, signalled, waited for.
 */
#ifndef AW_SYS_SPAWN_H
#define AW_SYS_SPAWN_H

#include "sys/sys.h"

enum aw_spawn_step {
    AW_SPAWN_CHDIR = 1, /* to .cwd */
    AW_SPAWN_PASS,      /* a descriptor to be handed on */
    AW_SPAWN_SET_UP,    /* anything else before the program */
    AW_SPAWN_EXEC,      /* the program itself */
};

/* What to start and how; all of it stays the caller's. */
struct aw_spawn {
    const char *program; /* a path if there is a slash in it, else looked for in `path` */
    const char *path;    /* directories between colons */
    char *const *argv;
    char *const *envp; /* NULL: the parent's */
    const char *cwd;   /* NULL: the parent's */
    int std[3];        /* become 0, 1, 2; negative: the parent's.  May be among 0..2 themselves */
    bool err_to_out;   /* 2 becomes what 1 does */
    const int *pass;   /* others that the child has, under their numbers */
    size_t n_pass;
    bool new_session, new_group;
    enum aw_spawn_step failed_at; /* set when it fails in the child; 0: before there was one */
};

/* Start it: the process id, or -errno of what failed, in the child too.  The program gets no other
 * descriptor and an empty mask of signals; those that are handled here, and SIGPIPE, have their
 * default action there, those ignored stay so.  Returns when the program has begun. */
int aw_spawn_now(struct aw_spawn *s);

/* A descriptor that is readable once this child has ended; close-on-exec. */
int aw_pidfd_open(int pid);
int aw_pidfd_signal(int pidfd, int signo);

/* Has the child ended?  Then it is gone: 1 and its status, as waitpid() has it.  0: it runs.
 * pidfd < 0: by its number. */
int aw_reap(int pidfd, int pid, int *ret_status);

/* Wait, in this thread, until it has ended, and leave it to be reaped. */
void aw_wait_for_end(int pid);

#endif
