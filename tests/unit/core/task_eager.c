/*
 * Eager tasks, which run to their first suspension inside the call that creates them, and the
 * task-local values that tasks inherit.
 */
#include "util.h"

static int suspend_and_give(void *arg)
{
    note('1');
    AW_TRY(aw_sleep(1));
    note('2');
    return give(arg);
}

/* TASK-028: An eager coroutine that never suspends has finished when the creating call returns, and
 * cancelling it then has no effect; one that suspends is pending there and gives its result when
 * awaited. */
TEST_IN_LOOP(TASK_028_eager_task_that_never_suspends)
{
    aw_task *t = aw_create_task(note_it, "e", .eager = true);
    assert_trace("e");
    assert_true(aw_done(t));
    assert_false(aw_cancel(t));
    assert_false(aw_cancelled(t));
    assert_int_equal(aw_await(t), 0);
    aw_unref(t);
}

TEST_IN_LOOP(TASK_028_eager_task_that_suspends)
{
    aw_task *t = aw_create_task(suspend_and_give, INT(31), .eager = true);
    assert_trace("1");
    assert_false(aw_done(t));
    assert_int_equal(aw_await(t), 31);
    assert_trace("12");
    aw_unref(t);
}

TEST_IN_LOOP(TASK_028_eager_task_that_fails_or_is_cancelled)
{
    aw_task *failed = aw_create_task(give, INT(-EIO), .eager = true);
    aw_task *cancelled = aw_create_task(suspend_and_give, INT(1), .eager = true);
    assert_true(aw_done(failed));
    assert_int_equal(aw_join(failed), -EIO);
    assert_true(aw_cancel(cancelled));
    assert_int_equal(aw_join(cancelled), -ECANCELED);
    assert_trace("1");
}

TEST_IN_LOOP(TASK_028_eager_step_comes_before_what_is_ready)
{
    aw_task *usual = aw_create_task(note_it, "u");
    aw_task *eager = aw_create_task(note_it, "e", .eager = true);
    assert_int_equal(aw_spawn(note_it, "s", .eager = true), 0);
    assert_trace("es");
    assert_int_equal(aw_join(usual), 0);
    assert_int_equal(aw_join(eager), 0);
    assert_trace("esu");
}

static int create_eager_in_callback(void *arg)
{
    note('(');
    assert_int_equal(aw_spawn(suspend_and_give, arg, .eager = true), 0);
    assert_null(aw_current_task());
    note(')');
    return 0;
}

TEST_IN_LOOP(TASK_028_eager_task_made_in_a_callback)
{
    assert_int_equal(aw_call_soon(create_eager_in_callback, INT(1)), 0);
    passes(1);
    assert_trace("(1)");
    assert_int_equal(aw_sleep(2), 0);
    assert_trace("(1)2");
}

static int keep_current(void *arg)
{
    *(aw_task **)arg = aw_ref(aw_current_task());
    return aw_sleep(0);
}

/* TASK-029: During the eager step the current task is the new one; once the creating call has
 * returned it is the creator again. */
TEST_IN_LOOP(TASK_029_current_task_of_an_eager_step)
{
    aw_task *me = aw_current_task(), *seen = NULL;
    aw_task *t = aw_create_task(keep_current, &seen, .eager = true);
    assert_ptr_equal(seen, t);
    assert_ptr_not_equal(seen, me);
    assert_ptr_equal(aw_current_task(), me);
    assert_int_equal(aw_join(t), 0);
    assert_ptr_equal(aw_current_task(), me);
    aw_unref(seen);
}

static int look_for_self(void *arg)
{
    aw_task *all[8] = {NULL};
    int n = aw_all_tasks(all, 8), found = 0;
    for (int i = 0; i < n; i++) {
        found += all[i] == aw_current_task();
        aw_unref(all[i]);
    }
    *(int *)arg = n;
    return found;
}

/* TASK-030: An eager task is among all tasks during its eager step, and no longer if it finished
 * there. */
TEST_IN_LOOP(TASK_030_all_tasks_during_an_eager_step)
{
    int during = 0;
    aw_task *t = aw_create_task(look_for_self, &during, .eager = true);
    assert_int_equal(aw_result(t), 1);
    assert_int_equal(during, 2);
    assert_int_equal(aw_all_tasks(NULL, 0), 1);
    aw_unref(t);
}

/* An eager task that makes another one, and so on, down to `depth`. */
struct nest {
    int depth;
    int results[16];
};

static int nest(void *arg)
{
    struct nest *n = arg;
    int depth = n->depth++;
    note((char)('a' + depth));
    aw_task *me = aw_current_task(), *inner = NULL;
    if (depth < 4)
        inner = aw_create_task(nest, n, .eager = true);
    assert_ptr_equal(aw_current_task(), me);
    note((char)('A' + depth));
    AW_TRY(aw_sleep(1));
    assert_ptr_equal(aw_current_task(), me);
    note((char)('0' + depth));
    n->results[depth] = inner ? aw_join(inner) : -1;
    return depth;
}

