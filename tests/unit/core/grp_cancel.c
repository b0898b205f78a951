/*
 * Task groups and cancellation: of the parent in each of its phases, of the children, and how a
 * request from outside and a failure inside are told apart.
 */
#include "grp_util.h"

/* ---- the parent is cancelled ---- */

/* A task with a group of five sleeping children, all with the name 'a'. */
static int five_children(aw_group *g, void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++)
        assert_int_equal(start_child(g, CHILD('a', 9, 0)), 0);
    return 0;
}

static int wait_for_five(void *arg)
{
    int err = aw_group_call(&(aw_group)AW_GROUP_INIT, five_children, arg);
    note(err == -ECANCELED ? '!' : '?');
    return err;
}

/* GRP-005: Cancelling the task that waits at the end of its group cancels all five children, waits
 * for them, and reports -ECANCELED. */
TEST_IN_LOOP(GRP_005_cancelled_at_the_end_of_the_group)
{
    double began = aw_time();
    aw_task *t = aw_create_task(wait_for_five, NULL);
    assert_int_equal(aw_sleep(1), 0);
    assert_trace("aaaaa");
    assert_true(aw_cancel(t, .msg = "no longer wanted"));
    assert_int_equal(aw_await(t), -ECANCELED);
    assert_string_equal(aw_errmsg(), "no longer wanted");
    assert_trace("aaaaa-----!");
    assert_true(aw_cancelled(t));
    assert_int_equal(aw_cancelling(t), 1);
    assert_time(aw_time() - began, 1);
    aw_unref(t);
}

static int five_children_and_sleep(aw_group *g, void *arg)
{
    aw_ignore(five_children(g, arg));
    int err = aw_sleep(10);
    note(err == -ECANCELED ? '*' : '?');
    return err;
}

static int sleep_beside_five(void *arg)
{
    return aw_group_call(&(aw_group)AW_GROUP_INIT, five_children_and_sleep, arg);
}

/* GRP-006: Cancelling the task while the body is blocked delivers -ECANCELED to the body and to
 * every child, and the group ends with -ECANCELED. */
TEST_IN_LOOP(GRP_006_cancelled_in_the_body)
{
    double began = aw_time();
    aw_task *t = aw_create_task(sleep_beside_five, NULL);
    assert_int_equal(aw_sleep(1), 0);
    assert_true(aw_cancel(t, .msg = "enough"));
    assert_int_equal(aw_await(t), -ECANCELED);
    assert_string_equal(aw_errmsg(), "enough");
    assert_true(aw_cancelled(t));
    assert_trace("aaaaa*-----");
    assert_time(aw_time() - began, 1);
    aw_unref(t);
}

static int only_sleep(aw_group *g, void *arg)
{
    (void)g;
    int err = sleep_long(arg);
    note(err == -ECANCELED ? '*' : '?');
    return err;
}

static int group_that_sleeps(void *arg)
{
    return aw_group_call(&(aw_group)AW_GROUP_INIT, only_sleep, arg);
}

/* GRP-012: Cancelling the body of a group without children delivers -ECANCELED to the body, and the
 * group ends with that. */
TEST_IN_LOOP(GRP_012_cancelled_without_children)
{
    aw_task *t = aw_create_task(group_that_sleeps, NULL);
    passes(1);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_await(t), -ECANCELED);
    assert_true(aw_cancelled(t));
    assert_trace("*");
    aw_unref(t);
}

static int swallow_in_the_body(aw_group *g, void *arg)
{
    assert_int_equal(start_child(g, CHILD('a', 3, 0)), 0);
    assert_int_equal(aw_sleep(9), -ECANCELED);
    assert_int_equal(start_child(g, CHILD('b', 3, 0)), 0); /* nothing is shut down */
    return give(arg);
}

static int group_that_swallows(void *arg)
{
    return aw_group_call(&(aw_group)AW_GROUP_INIT, swallow_in_the_body, arg);
}

TEST_IN_LOOP(group_body_that_swallows_its_cancellation)
{
    double began = aw_time();
    aw_task *t = aw_create_task(group_that_swallows, INT(6));
    assert_int_equal(aw_sleep(1), 0);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_await(t), 6);
    assert_trace("abAB");
    assert_time(aw_time() - began, 4);
    assert_int_equal(aw_cancelling(t), 1);
    aw_unref(t);
}

