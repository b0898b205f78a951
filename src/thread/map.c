/*
 * map.c - one function for many inputs: aw_executor_map.
 *
 * As many helpers as the pool has workers are submitted, as jobs like others; each draws the next
 * inputs from a common counter until there are none.  So n inputs cost as many jobs as there are
 * threads, inputs are begun in order, and what has not begun is stopped by one number: the input
 * from which on no call begins.  A failure lowers it to the input that failed.  All before that
 * have been drawn, as they are drawn in order, by helpers that will make those calls; so the first
 * error in order is known in the end, however late the helper of an earlier input comes.
 *
 * All of it lives on the caller's stack and in one block.  A helper says that it is gone by its
 * job's .release, which is called once however the job ends; the last one opens a latch, and uses
 * nothing of the map after the exchange that opens it.  A cell is written by the helper that drew
 * it and then marked (release); who reads a mark (acquire) may read the result.
 */
#include <math.h>
#include <string.h>

#include "thread/pool.h"

struct map {
    aw_fn *fn;
    const aw_map_opts *opts;
    size_t chunk;
    int *results;
    _Atomic unsigned char *marks; /* per input: its result is there */
    _Atomic size_t next;          /* the first input that nobody has drawn */
    _Atomic size_t end;           /* begin no calls from this input on; lowered under the lock */
    _Atomic size_t helpers;       /* that are not gone, and the caller while it submits */
    struct aw_latch gone;         /* all of them are */
    struct aw_latch events;       /* the same, or a call has failed */
    struct aw_mutex lock;         /* guards the next two */
    size_t failed;                /* the first input, in order, that failed; n if none */
    struct aw_text *detail;       /* of its error */
};

/* ---- in the pool's threads ---- */

static void *input(const struct map *m, size_t i)
{
    if (m->opts->stride)
        return (char *)m->opts->inputs + i * m->opts->stride;
    return ((void *const *)m->opts->inputs)[i];
}

static size_t end_of(struct map *m)
{
    return atomic_load_explicit(&m->end, memory_order_relaxed);
}

/* Under the lock. */
static void lower_end(struct map *m, size_t i)
{
    if (i < end_of(m))
        atomic_store_explicit(&m->end, i, memory_order_relaxed);
}

static void stop(struct map *m)
{
    aw_mutex_lock(&m->lock);
    lower_end(m, 0);
    aw_mutex_unlock(&m->lock);
}

static void note_failure(struct map *m, size_t i, struct aw_text *detail)
{
    aw_mutex_lock(&m->lock);
    lower_end(m, i);
    bool first = i < m->failed;
    struct aw_text *old = first ? m->detail : detail;
    if (first) {
        m->failed = i;
        m->detail = detail;
    }
    aw_mutex_unlock(&m->lock);
    aw_text_unref(old);
    aw_latch_open(&m->events);
}

static void call(struct map *m, size_t i)
{
    aw_errslot_fini(&aw_self.err);
    int result = m->fn(input(m, i));
    m->results[i] = result;
    atomic_store_explicit(&m->marks[i], 1, memory_order_release);
    if (result < 0)
        note_failure(m, i, aw_errslot_share(&aw_self.err, result));
}

static int help(void *arg)
{
    struct map *m = arg;
    size_t n = m->opts->n;
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&m->next, m->chunk, memory_order_relaxed);
        if (i >= end_of(m))
            return 0;
        for (size_t last = n - i < m->chunk ? n : i + m->chunk; i < last && i < end_of(m); i++)
            call(m, i);
    }
}

static void helper_gone(void *arg)
{
    struct map *m = arg;
    if (atomic_fetch_sub_explicit(&m->helpers, 1, memory_order_acq_rel) > 1)
        return;
    aw_latch_open(&m->events);
    aw_latch_open(&m->gone);
}

/* ---- in the caller's ---- */

/* As many as make sense: how many there are, or the error if there is none. */
static int submit_helpers(struct map *m, aw_executor *p, aw_cfuture **helpers, size_t wanted)
{
    size_t n = 0;
    int err = 0;
    for (; n < wanted; n++) {
        atomic_fetch_add_explicit(&m->helpers, 1, memory_order_relaxed);
        helpers[n] = aw_executor_submit_(p, help,
                                         &(aw_job_opts){.file = m->opts->file,
                                                        .line = m->opts->line,
                                                        .fn_name = m->opts->fn_name,
                                                        .arg = m,
                                                        .release = helper_gone});
        if (!helpers[n]) {
            err = aw_errno();
            atomic_fetch_sub_explicit(&m->helpers, 1, memory_order_relaxed);
            break;
        }
    }
    helper_gone(m); /* the caller */
    return n ? (int)n : err;
}

