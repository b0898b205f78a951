/*
 * What only one sort of stream does: options, descriptors that will not do, transports that fail,
 * loops that close over a stream, peers that reset at each byte.
 */
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/net/streams.h"

/* ---- making ---- */

TEST_IN_LOOP(stream_options_that_make_no_sense)
{
    int fds[2];
    aw_stream *two[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_null(aw_stream_from_fd(fds[0], .high = 10, .low = 11));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_stream_from_fd(fds[0], .read_only = true, .write_only = true));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_stream_from_fd(fds[0], .limit = SIZE_MAX));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_stream_from_fd(fds[0], .close_timeout = -1));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_stream_from_fd(fds[0], .close_timeout = (double)NAN));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_stream_from_fd(-1));
    assert_int_equal(aw_errno(), -EBADF);
    assert_null(aw_stream_from_transport(NULL, NULL));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_int_equal(aw_stream_pair(NULL), -EINVAL);
    assert_int_equal(aw_stream_pair(two, .read_only = true), -EINVAL);
    assert_int_equal(aw_stream_pair(two, .high = 1, .low = 2), -EINVAL);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    assert_null(aw_stream_from_fd(fds[0]));
    assert_int_equal(aw_errno(), -EINVAL);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(pipe(fds), 0);
    assert_null(aw_stream_from_fd(fds[0], .write_only = true));
    assert_int_equal(aw_errno(), -EINVAL);
    close(fds[0]);
    close(fds[1]);
}

TEST_IN_LOOP(stream_of_a_file_is_refused_by_name)
{
    int file = open("/proc/self/exe", O_RDONLY), folder = open("/", O_RDONLY | O_DIRECTORY);
    assert_null(aw_stream_from_fd(file));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_non_null(strstr(aw_errmsg(), "is a file"));
    assert_null(aw_stream_from_fd(folder));
    assert_int_equal(aw_errno(), -EINVAL);
    close(file);
    close(folder);
    assert_null(aw_stream_from_fd(file));
    assert_int_equal(aw_errno(), -EBADF);
    assert_non_null(strstr(aw_errmsg(), "descriptor"));
}

/* A service's standard input, mostly: the same with every backend. */
TEST_IN_LOOP(stream_of_a_device_that_never_blocks)
{
    char *line, zeros[100];
    aw_stream *s = aw_stream_from_fd(open("/dev/null", O_RDWR));
    assert_non_null(s);
    assert_int_equal(aw_stream_readline(s, &line), 0);
    assert_int_equal(aw_stream_write(s, "x", 1), 0);
    aw_stream_unref(s);
    s = aw_stream_from_fd(open("/dev/zero", O_RDONLY));
    assert_non_null(s);
    memset(zeros, 'x', sizeof zeros);
    assert_int_equal(aw_stream_readexactly(s, zeros, sizeof zeros), 0);
    assert_int_equal(zeros[99], 0);
    aw_stream_unref(s);
}

TEST_IN_LOOP(stream_that_is_lost_says_which_and_why)
{
    int fds[2];
    char words[64];
    assert_int_equal(pipe(fds), 0);
    snprintf(words, sizeof words, "descriptor %d: broken pipe", fds[1]);
    aw_stream *w = aw_stream_from_fd(fds[1]);
    close(fds[0]);
    assert_int_equal(aw_stream_write(w, "x", 1), -EPIPE);
    assert_non_null(strstr(aw_errmsg(), words));
    assert_int_equal(aw_stream_drain(w), -EPIPE);
    assert_non_null(strstr(aw_errmsg(), words));
    aw_stream_unref(w);
}

TEST(stream_without_a_loop)
{
    aw_stream *two[2];
    assert_null(aw_stream_from_fd(0));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_int_equal(aw_stream_pair(two), AW_EMISUSE);
}

TEST_IN_LOOP(stream_owns_its_descriptor)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    aw_stream *r = aw_stream_from_fd(fds[0]), *w = aw_stream_from_fd(fds[1]);
    assert_int_equal(aw_stream_fd(r), fds[0]);
    assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    aw_stream_unref(r);
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    assert_int_equal(aw_stream_close(w), 0);
    assert_int_equal(aw_stream_fd(w), -EBADF);
    assert_int_equal(fcntl(fds[1], F_GETFD), -1);
    aw_stream_unref(w);
}

