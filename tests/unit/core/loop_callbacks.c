/*
 * The order in which a loop runs callbacks, and the handles they are cancelled by.
 */
#include "loop_record.h"

/* LOOP-001: Callbacks of aw_call_soon run once each, in the order they were scheduled. */
TEST(LOOP_001_callbacks_run_in_order)
{
    struct record r = {""};
    struct mark m[] = {{&r, "a"}, {&r, "b"}, {&r, "c"}, {&r, "d"}};
    aw_loop *l = new_loop();
    for (int i = 0; i < 4; i++)
        assert_int_equal(aw_call_soon(mark, &m[i], .loop = l), 0);
    assert_record(r, "");
    run_one_pass(l);
    run_one_pass(l);
    assert_record(r, "a b c d");
    aw_loop_free(l);
}

static int schedule_from_coroutine(void *arg)
{
    struct mark *m = arg;
    for (int i = 0; i < 3; i++)
        AW_TRY(aw_call_soon(mark, &m[i]));
    note(m->record, "scheduled");
    AW_TRY(aw_sleep(0));
    note(m->record, "resumed");
    return 0;
}

TEST(LOOP_001_order_from_a_coroutine)
{
    struct record r = {""};
    struct mark m[] = {{&r, "a"}, {&r, "b"}, {&r, "c"}};
    assert_int_equal(aw_run(schedule_from_coroutine, m), 0);
    assert_record(r, "scheduled a b c resumed");
}

struct nested {
    struct mark outer, inner;
    int status;
};

static int mark_and_schedule(void *arg)
{
    struct nested *n = arg;
    n->status = aw_call_soon(mark, &n->inner);
    return mark(&n->outer);
}

/* LOOP-002: What a callback schedules runs in the next pass, never in the one that is running. */
TEST(LOOP_002_scheduled_by_a_callback_runs_in_the_next_pass)
{
    struct record r = {""};
    struct nested n = {.outer = {&r, "outer"}, .inner = {&r, "inner"}};
    struct mark last = {&r, "last"};
    aw_loop *l = new_loop();
    assert_int_equal(aw_call_soon(mark_and_schedule, &n, .loop = l), 0);
    assert_int_equal(aw_call_soon(mark, &last, .loop = l), 0);
    run_one_pass(l);
    assert_int_equal(n.status, 0);
    assert_record(r, "outer last");
    run_one_pass(l);
    assert_record(r, "outer last inner");
    aw_loop_free(l);
}

static int schedule_for_ever(void *arg)
{
    struct mark *m = arg;
    mark(m);
    return aw_call_soon(schedule_for_ever, m);
}

TEST(LOOP_002_a_callback_that_reschedules_itself_starves_nobody)
{
    struct record r = {""};
    struct mark again = {&r, "again"}, timer = {&r, "timer"};
    aw_loop *l = new_loop();
    assert_int_equal(aw_call_soon(schedule_for_ever, &again, .loop = l), 0);
    assert_int_equal(aw_call_later(0, mark, &timer, .loop = l), 0);
    run_one_pass(l);
    run_one_pass(l);
    assert_record(r, "again timer again");
    aw_loop_free(l);
}

/* LOOP-003: A handle reads cancelled after its cancelling, and cancelling it again changes nothing.
 */
TEST(LOOP_003_cancelled_handle)
{
    struct record r = {""};
    struct mark a = {&r, "a"}, b = {&r, "b"};
    aw_handle *h = NULL;
    aw_loop *l = new_loop();
    assert_int_equal(aw_call_soon(mark, &a, .loop = l, .handle = &h), 0);
    assert_int_equal(aw_call_soon(mark, &b, .loop = l), 0);
    assert_non_null(h);
    assert_false(aw_handle_cancelled(h));
    aw_handle_cancel(h);
    assert_true(aw_handle_cancelled(h));
    aw_handle_cancel(h);
    assert_true(aw_handle_cancelled(h));
    run_one_pass(l);
    assert_record(r, "b");
    assert_true(aw_handle_cancelled(h));
    aw_handle_unref(h);
    aw_loop_free(l);
}

TEST(LOOP_003_cancelled_timer_handle)
{
    struct record r = {""};
    struct mark a = {&r, "a"};
    aw_handle *h = NULL;
    aw_loop *l = new_loop();
    assert_int_equal(aw_call_later(0.5, mark, &a, .loop = l, .handle = &h), 0);
    assert_seconds(aw_handle_when(h), aw_loop_time(l) + 0.5);
    aw_handle_cancel(h);
    aw_handle_cancel(h);
    assert_true(aw_handle_cancelled(h));
    run_for(l, 1);
    assert_record(r, "");
    aw_handle_unref(h);
    aw_loop_free(l);
}

