/*
 * barrier.c - where a fixed number of parties wait for each other, round by round.
 *
 *              all have come            the last has left
 *     FILLING ---------------> DRAINING ---------------> FILLING
 *        |                        |
 *        | reset, with tasks in   | reset
 *        +----> RESETTING <-------+         the last has left: FILLING
 *
 *     abort: BROKEN, from any state, until a reset
 *
 * It is written on the condition: its lock is never held across a suspension that is not the
 * condition's own, and `count` is the number of tasks between entrance and exit.  Whoever comes
 * while a round is draining or being reset waits at the entrance, on the same condition.
 */
#include "sync/wait.h"

enum { FILLING, DRAINING, RESETTING, BROKEN };

static int check(const aw_barrier *b)
{
    if (AW_UNLIKELY(!b))
        return aw_fail(-EINVAL, "the barrier is NULL");
    if (AW_UNLIKELY(b->parties < 1))
        return aw_fail(-EINVAL, "a barrier has at least one party");
    return 0;
}

/* Lock it: every call that may suspend begins so.  Those who wait inside are this loop's then. */
static int enter(aw_barrier *b, const struct aw_sync_call *call)
{
    AW_TRY(check(b));
    if (!aw_sync_task())
        return aw_no_loop();
    AW_TRY(
        aw_sync_claim(&b->cond.loop, b->cond.waiters.first, "the barrier belongs to another loop"));
    return aw_lock_acquire_as(&b->cond.own, call);
}

static void leave(aw_barrier *b)
{
    aw_ignore(aw_lock_release(&b->cond.own));
}

static void tell_all(aw_barrier *b)
{
    aw_ignore(aw_condition_notify_all(&b->cond));
}

/* ---- waiting ---- */

/* At the entrance: until the round before is out. */
static int wait_to_enter(aw_barrier *b, const struct aw_sync_call *call)
{
    while (b->state == DRAINING || b->state == RESETTING)
        AW_TRY(aw_condition_wait_as(&b->cond, call, call));
    return b->state == BROKEN ? aw_fail(AW_EBROKEN, "the barrier was aborted") : 0;
}

/* Inside: until the round is complete. */
static int wait_for_others(aw_barrier *b, const struct aw_sync_call *call)
{
    while (b->state == FILLING)
        AW_TRY(aw_condition_wait_as(&b->cond, call, call));
    if (b->state == DRAINING)
        return 0;
    return aw_fail(AW_EBROKEN, "the barrier was reset or aborted");
}

static int pass(aw_barrier *b, const struct aw_sync_call *call)
{
    AW_TRY(wait_to_enter(b, call));
    int index = b->count++, err = 0;
    if (b->count == b->parties) {
        b->state = DRAINING;
        tell_all(b);
    } else {
        err = wait_for_others(b, call);
    }
    if (--b->count == 0) {
        if (b->state != BROKEN)
            b->state = FILLING;
        tell_all(b);
    }
    return err < 0 ? err : index;
}

static void describe(const struct aw_wait *w, aw_buf *out)
{
    static const char *const states[] = {"filling", "draining", "resetting", "broken"};
    const aw_barrier *b = w->object;
    aw_buf_printf(out, "barrier, %s, %d of %d in it", states[b->state], b->count, b->parties);
}

static const struct aw_wait_kind wait_kind = AW_SYNC_KIND("aw_barrier_wait", describe);
static const struct aw_wait_kind reset_kind = AW_SYNC_KIND("aw_barrier_reset", describe);
static const struct aw_wait_kind abort_kind = AW_SYNC_KIND("aw_barrier_abort", describe);

int aw_barrier_wait(aw_barrier *b)
{
    const struct aw_sync_call call = {&wait_kind, b, __builtin_return_address(0)};
    AW_TRY(enter(b, &call));
    int result = pass(b, &call);
    leave(b);
    return result;
}

/* ---- breaking ---- */

int aw_barrier_reset(aw_barrier *b)
{
    AW_TRY(enter(b, &(struct aw_sync_call){&reset_kind, b, __builtin_return_address(0)}));
    b->state = b->count > 0 ? RESETTING : FILLING;
    tell_all(b);
    leave(b);
    return 0;
}

int aw_barrier_abort(aw_barrier *b)
{
    AW_TRY(enter(b, &(struct aw_sync_call){&abort_kind, b, __builtin_return_address(0)}));
    b->state = BROKEN;
    tell_all(b);
    leave(b);
    return 0;
}

/* ---- asking ---- */

int aw_barrier_parties(const aw_barrier *b)
{
    AW_TRY(check(b));
    return b->parties;
}

int aw_barrier_n_waiting(const aw_barrier *b)
{
    AW_TRY(check(b));
    return b->state == FILLING ? b->count : 0;
}

bool aw_barrier_broken(const aw_barrier *b)
{
    return b && b->state == BROKEN;
}