static int cancel_me_and_return(aw_group *g, void *arg)
{
    assert_int_equal(start_child(g, CHILD('a', 3, 0)), 0);
    assert_true(aw_cancel(aw_current_task()));
    return give(arg);
}

/* A request that nobody saw in the body is delivered at the end of the group. */
TEST_IN_LOOP(group_cancelled_before_its_end_is_reached)
{
    assert_int_equal(aw_group_call(&(aw_group)AW_GROUP_INIT, cancel_me_and_return, INT(6)),
                     -ECANCELED);
    assert_trace("a-");
    assert_int_equal(aw_cancelling(aw_current_task()), 1);
    assert_int_equal(aw_uncancel(aw_current_task()), 0);
    assert_int_equal(aw_sleep(1), 0); /* told once */
}

/* ---- the group does not end early ---- */

static int stubborn_three(aw_group *g, void *arg)
{
    (void)arg;
    assert_int_equal(start_child(g, STUBBORN('a', 0, 3)), 0);
    assert_int_equal(start_child(g, STUBBORN('b', 0, 1)), 0);
    assert_int_equal(start_child(g, STUBBORN('c', 5, 2)), 0);
    return 0;
}

static int wait_for_stubborn(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    int err = aw_group_call(&g, stubborn_three, arg);
    assert_int_equal(aw_group_alive(&g), 0);
    note('!');
    return err;
}

static int swallower;

static int swallows(void *arg)
{
    assert_int_equal(aw_sleep(100), -ECANCELED);
    note('-');
    assert_int_equal(aw_sleep(5), 0);
    swallower = 1;
    return give(arg);
}

/* GRP-023: A child that swallows its cancellation and works on is waited for, and is not marked as
 * cancelled. */
TEST_IN_LOOP(GRP_023_child_that_works_on_is_waited_for)
{
    aw_task *t;
    double began = aw_time();
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, swallows, INT(4), .ret_task = &t), 0);
    assert_int_equal(aw_group_start(&g, give_later, LATER(1, -EIO)), 0);
    assert_int_equal(aw_group_exit(&g, 0), AW_EGROUP);
    assert_failures(-EIO);
    assert_time(aw_time() - began, 6);
    assert_int_equal(swallower, 1);
    assert_false(aw_cancelled(t));
    assert_int_equal(aw_result(t), 4);
    aw_unref(t);
    assert_uncancelled();
}

/* GRP-024: Cancelling the parent again while its group is winding down does not end the group
 * early: it waits for all children, then reports -ECANCELED. */
TEST_IN_LOOP(GRP_024_cancelled_again_and_again)
{
    double began = aw_time();
    aw_task *t = aw_create_task(wait_for_stubborn, NULL);
    assert_int_equal(aw_sleep(1), 0);
    for (int i = 0; i < 5; i++) {
        assert_true(aw_cancel(t));
        assert_int_equal(aw_sleep(0.5), 0);
    }
    assert_false(aw_done(t));
    assert_int_equal(aw_await(t), -ECANCELED);
    assert_time(aw_time() - began, 4);
    assert_trace("abc---!");
    assert_int_equal(aw_cancelling(t), 5);
    aw_unref(t);
}

/* ---- a failure and a cancellation ---- */

/* The task is cancelled, and its body takes half a second to react. */
static int slow_reaction(aw_group *g, void *arg)
{
    (void)arg;
    assert_int_equal(start_child(g, CHILD('a', 2, -EIO)), 0);
    int err = aw_sleep(10);
    note('*');
    int again = aw_sleep(1.5);
    note(again == -ECANCELED ? '!' : '?');
    return err;
}

static int group_with_slow_reaction(void *arg)
{
    return aw_group_call(&(aw_group)AW_GROUP_INIT, slow_reaction, arg);
}

/* GRP-011: The task is cancelled, its body delays its reaction, and meanwhile a child fails: the
 * child's AW_EGROUP wins over -ECANCELED. */
TEST_IN_LOOP(GRP_011_failure_wins_over_a_slow_reaction)
{
    double began = aw_time();
    aw_task *t = aw_create_task(group_with_slow_reaction, NULL);
    assert_int_equal(aw_sleep(1), 0);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_await(t), AW_EGROUP);
    assert_failures(-EIO);
    assert_trace("a*A!"); /* the failure cut the cleanup short */
    assert_time(aw_time() - began, 2);
    assert_false(aw_cancelled(t));
    assert_int_equal(aw_cancelling(t), 1);
    aw_unref(t);
}

