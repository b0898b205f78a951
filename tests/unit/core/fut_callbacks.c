/*
 * Done callbacks: when they run, in which order, with what, and how they are taken back.
 */
#include "util.h"

static aw_future *new_future(void)
{
    aw_future *f = aw_future_new();
    assert_non_null(f);
    return f;
}

/* FUT-011: Done callbacks never run inside aw_set_result: right after it none has run, and after
 * one pass each has. */
TEST_IN_LOOP(FUT_011_callbacks_run_one_pass_later)
{
    aw_future *f = new_future();
    assert_int_equal(aw_add_done_callback(f, note_done, "a"), 0);
    assert_int_equal(aw_add_done_callback(f, note_done, "b"), 0);
    passes(2);
    assert_trace("");
    assert_int_equal(aw_set_result(f, 1, NULL), 0);
    assert_trace("");
    passes(1);
    assert_trace("ab");
    passes(2);
    assert_trace("ab");
    aw_unref(f);
}

TEST_IN_LOOP(FUT_011_callbacks_of_an_error_run_one_pass_later)
{
    aw_future *f = new_future();
    assert_int_equal(aw_add_done_callback(f, note_done, "a"), 0);
    assert_int_equal(aw_set_error(f, -EIO), 0);
    assert_trace("");
    passes(1);
    assert_trace("a");
    assert_int_equal(aw_error(f), -EIO);
    aw_unref(f);
}

TEST_IN_LOOP(FUT_011_callback_of_a_done_future_runs_one_pass_later)
{
    aw_future *f = new_future();
    assert_int_equal(aw_set_result(f, 1, NULL), 0);
    assert_int_equal(aw_add_done_callback(f, note_done, "a"), 0);
    assert_trace("");
    passes(1);
    assert_trace("a");
    aw_unref(f);
}

/* FUT-012: Two done callbacks run in the order of their registration, both in the same pass. */
TEST_IN_LOOP(FUT_012_callbacks_run_in_order)
{
    aw_future *f = new_future();
    assert_int_equal(aw_add_done_callback(f, note_done, "b"), 0);
    assert_int_equal(aw_add_done_callback(f, note_done, "a"), 0);
    assert_int_equal(aw_call_soon(note_it, "("), 0);
    assert_int_equal(aw_set_result(f, 1, NULL), 0);
    assert_int_equal(aw_call_soon(note_it, ")"), 0);
    passes(1);
    assert_trace("(ba)");
    aw_unref(f);
}

static int awaits_and_notes(void *arg)
{
    assert_int_equal(aw_await(arg), 1);
    note('t');
    return 0;
}

TEST_IN_LOOP(FUT_012_waiters_and_callbacks_share_one_order)
{
    aw_future *f = new_future();
    assert_int_equal(aw_add_done_callback(f, note_done, "a"), 0);
    aw_task *t = aw_create_task(awaits_and_notes, f);
    passes(1);
    assert_int_equal(aw_add_done_callback(f, note_done, "b"), 0);
    assert_int_equal(aw_set_result(f, 1, NULL), 0);
    passes(1);
    assert_trace("atb");
    assert_int_equal(aw_join(t), 0);
    aw_unref(f);
}

static int note_if_cancelled(aw_future *f, void *arg)
{
    return note_it(aw_cancelled(f) && aw_done(f) ? arg : "-");
}

/* FUT-013: Cancelling a future schedules its done callbacks, and inside them it reads cancelled. */
TEST_IN_LOOP(FUT_013_callbacks_of_a_cancelled_future)
{
    aw_future *f = new_future();
    assert_int_equal(aw_add_done_callback(f, note_if_cancelled, "c"), 0);
    assert_true(aw_cancel(f));
    assert_trace("");
    passes(1);
    assert_trace("c");
    aw_unref(f);
}

static int remember_future(aw_future *f, void *arg)
{
    *(aw_future **)arg = f;
    return 0;
}

