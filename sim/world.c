/*
 * world.c - events, sockets and their descriptors, and how connections end.
 *
 * An end follows what was sent before it; a reset overtakes that, and what it overtakes is lost.
 */
#include <string.h>

#include "sim/sim.h"

enum {
    EVENTS_AT_ONCE = 1 << 20, /* at one and the same time: more is a circle */
};

/* ---- events ---- */

static void trace(struct sim *s, uint64_t value)
{
    s->trace = (s->trace ^ value) * UINT64_C(0x100000001b3);
}

void aw_simu_schedule(struct sim *s, struct sim_event *e, int64_t at, struct sim_sock *k,
                      void (*happen)(struct sim *s, struct sim_event *e))
{
    sim_assert(!sim_is_coming(e));
    aw_list *before = s->events.prev;
    e->at = at < s->now ? s->now : at;
    e->happen = happen;
    e->sock = k;
    k->refs++;
    while (before != &s->events && aw_container_of(before, struct sim_event, link)->at > e->at)
        before = before->prev;
    aw_list_insert_before(before->next, &e->link);
}

static void take_off(struct sim_event *e)
{
    if (!sim_is_coming(e))
        return;
    aw_list_remove(&e->link);
    aw_simu_unref(e->sock);
}

/* The event's memory is its socket's, or its own business. */
static void happen(struct sim *s, struct sim_event *e)
{
    struct sim_sock *k = e->sock;
    s->now = e->at;
    trace(s, (uint64_t)e->at);
    trace(s, k->id);
    trace(s, e->n);
    aw_list_remove(&e->link);
    e->happen(s, e);
    aw_simu_unref(k);
}

void aw_simu_settle(struct sim *s)
{
    int64_t now = s->time.clock->virtual_now;
    for (unsigned n = 0; !aw_list_empty(&s->events); n++) {
        struct sim_event *e = aw_container_of(s->events.next, struct sim_event, link);
        if (e->at > now)
            break;
        sim_assert(n < EVENTS_AT_ONCE);
        happen(s, e);
    }
    s->now = now;
}

void aw_simu_touch(struct sim *s, struct sim_sock *k)
{
    bool waited_on = k->readers.first || k->writers.first || k->pollers.first || k->receiver;
    if (waited_on && !aw_list_linked(&k->touched))
        aw_list_push_back(&s->touched, &k->touched);
}

/* ---- sockets and descriptors ---- */

struct sim_sock *aw_simu_make(struct sim *s, int family, int type)
{
    struct sim_sock *k = aw_simu_alloc(sizeof *k);
    if (!k)
        return NULL;
    k->refs = 1;
    k->id = ++s->last_id;
    k->fd = -1;
    k->family = family;
    k->type = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    k->nonblock = (type & SOCK_NONBLOCK) != 0;
    aw_list_init(&k->bound);
    aw_list_init(&k->waiting);
    aw_list_init(&k->in_line);
    aw_list_init(&k->touched);
    return k;
}

void aw_simu_unref(struct sim_sock *k)
{
    if (--k->refs > 0)
        return;
    aw_list_remove(&k->bound);
    aw_list_remove(&k->touched);
    aw_simu_bytes_fini(&k->in);
    aw_simu_free(k);
}

struct sim_sock *aw_simu_find(struct sim *s, int fd)
{
    size_t at = (size_t)fd - AW_SIM_FIRST_FD;
    return fd >= AW_SIM_FIRST_FD && at < s->n_socks ? s->socks[at] : NULL;
}

/* The lowest free number, as the kernel gives them out. */
int aw_simu_take_number(struct sim *s, struct sim_sock *k)
{
    size_t most = s->opts.descriptors, at = 0;
    while (at < s->n_socks && s->socks[at])
        at++;
    if (at >= most)
        return -EMFILE;
    if (at == s->n_socks) {
        size_t n = at ? 2 * at : 64;
        struct sim_sock **socks = aw_simu_alloc(n * sizeof(struct sim_sock *));
        if (!socks)
            return -ENOMEM;
        if (at)
            memcpy(socks, s->socks, at * sizeof(struct sim_sock *));
        aw_simu_free(s->socks);
        s->socks = socks;
        s->n_socks = n;
    }
    s->socks[at] = k;
    k->fd = AW_SIM_FIRST_FD + (int)at;
    return k->fd;
}

