/*
 * Tasks: when they run, what becomes of them, who the current one is, and which there are.
 */
#include "util.h"

/* TASK-001: Creating a task does not run its coroutine; its first step comes in the next pass. */
TEST_IN_LOOP(TASK_001_first_step_comes_in_the_next_pass)
{
    aw_task *t = aw_create_task(note_it, "t");
    assert_non_null(t);
    assert_trace("");
    assert_false(aw_done(t));
    passes(1);
    assert_trace("t");
    assert_true(aw_done(t));
    aw_unref(t);
}

/* TASK-002: Tasks take their first steps in the order of their creation, in the same pass. */
TEST_IN_LOOP(TASK_002_first_steps_in_order_of_creation)
{
    static const char *const names[] = {"b", "a", "d", "c"};
    aw_task *t[4];
    assert_int_equal(aw_call_soon(note_it, "("), 0);
    for (int i = 0; i < 4; i++)
        t[i] = aw_create_task(note_it, (void *)names[i]);
    assert_int_equal(aw_call_soon(note_it, ")"), 0);
    assert_trace("");
    passes(1);
    assert_trace("(badc)");
    for (int i = 0; i < 4; i++)
        aw_unref(t[i]);
}

/* TASK-003: What the coroutine returns is the task's result; the task is done, not cancelled. */
TEST_IN_LOOP(TASK_003_return_value_is_the_result)
{
    aw_task *t = aw_create_task(give, INT(42)), *zero = aw_create_task(give, INT(0));
    assert_int_equal(aw_await(t), 42);
    assert_true(aw_done(t));
    assert_false(aw_cancelled(t));
    assert_int_equal(aw_result(t), 42);
    assert_int_equal(aw_error(t), 0);
    assert_int_equal(aw_join(zero), 0);
    aw_unref(t);
}

/* TASK-004: Setting a task's result or error from outside is AW_EMISUSE, and the task still ends
 * with its own. */
TEST_IN_LOOP(TASK_004_outcome_cannot_be_set_from_outside)
{
    aw_task *t = aw_create_task(give, INT(13));
    aw_future *f = aw_future_new();
    assert_int_equal(aw_set_result(f, 1, NULL), 0);
    assert_int_equal(aw_set_result(t, 42, NULL), AW_EMISUSE);
    assert_int_equal(aw_set_error(t, -EIO), AW_EMISUSE);
    assert_int_equal(aw_copy_outcome(t, f), AW_EMISUSE);
    assert_false(aw_done(t));
    assert_int_equal(aw_await(t), 13);
    assert_int_equal(aw_set_result(aw_current_task(), 1, NULL), AW_EMISUSE);
    aw_unref(f);
    aw_unref(t);
}

/* TASK-005: A task is a future as it is: every call on futures takes it, and a reference to it is
 * the same handle; a coroutine object becomes a new task. */
TEST_IN_LOOP(TASK_005_tasks_are_futures)
{
    aw_task *t = aw_create_task(give, INT(4));
    aw_future *same = aw_ref(t);
    assert_ptr_equal(same, t);
    aw_coro *c = aw_coro_new(give, INT(5));
    aw_task *made = aw_task_of(c);
    assert_non_null(made);
    assert_ptr_not_equal(made, t);
    assert_false(aw_done(made));
    assert_int_equal(aw_join(same), 4);
    assert_int_equal(aw_join(made), 5);
    aw_coro_unref(c);
    aw_unref(t);
}

TEST_IN_LOOP(TASK_005_a_coroutine_object_makes_one_task)
{
    aw_coro *c = aw_coro_new(note_it, "o", .name = "once");
    passes(2);
    assert_trace("");
    aw_task *t = aw_task_of(c);
    assert_string_equal(aw_task_name(t), "once");
    assert_trace("");
    assert_null(aw_task_of(c));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_int_equal(aw_gather(AW_USE(c)), AW_EMISUSE);
    assert_int_equal(aw_join(t), 0);
    assert_trace("o");
    aw_coro_unref(c);
}

/* TASK-006: Creating a task on a closed loop is AW_EMISUSE; a coroutine object that was handed over
 * is released without ever starting, a plain argument stays the caller's. */
TEST(TASK_006_no_tasks_on_a_closed_loop)
{
    aw_loop *l = aw_loop_new();
    assert_int_equal(aw_loop_close(l), 0);
    assert_null(aw_create_task(note_it, "t", .loop = l, .release = note_release));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_int_equal(aw_spawn(note_it, "s", .loop = l, .release = note_release), AW_EMISUSE);
    assert_trace("");
    aw_coro *c = aw_coro_new(note_it, "c", .loop = l, .release = note_release);
    assert_non_null(c);
    assert_null(aw_task_of(c));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_trace("c");
    assert_null(aw_task_of(c));
    aw_coro_unref(c);
    assert_trace("c");
    aw_loop_free(l);
}

static int await_and_note(void *arg)
{
    int err = aw_await(arg);
    assert_int_equal(err, AW_ETHREAD);
    note('n');
    return err;
}

