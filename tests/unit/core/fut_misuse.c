/*
 * Futures in the wrong hands: NULL, no loop, another loop, another thread, and nonsense.
 */
#include <math.h>
#include <pthread.h>

#include "util.h"

/* Every call on a future that returns int, with NULL. */
static void assert_null_answers(int code)
{
    aw_future *const none[] = {NULL};
    aw_completed it = AW_COMPLETED_INIT;
    assert_int_equal(aw_result(NULL), code);
    assert_int_equal(aw_error(NULL), code);
    assert_int_equal(aw_set_result(NULL, 0, NULL), code);
    assert_int_equal(aw_set_error(NULL, -EIO), code);
    assert_int_equal(aw_copy_outcome(NULL, NULL), code);
    assert_int_equal(aw_add_done_callback(NULL, note_done, "x"), code);
    assert_int_equal(aw_remove_done_callback(NULL, note_done, "x"), code);
    assert_int_equal(aw_cancelling(NULL), code);
    assert_int_equal(aw_uncancel(NULL), code);
    assert_int_equal(aw_set_task_name(NULL, "x"), code);
    assert_int_equal(aw_await(NULL), code);
    assert_int_equal(aw_join(NULL), code);
    assert_int_equal(aw_await_shielded(NULL), code);
    assert_int_equal(aw_wait_for(NULL, 1), code);
    assert_int_equal(aw_wait(none, 1, AW_ALL_COMPLETED), code);
    assert_int_equal(aw_completed_enter(&it, none, 1), code);
    assert_int_equal(aw_gather_futures(none, 1), code);
}

TEST_IN_LOOP(future_null_is_answered_with_the_reason)
{
    assert_int_equal(aw_errno(), 0);
    assert_null_answers(-EINVAL);
    assert_null(aw_refuse(-ENOSPC, "the quota is used up"));
    assert_int_equal(aw_errno(), -ENOSPC);
    assert_null_answers(-ENOSPC);
    assert_int_equal(aw_errno(), -ENOSPC);
}

TEST_IN_LOOP(future_null_is_false_nothing_and_harmless)
{
    assert_false(aw_done(NULL));
    assert_false(aw_cancelled(NULL));
    assert_false(aw_cancel(NULL));
    assert_false(aw_cancel(NULL, .msg = "x"));
    assert_null(aw_value(NULL));
    assert_null(aw_ref(NULL));
    assert_null(aw_future_loop(NULL));
    assert_string_equal(aw_task_name(NULL), "");
    aw_unref(NULL);
    aw_coro_unref(NULL);
    assert_null(aw_task_of(NULL));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_shield(NULL));
    assert_null(aw_gather_new((aw_future *[]){NULL}, 1));
    assert_int_equal(aw_errno(), -EINVAL);
}

TEST_IN_LOOP(future_failed_creation_may_be_awaited_unchecked)
{
    aw_fn *nothing = NULL;
    assert_int_equal(aw_join(aw_create_task(nothing, NULL)), -EINVAL);
    assert_int_equal(aw_join(aw_create_task(give, INT(1), .stack_size = SIZE_MAX)), -EINVAL);
    assert_int_equal(aw_join(aw_create_task(give, INT(1))), 1);
}

TEST(future_without_a_loop_is_refused)
{
    assert_null(aw_refuse(-ENOSPC, "words that will be forgotten"));
    assert_null(aw_future_new());
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_non_null(strstr(aw_errmsg(), "loop"));
    assert_null(aw_create_task(give, INT(1)));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_int_equal(aw_sleep(0), AW_EMISUSE);
    assert_int_equal(aw_all_tasks(NULL, 0), AW_EMISUSE);
    assert_null(aw_current_task());
    assert_null(aw_running_loop());
    aw_return_value(NULL);
}

TEST(future_of_a_closed_loop_cannot_be_made)
{
    aw_loop *l = aw_loop_new();
    aw_future *f = aw_future_new(.loop = l);
    assert_int_equal(aw_loop_close(l), 0);
    assert_null(aw_future_new(.loop = l));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_non_null(strstr(aw_errmsg(), "closed"));
    aw_loop_free(l);
    assert_false(aw_done(f)); /* a handle outlives its loop */
    aw_unref(f);
}

/* What waits, on the loop's own stack: in a callback. */
static int wait_in_callback(void *arg)
{
    aw_future *const fs[] = {arg};
    aw_completed it = AW_COMPLETED_INIT;
    assert_int_equal(aw_await(arg), AW_EMISUSE);
    assert_int_equal(aw_await_shielded(arg), AW_EMISUSE);
    assert_int_equal(aw_wait_for(arg, 1), AW_EMISUSE);
    assert_int_equal(aw_sleep(0), AW_EMISUSE);
    assert_int_equal(aw_wait(fs, 1, AW_ALL_COMPLETED), AW_EMISUSE);
    assert_int_equal(aw_completed_enter(&it, fs, 1), AW_EMISUSE);
    assert_int_equal(aw_gather_futures(fs, 1), AW_EMISUSE);
    assert_int_equal(aw_gather(AW_CORO(note_it, "g")), AW_EMISUSE);
    assert_int_equal(aw_timeout_call(1, give, INT(1)), AW_EMISUSE);
    assert_null(aw_current_task());
    return note_it("c");
}

