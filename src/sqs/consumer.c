/*
 * consumer.c - the consumer's life: made, run, stopped; and its pollers.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sqs/consumer.h"

/* ---- telling ---- */

/* The body of the consumer's task is to end with this. */
static void fail(aw_sqs_consumer *c, int err, const char *why)
{
    if (c->result >= 0) {
        c->result = err;
        snprintf(c->why, sizeof c->why, "%s", why);
    }
    aw_ignore(aw_sqs_consumer_stop(c));
}

int aw_sqs_consumer_left(aw_sqs_consumer *c, int err)
{
    if (err >= 0 || c->closing)
        return err;
    c->broken = true;
    fail(c, err, "");
    aw_ignore(aw_event_set(&c->ended));
    return err;
}

void aw_sqs_consumer_tell(aw_sqs_consumer *c, int err, const aw_sqs_message *m)
{
    char why[512];
    snprintf(why, sizeof why, "%s", *aw_errmsg() ? aw_errmsg() : aw_strerror(err));
    int verdict = c->o.on_error ? c->o.on_error(err, why, m, c->o.arg) : 0;
    if (verdict < 0)
        fail(c, verdict, why);
}

int aw_sqs_wait_event(aw_event *event, double seconds)
{
    if (seconds == (double)INFINITY)
        return aw_event_wait(event);
    aw_timeout limit = AW_TIMEOUT_INIT;
    int err = aw_timeout_enter(&limit, seconds);
    if (err < 0) /* no memory for a timer: look again soon */
        return aw_sleep(seconds < 0.05 ? seconds : 0.05);
    err = aw_timeout_exit(&limit, aw_event_wait(event));
    return err == -ETIMEDOUT ? 0 : err;
}

/* ---- pollers ---- */

/* What is done and waits to be deleted takes no room, up to a point. */
static unsigned room(const aw_sqs_consumer *c)
{
    unsigned all = c->o.concurrency + c->o.prefetch;
    unsigned used = c->n[AW_SQS_WAITING] + c->n[AW_SQS_WORKING] + c->asked;
    return used < all && c->in_hand < all + 100 * c->o.pollers ? all - used : 0;
}

/* An error that another poll would only give again, and that nobody hears of otherwise. */
static bool is_hopeless(const aw_sqs_consumer *c, int err, const aw_sqs_error *e)
{
    if (c->o.on_error)
        return false;
    return err == -ENOKEY || err == -EINVAL || err == -EKEYEXPIRED || err == -EILSEQ ||
           (e->status && (err == -ENOENT || err == -EACCES));
}

#define PACE 1.0        /* seconds between two polls that bring nothing */
#define USUAL_PAUSE 0.5 /* seconds, the half of the bound of the first; longer after a failure */

/* A service that has nothing, and does not wait until it has, is not asked again and again. */
static int pace(const aw_sqs_consumer *c, int n, double began)
{
    double rest = began + PACE - aw_time();
    return n > 0 || c->stopping || rest <= 0 ? 0 : aw_sleep(rest);
}

static int poll_once(aw_sqs_consumer *c, double *pause)
{
    double began = aw_time();
    double wait = *pause > USUAL_PAUSE ? -1 : c->o.wait;
    aw_sqs_messages *m;
    aw_sqs_error e = {0};
    unsigned n = room(c) < 10 ? room(c) : 10;
    c->asked += n;
    c->stats.polls++;
    int err = aw_sqs_receive(&m, c->o.sqs, c->queue, .max = n, .wait = wait,
                             .visibility = c->o.visibility, .error = &e);
    c->asked -= n;
    if (err >= 0) {
        *pause = USUAL_PAUSE;
        c->stats.answered++;
        aw_sqs_consumer_take(c, m);
        aw_sqs_messages_unref(m);
        return pace(c, err, began);
    }
    if (err == -ECANCELED)
        return err;
    bool hopeless = is_hopeless(c, err, &e);
    if (hopeless)
        fail(c, err, aw_errmsg());
    else
        aw_sqs_consumer_tell(c, err, NULL);
    if (c->stopping)
        return 0;
    *pause = *pause < 15 ? *pause * 2 : 30;
    return aw_sleep(aw_sqs_drawn(c->o.sqs, *pause));
}

