/*
 * cancel.c - asking a task to end, and what it waits for with it.
 *
 * Cancelling follows the chain of awaits: A awaits B awaits a future; cancelling A cancels the
 * future at once, which ends B in the next pass and A in the one after.  The walk is a loop, not a
 * recursion, because chains can be long and stacks are small.  A chain that bites its own tail
 * (tasks awaiting each other in a circle) is noticed by an epoch number that every visited task
 * gets, and cut there.
 *
 * Where the chain ends decides how the cancellation arrives:
 *   - at a plain future: it becomes cancelled, and its waiters read that from it;
 *   - at a job that a thread works on: it goes on, and must_cancel is delivered when it has ended;
 *   - at another wait (a sleep, a lock, an operation): that is broken off, and the task's
 *     must_cancel makes aw_suspend() return -ECANCELED;
 *   - at a task that runs, is ready, or has not begun: must_cancel, delivered when it next
 *     suspends, resumes or begins.
 */
#include "core/core.h"

/* The task will be told; a later message replaces an earlier one, as in asyncio. */
static void note_request(struct aw_tcb *t, struct aw_text *msg)
{
    t->cancel_requests++;
    aw_text_ref(msg);
    aw_text_unref(t->cancel_msg);
    t->cancel_msg = msg;
}

/* One step of the walk at a pending task: the next future to cancel, or NULL at the end, which may
 * be one that waits, in the end, for the task that the walk came from. */
static aw_future *cancel_task(struct aw_tcb *t, struct aw_text *msg, uint64_t epoch, bool *circle)
{
    struct aw_wait *w = t->wait;
    note_request(t, msg);
    t->cancel_epoch = epoch;
    if (!w || w->woken) {
        t->must_cancel = true;
        return NULL;
    }
    if (w->kind->cancel) {
        t->must_cancel = true;
        *circle = !w->kind->cancel(w);
        return NULL;
    }
    aw_future *next = w->object;
    if (next->state != AW_PENDING) { /* it is being completed, and will wake the task */
        t->must_cancel = true;
        return NULL;
    }
    return next;
}

static bool visited(const aw_future *f, uint64_t epoch)
{
    return f->kind == AW_KIND_TASK && aw_container_of(f, struct aw_tcb, fut)->cancel_epoch == epoch;
}

/* Cut a circle at the task whose await closes it. */
static void cut(struct aw_tcb *t)
{
    t->must_cancel = true;
    aw_await_break(t->wait);
}

/* A job that has begun goes on, and the one who waits for it is told afterwards. */
static bool cancel_job(struct aw_job *job, struct aw_tcb *last, struct aw_text *msg)
{
    if (job->kind->cancel(job, msg))
        return true;
    if (last)
        last->must_cancel = true;
    return last != NULL;
}

/* The end of a chain that is no task; `last` awaits it, or is NULL.  False: nothing was there to
 * be cancelled, and nobody to be told. */
static bool cancel_end(aw_future *f, struct aw_tcb *last, struct aw_text *msg)
{
    if (f->kind == AW_KIND_JOB)
        return cancel_job(aw_job_of(f), last, msg);
    if (f->kind != AW_KIND_GATHER) {
        aw_future_complete(f, AW_CANCELLED, -ECANCELED, NULL, aw_text_ref(msg));
        return true;
    }
    if (aw_gather_request_cancel(f, msg))
        return true;
    if (last)
        cut(last); /* the gather is about to finish, or waits for this very task */
    return last != NULL;
}

/* Follow the chain from `f`, which is pending. */
static bool walk(aw_future *f, struct aw_text *msg)
{
    uint64_t epoch = ++f->loop->cancel_epoch;
    struct aw_tcb *last = NULL;
    bool circle = false;
    while (f && f->kind == AW_KIND_TASK) {
        struct aw_tcb *before = last;
        last = aw_tcb_of(f);
        f = cancel_task(last, msg, epoch, &circle);
        if (circle && before)
            cut(before);
        if (f && visited(f, epoch)) {
            cut(last);
            return true;
        }
    }
    return f ? cancel_end(f, last, msg) : true;
}

void aw_cancel_begin_round(aw_loop *l)
{
    if (l->cancel_draining)
        return;
    aw_assert(aw_list_empty(&l->cancel_queue));
    l->cancel_round++;
}

bool aw_cancel_queue(aw_loop *l, struct aw_cancel_item *item)
{
    if (item->round == l->cancel_round) {
        struct aw_cancel_item *ancestor = l->cancel_running;
        while (ancestor && ancestor != item)
            ancestor = ancestor->from;
        return !ancestor;
    }
    item->round = l->cancel_round;
    item->from = l->cancel_running;
    aw_list_push_back(&l->cancel_queue, &item->link);
    return true;
}

void aw_cancel_queued(aw_loop *l)
{
    if (l->cancel_draining)
        return;
    l->cancel_draining = true;
    aw_list *link;
    while ((link = aw_list_pop_front(&l->cancel_queue)) != NULL) {
        l->cancel_running = aw_container_of(link, struct aw_cancel_item, link);
        l->cancel_running->run(l->cancel_running);
    }
    l->cancel_running = NULL;
    l->cancel_draining = false;
}

bool aw_cancel_request(aw_future *f, struct aw_text *msg)
{
    if (f->state != AW_PENDING) {
        aw_future_look(f);
        return false;
    }
    aw_loop *l = f->loop;
    aw_cancel_begin_round(l);
    bool asked = walk(f, msg);
    aw_cancel_queued(l);
    return asked;
}

bool aw_cancel_(const aw_cancel_opts *opts)
{
    aw_future *f = opts->future;
    if (!f || aw_future_check(f) < 0)
        return false;
    struct aw_text *msg = aw_text_new(opts->msg);
    aw_ref(f);
    bool asked = aw_cancel_request(f, msg);
    aw_unref(f);
    aw_text_unref(msg);
    return asked;
}

int aw_cancelling(aw_task *f)
{
    AW_TRY(aw_future_check(f));
    return f->kind == AW_KIND_TASK ? (int)aw_tcb_of(f)->cancel_requests : 0;
}

int aw_uncancel(aw_task *f)
{
    AW_TRY(aw_future_check(f));
    if (f->kind != AW_KIND_TASK)
        return 0;
    struct aw_tcb *t = aw_tcb_of(f);
    if (t->cancel_requests > 0 && --t->cancel_requests == 0)
        t->must_cancel = false;
    return (int)t->cancel_requests;
}
