/*
 * world.c - sockets, how they connect and end, and the events that do it.
 *
 * Connecting takes two events: the client's knock arrives at whoever listens then, and what became
 * of it is known back at the client.  A full backlog loses the knock, which is repeated, as the
 * kernel's is.  An end follows what was sent before it; a reset overtakes that, and what it
 * overtakes is lost.
 */
#include <limits.h>
#include <string.h>

#include "sim/sim.h"

enum {
    FIRST_PORT = 40000,
    KNOCKS = 6,
    EVENTS_AT_ONCE = 1 << 20, /* at one and the same time: more is a circle */
};

static const int64_t knock_again = 1000000000; /* ns */

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

static struct sim_sock *make_sock(struct sim *s, int family, int type)
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
static int take_number(struct sim *s, struct sim_sock *k)
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
    struct sim_sock *k = make_sock(s, family, type);
    if (!k)
        return -ENOMEM;
    int fd = take_number(s, k);
    if (fd < 0)
        aw_simu_unref(k);
    return fd;
}

static void join(struct sim_sock *a, struct sim_sock *b)
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
    struct sim_sock *a = make_sock(s, AF_UNIX, type), *b = make_sock(s, AF_UNIX, type);
    err = a && b ? take_number(s, a) : -ENOMEM;
    int other = err < 0 ? err : take_number(s, b);
    if (other < 0) {
        if (err >= 0)
            drop_number(s, a);
        if (a)
            aw_simu_unref(a);
        if (b)
            aw_simu_unref(b);
        return other;
    }
    join(a, b);
    a->state = b->state = SIM_CONNECTED;
    s->counts.connections++;
    ret[0] = err;
    ret[1] = other;
    return 0;
}

/* ---- names ---- */

static bool same_address(const struct sim_address *a, const struct sim_address *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    if (a->any.sa_family == AF_INET6)
        return a->v6.sin6_port == b->v6.sin6_port &&
               memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr) == 0;
    return a->len == b->len && memcmp(&a->any, &b->any, a->len) == 0;
}

/* Somebody who is bound to every address is reached by each. */
static bool leads_to(const struct sim_address *to, const struct sim_address *bound)
{
    struct sim_address wide = *to;
    if (same_address(to, bound))
        return true;
    if (to->any.sa_family == AF_INET)
        wide.v4.sin_addr.s_addr = INADDR_ANY;
    else if (to->any.sa_family == AF_INET6)
        wide.v6.sin6_addr = (struct in6_addr){{{0}}};
    return same_address(&wide, bound);
}

static in_port_t *port_of(struct sim_address *a)
{
    return a->any.sa_family == AF_INET ? &a->v4.sin_port : &a->v6.sin6_port;
}

static in_port_t next_port(struct sim *s)
{
    s->last_port = s->last_port < FIRST_PORT ? FIRST_PORT : (uint16_t)(s->last_port + 1);
    return htons(s->last_port);
}

/* The caller's address, as the kernel would check it. */
static int read_address(const struct sim_sock *k, const struct sockaddr *addr, socklen_t len,
                        struct sim_address *ret)
{
    static const socklen_t least[] = {[AF_UNIX] = sizeof(sa_family_t) + 1,
                                      [AF_INET] = sizeof(struct sockaddr_in),
                                      [AF_INET6] = sizeof(struct sockaddr_in6)};
    *ret = (struct sim_address){.len = len};
    if (len < sizeof addr->sa_family || len > sizeof ret->room)
        return -EINVAL;
    memcpy(&ret->any, addr, len);
    if (len < least[k->family] || (k->family == AF_UNIX && len > sizeof ret->path))
        return -EINVAL;
    return ret->any.sa_family == k->family ? 0 : -EAFNOSUPPORT;
}

void aw_simu_tell_address(const struct sim_address *a, struct sockaddr *addr, socklen_t *len)
{
    if (!addr)
        return;
    memcpy(addr, &a->any, *len < a->len ? *len : a->len);
    *len = a->len;
}

