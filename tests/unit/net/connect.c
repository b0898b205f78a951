/*
 * Connecting: by number and by name, racing several addresses, errors that name all of them; and to
 * local sockets.
 */
#include <math.h>

#include "serving.h"

static const char *why(void)
{
    return aw_errmsg();
}

#define assert_says(text)                                                                          \
    do {                                                                                           \
        if (!strstr(why(), (text)))                                                                \
            fail_msg("'%s' does not say '%s'", why(), (text));                                     \
    } while (0)

static int option_of(const aw_stream *s, const char *name)
{
    int value = -1;
    assert_int_equal(aw_get_socket_option(aw_stream_fd(s), name, &value), 0);
    return value;
}

TEST_IN_LOOP(connect_and_talk)
{
    aw_server *server = serve_on_loopback(echo, NULL);
    aw_stream *s = connect_to_server(server);
    assert_echo(s, "hello");
    assert_true(option_of(s, "TCP_NODELAY"));
    assert_false(option_of(s, "SO_KEEPALIVE"));
    hang_up(s);
    assert_int_equal(aw_open_connection(&s, "127.0.0.1", port_of_server(server), .nagle = true,
                                        .keepalive = true, .stream = {.limit = 10}),
                     0);
    assert_false(option_of(s, "TCP_NODELAY"));
    assert_true(option_of(s, "SO_KEEPALIVE"));
    assert_int_equal(aw_stream_write(s, "more than ten bytes\n", 20), 0);
    char *line;
    assert_int_equal(aw_stream_readline(s, &line), AW_ELIMIT);
    hang_up(s);
    end_server(server);
}

TEST_IN_LOOP(connect_by_name)
{
    aw_stream *s;
    aw_server *server = serve_on_loopback(echo, NULL);
    names_install();
    NAMES("127.0.0.1");
    assert_int_equal(aw_open_connection(&s, "server.test", port_of_server(server)), 0);
    assert_echo(s, "named");
    hang_up(s);
    end_server(server);
}

TEST_IN_LOOP(connect_from_a_local_address)
{
    aw_stream *s;
    aw_address from;
    char text[AW_ADDRESS_TEXT], port[8];
    aw_server *server = serve_on_loopback(echo, NULL);
    snprintf(port, sizeof port, "%s", port_of_server(server));
    assert_int_equal(aw_open_connection(&s, "127.0.0.1", port, .local_host = "127.0.0.7"), 0);
    aw_local_address(aw_stream_fd(s), &from);
    aw_address_host(&from, text, sizeof text);
    assert_string_equal(text, "127.0.0.7");
    hang_up(s);
    assert_int_equal(aw_open_connection(&s, "127.0.0.1", port, .local_host = "::1"),
                     -EADDRNOTAVAIL);
    assert_says("local address");
    int held = plain_listener("127.0.0.1", 1, text);
    assert_int_equal(
        aw_open_connection(&s, "127.0.0.1", port, .local_host = "127.0.0.1", .local_port = text),
        -EADDRINUSE);
    close(held);
    end_server(server);
}

// NET-009: connecting when every address fails reports the failures of all of them; connecting with
// neither address nor socket fails with EINVAL.
TEST_IN_LOOP(NET_009_all_failures_are_reported)
{
    char port[8];
    aw_stream *s = (void *)port;
    int fd = plain_listener("127.0.0.1", -1, port); /* bound, and does not listen */
    int before = count_descriptors();
    names_install();
    NAMES("127.0.0.1", "127.0.0.2", "127.0.0.3");
    assert_int_equal(aw_open_connection(&s, "three.test", port), -ECONNREFUSED);
    assert_null(s);
    assert_says("three.test");
    assert_says("127.0.0.1:");
    assert_says("127.0.0.2:");
    assert_says("127.0.0.3:");
    assert_says(port);
    assert_says(aw_strerror(-ECONNREFUSED));
    assert_int_equal(aw_open_connection(&s, "127.0.0.1", port), -ECONNREFUSED);
    assert_says("127.0.0.1:");
    assert_int_equal(count_descriptors(), before);
    close(fd);
    assert_int_equal(aw_open_connection(&s, NULL, NULL), -EINVAL);
    assert_int_equal(aw_open_connection(&s, NULL, "80"), -EINVAL);
}

