/*
 * Every way out of a submission: the argument is copied before the call returns, released exactly
 * once, and what is left of memory afterwards is nothing.
 */
#include "util.h"

/* An argument that knows how often it was given up. */
struct parcel {
    _Atomic int begun, released;
    flag going;
    int n;
};

static void release_parcel(void *arg)
{
    ((struct parcel *)arg)->released++;
}

static int open_parcel(void *arg)
{
    struct parcel *p = arg;
    p->begun++;
    assert_int_equal(p->released, 0);
    raise_flag(&p->going);
    return p->n;
}

static int open_and_wait(void *arg)
{
    aw_ignore(open_parcel(arg));
    return aw_sleep(INFINITY);
}

static int open_and_yield(void *arg)
{
    int n = open_parcel(arg);
    AW_TRY(aw_sleep(0));
    return n;
}

/* ---- it ends by itself ---- */

static void end_by_itself(aw_fn *fn, bool eager, int result)
{
    aw_loop_thread *lt = start_reporting_loop();
    struct parcel p = {.n = result};
    aw_cfuture *f =
        aw_submit(aw_loop_thread_loop(lt), fn, &p, .release = release_parcel, .eager = eager);
    assert_int_equal(aw_cfuture_join(f, 5), result);
    assert_int_equal(p.begun, 1);
    assert_int_equal(p.released, 1);
    stop_loop(lt);
    assert_reports(0);
}

TEST_REAL_CLOCK(submit_released_when_it_returns)
{
    end_by_itself(open_parcel, false, 3);
    end_by_itself(open_parcel, false, -EIO);
    end_by_itself(open_and_yield, false, 3);
    end_by_itself(open_and_yield, false, -EIO);
}

TEST_REAL_CLOCK(submit_released_when_it_returns_and_was_eager)
{
    end_by_itself(open_parcel, true, 3);
    end_by_itself(open_parcel, true, -EIO);
    end_by_itself(open_and_yield, true, 3);
    end_by_itself(open_and_yield, true, -EIO);
}

static int fail_unlooked(void *arg)
{
    (void)arg;
    aw_task *t = aw_create_task(give, INT(-EPIPE));
    AW_TRY(aw_sleep(0));
    AW_TRY(aw_sleep(0));
    *(aw_task **)arg = t; /* failed, held, not looked at */
    return 0;
}

