/*
 * How jobs, runs and the process end: who waits for whom, and what is said of those that do not.
 */
#include <sys/wait.h>

#include "jobs.h"

static int nap_and_say(void *arg)
{
    nap((int)(intptr_t)arg);
    printf("said\n");
    fflush(stdout);
    return 0;
}

/* ---- the end of the process ---- */

static void end_with_jobs(void *arg)
{
    (void)arg;
    static aw_executor *ex; /* at the exit still in sight of leak checkers */
    ex = aw_thread_pool(.max_workers = 1);
    aw_cfuture_unref(aw_executor_submit(ex, nap_and_say, INT(100)));
    aw_cfuture_unref(aw_executor_submit(ex, nap_and_say, INT(100)));
}

// CONC-019: A program that ends with jobs still running lets them finish first.
TEST_REAL_CLOCK(CONC_019_jobs_finish_before_the_process)
{
    struct child_result r;
    run_child(&r, end_with_jobs, NULL);
    assert_string_equal(r.err, "");
    assert_string_equal(r.out, "said\nsaid\n");
    assert_true(child_exited(&r, 0));
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return 0;
}

static void end_over_jobs(void *arg)
{
    (void)arg;
    static aw_executor *ex; /* at the exit still in sight of leak checkers */
    ex = aw_thread_pool(.max_workers = 1, .exit_timeout = 0.1, .prefix = "stuck");
    aw_cfuture_unref(aw_executor_submit(ex, sleep_for_ever, NULL, .name = "insomnia"));
    aw_cfuture_unref(aw_executor_submit(ex, nap_and_say, INT(0)));
}

TEST_REAL_CLOCK(exec_the_exit_names_what_does_not_end)
{
    struct child_result r;
    run_child(&r, end_over_jobs, NULL);
    assert_true(child_exited(&r, 0));
    assert_string_equal(r.out, "");
    assert_non_null(strstr(r.err, "the process ended over jobs that would not end\n"));
    assert_non_null(strstr(r.err, "  pool:    stuck, created at "));
    assert_non_null(strstr(r.err, "insomnia sleep_for_ever in thread stuck_0, submitted at "));
}

static void end_over_daemon(void *arg)
{
    (void)arg;
    static aw_executor *ex; /* at the exit still in sight of leak checkers */
    ex = aw_thread_pool(.max_workers = 1, .daemon = true, .prefix = "demon");
    static aw_executor *idle; /* at the exit still in sight of leak checkers */
    idle = aw_thread_pool(.daemon = true);
    assert_int_equal(collect(aw_executor_submit(idle, nap_job, INT(0))), 0);
    nap(20);
    aw_cfuture_unref(aw_executor_submit(ex, sleep_for_ever, NULL));
    aw_cfuture_unref(aw_executor_submit(ex, nap_and_say, INT(0)));
}

TEST_REAL_CLOCK(exec_a_daemon_is_abandoned_with_a_line)
{
    struct child_result r;
    run_child(&r, end_over_daemon, NULL);
    assert_true(child_exited(&r, 0));
    assert_string_equal(r.out, "");
    assert_string_equal(r.err,
                        "await: the process ended over the daemon pool demon, which had 2 jobs\n");
}

static int exit_here(void *arg)
{
    (void)arg;
    exit(3);
}

static void exit_in_a_job(void *arg)
{
    (void)arg;
    aw_executor *ex = aw_thread_pool(.max_workers = 2);
    aw_cfuture_unref(aw_executor_submit(ex, nap_and_say, INT(50)));
    aw_ignore(collect(aw_executor_submit(ex, exit_here, NULL)));
}

TEST_REAL_CLOCK(exec_exit_inside_a_job)
{
    struct child_result r;
    run_child(&r, exit_in_a_job, NULL);
    assert_true(child_exited(&r, 3));
    assert_string_equal(r.out, "said\n");
    assert_string_equal(r.err, "");
}

/* ---- fork ---- */

