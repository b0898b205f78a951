/*
 * connect.c - one attempt to connect: the stream, TLS, then who we are and what we want.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "await/net.h"
#include "await/scope.h"
#include "redis/rd.h"

int rd_read(struct rd_link *l, aw_stream *s, aw_redis_reply **ret)
{
    for (;;) {
        const char *data;
        int err = rd_reader_next(&l->reader, ret);
        if (err == -EPROTO)
            return aw_raise(err, l->reader.why);
        if (err == AW_ELIMIT)
            return aw_raise(err, "a reply is larger than .max_reply");
        if (err < 0 || *ret)
            return err;
        ssize_t n = aw_stream_wait_readable(s);
        if (n == 0)
            return aw_raise(AW_EOF, "the server has closed the connection");
        AW_TRY((int)n);
        l->heard = true;
        size_t have = aw_stream_peek(s, &data);
        AW_TRY(rd_reader_feed(&l->reader, data, have));
        AW_TRY(aw_stream_consume(s, have));
    }
}

/* Ask something before anybody else may. */
static int ask(struct rd_link *l, aw_stream *s, struct aw_growing *command)
{
    aw_redis_reply *reply = NULL;
    int err = aw_stream_write(s, command->data, command->len);
    if (err >= 0)
        err = rd_read(l, s, &reply);
    if (err >= 0 && reply->type == AW_REDIS_ERROR)
        err = rd_error_of(reply);
    aw_redis_reply_free(reply);
    return err;
}

static int log_in(struct rd_link *l, aw_stream *s)
{
    const aw_redis_opts *o = &l->client->opts;
    struct aw_growing t = {0};
    if (!o->password)
        return 0;
    int err =
        o->user ? RD_FORMAT(&t, "AUTH", o->user, o->password) : RD_FORMAT(&t, "AUTH", o->password);
    if (err >= 0)
        err = ask(l, s, &t);
    aw_growing_clear(&t);
    return err;
}

static int choose(struct rd_link *l, aw_stream *s, const char *const *argv, size_t n)
{
    struct aw_growing t = {0};
    int err = rd_format_argv(&t, argv, NULL, n);
    if (err >= 0)
        err = ask(l, s, &t);
    aw_growing_clear(&t);
    return err;
}

static int introduce(struct rd_link *l, aw_stream *s)
{
    const aw_redis_opts *o = &l->client->opts;
    char db[16];
    AW_TRY(log_in(l, s));
    snprintf(db, sizeof db, "%u", o->db);
    if (o->db > 0)
        AW_TRY(choose(l, s, (const char *const[]){"SELECT", db}, 2));
    if (o->name)
        AW_TRY(choose(l, s, (const char *const[]){"CLIENT", "SETNAME", o->name}, 3));
    return choose(l, s, (const char *const[]){"PING"}, 1);
}

static int open_stream(const aw_redis *r, aw_stream **ret)
{
    const aw_redis_opts *o = &r->opts;
    aw_stream_opts stream = {.max_pending = o->max_pending};
    if (o->path)
        return aw_open_unix_connection(ret, o->path, .stream = stream);
    AW_TRY(aw_open_connection(ret, o->host, o->port, .keepalive = true, .stream = stream));
    if (!r->tls)
        return 0;
    return aw_start_tls(ret, r->tls, o->server_name ? o->server_name : o->host, .timeout = INFINITY,
                        .max_pending = o->max_pending);
}

struct attempt {
    struct rd_link *link;
    aw_stream *stream;
};

static int try_it(void *arg)
{
    struct attempt *a = arg;
    aw_redis *r = a->link->client;
    AW_TRY(open_stream(r, &a->stream));
    AW_TRY(rd_reader_open(&a->link->reader, r->opts.max_reply));
    return introduce(a->link, a->stream);
}

int rd_connect(struct rd_link *l, aw_stream **ret)
{
    struct attempt a = {.link = l};
    int err = aw_timeout_call(l->client->opts.connect_timeout, try_it, &a);
    if (err >= 0) {
        *ret = a.stream;
        return 0;
    }
    rd_reader_close(&l->reader);
    if (a.stream)
        aw_ignore(aw_stream_abort(a.stream));
    aw_stream_unref(a.stream);
    return err;
}
