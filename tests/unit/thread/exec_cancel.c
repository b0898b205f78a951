/*
 * Cancelling blocking work in each of its phases, and what becomes of the one who waits for it.
 */
#include "jobs.h"

static int wait_at_gate(void *arg)
{
    return aw_to_thread(stand_at_gate, arg);
}

static int abandon_gate(void *arg)
{
    return aw_to_thread(stand_at_gate, arg, .abandon_on_cancel = true);
}

// THR-007: With .abandon_on_cancel, cancelling a task that awaits to-thread ends the task with
// ECANCELED without waiting for the function, which runs on to its end.
TEST_IN_LOOP(THR_007_an_abandoned_job_runs_on)
{
    struct gate gate;
    gate_init(&gate, 0);
    aw_task *t = aw_create_task(abandon_gate, &gate);
    passes(1);
    gate_await(&gate);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), -ECANCELED);
    gate_open(&gate);
    assert_int_equal(aw_loop_shutdown_default_executor(NULL), 0);
    assert_int_equal(gate.calls, 1);
}

struct step {
    struct gate gate;
    int first, second;
};

static int wait_twice(void *arg)
{
    struct step *s = arg;
    s->first = aw_to_thread(stand_at_gate, &s->gate);
    s->second = aw_sleep(1);
    return s->second;
}

// THR-007: Without that option a job that has begun comes to its own result, which is not lost: the
// request stays pending until the task's next suspension point.
TEST_IN_LOOP(THR_007_a_job_that_has_begun_takes_effect)
{
    struct step s = {.first = -1};
    gate_init(&s.gate, 12);
    aw_task *t = aw_create_task(wait_twice, &s);
    passes(1);
    gate_await(&s.gate);
    assert_true(aw_cancel(t));
    passes(5);
    assert_false(aw_done(t));
    gate_open(&s.gate);
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_int_equal(s.first, 12);
    assert_int_equal(s.second, -ECANCELED);
}

static int uncancel_after(void *arg)
{
    int result = aw_to_thread(stand_at_gate, arg);
    assert_int_equal(aw_uncancel(aw_current_task()), 0);
    AW_TRY(aw_sleep(0));
    return result;
}

TEST_IN_LOOP(exec_the_pending_request_can_be_taken_back)
{
    struct gate gate;
    gate_init(&gate, 4);
    aw_task *t = aw_create_task(uncancel_after, &gate);
    passes(1);
    gate_await(&gate);
    assert_true(aw_cancel(t));
    gate_open(&gate);
    assert_int_equal(aw_join(t), 4);
}

/* A pool of one thread that is held at a gate, as the loop's own. */
static aw_executor *held_pool(struct gate *gate, aw_cfuture **ret_held)
{
    aw_executor *ex = aw_thread_pool(.max_workers = 1);
    gate_init(gate, 0);
    *ret_held = aw_executor_submit(ex, stand_at_gate, gate);
    gate_await(gate);
    assert_int_equal(aw_loop_set_default_executor(aw_running_loop(), ex), 0);
    return ex;
}

static void let_pool_go(aw_executor *ex, struct gate *gate, aw_cfuture *held)
{
    gate_open(gate);
    assert_int_equal(collect(held), 0);
    assert_int_equal(aw_executor_free(ex), 0);
}

static int to_thread_parcel(void *arg)
{
    return aw_to_thread(open_parcel, arg, .release = release_parcel);
}

TEST_IN_LOOP(exec_a_queued_job_is_cancelled_at_once)
{
    struct gate gate;
    aw_cfuture *held;
    _Atomic int calls = 0, releases = 0;
    struct parcel p = {&p, &calls, &releases, 0};
    aw_executor *ex = held_pool(&gate, &held);
    aw_task *t = aw_create_task(to_thread_parcel, &p);
    passes(1);
    assert_int_equal(aw_executor_queued(ex), 1);
    assert_true(aw_cancel(t, .msg = "not needed"));
    assert_int_equal(aw_executor_queued(ex), 0);
    assert_int_equal(releases, 0); /* not inside aw_cancel() */
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_string_equal(aw_errmsg(), "not needed");
    passes(1);
    assert_int_equal(releases, 1);
    let_pool_go(ex, &gate, held);
    assert_int_equal(calls, 0);
    assert_int_equal(releases, 1);
}

TEST_IN_LOOP(exec_a_task_that_is_cancelled_before_it_waits)
{
    struct gate gate;
    aw_cfuture *held;
    _Atomic int calls = 0, releases = 0;
    struct parcel p = {&p, &calls, &releases, 0};
    aw_executor *ex = held_pool(&gate, &held);
    aw_cancel(aw_current_task());
    assert_int_equal(aw_to_thread(open_parcel, &p, .release = release_parcel), -ECANCELED);
    passes(1);
    assert_int_equal(releases, 1);
    let_pool_go(ex, &gate, held);
    assert_int_equal(calls, 0);
    assert_int_equal(aw_uncancel(aw_current_task()), 0);
}