static int answer_differently(aw_group *g, void *arg)
{
    assert_int_equal(aw_group_start(g, child, CHILD('a', 1, -EIO), COPIED, .name = "anna"), 0);
    assert_int_equal(aw_sleep(10), -ECANCELED);
    return give(arg);
}

/* GRP-013: A child fails, and the body, cancelled for it, comes to an error of its own: both are in
 * AW_EGROUP, the body's last. */
TEST_IN_LOOP(GRP_013_failures_of_a_child_and_of_the_body)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_call(&g, answer_differently, INT(-ENOENT)), AW_EGROUP);
    assert_failures(-EIO, -ENOENT);
    assert_string_equal(failure(0)->name, "anna");
    assert_string_equal(failure(1)->name, "main");
    assert_uncancelled();
}

/* A result of the body is dropped where a child failed. */
TEST_IN_LOOP(group_failure_wins_over_the_bodys_result)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_call(&g, answer_differently, INT(12)), AW_EGROUP);
    assert_failures(-EIO);
    assert_uncancelled();
}

/* GRP-017: Cleanup in the body fails while a child's failure is being handled: both errors are
 * reported, and the count of requests is 0 again. */
TEST_IN_LOOP(GRP_017_cleanup_that_fails)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, give, INT(-EIO)), 0);
    aw_timeout connection = AW_TIMEOUT_INIT; /* something that is closed on the way out */
    assert_int_equal(aw_timeout_enter(&connection, 5), 0);
    int err = aw_sleep(1);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(aw_timeout_exit(&connection, err), -ECANCELED);
    assert_int_equal(aw_cancelling(aw_current_task()), 1);
    assert_int_equal(aw_group_exit(&g, -EPIPE), AW_EGROUP);
    assert_failures(-EIO, -EPIPE);
    assert_uncancelled();
}

static int yield_and_fail(void *arg)
{
    aw_future *begun = arg;
    assert_int_equal(aw_set_result(begun, 0, NULL), 0);
    AW_TRY(aw_sleep(0));
    return -EIO;
}

static int failure_meets_request(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, yield_and_fail, arg), 0);
    int err = aw_sleep(1);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(aw_group_exit(&g, err), AW_EGROUP);
    assert_failures(-EIO);
    assert_int_equal(aw_cancelling(aw_current_task()), 1);
    note('a');
    err = aw_sleep(1);
    note(err == -ECANCELED ? 'b' : '?');
    return err;
}

/* GRP-022: A child's failure and a cancellation from outside meet: the group reports AW_EGROUP, the
 * count stays 1, and the next suspension outside of the group gets -ECANCELED. */
TEST_IN_LOOP(GRP_022_failure_meets_a_request_from_outside)
{
    double now = aw_time();
    aw_future *begun = aw_future_new();
    aw_task *t = aw_create_task(failure_meets_request, begun);
    assert_int_equal(aw_await(begun), 0);
    assert_int_equal(aw_cancelling(t), 0);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_cancelling(t), 1);
    assert_int_equal(aw_await(t), -ECANCELED);
    assert_true(aw_cancelled(t));
    assert_trace("ab");
    assert_time(aw_time(), now);
    aw_unref(t);
    aw_unref(begun);
}

static int fails_when_cancelled_twice(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    int err = aw_group_enter(&g);
    assert_int_equal(start_child(&g, STUBBORN('a', -EIO, 1)), 0);
    err = aw_group_exit(&g, err);
    assert_int_equal(err, AW_EGROUP);
    assert_failures(-EIO);
    assert_int_equal(aw_cancelling(aw_current_task()), give(arg));
    assert_int_equal(aw_sleep(1), -ECANCELED);
    assert_int_equal(aw_sleep(1), 0); /* once, however many requests there were */
    return 0;
}

TEST_IN_LOOP(group_failure_after_several_requests)
{
    for (int n = 1; n <= 3; n++) {
        aw_task *t = aw_create_task(fails_when_cancelled_twice, INT(n));
        passes(2);
        for (int i = 0; i < n; i++) {
            assert_true(aw_cancel(t));
            passes(1);
        }
        assert_int_equal(aw_join(t), 0);
    }
}

struct hydra {
    aw_group *group;
    int heads, refused;
};

