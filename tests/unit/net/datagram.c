/*
 * Sockets of datagrams: sent and received with addresses, cut, refused, over local paths.
 */
#include "names.h"

#include <fcntl.h>
#include <sys/stat.h>

static aw_datagram *open_loopback(void)
{
    aw_datagram *d;
    assert_int_equal(aw_open_datagram(&d, .local_host = "127.0.0.1", .local_port = "0"), 0);
    return d;
}

static const char *port_of(const aw_datagram *d)
{
    static char text[8];
    aw_address a;
    assert_int_equal(aw_local_address(aw_datagram_fd(d), &a), 0);
    snprintf(text, sizeof text, "%d", aw_address_port(&a));
    return text;
}

static aw_datagram *connect_to(const char *port)
{
    aw_datagram *d;
    assert_int_equal(aw_open_datagram(&d, .remote_host = "127.0.0.1", .remote_port = port), 0);
    return d;
}

TEST_IN_LOOP(datagram_sent_and_answered)
{
    char buf[16];
    aw_address from, peer;
    aw_datagram *server = open_loopback(), *client = connect_to(port_of(server));
    assert_int_equal(aw_datagram_send(client, "hello", 5), 5);
    assert_int_equal(aw_datagram_recvfrom(server, buf, sizeof buf, &from), 5);
    assert_memory_equal(buf, "hello", 5);
    aw_local_address(aw_datagram_fd(client), &peer);
    assert_true(aw_address_equal(&from, &peer));
    assert_int_equal(aw_datagram_sendto(server, "", 0, &from), 0);
    assert_int_equal(aw_datagram_recv(client, buf, sizeof buf), 0); /* an empty one */
    assert_int_equal(aw_datagram_error(client), 0);
    assert_int_equal(aw_datagram_close(client), 0);
    assert_int_equal(aw_datagram_close(server), 0);
}

TEST_IN_LOOP(datagram_that_is_cut_tells_its_length)
{
    char buf[4];
    aw_datagram *server = open_loopback(), *client = connect_to(port_of(server));
    assert_int_equal(aw_datagram_send(client, "0123456789", 10), 10);
    assert_int_equal(aw_datagram_send(client, "ab", 2), 2);
    assert_int_equal(aw_datagram_recv(server, buf, sizeof buf), 10);
    assert_memory_equal(buf, "0123", 4);
    assert_int_equal(aw_datagram_recv(server, buf, sizeof buf), 2); /* the rest is gone */
    static char huge[70000];
    assert_int_equal(aw_datagram_send(client, huge, sizeof huge), -EMSGSIZE);
    aw_datagram_close(client);
    aw_datagram_close(server);
}

struct hearing {
    aw_datagram *d;
    char buf[16];
};

static int hear(void *arg)
{
    struct hearing *h = arg;
    return (int)aw_datagram_recv(h->d, h->buf, sizeof h->buf);
}

// NET-012: a datagram sent to an address nobody listens on does not stop its sender from receiving
// later datagrams.
TEST_IN_LOOP(NET_012_refused_datagram_does_not_stop_receiving)
{
    aw_datagram *gone = open_loopback();
    char port[8];
    snprintf(port, sizeof port, "%s", port_of(gone));
    struct hearing h = {.d = connect_to(port)};
    aw_datagram_close(gone);
    assert_int_equal(aw_datagram_send(h.d, "nobody", 6), 6);
    aw_task *t = aw_create_task(hear, &h); /* finds the refusal, and waits on */
    passes(5);
    assert_false(aw_done(t));
    assert_int_equal(aw_datagram_send(h.d, "again", 5), 5);
    assert_int_equal(aw_datagram_send(h.d, "again", 5), 5);
    passes(5);
    assert_int_equal(aw_datagram_error(h.d), -ECONNREFUSED);
    aw_datagram *back;
    assert_int_equal(aw_open_datagram(&back, .local_host = "127.0.0.1", .local_port = port), 0);
    aw_address to;
    aw_local_address(aw_datagram_fd(h.d), &to);
    assert_int_equal(aw_datagram_sendto(back, "back", 4, &to), 4);
    assert_int_equal(aw_join(t), 4);
    assert_memory_equal(h.buf, "back", 4);
    aw_datagram_close(back);
    aw_datagram_close(h.d);
}

/* Not connected: others are sent to meanwhile. */
TEST_IN_LOOP(datagram_refused_by_one_of_many)
{
    aw_datagram *gone = open_loopback(), *d = open_loopback(), *other = open_loopback();
    aw_address nobody, somebody;
    char buf[8];
    aw_local_address(aw_datagram_fd(gone), &nobody);
    aw_local_address(aw_datagram_fd(other), &somebody);
    aw_datagram_close(gone);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(aw_datagram_sendto(d, "x", 1, &nobody), 1);
        assert_int_equal(aw_datagram_sendto(d, "yz", 2, &somebody), 2);
        assert_int_equal(aw_datagram_recv(other, buf, sizeof buf), 2);
    }
    aw_datagram_close(d);
    aw_datagram_close(other);
}

