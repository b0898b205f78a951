/*
 * aw_group_start: by whom, when, how eagerly, and what it refuses.
 */
#include "grp_util.h"

#include <pthread.h>

/* Must be refused with this code, and the argument be left alone. */
#define assert_refused(code_, g_, ...)                                                             \
    do {                                                                                           \
        aw_task *t_ = NULL;                                                                        \
        assert_int_equal(aw_group_start((g_), note_it, "x", .release = note_release,               \
                                        .ret_task = &t_, __VA_ARGS__),                             \
                         (code_));                                                                 \
        assert_null(t_);                                                                           \
    } while (0)
#define AS_USUAL .name = NULL

/* ---- by whom ---- */

static int start_sibling(void *arg)
{
    assert_int_equal(start_child(arg, CHILD('b', 1, 0)), 0);
    AW_TRY(aw_sleep(2));
    assert_int_equal(start_child(arg, CHILD('c', 1, 0)), 0); /* the group is being left */
    return 0;
}

static int start_by_callback(void *arg)
{
    return start_child(arg, CHILD('d', 1, 0));
}

static int start_by_stranger(void *arg)
{
    AW_TRY(aw_sleep(0.75));
    return start_child(arg, CHILD('e', 5, 0));
}

TEST_IN_LOOP(group_start_by_children_callbacks_and_strangers)
{
    aw_group g = AW_GROUP_INIT;
    double began = aw_time();
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, start_sibling, &g), 0);
    assert_int_equal(aw_call_later(0.5, start_by_callback, &g), 0);
    aw_task *stranger = aw_create_task(start_by_stranger, &g);
    assert_int_equal(aw_group_exit(&g, 0), 0);
    assert_trace("bdeBDcCE");
    assert_time(aw_time() - began, 5.75);
    assert_int_equal(aw_join(stranger), 0);
}

TEST_IN_LOOP(group_start_gives_a_handle_that_is_the_callers)
{
    aw_task *t = NULL;
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, give_later, LATER(1, 5), .ret_task = &t, .name = "tina"),
                     0);
    assert_string_equal(aw_task_name(t), "tina");
    assert_int_equal(aw_await(t), 5); /* in the body as anywhere */
    assert_int_equal(aw_group_exit(&g, 0), 0);
    assert_int_equal(aw_result(t), 5);
    aw_unref(t);
}

/* Giving the handle up neither ends the child nor lets the group forget it. */
TEST_IN_LOOP(group_start_handle_given_up_early)
{
    aw_task *t = NULL;
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, child, CHILD('a', 1, -EIO), COPIED, .ret_task = &t), 0);
    aw_unref(t);
    assert_int_equal(aw_group_exit(&g, 0), AW_EGROUP);
    assert_failures(-EIO);
    assert_trace("aA");
}

static int sum_of_copy(void *arg)
{
    const int *n = arg;
    return n[0] + n[1];
}

TEST_IN_LOOP(group_start_takes_the_options_of_tasks)
{
    aw_task *t = NULL;
    int numbers[2] = {3, 4};
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, sum_of_copy, numbers, .copy = sizeof numbers,
                                    .stack_size = 1 << 20, .ret_task = &t),
                     0);
    numbers[0] = 100;
    assert_int_equal(aw_group_start(&g, note_it, "a", .release = note_release), 0);
    assert_int_equal(aw_group_exit(&g, 0), 0);
    assert_int_equal(aw_result(t), 7);
    assert_trace("aa");
    aw_unref(t);
}

/* ---- when ---- */

static int try_to_start(void *arg)
{
    assert_refused(AW_EMISUSE, arg, AS_USUAL);
    note('r');
    return 0;
}

TEST_IN_LOOP(group_start_in_a_group_that_has_ended)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_exit(&g, 0), 0);
    assert_refused(AW_EMISUSE, &g, AS_USUAL);
    assert_int_equal(aw_join(aw_create_task(try_to_start, &g)), 0);
    assert_trace("r");
}

static int try_in_cleanup(void *arg)
{
    assert_int_equal(aw_sleep(100), -ECANCELED);
    return try_to_start(arg);
}

TEST_IN_LOOP(group_start_in_a_group_that_is_shutting_down)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, try_in_cleanup, &g), 0);
    assert_int_equal(aw_group_start(&g, give, INT(-EIO)), 0);
    assert_int_equal(aw_sleep(1), -ECANCELED);
    assert_refused(AW_EMISUSE, &g, AS_USUAL);
    assert_int_equal(aw_group_exit(&g, 0), AW_EGROUP);
    assert_failures(-EIO);
    assert_trace("r");
}

