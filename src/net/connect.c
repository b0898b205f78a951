/*
 * connect.c - connecting: by name with Happy Eyeballs, by path, and taking a connected socket.
 *
 * RFC 8305 in short: try the addresses one after the other, families in turns, but do not wait for
 * one to fail for longer than a quarter of a second; the first to connect is it.  Here each attempt
 * is a task of one group, whose body starts the next when the delay is over or an attempt has
 * failed, and cancels the rest when one has won.  An attempt that has connected all the same, as
 * effects win over cancellations, closes its socket itself.
 *
 * A single address, the usual case of servers, is connected to by the calling task.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "await/io.h"
#include "await/loop.h"
#include "await/scope.h"
#include "await/sync.h"
#include "base/buf.h"
#include "net/net.h"

#define DELAY 0.25 /* seconds, as the RFC recommends */
#define BUSY_FIRST 0.001
#define BUSY_MOST 0.1

struct race {
    const aw_connection_opts *opts;
    aw_address *to, *from; /* from: local addresses, if any were asked for */
    int n_to, n_from;
    struct attempt *attempts;   /* n_to of them */
    int failed;                 /* how many have ended without a connection */
    int winner;                 /* a connected socket, or -1 */
    struct aw_held_socket held; /* the same, while the task sleeps */
    bool told;                  /* all have failed, and the words say so */
    aw_event news;              /* an attempt has ended */
};

struct attempt {
    struct race *race;
    const aw_address *to;
    int err;      /* why it failed; 0: it has not */
    bool unbound; /* because of the local address */
};

/* ---- one attempt ---- */

/* To the first local address of this family that can be had. */
static int bind_local(const struct race *r, int fd, int family)
{
    int err = -EADDRNOTAVAIL;
    for (int i = 0; i < r->n_from; i++) {
        if (aw_address_family(&r->from[i]) != family)
            continue;
        err = aw_socket_bind(fd, &r->from[i]);
        if (err == 0)
            return 0;
    }
    return err;
}

static int connect_socket(int fd, const aw_address *to)
{
    struct aw_held_socket held;
    aw_socket_hold(&held, fd);
    int err = aw_connect(fd, &aw_sockaddr_of(to)->any, to->size);
    aw_ignore(aw_socket_let_go(&held));
    return err;
}

/* A connected socket, or why there is none. */
static int connect_to(struct attempt *a)
{
    const struct race *r = a->race;
    int family = aw_address_family(a->to);
    int fd = aw_socket_new(family, SOCK_STREAM, 0), err = 0;
    if (fd < 0)
        return fd;
    if (r->n_from) {
        err = bind_local(r, fd, family);
        a->unbound = err < 0;
    }
    if (err == 0)
        err = connect_socket(fd, a->to);
    if (err < 0) {
        aw_socket_close(fd);
        return err;
    }
    return fd;
}

static void attempt_ended(struct attempt *a, int fd)
{
    struct race *r = a->race;
    if (fd < 0) {
        a->err = fd;
        r->failed++;
    } else if (r->winner < 0) {
        r->winner = r->held.fd = fd;
    } else {
        aw_socket_close(fd);
    }
    aw_ignore(aw_event_set(&r->news));
}

static int attempt(void *arg)
{
    attempt_ended(arg, connect_to(arg));
    return 0;
}

/* ---- the race ---- */

/* Until an attempt has ended or the delay is over. */
static int wait_for_news(struct race *r, double delay)
{
    aw_timeout tm = AW_TIMEOUT_INIT;
    AW_TRY(aw_timeout_enter(&tm, delay));
    int err = aw_timeout_exit(&tm, aw_event_wait(&r->news));
    aw_ignore(aw_event_clear(&r->news));
    return err == -ETIMEDOUT ? 0 : err;
}

static double delay_of(const aw_connection_opts *opts)
{
    return opts->happy_eyeballs_delay != 0 ? opts->happy_eyeballs_delay : DELAY;
}

/* Until there is a winner, or all have failed. */
static int run_attempts(aw_group *g, void *arg)
{
    struct race *r = arg;
    int begun = 0;
    while (r->winner < 0 && r->failed < r->n_to) {
        if (begun < r->n_to)
            AW_TRY(aw_group_start(g, attempt, &r->attempts[begun++], .name = "connect"));
        AW_TRY(wait_for_news(r, begun < r->n_to ? delay_of(r->opts) : INFINITY));
    }
    aw_group_cancel(g);
    return 0;
}

