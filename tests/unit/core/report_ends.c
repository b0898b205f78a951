/*
 * Reports at an end: coroutine objects that were never used, and runs that nothing could wake.
 */
#include "report_capture.h"

static int made_at;

static int work(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- coroutine objects ---- */

static int releases;

static void count_release(void *arg)
{
    (void)arg;
    releases++;
}

static int drop_object(void *arg)
{
    made_at = __LINE__ + 1;
    aw_coro_unref(aw_coro_new(work, arg, .name = "idle", .release = count_release));
    return 0;
}

TEST(report_object_never_used_when_it_goes)
{
    assert_int_equal(aw_run(drop_object, NULL, .exception_handler = capture_report), 0);
    assert_int_equal(releases, 1);
    struct captured *c = &capture.reports[0];
    assert_int_equal(c->kind, AW_REPORT_NEVER_AWAITED);
    assert_string_equal(c->message, "a coroutine object was never used: its function never ran");
    assert_string_equal(c->name, "idle");
    assert_string_equal(c->fn_name, "work");
    assert_int_equal(c->line, made_at);
    assert_non_null(c->loop);
    assert_reported("await: a coroutine object was never used: its function never ran\n"
                    "  coroutine: idle work\n"
                    "  created:   report_ends.c:%d\n",
                    made_at);
}

static aw_coro *kept;

static int keep_object(void *arg)
{
    made_at = __LINE__ + 1;
    kept = aw_coro_new(work, arg, .release = count_release);
    return 0;
}

/* It is told once, when its loop closes, although somebody still holds it. */
TEST(report_object_never_used_when_its_loop_closes)
{
    assert_int_equal(aw_run(keep_object, NULL, .exception_handler = capture_report), 0);
    assert_int_equal(releases, 1);
    assert_int_equal(capture.reports[0].kind, AW_REPORT_NEVER_AWAITED);
    assert_non_null(capture.reports[0].loop);
    assert_reported("await: a coroutine object was never used: its function never ran\n"
                    "  coroutine: work\n"
                    "  created:   report_ends.c:%d\n",
                    made_at);
    aw_coro_unref(kept);
    assert_int_equal(releases, 1);
    assert_reported("%s", "");
}

static void exit_with_object(void *arg)
{
    printf("%d", __LINE__ + 1);
    kept = aw_coro_new(work, arg, .name = "forgotten");
}

TEST(report_object_never_used_at_exit)
{
    struct child_result r;
    char expected[256];
    run_child(&r, exit_with_object, NULL);
    assert_true(child_exited(&r, 0));
    normalise(r.err);
    snprintf(expected, sizeof expected,
             "await: a coroutine object was never used: its function never ran\n"
             "  coroutine: forgotten work\n"
             "  created:   report_ends.c:%.8s\n",
             r.out);
    assert_string_equal(r.err, expected);
}

static int use_objects(void *arg)
{
    aw_coro *as_task = aw_coro_new(work, arg), *as_work = aw_coro_new(work, arg);
    AW_TRY(aw_join(aw_task_of(as_task)));
    AW_TRY(aw_gather(AW_USE(as_work)));
    aw_coro_unref(as_task);
    aw_coro_unref(as_work);
    return 0;
}

TEST(report_object_that_was_used_is_not_reported)
{
    assert_int_equal(aw_run(use_objects, NULL, .exception_handler = capture_report), 0);
    assert_reported("%s", "");
}

/* ---- deadlock ---- */

static int await_nobody(void *arg)
{
    (void)arg;
    aw_future *f = aw_future_new();
    return aw_join(f);
}

TEST(report_deadlock_of_main_alone)
{
    made_at = __LINE__ + 1;
    assert_int_equal(aw_run(await_nobody, NULL, .exception_handler = capture_report), -EDEADLK);
    struct captured *c = &capture.reports[0];
    assert_int_equal(c->kind, AW_REPORT_DEADLOCK);
    assert_int_equal(c->error, -EDEADLK);
    assert_int_equal(c->line, made_at);
    assert_string_equal(c->name, "main");
    assert_string_equal(c->fn_name, "await_nobody");
    assert_non_null(c->future);
    assert_int_equal(capture.n, 1);
    assert_reported("await: deadlock: every task waits, and nothing is left that could wake one\n"
                    "  task:    main await_nobody, created at report_ends.c:%d\n"
                    "  waiting: aw_join (<future pending>), called at test_core+0x*\n",
                    made_at);
}

/* Two tasks that await each other, and main, which awaits one of them. */
static aw_task *ring[2];

static int await_the_other(void *arg)
{
    aw_task **other = arg;
    return aw_await(*other);
}

static int make_ring(void *arg)
{
    (void)arg;
    made_at = __LINE__ + 1;
    ring[0] = aw_create_task(await_the_other, &ring[1], .name = "left");
    ring[1] = aw_create_task(await_the_other, &ring[0], .name = "right");
    int err = aw_await(ring[0]);
    aw_unref(ring[0]);
    aw_unref(ring[1]);
    return err;
}

TEST(report_deadlock_names_the_cycle)
{
    int main_at = __LINE__ + 1;
    assert_int_equal(aw_run(make_ring, NULL, .exception_handler = capture_report), -EDEADLK);
    assert_int_equal(capture.n, 1); /* the end of the run does not name them once more */
    assert_reported(
        "await: deadlock: every task waits, and nothing is left that could wake one\n"
        "  cycle:   left await_the_other -> right await_the_other -> left await_the_other\n"
        "  task:    main make_ring, created at report_ends.c:%d\n"
        "  waiting: aw_await (<task left await_the_other pending>), called at test_core+0x*\n"
        "  task:    left await_the_other, created at report_ends.c:%d\n"
        "  waiting: aw_await (<task right await_the_other pending>), called at test_core+0x*\n"
        "  task:    right await_the_other, created at report_ends.c:%d\n"
        "  waiting: aw_await (<task left await_the_other pending>), called at test_core+0x*\n",
        main_at, made_at, made_at + 1);
}

static int ring_behind_many(void *arg)
{
    for (int i = 0; i < 200; i++)
        AW_TRY(aw_spawn(await_nobody, NULL));
    return make_ring(arg);
}

static int capture_deadlock(const aw_report *r, void *arg)
{
    return r->kind == AW_REPORT_DEADLOCK ? capture_report(r, arg) : 0;
}

/* More tasks than anybody reads: the cycle is told first, and what is left out is counted. */
TEST(report_deadlock_of_very_many)
{
    int named = 0, more = 0;
    assert_int_equal(aw_run(ring_behind_many, NULL, .exception_handler = capture_deadlock),
                     -EDEADLK);
    assert_int_equal(capture.n, 1);
    assert_non_null(strstr(capture.text, "\n  cycle:   left"));
    for (char *line = capture.text; (line = strstr(line, "\n  task: ")) != NULL; line++)
        named++;
    char *last = strstr(capture.text, "\n  and ");
    assert_non_null(last);
    assert_int_equal(sscanf(last, "\n  and %d more tasks\n", &more), 1);
    assert_true(named > 5);
    assert_int_equal(named + more, 203);
}

/* Long chains of waiting tasks are searched for cycles in no time. */
static int depth_left;

static int await_deeper(void *arg)
{
    return depth_left-- > 0 ? aw_join(aw_create_task(await_deeper, arg)) : await_nobody(arg);
}

TEST(report_deadlock_at_the_end_of_a_long_chain)
{
    depth_left = (int)test_scale(20000, 900);
    assert_int_equal(aw_run(await_deeper, NULL, .exception_handler = capture_deadlock), -EDEADLK);
    assert_int_equal(capture.n, 1);
    assert_null(strstr(capture.text, "cycle"));
}