/* Among failures that nobody has looked at yet. */
TEST_REAL_CLOCK(submit_eager_failure_beside_others)
{
    aw_loop_thread *lt = start_reporting_loop();
    aw_loop *l = aw_loop_thread_loop(lt);
    aw_task *t = NULL;
    assert_int_equal(aw_cfuture_join(aw_submit(l, fail_unlooked, &t), 5), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(aw_cfuture_join(aw_submit(l, give, INT(-EIO), .eager = true), 5), -EIO);
    stop_loop(lt);
    assert_reports(1); /* the one that is still held */
    aw_unref(t);
}

/* ---- it is cancelled ---- */

TEST_REAL_CLOCK(submit_released_when_it_is_cancelled_as_it_runs)
{
    aw_loop_thread *lt = start_loop();
    struct parcel p = {.n = 3};
    aw_cfuture *f =
        aw_submit(aw_loop_thread_loop(lt), open_and_wait, &p, .release = release_parcel);
    wait_flag(&p.going);
    assert_true(aw_cfuture_cancel(f));
    assert_int_equal(aw_cfuture_result(f, 5), -ECANCELED);
    assert_int_equal(aw_cfuture_join(f, 5), -ECANCELED);
    assert_int_equal(p.released, 1);
    stop_loop(lt);
}

/* The loop is held up, so that the cancellation is there first. */
static void cancel_before_it_begins(bool eager)
{
    aw_loop_thread *lt = start_loop();
    aw_loop *l = aw_loop_thread_loop(lt);
    flag go = {0};
    struct parcel p = {.n = 3};
    assert_int_equal(aw_call_soon_threadsafe(l, block_until, &go), 0);
    aw_cfuture *f = aw_submit(l, open_parcel, &p, .release = release_parcel, .eager = eager);
    assert_true(aw_cfuture_cancel(f));
    assert_true(aw_cfuture_cancelled(f));
    assert_true(aw_cfuture_cancel(f));
    assert_int_equal(p.released, 0); /* that is the loop's to do */
    raise_flag(&go);
    assert_int_equal(aw_cfuture_join(f, 5), -ECANCELED);
    assert_int_equal(p.begun, 0);
    assert_int_equal(p.released, 1);
    stop_loop(lt);
}

TEST_REAL_CLOCK(submit_released_when_it_is_cancelled_before_it_begins)
{
    cancel_before_it_begins(false);
    cancel_before_it_begins(true);
}

TEST_REAL_CLOCK(submit_released_when_its_join_is_late)
{
    aw_loop_thread *lt = start_loop();
    struct parcel p = {.n = 3};
    aw_cfuture *f =
        aw_submit(aw_loop_thread_loop(lt), open_and_wait, &p, .release = release_parcel);
    assert_int_equal(aw_cfuture_join(f, 0.02), -ETIMEDOUT);
    assert_int_equal(p.released, 1);
    stop_loop(lt);
}

/* ---- its loop closes ---- */

TEST_REAL_CLOCK(submit_released_when_its_loop_is_stopped_under_it)
{
    aw_loop_thread *lt = start_loop();
    struct parcel p = {.n = 3};
    aw_cfuture *f =
        aw_submit(aw_loop_thread_loop(lt), open_and_wait, &p, .release = release_parcel);
    wait_flag(&p.going);
    stop_loop(lt);
    assert_int_equal(p.released, 1);
    assert_int_equal(aw_cfuture_join(f, 0), -ECANCELED);
}

TEST(submit_released_when_its_loop_closes_before_it_begins)
{
    aw_loop *l = aw_loop_new();
    struct parcel p = {.n = 3};
    aw_cfuture *f = aw_submit(l, open_parcel, &p, .release = release_parcel);
    aw_loop_free(l);
    assert_int_equal(p.begun, 0);
    assert_int_equal(p.released, 1);
    assert_true(aw_cfuture_cancelled(f));
    assert_int_equal(aw_cfuture_join(f, INFINITY), -ECANCELED);
}

/* It was begun, and is abandoned by a loop that is closed without draining. */
TEST_REAL_CLOCK(submit_released_when_its_loop_closes_over_it)
{
    aw_loop *l = aw_loop_new();
    struct parcel p = {.n = 3};
    assert_int_equal(aw_loop_set_exception_handler(l, collect_report, NULL), 0);
    aw_cfuture *f = aw_submit(l, open_and_wait, &p, .release = release_parcel);
    assert_int_equal(aw_call_soon_threadsafe(l, stop_running_loop, NULL), 0);
    assert_int_equal(aw_loop_run_forever(l), 0);
    assert_int_equal(aw_loop_stop(l), 0);
    assert_int_equal(aw_loop_run_forever(l), 0);
    assert_int_equal(p.begun, 1);
    aw_loop_free(l);
    assert_int_equal(reports.kind, AW_REPORT_PENDING);
    assert_reports(1);
    assert_int_equal(p.released, 1);
    assert_int_equal(aw_cfuture_join(f, INFINITY), -ECANCELED);
}

static int ignore_one_cancellation(void *arg)
{
    struct parcel *p = arg;
    aw_ignore(open_and_wait(arg));
    p->n++;
    return 7;
}

/* A run that comes to its end begins nothing any more. */
static int submit_at_the_end(void *arg)
{
    aw_ignore(aw_sleep(INFINITY));
    aw_cfuture *f = aw_submit(aw_running_loop(), open_parcel, arg, .release = release_parcel);
    int err = aw_join(aw_wrap_future(f));
    aw_cfuture_unref(f);
    return err;
}

TEST_REAL_CLOCK(submit_does_not_begin_in_a_run_that_ends)
{
    aw_loop_thread *lt = start_loop();
    aw_loop *l = aw_loop_thread_loop(lt);
    struct parcel p = {.n = 3};
    aw_cfuture *f = aw_submit(l, submit_at_the_end, &p);
    flush_loop(l);
    flush_loop(l);
    stop_loop(lt);
    assert_int_equal(p.begun, 0);
    assert_int_equal(p.released, 1);
    assert_int_equal(aw_cfuture_join(f, 0), -ECANCELED);
}

struct flood {
    aw_loop *loop;
    struct parcel p;
    _Atomic int accepted;
};

static void *submit_until_closed(void *arg)
{
    struct flood *w = arg;
    for (;;) {
        aw_cfuture *f = aw_submit(w->loop, sleep_long, &w->p, .release = release_parcel);
        if (!f)
            break;
        w->accepted++;
        aw_cfuture_unref(f);
        if (w->accepted > w->p.released + 500)
            pause_ms(1);
    }
    assert_int_equal(aw_errno(), AW_EMISUSE);
    return NULL;
}

/* Who submits all the time cannot keep a loop from ending. */
TEST_REAL_CLOCK(submit_until_its_loop_is_stopped)
{
    count_memory();
    for (int round = 0; round < 10; round++) {
        aw_loop_thread *lt = start_loop();
        struct flood w = {.loop = aw_loop_thread_loop(lt)};
        aw_cfuture *held = aw_submit(w.loop, do_nothing, NULL); /* keeps the loop's memory */
        pthread_t t[3];
        for (int i = 0; i < 3; i++)
            t[i] = start_thread(submit_until_closed, &w);
        pause_ms(5);
        assert_int_equal(aw_loop_thread_stop(lt, .timeout = 6), 0);
        for (int i = 0; i < 3; i++)
            end_thread(t[i]);
        assert_int_equal(w.p.released, w.accepted);
        aw_cfuture_unref(held);
    }
    assert_int_equal(blocks_left(), 0);
}

TEST_REAL_CLOCK(submit_result_counts_although_cancelled_late)
{
    aw_loop_thread *lt = start_loop();
    struct parcel p = {.n = 0};
    aw_cfuture *f =
        aw_submit(aw_loop_thread_loop(lt), ignore_one_cancellation, &p, .release = release_parcel);
    wait_flag(&p.going);
    stop_loop(lt);
    assert_int_equal(p.n, 1);
    assert_int_equal(aw_cfuture_join(f, 0), 7);
}

/* ---- it is refused ---- */

TEST(submit_refused_leaves_the_argument_alone)
{
    count_memory();
    aw_loop *l = aw_loop_new();
    struct parcel p = {.n = 3};
    no_memory = true;
    assert_null(aw_submit(l, open_parcel, &p, .release = release_parcel));
    assert_int_equal(aw_errno(), -ENOMEM);
    assert_null(aw_submit(l, open_parcel, &p, .release = release_parcel, .name = "named"));
    no_memory = false;
    assert_int_equal(aw_loop_close(l), 0);
    long before = blocks_left();
    assert_null(aw_submit(l, open_parcel, &p, .release = release_parcel));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_string_equal(aw_errmsg(), "the loop is closed");
    assert_null(aw_submit_ready(l, open_parcel, &p, .release = release_parcel));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_int_equal(blocks_left(), before);
    assert_int_equal(p.released, 0);
    aw_loop_free(l);
    assert_int_equal(blocks_left(), 0);
}

TEST(submit_bad_arguments)
{
    aw_loop *l = aw_loop_new();
    aw_task *t;
    int n = 1;
    assert_null(aw_submit(NULL, give, NULL));
    assert_null(aw_submit(l, NULL, NULL));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_submit(l, give, NULL, .copy = 4));
    assert_null(aw_submit(l, give, &n, .copy = SIZE_MAX));
    assert_null(aw_submit(l, give, &n, .copy = 40 << 10));
    assert_null(aw_submit(l, give, &n, .stack_size = 100));
    assert_null(aw_submit(l, give, &n, .ret_task = &t));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_int_equal(aw_cfuture_result(NULL, 1), -EINVAL);
    aw_loop_free(l);
}

