/*
 * Failures that nobody looked at are reported when the future goes, and no others are.
 */
#include "util.h"

/* FUT-023: A future with an error that nobody looked at is reported exactly once, when its last
 * handle goes, with the error and the future in the report. */
TEST_IN_LOOP(FUT_023_unseen_error_is_reported_once)
{
    aw_future *f = aw_future_new();
    int line = __LINE__ - 1;
    assert_int_equal(aw_set_error(f, -EIO, .msg = "the disk is gone"), 0);
    assert_ptr_equal(aw_ref(f), f);
    passes(2);
    aw_unref(f);
    assert_reports(0);
    aw_unref(f);
    assert_int_equal(reports.kind, AW_REPORT_NEVER_RETRIEVED);
    assert_int_equal(reports.error, -EIO);
    assert_ptr_equal(reports.future, f);
    assert_string_equal(reports.detail, "the disk is gone");
    assert_int_equal(reports.line, line);
    assert_non_null(strstr(reports.file, "fut_reports.c"));
    assert_reports(1);
    passes(2);
    assert_reports(0);
}

TEST_IN_LOOP(FUT_023_unseen_error_of_a_task_is_reported_once)
{
    aw_task *t = aw_create_task(give, INT(-ENOENT), .name = "seeker");
    int line = __LINE__ - 1;
    passes(2);
    assert_true(aw_done(t));
    assert_false(aw_cancelled(t));
    assert_reports(0);
    aw_unref(t);
    assert_int_equal(reports.kind, AW_REPORT_NEVER_RETRIEVED);
    assert_int_equal(reports.error, -ENOENT);
    assert_ptr_equal(reports.future, t);
    assert_string_equal(reports.name, "seeker");
    assert_string_equal(reports.fn_name, "give");
    assert_int_equal(reports.line, line);
    assert_reports(1);
}

/* FUT-024: A future that goes while pending, or with a result nobody read, is not reported; nor is
 * a cancelled one. */
TEST_IN_LOOP(FUT_024_pending_and_unread_results_are_not_reported)
{
    aw_future *pending = aw_future_new(), *finished = aw_future_new(), *cancelled = aw_future_new();
    assert_int_equal(aw_set_result(finished, 1, NULL), 0);
    assert_true(aw_cancel(cancelled));
    aw_unref(pending);
    aw_unref(finished);
    aw_unref(cancelled);
    passes(2);
    assert_reports(0);
}

/* FUT-025: Reading a failed future's result is looking at its error: it is not reported. */
TEST_IN_LOOP(FUT_025_reading_the_result_is_looking)
{
    aw_future *f = aw_future_new();
    assert_int_equal(aw_set_error(f, -EIO), 0);
    assert_int_equal(aw_result(f), -EIO);
    aw_unref(f);
    passes(2);
    assert_reports(0);
}

TEST_IN_LOOP(FUT_025_reading_the_error_and_awaiting_are_looking)
{
    aw_future *f[4];
    for (int i = 0; i < 4; i++) {
        f[i] = aw_future_new();
        assert_int_equal(aw_set_error(f[i], -EIO), 0);
    }
    aw_future *copy = aw_future_new();
    assert_int_equal(aw_error(f[0]), -EIO);
    assert_int_equal(aw_await(f[1]), -EIO);
    assert_int_equal(aw_await_shielded(f[2]), -EIO);
    assert_int_equal(aw_copy_outcome(copy, f[3]), 0);
    for (int i = 0; i < 4; i++)
        aw_unref(f[i]);
    assert_reports(0);
    aw_unref(copy); /* the error went to the copy, and nobody looked at that */
    assert_reports(1);
}

TEST_IN_LOOP(FUT_025_asking_for_the_state_is_not_looking)
{
    char text[128];
    aw_future *f = aw_future_new();
    assert_int_equal(aw_add_done_callback(f, note_done, "c"), 0);
    assert_int_equal(aw_set_error(f, -EIO), 0);
    assert_true(aw_done(f));
    assert_false(aw_cancelled(f));
    assert_null(aw_value(f));
    assert_true(aw_describe(f, text, sizeof text) > 0);
    passes(1);
    aw_unref(f);
    assert_reports(1);
}

/* FUT-026: aw_cancel of a future that failed returns false, and counts as looking at the error. */
TEST_IN_LOOP(FUT_026_cancelling_a_failed_future_is_looking)
{
    aw_future *f = aw_future_new();
    assert_int_equal(aw_set_error(f, -EIO), 0);
    assert_false(aw_cancel(f));
    aw_unref(f);
    passes(2);
    assert_reports(0);
}

static int leave_failed_future(void *arg)
{
    aw_future **f = arg;
    *f = aw_future_new();
    return aw_set_error(*f, -EIO);
}

TEST(future_unseen_error_is_reported_when_its_loop_closes)
{
    aw_future *f = NULL;
    assert_int_equal(aw_run(leave_failed_future, &f, .exception_handler = collect_report), 0);
    assert_int_equal(reports.kind, AW_REPORT_NEVER_RETRIEVED);
    assert_ptr_equal(reports.future, f);
    assert_reports(1);
    aw_unref(f);
    assert_reports(0);
}

/* ---- fire and forget ---- */

TEST_IN_LOOP(task_spawned_runs_and_its_failure_is_reported)
{
    assert_int_equal(aw_spawn(note_it, "a"), 0);
    assert_int_equal(aw_spawn(give, INT(-EPIPE), .name = "lost"), 0);
    assert_trace("");
    passes(2);
    assert_trace("a");
    assert_int_equal(reports.kind, AW_REPORT_NEVER_RETRIEVED);
    assert_int_equal(reports.error, -EPIPE);
    assert_string_equal(reports.name, "lost");
    assert_string_equal(reports.fn_name, "give");
    assert_reports(1);
}

TEST_IN_LOOP(task_spawned_that_ends_cancelled_is_not_reported)
{
    assert_int_equal(aw_spawn(give, INT(-ECANCELED)), 0);
    passes(2);
    assert_reports(0);
}

TEST(task_spawned_without_a_loop_or_function_is_refused)
{
    assert_int_equal(aw_spawn(give, INT(1)), AW_EMISUSE);
    aw_fn *nothing = NULL;
    aw_loop *l = aw_loop_new();
    assert_int_equal(aw_spawn(nothing, NULL, .loop = l), -EINVAL);
    assert_int_equal(aw_spawn(note_it, "s", .loop = l), 0);
    assert_int_equal(aw_loop_stop(l), 0);
    assert_int_equal(aw_loop_run_forever(l), 0);
    assert_trace("s");
    aw_loop_free(l);
}
