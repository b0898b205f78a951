/*
 * process_job.c - one job of a process pool: made, submitted, taken back, over; and awaited.
 *
 * A job's block holds the copy of its input; its output is a block of its own, read off the
 * worker's socket, and both live as long as the future does.
 */
#include <math.h>
#include <string.h>

#include "thread/process.h"

/* ---- the ways out ---- */

static void over(struct aw_proc_job *job, enum aw_cfuture_state state, int result,
                 struct aw_text *detail)
{
    aw_cfuture_complete(&job->future, state, result, job->output, detail);
    aw_cfuture_end(&job->future);
    aw_cfuture_unref(&job->future);
}

void aw_proc_job_end(struct aw_proc_job *job, int result, struct aw_text *detail)
{
    over(job, result == -ECANCELED ? AW_CF_CANCELLED : AW_CF_FAILED, result, detail);
}

void aw_proc_job_succeed(struct aw_proc_job *job, int result, char *output, size_t size)
{
    job->output = output;
    job->output_size = size;
    over(job, AW_CF_FINISHED, result, NULL);
}

static void cancelled(aw_cfuture *f)
{
    struct aw_proc_job *job = aw_proc_job_of(f);
    if (aw_proc_withdraw(job))
        aw_proc_job_end(job, -ECANCELED, NULL);
}

static void free_job(aw_cfuture *f)
{
    struct aw_proc_job *job = aw_proc_job_of(f);
    if (job->pool)
        aw_proc_release(job->pool);
    aw_mem_free(job->output);
    aw_mem_free(job);
}

static void report_lost(aw_cfuture *f)
{
    const aw_process_job_opts *o = &aw_proc_job_of(f)->opts;
    aw_task_opts as_task = {.file = o->file, .line = o->line, .fn_name = o->fn_name};
    aw_report_submitted(NULL, AW_REPORT_NEVER_RETRIEVED, "a job failed and nobody looked at it",
                        &as_task, f->result, f->detail);
}

static const struct aw_cfuture_kind job_kind = {
    .cancelled = cancelled, .free = free_job, .has_work = true, .lost = report_lost};

/* ---- submitting ---- */

static int check_job(aw_process_fn *fn, const aw_process_job_opts *o)
{
    if (!fn)
        return aw_fail(-EINVAL, "the function is NULL");
    if (o->n && !o->in)
        return aw_fail(-EINVAL, "the input is NULL and has bytes");
    if (o->n > PTRDIFF_MAX / 2)
        return aw_fail(-EINVAL, "the input is too large");
    if (isnan(o->timeout) || o->timeout < 0)
        return aw_fail(-EINVAL, "the time limit is negative or NaN");
    return 0;
}

static struct aw_proc_job *new_job(const aw_process_pool *p, aw_process_fn *fn,
                                   const aw_process_job_opts *o)
{
    struct aw_proc_job *job = aw_mem_alloc(sizeof *job + o->n);
    if (!job)
        return aw_fail_null(-ENOMEM, NULL);
    *job = (struct aw_proc_job){.opts = *o, .fn = fn};
    aw_cfuture_init(&job->future, &job_kind, NULL);
    atomic_store_explicit(&job->future.refs, 2, memory_order_relaxed);
    aw_list_init(&job->link);
    job->limit_ns = o->timeout > 0 ? aw_ns_from_seconds(o->timeout) : p->limit_ns;
    job->opts.in = o->n ? memcpy(job->input, o->in, o->n) : job->input;
    return job;
}

aw_cfuture *aw_process_submit_(aw_process_pool *p, aw_process_fn *fn,
                               const aw_process_job_opts *opts)
{
    int err = aw_proc_check(p);
    if (err == 0)
        err = check_job(fn, opts);
    if (err < 0)
        return aw_null(err);
    struct aw_proc_job *job = new_job(p, fn, opts);
    if (!job)
        return NULL;
    err = aw_proc_enqueue(p, job);
    if (err == 0)
        return &job->future;
    aw_cfuture_unref(&job->future);
    aw_cfuture_unref(&job->future);
    return aw_null(err);
}

/* ---- what users ask of a future ---- */

const void *aw_process_output(aw_cfuture *f, size_t *ret_size)
{
    bool has = f && f->kind == &job_kind && aw_cf_state(f) == AW_CF_FINISHED;
    if (ret_size)
        *ret_size = has ? aw_proc_job_of(f)->output_size : 0;
    return has ? aw_proc_job_of(f)->output : NULL;
}

bool aw_process_abort(aw_cfuture *f)
{
    if (!f || f->kind != &job_kind || aw_cfuture_done(f))
        return false;
    struct aw_proc_job *job = aw_proc_job_of(f);
    if (aw_proc_forked(job->pool))
        return false;
    if (aw_cfuture_cancel(f))
        return true;
    atomic_store_explicit(&job->aborted, true, memory_order_relaxed);
    aw_mutex_lock(&job->pool->lock);
    aw_proc_wake(job->pool);
    aw_mutex_unlock(&job->pool->lock);
    return true;
}

/* ---- in coroutines ---- */

static void describe_job(const struct aw_wait *w, aw_buf *out)
{
    char text[160];
    aw_ignore(aw_describe(w->object, text, sizeof text));
    aw_buf_add(out, text);
}

static const struct aw_wait_kind to_process_kind = {.name = "aw_to_process",
                                                    .describe = describe_job};

/* Copies what came out to where the caller wants it. */
static int hand_out(aw_cfuture *f, int result, const aw_process_job_opts *o)
{
    size_t size;
    const void *output = aw_process_output(f, &size);
    if (o->ret_size)
        *o->ret_size = size;
    if (!o->out)
        return result;
    if (size > o->room)
        return aw_fail(-EMSGSIZE, "more came out of the job than there is room for");
    memcpy(o->out, output, size);
    return result;
}

static int await_job(aw_cfuture *f, const aw_process_job_opts *o, const void *caller)
{
    aw_future *wrapper = aw_wrap_future(f);
    if (!wrapper)
        return aw_errno();
    int err = aw_await_as(wrapper, &to_process_kind, caller);
    aw_unref(wrapper);
    return err < 0 ? err : hand_out(f, err, o);
}

int aw_to_process_(aw_process_pool *p, aw_process_fn *fn, const aw_process_job_opts *opts)
{
    if (!aw_self.loop || !aw_self.loop->current)
        return aw_no_loop();
    aw_cfuture *f = aw_process_submit_(p, fn, opts);
    if (!f)
        return aw_errno();
    int err = await_job(f, opts, __builtin_return_address(0));
    if (err < 0 && !opts->abandon_on_cancel)
        aw_process_abort(f); /* unless it is done: then it was its own error */
    aw_cf_look(f);
    aw_cfuture_unref(f);
    return err;
}
