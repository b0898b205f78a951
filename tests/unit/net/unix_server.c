/*
 * Servers on local sockets: paths taken over from the dead, left to the living; and the abstract
 * namespace.
 */
#include "serving.h"

#include <sys/stat.h>
#include <sys/un.h>

/* A folder of the test's own, and a path in it. */
struct corner {
    char dir[32], path[64];
};

static struct corner open_corner(void)
{
    struct corner c = {.dir = "/tmp/await-unix-XXXXXX"};
    assert_non_null(mkdtemp(c.dir));
    snprintf(c.path, sizeof c.path, "%s/sock", c.dir);
    return c;
}

static void close_corner(const struct corner *c)
{
    unlink(c->path);
    assert_int_equal(rmdir(c->dir), 0);
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

/* A socket bound to the path, by somebody else. */
static int bind_plainly(const char *path, int type)
{
    aw_address a;
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    assert_int_equal(aw_address_unix(&a, path), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a.place, a.size), 0);
    return fd;
}

static aw_server *serve_at(const char *path)
{
    aw_server *s;
    int err = aw_start_unix_server(&s, echo, path);
    if (err < 0)
        fail_msg("%s: %s", aw_error_name(err), aw_errmsg());
    return s;
}

static void assert_served(const char *path)
{
    aw_stream *c;
    assert_int_equal(aw_open_unix_connection(&c, path), 0);
    assert_echo(c, "local");
    hang_up(c);
}

// SIG-010: a Unix server takes over a path left behind by an old socket; a path held by an ordinary
// file fails with EADDRINUSE.
TEST_IN_LOOP(SIG_010_unix_server_takes_a_path_over)
{
    struct corner c = open_corner();
    aw_server *s;
    close(bind_plainly(c.path, SOCK_STREAM));
    assert_true(exists(c.path));
    s = serve_at(c.path);
    assert_served(c.path);
    end_server(s);
    assert_false(exists(c.path));
    close(open(c.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    assert_int_equal(aw_start_unix_server(&s, echo, c.path), -EADDRINUSE);
    assert_non_null(strstr(aw_errmsg(), c.path));
    assert_true(exists(c.path));
    close_corner(&c);
}

/* Nobody is driven out: neither a server nor a socket of datagrams. */
TEST_IN_LOOP(unix_server_leaves_the_living_alone)
{
    struct corner c = open_corner();
    aw_server *s = serve_at(c.path), *second;
    assert_int_equal(aw_start_unix_server(&second, echo, c.path), -EADDRINUSE);
    assert_served(c.path);
    end_server(s);
    int fd = bind_plainly(c.path, SOCK_DGRAM);
    assert_int_equal(aw_start_unix_server(&second, echo, c.path), -EADDRINUSE);
    close(fd);
    close_corner(&c);
}

// SIG-011: closing a Unix server whose path is already gone does no harm, and a path since taken by
// another socket is left alone.
TEST_IN_LOOP(SIG_011_unix_server_closes_without_harm)
{
    struct corner c = open_corner();
    aw_server *s = serve_at(c.path);
    assert_int_equal(unlink(c.path), 0);
    end_server(s);
    s = serve_at(c.path);
    assert_int_equal(unlink(c.path), 0);
    int other = bind_plainly(c.path, SOCK_STREAM);
    end_server(s);
    assert_true(exists(c.path));
    close(other);
    close_corner(&c);
}

TEST_IN_LOOP(unix_server_keeps_its_path_if_asked_to)
{
    struct corner c = open_corner();
    aw_server *s;
    assert_int_equal(aw_start_unix_server(&s, echo, c.path, .keep_path = true), 0);
    end_server(s);
    assert_true(exists(c.path));
    close_corner(&c);
}

// SIG-012: a Unix server or connection given both a path and a socket, neither of them, or a socket
// of another kind fails with EINVAL.
TEST_IN_LOOP(SIG_012_unix_path_or_socket)
{
    struct corner c = open_corner();
    aw_server *s;
    aw_stream *stream;
    int local = bind_plainly(c.path, SOCK_STREAM), tcp = socket(AF_INET, SOCK_STREAM, 0);
    int datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(aw_start_unix_server(&s, echo, c.path, .sockets = &local, .n_sockets = 1),
                     -EINVAL);
    assert_int_equal(aw_start_unix_server(&s, echo, NULL), -EINVAL);
    assert_int_equal(aw_start_unix_server(&s, echo, ""), -EINVAL);
    assert_int_equal(aw_start_unix_server(&s, echo, NULL, .sockets = &tcp, .n_sockets = 1),
                     -EINVAL);
    assert_int_equal(aw_start_unix_server(&s, echo, NULL, .sockets = &datagram, .n_sockets = 1),
                     -EINVAL);
    assert_int_equal(aw_start_server(&s, echo, NULL, NULL, .sockets = &local, .n_sockets = 1),
                     -EINVAL);
    assert_int_equal(aw_open_unix_connection(&stream, c.path, .socket = &local), -EINVAL);
    assert_int_equal(aw_open_unix_connection(&stream, NULL), -EINVAL);
    assert_int_equal(aw_open_unix_connection(&stream, NULL, .socket = &tcp), -EINVAL);
    assert_int_equal(aw_open_unix_connection(&stream, NULL, .socket = &datagram), -EINVAL);
    assert_null(stream);
    assert_int_equal(aw_start_unix_server(&s, echo, NULL, .sockets = &local, .n_sockets = 1), 0);
    assert_served(c.path);
    end_server(s);
    close(tcp);
    close(datagram);
    close_corner(&c);
}

TEST_IN_LOOP(unix_connection_takes_a_connected_socket)
{
    aw_stream *s;
    int ends[2];
    char c;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(aw_open_unix_connection(&s, NULL, .socket = &ends[0]), 0);
    assert_int_equal(aw_stream_write(s, "x", 1), 0);
    assert_int_equal(aw_recv(ends[1], &c, 1, 0), 1);
    hang_up(s);
    close(ends[1]);
}

TEST_IN_LOOP(unix_server_in_the_abstract_namespace)
{
    aw_server *s = serve_at("@await-test-unix"), *second;
    aw_address a;
    char text[AW_ADDRESS_TEXT];
    assert_int_equal(aw_server_address(s, 0, &a), 0);
    aw_address_format(&a, text, sizeof text);
    assert_string_equal(text, "@await-test-unix");
    assert_served("@await-test-unix");
    assert_int_equal(aw_start_unix_server(&second, echo, "@await-test-unix"), -EADDRINUSE);
    end_server(s);
    s = serve_at("@await-test-unix"); /* nothing is left behind */
    end_server(s);
}

/* A server whose process has gone in the middle, as it were. */
TEST_IN_LOOP(unix_server_twenty_times_on_one_path)
{
    struct corner c = open_corner();
    for (int i = 0; i < 20; i++) {
        aw_server *s;
        assert_int_equal(aw_start_unix_server(&s, echo, c.path, .keep_path = i % 2), 0);
        assert_served(c.path);
        end_server(s);
    }
    close_corner(&c);
}
