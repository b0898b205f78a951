/*
 * queue.c - items go in, items come out, and tasks wait where that cannot be.
 *
 * An item put does not belong to the getter that it wakes, nor room to a putter: both look again
 * when they run, and wait on if somebody was faster.  One that was woken and cancelled before it
 * ran wakes the next in its place, if there is still something to be had.
 */
#include "sync/store.h"
#include "sync/wait.h"

static AW_COLD int check_slow(const aw_queue *q)
{
    if (!q)
        return aw_fail(-EINVAL, "the queue is NULL");
    if (q->order != AW_FIFO && q->order != AW_LIFO && q->order != AW_PRIORITY)
        return aw_fail(-EINVAL, "the queue has an unknown order");
    if (q->order == AW_PRIORITY && !q->compare)
        return aw_fail(-EINVAL, "a priority queue needs .compare");
    return 0;
}

static inline int check(const aw_queue *q)
{
    return AW_LIKELY(q && q->order == AW_FIFO) ? 0 : check_slow(q);
}

static inline bool is_full(const aw_queue *q)
{
    return q->maxsize > 0 && q->count >= (unsigned)q->maxsize;
}

static inline void wake_next(aw_waiters *line)
{
    if (line->first)
        aw_waiter_wake(line->first);
}

static void wake_all(aw_waiters *line)
{
    while (line->first)
        aw_waiter_wake(line->first);
}

/* ---- at once ---- */

static int fail_shutdown(void)
{
    return aw_fail(AW_ESHUTDOWN, NULL);
}

static inline int put_now(aw_queue *q, void *item)
{
    if (AW_UNLIKELY(q->is_shutdown))
        return fail_shutdown();
    if (AW_UNLIKELY(is_full(q)))
        return aw_fail(AW_EFULL, NULL);
    AW_TRY(aw_waiters_check(&q->getters));
    AW_TRY(aw_store_reserve(q));
    aw_store_put(q, item);
    q->unfinished++;
    wake_next(&q->getters);
    return 0;
}

static inline int get_now(aw_queue *q, void **ret)
{
    if (AW_UNLIKELY(!q->count))
        return q->is_shutdown ? fail_shutdown() : aw_fail(AW_EEMPTY, NULL);
    AW_TRY(aw_waiters_check(&q->putters));
    *ret = aw_store_take(q);
    wake_next(&q->putters);
    return 0;
}

int aw_queue_put_nowait(aw_queue *q, void *item)
{
    AW_TRY(check(q));
    return put_now(q, item);
}

int aw_queue_get_nowait(aw_queue *q, void **ret)
{
    AW_TRY(check(q));
    if (AW_UNLIKELY(!ret))
        return aw_fail(-EINVAL, "there is nowhere to put the item");
    return get_now(q, ret);
}

/* ---- waiting ---- */

static void describe(const struct aw_wait *w, aw_buf *out)
{
    const aw_queue *q = w->object;
    aw_buf_printf(out, "queue, size %u", q->count);
    if (q->maxsize > 0)
        aw_buf_printf(out, " of %d", q->maxsize);
    aw_buf_printf(out, ", %llu unfinished", (unsigned long long)q->unfinished);
}

static const struct aw_wait_kind put_kind = AW_SYNC_KIND("aw_queue_put", describe);
static const struct aw_wait_kind get_kind = AW_SYNC_KIND("aw_queue_get", describe);
static const struct aw_wait_kind join_kind = AW_SYNC_KIND("aw_queue_join", describe);

static int claim(aw_queue *q)
{
    bool in_use = q->getters.first || q->putters.first || q->joiners.first;
    return aw_sync_claim(&q->loop, in_use, "the queue belongs to another loop");
}

/* Wait for room. */
static AW_NOINLINE int wait_to_put(aw_queue *q, const void *caller)
{
    if (q->is_shutdown)
        return fail_shutdown();
    AW_TRY(claim(q));
    struct aw_waiter w = {.stays = false};
    int err = aw_waiter_sleep(&q->putters, &w, &(struct aw_sync_call){&put_kind, q, caller});
    if (err < 0 && aw_waiter_granted(&w) && !is_full(q))
        wake_next(&q->putters);
    return err;
}

