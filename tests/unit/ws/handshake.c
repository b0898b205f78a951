/*
 * Handshakes: what a client asks and which answers it takes; what a server answers and which
 * requests it takes.
 */
#include "unit/ws/table.h"

/* ---- the client, and a server that says what the test wants ---- */

struct server {
    aw_stream *s;
    const char *answer; /* "$K" stands for the answer to the key; NULL: hang up */
    bool bytewise;
    char request[2048];
};

#define OK_HEAD "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define OK_KEY "Sec-WebSocket-Accept: $K\r\n"

#include "ws/text.h"

static void fill_in(const char *request, const char *answer, char *ret, size_t size)
{
    char accept[WS_ACCEPT_SIZE + 1];
    const char *key = strstr(request, "Sec-WebSocket-Key: "), *place = strstr(answer, "$K");
    assert_non_null(key);
    assert_true(ws_key_check(key + 19, 24));
    ws_key_answer(key + 19, accept);
    if (place)
        snprintf(ret, size, "%.*s%s%s", (int)(place - answer), answer, accept, place + 2);
    else
        snprintf(ret, size, "%s", answer);
}

static int answer(void *arg)
{
    struct server *s = arg;
    char *head, text[20000];
    ssize_t n = aw_stream_readuntil(s->s, &head, "\r\n\r\n");
    assert_true(n > 0 && (size_t)n < sizeof s->request);
    memcpy(s->request, head, (size_t)n + 1);
    if (!s->answer)
        return aw_stream_close(s->s);
    fill_in(s->request, s->answer, text, sizeof text);
    for (size_t i = 0; s->bytewise && text[i]; i++) {
        AW_TRY(aw_stream_write(s->s, text + i, 1));
        passes(1);
    }
    return s->bytewise ? 0 : aw_stream_write(s->s, text, strlen(text));
}

struct meeting {
    struct server server;
    aw_websocket *ws;
    int result, status;
    char message[384];
};

/* What the client asks, and what it is answered. */
struct asking {
    const char *answer, *url, *origin;
    const char *const *headers, *const *protocols;
    double timeout;
    bool bytewise;
};

#define MEET(...) meet(&(struct asking){.answer = __VA_ARGS__})
static struct meeting meet(const struct asking *a)
{
    aw_stream *two[2];
    struct meeting m = {.server = {.answer = a->answer, .bytewise = a->bytewise}};
    assert_int_equal(aw_stream_pair(two), 0);
    m.server.s = two[1];
    aw_task *t = aw_create_task(answer, &m.server);
    m.result =
        aw_websocket_connect(&m.ws, a->url ? a->url : "ws://h.example/x", .stream = two[0],
                             .ret_status = &m.status, .headers = a->headers,
                             .protocols = a->protocols, .origin = a->origin, .timeout = a->timeout);
    copy_text(m.message, sizeof m.message, m.result < 0 ? aw_errmsg() : "");
    if (m.result == -EINVAL) /* it never asked */
        aw_ignore(aw_cancel(t));
    aw_ignore(aw_join(t));
    aw_stream_unref(two[0]);
    return m;
}

static void part(struct meeting *m)
{
    if (m->result == 0)
        aw_websocket_unref(m->ws);
    aw_stream_unref(m->server.s);
}

TEST_IN_LOOP(ws_client_asks_as_the_rfc_says)
{
    const char *const headers[] = {"X-One: 1", "Authorization: Bearer x", NULL};
    const char *const protocols[] = {"chat", "echo", NULL};
    struct meeting m =
        MEET(OK_HEAD OK_KEY "Sec-WebSocket-Protocol: echo\r\n\r\n", .url = "ws://h.example:81/a?b",
             .headers = headers, .protocols = protocols, .origin = "https://o.example");
    assert_int_equal(m.result, 0);
    assert_int_equal(m.status, 101);
    assert_string_equal(aw_websocket_protocol(m.ws), "echo");
    char *key = strstr(m.server.request, "Sec-WebSocket-Key: ");
    memset(key + 19, '*', 24);
    assert_string_equal(m.server.request, "GET /a?b HTTP/1.1\r\n"
                                          "Host: h.example:81\r\n"
                                          "Upgrade: websocket\r\n"
                                          "Connection: Upgrade\r\n"
                                          "Sec-WebSocket-Version: 13\r\n"
                                          "Sec-WebSocket-Key: ************************\r\n"
                                          "Origin: https://o.example\r\n"
                                          "Sec-WebSocket-Protocol: chat, echo\r\n"
                                          "X-One: 1\r\nAuthorization: Bearer x\r\n\r\n");
    part(&m);
}

