/*
 * Who owns what, and for how long: arguments (.copy, .release), values, handles, memory.
 */
#include "util.h"

/* ---- release: once, on every way out ---- */

/* A coroutine that finishes, fails, sleeps or cancels itself, by the first letter of its argument;
 * its release notes that letter. */
static int act(void *arg)
{
    switch (*(const char *)arg) {
    case 'f':
        return -EIO;
    case 's':
        return aw_sleep(1000);
    case 'c':
        return -ECANCELED;
    default:
        return 0;
    }
}

static aw_task *start(const char *what)
{
    aw_task *t = aw_create_task(act, (void *)what, .release = note_release);
    assert_non_null(t);
    return t;
}

TEST_IN_LOOP(task_release_when_it_finished)
{
    aw_task *t = start("ok");
    assert_trace("");
    assert_int_equal(aw_await(t), 0);
    assert_trace("o"); /* when the work has ended, not when the handle goes */
    aw_unref(t);
    assert_trace("o");
}

TEST_IN_LOOP(task_release_when_it_failed_or_ended_cancelled)
{
    assert_int_equal(aw_join(start("failed")), -EIO);
    assert_int_equal(aw_join(start("cancelled")), -ECANCELED);
    assert_trace("fc");
}

TEST_IN_LOOP(task_release_when_it_was_cancelled_asleep)
{
    aw_task *t = start("sleeping");
    passes(1);
    assert_true(aw_cancel(t));
    assert_trace("");
    passes(1);
    assert_trace("s");
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_trace("s");
}

TEST_IN_LOOP(task_release_when_it_was_cancelled_before_it_began)
{
    aw_task *t = start("never");
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_trace("n");
}

TEST_IN_LOOP(task_release_when_nobody_holds_it)
{
    aw_unref(start("dropped"));
    assert_int_equal(aw_spawn(act, "p", .release = note_release), 0);
    assert_int_equal(aw_spawn(act, "e", .release = note_release, .eager = true), 0);
    assert_trace("e");
    passes(1);
    assert_trace("edp");
}

TEST_IN_LOOP(task_release_not_when_it_could_not_be_created)
{
    aw_fn *nothing = NULL;
    assert_null(aw_create_task(nothing, "a", .release = note_release));
    assert_null(aw_create_task(act, "b", .release = note_release, .stack_size = SIZE_MAX));
    assert_null(aw_create_task(act, "c", .release = note_release, .copy = SIZE_MAX));
    assert_int_equal(aw_spawn(nothing, "d", .release = note_release), -EINVAL);
    assert_null(aw_coro_new(nothing, "e", .release = note_release));
    passes(2);
    assert_trace("");
}

/* A loop that is closed over tasks that never began, and over one that sleeps. */
TEST(task_release_when_its_loop_was_closed)
{
    aw_loop *l = aw_loop_new();
    assert_int_equal(aw_loop_set_exception_handler(l, collect_report, NULL), 0);
    aw_task *asleep = aw_create_task(act, "s", .release = note_release, .loop = l);
    assert_int_equal(aw_loop_stop(l), 0);
    assert_int_equal(aw_loop_run_forever(l), 0);
    assert_trace("");
    assert_int_equal(aw_spawn(act, "n", .release = note_release, .loop = l), 0);
    assert_int_equal(aw_loop_close(l), 0);
    assert_int_equal(strlen(trace), 2);
    assert_non_null(strchr(trace, 's'));
    assert_non_null(strchr(trace, 'n'));
    assert_reports(2);
    aw_unref(asleep);
    aw_loop_free(l);
    assert_int_equal(strlen(trace), 2);
}

/* ---- copies ---- */

struct argument {
    char name;
    int number;
    char padding[900];
};

static int check_copy(void *arg)
{
    struct argument *a = arg;
    assert_int_equal(a->number, 17);
    assert_int_equal((uintptr_t)a % _Alignof(max_align_t), 0);
    AW_TRY(aw_sleep(1));
    assert_int_equal(a->number, 17);
    for (size_t i = 0; i < sizeof a->padding; i++)
        assert_int_equal(a->padding[i], 'p');
    a->number++;
    return 0;
}

static aw_task *start_with_copy(void)
{
    struct argument local = {.name = 'l', .number = 17};
    memset(local.padding, 'p', sizeof local.padding);
    aw_task *t = aw_create_task(check_copy, &local, .copy = sizeof local);
    memset(&local, 0, sizeof local);
    return t;
}

