/*
 * The wrapper and what it follows: either may go first, and nothing is left of either.
 */
#include "util.h"

/* ---- misuse ---- */

static int wrap_nothing(void *arg)
{
    (void)arg;
    assert_null(aw_wrap_future(NULL));
    assert_int_equal(aw_errno(), -EINVAL);
    return 0;
}

TEST(wrap_bad_arguments)
{
    aw_cfuture *f = aw_cfuture_new();
    assert_null(aw_wrap_future(f));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_int_equal(aw_run(wrap_nothing, NULL), 0);
    aw_cfuture_unref(f);
}

static int wrap_without_memory(void *arg)
{
    no_memory = true;
    aw_future *f = aw_wrap_future(arg);
    no_memory = false;
    assert_null(f);
    assert_int_equal(aw_errno(), -ENOMEM);
    return 0;
}

TEST(wrap_memory_runs_out)
{
    count_memory();
    aw_cfuture *f = aw_cfuture_new();
    assert_int_equal(aw_run(wrap_without_memory, f), 0);
    aw_cfuture_unref(f);
    assert_int_equal(blocks_left(), 0);
}

/* ---- several, and none that waits ---- */

static int wrap_twice(void *arg)
{
    aw_future *a = aw_wrap_future(arg), *b = aw_wrap_future(arg);
    aw_unref(aw_wrap_future(arg)); /* nobody ever looks at this one */
    assert_int_equal(aw_cfuture_set_result(arg, 7, "value"), 0);
    assert_false(aw_done(a)); /* it comes by way of the inbox */
    assert_int_equal(aw_await(a), 7);
    assert_int_equal(aw_await(b), 7);
    assert_string_equal(aw_value(b), "value");
    aw_unref(a);
    aw_unref(b);
    return 0;
}

TEST(wrap_several_times)
{
    count_memory();
    aw_cfuture *f = aw_cfuture_new();
    assert_int_equal(aw_run(wrap_twice, f), 0);
    aw_cfuture_unref(f);
    assert_int_equal(blocks_left(), 0);
}

/* Somebody sets the wrapper itself: what it follows goes on, and changes nothing any more. */
static int set_the_wrapper(void *arg)
{
    aw_future *f = aw_wrap_future(arg);
    AW_TRY(aw_set_result(f, 1, NULL));
    assert_int_equal(aw_cfuture_set_result(arg, 2, NULL), 0);
    AW_TRY(aw_sleep(0));
    AW_TRY(aw_sleep(0));
    return aw_join(f);
}

TEST(wrap_set_by_hand)
{
    aw_cfuture *f = aw_cfuture_new();
    assert_int_equal(aw_run(set_the_wrapper, f), 1);
    assert_int_equal(aw_cfuture_join(f, 0), 2);
}

/* A failure that the wrapper has handed on is its own from then on. */
static int leave_unlooked(void *arg)
{
    aw_future *f = aw_wrap_future(arg);
    AW_TRY(aw_sleep(0));
    AW_TRY(aw_sleep(0));
    assert_true(aw_done(f));
    aw_unref(f);
    return 0;
}

TEST(wrap_failure_that_nobody_looks_at_is_reported_once)
{
    aw_cfuture *f = aw_cfuture_new();
    assert_int_equal(aw_cfuture_set_error(f, -EIO, "why"), 0);
    assert_int_equal(aw_run(leave_unlooked, f, .exception_handler = collect_report), 0);
    assert_int_equal(reports.kind, AW_REPORT_NEVER_RETRIEVED);
    assert_string_equal(reports.detail, "why");
    aw_cfuture_unref(f);
    assert_reports(1);
}

/* A run that waits for another thread's future is not deadlocked. */
static void *set_late(void *arg)
{
    pause_ms(30);
    assert_int_equal(aw_cfuture_set_result(arg, 3, NULL), 0);
    return NULL;
}

static int await_it(void *arg)
{
    return aw_join(aw_wrap_future(arg));
}

TEST(wrap_is_no_deadlock)
{
    aw_cfuture *f = aw_cfuture_new();
    pthread_t t = start_thread(set_late, f);
    assert_int_equal(aw_run(await_it, f), 3);
    end_thread(t);
    aw_cfuture_unref(f);
}

/* ---- the loop goes first ---- */

static int only_wrap(void *arg)
{
    aw_future *f = aw_wrap_future(arg);
    assert_non_null(f);
    aw_unref(f);
    return 0;
}

