/*
 * Signals as callbacks: whose they are, what is refused, and that everything is put back.
 */
#include "util.h"

/* ---- what asyncio promises ---- */

struct seen {
    int calls;
    pthread_t thread;
    bool in_task;
    aw_future *over;
};

static int see(void *arg)
{
    struct seen *s = arg;
    s->calls++;
    s->thread = pthread_self();
    s->in_task = aw_current_task() != NULL;
    if (s->over)
        assert_int_equal(aw_set_result(s->over, 0, NULL), 0);
    return 0;
}

// SIG-001: A signal handler added to the loop runs as an ordinary callback in the loop's thread,
// once for a signal sent once, with the argument given.
TEST_IN_LOOP(SIG_001_handler_is_an_ordinary_callback)
{
    struct seen s = {0}, other = {0};
    assert_int_equal(aw_add_signal_handler(SIGUSR1, see, &s), 0);
    assert_int_equal(aw_add_signal_handler(SIGUSR2, see, &other), 0);
    raise(SIGUSR1);
    assert_int_equal(s.calls, 0);
    passes(3);
    assert_int_equal(s.calls, 1);
    assert_true(pthread_equal(s.thread, pthread_self()) && !s.in_task);
    assert_int_equal(other.calls, 0);
    raise(SIGUSR1);
    raise(SIGUSR2);
    passes(2);
    assert_int_equal(s.calls, 2);
    assert_int_equal(other.calls, 1);
}

static int wait_for_signal(void *arg)
{
    struct seen s = {.over = aw_future_new()};
    pthread_t thread;
    (void)arg;
    AW_TRY(aw_add_signal_handler(SIGUSR1, see, &s));
    assert_int_equal(pthread_create(&thread, NULL, kill_when_asleep, INT(SIGUSR1)), 0);
    double began = aw_time();
    assert_int_equal(aw_wait_for(s.over, 1000), 0);
    assert_true(aw_time() - began < 100);
    pthread_join(thread, NULL);
    aw_unref(s.over);
    return s.calls;
}

// SIG-002: A signal that arrives while the loop is blocked in its poll wakes it: the handler runs
// long before the next timer.
TEST_REAL_CLOCK(SIG_002_signal_wakes_the_poll)
{
    assert_int_equal(aw_run(wait_for_signal, NULL), 1);
}

// SIG-003: Adding or removing a handler for signal 0, -1 or one beyond the highest fails with
// EINVAL.
TEST_IN_LOOP(SIG_003_numbers_that_are_none)
{
    const int bad[] = {0, -1, 65, 1 << 30};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(aw_add_signal_handler(bad[i], note_it, "x"), -EINVAL);
        assert_int_equal(aw_remove_signal_handler(NULL, bad[i]), -EINVAL);
        assert_int_equal(aw_signal_wait(aw_signal(bad[i])), -EINVAL);
        assert_null(aw_signals_new(NULL, aw_signal(bad[i])));
        assert_int_equal(aw_errno(), -EINVAL);
    }
    assert_int_equal(aw_add_signal_handler(SIGUSR1, NULL, "x"), -EINVAL);
}

// SIG-004: Adding a handler for SIGKILL fails with 'misuse'; removing one for it answers false.
TEST_IN_LOOP(SIG_004_signals_that_cannot_be_caught)
{
    const int bad[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        void *before = action_of(bad[i]);
        assert_int_equal(aw_add_signal_handler(bad[i], note_it, "x"), AW_EMISUSE);
        assert_non_null(strstr(aw_errmsg(), " cannot be caught"));
        assert_int_equal(aw_remove_signal_handler(NULL, bad[i]), 0);
        assert_int_equal(aw_signal_wait(aw_signal(bad[i]) | aw_signal(SIGUSR1)), AW_EMISUSE);
        assert_ptr_equal(action_of(bad[i]), before);
    }
    assert_true(has_default(SIGUSR1));
}

static int add_elsewhere(void *arg)
{
    (void)arg;
    assert_int_equal(aw_add_signal_handler(SIGUSR1, note_it, "x"), AW_EMISUSE);
    assert_non_null(strstr(aw_errmsg(), "main thread"));
    assert_int_equal(aw_signal_wait(aw_signal(SIGUSR1)), AW_EMISUSE);
    assert_null(aw_signals_new(NULL, aw_signal(SIGUSR1)));
    assert_int_equal(aw_remove_signal_handler(NULL, SIGUSR1), 0);
    return 0;
}

static void *run_elsewhere(void *arg)
{
    *(int *)arg = aw_run(add_elsewhere, NULL);
    return NULL;
}