static int poll_on(aw_sqs_consumer *c)
{
    double pause = USUAL_PAUSE;
    while (!c->stopping) {
        if (room(c) > 0) {
            AW_TRY(poll_once(c, &pause));
        } else {
            (void)aw_event_clear(&c->room);
            AW_TRY(aw_event_wait(&c->room));
        }
    }
    return 0;
}

/* Begun at once, so that it is not cancelled before it is counted. */
static int poller(void *arg)
{
    aw_sqs_consumer *c = arg;
    c->polling++;
    int err = poll_on(c);
    c->polling--;
    if (err < 0 && !c->stopping) /* somebody has cancelled it */
        fail(c, err, "");
    aw_ignore(aw_event_set(&c->ended));
    return err;
}

/* ---- running ---- */

static int start_all(aw_sqs_consumer *c)
{
    AW_TRY(aw_group_start(c->group, aw_sqs_keeper, c));
    for (unsigned i = 0; i < c->o.pollers; i++)
        AW_TRY(aw_group_start(c->group, aw_sqs_deleter, c));
    for (unsigned i = 0; i < c->o.pollers; i++)
        AW_TRY(aw_group_start(c->group, poller, c, .eager = true, .ret_task = &c->pollers[i]));
    return 0;
}

/* The first cancellation ends the handlers too, but not what tells the service. */
static void take_cancellation(aw_sqs_consumer *c)
{
    c->cancelled = true;
    fail(c, -ECANCELED, "");
    aw_list_each_safe(it, &c->working)
    {
        struct aw_sqs_job *j = aw_container_of(it, struct aw_sqs_job, link);
        (void)aw_cancel(j->task);
    }
}

static void wait_for_end(aw_sqs_consumer *c)
{
    while (!c->stopping || c->polling > 0 || c->in_hand > 0) {
        (void)aw_event_clear(&c->ended);
        int err = aw_event_wait(&c->ended);
        if (c->broken || (err < 0 && c->cancelled)) {
            aw_group_cancel(c->group);
            return;
        }
        if (err < 0)
            take_cancellation(c);
    }
}

static void drop_all(aw_sqs_consumer *c, aw_list *list)
{
    while (!aw_list_empty(list))
        aw_sqs_job_gone(c, aw_container_of(list->next, struct aw_sqs_job, link));
}

static void leave(aw_sqs_consumer *c)
{
    drop_all(c, &c->waiting);
    drop_all(c, &c->working);
    drop_all(c, &c->done);
    drop_all(c, &c->returning);
    for (unsigned i = 0; i < c->o.pollers; i++) {
        aw_unref(c->pollers[i]);
        c->pollers[i] = NULL;
    }
    c->group = NULL;
    c->running = false;
}

int aw_sqs_consumer_run(aw_sqs_consumer *c)
{
    aw_group group = AW_GROUP_INIT;
    if (!c || !aw_current_task() || c->running)
        return c ? aw_raise(AW_EMISUSE, "sqs: a consumer runs once at a time, in a task") : -EINVAL;
    if (aw_running_loop() != c->loop)
        return aw_raise(AW_ETHREAD, "sqs: the consumer belongs to another loop");
    AW_TRY(aw_group_enter(&group));
    c->group = &group;
    c->running = true;
    c->cancelled = c->closing = c->broken = false;
    c->result = 0;
    int err = start_all(c);
    if (err < 0)
        fail(c, err, aw_errmsg());
    wait_for_end(c);
    c->closing = true;
    aw_ignore(aw_event_set(&c->due));
    aw_ignore(aw_event_set(&c->ready));
    err = aw_group_exit(&group, 0);
    leave(c);
    c->stopping = false;
    if (c->result < 0)
        return *c->why ? aw_raise(c->result, c->why) : c->result;
    return err;
}