/* A program that does not ignore SIGPIPE is not killed, and one that waits for it is left alone. */
TEST_IN_LOOP(stream_of_a_broken_pipe_gives_no_signal)
{
    int fds[2];
    sigset_t set;
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(pipe(fds), 0);
    close(fds[0]);
    aw_stream *w = aw_stream_from_fd(fds[1]);
    assert_int_equal(aw_stream_write(w, "x", 1), -EPIPE);
    assert_int_equal(aw_stream_wait_closed(w), -EPIPE);
    aw_stream_unref(w);
    sigpending(&set);
    assert_false(sigismember(&set, SIGPIPE));
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    assert_false(sigismember(&set, SIGPIPE));
}

/* ---- loops ---- */

static int leave_streams(void *arg)
{
    aw_stream **s = arg, *two[2];
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    s[0] = aw_stream_from_fd(fds[0]);
    s[1] = aw_stream_from_fd(fds[1]);
    assert_int_equal(aw_stream_pair(two), 0);
    s[2] = two[0];
    aw_stream_unref(two[1]);
    static char block[1 << 20];
    AW_TRY(aw_stream_write(s[1], block, sizeof block));
    return aw_stream_write(s[2], "x", 1) == -EPIPE ? 0 : 1;
}

TEST(stream_outlives_its_loop_as_a_closed_one)
{
    aw_stream *s[3];
    char byte;
    assert_int_equal(aw_run(leave_streams, s), 0);
    for (int i = 0; i < 3; i++)
        assert_true(aw_stream_is_closing(s[i]));
    assert_int_equal(aw_stream_fd(s[0]), -EBADF);
    assert_int_equal(aw_stream_read(s[0], &byte, 1), -ECONNABORTED);
    assert_int_equal(aw_stream_write(s[1], "x", 1), -ECONNABORTED);
    assert_int_equal(aw_stream_drain(s[1]), -ECONNABORTED);
    for (int i = 0; i < 3; i++)
        aw_stream_unref(s[i]);
}

static int sleep_in_calls(void *arg)
{
    aw_stream **s = arg;
    static struct caller c[3];
    int fds[2];
    AW_TRY(aw_stream_pair(s));
    AW_TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    s[2] = aw_stream_from_fd(fds[0]);
    close(dup(fds[1]));
    c[0] = (struct caller){.s = s[0], .n = 1};
    c[1] = (struct caller){.s = s[1]};
    c[2] = (struct caller){.s = s[2], .n = 1};
    AW_TRY(aw_spawn(call_read, &c[0]));
    AW_TRY(aw_spawn(call_wait_closed, &c[1]));
    AW_TRY(aw_spawn(call_read, &c[2]));
    return aw_sleep(0.001);
}

static int quiet(const aw_report *r, void *arg)
{
    (void)r, (void)arg;
    return 0;
}

TEST(stream_a_loop_closes_over_those_who_wait)
{
    aw_stream *s[3];
    aw_loop *l = aw_loop_new();
    aw_loop_set_exception_handler(l, quiet, NULL);
    aw_task *t = aw_create_task(sleep_in_calls, s, .loop = l);
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    aw_unref(t);
    for (int i = 0; i < 3; i++)
        aw_stream_unref(s[i]); /* they sleep in it */
    aw_loop_free(l);
}

static int make_two(void *arg)
{
    return aw_stream_pair((aw_stream **)arg);
}

static void *use_elsewhere(void *arg)
{
    aw_stream **two = arg;
    assert_int_equal(aw_stream_write(two[0], "x", 1), AW_ETHREAD);
    aw_stream_unref(two[0]);
    aw_stream_unref(two[0]);
    assert_ptr_equal(aw_stream_ref(two[0]), two[0]);
    return NULL;
}

static int use_in_thread(void *arg)
{
    pthread_t t;
    AW_TRY(make_two(arg));
    assert_int_equal(pthread_create(&t, NULL, use_elsewhere, arg), 0);
    pthread_join(t, NULL);
    aw_stream **two = arg;
    char byte;
    assert_false(aw_stream_is_closing(two[0]));
    aw_stream_unref(two[0]);
    assert_int_equal(aw_stream_read(two[1], &byte, 1), 0); /* that was the only handle */
    aw_stream_unref(two[1]);
    return 0;
}

TEST(stream_belongs_to_its_thread)
{
    aw_stream *two[2];
    assert_int_equal(aw_run(use_in_thread, two), 0);
}

/* ---- an idle stream ---- */

enum { MANY = 100 };

