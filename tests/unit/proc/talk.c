/*
 * Input and outputs of child processes: communicate, and programs run to their end.
 */
#include "util.h"

#define SHELL(text) AW_ARGV("/bin/sh", "-c", text)
enum { MUCH = 300000 };

static char *make_much(void)
{
    char *much = malloc(MUCH);
    assert_non_null(much);
    for (int i = 0; i < MUCH; i++)
        much[i] = (char)('a' + i % 26);
    return much;
}

// PROC-002: Communicate sends the input, closes the child's input, collects its output and waits
// for it to end.
TEST_IN_LOOP(PROC_002_communicate)
{
    aw_output out, err;
    int status = -1;
    char *much = make_much();
    aw_process *p = aw_create_subprocess_exec(SHELL("cat; echo error >&2; exit 3"), .in = AW_PIPE,
                                              .out = AW_PIPE, .err = AW_PIPE);
    assert_non_null(p);
    assert_int_equal(
        aw_process_communicate(p, much, MUCH, .out = &out, .err = &err, .status = &status), 0);
    assert_int_equal(status, 3);
    assert_int_equal(out.size, MUCH);
    assert_memory_equal(out.data, much, MUCH);
    assert_int_equal(out.data[MUCH], 0);
    assert_string_equal(err.data, "error\n");
    aw_output_fini(&out);
    aw_output_fini(&err);
    assert_null(out.data);
    aw_process_unref(p);
    free(much);
}

// PROC-003: Streams that were not piped read as 'none', and communicate gives 'none' for them.
TEST_IN_LOOP(PROC_003_what_was_not_piped)
{
    aw_output out, err;
    aw_process *p = aw_create_subprocess_exec(SHELL("echo x; echo y >&2"), .out = AW_DEVNULL,
                                              .err = AW_DEVNULL, .in = AW_DEVNULL);
    assert_null(aw_process_stdin(p));
    assert_int_equal(aw_errno(), -EBADF);
    assert_string_equal(aw_errmsg(), "the process has no pipe for its input");
    assert_null(aw_process_stdout(p));
    assert_null(aw_process_stderr(p));
    assert_string_equal(aw_errmsg(), "the process has no pipe for its errors");
    assert_int_equal(aw_process_communicate(p, NULL, 0, .out = &out, .err = &err), 0);
    assert_true(!out.data && !err.data && out.size == 0 && err.size == 0);
    assert_int_equal(aw_process_communicate(p, "x", 1), -EINVAL);
    aw_process_unref(p);
    p = aw_create_subprocess_exec(AW_ARGV("true"), .out = AW_PIPE);
    assert_int_equal(aw_process_communicate(p, NULL, 0, .out = &out), 0);
    assert_string_equal(out.data, ""); /* nothing, which is not none */
    aw_output_fini(&out);
    aw_process_unref(p);
}

// PROC-007: Communicate ignores a child that ends before reading all its input and still returns
// its output and status.
TEST_IN_LOOP(PROC_007_input_that_is_not_read)
{
    aw_output out;
    int status = -1;
    char *much = make_much();
    signal(SIGPIPE, SIG_DFL); /* and no signal kills us */
    for (int as_stream = 0; as_stream < 2; as_stream++) {
        aw_process *p =
            aw_create_subprocess_exec(SHELL("echo enough; exit 2"), .in = AW_PIPE, .out = AW_PIPE);
        if (as_stream)
            assert_non_null(aw_process_stdin(p));
        assert_int_equal(aw_process_communicate(p, much, MUCH, .out = &out, .status = &status), 0);
        assert_string_equal(out.data, "enough\n");
        assert_int_equal(status, 2);
        aw_output_fini(&out);
        aw_process_unref(p);
    }
    assert_true(has_default(SIGPIPE));
    free(much);
}

// PROC-008: Error output redirected into standard output arrives there in order, and the child has
// no separate error stream.
TEST_IN_LOOP(PROC_008_errors_among_the_output)
{
    aw_output out, err;
    aw_process *p = aw_create_subprocess_exec(SHELL("echo 1; echo 2 >&2; echo 3; echo 4 >&2"),
                                              .out = AW_PIPE, .err = AW_STDOUT);
    assert_null(aw_process_stderr(p));
    assert_int_equal(aw_process_communicate(p, NULL, 0, .out = &out, .err = &err), 0);
    assert_string_equal(out.data, "1\n2\n3\n4\n");
    assert_null(err.data);
    aw_output_fini(&out);
    aw_process_unref(p);
}

