/*
 * loop.c - the pass, the poll and the clock.
 *
 *     pass:  poll the kernel   (only if something is in flight; no waiting if work is ready)
 *            finish operations (wakes tasks)
 *            fire timers       (wakes tasks, queues callbacks)
 *            run the batch     (what was ready when it began)
 *
 * A virtual clock stands still while there is work.  When nothing is ready it jumps to the next
 * timer; while an operation is with the kernel, or a job with a thread, it waits for that first, no
 * longer than the timer would have taken for real.  A simulated network is to the loop one timer
 * more, that of the next thing to happen there.
 *
 * A loop's memory outlives its closing until the last of its futures and handles is gone, so that
 * using one late is an error and never a wild pointer.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "sys/thread.h"

#define SLOW_STEP_NS 100000000
#define STACKS_KEPT ((size_t)2 << 20) /* bytes of address space, used or not */

bool aw_env_flag(const char *name)
{
    const char *value = getenv(name);
    return value && *value && strcmp(value, "0") != 0;
}

static bool virtual_by_env(void)
{
    const char *value = getenv("AWAIT_CLOCK");
    return value && strcmp(value, "virtual") == 0;
}

/* In the child of a fork: no loop runs here, whatever ran in the parent's thread. */
static void forget_loop(void)
{
    aw_self.forked = aw_self.forked || aw_self.loop;
    aw_self.loop = NULL;
}

/* ---- making and closing ---- */

aw_loop *aw_loop_new_(const aw_loop_opts *opts)
{
    if (!(opts->spin >= 0))
        return aw_fail_null(-EINVAL, ".spin is negative or NaN");
    int err = aw_fork_watch(forget_loop);
    aw_loop *l = err < 0 ? NULL : aw_mem_zalloc(sizeof *l);
    if (!l)
        return aw_fail_null(err < 0 ? err : -ENOMEM, NULL);
    l->refs = 1;
    atomic_init(&l->outside_refs, 1);
    l->id = aw_process_number();
    l->backend = opts->backend;
    l->debug = opts->debug || aw_env_flag("AWAIT_DEBUG");
    l->measures_stacks = aw_env_flag("AWAIT_STACKS");
    l->clock.is_virtual = opts->virtual_clock || virtual_by_env();
    aw_spin_init(&l->spin, opts->spin);
    aw_spin_init(&l->waiter_spin, opts->spin);
    l->submit_limit = opts->submit_limit;
    l->one_cpu = aw_usable_cpus() == 1;
    l->slow_ns = SLOW_STEP_NS;
    l->fork_generation = aw_fork_generation();
    aw_list_init(&l->tasks);
    aw_list_init(&l->unlooked);
    aw_list_init(&l->cancel_queue);
    aw_list_init(&l->closers);
    aw_list_init(&l->file_turns);
    aw_list_init(&l->retired);
    aw_list_init(&l->stop_waiters);
    aw_list_init(&l->signal_subs);
    aw_list_init(&l->signal_watches);
    aw_list_init(&l->idle_waiters);
    aw_seed_loop(l, opts->seed, opts->shuffle);
    l->watched = l->debug || l->seeded;
    aw_timers_init(&l->timers, aw_clock_now(&l->clock));
    aw_stack_pool_init(&l->stacks, sizeof(struct aw_tcb));
    return l;
}

void aw_loop_keep(aw_loop *l)
{
    l->refs++;
}

void aw_loop_let_go(aw_loop *l)
{
    aw_loop_unref(l);
}

void aw_closer_add(aw_loop *l, struct aw_closer *closer)
{
    aw_list_push_back(&l->closers, &closer->link);
}

void aw_closer_remove(struct aw_closer *closer)
{
    aw_list_remove(&closer->link);
}

void aw_loop_expect(aw_loop *l, int by)
{
    l->outside += (size_t)by;
}

void aw_loop_hold(aw_loop *l)
{
    atomic_fetch_add_explicit(&l->outside_refs, 1, memory_order_relaxed);
}