TEST(LOOP_003_cancelling_after_the_call_changes_nothing)
{
    struct record r = {""};
    struct mark a = {&r, "a"};
    aw_handle *h = NULL;
    aw_loop *l = new_loop();
    assert_int_equal(aw_call_soon(mark, &a, .loop = l, .handle = &h), 0);
    run_one_pass(l);
    aw_handle_cancel(h);
    assert_false(aw_handle_cancelled(h));
    run_one_pass(l);
    assert_record(r, "a");
    aw_handle_unref(h);
    aw_loop_free(l);
}

static int cancel_handle(void *arg)
{
    aw_handle_cancel(*(aw_handle **)arg);
    return 0;
}

TEST(loop_callback_cancelled_by_an_earlier_one_of_its_pass)
{
    struct record r = {""};
    struct mark a = {&r, "a"}, b = {&r, "b"};
    aw_handle *h = NULL;
    aw_loop *l = new_loop();
    assert_int_equal(aw_call_soon(cancel_handle, &h, .loop = l), 0);
    assert_int_equal(aw_call_soon(mark, &a, .loop = l, .handle = &h), 0);
    assert_int_equal(aw_call_soon(mark, &b, .loop = l), 0);
    run_one_pass(l);
    assert_record(r, "b");
    aw_handle_unref(h);
    aw_loop_free(l);
}

TEST(loop_timer_cancelled_by_an_earlier_one_of_its_pass)
{
    struct record r = {""};
    struct mark a = {&r, "a"}, b = {&r, "b"};
    aw_handle *h = NULL;
    aw_loop *l = new_loop();
    double when = aw_loop_time(l) + 0.25;
    assert_int_equal(aw_call_at(when, cancel_handle, &h, .loop = l), 0);
    assert_int_equal(aw_call_at(when, mark, &a, .loop = l, .handle = &h), 0);
    assert_int_equal(aw_call_at(when, mark, &b, .loop = l), 0);
    run_for(l, 1);
    assert_record(r, "b");
    aw_handle_unref(h);
    aw_loop_free(l);
}

/* A callback that gives up its own handle while it runs. */
static int unref_handle(void *arg)
{
    aw_handle **h = arg;
    aw_handle_cancel(*h);
    aw_handle_unref(*h);
    *h = NULL;
    return 0;
}

TEST(loop_handle_given_up_by_its_own_callback)
{
    aw_handle *soon = NULL, *later = NULL;
    aw_loop *l = new_loop();
    assert_int_equal(aw_call_soon(unref_handle, &soon, .loop = l, .handle = &soon), 0);
    assert_int_equal(aw_call_later(0, unref_handle, &later, .loop = l, .handle = &later), 0);
    run_for(l, 0.1);
    assert_null(soon);
    assert_null(later);
    aw_loop_free(l);
}

TEST(loop_handle_given_up_does_not_cancel)
{
    struct record r = {""};
    struct mark a = {&r, "a"}, b = {&r, "b"};
    aw_handle *soon = NULL, *later = NULL;
    aw_loop *l = new_loop();
    assert_int_equal(aw_call_soon(mark, &a, .loop = l, .handle = &soon), 0);
    assert_int_equal(aw_call_later(0.1, mark, &b, .loop = l, .handle = &later), 0);
    assert_true(aw_handle_when(soon) == 0);
    aw_handle_unref(soon);
    aw_handle_unref(later);
    run_for(l, 1);
    assert_record(r, "a b");
    aw_loop_free(l);
}

TEST(loop_handle_outlives_its_loop)
{
    struct record r = {""};
    struct mark a = {&r, "a"};
    aw_handle *soon = NULL, *later = NULL;
    aw_loop *l = new_loop();
    assert_int_equal(aw_call_soon(mark, &a, .loop = l, .handle = &soon), 0);
    assert_int_equal(aw_call_later(1, mark, &a, .loop = l, .handle = &later), 0);
    aw_loop_free(l);
    aw_handle_cancel(soon);
    aw_handle_cancel(later);
    aw_handle_unref(soon);
    aw_handle_unref(later);
    assert_record(r, "");
}
