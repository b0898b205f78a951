/*
 * channel.c - which channels and patterns are subscribed to, and who hears them.
 *
 * The table is hashed by name; names come from the program, not from strangers.
 */
#include <string.h>

#include "redis/rd.h"

/* ---- the table ---- */

static size_t hash(const char *name, bool is_pattern)
{
    uint64_t h = 1469598103934665603u + is_pattern;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

static struct rd_channel **bucket(const aw_redis *r, const char *name, bool is_pattern)
{
    return &r->buckets[hash(name, is_pattern) & (r->n_buckets - 1)];
}

static struct rd_channel *find(const aw_redis *r, const char *name, bool is_pattern)
{
    struct rd_channel *c = r->n_buckets ? *bucket(r, name, is_pattern) : NULL;
    while (c && (c->is_pattern != is_pattern || strcmp(c->name, name) != 0))
        c = c->next;
    return c;
}

static int grow(aw_redis *r)
{
    size_t n = r->n_buckets ? 2 * r->n_buckets : 16, old_n = r->n_buckets;
    if (r->n_channels < r->n_buckets)
        return 0;
    struct rd_channel **old = r->buckets, **buckets = aw_mem_zalloc(n * sizeof *buckets);
    if (!buckets)
        return -ENOMEM;
    r->buckets = buckets;
    r->n_buckets = n;
    for (size_t i = 0; i < old_n; i++)
        while (old[i]) {
            struct rd_channel *c = old[i], **to = bucket(r, c->name, c->is_pattern);
            old[i] = c->next;
            c->next = *to;
            *to = c;
        }
    aw_mem_free(old);
    return 0;
}

void rd_channel_unref(struct rd_channel *c)
{
    if (--c->refs > 0)
        return;
    aw_mem_free(c->why);
    aw_mem_free(c);
}

/* ---- subscribing ---- */

/* Tell the server.  Without a connection that is done when there is one. */
static int tell(aw_redis *r, struct rd_channel *c, const char *word)
{
    struct aw_growing t = {0};
    if (!r->messages.stream)
        return 0;
    int err = RD_FORMAT(&t, word, c->name);
    struct rd_call *call = err < 0 ? NULL : rd_link_send(&r->messages, &t, false);
    aw_growing_clear(&t);
    if (!call)
        return err < 0 ? err : aw_errno() == -ENOTCONN ? 0 : aw_errno();
    if (*word == 'S' || word[1] == 'S') {
        call->channel = c;
        c->refs++;
    }
    return 0;
}

static struct rd_channel *new_channel(aw_redis *r, const char *name, bool is_pattern)
{
    size_t n = strlen(name) + 1;
    if (grow(r) < 0)
        return NULL;
    struct rd_channel *c = aw_mem_zalloc(sizeof *c + n);
    if (!c)
        return NULL;
    c->refs = 1;
    c->is_pattern = is_pattern;
    memcpy(c->name, name, n);
    aw_list_init(&c->sinks);
    struct rd_channel **to = bucket(r, name, is_pattern);
    c->next = *to;
    *to = c;
    r->n_channels++;
    return c;
}

static void drop(aw_redis *r, struct rd_channel *c)
{
    struct rd_channel **at = bucket(r, c->name, c->is_pattern);
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    r->n_channels--;
    rd_channel_unref(c);
}

int rd_sink_add(aw_redis *r, struct rd_sink *s, const char *name, bool is_pattern)
{
    struct rd_channel *c = find(r, name, is_pattern);
    AW_TRY(rd_link_begin(&r->messages));
    if (!c) {
        c = new_channel(r, name, is_pattern);
        int err = c ? tell(r, c, is_pattern ? "PSUBSCRIBE" : "SUBSCRIBE") : -ENOMEM;
        if (err < 0) {
            if (c)
                drop(r, c);
            return err;
        }
    }
    s->channel = c;
    aw_list_push_back(&c->sinks, &s->link);
    return 0;
}

void rd_sink_remove(aw_redis *r, struct rd_sink *s)
{
    struct rd_channel *c = s->channel;
    if (!c)
        return;
    s->channel = NULL;
    aw_list_remove(&s->link);
    if (!aw_list_empty(&c->sinks))
        return;
    if (tell(r, c, c->is_pattern ? "PUNSUBSCRIBE" : "UNSUBSCRIBE") < 0)
        rd_link_broken(&r->messages, -ENOMEM, "no memory to unsubscribe"); /* connecting does */
    drop(r, c);
}

int rd_sink_wait(struct rd_sink *s)
{
    struct rd_channel *c = s->channel;
    c->refs++;
    int err = aw_event_wait(&c->settled);
    if (err >= 0 && c->err < 0)
        err = aw_raise(c->err, c->why);
    rd_channel_unref(c);
    return err;
}

/* ---- the link's life ---- */

#define EACH_CHANNEL(r, c)                                                                         \
    for (size_t i_ = 0; i_ < (r)->n_buckets; i_++)                                                 \
        for (struct rd_channel *c = (r)->buckets[i_]; c; c = c->next)

static void tell_sinks(struct rd_channel *c, int err)
{
    aw_list_each(it, &c->sinks)
    {
        struct rd_sink *s = aw_container_of(it, struct rd_sink, link);
        if (err < 0)
            s->ended(s, err);
        else
            s->interrupted(s);
    }
}

void rd_channels_rise(aw_redis *r, bool again)
{
    EACH_CHANNEL(r, c)
    {
        c->err = 0;
        if (again && c->agreed)
            tell_sinks(c, 0);
        if (tell(r, c, c->is_pattern ? "PSUBSCRIBE" : "SUBSCRIBE") < 0) {
            rd_link_broken(&r->messages, -ENOMEM, "no room to subscribe again");
            return;
        }
    }
}

void rd_channels_end(aw_redis *r)
{
    EACH_CHANNEL(r, c)
    {
        c->err = AW_ESHUTDOWN;
        aw_event_set(&c->settled);
        tell_sinks(c, AW_ESHUTDOWN);
    }
}

/* ---- what comes ---- */

static bool is_text(const aw_redis_reply *r)
{
    return r->type == AW_REDIS_STRING;
}

bool rd_channels_message(aw_redis *r, const aw_redis_reply *reply)
{
    if (reply->type != AW_REDIS_ARRAY || reply->n < 3 || !is_text(&reply->elements[0]))
        return false;
    const aw_redis_reply *e = reply->elements;
    bool is_pattern = strcmp(e[0].str, "pmessage") == 0;
    if (!is_pattern && strcmp(e[0].str, "message") != 0)
        return false;
    if (reply->n != 3u + is_pattern || !is_text(&e[1]) || !is_text(&e[2]) ||
        !is_text(&e[2 + is_pattern]))
        return false;
    struct rd_channel *c = find(r, e[1].str, is_pattern);
    if (!c) /* it was subscribed to a moment ago */
        return true;
    const aw_redis_reply *channel = &e[1 + is_pattern], *data = &e[2 + is_pattern];
    aw_list_each(it, &c->sinks)
    {
        struct rd_sink *s = aw_container_of(it, struct rd_sink, link);
        s->message(s, channel->str, data->str, data->len);
    }
    return true;
}

void rd_channel_answer(aw_redis *r, struct rd_channel *c, int err, const aw_redis_reply *reply)
{
    if (err < 0 && !r->closing)
        return; /* the connection was lost: it is asked again */
    if (err >= 0 && reply->type == AW_REDIS_ERROR) {
        err = rd_error_of(reply);
        aw_mem_free(c->why);
        c->why = aw_copy(reply->str);
        rd_log(r, "subscribing to %.100s: %.300s", c->name, reply->str);
        if (c->agreed)
            tell_sinks(c, err);
    }
    c->err = err;
    c->agreed |= err >= 0;
    aw_event_set(&c->settled);
}