TEST_IN_LOOP(ws_client_keys_are_never_the_same)
{
    struct meeting one = MEET(OK_HEAD OK_KEY "\r\n"), other = MEET(OK_HEAD OK_KEY "\r\n");
    assert_string_not_equal(one.server.request, other.server.request);
    part(&one);
    part(&other);
}

TEST_IN_LOOP(ws_client_takes_what_follows_the_answer)
{
    struct meeting m = MEET(OK_HEAD OK_KEY "\r\n\x81\x02hi", .bytewise = true);
    assert_int_equal(m.result, 0);
    expect_message(m.ws, "hi");
    part(&m);
    m = MEET("HTTP/1.1 101 \r\nupgrade: WebSocket\r\nconnection: x, UPGRADE\r\n" OK_KEY
             "Sec-WebSocket-Extensions:\r\n\r\n\x81\x02hi");
    assert_int_equal(m.result, 0);
    expect_message(m.ws, "hi");
    part(&m);
}

static void expect_refused(const char *text, int status, const char *why)
{
    struct meeting m = MEET(text);
    if (m.result != -EPROTO || m.status != status || !strstr(m.message, why))
        fail_msg("%d, status %d: %s\nfor %s", m.result, m.status, m.message, text);
    assert_non_null(strstr(m.message, "h.example"));
    part(&m);
}

TEST_IN_LOOP(ws_client_refuses_answers)
{
    expect_refused("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 403, "status 403");
    expect_refused("HTTP/1.1 200 OK\r\n\r\n", 200, "status 200");
    expect_refused("HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\n\r\n", 302, "status 302");
    expect_refused("HTTP/1.0 101 Switching\r\n\r\n", 0, "not HTTP/1.1");
    expect_refused("HTTP/1.1 1010 x\r\n\r\n", 0, "not HTTP/1.1");
    expect_refused("SSH-2.0-x\r\n\r\n", 0, "not HTTP/1.1");
    expect_refused("HTTP/1.1 101 x\nUpgrade: websocket\n\r\n\r\n", 0, "not HTTP/1.1");
    expect_refused(OK_HEAD "\r\n", 101, "not answered the key");
    expect_refused(OK_HEAD "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", 101,
                   "not answered the key");
    expect_refused(OK_HEAD OK_KEY "Upgrade: websocket\r\n\r\n", 101, "twice");
    expect_refused("HTTP/1.1 101 x\r\nConnection: Upgrade\r\n" OK_KEY "\r\n", 101,
                   "something else");
    expect_refused("HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" OK_KEY "\r\n", 101,
                   "something else");
    expect_refused("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: close\r\n" OK_KEY "\r\n",
                   101, "Connection");
    expect_refused(OK_HEAD OK_KEY "Sec-WebSocket-Protocol: chat\r\n\r\n", 101, "protocol");
    expect_refused(OK_HEAD OK_KEY " folded\r\n\r\n", 101, "no field");
    expect_refused(OK_HEAD OK_KEY "Name : x\r\n\r\n", 101, "no field");
    expect_refused(OK_HEAD OK_KEY "X: a\nb\r\n\r\n", 101, "line");
}

TEST_IN_LOOP(ws_client_refuses_a_protocol_not_asked_for)
{
    const char *const protocols[] = {"chat", NULL};
    struct meeting m =
        MEET(OK_HEAD OK_KEY "Sec-WebSocket-Protocol: cha\r\n\r\n", .protocols = protocols);
    assert_int_equal(m.result, -EPROTO);
    part(&m);
    m = MEET(OK_HEAD OK_KEY "\r\n", .protocols = protocols);
    assert_int_equal(m.result, 0);
    assert_string_equal(aw_websocket_protocol(m.ws), "");
    part(&m);
}

/* Decompression bombs: no extension is offered, and none is taken. */
TEST_IN_LOOP(ws_reliability_decompression_bombs)
{
    expect_refused(OK_HEAD OK_KEY "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", 101,
                   "extension");
}

TEST_IN_LOOP(ws_client_refuses_a_head_without_end)
{
    static char text[20000];
    size_t n = (size_t)snprintf(text, sizeof text, OK_HEAD);
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "X: %d\r\n", i);
    snprintf(text + n, sizeof text - n, "\r\n");
    expect_refused(text, 101, "more than 100 fields");
    memset(text, 'x', sizeof text - 1);
    expect_refused(text, 0, "longer than 16 KiB");
}

TEST_IN_LOOP(ws_client_whose_server_goes_away)
{
    struct meeting m = MEET(NULL);
    assert_int_equal(m.result, AW_EOF);
    assert_int_equal(m.status, 0);
    part(&m);
    m = MEET("HTTP/1.1 101", .timeout = 3);
    assert_int_equal(m.result, -ETIMEDOUT);
    part(&m);
}

