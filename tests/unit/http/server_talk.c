/*
 * Conversations that are in order: answers, bodies, connections that live on, upgrades.
 */
#include "serving.h"

static const char *body_of(const struct talk *t)
{
    const char *at = strstr(t->got, "\r\n\r\n");
    return at ? at + 4 : "";
}

TEST_IN_LOOP(http_answers_what_it_was_asked)
{
    const struct talk *t = TALK(GET("/a%20b?c=d", ""));
    assert_int_equal(status_of(t, 0), 200);
    assert_true(has_line(t, "Content-Type: text/plain"));
    assert_true(has_line(t, "Content-Length: 13"));
    assert_non_null(strstr(t->got, "\r\nDate: "));
    assert_string_equal(body_of(t), "GET /a b?c=d ");
    assert_int_equal(t->refusals, 0);
}

TEST_IN_LOOP(http_serves_one_request_after_the_other)
{
    const struct talk *t =
        TALK(GET("/1", "") POST("/2", "Content-Length: 2\r\n") "ab" GET("/3", ""));
    assert_int_equal(answers(t), 3);
    assert_non_null(strstr(t->got, "GET /1? "));
    assert_non_null(strstr(t->got, "POST /2? ab"));
    assert_non_null(strstr(t->got, "GET /3? "));
    assert_null(strstr(t->got, "Connection:"));
}

