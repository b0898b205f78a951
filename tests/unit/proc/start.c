/*
 * Starting programs: what they are given, what they are not, and what cannot be started.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "util.h"

/* What a command writes, without its last newline; static. */
static const char *said(const aw_process_opts *opts)
{
    static char text[4096];
    aw_process_result r;
    aw_process_opts mine = *opts;
    mine.ret = &r;
    int err = aw_run_process_(&mine);
    if (err < 0)
        fail_msg("%s: %s", aw_error_name(err), aw_errmsg());
    snprintf(text, sizeof text, "%s", r.out.data ? r.out.data : "");
    text[strcspn(text, "\n")] = '\0';
    aw_process_result_fini(&r);
    return text;
}

#define SAID(...) said(&(aw_process_opts){.file = __FILE__, .line = __LINE__, .argv = __VA_ARGS__})
#define SHELL(text) AW_ARGV("/bin/sh", "-c", text)

// PROC-014: An environment given for the child is the one it sees, with and without a shell.
TEST_IN_LOOP(PROC_014_environment)
{
    const char *const env[] = {"FOO=bar", "PATH=/nowhere:/bin:/usr/bin", NULL};
    setenv("FOO", "inherited", 1);
    assert_string_equal(SAID(AW_ARGV("printenv", "FOO")), "inherited");
    assert_string_equal(SAID(AW_ARGV("printenv", "FOO"), .env = env), "bar");
    assert_string_equal(SAID(SHELL("echo $FOO")), "inherited");
    assert_string_equal(SAID(SHELL("echo $FOO"), .env = env), "bar");
    aw_process *p = aw_create_subprocess_shell("test \"$FOO\" = bar", .env = env);
    int status = -1;
    assert_int_equal(aw_process_wait(p, &status), 0);
    assert_int_equal(status, 0);
    aw_process_unref(p);
}

/* ---- what cannot be started ---- */

static void check_refused(const aw_process_opts *opts, int error, const char *named)
{
    aw_process_opts mine = *opts;
    mine.in = mine.out = mine.err = AW_PIPE;
    assert_null(aw_create_subprocess_exec_(&mine));
    assert_int_equal(aw_errno(), error);
    if (!strstr(aw_errmsg(), named))
        fail_msg("it does not name %s: %s", named, aw_errmsg());
    assert_false(has_children());
}

#define CHECK_REFUSED(error, named, ...)                                                           \
    check_refused(&(aw_process_opts){.argv = __VA_ARGS__}, error, named)

// PROC-013: Starting a program that does not exist fails with ENOENT and leaves no descriptors
// open.
TEST_IN_LOOP(PROC_013_program_that_does_not_exist)
{
    passes(1);
    int before = open_descriptors();
    CHECK_REFUSED(-ENOENT, "'no-such-program'", AW_ARGV("no-such-program"));
    CHECK_REFUSED(-ENOENT, "'/no/such/program'", AW_ARGV("/no/such/program", "x"));
    CHECK_REFUSED(-ENOENT, "'elsewhere'", AW_ARGV("cat"), .program = "elsewhere");
    CHECK_REFUSED(-ENOENT, "''", AW_ARGV(""));
    assert_int_equal(open_descriptors(), before);
}

