/*
 * What a group's failure tells: who failed, with what and why, in which order, to whom, for how
 * long.
 */
#include "grp_util.h"

#include <math.h>

/* Fails with the detail of a future that failed. */
static int fail_like(void *arg)
{
    AW_TRY(aw_sleep(0));
    return aw_await(arg);
}

static aw_future *failed_future(int code, const char *msg)
{
    aw_future *f = aw_future_new();
    assert_int_equal(aw_set_error(f, code, .msg = msg), 0);
    return f;
}

/* Answers its cancellation with an error that has a detail. */
static int fail_in_cleanup(void *arg)
{
    aw_ignore(aw_sleep(1000));
    return aw_await(arg);
}

static void assert_failure(int index, const char *name, const char *fn_name, int code,
                           const char *msg)
{
    const aw_group_error *e = failure(index);
    assert_string_equal(e->name, name);
    assert_string_equal(e->fn_name, fn_name);
    assert_int_equal(e->code, code);
    assert_string_equal(e->msg, msg);
}

/* ---- what is in it ---- */

TEST_IN_LOOP(group_errors_tell_who_failed_and_why)
{
    aw_group g = AW_GROUP_INIT;
    aw_future *disk = failed_future(-EIO, "the disk is gone");
    aw_future *host = failed_future(-ECONNRESET, "example.org:443");
    aw_future *body = failed_future(-ENOENT, "/etc/motd");
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, fail_in_cleanup, host, .name = "peer"), 0); /* Task-2 */
    assert_int_equal(aw_group_start(&g, fail_in_cleanup, INT(0)), 0);
    assert_int_equal(aw_group_start(&g, fail_like, disk, .name = "writer"), 0);
    assert_int_equal(aw_group_start(&g, child, CHILD('a', 1000, 0), COPIED), 0);
    assert_int_equal(aw_sleep(9), -ECANCELED);
    assert_int_equal(aw_group_exit(&g, aw_await(body)), AW_EGROUP);
    assert_int_equal(failures(), 4);
    assert_failure(0, "writer", "fail_like", -EIO, "the disk is gone");
    assert_failure(1, "peer", "fail_in_cleanup", -ECONNRESET, "example.org:443");
    assert_failure(2, "Task-3", "fail_in_cleanup", -EINVAL, "the handle is NULL");
    assert_failure(3, "main", "group_errors_tell_who_failed_and_why_main", -ENOENT, "/etc/motd");
    assert_string_equal(aw_errmsg(),
                        "4 failed; the first: writer fail_like: -EIO: the disk is gone");
    aw_unref(disk);
    aw_unref(host);
    aw_unref(body);
}

/* A long name does not push the rest out of the summary. */
TEST_IN_LOOP(group_errors_summary_is_bounded)
{
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    aw_future *f = failed_future(-EIO, name);
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, fail_like, f, .name = name), 0);
    assert_int_equal(aw_group_exit(&g, 0), AW_EGROUP);
    assert_true(strlen(aw_errmsg()) < 160);
    assert_non_null(strstr(aw_errmsg(), "nnn fail_like: -EIO: nnn"));
    assert_failure(0, name, "fail_like", -EIO, name);
    aw_unref(f);
}

static int rename_and_fail(void *arg)
{
    assert_int_equal(aw_set_task_name(aw_current_task(), "the second"), 0);
    return give(arg);
}

TEST_IN_LOOP(group_errors_have_the_name_of_the_end)
{
    aw_task *t;
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(
        aw_group_start(&g, rename_and_fail, INT(-EIO), .name = "the first", .ret_task = &t), 0);
    assert_int_equal(aw_group_exit(&g, 0), AW_EGROUP);
    assert_int_equal(aw_set_task_name(t, "the third"), 0);
    aw_unref(t);
    assert_failure(0, "the second", "rename_and_fail", -EIO, "");
}

/* More than there is room for at first, in the order in which they happened. */
static int fail_in_turn(void *arg)
{
    AW_TRY(aw_sleep(0));
    aw_ignore(aw_sleep(1000));
    return give(arg);
}

TEST_IN_LOOP(group_errors_of_many)
{
    enum { N = 100 };
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    for (int i = 0; i < N; i++) {
        char name[16];
        snprintf(name, sizeof name, "child %d", i);
        assert_int_equal(aw_group_start(&g, fail_in_turn, INT(-1 - i), .name = i % 2 ? name : NULL),
                         0);
    }
    passes(3);
    assert_int_equal(aw_group_exit(&g, -ENOTTY), AW_EGROUP);
    assert_int_equal(failures(), N + 1);
    for (int i = 0; i < N; i++) {
        char name[16];
        snprintf(name, sizeof name, i % 2 ? "child %d" : "Task-%d", i % 2 ? i : i + 2);
        assert_failure(i, name, "fail_in_turn", -1 - i, "");
    }
    assert_int_equal(failure(N)->code, -ENOTTY);
    assert_uncancelled();
}

