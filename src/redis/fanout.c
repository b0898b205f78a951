/*
 * fanout.c - a Socket.IO server that shares its broadcasts: the adapter, and what it hears.
 */
#include <math.h>
#include <string.h>

#include "await/scope.h"
#include "redis/fanout.h"

int rd_publish(aw_redis *r, const char *channel, const char *data, size_t n)
{
    struct aw_growing t = {0};
    int err = rd_format_argv(&t, (const char *const[]){"PUBLISH", channel, data},
                             (const size_t[]){7, strlen(channel), n}, 3);
    if (err >= 0)
        err = rd_send(r, &t);
    aw_growing_clear(&t);
    return err;
}

struct rd_space *rd_space_find(const aw_redis_fanout *f, const char *name)
{
    struct rd_space *s = f->spaces;
    while (s && strcmp(aw_sio_namespace_name(s->ns), name) != 0)
        s = s->next;
    return s;
}

/* ---- what leaves ---- */

static int broadcast(aw_sio_namespace *ns, const aw_sio_packet *p, void *arg)
{
    aw_redis_fanout *f = arg;
    struct aw_growing packet = {0};
    struct json_t *arguments;
    const char *nsp = aw_sio_namespace_name(ns);
    if (!aw_redis_connected(f->redis))
        return aw_raise(-ENOTCONN, "no connection to Redis: the other servers are not told");
    AW_TRY(rd_packet_arguments(p, &arguments));
    f->channel.len = 0;
    f->channel.failed = 0;
    rd_packet_channel(&f->channel, f->key, nsp, p);
    rd_packet_write(&packet, f->uid, nsp, p, arguments);
    int err = f->channel.failed ? f->channel.failed : packet.failed;
    if (err == 0)
        err = rd_publish(f->redis, f->channel.data, packet.data, packet.len);
    if (err == 0 && f->python)
        err = rd_python_send(f, nsp, p, arguments);
    aw_json_unref(arguments);
    aw_growing_clear(&packet);
    return err;
}

/* ---- what comes ---- */

/* Behind the key and the namespace in a channel's name there is a room, or nothing. */
static bool concerns(const struct rd_space *s, const char *channel)
{
    const char *name = aw_sio_namespace_name(s->ns);
    size_t key = strlen(s->fanout->key), n = strlen(name);
    if (strncmp(channel + key + 1, name, n) != 0 || channel[key + 1 + n] != '#')
        return false;
    const char *room = channel + key + n + 2;
    size_t len = strlen(room);
    char copy[256];
    if (len < 2 || len > sizeof copy)
        return true;
    memcpy(copy, room, len - 1);
    copy[len - 1] = '\0';
    return aw_sio_room_sockets(s->ns, copy) > 0;
}

static void on_broadcast(struct rd_sink *sink, const char *channel, const char *data, size_t n)
{
    aw_redis_fanout *f = aw_container_of(sink, aw_redis_fanout, broadcasts);
    struct rd_broadcast b;
    struct rd_space *s = f->spaces;
    while (s && !concerns(s, channel))
        s = s->next;
    if (!s)
        return;
    if (n > f->max_packet) {
        rd_log(f->redis, "a broadcast is too large (max_packet %zu)", f->max_packet);
        return;
    }
    int err = rd_broadcast_read(&b, data, n);
    if (err == 0) {
        s = b.request_id ? NULL : rd_space_find(f, b.nsp);
        if (s && strcmp(b.uid, f->uid) != 0 && concerns(s, channel))
            err = aw_sio_deliver(s->ns, &b.packet);
        rd_broadcast_clear(&b);
    }
    if (err < 0)
        rd_log(f->redis, "a broadcast on %.100s is dropped: %s", channel, aw_strerror(err));
}

static void on_request(struct rd_sink *sink, const char *channel, const char *data, size_t n)
{
    struct rd_space *s = aw_container_of(sink, struct rd_space, requests);
    if (n > s->fanout->max_packet)
        rd_log(s->fanout->redis, "a request on %.100s is too large", channel);
    else if (n > 0 && data[0] == '{')
        rd_request(s, data, n);
    else
        rd_ask(s, data, n);
}

