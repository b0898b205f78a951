/*
 * shared.c - what several copies of the service have in common, behind one Redis.
 *
 * Broadcasts go to the clients of all copies by await's fan-out.  The kept items are a stream in
 * Redis, feed:items, which is cut to --keep.  An item that Redis has not taken is not done: the
 * pump tries it again.
 *
 * When Redis was away, this copy may have missed what the others have sent.  The subscription to
 * feed:pulse, on which nobody ever says anything, tells that: then every client of this copy is
 * shown the kept items, and takes from them what it has not seen.
 */
#include <await/redis.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "feed/feed.h"

enum {
    PIECE = 50,           /* items that are read at a time */
    BYTES = 1024 * 1024,  /* of items that are written at a time, or little more */
    WORDS = 5 + 2 * BATCH /* of that command */
};

/* One command, and so one answer: that all of them were taken, or why not. */
#define KEEP                                                                                       \
    "for i = 2, #ARGV, 2 do redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[1], '*', 'id', ARGV[i], "   \
    "'body', ARGV[i + 1]) end"

struct copies {
    struct shared shared;
    struct feed *feed;
    aw_redis *redis;
    aw_redis_fanout *fanout;
    aw_redis_subscription *pulse;
    aw_task *listener;
};

/* ---- the kept items ---- */

static bool is_there(struct shared *s)
{
    return aw_redis_connected(((struct copies *)s)->redis);
}

/* Keep as many as BYTES allow, from the i-th on: how many were looked at. */
static int keep_some(struct copies *c, const struct batch *b, size_t i)
{
    char most[24];
    const char *words[WORDS] = {"EVAL", KEEP, "1", "feed:items", most};
    size_t lengths[WORDS] = {4, strlen(KEEP), 1, strlen("feed:items")};
    size_t n = 5, bytes = 0, begin = i;
    lengths[4] = (size_t)snprintf(most, sizeof most, "%.0f", floor(c->feed->options->keep));
    for (; i < b->n && bytes < BYTES; i++) {
        const struct message *m = &b->messages[i];
        if (*m->wrong)
            continue;
        words[n] = m->id, lengths[n++] = strlen(m->id);
        words[n] = m->body, lengths[n++] = m->length;
        bytes += m->length;
    }
    if (n > 5)
        AW_TRY(aw_redis_command_argv(c->redis, NULL, words, n, .lengths = lengths));
    return (int)(i - begin);
}

static int keep(struct shared *s, const struct batch *b)
{
    for (size_t i = 0; i < b->n;) {
        int n = keep_some((struct copies *)s, b, i);
        AW_TRY(n);
        i += (size_t)n;
    }
    return 0;
}

/* An entry of the stream: [entry, [id, "17", body, "{...}"]]. */
static const aw_redis_reply *fields_of(const aw_redis_reply *entry)
{
    return entry->n == 2 && entry->elements[1].n == 4 ? entry->elements[1].elements : NULL;
}

static int remove_item(struct shared *s, const char *id)
{
    struct copies *c = (struct copies *)s;
    aw_redis_reply *all;
    int found = 0;
    AW_TRY(aw_redis_command(c->redis, &all, "XRANGE feed:items - +"));
    for (size_t i = 0; i < all->n; i++) {
        const aw_redis_reply *fields = fields_of(&all->elements[i]);
        if (fields && strcmp(fields[1].str, id) == 0)
            found = aw_redis_command(c->redis, NULL, "XDEL feed:items %s",
                                     all->elements[i].elements[0].str) >= 0;
    }
    aw_redis_reply_free(all);
    return found;
}

/* Others may have written there, too: that must not keep newcomers from what is kept. */
static bool is_ours(const aw_redis_reply *fields)
{
    return !strpbrk(fields[1].str, "\"\\\n") && json_is_item(fields[3].str, fields[3].len);
}

static int read_items(struct shared *s, FILE *to, char cursor[CURSOR])
{
    aw_redis_reply *some;
    AW_TRY(aw_redis_command(((struct copies *)s)->redis, &some, "XRANGE feed:items %s + COUNT %d",
                            *cursor ? cursor : "-", PIECE));
    const char *comma = "";
    for (size_t i = 0; i < some->n; i++) {
        const aw_redis_reply *fields = fields_of(&some->elements[i]);
        if (fields && is_ours(fields)) {
            fprintf(to, "%s{\"id\":\"%s\",\"item\":%s}", comma, fields[1].str, fields[3].str);
            comma = ",";
        }
        snprintf(cursor, CURSOR, "(%s", some->elements[i].elements[0].str); /* behind it */
    }
    int more = some->n == PIECE;
    aw_redis_reply_free(some);
    return more;
}

/* ---- when Redis was away ---- */

/* To the clients of this copy alone: the others have copies of their own. */
static int show_again(struct copies *c)
{
    char cursor[CURSOR] = "";
    int more;
    do {
        char *piece;
        more = next_piece(c->feed, &piece, cursor);
        AW_TRY(more);
        int err =
            aw_sio_deliver(c->feed->clients, &(aw_sio_packet){.event = "items", .json = piece});
        free(piece);
        AW_TRY(err);
    } while (more);
    return 0;
}

static int listen_to_pulse(void *arg)
{
    struct copies *c = arg;
    aw_redis_message m;
    for (;;) {
        AW_TRY(aw_redis_next(c->pulse, &m));
        if (m.data)
            continue;
        int err = show_again(c);
        say("info", "what was missed is shown", "{s:s}", "result",
            err < 0 ? aw_strerror(err) : "ok");
    }
}

/* ---- beginning and end ---- */

static void log_line(const char *line, void *arg)
{
    (void)arg;
    say("warning", "redis", "{s:s}", "line", line);
}

static void stop(struct shared *s)
{
    struct copies *c = (struct copies *)s;
    if (c->listener) {
        aw_cancel(c->listener);
        aw_ignore(aw_join(c->listener));
    }
    aw_ignore(aw_redis_unsubscribe(c->pulse));
    aw_ignore(aw_redis_fanout_stop(c->fanout));
    if (c->redis)
        aw_ignore(aw_redis_close(c->redis));
    aw_redis_unref(c->redis);
    free(c);
}

int shared_start(struct shared **ret, struct feed *f)
{
    struct copies *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->feed = f;
    c->shared = (struct shared){.is_there = is_there,
                                .keep = keep,
                                .remove = remove_item,
                                .read = read_items,
                                .stop = stop};
    *ret = &c->shared; /* to be stopped, whatever follows */
    AW_TRY(aw_redis_open(&c->redis, f->options->redis, .logger = log_line));
    AW_TRY(aw_redis_fanout_start(&c->fanout, c->redis, f->io));
    AW_TRY(aw_redis_subscribe(&c->pulse, c->redis, "feed:pulse"));
    c->listener = aw_create_task(listen_to_pulse, c, .name = "pulse");
    return c->listener ? 0 : aw_errno();
}
