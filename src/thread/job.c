/*
 * job.c - one job of a pool: made, done or dropped, over.
 *
 * A job's block holds everything: what its maker puts in front, the copied argument, the name.  On
 * every way out the argument is released first, then the future is done, then the job is over; so
 * who has joined it finds nothing of its own in use.
 */
#include <string.h>

#include "thread/pool.h"

#define ALIGNED(n) aw_round_up((n), _Alignof(max_align_t))

int aw_pool_job_check(aw_fn *fn, const aw_job_opts *opts)
{
    if (!fn)
        return aw_fail(-EINVAL, "the function is NULL");
    if (opts->copy && !opts->arg)
        return aw_fail(-EINVAL, ".copy of an argument that is NULL");
    if (opts->copy > PTRDIFF_MAX / 2)
        return aw_fail(-EINVAL, ".copy is too large");
    return 0;
}

void *aw_pool_job_new(size_t size, aw_fn *fn, const aw_job_opts *opts,
                      const struct aw_cfuture_kind *kind)
{
    size_t name_size = opts->name && *opts->name ? strlen(opts->name) + 1 : 0;
    char *block = aw_mem_alloc(ALIGNED(size) + opts->copy + name_size);
    if (!block)
        return aw_fail_null(-ENOMEM, NULL);
    struct aw_pool_job *job = (void *)block;
    *job = (struct aw_pool_job){.opts = *opts, .fn = fn, .release_arg = opts->arg};
    aw_cfuture_init(&job->future, kind, NULL);
    atomic_store_explicit(&job->future.refs, 2, memory_order_relaxed);
    aw_list_init(&job->link);
    job->context = aw_context_ref(opts->context ? opts->context : aw_context_here());
    if (opts->copy)
        job->opts.arg = memcpy(block + ALIGNED(size), opts->arg, opts->copy);
    job->opts.name = NULL;
    if (name_size)
        job->opts.name = memcpy(block + ALIGNED(size) + opts->copy, opts->name, name_size);
    return block;
}

void aw_pool_job_free(struct aw_pool_job *job)
{
    aw_context_unref(job->context);
    if (job->pool)
        aw_pool_release(job->pool);
    aw_mem_free(job);
}

/* ---- the ways out ---- */

static void release_arg(struct aw_pool_job *job)
{
    if (job->opts.release)
        job->opts.release(job->release_arg);
}

/* What the function returned becomes the outcome. */
static void complete(struct aw_pool_job *job, int result, struct aw_text *detail)
{
    enum aw_cfuture_state state = result >= 0            ? AW_CF_FINISHED
                                  : result == -ECANCELED ? AW_CF_CANCELLED
                                                         : AW_CF_FAILED;
    bool gone = job->opts.release && !job->opts.copy;
    aw_cfuture_complete(&job->future, state, result, gone ? NULL : job->opts.arg, detail);
}

static void do_it(struct aw_pool_job *job)
{
    struct aw_text *detail = NULL;
    aw_errslot_fini(&aw_self.err); /* what an earlier job has left there */
    aw_context **before = aw_context_enter(&job->context);
    int result = job->fn(job->opts.arg);
    if (result < 0)
        detail = aw_errslot_share(&aw_self.err, result);
    release_arg(job);
    aw_context_leave(before);
    complete(job, result, detail);
}

void aw_pool_job_run(struct aw_pool_job *job)
{
    if (aw_cfuture_begin(&job->future))
        do_it(job);
    else
        release_arg(job);
    aw_cfuture_end(&job->future);
}

void aw_pool_job_answer(struct aw_pool_job *job)
{
    if (job->answer)
        job->answer(job);
    else
        aw_cfuture_unref(&job->future);
}

void aw_pool_job_drop(struct aw_pool_job *job)
{
    release_arg(job);
    aw_cfuture_end(&job->future);
    aw_pool_job_answer(job);
}

void aw_pool_job_fail(struct aw_pool_job *job, int code, const char *msg)
{
    release_arg(job);
    aw_cfuture_complete(&job->future, AW_CF_FAILED, code, NULL, aw_text_new(msg));
    aw_cfuture_end(&job->future);
    aw_pool_job_answer(job);
}

/* ---- telling ---- */

static void add_name(const struct aw_pool_job *job, aw_buf *out)
{
    aw_buf_add(out, job->opts.name ? " " : "");
    aw_buf_add_shown(out, job->opts.name ? job->opts.name : ""); /* a host's, of a lookup */
    aw_buf_printf(out, " %s", job->opts.fn_name ? job->opts.fn_name : "?");
}

void aw_pool_job_describe(struct aw_pool_job *job, aw_buf *out)
{
    add_name(job, out);
    if (aw_cf_state(&job->future) == AW_CF_RUNNING)
        aw_buf_add(out, ", running,");
}

void aw_pool_job_add_line(const struct aw_pool_job *job, const char *thread, aw_buf *out)
{
    aw_buf_add(out, "  job:    ");
    add_name(job, out);
    aw_buf_printf(out, " in thread %s, submitted at %s:%d\n", thread,
                  job->opts.file ? job->opts.file : "?", job->opts.line);
}
