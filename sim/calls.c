/*
 * calls.c - the entries of the table of system calls that know simulated descriptors.
 *
 * The table is the process's, the world a thread's.  An entry passes on what it was put before for
 * every other descriptor, and in every other thread.
 */
#include <string.h>

#include "sim/sim.h"

static struct aw_sys_table real; /* what was there before */
static unsigned installed;

/* What follows is about the socket `k` of the world `s`. */
#define OURS_OR(fd, passed_on)                                                                     \
    struct sim *s = aw_simu_here;                                                                  \
    if (!s || !sim_in_range(fd))                                                                   \
        return passed_on;                                                                          \
    struct sim_sock *k = aw_simu_find(s, fd);                                                      \
    if (!k)                                                                                        \
    return -EBADF

/* ---- reading and writing ---- */

static struct sim_vectors one(struct iovec *v, const void *buf, size_t n)
{
    *v = (struct iovec){.iov_base = (void *)buf, .iov_len = n};
    return (struct sim_vectors){.v = v, .n = 1};
}

static struct sim_vectors several(const struct iovec *v, size_t n)
{
    return (struct sim_vectors){.v = v, .n = n};
}

static ssize_t call_recv(int fd, void *buf, size_t n, int flags)
{
    struct iovec v;
    OURS_OR(fd, real.recv(fd, buf, n, flags));
    return aw_simu_recv(s, k, one(&v, buf, n), flags, NULL);
}

static ssize_t call_send(int fd, const void *buf, size_t n, int flags)
{
    struct iovec v;
    OURS_OR(fd, real.send(fd, buf, n, flags));
    return aw_simu_send(s, k, one(&v, buf, n), flags);
}

static ssize_t call_read(int fd, void *buf, size_t n)
{
    struct iovec v;
    OURS_OR(fd, real.read(fd, buf, n));
    return aw_simu_recv(s, k, one(&v, buf, n), 0, NULL);
}

static ssize_t call_write(int fd, const void *buf, size_t n)
{
    struct iovec v;
    OURS_OR(fd, real.write(fd, buf, n));
    return aw_simu_send(s, k, one(&v, buf, n), 0);
}

static ssize_t call_readv(int fd, const struct iovec *v, int n)
{
    OURS_OR(fd, real.readv(fd, v, n));
    return aw_simu_recv(s, k, several(v, (size_t)n), 0, NULL);
}

static ssize_t call_writev(int fd, const struct iovec *v, int n)
{
    OURS_OR(fd, real.writev(fd, v, n));
    return aw_simu_send(s, k, several(v, (size_t)n), 0);
}

static ssize_t call_recvmsg(int fd, struct msghdr *msg, int flags)
{
    bool cut = false;
    OURS_OR(fd, real.recvmsg(fd, msg, flags));
    ssize_t n = aw_simu_recv(s, k, several(msg->msg_iov, msg->msg_iovlen), flags, &cut);
    if (n >= 0) {
        msg->msg_flags = cut ? MSG_TRUNC : 0;
        msg->msg_namelen = 0;
        msg->msg_controllen = 0;
    }
    return n;
}

static ssize_t call_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    OURS_OR(fd, real.sendmsg(fd, msg, flags));
    if (msg->msg_controllen)
        return -EOPNOTSUPP; /* descriptors and the like do not travel here */
    return aw_simu_send(s, k, several(msg->msg_iov, msg->msg_iovlen), flags);
}

/* ---- connections ---- */

static int call_socket(int family, int type, int protocol)
{
    return aw_simu_here ? aw_simu_socket(aw_simu_here, family, type | SOCK_NONBLOCK)
                        : real.socket(family, type, protocol);
}

static int call_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    OURS_OR(fd, real.bind(fd, addr, len));
    return aw_simu_bind(s, k, addr, len);
}

static int call_listen(int fd, int backlog)
{
    OURS_OR(fd, real.listen(fd, backlog));
    return aw_simu_listen(s, k, backlog);
}

static int call_accept(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    OURS_OR(fd, real.accept(fd, addr, len, flags));
    aw_simu_settle(s);
    return aw_simu_accept(s, k, addr, len, flags);
}

static int call_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    OURS_OR(fd, real.connect(fd, addr, len));
    aw_simu_settle(s);
    return aw_simu_connect(s, k, addr, len);
}

static int call_end_sending(int fd)
{
    OURS_OR(fd, real.end_sending(fd));
    return aw_simu_end_sending(s, k);
}

