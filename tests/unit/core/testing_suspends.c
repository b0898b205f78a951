/*
 * Which calls suspend: every public call that can wait does when it has to, and does not when it
 * has nothing to wait for; and what is said when somebody expected otherwise.
 */
#include "testing_calls.h"

#include <math.h>
#include <signal.h>

static int cancel_it(void *arg)
{
    return aw_cancel(arg) ? 0 : -EPROTO;
}

/* Waits until it is cancelled, shortly. */
static int call_that_waits(const struct call *c)
{
    int err;
    printf("%s\n", c->name); /* shown if the test fails */
    AW_TRY(aw_call_later(0.01, cancel_it, aw_current_task()));
    AW_EXPECT_SUSPENDS(err = c->waits());
    return err;
}

static int call_all_that_wait(void *arg)
{
    AW_TRY(make_things());
    for (size_t i = 0; i < N_CALLS; i++) {
        int err = call_that_waits(&calls[i]);
        if (err != -ECANCELED)
            fail_msg("%s returned %s", calls[i].name, aw_error_name(err));
    }
    drop_things();
    return give(arg);
}

TEST(testing_calls_that_have_to_wait_suspend)
{
    assert_int_equal(aw_run(call_all_that_wait, INT(1)), 1);
}

static int call_all_at_once(void *arg)
{
    int err;
    AW_TRY(make_things());
    for (size_t i = 0; i < N_CALLS; i++) {
        printf("%s\n", calls[i].name);
        if (calls[i].of_kernel)
            err = calls[i].at_once();
        else
            AW_EXPECT_NO_SUSPEND(err = calls[i].at_once());
        if (err != 0)
            fail_msg("%s returned %s", calls[i].name, aw_error_name(err));
    }
    drop_things();
    return give(arg);
}

TEST_ORDER_FREE(testing_calls_that_need_not_wait_do_not_suspend)
{
    assert_int_equal(aw_run(call_all_at_once, INT(2)), 2);
}

/* Those that have no other form: always, and never. */
static int call_the_others(void *arg)
{
    void *item;
    AW_EXPECT_SUSPENDS(aw_sleep(0));
    AW_EXPECT_SUSPENDS(aw_sleep(-1));
    AW_EXPECT_SUSPENDS(aw_wait_all_blocked());
    AW_EXPECT_SUSPENDS(aw_stop_wait());
    AW_EXPECT_NO_SUSPEND(aw_stop_wait());
    AW_TRY(make_things());
    AW_EXPECT_NO_SUSPEND(aw_done(NULL));
    AW_EXPECT_NO_SUSPEND(aw_spawn(no_work, NULL));
    AW_EXPECT_NO_SUSPEND(aw_event_set(&things.event));
    AW_EXPECT_NO_SUSPEND(aw_event_clear(&things.event));
    AW_EXPECT_NO_SUSPEND(aw_lock_release(&things.busy_lock));
    AW_EXPECT_NO_SUSPEND(aw_semaphore_release(&things.semaphore));
    AW_EXPECT_NO_SUSPEND(aw_bounded_semaphore_release(&things.bounded));
    AW_EXPECT_NO_SUSPEND(aw_barrier_reset(&things.barrier_of_one));
    AW_EXPECT_NO_SUSPEND(aw_barrier_abort(&things.barrier_of_one));
    AW_EXPECT_NO_SUSPEND(aw_queue_get_nowait(&things.full, &item));
    AW_EXPECT_NO_SUSPEND(aw_queue_put_nowait(&things.full, NULL));
    AW_EXPECT_NO_SUSPEND(aw_queue_shutdown(&things.full));
    AW_EXPECT_NO_SUSPEND(aw_set_result(things.pending, 0, NULL));
    AW_EXPECT_NO_SUSPEND(aw_testing_advance(1));
    drop_things();
    return give(arg);
}

static int terminate(void *arg)
{
    (void)arg;
    return raise(SIGTERM);
}

static int terminate_and_call(void *arg)
{
    AW_TRY(aw_call_later(1, terminate, NULL));
    return call_the_others(arg);
}

TEST_ORDER_FREE(testing_calls_that_always_or_never_suspend)
{
    assert_int_equal(aw_run(terminate_and_call, INT(3), .stop_on = AW_SIGTERM), 3);
}

/* Having failed is no reason to suspend. */
static int call_badly(void *arg)
{
    char byte;
    AW_EXPECT_NO_SUSPEND(aw_sleep((double)NAN));
    AW_EXPECT_NO_SUSPEND(aw_await(NULL));
    AW_EXPECT_NO_SUSPEND(aw_await(aw_current_task()));
    AW_EXPECT_NO_SUSPEND(aw_wait(NULL, 0, AW_ALL_COMPLETED));
    AW_EXPECT_NO_SUSPEND(aw_lock_acquire(NULL));
    AW_EXPECT_NO_SUSPEND(aw_queue_join(NULL));
    AW_EXPECT_NO_SUSPEND(aw_read(-1, &byte, 1));
    AW_EXPECT_NO_SUSPEND(aw_poll(-1, POLLIN));
    return give(arg);
}

TEST(testing_bad_calls_do_not_suspend)
{
    assert_int_equal(aw_run(call_badly, INT(4)), 4);
}

/* ---- otherwise ---- */

static int expect_wrongly(void *arg)
{
    if (arg)
        AW_EXPECT_SUSPENDS(aw_done(NULL));
    printf("%d", __LINE__ + 1);
    AW_EXPECT_NO_SUSPEND(aw_sleep(0) + 1);
    return 0;
}

static void run_wrongly(void *arg)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    aw_ignore(aw_run(expect_wrongly, arg));
}

TEST(testing_a_wrong_expectation_ends_the_process)
{
    struct child_result r;
    char expected[256];
    run_child(&r, run_wrongly, NULL);
    assert_true(child_killed(&r, SIGABRT));
    normalise(r.err);
    snprintf(expected, sizeof expected,
             "await: testing_suspends.c:%.8s: expected not to suspend, but did: aw_sleep(0) + 1\n",
             r.out);
    assert_string_equal(r.err, expected);
    run_child(&r, run_wrongly, "the other");
    assert_true(child_killed(&r, SIGABRT));
    assert_string_equal(r.out, "");
    assert_non_null(strstr(r.err, ": expected to suspend, but did not: aw_done(NULL)\n"));
}

static void expect_outside(void *arg)
{
    (void)arg;
    AW_EXPECT_NO_SUSPEND(aw_sleep(0));
    AW_EXPECT_SUSPENDS(aw_sleep(0));
}

/* Outside a task nothing suspends. */
TEST(testing_an_expectation_outside_a_task)
{
    struct child_result r;
    run_child(&r, expect_outside, NULL);
    assert_true(child_killed(&r, SIGABRT));
    assert_non_null(strstr(r.err, ": expected to suspend, but did not: aw_sleep(0)\n"));
}