static int start_at_the_end(void *arg)
{
    AW_TRY(aw_sleep(1));
    return start_child(arg, CHILD('b', 1, 0)); /* itself is still there: the group is not over */
}

TEST_IN_LOOP(group_start_by_the_last_child_in_its_last_step)
{
    aw_group g = AW_GROUP_INIT;
    double began = aw_time();
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, start_at_the_end, &g), 0);
    assert_int_equal(aw_group_exit(&g, 0), 0);
    assert_time(aw_time() - began, 2);
    assert_trace("bB");
}

static int try_a_moment_later(void *arg)
{
    AW_TRY(aw_sleep(1));
    assert_int_equal(aw_group_alive(arg), 0);
    return try_to_start(arg);
}

/* The last child has ended, and the group's task has not gone on yet. */
TEST_IN_LOOP(group_start_after_the_last_child)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, child, CHILD('a', 1, 0), COPIED, .eager = true), 0);
    aw_task *stranger = aw_create_task(try_a_moment_later, &g, .eager = true);
    assert_int_equal(aw_group_exit(&g, 3), 3);
    assert_int_equal(aw_join(stranger), 0);
    assert_trace("aAr");
}

/* ---- eagerly ---- */

TEST_IN_LOOP(group_start_eager_child)
{
    aw_task *t;
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, child, CHILD('a', 1, 5), COPIED, .eager = true), 0);
    note('|');
    assert_int_equal(aw_group_alive(&g), 1);
    assert_int_equal(aw_group_start(&g, give, INT(4), .eager = true, .ret_task = &t), 0);
    assert_int_equal(aw_result(t), 4);
    assert_int_equal(aw_group_exit(&g, 0), 0);
    assert_trace("a|A");
    aw_unref(t);
}

/* The failure of an eager child does not take effect inside the call that started it. */
TEST_IN_LOOP(group_start_eager_child_that_fails_at_once)
{
    aw_task *t;
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, give, INT(-EIO), .eager = true, .ret_task = &t), 0);
    assert_int_equal(aw_result(t), -EIO);
    int err = aw_sleep(10);
    assert_int_equal(err, -ECANCELED);
    assert_int_equal(aw_group_exit(&g, err), AW_EGROUP);
    assert_failures(-EIO);
    assert_uncancelled();
    aw_unref(t);
}

TEST_IN_LOOP(group_failure_of_the_only_eager_child_does_not_leak_out)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, give, INT(-EIO), .eager = true), 0);
    assert_int_equal(aw_group_exit(&g, 0), AW_EGROUP);
    assert_failures(-EIO);
    assert_uncancelled();
}

static int starts_a_failing_one(void *arg)
{
    assert_int_equal(aw_group_start((aw_group *)arg, give, INT(-EIO), .eager = true), 0);
    note('a');
    int err = aw_sleep(1);
    note(err == -ECANCELED ? 'c' : '?');
    return err;
}

/* A child that is being started eagerly is a sibling of the one that it starts, and ends with it.
 */
TEST_IN_LOOP(group_start_eager_inside_eager)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, starts_a_failing_one, &g, .eager = true), 0);
    assert_int_equal(aw_group_exit(&g, 0), AW_EGROUP);
    assert_failures(-EIO);
    assert_trace("ac");
    assert_uncancelled();
}

/* ---- what it refuses ---- */

TEST_IN_LOOP(group_start_refuses_bad_options)
{
    aw_fn *nothing = NULL;
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, nothing, "x", .release = note_release), -EINVAL);
    assert_refused(-EINVAL, &g, .stack_size = 100);
    assert_refused(-EINVAL, &g, .copy = SIZE_MAX);
    assert_int_equal(aw_group_alive(&g), 0);
    assert_int_equal(start_child(&g, CHILD('a', 1, 0)), 0); /* no harm was done */
    assert_int_equal(aw_group_exit(&g, 2), 2);
    assert_trace("aA");
}

/* The error of a start that failed is the body's, as any other. */
TEST_IN_LOOP(group_start_error_handed_to_the_exit)
{
    aw_group g = AW_GROUP_INIT;
    aw_fn *nothing = NULL;
    int err = aw_group_enter(&g);
    assert_int_equal(start_child(&g, CHILD('a', 9, 0)), 0);
    err = aw_group_start(&g, nothing, NULL);
    assert_int_equal(aw_group_exit(&g, err), AW_EGROUP);
    assert_failures(-EINVAL);
    assert_string_equal(failure(0)->msg, "the coroutine function is NULL");
}