/* The last one, of whatever thread, sees all that the others have written. */
void aw_loop_release(aw_loop *l)
{
    if (atomic_fetch_sub_explicit(&l->outside_refs, 1, memory_order_acq_rel) > 1)
        return;
    aw_stack_pool_fini(&l->stacks);
    aw_mem_free(l);
}

/* What is scheduled will not run: let go of it. */
static void drop_schedule(aw_loop *l)
{
    struct aw_timer *timer;
    while ((timer = aw_timers_take_any(&l->timers)) != NULL)
        aw_handle_drop_timer(timer);
    aw_fifo_node *node;
    bool before = aw_self.dropping;
    while ((node = aw_fifo_pop(&l->ready)) != NULL) {
        struct aw_ready *item = aw_container_of(node, struct aw_ready, link);
        aw_self.dropping = true; /* each time: what is let go of may run a loop */
        if (item->run)
            item->run(item); /* sees that, or that its loop is closed */
    }
    aw_self.dropping = before;
}

/* Report all of them before the first goes: they name each other. */
static void abandon_tasks(aw_loop *l)
{
    aw_list_each(link, &l->tasks)
    {
        struct aw_tcb *t = aw_container_of(link, struct aw_tcb, all);
        if (t->given_up)
            continue; /* reported when it was */
        if (t->started || t->must_cancel)
            aw_report_task(&t->fut, AW_REPORT_PENDING,
                           "a task was pending when its loop was closed");
        else
            aw_report_task(&t->fut, AW_REPORT_NEVER_RAN,
                           "a task never ran: its loop was closed before");
    }
    while (!aw_list_empty(&l->tasks))
        aw_task_abandon(aw_container_of(l->tasks.next, struct aw_tcb, all));
}

/* Failures that somebody still holds and nobody has looked at. */
static void report_unlooked(aw_loop *l)
{
    while (!aw_list_empty(&l->unlooked))
        aw_future_report_unlooked(aw_container_of(l->unlooked.next, aw_future, watchers));
}

int aw_loop_close(aw_loop *l)
{
    if (!l)
        return 0;
    AW_TRY(aw_loop_check(l));
    if (l == aw_self.loop)
        return aw_fail(AW_EMISUSE, "the loop is running");
    if (l->closed)
        return 0;
    l->closed = true; /* from here on nothing can be started, nor scheduled */
    aw_inbox_close(l);
    aw_list *link;
    while ((link = aw_list_pop_front(&l->closers)) != NULL) {
        struct aw_closer *closer = aw_container_of(link, struct aw_closer, link);
        closer->run(closer);
    }
    abandon_tasks(l);
    aw_stacks_close(l);
    drop_schedule(l);
    aw_fds_close(l);
    aw_signals_close(l);
    aw_blocks_close(l);
    aw_handles_close(l);
    aw_coro_report_unused(l);
    report_unlooked(l);
    if (l->io)
        l->io->backend->close(l->io);
    l->io = NULL;
    return 0;
}

void aw_loop_free(aw_loop *l)
{
    if (l && aw_loop_close(l) == 0)
        aw_loop_unref(l);
}

/* ---- entering and leaving ---- */

