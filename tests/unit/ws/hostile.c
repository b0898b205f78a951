/*
 * The dangers of docs/security.md that a WebSocket meets, from real sockets to a server whose
 * handler passes errors on, as the manual has it: the attacker is told by a close code or a status,
 * the server's log has one line with the peer, the reason and the limit, nothing is reported as a
 * fault of the program, and a client that was connected all the time goes on.
 */
#include <math.h>

#include "unit/http/refusals.h"
#include "unit/ws/table.h"

/* ---- the server, and a client that behaves ---- */

static int echo(aw_http_request *r, void *arg)
{
    aw_websocket *ws;
    aw_websocket_message m;
    int more;
    (void)arg;
    AW_TRY(aw_websocket_accept(r, &ws));
    while ((more = aw_websocket_receive(ws, &m)) > 0) {
        more = aw_websocket_send(ws, m.data, m.size, .binary = m.binary);
        if (more < 0)
            break;
    }
    aw_websocket_unref(ws);
    return more;
}

struct place {
    aw_http_server *server;
    aw_websocket *other; /* connected all the time */
    char port[8];
};

#define HEAD_TIMEOUT 2 /* seconds; long for who is not meant to feel it */

static struct place open_place(void)
{
    struct place p;
    aw_address a;
    char url[64];
    assert_int_equal(aw_http_serve(&p.server, echo, "127.0.0.1", "0", .logger = take_down,
                                   .head_timeout = HEAD_TIMEOUT),
                     0);
    assert_int_equal(aw_http_server_address(p.server, 0, &a), 0);
    snprintf(p.port, sizeof p.port, "%d", aw_address_port(&a));
    snprintf(url, sizeof url, "ws://127.0.0.1:%s/", p.port);
    assert_int_equal(aw_websocket_connect(&p.other, url, .limits = {.ping_interval = INFINITY}), 0);
    return p;
}

static void expect_others_served(struct place *p)
{
    assert_int_equal(aw_websocket_send(p->other, "still here?", 11), 0);
    expect_message(p->other, "still here?");
}

static void close_place(struct place *p)
{
    expect_others_served(p);
    assert_int_equal(aw_websocket_close(p->other), 0);
    aw_websocket_unref(p->other);
    assert_int_equal(aw_http_server_shutdown(p->server, .grace = 5), 0);
    aw_http_server_unref(p->server);
}

/* ---- an attacker ---- */

struct attacker {
    struct table t;
    char peer[AW_ADDRESS_TEXT];
};

#define ASK                                                                                        \
    "GET /chat HTTP/1.1\r\nHost: h.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"       \
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
#define KEY "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static struct attacker come(const struct place *p)
{
    struct attacker a = {.t = {.server = true}};
    aw_address at;
    assert_int_equal(aw_open_connection(&a.t.raw, "127.0.0.1", p->port), 0);
    assert_int_equal(aw_local_address(aw_stream_fd(a.t.raw), &at), 0);
    assert_true(aw_address_format(&at, a.peer, sizeof a.peer) >= 0);
    told.n = 0;
    return a;
}

static struct attacker shake_hands(const struct place *p)
{
    struct attacker a = come(p);
    char *head;
    assert_int_equal(aw_stream_write(a.t.raw, ASK KEY "\r\n", strlen(ASK KEY "\r\n")), 0);
    assert_true(aw_stream_readuntil(a.t.raw, &head, "\r\n\r\n") > 0);
    assert_memory_equal(head, "HTTP/1.1 101 ", 13);
    assert_null(strstr(head, "Extensions")); /* compression is not agreed on */
    return a;
}

static void go(struct attacker *a)
{
    aw_ignore(aw_stream_abort(a->t.raw));
    aw_stream_unref(a->t.raw);
}

/* One line, of this peer, for this reason. */
static void expect_told(const struct attacker *a, const char *why)
{
    while (told.n == 0)
        passes(1);
    passes(10);
    if (told.n != 1 || strncmp(told.text, a->peer, strlen(a->peer)) != 0 ||
        !strstr(told.text, why) || strchr(told.text, '\n'))
        fail_msg("%s: told %d times: %s", why, told.n, told.text);
}

