/*
 * consumer_keep.c - the keeper, who makes visibilities longer and gives messages back; and the
 * deleters.
 *
 * A visibility is made longer when half of it has gone.  A request that fails for a reason that may
 * pass is made again after a second, for as long as the visibility lasts.
 */
#include <math.h>
#include <string.h>

#include "sqs/consumer.h"

enum { BATCH = 10, DELETE_TRIES = 5 };

/* Jobs that a request is about; each is held. */
struct batch {
    struct aw_sqs_job *jobs[BATCH];
    aw_sqs_entry entries[BATCH];
    size_t n;
};

static void add(struct batch *b, struct aw_sqs_job *j, double visibility)
{
    j->refs++;
    b->jobs[b->n] = j;
    b->entries[b->n++] = (aw_sqs_entry){.receipt = j->m->receipt, .visibility = visibility};
}

static void let_go(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        aw_sqs_job_unref(b->jobs[i]);
    b->n = 0;
}

/* May the same go better a second later? */
static bool may_pass(int err)
{
    return err != -ESTALE && err != -EINVAL && err != -ENOENT && err != -EACCES &&
           err != -ECANCELED;
}

/* ---- keeping ---- */

void aw_sqs_job_keep(aw_sqs_consumer *c, struct aw_sqs_job *j, double due)
{
    aw_list *at = &c->kept;
    j->due = due;
    while (at->prev != &c->kept && aw_container_of(at->prev, struct aw_sqs_job, keep)->due > due)
        at = at->prev;
    aw_list_remove(&j->keep);
    aw_list_insert_before(at, &j->keep);
    if (c->kept.next == &j->keep)
        aw_ignore(aw_event_set(&c->due));
}

/* Up to ten whose time has come, or comes so soon that they may as well go with them. */
static void collect_due(aw_sqs_consumer *c, struct batch *b)
{
    double now = aw_time();
    while (!aw_list_empty(&c->kept) && b->n < BATCH) {
        struct aw_sqs_job *j = aw_container_of(c->kept.next, struct aw_sqs_job, keep);
        if (j->due > now + (b->n > 0 ? c->o.visibility / 8 : 0))
            break;
        aw_list_remove(&j->keep);
        add(b, j, c->o.visibility);
    }
}

static void settle_kept(aw_sqs_consumer *c, struct aw_sqs_job *j, int result, double began)
{
    bool in_hand = j->state == AW_SQS_WAITING || j->state == AW_SQS_WORKING;
    if (j->state == AW_SQS_GONE || j->state == AW_SQS_RETURNING)
        return;
    if (result >= 0) {
        c->stats.extended++;
        j->until = began + c->o.visibility;
        aw_sqs_job_keep(c, j, j->until - c->o.visibility / 2);
    } else if (may_pass(result) && aw_time() + 1 < j->until) {
        aw_sqs_job_keep(c, j, aw_time() + 1);
    } else if (in_hand) {
        c->stats.lost++;
        aw_sqs_consumer_tell(c, result, j->m);
        j->until = j->state == AW_SQS_WAITING ? aw_time() : j->until;
    }
}

static int keep(aw_sqs_consumer *c, struct batch *b)
{
    double began = aw_time();
    int err = aw_sqs_change_visibility_batch(c->o.sqs, c->queue, b->entries, b->n, NULL);
    for (size_t i = 0; i < b->n && err != -ECANCELED; i++)
        settle_kept(c, b->jobs[i], b->entries[i].result, began);
    let_go(b);
    return err == -ECANCELED ? err : 0;
}

static void collect_returning(aw_sqs_consumer *c, struct batch *b)
{
    aw_list_each(it, &c->returning)
    {
        struct aw_sqs_job *j = aw_container_of(it, struct aw_sqs_job, link);
        if (b->n < BATCH)
            add(b, j, j->visibility);
    }
}

