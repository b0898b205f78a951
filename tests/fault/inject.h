/*
 * inject.h - making the k-th call of a kind fail, or the k-th suspension end in a cancellation.
 *
 * The library gets its memory from one allocator and everything else from one table of system
 * calls; both are replaced here by functions that count, and that fail when the plan says so.  A
 * plan is one fault, a number k, and whether it stays: the whole of a sweep is the list of all
 * plans for a scenario, made from the counts of an undisturbed run.
 *
 * Who needed what failed is told, unless the table of faults, the functions named in inject.c, or
 * the scenario itself say that nothing is worse for it.
 */
#ifndef TESTS_FAULT_INJECT_H
#define TESTS_FAULT_INJECT_H

#include <stdbool.h>
#include <stddef.h>

#include "fault/scenarios.h"

struct aw_loop;

/* What is counted. */
enum site {
    SITE_ALLOC,
    SITE_MAP,
    SITE_UNMAP,
    SITE_PROTECT_NONE,
    SITE_NO_HUGE,
    SITE_EPOLL_CREATE,
    SITE_EPOLL_CTL,
    SITE_EPOLL_WAIT,
    SITE_EVENTFD,
    SITE_GET_FLAGS,
    SITE_POLL_ONE,
    SITE_READ,
    SITE_WRITE,
    SITE_RECV,
    SITE_SEND,
    SITE_ACCEPT,
    SITE_CONNECT,
    SITE_CLOSE,
    SITE_PREAD_NOW,
    SITE_PREAD,
    SITE_PWRITE,
    SITE_OPENAT,
    SITE_STATX,
    SITE_FSYNC,
    SITE_RENAMEAT,
    SITE_FCHMOD,
    SITE_UNLINKAT,
    SITE_MKDIRAT,
    SITE_GETDENTS,
    SITE_RING_OPEN,
    SITE_RING_PROBE,
    SITE_RING_ATTACH,
    SITE_RING_DETACH,
    SITE_RING_BUFFERS,
    SITE_RING_ENTER,
    SITE_SOCKET_PAIR,
    SITE_SEND_FDS,
    SITE_SEND_NOW,
    SITE_RECV_NOW,
    SITE_POLL,
    SITE_SIGACTION,
    SITE_PIPE,
    SITE_KILL,
    SITE_SPAWN,
    SITE_PIDFD_OPEN,
    SITE_PIDFD_SIGNAL,
    SITE_REAP,
    SITE_SET_FLAGS,
    SITE_PIPE_WRITE,
    SITE_GET_OPTION,
    SITE_SOCKET,
    SITE_BIND,
    SITE_LISTEN,
    SITE_SOCKET_NAME,
    SITE_SET_OPTION,
    SITE_LOOKUP,
    SITE_FILE_ID,
    SITE_UNLINK,
    SITE_RANDOM,
    SITE_END_SENDING,
    SITE_THREAD,
    SITE_FUTEX_WAIT,
    SITE_SUSPEND,
    SITES
};

/* Whether somebody is to be told of a fault: always; if it stays; never, since it must not make a
 * difference. */
enum telling { TOLD, TOLD_IF_EVER, HARMLESS };

/* A way in which the world can be unkind. */
struct fault {
    enum sweep_kind kind;
    enum site site;
    const char *name;
    int error; /* negative, as the table's entries return it */
    enum telling telling;
    bool ever; /* also swept with every later call failing too */
};
extern const struct fault faults[];
extern const size_t n_faults;

/* One point of a sweep. */
struct point {
    const struct fault *fault;
    unsigned k; /* the first call that fails, from 1 on */
    bool ever;
};

/* What a run is to leave as it found it. */
struct account {
    size_t blocks, bytes; /* of the allocator */
    size_t mapped;        /* bytes */
    size_t descriptors;
};

/* Put the counting functions in place, for the rest of the process; inject_sockets() is its part
 * for sockets and names. */
void inject_install(void);
void inject_sockets(void);

/* Counts a call; the error it is to fail with, or 0. */
int inject_hit(enum site site, bool benign_here);

/* Looks names up in place of the system's resolver; what it finds is one block of malloc().  NULL:
 * the system's. */
struct addrinfo;
typedef int inject_lookup_fn(const char *host, const char *port, const struct addrinfo *hints,
                             struct addrinfo **ret);
extern inject_lookup_fn *inject_lookup_instead;

/* A process begins to run scenarios: what a program does first in main is done. */
void process_begins(void);

/* Count from zero, with a fault or (NULL) none; and stop. */
void inject_begin(const struct point *p);
void inject_end(void);

/* In this run a failure there is harmless too, says the scenario, if everything comes out right. */
void may_be_silent(enum site site);

/* In this run somebody may be told of a failure there that is harmless elsewhere. */
void may_be_told(enum site site);
bool inject_may_be_told(enum site site);

/* Since inject_begin(): calls at a site, faults that happened, and those of them that somebody has
 * to be told of. */
unsigned inject_seen(enum site site);
unsigned inject_fired(void);
unsigned inject_loud(void);

/* ---- inject_files.c ---- */

/* The part of inject_install() that is there. */
void inject_install_files(void);

/* ---- inject_children.c ---- */

/* Their calls in the table are replaced; `system` has the system's own. */
struct aw_sys_table;
void inject_children(const struct aw_sys_table *system, struct aw_sys_table *table);

/* ---- inject.c ---- */

/* A task falls asleep: how it is to be disturbed, or NULL. */
const struct fault *inject_suspension(void);

struct account account_now(void);

/* ---- losing.c ---- */

/* How deep this thread is in functions that may lose what they ask memory for. */
extern _Thread_local unsigned inject_benign;

/* ---- cancel.c ---- */

/* Suspensions of this loop's tasks count from now on. */
void inject_watch(struct aw_loop *l);

/* A run begins. */
void cancel_begin(void);

#endif
