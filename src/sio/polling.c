/*
 * polling.c - the transport of HTTP requests: a GET takes what waits, a POST brings packets.
 *
 * A GET that finds nothing is held: it waits for a future that whatever is sent completes.  There
 * is at most one such GET, and one POST; a client that has two of a kind is broken, and ended.
 */
#include "sio/sio.h"

#define TYPE "text/plain; charset=UTF-8"

enum { PASSES = 3 }; /* for what has come on a WebSocket before a request */

static int respond(aw_http_request *r, const char *body, size_t n)
{
    AW_TRY(aw_http_respond_field(r, "Cache-Control", "no-store"));
    return aw_http_respond(r, 200, TYPE, body, n);
}

int aw_sio_polling_open(aw_sio *io, aw_http_request *r)
{
    struct aw_sio_session *s = aw_sio_session_new(io, r);
    if (!s)
        return aw_errno();
    struct aw_sio_out *out = aw_sio_session_greeting(s);
    int err = out ? respond(r, out->text, out->len) : aw_errno();
    aw_sio_out_unref(out);
    if (err < 0)
        aw_sio_session_end(s, "transport error", AW_WS_GOING_AWAY);
    aw_sio_session_unref(s);
    return err;
}

/* ---- GET ---- */

/* Wait until there is something, or the GET must not be held any more. */
static int hold(struct aw_sio_session *s)
{
    s->poll = aw_future_new();
    if (!s->poll)
        return aw_errno();
    aw_future *f = aw_ref(s->poll);
    int err = aw_await(f);
    aw_unref(s->poll);
    s->poll = NULL;
    aw_unref(f);
    return err;
}

/* What waits, and when nothing does what tells so. */
static int give(struct aw_sio_session *s, aw_http_request *r)
{
    struct aw_growing payload = {0};
    aw_sio_session_drain(s, &payload);
    if (payload.len && s->state == AW_SIO_ENDED)
        aw_growing_addc(&payload, AW_EIO_SEPARATOR);
    if (s->state == AW_SIO_ENDED || (s->state == AW_SIO_LINGERING && !payload.len))
        aw_growing_addc(&payload, s->final);
    else if (!payload.len)
        aw_growing_addc(&payload, AW_EIO_NOOP);
    int err = payload.failed ? payload.failed : respond(r, payload.data, payload.len);
    aw_growing_clear(&payload);
    return err;
}

static int get(struct aw_sio_session *s, aw_http_request *r)
{
    /* Somebody who upgrades without waiting for answers has sent that before this request. */
    for (int i = 0; i < PASSES && s->upgrading && s->state == AW_SIO_OPEN; i++)
        AW_TRY(aw_sleep(0));
    if (s->poll) {
        aw_sio_tell(s->io, s->handshake, "two GETs of one session at a time", NULL, 0);
        aw_sio_session_end(s, "transport error", AW_WS_GOING_AWAY);
        return aw_sio_answer(r, AW_SIO_BAD_REQUEST);
    }
    if (s->ws || s->state == AW_SIO_ENDED)
        return aw_sio_answer(r, s->ws ? AW_SIO_BAD_REQUEST : AW_SIO_UNKNOWN_SID);
    if (s->state == AW_SIO_OPEN && !s->queue.head && !s->probed) {
        int err = hold(s);
        if (err < 0)
            return err;
    }
    bool is_last = !s->queue.head;
    int err = give(s, r);
    if (s->state == AW_SIO_LINGERING && is_last)
        aw_sio_session_end(s, "", 0);
    else if (err < 0)
        aw_sio_session_end(s, "transport error", AW_WS_GOING_AWAY);
    return err;
}

int aw_sio_polling_get(struct aw_sio_session *s, aw_http_request *r)
{
    aw_sio_session_ref(s);
    int err = get(s, r);
    aw_sio_session_unref(s);
    return err;
}

/* ---- POST ---- */

static int take_packets(struct aw_sio_session *s, char *body, size_t n)
{
    struct aw_eio_payload payload;
    struct aw_eio_packet p;
    int more = 1;
    aw_eio_payload_begin(&payload, body, n, s->io->opts.max_packets);
    while (s->state == AW_SIO_OPEN && (more = aw_eio_payload_next(&payload, &p)) > 0) {
        int err = aw_sio_session_packet(s, &p);
        if (err < 0)
            return err;
    }
    if (more == AW_ELIMIT)
        return aw_raise(more, "more packets than .max_packets in one payload");
    return more < 0 ? more : 0;
}

static int post(struct aw_sio_session *s, aw_http_request *r)
{
    char *body;
    AW_TRY(aw_http_request_set_max_body(r, s->io->opts.max_payload));
    ssize_t n = aw_http_request_body(r, &body);
    if (n < 0) {
        if (n == AW_ELIMIT)
            aw_sio_tell(s->io, s->handshake, "the payload is too large", "max_payload",
                        s->io->opts.max_payload);
        aw_sio_session_end(s, "transport error", AW_WS_GOING_AWAY);
        return (int)n;
    }
    int err = s->state == AW_SIO_OPEN && !s->ws ? take_packets(s, body, (size_t)n) : -EBADMSG;
    if (err == -ECANCELED)
        return err;
    if (err == 0)
        return respond(r, "ok", 2);
    aw_sio_session_refuse(s, err);
    return aw_sio_answer(r, AW_SIO_BAD_REQUEST);
}

int aw_sio_polling_post(struct aw_sio_session *s, aw_http_request *r)
{
    if (s->posting || s->state != AW_SIO_OPEN || s->ws) {
        if (s->posting)
            aw_sio_tell(s->io, s->handshake, "two POSTs of one session at a time", NULL, 0);
        if (s->posting)
            aw_sio_session_end(s, "transport error", AW_WS_GOING_AWAY);
        return aw_sio_answer(r, AW_SIO_BAD_REQUEST);
    }
    aw_sio_session_ref(s);
    s->posting = true;
    int err = post(s, r);
    s->posting = false;
    aw_sio_session_unref(s);
    return err;
}