/* Wait for an item. */
static AW_NOINLINE int wait_to_get(aw_queue *q, const void *caller)
{
    if (q->is_shutdown)
        return fail_shutdown();
    AW_TRY(claim(q));
    struct aw_waiter w = {.stays = false};
    int err = aw_waiter_sleep(&q->getters, &w, &(struct aw_sync_call){&get_kind, q, caller});
    if (err < 0 && aw_waiter_granted(&w) && q->count)
        wake_next(&q->getters);
    return err;
}

int aw_queue_put(aw_queue *q, void *item)
{
    AW_TRY(check(q));
    if (AW_UNLIKELY(!aw_sync_task()))
        return aw_no_loop();
    while (is_full(q))
        AW_TRY(wait_to_put(q, __builtin_return_address(0)));
    return put_now(q, item);
}

int aw_queue_get(aw_queue *q, void **ret)
{
    AW_TRY(check(q));
    if (AW_UNLIKELY(!ret))
        return aw_fail(-EINVAL, "there is nowhere to put the item");
    if (AW_UNLIKELY(!aw_sync_task()))
        return aw_no_loop();
    while (!q->count)
        AW_TRY(wait_to_get(q, __builtin_return_address(0)));
    return get_now(q, ret);
}

/* ---- asking ---- */

int aw_queue_size(const aw_queue *q)
{
    AW_TRY(check(q));
    return (int)q->count;
}

int aw_queue_maxsize(const aw_queue *q)
{
    AW_TRY(check(q));
    return q->maxsize;
}

bool aw_queue_empty(const aw_queue *q)
{
    return check(q) == 0 && !q->count;
}

bool aw_queue_full(const aw_queue *q)
{
    return check(q) == 0 && is_full(q);
}

/* ---- work that is done ---- */

static void finish_one(aw_queue *q)
{
    if (--q->unfinished == 0)
        wake_all(&q->joiners);
}

int aw_queue_task_done(aw_queue *q)
{
    AW_TRY(check(q));
    if (!q->unfinished)
        return aw_fail(-EINVAL, "more items were done than put");
    AW_TRY(aw_waiters_check(&q->joiners));
    finish_one(q);
    return 0;
}

int aw_queue_join(aw_queue *q)
{
    AW_TRY(check(q));
    if (AW_UNLIKELY(!aw_sync_task()))
        return aw_no_loop();
    if (!q->unfinished)
        return 0;
    AW_TRY(claim(q));
    struct aw_waiter w = {.stays = false};
    return aw_waiter_sleep(&q->joiners, &w,
                           &(struct aw_sync_call){&join_kind, q, __builtin_return_address(0)});
}

/* ---- the end ---- */

static void drop_item(aw_queue *q)
{
    void *item = aw_store_take(q);
    if (q->release)
        q->release(item);
}

int aw_queue_shutdown_(const aw_queue_shutdown_opts *opts)
{
    aw_queue *q = opts->queue;
    AW_TRY(check(q));
    AW_TRY(aw_waiters_check(&q->getters));
    AW_TRY(aw_waiters_check(&q->putters));
    AW_TRY(aw_waiters_check(&q->joiners));
    q->is_shutdown = true;
    while (opts->immediate && q->count) {
        drop_item(q);
        if (q->unfinished)
            finish_one(q);
    }
    wake_all(&q->getters);
    wake_all(&q->putters);
    return 0;
}

int aw_queue_fini(aw_queue *q)
{
    AW_TRY(check(q));
    if (q->getters.first || q->putters.first || q->joiners.first)
        return aw_fail(AW_EMISUSE, "a task waits on the queue");
    while (q->count)
        drop_item(q);
    aw_store_free(q);
    q->unfinished = 0;
    q->is_shutdown = false;
    q->loop = 0;
    return 0;
}
