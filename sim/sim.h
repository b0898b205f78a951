/*
 * sim.h - what the files of the simulated network share.
 *
 *      task        table of calls / backend             the world
 *      send() ---> aw_simu_send() --> into the receiver's bytes, as an event:  arrives at ...
 *                                                          |  (time passes: the loop's clock)
 *      recv() <--- aw_simu_recv() <-- what has arrived  <------+
 *
 * One list of events, in order of time and then of making, drives everything: bytes arrive, an end,
 * a reset, a connection, the end of a storm.  The world goes on when somebody looks
 * (aw_simu_settle()): events that are due happen one after the other, each at its own time. Nothing
 * here has another source of chance than the generator, nor of order than that list, the
 * descriptors' numbers, and the calls themselves: that makes runs repeatable.
 *
 *   world.c    events, sockets, ends            connect.c  names, and coming together
 *   transfer.c bytes and messages               faults.c   what is drawn
 *   calls.c    the table's entries              io.c       the backend
 *   run.c      the public calls
 *
 * A socket lives as long as somebody refers to it: its descriptor, or its place in a backlog; each
 * event about it; and its peer, until both have let go of their descriptors.
 */
#ifndef AW_SIM_SIM_H
#define AW_SIM_SIM_H

#include "await/sim.h"
#include "base/list.h"
#include "base/prng.h"
#include "io/door.h"
#include "io/queue.h"
#include "sys/net.h"

struct sim;
struct sim_sock;

/* Something that will happen to a socket. */
struct sim_event {
    aw_list link; /* on sim->events, while it is to come */
    int64_t at;
    void (*happen)(struct sim *s, struct sim_event *e);
    struct sim_sock *sock;
    size_t n;      /* bytes, or what it likes */
    bool is_alone; /* memory of its own */
};

/* Bytes in order: those at `at` have arrived first.  */
struct sim_bytes {
    char *data;
    size_t at, len, size;
};

struct sim_address {
    socklen_t len; /* 0: none */
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un path;
        struct sockaddr_storage room;
    };
};

enum sim_state { SIM_FRESH, SIM_LISTENING, SIM_CONNECTING, SIM_CONNECTED, SIM_REFUSED };
enum { SIM_READS, SIM_WRITES, SIM_SIDES };

/* A series of refusals: -EAGAIN although the call could go on. */
struct sim_storm {
    unsigned left;
    struct sim_event over;
};

enum { SIM_OPTIONS = 16 };
struct sim_option {
    int level, name, value;
};

struct sim_sock {
    unsigned refs;
    uint32_t id; /* 1, 2, ... */
    int fd;      /* -1: it has none */
    int family, type;
    bool nonblock;
    bool in_backlog;
    bool reuse_port;
    uint8_t state; /* enum sim_state */
    struct sim_address name, peer_name;
    struct sim_sock *peer; /* of a connection, also when that has no descriptor any more */

    struct sim_bytes in; /* what arrived, and behind it what is on its way */
    size_t arrived;      /* bytes of `in` */
    int64_t last_at;     /* when the last of what is on its way here arrives: nothing overtakes */
    struct sim_event *on_its_way;  /* the last of the bytes; NULL: none */
    bool end_arrived;              /* no more will come */
    bool end_sent;                 /* no more goes out */
    bool dead;                     /* the connection was reset */
    int error;                     /* to be told once: SO_ERROR */
    struct sim_event end, broken;  /* on their way here */
    struct sim_event knock, known; /* of connecting: arrives at the listener; is back here */
    struct sim_storm storms[SIM_SIDES];

    aw_list bound;   /* on sim->bound, while it has a name of its own */
    aw_list waiting; /* of a listener: those to be accepted, in order */
    aw_list in_line; /* there */
    unsigned n_waiting, backlog;

    struct aw_op_queue readers, writers, pollers; /* operations that wait */
    struct aw_receiver *receiver;
    aw_list touched; /* on sim->touched: they may be able to go on */

    struct sim_option options[SIM_OPTIONS];
    size_t n_options;
};

struct sim {
    struct aw_io io; /* first: the two are cast into each other */
    struct aw_io_time time;
    struct aw_io *inner; /* for the kernel's descriptors */
    aw_sim_opts opts;
    aw_prng prng;
    int64_t now;     /* of the event that happens, or of the loop */
    int64_t calm_at; /* INT64_MAX: never */
    uint64_t trace;
    aw_sim_counts counts;
    aw_list events, bound, touched;
    aw_list told;     /* operations that are over: to be told by the next poll */
    aw_list starving; /* receivers that wait for a chunk: op->all */
    struct aw_chunks chunks;
    struct sim_sock **socks; /* by descriptor, from AW_SIM_FIRST_FD on */
    size_t n_socks;
    uint32_t last_id;
    uint16_t last_port;
};

/* The world of the running thread, or NULL. */
extern _Thread_local struct sim *aw_simu_here;

const struct aw_testing_door *aw_simu_door(void);

