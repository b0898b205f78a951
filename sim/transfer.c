/*
 * transfer.c - bytes on their way, and messages.
 *
 * What is sent lies at once behind what arrived before, in the receiver's queue, and is counted as
 * on its way until an event makes it arrive: so a way holds a limited number of bytes, and they
 * stay in order whatever the times are.  What is sent in one call may arrive in pieces, at several
 * times, or join the bytes before it that are still on their way.
 *
 * A message lies in the queue behind its length, and arrives as a whole.
 */
#include <string.h>

#include "sim/sim.h"

enum { BUFFER = 65536 };

/* ---- memory ---- */

void aw_simu_bytes_fini(struct sim_bytes *b)
{
    aw_simu_free(b->data);
    *b = (struct sim_bytes){0};
}

/* Room for `more` behind what is there: false without memory. */
static bool reserve(struct sim_bytes *b, size_t more)
{
    if (b->size - b->at - b->len >= more && b->data)
        return true;
    size_t size = 2 * (b->len + more) + 64;
    char *data = aw_simu_alloc(size);
    if (!data)
        return false;
    if (b->len)
        memcpy(data, b->data + b->at, b->len);
    size_t len = b->len;
    aw_simu_free(b->data);
    *b = (struct sim_bytes){.data = data, .len = len, .size = size};
    return true;
}

static void add(struct sim_bytes *b, const void *data, size_t n)
{
    if (n)
        memcpy(b->data + b->at + b->len, data, n);
    b->len += n;
}

static void take(struct sim_bytes *b, size_t n)
{
    b->at += n;
    b->len -= n;
    if (b->len == 0)
        aw_simu_bytes_fini(b);
}

static size_t total(struct sim_vectors v)
{
    size_t sum = 0;
    for (size_t i = 0; i < v.n; i++)
        sum += v.v[i].iov_len;
    return sum;
}

/* The first n bytes of the vectors, to the end of the queue. */
static void gather(struct sim_bytes *b, struct sim_vectors v, size_t n)
{
    for (size_t i = 0; i < v.n && n > 0; i++) {
        size_t part = v.v[i].iov_len < n ? v.v[i].iov_len : n;
        add(b, v.v[i].iov_base, part);
        n -= part;
    }
}

static void scatter(const char *from, struct sim_vectors v, size_t n)
{
    for (size_t i = 0; i < v.n && n > 0; i++) {
        size_t part = v.v[i].iov_len < n ? v.v[i].iov_len : n;
        if (part)
            memcpy(v.v[i].iov_base, from, part);
        from += part;
        n -= part;
    }
}

/* ---- on the way ---- */

static void arrive(struct sim *s, struct sim_event *e)
{
    struct sim_sock *k = e->sock;
    if (k->on_its_way == e)
        k->on_its_way = NULL;
    if (!sim_is_held(k)) {
        if (k->peer && sim_is_held(k->peer))
            aw_simu_reset(s, k);
    } else if (!k->dead) {
        k->arrived += e->n;
        s->counts.bytes += e->n;
        aw_simu_touch(s, k);
    }
    aw_simu_free(e);
}

void aw_simu_lose_unarrived(struct sim_sock *k)
{
    k->in.len = k->arrived;
    if (k->in.len == 0)
        aw_simu_bytes_fini(&k->in);
}

/* One piece, which arrives after all before it.  False without memory. */
static bool dispatch(struct sim *s, struct sim_sock *to, size_t n)
{
    if (to->on_its_way && aw_simu_draw(s, s->opts.coalesce)) {
        s->counts.coalesced++;
        to->on_its_way->n += n;
        return true;
    }
    struct sim_event *e = aw_simu_alloc(sizeof *e);
    if (!e)
        return false;
    int64_t at = s->now + aw_simu_latency(s);
    to->last_at = at > to->last_at ? at : to->last_at;
    e->n = n;
    e->is_alone = true;
    to->on_its_way = e;
    aw_simu_schedule(s, e, to->last_at, to, arrive);
    return true;
}

/* In pieces, as it is drawn: how many bytes have been. */
static size_t dispatch_pieces(struct sim *s, struct sim_sock *to, size_t n)
{
    size_t done = 0;
    while (n - done > 1 && aw_simu_draw(s, s->opts.split)) {
        size_t piece = aw_simu_part(s, n - done);
        if (!dispatch(s, to, piece))
            return done;
        s->counts.split++;
        done += piece;
    }
    return dispatch(s, to, n - done) ? n : done;
}

/* What may go wrong behind a send. */
static void have_faults(struct sim *s, struct sim_sock *k)
{
    const int64_t stall_max = 2000000000;
    if (aw_simu_draw(s, s->opts.stall)) {
        s->counts.stalls++;
        k->peer->last_at += (int64_t)aw_prng_below(&s->prng, (uint64_t)stall_max);
    }
    if (aw_simu_draw(s, s->opts.reset)) {
        s->counts.resets++;
        aw_simu_reset(s, k);
    } else if (!k->end_sent && aw_simu_draw(s, s->opts.half_close)) {
        s->counts.half_closes++;
        aw_simu_send_end(s, k);
    }
}

/* ---- sending ---- */

size_t aw_simu_room(const struct sim *s, const struct sim_sock *k)
{
    const struct sim_sock *to = k->peer;
    size_t buffer = k->type == SOCK_STREAM ? s->opts.buffer : BUFFER;
    if (!to || !sim_is_held(to) || to->dead)
        return buffer; /* it takes what it is given, and loses it */
    return to->in.len < buffer ? buffer - to->in.len : 0;
}