TEST_IN_LOOP(task_copy_outlives_the_original)
{
    aw_task *t = start_with_copy(), *u = start_with_copy();
    assert_int_equal(aw_await(t), 0);
    assert_int_equal(aw_await(u), 0);
    struct argument *value = aw_value(t);
    assert_int_equal(value->number, 18); /* the copy lives as long as the handle */
    assert_ptr_not_equal(value, aw_value(u));
    aw_unref(t);
    aw_unref(u);
}

static void *released;

static void remember_released(void *arg)
{
    assert_null(released);
    released = arg;
}

TEST_IN_LOOP(task_copy_and_release_gets_the_callers_argument)
{
    struct argument a = {.number = 17};
    memset(a.padding, 'p', sizeof a.padding);
    aw_task *t = aw_create_task(check_copy, &a, .copy = sizeof a, .release = remember_released);
    assert_int_equal(aw_await(t), 0);
    assert_ptr_equal(released, &a);
    assert_int_equal(a.number, 17);
    assert_ptr_not_equal(aw_value(t), &a);
    aw_unref(t);
}

/* ---- values ---- */

static int set_value(void *arg)
{
    aw_return_value(NULL);
    AW_TRY(aw_sleep(0));
    aw_return_value((char *)arg + 1);
    return 3;
}

static int set_null(void *arg)
{
    (void)arg;
    aw_return_value(NULL);
    return 0;
}

static int set_value_and_fail(void *arg)
{
    aw_return_value(arg);
    return -EIO;
}

TEST_IN_LOOP(task_value_is_the_argument_or_what_the_coroutine_set)
{
    char arg[] = "abc";
    aw_task *plain = aw_create_task(note_it, arg), *set = aw_create_task(set_value, arg);
    aw_task *null = aw_create_task(set_null, arg),
            *failed = aw_create_task(set_value_and_fail, arg);
    assert_null(aw_value(plain)); /* still pending */
    assert_int_equal(aw_await(set), 3);
    assert_ptr_equal(aw_value(plain), arg);
    assert_ptr_equal(aw_value(set), arg + 1);
    assert_true(aw_done(null));
    assert_null(aw_value(null));
    assert_int_equal(aw_await(failed), -EIO);
    assert_null(aw_value(failed));
    aw_unref(plain);
    aw_unref(set);
    aw_unref(null);
    aw_unref(failed);
}

/* ---- coroutine objects ---- */

TEST_IN_LOOP(task_object_unused_is_reported_and_its_argument_released)
{
    aw_coro *c = aw_coro_new(act, "x", .release = note_release, .name = "forgotten");
    int line = __LINE__ - 1;
    assert_trace("");
    assert_reports(0);
    aw_coro_unref(c);
    assert_trace("x");
    assert_int_equal(reports.kind, AW_REPORT_NEVER_AWAITED);
    assert_string_equal(reports.fn_name, "act");
    assert_int_equal(reports.line, line);
    assert_reports(1);
}

TEST_IN_LOOP(task_object_used_releases_its_argument_once)
{
    aw_coro *c = aw_coro_new(act, "x", .release = note_release);
    aw_task *t = aw_task_of(c);
    aw_coro_unref(c); /* the task goes on without it */
    assert_trace("");
    assert_int_equal(aw_join(t), 0);
    assert_trace("x");
    c = aw_coro_new(act, "e", .release = note_release, .eager = true);
    assert_int_equal(aw_join(aw_task_of(c)), 0);
    assert_trace("xe");
    aw_coro_unref(c);
    c = aw_coro_new(act, "f", .release = note_release);
    assert_int_equal(aw_gather(AW_USE(c), AW_USE(c)), -EIO);
    aw_coro_unref(c);
    assert_trace("xef");
}

TEST_IN_LOOP(task_object_that_could_not_be_started_is_spent)
{
    aw_coro *c = aw_coro_new(act, "x", .release = note_release, .stack_size = SIZE_MAX);
    assert_null(aw_task_of(c));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_trace("x");
    assert_null(aw_task_of(c));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    aw_coro_unref(c);
    assert_trace("x");
}

TEST_IN_LOOP(task_object_copies_its_argument_when_it_is_made)
{
    struct argument local = {.number = 17};
    memset(local.padding, 'p', sizeof local.padding);
    aw_coro *c = aw_coro_new(check_copy, &local, .copy = sizeof local);
    memset(&local, 0, sizeof local);
    aw_task *t = aw_task_of(c);
    aw_coro_unref(c);
    assert_int_equal(aw_await(t), 0);
    assert_int_equal(((struct argument *)aw_value(t))->number, 18);
    aw_unref(t);
}

