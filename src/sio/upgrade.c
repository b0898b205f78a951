/*
 * upgrade.c - the transport of WebSocket: from the beginning, or in place of polling.
 *
 * The upgrade is the client's: it says "2probe" on the new connection, hears "3probe", waits for
 * its GET to come back, which therefore is not held any more, and says "5".  What waits goes to the
 * WebSocket then, and polling is over.  Until the 5 the new connection may fail, and nothing has
 * happened.
 */
#include <math.h>
#include <string.h>

#include "sio/sio.h"

static int shake_hands(aw_sio *io, aw_http_request *r, aw_websocket **ret)
{
    static const char *const every[] = {"*", NULL}; /* its origin was looked at before */
    return aw_websocket_accept(r, ret, .origins = every,
                               .limits = {.max_message = io->opts.max_payload,
                                          .max_pending = io->opts.max_buffered,
                                          .ping_interval = INFINITY});
}

/* ---- packets ---- */

static int take(struct aw_sio_session *s, const aw_websocket_message *m)
{
    struct aw_eio_packet p = {
        .type = AW_EIO_MESSAGE, .binary = true, .data = m->data, .len = m->size};
    if (!m->binary)
        AW_TRY(aw_eio_decode(&p, m->data, m->size));
    return aw_sio_session_packet(s, &p);
}

/* The transport has come to an end by itself. */
static void ended(struct aw_sio_session *s, int err)
{
    if (s->state != AW_SIO_OPEN)
        return;
    if (err == -EMSGSIZE || err == -EPROTO || err == -EILSEQ)
        aw_sio_tell(s->io, s->handshake, aw_errmsg(), NULL, 0);
    aw_sio_session_end(s,
                       err == 0 || err == AW_EOF ? "transport close"
                       : err == -ECANCELED       ? "server shutting down"
                                                 : "transport error",
                       AW_WS_GOING_AWAY);
}

/* A message, on its way to a task that has the stack for it. */
struct message {
    struct aw_sio_session *session;
    aw_websocket_message *m;
};

static int take_there(void *arg)
{
    struct message *message = arg;
    return take(message->session, message->m);
}

/* Taking a message goes deep (JSON is parsed), and what a stack has once used it holds.  So it is
 * done by a task that ends with it, whose stack is that of the one before; all but what each client
 * sends again and again, the answer to a ping. */
static int take_apart(struct aw_sio_session *s, aw_websocket_message *m)
{
    struct message message = {.session = s, .m = m};
    if (!m->binary && m->size > 0 && m->data[0] == AW_EIO_PONG)
        return take(s, m);
    return aw_join(aw_create_task(take_there, &message));
}

/* Read until one of the sides ends it, and then until the WebSocket is closed. */
static int read_on(void *arg)
{
    struct aw_sio_reader *reader = arg;
    struct aw_sio_session *s = reader->session;
    aw_websocket_message m;
    int n;
    while ((n = aw_websocket_receive(reader->ws, &m)) > 0) {
        int err = s->state == AW_SIO_OPEN ? take_apart(s, &m) : 0;
        if (err == -ECANCELED) {
            n = err;
            break;
        }
        if (err < 0)
            aw_sio_session_refuse(s, err);
    }
    ended(s, n);
    return n == -ECANCELED ? n : 0;
}

/* The reader's task has ended, or never began. */
static void end_reader(void *arg)
{
    struct aw_sio_reader *reader = arg;
    aw_sio *io = aw_sio_ref(reader->session->io);
    aw_sio_session_end(reader->session, "transport error", AW_WS_GOING_AWAY);
    aw_list_remove(&reader->link);
    aw_websocket_unref(reader->ws);
    aw_stream_unref(reader->stream);
    aw_sio_session_unref(reader->session);
    aw_unref(reader->task);
    aw_mem_free(reader);
    aw_sio_part_ended(io);
    aw_sio_unref(io);
}

