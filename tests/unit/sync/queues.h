/*
 * queues.h - what the tests of queues share: numbers as items, got and put.
 */
#ifndef TESTS_SYNC_QUEUES_H
#define TESTS_SYNC_QUEUES_H

#include "util.h"

/* Gets a number from a queue, which becomes the task's result. */
static inline int get_one(void *queue)
{
    void *item;
    AW_TRY(aw_queue_get(queue, &item));
    return (int)(intptr_t)item;
}

/* The same at once, or an error. */
static inline int get(aw_queue *q)
{
    void *item = NULL;
    int err = aw_queue_get_nowait(q, &item);
    return err < 0 ? err : (int)(intptr_t)item;
}

/* Puts the number 2 into a queue. */
static inline int put_two(void *queue)
{
    return aw_queue_put(queue, INT(2));
}

#endif
