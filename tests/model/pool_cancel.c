/*
 * pool_cancel.c - a job that waits behind another is cancelled while the worker takes it: it is
 * done or cancelled, its argument is released once, before the join returns, and the canceller may
 * give up its handle at once.
 */
#include <limits.h>
#include <math.h>

#include "model/world.h"
#include "thread/pool.h"

static aw_executor *pool;
static aw_cfuture *second;
static struct gate submitted;
static int begun, released, joined;
static bool cancelled, over;

static void make_pool(void)
{
    world_begin();
    pool = aw_thread_pool(.max_workers = 1, .prefix = "w");
    model_name(&pool->lock, "lock");
    model_name(&pool->n_queued, "queue's length");
    model_name(&pool->shut, "shut");
    model_name(&submitted, "the submission");
    submitted.open = over = cancelled = false;
    begun = released = 0;
}

static int pass_by(void *arg)
{
    (void)arg;
    return 0;
}

static int work(void *arg)
{
    begun++;
    return ++*(int *)arg;
}

static void release(void *arg)
{
    model_assert(!over && *(int *)arg >= 6);
    released++;
}

static void submit_and_join(void)
{
    int number = 6;
    aw_cfuture *first = aw_executor_submit(pool, pass_by, NULL);
    second = aw_cfuture_ref(aw_executor_submit(pool, work, &number, .release = release));
    model_assert(first && second);
    model_name(&second->state, "state");
    model_name(&second->ended, "ended");
    model_name(&second->refs, "references");
    gate_open(&submitted);
    aw_executor_unref(pool);
    aw_cfuture_unref(first);
    joined = aw_cfuture_join(second, INFINITY);
    over = true;
}

static void cancel(void)
{
    gate_pass(&submitted);
    cancelled = aw_cfuture_cancel(second);
    aw_cfuture_unref(second);
}

static void check(void)
{
    model_assert(released == 1 && begun == !cancelled);
    model_assert(joined == (cancelled ? -ECANCELED : 7));
}

static const struct model cancelling = {.setup = make_pool,
                                        .threads = {submit_and_join, cancel, world_started_thread},
                                        .later = 1,
                                        .check = check,
                                        .preemptions = 3,
                                        .quick = 2,
                                        .yields_end = true};

TEST_MODEL(model_pool_cancel_against_begin, cancelling)
