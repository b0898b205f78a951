/*
 * Process pools from coroutines: awaited, cancelled, abandoned, through wrapped futures.
 */
#include "procs.h"

static aw_process_pool *the_pool;

/* ---- awaiting ---- */

static int await_echo(void *arg)
{
    (void)arg;
    char room[16] = "";
    size_t size = 0;
    assert_int_equal(aw_to_process(the_pool, echo, "seven!!", 7, .out = room, .room = sizeof room,
                                   .ret_size = &size),
                     7);
    assert_int_equal(size, 7);
    assert_string_equal(room, "seven!!");
    assert_int_equal(
        aw_to_process(the_pool, echo, "seven!!", 7, .out = room, .room = 6, .ret_size = &size),
        -EMSGSIZE);
    assert_int_equal(size, 7);
    assert_int_equal(aw_to_process(the_pool, echo, "seven!!", 7), 7);
    assert_int_equal(aw_to_process(the_pool, echo, NULL, 0, .out = room, .room = 0), 0);
    assert_int_equal(aw_to_process(the_pool, NULL, NULL, 0), -EINVAL);
    assert_int_equal(aw_to_process(NULL, echo, NULL, 0), -EINVAL);
    return aw_to_process(the_pool, leave, NULL, 0);
}

TEST_REAL_CLOCK(proc_to_process_waits_and_copies)
{
    the_pool = make_pool(.max_workers = 1);
    assert_int_equal(aw_run(await_echo, NULL), AW_EBROKEN);
    assert_non_null(strstr(aw_errmsg(), "in leave, ended with status 7"));
    assert_int_equal(aw_process_pool_free(the_pool), 0);
}

static int tick(void *arg)
{
    for (;;) {
        AW_TRY(aw_sleep(0.001));
        ++*(int *)arg;
    }
}

static int await_beside_ticks(void *arg)
{
    aw_task *ticking = aw_create_task(tick, arg);
    int result = aw_to_process(the_pool, nap_inside, &(long){100}, sizeof(long));
    aw_cancel(ticking);
    aw_ignore(aw_await(ticking));
    aw_unref(ticking);
    return result;
}

TEST_REAL_CLOCK(proc_the_loop_goes_on_meanwhile)
{
    int ticks = 0;
    the_pool = make_pool(.max_workers = 1);
    assert_int_equal(aw_run(await_beside_ticks, &ticks), 100);
    assert_true(ticks > 0);
    assert_int_equal(aw_process_pool_free(the_pool), 0);
}

static int await_wrapped(void *arg)
{
    aw_future *f = aw_wrap_future((aw_cfuture *)arg);
    int result = aw_await(f);
    assert_string_equal(aw_value(f), "kept");
    aw_unref(f);
    return result;
}

TEST_REAL_CLOCK(proc_a_wrapped_future_has_the_output)
{
    the_pool = make_pool(.max_workers = 1);
    aw_cfuture *f = submit(the_pool, echo, "kept", 5);
    assert_int_equal(aw_run(await_wrapped, f), 5);
    aw_cfuture_unref(f);
    assert_int_equal(aw_process_pool_free(the_pool), 0);
}

/* ---- cancelling ---- */

struct attempt {
    bool abandon;
    long pid;
    int result;
};

static int wait_for_ever(void *arg)
{
    struct attempt *a = arg;
    a->result = aw_to_process(the_pool, run_for_ever, NULL, 0, .abandon_on_cancel = a->abandon);
    return a->result;
}

static int cancel_it(void *arg)
{
    struct attempt *a = arg;
    aw_task *t = aw_create_task(wait_for_ever, a);
    while (aw_process_pool_pids(the_pool, &a->pid, 1) == 0)
        AW_TRY(aw_sleep(0.001));
    aw_cancel(t);
    int err = aw_await(t);
    aw_unref(t);
    return err;
}

TEST_REAL_CLOCK(proc_cancelling_kills_the_worker)
{
    struct attempt a = {0};
    the_pool = make_pool(.max_workers = 1);
    assert_int_equal(aw_run(cancel_it, &a), -ECANCELED);
    assert_int_equal(a.result, -ECANCELED);
    wait_until(!is_alive(a.pid));
    assert_int_equal(collect(submit_ms(the_pool, 1)), 1);
    assert_int_equal(aw_process_pool_free(the_pool), 0);
}

TEST_REAL_CLOCK(proc_an_abandoned_job_goes_on)
{
    struct attempt a = {.abandon = true};
    the_pool = make_pool(.max_workers = 1);
    assert_int_equal(aw_run(cancel_it, &a), -ECANCELED);
    assert_int_equal(aw_process_pool_shutdown(the_pool, .wait = true, .timeout = 0.05), -ETIMEDOUT);
    assert_true(is_alive(a.pid));
    assert_int_equal(aw_process_pool_kill(the_pool), 0);
    assert_int_equal(aw_process_pool_free(the_pool), 0);
}

static int limit_it(void *arg)
{
    (void)arg;
    aw_task *t = aw_create_task(wait_for_ever, arg);
    int err = aw_wait_for(t, 0.05);
    aw_unref(t);
    return err;
}

TEST_REAL_CLOCK(proc_a_limit_of_the_loop_kills_too)
{
    struct attempt a = {0};
    the_pool = make_pool(.max_workers = 1);
    assert_int_equal(aw_run(limit_it, &a), -ETIMEDOUT);
    assert_int_equal(a.result, -ECANCELED);
    assert_int_equal(aw_process_pool_free(the_pool), 0);
}

/* ---- aborting ---- */

TEST_REAL_CLOCK(proc_aborting_a_job)
{
    the_pool = make_pool(.max_workers = 1);
    aw_cfuture *running = submit(the_pool, run_for_ever, NULL, 0);
    aw_cfuture *waiting = submit(the_pool, run_for_ever, NULL, 0);
    wait_until(aw_cfuture_running(running));
    assert_true(aw_process_abort(waiting));
    assert_true(aw_cfuture_cancelled(waiting));
    assert_true(aw_process_abort(running));
    assert_int_equal(aw_cfuture_result(running, INFINITY), -ECANCELED);
    assert_true(aw_cfuture_cancelled(running));
    assert_false(aw_process_abort(running));
    aw_cfuture_unref(running);
    aw_cfuture_unref(waiting);
    assert_int_equal(aw_process_pool_free(the_pool), 0);
}

/* ---- from many threads ---- */

static void *submit_many(void *arg)
{
    aw_process_pool *pool = arg;
    for (int i = 0; i < (int)test_scale(200, 40); i++) {
        if (i % 20 == 7) {
            assert_int_equal(collect(submit(pool, leave, NULL, 0)), AW_EBROKEN);
            continue;
        }
        aw_cfuture *f = submit_int(pool, echo, i);
        assert_int_equal(aw_cfuture_result(f, INFINITY), sizeof(int));
        assert_memory_equal(aw_process_output(f, NULL), &i, sizeof i);
        aw_cfuture_unref(f);
    }
    return NULL;
}

TEST_SLOW_REAL_CLOCK(proc_many_threads_and_workers_that_die)
{
    pthread_t ts[6];
    aw_process_pool *pool = make_pool(.max_workers = 3, .max_tasks_per_child = 17);
    for (int i = 0; i < 6; i++)
        ts[i] = start_thread(submit_many, pool);
    for (int i = 0; i < 6; i++)
        end_thread(ts[i]);
    assert_int_equal(aw_process_pool_free(pool), 0);
}