static int hydra(void *arg)
{
    struct hydra *h = arg;
    h->heads++;
    AW_TRY(aw_sleep(0.01));
    for (int i = 0; i < 2; i++) {
        int err = aw_group_start(h->group, hydra, h);
        if (err < 0 && err != AW_EMISUSE)
            return err;
        h->refused += err < 0;
    }
    return 0;
}

static int hercules(void *arg)
{
    const struct hydra *h = arg;
    while (h->heads < 10)
        AW_TRY(aw_sleep(0.015));
    return -EIO;
}

/* GRP-015: Children that go on starting children are stopped by one that fails: the group ends with
 * just its error. */
TEST_IN_LOOP(GRP_015_children_that_start_children)
{
    aw_group g = AW_GROUP_INIT;
    struct hydra h = {.group = &g};
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, hydra, &h), 0);
    assert_int_equal(aw_group_start(&g, hercules, &h), 0);
    assert_int_equal(aw_group_exit(&g, 0), AW_EGROUP);
    assert_failures(-EIO);
    assert_true(h.heads >= 10);
    assert_int_equal(aw_group_alive(&g), 0);
    assert_int_equal(aw_all_tasks(NULL, 0), 1);
}

/* ---- aw_group_cancel ---- */

TEST_IN_LOOP(group_cancel_ends_the_children_and_not_the_body)
{
    aw_group g = AW_GROUP_INIT;
    double began = aw_time();
    assert_int_equal(aw_group_enter(&g), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(start_child(&g, CHILD('a', 9, 0)), 0);
    assert_int_equal(aw_sleep(1), 0);
    aw_group_cancel(&g);
    assert_int_equal(start_child(&g, CHILD('b', 9, 0)), 0); /* the next generation */
    assert_int_equal(aw_sleep(1), 0);
    assert_int_equal(aw_group_alive(&g), 1);
    assert_trace("aaa---b");
    aw_group_cancel(&g);
    assert_int_equal(aw_group_exit(&g, 0), 0);
    assert_time(aw_time() - began, 2);
    aw_group_cancel(&g); /* it has ended: nothing happens */
    assert_uncancelled();
}

static int cancel_group(void *arg)
{
    aw_group_cancel(arg);
    note('c');
    return 0;
}

static int cancel_own_group(void *arg)
{
    aw_group_cancel(arg);
    int err = aw_sleep(5);
    note(err == -ECANCELED ? '!' : '?');
    return err;
}

TEST_IN_LOOP(group_cancel_from_a_callback_and_from_a_child)
{
    for (int i = 0; i < 2; i++) {
        aw_group g = AW_GROUP_INIT;
        assert_int_equal(aw_group_enter(&g), 0);
        assert_int_equal(start_child(&g, CHILD('a', 9, 0)), 0);
        if (i == 0)
            assert_int_equal(aw_call_later(1, cancel_group, &g), 0);
        else
            assert_int_equal(aw_group_start(&g, cancel_own_group, &g), 0);
        assert_int_equal(aw_group_exit(&g, 3), 3); /* ended by cancelling is no failure */
        assert_uncancelled();
    }
    assert_trace("ac-a-!");
}

TEST_IN_LOOP(group_cancel_does_not_wait_for_the_stubborn)
{
    aw_group g = AW_GROUP_INIT;
    double began = aw_time();
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(start_child(&g, STUBBORN('a', -EIO, 3)), 0);
    passes(1);
    aw_group_cancel(&g);
    assert_time(aw_time() - began, 0);
    assert_int_equal(aw_group_exit(&g, 0), AW_EGROUP); /* what it answers is a failure */
    assert_failures(-EIO);
    assert_time(aw_time() - began, 3);
}

/* ---- in a circle ---- */

static int parent_of_a_circle(void *arg)
{
    (void)arg;
    aw_group g = AW_GROUP_INIT;
    AW_TRY(aw_group_enter(&g));
    int err = aw_group_start(&g, await_it, aw_current_task());
    return aw_group_exit(&g, err);
}

/* A child that awaits its own group's task: asyncio hangs; here the run ends, and tells. */
TEST(group_child_that_awaits_its_parent)
{
    assert_int_equal(aw_run(parent_of_a_circle, NULL, .exception_handler = collect_report),
                     -EDEADLK);
    assert_true(reports.n >= 1);
}
