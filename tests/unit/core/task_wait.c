/*
 * aw_wait: waiting for several futures at once.
 */
#include "util.h"

/* TASK-039: Waiting for all of two tasks, of 0.1 s and 0.15 s, returns 2 after 0.15 s, both done; a
 * task that failed is simply done and does not make the wait fail. */
TEST_IN_LOOP(TASK_039_wait_for_all)
{
    double began = aw_time();
    aw_task *t[2] = {aw_create_task(give_later, LATER(0.1, 1)),
                     aw_create_task(give_later, LATER(0.15, 2))};
    assert_int_equal(aw_wait(t, 2, AW_ALL_COMPLETED), 2);
    assert_time(aw_time() - began, 0.15);
    for (int i = 0; i < 2; i++)
        assert_int_equal(aw_join(t[i]), i + 1);
}

TEST_IN_LOOP(TASK_039_failed_tasks_are_simply_done)
{
    double began = aw_time();
    aw_task *t[3] = {aw_create_task(give, INT(-EIO)), aw_create_task(give_later, LATER(0.15, 2)),
                     aw_create_task(give, INT(-ECANCELED))};
    assert_int_equal(aw_wait(t, 3, AW_ALL_COMPLETED), 3);
    assert_time(aw_time() - began, 0.15);
    assert_int_equal(aw_join(t[0]), -EIO);
    assert_int_equal(aw_join(t[1]), 2);
    assert_int_equal(aw_join(t[2]), -ECANCELED);
}

TEST_IN_LOOP(TASK_039_waiting_is_not_looking)
{
    aw_task *t = aw_create_task(give, INT(-EIO));
    assert_int_equal(aw_wait(&t, 1, AW_ALL_COMPLETED), 1);
    aw_unref(t);
    assert_int_equal(reports.error, -EIO);
    assert_reports(1);
}

/* TASK-040: Waiting for nothing, or with an unknown condition, is -EINVAL. */
TEST_IN_LOOP(TASK_040_wait_for_nothing)
{
    aw_future *f = aw_future_new();
    assert_int_equal(aw_wait(&f, 0, AW_ALL_COMPLETED), -EINVAL);
    assert_int_equal(aw_wait(NULL, 0, AW_ALL_COMPLETED), -EINVAL);
    assert_int_equal(aw_wait(NULL, 2, AW_ALL_COMPLETED), -EINVAL);
    assert_int_equal(aw_wait(&f, 1, (enum aw_wait_when)0), -EINVAL);
    assert_int_equal(aw_wait(&f, 1, (enum aw_wait_when)4), -EINVAL);
    assert_false(aw_done(f));
    aw_unref(f);
}

/* TASK-041: What a wait counts is everything that is done when the waiter resumes, not only what
 * woke it. */
TEST_IN_LOOP(TASK_041_everything_done_by_then_is_counted)
{
    aw_task *t[3] = {aw_create_task(give, INT(1)), aw_create_task(give, INT(2)),
                     aw_create_task(sleep_long, NULL)};
    assert_int_equal(aw_wait(t, 3, AW_FIRST_COMPLETED), 2);
    assert_true(aw_done(t[0]) && aw_done(t[1]));
    assert_false(aw_done(t[2]));
    assert_true(aw_cancel(t[2]));
    assert_int_equal(aw_wait(t, 3, AW_ALL_COMPLETED), 3);
    for (int i = 0; i < 3; i++)
        aw_unref(t[i]);
}

/* TASK-042: Waiting for the first error returns when one task fails, while another still sleeps. */
TEST_IN_LOOP(TASK_042_wait_for_the_first_error)
{
    double began = aw_time();
    aw_task *t[3] = {aw_create_task(give_later, LATER(0.5, 1)),
                     aw_create_task(give_later, LATER(1, -EIO)),
                     aw_create_task(give_later, LATER(10, 3))};
    assert_int_equal(aw_wait(t, 3, AW_FIRST_ERROR), 2);
    assert_time(aw_time() - began, 1);
    assert_true(aw_done(t[0]));
    assert_int_equal(aw_error(t[1]), -EIO);
    assert_false(aw_done(t[2]));
    assert_int_equal(aw_cancelling(t[2]), 0);
    /* An error that is there already is found at once; without one, all must be done. */
    assert_int_equal(aw_wait(t, 3, AW_FIRST_ERROR), 2);
    assert_time(aw_time() - began, 1);
    aw_task *no_error[2] = {t[2], t[0]};
    assert_int_equal(aw_wait(no_error, 2, AW_FIRST_ERROR), 2);
    assert_time(aw_time() - began, 10);
    for (int i = 0; i < 3; i++)
        aw_unref(t[i]);
}

