/*
 * What a future is and becomes: pending, finished, failed or cancelled, once and for good.
 */
#include "util.h"

/* FUT-001: A new future is pending: neither done nor cancelled. */
TEST_IN_LOOP(FUT_001_new_future_is_pending)
{
    aw_future *f = aw_future_new();
    assert_non_null(f);
    assert_false(aw_done(f));
    assert_false(aw_cancelled(f));
    passes(3);
    assert_false(aw_done(f));
    aw_unref(f);
}

/* FUT-002: aw_cancel of a pending future returns true, and the future is done and cancelled before
 * the loop runs again. */
TEST_IN_LOOP(FUT_002_cancel_takes_effect_at_once)
{
    aw_future *f = aw_future_new();
    assert_true(aw_cancel(f));
    assert_true(aw_done(f));
    assert_true(aw_cancelled(f));
    assert_false(aw_cancel(f));
    aw_unref(f);
}

/* FUT-003: The error of a cancelled future is -ECANCELED, and so is its result. */
TEST_IN_LOOP(FUT_003_error_of_a_cancelled_future)
{
    aw_future *f = aw_future_new();
    assert_true(aw_cancel(f));
    assert_int_equal(aw_error(f), -ECANCELED);
    assert_int_equal(aw_result(f), -ECANCELED);
    assert_null(aw_value(f));
    aw_unref(f);
}

/* FUT-004: Setting a result or an error on a cancelled future is AW_ESTATE; it stays cancelled. */
TEST_IN_LOOP(FUT_004_cancelled_is_final)
{
    aw_future *f = aw_future_new();
    assert_true(aw_cancel(f));
    assert_int_equal(aw_set_result(f, 1, &f), AW_ESTATE);
    assert_int_equal(aw_set_error(f, -EIO), AW_ESTATE);
    assert_true(aw_cancelled(f));
    assert_int_equal(aw_result(f), -ECANCELED);
    assert_null(aw_value(f));
    aw_unref(f);
}

/* FUT-005: The result of a pending future is AW_ESTATE at once; asking never suspends. */
TEST_IN_LOOP(FUT_005_result_of_a_pending_future)
{
    aw_future *f = aw_future_new();
    assert_int_equal(aw_call_soon(note_it, "c"), 0);
    assert_int_equal(aw_result(f), AW_ESTATE);
    assert_null(aw_value(f));
    assert_trace("");
    assert_false(aw_done(f));
    passes(1);
    assert_trace("c");
    aw_unref(f);
}

/* FUT-006: The error of a pending future is AW_ESTATE at once; asking never suspends. */
TEST_IN_LOOP(FUT_006_error_of_a_pending_future)
{
    aw_future *f = aw_future_new();
    assert_int_equal(aw_call_soon(note_it, "c"), 0);
    assert_int_equal(aw_error(f), AW_ESTATE);
    assert_trace("");
    assert_false(aw_done(f));
    passes(1);
    assert_trace("c");
    aw_unref(f);
}

/* FUT-007: A second aw_set_result is AW_ESTATE, and the first result and value are kept. */
TEST_IN_LOOP(FUT_007_first_result_is_kept)
{
    int first, second;
    aw_future *f = aw_future_new();
    assert_int_equal(aw_set_result(f, 1, &first), 0);
    assert_int_equal(aw_set_result(f, 2, &second), AW_ESTATE);
    assert_int_equal(aw_result(f), 1);
    assert_ptr_equal(aw_value(f), &first);
    aw_unref(f);
}

/* FUT-008: aw_set_error on a future that has a result is AW_ESTATE, and the result is kept. */
TEST_IN_LOOP(FUT_008_result_is_not_replaced_by_an_error)
{
    int value;
    aw_future *f = aw_future_new();
    assert_int_equal(aw_set_result(f, 1, &value), 0);
    assert_int_equal(aw_set_error(f, -EIO, .msg = "too late"), AW_ESTATE);
    assert_int_equal(aw_result(f), 1);
    assert_int_equal(aw_error(f), 0);
    assert_ptr_equal(aw_value(f), &value);
    aw_unref(f);
}

/* FUT-009: A future with an error is done and not cancelled; its result, its error and awaiting it
 * all answer with that code, and aw_errmsg with its detail. */
TEST_IN_LOOP(FUT_009_error_is_kept)
{
    char detail[] = "the disk is gone";
    aw_future *f = aw_future_new();
    assert_int_equal(aw_set_error(f, -EIO, .msg = detail), 0);
    detail[0] = '-'; /* it was copied */
    assert_true(aw_done(f));
    assert_false(aw_cancelled(f));
    assert_null(aw_value(f));
    assert_int_equal(aw_result(f), -EIO);
    assert_string_equal(aw_errmsg(), "the disk is gone");
    assert_int_equal(aw_sleep(strtod("nan", NULL)), -EINVAL); /* another failure, other words */
    assert_string_not_equal(aw_errmsg(), "the disk is gone");
    assert_int_equal(aw_error(f), -EIO);
    assert_string_equal(aw_errmsg(), "the disk is gone");
    assert_int_equal(aw_sleep(strtod("nan", NULL)), -EINVAL);
    assert_int_equal(aw_await(f), -EIO);
    assert_string_equal(aw_errmsg(), "the disk is gone");
    aw_unref(f);
    assert_string_equal(aw_errmsg(), "the disk is gone");
}

