/*
 * NULL in every place, durations that are no number, and calls outside of any loop: each is an
 * error of that very call, and the loop goes on.
 */
#include "loop_record.h"

#include <math.h>

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int nothing_done(aw_future *f, void *arg)
{
    (void)f;
    (void)arg;
    return 0;
}

#define assert_refused(ptr, code)                                                                  \
    do {                                                                                           \
        assert_null(ptr);                                                                          \
        assert_int_equal(aw_errno(), (code));                                                      \
        assert_true(aw_errmsg()[0] != '\0');                                                       \
    } while (0)

static int null_functions(void *arg)
{
    struct record *r = arg;
    aw_future *f = aw_future_new();
    int results[2] = {1, 1};
    assert_refused(aw_create_task(NULL, NULL), -EINVAL);
    assert_refused(aw_create_task(NULL, NULL, .eager = true), -EINVAL);
    assert_refused(aw_coro_new(NULL, NULL), -EINVAL);
    assert_int_equal(aw_spawn(NULL, NULL), -EINVAL);
    assert_int_equal(aw_call_soon(NULL, NULL), -EINVAL);
    assert_int_equal(aw_call_later(1, NULL, NULL), -EINVAL);
    assert_int_equal(aw_call_at(1, NULL, NULL), -EINVAL);
    assert_int_equal(aw_add_reader(0, NULL, NULL), -EINVAL);
    assert_int_equal(aw_add_writer(0, NULL, NULL), -EINVAL);
    assert_int_equal(aw_add_done_callback(f, NULL, NULL), -EINVAL);
    assert_int_equal(aw_timeout_call(1, NULL, NULL), -EINVAL);
    assert_int_equal(aw_gather(AW_CORO(NULL, NULL)), -EINVAL);
    struct mark m = {r, "started"};
    const aw_work works[] = {AW_CORO(mark, &m), AW_CORO(NULL, NULL)};
    assert_int_equal(aw_gather_array(works, 2, .results = results), -EINVAL);
    AW_TRY(aw_sleep(0));
    assert_record(*r, ""); /* nothing was started */
    aw_unref(f);
    note(r, "went on");
    return 0;
}

TEST(badinput_null_functions)
{
    struct record r = {""};
    assert_int_equal(aw_run(NULL, NULL), -EINVAL);
    assert_int_equal(aw_run(null_functions, &r), 0);
    assert_record(r, "went on");
}

static int null_futures(void *arg)
{
    (void)arg;
    assert_int_equal(aw_errno(), 0);
    assert_int_equal(aw_await(NULL), -EINVAL);
    assert_int_equal(aw_join(NULL), -EINVAL);
    assert_int_equal(aw_await_shielded(NULL), -EINVAL);
    assert_int_equal(aw_wait_for(NULL, 1), -EINVAL);
    assert_int_equal(aw_cancelling(NULL), -EINVAL);
    assert_int_equal(aw_uncancel(NULL), -EINVAL);
    assert_int_equal(aw_set_result(NULL, 0, NULL), -EINVAL);
    assert_int_equal(aw_set_error(NULL, -EIO), -EINVAL);
    assert_int_equal(aw_copy_outcome(NULL, NULL), -EINVAL);
    assert_int_equal(aw_result(NULL), -EINVAL);
    assert_int_equal(aw_error(NULL), -EINVAL);
    assert_int_equal(aw_add_done_callback(NULL, nothing_done, NULL), -EINVAL);
    assert_int_equal(aw_remove_done_callback(NULL, nothing_done, NULL), -EINVAL);
    assert_int_equal(aw_set_task_name(NULL, "x"), -EINVAL);
    assert_string_equal(aw_task_name(NULL), "");
    assert_false(aw_cancel(NULL));
    assert_false(aw_done(NULL));
    assert_false(aw_cancelled(NULL));
    assert_null(aw_value(NULL));
    assert_null(aw_future_loop(NULL));
    assert_null(aw_ref(NULL));
    aw_unref(NULL);
    return 0;
}

TEST(badinput_null_futures)
{
    assert_int_equal(aw_run(null_futures, NULL), 0);
}