static bool is_taken(const struct sim *s, const struct sim_sock *k, const struct sim_address *a)
{
    aw_list_each(link, &s->bound)
    {
        const struct sim_sock *other = aw_container_of(link, const struct sim_sock, bound);
        bool shared = other->reuse_port && k->reuse_port;
        if (!shared && (leads_to(a, &other->name) || leads_to(&other->name, a)))
            return true;
    }
    return false;
}

int aw_simu_bind(struct sim *s, struct sim_sock *k, const struct sockaddr *addr, socklen_t len)
{
    struct sim_address a;
    int err = read_address(k, addr, len, &a);
    if (err < 0)
        return err;
    if (aw_list_linked(&k->bound) || k->state != SIM_FRESH)
        return -EINVAL;
    if (k->family != AF_UNIX && *port_of(&a) == 0) {
        do {
            *port_of(&a) = next_port(s);
        } while (is_taken(s, k, &a));
    } else if (is_taken(s, k, &a)) {
        return -EADDRINUSE;
    }
    k->name = a;
    aw_list_push_back(&s->bound, &k->bound);
    return 0;
}

/* A client's own end, and one who listens without a name: of this machine. */
static void name_itself(struct sim *s, struct sim_sock *k)
{
    if (k->name.len)
        return;
    k->name.any.sa_family = (sa_family_t)k->family;
    k->name.len = sizeof(sa_family_t);
    if (k->family == AF_UNIX)
        return;
    if (k->family == AF_INET) {
        k->name.len = sizeof k->name.v4;
        k->name.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else {
        k->name.len = sizeof k->name.v6;
        k->name.v6.sin6_addr.s6_addr[15] = 1;
    }
    *port_of(&k->name) = next_port(s);
}

int aw_simu_listen(struct sim *s, struct sim_sock *k, int backlog)
{
    if (k->type != SOCK_STREAM)
        return -EOPNOTSUPP;
    if (k->state != SIM_FRESH && k->state != SIM_LISTENING)
        return -EINVAL;
    if (!aw_list_linked(&k->bound)) {
        if (k->family == AF_UNIX)
            return -EINVAL;
        name_itself(s, k);
        aw_list_push_back(&s->bound, &k->bound);
    }
    k->state = SIM_LISTENING;
    k->backlog = backlog < 1 ? 1 : (unsigned)backlog;
    return 0;
}

static struct sim_sock *who_listens(const struct sim *s, const struct sim_address *to)
{
    aw_list_each(link, &s->bound)
    {
        struct sim_sock *k = aw_container_of(link, struct sim_sock, bound);
        if (k->state == SIM_LISTENING && leads_to(to, &k->name))
            return k;
    }
    return NULL;
}

/* ---- connecting ---- */

/* The client learns what became of it. */
static void known(struct sim *s, struct sim_event *e)
{
    struct sim_sock *k = e->sock;
    if (k->fd < 0 || k->state != SIM_CONNECTING)
        return;
    k->error = k->error ? k->error : (int)e->n;
    k->state = e->n ? SIM_REFUSED : SIM_CONNECTED;
    aw_simu_touch(s, k);
}

static void answer(struct sim *s, struct sim_sock *k, int error)
{
    k->known.n = (size_t)error;
    k->last_at = s->now + aw_simu_latency(s);
    aw_simu_schedule(s, &k->known, k->last_at, k, known);
}

static void knock(struct sim *s, struct sim_event *e);

/* No answer: once more in a while, or never. */
static void unheard(struct sim *s, struct sim_sock *k, struct sim_event *e)
{
    s->counts.full_backlogs++;
    if (++e->n == KNOCKS)
        answer(s, k, ETIMEDOUT);
    else
        aw_simu_schedule(s, e, s->now + knock_again, k, knock);
}

static bool enter_backlog(struct sim *s, struct sim_sock *listener, struct sim_sock *client)
{
    struct sim_sock *k = make_sock(s, listener->family, SOCK_STREAM);
    if (!k)
        return false;
    k->name = client->peer_name;
    k->peer_name = client->name;
    k->state = SIM_CONNECTED;
    k->in_backlog = true;
    join(k, client);
    aw_list_push_back(&listener->waiting, &k->in_line);
    listener->n_waiting++;
    s->counts.connections++;
    aw_simu_touch(s, listener);
    return true;
}

/* A client arrives where somebody may listen. */
static void knock(struct sim *s, struct sim_event *e)
{
    struct sim_sock *k = e->sock;
    if (k->fd < 0)
        return; /* gone meanwhile */
    struct sim_sock *listener = who_listens(s, &k->peer_name);
    if (!listener)
        answer(s, k, ECONNREFUSED);
    else if (listener->n_waiting > listener->backlog || !enter_backlog(s, listener, k))
        unheard(s, k, e);
    else
        answer(s, k, 0);
    if (k->peer && aw_simu_draw(s, s->opts.abort)) {
        s->counts.aborted++;
        aw_simu_reset(s, k);
    }
}

/* By path it is done at once: nothing is under way between two processes of a machine. */
static int connect_by_path(struct sim *s, struct sim_sock *k)
{
    struct sim_sock *listener = who_listens(s, &k->peer_name);
    if (!listener)
        return -ECONNREFUSED;
    if (listener->n_waiting > listener->backlog)
        return -EAGAIN;
    if (!enter_backlog(s, listener, k))
        return -ENOMEM;
    k->state = SIM_CONNECTED;
    return 0;
}

int aw_simu_connect(struct sim *s, struct sim_sock *k, const struct sockaddr *addr, socklen_t len)
{
    struct sim_address to;
    if (k->state == SIM_REFUSED) { /* tell it, and it may be tried again */
        k->state = SIM_FRESH;
        int error = aw_simu_take_error(k);
        if (error)
            return -error;
    }
    int err = read_address(k, addr, len, &to);
    if (err < 0)
        return err;
    if (k->state == SIM_CONNECTED)
        return -EISCONN;
    if (k->state == SIM_CONNECTING)
        return -EALREADY;
    if (k->state == SIM_LISTENING || k->type != SOCK_STREAM)
        return -EINVAL;
    name_itself(s, k);
    k->peer_name = to;
    if (k->family == AF_UNIX)
        return connect_by_path(s, k);
    k->state = SIM_CONNECTING;
    k->knock.n = 0;
    aw_simu_schedule(s, &k->knock, s->now + aw_simu_latency(s), k, knock);
    aw_simu_settle(s);
    if (k->state == SIM_CONNECTING)
        return -EINPROGRESS;
    if (k->state == SIM_CONNECTED)
        return 0;
    k->state = SIM_FRESH;
    return -aw_simu_take_error(k);
}

static struct sim_sock *first_waiting(struct sim_sock *listener)
{
    aw_list *first = aw_list_pop_front(&listener->waiting);
    if (!first)
        return NULL;
    struct sim_sock *k = aw_container_of(first, struct sim_sock, in_line);
    listener->n_waiting--;
    k->in_backlog = false;
    return k;
}

int aw_simu_accept(struct sim *s, struct sim_sock *k, struct sockaddr *addr, socklen_t *len,
                   int flags)
{
    if (k->state != SIM_LISTENING)
        return -EINVAL;
    if (addr && len && (int)*len < 0)
        return -EINVAL;
    if (!k->n_waiting || aw_simu_refuses(s, k, SIM_READS))
        return -EAGAIN;
    struct sim_sock *next = aw_container_of(k->waiting.next, struct sim_sock, in_line);
    int fd = take_number(s, next);
    if (fd < 0)
        return fd;
    sim_assert(first_waiting(k) == next);
    next->nonblock = (flags & SOCK_NONBLOCK) != 0;
    if (next->dead) { /* broken before it was accepted */
        aw_simu_close(s, next);
        return -ECONNABORTED;
    }
    aw_simu_tell_address(&next->peer_name, addr, len);
    return fd;
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
    while ((next = first_waiting(k)) != NULL) {
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