/* ---- handles and memory ---- */

static int cancel_future(void *arg)
{
    return aw_cancel((aw_future *)arg) ? 0 : -EINVAL;
}

static int join_outcomes(void *arg)
{
    (void)arg;
    assert_int_equal(aw_call_soon(give, NULL), 0); /* its handle is kept for the next */
    passes(1);
    size_t before = memory.live;
    aw_future *f[4];
    for (int i = 0; i < 4; i++)
        f[i] = aw_future_new();
    assert_true(memory.live > before);
    assert_int_equal(aw_set_result(f[0], 1, NULL), 0);
    assert_int_equal(aw_set_error(f[1], -EIO), 0);
    assert_true(aw_cancel(f[2]));
    assert_int_equal(aw_call_later(1, cancel_future, f[3]), 0);
    assert_int_equal(aw_join(f[0]), 1);
    assert_int_equal(aw_join(f[1]), -EIO);
    assert_int_equal(aw_join(f[2]), -ECANCELED);
    assert_int_equal(aw_join(f[3]), -ECANCELED);
    assert_int_equal(memory.live, before);
    return 0;
}

TEST(task_join_drops_the_reference_whatever_the_outcome)
{
    count_memory();
    assert_int_equal(aw_run(join_outcomes, NULL), 0);
    assert_int_equal(memory.live, 0);
}

static int join_it(void *arg)
{
    return aw_join(arg);
}

static int join_cancelled(void *arg)
{
    (void)arg;
    assert_int_equal(aw_join(aw_create_task(give, INT(1))), 1); /* the first fills the pool */
    size_t before = memory.live;
    aw_future *f = aw_future_new();
    aw_task *t = aw_create_task(join_it, f);
    passes(1);
    assert_true(aw_cancel(t));
    passes(1);
    assert_true(aw_cancelled(t));
    aw_unref(t);
    assert_int_equal(memory.live, before);
    return 0;
}

TEST(task_join_drops_the_reference_when_the_waiter_is_cancelled)
{
    count_memory();
    assert_int_equal(aw_run(join_cancelled, NULL), 0);
    assert_int_equal(memory.live, 0);
}

static int make_everything(void *arg)
{
    (void)arg;
    aw_future *f = aw_future_new(), *s = aw_shield(f), *t = aw_create_task(give, INT(2));
    aw_future *g = aw_gather_new((aw_future *[]){s, t}, 2);
    aw_coro *c = aw_coro_new(give, INT(1), .name = "object", .copy = 0);
    assert_int_equal(aw_set_task_name(t, "renamed"), 0);
    assert_int_equal(aw_add_done_callback(g, note_done, "g"), 0);
    assert_int_equal(aw_gather(AW_USE(c)), 0);
    assert_int_equal(aw_set_error(f, -EIO, .msg = "the disk is gone"), 0);
    assert_int_equal(aw_await(g), -EIO);
    aw_task *big = aw_create_task(sleep_long, NULL, .stack_size = 1 << 20, .name = "big");
    assert_int_equal(aw_wait_for(big, 1), -ETIMEDOUT);
    aw_unref(big);
    aw_unref(f);
    aw_unref(s);
    aw_unref(t);
    aw_unref(g);
    aw_coro_unref(c);
    return 0;
}

TEST(task_memory_is_given_back_at_the_end_of_the_run)
{
    count_memory();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(aw_run(make_everything, NULL), 0);
        aw_ignore(aw_result(NULL)); /* the thread's own last words are not kept in memory */
        assert_int_equal(memory.live, 0);
    }
}

static int keep_handles(void *arg)
{
    aw_future **kept = arg;
    kept[0] = aw_create_task(give, INT(4));
    kept[1] = aw_future_new();
    return aw_await(kept[0]);
}

TEST(task_handles_outlive_their_loop)
{
    aw_future *kept[2];
    count_memory();
    assert_int_equal(aw_run(keep_handles, kept), 4);
    assert_true(memory.live > 0);
    assert_true(aw_done(kept[0]));
    assert_int_equal(aw_result(kept[0]), 4);
    assert_false(aw_done(kept[1]));
    assert_false(aw_cancel(kept[0]));
    aw_unref(kept[0]);
    aw_unref(kept[1]);
    assert_int_equal(memory.live, 0);
}