/* ---- copies ---- */

struct words {
    char text[3000];
    _Atomic int *released;
    flag *overwritten;
};

static int read_words(void *arg)
{
    struct words *w = arg;
    while (!is_up(w->overwritten))
        AW_TRY(aw_sleep(0.001));
    for (size_t i = 0; i < sizeof w->text; i++)
        assert_int_equal(w->text[i], 'w');
    return 1;
}

static void overwrite(void *arg)
{
    struct words *w = arg;
    assert_int_equal(w->text[0], 'x'); /* it is the original that is released */
    ++*w->released;
}

static int forget_parcel(void *arg)
{
    (void)arg;
    return 4;
}

TEST_REAL_CLOCK(submit_released_argument_is_no_value)
{
    aw_loop_thread *lt = start_loop();
    struct parcel p = {0};
    aw_cfuture *f =
        aw_submit(aw_loop_thread_loop(lt), forget_parcel, &p, .release = release_parcel);
    assert_int_equal(aw_cfuture_result(f, 5), 4);
    assert_null(aw_cfuture_value(f)); /* it would dangle */
    assert_int_equal(aw_cfuture_join(f, 5), 4);
    assert_int_equal(p.released, 1);
    stop_loop(lt);
}

TEST_REAL_CLOCK(submit_copies_before_it_returns)
{
    aw_loop_thread *lt = start_loop();
    aw_loop *l = aw_loop_thread_loop(lt);
    _Atomic int released = 0;
    flag overwritten = {0};
    struct words w = {.released = &released, .overwritten = &overwritten};
    memset(w.text, 'w', sizeof w.text);
    aw_cfuture *f = aw_submit(l, read_words, &w, .copy = sizeof w, .release = overwrite);
    memset(w.text, 'x', sizeof w.text);
    raise_flag(&overwritten);
    assert_int_equal(aw_cfuture_result(f, 5), 1);
    assert_null(aw_cfuture_value(f)); /* the copy went with the coroutine */
    assert_int_equal(aw_cfuture_join(f, 5), 1);
    assert_int_equal(released, 1);
    stop_loop(lt);
}

