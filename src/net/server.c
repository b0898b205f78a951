/*
 * server.c - a server's life: started, serving, closed, over.
 *
 * Closing only stops the acceptors; what has begun goes on until it ends, is closed, or is
 * cancelled by a shutdown.  Everybody who waits, waits for one future, which is done when the
 * server is over.
 */
#include <math.h>
#include <stdio.h>

#include "await/scope.h"
#include "net/server.h"
#include "net/stream.h"

/* ---- memory ---- */

static int check_server(const aw_server *s)
{
    if (!s)
        return aw_raise_words(-EINVAL, "the server is NULL");
    int err = aw_cancelling(s->ended); /* the thread's and the loop's, and 0 otherwise */
    return err < 0 ? err : 0;
}

aw_server *aw_server_ref(aw_server *server)
{
    if (server && check_server(server) == 0)
        server->refs++;
    return server;
}

static void free_server(aw_server *s)
{
    for (size_t i = 0; i < s->n_listeners; i++)
        aw_listener_close(&s->listeners[i]);
    aw_server_drop_reserve(s);
    if (s->opts.tls)
        aw_security_of(s->opts.tls)->drop(aw_security_of(s->opts.tls));
    aw_unref(s->ended);
    aw_mem_free(s->listeners);
    aw_mem_free(s);
}

static void release_arg(aw_server *s)
{
    void (*release)(void *) = s->opts.release;
    s->opts.release = NULL;
    if (release)
        release(s->opts.arg);
}

void aw_server_unref(aw_server *server)
{
    if (!server || check_server(server) < 0)
        return;
    aw_assert(server->refs > 0);
    if (--server->refs > 0)
        return;
    release_arg(server); /* it has never served */
    free_server(server);
}

/* ---- starting ---- */

static int check_sockets(const aw_server_opts *o, bool is_local)
{
    bool by_address = is_local ? o->path != NULL : o->host || o->port || o->hosts;
    if (o->sockets && (by_address || o->n_sockets == 0))
        return aw_raise_words(-EINVAL, "sockets are given in place of an address");
    if (!o->sockets && is_local && !o->path)
        return aw_raise_words(-EINVAL, "a path or a socket is needed");
    if (!o->sockets && !is_local && !o->port)
        return aw_raise_words(-EINVAL, "a port or a socket is needed");
    return 0;
}

static int check(const aw_server_opts *o, bool is_local)
{
    if (!o->ret)
        return aw_raise_words(-EINVAL, "there is no place for the server");
    *o->ret = NULL;
    if (!o->handler)
        return aw_raise_words(-EINVAL, "the handler is NULL");
    AW_TRY(check_sockets(o, is_local));
    if (o->tls && !aw_security_of(o->tls)->server)
        return aw_raise_words(-EINVAL, ".tls is a client's");
    if (isnan(o->close_timeout) || o->close_timeout < 0 || isnan(o->tls_timeout) ||
        o->tls_timeout < 0 || o->backlog < 0)
        return aw_raise_words(-EINVAL, "a time or the backlog is negative or NaN");
    if (!aw_current_task())
        return aw_raise_words(AW_EMISUSE, "servers are started by a task");
    return aw_stream_check_sizes(&o->stream);
}

static aw_server *new_server(const aw_server_opts *o, bool is_local)
{
    aw_server *s = aw_mem_zalloc(sizeof *s);
    if (!s)
        return aw_refuse(-ENOMEM, "no memory for a server");
    s->refs = 1;
    s->opts = *o;
    s->opts.release = NULL; /* until it has been started the argument is the caller's */
    s->opts.host = s->opts.port = s->opts.path = NULL;
    s->opts.hosts = NULL;
    s->opts.sockets = NULL;
    s->is_local = is_local;
    s->reserve = -1;
    aw_list_init(&s->clients);
    s->ended = aw_future_new();
    if (!s->ended) {
        aw_mem_free(s);
        return NULL;
    }
    if (o->tls)
        aw_security_of(o->tls)->keep(aw_security_of(o->tls));
    return s;
}

static int no_reserve(const aw_server *s, int err)
{
    char address[AW_ADDRESS_TEXT];
    aw_listener_name(&s->listeners[0], address);
    return aw_fail_about(err, "a descriptor in reserve, to listen on %s", address);
}

static int prepare(aw_server *s, const aw_server_opts *o)
{
    AW_TRY(aw_server_bind(s, o));
    int err = aw_server_take_reserve(s);
    if (err < 0)
        return no_reserve(s, err);
    return o->start_later ? 0 : aw_server_start_serving(s);
}

/* From now on the server's: sockets that were given, and a path that may stay. */
static void keep(aw_server *s, const aw_server_opts *o)
{
    s->opts.release = o->release;
    for (size_t i = 0; o->keep_path && i < s->n_listeners; i++)
        s->listeners[i].path.is_bound = false;
}

/* Given sockets are the caller's again. */
static void give_back(aw_server *s)
{
    for (size_t i = 0; i < s->n_listeners; i++)
        if (s->listeners[i].given)
            s->listeners[i].fd = -1;
}

static int start(const aw_server_opts *o, bool is_local)
{
    AW_TRY(check(o, is_local));
    aw_server *s = new_server(o, is_local);
    if (!s)
        return aw_errno();
    int err = prepare(s, o);
    if (err < 0) {
        give_back(s);
        aw_server_unref(s);
        return err;
    }
    keep(s, o);
    *o->ret = s;
    return 0;
}

int aw_start_server_(const aw_server_opts *opts)
{
    return start(opts, false);
}

