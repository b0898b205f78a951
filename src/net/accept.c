/*
 * accept.c - accepting connections, and a task for each.
 *
 * An acceptor waits for room, then for a connection, and never for a handler: the client's task
 * begins in the next pass.  The limit holds strictly; of several listeners each may have accepted
 * one connection that waits for room.
 *
 * Without descriptors accepting fails at once and would do so again and again.  So the acceptor
 * waits until somebody is there, tries once more, and if that fails too gives up the descriptor in
 * reserve, takes the connections that wait with it, one after the other, and closes them: their
 * peers are told at once, in place of waiting for nothing.  If the reserve cannot be had again it
 * sleeps for a while.
 */
#include "await/io.h"
#include "await/scope.h"
#include "core/parts.h"
#include "net/server.h"
#include "net/stream.h"

enum {
    IN_A_ROW = 64,     /* connections after which others have their turn */
    TURNED_AWAY = 1024 /* at most, with one descriptor, before it is had again */
};

#define PAUSE 1.0         /* seconds: without a reserve, or memory */
#define CLOSE_TIMEOUT 10. /* seconds, by default */

/* At most one report each second, of the server or client of this name; `err` has its words. */
static void tell_of(aw_server *s, const char *message, const char *what, const char *name, int err)
{
    if (s->has_told && aw_time() < s->told + 1)
        return;
    s->has_told = true;
    s->told = aw_time();
    aw_report_named(aw_self.loop, AW_REPORT_SERVER, message, what, name, err);
}

/* ---- a client ---- */

static void client_gone(void *arg)
{
    struct aw_client *c = arg;
    aw_server *s = c->server;
    aw_list_remove(&c->link);
    s->n_clients--;
    aw_stream_unref(c->stream);
    if (c->fd >= 0)
        aw_socket_close(c->fd);
    aw_unref(c->task);
    aw_mem_free(c);
    if (s->opts.limit && aw_current_task())
        aw_ignore(aw_event_set(&s->room));
    aw_server_part_gone(s);
    aw_server_unref(s);
}

static int wait_closed(void *arg)
{
    return aw_stream_wait_closed(arg);
}

/* What the handler has written is sent, if the peer takes it in time. */
static void finish(struct aw_client *c)
{
    const aw_server *s = c->server;
    double limit = s->opts.close_timeout != 0 ? s->opts.close_timeout : CLOSE_TIMEOUT;
    aw_ignore(aw_stream_close(c->stream));
    if (aw_stream_pending(c->stream) == 0)
        return;
    if (s->in_a_hurry || aw_timeout_call(limit, wait_closed, c->stream) < 0)
        aw_ignore(aw_stream_abort(c->stream));
}

/* Is it, with TLS agreed on?  What peers do wrong is not the handler's failure. */
static bool secured(struct aw_client *c)
{
    aw_server *s = c->server;
    const aw_security *tls = aw_security_of(s->opts.tls);
    int err = tls->start(tls, &c->stream, NULL, s->opts.tls_timeout, &s->opts.stream);
    if (err < 0 && err != -ECANCELED)
        tell_of(s, "a client and the server did not agree on TLS", "client", aw_task_name(c->task),
                err);
    return err >= 0;
}

static int serve(void *arg)
{
    struct aw_client *c = arg;
    const aw_server *s = c->server;
    if (c->unwanted)
        return 0;
    AW_TRY(aw_net_stream(c->fd, &s->opts.stream, &c->stream));
    c->fd = -1;
    if (s->opts.tls && !secured(c))
        return 0;
    int result = s->opts.handler(c->stream, s->opts.arg);
    if (!c->stream->left)
        finish(c);
    return result < 0 ? result : 0;
}

/* A task for a connection; without one it is closed. */
static int welcome(aw_server *s, int fd, const aw_address *from)
{
    char name[AW_ADDRESS_TEXT];
    struct aw_client *c = aw_mem_zalloc(sizeof *c);
    if (!c) {
        aw_socket_close(fd);
        return aw_raise_words(-ENOMEM, "no memory for a connection");
    }
    c->server = s;
    c->fd = fd;
    aw_address_format(from, name, sizeof name);
    int err = aw_spawn_(serve, &(aw_task_opts){.file = s->opts.file,
                                               .line = s->opts.line,
                                               .fn_name = s->opts.fn_name,
                                               .arg = c,
                                               .name = name,
                                               .stack_size = s->opts.stack_size,
                                               .release = client_gone,
                                               .ret_task = &c->task});
    if (err < 0) {
        aw_socket_close(fd);
        aw_mem_free(c);
        return err;
    }
    aw_list_push_back(&s->clients, &c->link);
    s->n_clients++;
    s->refs++;
    return 0;
}

/* ---- trouble ---- */

int aw_server_take_reserve(aw_server *s)
{
    if (s->reserve < 0)
        s->reserve = aw_open_null();
    return s->reserve < 0 ? s->reserve : 0;
}

void aw_server_drop_reserve(aw_server *s)
{
    if (s->reserve >= 0)
        aw_socket_close(s->reserve);
    s->reserve = -1;
}

static void tell(const struct aw_listener *l, const char *message, int err)
{
    char name[AW_ADDRESS_TEXT];
    aw_listener_name(l, name);
    tell_of(l->server, message, "server", name, err);
}

