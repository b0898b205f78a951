/*
 * asyncio's gather, on handles: aw_gather_new and aw_gather_futures.
 */
#include "util.h"

static void unref_all(aw_future **fs, int n)
{
    for (int i = 0; i < n; i++)
        aw_unref(fs[i]);
}

static void assert_results(aw_future *g, const int *expected, int n)
{
    const int *results = aw_value(g);
    assert_int_equal(aw_result(g), n);
    assert_non_null(results);
    for (int i = 0; i < n; i++)
        assert_int_equal(results[i], expected[i]);
}

/* TASK-053: A gather's results stand in the order of its arguments: children that finish b, a, c
 * with 1, 2, 3 give [2, 1, 3]; until the last is done the gather is not, and its callback has not
 * run. */
TEST_IN_LOOP(TASK_053_results_in_the_order_of_arguments)
{
    aw_future *c[3] = {aw_future_new(), aw_future_new(), aw_future_new()};
    aw_future *g = aw_gather_new(c, 3);
    assert_non_null(g);
    assert_int_equal(aw_add_done_callback(g, note_done, "g"), 0);
    assert_int_equal(aw_set_result(c[1], 1, NULL), 0);
    assert_int_equal(aw_set_result(c[0], 2, NULL), 0);
    passes(3);
    assert_false(aw_done(g));
    assert_int_equal(aw_result(g), AW_ESTATE);
    assert_null(aw_value(g));
    assert_trace("");
    assert_int_equal(aw_set_result(c[2], 3, NULL), 0);
    assert_trace("");
    passes(2);
    assert_true(aw_done(g));
    assert_trace("g");
    unref_all(c, 3); /* the results do not depend on them */
    assert_results(g, (int[]){2, 1, 3}, 3);
    aw_unref(g);
}

TEST_IN_LOOP(TASK_053_results_of_tasks)
{
    double began = aw_time();
    aw_task *t[2] = {aw_create_task(give_later, LATER(2, 20)),
                     aw_create_task(give_later, LATER(1, 10))};
    aw_future *g = aw_gather_new(t, 2);
    unref_all(t, 2); /* the gather holds them */
    assert_int_equal(aw_await(g), 2);
    assert_time(aw_time() - began, 2);
    assert_results(g, (int[]){20, 10}, 2);
    aw_unref(g);
}

/* TASK-054: A gather of nothing is a future that is done, with an empty result. */
TEST_IN_LOOP(TASK_054_gather_of_nothing)
{
    aw_future *g = aw_gather_new(NULL, 0);
    assert_non_null(g);
    assert_true(aw_done(g));
    assert_false(aw_cancelled(g));
    assert_int_equal(aw_result(g), 0);
    assert_ptr_equal(aw_future_loop(g), aw_running_loop());
    assert_int_equal(aw_join(g), 0);
    assert_int_equal(aw_gather_futures(NULL, 0), 0);
}

/* TASK-055: With .return_errors a gather waits for all its children and puts each error in its
 * child's place, -ECANCELED for a cancelled one. */
TEST_IN_LOOP(TASK_055_errors_as_results)
{
    aw_future *c[4];
    for (int i = 0; i < 4; i++)
        c[i] = aw_future_new();
    aw_future *g = aw_gather_new(c, 4, .return_errors = true);
    assert_int_equal(aw_set_error(c[2], -EIO), 0);
    assert_true(aw_cancel(c[0]));
    assert_int_equal(aw_set_result(c[1], 5, NULL), 0);
    passes(3);
    assert_false(aw_done(g));
    assert_int_equal(aw_set_error(c[3], -ENOENT), 0);
    passes(1);
    assert_true(aw_done(g));
    assert_int_equal(aw_await(g), 4);
    assert_results(g, (int[]){-ECANCELED, 5, -EIO, -ENOENT}, 4);
    assert_int_equal(aw_error(g), 0);
    aw_unref(g);
    unref_all(c, 4); /* as results the errors have been looked at */
    assert_reports(0);
}

/* TASK-056: A cancelled child makes a gather fail with -ECANCELED, while the gather itself does not
 * count as cancelled. */
TEST_IN_LOOP(TASK_056_cancelled_child)
{
    aw_future *c[2] = {aw_future_new(), aw_future_new()};
    aw_future *g = aw_gather_new(c, 2);
    assert_true(aw_cancel(c[0]));
    passes(1);
    assert_true(aw_done(g));
    assert_false(aw_cancelled(g));
    assert_int_equal(aw_error(g), -ECANCELED);
    assert_false(aw_done(c[1]));
    assert_int_equal(aw_set_result(c[1], 1, NULL), 0);
    passes(1);
    aw_unref(g);
    unref_all(c, 2);
}

static int count_run(void *arg)
{
    ++*(int *)arg;
    AW_TRY(aw_sleep(1));
    return 40 + *(int *)arg;
}

/* TASK-057: A gather given one coroutine several times runs it once and repeats its result in each
 * place. */