/* FUT-010: On a future that failed, a result or another error is AW_ESTATE, and aw_cancel returns
 * false. */
TEST_IN_LOOP(FUT_010_failed_is_final)
{
    aw_future *f = aw_future_new();
    assert_int_equal(aw_set_error(f, -EIO), 0);
    assert_int_equal(aw_set_result(f, 1, NULL), AW_ESTATE);
    assert_int_equal(aw_set_error(f, -ENOENT), AW_ESTATE);
    assert_false(aw_cancel(f));
    assert_false(aw_cancelled(f));
    assert_int_equal(aw_result(f), -EIO);
    aw_unref(f);
}

/* FUT-019: A cancel message is kept and is what aw_errmsg says to whoever awaits the future or
 * asks it; without one the message is empty. */
TEST_IN_LOOP(FUT_019_cancel_message)
{
    char msg[] = "no longer wanted";
    aw_future *with = aw_future_new(), *without = aw_future_new();
    assert_true(aw_cancel(with, .msg = msg));
    msg[0] = '-'; /* it was copied */
    assert_true(aw_cancel(without));
    assert_int_equal(aw_await(with), -ECANCELED);
    assert_string_equal(aw_errmsg(), "no longer wanted");
    assert_int_equal(aw_await(without), -ECANCELED);
    assert_string_equal(aw_errmsg(), "");
    assert_int_equal(aw_error(with), -ECANCELED);
    assert_string_equal(aw_errmsg(), "no longer wanted");
    assert_int_equal(aw_result(without), -ECANCELED);
    assert_string_equal(aw_errmsg(), "");
    aw_unref(with);
    aw_unref(without);
}

static int cancel_with_message(void *arg)
{
    return aw_cancel((aw_future *)arg, .msg = "from a callback") ? 0 : -EINVAL;
}

TEST_IN_LOOP(FUT_019_cancel_message_reaches_a_sleeping_waiter)
{
    aw_future *f = aw_future_new();
    assert_int_equal(aw_call_soon(cancel_with_message, f), 0);
    assert_int_equal(aw_await(f), -ECANCELED);
    assert_string_equal(aw_errmsg(), "from a callback");
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    aw_unref(f);
}

/* FUT-020: A future made without naming a loop belongs to the running one, and says so. */
TEST_IN_LOOP(FUT_020_belongs_to_the_running_loop)
{
    aw_future *f = aw_future_new();
    assert_non_null(aw_running_loop());
    assert_ptr_equal(aw_future_loop(f), aw_running_loop());
    assert_ptr_equal(aw_future_loop(aw_current_task()), aw_running_loop());
    assert_null(aw_future_loop(NULL));
    aw_unref(f);
}

TEST(FUT_020_belongs_to_the_loop_named)
{
    aw_loop *l = aw_loop_new();
    aw_future *f = aw_future_new(.loop = l);
    assert_non_null(f);
    assert_ptr_equal(aw_future_loop(f), l);
    aw_unref(f);
    aw_loop_free(l);
}

/* FUT-021: Awaiting a future that is done returns its result without suspending, the first time
 * and every later time. */
TEST_IN_LOOP(FUT_021_awaiting_a_done_future_does_not_suspend)
{
    int value;
    aw_future *f = aw_future_new();
    assert_int_equal(aw_set_result(f, 42, &value), 0);
    assert_int_equal(aw_call_soon(note_it, "c"), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(aw_await(f), 42);
        assert_ptr_equal(aw_value(f), &value);
        assert_int_equal(aw_await_shielded(f), 42);
    }
    assert_trace("");
    passes(1);
    assert_trace("c");
    assert_int_equal(aw_join(f), 42);
}

/* FUT-022: aw_copy_outcome gives a pending future the result and value, the error and its detail,
 * or the cancellation of a finished one. */
TEST_IN_LOOP(FUT_022_outcome_is_copied)
{
    int value;
    aw_future *from[3], *to[3];
    for (int i = 0; i < 3; i++) {
        from[i] = aw_future_new();
        to[i] = aw_future_new();
    }
    assert_int_equal(aw_set_result(from[0], 7, &value), 0);
    assert_int_equal(aw_set_error(from[1], -EIO, .msg = "the disk is gone"), 0);
    assert_true(aw_cancel(from[2]));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(aw_copy_outcome(to[i], from[i]), 0);
        assert_true(aw_done(to[i]));
    }
    assert_int_equal(aw_result(to[0]), 7);
    assert_ptr_equal(aw_value(to[0]), &value);
    assert_int_equal(aw_result(to[1]), -EIO);
    assert_string_equal(aw_errmsg(), "the disk is gone");
    assert_false(aw_cancelled(to[1]));
    assert_true(aw_cancelled(to[2]));
    assert_int_equal(aw_result(to[2]), -ECANCELED);
    for (int i = 0; i < 3; i++) {
        aw_unref(from[i]);
        aw_unref(to[i]);
    }
}

