/*
 * webs.c - scenarios of the HTTP server: whatever fails, a client gets a right answer, or one that
 * says so, or notices that its connection has ended; and nothing is left behind.
 *
 * A handler that asks everything answers a client in the same loop.
 */
#include "await/http_server.h"
#include "await/memory.h"
#include "fault/inject.h"

struct talk {
    aw_stream *client, *server;
    int refusals;
};

static int ask_everything(aw_http_request *r, void *arg)
{
    const char *name, *value;
    char *body;
    (void)arg;
    CHECK(strcmp(aw_http_request_method(r), "POST") == 0);
    CHECK(strcmp(aw_http_request_target(r), "/echo/b%20c?d=e%20f") == 0);
    CHECK(strcmp(aw_http_request_path(r), "/echo/b c") == 0);
    CHECK(strcmp(aw_http_request_query(r), "d=e%20f") == 0);
    CHECK(aw_http_request_minor(r) == 1 && aw_http_request_length(r) == -1);
    CHECK(aw_http_request_field_at(r, 0, &name, &value) == 0 && strcmp(value, "a") == 0);
    CHECK(strcmp(aw_http_request_field(r, "host"), "a") == 0);
    CHECK(aw_http_request_has_token(r, "Transfer-Encoding", "chunked"));
    CHECK(strcmp(aw_http_request_parameter(r, "word"), "b c") == 0);
    value = aw_http_request_argument(r, "d");
    CHECK(value ? strcmp(value, "e f") == 0 : disturbed());
    CHECK(aw_http_request_stream(r) && !aw_http_request_is_tls(r) && *aw_http_request_peer(r));
    if (!value || !aw_http_request_alloc(r, 5000))
        return -ENOMEM;
    EXPECT(aw_http_request_set_max_body(r, 100), 0);
    ssize_t n = aw_http_request_body(r, &body);
    AW_TRY((int)n);
    CHECK(n == 8 && memcmp(body, "01234567", 8) == 0);
    EXPECT(aw_http_respond_field(r, "X-Long", "0123456789"), 0);
    return aw_http_respond(r, 200, "text/plain", body, (size_t)n);
}

static int in_pieces(aw_http_request *r, void *arg)
{
    char byte;
    (void)arg;
    ssize_t n = aw_http_request_read(r, &byte, 1);
    AW_TRY((int)n);
    CHECK(n == 1 && byte == 'x' && !aw_http_respond_has_begun(r));
    AW_TRY(aw_http_respond_begin(r, 200, NULL, -1));
    AW_TRY(aw_http_respond_write(r, "piece", 5));
    AW_TRY(aw_http_respond_flush(r));
    CHECK(aw_http_respond_has_begun(r));
    return aw_http_respond_end(r);
}

static int say_ok(aw_http_request *r, void *arg)
{
    (void)arg;
    return aw_http_respond_text(r, 200, "ok");
}

static int hand_over(aw_http_request *r, void *arg)
{
    aw_stream *s;
    char buf[4];
    (void)arg;
    AW_TRY(aw_http_upgrade(r, 101, &s));
    AW_TRY(aw_stream_readexactly(s, buf, 4));
    return aw_stream_write(s, buf, 4);
}

static int set_routes(aw_http_router *router)
{
    AW_TRY(aw_http_route(router, "POST", "/echo/:word", ask_everything, NULL));
    AW_TRY(aw_http_route(router, "POST", "/pieces", in_pieces, NULL));
    AW_TRY(aw_http_route(router, "GET", "/ok", say_ok, NULL));
    return aw_http_route(router, "GET", "/up", hand_over, NULL);
}

/* ---- the client ---- */

/* Reads until this has come; the disturbance may have ended the connection before. */
static int expect_answer(aw_stream *s, const char *status, const char *end)
{
    char *text;
    ssize_t n = aw_stream_readuntil(s, &text, end);
    if (n < 0 && disturbed() && n != -ECANCELED)
        return expected_error;
    AW_TRY((int)n);
    if (disturbed() && strncmp(text, status, strlen(status)) != 0)
        return expected_error; /* it was told */
    CHECK(strncmp(text, status, strlen(status)) == 0);
    return 0;
}

static int say(aw_stream *s, const char *text)
{
    int err = aw_stream_write(s, text, strlen(text));
    return err < 0 && err != -ENOMEM && disturbed() ? expected_error : err;
}

#define OK "HTTP/1.1 200 OK\r\n"

