/*
 * When a child's failure takes effect: in the pass after it, as asyncio's done callbacks do, before
 * anybody who awaits that child goes on.
 */
#include "grp_util.h"

static int await_and_answer(void *arg)
{
    AW_TRY(aw_await(arg));
    return -EIO;
}

static int set_it(void *arg)
{
    return aw_set_result(arg, 0, NULL);
}

TEST_IN_LOOP(group_failures_in_one_pass_are_all_told)
{
    aw_group g = AW_GROUP_INIT;
    aw_future *f = aw_future_new();
    assert_int_equal(aw_group_enter(&g), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(aw_group_start(&g, await_and_answer, f), 0);
    assert_int_equal(start_child(&g, CHILD('a', 9, 0)), 0);
    assert_int_equal(aw_call_later(1, set_it, f), 0);
    assert_int_equal(aw_await(f), 0);                       /* the body, in the same pass, */
    assert_int_equal(aw_group_alive(&g), 4);                /* sees nothing yet, */
    assert_int_equal(start_child(&g, CHILD('b', 9, 0)), 0); /* and may start another child */
    assert_int_equal(aw_group_exit(&g, 0), AW_EGROUP);
    assert_failures(-EIO, -EIO, -EIO);
    assert_trace("ab--");
    assert_uncancelled();
    aw_unref(f);
}

TEST_IN_LOOP(group_failures_at_the_same_time_are_all_told)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(start_child(&g, CHILD('a', 1, -2000 - i)), 0);
    assert_int_equal(aw_group_exit(&g, 0), AW_EGROUP);
    assert_int_equal(failures(), 20);
    for (int i = 0; i < 20; i++)
        assert_int_equal(failure(i)->code, -2000 - i);
    assert_uncancelled();
}

/* Whoever awaits the child that failed is cancelled first, so that one failure is told once. */
TEST_IN_LOOP(group_body_that_awaits_the_failing_child)
{
    aw_task *t;
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, give_later, LATER(1, -EIO), .ret_task = &t), 0);
    int err = aw_await(t);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(aw_group_exit(&g, err), AW_EGROUP);
    assert_failures(-EIO);
    assert_int_equal(aw_join(t), -EIO);
    assert_uncancelled();
}

static int await_sibling(void *arg)
{
    int err = aw_await(arg);
    note(err == -ECANCELED ? 'c' : '?');
    return err;
}

TEST_IN_LOOP(group_sibling_that_awaits_the_failing_child)
{
    aw_task *t;
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, give_later, LATER(1, -EIO), .ret_task = &t), 0);
    assert_int_equal(aw_group_start(&g, await_sibling, t), 0);
    assert_int_equal(aw_group_exit(&g, 0), AW_EGROUP);
    assert_failures(-EIO);
    assert_trace("c");
    aw_unref(t);
}

TEST_IN_LOOP(group_left_in_the_pass_of_the_failure)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, give, INT(-EIO)), 0);
    assert_int_equal(aw_sleep(0), 0);
    assert_int_equal(aw_group_alive(&g), 1); /* it has ended, and does not count as that yet */
    assert_int_equal(aw_group_exit(&g, 7), AW_EGROUP);
    assert_failures(-EIO);
    assert_uncancelled();
}

TEST_IN_LOOP(group_start_beside_an_eager_child_that_failed)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, give, INT(-EIO), .eager = true), 0);
    assert_int_equal(aw_group_start(&g, child, CHILD('a', 9, 0), COPIED, .eager = true), 0);
    assert_int_equal(aw_group_start(&g, give, INT(-ENOENT), .eager = true), 0);
    assert_int_equal(aw_group_exit(&g, 0), AW_EGROUP);
    assert_failures(-EIO, -ENOENT);
    assert_trace("a-");
    assert_uncancelled();
}

/* A cancellation from outside in that same pass is not lost, and neither is the failure. */
static int group_of_one(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    AW_TRY(aw_group_enter(&g));
    int err = aw_group_start(&g, give_later, arg);
    err = aw_group_exit(&g, err);
    note(err == AW_EGROUP ? 'g' : err == -ECANCELED ? 'c' : '?');
    return aw_sleep(1);
}

static int cancel_it(void *arg)
{
    return aw_cancel((aw_task *)arg) ? 0 : -EINVAL;
}

TEST_IN_LOOP(group_cancelled_in_the_pass_of_the_failure)
{
    for (int order = 0; order < 2; order++) {
        aw_task *t = aw_create_task(group_of_one, LATER(1, -EIO), .eager = order == 0);
        if (order == 0)
            passes(1); /* now the child's timer is the first of the two */
        assert_int_equal(aw_call_later(1, cancel_it, t), 0);
        assert_int_equal(aw_await(t), -ECANCELED);
        assert_int_equal(aw_cancelling(t), 1);
        aw_unref(t);
    }
    assert_trace("gg");
}