int aw_sqs_consumer_stop(aw_sqs_consumer *c)
{
    if (!c)
        return -EINVAL;
    if (aw_running_loop() != c->loop)
        return aw_raise(AW_ETHREAD, "sqs: the consumer belongs to another loop");
    if (c->stopping)
        return 0;
    c->stopping = true;
    for (unsigned i = 0; c->running && i < c->o.pollers; i++)
        if (c->pollers[i])
            (void)aw_cancel(c->pollers[i]);
    aw_sqs_consumer_return_waiting(c);
    aw_ignore(aw_event_set(&c->room));
    aw_ignore(aw_event_set(&c->ready));
    aw_ignore(aw_event_set(&c->ended));
    return 0;
}

/* ---- handles ---- */

static int check_ranges(const aw_sqs_consumer_opts *o)
{
    bool visibility = o->visibility == 0 || (o->visibility >= 2 && o->visibility <= 43200);
    bool wait = o->wait >= 0 && o->wait <= 20;
    if (!visibility || !wait || o->retry_delay > 43200 || o->timeout < 0 || o->delete_wait < 0)
        return aw_raise(-EINVAL, "sqs: a consumer's option out of its range");
    if (o->concurrency > 100000 || o->prefetch > 100000 || o->pollers > 100)
        return aw_raise(-EINVAL, "sqs: too many handlers, messages or pollers");
    return 0;
}

static int check_options(const aw_sqs_consumer_opts *o)
{
    const double numbers[] = {o->wait, o->visibility, o->timeout, o->retry_delay, o->delete_wait};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (isnan(numbers[i]))
            return aw_raise(-EINVAL, "sqs: an option that is no number");
    if (!o->sqs || !o->queue || !*o->queue || !o->handler)
        return aw_raise(-EINVAL, "sqs: a consumer without a client, a queue or a handler");
    if (!o->poison_after != !o->poison)
        return aw_raise(-EINVAL, "sqs: .poison_after and .poison belong together");
    return check_ranges(o);
}

static void set_defaults(aw_sqs_consumer_opts *o)
{
    o->concurrency = o->concurrency ? o->concurrency : 10;
    if (!o->prefetch && !o->no_prefetch)
        o->prefetch = o->concurrency < 10 ? o->concurrency : 10;
    o->pollers = o->pollers ? o->pollers : 1;
    o->wait = o->wait > 0 ? o->wait : 20;
    o->visibility = o->visibility > 0 ? o->visibility : 30;
    o->delete_wait = o->delete_wait > 0 ? o->delete_wait : 0.05;
}

static void free_consumer(aw_sqs_consumer *c)
{
    aw_sqs_unref(c->o.sqs);
    aw_mem_free(c->queue);
    aw_mem_free(c->pollers);
    aw_mem_free(c);
}

aw_sqs_consumer *aw_sqs_consumer_new_(const aw_sqs_consumer_opts *opts)
{
    int err = opts ? check_options(opts) : -EINVAL;
    if (err < 0)
        return aw_refuse(err, opts ? aw_errmsg() : NULL);
    aw_sqs_consumer *c = aw_mem_zalloc(sizeof *c);
    if (!c)
        return aw_refuse(-ENOMEM, NULL);
    c->refs = 1;
    c->o = *opts;
    set_defaults(&c->o);
    c->o.sqs = aw_sqs_ref(opts->sqs);
    c->loop = opts->sqs->loop;
    c->queue = aw_copy(opts->queue);
    c->pollers = aw_mem_zalloc(c->o.pollers * sizeof *c->pollers);
    aw_list *const lists[] = {&c->waiting, &c->working, &c->done, &c->returning, &c->kept};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        aw_list_init(lists[i]);
    if (c->queue && c->pollers)
        return c;
    free_consumer(c);
    return aw_refuse(-ENOMEM, NULL);
}

aw_sqs_consumer *aw_sqs_consumer_ref(aw_sqs_consumer *c)
{
    if (c)
        c->refs++;
    return c;
}

void aw_sqs_consumer_unref(aw_sqs_consumer *c)
{
    if (c && --c->refs == 0)
        free_consumer(c);
}

int aw_sqs_consumer_stats_of(const aw_sqs_consumer *c, aw_sqs_consumer_stats *ret)
{
    if (!c || !ret)
        return -EINVAL;
    *ret = c->stats;
    ret->in_hand = c->in_hand;
    ret->running = c->n[AW_SQS_WORKING];
    return 0;
}
