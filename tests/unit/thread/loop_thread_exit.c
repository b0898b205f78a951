/*
 * The end of the process, seen from outside: background work is finished, or named.
 */
#include "util.h"

#include <sys/wait.h>

static int count(void *arg)
{
    for (int i = 0; i < 3; i++) {
        printf("%s %d\n", (char *)arg, i);
        AW_TRY(aw_sleep(0.05));
    }
    printf("finished\n");
    return 0;
}

static void leave_work_behind(void *arg)
{
    aw_cfuture_unref(aw_submit(aw_loop_thread_loop(start_loop()), count, arg));
}

TEST_REAL_CLOCK(loop_thread_exit_finishes_its_work)
{
    struct child_result r;
    run_child(&r, leave_work_behind, "work");
    assert_string_equal(r.out, "work 0\nwork 1\nwork 2\nfinished\n");
    assert_string_equal(r.err, "");
    assert_true(child_exited(&r, 0));
}

static void leave_endless_work(void *arg)
{
    flag going = {0};
    aw_loop_thread *lt = aw_loop_thread_start(.exit_timeout = 0.1);
    aw_submit(aw_loop_thread_loop(lt), signal_and_sleep, &going, .name = "endless");
    wait_flag(&going);
    (void)arg;
}

TEST_REAL_CLOCK(loop_thread_exit_cancels_and_names_what_goes_on)
{
    struct child_result r;
    double began = now();
    run_child(&r, leave_endless_work, NULL);
    assert_true(now() - began < 4);
    assert_non_null(strstr(r.err, "await: a task was cancelled by the end of the run\n"
                                  "  task:    endless signal_and_sleep\n"));
    assert_true(child_exited(&r, 0));
}

static int never_heed(void *arg)
{
    raise_flag(arg);
    while (is_up(arg))
        aw_ignore(aw_sleep(0.001));
    return 0;
}

static void leave_a_mule(void *arg)
{
    static flag going;
    aw_loop_thread *lt = aw_loop_thread_start(.exit_timeout = 0.05);
    aw_submit(aw_loop_thread_loop(lt), never_heed, &going, .name = "mule");
    wait_flag(&going);
    (void)arg;
}

TEST_REAL_CLOCK(loop_thread_exit_names_what_will_not_stop)
{
    struct child_result r;
    run_child(&r, leave_a_mule, NULL);
    assert_non_null(strstr(r.err, "await: a task would not stop, and was given up\n"
                                  "  task:    mule never_heed\n"));
    assert_true(child_exited(&r, 0));
}

static int block_for_ever(void *arg)
{
    raise_flag(arg);
    for (;;)
        pause_ms(1000);
    return 0;
}

static void leave_a_blocked_loop(void *arg)
{
    static flag going;
    aw_loop_thread *lt = aw_loop_thread_start(.name = "stuck", .exit_timeout = -1);
    assert_int_equal(aw_call_soon_threadsafe(aw_loop_thread_loop(lt), block_for_ever, &going), 0);
    wait_flag(&going);
    (void)arg;
}

TEST_REAL_CLOCK(loop_thread_exit_names_a_blocked_loop)
{
    struct child_result r;
    if (test_is_instrumented())
        SKIP("sanitizers wait for their own threads");
    run_child(&r, leave_a_blocked_loop, NULL);
    assert_non_null(strstr(r.err, "await: a loop thread did not end within"));
    assert_non_null(strstr(r.err, "thread:  stuck\n"));
    assert_true(child_exited(&r, 0));
}

/* ---- daemons ---- */

static void leave_a_daemon(void *arg)
{
    static flag going;
    aw_loop_thread *lt = aw_loop_thread_start(.name = "ghost", .daemon = true);
    if (arg) {
        aw_submit(aw_loop_thread_loop(lt), signal_and_sleep, &going);
        wait_flag(&going);
    }
}

TEST_REAL_CLOCK(loop_thread_exit_abandons_a_daemon_with_a_line)
{
    struct child_result r;
    double began = now();
    run_child(&r, leave_a_daemon, "busy");
    assert_true(now() - began < 4);
    assert_string_equal(
        r.err, "await: the process ended over the daemon thread ghost, which had 1 tasks\n");
    run_child(&r, leave_a_daemon, NULL);
    assert_string_equal(r.err, ""); /* it was idle */
}

/* ---- a job that never ends, of a loop's own pool ---- */

static int block_in_a_job(void *going)
{
    return aw_to_thread(block_for_ever, going);
}

static void leave_a_blocked_job(aw_loop_thread *lt)
{
    static flag going;
    aw_submit(aw_loop_thread_loop(lt), block_in_a_job, &going);
    wait_flag(&going);
}

static void leave_a_daemon_with_a_job(void *arg)
{
    (void)arg;
    leave_a_blocked_job(aw_loop_thread_start(.name = "ghost", .daemon = true));
}

TEST_REAL_CLOCK(loop_thread_exit_abandons_the_jobs_of_a_daemon)
{
    struct child_result r;
    double began = now();
    run_child(&r, leave_a_daemon_with_a_job, NULL);
    assert_true(now() - began < 4);
    assert_non_null(strstr(r.err, "over the daemon thread ghost, which had 1 tasks\n"));
    assert_non_null(strstr(r.err, "over the daemon pool await-pool-0, which had 1 jobs\n"));
    assert_true(child_exited(&r, 0));
}

static void leave_a_job_a_moment(void *arg)
{
    (void)arg;
    leave_a_blocked_job(aw_loop_thread_start(.name = "short", .exit_timeout = 0.05));
}

