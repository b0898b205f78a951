/*
 * Task groups: entering, starting children, waiting for them, and what goes wrong with that.
 */
#include "grp_util.h"

/* GRP-001: Leaving a group waits for every child; their results can be read afterwards. */
TEST_IN_LOOP(GRP_001_leaving_waits_for_every_child)
{
    aw_task *a, *b;
    aw_group g = AW_GROUP_INIT;
    double began = aw_time();
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, give_later, LATER(1, 42), .ret_task = &a), 0);
    assert_int_equal(aw_group_start(&g, give_later, LATER(2, 11), .ret_task = &b), 0);
    assert_int_equal(aw_group_exit(&g, 0), 0);
    assert_time(aw_time() - began, 2);
    assert_int_equal(aw_result(a), 42);
    assert_int_equal(aw_result(b), 11);
    assert_int_equal(aw_all_tasks(NULL, 0), 1);
    aw_unref(a);
    aw_unref(b);
}

/* GRP-002: A child that joins after the body has slept is waited for like the others. */
TEST_IN_LOOP(GRP_002_late_child_is_waited_for)
{
    aw_group g = AW_GROUP_INIT;
    double began = aw_time();
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(start_child(&g, CHILD('a', 1, 0)), 0);
    assert_int_equal(aw_sleep(1.5), 0);
    assert_int_equal(start_child(&g, CHILD('b', 2, 0)), 0);
    assert_int_equal(aw_group_exit(&g, 0), 0);
    assert_time(aw_time() - began, 3.5);
    assert_trace("aAbB");
}

/* A child that is cancelled by itself is no failure: its siblings go on, and so does the body. */
TEST_IN_LOOP(group_cancelled_child_is_no_failure)
{
    aw_task *t;
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, child, CHILD('a', 9, 0), COPIED, .ret_task = &t), 0);
    assert_int_equal(start_child(&g, CHILD('b', 2, 0)), 0);
    assert_int_equal(aw_group_start(&g, give, INT(-ECANCELED)), 0); /* without a request, too */
    assert_int_equal(aw_sleep(1), 0);
    assert_true(aw_cancel(t));
    assert_int_equal(start_child(&g, CHILD('c', 2, 0)), 0);
    assert_int_equal(aw_group_exit(&g, 7), 7);
    assert_true(aw_cancelled(t));
    assert_trace("ab-cBC");
    assert_uncancelled();
    aw_unref(t);
}

static int fails_among_siblings(void *arg)
{
    aw_task **sibling = arg;
    aw_group g = AW_GROUP_INIT;
    AW_TRY(aw_group_enter(&g));
    assert_int_equal(start_child(&g, CHILD('a', 1, -EIO)), 0);
    assert_int_equal(aw_group_start(&g, child, CHILD('b', 9, 0), COPIED, .ret_task = sibling), 0);
    AW_TRY(aw_group_exit(&g, 0));
    note('!');
    return 0;
}

/* GRP-003: A child's error cancels its siblings and ends the group with AW_EGROUP, which holds just
 * that error; what follows the group is not reached. */
TEST_IN_LOOP(GRP_003_error_of_a_child)
{
    aw_task *sibling = NULL;
    double began = aw_time();
    assert_int_equal(aw_join(aw_create_task(fails_among_siblings, &sibling)), AW_EGROUP);
    assert_failures(-EIO);
    assert_trace("abA-");
    assert_true(aw_cancelled(sibling));
    assert_time(aw_time() - began, 1);
    aw_unref(sibling);
}

static int blocked_body(aw_group *g, void *arg)
{
    (void)arg;
    assert_int_equal(start_child(g, CHILD('a', 1, -EIO)), 0);
    assert_int_equal(start_child(g, CHILD('b', 9, 0)), 0);
    int err = aw_sleep(10);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(aw_cancelling(aw_current_task()), 1);
    note('*');
    return err;
}

/* GRP-004: A child's error cancels a body that is blocked: that sees -ECANCELED, and still the
 * group ends with AW_EGROUP. */
TEST_IN_LOOP(GRP_004_error_of_a_child_cancels_the_body)
{
    aw_group g = AW_GROUP_INIT;
    double began = aw_time();
    assert_int_equal(aw_group_call(&g, blocked_body, NULL), AW_EGROUP);
    assert_failures(-EIO);
    assert_time(aw_time() - began, 1);
    assert_trace("abA-*");
    assert_uncancelled();
}

