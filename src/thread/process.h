/*
 * process.h - a pool of processes: what its files share.
 *
 *     any thread                 the pool's thread                    a worker process
 *     submit: queue a job,  -->  give it to a worker: a request  -->  call the function
 *     wake the thread            answer: the future is done      <--  an answer
 *
 * One thread looks after a pool's workers: it alone touches their sockets and their records, waits
 * in one poll for whatever happens to them, and completes the futures.  Other threads put jobs into
 * the queue and take them back from there, and say what they want done (shut down, send a signal,
 * abort a job); all of that under one lock, which is held for a few instructions and never while
 * anything of the user's runs.
 *
 * Invariants
 *   1. A job is in one place: the queue, or one worker's record.  Who takes it from there sees it
 *      over, once: the thread; or a canceller or a shutdown that takes it off the queue.
 *   2. After every change that the thread must see, made under the lock, its descriptor is written
 *      to, and the thread reads that before it takes the lock to look; so either it sees the change
 *      or its next poll returns at once.
 *   3. A worker's record is given up only when the server has said that the process has ended, or
 *      will never say anything more, or when the process was killed and nothing was heard for
 *      GRACE; so no more processes than max_workers are alive, and none is left behind.
 *   4. The pool is over, once, when it is shut down and has neither jobs nor workers.  The
 *      descriptor is closed under the lock then; who would write to it sees `over` first.
 *
 * Nothing that a worker sends is believed: an answer has the job's number, says at most
 * .output_limit bytes, and comes when one is due, or the worker is killed.
 *
 * Memory order.  What is shared lies under the lock, but for a job's `aborted`, a flag that only
 * asks, and its future, which has its own rules (cfuture.h): the answer's bytes are written before
 * the future is completed, which releases them.
 */
#ifndef AW_PROCESS_H
#define AW_PROCESS_H

#include "await/process_pool.h"
#include "core/core.h"
#include "sys/child.h"
#include "sys/mutex.h"
#include "sys/thread.h"
#include "thread/cfuture.h"
#include "thread/ending.h"

/* ---- what goes over the sockets ---- */

#define AW_PROC_REQUEST 0xa3a17001u
#define AW_PROC_ANSWER 0xa3a17002u
#define AW_PROC_WHERE 112        /* bytes of a function's place in words */
#define AW_PROC_DETAIL_MAX 4096u /* bytes of an error's detail */

/* Behind it come `size` bytes of input. */
struct aw_proc_request {
    uint32_t magic, reserved;
    uint64_t number; /* the job's: the answer has it again */
    aw_process_fn *fn;
    uint64_t size, output_limit;
    char where[AW_PROC_WHERE]; /* module and offset of fn: must be the same in the worker */
};

/* Behind it come `size` bytes of output, and `detail` bytes of the error's. */
struct aw_proc_answer {
    uint32_t magic;
    int32_t result;
    uint64_t number, size, detail;
};

/* What a worker process does, as aw_child_main. */
void aw_proc_worker_main(int data);

/* ---- jobs ---- */

struct aw_proc_job {
    aw_cfuture future;     /* the pool has a reference until the job is over */
    aw_list link;          /* in the queue; under the pool's lock */
    aw_process_pool *pool; /* kept in memory; NULL while it was never submitted */
    bool begun;            /* its future is running; the pool's thread */
    _Atomic bool aborted;  /* nobody wants its result: kill the worker */
    aw_process_job_opts opts;
    int64_t limit_ns;  /* time in the worker; INT64_MAX: none */
    aw_process_fn *fn; /* and what it gets: opts.in, opts.n, a copy in this block */
    char *output;      /* finished: what came out; the job's own */
    size_t output_size;
    max_align_t input[]; /* the copy */
};

static inline struct aw_proc_job *aw_proc_job_of(aw_cfuture *f)
{
    return aw_container_of(f, struct aw_proc_job, future);
}

/* The job is over, as this says, and the pool's reference goes.  Takes over `detail`. */
void aw_proc_job_end(struct aw_proc_job *job, int result, struct aw_text *detail);
/* It is over, with what came out of it. */
void aw_proc_job_succeed(struct aw_proc_job *job, int result, char *output, size_t size);

/* ---- workers ---- */

enum aw_proc_state {
    AW_PROC_NONE,      /* no process */
    AW_PROC_PREPARING, /* the initialiser runs, or is to */
    AW_PROC_IDLE,
    AW_PROC_BUSY,    /* has a job */
    AW_PROC_LEAVING, /* must end, or has: only news of its end are awaited */
};

