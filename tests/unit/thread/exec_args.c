/*
 * Arguments: copied before the call returns, released exactly once on every way out.
 */
#include "jobs.h"

static _Atomic int calls, releases;

#define PARCEL(p, result_)                                                                         \
    struct parcel p = {.calls = &calls, .releases = &releases, .result = (result_)};               \
    p.original = &p

#define assert_counts(calls_, releases_)                                                           \
    do {                                                                                           \
        assert_int_equal(calls, (calls_));                                                         \
        assert_int_equal(releases, (releases_));                                                   \
    } while (0)

static int open_copy(void *arg)
{
    struct parcel *p = arg;
    assert_ptr_not_equal(p->original, p);
    return open_parcel(p);
}

TEST(exec_args_done)
{
    PARCEL(p, 3);
    aw_executor *ex = aw_thread_pool(.max_workers = 2);
    assert_int_equal(collect(aw_executor_submit(ex, open_parcel, &p, .release = release_parcel)),
                     3);
    assert_counts(1, 1);
    p.result = -EIO;
    assert_int_equal(collect(aw_executor_submit(ex, open_parcel, &p, .release = release_parcel)),
                     -EIO);
    assert_counts(2, 2);
    aw_cfuture *f =
        aw_executor_submit(ex, open_copy, &p, .copy = sizeof p, .release = release_parcel);
    assert_int_equal(aw_cfuture_join(f, INFINITY), -EIO);
    assert_counts(3, 3);
    assert_int_equal(aw_executor_free(ex), 0);
    assert_counts(3, 3);
}

TEST(exec_args_refused)
{
    PARCEL(p, 0);
    aw_executor *ex = aw_thread_pool(.max_workers = 2);
    assert_int_equal(aw_executor_shutdown(ex), 0);
    assert_null(aw_executor_submit(ex, open_parcel, &p, .release = release_parcel));
    assert_null(aw_executor_submit(ex, NULL, &p, .release = release_parcel));
    assert_null(
        aw_executor_submit(ex, open_parcel, &p, .copy = SIZE_MAX - 64, .release = release_parcel));
    assert_counts(0, 0);
    aw_executor_unref(ex);
}

TEST(exec_args_cancelled_or_shut_down_in_the_queue)
{
    struct gate gate;
    gate_init(&gate, 0);
    PARCEL(p, 0);
    aw_executor *ex = aw_thread_pool(.max_workers = 1);
    aw_cfuture *held = aw_executor_submit(ex, stand_at_gate, &gate);
    aw_cfuture *a = aw_executor_submit(ex, open_parcel, &p, .release = release_parcel);
    aw_cfuture *b =
        aw_executor_submit(ex, open_copy, &p, .copy = sizeof p, .release = release_parcel);
    gate_await(&gate);
    assert_true(aw_cfuture_cancel(a));
    assert_counts(0, 1);
    assert_int_equal(aw_cfuture_join(a, INFINITY), -ECANCELED);
    assert_int_equal(aw_executor_shutdown(ex, .cancel_futures = true), 0);
    assert_counts(0, 2);
    assert_int_equal(aw_cfuture_join(b, INFINITY), -ECANCELED);
    gate_open(&gate);
    assert_int_equal(collect(held), 0);
    assert_int_equal(aw_executor_free(ex), 0);
    assert_counts(0, 2);
}

TEST_REAL_CLOCK(exec_args_joined_too_late)
{
    PARCEL(p, 0);
    struct gate gate;
    gate_init(&gate, 1);
    aw_executor *ex = aw_thread_pool(.max_workers = 1);
    aw_cfuture *held = aw_executor_submit(ex, nap_job, INT(150));
    aw_cfuture *f = aw_executor_submit(ex, open_parcel, &p, .release = release_parcel);
    assert_int_equal(aw_cfuture_join(f, 0.02), -ETIMEDOUT);
    assert_counts(0, 1);                                /* so the stack that it lies on may go */
    assert_int_equal(aw_cfuture_join(held, 0.02), 150); /* it has begun: waited for */
    assert_int_equal(aw_executor_free(ex), 0);
}

static int broken(void *arg)
{
    (void)arg;
    return -EIO;
}

static void lose_in_broken_pool(void *arg)
{
    (void)arg;
    PARCEL(p, 0);
    aw_executor *ex = aw_thread_pool(.max_workers = 1, .initializer = broken);
    aw_cfuture *f = aw_executor_submit(ex, open_parcel, &p, .release = release_parcel);
    assert_int_equal(aw_cfuture_join(f, INFINITY), AW_EBROKEN);
    assert_counts(0, 1);
    assert_int_equal(aw_executor_free(ex), 0);
}

TEST(exec_args_in_a_broken_pool)
{
    struct child_result r;
    run_child(&r, lose_in_broken_pool, NULL);
    assert_true(child_exited(&r, 0));
}

