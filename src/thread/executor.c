/*
 * executor.c - pools as the user has them: made, given jobs, shut down, seen to at the exit.
 *
 * The end of the process gives a pool's jobs time to finish, then cancels what still waits, and
 * names what still runs; a thread cannot be stopped from outside.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "thread/pool.h"

#define EXIT_TIMEOUT 5.0
#define MAX_WORKERS 32

/* ---- making ---- */

static void free_pool(aw_cfuture *end)
{
    aw_mem_free(aw_container_of(end, aw_executor, end));
}

static const struct aw_cfuture_kind end_kind = {.free = free_pool};

static void hold_for_exit(struct aw_ending *e)
{
    aw_pool_hold(aw_container_of(e, aw_executor, ending));
}

static void end_with_process(struct aw_ending *e);

/* The pool's part of its threads' names: prefixes are the user's, numbers count the pools that have
 * none. */
static void set_name(aw_executor *p, const char *prefix)
{
    static _Atomic unsigned next; /* 0, 1, ... per process, as names are */
    if (prefix && *prefix)
        snprintf(p->name, sizeof p->name, "%s", prefix);
    else
        snprintf(p->name, sizeof p->name, "await-pool-%u",
                 atomic_fetch_add_explicit(&next, 1, memory_order_relaxed));
}

static int default_workers(void)
{
    unsigned n = aw_usable_cpus() + 4;
    return n < MAX_WORKERS ? (int)n : MAX_WORKERS;
}

static int check_pool(const aw_pool_opts *o)
{
    bool none_asked = !o->max_workers && o->said && strstr(o->said, ".max_workers");
    if (o->max_workers < 0 || none_asked)
        return aw_fail(-EINVAL, "a pool needs at least one worker");
    if (isnan(o->exit_timeout))
        return aw_fail(-EINVAL, ".exit_timeout is NaN");
    return 0;
}

aw_executor *aw_thread_pool_(const aw_pool_opts *opts)
{
    int err = check_pool(opts);
    if (err < 0)
        return aw_null(err);
    aw_executor *p = aw_mem_zalloc(sizeof *p);
    if (!p)
        return aw_fail_null(-ENOMEM, NULL);
    aw_list_init(&p->queue);
    aw_list_init(&p->idle);
    aw_list_init(&p->gone);
    aw_list_init(&p->workers);
    p->handles = 1;
    aw_cfuture_init(&p->end, &end_kind, NULL);
    aw_pool_hold(p); /* one reference until it is over, and one for the handles */
    aw_ignore(aw_cfuture_begin(&p->end)); /* so that it cannot be cancelled */
    p->opts = *opts;
    p->opts.prefix = p->opts.said = NULL;
    p->opts.max_workers = opts->max_workers ? opts->max_workers : default_workers();
    p->opts.exit_timeout = opts->exit_timeout ? opts->exit_timeout : EXIT_TIMEOUT;
    p->fork_generation = aw_fork_generation();
    set_name(p, opts->prefix);
    p->ending = (struct aw_ending){.hold = hold_for_exit, .end = end_with_process};
    aw_ending_add(&p->ending, AW_ENDING_POOLS);
    return p;
}

/* ---- handles ---- */

static bool forked(const aw_executor *p)
{
    return p->fork_generation != aw_fork_generation();
}

aw_executor *aw_executor_ref(aw_executor *p)
{
    if (!p || forked(p))
        return p;
    aw_mutex_lock(&p->lock);
    p->handles++;
    aw_mutex_unlock(&p->lock);
    return p;
}

void aw_executor_unref(aw_executor *p)
{
    if (!p || forked(p))
        return;
    aw_mutex_lock(&p->lock);
    aw_assert(p->handles > 0);
    bool last = --p->handles == 0;
    aw_mutex_unlock(&p->lock);
    if (!last)
        return;
    aw_pool_shut(p, false);
    aw_pool_let_go(p);
    aw_pool_release(p);
}

static int check(const aw_executor *p)
{
    if (!p)
        return aw_null_handle();
    return forked(p) ? aw_fail(AW_EFORKED, "the pool belongs to the parent of this process") : 0;
}

static int64_t deadline_of(double timeout)
{
    return timeout ? aw_cf_deadline_in(timeout) : INT64_MAX;
}

int aw_executor_shutdown_(const aw_executor_shutdown_opts *opts)
{
    aw_executor *p = opts->executor;
    AW_TRY(check(p));
    if (isnan(opts->timeout))
        return aw_fail(-EINVAL, "the time limit is NaN");
    if (opts->wait && aw_pool_is_here(p))
        return aw_fail(-EDEADLK, "a thread of the pool cannot wait for its own end");
    aw_pool_shut(p, opts->cancel_futures);
    if (opts->wait && aw_pool_wait(p, deadline_of(opts->timeout), false) < 0)
        return aw_fail(-ETIMEDOUT, "jobs of the pool still run");
    return 0;
}