static void on_python(struct rd_sink *sink, const char *channel, const char *data, size_t n)
{
    aw_redis_fanout *f = aw_container_of(sink, aw_redis_fanout, pythons);
    if (n > f->max_packet)
        rd_log(f->redis, "a message on %.100s is too large", channel);
    else
        rd_python_take(f, data, n);
}

static void on_interrupted(struct rd_sink *sink)
{
    rd_log(aw_container_of(sink, aw_redis_fanout, broadcasts)->redis,
           "what other servers have sent meanwhile is lost");
}

static void on_nothing(struct rd_sink *sink)
{
    (void)sink;
}

static void on_end(struct rd_sink *sink, int err)
{
    (void)sink;
    (void)err; /* the client's logger has been told */
}

/* ---- namespaces ---- */

static void set_sink(struct rd_sink *s,
                     void (*message)(struct rd_sink *, const char *, const char *, size_t),
                     void (*interrupted)(struct rd_sink *))
{
    s->message = message;
    s->interrupted = interrupted;
    s->ended = on_end;
}

static int add_space(aw_redis_fanout *f, aw_sio_namespace *ns)
{
    struct rd_space *s = aw_mem_zalloc(sizeof *s);
    struct aw_growing name = {0}, answers = {0};
    if (!s)
        return -ENOMEM;
    s->fanout = f;
    s->ns = ns;
    set_sink(&s->requests, on_request, on_nothing);
    aw_growing_printf(&name, "%s-request#%s#%c", f->key, aw_sio_namespace_name(ns), 0);
    aw_growing_printf(&answers, "%s-response#%s#%c", f->key, aw_sio_namespace_name(ns), 0);
    int err = name.failed ? name.failed : answers.failed;
    if (err == 0)
        err = rd_sink_add(f->redis, &s->requests, name.data, false);
    aw_growing_clear(&name);
    s->channel = answers.data;
    if (err < 0) {
        aw_mem_free(answers.data);
        aw_mem_free(s);
        return err;
    }
    s->next = f->spaces;
    f->spaces = s;
    return 0;
}

static void namespace_begins(aw_sio_namespace *ns, void *arg)
{
    aw_redis_fanout *f = arg;
    int err = add_space(f, ns);
    if (err < 0)
        rd_log(f->redis, "the namespace %.100s has no part in it: %s", aw_sio_namespace_name(ns),
               aw_strerror(err));
}

static int add_spaces(aw_redis_fanout *f)
{
    size_t n = aw_sio_namespaces(f->io, NULL, 0);
    aw_sio_namespace **all = aw_mem_alloc(n * sizeof(aw_sio_namespace *));
    if (!all)
        return -ENOMEM;
    aw_sio_namespaces(f->io, all, n);
    int err = 0;
    for (size_t i = 0; i < n && err >= 0; i++)
        err = add_space(f, all[i]);
    aw_mem_free(all);
    return err;
}

/* ---- life ---- */

static const aw_sio_adapter adapter = {
    .broadcast = broadcast,
    .namespace_begins = namespace_begins,
};

/* Six letters that no other server has, and what begins with "await:" for Python's. */
static int name_ourselves(aw_redis_fanout *f)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char bytes[RD_UID];
    AW_TRY(aw_random_bytes(bytes, sizeof bytes));
    for (int i = 0; i < RD_UID; i++)
        f->uid[i] = letters[bytes[i] & 63];
    memcpy(f->host_id, "await:", 6);
    memcpy(f->host_id + 6, f->uid, RD_UID);
    return 0;
}

