/*
 * socketios.c - scenarios of Socket.IO: a handshake, an event, a question, a broadcast, an end, by
 * each transport: whatever fails a session ends, and nothing is left.
 */
#include <jansson.h>

#include "await/compose.h"
#include "await/scope.h"
#include "await/socketio.h"
#include "await/websocket.h"
#include "fault/inject.h"

struct visit {
    aw_stream *two[2];
    aw_sio *io;
    aw_sio_namespace *ns;
    int asked;
    bool is_told; /* the log has a line */
};

/* What a client sees of a failure of its server's: it is gone, or has ended the session. */
static int consequence(int err)
{
    bool is_one = err == 0 || is_gone(err) || err == -EPROTO || err == -ETIMEDOUT;
    return disturbed() && is_one ? expected_error : err;
}

/* ---- the server ---- */

static void hear_of_it(const char *line, void *arg)
{
    struct visit *v = arg;
    (void)line;
    v->is_told = true;
}

static int guard(aw_sio_socket *s, void *arg)
{
    (void)arg;
    CHECK(!aw_sio_socket_connected(s) && aw_sio_socket_field(s, "Host"));
    if (strcmp(aw_sio_socket_auth(s), "{}") != 0 && !aw_sio_socket_auth_value(s))
        return WRONG;
    return 0;
}

static int connected(aw_sio_socket *s, void *arg)
{
    (void)arg;
    AW_TRY(aw_sio_join(s, "red"));
    CHECK(aw_sio_in_room(s, "red") && aw_sio_rooms(s, NULL, 0) == 1);
    return aw_sio_emit(s, "hello", "[1]");
}

static int disconnected(aw_sio_socket *s, void *arg)
{
    (void)arg;
    CHECK(*aw_sio_socket_reason(s));
    return 0;
}

static int work(aw_sio_event *e, void *arg)
{
    struct visit *v = arg;
    aw_sio_socket *s = aw_sio_event_socket(e);
    aw_sio_event *answer = NULL;
    int err = aw_sio_call(s, "question", aw_sio_event_json(e, NULL), .ret = &answer);
    if (err == 0)
        err = aw_sio_ack(e, aw_sio_event_json(answer, NULL));
    aw_sio_event_unref(answer);
    if (err == 0)
        err = aw_sio_broadcast(v->ns, "news", "[{\"_placeholder\":true,\"num\":0}]", .room = "red",
                               .attachments = &(aw_sio_bytes){"abc", 3}, .n_attachments = 1);
    return err == -ENOTCONN ? 0 : err; /* it has gone: whoever sees to it knows */
}

static int furnish(struct visit *v)
{
    AW_TRY(aw_sio_use(v->ns, guard, NULL));
    AW_TRY(aw_sio_on_connect(v->ns, connected, NULL));
    AW_TRY(aw_sio_on_disconnect(v->ns, disconnected, NULL));
    AW_TRY(aw_sio_on(v->ns, "work", work, v));
    return aw_sio_on(v->ns, NULL, work, v);
}

static int serve(void *arg)
{
    struct visit *v = arg;
    int err = aw_http_serve_stream(v->two[1], aw_sio_handler, v->io);
    if (err != 1)
        aw_ignore(aw_stream_abort(v->two[1]));
    return 0;
}

/* ---- a client by WebSocket ---- */

static int expect(aw_websocket *ws, const char *begin)
{
    aw_websocket_message m;
    int more = aw_websocket_receive(ws, &m);
    if (more <= 0)
        return more < 0 ? more : AW_EOF;
    bool is_it = strncmp(m.data, begin, strlen(begin)) == 0;
    CHECK_CALM(is_it);
    return is_it ? 0 : AW_EOF;
}

static int converse(aw_websocket *ws)
{
    AW_TRY(expect(ws, "0{\"sid\""));
    AW_TRY(aw_websocket_send(ws, "40{\"token\":1}", 13));
    AW_TRY(expect(ws, "40{\"sid\""));
    AW_TRY(expect(ws, "42[\"hello\",1]"));
    AW_TRY(aw_websocket_send(ws, "421[\"work\",2]", 13));
    AW_TRY(expect(ws, "420[\"question\",2]"));
    AW_TRY(aw_websocket_send(ws, "430[3]", 6));
    AW_TRY(expect(ws, "431[3]"));
    AW_TRY(expect(ws, "451-[\"news\",{\"_placeholder\":true,\"num\":0}]"));
    AW_TRY(expect(ws, "abc"));
    return aw_websocket_close(ws);
}

static int visit_by_websocket(void *arg)
{
    struct visit *v = arg;
    aw_websocket *ws;
    v->asked = aw_websocket_connect(&ws, "ws://h.example/socket.io/?EIO=4&transport=websocket",
                                    .stream = v->two[0]);
    if (v->asked >= 0) {
        v->asked = converse(ws);
        if (v->asked < 0)
            aw_ignore(aw_websocket_abort(ws));
        aw_websocket_unref(ws);
    }
    aw_ignore(aw_stream_abort(v->two[0]));
    return 0;
}

/* ---- a client by polling ---- */

/* An answer's body, which a zero follows, ends with this. */
static int answer(aw_stream *s, char *sid, const char *end)
{
    char *head, body[512];
    ssize_t n = aw_stream_readuntil(s, &head, "\r\n\r\n");
    if (n < 0)
        return (int)n;
    const char *length = strstr(head, "Content-Length: ");
    if (strncmp(head, "HTTP/1.1 200", 12) != 0 || !length)
        return AW_EOF;
    size_t size = strtoul(length + 16, NULL, 10);
    CHECK(size < sizeof body);
    AW_TRY(aw_stream_readexactly(s, body, size));
    body[size] = '\0';
    const char *at = strstr(body, "\"sid\":\"");
    if (sid && at)
        snprintf(sid, 21, "%s", at + 7);
    CHECK_CALM(strstr(body, end) != NULL);
    return 0;
}

