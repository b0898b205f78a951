/*
 * socket.c - sockets set up: made, bound, told how to behave; and options by name.
 *
 * Every error has the words that a caller would ask for: which address, which option.
 */
#include <stdio.h>
#include <string.h>

#include "await/loop.h"
#include "await/stream.h"
#include "base/buf.h"
#include "core/core.h"
#include "net/net.h"

int aw_raise_words(int code, const char *fmt, ...)
{
    struct aw_words w;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w.text, sizeof w.text, fmt, ap);
    va_end(ap);
    return aw_raise(code, w.text);
}

int aw_socket_new(int family, int type, int protocol)
{
    return aw_sys.socket(family, type, protocol);
}

void aw_socket_close(int fd)
{
    (void)aw_sys.close(fd);
}

int aw_socket_bind(int fd, const aw_address *a)
{
    char text[AW_ADDRESS_TEXT];
    int err = aw_sys.bind(fd, &aw_sockaddr_of(a)->any, a->size);
    if (err == 0)
        return 0;
    aw_address_format(a, text, sizeof text);
    return aw_fail_about(err, "cannot bind %s", text);
}

int aw_socket_set(int fd, int level, int option, int value)
{
    return aw_sys.set_option(fd, level, option, &value, sizeof value);
}

int aw_socket_get(int fd, int level, int option)
{
    int value = 0;
    socklen_t size = sizeof value;
    int err = aw_sys.get_option(fd, level, option, &value, &size);
    return err < 0 ? err : value;
}

int aw_socket_connect_now(int fd, const aw_address *a)
{
    int err;
    do {
        err = aw_sys.connect(fd, &aw_sockaddr_of(a)->any, a->size);
    } while (err == -EINTR);
    return err;
}

/* ---- held by a task ---- */

static void close_held(aw_scope *scope)
{
    int fd = aw_container_of(scope, struct aw_held_socket, scope)->fd;
    if (fd >= 0)
        aw_socket_close(fd);
}

void aw_socket_hold(struct aw_held_socket *h, int fd)
{
    h->fd = fd;
    h->scope = (aw_scope){.outer = NULL};
    aw_scope_open(&h->scope, aw_self.loop->current, "a socket", __FILE__, __LINE__);
    h->scope.abandon = close_held;
}

int aw_socket_let_go(struct aw_held_socket *h)
{
    aw_scope_close(&h->scope, aw_self.loop->current);
    return h->fd;
}

/* ---- options ---- */