static int set_up(aw_redis_fanout *f, const aw_redis_fanout_opts *o)
{
    AW_TRY(name_ourselves(f));
    f->key = aw_copy(o->key ? o->key : "socket.io");
    f->python = aw_copy(o->python_channel);
    if (!f->key || (o->python_channel && !f->python))
        return -ENOMEM;
    f->server_event = o->server_event;
    f->arg = o->arg;
    f->ack_timeout = o->ack_timeout != 0 ? o->ack_timeout : 20;
    f->max_packet = o->max_packet ? o->max_packet : 4000000;
    set_sink(&f->broadcasts, on_broadcast, on_interrupted);
    set_sink(&f->pythons, on_python, on_nothing);
    return 0;
}

static int hear_all(aw_redis_fanout *f)
{
    struct aw_growing pattern = {0};
    aw_growing_printf(&pattern, "%.400s#*%c", f->key, 0);
    int err = pattern.failed;
    if (err == 0)
        err = rd_sink_add(f->redis, &f->broadcasts, pattern.data, true);
    aw_growing_clear(&pattern);
    AW_TRY(err);
    if (f->python)
        AW_TRY(rd_sink_add(f->redis, &f->pythons, f->python, false));
    return add_spaces(f);
}

static int wait_for_all(void *arg)
{
    aw_redis_fanout *f = arg;
    while (!aw_redis_connected(f->redis)) { /* by this the broadcasts leave */
        if (f->redis->closing)
            return AW_ESHUTDOWN;
        AW_TRY(aw_event_wait(&f->redis->commands.up));
    }
    AW_TRY(rd_sink_wait(&f->broadcasts));
    if (f->python)
        AW_TRY(rd_sink_wait(&f->pythons));
    for (struct rd_space *s = f->spaces; s; s = s->next)
        AW_TRY(rd_sink_wait(&s->requests));
    return 0;
}

static int begin(aw_redis_fanout *f, const aw_redis_fanout_opts *o)
{
    AW_TRY(set_up(f, o));
    AW_TRY(hear_all(f));
    AW_TRY(aw_timeout_call(f->redis->opts.timeout, wait_for_all, f));
    return aw_sio_set_adapter(f->io, &adapter, f);
}

void rd_fanout_unref(aw_redis_fanout *f)
{
    if (--f->refs > 0)
        return;
    aw_mem_free(f->key);
    aw_mem_free(f->python);
    aw_growing_clear(&f->channel);
    aw_sio_unref(f->io);
    aw_redis_unref(f->redis);
    aw_mem_free(f);
}

static void silence(aw_redis_fanout *f)
{
    f->stopped = true;
    rd_sink_remove(f->redis, &f->broadcasts);
    rd_sink_remove(f->redis, &f->pythons);
    while (f->spaces) {
        struct rd_space *s = f->spaces;
        f->spaces = s->next;
        rd_sink_remove(f->redis, &s->requests);
        aw_mem_free(s->channel);
        aw_mem_free(s);
    }
    rd_fanout_unref(f);
}

static int check(const aw_redis_fanout_opts *o)
{
    AW_TRY(rd_check(o->redis));
    if (!o->ret || !o->io || isnan(o->ack_timeout) || o->ack_timeout < 0)
        return -EINVAL;
    if (o->key && (strlen(o->key) > 200 || strpbrk(o->key, "*?[]\\") != NULL))
        return aw_raise(-EINVAL, "the key is too long, or part of a pattern");
    return aw_current_task() ? 0 : AW_EMISUSE;
}

int aw_redis_fanout_start_(const aw_redis_fanout_opts *o)
{
    AW_TRY(check(o));
    aw_redis_fanout *f = aw_mem_zalloc(sizeof *f);
    if (!f)
        return -ENOMEM;
    f->refs = 1;
    f->redis = aw_redis_ref(o->redis);
    f->io = aw_sio_ref(o->io);
    int err = begin(f, o);
    if (err < 0)
        silence(f);
    else
        *o->ret = f;
    return err;
}

int aw_redis_fanout_stop(aw_redis_fanout *f)
{
    if (!f)
        return 0;
    AW_TRY(rd_check(f->redis));
    aw_ignore(aw_sio_set_adapter(f->io, NULL, NULL));
    silence(f);
    return 0;
}