/* From now on a task of its own reads, and the request is over. */
static int start_reader(struct aw_sio_session *s, aw_http_request *r, aw_websocket *ws)
{
    struct aw_sio_reader *reader = aw_mem_zalloc(sizeof *reader);
    if (!reader)
        return -ENOMEM;
    int err = aw_http_leave(r, &reader->stream);
    if (err == 0)
        err = aw_spawn(read_on, reader, .release = end_reader, .ret_task = &reader->task);
    if (err < 0) {
        aw_stream_unref(reader->stream);
        aw_mem_free(reader);
        return err;
    }
    reader->session = aw_sio_session_ref(s);
    reader->ws = aw_websocket_ref(ws);
    aw_list_push_back(&s->io->readers, &reader->link);
    return 0;
}

/* ---- from the beginning ---- */

static int open_session(struct aw_sio_session *s, aw_http_request *r, aw_websocket *ws)
{
    int err = aw_sio_session_take_websocket(s, ws);
    struct aw_sio_out *out = err == 0 ? aw_sio_session_greeting(s) : NULL;
    if (err == 0)
        err = out ? aw_sio_session_send(s, out, false) : aw_errno();
    aw_sio_out_unref(out);
    return err < 0 ? err : start_reader(s, r, ws);
}

int aw_sio_websocket_open(aw_sio *io, aw_http_request *r)
{
    aw_websocket *ws;
    struct aw_sio_session *s = aw_sio_session_new(io, r);
    if (!s)
        return aw_errno();
    int err = shake_hands(io, r, &ws);
    if (err == 0) {
        err = open_session(s, r, ws);
        aw_websocket_unref(ws);
    }
    if (err < 0)
        aw_sio_session_end(s, "transport error", AW_WS_GOING_AWAY);
    aw_sio_session_unref(s);
    return err;
}

/* ---- in place of polling ---- */

struct probe {
    struct aw_sio_session *session;
    aw_websocket *ws;
};

static int expect(aw_websocket *ws, const char *text)
{
    aw_websocket_message m;
    int n = aw_websocket_receive(ws, &m);
    if (n <= 0)
        return n < 0 ? n : AW_EOF;
    return !m.binary && strcmp(m.data, text) == 0 ? 0 : -EBADMSG;
}

static int probe(void *arg)
{
    struct probe *p = arg;
    AW_TRY(expect(p->ws, "2probe"));
    AW_TRY(aw_websocket_send(p->ws, "3probe", 6, .nowait = true));
    p->session->probed = true;
    aw_sio_session_wake(p->session);
    AW_TRY(expect(p->ws, "5"));
    return p->session->state == AW_SIO_OPEN ? 0 : -ENOTCONN;
}

static int upgrade(struct aw_sio_session *s, aw_http_request *r, aw_websocket *ws)
{
    struct probe p = {.session = s, .ws = ws};
    int err = aw_timeout_call(s->io->opts.upgrade_timeout, probe, &p);
    s->probed = s->upgrading = false;
    if (err == 0)
        err = aw_sio_session_take_websocket(s, ws);
    aw_sio_session_wake(s);
    if (err == 0)
        err = start_reader(s, r, ws);
    if (err == 0)
        return 0;
    if (err == -ETIMEDOUT || err == -EBADMSG)
        aw_sio_tell(s->io, s->handshake, "the upgrade was not finished",
                    err == -ETIMEDOUT ? "upgrade_timeout" : NULL,
                    (size_t)s->io->opts.upgrade_timeout);
    if (s->ws)
        aw_sio_session_end(s, "transport error", AW_WS_INTERNAL);
    else
        aw_ignore(aw_websocket_close(ws, .code = AW_WS_POLICY, .nowait = err == -ECANCELED));
    return err == -ECANCELED ? err : 0;
}

int aw_sio_websocket_upgrade(struct aw_sio_session *s, aw_http_request *r)
{
    aw_websocket *ws;
    if (s->ws || s->upgrading || s->state != AW_SIO_OPEN)
        return aw_sio_answer(r, AW_SIO_BAD_REQUEST);
    aw_sio_session_ref(s);
    s->upgrading = true;
    int err = shake_hands(s->io, r, &ws);
    if (err == 0) {
        err = upgrade(s, r, ws);
        aw_websocket_unref(ws);
    }
    s->upgrading = false;
    aw_sio_session_unref(s);
    return err;
}
