/*
 * inject_sockets.c - the calls of sockets and names that count, and fail when the plan says so.
 */
#include <netinet/in.h>

#include "core/core.h"
#include "fault/inject.h"
#include "sys/net.h"

static struct aw_sys_table real;

static int set_flags_(int fd, int flags)
{
    int err = inject_hit(SITE_SET_FLAGS, false);
    return err ? err : real.set_flags(fd, flags);
}

static ssize_t pipe_write_(int fd, const void *buf, size_t n)
{
    int err = inject_hit(SITE_PIPE_WRITE, false);
    return err ? err : real.pipe_write(fd, buf, n);
}

static int get_option_(int fd, int level, int name, void *value, socklen_t *len)
{
    int err = inject_hit(SITE_GET_OPTION, false);
    return err ? err : real.get_option(fd, level, name, value, len);
}

static int end_sending_(int fd)
{
    int err = inject_hit(SITE_END_SENDING, false);
    return err ? err : real.end_sending(fd);
}

static ssize_t readv_(int fd, const struct iovec *v, int n)
{
    int err = inject_hit(SITE_READ, false);
    return err ? err : real.readv(fd, v, n);
}

static ssize_t writev_(int fd, const struct iovec *v, int n)
{
    int err = inject_hit(SITE_WRITE, false);
    return err ? err : real.writev(fd, v, n);
}

static ssize_t recv_(int fd, void *buf, size_t n, int flags)
{
    int err = inject_hit(SITE_RECV, false);
    return err ? err : real.recv(fd, buf, n, flags);
}

static ssize_t recvmsg_(int fd, struct msghdr *msg, int flags)
{
    int err = inject_hit(SITE_RECV, false);
    return err ? err : real.recvmsg(fd, msg, flags);
}

static ssize_t send_(int fd, const void *buf, size_t n, int flags)
{
    int err = inject_hit(SITE_SEND, false);
    return err ? err : real.send(fd, buf, n, flags);
}

static ssize_t sendmsg_(int fd, const struct msghdr *msg, int flags)
{
    int err = inject_hit(SITE_SEND, false);
    return err ? err : real.sendmsg(fd, msg, flags);
}

static int accept_(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    int err = inject_hit(SITE_ACCEPT, false);
    return err ? err : real.accept(fd, addr, len, flags);
}

static int connect_(int fd, const struct sockaddr *addr, socklen_t len)
{
    int err = inject_hit(SITE_CONNECT, false);
    return err ? err : real.connect(fd, addr, len);
}

/* Receivers poll then. */
static int ring_buffers_(struct io_uring *ring, void *memory, unsigned entries, int group)
{
    int err = inject_hit(SITE_RING_BUFFERS, true);
    return err ? err : real.ring_buffers(ring, memory, entries, group);
}

/* ---- setting sockets up ---- */

static int socket_(int family, int type, int protocol)
{
    int err = inject_hit(SITE_SOCKET, false);
    return err ? err : real.socket(family, type, protocol);
}

static int bind_(int fd, const struct sockaddr *addr, socklen_t len)
{
    int err = inject_hit(SITE_BIND, false);
    return err ? err : real.bind(fd, addr, len);
}

static int listen_(int fd, int backlog)
{
    int err = inject_hit(SITE_LISTEN, false);
    return err ? err : real.listen(fd, backlog);
}

static int socket_name_(int fd, bool of_peer, struct sockaddr *addr, socklen_t *len)
{
    int err = inject_hit(SITE_SOCKET_NAME, false);
    return err ? err : real.socket_name(fd, of_peer, addr, len);
}

/* What only makes a connection better may be missing. */
static int set_option_(int fd, int level, int option, const void *value, socklen_t len)
{
    int err = inject_hit(SITE_SET_OPTION, level == IPPROTO_TCP || option == SO_KEEPALIVE);
    return err ? err : real.set_option(fd, level, option, value, len);
}

static int file_id_(const char *path, struct aw_file_id *ret)
{
    int err = inject_hit(SITE_FILE_ID, true);
    return err ? err : real.file_id(path, ret);
}

static int unlink_(const char *path)
{
    int err = inject_hit(SITE_UNLINK, true);
    return err ? err : real.unlink(path);
}

/* ---- names ---- */

inject_lookup_fn *inject_lookup_instead;

static int lookup_(const char *host, const char *port, const struct addrinfo *hints,
                   struct addrinfo **ret)
{
    int err = inject_hit(SITE_LOOKUP, false);
    if (err)
        return err;
    if (inject_lookup_instead)
        return inject_lookup_instead(host, port, hints, ret);
    return real.lookup(host, port, hints, ret);
}

static ssize_t random_(void *buf, size_t n)
{
    int err = inject_hit(SITE_RANDOM, false);
    return err ? err : real.random(buf, n);
}

static void lookup_free_(struct addrinfo *found)
{
    if (inject_lookup_instead)
        free(found);
    else
        real.lookup_free(found);
}

void inject_sockets(void)
{
    real = aw_sys;
    aw_sys.set_flags = set_flags_;
    aw_sys.pipe_write = pipe_write_;
    aw_sys.get_option = get_option_;
    aw_sys.recv = recv_;
    aw_sys.end_sending = end_sending_;
    aw_sys.readv = readv_;
    aw_sys.writev = writev_;
    aw_sys.recvmsg = recvmsg_;
    aw_sys.send = send_;
    aw_sys.sendmsg = sendmsg_;
    aw_sys.accept = accept_;
    aw_sys.connect = connect_;
    aw_sys.ring_buffers = ring_buffers_;
    aw_sys.socket = socket_;
    aw_sys.bind = bind_;
    aw_sys.listen = listen_;
    aw_sys.socket_name = socket_name_;
    aw_sys.set_option = set_option_;
    aw_sys.file_id = file_id_;
    aw_sys.unlink = unlink_;
    aw_sys.random = random_;
    aw_sys.lookup = lookup_;
    aw_sys.lookup_free = lookup_free_;
}
