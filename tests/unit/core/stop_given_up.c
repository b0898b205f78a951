/*
 * What even hard cancellation does not end: reported with its stack, given up, and the run ends.
 */
#include "report_capture.h"
#include "stop_util.h"

#include "await/queue.h"
#include "await/sync.h"
#include "await/testing.h"

#include <time.h>

static int calls_made;

static int ignore_for_ever(void *arg)
{
    (void)arg;
    for (;;) {
        aw_ignore(aw_sleep(100));
        calls_made++;
    }
    return 0;
}

static int raise_and_ignore(void *arg)
{
    AW_TRY(raise(SIGTERM));
    return ignore_for_ever(arg);
}

/* The return address of the wait, as "called at" and the stack name it. */
static const char *address_after(const char *text, const char *what)
{
    static char address[2][128];
    static int turn;
    const char *at = strstr(text, what);
    assert_non_null(at);
    turn = !turn;
    assert_int_equal(sscanf(at + strlen(what), " %100[^ \n]", address[turn]), 1);
    return address[turn];
}

static int lines_of(const char *text, const char *from)
{
    int n = 0;
    const char *at = strstr(text, from);
    for (at = at ? at : ""; *at; at++)
        n += *at == '\n';
    return n;
}

/* ---- main itself ---- */

TEST(stop_main_is_given_up)
{
    assert_int_equal(
        aw_run(raise_and_ignore, NULL, .stop_on = AW_SIGTERM, .exception_handler = capture_report),
        -ETIMEDOUT);
    assert_string_equal(aw_errmsg(), "main would not stop");
    assert_in_range(calls_made, 1000, 1003); /* of which one was cancelled and one hardened */
    assert_int_equal(capture.n, 1);
    struct captured *c = &capture.reports[0];
    assert_int_equal(c->kind, AW_REPORT_WOULD_NOT_STOP);
    assert_string_equal(c->message, "a task would not stop, and was given up");
    assert_string_equal(c->name, "main");
    assert_string_equal(c->fn_name, "raise_and_ignore");
    assert_non_null(c->future);
}

/* The stack begins where the program called the function that waits. */
TEST(stop_report_of_who_is_given_up_has_its_stack)
{
    assert_int_equal(
        aw_run(raise_and_ignore, NULL, .stop_on = AW_SIGTERM, .exception_handler = capture_report),
        -ETIMEDOUT);
    assert_string_equal(address_after(capture.text, ", called at"),
                        address_after(capture.text, "  stack:  "));
    assert_in_range(lines_of(capture.text, "  stack: "), 2, 6); /* as the compiler has inlined */
    normalise(capture.text);
    char *stack = strstr(capture.text, "  stack:");
    *strchr(stack, '\n') = '\0';
    assert_non_null(strstr(capture.text, "await: a task would not stop, and was given up\n"
                                         "  task:    main raise_and_ignore\n"
                                         "  created: stop_given_up.c:"));
    assert_non_null(strstr(capture.text, "  waiting: aw_sleep (100.000 s left), called at "));
    assert_string_equal(stack, "  stack:   test_core+0x*");
}

static int yield_for_ever(void *arg)
{
    AW_TRY(raise(SIGTERM));
    aw_ignore(aw_sleep(100));
    for (;; calls_made++) {
        aw_ignore(aw_sleep(0));
        assert_int_equal(aw_testing_advance(*(double *)arg), 0);
        if (capture.n)
            note('!'); /* it runs although it was given up */
    }
    return 0;
}

/* By the number of its calls, or by the time that they take. */
TEST(stop_who_only_yields_is_given_up)
{
    double step[] = {0.001, 0.5};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(aw_run(yield_for_ever, &step[i], .stop_on = AW_SIGTERM,
                                .exception_handler = capture_report),
                         -ETIMEDOUT);
        assert_int_equal(capture.n, 1);
        assert_trace("");
        capture.n = 0;
    }
}

static int spawn_yielder(void *arg)
{
    int calls = 900;
    AW_TRY(aw_spawn(yield_for_ever, arg));
    for (int i = 0; i < 600; i++)
        aw_ignore(aw_sleep(1000)); /* one is cancelled, one hardened, and the rest fail */
    return aw_join(aw_create_task(ignore_errors, &calls));
}

