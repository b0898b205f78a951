/*
 * stop.c - ending what does not end by itself: the graceful stop, hard cancellation.
 *
 * A run that is asked to stop goes through stages, each of which waits for the one before:
 *
 *     wish        aw_stopping() turns true and aw_stop_wait() returns; nothing is cancelled
 *     cancel      `.grace` seconds later: every task is cancelled, once
 *     hard        `.hard` seconds after tasks were cancelled: every suspending call fails
 *     given up    `.hard` seconds later, or for a task that 1,000 failing calls did not move: it is
 *                 reported with its stack and never resumed; not while the kernel or a thread may
 *                 still write to a stack
 *
 * The end of any run begins at the second stage.
 */
#include "core/core.h"

#define HARD_DEFAULT 2.0
#define GRACE_DEFAULT 10.0
#define HARD_CALLS_MAX 1000 /* failing calls after which a task is given up */

/* ---- giving up ---- */

/* Who awaits a task that will never end is told. */
static void release_waiters(aw_future *f)
{
    aw_list_each_safe(link, &f->watchers)
    {
        const struct aw_watch *watch = aw_container_of(link, struct aw_watch, link);
        aw_future *waiter = watch->kind->waiter ? watch->kind->waiter(watch) : NULL;
        struct aw_wait *w = waiter && waiter->kind == AW_KIND_TASK ? aw_tcb_of(waiter)->wait : NULL;
        if (!w || w->woken || w->kind->cancel || w->object != f)
            continue;
        aw_tcb_of(waiter)->must_cancel = true;
        aw_ignore(aw_await_break(w));
    }
}

void aw_task_give_up(struct aw_tcb *t)
{
    aw_loop *l = t->fut.loop;
    aw_report_task(&t->fut, AW_REPORT_WOULD_NOT_STOP, "a task would not stop, and was given up");
    t->given_up = true;
    release_waiters(&t->fut);
    if (++l->n_given_up == l->n_tasks)
        l->stop = AW_STOP_THIS_PASS;
}

/* All tasks are given up: those that were about to run do not. */
static void drop_ready_tasks(aw_loop *l)
{
    aw_fifo callbacks = {0};
    aw_fifo_node *node;
    while ((node = aw_fifo_pop(&l->ready)) != NULL)
        if (aw_container_of(node, struct aw_ready, link)->run)
            aw_fifo_push(&callbacks, node);
    l->ready = callbacks;
}

static bool waits_for_job(const struct aw_tcb *t)
{
    return t->wait && !t->wait->woken && aw_job_waited_for(t->wait);
}

/* May somebody still write to a task's stack: the kernel, or a thread that does a job for it?  Each
 * such task is named if `tell`. */
static bool stacks_in_use(aw_loop *l, bool tell)
{
    bool in_use = l->io->in_flight > aw_fds_in_flight(l);
    aw_list_each(link, &l->tasks)
    {
        struct aw_tcb *t = aw_container_of(link, struct aw_tcb, all);
        if (!waits_for_job(t))
            continue;
        in_use = true;
        if (tell)
            aw_report_task(&t->fut, AW_REPORT_WOULD_NOT_STOP,
                           "a task cannot stop before the job that a thread does for it");
    }
    return in_use;
}

static void give_up_when_free(struct aw_timer *timer);

static void give_up_later(aw_loop *l, void (*fire)(struct aw_timer *timer))
{
    l->hard_timer.fire = fire;
    aw_timer_set(&l->timers, &l->hard_timer, aw_deadline_in(l, l->hard_after));
}

static void give_up_unless_in_use(aw_loop *l, bool tell)
{
    if (stacks_in_use(l, tell)) {
        give_up_later(l, give_up_when_free);
        return;
    }
    aw_list_each(link, &l->tasks)
    {
        struct aw_tcb *t = aw_container_of(link, struct aw_tcb, all);
        if (!t->given_up)
            aw_task_give_up(t);
    }
    drop_ready_tasks(l);
}

static void give_up_rest(struct aw_timer *timer)
{
    give_up_unless_in_use(aw_container_of(timer, aw_loop, hard_timer), true);
}

static void give_up_when_free(struct aw_timer *timer)
{
    give_up_unless_in_use(aw_container_of(timer, aw_loop, hard_timer), false);
}

/* ---- hard cancellation ---- */

/* Is it a wait for a task that ends by the same cancellation, and must not be outlived? */
static bool waits_for_an_end(const struct aw_wait *w)
{
    aw_future *f = w->kind->cancel ? NULL : w->object;
    if (w->kind->holds)
        return true;
    return f && f->kind == AW_KIND_TASK && !aw_tcb_of(f)->given_up;
}

