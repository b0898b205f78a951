/*
 * nets.c - scenarios of names, connections, servers and datagrams: whatever fails, somebody is
 * told, and no descriptor, path or task is left behind.
 *
 * Client and server are in one loop.  What the one sees of the other's failure (a connection that
 * is refused or ends) is passed on as the error that caused it.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "await/net.h"
#include "fault/inject.h"
#include "sys/net.h"

static bool is_consequence(long long err)
{
    return err == 0 || is_gone(err) || err == -ECONNREFUSED || err == -ENOENT ||
           err == -ECONNABORTED;
}

/* ---- names ---- */

/* Every name has these addresses: families in turns, the first of which nobody listens on. */
static int find_two(const char *host, const char *port, const struct addrinfo *hints,
                    struct addrinfo **ret)
{
    static const char *const ips[] = {"127.0.0.9", "127.0.0.1"};
    struct block {
        struct addrinfo info[2];
        struct sockaddr_in place[2];
    } *b = calloc(1, sizeof *b);
    (void)host;
    for (int i = 0; i < 2; i++) {
        b->place[i] = (struct sockaddr_in){.sin_family = AF_INET,
                                           .sin_addr.s_addr = inet_addr(ips[i]),
                                           .sin_port = htons((uint16_t)strtol(port, NULL, 10))};
        b->info[i] = (struct addrinfo){.ai_family = AF_INET,
                                       .ai_socktype = hints->ai_socktype,
                                       .ai_addr = (struct sockaddr *)&b->place[i],
                                       .ai_addrlen = sizeof b->place[i],
                                       .ai_next = i ? NULL : &b->info[1]};
    }
    *ret = b->info;
    return 0;
}

static int look_names_up(void *arg)
{
    aw_address *list;
    (void)arg;
    EXPECT(aw_resolve(&list, "127.0.0.1", "80"), 1);
    CHECK(aw_address_port(list) == 80);
    aw_addresses_free(list);
    EXPECT(aw_resolve(&list, NULL, "80", .passive = true), 2);
    aw_addresses_free(list);
    EXPECT(aw_resolve(&list, "two.test", "80"), 2);
    aw_addresses_free(list);
    EXPECT(aw_resolve(&list, "two.test", "80", .timeout = 100), 2);
    aw_addresses_free(list);
    CHECK(aw_resolve(&list, "", "80") == -EINVAL);
    return 0;
}

SCENARIO(names_looked_up)
{
    threads_take_part();
    inject_lookup_instead = find_two;
    int err = run_main(look_names_up, NULL);
    return err;
}

/* ---- serving ---- */

/* Streams poll if the kernel can have no buffers; accepting is tried again. */
static void may_do_without_buffers(void)
{
    may_be_silent(SITE_ALLOC);
    may_be_silent(SITE_MAP);
    may_be_silent(SITE_ACCEPT);
}

static int echo(aw_stream *s, void *arg)
{
    char buf[64];
    ssize_t n;
    (void)arg;
    while ((n = aw_stream_read(s, buf, sizeof buf)) > 0)
        AW_TRY(aw_stream_write(s, buf, (size_t)n));
    return (int)n;
}

static int say_and_hear(aw_stream *s)
{
    char buf[8];
    EXPECT_HERE(aw_stream_write(s, "hello", 5), 0);
    EXPECT_HERE(aw_stream_drain(s), 0);
    EXPECT_HERE(aw_stream_readexactly(s, buf, 5), 0);
    CHECK(memcmp(buf, "hello", 5) == 0);
    return 0;
}

static int say_and_hear_in_time(void *arg)
{
    return say_and_hear(arg);
}

/* A server that cannot accept does not answer. */
static int talk_and_hang_up(aw_stream *s)
{
    int err = disturbed() ? aw_timeout_call(0.3, say_and_hear_in_time, s) : say_and_hear(s);
    if (err == -ETIMEDOUT)
        err = expected_error;
    aw_stream_close(s);
    int closed = aw_stream_wait_closed(s);
    aw_stream_unref(s);
    return err < 0 ? err : is_consequence(closed) ? 0 : closed;
}

/* The end of every server here, in whatever state it is. */
static int end_server(aw_server *s, int err)
{
    aw_ignore(aw_server_close_clients(s));
    int left = aw_server_shutdown(s, .grace = 1);
    CHECK(left == -ECANCELED || !aw_server_is_serving(s));
    if (left < 0) /* once more, now that the request has been heard */
        aw_ignore(aw_server_shutdown(s));
    aw_server_unref(s);
    if (err < 0)
        return err;
    return left < 0 ? left : 0;
}

