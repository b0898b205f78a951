/*
 * client.c - connecting: a stream, TLS if the URL says so, the request, and the answer.
 *
 * The answer's head is read up to its empty line and not a byte further: frames may follow it in
 * the same packet.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "await/net.h"
#include "await/scope.h"
#include "ws/head.h"
#include "ws/ws.h"

#define CONNECT_TIMEOUT 30.0 /* seconds, by default */

/* An attempt, while it is made. */
struct attempt {
    const aw_websocket_connect_opts *opts;
    struct ws_url url;
    char key[WS_KEY_SIZE + 1];
    char *request;
    aw_stream *stream;
    aw_websocket *made;
};

static int secure(struct attempt *a)
{
    aw_tls_context *tls = aw_tls_context_ref(a->opts->tls);
    if (!tls)
        tls = aw_tls_context_new(.insecure = false);
    if (!tls)
        return aw_errno();
    int err = aw_start_tls(&a->stream, tls, a->url.host, .timeout = INFINITY);
    aw_tls_context_unref(tls);
    return err;
}

static int open_stream(struct attempt *a)
{
    if (a->opts->stream) {
        a->stream = aw_stream_ref(a->opts->stream);
        return 0;
    }
    AW_TRY(aw_open_connection(&a->stream, a->url.host, a->url.port));
    return a->url.secure ? secure(a) : 0;
}

/* The empty line belongs to it. */
static ssize_t read_head(aw_stream *s, const char **ret)
{
    const char *data;
    ssize_t n = 1;
    for (size_t seen = 0;;) {
        n = aw_stream_wait_buffered(s, seen + 1);
        AW_TRY((int)n);
        size_t have = aw_stream_peek(s, &data);
        if (have <= seen)
            return aw_raise(AW_EOF, "the server has gone away without an answer");
        const char *end = memmem(data, have, "\r\n\r\n", 4);
        size_t size = end ? (size_t)(end - data) + 4 : have;
        if (size > WS_HEAD_MAX)
            return aw_raise(-EPROTO, "the server's answer is longer than 16 KiB");
        *ret = data;
        if (end)
            return (ssize_t)size;
        seen = have;
    }
}

/* The status is told to the caller, and the connection made of what was agreed on. */
static int agree(struct attempt *a)
{
    const aw_websocket_connect_opts *o = a->opts;
    struct ws_answer answer;
    const char *head = NULL;
    AW_TRY(aw_stream_write(a->stream, a->request, strlen(a->request)));
    ssize_t n = read_head(a->stream, &head);
    AW_TRY((int)n);
    int err = ws_answer_check(head, (size_t)n, a->key, o->protocols, &answer);
    if (o->ret_status)
        *o->ret_status = answer.status;
    AW_TRY(err);
    AW_TRY(aw_stream_consume(a->stream, (size_t)n));
    a->made = aw_websocket_from_stream(a->stream, .protocol = answer.protocol, .limits = o->limits);
    return a->made ? 0 : aw_errno();
}

static int try_it(void *arg)
{
    struct attempt *a = arg;
    AW_TRY(open_stream(a));
    return agree(a);
}

static int prepare(struct attempt *a)
{
    uint8_t bytes[16];
    aw_websocket_limits limits;
    if (isnan(a->opts->timeout))
        return aw_raise(-EINVAL, ".timeout is NaN");
    AW_TRY(ws_limits(&a->opts->limits, &limits));
    AW_TRY(ws_url_parse(a->opts->url, &a->url));
    int err = aw_random_bytes(bytes, sizeof bytes);
    if (err < 0)
        return aw_raise(err, "no random bytes for a key");
    ws_key_make(bytes, a->key);
    a->request = ws_request(&a->url, a->opts, a->key);
    return a->request ? 0 : aw_errno();
}

/* With the URL's place before what went wrong. */
static int explain(const struct attempt *a, int err)
{
    char text[384], why[256];
    if (!a->url.host || err == -ECANCELED)
        return err;
    snprintf(why, sizeof why, "%s", *aw_errmsg() ? aw_errmsg() : aw_strerror(err));
    snprintf(text, sizeof text, "%.*s: %s", a->url.place_size < 100 ? (int)a->url.place_size : 100,
             a->url.place, why);
    return aw_raise(err, text);
}

/* What ends in time is the connection's, even if the time is over then. */
int aw_websocket_connect_(const aw_websocket_connect_opts *opts)
{
    struct attempt a = {.opts = opts};
    if (opts->ret_status)
        *opts->ret_status = 0;
    int err = opts->ret ? prepare(&a) : aw_raise(-EINVAL, "there is no place for the WebSocket");
    if (err >= 0)
        err = aw_timeout_call(opts->timeout != 0 ? opts->timeout : CONNECT_TIMEOUT, try_it, &a);
    if (err >= 0)
        *opts->ret = a.made;
    else
        aw_websocket_unref(a.made);
    if (err < 0) {
        err = explain(&a, err);
        if (a.stream)
            aw_ignore(aw_stream_abort(a.stream));
    }
    aw_stream_unref(a.stream);
    aw_mem_free(a.request);
    ws_url_free(&a.url);
    return err < 0 ? err : 0;
}
