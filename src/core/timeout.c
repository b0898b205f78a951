/*
 * timeout.c - time limits: a timer that cancels the task, and the one who set it takes that back.
 *
 * Inside the limit, expiry is a cancellation like any other.  On the way out the limit takes its
 * own request back; if none is left that was not there at the beginning, the -ECANCELED was its
 * own and becomes -ETIMEDOUT.  A request from elsewhere stays, and so does its -ECANCELED.
 */
#include <math.h>

#include "core/core.h"

static void expire(struct aw_timer *timer)
{
    struct aw_limit *m = aw_container_of(timer, struct aw_limit, timer);
    m->expired = true;
    aw_cancel_request(&m->task->fut, NULL);
}

void aw_limit_begin(struct aw_limit *m, struct aw_tcb *t, int64_t deadline)
{
    *m = (struct aw_limit){
        .timer = {.fire = expire}, .task = t, .requests_before = t->cancel_requests};
    aw_timer_set(&t->fut.loop->timers, &m->timer, deadline);
}

int aw_limit_end(struct aw_limit *m, int err)
{
    struct aw_tcb *t = m->task;
    aw_timer_cancel(&t->fut.loop->timers, &m->timer);
    if (!m->expired)
        return err;
    int left = aw_uncancel(&t->fut);
    if (err == -ECANCELED && left <= (int)m->requests_before)
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

int aw_timeout_call(double seconds, aw_fn *fn, void *arg)
{
    int err;
    struct aw_tcb *t = task_here(seconds, &err);
    if (!t)
        return err;
    if (!fn)
        return aw_fail(-EINVAL, "the function is NULL");
    struct aw_limit m;
    aw_limit_begin(&m, t, aw_deadline_in(t->fut.loop, seconds));
    return aw_limit_end(&m, fn(arg));
}

static const struct aw_wait_kind wait_for_kind = {.name = "aw_wait_for"};

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
    struct aw_limit m;
    aw_limit_begin(&m, t, aw_deadline_in(t->fut.loop, seconds));
    return aw_limit_end(&m, aw_await_as(f, &wait_for_kind, caller));
}
