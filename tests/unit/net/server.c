/*
 * Servers: started, serving, closed in several ways; their addresses and handlers.
 */
#include "serving.h"

#include <math.h>

// NET-001: a server made without starting does not accept until start-serving or serve-forever;
// is-serving tells which.
TEST_IN_LOOP(NET_001_not_serving_before_it_is_started)
{
    aw_server *s;
    aw_stream *c;
    char port[8];
    assert_int_equal(aw_start_server(&s, echo, "127.0.0.1", "0", .start_later = true), 0);
    assert_false(aw_server_is_serving(s));
    assert_int_equal(aw_server_sockets(s), 1);
    snprintf(port, sizeof port, "%s", port_of_server(s));
    assert_int_equal(aw_open_connection(&c, "127.0.0.1", port), -ECONNREFUSED);
    assert_int_equal(aw_server_start_serving(s), 0);
    assert_true(aw_server_is_serving(s));
    assert_int_equal(aw_server_start_serving(s), 0); /* again */
    c = connect_to_port(port);
    assert_echo(c, "now");
    hang_up(c);
    assert_int_equal(aw_server_close(s), 0);
    assert_false(aw_server_is_serving(s));
    assert_int_equal(aw_server_start_serving(s), AW_EMISUSE);
    assert_int_equal(aw_server_wait_closed(s), 0);
    aw_server_unref(s);
}

static int serve_for_ever(void *arg)
{
    return aw_server_serve_forever(arg);
}

// NET-002: cancelling the task in serve-forever closes the server: the task gets ECANCELED, the
// server is not serving and has no sockets, and serving it again fails with 'misuse'.
TEST_IN_LOOP(NET_002_serve_forever_is_cancelled)
{
    aw_server *s;
    aw_address a;
    assert_int_equal(aw_start_server(&s, echo, "127.0.0.1", "0", .start_later = true), 0);
    aw_task *t = aw_create_task(serve_for_ever, s);
    passes(2);
    assert_true(aw_server_is_serving(s));
    assert_int_equal(aw_server_serve_forever(s), AW_EMISUSE); /* somebody is at it */
    aw_stream *c = connect_to_server(s);
    assert_echo(c, "served");
    hang_up(c);
    assert_true(aw_cancel(t, .msg = "that will do"));
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_string_equal(aw_errmsg(), "that will do");
    assert_false(aw_server_is_serving(s));
    assert_int_equal(aw_server_sockets(s), 0);
    assert_int_equal(aw_server_address(s, 0, &a), -ENOENT);
    assert_int_equal(aw_server_serve_forever(s), AW_EMISUSE);
    aw_server_unref(s);
}

TEST_IN_LOOP(server_serve_forever_ends_when_it_is_closed)
{
    aw_server *s = serve_on_loopback(echo, NULL);
    aw_task *t = aw_create_task(serve_for_ever, s);
    passes(2);
    assert_int_equal(aw_server_close(s), 0);
    assert_int_equal(aw_join(t), 0);
    aw_server_unref(s);
}

static int wait_for_the_end(void *arg)
{
    return aw_server_wait_closed(arg);
}

// NET-003: wait-closed blocks as long as the server is open, even with no connection.
TEST_IN_LOOP(NET_003_wait_closed_blocks_while_open)
{
    aw_server *s = serve_on_loopback(echo, NULL);
    aw_task *t = aw_create_task(wait_for_the_end, s);
    passes(5);
    assert_false(aw_done(t));
    aw_server_close(s);
    assert_int_equal(aw_join(t), 0);
    aw_server_unref(s);
}

// NET-004: after close, wait-closed still blocks until the last connection is gone; then all
// waiters are released and later calls return at once.
TEST_IN_LOOP(NET_004_wait_closed_blocks_until_the_last_connection_is_gone)
{
    aw_server *s = serve_on_loopback(echo, NULL);
    aw_stream *c = connect_to_server(s);
    assert_echo(c, "one");
    aw_task *t = aw_create_task(wait_for_the_end, s), *u = aw_create_task(wait_for_the_end, s);
    aw_server_close(s);
    passes(5);
    assert_false(aw_done(t) || aw_done(u));
    assert_echo(c, "two"); /* it goes on */
    hang_up(c);
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(aw_join(u), 0);
    AW_EXPECT_NO_SUSPEND(aw_server_wait_closed(s));
    aw_server_unref(s);
}

static aw_stream *left;

static int leave(aw_stream *s, void *arg)
{
    (void)arg;
    assert_int_equal(aw_server_leave(NULL), -EINVAL);
    AW_TRY(aw_server_leave(s));
    left = aw_stream_ref(s);
    return 0;
}

