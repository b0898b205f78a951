/*
 * pump.c - the work in the background: from the queue to every client.
 *
 * It is written as steps.  As a task of the loop it calls them; with --blocking it is an ordinary
 * function in a thread of its own, which blocks as long as it likes and has the loop do each step
 * by aw_submit(): the way for a program whose client of the queue only has calls that block.
 *
 * An item is forgotten by the queue only when it was sent.  When the queue fails, that is said
 * once; the clients stay, and the pump tries again, each time after a longer pause, drawn by chance
 * so that many copies do not come back at the same moment.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "feed/feed.h"

#define SHORTEST 0.1 /* seconds */
#define LONGEST 20.0

struct pump {
    struct feed *feed;
    aw_loop *loop;
    int (*call)(struct pump *p, aw_fn *step); /* do a step, and wait until it is done */
    struct batch batch;
    size_t sent;  /* messages of the batch that are */
    double pause; /* the longest that the next one may be; 0: all is well */
    int error;
};

/* ---- the steps, in the loop ---- */

static int receive(void *arg)
{
    struct pump *p = arg;
    p->sent = 0;
    return p->feed->source->receive(p->feed->source, &p->batch);
}

/* A line in the file of dead letters: the body as text, or what is no text in hexadecimal. */
static void bury(const struct options *o, const struct message *m)
{
    FILE *file = fopen(o->dead_letters, "ae");
    json_t *body = json_stringn(m->body, m->length);
    json_t *line = json_pack("{s:s, s:s, s:o*}", "id", m->id, "reason", m->wrong, "body", body);
    if (!file || !line || json_dumpf(line, file, JSON_COMPACT) < 0)
        say("error", "a dead letter cannot be kept", "{s:s, s:s}", "id", m->id, "file",
            o->dead_letters);
    if (file && !body) {
        fputs("\t", file);
        for (size_t i = 0; i < m->length; i++)
            fprintf(file, "%02x", (unsigned char)m->body[i]);
    }
    if (file) {
        fputs("\n", file);
        fclose(file);
    }
    json_decref(line);
}

/* One that cannot be put aside comes again: it must not keep the others waiting. */
static int reject(struct feed *f, struct message *m)
{
    say("warning", "a message is no item", "{s:s, s:s, s:I}", "id", m->id, "reason", m->wrong,
        "bytes", (json_int_t)m->length);
    int err = f->source->reject(f->source, m);
    if (err == -ECANCELED)
        return err;
    m->again = err < 0;
    if (m->again)
        say("error", "a dead letter is not taken, it comes again", "{s:s, s:s, s:s}", "id", m->id,
            "reason", aw_strerror(err), "detail", aw_errmsg());
    else
        bury(f->options, m);
    f->counted.rejected += !m->again;
    return 0;
}

static int emit(struct feed *f, const struct message *m)
{
    char *args;
    if (f->shared && !f->shared->is_there(f->shared))
        return aw_raise(-ENOTCONN, "Redis is not there"); /* before any client has it */
    if (asprintf(&args, "[{\"id\":\"%s\",\"item\":%s}]", m->id, m->body) < 0)
        return -ENOMEM;
    int err = aw_sio_broadcast(f->clients, "item_added", args);
    free(args);
    f->counted.emitted += err >= 0;
    return err;
}

/* Called again after an error, it goes on where it was. */
static int deliver(void *arg)
{
    struct pump *p = arg;
    struct feed *f = p->feed;
    for (; p->sent < p->batch.n; p->sent++) {
        struct message *m = &p->batch.messages[p->sent];
        AW_TRY(*m->wrong ? reject(f, m) : emit(f, m));
    }
    if (f->shared)
        AW_TRY(f->shared->keep(f->shared, &p->batch));
    AW_TRY(f->source->done(f->source, &p->batch));
    return aw_sleep(0); /* let the sockets have their turn, however much waits */
}

static int wait_for_stop(void *arg)
{
    struct feed *f = arg;
    return aw_event_wait(&f->stop);
}

static int pause_after_failure(void *arg)
{
    struct pump *p = arg;
    uint32_t chance = 0;
    if (p->pause == 0)
        say("error", "the queue fails", "{s:s, s:s, s:s}", "queue", p->feed->source->name, "reason",
            aw_strerror(p->error), "detail", aw_errmsg());
    p->feed->queue_down = true;
    p->feed->counted.failures++;
    p->pause = p->pause == 0 ? SHORTEST : fmin(p->pause * 2, LONGEST);
    aw_ignore(aw_random_bytes(&chance, sizeof chance));
    int err = aw_timeout_call(p->pause * chance / UINT32_MAX, wait_for_stop, p->feed);
    return err == -ETIMEDOUT ? 0 : err < 0 ? err : AW_ESHUTDOWN;
}

static int note_success(void *arg)
{
    struct pump *p = arg;
    say("info", "the queue is back", "{s:s}", "queue", p->feed->source->name);
    p->feed->queue_down = false;
    p->pause = 0;
    return 0;
}

/* ---- the work, in the loop or in a thread ---- */

/* What is a message may not be JSON; what is JSON may not be an object. */
static void parse(struct message *m)
{
    json_t *value = json_read(m->body, m->length, m->wrong);
    if (value && !json_is_object(value))
        snprintf(m->wrong, sizeof m->wrong, "not a JSON object");
    json_decref(value);
    for (char *at = m->body; !*m->wrong && at < m->body + m->length; at++)
        if (*at == '\n' || *at == '\r')
            *at = ' '; /* between tokens, as it is JSON: an item is one line */
}

static int try_again(struct pump *p, int err)
{
    p->error = err;
    return err == -ECANCELED ? err : p->call(p, pause_after_failure);
}

static int serve(struct pump *p)
{
    int err = p->call(p, receive);
    if (err == AW_ESHUTDOWN)
        return err;
    if (err < 0)
        return try_again(p, err);
    if (p->pause > 0)
        AW_TRY(p->call(p, note_success));
    for (size_t i = 0; i < p->batch.n; i++)
        parse(&p->batch.messages[i]);
    while ((err = p->call(p, deliver)) < 0)
        AW_TRY(try_again(p, err));
    return p->pause > 0 ? p->call(p, note_success) : 0;
}

static int work(void *arg)
{
    struct pump *p = arg;
    int err;
    do
        err = serve(p);
    while (err >= 0);
    return err == AW_ESHUTDOWN ? 0 : err;
}

/* ---- the two ways of running it ---- */

static int call_here(struct pump *p, aw_fn *step)
{
    return step(p);
}

static int call_from_thread(struct pump *p, aw_fn *step)
{
    aw_cfuture *f = aw_submit(p->loop, step, p);
    return f ? aw_cfuture_join(f, INFINITY) : aw_errno();
}

static int work_in_thread(struct pump *p)
{
    aw_executor *thread = aw_thread_pool(.max_workers = 1, .prefix = "feed-queue");
    if (!thread)
        return aw_errno();
    int err = aw_join(aw_run_in_executor(thread, work, p));
    aw_executor_unref(thread);
    return err;
}

int pump(void *arg)
{
    struct feed *f = arg;
    struct pump *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    p->feed = f;
    p->loop = aw_running_loop();
    p->call = f->options->blocking ? call_from_thread : call_here;
    int err = f->options->blocking ? work_in_thread(p) : work(p);
    if (err < 0 && err != -ECANCELED)
        say("error", "the pump has ended", "{s:s, s:s}", "reason", aw_strerror(err), "detail",
            aw_errmsg());
    free(p);
    return err;
}
