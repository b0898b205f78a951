/*
 * aw_completed: futures in the order of their completion.
 */
#include <signal.h>

#include "util.h"

/* Takes the next one and expects it. */
static void expect_next(aw_completed *it, aw_future *expected)
{
    aw_future *f = NULL;
    assert_int_equal(aw_completed_next(it, &f), 1);
    assert_ptr_equal(f, expected);
    assert_true(aw_done(f));
}

/* TASK-051: An iteration hands out the very futures that were passed in, as they complete. */
TEST_IN_LOOP(TASK_051_the_very_same_futures)
{
    double began = aw_time();
    aw_task *t[3] = {aw_create_task(give_later, LATER(3, 1)),
                     aw_create_task(give_later, LATER(1, -EIO)),
                     aw_create_task(give_later, LATER(2, 3))};
    aw_completed it = AW_COMPLETED_INIT;
    aw_future *f = NULL;
    assert_int_equal(aw_completed_enter(&it, t, 3), 0);
    expect_next(&it, t[1]);
    assert_time(aw_time() - began, 1);
    expect_next(&it, t[2]);
    assert_time(aw_time() - began, 2);
    expect_next(&it, t[0]);
    assert_time(aw_time() - began, 3);
    assert_int_equal(aw_completed_next(&it, &f), 0);
    assert_int_equal(aw_completed_next(&it, &f), 0);
    assert_int_equal(aw_completed_exit(&it, 0), 0);
    assert_int_equal(aw_join(t[0]), 1);
    assert_int_equal(aw_join(t[1]), -EIO);
    assert_int_equal(aw_join(t[2]), 3);
}

/* TASK-052: With a time limit, an iteration hands out what finished in time and then returns
 * -ETIMEDOUT; the rest is not cancelled. */
