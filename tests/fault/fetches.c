/*
 * fetches.c - scenarios of the HTTP client: requests whose client and server are in one loop.
 *
 * libcurl's own system calls are not the library's, but its memory is: so the sweeps see what it
 * does without.
 */
#include <sched.h>
#include <stdlib.h>

#include <curl/curl.h>

#include "await/http.h"
#include "await/net.h"
#include "fault/curl.h"
#include "fault/inject.h"
#include "sys/child.h"
#include "sys/forkserver.h"

/* ---- the server ---- */

static int skip_body(aw_stream *s, const char *head)
{
    const char *length = strstr(head, "Content-Length: ");
    char *body = NULL;
    size_t n = length ? strtoul(length + 16, NULL, 10) : 0;
    if (n == 0)
        return 0;
    body = malloc(n);
    int err = aw_stream_readexactly(s, body, n);
    free(body);
    return err;
}

static int say(aw_stream *s, const char *text)
{
    return aw_stream_write(s, text, strlen(text));
}

static int answer(aw_stream *s, void *arg)
{
    char *line, head[1024];
    ssize_t n;
    (void)arg;
    while ((n = aw_stream_readuntil(s, &line, "\r\n\r\n")) > 0) {
        snprintf(head, sizeof head, "%.*s", (int)n, line);
        int err = skip_body(s, head);
        if (err >= 0 && strstr(head, " /moved?"))
            err = say(s, "HTTP/1.1 302 Found\r\nLocation: /here\r\nContent-Length: 0\r\n\r\n");
        else if (err >= 0)
            err = say(s, "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "5\r\nhello\r\n0\r\n\r\n");
        if (err < 0)
            return err == expected_error ? err : 0;
    }
    return disturbed() && n == expected_error ? (int)n : 0; /* reported: the client asks again */
}

/* ---- the client ---- */

static int check_answer(const aw_http_response *r, const char *base)
{
    const char *name, *value, *url;
    aw_http_timings t;
    size_t n;
    CHECK(aw_http_response_status(r) == 200 && aw_http_response_version(r) == 11);
    CHECK(!strcmp(aw_http_response_reason(r), "OK") && aw_http_response_raise(r) == 200);
    CHECK(!strcmp(aw_http_response_text(r), "hello"));
    CHECK(aw_http_response_body(r, &n) && n == 5);
    CHECK(!strncmp(aw_http_response_url(r), base, strlen(base)));
    CHECK(aw_http_response_header(r, "transfer-encoding") && !aw_http_response_is(r, "a/b"));
    CHECK(aw_http_response_header_at(r, 0, &name, &value) && !strcmp(value, "a=b"));
    CHECK(aw_http_response_timings(r, &t) == 0);
    CHECK(aw_http_response_redirects(r) == 1 && aw_http_response_redirect(r, 0, &url) == 302);
    return 0;
}

static int get_moved(aw_http_session *s, const char *base)
{
    aw_http_response *r = NULL;
    EXPECT_HERE(aw_http_get(&r, s, "/moved", .query = AW_PAIRS("a", "b c")), 200);
    aw_http_response_unref(aw_http_response_ref(r));
    int err = check_answer(r, base);
    aw_http_response_unref(r);
    return err;
}

static int read_stream(aw_http_response *r)
{
    char buf[3];
    EXPECT_HERE(aw_http_response_read(r, buf, 3), 3);
    EXPECT_HERE(aw_http_response_readall(r, 0), 2);
    CHECK(!strcmp(aw_http_response_text(r), "lo"));
    return 0;
}

static int get_stream(aw_http_session *s)
{
    aw_http_response *r = NULL;
    EXPECT_HERE(aw_http_post(&r, s, "/", .json = "{}", .stream = true), 200);
    int err = read_stream(r);
    aw_http_response_unref(r);
    return err;
}

static ssize_t give_once(void *arg, void *buf, size_t n)
{
    int *left = arg;
    if (n < 4 || (*left)-- <= 0)
        return 0;
    AW_TRY(aw_sleep(0));
    memcpy(buf, "body", 4);
    return 4;
}

static int send_bodies(aw_http_session *s)
{
    aw_http_part part = {.name = "n", .data = "text"};
    int left = 1;
    EXPECT_HERE(
        aw_http_put(NULL, s, "/", .source = give_once, .source_arg = &left, .source_size = 4), 200);
    EXPECT_HERE(aw_http_post(NULL, s, "/", .parts = &part, .n_parts = 1), 200);
    EXPECT_HERE(aw_http_post(NULL, s, "/", .form = AW_PAIRS("a", "b")), 200);
    return 0;
}

static int use_session(aw_http_session *s, const char *base)
{
    char value[8];
    EXPECT(aw_http_session_add_cookie(s, "Set-Cookie: c=d; domain=127.0.0.1; path=/"), 0);
    AW_TRY(get_moved(s, base));
    EXPECT(aw_http_session_cookie(s, "c", value, sizeof value), 1);
    AW_TRY(get_stream(s));
    AW_TRY(send_bodies(s));
    EXPECT(aw_http_session_clear_cookies(s), 0);
    CHECK(aw_http_session_active(s) == 0);
    return aw_http_session_close(s);
}

static aw_http_session *session;

static int ask(aw_server *server)
{
    aw_address a;
    char base[64];
    EXPECT(aw_server_address(server, 0, &a), 0);
    snprintf(base, sizeof base, "http://127.0.0.1:%d/", aw_address_port(&a));
    double patience = test_is_instrumented() ? 2 : 0.5; /* many a failure is seen by it alone */
    session = aw_http_session_new(base, .headers = AW_PAIRS("X", "y"), .timeout = patience);
    if (!session)
        return unexpected(aw_errno(), "a session", __FILE__, __LINE__);
    int err = use_session(aw_http_session_ref(session), base);
    aw_http_session_unref(session);
    aw_http_session_unref(session);
    session = NULL;
    return err;
}

static int make_requests(void *arg)
{
    aw_server *server;
    (void)arg;
    AW_TRY(aw_start_server(&server, answer, "127.0.0.1", "0"));
    int err = ask(server);
    aw_ignore(aw_server_abort_clients(server));
    aw_ignore(aw_server_close(server));
    int closed = aw_server_wait_closed(server);
    aw_server_unref(server);
    return err < 0 ? err : closed;
}

/* A name that libcurl looks up in a thread, as it does when it has no memory to see that it is an
 * address, is let go of when the request has failed: until the thread has ended. */
void wait_for_threads(void)
{
    while (aw_thread_count() > 1)
        sched_yield();
}

/* How often libcurl allocates, and the kernel is asked, is not the same each time. */
SCENARIO(http_requests)
{
    /* Where a sanitizer looks at threads, libcurl's memory does not fail: that of a name that it
     * looks up in a thread of its own is taken there, and its end is not seen. */
    if (AW_OWN_THREADS)
        (void)curl_global_init(CURL_GLOBAL_DEFAULT); /* with malloc(), before the library does */
    threads_take_part();
    comes_at_once(true);
    may_be_silent(SITE_SEND);        /* what a kept connection has lost is asked for again */
    may_be_silent(SITE_SOCKET_NAME); /* a task has another name */
    may_be_silent(SITE_MAP);         /* streams do without buffers of the ring's */
    may_be_silent(SITE_ALLOC);       /* likewise; what libcurl lacks is told all the same */
    may_be_silent(SITE_RING_ENTER);  /* a watch is dropped later; with epoll the same */
    may_be_silent(SITE_POLL_ONE);
    may_be_silent(SITE_ACCEPT); /* the server accepts in its next turn */
    int err = run_main(make_requests, NULL);
    if (session)
        aw_ignore(aw_http_session_close(session)); /* of a run that was cut off */
    session = NULL;
    wait_for_threads();
    return err;
}

static int make_urls(void *arg)
{
    char buf[64];
    (void)arg;
    EXPECT(aw_url_make("http://h/a", "b", AW_PAIRS("c", "d"), buf, sizeof buf), 14);
    EXPECT(aw_url_part("http://h:81/a", AW_URL_PORT, buf, sizeof buf), 2);
    EXPECT(aw_url_encode("a b", 0, buf, sizeof buf), 5);
    EXPECT(aw_url_decode("a%20b", buf, sizeof buf), 3);
    EXPECT(aw_url_query(AW_PAIRS("a", "b"), buf, sizeof buf), 3);
    return 0;
}

SCENARIO(http_urls)
{
    return run_main(make_urls, NULL);
}