TEST_IN_LOOP(future_cannot_be_awaited_in_a_callback)
{
    aw_future *f = aw_future_new();
    assert_int_equal(aw_call_soon(wait_in_callback, f), 0);
    passes(2);
    assert_trace("c");
    assert_false(aw_done(f));
    aw_unref(f);
}

/* aw_join gives the reference up even where it cannot wait: the unseen error is then reported. */
TEST(future_join_outside_a_task_drops_the_reference)
{
    aw_loop *l = aw_loop_new();
    assert_int_equal(aw_loop_set_exception_handler(l, collect_report, NULL), 0);
    aw_future *f = aw_future_new(.loop = l);
    assert_int_equal(aw_set_error(f, -EIO), 0);
    assert_int_equal(aw_join(f), AW_EMISUSE);
    assert_int_equal(reports.kind, AW_REPORT_NEVER_RETRIEVED);
    assert_int_equal(reports.error, -EIO);
    assert_reports(1);
    aw_loop_free(l);
}

TEST_IN_LOOP(future_result_and_error_must_have_their_sign)
{
    aw_future *f = aw_future_new();
    assert_int_equal(aw_set_result(f, -1, NULL), -EINVAL);
    assert_int_equal(aw_set_error(f, 0), -EINVAL);
    assert_int_equal(aw_set_error(f, EIO), -EINVAL);
    assert_false(aw_done(f));
    assert_int_equal(aw_set_result(f, 0, NULL), 0);
    assert_int_equal(aw_join(f), 0);
}

TEST_IN_LOOP(future_error_canceled_is_not_a_cancellation)
{
    aw_future *f = aw_future_new();
    assert_int_equal(aw_set_error(f, -ECANCELED), 0);
    assert_true(aw_done(f));
    assert_false(aw_cancelled(f));
    assert_int_equal(aw_await(f), -ECANCELED);
    aw_unref(f);
}

TEST_IN_LOOP(future_of_a_gather_or_shield_cannot_be_finished_from_outside)
{
    aw_future *f = aw_future_new();
    aw_future *s = aw_shield(f), *g = aw_gather_new(&f, 1);
    assert_int_equal(aw_set_result(s, 1, NULL), AW_EMISUSE);
    assert_int_equal(aw_set_error(g, -EIO), AW_EMISUSE);
    assert_false(aw_done(s));
    assert_false(aw_done(g));
    assert_int_equal(aw_set_result(f, 3, NULL), 0);
    assert_int_equal(aw_join(s), 3);
    assert_int_equal(aw_join(g), 1);
    aw_unref(f);
}

TEST_IN_LOOP(future_plain_has_no_name_and_no_requests)
{
    aw_future *f = aw_future_new();
    assert_string_equal(aw_task_name(f), "");
    assert_int_equal(aw_set_task_name(f, "x"), AW_EMISUSE);
    assert_int_equal(aw_cancelling(f), 0);
    assert_true(aw_cancel(f));
    assert_int_equal(aw_cancelling(f), 0);
    aw_unref(f);
}

/* Durations that are no numbers. */
TEST_IN_LOOP(future_durations_that_are_nan_are_refused)
{
    aw_future *f = aw_future_new();
    aw_completed it = AW_COMPLETED_INIT;
    assert_int_equal(aw_sleep(NAN), -EINVAL);
    assert_int_equal(aw_wait_for(f, NAN), -EINVAL);
    assert_int_equal(aw_timeout_call(NAN, note_it, "x"), -EINVAL);
    assert_int_equal(aw_wait(&f, 1, AW_ALL_COMPLETED, .timeout = NAN), -EINVAL);
    assert_int_equal(aw_completed_enter(&it, &f, 1, .timeout = NAN), -EINVAL);
    assert_trace("");
    assert_false(aw_done(f));
    aw_unref(f);
}

/* ---- another loop, another thread ---- */

/* Awaits in every way a future of a loop that does not run. */
static int await_foreign(void *arg)
{
    aw_future *own = aw_future_new(), *foreign = arg;
    aw_future *const mixed[] = {own, foreign};
    aw_completed it = AW_COMPLETED_INIT;
    assert_int_equal(aw_await(foreign), AW_ETHREAD);
    assert_string_not_equal(aw_errmsg(), "");
    assert_int_equal(aw_await_shielded(foreign), AW_ETHREAD);
    assert_int_equal(aw_wait_for(foreign, 1), AW_ETHREAD);
    assert_int_equal(aw_wait(mixed, 2, AW_FIRST_COMPLETED), AW_ETHREAD);
    assert_int_equal(aw_completed_enter(&it, mixed, 2), AW_ETHREAD);
    assert_int_equal(aw_gather_futures(mixed, 2), AW_ETHREAD);
    assert_int_equal(aw_join(aw_ref(foreign)), AW_ETHREAD);
    assert_false(aw_done(foreign));
    assert_int_equal(aw_set_result(foreign, 8, NULL), 0); /* its loop does not run */
    assert_int_equal(aw_result(foreign), 8);
    aw_unref(own);
    return 0;
}

