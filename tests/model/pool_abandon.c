/*
 * pool_abandon.c - a coroutine gives up a job that has begun, or has not, or has ended; its loop
 * closes, which waits for its pool but not for what was abandoned; and the job goes on, on its
 * copy, until somebody else lets it end.  All is freed with the last of them.
 */
#include <limits.h>

#include "model/world.h"
#include "thread/pool.h"

static aw_loop *l;
static struct gate closed;
static int released, outcome;
static bool waits; /* the job ends only after the loop has closed */

static void make_loop(void)
{
    l = world_loop();
    model_name(&closed, "the loop's end");
    closed.open = false;
    released = 0;
}

static int work(void *arg)
{
    model_assert(*(int *)arg == 6);
    if (waits)
        gate_pass(&closed);
    return ++*(int *)arg;
}

static void release(void *arg)
{
    (void)arg;
    released++;
}

static int give_up(void *arg)
{
    int number = 6;
    (void)arg;
    aw_future *f = aw_run_in_executor(NULL, work, &number, .copy = sizeof number,
                                      .release = release, .abandon_on_cancel = true);
    model_assert(f);
    AW_TRY(aw_sleep(0));
    aw_cancel(f);
    outcome = aw_await(f);
    aw_unref(f);
    return 0;
}

static void run_and_close(void)
{
    aw_task *t = aw_create_task(give_up, NULL, .loop = l);
    aw_ignore(aw_loop_run_until_complete(l, t));
    aw_unref(t);
    aw_loop_free(l);
    gate_open(&closed);
}

static void check(void)
{
    model_assert(released == 1);
    model_assert(outcome == -ECANCELED || (outcome == 7 && !waits));
}

static void make_waiting(void)
{
    waits = true;
    make_loop();
}

static void make_short(void)
{
    waits = false;
    make_loop();
}

#define ABANDONING(make)                                                                           \
    {                                                                                              \
        .setup = (make), .threads = {run_and_close, world_started_thread}, .later = 1,             \
        .check = check, .preemptions = 3, .quick = 2, .yields_end = true                           \
    }
static const struct model abandoning = ABANDONING(make_waiting);
static const struct model meeting = ABANDONING(make_short);

TEST_MODEL(model_pool_job_abandoned_outlives_its_loop, abandoning)
TEST_MODEL(model_pool_abandon_against_end, meeting)
