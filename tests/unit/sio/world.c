/*
 * world.c - the server of the tests, and clients made of bytes.
 */
#include "unit/sio/world.h"
#include "peers/sio_suite.h"

aw_sio *io;
aw_sio_namespace *root, *custom;
char told[4096], reasons[1024], target_[1024];

/* ---- the server ---- */

static void note(const char *line, void *arg)
{
    (void)arg;
    size_t n = strlen(told);
    snprintf(told + n, sizeof told - n, "%s\n", line);
}

static int disconnected(aw_sio_socket *s, void *arg)
{
    (void)arg;
    size_t n = strlen(reasons);
    snprintf(reasons + n, sizeof reasons - n, "%s;", aw_sio_socket_reason(s));
    return 0;
}

static aw_sio_namespace *furnish(const char *name)
{
    aw_sio_namespace *ns = aw_sio_of(io, name);
    assert_non_null(ns);
    assert_int_equal(sio_suite(ns), 0);
    assert_int_equal(aw_sio_on_disconnect(ns, disconnected, NULL), 0);
    return ns;
}

struct world {
    void (*fn)(void);
    void (*change)(aw_sio_opts *o);
};

static int run_world(void *arg)
{
    struct world *w = arg;
    aw_sio_opts opts = {.file = __FILE__,
                        .line = __LINE__,
                        .ping_interval = 0.3,
                        .ping_timeout = 0.2,
                        .connect_timeout = 1,
                        .logger = note};
    if (w->change)
        w->change(&opts);
    io = aw_sio_new_(&opts);
    assert_non_null(io);
    root = furnish("/");
    custom = furnish("/custom");
    w->fn();
    assert_true(aw_sio_close(io, .grace = 1) >= 0);
    aw_sio_unref(io);
    return 0;
}

void in_world(void (*fn)(void), void (*change)(aw_sio_opts *o))
{
    struct world w = {.fn = fn, .change = change};
    assert_int_equal(aw_run(run_world, &w), 0);
}

/* ---- connections ---- */

static int serve(void *arg)
{
    aw_stream *s = arg;
    FILE *nowhere = fopen("/dev/null", "w");
    int err =
        aw_http_serve_stream(s, aw_sio_handler, io, .refusal_log = nowhere, .idle_timeout = 1000);
    fclose(nowhere);
    if (err == 0)
        aw_ignore(aw_stream_close(s));
    aw_stream_unref(s);
    return err;
}

struct conn *dial(void)
{
    aw_stream *pair[2];
    struct conn *c = calloc(1, sizeof *c);
    assert_int_equal(aw_stream_pair(pair), 0);
    c->stream = pair[0];
    c->server = aw_create_task(serve, pair[1], .stack_size = 256 << 10);
    assert_non_null(c->server);
    return c;
}

void hang_up(struct conn *c)
{
    assert_int_equal(aw_stream_close(c->stream), 0);
    aw_ignore(aw_stream_wait_closed(c->stream));
    aw_stream_unref(c->stream);
    aw_ignore(aw_join(c->server));
    free(c);
}

void say(struct conn *c, const char *bytes, size_t n)
{
    assert_int_equal(aw_stream_write(c->stream, bytes, n), 0);
}

void ask(struct conn *c, const char *method, const char *target, const char *fields,
         const char *body)
{
    char head[2048];
    int n = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: test\r\n%s", method, target,
                     fields ? fields : "");
    say(c, head, (size_t)n);
    if (body) {
        n = snprintf(head, sizeof head, "Content-Length: %zu\r\n\r\n", strlen(body));
        say(c, head, (size_t)n);
        say(c, body, strlen(body));
    } else {
        say(c, "\r\n", 2);
    }
}

void hear(struct conn *c, struct answer *a)
{
    char *head;
    ssize_t n = aw_stream_readuntil(c->stream, &head, "\r\n\r\n");
    assert_true(n > 0);
    snprintf(a->head, sizeof a->head, "%.*s", (int)n, head);
    a->status = (int)strtol(a->head + 9, NULL, 10);
    char *length = strstr(a->head, "Content-Length: ");
    a->len = length ? strtoul(length + 16, NULL, 10) : 0;
    assert_true(a->len < sizeof a->body);
    assert_int_equal(aw_stream_readexactly(c->stream, a->body, a->len), 0);
    a->body[a->len] = '\0';
}

int get(const char *target, struct answer *a)
{
    struct conn *c = dial();
    ask(c, "GET", target, NULL, NULL);
    hear(c, a);
    hang_up(c);
    return a->status;
}

int post(const char *target, const char *body, struct answer *a)
{
    struct conn *c = dial();
    ask(c, "POST", target, NULL, body);
    hear(c, a);
    hang_up(c);
    return a->status;
}

/* ---- WebSocket ---- */

struct conn *ws_dial(const char *query, int *ret_status)
{
    static struct answer a;
    char target[512];
    struct conn *c = dial();
    snprintf(target, sizeof target, "/socket.io/?EIO=4&transport=websocket%s", query);
    ask(c, "GET", target,
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        NULL);
    hear(c, &a);
    if (ret_status)
        *ret_status = a.status;
    if (a.status == 101)
        return c;
    hang_up(c);
    return NULL;
}

