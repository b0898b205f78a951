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
    bool again;  /* it is to come again */
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
    int error;     /* of the last request for messages that has failed */
    char why[500];
    uint64_t answered; /* requests for messages, when that failed */
    uint64_t deleted;  /* messages, when one was told of that could not be; */
    bool undeleted;    /* there was one */
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
    if (err >= 0 && w->again)
        err = -EAGAIN;
    let_go(w);
    return err;
}

static aw_sqs_consumer_stats stats_of(const struct sqs *s)
{
    aw_sqs_consumer_stats now = {0};
    aw_ignore(aw_sqs_consumer_stats_of(s->consumer, &now));
    return now;
}

/* Told once, and again when deleting has succeeded in between. */
static void tell_undeleted(struct sqs *s, int err, const char *why, const aw_sqs_message *m)
{
    uint64_t deleted = stats_of(s).deleted;
    if (!s->undeleted || deleted != s->deleted)
        say("error", "a message stays in the queue, and comes again", "{s:s, s:s, s:s}", "id",
            m->id, "reason", aw_strerror(err), "detail", why);
    s->undeleted = true;
    s->deleted = deleted;
}

/* The consumer tries again; -EAGAIN is what handle() has returned. */
static int note_error(int err, const char *why, const aw_sqs_message *m, void *arg)
{
    struct sqs *s = arg;
    if (m) {
        if (err != -EAGAIN)
            tell_undeleted(s, err, why, m);
        return 0;
    }
    s->error = err;
    s->answered = stats_of(s).answered;
    snprintf(s->why, sizeof s->why, "%s", why);
    aw_ignore(aw_event_set(&s->news));
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

/* After a failure: is the queue back?  It is when the consumer has had an answer since.  Asking for
 * something else would not tell: keys may be good for that alone, or for all but that. */
static int look_again(struct sqs *s)
{
    if (stats_of(s).answered == s->answered)
        return aw_raise(s->error, s->why);
    s->failed = false;
    s->error = 0;
    return 0;
}

/* Ids go into JSON, and into the journal's lines, as they are. */
static void check_id(struct message *m, const char *id)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    snprintf(m->id, sizeof m->id, "%s", id);
    if (!*id || id[strspn(id, plain)] || strlen(id) >= sizeof m->id)
        snprintf(m->wrong, sizeof m->wrong, "the message's id is no plain word");
}

static void take(struct batch *b, struct sqs *s, struct work *w)
{
    struct message *m = &b->messages[b->n++];
    *m = (struct message){.body = w->body, .length = w->from->size, .source = w};
    check_id(m, w->from->id);
    TAILQ_REMOVE(&s->line, w, link);
    w->lined_up = false;
    w->holders++;
}

static int receive(struct source *source, struct batch *b)
{
    struct sqs *s = (struct sqs *)source;
    b->n = 0;
    if (s->failed && !s->ended)
        return look_again(s);
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
        w->again = b->messages[i].again;
        aw_ignore(aw_event_set(&w->done));
        let_go(w);
    }
    return 0;
}

/* Where there is a queue for such messages it goes there; then it is deleted like the others. */
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
