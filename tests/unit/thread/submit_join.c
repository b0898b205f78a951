/*
 * Waiting for a submitted coroutine: result against join, time limits, its own thread, and what is
 * said of a failure that nobody asks for.
 */
#include "util.h"

/* Goes on for a while after it was cancelled: cleaning up on its caller's stack. */
struct stubborn {
    flag going;
    double linger;
    _Atomic int ended;
    int answer;
};

static int be_stubborn(void *arg)
{
    struct stubborn *s = arg;
    raise_flag(&s->going);
    aw_ignore(aw_sleep(INFINITY));
    double until = aw_time() + s->linger;
    while (aw_time() < until)
        aw_ignore(aw_sleep(0.001));
    s->ended = 1;
    return s->answer;
}

/* The result says that it was cancelled; join also that it has ended. */
TEST_REAL_CLOCK(submit_join_waits_for_the_end_of_the_work)
{
    aw_loop_thread *lt = start_loop();
    struct stubborn s = {.linger = 0.1, .answer = -ECANCELED};
    aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), be_stubborn, &s);
    wait_flag(&s.going);
    assert_true(aw_cfuture_cancel(f));
    assert_int_equal(aw_cfuture_result(f, INFINITY), -ECANCELED);
    assert_int_equal(s.ended, 0);
    assert_int_equal(aw_cfuture_join(f, INFINITY), -ECANCELED);
    assert_int_equal(s.ended, 1);
    stop_loop(lt);
}

TEST_REAL_CLOCK(submit_join_that_is_late_cancels_and_still_waits)
{
    aw_loop_thread *lt = start_loop();
    for (int i = 0; i < 2; i++) {
        struct stubborn s = {.linger = 0.05, .answer = i ? -ECANCELED : 5};
        aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), be_stubborn, &s);
        wait_flag(&s.going);
        assert_int_equal(aw_cfuture_join(f, i ? 0.01 : -1), -ETIMEDOUT);
        assert_int_equal(s.ended, 1);
    }
    stop_loop(lt);
}

static int be_done_soon(void *arg)
{
    AW_TRY(aw_sleep(0.05));
    return give(arg);
}

TEST_REAL_CLOCK(submit_time_limits)
{
    aw_loop_thread *lt = start_loop();
    aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), be_done_soon, INT(8));
    double began = now();
    assert_int_equal(aw_cfuture_result(f, 0), -ETIMEDOUT);
    assert_int_equal(aw_cfuture_result(f, -5), -ETIMEDOUT);
    assert_int_equal(aw_cfuture_result(f, -INFINITY), -ETIMEDOUT);
    assert_int_equal(aw_cfuture_result(f, 0.01), -ETIMEDOUT);
    assert_true(now() - began >= 0.01);
    assert_false(aw_cfuture_done(f));
    assert_int_equal(aw_cfuture_result(f, NAN), -EINVAL);
    assert_int_equal(aw_cfuture_join(f, NAN), -EINVAL);
    assert_int_equal(aw_cfuture_result(f, INFINITY), 8);
    assert_int_equal(aw_cfuture_result(f, 0), 8);
    assert_int_equal(aw_cfuture_join(f, 0), 8);
    stop_loop(lt);
}

static void *join_too(void *arg)
{
    assert_int_equal(aw_cfuture_join(aw_cfuture_ref(arg), 5), 9);
    return NULL;
}

TEST_REAL_CLOCK(submit_joined_by_several)
{
    aw_loop_thread *lt = start_loop();
    aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), be_done_soon, INT(9));
    pthread_t t[8];
    for (int i = 0; i < 8; i++)
        t[i] = start_thread(join_too, f);
    for (int i = 0; i < 8; i++)
        end_thread(t[i]);
    aw_cfuture_unref(f);
    stop_loop(lt);
}

/* ---- on the loop's own thread ---- */

static int wait_for_myself(void *arg)
{
    aw_loop *l = aw_running_loop();
    (void)arg;
    aw_cfuture *f = aw_submit(l, give, INT(6));
    double began = now();
    assert_int_equal(aw_cfuture_result(f, INFINITY), -EDEADLK);
    assert_int_equal(aw_cfuture_join(f, INFINITY), -EDEADLK);
    assert_int_equal(aw_cfuture_wait(&f, 1, AW_ALL_COMPLETED, INFINITY), -EDEADLK);
    assert_int_equal(aw_cfuture_wait(&f, 1, AW_ALL_COMPLETED, 0), 0);
    assert_null(aw_submit_ready(l, give, INT(6)));
    assert_int_equal(aw_errno(), -EDEADLK);
    assert_true(now() - began < 2);
    int result = aw_join(aw_wrap_future(f)); /* the way that works */
    assert_int_equal(aw_cfuture_result(f, INFINITY), 6);
    assert_int_equal(aw_cfuture_join(f, INFINITY), 6);
    return result;
}

