/*
 * Submitting something that has to be ready before the program goes on, and what is handed along:
 * names, task-local values.
 */
#include "util.h"

/* ---- announcing ---- */

static int serve(void *arg)
{
    AW_TRY(aw_sleep(0.02)); /* gets ready */
    assert_int_equal(aw_announce(arg), 0);
    assert_int_equal(aw_announce(arg), AW_EMISUSE);
    return aw_sleep(INFINITY);
}

TEST_REAL_CLOCK(submit_ready_returns_when_it_is)
{
    aw_loop_thread *lt = start_loop();
    int port = 8080;
    aw_cfuture *f = aw_submit_ready(aw_loop_thread_loop(lt), serve, &port);
    assert_non_null(f);
    assert_ptr_equal(aw_cfuture_announced(f), &port);
    assert_false(aw_cfuture_done(f)); /* it goes on */
    stop_loop(lt);
    assert_int_equal(aw_cfuture_join(f, 0), -ECANCELED);
}

TEST_REAL_CLOCK(submit_ready_eager)
{
    aw_loop_thread *lt = start_loop();
    aw_cfuture *f = aw_submit_ready(aw_loop_thread_loop(lt), serve, "x", .eager = true);
    assert_string_equal(aw_cfuture_announced(f), "x");
    assert_int_equal(aw_cfuture_join(f, 0), -ETIMEDOUT);
    stop_loop(lt);
}

/* One that ends without a word, by itself or because it fails. */
TEST_REAL_CLOCK(submit_ready_of_one_that_never_announces)
{
    aw_loop_thread *lt = start_loop();
    aw_loop *l = aw_loop_thread_loop(lt);
    for (int i = 0; i < 4; i++) {
        aw_cfuture *f = aw_submit_ready(l, give, INT(i % 2 ? 5 : -EIO), .eager = i / 2);
        assert_non_null(f);
        assert_null(aw_cfuture_announced(f));
        assert_int_equal(aw_cfuture_result(f, 0), i % 2 ? 5 : -EIO);
        aw_cfuture_unref(f);
    }
    stop_loop(lt);
}

static aw_task *refuse_tasks(aw_fn *fn, const aw_task_opts *opts, void *arg)
{
    (void)fn;
    (void)opts;
    (void)arg;
    return aw_refuse(-EPERM, NULL);
}

static int set_refusing(void *arg)
{
    return aw_loop_set_task_factory(arg, refuse_tasks, NULL);
}

TEST_REAL_CLOCK(submit_ready_of_one_that_cannot_begin)
{
    aw_loop_thread *lt = start_reporting_loop();
    aw_loop *l = aw_loop_thread_loop(lt);
    assert_int_equal(aw_call_soon_threadsafe(l, set_refusing, l), 0);
    aw_cfuture *f = aw_submit_ready(l, serve, NULL);
    assert_non_null(f);
    assert_null(aw_cfuture_announced(f));
    assert_int_equal(aw_cfuture_join(f, 0), -EPERM);
    assert_reports(1);
    stop_loop(lt);
}

static void *stop_soon(void *arg)
{
    pause_ms(20);
    assert_int_equal(aw_loop_thread_stop(arg), 0);
    return NULL;
}

TEST_REAL_CLOCK(submit_ready_of_one_whose_loop_is_stopped)
{
    aw_loop_thread *lt = start_loop();
    pthread_t t = start_thread(stop_soon, lt);
    aw_cfuture *f = aw_submit_ready(aw_loop_thread_loop(lt), sleep_long, NULL);
    assert_non_null(f);
    assert_null(aw_cfuture_announced(f));
    assert_int_equal(aw_cfuture_join(f, 5), -ECANCELED);
    end_thread(t);
}

static int announce_in_vain(void *arg)
{
    (void)arg;
    assert_int_equal(aw_announce(NULL), AW_EMISUSE);
    return 0;
}

static int announce_from_a_child(void *arg)
{
    (void)arg;
    return aw_join(aw_create_task(announce_in_vain, NULL));
}

TEST_REAL_CLOCK(submit_announce_is_for_submitted_coroutines)
{
    aw_loop_thread *lt = start_loop();
    assert_int_equal(aw_announce(NULL), AW_EMISUSE);
    assert_int_equal(aw_run(announce_in_vain, NULL), 0);
    aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), announce_from_a_child, NULL);
    assert_int_equal(aw_cfuture_result(f, 5), 0);
    assert_null(aw_cfuture_announced(f));
    aw_cfuture_unref(f);
    f = aw_cfuture_new();
    assert_null(aw_cfuture_announced(f));
    assert_null(aw_cfuture_announced(NULL));
    aw_cfuture_unref(f);
    stop_loop(lt);
}

