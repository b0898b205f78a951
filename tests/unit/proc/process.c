/*
 * The life of a child process: waited for, signalled, left alone, and the end of its loop.
 */
#include "util.h"

static aw_process *start_cat(void)
{
    aw_process *p = aw_create_subprocess_exec(AW_ARGV("cat"), .in = AW_PIPE, .out = AW_PIPE);
    assert_non_null(p);
    return p;
}

static int wait_it(void *arg)
{
    int status = 1000;
    AW_TRY(aw_process_wait(arg, &status));
    return status + 100;
}

/* Waits for its end: the status. */
static int end_of(aw_process *p)
{
    int status = 1000;
    assert_int_equal(aw_process_wait(p, &status), 0);
    return status;
}

static int run_shell(const char *command)
{
    aw_process *p = aw_create_subprocess_shell(command);
    assert_non_null(p);
    int status = end_of(p);
    aw_process_unref(p);
    return status;
}

// PROC-001: A child with piped input and output echoes what it is given; its exit status is 0.
TEST_IN_LOOP(PROC_001_child_echoes)
{
    char buf[16] = "";
    aw_process *p = start_cat();
    assert_int_equal(aw_stream_write(aw_process_stdin(p), "some data", 9), 0);
    assert_int_equal(aw_stream_drain(aw_process_stdin(p)), 0);
    assert_int_equal(aw_stream_readexactly(aw_process_stdout(p), buf, 9), 0);
    assert_string_equal(buf, "some data");
    assert_int_equal(aw_stream_close(aw_process_stdin(p)), 0);
    assert_int_equal(end_of(p), 0);
    assert_int_equal(aw_stream_read(aw_process_stdout(p), buf, sizeof buf), 0);
    aw_process_unref(p);
}

// PROC-004: A shell command that exits with 7 gives exit status 7.
TEST_IN_LOOP(PROC_004_status_of_a_command)
{
    assert_int_equal(run_shell("exit 7"), 7);
    assert_int_equal(run_shell("exit 255"), 255);
    assert_int_equal(run_shell("true"), 0);
    assert_int_equal(run_shell("a-command-that-does-not-exist 2>/dev/null"), 127);
    assert_int_equal(run_shell("kill -HUP $$"), -SIGHUP);
}

static int kill_with(int (*how)(aw_process *p))
{
    aw_process *p = start_cat();
    int status;
    assert_false(aw_process_returncode(p, &status));
    assert_int_equal(aw_process_poll(p, &status), 0);
    assert_int_equal(how(p), 0);
    status = end_of(p);
    aw_process_unref(p);
    return status;
}

static int hang_up(aw_process *p)
{
    return aw_process_send_signal(p, SIGHUP);
}

// PROC-005: A child that was killed has status -SIGKILL, a terminated one -SIGTERM, one that got
// SIGHUP -SIGHUP.
TEST_IN_LOOP(PROC_005_status_of_the_killed)
{
    signal(SIGHUP, SIG_DFL);
    assert_int_equal(kill_with(aw_process_kill), -SIGKILL);
    assert_int_equal(kill_with(aw_process_terminate), -SIGTERM);
    assert_int_equal(kill_with(hang_up), -SIGHUP);
}

// PROC-006: Signalling, terminating or killing a child that has been waited for fails with ESRCH.
TEST_IN_LOOP(PROC_006_signalled_too_late)
{
    aw_process *p = aw_create_subprocess_exec(AW_ARGV("true"), .new_group = true);
    int pid = aw_process_pid(p), status = -1;
    assert_int_equal(end_of(p), 0);
    assert_int_equal(aw_process_send_signal(p, SIGHUP), -ESRCH);
    assert_int_equal(aw_process_terminate(p), -ESRCH);
    assert_int_equal(aw_process_kill(p), -ESRCH);
    assert_int_equal(aw_process_signal_group(p, SIGTERM), -ESRCH);
    assert_true(aw_process_returncode(p, &status) && status == 0);
    assert_int_equal(aw_process_poll(p, &status), 1);
    assert_int_equal(aw_process_stop(p, 1, &status), 0);
    assert_true(pid > 1 && aw_process_pid(p) == pid);
    assert_int_equal(end_of(p), 0); /* as often as one likes */
    aw_process_unref(p);
}

// PROC-009: Cancelling a wait leaves the child running; it can be killed and waited for afterwards.
TEST_IN_LOOP(PROC_009_wait_cancelled)
{
    aw_process *p = start_cat();
    aw_task *t = aw_create_task(wait_it, p);
    passes(2);
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_int_equal(aw_process_poll(p, NULL), 0);
    assert_int_equal(aw_process_kill(p), 0);
    assert_int_equal(end_of(p), -SIGKILL);
    aw_process_unref(p);
}