TEST_IN_LOOP(TASK_057_one_coroutine_several_times)
{
    int ran = 0, other = 0, results[4] = {0};
    aw_coro *c = aw_coro_new(count_run, &ran);
    const aw_work works[] = {AW_USE(c), AW_CORO(count_run, &other), AW_USE(c), AW_USE(c)};
    assert_int_equal(aw_gather_array(works, 4, .results = results), 0);
    assert_int_equal(ran, 1);
    assert_int_equal(other, 1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(results[i], 41);
    aw_coro_unref(c);
}

TEST_IN_LOOP(TASK_057_one_coroutine_several_times_in_aw_gather)
{
    int ran = 0;
    aw_coro *c = aw_coro_new(count_run, &ran);
    assert_int_equal(aw_gather(AW_USE(c), AW_USE(c)), 0);
    assert_int_equal(ran, 1);
    assert_null(aw_task_of(c)); /* used */
    assert_int_equal(aw_errno(), AW_EMISUSE);
    aw_coro_unref(c);
}

TEST_IN_LOOP(TASK_057_one_coroutine_several_times_with_a_limit)
{
    int ran = 0, results[3] = {0};
    aw_coro *c = aw_coro_new(count_run, &ran);
    const aw_work works[] = {AW_USE(c), AW_CORO(give_later, LATER(5, 6)), AW_USE(c)};
    assert_int_equal(aw_gather_array(works, 3, .limit = 1, .results = results), 0);
    assert_int_equal(ran, 1);
    assert_int_equal(results[0], 41);
    assert_int_equal(results[1], 6);
    assert_int_equal(results[2], 41);
    aw_coro_unref(c);
}

TEST_IN_LOOP(TASK_057_one_future_several_times)
{
    aw_task *t = aw_create_task(give_later, LATER(1, 3));
    aw_task *fs[3] = {t, t, t};
    aw_future *g = aw_gather_new(fs, 3);
    assert_int_equal(aw_await(g), 3);
    assert_results(g, (int[]){3, 3, 3}, 3);
    aw_unref(g);
    aw_unref(t);
}

/* TASK-058: A gather over futures of two different loops is refused with AW_ETHREAD. */
TEST(TASK_058_futures_of_two_loops)
{
    aw_loop *one = aw_loop_new(), *two = aw_loop_new();
    aw_future *fs[2] = {aw_future_new(.loop = one), aw_future_new(.loop = two)};
    assert_null(aw_gather_new(fs, 2));
    assert_int_equal(aw_errno(), AW_ETHREAD);
    assert_null(aw_gather_new(fs, 2, .return_errors = true));
    assert_int_equal(aw_errno(), AW_ETHREAD);
    assert_false(aw_done(fs[0]) || aw_done(fs[1]));
    unref_all(fs, 2);
    aw_loop_free(one);
    aw_loop_free(two);
}

/* TASK-059: A gather with .return_errors that is itself cancelled still gives its awaiter
 * -ECANCELED, with the message. */
TEST_IN_LOOP(TASK_059_cancelled_with_errors_as_results)
{
    for (int with_errors = 0; with_errors < 2; with_errors++) {
        aw_task *t[2] = {aw_create_task(sleep_long, NULL), aw_create_task(sleep_long, NULL)};
        aw_future *g = aw_gather_new(t, 2, .return_errors = with_errors);
        passes(1);
        assert_true(aw_cancel(g, .msg = "all of you"));
        assert_false(aw_done(g)); /* not before its children are */
        assert_int_equal(aw_cancelling(t[0]), 1);
        assert_int_equal(aw_cancelling(t[1]), 1);
        assert_int_equal(aw_await(g), -ECANCELED);
        assert_string_equal(aw_errmsg(), "all of you");
        assert_true(aw_cancelled(t[0]) && aw_cancelled(t[1]));
        aw_unref(g);
        unref_all(t, 2);
    }
}

static int gather_and_note(void *arg)
{
    aw_task **t = arg;
    int err = aw_gather_futures(t, 2, .return_errors = true);
    note(err == -ECANCELED ? 'c' : '-');
    assert_string_equal(aw_errmsg(), "all of you");
    return err;
}

TEST_IN_LOOP(TASK_059_cancelled_through_its_awaiter)
{
    aw_task *t[2] = {aw_create_task(sleep_long, NULL), aw_create_task(sleep_long, NULL)};
    aw_task *outer = aw_create_task(gather_and_note, t);
    passes(1);
    assert_true(aw_cancel(outer, .msg = "all of you"));
    assert_int_equal(aw_join(outer), -ECANCELED);
    assert_trace("c");
    assert_true(aw_cancelled(t[0]) && aw_cancelled(t[1]));
    unref_all(t, 2);
}

/* TASK-060: A cancelled gather answers -ECANCELED even if every child swallowed the cancellation
 * and returned a value. */
TEST_IN_LOOP(TASK_060_cancelled_although_children_ended_well)
{
    for (int with_errors = 0; with_errors < 2; with_errors++) {
        aw_task *t[2] = {aw_create_task(answer_cancel, INT(1)),
                         aw_create_task(answer_cancel, INT(2))};
        aw_future *g = aw_gather_new(t, 2, .return_errors = with_errors);
        passes(1);
        assert_true(aw_cancel(g));
        assert_int_equal(aw_await(g), -ECANCELED);
        assert_null(aw_value(g));
        assert_int_equal(aw_result(t[0]), 1);
        assert_int_equal(aw_result(t[1]), 2);
        assert_false(aw_cancel(g));
        aw_unref(g);
        unref_all(t, 2);
    }
}

/* ---- what no behaviour names ---- */

TEST_IN_LOOP(task_gather_fails_with_the_first_error_and_the_others_go_on)
{
    double began = aw_time();
    aw_task *t[3] = {aw_create_task(give_later, LATER(3, 1)),
                     aw_create_task(give_later, LATER(1, -EIO)),
                     aw_create_task(give_later, LATER(2, -ENOENT))};
    aw_future *g = aw_gather_new(t, 3);
    assert_int_equal(aw_await(g), -EIO);
    assert_time(aw_time() - began, 1);
    assert_false(aw_done(t[0]) || aw_done(t[2]));
    assert_int_equal(aw_cancelling(t[0]), 0);
    assert_int_equal(aw_join(t[0]), 1);
    assert_int_equal(aw_join(t[2]), -ENOENT);
    assert_time(aw_time() - began, 3);
    assert_int_equal(aw_error(g), -EIO); /* the first stays */
    aw_unref(g);
    aw_unref(t[1]); /* its error went to the gather */
    assert_reports(0);
}

TEST_IN_LOOP(task_gather_passes_the_detail_of_the_error_on)
{
    aw_future *c[2] = {aw_future_new(), aw_future_new()};
    aw_future *g = aw_gather_new(c, 2);
    assert_int_equal(aw_set_error(c[1], -EIO, .msg = "the disk is gone"), 0);
    assert_int_equal(aw_await(g), -EIO);
    assert_string_equal(aw_errmsg(), "the disk is gone");
    aw_unref(g);
    unref_all(c, 2);
}

TEST_IN_LOOP(task_gather_of_what_is_done)
{
    aw_future *c[2] = {aw_future_new(), aw_create_task(give, INT(2))};
    assert_int_equal(aw_set_result(c[0], 1, NULL), 0);
    passes(1);
    aw_future *g = aw_gather_new(c, 2);
    assert_int_equal(aw_await(g), 2);
    assert_results(g, (int[]){1, 2}, 2);
    aw_unref(g);
    assert_int_equal(aw_gather_futures(c, 2), 2);
    unref_all(c, 2);
}

TEST_IN_LOOP(task_gather_of_failed_ones_fails)
{
    aw_future *c[2] = {aw_future_new(), aw_future_new()};
    assert_int_equal(aw_set_error(c[1], -EIO), 0);
    assert_int_equal(aw_gather_futures(c, 2), -EIO);
    assert_true(aw_cancel(c[0]));
    assert_int_equal(aw_gather_futures(c, 1), -ECANCELED);
    unref_all(c, 2);
}

TEST_IN_LOOP(task_gather_dropped_leaves_its_children_alone)
{
    aw_task *t[2] = {aw_create_task(give_later, LATER(1, 1)),
                     aw_create_task(give_later, LATER(2, 2))};
    aw_unref(aw_gather_new(t, 2));
    assert_int_equal(aw_join(t[0]), 1);
    assert_int_equal(aw_join(t[1]), 2);
}

TEST_IN_LOOP(task_gather_dropped_with_callback_or_failed_is_told_once)
{
    aw_future *c = aw_future_new();
    aw_future *g = aw_gather_new(&c, 1);
    assert_int_equal(aw_set_error(c, -EIO), 0);
    passes(2);
    aw_unref(g);
    aw_unref(c);
    assert_int_equal(reports.error, -EIO); /* one of the two tells of it, not both */
    assert_reports(1);
}

TEST_IN_LOOP(task_gather_of_done_children_cannot_be_cancelled)
{
    aw_future *c[2] = {aw_future_new(), aw_future_new()};
    aw_future *g = aw_gather_new(c, 2);
    assert_int_equal(aw_set_result(c[0], 1, NULL), 0);
    assert_int_equal(aw_set_result(c[1], 2, NULL), 0);
    assert_false(aw_cancel(g));
    passes(1);
    assert_int_equal(aw_await(g), 2);
    aw_unref(g);
    unref_all(c, 2);
}

TEST_IN_LOOP(task_gather_that_ended_by_a_cancellation_is_not_reported)
{
    aw_future *c = aw_future_new(), *d = aw_future_new();
    aw_future *by_child = aw_gather_new(&c, 1), *asked = aw_gather_new(&d, 1);
    assert_true(aw_cancel(c));
    assert_true(aw_cancel(asked));
    passes(2);
    assert_true(aw_done(by_child) && aw_done(asked));
    aw_unref(by_child); /* nobody looked */
    aw_unref(asked);
    aw_unref(c);
    aw_unref(d);
    assert_reports(0);
}