static int return_value_of_its_own(void *arg)
{
    aw_return_value("its own");
    return *(int *)arg;
}

TEST_REAL_CLOCK(submit_value_of_a_copied_argument)
{
    aw_loop_thread *lt = start_loop();
    int n = 4;
    aw_cfuture *f =
        aw_submit(aw_loop_thread_loop(lt), return_value_of_its_own, &n, .copy = sizeof n);
    assert_int_equal(aw_cfuture_result(f, 5), 4);
    assert_string_equal(aw_cfuture_value(f), "its own");
    aw_cfuture_unref(f);
    stop_loop(lt);
}

/* ---- nothing dangles ---- */

/* Given up at once, in every state; the argument is the coroutine's own. */
TEST_REAL_CLOCK(submit_handle_given_up_at_once)
{
    count_memory();
    aw_loop_thread *lt = start_loop();
    aw_loop *l = aw_loop_thread_loop(lt);
    struct parcel p = {.n = 3};
    for (int i = 0; i < 100; i++)
        aw_cfuture_unref(aw_submit(l, i % 2 ? sleep_long : do_nothing, &p,
                                   .release = release_parcel, .name = "given up"));
    stop_loop(lt);
    assert_int_equal(p.released, 100);
    assert_int_equal(blocks_left(), 0);
}

TEST_REAL_CLOCK(submit_time_outs_leave_nothing)
{
    count_memory();
    aw_loop_thread *lt = start_loop();
    aw_loop *l = aw_loop_thread_loop(lt);
    flag go = {0};
    aw_cfuture *f = aw_submit(l, signal_and_sleep, &go);
    wait_flag(&go);
    long before = blocks_left();
    for (int i = 0; i < 200; i++) {
        assert_int_equal(aw_cfuture_result(f, i % 2 ? 0.0005 : 0), -ETIMEDOUT);
        assert_int_equal(aw_cfuture_wait(&f, 1, AW_ALL_COMPLETED, 0.0005), 0);
    }
    assert_int_equal(blocks_left(), before);
    assert_int_equal(aw_cfuture_join(f, 0), -ETIMEDOUT);
    stop_loop(lt);
    assert_int_equal(blocks_left(), 0);
}
