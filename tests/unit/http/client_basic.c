/*
 * Requests and responses: methods, bodies, heads, connections that are kept.
 */
#include "client.h"

TEST_IN_LOOP(client_gets_a_page)
{
    struct place p = {0};
    aw_http_response *r;
    OPEN_PLACE(&p, "HTTP/1.1 200 Fine\r\nContent-Type: text/plain; charset=utf-8\r\nX-A: 1\r\n"
                   "x-a:  2 \r\nContent-Length: 5\r\n\r\nhello");
    aw_http_session *s = SESSION(&p);
    ASSERT_STATUS(aw_http_get(&r, s, "/a/b?c=d"), 200);
    assert_int_equal(aw_http_response_status(r), 200);
    assert_string_equal(aw_http_response_reason(r), "Fine");
    assert_int_equal(aw_http_response_version(r), 11);
    assert_string_equal(aw_http_response_text(r), "hello");
    size_t n;
    assert_memory_equal(aw_http_response_body(r, &n), "hello", 5);
    assert_int_equal(n, 5);
    assert_true(aw_http_response_is(r, "TEXT/plain"));
    assert_false(aw_http_response_is(r, "text/html"));
    assert_string_equal(aw_http_response_header(r, "x-A"), "1");
    assert_null(aw_http_response_header(r, "x-b"));
    const char *name, *value;
    assert_true(aw_http_response_header_at(r, 2, &name, &value));
    assert_string_equal(name, "x-a");
    assert_string_equal(value, "2");
    assert_false(aw_http_response_header_at(r, 4, &name, &value));
    assert_true(saw(&p, 0, "GET /a/b?c=d HTTP/1.1\r\n"));
    assert_true(saw(&p, 0, "User-Agent: await/"));
    aw_http_response_unref(r);
    aw_http_session_unref(s);
    close_place(&p);
}

TEST_IN_LOOP(client_keeps_its_connection)
{
    struct place p = {0};
    OPEN_PLACE(&p, OK_HELLO);
    aw_http_session *s = SESSION(&p);
    for (int i = 0; i < 5; i++) {
        aw_http_response *r;
        aw_http_timings t;
        ASSERT_STATUS(aw_http_get(&r, s, "/"), 200);
        assert_int_equal(aw_http_response_timings(r, &t), 0);
        assert_true(t.reused == (i > 0));
        aw_http_response_unref(r);
    }
    assert_int_equal(p.connections, 1);
    assert_int_equal(p.requests, 5);
    aw_http_session_unref(s);
    close_place(&p);
}

TEST_IN_LOOP(client_sends_bodies_of_every_sort)
{
    struct place p = {0};
    OPEN_PLACE(&p, OK_HELLO);
    aw_http_session *s = SESSION(&p);
    ASSERT_STATUS(aw_http_post(NULL, s, "/", .body = "some\0bytes", .size = 10), 200);
    assert_true(saw(&p, 0, "POST / HTTP/1.1\r\n"));
    assert_true(saw(&p, 0, "Content-Type: application/octet-stream\r\n"));
    assert_true(saw(&p, 0, "Content-Length: 10\r\n"));
    assert_memory_equal(p.seen[0] + p.seen_size[0] - 10, "some\0bytes", 10);
    ASSERT_STATUS(aw_http_put(NULL, s, "/", .json = "{\"a\": 1}"), 200);
    assert_true(saw(&p, 1, "PUT / HTTP/1.1\r\n"));
    assert_true(saw(&p, 1, "Content-Type: application/json\r\n"));
    assert_true(saw(&p, 1, "\r\n\r\n{\"a\": 1}"));
    ASSERT_STATUS(aw_http_post(NULL, s, "/", .form = AW_PAIRS("a", "1 2", "b&", "\xc3\xa9")), 200);
    assert_true(saw(&p, 2, "Content-Type: application/x-www-form-urlencoded\r\n"));
    assert_true(saw(&p, 2, "\r\n\r\na=1%202&b%26=%C3%A9"));
    ASSERT_STATUS(aw_http_post(NULL, s, "/"), 200);
    assert_true(saw(&p, 3, "Content-Length: 0\r\n"));
    ASSERT_STATUS(aw_http_delete(NULL, s, "/x"), 200);
    assert_true(saw(&p, 4, "DELETE /x HTTP/1.1\r\n"));
    assert_false(saw(&p, 4, "Content-"));
    ASSERT_STATUS(aw_http_fetch(NULL, s, "PROPFIND", "/", .body = "<a/>", .content_type = "a/b"),
                  200);
    assert_true(saw(&p, 5, "PROPFIND / HTTP/1.1\r\n"));
    assert_true(saw(&p, 5, "Content-Type: a/b\r\n"));
    ASSERT_STATUS(aw_http_get(NULL, s, "/"), 200);
    assert_true(saw(&p, 6, "GET / HTTP/1.1\r\n"));
    assert_false(saw(&p, 6, "Content-"));
    assert_int_equal(p.connections, 1);
    aw_http_session_unref(s);
    close_place(&p);
}

