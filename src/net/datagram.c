/*
 * datagram.c - sockets of datagrams.
 *
 * A thin thing over the kernel's socket: what comes is queued there, within SO_RCVBUF, and nothing
 * is copied twice.  What this adds: names and paths, and that the refusal of one datagram, which
 * the kernel tells the next call on the socket whatever that is, does not stand in the way of
 * others.
 */
#include <math.h>
#include <string.h>

#include "await/io.h"
#include "await/loop.h"
#include "core/core.h"
#include "net/net.h"

struct aw_datagram {
    int fd;
    int users; /* tasks that are in a call */
    int error; /* of an earlier datagram, passed over */
    bool keep_path;
    struct aw_net_path path; /* of a local socket: to be removed */
};

/* ---- sending and receiving ---- */

/* Errors that tell of an earlier datagram. */
static bool is_of_earlier(int err)
{
    switch (err) {
    case -ECONNREFUSED:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -EHOSTDOWN:
    case -ENETDOWN:
    case -ENOPROTOOPT:
    case -EPROTO:
        return true;
    default:
        return false;
    }
}

/* A call, on the stack of its task.  If a loop is closed over that the socket is free again. */
struct use {
    aw_scope scope;
    aw_datagram *d;
};

static void use_abandoned(aw_scope *scope)
{
    aw_container_of(scope, struct use, scope)->d->users--;
}

static int begin_use(struct use *u, aw_datagram *d, const void *buf, size_t n)
{
    if (!d || (!buf && n))
        return aw_raise_words(-EINVAL, d ? "the buffer is NULL" : "the socket is NULL");
    if (!aw_self.loop || !aw_self.loop->current)
        return aw_no_loop();
    *u = (struct use){.d = d};
    aw_scope_open(&u->scope, aw_self.loop->current, "a datagram's call", __FILE__, __LINE__);
    u->scope.abandon = use_abandoned;
    d->users++;
    return 0;
}

static void end_use(struct use *u)
{
    u->d->users--;
    aw_scope_close(&u->scope, aw_self.loop->current);
}

/* One call of the kernel's: aw_recvmsg() or aw_sendmsg(). */
typedef ssize_t message_call(int fd, struct msghdr *msg);

static ssize_t receive(int fd, struct msghdr *msg)
{
    return aw_recvmsg(fd, msg, MSG_TRUNC);
}

static ssize_t send_it(int fd, struct msghdr *msg)
{
    return aw_sendmsg(fd, msg, 0);
}

/* Passing over so many errors of earlier datagrams; then an error is this one's. */
static ssize_t call_past_errors(aw_datagram *d, message_call *call, struct msghdr *msg, int errors)
{
    struct msghdr fresh = *msg;
    for (;;) {
        ssize_t n = call(d->fd, msg);
        if (n >= 0 || !is_of_earlier((int)n) || errors-- == 0)
            return n;
        d->error = (int)n;
        *msg = fresh;
    }
}

enum {
    ERRORS_SENDING = 1,     /* the second error in a row is told */
    ERRORS_RECEIVING = 1000 /* there is an error only where something was sent, but for ever? */
};

/* What has words of its own keeps them. */
static ssize_t not_sent(ssize_t err, size_t n, const aw_address *to)
{
    char text[AW_ADDRESS_TEXT] = "its peer";
    if (err == -ECANCELED || err < -4095)
        return err;
    if (to)
        aw_address_format(to, text, sizeof text);
    return aw_fail_about((int)err, "cannot send %zu bytes to %s", n, text);
}

ssize_t aw_datagram_recvfrom(aw_datagram *d, void *buf, size_t n, aw_address *from)
{
    struct use u;
    AW_TRY(begin_use(&u, d, buf, n));
    struct iovec piece = {.iov_base = buf, .iov_len = n};
    aw_address a = {.size = 0};
    struct msghdr msg = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_name = &a.place, .msg_namelen = sizeof a.place};
    ssize_t got = call_past_errors(d, receive, &msg, ERRORS_RECEIVING);
    end_use(&u);
    if (got >= 0 && from) {
        aw_address_settle(&a, msg.msg_namelen);
        *from = a;
    }
    return got;
}

ssize_t aw_datagram_recv(aw_datagram *d, void *buf, size_t n)
{
    return aw_datagram_recvfrom(d, buf, n, NULL);
}

