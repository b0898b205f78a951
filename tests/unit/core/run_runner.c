/*
 * Runners: several runs on one loop, interrupted by SIGINT, and closed.
 */
#include "util.h"

#include <pthread.h>
#include <signal.h>

static const aw_local visits = AW_LOCAL_INIT("visits", NULL);

/* Returns how often it, or somebody before it, was here. */
static int visit(void *arg)
{
    (void)arg;
    intptr_t before = (intptr_t)aw_local_get(&visits);
    AW_TRY(aw_sleep(1));
    AW_TRY(aw_local_set(&visits, INT(before + 1)));
    return (int)before;
}

/* RUN-007: Task-local values that one run of a runner sets are there in its next run. */
TEST_ORDER_FREE(RUN_007_values_are_kept_from_run_to_run)
{
    aw_runner *r = aw_runner_new(), *other = aw_runner_new();
    for (int i = 0; i < 4; i++)
        assert_int_equal(aw_runner_run(r, visit, NULL), i);
    assert_int_equal(aw_runner_run(other, visit, NULL), 0);
    assert_null(aw_local_get(&visits)); /* not the thread's */
    aw_runner_free(r);
    aw_runner_free(other);
}

static int visit_and_fail(void *arg)
{
    AW_TRY(visit(NULL));
    return give(arg);
}

TEST(RUN_007_values_are_kept_of_a_run_that_failed)
{
    aw_runner *r = aw_runner_new();
    assert_int_equal(aw_runner_run(r, visit_and_fail, INT(-EIO)), -EIO);
    assert_int_equal(aw_runner_run(r, visit, NULL), 1);
    aw_runner_free(r);
}

TEST(RUN_007_the_first_run_begins_with_the_values_of_the_thread)
{
    assert_int_equal(aw_local_set(&visits, INT(10)), 0);
    aw_runner *r = aw_runner_new();
    assert_int_equal(aw_runner_run(r, visit, NULL), 10);
    assert_int_equal(aw_runner_run(r, visit, NULL), 11);
    assert_int_equal((intptr_t)aw_local_get(&visits), 10);
    aw_runner_free(r);
}

TEST(RUN_007_a_run_with_values_of_its_own_leaves_the_others_alone)
{
    aw_runner *r = aw_runner_new();
    aw_context *empty = aw_copy_context();
    assert_int_equal(aw_runner_run(r, visit, NULL), 0);
    assert_int_equal(aw_runner_run(r, visit, NULL), 1);
    assert_int_equal(aw_runner_run(r, visit, NULL, .context = empty), 0);
    assert_int_equal(aw_runner_run(r, visit, NULL), 2);
    aw_context_unref(empty);
    aw_runner_free(r);
}

/* ---- closing ---- */

/* RUN-008: A closed runner's loop is closed, asking for it is AW_EMISUSE; closing again does
 * nothing. */
TEST(RUN_008_closed)
{
    aw_runner *r = aw_runner_new();
    aw_loop *l = aw_runner_loop(r);
    aw_future *keep = aw_future_new(.loop = l); /* and so the loop's memory */
    assert_int_equal(aw_runner_run(r, give, INT(3)), 3);
    assert_false(aw_loop_is_closed(l));
    assert_int_equal(aw_runner_close(r), 0);
    assert_true(aw_loop_is_closed(l));
    assert_null(aw_runner_loop(r));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_int_equal(aw_runner_run(r, give, NULL), AW_EMISUSE);
    assert_int_equal(aw_runner_close(r), 0);
    assert_int_equal(aw_runner_close(NULL), 0);
    aw_runner_free(r);
    aw_runner_free(NULL);
    aw_unref(keep);
}

TEST(RUN_008_no_runner)
{
    assert_int_equal(aw_runner_run(NULL, give, NULL), -EINVAL);
    assert_null(aw_runner_loop(NULL));
    assert_int_equal(aw_errno(), -EINVAL);
}

