/*
 * offload.c - blocking work awaited: aw_run_in_executor, aw_to_thread, the pool of a loop.
 *
 * One block is the pool's job, with its concurrent future, and the loop's future, which is what the
 * coroutine sees.
 *
 *     loop's thread                           a thread of the pool
 *     submit          ----------------------> begins, does, completes the concurrent future:
 *     arrived: completes the loop's future <- push(arrived), its last act with the block
 *
 * References on the block (those of the concurrent future): the pool's until the job is answered,
 * which is the item's on its way through the inbox from then on; the loop's future, as long as that
 * is there.  The loop has one on its future as long as it waits for the job (`awaited`), so that an
 * answer finds it.
 *
 * The loop's memory.  While the loop waits for the job, its future keeps it, and pushing touches
 * nothing of it once the item may be taken; who wakes it does, and is waited for by the closer of
 * the inbox (core/inbox.c).  A loop that waits no more, though the item has not come, leaves the
 * block a reference on its memory (`holds`).
 *
 * The loop's end.  Either the item was pushed before the inbox was closed, and is run when the
 * schedule is dropped; or the push is refused, and the pusher lets the item's reference go.  The
 * closer, which comes between the two, ends the waiting either way and needs not know which it is.
 * Before that it waits for a job that somebody awaits: what it works on may lie on a task's stack,
 * which is about to go.
 *
 * Releasing the argument runs the user's code, and so must not happen inside aw_cancel(): a job
 * that the loop took off the queue is seen over when its item arrives; then it is answered like any
 * other, and the item comes a second time.
 */
#include <math.h>

#include "thread/pool.h"

/* Until those that the end of a loop waits for are named. */
#define PATIENCE_NS INT64_C(5000000000)

struct offload {
    struct aw_pool_job job; /* first */
    struct aw_ready arrived;
    aw_loop *loop;
    struct aw_job face; /* the loop's future */
    struct aw_closer closer;
    bool awaited;   /* counted in l->jobs, and on its closers; the loop's thread */
    bool holds;     /* has a reference on the loop's memory; the loop's thread, until it is freed */
    bool withdrawn; /* taken off the queue, and not over yet; the loop's thread */
};

static struct offload *offload_of(aw_cfuture *f)
{
    return aw_container_of(f, struct offload, job.future);
}

static struct offload *offload_of_face(struct aw_job *face)
{
    return aw_container_of(face, struct offload, face);
}

/* ---- the way back ---- */

/* The loop waits for it no more.  If its item has not come, it needs the loop's memory still. */
static void stop_waiting(struct offload *o, bool has_come)
{
    if (!o->awaited)
        return;
    o->awaited = false;
    if (!has_come) {
        o->holds = true;
        aw_loop_hold(o->loop);
    }
    o->loop->jobs--;
    o->loop->outside--;
    aw_list_remove(&o->closer.link);
    aw_unref(&o->face.fut);
}

static void finish(struct offload *o)
{
    static const enum aw_future_state states[] = {[AW_CF_FINISHED] = AW_FINISHED,
                                                  [AW_CF_FAILED] = AW_FAILED,
                                                  [AW_CF_CANCELLED] = AW_CANCELLED};
    aw_cfuture *f = &o->job.future;
    aw_future_complete(&o->face.fut, states[aw_cf_state(f)], f->result, f->value,
                       aw_text_ref(f->detail));
}

/* While one answer is looked at, the next comes, from the cache of the worker that wrote it.  What
 * is next may be something else: harmless. */
static void fetch_next(const aw_loop *l)
{
    if (l->batch.head)
        aw_fetch((uintptr_t)l->batch.head - offsetof(struct offload, arrived.link),
                 sizeof(struct offload));
}

/* On the loop's own stack. */
static void arrived(struct aw_ready *item)
{
    struct offload *o = aw_container_of(item, struct offload, arrived);
    fetch_next(o->loop);
    if (o->withdrawn) {
        o->withdrawn = false;
        aw_pool_job_drop(&o->job);
        return;
    }
    if (o->awaited && o->face.fut.state == AW_PENDING && !o->loop->closed)
        finish(o);
    stop_waiting(o, true);
    aw_cfuture_unref(&o->job.future);
}

/* In the thread that saw it over, or withdrew it. */
static void send_back(struct aw_pool_job *job)
{
    struct offload *o = aw_container_of(job, struct offload, job);
    if (aw_inbox_push(o->loop, &o->arrived) < 0)
        aw_cfuture_unref(&job->future);
}