/* What cannot be given back comes again all the same, only later. */
static int give_back(aw_sqs_consumer *c, struct batch *b)
{
    int err = aw_sqs_change_visibility_batch(c->o.sqs, c->queue, b->entries, b->n, NULL);
    if (err < 0 && err != -ECANCELED)
        aw_sqs_consumer_tell(c, err, NULL);
    for (size_t i = 0; i < b->n; i++)
        if (b->jobs[i]->state == AW_SQS_RETURNING)
            aw_sqs_job_gone(c, b->jobs[i]);
    let_go(b);
    return err == -ECANCELED ? err : 0;
}

static double until_due(const aw_sqs_consumer *c)
{
    if (aw_list_empty(&c->kept))
        return (double)INFINITY;
    return aw_container_of(c->kept.next, struct aw_sqs_job, keep)->due - aw_time();
}

static int keep_on(aw_sqs_consumer *c)
{
    struct batch b = {.n = 0};
    while (!c->closing) {
        collect_returning(c, &b);
        if (b.n > 0) {
            AW_TRY(give_back(c, &b));
            continue;
        }
        collect_due(c, &b);
        if (b.n > 0) {
            AW_TRY(keep(c, &b));
            continue;
        }
        (void)aw_event_clear(&c->due);
        AW_TRY(aw_sqs_wait_event(&c->due, until_due(c)));
    }
    return 0;
}

int aw_sqs_keeper(void *arg)
{
    return aw_sqs_consumer_left(arg, keep_on(arg));
}

/* ---- deleting ---- */

/* For how long the first one may still wait for others. */
static double patience(const aw_sqs_consumer *c)
{
    if (aw_list_empty(&c->done))
        return (double)INFINITY;
    if (c->n[AW_SQS_DONE] >= BATCH || (c->stopping && c->n[AW_SQS_WORKING] == 0))
        return 0;
    double since = aw_container_of(c->done.next, struct aw_sqs_job, link)->done_at;
    return since + c->o.delete_wait - aw_time();
}

static void collect_done(aw_sqs_consumer *c, struct batch *b)
{
    while (!aw_list_empty(&c->done) && b->n < BATCH) {
        struct aw_sqs_job *j = aw_container_of(c->done.next, struct aw_sqs_job, link);
        aw_sqs_job_move(c, j, AW_SQS_DELETING, NULL);
        add(b, j, 0);
    }
}

static void settle_deleted(aw_sqs_consumer *c, struct aw_sqs_job *j, int result)
{
    bool again = result < 0 && may_pass(result) && ++j->tries < DELETE_TRIES;
    if (again) {
        j->done_at = aw_time();
        aw_sqs_job_move(c, j, AW_SQS_DONE, &c->done);
        return;
    }
    c->stats.deleted += result >= 0;
    if (result < 0) {
        c->stats.lost++;
        if (result != -ECANCELED)
            aw_sqs_consumer_tell(c, result, j->m);
    }
    aw_sqs_job_gone(c, j);
}

static int delete_batch(aw_sqs_consumer *c, struct batch *b)
{
    int err = aw_sqs_delete_batch(c->o.sqs, c->queue, b->entries, b->n, NULL);
    for (size_t i = 0; i < b->n; i++)
        settle_deleted(c, b->jobs[i], b->entries[i].result);
    let_go(b);
    if (err < 0 && err != -ECANCELED && c->n[AW_SQS_DONE] > 0)
        return aw_sleep(aw_sqs_drawn(c->o.sqs, 1));
    return err == -ECANCELED ? err : 0;
}

static int delete_on(aw_sqs_consumer *c)
{
    struct batch b = {.n = 0};
    while (!c->closing) {
        double wait = patience(c);
        if (wait > 0) {
            (void)aw_event_clear(&c->ready);
            AW_TRY(aw_sqs_wait_event(&c->ready, wait));
            continue;
        }
        collect_done(c, &b);
        AW_TRY(delete_batch(c, &b));
    }
    return 0;
}

int aw_sqs_deleter(void *arg)
{
    return aw_sqs_consumer_left(arg, delete_on(arg));
}
