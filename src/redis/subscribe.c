/*
 * subscribe.c - subscriptions: a queue that channels fill and a task empties.
 *
 * What could not be queued is counted, and the count is kept with the next message that can be, or
 * with the end of the queue: so the notice comes where the messages are missing, and needs no
 * memory of its own.
 */
#include <math.h>
#include <string.h>

#include "await/scope.h"
#include "redis/rd.h"

/* What is missing before a place of the queue. */
struct gap {
    uint64_t lost;
    bool interrupted;
};

struct item {
    aw_list link;
    struct gap before;
    aw_redis_message m; /* its strings are behind it */
    size_t bytes;
};

/* A channel of a subscription. */
struct ear {
    struct rd_sink sink;
    aw_redis_subscription *owner;
    struct ear *next;
};

struct aw_redis_subscription {
    aw_redis *client;
    struct ear *ears;
    aw_list items;
    size_t n, bytes, max_n, max_bytes;
    struct gap behind; /* the last item */
    struct item *given;
    aw_event news;
    bool taking;
    int err;
};

/* ---- what comes ---- */

static struct item *new_item(const char *pattern, const char *channel, const char *data, size_t n)
{
    size_t np = pattern ? strlen(pattern) + 1 : 0, nc = strlen(channel) + 1;
    size_t bytes = sizeof(struct item) + np + nc + n + 1;
    struct item *it = aw_mem_alloc(bytes);
    if (!it)
        return NULL;
    char *at = (char *)(it + 1);
    *it = (struct item){.bytes = bytes, .m = {.size = n}};
    it->m.data = memcpy(at, data, n + 1);
    it->m.channel = memcpy(at + n + 1, channel, nc);
    if (pattern)
        it->m.pattern = memcpy(at + n + 1 + nc, pattern, np);
    return it;
}

static void on_message(struct rd_sink *sink, const char *channel, const char *data, size_t n)
{
    aw_redis_subscription *s = aw_container_of(sink, struct ear, sink)->owner;
    const struct rd_channel *c = sink->channel;
    bool room = s->n < s->max_n && n <= s->max_bytes - s->bytes;
    struct item *it = room ? new_item(c->is_pattern ? c->name : NULL, channel, data, n) : NULL;
    if (it) {
        it->before = s->behind;
        s->behind = (struct gap){0};
        aw_list_push_back(&s->items, &it->link);
        s->n++;
        s->bytes += n;
    } else {
        s->behind.lost++;
    }
    aw_event_set(&s->news);
}

static void on_interrupted(struct rd_sink *sink)
{
    aw_redis_subscription *s = aw_container_of(sink, struct ear, sink)->owner;
    s->behind.interrupted = true;
    aw_event_set(&s->news);
}

static void on_end(struct rd_sink *sink, int err)
{
    aw_redis_subscription *s = aw_container_of(sink, struct ear, sink)->owner;
    s->err = err;
    aw_event_set(&s->news);
}

/* ---- taking ---- */

static bool notice(struct gap *g, aw_redis_message *ret)
{
    if (!g->lost && !g->interrupted)
        return false;
    *ret = (aw_redis_message){.lost = g->lost, .interrupted = g->interrupted};
    *g = (struct gap){0};
    return true;
}

static bool take(aw_redis_subscription *s, aw_redis_message *ret)
{
    if (aw_list_empty(&s->items))
        return notice(&s->behind, ret);
    struct item *it = aw_container_of(s->items.next, struct item, link);
    if (notice(&it->before, ret))
        return true;
    aw_list_remove(&it->link);
    s->n--;
    s->bytes -= it->m.size;
    s->given = it;
    *ret = it->m;
    return true;
}

int aw_redis_next(aw_redis_subscription *s, aw_redis_message *ret)
{
    if (!s || !ret)
        return -EINVAL;
    AW_TRY(rd_check(s->client));
    if (s->taking || !aw_current_task())
        return AW_EMISUSE;
    aw_mem_free(s->given);
    s->given = NULL;
    while (!take(s, ret)) {
        if (s->err < 0)
            return s->err;
        s->taking = true;
        aw_event_clear(&s->news);
        int err = aw_event_wait(&s->news);
        s->taking = false;
        AW_TRY(err);
    }
    return 0;
}

/* ---- life ---- */

static int hear(aw_redis_subscription *s, const char *name, bool is_pattern)
{
    struct ear *e = aw_mem_zalloc(sizeof *e);
    if (!e)
        return -ENOMEM;
    e->owner = s;
    e->sink.message = on_message;
    e->sink.interrupted = on_interrupted;
    e->sink.ended = on_end;
    int err = rd_sink_add(s->client, &e->sink, name, is_pattern);
    if (err < 0) {
        aw_mem_free(e);
        return err;
    }
    e->next = s->ears;
    s->ears = e;
    return 0;
}

static int hear_all(aw_redis_subscription *s, const aw_redis_subscribe_opts *o)
{
    if (o->channel)
        AW_TRY(hear(s, o->channel, false));
    for (const char *const *name = o->channels; name && *name; name++)
        AW_TRY(hear(s, *name, false));
    for (const char *const *name = o->patterns; name && *name; name++)
        AW_TRY(hear(s, *name, true));
    return s->ears ? 0 : aw_raise(-EINVAL, "no channel to subscribe to");
}

static int wait_for_all(void *arg)
{
    aw_redis_subscription *s = arg;
    for (struct ear *e = s->ears; e; e = e->next)
        AW_TRY(rd_sink_wait(&e->sink));
    return 0;
}

static void free_subscription(aw_redis_subscription *s)
{
    aw_list *node;
    while (s->ears) {
        struct ear *e = s->ears;
        s->ears = e->next;
        rd_sink_remove(s->client, &e->sink);
        aw_mem_free(e);
    }
    while ((node = aw_list_pop_front(&s->items)) != NULL)
        aw_mem_free(aw_container_of(node, struct item, link));
    aw_mem_free(s->given);
    aw_redis_unref(s->client);
    aw_mem_free(s);
}

static int begin(aw_redis_subscription *s, const aw_redis_subscribe_opts *o)
{
    double limit = o->timeout != 0 ? o->timeout : o->redis->opts.timeout;
    AW_TRY(hear_all(s, o));
    int err = limit == INFINITY ? wait_for_all(s) : aw_timeout_call(limit, wait_for_all, s);
    if (err == -ETIMEDOUT && !s->client->messages.stream && s->client->messages.err < 0)
        err = aw_raise(err, s->client->messages.why);
    return err;
}

int aw_redis_subscribe_(const aw_redis_subscribe_opts *o)
{
    AW_TRY(rd_check(o->redis));
    if (!o->ret || isnan(o->timeout))
        return -EINVAL;
    if (!aw_current_task())
        return AW_EMISUSE;
    aw_redis_subscription *s = aw_mem_zalloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    s->client = aw_redis_ref(o->redis);
    s->max_n = o->max_queued ? o->max_queued : 1000;
    s->max_bytes = o->max_queued_bytes ? o->max_queued_bytes : 16u << 20;
    aw_list_init(&s->items);
    int err = begin(s, o);
    if (err < 0)
        free_subscription(s);
    else
        *o->ret = s;
    return err;
}

int aw_redis_unsubscribe(aw_redis_subscription *s)
{
    if (!s)
        return 0;
    AW_TRY(rd_check(s->client));
    if (s->taking)
        return AW_EMISUSE;
    free_subscription(s);
    return 0;
}
