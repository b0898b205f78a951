/*
 * Servers on real sockets: begun, ended in several ways, encrypted, with files that the kernel
 * sends.
 */
#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#include "await/sync.h"
#include "await/tls.h"
#include "serving.h"
#include "unit/tls/certs.h"

static char port[8];

static aw_http_server *serve_with(const aw_http_server_opts *more)
{
    aw_http_server *s = NULL;
    aw_address a;
    aw_http_server_opts opts = *more;
    opts.ret = &s;
    opts.host = "127.0.0.1";
    opts.port = "0";
    opts.handler = opts.handler ? opts.handler : tell_back;
    opts.refusal_log = opts.refusal_log ? opts.refusal_log : stdout;
    assert_int_equal(aw_http_serve_(&opts), 0);
    assert_int_equal(aw_http_server_address(s, 0, &a), 0);
    snprintf(port, sizeof port, "%d", aw_address_port(&a));
    return s;
}
#define SERVE(...) serve_with(&(aw_http_server_opts){__VA_ARGS__})

static aw_stream *connect_to(void)
{
    aw_stream *s;
    assert_int_equal(aw_open_connection(&s, "127.0.0.1", port), 0);
    return s;
}

static void say_to(aw_stream *s, const char *text)
{
    assert_int_equal(aw_stream_write(s, text, strlen(text)), 0);
}

/* One answer that ends with `end`. */
static void expect_answer(aw_stream *s, int status, const char *end)
{
    char *text;
    ssize_t n = aw_stream_readuntil(s, &text, end);
    if (n < 0)
        fail_msg("%s", aw_strerror((int)n));
    assert_int_equal(strtol(text + 9, NULL, 10), status);
}

static void expect_closed(aw_stream *s)
{
    char c;
    assert_int_equal(aw_stream_read(s, &c, 1), 0);
}

static void hang_up(aw_stream *s)
{
    aw_stream_close(s);
    aw_ignore(aw_stream_wait_closed(s));
    aw_stream_unref(s);
}

static void end_server(aw_http_server *s)
{
    assert_int_equal(aw_http_server_close(s), 0);
    assert_int_equal(aw_http_server_wait_closed(s), 0);
    aw_http_server_unref(s);
}

TEST_IN_LOOP(http_server_serves_on_a_socket)
{
    aw_http_server *s = SERVE(0);
    aw_stream *c = connect_to();
    say_to(c, GET("/one", ""));
    expect_answer(c, 200, "GET /one? ");
    say_to(c, GET("/two", ""));
    expect_answer(c, 200, "GET /two? ");
    assert_int_equal(aw_http_server_connections(s), 1);
    assert_int_equal(aw_http_server_requests(s), 2);
    assert_int_equal(aw_http_server_refusals(s), 0);
    hang_up(c);
    end_server(s);
}

static int wait_for_it(aw_http_request *r, void *arg)
{
    if (strcmp(aw_http_request_path(r), "/quick") == 0)
        return aw_http_respond_text(r, 200, "quick");
    AW_TRY(aw_event_wait(arg));
    return aw_http_respond_text(r, 200, "waited");
}

// A graceful end: idle connections are closed, what is in hand is answered, nothing else begins.
TEST_IN_LOOP(http_server_close_finishes_what_is_in_hand)
{
    aw_event go = AW_EVENT_INIT;
    aw_stream *late;
    aw_http_server *s = SERVE(.handler = wait_for_it, .arg = &go);
    aw_stream *idle = connect_to(), *fresh = connect_to(), *busy = connect_to();
    say_to(idle, GET("/quick", ""));
    expect_answer(idle, 200, "quick");
    say_to(busy, GET("/", "") GET("/quick", ""));
    passes(5);
    assert_int_equal(aw_http_server_connections(s), 3);
    assert_int_equal(aw_http_server_close(s), 0);
    assert_int_equal(aw_http_server_close(s), 0); /* again */
    expect_closed(idle);
    expect_closed(fresh);
    assert_int_equal(aw_open_connection(&late, "127.0.0.1", port), -ECONNREFUSED);
    assert_int_equal(aw_event_set(&go), 0);
    expect_answer(busy, 200, "Connection: close\r\n");
    expect_answer(busy, 0, "waited");
    expect_closed(busy);
    assert_int_equal(aw_http_server_wait_closed(s), 0);
    hang_up(idle);
    hang_up(fresh);
    hang_up(busy);
    aw_http_server_unref(s);
}

TEST_IN_LOOP(http_server_shutdown_cancels_what_does_not_end)
{
    aw_event never = AW_EVENT_INIT;
    aw_http_server *s = SERVE(.handler = wait_for_it, .arg = &never);
    aw_stream *busy = connect_to();
    say_to(busy, GET("/", ""));
    passes(5);
    double before = aw_time();
    assert_int_equal(aw_http_server_shutdown(s, .grace = 0.1), 1);
    assert_true(aw_time() - before >= 0.1);
    aw_http_server_unref(s);
    hang_up(busy);
}

