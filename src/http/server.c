/*
 * server.c - an HTTP server's life: an aw_server whose handler is a connection.
 */
#include "http/server.h"

#include <stdio.h>
#include <string.h>

#include "await/scope.h"
#include "await/tls.h"

/* ---- options ---- */

#define OR(option, otherwise) ((option) = (option) ? (option) : (otherwise))

static void fill_in(aw_http_server_opts *o)
{
    OR(o->max_connections, 10000);
    OR(o->max_requests, 1000000);
    OR(o->max_head, 32 << 10);
    OR(o->max_target, 8 << 10);
    OR(o->max_fields, 100);
    OR(o->max_body, 1 << 20);
    OR(o->head_timeout, 10);
    OR(o->idle_timeout, 60);
    OR(o->body_timeout, 300);
    OR(o->min_rate, 256);
    OR(o->send_timeout, 60);
}

static int check(const aw_http_server_opts *o)
{
    if (!o->handler)
        return aw_raise(-EINVAL, "the handler is NULL");
    const double times[] = {o->head_timeout, o->idle_timeout, o->body_timeout, o->send_timeout};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (isnan(times[i]) || times[i] < 0)
            return aw_raise(-EINVAL, "a time is negative or NaN");
    if (o->max_head > 64 << 10)
        return aw_raise(-EINVAL, ".max_head is more than 64 KiB");
    if (o->server_name &&
        (strlen(o->server_name) > 128 || aw_has_control(o->server_name, strlen(o->server_name))))
        return aw_raise(-EINVAL, ".server_name is too long, or has control characters");
    return 0;
}

/* ---- memory ---- */

static void server_init(aw_http_server *s, const aw_http_server_opts *o)
{
    *s = (aw_http_server){.refs = 1, .opts = *o};
    fill_in(&s->opts);
    s->opts.release = NULL; /* until it has been started the argument is the caller's */
    s->arenas.size = AW_HTTP_CHUNK;
    s->buffers.size = AW_HTTP_OUT;
    aw_list_init(&s->connections);
}

static void server_fini(aw_http_server *s)
{
    aw_http_spare_clear(&s->arenas);
    aw_http_spare_clear(&s->buffers);
}

aw_http_server *aw_http_server_ref(aw_http_server *server)
{
    if (server)
        server->refs++;
    return server;
}

void aw_http_server_unref(aw_http_server *server)
{
    if (!server || --server->refs > 0)
        return;
    aw_server_unref(server->below);
    aw_tls_context_unref(server->opts.tls);
    server_fini(server);
    aw_mem_free(server);
}

/* ---- connections ---- */

static void name_peer(struct aw_http_connection *c)
{
    aw_address peer = {.size = 0};
    int fd = aw_stream_fd(c->stream);
    if (fd >= 0)
        aw_ignore(aw_peer_address(fd, &peer));
    aw_ignore(aw_address_format(&peer, c->peer, sizeof c->peer));
}

/* Say good-bye, which TLS needs a moment for. */
static int part(aw_stream *s, double limit)
{
    aw_timeout tm = AW_TIMEOUT_INIT;
    aw_ignore(aw_stream_close(s));
    int err = aw_timeout_enter(&tm, limit);
    if (err >= 0)
        err = aw_timeout_exit(&tm, aw_stream_wait_closed(s));
    if (err < 0)
        aw_ignore(aw_stream_abort(s));
    return err;
}

static int serve_encrypted(struct aw_http_connection *c)
{
    const aw_http_server_opts *o = &c->server->opts;
    aw_stream_ref(c->stream);
    c->below = c->stream;
    int err = aw_start_tls(&c->stream, o->tls, NULL, .timeout = o->head_timeout);
    if (err < 0) {
        char why[256];
        snprintf(why, sizeof why, "TLS: %s: %s", aw_strerror(err), aw_errmsg());
        const struct aw_http_refusal refusal = {.why = why};
        c->request.connection = c;
        if (err != -ECANCELED)
            aw_http_log_refusal(&c->request, &refusal);
        aw_stream_unref(c->stream);
        return err == -ECANCELED || err == -ENOMEM ? err : 0;
    }
    c->is_tls = true;
    err = aw_http_connection_run(c);
    int parted = c->has_left ? 0 : part(c->stream, o->send_timeout);
    aw_stream_unref(c->stream);
    return err >= 0 && parted == -ECANCELED ? parted : err;
}

/* Its record does not lie on the stack, so that a handler that waits for long (a WebSocket's) has a
 * page of that to itself. */
static int serve_connection(aw_stream *stream, void *arg)
{
    struct aw_http_connection *c = aw_mem_alloc(sizeof *c);
    if (!c)
        return aw_raise(-ENOMEM, "no memory for a connection");
    *c = (struct aw_http_connection){.server = arg, .stream = stream};
    name_peer(c);
    int err = c->server->opts.tls ? serve_encrypted(c) : aw_http_connection_run(c);
    aw_mem_free(c);
    return err;
}