TEST_IN_LOOP(client_asks_for_heads)
{
    struct place p = {0};
    aw_http_response *r;
    OPEN_PLACE(&p, OK_HEAD(100) "\r\n");
    aw_http_session *s = SESSION(&p);
    ASSERT_STATUS(aw_http_head(&r, s, "/"), 200);
    assert_string_equal(aw_http_response_header(r, "content-length"), "100");
    assert_string_equal(aw_http_response_text(r), "");
    aw_http_response_unref(r);
    ASSERT_STATUS(aw_http_head(NULL, s, "/"), 200);
    assert_true(saw(&p, 1, "HEAD / HTTP/1.1"));
    assert_int_equal(p.connections, 1);
    aw_http_session_unref(s);
    close_place(&p);
}

TEST_IN_LOOP(client_headers_of_session_and_request)
{
    struct place p = {0};
    OPEN_PLACE(&p, OK_HELLO);
    aw_http_session *s =
        SESSION_WITH(&p, .headers = AW_PAIRS("X-One", "1", "X-Two", "2"), .user_agent = "tester");
    ASSERT_STATUS(aw_http_get(NULL, s, "/", .query = AW_PAIRS("q", "a b"),
                              .headers = AW_PAIRS("x-two", "zwei", "X-Empty", "", "Accept", NULL)),
                  200);
    assert_true(saw(&p, 0, "GET /?q=a%20b HTTP/1.1\r\n"));
    assert_true(saw(&p, 0, "\r\nX-One: 1\r\n"));
    assert_true(saw(&p, 0, "\r\nx-two: zwei\r\n"));
    assert_false(saw(&p, 0, "X-Two: 2"));
    assert_true(saw(&p, 0, "\r\nX-Empty:\r\n"));
    assert_false(saw(&p, 0, "\r\nAccept:"));
    assert_true(saw(&p, 0, "\r\nUser-Agent: tester\r\n"));
    ASSERT_STATUS(aw_http_get(NULL, s, "/", .headers = AW_PAIRS("User-Agent", "other")), 200);
    assert_true(saw(&p, 1, "\r\nUser-Agent: other\r\n"));
    assert_true(saw(&p, 1, "\r\nX-Two: 2\r\n"));
    aw_http_session_unref(s);
    close_place(&p);
}

TEST_IN_LOOP(client_without_a_session)
{
    struct place p = {0};
    aw_http_response *r;
    OPEN_PLACE(&p, OK_HELLO);
    ASSERT_STATUS(aw_http_get(&r, NULL, p.url), 200);
    assert_string_equal(aw_http_response_text(r), "hello");
    aw_http_response_unref(r);
    close_place(&p);
}

