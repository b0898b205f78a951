/*
 * loop_thread.c - a loop in a thread of its own: started, stopped, and seen to at the exit.
 *
 * Starting returns when the loop runs: the new thread makes the loop and enters it, and says so
 * from its first pass; what cannot be made is the error of the starting call.
 *
 * Stopping hands the loop an item that ends its passes; the thread then cancels what is left, waits
 * for it within the time, closes the loop and says that it is done.  `phase` only grows, is written
 * by the thread, and is what others sleep on; storing it releases what the thread has written, and
 * who reads it acquires that:
 *
 *     STARTING --> RUNNING --> ENDED        (or STARTING --> FAILED)
 *
 * How to stop is written before that item is handed over, and read by the thread when it came: a
 * loop that ends by itself, because a coroutine stopped it, does not look at it.
 *
 * The end of the process stops every loop thread that nobody has stopped: it lets the work finish
 * by itself, for `.exit_timeout` seconds; then it cancels; then it names what is left.  The record
 * stays, for a stop that comes later from another exit handler.  Who stops a thread is decided by
 * `fate`, under the process lock.  A child made by fork has none of its parent's threads, and
 * leaves their records alone.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "await/thread.h"
#include "core/core.h"
#include "sys/thread.h"
#include "thread/cfuture.h"
#include "thread/ending.h"

#define STOP_TIMEOUT 5.0
#define SLACK 0.25 /* seconds that the thread may take beyond its own limits */

enum phase { STARTING, RUNNING, ENDED, FAILED };
enum fate { NOT_STOPPED, BEING_STOPPED, STOPPED /* by the end of the process */ };

struct aw_loop_thread {
    struct aw_ending ending;
    enum fate fate; /* who stops it; under the process lock */
    aw_list link;   /* the same: once the end of the process has come to it, on `seen_off` */
    struct aw_os_thread thread;
    aw_loop *loop; /* written before RUNNING */
    aw_loop_thread_opts opts;
    char name[16];
    _Atomic uint32_t phase; /* slept on */
    _Atomic uint32_t refs;  /* the user's, and the thread's */
    struct aw_ready stop;   /* handed to the loop, once */
    _Atomic bool stopping;
    bool let_finish; /* with `stop`: wait for the tasks before cancelling them */
    double timeout;  /* with `stop`: seconds until what is left is given up */
    bool told;       /* the loop's: `stop` has come */
    int error;       /* why it FAILED */
    char why[96];    /* the same in words, if there are any */
    size_t left;     /* tasks that would not stop; valid when ENDED */
};

static aw_list seen_off = {&seen_off, &seen_off}; /* under the process lock */

static void drop(aw_loop_thread *lt)
{
    if (atomic_fetch_sub_explicit(&lt->refs, 1, memory_order_acq_rel) > 1)
        return;
    aw_loop_free(lt->loop);
    aw_mem_free(lt);
}

static void enter_phase(aw_loop_thread *lt, enum phase phase)
{
    atomic_store_explicit(&lt->phase, phase, memory_order_release);
    aw_futex_wake_all(&lt->phase);
}

/* Sleep until the phase has left `phase`: the new one, or -ETIMEDOUT. */
static int leave_phase(aw_loop_thread *lt, enum phase phase, int64_t deadline)
{
    for (bool late = false;;) {
        uint32_t now = atomic_load_explicit(&lt->phase, memory_order_acquire);
        if (now != phase)
            return (int)now;
        if (late)
            return -ETIMEDOUT;
        late = aw_futex_wait(&lt->phase, phase, deadline) == -ETIMEDOUT;
    }
}

/* ---- the thread ---- */

struct hello {
    struct aw_ready ready;
    aw_loop_thread *lt;
};

static void say_running(struct aw_ready *item)
{
    enter_phase(aw_container_of(item, struct hello, ready)->lt, RUNNING);
}

static void stop_passes(struct aw_ready *item)
{
    aw_loop_thread *lt = aw_container_of(item, struct aw_loop_thread, stop);
    lt->told = true;
    lt->loop->stop = AW_STOP_THIS_PASS;
}