/* ---- on a loop ---- */

TEST_IN_LOOP(exec_args_awaited)
{
    PARCEL(p, 2);
    assert_int_equal(aw_to_thread(open_parcel, &p, .release = release_parcel), 2);
    assert_counts(1, 1);
    assert_int_equal(aw_to_thread(open_copy, &p, .copy = sizeof p, .release = release_parcel), 2);
    assert_counts(2, 2);
    aw_executor *ex = aw_thread_pool();
    assert_int_equal(aw_executor_shutdown(ex), 0);
    assert_null(aw_run_in_executor(ex, open_parcel, &p, .release = release_parcel));
    assert_counts(2, 2);
    aw_executor_unref(ex);
}

/* The handle goes first: the job is done all the same. */
TEST_IN_LOOP(exec_args_not_awaited)
{
    PARCEL(p, 2);
    aw_unref(aw_run_in_executor(NULL, open_parcel, &p, .release = release_parcel));
    assert_int_equal(aw_loop_shutdown_default_executor(NULL), 0);
    assert_counts(1, 1);
}

static int nap_parcel(void *arg)
{
    nap(50);
    return open_parcel(arg);
}

static int start_and_leave(void *arg)
{
    for (int i = 0; i < 40; i++) /* more than there are threads */
        aw_unref(aw_run_in_executor(NULL, nap_parcel, arg, .release = release_parcel));
    return 0;
}

/* The end of the run waits for the jobs of the loop's own pool. */
TEST_REAL_CLOCK(exec_args_when_the_loop_closes)
{
    PARCEL(p, 0);
    assert_int_equal(aw_run(start_and_leave, &p), 0);
    assert_counts(40, 40);
}

struct elsewhere {
    aw_executor *ex;
    struct parcel *p;
    struct gate *gate;
};

static int start_elsewhere(void *arg)
{
    struct elsewhere *e = arg;
    aw_unref(aw_run_in_executor(e->ex, stand_at_gate, e->gate));
    gate_await(e->gate);
    aw_unref(aw_run_in_executor(e->ex, open_parcel, e->p, .release = release_parcel));
    aw_future *f = aw_run_in_executor(e->ex, open_parcel, e->p, .release = release_parcel);
    aw_cancel(f);
    aw_unref(f); /* and the item that would release its argument may not be reached */
    return 0;
}

/* Another pool outlives the loop, and its jobs do. */
TEST(exec_args_when_the_loop_closes_before_the_pool)
{
    struct gate gate;
    gate_init(&gate, 0);
    PARCEL(p, 0);
    struct elsewhere e = {aw_thread_pool(.max_workers = 1), &p, &gate};
    assert_int_equal(aw_run(start_elsewhere, &e), 0);
    assert_counts(0, 1);
    gate_open(&gate);
    assert_int_equal(aw_executor_free(e.ex), 0);
    assert_counts(1, 2);
}

static int keep_handle(void *arg)
{
    struct elsewhere *e = arg;
    aw_unref(aw_run_in_executor(e->ex, stand_at_gate, e->gate));
    gate_await(e->gate);
    e->p->calls = NULL; /* it is never called */
    e->gate = (void *)aw_run_in_executor(e->ex, open_parcel, e->p, .release = release_parcel);
    return 0;
}

/* A handle that outlives its loop can still be cancelled. */
TEST(exec_args_cancelled_after_the_loop_was_closed)
{
    struct gate gate;
    gate_init(&gate, 0);
    PARCEL(p, 0);
    struct elsewhere e = {aw_thread_pool(.max_workers = 1), &p, &gate};
    assert_int_equal(aw_run(keep_handle, &e), 0);
    aw_future *f = (aw_future *)(void *)e.gate;
    assert_false(aw_done(f));
    assert_counts(0, 0);
    assert_true(aw_cancel(f));
    assert_counts(0, 1);
    aw_unref(f);
    gate_open(&gate);
    assert_int_equal(aw_executor_free(e.ex), 0);
    assert_counts(0, 1);
}

/* ---- without memory ---- */

TEST(exec_args_without_memory)
{
    count_memory();
    PARCEL(p, 0);
    aw_executor *ex = aw_thread_pool(.max_workers = 1);
    memory.failing = true;
    assert_null(aw_executor_submit(ex, open_parcel, &p, .release = release_parcel));
    assert_int_equal(aw_errno(), -ENOMEM);
    assert_null(aw_thread_pool());
    assert_int_equal(aw_errno(), -ENOMEM);
    memory.failing = false;
    assert_counts(0, 0);
    assert_int_equal(collect(aw_executor_submit(ex, open_parcel, &p, .release = release_parcel)),
                     0);
    assert_int_equal(aw_executor_free(ex), 0);
    assert_counts(1, 1);
}