static int create(void *arg)
{
    aw_process **p = arg;
    *p = aw_create_subprocess_exec(AW_ARGV("cat"), .in = AW_PIPE);
    return *p ? 0 : aw_errno();
}

// PROC-010: Cancelling the creation of a child reports ECANCELED and leaves no child running.
TEST_IN_LOOP(PROC_010_creation_cancelled)
{
    aw_process *p = NULL;
    int before = open_descriptors();
    aw_task *t = aw_create_task(create, &p);
    assert_int_equal(aw_call_soon(note_it, "x"), 0);
    passes(1); /* it is being created */
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_null(p);
    assert_false(has_children());
    assert_int_equal(open_descriptors(), before);
}

// PROC-012: Ten waits on one child at the same time all get its status.
TEST_IN_LOOP(PROC_012_ten_waits)
{
    aw_process *p = start_cat();
    aw_task *tasks[10];
    for (int i = 0; i < 10; i++)
        tasks[i] = aw_create_task(wait_it, p);
    passes(2);
    aw_cancel(tasks[3]);
    assert_int_equal(aw_process_kill(p), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(aw_join(tasks[i]), i == 3 ? -ECANCELED : 100 - SIGKILL);
    aw_process_unref(p);
}

// PROC-015: A signal sent at the very moment the child ends neither fails fatally nor spoils its
// exit status.
TEST_IN_LOOP(PROC_015_signalled_as_it_ends)
{
    for (int i = 0; i < 20; i++) {
        siginfo_t info;
        aw_process *p = aw_create_subprocess_shell("exit 3");
        assert_non_null(p);
        while (waitid(P_PID, (id_t)aw_process_pid(p), &info, WEXITED | WNOWAIT) < 0)
            assert_int_equal(errno, EINTR);
        assert_int_equal(aw_process_terminate(p), 0); /* it has ended, and nobody has noticed */
        assert_int_equal(end_of(p), 3);
        assert_int_equal(aw_process_terminate(p), -ESRCH);
        aw_process_unref(p);
    }
}

/* ---- stopping ---- */

/* A child that says when it is ready. */
static aw_process *start_ready(const char *command)
{
    char *line;
    aw_process *p = aw_create_subprocess_shell(command, .in = AW_PIPE, .out = AW_PIPE);
    assert_non_null(p);
    assert_int_equal(aw_stream_readline(aw_process_stdout(p), &line), 6);
    assert_memory_equal(line, "ready\n", 6);
    return p;
}

static const char stubborn[] = "trap '' TERM; echo ready; read line";
static const char obedient[] = "trap 'exit 5' TERM; echo ready; while :; do read line; done";

TEST_IN_LOOP(process_stopped_in_good_order)
{
    int status = 1000;
    aw_process *p = start_ready(obedient);
    assert_int_equal(aw_process_stop(p, 1000, &status), 0);
    assert_int_equal(status, 5);
    aw_process_unref(p);
    p = start_ready(stubborn);
    assert_int_equal(aw_process_stop(p, 0.01, &status), 0);
    assert_int_equal(status, -SIGKILL);
    aw_process_unref(p);
    p = start_ready(obedient);
    assert_int_equal(aw_process_stop(p, 0, &status), 0);
    assert_int_equal(status, -SIGKILL);
    aw_process_unref(p);
}

static int stop_it(void *arg)
{
    return aw_process_stop(arg, INFINITY, NULL);
}

TEST_IN_LOOP(process_stop_cancelled)
{
    int status;
    aw_process *p = start_ready(stubborn);
    aw_task *t = aw_create_task(stop_it, p);
    passes(2);
    assert_int_equal(aw_process_poll(p, NULL), 0);
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_true(aw_process_returncode(p, &status));
    assert_int_equal(status, -SIGKILL);
    aw_process_unref(p);
}

/* The shell and what it has started. */
TEST_IN_LOOP(process_group_is_stopped)
{
    char *line;
    aw_process *p = aw_create_subprocess_shell("sleep 1000 & echo ready; wait", .out = AW_PIPE,
                                               .new_group = true);
    assert_int_equal(aw_stream_readline(aw_process_stdout(p), &line), 6);
    assert_int_equal(getpgid(aw_process_pid(p)), aw_process_pid(p));
    assert_int_equal(aw_process_stop(p, 1000, NULL), 0);
    assert_int_equal(aw_stream_readline(aw_process_stdout(p), &line), 0); /* all have let go */
    aw_process_unref(p);
    p = aw_create_subprocess_exec(AW_ARGV("cat"), .in = AW_PIPE, .new_session = true);
    assert_int_equal(getsid(aw_process_pid(p)), aw_process_pid(p));
    assert_int_equal(aw_process_signal_group(p, SIGKILL), 0);
    assert_int_equal(end_of(p), -SIGKILL);
    aw_process_unref(p);
    p = start_cat();
    assert_int_equal(aw_process_signal_group(p, SIGKILL), AW_EMISUSE);
    assert_int_equal(aw_process_send_signal(p, 1000), -EINVAL);
    assert_int_equal(aw_process_stop(p, NAN, NULL), -EINVAL);
    assert_int_equal(aw_process_stop(p, 0, NULL), 0);
    aw_process_unref(p);
}

/* ---- left alone ---- */

/* No handle is left: its pipe ends, so it does, and the loop sees it off. */
TEST_IN_LOOP(process_without_a_handle)
{
    int before = open_descriptors();
    aw_process *p = start_cat();
    aw_process_unref(aw_process_ref(p));
    aw_process_unref(p);
    while (has_children())
        assert_int_equal(aw_sleep(0.001), 0);
    passes(2);
    assert_int_equal(open_descriptors(), before);
}

static int wait_and_drop(void *arg)
{
    aw_process *p = arg;
    aw_task *t = aw_create_task(wait_it, p);
    passes(2);
    assert_int_equal(aw_process_kill(p), 0);
    aw_process_unref(p); /* while somebody waits */
    return aw_join(t);
}

TEST_IN_LOOP(process_waited_for_without_a_handle)
{
    assert_int_equal(wait_and_drop(start_cat()), 100 - SIGKILL);
}

static aw_process *left;

static int leave_children(void *arg)
{
    left = start_cat();
    aw_process *p =
        aw_create_subprocess_exec(AW_ARGV("cat"), .in = 0, .out = AW_DEVNULL, .err = AW_PIPE);
    (void)arg;
    aw_process_unref(p);
    return 0;
}

/* Killed, seen off and reported; the handle that is left still answers. */
TEST(process_that_runs_when_its_loop_is_closed)
{
    int status = 0, ends[2], before = open_descriptors();
    count_memory();
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[0], 0), 0); /* something that does not end */
    assert_int_equal(aw_run(leave_children, NULL, .exception_handler = collect_report), 0);
    assert_int_equal(reports.kind, AW_REPORT_CHILD);
    assert_non_null(strstr(reports.name, "cat, process id "));
    assert_non_null(strstr(reports.file, "process.c"));
    assert_reports(2);
    assert_false(has_children());
    assert_true(aw_process_returncode(left, &status));
    assert_int_equal(status, -SIGKILL);
    assert_int_equal(aw_process_kill(left), -ESRCH);
    assert_int_equal(aw_process_wait(left, &status), AW_EMISUSE);
    aw_process_unref(left);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(memory.live, 0);
}