TEST_IN_LOOP(FUT_022_outcome_of_a_task_is_copied)
{
    aw_task *t = aw_create_task(give, INT(5));
    aw_future *f = aw_future_new();
    assert_int_equal(aw_await(t), 5);
    assert_int_equal(aw_copy_outcome(f, t), 0);
    assert_int_equal(aw_result(f), 5);
    assert_ptr_equal(aw_value(f), INT(5));
    aw_unref(f);
    aw_unref(t);
}

TEST_IN_LOOP(FUT_022_pending_and_done_futures_are_refused)
{
    aw_future *pending = aw_future_new(), *done = aw_future_new(), *other = aw_future_new();
    assert_int_equal(aw_set_result(done, 1, NULL), 0);
    assert_int_equal(aw_copy_outcome(other, pending), AW_ESTATE);
    assert_false(aw_done(other));
    assert_int_equal(aw_copy_outcome(done, done), AW_ESTATE);
    assert_int_equal(aw_set_result(pending, 2, NULL), 0);
    assert_int_equal(aw_copy_outcome(done, pending), AW_ESTATE);
    assert_int_equal(aw_result(done), 1);
    aw_unref(pending);
    aw_unref(done);
    aw_unref(other);
}

/* The description of a future, in one of a few static buffers. */
static const char *describe(aw_future *f)
{
    static char text[256];
    int n = aw_describe(f, text, sizeof text);
    assert_int_equal(n, strlen(text));
    assert_null(strchr(text, '\n'));
    return text;
}

static void assert_mentions(aw_future *f, const char *words, const char *other_words)
{
    const char *text = describe(f);
    if (!strstr(text, words) || strstr(text, other_words))
        fail_msg("\"%s\" should mention \"%s\" and not \"%s\"", text, words, other_words);
}

/* FUT-027: The description of a future names its state: pending, cancelled, finished with its
 * result, or failed with its error. */
TEST_IN_LOOP(FUT_027_description_names_the_state)
{
    aw_future *f[4];
    for (int i = 0; i < 4; i++) {
        f[i] = aw_future_new();
        assert_mentions(f[i], "pending", "finished");
    }
    assert_true(aw_cancel(f[1]));
    assert_int_equal(aw_set_result(f[2], 1234, NULL), 0);
    assert_int_equal(aw_set_error(f[3], -ENOENT), 0);
    assert_mentions(f[1], "cancelled", "pending");
    assert_mentions(f[2], "finished result=1234", "pending");
    assert_mentions(f[3], "failed error=-ENOENT", "finished");
    assert_int_equal(aw_error(f[3]), -ENOENT);
    for (int i = 0; i < 4; i++)
        aw_unref(f[i]);
}

TEST_IN_LOOP(FUT_027_description_of_a_task_names_it)
{
    aw_task *t = aw_create_task(give, INT(1), .name = "worker");
    assert_mentions(t, "worker", "finished");
    assert_mentions(t, "give", "future");
    assert_mentions(t, "pending", "finished");
    assert_int_equal(aw_await(t), 1);
    assert_mentions(t, "finished", "pending");
    aw_unref(t);
}

TEST_IN_LOOP(FUT_027_description_is_cut_as_snprintf_does)
{
    char small[8] = "xxxxxxx";
    aw_future *f = aw_future_new();
    int wanted = aw_describe(f, NULL, 0);
    assert_int_equal(wanted, strlen(describe(f)));
    assert_int_equal(aw_describe(f, small, sizeof small), wanted);
    assert_int_equal(strlen(small), 7);
    assert_memory_equal(small, describe(f), 7);
    assert_int_equal(aw_describe(NULL, small, sizeof small), -EINVAL);
    aw_unref(f);
}

static int describe_new_future(void *arg)
{
    char place[64];
    snprintf(place, sizeof place, "fut_state.c:%d", __LINE__ + 1);
    aw_future *f = aw_future_new();
    bool told = strstr(describe(f), place) != NULL;
    assert_true(told == *(bool *)arg);
    snprintf(place, sizeof place, "fut_state.c:%d", __LINE__ + 1);
    aw_task *t = aw_create_task(give, INT(0));
    told = strstr(describe(t), place) != NULL;
    assert_true(told == *(bool *)arg);
    aw_unref(f);
    return aw_join(t);
}

/* FUT-028: In debug mode, and only there, the description says where the future was created. */
TEST(FUT_028_description_says_where_in_debug_mode)
{
    unsetenv("AWAIT_DEBUG");
    assert_int_equal(aw_run(describe_new_future, &(bool){true}, .debug = true), 0);
    assert_int_equal(aw_run(describe_new_future, &(bool){false}), 0);
}