/* Eager tasks nest: each goes on in its creator, innermost first. */
TEST_IN_LOOP(task_eager_steps_nest)
{
    struct nest n = {0};
    aw_task *t = aw_create_task(nest, &n, .eager = true);
    assert_trace("abcdeEDCBA");
    assert_int_equal(aw_join(t), 0);
    assert_trace("abcdeEDCBA43210");
    for (int i = 0; i < 5; i++)
        assert_int_equal(n.results[i], i < 4 ? i + 1 : -1);
}

static int finish_future(void *arg)
{
    return aw_set_result(arg, 9, NULL);
}

static int cancel_argument(void *arg)
{
    return aw_cancel((aw_future *)arg) ? 1 : 0;
}

static int await_eager_child_of(void *arg)
{
    aw_task *t = aw_create_task(finish_future, arg, .eager = true);
    assert_true(aw_done(t));
    assert_int_equal(aw_join(t), 0);
    return aw_await(arg);
}

/* What an eager step does to others counts as done by the running step. */
TEST_IN_LOOP(task_eager_step_may_finish_and_cancel)
{
    aw_future *f = aw_future_new(), *g = aw_future_new();
    aw_task *waiter = aw_create_task(await_it, f);
    passes(1);
    assert_int_equal(aw_join(aw_create_task(await_eager_child_of, f, .eager = true)), 9);
    assert_int_equal(aw_join(waiter), 9);
    assert_int_equal(aw_join(aw_create_task(cancel_argument, g, .eager = true)), 1);
    assert_true(aw_cancelled(g));
    /* The creator itself, from inside the call that creates. */
    aw_task *t = aw_create_task(cancel_argument, aw_current_task(), .eager = true);
    assert_int_equal(aw_result(t), 1);
    assert_int_equal(aw_sleep(5), -ECANCELED);
    assert_int_equal(aw_uncancel(aw_current_task()), 0);
    aw_unref(t);
    aw_unref(f);
    aw_unref(g);
}

/* ---- task-local values ---- */

static const aw_local color = AW_LOCAL_INIT("color", "none");
static const aw_local size = AW_LOCAL_INIT("size", NULL);

static const char *color_now(void)
{
    return aw_local_get(&color);
}

static int expect_color(void *arg)
{
    assert_string_equal(color_now(), arg);
    AW_TRY(aw_sleep(1));
    assert_string_equal(color_now(), arg);
    return 0;
}

/* TASK-031: A task has a copy of its creator's task-local values as of its creation, and does not
 * see what the creator changes later. */
TEST_IN_LOOP(TASK_031_task_local_values_are_inherited)
{
    aw_task *first = aw_create_task(expect_color, "none");
    assert_int_equal(aw_local_set(&color, "red"), 0);
    aw_task *second = aw_create_task(expect_color, "red");
    assert_int_equal(aw_local_set(&color, "blue"), 0);
    aw_task *third = aw_create_task(expect_color, "blue");
    passes(1);
    assert_int_equal(aw_local_set(&color, "green"), 0);
    assert_int_equal(aw_join(first), 0);
    assert_int_equal(aw_join(second), 0);
    assert_int_equal(aw_join(third), 0);
    assert_string_equal(color_now(), "green");
    assert_null(aw_local_get(&size));
}

static int paint(void *arg)
{
    assert_int_equal(aw_local_set(&color, arg), 0);
    assert_string_equal(color_now(), arg);
    AW_TRY(aw_sleep(1));
    assert_string_equal(color_now(), arg);
    assert_int_equal(aw_local_set(&size, "large"), 0);
    return 0;
}

/* TASK-032: What a task sets, in an eager step too, never shows in its creator. */
TEST_IN_LOOP(TASK_032_task_local_changes_stay_in_the_task)
{
    assert_int_equal(aw_local_set(&color, "red"), 0);
    aw_task *usual = aw_create_task(paint, "blue");
    aw_task *eager = aw_create_task(paint, "green", .eager = true);
    assert_string_equal(color_now(), "red");
    passes(1);
    assert_string_equal(color_now(), "red");
    assert_int_equal(aw_join(usual), 0);
    assert_int_equal(aw_join(eager), 0);
    assert_string_equal(color_now(), "red");
    assert_null(aw_local_get(&size));
}

TEST_IN_LOOP(task_local_values_given_as_a_context)
{
    assert_int_equal(aw_local_set(&color, "red"), 0);
    aw_context *red = aw_copy_context();
    assert_non_null(red);
    assert_int_equal(aw_local_set(&color, "blue"), 0);
    aw_task *in_red = aw_create_task(expect_color, "red", .context = red);
    aw_task *in_blue = aw_create_task(expect_color, "blue");
    aw_context_unref(red);
    assert_int_equal(aw_join(in_red), 0);
    assert_int_equal(aw_join(in_blue), 0);
    assert_int_equal(aw_join(aw_create_task(paint, "white", .eager = true)), 0);
    assert_string_equal(color_now(), "blue");
    assert_int_equal(aw_local_set(NULL, "x"), -EINVAL);
    assert_null(aw_local_get(NULL));
}
