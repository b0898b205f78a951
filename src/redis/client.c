/*
 * client.c - making a client, its options, its handles, and its end.
 */
#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "redis/rd.h"

/* ---- small things ---- */

int rd_check(const aw_redis *r)
{
    if (!r)
        return aw_raise(-EINVAL, "the client is NULL");
    return aw_running_loop() == r->loop ? 0 : AW_ETHREAD;
}

int rd_has_ended(void)
{
    return aw_raise(AW_ESHUTDOWN, "the client has ended");
}

void rd_log(const aw_redis *r, const char *format, ...)
{
    char line[640];
    int n = snprintf(line, sizeof line, "redis %s: ", r->place);
    va_list ap;
    va_start(ap, format);
    vsnprintf(line + n, sizeof line - (size_t)n, format, ap);
    va_end(ap);
    for (char *at = line; *at; at++)
        if ((unsigned char)*at < 0x20)
            *at = ' ';
    if (r->opts.logger)
        r->opts.logger(line, r->opts.logger_arg);
    else
        fprintf(stderr, "%s\n", line);
}

/* ---- options ---- */

static double or_time(double given, double otherwise)
{
    return given != 0 ? given : otherwise;
}

static size_t or_size(size_t given, size_t otherwise)
{
    return given ? given : otherwise;
}

static void set_defaults(aw_redis_opts *o, const struct rd_url *u)
{
    if (!o->path && !o->host)
        o->path = u->path;
    if (!o->host)
        o->host = u->host ? u->host : "localhost";
    if (!o->port)
        o->port = u->port ? u->port : "6379";
    if (!o->user)
        o->user = u->user;
    if (!o->password)
        o->password = u->password;
    if (!o->db)
        o->db = u->db;
    o->connect_timeout = or_time(o->connect_timeout, 10);
    o->timeout = or_time(o->timeout, 10);
    o->ping_interval = or_time(o->ping_interval, 15);
    o->backoff_min = or_time(o->backoff_min, 0.1);
    o->backoff_max = or_time(o->backoff_max, 5);
    o->max_reply = or_size(o->max_reply, 64u << 20);
    o->max_pending = or_size(o->max_pending, 16u << 20);
    o->max_waiting = o->max_waiting ? o->max_waiting : 100000;
}

static int check_options(const aw_redis_opts *o)
{
    if (!(o->connect_timeout > 0 && o->timeout > 0 && o->ping_interval > 0))
        return aw_raise(-EINVAL, "a time is negative or NaN");
    if (!(o->backoff_min > 0 && o->backoff_max >= o->backoff_min && o->backoff_max < INFINITY))
        return aw_raise(-EINVAL, ".backoff_min and .backoff_max are no bounds");
    if (o->user && !o->password)
        return aw_raise(-EINVAL, "a user without a password");
    if (o->path && o->tls)
        return aw_raise(-EINVAL, "TLS over a local socket");
    return 0;
}

/* The strings of the options become copies in one block. */
static int copy_strings(aw_redis *r)
{
    aw_redis_opts *o = &r->opts;
    const char **strings[] = {&o->host,     &o->port,        &o->path, &o->user,
                              &o->password, &o->server_name, &o->name};
    size_t n = 1;
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        n += *strings[i] ? strlen(*strings[i]) + 1 : 0;
    char *at = r->strings = aw_mem_alloc(n);
    if (!at)
        return -ENOMEM;
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        if (!*strings[i])
            continue;
        size_t len = strlen(*strings[i]) + 1;
        *strings[i] = memcpy(at, *strings[i], len);
        at += len;
    }
    return 0;
}

static int set_up(aw_redis *r, const aw_redis_opts *opts)
{
    uint64_t seed;
    r->opts = *opts;
    if (opts->url)
        AW_TRY(rd_url_parse(&r->url, opts->url));
    set_defaults(&r->opts, &r->url);
    AW_TRY(check_options(&r->opts));
    AW_TRY(copy_strings(r));
    AW_TRY(aw_random_bytes(&seed, sizeof seed));
    aw_prng_seed(&r->prng, seed);
    if (r->opts.path)
        snprintf(r->place, sizeof r->place, "%s", r->opts.path);
    else
        snprintf(r->place, sizeof r->place, "%s:%s", r->opts.host, r->opts.port);
    r->tls = aw_tls_context_ref(opts->tls);
    if (!r->tls && r->url.secure && !r->opts.path) {
        r->tls = aw_tls_context_new(.insecure = false);
        if (!r->tls)
            return aw_errno();
    }
    return 0;
}

/* ---- life ---- */

static void free_client(aw_redis *r)
{
    if (r->handles > 0 || r->inside > 0)
        return;
    aw_tls_context_unref(r->tls);
    aw_mem_free(r->url.memory);
    aw_mem_free(r->strings);
    aw_mem_free(r->buckets);
    aw_mem_free(r);
}

void rd_let_go(aw_redis *r)
{
    assert(r->inside > 0);
    r->inside--;
    free_client(r);
}

static void stop(aw_redis *r)
{
    r->closing = true;
    rd_link_stop(&r->commands);
    rd_link_stop(&r->messages);
}

/* The first connection: what it came to. */
static int first(aw_redis *r)
{
    AW_TRY(rd_link_begin(&r->commands));
    if (r->opts.lazy)
        return 0;
    AW_TRY(aw_event_wait(&r->commands.settled));
    if (r->closing)
        return rd_has_ended();
    return r->commands.err < 0 ? aw_raise(r->commands.err, r->commands.why) : 0;
}

int aw_redis_open_(const aw_redis_opts *opts)
{
    aw_loop *loop = aw_running_loop();
    if (!opts->ret)
        return aw_raise(-EINVAL, "there is no place for the client");
    if (!loop)
        return AW_EMISUSE;
    aw_redis *r = aw_mem_zalloc(sizeof *r);
    if (!r)
        return -ENOMEM;
    r->loop = loop;
    r->handles = 1;
    rd_link_init(&r->commands, r, false);
    rd_link_init(&r->messages, r, true);
    int err = aw_current_task() ? set_up(r, opts) : AW_EMISUSE;
    if (err >= 0)
        err = first(r);
    if (err < 0)
        aw_redis_unref(r);
    else
        *opts->ret = r;
    return err;
}

aw_redis *aw_redis_ref(aw_redis *r)
{
    if (r)
        r->handles++;
    return r;
}

void aw_redis_unref(aw_redis *r)
{
    if (!r || --r->handles > 0)
        return;
    r->inside++; /* as long as this takes */
    stop(r);
    rd_let_go(r);
}

int aw_redis_close(aw_redis *r)
{
    AW_TRY(rd_check(r));
    if (!aw_current_task())
        return AW_EMISUSE;
    r->inside++;
    stop(r);
    int err = r->commands.begun ? aw_event_wait(&r->commands.over) : 0;
    if (err >= 0 && r->messages.begun)
        err = aw_event_wait(&r->messages.over);
    rd_let_go(r);
    return err;
}

bool aw_redis_connected(const aw_redis *r)
{
    return r && r->commands.stream;
}
