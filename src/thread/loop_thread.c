/*
 * loop_thread.c - a loop in a thread of its own: started, stopped, and seen to at the exit.
 *
 * Starting returns when the loop runs: the new thread makes the loop and enters it, and says so
 * from its first pass; what cannot be made is the error of the starting call.
 *
 * Stopping hands the loop an item that ends its passes; the thread then cancels what is left, waits
 * for it within the time, closes the loop and says that it is done.  `phase` only grows, is written
 * by the thread (but for the last step), and is what others sleep on:
 *
 *     STARTING --> RUNNING --> ENDED        (or STARTING --> FAILED)
 *
 * The end of the process stops every loop thread that nobody has stopped: first it lets the work
 * finish by itself, for `.exit_timeout` seconds; then it cancels; then it names what is left.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "await/thread.h"
#include "core/core.h"
#include "sys/thread.h"

#define STOP_TIMEOUT 5.0

enum phase { STARTING, RUNNING, ENDED, FAILED };

struct aw_loop_thread {
    aw_list link; /* on the list of all, under the process lock */
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
    int error;       /* why it FAILED */
    size_t left;     /* tasks that would not stop; valid when ENDED */
};

/* Guarded by the process lock. */
static aw_list all_threads = {&all_threads, &all_threads};
static struct {
    aw_loop_thread *lt;
    unsigned refs;
} shared;

static void drop(aw_loop_thread *lt)
{
    if (atomic_fetch_sub(&lt->refs, 1) > 1)
        return;
    aw_loop_free(lt->loop);
    aw_mem_free(lt);
}

static void enter_phase(aw_loop_thread *lt, enum phase phase)
{
    atomic_store(&lt->phase, phase);
    aw_futex_wake_all(&lt->phase);
}

/* Sleep until the phase has left `phase`: the new one, or -ETIMEDOUT. */
static int leave_phase(aw_loop_thread *lt, enum phase phase, int64_t deadline)
{
    uint32_t now;
    while ((now = atomic_load(&lt->phase)) == phase)
        if (aw_futex_wait(&lt->phase, phase, deadline) == -ETIMEDOUT)
            return atomic_load(&lt->phase) == phase ? -ETIMEDOUT : 0;
    return (int)now;
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
    lt->loop->stop = AW_STOP_THIS_PASS;
}

static bool time_over(const aw_loop *l, int64_t deadline)
{
    return l->n_tasks == 0 || aw_clock_real() >= deadline;
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
    while (!time_over(l, deadline))
        if (aw_loop_passes(l) < 0)
            break;
    l->one_pass = false;
    aw_timer_cancel(&l->timers, &alarm);
}

static int open_loop(aw_loop_thread *lt)
{
    const aw_loop_thread_opts *o = &lt->opts;
    aw_loop *l =
        aw_loop_new(.debug = o->debug, .virtual_clock = o->virtual_clock, .backend = o->backend);
    if (!l)
        return aw_errno();
    l->exposed = true;
    if (o->exception_handler)
        aw_ignore(aw_loop_set_exception_handler(l, o->exception_handler, o->exception_arg));
    lt->loop = l;
    return aw_loop_enter(l);
}

