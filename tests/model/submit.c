/*
 * submit.c - a coroutine is submitted, joined by its submitter, and cancelled by another thread,
 * while the loop goes through its passes and sleeps: it ends one way, its argument is released
 * once, after the join nothing of the submitter's is used any more, and the last to end is freed.
 */
#include <limits.h>
#include <math.h>

#include "model/world.h"
#include "thread/cfuture.h"

static aw_loop *l;
static aw_cfuture *f;
static int begun, released, joined;
static bool cancelled, over;
static struct gate submitted;

static void make_loop(void)
{
    l = world_loop();
    aw_loop_hold(l);
    f = NULL;
    begun = released = 0;
    over = submitted.open = false;
}

static int work(void *arg)
{
    model_assert(!over && !released);
    begun++;
    AW_TRY(aw_sleep(0));
    model_assert(!over && !released);
    return *(int *)arg;
}

static void release(void *arg)
{
    (void)arg;
    model_assert(!over);
    released++;
}

static int stop(void *arg)
{
    (void)arg;
    l->stop = AW_STOP_THIS_PASS;
    return 0;
}

static void run_loop(void)
{
    model_assert(aw_loop_run_forever(l) == 0);
    aw_loop_free(l);
}

static void submit_and_join(void)
{
    int number = 5;
    f = aw_cfuture_ref(aw_submit(l, work, &number, .release = release));
    model_assert(f);
    model_name(&f->state, "state");
    model_name(&f->ended, "ended");
    gate_open(&submitted);
    joined = aw_cfuture_join(f, INFINITY);
    over = true;
    number = 0;
    static aw_inbox_node node;
    model_assert(aw_call_soon_threadsafe_node(l, &node, stop, NULL) == 0);
    aw_loop_release(l);
}

static void cancel(void)
{
    gate_pass(&submitted);
    cancelled = aw_cfuture_cancel(f);
    aw_cfuture_unref(f);
}

static void check(void)
{
    model_assert(released == 1 && begun <= 1);
    model_assert(joined == (cancelled ? -ECANCELED : 5));
}

static const struct model submitting = {.setup = make_loop,
                                        .threads = {run_loop, submit_and_join, cancel},
                                        .check = check,
                                        .preemptions = 3,
                                        .quick = 2};

TEST_MODEL(model_submit_joined_and_cancelled, submitting)