/* The pool's thread's own, but for `pid` and `job`, which are written under the lock. */
struct aw_proc_worker {
    enum aw_proc_state state;
    int data, status;        /* the program's ends; data is -1 while leaving */
    long pid;                /* 0 until it is known */
    struct aw_proc_job *job; /* busy; or leaving, and the reason of its end is awaited */
    int tasks;               /* jobs it has done */
    bool killed;             /* leaving: it was sent SIGKILL */
    bool hung_up;            /* leaving, by its own doing */
    int64_t deadline;        /* of its job; leaving: of our patience; INT64_MAX: none */
    struct aw_proc_request request;
    size_t sent; /* bytes of the request and of the input behind it */
    struct aw_proc_answer answer;
    char *body; /* behind the answer: output, detail, NUL; or NULL */
    size_t got; /* bytes of the answer and of its body */
};

static inline bool aw_proc_is_sent(const struct aw_proc_worker *w)
{
    return w->sent == sizeof w->request + w->request.size;
}

/* A new one in an empty place: 0, or the system's error. */
int aw_proc_hire(aw_process_pool *p, struct aw_proc_worker *w);
/* Give an idle one a job, whose future is running. */
void aw_proc_give(aw_process_pool *p, struct aw_proc_worker *w, struct aw_proc_job *job);
/* Its descriptors, data and status, were polled, and this came of it. */
void aw_proc_look_at(aw_process_pool *p, struct aw_proc_worker *w, const struct pollfd *fds);
/* Its deadline has come. */
void aw_proc_time_is_over(aw_process_pool *p, struct aw_proc_worker *w);
/* It is to end: by itself, or killed. */
void aw_proc_dismiss(struct aw_proc_worker *w, bool kill);
/* Nobody wants its job's result. */
void aw_proc_abort(aw_process_pool *p, struct aw_proc_worker *w);
/* The pool is broken, and this is why: what waits, what runs, and what will be submitted fails. */
void aw_proc_break(aw_process_pool *p, const char *text);

/* ---- pools ---- */

struct aw_process_pool {
    struct aw_mutex lock; /* guards what follows, down to the next comment */
    aw_list queue;        /* jobs that wait, oldest first */
    size_t n_queued;      /* how many */
    size_t n_held;        /* jobs in workers' records */
    unsigned handles;     /* the users' */
    bool shut;            /* nothing more can be submitted */
    bool over;            /* for good */
    bool joined;          /* somebody joins the thread, or has */
    int signal;           /* to be sent to all workers; 0: none */
    struct aw_text *why;  /* it is broken; the detail, if there was memory for it */
    bool broken;
    int wake; /* descriptor; -1 when it is over */
    /* The thread's own, but for what struct aw_proc_worker says. */
    struct aw_proc_worker *workers; /* opts.max_workers of them */
    struct pollfd *fds;             /* room for all that is polled */
    int server;                     /* polled for its end; -1 when that has been seen */
    uint64_t number;                /* of the latest request */
    /* Never changed after it was made. */
    struct aw_os_thread thread;
    aw_cfuture end; /* done, and ended, when it is over.  Its references are the pool's: one of the
                       thread, one for all handles, one of each job */
    struct aw_ending ending;
    aw_process_pool_opts opts; /* with the defaults filled in; .initializer_input is a copy */
    int64_t limit_ns;          /* of jobs; INT64_MAX: none */
    unsigned fork_generation;
};

static inline void aw_proc_hold(aw_process_pool *p)
{
    aw_cfuture_ref(&p->end);
}

static inline void aw_proc_release(aw_process_pool *p)
{
    aw_cfuture_unref(&p->end);
}

static inline bool aw_proc_forked(const aw_process_pool *p)
{
    return p->fork_generation != aw_fork_generation();
}

/* The pool's thread; and is this it? */
void aw_proc_manage(void *pool);
bool aw_proc_is_here(const aw_process_pool *p);

/* Have the thread look again; under the lock. */
void aw_proc_wake(aw_process_pool *p);

/* Put a job into the queue: 0, or AW_EMISUSE, AW_EBROKEN, AW_EFULL, recorded. */
int aw_proc_enqueue(aw_process_pool *p, struct aw_proc_job *job);
/* Take it off the queue, if it is there: then it is the caller's to see over. */
bool aw_proc_withdraw(struct aw_proc_job *job);
/* Take all of them, and see them over: cancelled, or with this error. */
void aw_proc_end_queued(aw_process_pool *p, int code, struct aw_text *detail);

/* 0, or the error of a handle that is NULL or the parent's. */
int aw_proc_check(const aw_process_pool *p);

#endif