TEST_IN_LOOP(server_connection_that_has_left_outlives_handler_and_server)
{
    aw_server *s = serve_on_loopback(leave, NULL);
    aw_stream *c = connect_to_server(s);
    WAIT_UNTIL(left != NULL);
    passes(3);
    assert_int_equal(aw_server_connections(s), 0);
    aw_server_close(s);
    assert_int_equal(aw_server_wait_closed(s), 0);
    aw_server_unref(s);
    char buf[8];
    assert_int_equal(aw_stream_write(left, "hello", 5), 0);
    assert_int_equal(aw_stream_readexactly(c, buf, 5), 0);
    aw_stream_unref(left); /* the last handle closes it */
    assert_int_equal(aw_stream_read(c, buf, sizeof buf), 0);
    hang_up(c);
}

// NET-005: closing a server's clients ends all its connections: a waiter on the closed server is
// released within two passes, or a few more where the kernel has to give a buffer back first.
TEST_IN_LOOP(NET_005_closing_clients_ends_connections)
{
    aw_server *s = serve_on_loopback(sink, NULL);
    aw_stream *c = connect_to_server(s);
    WAIT_UNTIL(aw_server_connections(s) == 1);
    aw_task *t = aw_create_task(wait_for_the_end, s);
    passes(3);
    aw_server_close(s);
    passes(3); /* its sockets are closed */
    assert_false(aw_done(t));
    assert_int_equal(aw_server_close_clients(s), 0);
    int n = 0;
    for (; !aw_done(t); n++)
        passes(1);
    printf("%d passes\n", n);
    assert_true(n <= 4);
    assert_int_equal(aw_join(t), 0);
    assert_true(has_ended(c));
    hang_up(c);
    aw_server_unref(s);
}

/* Writes until nobody takes it, and more. */
static int flood(aw_stream *s, void *arg)
{
    static char block[65536];
    (void)arg;
    while (aw_stream_write(s, block, sizeof block) == 0)
        if (aw_stream_drain(s) < 0)
            break;
    return 0;
}

// NET-006: aborting a server's clients ends connections even when their buffers are full and nobody
// reads.
TEST_IN_LOOP(NET_006_aborting_clients_ends_full_connections)
{
    aw_server *s = serve_on_loopback(flood, NULL);
    aw_address a;
    aw_server_address(s, 0, &a);
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* nobody reads from it */
    assert_int_equal(connect(fd, (struct sockaddr *)&a.place, a.size), 0);
    aw_task *t = aw_create_task(wait_for_the_end, s);
    WAIT_UNTIL(aw_server_connections(s) == 1);
    assert_int_equal(aw_wait_all_blocked(), 0);
    aw_server_close(s);
    aw_server_close_clients(s);
    passes(10);
    assert_false(aw_done(t));
    assert_int_equal(aw_server_abort_clients(s), 0);
    assert_int_equal(aw_join(t), 0);
    close(fd);
    aw_server_unref(s);
}

// NET-007: a server on a port already in use fails with EADDRINUSE.
TEST_IN_LOOP(NET_007_port_in_use)
{
    aw_server *s = serve_on_loopback(echo, NULL), *other = (void *)s;
    int before = count_descriptors();
    assert_int_equal(aw_start_server(&other, echo, "127.0.0.1", port_of_server(s)), -EADDRINUSE);
    assert_null(other);
    assert_non_null(strstr(aw_errmsg(), port_of_server(s)));
    assert_int_equal(count_descriptors(), before);
    end_server(s);
}

// NET-008: a server may be given a bound socket; a datagram socket, or a socket together with host
// and port, fails with EINVAL.
TEST_IN_LOOP(NET_008_given_sockets)
{
    char port[8];
    aw_server *s;
    int fds[2] = {plain_listener("127.0.0.1", -1, port), plain_listener("127.0.0.1", 5, port)};
    int datagram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(aw_start_server(&s, echo, NULL, NULL, .sockets = &datagram, .n_sockets = 1),
                     -EINVAL);
    assert_int_equal(aw_start_server(&s, echo, "127.0.0.1", "0", .sockets = fds, .n_sockets = 2),
                     -EINVAL);
    assert_int_equal(aw_start_server(&s, echo, NULL, NULL, .sockets = fds), -EINVAL);
    assert_int_equal(aw_start_server(&s, echo, NULL, NULL, .sockets = fds, .n_sockets = 2), 0);
    assert_int_equal(aw_server_sockets(s), 2);
    aw_stream *c = connect_to_port(port), *d = connect_to_server(s);
    assert_echo(c, "given");
    assert_echo(d, "too");
    hang_up(c);
    hang_up(d);
    end_server(s);
    assert_int_equal(fcntl(fds[0], F_GETFD), -1); /* they were the server's */
    assert_int_equal(fcntl(fds[1], F_GETFD), -1);
    assert_true(fcntl(datagram, F_GETFD) >= 0);
    close(datagram);
}

