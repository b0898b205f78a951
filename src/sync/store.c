/*
 * store.c - the parts of a queue's storage that are not on the straight path: growing, the orders
 * other than first in, first out.
 */
#include <string.h>

#include "sync/store.h"
#include "sync/wait.h"

#define CAPACITY_FIRST 8u
#define CAPACITY_MAX (1u << 30)

struct entry {
    void *item;
    uint64_t seq; /* of the put: equals leave in this order */
};

static size_t slot_size(const aw_queue *q)
{
    return q->order == AW_PRIORITY ? sizeof(struct entry) : sizeof(void *);
}

int aw_store_grow(aw_queue *q)
{
    size_t size = slot_size(q), capacity = q->capacity ? (size_t)q->capacity * 2 : CAPACITY_FIRST;
    char *slots = capacity <= CAPACITY_MAX ? aw_mem_alloc(capacity * size) : NULL;
    if (!slots)
        return aw_fail(-ENOMEM, "no room for the queue to grow");
    size_t upper = q->capacity - q->head;
    if (q->capacity) {
        memcpy(slots, (char *)q->slots + q->head * size, upper * size);
        memcpy(slots + upper * size, q->slots, q->head * size);
    }
    aw_mem_free(q->slots);
    q->slots = slots;
    q->capacity = (unsigned)capacity;
    q->head = 0;
    return 0;
}

void aw_store_free(aw_queue *q)
{
    aw_mem_free(q->slots);
    q->slots = NULL;
    q->capacity = q->head = 0;
}

/* ---- the heap ---- */

static bool before(const aw_queue *q, const struct entry *a, const struct entry *b)
{
    int order = q->compare(a->item, b->item);
    return order < 0 || (order == 0 && a->seq < b->seq);
}

void aw_store_put_ordered(aw_queue *q, void *item)
{
    struct entry *heap = q->slots, new = {item, q->seq++};
    size_t at = q->count++;
    for (size_t parent; at > 0; at = parent) {
        parent = (at - 1) / 2;
        if (!before(q, &new, &heap[parent]))
            break;
        heap[at] = heap[parent];
    }
    heap[at] = new;
}

static void *take_least(aw_queue *q)
{
    struct entry *heap = q->slots;
    void *item = heap[0].item;
    struct entry last = heap[--q->count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < q->count; at = child) {
        if (child + 1 < q->count && before(q, &heap[child + 1], &heap[child]))
            child++;
        if (!before(q, &heap[child], &last))
            break;
        heap[at] = heap[child];
    }
    heap[at] = last;
    return item;
}

void *aw_store_take_ordered(aw_queue *q)
{
    return q->order == AW_PRIORITY ? take_least(q) : ((void **)q->slots)[--q->count];
}
