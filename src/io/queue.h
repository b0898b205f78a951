/*
 * queue.h - the operations that wait for one side of a descriptor, in order.
 *
 * They are linked in a circle without a head, because the tables in which such queues lie move
 * when they grow.
 */
#ifndef AW_IO_QUEUE_H
#define AW_IO_QUEUE_H

#include "io/io.h"

struct aw_op_queue {
    aw_list *first; /* NULL when nobody waits */
};

static inline void aw_op_queue_push(struct aw_op_queue *q, struct aw_op *op)
{
    if (q->first) {
        aw_list_insert_before(q->first, &op->link);
    } else {
        aw_list_init(&op->link);
        q->first = &op->link;
    }
}

static inline void aw_op_queue_remove(struct aw_op_queue *q, struct aw_op *op)
{
    if (q->first == &op->link)
        q->first = aw_list_linked(&op->link) ? op->link.next : NULL;
    aw_list_remove(&op->link);
}

static inline struct aw_op *aw_op_queue_first(const struct aw_op_queue *q)
{
    return q->first ? aw_container_of(q->first, struct aw_op, link) : NULL;
}

/* The one after `op`; NULL after the last. */
static inline struct aw_op *aw_op_queue_next(const struct aw_op_queue *q, const struct aw_op *op)
{
    return op->link.next != q->first ? aw_container_of(op->link.next, struct aw_op, link) : NULL;
}

#endif
