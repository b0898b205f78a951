/*
 * await/process_pool.h - code that may crash, hang or be killed, in processes of its own.
 *
 *     static int parse(const void *in, size_t n, aw_process_reply *out)  // in a worker process
 *     {
 *         struct picture p;
 *         AW_TRY(decode(in, n, &p));                  // a crash here ends the worker, and no more
 *         return aw_process_write(out, &p.size, sizeof p.size);
 *     }
 *
 *     int main(void)
 *     {
 *         if (aw_process_server() < 0)                // first: no thread and no loop exists yet
 *             return 1;
 *         aw_process_pool *pool = aw_process_pool(.max_workers = 4, .timeout = 10);
 *         aw_cfuture *f = aw_process_submit(pool, parse, bytes, n);
 *         int err = aw_cfuture_result(f, INFINITY);   // AW_EBROKEN: aw_errmsg() says what killed
 * it const struct size *size = aw_process_output(f, NULL);
 *         ...
 *         aw_cfuture_unref(f);                        // and the output with it
 *         return aw_process_pool_free(pool);
 *     }
 *
 * In a coroutine: err = aw_to_process(pool, parse, bytes, n, .out = &size, .room = sizeof size).
 *
 * A job is a function of this very program, some bytes that go in, and some that come out.  It runs
 * in a process that was forked off before there were any threads: it has the program's code, its
 * constants and the globals as they were when aw_process_server() was called, and neither its
 * threads, locks and loops, nor its descriptors (but for the standard three).  Nothing of it is
 * shared: pointers in the bytes mean nothing there.
 *
 * A job returns a result >= 0 or a negative code; aw_refuse(code, "detail") before returning the
 * code gives it a detail, as anywhere.  That is an ordinary error, and the worker goes on.  A
 * worker that dies, is killed, or sends what is no answer fails the job that it had with
 * AW_EBROKEN, whose detail names the process, the signal or the status, and the function.  By
 * default that is all: the other jobs go on, and another worker takes the dead one's place; one
 * broken input must not cost the callers of a hundred good ones.  With .break_on_death the whole
 * pool is broken with it, for work that makes sense only as a whole.
 */
#ifndef AWAIT_PROCESS_POOL_H
#define AWAIT_PROCESS_POOL_H

#include <stddef.h>

#include "await/thread.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct aw_process_pool aw_process_pool;   /* processes that work off jobs */
typedef struct aw_process_reply aw_process_reply; /* what a job has to say; in its worker */

/* A job: gets n bytes, writes what comes out to `out`, and returns a result >= 0 or an error.  The
 * bytes are aligned for any type. */
typedef int aw_process_fn(const void *in, size_t n, aw_process_reply *out);

/* ---- the server ---- */

/* Fork off the process that all workers will be forks of; to be called first in main.
 *
 * Standard output and error are flushed before.  The server is no child of the program: wait() does
 * not see it.  It and all workers end when the program does, however that happens.  What is sent to
 * the whole program does not end the server, and SIGINT, which a terminal sends, does not end the
 * workers: what becomes of them is the program's to say.  Every other signal has its default action
 * in a worker, whatever the program set.
 *
 * 0, also when this process has its server already; AW_EMISUSE once there are threads, or inside a
 * running loop; -EAGAIN, -ENOMEM, -EMFILE, -ENFILE as the system gives them; -ENOENT without /proc.
 * The child of a fork has no server until it calls this for itself. */
AW_API int aw_process_server(void);

/* ---- pools ---- */

typedef struct aw_process_pool_opts {
    const char *file; /* filled by the macro */
    const char *said; /* the options as they were written, so that 0 workers are not the default */
    int line;
    int max_workers;         /* most processes at a time; by default the usable processors; at most
                                256 */
    int max_tasks_per_child; /* a worker is replaced after so many jobs; 0: never */
    size_t queue_limit;      /* most jobs that wait for a worker; 0: no limit */
    size_t output_limit;     /* most bytes that may come out of a job; 64 MiB by default */
    double timeout;          /* seconds that a job may take in its worker; 0: no limit */
    bool break_on_death;     /* a worker that dies breaks the pool, not only its job */
    aw_process_fn *initializer; /* called first in every worker; < 0, or its death, breaks the pool;
                                   what it writes is dropped */
    const void *initializer_input; /* its bytes; copied */
    size_t initializer_size;
    bool daemon;         /* the end of the process does not wait for its jobs */
    double exit_timeout; /* seconds that the end of the process gives them; 5 by default */
} aw_process_pool_opts;