static int port_of(const aw_server *s, char port[8])
{
    aw_address a;
    int err = aw_server_address(s, 0, &a);
    if (disturbed() && err == -ENOENT)
        return expected_error;
    AW_TRY(err);
    snprintf(port, 8, "%d", aw_address_port(&a));
    return 0;
}

static int visit(aw_server *s)
{
    char port[8];
    aw_stream *c;
    AW_TRY(port_of(s, port));
    EXPECT_HERE(aw_open_connection(&c, "127.0.0.1", port, .keepalive = true), 0);
    return talk_and_hang_up(c);
}

static int serve_and_visit(void *arg)
{
    aw_server *s;
    (void)arg;
    AW_TRY(aw_start_server(&s, echo, "127.0.0.1", "0", .limit = 1));
    int err = visit(s);
    if (err == 0)
        err = visit(s);
    return end_server(s, err);
}

SCENARIO(server_visited)
{
    may_be_silent(SITE_SOCKET_NAME); /* addresses in names */
    may_do_without_buffers();
    may_be_silent(SITE_RING_ENTER);
    return run_main(serve_and_visit, NULL);
}

static int serve_forever(void *arg)
{
    return aw_server_serve_forever(arg, .grace = 1);
}

static int serve_for_ever_and_stop(void *arg)
{
    aw_server *s;
    aw_task *t;
    (void)arg;
    AW_TRY(aw_start_server(&s, echo, "127.0.0.1", "0", .start_later = true));
    t = aw_create_task(serve_forever, s);
    int err = t ? aw_sleep(0) : aw_errno();
    if (err == 0 && aw_server_is_serving(s))
        err = visit(s);
    aw_cancel(t);
    int served = t ? aw_join(t) : 0;
    if (err == 0 && served != -ECANCELED)
        err = served;
    CHECK_CALM(aw_server_sockets(s) == 0);
    return end_server(s, err);
}

SCENARIO(server_for_ever)
{
    may_be_silent(SITE_SOCKET_NAME);
    may_do_without_buffers();
    may_be_silent(SITE_RING_ENTER);
    return run_main(serve_for_ever_and_stop, NULL);
}

static int write_and_stay(aw_stream *s, void *arg)
{
    static char much[300000];
    (void)arg;
    AW_TRY(aw_stream_write(s, much, sizeof much));
    return aw_sleep(1000);
}

static int stay_a_moment(aw_server *s)
{
    char port[8];
    aw_stream *c;
    AW_TRY(port_of(s, port));
    EXPECT_HERE(aw_open_connection(&c, "127.0.0.1", port), 0);
    int err = 0;
    for (int i = 0; i < 20 && err == 0 && aw_server_connections(s) == 0; i++)
        err = aw_sleep(0);
    aw_ignore(aw_server_abort_clients(s));
    aw_stream_abort(c);
    aw_stream_unref(c);
    return err;
}

static int shut_down_a_busy_server(void *arg)
{
    aw_server *s;
    (void)arg;
    AW_TRY(aw_start_server(&s, write_and_stay, "127.0.0.1", "0"));
    int err = stay_a_moment(s);
    aw_server_unref(aw_server_ref(s));
    aw_ignore(aw_server_close(s));
    if (err == 0)
        err = aw_server_shutdown(s) < 0 ? -ECANCELED : 0;
    if (err == 0)
        err = aw_server_wait_closed(s);
    return end_server(s, err);
}

SCENARIO(server_shut_down)
{
    may_be_silent(SITE_SOCKET_NAME);
    may_do_without_buffers();
    may_be_silent(SITE_RING_ENTER);
    may_be_silent(SITE_EPOLL_CTL); /* nobody reads */
    return run_main(shut_down_a_busy_server, NULL);
}

/* ---- several addresses ---- */

/* The first refuses, the second is it. */
static int race_two(void *arg)
{
    aw_server *s;
    aw_stream *c;
    char port[8];
    (void)arg;
    AW_TRY(aw_start_server(&s, echo, "127.0.0.1", "0"));
    int err = port_of(s, port);
    if (err == 0)
        err = aw_open_connection(&c, "two.test", port, .local_host = "127.0.0.1");
    if (err == 0)
        err = talk_and_hang_up(c);
    else if (disturbed() && is_consequence(err))
        err = expected_error;
    return end_server(s, err);
}