TEST_IN_LOOP(client_raises_for_a_status)
{
    struct place p = {0};
    aw_http_response *r;
    OPEN_PLACE(&p, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone");
    aw_http_session *s = SESSION(&p);
    ASSERT_STATUS(aw_http_get(&r, s, "/x?secret=1"), 404);
    ASSERT_FAILS(aw_http_response_raise(r), -EREMOTEIO, "/x: 404 Not Found");
    assert_null(strstr(aw_errmsg(), "secret"));
    aw_http_response_unref(r);
    ASSERT_FAILS(aw_http_get(&r, s, "/x", .raise_for_status = true), -EREMOTEIO, "404 Not Found");
    assert_string_equal(aw_http_response_text(r), "none");
    aw_http_response_unref(r);
    aw_http_session_unref(s);
    close_place(&p);
}

TEST_IN_LOOP(client_takes_an_answer_split_at_every_byte)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n"
        "3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nTrailer: t\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: no\r\n\r\n" OK_HELLO, OK_HELLO,
        NULL};
    for (size_t i = 0; answers[i]; i++) {
        for (size_t piece = 1; piece < 12; piece++) {
            struct place p = {.piece = piece};
            aw_http_response *r;
            open_place(&p, &answers[i]);
            aw_http_session *s = SESSION(&p);
            ASSERT_STATUS(aw_http_get(&r, s, "/"), 200);
            assert_string_equal(aw_http_response_text(r), "hello");
            const char *x = aw_http_response_header(r, "X");
            assert_true(!x || !strcmp(x, "y"));
            aw_http_response_unref(r);
            aw_http_session_unref(s);
            close_place(&p);
        }
    }
}

static int get_hello(void *arg)
{
    aw_http_response *r;
    int status = aw_http_get(&r, arg, "/");
    AW_TRY(status);
    int result = strcmp(aw_http_response_text(r), "hello") == 0 ? status : -EBADMSG;
    aw_http_response_unref(r);
    return result;
}

static void ask_at_once(aw_http_session *s, int n)
{
    aw_task *tasks[64];
    for (int i = 0; i < n; i++)
        tasks[i] = aw_create_task(get_hello, s);
    for (int i = 0; i < n; i++)
        ASSERT_STATUS(aw_join(tasks[i]), 200);
}

TEST_IN_LOOP(client_asks_many_at_a_time)
{
    struct place p = {0};
    OPEN_PLACE(&p, OK_HELLO);
    aw_http_session *s = SESSION(&p);
    ask_at_once(s, 64);
    assert_int_equal(p.requests, 64);
    aw_http_session_unref(s);
    close_place(&p);
}

TEST_IN_LOOP(client_limits_its_connections)
{
    struct place p = {0};
    OPEN_PLACE(&p, OK_HELLO);
    aw_http_session *s = SESSION_WITH(&p, .connections = 3);
    ask_at_once(s, 20);
    assert_int_equal(p.requests, 20);
    assert_int_equal(p.connections, 3);
    assert_int_equal(aw_http_session_active(s), 0);
    aw_http_session_unref(s);
    close_place(&p);
}

TEST_IN_LOOP(client_limits_its_connections_to_a_host)
{
    struct place p = {0};
    OPEN_PLACE(&p, OK_HELLO);
    aw_http_session *s = SESSION_WITH(&p, .connections_per_host = 2);
    ask_at_once(s, 20);
    assert_int_equal(p.requests, 20);
    assert_int_equal(p.connections, 2);
    aw_http_session_unref(s);
    close_place(&p);
}

TEST_IN_LOOP(client_answers_null)
{
    assert_int_equal(aw_http_response_status(NULL), 0);
    assert_string_equal(aw_http_response_reason(NULL), "");
    assert_string_equal(aw_http_response_text(NULL), "");
    assert_string_equal(aw_http_response_url(NULL), "");
    assert_int_equal(aw_http_response_version(NULL), 0);
    assert_int_equal(aw_http_response_raise(NULL), -EINVAL);
    assert_null(aw_http_response_header(NULL, "a"));
    assert_false(aw_http_response_header_at(NULL, 0, NULL, NULL));
    assert_false(aw_http_response_is(NULL, "a"));
    assert_int_equal(aw_http_response_read(NULL, NULL, 0), -EINVAL);
    assert_int_equal(aw_http_response_readall(NULL, 0), -EINVAL);
    assert_int_equal(aw_http_response_redirects(NULL), 0);
    assert_int_equal(aw_http_response_redirect(NULL, 0, NULL), -EINVAL);
    assert_int_equal(aw_http_response_timings(NULL, NULL), -EINVAL);
    aw_http_response_unref(NULL);
    assert_null(aw_http_response_ref(NULL));
    aw_http_session_unref(NULL);
    assert_null(aw_http_session_ref(NULL));
    assert_int_equal(aw_http_session_close(NULL), -EINVAL);
    assert_int_equal(aw_http_session_active(NULL), 0);
    assert_int_equal(aw_http_session_add_cookie(NULL, ""), -EINVAL);
    assert_int_equal(aw_http_session_clear_cookies(NULL), -EINVAL);
    assert_int_equal(aw_http_session_cookie(NULL, "", NULL, 0), -EINVAL);
    assert_int_equal(aw_http_fetch_(NULL), -EINVAL);
    assert_null(aw_http_session_new_(NULL));
    assert_int_equal(aw_errno(), -EINVAL);
}

