/*
 * server.c - a server and its namespaces: made, given handlers, ended.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "await/compose.h"
#include "await/scope.h"
#include "sio/sio.h"

/* ---- for all ---- */

int aw_sio_here(const aw_sio *io)
{
    if (aw_running_loop() == io->loop)
        return 0;
    return aw_raise(AW_ETHREAD, "this Socket.IO server belongs to another loop");
}

int aw_sio_new_id(char id[AW_SIO_ID + 1])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char random[AW_SIO_ID * 6 / 8];
    AW_TRY(aw_random_bytes(random, sizeof random));
    for (int i = 0, bit = 0; i < AW_SIO_ID; i++, bit += 6) {
        unsigned two = (unsigned)random[bit / 8] << 8;
        if ((size_t)bit / 8 + 1 < sizeof random)
            two |= random[bit / 8 + 1];
        id[i] = letters[two >> (10 - bit % 8) & 63];
    }
    id[AW_SIO_ID] = '\0';
    return 0;
}

void aw_sio_tell(aw_sio *io, const char *peer, const char *reason, const char *limit, size_t value)
{
    char line[512];
    if (limit)
        snprintf(line, sizeof line, "%s: %s (%s %zu)", peer, reason, limit, value);
    else
        snprintf(line, sizeof line, "%s: %s", peer, reason);
    if (io->opts.logger)
        io->opts.logger(line, io->opts.logger_arg);
    else
        fprintf(stderr, "await: socket.io: %s\n", line);
}

/* ---- a new one ---- */

static void default_time(double *option, double seconds)
{
    if (*option == 0)
        *option = seconds;
}

static void default_size(size_t *option, size_t n)
{
    if (*option == 0)
        *option = n;
}

static void default_count(unsigned *option, unsigned n)
{
    if (*option == 0)
        *option = n;
}

static void set_defaults(aw_sio_opts *o)
{
    default_time(&o->ping_interval, 25);
    default_time(&o->ping_timeout, 20);
    default_time(&o->connect_timeout, 45);
    default_time(&o->upgrade_timeout, 10);
    default_size(&o->max_payload, 1000000);
    default_size(&o->max_message, 4000000);
    default_size(&o->max_buffered, 1 << 20);
    default_size(&o->max_sessions, 100000);
    default_count(&o->max_packets, 1000);
    default_count(&o->max_attachments, 10);
    default_count(&o->max_depth, 64);
    default_count(&o->max_handlers, 64);
    default_count(&o->max_namespaces, 16);
}

static bool makes_sense(const aw_sio_opts *o)
{
    const double times[] = {o->ping_interval, o->ping_timeout, o->connect_timeout,
                            o->upgrade_timeout};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (!(times[i] > 0 && times[i] < 1e9))
            return false;
    return o->max_attachments <= 64 && o->max_depth <= 64 && !(o->no_polling && o->no_websocket);
}

/* The list of origins, copied; "*" among them is a flag. */
static int copy_origins(aw_sio *io, const char *const *list)
{
    size_t n = 0, bytes = 0;
    for (; list && list[n]; n++)
        bytes += strlen(list[n]) + 1;
    if (n == 0)
        return 0;
    io->origins = aw_mem_alloc((n + 1) * sizeof *io->origins + bytes);
    if (!io->origins)
        return -ENOMEM;
    char *at = (char *)(io->origins + n + 1);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(list[i]) + 1;
        io->origins[i] = memcpy(at, list[i], len);
        at += len;
        io->every_origin |= strcmp(list[i], "*") == 0;
    }
    io->origins[n] = NULL;
    return io->every_origin && io->opts.credentials
               ? aw_raise(-EINVAL, ".credentials for every origin")
               : 0;
}

static int fill(aw_sio *io, const aw_sio_opts *opts)
{
    io->opts = *opts;
    set_defaults(&io->opts);
    if (!makes_sense(&io->opts))
        return -EINVAL;
    AW_TRY(copy_origins(io, opts->origins));
    io->opts.origins = NULL; /* the caller's */
    AW_TRY(aw_random_bytes(io->key, sizeof io->key));
    io->ping = aw_sio_out_new("2", 1);
    if (!io->ping)
        return -ENOMEM;
    return aw_sio_of(io, "/") ? 0 : aw_errno();
}