// SIG-005: Adding a signal handler from a thread other than the main one fails with 'misuse'.
TEST(SIG_005_only_in_the_main_thread)
{
    pthread_t thread;
    int err = -1;
    assert_int_equal(pthread_create(&thread, NULL, run_elsewhere, &err), 0);
    pthread_join(thread, NULL);
    assert_int_equal(err, 0);
    assert_true(has_default(SIGUSR1));
}

static int refuse(int signo, const struct sigaction *action, struct sigaction *before)
{
    (void)signo, (void)action, (void)before;
    return -EPERM;
}

// SIG-006: If the system refuses the handler, the call fails and the loop keeps no trace of it.
TEST_IN_LOOP(SIG_006_refused_by_the_system)
{
    int calls = 0;
    aw_handle *h = (aw_handle *)&calls;
    struct aw_sys_table real = aw_sys;
    aw_sys.sigaction = refuse;
    assert_int_equal(aw_add_signal_handler(SIGUSR1, count_call, &calls, .handle = &h), -EPERM);
    assert_null(h);
    assert_int_equal(aw_signal_wait(aw_signal(SIGUSR1) | aw_signal(SIGUSR2)), -EPERM);
    assert_null(aw_signals_new(NULL, aw_signal(SIGUSR1)));
    assert_int_equal(aw_errno(), -EPERM);
    aw_sys = real;
    assert_int_equal(aw_remove_signal_handler(NULL, SIGUSR1), 0);
    assert_int_equal(aw_add_signal_handler(SIGUSR1, count_call, &calls), 0);
    raise(SIGUSR1);
    passes(2);
    assert_int_equal(calls, 1);
}

static int wait_status(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return status;
}

// SIG-007: A signal sent to a forked child does not run the parent's loop handler, and the parent's
// loop goes on working.
TEST_IN_LOOP(SIG_007_forked_child_has_the_former_action)
{
    int calls = 0;
    signal(SIGUSR2, SIG_IGN);
    assert_int_equal(aw_add_signal_handler(SIGUSR1, count_call, &calls), 0);
    assert_int_equal(aw_add_signal_handler(SIGUSR2, count_call, &calls), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        raise(SIGUSR2); /* was ignored */
        raise(SIGUSR1); /* had its default action */
        _exit(calls);
    }
    int status = wait_status(pid);
    if (!test_is_instrumented()) /* the thread sanitizer keeps signals of such a child back */
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    passes(3);
    assert_int_equal(calls, 0);
    raise(SIGUSR1);
    passes(2);
    assert_int_equal(calls, 1);
}

static int in_child(void *arg)
{
    struct seen s = {0};
    AW_TRY(aw_add_signal_handler(SIGUSR1, see, &s));
    raise(SIGUSR1);
    passes(2);
    return s.calls == 1 ? (int)(intptr_t)arg : -EPROTO;
}

// SIG-008: A child forked from inside a running loop does not count as running that loop and can
// run one of its own.
TEST_IN_LOOP(SIG_008_forked_child_runs_a_loop_of_its_own)
{
    int calls = 0;
    assert_int_equal(aw_add_signal_handler(SIGUSR1, count_call, &calls), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        bool none = !aw_running_loop() && !aw_current_task();
        _exit(none ? aw_run(in_child, INT(23)) : 1);
    }
    int status = wait_status(pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 23);
    assert_int_equal(calls, 0);
    passes(2);
}

static int poll_for_nothing(void *arg)
{
    return aw_poll(*(int *)arg, 0);
}

// SIG-009: A pipe being written notices when its reader goes away, even with nothing to write.
TEST_IN_LOOP(SIG_009_writer_notices_that_the_reader_is_gone)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    aw_task *t = aw_create_task(poll_for_nothing, &ends[1]);
    passes(3);
    assert_false(aw_done(t));
    close(ends[0]);
    assert_true(aw_await(t) & POLLERR);
    aw_unref(t);
    close(ends[1]);
}

/* ---- handlers come and go ---- */

TEST_IN_LOOP(signal_handler_replaced_removed_cancelled)
{
    int first = 0, second = 0;
    aw_handle *h;
    assert_int_equal(aw_add_signal_handler(SIGUSR1, count_call, &first), 0);
    assert_int_equal(aw_add_signal_handler(SIGUSR1, count_call, &second, .handle = &h), 0);
    raise(SIGUSR1);
    raise(SIGUSR1);
    passes(2);
    assert_true(first == 0 && second == 1);
    aw_handle_cancel(h);
    assert_true(aw_handle_cancelled(h));
    assert_true(has_default(SIGUSR1));
    assert_int_equal(aw_remove_signal_handler(NULL, SIGUSR1), 0);
    aw_handle_unref(h);
    assert_int_equal(aw_add_signal_handler(SIGUSR1, count_call, &first), 0);
    raise(SIGUSR1);
    assert_int_equal(aw_remove_signal_handler(NULL, SIGUSR1), 1); /* not answered: forgotten */
    passes(2);
    assert_int_equal(first, 0);
}