/* ---- names and values ---- */

static int check_name(void *arg)
{
    assert_string_equal(aw_task_name(aw_current_task()), arg);
    return 0;
}

TEST_REAL_CLOCK(submit_name_is_copied)
{
    aw_loop_thread *lt = start_loop();
    char name[] = "courier";
    aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), check_name, "courier", .name = name);
    memset(name, 'x', sizeof name - 1);
    assert_int_equal(aw_cfuture_join(f, 5), 0);
    stop_loop(lt);
}

static const aw_local colour = AW_LOCAL_INIT("colour", "none");

static int see_colour(void *arg)
{
    assert_string_equal(aw_local_get(&colour), arg);
    AW_TRY(aw_local_set(&colour, "my own"));
    AW_TRY(aw_sleep(0));
    assert_string_equal(aw_local_get(&colour), "my own");
    return 0;
}

static int submit_from_coroutine(void *arg)
{
    AW_TRY(aw_local_set(&colour, "coroutine's"));
    return aw_cfuture_join(aw_submit(arg, see_colour, "coroutine's"), 5);
}

TEST_REAL_CLOCK(submit_hands_the_submitters_values_along)
{
    aw_loop_thread *lt = start_loop();
    aw_loop *l = aw_loop_thread_loop(lt);
    for (int eager = 0; eager < 2; eager++) {
        assert_int_equal(aw_cfuture_join(aw_submit(l, see_colour, "none", .eager = eager), 5), 0);
        assert_int_equal(aw_local_set(&colour, "red"), 0);
        assert_int_equal(aw_cfuture_join(aw_submit(l, see_colour, "red", .eager = eager), 5), 0);
        assert_int_equal(aw_local_set(&colour, "none"), 0);
    }
    assert_int_equal(aw_run(submit_from_coroutine, l), 0);
    assert_string_equal(aw_local_get(&colour), "none");
    stop_loop(lt);
}

static flag submitted_without_values;

static void *submit_without_values(void *arg)
{
    assert_int_equal(aw_cfuture_join(aw_submit(arg, see_colour, "none"), 5), 0);
    assert_int_equal(aw_cfuture_join(aw_submit(arg, see_colour, "none", .eager = true), 5), 0);
    raise_flag(&submitted_without_values);
    return NULL;
}

static int run_it_here(void *arg)
{
    pthread_t t = start_thread(submit_without_values, aw_running_loop());
    while (!is_up(&submitted_without_values)) /* the thread waits for this loop */
        AW_TRY(aw_sleep(0.005));
    end_thread(t);
    (void)arg;
    return 0;
}

/* The thread that runs the loop has values; a submitter that has none keeps to that. */
TEST_REAL_CLOCK(submit_does_not_take_the_running_threads_values)
{
    assert_int_equal(aw_local_set(&colour, "runner's"), 0);
    assert_int_equal(aw_run(run_it_here, NULL), 0);
}

static int be_done_soon(void *arg)
{
    (void)arg;
    return aw_sleep(0.01);
}

static int see_nothing(aw_cfuture *f, void *arg)
{
    (void)f;
    assert_string_equal(aw_local_get(&colour), "none");
    assert_int_equal(aw_local_set(&colour, arg), 0);
    return 0;
}

TEST_REAL_CLOCK(submit_done_callbacks_have_no_values)
{
    aw_loop_thread *lt = start_loop();
    for (int i = 0; i < 3; i++) {
        flag go = {0};
        aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), signal_and_sleep, &go);
        assert_int_equal(aw_cfuture_add_done_callback(f, see_nothing, "set"), 0);
        assert_true(aw_cfuture_cancel(f));
        assert_int_equal(aw_cfuture_join(f, 5), -ECANCELED);
        assert_int_equal(aw_local_set(&colour, "none"), 0); /* it was run here */
        f = aw_submit(aw_loop_thread_loop(lt), be_done_soon, NULL);
        assert_int_equal(aw_cfuture_add_done_callback(f, see_nothing, "set"), 0);
        assert_int_equal(aw_cfuture_join(f, 5), 0);
    }
    stop_loop(lt);
}
