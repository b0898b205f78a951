/*
 * Hard cancellation: after the tasks were asked to end and did not, every call that suspends fails;
 * who does not heed that is reported with its stack, and given up.
 */
#include "stop_util.h"
#include "testing_calls.h"

#include <math.h>
#include <time.h>

/* ---- what ends ---- */

static int ignore_and_count(void *arg)
{
    int failed = 0;
    for (int i = 0; i < *(int *)arg; i++)
        failed += aw_sleep(100) == -ECANCELED;
    return failed;
}

static int raise_and_ignore(void *arg)
{
    AW_TRY(raise(SIGTERM));
    return ignore_and_count(arg);
}

/* One delivery at the end of the grace, then the sleep until hard, and from there every call. */
TEST(stop_hard_ends_a_loop_that_ignores_errors)
{
    int times = 500;
    assert_int_equal(aw_run(raise_and_ignore, &times, .stop_on = AW_SIGTERM, .grace = 5, .hard = 3),
                     500);
    assert_reports(0);
}

static int when_it_fails(void *arg)
{
    double *at = arg;
    AW_TRY(raise(SIGTERM));
    for (int i = 0; i < 3; i++) {
        aw_ignore(aw_sleep(1000));
        at[i] = aw_time();
    }
    return 0;
}

TEST(stop_hard_begins_when_it_should)
{
    double at[3];
    assert_int_equal(aw_run(when_it_fails, at, .stop_on = AW_SIGTERM, .grace = 5, .hard = 3), 0);
    assert_time(at[0], 5);
    assert_time(at[1], 8);
    assert_time(at[2], 8);
    assert_int_equal(aw_run(when_it_fails, at, .stop_on = AW_SIGTERM, .grace = 5), 0);
    assert_time(at[1], 7); /* two seconds by default */
    assert_int_equal(aw_run(when_it_fails, at, .stop_on = AW_SIGTERM, .hard = INFINITY), 0);
    assert_time(at[1], 1010); /* never */
    assert_time(at[2], 2010);
}

static int leave_ignoring(void *arg)
{
    AW_TRY(aw_spawn(ignore_errors, arg));
    return aw_sleep(0);
}

TEST(stop_hard_at_the_end_of_any_run)
{
    int times = 20;
    assert_int_equal(aw_run(leave_ignoring, &times, .exception_handler = collect_report), 0);
    assert_trace("i");
    assert_reports(1);
    aw_runner *r = aw_runner_new(.exception_handler = collect_report);
    assert_int_equal(aw_runner_run(r, leave_ignoring, &times), 0);
    assert_int_equal(aw_runner_close(r), 0);
    aw_runner_free(r);
    assert_trace("ii");
    assert_reports(1);
}

/* Giving way suspends too. */
static int yield_while_it_works(void *arg)
{
    int yields = 0;
    (void)arg;
    AW_TRY(raise(SIGTERM));
    aw_ignore(aw_sleep(1000)); /* the one cancellation */
    for (; aw_sleep(0) == 0; yields++)
        assert_int_equal(aw_testing_advance(0.5), 0);
    return yields;
}

TEST(stop_hard_fails_a_task_that_only_yields)
{
    int yields = aw_run(yield_while_it_works, NULL, .stop_on = AW_SIGTERM);
    assert_in_range(yields, 4, 5); /* 2 s */
}

/* ---- every call ---- */

/* All of them, two times, while time stands still. */
static int call_everything(void *arg)
{
    AW_TRY(raise(SIGTERM));
    AW_TRY(make_things());
    aw_ignore(aw_sleep(1000)); /* cancelled */
    aw_ignore(aw_sleep(1000)); /* hard */
    double began = aw_time();
    for (size_t i = 0; i < 2 * N_CALLS; i++) {
        int err = calls[i % N_CALLS].waits();
        if (err != -ECANCELED)
            fail_msg("%s returned %s", calls[i % N_CALLS].name, aw_error_name(err));
    }
    assert_time(aw_time(), began);
    drop_things();
    return give(arg);
}

TEST_ORDER_FREE(stop_hard_fails_every_call_that_suspends)
{
    assert_int_equal(
        aw_run(call_everything, INT(5), .stop_on = AW_SIGTERM, .exception_handler = collect_report),
        5);
    assert_reports(0);
}

/* All of them, one task each, are asleep when it begins.  (Time passes for real while two of them
 * wait for the kernel.) */
static int call_until_hard(void *arg)
{
    const struct call *call = arg;
    int err;
    do
        err = call->waits();
    while (aw_time() < 0.0999);
    return err;
}

static int call_everything_at_once(void *arg)
{
    aw_task *t[N_CALLS];
    AW_TRY(raise(SIGTERM));
    AW_TRY(make_things());
    for (size_t i = 0; i < N_CALLS; i++)
        t[i] = aw_create_task(call_until_hard, (void *)&calls[i]);
    for (size_t i = 0; i < N_CALLS; i++) {
        while (!aw_done(t[i]))
            aw_ignore(aw_await_shielded(t[i]));
        if (aw_result(t[i]) != -ECANCELED)
            fail_msg("%s returned %s", calls[i].name, aw_error_name(aw_result(t[i])));
        aw_unref(t[i]);
    }
    assert_time(aw_time(), 0.1);
    drop_things();
    return give(arg);
}

TEST_ORDER_FREE(stop_hard_wakes_every_call)
{
    assert_int_equal(aw_run(call_everything_at_once, INT(6), .stop_on = AW_SIGTERM, .grace = 0.05,
                            .hard = 0.05, .exception_handler = collect_report),
                     6);
    assert_reports(0);
}

/* Whoever awaits tasks, by whatever call, is not let go before they have ended. */
static int ignore_five(void *arg)
{
    for (int i = 0; i < 5; i++)
        aw_ignore(aw_sleep(100));
    return note_it(arg);
}

static int await_three_ways(void *arg)
{
    AW_TRY(raise(SIGTERM));
    aw_ignore(aw_sleep(1000)); /* cancelled */
    aw_ignore(aw_sleep(1000)); /* hard */
    assert_int_equal(aw_join(aw_create_task(ignore_five, "1")), -ECANCELED);
    assert_trace("1");
    aw_task *t = aw_create_task(ignore_five, "2", .eager = true);
    aw_ignore(aw_gather_futures(&t, 1));
    assert_trace("12");
    aw_unref(t);
    assert_int_equal(aw_gather(AW_CORO(ignore_five, "3")), -ECANCELED);
    assert_trace("123");
    return give(arg);
}

TEST(stop_hard_waits_for_those_who_are_awaited)
{
    assert_int_equal(aw_run(await_three_ways, INT(7), .stop_on = AW_SIGTERM,
                            .exception_handler = collect_report),
                     7);
    assert_reports(0);
}
