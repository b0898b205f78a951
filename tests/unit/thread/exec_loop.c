/*
 * Blocking work awaited by coroutines: results, values, the loop's own pool.
 */
#include "jobs.h"

static int lookup(void *arg)
{
    int *n = arg;
    nap(1);
    *n += 1;
    return *n;
}

static int fail_io(void *arg)
{
    aw_refuse(-EIO, arg);
    return -EIO;
}

// THR-004: Awaiting to-thread gives the function's value, or reports its error.
TEST_IN_LOOP(THR_004_to_thread_gives_the_result_or_the_error)
{
    int n = 41;
    assert_int_equal(aw_to_thread(lookup, &n), 42);
    assert_int_equal(n, 42);
    assert_int_equal(aw_to_thread(fail_io, "no medium"), -EIO);
    assert_string_equal(aw_errmsg(), "no medium");
}

static int ten_calls_each(void *arg)
{
    return aw_to_thread(count_call, arg);
}

// THR-005: Ten to-thread calls gathered make ten calls of the function.
TEST_IN_LOOP(THR_005_ten_calls_gathered)
{
    _Atomic int calls = 0;
    aw_work works[10];
    for (int i = 0; i < 10; i++)
        works[i] = AW_CORO(ten_calls_each, &calls);
    assert_int_equal(aw_gather_array(works, 10), 0);
    assert_int_equal(calls, 10);
}

static const aw_local user = AW_LOCAL_INIT("user", "nobody");

static int see_and_change(void *arg)
{
    snprintf(arg, 64, "%s", (char *)aw_local_get(&user));
    assert_int_equal(aw_local_set(&user, "the job"), 0);
    return strcmp(aw_local_get(&user), "the job");
}

// THR-006: The function run by to-thread sees the caller's task-local values; what it changes stays
// invisible to the caller.
TEST_IN_LOOP(THR_006_task_locals_follow_into_the_thread)
{
    char seen[64];
    assert_int_equal(aw_local_set(&user, "the task"), 0);
    assert_int_equal(aw_to_thread(see_and_change, seen), 0);
    assert_string_equal(seen, "the task");
    assert_string_equal(aw_local_get(&user), "the task");
    assert_int_equal(aw_local_set(&user, "the task again"), 0);
    assert_int_equal(aw_to_thread(see_and_change, seen), 0); /* the same thread */
    assert_string_equal(seen, "the task again");
}

static int tell_thread(void *arg)
{
    *(pthread_t *)arg = pthread_self();
    return 8;
}

// THR-008: Run-in-executor runs the function in another thread than the loop's and its value
// reaches the awaiter.
TEST_IN_LOOP(THR_008_run_in_executor_runs_elsewhere)
{
    pthread_t thread = pthread_self();
    aw_future *f = aw_run_in_executor(NULL, tell_thread, &thread);
    assert_non_null(f);
    assert_false(aw_done(f));
    assert_int_equal(aw_await(f), 8);
    assert_ptr_equal(aw_value(f), &thread);
    assert_false(pthread_equal(thread, pthread_self()));
    aw_unref(f);
    aw_executor *ex = aw_thread_pool(.prefix = "mine");
    char name[64];
    assert_int_equal(aw_join(aw_run_in_executor(ex, tell_name, name)), 0);
    assert_string_equal(name, "mine_0");
    assert_int_equal(aw_executor_free(ex), 0);
}

TEST_IN_LOOP(exec_the_value_of_a_copy_lives_as_long_as_the_handle)
{
    int n = 6;
    aw_future *f = aw_run_in_executor(NULL, lookup, &n, .copy = sizeof n, .name = "seven");
    n = 0;
    assert_int_equal(aw_await(f), 7);
    assert_int_equal(*(int *)aw_value(f), 7);
    assert_int_equal(n, 0);
    aw_unref(f);
}

TEST_IN_LOOP(exec_the_loop_goes_on_meanwhile)
{
    struct gate gate;
    gate_init(&gate, 3);
    aw_future *f = aw_run_in_executor(NULL, stand_at_gate, &gate);
    for (int i = 0; i < 100; i++)
        assert_int_equal(aw_sleep(0), 0);
    assert_false(aw_done(f));
    char text[128];
    gate_await(&gate);
    assert_true(aw_describe(f, text, sizeof text) > 0);
    assert_string_equal(text, "<job stand_at_gate, running, pending>");
    gate_open(&gate);
    assert_int_equal(aw_join(f), 3);
}

/* Virtual time stands still while a job is at work: it could not be waited for otherwise. */
TEST_IN_LOOP(exec_virtual_time_waits_for_jobs)
{
    double began = aw_time();
    aw_task *t = aw_create_task(sleep_long, NULL);
    assert_int_equal(aw_to_thread(nap_job, INT(20)), 20);
    assert_time(aw_time(), began);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), -ECANCELED);
}

static int outside_any_task(void *arg)
{
    assert_int_equal(aw_to_thread(nap_job, INT(0)), AW_EMISUSE);
    aw_future *f = aw_run_in_executor(NULL, nap_job, INT(0));
    assert_non_null(f);
    *(aw_future **)arg = f;
    return 0;
}