static int count_idle(void *arg)
{
    static aw_stream *two[MANY][2];
    static struct caller c[MANY];
    size_t before = memory.live;
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(sorts[1].open(two[i], &(aw_stream_opts){.fd = -1}), 0);
        say(two[i][1], "line\nmore");
        expect_line(two[i][0], "line\n");
        expect_text(two[i][0], "more");
        c[i] = (struct caller){.s = two[i][0]};
        AW_TRY(aw_spawn(call_line, &c[i]));
    }
    passes(2);
    assert_true(memory.live - before <= MANY * 2 + 10); /* the streams themselves */
    for (int i = 0; i < MANY; i++) {
        aw_stream_unref(two[i][1]);
        passes(1);
        while (!c[i].done)
            assert_int_equal(aw_sleep(0.0001), 0);
        aw_stream_unref(two[i][0]);
    }
    return 0;
}

TEST(stream_holds_no_buffer_while_it_is_idle)
{
    count_memory();
    assert_int_equal(aw_run(count_idle, NULL), 0);
    assert_int_equal(memory.live, 0);
}

/* ---- transports that fail ---- */

struct failing {
    int read, write, shutdown, close; /* errors */
    int aborted, released;
};

static ssize_t failing_read(void *arg, void *buf, size_t n)
{
    struct failing *f = arg;
    (void)buf, (void)n;
    AW_TRY(aw_sleep(0.01));
    return f->read < 0 ? aw_raise(f->read, "the read failed") : 0;
}

static ssize_t failing_write(void *arg, const void *buf, size_t n)
{
    struct failing *f = arg;
    (void)buf;
    AW_TRY(aw_sleep(0.01));
    return f->write < 0 ? aw_raise(f->write, "the write failed") : (ssize_t)(n + 1) / 2;
}

static int failing_shutdown(void *arg)
{
    struct failing *f = arg;
    AW_TRY(aw_sleep(0.01));
    return f->shutdown;
}

static int failing_close(void *arg)
{
    struct failing *f = arg;
    AW_TRY(aw_sleep(0.01));
    return f->close;
}

static void failing_abort(void *arg)
{
    ((struct failing *)arg)->aborted++;
}

static void failing_release(void *arg)
{
    ((struct failing *)arg)->released++;
}

static const aw_transport failing = {.read = failing_read,
                                     .write = failing_write,
                                     .shutdown = failing_shutdown,
                                     .close = failing_close,
                                     .abort = failing_abort,
                                     .release = failing_release};

static void expect_failure(struct failing f, int expected)
{
    char byte;
    aw_stream *s = aw_stream_from_transport(&failing, &f);
    assert_non_null(s);
    assert_int_equal(aw_stream_fd(s), -ENOTSUP);
    say(s, "to be sent in several pieces");
    assert_int_equal(aw_stream_write_eof(s), 0);
    ssize_t n = aw_stream_read(s, &byte, 1);
    assert_true(n == 0 || n == expected);
    aw_ignore(aw_stream_close(s));
    assert_int_equal(aw_stream_wait_closed(s), expected);
    assert_int_equal(f.aborted, 1);
    assert_int_equal(f.released, 0);
    aw_stream_unref(s);
    assert_int_equal(f.released, 1);
}

TEST_IN_LOOP(stream_over_a_transport_that_fails)
{
    expect_failure((struct failing){0}, 0);
    expect_failure((struct failing){.read = -EIO}, -EIO);
    assert_string_equal(aw_errmsg(), "the read failed");
    expect_failure((struct failing){.write = -EPERM}, -EPERM);
    assert_string_equal(aw_errmsg(), "the write failed");
    expect_failure((struct failing){.shutdown = -ENOLINK}, -ENOLINK);
    expect_failure((struct failing){.close = -EPROTO}, -EPROTO);
}

/* Says its text, and then that it was cut off. */
static ssize_t cut_read(void *arg, void *buf, size_t n)
{
    const char **text = arg;
    size_t len = strlen(*text) < n ? strlen(*text) : n;
    if (len == 0)
        return aw_raise(AW_EOF, "cut off");
    memcpy(buf, *text, len);
    *text += len;
    return (ssize_t)len;
}

/* AW_EOF may be what a stream is lost with, as TLS does without a good-bye: no line ends there. */
TEST_IN_LOOP(stream_lines_are_not_ended_by_being_cut_off)
{
    const aw_transport cut = {.read = cut_read};
    const char *text = "whole\npart";
    char *line, rest[10];
    aw_stream *s = aw_stream_from_transport(&cut, &text);
    expect_line(s, "whole\n");
    assert_int_equal(aw_stream_readline(s, &line), AW_EOF);
    assert_string_equal(aw_errmsg(), "cut off");
    assert_int_equal(aw_stream_read(s, rest, sizeof rest), 4);
    assert_int_equal(aw_stream_readline(s, &line), AW_EOF);
    assert_int_equal(aw_stream_readuntil(s, &line, "x"), AW_EOF);
    assert_string_equal(aw_errmsg(), "cut off");
    aw_stream_unref(s);
}