static int poll_once(aw_stream *s, const char *method, char *sid, const char *body, const char *end)
{
    char text[512];
    int n = snprintf(text, sizeof text,
                     "%s /socket.io/?EIO=4&transport=polling%s%s HTTP/1.1\r\nHost: h\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     method, *sid ? "&sid=" : "", sid, strlen(body), body);
    AW_TRY(aw_stream_write(s, text, (size_t)n));
    return answer(s, *sid ? NULL : sid, end);
}

static int poll_all(aw_stream *s)
{
    char sid[32] = "";
    AW_TRY(poll_once(s, "GET", sid, "", "\"pingInterval\""));
    AW_TRY(poll_once(s, "POST", sid, "40", "ok"));
    AW_TRY(poll_once(s, "GET", sid, "", "40{\"sid\""));
    AW_TRY(poll_once(s, "POST", sid,
                     "42[\"work\",2]\x1e"
                     "1",
                     "ok"));
    return 0;
}

static int visit_by_polling(void *arg)
{
    struct visit *v = arg;
    v->asked = poll_all(v->two[0]);
    aw_ignore(aw_stream_abort(v->two[0]));
    return 0;
}

/* ---- a client that upgrades ---- */

static int probe(aw_websocket *ws)
{
    AW_TRY(aw_websocket_send(ws, "2probe", 6));
    AW_TRY(expect(ws, "3probe"));
    AW_TRY(aw_websocket_send(ws, "5", 1));
    AW_TRY(aw_websocket_send(ws, "40", 2));
    AW_TRY(expect(ws, "40{\"sid\""));
    AW_TRY(expect(ws, "42[\"hello\",1]"));
    return aw_websocket_close(ws);
}

static int upgrade(struct visit *v, aw_stream *other)
{
    char sid[32] = "", url[128];
    aw_websocket *ws;
    AW_TRY(poll_once(v->two[0], "GET", sid, "", "\"pingInterval\""));
    snprintf(url, sizeof url, "ws://h.example/socket.io/?EIO=4&transport=websocket&sid=%s", sid);
    AW_TRY(aw_websocket_connect(&ws, url, .stream = other));
    int err = probe(ws);
    if (err < 0)
        aw_ignore(aw_websocket_abort(ws));
    aw_websocket_unref(ws);
    return err;
}

/* It polls on one connection, and opens its WebSocket on another one. */
static int visit_by_upgrade(void *arg)
{
    struct visit *v = arg, other = {.io = v->io};
    v->asked = aw_stream_pair(other.two);
    if (v->asked == 0) {
        aw_task *t = aw_create_task(serve, &other);
        v->asked = t ? upgrade(v, other.two[0]) : aw_errno();
        aw_ignore(aw_stream_abort(other.two[0]));
        if (t)
            aw_ignore(aw_join(t));
        aw_stream_unref(other.two[0]);
        aw_stream_unref(other.two[1]);
    }
    aw_ignore(aw_stream_abort(v->two[0]));
    return 0;
}

/* ---- all ---- */

static int talk(struct visit *v, aw_fn *visitor)
{
    AW_TRY(aw_stream_pair(v->two));
    int err = furnish(v);
    if (err == 0)
        err = aw_gather(AW_CORO(visitor, v), AW_CORO(serve, v));
    int closed = aw_sio_close(v->io, .grace = 1);
    aw_stream_unref(v->two[0]);
    aw_stream_unref(v->two[1]);
    if (err == 0 && v->asked != 0)
        err = v->asked == WRONG ? WRONG : consequence(v->asked);
    return err < 0 ? err : closed < 0 ? closed : 0;
}

static int with_server(aw_fn *visitor)
{
    struct visit v = {.asked = 0};
    v.io = aw_sio_new(.logger = hear_of_it, .logger_arg = &v);
    if (!v.io)
        return unexpected(aw_errno(), "aw_sio_new()", __FILE__, __LINE__);
    v.ns = aw_sio_of(v.io, "/");
    int err = talk(&v, visitor);
    CHECK_CALM(aw_sio_sessions(v.io) == 0 && aw_sio_namespace_sockets(v.ns) == 0);
    aw_sio_unref(v.io);
    return err == 0 && v.is_told ? consequence(0) : err;
}

static int by_websocket(void *arg)
{
    (void)arg;
    return with_server(visit_by_websocket);
}

static int by_upgrade(void *arg)
{
    (void)arg;
    return with_server(visit_by_upgrade);
}

static int by_polling(void *arg)
{
    (void)arg;
    return with_server(visit_by_polling);
}

SCENARIO(socketio_by_websocket)
{
    may_be_silent(SITE_ALLOC);
    json_set_alloc_funcs(aw_mem_alloc, aw_mem_free);
    return run_main(by_websocket, NULL);
}

SCENARIO(socketio_by_polling)
{
    may_be_silent(SITE_ALLOC);
    json_set_alloc_funcs(aw_mem_alloc, aw_mem_free);
    return run_main(by_polling, NULL);
}

SCENARIO(socketio_by_upgrade)
{
    may_be_silent(SITE_ALLOC);
    json_set_alloc_funcs(aw_mem_alloc, aw_mem_free);
    return run_main(by_upgrade, NULL);
}
