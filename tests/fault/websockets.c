/*
 * websockets.c - scenarios of WebSockets: a handshake, an echo, a broadcast, an end: whatever fails
 * both sides come to an end, and nothing is left.
 */
#include "await/scope.h"
#include "await/websocket.h"
#include "fault/inject.h"

/* What one side sees of a failure on the other. */
static bool is_consequence(long long err)
{
    return is_gone(err) || err == -EPROTO || err == -ETIMEDOUT || err == -EMSGSIZE;
}

/* In a disturbed run the other side may be gone, and then the conversation ends early. */
#define WANT(expr, expected)                                                                       \
    do {                                                                                           \
        int got_ = (expr);                                                                         \
        if (disturbed() && (got_ == 0 || is_consequence(got_)) && got_ != (expected))              \
            return AW_EOF;                                                                         \
        if (got_ != (expected))                                                                    \
            return unexpected(got_, #expr, __FILE__, __LINE__);                                    \
    } while (0)

struct visit {
    aw_stream *two[2];
    int served, asked;
};

/* ---- the server ---- */

static int echo(aw_websocket *ws)
{
    aw_websocket_message m;
    int more;
    while ((more = aw_websocket_receive(ws, &m)) > 0)
        AW_TRY(aw_websocket_send(ws, m.data, m.size, .binary = m.binary));
    return more;
}

static int handle(aw_http_request *r, void *arg)
{
    static const char *const protocols[] = {"echo", NULL};
    struct visit *v = arg;
    aw_websocket *ws;
    v->served = aw_websocket_accept(r, &ws, .protocols = protocols);
    if (v->served < 0)
        return v->served;
    CHECK(aw_websocket_stream(ws) && !aw_websocket_is_closing(ws));
    v->served = echo(ws);
    if (v->served < 0)
        aw_ignore(aw_websocket_abort(ws));
    aw_websocket_unref(ws);
    return 0;
}

static int serve(void *arg)
{
    struct visit *v = arg;
    int err = aw_http_serve_stream(v->two[1], handle, v);
    if (v->served >= 0 && err < 0)
        v->served = err;
    aw_ignore(aw_stream_abort(v->two[1]));
    return 0;
}

/* ---- the client ---- */

static int exchange(aw_websocket *ws)
{
    aw_websocket_message m;
    char bulk[3000];
    memset(bulk, 'x', sizeof bulk);
    AW_TRY(aw_websocket_send(ws, "hello", 5));
    WANT(aw_websocket_receive(ws, &m), 1);
    CHECK(m.size == 5 && !strcmp(m.data, "hello") && !m.binary);
    AW_TRY(aw_websocket_send(ws, bulk, sizeof bulk, .binary = true, .fragment = 1000));
    WANT(aw_websocket_receive(ws, &m), 1);
    CHECK(m.size == sizeof bulk && m.binary && !memcmp(m.data, bulk, m.size));
    AW_TRY(aw_websocket_send(ws, "in ", 3, .more = true));
    AW_TRY(aw_websocket_send(ws, "pieces", 6));
    WANT(aw_websocket_receive(ws, &m), 1);
    CHECK(!strcmp(m.data, "in pieces"));
    aw_websocket_frame *f = aw_websocket_frame_new("frame", 5);
    if (!f)
        return unexpected(aw_errno(), "aw_websocket_frame_new()", __FILE__, __LINE__);
    CHECK(aw_websocket_frame_size(f) == 7);
    int err = aw_websocket_send_frame(ws, aw_websocket_frame_ref(f), .nowait = true);
    aw_websocket_frame_unref(f);
    aw_websocket_frame_unref(f);
    AW_TRY(err);
    WANT(aw_websocket_receive(ws, &m), 1);
    CHECK(!strcmp(m.data, "frame"));
    CHECK_CALM(aw_websocket_pending(ws) == 0);
    return 0;
}

static int listen_to_end(void *arg)
{
    aw_websocket_message m;
    return aw_websocket_receive(arg, &m);
}

/* A ping needs somebody who receives; so a task does, until the end. */
static int ping_and_close(aw_websocket *ws)
{
    aw_task *listener = aw_create_task(listen_to_end, ws);
    if (!listener)
        return unexpected(aw_errno(), "aw_create_task()", __FILE__, __LINE__);
    int err = aw_websocket_ping(ws, .timeout = 5);
    if (err >= 0)
        err = aw_websocket_close(ws, .code = 4000, .reason = "enough");
    if (err < 0)
        aw_ignore(aw_websocket_abort(ws));
    int heard = aw_join(listener);
    if (err < 0)
        return err;
    CHECK_CALM(heard == 0 && aw_websocket_close_code(ws) == 4000);
    CHECK_CALM(!*aw_websocket_close_reason(ws));
    return heard;
}

static int ask(struct visit *v)
{
    static const char *const protocols[] = {"echo", NULL};
    aw_websocket *ws;
    AW_TRY(
        aw_websocket_connect(&ws, "ws://h.example/", .stream = v->two[0], .protocols = protocols));
    CHECK(!strcmp(aw_websocket_protocol(ws), "echo"));
    int err = exchange(aw_websocket_ref(ws));
    aw_websocket_unref(ws);
    if (err == 0)
        err = ping_and_close(ws);
    if (err < 0)
        aw_ignore(aw_websocket_abort(ws));
    aw_websocket_unref(ws);
    return err;
}

static int visit(void *arg)
{
    struct visit *v = arg;
    v->asked = ask(v);
    aw_ignore(aw_stream_abort(v->two[0]));
    return 0;
}

/* The reason before its consequences: a server that has no memory tells its log, and its client
 * by a status or by hanging up; and who listens may be the one that is cancelled. */
static int outcome(const struct visit *v)
{
    if (v->asked == WRONG || v->served == WRONG)
        return WRONG;
    int err = v->asked == 0 || v->served == expected_error ? v->served : v->asked;
    return disturbed() && is_consequence(err) ? expected_error : err;
}

static int websocket(void *arg)
{
    struct visit v = {.served = 0};
    (void)arg;
    AW_TRY(aw_stream_pair(v.two));
    int err = aw_gather(AW_CORO(visit, &v), AW_CORO(serve, &v));
    aw_stream_unref(v.two[0]);
    aw_stream_unref(v.two[1]);
    return err < 0 ? err : outcome(&v);
}

/* What cannot be held back is written at once, and a reason that cannot be kept is missing. */
SCENARIO(websocket_visited)
{
    may_be_silent(SITE_ALLOC);
    return run_main(websocket, NULL);
}