int aw_executor_free(aw_executor *p)
{
    if (!p)
        return 0;
    AW_TRY(aw_executor_shutdown(p, .wait = true));
    aw_executor_unref(p);
    return 0;
}

/* ---- asking ---- */

int aw_executor_max_workers(aw_executor *p)
{
    AW_TRY(check(p));
    return p->opts.max_workers;
}

int aw_executor_threads(aw_executor *p)
{
    AW_TRY(check(p));
    aw_mutex_lock(&p->lock);
    int n = p->n_threads;
    aw_mutex_unlock(&p->lock);
    return n;
}

int aw_executor_queued(aw_executor *p)
{
    AW_TRY(check(p));
    aw_mutex_lock(&p->lock);
    size_t n = p->n_queued;
    aw_mutex_unlock(&p->lock);
    return n < INT32_MAX ? (int)n : INT32_MAX;
}

/* ---- jobs for threads ---- */

static void cancelled(aw_cfuture *f)
{
    struct aw_pool_job *job = aw_pool_job_of(f);
    if (aw_pool_withdraw(job))
        aw_pool_job_drop(job);
}

static void free_job(aw_cfuture *f)
{
    aw_pool_job_free(aw_pool_job_of(f));
}

static void report_lost(aw_cfuture *f)
{
    const aw_job_opts *o = &aw_pool_job_of(f)->opts;
    aw_task_opts as_task = {
        .file = o->file, .line = o->line, .fn_name = o->fn_name, .name = o->name};
    aw_report_submitted(NULL, AW_REPORT_NEVER_RETRIEVED, "a job failed and nobody looked at it",
                        &as_task, f->result, f->detail);
}

static const struct aw_cfuture_kind job_kind = {
    .cancelled = cancelled, .free = free_job, .has_work = true, .lost = report_lost};

aw_cfuture *aw_executor_submit_(aw_executor *p, aw_fn *fn, const aw_job_opts *opts)
{
    int err = check(p);
    if (err == 0)
        err = aw_pool_job_check(fn, opts);
    if (err == 0 && opts->abandon_on_cancel)
        err = aw_fail(-EINVAL, ".abandon_on_cancel is for the futures of a loop");
    if (err < 0)
        return aw_null(err);
    struct aw_pool_job *job = aw_pool_job_new(sizeof *job, fn, opts, &job_kind);
    if (!job)
        return NULL;
    err = aw_pool_submit(p, job);
    if (err == 0)
        return &job->future;
    aw_cfuture_unref(&job->future);
    aw_cfuture_unref(&job->future);
    return aw_null(err);
}

/* ---- telling ---- */

void aw_pool_report(aw_executor *p, const char *message)
{
    char text[4096];
    aw_buf b;
    aw_buf_init(&b, text, sizeof text);
    aw_buf_printf(&b, "await: %s\n  pool:    %s, created at %s:%d\n", message, p->name,
                  p->opts.file ? p->opts.file : "?", p->opts.line);
    aw_mutex_lock(&p->lock);
    aw_list_each(link, &p->workers)
    {
        const struct aw_worker *w = aw_container_of(link, struct aw_worker, all);
        if (w->job)
            aw_pool_job_add_line(w->job, w->name, &b);
    }
    size_t queued = p->n_queued;
    aw_mutex_unlock(&p->lock);
    if (queued)
        aw_buf_printf(&b, "  waiting: %zu jobs\n", queued);
    aw_stderr_write(text, b.len);
}

/* ---- the end of the process ---- */

static void abandon(aw_executor *p)
{
    char text[160];
    size_t jobs = 0;
    aw_mutex_lock(&p->lock);
    jobs += p->n_queued;
    int threads = p->n_threads;
    aw_list_each(link, &p->idle) threads--;
    aw_mutex_unlock(&p->lock);
    jobs += (size_t)threads;
    if (!jobs)
        return;
    int n = snprintf(text, sizeof text,
                     "await: the process ended over the daemon pool %s, which had %zu jobs\n",
                     p->name, jobs);
    aw_stderr_write(text, (size_t)n);
}

static void end_with_process(struct aw_ending *e)
{
    aw_executor *p = aw_container_of(e, aw_executor, ending);
    if (p->opts.daemon) {
        abandon(p);
        aw_pool_release(p);
        return;
    }
    aw_pool_shut(p, false);
    if (aw_pool_wait(p, aw_cf_deadline_in(p->opts.exit_timeout), false) < 0) {
        aw_pool_shut(p, true);
        aw_pool_report(p, "the process ended over jobs that would not end");
    }
    aw_pool_release(p);
}