/* Given up is given up, also while others go on. */
TEST(stop_who_is_given_up_does_not_run_any_more)
{
    double step = 0.001;
    assert_int_equal(
        aw_run(spawn_yielder, &step, .stop_on = AW_SIGTERM, .exception_handler = capture_report),
        0);
    assert_int_equal(capture.n, 1);
    assert_trace("i");
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int join_another(void *arg)
{
    return aw_join(aw_create_task(nothing, arg));
}

static int gather_another(void *arg)
{
    return aw_gather(AW_CORO(nothing, arg));
}

static int start_another(aw_group *g, void *arg)
{
    return aw_group_start(g, nothing, arg);
}

static int group_of_another(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    return aw_group_call(&g, start_another, arg);
}

static int start_for_ever(void *arg)
{
    AW_TRY(raise(SIGTERM));
    aw_ignore(aw_sleep(1000));
    aw_ignore(aw_sleep(1000));
    for (;;)
        aw_ignore((*(aw_fn **)arg)(NULL));
    return 0;
}

/* Waiting for children that end counts as calling. */
TEST(stop_who_starts_others_for_ever_is_given_up)
{
    aw_fn *fns[] = {join_another, gather_another, group_of_another};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(aw_run(start_for_ever, &fns[i], .stop_on = AW_SIGTERM,
                                .exception_handler = capture_report),
                         -ETIMEDOUT);
        assert_in_range(capture.n, 1, 3); /* main, and a child that was alive or had not begun */
        assert_string_equal(capture.reports[0].name, "main");
        capture.n = 0;
    }
}

/* ---- others ---- */

static int released;

static void count_release(void *arg)
{
    (void)arg;
    released++;
}

static int leave_endless(void *arg)
{
    aw_task **t = arg;
    *t = aw_create_task(ignore_for_ever, NULL, .name = "left", .release = count_release);
    AW_TRY(aw_sleep(0));
    return 4;
}

/* The run has main's result; the handle of who was given up is that of a cancelled task. */
TEST(stop_left_task_is_given_up)
{
    aw_task *t;
    assert_int_equal(aw_run(leave_endless, &t, .exception_handler = capture_report), 4);
    assert_int_equal(capture.n, 2);
    assert_int_equal(capture.reports[0].kind, AW_REPORT_CANCELLED_AT_END);
    assert_int_equal(capture.reports[1].kind, AW_REPORT_WOULD_NOT_STOP);
    assert_string_equal(capture.reports[1].name, "left");
    assert_true(aw_cancelled(t));
    assert_int_equal(released, 1);
    aw_unref(t);
}

TEST(stop_runner_gives_up)
{
    aw_task *t;
    aw_runner *r = aw_runner_new(.exception_handler = capture_report, .hard = 0.5);
    assert_int_equal(aw_runner_run(r, leave_endless, &t), 4);
    assert_int_equal(capture.n, 0);
    assert_int_equal(aw_runner_close(r), 0);
    assert_int_equal(capture.n, 2);
    aw_unref(t);
    aw_runner_free(r);
}

/* ---- those who wait for it ---- */

static int gather_endless(void *arg)
{
    AW_TRY(raise(SIGTERM));
    return aw_gather(AW_CORO(ignore_for_ever, arg), AW_CORO(sleep_long, arg));
}

static int group_of_endless(void *arg)
{
    AW_TRY(raise(SIGTERM));
    aw_group g = AW_GROUP_INIT;
    AW_TRY(aw_group_enter(&g));
    AW_TRY(aw_group_start(&g, ignore_for_ever, arg));
    AW_TRY(aw_group_start(&g, sleep_long, arg));
    return aw_group_exit(&g, 0);
}

/* A scope that cannot be left is given up with what is in it. */
static void check_scope(aw_fn *main)
{
    assert_int_equal(aw_run(main, NULL, .stop_on = AW_SIGTERM, .exception_handler = capture_report),
                     -ETIMEDOUT);
    assert_int_equal(capture.n, 2);
    assert_string_equal(capture.reports[0].fn_name, "ignore_for_ever");
    assert_string_equal(capture.reports[1].name, "main");
    assert_int_equal(capture.reports[1].kind, AW_REPORT_WOULD_NOT_STOP);
}

TEST(stop_gather_whose_child_is_given_up)
{
    check_scope(gather_endless);
    assert_non_null(strstr(capture.text, "  waiting: aw_gather (1 of 2 left), called at "));
}

TEST(stop_group_whose_child_is_given_up)
{
    check_scope(group_of_endless);
    assert_non_null(strstr(capture.text, "  waiting: aw_group_exit (1 left), called at "));
}

static aw_lock lock;

static int hold_for_ever(void *arg)
{
    AW_TRY(aw_lock_acquire(&lock));
    return ignore_for_ever(arg);
}

static int acquire(void *arg)
{
    (void)arg;
    int err = aw_lock_acquire(&lock);
    note(err == -ECANCELED ? 'c' : '?');
    return err;
}

