/*
 * wait.h - those who wait for a primitive: one record each, on the waiting task's own stack.
 *
 * A primitive is a few plain fields and a line of waiters, first come first.  Having to wait means:
 *
 *     AW_TRY(aw_sync_claim(...));             the primitive is this loop's, or it is an error
 *     struct aw_waiter w = AW_WAITER(...);
 *     int err = aw_waiter_sleep(&line, &w);   in line, until
 *                                               aw_waiter_wake(): taken out, and granted something
 *                                               or the task is cancelled: taken out, -ECANCELED
 *     if (err < 0 && aw_waiter_granted(&w))   both, one after the other within a pass: what was
 *         pass it on;                         granted belongs to the next in line
 *
 * which is where asyncio's primitives have a future in a deque.  A future that is done and still in
 * the deque has no counterpart here, except with the lock, whose meaning depends on it: its waiters
 * stay in line until they run (`stays`).
 *
 * The line is a circle of links without a head, so that zeros are an empty one.
 */
#ifndef AW_SYNC_WAIT_H
#define AW_SYNC_WAIT_H

#include "core/core.h"

struct aw_waiter {
    aw_list link;
    aw_waiters *line;
    bool stays; /* in line until it runs, woken or not: the sleeper takes it out */
    struct aw_wait wait;
};

/* A call that waits, as reports name it. */
struct aw_sync_call {
    const struct aw_wait_kind *kind;
    void *object;       /* the primitive, for kind->describe() */
    const void *caller; /* return address of the public call */
};

/* The kind of a public call that waits. */
#define AW_SYNC_KIND(call_, describe_)                                                             \
    {                                                                                              \
        .name = (call_), .cancel = aw_waiter_cancel, .drop = aw_waiter_drop,                       \
        .describe = (describe_)                                                                    \
    }

/* The running task, or NULL: then aw_no_loop() is the answer. */
static inline struct aw_tcb *aw_sync_task(void)
{
    aw_loop *l = aw_self.loop;
    return AW_LIKELY(l != NULL) ? l->current : NULL;
}

/* The running task has to wait for a primitive whose owner field this is.  `in_use`: by its waiters
 * or holders, so that it cannot change hands.  0 or AW_ETHREAD with the text as detail. */
static inline int aw_sync_claim(uint64_t *owner, bool in_use, const char *text)
{
    uint64_t here = aw_self.loop->id;
    if (AW_UNLIKELY(*owner != here)) {
        if (*owner && in_use)
            return aw_fail(AW_ETHREAD, text);
        *owner = here;
    }
    return 0;
}

/* May this thread wake those in line? */
static inline int aw_waiters_check(const aw_waiters *line)
{
    return line->first ? aw_loop_check(line->first->wait.task->fut.loop) : 0;
}

static inline void aw_waiters_add(aw_waiters *line, struct aw_waiter *w)
{
    w->line = line;
    aw_list_init(&w->link);
    if (line->first)
        aw_list_insert_before(&line->first->link, &w->link);
    else
        line->first = w;
}

/* The next of a circle of several; of one, itself. */
static inline struct aw_waiter *aw_waiter_next(const struct aw_waiter *w)
{
    return aw_container_of(w->link.next, struct aw_waiter, link);
}

static inline void aw_waiters_remove(struct aw_waiter *w)
{
    struct aw_waiter *next = aw_waiter_next(w);
    if (w->line->first == w)
        w->line->first = next != w ? next : NULL;
    next->link.prev = w->link.prev;
    w->link.prev->next = &next->link;
}

/* Is it in line?  From going to sleep until it is woken or, if it stays, until it runs. */
static inline bool aw_waiter_in_line(const struct aw_waiter *w)
{
    return w->stays || !w->wait.woken;
}

/* Take one that sleeps out of line and make it run in the next pass.  Only what
 * aw_waiters_check() allows. */
static inline void aw_waiter_wake(struct aw_waiter *w)
{
    if (!w->stays)
        aw_waiters_remove(w);
    aw_wake(&w->wait, 0);
}

/* Was it woken, and not cancelled before that? */
static inline bool aw_waiter_granted(const struct aw_waiter *w)
{
    return w->wait.woken && w->wait.result != -ECANCELED;
}

/* Join the line and sleep.  0 if it was woken, -ECANCELED if the task was cancelled before or
 * since; the waiter is not in line afterwards. */
static inline int aw_waiter_sleep(aw_waiters *line, struct aw_waiter *w,
                                  const struct aw_sync_call *call)
{
    w->wait = (struct aw_wait){.kind = call->kind, .object = call->object, .caller = call->caller};
    aw_waiters_add(line, w);
    int err = aw_suspend(aw_self.loop->current, &w->wait);
    if (aw_waiter_in_line(w))
        aw_waiters_remove(w);
    return err;
}

/* What the kinds have in common: a wait is broken off; a loop closes over the waiting task. */
bool aw_waiter_cancel(struct aw_wait *w);
void aw_waiter_drop(struct aw_wait *w);

/* "lock, 3 waiting" */
void aw_waiters_describe(const aw_waiters *line, const char *what, aw_buf *out);

/* ---- lock.c ---- */

/* Acquire, as what `call` says; and again after a wait, come what may: returns `err`, or the latest
 * cancellation that arrived meanwhile.  AW_ETHREAD: it could not be taken. */
int aw_lock_acquire_as(aw_lock *lock, const struct aw_sync_call *call);
int aw_lock_retake(aw_lock *lock, const struct aw_sync_call *call, int err);

/* ---- condition.c ---- */

/* aw_condition_wait() as two calls: for the notification, and for the lock afterwards. */
int aw_condition_wait_as(aw_condition *cond, const struct aw_sync_call *wait,
                         const struct aw_sync_call *retake);
/* Notify, with the lock held or not. */
int aw_condition_wake(aw_condition *cond, int n);

#endif
