/*
 * accept.c - the server's side of the handshake, on a request of the HTTP server's.
 *
 * A list of questions, each with the status that a "no" is answered with.  What RFC 6455 says once
 * may stand in the request once.
 */
#include <stdio.h>
#include <string.h>

#include "ws/ws.h"

/* Why a request is refused; status 0: it is not. */
struct refusal {
    int status;
    const char *why;
};

static const struct refusal fine = {0, ""};

/* ---- the request ---- */

static unsigned count(const aw_http_request *r, const char *name)
{
    const char *field, *value;
    unsigned n = 0;
    for (size_t i = 0; aw_http_request_field_at(r, i, &field, &value) == 0; i++)
        n += aw_same_word(field, strlen(field), name);
    return n;
}

static const char *only(const aw_http_request *r, const char *name)
{
    return count(r, name) == 1 ? aw_http_request_field(r, name) : "";
}

static struct refusal look_at(const aw_http_request *r)
{
    if (strcmp(aw_http_request_method(r), "GET") != 0)
        return (struct refusal){405, "a WebSocket is asked for with GET"};
    if (aw_http_request_minor(r) < 1 || aw_http_request_length(r) != 0)
        return (struct refusal){400, "not HTTP/1.1, or a request with a body"};
    if (!aw_http_request_has_token(r, "Upgrade", "websocket") ||
        !aw_http_request_has_token(r, "Connection", "upgrade"))
        return (struct refusal){426, "no upgrade to WebSocket was asked for"};
    if (strcmp(only(r, "Sec-WebSocket-Version"), "13") != 0)
        return (struct refusal){426, "another version than 13"};
    const char *key = only(r, "Sec-WebSocket-Key");
    if (!ws_key_check(key, strlen(key)))
        return (struct refusal){400, "the key is not 16 bytes in base64"};
    return fine;
}

/* ---- whose page it is ---- */

/* "https://" and the host that the request is for; by http only where the server is reached so. */
static bool is_own(const aw_http_request *r, const char *origin)
{
    const char *host = aw_http_request_field(r, "Host");
    bool by_tls = aw_same_word(origin, strnlen(origin, 8), "https://");
    size_t scheme = by_tls ? 8 : 7;
    if (!by_tls && !aw_same_word(origin, strnlen(origin, 7), "http://"))
        return false;
    if (!by_tls && aw_http_request_is_tls(r))
        return false;
    return host && *host && aw_same_word(origin + scheme, strlen(origin + scheme), host);
}

static bool is_listed(const char *const *origins, const char *origin)
{
    for (size_t i = 0; origins && origins[i]; i++)
        if (!strcmp(origins[i], "*") || aw_same_word(origin, strlen(origin), origins[i]))
            return true;
    return false;
}

static struct refusal check_origin(const aw_websocket_accept_opts *o)
{
    aw_http_request *r = o->request;
    unsigned n = count(r, "Origin");
    const char *origin = n == 1 ? aw_http_request_field(r, "Origin") : "";
    if (n == 0)
        return fine;
    if (n == 1 && is_listed(o->origins, origin))
        return fine;
    if (n == 1 && o->check_origin && o->check_origin(origin, r, o->check_arg))
        return fine;
    if (n == 1 && !o->origins && !o->check_origin && is_own(r, origin))
        return fine;
    return (struct refusal){403, "a page of another origin"};
}

/* ---- sub-protocols ---- */

/* Does the client speak it?  It may say so in several fields. */
static bool is_spoken(const aw_http_request *r, const char *protocol)
{
    const char *field, *value;
    for (size_t i = 0; aw_http_request_field_at(r, i, &field, &value) == 0; i++)
        if (aw_same_word(field, strlen(field), "Sec-WebSocket-Protocol") &&
            ws_list_names(value, strlen(value), protocol))
            return true;
    return false;
}

static const char *choose_protocol(const aw_websocket_accept_opts *o)
{
    for (size_t i = 0; o->protocols && o->protocols[i]; i++)
        if (is_spoken(o->request, o->protocols[i]))
            return o->protocols[i];
    return NULL;
}

/* ---- the answer ---- */

/* Apart, as its texts would else lie on the stack of every connection. */
static AW_COLD int refuse(aw_http_request *r, const struct refusal *f)
{
    char text[256];
    int err = 0;
    snprintf(text, sizeof text, "WebSocket of %s refused (%d): %s", aw_http_request_peer(r),
             f->status, f->why);
    if (f->status == 426)
        err = aw_http_respond_field(r, "Upgrade", "websocket");
    if (f->status == 426 && err >= 0)
        err = aw_http_respond_field(r, "Sec-WebSocket-Version", "13");
    if (f->status == 405)
        err = aw_http_respond_field(r, "Allow", "GET");
    if (err >= 0)
        err = aw_http_respond_status(r, f->status);
    if (err < 0)
        return err;
    return aw_raise(f->status == 403 ? -EACCES : -EPROTO, text);
}

static int answer(aw_http_request *r, const char *protocol, aw_stream **ret)
{
    char accept[WS_ACCEPT_SIZE + 1];
    ws_key_answer(aw_http_request_field(r, "Sec-WebSocket-Key"), accept);
    AW_TRY(aw_http_respond_field(r, "Upgrade", "websocket"));
    AW_TRY(aw_http_respond_field(r, "Sec-WebSocket-Accept", accept));
    if (protocol)
        AW_TRY(aw_http_respond_field(r, "Sec-WebSocket-Protocol", protocol));
    return aw_http_upgrade(r, 101, ret);
}

static int check(const aw_websocket_accept_opts *o)
{
    aw_websocket_limits limits;
    if (!o->request || !o->ret)
        return aw_raise(-EINVAL, "the request, or the place for the WebSocket, is NULL");
    for (size_t i = 0; o->protocols && o->protocols[i]; i++)
        if (!aw_is_token(o->protocols[i], strlen(o->protocols[i])))
            return aw_raise(-EINVAL, "a protocol's name is no token");
    return ws_limits(&o->limits, &limits);
}

int aw_websocket_accept_(const aw_websocket_accept_opts *opts)
{
    aw_stream *stream;
    AW_TRY(check(opts));
    struct refusal refusal = look_at(opts->request);
    if (!refusal.status)
        refusal = check_origin(opts);
    const char *protocol = choose_protocol(opts);
    if (!refusal.status && opts->need_protocol && !protocol)
        refusal = (struct refusal){400, "no protocol that the server speaks"};
    if (refusal.status)
        return refuse(opts->request, &refusal);
    AW_TRY(answer(opts->request, protocol, &stream));
    aw_websocket *ws = aw_websocket_from_stream(stream, .server = true, .protocol = protocol,
                                                .limits = opts->limits);
    if (!ws)
        return aw_errno();
    *opts->ret = ws;
    return 0;
}