SCENARIO(connection_raced)
{
    threads_take_part();
    may_be_silent(SITE_SOCKET_NAME);
    may_do_without_buffers();
    may_be_silent(SITE_RING_ENTER);
    may_be_silent(SITE_SOCKET); /* one of the two attempts may fail */
    may_be_silent(SITE_CONNECT);
    may_be_silent(SITE_BIND);
    may_be_silent(SITE_ALLOC);
    may_be_silent(SITE_EPOLL_CTL);
    may_be_silent(SITE_GET_FLAGS);
    inject_lookup_instead = find_two;
    return run_main(race_two, NULL);
}

/* ---- local sockets ---- */

static int visit_path(const char *path)
{
    aw_stream *c;
    EXPECT_HERE(aw_open_unix_connection(&c, path), 0);
    return talk_and_hang_up(c);
}

static int serve_at_path(void *arg)
{
    const char *path = arg;
    aw_server *s;
    int err = aw_start_unix_server(&s, echo, path);
    if (disturbed() && err == -EADDRINUSE) /* what was left behind could not be removed */
        return expected_error;
    AW_TRY(err);
    return end_server(s, visit_path(path));
}

SCENARIO(unix_server_takes_over)
{
    struct sockaddr_un place = {.sun_family = AF_UNIX};
    char dir[] = "/tmp/await-sweep-XXXXXX";
    CHECK(mkdtemp(dir));
    snprintf(place.sun_path, sizeof place.sun_path, "%s/s", dir);
    int old = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(old, (struct sockaddr *)&place, sizeof place) == 0);
    close(old);
    may_be_silent(SITE_SOCKET_NAME);
    may_do_without_buffers();
    may_be_silent(SITE_RING_ENTER);
    may_be_silent(SITE_SOCKET); /* whether somebody is there cannot be asked */
    may_be_silent(SITE_CONNECT);
    int err = run_main(serve_at_path, place.sun_path);
    unlink(place.sun_path);
    rmdir(dir);
    return err;
}

/* ---- datagrams ---- */

static int exchange(aw_datagram *one, aw_datagram *other)
{
    char buf[8];
    aw_address from;
    EXPECT(aw_datagram_send(one, "hello", 5), 5);
    EXPECT(aw_datagram_recvfrom(other, buf, sizeof buf, &from), 5);
    EXPECT(aw_datagram_sendto(other, "back", 4, &from), 4);
    EXPECT(aw_datagram_recv(one, buf, sizeof buf), 4);
    CHECK(aw_datagram_error(one) == 0);
    return 0;
}

struct two {
    aw_datagram *one, *other;
};

static int exchange_datagrams(void *arg)
{
    struct two *t = arg;
    aw_address a;
    char port[8];
    AW_TRY(aw_open_datagram(&t->other, .local_host = "127.0.0.1", .local_port = "0"));
    AW_TRY(aw_local_address(aw_datagram_fd(t->other), &a));
    snprintf(port, sizeof port, "%d", aw_address_port(&a));
    AW_TRY(aw_open_datagram(&t->one, .remote_host = "127.0.0.1", .remote_port = port,
                            .broadcast = true));
    return exchange(t->one, t->other);
}

/* Closed by whoever has them, also if the loop could not go on. */
SCENARIO(datagrams_exchanged)
{
    struct two t = {0};
    int err = run_main(exchange_datagrams, &t);
    CHECK(aw_datagram_close(t.one) == 0);
    CHECK(aw_datagram_close(t.other) == 0);
    return err;
}

/* ---- values ---- */

SCENARIO(addresses_and_options)
{
    char text[AW_ADDRESS_TEXT];
    aw_address a, b;
    int ends[2], value;
    CHECK(aw_address_parse(&a, "127.0.0.1:80") == 0 && aw_address_family(&a) == AF_INET);
    CHECK(aw_address_ip(&b, "127.0.0.1", 81) == 0 && aw_address_set_port(&b, 80) == 0);
    CHECK(aw_address_equal(&a, &b));
    CHECK(aw_address_format(&a, text, sizeof text) == 12);
    CHECK(aw_address_host(&a, text, sizeof text) == 9);
    CHECK(aw_address_unix(&a, "@name") == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    int err = aw_set_socket_option(ends[0], "SO_PASSCRED", 1);
    if (err == 0)
        err = aw_get_socket_option(ends[0], "SO_PASSCRED", &value);
    if (err == 0)
        err = aw_peer_address(ends[0], &b);
    close(ends[0]);
    close(ends[1]);
    return err;
}