/* TASK-007: A task that awaits a future of another loop gets AW_ETHREAD from that call, and
 * goes on. */
TEST(TASK_007_future_of_another_loop)
{
    aw_loop *l = aw_loop_new();
    aw_future *f = aw_future_new(.loop = l);
    assert_int_equal(aw_run(await_and_note, f), AW_ETHREAD);
    assert_trace("n");
    assert_false(aw_done(f));
    assert_int_equal(aw_set_result(f, 1, NULL), 0);
    assert_int_equal(aw_run(await_and_note, f), AW_ETHREAD); /* done or not */
    aw_unref(f);
    aw_loop_free(l);
}

/* TASK-008: An error that the coroutine returns ends the task with that error and does not disturb
 * the loop; it can be read one pass later. */
TEST_IN_LOOP(TASK_008_error_ends_the_task)
{
    aw_task *before = aw_create_task(note_it, "b");
    aw_task *t = aw_create_task(give, INT(-EPROTO));
    aw_task *after = aw_create_task(note_it, "a");
    passes(1);
    assert_trace("ba");
    assert_true(aw_done(t));
    assert_false(aw_cancelled(t));
    assert_int_equal(aw_error(t), -EPROTO);
    assert_int_equal(aw_result(t), -EPROTO);
    assert_null(aw_value(t));
    aw_unref(before);
    aw_unref(t);
    aw_unref(after);
}

static int fail_with_detail(void *arg)
{
    return aw_await(arg);
}

TEST_IN_LOOP(TASK_008_detail_of_an_error_travels_with_it)
{
    aw_future *f = aw_future_new();
    aw_task *inner = aw_create_task(fail_with_detail, f);
    aw_task *outer = aw_create_task(fail_with_detail, inner);
    passes(2);
    assert_int_equal(aw_set_error(f, -EIO, .msg = "the disk is gone"), 0);
    assert_int_equal(aw_join(outer), -EIO);
    assert_string_equal(aw_errmsg(), "the disk is gone");
    aw_unref(inner);
    aw_unref(f);
}

static int note_current(void *arg)
{
    *(aw_task **)arg = aw_current_task();
    return 0;
}

static int current_in_tasks_and_callbacks(void *arg)
{
    aw_task *in_task = NULL, *in_callback = arg, *me = aw_current_task();
    assert_non_null(me);
    aw_task *t = aw_create_task(note_current, &in_task);
    assert_ptr_equal(aw_current_task(), me);
    assert_int_equal(aw_call_soon(note_current, &in_callback), 0);
    assert_int_equal(aw_await(t), 0);
    passes(1);
    assert_ptr_equal(in_task, t);
    assert_null(in_callback);
    assert_ptr_equal(aw_current_task(), me);
    aw_unref(t);
    return 0;
}

/* TASK-009: In a coroutine the current task is the one that runs it; in a callback, and once the
 * loop has stopped, there is none. */
TEST(TASK_009_current_task)
{
    int anything;
    assert_null(aw_current_task());
    assert_int_equal(aw_run(current_in_tasks_and_callbacks, &anything), 0);
    assert_null(aw_current_task());
}

static int check_current(void *arg)
{
    aw_task **self = arg;
    for (int i = 0; i < 5; i++) {
        assert_ptr_equal(aw_current_task(), *self);
        note(aw_task_name(*self)[0]);
        AW_TRY(aw_sleep(0));
    }
    assert_ptr_equal(aw_current_task(), *self);
    return 0;
}

/* TASK-010: Two tasks that take turns each see themselves as the current task after every
 * resumption. */
TEST_IN_LOOP(TASK_010_current_task_of_interleaved_tasks)
{
    aw_task *a = NULL, *b = NULL;
    a = aw_create_task(check_current, &a, .name = "a");
    b = aw_create_task(check_current, &b, .name = "b");
    assert_int_equal(aw_join(a), 0);
    assert_int_equal(aw_join(b), 0);
    assert_trace("ababababab");
}

/* TASK-011: aw_all_tasks gives every unfinished task of the loop, the caller's own included, and no
 * finished one: 100 children and their parent are 101. */
TEST_IN_LOOP(TASK_011_all_tasks)
{
    enum { CHILDREN = 100 };
    aw_task *t[CHILDREN], *all[CHILDREN + 10] = {NULL};
    aw_future *f = aw_future_new();
    for (int i = 0; i < CHILDREN; i++)
        t[i] = aw_create_task(i % 2 ? give : await_it, i % 2 ? INT(i) : f);
    assert_int_equal(aw_all_tasks(all, CHILDREN + 10), CHILDREN + 1);
    assert_ptr_equal(all[0], aw_current_task());
    for (int i = 0; i < CHILDREN; i++)
        assert_ptr_equal(all[i + 1], t[i]);
    assert_null(all[CHILDREN + 1]);
    for (int i = 0; i <= CHILDREN; i++)
        aw_unref(all[i]);
    passes(1); /* the odd ones finish */
    assert_int_equal(aw_all_tasks(all, CHILDREN + 10), CHILDREN / 2 + 1);
    assert_ptr_equal(all[1], t[0]);
    assert_ptr_equal(all[2], t[2]);
    for (int i = 0; i <= CHILDREN / 2; i++)
        aw_unref(all[i]);
    assert_int_equal(aw_set_result(f, 1, NULL), 0);
    passes(1);
    assert_int_equal(aw_all_tasks(NULL, 0), 1);
    for (int i = 0; i < CHILDREN; i++)
        aw_unref(t[i]);
    aw_unref(f);
}

