/*
 * Blocks that leave their scope by themselves: on every way out.
 */
#include "util.h"

#include <math.h>

enum way { TO_THE_END, BY_BREAK, BY_CONTINUE, BY_GOTO, BY_RETURN };

/* ---- time limits ---- */

static int outcome; /* of the block that was left last */

static int left_limit(enum way way, double limit, double seconds)
{
    outcome = 999;
    for (int i = 0; i < 2; i++) {
        if (i == 1) {
            note('i');
            return outcome;
        }
        AW_TIMEOUT_BLOCK(tm, limit, &outcome);
        if (outcome < 0)
            return outcome;
        outcome = aw_sleep(seconds);
        if (way == BY_BREAK)
            break;
        if (way == BY_CONTINUE)
            continue;
        if (way == BY_GOTO)
            goto out;
        if (way == BY_RETURN)
            return 77;
    }
    note('b');
    return outcome;
out:
    note('g');
    return outcome;
}

static void assert_nothing_left(void)
{
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    assert_int_equal(aw_sleep(1000), 0);
}

TEST_IN_LOOP(scope_timeout_block_in_time)
{
    for (enum way way = TO_THE_END; way <= BY_RETURN; way++) {
        int result = left_limit(way, 2, 1);
        assert_int_equal(result, way == BY_RETURN ? 77 : 0);
        assert_int_equal(outcome, 0);
        assert_nothing_left();
    }
    assert_trace("ibig");
}

TEST_IN_LOOP(scope_timeout_block_that_expires)
{
    for (enum way way = TO_THE_END; way <= BY_RETURN; way++) {
        double began = aw_time();
        int result = left_limit(way, 1, 2);
        assert_time(aw_time() - began, 1);
        /* What `return` returns was settled before the limit was left. */
        assert_int_equal(result, way == BY_RETURN ? 77 : -ETIMEDOUT);
        assert_int_equal(outcome, -ETIMEDOUT);
        assert_nothing_left();
    }
}

TEST_IN_LOOP(scope_timeout_block_that_cannot_be_entered)
{
    assert_int_equal(left_limit(TO_THE_END, (double)NAN, 1), -EINVAL);
    assert_int_equal(outcome, -EINVAL);
}

static int block_outside_a_task(void *arg)
{
    (void)arg;
    assert_int_equal(left_limit(TO_THE_END, 1, 1), AW_EMISUSE);
    note('o');
    return 0;
}

TEST_IN_LOOP(scope_timeout_block_outside_a_task)
{
    assert_int_equal(aw_call_soon(block_outside_a_task, NULL), 0);
    passes(2);
    assert_trace("o");
}

TEST_IN_LOOP(scope_timeout_block_left_by_hand_or_moved)
{
    int err = 0;
    double began = aw_time();
    {
        AW_TIMEOUT_BLOCK(limit, 1, &err);
        assert_int_equal(err, 0);
        assert_int_equal(aw_timeout_reschedule(&limit.tm, began + 3), 0);
        err = aw_sleep(10);
        assert_true(aw_timeout_expired(&limit.tm));
    }
    assert_int_equal(err, -ETIMEDOUT);
    assert_time(aw_time() - began, 3);
    {
        AW_TIMEOUT_BLOCK(limit, 1, &err);
        err = aw_timeout_exit(&limit.tm, aw_sleep(10));
        assert_int_equal(err, -ETIMEDOUT);
        err = 5; /* it is closed: the end of the block does nothing */
    }
    assert_int_equal(err, 5);
    assert_nothing_left();
}

/* ---- groups ---- */

static int worker(void *arg)
{
    AW_TRY(aw_sleep(1));
    note('w');
    return give(arg);
}

