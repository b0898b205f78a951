/*
 * timeout.c - time limits: a timer that cancels the task, and the one who set it takes that back.
 *
 * Inside the limit, expiry is a cancellation like any other.  On the way out the limit takes its
 * own request back; if none is left that was not there at the beginning, the -ECANCELED was its
 * own and becomes -ETIMEDOUT.  A request from elsewhere stays, and so does its -ECANCELED.
 */
#include <math.h>

#include "core/core.h"

_Static_assert(sizeof(struct aw_timer) <= sizeof((aw_timeout *)0)->timer,
               "the public struct has room for the private one");

static struct aw_timer *timer_of(aw_timeout *tm)
{
    return (struct aw_timer *)(void *)tm->timer;
}

static void expire(struct aw_timer *timer)
{
    aw_timeout *tm = aw_container_of((void *)timer, aw_timeout, timer);
    tm->expired = true;
    aw_cancel_request(tm->scope.task, NULL);
}

static int64_t deadline_of(double when)
{
    return isinf(when) && when > 0 ? INT64_MAX : aw_ns_from_seconds(when);
}

/* Begin a limit of the running task; the arguments are good. */
static void begin(aw_timeout *tm, struct aw_tcb *t, int64_t deadline, const aw_scope_opts *opts)
{
    aw_scope_open(&tm->scope, t, "aw_timeout", opts->file, opts->line);
    tm->requests_before = t->cancel_requests;
    tm->expired = false;
    tm->when = deadline == INT64_MAX ? (double)INFINITY : (double)deadline / 1e9;
    *timer_of(tm) = (struct aw_timer){.fire = expire};
    aw_timer_set(&t->fut.loop->timers, timer_of(tm), deadline);
}

/* End it: what `err` becomes on the way out. */
static int end(aw_timeout *tm, struct aw_tcb *t, int err)
{
    aw_timer_cancel(&t->fut.loop->timers, timer_of(tm));
    aw_scope_close(&tm->scope, t);
    if (!tm->expired)
        return err;
    int left = aw_uncancel(&t->fut);
    if (err == -ECANCELED && left <= (int)tm->requests_before)
        return aw_fail(-ETIMEDOUT, NULL);
    return err;
}

/* The running task, for calls that need one; NULL with the error recorded. */
static struct aw_tcb *task_here(double seconds, int *err)
{
    aw_loop *l = aw_self.loop;
    *err = 0;
    if (!l || !l->current)
        *err = aw_no_loop();
    else if (isnan(seconds))
        *err = aw_fail(-EINVAL, "the time limit is NaN");
    return *err < 0 ? NULL : l->current;
}

static const aw_scope_opts nowhere = {.file = "aw_timeout_call", .line = 0};

int aw_timeout_call(double seconds, aw_fn *fn, void *arg)
{
    int err;
    struct aw_tcb *t = task_here(seconds, &err);
    if (!t)
        return err;
    if (!fn)
        return aw_fail(-EINVAL, "the function is NULL");
    aw_timeout tm = AW_TIMEOUT_INIT;
    begin(&tm, t, aw_deadline_in(t->fut.loop, seconds), &nowhere);
    return end(&tm, t, fn(arg));
}

/* ---- enter, exit, reschedule ---- */

static int enter(aw_timeout *tm, double seconds, bool absolute, const aw_scope_opts *opts)
{
    int err;
    struct aw_tcb *t = task_here(seconds, &err);
    if (!t)
        return err;
    if (!tm)
        return aw_fail(-EINVAL, "the time limit is NULL");
    if (tm->scope.state != AW_SCOPE_FRESH)
        return aw_fail(AW_EMISUSE, "the time limit has been entered before");
    begin(tm, t, absolute ? deadline_of(seconds) : aw_deadline_in(t->fut.loop, seconds), opts);
    if (absolute)
        tm->when = seconds;
    else if (seconds < 0)
        tm->when += seconds; /* in the past */
    return 0;
}

int aw_timeout_enter_(aw_timeout *tm, double seconds, const aw_scope_opts *opts)
{
    return enter(tm, seconds, false, opts);
}

int aw_timeout_enter_at_(aw_timeout *tm, double when, const aw_scope_opts *opts)
{
    return enter(tm, when, true, opts);
}

/* Is it entered, by the running task? */
static struct aw_tcb *open_here(const aw_timeout *tm)
{
    aw_loop *l = aw_self.loop;
    bool open = tm && l && l->current && tm->scope.state == AW_SCOPE_OPEN;
    return open && tm->scope.task == &l->current->fut ? l->current : NULL;
}

int aw_timeout_exit(aw_timeout *tm, int err)
{
    struct aw_tcb *t = open_here(tm);
    if (!t)
        return err < 0 ? err : aw_fail(AW_EMISUSE, "the limit is not entered by this task");
    return end(tm, t, err);
}

int aw_timeout_reschedule(aw_timeout *tm, double when)
{
    if (!tm || isnan(when))
        return aw_fail(-EINVAL, "the time limit is NULL, or its new time NaN");
    if (tm->scope.state != AW_SCOPE_OPEN || tm->expired)
        return aw_fail(AW_EMISUSE, "the limit is not entered, or over");
    aw_loop *l = tm->scope.task->loop;
    AW_TRY(aw_loop_check(l));
    aw_timer_cancel(&l->timers, timer_of(tm));
    aw_timer_set(&l->timers, timer_of(tm), deadline_of(when));
    tm->when = when;
    return 0;
}

double aw_timeout_when(const aw_timeout *tm)
{
    return tm ? tm->when : 0;
}

bool aw_timeout_expired(const aw_timeout *tm)
{
    return tm && tm->expired;
}

void aw_timeout_guard_exit(struct aw_timeout_guard *guard)
{
    if (guard->tm.scope.state == AW_SCOPE_OPEN)
        *guard->err = aw_timeout_exit(&guard->tm, *guard->err);
}

/* ---- one future ---- */

static const struct aw_wait_kind wait_for_kind = {.name = "aw_wait_for", .drop = aw_await_drop};

/* A limit that is over before it began: cancel, wait for the end, and see what came of it. */
static int cancel_and_wait(aw_future *f, const void *caller)
{
    aw_cancel_request(f, NULL);
    struct aw_tcb *t = aw_self.loop->current;
    uint32_t requests = t->cancel_requests;
    int err = aw_await_as(f, &wait_for_kind, caller);
    if (err == -ECANCELED && t->cancel_requests == requests)
        return aw_fail(-ETIMEDOUT, NULL);
    return err;
}

int aw_wait_for(aw_future *f, double seconds)
{
    const void *caller = __builtin_return_address(0);
    int err;
    struct aw_tcb *t = task_here(seconds, &err);
    if (!t)
        return err;
    AW_TRY(aw_future_check(f));
    if (f->state != AW_PENDING)
        return aw_future_outcome(f);
    if (f == &t->fut || f->loop != t->fut.loop)
        return aw_await_as(f, &wait_for_kind, caller); /* which says what is wrong */
    if (seconds <= 0)
        return cancel_and_wait(f, caller);
    aw_timeout tm = AW_TIMEOUT_INIT;
    begin(&tm, t, aw_deadline_in(t->fut.loop, seconds), &nowhere);
    return end(&tm, t, aw_await_as(f, &wait_for_kind, caller));
}
