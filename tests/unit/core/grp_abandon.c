/*
 * Groups whose loop ends before they do: the children let go of what they were given, and the
 * group's own storage is not lost.
 */
#include "grp_util.h"

static int wait_in_the_body(aw_group *g, void *arg)
{
    assert_int_equal(start_child(g, CHILD('a', 1000, 0)), 0);
    assert_int_equal(aw_group_start(g, give, INT(1)), 0); /* has ended when the loop is closed */
    return arg ? 0 : aw_sleep(1000);
}

static int fail_later(void *arg)
{
    AW_TRY(aw_sleep(0));
    return give(arg);
}

static int fails_early(aw_group *g, void *arg)
{
    assert_int_equal(aw_group_start(g, fail_later, INT(-EIO)), 0);
    assert_int_equal(start_child(g, STUBBORN('b', -EPIPE, 1000)), 0);
    (void)arg;
    aw_ignore(aw_sleep(1000));
    return 0;
}

static int in_the_body(void *arg)
{
    aw_group g = AW_GROUP_INIT, inner = AW_GROUP_INIT;
    AW_TRY(aw_group_enter(&g));
    int err = aw_group_call(&inner, wait_in_the_body, arg);
    return aw_group_exit(&g, err);
}

static int at_the_end(void *arg)
{
    (void)arg;
    return aw_group_call(&(aw_group)AW_GROUP_INIT, wait_in_the_body, "");
}

static int with_failures(void *arg)
{
    return aw_group_call(&(aw_group)AW_GROUP_INIT, fails_early, arg);
}

static int just_started(void *arg)
{
    aw_group *g = arg;
    AW_TRY(aw_group_enter(g));
    for (int i = 0; i < 20; i++)
        assert_int_equal(aw_group_start(g, note_it, "x", .release = note_release, .name = "never"),
                         0);
    return aw_group_exit(g, aw_sleep(1));
}

/* Runs it for a while, closes its loop over it, and counts what is left. */
static void abandon(aw_fn *fn, void *arg, bool keep_handle, int n_passes, int n_reports)
{
    aw_loop *l = aw_loop_new();
    assert_int_equal(aw_loop_set_exception_handler(l, collect_report, NULL), 0);
    aw_task *t = aw_create_task(fn, arg, .loop = l, .name = "parent");
    if (!keep_handle) {
        aw_unref(t);
        t = NULL;
    }
    for (int i = 0; i < n_passes; i++) {
        assert_int_equal(aw_loop_stop(l), 0);
        assert_int_equal(aw_loop_run_forever(l), 0);
    }
    assert_int_equal(aw_loop_close(l), 0);
    assert_reports(n_reports);
    aw_unref(t);
    aw_loop_free(l);
    aw_ignore(aw_result(NULL));
    assert_int_equal(memory.live, 0);
}

TEST(group_whose_loop_is_closed_over_its_body)
{
    count_memory();
    abandon(in_the_body, NULL, true, 3, 2);
    abandon(in_the_body, NULL, false, 3, 2);
}

TEST(group_whose_loop_is_closed_over_its_end)
{
    count_memory();
    abandon(at_the_end, NULL, true, 3, 2);
    abandon(at_the_end, NULL, false, 3, 2);
}

TEST(group_whose_loop_is_closed_over_its_failures)
{
    count_memory();
    for (int n = 1; n < 8; n++)
        abandon(with_failures, NULL, n % 2, n, n < 3 ? 3 : 2);
}

TEST(group_whose_loop_is_closed_over_children_that_never_began)
{
    count_memory();
    abandon(just_started, &(aw_group)AW_GROUP_INIT, true, 1, 21);
    assert_trace("xxxxxxxxxxxxxxxxxxxx");
}

/* A child that will not be stopped: its parent waits as long as the run lets it. */
static int never_stops(void *arg)
{
    int *calls = arg;
    while (*calls < 1000000) {
        aw_ignore(aw_sleep(0.25));
        ++*calls;
    }
    return 0;
}

static int waits_for_ever(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    AW_TRY(aw_group_enter(&g));
    int err = aw_group_start(&g, never_stops, arg);
    return aw_group_exit(&g, err);
}

static int leave_it_behind(void *arg)
{
    AW_TRY(aw_spawn(waits_for_ever, arg));
    return aw_sleep(1);
}

TEST(group_of_a_child_that_would_not_stop)
{
    int calls = 0;
    count_memory();
    assert_int_equal(
        aw_run(leave_it_behind, &calls, .exception_handler = collect_report, .hard = 5), 0);
    assert_true(calls > 1000);
    assert_int_equal(reports.kind, AW_REPORT_WOULD_NOT_STOP);
    assert_true(reports.n >= 3);
    aw_ignore(aw_result(NULL));
    assert_int_equal(memory.live, 0);
}
