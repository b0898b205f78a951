/*
 * pool_sleep.c - two threads give a pool of one worker a job each, wait for it, and give up their
 * handles, while the worker searches, falls asleep, is called, and leaves: each job is done once,
 * nobody waits for ever, and the last one to leave frees the pool.
 */
#include <limits.h>
#include <math.h>

#include "model/world.h"
#include "thread/pool.h"

static aw_executor *pool;

static void make_pool(void)
{
    world_begin();
    pool = aw_executor_ref(aw_thread_pool(.max_workers = 1, .prefix = "w"));
    model_name(&pool->lock, "lock");
    model_name(&pool->n_queued, "queue's length");
    model_name(&pool->shut, "shut");
    model_name(&pool->news, "news");
    model_name(&pool->end.refs, "pool's references");
}

static int count(void *arg)
{
    return ++*(int *)arg;
}

/* The number is on the submitter's stack, which ends with the join. */
static void submit_and_join(void)
{
    int number = 6;
    aw_cfuture *f = aw_executor_submit(pool, count, &number);
    model_assert(f);
    model_assert(aw_cfuture_join(f, INFINITY) == 7);
    model_assert(number == 7);
    number = 0;
    aw_executor_unref(pool);
}

static const struct model sleeping = {
    .setup = make_pool,
    .threads = {submit_and_join, submit_and_join, world_started_thread},
    .later = 1,
    .preemptions = 2,
    .quick = 1,
    .yields_end = true};

TEST_MODEL(model_pool_submit_sleep_call_leave, sleeping)