/* Whoever waits for everything takes it. */
TEST_IN_LOOP(process_status_taken_by_somebody_else)
{
    aw_process *p = aw_create_subprocess_exec(AW_ARGV("true"));
    assert_non_null(p);
    int status = 1000;
    while (waitpid(-1, NULL, 0) < 0)
        assert_int_equal(errno, EINTR);
    assert_int_equal(aw_process_wait(p, &status), -ECHILD);
    assert_int_equal(aw_process_poll(p, &status), -ECHILD);
    assert_false(aw_process_returncode(p, &status));
    assert_int_equal(aw_process_kill(p), -ESRCH);
    assert_int_equal(status, 1000);
    aw_process_unref(p);
}

static int reaped_before(int pid)
{
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return -ESRCH;
}

/* As where SIGCHLD is ignored. */
TEST_IN_LOOP(process_seen_off_before_it_could_be_watched)
{
    struct aw_sys_table real = aw_sys;
    int before = open_descriptors();
    aw_sys.pidfd_open = reaped_before;
    assert_null(aw_create_subprocess_exec(AW_ARGV("true")));
    aw_sys = real;
    assert_int_equal(aw_errno(), -ECHILD);
    assert_non_null(strstr(aw_errmsg(), "somebody else"));
    assert_int_equal(open_descriptors(), before);
}

TEST_IN_LOOP(process_errors_say_what_they_are_about)
{
    aw_process *p = start_cat();
    assert_int_equal(aw_process_send_signal(p, 999), -EINVAL);
    assert_non_null(strstr(aw_errmsg(), "cat: signal 999"));
    assert_int_equal(aw_process_communicate(p, "x", 1, .timeout = -1), -ETIMEDOUT);
    assert_non_null(strstr(aw_errmsg(), "did not end in time"));
    assert_int_equal(aw_process_stop(p, 0, NULL), 0);
    aw_process_unref(p);
}

static int no_pipe(int ends[2], int ours)
{
    (void)ends, (void)ours;
    return -EMFILE;
}