TEST_REAL_CLOCK(loop_thread_exit_gives_a_job_as_long_as_the_tasks)
{
    struct child_result r;
    double began = now();
    if (test_is_instrumented())
        SKIP("sanitizers wait for their own threads");
    run_child(&r, leave_a_job_a_moment, NULL);
    assert_true(now() - began < 4); /* 0.05 + 1 + 0.05 */
    assert_non_null(strstr(r.err, "thread:  short\n"));
    assert_non_null(strstr(r.err, "the process ended over jobs that would not end\n"));
    assert_true(child_exited(&r, 0));
}

/* ---- exit handlers of the program's own ---- */

static aw_loop_thread *stopped_late[3];

static void stop_late(void)
{
    for (int i = 0; i < 3; i++)
        if (stopped_late[i])
            printf("stop: %d\n", aw_loop_thread_stop(stopped_late[i]));
    if (!stopped_late[0])
        return;
    aw_loop_thread_shared_release();
}

/* Registered before the library's, and so called after it. */
static void stop_in_an_exit_handler(void *arg)
{
    (void)arg;
    atexit(stop_late);
    stopped_late[0] = start_loop();
    stopped_late[1] = aw_loop_thread_start(.daemon = true);
    stopped_late[2] = aw_loop_thread_shared() ? start_loop() : NULL;
    leave_work_behind("work");
}

TEST_REAL_CLOCK(loop_thread_stopped_by_an_exit_handler)
{
    struct child_result r;
    run_child(&r, stop_in_an_exit_handler, NULL);
    assert_string_equal(r.out, "work 0\nwork 1\nwork 2\nfinished\nstop: 0\nstop: 0\nstop: 0\n");
    assert_string_equal(r.err, "");
    assert_true(child_exited(&r, 0));
}

static int call_exit(void *arg)
{
    (void)arg;
    exit(3);
}

static void exit_on_the_loop(void *arg)
{
    aw_loop_thread *lt = aw_loop_thread_start(.name = "caller");
    leave_work_behind("other");
    if (arg)
        aw_submit(aw_loop_thread_loop(lt), sleep_long, NULL);
    aw_submit(aw_loop_thread_loop(lt), call_exit, NULL);
    for (;;)
        pause_ms(1000);
}

/* exit() in a coroutine: its own loop cannot be waited for, the others are. */
TEST_REAL_CLOCK(loop_thread_exit_called_on_it)
{
    struct child_result r;
    if (test_is_instrumented())
        SKIP("sanitizers are not at home on a coroutine's stack at the exit");
    run_child(&r, exit_on_the_loop, NULL);
    assert_string_equal(r.out, "other 0\nother 1\nother 2\nfinished\n");
    assert_string_equal(r.err, "");
    assert_true(child_exited(&r, 3));
    run_child(&r, exit_on_the_loop, "another task");
    assert_string_equal(
        r.err, "await: the process ended over the calling thread caller, which had 2 tasks\n");
    assert_true(child_exited(&r, 3));
}

/* ---- the child of a fork ---- */

static void only_exit(void *arg)
{
    assert_int_equal(aw_loop_thread_stop(arg), AW_EFORKED);
    assert_int_equal(aw_call_soon_threadsafe(aw_loop_thread_loop(arg), do_nothing, NULL),
                     AW_EFORKED);
    assert_int_equal(aw_loop_run_forever(aw_loop_thread_loop(arg)), AW_EFORKED);
    end_child();
}

/* The child leaves its parent's threads alone, and ends at once. */
TEST_REAL_CLOCK(loop_thread_in_the_child_of_a_fork)
{
    struct child_result r;
    aw_loop_thread *lt = start_loop();
    aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), sleep_long, NULL);
    for (int i = 0; i < 5; i++) {
        double began = now();
        run_child(&r, only_exit, lt);
        assert_string_equal(r.err, "");
        assert_true(child_exited(&r, 0));
        assert_true(now() - began < 3);
    }
    assert_false(aw_cfuture_done(f));
    stop_loop(lt);
    aw_cfuture_unref(f);
}

static int fork_here(void *arg)
{
    pid_t pid = fork();
    if (pid == 0) {
        bool refused = aw_sleep(0) == AW_EFORKED && aw_announce(NULL) == AW_EFORKED &&
                       aw_call_soon_threadsafe(arg, do_nothing, NULL) == AW_EFORKED;
        _exit(refused ? 0 : 1);
    }
    int status;
    if (waitpid(pid, &status, 0) < 0)
        return -errno;
    return status;
}

TEST_REAL_CLOCK(loop_thread_forks_in_a_coroutine)
{
    aw_loop_thread *lt = start_loop();
    aw_loop *l = aw_loop_thread_loop(lt);
    for (int i = 0; i < 5; i++)
        assert_int_equal(aw_cfuture_join(aw_submit(l, fork_here, l), 8), 0);
    stop_loop(lt);
}

/* Others hold the process's lock just then: the child must not find it taken. */
static void *start_and_stop(void *arg)
{
    while (!is_up(arg))
        stop_loop(start_loop());
    return NULL;
}

TEST_SLOW_REAL_CLOCK(loop_thread_forks_under_load)
{
    struct child_result r;
    flag enough = {0};
    if (getenv("AWAIT_TEST_INSTRUMENTED"))
        SKIP("what other threads were making is lost in the child, and valgrind says so there");
    aw_loop_thread *lt = start_loop();
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        t[i] = start_thread(start_and_stop, &enough);
    for (unsigned i = 0; i < test_scale(100, 10); i++) {
        run_child(&r, only_exit, lt);
        assert_true(child_exited(&r, 0));
    }
    raise_flag(&enough);
    for (int i = 0; i < 2; i++)
        end_thread(t[i]);
    stop_loop(lt);
}