static int left_group(enum way way, int child_result)
{
    outcome = 999;
    for (int i = 0; i < 2; i++) {
        if (i == 1) {
            note('i');
            return outcome;
        }
        AW_GROUP_BLOCK(g, &outcome);
        if (outcome == 0)
            outcome = aw_group_start(&g.group, worker, INT(child_result));
        if (way == BY_BREAK)
            break;
        if (way == BY_CONTINUE)
            continue;
        if (way == BY_GOTO)
            goto out;
        if (way == BY_RETURN)
            return 77;
    }
    note('b');
    return outcome;
out:
    note('g');
    return outcome;
}

TEST_IN_LOOP(scope_group_block_waits_on_every_way_out)
{
    for (enum way way = TO_THE_END; way <= BY_RETURN; way++) {
        double began = aw_time();
        assert_int_equal(left_group(way, 0), way == BY_RETURN ? 77 : 0);
        assert_int_equal(outcome, 0);
        assert_time(aw_time() - began, 1);
        assert_int_equal(aw_all_tasks(NULL, 0), 1);
    }
    assert_trace("wiwbwiwgw");
}

TEST_IN_LOOP(scope_group_block_with_a_failure)
{
    for (enum way way = TO_THE_END; way <= BY_RETURN; way++) {
        const aw_group_error *list;
        int result = left_group(way, -EIO);
        assert_int_equal(result, way == BY_RETURN ? 77 : AW_EGROUP);
        assert_int_equal(outcome, AW_EGROUP);
        assert_int_equal(aw_group_errors(&list), 1);
        assert_int_equal(list->code, -EIO);
        assert_nothing_left();
    }
}

static int fail_inside(int error)
{
    int err = 0;
    {
        AW_GROUP_BLOCK(g, &err);
        aw_group_unwrap(&g.group);
        if (err == 0)
            err = aw_group_start(&g.group, sleep_long, NULL);
        if (err == 0)
            err = error;
    }
    return err;
}

TEST_IN_LOOP(scope_group_block_whose_body_fails)
{
    double began = aw_time();
    assert_int_equal(fail_inside(-ENOENT), -ENOENT);
    assert_int_equal(fail_inside(-ECANCELED), -ECANCELED);
    assert_time(aw_time() - began, 0);
    assert_nothing_left();
}

static int cancelled_in_block(void *arg)
{
    int err = 0;
    {
        AW_TIMEOUT_BLOCK(limit, 100, &err);
        AW_GROUP_BLOCK(g, &err);
        if (err == 0)
            err = aw_group_start(&g.group, sleep_long, arg);
    }
    note(err == -ECANCELED ? 'c' : '?');
    return err;
}

TEST_IN_LOOP(scope_blocks_that_are_cancelled)
{
    aw_task *t = aw_create_task(cancelled_in_block, NULL);
    passes(2);
    assert_true(aw_cancel(t, .msg = "no longer wanted"));
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_string_equal(aw_errmsg(), "no longer wanted");
    assert_trace("c");
}

/* Declared in one block, the later one is left first. */
static int limit_around_group(double limit, int child_result)
{
    int err = 0;
    {
        AW_TIMEOUT_BLOCK(tm, limit, &err);
        AW_GROUP_BLOCK(g, &err);
        if (err == 0)
            err = aw_group_start(&g.group, worker, INT(child_result));
        if (err == 0)
            err = aw_group_start(&g.group, sleep_long, NULL);
    }
    return err;
}

TEST_IN_LOOP(scope_blocks_in_one_another)
{
    assert_int_equal(limit_around_group(0.5, 0), -ETIMEDOUT);
    assert_int_equal(limit_around_group(3, 0), -ETIMEDOUT);
    assert_int_equal(limit_around_group(3, -EIO), AW_EGROUP);
    assert_trace("ww");
    assert_nothing_left();
}

static int group_block_outside_a_task(void *arg)
{
    (void)arg;
    assert_int_equal(left_group(TO_THE_END, 1), AW_EMISUSE);
    return 0;
}

TEST(scope_group_block_outside_a_task)
{
    assert_int_equal(group_block_outside_a_task(NULL), 0); /* without a loop */
    assert_trace("i");
}
