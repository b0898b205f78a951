/*
 * How connections end: closing handshakes from either side, time limits, signs of life.
 */
#include <math.h>

#include "unit/ws/table.h"

TEST_IN_LOOP(ws_close_is_answered)
{
    struct table t = SIT(.server = true);
    struct log log = {.ws = t.ws};
    aw_task *reader = aw_create_task(keep_log, &log);
    PUT(&t, FIN | CLOSE, "\x0f\xa1 bye");
    expect_close(&t, 4001);
    assert_int_equal(aw_join(reader), 0);
    assert_int_equal(log.outcome, 0);
    assert_int_equal(aw_websocket_close_code(t.ws), 4001);
    assert_string_equal(aw_websocket_close_reason(t.ws), " bye");
    assert_true(aw_websocket_is_closing(t.ws));
    assert_int_equal(aw_websocket_send(t.ws, "x", 1), -EPIPE);
    assert_int_equal(aw_websocket_ping(t.ws), -EPIPE);
    assert_int_equal(aw_websocket_close(t.ws), 0);
    char byte;
    assert_int_equal(aw_stream_read(t.raw, &byte, 1), 0); /* the server ends the stream */
    rise(&t);
}

/* A client leaves it to the server to end the stream, but not for ever. */
TEST_IN_LOOP(ws_close_of_a_client_waits_for_the_server)
{
    struct table t = SIT(.server = false);
    PUT(&t, FIN | CLOSE, NULL);
    double before = aw_time();
    aw_websocket_message m;
    assert_int_equal(aw_websocket_receive(t.ws, &m), 0);
    assert_time(aw_time() - before, 10);
    assert_int_equal(aw_websocket_close_code(t.ws), AW_WS_NO_CODE);
    expect_close(&t, 0);
    rise(&t);
    t = SIT(.server = false);
    PUT(&t, FIN | CLOSE, "\x03\xe8");
    assert_int_equal(aw_stream_write_eof(t.raw), 0);
    before = aw_time();
    assert_int_equal(aw_websocket_receive(t.ws, &m), 0);
    assert_time(aw_time() - before, 0);
    rise(&t);
}

static int close_it(void *arg)
{
    return aw_websocket_close(arg, .code = 4000, .reason = "enough");
}

TEST_IN_LOOP(ws_close_beside_a_task_that_receives)
{
    struct table t = SIT(.server = true);
    struct log log = {.ws = t.ws};
    aw_task *reader = aw_create_task(keep_log, &log), *closer = aw_create_task(close_it, t.ws);
    char text[126];
    assert_int_equal(get_frame(&t, text, sizeof text, NULL), FIN | CLOSE);
    assert_string_equal(text, "\x0f\xa0"
                              "enough");
    PUT(&t, FIN | TEXT, "the last word");
    passes(3);
    assert_int_equal(log.messages, 1);
    assert_false(aw_done(closer));
    PUT(&t, FIN | CLOSE, "\x0f\xa0");
    assert_int_equal(aw_join(reader), 0);
    assert_int_equal(aw_join(closer), 0);
    assert_int_equal(log.outcome, 0);
    rise(&t);
}

TEST_IN_LOOP(ws_close_when_nobody_receives)
{
    struct table t = SIT(.server = true);
    aw_task *closer = aw_create_task(close_it, t.ws), *again = aw_create_task(close_it, t.ws);
    expect_close(&t, 4000);
    PUT(&t, FIN | TEXT, "nobody hears this");
    PUT(&t, BINARY, "or this");
    struct log log = {.ws = t.ws};
    aw_task *late = aw_create_task(keep_log, &log);
    passes(3);
    PUT(&t, FIN | CLOSE, "\x0f\xa0");
    assert_int_equal(aw_join(closer), 0);
    assert_int_equal(aw_join(again), 0);
    assert_int_equal(aw_join(late), 0);
    assert_int_equal(log.outcome, 0);
    assert_int_equal(log.messages, 0);
    rise(&t);
}