TEST_IN_LOOP(TASK_011_all_tasks_that_do_not_fit_are_counted)
{
    aw_task *few[3] = {NULL, NULL, (aw_task *)&few};
    aw_task *t[5];
    for (int i = 0; i < 5; i++)
        t[i] = aw_create_task(give, INT(i));
    assert_int_equal(aw_all_tasks(few, 2), 6);
    assert_ptr_equal(few[0], aw_current_task());
    assert_ptr_equal(few[1], t[0]);
    assert_ptr_equal(few[2], (aw_task *)&few); /* not touched */
    aw_unref(t[0]);                            /* the other reference keeps it */
    passes(1);
    assert_int_equal(aw_result(few[1]), 0);
    aw_unref(few[0]);
    aw_unref(few[1]);
    for (int i = 1; i < 5; i++)
        assert_int_equal(aw_join(t[i]), i);
}

TEST(TASK_011_all_tasks_of_a_loop_that_does_not_run)
{
    aw_task *all[4] = {NULL};
    aw_loop *l = aw_loop_new();
    assert_int_equal(aw_all_tasks(all, 4, .loop = l), 0);
    aw_task *t = aw_create_task(give, INT(3), .loop = l);
    assert_int_equal(aw_all_tasks(all, 4, .loop = l), 1);
    assert_ptr_equal(all[0], t);
    aw_unref(all[0]);
    assert_int_equal(aw_loop_run_until_complete(l, t), 3);
    assert_int_equal(aw_all_tasks(all, 4, .loop = l), 0);
    aw_unref(t);
    aw_loop_free(l);
}

/* ---- what no behaviour names ---- */

TEST_IN_LOOP(task_names)
{
    char name[] = "alpha";
    aw_task *t = aw_create_task(sleep_long, NULL, .name = name);
    aw_task *u = aw_create_task(sleep_long, NULL), *v = aw_create_task(sleep_long, NULL);
    name[0] = '-';
    assert_string_equal(aw_task_name(t), "alpha"); /* it was copied */
    assert_int_equal(strncmp(aw_task_name(u), "Task-", 5), 0);
    assert_int_equal(strncmp(aw_task_name(v), "Task-", 5), 0);
    long number = strtol(aw_task_name(u) + 5, NULL, 10);
    assert_true(number > 0);
    assert_int_equal(strtol(aw_task_name(v) + 5, NULL, 10), number + 1);
    assert_int_equal(aw_set_task_name(u, name), 0);
    assert_string_equal(aw_task_name(u), "-lpha");
    assert_int_equal(aw_set_task_name(u, NULL), -EINVAL);
    assert_string_equal(aw_task_name(u), "-lpha");
    assert_true(aw_cancel(t) && aw_cancel(u) && aw_cancel(v));
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_int_equal(aw_join(u), -ECANCELED);
    assert_string_equal(aw_task_name(v), aw_task_name(v));
    assert_int_equal(aw_join(v), -ECANCELED);
}

static int await_self(void *arg)
{
    (void)arg;
    return aw_await(aw_current_task());
}

TEST_IN_LOOP(task_cannot_await_itself)
{
    aw_task *t = aw_create_task(await_self, NULL);
    assert_int_equal(aw_await_shielded(aw_current_task()), AW_EMISUSE);
    assert_int_equal(aw_wait_for(aw_current_task(), 1), AW_EMISUSE);
    assert_int_equal(aw_join(t), AW_EMISUSE);
}

TEST_IN_LOOP(task_handle_given_up_does_not_cancel)
{
    aw_unref(aw_create_task(note_it, "a"));
    aw_task *t = aw_create_task(give_later, LATER(1, 7));
    aw_future *f = aw_ref(t);
    aw_unref(t);
    assert_int_equal(aw_join(f), 7);
    assert_trace("a");
}

TEST_IN_LOOP(task_options_that_make_no_sense_are_refused)
{
    aw_fn *nothing = NULL;
    assert_null(aw_create_task(nothing, NULL));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_create_task(note_it, "x", .copy = (size_t)1 << 30));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_create_task(note_it, "x", .copy = SIZE_MAX));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_create_task(note_it, NULL, .copy = 8));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_create_task(note_it, "x", .stack_size = 100));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_create_task(note_it, "x", .stack_size = SIZE_MAX));
    assert_int_equal(aw_errno(), -EINVAL);
    passes(2);
    assert_trace("");
}
