/*
 * loop_thread.c - a loop thread is started, given something to do, and stopped, while another
 * thread submits too: what was accepted comes to its end, and everything is freed.
 */
#include <limits.h>
#include <math.h>

#include "model/world.h"
#include "thread/cfuture.h"

static aw_loop_thread *lt;
static aw_loop *l;
static int released, accepted, accepted_too;
static struct gate going;

static void begin(void)
{
    world_begin();
    going.open = false;
    released = accepted = accepted_too = 0;
}

static int wait_for_ever(void *arg)
{
    (void)arg;
    return aw_sleep(INFINITY);
}

static void release(void *arg)
{
    (void)arg;
    released++;
}

static void start_and_stop(void)
{
    lt = aw_loop_thread_start(.virtual_clock = true);
    model_assert(lt);
    l = aw_loop_thread_loop(lt);
    aw_loop_hold(l);
    gate_open(&going);
    aw_cfuture *f = aw_submit(l, wait_for_ever, NULL, .release = release);
    accepted = f != NULL;
    model_assert(aw_loop_thread_stop(lt, .timeout = INFINITY) == 0);
    model_assert(aw_cfuture_join(f, INFINITY) == -ECANCELED);
}

static void submit_too(void)
{
    gate_pass(&going);
    aw_cfuture *f = aw_submit(l, wait_for_ever, NULL, .release = release);
    accepted_too = f != NULL;
    model_assert(f || aw_errno() == AW_EMISUSE);
    aw_cfuture_unref(f);
    aw_loop_release(l);
}

static void check(void)
{
    model_assert(released == accepted + accepted_too);
}

static const struct model stopping = {.setup = begin,
                                      .threads = {start_and_stop, submit_too, world_started_thread},
                                      .later = 1,
                                      .check = check,
                                      .preemptions = 3,
                                      .quick = 2};

TEST_MODEL(model_loop_thread_started_and_stopped, stopping)
