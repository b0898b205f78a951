/*
 * session.c - a client's connection: its queue, its heart-beat, its end.
 *
 * A session sends through one of two transports.  Polling puts packets into a queue, and wakes the
 * GET that is held, if one is.  WebSocket takes frames at once.  In between, while a WebSocket is
 * being probed, it is still polling.
 */
#include <string.h>

#include "sio/sio.h"
#include "text/base64.h"

/* Bytes pending of a WebSocket from which volatile packets are dropped. */
enum { BUSY = 16 << 10 };

/* ---- life ---- */

static int fill(struct aw_sio_session *s, aw_http_request *r)
{
    AW_TRY(aw_sio_new_id(s->sid));
    s->handshake = aw_sio_handshake_new(r);
    if (!s->handshake)
        return -ENOMEM;
    AW_TRY(aw_sio_line_set(&s->io->connects, &s->connect));
    AW_TRY(aw_sio_line_set(&s->io->pings, &s->heart));
    return aw_sio_table_add(&s->io->sessions, &s->node);
}

struct aw_sio_session *aw_sio_session_new(aw_sio *io, aw_http_request *r)
{
    struct aw_sio_session *s = aw_mem_zalloc(sizeof *s);
    if (!s)
        return aw_refuse(-ENOMEM, NULL);
    s->refs = 1;
    s->io = aw_sio_ref(io);
    s->final = AW_EIO_CLOSE;
    s->node.name = s->sid;
    aw_list_init(&s->heart.link);
    aw_list_init(&s->connect.link);
    aw_list_init(&s->sockets);
    aw_list_init(&s->doom);
    int err = fill(s, r);
    if (err < 0) {
        aw_list_remove(&s->heart.link);
        aw_list_remove(&s->connect.link);
        s->state = AW_SIO_ENDED;
        aw_sio_session_unref(s);
        return aw_refuse(err, NULL);
    }
    return aw_sio_session_ref(s); /* one for the table */
}

struct aw_sio_session *aw_sio_session_ref(struct aw_sio_session *s)
{
    s->refs++;
    return s;
}

static void drop_queue(struct aw_sio_session *s)
{
    aw_fifo_node *node;
    while ((node = aw_fifo_pop(&s->queue)) != NULL) {
        struct aw_sio_queued *q = aw_container_of(node, struct aw_sio_queued, node);
        aw_sio_out_unref(q->out);
        aw_mem_free(q);
    }
    s->queued = 0;
}

void aw_sio_session_unref(struct aw_sio_session *s)
{
    if (!s || --s->refs > 0)
        return;
    drop_queue(s);
    aw_sio_unref(s->io);
    aw_mem_free(s->handshake);
    aw_mem_free(s);
}

struct aw_sio_session *aw_sio_session_find(const aw_sio *io, const char *sid)
{
    struct aw_sio_node *node = aw_sio_table_find(&io->sessions, sid);
    return node ? aw_container_of(node, struct aw_sio_session, node) : NULL;
}

struct aw_sio_out *aw_sio_session_greeting(const struct aw_sio_session *s)
{
    const aw_sio_opts *o = &s->io->opts;
    struct aw_growing t = {0};
    bool more = !s->ws && !o->no_websocket;
    aw_growing_adds(&t, "0{\"sid\":\"");
    aw_growing_adds(&t, s->sid);
    aw_growing_adds(&t, more ? "\",\"upgrades\":[\"websocket\"]" : "\",\"upgrades\":[]");
    aw_growing_adds(&t, ",\"pingInterval\":");
    aw_growing_addu(&t, (uint64_t)(o->ping_interval * 1e3));
    aw_growing_adds(&t, ",\"pingTimeout\":");
    aw_growing_addu(&t, (uint64_t)(o->ping_timeout * 1e3));
    aw_growing_adds(&t, ",\"maxPayload\":");
    aw_growing_addu(&t, o->max_payload);
    aw_growing_addc(&t, '}');
    struct aw_sio_out *out = t.failed ? aw_refuse(t.failed, NULL) : aw_sio_out_new(t.data, t.len);
    aw_growing_clear(&t);
    return out;
}

/* ---- sending ---- */

static int send_frames(aw_websocket *ws, struct aw_sio_out *out)
{
    AW_TRY(aw_sio_out_frames(out));
    for (unsigned i = 0; i <= out->n; i++)
        AW_TRY(aw_websocket_send_frame(ws, out->frames[i], .nowait = true));
    return 0;
}

void aw_sio_session_wake(struct aw_sio_session *s)
{
    if (s->poll)
        aw_ignore(aw_set_result(s->poll, 0, NULL));
}

