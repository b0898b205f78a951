/*
 * Hard cancellation: after the tasks were asked to end and did not, every call that suspends fails;
 * who does not heed that is reported with its stack, and given up.
 */
#include "stop_util.h"

#include "await/queue.h"
#include "await/sync.h"

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