static void only_wake(struct aw_timer *timer)
{
    (void)timer;
}

/* The end of the process: let the tasks finish by themselves for a while. */
static void let_finish(aw_loop *l, double seconds)
{
    int64_t deadline = aw_deadline_in(l, seconds);
    struct aw_timer alarm = {.fire = only_wake};
    aw_timer_set(&l->timers, &alarm, deadline);
    l->one_pass = true;
    while (aw_loop_task_count(l) > 0 && aw_clock_now(&l->clock) < deadline)
        if (aw_loop_passes(l) < 0)
            break;
    l->one_pass = false;
    aw_timer_cancel(&l->timers, &alarm);
}

static int open_loop(aw_loop_thread *lt)
{
    const aw_loop_thread_opts *o = &lt->opts;
    aw_loop *l =
        aw_loop_new(.debug = o->debug, .virtual_clock = o->virtual_clock, .backend = o->backend,
                    .spin = o->spin, .submit_limit = o->submit_limit);
    if (!l) {
        snprintf(lt->why, sizeof lt->why, "%s", aw_errmsg());
        return aw_errno();
    }
    l->exposed = true;
    l->pool_daemon = o->daemon;
    l->pool_exit_timeout = o->exit_timeout > 0 ? o->exit_timeout : -1;
    if (o->exception_handler)
        aw_ignore(aw_loop_set_exception_handler(l, o->exception_handler, o->exception_arg));
    lt->loop = l;
    int err = aw_loop_enter(l);
    if (err < 0)
        snprintf(lt->why, sizeof lt->why, "%s", aw_errmsg());
    return err;
}

static void run_loop(aw_loop_thread *lt)
{
    aw_loop *l = lt->loop;
    struct hello hello = {.ready = {.run = say_running}, .lt = lt};
    aw_ready_push(l, &hello.ready);
    int err = aw_loop_passes(l);
    if (err < 0)
        aw_report_loop_failed(l, lt->name, err);
    bool at_exit = lt->told && lt->let_finish;
    double timeout = lt->told ? lt->timeout : STOP_TIMEOUT;
    if (at_exit)
        let_finish(l, lt->opts.exit_timeout);
    l->hard_after = timeout / 3 > 0 ? timeout / 3 : 1e-9;
    aw_loop_drain(l, lt->told && !at_exit); /* cancelling was asked for: nothing to report */
    lt->left = aw_loop_task_count(l);
    aw_loop_leave(l);
    aw_ignore(aw_loop_close(l));
}

static void thread_main(void *arg)
{
    aw_loop_thread *lt = arg;
    lt->error = open_loop(lt);
    if (lt->error < 0) {
        enter_phase(lt, FAILED);
    } else {
        run_loop(lt);
        enter_phase(lt, ENDED);
    }
    drop(lt);
}

/* ---- starting ---- */

static void begin_exit(struct aw_ending *e);
static void see_off(struct aw_ending *e);

static aw_loop_thread *new_thread(const aw_loop_thread_opts *opts)
{
    aw_loop_thread *lt = aw_mem_zalloc(sizeof *lt);
    if (!lt)
        return aw_fail_null(-ENOMEM, NULL);
    aw_list_init(&lt->link);
    aw_list_init(&lt->ending.link);
    lt->ending.hold = begin_exit;
    lt->ending.end = see_off;
    lt->opts = *opts;
    lt->opts.exit_timeout = opts->exit_timeout ? fmax(opts->exit_timeout, 0) : STOP_TIMEOUT;
    lt->stop.run = stop_passes;
    snprintf(lt->name, sizeof lt->name, "%s", opts->name ? opts->name : "await-loop");
    atomic_init(&lt->refs, 2);
    atomic_init(&lt->phase, STARTING);
    return lt;
}

/* With what the thread was told: the detail does not cross threads by itself. */
static aw_loop_thread *refuse_unopened(aw_loop_thread *lt)
{
    int err = lt->error;
    char why[sizeof lt->why];
    memcpy(why, lt->why, sizeof why);
    drop(lt);
    if (why[0])
        return aw_refuse(err, why);
    return aw_fail_null(err, "the thread's loop could not be opened");
}