static int fails_by_itself(aw_group *g, void *arg)
{
    aw_task **t = arg;
    assert_int_equal(aw_group_start(g, child, CHILD('a', 5, 0), COPIED, .ret_task = &t[0]), 0);
    assert_int_equal(aw_group_start(g, child, CHILD('b', 6, 0), COPIED, .ret_task = &t[1]), 0);
    AW_TRY(aw_sleep(1));
    return -ENOENT;
}

/* GRP-007: An error of the body cancels every child and comes out inside AW_EGROUP. */
TEST_IN_LOOP(GRP_007_error_of_the_body)
{
    aw_task *t[2];
    aw_group g = AW_GROUP_INIT;
    double began = aw_time();
    assert_int_equal(aw_group_call(&g, fails_by_itself, t), AW_EGROUP);
    assert_failures(-ENOENT);
    assert_string_equal(failure(0)->name, "main");
    assert_trace("ab--");
    assert_time(aw_time() - began, 1);
    for (int i = 0; i < 2; i++) {
        assert_true(aw_cancelled(t[i]));
        aw_unref(t[i]);
    }
    assert_uncancelled();
}

static int fails_at_once(aw_group *g, void *arg)
{
    aw_task **t = arg;
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            aw_group_start(g, note_it, "x", .ret_task = &t[i], .release = note_release), 0);
    return -ENOENT;
}

/* GRP-008: If the body fails before the loop runs again, its children end cancelled without ever
 * having run; what was to be released with them is. */
TEST_IN_LOOP(GRP_008_children_that_never_began)
{
    aw_task *t[3];
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_call(&g, fails_at_once, t), AW_EGROUP);
    assert_failures(-ENOENT);
    assert_trace("xxx"); /* the releases */
    for (int i = 0; i < 3; i++) {
        assert_true(aw_cancelled(t[i]));
        aw_unref(t[i]);
    }
}

/* GRP-014: A group lets go of its children as they end: the number of live ones falls while it is
 * open, down to 0. */
TEST_IN_LOOP(GRP_014_number_of_live_children)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_alive(&g), 0);
    assert_int_equal(aw_group_enter(&g), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(
            aw_group_start(&g, give_later, LATER(1 + i, 0), .copy = sizeof(struct later)), 0);
    assert_int_equal(aw_sleep(0.5), 0);
    for (int i = 5; i >= 0; i--) {
        assert_int_equal(aw_group_alive(&g), i);
        assert_int_equal(aw_all_tasks(NULL, 0), i + 1); /* and nothing else keeps them */
        assert_int_equal(aw_sleep(1), 0);
    }
    assert_int_equal(aw_group_exit(&g, 0), 0);
    assert_int_equal(aw_group_alive(&g), 0);
    assert_int_equal(aw_group_alive(NULL), 0);
}

static const aw_local name_of_the_day = AW_LOCAL_INIT("name of the day", NULL);

static int tell_name_and_value(void *arg)
{
    note(*aw_task_name(aw_current_task()));
    note(*(const char *)aw_local_get(&name_of_the_day));
    return give(arg);
}

/* GRP-016: A name and task-local values that are given for a child reach it. */
TEST_IN_LOOP(GRP_016_name_and_values)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_local_set(&name_of_the_day, "x"), 0);
    aw_context *c = aw_copy_context();
    assert_int_equal(aw_local_set(&name_of_the_day, "y"), 0);
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, tell_name_and_value, NULL, .name = "anna"), 0);
    assert_int_equal(aw_group_start(&g, tell_name_and_value, NULL, .name = "bert", .context = c),
                     0);
    assert_int_equal(aw_group_exit(&g, 0), 0);
    assert_trace("aybx");
    aw_context_unref(c);
}

/* GRP-018: Entering a group a second time fails with AW_EMISUSE, while it is open and after it. */
TEST_IN_LOOP(GRP_018_entered_twice)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(start_child(&g, CHILD('a', 1, 0)), 0);
    assert_int_equal(aw_group_enter(&g), AW_EMISUSE);
    assert_int_equal(aw_group_call(&g, blocked_body, NULL), AW_EMISUSE);
    assert_int_equal(aw_group_exit(&g, 0), 0); /* that did no harm */
    assert_trace("aA");
    assert_int_equal(aw_group_enter(&g), AW_EMISUSE);
    assert_int_equal(aw_group_call(&g, blocked_body, NULL), AW_EMISUSE);
    assert_int_equal(aw_group_exit(&g, 0), AW_EMISUSE);
    assert_int_equal(aw_group_exit(&g, -EIO), -EIO);
}

