/*
 * pool.h - threads that work off jobs: what pool.c offers to those who make jobs and pools.
 *
 * A job is a concurrent future with a function: pending while it waits, running while a thread has
 * it, and over when its argument has been released and nothing of the submitter's is used any more
 * (`ended` of cfuture.h).  It is one allocation, the copied argument included.
 *
 *                        submit                    a worker takes it, begins it
 *     the submitter's  ---------->  queued, or in a    ------------------>  running --> over
 *                                   worker's hands
 *                                        \  cancelled, shut down, no thread to be had
 *                                         +--------------------------------------------> over
 *
 * Who takes a job off the queue, or is handed it, sees that it gets over: exactly one does.  The
 * last that it does with the job is to give up the pool's reference, or to answer with it.
 */
#ifndef AW_POOL_H
#define AW_POOL_H

#include "await/executor.h"
#include "core/core.h"
#include "sys/mutex.h"
#include "sys/thread.h"
#include "thread/cfuture.h"
#include "thread/ending.h"

struct aw_worker;

/* What a worker needs stands together: each line of cache that it shares with the submitter costs
 * as much as a small job. */
struct aw_pool_job {
    aw_cfuture future; /* the pool has a reference until the job is over */
    aw_fn *fn;
    aw_list link;             /* in the pool's queue; under its lock */
    struct aw_worker *worker; /* who works on it, or is about to; under the lock */
    aw_context *context;
    aw_job_opts opts;  /* .arg, .name: what the function gets, a copy in this block */
    void *release_arg; /* the submitter's argument */
    aw_executor *pool; /* held in memory by its own threads, as long as it has jobs */
    bool abandoned;    /* nobody waits for its end; under the lock */
    /* In the thread that saw it over, which touches nothing of it afterwards: the pool's reference
     * is the callee's.  NULL: nobody wants to hear of it, the reference just goes. */
    void (*answer)(struct aw_pool_job *job);
};

struct aw_executor {
    struct aw_mutex lock;    /* guards what follows, down to the next comment */
    aw_list queue;           /* jobs that wait, oldest first; empty while a worker is idle */
    aw_list idle;            /* workers without a job, the latest first */
    aw_list gone;            /* workers that have left and are to be joined */
    aw_list workers;         /* all that have not left */
    _Atomic size_t n_queued; /* jobs in the queue; peeked at without the lock */
    bool searching;          /* a worker looks for a job, and will look again before it sleeps */
    int coming;              /* workers that were called, or are being made, and have not looked */
    int n_threads;           /* workers that were counted in and have not left */
    int n_leaving;           /* of these, those that will not look at the queue again */
    int n_abandoned;         /* of these, those with a job that is abandoned */
    int joiners;             /* threads that wait for the workers, and will join them */
    unsigned next_number;    /* of the next worker: part of its name */
    unsigned handles;        /* the users' and the loops' */
    _Atomic bool shut;       /* nothing more can be submitted; peeked at as well */
    bool broken;             /* the initialiser has failed */
    bool over;               /* shut, and without a worker: for good */
    _Atomic uint32_t news;   /* grows when a worker leaves or is written off; slept on */
    aw_cfuture end;          /* done when it is over, never to be cancelled.  Its references are the
                                pool's: one while not over, one for all handles, one of each job */
    struct aw_ending ending;
    aw_pool_opts opts; /* as given, with the defaults filled in */
    unsigned fork_generation;
    char name[48];
};

struct aw_worker {
    aw_list link; /* idle, or gone; under the lock */
    aw_list all;  /* on pool->workers, until it leaves; under the lock */
    aw_executor *pool;
    struct aw_pool_job *job; /* under the lock; its own thread reads it without */
    struct aw_latch call;    /* open: there is a job, or without one it is to leave */
    struct aw_os_thread thread;
    char name[64];
};

/* ---- jobs ---- */

/* A job's part of a block of `size` bytes that begins with a struct aw_pool_job, with room behind
 * for what is copied; two references to the future: the caller's and the pool's.  NULL: -ENOMEM,
 * recorded. */
void *aw_pool_job_new(size_t size, aw_fn *fn, const aw_job_opts *opts,
                      const struct aw_cfuture_kind *kind);
/* What the kinds do: free the block. */
void aw_pool_job_free(struct aw_pool_job *job);
/* Bad arguments: 0, or -EINVAL. */
int aw_pool_job_check(aw_fn *fn, const aw_job_opts *opts);
/* A worker does it, unless it was cancelled before: it is over, but for the answer. */
void aw_pool_job_run(struct aw_pool_job *job);
/* It is over, and the pool's reference goes, or with the answer. */
void aw_pool_job_answer(struct aw_pool_job *job);
/* It was cancelled and taken off the queue; or it will not be done, for this reason: it is over,
 * and answered. */
void aw_pool_job_drop(struct aw_pool_job *job);
void aw_pool_job_fail(struct aw_pool_job *job, int code, const char *msg);
/* For reports: " nightly, running"; a line about one that a thread does. */
void aw_pool_job_describe(struct aw_pool_job *job, aw_buf *out);
void aw_pool_job_add_line(const struct aw_pool_job *job, const char *thread, aw_buf *out);

static inline struct aw_pool_job *aw_pool_job_of(aw_cfuture *f)
{
    return aw_container_of(f, struct aw_pool_job, future);
}

/* ---- pools ---- */

/* Hand the job over: 0; AW_EMISUSE, AW_EBROKEN, AW_EFULL, AW_EFORKED, -EAGAIN, -ENOMEM: then it is
 * the caller's, both references. */
int aw_pool_submit(aw_executor *pool, struct aw_pool_job *job);
/* Take it off the queue, if it is there: then it is the caller's to see over. */
bool aw_pool_withdraw(struct aw_pool_job *job);
/* Nobody will wait for this job, which has begun. */
void aw_pool_abandon(struct aw_pool_job *job);
/* Let nothing more in; with `cancel`, cancel what is queued. */
void aw_pool_shut(aw_executor *pool, bool cancel);
/* Sleep until every worker has left, and join them; or all but those whose jobs were abandoned, or
 * the calling one.  0 or -ETIMEDOUT. */
int aw_pool_wait(aw_executor *pool, int64_t deadline, bool but_abandoned);
/* The last handle is gone: nobody will wait for the workers that have left. */
void aw_pool_let_go(aw_executor *pool);
/* Name every job that is being worked on, to standard error, under this heading. */
void aw_pool_report(aw_executor *pool, const char *message);
/* Does this code run in one of its threads? */
bool aw_pool_is_here(const aw_executor *pool);

static inline void aw_pool_hold(aw_executor *pool)
{
    aw_cfuture_ref(&pool->end);
}

static inline void aw_pool_release(aw_executor *pool)
{
    aw_cfuture_unref(&pool->end);
}

#endif