/* Header injection: what could end a line is refused when it is written. */
TEST_IN_LOOP(ws_reliability_header_injection)
{
    static const char *const bad[] = {"X: a\r\nY: b",
                                      "X: a\n",
                                      "X",
                                      "X : a",
                                      ": a",
                                      "Host: x",
                                      "upgrade: x",
                                      "X: \x01",
                                      "Sec-WebSocket-Key: x",
                                      "Content-Length: 1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *const headers[] = {bad[i], NULL};
        struct meeting m = MEET(OK_HEAD, .headers = headers);
        if (m.result != -EINVAL)
            fail_msg("%s", bad[i]);
        part(&m);
    }
    const char *const token[] = {"a b", NULL}, *const twice[] = {"a", "a", NULL};
    struct meeting m = MEET(OK_HEAD, .protocols = token);
    assert_int_equal(m.result, -EINVAL);
    part(&m);
    m = MEET(OK_HEAD, .protocols = twice);
    assert_int_equal(m.result, -EINVAL);
    part(&m);
    m = MEET(OK_HEAD, .origin = "x\r\nY: z");
    assert_int_equal(m.result, -EINVAL);
    part(&m);
    m = MEET(OK_HEAD, .url = "ws://h/\r\nY: z");
    assert_int_equal(m.result, -EINVAL);
    part(&m);
}

/* ---- the server, and a client that says what the test wants ---- */

struct policy {
    const char *const *origins, *const *protocols;
    aw_websocket_origin_check *check;
    bool need_protocol;
    int result;
    char message[256];
};

static int serve(aw_http_request *r, void *arg)
{
    struct policy *p = arg;
    aw_websocket *ws;
    p->result = aw_websocket_accept(r, &ws, .origins = p->origins, .protocols = p->protocols,
                                    .check_origin = p->check, .need_protocol = p->need_protocol);
    copy_text(p->message, sizeof p->message, p->result < 0 ? aw_errmsg() : "");
    if (p->result == 0) {
        assert_int_equal(aw_websocket_send(ws, "welcome", 7), 0);
        expect_message(ws, "early");
        aw_websocket_unref(ws);
    }
    return 0;
}

struct connection {
    aw_stream *s;
    struct policy *policy;
};

static int serve_it(void *arg)
{
    struct connection *c = arg;
    aw_ignore(aw_http_serve_stream(c->s, serve, c->policy));
    return aw_stream_close(c->s);
}

#define ASK                                                                                        \
    "GET /chat HTTP/1.1\r\nHost: h.example\r\nUpgrade: websocket\r\nConnection: keep-alive, "      \
    "Upgrade\r\n"
#define ASK_KEY "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define EARLY "\r\n\x81\x85\0\0\0\0early"

/* The status of the answer, whose head goes to `head`. */
static int ask(struct policy *p, const char *text, size_t n, char *head, size_t size)
{
    aw_stream *two[2];
    char *at;
    assert_int_equal(aw_stream_pair(two), 0);
    struct connection c = {two[1], p};
    aw_task *t = aw_create_task(serve_it, &c);
    assert_int_equal(aw_stream_write(two[0], text, n), 0);
    passes(20);
    aw_ignore(aw_stream_write_eof(two[0]));
    ssize_t got = aw_stream_readall(two[0], &at, 4000);
    assert_true(got > 12 && (size_t)got < size);
    memcpy(head, at, (size_t)got);
    head[got] = '\0';
    assert_int_equal(aw_join(t), 0);
    aw_stream_unref(two[0]);
    aw_stream_unref(two[1]);
    return (int)strtol(head + 9, NULL, 10);
}

static int ask_for(struct policy *p, const char *fields)
{
    char text[2048], head[4096];
    size_t n = (size_t)snprintf(text, sizeof text, "%s" ASK_KEY, fields);
    memcpy(text + n, EARLY, sizeof EARLY - 1);
    return ask(p, text, n + sizeof EARLY - 1, head, sizeof head);
}

