/*
 * The bytes on the other side of the table.
 */
#include "unit/ws/table.h"

struct table sit(const aw_websocket_stream_opts *opts)
{
    aw_stream *two[2];
    aw_websocket_stream_opts o = *opts;
    assert_int_equal(aw_stream_pair(two), 0);
    o.stream = two[0];
    struct table t = {.ws = aw_websocket_from_stream_(&o), .raw = two[1], .server = o.server};
    assert_non_null(t.ws);
    aw_stream_unref(two[0]);
    return t;
}

void rise(struct table *t)
{
    aw_websocket_unref(t->ws);
    aw_stream_unref(t->raw);
}

static size_t put_length(char *at, uint64_t n, int bytes, bool masked)
{
    int code = bytes == 8 ? 127 : bytes == 2 ? 126 : (int)n;
    at[0] = (char)(code | (masked ? 0x80 : 0));
    for (int i = 0; i < bytes; i++)
        at[1 + i] = (char)(n >> 8 * (bytes - 1 - i));
    return 1 + (size_t)bytes;
}

size_t encode_frame(const struct table *t, const struct frame *f, char *ret)
{
    static const char mask[4] = {0x11, 0x22, 0x33, 0x44};
    bool masked = t->server != f->other_mask;
    size_t n = f->n ? f->n : f->payload ? strlen(f->payload) : 0;
    uint64_t length = f->declared ? f->declared : n;
    int bytes = f->length_bytes ? f->length_bytes : length < 126 ? 0 : length < 65536 ? 2 : 8;
    ret[0] = (char)f->first;
    size_t at = 1 + put_length(ret + 1, length, bytes, masked);
    if (masked) {
        memcpy(ret + at, mask, 4);
        at += 4;
    }
    for (size_t i = 0; i < n; i++)
        ret[at++] = (char)(f->payload[i] ^ (masked ? mask[i % 4] : 0));
    return at;
}

void put_frame(const struct table *t, const struct frame *f)
{
    size_t n = f->n ? f->n : f->payload ? strlen(f->payload) : 0;
    char *bytes = malloc(n + 16);
    n = encode_frame(t, f, bytes);
    assert_int_equal(aw_stream_write(t->raw, bytes, n), 0);
    free(bytes);
}

static bool get(const struct table *t, void *buf, size_t n)
{
    int err = n ? aw_stream_readexactly(t->raw, buf, n) : 0;
    assert_true(err == 0 || err == AW_EOF || err == -EPIPE);
    return err == 0;
}

static size_t get_length(const struct table *t, int code)
{
    uint8_t more[8];
    size_t n = 0, bytes = code == 127 ? 8 : code == 126 ? 2 : 0;
    if (!bytes)
        return (size_t)code;
    assert_true(get(t, more, bytes));
    for (size_t i = 0; i < bytes; i++)
        n = n << 8 | more[i];
    return n;
}

int get_frame(const struct table *t, char *payload, size_t size, size_t *ret_n)
{
    uint8_t head[2], mask[4] = {0};
    if (!get(t, head, 2))
        return -1;
    assert_true(!(head[1] & 0x80) == t->server); /* a client masks, a server does not */
    size_t n = get_length(t, head[1] & 0x7f);
    assert_true(n < size);
    if (!t->server)
        assert_true(get(t, mask, 4));
    assert_true(get(t, payload, n));
    for (size_t i = 0; i < n; i++)
        payload[i] = (char)(payload[i] ^ mask[i % 4]);
    payload[n] = '\0';
    if (ret_n)
        *ret_n = n;
    return head[0];
}

void expect_frame(const struct table *t, int first, const char *payload)
{
    char got[70000];
    size_t n;
    assert_int_equal(get_frame(t, got, sizeof got, &n), first);
    assert_int_equal(n, strlen(payload));
    assert_string_equal(got, payload);
}

void expect_close(const struct table *t, int code)
{
    char got[126];
    size_t n;
    assert_int_equal(get_frame(t, got, sizeof got, &n), FIN | CLOSE);
    assert_int_equal(n >= 2 ? (uint8_t)got[0] << 8 | (uint8_t)got[1] : 0, code);
}

void expect_message(aw_websocket *ws, const char *text)
{
    aw_websocket_message m;
    assert_int_equal(aw_websocket_receive(ws, &m), 1);
    assert_int_equal(m.size, strlen(text));
    assert_string_equal(m.data, text);
}

int keep_log(void *arg)
{
    struct log *log = arg;
    aw_websocket_message m;
    size_t at = strlen(log->text);
    while ((log->outcome = aw_websocket_receive(log->ws, &m)) > 0) {
        assert_int_equal(m.data[m.size], 0);
        log->messages++;
        if (at + m.size + 3 < sizeof log->text)
            at += (size_t)snprintf(log->text + at, sizeof log->text - at, "%c%s|",
                                   m.binary ? 'B' : 'T', m.data);
    }
    log->done = true;
    return 0;
}
