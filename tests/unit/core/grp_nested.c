/*
 * Groups inside groups, inside time limits and inside gathers: whose failure is whose, and how
 * often the task was asked to end.
 */
#include "grp_util.h"

static int fails_to_clean_up(void *arg)
{
    aw_ignore(aw_sleep(1000));
    return give(arg);
}

static int inner_of_twelve(aw_group *g, void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        assert_int_equal(aw_group_start(g, fails_to_clean_up, INT(-EIO)), 0);
    return aw_sleep(10);
}

static int twelve(void *arg)
{
    aw_group outer = AW_GROUP_INIT, inner = AW_GROUP_INIT;
    AW_TRY(aw_group_enter(&outer));
    assert_int_equal(start_child(&outer, CHILD('a', 10, 0)), 0);
    int err = aw_group_call(&inner, inner_of_twelve, arg);
    assert_int_equal(err, AW_EGROUP);
    assert_failures(-EIO, -EIO, -EIO);
    err = aw_group_exit(&outer, err);
    assert_int_equal(aw_cancelling(aw_current_task()), 1);
    return err;
}

/* GRP-009: The task is cancelled and the children of the inner group fail in their cleanup: a
 * sleeping child of the outer group is cancelled too, and the outer group ends with the wrapped
 * error. */
TEST_IN_LOOP(GRP_009_children_that_fail_in_their_cleanup)
{
    double began = aw_time();
    aw_task *t = aw_create_task(twelve, NULL);
    assert_int_equal(aw_sleep(1), 0);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_await(t), AW_EGROUP);
    assert_failures(AW_EGROUP); /* the inner group's, as the error of the outer one's body */
    assert_trace("a-");
    assert_time(aw_time() - began, 1);
    aw_unref(t);
}

/* GRP-010: A child of the outer group fails while the inner one is waited for: the inner group's
 * children are cancelled quietly, and the outer error holds only the outer child's. */
TEST_IN_LOOP(GRP_010_outer_child_fails)
{
    aw_group outer = AW_GROUP_INIT, inner = AW_GROUP_INIT;
    double began = aw_time();
    assert_int_equal(aw_group_enter(&outer), 0);
    assert_int_equal(start_child(&outer, CHILD('a', 1, -EIO)), 0);
    assert_int_equal(aw_group_enter(&inner), 0);
    assert_int_equal(start_child(&inner, CHILD('b', 10, -ENOENT)), 0);
    assert_int_equal(aw_group_exit(&inner, 0), -ECANCELED);
    assert_int_equal(aw_cancelling(aw_current_task()), 1); /* the outer group's request */
    assert_int_equal(aw_group_exit(&outer, -ECANCELED), AW_EGROUP);
    assert_failures(-EIO);
    assert_trace("abA-");
    assert_time(aw_time() - began, 1);
    assert_uncancelled();
}

static int pass_on(aw_group *g, void *arg)
{
    assert_int_equal(start_child(g, CHILD('b', 1, -ENOENT)), 0);
    (void)arg;
    return 0;
}

static int outer_of_fourteen(aw_group *g, void *arg)
{
    assert_int_equal(start_child(g, CHILD('a', 10, -EIO)), 0);
    return aw_group_call(&(aw_group)AW_GROUP_INIT, pass_on, arg);
}

/* The other way round: the inner group's AW_EGROUP is the error of the outer one's body. */
TEST_IN_LOOP(group_inner_child_fails)
{
    assert_int_equal(aw_group_call(&(aw_group)AW_GROUP_INIT, outer_of_fourteen, NULL), AW_EGROUP);
    assert_failures(AW_EGROUP);
    assert_non_null(strstr(failure(0)->msg, "ENOENT"));
    assert_trace("abB-");
    assert_uncancelled();
}

/* GRP-021: A child of an inner and one of an outer group fail in the same pass: the count is 1
 * between the ends of the two groups and 0 after the outer one's. */