TEST(RUN_008_closed_before_its_first_run)
{
    aw_runner *r = aw_runner_new();
    assert_int_equal(aw_runner_close(r), 0);
    assert_null(aw_runner_loop(r));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    aw_runner_free(r);
}

static int clean_up(void *arg)
{
    int err = aw_sleep(1000);
    note('c');
    AW_TRY(aw_sleep(1));
    note(*(char *)arg);
    return err;
}

static int leave(void *arg)
{
    AW_TRY(aw_spawn(clean_up, arg));
    return aw_sleep(0);
}

TEST(RUN_008_closing_cancels_what_is_left_and_waits_for_it)
{
    aw_runner *r = aw_runner_new(.exception_handler = collect_report);
    assert_int_equal(aw_runner_run(r, leave, "1"), 0);
    assert_int_equal(aw_runner_run(r, give, INT(5)), 5);
    assert_trace(""); /* left behind by the first run, alive through the second */
    assert_int_equal(aw_runner_close(r), 0);
    assert_trace("c1");
    assert_int_equal(reports.kind, AW_REPORT_CANCELLED_AT_END);
    assert_reports(1);
    aw_runner_free(r);
}

static int go_on(void *arg)
{
    AW_TRY(aw_sleep(3));
    return note_it(arg);
}

static int leave_going_on(void *arg)
{
    AW_TRY(aw_spawn(go_on, arg));
    return aw_sleep(1);
}

TEST_ORDER_FREE(RUN_008_what_main_leaves_behind_goes_on_in_the_next_run)
{
    aw_runner *r = aw_runner_new();
    assert_int_equal(aw_runner_run(r, leave_going_on, "x"), 0);
    assert_trace("");
    assert_int_equal(aw_runner_run(r, give_later, LATER(5, 7)), 7);
    assert_trace("x");
    aw_runner_free(r);
}

static int close_inside(void *arg)
{
    aw_runner_free(arg); /* without effect */
    return aw_runner_close(arg);
}

TEST(RUN_008_not_during_a_run)
{
    aw_runner *r = aw_runner_new();
    assert_int_equal(aw_runner_run(r, close_inside, r), AW_EMISUSE);
    assert_int_equal(aw_runner_run(r, give, INT(1)), 1);
    aw_runner_free(r);
}

/* ---- inside of a run ---- */

static int run_again(void *arg)
{
    int inner = aw_runner_run(arg, give, INT(1));
    AW_TRY(aw_sleep(1));
    return inner;
}

/* RUN-009: A runner's run from inside a coroutine that it is running is AW_EMISUSE. */
TEST(RUN_009_recursive_run)
{
    aw_runner *r = aw_runner_new();
    assert_int_equal(aw_runner_run(r, run_again, r), AW_EMISUSE);
    assert_true(aw_errmsg()[0] != '\0');
    assert_int_equal(aw_runner_run(r, give, INT(1)), 1);
    aw_runner_free(r);
}

/* ---- interrupts ---- */

static void default_sigint(void)
{
    signal(SIGINT, SIG_DFL); /* whoever runs the tests may ignore it */
}

static aw_runner *interruptible(void)
{
    default_sigint();
    aw_runner *r = aw_runner_new(.exception_handler = collect_report);
    assert_non_null(r);
    return r;
}

static void check_default_sigint(void)
{
    struct sigaction now;
    assert_int_equal(sigaction(SIGINT, NULL, &now), 0);
    assert_true(now.sa_handler == SIG_DFL);
}

static int raise_it(void *arg)
{
    return raise((int)(intptr_t)arg);
}

/* Yields until it is cancelled; the signal comes from a callback. */
static int yield_on(void *arg)
{
    AW_TRY(aw_call_soon(raise_it, INT(SIGINT)));
    for (;;)
        AW_TRY(aw_sleep(0));
    return give(arg);
}