/* A gather ends when its children have, a shield at once; a plain future is left alone. */
static void break_await(struct aw_wait *w)
{
    aw_future *f = w->object;
    bool follows = f->kind == AW_KIND_GATHER || f->kind == AW_KIND_SHIELD;
    if (!follows || !aw_cancel_request(f, NULL))
        aw_ignore(aw_await_break(w));
}

static void count_call(struct aw_tcb *t)
{
    if (++t->hard_calls > HARD_CALLS_MAX && !t->given_up)
        aw_task_give_up(t);
    t->must_cancel = true;
}

void aw_hard_yield(struct aw_tcb *t)
{
    count_call(t);
}

void aw_hard_cancel(struct aw_tcb *t, struct aw_wait *w)
{
    count_call(t);
    if (waits_for_an_end(w))
        return;
    struct aw_job *job = aw_job_waited_for(w);
    if (job && job->fut.state == AW_PENDING)
        aw_ignore(job->kind->cancel(job, t->cancel_msg));
    else if (!w->kind->cancel)
        break_await(w);
    else
        aw_ignore(w->kind->cancel(w));
}

static void become_hard(struct aw_timer *timer)
{
    aw_loop *l = aw_container_of(timer, aw_loop, hard_timer);
    l->hard = true;
    aw_list_each(link, &l->tasks)
    {
        struct aw_tcb *t = aw_container_of(link, struct aw_tcb, all);
        if (!t->wait || t->wait->woken)
            continue;
        aw_cancel_begin_round(l); /* one each: a wait may ask for more, in a round of its own */
        aw_hard_cancel(t, t->wait);
        aw_cancel_queued(l);
    }
    give_up_later(l, give_up_rest);
}

void aw_hard_begin(aw_loop *l)
{
    if (l->hard || aw_timer_is_set(&l->hard_timer))
        return;
    if (l->hard_after == 0)
        l->hard_after = HARD_DEFAULT;
    aw_timer_cancel(&l->timers, &l->grace_timer); /* tasks are cancelled once */
    l->hard_timer.fire = become_hard;
    aw_timer_set(&l->timers, &l->hard_timer, aw_deadline_in(l, l->hard_after));
}

void aw_hard_end(aw_loop *l)
{
    aw_timer_cancel(&l->timers, &l->hard_timer);
}

/* ---- the graceful stop ---- */

struct stop_wait {
    aw_list link; /* on loop->stop_waiters */
    struct aw_wait wait;
};

static bool stop_wait_cancel(struct aw_wait *w)
{
    aw_list_remove(&aw_container_of(w, struct stop_wait, wait)->link);
    aw_wake(w, -ECANCELED);
    return true;
}

static const struct aw_wait_kind stop_wait_kind = {.name = "aw_stop_wait",
                                                   .cancel = stop_wait_cancel};

bool aw_stopping(void)
{
    return aw_self.loop && aw_self.loop->stop_asked;
}

int aw_stop_wait(void)
{
    aw_loop *l = aw_self.loop;
    if (!l || !l->current)
        return aw_no_loop();
    if (l->stop_asked)
        return 0;
    struct stop_wait s = {.wait = {.kind = &stop_wait_kind, .caller = __builtin_return_address(0)}};
    aw_list_push_back(&l->stop_waiters, &s.link);
    return aw_suspend(l->current, &s.wait);
}

static void grace_over(struct aw_timer *timer)
{
    aw_loop *l = aw_container_of(timer, aw_loop, grace_timer);
    uint64_t epoch = l->cancel_epoch;
    aw_list_each(link, &l->tasks)
    {
        struct aw_tcb *t = aw_container_of(link, struct aw_tcb, all);
        if (t->cancel_epoch <= epoch) /* not by way of somebody who awaits it */
            aw_cancel_request(&t->fut, NULL);
    }
    aw_hard_begin(l);
}

static void ask_to_stop(aw_loop *l, int signo, void *arg)
{
    (void)arg;
    if (l->stop_asked) {
        aw_report_dump(l);
        aw_signal_die(signo);
    }
    l->stop_asked = true;
    aw_list *link;
    while ((link = aw_list_pop_front(&l->stop_waiters)) != NULL)
        aw_wake(&aw_container_of(link, struct stop_wait, link)->wait, 0);
    if (aw_timer_is_set(&l->hard_timer))
        return; /* the run is ending: its tasks have been cancelled */
    l->grace_timer.fire = grace_over;
    aw_timer_set(&l->timers, &l->grace_timer,
                 aw_deadline_in(l, l->grace > 0 ? l->grace : GRACE_DEFAULT));
}

int aw_stop_on(aw_loop *l, unsigned set, double grace)
{
    l->grace = grace;
    return set ? aw_loop_take_signals(l, set, false, ask_to_stop, NULL) : 0;
}

void aw_stop_off(aw_loop *l)
{
    aw_loop_give_signals_back(l);
    aw_timer_cancel(&l->timers, &l->grace_timer);
}