/* A group is its loop's: another loop's task, or another loop, cannot be brought in. */
static aw_group *shared;

static int foreign(void *arg)
{
    (void)arg;
    assert_refused(AW_ETHREAD, shared, AS_USUAL);
    assert_int_equal(aw_group_exit(shared, 0), AW_EMISUSE);
    return 0;
}

static int hold_group_open(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(start_child(&g, CHILD('a', 1, 0)), 0);
    shared = &g;
    passes(2);
    assert_int_equal(aw_group_alive(&g), 1);
    AW_TRY(aw_await(arg));
    return aw_group_exit(&g, 0);
}

TEST(group_start_in_a_foreign_group)
{
    aw_loop *a = aw_loop_new(), *b = aw_loop_new();
    aw_future *done = aw_future_new(.loop = a);
    aw_task *t = aw_create_task(hold_group_open, done, .loop = a);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(aw_loop_stop(a), 0);
        assert_int_equal(aw_loop_run_forever(a), 0);
    }
    assert_refused(AW_ETHREAD, shared, AS_USUAL); /* no loop runs here */
    aw_task *u = aw_create_task(foreign, NULL, .loop = b);
    assert_int_equal(aw_loop_run_until_complete(b, u), 0);
    assert_int_equal(aw_set_result(done, 0, NULL), 0);
    assert_int_equal(aw_loop_run_until_complete(a, t), 0);
    assert_trace("aA");
    aw_unref(t);
    aw_unref(u);
    aw_unref(done);
    aw_loop_free(a);
    aw_loop_free(b);
}

TEST_IN_LOOP(group_start_on_another_loop)
{
    aw_loop *other = aw_loop_new();
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_refused(AW_ETHREAD, &g, .loop = other);
    assert_int_equal(aw_group_start(&g, note_it, "a", .loop = aw_running_loop()), 0);
    assert_int_equal(aw_group_exit(&g, 0), 0);
    assert_trace("a");
    aw_loop_free(other);
}

static void *start_from_another_thread(void *arg)
{
    assert_refused(AW_ETHREAD, arg, AS_USUAL);
    aw_group_cancel(arg);
    assert_int_equal(aw_group_exit(arg, 0), AW_EMISUSE);
    return NULL;
}

TEST_IN_LOOP(group_start_from_another_thread)
{
    pthread_t thread;
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(start_child(&g, CHILD('a', 1, 0)), 0);
    assert_int_equal(pthread_create(&thread, NULL, start_from_another_thread, &g), 0);
    pthread_join(thread, NULL);
    assert_int_equal(aw_group_exit(&g, 0), 0);
    assert_trace("aA");
}

/* ---- a task factory ---- */

static int made;

static aw_task *counting_factory(aw_fn *fn, const aw_task_opts *opts, void *arg)
{
    made++;
    if (give(arg) && made > 1)
        return aw_refuse(give(arg), "not today");
    return aw_create_task_default(fn, opts);
}

TEST_IN_LOOP(group_start_through_a_task_factory)
{
    aw_loop *l = aw_running_loop();
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_loop_set_task_factory(l, counting_factory, INT(-EAGAIN)), 0);
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(start_child(&g, CHILD('a', 1, 0)), 0);
    assert_refused(-EAGAIN, &g, AS_USUAL);
    assert_string_equal(aw_errmsg(), "not today");
    assert_int_equal(aw_group_alive(&g), 1);
    assert_int_equal(aw_loop_set_task_factory(l, NULL, NULL), 0);
    assert_int_equal(aw_group_exit(&g, 0), 0);
    assert_int_equal(made, 2);
    assert_trace("aA");
}

static aw_task *silent_factory(aw_fn *fn, const aw_task_opts *opts, void *arg)
{
    (void)fn;
    (void)opts;
    (void)arg;
    return NULL; /* and does not say why */
}

TEST_IN_LOOP(group_start_through_a_factory_that_gives_no_reason)
{
    aw_loop *l = aw_running_loop();
    aw_group g = AW_GROUP_INIT;
    assert_int_equal(aw_loop_set_task_factory(l, silent_factory, NULL), 0);
    assert_int_equal(aw_group_enter(&g), 0);
    assert_refused(-EINVAL, &g, AS_USUAL);
    assert_int_equal(aw_group_exit(&g, 0), 0);
}