/* What the attacker has sent ends it with this code, and nobody else. */
static void expect_end(struct place *p, struct attacker *a, int code, const char *why)
{
    char got[200], text[160];
    size_t n = 0;
    int first;
    while ((first = get_frame(&a->t, got, sizeof got, &n)) == (FIN | PONG))
        ;
    assert_int_equal(first, FIN | CLOSE);
    assert_int_equal(n >= 2 ? (uint8_t)got[0] << 8 | (uint8_t)got[1] : 0, code);
    go(a);
    snprintf(text, sizeof text, "refused (%d): %s", code, why);
    expect_told(a, text);
    expect_others_served(p);
}

/* ---- each danger ---- */

struct attack {
    struct frame frames[4];
    int code;
    const char *why;
};

static void expect_all_refused(const struct attack *attacks, size_t n)
{
    struct place p = open_place();
    for (size_t i = 0; i < n; i++) {
        struct attacker a = shake_hands(&p);
        for (size_t k = 0; k < 4 && (attacks[i].frames[k].first || attacks[i].frames[k].payload);
             k++)
            put_frame(&a.t, &attacks[i].frames[k]);
        expect_end(&p, &a, attacks[i].code, attacks[i].why);
    }
    assert_int_equal(aw_http_server_refusals(p.server), n);
    close_place(&p);
}
#define ALL_REFUSED(...)                                                                           \
    expect_all_refused((const struct attack[]){__VA_ARGS__},                                       \
                       sizeof((const struct attack[]){__VA_ARGS__}) / sizeof(struct attack))

#define F(first_, ...)                                                                             \
    {                                                                                              \
        .first = (first_), .payload = __VA_ARGS__                                                  \
    }
#define LONG(n_) .declared = (n_), .length_bytes = 8
#define TOO_LONG "a message too long, .max_message is 1048576"

TEST_IN_LOOP(reliability_websocket_frame_length_arithmetic)
{
    ALL_REFUSED(
        {{F(FIN | BINARY, "x", LONG(UINT64_MAX))}, 1002, "a frame that cannot be"},
        {{F(FIN | BINARY, "x", LONG(UINT64_C(1) << 63))}, 1002, "a frame that cannot be"},
        {{F(FIN | BINARY, "x", LONG(INT64_MAX))}, 1009, TOO_LONG},
        {{F(BINARY, "one"), F(FIN | CONT, "x", LONG(INT64_MAX - 2))}, 1009, TOO_LONG},
        {{F(FIN | BINARY, "x", .declared = 1, .length_bytes = 8)}, 1002, "a frame that cannot be"});
}

TEST_IN_LOOP(reliability_websocket_allocate_by_declared_length)
{
    ALL_REFUSED({{F(FIN | BINARY, "little", LONG(500 << 20))}, 1009, TOO_LONG},
                {{F(FIN | TEXT, "little", LONG((1 << 20) + 1))}, 1009, TOO_LONG},
                {{F(TEXT, "little"), F(FIN | CONT, "more", LONG((1 << 20) - 5))}, 1009, TOO_LONG});
}

TEST_IN_LOOP(reliability_websocket_tiny_fragments)
{
    struct place p = open_place();
    struct attacker a = shake_hands(&p);
    PUT(&a.t, TEXT, "");
    for (int i = 0; i < 1024; i++)
        PUT(&a.t, CONT, "");
    expect_end(&p, &a, AW_WS_POLICY, "a message in too many fragments, .max_fragments is 1024");
    close_place(&p);
}

TEST_IN_LOOP(reliability_websocket_ping_floods)
{
    for (int kind = PING; kind <= PONG; kind++) {
        struct place p = open_place();
        struct attacker a = shake_hands(&p);
        for (int i = 0; i <= 100; i++)
            PUT(&a.t, FIN | kind, "flood");
        expect_end(&p, &a, AW_WS_POLICY, "too many control frames, .max_control is 100");
        close_place(&p);
    }
}