aw_sio *aw_sio_new_(const aw_sio_opts *opts)
{
    aw_loop *loop = aw_running_loop();
    if (!loop)
        return NULL;
    aw_sio *io = aw_mem_zalloc(sizeof *io);
    if (!io)
        return aw_refuse(-ENOMEM, NULL);
    io->refs = 1;
    io->loop = loop;
    io->sessions.key = io->namespaces.key = io->key;
    aw_list_init(&io->doomed);
    aw_list_init(&io->jobs);
    aw_list_init(&io->readers);
    int err = fill(io, opts);
    aw_sio_line_init(&io->pings, io, io->opts.ping_interval, aw_sio_session_ping);
    aw_sio_line_init(&io->pongs, io, io->opts.ping_timeout, aw_sio_session_no_pong);
    aw_sio_line_init(&io->connects, io, io->opts.connect_timeout, aw_sio_session_not_connected);
    if (err == 0)
        return io;
    aw_sio_unref(io);
    return aw_refuse(err, err == -EINVAL ? aw_errmsg() : NULL);
}

size_t aw_sio_sessions(const aw_sio *io)
{
    return io ? io->sessions.n : 0;
}

int aw_sio_set_adapter(aw_sio *io, const aw_sio_adapter *adapter, void *arg)
{
    if (!io || (adapter && !adapter->broadcast))
        return -EINVAL;
    AW_TRY(aw_sio_here(io));
    io->adapter = adapter;
    io->adapter_arg = arg;
    return 0;
}

/* ---- the end ---- */

static void end_sessions(aw_sio *io)
{
    struct aw_sio_node *node;
    while ((node = aw_sio_table_any(&io->sessions)) != NULL)
        aw_sio_session_end(aw_container_of(node, struct aw_sio_session, node),
                           "server shutting down", AW_WS_GOING_AWAY);
}

static int cancel_parts(aw_sio *io)
{
    int n = 0;
    aw_list_each(it, &io->jobs)
    {
        aw_cancel(aw_container_of(it, struct aw_sio_job, link)->task);
        n++;
    }
    aw_list_each(it, &io->readers) aw_cancel(aw_container_of(it, struct aw_sio_reader, link)->task);
    return n;
}

static bool has_parts(const aw_sio *io)
{
    return !aw_list_empty(&io->jobs) || !aw_list_empty(&io->readers);
}

/* Until the last of them has ended, or so long. */
static int wait_for_parts(aw_sio *io, double seconds)
{
    int err = 0;
    while (err == 0 && has_parts(io)) {
        io->quiet = aw_future_new();
        if (!io->quiet)
            return aw_errno();
        aw_future *f = io->quiet;
        err = seconds == INFINITY ? aw_await(f) : aw_wait_for(f, seconds);
        io->quiet = NULL;
        aw_unref(f);
    }
    return err;
}

int aw_sio_close_(const aw_sio_close_opts *opts)
{
    aw_sio *io = opts->io;
    if (!io || isnan(opts->grace))
        return -EINVAL;
    AW_TRY(aw_sio_here(io));
    if (!aw_current_task() || io->quiet)
        return AW_EMISUSE;
    aw_sio_ref(io);
    io->closed = true;
    end_sessions(io);
    int cancelled = 0, err = 0;
    if (opts->grace > 0)
        err = wait_for_parts(io, opts->grace);
    if (has_parts(io)) {
        cancelled = cancel_parts(io);
        if (err == 0 || err == -ETIMEDOUT)
            err = wait_for_parts(io, INFINITY);
    }
    aw_sio_unref(io);
    return err < 0 ? err : cancelled;
}

static void free_namespace(aw_sio_namespace *ns)
{
    struct aw_sio_node *node;
    while ((node = aw_sio_table_any(&ns->listeners)) != NULL) {
        aw_sio_table_remove(&ns->listeners, node);
        aw_mem_free(aw_container_of(node, struct aw_sio_listener, node));
    }
    for (struct aw_sio_guard *g = ns->guards, *next; g; g = next) {
        next = g->next;
        aw_mem_free(g);
    }
    aw_sio_table_clear(&ns->listeners);
    aw_sio_table_clear(&ns->by_id);
    aw_sio_table_clear(&ns->rooms);
    aw_mem_free(ns);
}

aw_sio *aw_sio_ref(aw_sio *io)
{
    if (io)
        io->refs++;
    return io;
}

void aw_sio_unref(aw_sio *io)
{
    struct aw_sio_node *node;
    if (!io || --io->refs > 0)
        return;
    aw_sio_line_clear(&io->pings);
    aw_sio_line_clear(&io->pongs);
    aw_sio_line_clear(&io->connects);
    while ((node = aw_sio_table_any(&io->namespaces)) != NULL) {
        aw_sio_table_remove(&io->namespaces, node);
        free_namespace(aw_container_of(node, aw_sio_namespace, node));
    }
    aw_sio_table_clear(&io->namespaces);
    aw_sio_table_clear(&io->sessions);
    aw_sio_out_unref(io->ping);
    aw_mem_free(io->origins);
    aw_mem_free(io);
}

/* ---- namespaces ---- */