TEST_IN_LOOP(ws_close_that_is_not_answered)
{
    struct table t = SIT(.server = true, .limits.close_timeout = 3);
    double before = aw_time();
    assert_int_equal(aw_websocket_close(t.ws), -ETIMEDOUT);
    assert_time(aw_time() - before, 3);
    assert_int_equal(aw_websocket_close_code(t.ws), AW_WS_ABNORMAL);
    assert_int_equal(aw_websocket_close(t.ws), -ETIMEDOUT);
    rise(&t);
}

/* More than the other side takes by itself. */
static void fill(const struct table *t)
{
    static char data[60000];
    while (aw_websocket_send(t->ws, data, sizeof data, .binary = true, .nowait = true) == 0)
        continue;
}

static int read_up_to_the_end(const struct table *t)
{
    char bytes[4096];
    ssize_t n;
    while ((n = aw_stream_read(t->raw, bytes, sizeof bytes)) > 0)
        continue;
    return (int)n;
}

/* Whether somebody holds it or not: what nobody takes is dropped in time. */
TEST_IN_LOOP(ws_end_drops_what_is_pending_in_time)
{
    struct table t = SIT(.server = true, .limits.close_timeout = 3);
    aw_websocket_message m;
    fill(&t);
    PUT(&t, FIN | CLOSE, "\x0f\xa0");
    assert_int_equal(aw_websocket_receive(t.ws, &m), 0);
    assert_int_equal(aw_sleep(2.9), 0);
    assert_true(aw_stream_pending(aw_websocket_stream(t.ws)) > 0);
    assert_int_equal(aw_sleep(0.2), 0);
    assert_int_equal(aw_stream_pending(aw_websocket_stream(t.ws)), 0);
    assert_int_equal(read_up_to_the_end(&t), -ECONNRESET);
    rise(&t);
}

TEST_IN_LOOP(ws_end_of_the_last_handle_drops_what_is_pending_in_time)
{
    struct table t = SIT(.server = true, .limits.close_timeout = 3);
    fill(&t);
    aw_websocket_unref(t.ws);
    t.ws = NULL;
    assert_int_equal(aw_sleep(3.1), 0);
    assert_int_equal(read_up_to_the_end(&t), -ECONNRESET);
    rise(&t);
}

TEST_IN_LOOP(ws_close_cancelled_goes_on_closing)
{
    struct table t = SIT(.server = true);
    aw_task *closer = aw_create_task(close_it, t.ws);
    expect_close(&t, 4000);
    aw_cancel(closer);
    assert_int_equal(aw_join(closer), -ECANCELED);
    PUT(&t, FIN | CLOSE, "\x0f\xa0");
    assert_int_equal(aw_websocket_close(t.ws), 0);
    char byte;
    assert_int_equal(aw_stream_read(t.raw, &byte, 1), 0); /* there was one close */
    rise(&t);
}

TEST_IN_LOOP(ws_close_that_may_not_be)
{
    static const int bad[] = {1, 999, 1004, 1005, 1006, 1015, 2999, 5000, -1};
    struct table t = SIT(.server = true);
    char reason[125];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(aw_websocket_close(t.ws, .code = bad[i]), -EINVAL);
    memset(reason, 'x', 124);
    reason[124] = '\0';
    assert_int_equal(aw_websocket_close(t.ws, .reason = reason), -EINVAL);
    assert_int_equal(aw_websocket_close(t.ws, .reason = "\xff"), -EINVAL);
    assert_false(aw_websocket_is_closing(t.ws));
    assert_int_equal(aw_websocket_close(NULL), -EINVAL);
    reason[123] = '\0';
    assert_int_equal(aw_websocket_close(t.ws, .reason = reason, .nowait = true), 0);
    expect_close(&t, 1000);
    rise(&t);
}

