/*
 * consumer_work.c - jobs: taken, worked on by handlers, and what becomes of them.
 */
#include <math.h>
#include <string.h>

#include "sqs/consumer.h"

/* ---- jobs ---- */

void aw_sqs_job_unref(struct aw_sqs_job *j)
{
    if (--j->refs > 0)
        return;
    aw_sqs_messages_unref(j->messages);
    aw_mem_free(j);
}

void aw_sqs_job_move(aw_sqs_consumer *c, struct aw_sqs_job *j, enum aw_sqs_job_state state,
                     aw_list *list)
{
    if (j->state != AW_SQS_FRESH)
        c->n[j->state]--;
    aw_list_remove(&j->link);
    if (list)
        aw_list_push_back(list, &j->link);
    j->state = state;
    c->n[state]++;
}

/* Out of the consumer's hand, whatever becomes of it. */
void aw_sqs_job_gone(aw_sqs_consumer *c, struct aw_sqs_job *j)
{
    aw_sqs_job_move(c, j, AW_SQS_GONE, NULL);
    c->n[AW_SQS_GONE]--;
    aw_list_remove(&j->keep);
    aw_unref(j->task);
    j->task = NULL;
    c->in_hand--;
    aw_ignore(aw_event_set(&c->room));
    if (c->in_hand == 0)
        aw_ignore(aw_event_set(&c->ended));
    aw_sqs_job_unref(j);
}

static void return_job(aw_sqs_consumer *c, struct aw_sqs_job *j, double visibility)
{
    j->visibility = visibility;
    aw_sqs_job_move(c, j, AW_SQS_RETURNING, &c->returning);
    aw_list_remove(&j->keep);
    aw_ignore(aw_event_set(&c->due));
}

void aw_sqs_consumer_return_waiting(aw_sqs_consumer *c)
{
    aw_list_each_safe(it, &c->waiting)
    {
        c->stats.returned++;
        return_job(c, aw_container_of(it, struct aw_sqs_job, link), 0);
    }
}

static struct aw_sqs_job *make_job(aw_sqs_consumer *c, aw_sqs_messages *m, size_t i)
{
    struct aw_sqs_job *j = aw_mem_zalloc(sizeof *j);
    if (!j)
        return NULL;
    j->refs = 1;
    j->messages = aw_sqs_messages_ref(m);
    j->m = aw_sqs_messages_at(m, i);
    j->until = aw_time() + c->o.visibility;
    aw_list_init(&j->link);
    aw_list_init(&j->keep);
    c->in_hand++;
    aw_sqs_job_move(c, j, AW_SQS_WAITING, &c->waiting);
    aw_sqs_job_keep(c, j, j->until - c->o.visibility / 2);
    return j;
}

static void start_more(aw_sqs_consumer *c);

void aw_sqs_consumer_take(aw_sqs_consumer *c, aw_sqs_messages *m)
{
    for (size_t i = 0; i < aw_sqs_messages_count(m); i++) {
        c->stats.received++;
        if (!make_job(c, m, i)) {
            c->stats.lost++;
            aw_sqs_consumer_tell(c, -ENOMEM, aw_sqs_messages_at(m, i));
        }
    }
    if (c->stopping)
        aw_sqs_consumer_return_waiting(c);
    start_more(c);
}

/* ---- handlers ---- */

static void finish_failed(aw_sqs_consumer *c, struct aw_sqs_job *j, int result)
{
    c->stats.failed++;
    if (!c->cancelled)
        aw_sqs_consumer_tell(c, result, j->m);
    /* What is behind it in its group must not overtake it. */
    aw_list_each_safe(it, &c->waiting)
    {
        struct aw_sqs_job *other = aw_container_of(it, struct aw_sqs_job, link);
        if (*j->m->group && !strcmp(other->m->group, j->m->group)) {
            c->stats.returned++;
            return_job(c, other, 0);
        }
    }
    if (c->cancelled || c->o.retry_delay < 0)
        return_job(c, j, 0);
    else if (c->o.retry_delay > 0)
        return_job(c, j, c->o.retry_delay);
    else
        aw_sqs_job_gone(c, j);
}