int aw_http_serve_stream_(aw_stream *s, const aw_http_server_opts *opts)
{
    aw_http_server server;
    if (!s)
        return aw_raise(-EINVAL, "the stream is NULL");
    if (opts->tls || opts->host || opts->port || opts->path || opts->sockets || opts->release)
        return aw_raise(-EINVAL, "one stream is served: it needs neither an address nor TLS");
    AW_TRY(check(opts));
    if (!aw_current_task())
        return aw_raise(AW_EMISUSE, "streams are served by a task");
    server_init(&server, opts);
    struct aw_http_connection c = {.server = &server, .stream = s};
    name_peer(&c);
    int err = aw_http_connection_run(&c);
    server_fini(&server);
    return err >= 0 && c.has_left ? 1 : err;
}

/* ---- starting ---- */

/* The server below is over. */
static void ended(void *arg)
{
    aw_http_server *s = arg;
    void (*release)(void *) = s->opts.release;
    s->opts.release = NULL;
    if (release)
        release(s->opts.arg);
    aw_http_server_unref(s);
}

static aw_server_opts opts_below(aw_http_server *s, const aw_http_server_opts *o)
{
    return (aw_server_opts){
        .file = o->file,
        .line = o->line,
        .fn_name = o->fn_name,
        .ret = &s->below,
        .handler = serve_connection,
        .host = o->host,
        .port = o->port,
        .path = o->path,
        .hosts = o->hosts,
        .sockets = o->sockets,
        .n_sockets = o->n_sockets,
        .backlog = o->backlog,
        .reuse_port = o->reuse_port,
        .start_later = true,
        .arg = s,
        .release = ended,
        .limit = s->opts.max_connections == SIZE_MAX ? 0 : s->opts.max_connections,
        .stack_size = o->stack_size,
        .stream = {.limit = s->opts.max_head},
    };
}

static int start(aw_http_server *s, const aw_http_server_opts *o)
{
    aw_server_opts below = opts_below(s, o);
    AW_TRY(o->path ? aw_start_unix_server_(&below) : aw_start_server_(&below));
    s->refs++; /* the server's below, given up by ended() */
    return o->start_later ? 0 : aw_server_start_serving(s->below);
}

int aw_http_serve_(const aw_http_server_opts *opts)
{
    if (!opts->ret)
        return aw_raise(-EINVAL, "there is no place for the server");
    *opts->ret = NULL;
    AW_TRY(check(opts));
    aw_http_server *s = aw_mem_alloc(sizeof *s);
    if (!s)
        return aw_raise(-ENOMEM, "no memory for a server");
    server_init(s, opts);
    aw_tls_context_ref(s->opts.tls);
    int err = start(s, opts);
    if (err < 0) {
        aw_server *below = s->below;
        s->below = NULL;
        aw_ignore(below ? aw_server_close(below) : 0);
        aw_server_unref(below);
        aw_http_server_unref(s);
        return err;
    }
    s->opts.release = opts->release;
    *opts->ret = s;
    return 0;
}

int aw_http_server_start_serving(aw_http_server *server)
{
    return aw_server_start_serving(server ? server->below : NULL);
}

/* ---- asking ---- */

int aw_http_server_address(const aw_http_server *server, size_t i, aw_address *ret)
{
    return aw_server_address(server ? server->below : NULL, i, ret);
}

size_t aw_http_server_connections(const aw_http_server *server)
{
    return aw_server_connections(server ? server->below : NULL);
}

uint64_t aw_http_server_requests(const aw_http_server *server)
{
    return server ? server->served : 0;
}

uint64_t aw_http_server_refusals(const aw_http_server *server)
{
    return server ? server->refused : 0;
}

/* ---- the end ---- */

/* Closing a stream wakes its reader later: the list stays as it is. */
int aw_http_server_close(aw_http_server *server)
{
    if (!server)
        return aw_raise(-EINVAL, "the server is NULL");
    AW_TRY(aw_server_close(server->below));
    server->closing = true;
    aw_list_each(link, &server->connections)
    {
        struct aw_http_connection *c = aw_container_of(link, struct aw_http_connection, link);
        if (c->is_idle)
            aw_ignore(aw_stream_close(c->stream));
    }
    return 0;
}

int aw_http_server_wait_closed(aw_http_server *server)
{
    return aw_server_wait_closed(server ? server->below : NULL);
}

int aw_http_server_shutdown_(const aw_http_end_opts *opts)
{
    AW_TRY(aw_http_server_close(opts->server));
    return aw_server_shutdown(opts->server->below, .grace = opts->grace);
}

/* Its cancellation's words go with the result. */
static int end_forever(aw_http_server *s, double grace)
{
    char why[256];
    snprintf(why, sizeof why, "%s", aw_errmsg());
    aw_ignore(aw_http_server_shutdown(s, .grace = grace));
    return aw_raise(-ECANCELED, why);
}

int aw_http_server_serve_forever_(const aw_http_end_opts *opts)
{
    aw_http_server *s = opts->server;
    if (!s)
        return aw_raise(-EINVAL, "the server is NULL");
    if (isnan(opts->grace))
        return aw_raise(-EINVAL, "the grace is NaN");
    AW_TRY(aw_server_start_serving(s->below));
    aw_http_server_ref(s);
    int err = aw_server_wait_closed(s->below);
    if (err == -ECANCELED)
        err = end_forever(s, opts->grace);
    aw_http_server_unref(s);
    return err;
}