TEST_IN_LOOP(ws_end_by_the_last_handle)
{
    struct table t = SIT(.server = true);
    aw_websocket *other = aw_websocket_ref(t.ws);
    aw_websocket_unref(other);
    aw_websocket_unref(t.ws);
    expect_close(&t, AW_WS_GOING_AWAY);
    char byte;
    assert_int_equal(aw_stream_read(t.raw, &byte, 1), 0);
    aw_stream_unref(t.raw);
}

TEST_IN_LOOP(ws_end_by_abort)
{
    struct table t = SIT(.server = true);
    struct log log = {.ws = t.ws};
    aw_task *reader = aw_create_task(keep_log, &log), *closer = aw_create_task(close_it, t.ws);
    passes(2);
    assert_int_equal(aw_websocket_abort(t.ws), 0);
    assert_int_equal(aw_join(reader), 0);
    assert_int_equal(log.outcome, -ECONNABORTED);
    assert_int_equal(aw_join(closer), -ECONNABORTED);
    assert_int_equal(aw_websocket_abort(t.ws), 0);
    rise(&t);
}

/* Its error lets the other side read the close before the stream ends. */
TEST_IN_LOOP(ws_end_of_a_refused_side_is_heard_out)
{
    struct table t = SIT(.server = true);
    struct log log = {.ws = t.ws};
    aw_task *reader = aw_create_task(keep_log, &log);
    PUT(&t, FIN | 3, "x");
    passes(3);
    static char more[100000];
    for (int i = 0; i < 10; i++) {
        assert_int_equal(aw_stream_write(t.raw, more, sizeof more), 0);
        assert_int_equal(aw_stream_drain(t.raw), 0);
    }
    assert_false(log.done);
    expect_close(&t, AW_WS_PROTOCOL_ERROR);
    assert_int_equal(aw_stream_write_eof(t.raw), 0);
    assert_int_equal(aw_join(reader), 0);
    assert_int_equal(log.outcome, -EPROTO);
    rise(&t);
}

/* ---- signs of life ---- */

TEST_IN_LOOP(ws_life_is_asked_for_after_silence)
{
    struct table t = SIT(.server = true, .limits = {.ping_interval = 5, .pong_timeout = 2});
    struct log log = {.ws = t.ws};
    char number[126];
    size_t n;
    aw_task *reader = aw_create_task(keep_log, &log);
    double before = aw_time();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(get_frame(&t, number, sizeof number, &n), FIN | PING);
        PUT(&t, FIN | PONG, number, n);
        assert_false(log.done);
    }
    assert_time(aw_time() - before, 5 + 2 + 5 + 2 + 5);
    assert_int_equal(get_frame(&t, number, sizeof number, &n), FIN | PING);
    assert_int_equal(aw_join(reader), 0); /* this one is not answered */
    assert_int_equal(log.outcome, -ETIMEDOUT);
    assert_time(aw_time() - before, 19 + 7 + 2);
    assert_int_equal(aw_websocket_close_code(t.ws), AW_WS_ABNORMAL);
    rise(&t);
}

TEST_IN_LOOP(ws_life_shows_in_any_byte)
{
    struct table t = SIT(.server = true, .limits = {.ping_interval = 5, .pong_timeout = 2});
    struct log log = {.ws = t.ws};
    char bytes[64], text[126];
    size_t n =
        encode_frame(&t, &(struct frame){.first = FIN | TEXT, .payload = "a slow message"}, bytes);
    aw_task *reader = aw_create_task(keep_log, &log);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(aw_sleep(1.5), 0);
        assert_int_equal(aw_stream_write(t.raw, bytes + i, 1), 0);
    }
    passes(3);
    assert_int_equal(log.messages, 1);
    assert_int_equal(aw_stream_write_eof(t.raw), 0);
    assert_int_equal(aw_join(reader), 0);
    assert_int_equal(get_frame(&t, text, sizeof text, NULL), -1); /* nobody had to be asked */
    rise(&t);
}