static void use_in_child(void *arg)
{
    aw_executor *ex = arg;
    assert_null(aw_executor_submit(ex, nap_job, INT(0)));
    assert_int_equal(aw_errno(), AW_EFORKED);
    assert_int_equal(aw_executor_shutdown(ex, .wait = true), AW_EFORKED);
    assert_int_equal(aw_executor_threads(ex), AW_EFORKED);
    aw_executor_unref(ex);
    if (test_is_instrumented())
        return; /* some sanitizers make no thread in the child of a process that had some */
    aw_executor *own = aw_thread_pool(.max_workers = 1);
    assert_int_equal(collect(aw_executor_submit(own, nap_job, INT(1))), 1);
}

TEST_REAL_CLOCK(exec_fork_leaves_the_parents_pools_to_the_parent)
{
    struct child_result r;
    aw_executor *ex = aw_thread_pool(.max_workers = 1);
    assert_int_equal(collect(aw_executor_submit(ex, nap_job, INT(0))), 0);
    run_child(&r, use_in_child, ex);
    assert_true(child_exited(&r, 0));
    assert_int_equal(aw_executor_free(ex), 0);
}

/* ---- the end of a run ---- */

struct stack_job {
    struct gate *gate;
    _Atomic int touched;
};

static int touch_late(void *arg)
{
    struct stack_job *s = arg;
    aw_ignore(stand_at_gate(s->gate));
    nap(50);
    atomic_fetch_add(&s->touched, 1); /* on the stack of the task that waits */
    return 0;
}

struct left_waiting {
    struct gate gate;
    int touched;
};

static int wait_on_own_stack(void *arg)
{
    struct left_waiting *w = arg;
    struct stack_job s = {.gate = &w->gate};
    int err = aw_to_thread(touch_late, &s);
    w->touched = s.touched;
    return err;
}

/* The job has begun when main ends. */
static int leave_it_waiting(void *arg)
{
    struct left_waiting *w = arg;
    aw_unref(aw_create_task(wait_on_own_stack, w, .eager = true));
    gate_await(&w->gate);
    return 0;
}

/* And goes on once it has been named. */
static int collect_and_open(const aw_report *r, void *arg)
{
    struct left_waiting *w = arg;
    if (r->kind == AW_REPORT_WOULD_NOT_STOP)
        gate_open(&w->gate);
    return collect_report(r, NULL);
}

/* Neither cancellation nor its hard kind takes the stack away under a thread that uses it; what is
 * waited for is named. */
TEST_REAL_CLOCK(exec_a_run_waits_for_the_jobs_its_tasks_wait_for)
{
    static struct left_waiting w;
    gate_init(&w.gate, 0);
    assert_int_equal(aw_run(leave_it_waiting, &w, .hard = 0.05,
                            .exception_handler = collect_and_open, .exception_arg = &w),
                     0);
    assert_int_equal(w.touched, 1);
    assert_int_equal(reports.kind, AW_REPORT_WOULD_NOT_STOP);
    assert_reports(2); /* cancelled at the end of the run; cannot stop before its job */
}

static int abandon_one(void *arg)
{
    aw_future *f = aw_run_in_executor(NULL, stand_at_gate, arg, .abandon_on_cancel = true);
    gate_await(arg);
    assert_true(aw_cancel(f));
    aw_unref(f);
    return aw_to_thread(nap_job, INT(1));
}

/* An abandoned job is not waited for: the loop closes while it runs. */
TEST_REAL_CLOCK(exec_a_run_does_not_wait_for_abandoned_jobs)
{
    static struct gate gate;
    gate_init(&gate, 0);
    assert_int_equal(aw_run(abandon_one, &gate), 1);
    gate_open(&gate);
}

static int nap_and_count(void *arg)
{
    nap(100);
    return count_call(arg);
}

static int abandon_then_leave(void *arg)
{
    static struct gate gate;
    gate_init(&gate, 0);
    aw_future *f = aw_run_in_executor(NULL, stand_at_gate, &gate, .abandon_on_cancel = true);
    gate_await(&gate);
    assert_true(aw_cancel(f));
    aw_unref(f);
    gate_open(&gate);
    nap(50); /* it is over: only the next one is to be waited for */
    aw_unref(aw_run_in_executor(NULL, nap_and_count, arg));
    return 0;
}