void aw_sio_session_make_room(struct aw_sio_session *s)
{
    if (s->room)
        aw_ignore(aw_set_result(s->room, 0, NULL));
}

/* Small packets cost more to keep than they are long: a client that never polls could have a dozen
 * times its limit held by asking for short answers. */
static int put_in_queue(struct aw_sio_session *s, struct aw_sio_out *out)
{
    struct aw_sio_queued *q;
    size_t cost = sizeof *q + sizeof *out + out->bytes;
    if (s->queued + cost > s->io->opts.max_buffered)
        return AW_EFULL;
    q = aw_mem_alloc(sizeof *q);
    if (!q)
        return -ENOMEM;
    q->out = aw_sio_out_ref(out);
    aw_fifo_push(&s->queue, &q->node);
    s->queued += cost;
    aw_sio_session_wake(s);
    return 0;
}

/* Would a packet have to wait behind others? */
static bool is_busy(const struct aw_sio_session *s)
{
    return s->ws ? aw_websocket_pending(s->ws) > BUSY : !s->poll || s->queue.head;
}

int aw_sio_session_send(struct aw_sio_session *s, struct aw_sio_out *out, bool is_volatile)
{
    if (s->state != AW_SIO_OPEN || s->doom_reason)
        return -ENOTCONN;
    if (is_volatile && is_busy(s))
        return 0;
    int err = s->ws ? send_frames(s->ws, out) : put_in_queue(s, out);
    if (err == AW_EFULL)
        aw_sio_tell(s->io, s->handshake, "the client does not take what is sent", "max_buffered",
                    s->io->opts.max_buffered);
    if (err < 0)
        aw_sio_session_doom(s, "transport error");
    return err;
}

int aw_sio_session_take_websocket(struct aw_sio_session *s, aw_websocket *ws)
{
    aw_fifo_node *node;
    int err = 0;
    s->ws = aw_websocket_ref(ws);
    while (err == 0 && (node = aw_fifo_pop(&s->queue)) != NULL) {
        struct aw_sio_queued *q = aw_container_of(node, struct aw_sio_queued, node);
        err = send_frames(ws, q->out);
        aw_sio_out_unref(q->out);
        aw_mem_free(q);
    }
    drop_queue(s);
    return err;
}

static void add_out(struct aw_growing *payload, const struct aw_sio_out *out)
{
    if (payload->len)
        aw_growing_addc(payload, AW_EIO_SEPARATOR);
    aw_growing_add(payload, out->text, out->len);
    for (unsigned i = 0; i < out->n; i++) {
        aw_growing_adds(payload, "\x1e"
                                 "b");
        aw_growing_base64(payload, out->parts[i].data, out->parts[i].size);
    }
}

void aw_sio_session_drain(struct aw_sio_session *s, struct aw_growing *payload)
{
    for (aw_fifo_node *node = s->queue.head; node; node = node->next)
        add_out(payload, aw_container_of(node, struct aw_sio_queued, node)->out);
    drop_queue(s);
}

/* ---- the heart-beat ---- */

void aw_sio_session_ping(aw_sio *io, struct aw_sio_alarm *alarm)
{
    struct aw_sio_session *s = aw_container_of(alarm, struct aw_sio_session, heart);
    if (s->doom_reason) {
        aw_sio_session_end(s, s->doom_reason, AW_WS_GOING_AWAY);
        return;
    }
    s->awaits_pong = true;
    int err = aw_sio_line_set(&io->pongs, alarm);
    if (err == 0)
        err = aw_sio_session_send(s, io->ping, false);
    if (err < 0) /* and nobody would see to it later */
        aw_sio_session_end(s, "transport error", AW_WS_INTERNAL);
}

void aw_sio_session_no_pong(aw_sio *io, struct aw_sio_alarm *alarm)
{
    struct aw_sio_session *s = aw_container_of(alarm, struct aw_sio_session, heart);
    /* Its answer may have come: nothing is read while so many of its handlers are at work. */
    if (s->room && s->state == AW_SIO_OPEN)
        aw_sio_session_ping(io, alarm);
    else
        aw_sio_session_end(s, "ping timeout", AW_WS_GOING_AWAY);
}

void aw_sio_session_not_connected(aw_sio *io, struct aw_sio_alarm *alarm)
{
    struct aw_sio_session *s = aw_container_of(alarm, struct aw_sio_session, connect);
    aw_sio_tell(io, s->handshake, "no namespace was connected to in time", "connect_timeout",
                (size_t)io->opts.connect_timeout);
    aw_sio_session_end(s, "transport close", AW_WS_POLICY);
}