TEST_IN_LOOP(ws_life_counts_only_while_somebody_listens)
{
    struct table t = SIT(.server = true, .limits = {.ping_interval = 5, .pong_timeout = 2});
    char number[126];
    size_t n;
    assert_int_equal(aw_sleep(100), 0);
    assert_false(aw_websocket_is_closing(t.ws));
    assert_int_equal(get_frame(&t, number, sizeof number, &n), FIN | PING);
    PUT(&t, FIN | PONG, number, n);
    PUT(&t, FIN | TEXT, "still here");
    expect_message(t.ws, "still here");
    rise(&t);
}

TEST_IN_LOOP(ws_life_of_a_slow_reader)
{
    static char bulk[1000000];
    struct table t = SIT(.server = true, .limits = {.ping_interval = 5, .pong_timeout = 2});
    struct log log = {.ws = t.ws};
    aw_task *reader = aw_create_task(keep_log, &log);
    assert_int_equal(aw_websocket_send(t.ws, bulk, sizeof bulk, .binary = true), 0);
    for (int i = 0; i < 10; i++) { /* it reads slowly, and has not come to the ping */
        char some[50000];
        assert_int_equal(aw_stream_readexactly(t.raw, some, sizeof some), 0);
        assert_int_equal(aw_sleep(1.9), 0);
        assert_false(log.done);
    }
    assert_int_equal(aw_join(reader), 0); /* and now it does not read any more */
    assert_int_equal(log.outcome, -ETIMEDOUT);
    rise(&t);
}

TEST_IN_LOOP(ws_life_is_not_asked_for)
{
    struct table t = SIT(.server = true, .limits.ping_interval = INFINITY);
    struct log log = {.ws = t.ws};
    aw_task *reader = aw_create_task(keep_log, &log);
    assert_int_equal(aw_sleep(10000), 0);
    assert_false(log.done);
    assert_int_equal(aw_stream_write_eof(t.raw), 0);
    assert_int_equal(aw_join(reader), 0);
    char text[126];
    assert_int_equal(get_frame(&t, text, sizeof text, NULL), -1);
    rise(&t);
}

/* ---- pings of one's own ---- */

struct pinging {
    aw_websocket *ws;
    double timeout, latency;
};

static int ping(void *arg)
{
    struct pinging *p = arg;
    return aw_websocket_ping(p->ws, .timeout = p->timeout, .ret_latency = &p->latency);
}

TEST_IN_LOOP(ws_ping_waits_for_its_pong)
{
    struct table t = SIT(.server = true);
    struct log log = {.ws = t.ws};
    struct pinging one = {.ws = t.ws}, two = {.ws = t.ws}, late = {.ws = t.ws, .timeout = 1};
    char first[126], second[126];
    size_t n;
    aw_task *reader = aw_create_task(keep_log, &log);
    aw_task *a = aw_create_task(ping, &one), *b = aw_create_task(ping, &two);
    assert_int_equal(get_frame(&t, first, sizeof first, &n), FIN | PING);
    assert_int_equal(get_frame(&t, second, sizeof second, &n), FIN | PING);
    PUT(&t, FIN | PONG, "unasked!");
    passes(3);
    assert_false(aw_done(a) || aw_done(b));
    assert_int_equal(aw_sleep(0.25), 0);
    PUT(&t, FIN | PONG, second, n); /* answers both */
    assert_int_equal(aw_join(a), 0);
    assert_int_equal(aw_join(b), 0);
    assert_time(one.latency, 0.25);
    a = aw_create_task(ping, &late);
    assert_int_equal(aw_join(a), -ETIMEDOUT);
    late.timeout = 0;
    a = aw_create_task(ping, &late);
    passes(2);
    assert_int_equal(aw_stream_write_eof(t.raw), 0);
    assert_int_equal(aw_join(a), -EPIPE);
    assert_int_equal(aw_join(reader), 0);
    rise(&t);
}