TEST(exec_calls_that_make_no_sense)
{
    assert_int_equal(aw_to_thread(nap_job, INT(0)), AW_EMISUSE);
    assert_null(aw_run_in_executor(NULL, nap_job, INT(0)));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    aw_loop *l = aw_loop_new();
    aw_future *f = NULL;
    assert_int_equal(aw_call_soon(outside_any_task, &f, .loop = l), 0);
    assert_int_equal(aw_loop_stop(l), 0);
    assert_int_equal(aw_loop_run_forever(l), 0);
    assert_int_equal(aw_loop_run_until_complete(l, f), 0);
    assert_int_equal(aw_set_result(f, 1, NULL), AW_EMISUSE);
    aw_unref(f);
    aw_loop_free(l);
}

static int bad_calls(void *arg)
{
    (void)arg;
    assert_int_equal(aw_to_thread(NULL, NULL), -EINVAL);
    assert_int_equal(aw_to_thread(nap_job, NULL, .copy = 1), -EINVAL);
    aw_executor *ex = aw_thread_pool();
    assert_int_equal(aw_executor_shutdown(ex), 0);
    assert_null(aw_run_in_executor(ex, nap_job, INT(0)));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    aw_executor_unref(ex);
    assert_int_equal(aw_loop_set_default_executor(NULL, ex), AW_EMISUSE); /* aw_errno() */
    return 0;
}

TEST(exec_bad_calls_in_a_task)
{
    assert_int_equal(aw_run(bad_calls, NULL), 0);
}

// LOOP-025: Setting something other than a thread pool as the default executor fails with EINVAL
// and the old setting stays.
TEST_IN_LOOP(LOOP_025_only_a_pool_is_a_default_executor)
{
    char name[64];
    aw_loop *l = aw_running_loop();
    aw_executor *ex = aw_thread_pool(.prefix = "set");
    assert_int_equal(aw_loop_set_default_executor(l, ex), 0);
    aw_executor_unref(ex); /* the loop has a handle of its own */
    assert_int_equal(aw_loop_set_default_executor(l, NULL), -EINVAL);
    assert_int_equal(aw_to_thread(tell_name, name), 0);
    assert_string_equal(name, "set_0");
}

TEST_IN_LOOP(exec_another_default_leaves_the_jobs_of_the_former)
{
    char name[64];
    struct gate gate;
    gate_init(&gate, 4);
    aw_future *f = aw_run_in_executor(NULL, stand_at_gate, &gate);
    aw_executor *ex = aw_thread_pool(.prefix = "second");
    assert_int_equal(aw_loop_set_default_executor(aw_running_loop(), ex), 0);
    assert_int_equal(aw_to_thread(tell_name, name), 0);
    assert_string_equal(name, "second_0");
    gate_open(&gate);
    assert_int_equal(aw_join(f), 4);
    assert_int_equal(aw_executor_free(ex), 0);
}

// LOOP-026: Shutting the default executor down waits for its jobs; submitting to the default
// executor afterwards fails with 'misuse'.
TEST_IN_LOOP(LOOP_026_shutting_the_default_executor_down)
{
    _Atomic int calls = 0;
    for (int i = 0; i < 10; i++)
        aw_unref(aw_run_in_executor(NULL, count_call, &calls));
    aw_future *f = aw_run_in_executor(NULL, nap_job, INT(30));
    assert_int_equal(aw_loop_shutdown_default_executor(NULL), 0);
    assert_int_equal(calls, 10);
    assert_int_equal(aw_to_thread(count_call, &calls), AW_EMISUSE);
    assert_null(aw_run_in_executor(NULL, count_call, &calls));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_int_equal(aw_join(f), 30);
    assert_int_equal(aw_loop_shutdown_default_executor(aw_running_loop()), 0);
    assert_int_equal(calls, 10);
}

TEST_IN_LOOP(exec_shutting_down_a_pool_that_never_was)
{
    assert_int_equal(aw_loop_shutdown_default_executor(NULL), 0);
    assert_int_equal(aw_to_thread(nap_job, INT(0)), AW_EMISUSE);
}

static int shut_default(void *arg)
{
    (void)arg;
    return aw_loop_shutdown_default_executor(NULL);
}

TEST_IN_LOOP(exec_cancelling_a_shutdown_leaves_the_jobs)
{
    struct gate gate;
    gate_init(&gate, 2);
    aw_future *f = aw_run_in_executor(NULL, stand_at_gate, &gate);
    aw_task *t = aw_create_task(shut_default, NULL);
    passes(3);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), -ECANCELED);
    gate_open(&gate);
    assert_int_equal(aw_join(f), 2);
}

TEST_IN_LOOP(exec_pool_futures_of_any_pool_can_be_wrapped)
{
    aw_executor *ex = aw_thread_pool();
    aw_cfuture *cf = aw_executor_submit(ex, nap_job, INT(5));
    assert_int_equal(aw_join(aw_wrap_future(cf)), 5);
    aw_cfuture_unref(cf);
    assert_int_equal(aw_executor_free(ex), 0);
}

/* A loop that stops with a job outstanding gets it when it runs again. */
TEST(exec_a_job_over_several_runs)
{
    struct gate gate;
    gate_init(&gate, 9);
    aw_loop *l = aw_loop_new();
    aw_future *f = NULL;
    assert_int_equal(aw_call_soon(outside_any_task, &f, .loop = l), 0);
    assert_int_equal(aw_loop_stop(l), 0);
    assert_int_equal(aw_loop_run_forever(l), 0);
    nap(20); /* it is over, and nobody has looked into the inbox */
    assert_false(aw_done(f));
    assert_int_equal(aw_loop_run_until_complete(l, f), 0);
    aw_unref(f);
    aw_loop_free(l);
}
