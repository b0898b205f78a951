/*
 * sqs.c - the queue outside: Amazon's SQS, or what speaks its protocol.
 *
 * The library's consumer polls the queue, keeps what it has received invisible as long as that
 * takes, and deletes in batches.  It calls a coroutine for each message, which lines it up for the
 * pump and sleeps until that is done with it: returning 0 is what deletes the message.  So whatever
 * happens before that, the message comes again, with the same id, and who has seen it knows.
 */
#include <await/sqs.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "feed/feed.h"

/* A message in hand: its handler's and the pump's. */
struct work {
    TAILQ_ENTRY(work) link;
    const aw_sqs_message *from; /* as long as the handler waits */
    aw_event done;
    int holders;
    bool lined_up;
    char body[]; /* for the pump to change */
};

struct sqs {
    struct source source;
    struct items *items; /* where what was served is kept */
    aw_sqs *client;
    aw_sqs_consumer *consumer;
    aw_task *run;
    const char *url, *dead; /* of the queue; of the one for what is no item, or NULL */
    TAILQ_HEAD(, work) line;
    aw_event news; /* something is lined up, went wrong, or has ended */
    int error;
    char why[500];
    bool failed, ended;
};

/* ---- the consumer's side ---- */

static void let_go(struct work *w)
{
    if (--w->holders == 0)
        free(w);
}

static struct work *line_up(struct sqs *s, const aw_sqs_message *m)
{
    struct work *w = calloc(1, sizeof *w + m->size + 1);
    if (!w)
        return NULL;
    w->from = m;
    w->holders = 1;
    w->lined_up = true;
    memcpy(w->body, m->body, m->size);
    TAILQ_INSERT_TAIL(&s->line, w, link);
    aw_ignore(aw_event_set(&s->news));
    return w;
}

static int handle(const aw_sqs_message *m, void *arg)
{
    struct sqs *s = arg;
    struct work *w = line_up(s, m);
    if (!w)
        return -ENOMEM;
    int err = aw_event_wait(&w->done);
    if (w->lined_up)
        TAILQ_REMOVE(&s->line, w, link); /* cancelled before the pump had it */
    let_go(w);
    return err;
}

/* Of the queue; what a handler returns is not for the pump to hear.  The consumer tries again. */
static int note_error(int err, const char *why, const aw_sqs_message *m, void *arg)
{
    struct sqs *s = arg;
    if (!m) {
        s->error = err;
        snprintf(s->why, sizeof s->why, "%s", why);
        aw_ignore(aw_event_set(&s->news));
    }
    return 0;
}

static int consume(void *arg)
{
    struct sqs *s = arg;
    int err = aw_sqs_consumer_run(s->consumer);
    s->ended = true;
    aw_ignore(aw_event_set(&s->news));
    return err;
}

/* ---- the pump's side ---- */

/* Is the queue there?  Asked after a failure, so that its end is noticed at once. */
static int probe(struct sqs *s)
{
    const char *const *pairs;
    AW_TRY(
        aw_sqs_get_attributes(s->client, s->url, (const char *[]){"QueueArn", NULL}, &pairs, NULL));
    aw_sqs_free_pairs(pairs);
    s->failed = false;
    s->error = 0;
    return 0;
}

static void take(struct batch *b, struct sqs *s, struct work *w)
{
    struct message *m = &b->messages[b->n++];
    *m = (struct message){.body = w->body, .length = w->from->size, .source = w};
    snprintf(m->id, sizeof m->id, "%s", w->from->id);
    TAILQ_REMOVE(&s->line, w, link);
    w->lined_up = false;
    w->holders++;
}

static int receive(struct source *source, struct batch *b)
{
    struct sqs *s = (struct sqs *)source;
    b->n = 0;
    if (s->failed)
        return probe(s);
    while (TAILQ_EMPTY(&s->line) && !s->error && !s->ended) {
        aw_ignore(aw_event_clear(&s->news));
        AW_TRY(aw_event_wait(&s->news));
    }
    while (!TAILQ_EMPTY(&s->line) && b->n < BATCH)
        take(b, s, TAILQ_FIRST(&s->line));
    if (b->n > 0)
        return 0;
    s->failed = s->error < 0;
    return s->failed && !s->ended ? aw_raise(s->error, s->why) : AW_ESHUTDOWN;
}

/* Kept first, deleted then. */
static int done(struct source *source, struct batch *b)
{
    struct sqs *s = (struct sqs *)source;
    for (size_t i = 0; i < b->n; i++)
        if (!*b->messages[i].wrong)
            AW_TRY(items_keep(s->items, &b->messages[i]));
    AW_TRY(items_commit(s->items));
    for (size_t i = 0; i < b->n; i++) {
        struct work *w = b->messages[i].source;
        aw_ignore(aw_event_set(&w->done));
        let_go(w);
    }
    return 0;
}

/* It is deleted like the others; where there is a queue for such messages it goes there before. */
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

/* What is in hand is still served; what is not goes back to the queue at once. */
static void stop(struct source *source)
{
    aw_ignore(aw_sqs_consumer_stop(((struct sqs *)source)->consumer));
}

static long waiting(struct source *source)
{
    (void)source;
    return -1; /* to ask costs a request */
}

static void release(struct source *source)
{
    struct sqs *s = (struct sqs *)source;
    if (s->run) {
        aw_cancel(s->run);
        aw_ignore(aw_join(s->run));
    }
    aw_sqs_consumer_unref(s->consumer);
    aw_sqs_unref(s->client);
    free(s);
}

static int begin(struct sqs *s)
{
    s->client = aw_sqs_new(NULL); /* everything from the environment */
    s->consumer = s->client ? aw_sqs_consumer_new(s->client, s->url, handle, s,
                                                  .concurrency = BATCH, .on_error = note_error)
                            : NULL;
    if (!s->consumer)
        return aw_errno();
    s->run = aw_create_task(consume, s, .name = "consumer", .stack_size = 256 * 1024);
    return s->run ? 0 : aw_errno();
}

struct source *sqs_new(const struct options *o, struct items *items)
{
    struct sqs *s = calloc(1, sizeof *s);
    if (!s)
        return aw_refuse(-ENOMEM, NULL);
    TAILQ_INIT(&s->line);
    s->items = items;
    s->url = o->queue;
    s->dead = *o->dead_queue ? o->dead_queue : NULL;
    s->source = (struct source){.name = s->url,
                                .receive = receive,
                                .done = done,
                                .reject = reject,
                                .add = add,
                                .stop = stop,
                                .free = release,
                                .waiting = waiting};
    int err = begin(s);
    if (err >= 0)
        return &s->source;
    release(&s->source);
    return aw_refuse(err, "no consumer of the queue");
}