TEST_IN_LOOP(connect_bad_arguments)
{
    aw_stream *s;
    int ends[2], datagram = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(aw_open_connection((aw_stream **)NULL, "::1", "80"), -EINVAL);
    assert_int_equal(aw_open_connection(&s, "::1", NULL), -EINVAL);
    assert_int_equal(aw_open_connection(&s, "::1", "80", .stream = {.high = 1, .low = 2}), -EINVAL);
    assert_int_equal(aw_open_connection(&s, "", "80"), -EINVAL);
    assert_int_equal(aw_open_connection(&s, "::1", "80", .socket = &datagram), -EINVAL);
    assert_int_equal(aw_open_connection(&s, NULL, NULL, .socket = &datagram), -EINVAL);
    assert_int_equal(aw_open_connection(&s, NULL, NULL, .socket = &ends[0]), -EINVAL);
    assert_int_equal(aw_open_connection(&s, "::1", "80", .happy_eyeballs_delay = -1), -EINVAL);
    close(datagram);
    close(ends[0]);
    close(ends[1]);
    int unconnected = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(aw_open_connection(&s, NULL, NULL, .socket = &unconnected), -ENOTCONN);
    close(unconnected);
}

TEST_IN_LOOP(connect_takes_a_connected_socket)
{
    aw_stream *s;
    aw_address a;
    aw_server *server = serve_on_loopback(echo, NULL);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    aw_server_address(server, 0, &a);
    assert_int_equal(connect(fd, (struct sockaddr *)&a.place, a.size), 0);
    assert_int_equal(aw_open_connection(&s, NULL, NULL, .socket = &fd), 0);
    assert_int_equal(aw_stream_fd(s), fd);
    assert_true(option_of(s, "TCP_NODELAY"));
    assert_echo(s, "given");
    hang_up(s);
    end_server(server);
}

/* A server that has the port of a deaf one at another address; another program may have that. */
static aw_server *serve_beside(struct deaf *deaf)
{
    aw_server *server;
    for (;;) {
        *deaf = go_deaf("127.0.0.2");
        int err = aw_start_server(&server, echo, "127.0.0.1", deaf->port);
        if (err == 0)
            return server;
        assert_int_equal(err, -EADDRINUSE);
        end_deafness(deaf);
    }
}

/* ---- happy eyeballs ---- */

/* The first address neither accepts nor refuses: the second is tried after the delay, and wins. */
TEST_IN_LOOP(connect_overtakes_an_address_that_hangs)
{
    aw_stream *s;
    aw_address a;
    char text[AW_ADDRESS_TEXT];
    struct deaf deaf;
    aw_server *server = serve_beside(&deaf);
    int before = count_descriptors();
    names_install();
    NAMES("127.0.0.2", "127.0.0.1");
    double began = aw_time();
    assert_int_equal(aw_open_connection(&s, "two.test", deaf.port, .happy_eyeballs_delay = 0.01),
                     0);
    assert_true(aw_time() - began >= 0.01);
    aw_peer_address(aw_stream_fd(s), &a);
    aw_address_host(&a, text, sizeof text);
    assert_string_equal(text, "127.0.0.1");
    assert_echo(s, "second");
    assert_int_equal(count_descriptors(), before + 2); /* both ends of the one, not the other's */
    hang_up(s);
    end_server(server);
    end_deafness(&deaf);
}