// PROC-011: Output written before the child ended can be read in full after its end, however slow
// the reader.
TEST_IN_LOOP(PROC_011_output_read_after_the_end)
{
    aw_process *p = aw_create_subprocess_exec(
        SHELL("i=0; while [ $i -lt 2000 ]; do echo 0123456789; i=$((i+1)); done"), .out = AW_PIPE);
    assert_int_equal(aw_process_wait(p, NULL), 0); /* it fits into the pipe */
    char byte;
    int n = 0;
    ssize_t got;
    while ((got = aw_stream_read(aw_process_stdout(p), &byte, 1)) == 1) {
        assert_int_equal(byte, "0123456789\n"[n % 11]);
        if (++n % 1000 == 0)
            assert_int_equal(aw_sleep(0.001), 0);
    }
    assert_int_equal(got, 0);
    assert_int_equal(n, 22000);
    aw_process_unref(p);
}

/* ---- limits ---- */

TEST_IN_LOOP(communicate_in_time)
{
    aw_output out;
    int status = -1;
    aw_process *p = aw_create_subprocess_exec(SHELL("echo first; read x; echo $x"), .in = AW_PIPE,
                                              .out = AW_PIPE);
    assert_int_equal(aw_process_communicate(p, NULL, 0, .timeout = NAN), -EINVAL);
    aw_process *other = aw_create_subprocess_exec(SHELL("echo first; exec cat"), .in = 0,
                                                  .out = AW_PIPE, .err = AW_PIPE);
    char *line;
    assert_int_equal(aw_stream_readline(aw_process_stdout(p), &line), 6);
    assert_int_equal(
        aw_process_communicate(p, "word\n", 5, .out = &out, .status = &status, .timeout = 1000), 0);
    assert_string_equal(out.data, "word\n");
    assert_int_equal(status, 0);
    aw_output_fini(&out);
    aw_process_unref(p);
    assert_int_equal(aw_process_stop(other, 0, NULL), 0);
    aw_process_unref(other);
}

/* What has come is handed over, and the rest can still be had. */
TEST_IN_LOOP(communicate_out_of_time)
{
    aw_output out;
    int ends[2], status = -1;
    assert_int_equal(pipe(ends), 0);
    aw_process *p =
        aw_create_subprocess_exec(SHELL("echo first; cat"), .in = ends[0], .out = AW_PIPE);
    double patience = 0.01;
    do { /* until the child has got so far */
        assert_int_equal(aw_process_communicate(p, NULL, 0, .out = &out, .timeout = patience),
                         -ETIMEDOUT);
    } while (!out.size && (aw_output_fini(&out), true));
    assert_string_equal(out.data, "first\n");
    aw_output_fini(&out);
    assert_int_equal(aw_process_poll(p, NULL), 0);
    assert_int_equal(write(ends[1], "second", 6), 6);
    close(ends[1]);
    assert_int_equal(aw_process_communicate(p, NULL, 0, .out = &out, .status = &status), 0);
    assert_string_equal(out.data, "second");
    assert_int_equal(status, 0);
    aw_output_fini(&out);
    aw_process_unref(p);
    close(ends[0]);
}

TEST_IN_LOOP(communicate_with_a_limit)
{
    aw_output out, err;
    aw_process *p =
        aw_create_subprocess_exec(SHELL("echo 12345; exec cat"), .in = AW_PIPE, .out = AW_PIPE);
    assert_int_equal(aw_process_communicate(p, "6", 1, .out = &out, .limit = 7), 0);
    assert_string_equal(out.data, "12345\n6"); /* as much as it may be */
    aw_output_fini(&out);
    aw_process_unref(p);
    p = aw_create_subprocess_exec(AW_ARGV("yes"), .out = AW_PIPE, .err = AW_PIPE);
    assert_int_equal(aw_process_communicate(p, NULL, 0, .out = &out, .err = &err, .limit = 100000),
                     AW_ELIMIT);
    assert_int_equal(out.size, 100000);
    assert_non_null(strstr(aw_errmsg(), ": its output is longer than .limit"));
    assert_int_equal(aw_process_poll(p, NULL), 0);
    assert_int_equal(aw_process_stop(p, 0, NULL), 0);
    aw_output_fini(&out);
    aw_output_fini(&err);
    aw_process_unref(p);
}

