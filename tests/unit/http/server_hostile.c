/*
 * The dangers of docs/security.md that an HTTP server meets, on real sockets: each attack has its
 * status and one line in the log, which names the peer, the reason and the limit; the connection
 * ends; and another client is served as before.
 */
#include <math.h>

#include "refusals.h"
#include "serving.h"

static char port[8];

static aw_http_server *open_server(const aw_http_server_opts *more)
{
    aw_http_server *s = NULL;
    aw_address a;
    aw_http_server_opts opts = *more;
    opts.ret = &s;
    opts.host = "127.0.0.1";
    opts.port = "0";
    opts.handler = tell_back;
    opts.logger = take_down;
    assert_int_equal(aw_http_serve_(&opts), 0);
    assert_int_equal(aw_http_server_address(s, 0, &a), 0);
    snprintf(port, sizeof port, "%d", aw_address_port(&a));
    return s;
}
#define OPEN_SERVER(...) open_server(&(aw_http_server_opts){__VA_ARGS__})

static void close_server(aw_http_server *s)
{
    assert_int_equal(aw_http_server_shutdown(s, .grace = 5), 0);
    aw_http_server_unref(s);
}

static aw_stream *come(char peer[AW_ADDRESS_TEXT])
{
    aw_stream *c;
    aw_address a;
    assert_int_equal(aw_open_connection(&c, "127.0.0.1", port), 0);
    assert_int_equal(aw_local_address(aw_stream_fd(c), &a), 0);
    assert_true(aw_address_format(&a, peer, AW_ADDRESS_TEXT) >= 0);
    return c;
}

static void go(aw_stream *c)
{
    aw_ignore(aw_stream_close(c));
    aw_ignore(aw_stream_wait_closed(c));
    aw_stream_unref(c);
}

/* Everybody else is served, at once. */
static void expect_served(void)
{
    char peer[AW_ADDRESS_TEXT], *got;
    double began = aw_time();
    aw_stream *c = come(peer);
    assert_int_equal(aw_stream_write(c, GET("/good", ""), strlen(GET("/good", ""))), 0);
    ssize_t n = aw_stream_readuntil(c, &got, "GET /good? ");
    assert_true(n > 0);
    assert_memory_equal(got, "HTTP/1.1 200 OK\r\n", 17);
    assert_true(aw_time() - began < 1);
    go(c);
}

struct attack {
    const char *sent;
    int status;
    const char *why; /* a part of the line */
};

static void expect_refused(const struct attack *a, size_t n_sent)
{
    char peer[AW_ADDRESS_TEXT], refused[64], *got = NULL;
    told.n = 0;
    aw_stream *c = come(peer);
    assert_int_equal(aw_stream_write(c, a->sent, n_sent), 0);
    ssize_t n = aw_stream_readall(c, &got, 64 << 10); /* up to the end that the server makes */
    snprintf(refused, sizeof refused, "\" refused with %d: ", a->status);
    if (n < 12 || strtol(got + 9, NULL, 10) != a->status || told.n != 1 ||
        strncmp(told.text, peer, strlen(peer)) != 0 || !strstr(told.text, refused) ||
        !strstr(told.text, a->why) || strchr(told.text, '\n'))
        fail_msg("%.200s\nis told as (%d): %s\nby %s, and answered: %.*s", a->sent, told.n,
                 told.text, peer, (int)(n > 0 ? n : 0), n > 0 ? got : "");
    assert_null(strstr(got + 1, "HTTP/1.1 ")); /* nothing behind it was taken for a request */
    go(c);
    expect_served();
}

/* Each with another request behind it, which nobody may answer. */
static void expect_all_refused(const struct attack *attacks, size_t n)
{
    aw_http_server *s = OPEN_SERVER(0);
    expect_served();
    for (size_t i = 0; i < n; i++) {
        char both[4096];
        int len = snprintf(both, sizeof both, "%s%s", attacks[i].sent, GET("/behind", ""));
        struct attack a = attacks[i];
        a.sent = both;
        expect_refused(&a, (size_t)len);
    }
    assert_int_equal(aw_http_server_refusals(s), n);
    close_server(s);
}
#define ALL_REFUSED(...)                                                                           \
    expect_all_refused((const struct attack[]){__VA_ARGS__},                                       \
                       sizeof((const struct attack[]){__VA_ARGS__}) / sizeof(struct attack))