static void wait_until_over(struct offload *o)
{
    struct aw_latch *ended = &o->job.future.ended;
    if (aw_latch_wait(ended, aw_clock_real() + PATIENCE_NS))
        return;
    aw_pool_report(o->job.pool, "a loop cannot close before the jobs that its tasks wait for");
    aw_latch_wait(ended, INT64_MAX);
}

static void loop_closes(struct aw_closer *closer)
{
    struct offload *o = aw_container_of(closer, struct offload, closer);
    if (o->face.fut.state == AW_PENDING && !aw_list_empty(&o->face.fut.watchers))
        wait_until_over(o);
    stop_waiting(o, false);
}

/* ---- cancelling ---- */

/* The concurrent future has become cancelled: by the loop, or by a shutdown of the pool, which has
 * taken the job off the queue itself. */
static void withdraw(aw_cfuture *f)
{
    struct offload *o = offload_of(f);
    if (!aw_pool_withdraw(&o->job))
        return;
    o->withdrawn = true;
    if (!o->loop->closed) /* else cancel() sees it over: nothing arrives there any more */
        send_back(&o->job);
}

static void become_cancelled(struct offload *o, struct aw_text *msg)
{
    aw_future_complete(&o->face.fut, AW_CANCELLED, -ECANCELED, NULL, aw_text_ref(msg));
}

static bool cancel(struct aw_job *face, struct aw_text *msg)
{
    struct offload *o = offload_of_face(face);
    if (!aw_cfuture_cancel(&o->job.future)) {
        if (!o->job.opts.abandon_on_cancel)
            return false;
        aw_pool_abandon(&o->job);
        become_cancelled(o, msg);
        stop_waiting(o, false);
        return true;
    }
    become_cancelled(o, msg);
    if (o->withdrawn && o->loop->closed) {
        o->withdrawn = false;
        aw_pool_job_drop(&o->job);
    }
    return true;
}

static void describe(const struct aw_job *face, aw_buf *out)
{
    struct offload *o = offload_of_face((struct aw_job *)face);
    aw_pool_job_describe(&o->job, out);
}

static void free_face(struct aw_job *face)
{
    aw_cfuture_unref(&offload_of_face(face)->job.future);
}

static void free_offload(aw_cfuture *f)
{
    aw_loop *l = offload_of(f)->holds ? offload_of(f)->loop : NULL;
    aw_pool_job_free(&offload_of(f)->job);
    if (l)
        aw_loop_release(l);
}

static const struct aw_job_kind face_kind = {
    .cancel = cancel, .describe = describe, .free = free_face};
static const struct aw_cfuture_kind offload_kind = {
    .cancelled = withdraw, .free = free_offload, .has_work = true};

/* ---- the pool of a loop ---- */

struct loop_pool {
    struct aw_closer closer;
    aw_executor *pool; /* a handle, or NULL */
    bool own;          /* made by the loop */
    bool shut;         /* aw_loop_shutdown_default_executor() was called */
    bool left;         /* and jobs were left behind */
};

static void shut_and_wait(aw_executor *p)
{
    aw_pool_shut(p, false);
    if (aw_pool_wait(p, aw_clock_real() + PATIENCE_NS, true) == 0)
        return;
    aw_pool_report(p, "a loop cannot close before the jobs of its own pool");
    aw_ignore(aw_pool_wait(p, INT64_MAX, true));
}

static void pool_closes(struct aw_closer *closer)
{
    struct loop_pool *lp = aw_container_of(closer, struct loop_pool, closer);
    if (lp->pool && lp->own && !lp->left)
        shut_and_wait(lp->pool);
    aw_executor_unref(lp->pool);
    aw_mem_free(lp);
}

/* What the loop knows of its pool, made at the first call; NULL with the error. */
static struct loop_pool *loop_pool(aw_loop *l)
{
    if (l->pool)
        return l->pool;
    struct loop_pool *lp = aw_mem_zalloc(sizeof *lp);
    if (!lp)
        return aw_fail_null(-ENOMEM, NULL);
    lp->closer.run = pool_closes;
    aw_list_push_back(&l->closers, &lp->closer.link);
    l->pool = lp;
    return lp;
}

static aw_executor *own_pool(aw_loop *l, const aw_job_opts *opts)
{
    struct loop_pool *lp = loop_pool(l);
    if (!lp)
        return NULL;
    if (lp->shut)
        return aw_fail_null(AW_EMISUSE, "the loop's own pool is shut down");
    if (!lp->pool) {
        lp->pool = aw_thread_pool_(&(aw_pool_opts){.file = opts->file,
                                                   .line = opts->line,
                                                   .daemon = l->pool_daemon,
                                                   .exit_timeout = l->pool_exit_timeout});
        lp->own = true;
    }
    return lp->pool;
}