aw_loop_thread *aw_loop_thread_start_(const aw_loop_thread_opts *opts)
{
    if (isnan(opts->exit_timeout) || opts->cpu_plus_one < 0)
        return aw_fail_null(-EINVAL, ".exit_timeout or .cpu_plus_one makes no sense");
    aw_loop_thread *lt = new_thread(opts);
    if (!lt)
        return NULL;
    int err = aw_os_thread_start(&lt->thread, lt->name, opts->stack_size, opts->cpu_plus_one - 1,
                                 thread_main, lt);
    if (err < 0) {
        aw_mem_free(lt);
        return aw_fail_null(err, err == -EINVAL ? "the system refuses this processor or stack size"
                                                : "the thread could not be started");
    }
    if (leave_phase(lt, STARTING, INT64_MAX) == FAILED) {
        aw_os_thread_join(&lt->thread);
        return refuse_unopened(lt);
    }
    aw_ending_add(&lt->ending, AW_ENDING_LOOPS);
    return lt;
}

aw_loop *aw_loop_thread_loop(aw_loop_thread *lt)
{
    return lt ? lt->loop : aw_null(aw_null_handle());
}

/* ---- stopping ---- */

static void ask_to_stop(aw_loop_thread *lt, double timeout, bool finish)
{
    if (atomic_exchange(&lt->stopping, true))
        return;
    lt->timeout = timeout;
    lt->let_finish = finish;
    aw_ignore(aw_inbox_push(lt->loop, &lt->stop)); /* refused: it has ended by itself */
}