TEST_REAL_CLOCK(exec_an_abandoned_job_that_ended_excuses_no_other)
{
    _Atomic int calls = 0;
    assert_int_equal(aw_run(abandon_then_leave, &calls), 0);
    assert_int_equal(calls, 1);
}

static void never_returns(void *arg)
{
    (void)arg;
    static struct gate gate;
    gate_init(&gate, 0);
    assert_int_equal(aw_run(abandon_one, &gate), 1);
    printf("closed\n");
}

/* It never returns: the loop closes, and the exit names it after its time. */
TEST_SLOW_REAL_CLOCK(exec_a_job_that_never_returns_is_named_at_the_exit)
{
    struct child_result r;
    run_child(&r, never_returns, NULL);
    assert_true(child_exited(&r, 0));
    assert_string_equal(r.out, "closed\n");
    assert_non_null(strstr(r.err, "the process ended over jobs that would not end"));
    assert_non_null(strstr(r.err, "stand_at_gate in thread await-pool-0_0"));
}

static int shut_in_time(void *arg)
{
    aw_unref(aw_run_in_executor(NULL, stand_at_gate, arg));
    gate_await(arg);
    assert_int_equal(aw_loop_shutdown_default_executor(NULL, .timeout = -1), -ETIMEDOUT);
    return aw_loop_shutdown_default_executor(NULL, .timeout = 0.05);
}

static void leave_the_pool(void *arg)
{
    (void)arg;
    static struct gate gate;
    gate_init(&gate, 0);
    assert_int_equal(aw_run(shut_in_time, &gate), -ETIMEDOUT);
    printf("closed\n");
    gate_open(&gate);
}

static pthread_key_t ending;
static _Atomic int n_ended;

static void end_slowly(void *value)
{
    (void)value;
    nap(20);
    n_ended++;
}

static int have_a_slow_end(void *arg)
{
    return -pthread_setspecific(ending, arg);
}

static void wait_until_no_thread(aw_executor *ex)
{
    while (aw_executor_threads(ex) > 0)
        nap(1);
}

/* Also those threads that left before anybody waited for them. */
TEST_REAL_CLOCK(exec_a_shutdown_that_waits_finds_all_threads_ended)
{
    assert_int_equal(pthread_key_create(&ending, end_slowly), 0);
    aw_executor *ex = aw_thread_pool(.max_workers = 1);
    assert_int_equal(collect(aw_executor_submit(ex, have_a_slow_end, ex)), 0);
    assert_int_equal(aw_executor_shutdown(ex), 0);
    wait_until_no_thread(ex);
    assert_int_equal(aw_executor_shutdown(ex, .wait = true), 0);
    assert_int_equal(n_ended, 1);
    aw_executor_unref(ex);
}

/* And where nobody may wait any more, nothing is left of them. */
TEST_REAL_CLOCK(exec_the_last_handle_lets_threads_go)
{
    _Atomic int calls = 0;
    count_memory();
    for (int i = 0; i < 2; i++) {
        aw_executor *ex = aw_thread_pool(.max_workers = 1);
        aw_cfuture *f = aw_executor_submit(ex, count_call, &calls);
        assert_int_equal(aw_executor_shutdown(ex), 0);
        if (i == 0)
            wait_until_no_thread(ex);
        aw_executor_unref(ex);
        assert_int_equal(collect(f), 0);
    }
    while (memory.live > 0) /* a thread may still be on its way out */
        nap(1);
}

/* A shutdown with a time limit names the jobs and gives them up; closing does not wait either. */
TEST_REAL_CLOCK(exec_a_shutdown_with_a_limit_gives_jobs_up)
{
    struct child_result r;
    run_child(&r, leave_the_pool, NULL);
    assert_true(child_exited(&r, 0));
    assert_string_equal(r.out, "closed\n");
    assert_non_null(strstr(r.err, "the pool of a loop did not end in time"));
    assert_non_null(strstr(r.err, "stand_at_gate in thread await-pool-0_0"));
}