static int null_members(void *arg)
{
    aw_future *f = aw_future_new(), *none[] = {f, NULL};
    aw_completed it = AW_COMPLETED_INIT;
    (void)arg;
    assert_refused(aw_gather_new(none, 2), -EINVAL);
    assert_refused(aw_gather_new(NULL, 2), -EINVAL);
    assert_refused(aw_shield(NULL), -EINVAL);
    assert_int_equal(aw_gather_futures(none, 2), -EINVAL);
    assert_int_equal(aw_gather_array(NULL, 2), -EINVAL);
    assert_int_equal(aw_wait(none, 2, AW_ALL_COMPLETED), -EINVAL);
    assert_int_equal(aw_wait(NULL, 2, AW_ALL_COMPLETED), -EINVAL);
    assert_int_equal(aw_wait(none, 0, AW_ALL_COMPLETED), -EINVAL);
    assert_int_equal(aw_wait(none, 1, (enum aw_wait_when)7), -EINVAL);
    assert_int_equal(aw_completed_enter(&it, none, 2), -EINVAL);
    assert_int_equal(aw_completed_enter(NULL, none, 1), -EINVAL);
    assert_int_equal(aw_completed_next(NULL, NULL), -EINVAL);
    aw_unref(f);
    return 0;
}

TEST(badinput_null_members)
{
    assert_int_equal(aw_run(null_members, NULL), 0);
}

/* NULL, what a failed creation returns, may be passed on: the reason comes out at the end. */
static int pass_failure_on(void *arg)
{
    (void)arg;
    assert_int_equal(aw_join(aw_create_task(nothing, NULL, .stack_size = (size_t)-1)), -EINVAL);
    aw_refuse(-EAGAIN, "try again");
    assert_int_equal(aw_join(NULL), -EAGAIN);
    assert_int_equal(aw_result(NULL), -EAGAIN);
    assert_int_equal(aw_errno(), -EAGAIN);
    assert_string_equal(aw_errmsg(), "try again");
    return 0;
}

TEST(badinput_failed_creation_is_passed_on)
{
    assert_int_equal(aw_run(pass_failure_on, NULL), 0);
}

static int with_words_of_another(void *arg)
{
    (void)arg;
    assert_null(aw_create_task(nothing, NULL, .stack_size = (size_t)-1));
    assert_int_equal(aw_raise(-EPROTO, "something else"), -EPROTO);
    assert_int_equal(aw_join((aw_task *)NULL), -EINVAL);
    assert_string_equal(aw_errmsg(), "");
    return 0;
}

TEST(badinput_failed_creation_keeps_to_its_words)
{
    assert_int_equal(aw_run(with_words_of_another, NULL), 0);
}

TEST(badinput_null_loops_and_handles)
{
    assert_int_equal(aw_loop_run_forever(NULL), -EINVAL);
    assert_int_equal(aw_loop_run_until_complete(NULL, NULL), -EINVAL);
    assert_int_equal(aw_loop_stop(NULL), -EINVAL);
    assert_int_equal(aw_loop_close(NULL), 0);
    aw_loop_free(NULL);
    assert_false(aw_loop_is_running(NULL));
    assert_false(aw_loop_is_closed(NULL));
    aw_loop_set_debug(NULL, true);
    assert_false(aw_loop_debug(NULL));
    assert_int_equal(aw_loop_set_slow_step(NULL, 1), -EINVAL);
    assert_int_equal(aw_loop_set_exception_handler(NULL, NULL, NULL), -EINVAL);
    assert_false(aw_remove_reader(NULL, 0));
    assert_false(aw_remove_writer(NULL, 0));
    aw_handle_cancel(NULL);
    aw_handle_unref(NULL);
    assert_false(aw_handle_cancelled(NULL));
    assert_true(aw_handle_when(NULL) == 0);
    aw_coro_unref(NULL);
    aw_context_unref(NULL);
    assert_refused(aw_task_of(NULL), -EINVAL);
    aw_loop *l = new_loop();
    assert_int_equal(aw_loop_run_until_complete(l, NULL), -EINVAL);
    run_one_pass(l);
    aw_loop_free(l);
}

/* ---- durations ---- */