/* Is there something to be had of this sort? */
static int check_sort(int family, int type, bool pair)
{
    int sort = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
        return -EAFNOSUPPORT;
    if (sort != SOCK_STREAM && sort != SOCK_DGRAM && sort != SOCK_SEQPACKET)
        return -EPROTONOSUPPORT;
    return sort == SOCK_STREAM || pair ? 0 : -EPROTONOSUPPORT;
}

int aw_simu_socket(struct sim *s, int family, int type)
{
    int err = check_sort(family, type, false);
    if (err < 0)
        return err;
    struct sim_sock *k = aw_simu_make(s, family, type);
    if (!k)
        return -ENOMEM;
    int fd = aw_simu_take_number(s, k);
    if (fd < 0)
        aw_simu_unref(k);
    return fd;
}

void aw_simu_join(struct sim_sock *a, struct sim_sock *b)
{
    a->peer = b;
    b->peer = a;
    a->refs++;
    b->refs++;
}

static void part(struct sim_sock *a)
{
    struct sim_sock *b = a->peer;
    a->peer = b->peer = NULL;
    aw_simu_unref(a);
    aw_simu_unref(b);
}

static void drop_number(struct sim *s, struct sim_sock *k)
{
    s->socks[k->fd - AW_SIM_FIRST_FD] = NULL;
    k->fd = -1;
}

int aw_simu_pair(struct sim *s, int type, int ret[2])
{
    int err = check_sort(AF_UNIX, type, true);
    if (err < 0)
        return err;
    struct sim_sock *a = aw_simu_make(s, AF_UNIX, type), *b = aw_simu_make(s, AF_UNIX, type);
    err = a && b ? aw_simu_take_number(s, a) : -ENOMEM;
    int other = err < 0 ? err : aw_simu_take_number(s, b);
    if (other < 0) {
        if (err >= 0)
            drop_number(s, a);
        if (a)
            aw_simu_unref(a);
        if (b)
            aw_simu_unref(b);
        return other;
    }
    aw_simu_join(a, b);
    a->state = b->state = SIM_CONNECTED;
    s->counts.connections++;
    ret[0] = err;
    ret[1] = other;
    return 0;
}

/* ---- the end ---- */

int aw_simu_take_error(struct sim_sock *k)
{
    int error = k->error;
    k->error = 0;
    return error;
}

static void end_arrives(struct sim *s, struct sim_event *e)
{
    struct sim_sock *k = e->sock;
    k->end_arrived = true;
    aw_simu_touch(s, k);
}

void aw_simu_send_end(struct sim *s, struct sim_sock *k)
{
    struct sim_sock *to = k->peer;
    if (k->end_sent)
        return;
    k->end_sent = true;
    aw_simu_touch(s, k);
    if (!to || to->dead)
        return;
    int64_t at = s->now + aw_simu_latency(s);
    to->last_at = at > to->last_at ? at : to->last_at;
    aw_simu_schedule(s, &to->end, to->last_at, to, end_arrives);
}

int aw_simu_end_sending(struct sim *s, struct sim_sock *k)
{
    if (k->state != SIM_CONNECTED)
        return -ENOTCONN;
    aw_simu_send_end(s, k);
    aw_simu_settle(s);
    return 0;
}

static void break_arrives(struct sim *s, struct sim_event *e)
{
    struct sim_sock *k = e->sock;
    k->dead = true;
    k->error = k->end_arrived ? EPIPE : ECONNRESET;
    aw_simu_lose_unarrived(k);
    aw_simu_touch(s, k);
}