static ssize_t send_to(aw_datagram *d, const void *buf, size_t n, const aw_address *to)
{
    struct use u;
    AW_TRY(begin_use(&u, d, buf, n));
    struct iovec piece = {.iov_base = (void *)buf, .iov_len = n};
    struct msghdr msg = {.msg_iov = &piece, .msg_iovlen = 1};
    if (to) {
        msg.msg_name = aw_sockaddr_of(to);
        msg.msg_namelen = to->size;
    }
    ssize_t sent = call_past_errors(d, send_it, &msg, ERRORS_SENDING);
    end_use(&u);
    return sent < 0 ? not_sent(sent, n, to) : sent;
}

ssize_t aw_datagram_send(aw_datagram *d, const void *buf, size_t n)
{
    return send_to(d, buf, n, NULL);
}

ssize_t aw_datagram_sendto(aw_datagram *d, const void *buf, size_t n, const aw_address *to)
{
    if (!to)
        return aw_raise_words(-EINVAL, "there is no address to send to");
    return send_to(d, buf, n, to);
}

int aw_datagram_error(aw_datagram *d)
{
    int error = d ? d->error : 0;
    if (d)
        d->error = 0;
    return error;
}

int aw_datagram_fd(const aw_datagram *d)
{
    return d ? d->fd : aw_raise_words(-EINVAL, "the socket is NULL");
}

/* ---- opening ---- */

struct opening {
    const aw_datagram_opts *opts;
    aw_datagram *made;
    aw_address *local, *remote; /* lists, or NULL */
    int n_local, n_remote;
};

static int look_up(const struct opening *o, const char *host, const char *port, int flags,
                   aw_address **ret)
{
    if (!host && !port)
        return 0;
    struct aw_lookup wanted = {
        .host = host, .port = port, .family = o->opts->family, .type = SOCK_DGRAM, .flags = flags};
    return aw_lookup(&wanted, ret);
}

static int look_up_paths(struct opening *o)
{
    const char *const paths[] = {o->opts->path, o->opts->remote_path};
    aw_address **const lists[] = {&o->local, &o->remote};
    for (int i = 0; i < 2; i++) {
        if (!paths[i])
            continue;
        if (!(*lists[i] = aw_mem_zalloc(sizeof **lists[i])))
            return aw_raise_words(-ENOMEM, "no memory for an address");
        AW_TRY(aw_address_unix(*lists[i], paths[i]));
    }
    o->n_local = o->opts->path != NULL;
    o->n_remote = o->opts->remote_path != NULL;
    return 0;
}

static int look_up_all(struct opening *o)
{
    const aw_datagram_opts *opts = o->opts;
    if (opts->path || opts->remote_path)
        return look_up_paths(o);
    o->n_local = look_up(o, opts->local_host, opts->local_port, AI_PASSIVE, &o->local);
    AW_TRY(o->n_local);
    o->n_remote = look_up(o, opts->remote_host, opts->remote_port, 0, &o->remote);
    return o->n_remote < 0 ? o->n_remote : 0;
}

static int set_options(int fd, const aw_datagram_opts *opts)
{
    int err = opts->reuse_port ? aw_socket_set(fd, SOL_SOCKET, SO_REUSEPORT, 1) : 0;
    if (err < 0)
        return aw_fail_about(err, "SO_REUSEPORT of descriptor %d", fd);
    err = opts->broadcast ? aw_socket_set(fd, SOL_SOCKET, SO_BROADCAST, 1) : 0;
    return err < 0 ? aw_fail_about(err, "SO_BROADCAST of descriptor %d", fd) : 0;
}

static int bind_it(struct opening *o, int fd, const aw_address *local)
{
    if (aw_address_family(local) == AF_UNIX)
        return aw_net_path_bind(&o->made->path, fd, local, SOCK_DGRAM);
    return aw_socket_bind(fd, local);
}

/* Connecting datagrams sends nothing and takes no time. */
static int connect_it(int fd, const aw_address *remote)
{
    char text[AW_ADDRESS_TEXT];
    int err = aw_socket_connect_now(fd, remote);
    if (err == 0)
        return 0;
    aw_address_format(remote, text, sizeof text);
    return aw_fail_about(err, "cannot connect to %s", text);
}

