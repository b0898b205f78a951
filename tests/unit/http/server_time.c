/*
 * Slow clients: every way of being slow has a limit, under the virtual clock.
 */
#include "serving.h"

static int in_seconds(double from, double low, double high)
{
    double took = aw_time() - from;
    return took >= low && took <= high;
}
#define TAKES(low, high, expr)                                                                     \
    do {                                                                                           \
        double from_ = aw_time();                                                                  \
        expr;                                                                                      \
        if (!in_seconds(from_, (low), (high)))                                                     \
            fail_msg(#expr " took %g seconds", aw_time() - from_);                                 \
    } while (0)

// Slow clients: a head that drips gets no more than its time, however often a byte comes.
TEST_IN_LOOP(http_slow_clients_heads_are_refused)
{
    const struct talk *t;
    TAKES(10, 12, t = TALK(GET("/", "A: bbbbbbbbbbbbbbbbbbbbbbbbbb\r\n"), .piece = 1, .pause = 1));
    assert_int_equal(status_of(t, 0), 408);
    assert_non_null(strstr(t->told, "(head_timeout is 10)"));
    TAKES(3, 5, t = TALK("G", .keeps_open = true, .opts.head_timeout = 3));
    assert_int_equal(status_of(t, 0), 408);
}

TEST_IN_LOOP(http_slow_clients_that_say_nothing_are_left)
{
    const struct talk *t;
    TAKES(10, 10.1, t = TALK("", .keeps_open = true));
    assert_int_equal(answers(t), 0);
    assert_int_equal(t->refusals, 0);
}

// Slow clients: between two requests.
TEST_IN_LOOP(http_idle_connections_end)
{
    const struct talk *t;
    TAKES(60, 60.1, t = TALK(GET("/", ""), .keeps_open = true));
    assert_int_equal(answers(t), 1);
    assert_int_equal(t->refusals, 0);
    TAKES(5, 5.1, t = TALK(GET("/", ""), .keeps_open = true, .opts.idle_timeout = 5));
    TAKES(49 * 2, 49 * 2 + 61,
          t = TALK(GET("/1", "") GET("/2", "") GET("/3", ""), .piece = 1, .pause = 1,
                   .keeps_open = true, .opts.head_timeout = 40));
    assert_int_equal(answers(t), 3);
}

// Slow clients: bodies below the rate, and those that come to nothing.
TEST_IN_LOOP(http_slow_clients_bodies_are_refused)
{
    const struct talk *t;
    TAKES(10, 14, t = TALK(POST("/", "Content-Length: 1000\r\n") "abc", .keeps_open = true));
    assert_int_equal(status_of(t, 0), 408);
    assert_non_null(strstr(t->told, "(min_rate is 256)"));
    assert_int_equal(t->result, 0);
    TAKES(10, 14, t = TALK(POST("/", "Transfer-Encoding: chunked\r\n") "5", .keeps_open = true));
    assert_int_equal(status_of(t, 0), 408);
    char *body = malloc(20000);
    int n = snprintf(body, 20000, "%s%010000d", POST("/", "Content-Length: 10000\r\n"), 0);
    t = TALK(body, .n = (size_t)n, .piece = 300, .pause = 1);
    assert_int_equal(status_of(t, 0), 200); /* slow, but not too slow */
    t = TALK(body, .n = (size_t)n, .piece = 100, .pause = 1);
    assert_int_equal(status_of(t, 0), 408);
    t = TALK(body, .n = (size_t)n, .piece = 100, .pause = 1, .opts.min_rate = 50);
    assert_int_equal(status_of(t, 0), 200);
    TAKES(15, 19,
          t = TALK(body, .n = (size_t)n, .piece = 300, .pause = 1, .opts.body_timeout = 15));
    assert_int_equal(status_of(t, 0), 408);
    assert_non_null(strstr(t->told, "(body_timeout is 15)"));
    free(body);
}

static int take_time(aw_http_request *r, void *arg)
{
    char buf[16];
    ssize_t n;
    (void)arg;
    while ((n = aw_http_request_read(r, buf, 1)) > 0)
        AW_TRY(aw_sleep(100));
    AW_TRY((int)n);
    AW_TRY(aw_sleep(1000));
    return aw_http_respond_text(r, 200, "at last");
}

TEST_IN_LOOP(http_slow_handlers_are_no_slow_clients)
{
    const struct talk *t =
        TALK(POST("/", "Content-Length: 10\r\n") "0123456789" GET("/", ""), .handler = take_time);
    assert_int_equal(answers(t), 2);
    assert_int_equal(t->refusals, 0);
}

/* ---- clients that do not read ---- */

static int say_without_end(aw_http_request *r, void *arg)
{
    static char much[100000];
    size_t *n = arg;
    AW_TRY(aw_http_respond_begin(r, 200, NULL, -1));
    for (;;) {
        AW_TRY(aw_http_respond_write(r, much, sizeof much));
        *n += sizeof much;
    }
}

struct deaf {
    aw_stream *two[2];
    size_t n;
    int result;
};

static int serve_deaf(void *arg)
{
    struct deaf *d = arg;
    d->result = aw_http_serve_stream(d->two[1], say_without_end, &d->n, .refusal_log = stdout);
    return 0;
}

// Slow clients: those that do not read hold up their own handler, and not for ever.
TEST_IN_LOOP(http_clients_that_do_not_read_are_left)
{
    struct deaf d = {.n = 0};
    assert_int_equal(aw_stream_pair(d.two), 0);
    assert_int_equal(aw_stream_write(d.two[0], GET("/", ""), strlen(GET("/", ""))), 0);
    aw_task *t = aw_create_task(serve_deaf, &d);
    TAKES(60, 60.1, assert_int_equal(aw_join(t), 0));
    assert_int_equal(d.result, 0);
    assert_true(d.n < 1 << 20);
    assert_true(aw_stream_pending(d.two[1]) < 1 << 20);
    aw_stream_abort(d.two[1]);
    aw_stream_unref(d.two[0]);
    aw_stream_unref(d.two[1]);
}

static int answer_much(aw_http_request *r, void *arg)
{
    static char much[10000];
    ++*(int *)arg;
    return aw_http_respond(r, 200, NULL, much, sizeof much);
}

static int serve_pipelined(void *arg)
{
    struct deaf *d = arg;
    int n = 0;
    d->result = aw_http_serve_stream(d->two[1], answer_much, &n, .refusal_log = stdout);
    d->n = (size_t)n;
    return 0;
}

// A client that asks and asks, and does not read, is served as much as it reads.
TEST_IN_LOOP(http_pipelines_have_back_pressure)
{
    struct deaf d = {.n = 0};
    assert_int_equal(aw_stream_pair(d.two), 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(aw_stream_write(d.two[0], GET("/", ""), strlen(GET("/", ""))), 0);
    aw_task *t = aw_create_task(serve_pipelined, &d);
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(d.result, 0);
    assert_in_range(d.n, 5, 100);
    aw_stream_abort(d.two[1]);
    aw_stream_unref(d.two[0]);
    aw_stream_unref(d.two[1]);
}

static int keep_time(aw_http_request *r, void *arg)
{
    aw_stream *s;
    char c;
    (void)arg;
    AW_TRY(aw_http_upgrade(r, 101, &s));
    ssize_t n = aw_stream_read(s, &c, 1);
    return n < 0 ? (int)n : aw_stream_write(s, "late", 4);
}

TEST_IN_LOOP(http_upgraded_connections_have_no_limits)
{
    const struct talk *t = TALK(GET("/", "") "x", .n = strlen(GET("/", "")) + 1,
                                .handler = keep_time, .split = strlen(GET("/", "")), .pause = 1000);
    assert_non_null(strstr(t->got, "\r\n\r\nlate"));
}
