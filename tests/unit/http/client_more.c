/*
 * Redirects, cookies, authorisation, cancellation, bodies that are streamed either way.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"

/* ---- redirects ---- */

#define TO(status, where)                                                                          \
    "HTTP/1.1 " #status " Moved\r\nLocation: " where "\r\nContent-Length: 4\r\n\r\nbody"

TEST_IN_LOOP(client_follows_redirects_with_their_history)
{
    struct place p = {0};
    aw_http_response *r;
    const char *url;
    char text[100];
    OPEN_PLACE(&p, TO(301, "/two?x=1"), TO(302, "../three"), OK_HELLO);
    aw_http_session *s = SESSION(&p);
    ASSERT_STATUS(aw_http_get(&r, s, "/a/one"), 200);
    assert_string_equal(aw_http_response_text(r), "hello");
    assert_int_equal(aw_http_response_redirects(r), 2);
    assert_int_equal(aw_http_response_redirect(r, 0, &url), 301);
    snprintf(text, sizeof text, "%s/a/one", p.url);
    assert_string_equal(url, text);
    assert_int_equal(aw_http_response_redirect(r, 1, &url), 302);
    snprintf(text, sizeof text, "%s/two?x=1", p.url);
    assert_string_equal(url, text);
    snprintf(text, sizeof text, "%s/three", p.url);
    assert_string_equal(aw_http_response_url(r), text);
    assert_int_equal(p.connections, 1);
    aw_http_response_unref(r);
    p.requests = 0;
    ASSERT_STATUS(aw_http_get(&r, s, "/a/one", .redirects = -1), 301);
    assert_string_equal(aw_http_response_text(r), "body");
    aw_http_response_unref(r);
    p.requests = 0;
    ASSERT_FAILS(aw_http_get(&r, s, "/", .redirects = 1), -ELOOP, "too many redirects");
    aw_http_session_unref(s);
    close_place(&p);
}

TEST_IN_LOOP(client_redirects_without_end)
{
    struct place p = {0};
    OPEN_PLACE(&p, TO(307, "/"));
    aw_http_session *s = SESSION(&p);
    ASSERT_FAILS(aw_http_get(NULL, s, "/"), -ELOOP, "too many redirects");
    assert_int_equal(p.requests, 11);
    ASSERT_FAILS(aw_http_get(NULL, s, "/", .timeout = -1, .redirects = 1000), -ETIMEDOUT, "");
    aw_http_session_unref(s);
    close_place(&p);
}

