/*
 * link.c - a connection, made again and again, and the task that does so.
 *
 * Up and down.  rise() and fall() are called by the link's task only, in turns.  Who finds the
 * stream broken calls rd_link_broken(): then nobody writes any more, the task's read fails, and
 * fall() does the rest.  So a call is always on the list of the connection that it was sent by.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "redis/rd.h"

void rd_link_init(struct rd_link *l, aw_redis *r, bool for_messages)
{
    l->client = r;
    l->for_messages = for_messages;
    aw_list_init(&l->calls);
}

/* ---- calls ---- */

struct rd_call *rd_link_send(struct rd_link *l, const struct aw_growing *command, bool wanted)
{
    if (!l->stream)
        return aw_refuse(-ENOTCONN, "there is no connection to Redis");
    if (!l->for_messages && l->n_calls >= l->client->opts.max_waiting)
        return aw_refuse(AW_EFULL, "as many commands as .max_waiting wait for their replies");
    struct rd_call *c = aw_mem_zalloc(sizeof *c);
    if (!c)
        return aw_refuse(-ENOMEM, NULL);
    int err = aw_stream_write(l->stream, command->data, command->len);
    if (err < 0) {
        aw_mem_free(c);
        if (err == AW_ELIMIT)
            return aw_refuse(err, "more than .max_pending bytes wait to be sent");
        if (err == -ENOMEM)
            return aw_refuse(err, NULL);
        rd_link_broken(l, err, aw_errmsg());
        return aw_refuse(-ENOTCONN, "the connection to Redis is broken");
    }
    c->wanted = wanted;
    aw_list_push_back(&l->calls, &c->link);
    l->n_calls++;
    return c;
}

/* Every call that was sent fails: the first by what ended the connection, if it was its reply. */
static void fail_calls(struct rd_link *l, int err)
{
    bool own = err == AW_ELIMIT || err == -EPROTO;
    aw_list *node;
    while ((node = aw_list_pop_front(&l->calls)) != NULL) {
        l->n_calls--;
        rd_call_answer(l, aw_container_of(node, struct rd_call, link),
                       l->client->closing ? AW_ESHUTDOWN
                       : own              ? err
                                          : -ECONNRESET,
                       NULL);
        own = false;
    }
}

/* ---- signs of life ---- */

static int tick(void *arg);

static void wind_up(struct rd_link *l)
{
    double interval = l->client->opts.ping_interval;
    aw_handle_unref(l->timer);
    l->timer = NULL;
    if (interval != INFINITY && aw_call_later(interval, tick, l, .handle = &l->timer) < 0)
        l->timer = NULL; /* no memory: this connection does without */
}

static int tick(void *arg)
{
    struct rd_link *l = arg;
    struct aw_growing t = {0};
    if (!l->heard && l->pinging) {
        rd_link_broken(l, -ETIMEDOUT, "the server does not answer");
        return 0;
    }
    if (!l->heard && l->n_calls == 0 && RD_FORMAT(&t, "PING") >= 0) {
        struct rd_call *c = rd_link_send(l, &t, false);
        if (c)
            c->is_ping = l->pinging = true;
    }
    aw_growing_clear(&t);
    l->heard = false;
    if (l->stream)
        wind_up(l);
    return 0;
}

/* ---- up and down ---- */

void rd_link_broken(struct rd_link *l, int err, const char *why)
{
    if (!l->stream)
        return;
    aw_ignore(aw_stream_set_error(l->stream, err, .msg = why));
    l->stream = NULL; /* the task has the handle */
    aw_event_clear(&l->up);
}

/* There are two of them, and one may be down alone. */
static const char *of_what(const struct rd_link *l)
{
    return l->for_messages ? " (for messages)" : "";
}

static void rise(struct rd_link *l, aw_stream *s)
{
    aw_redis *r = l->client;
    if (l->told)
        rd_log(r, "connected again%s", of_what(l));
    l->stream = s;
    l->heard = true;
    l->pinging = l->told = false;
    l->risen = aw_time();
    wind_up(l);
    bool again = l->was_up;
    l->was_up = true;
    if (l->for_messages)
        rd_channels_rise(r, again);
    if (l->stream)
        aw_event_set(&l->up);
    aw_event_set(&l->settled);
}

