/*
 * pool_shutdown.c - jobs are submitted while another thread shuts the pool down, cancels what still
 * waits, and waits for the worker: a submission is refused, or its job is done or cancelled, and
 * when the shutdown has returned no thread is there and nothing begins any more.
 */
#include <limits.h>
#include <math.h>

#include "model/world.h"
#include "thread/pool.h"

static aw_executor *pool;
static struct job {
    int begun, released;
} jobs[2]; /* of both, all is over when they are joined */
static bool down;

static void make_pool(void)
{
    world_begin();
    pool = aw_executor_ref(aw_thread_pool(.max_workers = 1, .prefix = "w"));
    model_name(&pool->lock, "lock");
    model_name(&pool->n_queued, "queue's length");
    model_name(&pool->shut, "shut");
    model_name(&pool->news, "news");
    jobs[0] = jobs[1] = (struct job){0, 0};
    down = false;
}

static int work(void *arg)
{
    model_assert(!down);
    ((struct job *)arg)->begun++;
    return 5;
}

static void release(void *arg)
{
    ((struct job *)arg)->released++;
}

static void join(aw_cfuture *f, const struct job *job)
{
    int err = aw_cfuture_join(f, INFINITY);
    model_assert(err == (job->begun ? 5 : -ECANCELED) && job->released == 1);
}

static void submit_both(void)
{
    aw_cfuture *f[2];
    for (int i = 0; i < 2; i++) {
        f[i] = aw_executor_submit(pool, work, &jobs[i], .release = release);
        model_assert(f[i] || aw_errno() == AW_EMISUSE);
    }
    model_assert(f[0] || !f[1]);
    for (int i = 0; i < 2; i++)
        if (f[i])
            join(f[i], &jobs[i]);
        else
            model_assert(!jobs[i].begun && !jobs[i].released);
    aw_executor_unref(pool);
}

static void shut_down(void)
{
    model_assert(aw_executor_shutdown(pool, .wait = true, .cancel_futures = true) == 0);
    model_assert(aw_executor_threads(pool) == 0 && aw_executor_queued(pool) == 0);
    down = true;
    aw_executor_unref(pool);
}

static const struct model shutting = {.setup = make_pool,
                                      .threads = {submit_both, shut_down, world_started_thread},
                                      .later = 1,
                                      .preemptions = 2,
                                      .quick = 1,
                                      .yields_end = true};

TEST_MODEL(model_pool_shut_down_against_submit, shutting)
