/*
 * cancel.c - cancelling the task that is just falling asleep, and looking what comes of it.
 *
 * The loop calls a hook whenever a task goes to sleep; the k-th time, that task is cancelled there
 * and then, or a moment later.  Whatever the scenario makes of it, these must be so, and are
 * looked at where every task wakes up (aw_suspend() is wrapped by the linker):
 *
 *   - the wait that was broken off says so: it returns -ECANCELED, except that an operation which
 *     took effect returns that, and that what an awaited future answers is its own affair;
 *   - it says so once: the next -ECANCELED belongs to another request.
 *
 * One loop in one thread is disturbed in a run, so what is known of its task is that thread's own.
 */
#include <string.h>

#include "core/core.h"
#include "fault/inject.h"

/* The task that was cancelled. */
static _Thread_local struct {
    struct aw_tcb *task;  /* NULL: none yet, or no longer of interest */
    struct aw_wait *wait; /* the one that was broken off; NULL: it has returned */
    uint32_t requests;    /* the count after that */
    bool again;           /* its next suspension is disturbed too */
    bool owed;            /* the wait had an effect, and the request reaches a later one */
} victim;

void cancel_begin(void)
{
    memset(&victim, 0, sizeof victim);
}

/* ---- cancelling ---- */

static int cancel_it(void *arg)
{
    aw_cancel(arg);
    return 0;
}

/* In the next pass, and in the one in which the next timer is due: what the task waits for may
 * happen before, after, or at the same time. */
static void cancel_later(struct aw_tcb *t, bool with_timer)
{
    int64_t due = aw_timers_next(&t->fut.loop->timers);
    if (with_timer && due != INT64_MAX)
        assert_int_equal(aw_call_at((double)due / 1e9, cancel_it, &t->fut), 0);
    else
        assert_int_equal(aw_call_soon(cancel_it, &t->fut), 0);
}

static void cancel_now(struct aw_tcb *t, const char *msg)
{
    aw_cancel(&t->fut, .msg = msg);
    victim.task = t;
    victim.wait = t->wait;
    victim.requests = t->cancel_requests;
}

/* Time passes before the cancelled task runs: the next timer is due as well. */
static void reach_next_timer(aw_loop *l)
{
    int64_t due = aw_timers_next(&l->timers), now = aw_clock_now(&l->clock);
    if (due != INT64_MAX && due > now)
        aw_loop_advance(l, (double)(due - now) / 1e9);
}

static void disturb(struct aw_tcb *t, const char *how)
{
    keep(aw_ref(&t->fut)); /* nobody else gets its block meanwhile */
    if (strcmp(how, "next_pass") == 0) {
        cancel_later(t, false);
    } else if (strcmp(how, "with_timer") == 0) {
        cancel_later(t, true);
    } else {
        cancel_now(t, "swept");
        if (strcmp(how, "twice") == 0)
            cancel_now(t, NULL);
        if (strcmp(how, "before_timer") == 0)
            reach_next_timer(t->fut.loop);
        victim.again = strcmp(how, "again") == 0;
    }
}

static void on_suspend(struct aw_tcb *t, void *arg)
{
    (void)arg;
    const struct fault *fault = inject_suspension();
    if (fault) {
        disturb(t, fault->name);
    } else if (t == victim.task && victim.again) {
        victim.again = false;
        cancel_now(t, NULL);
    } else if (t == victim.task && t->cancel_requests < victim.requests) {
        victim.task = NULL; /* it took the request back, and may be asked anew */
    }
}

void inject_watch(aw_loop *l)
{
    aw_loop_set_suspend_hook(l, on_suspend, NULL);
}

/* ---- what comes of it ---- */

/* A group puts a request from outside back, when it has a failure to tell first. */
static bool in_group(const struct aw_tcb *t)
{
    for (const aw_scope *s = t->scopes; s; s = s->outer)
        if (strcmp(s->what, "aw_group") == 0)
            return true;
    return false;
}

static void woken(const struct aw_tcb *t, const struct aw_wait *w, int result)
{
    bool answers_itself = w->kind->cancel && !w->kind->effect_wins;
    if (w == victim.wait) {
        victim.wait = NULL;
        victim.owed = result != -ECANCELED; /* an effect, also of a job that was at work already */
        if (answers_itself && result != -ECANCELED)
            wrong("a wait that was cancelled returns -ECANCELED", w->kind->name, result);
        if (in_group(t))
            victim.task = NULL;
    } else if (answers_itself && result == -ECANCELED && t->cancel_requests <= victim.requests &&
               !t->fut.loop->hard) {
        if (!victim.owed)
            wrong("a cancellation is delivered once", w->kind->name, 0);
        victim.owed = false;
    }
}

int __real_aw_suspend(struct aw_tcb *t, struct aw_wait *w);
int __wrap_aw_suspend(struct aw_tcb *t, struct aw_wait *w);
int __wrap_aw_suspend(struct aw_tcb *t, struct aw_wait *w)
{
    int result = __real_aw_suspend(t, w);
    if (w->kind->effect_wins && w->result != -ECANCELED && result != w->result)
        wrong("what took effect is returned", w->kind->name, result);
    if (t == victim.task && disturbed())
        woken(t, w, result);
    return result;
}