TEST(wrap_loop_closes_first)
{
    count_memory();
    aw_cfuture *f = aw_cfuture_new();
    for (int i = 0; i < 10; i++)
        assert_int_equal(aw_run(only_wrap, f), 0);
    assert_int_equal(aw_cfuture_set_result(f, 1, NULL), 0);
    aw_cfuture_unref(f);
    assert_int_equal(blocks_left(), 0);
}

/* And what it followed goes without ever having been done. */
TEST(wrap_loop_closes_and_the_future_is_given_up)
{
    count_memory();
    aw_cfuture *f = aw_cfuture_new();
    assert_int_equal(aw_run(only_wrap, f), 0);
    aw_cfuture_unref(f);
    assert_int_equal(blocks_left(), 0);
}

static int wrap_and_be_late(void *arg)
{
    aw_future *f = aw_wrap_future(arg);
    assert_int_equal(aw_cfuture_set_result(arg, 1, NULL), 0);
    aw_unref(f);
    return 0;
}

TEST(wrap_loop_closes_with_the_result_on_its_way)
{
    count_memory();
    for (int i = 0; i < 2; i++) {
        aw_cfuture *f = aw_cfuture_new();
        aw_loop *l = aw_loop_new();
        aw_task *t = aw_create_task(i ? only_wrap : wrap_and_be_late, f, .loop = l);
        assert_int_equal(aw_loop_run_until_complete(l, t), 0);
        if (i)
            assert_int_equal(aw_cfuture_set_result(f, 1, NULL), 0);
        aw_unref(t);
        aw_loop_free(l);
        aw_cfuture_unref(f);
    }
    assert_int_equal(blocks_left(), 0);
}

/* The wrapper is held beyond the end of its loop. */
static int hand_out(void *arg)
{
    aw_future **place = arg;
    *place = aw_wrap_future((aw_cfuture *)(void *)*place);
    return 0;
}

TEST(wrap_held_beyond_its_loop)
{
    count_memory();
    aw_cfuture *f = aw_cfuture_new();
    aw_future *wrapper = (aw_future *)(void *)f;
    assert_int_equal(aw_run(hand_out, &wrapper), 0);
    assert_false(aw_done(wrapper));
    assert_int_equal(aw_cfuture_set_result(f, 1, NULL), 0);
    assert_false(aw_done(wrapper));
    aw_unref(wrapper);
    aw_cfuture_unref(f);
    assert_int_equal(blocks_left(), 0);
}

static int cancel_and_leave(void *arg)
{
    aw_future *f = aw_wrap_future(arg);
    assert_true(aw_cancel(f));
    aw_unref(f);
    return 0; /* the other is told by the pass after the last, or by closing */
}

TEST(wrap_cancelled_at_the_very_end)
{
    count_memory();
    aw_cfuture *f = aw_cfuture_new();
    assert_int_equal(aw_run(cancel_and_leave, f), 0);
    assert_true(aw_cfuture_cancelled(f));
    aw_cfuture_unref(f);
    assert_int_equal(blocks_left(), 0);
}

/* ---- both at the same time ---- */

struct race {
    aw_cfuture *f;
    flag go;
    int spin;
};

static void *complete_at_go(void *arg)
{
    struct race *r = arg;
    while (!is_up(&r->go))
        continue;
    for (volatile int i = 0; i < r->spin; i++)
        continue;
    aw_ignore(aw_cfuture_set_result(r->f, 1, NULL));
    return NULL;
}

static int wrap_and_go(void *arg)
{
    struct race *r = arg;
    aw_future *f = aw_wrap_future(r->f);
    raise_flag(&r->go);
    if (r->spin % 3 == 0)
        aw_ignore(aw_wait_for(f, 0.0001));
    if (r->spin % 3 == 1)
        aw_cancel(f);
    aw_unref(f);
    return 0;
}

TEST_SLOW_REAL_CLOCK(wrap_completed_while_the_loop_closes)
{
    count_memory();
    for (unsigned i = 0; i < test_scale(20000, 1500); i++) {
        struct race r = {.f = aw_cfuture_new(), .spin = (int)(i % 500) * 20};
        pthread_t t = start_thread(complete_at_go, &r);
        assert_int_equal(aw_run(wrap_and_go, &r), 0);
        end_thread(t);
        assert_true(aw_cfuture_done(r.f));
        aw_cfuture_unref(r.f);
    }
    assert_int_equal(blocks_left(), 0);
}