static int serve_for_ever(void *arg)
{
    return aw_http_server_serve_forever(arg, .grace = 1);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

TEST_IN_LOOP(http_server_serves_until_it_is_cancelled)
{
    int released = 0;
    aw_http_server *s = SERVE(.start_later = true, .arg = &released, .release = count);
    aw_stream *c;
    assert_int_equal(aw_open_connection(&c, "127.0.0.1", port), -ECONNREFUSED);
    aw_task *t = aw_create_task(serve_for_ever, s);
    passes(3);
    c = connect_to();
    say_to(c, GET("/", ""));
    expect_answer(c, 200, "GET /? ");
    aw_cancel(t, .msg = "enough");
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_string_equal(aw_errmsg(), "enough");
    expect_closed(c);
    assert_int_equal(released, 1);
    hang_up(c);
    aw_http_server_unref(s);
}

TEST_IN_LOOP(http_server_options_are_checked)
{
    aw_http_server *s;
    aw_stream *two[2];
    assert_int_equal(aw_http_serve(NULL, tell_back, NULL, "0"), -EINVAL);
    assert_int_equal(aw_http_serve(&s, NULL, NULL, "0"), -EINVAL);
    assert_int_equal(aw_http_serve(&s, tell_back, NULL, NULL), -EINVAL);
    assert_int_equal(aw_http_serve(&s, tell_back, NULL, "0", .idle_timeout = -1), -EINVAL);
    assert_int_equal(aw_http_serve(&s, tell_back, NULL, "0", .head_timeout = NAN), -EINVAL);
    assert_int_equal(aw_http_serve(&s, tell_back, NULL, "0", .max_head = 1 << 20), -EINVAL);
    assert_int_equal(aw_http_serve(&s, tell_back, NULL, "0", .server_name = "a\r\nb: c"), -EINVAL);
    assert_int_equal(aw_http_serve(&s, tell_back, "127.0.0.1", "no such port"), -EINVAL);
    assert_null(s);
    assert_int_equal(aw_http_serve_stream(NULL, tell_back, NULL), -EINVAL);
    assert_int_equal(aw_stream_pair(two), 0);
    assert_int_equal(aw_http_serve_stream(two[0], tell_back, NULL, .port = "0"), -EINVAL);
    assert_int_equal(aw_http_serve_stream(two[0], NULL, NULL), -EINVAL);
    aw_stream_unref(two[0]);
    aw_stream_unref(two[1]);
    assert_int_equal(aw_http_server_close(NULL), -EINVAL);
    assert_int_equal(aw_http_server_shutdown(NULL), -EINVAL);
    assert_int_equal(aw_http_server_serve_forever(NULL), -EINVAL);
    assert_int_equal(aw_http_server_wait_closed(NULL), -EINVAL);
    assert_int_equal(aw_http_server_start_serving(NULL), -EINVAL);
    assert_int_equal(aw_http_server_connections(NULL), 0);
    aw_http_server_unref(NULL);
    assert_null(aw_http_server_ref(NULL));
}

TEST_IN_LOOP(http_server_keeps_to_its_number_of_connections)
{
    aw_http_server *s = SERVE(.max_connections = 2);
    aw_stream *c[3] = {connect_to(), connect_to(), connect_to()};
    for (int i = 0; i < 3; i++)
        say_to(c[i], GET("/", ""));
    expect_answer(c[0], 200, "GET /? ");
    expect_answer(c[1], 200, "GET /? ");
    passes(5);
    assert_int_equal(aw_http_server_connections(s), 2);
    assert_int_equal(aw_stream_buffered(c[2]), 0);
    hang_up(c[0]);
    expect_answer(c[2], 200, "GET /? ");
    hang_up(c[1]);
    hang_up(c[2]);
    end_server(s);
}

TEST_IN_LOOP(http_server_serves_on_a_local_socket)
{
    aw_http_server *s;
    aw_stream *c;
    char path[64];
    snprintf(path, sizeof path, "@await-http-%d", (int)getpid());
    assert_int_equal(aw_http_serve(&s, tell_back, NULL, NULL, .path = path), 0);
    assert_int_equal(aw_open_unix_connection(&c, path), 0);
    say_to(c, GET("/", ""));
    expect_answer(c, 200, "GET /? ");
    hang_up(c);
    end_server(s);
}

static int write_lines(aw_http_request *r, void *arg)
{
    (void)arg;
    return aw_http_respond_text(r, 404, aw_http_request_path(r));
}

TEST_IN_LOOP(http_server_logs_a_line_for_each_exchange)
{
    char *text = NULL, want[200];
    size_t n = 0;
    aw_address a;
    FILE *log = open_memstream(&text, &n);
    aw_http_server *s = SERVE(.handler = write_lines, .access_log = log, .refusal_log = log);
    aw_stream *c = connect_to();
    assert_int_equal(aw_local_address(aw_stream_fd(c), &a), 0);
    say_to(c, GET("/a?b", "") "GET / HTTP/1.1\r\n\r\n");
    expect_answer(c, 404, "/a");
    expect_answer(c, 400, "400 Bad Request\n");
    expect_closed(c);
    hang_up(c);
    end_server(s);
    fclose(log);
    snprintf(want, sizeof want, "127.0.0.1:%d \"GET /a?b\" 404 2 0.0", aw_address_port(&a));
    assert_memory_equal(text, want, strlen(want));
    snprintf(want, sizeof want, "\n127.0.0.1:%d \"GET /\" refused with 400: there is no Host\n",
             aw_address_port(&a));
    assert_non_null(strstr(text, want));
    free(text);
}

// What a client does to its connection is reported to nobody.
TEST_IN_LOOP(http_server_bears_clients_that_vanish)
{
    aw_http_server *s = SERVE(0);
    for (int i = 0; i < 40; i++) {
        aw_stream *c = connect_to();
        for (int k = 0; k < i % 4; k++)
            say_to(c, GET("/", ""));
        if (i % 3 == 0)
            say_to(c, POST("/", "Content-Length: 10\r\n") "12345");
        if (i % 5 == 0)
            passes(i % 7);
        if (i % 2)
            assert_int_equal(aw_set_socket_option(aw_stream_fd(c), "SO_LINGER", 0),
                             0); /* a reset */
        aw_stream_abort(c);
        aw_stream_unref(c);
    }
    end_server(s);
}

static int take_over(aw_http_request *r, void *arg)
{
    aw_stream *s;
    char *line;
    AW_TRY(aw_http_upgrade(r, 101, &s));
    ssize_t n = aw_stream_readline(s, &line);
    ++*(int *)arg;
    return n > 0 ? -EIO : n == 0 ? AW_EOF : (int)n;
}

static int count_report(const aw_report *r, void *arg)
{
    (void)r;
    ++*(int *)arg;
    return 0;
}

// The same of those whose connection was handed over; a handler's own failure is reported.
TEST_IN_LOOP(http_server_bears_clients_that_vanish_after_an_upgrade)
{
    int ended = 0, told = 0;
    aw_loop_set_exception_handler(aw_running_loop(), count_report, &told);
    aw_http_server *s = SERVE(.handler = take_over, .arg = &ended);
    for (int i = 0; i < 3; i++) {
        aw_stream *c = connect_to();
        say_to(c, GET("/", "Connection: upgrade\r\n"));
        char *head;
        assert_true(aw_stream_readuntil(c, &head, "\r\n\r\n") > 0);
        if (i == 1)
            assert_int_equal(aw_set_socket_option(aw_stream_fd(c), "SO_LINGER", 0), 0);
        if (i == 2)
            say_to(c, "line\n");
        else
            aw_stream_abort(c);
        aw_stream_unref(c);
        while (ended <= i)
            assert_int_equal(aw_sleep(0.01), 0);
    }
    end_server(s);
    assert_int_equal(told, 1);
    aw_loop_set_exception_handler(aw_running_loop(), NULL, NULL);
}

/* ---- files by the kernel ---- */

enum { BIG = 3000000 };

static void make_big(char *path)
{
    static char big[BIG];
    for (int i = 0; i < BIG; i++)
        big[i] = (char)(i * 7 + i / 1000);
    snprintf(path, 64, "/tmp/await-http-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, big, BIG), BIG);
    close(fd);
}

static int send_big(aw_http_request *r, void *arg)
{
    return aw_http_respond_file(r, AT_FDCWD, arg);
}

static void expect_big(aw_stream *c, int from, int n)
{
    char *got = malloc((size_t)n);
    expect_answer(c, n < BIG ? 206 : 200, "\r\n\r\n");
    assert_int_equal(aw_stream_readexactly(c, got, (size_t)n), 0);
    for (int i = 0; i < n; i++)
        if (got[i] != (char)((from + i) * 7 + (from + i) / 1000))
            fail_msg("byte %d is wrong", i);
    free(got);
}

static void ask_for_big(aw_stream *c)
{
    say_to(c, GET("/", "") GET("/", "Range: bytes=1000000-1999999\r\n") GET("/", ""));
    expect_big(c, 0, BIG);
    expect_big(c, 1000000, 1000000);
    expect_big(c, 0, BIG);
}

TEST_IN_LOOP(http_server_sends_large_files)
{
    char path[64];
    make_big(path);
    aw_http_server *s = SERVE(.handler = send_big, .arg = path);
    aw_stream *c = connect_to();
    ask_for_big(c);
    hang_up(c);
    end_server(s);
    unlink(path);
}

// Slow clients: who takes nothing of a file is left, and the file's descriptor is closed.
TEST_IN_LOOP(http_server_leaves_clients_that_take_no_file)
{
    char path[64];
    make_big(path);
    aw_http_server *s = SERVE(.handler = send_big, .arg = path, .send_timeout = 0.2);
    aw_stream *c = connect_to();
    for (int i = 0; i < 10; i++)
        say_to(c, GET("/", ""));
    double before = aw_time();
    while (aw_http_server_connections(s) > 0 || aw_http_server_requests(s) == 0)
        assert_int_equal(aw_sleep(0.02), 0);
    assert_true(aw_time() - before >= 0.2);
    aw_stream_abort(c);
    hang_up(c);
    end_server(s);
    unlink(path);
}

/* ---- TLS ---- */

static aw_stream *connect_by_tls(aw_tls_context *context)
{
    aw_stream *c = connect_to();
    assert_int_equal(aw_start_tls(&c, context, "good.example"), 0);
    return c;
}

TEST_IN_LOOP(http_server_serves_by_tls)
{
    char path[64];
    make_big(path);
    aw_tls_context *mine = aw_tls_context_new(.ca_file = the_world()->root_file);
    aw_tls_context *its =
        aw_tls_context_new(.server = true, .certificate = the_world()->server_file);
    aw_http_server *s = SERVE(.handler = send_big, .arg = path, .tls = its);
    aw_tls_context_unref(its);
    aw_stream *c = connect_by_tls(mine);
    ask_for_big(c);
    aw_stream *idle = connect_by_tls(mine);
    say_to(idle, GET("/", ""));
    expect_big(idle, 0, BIG);
    passes(3);
    assert_int_equal(aw_http_server_close(s), 0);
    expect_closed(idle); /* in order: it said good-bye */
    expect_closed(c);
    hang_up(c);
    hang_up(idle);
    assert_int_equal(aw_http_server_wait_closed(s), 0);
    aw_http_server_unref(s);
    aw_tls_context_unref(mine);
    unlink(path);
}

static int echo_lines(aw_http_request *r, void *arg)
{
    aw_stream *s;
    char *line;
    ssize_t n;
    (void)arg;
    assert_true(aw_http_request_is_tls(r));
    AW_TRY(aw_http_upgrade(r, 101, &s));
    while ((n = aw_stream_readline(s, &line)) > 0)
        AW_TRY(aw_stream_write(s, line, (size_t)n));
    return (int)n;
}

TEST_IN_LOOP(http_server_hands_over_by_tls)
{
    aw_tls_context *mine = aw_tls_context_new(.ca_file = the_world()->root_file);
    aw_tls_context *its =
        aw_tls_context_new(.server = true, .certificate = the_world()->server_file);
    aw_http_server *s = SERVE(.handler = echo_lines, .tls = its);
    aw_stream *c = connect_by_tls(mine);
    say_to(c, GET("/", "Connection: upgrade\r\n") "early\n");
    expect_answer(c, 101, "early\n");
    say_to(c, "HTTP/1.1 000 late\n");
    expect_answer(c, 0, "late\n");
    hang_up(c);
    end_server(s);
    aw_tls_context_unref(mine);
    aw_tls_context_unref(its);
}

TEST_IN_LOOP(http_server_refuses_what_is_no_tls)
{
    aw_tls_context *its =
        aw_tls_context_new(.server = true, .certificate = the_world()->server_file);
    aw_http_server *s = SERVE(.tls = its, .head_timeout = 0.2);
    aw_stream *c = connect_to();
    say_to(c, GET("/", ""));
    char *all = NULL;
    ssize_t n = aw_stream_readall(c, &all, 1000);
    assert_true(n <= 0 || all[0] != 'H'); /* an alert, or a reset */
    assert_int_equal(aw_http_server_requests(s), 0);
    hang_up(c);
    c = connect_to(); /* and says nothing */
    double before = aw_time();
    while (aw_http_server_refusals(s) < 2)
        assert_int_equal(aw_sleep(0.02), 0);
    assert_true(aw_time() - before >= 0.2);
    hang_up(c);
    end_server(s);
    aw_tls_context_unref(its);
}

// A client that is told of a refusal while it still sends gets the answer, and no reset.
TEST_IN_LOOP(http_server_lingers_for_clients_that_still_send)
{
    static char much[2000000];
    aw_http_server *s = SERVE(0);
    aw_stream *c = connect_to();
    say_to(c, POST("/", "Content-Length: 2000000\r\n"));
    assert_int_equal(aw_stream_write(c, much, sizeof much), 0);
    expect_answer(c, 413, "413 Payload Too Large\n");
    expect_closed(c);
    hang_up(c);
    end_server(s);
}