TEST(submit_own_thread_cannot_wait)
{
    assert_int_equal(aw_run(wait_for_myself, NULL), 6);
}

static int wait_for_other_loop(void *arg)
{
    return aw_cfuture_join(aw_submit(arg, be_done_soon, INT(4)), 5);
}

TEST_REAL_CLOCK(submit_another_loops_thread_may_wait)
{
    aw_loop_thread *lt = start_loop();
    assert_int_equal(aw_run(wait_for_other_loop, aw_loop_thread_loop(lt)), 4);
    stop_loop(lt);
}

/* ---- the child of a fork ---- */

static void wait_in_child(void *arg)
{
    aw_cfuture *f = arg;
    assert_int_equal(aw_cfuture_result(f, INFINITY), AW_EFORKED);
    assert_int_equal(aw_cfuture_wait(&f, 1, AW_ALL_COMPLETED, INFINITY), AW_EFORKED);
    assert_int_equal(aw_cfuture_join(f, INFINITY), AW_EFORKED);
    aw_cfuture_cancel(f);
    end_child();
}

TEST_REAL_CLOCK(submit_waiting_in_a_forked_child_is_refused)
{
    struct child_result r;
    aw_loop_thread *lt = start_loop();
    aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), sleep_long, NULL);
    run_child(&r, wait_in_child, f);
    assert_true(child_exited(&r, 0));
    assert_string_equal(r.err, "");
    assert_false(aw_cfuture_done(f));
    assert_int_equal(aw_cfuture_join(f, 0), -ETIMEDOUT);
    stop_loop(lt);
}

/* ---- failures that nobody asks for ---- */

static int fail_when_told(void *arg)
{
    flag *go = arg;
    while (!is_up(go))
        AW_TRY(aw_sleep(0.001));
    return -EPROTO;
}

TEST_REAL_CLOCK(submit_failure_nobody_has_the_handle_of)
{
    aw_loop_thread *lt = start_reporting_loop();
    aw_loop *l = aw_loop_thread_loop(lt);
    flag go = {0};
    aw_cfuture_unref(aw_submit(l, fail_when_told, &go, .name = "lost"));
    const int line = __LINE__ - 1;
    raise_flag(&go);
    wait_until(reports.n > 0);
    assert_int_equal(reports.kind, AW_REPORT_NEVER_RETRIEVED);
    assert_int_equal(reports.error, -EPROTO);
    assert_int_equal(reports.line, line);
    assert_string_equal(reports.name, "lost");
    assert_string_equal(reports.fn_name, "fail_when_told");
    assert_reports(1);
    stop_loop(lt);
}

static void give_up_without_looking(void *arg)
{
    aw_loop_thread *lt = start_loop();
    flag go = {.up = 1};
    (void)arg;
    aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), fail_when_told, &go);
    wait_until(aw_cfuture_done(f));
    aw_cfuture_unref(f);
    stop_loop(lt);
}

TEST_REAL_CLOCK(submit_failure_whose_handle_is_given_up_unread)
{
    struct child_result r;
    run_child(&r, give_up_without_looking, NULL);
    assert_true(child_exited(&r, 0));
    normalise(r.err);
    char *line = strstr(r.err, "submit_join.c:");
    assert_non_null(line);
    *line = '\0';
    assert_string_equal(r.err, "await: a submitted coroutine failed and nobody looked at it\n"
                               "  function:  fail_when_told\n"
                               "  submitted: ");
}

static void fail_plainly(void *arg)
{
    (void)arg;
    aw_cfuture *f = aw_cfuture_new();
    assert_int_equal(aw_cfuture_set_error(f, -EIO, "paper jam"), 0);
    aw_cfuture_unref(f);
    f = aw_cfuture_new();
    assert_int_equal(aw_cfuture_set_error(f, -EIO, "seen"), 0);
    assert_int_equal(aw_cfuture_join(f, 0), -EIO);
}

TEST_REAL_CLOCK(submit_failure_of_a_plain_future_nobody_reads)
{
    struct child_result r;
    run_child(&r, fail_plainly, NULL);
    assert_string_equal(r.err, "await: a concurrent future failed and nobody looked at it\n"
                               "  error:   -EIO (input/output error): paper jam\n");
}

/* Cancelled, and its clean-up fails: the future cannot tell, so the task is reported. */
TEST_REAL_CLOCK(submit_failure_after_a_cancellation)
{
    aw_loop_thread *lt = start_reporting_loop();
    struct stubborn s = {.answer = -ENOSPC};
    aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), be_stubborn, &s);
    wait_flag(&s.going);
    assert_int_equal(aw_cfuture_join(f, 0), -ETIMEDOUT);
    wait_until(reports.n > 0);
    assert_int_equal(reports.error, -ENOSPC);
    assert_string_equal(reports.fn_name, "be_stubborn");
    assert_reports(1);
    stop_loop(lt);
}