TEST_IN_LOOP(client_redirects_change_the_method)
{
    static const struct {
        const char *answer, *method, *then;
        bool body;
    } cases[] = {
        {TO(301, "/n"), "POST", "GET /n", false},   {TO(302, "/n"), "POST", "GET /n", false},
        {TO(303, "/n"), "POST", "GET /n", false},   {TO(307, "/n"), "POST", "POST /n", true},
        {TO(308, "/n"), "POST", "POST /n", true},   {TO(301, "/n"), "PUT", "PUT /n", true},
        {TO(303, "/n"), "PUT", "GET /n", false},    {TO(302, "/n"), "DELETE", "DELETE /n", true},
        {TO(303, "/n"), "DELETE", "GET /n", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct place p = {0};
        OPEN_PLACE(&p, cases[i].answer, OK_HELLO);
        aw_http_session *s = SESSION(&p);
        ASSERT_STATUS(aw_http_fetch(NULL, s, cases[i].method, "/", .body = "payload"), 200);
        assert_true(saw(&p, 0, "payload"));
        assert_true(saw(&p, 1, cases[i].then));
        assert_true(saw(&p, 1, "payload") == cases[i].body);
        assert_true(saw(&p, 1, "Content-Type") == cases[i].body);
        aw_http_session_unref(s);
        close_place(&p);
    }
}

TEST_IN_LOOP(client_redirect_to_nothing)
{
    struct place p = {0};
    aw_http_response *r;
    OPEN_PLACE(&p, TO(302, "http://"), "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n");
    aw_http_session *s = SESSION(&p);
    int status = aw_http_get(&r, s, "/");
    assert_true(status == -EPROTO || status == -EINVAL);
    ASSERT_STATUS(aw_http_get(&r, s, "/"), 302); /* no Location: an answer */
    aw_http_response_unref(r);
    aw_http_session_unref(s);
    close_place(&p);
}

// reliability: client libraries: no credentials to another host.
TEST_IN_LOOP(client_class_no_credentials_to_another_host)
{
    struct place other = {0}, p = {0};
    char answer[300];
    OPEN_PLACE(&other, OK_HELLO);
    snprintf(answer, sizeof answer,
             "HTTP/1.1 307 Moved\r\nLocation: %s/there\r\nContent-Length: 0\r\n\r\n", other.url);
    OPEN_PLACE(&p, TO(307, "/again"), answer);
    aw_http_session *s =
        SESSION_WITH(&p, .user = "me", .password = "pw", .headers = AW_PAIRS("X-Own", "1"));
    ASSERT_STATUS(aw_http_get(NULL, s, "/", .headers = AW_PAIRS("Cookie", "a=b", "X-Else", "2")),
                  200);
    for (int i = 0; i < 2; i++) {
        assert_true(saw(&p, (size_t)i, "Authorization: Basic bWU6cHc=\r\n"));
        assert_true(saw(&p, (size_t)i, "Cookie: a=b\r\n"));
    }
    assert_true(saw(&other, 0, "GET /there"));
    assert_false(saw(&other, 0, "Authorization"));
    assert_false(saw(&other, 0, "Cookie"));
    assert_true(saw(&other, 0, "X-Own: 1"));
    assert_true(saw(&other, 0, "X-Else: 2"));
    /* The session's own are for its base URL's host. */
    ASSERT_STATUS(aw_http_get(NULL, s, other.url), 200);
    assert_false(saw(&other, 1, "Authorization"));
    ASSERT_STATUS(aw_http_get(NULL, s, other.url, .bearer = "tok"), 200);
    assert_true(saw(&other, 2, "Authorization: Bearer tok\r\n"));
    aw_http_session_unref(s);
    close_place(&p);
    close_place(&other);
}

/* ---- cookies, authorisation ---- */

TEST_IN_LOOP(client_keeps_cookies)
{
    struct place p = {0};
    char value[32];
    OPEN_PLACE(&p,
               "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; path=/\r\nSet-Cookie: b=2; path=/sub\r\n"
               "Set-Cookie: c=3; domain=example.org\r\nContent-Length: 0\r\n\r\n",
               OK_HELLO);
    aw_http_session *s = SESSION(&p), *none = SESSION_WITH(&p, .no_cookies = true);
    ASSERT_STATUS(aw_http_get(NULL, s, "/"), 200);
    ASSERT_STATUS(aw_http_get(NULL, s, "/x"), 200);
    assert_true(saw(&p, 1, "Cookie: a=1\r\n"));
    ASSERT_STATUS(aw_http_get(NULL, s, "/sub/x"), 200);
    assert_true(saw(&p, 2, "b=2"));
    assert_false(saw(&p, 2, "c=3"));
    assert_int_equal(aw_http_session_cookie(s, "a", value, sizeof value), 1);
    assert_string_equal(value, "1");
    assert_int_equal(aw_http_session_cookie(s, "z", value, sizeof value), -ENOENT);
    assert_int_equal(aw_http_session_add_cookie(s, "Set-Cookie: d=4; domain=127.0.0.1; path=/"), 0);
    ASSERT_STATUS(aw_http_get(NULL, s, "/"), 200);
    assert_true(saw(&p, 3, "d=4"));
    assert_int_equal(aw_http_session_clear_cookies(s), 0);
    ASSERT_STATUS(aw_http_get(NULL, s, "/sub/"), 200);
    assert_false(saw(&p, 4, "Cookie"));
    p.requests = 0;
    p.seen_size[0] = p.seen_size[1] = 0;
    ASSERT_STATUS(aw_http_get(NULL, none, "/"), 200);
    ASSERT_STATUS(aw_http_get(NULL, none, "/"), 200);
    assert_false(saw(&p, 1, "Cookie"));
    aw_http_session_unref(s);
    aw_http_session_unref(none);
    close_place(&p);
}

TEST_IN_LOOP(client_signs_for_aws)
{
    struct place p = {0};
    OPEN_PLACE(&p, OK_HELLO);
    aw_http_session *s = SESSION_WITH(&p, .aws_sigv4 = "aws:amz:eu-west-1:sqs", .user = "AKID",
                                      .password = "secretkey");
    /* What is signed, and for whom; the signature itself is libcurl's. */
    ASSERT_STATUS(aw_http_post(NULL, s, "/", .body = "{}",
                               .content_type = "application/x-amz-json-1.0",
                               .headers = AW_PAIRS("X-Amz-Target", "AmazonSQS.ListQueues",
                                                   "X-Amz-Date", "20230101T000000Z", "Host",
                                                   "sqs.eu-west-1.amazonaws.com")),
                  200);
    assert_true(saw(&p, 0,
                    "Authorization: AWS4-HMAC-SHA256 Credential=AKID/20230101/eu-west-1/sqs/"
                    "aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                    "Signature="));
    assert_false(saw(&p, 0, "Expect"));
    assert_false(saw(&p, 0, "secretkey"));
    ASSERT_FAILS(aw_http_get(NULL, s, "/", .headers = AW_PAIRS("X", "")), -EINVAL, "sigv4");
    aw_http_session_unref(s);
    close_place(&p);
}

// reliability: secrets: what is said of a failure has no password, token or query in it.
TEST_IN_LOOP(client_class_secrets)
{
    struct place p = {0};
    char url[100];
    OPEN_PLACE(&p, OK_HELLO);
    snprintf(url, sizeof url, "http://user:hush@127.0.0.1:%u/a?token=hush", p.port);
    close_place(&p);
    aw_http_session *s = session_made(aw_http_session_new(NULL));
    ASSERT_FAILS(aw_http_get(NULL, s, url, .bearer = "hush"), -ECONNREFUSED, "/a");
    assert_null(strstr(aw_errmsg(), "hush"));
    aw_http_session_unref(s);
}

static const char hush[] = "wormwood-and-gall";
static int left_behind; /* blocks that had it when they were given back */

static void *sized_alloc(size_t size, void *arg)
{
    (void)arg;
    size_t *p = malloc(size + 16);
    if (p)
        *p = size;
    return p ? p + 2 : NULL;
}

static void look_and_free(void *ptr, void *arg)
{
    (void)arg;
    size_t *p = ptr;
    if (!p)
        return;
    left_behind += memmem(p, p[-2], hush, strlen(hush)) != NULL;
    free(p - 2);
}

static int use_password(void *arg)
{
    struct place p = {0};
    (void)arg;
    OPEN_PLACE(&p, OK_HELLO);
    aw_http_session *s = SESSION_WITH(&p, .user = "me", .password = hush);
    ASSERT_STATUS(aw_http_get(NULL, s, "/"), 200);
    ASSERT_STATUS(aw_http_get(NULL, s, "/", .user = "you", .password = hush), 200);
    aw_http_session_unref(s);
    s = SESSION_WITH(&p, .user = "key", .password = hush, .aws_sigv4 = "aws:amz:eu-west-1:sqs");
    ASSERT_STATUS(aw_http_get(NULL, s, "/"), 200);
    aw_http_session_unref(s);
    close_place(&p);
    return 0;
}

// reliability: secrets: no memory that is given back has a password or a key in it.
TEST(client_class_secrets_are_wiped)
{
    const aw_allocator looking = {.alloc = sized_alloc, .free = look_and_free};
    if (test_is_under_valgrind())
        SKIP("it looks at memory that nobody has written to");
    assert_int_equal(aw_set_allocator(&looking), 0);
    assert_int_equal(aw_run(use_password, NULL), 0);
    assert_int_equal(left_behind, 0);
}

TEST_IN_LOOP(client_shows_no_password_in_its_url)
{
    struct place p = {0};
    aw_http_response *r;
    char url[100];
    OPEN_PLACE(&p, OK_HELLO);
    snprintf(url, sizeof url, "http://user:hush@127.0.0.1:%u/a", p.port);
    ASSERT_STATUS(aw_http_get(&r, NULL, url), 200);
    assert_true(saw(&p, 0, "Authorization: Basic dXNlcjpodXNo\r\n"));
    assert_null(strstr(aw_http_response_url(r), "hush"));
    aw_http_response_unref(r);
    close_place(&p);
}

/* ---- a proxy ---- */

TEST_IN_LOOP(client_uses_a_proxy_only_when_asked)
{
    struct place p = {0};
    OPEN_PLACE(&p, OK_HELLO);
    setenv("http_proxy", p.url, 1);
    setenv("no_proxy", "", 1);
    aw_http_session *s = session_made(aw_http_session_new(NULL, .proxy_from_environment = true));
    ASSERT_STATUS(aw_http_get(NULL, s, "http://nowhere.invalid/x"), 200);
    assert_true(saw(&p, 0, "GET http://nowhere.invalid/x HTTP/1.1\r\n"));
    aw_http_session_unref(s);
    ASSERT_STATUS(aw_http_get(NULL, NULL, p.url), 200);
    assert_true(saw(&p, 1, "GET / HTTP/1.1\r\n"));
    unsetenv("http_proxy");
    s = session_made(aw_http_session_new("http://nowhere.invalid/", .proxy = p.url));
    ASSERT_STATUS(aw_http_get(NULL, s, "y"), 200);
    assert_true(saw(&p, 2, "GET http://nowhere.invalid/y HTTP/1.1\r\n"));
    aw_http_session_unref(s);
    close_place(&p);
}

/* ---- cancellation ---- */

static int fetch_slowly(void *arg)
{
    aw_http_response *r;
    int status = aw_http_get(&r, arg, "/");
    aw_http_response_unref(r);
    return status;
}

TEST_IN_LOOP(client_is_cancelled_at_every_pass)
{
    for (int passes_before = 0; passes_before < 40; passes_before++) {
        struct place p = {.delay = 0.002, .piece = 3};
        OPEN_PLACE(&p, OK_HELLO);
        aw_http_session *s = SESSION(&p);
        aw_task *t = aw_create_task(fetch_slowly, s);
        for (int i = 0; i < passes_before && !aw_done(t); i++)
            assert_int_equal(aw_sleep(0), 0);
        aw_cancel(t, .msg = "enough");
        int status = aw_join(t);
        if (status == -ECANCELED)
            assert_string_equal(aw_errmsg(), "enough");
        else
            assert_int_equal(status, 200);
        assert_int_equal(aw_http_session_active(s), 0);
        aw_http_session_unref(s);
        close_place(&p);
    }
}

TEST_IN_LOOP(client_cancellation_ends_the_transfer)
{
    struct place p = {.mute = true};
    OPEN_PLACE(&p, OK_HELLO);
    aw_http_session *s = SESSION(&p);
    aw_task *t = aw_create_task(fetch_slowly, s);
    while (p.requests == 0)
        assert_int_equal(aw_sleep(0), 0);
    assert_int_equal(p.open, 1);
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_int_equal(aw_http_session_active(s), 0);
    while (p.open > 0) /* the server sees the connection end, with the session still there */
        assert_int_equal(aw_sleep(0), 0);
    aw_http_session_unref(s);
    close_place(&p);
}

/* ---- streams down ---- */

TEST_IN_LOOP(client_streams_a_body)
{
    enum { SIZE = 3000000 };
    static char answer[SIZE + 100];
    struct place p = {0};
    aw_http_response *r;
    int head =
        snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", SIZE);
    for (int i = 0; i < SIZE; i++)
        answer[head + i] = (char)(i * 7 >> 3 | 1);
    OPEN_PLACE(&p, answer);
    p.sizes[0] = (size_t)(head + SIZE);
    aw_http_session *s = SESSION(&p);
    ASSERT_STATUS(aw_http_get(&r, s, "/", .stream = true), 200);
    size_t waiting, got = 0;
    for (int i = 0; i < 50; i++)
        assert_int_equal(aw_sleep(0), 0);
    aw_http_response_body(r, &waiting);
    assert_true(waiting >= 64 * 1024 && waiting <= 200 * 1024); /* and no more comes */
    char buf[10000];
    ssize_t n;
    while ((n = aw_http_response_read(r, buf, sizeof buf)) > 0) {
        assert_memory_equal(buf, answer + head + got, (size_t)n);
        got += (size_t)n;
    }
    assert_int_equal(n, 0);
    assert_int_equal(got, SIZE);
    assert_int_equal(aw_http_response_read(r, buf, 1), 0);
    aw_http_response_unref(r);
    /* The rest at once; too much of it. */
    ASSERT_STATUS(aw_http_get(&r, s, "/", .stream = true), 200);
    assert_true(aw_http_response_read(r, buf, 5) == 5);
    assert_int_equal(aw_http_response_readall(r, 0), SIZE - 5);
    assert_memory_equal(aw_http_response_text(r), answer + head + 5, SIZE - 5);
    aw_http_response_unref(r);
    ASSERT_STATUS(aw_http_get(&r, s, "/", .stream = true), 200);
    ASSERT_FAILS(aw_http_response_readall(r, 100000), AW_ELIMIT, "body");
    aw_http_response_unref(r);
    /* Given up in the middle: the transfer ends. */
    ASSERT_STATUS(aw_http_get(&r, s, "/", .stream = true), 200);
    assert_int_equal(aw_http_session_active(s), 1);
    aw_http_response_unref(r);
    assert_int_equal(aw_http_session_active(s), 0);
    aw_http_session_unref(s);
    close_place(&p);
}

struct reading {
    aw_http_response *r;
    ssize_t result;
};

static int read_some(void *arg)
{
    struct reading *g = arg;
    char buf[100];
    g->result = aw_http_response_read(g->r, buf, sizeof buf);
    return g->result < 0 ? (int)g->result : 0;
}

TEST_IN_LOOP(client_read_is_cancelled_and_goes_on)
{
    struct place p = {.cut = sizeof OK_HEAD(5) "\r\nhel" - 1, .delay = 0};
    struct reading g = {0}, h = {0};
    OPEN_PLACE(&p, OK_HELLO);
    aw_http_session *s = SESSION(&p);
    p.piece = 1;
    ASSERT_STATUS(aw_http_get(&g.r, s, "/", .stream = true), 200);
    h.r = g.r;
    aw_task *t = aw_create_task(read_some, &g, .eager = true);
    aw_task *u = aw_create_task(read_some, &h, .eager = true);
    if (!aw_done(t)) {
        assert_int_equal(aw_join(u), AW_EMISUSE); /* one reads at a time */
        aw_cancel(t);
        assert_int_equal(aw_join(t), -ECANCELED);
    } else {
        assert_int_equal(aw_join(t), 0);
        aw_ignore(aw_join(u));
    }
    int err = 0;
    while (err >= 0)
        err = read_some(&g);
    assert_int_equal(err, AW_EOF); /* the server has cut it off */
    aw_http_response_unref(g.r);
    aw_http_session_unref(s);
    close_place(&p);
}

/* ---- streams up ---- */

struct pieces {
    int left;
    double pause;
    int fails_with;
    int cancelled;
};

static ssize_t give_pieces(void *arg, void *buf, size_t n)
{
    struct pieces *q = arg;
    if (q->pause > 0) {
        int err = aw_sleep(q->pause);
        q->cancelled += err == -ECANCELED;
        AW_TRY(err);
    }
    if (q->left-- <= 0)
        return q->fails_with ? aw_raise(q->fails_with, "the source broke") : 0;
    assert_true(n >= 5);
    memcpy(buf, "piece", 5);
    return 5;
}

TEST_IN_LOOP(client_sends_a_source)
{
    struct place p = {0};
    OPEN_PLACE(&p, OK_HELLO);
    aw_http_session *s = SESSION(&p);
    struct pieces q = {.left = 3, .pause = 0.01};
    ASSERT_STATUS(aw_http_post(NULL, s, "/", .source = give_pieces, .source_arg = &q), 200);
    assert_true(saw(&p, 0, "POST / HTTP/1.1\r\n"));
    assert_true(saw(&p, 0, "Transfer-Encoding: chunked\r\n"));
    assert_false(saw(&p, 0, "Expect"));
    assert_true(saw(&p, 0, "\r\n\r\npiecepiecepiece"));
    q = (struct pieces){.left = 2};
    ASSERT_STATUS(aw_http_put(NULL, s, "/", .source = give_pieces, .source_arg = &q,
                              .source_size = 10, .content_type = "text/x"),
                  200);
    assert_true(saw(&p, 1, "PUT / HTTP/1.1\r\n"));
    assert_true(saw(&p, 1, "Content-Length: 10\r\n"));
    assert_true(saw(&p, 1, "Content-Type: text/x\r\n"));
    assert_true(saw(&p, 1, "\r\n\r\npiecepiece"));
    aw_http_session_unref(s);
    close_place(&p);
}

TEST_IN_LOOP(client_source_fails)
{
    struct place p = {0};
    OPEN_PLACE(&p, OK_HELLO);
    aw_http_session *s = SESSION(&p);
    struct pieces q = {.left = 1, .fails_with = -EIO};
    ASSERT_FAILS(aw_http_post(NULL, s, "/", .source = give_pieces, .source_arg = &q), -EIO,
                 "the source broke");
    /* Fewer bytes than were promised. */
    q = (struct pieces){.left = 1};
    int status = aw_http_post(NULL, s, "/", .source = give_pieces, .source_arg = &q,
                              .source_size = 10, .timeout = 0.2);
    assert_true(status < 0);
    aw_http_session_unref(s);
    close_place(&p);
}

TEST_IN_LOOP(client_source_ends_with_its_request)
{
    struct place p = {.mute = true};
    OPEN_PLACE(&p, OK_HELLO);
    aw_http_session *s = SESSION(&p);
    struct pieces q = {.left = 1000, .pause = 0.01};
    ASSERT_FAILS(
        aw_http_post(NULL, s, "/", .source = give_pieces, .source_arg = &q, .timeout = 0.105),
        -ETIMEDOUT, "POST");
    assert_int_equal(q.cancelled, 1);
    /* A redirect that would need it again is not followed. */
    aw_http_session_unref(s);
    close_place(&p);
    struct place again = {0};
    aw_http_response *r;
    OPEN_PLACE(&again, TO(307, "/n"), OK_HELLO);
    s = SESSION(&again);
    q = (struct pieces){.left = 2};
    ASSERT_STATUS(aw_http_post(&r, s, "/", .source = give_pieces, .source_arg = &q), 307);
    aw_http_response_unref(r);
    aw_http_session_unref(s);
    close_place(&again);
}

TEST_IN_LOOP(client_sends_a_multipart_form)
{
    struct place p = {0};
    char path[] = "/tmp/await-part-XXXXXX", want[400];
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "in the file", 11), 11);
    close(fd);
    aw_http_part parts[] = {
        {.name = "plain", .data = "text"},
        {.name = "a\"b", .data = "x\0y", .size = 3, .file_name = "n.bin", .type = "a/b"},
        {.name = "file", .path = path},
    };
    OPEN_PLACE(&p, OK_HELLO);
    aw_http_session *s = SESSION(&p);
    ASSERT_STATUS(aw_http_post(NULL, s, "/", .parts = parts, .n_parts = 3), 200);
    assert_true(saw(&p, 0, "Content-Type: multipart/form-data; boundary="));
    assert_true(saw(&p, 0, "Content-Length: "));
    assert_true(saw(&p, 0, "Content-Disposition: form-data; name=\"plain\"\r\n\r\ntext\r\n--"));
    assert_true(saw(&p, 0, "name=\"a%22b\"; filename=\"n.bin\"\r\nContent-Type: a/b\r\n\r\nx"));
    snprintf(want, sizeof want,
             "name=\"file\"; filename=\"%s\"\r\nContent-Type: application/octet-stream\r\n\r\n"
             "in the file\r\n--",
             strrchr(path, '/') + 1);
    assert_non_null(memmem(p.seen[0], p.seen_size[0], want, strlen(want)));
    assert_memory_equal(p.seen[0] + p.seen_size[0] - 4, "--\r\n", 4);
    unlink(path);
    ASSERT_FAILS(aw_http_post(NULL, s, "/", .parts = parts, .n_parts = 3), -ENOENT, path);
    aw_http_session_unref(s);
    close_place(&p);
}
