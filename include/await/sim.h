/*
 * await/sim.h - a simulated network, for tests of programs that use this library.
 *
 *     static int main_task(void *arg) { ... aw_start_server(), aw_open_connection(), ... }
 *
 *     for (uint64_t seed = 1; seed <= 1000; seed++)
 *         if (aw_sim_run(main_task, NULL, .seed = seed, .swarm = true) < 0)
 *             printf("fails with seed %llu\n", (unsigned long long)seed);
 *
 * aw_sim_run() is aw_run() with a virtual clock and, in place of the kernel's, stream sockets that
 * exist in this process only: between its tasks, with numeric addresses (IPv4, IPv6) and Unix
 * paths, which are names and no files.  Whatever a slow or broken network does is drawn from one
 * seed, so that a run that fails fails again with the same seed.  The library is libawait-testing
 * (await-testing.pc).
 *
 * Simulated are the sockets that the library makes itself in the running thread (await/net.h), and
 * those of aw_sim_socket() and aw_sim_pair(); their numbers lie from AW_SIM_FIRST_FD on and mean
 * nothing to the kernel.  Streams and the calls of await/io.h take them as any others.  Every other
 * descriptor is the kernel's; waiting for those, and for threads, takes real time, and what they
 * bring is not drawn from the seed.  There are no simulated datagrams but those of pairs, and
 * aw_sendfile() does not send to a simulated socket.  Options of sockets are kept and told, and
 * change nothing but SO_REUSEPORT.
 *
 * A run in which nothing is on its way any more, and nobody outside could wake it, ends with
 * -EDEADLK and a report, as that of aw_run() does.  To close a descriptor that an operation still
 * waits on ends the process: elsewhere it is a mistake that nobody notices.
 *
 * All calls belong into the thread of the run, and other threads may not begin or end a loop while
 * the first run of several begins or the last one ends.
 */
#ifndef AWAIT_SIM_H
#define AWAIT_SIM_H

#include "await/io.h"
#include "await/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The number of the first simulated descriptor, and how many there may be. */
enum { AW_SIM_FIRST_FD = 65536, AW_SIM_FDS = 65536 };

/* How often what was done: see the options. */
typedef struct aw_sim_counts {
    uint64_t connections; /* accepted or paired */
    uint64_t bytes;       /* that arrived */
    uint64_t split, coalesced, short_writes, short_reads, storms, refusals, stalls, resets,
        half_closes, aborted, full_backlogs, late;
    uint64_t left_open; /* descriptors that nobody had closed at the end */
} aw_sim_counts;

/* Options of aw_sim_run().  Those of chance are from 0, never, to 1, always. */
typedef struct aw_sim_opts {
    const char *file, *fn_name; /* filled by the macro */
    int line;
    void *arg;
    uint64_t seed;        /* everything is drawn from it; 0 is a seed too */
    bool swarm;           /* draw each fault's chance, the times and the buffer: some are none */
    bool shuffle;         /* tasks that are ready run in a drawn order */
    double latency;       /* seconds that bytes are under way, at least */
    double jitter;        /* and up to so many more */
    double split;         /* chance that what is sent at once arrives in pieces, for each piece */
    double coalesce;      /* ... that it arrives together with what was sent before */
    double short_write;   /* ... that a call sends only a part */
    double short_read;    /* ... that a call receives only a part of what is there */
    double storm;         /* ... that a call which could go on begins a series of -EAGAIN */
    double stall;         /* ... that a way stands still behind a send, for up to two seconds */
    double reset;         /* ... that a send breaks its connection */
    double half_close;    /* ... that the way ends behind a send: end here, -EPIPE there */
    double abort;         /* ... that a connection is broken before it is accepted */
    double late;          /* ... that an operation that could be done is done or told in the next
                             pass only, and that cancelling one takes as long */
    size_t buffer;        /* bytes that a way holds; 64 KiB */
    unsigned descriptors; /* at most; AW_SIM_FDS.  More fail with -EMFILE */
    double calm_after;    /* seconds until there are no more faults; 0: there always are */
    int (*exception_handler)(const struct aw_report *report, void *arg); /* as in aw_run_opts */
    void *exception_arg;
    aw_sim_counts *ret_counts; /* receives how often each happened */
    uint64_t *ret_trace;       /* receives the run as one number: two that did the same have the
                                  same (see aw_loop_trace()) */
} aw_sim_opts;

/* int aw_sim_run(aw_fn *main, void *arg, ...options): run a coroutine in a simulated world.
 *
 * main's result or error, and the errors of aw_run(); -EINVAL for a chance that is none, a time or
 * a buffer out of bounds; AW_EMISUSE inside a loop or a simulation.  Blocks the thread. */
#ifndef __cplusplus
#define aw_sim_run(fn, ...)                                                                        \
    aw_sim_run_((fn), &(aw_sim_opts){                                                              \
                          .file = __FILE__, .line = __LINE__, .fn_name = #fn, .arg = __VA_ARGS__})
#endif
AW_API int aw_sim_run_(aw_fn *main, const aw_sim_opts *opts);

/* From now on nothing goes wrong any more: bytes arrive after .latency, and that is all.  What has
 * been begun goes on to its end.  0; AW_EMISUSE outside a simulation. */
AW_API int aw_sim_calm(void);

/* What has happened so far.  0; AW_EMISUSE outside a simulation, -EINVAL for NULL. */
AW_API int aw_sim_count(aw_sim_counts *ret);

/* ---- sockets by hand ---- */

/* The calls they are named after, for simulated sockets: close-on-exec, and with SOCK_NONBLOCK or
 * without, which makes no difference to calls that suspend.  Results are those of POSIX, a negated
 * errno for an error; AW_EMISUSE outside a simulation.  None suspends. */

/* A descriptor: of AF_INET, AF_INET6 or AF_UNIX, and SOCK_STREAM. */
AW_API int aw_sim_socket(int family, int type);

/* Two connected ones of AF_UNIX: SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET.  Messages are not split
 * nor shortened. */
AW_API int aw_sim_pair(int ret[2], int type);

/* Give it an address; port 0 is a free one.  -EADDRINUSE, -EINVAL, -EAFNOSUPPORT, -EBADF. */
AW_API int aw_sim_bind(int fd, const struct sockaddr *addr, aw_socklen len);

/* Accept connections, of which `backlog` and one more may wait.  What knocks in vain then knocks
 * again after a second, six times in all.  -EINVAL, -EOPNOTSUPP, -EBADF. */
AW_API int aw_sim_listen(int fd, int backlog);

/* Its own address.  -EBADF. */
AW_API int aw_sim_getsockname(int fd, struct sockaddr *addr, aw_socklen *len);

/* End the sending side: shutdown(SHUT_WR). */
AW_API int aw_sim_shutdown(int fd);
/* -EBADF.  No operation may wait on it. */
AW_API int aw_sim_close(int fd);

/* Break the connection now, as a peer's host that is gone would: both sides get -ECONNRESET. */
AW_API int aw_sim_reset(int fd);

#ifdef __cplusplus
}
#endif
#endif
