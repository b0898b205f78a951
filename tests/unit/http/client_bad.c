/*
 * Servers that do what they should not: cut answers, broken ones, too large ones, slow ones, and
 * answers that lead astray.  Each class of vulnerability that concerns a client has its test here.
 */
#include "client.h"

static int status_of(const char *answer, size_t size, struct place *p)
{
    aw_http_response *r;
    OPEN_PLACE(p, answer);
    p->sizes[0] = size;
    p->close = true;
    aw_http_session *s = SESSION(p);
    int status = aw_http_get(&r, s, "/dir/x?key=secret");
    aw_http_response_unref(r);
    assert_true(status >= 0 ? r != NULL : r == NULL);
    aw_http_session_unref(s);
    close_place(p);
    return status;
}

/* What an answer that is no answer comes to. */
static void assert_bad(const char *answer, size_t size, int expected, const char *words)
{
    struct place p = {0};
    ASSERT_FAILS(status_of(answer, size, &p), expected, words);
    assert_non_null(strstr(aw_errmsg(), "GET http://127.0.0.1:"));
    assert_null(strstr(aw_errmsg(), "secret"));
}
#define ASSERT_BAD(answer, expected, words) assert_bad((answer), 0, (expected), (words))

TEST_IN_LOOP(client_answer_cut_at_every_byte)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    for (size_t cut = 1; cut < sizeof answer - 3; cut++) { /* the last line break says nothing */
        struct place p = {.cut = cut};
        int status = status_of(answer, 0, &p);
        if (status != AW_EOF && status != -EPROTO && status != -ECONNRESET)
            fail_msg("cut at %zu: %d", cut, status);
    }
}

TEST_IN_LOOP(client_answer_reset_at_every_byte)
{
    static const char answer[] = OK_HELLO;
    for (size_t cut = 1; cut < sizeof answer - 1; cut++) {
        struct place p = {.cut = cut, .reset = true};
        int status = status_of(answer, 0, &p);
        if (status != AW_EOF && status != -ECONNRESET && status != -EPROTO)
            fail_msg("reset at %zu: %d", cut, status);
    }
}

TEST_IN_LOOP(client_no_answer_at_all)
{
    assert_bad("\0", 1, -EPROTO, "");
    ASSERT_BAD("", AW_EOF, "Empty reply");
}

TEST_IN_LOOP(client_broken_answers)
{
    ASSERT_BAD("SSH-2.0-OpenSSH\r\n", -EPROTO, "");
    ASSERT_BAD("HTTP/1.1 abc\r\n\r\n", -EPROTO, "");
    ASSERT_BAD("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n",
               -EPROTO, "");
    ASSERT_BAD("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
               "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
               -EPROTO, "");
    ASSERT_BAD("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", -EPROTO, "");
    ASSERT_BAD("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nhello", -EPROTO,
               "two lengths that differ");
    ASSERT_BAD("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", AW_EOF, "");
    ASSERT_BAD("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
               -EPROTO, "");
}

// reliability: header floods.
TEST_IN_LOOP(client_class_header_floods)
{
    static char answer[400000];
    /* One line without an end, many lines, and many informational answers. */
    int n = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nX: ");
    memset(answer + n, 'x', 200000);
    ASSERT_BAD(answer, AW_ELIMIT, "too l");
    n = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\n");
    while (n < 100000)
        n += snprintf(answer + n, sizeof answer - (size_t)n, "X-%d: abc\r\n", n);
    snprintf(answer + n, sizeof answer - (size_t)n, "Content-Length: 0\r\n\r\n");
    ASSERT_BAD(answer, AW_ELIMIT, "the head is too large");
    for (n = 0; n < 100000;)
        n += snprintf(answer + n, sizeof answer - (size_t)n, "HTTP/1.1 100 Continue\r\n\r\n");
    snprintf(answer + n, sizeof answer - (size_t)n, OK_HELLO);
    ASSERT_BAD(answer, AW_ELIMIT, "the head is too large");
}

