/*
 * process_pool.c - process pools as the user has them: made, shut down, ended, seen to at the exit.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "thread/process.h"

#define EXIT_TIMEOUT 5.0
#define KILLED_TIMEOUT 1.0 /* seconds that killed workers are waited for at the exit */
#define OUTPUT_LIMIT ((size_t)64 << 20)
#define MAX_WORKERS 256

int aw_process_server(void)
{
    if (aw_self.loop)
        return aw_fail(AW_EMISUSE, "aw_process_server() comes before any loop runs");
    int err = aw_child_server_start(aw_proc_worker_main);
    if (err == -EBUSY)
        return aw_fail(AW_EMISUSE, "aw_process_server() comes before there are threads: "
                                   "call it first in main");
    return err < 0 ? aw_fail(err, "the process server could not be started") : 0;
}

/* ---- making ---- */

static int check_numbers(const aw_process_pool_opts *o)
{
    bool none_asked = !o->max_workers && o->said && strstr(o->said, ".max_workers");
    if (o->max_workers < 0 || none_asked)
        return aw_fail(-EINVAL, "a pool needs at least one worker");
    if (o->max_workers > MAX_WORKERS)
        return aw_fail(-EINVAL, "a process pool has at most 256 workers");
    if (o->max_tasks_per_child < 0)
        return aw_fail(-EINVAL, ".max_tasks_per_child is negative");
    if (isnan(o->timeout) || o->timeout < 0 || isnan(o->exit_timeout))
        return aw_fail(-EINVAL, "a time limit is negative or NaN");
    if (o->initializer_size && (!o->initializer || !o->initializer_input))
        return aw_fail(-EINVAL, "input for an initializer, and one of the two is NULL");
    return 0;
}

static int check_pool(const aw_process_pool_opts *o)
{
    AW_TRY(check_numbers(o));
    if (!aw_child_server_is_there())
        return aw_fail(AW_EMISUSE, "there is no process server: call aw_process_server() first "
                                   "in main");
    return 0;
}

static int default_workers(void)
{
    unsigned n = aw_usable_cpus();
    return n < MAX_WORKERS ? (int)n : MAX_WORKERS;
}

/* Frees what there is of it; its thread, if there was one, has ended or is this one. */
static void free_parts(aw_process_pool *p)
{
    aw_text_unref(p->why);
    aw_mem_free((void *)p->opts.initializer_input);
    aw_mem_free(p->fds);
    aw_mem_free(p->workers);
    aw_mem_free(p);
}

/* The last reference is gone.  The thread's own is given up as its last act. */
static void free_pool(aw_cfuture *end)
{
    aw_process_pool *p = aw_container_of(end, aw_process_pool, end);
    if (!aw_proc_forked(p) && !p->joined) {
        if (aw_proc_is_here(p))
            aw_os_thread_detach(&p->thread);
        else
            aw_os_thread_join(&p->thread);
    }
    free_parts(p);
}

static const struct aw_cfuture_kind end_kind = {.free = free_pool};

static int make_parts(aw_process_pool *p)
{
    size_t n = (size_t)p->opts.max_workers;
    const void *input = p->opts.initializer_input;
    p->opts.initializer_input = NULL; /* until it is our own */
    p->workers = aw_mem_zalloc(n * sizeof *p->workers);
    p->fds = aw_mem_alloc((2 * n + 2) * sizeof *p->fds);
    if (!p->workers || !p->fds)
        return -ENOMEM;
    if (p->opts.initializer_size) {
        void *copy = aw_mem_alloc(p->opts.initializer_size);
        if (!copy)
            return -ENOMEM;
        p->opts.initializer_input = memcpy(copy, input, p->opts.initializer_size);
    }
    p->wake = aw_sys.eventfd();
    return p->wake < 0 ? p->wake : 0;
}

static void set_options(aw_process_pool *p, const aw_process_pool_opts *o)
{
    p->opts = *o;
    p->opts.said = NULL;
    p->opts.max_workers = o->max_workers ? o->max_workers : default_workers();
    p->opts.output_limit = o->output_limit ? o->output_limit : OUTPUT_LIMIT;
    if (p->opts.output_limit > PTRDIFF_MAX / 2)
        p->opts.output_limit = PTRDIFF_MAX / 2;
    p->opts.exit_timeout = o->exit_timeout ? o->exit_timeout : EXIT_TIMEOUT;
    p->limit_ns = o->timeout > 0 ? aw_ns_from_seconds(o->timeout) : INT64_MAX;
}

static void hold_for_exit(struct aw_ending *e)
{
    aw_proc_hold(aw_container_of(e, aw_process_pool, ending));
}

static void end_with_process(struct aw_ending *e);