TEST_IN_LOOP(client_refuses_what_makes_no_sense)
{
    aw_http_session *s = session_made(aw_http_session_new("http://127.0.0.1:1/"));
    ASSERT_FAILS(aw_http_get(NULL, s, NULL), -EINVAL, "URL");
    ASSERT_FAILS(aw_http_fetch(NULL, s, "G T", "/"), -EINVAL, "method");
    ASSERT_FAILS(aw_http_fetch(NULL, s, NULL, "/"), -EINVAL, "method");
    ASSERT_FAILS(aw_http_post(NULL, s, "/", .body = "", .json = ""), -EINVAL, "several");
    ASSERT_FAILS(aw_http_head(NULL, s, "/", .body = "x"), -EINVAL, "HEAD");
    ASSERT_FAILS(aw_http_get(NULL, s, "/", .timeout = (double)NAN), -EINVAL, "time limit");
    ASSERT_FAILS(aw_http_get(NULL, s, "http://a b/"), -EINVAL, "");
    ASSERT_FAILS(aw_http_get(NULL, s, "http:///"), -EINVAL, "");
    assert_null(aw_http_session_new("no url"));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_http_session_new(NULL, .keepalive = -1));
    assert_null(aw_http_session_new(NULL, .timeout = (double)NAN));
    assert_null(aw_http_session_new(NULL, .schemes = "nonsense"));
    assert_int_equal(aw_errno(), -EINVAL);
    aw_http_session_unref(s);
}

static int close_session(void *arg)
{
    return aw_http_session_close(arg);
}

TEST_IN_LOOP(client_session_is_closed_over_requests)
{
    struct place p = {.mute = true};
    OPEN_PLACE(&p, OK_HELLO);
    aw_http_session *s = SESSION(&p);
    aw_task *t = aw_create_task(get_hello, s);
    while (p.requests == 0)
        assert_int_equal(aw_sleep(0), 0);
    assert_int_equal(aw_http_session_active(s), 1);
    assert_int_equal(close_session(s), 0);
    assert_int_equal(aw_join(t), AW_ESHUTDOWN);
    assert_int_equal(aw_http_session_active(s), 0);
    assert_int_equal(aw_http_session_close(s), 0);
    ASSERT_FAILS(aw_http_get(NULL, s, "/"), AW_ESHUTDOWN, "closed");
    aw_http_session_unref(s);
    close_place(&p);
}

static aw_http_session *kept;

static int keep_a_session(void *arg)
{
    struct place *p = arg;
    OPEN_PLACE(p, OK_HELLO);
    kept = SESSION(p);
    ASSERT_STATUS(aw_http_get(NULL, kept, "/"), 200);
    close_place(p);
    return 0;
}

static int use_it_elsewhere(void *arg)
{
    (void)arg;
    ASSERT_FAILS(aw_http_get(NULL, kept, "/"), AW_ETHREAD, "another loop");
    assert_int_equal(aw_http_session_close(kept), AW_ETHREAD);
    return 0;
}

TEST(client_session_belongs_to_its_loop)
{
    struct place p = {0};
    assert_null(aw_http_session_new(NULL));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_int_equal(aw_run(keep_a_session, &p), 0);
    assert_int_equal(aw_http_get(NULL, NULL, "http://127.0.0.1/"), AW_EMISUSE);
    assert_int_equal(aw_run(use_it_elsewhere, NULL), 0);
    aw_http_session_unref(kept); /* its loop is gone */
}
