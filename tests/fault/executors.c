/*
 * executors.c - scenarios of pools, jobs, and blocking work awaited by coroutines.
 *
 * Mostly one job is on its way at a time, so that the calls have one order.  Jobs that must not end
 * too early wait for a gate, which is opened whatever happens.
 */
#include <math.h>
#include <semaphore.h>

#include "core/core.h"
#include "fault/inject.h"

/* ---- jobs ---- */

static int plus_one(void *arg)
{
    return *(int *)arg + 1;
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int refuse_it(void *arg)
{
    (void)arg;
    aw_refuse(-EXDEV, "over there");
    return -EXDEV;
}

static int name_worker(void *arg)
{
    return strncmp(aw_worker_name(), arg, strlen(arg)) == 0 ? 0 : WRONG;
}

struct gate {
    sem_t begun, open;
};

static int pass_gate(void *arg)
{
    struct gate *g = arg;
    sem_post(&g->begun);
    sem_wait(&g->open);
    return 8;
}

static void make_gate(struct gate *g)
{
    sem_init(&g->begun, 0, 0);
    sem_init(&g->open, 0, 0);
}

static void unmake_gate(struct gate *g)
{
    sem_destroy(&g->begun);
    sem_destroy(&g->open);
}

/* Why there is no future. */
static int refusal(aw_cfuture *f)
{
    aw_cfuture_unref(f);
    return f ? 0 : aw_errno();
}

/* ---- pools in a program without a loop ---- */

/* Calls body(pool), then ends the pool in the way that waits for everything. */
static int with_pool(aw_executor *p, int (*body)(aw_executor *p))
{
    threads_take_part();
    if (!p)
        return unexpected(aw_errno(), "a pool", __FILE__, __LINE__);
    int err = body(p);
    CHECK(aw_executor_free(p) == 0);
    return err;
}

static int submit_jobs(aw_executor *p)
{
    int one = 1;
    aw_cfuture *f, *bad;
    CHECK(aw_executor_max_workers(p) == 1 && aw_executor_threads(p) == 0);
    MAKE_CONCURRENT(f, aw_executor_submit(p, plus_one, &one, .copy = sizeof one, .name = "sum"));
    EXPECT(aw_cfuture_result(f, INFINITY), 2);
    MAKE_CONCURRENT(f, aw_executor_submit(p, name_worker, "swept_"));
    EXPECT(aw_cfuture_join(aw_cfuture_ref(f), INFINITY), 0);
    MAKE_CONCURRENT(bad, aw_executor_submit(p, refuse_it, NULL));
    EXPECT(aw_cfuture_result(bad, INFINITY), -EXDEV);
    CHECK(aw_executor_threads(p) == 1 && aw_executor_queued(p) == 0);
    aw_executor_unref(aw_executor_ref(p));
    CHECK(aw_executor_shutdown(p) == 0);
    EXPECT(refusal(aw_executor_submit(p, plus_one, &one)), AW_EMISUSE);
    return 0;
}

SCENARIO(pool_jobs)
{
    return with_pool(aw_thread_pool(.max_workers = 1, .prefix = "swept"), submit_jobs);
}

/* One at work, one that waits and is cancelled, one that a shutdown cancels. */
static struct gate gate;
static struct owned mine[4];

static aw_cfuture *submit_owned(aw_executor *p, int i)
{
    aw_cfuture *f = aw_executor_submit(p, do_nothing, &mine[i], .release = release_owned);
    mine[i].given = f != NULL;
    return f;
}

static int fill_queue(aw_executor *p)
{
    aw_cfuture *done, *cancelled, *left;
    MAKE_CONCURRENT(done, submit_owned(p, 0));
    MAKE_CONCURRENT(cancelled, submit_owned(p, 1));
    MAKE_CONCURRENT(left, submit_owned(p, 2));
    CHECK(aw_executor_queued(p) == 3);
    EXPECT(refusal(aw_executor_submit(p, plus_one, NULL)), AW_EFULL);
    CHECK(aw_cfuture_cancel(cancelled) && mine[1].released == 1);
    CHECK(aw_executor_queued(p) == 2);
    return 0;
}

static int cancel_jobs(aw_executor *p)
{
    aw_cfuture *busy;
    memset(mine, 0, sizeof mine);
    MAKE_CONCURRENT(busy, aw_executor_submit(p, pass_gate, &gate));
    sem_wait(&gate.begun);
    CHECK(aw_cfuture_running(busy) && !aw_cfuture_cancel(busy));
    int err = fill_queue(p);
    CHECK(aw_executor_shutdown(p, .cancel_futures = true) == 0);
    CHECK(aw_executor_shutdown(p, .wait = true, .timeout = 1e-9) == -ETIMEDOUT);
    sem_post(&gate.open);
    EXPECT(aw_cfuture_join(aw_cfuture_ref(busy), INFINITY), 8);
    CHECK(owned_settled(mine, 4));
    return err;
}

SCENARIO(pool_cancel)
{
    make_gate(&gate);
    int err = with_pool(aw_thread_pool(.max_workers = 1, .queue_limit = 3), cancel_jobs);
    unmake_gate(&gate);
    return err;
}

static int break_it(void *arg)
{
    (void)arg;
    return -EXDEV;
}

static int use_broken(aw_executor *p)
{
    aw_cfuture *f;
    MAKE_CONCURRENT(f, aw_executor_submit(p, give, INT(1)));
    EXPECT(aw_cfuture_result(f, INFINITY), AW_EBROKEN);
    EXPECT(refusal(aw_executor_submit(p, give, INT(1))), AW_EBROKEN);
    return 0;
}

SCENARIO(pool_broken)
{
    may_be_silent(SITE_ALLOC); /* the words beside the jobs' error */
    return with_pool(aw_thread_pool(.max_workers = 1, .initializer = break_it), use_broken);
}

/* Every worker that cannot be made is done without, as long as there is one. */
static int submit_burst(aw_executor *p)
{
    aw_cfuture *fs[12];
    int one = 1, sum = 0;
    for (int i = 0; i < 12; i++)
        MAKE_CONCURRENT(fs[i], aw_executor_submit(p, plus_one, &one, .copy = sizeof one));
    for (int i = 0; i < 12; i++) {
        int result = aw_cfuture_result(fs[i], INFINITY);
        if (result < 0)
            return unexpected(result, "a job of a burst", __FILE__, __LINE__);
        sum += result;
    }
    CHECK(sum == 24);
    return 0;
}

SCENARIO(pool_burst)
{
    may_be_silent(SITE_ALLOC);
    may_be_silent(SITE_THREAD);
    return with_pool(aw_thread_pool(.max_workers = 3), submit_burst);
}

static int map_inputs(aw_executor *p)
{
    int inputs[5] = {1, 2, 3, 4, 5}, results[5] = {0};
    void *pointers[3] = {&inputs[0], &inputs[1], &inputs[2]};
    size_t count = 0;
    EXPECT(aw_executor_map(p, plus_one, inputs, 5, .stride = sizeof *inputs, .results = results,
                           .chunk = 2, .ret_count = &count),
           0);
    CHECK(count == 5 && results[0] == 2 && results[4] == 6);
    EXPECT(aw_executor_map(p, plus_one, pointers, 3, .timeout = 1000), 0);
    EXPECT(aw_executor_map(p, refuse_it, pointers, 3, .ret_count = &count), -EXDEV);
    CHECK(count == 0);
    return 0;
}

/* A pool of two may have to make do with one; who fails for want of memory says so. */
SCENARIO(pool_map)
{
    may_be_silent(SITE_ALLOC);
    may_be_silent(SITE_THREAD);
    return with_pool(aw_thread_pool(.max_workers = 2), map_inputs);
}

/* The last handle goes while a job is at work. */
static int leave_pool(void)
{
    int one = 1;
    aw_executor *p = aw_thread_pool(.max_workers = 1, .daemon = true);
    if (!p)
        return unexpected(aw_errno(), "a pool", __FILE__, __LINE__);
    aw_cfuture *f = aw_executor_submit(p, plus_one, &one);
    int err = f ? aw_cfuture_join(f, INFINITY) : aw_errno();
    CHECK(aw_executor_shutdown(p, .wait = true) == 0);
    aw_executor_unref(p);
    EXPECT(err, 2);
    return 0;
}

SCENARIO(pool_left)
{
    threads_take_part();
    return leave_pool();
}

/* ---- awaited by coroutines ---- */

static int await_jobs(void *arg)
{
    int one = 1;
    (void)arg;
    memset(mine, 0, sizeof mine);
    EXPECT(aw_to_thread(plus_one, &one, .copy = sizeof one), 2);
    EXPECT(aw_to_thread(refuse_it, NULL), -EXDEV);
    CHECK_CALM(strcmp(aw_errmsg(), "over there") == 0);
    EXPECT(aw_to_thread(plus_one, &one), 2);
    aw_future *f;
    MAKE(f, aw_run_in_executor(NULL, plus_one, &one, .copy = sizeof one, .name = "sum"));
    EXPECT(aw_await(f), 2);
    MAKE(f, aw_run_in_executor(NULL, do_nothing, &mine[0], .release = release_owned));
    mine[0].given = 1;
    EXPECT(aw_await(f), 0);
    EXPECT(aw_loop_shutdown_default_executor(NULL), 0);
    CHECK(!aw_run_in_executor(NULL, plus_one, &one));
    EXPECT(aw_errno(), AW_EMISUSE);
    return 0;
}

/* A second thread, if the first is not idle yet, is done without when it cannot be had. */
SCENARIO(to_thread)
{
    threads_take_part();
    may_be_silent(SITE_ALLOC);
    may_be_silent(SITE_THREAD);
    int err = run_main(await_jobs, NULL);
    CHECK(owned_settled(mine, 4));
    return err;
}

/* A pool of the program's own in place of the loop's.  A job that has begun takes effect although
 * its task is cancelled; one that is abandoned goes on by itself. */
static int use_gate(void *arg)
{
    return aw_to_thread(pass_gate, arg);
}

static int cancel_both(aw_task *busy)
{
    aw_future *waiting;
    bool already = aw_cancelling(busy) > 0; /* then its job may never have begun */
    MAKE(waiting, aw_run_in_executor(NULL, give, INT(1)));
    if (!already) {
        sem_wait(&gate.begun);
        aw_cancel(busy);
    }
    aw_cancel(waiting);
    CHECK(already || aw_cancelled(waiting));
    return 0;
}

static int cancel_awaited(void *arg)
{
    (void)arg;
    aw_task *busy;
    MAKE(busy, aw_create_task(use_gate, &gate, .eager = true));
    if (aw_done(busy))
        return unexpected(aw_await(busy), "a job", __FILE__, __LINE__);
    int err = cancel_both(busy);
    sem_post(&gate.open);
    int result = aw_await(busy);
    AW_TRY(err);
    CHECK(result == 8 || result == -ECANCELED);
    return 0;
}

static int abandon_one(void *arg)
{
    (void)arg;
    aw_future *f;
    MAKE(f, aw_run_in_executor(NULL, pass_gate, &gate, .abandon_on_cancel = true));
    sem_wait(&gate.begun);
    aw_cancel(f);
    sem_post(&gate.open);
    CHECK(aw_cancelled(f));
    return 0;
}

static int with_own_pool(aw_fn *fn)
{
    aw_executor *p = aw_thread_pool(.max_workers = 1);
    if (!p)
        return unexpected(aw_errno(), "a pool", __FILE__, __LINE__);
    int err = aw_loop_set_default_executor(aw_self.loop, p);
    if (err == 0)
        err = fn(NULL);
    if (err == 0)
        err = aw_loop_shutdown_default_executor(NULL);
    CHECK(aw_executor_free(p) == 0); /* blocks the loop, for once */
    return err;
}

static int cancel_in_own_pool(void *arg)
{
    (void)arg;
    return with_own_pool(cancel_awaited);
}

static int abandon_in_own_pool(void *arg)
{
    (void)arg;
    return with_own_pool(abandon_one);
}

SCENARIO(to_thread_cancelled)
{
    threads_take_part();
    make_gate(&gate);
    int err = run_main(cancel_in_own_pool, NULL);
    unmake_gate(&gate);
    return err;
}

SCENARIO(to_thread_abandoned)
{
    threads_take_part();
    make_gate(&gate);
    int err = run_main(abandon_in_own_pool, NULL);
    unmake_gate(&gate);
    return err;
}