/* How many results there are in order, without an error among them. */
static size_t delivered(const struct map *m)
{
    size_t i = 0;
    while (i < m->opts->n && atomic_load_explicit(&m->marks[i], memory_order_acquire) &&
           m->results[i] >= 0)
        i++;
    return i;
}

/* Wait for this latch, or stop: are we in time?  And what was there then. */
static bool wait_in_time(struct map *m, struct aw_latch *latch, int64_t deadline, size_t *ret_count)
{
    bool in_time = aw_latch_wait(latch, deadline);
    *ret_count = delivered(m);
    if (!in_time)
        stop(m);
    return in_time;
}

/* Wait for the end, or end it: 0, or -ETIMEDOUT; and what was there then.  A helper that has not
 * begun when a call has failed is needed no more. */
static int wait_for_helpers(struct map *m, aw_cfuture **helpers, int n, size_t *ret_count)
{
    double timeout = m->opts->timeout;
    int64_t deadline = timeout ? aw_cf_deadline_in(timeout) : INT64_MAX;
    bool in_time = wait_in_time(m, &m->events, deadline, ret_count);
    for (int i = 0; i < n; i++) {
        aw_ignore(aw_cfuture_cancel(helpers[i]));
        aw_cfuture_unref(helpers[i]);
    }
    in_time = in_time && wait_in_time(m, &m->gone, deadline, ret_count);
    aw_latch_wait(&m->gone, INT64_MAX);
    return in_time || *ret_count == m->opts->n ? 0 : -ETIMEDOUT;
}

/* What it came to: the first thing that went wrong, in the order of the inputs. */
static int outcome(const struct map *m, size_t count, int err)
{
    if (count == m->opts->n)
        return 0;
    if (count == m->failed)
        return aw_fail_text(m->results[count], m->detail);
    return err < 0 ? aw_fail(err, NULL) : aw_fail(-ECANCELED, "the pool was shut down");
}

static int check_map(const aw_executor *p, aw_fn *fn, const aw_map_opts *o)
{
    if (!p)
        return aw_null_handle();
    if (!fn || (o->n && !o->inputs))
        return aw_fail(-EINVAL, "the function or the array of inputs is NULL");
    if (isnan(o->timeout))
        return aw_fail(-EINVAL, "the time limit is NaN");
    if (aw_pool_is_here(p))
        return aw_fail(-EDEADLK, "a thread of the pool cannot wait for its own jobs");
    return 0;
}

static int run_map(struct map *m, aw_executor *p, aw_cfuture **helpers, size_t wanted)
{
    size_t count = 0;
    int n = submit_helpers(m, p, helpers, wanted);
    int err = n < 0 ? n : wait_for_helpers(m, helpers, n, &count);
    if (m->opts->ret_count)
        *m->opts->ret_count = count;
    if (n >= 0)
        err = outcome(m, count, err);
    aw_text_unref(m->detail);
    return err;
}

int aw_executor_map_(aw_executor *p, aw_fn *fn, const aw_map_opts *o)
{
    AW_TRY(check_map(p, fn, o));
    if (o->ret_count)
        *o->ret_count = 0;
    if (!o->n)
        return 0;
    size_t chunk = o->chunk ? o->chunk : 1, chunks = (o->n - 1) / chunk + 1;
    size_t wanted = (size_t)p->opts.max_workers < chunks ? (size_t)p->opts.max_workers : chunks;
    size_t each = 1 + (o->results ? 0 : sizeof(int));
    if (o->n > (PTRDIFF_MAX - wanted * sizeof(aw_cfuture *)) / each)
        return aw_fail(-ENOMEM, NULL);
    aw_cfuture **helpers = aw_mem_zalloc(wanted * sizeof *helpers + o->n * each);
    if (!helpers)
        return aw_fail(-ENOMEM, NULL);
    int *results = o->results ? o->results : (int *)&helpers[wanted];
    void *marks = o->results ? (void *)&helpers[wanted] : (void *)(results + o->n);
    struct map m = {.fn = fn,
                    .opts = o,
                    .chunk = chunk,
                    .results = results,
                    .marks = marks,
                    .helpers = 1,
                    .end = o->n,
                    .failed = o->n};
    int err = run_map(&m, p, helpers, wanted);
    aw_mem_free(helpers);
    return err;
}
