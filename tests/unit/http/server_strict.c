/*
 * What a server refuses: everything that two programs could understand differently, and everything
 * that is too large.  Each refusal has its status, ends the connection, and is told in one line.
 */
#include "await/memory.h"
#include "serving.h"

struct bad {
    const char *sent;
    int status;
    const char *why; /* a part of what is told */
};

/* A request that would be answered if the connection went on, or the first were cut elsewhere. */
#define AFTER GET("/after", "")

static void refused(const struct bad *bad, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char both[8192];
        snprintf(both, sizeof both, "%s%s", bad[i].sent, AFTER);
        const struct talk *t = TALK(both);
        if (status_of(t, 0) != bad[i].status || answers(t) != 1 || !strstr(t->told, bad[i].why) ||
            t->refusals != 1 || !has_line(t, "Connection: close") || t->result != 0)
            fail_msg("%s\ngot: %s\ntold: %s", bad[i].sent, t->got, t->told);
        assert_null(strstr(t->got, "/after"));
    }
}
#define REFUSED(...)                                                                               \
    refused((const struct bad[]){__VA_ARGS__},                                                     \
            sizeof((const struct bad[]){__VA_ARGS__}) / sizeof(struct bad))

// Request smuggling: two lengths.
TEST_IN_LOOP(http_smuggling_by_two_lengths_is_refused)
{
    REFUSED({POST("/", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n", 400, ""},
            {POST("/", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") "0\r\n\r\n", 400, ""},
            {POST("/", "Content-Length: 5\r\nContent-Length: 6\r\n") "hello", 400, ""},
            {POST("/", "Content-Length: 5\r\nContent-Length: 5\r\n") "hello", 400, ""},
            {POST("/", "Content-Length: 5, 5\r\n") "hello", 400, ""},
            {POST("/", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n",
             400, ""});
}

// Request smuggling: lengths that are no numbers.
TEST_IN_LOOP(http_smuggling_by_malformed_length_is_refused)
{
    REFUSED({POST("/", "Content-Length: +5\r\n") "hello", 400, ""},
            {POST("/", "Content-Length: -5\r\n") "hello", 400, ""},
            {POST("/", "Content-Length: 0x5\r\n") "hello", 400, ""},
            {POST("/", "Content-Length: 5 5\r\n") "hello", 400, ""},
            {POST("/", "Content-Length: five\r\n") "hello", 400, ""},
            {POST("/", "Content-Length: 5;\r\n") "hello", 400, ""},
            {POST("/", "Content-Length:\r\n"), 400, ""},
            {POST("/", "Content-Length: 18446744073709551621\r\n") "hello", 400, ""},
            {POST("/", "Content-Length: 9223372036854775808\r\n") "hello", 400, ""});
}

// Request smuggling: codings.
TEST_IN_LOOP(http_smuggling_by_transfer_coding_is_refused)
{
    REFUSED(
        {POST("/", "Transfer-Encoding: identity\r\n"), 400, "coding"},
        {POST("/", "Transfer-Encoding: gzip, chunked\r\n") "0\r\n\r\n", 501, "coding"},
        {POST("/", "Transfer-Encoding: chunked, identity\r\n") "0\r\n\r\n", 400, ""},
        {POST("/", "Transfer-Encoding: xchunked\r\n") "0\r\n\r\n", 400, ""},
        {POST("/", "Transfer-Encoding: chunked, chunked\r\n") "0\r\n\r\n", 501, "coding"},
        {POST("/", "Transfer-Encoding:\r\n") "0\r\n\r\n", 400, ""},
        {POST("/", "Transfer-Encoding : chunked\r\n") "0\r\n\r\n", 400, "colon"},
        {POST("/", "Transfer-Encoding: \x0b"
                   "chunked\r\n") "0\r\n\r\n",
         400, "control"},
        {"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "1.0"});
}

// Request smuggling: obs-fold, blanks before the colon, bare CR and LF, NUL.
TEST_IN_LOOP(http_smuggling_by_spelling_is_refused)
{
    REFUSED({"GET / HTTP/1.1\nHost: a\n\n", 400, "bare line feed"},
            {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400, "bare line feed"},
            {"GET / HTTP/1.1\r\nHost: a\r\n\n", 400, "bare line feed"},
            {"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400, "control"},
            {GET("/", "A: b\rc: d\r\n"), 400, "control"},
            {GET("/", "A: b\r\n c\r\n"), 400, "folded"},
            {GET("/", "A: b\r\n\tc\r\n"), 400, "folded"},
            {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "folded"},
            {GET("/", "A : b\r\n"), 400, "colon"}, {GET("/", "A\t: b\r\n"), 400, "colon"},
            {GET("/", ": b\r\n"), 400, "colon"}, {GET("/", "nothing\r\n"), 400, "colon"},
            {GET("/", "A(b): c\r\n"), 400, "colon"}, {GET("/", "A\xe4: c\r\n"), 400, "colon"},
            {GET("/", "A: b\x7f\r\n"), 400, "control"}, {GET("/", "A: b\x01\r\n"), 400, "control"});
}

TEST_IN_LOOP(http_zero_bytes_are_refused)
{
    static const char heads[][64] = {"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
                                     "GET / HTTP/1.1\r\nHost: a\0\r\n\r\n",
                                     "GET / HTTP/1.1\r\nHost: a\r\nB\0: c\r\n\r\n",
                                     "GET / HTTP/1.1\r\nHost: a\r\nB: \0c\r\n\r\n"};
    for (size_t i = 0; i < 4; i++) {
        size_t n = sizeof heads[i];
        while (heads[i][n - 1] == '\0')
            n--;
        const struct talk *t = TALK(heads[i], .n = n);
        assert_int_equal(status_of(t, 0), 400);
        assert_int_equal(answers(t), 1);
        assert_int_equal(t->refusals, 1);
    }
}

TEST_IN_LOOP(http_request_lines_that_are_none_are_refused)
{
    REFUSED({"GET /\r\n\r\n", 400, "version"}, {"GET\r\n\r\n", 400, "method"},
            {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""},
            {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400, "version"},
            {"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400, "version"},
            {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "version"},
            {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "method"},
            {"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "method"},
            {"GET / http/1.1\r\nHost: a\r\n\r\n", 400, "version"},
            {"GET / HTTP/1,1\r\nHost: a\r\n\r\n", 400, "version"},
            {"GET / HTTP/11\r\nHost: a\r\n\r\n", 400, "version"},
            {"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400, "version"},
            {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "version"},
            {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, "version"},
            {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505, "version"},
            {"FROB / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "method"},
            {"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "method"},
            {"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501, "CONNECT"},
            {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""},
            {"\x16\x03\x01\x02", 400, "control"});
    const struct talk *t = TALK("\x16\x03\x01\x02", .keeps_open = true);
    assert_int_equal(status_of(t, 0), 400); /* a handshake of TLS is not waited for */
    assert_non_null(strstr(t->told, "not HTTP"));
}

TEST_IN_LOOP(http_targets_that_are_none_are_refused)
{
    REFUSED({"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""},
            {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "path"},
            {"GET ?a HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""},
            {"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "fragment"},
            {"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "encoded"},
            {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "encoded"},
            {"GET /% HTTP/1.1\r\nHost: a\r\n\r\n", 400, "encoded"},
            {"GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "encoded"},
            {"GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "encoded"},
            {"GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""},
            {"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "different"},
            {"GET http://x@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""},
            {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""});
}

TEST_IN_LOOP(http_hosts_that_are_none_are_refused)
{
    REFUSED({"GET / HTTP/1.1\r\n\r\n", 400, "Host"},
            {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, "Host"},
            {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "repeated"},
            {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "repeated"},
            {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "Host"},
            {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "Host"},
            {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "Host"},
            {"GET / HTTP/1.1\r\nHost: x@a\r\n\r\n", 400, "Host"},
            {"GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", 400, "Host"},
            {"GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n", 400, "Host"},
            {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400, "Host"},
            {"GET / HTTP/1.1\r\nHost: [x]\r\n\r\n", 400, "Host"},
            {"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400, "Host"});
}

TEST_IN_LOOP(http_what_is_unusual_but_right_is_served)
{
    static const char *const good[] = {
        "GET / HTTP/1.1\r\nHost: a:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
        "GET / HTTP/1.1\r\nhOST:a.example:8080\t \r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET HTTP://A HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a?x HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB: \xe4\xf6\r\nC:\td\te\r\n\r\n",
        "GET /{a}|b HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 000\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const struct talk *t = TALK(good[i]);
        if (status_of(t, 0) != 200 || t->refusals)
            fail_msg("%s\n%s\n%s", good[i], t->got, t->told);
    }
}

// Chunks: sizes, ends and trailers that are malformed.
TEST_IN_LOOP(http_malformed_chunks_are_refused)
{
#define CHUNKS(text) POST("/", "Transfer-Encoding: chunked\r\n") text
    REFUSED({CHUNKS("x\r\n\r\n"), 400, "size"}, {CHUNKS("\r\n\r\n"), 400, "size"},
            {CHUNKS("-1\r\n\r\n"), 400, "size"}, {CHUNKS("+1\r\na\r\n"), 400, "size"},
            {CHUNKS("0x1\r\na\r\n"), 400, "size"}, {CHUNKS(" 1\r\na\r\n"), 400, "size"},
            {CHUNKS("1 \r\na\r\n"), 400, "size"}, {CHUNKS("1\na\r\n"), 400, "bare"},
            {CHUNKS("1;a\rb\r\na\r\n"), 400, "control"}, {CHUNKS("1\r\nab\r\n"), 400, "longer"},
            {CHUNKS("1\r\na\n0\r\n\r\n"), 400, "bare"},
            {CHUNKS("10000000000000000\r\na\r\n"), 400, "size"},
            {CHUNKS("00000000000000001\r\na\r\n"), 400, "size"},
            {CHUNKS("ffffffffffffffff\r\na\r\n"), 413, "max_body"},
            {CHUNKS("0\r\nA\r\n\r\n"), 400, "trailer"},
            {CHUNKS("0\r\n A: b\r\n\r\n"), 400, "trailer"},
            {CHUNKS("0\r\nA : b\r\n\r\n"), 400, "trailer"}, {CHUNKS("0\r\n\n"), 400, "bare"});
}

// Header floods: too many fields.
TEST_IN_LOOP(http_header_floods_are_refused)
{
    char head[4096] = "GET / HTTP/1.1\r\nHost: a\r\n";
    size_t len = strlen(head);
    for (int i = 0; i < 100; i++)
        len += (size_t)snprintf(head + len, sizeof head - len, "A%d: b\r\n", i);
    snprintf(head + len, sizeof head - len, "\r\n");
    const struct talk *t = TALK(head);
    assert_int_equal(status_of(t, 0), 431);
    assert_non_null(strstr(t->told, "(max_fields is 100)"));
    assert_int_equal(status_of(TALK(head, .opts.max_fields = 101), 0), 200);
}

static char *long_request(const char *before, size_t n, const char *behind)
{
    char *text = malloc(strlen(before) + n + strlen(behind) + 1);
    memcpy(text, before, strlen(before));
    memset(text + strlen(before), 'a', n);
    memcpy(text + strlen(before) + n, behind, strlen(behind) + 1);
    return text;
}

TEST_IN_LOOP(http_large_heads_are_refused)
{
    char *head = long_request("GET / HTTP/1.1\r\nHost: a\r\nA: ", 32 << 10, "\r\n\r\n");
    const struct talk *t = TALK(head);
    assert_int_equal(status_of(t, 0), 431);
    assert_non_null(strstr(t->told, "(max_head is 32768)"));
    assert_int_equal(status_of(TALK(head, .piece = 1000), 0), 431);
    assert_int_equal(status_of(TALK(head, .opts.max_head = 40000), 0), 200);
    free(head);
}

TEST_IN_LOOP(http_heads_without_end_are_refused)
{
    char *head = long_request("GET / HTTP/1.1\r\nHost: a\r\nA: ", 40000, "");
    const struct talk *t = TALK(head, .keeps_open = true);
    assert_int_equal(status_of(t, 0), 431);
    assert_int_equal(answers(t), 1);
    free(head);
}

TEST_IN_LOOP(http_long_targets_are_refused)
{
    char *head = long_request("GET /", 8 << 10, " HTTP/1.1\r\nHost: a\r\n\r\n");
    const struct talk *t = TALK(head);
    assert_int_equal(status_of(t, 0), 414);
    assert_non_null(strstr(t->told, "(max_target is 8192)"));
    assert_int_equal(status_of(TALK(head, .opts.max_target = 10000), 0), 200);
    free(head);
    head = long_request("GET /", 40000, "");
    assert_int_equal(status_of(TALK(head, .keeps_open = true), 0), 414);
    free(head);
}

// Body floods.
TEST_IN_LOOP(http_body_floods_are_refused)
{
    const struct talk *t = TALK(POST("/", "Content-Length: 1048577\r\n"), .keeps_open = true);
    assert_int_equal(status_of(t, 0), 413);
    assert_non_null(strstr(t->told, "(max_body is 1048576)"));
    t = TALK(POST("/", "Content-Length: 4\r\n") "abcd", .opts.max_body = 3);
    assert_int_equal(status_of(t, 0), 413);
    t = TALK(POST("/", "Content-Length: 3\r\n") "abc", .opts.max_body = 3);
    assert_int_equal(status_of(t, 0), 200);
    t = TALK(CHUNKS("2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"), .opts.max_body = 3);
    assert_int_equal(status_of(t, 0), 413);
    t = TALK(CHUNKS("2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"), .opts.max_body = 3);
    assert_int_equal(status_of(t, 0), 200);
}

// What costs its sender nothing: extensions and trailers.
TEST_IN_LOOP(http_chunk_extension_floods_are_refused)
{
    char *text = long_request(CHUNKS("1;"), 5000, "\r\na\r\n0\r\n\r\n");
    assert_int_equal(status_of(TALK(text), 0), 400);
    free(text);
    text = malloc(100000);
    size_t len = (size_t)snprintf(text, 100000, "%s", CHUNKS(""));
    for (int i = 0; i < 20; i++)
        len += (size_t)snprintf(text + len, 100000 - len, "1;%01000d\r\na\r\n", 0);
    const struct talk *t = TALK(text);
    assert_int_equal(status_of(t, 0), 400);
    assert_non_null(strstr(t->told, "extensions"));
    free(text);
}

TEST_IN_LOOP(http_expectations_that_are_not_known_are_refused)
{
    REFUSED({POST("/", "Expect: wonders\r\nContent-Length: 1\r\n") "a", 417, "expectation"});
}

// Log lines are one line each, whatever a client sends.
TEST_IN_LOOP(http_log_lines_cannot_be_forged)
{
    const struct talk *t = TALK("GET /\"%0a\\x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    assert_string_equal(t->told,
                        "(none) \"GET /\\x22%0a\\x5cx\" refused with 400: a field is repeated "
                        "that must not be\n");
}

// Secrets: a line of the log has nothing of a request's fields or body.
TEST_IN_LOOP(http_secrets_are_not_logged)
{
    const struct talk *t = TALK(POST("/", "Authorization: Basic c2VjcmV0\r\nCookie: secret\r\n"
                                          "Content-Length: 6\r\n") "secret",
                                .opts.max_body = 5);
    assert_int_equal(t->refusals, 1);
    assert_null(strstr(t->told, "secret"));
    assert_null(strstr(t->told, "c2Vj"));
}

/* ---- memory ---- */

static size_t largest;

static void *note_size(size_t size, void *arg)
{
    (void)arg;
    largest = size > largest ? size : largest;
    return malloc(size);
}

static void give_back(void *ptr, void *arg)
{
    (void)arg;
    free(ptr);
}

static int promise_much(void *arg)
{
    (void)arg;
    const struct talk *t =
        TALK(POST("/", "Content-Length: 1000000000\r\n") "little", .opts.max_body = SIZE_MAX);
    assert_int_equal(answers(t), 1);
    return 0;
}

// Allocate by declared length: memory grows with what has come, not with what was promised.
TEST(http_allocate_by_declared_length_is_not_done)
{
    const aw_allocator counting = {.alloc = note_size, .free = give_back};
    assert_int_equal(aw_set_allocator(&counting), 0);
    assert_int_equal(aw_run(promise_much, NULL), 0);
    assert_in_range(largest, 4096, 300000); /* streams and loops have larger ones than a body's */
    assert_int_equal(aw_set_allocator(NULL), 0);
}
