/*
 * pool_no_thread.c - the system gives a pool one thread and no more, while jobs are submitted from
 * two sides and the pool is shut down: a job for which there was no thread is done by the other
 * one, or refused, or it fails; but it gets over.
 */
#include <limits.h>
#include <math.h>

#include "model/world.h"
#include "thread/pool.h"

static aw_executor *pool;

static void make_pool(void)
{
    world_begin();
    pool = aw_executor_ref(aw_thread_pool(.max_workers = 2, .prefix = "w"));
    model_name(&pool->lock, "lock");
    model_name(&pool->n_queued, "queue's length");
    model_name(&pool->shut, "shut");
    model_name(&pool->news, "news");
    model_name(&pool->end.refs, "pool's references");
}

static int work(void *arg)
{
    (void)arg;
    return 5;
}

static void submit_and_join(void)
{
    aw_cfuture *f = aw_executor_submit(pool, work, NULL);
    model_assert(f || aw_errno() == -EAGAIN || aw_errno() == AW_EMISUSE);
    int err = f ? aw_cfuture_join(f, INFINITY) : 0;
    model_assert(!f || err == 5 || err == -EAGAIN);
}

static void submit_and_go(void)
{
    submit_and_join();
    aw_executor_unref(pool);
}

static void submit_and_shut_down(void)
{
    submit_and_join();
    model_assert(aw_executor_free(pool) == 0);
}

static const struct model starving = {
    .setup = make_pool,
    .threads = {submit_and_shut_down, submit_and_go, world_started_thread},
    .later = 1,
    .preemptions = 2,
    .quick = 1,
    .yields_end = true};

TEST_MODEL(model_pool_without_a_thread_for_a_job, starving)