TEST_IN_LOOP(http_ends_a_connection_when_it_is_asked_to)
{
    const struct talk *t = TALK(GET("/1", "Connection: close\r\n") GET("/2", ""));
    assert_int_equal(answers(t), 1);
    assert_true(has_line(t, "Connection: close"));
    t = TALK(GET("/1", "Connection: keep-alive, Close\r\n") GET("/2", ""));
    assert_int_equal(answers(t), 1);
    t = TALK("GET /1 HTTP/1.0\r\n\r\n" GET("/2", ""));
    assert_int_equal(answers(t), 1);
    t = TALK("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET("/2", ""));
    assert_int_equal(answers(t), 2);
    assert_true(has_line(t, "Connection: keep-alive"));
    t = TALK(GET("/1", "") GET("/2", "") GET("/3", ""), .opts.max_requests = 2);
    assert_int_equal(answers(t), 2);
    assert_non_null(strstr(t->got, "Connection: close"));
}

TEST_IN_LOOP(http_reads_bodies_in_chunks)
{
    const struct talk *t = TALK(POST(
        "/", "Transfer-Encoding: chunked\r\n") "3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n000\r\nT: "
                                               "u\r\n\r\n" GET("/2", ""));
    assert_int_equal(answers(t), 2);
    assert_non_null(strstr(t->got, "POST /? abc0123456789"));
}

static int answer_early(aw_http_request *r, void *arg)
{
    (void)arg;
    return aw_http_respond_text(r, 200, aw_http_request_path(r));
}

TEST_IN_LOOP(http_drops_bodies_that_nobody_reads)
{
    const struct talk *t =
        TALK(POST("/1", "Content-Length: 3\r\n") "abc" POST(
                 "/2", "Transfer-Encoding: chunked\r\n") "1\r\na\r\n0\r\n\r\n" GET("/3", ""),
             .handler = answer_early);
    assert_int_equal(answers(t), 3);
    t = TALK(POST("/1", "Content-Length: 70000\r\n") "abc", .handler = answer_early);
    assert_int_equal(answers(t), 1);
    assert_true(has_line(t, "Connection: close")); /* that would be too much */
    t = TALK(POST("/1", "Content-Length: 3\r\nExpect: 100-continue\r\n"), .handler = answer_early,
             .keeps_open = true);
    assert_int_equal(status_of(t, 0), 200); /* it may never come */
    assert_true(has_line(t, "Connection: close"));
}

TEST_IN_LOOP(http_tells_a_client_to_go_on)
{
    const struct talk *t = TALK(POST("/", "Content-Length: 3\r\nExpect: 100-continue\r\n") "abc");
    assert_memory_equal(t->got, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", 40);
    t = TALK(POST("/", "Content-Length: 0\r\nExpect: 100-Continue\r\n"));
    assert_int_equal(status_of(t, 0), 200);
    t = TALK("POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\na");
    assert_int_equal(status_of(t, 0), 200);
    t = TALK(POST("/", "Content-Length: 9999999\r\nExpect: 100-continue\r\n"));
    assert_int_equal(status_of(t, 0), 413); /* and not told to go on */
}

TEST_IN_LOOP(http_answers_head_without_a_body)
{
    const struct talk *t = TALK("HEAD /1 HTTP/1.1\r\nHost: a\r\n\r\n" GET("/2", ""));
    assert_int_equal(answers(t), 2);
    assert_true(has_line(t, "Content-Length: 9"));
    assert_memory_equal(body_of(t), "HTTP/1.1 200 OK", 15);
}

/* ---- answers ---- */

static int answer_in_pieces(aw_http_request *r, void *arg)
{
    const int64_t *length = arg;
    AW_TRY(aw_http_respond_begin(r, 201, "text/plain", *length));
    assert_true(aw_http_respond_has_begun(r));
    AW_TRY(aw_http_respond_write(r, "hello ", 6));
    AW_TRY(aw_http_respond_write(r, "", 0));
    AW_TRY(aw_http_respond_flush(r));
    AW_TRY(aw_http_respond_write(r, "world", 5));
    return aw_http_respond_end(r);
}

TEST_IN_LOOP(http_sends_answers_in_pieces)
{
    int64_t length = -1;
    const struct talk *t = TALK(GET("/", ""), .handler = answer_in_pieces, .arg = &length);
    assert_true(has_line(t, "Transfer-Encoding: chunked"));
    assert_string_equal(body_of(t), "6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n");
    t = TALK("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", .handler = answer_in_pieces,
             .arg = &length);
    assert_true(has_line(t, "Connection: close"));
    assert_string_equal(body_of(t), "hello world");
    t = TALK("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" GET("/", ""), .handler = answer_in_pieces,
             .arg = &length);
    assert_int_equal(answers(t), 2);
    length = 11;
    t = TALK(GET("/", "") GET("/", ""), .handler = answer_in_pieces, .arg = &length);
    assert_int_equal(answers(t), 2);
    assert_true(has_line(t, "Content-Length: 11"));
    length = 10;
    t = TALK(GET("/", "") GET("/", ""), .handler = answer_in_pieces, .arg = &length);
    assert_int_equal(answers(t), 1); /* more than was said: refused, and cut off */
    assert_int_equal(t->result, AW_EMISUSE);
    length = 12;
    t = TALK(GET("/", "") GET("/", ""), .handler = answer_in_pieces, .arg = &length);
    assert_int_equal(answers(t), 1);
    assert_int_equal(t->result, AW_EMISUSE);
}

static int forget_the_end(aw_http_request *r, void *arg)
{
    (void)arg;
    AW_TRY(aw_http_respond_begin(r, 200, NULL, -1));
    return aw_http_respond_write(r, "half", 4);
}

TEST_IN_LOOP(http_cuts_off_what_was_not_ended)
{
    const struct talk *t = TALK(GET("/", "") GET("/", ""), .handler = forget_the_end);
    assert_int_equal(answers(t), 1);
    assert_string_equal(body_of(t), "4\r\nhalf\r\n"); /* the last chunk is missing */
    assert_int_equal(t->result, 0);
}

static int return_it(aw_http_request *r, void *arg)
{
    (void)r;
    return *(int *)arg;
}

TEST_IN_LOOP(http_answers_for_handlers_that_do_not)
{
    int result = -EIO;
    const struct talk *t = TALK(GET("/", "") GET("/", ""), .handler = return_it, .arg = &result);
    assert_int_equal(answers(t), 1);
    assert_int_equal(status_of(t, 0), 500);
    assert_int_equal(t->result, -EIO); /* told to whoever serves */
    result = 0;
    t = TALK(GET("/", ""), .handler = return_it, .arg = &result);
    assert_int_equal(status_of(t, 0), 500);
    assert_int_equal(t->result, 0);
    result = -ENOENT;
    t = TALK(GET("/", "") GET("/", ""), .handler = return_it, .arg = &result);
    assert_int_equal(answers(t), 2);
    assert_int_equal(status_of(t, 1), 404);
    assert_int_equal(t->result, 0);
}

// Header injection: names and values that would become lines of their own are refused on writing.
static int inject(aw_http_request *r, void *arg)
{
    (void)arg;
    assert_int_equal(aw_http_respond_field(r, "X", "a\r\nSet-Cookie: b"), -EINVAL);
    assert_int_equal(aw_http_respond_field(r, "X", "a\nb"), -EINVAL);
    assert_int_equal(aw_http_respond_field(r, "X", "a\rb"), -EINVAL);
    assert_int_equal(aw_http_respond_field(r, "X", "\x7f"), -EINVAL);
    assert_int_equal(aw_http_respond_field(r, "X: a\r\nY", "b"), -EINVAL);
    assert_int_equal(aw_http_respond_field(r, "X ", "b"), -EINVAL);
    assert_int_equal(aw_http_respond_field(r, "", "b"), -EINVAL);
    assert_int_equal(aw_http_respond_field(r, "content-length", "0"), -EINVAL);
    assert_int_equal(aw_http_respond_field(r, "Transfer-Encoding", "chunked"), -EINVAL);
    assert_int_equal(aw_http_respond_field(r, "Connection", "close"), -EINVAL);
    assert_int_equal(aw_http_respond(r, 200, "text/plain\r\nX: y", "a", 1), -EINVAL);
    assert_int_equal(aw_http_respond(r, 99, NULL, "a", 1), -EINVAL);
    assert_int_equal(aw_http_respond(r, 600, NULL, "a", 1), -EINVAL);
    assert_int_equal(aw_http_respond(r, 101, NULL, "a", 1), -EINVAL);
    assert_int_equal(aw_http_respond_field(r, "X", "a \t\xe4"), 0);
    assert_int_equal(aw_http_respond_field(NULL, "X", "a"), -EINVAL);
    assert_int_equal(aw_http_respond_field(r, NULL, "a"), -EINVAL);
    assert_int_equal(aw_http_respond_end(r), AW_EMISUSE);
    assert_int_equal(aw_http_respond_write(r, "a", 1), AW_EMISUSE);
    assert_int_equal(aw_http_respond_flush(r), AW_EMISUSE);
    assert_int_equal(aw_http_respond_text(r, 200, "safe"), 0);
    assert_int_equal(aw_http_respond_text(r, 200, "again"), AW_EMISUSE);
    assert_int_equal(aw_http_respond_field(r, "X", "a"), AW_EMISUSE);
    return 0;
}

TEST_IN_LOOP(http_header_injection_is_refused)
{
    const struct talk *t = TALK(GET("/", ""), .handler = inject, .opts.server_name = "test");
    assert_string_equal(body_of(t), "safe");
    assert_true(has_line(t, "X: a \t\xe4"));
    assert_true(has_line(t, "Server: test"));
    assert_null(strstr(t->got, "Cookie"));
}

static int say_much(aw_http_request *r, void *arg)
{
    size_t n = *(size_t *)arg;
    char *body = malloc(n);
    memset(body, 'x', n);
    int err = aw_http_respond(r, 200, NULL, body, n);
    free(body);
    return err;
}

TEST_IN_LOOP(http_sends_bodies_of_every_size)
{
    static const size_t sizes[] = {0, 1, 8191, 8192, 8193, 16384, 40000, 60000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i];
        const struct talk *t = TALK(GET("/", ""), .handler = say_much, .arg = &n);
        assert_int_equal(status_of(t, 0), 200);
        assert_int_equal(strlen(body_of(t)), n);
    }
}

static int answer_shortly(aw_http_request *r, void *arg)
{
    int status = *(int *)arg;
    return aw_http_respond(r, status, NULL, "body", 4);
}

TEST_IN_LOOP(http_sends_no_body_where_there_is_none)
{
    int status = 204;
    const struct talk *t =
        TALK(GET("/", "") GET("/", ""), .handler = answer_shortly, .arg = &status);
    assert_int_equal(answers(t), 2);
    assert_null(strstr(t->got, "Content-Length"));
    assert_null(strstr(t->got, "body"));
    status = 304;
    t = TALK(GET("/", "") GET("/", ""), .handler = answer_shortly, .arg = &status);
    assert_int_equal(answers(t), 2);
    assert_null(strstr(t->got, "body"));
}

/* ---- the request ---- */

static int look(aw_http_request *r, void *arg)
{
    const char *name, *value;
    (void)arg;
    assert_string_equal(aw_http_request_target(r), "/x?a=b%20c&d&%61e=f+g&bad=%zz&a=2");
    assert_string_equal(aw_http_request_argument(r, "a"), "b c");
    assert_string_equal(aw_http_request_argument(r, "d"), "");
    assert_string_equal(aw_http_request_argument(r, "ae"), "f g");
    assert_null(aw_http_request_argument(r, "bad"));
    assert_null(aw_http_request_argument(r, "none"));
    assert_string_equal(aw_http_request_field(r, "hOsT"), "a");
    assert_string_equal(aw_http_request_field(r, "List"), "one");
    assert_null(aw_http_request_field(r, "Lis"));
    assert_true(aw_http_request_has_token(r, "list", "THREE"));
    assert_true(aw_http_request_has_token(r, "list", "one"));
    assert_false(aw_http_request_has_token(r, "list", "thre"));
    assert_int_equal(aw_http_request_field_at(r, 2, &name, &value), 0);
    assert_string_equal(name, "List");
    assert_string_equal(value, "two , three");
    assert_int_equal(aw_http_request_field_at(r, 3, &name, &value), -ENOENT);
    assert_int_equal(aw_http_request_minor(r), 1);
    assert_int_equal(aw_http_request_length(r), 0);
    assert_false(aw_http_request_is_tls(r));
    assert_non_null(aw_http_request_stream(r));
    assert_string_equal(aw_http_request_peer(r), "(none)");
    assert_null(aw_http_request_parameter(r, "x"));
    memset(aw_http_request_alloc(r, 100000), 1, 100000);
    for (int i = 0; i < 1000; i++)
        memset(aw_http_request_alloc(r, (size_t)i), 1, (size_t)i);
    return aw_http_respond_status(r, 200);
}

TEST_IN_LOOP(http_requests_are_asked)
{
    const struct talk *t =
        TALK("GET /x?a=b%20c&d&%61e=f+g&bad=%zz&a=2 HTTP/1.1\r\nHost: a\r\nList: one\r\n"
             "List: two , three\r\n\r\n",
             .handler = look);
    assert_int_equal(status_of(t, 0), 200);
}

static int read_slowly(aw_http_request *r, void *arg)
{
    char all[64] = "", buf[4];
    ssize_t n;
    size_t len = 0;
    char *whole;
    (void)arg;
    assert_int_equal(aw_http_request_set_max_body(r, 20), 0);
    while ((n = aw_http_request_read(r, buf, 3)) > 0) {
        memcpy(all + len, buf, (size_t)n);
        len += (size_t)n;
    }
    AW_TRY((int)n);
    assert_int_equal(aw_http_request_set_max_body(r, 21), AW_EMISUSE);
    assert_int_equal(aw_http_request_body(r, &whole), AW_EMISUSE);
    return aw_http_respond(r, 200, NULL, all, len);
}

TEST_IN_LOOP(http_bodies_are_read_in_parts)
{
    const struct talk *t = TALK(POST("/", "Content-Length: 10\r\n") "0123456789",
                                .handler = read_slowly, .opts.max_body = 5);
    assert_string_equal(body_of(t), "0123456789");
    t = TALK(POST("/", "Transfer-Encoding: chunked\r\n") "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n",
             .handler = read_slowly, .piece = 1);
    assert_string_equal(body_of(t), "0123456789");
}

TEST_IN_LOOP(http_bodies_that_break_off_are_told)
{
    const struct talk *t = TALK(POST("/", "Content-Length: 10\r\n") "012");
    assert_int_equal(status_of(t, 0), 400);
    assert_int_equal(t->result, 0); /* the client's doing, and no error of the handler */
    t = TALK(POST("/", "Transfer-Encoding: chunked\r\n") "5\r\n012");
    assert_int_equal(t->result, 0);
}

TEST_IN_LOOP(http_heads_that_break_off_are_no_requests)
{
    const struct talk *t = TALK("GET / HTTP/1.1\r\nHo");
    assert_int_equal(answers(t), 0);
    assert_int_equal(t->result, 0);
    t = TALK("", .n = 0);
    assert_int_equal(answers(t), 0);
}

/* ---- upgrades ---- */

static int upgrade(aw_http_request *r, void *arg)
{
    aw_stream *s = NULL;
    char *line;
    (void)arg;
    assert_int_equal(aw_http_upgrade(r, 200, &s), -EINVAL);
    assert_int_equal(aw_http_upgrade(r, 101, NULL), -EINVAL);
    AW_TRY(aw_http_respond_field(r, "Upgrade", "lines"));
    AW_TRY(aw_http_upgrade(r, 101, &s));
    assert_int_equal(aw_http_upgrade(r, 101, &s), AW_EMISUSE);
    assert_string_equal(aw_http_request_path(r), "/up");
    for (ssize_t n; (n = aw_stream_readline(s, &line)) > 0;)
        AW_TRY(aw_stream_write(s, line, (size_t)n));
    return 0;
}

TEST_IN_LOOP(http_hands_a_connection_over)
{
    const struct talk *t = TALK(
        GET("/up", "Connection: Upgrade\r\nUpgrade: lines\r\n") "one\ntwo\n", .handler = upgrade);
    assert_int_equal(status_of(t, 0), 101);
    assert_true(has_line(t, "Connection: Upgrade"));
    assert_true(has_line(t, "Upgrade: lines"));
    assert_string_equal(body_of(t), "one\ntwo\n");
    t = TALK(GET("/up", "Connection: Upgrade\r\nUpgrade: lines\r\n") "one\ntwo\n",
             .handler = upgrade, .piece = 1);
    assert_string_equal(body_of(t), "one\ntwo\n");
}

static int leave(aw_http_request *r, void *arg)
{
    aw_stream **ret = arg, *s;
    assert_int_equal(aw_http_leave(r, ret), AW_EMISUSE);
    assert_int_equal(aw_http_leave(r, NULL), -EINVAL);
    AW_TRY(aw_http_respond_field(r, "Upgrade", "lines"));
    AW_TRY(aw_http_upgrade(r, 101, &s));
    return aw_http_leave(r, ret);
}

/* What follows the request is unread in it, and it goes on after the handler. */
TEST_IN_LOOP(http_connection_leaves_its_server)
{
    static const char request[] = GET("/", "Connection: Upgrade\r\nUpgrade: lines\r\n") "more";
    aw_stream *two[2], *left = NULL;
    char *head, buf[8];
    assert_int_equal(aw_stream_pair(two), 0);
    assert_int_equal(aw_stream_write(two[0], request, sizeof request - 1), 0);
    assert_int_equal(aw_http_serve_stream(two[1], leave, &left), 1);
    assert_ptr_equal(left, two[1]);
    aw_stream_unref(two[1]);
    assert_int_equal(aw_stream_readexactly(left, buf, 4), 0);
    assert_memory_equal(buf, "more", 4);
    assert_int_equal(aw_stream_write(left, "bye", 3), 0);
    assert_true(aw_stream_readuntil(two[0], &head, "\r\n\r\n") > 0);
    assert_int_equal(aw_stream_readexactly(two[0], buf, 3), 0);
    aw_stream_unref(left);
    assert_int_equal(aw_stream_read(two[0], buf, sizeof buf), 0);
    aw_stream_unref(two[0]);
}

static int upgrade_with_body(aw_http_request *r, void *arg)
{
    aw_stream *s;
    (void)arg;
    assert_int_equal(aw_http_upgrade(r, 101, &s), -EINVAL);
    return aw_http_respond_status(r, 400);
}

TEST_IN_LOOP(http_does_not_hand_over_requests_with_a_body)
{
    const struct talk *t =
        TALK(POST("/", "Content-Length: 1\r\n") "a", .handler = upgrade_with_body);
    assert_int_equal(status_of(t, 0), 400);
}