static int close_with_a_slow_job(void *arg)
{
    aw_unref(aw_run_in_executor(NULL, nap_job, arg));
    return 0;
}

static void close_slowly(void *arg)
{
    assert_int_equal(aw_run(close_with_a_slow_job, arg), 0);
}

TEST_SLOW_REAL_CLOCK(exec_closing_names_the_jobs_that_it_waits_long_for)
{
    struct child_result r;
    run_child(&r, close_slowly, INT(5300));
    assert_true(child_exited(&r, 0));
    assert_non_null(strstr(r.err, "a loop cannot close before the jobs of its own pool"));
    assert_non_null(strstr(r.err, "nap_job in thread await-pool-0_0"));
}

/* ---- a loop that is closed over its tasks ---- */

static sem_t closing;

static int touch_slowly(void *arg)
{
    _Atomic int **touched = arg;
    sem_post(&closing);
    nap(100);
    atomic_fetch_add(*touched, 1);
    return 0;
}

/* What the job works on lies on the task's stack. */
static int await_on_own_stack(void *arg)
{
    _Atomic int *touched = arg;
    return aw_to_thread(touch_slowly, &touched);
}

TEST_REAL_CLOCK(exec_closing_over_a_task_that_waits)
{
    _Atomic int touched = 0;
    assert_int_equal(sem_init(&closing, 0, 0), 0);
    aw_loop *l = aw_loop_new();
    assert_int_equal(aw_loop_set_exception_handler(l, collect_report, NULL), 0);
    aw_executor *ex = aw_thread_pool(.max_workers = 1);
    assert_int_equal(aw_loop_set_default_executor(l, ex), 0);
    aw_task *t = aw_create_task(await_on_own_stack, &touched, .loop = l);
    assert_int_equal(aw_loop_stop(l), 0);
    assert_int_equal(aw_loop_run_forever(l), 0);
    sem_take(&closing);
    assert_int_equal(aw_loop_close(l), 0); /* waits: the task's stack goes */
    assert_int_equal(touched, 1);
    assert_reports(1);
    assert_true(aw_cancelled(t));
    aw_unref(t);
    aw_loop_free(l);
    assert_int_equal(aw_executor_free(ex), 0);
}

/* ---- deadlocks ---- */

static int only_a_job(void *arg)
{
    assert_int_equal(aw_to_thread(nap_job, arg), 20);
    aw_future *f = aw_run_in_executor(NULL, nap_job, arg);
    aw_task *t = aw_create_task(await_it, f);
    assert_int_equal(aw_await(t), 20);
    aw_unref(f);
    aw_unref(t);
    return aw_join(aw_future_new()); /* now there is nothing left */
}

TEST(exec_a_job_is_no_deadlock_and_its_end_may_be_one)
{
    assert_int_equal(aw_run(only_a_job, INT(20), .exception_handler = collect_report), -EDEADLK);
}

static int abandon_and_wait(void *arg)
{
    aw_future *f = aw_run_in_executor(NULL, stand_at_gate, arg, .abandon_on_cancel = true);
    gate_await(arg);
    assert_true(aw_cancel(f));
    aw_unref(f);
    return aw_join(aw_future_new());
}

TEST(exec_an_abandoned_job_wakes_nobody)
{
    static struct gate gate;
    gate_init(&gate, 0);
    assert_int_equal(aw_run(abandon_and_wait, &gate, .exception_handler = collect_report),
                     -EDEADLK);
    gate_open(&gate);
}

/* ---- loops in threads ---- */

static int use_pool(void *arg)
{
    return aw_to_thread(nap_job, arg);
}

TEST_REAL_CLOCK(exec_pools_of_loop_threads)
{
    for (int i = 0; i < 20; i++) {
        aw_loop_thread *lt = aw_loop_thread_start();
        aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), use_pool, INT(1));
        if (i % 2)
            assert_int_equal(aw_cfuture_join(f, INFINITY), 1);
        else
            aw_cfuture_unref(f);
        assert_int_equal(aw_loop_thread_stop(lt), 0);
    }
}
