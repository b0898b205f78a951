/*
 * sched.c - who runs next: the ready queue, putting tasks to sleep, waking them.
 *
 * A task that suspends switches straight to the next ready task; the loop's own stack is visited
 * only when there is something to do that needs it: polling the kernel, looking at the clock,
 * running a callback (which must not run on a task's small stack).
 *
 * Invariants
 *   1. Exactly one of these runs: loop->current's stack, or the loop's own (current == NULL).
 *   2. A task is in one state: running (wait == NULL, is current or an ancestor by eager start),
 *      asleep (wait != NULL, !wait->woken, its `ready` item on no queue), or ready (its item is on
 *      `batch` or `ready`, once).
 *   3. aw_wake() is called once per wait: whoever wakes has first taken the wait's watch, timer or
 *      operation off its list, and a canceller asks `woken` before it acts.
 *   4. What becomes ready during a pass goes to `ready`, never to `batch`: so a pass ends.
 */
#include <stdio.h>

#include "core/core.h"

int aw_no_loop(void)
{
    if (aw_self.forked)
        return aw_fail(AW_EFORKED, "the loop belongs to the parent of this process");
    if (aw_self.loop)
        return aw_fail(AW_EMISUSE, "only a task can wait, and no task is running");
    return aw_fail(AW_EMISUSE, "no loop is running in this thread");
}

int aw_loop_check_slow(const aw_loop *l)
{
    if (l->fork_generation != aw_fork_generation())
        return aw_fail(AW_EFORKED, "the loop belongs to the parent of this process");
    const struct aw_thread *owner = atomic_load_explicit(&l->owner, memory_order_relaxed);
    if (!owner || owner == &aw_self)
        return 0;
    char text[96];
    snprintf(text, sizeof text, "the loop runs in thread %ld, the call came from thread %ld",
             atomic_load_explicit(&l->owner_number, memory_order_relaxed), aw_thread_id());
    struct aw_text *msg = aw_text_new(text);
    aw_fail_text(AW_ETHREAD, msg);
    aw_text_unref(msg);
    return AW_ETHREAD;
}

/* ---- steps, when somebody looks at them ---- */

static AW_NOINLINE void task_step_ended(aw_loop *l, struct aw_tcb *t)
{
    if (l->on_suspend && t->wait)
        l->on_suspend(t, l->on_suspend_arg);
    if (l->seeded)
        aw_trace_step(l, t->id);
    int64_t took = aw_step_took(l);
    if (took >= 0)
        aw_report_slow_step(t, took);
    aw_step_begin(l);
}

static inline void step_end(aw_loop *l, struct aw_tcb *t)
{
    if (AW_UNLIKELY(l->watched))
        task_step_ended(l, t);
}

void aw_loop_set_suspend_hook(aw_loop *l, void (*hook)(struct aw_tcb *t, void *arg), void *arg)
{
    l->on_suspend = hook;
    l->on_suspend_arg = arg;
    l->watched = l->debug || hook || l->seeded;
}

/* ---- choosing ---- */

/* May a new pass begin without a visit to the loop's own stack?  Only if that visit would find
 * nothing: no operation in flight, no timer, nobody who wants to stop, no call from outside. */
static inline bool may_turn(const aw_loop *l)
{
    return l->ready.head && !l->timers.count && !l->stop && !l->io->in_flight && !l->seeded &&
           !aw_inbox_filled(l) && !atomic_load_explicit(&l->attention, memory_order_relaxed);
}

/* While one task runs, the lines come that the switch to the one after it will touch. */
static inline void fetch_ahead(const aw_fifo_node *node)
{
    const struct aw_ready *item = aw_container_of(node, struct aw_ready, link);
    __builtin_prefetch(item);
    __builtin_prefetch(aw_container_of(item, struct aw_tcb, ready)); /* of a callback: harmless */
}

/* The next task, if it is one and can be switched to from here; taken off the queue. */
static inline struct aw_tcb *next_task(aw_loop *l)
{
    if (!l->batch.head) {
        if (!may_turn(l))
            return NULL;
        l->batch = l->ready;
        l->ready.head = NULL;
    }
    struct aw_ready *item = aw_container_of(l->batch.head, struct aw_ready, link);
    if (item->run)
        return NULL;
    aw_fifo_pop(&l->batch);
    struct aw_tcb *t = aw_container_of(item, struct aw_tcb, ready);
    if (l->batch.head)
        fetch_ahead(l->batch.head);
    return t;
}

static inline void make_current(aw_loop *l, struct aw_tcb *t)
{
    l->current = t;
    l->context = t ? &t->context : NULL;
}

/* Who goes on when the running task `t` stops running: the one that started it eagerly, the next
 * ready task, or the loop's own stack. */
static inline struct aw_fiber *successor(aw_loop *l, struct aw_tcb *t)
{
    if (AW_UNLIKELY(t->eager_parent != NULL)) {
        struct aw_fiber *parent = t->eager_parent;
        t->eager_parent = NULL;
        make_current(l, t->eager_task);
        return parent;
    }
    struct aw_tcb *next = next_task(l);
    make_current(l, next);
    return next ? &next->fiber : &l->main;
}