TEST_IN_LOOP(GRP_021_inner_and_outer_child_fail_together)
{
    for (int order = 0; order < 2; order++) {
        aw_group outer = AW_GROUP_INIT, inner = AW_GROUP_INIT;
        aw_group *first = order ? &outer : &inner, *second = order ? &inner : &outer;
        assert_int_equal(aw_group_enter(&outer), 0);
        assert_int_equal(aw_group_enter(&inner), 0);
        assert_int_equal(aw_group_start(first, give_later, LATER(1, -EIO)), 0);
        assert_int_equal(aw_group_start(second, give_later, LATER(1, -EIO)), 0);
        assert_int_equal(aw_group_exit(&inner, 0), AW_EGROUP);
        assert_failures(-EIO);
        assert_int_equal(aw_cancelling(aw_current_task()), 1);
        assert_int_equal(aw_group_exit(&outer, 0), AW_EGROUP);
        assert_failures(-EIO);
        assert_uncancelled();
    }
}

/* The request that the outer group made comes after the inner one: -ECANCELED at the next
 * suspension between the two, which the outer one takes back. */
TEST_IN_LOOP(group_outer_request_arrives_between_the_groups)
{
    aw_group outer = AW_GROUP_INIT, inner = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&outer), 0);
    assert_int_equal(aw_group_enter(&inner), 0);
    assert_int_equal(aw_group_start(&inner, give_later, LATER(1, -EIO)), 0);
    assert_int_equal(aw_group_start(&outer, give_later, LATER(1, -EIO)), 0);
    assert_int_equal(aw_group_exit(&inner, 0), AW_EGROUP);
    assert_int_equal(aw_sleep(1), -ECANCELED);
    assert_int_equal(aw_group_exit(&outer, -ECANCELED), AW_EGROUP);
    assert_failures(-EIO);
    assert_uncancelled();
}

/* ---- groups and time limits ---- */

static int a_child_that_sleeps(aw_group *g, void *arg)
{
    (void)arg;
    return start_child(g, CHILD('a', 9, 0));
}

static int group_in_a_limit(void *arg)
{
    int err = aw_group_call(&(aw_group)AW_GROUP_INIT, a_child_that_sleeps, arg);
    note(err == -ECANCELED ? '!' : '?');
    return err;
}

TEST_IN_LOOP(group_inside_a_limit_that_expires)
{
    double began = aw_time();
    assert_int_equal(aw_timeout_call(2, group_in_a_limit, NULL), -ETIMEDOUT);
    assert_trace("a-!");
    assert_time(aw_time() - began, 2);
    assert_uncancelled();
}

static int limit_in_a_group(void *arg)
{
    int err = aw_timeout_call(2, sleep_long, arg);
    note(err == -ETIMEDOUT ? 't' : err == -ECANCELED ? '!' : '?');
    return err;
}

TEST_IN_LOOP(group_child_that_runs_out_of_time)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, limit_in_a_group, NULL), 0);
    assert_int_equal(start_child(&g, CHILD('a', 9, 0)), 0);
    assert_int_equal(aw_group_exit(&g, 0), AW_EGROUP); /* a time limit is a failure like others */
    assert_failures(-ETIMEDOUT);
    assert_trace("at-");
    assert_uncancelled();
}

static int group_with_a_limited_body(aw_group *g, void *arg)
{
    assert_int_equal(start_child(g, CHILD('a', 1, -EIO)), 0);
    return limit_in_a_group(arg);
}

/* The limit lies inside: the failure's request is not the limit's, and passes it. */
TEST_IN_LOOP(group_failure_passes_a_limit_of_the_body)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_call(&g, group_with_a_limited_body, NULL), AW_EGROUP);
    assert_failures(-EIO);
    assert_trace("aA!");
    assert_uncancelled();
}

/* A failing child and a limit around the group at the same moment, either one first. */
static int fail_at_two(aw_group *g, void *arg)
{
    return aw_group_start(g, give_later, arg);
}

static int call_fail_at_two(void *arg)
{
    return aw_group_call(&(aw_group)AW_GROUP_INIT, fail_at_two, arg);
}

TEST_IN_LOOP(group_failure_at_the_moment_of_the_limit)
{
    /* The limit was set first: it cancels the child, which gives in. */
    assert_int_equal(aw_timeout_call(2, call_fail_at_two, LATER(2, -EIO)), -ETIMEDOUT);
    assert_uncancelled();
    /* The child failed just before: that wins over the limit. */
    assert_int_equal(aw_timeout_call(2, call_fail_at_two, LATER(1.999, -EIO)), AW_EGROUP);
    assert_failures(-EIO);
    assert_uncancelled();
}

/* ---- groups in a gather ---- */

static int gathered_group(void *arg)
{
    struct child *c = arg;
    aw_group g = AW_GROUP_INIT;
    AW_TRY(aw_group_enter(&g));
    int err = aw_group_start(&g, child, c);
    return aw_group_exit(&g, err);
}