TEST_IN_LOOP(stream_over_a_transport_aborted_in_its_calls)
{
    struct failing f = {0};
    struct caller c = {.n = 1};
    aw_stream *s = c.s = aw_stream_from_transport(&failing, &f);
    aw_task *t = aw_create_task(call_read, &c);
    say(s, "pending");
    passes(3);
    assert_int_equal(aw_stream_abort(s), 0);
    assert_int_equal(f.aborted, 0); /* its calls run still */
    assert_int_equal(aw_stream_wait_closed(s), 0);
    assert_int_equal(f.aborted, 1);
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(c.result, 0);
    aw_stream_unref(s);
    assert_int_equal(f.released, 1);
    struct failing unused = {0};
    aw_stream_unref(aw_stream_from_transport(&failing, &unused));
    assert_int_equal(aw_sleep(0.1), 0);
    assert_int_equal(unused.released, 1);
}

TEST_IN_LOOP(stream_over_a_transport_of_one_direction)
{
    struct failing f = {0};
    char byte;
    const aw_transport only_reads = {.read = failing_read}, only_writes = {.write = failing_write};
    aw_stream *r = aw_stream_from_transport(&only_reads, &f);
    aw_stream *w = aw_stream_from_transport(&only_writes, &f);
    assert_int_equal(aw_stream_write(r, "x", 1), -EBADF);
    assert_int_equal(aw_stream_read(w, &byte, 1), -EBADF);
    assert_int_equal(aw_stream_read(r, &byte, 1), 0);
    say(w, "xx");
    assert_int_equal(aw_stream_write_eof(w), -ENOTSUP);
    assert_int_equal(aw_stream_close(w), 0);
    assert_int_equal(aw_stream_wait_closed(w), 0);
    aw_stream_unref(r);
    aw_stream_unref(w);
}

/* ---- a hostile peer ---- */

static void reset(aw_stream *s)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    int fd = aw_stream_fd(s);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    assert_int_equal(aw_stream_abort(s), 0);
}

/* After `n` bytes of a request that reads a line, so many bytes, and answers. */
static int serve(void *arg)
{
    struct caller *c = arg;
    char *line, body[5];
    ssize_t n = aw_stream_readline(c->s, &line);
    if (n >= 0 && n < 6)
        n = AW_EOF;
    if (n >= 0)
        n = aw_stream_readexactly(c->s, body, 5);
    for (int i = 0; n >= 0 && i < 1000; i++) {
        n = aw_stream_write(c->s, "answer\n", 7);
        if (n >= 0)
            n = aw_stream_drain(c->s);
    }
    c->result = n;
    return 0;
}

TEST_IN_LOOP(stream_of_a_peer_that_resets_at_each_byte)
{
    const char request[] = "GET 5\nbytes";
    for (size_t n = 0; n <= strlen(request); n++) {
        aw_stream *two[2];
        assert_int_equal(sorts[0].open(two, &(aw_stream_opts){.fd = -1}), 0);
        struct caller c = {.s = two[0]};
        aw_task *t = aw_create_task(serve, &c);
        passes(2);
        assert_int_equal(aw_stream_write(two[1], request, n), 0);
        reset(two[1]);
        assert_int_equal(aw_join(t), 0);
        assert_true(c.result == -ECONNRESET || c.result == -EPIPE);
        assert_true(aw_stream_is_closing(two[0]));
        aw_stream_unref(two[0]);
        aw_stream_unref(two[1]);
    }
}

/* Both of its operations are over in one pass of the loop, and nobody holds it any more. */
TEST_IN_LOOP(stream_given_up_with_bytes_pending_when_its_peer_resets)
{
    static char much[1 << 20];
    for (int i = 0; i < 20; i++) {
        aw_stream *two[2];
        assert_int_equal(sorts[0].open(two, &(aw_stream_opts){.fd = -1}), 0);
        say(two[1], "a");
        expect_text(two[0], "a"); /* receiving goes on */
        while (aw_stream_pending(two[0]) == 0)
            assert_int_equal(aw_stream_write(two[0], much, sizeof much), 0);
        passes(2);
        int fd = aw_stream_fd(two[0]);
        aw_stream_unref(two[0]);
        assert_int_not_equal(fcntl(fd, F_GETFD), -1);
        reset(two[1]);
        aw_stream_unref(two[1]);
        for (int n = 0; n < 100 && fcntl(fd, F_GETFD) >= 0; n++)
            passes(1);
        assert_int_equal(fcntl(fd, F_GETFD), -1);
    }
}