static int receive_five(void *arg)
{
    char buf[16];
    ssize_t n = aw_recv(*(int *)arg, buf, sizeof buf, 0);
    return (int)n;
}

// NET-010: a socket receive that was cancelled takes no data: the next receive on the socket gets
// all of it.
TEST_IN_LOOP(NET_010_cancelled_receive_takes_nothing)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    for (int i = 0; i < 50; i++) {
        aw_task *t = aw_create_task(receive_five, &ends[0]);
        passes(i % 3);
        aw_cancel(t);
        assert_int_equal(write(ends[1], "12345", 5), 5);
        int n = aw_join(t);
        assert_true(n == -ECANCELED || n == 5);
        if (n < 0)
            assert_int_equal(receive_five(&ends[0]), 5);
    }
    close(ends[0]);
    close(ends[1]);
}

struct accepting {
    int fd, got;
    aw_address from;
};

static int accept_it(void *arg)
{
    struct accepting *a = arg;
    aw_socklen size = sizeof a->from.place;
    a->got = aw_accept(a->fd, (struct sockaddr *)&a->from.place, &size);
    a->from.size = (socklen_t)size;
    return a->got;
}

// NET-011: accepting gives a non-blocking socket and the peer's address; an accept given up on
// timeout takes no connection, and once its listener is closed later connects are refused.
TEST_IN_LOOP(NET_011_accepting)
{
    char port[8];
    aw_address local;
    aw_stream *c, *d;
    struct accepting a = {.fd = plain_listener("127.0.0.1", 5, port)};
    c = connect_to_port(port);
    assert_true(accept_it(&a) >= 0);
    assert_true(fcntl(a.got, F_GETFL) & O_NONBLOCK);
    assert_int_equal(fcntl(a.got, F_GETFD), FD_CLOEXEC);
    aw_local_address(aw_stream_fd(c), &local);
    assert_true(aw_address_equal(&a.from, &local));
    close(a.got);
    hang_up(c);
    assert_int_equal(aw_timeout_call(0.01, accept_it, &a), -ETIMEDOUT);
    d = connect_to_port(port);
    assert_true(accept_it(&a) >= 0); /* it was left for this one */
    close(a.got);
    hang_up(d);
    assert_int_equal(aw_timeout_call(0.01, accept_it, &a), -ETIMEDOUT);
    close(a.fd);
    assert_int_equal(aw_open_connection(&c, "127.0.0.1", port), -ECONNREFUSED);
}

/* ---- handlers ---- */

static int fail_at_once(aw_stream *s, void *arg)
{
    (void)s;
    return aw_raise((int)(intptr_t)arg, "the handler's own reason");
}

static int be_served_badly(void *arg)
{
    (void)arg;
    aw_server *s;
    assert_int_equal(aw_start_server(&s, fail_at_once, "127.0.0.1", "0", .arg = INT(-EXDEV)), 0);
    aw_stream *c = connect_to_server(s);
    assert_true(has_ended(c));
    hang_up(c);
    end_server(s);
    return 0;
}

// STRM-024: a client handler that fails is reported once to the exception handler and its
// connection is closed.
TEST(STRM_024_failing_handler_is_reported_once)
{
    assert_int_equal(aw_run(be_served_badly, NULL, .exception_handler = collect_report), 0);
    assert_int_equal(reports.error, -EXDEV);
    assert_string_equal(reports.fn_name, "fail_at_once");
    assert_string_equal(reports.detail, "the handler's own reason");
    assert_non_null(strstr(reports.name, "127.0.0.1:")); /* the peer */
    assert_non_null(strstr(reports.file, "server.c"));
    assert_reports(1);
}

/* What a handler has written is sent, though it does not wait for that. */
static int write_much(aw_stream *s, void *arg)
{
    static char block[1 << 20];
    return aw_stream_write(s, block, *(size_t *)arg);
}

