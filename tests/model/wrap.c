/*
 * wrap.c - a coroutine wraps a concurrent future and ends without awaiting it, and its loop closes,
 * while another thread completes the future and a third cancels it: the record between the two is
 * freed once, and nothing is touched that is gone.
 */
#include <limits.h>

#include "model/world.h"
#include "thread/cfuture.h"

static aw_loop *l;
static aw_cfuture *f;

static void make_both(void)
{
    l = world_loop();
    f = aw_cfuture_new();
    model_name(&f->state, "state");
    model_name(&f->refs, "references");
    model_name(&f->callbacks, "callbacks");
    aw_cfuture_ref(f);
    aw_cfuture_ref(f);
}

static int only_wrap(void *arg)
{
    aw_future *wrapper = aw_wrap_future(arg);
    model_assert(wrapper);
    aw_unref(wrapper);
    return 3;
}

static void run_and_close(void)
{
    aw_task *t = aw_create_task(only_wrap, f, .loop = l);
    model_assert(aw_loop_run_until_complete(l, t) == 3);
    aw_unref(t);
    aw_loop_free(l);
    aw_cfuture_unref(f);
}

static void complete(void)
{
    aw_ignore(aw_cfuture_set_result(f, 5, NULL));
    aw_cfuture_unref(f);
}

static void cancel(void)
{
    aw_cfuture_cancel(f);
    aw_cfuture_unref(f);
}

static const struct model detaching = {
    .setup = make_both, .threads = {run_and_close, complete, cancel}, .preemptions = 3, .quick = 2};

TEST_MODEL(model_wrap_loop_closes_as_the_future_is_done, detaching)