TEST_IN_LOOP(datagram_receiving_is_cancelled)
{
    struct hearing h = {.d = open_loopback()};
    aw_task *t = aw_create_task(hear, &h);
    passes(2);
    assert_int_equal(aw_datagram_close(h.d), AW_EMISUSE);
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
    aw_address to;
    aw_local_address(aw_datagram_fd(h.d), &to);
    assert_int_equal(aw_datagram_sendto(h.d, "me", 2, &to), 2);
    assert_int_equal(hear(&h), 2); /* nothing was taken */
    aw_datagram_close(h.d);
}

TEST_IN_LOOP(datagram_over_local_paths)
{
    char dir[] = "/tmp/await-datagram-XXXXXX", path[64], buf[8];
    struct stat st;
    aw_datagram *server, *client, *second;
    aw_address from;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    assert_int_equal(aw_open_datagram(&server, .path = path), 0);
    assert_int_equal(aw_open_datagram(&second, .path = path), -EADDRINUSE); /* it lives */
    assert_non_null(strstr(aw_errmsg(), path));
    assert_int_equal(aw_open_datagram(&client, .path = "@await-test-datagram", .remote_path = path),
                     0);
    assert_int_equal(aw_datagram_send(client, "hi", 2), 2);
    assert_int_equal(aw_datagram_recvfrom(server, buf, sizeof buf, &from), 2);
    aw_address_format(&from, buf, sizeof buf);
    assert_memory_equal(buf, "@await-", 7);
    aw_datagram_close(client);
    aw_datagram_close(server);
    assert_int_equal(stat(path, &st), -1);
    assert_int_equal(rmdir(dir), 0);
}

TEST_IN_LOOP(datagram_options)
{
    aw_datagram *d, *e;
    int value;
    assert_int_equal(aw_open_datagram(&d, .local_host = "127.0.0.1", .local_port = "0",
                                      .reuse_port = true, .broadcast = true),
                     0);
    assert_int_equal(aw_get_socket_option(aw_datagram_fd(d), "SO_BROADCAST", &value), 0);
    assert_int_equal(value, 1);
    assert_int_equal(aw_open_datagram(&e, .local_host = "127.0.0.1", .local_port = port_of(d)),
                     -EADDRINUSE);
    assert_int_equal(aw_open_datagram(&e, .local_host = "127.0.0.1", .local_port = port_of(d),
                                      .reuse_port = true),
                     0);
    aw_datagram_close(e);
    aw_datagram_close(d);
    assert_int_equal(aw_open_datagram(&d, .family = AF_INET), 0);
    int given = dup(aw_datagram_fd(d));
    assert_int_equal(aw_open_datagram(&e, .socket = &given), 0);
    assert_int_equal(aw_datagram_fd(e), given);
    aw_datagram_close(e);
    aw_datagram_close(d);
    assert_int_equal(fcntl(given, F_GETFD), -1);
}

TEST_IN_LOOP(datagram_that_cannot_be_sent_names_its_address)
{
    static char huge[100000];
    aw_datagram *d;
    aw_address to;
    assert_int_equal(aw_open_datagram(&d, .family = AF_INET), 0);
    assert_int_equal(aw_address_ip(&to, "127.0.0.1", 9), 0);
    assert_int_equal(aw_datagram_sendto(d, huge, sizeof huge, &to), -EMSGSIZE);
    assert_non_null(strstr(aw_errmsg(), "100000 bytes to 127.0.0.1:9"));
    assert_int_equal(aw_datagram_send(d, huge, 1), -EDESTADDRREQ);
    assert_non_null(strstr(aw_errmsg(), "to its peer"));
    assert_int_equal(aw_datagram_close(d), 0);
}

TEST_IN_LOOP(datagram_bad_arguments)
{
    aw_datagram *d = (void *)names.addresses;
    char buf[4] = "";
    int stream = socket(AF_INET, SOCK_STREAM, 0);
    names_install();
    NAMES("127.0.0.1");
    assert_int_equal(aw_open_datagram(&d), -EINVAL);
    assert_null(d);
    assert_int_equal(aw_open_datagram((aw_datagram **)NULL, .family = AF_INET), -EINVAL);
    assert_int_equal(aw_open_datagram(&d, .path = "@x", .local_port = "0"), -EINVAL);
    assert_int_equal(aw_open_datagram(&d, .socket = &stream), -EINVAL);
    assert_int_equal(aw_open_datagram(&d, .local_host = "192.0.2.1", .local_port = "0"),
                     -EADDRNOTAVAIL);
    assert_non_null(strstr(aw_errmsg(), "192.0.2.1"));
    assert_int_equal(
        aw_open_datagram(&d, .local_host = "::1", .remote_host = "a.test", .remote_port = "1"),
        -EAFNOSUPPORT);
    close(stream);
    assert_int_equal(aw_datagram_recv(NULL, buf, 4), -EINVAL);
    assert_int_equal(aw_datagram_close(NULL), 0);
    assert_int_equal(aw_datagram_fd(NULL), -EINVAL);
    d = open_loopback();
    assert_int_equal(aw_datagram_recv(d, NULL, 4), -EINVAL);
    assert_int_equal(aw_datagram_sendto(d, buf, 4, NULL), -EINVAL);
    int err = (int)aw_datagram_send(d, buf, 4);
    assert_true(err == -EDESTADDRREQ || err == -ENOTCONN);
    aw_datagram_close(d);
}