TEST_IN_LOOP(process_without_a_pipe_names_the_program)
{
    struct aw_sys_table real = aw_sys;
    aw_sys.pipe = no_pipe;
    assert_null(aw_create_subprocess_exec(AW_ARGV("cat"), .in = AW_PIPE));
    aw_sys = real;
    assert_int_equal(aw_errno(), -EMFILE);
    assert_non_null(strstr(aw_errmsg(), "'cat'"));
}

/* And other children are none of ours. */
TEST_IN_LOOP(process_of_others_is_left_alone)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(9);
    assert_int_equal(run_shell("exit 1"), 1);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 9);
    assert_true(has_default(SIGCHLD));
}

/* ---- no pidfds ---- */

static int no_pidfd(int pid)
{
    (void)pid;
    return -ENOSYS;
}

TEST_IN_LOOP(process_without_pidfds)
{
    struct aw_sys_table real = aw_sys;
    int before = open_descriptors();
    aw_sys.pidfd_open = no_pidfd;
    assert_int_equal(run_shell("exit 4"), 4);
    aw_process *p = start_cat();
    aw_task *t = aw_create_task(wait_it, p);
    passes(2);
    assert_int_equal(aw_process_poll(p, NULL), 0);
    assert_int_equal(aw_process_kill(p), 0);
    assert_int_equal(aw_join(t), 100 - SIGKILL);
    assert_int_equal(aw_process_kill(p), -ESRCH);
    aw_process_unref(p);
    aw_sys = real;
    assert_int_equal(open_descriptors(), before);
}

static int leave_one(void *arg)
{
    left = start_cat();
    return arg != NULL;
}

TEST(process_without_pidfds_at_the_end)
{
    aw_sys.pidfd_open = no_pidfd;
    assert_int_equal(aw_run(leave_one, NULL, .exception_handler = collect_report), 0);
    assert_reports(1);
    aw_process_unref(left);
    assert_false(has_children());
}

/* ---- many ---- */

static int run_one(void *arg)
{
    aw_process *p = aw_create_subprocess_exec(AW_ARGV("cat"), .in = AW_PIPE, .out = AW_DEVNULL);
    if (!p)
        return aw_errno();
    ++*(int *)arg;
    while (*(int *)arg < (int)test_scale(1000, 50)) /* all of them are there */
        AW_TRY(aw_sleep(0));
    int status;
    int err = aw_process_communicate(p, "x", 1, .status = &status);
    aw_process_unref(p);
    return err < 0 ? err : status;
}

static int run_many(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    int started = 0, n = (int)test_scale(1000, 50);
    (void)arg;
    AW_TRY(aw_group_enter(&g));
    int err = 0;
    for (int i = 0; i < n && err >= 0; i++)
        err = aw_group_start(&g, run_one, &started);
    return aw_group_exit(&g, err);
}

#include <sys/resource.h>

TEST_SLOW_REAL_CLOCK(process_a_thousand_at_once)
{
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_cur < 2200)
        SKIP("too few descriptors are allowed");
    int before = open_descriptors();
    assert_int_equal(aw_run(run_many, NULL), 0);
    assert_false(has_children());
    assert_int_equal(open_descriptors(), before);
}

/* ---- threads, handles ---- */

static int use_foreign(void *arg)
{
    aw_process *p = arg;
    assert_int_equal(aw_process_kill(p), AW_ETHREAD);
    assert_int_equal(aw_process_wait(p, NULL), AW_ETHREAD);
    assert_int_equal(aw_process_pid(p), AW_ETHREAD);
    return 0;
}

TEST_IN_LOOP(process_bad_handles)
{
    assert_int_equal(aw_process_kill(NULL), -EINVAL);
    assert_int_equal(aw_process_wait(NULL, NULL), -EINVAL);
    assert_int_equal(aw_process_poll(NULL, NULL), -EINVAL);
    assert_int_equal(aw_process_pid(NULL), -EINVAL);
    assert_int_equal(aw_process_stop(NULL, 1, NULL), -EINVAL);
    assert_int_equal(aw_process_communicate(NULL, NULL, 0), -EINVAL);
    assert_int_equal(aw_process_signal_group(NULL, SIGTERM), -EINVAL);
    assert_false(aw_process_returncode(NULL, NULL));
    assert_null(aw_process_stdin(NULL));
    assert_null(aw_process_ref(NULL));
    aw_process_unref(NULL);
    aw_output_fini(NULL);
    aw_process_result_fini(NULL);
    aw_process *p = start_cat();
    assert_int_equal(aw_to_thread(use_foreign, p), 0);
    assert_int_equal(aw_process_stop(p, 0, NULL), 0);
    aw_process_unref(p);
}
