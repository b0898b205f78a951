/*
 * aw_run: what it returns, what it refuses, what it does with what main leaves behind.
 */
#include "util.h"

#include <math.h>
#include <unistd.h>

static int give_after_yield(void *arg)
{
    AW_TRY(aw_sleep(0));
    return give(arg);
}

/* RUN-001: run executes main on a loop of its own and returns its result. */
TEST_ORDER_FREE(RUN_001_result_of_main)
{
    assert_int_equal(aw_run(give, INT(42)), 42);
    assert_int_equal(aw_run(give_after_yield, INT(0)), 0);
    assert_int_equal(aw_run(give_after_yield, INT(-EIO)), -EIO);
    assert_int_equal(aw_run(give, INT(-ECANCELED)), -ECANCELED);
    assert_null(aw_running_loop());
}

static int note_loop(void *arg)
{
    aw_future *f = aw_future_new();
    *(aw_future **)arg = f;
    return aw_set_result(f, 0, NULL);
}

TEST(RUN_001_every_run_has_a_loop_of_its_own_that_is_closed_after_it)
{
    aw_future *f[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(aw_run(note_loop, &f[i]), 0);
    assert_ptr_not_equal(aw_future_loop(f[0]), aw_future_loop(f[1]));
    for (int i = 0; i < 2; i++) {
        assert_true(aw_loop_is_closed(aw_future_loop(f[i])));
        aw_unref(f[i]);
    }
}

static int look_at_myself(void *arg)
{
    char text[128];
    assert_int_equal(aw_describe(aw_current_task(), text, sizeof text), 36);
    assert_string_equal(text, "<task leader look_at_myself pending>");
    return give(arg);
}

TEST(RUN_001_main_has_the_name_that_was_given)
{
    assert_int_equal(aw_run(look_at_myself, INT(3), .name = "leader"), 3);
}

static int use_stack(void *arg)
{
    char big[400 << 10];
    memset(big, *(char *)arg, sizeof big);
    AW_TRY(aw_sleep(0));
    return big[sizeof big - 1];
}

TEST(RUN_001_main_has_the_stack_that_was_asked_for)
{
    assert_int_equal(aw_run(use_stack, "7", .stack_size = 1 << 20), '7');
    assert_int_equal(aw_run(use_stack, "7", .stack_size = 100), -EINVAL);
}

static int fail_with_detail(void *arg)
{
    aw_future *f = aw_future_new();
    AW_TRY(aw_set_error(f, -ENOENT, .msg = arg));
    return aw_join(f);
}

TEST(RUN_001_the_detail_of_an_error_comes_along)
{
    assert_int_equal(aw_run(fail_with_detail, "no such town"), -ENOENT);
    assert_string_equal(aw_errmsg(), "no such town");
}

/* RUN-002: What is no coroutine, is refused: NULL with -EINVAL, all else by its type. */
TEST(RUN_002_no_function)
{
    aw_runner *r = aw_runner_new();
    assert_int_equal(aw_run(NULL, NULL), -EINVAL);
    assert_true(aw_errmsg()[0] != '\0');
    assert_int_equal(aw_runner_run(r, NULL, NULL), -EINVAL);
    assert_int_equal(aw_runner_run(r, give, INT(1)), 1);
    aw_runner_free(r);
}

/* ---- inside of a run ---- */

static int run_inside(void *arg)
{
    int *seen = arg;
    aw_runner *r = aw_runner_new();
    seen[0] = aw_run(give, INT(1));
    seen[1] = aw_runner_run(r, give, INT(1));
    aw_runner_free(r);
    AW_TRY(aw_sleep(1));
    return 5;
}

/* RUN-003: Inside a running loop run fails with AW_EMISUSE, and the outer loop works on. */
TEST_ORDER_FREE(RUN_003_run_inside_a_run)
{
    int seen[2];
    assert_int_equal(aw_run(run_inside, seen), 5);
    assert_int_equal(seen[0], AW_EMISUSE);
    assert_int_equal(seen[1], AW_EMISUSE);
}

static int run_in_callback(void *arg)
{
    *(int *)arg = aw_run(give, INT(1));
    return 0;
}

static int call_and_wait(void *arg)
{
    AW_TRY(aw_call_soon(run_in_callback, arg));
    AW_TRY(aw_sleep(0));
    return aw_sleep(1);
}

TEST(RUN_003_run_in_a_callback)
{
    int seen = 0;
    assert_int_equal(aw_run(call_and_wait, &seen), 0);
    assert_int_equal(seen, AW_EMISUSE);
}

/* ---- what is left behind ---- */

static int clean_up(void *arg)
{
    int err = aw_sleep(1000);
    note('c');
    AW_TRY(aw_sleep(1));
    note(*(char *)arg);
    return err;
}

static int leave_two(void *arg)
{
    AW_TRY(aw_spawn(clean_up, "1"));
    AW_TRY(aw_spawn(clean_up, "2"));
    AW_TRY(aw_sleep(1));
    note('m');
    return give(arg);
}

/* RUN-004: Tasks pending when main returns are cancelled and waited for before its result is. */
TEST(RUN_004_left_tasks_are_cancelled_and_waited_for)
{
    assert_int_equal(aw_run(leave_two, INT(123), .exception_handler = collect_report), 123);
    assert_trace("mcc12");
    assert_int_equal(reports.kind, AW_REPORT_CANCELLED_AT_END);
    assert_string_equal(reports.fn_name, "clean_up");
    assert_reports(2);
}

static int start_another(void *arg)
{
    aw_ignore(aw_sleep(1000));
    note('a');
    return aw_spawn(clean_up, arg); /* never begins: it is cancelled before */
}

static int leave_starter(void *arg)
{
    AW_TRY(aw_spawn(start_another, "x"));
    AW_TRY(aw_sleep(1));
    return give(arg);
}

TEST(RUN_004_a_task_started_meanwhile_is_cancelled_too)
{
    assert_int_equal(aw_run(leave_starter, INT(1), .exception_handler = collect_report), 1);
    assert_trace("a");
    assert_reports(2);
}

static int leave_eager(void *arg)
{
    aw_unref(aw_create_task(clean_up, "e", .eager = true, .release = note_release));
    note('m');
    return give(arg);
}

static int unref_all(void *arg)
{
    aw_task *t[8];
    int n = aw_all_tasks(t, 8);
    for (int i = 0; i < n; i++)
        aw_unref(t[i]);
    return n + give(arg);
}

TEST(RUN_004_main_is_the_only_task_of_a_new_run)
{
    assert_int_equal(aw_run(unref_all, INT(0)), 1);
}

static int hold_left(void *arg)
{
    aw_task **t = arg;
    *t = aw_create_task(clean_up, "h");
    return aw_sleep(0);
}

TEST(RUN_004_the_handle_of_a_left_task_outlives_the_run)
{
    aw_task *t = NULL;
    assert_int_equal(aw_run(hold_left, &t, .exception_handler = collect_report), 0);
    assert_true(aw_cancelled(t));
    assert_trace("ch");
    aw_unref(t);
    assert_reports(1);
}

/* A child that main awaits is not asked twice. */
static int count_requests(void *arg)
{
    int err = aw_sleep(1000);
    *(int *)arg = aw_cancelling(aw_current_task());
    return err;
}

static int await_child(void *arg)
{
    return aw_join(aw_create_task(count_requests, arg));
}

static int leave_awaiting(void *arg)
{
    AW_TRY(aw_spawn(await_child, arg));
    return aw_sleep(1);
}

TEST_ORDER_FREE(RUN_004_one_request_for_who_is_awaited)
{
    int requests = 0;
    assert_int_equal(aw_run(leave_awaiting, &requests, .exception_handler = collect_report), 0);
    assert_int_equal(requests, 1);
    assert_reports(2);
}

/* RUN-005: If main fails, what is left is cancelled and finished first; then comes the error. */
TEST_ORDER_FREE(RUN_005_main_fails)
{
    assert_int_equal(aw_run(leave_two, INT(-EIO), .exception_handler = collect_report), -EIO);
    assert_int_equal(strspn(trace, "mc12"), 5);
    assert_int_equal(strlen(trace), 5);
    assert_int_equal(trace[0], 'm');
    assert_reports(2);
}

static int fail_on_cancel(void *arg)
{
    aw_ignore(aw_sleep(1000));
    note('f');
    return give(arg);
}

static int leave_failing(void *arg)
{
    AW_TRY(aw_spawn(fail_on_cancel, INT(-ENOSPC), .name = "full disk"));
    AW_TRY(aw_sleep(0));
    return give(arg);
}

TEST(RUN_005_an_error_of_what_was_left_is_reported_not_returned)
{
    assert_int_equal(aw_run(leave_failing, INT(-EIO), .exception_handler = collect_report), -EIO);
    assert_trace("f");
    assert_int_equal(reports.kind, AW_REPORT_NEVER_RETRIEVED);
    assert_int_equal(reports.error, -ENOSPC);
    assert_string_equal(reports.name, "full disk");
    assert_reports(2);
}

TEST(RUN_005_what_runs_eagerly_and_is_left)
{
    assert_int_equal(aw_run(leave_eager, INT(-EPERM), .exception_handler = collect_report), -EPERM);
    assert_trace("mcee");
    assert_reports(1);
}

/* ---- the loop factory ---- */

struct factory {
    int calls;
    aw_loop *made, *seen;
};

static aw_loop *make_loop(void *arg)
{
    struct factory *f = arg;
    f->calls++;
    f->made = aw_loop_new();
    return f->made;
}

static int see_loop(void *arg)
{
    struct factory *f = arg;
    f->seen = aw_running_loop();
    return aw_sleep(1);
}

/* RUN-006: A loop factory is called exactly once, and main runs on the loop it made. */
TEST(RUN_006_loop_factory)
{
    struct factory f = {0};
    assert_int_equal(aw_run(see_loop, &f, .loop_factory = make_loop, .loop_factory_arg = &f), 0);
    assert_int_equal(f.calls, 1);
    assert_ptr_equal(f.made, f.seen);
}

TEST(RUN_006_loop_factory_of_a_runner)
{
    struct factory f = {0};
    aw_runner *r = aw_runner_new(.loop_factory = make_loop, .loop_factory_arg = &f);
    assert_int_equal(f.calls, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(aw_runner_run(r, see_loop, &f), 0);
    assert_int_equal(f.calls, 1);
    assert_ptr_equal(f.made, f.seen);
    assert_ptr_equal(aw_runner_loop(r), f.made);
    aw_runner_free(r);
}

static aw_loop *refuse_loop(void *arg)
{
    return aw_refuse(-EPERM, arg);
}

TEST(RUN_006_a_factory_that_makes_none)
{
    aw_runner *r = aw_runner_new(.loop_factory = refuse_loop, .loop_factory_arg = "not today");
    assert_int_equal(
        aw_run(give, NULL, .loop_factory = refuse_loop, .loop_factory_arg = "not today"), -EPERM);
    assert_string_equal(aw_errmsg(), "not today");
    assert_int_equal(aw_runner_run(r, give, NULL), -EPERM);
    assert_null(aw_runner_loop(r));
    assert_int_equal(aw_errno(), -EPERM);
    assert_int_equal(aw_runner_close(r), 0);
    aw_runner_free(r);
}

/* ---- bad options ---- */

/* Every bad number is refused before anything runs. */
TEST(run_refuses_bad_options)
{
    const double bad[] = {NAN, -1, -INFINITY, -1e-300};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(aw_run(note_it, "x", .grace = bad[i]), -EINVAL);
        assert_int_equal(aw_run(note_it, "x", .hard = bad[i]), -EINVAL);
        assert_null(aw_runner_new(.hard = bad[i]));
        assert_int_equal(aw_errno(), -EINVAL);
    }
    assert_int_equal(aw_run(note_it, "x", .stop_on = 4), -EINVAL);
    assert_int_equal(aw_run(note_it, "x", .stop_on = ~0u), -EINVAL);
    assert_int_equal(aw_run(note_it, "x", .backend = "nonesuch"), -EINVAL);
    assert_trace("");
    assert_int_equal(aw_run(note_it, "x", .grace = INFINITY, .hard = INFINITY), 0);
    assert_trace("x");
}