static void frame(struct conn *c, int opcode, const void *data, size_t n)
{
    static unsigned char buf[200000];
    static const unsigned char mask[4] = {1, 2, 3, 4};
    size_t at = 0;
    assert_true(n < sizeof buf - 16);
    buf[at++] = (unsigned char)(0x80 | opcode);
    if (n < 126) {
        buf[at++] = (unsigned char)(0x80 | n);
    } else if (n < 65536) {
        buf[at++] = 0x80 | 126;
        buf[at++] = (unsigned char)(n >> 8);
        buf[at++] = (unsigned char)n;
    } else {
        buf[at++] = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            buf[at++] = (unsigned char)((uint64_t)n >> shift);
    }
    memcpy(buf + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < n; i++)
        buf[at++] = ((const unsigned char *)data)[i] ^ mask[i % 4];
    say(c, (char *)buf, at);
}

void ws_text(struct conn *c, const char *text)
{
    frame(c, 1, text, strlen(text));
}

void ws_binary(struct conn *c, const void *data, size_t n)
{
    frame(c, 2, data, n);
}

int ws_hear(struct conn *c, char *buf, size_t size, size_t *ret_n)
{
    unsigned char head[8];
    if (aw_stream_readexactly(c->stream, head, 2) < 0)
        return 0;
    assert_int_equal(head[0] & 0xf0, 0x80);
    size_t n = head[1];
    if (n == 126) {
        assert_int_equal(aw_stream_readexactly(c->stream, head + 2, 2), 0);
        n = (size_t)head[2] << 8 | head[3];
    }
    assert_true(n < size && n < 126u + 65536u);
    assert_int_equal(aw_stream_readexactly(c->stream, buf, n), 0);
    buf[n] = '\0';
    if (ret_n)
        *ret_n = n;
    return head[0] & 15;
}

void ws_expect(struct conn *c, const char *text)
{
    char buf[4096];
    int opcode = ws_hear(c, buf, sizeof buf, NULL);
    if (opcode != 1 || strcmp(buf, text) != 0)
        fail_msg("wanted %s, got frame %d: %s", text, opcode, opcode ? buf : "");
}

/* Up to the end: the code of the close; 0: there was none, or it had none. */
static int hear_close(struct conn *c)
{
    char buf[4096];
    size_t n;
    int code = 0, opcode = ws_hear(c, buf, sizeof buf, &n);
    if (opcode == 8) { /* answer it, as a client does */
        code = n < 2 ? 0 : (unsigned char)buf[0] << 8 | (unsigned char)buf[1];
        frame(c, 8, buf, n < 2 ? n : 2);
        opcode = ws_hear(c, buf, sizeof buf, NULL);
    }
    if (opcode != 0)
        fail_msg("not closed: frame %d: %s", opcode, buf);
    hang_up(c);
    return code;
}

void ws_expect_closed(struct conn *c)
{
    (void)hear_close(c);
}

void ws_expect_refused(struct conn *c, int code, const char *why)
{
    int got = hear_close(c);
    aw_ignore(aw_wait_all_blocked()); /* a WebSocket's own refusal is told when it is over */
    const char *end = strchr(told, '\n');
    if (got != code || !end || end[1] || strncmp(told, "(none): ", 8) != 0 || !strstr(told, why))
        fail_msg("closed with %d (not %d: %s), and told: %s", got, code, why, told);
    told[0] = '\0';
}

/* ---- sessions ---- */

void find_sid(const char *text, char sid[32])
{
    const char *at = strstr(text, "\"sid\":\"");
    assert_non_null(at);
    assert_int_equal(sscanf(at + 7, "%31[^\"]", sid), 1);
    assert_int_equal(strlen(sid), 20);
}

void open_polling(char sid[32])
{
    static struct answer a;
    assert_int_equal(GET(&a, "/socket.io/?EIO=4&transport=polling"), 200);
    find_sid(a.body, sid);
}

void open_socket(char sid[32], char id[32])
{
    static struct answer a;
    open_polling(sid);
    assert_int_equal(POST(&a, "40", "/socket.io/?EIO=4&transport=polling&sid=%s", sid), 200);
    assert_int_equal(GET(&a, "/socket.io/?EIO=4&transport=polling&sid=%s", sid), 200);
    find_sid(a.body, id);
    if (!strstr(a.body, "\"auth\""))
        assert_int_equal(GET(&a, "/socket.io/?EIO=4&transport=polling&sid=%s", sid), 200);
    assert_non_null(strstr(a.body, "42[\"auth\",{}]"));
}

struct conn *ws_open(void)
{
    char buf[512];
    struct conn *c = ws_dial("", NULL);
    assert_non_null(c);
    assert_int_equal(ws_hear(c, buf, sizeof buf, NULL), 1);
    assert_int_equal(buf[0], '0');
    return c;
}

struct conn *ws_open_socket(char id[32])
{
    char buf[512];
    struct conn *c = ws_open();
    ws_text(c, "40");
    assert_int_equal(ws_hear(c, buf, sizeof buf, NULL), 1);
    find_sid(buf, id);
    ws_expect(c, "42[\"auth\",{}]");
    return c;
}