static int gathered_limit(void *arg)
{
    return aw_timeout_call(2, child, arg);
}

TEST_IN_LOOP(group_and_limit_in_a_gather)
{
    double began = aw_time();
    assert_int_equal(aw_gather(AW_CORO(gathered_group, CHILD('a', 1, 0)),
                               AW_CORO(gathered_limit, CHILD('b', 1, 0))),
                     0);
    assert_trace("baBA"); /* the limit's runs in the gather's child itself */
    assert_time(aw_time() - began, 1);
    /* The group's failure is the gather's, with everything behind it. */
    assert_int_equal(aw_gather(AW_CORO(gathered_group, CHILD('c', 1, -EIO)),
                               AW_CORO(gathered_limit, CHILD('d', 5, 0))),
                     AW_EGROUP);
    assert_failures(-EIO);
    assert_trace("baBAdcC-");
    assert_int_equal(aw_gather(AW_CORO(gathered_group, CHILD('e', 9, 0)),
                               AW_CORO(gathered_limit, CHILD('f', 9, 0))),
                     -ETIMEDOUT);
    assert_trace("baBAdcC-fe--");
    assert_uncancelled();
}

static int gather_in_a_group(void *arg)
{
    (void)arg;
    return aw_gather(AW_CORO(child, CHILD('a', 9, 0)), AW_CORO(child, CHILD('b', 1, -EIO)));
}

TEST_IN_LOOP(group_with_a_gather_as_child)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, gather_in_a_group, NULL), 0);
    assert_int_equal(start_child(&g, CHILD('c', 9, 0)), 0);
    assert_int_equal(aw_group_exit(&g, 0), AW_EGROUP);
    assert_failures(-EIO);
    assert_int_equal(strlen(trace), 6);
    assert_uncancelled();
}

/* ---- deep ---- */

static int level(void *arg)
{
    int depth = give(arg);
    if (depth == 0)
        return aw_sleep(1) < 0 ? -EINTR : -EIO;
    aw_group g = AW_GROUP_INIT;
    AW_TRY(aw_group_enter(&g));
    int err = aw_group_start(&g, level, INT(depth - 1));
    return aw_group_exit(&g, err);
}

/* Every level wraps the failure of the one below, and letting go of the last unwinds them all. */
TEST_IN_LOOP(group_failure_through_many_levels)
{
    unsigned depth = test_scale(3000, 300);
    assert_int_equal(aw_join(aw_create_task(level, INT(depth))), AW_EGROUP);
    assert_failures(AW_EGROUP);
    assert_int_equal(aw_join(aw_create_task(give, INT(-EPERM))), -EPERM); /* frees the failures */
    assert_int_equal(failures(), 0);
}

static int free_deep_failure(void *arg)
{
    assert_int_equal(aw_join(aw_create_task(level, arg)), AW_EGROUP);
    return 0; /* nobody has a handle: what the task kept goes while it is still on its stack */
}

TEST_IN_LOOP(group_failure_through_many_levels_is_freed_on_a_small_stack)
{
    unsigned depth = test_scale(3000, 300);
    assert_int_equal(aw_spawn(free_deep_failure, INT(depth), .stack_size = 32768), 0);
    assert_int_equal(aw_sleep(5), 0);
    assert_int_equal(aw_all_tasks(NULL, 0), 1);
}

static int cancelled_level(void *arg)
{
    int depth = give(arg);
    if (depth == 0)
        return sleep_long(NULL);
    aw_group g = AW_GROUP_INIT;
    AW_TRY(aw_group_enter(&g));
    int err = aw_group_start(&g, cancelled_level, INT(depth - 1));
    return aw_group_exit(&g, err);
}

TEST_IN_LOOP(group_cancellation_through_many_levels)
{
    int depth = (int)test_scale(900, 300);
    aw_task *t = aw_create_task(cancelled_level, INT(depth));
    assert_int_equal(aw_sleep(1), 0);
    assert_int_equal(aw_all_tasks(NULL, 0), depth + 2);
    assert_true(aw_cancel(t, .msg = "all the way down"));
    assert_int_equal(aw_await(t), -ECANCELED);
    assert_string_equal(aw_errmsg(), "all the way down");
    assert_int_equal(aw_all_tasks(NULL, 0), 1);
    aw_unref(t);
}