/* A refusal is not waited upon. */
TEST_IN_LOOP(connect_goes_on_at_once_after_a_failure)
{
    aw_stream *s;
    aw_server *server = serve_on_loopback(echo, NULL);
    names_install();
    NAMES("127.0.0.5", "127.0.0.4", "127.0.0.1");
    assert_int_equal(
        aw_open_connection(&s, "three.test", port_of_server(server), .happy_eyeballs_delay = 1000),
        0);
    assert_true(aw_time() < 1e9);
    assert_echo(s, "third");
    hang_up(s);
    end_server(server);
}

/* One at a time, if the delay has no end. */
TEST_IN_LOOP(connect_without_happy_eyeballs)
{
    aw_stream *s;
    struct deaf deaf;
    aw_server *server = serve_beside(&deaf);
    int before = count_descriptors();
    names_install();
    NAMES("127.0.0.2", "127.0.0.1");
    assert_int_equal(aw_open_connection(&s, "two.test", deaf.port, .timeout = 0.02,
                                        .happy_eyeballs_delay = INFINITY),
                     -ETIMEDOUT);
    assert_says("two.test");
    assert_int_equal(count_descriptors(), before);
    end_server(server);
    end_deafness(&deaf);
}

static struct aw_sys_table real;
static char order[16];

static int noting_socket(int family, int type, int protocol)
{
    if (type == SOCK_STREAM) {
        size_t n = strlen(order);
        order[n] = family == AF_INET ? '4' : '6';
    }
    return real.socket(family, type, protocol);
}

static void assert_order(unsigned count, const char *expected)
{
    aw_stream *s;
    char port[8];
    int fd = plain_listener("127.0.0.1", -1, port);
    memset(order, 0, sizeof order);
    int err = aw_open_connection(&s, "many.test", port, .interleave = count);
    assert_true(err < 0);
    assert_string_equal(order, expected);
    close(fd);
}

TEST_IN_LOOP(connect_takes_families_in_turns)
{
    names_install();
    real = aw_sys;
    aw_sys.socket = noting_socket;
    NAMES("127.0.0.1", "127.0.0.2", "127.0.0.3", "::1", "::1");
    assert_order(0, "46464");
    assert_order(1, "46464");
    assert_order(2, "44646");
    assert_order(9, "44466");
    NAMES("::1", "127.0.0.1", "127.0.0.2");
    assert_order(0, "644");
    NAMES("127.0.0.1", "127.0.0.2");
    assert_order(0, "44");
    aw_sys = real;
}

TEST_IN_LOOP(connect_by_ipv6)
{
    aw_stream *s;
    aw_server *server;
    if (!has_ipv6())
        SKIP("no IPv6 here");
    assert_int_equal(aw_start_server(&server, echo, "::1", "0"), 0);
    names_install();
    NAMES("127.0.0.1", "::1");
    assert_int_equal(aw_open_connection(&s, "both.test", port_of_server(server)), 0);
    assert_echo(s, "six");
    hang_up(s);
    end_server(server);
}

/* Two connect at about the same time: one is it, the other is closed. */
TEST_IN_LOOP(connect_has_one_winner)
{
    aw_stream *s;
    aw_server *server = serve_on_loopback(sink, NULL), *other;
    assert_int_equal(aw_start_server(&other, sink, "127.0.0.2", port_of_server(server)), 0);
    names_install();
    NAMES("127.0.0.1", "127.0.0.2");
    for (int i = 0; i < 20; i++) {
        int before = count_descriptors();
        assert_int_equal(aw_open_connection(&s, "two.test", port_of_server(server),
                                            .happy_eyeballs_delay = 1e-9),
                         0);
        WAIT_UNTIL(aw_server_connections(server) + aw_server_connections(other) == 1);
        assert_int_equal(count_descriptors(), before + 2);
        hang_up(s);
        WAIT_UNTIL(aw_server_connections(server) + aw_server_connections(other) == 0);
    }
    end_server(server);
    end_server(other);
}

/* ---- given up ---- */

