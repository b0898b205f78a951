/*
 * Groups and memory: none left when starting, none needed when failing, none lost, and a
 * thousand children.
 */
#include "grp_util.h"

/* As TEST_IN_LOOP, and what was allocated has been given back in the end. */
#define TEST_COUNTED(name)                                                                         \
    static int name##_body(void *arg);                                                             \
    TEST(name)                                                                                     \
    {                                                                                              \
        count_memory();                                                                            \
        assert_int_equal(aw_run(name##_body, NULL, .exception_handler = collect_report), 0);       \
        assert_reports(0);                                                                         \
        aw_ignore(aw_result(NULL)); /* the thread's last words are not kept in memory then */      \
        assert_int_equal(memory.live, 0);                                                          \
    }                                                                                              \
    static int name##_body(AW_UNUSED_ void *arg)
#define AW_UNUSED_ __attribute__((unused))

/* ---- none left ---- */

TEST_COUNTED(group_start_without_memory)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0); /* needs none */
    memory.failing = true;
    assert_int_equal(aw_group_start(&g, note_it, "x", .release = note_release), -ENOMEM);
    assert_string_equal(aw_errmsg(), "no memory for a group's failures");
    assert_int_equal(aw_group_alive(&g), 0);
    memory.failing = false;
    assert_int_equal(start_child(&g, CHILD('a', 1, 0)), 0);
    memory.failing = true;
    assert_int_equal(aw_group_start(&g, note_it, "x", .name = "needs memory"), -ENOMEM);
    assert_string_equal(aw_errmsg(), "no memory for the task's name");
    assert_int_equal(aw_group_alive(&g), 1);
    assert_int_equal(aw_group_exit(&g, 7), 7);
    memory.failing = false;
    assert_trace("aA");
    return 0;
}

/* The body hands the error of a start to the exit. */
TEST_COUNTED(group_exit_with_the_error_of_a_start)
{
    aw_group g = AW_GROUP_INIT, h = AW_GROUP_INIT;
    int err = aw_group_enter(&g);
    assert_int_equal(err, 0);
    memory.failing = true;
    err = aw_group_start(&g, child, CHILD('a', 9, 0), COPIED);
    assert_int_equal(aw_group_exit(&g, err), -ENOMEM); /* no memory for more than the code */
    memory.failing = false;

    assert_int_equal(aw_group_enter(&h), 0);
    assert_int_equal(start_child(&h, CHILD('a', 9, 0)), 0); /* this made room */
    memory.failing = true;
    err = aw_group_start(&h, child, CHILD('b', 9, 0), COPIED, .name = "b");
    assert_int_equal(err, -ENOMEM);
    assert_int_equal(aw_group_exit(&h, err), AW_EGROUP);
    assert_failures(-ENOMEM);
    memory.failing = false;
    assert_uncancelled();
    return 0;
}

/* Every number of children at which more room is needed, with no memory for that. */
TEST_COUNTED(group_start_without_memory_for_more_room)
{
    enum { MANY = 70 };
    aw_group g = AW_GROUP_INIT;
    int refused = 0;
    assert_int_equal(aw_group_enter(&g), 0);
    for (int i = 0; i < MANY; i++) {
        memory.failing = true;
        int err = aw_group_start(&g, answer_cancel, INT(-1 - i));
        memory.failing = false;
        if (err == 0)
            continue;
        refused++;
        assert_int_equal(err, -ENOMEM);
        assert_int_equal(aw_group_start(&g, answer_cancel, INT(-1 - i)), 0);
    }
    assert_true(refused > 2 && refused < MANY / 2);
    passes(1);
    memory.failing = true;
    assert_int_equal(aw_group_exit(&g, -ENOTTY), AW_EGROUP); /* all of them fail, and the body */
    assert_int_equal(failures(), MANY + 1);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(failure(i)->code, -1 - i);
    assert_int_equal(failure(MANY)->code, -ENOTTY);
    memory.failing = false;
    return 0;
}