int aw_loop_set_default_executor(aw_loop *l, aw_executor *ex)
{
    if (!l)
        return aw_null_handle();
    if (!ex)
        return aw_fail(-EINVAL, "the executor is NULL");
    AW_TRY(aw_loop_check(l));
    if (l->closed)
        return aw_fail(AW_EMISUSE, "the loop is closed");
    struct loop_pool *lp = loop_pool(l);
    if (!lp)
        return aw_errno();
    aw_executor *before = lp->pool;
    lp->pool = aw_executor_ref(ex);
    lp->own = lp->left = false;
    aw_executor_unref(before);
    return 0;
}

/* Wait for the end of a pool that is shut. */
static int await_end(aw_executor *p, double timeout)
{
    aw_future *end = aw_wrap_future(&p->end);
    if (!end)
        return aw_errno();
    int err = timeout ? aw_wait_for(end, timeout) : aw_await(end);
    aw_unref(end);
    return err;
}

int aw_loop_shutdown_default_executor_(const aw_loop_shutdown_executor_opts *opts)
{
    aw_loop *l = opts->loop ? opts->loop : aw_self.loop;
    if (!l)
        return aw_no_loop();
    AW_TRY(aw_loop_check(l));
    if (l != aw_self.loop || !l->current)
        return aw_no_loop();
    if (isnan(opts->timeout))
        return aw_fail(-EINVAL, "the time limit is NaN");
    struct loop_pool *lp = loop_pool(l);
    if (!lp)
        return aw_errno();
    lp->shut = true;
    aw_executor *p = lp->pool;
    if (!p)
        return 0;
    aw_pool_hold(p); /* meanwhile another one may be set */
    aw_pool_shut(p, false);
    int err = await_end(p, opts->timeout);
    if (err == -ETIMEDOUT) {
        aw_pool_report(p, "the pool of a loop did not end in time");
        lp->left = lp->pool == p;
    }
    aw_pool_release(p);
    return err;
}

/* ---- submitting ---- */

static void begin_waiting(struct offload *o)
{
    aw_loop *l = o->loop;
    o->awaited = true;
    l->jobs++;
    l->outside++;
    aw_list_push_back(&l->closers, &o->closer.link);
}

static struct offload *new_offload(aw_loop *l, aw_fn *fn, const aw_job_opts *opts)
{
    struct offload *o = aw_pool_job_new(sizeof *o, fn, opts, &offload_kind);
    if (!o)
        return NULL;
    aw_future_init(&o->face.fut, l, AW_KIND_JOB, opts->file, opts->line);
    o->face.fut.refs = 2; /* the caller's, and the loop's while it waits */
    o->face.kind = &face_kind;
    o->job.answer = send_back;
    o->arrived.run = arrived;
    o->closer.run = loop_closes;
    o->loop = l;
    o->withdrawn = o->holds = false;
    return o;
}

aw_future *aw_run_in_executor_(aw_executor *ex, aw_fn *fn, const aw_job_opts *opts)
{
    aw_loop *l = aw_self.loop;
    if (!l)
        return aw_null(aw_no_loop());
    int err = aw_pool_job_check(fn, opts);
    if (err < 0)
        return aw_null(err);
    if (!ex)
        ex = own_pool(l, opts);
    struct offload *o = ex ? new_offload(l, fn, opts) : NULL;
    if (!o)
        return NULL;
    begin_waiting(o);
    err = aw_pool_submit(ex, &o->job);
    if (err < 0) {
        aw_cfuture_unref(&o->job.future);
        stop_waiting(o, true);
        aw_unref(&o->face.fut);
        return aw_null(err);
    }
    return &o->face.fut;
}

static void describe_job(const struct aw_wait *w, aw_buf *out)
{
    char text[160];
    aw_ignore(aw_describe(w->object, text, sizeof text));
    aw_buf_add(out, text);
}

static const struct aw_wait_kind to_thread_kind = {.name = "aw_to_thread",
                                                   .describe = describe_job};

int aw_to_thread_(aw_fn *fn, const aw_job_opts *opts)
{
    if (!aw_self.loop || !aw_self.loop->current)
        return aw_no_loop();
    aw_future *f = aw_run_in_executor_(NULL, fn, opts);
    if (!f)
        return aw_errno();
    int err = aw_await_as(f, &to_thread_kind, __builtin_return_address(0));
    aw_unref(f);
    return err;
}