int aw_start_unix_server_(const aw_server_opts *opts)
{
    return start(opts, true);
}

/* ---- serving ---- */

int aw_server_start_serving(aw_server *server)
{
    AW_TRY(check_server(server));
    if (server->closed)
        return aw_raise_words(AW_EMISUSE, "the server is closed");
    if (server->serving)
        return 0;
    server->serving = true;
    for (size_t i = 0; i < server->n_listeners; i++) {
        int err = aw_listener_start(&server->listeners[i]);
        if (err < 0) {
            aw_ignore(aw_server_close(server));
            return err;
        }
    }
    return 0;
}

bool aw_server_is_serving(const aw_server *server)
{
    return server && server->serving;
}

size_t aw_server_sockets(const aw_server *server)
{
    return server && !server->closed ? server->n_listeners : 0;
}

size_t aw_server_connections(const aw_server *server)
{
    return server ? server->n_clients : 0;
}

int aw_server_address(const aw_server *server, size_t i, aw_address *ret)
{
    if (i >= aw_server_sockets(server))
        return aw_raise_words(-ENOENT, "the server has no socket %zu", i);
    return aw_local_address(server->listeners[i].fd, ret);
}

/* ---- the end ---- */

/* When a loop is closed over it nobody is left to be told. */
void aw_server_part_gone(aw_server *s)
{
    if (s->over || !s->closed || s->accepting > 0 || s->n_clients > 0)
        return;
    s->over = true;
    aw_server_drop_reserve(s);
    release_arg(s);
    if (aw_current_task())
        aw_ignore(aw_set_result(s->ended, 0, NULL));
}

int aw_server_close(aw_server *server)
{
    AW_TRY(check_server(server));
    if (server->closed)
        return 0;
    server->closed = true;
    server->serving = false;
    for (size_t i = 0; i < server->n_listeners; i++) {
        struct aw_listener *l = &server->listeners[i];
        if (l->acceptor)
            aw_cancel(l->acceptor, .msg = "the server is closed");
        else
            aw_listener_close(l);
    }
    aw_server_part_gone(server);
    return 0;
}

int aw_server_wait_closed(aw_server *server)
{
    AW_TRY(check_server(server));
    return aw_await_shielded(server->ended);
}

static int for_all_streams(aw_server *s, int (*fn)(aw_stream *s))
{
    AW_TRY(check_server(s));
    aw_list_each(link, &s->clients)
    {
        struct aw_client *c = aw_container_of(link, struct aw_client, link);
        if (c->stream)
            aw_ignore(fn(c->stream));
        else
            c->unwanted = true;
    }
    return 0;
}

int aw_server_close_clients(aw_server *server)
{
    return for_all_streams(server, aw_stream_close);
}

int aw_server_abort_clients(aw_server *server)
{
    return for_all_streams(server, aw_stream_abort);
}

int aw_server_leave(aw_stream *s)
{
    AW_TRY(aw_stream_check(s));
    s->left = true;
    return 0;
}

/* Cancelling only marks and wakes: the list stays as it is. */
static int cancel_clients(aw_server *s)
{
    int n = 0;
    s->in_a_hurry = true;
    aw_list_each(link, &s->clients)
    {
        aw_cancel(aw_container_of(link, struct aw_client, link)->task,
                  .msg = "the server is shutting down");
        n++;
    }
    return n;
}

static int wait_with_grace(aw_server *s, double grace)
{
    aw_timeout tm = AW_TIMEOUT_INIT;
    AW_TRY(aw_timeout_enter(&tm, grace));
    return aw_timeout_exit(&tm, aw_await_shielded(s->ended));
}

int aw_server_shutdown_(const aw_server_end_opts *opts)
{
    aw_server *s = opts->server;
    AW_TRY(check_server(s));
    if (isnan(opts->grace))
        return aw_raise_words(-EINVAL, "the grace is NaN");
    if (!aw_current_task())
        return aw_raise_words(AW_EMISUSE, "servers are shut down by a task");
    aw_server_ref(s);
    aw_ignore(aw_server_close(s));
    int err = opts->grace > 0 || s->n_clients == 0 ? wait_with_grace(s, opts->grace) : -ETIMEDOUT;
    int n = err < 0 ? cancel_clients(s) : 0;
    if (err < 0) {
        int again = aw_await_shielded(s->ended);
        err = err == -ETIMEDOUT ? again : err;
    }
    aw_server_unref(s);
    return err < 0 ? err : n;
}

/* Its cancellation's words go with the result. */
static int end_forever(aw_server *s, double grace)
{
    struct aw_words why;
    snprintf(why.text, sizeof why.text, "%s", aw_errmsg());
    aw_ignore(aw_server_shutdown(s, .grace = grace));
    return aw_raise(-ECANCELED, why.text);
}

int aw_server_serve_forever_(const aw_server_end_opts *opts)
{
    aw_server *s = opts->server;
    AW_TRY(check_server(s));
    if (s->forever)
        return aw_raise_words(AW_EMISUSE, "another task serves it for ever");
    if (isnan(opts->grace))
        return aw_raise_words(-EINVAL, "the grace is NaN");
    if (!aw_current_task())
        return aw_raise_words(AW_EMISUSE, "servers are served by a task");
    AW_TRY(aw_server_start_serving(s));
    aw_server_ref(s);
    s->forever = true;
    int err = aw_await_shielded(s->ended);
    if (err == -ECANCELED)
        err = end_forever(s, opts->grace);
    s->forever = false;
    aw_server_unref(s);
    return err;
}
