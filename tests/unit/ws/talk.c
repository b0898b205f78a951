/*
 * Two connections that talk to each other: messages of every size, back-pressure, pieces, frames
 * for many, cancellation.
 */
#include "unit/ws/table.h"
#include "ws/ws.h"

struct pair {
    aw_websocket *client, *server;
};

static struct pair meet(void)
{
    aw_stream *two[2];
    assert_int_equal(aw_stream_pair(two), 0);
    struct pair p = {.client = aw_websocket_from_stream(two[0]),
                     .server = aw_websocket_from_stream(two[1], .server = true)};
    assert_true(p.client && p.server);
    aw_stream_unref(two[0]);
    aw_stream_unref(two[1]);
    return p;
}

static void part(struct pair *p)
{
    aw_websocket_unref(p->client);
    aw_websocket_unref(p->server);
}

static int echo(void *arg)
{
    aw_websocket *ws = arg;
    aw_websocket_message m;
    int err;
    while ((err = aw_websocket_receive(ws, &m)) > 0)
        AW_TRY(aw_websocket_send(ws, m.data, m.size, .binary = m.binary));
    return err;
}

static void fill(char *buf, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf[i] = (char)(i * 7 >> 2);
}

TEST_IN_LOOP(ws_talk_of_every_size)
{
    static const size_t sizes[] = {0,    1,    2,     125,   126,   127,    1000,
                                   1009, 1010, 1024,  1025,  4081,  4082,   4095,
                                   4096, 4097, 65535, 65536, 65537, 100000, 1 << 20};
    struct pair p = meet();
    static char data[1 << 20];
    aw_task *t = aw_create_task(echo, p.server);
    fill(data, sizeof data);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int fragment = 0; fragment < 2; fragment++) {
            aw_websocket_message m;
            assert_int_equal(aw_websocket_send(p.client, data, sizes[i], .binary = true,
                                               .fragment = fragment ? 1500 : 0),
                             0);
            assert_int_equal(aw_websocket_receive(p.client, &m), 1);
            assert_true(m.binary);
            assert_int_equal(m.size, sizes[i]);
            assert_memory_equal(m.data, data, m.size);
        }
    assert_int_equal(aw_websocket_close(p.client), 0);
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(aw_websocket_close_code(p.client), 1000);
    assert_int_equal(aw_websocket_close_code(p.server), 1000);
    part(&p);
}

TEST_IN_LOOP(ws_talk_in_fragments_on_the_wire)
{
    struct table t = SIT(.server = true);
    assert_int_equal(aw_websocket_send(t.ws, "abcdefg", 7, .fragment = 3), 0);
    expect_frame(&t, TEXT, "abc");
    expect_frame(&t, CONT, "def");
    expect_frame(&t, FIN | CONT, "g");
    assert_int_equal(aw_websocket_send(t.ws, "abc", 3, .fragment = 3, .binary = true), 0);
    expect_frame(&t, FIN | BINARY, "abc");
    assert_int_equal(aw_websocket_send(t.ws, "\xff", 1), -EILSEQ);
    assert_int_equal(aw_websocket_send(t.ws, "\xff\xff", 2, .fragment = 1), -EILSEQ);
    assert_int_equal(aw_websocket_send(t.ws, NULL, 1), -EINVAL);
    assert_int_equal(aw_websocket_send(NULL, "x", 1), -EINVAL);
    assert_int_equal(aw_websocket_pending(t.ws), 0);
    rise(&t);
}

/* ---- pieces ---- */

static int send_word(void *arg)
{
    return aw_websocket_send(arg, "word", 4);
}

TEST_IN_LOOP(ws_talk_in_pieces_keeps_others_waiting)
{
    struct table t = SIT(.server = true);
    assert_int_equal(aw_websocket_send(t.ws, "\xc3", 1, .more = true), 0);
    aw_task *other = aw_create_task(send_word, t.ws);
    passes(2);
    assert_false(aw_done(other));
    PUT(&t, FIN | PING, "control frames may come between");
    assert_int_equal(aw_websocket_send(t.ws, "\xff", 1, .more = true), -EILSEQ);
    assert_int_equal(aw_websocket_send(t.ws, "x", 1, .more = true, .binary = true), -EINVAL);
    assert_int_equal(aw_websocket_send(t.ws, "\xa9", 1, .more = true), 0);
    assert_int_equal(aw_websocket_send(t.ws, NULL, 0), 0);
    assert_int_equal(aw_join(other), 0);
    expect_frame(&t, TEXT, "\xc3");
    expect_frame(&t, CONT, "\xa9");
    expect_frame(&t, FIN | CONT, "");
    expect_frame(&t, FIN | TEXT, "word");
    rise(&t);
}

static int send_now(void *arg)
{
    return aw_websocket_send(arg, "now", 3, .nowait = true);
}

