/*
 * Every failing call of await/net.h and await/stream.h says in words what failed, with which
 * address, path or descriptor, and why.
 */
#include "serving.h"

static void expect(const char *call, ssize_t result, int code, const char *words)
{
    if (result != code || strcmp(aw_errmsg(), words) != 0)
        fail_msg("%s: %s \"%s\", and not \"%s\"", call, aw_error_name((int)result), aw_errmsg(),
                 words);
}

#define EXPECT(call, code, words) expect(#call, (call), (code), (words))

TEST_IN_LOOP(words_of_addresses_that_cannot_be_had)
{
    aw_server *s = serve_on_loopback(echo, NULL), *t;
    aw_datagram *d;
    char words[200];
    snprintf(words, sizeof words, "cannot bind 127.0.0.1:%s: address already in use",
             port_of_server(s));
    EXPECT(aw_start_server(&t, echo, "127.0.0.1", port_of_server(s)), -EADDRINUSE, words);
    end_server(s);
    EXPECT(aw_start_server(&t, echo, "192.0.2.1", "0"), -EADDRNOTAVAIL,
           "cannot bind 192.0.2.1:0: cannot assign requested address");
    EXPECT(aw_open_datagram(&d, .local_host = "192.0.2.1", .local_port = "7"), -EADDRNOTAVAIL,
           "cannot bind 192.0.2.1:7: cannot assign requested address");
    EXPECT(aw_start_unix_server(&t, echo, "/no/such/a.sock"), -ENOENT,
           "cannot bind /no/such/a.sock: no such file or directory");
}

TEST_IN_LOOP(words_of_nobody_there)
{
    aw_stream *s;
    aw_datagram *d;
    EXPECT(aw_open_connection(&s, "127.0.0.1", "1"), -ECONNREFUSED,
           "cannot connect to 127.0.0.1, port 1: 127.0.0.1:1: connection refused");
    EXPECT(aw_open_unix_connection(&s, "/no/such/a.sock"), -ENOENT,
           "cannot connect to /no/such/a.sock: no such file or directory");
    EXPECT(aw_open_unix_connection(&s, "@nobody-is-there"), -ECONNREFUSED,
           "cannot connect to @nobody-is-there: connection refused");
    EXPECT(aw_open_datagram(&d, .remote_path = "/no/such/a.sock"), -ENOENT,
           "cannot connect to /no/such/a.sock: no such file or directory");
}

TEST_IN_LOOP(words_of_nobody_who_answers)
{
    struct deaf d = go_deaf("127.0.0.1");
    aw_stream *s;
    char words[200];
    snprintf(words, sizeof words, "cannot connect to 127.0.0.1, port %s, within 0.02 s", d.port);
    EXPECT(aw_open_connection(&s, "127.0.0.1", d.port, .timeout = 0.02), -ETIMEDOUT, words);
    end_deafness(&d);
}

TEST_IN_LOOP(words_of_descriptors)
{
    aw_address a;
    aw_stream *s;
    int ends[2], value;
    char words[200];
    EXPECT(aw_local_address(-1, &a), -EBADF, "the address of descriptor -1: bad file descriptor");
    EXPECT(aw_peer_address(-1, &a), -EBADF, "the peer of descriptor -1: bad file descriptor");
    EXPECT(aw_set_socket_option(-1, "TCP_NODELAY", 1), -EBADF,
           "TCP_NODELAY of descriptor -1: bad file descriptor");
    EXPECT(aw_get_socket_option(-1, "SO_LINGER", &value), -EBADF,
           "SO_LINGER of descriptor -1: bad file descriptor");
    EXPECT(aw_open_connection(&s, NULL, NULL, .socket = &(int){-1}), -EBADF,
           "descriptor -1: bad file descriptor");
    assert_null(aw_stream_from_fd(-1));
    EXPECT(aw_errno(), -EBADF, "descriptor -1: bad file descriptor");
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    snprintf(words, sizeof words, "descriptor %d is no socket", ends[0]);
    EXPECT(aw_open_connection(&s, NULL, NULL, .socket = &ends[0]), -EINVAL, words);
    close(ends[0]);
    close(ends[1]);
}

