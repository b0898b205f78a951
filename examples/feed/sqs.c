/*
 * sqs.c - the queue outside: Amazon's SQS, or what speaks its protocol.
 *
 * A message is deleted only when it was served and is kept, so one that was in hand when the
 * service died comes again when its visibility ends; it has the same id, and who has seen it knows.
 * A long poll is broken off when the service is to stop: it is a task of its own, which stop()
 * cancels.
 */
#include <await/sqs.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "feed/feed.h"

enum { MOST = 10 /* messages of one receive */ };

struct sqs {
    struct source source;
    struct items *items; /* where what was served is kept */
    aw_sqs *client;
    const char *url, *dead; /* of the queue; of the one for what is no item, or NULL */
    aw_sqs_messages *got;   /* those of the batch in hand, */
    char *bodies[MOST];     /* and their bodies, for the pump to change */
    aw_task *poll;
    bool stopped, failed;
};

static const aw_sqs_message *message_of(const struct message *m)
{
    return m->source;
}

/* ---- receiving ---- */

static int fill(struct sqs *s, struct batch *b)
{
    for (b->n = 0; b->n < aw_sqs_messages_count(s->got); b->n++) {
        const aw_sqs_message *from = aw_sqs_messages_at(s->got, b->n);
        struct message *m = &b->messages[b->n];
        *m = (struct message){.length = from->size, .source = (void *)from};
        snprintf(m->id, sizeof m->id, "%s", from->id);
        m->body = s->bodies[b->n] = malloc(from->size + 1);
        if (!m->body)
            return -ENOMEM;
        memcpy(m->body, from->body, from->size + 1);
    }
    return 0;
}

static void let_go(struct sqs *s)
{
    for (int i = 0; i < MOST; i++) {
        free(s->bodies[i]);
        s->bodies[i] = NULL;
    }
    aw_sqs_messages_unref(s->got);
    s->got = NULL;
}

static int poll_queue(void *arg)
{
    struct sqs *s = arg;
    return aw_sqs_receive(&s->got, s->client, s->url, .max = MOST, .wait = s->failed ? -1 : 20);
}

/* After a failure it does not wait for messages, so that the end of it is noticed at once. */
static int receive(struct source *source, struct batch *b)
{
    struct sqs *s = (struct sqs *)source;
    if (s->stopped)
        return AW_ESHUTDOWN;
    let_go(s);
    s->poll = aw_create_task(poll_queue, s, .name = "long poll", .stack_size = 256 * 1024);
    if (!s->poll)
        return aw_errno();
    int n = aw_await(s->poll);
    aw_unref(s->poll);
    s->poll = NULL;
    s->failed = n < 0;
    return n == -ECANCELED && s->stopped ? AW_ESHUTDOWN : n < 0 ? n : fill(s, b);
}

static void stop(struct source *source)
{
    struct sqs *s = (struct sqs *)source;
    s->stopped = true;
    aw_cancel(s->poll);
}

/* ---- what becomes of messages ---- */

/* Kept first, deleted then. */
static int done(struct source *source, struct batch *b)
{
    struct sqs *s = (struct sqs *)source;
    aw_sqs_entry entries[BATCH] = {{.result = 0}};
    for (size_t i = 0; i < b->n; i++) {
        entries[i].receipt = message_of(&b->messages[i])->receipt;
        if (!*b->messages[i].wrong)
            AW_TRY(items_keep(s->items, &b->messages[i]));
    }
    AW_TRY(items_commit(s->items));
    return b->n == 0 ? 0 : aw_sqs_delete_batch(s->client, s->url, entries, b->n, NULL);
}

/* It is deleted with its batch; where there is a queue for such messages it goes there before. */
static int reject(struct source *source, struct message *m)
{
    struct sqs *s = (struct sqs *)source;
    return s->dead ? aw_sqs_send(s->client, s->dead, m->body, .size = m->length) : 0;
}

static int add(struct source *source, struct message *m, size_t n)
{
    struct sqs *s = (struct sqs *)source;
    aw_sqs_send_entry *entries = calloc(n, sizeof *entries);
    if (!entries)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        entries[i] = (aw_sqs_send_entry){.body = m[i].body, .size = m[i].length};
    int err = aw_sqs_send_batch(s->client, s->url, entries, n, NULL);
    for (size_t i = 0; i < n; i++)
        snprintf(m[i].id, sizeof m[i].id, "%s", entries[i].message_id);
    free(entries);
    return err;
}

static long waiting(struct source *source)
{
    (void)source;
    return -1; /* to ask costs a request */
}

static void release(struct source *source)
{
    struct sqs *s = (struct sqs *)source;
    let_go(s);
    aw_sqs_unref(s->client);
    free(s);
}

struct source *sqs_new(const struct options *o, struct items *items)
{
    struct sqs *s = calloc(1, sizeof *s);
    if (!s)
        return aw_refuse(-ENOMEM, NULL);
    s->items = items;
    s->url = o->queue;
    s->dead = *o->dead_queue ? o->dead_queue : NULL;
    s->client = aw_sqs_new(.region = NULL); /* everything from the environment */
    s->source = (struct source){.name = s->url,
                                .receive = receive,
                                .done = done,
                                .reject = reject,
                                .add = add,
                                .stop = stop,
                                .free = release,
                                .waiting = waiting};
    if (s->client)
        return &s->source;
    int err = aw_errno();
    free(s);
    return aw_refuse(err, "no client of the queue");
}