TEST_IN_LOOP(ws_talk_in_pieces_that_never_end)
{
    struct table t = SIT(.server = true);
    assert_int_equal(aw_websocket_send(t.ws, "a", 1, .more = true), 0);
    aw_task *other = aw_create_task(send_word, t.ws);
    aw_task *now = aw_create_task(send_now, t.ws);
    passes(2);
    assert_int_equal(aw_join(now), AW_EFULL);
    assert_false(aw_done(other));
    assert_int_equal(aw_websocket_close(t.ws, .nowait = true), 0);
    assert_int_equal(aw_join(other), -EPIPE);
    rise(&t);
}

/* ---- back-pressure ---- */

TEST_IN_LOOP(ws_talk_waits_above_the_mark)
{
    static char data[100000], got[sizeof data + 1];
    size_t n;
    struct table t = SIT(.server = true, .limits = {.high = 10000, .low = 1000});
    assert_int_equal(aw_websocket_send(t.ws, data, sizeof data, .binary = true), 0);
    while (aw_websocket_pending(t.ws) <= 10000)
        assert_int_equal(aw_websocket_send(t.ws, data, sizeof data, .binary = true), 0);
    aw_task *other = aw_create_task(send_word, t.ws);
    passes(3);
    assert_false(aw_done(other));
    size_t pending = aw_websocket_pending(t.ws);
    aw_cancel(other);
    assert_int_equal(aw_join(other), -ECANCELED);
    assert_int_equal(aw_websocket_pending(t.ws), pending); /* nothing was queued */
    other = aw_create_task(send_word, t.ws);
    int first;
    while ((first = get_frame(&t, got, sizeof got, &n)) == (FIN | BINARY))
        assert_int_equal(n, sizeof data);
    assert_int_equal(first, FIN | TEXT);
    assert_string_equal(got, "word");
    assert_int_equal(aw_join(other), 0);
    rise(&t);
}

static int send_from_callback(void *arg)
{
    assert_int_equal(aw_websocket_send(arg, "cb", 2, .nowait = true), 0);
    assert_int_equal(aw_websocket_send(arg, "cb", 2), 0); /* there is room */
    return 0;
}

TEST_IN_LOOP(ws_talk_from_callbacks)
{
    struct table t = SIT(.server = true);
    assert_int_equal(aw_call_soon(send_from_callback, t.ws), 0);
    expect_frame(&t, FIN | TEXT, "cb");
    expect_frame(&t, FIN | TEXT, "cb");
    rise(&t);
}

/* ---- one frame for many ---- */

TEST_IN_LOOP(ws_talk_to_many_with_one_frame)
{
    struct pair p = meet();
    struct table t = SIT(.server = true);
    aw_websocket_frame *f = aw_websocket_frame_new("news", 4);
    assert_int_equal(aw_websocket_frame_size(f), 6);
    assert_int_equal(aw_websocket_send_frame(t.ws, f), 0);
    assert_int_equal(aw_websocket_send_frame(p.server, f, .nowait = true), 0);
    assert_int_equal(aw_websocket_send_frame(p.client, aw_websocket_frame_ref(f)), 0);
    aw_websocket_frame_unref(f);
    expect_frame(&t, FIN | TEXT, "news");
    expect_message(p.client, "news");
    expect_message(p.server, "news");
    assert_int_equal(aw_websocket_send(t.ws, "x", 1, .more = true), 0);
    assert_int_equal(aw_websocket_send_frame(t.ws, f), AW_EMISUSE);
    aw_websocket_frame_unref(f);
    assert_null(aw_websocket_frame_new("\xff", 1));
    assert_int_equal(aw_errno(), -EILSEQ);
    assert_null(aw_websocket_frame_new(NULL, 1));
    assert_int_equal(aw_errno(), -EINVAL);
    f = aw_websocket_frame_new(NULL, 0, .binary = true);
    assert_int_equal(aw_websocket_frame_size(f), 2);
    aw_websocket_frame_unref(f);
    aw_websocket_frame_unref(NULL);
    assert_int_equal(aw_websocket_frame_size(NULL), 0);
    assert_int_equal(aw_websocket_send_frame(t.ws, NULL), -EINVAL);
    rise(&t);
    part(&p);
}

TEST_IN_LOOP(ws_talk_frame_that_finds_no_room)
{
    struct table t = SIT(.server = true, .limits.max_pending = 100000);
    static char data[60000];
    aw_websocket_frame *f = aw_websocket_frame_new(data, sizeof data, .binary = true);
    int err;
    while ((err = aw_websocket_send_frame(t.ws, f, .nowait = true)) == 0)
        continue;
    assert_int_equal(err, AW_EFULL);
    assert_true(aw_websocket_pending(t.ws) <= 100000);
    aw_websocket_frame_unref(f);
    rise(&t);
}

/* ---- receiving ---- */

static int receive_one(void *arg)
{
    aw_websocket_message m;
    return aw_websocket_receive(arg, &m);
}