static aw_process_pool *new_pool(const aw_process_pool_opts *opts)
{
    aw_process_pool *p = aw_mem_zalloc(sizeof *p);
    if (!p)
        return aw_fail_null(-ENOMEM, NULL);
    aw_list_init(&p->queue);
    p->handles = 1;
    p->wake = -1;
    p->server = aw_child_server_fd();
    p->fork_generation = aw_fork_generation();
    aw_cfuture_init(&p->end, &end_kind, NULL);
    aw_proc_hold(p);                      /* the thread's, and the handles' */
    aw_ignore(aw_cfuture_begin(&p->end)); /* so that it cannot be cancelled */
    p->ending = (struct aw_ending){.hold = hold_for_exit, .end = end_with_process};
    set_options(p, opts);
    int err = make_parts(p);
    if (err == 0)
        return p;
    free_parts(p);
    return aw_fail_null(err, NULL);
}

aw_process_pool *aw_process_pool_(const aw_process_pool_opts *opts)
{
    int err = check_pool(opts);
    if (err < 0)
        return aw_null(err);
    aw_process_pool *p = new_pool(opts);
    if (!p)
        return NULL;
    aw_ending_add(&p->ending, AW_ENDING_POOLS);
    err = aw_os_thread_start(&p->thread, "await-processes", 0, -1, aw_proc_manage, p);
    if (err == 0)
        return p;
    aw_ending_remove(&p->ending);
    aw_sys.close(p->wake);
    free_parts(p);
    return aw_fail_null(err, "the system gives no thread");
}

/* ---- handles ---- */

int aw_proc_check(const aw_process_pool *p)
{
    if (!p)
        return aw_null_handle();
    return aw_proc_forked(p) ? aw_fail(AW_EFORKED, "the pool belongs to the parent of this process")
                             : 0;
}

aw_process_pool *aw_process_pool_ref(aw_process_pool *p)
{
    if (!p || aw_proc_forked(p))
        return p;
    aw_mutex_lock(&p->lock);
    p->handles++;
    aw_mutex_unlock(&p->lock);
    return p;
}

static void shut(aw_process_pool *p, bool cancel, int signal)
{
    aw_mutex_lock(&p->lock);
    p->shut = true;
    if (signal)
        p->signal = signal;
    aw_proc_wake(p);
    aw_mutex_unlock(&p->lock);
    if (cancel)
        aw_proc_end_queued(p, -ECANCELED, NULL);
}

void aw_process_pool_unref(aw_process_pool *p)
{
    if (!p || aw_proc_forked(p))
        return;
    aw_mutex_lock(&p->lock);
    aw_assert(p->handles > 0);
    bool last = --p->handles == 0;
    aw_mutex_unlock(&p->lock);
    if (!last)
        return;
    shut(p, false, 0);
    aw_proc_release(p);
}

/* ---- shutting down ---- */

/* False: the deadline came first.  One of those who wait joins the thread. */
static bool wait_for_end(aw_process_pool *p, int64_t deadline)
{
    if (!aw_latch_wait(&p->end.ended, deadline))
        return false;
    aw_mutex_lock(&p->lock);
    bool mine = !p->joined;
    p->joined = true;
    aw_mutex_unlock(&p->lock);
    if (mine)
        aw_os_thread_join(&p->thread);
    return true;
}

int aw_process_pool_shutdown_(const aw_process_pool_shutdown_opts *opts)
{
    aw_process_pool *p = opts->pool;
    AW_TRY(aw_proc_check(p));
    if (isnan(opts->timeout))
        return aw_fail(-EINVAL, "the time limit is NaN");
    if (opts->wait && aw_proc_is_here(p))
        return aw_fail(-EDEADLK, "a callback of the pool cannot wait for its end");
    shut(p, opts->cancel_futures, 0);
    int64_t deadline = opts->timeout ? aw_cf_deadline_in(opts->timeout) : INT64_MAX;
    if (opts->wait && !wait_for_end(p, deadline))
        return aw_fail(-ETIMEDOUT, "jobs of the pool still run");
    return 0;
}

int aw_process_pool_free(aw_process_pool *p)
{
    if (!p)
        return 0;
    AW_TRY(aw_process_pool_shutdown(p, .wait = true));
    aw_process_pool_unref(p);
    return 0;
}

int aw_process_pool_terminate(aw_process_pool *p)
{
    AW_TRY(aw_proc_check(p));
    shut(p, true, SIGTERM);
    return 0;
}

int aw_process_pool_kill(aw_process_pool *p)
{
    AW_TRY(aw_proc_check(p));
    shut(p, true, SIGKILL);
    return 0;
}

/* ---- asking ---- */

int aw_process_pool_queued(aw_process_pool *p)
{
    AW_TRY(aw_proc_check(p));
    aw_mutex_lock(&p->lock);
    size_t n = p->n_queued;
    aw_mutex_unlock(&p->lock);
    return n < INT32_MAX ? (int)n : INT32_MAX;
}