static int connect_to_the_deaf(void *arg)
{
    aw_stream *s;
    int err = aw_open_connection(&s, "127.0.0.2", arg);
    return err;
}

static int connect_to_two(void *arg)
{
    aw_stream *s;
    return aw_open_connection(&s, "two.test", arg);
}

TEST_IN_LOOP(connect_within_a_time_limit)
{
    aw_stream *s;
    struct deaf deaf = go_deaf("127.0.0.2");
    int before = count_descriptors();
    assert_int_equal(aw_open_connection(&s, "127.0.0.2", deaf.port, .timeout = 0.01), -ETIMEDOUT);
    assert_null(s);
    assert_says("127.0.0.2");
    assert_int_equal(aw_open_connection(&s, "127.0.0.2", deaf.port, .timeout = -1), -ETIMEDOUT);
    assert_int_equal(count_descriptors(), before);
    end_deafness(&deaf);
}

TEST_IN_LOOP(connect_cancelled_closes_its_sockets)
{
    struct deaf deaf = go_deaf("127.0.0.2");
    int before = count_descriptors();
    aw_task *t = aw_create_task(connect_to_the_deaf, deaf.port);
    passes(3);
    assert_false(aw_done(t));
    assert_int_equal(count_descriptors(), before + 1);
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_int_equal(count_descriptors(), before);
    names_install();
    NAMES("127.0.0.2", "127.0.0.2");
    t = aw_create_task(connect_to_two, deaf.port);
    WAIT_UNTIL(count_descriptors() == before + 1);
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_int_equal(count_descriptors(), before);
    end_deafness(&deaf);
}

/* ---- local sockets ---- */

TEST_IN_LOOP(connect_to_local_sockets)
{
    aw_stream *s;
    aw_server *server;
    char dir[] = "/tmp/await-connect-XXXXXX", path[64], longer[200];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    assert_int_equal(aw_open_unix_connection(&s, path), -ENOENT);
    assert_says(path);
    assert_int_equal(aw_start_unix_server(&server, echo, path), 0);
    assert_int_equal(aw_open_unix_connection(&s, path), 0);
    assert_echo(s, "local");
    hang_up(s);
    end_server(server);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(aw_start_unix_server(&server, echo, "@await-test-connect"), 0);
    assert_int_equal(aw_open_unix_connection(&s, "@await-test-connect"), 0);
    assert_echo(s, "abstract");
    hang_up(s);
    end_server(server);
    assert_int_equal(aw_open_unix_connection(&s, "@await-test-connect"), -ECONNREFUSED);
    memset(longer, 'x', sizeof longer);
    longer[150] = '\0';
    assert_int_equal(aw_open_unix_connection(&s, longer), -ENAMETOOLONG);
}

static int accept_soon(void *arg)
{
    int fd = *(int *)arg;
    AW_TRY(aw_sleep(0.01));
    for (;;) {
        int client = aw_accept(fd, NULL, NULL);
        AW_TRY(client);
        AW_TRY(aw_close(client));
    }
}

/* The queue of the listener is full: its clients wait for room. */
TEST_IN_LOOP(connect_to_a_busy_local_socket)
{
    aw_stream *s[8] = {0};
    aw_address a;
    int n = 0, err = 0, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    aw_address_unix(&a, "@await-test-busy");
    assert_int_equal(bind(fd, (struct sockaddr *)&a.place, a.size), 0);
    assert_int_equal(listen(fd, 0), 0);
    while (n < 8 && err == 0)
        err = aw_open_unix_connection(&s[n++], "@await-test-busy", .timeout = 0.02);
    assert_int_equal(err, -ETIMEDOUT);
    assert_says("@await-test-busy");
    aw_task *t = aw_create_task(accept_soon, &fd);
    assert_int_equal(aw_open_unix_connection(&s[--n], "@await-test-busy"), 0);
    for (; n >= 0; n--)
        hang_up(s[n]);
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
    close(fd);
}