/* RUN-010: SIGINT cancels a main that keeps yielding; when that ends with -ECANCELED, run returns
 * AW_EINTR. */
TEST_ORDER_FREE(RUN_010_interrupted_while_yielding)
{
    aw_runner *r = interruptible();
    assert_int_equal(aw_runner_run(r, yield_on, NULL), AW_EINTR);
    check_default_sigint();
    assert_int_equal(aw_runner_run(r, give, INT(4)), 4);
    aw_runner_free(r);
    assert_reports(0);
}

static int interrupt_and_sleep(void *arg)
{
    AW_TRY(raise(SIGINT));
    note('s');
    int err = aw_sleep(1000);
    note('e');
    return arg ? give(arg) : err;
}

TEST(RUN_010_interrupted_while_asleep)
{
    aw_runner *r = interruptible();
    assert_int_equal(aw_runner_run(r, interrupt_and_sleep, NULL), AW_EINTR);
    assert_trace("se");
    assert_int_equal(aw_runner_run(r, interrupt_and_sleep, NULL), AW_EINTR);
    assert_trace("sese");
    aw_runner_free(r);
}

static int interrupt_twice(void *arg)
{
    (void)arg;
    AW_TRY(raise(SIGINT));
    int err = aw_sleep(1000);
    note('c');
    AW_TRY(raise(SIGINT));
    aw_ignore(aw_sleep(0)); /* the loop looks */
    note('n');
    aw_ignore(aw_sleep(1)); /* in the next run, or at the end */
    note('e');
    return err;
}

TEST(RUN_010_a_second_interrupt_ends_the_run_at_once)
{
    aw_runner *r = interruptible();
    assert_int_equal(aw_runner_run(r, interrupt_twice, NULL), AW_EINTR);
    assert_trace("cn");
    check_default_sigint();
    assert_int_equal(aw_runner_close(r), 0); /* main was left: it is cancelled now */
    assert_trace("cne");
    assert_int_equal(reports.kind, AW_REPORT_CANCELLED_AT_END);
    assert_reports(1);
    aw_runner_free(r);
}

/* ---- somebody else cancels main as well ---- */

static int cancel_and_interrupt(void *arg)
{
    assert_true(aw_cancel(*(aw_task **)arg));
    return raise(SIGINT);
}

static int be_cancelled_twice(void *arg)
{
    aw_task *me = aw_current_task();
    (void)arg;
    AW_TRY(aw_spawn(cancel_and_interrupt, &me));
    return aw_sleep(1000);
}

/* RUN-011: If somebody else had cancelled main when the interrupt came, run returns -ECANCELED. */
TEST_ORDER_FREE(RUN_011_interrupted_while_being_cancelled)
{
    aw_runner *r = interruptible();
    assert_int_equal(aw_runner_run(r, be_cancelled_twice, NULL), -ECANCELED);
    aw_runner_free(r);
    assert_reports(0);
}

static int be_interrupted_in_cleanup(void *arg)
{
    (void)arg;
    assert_true(aw_cancel(aw_current_task()));
    assert_int_equal(aw_sleep(1000), -ECANCELED);
    AW_TRY(aw_call_later(1, raise_it, INT(SIGINT)));
    assert_int_equal(aw_sleep(2), -ECANCELED);
    return -ECANCELED;
}

TEST(RUN_011_interrupted_after_it_was_cancelled)
{
    aw_runner *r = interruptible();
    assert_int_equal(aw_runner_run(r, be_interrupted_in_cleanup, NULL), -ECANCELED);
    aw_runner_free(r);
}

/* RUN-012: A main that catches the interrupt's -ECANCELED and returns a value: run returns it. */
TEST(RUN_012_the_interrupt_is_caught)
{
    aw_runner *r = interruptible();
    assert_int_equal(aw_runner_run(r, interrupt_and_sleep, INT(33)), 33);
    assert_int_equal(aw_runner_run(r, interrupt_and_sleep, INT(-EIO)), -EIO);
    assert_trace("sese");
    aw_runner_free(r);
}