static void report_late(const aw_loop_thread *lt, double timeout)
{
    char text[256];
    int n =
        snprintf(text, sizeof text,
                 "await: a loop thread did not end within %.3g s: a task or callback blocks it, "
                 "or a job that a task waits for\n"
                 "  thread:  %s\n  started: %s:%d\n",
                 timeout, lt->name, lt->opts.file ? lt->opts.file : "?", lt->opts.line);
    aw_stderr_write(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

/* Wait for the thread's end: 0, or -ETIMEDOUT, which leaves it to itself. */
static int await_end(aw_loop_thread *lt, double timeout)
{
    if (leave_phase(lt, RUNNING, aw_cf_deadline_in(timeout + SLACK)) < 0) {
        report_late(lt, timeout);
        aw_os_thread_detach(&lt->thread);
        return -ETIMEDOUT;
    }
    aw_os_thread_join(&lt->thread);
    return 0;
}

/* A stop begins, unless one is going on: what there was before. */
static enum fate claim(aw_loop_thread *lt)
{
    aw_process_lock();
    enum fate fate = lt->fate;
    if (fate != BEING_STOPPED) {
        lt->fate = BEING_STOPPED;
        aw_list_remove(&lt->ending.link);
        aw_list_remove(&lt->link);
    }
    aw_process_unlock();
    return fate;
}

int aw_loop_thread_stop_(const aw_loop_thread_stop_opts *opts)
{
    aw_loop_thread *lt = opts->lt;
    double timeout = opts->timeout ? opts->timeout : STOP_TIMEOUT;
    if (!lt)
        return 0;
    if (isnan(timeout))
        return aw_fail(-EINVAL, "the time limit is NaN");
    if (lt->loop->fork_generation != aw_fork_generation())
        return aw_fail(AW_EFORKED, "the thread belongs to the parent of this process");
    if (lt->loop == aw_self.loop)
        return aw_fail(-EDEADLK, "a loop's own thread cannot wait for its end");
    timeout = timeout > 0 ? timeout : 0;
    enum fate fate = claim(lt);
    if (fate == BEING_STOPPED)
        return aw_fail(AW_EMISUSE, "the thread is being stopped, by the end of the process");
    if (fate == NOT_STOPPED) {
        ask_to_stop(lt, timeout, false);
        if (await_end(lt, timeout) < 0) {
            drop(lt);
            return aw_fail(-ETIMEDOUT,
                           "a task or callback blocks the loop, or a job that a task waits for");
        }
    }
    bool ended = leave_phase(lt, RUNNING, 0) == ENDED;
    size_t left = ended ? lt->left : 1;
    drop(lt);
    return left ? aw_fail(-ETIMEDOUT, "a task would not stop") : 0;
}

/* ---- the process's own ---- */

/* Under the process lock, and of one generation of the process. */
static struct {
    aw_loop_thread *lt;
    unsigned refs, generation;
} shared;

static void lock_shared(void)
{
    aw_process_lock();
    if (shared.generation == aw_fork_generation())
        return;
    shared.lt = NULL; /* the parent's */
    shared.refs = 0;
    shared.generation = aw_fork_generation();
}

aw_loop_thread *aw_loop_thread_shared(void)
{
    lock_shared();
    aw_loop_thread *lt = shared.lt;
    shared.refs += lt != NULL;
    aw_process_unlock();
    if (lt)
        return lt;
    aw_loop_thread *mine = aw_loop_thread_start(.name = "await-shared");
    if (!mine)
        return NULL;
    lock_shared();
    if (!shared.lt)
        shared.lt = mine;
    lt = shared.lt;
    shared.refs++;
    aw_process_unlock();
    if (lt != mine)
        aw_ignore(aw_loop_thread_stop(mine)); /* somebody else was faster */
    return lt;
}

int aw_loop_thread_shared_release(void)
{
    lock_shared();
    bool none = !shared.refs, last = shared.refs == 1;
    aw_loop_thread *lt = shared.lt;
    shared.refs -= !none;
    if (last)
        shared.lt = NULL;
    aw_process_unlock();
    if (none)
        return aw_fail(AW_EMISUSE, "the shared loop thread was released more often than asked for");
    return last ? aw_loop_thread_stop(lt) : 0;
}

/* ---- the end of the process ---- */

/* The process ends over it: says so if tasks, besides `mine` of the caller's, were running. */
static void abandon(const aw_loop_thread *lt, size_t mine)
{
    char text[160];
    size_t tasks = aw_loop_task_count(lt->loop);
    if (tasks <= mine)
        return;
    int n = snprintf(text, sizeof text,
                     "await: the process ended over the %s thread %s, which had %zu tasks\n",
                     mine ? "calling" : "daemon", lt->name, tasks);
    aw_stderr_write(text, (size_t)n);
}

/* What was cancelled at the exit gets as long again, within bounds: a second is little to clean up,
 * and whoever gives the work for ever does not mean this. */
static double time_to_clean_up(double exit_timeout)
{
    return exit_timeout < 1 ? 1 : exit_timeout > STOP_TIMEOUT ? STOP_TIMEOUT : exit_timeout;
}

static enum fate stop_at_exit(aw_loop_thread *lt)
{
    if (lt->loop == aw_self.loop) {
        abandon(lt, aw_self.loop->current != NULL); /* exit() was called on it */
        return NOT_STOPPED;
    }
    if (lt->opts.daemon) {
        abandon(lt, 0);
        return NOT_STOPPED;
    }
    double more = time_to_clean_up(lt->opts.exit_timeout);
    ask_to_stop(lt, more, true);
    aw_ignore(await_end(lt, lt->opts.exit_timeout + more));
    return STOPPED;
}

static aw_loop_thread *thread_of(struct aw_ending *e)
{
    return aw_container_of(e, struct aw_loop_thread, ending);
}

/* Under the process lock: nobody else can stop it, and free it, now. */
static void begin_exit(struct aw_ending *e)
{
    thread_of(e)->fate = BEING_STOPPED;
}

static void see_off(struct aw_ending *e)
{
    aw_loop_thread *lt = thread_of(e);
    enum fate fate = stop_at_exit(lt);
    aw_process_lock();
    lt->fate = fate;
    aw_list_push_back(&seen_off, &lt->link);
    aw_process_unlock();
}