/* The one end learns that there is no connection any more. */
static void break_end(struct sim *s, struct sim_sock *k)
{
    if (!k->dead && !sim_is_coming(&k->broken))
        aw_simu_schedule(s, &k->broken, s->now + aw_simu_latency(s), k, break_arrives);
}

/* Bytes that arrive where nobody is; see transfer.c.  Here, since it is an end too. */
void aw_simu_reset(struct sim *s, struct sim_sock *k)
{
    break_end(s, k);
    if (k->peer)
        break_end(s, k->peer);
}

static void close_connection(struct sim *s, struct sim_sock *k)
{
    struct sim_sock *peer = k->peer;
    bool unread = k->arrived > 0;
    if (peer && sim_is_held(peer)) {
        if (unread && !k->dead)
            break_end(s, peer);
        else if (!k->dead)
            aw_simu_send_end(s, k);
    }
    k->arrived = 0;
    aw_simu_lose_unarrived(k);
    if (peer && !sim_is_held(peer))
        part(k);
}

static void close_listener(struct sim *s, struct sim_sock *k)
{
    struct sim_sock *next;
    while ((next = aw_simu_first_waiting(k)) != NULL) {
        if (next->peer)
            break_end(s, next->peer);
        if (next->peer && !sim_is_held(next->peer))
            part(next);
        aw_simu_unref(next);
    }
}

void aw_simu_close(struct sim *s, struct sim_sock *k)
{
    bool waited_on = k->readers.first || k->writers.first || k->pollers.first || k->receiver;
    if (waited_on)
        aw_simu_panic(__FILE__, __LINE__, "a descriptor was closed that an operation waits on");
    drop_number(s, k);
    aw_list_remove(&k->bound);
    if (k->state == SIM_LISTENING)
        close_listener(s, k);
    else
        close_connection(s, k);
    take_off(&k->knock);
    take_off(&k->known);
    for (int side = 0; side < SIM_SIDES; side++)
        take_off(&k->storms[side].over);
    aw_simu_unref(k);
}

/* The world's end: whoever is left goes. */
void aw_simu_close_all(struct sim *s)
{
    for (size_t i = 0; i < s->n_socks; i++) {
        struct sim_sock *k = s->socks[i];
        if (!k)
            continue;
        k->readers.first = k->writers.first = k->pollers.first = NULL;
        k->receiver = NULL;
        s->counts.left_open++;
        aw_simu_close(s, k);
    }
    while (!aw_list_empty(&s->events)) {
        struct sim_event *e = aw_container_of(s->events.next, struct sim_event, link);
        bool is_alone = e->is_alone;
        take_off(e);
        if (is_alone)
            aw_simu_free(e);
    }
    aw_simu_free(s->socks);
    s->socks = NULL;
    s->n_socks = 0;
}

/* ---- readiness ---- */

static short readiness_of_connection(const struct sim *s, const struct sim_sock *k)
{
    int ready = 0;
    if (k->arrived > 0 || k->end_arrived || k->dead)
        ready |= POLLIN;
    if (k->end_arrived || k->dead)
        ready |= POLLRDHUP;
    if (k->end_sent || k->dead || aw_simu_room(s, k) > 0)
        ready |= POLLOUT;
    if (k->dead || (k->end_arrived && k->end_sent))
        ready |= POLLHUP;
    if (k->error)
        ready |= POLLERR;
    return (short)ready;
}

short aw_simu_readiness(const struct sim *s, const struct sim_sock *k)
{
    switch (k->state) {
    case SIM_LISTENING:
        return k->n_waiting ? POLLIN : 0;
    case SIM_CONNECTING:
        return 0;
    case SIM_CONNECTED:
        return readiness_of_connection(s, k);
    case SIM_REFUSED:
        return POLLIN | POLLOUT | POLLERR | POLLHUP;
    default:
        return POLLOUT | POLLHUP;
    }
}