static void fall(struct rd_link *l, aw_stream *s, int err)
{
    l->stream = NULL;
    aw_event_clear(&l->up);
    aw_handle_cancel(l->timer);
    aw_handle_unref(l->timer);
    l->timer = NULL;
    rd_reader_close(&l->reader);
    aw_ignore(aw_stream_abort(s));
    aw_stream_unref(s);
    fail_calls(l, err);
}

static int take(struct rd_link *l, aw_redis_reply *reply)
{
    aw_list *node = aw_list_pop_front(&l->calls);
    if (!node) {
        aw_redis_reply_free(reply);
        return aw_raise(-EPROTO, "a reply to nothing");
    }
    struct rd_call *c = aw_container_of(node, struct rd_call, link);
    l->n_calls--;
    if (c->is_ping)
        l->pinging = false;
    rd_call_answer(l, c, 0, reply);
    return 0;
}

static int read_all(struct rd_link *l, aw_stream *s)
{
    for (;;) {
        aw_redis_reply *reply;
        AW_TRY(rd_read(l, s, &reply));
        if (l->for_messages && rd_channels_message(l->client, reply))
            aw_redis_reply_free(reply);
        else
            AW_TRY(take(l, reply));
    }
}

/* Keep what went wrong, and tell it: once, and again when something else is wrong. */
static void note(struct rd_link *l, int err, bool was_up)
{
    aw_redis *r = l->client;
    char why[sizeof l->why];
    l->err = err;
    snprintf(why, sizeof why, "%.200s", *aw_errmsg() ? aw_errmsg() : aw_strerror(err));
    bool is_new = !l->told || strcmp(why, l->why) != 0;
    memcpy(l->why, why, sizeof why);
    if (err == -ECANCELED || r->closing)
        return;
    bool quiet =
        !was_up && !l->was_up && !l->for_messages && !r->opts.lazy; /* whoever opens it is told */
    if (is_new && !quiet) {
        rd_log(r, "%s%s: %s", was_up ? "the connection is lost" : "there is no connection",
               of_what(l), l->why);
        l->told = true;
    }
}

/* The pause before the next attempt: anything up to a bound that doubles. */
static double pause_of(struct rd_link *l)
{
    const aw_redis_opts *o = &l->client->opts;
    double bound = ldexp(o->backoff_min, l->failures < 30 ? (int)l->failures : 30);
    if (bound > o->backoff_max)
        bound = o->backoff_max;
    l->failures++;
    return bound * (double)(aw_prng_next(&l->client->prng) >> 11) * 0x1p-53;
}

static int attempt(struct rd_link *l)
{
    aw_stream *s = NULL;
    int err = rd_connect(l, &s);
    if (err < 0) {
        note(l, err, false);
        aw_event_set(&l->settled);
        return err;
    }
    l->err = 0;
    rise(l, s);
    err = read_all(l, s);
    note(l, err, true);
    fall(l, s, err);
    if (aw_time() - l->risen > l->client->opts.backoff_max)
        l->failures = 0;
    return err;
}

static int run(void *arg)
{
    struct rd_link *l = arg;
    int err = 0;
    while (err != -ECANCELED && !l->client->closing) {
        err = attempt(l);
        if (err != -ECANCELED && !l->client->closing)
            err = aw_sleep(pause_of(l));
    }
    return 0;
}

/* The task has ended, or never began. */
static void end(void *arg)
{
    struct rd_link *l = arg;
    l->ended = true;
    l->client->closing = true; /* half a client is none */
    aw_unref(l->task);
    l->task = NULL;
    aw_event_set(&l->up);
    aw_event_set(&l->settled);
    aw_event_set(&l->over);
    if (l->for_messages)
        rd_channels_end(l->client);
    rd_let_go(l->client);
}

int rd_link_begin(struct rd_link *l)
{
    aw_redis *r = l->client;
    if (r->closing)
        return rd_has_ended();
    if (l->begun)
        return 0;
    aw_task *t = aw_create_task(run, l, .name = l->for_messages ? "redis messages" : "redis",
                                .loop = r->loop, .stack_size = l->for_messages ? 256 << 10 : 0,
                                .release = end); /* JSON is taken apart in it */
    if (!t)
        return aw_errno();
    l->begun = true;
    l->task = t;
    r->inside++;
    return 0;
}

void rd_link_stop(struct rd_link *l)
{
    if (l->begun && !l->ended)
        aw_cancel(l->task);
}