/* FUT-014: A done callback is handed the future that it was registered on. */
TEST_IN_LOOP(FUT_014_callback_gets_its_future)
{
    aw_future *seen[3] = {NULL};
    aw_future *f = new_future(), *g = new_future();
    aw_task *t = aw_create_task(give, INT(3));
    assert_int_equal(aw_add_done_callback(f, remember_future, &seen[0]), 0);
    assert_int_equal(aw_add_done_callback(g, remember_future, &seen[1]), 0);
    assert_int_equal(aw_add_done_callback(t, remember_future, &seen[2]), 0);
    assert_int_equal(aw_set_result(g, 1, NULL), 0);
    assert_true(aw_cancel(f));
    passes(2);
    assert_ptr_equal(seen[0], f);
    assert_ptr_equal(seen[1], g);
    assert_ptr_equal(seen[2], t);
    aw_unref(f);
    aw_unref(g);
    aw_unref(t);
}

/* FUT-015: The same callback with the same argument, registered twice, is called twice. */
TEST_IN_LOOP(FUT_015_registered_twice_is_called_twice)
{
    static const char arg[] = "x";
    aw_future *f = new_future();
    assert_int_equal(aw_add_done_callback(f, note_done, (void *)arg), 0);
    assert_int_equal(aw_add_done_callback(f, note_done, (void *)arg), 0);
    assert_int_equal(aw_set_result(f, 1, NULL), 0);
    passes(1);
    assert_trace("xx");
    aw_unref(f);
}

/* FUT-016: aw_remove_done_callback drops every registration of a callback with an argument and
 * returns how many there were: 1, 0 for one never registered, 6 for six. */
TEST_IN_LOOP(FUT_016_removing_counts_registrations)
{
    static char a[] = "a", b[] = "b", c[] = "c";
    aw_future *f = new_future();
    assert_int_equal(aw_add_done_callback(f, note_done, a), 0);
    for (int i = 0; i < 6; i++)
        assert_int_equal(aw_add_done_callback(f, note_done, b), 0);
    assert_int_equal(aw_add_done_callback(f, note_if_cancelled, a), 0);
    assert_int_equal(aw_add_done_callback(f, note_done, c), 0);
    assert_int_equal(aw_remove_done_callback(f, note_done, a), 1);
    assert_int_equal(aw_remove_done_callback(f, note_done, a), 0);
    assert_int_equal(aw_remove_done_callback(f, note_done, f), 0);
    assert_int_equal(aw_remove_done_callback(f, note_done, b), 6);
    assert_true(aw_cancel(f));
    passes(1);
    assert_trace("ac");
    aw_unref(f);
}

struct removal {
    aw_done_callback *cb;
    void *arg;
    int removed;
};

static int remove_other(aw_future *f, void *arg)
{
    struct removal *r = arg;
    r->removed = aw_remove_done_callback(f, r->cb, r->arg);
    return note_it("r");
}

/* FUT-017: A done callback that removes the others while it runs is told 0, and they still run in
 * that pass. */
TEST_IN_LOOP(FUT_017_removing_while_they_run)
{
    static char a[] = "a", b[] = "b";
    struct removal first = {note_done, a, -1}, second = {note_done, b, -1};
    aw_future *f = new_future();
    assert_int_equal(aw_add_done_callback(f, remove_other, &first), 0);
    assert_int_equal(aw_add_done_callback(f, note_done, a), 0);
    assert_int_equal(aw_add_done_callback(f, remove_other, &second), 0);
    assert_int_equal(aw_add_done_callback(f, note_done, b), 0);
    assert_int_equal(aw_set_result(f, 1, NULL), 0);
    passes(1);
    assert_int_equal(first.removed, 0);
    assert_int_equal(second.removed, 0);
    assert_trace("rarb");
    aw_unref(f);
}

static int register_further(aw_future *f, void *arg)
{
    note('f');
    return aw_add_done_callback(f, note_done, arg);
}