static void finish(aw_sqs_consumer *c, struct aw_sqs_job *j, int result)
{
    aw_unref(j->task);
    j->task = NULL;
    if (result < 0) {
        finish_failed(c, j, result);
    } else {
        c->stats.succeeded++;
        j->done_at = aw_time();
        aw_sqs_job_move(c, j, AW_SQS_DONE, &c->done);
        /* Deleters look at the clock themselves in between. */
        if (c->n[AW_SQS_DONE] == 1 || c->n[AW_SQS_DONE] >= 10 || c->stopping)
            aw_ignore(aw_event_set(&c->ready));
        aw_ignore(aw_event_set(&c->room));
    }
    start_more(c);
}

/* What a handler's task is started with, in the task's own memory. */
struct work {
    aw_sqs_consumer *c;
    struct aw_sqs_job *j;
};

static int call_handler(aw_sqs_consumer *c, const aw_sqs_message *m)
{
    bool poison = c->o.poison && m->receives > c->o.poison_after;
    c->stats.poisoned += poison;
    return poison ? c->o.poison(m, c->o.arg) : c->o.handler(m, c->o.arg);
}

static int call_in_time(aw_sqs_consumer *c, const aw_sqs_message *m)
{
    aw_timeout limit = AW_TIMEOUT_INIT;
    if (c->o.timeout == 0 || c->o.timeout == (double)INFINITY)
        return call_handler(c, m);
    AW_TRY(aw_timeout_enter(&limit, c->o.timeout));
    return aw_timeout_exit(&limit, call_handler(c, m));
}

static int work(void *arg)
{
    struct work *w = arg;
    int result = call_in_time(w->c, w->j->m);
    finish(w->c, w->j, result);
    return 0;
}

/* The task begins at once, so that it cannot be cancelled before it has begun; the handler may
 * have ended when this returns. */
static void start(aw_sqs_consumer *c, struct aw_sqs_job *j)
{
    struct work w = {c, j};
    aw_task *task = NULL;
    aw_sqs_job_move(c, j, AW_SQS_WORKING, &c->working);
    j->refs++;
    int err =
        aw_group_start(c->group, work, &w, .copy = sizeof w, .eager = true,
                       .stack_size = c->o.stack_size, .ret_task = &task, .name = "sqs-message");
    if (err < 0) {
        aw_sqs_consumer_tell(c, err, j->m);
        c->stats.failed++;
        return_job(c, j, 0);
    } else if (j->state == AW_SQS_WORKING) {
        j->task = aw_ref(task);
    }
    aw_unref(task);
    aw_sqs_job_unref(j);
}

/* Is another message of its group being worked on? */
static bool must_wait(const aw_sqs_consumer *c, const struct aw_sqs_job *j)
{
    if (!*j->m->group)
        return false;
    aw_list_each(it, &c->working)
    {
        const struct aw_sqs_job *other = aw_container_of(it, struct aw_sqs_job, link);
        if (!strcmp(other->m->group, j->m->group))
            return true;
    }
    return false;
}

/* The next one that may begin.  One whose visibility has ended is another receiver's by now. */
static struct aw_sqs_job *next(aw_sqs_consumer *c)
{
    aw_list_each_safe(it, &c->waiting)
    {
        struct aw_sqs_job *j = aw_container_of(it, struct aw_sqs_job, link);
        if (aw_time() >= j->until) {
            c->stats.lost++;
            aw_sqs_job_gone(c, j);
        } else if (!must_wait(c, j)) {
            return j;
        }
    }
    return NULL;
}

/* Handlers that end at once come back here: the loop that is under way goes on then. */
static void start_more(aw_sqs_consumer *c)
{
    if (c->starting)
        return;
    c->starting = true;
    struct aw_sqs_job *j;
    while (!c->stopping && c->n[AW_SQS_WORKING] < c->o.concurrency && (j = next(c)))
        start(c, j);
    c->starting = false;
}
