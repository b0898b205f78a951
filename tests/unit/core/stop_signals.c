/*
 * Signals of a run: the second one, the one that nobody reacts to, and whose a signal is.
 */
#include "stop_util.h"
#include "sys/notes.h" /* AW_TSAN */

#include <fcntl.h>
#include <pthread.h>
#include <time.h>

/* ---- the second one ---- */

static int wait_for_nothing(void *arg)
{
    (void)arg;
    return aw_join(aw_future_new());
}

static int sleep_in_group(aw_group *g, void *arg)
{
    AW_TRY(aw_group_start(g, sleep_long, arg, .name = "child"));
    return aw_sleep(3000);
}

static int start_group(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    return aw_group_call(&g, sleep_in_group, arg);
}

static int start_and_terminate(void *arg)
{
    int signo = *(int *)arg;
    AW_TRY(aw_spawn(wait_for_nothing, NULL, .name = "waiter"));
    AW_TRY(aw_spawn(start_group, NULL, .name = "parent"));
    AW_TRY(aw_spawn(note_it, "never", .name = "fresh")); /* begins, and is gone before the second */
    AW_TRY(aw_call_later(1, raise_it, INT(SIGTERM)));
    AW_TRY(aw_call_later(2, raise_it, INT(signo)));
    return aw_sleep(1000);
}

static void terminate_twice(void *arg)
{
    aw_ignore(aw_run(start_and_terminate, arg, .stop_on = AW_SIGINT_SIGTERM));
    printf("returned\n");
}

static int count_lines(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

static void check_second(int second)
{
    struct child_result r;
    run_child(&r, terminate_twice, &second);
    assert_true(child_killed(&r, second));
    assert_string_equal(r.out, "");
    assert_int_equal(count_lines(r.err, "await: a task of the run that is being ended\n"), 4);
    assert_non_null(strstr(r.err, "  task:    main start_and_terminate\n"));
    assert_non_null(strstr(r.err, "  task:    waiter wait_for_nothing\n"));
    assert_non_null(strstr(r.err, "  task:    parent start_group\n"));
    assert_non_null(strstr(r.err, "  task:    child sleep_long\n"));
    assert_non_null(strstr(r.err, "  waiting: aw_join (<future pending>), called at "));
    assert_null(strstr(r.err, "fresh"));
}

TEST(stop_second_signal_names_every_task_and_ends_the_process)
{
    check_second(SIGTERM);
    check_second(SIGINT);
}

/* In the stage of hard cancellation too, and while what is left is being waited for. */
static int ignore_and_terminate(void *arg)
{
    (void)arg;
    AW_TRY(aw_call_later(1, raise_it, INT(SIGTERM)));
    AW_TRY(aw_call_later(4, raise_it, INT(SIGTERM)));
    aw_future *never = aw_future_new();
    while (aw_time() < 100)
        aw_ignore(aw_await_shielded(never));
    return 0;
}

static int leave_ignoring(void *arg)
{
    AW_TRY(aw_spawn(ignore_and_terminate, arg, .name = "left"));
    return aw_sleep(0);
}

static int quiet(const aw_report *r, void *arg)
{
    (void)r, (void)arg;
    return 0;
}

static void terminate_while_ending(void *arg)
{
    aw_ignore(
        aw_run(leave_ignoring, arg, .stop_on = AW_SIGTERM, .hard = 5, .exception_handler = quiet));
    printf("returned\n");
}

TEST(stop_second_signal_while_the_run_is_ending)
{
    struct child_result r;
    run_child(&r, terminate_while_ending, NULL);
    assert_true(child_killed(&r, SIGTERM));
    assert_int_equal(count_lines(r.err, "await: "), 1);
    assert_non_null(strstr(r.err, "  task:    left ignore_and_terminate\n"));
}

/* ---- a loop that does not react ---- */

static int do_not_suspend(void *arg)
{
    for (int i = 0; i < *(int *)arg; i++) {
        AW_TRY(raise(SIGINT));
        printf("%d", i + 1);
        fflush(stdout);
    }
    return 0;
}

static void send_while_stuck(void *arg)
{
    aw_ignore(aw_run(do_not_suspend, arg, .stop_on = AW_SIGINT));
}

static void interrupt_while_stuck(void *arg)
{
    signal(SIGINT, SIG_DFL);
    aw_runner *r = aw_runner_new();
    aw_ignore(aw_runner_run(r, do_not_suspend, arg));
    aw_runner_free(r);
}

/* Three in a row may be impatience, one more is somebody who wants out. */
TEST(stop_of_a_loop_that_does_not_react)
{
    struct child_result r;
    int times = 10;
    run_child(&r, send_while_stuck, &times);
    assert_true(child_killed(&r, SIGINT));
    assert_string_equal(r.out, "123");
    run_child(&r, interrupt_while_stuck, &times);
    assert_true(child_killed(&r, SIGINT));
    assert_string_equal(r.out, "123");
    times = 3;
    run_child(&r, send_while_stuck, &times);
    assert_true(child_exited(&r, 0));
    assert_string_equal(r.out, "123");
}

/* Those that were seen do not count. */
static int interrupt_and_return(void *arg)
{
    for (int i = 0; i < 3; i++)
        AW_TRY(raise(SIGINT));
    return give(arg);
}

TEST(stop_runner_counts_what_its_loop_has_not_seen)
{
    signal(SIGINT, SIG_DFL);
    aw_runner *r = aw_runner_new();
    for (int i = 0; i < 5; i++)
        assert_int_equal(aw_runner_run(r, interrupt_and_return, INT(i)), i);
    aw_runner_free(r);
}

/* ---- whose a signal is ---- */

static void handle(int signo)
{
    (void)signo;
}

static int see_handler(void *arg)
{
    int signo = *(int *)arg;
    return action_of(signo).sa_handler != handle && action_of(signo).sa_handler != SIG_DFL;
}

/* After the run, whatever became of it, every signal is handled as before. */
TEST(stop_gives_signals_back)
{
    int signals[] = {SIGINT, SIGTERM};
    for (int i = 0; i < 2; i++) {
        struct sigaction mine = {.sa_handler = handle, .sa_flags = SA_NODEFER};
        sigaddset(&mine.sa_mask, SIGUSR1);
        assert_int_equal(sigaction(signals[i], &mine, NULL), 0);
        assert_int_equal(aw_run(see_handler, &signals[i], .stop_on = 1u << (1 - i)), 0);
        assert_int_equal(aw_run(see_handler, &signals[i], .stop_on = 1u << i), 1);
        assert_int_equal(aw_run(raise_it, INT(signals[i]), .stop_on = AW_SIGINT_SIGTERM), 0);
        assert_int_equal(aw_run(give, INT(-EIO), .stop_on = AW_SIGINT_SIGTERM), -EIO);
        assert_int_equal(aw_run(give, NULL, .stop_on = AW_SIGINT_SIGTERM, .stack_size = 1),
                         -EINVAL);
        struct sigaction now = action_of(signals[i]);
        assert_true(now.sa_handler == handle && now.sa_flags & SA_NODEFER);
        assert_true(sigismember(&now.sa_mask, SIGUSR1));
    }
}

TEST(stop_ignored_signal_is_taken_and_given_back)
{
    signal(SIGINT, SIG_IGN);
    assert_int_equal(aw_run(raise_it, INT(SIGINT), .stop_on = AW_SIGINT), 0);
    assert_true(action_of(SIGINT).sa_handler == SIG_IGN);
}

/* Two loops want the same signal: the second is told, and neither suffers. */
static void *run_beside(void *arg)
{
    int *seen = arg;
    seen[0] = aw_run(give, INT(1), .stop_on = AW_SIGTERM, .exception_handler = collect_report);
    copy_text(trace, sizeof trace, aw_errmsg());
    seen[1] = aw_run(give, INT(1), .stop_on = AW_SIGINT_SIGTERM);
    seen[2] = aw_run(raise_it, INT(SIGINT), .stop_on = AW_SIGINT);
    return NULL;
}

static int start_beside(void *arg)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_beside, arg), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    AW_TRY(raise(SIGTERM));
    return aw_stop_wait();
}