static int not_a_number(void *arg)
{
    aw_loop *l = arg;
    aw_handle *h = NULL;
    double nan = (double)NAN;
    aw_future *f = aw_future_new(), *fs[] = {f};
    aw_completed it = AW_COMPLETED_INIT;
    assert_int_equal(aw_sleep(nan), -EINVAL);
    assert_int_equal(aw_call_later(nan, nothing, NULL, .handle = &h), -EINVAL);
    assert_int_equal(aw_call_at(nan, nothing, NULL, .handle = &h), -EINVAL);
    assert_null(h);
    assert_int_equal(aw_wait_for(f, nan), -EINVAL);
    assert_false(aw_done(f));
    assert_int_equal(aw_wait(fs, 1, AW_ALL_COMPLETED, .timeout = nan), -EINVAL);
    assert_int_equal(aw_completed_enter(&it, fs, 1, .timeout = nan), -EINVAL);
    assert_int_equal(aw_timeout_call(nan, nothing, NULL), -EINVAL);
    assert_int_equal(aw_loop_set_slow_step(l, nan), -EINVAL);
    assert_true(aw_errmsg()[0] != '\0');
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    aw_unref(f);
    return 0;
}

TEST(badinput_durations_that_are_no_number)
{
    aw_loop *l = new_loop();
    aw_task *t = aw_create_task(not_a_number, l, .loop = l);
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    aw_unref(t);
    aw_loop_free(l);
}

static int no_limit(void *arg)
{
    double begin = aw_time(), infinity = (double)INFINITY;
    (void)arg;
    assert_int_equal(aw_timeout_call(infinity, nothing, NULL), 0);
    assert_int_equal(aw_timeout_call(1e300, nothing, NULL), 0);
    assert_int_equal(aw_sleep(-infinity), 0);
    assert_int_equal(aw_sleep(-1e300), 0);
    assert_int_equal(aw_sleep(-0.0), 0);
    assert_int_equal(aw_wait_for(aw_current_task(), 1), AW_EMISUSE);
    assert_seconds(aw_time(), begin);
    return 0;
}

TEST(badinput_durations_beyond_all_bounds)
{
    assert_int_equal(aw_run(no_limit, NULL), 0);
}

/* ---- no loop, no task ---- */

TEST(badinput_calls_outside_of_any_loop)
{
    struct mark m = {NULL, "never"};
    aw_completed it = AW_COMPLETED_INIT;
    assert_refused(aw_create_task(mark, &m), AW_EMISUSE);
    assert_refused(aw_future_new(), AW_EMISUSE);
    assert_refused(aw_running_loop(), AW_EMISUSE);
    assert_int_equal(aw_spawn(mark, &m), AW_EMISUSE);
    assert_int_equal(aw_call_soon(mark, &m), AW_EMISUSE);
    assert_int_equal(aw_call_later(1, mark, &m), AW_EMISUSE);
    assert_int_equal(aw_call_at(1, mark, &m), AW_EMISUSE);
    assert_int_equal(aw_add_reader(0, mark, &m), AW_EMISUSE);
    assert_int_equal(aw_sleep(1), AW_EMISUSE);
    assert_int_equal(aw_gather(AW_CORO(mark, &m)), AW_EMISUSE);
    assert_int_equal(aw_timeout_call(1, mark, &m), AW_EMISUSE);
    assert_int_equal(aw_all_tasks(NULL, 0), AW_EMISUSE);
    assert_null(aw_current_task());
    aw_return_value(&m);
    aw_loop *l = new_loop();
    aw_future *f = aw_future_new(.loop = l);
    assert_int_equal(aw_await(f), AW_EMISUSE);
    assert_int_equal(aw_await_shielded(f), AW_EMISUSE);
    assert_int_equal(aw_wait_for(f, 1), AW_EMISUSE);
    assert_int_equal(aw_wait(&f, 1, AW_ALL_COMPLETED), AW_EMISUSE);
    assert_int_equal(aw_completed_enter(&it, &f, 1), AW_EMISUSE);
    aw_unref(f);
    aw_loop_free(l);
}

static int wait_in_callback(void *arg)
{
    aw_future *f = arg;
    assert_int_equal(aw_sleep(1), AW_EMISUSE);
    assert_int_equal(aw_await(f), AW_EMISUSE);
    assert_int_equal(aw_wait_for(f, 1), AW_EMISUSE);
    assert_int_equal(aw_gather(AW_CORO(nothing, NULL)), AW_EMISUSE);
    assert_true(aw_errmsg()[0] != '\0');
    return 0;
}

TEST(badinput_waiting_in_a_callback)
{
    aw_loop *l = new_loop();
    aw_future *f = aw_future_new(.loop = l);
    assert_int_equal(aw_call_soon(wait_in_callback, f, .loop = l), 0);
    run_one_pass(l);
    aw_unref(f);
    aw_loop_free(l);
}