TEST_IN_LOOP(ws_talk_cancelled_receive_loses_nothing)
{
    struct table t = SIT(.server = true);
    char bytes[64];
    size_t n = encode_frame(&t, &(struct frame){.first = TEXT, .payload = "one "}, bytes);
    n += encode_frame(&t, &(struct frame){.first = FIN | CONT, .payload = "message"}, bytes + n);
    for (size_t i = 0; i < n; i++) {
        aw_task *r = aw_create_task(receive_one, t.ws);
        passes(2);
        assert_int_equal(aw_stream_write(t.raw, bytes + i, 1), 0);
        if (i + 1 == n)
            break;
        passes(1);
        aw_cancel(r);
        assert_int_equal(aw_join(r), -ECANCELED);
    }
    passes(2);
    PUT(&t, FIN | TEXT, "two");
    expect_message(t.ws, "two");
    rise(&t);
}

TEST_IN_LOOP(ws_talk_one_receives_at_a_time)
{
    struct table t = SIT(.server = true);
    aw_task *r = aw_create_task(receive_one, t.ws);
    aw_websocket_message m;
    passes(1);
    assert_int_equal(aw_websocket_receive(t.ws, &m), AW_EMISUSE);
    PUT(&t, FIN | TEXT, "x");
    assert_int_equal(aw_join(r), 1);
    assert_int_equal(aw_websocket_receive(t.ws, NULL), -EINVAL);
    assert_int_equal(aw_websocket_receive(NULL, &m), -EINVAL);
    rise(&t);
}

TEST_IN_LOOP(ws_talk_message_lasts_until_the_next_call)
{
    struct table t = SIT(.server = true);
    aw_websocket_message m;
    PUT(&t, FIN | TEXT, "first");
    assert_int_equal(aw_websocket_receive(t.ws, &m), 1);
    PUT(&t, FIN | TEXT, "second");
    PUT(&t, FIN | CLOSE, "\x03\xe8");
    assert_int_equal(aw_websocket_close(t.ws), 0); /* throws away what comes, but not what was */
    assert_string_equal(m.data, "first");
    m.data[0] = 'F';
    assert_int_equal(aw_websocket_receive(t.ws, &m), 0);
    rise(&t);
}

/* A context of wslay's is made for what is long, or not there as a whole, and for nothing else. */
TEST_IN_LOOP(ws_talk_short_frames_need_no_context)
{
    char text[201];
    struct table t = SIT(.server = true);
    memset(text, 'x', 200);
    text[125] = '\0';
    PUT(&t, FIN | TEXT, text);
    expect_message(t.ws, text);
    assert_null(t.ws->codec.wslay);
    text[125] = 'x';
    text[200] = '\0';
    PUT(&t, FIN | TEXT, text);
    PUT(&t, FIN | TEXT, "behind it");
    expect_message(t.ws, text);
    assert_non_null(t.ws->codec.wslay);
    expect_message(t.ws, "behind it");
    rise(&t);
}

/* While nothing is there a connection has neither a buffer nor wslay's context. */
TEST_IN_LOOP(ws_talk_idle_connections_are_small)
{
    enum { N = 50 };
    static struct table t[N];
    static struct log logs[N];
    aw_task *readers[N];
    for (int i = 0; i < N; i++) {
        t[i] = SIT(.server = true);
        logs[i] = (struct log){.ws = t[i].ws};
        readers[i] = aw_create_task(keep_log, &logs[i]);
        PUT(&t[i], FIN | TEXT, "hello");
        PUT(&t[i], FIN | PING, "hello");
        expect_frame(&t[i], FIN | PONG, "hello");
    }
    passes(2);
    assert_true(sizeof *t[0].ws < 1024);
    for (int i = 0; i < N; i++) {
        assert_int_equal(logs[i].messages, 1);
        assert_null(t[i].ws->codec.wslay);
        assert_null(t[i].ws->data);
        assert_int_equal(aw_stream_write_eof(t[i].raw), 0);
        assert_int_equal(aw_join(readers[i]), 0);
        rise(&t[i]);
    }
}

TEST_IN_LOOP(ws_talk_bad_options)
{
    aw_stream *two[2];
    assert_int_equal(aw_stream_pair(two), 0);
    assert_null(aw_websocket_from_stream(NULL));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_websocket_from_stream(two[0], .limits = {.high = 1, .low = 2}));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_websocket_from_stream(two[0], .limits = {.pong_timeout = -1}));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_int_equal(aw_websocket_close_code(NULL), 0);
    assert_string_equal(aw_websocket_close_reason(NULL), "");
    assert_string_equal(aw_websocket_protocol(NULL), "");
    assert_true(aw_websocket_is_closing(NULL));
    assert_null(aw_websocket_stream(NULL));
    assert_int_equal(aw_websocket_pending(NULL), 0);
    assert_int_equal(aw_websocket_abort(NULL), -EINVAL);
    assert_null(aw_websocket_ref(NULL));
    aw_websocket_unref(NULL);
    aw_stream_unref(two[0]);
    aw_stream_unref(two[1]);
}