/* In the words of each: "[::1]:80: connection refused; 127.0.0.1:80: ...". */
static int all_failed(struct race *r)
{
    char text[1024], address[AW_ADDRESS_TEXT];
    aw_buf b;
    const char *host = r->opts->host, *port = r->opts->port;
    aw_buf_init(&b, text, sizeof text);
    aw_buf_printf(&b, "cannot connect to %.120s, port %.40s", host ? host : "this machine", port);
    for (int i = 0; i < r->n_to; i++) {
        const struct attempt *a = &r->attempts[i];
        aw_address_format(a->to, address, sizeof address);
        aw_buf_printf(&b, "%s%s: %s%s", i ? "; " : ": ", address,
                      a->unbound ? "its local address: " : "", aw_strerror(a->err));
    }
    r->told = true;
    return aw_raise(r->attempts[0].err, text);
}

static int race_them(struct race *r)
{
    aw_group g = AW_GROUP_INIT;
    int err;
    if (r->n_to == 1) {
        attempt_ended(&r->attempts[0], connect_to(&r->attempts[0]));
        err = r->attempts[0].err == -ECANCELED ? -ECANCELED : 0;
    } else {
        aw_group_unwrap(&g);
        aw_socket_hold(&r->held, -1);
        err = aw_group_call(&g, run_attempts, r);
        aw_ignore(aw_socket_let_go(&r->held));
    }
    if (err < 0 && r->winner >= 0)
        aw_socket_close(r->winner);
    if (err < 0)
        return err;
    return r->winner >= 0 ? r->winner : all_failed(r);
}

/* ---- addresses in turns ---- */

/* The first from `at` on of this family (or, other: not of it); n if there is none. */
static int find_family(const aw_address *list, int at, int n, int family, bool other)
{
    while (at < n && (aw_address_family(&list[at]) == family) == other)
        at++;
    return at;
}

/* Stable, in place: so many of the first family, then one of the others, and on in turns. */
static void interleave(aw_address *list, int n, unsigned first_count)
{
    int family = aw_address_family(&list[0]);
    unsigned left = first_count;
    for (int i = 0; i < n; i++) {
        bool other = left == 0;
        int found = find_family(list, i, n, family, other);
        if (found == n)
            return; /* only one kind is left */
        aw_address a = list[found];
        memmove(&list[i + 1], &list[i], (size_t)(found - i) * sizeof a);
        list[i] = a;
        left = other ? 1 : left - 1;
    }
}

/* ---- by name ---- */

static int look_up_both(struct race *r)
{
    const aw_connection_opts *o = r->opts;
    struct aw_lookup to = {
        .host = o->host, .port = o->port, .family = o->family, .type = SOCK_STREAM};
    r->n_to = aw_lookup(&to, &r->to);
    AW_TRY(r->n_to);
    interleave(r->to, r->n_to, o->interleave ? o->interleave : 1);
    if (!o->local_host && !o->local_port)
        return 0;
    struct aw_lookup from = {.host = o->local_host,
                             .port = o->local_port,
                             .family = o->family,
                             .type = SOCK_STREAM,
                             .flags = AI_PASSIVE};
    r->n_from = aw_lookup(&from, &r->from);
    return r->n_from < 0 ? r->n_from : 0;
}

static int connect_by_name(struct race *r)
{
    AW_TRY(look_up_both(r));
    r->attempts = aw_mem_zalloc((size_t)r->n_to * sizeof *r->attempts);
    if (!r->attempts)
        return aw_raise_words(-ENOMEM, "no memory for %d attempts", r->n_to);
    for (int i = 0; i < r->n_to; i++)
        r->attempts[i] = (struct attempt){.race = r, .to = &r->to[i]};
    return race_them(r);
}

static int connect_in_time(void *arg)
{
    struct race *r = arg;
    int fd = connect_by_name(r);
    aw_addresses_free(r->to);
    aw_addresses_free(r->from);
    aw_mem_free(r->attempts);
    return fd;
}

int aw_net_stream(int fd, const aw_stream_opts *opts, aw_stream **ret)
{
    aw_stream_opts with_fd = *opts;
    with_fd.fd = fd;
    with_fd.transport = NULL;
    with_fd.read_only = with_fd.write_only = false;
    *ret = aw_stream_from_fd_(&with_fd);
    return *ret ? 0 : aw_errno();
}

/* A stream over a socket of our own. */
static int own_stream(int fd, const aw_stream_opts *opts, aw_stream **ret)
{
    int err = aw_net_stream(fd, opts, ret);
    if (err < 0)
        aw_socket_close(fd);
    return err;
}

static int take_given(int fd, bool is_local, const aw_stream_opts *opts, aw_stream **ret)
{
    aw_address peer;
    AW_TRY(aw_socket_check_given(fd, is_local ? AF_UNIX : 0, SOCK_STREAM));
    AW_TRY(aw_peer_address(fd, &peer)); /* -ENOTCONN */
    return aw_net_stream(fd, opts, ret);
}