static aw_sio_namespace *new_namespace(aw_sio *io, const char *name)
{
    size_t n = strlen(name) + 1;
    aw_sio_namespace *ns = aw_mem_zalloc(sizeof *ns + n);
    if (!ns)
        return aw_refuse(-ENOMEM, NULL);
    memcpy(ns->name, name, n);
    ns->node.name = ns->name;
    ns->io = io;
    ns->last_guard = &ns->guards;
    ns->listeners.key = ns->by_id.key = ns->rooms.key = io->key;
    aw_list_init(&ns->sockets);
    if (aw_sio_table_add(&io->namespaces, &ns->node) < 0) {
        aw_mem_free(ns);
        return aw_refuse(-ENOMEM, NULL);
    }
    if (io->adapter && io->adapter->namespace_begins)
        io->adapter->namespace_begins(ns, io->adapter_arg);
    return ns;
}

size_t aw_sio_namespaces(const aw_sio *io, aw_sio_namespace **ret, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; io && i < io->namespaces.size; i++)
        for (struct aw_sio_node *node = io->namespaces.slots[i]; node; node = node->next)
            if (n++ < max)
                ret[n - 1] = aw_container_of(node, aw_sio_namespace, node);
    return n;
}

aw_sio_namespace *aw_sio_of(aw_sio *io, const char *name)
{
    if (!io || !name || name[0] != '/' || strchr(name, ',') || strlen(name) > 255)
        return aw_refuse(-EINVAL, "the name of a namespace");
    int err = aw_sio_here(io);
    if (err < 0)
        return aw_refuse(err, aw_errmsg());
    struct aw_sio_node *node = aw_sio_table_find(&io->namespaces, name);
    return node ? aw_container_of(node, aw_sio_namespace, node) : new_namespace(io, name);
}

const char *aw_sio_namespace_name(const aw_sio_namespace *ns)
{
    return ns ? ns->name : "";
}

aw_sio *aw_sio_namespace_server(const aw_sio_namespace *ns)
{
    return ns ? ns->io : NULL;
}

/* ---- handlers ---- */

typedef void aw_sio_any_fn(void);

static struct aw_sio_handler handler_of(aw_sio_any_fn *fn, const aw_sio_on_opts *o)
{
    return (struct aw_sio_handler){
        .fn = fn, .arg = o->arg, .file = o->file, .name = o->fn_name, .line = o->line};
}

static int check(const aw_sio_namespace *ns, aw_sio_any_fn *fn)
{
    return ns && fn ? aw_sio_here(ns->io) : -EINVAL;
}

int aw_sio_use_(aw_sio_namespace *ns, aw_sio_socket_handler *fn, const aw_sio_on_opts *o)
{
    AW_TRY(check(ns, (aw_sio_any_fn *)fn));
    struct aw_sio_guard *g = aw_mem_alloc(sizeof *g);
    if (!g)
        return -ENOMEM;
    *g = (struct aw_sio_guard){.handler = handler_of((aw_sio_any_fn *)fn, o)};
    *ns->last_guard = g;
    ns->last_guard = &g->next;
    return 0;
}

int aw_sio_on_connect_(aw_sio_namespace *ns, aw_sio_socket_handler *fn, const aw_sio_on_opts *o)
{
    AW_TRY(check(ns, (aw_sio_any_fn *)fn));
    ns->on_connect = handler_of((aw_sio_any_fn *)fn, o);
    return 0;
}

int aw_sio_on_disconnect_(aw_sio_namespace *ns, aw_sio_socket_handler *fn, const aw_sio_on_opts *o)
{
    AW_TRY(check(ns, (aw_sio_any_fn *)fn));
    ns->on_disconnect = handler_of((aw_sio_any_fn *)fn, o);
    return 0;
}

int aw_sio_on_(aw_sio_namespace *ns, const char *name, aw_sio_event_handler *fn,
               const aw_sio_on_opts *o)
{
    AW_TRY(check(ns, (aw_sio_any_fn *)fn));
    if (!name) {
        if (ns->on_any.fn)
            return -EEXIST;
        ns->on_any = handler_of((aw_sio_any_fn *)fn, o);
        return 0;
    }
    if (aw_sio_reserved(name, strlen(name)))
        return aw_raise(-EINVAL, "the event's name is reserved");
    if (aw_sio_table_find(&ns->listeners, name))
        return -EEXIST;
    size_t n = strlen(name) + 1;
    struct aw_sio_listener *l = aw_mem_alloc(sizeof *l + n);
    if (!l)
        return -ENOMEM;
    *l = (struct aw_sio_listener){.node = {.name = l->name},
                                  .handler = handler_of((aw_sio_any_fn *)fn, o)};
    memcpy(l->name, name, n);
    int err = aw_sio_table_add(&ns->listeners, &l->node);
    if (err < 0)
        aw_mem_free(l);
    return err;
}