static int remove_itself(void *arg)
{
    assert_int_equal(aw_remove_signal_handler(NULL, SIGUSR1), 1);
    return count_call(arg);
}

static int raise_and_remove(void *arg)
{
    raise(SIGUSR2);
    assert_int_equal(aw_remove_signal_handler(NULL, SIGUSR2), 1);
    return count_call(arg);
}

TEST_IN_LOOP(signal_handler_that_removes_itself)
{
    int calls = 0;
    assert_int_equal(aw_add_signal_handler(SIGUSR1, remove_itself, &calls), 0);
    assert_int_equal(aw_add_signal_handler(SIGUSR2, raise_and_remove, &calls), 0);
    raise(SIGUSR1);
    raise(SIGUSR2);
    passes(3);
    assert_int_equal(calls, 2);
    assert_true(has_default(SIGUSR1));
    assert_true(has_default(SIGUSR2));
}

static int fail_it(void *arg)
{
    (void)arg;
    return -EPROTO;
}

static int run_failing(void *arg)
{
    (void)arg;
    AW_TRY(aw_add_signal_handler(SIGUSR1, fail_it, NULL));
    raise(SIGUSR1);
    passes(2);
    return 0;
}

TEST(signal_handler_that_fails_is_reported)
{
    assert_int_equal(aw_run(run_failing, NULL, .exception_handler = collect_report), 0);
    assert_int_equal(reports.error, -EPROTO);
    assert_string_equal(reports.fn_name, "fail_it");
    assert_reports(1);
}

/* ---- whose a signal is ---- */

TEST(signals_are_put_back_when_the_loop_closes)
{
    void *before = action_of(SIGHUP);
    int calls = 0;
    aw_loop *one = aw_loop_new(), *other = aw_loop_new();
    assert_int_equal(aw_add_signal_handler(SIGHUP, count_call, &calls, .loop = one), 0);
    assert_int_equal(aw_add_signal_handler(SIGHUP, count_call, &calls, .loop = other), -EBUSY);
    aw_signals *s = aw_signals_new(one, aw_signal(SIGHUP) | aw_signal(SIGUSR1));
    assert_non_null(s);
    assert_int_equal(aw_loop_close(one), 0);
    assert_ptr_equal(action_of(SIGHUP), before);
    assert_true(has_default(SIGUSR1));
    assert_int_equal(aw_signals_wait(s), AW_EMISUSE);
    aw_signals_free(s);
    assert_int_equal(aw_add_signal_handler(SIGHUP, count_call, &calls, .loop = one), AW_EMISUSE);
    assert_int_equal(aw_remove_signal_handler(one, SIGHUP), 0);
    assert_null(aw_signals_new(one, aw_signal(SIGHUP)));
    assert_int_equal(aw_add_signal_handler(SIGHUP, count_call, &calls, .loop = other), 0);
    aw_loop_free(one);
    aw_loop_free(other);
    assert_int_equal(aw_add_signal_handler(SIGHUP, count_call, &calls), AW_EMISUSE);
    assert_int_equal(aw_remove_signal_handler(NULL, SIGHUP), AW_EMISUSE);
}

static int want_stop_signals(void *arg)
{
    (void)arg;
    assert_int_equal(aw_add_signal_handler(SIGTERM, note_it, "x"), -EBUSY);
    assert_non_null(strstr(aw_errmsg(), ".stop_on"));
    assert_int_equal(aw_signal_wait(aw_signal(SIGTERM) | aw_signal(SIGUSR1)), -EBUSY);
    assert_true(has_default(SIGUSR1));
    int calls = 0;
    assert_int_equal(aw_add_signal_handler(SIGINT, count_call, &calls), 0);
    raise(SIGINT);
    passes(2);
    assert_int_equal(calls, 1);
    raise(SIGTERM);
    AW_TRY(aw_stop_wait());
    return 5;
}

TEST(signals_of_stop_on_are_refused)
{
    assert_int_equal(aw_run(want_stop_signals, NULL, .stop_on = AW_SIGTERM), 5);
    assert_true(has_default(SIGTERM));
    assert_true(has_default(SIGINT));
}

static aw_loop *loop_with_handler(void *arg)
{
    aw_loop *l = aw_loop_new();
    assert_int_equal(aw_add_signal_handler(SIGTERM, count_call, arg, .loop = l), 0);
    return l;
}