/* GRP-019: Starting a child in a group that was not entered fails with AW_EMISUSE; the argument is
 * still the caller's. */
TEST_IN_LOOP(GRP_019_not_entered)
{
    aw_group g = AW_GROUP_INIT;
    aw_task *t = NULL;
    assert_int_equal(aw_group_start(&g, note_it, "a", .release = note_release, .ret_task = &t),
                     AW_EMISUSE);
    assert_int_equal(aw_group_exit(&g, 0), AW_EMISUSE);
    aw_group_cancel(&g);
    passes(2);
    assert_trace("");
    assert_null(t);
    assert_int_equal(aw_all_tasks(NULL, 0), 1);
}

static int enter_outside_a_task(void *arg)
{
    assert_int_equal(aw_group_enter((aw_group *)arg), AW_EMISUSE);
    assert_int_equal(aw_group_call((aw_group *)arg, blocked_body, NULL), AW_EMISUSE);
    assert_int_equal(aw_group_exit(arg, 0), AW_EMISUSE);
    note('c');
    return 0;
}

static int group_afterwards(void *arg)
{
    aw_group *g = arg;
    assert_int_equal(aw_call_soon(enter_outside_a_task, g), 0);
    passes(2);
    assert_int_equal(aw_group_enter(g), 0); /* it is still fresh */
    assert_int_equal(start_child(g, CHILD('a', 1, 0)), 0);
    return aw_group_exit(g, 3);
}

/* GRP-020: Entering a group outside any task fails with AW_EMISUSE, and the group still counts as
 * not entered. */
TEST(GRP_020_entered_outside_a_task)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(enter_outside_a_task(&g), 0); /* without a loop */
    assert_int_equal(aw_run(group_afterwards, &g), 3);
    assert_trace("ccaA");
}

/* ---- aw_group_call ---- */

static int start_two(aw_group *g, void *arg)
{
    assert_int_equal(start_child(g, CHILD('a', 1, 5)), 0);
    assert_int_equal(start_child(g, CHILD('b', 2, 6)), 0);
    assert_int_equal(aw_group_alive(g), 2);
    note('*');
    return give(arg);
}

TEST_IN_LOOP(group_call_returns_what_the_body_does)
{
    double began = aw_time();
    aw_task *me = aw_current_task();
    assert_int_equal(aw_group_call(&(aw_group)AW_GROUP_INIT, start_two, INT(9)), 9);
    assert_ptr_equal(aw_current_task(), me);
    assert_trace("*abAB");
    assert_time(aw_time() - began, 2);
    assert_int_equal(aw_group_call(&(aw_group)AW_GROUP_INIT, start_two, INT(0)), 0);
    assert_int_equal(failures(), 0);
}

TEST_IN_LOOP(group_call_with_nothing)
{
    aw_group_body *no_body = NULL;
    aw_group *no_group = NULL;
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_call(&g, no_body, NULL), -EINVAL);
    assert_int_equal(aw_group_call(no_group, start_two, NULL), -EINVAL);
    assert_int_equal(aw_group_enter(no_group), -EINVAL);
    assert_int_equal(aw_group_start(no_group, note_it, "a"), -EINVAL);
    assert_int_equal(aw_group_exit(NULL, 0), AW_EMISUSE);
    assert_int_equal(aw_group_exit(NULL, -EIO), -EIO); /* of the enter that failed */
    aw_group_cancel(NULL);
    aw_group_unwrap(NULL);
    assert_trace("");
    assert_int_equal(aw_group_call(&g, start_two, INT(4)), 4); /* it stayed fresh */
}

static int do_nothing(aw_group *g, void *arg)
{
    (void)g;
    return give(arg);
}

TEST_IN_LOOP(group_without_children_does_not_suspend)
{
    assert_int_equal(aw_call_soon(note_it, "c"), 0);
    assert_int_equal(aw_group_call(&(aw_group)AW_GROUP_INIT, do_nothing, INT(8)), 8);
    assert_int_equal(aw_group_call(&(aw_group)AW_GROUP_INIT, do_nothing, INT(-ECANCELED)),
                     -ECANCELED);
    assert_int_equal(aw_group_call(&(aw_group)AW_GROUP_INIT, do_nothing, INT(-EIO)), AW_EGROUP);
    assert_failures(-EIO);
    assert_trace("");
    assert_uncancelled();
}
