/*
 * cfuture.c - a concurrent future that one thread sets, another cancels, and a third waits for:
 * one outcome, seen by all, and a callback that is called once.  Each has a handle of its own, and
 * gives it up as soon as it can.
 */
#include <limits.h>
#include <math.h>

#include "model/world.h"
#include "thread/cfuture.h"

static aw_cfuture *f;
static int set, seen, called, value;
static bool cancelled;

static void make_future(void)
{
    world_begin();
    f = aw_cfuture_new();
    model_name(&f->state, "state");
    model_name(&f->refs, "references");
    model_name(&f->callbacks, "callbacks");
    aw_cfuture_ref(f);
    aw_cfuture_ref(f);
    set = seen = called = value = 0;
    cancelled = false;
}

static void produce(void)
{
    value = 7;
    set = aw_cfuture_set_result(f, 5, &value);
    model_assert(set == 0 || set == AW_ESTATE);
    model_assert(aw_cfuture_done(f));
    aw_cfuture_unref(f);
}

static void cancel(void)
{
    cancelled = aw_cfuture_cancel(f);
    model_assert(aw_cfuture_done(f));
    aw_cfuture_unref(f);
}

static int call(aw_cfuture *done, void *arg)
{
    (void)arg;
    model_assert(done == f && aw_cfuture_done(done));
    called++;
    return 0;
}

static void wait(void)
{
    model_assert(aw_cfuture_add_done_callback(f, call, NULL) == 0);
    seen = aw_cfuture_result(f, INFINITY);
    if (seen == 5) {
        model_assert(*(int *)aw_cfuture_value(f) == 7);
    }
    aw_cfuture_unref(f);
}

static void check(void)
{
    model_assert(called == 1);
    model_assert(cancelled == (seen == -ECANCELED));
    model_assert((set == 0) == (seen == 5));
}

static void make_lent(void)
{
    make_future();
    aw_cfuture_unref(f);
    aw_cfuture_unref(f);
}

/* Without a handle of its own: by the time it is over there may be none. */
static void produce_on_loan(void)
{
    model_assert(aw_cfuture_set_result(f, 5, NULL) == 0);
}

static void wait_on(void)
{
    model_assert(aw_cfuture_result(f, INFINITY) == 5);
    aw_cfuture_unref(f);
}

static const struct model settling = {
    .setup = make_future, .threads = {wait, produce, cancel}, .check = check, .preemptions = 3};

TEST_MODEL(model_cfuture_settled_cancelled_waited_for, settling)

static const struct model lending = {
    .setup = make_lent, .threads = {wait_on, produce_on_loan}, .preemptions = 4};

TEST_MODEL(model_cfuture_set_by_one_without_a_handle, lending)