TEST(signal_of_a_handler_is_refused_to_stop_on)
{
    int calls = 0;
    assert_int_equal(aw_run(give, INT(1), .stop_on = AW_SIGTERM, .loop_factory = loop_with_handler,
                            .loop_factory_arg = &calls),
                     -EBUSY);
    assert_true(has_default(SIGTERM));
}

static int handle_then_be_interrupted(void *arg)
{
    int *calls = arg;
    AW_TRY(aw_add_signal_handler(SIGINT, count_call, calls));
    for (int i = 0; i < 6; i++) { /* more than a stuck run would survive */
        raise(SIGINT);
        AW_TRY(aw_sleep(0));
        AW_TRY(aw_sleep(0));
    }
    assert_int_equal(*calls, 6);
    assert_int_equal(aw_remove_signal_handler(NULL, SIGINT), 1);
    raise(SIGINT);
    for (;;)
        AW_TRY(aw_sleep(0));
}

TEST(signal_sigint_of_a_runner_yields_to_handlers)
{
    int calls = 0;
    signal(SIGINT, SIG_DFL);
    aw_runner *r = aw_runner_new();
    assert_int_equal(aw_runner_run(r, handle_then_be_interrupted, &calls), AW_EINTR);
    assert_int_equal(calls, 6);
    aw_runner_free(r);
    assert_true(has_default(SIGINT));
}

/* Signals that nobody looks at are no reason to die of, unless they were to stop the run. */
TEST_IN_LOOP(signals_unanswered_for_long)
{
    int calls = 0;
    assert_int_equal(aw_add_signal_handler(SIGUSR1, count_call, &calls), 0);
    for (int i = 0; i < 100; i++)
        raise(SIGUSR1);
    passes(2);
    assert_int_equal(calls, 1);
}

/* ---- deadlocks ---- */

static int wait_in_vain(void *arg)
{
    (void)arg;
    aw_future *f = aw_future_new();
    int err = aw_await(f);
    aw_unref(f);
    return err;
}

static int wait_with_handler(void *arg)
{
    struct seen s = {.over = aw_future_new()};
    pthread_t thread;
    AW_TRY(aw_add_signal_handler(SIGUSR1, see, &s));
    if (arg)
        AW_TRY(aw_remove_signal_handler(NULL, SIGUSR1));
    else
        assert_int_equal(pthread_create(&thread, NULL, kill_when_asleep, INT(SIGUSR1)), 0);
    int err = aw_await(s.over);
    aw_unref(s.over);
    if (!arg)
        pthread_join(thread, NULL);
    return err;
}

TEST(signal_handlers_count_against_deadlock)
{
    assert_int_equal(aw_run(wait_in_vain, NULL, .exception_handler = collect_report), -EDEADLK);
    reports.n = 0;
    assert_int_equal(aw_run(wait_with_handler, "removed", .exception_handler = collect_report),
                     -EDEADLK);
    reports.n = 0;
    assert_int_equal(aw_run(wait_with_handler, NULL, .exception_handler = collect_report), 0);
    assert_reports(0);
}

/* ---- a storm ---- */

static struct {
    pthread_t main;
    atomic_bool over;
    unsigned n;
} storm;

static void *send_storm(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < storm.n; i++)
        pthread_kill(storm.main, i % 2 ? SIGUSR1 : SIGUSR2);
    atomic_store(&storm.over, true);
    return NULL;
}

static int keep_switching(void *arg)
{
    int *rounds = arg;
    do {
        ++*rounds;
        AW_TRY(aw_sleep(0));
    } while (!atomic_load(&storm.over));
    return 0;
}

static int weather_storm(void *arg)
{
    int calls[2] = {0}, rounds[3] = {0};
    pthread_t thread;
    (void)arg;
    AW_TRY(aw_add_signal_handler(SIGUSR1, count_call, &calls[0]));
    AW_TRY(aw_add_signal_handler(SIGUSR2, count_call, &calls[1]));
    storm.main = pthread_self();
    assert_int_equal(pthread_create(&thread, NULL, send_storm, NULL), 0);
    AW_TRY(aw_gather(AW_CORO(keep_switching, &rounds[0]), AW_CORO(keep_switching, &rounds[1]),
                     AW_CORO(keep_switching, &rounds[2])));
    pthread_join(thread, NULL);
    passes(2);
    assert_true(calls[0] > 0 && calls[1] > 0);
    assert_true(rounds[0] > 0 && rounds[1] > 0 && rounds[2] > 0);
    return 0;
}

TEST_SLOW_REAL_CLOCK(signals_a_million_during_switches)
{
    storm.n = test_scale(1000000, 20000);
    assert_int_equal(aw_run(weather_storm, NULL), 0);
}