TEST(stop_two_loops_want_one_signal)
{
    int seen[3] = {0};
    signal(SIGINT, SIG_DFL);
    assert_int_equal(aw_run(start_beside, seen, .stop_on = AW_SIGTERM), 0);
    assert_int_equal(seen[0], -EBUSY);
    assert_int_equal(seen[1], -EBUSY);
    assert_int_equal(seen[2], 0);
    assert_string_equal(trace, "another loop has taken this signal");
    assert_true(action_of(SIGINT).sa_handler == SIG_DFL);
    assert_true(action_of(SIGTERM).sa_handler == SIG_DFL);
    assert_reports(0); /* nothing had begun */
}

/* ---- the child of a fork ---- */

static void go_on_in_child(void *arg)
{
    if (arg) {
        int err = aw_run(wait_for_nothing, NULL, .stop_on = AW_SIGTERM);
        printf("%s ", aw_error_name(err));
        err = aw_run(raise_it, INT(SIGTERM), .stop_on = AW_SIGTERM);
        printf("%d ", err);
    }
    fflush(stdout);
    raise(SIGTERM);
    printf("alive");
}

static int fork_inside(void *arg)
{
    struct child_result r;
    run_child(&r, go_on_in_child, NULL);
    assert_true(child_killed(&r, SIGTERM));
    run_child(&r, go_on_in_child, "run");
    assert_true(child_killed(&r, SIGTERM));
    assert_string_equal(r.out, "-EDEADLK 0 ");
    assert_false(aw_stopping());
    AW_TRY(aw_sleep(1));
    assert_false(aw_stopping());
    return give(arg);
}

/* It has the signals as they were before the run, and may take them itself. */
TEST(stop_signal_in_the_child_of_a_fork)
{
#ifdef AW_TSAN
    SKIP("ThreadSanitizer holds signals back in the child of a process that has fibers");
#endif
    assert_int_equal(aw_run(fork_inside, INT(2), .stop_on = AW_SIGTERM), 2);
}