static int accept_now(const struct aw_listener *l, aw_address *from)
{
    socklen_t size = sizeof from->place;
    int fd = aw_sys.accept(l->fd, &aw_sockaddr_of(from)->any, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    aw_address_settle(from, size);
    return fd;
}

/* If somebody else got the reserve first there is nothing to be done for a while. */
static int turn_away(const struct aw_listener *l)
{
    aw_address from = {.size = 0};
    int n = 0, fd;
    aw_server_drop_reserve(l->server);
    for (; n < TURNED_AWAY && (fd = accept_now(l, &from)) >= 0; n++)
        aw_socket_close(fd);
    bool has_reserve = aw_server_take_reserve(l->server) == 0;
    return has_reserve && n > 0 ? 0 : aw_sleep(PAUSE);
}

static bool is_no_descriptor(int err)
{
    return err == -EMFILE || err == -ENFILE;
}

/* Served, or closed and told of. */
static void admit(const struct aw_listener *l, int fd, const aw_address *from)
{
    int err = welcome(l->server, fd, from);
    if (err < 0)
        tell(l, "a server has no task for a connection, and closes it", err);
}

/* Without a descriptor: until there is a connection, which is served if there is one by then. */
static int without_descriptor(const struct aw_listener *l, int err)
{
    static const char message[] = "a server has no descriptors left, and turns connections away";
    aw_address from = {.size = 0};
    if (aw_server_take_reserve(l->server) < 0)
        AW_TRY(aw_sleep(PAUSE));
    int ready = aw_poll(l->fd, POLLIN);
    AW_TRY(ready);
    int fd = accept_now(l, &from);
    if (fd >= 0)
        admit(l, fd, &from);
    if (!is_no_descriptor(fd))
        return 0;
    tell(l, message, err);
    return turn_away(l);
}

/* Errors of the connection, which has gone again or is refused by a firewall: on to the next. */
static bool is_of_connection(int err)
{
    switch (err) {
    case -EAGAIN:
    case -EINTR:
    case -ECONNABORTED:
    case -ECONNRESET:
    case -EHOSTDOWN:
    case -EHOSTUNREACH:
    case -ENETDOWN:
    case -ENETUNREACH:
    case -ENONET:
    case -ENOPROTOOPT:
    case -EPERM:
    case -EPROTO:
    case -ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

static bool is_of_socket(int err)
{
    return err == -EBADF || err == -EINVAL || err == -ENOTSOCK || err == -EOPNOTSUPP;
}

/* Accepting has failed: 0 to go on, or why not. */
static int accept_failed(const struct aw_listener *l, int err)
{
    if (is_of_connection(err))
        return 0;
    if (is_no_descriptor(err))
        return without_descriptor(l, err);
    if (err == -ECANCELED || is_of_socket(err))
        return err;
    tell(l, "a server cannot accept connections for a moment", err);
    return aw_sleep(PAUSE);
}

/* ---- accepting ---- */

static int wait_for_room(aw_server *s)
{
    while (s->opts.limit && s->n_clients >= s->opts.limit) {
        aw_ignore(aw_event_clear(&s->room));
        AW_TRY(aw_event_wait(&s->room));
    }
    return 0;
}

/* One connection: 0, or why it is to end. */
static int accept_one(const struct aw_listener *l)
{
    aw_server *s = l->server;
    aw_address from = {.size = 0};
    aw_socklen size = sizeof from.place;
    AW_TRY(wait_for_room(s));
    int fd = aw_accept(l->fd, &aw_sockaddr_of(&from)->any, &size);
    if (fd < 0)
        return accept_failed(l, fd);
    aw_address_settle(&from, (socklen_t)size);
    int err = s->closed ? -ECANCELED : wait_for_room(s);
    if (err < 0) {
        aw_socket_close(fd);
        return err;
    }
    admit(l, fd, &from);
    return 0;
}

static int accept_all(void *arg)
{
    struct aw_listener *l = arg;
    int err = 0;
    for (unsigned n = 1; err == 0; n++) {
        err = accept_one(l);
        if (err == 0 && n % IN_A_ROW == 0)
            err = aw_sleep(0);
    }
    if (err != -ECANCELED) {
        l->server->has_told = false; /* this is told in any case */
        tell(l, "a server has lost a socket that it listened on", err);
    }
    return err == -ECANCELED ? err : 0;
}

static void acceptor_gone(void *arg)
{
    struct aw_listener *l = arg;
    aw_server *s = l->server;
    aw_listener_close(l);
    aw_unref(l->acceptor);
    l->acceptor = NULL;
    if (--s->accepting == 0) { /* whoever has ended them */
        s->closed = true;
        s->serving = false;
    }
    aw_server_part_gone(s);
    aw_server_unref(s);
}

int aw_listener_start(struct aw_listener *l)
{
    aw_server *s = l->server;
    char address[AW_ADDRESS_TEXT];
    int backlog = s->opts.backlog > 0 ? s->opts.backlog : 1024;
    aw_listener_name(l, address);
    int err = aw_sys.listen(l->fd, backlog);
    if (err < 0)
        return aw_fail_about(err, "cannot listen on %s", address);
    AW_TRY(aw_spawn_(accept_all, &(aw_task_opts){.file = s->opts.file,
                                                 .line = s->opts.line,
                                                 .fn_name = "aw_start_server",
                                                 .arg = l,
                                                 .name = address,
                                                 .release = acceptor_gone,
                                                 .ret_task = &l->acceptor}));
    s->accepting++;
    s->refs++;
    return 0;
}