TEST(future_of_another_loop_cannot_be_awaited)
{
    aw_loop *l = aw_loop_new();
    aw_future *f = aw_future_new(.loop = l);
    assert_int_equal(aw_run(await_foreign, f), 0);
    aw_unref(f);
    aw_loop_free(l);
}

static void assert_names_two_threads(void)
{
    if (!strstr(aw_errmsg(), "thread") || strcspn(aw_errmsg(), "0123456789") == strlen(aw_errmsg()))
        fail_msg("\"%s\" does not name the threads", aw_errmsg());
}

/* In a thread of its own: everything that may be tried on a future of a running loop. */
static void *use_from_another_thread(void *arg)
{
    aw_future *f = arg;
    assert_int_equal(aw_result(f), AW_ETHREAD);
    assert_names_two_threads();
    assert_int_equal(aw_error(f), AW_ETHREAD);
    assert_int_equal(aw_set_result(f, 1, NULL), AW_ETHREAD);
    assert_int_equal(aw_set_error(f, -EIO), AW_ETHREAD);
    assert_int_equal(aw_copy_outcome(f, f), AW_ETHREAD);
    assert_int_equal(aw_add_done_callback(f, note_done, "x"), AW_ETHREAD);
    assert_int_equal(aw_remove_done_callback(f, note_done, "x"), AW_ETHREAD);
    assert_int_equal(aw_cancelling(f), AW_ETHREAD);
    assert_int_equal(aw_uncancel(f), AW_ETHREAD);
    assert_int_equal(aw_await(f), AW_ETHREAD);
    assert_false(aw_cancel(f));
    assert_null(aw_shield(f));
    assert_int_equal(aw_errno(), AW_ETHREAD);
    assert_names_two_threads();
    return f;
}

/* The same for what makes something on a loop that runs elsewhere. */
static void *create_from_another_thread(void *arg)
{
    aw_loop *l = arg;
    assert_null(aw_future_new(.loop = l));
    assert_int_equal(aw_errno(), AW_ETHREAD);
    assert_names_two_threads();
    assert_null(aw_create_task(note_it, "x", .loop = l));
    assert_int_equal(aw_errno(), AW_ETHREAD);
    assert_names_two_threads();
    assert_int_equal(aw_spawn(note_it, "x", .loop = l), AW_ETHREAD);
    assert_int_equal(aw_all_tasks(NULL, 0, .loop = l), AW_ETHREAD);
    return l;
}

static void in_another_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    void *ret = NULL;
    assert_int_equal(pthread_create(&thread, NULL, fn, arg), 0);
    assert_int_equal(pthread_join(thread, &ret), 0);
    assert_ptr_equal(ret, arg);
}

TEST_IN_LOOP(future_of_a_running_loop_is_refused_to_other_threads)
{
    aw_future *f = aw_future_new();
    assert_int_equal(aw_add_done_callback(f, note_done, "d"), 0);
    in_another_thread(use_from_another_thread, f);
    in_another_thread(use_from_another_thread, aw_current_task());
    in_another_thread(create_from_another_thread, aw_running_loop());
    assert_false(aw_done(f));
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    assert_int_equal(aw_set_result(f, 2, NULL), 0);
    passes(1);
    assert_trace("d");
    aw_unref(f);
}

static void *finish_in_another_thread(void *arg)
{
    assert_int_equal(aw_set_result(arg, 6, NULL), 0);
    assert_int_equal(aw_result(arg), 6);
    return arg;
}

TEST(future_of_a_loop_that_does_not_run_may_be_used_in_any_thread)
{
    aw_loop *l = aw_loop_new();
    aw_future *f = aw_future_new(.loop = l);
    in_another_thread(finish_in_another_thread, f);
    assert_int_equal(aw_loop_run_until_complete(l, f), 6);
    aw_unref(f);
    aw_loop_free(l);
}

static void *own_words_and_values(void *arg)
{
    static const aw_local variable = AW_LOCAL_INIT("variable", NULL);
    assert_null(aw_refuse(-EIO, "the disk is gone"));
    assert_string_equal(aw_errmsg(), "the disk is gone");
    assert_int_equal(aw_local_set(&variable, arg), 0);
    assert_true(memory.live > 0);
    return arg;
}

TEST(future_last_words_of_a_thread_go_with_it)
{
    count_memory();
    in_another_thread(own_words_and_values, trace);
    assert_int_equal(memory.live, 0);
}