static int hear_pong(struct aw_sio_session *s)
{
    if (!s->awaits_pong)
        return 0;
    s->awaits_pong = false;
    aw_list_remove(&s->heart.link);
    return aw_sio_line_set(&s->io->pings, &s->heart);
}

/* ---- what comes ---- */

int aw_sio_session_packet(struct aw_sio_session *s, struct aw_eio_packet *p)
{
    switch (p->type) {
    case AW_EIO_MESSAGE:
        return p->binary ? aw_sio_receive_bytes(s, p->data, p->len)
                         : aw_sio_receive_text(s, p->data, p->len);
    case AW_EIO_PONG:
        return hear_pong(s);
    case AW_EIO_CLOSE:
        s->final = AW_EIO_NOOP;
        aw_sio_session_end(s, "transport close", AW_WS_NORMAL);
        return 0;
    case AW_EIO_NOOP:
        return 0;
    case AW_EIO_OPEN:
    case AW_EIO_PING: /* it is the server that pings */
    case AW_EIO_UPGRADE:
        break;
    }
    return -EBADMSG;
}

/* ---- the end ---- */

/* Its id is not known any more. */
static void forget(struct aw_sio_session *s)
{
    s->state = AW_SIO_ENDED;
    aw_list_remove(&s->heart.link);
    aw_sio_table_remove(&s->io->sessions, &s->node);
    aw_sio_session_unref(s);
}

static void end_sockets(struct aw_sio_session *s, const char *reason)
{
    while (!aw_list_empty(&s->sockets))
        aw_sio_socket_end(aw_container_of(s->sockets.next, aw_sio_socket, session_link), reason);
    aw_sio_event_unref(s->incoming);
    s->incoming = NULL;
}

/* What is in the queue of a client that polls waits for its next request, and the end for the one
 * after that: clients look at the end first. */
static bool must_linger(const struct aw_sio_session *s, const char *reason)
{
    return !s->ws && s->queue.head && s->final == AW_EIO_CLOSE && !s->io->closed &&
           strncmp(reason, "server", 6) == 0;
}

void aw_sio_session_end(struct aw_sio_session *s, const char *reason, int code)
{
    if (s->state == AW_SIO_LINGERING)
        forget(s);
    if (s->state != AW_SIO_OPEN)
        return;
    aw_sio_session_ref(s);
    s->state = AW_SIO_LINGERING;
    aw_list_remove(&s->doom);
    aw_list_remove(&s->connect.link);
    aw_list_remove(&s->heart.link);
    end_sockets(s, reason);
    aw_sio_session_make_room(s);
    if (s->ws) {
        if (aw_websocket_close(s->ws, .code = code, .nowait = true) < 0)
            aw_ignore(aw_websocket_abort(s->ws));
        aw_websocket_unref(s->ws);
        s->ws = NULL;
    }
    if (must_linger(s, reason))
        aw_ignore(aw_sio_line_set(&s->io->pongs, &s->heart));
    else
        forget(s);
    aw_sio_session_wake(s);
    aw_sio_session_unref(s);
}

static int end_doomed(void *arg)
{
    aw_sio *io = arg;
    io->doom_is_coming = false;
    while (!aw_list_empty(&io->doomed)) {
        struct aw_sio_session *s = aw_container_of(io->doomed.next, struct aw_sio_session, doom);
        aw_sio_session_end(s, s->doom_reason, AW_WS_POLICY);
    }
    aw_sio_unref(io);
    return 0;
}

void aw_sio_session_doom(struct aw_sio_session *s, const char *reason)
{
    aw_sio *io = s->io;
    if (s->state != AW_SIO_OPEN || s->doom_reason)
        return;
    s->doom_reason = reason;
    aw_list_push_back(&io->doomed, &s->doom);
    /* Where even that cannot be had, the next ping finds it. */
    if (!io->doom_is_coming && aw_call_soon(end_doomed, io) == 0) {
        io->doom_is_coming = true;
        aw_sio_ref(io);
    }
}

void aw_sio_session_refuse(struct aw_sio_session *s, int err)
{
    if (s->state != AW_SIO_OPEN || err == -ECANCELED)
        return;
    const char *reason = *aw_errmsg() ? aw_errmsg() : aw_strerror(err);
    aw_sio_tell(s->io, s->handshake, err == -EBADMSG ? "a malformed packet" : reason, NULL, 0);
    aw_sio_session_end(s, err == -ENOMEM ? "transport error" : "parse error",
                       err == -ENOMEM    ? AW_WS_INTERNAL
                       : err == -EBADMSG ? AW_WS_PROTOCOL_ERROR
                                         : AW_WS_POLICY);
}