TEST_IN_LOOP(server_sends_what_a_handler_has_written)
{
    size_t size = 1 << 20, got = 0;
    static char buf[65536];
    aw_server *s = serve_on_loopback(write_much, &size);
    aw_stream *c = connect_to_server(s);
    ssize_t n;
    while ((n = aw_stream_read(c, buf, sizeof buf)) > 0)
        got += (size_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(got, size);
    hang_up(c);
    end_server(s);
}

/* But not for ever, if nobody takes it. */
TEST_IN_LOOP(server_does_not_wait_for_ever_for_who_does_not_read)
{
    size_t size = 1 << 20;
    aw_server *s;
    aw_address a;
    assert_int_equal(
        aw_start_server(&s, write_much, "127.0.0.1", "0", .arg = &size, .close_timeout = 0.02), 0);
    aw_server_address(s, 0, &a);
    int fd = socket(AF_INET, SOCK_STREAM, 0), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    assert_int_equal(connect(fd, (struct sockaddr *)&a.place, a.size), 0);
    WAIT_UNTIL(aw_server_connections(s) == 1);
    end_server(s);
    close(fd);
}

static int sleep_in_handler(aw_stream *s, void *arg)
{
    (void)s;
    (*(int *)arg)++;
    return aw_sleep(1000);
}

TEST_IN_LOOP(server_is_not_held_up_by_a_slow_handler)
{
    int begun = 0;
    aw_stream *c[10];
    aw_server *s = serve_on_loopback(sleep_in_handler, &begun);
    for (int i = 0; i < 10; i++)
        c[i] = connect_to_server(s);
    WAIT_UNTIL(begun == 10);
    assert_int_equal(aw_server_shutdown(s), 10);
    for (int i = 0; i < 10; i++)
        hang_up(c[i]);
    aw_server_unref(s);
}

/* ---- several addresses ---- */

TEST_IN_LOOP(server_on_several_addresses)
{
    static const char *const more[] = {"127.0.0.2", "127.0.0.3", "127.0.0.1", NULL};
    aw_server *s;
    aw_address a;
    char text[AW_ADDRESS_TEXT];
    assert_int_equal(aw_start_server(&s, echo, "127.0.0.1", "0", .hosts = more), 0);
    assert_int_equal(aw_server_sockets(s), 3); /* each once */
    for (size_t i = 0; i < 3; i++) {
        aw_stream *c;
        assert_int_equal(aw_server_address(s, i, &a), 0);
        aw_address_host(&a, text, sizeof text);
        char port[8];
        snprintf(port, sizeof port, "%d", aw_address_port(&a));
        assert_int_equal(aw_open_connection(&c, text, port), 0);
        assert_echo(c, text);
        hang_up(c);
    }
    assert_int_equal(aw_server_address(s, 3, &a), -ENOENT);
    end_server(s);
}

TEST_IN_LOOP(server_on_all_interfaces)
{
    aw_server *s;
    aw_address a;
    assert_int_equal(aw_start_server(&s, echo, NULL, "0"), 0);
    assert_int_equal(aw_server_sockets(s), has_ipv6() ? 2 : 1);
    char port[8];
    aw_server_address(s, aw_server_sockets(s) - 1, &a);
    snprintf(port, sizeof port, "%d", aw_address_port(&a));
    aw_stream *c = connect_to_port(port);
    assert_echo(c, "anywhere");
    hang_up(c);
    end_server(s);
}

TEST_IN_LOOP(server_shares_a_port)
{
    aw_server *s, *t;
    assert_int_equal(aw_start_server(&s, echo, "127.0.0.1", "0", .reuse_port = true), 0);
    assert_int_equal(aw_start_server(&t, echo, "127.0.0.1", port_of_server(s), .reuse_port = true),
                     0);
    end_server(s);
    end_server(t);
}

TEST_IN_LOOP(server_bad_arguments)
{
    aw_server *s = (void *)&s;
    aw_address a;
    assert_int_equal(aw_start_server(&s, NULL, "127.0.0.1", "0"), -EINVAL);
    assert_null(s);
    assert_int_equal(aw_start_server((aw_server **)NULL, echo, "127.0.0.1", "0"), -EINVAL);
    assert_int_equal(aw_start_server(&s, echo, "127.0.0.1", NULL), -EINVAL);
    assert_int_equal(aw_start_server(&s, echo, "127.0.0.1", "0", .backlog = -1), -EINVAL);
    assert_int_equal(aw_start_server(&s, echo, "192.0.2.1", "0"), -EADDRNOTAVAIL);
    assert_non_null(strstr(aw_errmsg(), "192.0.2.1"));
    assert_int_equal(aw_server_close(NULL), -EINVAL);
    assert_int_equal(aw_server_wait_closed(NULL), -EINVAL);
    assert_int_equal(aw_server_address(NULL, 0, &a), -ENOENT);
    assert_int_equal(aw_server_sockets(NULL), 0);
    assert_int_equal(aw_server_connections(NULL), 0);
    assert_false(aw_server_is_serving(NULL));
    aw_server_unref(aw_server_ref(NULL));
    s = serve_on_loopback(echo, NULL);
    assert_int_equal(aw_server_shutdown(s, .grace = (double)NAN), -EINVAL);
    end_server(s);
}