/* FUT-018: What a done callback registers on the same future runs one pass later, after every
 * callback registered before it. */
TEST_IN_LOOP(FUT_018_registering_while_they_run)
{
    aw_future *f = new_future();
    assert_int_equal(aw_add_done_callback(f, register_further, "n"), 0);
    assert_int_equal(aw_add_done_callback(f, note_done, "a"), 0);
    assert_int_equal(aw_add_done_callback(f, note_done, "b"), 0);
    assert_int_equal(aw_set_result(f, 1, NULL), 0);
    passes(1);
    assert_trace("fab");
    passes(1);
    assert_trace("fabn");
    aw_unref(f);
}

/* ---- what no behaviour names ---- */

static int drop_and_note(aw_future *f, void *arg)
{
    aw_unref(f);
    return note_it(arg);
}

TEST_IN_LOOP(future_callback_may_drop_the_last_handle)
{
    aw_future *f = new_future();
    assert_int_equal(aw_add_done_callback(f, drop_and_note, "a"), 0);
    assert_int_equal(aw_add_done_callback(f, note_done, "b"), 0);
    assert_int_equal(aw_set_result(f, 1, NULL), 0);
    passes(1);
    assert_trace("ab");
}

TEST_IN_LOOP(future_callback_runs_after_the_handle_was_dropped)
{
    aw_future *f = new_future();
    assert_int_equal(aw_add_done_callback(f, note_if_cancelled, "c"), 0);
    assert_true(aw_cancel(f));
    aw_unref(f);
    passes(1);
    assert_trace("c");
}

TEST_IN_LOOP(future_dropped_pending_drops_its_callbacks)
{
    aw_future *f = new_future();
    assert_int_equal(aw_add_done_callback(f, note_done, "a"), 0);
    assert_int_equal(aw_add_done_callback(f, note_done, "b"), 0);
    aw_unref(f);
    passes(3);
    assert_trace("");
}

static int fail_done(aw_future *f, void *arg)
{
    (void)f;
    note('!');
    return give(arg);
}

TEST_IN_LOOP(future_callback_that_fails_is_reported_and_disturbs_nobody)
{
    aw_future *f = new_future();
    assert_int_equal(aw_add_done_callback(f, fail_done, INT(-EIO)), 0);
    assert_int_equal(aw_add_done_callback(f, note_done, "b"), 0);
    assert_int_equal(aw_set_result(f, 1, NULL), 0);
    passes(1);
    assert_trace("!b");
    assert_int_equal(reports.kind, AW_REPORT_CALLBACK_FAILED);
    assert_int_equal(reports.error, -EIO);
    assert_reports(1);
    assert_int_equal(aw_join(f), 1);
}

TEST_IN_LOOP(future_callback_without_function_is_refused)
{
    aw_future *f = new_future();
    assert_int_equal(aw_add_done_callback(f, NULL, NULL), -EINVAL);
    assert_int_equal(aw_set_result(f, 1, NULL), 0);
    assert_int_equal(aw_add_done_callback(f, NULL, NULL), -EINVAL);
    passes(1);
    aw_unref(f);
}

static int no_memory_for_callback(void *arg)
{
    (void)arg;
    aw_future *f = new_future();
    memory.failing = true;
    assert_int_equal(aw_add_done_callback(f, note_done, "a"), -ENOMEM);
    assert_null(aw_future_new());
    assert_int_equal(aw_errno(), -ENOMEM);
    memory.failing = false;
    assert_int_equal(aw_add_done_callback(f, note_done, "b"), 0);
    assert_int_equal(aw_set_result(f, 1, NULL), 0);
    passes(1);
    assert_trace("b");
    aw_unref(f);
    return 0;
}

TEST(future_callback_without_memory_is_an_error)
{
    count_memory();
    assert_int_equal(aw_run(no_memory_for_callback, NULL), 0);
}