TEST_IN_LOOP(TASK_052_iteration_with_a_time_limit)
{
    double began = aw_time();
    aw_task *t[3] = {aw_create_task(give_later, LATER(0.1, 1)),
                     aw_create_task(give_later, LATER(0.15, 2)),
                     aw_create_task(give_later, LATER(10, 3))};
    aw_completed it = AW_COMPLETED_INIT;
    aw_future *f = NULL;
    assert_int_equal(aw_completed_enter(&it, t, 3, .timeout = 0.2), 0);
    expect_next(&it, t[0]);
    expect_next(&it, t[1]);
    assert_int_equal(aw_completed_next(&it, &f), -ETIMEDOUT);
    assert_time(aw_time() - began, 0.2);
    assert_int_equal(aw_completed_next(&it, &f), -ETIMEDOUT);
    assert_int_equal(aw_completed_exit(&it, -ETIMEDOUT), -ETIMEDOUT);
    assert_time(aw_time() - began, 0.2);
    assert_false(aw_done(t[2]));
    assert_int_equal(aw_cancelling(t[2]), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(aw_join(t[i]), i + 1);
}

/* ---- what no behaviour names ---- */

TEST_IN_LOOP(task_completed_hands_out_what_is_done_first)
{
    aw_future *f[3] = {aw_future_new(), aw_future_new(), aw_future_new()};
    aw_completed it = AW_COMPLETED_INIT;
    assert_int_equal(aw_set_result(f[2], 1, NULL), 0);
    assert_int_equal(aw_set_result(f[1], 1, NULL), 0);
    assert_int_equal(aw_completed_enter(&it, f, 3), 0);
    assert_int_equal(aw_call_soon(note_it, "c"), 0);
    expect_next(&it, f[1]);
    expect_next(&it, f[2]);
    assert_trace(""); /* did not suspend */
    assert_true(aw_cancel(f[0]));
    expect_next(&it, f[0]);
    assert_int_equal(aw_completed_exit(&it, 7), 7);
    for (int i = 0; i < 3; i++)
        aw_unref(f[i]);
}

TEST_IN_LOOP(task_completed_of_nothing_is_over)
{
    aw_completed it = AW_COMPLETED_INIT;
    aw_future *f = NULL;
    assert_int_equal(aw_completed_enter(&it, NULL, 0), 0);
    assert_int_equal(aw_completed_next(&it, &f), 0);
    assert_int_equal(aw_completed_exit(&it, 0), 0);
}

TEST_IN_LOOP(task_completed_many)
{
    enum { MANY = 100 };
    static struct later l[MANY];
    static aw_task *t[MANY];
    for (int i = 0; i < MANY; i++) {
        l[i] = (struct later){.seconds = (i * 37) % MANY, .result = (i * 37) % MANY};
        t[i] = aw_create_task(give_later, &l[i]);
    }
    aw_completed it = AW_COMPLETED_INIT;
    aw_future *f;
    int n = 0, err;
    assert_int_equal(aw_completed_enter(&it, t, MANY), 0);
    while ((err = aw_completed_next(&it, &f)) > 0)
        assert_int_equal(aw_result(f), n++);
    assert_int_equal(aw_completed_exit(&it, err), 0);
    assert_int_equal(n, MANY);
    for (int i = 0; i < MANY; i++)
        aw_unref(t[i]);
}

TEST_IN_LOOP(task_completed_left_early)
{
    aw_task *t[2] = {aw_create_task(give_later, LATER(1, 1)),
                     aw_create_task(give_later, LATER(2, 2))};
    aw_completed it = AW_COMPLETED_INIT;
    assert_int_equal(aw_completed_enter(&it, t, 2, .timeout = 100), 0);
    expect_next(&it, t[0]);
    assert_int_equal(aw_completed_exit(&it, -EIO), -EIO);
    assert_int_equal(aw_join(t[0]), 1);
    assert_int_equal(aw_join(t[1]), 2);
}

static int iterate(void *arg)
{
    aw_completed it = AW_COMPLETED_INIT;
    aw_future *f = NULL;
    AW_TRY(aw_completed_enter(&it, (aw_future **)arg, 2));
    int err = aw_completed_next(&it, &f);
    note(err == -ECANCELED ? 'c' : '-');
    if (err == -ECANCELED)
        err = aw_completed_next(&it, &f); /* told once, and the iteration is still good */
    note(err == 1 ? '1' : '-');
    return aw_completed_exit(&it, f ? aw_result(f) : err);
}

TEST_IN_LOOP(task_completed_cancelled)
{
    aw_task *t[2] = {aw_create_task(give_later, LATER(2, 1)),
                     aw_create_task(give_later, LATER(1, 2))};
    aw_task *waiter = aw_create_task(iterate, t);
    passes(1);
    assert_true(aw_cancel(waiter));
    passes(1);
    assert_trace("c");
    assert_int_equal(aw_cancelling(t[0]), 0);
    assert_int_equal(aw_cancelling(t[1]), 0);
    assert_int_equal(aw_join(waiter), 2);
    assert_trace("c1");
    assert_int_equal(aw_join(t[0]), 1);
    assert_int_equal(aw_join(t[1]), 2);
}

TEST_IN_LOOP(task_completed_iterations_nest)
{
    aw_task *t[4];
    for (int i = 0; i < 4; i++)
        t[i] = aw_create_task(give, INT(i));
    aw_completed outer = AW_COMPLETED_INIT, inner = AW_COMPLETED_INIT;
    assert_int_equal(aw_completed_enter(&outer, t, 4), 0);
    expect_next(&outer, t[0]);
    assert_int_equal(aw_completed_enter(&inner, t, 2), 0);
    expect_next(&inner, t[0]);
    expect_next(&inner, t[1]);
    assert_int_equal(aw_completed_exit(&inner, 0), 0);
    expect_next(&outer, t[1]);
    assert_int_equal(aw_completed_exit(&outer, 0), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(aw_join(t[i]), i);
}

TEST_IN_LOOP(task_completed_misuse)
{
    aw_future *f = aw_future_new(), *none[] = {f, NULL}, *next = NULL;
    aw_completed it = AW_COMPLETED_INIT;
    assert_int_equal(aw_completed_next(&it, &next), AW_EMISUSE); /* not entered */
    assert_int_equal(aw_completed_enter(NULL, &f, 1), -EINVAL);
    assert_int_equal(aw_completed_enter(&it, none, 2), -EINVAL);
    assert_int_equal(aw_completed_enter(&it, NULL, 1), -EINVAL);
    assert_int_equal(aw_completed_enter(&it, &f, 1), 0); /* still fresh */
    assert_int_equal(aw_completed_enter(&it, &f, 1), AW_EMISUSE);
    assert_int_equal(aw_set_result(f, 1, NULL), 0);
    expect_next(&it, f);
    assert_int_equal(aw_completed_exit(&it, 5), 5);
    assert_int_equal(aw_completed_next(&it, &next), AW_EMISUSE);
    assert_int_equal(aw_completed_enter(&it, &f, 1), AW_EMISUSE); /* used up */
    aw_unref(f);
}

/* ---- scopes that are left open ---- */

/* Says on standard output which place the report will have to name: the line after the call. */
static void announce_scope(int line)
{
    printf("task_completed.c:%d\n", line + 1);
}

static int leave_open(void *arg)
{
    aw_completed it = AW_COMPLETED_INIT;
    aw_future *f = arg;
    announce_scope(__LINE__);
    return aw_completed_enter(&it, &f, 1);
}

static int main_leaves_open(void *arg)
{
    (void)arg;
    return leave_open(aw_future_new());
}

static int child_leaves_open(void *arg)
{
    (void)arg;
    return aw_join(aw_create_task(leave_open, aw_future_new(), .name = "careless"));
}

static int eager_child_leaves_open(void *arg)
{
    (void)arg;
    return aw_spawn(leave_open, aw_future_new(), .name = "careless", .eager = true);
}

static int exit_in_wrong_order(void *arg)
{
    aw_completed outer = AW_COMPLETED_INIT, inner = AW_COMPLETED_INIT;
    aw_future *f = aw_future_new();
    (void)arg;
    announce_scope(__LINE__);
    AW_TRY(aw_completed_enter(&outer, &f, 1));
    AW_TRY(aw_completed_enter(&inner, &f, 1));
    return aw_completed_exit(&outer, 0);
}

/* In a child process: runs a coroutine that must not survive. */
static void run_careless(void *arg)
{
    aw_fn *const *fn = arg;
    printf("survived with %d\n", aw_run(*fn, NULL));
}

static void assert_dies_naming(aw_fn *fn, const char *words)
{
    struct child_result r;
    run_child(&r, run_careless, &fn);
    normalise(r.err);
    printf("%s%s", r.out, r.err);
    assert_true(child_killed(&r, SIGABRT));
    r.out[strcspn(r.out, "\n")] = '\0';
    assert_int_equal(strncmp(r.out, "task_completed.c:", 17), 0);
    assert_non_null(strstr(r.err, r.out));
    assert_non_null(strstr(r.err, words));
}

TEST(task_completed_left_open_ends_the_process)
{
    assert_dies_naming(main_leaves_open, "main");
    assert_dies_naming(child_leaves_open, "careless");
    assert_dies_naming(eager_child_leaves_open, "careless");
}

TEST(task_completed_closed_in_the_wrong_order_ends_the_process)
{
    assert_dies_naming(exit_in_wrong_order, "aw_completed");
}