int aw_process_pool_pids(aw_process_pool *p, long *pids, int size)
{
    int n = 0;
    AW_TRY(aw_proc_check(p));
    aw_mutex_lock(&p->lock);
    for (int i = 0; i < p->opts.max_workers; i++) {
        long pid = p->workers[i].pid;
        if (pid && n < size)
            pids[n] = pid;
        n += pid != 0;
    }
    aw_mutex_unlock(&p->lock);
    return n;
}

/* ---- the queue ---- */

static int refusal(const aw_process_pool *p, const char **why)
{
    *why = p->shut ? "the pool is shut down" : "as many jobs wait for the pool as may";
    if (p->shut)
        return AW_EMISUSE;
    size_t limit = p->opts.queue_limit;
    return limit && p->n_queued + p->n_held >= limit + (size_t)p->opts.max_workers ? AW_EFULL : 0;
}

int aw_proc_enqueue(aw_process_pool *p, struct aw_proc_job *job)
{
    const char *why = NULL;
    int err = AW_EBROKEN;
    struct aw_text *broken = NULL;
    aw_mutex_lock(&p->lock);
    if (p->broken)
        broken = aw_text_ref(p->why);
    else
        err = refusal(p, &why);
    if (err == 0) {
        aw_proc_hold(p);
        job->pool = p;
        aw_list_push_back(&p->queue, &job->link);
        p->n_queued++;
        aw_proc_wake(p);
    }
    aw_mutex_unlock(&p->lock);
    if (broken)
        aw_fail_text(err, broken);
    else if (err < 0)
        aw_fail(err, why);
    aw_text_unref(broken);
    return err;
}

bool aw_proc_withdraw(struct aw_proc_job *job)
{
    aw_process_pool *p = job->pool;
    if (aw_proc_forked(p))
        return false;
    aw_mutex_lock(&p->lock);
    bool queued = aw_list_linked(&job->link);
    if (queued) {
        aw_list_remove(&job->link);
        p->n_queued--;
        aw_proc_wake(p); /* it may be over now */
    }
    aw_mutex_unlock(&p->lock);
    return queued;
}

static struct aw_proc_job *take_queued(aw_process_pool *p)
{
    aw_mutex_lock(&p->lock);
    aw_list *link = aw_list_pop_front(&p->queue);
    if (link)
        p->n_queued--;
    aw_proc_wake(p);
    aw_mutex_unlock(&p->lock);
    return link ? aw_container_of(link, struct aw_proc_job, link) : NULL;
}

void aw_proc_end_queued(aw_process_pool *p, int code, struct aw_text *detail)
{
    struct aw_proc_job *job;
    while ((job = take_queued(p)) != NULL)
        aw_proc_job_end(job, code, aw_text_ref(detail));
}

/* ---- the end of the process ---- */

static void abandon(aw_process_pool *p)
{
    char text[160];
    aw_mutex_lock(&p->lock);
    size_t jobs = p->n_queued + p->n_held;
    aw_mutex_unlock(&p->lock);
    if (!jobs)
        return;
    int n =
        snprintf(text, sizeof text,
                 "await: the process ended over a daemon process pool, which had %zu jobs\n", jobs);
    aw_stderr_write(text, (size_t)n);
}

static void report(aw_process_pool *p)
{
    char text[4096];
    aw_buf b;
    aw_buf_init(&b, text, sizeof text);
    aw_buf_printf(&b,
                  "await: the process ended over jobs that would not end\n"
                  "  pool:    of processes, created at %s:%d\n",
                  p->opts.file ? p->opts.file : "?", p->opts.line);
    aw_mutex_lock(&p->lock);
    for (int i = 0; i < p->opts.max_workers; i++) {
        const struct aw_proc_worker *w = &p->workers[i];
        if (w->job)
            aw_buf_printf(&b, "  job:     %s in process %ld, submitted at %s:%d\n",
                          w->job->opts.fn_name ? w->job->opts.fn_name : "?", w->pid,
                          w->job->opts.file ? w->job->opts.file : "?", w->job->opts.line);
    }
    if (p->n_queued)
        aw_buf_printf(&b, "  waiting: %zu jobs\n", p->n_queued);
    aw_mutex_unlock(&p->lock);
    aw_stderr_write(text, b.len);
}

/* In a callback of the pool nobody may wait for it; its workers end with the process. */
static void end_with_process(struct aw_ending *e)
{
    aw_process_pool *p = aw_container_of(e, aw_process_pool, ending);
    if (p->opts.daemon) {
        abandon(p);
    } else if (!aw_proc_is_here(p)) {
        shut(p, false, 0);
        if (!wait_for_end(p, aw_cf_deadline_in(p->opts.exit_timeout))) {
            report(p);
            shut(p, true, SIGKILL);
            wait_for_end(p, aw_cf_deadline_in(KILLED_TIMEOUT));
        }
    }
    aw_proc_release(p);
}