static int check_connection(const aw_connection_opts *o)
{
    if (!o->ret)
        return aw_raise_words(-EINVAL, "there is no place for the stream");
    *o->ret = NULL;
    if (!o->socket == !o->host)
        return aw_raise_words(-EINVAL, "a host or a socket is needed, and not both");
    if (o->host && !o->port)
        return aw_raise_words(-EINVAL, "there is no port for host '%.120s'", o->host);
    if (isnan(o->timeout) || isnan(o->happy_eyeballs_delay) || o->happy_eyeballs_delay < 0)
        return aw_raise_words(-EINVAL, "a time is negative or NaN");
    if (o->tls && aw_security_of(o->tls)->server)
        return aw_raise_words(-EINVAL, ".tls is a server's");
    if (!aw_current_task())
        return aw_raise_words(AW_EMISUSE, "connections are made by a task");
    return aw_stream_check_sizes(&o->stream);
}

static int connect_or_take(const aw_connection_opts *opts)
{
    if (opts->socket) {
        AW_TRY(take_given(*opts->socket, false, &opts->stream, opts->ret));
        aw_socket_prepare(*opts->socket, opts->nagle, opts->keepalive);
        return 0;
    }
    struct race r = {.opts = opts, .winner = -1};
    int fd = aw_net_limited(opts->timeout, connect_in_time, &r);
    if (fd == -ETIMEDOUT && !r.told) /* the limit's */
        return aw_raise_words(fd, "cannot connect to %.120s, port %.40s, within %g s", opts->host,
                              opts->port, opts->timeout);
    AW_TRY(fd);
    aw_socket_prepare(fd, opts->nagle, opts->keepalive);
    return own_stream(fd, &opts->stream, opts->ret);
}

/* Agree on TLS in the rest of the time; the stream is given up if that comes to nothing. */
static int secure(const aw_connection_opts *opts, double deadline)
{
    const aw_security *tls = aw_security_of(opts->tls);
    const char *name = opts->server_name ? opts->server_name : opts->host;
    double left = opts->timeout != 0 ? aw_left(deadline) : 0;
    int err = tls->start(tls, opts->ret, name, left, &opts->stream);
    if (err >= 0)
        return 0;
    aw_stream_unref(*opts->ret);
    *opts->ret = NULL;
    return err;
}

int aw_open_connection_(const aw_connection_opts *opts)
{
    AW_TRY(check_connection(opts));
    double deadline = aw_time() + opts->timeout;
    AW_TRY(connect_or_take(opts));
    return opts->tls ? secure(opts, deadline) : 0;
}

/* ---- by path ---- */

/* While the backlog is full the kernel does not tell when it has room: ask again and again. */
static int connect_patiently(int fd, const aw_address *to)
{
    struct aw_held_socket held;
    double pause = BUSY_FIRST;
    int err;
    aw_socket_hold(&held, fd);
    while ((err = aw_connect(fd, &aw_sockaddr_of(to)->any, to->size)) == -EAGAIN) {
        err = aw_sleep(pause);
        if (err < 0)
            break;
        pause = pause < BUSY_MOST ? 2 * pause : pause;
    }
    aw_ignore(aw_socket_let_go(&held));
    return err;
}

static int connect_by_path(void *arg)
{
    const aw_address *to = arg;
    int fd = aw_socket_new(AF_UNIX, SOCK_STREAM, 0);
    AW_TRY(fd);
    int err = connect_patiently(fd, to);
    if (err < 0)
        aw_socket_close(fd);
    return err < 0 ? err : fd;
}

static int check_unix_connection(const aw_unix_connection_opts *o)
{
    if (!o->ret)
        return aw_raise_words(-EINVAL, "there is no place for the stream");
    *o->ret = NULL;
    if (!o->socket == !o->path)
        return aw_raise_words(-EINVAL, "a path or a socket is needed, and not both");
    if (isnan(o->timeout))
        return aw_raise_words(-EINVAL, "the time limit is NaN");
    if (!aw_current_task())
        return aw_raise_words(AW_EMISUSE, "connections are made by a task");
    return aw_stream_check_sizes(&o->stream);
}

int aw_open_unix_connection_(const aw_unix_connection_opts *opts)
{
    aw_address to;
    AW_TRY(check_unix_connection(opts));
    if (opts->socket)
        return take_given(*opts->socket, true, &opts->stream, opts->ret);
    AW_TRY(aw_address_unix(&to, opts->path));
    int fd = aw_net_limited(opts->timeout, connect_by_path, &to);
    if (fd < 0 && fd != -ECANCELED)
        return aw_fail_about(fd, "cannot connect to %.120s", opts->path);
    AW_TRY(fd);
    return own_stream(fd, &opts->stream, opts->ret);
}
