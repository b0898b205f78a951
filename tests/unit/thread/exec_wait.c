/*
 * Waiting for several jobs of a pool.
 */
#include <math.h>

#include "jobs.h"

static int give_number(void *arg)
{
    return (int)(intptr_t)arg;
}

/* Two jobs that are done, one held at the gate. */
struct trio {
    aw_executor *ex;
    struct gate gate;
    aw_cfuture *fs[3];
};

static void trio_begin(struct trio *t, int first, int second)
{
    gate_init(&t->gate, 9);
    t->ex = aw_thread_pool(.max_workers = 3);
    t->fs[0] = aw_executor_submit(t->ex, give_number, INT(first));
    t->fs[1] = aw_executor_submit(t->ex, give_number, INT(second));
    t->fs[2] = aw_executor_submit(t->ex, stand_at_gate, &t->gate);
}

static void trio_end(struct trio *t)
{
    gate_open(&t->gate);
    assert_int_equal(aw_cfuture_wait(t->fs, 3, AW_ALL_COMPLETED, INFINITY), 3);
    for (int i = 0; i < 3; i++)
        aw_ignore(collect(t->fs[i]));
    assert_int_equal(aw_executor_free(t->ex), 0);
}

// CONC-022: Waiting for the first completed of several jobs returns with those done then; if some
// were done beforehand it returns at once with just those.
TEST_REAL_CLOCK(CONC_022_first_completed_of_jobs)
{
    struct trio t;
    trio_begin(&t, 1, 2);
    assert_true(aw_cfuture_wait(t.fs, 3, AW_FIRST_COMPLETED, INFINITY) >= 1);
    assert_int_equal(aw_cfuture_wait(t.fs, 2, AW_ALL_COMPLETED, INFINITY), 2);
    assert_int_equal(aw_cfuture_wait(t.fs, 3, AW_FIRST_COMPLETED, INFINITY), 2);
    assert_false(aw_cfuture_done(t.fs[2]));
    trio_end(&t);
}

// CONC-023: Waiting for the first error returns when a job fails, with earlier successes in done; a
// failure present beforehand makes it return at once.
TEST_REAL_CLOCK(CONC_023_first_error_of_jobs)
{
    struct trio t;
    trio_begin(&t, 1, -EIO);
    assert_int_equal(aw_cfuture_result(t.fs[0], INFINITY), 1);
    assert_int_equal(aw_cfuture_wait(t.fs, 3, AW_FIRST_ERROR, INFINITY), 2);
    assert_int_equal(aw_cfuture_wait(t.fs, 3, AW_FIRST_ERROR, INFINITY), 2);
    assert_int_equal(aw_cfuture_result(t.fs[1], 0), -EIO);
    trio_end(&t);
}

// CONC-024: A wait on pool jobs that times out reports no error: the unfinished job is in the
// not-done set.
TEST_REAL_CLOCK(CONC_024_running_out_of_time_is_no_error)
{
    struct trio t;
    trio_begin(&t, 1, 2);
    assert_int_equal(aw_cfuture_wait(t.fs, 2, AW_ALL_COMPLETED, INFINITY), 2);
    assert_int_equal(aw_cfuture_wait(t.fs, 3, AW_ALL_COMPLETED, 0.02), 2);
    assert_false(aw_cfuture_done(t.fs[2]));
    trio_end(&t);
}

// CONC-025: As-completed over concurrent futures with a time limit (0 included) delivers what is
// done, then gives ETIMEDOUT; the report tells how many of how many were unfinished.
TEST_REAL_CLOCK(CONC_025_as_completed_over_jobs)
{
    struct trio t;
    unsigned char seen[3] = {0};
    trio_begin(&t, 1, 2);
    assert_int_equal(aw_cfuture_wait(t.fs, 2, AW_ALL_COMPLETED, INFINITY), 2);
    int a = aw_cfuture_next_completed(t.fs, 3, seen, 0);
    int b = aw_cfuture_next_completed(t.fs, 3, seen, 0.02);
    assert_int_equal(a + b, 1);
    assert_int_equal(aw_cfuture_next_completed(t.fs, 3, seen, 0.02), -ETIMEDOUT);
    assert_int_equal(aw_cfuture_next_completed(t.fs, 3, seen, 0), -ETIMEDOUT);
    gate_open(&t.gate);
    assert_int_equal(aw_cfuture_next_completed(t.fs, 3, seen, INFINITY), 2);
    assert_int_equal(aw_cfuture_next_completed(t.fs, 3, seen, INFINITY), 3);
    trio_end(&t);
}

static int note_thread(aw_cfuture *f, void *arg)
{
    assert_true(aw_cfuture_done(f));
    snprintf(arg, 64, "%s", aw_worker_name());
    return 0;
}

TEST(exec_done_callbacks_run_in_the_jobs_thread)
{
    struct gate gate;
    char before[64], after[64];
    gate_init(&gate, 0);
    aw_executor *ex = aw_thread_pool(.prefix = "cb");
    aw_cfuture *f = aw_executor_submit(ex, stand_at_gate, &gate);
    assert_int_equal(aw_cfuture_add_done_callback(f, note_thread, before), 0);
    gate_open(&gate);
    assert_int_equal(aw_cfuture_join(aw_cfuture_ref(f), INFINITY), 0);
    assert_string_equal(before, "cb_0");
    assert_int_equal(aw_cfuture_add_done_callback(f, note_thread, after), 0);
    assert_string_equal(after, "");
    aw_cfuture_unref(f);
    assert_int_equal(aw_executor_free(ex), 0);
}

static int block_a_while(aw_cfuture *f, void *arg)
{
    (void)f;
    nap(100);
    atomic_fetch_add((_Atomic int *)arg, 1);
    return 0;
}

/* A callback that blocks holds up its thread, and nothing else: not the result, and not the others'
 * jobs; the join and the shutdown wait for it. */
TEST_REAL_CLOCK(exec_a_callback_that_blocks)
{
    struct gate gate;
    _Atomic int called = 0, calls = 0;
    gate_init(&gate, 8);
    aw_executor *ex = aw_thread_pool(.max_workers = 2);
    aw_cfuture *f = aw_executor_submit(ex, stand_at_gate, &gate);
    assert_int_equal(aw_cfuture_add_done_callback(f, block_a_while, &called), 0);
    gate_open(&gate);
    assert_int_equal(aw_cfuture_result(f, INFINITY), 8);
    assert_int_equal(collect(aw_executor_submit(ex, count_call, &calls)), 0);
    assert_int_equal(called, 0);
    assert_int_equal(aw_cfuture_join(f, INFINITY), 8);
    assert_int_equal(called, 1);
    assert_int_equal(aw_executor_free(ex), 0);
}