TEST_IN_LOOP(TASK_042_a_cancelled_future_is_no_error)
{
    double began = aw_time();
    aw_future *f = aw_future_new();
    aw_future *fs[2] = {f, aw_create_task(give_later, LATER(2, 1))};
    assert_true(aw_cancel(f));
    assert_int_equal(aw_wait(fs, 2, AW_FIRST_ERROR), 2);
    assert_time(aw_time() - began, 2);
    aw_unref(fs[0]);
    aw_unref(fs[1]);
}

/* TASK-043: A wait that runs out of time is no error: it returns how many are done, and the others
 * go on. */
TEST_IN_LOOP(TASK_043_wait_with_a_time_limit)
{
    double began = aw_time();
    aw_task *t[2] = {aw_create_task(give_later, LATER(0.1, 1)),
                     aw_create_task(give_later, LATER(0.2, 2))};
    assert_int_equal(aw_wait(t, 2, AW_ALL_COMPLETED, .timeout = 0.11), 1);
    assert_time(aw_time() - began, 0.11);
    assert_true(aw_done(t[0]));
    assert_false(aw_done(t[1]));
    assert_int_equal(aw_cancelling(t[1]), 0);
    assert_int_equal(aw_wait(t, 2, AW_ALL_COMPLETED, .timeout = 100), 2);
    assert_time(aw_time() - began, 0.2);
    assert_int_equal(aw_join(t[0]), 1);
    assert_int_equal(aw_join(t[1]), 2);
}

TEST_IN_LOOP(TASK_043_a_negative_limit_looks_and_returns)
{
    aw_task *t[2] = {aw_create_task(give, INT(1)), aw_create_task(sleep_long, NULL)};
    assert_int_equal(aw_wait(t, 2, AW_ALL_COMPLETED, .timeout = -1), 0);
    passes(1);
    double began = aw_time();
    assert_int_equal(aw_wait(t, 2, AW_ALL_COMPLETED, .timeout = -1), 1);
    assert_time(aw_time() - began, 0);
    assert_true(aw_cancel(t[1]));
    assert_int_equal(aw_join(t[0]), 1);
    assert_int_equal(aw_join(t[1]), -ECANCELED);
}

struct group {
    aw_future *fs[20];
    size_t n;
    enum aw_wait_when when;
};

static int wait_for_group(void *arg)
{
    struct group *g = arg;
    return aw_wait(g->fs, g->n, g->when);
}

/* TASK-044: Cancelling a task that is in a wait gives it -ECANCELED and leaves what it waited for
 * running. */
TEST_IN_LOOP(TASK_044_cancelled_wait)
{
    struct group g = {.n = 2, .when = AW_ALL_COMPLETED};
    g.fs[0] = aw_create_task(give_later, LATER(1, 1));
    g.fs[1] = aw_create_task(give_later, LATER(2, 2));
    aw_task *t = aw_create_task(wait_for_group, &g);
    passes(1);
    assert_true(aw_cancel(t, .msg = "stop waiting"));
    passes(1);
    assert_true(aw_cancelled(t));
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_string_equal(aw_errmsg(), "stop waiting");
    for (int i = 0; i < 2; i++) {
        assert_false(aw_done(g.fs[i]));
        assert_int_equal(aw_cancelling(g.fs[i]), 0);
        assert_int_equal(aw_join(g.fs[i]), i + 1);
    }
}

/* ---- what no behaviour names ---- */

TEST_IN_LOOP(task_wait_for_the_first_completed)
{
    double began = aw_time();
    aw_task *t[2] = {aw_create_task(give_later, LATER(3, 1)),
                     aw_create_task(give_later, LATER(1, -EIO))};
    assert_int_equal(aw_wait(t, 2, AW_FIRST_COMPLETED), 1);
    assert_time(aw_time() - began, 1);
    assert_int_equal(aw_join(t[1]), -EIO);
    assert_int_equal(aw_join(t[0]), 1);
}

TEST_IN_LOOP(task_wait_for_what_is_done_does_not_suspend)
{
    aw_future *f[2] = {aw_future_new(), aw_future_new()};
    assert_int_equal(aw_set_result(f[1], 1, NULL), 0);
    assert_int_equal(aw_call_soon(note_it, "c"), 0);
    assert_int_equal(aw_wait(f, 2, AW_FIRST_COMPLETED), 1);
    assert_int_equal(aw_set_result(f[0], 1, NULL), 0);
    assert_int_equal(aw_wait(f, 2, AW_ALL_COMPLETED), 2);
    assert_int_equal(aw_wait(f, 2, AW_FIRST_ERROR), 2);
    assert_trace("");
    passes(1);
    aw_unref(f[0]);
    aw_unref(f[1]);
}