// reliability: body floods.
TEST_IN_LOOP(client_class_body_floods)
{
    aw_http_response *r;
    struct place p = {0};
    OPEN_PLACE(&p, OK_HELLO,
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
               "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
    aw_http_session *s = SESSION_WITH(&p, .max_body = 4);
    for (int i = 0; i < 3; i++) {
        ASSERT_FAILS(aw_http_get(&r, s, "/"), AW_ELIMIT, "max_body");
        p.close = i == 1;
    }
    p.requests = 0;
    p.close = false;
    ASSERT_STATUS(aw_http_get(&r, s, "/", .max_body = 5), 200);
    assert_string_equal(aw_http_response_text(r), "hello");
    aw_http_response_unref(r);
    aw_http_session_unref(s);
    close_place(&p);
}

// reliability: allocate by declared length: a length of terabytes costs nothing.
TEST_IN_LOOP(client_class_allocate_by_declared_length)
{
    ASSERT_BAD(OK_HEAD(9000000000000) "\r\nhello", AW_EOF, "");
    ASSERT_BAD("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nhello",
               AW_EOF, "");
}

/* 1 MiB of zeros in 1,057 bytes, made by gzip. */
static size_t make_bomb(char *to, size_t size)
{
    unsigned char head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3};
    size_t n = (size_t)snprintf(to, size, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n");
    memcpy(to + n, head, sizeof head);
    n += sizeof head;
    /* A fixed Huffman block: a literal zero (8 bits), then matches of 258 at distance 1: 285 is
     * 11000101, distance code 0 is 00000: 13 bits each. */
    unsigned long bits = 0;
    int have = 0;
#define PUT(value, count)                                                                          \
    do {                                                                                           \
        bits |= (unsigned long)(value) << have;                                                    \
        for (have += (count); have >= 8; have -= 8, bits >>= 8)                                    \
            to[n++] = (char)(bits & 255);                                                          \
    } while (0)
    PUT(1, 1);    /* the last block */
    PUT(1, 2);    /* fixed codes */
    PUT(0x0c, 8); /* literal 0: 00110000, the first bit first */
    while (n + 8 < size)
        PUT(0xa3, 13); /* 11000101 the first bit first, then 00000 */
#undef PUT
    return n;
}

// reliability: decompression bombs.
TEST_IN_LOOP(client_class_decompression_bombs)
{
    static char bomb[300000]; /* some 47 MB */
    size_t n = make_bomb(bomb, sizeof bomb);
    struct place p = {.close = true, .sizes = {n}};
    aw_http_response *r;
    OPEN_PLACE(&p, bomb);
    aw_http_session *s = SESSION_WITH(&p, .max_body = 1 << 20);
    ASSERT_FAILS(aw_http_get(&r, s, "/"), AW_ELIMIT, "max_body");
    /* Streamed it comes no faster than it is read. */
    ASSERT_STATUS(aw_http_get(&r, s, "/", .stream = true), 200);
    char buf[1000];
    for (int i = 0; i < 100; i++)
        assert_int_equal(aw_http_response_read(r, buf, sizeof buf), sizeof buf);
    size_t waiting;
    aw_http_response_body(r, &waiting);
    assert_true(waiting < 200000);
    aw_http_response_unref(r);
    /* Not undone, it is what came. */
    aw_http_session *raw = SESSION_WITH(&p, .keep_compressed = true);
    ASSERT_STATUS(aw_http_get(&r, raw, "/"), 200);
    aw_http_response_body(r, &waiting);
    assert_true(waiting < sizeof bomb);
    assert_false(saw(&p, 2, "Accept-Encoding"));
    aw_http_response_unref(r);
    aw_http_session_unref(raw);
    aw_http_session_unref(s);
    close_place(&p);
}

// reliability: header injection: refused where it is written.
TEST_IN_LOOP(client_class_header_injection)
{
    aw_http_session *s = session_made(aw_http_session_new("http://127.0.0.1:1/"));
    static const char *const values[] = {"a\r\nEvil: 1", "a\nEvil: 1", "a\rb", "a\x01", "a\x7f"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        const char *v = values[i];
        ASSERT_FAILS(aw_http_get(NULL, s, "/", .headers = AW_PAIRS("A", v)), -EINVAL, ".headers");
        ASSERT_FAILS(aw_http_get(NULL, s, "/", .headers = AW_PAIRS(v, "b")), -EINVAL, ".headers");
        ASSERT_FAILS(aw_http_get(NULL, s, "/", .bearer = v), -EINVAL, ".bearer");
        ASSERT_FAILS(aw_http_get(NULL, s, "/", .user = v), -EINVAL, ".user");
        ASSERT_FAILS(aw_http_post(NULL, s, "/", .body = "", .content_type = v), -EINVAL,
                     ".content_type");
        ASSERT_FAILS(aw_http_get(NULL, s, v), -EINVAL, "");
        assert_int_equal(aw_http_session_add_cookie(s, v), -EINVAL);
        assert_null(aw_http_session_new(NULL, .headers = AW_PAIRS("A", v)));
        assert_int_equal(aw_errno(), -EINVAL);
        assert_null(aw_http_session_new(NULL, .user_agent = v));
        aw_http_part part = {.name = "x", .data = "y", .type = v};
        ASSERT_FAILS(aw_http_post(NULL, s, "/", .parts = &part, .n_parts = 1), -EINVAL, "part");
    }
    ASSERT_FAILS(aw_http_get(NULL, s, "/", .headers = AW_PAIRS("", "b")), -EINVAL, ".headers");
    ASSERT_FAILS(aw_http_get(NULL, s, "/", .headers = AW_PAIRS("a b", "b")), -EINVAL, ".headers");
    aw_http_session_unref(s);
}

// reliability: slow clients, here the other side: a server that is slow meets the limits of time.
TEST_IN_LOOP(client_class_slow_servers)
{
    struct place p = {.mute = true};
    aw_http_response *r;
    OPEN_PLACE(&p, OK_HELLO);
    aw_http_session *s = SESSION(&p);
    ASSERT_FAILS(aw_http_get(&r, s, "/", .timeout = 0.05), -ETIMEDOUT, "without an answer");
    ASSERT_FAILS(aw_http_get(&r, s, "/", .read_timeout = 0.05), -ETIMEDOUT, "time to read");
    ASSERT_FAILS(aw_http_get(&r, s, "/", .timeout = -1), -ETIMEDOUT, "");
    aw_http_session *hasty = SESSION_WITH(&p, .timeout = 0.05);
    ASSERT_FAILS(aw_http_get(&r, hasty, "/"), -ETIMEDOUT, "without an answer");
    aw_http_session_unref(hasty);
    aw_http_session_unref(s);
    close_place(&p);
}

/* Sends a byte of the answer now and then, and never ends. */
static int drip(aw_stream *s, void *arg)
{
    struct place *p = arg;
    int err = take_request(p, s);
    if (err > 0)
        err = aw_stream_write(s, OK_HEAD(1000) "\r\n", sizeof OK_HEAD(1000) + 1);
    while (err >= 0) {
        err = aw_stream_write(s, "x", 1);
        if (err >= 0)
            err = aw_sleep(0.01);
    }
    return err == -ECANCELED ? err : 0;
}

TEST_IN_LOOP(client_server_that_drips)
{
    struct place p = {0};
    aw_http_response *r;
    aw_address a;
    char url[64];
    assert_int_equal(aw_start_server(&p.server, drip, "127.0.0.1", "0", .arg = &p), 0);
    assert_int_equal(aw_server_address(p.server, 0, &a), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", aw_address_port(&a));
    ASSERT_FAILS(aw_http_get(&r, NULL, url, .timeout = 0.5, .read_timeout = 0.3), -ETIMEDOUT,
                 "in the body");
    assert_int_equal(aw_server_abort_clients(p.server), 0);
    close_place(&p);
}

TEST_IN_LOOP(client_nobody_listens)
{
    struct place p = {0};
    char url[64];
    OPEN_PLACE(&p, OK_HELLO);
    snprintf(url, sizeof url, "http://user:pass@127.0.0.1:%u/a?b", p.port);
    close_place(&p);
    ASSERT_FAILS(aw_http_get(NULL, NULL, url), -ECONNREFUSED, "GET http://127.0.0.1:");
    assert_null(strstr(aw_errmsg(), "user"));
    assert_null(strstr(aw_errmsg(), "pass"));
}

// reliability: host name truncation, SSRF.
TEST_IN_LOOP(client_class_host_names_and_ssrf)
{
    char url[400];
    struct place p = {0};
    aw_http_response *r;
    int n = snprintf(url, sizeof url, "http://");
    for (int i = 0; i < 43; i++)
        n += snprintf(url + n, sizeof url - (size_t)n, "a.bcd."); /* 258 bytes */
    ASSERT_FAILS(aw_http_get(NULL, NULL, url), -EINVAL, "253");
    OPEN_PLACE(&p, OK_HELLO);
    aw_http_session *s = SESSION_WITH(&p, .public_only = true);
    ASSERT_FAILS(aw_http_get(&r, s, "/"), -EACCES, "127.0.0.1 is not a public address");
    assert_int_equal(p.requests, 0);
    snprintf(url, sizeof url, "http://0x7f.1:%u/", p.port); /* as curl reads it */
    ASSERT_FAILS(aw_http_get(&r, s, url), -EACCES, "not a public address");
    aw_http_session_unref(s);
    close_place(&p);
}

/* The number of one failure must not be that of the next. */
TEST_IN_LOOP(client_codes_are_of_their_own_request)
{
    struct place gone = {0}, bad = {0};
    aw_http_response *r;
    OPEN_PLACE(&gone, OK_HELLO);
    OPEN_PLACE(&bad, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n");
    aw_http_session *s = SESSION(&gone);
    close_place(&gone);
    ASSERT_FAILS(aw_http_get(&r, s, "/"), -ECONNREFUSED, "");
    ASSERT_FAILS(aw_http_get(&r, s, bad.url), -EPROTO, "");
    aw_http_session_unref(s);
    close_place(&bad);
}

/* Whether something listens there must not be told by the error either. */
TEST_IN_LOOP(client_public_only_does_not_connect_elsewhere)
{
    char url[64];
    struct place p = {0};
    aw_http_response *r;
    OPEN_PLACE(&p, OK_HELLO);
    aw_http_session *s = SESSION_WITH(&p, .public_only = true);
    ASSERT_FAILS(aw_http_get(&r, s, "/"), -EACCES, "127.0.0.1 is not a public address");
    snprintf(url, sizeof url, "http://[::1]:%u/", p.port);
    ASSERT_FAILS(aw_http_get(&r, s, url), -EACCES, "::1 is not a public address");
    assert_int_equal(p.connections, 0);
    close_place(&p);
    ASSERT_FAILS(aw_http_get(&r, s, "/"), -EACCES, "127.0.0.1 is not a public address");
    aw_http_session_unref(s);
    assert_null(aw_http_session_new(p.url, .public_only = true, .proxy = p.url));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_http_session_new(p.url, .public_only = true, .proxy_from_environment = true));
    assert_int_equal(aw_errno(), -EINVAL);
}

/* A name that was given for one host means nothing to the host that a redirect leads to. */
TEST_IN_LOOP(client_host_header_stays_with_its_host)
{
    struct place other = {0}, p = {0};
    char answer[200];
    OPEN_PLACE(&other, OK_HELLO);
    snprintf(answer, sizeof answer,
             "HTTP/1.1 302 Found\r\nSet-Cookie: secret=1; Path=/\r\nLocation: %s/there\r\n"
             "Content-Length: 0\r\n\r\n",
             other.url);
    OPEN_PLACE(&p, answer);
    aw_http_session *s = SESSION_WITH(&p, .headers = AW_PAIRS("Host", "session.test"));
    ASSERT_STATUS(aw_http_get(NULL, s, "/", .headers = AW_PAIRS("Host", "request.test")), 200);
    assert_true(saw(&p, 0, "Host: request.test\r\n"));
    assert_false(saw(&other, 0, "request.test"));
    assert_false(saw(&other, 0, "secret"));
    ASSERT_STATUS(aw_http_get(NULL, s, "/"), 200);
    assert_true(saw(&p, 1, "Host: session.test\r\n"));
    assert_false(saw(&other, 1, "session.test"));
    ASSERT_STATUS(aw_http_get(NULL, s, other.url), 200); /* nor does libcurl remember it */
    assert_false(saw(&other, 2, "secret"));
    aw_http_session_unref(s);
    close_place(&p);
    close_place(&other);
}

// reliability: client libraries: only http and https, whatever a URL or a redirect says.
TEST_IN_LOOP(client_class_schemes)
{
    static const char *const others[] = {"file:///etc/passwd", "ftp://127.0.0.1/",
                                         "gopher://127.0.0.1/", "dict://127.0.0.1/", "scp://h/"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct place p = {0};
        char answer[200];
        aw_http_response *r;
        ASSERT_FAILS(aw_http_get(&r, NULL, others[i]), -EPROTONOSUPPORT, "rotocol");
        snprintf(answer, sizeof answer,
                 "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", others[i]);
        OPEN_PLACE(&p, answer);
        aw_http_session *s = SESSION(&p);
        ASSERT_FAILS(aw_http_get(&r, s, "/"), -EPROTONOSUPPORT, "rotocol");
        aw_http_session_unref(s);
        close_place(&p);
    }
}
