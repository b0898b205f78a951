/*
 * connection.c - making a connection over a stream, handles, and the one way in which it ends.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "await/net.h"
#include "ws/ws.h"

/* ---- small things ---- */

int ws_check(const aw_websocket *ws)
{
    if (!ws)
        return aw_raise(-EINVAL, "the WebSocket is NULL");
    int fd = aw_stream_fd(ws->stream); /* any question would do */
    return fd == AW_ETHREAD || fd == AW_EFORKED ? fd : 0;
}

void ws_peer(const aw_stream *s, char *buf, size_t size)
{
    aw_address a;
    int fd = aw_stream_fd(s);
    if (fd < 0 || aw_peer_address(fd, &a) < 0)
        snprintf(buf, size, "the peer");
    else
        aw_address_format(&a, buf, size);
}

/* ---- options ---- */

static size_t or_size(size_t given, size_t otherwise)
{
    return given ? given : otherwise;
}

static double or_time(double given, double otherwise)
{
    return given != 0 ? given : otherwise;
}

int ws_limits(const aw_websocket_limits *given, aw_websocket_limits *ret)
{
    *ret = (aw_websocket_limits){
        .max_message = or_size(given->max_message, 1 << 20),
        .max_fragments = given->max_fragments ? given->max_fragments : 1024,
        .max_control = given->max_control ? given->max_control : 100,
        .high = or_size(given->high, 64 << 10),
        .max_pending = or_size(given->max_pending, 1 << 20),
        .ping_interval = or_time(given->ping_interval, 20),
        .pong_timeout = or_time(given->pong_timeout, 20),
        .close_timeout = or_time(given->close_timeout, 10),
    };
    ret->low = or_size(given->low, ret->high / 4);
    if (ret->low > ret->high)
        return aw_raise(-EINVAL, ".high is below .low");
    if (ret->max_message > SIZE_MAX / 2)
        return aw_raise(-EINVAL, ".max_message is no size");
    if (!(ret->ping_interval > 0 && ret->pong_timeout > 0 && ret->close_timeout > 0))
        return aw_raise(-EINVAL, "a time is negative or NaN");
    return 0;
}

/* ---- making one ---- */

static ssize_t from_stream(void *arg, void *buf, size_t n)
{
    aw_websocket *ws = arg;
    if (!aw_stream_buffered(ws->stream))
        return 0;
    ws->heard = true;
    return aw_stream_read(ws->stream, buf, n);
}

static size_t in_stream(void *arg, const char **ret)
{
    const aw_websocket *ws = arg;
    return aw_stream_peek(ws->stream, ret);
}

static int set_up(aw_websocket *ws, const aw_websocket_stream_opts *o)
{
    AW_TRY(ws_limits(&o->limits, &ws->limits));
    AW_TRY(aw_stream_set_write_limits(o->stream, ws->limits.high, ws->limits.low));
    if (o->protocol && *o->protocol) {
        ws->protocol = aw_copy(o->protocol);
        if (!ws->protocol)
            return aw_raise(-ENOMEM, NULL);
    }
    return ws_timer_start(ws);
}

aw_websocket *aw_websocket_from_stream_(const aw_websocket_stream_opts *opts)
{
    if (!opts->stream)
        return aw_refuse(-EINVAL, "the stream is NULL");
    aw_websocket *ws = aw_mem_alloc(sizeof *ws);
    if (!ws)
        return aw_refuse(-ENOMEM, NULL);
    *ws = (aw_websocket){.handles = 1, .server = opts->server};
    ws->codec.source = from_stream;
    ws->codec.peek = in_stream;
    ws->codec.arg = ws;
    int err = set_up(ws, opts);
    if (err < 0) {
        aw_mem_free(ws->protocol);
        aw_mem_free(ws);
        return aw_refuse(err, aw_errmsg());
    }
    ws->stream = aw_stream_ref(opts->stream);
    return ws;
}

/* ---- handles ---- */

aw_websocket *aw_websocket_ref(aw_websocket *ws)
{
    if (ws)
        ws->handles++;
    return ws;
}

static void free_it(aw_websocket *ws)
{
    ws_codec_free(&ws->codec);
    aw_stream_unref(ws->stream);
    aw_unref(ws->speaker);
    aw_mem_free(ws->data);
    aw_mem_free(ws->pong);
    aw_mem_free(ws->detail);
    aw_mem_free(ws->reason);
    aw_mem_free(ws->protocol);
    aw_mem_free(ws);
}

/* A loop that was closed has taken the stream with it: then there is nobody to tell. */
void aw_websocket_unref(aw_websocket *ws)
{
    if (!ws || --ws->handles)
        return;
    ws->handles++;
    if (!ws->ended && !ws->close_sent)
        aw_ignore(aw_websocket_close(ws, .code = AW_WS_GOING_AWAY, .nowait = true));
    if (!ws->ended)
        ws_end(ws, AW_EOF);
    free_it(ws);
}

void ws_hold(aw_websocket *ws)
{
    ws->handles++;
}

void ws_let_go(aw_websocket *ws)
{
    aw_websocket_unref(ws);
}

/* ---- the end ---- */

int ws_end(aw_websocket *ws, int outcome)
{
    if (ws->ended)
        return ws_outcome(ws);
    const char *words = outcome < 0 ? aw_errmsg() : "";
    if (*words)
        ws->detail = aw_copy(words);
    ws->ended = true;
    ws->outcome = outcome;
    aw_ignore(ws_flush(ws));
    if (!ws->close_code)
        ws->close_code = AW_WS_ABNORMAL;
    ws_timer_stop(ws);
    /* Lest somebody who does not read keeps for ever what is pending. */
    aw_ignore(aw_stream_close_within(ws->stream, ws->limits.close_timeout));
    for (struct ws_pinger *p = ws->pingers; p; p = p->next)
        aw_event_set(&p->heard);
    aw_event_set(&ws->spoken);
    aw_event_set(&ws->end);
    return ws_outcome(ws);
}

int ws_outcome(const aw_websocket *ws)
{
    if (ws->outcome >= 0)
        return 0;
    return aw_raise(ws->outcome, ws->detail);
}

int aw_websocket_abort(aw_websocket *ws)
{
    AW_TRY(ws_check(ws));
    aw_ignore(aw_stream_abort(ws->stream));
    if (!ws->ended)
        ws_end(ws, aw_raise(-ECONNABORTED, "the WebSocket was aborted"));
    return 0;
}

/* ---- looking around ---- */

int aw_websocket_close_code(const aw_websocket *ws)
{
    return ws ? ws->close_code : 0;
}

const char *aw_websocket_close_reason(const aw_websocket *ws)
{
    return ws && ws->reason ? ws->reason : "";
}

bool aw_websocket_is_closing(const aw_websocket *ws)
{
    return !ws || ws->ended || ws->close_sent || ws->close_code;
}

const char *aw_websocket_protocol(const aw_websocket *ws)
{
    return ws && ws->protocol ? ws->protocol : "";
}

aw_stream *aw_websocket_stream(const aw_websocket *ws)
{
    return ws ? ws->stream : NULL;
}

size_t aw_websocket_pending(const aw_websocket *ws)
{
    return ws ? ws_pending(ws) : 0;
}