static void run_loop(aw_loop_thread *lt)
{
    aw_loop *l = lt->loop;
    struct hello hello = {.ready = {.run = say_running}, .lt = lt};
    aw_ready_push(l, &hello.ready);
    aw_ignore(aw_loop_passes(l));
    if (lt->let_finish)
        let_finish(l, lt->opts.exit_timeout);
    l->hard_after = lt->timeout / 3 > 0 ? lt->timeout / 3 : 1e-9;
    aw_loop_drain(l, false);
    lt->left = l->n_tasks;
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

static void exit_handler(void);
static void watch_exit(void)
{
    static bool watched; /* under the process lock */
    if (!watched)
        watched = atexit(exit_handler) == 0;
}

static void enlist(aw_loop_thread *lt)
{
    aw_process_lock();
    watch_exit();
    aw_list_push_back(&all_threads, &lt->link);
    aw_process_unlock();
}

static void delist(aw_loop_thread *lt)
{
    aw_process_lock();
    aw_list_remove(&lt->link);
    aw_process_unlock();
}

static aw_loop_thread *new_thread(const aw_loop_thread_opts *opts)
{
    aw_loop_thread *lt = aw_mem_zalloc(sizeof *lt);
    if (!lt)
        return aw_fail_null(-ENOMEM, NULL);
    aw_list_init(&lt->link);
    lt->opts = *opts;
    lt->opts.exit_timeout = opts->exit_timeout ? opts->exit_timeout : STOP_TIMEOUT;
    lt->timeout = STOP_TIMEOUT;
    lt->stop.run = stop_passes;
    snprintf(lt->name, sizeof lt->name, "%s", opts->name ? opts->name : "await-loop");
    atomic_init(&lt->refs, 2);
    atomic_init(&lt->phase, STARTING);
    return lt;
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
        return aw_fail_null(err, "the thread could not be started");
    }
    if (leave_phase(lt, STARTING, INT64_MAX) == FAILED) {
        err = lt->error;
        aw_os_thread_join(&lt->thread);
        drop(lt);
        return aw_fail_null(err, "the thread's loop could not be opened");
    }
    enlist(lt);
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
                 "await: a loop thread did not end within %.3g s: a task or callback blocks it\n"
                 "  thread:  %s\n  started: %s:%d\n",
                 timeout, lt->name, lt->opts.file ? lt->opts.file : "?", lt->opts.line);
    aw_stderr_write(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

/* Wait for the thread's end and free it; -ETIMEDOUT leaves it to itself. */
static int finish(aw_loop_thread *lt, double timeout, double slack)
{
    int64_t now = aw_clock_real(), wait = aw_ns_from_seconds(timeout + slack);
    int64_t deadline = wait > INT64_MAX - now ? INT64_MAX : now + wait;
    if (leave_phase(lt, RUNNING, deadline) == -ETIMEDOUT) {
        report_late(lt, timeout);
        aw_os_thread_detach(&lt->thread);
        drop(lt);
        return aw_fail(-ETIMEDOUT, "a task or callback blocks the loop");
    }
    aw_os_thread_join(&lt->thread);
    size_t left = lt->left;
    drop(lt);
    return left ? aw_fail(-ETIMEDOUT, "a task would not stop") : 0;
}

int aw_loop_thread_stop_(const aw_loop_thread_stop_opts *opts)
{
    aw_loop_thread *lt = opts->lt;
    double timeout = opts->timeout ? opts->timeout : STOP_TIMEOUT;
    if (!lt)
        return 0;
    if (isnan(timeout))
        return aw_fail(-EINVAL, "the time limit is NaN");
    if (lt->loop == aw_self.loop)
        return aw_fail(-EDEADLK, "a loop's own thread cannot wait for its end");
    delist(lt);
    ask_to_stop(lt, timeout > 0 ? timeout : 0, false);
    return finish(lt, timeout > 0 ? timeout : 0, 0.25);
}

/* ---- the process's own ---- */

aw_loop_thread *aw_loop_thread_shared(void)
{
    aw_process_lock();
    aw_loop_thread *lt = shared.lt;
    shared.refs += lt != NULL;
    aw_process_unlock();
    if (lt)
        return lt;
    aw_loop_thread *mine = aw_loop_thread_start(.name = "await-shared");
    if (!mine)
        return NULL;
    aw_process_lock();
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
    aw_process_lock();
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

static aw_loop_thread *take_first(void)
{
    aw_process_lock();
    aw_list *link = aw_list_pop_front(&all_threads);
    aw_process_unlock();
    return link ? aw_container_of(link, aw_loop_thread, link) : NULL;
}

static void abandon(const aw_loop_thread *lt)
{
    char text[160];
    size_t tasks = aw_loop_task_count(lt->loop);
    if (!tasks)
        return;
    int n = snprintf(text, sizeof text,
                     "await: the process ended over the daemon thread %s, which had %zu tasks\n",
                     lt->name, tasks);
    aw_stderr_write(text, (size_t)n);
}

static void exit_handler(void)
{
    aw_loop_thread *lt;
    while ((lt = take_first()) != NULL) {
        if (lt->opts.daemon) {
            abandon(lt);
            continue;
        }
        if (lt->loop == aw_self.loop)
            continue; /* exit() was called on it */
        ask_to_stop(lt, STOP_TIMEOUT, true);
        aw_ignore(finish(lt, lt->opts.exit_timeout + STOP_TIMEOUT, 0.25));
    }
}
