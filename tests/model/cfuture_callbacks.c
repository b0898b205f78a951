/*
 * cfuture_callbacks.c - callbacks that are added and taken back while the future is completed: a
 * thread waits for it with a time limit, another adds a callback of its own, a third completes it.
 */
#include <limits.h>
#include <math.h>

#include "model/world.h"
#include "thread/cfuture.h"

static aw_cfuture *f;
static int waited, called;

static void make_future(void)
{
    world_begin();
    f = aw_cfuture_new();
    model_name(&f->state, "state");
    model_name(&f->refs, "references");
    model_name(&f->callbacks, "callbacks");
    aw_cfuture_ref(f);
    aw_cfuture_ref(f);
    called = 0;
}

static void complete(void)
{
    model_assert(aw_cfuture_set_result(f, 5, NULL) == 0);
    aw_cfuture_unref(f);
}

static int call(aw_cfuture *done, void *arg)
{
    (void)arg;
    model_assert(aw_cfuture_result(done, 0) == 5);
    called++;
    return 0;
}

static void watch(void)
{
    model_assert(aw_cfuture_add_done_callback(f, call, NULL) == 0);
    aw_cfuture_unref(f);
}

/* The time may be over at any moment, or never. */
static void wait(void)
{
    waited = aw_cfuture_wait(&f, 1, AW_ALL_COMPLETED, 1);
    model_assert(waited == 0 || aw_cfuture_result(f, 0) == 5);
    aw_cfuture_unref(f);
}

static void check(void)
{
    model_assert(called == 1);
    model_assert(waited == 0 || waited == 1);
}

static const struct model watching = {.setup = make_future,
                                      .threads = {wait, complete, watch},
                                      .check = check,
                                      .preemptions = 3,
                                      .quick = 2};

TEST_MODEL(model_cfuture_callbacks_added_and_taken_back, watching)