static void tell_backend(const aw_loop *l, const char *why)
{
    char text[160];
    int n = snprintf(text, sizeof text, "await: the loop uses %s: %s\n", l->io->backend->name, why);
    aw_stderr_write(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

static int open_backend(aw_loop *l)
{
    const char *why = NULL;
    if (l->io)
        return 0;
    int err = aw_io_open(&l->io, l->backend, &why);
    if (err < 0)
        return aw_fail(err, why);
    if (l->io->time) {
        l->io->time->clock = &l->clock;
        l->io->time->trace = &l->trace;
    }
    if (why && l->debug)
        tell_backend(l, why);
    return 0;
}

/* Opened before, by whatever thread, it is this thread's from now on. */
static int enter_backend(aw_loop *l)
{
    AW_TRY(open_backend(l));
    int err = l->io->backend->enter ? l->io->backend->enter(l->io) : 0;
    return err < 0 ? aw_fail(err, "this thread cannot use the kernel's interface") : 0;
}

static void finish_operations(aw_list *completed)
{
    aw_list *link;
    while ((link = aw_list_pop_front(completed)) != NULL) {
        struct aw_op *op = aw_container_of(link, struct aw_op, link);
        op->done(op);
    }
}

static void leave_backend(aw_loop *l)
{
    aw_list completed;
    aw_list_init(&completed);
    if (l->io->backend->leave)
        l->io->backend->leave(l->io, &completed);
    finish_operations(&completed);
}

/* Whoever runs a loop next sees all that the one before has written: acquire here, release there.
 * Of two threads that try at once, one gets it. */
static int take_ownership(aw_loop *l)
{
    const struct aw_thread *nobody = NULL;
    if (!atomic_compare_exchange_strong_explicit(&l->owner, &nobody, &aw_self, memory_order_acquire,
                                                 memory_order_relaxed))
        return aw_fail(AW_ETHREAD, "the loop runs in another thread");
    atomic_store_explicit(&l->owner_number, aw_thread_id(), memory_order_relaxed);
    return 0;
}

static void give_up_ownership(aw_loop *l)
{
    atomic_store_explicit(&l->owner, NULL, memory_order_release);
}

int aw_loop_enter(aw_loop *l)
{
    if (!l)
        return aw_null_handle();
    AW_TRY(aw_loop_check(l));
    if (l->closed)
        return aw_fail(AW_EMISUSE, "the loop is closed");
    if (aw_self.loop)
        return aw_fail(AW_EMISUSE, l == aw_self.loop ? "the loop is running already"
                                                     : "another loop runs in this thread");
    AW_TRY(take_ownership(l));
    int err = enter_backend(l);
    if (err < 0) {
        give_up_ownership(l);
        return err;
    }
    l->overflow_watched = aw_overflow_watch();
    aw_self.loop = l;
    aw_self.dropping = false;
    l->current = NULL;
    l->context = NULL;
    aw_fiber_adopt_thread(&l->main);
    aw_fds_start(l);
    return 0;
}

void aw_loop_leave(aw_loop *l)
{
    aw_assert(aw_self.loop == l && !l->current);
    leave_backend(l);
    aw_self.loop = NULL;
    if (l->overflow_watched)
        aw_overflow_unwatch();
    give_up_ownership(l);
}

/* ---- passes ---- */

/* Nothing is ready: how long may the poll wait?  -EDEADLK: nothing could ever end it. */
static int64_t time_to_wait(aw_loop *l, bool *forever)
{
    int64_t next = aw_timers_next(&l->timers);
    if (AW_UNLIKELY(l->io->time != NULL)) {
        int64_t simulated = l->io->time->next(l->io);
        next = simulated < next ? simulated : next;
    }
    *forever = next == INT64_MAX;
    if (*forever)
        return -1;
    int64_t now = aw_clock_now(&l->clock);
    return next > now ? next - now : 0;
}

static int poll_kernel(aw_loop *l, int64_t timeout)
{
    aw_list completed;
    aw_list_init(&completed);
    int err = timeout ? aw_inbox_sleep(l, timeout, &completed)
                      : l->io->backend->poll(l->io, 0, &completed);
    if (err < 0 && err != -EINTR)
        return aw_fail(err, "the loop could not poll the kernel");
    if (l->seeded)
        aw_shuffle_completed(l, &completed);
    finish_operations(&completed);
    return 0;
}

/* In a plain aw_run(): could anything but time and the kernel wake a task? */
static bool nobody_outside(aw_loop *l)
{
    bool by_signal = l->stop_set && !aw_list_empty(&l->stop_waiters);
    return l->detect_deadlock && !l->exposed && !l->outside && !by_signal &&
           !atomic_load(&l->attention);
}

/* Before going to sleep, let those run who work for this loop: to be woken by them costs more. */
static bool job_ends_meanwhile(const aw_loop *l)
{
    if (!l->jobs)
        return false;
    aw_thread_yield();
    return aw_inbox_filled(l);
}

/* A test waits until nothing is left to do; what the kernel has already is to be done before. */
static int wake_idle_waiter(aw_loop *l, bool in_flight)
{
    if (in_flight)
        AW_TRY(poll_kernel(l, 0));
    if (!l->ready.head)
        aw_wake_one_idle(l);
    return 0;
}

/* An interrupted wait leaves the clock alone until the rest has passed too: what is due is due at
 * its time, and not some nanoseconds later. */
static int wait_in_virtual_time(aw_loop *l, int64_t timeout, bool in_flight)
{
    if (in_flight) {
        int64_t began = aw_clock_real();
        AW_TRY(poll_kernel(l, timeout > l->waited ? timeout - l->waited : 0));
        bool came = l->ready.head || aw_inbox_filled(l);
        l->waited = came ? 0 : l->waited + aw_clock_real() - began;
        if (came || l->waited < timeout)
            return 0;
    }
    l->waited = 0;
    l->clock.virtual_now += timeout;
    return l->io->time ? poll_kernel(l, 0) : 0;
}

/* Has something come?  While the kernel has operations it is asked too. */
static bool something_came(void *arg)
{
    aw_loop *l = arg;
    if (aw_inbox_filled(l) || atomic_load_explicit(&l->attention, memory_order_relaxed))
        return true;
    return l->io->in_flight > 0 && (poll_kernel(l, 0) < 0 || l->ready.head);
}

/* About to sleep: give back memory first, or in time.  How long to sleep then.  A loop with few
 * stacks keeps them: it may be one that sleeps and is woken all the time, and a time limit for each
 * sleep costs more than they are worth. */
static int64_t rest_stacks(aw_loop *l, int64_t timeout)
{
    int64_t next = aw_stack_pool_rest(&l->stacks, aw_clock_real());
    if (next == INT64_MAX)
        return timeout;
    return timeout < 0 || next < timeout ? next : timeout;
}

/* Time is real, or there is none to wait for; `timeout` < 0: for ever. */
static int wait_awake_or_asleep(aw_loop *l, int64_t timeout)
{
    if (timeout != 0 && l->stacks.bytes_made > STACKS_KEPT && aw_stack_pool_wants_rest(&l->stacks))
        timeout = rest_stacks(l, timeout);
    int64_t now = l->spin.ns ? aw_clock_real() : 0;
    int64_t deadline = timeout < 0 || timeout > INT64_MAX - now ? INT64_MAX : now + timeout;
    if (timeout != 0 && aw_spin_until(&l->spin, something_came, l, deadline))
        return 0;
    return poll_kernel(l, timeout);
}

/* Wait until there is something to do. */
static int wait_for_work(aw_loop *l)
{
    bool forever;
    if (job_ends_meanwhile(l))
        return 0;
    int64_t timeout = time_to_wait(l, &forever);
    bool in_flight = aw_io_outside(l->io) > 0 || l->jobs > 0;
    if (!aw_list_empty(&l->idle_waiters) && timeout != 0) /* a timer that is due comes first */
        return wake_idle_waiter(l, in_flight);
    if (forever && !in_flight && nobody_outside(l))
        return -EDEADLK;
    if (!l->clock.is_virtual || forever)
        return wait_awake_or_asleep(l, timeout);
    return wait_in_virtual_time(l, timeout, in_flight);
}

static int pass(aw_loop *l)
{
    if (AW_UNLIKELY(atomic_load_explicit(&l->attention, memory_order_relaxed)))
        aw_loop_attend(l);
    if (aw_inbox_filled(l))
        aw_inbox_take(l);
    if (!l->ready.head && !l->stop)
        AW_TRY(wait_for_work(l));
    else if (l->io->in_flight)
        AW_TRY(poll_kernel(l, 0));
    if (l->timers.count)
        aw_timers_fire(&l->timers, aw_clock_now(&l->clock));
    l->batch = l->ready;
    l->ready.head = NULL;
    if (AW_UNLIKELY(l->shuffle))
        aw_shuffle_batch(l);
    aw_sched_run_batch(l);
    return 0;
}

int aw_loop_passes(aw_loop *l)
{
    int err = 0;
    for (;;) {
        err = pass(l);
        if (err < 0 || l->stop == AW_STOP_THIS_PASS || l->one_pass)
            break;
        if (l->stop == AW_STOP_NEXT_PASS)
            l->stop = AW_STOP_THIS_PASS;
    }
    l->stop = AW_STOP_NO;
    return err;
}

/* ---- asking and telling ---- */

int aw_loop_stop(aw_loop *l)
{
    if (!l)
        return aw_null_handle();
    AW_TRY(aw_loop_check(l));
    if (l->closed)
        return aw_fail(AW_EMISUSE, "the loop is closed");
    l->stop = AW_STOP_THIS_PASS;
    return 0;
}

bool aw_loop_is_running(aw_loop *l)
{
    return l && atomic_load_explicit(&l->owner, memory_order_relaxed) != NULL;
}

bool aw_loop_is_closed(aw_loop *l)
{
    return l && aw_inbox_closed(l);
}

aw_loop *aw_running_loop(void)
{
    aw_loop *l = aw_self.loop;
    if (!l)
        return aw_null(aw_no_loop());
    l->exposed = true;
    return l;
}

aw_loop *aw_loop_of_task(void)
{
    aw_loop *l = aw_self.loop;
    return l && l->current ? l : aw_null(aw_no_loop());
}

aw_loop *aw_loop_here_quietly(void)
{
    aw_loop *l = aw_self.loop;
    return l ? l : aw_null(aw_no_loop());
}

double aw_loop_time(aw_loop *l)
{
    return l ? (double)aw_clock_now(&l->clock) / 1e9 : 0;
}

double aw_time(void)
{
    aw_loop *l = aw_self.loop;
    return (double)(l ? aw_clock_now(&l->clock) : aw_clock_real()) / 1e9;
}

double aw_wall_time(void)
{
    return (double)aw_clock_wall() / 1e9;
}

double aw_left(double deadline)
{
    double left = deadline - aw_time();
    return left == 0 ? -1e-9 : left;
}

void aw_loop_set_debug(aw_loop *l, bool on)
{
    if (!l || aw_loop_check(l) < 0)
        return;
    l->debug = on;
    l->watched = on || l->on_suspend || l->seeded;
    l->step_began = aw_clock_now(&l->clock);
}

bool aw_loop_debug(aw_loop *l)
{
    return l && l->debug;
}

int aw_loop_set_slow_step(aw_loop *l, double seconds)
{
    if (!l)
        return aw_null_handle();
    AW_TRY(aw_loop_check(l));
    if (isnan(seconds) || seconds < 0)
        return aw_fail(-EINVAL, "the duration is negative or NaN");
    l->slow_ns = aw_ns_from_seconds(seconds);
    return 0;
}

int aw_loop_set_exception_handler(aw_loop *l, aw_exception_handler *handler, void *arg)
{
    if (!l)
        return aw_null_handle();
    AW_TRY(aw_loop_check(l));
    l->handler = handler;
    l->handler_arg = arg;
    return 0;
}

int aw_loop_set_task_factory(aw_loop *l, aw_task_factory *factory, void *arg)
{
    if (!l)
        return aw_null_handle();
    AW_TRY(aw_loop_check(l));
    l->factory = factory;
    l->factory_arg = arg;
    return 0;
}
