/*
 * Coroutines submitted from other threads: what the submitting thread gets.
 */
#include "util.h"

/* ---- results ---- */

struct sum {
    int a, b;
    bool fail, cancel;
};

static int add(void *arg)
{
    struct sum *s = arg;
    AW_TRY(aw_sleep(0.01));
    if (s->fail)
        return (int)(intptr_t)aw_refuse(-EIO, "cannot add") - EIO;
    if (s->cancel)
        aw_cancel(aw_current_task());
    AW_TRY(aw_sleep(0));
    return s->a + s->b;
}

/* THR-009: A coroutine submitted to a loop from another thread gives that thread its result. */
TEST_REAL_CLOCK(THR_009_result)
{
    aw_loop_thread *lt = start_loop();
    struct sum s = {40, 2, false, false};
    aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), add, &s);
    assert_non_null(f);
    assert_int_equal(aw_cfuture_result(f, 5), 42);
    assert_true(aw_cfuture_done(f));
    assert_ptr_equal(aw_cfuture_value(f), &s);
    assert_int_equal(aw_cfuture_join(f, 5), 42);
    stop_loop(lt);
}

/* THR-010: An error of a coroutine that was submitted is reported to the thread that did. */
TEST_REAL_CLOCK(THR_010_error_with_its_detail)
{
    aw_loop_thread *lt = start_reporting_loop();
    struct sum s = {.fail = true};
    aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), add, &s);
    assert_int_equal(aw_cfuture_result(f, 5), -EIO);
    assert_string_equal(aw_errmsg(), "cannot add");
    assert_null(aw_cfuture_value(f));
    assert_int_equal(aw_cfuture_join(f, 5), -EIO);
    stop_loop(lt);
    assert_reports(0);
}

/* THR-011: If the submitted coroutine cancels itself, the submitting thread gets -ECANCELED. */
TEST_REAL_CLOCK(THR_011_the_coroutine_cancels_itself)
{
    aw_loop_thread *lt = start_loop();
    struct sum s = {.cancel = true};
    aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), add, &s);
    assert_int_equal(aw_cfuture_result(f, 5), -ECANCELED);
    assert_true(aw_cfuture_cancelled(f));
    assert_int_equal(aw_cfuture_join(f, 5), -ECANCELED);
    stop_loop(lt);
}

/* ---- a task that cannot be made ---- */

static aw_task *refuse_tasks(aw_fn *fn, const aw_task_opts *opts, void *arg)
{
    (void)fn;
    (void)opts;
    (void)arg;
    return aw_refuse(-EPERM, "no tasks today");
}

/* THR-012: If the task for a submitted coroutine cannot be made, the thread gets that error, and
 * the loop's exception handler is called once with it. */
TEST_REAL_CLOCK(THR_012_the_factory_refuses)
{
    aw_loop *l = aw_loop_new();
    _Atomic int released = 0;
    assert_int_equal(aw_loop_set_task_factory(l, refuse_tasks, NULL), 0);
    assert_int_equal(aw_loop_set_exception_handler(l, collect_report, NULL), 0);
    aw_cfuture *f = aw_submit(l, add, (void *)&released, .release = count_release);
    const int line = __LINE__ - 1;
    assert_int_equal(aw_call_soon_threadsafe(l, stop_running_loop, NULL), 0);
    assert_int_equal(aw_loop_run_forever(l), 0);
    assert_int_equal(aw_cfuture_result(f, 0), -EPERM);
    assert_string_equal(aw_errmsg(), "no tasks today");
    aw_cfuture_unref(f);
    assert_int_equal(released, 1);
    assert_int_equal(reports.kind, AW_REPORT_NEVER_RAN);
    assert_int_equal(reports.error, -EPERM);
    assert_int_equal(reports.line, line);
    assert_string_equal(reports.fn_name, "add");
    assert_string_equal(reports.detail, "no tasks today");
    assert_reports(1);
    aw_loop_free(l);
}

/* ---- many threads ---- */

struct client {
    aw_loop *loop;
    int number;
    bool fail;
};

static void *be_client(void *arg)
{
    struct client *c = arg;
    for (int i = 0; i < 20; i++) {
        struct sum s = {c->number, i, c->fail, false};
        int result = aw_cfuture_join(aw_submit(c->loop, add, &s), 8);
        assert_int_equal(result, c->fail ? -EIO : c->number + i);
    }
    return NULL;
}

static void ten_clients(bool fail)
{
    aw_loop_thread *lt = start_reporting_loop();
    struct client c[10];
    pthread_t t[10];
    for (int i = 0; i < 10; i++) {
        c[i] = (struct client){aw_loop_thread_loop(lt), i * 100, fail};
        t[i] = start_thread(be_client, &c[i]);
    }
    for (int i = 0; i < 10; i++)
        end_thread(t[i]);
    stop_loop(lt);
    assert_reports(0);
}

/* THR-013: Ten threads that submit coroutines to one loop at the same time all get their results,
 * or their errors. */
TEST_REAL_CLOCK(THR_013_ten_threads_get_their_results)
{
    ten_clients(false);
}

TEST_REAL_CLOCK(THR_013_ten_threads_get_their_errors)
{
    ten_clients(true);
}