static int wait_on_condition(void *arg)
{
    aw_condition *c = arg;
    AW_TRY(aw_condition_acquire(c));
    AW_TRY(aw_spawn(hold_for_ever, NULL, .name = "holder"));
    AW_TRY(aw_spawn(acquire, NULL));
    AW_TRY(aw_spawn(acquire, NULL));
    int err = aw_condition_wait(c); /* gives the lock to the holder, for good */
    note('?');
    return err;
}

static int start_holder(void *arg)
{
    aw_condition c = AW_CONDITION_INIT(&lock);
    (void)arg;
    AW_TRY(raise(SIGTERM));
    return wait_on_condition(&c);
}

/* Waiting for a lock ends; taking a condition's lock back does not, so that is given up as well. */
TEST(stop_lock_whose_holder_is_given_up)
{
    assert_int_equal(
        aw_run(start_holder, NULL, .stop_on = AW_SIGTERM, .exception_handler = capture_report),
        -ETIMEDOUT);
    assert_int_equal(capture.n, 2);
    assert_trace("cc");
}

static int await_endless(void *arg)
{
    AW_TRY(raise(SIGTERM));
    return aw_join(aw_create_task(ignore_for_ever, arg));
}

/* Whoever awaits it goes on when it has been given up, and not before. */
TEST(stop_await_of_who_is_given_up)
{
    assert_int_equal(
        aw_run(await_endless, NULL, .stop_on = AW_SIGTERM, .exception_handler = capture_report), 0);
    assert_int_equal(capture.n, 1);
    assert_in_range(calls_made, 1000, 1003);
}

/* ---- what else is in the loop ---- */

static int never_called(void *arg)
{
    (void)arg;
    fail_msg("the descriptor is not readable");
    return 0;
}

static int watch_and_gather(void *arg)
{
    int fds[2];
    AW_TRY(pipe(fds));
    AW_TRY(aw_add_reader(fds[0], never_called, NULL));
    return gather_endless(arg);
}

/* A callback on a descriptor that stays quiet does not keep tasks from being given up. */
TEST(stop_gives_up_beside_a_reader)
{
    assert_int_equal(aw_run(watch_and_gather, NULL, .stop_on = AW_SIGTERM, .grace = 0.01,
                            .hard = 0.01, .exception_handler = capture_report),
                     -ETIMEDOUT);
    assert_int_equal(capture.n, 2);
}

/* The last one that could still end does so after main was given up. */
static int spend_calls(void *arg)
{
    int left = *(int *)arg, more = 600;
    while (left-- > 0)
        aw_ignore(aw_sleep(100));
    return arg == &more ? 0 : aw_spawn(ignore_errors, (&more), .copy = sizeof more);
}

static int last_to_end(void *arg)
{
    int calls = 600;
    assert_non_null(aw_running_loop()); /* anybody might wake it: no deadlock */
    AW_TRY(aw_spawn(spend_calls, (&calls), .copy = sizeof calls));
    return raise_and_ignore(arg);
}

TEST(stop_ends_when_only_those_given_up_are_left)
{
    assert_int_equal(
        aw_run(last_to_end, NULL, .stop_on = AW_SIGTERM, .exception_handler = capture_report),
        -ETIMEDOUT);
    assert_int_equal(capture.n, 1);
    assert_trace("i");
}

/* Waiting for children is no call of one's own. */
static int patient_parent(void *arg)
{
    int calls = 900;
    aw_group g = AW_GROUP_INIT;
    AW_TRY(raise(SIGTERM));
    AW_TRY(aw_group_enter(&g));
    AW_TRY(aw_group_start(&g, ignore_errors, &calls));
    int err = aw_group_exit(&g, 0);
    for (int i = 0; i < 900; i++)
        aw_ignore(aw_sleep(100));
    return err == -ECANCELED ? give(arg) : -EPROTO;
}

TEST(stop_parent_is_not_given_up_for_its_children)
{
    assert_int_equal(
        aw_run(patient_parent, INT(3), .stop_on = AW_SIGTERM, .exception_handler = capture_report),
        3);
    assert_int_equal(capture.n, 0);
}

/* ---- the real clock ---- */

static int raise_and_run_on(void *arg)
{
    AW_TRY(raise(SIGTERM));
    for (;;) {
        aw_ignore(aw_sleep(0.001));
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        calls_made++;
    }
    return give(arg);
}

TEST_REAL_CLOCK(stop_gives_up_in_real_time)
{
    assert_int_equal(aw_run(raise_and_run_on, NULL, .stop_on = AW_SIGTERM, .grace = 0.02,
                            .hard = 0.02, .exception_handler = capture_report),
                     -ETIMEDOUT);
    assert_in_range(calls_made, 2, 1000);
    assert_int_equal(capture.n, 1);
}