static int no_socket(int err, int family, const aw_address *a)
{
    char text[AW_ADDRESS_TEXT];
    if (!a)
        return aw_fail_about(err, "a socket for datagrams, of family %d", family);
    aw_address_format(a, text, sizeof text);
    return aw_fail_about(err, "a socket for datagrams, for %s", text);
}

/* Either may be NULL. */
static int open_with(struct opening *o, int family, const aw_address *local,
                     const aw_address *remote)
{
    int fd = aw_socket_new(family, SOCK_DGRAM, 0);
    if (fd < 0)
        return no_socket(fd, family, local ? local : remote);
    int err = set_options(fd, o->opts);
    if (err == 0 && local)
        err = bind_it(o, fd, local);
    if (err == 0 && remote)
        err = connect_it(fd, remote);
    if (err < 0) {
        aw_net_path_remove(&o->made->path);
        aw_socket_close(fd);
        return err;
    }
    o->made->fd = fd;
    return 0;
}

/* The first pair of one family that works. */
static int try_all(struct opening *o)
{
    int err = -EAFNOSUPPORT;
    for (int i = 0; i < o->n_local + !o->n_local; i++) {
        const aw_address *local = o->n_local ? &o->local[i] : NULL;
        for (int j = 0; j < o->n_remote + !o->n_remote; j++) {
            const aw_address *remote = o->n_remote ? &o->remote[j] : NULL;
            int family = aw_address_family(local ? local : remote);
            if (local && remote && aw_address_family(remote) != family)
                continue;
            err = open_with(o, family, local, remote);
            if (err == 0)
                return 0;
        }
    }
    return err == -EAFNOSUPPORT ? aw_raise_words(err, "the addresses are of different families")
                                : err;
}

static int open_in_time(void *arg)
{
    struct opening *o = arg;
    int err = look_up_all(o);
    if (err == 0 && o->n_local == 0 && o->n_remote == 0)
        err = open_with(o, o->opts->family, NULL, NULL);
    else if (err == 0)
        err = try_all(o);
    aw_addresses_free(o->local);
    aw_addresses_free(o->remote);
    return err;
}

static int check(const aw_datagram_opts *o)
{
    if (!o->ret)
        return aw_raise_words(-EINVAL, "there is no place for the socket");
    *o->ret = NULL;
    bool by_host = o->local_host || o->local_port || o->remote_host || o->remote_port;
    bool by_path = o->path || o->remote_path;
    if (by_host + by_path + (o->socket != NULL) > 1)
        return aw_raise_words(-EINVAL, "hosts, paths and a socket exclude each other");
    if (!by_host && !by_path && !o->socket && !o->family)
        return aw_raise_words(-EINVAL, "an address, a socket or a family is needed");
    if (isnan(o->timeout))
        return aw_raise_words(-EINVAL, "the time limit is NaN");
    if (!aw_current_task())
        return aw_raise_words(AW_EMISUSE, "sockets are opened by a task");
    return 0;
}

static int check_given(const aw_datagram_opts *o)
{
    int family = aw_socket_get(*o->socket, SOL_SOCKET, SO_DOMAIN);
    AW_TRY(aw_socket_check_given(*o->socket, family == AF_UNIX ? family : 0, SOCK_DGRAM));
    return set_options(*o->socket, o);
}

int aw_open_datagram_(const aw_datagram_opts *opts)
{
    AW_TRY(check(opts));
    if (opts->socket)
        AW_TRY(check_given(opts));
    aw_datagram *d = aw_mem_zalloc(sizeof *d);
    if (!d)
        return aw_raise_words(-ENOMEM, "no memory for a socket");
    d->keep_path = opts->keep_path;
    struct opening o = {.opts = opts, .made = d};
    int err = 0;
    if (opts->socket)
        d->fd = *opts->socket;
    else
        err = aw_net_limited(opts->timeout, open_in_time, &o);
    if (err < 0) {
        aw_mem_free(d);
        return err;
    }
    *opts->ret = d;
    return 0;
}

int aw_datagram_close(aw_datagram *d)
{
    if (!d)
        return 0;
    if (d->users)
        return aw_raise_words(AW_EMISUSE, "a task sends or receives");
    if (!d->keep_path)
        aw_net_path_remove(&d->path);
    aw_socket_close(d->fd);
    aw_mem_free(d);
    return 0;
}