static int fail_as_group(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    AW_TRY(aw_group_enter(&g));
    int err = aw_group_start(&g, fail_like, arg, .name = "worker");
    return aw_group_exit(&g, err);
}

/* A group that failed inside a group is one failure there, with the inner summary as its detail. */
TEST_IN_LOOP(group_errors_of_a_nested_group)
{
    aw_future *disk = failed_future(-EIO, "the disk is gone");
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, fail_as_group, disk, .name = "inner"), 0);
    assert_int_equal(aw_group_exit(&g, 0), AW_EGROUP);
    assert_int_equal(failures(), 1);
    assert_failure(0, "inner", "fail_as_group", AW_EGROUP,
                   "1 failed; the first: worker fail_like: -EIO: the disk is gone");
    aw_unref(disk);
}

/* ---- to whom, and for how long ---- */

TEST_IN_LOOP(group_errors_travel_with_the_outcome)
{
    aw_future *disk = failed_future(-EIO, "the disk is gone"), *copy = aw_future_new();
    aw_task *t = aw_create_task(fail_as_group, disk);
    aw_future *shield = aw_shield(t);
    assert_int_equal(aw_await(shield), AW_EGROUP);
    assert_failure(0, "worker", "fail_like", -EIO, "the disk is gone");
    assert_int_equal(aw_error(disk), -EIO); /* something else failed meanwhile */
    assert_int_equal(failures(), 0);
    assert_int_equal(aw_await(t), AW_EGROUP);
    assert_failures(-EIO);
    assert_int_equal(aw_error(disk), -EIO);
    assert_int_equal(aw_result(t), AW_EGROUP);
    assert_failures(-EIO);
    assert_int_equal(aw_error(disk), -EIO);
    assert_int_equal(aw_wait_for(t, 1), AW_EGROUP);
    assert_failures(-EIO);
    assert_int_equal(aw_copy_outcome(copy, t), 0);
    assert_int_equal(aw_error(disk), -EIO);
    assert_int_equal(aw_join(copy), AW_EGROUP);
    assert_failures(-EIO);
    aw_unref(shield);
    aw_unref(t);
    aw_unref(disk);
    assert_failure(0, "worker", "fail_like", -EIO, "the disk is gone"); /* nobody else has it */
}

TEST_IN_LOOP(group_errors_travel_through_gathers_and_limits)
{
    aw_future *disk = failed_future(-EIO, "the disk is gone");
    assert_int_equal(aw_gather(AW_CORO(sleep_long, NULL), AW_CORO(fail_as_group, disk)), AW_EGROUP);
    assert_failure(0, "worker", "fail_like", -EIO, "the disk is gone");
    aw_task *t = aw_create_task(fail_as_group, disk);
    assert_int_equal(aw_gather_futures(&t, 1), AW_EGROUP);
    assert_failures(-EIO);
    assert_int_equal(aw_timeout_call(5, fail_as_group, disk), AW_EGROUP);
    assert_failures(-EIO);
    aw_unref(t);
    aw_unref(disk);
}

TEST_IN_LOOP(group_errors_are_valid_until_the_next_failing_call)
{
    aw_future *disk = failed_future(-EIO, "the disk is gone");
    assert_int_equal(failures(), 0);
    assert_int_equal(fail_as_group(disk), AW_EGROUP);
    const aw_group_error *list = NULL, *again = NULL;
    assert_int_equal(aw_group_errors(&list), 1);
    assert_int_equal(aw_sleep(1), 0); /* what succeeds changes nothing */
    assert_int_equal(aw_join(aw_create_task(give, INT(3))), 3);
    assert_int_equal(aw_group_errors(&again), 1);
    assert_ptr_equal(list, again);
    assert_string_equal(list->msg, "the disk is gone");
    assert_int_equal(aw_group_errors(NULL), 0);
    assert_int_equal(aw_sleep(-NAN), -EINVAL);
    list = NULL;
    assert_int_equal(aw_group_errors(&list), 0);
    assert_null(list);
    aw_unref(disk);
}

static int look_at_errors(void *arg)
{
    (void)arg;
    return failures(); /* another task's are none of its business */
}

TEST_IN_LOOP(group_errors_belong_to_a_task)
{
    aw_future *disk = failed_future(-EIO, "the disk is gone");
    assert_int_equal(fail_as_group(disk), AW_EGROUP);
    assert_int_equal(aw_join(aw_create_task(look_at_errors, NULL)), 0);
    assert_failures(-EIO);
    aw_unref(disk);
}