/* ---- none needed ---- */

static int await_when_cancelled(void *arg)
{
    aw_ignore(aw_sleep(1000));
    return aw_await(arg);
}

/* All `n` children fail, and the body, when there is no memory left. */
static void fail_all(int n, aw_future *disk)
{
    char expected[64];
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    for (int i = 0; i < n; i++)
        assert_int_equal(aw_group_start(&g, await_when_cancelled, disk, .name = i % 2 ? "n" : NULL),
                         0);
    passes(1);
    memory.failing = true; /* from here on for ever */
    int err = aw_await(disk);
    assert_int_equal(aw_group_exit(&g, err), AW_EGROUP);
    assert_int_equal(failures(), n + 1);
    for (int i = 0; i <= n; i++) {
        assert_int_equal(failure(i)->code, -EIO);
        assert_string_equal(failure(i)->msg, "the disk is gone");
        if (i < n && i % 2)
            assert_string_equal(failure(i)->name, "n");
    }
    assert_string_equal(failure(n)->name, "main");
    snprintf(expected, sizeof expected, "%d failed; the first: Task-", n + 1);
    assert_non_null(strstr(aw_errmsg(), expected));
    memory.failing = false;
}

TEST_COUNTED(group_failing_needs_no_memory)
{
    aw_future *disk = aw_future_new();
    assert_int_equal(aw_set_error(disk, -EIO, .msg = "the disk is gone"), 0);
    for (int n = 1; n < 70; n++)
        fail_all(n, disk);
    aw_unref(disk);
    return 0;
}

/* A whole life without memory once the children are there: cancelled, waited for, timed out. */
TEST_COUNTED(group_cancelling_needs_no_memory)
{
    aw_group g = AW_GROUP_INIT;
    aw_timeout tm = AW_TIMEOUT_INIT;
    memory.failing = true;
    assert_int_equal(aw_timeout_enter(&tm, 5), 0);
    assert_int_equal(aw_group_enter(&g), 0);
    memory.failing = false;
    assert_int_equal(start_child(&g, CHILD('a', 9, 0)), 0);
    assert_int_equal(start_child(&g, STUBBORN('b', 0, 2)), 0);
    memory.failing = true;
    assert_int_equal(aw_timeout_exit(&tm, aw_group_exit(&g, 0)), -ETIMEDOUT);
    memory.failing = false;
    assert_trace("ab--");
    assert_time(aw_time(), 7 + tm.when - 5);
    return 0;
}

/* ---- many ---- */

static int count_down(void *arg)
{
    int *left = arg;
    AW_TRY(aw_sleep(1 + *left % 10));
    return --*left;
}

TEST_COUNTED(group_of_a_thousand)
{
    enum { N = 1000 };
    int left = N;
    aw_group g = AW_GROUP_INIT;
    size_t before = memory.live;
    assert_int_equal(aw_group_enter(&g), 0);
    for (int i = 0; i < N; i++)
        assert_int_equal(aw_group_start(&g, count_down, &left), 0);
    assert_int_equal(aw_group_alive(&g), N);
    assert_int_equal(aw_group_exit(&g, 0), 0);
    assert_int_equal(left, 0);
    assert_true(memory.live < before + 64); /* the stacks' arenas, and nothing per child */
    return 0;
}

TEST_COUNTED(group_of_a_thousand_that_all_fail)
{
    enum { N = 1000 };
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    for (int i = 0; i < N; i++)
        assert_int_equal(aw_group_start(&g, answer_cancel, INT(-2000 - i), .name = "one of many"),
                         0);
    passes(1);
    assert_int_equal(aw_group_exit(&g, -EIO), AW_EGROUP);
    assert_int_equal(failures(), N + 1);
    for (int i = 0; i < N; i++)
        assert_int_equal(failure(i)->code, -2000 - i);
    return 0;
}
