/*
 * http.c - the requests of Engine.IO: which of them is what, and which are refused.
 */
#include <string.h>

#include "sio/sio.h"

int aw_sio_answer(aw_http_request *r, enum aw_sio_refusal why)
{
    static const struct {
        int status;
        const char *body;
    } answers[] = {
        [AW_SIO_UNKNOWN_TRANSPORT] = {400, "{\"code\":0,\"message\":\"Transport unknown\"}"},
        [AW_SIO_UNKNOWN_SID] = {400, "{\"code\":1,\"message\":\"Session ID unknown\"}"},
        [AW_SIO_BAD_METHOD] = {400, "{\"code\":2,\"message\":\"Bad handshake method\"}"},
        [AW_SIO_BAD_REQUEST] = {400, "{\"code\":3,\"message\":\"Bad request\"}"},
        [AW_SIO_FORBIDDEN] = {403, "{\"code\":4,\"message\":\"Forbidden\"}"},
        [AW_SIO_BAD_VERSION] = {400, "{\"code\":5,\"message\":\"Unsupported protocol version\"}"},
    };
    const char *body = answers[why].body;
    return aw_http_respond(r, answers[why].status, "application/json", body, strlen(body));
}

static bool is(const char *a, const char *b)
{
    return a && strcmp(a, b) == 0;
}

/* A page of another site asks what it may send. */
static int preflight(aw_http_request *r)
{
    AW_TRY(aw_http_respond_field(r, "Access-Control-Allow-Methods", "GET, POST"));
    const char *fields = aw_http_request_field(r, "Access-Control-Request-Headers");
    if (fields)
        AW_TRY(aw_http_respond_field(r, "Access-Control-Allow-Headers", fields));
    return aw_http_respond(r, 204, NULL, NULL, 0);
}

/* What no client sends that speaks the protocol: told, and answered. */
static int refuse(aw_sio *io, aw_http_request *r, const char *reason, enum aw_sio_refusal why)
{
    aw_sio_tell(io, aw_http_request_peer(r), reason, NULL, 0);
    return aw_sio_answer(r, why);
}

/* A request that begins a session. */
static int open_session(aw_sio *io, aw_http_request *r, bool websocket)
{
    if (!is(aw_http_request_method(r), "GET"))
        return refuse(io, r, "a session is not begun by this method", AW_SIO_BAD_METHOD);
    const char *limit = io->closed                                ? ""
                        : io->sessions.n >= io->opts.max_sessions ? "max_sessions"
                                                                  : NULL;
    if (limit) {
        aw_sio_tell(io, aw_http_request_peer(r), "no further sessions", *limit ? limit : NULL,
                    io->opts.max_sessions);
        return aw_http_respond_status(r, 503);
    }
    int err = io->opts.allow ? io->opts.allow(r, io->opts.allow_arg) : 0;
    if (err == -ECANCELED)
        return err;
    if (err < 0)
        return refuse(io, r, "the handshake was not allowed", AW_SIO_FORBIDDEN);
    if (io->closed)
        return aw_http_respond_status(r, 503);
    return websocket ? aw_sio_websocket_open(io, r) : aw_sio_polling_open(io, r);
}

/* A request of a session that is there. */
static int serve_session(struct aw_sio_session *s, aw_http_request *r, bool websocket)
{
    const char *method = aw_http_request_method(r);
    if (websocket && is(method, "GET"))
        return aw_sio_websocket_upgrade(s, r);
    if (!websocket && is(method, "GET"))
        return aw_sio_polling_get(s, r);
    if (!websocket && is(method, "POST"))
        return aw_sio_polling_post(s, r);
    return refuse(s->io, r, "a method that no transport has", AW_SIO_BAD_REQUEST);
}

static int serve(aw_sio *io, aw_http_request *r)
{
    const char *why;
    int err = aw_sio_check_origin(io, r, &why);
    if (err == -EACCES)
        return refuse(io, r, why, AW_SIO_FORBIDDEN);
    if (err < 0)
        return err;
    if (is(aw_http_request_method(r), "OPTIONS"))
        return preflight(r);
    const char *transport = aw_http_request_argument(r, "transport");
    const char *sid = aw_http_request_argument(r, "sid");
    bool websocket = is(transport, "websocket") && !io->opts.no_websocket;
    if (!is(aw_http_request_argument(r, "EIO"), "4"))
        return refuse(io, r, "another version of the protocol than 4", AW_SIO_BAD_VERSION);
    if (!websocket && (!is(transport, "polling") || io->opts.no_polling))
        return refuse(io, r, "an unknown transport", AW_SIO_UNKNOWN_TRANSPORT);
    if (websocket && !aw_http_request_has_token(r, "Upgrade", "websocket"))
        return refuse(io, r, "no upgrade to WebSocket was asked for", AW_SIO_BAD_REQUEST);
    if (!sid)
        return open_session(io, r, websocket);
    struct aw_sio_session *s = aw_sio_session_find(io, sid);
    /* A session that is gone is nobody's fault: every client asks for its own after a restart. */
    return s ? serve_session(s, r, websocket) : aw_sio_answer(r, AW_SIO_UNKNOWN_SID);
}

int aw_sio_handler(aw_http_request *r, void *arg)
{
    aw_sio *io = arg;
    if (!io || !r)
        return -EINVAL;
    AW_TRY(aw_sio_here(io));
    aw_sio_ref(io);
    int err = serve(io, r);
    aw_sio_unref(io);
    return err;
}