static void write_file(const char *path, const char *text, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

TEST_IN_LOOP(start_of_what_cannot_be_executed)
{
    char dir[] = "/tmp/await-start-XXXXXX", file[64], lost[64];
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/f", dir);
    snprintf(lost, sizeof lost, "%s/lost", dir);
    write_file(file, "no program", 0600);
    int before = open_descriptors();
    CHECK_REFUSED(-EACCES, file, AW_ARGV(file));
    CHECK_REFUSED(-EACCES, dir, AW_ARGV(dir));
    CHECK_REFUSED(-ENOTDIR, file, AW_ARGV("true"), .cwd = file);
    CHECK_REFUSED(-ENOENT, lost, AW_ARGV("true"), .cwd = lost);
    write_file(file, "no program", 0700);
    CHECK_REFUSED(-ENOEXEC, file, AW_ARGV(file));
    write_file(file, "#!/no/such/interpreter\n", 0700);
    if (!test_is_under_valgrind()) /* which looks for interpreters itself */
        CHECK_REFUSED(-ENOENT, file, AW_ARGV(file));
    char path[64];
    snprintf(path, sizeof path, "PATH=/nowhere:%s", dir);
    const char *const env[] = {path, NULL};
    write_file(file, "#!/bin/sh\nexit 6\n", 0600);
    CHECK_REFUSED(-EACCES, "'f'", AW_ARGV("f"), .env = env);
    write_file(file, "#!/bin/sh\nexit 6\n", 0700);
    aw_process_result r;
    assert_int_equal(aw_run_process(AW_ARGV("f"), .env = env, .ret = &r), 0);
    assert_int_equal(r.status, 6);
    aw_process_result_fini(&r);
    unlink(file);
    CHECK_REFUSED(-ENOENT, file, AW_ARGV(file)); /* it has vanished */
    assert_int_equal(open_descriptors(), before);
    rmdir(dir);
}

TEST_IN_LOOP(start_with_too_many_arguments)
{
    enum { N = 300000 };
    if (test_is_under_valgrind())
        SKIP("the tool has its own limit on arguments");
    const char **argv = calloc(N + 1, sizeof *argv);
    assert_non_null(argv);
    for (int i = 0; i < N; i++)
        argv[i] = "an-argument-of-some-length";
    argv[0] = "true";
    CHECK_REFUSED(-E2BIG, "'true'", argv);
    free(argv);
}

TEST_IN_LOOP(start_with_options_that_contradict)
{
    const char *const *none = NULL;
    int fd = 5;
    CHECK_REFUSED(-EINVAL, "no program", none);
    CHECK_REFUSED(-EINVAL, "no program", (const char *const[]){NULL});
    CHECK_REFUSED(-EINVAL, "leads its group", AW_ARGV("true"), .new_session = true,
                  .new_group = true);
    CHECK_REFUSED(-EINVAL, ".pass_fds", AW_ARGV("true"), .n_pass_fds = 1);
    CHECK_REFUSED(-EINVAL, "aw_run_process", AW_ARGV("true"), .timeout = 1);
    CHECK_REFUSED(-EINVAL, "aw_run_process", AW_ARGV("true"), .input = "x");
    CHECK_REFUSED(-EINVAL, "shell", AW_ARGV("true"), .command = "x");
    fd = 999;
    CHECK_REFUSED(-EBADF, ".pass_fds", AW_ARGV("true"), .pass_fds = &fd, .n_pass_fds = 1);
    assert_null(aw_create_subprocess_shell(NULL));
    assert_int_equal(aw_errno(), -EINVAL);
    const int bad[] = {-5, -100, AW_STDOUT};
    for (int i = 0; i < 3; i++) {
        assert_null(aw_create_subprocess_exec(AW_ARGV("true"), .in = bad[i]));
        assert_null(aw_create_subprocess_exec(AW_ARGV("true"), .out = bad[i]));
        assert_int_equal(aw_errno(), -EINVAL);
    }
    assert_null(aw_create_subprocess_exec(AW_ARGV("true"), .out = 999));
    assert_int_equal(aw_errno(), -EBADF);
    assert_int_equal(aw_run_process(AW_ARGV("true"), .timeout = NAN), -EINVAL);
    assert_int_equal(aw_run_process(AW_ARGV("true"), .grace = NAN), -EINVAL);
    assert_int_equal(aw_run_process(AW_ARGV("true"), .command = "x"), -EINVAL);
    assert_int_equal(aw_run_process(AW_ARGV("true"), .input_size = 1), -EINVAL);
    assert_int_equal(
        aw_run_process(AW_ARGV("true"), .input = "x", .input_size = 1, .in = AW_DEVNULL), -EINVAL);
}

TEST(start_outside_of_loops)
{
    assert_null(aw_create_subprocess_exec(AW_ARGV("true")));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_int_equal(aw_run_process(AW_ARGV("true")), AW_EMISUSE);
    assert_false(has_children());
}

/* ---- what a program is given ---- */

TEST_IN_LOOP(start_argv_and_directory)
{
    assert_string_equal(SAID(AW_ARGV("sh", "-c", "echo $0 \"$*\"", "zero", "a b", "")),
                        "zero a b ");
    assert_string_equal(SAID(AW_ARGV("other", "-c", "echo $0"), .program = "/bin/sh"), "other");
    assert_string_equal(SAID(AW_ARGV("pwd"), .cwd = "/"), "/");
    assert_string_equal(SAID(AW_ARGV("bin/sh", "-c", "pwd"), .cwd = "/"), "/");
}

/* Nothing but the standard three, whatever is open here. */
TEST_IN_LOOP(start_leaks_no_descriptor)
{
    int plain = open("/dev/null", O_RDONLY), high = fcntl(plain, F_DUPFD, 700), ends[2];
    assert_int_equal(pipe(ends), 0);
    const char *const listed = "0 1 2 3"; /* 3 is that of the folder */
    assert_string_equal(SAID(SHELL("echo $(ls /proc/self/fd)")), listed);
    const int pass[] = {high, ends[1]};
    char with[64];
    snprintf(with, sizeof with, "0 1 2 3 %d %d", ends[1], high);
    assert_string_equal(SAID(SHELL("echo $(ls /proc/self/fd)"), .pass_fds = pass, .n_pass_fds = 2),
                        with);
    assert_int_equal(fcntl(high, F_GETFD), 0); /* as it was here */
    close(plain);
    close(high);
    close(ends[0]);
    close(ends[1]);
}

TEST_IN_LOOP(start_passes_descriptors)
{
    int ends[2];
    char text[8] = "", command[64];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    snprintf(command, sizeof command, "echo -n hello >&%d", ends[1]);
    assert_string_equal(SAID(SHELL(command), .pass_fds = &ends[1], .n_pass_fds = 1), "");
    assert_int_equal(read(ends[0], text, sizeof text), 5);
    assert_string_equal(text, "hello");
    assert_int_equal(fcntl(ends[1], F_GETFD), FD_CLOEXEC);
    close(ends[0]);
    close(ends[1]);
}

/* Descriptors in the place of others: each before it is overwritten. */
TEST_IN_LOOP(start_with_descriptors_exchanged)
{
    int ends[2], status;
    char text[16] = "";
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    int out = dup(1), err = dup(2);
    dup2(ends[1], 1);
    aw_process *p = aw_create_subprocess_shell("echo -n err; echo -n out >&2", .out = 2, .err = 1);
    assert_int_equal(aw_process_wait(p, &status), 0);
    dup2(out, 1);
    assert_int_equal(read(ends[0], text, sizeof text), 3);
    assert_string_equal(text, "out");
    aw_process_unref(p);
    close(out);
    close(err);
    close(ends[0]);
    close(ends[1]);
}

static void handle(int signo)
{
    (void)signo;
}

/* "SigBlk", "SigIgn", "SigCgt" of a child. */
static unsigned long long child_signals(const char *which)
{
    char command[96];
    snprintf(command, sizeof command, "grep %s /proc/self/status | cut -f2", which);
    return strtoull(SAID(SHELL(command)), NULL, 16);
}

TEST_IN_LOOP(start_resets_signals)
{
    sigset_t some;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    sigaddset(&some, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &some, NULL);
    signal(SIGUSR2, handle);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    assert_int_equal(aw_add_signal_handler(SIGINT, note_it, "x"), 0);
    assert_true(child_signals("SigBlk") == 0);
    unsigned long long ignored = child_signals("SigIgn");
    assert_true(ignored & 1ull << (SIGHUP - 1));
    assert_false(ignored & (1ull << (SIGPIPE - 1) | 1ull << (SIGINT - 1)));
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    assert_true(sigismember(&now, SIGUSR1) && !sigismember(&now, SIGUSR2)); /* ours is as it was */
    assert_int_equal(aw_remove_signal_handler(NULL, SIGINT), 1);
}

/* A kernel that cannot mark all at once; and memory that is not shared. */
TEST_IN_LOOP(start_again_and_again)
{
    int before = open_descriptors();
    for (int i = 0; i < 20; i++)
        assert_string_equal(SAID(AW_ARGV("echo", "x")), "x");
    assert_int_equal(open_descriptors(), before);
    assert_false(has_children());
}