TEST_IN_LOOP(words_of_the_end_of_a_stream)
{
    aw_stream *pair[2];
    char buf[8], *at;
    assert_int_equal(aw_stream_pair(pair), 0);
    assert_int_equal(aw_stream_write(pair[1], "abc", 3), 0);
    assert_int_equal(aw_stream_write_eof(pair[1]), 0);
    EXPECT(aw_stream_readuntil(pair[0], &at, "x"), AW_EOF, "the stream ended before a separator");
    EXPECT(aw_stream_readexactly(pair[0], buf, 8), AW_EOF,
           "the stream ended before that many bytes");
    aw_stream_unref(pair[0]);
    aw_stream_unref(pair[1]);
}

TEST_IN_LOOP(words_of_a_peer_that_is_gone)
{
    int ends[2];
    char words[200], byte;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    aw_stream *s = aw_stream_from_fd(ends[0]);
    snprintf(words, sizeof words, "the stream of descriptor %d: connection reset by peer", ends[0]);
    assert_int_equal(aw_stream_write(s, "unread", 6), 0);
    close(ends[1]); /* with something unread: a reset */
    EXPECT(aw_stream_read(s, &byte, 1), -ECONNRESET, words);
    aw_stream_unref(s);
}

/* ---- no descriptors left ---- */

/* The lowest number that is free: no descriptor can be had if numbers end before it. */
static size_t lowest_free(void)
{
    int fd = open("/dev/null", O_RDONLY);
    assert_true(fd >= 0);
    close(fd);
    return (size_t)fd;
}

TEST_IN_LOOP(words_of_no_descriptor_name_the_address)
{
    aw_server *s;
    aw_stream *c;
    aw_datagram *d;
    size_t before = limit_descriptors(lowest_free());
    EXPECT(aw_start_server(&s, echo, "127.0.0.1", "8080"), -EMFILE,
           "a socket to listen on 127.0.0.1:8080: too many open files");
    EXPECT(aw_start_unix_server(&s, echo, "@here"), -EMFILE,
           "a socket to listen on @here: too many open files");
    EXPECT(aw_open_connection(&c, "127.0.0.1", "8080"), -EMFILE,
           "cannot connect to 127.0.0.1, port 8080: 127.0.0.1:8080: too many open files");
    EXPECT(aw_open_unix_connection(&c, "@here"), -EMFILE,
           "cannot connect to @here: too many open files");
    EXPECT(aw_open_datagram(&d, .local_host = "127.0.0.1", .local_port = "53"), -EMFILE,
           "a socket for datagrams, for 127.0.0.1:53: too many open files");
    EXPECT(aw_open_datagram(&d, .family = AF_INET), -EMFILE,
           "a socket for datagrams, of family 2: too many open files");
    limit_descriptors(before);
}

/* The one that is kept in reserve is missing. */
TEST_IN_LOOP(words_of_no_descriptor_in_reserve_name_the_address)
{
    aw_server *s;
    const char *begin = "a descriptor in reserve, to listen on 127.0.0.1:";
    size_t before = limit_descriptors(lowest_free() + 1);
    assert_int_equal(aw_start_server(&s, echo, "127.0.0.1", "0"), -EMFILE);
    assert_memory_equal(aw_errmsg(), begin, strlen(begin));
    assert_non_null(strstr(aw_errmsg(), ": too many open files"));
    limit_descriptors(before);
}

/* ---- strangers' names ---- */

TEST_IN_LOOP(words_of_hostile_names_are_one_line)
{
    aw_stream *s;
    aw_address *found, a;
    EXPECT(aw_open_unix_connection(&s, "/no/\nok\x1b[2J"), -ENOENT,
           "cannot connect to /no/\\nok\\x1b[2J: no such file or directory");
    EXPECT(aw_resolve(&found, "evil\r\nhost", "80", .numeric_only = true), -EINVAL,
           "'evil\\r\\nhost' is not a numeric address");
    EXPECT(aw_address_parse(&a, "1.2.3.4\n"), -EINVAL,
           "'1.2.3.4\\n' is not a numeric address with a port");
}
