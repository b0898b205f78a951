/*
 * connect.c - names, and how two sockets come together.
 *
 * Connecting takes two events: the client's knock arrives at whoever listens then, and what became
 * of it is known back at the client.  A full backlog loses the knock, which is repeated, as the
 * kernel's is.
 */
#include <string.h>

#include "sim/sim.h"

enum { FIRST_PORT = 40000, KNOCKS = 6 };

static const int64_t knock_again = 1000000000; /* ns */

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
    struct sim_sock *k = aw_simu_make(s, listener->family, SOCK_STREAM);
    if (!k)
        return false;
    k->name = client->peer_name;
    k->peer_name = client->name;
    k->state = SIM_CONNECTED;
    k->in_backlog = true;
    aw_simu_join(k, client);
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

struct sim_sock *aw_simu_first_waiting(struct sim_sock *listener)
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
    int fd = aw_simu_take_number(s, next);
    if (fd < 0)
        return fd;
    sim_assert(aw_simu_first_waiting(k) == next);
    next->nonblock = (flags & SOCK_NONBLOCK) != 0;
    if (next->dead) { /* broken before it was accepted */
        aw_simu_close(s, next);
        return -ECONNABORTED;
    }
    aw_simu_tell_address(&next->peer_name, addr, len);
    return fd;
}
