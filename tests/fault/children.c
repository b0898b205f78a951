/*
 * children.c - scenarios of subprocesses and of signals.
 *
 * How often a task has to wait for a child, and how many bytes come at a time, is the child's
 * affair.
 */
#include <signal.h>

#include "fault/inject.h"

/* A child that could not be watched is watched anew when it is waited for. */
static void watching_is_repeated(void)
{
    threads_take_part();
    may_be_silent(SITE_ALLOC);
    may_be_silent(SITE_EPOLL_CTL);
    may_be_silent(SITE_POLL_ONE);
    may_be_silent(SITE_RING_ENTER);
}

/* ---- programs run to their end ---- */

static int run_cat(void *arg)
{
    aw_process_result r;
    (void)arg;
    int err = aw_run_process(AW_ARGV("cat"), .input = "some words", .input_size = 10, .ret = &r,
                             .grace = -1);
    bool right = err < 0 || disturbed() ||
                 (r.status == 0 && r.out.size == 10 && r.err.size == 0 &&
                  strcmp(r.out.data, "some words") == 0);
    aw_process_result_fini(&r);
    EXPECT(err, 0);
    CHECK(right);
    return 0;
}

SCENARIO(child_run_to_its_end)
{
    watching_is_repeated();
    may_be_silent(SITE_PIPE_WRITE); /* a child that does not read is no failure */
    may_be_silent(SITE_PIDFD_SIGNAL);
    return run_main(run_cat, NULL);
}

static int run_missing(void *arg)
{
    int err = aw_run_process(arg);
    CHECK(err == -ENOENT || disturbed());
    return err == -ENOENT ? 0 : err;
}

SCENARIO(child_that_does_not_exist)
{
    return run_main(run_missing, (void *)AW_ARGV("no-such-program"));
}

/* It does not end by itself. */
static int run_endless(void *arg)
{
    aw_process_result r;
    (void)arg;
    int err =
        aw_run_process(AW_ARGV("cat"), .in = AW_PIPE, .ret = &r, .grace = -1, .output_limit = 1);
    aw_process_result_fini(&r);
    EXPECT(err, 0);
    return 0;
}

SCENARIO(child_without_input)
{
    watching_is_repeated();
    may_be_silent(SITE_PIDFD_SIGNAL);
    return run_main(run_endless, NULL);
}

/* ---- piece by piece ---- */

static int echo_line(aw_process *p)
{
    char *line;
    aw_stream *in = aw_process_stdin(p), *out = in ? aw_process_stdout(p) : NULL;
    if (!out)
        return unexpected(aw_errno(), "stream", __FILE__, __LINE__);
    AW_TRY(aw_stream_write(in, "a line\n", 7));
    AW_TRY(aw_stream_drain(in));
    ssize_t n = aw_stream_readline(out, &line);
    AW_TRY((int)n);
    CHECK(disturbed() || (n == 7 && memcmp(line, "a line\n", 7) == 0));
    return aw_stream_close(in);
}

static int wait_for_child(void *arg)
{
    int status;
    AW_TRY(aw_process_wait(arg, &status));
    return status < 0 ? -status : status;
}

static int look_at(aw_process *p)
{
    int status;
    CHECK(aw_process_pid(p) > 0);
    CHECK(aw_process_stderr(p) == NULL);
    CHECK(aw_process_returncode(p, &status) || aw_process_poll(p, &status) <= 0 || disturbed());
    return 0;
}

/* A handle that is given up with the child at work: it ends as its input does. */
static int use_child(void *arg)
{
    (void)arg;
    aw_process *p = aw_create_subprocess_exec(AW_ARGV("cat"), .in = AW_PIPE, .out = AW_PIPE);
    if (!p)
        return unexpected(aw_errno(), "create", __FILE__, __LINE__);
    int err = look_at(p);
    if (err >= 0)
        err = echo_line(p);
    if (err >= 0)
        err = aw_gather(AW_CORO(wait_for_child, p), AW_CORO(wait_for_child, p));
    aw_process_kill(aw_process_ref(p));
    aw_process_unref(p);
    int end = aw_process_stop(p, -1, NULL);
    aw_process_unref(p);
    if (disturbed() && err == -EPIPE)
        return expected_error; /* it is gone, as the disturbance has it */
    EXPECT(err < 0 ? err : end, 0);
    return 0;
}

SCENARIO(child_talked_to)
{
    watching_is_repeated();
    may_be_silent(SITE_PIDFD_SIGNAL);
    may_be_silent(SITE_WRITE);
    may_be_silent(SITE_GET_FLAGS);
    may_be_silent(SITE_READ); /* what the stream reads ahead, and nobody after it */
    return run_main(use_child, NULL);
}

static int stop_group(void *arg)
{
    aw_output out = {0};
    (void)arg;
    aw_process *p = aw_create_subprocess_shell("cat & cat; wait", .in = AW_PIPE, .out = AW_PIPE,
                                               .new_group = true);
    if (!p)
        return unexpected(aw_errno(), "create", __FILE__, __LINE__);
    int err = aw_process_signal_group(p, 0);
    if (err >= 0)
        err = aw_process_stop(p, -1, NULL);
    if (err >= 0)
        err = aw_process_communicate(p, NULL, 0, .out = &out);
    aw_output_fini(&out);
    CHECK(aw_process_send_signal(p, 0) < 0 || err < 0);
    CHECK(aw_process_terminate(p) < 0 || err < 0);
    aw_process_unref(p);
    EXPECT(err, 0);
    return 0;
}

SCENARIO(child_group_stopped)
{
    watching_is_repeated();
    return run_main(stop_group, NULL);
}

/* ---- signals ---- */

static int count_one(void *arg)
{
    ++*(int *)arg;
    return 0;
}

static int raise_it(void *arg)
{
    return raise((int)(intptr_t)arg);
}

static int handle_and_wait(void *arg)
{
    int *calls = arg;
    EXPECT(aw_add_signal_handler(SIGUSR1, count_one, calls), 0);
    EXPECT(aw_call_soon(raise_it, INT(SIGUSR1)), 0);
    EXPECT(aw_signal_wait(aw_signal(SIGUSR1) | aw_signal(SIGUSR2)), SIGUSR1);
    EXPECT(aw_sleep(0), 0);
    CHECK(*calls == 1);
    CHECK(aw_remove_signal_handler(NULL, SIGUSR1) == 1);
    CHECK(aw_remove_signal_handler(NULL, SIGUSR1) == 0);
    return 0;
}

SCENARIO(signal_handled_and_waited_for)
{
    int calls = 0;
    signal(SIGUSR1, SIG_IGN); /* its former action: a wait may be over before it comes */
    return run_main(handle_and_wait, &calls);
}

static int wait_for_kept(void *arg)
{
    return aw_signals_wait(arg);
}

static int keep_signals(void *arg)
{
    (void)arg;
    aw_signals *s = aw_signals_new(NULL, aw_signal(SIGUSR1) | aw_signal(SIGUSR2));
    if (!s)
        return unexpected(aw_errno(), "signals", __FILE__, __LINE__);
    raise(SIGUSR2);
    int err = aw_signals_wait(s);
    if (err == SIGUSR2)
        err = aw_call_soon(raise_it, INT(SIGUSR1));
    if (err == 0)
        err = aw_gather(AW_CORO(wait_for_kept, s), AW_CORO(wait_for_kept, s));
    aw_signals_free(s);
    EXPECT(err, 0);
    return 0;
}

SCENARIO(signals_kept)
{
    signal(SIGUSR1, SIG_IGN); /* one that comes too late */
    return run_main(keep_signals, NULL);
}