TEST_IN_LOOP(group_errors_of_a_code_that_came_without_a_group)
{
    assert_int_equal(aw_join(aw_create_task(give, INT(AW_EGROUP))), AW_EGROUP);
    assert_int_equal(failures(), 0);
    aw_future *f = failed_future(AW_EGROUP, "by hand");
    assert_int_equal(aw_join(f), AW_EGROUP);
    assert_int_equal(failures(), 0);
    assert_string_equal(aw_errmsg(), "by hand");
}

static int fail_with_a_future(void *arg)
{
    (void)arg;
    aw_future *f = failed_future(-EIO, "the disk is gone");
    int err = fail_as_group(f);
    aw_unref(f);
    return err;
}

/* Outside any task, and when the loop is gone. */
TEST(group_errors_reach_the_thread)
{
    aw_loop *l = aw_loop_new();
    aw_task *t = aw_create_task(fail_with_a_future, NULL, .loop = l);
    assert_int_equal(aw_loop_run_until_complete(l, t), AW_EGROUP);
    aw_unref(t);
    aw_loop_free(l);
    assert_failure(0, "worker", "fail_like", -EIO, "the disk is gone");
    assert_int_equal(aw_run(fail_with_a_future, NULL), AW_EGROUP);
    assert_failure(0, "worker", "fail_like", -EIO, "the disk is gone");
}

/* A child's failure is told by the group and not reported besides; the group's is, if nobody looks
 * at it. */
TEST(group_errors_are_reported_if_nobody_looks)
{
    aw_loop *l = aw_loop_new();
    assert_int_equal(aw_loop_set_exception_handler(l, collect_report, NULL), 0);
    assert_int_equal(aw_spawn(fail_with_a_future, NULL, .loop = l), 0);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(aw_loop_stop(l), 0);
        assert_int_equal(aw_loop_run_forever(l), 0);
    }
    assert_int_equal(reports.error, AW_EGROUP);
    assert_string_equal(reports.detail,
                        "1 failed; the first: worker fail_like: -EIO: the disk is gone");
    assert_reports(1);
    aw_loop_free(l);
}

/* ---- aw_group_unwrap ---- */

static int one_child(aw_group *g, void *arg)
{
    aw_group_unwrap(g);
    return aw_group_start(g, fail_like, arg);
}

TEST_IN_LOOP(group_unwrap_gives_a_single_error_as_itself)
{
    aw_future *disk = failed_future(-EIO, "the disk is gone");
    assert_int_equal(aw_group_call(&(aw_group)AW_GROUP_INIT, one_child, disk), -EIO);
    assert_string_equal(aw_errmsg(), "the disk is gone");
    assert_int_equal(failures(), 0);
    assert_uncancelled();
    aw_unref(disk);
}

TEST_IN_LOOP(group_unwrap_of_the_bodys_error)
{
    aw_group g = AW_GROUP_INIT;
    aw_future *disk = failed_future(-EIO, "the disk is gone");
    assert_int_equal(aw_group_enter(&g), 0);
    aw_group_unwrap(&g);
    assert_int_equal(start_child(&g, CHILD('a', 9, 0)), 0);
    assert_int_equal(aw_group_exit(&g, aw_await(disk)), -EIO);
    assert_string_equal(aw_errmsg(), "the disk is gone");
    aw_unref(disk);
}

TEST_IN_LOOP(group_unwrap_leaves_several_together)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, give, INT(-EIO)), 0);
    assert_int_equal(aw_sleep(1), -ECANCELED);
    aw_group_unwrap(&g); /* at any time before the end */
    assert_int_equal(aw_group_exit(&g, -ENOENT), AW_EGROUP);
    assert_failures(-EIO, -ENOENT);
}

TEST_IN_LOOP(group_unwrap_of_no_error)
{
    aw_group g = AW_GROUP_INIT, h = AW_GROUP_INIT;
    aw_group_unwrap(&g); /* already before it is entered */
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, give, INT(4)), 0);
    assert_int_equal(aw_group_exit(&g, 6), 6);
    aw_group_unwrap(&h);
    assert_int_equal(aw_group_enter(&h), 0);
    assert_int_equal(start_child(&h, CHILD('a', 9, 0)), 0);
    assert_int_equal(aw_group_exit(&h, -ECANCELED), -ECANCELED);
}

static int one_group(aw_group *g, void *arg)
{
    aw_group_unwrap(g);
    return aw_group_start(g, fail_as_group, arg);
}

/* The single error of an unwrapped group can be a group's: the failures are then the inner ones. */
TEST_IN_LOOP(group_unwrap_of_a_nested_group)
{
    aw_future *disk = failed_future(-EIO, "the disk is gone");
    assert_int_equal(aw_group_call(&(aw_group)AW_GROUP_INIT, one_group, disk), AW_EGROUP);
    assert_failure(0, "worker", "fail_like", -EIO, "the disk is gone");
    aw_unref(disk);
}