/* A socket that knows no such option goes without it. */
void aw_socket_prepare(int fd, bool nagle, bool keepalive)
{
    if (!nagle)
        (void)aw_socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (keepalive)
        (void)aw_socket_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

static int set_nonblocking(int fd)
{
    int flags = aw_sys.get_flags(fd);
    if (flags < 0 || (flags & O_NONBLOCK))
        return flags < 0 ? flags : 0;
    return aw_sys.set_flags(fd, flags | O_NONBLOCK);
}

int aw_socket_check_given(int fd, int family, int type)
{
    int its_type = aw_socket_get(fd, SOL_SOCKET, SO_TYPE);
    int its_family = aw_socket_get(fd, SOL_SOCKET, SO_DOMAIN);
    if (its_type == -ENOTSOCK)
        return aw_raise_words(-EINVAL, "descriptor %d is no socket", fd);
    if (its_type < 0 || its_family < 0)
        return aw_fail_about(its_type < 0 ? its_type : its_family, "descriptor %d", fd);
    if (its_type != type)
        return aw_raise_words(-EINVAL, "descriptor %d is a socket of another type", fd);
    if (family ? its_family != family : its_family == AF_UNIX)
        return aw_raise_words(-EINVAL, "descriptor %d is a socket of another family", fd);
    int err = set_nonblocking(fd);
    return err < 0 ? aw_fail_about(err, "descriptor %d", fd) : 0;
}

/* ---- options by name ---- */

#define OPTIONS(X)                                                                                 \
    X(SOL_SOCKET, SO_ACCEPTCONN)                                                                   \
    X(SOL_SOCKET, SO_BROADCAST)                                                                    \
    X(SOL_SOCKET, SO_BUSY_POLL)                                                                    \
    X(SOL_SOCKET, SO_DOMAIN)                                                                       \
    X(SOL_SOCKET, SO_DONTROUTE)                                                                    \
    X(SOL_SOCKET, SO_ERROR)                                                                        \
    X(SOL_SOCKET, SO_INCOMING_CPU)                                                                 \
    X(SOL_SOCKET, SO_KEEPALIVE)                                                                    \
    X(SOL_SOCKET, SO_LINGER)                                                                       \
    X(SOL_SOCKET, SO_MARK)                                                                         \
    X(SOL_SOCKET, SO_OOBINLINE)                                                                    \
    X(SOL_SOCKET, SO_PASSCRED)                                                                     \
    X(SOL_SOCKET, SO_PRIORITY)                                                                     \
    X(SOL_SOCKET, SO_PROTOCOL)                                                                     \
    X(SOL_SOCKET, SO_RCVBUF)                                                                       \
    X(SOL_SOCKET, SO_RCVBUFFORCE)                                                                  \
    X(SOL_SOCKET, SO_RCVLOWAT)                                                                     \
    X(SOL_SOCKET, SO_REUSEADDR)                                                                    \
    X(SOL_SOCKET, SO_REUSEPORT)                                                                    \
    X(SOL_SOCKET, SO_SNDBUF)                                                                       \
    X(SOL_SOCKET, SO_SNDBUFFORCE)                                                                  \
    X(SOL_SOCKET, SO_TYPE)                                                                         \
    X(IPPROTO_TCP, TCP_CORK)                                                                       \
    X(IPPROTO_TCP, TCP_DEFER_ACCEPT)                                                               \
    X(IPPROTO_TCP, TCP_FASTOPEN)                                                                   \
    X(IPPROTO_TCP, TCP_FASTOPEN_CONNECT)                                                           \
    X(IPPROTO_TCP, TCP_KEEPCNT)                                                                    \
    X(IPPROTO_TCP, TCP_KEEPIDLE)                                                                   \
    X(IPPROTO_TCP, TCP_KEEPINTVL)                                                                  \
    X(IPPROTO_TCP, TCP_LINGER2)                                                                    \
    X(IPPROTO_TCP, TCP_MAXSEG)                                                                     \
    X(IPPROTO_TCP, TCP_NODELAY)                                                                    \
    X(IPPROTO_TCP, TCP_NOTSENT_LOWAT)                                                              \
    X(IPPROTO_TCP, TCP_QUICKACK)                                                                   \
    X(IPPROTO_TCP, TCP_SYNCNT)                                                                     \
    X(IPPROTO_TCP, TCP_USER_TIMEOUT)                                                               \
    X(IPPROTO_TCP, TCP_WINDOW_CLAMP)                                                               \
    X(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT)                                                         \
    X(IPPROTO_IP, IP_FREEBIND)                                                                     \
    X(IPPROTO_IP, IP_MTU)                                                                          \
    X(IPPROTO_IP, IP_MTU_DISCOVER)                                                                 \
    X(IPPROTO_IP, IP_MULTICAST_LOOP)                                                               \
    X(IPPROTO_IP, IP_MULTICAST_TTL)                                                                \
    X(IPPROTO_IP, IP_TOS)                                                                          \
    X(IPPROTO_IP, IP_TRANSPARENT)                                                                  \
    X(IPPROTO_IP, IP_TTL)                                                                          \
    X(IPPROTO_IPV6, IPV6_MTU)                                                                      \
    X(IPPROTO_IPV6, IPV6_MULTICAST_HOPS)                                                           \
    X(IPPROTO_IPV6, IPV6_MULTICAST_IF)                                                             \
    X(IPPROTO_IPV6, IPV6_MULTICAST_LOOP)                                                           \
    X(IPPROTO_IPV6, IPV6_TCLASS)                                                                   \
    X(IPPROTO_IPV6, IPV6_UNICAST_HOPS)                                                             \
    X(IPPROTO_IPV6, IPV6_V6ONLY)

/* An option and where it lives. */
struct option {
    const char *name;
    int level, number;
};

static const struct option options[] = {
#define OPTION_ENTRY(level, name) {#name, level, name},
    OPTIONS(OPTION_ENTRY)
#undef OPTION_ENTRY
};

static const struct option *find_option(const char *name)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

static bool is_linger(const struct option *o)
{
    return o->level == SOL_SOCKET && o->number == SO_LINGER;
}

static int set(int fd, const struct option *o, int value)
{
    const struct linger linger = {.l_onoff = value >= 0, .l_linger = value >= 0 ? value : 0};
    if (is_linger(o))
        return aw_sys.set_option(fd, o->level, o->number, &linger, sizeof linger);
    return aw_socket_set(fd, o->level, o->number, value);
}

static int get(int fd, const struct option *o, int *value)
{
    struct linger linger = {0};
    bool lingers = is_linger(o);
    socklen_t size = lingers ? sizeof linger : sizeof *value;
    void *place = lingers ? (void *)&linger : value;
    int err = aw_sys.get_option(fd, o->level, o->number, place, &size);
    if (err == 0 && lingers)
        *value = linger.l_onoff ? linger.l_linger : -1;
    return err;
}

int aw_set_socket_option(int fd, const char *name, int value)
{
    const struct option *o = name ? find_option(name) : NULL;
    if (!o)
        return aw_raise_words(-EINVAL, "no socket option is called '%.60s'", name ? name : "");
    int err = set(fd, o, value);
    return err < 0 ? aw_fail_about(err, "%s of descriptor %d", name, fd) : 0;
}

int aw_get_socket_option(int fd, const char *name, int *ret)
{
    const struct option *o = name ? find_option(name) : NULL;
    if (!o)
        return aw_raise_words(-EINVAL, "no socket option is called '%.60s'", name ? name : "");
    if (!ret)
        return aw_raise_words(-EINVAL, "there is no place for the value of %s", name);
    int value = 0, err = get(fd, o, &value);
    if (err < 0)
        return aw_fail_about(err, "%s of descriptor %d", name, fd);
    *ret = value;
    return 0;
}