TEST_IN_LOOP(reliability_http_request_smuggling)
{
    ALL_REFUSED(
        {POST("/", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n", 400, ""},
        {POST("/", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") "0\r\n\r\n", 400, ""},
        {POST("/", "Content-Length: 5\r\nContent-Length: 6\r\n") "hello", 400, ""},
        {POST("/", "Content-Length: +5\r\n") "hello", 400, ""},
        {POST("/", "Transfer-Encoding: xchunked\r\n") "0\r\n\r\n", 400, ""},
        {POST("/", "Transfer-Encoding: gzip, chunked\r\n") "0\r\n\r\n", 501, "coding"},
        {POST("/", "Transfer-Encoding : chunked\r\n") "0\r\n\r\n", 400, "blank stands before"},
        {GET("/", "A: b\r\n c: d\r\n"), 400, "folded"},
        {"GET / HTTP/1.1\nHost: a\n\n", 400, "bare line feed"},
        {GET("/", "A: b\rTransfer-Encoding: chunked\r\n"), 400, "control characters"},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "repeated"},
        {POST("/", "Transfer-Encoding: chunked\r\n") "1\r\nabc\r\n0\r\n\r\n", 400, "longer"},
        {POST("/", "Transfer-Encoding: chunked\r\n") "0\r\nA : b\r\n\r\n", 400, "trailer"});
}

/* The numbers that lengths are made of. */
TEST_IN_LOOP(reliability_http_length_arithmetic)
{
    ALL_REFUSED({POST("/", "Content-Length: 18446744073709551621\r\n") "hello", 400, ""},
                {POST("/", "Content-Length: 9223372036854775808\r\n") "hello", 400, ""},
                {POST("/", "Content-Length: -1\r\n") "hello", 400, ""},
                {POST("/", "Transfer-Encoding: chunked\r\n") "10000000000000005\r\nhello\r\n", 400,
                 "a chunk's size is no number"},
                {POST("/", "Transfer-Encoding: chunked\r\n") "ffffffffffffffff\r\nhello\r\n", 413,
                 "(max_body is 1048576)"},
                {POST("/", "Transfer-Encoding: chunked\r\n") "5\r\nhello\r\nfffffffffffffffb\r\n",
                 413, "(max_body is 1048576)"});
}

static void expect_flood(const char *before, const char *each, int times, struct attack a)
{
    size_t size = strlen(before) + (size_t)times * strlen(each) + 1;
    char *text = malloc(size);
    int n = snprintf(text, size, "%s", before);
    for (int i = 0; i < times; i++)
        n += snprintf(text + n, size - (size_t)n, "%s", each);
    a.sent = text;
    expect_refused(&a, (size_t)n);
    free(text);
}

TEST_IN_LOOP(reliability_http_header_floods)
{
    aw_http_server *s = OPEN_SERVER(0);
    const char *head = "GET / HTTP/1.1\r\nHost: a\r\n";
    expect_flood(head, "A: b\r\n", 6000,
                 (struct attack){.status = 431, .why = "(max_head is 32768)"});
    expect_flood(head, "A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 2000,
                 (struct attack){.status = 431, .why = "(max_head is 32768)"});
    expect_flood("GET /", "a", 40000, (struct attack){.status = 414, .why = "(max_head is 32768)"});
    char many[2000];
    size_t n = (size_t)snprintf(many, sizeof many, "%s", head);
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(many + n, sizeof many - n, "A%d: b\r\n", i);
    n += (size_t)snprintf(many + n, sizeof many - n, "\r\n");
    expect_refused(&(struct attack){many, 431, "(max_fields is 100)"}, n);
    close_server(s);
}

TEST_IN_LOOP(reliability_http_body_floods)
{
    static char megabyte[(1 << 20) + 1];
    aw_http_server *s = OPEN_SERVER(0);
    struct attack a = {POST("/", "Content-Length: 1048577\r\n"), 413, "(max_body is 1048576)"};
    expect_refused(&a, strlen(a.sent));
    memset(megabyte, 'x', sizeof megabyte - 1);
    expect_flood(POST("/", "Content-Length: 1048577\r\n"), megabyte, 1, a);
    expect_flood(POST("/", "Transfer-Encoding: chunked\r\n"), "8\r\nabcdefgh\r\n", 140000, a);
    expect_flood(POST("/", "Transfer-Encoding: chunked\r\n"), "1;extension=long\r\na\r\n", 2000,
                 (struct attack){.status = 400, .why = "too much in extensions"});
    close_server(s);
}

/* Many who send nothing more: each is refused in time, and nobody waits for them. */
TEST_IN_LOOP(reliability_http_slow_clients)
{
    enum { SLOW = 20 };
    static const char *const begun[] = {"GET", "GET / HTTP/1.1\r\nHost: a\r\n",
                                        POST("/", "Content-Length: 9\r\n"),
                                        POST("/", "Transfer-Encoding: chunked\r\n") "5\r\nab"};
    aw_http_server *s = OPEN_SERVER(.head_timeout = 0.5, .body_timeout = 0.5);
    aw_stream *slow[SLOW];
    char peer[AW_ADDRESS_TEXT], *got;
    double began = aw_time();
    for (int i = 0; i < SLOW; i++) {
        const char *text = begun[i % 4];
        slow[i] = come(peer);
        assert_int_equal(aw_stream_write(slow[i], text, strlen(text)), 0);
        passes(5);
        expect_served();
    }
    for (int i = 0; i < SLOW; i++) {
        assert_true(aw_stream_readall(slow[i], &got, 4096) > 12);
        assert_memory_equal(got, "HTTP/1.1 408 ", 13);
        go(slow[i]);
    }
    assert_true(aw_time() - began < 8);
    assert_int_equal(told.n, SLOW);
    assert_non_null(strstr(told.text, "(body_timeout is 0.5)"));
    expect_served();
    struct attack a = {"GET / HTTP/1.1\r\n", 408, "(head_timeout is 0.5)"};
    expect_refused(&a, strlen(a.sent));
    aw_stream *silent = come(peer); /* it has asked nothing: no answer, and no line */
    told.n = 0;
    assert_int_equal(aw_stream_readall(silent, &got, 4096), 0);
    assert_int_equal(told.n, 0);
    go(silent);
    close_server(s);
}

/* Decompression bombs: what is compressed stays so. */
TEST_IN_LOOP(reliability_http_decompression_bombs)
{
    static const char packed[] = "\x1f\x8b\x08\x01\x02\x03\x04\x05\x06\x07\x08";
    char text[256];
    int n = snprintf(text, sizeof text, "%s%s",
                     POST("/", "Content-Encoding: gzip\r\nContent-Length: 11\r\n"), packed);
    const struct talk *t = TALK(text, .n = (size_t)n);
    assert_int_equal(status_of(t, 0), 200);
    assert_non_null(strstr(t->got, packed));
    assert_non_null(strstr(t->got, "Content-Length: 19\r\n"));
}