/* Why nothing can be sent at all; 0: it can. */
static int refusal_to_send(struct sim_sock *k)
{
    bool by_path = k->family == AF_UNIX;
    if (k->state != SIM_CONNECTED && k->state != SIM_CONNECTING)
        return k->error ? -aw_simu_take_error(k) : by_path ? -ENOTCONN : -EPIPE;
    if (k->state == SIM_CONNECTED && k->error)
        return -aw_simu_take_error(k);
    if (k->dead || k->end_sent)
        return -EPIPE;
    if (by_path && (!k->peer || !sim_is_held(k->peer)))
        return k->type == SOCK_DGRAM ? -ECONNREFUSED : -EPIPE;
    return 0;
}

static ssize_t send_bytes(struct sim *s, struct sim_sock *k, struct sim_vectors v, size_t n)
{
    struct sim_sock *to = k->peer;
    if (n > 1 && aw_simu_draw(s, s->opts.short_write)) {
        s->counts.short_writes++;
        n = aw_simu_part(s, n);
    }
    if (!sim_is_held(to) || to->dead) {
        aw_simu_reset(s, to);
        return (ssize_t)n;
    }
    if (!reserve(&to->in, n))
        return -ENOMEM;
    size_t before = to->in.len;
    gather(&to->in, v, n);
    size_t sent = dispatch_pieces(s, to, n);
    to->in.len = before + sent;
    if (sent == 0)
        return -ENOMEM;
    have_faults(s, k);
    return (ssize_t)sent;
}

static ssize_t send_message(struct sim *s, struct sim_sock *k, struct sim_vectors v, size_t n)
{
    struct sim_sock *to = k->peer;
    if (n + sizeof n > BUFFER)
        return -EMSGSIZE;
    if (aw_simu_room(s, k) < n + sizeof n)
        return -EAGAIN;
    if (!reserve(&to->in, n + sizeof n))
        return -ENOMEM;
    size_t before = to->in.len;
    add(&to->in, &n, sizeof n);
    gather(&to->in, v, n);
    if (dispatch(s, to, n + sizeof n))
        return (ssize_t)n;
    to->in.len = before;
    return -ENOMEM;
}

ssize_t aw_simu_send(struct sim *s, struct sim_sock *k, struct sim_vectors v, int flags)
{
    aw_simu_settle(s);
    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    int err = refusal_to_send(k);
    if (err < 0)
        return err;
    size_t n = total(v), room = aw_simu_room(s, k);
    ssize_t sent;
    if (k->state == SIM_CONNECTING || aw_simu_refuses(s, k, SIM_WRITES))
        return -EAGAIN;
    if (k->type != SOCK_STREAM)
        sent = send_message(s, k, v, n);
    else if (n == 0)
        sent = 0;
    else
        sent = room ? send_bytes(s, k, v, n < room ? n : room) : -EAGAIN;
    aw_simu_settle(s);
    return sent;
}

/* ---- receiving ---- */

/* Why nothing can be received at all; 0: it can. */
static int refusal_to_receive(const struct sim_sock *k, int flags)
{
    bool by_path = k->family == AF_UNIX;
    if (flags & MSG_OOB)
        return by_path ? -EOPNOTSUPP : -EINVAL;
    if (k->state == SIM_FRESH || k->state == SIM_LISTENING)
        return by_path && k->type == SOCK_STREAM ? -EINVAL : -ENOTCONN;
    return 0;
}

static void consume(struct sim *s, struct sim_sock *k, size_t n)
{
    k->arrived -= n;
    take(&k->in, n);
    if (k->peer)
        aw_simu_touch(s, k->peer); /* there is room */
}

static ssize_t receive_bytes(struct sim *s, struct sim_sock *k, struct sim_vectors v, int flags)
{
    size_t n = total(v);
    if (n > k->arrived)
        n = k->arrived;
    if (n > 1 && aw_simu_draw(s, s->opts.short_read)) {
        s->counts.short_reads++;
        n = aw_simu_part(s, n);
    }
    scatter(k->in.data + k->in.at, v, n);
    if (!(flags & MSG_PEEK))
        consume(s, k, n);
    return (ssize_t)n;
}

static ssize_t receive_message(struct sim *s, struct sim_sock *k, struct sim_vectors v, int flags,
                               bool *cut)
{
    size_t room = total(v), len;
    const char *data = k->in.data + k->in.at;
    memcpy(&len, data, sizeof len);
    size_t n = len < room ? len : room;
    scatter(data + sizeof len, v, n);
    if (cut)
        *cut = len > room;
    if (!(flags & MSG_PEEK))
        consume(s, k, len + sizeof len);
    return (ssize_t)(flags & MSG_TRUNC ? len : n);
}

ssize_t aw_simu_recv(struct sim *s, struct sim_sock *k, struct sim_vectors v, int flags, bool *cut)
{
    aw_simu_settle(s);
    int err = refusal_to_receive(k, flags);
    if (err < 0)
        return err;
    if (k->type == SOCK_STREAM && total(v) == 0)
        return 0;
    if (k->arrived > 0) {
        if (aw_simu_refuses(s, k, SIM_READS))
            return -EAGAIN;
        return k->type == SOCK_STREAM ? receive_bytes(s, k, v, flags)
                                      : receive_message(s, k, v, flags, cut);
    }
    if (k->error && k->state != SIM_CONNECTING)
        return -aw_simu_take_error(k);
    if (k->state == SIM_REFUSED)
        return -ENOTCONN;
    return k->end_arrived || k->dead ? 0 : -EAGAIN;
}
