/*
 * What somebody hostile, or slow, may cost: each row of the table of dangers that is about frames.
 */
#include "unit/ws/table.h"

static void expect_end(aw_websocket *ws, int err, const char *word)
{
    aw_websocket_message m;
    assert_int_equal(aw_websocket_receive(ws, &m), err);
    assert_non_null(strstr(aw_errmsg(), word));
    assert_int_equal(aw_websocket_receive(ws, &m), err); /* and so from now on */
    assert_non_null(strstr(aw_errmsg(), word));
    assert_int_equal(aw_websocket_send(ws, "x", 1), -EPIPE);
}

/* Frame length arithmetic: neither the top bit nor a sum beyond 64 bits gets past the limit. */
TEST_IN_LOOP(ws_reliability_frame_length_arithmetic)
{
    static const uint64_t lengths[] = {UINT64_MAX, UINT64_C(1) << 63, INT64_MAX,
                                       UINT32_MAX, UINT64_C(1) << 32, INT64_MAX - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct table t = SIT(.server = true);
        PUT(&t, BINARY, "one");
        PUT(&t, FIN | CONT, "two", .declared = lengths[i], .length_bytes = 8);
        bool top = lengths[i] >> 63;
        expect_end(t.ws, top ? -EPROTO : -EMSGSIZE, top ? "cannot be" : ".max_message is 1048576");
        expect_close(&t, top ? AW_WS_PROTOCOL_ERROR : AW_WS_TOO_BIG);
        rise(&t);
    }
}

static size_t most_bytes, bytes_now;

static void *measure_alloc(size_t size, void *arg)
{
    (void)arg;
    size_t *p = malloc(size + 16);
    if (!p)
        return NULL;
    *p = size;
    bytes_now += size;
    if (bytes_now > most_bytes)
        most_bytes = bytes_now;
    return p + 2;
}

static void measure_free(void *ptr, void *arg)
{
    size_t *p = ptr;
    (void)arg;
    if (!p)
        return;
    bytes_now -= p[-2];
    free(p - 2);
}

static int announce(void *arg)
{
    struct table t = SIT(.server = true, .limits.max_message = 512 << 20);
    struct log log = {.ws = t.ws};
    (void)arg;
    aw_task *reader = aw_create_task(keep_log, &log);
    passes(3);
    size_t before = bytes_now;
    most_bytes = before;
    PUT(&t, FIN | BINARY, "a few bytes", .declared = 500 << 20);
    passes(5);
    assert_false(log.done);
    assert_true(most_bytes - before < 16 << 10);
    assert_int_equal(aw_stream_write_eof(t.raw), 0);
    assert_int_equal(aw_join(reader), 0);
    assert_int_equal(log.outcome, AW_EOF);
    rise(&t);
    return 0;
}

/* Allocate by declared length: memory grows with the bytes that have come. */
TEST(ws_reliability_allocate_by_declared_length)
{
    aw_allocator a = {measure_alloc, measure_free, NULL};
    assert_int_equal(aw_set_allocator(&a), 0);
    assert_int_equal(aw_run(announce, NULL), 0);
}

TEST_IN_LOOP(ws_message_too_long)
{
    struct table t = SIT(.server = false, .limits.max_message = 10);
    PUT(&t, FIN | TEXT, "0123456789");
    expect_message(t.ws, "0123456789");
    PUT(&t, TEXT, "01234");
    PUT(&t, FIN | CONT, "567890");
    expect_end(t.ws, -EMSGSIZE, ".max_message is 10");
    expect_close(&t, AW_WS_TOO_BIG);
    rise(&t);
}

/* Tiny fragments: counted, and one buffer for all. */
TEST_IN_LOOP(ws_reliability_tiny_fragments)
{
    struct table t = SIT(.server = true);
    PUT(&t, TEXT, "");
    for (int i = 0; i < 1022; i++)
        PUT(&t, CONT, "x");
    PUT(&t, FIN | CONT, "");
    aw_websocket_message m;
    assert_int_equal(aw_websocket_receive(t.ws, &m), 1);
    assert_int_equal(m.size, 1022);
    PUT(&t, TEXT, "");
    for (int i = 0; i < 1024; i++)
        PUT(&t, CONT, "");
    expect_end(t.ws, -EMSGSIZE, ".max_fragments is 1024");
    expect_close(&t, AW_WS_POLICY);
    rise(&t);
}