TEST_IN_LOOP(exec_cancelling_the_future_itself)
{
    struct gate gate;
    aw_cfuture *held;
    _Atomic int calls = 0;
    aw_executor *ex = held_pool(&gate, &held);
    aw_future *queued = aw_run_in_executor(NULL, count_call, &calls);
    assert_true(aw_cancel(queued));
    assert_true(aw_cancelled(queued));
    assert_false(aw_cancel(queued));
    aw_unref(queued);
    let_pool_go(ex, &gate, held);

    gate_init(&gate, 5);
    ex = aw_thread_pool(.max_workers = 1);
    aw_future *begun = aw_run_in_executor(ex, stand_at_gate, &gate);
    gate_await(&gate);
    assert_false(aw_cancel(begun));
    assert_false(aw_done(begun));
    gate_open(&gate);
    assert_int_equal(aw_join(begun), 5);
    assert_int_equal(aw_executor_free(ex), 0);
    assert_int_equal(calls, 0);
}

/* It is over, and the loop does not know yet. */
TEST_IN_LOOP(exec_cancelling_what_has_just_ended)
{
    _Atomic int calls = 0;
    aw_future *kept = aw_run_in_executor(NULL, count_call, &calls);
    aw_future *left = aw_run_in_executor(NULL, count_call, &calls, .abandon_on_cancel = true);
    wait_for_count(&calls, 2);
    nap(50);
    assert_false(aw_cancel(kept));
    assert_true(aw_cancel(left));
    assert_int_equal(aw_join(kept), 0);
    assert_int_equal(aw_join(left), -ECANCELED);
}

TEST_IN_LOOP(exec_a_shield_leaves_the_job_alone)
{
    struct gate gate;
    gate_init(&gate, 6);
    aw_future *f = aw_run_in_executor(NULL, stand_at_gate, &gate, .abandon_on_cancel = true);
    aw_future *shield = aw_shield(f);
    assert_true(aw_cancel(shield));
    passes(2);
    assert_false(aw_done(f));
    aw_unref(shield);
    gate_open(&gate);
    assert_int_equal(aw_join(f), 6);
}

static int limits(void *arg)
{
    (void)arg;
    double began = aw_time();
    aw_future *g = aw_run_in_executor(NULL, nap_job, INT(200));
    assert_int_equal(aw_wait_for(g, 0.02), 200);
    aw_unref(g);
    assert_true(aw_time() - began > 0.19);
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    assert_int_equal(aw_sleep(0), 0);
    aw_future *f = aw_run_in_executor(NULL, nap_job, INT(200), .abandon_on_cancel = true);
    began = aw_time();
    assert_int_equal(aw_wait_for(f, 0.02), -ETIMEDOUT);
    assert_true(aw_time() - began < 0.15);
    aw_unref(f);
    return 0;
}

TEST_REAL_CLOCK(exec_time_limits_wait_for_what_has_begun)
{
    assert_int_equal(aw_run(limits, NULL), 0);
}

static int fail_soon(void *arg)
{
    gate_await(arg);
    return -EIO;
}

/* A group is left when all its children have ended, jobs included. */
TEST_IN_LOOP(exec_gather_waits_for_the_jobs_of_its_children)
{
    struct gate gate;
    gate_init(&gate, 0);
    aw_future *opener = aw_run_in_executor(NULL, fail_soon, &gate); /* once it has entered */
    aw_task *t = aw_create_task(wait_at_gate, &gate);
    aw_future *both[2] = {opener, t};
    assert_int_equal(aw_gather_futures(both, 2), -EIO);
    assert_true(aw_cancel(t));
    gate_open(&gate);
    assert_int_equal(aw_join(t), -ECANCELED); /* it ended with the request pending */
    aw_unref(opener);
}

static int shut_pool(void *arg)
{
    return aw_executor_shutdown(arg, .cancel_futures = true);
}

TEST_IN_LOOP(exec_a_shutdown_cancels_what_a_task_awaits)
{
    struct gate gate;
    aw_cfuture *held;
    _Atomic int calls = 0, releases = 0;
    struct parcel p = {&p, &calls, &releases, 0};
    aw_executor *ex = held_pool(&gate, &held);
    aw_task *t = aw_create_task(to_thread_parcel, &p);
    passes(1);
    assert_int_equal(shut_pool(ex), 0);
    assert_int_equal(releases, 1);
    assert_int_equal(aw_join(t), -ECANCELED);
    let_pool_go(ex, &gate, held);
    assert_int_equal(calls, 0);
    assert_int_equal(releases, 1);
}
