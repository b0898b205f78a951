/*
 * runs.c - scenarios of runs: several on one runner, stopped by a signal, ended by force, seeded.
 */
#include <signal.h>

#include "await/testing.h"
#include "fault/inject.h"

/* ---- runners ---- */

static const aw_local visits = AW_LOCAL_INIT("visits", NULL);

static int visit(void *arg)
{
    intptr_t before = (intptr_t)aw_local_get(&visits);
    EXPECT(aw_local_set(&visits, INT(before + 1)), 0);
    AW_TRY(aw_sleep(1));
    if (arg)
        EXPECT(aw_spawn(clean_up_slowly, NULL), 0);
    return (int)before;
}

static int visit_three_times(aw_runner *r)
{
    for (int i = 0; i < 3; i++)
        EXPECT(aw_runner_run(r, visit, INT(i == 1)), i);
    return aw_runner_close(r);
}

/* A runner whose loop is there and watched. */
static int make_runner(aw_runner **ret)
{
    aw_runner *r = aw_runner_new(.virtual_clock = true, .exception_handler = note_report);
    if (!r)
        return aw_errno();
    aw_loop *l = aw_runner_loop(r);
    if (!l) {
        aw_runner_free(r);
        return aw_errno();
    }
    inject_watch(l);
    *ret = r;
    return 0;
}

SCENARIO(runner_of_three_runs)
{
    aw_runner *r;
    AW_TRY(make_runner(&r));
    announce_reports(1); /* the task that the second run leaves behind */
    int err = visit_three_times(r);
    aw_runner_free(r);
    return err;
}

/* Interrupted, once: the run ends, the runner goes on. */
static int interrupt_me(void *arg)
{
    (void)arg;
    CHECK(raise(SIGINT) == 0);
    return sleep_long(NULL);
}

SCENARIO(runner_interrupted)
{
    aw_runner *r;
    AW_TRY(make_runner(&r));
    may_be_silent(SITE_WRITE); /* a lost wake-up of a loop that is awake */
    may_be_silent(SITE_READ);
    int err = aw_runner_run(r, interrupt_me, NULL);
    if (err == AW_EINTR)
        err = aw_runner_run(r, give, INT(0));
    if (err == 0)
        err = aw_runner_close(r);
    aw_runner_free(r);
    EXPECT(err, 0);
    return 0;
}

/* ---- stopping ---- */

static int stop_and_finish(void *arg)
{
    (void)arg;
    CHECK(!aw_stopping() && raise(SIGTERM) == 0);
    AW_TRY(aw_stop_wait());
    CHECK(aw_stopping() && aw_stop_wait() == 0);
    return 4;
}

SCENARIO(stopped_gracefully)
{
    may_be_silent(SITE_WRITE);
    may_be_silent(SITE_READ);
    int err = run_main_with(stop_and_finish, NULL, (aw_run_opts){.stop_on = AW_SIGTERM});
    EXPECT(disturbed() && err == 0 ? 4 : err, 4); /* a main that ends cancelled has heeded */
    return 0;
}

/* Who does not listen is cancelled when the time of grace is over. */
static int do_not_listen(void *arg)
{
    CHECK(raise(SIGTERM) == 0);
    return clean_up_slowly(arg);
}

SCENARIO(stopped_after_grace)
{
    may_be_silent(SITE_WRITE);
    may_be_silent(SITE_READ);
    return run_main_with(do_not_listen, NULL, (aw_run_opts){.stop_on = AW_SIGTERM, .grace = 3});
}

/* What ignores its cancellation is ended by calls that fail; what ignores those too, given up. */
static int stubborn(void *arg)
{
    int times = *(int *)arg;
    for (int i = 0; i < times; i++)
        aw_ignore(aw_sleep(100));
    return 0;
}

static int leave_stubborn(void *arg)
{
    EXPECT(aw_spawn(stubborn, arg), 0);
    return aw_sleep(1);
}

SCENARIO(ended_by_force)
{
    int times = 5;
    announce_reports(1);
    return run_main_with(leave_stubborn, &times, (aw_run_opts){.hard = 1});
}

SCENARIO(given_up)
{
    int times = 100000;
    announce_reports(2);
    return run_main_with(leave_stubborn, &times, (aw_run_opts){.hard = 1});
}

/* ---- tests of programs ---- */

static int watch_others(void *arg)
{
    aw_task *t;
    (void)arg;
    MAKE(t, aw_create_task(give_later, (&(struct later){5, 2}), .copy = sizeof(struct later)));
    AW_TRY(aw_wait_all_blocked());
    CHECK_CALM(!aw_done(t) && aw_time() == 0);
    EXPECT(aw_testing_advance(5), 0);
    EXPECT(aw_await(t), 2);
    AW_EXPECT_NO_SUSPEND(aw_result(t));
    CHECK(aw_suspensions() > 0);
    return 0;
}

SCENARIO(testing_aids)
{
    return run_main(watch_others, NULL);
}

/* The same seed is the same order. */
static int draw_an_order(void *arg)
{
    aw_task *t[5];
    for (int i = 0; i < 5; i++)
        MAKE(t[i],
             aw_create_task(give_later, (&(struct later){1, i}), .copy = sizeof(struct later)));
    for (int i = 0; i < 5; i++)
        EXPECT(aw_await(t[i]), i);
    *(uint64_t *)arg = aw_loop_trace(aw_running_loop());
    return 0;
}

SCENARIO(seeded_order)
{
    uint64_t trace[2] = {0, 0};
    for (int i = 0; i < 2; i++)
        AW_TRY(run_main_with(draw_an_order, &trace[i], (aw_run_opts){.seed = 7, .shuffle = true}));
    CHECK_CALM(trace[0] == trace[1] && trace[0] != 0);
    return 0;
}