/* Both are too long: one of them is told, and the result is no group of errors. */
TEST_IN_LOOP(communicate_with_two_outputs_over_the_limit)
{
    aw_process_result r;
    assert_int_equal(
        aw_run_process(SHELL("yes & yes >&2"), .ret = &r, .output_limit = 1000, .new_group = true),
        AW_ELIMIT);
    assert_true(r.out.size <= 1000 && r.err.size <= 1000);
    aw_process_result_fini(&r);
}

/* ---- a program run to its end ---- */

TEST_IN_LOOP(run_process_gives_everything)
{
    aw_process_result r;
    assert_int_equal(aw_run_process(SHELL("cat; echo err >&2; exit 4"), .ret = &r, .input = "in",
                                    .input_size = 2),
                     0);
    assert_int_equal(r.status, 4);
    assert_string_equal(r.out.data, "in");
    assert_string_equal(r.err.data, "err\n");
    aw_process_result_fini(&r);
    assert_int_equal(aw_run_process(AW_ARGV("cat"), .ret = &r), 0); /* nothing to read */
    assert_string_equal(r.out.data, "");
    aw_process_result_fini(&r);
    assert_int_equal(aw_run_process(SHELL("echo x; exit 1")), 0);
    assert_int_equal(aw_run_process(SHELL("echo x; echo y >&2"), .ret = &r, .err = AW_STDOUT), 0);
    assert_string_equal(r.out.data, "x\ny\n");
    assert_null(r.err.data);
    aw_process_result_fini(&r);
    assert_int_equal(aw_run_process(AW_ARGV("no-such-program"), .ret = &r), -ENOENT);
    assert_null(r.out.data);
    assert_false(has_children());
}

TEST_IN_LOOP(run_process_out_of_time)
{
    aw_process_result r;
    int in[2], before = open_descriptors();
    assert_int_equal(pipe(in), 0);
    assert_int_equal(aw_run_process(SHELL("trap 'exit 9' TERM; while :; do read x; done"),
                                    .in = in[0], .ret = &r, .timeout = 0.05, .grace = 1000),
                     -ETIMEDOUT);
    assert_true(r.status == 9 || r.status == -SIGTERM); /* before it could say what to do */
    aw_process_result_fini(&r);
    assert_int_equal(
        aw_run_process(AW_ARGV("sleep", "1000"), .ret = &r, .timeout = -1, .grace = -1),
        -ETIMEDOUT);
    assert_int_equal(r.status, -SIGKILL);
    aw_process_result_fini(&r);
    assert_false(has_children());
    close(in[0]);
    close(in[1]);
    assert_int_equal(open_descriptors(), before);
}

struct running {
    int in, out; /* the child's */
    aw_process_result r;
};

static int run_stubborn(void *arg)
{
    struct running *run = arg;
    return aw_run_process(SHELL("trap '' TERM; echo ready; read x"), .in = run->in, .out = run->out,
                          .ret = &run->r, .grace = 0.05);
}

/* Asked, killed and seen off before the call returns. */
TEST_IN_LOOP(run_process_cancelled)
{
    int ends[2], in[2];
    char text[16] = "";
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(in), 0);
    struct running run = {.in = in[0], .out = ends[1]};
    for (int twice = 0; twice < 2; twice++) {
        aw_task *t = aw_create_task(run_stubborn, &run);
        assert_int_equal(aw_read(ends[0], text, sizeof text), 6);
        aw_cancel(t);
        passes(2);
        assert_false(aw_done(t));
        if (twice)
            aw_cancel(t); /* without the grace */
        assert_int_equal(aw_join(t), -ECANCELED);
        assert_int_equal(run.r.status, -SIGKILL);
        assert_false(has_children());
        aw_process_result_fini(&run.r);
    }
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(in[i]);
    }
}

/* ---- memory ---- */

static int run_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++) {
        aw_process_result r;
        AW_TRY(
            aw_run_process(SHELL("cat; echo x >&2"), .ret = &r, .input = "abc", .input_size = 3));
        aw_process_result_fini(&r);
    }
    return 0;
}

TEST(run_process_leaves_nothing_behind)
{
    count_memory();
    int before = open_descriptors();
    assert_int_equal(aw_run(run_often, NULL), 0);
    assert_int_equal(memory.live, 0);
    assert_int_equal(open_descriptors(), before);
    assert_false(has_children());
}
