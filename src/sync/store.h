/*
 * store.h - the items of a queue, in one of three orders, in one array that grows.
 *
 * First in, first out is a ring: `head` is the oldest, and the capacity a power of two.  The other
 * two orders leave head at 0: a stack, and a binary heap whose entries carry a number that tells
 * equals apart by age.
 */
#ifndef AW_SYNC_STORE_H
#define AW_SYNC_STORE_H

#include "base/base.h"

#include "await/queue.h"

/* Room for one more: 0 or -ENOMEM. */
int aw_store_grow(aw_queue *q);
static inline int aw_store_reserve(aw_queue *q)
{
    return AW_LIKELY(q->count < q->capacity) ? 0 : aw_store_grow(q);
}

/* Put an item in, which there is room for; take out the one whose turn it is, if there is one. */
void aw_store_put_ordered(aw_queue *q, void *item);
void *aw_store_take_ordered(aw_queue *q);

static inline void aw_store_put(aw_queue *q, void *item)
{
    if (AW_UNLIKELY(q->order == AW_PRIORITY)) {
        aw_store_put_ordered(q, item);
        return;
    }
    ((void **)q->slots)[(q->head + q->count) & (q->capacity - 1)] = item;
    q->count++;
}

static inline void *aw_store_take(aw_queue *q)
{
    if (AW_UNLIKELY(q->order != AW_FIFO))
        return aw_store_take_ordered(q);
    void *item = ((void **)q->slots)[q->head];
    q->head = (q->head + 1) & (q->capacity - 1);
    q->count--;
    return item;
}

/* Free the array; what was in it has been taken out. */
void aw_store_free(aw_queue *q);

#endif
