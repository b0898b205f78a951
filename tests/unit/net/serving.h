/*
 * serving.h - servers for tests: on a free port of this machine, with a few handlers.
 */
#ifndef TESTS_NET_SERVING_H
#define TESTS_NET_SERVING_H

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "names.h"

/* ---- handlers ---- */

/* Sends back what comes, until the end. */
static inline int echo(aw_stream *s, void *arg)
{
    char buf[256];
    ssize_t n;
    (void)arg;
    while ((n = aw_stream_read(s, buf, sizeof buf)) > 0) {
        AW_TRY(aw_stream_write(s, buf, (size_t)n));
        AW_TRY(aw_stream_drain(s));
    }
    return (int)n;
}

/* Reads until the end, whatever that is. */
static inline int sink(aw_stream *s, void *arg)
{
    char buf[256];
    ssize_t n;
    (void)arg;
    while ((n = aw_stream_read(s, buf, sizeof buf)) > 0)
        ;
    return n == -ECANCELED ? -ECANCELED : 0;
}

/* ---- servers ---- */

static inline aw_server *serve_on_loopback(aw_client_handler *handler, void *arg)
{
    aw_server *s;
    assert_int_equal(aw_start_server(&s, handler, "127.0.0.1", "0", .arg = arg), 0);
    return s;
}

/* The port of its first socket, as a text. */
static inline const char *port_of_server(const aw_server *s)
{
    static char text[8];
    aw_address a;
    assert_int_equal(aw_server_address(s, 0, &a), 0);
    snprintf(text, sizeof text, "%d", aw_address_port(&a));
    return text;
}

static inline aw_stream *connect_to_port(const char *port)
{
    aw_stream *s;
    int err = aw_open_connection(&s, "127.0.0.1", port);
    if (err < 0)
        fail_msg("%s: %s", aw_error_name(err), aw_errmsg());
    return s;
}

static inline aw_stream *connect_to_server(const aw_server *s)
{
    return connect_to_port(port_of_server(s));
}

/* Close a stream and give it up. */
static inline void hang_up(aw_stream *s)
{
    aw_stream_close(s);
    aw_ignore(aw_stream_wait_closed(s));
    aw_stream_unref(s);
}

/* The end of a server without connections that could hold it up. */
static inline void end_server(aw_server *s)
{
    assert_int_equal(aw_server_close(s), 0);
    assert_int_equal(aw_server_wait_closed(s), 0);
    aw_server_unref(s);
}

static inline void assert_echo(aw_stream *s, const char *word)
{
    char buf[64];
    assert_int_equal(aw_stream_write(s, word, strlen(word)), 0);
    assert_int_equal(aw_stream_readexactly(s, buf, strlen(word)), 0);
    assert_memory_equal(buf, word, strlen(word));
}

/* The peer has closed, or reset. */
static inline bool has_ended(aw_stream *s)
{
    char c;
    ssize_t n = aw_stream_read(s, &c, 1);
    return n == 0 || n == -ECONNRESET || n == -EPIPE;
}

/* Passes until the condition holds. */
#define WAIT_UNTIL(cond)                                                                           \
    while (!(cond))                                                                                \
    assert_int_equal(aw_sleep(0), 0)

/* ---- sockets without the library ---- */

static inline int plain_listener(const char *ip, int backlog, char port[8])
{
    aw_address a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(aw_address_ip(&a, ip, 0), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a.place, a.size), 0);
    if (backlog >= 0)
        assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(aw_local_address(fd, &a), 0);
    snprintf(port, 8, "%d", aw_address_port(&a));
    return fd;
}

/* An address that neither accepts nor refuses: its backlog is full. */
struct deaf {
    int listener, callers[16], n;
    char port[8];
};

static inline bool gets_through(int fd, const aw_address *a)
{
    if (connect(fd, (const struct sockaddr *)&a->place, a->size) == 0)
        return true;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, 20) == 1;
}

static inline struct deaf go_deaf(const char *ip)
{
    struct deaf d = {.n = 0};
    aw_address a;
    d.listener = plain_listener(ip, 0, d.port);
    aw_local_address(d.listener, &a);
    bool through = true;
    while (through && d.n < 16) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        d.callers[d.n++] = fd;
        through = gets_through(fd, &a);
    }
    if (through)
        SKIP("this kernel's backlogs have no end");
    return d;
}

static inline void end_deafness(struct deaf *d)
{
    close(d->listener);
    for (int i = 0; i < d->n; i++)
        close(d->callers[i]);
}

/* How many descriptors this process has. */
static inline int count_descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

#endif