/* aw_process_pool *aw_process_pool(...options): a pool.
 *
 * Makes one thread, which looks after the workers, and no worker yet: a job for which none is idle
 * brings one, up to .max_workers, and they stay.  The handle is the caller's.  NULL with
 * aw_errno(): AW_EMISUSE without aw_process_server(); -EINVAL (0 or fewer workers, a negative
 * number, NaN), -ENOMEM, -EAGAIN, -EMFILE.
 *
 * At the exit of the process the pools that are left finish what was submitted, for .exit_timeout
 * seconds (INFINITY: however long it takes); then what waits is cancelled, and jobs that still run
 * are named and killed.  A .daemon pool is abandoned, with a line if it had jobs. */
#ifndef __cplusplus
#define aw_process_pool(...)                                                                       \
    aw_process_pool_(&(aw_process_pool_opts){                                                      \
        .file = __FILE__, .line = __LINE__, .said = "" #__VA_ARGS__, __VA_ARGS__})
#endif
AW_API aw_process_pool *aw_process_pool_(const aw_process_pool_opts *opts);

/* Another handle; returns `pool`.  And one less: giving up the last one lets the pool finish what
 * was submitted and end, without waiting for that.  NULL is allowed in both. */
AW_API aw_process_pool *aw_process_pool_ref(aw_process_pool *pool);
AW_API void aw_process_pool_unref(aw_process_pool *pool);

typedef struct aw_process_pool_shutdown_opts {
    aw_process_pool *pool;
    bool wait;           /* return when all its jobs are over and its processes have ended */
    bool cancel_futures; /* cancel the jobs that wait for a worker */
    double timeout;      /* with .wait: seconds; 0: none */
} aw_process_pool_shutdown_opts;

/* int aw_process_pool_shutdown(aw_process_pool *pool, .wait = true, .cancel_futures = true,
 * .timeout = s): let no more jobs in; what was submitted is still done, unless it is cancelled.
 *
 * May be called again, to wait or to cancel.  0; -ETIMEDOUT; -EDEADLK when one of its own callbacks
 * would wait; -EINVAL; AW_EFORKED.  Does not give up the handle.  With .wait it blocks the thread.
 */
#ifndef __cplusplus
#define aw_process_pool_shutdown(...)                                                              \
    aw_process_pool_shutdown_(&(aw_process_pool_shutdown_opts){.pool = __VA_ARGS__})
#endif
AW_API int aw_process_pool_shutdown_(const aw_process_pool_shutdown_opts *opts);

/* Shut down, wait, and give up the handle: 0, also for NULL; -EDEADLK in one of its own callbacks,
 * and the handle is still the caller's.  Blocks the thread. */
AW_API int aw_process_pool_free(aw_process_pool *pool);

/* Shut down, cancel what waits, and send all workers SIGTERM, or SIGKILL: the jobs that run fail
 * with AW_EBROKEN when their workers have ended.  A job that handles SIGTERM may go on.  0, also on
 * a pool that is shut down, broken or over; -EINVAL for NULL; AW_EFORKED.  Does not wait. */
AW_API int aw_process_pool_terminate(aw_process_pool *pool);
AW_API int aw_process_pool_kill(aw_process_pool *pool);

/* How many jobs wait for a worker.  -EINVAL for NULL, AW_EFORKED.  Any thread. */
AW_API int aw_process_pool_queued(aw_process_pool *pool);

/* The process ids of its workers, at most `size` of them into `pids`: returns how many there are.
 * A worker is among them before any job of its own is done.  Any of them may have ended by the time
 * it is looked at.  -EINVAL for NULL, AW_EFORKED. */
AW_API int aw_process_pool_pids(aw_process_pool *pool, long *pids, int size);

/* ---- jobs ---- */

/* Options of everything that starts a job. */
typedef struct aw_process_job_opts {
    const char *file, *fn_name; /* filled by the macros */
    int line;
    const void *in; /* the bytes that go in; copied before the call returns */
    size_t n;       /* how many */
    double timeout; /* seconds in the worker; 0: the pool's limit, INFINITY: none */
    void *out;      /* these four: for aw_to_process() */
    size_t room;
    size_t *ret_size;
    bool abandon_on_cancel;
} aw_process_job_opts;

#ifndef __cplusplus
#define AW_PROCESS_JOB_OPTS_(fn_, ...)                                                             \
    (&(aw_process_job_opts){.file = __FILE__, .line = __LINE__, .fn_name = #fn_, .in = __VA_ARGS__})
#endif

/* aw_cfuture *aw_process_submit(aw_process_pool *pool, aw_process_fn *fn, const void *in, size_t n,
 * ...options): have fn called with a copy of the n bytes in one of the pool's processes.
 *
 * From any thread.  Jobs begin in the order they were submitted.  The future is running from when a
 * worker is given the job, and can be cancelled only before; its value is what came out of the job,
 * see aw_process_output(); a coroutine awaits it by aw_wrap_future().  It comes to the job's result
 * or error; -ETIMEDOUT when the time limit is over, and the worker is killed; AW_EBROKEN when the
 * worker died, or the pool is broken; -ENOMEM; AW_ELIMIT when more than .output_limit came out;
 * AW_EMISUSE for a function of a module that was loaded after aw_process_server(); -EAGAIN,
 * -EMFILE and the like when the system gives no process for it.  What the job printed has been
 * flushed by then.  The future's callbacks run in the pool's thread, and must not block.
 *
 * NULL with aw_errno(): -EINVAL, -ENOMEM; AW_EMISUSE after shutdown; AW_EFULL at the queue's limit;
 * AW_EBROKEN when the pool is broken; AW_EFORKED.  Does not wait. */
#ifndef __cplusplus
#define aw_process_submit(pool, fn, ...)                                                           \
    aw_process_submit_((pool), (fn), AW_PROCESS_JOB_OPTS_(fn, __VA_ARGS__))
#endif
AW_API aw_cfuture *aw_process_submit_(aw_process_pool *pool, aw_process_fn *fn,
                                      const aw_process_job_opts *opts);

/* What came out of a job that has finished, and how many bytes into *ret_size (unless that is
 * NULL): aligned for any type, and the future's, valid as long as that is.  Never NULL for such a
 * job; NULL and 0 for any other future.  Any thread. */
AW_API const void *aw_process_output(aw_cfuture *f, size_t *ret_size);

/* In a job: n more bytes come out of it.  They are sent when it returns a result >= 0, and dropped
 * with an error.  0; AW_ELIMIT beyond the pool's .output_limit; -ENOMEM; -EINVAL. */
AW_API int aw_process_write(aw_process_reply *out, const void *data, size_t n);

/* End a job that runs by killing its worker, or cancel one that waits: its future ends cancelled,
 * soon.  False when it is done, or no job of a process pool.  Any thread; does not wait. */
AW_API bool aw_process_abort(aw_cfuture *f);

/* int aw_to_process(aw_process_pool *pool, aw_process_fn *fn, const void *in, size_t n, .out = p,
 * .room = bytes, .ret_size = &size, ...options): in a coroutine: submit a job, wait for its result
 * or error, and copy what came out.
 *
 * At most .room bytes go to .out; -EMSGSIZE when more came, and nothing is copied; *ret_size is how
 * many came.  Suspends.  Cancelling ends the wait at once, and aborts the job: its worker is
 * killed.  With .abandon_on_cancel the job goes on by itself, if it has begun, and what comes of it
 * is dropped.  Errors as aw_process_submit(); AW_EMISUSE outside a task. */
#ifndef __cplusplus
#define aw_to_process(pool, fn, ...)                                                               \
    aw_to_process_((pool), (fn), AW_PROCESS_JOB_OPTS_(fn, __VA_ARGS__))
#endif
AW_API int aw_to_process_(aw_process_pool *pool, aw_process_fn *fn,
                          const aw_process_job_opts *opts) AW_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