/* ---- where SIGINT is left alone ---- */

static int look_at_sigint(void *arg)
{
    struct sigaction now;
    AW_TRY(sigaction(SIGINT, NULL, &now));
    bool same = now.sa_handler == *(void (**)(int))arg;
    AW_TRY(aw_sleep(1));
    return same;
}

static void *run_in_thread(void *arg)
{
    void (*expected)(int) = SIG_DFL;
    aw_runner *r = aw_runner_new();
    *(int *)arg = aw_runner_run(r, look_at_sigint, &expected);
    aw_runner_free(r);
    return NULL;
}

/* RUN-013: Where SIGINT is not a runner's to handle, run works without: not in the main thread. */
TEST(RUN_013_in_another_thread)
{
    pthread_t thread;
    int result = -1;
    default_sigint();
    assert_int_equal(pthread_create(&thread, NULL, run_in_thread, &result), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(result, 1);
}

static volatile sig_atomic_t handled;

static void handle(int signo)
{
    handled = signo;
}

static int interrupt_in_vain(void *arg)
{
    AW_TRY(raise(SIGINT));
    AW_TRY(aw_sleep(1));
    return look_at_sigint(arg);
}

TEST(RUN_013_somebody_has_a_handler)
{
    void (*expected)(int) = handle;
    aw_runner *r = interruptible();
    signal(SIGINT, handle);
    assert_int_equal(aw_runner_run(r, interrupt_in_vain, &expected), 1);
    assert_int_equal(handled, SIGINT);
    signal(SIGINT, SIG_IGN);
    expected = SIG_IGN;
    assert_int_equal(aw_runner_run(r, interrupt_in_vain, &expected), 1);
    aw_runner_free(r);
}

TEST(RUN_013_by_option)
{
    void (*expected)(int) = SIG_DFL;
    default_sigint();
    aw_runner *r = aw_runner_new(.no_sigint = true);
    assert_int_equal(aw_runner_run(r, look_at_sigint, &expected), 1);
    aw_runner_free(r);
    r = aw_runner_new();
    assert_int_equal(aw_runner_run(r, look_at_sigint, &expected), 0);
    aw_runner_free(r);
}

/* ---- when the loop is made ---- */

static int loops_made;

static aw_loop *count_loop(void *arg)
{
    (void)arg;
    loops_made++;
    return aw_loop_new();
}

/* RUN-014: Making a runner makes no loop: the first run does, or the first who asks for it. */
TEST(RUN_014_the_loop_is_made_when_it_is_needed)
{
    aw_runner *r = aw_runner_new(.loop_factory = count_loop);
    assert_int_equal(loops_made, 0);
    assert_int_equal(aw_runner_run(r, give, INT(1)), 1);
    assert_int_equal(loops_made, 1);
    aw_runner_free(r);

    r = aw_runner_new(.loop_factory = count_loop);
    aw_loop *l = aw_runner_loop(r);
    assert_int_equal(loops_made, 2);
    assert_ptr_equal(aw_runner_loop(r), l);
    assert_int_equal(aw_runner_run(r, give, INT(1)), 1);
    aw_runner_free(r);

    r = aw_runner_new(.loop_factory = count_loop);
    aw_runner_free(r);
    assert_int_equal(loops_made, 2);
}

/* A run that could not begin leaves no main behind for the next one. */
TEST(run_of_a_runner_without_a_backend)
{
    aw_runner *r = aw_runner_new(.backend = "nonesuch", .exception_handler = collect_report);
    assert_int_equal(aw_runner_run(r, note_it, "x", .release = note_release), -EINVAL);
    assert_int_equal(aw_all_tasks(NULL, 0, .loop = aw_runner_loop(r)), 0);
    aw_runner_free(r);
    assert_trace(""); /* the argument is still the caller's */
    assert_reports(0);
}