TEST_IN_LOOP(reliability_websocket_utf8)
{
    ALL_REFUSED({{F(FIN | TEXT, "\xff")}, 1007, "a text is not UTF-8"},
                {{F(TEXT, "\xf4"), F(CONT, "\x90")}, 1007, "a text is not UTF-8"},
                {{F(FIN | TEXT, "\xe2\x82")}, 1007, "a text ends within a character"},
                {{F(FIN | CLOSE, "\x03\xe9\xff")}, 1007, "the reason of a close is not UTF-8"});
}

TEST_IN_LOOP(reliability_websocket_masks_bits_opcodes_and_codes)
{
    ALL_REFUSED({{F(FIN | TEXT, "x", .other_mask = true)}, 1002, "a client's frame is not masked"},
                {{F(FIN | TEXT | 0x20, "x")}, 1002, "a reserved bit is set"},
                {{F(FIN | TEXT | 0x10, "x")}, 1002, "a reserved bit is set"},
                {{F(FIN | 3, "x")}, 1002, "a reserved opcode"},
                {{F(FIN | 11, "x")}, 1002, "a reserved opcode"},
                {{F(FIN | CONT, "x")}, 1002, "a continuation of nothing"},
                {{F(TEXT, "x"), F(FIN | TEXT, "y")}, 1002, "a message within a message"},
                {{F(PING, "x")}, 1002, "a frame that cannot be"},
                {{F(FIN | CLOSE, "x")}, 1002, "a close code that may not be"},
                {{F(FIN | CLOSE, "\x03\xed")}, 1002, "a close code that may not be"},
                {{F(FIN | CLOSE, "\x00\x01", .n = 2)}, 1002, "a close code that may not be"});
}

/* Nothing is ever inflated: the extension is not agreed on, and who uses it all the same is refused
 * for the bit that says so. */
TEST_IN_LOOP(reliability_websocket_decompression_bombs)
{
    ALL_REFUSED({{F(FIN | TEXT | 0x40, "\xca\x48\xcd\xc9\xc9\x07\x00", .n = 7)},
                 1002,
                 "a reserved bit is set"});
}

static void expect_status(struct place *p, const char *request, int status, const char *why)
{
    struct attacker a = come(p);
    char *head;
    assert_int_equal(aw_stream_write(a.t.raw, request, strlen(request)), 0);
    assert_true(aw_stream_readuntil(a.t.raw, &head, "\r\n\r\n") > 0);
    assert_int_equal(strtol(head + 9, NULL, 10), status);
    expect_told(&a, why);
    go(&a);
    expect_others_served(p);
}

TEST_IN_LOOP(reliability_websocket_cross_site)
{
    struct place p = open_place();
    expect_status(&p, ASK KEY "Origin: https://evil.example\r\n\r\n", 403,
                  "(403): a page of another origin");
    expect_status(&p, ASK KEY "Origin: null\r\n\r\n", 403, "(403): a page of another origin");
    expect_status(&p, ASK KEY "Origin: http://h.example.evil\r\n\r\n", 403,
                  "(403): a page of another origin");
    close_place(&p);
}

TEST_IN_LOOP(reliability_websocket_handshakes_that_are_none)
{
    struct place p = open_place();
    expect_status(&p, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 426, "(426): no upgrade");
    expect_status(&p, ASK "\r\n", 426, "(426): another version than 13");
    expect_status(&p, ASK "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n", 400,
                  "(400): the key is not 16 bytes");
    expect_status(&p, ASK KEY KEY "\r\n", 426, "(426): another version than 13");
    close_place(&p);
}

/* Slow clients: a handshake has the time that any request has. */
TEST_IN_LOOP(reliability_websocket_slow_clients)
{
    struct place p = open_place();
    double began = aw_time();
    expect_status(&p, ASK KEY, 408, "(head_timeout is 2)");
    assert_true(aw_time() - began >= HEAD_TIMEOUT);
    close_place(&p);
}

/* Host names that cannot be: they are refused before anybody is asked about them. */
TEST_IN_LOOP(reliability_websocket_host_name_truncation)
{
    char url[400];
    aw_websocket *ws;
    int n = snprintf(url, sizeof url, "ws://");
    for (int i = 0; i < 43; i++)
        n += snprintf(url + n, sizeof url - (size_t)n, "a.bcd."); /* 258 bytes */
    assert_int_equal(aw_websocket_connect(&ws, url), -ENAMETOOLONG);
}
