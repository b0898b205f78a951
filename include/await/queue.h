/*
 * await/queue.h - a queue between the tasks of a loop: asyncio's Queue, LifoQueue, PriorityQueue.
 *
 *     aw_queue jobs = AW_QUEUE_INIT(.maxsize = 10);
 *     ...
 *     AW_TRY(aw_queue_put(&jobs, job));            // producers; waits while the queue is full
 *     ...
 *     while ((err = aw_queue_get(&jobs, &job)) == 0) {        // consumers
 *         work_on(job);
 *         aw_ignore(aw_queue_task_done(&jobs));
 *     }
 *     ...
 *     AW_TRY(aw_queue_join(&jobs));                // until every job has been worked on
 *     aw_ignore(aw_queue_shutdown(&jobs));         // consumers get AW_ESHUTDOWN
 *     aw_ignore(aw_queue_fini(&jobs));
 *
 * Items are pointers, NULL included.  A put that succeeded gives the item to the queue, a get gives
 * it to the caller; a put that failed leaves it with the caller.
 *
 * Storage, waiting and loops are as in await/sync.h: zeros are a fresh queue, first in first out
 * and unbounded, which belongs to the loop of those who wait on it.  The room for items grows when
 * it has to, and is given back by aw_queue_fini() only, so that a queue in steady use does not
 * allocate.
 *
 * Every call that returns int answers -EINVAL for NULL and for a queue that makes no sense (an
 * unknown order, AW_PRIORITY without .compare), every one that returns bool false.
 */
#ifndef AWAIT_QUEUE_H
#define AWAIT_QUEUE_H

#include "await/sync.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which item comes out first: the oldest, the newest, the least. */
enum aw_queue_order { AW_FIFO, AW_LIFO, AW_PRIORITY };

/* A queue.  The first four fields are set before its first use, the others are private. */
typedef struct aw_queue {
    int maxsize;                                  /* most items at a time; <= 0: no limit */
    enum aw_queue_order order;                    /* AW_FIFO by default */
    int (*compare)(const void *a, const void *b); /* AW_PRIORITY: < 0 if a comes before b; equal
                                                     ones come in the order they were put */
    void (*release)(void *item);                  /* what to do with items that are dropped; or
                                                     NULL.  Neither may use the queue */
    void *slots;
    unsigned capacity, head, count;
    bool is_shutdown;
    uint64_t unfinished;
    uint64_t seq;
    uint64_t loop;
    aw_waiters getters, putters, joiners;
} aw_queue;

/* AW_QUEUE_INIT(.maxsize = n, .order = AW_PRIORITY, .compare = f, .release = g), all optional. */
#ifndef __cplusplus
#define AW_QUEUE_INIT(...)                                                                         \
    {                                                                                              \
        .slots = NULL, __VA_ARGS__                                                                 \
    }
#endif

/* Put an item, waiting while the queue is full.  0; AW_ESHUTDOWN; -ENOMEM when there is no memory
 * to grow; -ECANCELED and AW_ETHREAD.  The item is put only with 0.  Suspends only if the queue is
 * full. */
AW_API int aw_queue_put(aw_queue *q, void *item) AW_MUST_USE;

/* Take an item into *ret, waiting while the queue is empty.  0; AW_ESHUTDOWN from a queue that was
 * shut down and is empty; -EINVAL when ret is NULL; -ECANCELED and AW_ETHREAD, and no item is
 * taken.  Suspends only if the queue is empty. */
AW_API int aw_queue_get(aw_queue *q, void **ret) AW_MUST_USE;

/* The same without waiting, also outside tasks: AW_EFULL, AW_EEMPTY.  A task that was woken to get
 * an item may find that one of these took it, and waits on. */
AW_API int aw_queue_put_nowait(aw_queue *q, void *item);
AW_API int aw_queue_get_nowait(aw_queue *q, void **ret);

/* The number of items; the limit, <= 0 for none; is there no item; is there no room? */
AW_API int aw_queue_size(const aw_queue *q);
AW_API int aw_queue_maxsize(const aw_queue *q);
AW_API bool aw_queue_empty(const aw_queue *q);
AW_API bool aw_queue_full(const aw_queue *q);

/* Tell that the work on one item that was got is done.  0; -EINVAL if it was told for every item
 * that was ever put; AW_ETHREAD.  Never suspends. */
AW_API int aw_queue_task_done(aw_queue *q);

/* Wait until aw_queue_task_done() was called for every item that was put: at once if so.  0,
 * -ECANCELED, AW_ETHREAD.  Suspends. */
AW_API int aw_queue_join(aw_queue *q) AW_MUST_USE;

/* Options of aw_queue_shutdown(). */
typedef struct aw_queue_shutdown_opts {
    aw_queue *queue;
    bool immediate;
} aw_queue_shutdown_opts;

/* int aw_queue_shutdown(aw_queue *q, .immediate = true): let nothing more in.
 *
 * Puts fail with AW_ESHUTDOWN from now on, those that wait included; gets do when no item is left.
 * An immediate shutdown drops the items that are left, each through .release and as though it had
 * been worked on.  May be repeated.  0; AW_ETHREAD, without effect.  Never suspends. */
#ifndef __cplusplus
#define aw_queue_shutdown(...) aw_queue_shutdown_(&(aw_queue_shutdown_opts){.queue = __VA_ARGS__})
#endif
AW_API int aw_queue_shutdown_(const aw_queue_shutdown_opts *opts);

/* The end of a queue: the items that are left are dropped through .release, the room for them is
 * freed; the queue is then as new.  0; AW_EMISUSE while a task waits on it.  Any thread that has
 * the queue to itself; never suspends. */
AW_API int aw_queue_fini(aw_queue *q);

#ifdef __cplusplus
}
#endif
#endif