TEST_IN_LOOP(ws_server_answers_as_the_rfc_says)
{
    static const char text[] = ASK ASK_KEY EARLY;
    char head[4096];
    struct policy p = {.result = 1};
    assert_int_equal(ask(&p, text, sizeof text - 1, head, sizeof head), 101);
    assert_int_equal(p.result, 0);
    assert_non_null(strstr(head, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert_non_null(strstr(head, "Upgrade: websocket\r\n"));
    assert_non_null(strstr(head, "Connection: Upgrade\r\n"));
    assert_null(strstr(head, "Sec-WebSocket-Protocol"));
    assert_non_null(strstr(head, "\r\n\r\n\x81\x07welcome\x88"));
}

static void expect_status(const char *text, int status, const char *also)
{
    char head[4096];
    struct policy p = {.result = 1};
    if (ask(&p, text, strlen(text), head, sizeof head) != status || !strstr(head, also))
        fail_msg("%s\nfor %s", head, text);
    assert_int_equal(p.result, -EPROTO);
    assert_non_null(strstr(p.message, "refused ("));
}

#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

TEST_IN_LOOP(ws_server_refuses_requests)
{
    expect_status("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade\r\n" ASK_KEY "\r\n",
                  405, "Allow: GET");
    expect_status("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 426, "Upgrade: websocket");
    expect_status("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n" ASK_KEY "\r\n", 426, "");
    expect_status("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n" ASK_KEY
                  "\r\n",
                  426, "");
    expect_status(ASK KEY "\r\n", 426, "Sec-WebSocket-Version: 13");
    expect_status(ASK KEY "Sec-WebSocket-Version: 8\r\n\r\n", 426, "Sec-WebSocket-Version: 13");
    expect_status(ASK KEY VERSION VERSION "\r\n", 426, "");
    expect_status(ASK VERSION "\r\n", 400, "");
    expect_status(ASK VERSION KEY KEY "\r\n", 400, "");
    expect_status(ASK VERSION "Sec-WebSocket-Key: c2hvcnQ=\r\n\r\n", 400, "");
}

TEST_IN_LOOP(ws_server_chooses_a_protocol)
{
    static const char *const ours[] = {"v2", "v1", NULL};
    static const char text[] = ASK ASK_KEY "Sec-WebSocket-Protocol: x, v1\r\n"
                                           "Sec-WebSocket-Protocol: v2\r\n" EARLY;
    char head[4096];
    struct policy p = {.protocols = ours};
    assert_int_equal(ask(&p, text, sizeof text - 1, head, sizeof head), 101);
    assert_non_null(strstr(head, "Sec-WebSocket-Protocol: v2\r\n"));
    assert_int_equal(ask_for(&p, ASK "Sec-WebSocket-Protocol: V2\r\n"), 101);
    p.need_protocol = true;
    assert_int_equal(ask_for(&p, ASK "Sec-WebSocket-Protocol: V2\r\n"), 400);
    assert_int_equal(ask_for(&p, ASK), 400);
    assert_int_equal(ask_for(&p, ASK "Sec-WebSocket-Protocol: v1\r\n"), 101);
}

static bool only_friends(const char *origin, aw_http_request *r, void *arg)
{
    (void)arg;
    assert_string_equal(aw_http_request_path(r), "/chat");
    return strcmp(origin, "https://friend.example") == 0;
}

/* Cross-site WebSocket: no origin but one's own is let in unless it is listed. */
TEST_IN_LOOP(ws_reliability_cross_site_websocket)
{
    static const char *const list[] = {"https://a.example", "https://b.example:81", NULL};
    static const char *const any[] = {"*", NULL};
    struct policy p = {0};
    assert_int_equal(ask_for(&p, ASK), 101); /* no browser */
    assert_int_equal(ask_for(&p, ASK "Origin: http://h.example\r\n"), 101);
    assert_int_equal(ask_for(&p, ASK "Origin: https://H.example\r\n"), 101);
    assert_int_equal(ask_for(&p, ASK "Origin: https://evil.example\r\n"), 403);
    assert_int_equal(p.result, -EACCES);
    assert_int_equal(ask_for(&p, ASK "Origin: https://h.example.evil\r\n"), 403);
    assert_int_equal(ask_for(&p, ASK "Origin: https://h.example:444\r\n"), 403);
    assert_int_equal(ask_for(&p, ASK "Origin: null\r\n"), 403);
    assert_int_equal(ask_for(&p, ASK "Origin: h.example\r\n"), 403);
    assert_int_equal(ask_for(&p, ASK "Origin: http\r\n"), 403);
    assert_int_equal(
        ask_for(&p, ASK "Origin: http://h.example\r\nOrigin: https://evil.example\r\n"), 403);
    p.origins = list;
    assert_int_equal(ask_for(&p, ASK "Origin: https://a.example\r\n"), 101);
    assert_int_equal(ask_for(&p, ASK "Origin: https://b.example:81\r\n"), 101);
    assert_int_equal(ask_for(&p, ASK "Origin: http://a.example\r\n"), 403);
    assert_int_equal(ask_for(&p, ASK "Origin: http://h.example\r\n"), 403);
    p.origins = any;
    assert_int_equal(ask_for(&p, ASK "Origin: https://evil.example\r\n"), 101);
    p = (struct policy){.check = only_friends};
    assert_int_equal(ask_for(&p, ASK "Origin: https://friend.example\r\n"), 101);
    assert_int_equal(ask_for(&p, ASK "Origin: https://h.example\r\n"), 403);
}