static int call_close(int fd)
{
    OURS_OR(fd, real.close(fd));
    aw_simu_close(s, k);
    aw_simu_settle(s);
    return 0;
}

static int call_socket_name(int fd, bool of_peer, struct sockaddr *addr, socklen_t *len)
{
    OURS_OR(fd, real.socket_name(fd, of_peer, addr, len));
    if (of_peer && k->state != SIM_CONNECTED)
        return -ENOTCONN;
    struct sim_address none = {.len = sizeof(sa_family_t)}, *a = of_peer ? &k->peer_name : &k->name;
    none.any.sa_family = (sa_family_t)k->family;
    aw_simu_tell_address(a->len ? a : &none, addr, len);
    return 0;
}

/* ---- flags, readiness, options ---- */

static int call_get_flags(int fd)
{
    OURS_OR(fd, real.get_flags(fd));
    return O_RDWR | (k->nonblock ? O_NONBLOCK : 0);
}

static int call_set_flags(int fd, int flags)
{
    OURS_OR(fd, real.set_flags(fd, flags));
    k->nonblock = (flags & O_NONBLOCK) != 0;
    return 0;
}

static int call_poll_one(int fd, short events)
{
    OURS_OR(fd, real.poll_one(fd, events));
    aw_simu_settle(s);
    return aw_simu_readiness(s, k) & (events | POLLERR | POLLHUP);
}

static struct sim_option *option_of(struct sim_sock *k, int level, int name)
{
    for (size_t i = 0; i < k->n_options; i++)
        if (k->options[i].level == level && k->options[i].name == name)
            return &k->options[i];
    return NULL;
}

static int call_set_option(int fd, int level, int name, const void *value, socklen_t len)
{
    OURS_OR(fd, real.set_option(fd, level, name, value, len));
    struct sim_option *o = option_of(k, level, name);
    if (len < sizeof o->value)
        return -EINVAL;
    if (!o && k->n_options == SIM_OPTIONS)
        return -ENOBUFS;
    o = o ? o : &k->options[k->n_options++];
    *o = (struct sim_option){.level = level, .name = name};
    memcpy(&o->value, value, sizeof o->value);
    if (level == SOL_SOCKET && name == SO_REUSEPORT)
        k->reuse_port = o->value != 0;
    return 0;
}

/* What the socket itself knows; false: it is an option like others. */
static bool know_option(struct sim *s, struct sim_sock *k, int name, int *value)
{
    switch (name) {
    case SO_TYPE:
        *value = k->type;
        return true;
    case SO_DOMAIN:
        *value = k->family;
        return true;
    case SO_ACCEPTCONN:
        *value = k->state == SIM_LISTENING;
        return true;
    case SO_ERROR:
        aw_simu_settle(s);
        *value = aw_simu_take_error(k);
        return true;
    default:
        return false;
    }
}

static int call_get_option(int fd, int level, int name, void *value, socklen_t *len)
{
    OURS_OR(fd, real.get_option(fd, level, name, value, len));
    int result = 0;
    if (level != SOL_SOCKET || !know_option(s, k, name, &result)) {
        const struct sim_option *o = option_of(k, level, name);
        result = o ? o->value : 0;
    }
    *len = *len < sizeof result ? *len : sizeof result;
    memcpy(value, &result, *len);
    return 0;
}

/* ---- the table ---- */

void aw_simu_install(void)
{
    const struct aw_testing_door *door = aw_simu_door();
    door->lock();
    if (installed++ == 0) {
        struct aw_sys_table *t = door->sys;
        real = *t;
        t->recv = call_recv;
        t->send = call_send;
        t->read = call_read;
        t->write = call_write;
        t->readv = call_readv;
        t->writev = call_writev;
        t->recvmsg = call_recvmsg;
        t->sendmsg = call_sendmsg;
        t->socket = call_socket;
        t->bind = call_bind;
        t->listen = call_listen;
        t->accept = call_accept;
        t->connect = call_connect;
        t->end_sending = call_end_sending;
        t->close = call_close;
        t->socket_name = call_socket_name;
        t->get_flags = call_get_flags;
        t->set_flags = call_set_flags;
        t->poll_one = call_poll_one;
        t->set_option = call_set_option;
        t->get_option = call_get_option;
    }
    door->unlock();
}

void aw_simu_uninstall(void)
{
    const struct aw_testing_door *door = aw_simu_door();
    door->lock();
    if (--installed == 0)
        *door->sys = real;
    door->unlock();
}