TEST_IN_LOOP(task_wait_for_many)
{
    enum { MANY = 200 };
    static struct later l[MANY];
    static aw_task *t[MANY];
    for (int i = 0; i < MANY; i++) {
        l[i] = (struct later){.seconds = MANY - i, .result = i};
        t[i] = aw_create_task(give_later, &l[i]);
    }
    double began = aw_time();
    assert_int_equal(aw_wait(t, MANY, AW_FIRST_COMPLETED), 1);
    assert_time(aw_time() - began, 1);
    assert_int_equal(aw_wait(t, MANY, AW_ALL_COMPLETED, .timeout = 99), 100);
    assert_time(aw_time() - began, 100);
    assert_int_equal(aw_wait(t, MANY, AW_ALL_COMPLETED), MANY);
    assert_time(aw_time() - began, MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(aw_join(t[i]), i);
}

TEST_IN_LOOP(task_wait_for_the_same_future_twice)
{
    aw_future *f = aw_future_new();
    aw_future *twice[3] = {f, f, f};
    assert_int_equal(aw_call_soon(note_it, "c"), 0);
    assert_int_equal(aw_wait(twice, 3, AW_ALL_COMPLETED, .timeout = -1), 0);
    aw_task *t = aw_create_task(wait_for_group,
                                &((struct group){.fs = {f, f}, .n = 2, .when = AW_ALL_COMPLETED}));
    passes(1);
    assert_int_equal(aw_set_result(f, 1, NULL), 0);
    assert_true(aw_join(t) > 0);
    aw_unref(f);
}

static int wait_without_memory(void *arg)
{
    struct group g = {.n = 9, .when = AW_ALL_COMPLETED};
    (void)arg;
    for (int i = 0; i < 9; i++)
        g.fs[i] = aw_future_new();
    aw_completed it = AW_COMPLETED_INIT;
    memory.failing = true;
    assert_int_equal(aw_wait(g.fs, 9, AW_ALL_COMPLETED, .timeout = 1), -ENOMEM);
    assert_int_equal(aw_completed_enter(&it, g.fs, 9), -ENOMEM);
    /* Eight need none, and neither does any other way of awaiting one. */
    assert_int_equal(aw_wait(g.fs, 8, AW_ALL_COMPLETED, .timeout = 1), 0);
    assert_int_equal(aw_completed_enter(&it, g.fs, 8, .timeout = 1), 0);
    aw_future *f = NULL;
    assert_int_equal(aw_completed_next(&it, &f), -ETIMEDOUT);
    assert_int_equal(aw_completed_exit(&it, 0), 0);
    assert_int_equal(aw_sleep(1), 0);
    assert_int_equal(aw_wait_for(g.fs[0], 1), -ETIMEDOUT);
    assert_int_equal(aw_await(g.fs[0]), -ECANCELED);
    assert_int_equal(aw_timeout_call(1, sleep_long, NULL), -ETIMEDOUT);
    memory.failing = false;
    for (int i = 0; i < 9; i++)
        aw_unref(g.fs[i]);
    return 0;
}

TEST(task_awaiting_needs_no_memory_up_to_eight)
{
    count_memory();
    assert_int_equal(aw_run(wait_without_memory, NULL), 0);
    assert_int_equal(memory.live, 0);
}

/* Waits that end together with what they wait for, in every order within one pass. */
TEST_IN_LOOP(task_wait_cancelled_in_the_pass_of_completion)
{
    for (int order = 0; order < 2; order++) {
        struct group g = {.fs = {aw_future_new(), aw_future_new()}, .n = 2};
        g.when = AW_FIRST_COMPLETED;
        aw_task *t = aw_create_task(wait_for_group, &g);
        passes(1);
        if (order == 0)
            assert_true(aw_cancel(t));
        assert_int_equal(aw_set_result(g.fs[0], 1, NULL), 0);
        if (order == 1)
            assert_true(aw_cancel(t));
        assert_int_equal(aw_join(t), -ECANCELED);
        assert_int_equal(aw_result(g.fs[0]), 1);
        assert_false(aw_done(g.fs[1]));
        assert_int_equal(aw_set_result(g.fs[1], 1, NULL), 0); /* nobody is told any more */
        passes(1);
        aw_unref(g.fs[0]);
        aw_unref(g.fs[1]);
    }
}