static int converse(aw_stream *s)
{
    AW_TRY(say(s, "POST /echo/b%20c?d=e%20f HTTP/1.1\r\nHost: a\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n4\r\n"));
    AW_TRY(aw_sleep(0.1));
    AW_TRY(say(s, "4567\r\n0\r\n\r\n"));
    AW_TRY(expect_answer(s, OK, "\r\n\r\n01234567"));
    AW_TRY(say(s, "POST /pieces HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                  "Expect: 100-continue\r\n\r\n"));
    AW_TRY(expect_answer(s, "HTTP/1.1 100 Continue\r\n", "\r\n\r\n"));
    AW_TRY(say(s, "x"));
    AW_TRY(expect_answer(s, OK, "\r\n0\r\n\r\n"));
    AW_TRY(say(s, "GET /none HTTP/1.1\r\nHost: a\r\n\r\n"));
    AW_TRY(expect_answer(s, "HTTP/1.1 404 Not Found\r\n", "Found\n"));
    AW_TRY(say(s, "PUT /ok HTTP/1.1\r\nHost: a\r\n\r\n"));
    AW_TRY(expect_answer(s, "HTTP/1.1 405 Method Not Allowed\r\n", "Allowed\n"));
    AW_TRY(say(s, "GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\r\nabcd"));
    return expect_answer(s, "HTTP/1.1 101 Switching Protocols\r\n", "abcd");
}

/* ---- over streams in memory ---- */

static void count(const aw_http_log_entry *entry, void *arg)
{
    struct talk *t = arg;
    t->refusals += entry->refused != NULL;
}

static int serve_it(void *arg)
{
    struct talk *t = arg;
    aw_http_router *router = aw_http_router_new();
    int err = router ? set_routes(router) : aw_errno();
    if (err == 0)
        err = aw_http_serve_stream(t->server, aw_http_router_handler, router, .logger = count,
                                   .logger_arg = t);
    aw_http_router_free(router);
    aw_ignore(aw_stream_close(t->server));
    return err;
}

static int visit_it(void *arg)
{
    struct talk *t = arg;
    int err = converse(t->client);
    aw_ignore(aw_stream_close(t->client));
    return err;
}

static int over_memory(void *arg)
{
    struct talk t = {0};
    aw_stream *two[2];
    (void)arg;
    CHECK(aw_wall_time() > 1e9);
    AW_TRY(aw_stream_pair(two));
    t.client = two[0];
    t.server = two[1];
    int err = aw_gather(AW_CORO(serve_it, &t), AW_CORO(visit_it, &t));
    aw_stream_unref(two[0]);
    aw_stream_unref(two[1]);
    CHECK_CALM(t.refusals == 0);
    return err;
}

SCENARIO(http_in_memory)
{
    return run_main(over_memory, NULL);
}

/* ---- a server ---- */

/* Streams poll if the kernel can have no buffers; accepting is tried again. */
static void may_do_without_buffers(void)
{
    may_be_silent(SITE_ALLOC);
    may_be_silent(SITE_MAP);
    may_be_silent(SITE_ACCEPT);
}

static int ask_for_it(aw_http_server *s)
{
    aw_address a;
    aw_stream *c;
    char port[8];
    int err = aw_http_server_address(s, 0, &a);
    if (err < 0)
        return disturbed() ? expected_error : err;
    snprintf(port, sizeof port, "%d", aw_address_port(&a));
    err = aw_open_connection(&c, "127.0.0.1", port);
    if (err < 0)
        return err != -ECANCELED && disturbed() ? expected_error : err;
    err = say(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    if (err == 0)
        err = expect_answer(c, OK, "ok");
    aw_ignore(aw_stream_abort(c));
    aw_ignore(aw_stream_wait_closed(c));
    aw_stream_unref(c);
    return err;
}

static int ask_in_time(void *arg)
{
    return ask_for_it(arg);
}

static int serve_and_ask(void *arg)
{
    aw_http_server *s;
    (void)arg;
    AW_TRY(aw_http_serve(&s, say_ok, "127.0.0.1", "0", .logger = count,
                         .logger_arg = &(struct talk){0}));
    int err = disturbed() ? aw_timeout_call(0.3, ask_in_time, s) : ask_for_it(s);
    if (err == -ETIMEDOUT)
        err = expected_error;
    CHECK_CALM(aw_http_server_requests(s) == 1 && aw_http_server_refusals(s) == 0);
    int left = aw_http_server_shutdown(s, .grace = 0.2);
    if (left < 0)
        aw_ignore(aw_http_server_shutdown(s));
    aw_http_server_unref(s);
    return err < 0 ? err : left < 0 ? left : 0;
}

SCENARIO(http_server_asked)
{
    may_be_silent(SITE_SOCKET_NAME); /* the name of the client */
    may_be_silent(SITE_END_SENDING); /* it is closed soon after */
    may_be_silent(SITE_RECV);        /* so is one that has got its answer */
    may_do_without_buffers();
    may_be_silent(SITE_RING_ENTER);
    return run_main(serve_and_ask, NULL);
}