/* Ping floods: more than so many in ten seconds are refused... */
TEST_IN_LOOP(ws_reliability_ping_floods)
{
    struct table t = SIT(.server = true);
    struct log log = {.ws = t.ws};
    aw_task *reader = aw_create_task(keep_log, &log);
    for (int i = 0; i < 100; i++) {
        PUT(&t, FIN | PING, "x");
        expect_frame(&t, FIN | PONG, "x");
    }
    assert_int_equal(aw_sleep(10), 0);
    for (int i = 0; i < 100; i++)
        PUT(&t, FIN | (i % 2 ? PING : PONG), NULL);
    passes(5);
    assert_false(log.done);
    PUT(&t, FIN | PONG, NULL);
    assert_int_equal(aw_stream_write_eof(t.raw), 0);
    assert_int_equal(aw_join(reader), 0);
    assert_int_equal(log.outcome, -EMSGSIZE);
    for (int i = 0; i < 50; i++)
        expect_frame(&t, FIN | PONG, "");
    expect_close(&t, AW_WS_POLICY);
    rise(&t);
}

/* ... and to who does not read the answers one pong is owed, the latest. */
TEST_IN_LOOP(ws_reliability_one_pong_is_owed)
{
    static char bulk[200000], big[sizeof bulk + 1];
    size_t n;
    struct table t = SIT(.server = true);
    struct log log = {.ws = t.ws};
    aw_task *reader = aw_create_task(keep_log, &log);
    assert_int_equal(aw_websocket_send(t.ws, bulk, sizeof bulk, .binary = true), 0);
    size_t pending = aw_websocket_pending(t.ws);
    assert_true(pending > 64 << 10);
    for (char i = 'a'; i <= 'z'; i++)
        PUT(&t, FIN | PING, ((char[]){i, 0}));
    passes(5);
    assert_int_equal(aw_websocket_pending(t.ws), pending);
    assert_int_equal(get_frame(&t, big, sizeof big, &n), FIN | BINARY);
    assert_int_equal(n, sizeof bulk);
    expect_frame(&t, FIN | PONG, "z");
    assert_int_equal(aw_stream_write_eof(t.raw), 0);
    assert_int_equal(aw_join(reader), 0);
    rise(&t);
}

/* Slow clients: what is pending for one that does not read has a limit, and so has its close. */
TEST_IN_LOOP(ws_reliability_slow_readers)
{
    static char piece[10000];
    struct table t = SIT(.server = true, .limits.max_pending = 200000);
    size_t sent = 0;
    int err;
    while ((err = aw_websocket_send(t.ws, piece, sizeof piece, .binary = true, .nowait = true)) ==
           0)
        sent += sizeof piece;
    assert_int_equal(err, AW_EFULL);
    assert_true(aw_websocket_pending(t.ws) <= 200000 && sent > 200000);
    double before = aw_time();
    aw_stream *s = aw_stream_ref(aw_websocket_stream(t.ws));
    aw_websocket_unref(t.ws);
    aw_ignore(aw_stream_wait_closed(s));
    assert_time(aw_time() - before, 10);
    aw_stream_unref(s);
    aw_stream_unref(t.raw);
}

/* Masking, RSV, opcodes, close codes: the cases are in frames.c; here that masks differ. */
TEST_IN_LOOP(ws_reliability_masks_cannot_be_foretold)
{
    struct table t = SIT(.server = false);
    char masks[200][4], head[2];
    for (int i = 0; i < 200; i++) {
        assert_int_equal(aw_websocket_send(t.ws, NULL, 0), 0);
        assert_int_equal(aw_stream_readexactly(t.raw, head, 2), 0);
        assert_memory_equal(head, "\x81\x80", 2);
        assert_int_equal(aw_stream_readexactly(t.raw, masks[i], 4), 0);
        for (int j = 0; j < i; j++) /* one in 2^32 for each pair */
            assert_memory_not_equal(masks[i], masks[j], 4);
    }
    rise(&t);
}

/* UTF-8: fails at the first bad byte, across fragments; more of it in frames.c and text.c. */
TEST_IN_LOOP(ws_reliability_utf8)
{
    struct table t = SIT(.server = true);
    PUT(&t, TEXT, "\xf4");
    PUT(&t, CONT, "\x90");
    expect_end(t.ws, -EILSEQ, "UTF-8");
    expect_close(&t, AW_WS_BAD_TEXT);
    rise(&t);
}