/* Zeroed, or NULL. */
void *aw_simu_alloc(size_t size);
void aw_simu_free(void *ptr);

/* What must be true, in every build. */
_Noreturn void aw_simu_panic(const char *file, int line, const char *what);
#define sim_assert(cond) ((cond) ? (void)0 : aw_simu_panic(__FILE__, __LINE__, #cond))

/* ---- faults.c ---- */

/* Does it happen this time?  Never in calm times. */
bool aw_simu_draw(struct sim *s, double chance);

/* How long something is under way now. */
int64_t aw_simu_latency(struct sim *s);
int64_t aw_simu_ns(double seconds);

/* So many of n > 1 are taken: 1 to n - 1. */
size_t aw_simu_part(struct sim *s, size_t n);

/* Is a call of this side, which could go on, refused all the same? */
bool aw_simu_refuses(struct sim *s, struct sim_sock *k, int side);

/* Options for a run with .swarm: what the caller has set stays. */
void aw_simu_swarm(aw_sim_opts *opts);

/* ---- world.c ---- */

/* Everything that is due happens. */
void aw_simu_settle(struct sim *s);

void aw_simu_schedule(struct sim *s, struct sim_event *e, int64_t at, struct sim_sock *k,
                      void (*happen)(struct sim *s, struct sim_event *e));
static inline bool sim_is_coming(const struct sim_event *e)
{
    return e->link.next && aw_list_linked(&e->link);
}

/* Operations that wait on it may be able to go on. */
void aw_simu_touch(struct sim *s, struct sim_sock *k);

/* The socket of a descriptor; NULL: it is none of the simulated ones. */
struct sim_sock *aw_simu_find(struct sim *s, int fd);
static inline bool sim_in_range(int fd)
{
    return fd >= AW_SIM_FIRST_FD && fd < AW_SIM_FIRST_FD + AW_SIM_FDS;
}

/* Is it anybody's still? */
static inline bool sim_is_held(const struct sim_sock *k)
{
    return k->fd >= 0 || k->in_backlog;
}

/* A new one without a descriptor, NULL without memory; and the lowest free number for it. */
struct sim_sock *aw_simu_make(struct sim *s, int family, int type);
int aw_simu_take_number(struct sim *s, struct sim_sock *k);

/* They are each other's peers. */
void aw_simu_join(struct sim_sock *a, struct sim_sock *b);

/* Off the listener's backlog; NULL: nobody waits. */
struct sim_sock *aw_simu_first_waiting(struct sim_sock *listener);

/* A new one with a descriptor: the number, or -errno. */
int aw_simu_socket(struct sim *s, int family, int type);
int aw_simu_pair(struct sim *s, int type, int ret[2]);
int aw_simu_bind(struct sim *s, struct sim_sock *k, const struct sockaddr *addr, socklen_t len);
int aw_simu_listen(struct sim *s, struct sim_sock *k, int backlog);
int aw_simu_accept(struct sim *s, struct sim_sock *k, struct sockaddr *addr, socklen_t *len,
                   int flags);
int aw_simu_connect(struct sim *s, struct sim_sock *k, const struct sockaddr *addr, socklen_t len);
int aw_simu_end_sending(struct sim *s, struct sim_sock *k);
void aw_simu_reset(struct sim *s, struct sim_sock *k);
void aw_simu_close(struct sim *s, struct sim_sock *k);
void aw_simu_unref(struct sim_sock *k);
void aw_simu_close_all(struct sim *s);

/* An error that is told once; 0: none. */
int aw_simu_take_error(struct sim_sock *k);

/* Tell an address, as far as there is room. */
void aw_simu_tell_address(const struct sim_address *a, struct sockaddr *addr, socklen_t *len);

/* The events of poll() that are there now. */
short aw_simu_readiness(const struct sim *s, const struct sim_sock *k);

/* The sending way of one of the two ends, after what is under way. */
void aw_simu_send_end(struct sim *s, struct sim_sock *k);

/* ---- transfer.c ---- */

/* Vectors as one call has them. */
struct sim_vectors {
    const struct iovec *v;
    size_t n;
};

ssize_t aw_simu_send(struct sim *s, struct sim_sock *k, struct sim_vectors v, int flags);

/* `cut` is told, if not NULL, whether a message was longer. */
ssize_t aw_simu_recv(struct sim *s, struct sim_sock *k, struct sim_vectors v, int flags, bool *cut);

/* Room for sending. */
size_t aw_simu_room(const struct sim *s, const struct sim_sock *k);

void aw_simu_bytes_fini(struct sim_bytes *b);

/* What was on its way to a socket will not come. */
void aw_simu_lose_unarrived(struct sim_sock *k);

/* ---- calls.c ---- */

/* The table's entries are ours, until as many calls of the second. */
void aw_simu_install(void);
void aw_simu_uninstall(void);

/* ---- io.c ---- */

extern const struct aw_io_backend aw_simu_backend;

#endif