static inline void sleep_now(aw_loop *l, struct aw_tcb *t)
{
    step_end(l, t);
    struct aw_fiber *to = successor(l, t);
    if (to != &t->fiber)
        aw_fiber_switch(&t->fiber, to);
    aw_assert(l->current == t);
}

/* ---- sleeping and waking ---- */

/* A cancellation that came while the task ran is turned on the thing it is about to wait for, as
 * asyncio does: it arrives one pass later, like any other. */
static AW_NOINLINE void cancel_before_sleep(struct aw_tcb *t, struct aw_wait *w)
{
    if (t->fut.loop->hard) {
        aw_cancel_begin_round(t->fut.loop);
        aw_hard_cancel(t, w);
        aw_cancel_queued(t->fut.loop);
        return;
    }
    if (!w->kind->cancel) {
        t->must_cancel = !aw_cancel_request(w->object, t->cancel_msg);
        return;
    }
    aw_cancel_begin_round(t->fut.loop);
    aw_ignore(w->kind->cancel(w));
    aw_cancel_queued(t->fut.loop);
}

/* Did what the task waited for take effect, so that its result is not to be lost? */
static bool took_effect(const struct aw_wait *w)
{
    struct aw_job *job = aw_job_waited_for(w);
    if (job)
        return job->fut.state == AW_FINISHED || job->fut.state == AW_FAILED;
    return w->kind->effect_wins && w->result != -ECANCELED;
}

/* The cancellation reaches the task here, unless it has to wait for the next time. */
static AW_NOINLINE int deliver_cancel(struct aw_tcb *t, const struct aw_wait *w)
{
    if (took_effect(w))
        return w->result;
    t->must_cancel = false;
    return aw_fail_text(-ECANCELED, t->cancel_msg);
}

/* The running loop is the task's; to ask for it is cheaper than to look into the task. */
static inline __attribute__((always_inline)) int suspend(aw_loop *l, struct aw_tcb *t,
                                                         struct aw_wait *w)
{
    aw_assert(l->current == t && !t->wait);
    aw_scope_check(t);
    w->task = t;
    t->wait = w;
    t->suspensions++;
    if (AW_UNLIKELY(t->must_cancel || l->hard) && !w->woken)
        cancel_before_sleep(t, w);
    sleep_now(l, t);
    aw_assert(w->woken);
    t->wait = NULL;
    if (AW_UNLIKELY(t->must_cancel || w->result == -ECANCELED))
        return deliver_cancel(t, w);
    return w->result;
}

int aw_suspend(struct aw_tcb *t, struct aw_wait *w)
{
    return suspend(aw_self.loop, t, w);
}

void aw_wake(struct aw_wait *w, int result)
{
    aw_assert(!w->woken);
    w->woken = true;
    w->result = result;
    if (AW_UNLIKELY(w->task->given_up))
        return;
    aw_ready_push(w->task->fut.loop, &w->task->ready);
}

static const struct aw_wait_kind yield_kind = {.name = "aw_sleep"};

int aw_yield(aw_loop *l, struct aw_tcb *t, const void *caller)
{
    struct aw_wait w = {.kind = &yield_kind, .task = t, .caller = caller, .woken = true};
    if (AW_UNLIKELY(l->hard))
        aw_hard_yield(t); /* before it is queued: it may be given up here */
    if (AW_LIKELY(!t->given_up))
        aw_ready_push(l, &t->ready);
    return suspend(l, t, &w);
}

/* ---- the ends of a task ---- */

void aw_sched_exit(struct aw_tcb *t)
{
    aw_loop *l = t->fut.loop;
    step_end(l, t);
    aw_task_unref(t); /* the loop's reference: often the last, and the stack is the pool's now */
    aw_fiber_exit_to(&t->fiber, successor(l, t));
}

void aw_sched_eager(aw_loop *l, struct aw_tcb *t)
{
    struct aw_tcb *me = l->current;
    aw_context **context = l->context;
    struct aw_fiber *here = me ? &me->fiber : &l->main;
    t->eager_parent = here;
    t->eager_task = me;
    if (me)
        step_end(l, me); /* what follows is another's step */
    make_current(l, t);
    aw_fiber_switch(here, &t->fiber);
    aw_assert(l->current == me);
    l->context = context;
}

/* ---- the loop's own stack ---- */

static void run_task(aw_loop *l, struct aw_tcb *t)
{
    make_current(l, t);
    aw_fiber_switch(&l->main, &t->fiber);
    aw_assert(!l->current);
}

void aw_sched_run_batch(aw_loop *l)
{
    aw_fifo_node *node;
    aw_step_begin(l);
    while ((node = aw_fifo_pop(&l->batch)) != NULL) {
        struct aw_ready *item = aw_container_of(node, struct aw_ready, link);
        if (item->run)
            item->run(item);
        else
            run_task(l, aw_container_of(item, struct aw_tcb, ready));
    }
}
