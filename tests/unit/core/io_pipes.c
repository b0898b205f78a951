/*
 * aw_read, aw_write and aw_poll on pipes: data, ends, errors, time limits and cancellation.
 */
#include "loop_record.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

/* A pipe that tests share by arg; fds[0] is read, fds[1] written. */
struct channel {
    int fds[2];
    ssize_t n;
    char got[64];
};

static struct channel open_channel(void)
{
    struct channel c = {.n = -1};
    assert_int_equal(pipe(c.fds), 0);
    return c;
}

static void close_channel(struct channel *c)
{
    close(c->fds[0]);
    close(c->fds[1]);
}

/* Fills a pipe through a second description, whose flags are its own. */
static void fill(int write_fd)
{
    char path[64], block[4096] = {0};
    snprintf(path, sizeof path, "/proc/self/fd/%d", write_fd);
    int fd = open(path, O_WRONLY | O_NONBLOCK);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof block) > 0)
        continue;
    close(fd);
}

static int read_once(void *arg)
{
    struct channel *c = arg;
    c->n = aw_read(c->fds[0], c->got, sizeof c->got - 1);
    return c->n < 0 ? (int)c->n : 0;
}

static int write_hello(void *arg)
{
    struct channel *c = arg;
    ssize_t n = aw_write(c->fds[1], "hello", 5);
    return n == 5 ? 0 : (int)n;
}

static int read_beside_write(void *arg)
{
    return aw_gather(AW_CORO(read_once, arg), AW_CORO(write_hello, arg));
}

TEST(io_read_waits_for_the_write)
{
    struct channel c = open_channel();
    assert_int_equal(aw_run(read_beside_write, &c), 0);
    assert_int_equal(c.n, 5);
    assert_string_equal(c.got, "hello");
    close_channel(&c);
}

TEST(io_read_of_what_is_there_and_of_the_end)
{
    struct channel c = open_channel();
    assert_int_equal(write(c.fds[1], "data", 4), 4);
    assert_int_equal(aw_run(read_once, &c), 0);
    assert_int_equal(c.n, 4);
    close(c.fds[1]);
    assert_int_equal(aw_run(read_once, &c), 0);
    assert_int_equal(c.n, 0);
    close(c.fds[0]);
}

static int close_write_end(void *arg)
{
    struct channel *c = arg;
    close(c->fds[1]);
    return 0;
}

static int read_until_closed(void *arg)
{
    return aw_gather(AW_CORO(read_once, arg), AW_CORO(close_write_end, arg));
}

TEST(io_read_wakes_at_end_of_file)
{
    struct channel c = open_channel();
    assert_int_equal(aw_run(read_until_closed, &c), 0);
    assert_int_equal(c.n, 0);
    close(c.fds[0]);
}

static int write_into_void(void *arg)
{
    struct channel *c = arg;
    ssize_t n = aw_write(c->fds[1], "x", 1);
    assert_int_equal(n, -EPIPE);
    assert_int_equal(aw_write(-1, "x", 1), -EBADF);
    assert_int_equal(aw_read(-1, c->got, 1), -EBADF);
    assert_int_equal(aw_read(c->fds[1], c->got, 1), -EBADF); /* not open for reading */
    return 0;
}

TEST(io_errors_are_those_of_the_calls)
{
    signal(SIGPIPE, SIG_IGN);
    struct channel c = open_channel();
    close(c.fds[0]);
    assert_int_equal(aw_run(write_into_void, &c), 0);
    close(c.fds[1]);
}

static int close_read_end(void *arg)
{
    struct channel *c = arg;
    AW_TRY(aw_sleep(0));
    close(c->fds[0]);
    return 0;
}

static int write_blocked(void *arg)
{
    struct channel *c = arg;
    c->n = aw_write(c->fds[1], "x", 1);
    return 0;
}

static int write_until_reader_leaves(void *arg)
{
    return aw_gather(AW_CORO(write_blocked, arg), AW_CORO(close_read_end, arg));
}

TEST(io_write_waits_and_learns_that_the_reader_left)
{
    signal(SIGPIPE, SIG_IGN);
    struct channel c = open_channel();
    fill(c.fds[1]);
    assert_int_equal(aw_run(write_until_reader_leaves, &c), 0);
    assert_int_equal(c.n, -EPIPE);
    close(c.fds[1]);
}

/* Moves more through a pipe than it holds, with a task at each end. */
enum { BULK = 1 << 20 };

static int write_bulk(void *arg)
{
    struct channel *c = arg;
    static char data[BULK];
    for (int i = 0; i < BULK; i++)
        data[i] = (char)(i * 31 >> 3);
    for (size_t done = 0; done < BULK;) {
        ssize_t n = aw_write(c->fds[1], data + done, BULK - done);
        if (n < 0)
            return (int)n;
        assert_true(n > 0);
        done += (size_t)n;
    }
    close(c->fds[1]);
    return 0;
}

static int read_bulk(void *arg)
{
    struct channel *c = arg;
    size_t seen = 0;
    char buf[3001];
    for (ssize_t n; (n = aw_read(c->fds[0], buf, sizeof buf)) != 0; seen += (size_t)n) {
        if (n < 0)
            return (int)n;
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(buf[i], (char)((int)(seen + (size_t)i) * 31 >> 3));
    }
    assert_int_equal(seen, BULK);
    return 0;
}

static int move_bulk(void *arg)
{
    return aw_gather(AW_CORO(write_bulk, arg), AW_CORO(read_bulk, arg));
}

TEST(io_bulk_through_a_blocking_pipe)
{
    struct channel c = open_channel();
    assert_int_equal(aw_run(move_bulk, &c), 0);
    assert_int_equal(fcntl(c.fds[0], F_GETFL) & O_NONBLOCK, 0);
    close(c.fds[0]);
}

TEST(io_bulk_through_a_nonblocking_pipe)
{
    struct channel c;
    assert_int_equal(pipe2(c.fds, O_NONBLOCK), 0);
    assert_int_equal(aw_run(move_bulk, &c), 0);
    assert_true(fcntl(c.fds[0], F_GETFL) & O_NONBLOCK);
    close(c.fds[0]);
}

static int read_with_limit(void *arg)
{
    struct channel *c = arg;
    assert_int_equal(aw_timeout_call(0.05, read_once, c), -ETIMEDOUT);
    assert_int_equal(c->n, -ECANCELED);
    AW_TRY(aw_sleep(0)); /* the limit's cancellation is used up */
    assert_int_equal(write(c->fds[1], "late", 4), 4);
    AW_TRY(read_once(c));
    return 0;
}

TEST_REAL_CLOCK(io_read_with_a_time_limit)
{
    struct channel c = open_channel();
    assert_int_equal(aw_run(read_with_limit, &c), 0);
    assert_int_equal(c.n, 4);
    assert_string_equal(c.got, "late");
    close_channel(&c);
}

static int write_with_limit(void *arg)
{
    struct channel *c = arg;
    assert_int_equal(aw_timeout_call(0.02, write_hello, c), -ETIMEDOUT);
    return aw_sleep(0);
}

TEST_REAL_CLOCK(io_write_with_a_time_limit)
{
    struct channel c = open_channel();
    fill(c.fds[1]);
    assert_int_equal(aw_run(write_with_limit, &c), 0);
    close_channel(&c);
}

static int poll_all_ways(void *arg)
{
    struct channel *c = arg;
    assert_int_equal(aw_poll(c->fds[1], POLLOUT), POLLOUT);
    assert_int_equal(write(c->fds[1], "x", 1), 1);
    assert_int_equal(aw_poll(c->fds[0], POLLIN), POLLIN);
    assert_int_equal(aw_poll(c->fds[0], POLLIN | POLLPRI), POLLIN);
    close(c->fds[1]);
    assert_int_equal(aw_poll(c->fds[0], POLLIN), POLLIN | POLLHUP);
    assert_int_equal(read(c->fds[0], c->got, 1), 1);
    assert_int_equal(aw_poll(c->fds[0], POLLIN), POLLHUP);
    assert_int_equal(aw_poll(c->fds[0], 0), POLLHUP);
    assert_int_equal(aw_poll(-1, POLLIN), -EBADF);
    return 0;
}

TEST(io_poll_tells_what_is_there)
{
    struct channel c = open_channel();
    assert_int_equal(aw_run(poll_all_ways, &c), 0);
    close(c.fds[0]);
}

static int poll_for_input(void *arg)
{
    struct channel *c = arg;
    c->n = aw_poll(c->fds[0], POLLIN);
    return c->n < 0 ? (int)c->n : 0;
}

static int poll_beside_write(void *arg)
{
    return aw_gather(AW_CORO(poll_for_input, arg), AW_CORO(write_hello, arg));
}

TEST(io_poll_waits)
{
    struct channel c = open_channel();
    assert_int_equal(aw_run(poll_beside_write, &c), 0);
    assert_int_equal(c.n, POLLIN);
    close_channel(&c);
}

/* Several readers of one pipe are served in the order they came. */
static int five_readers(void *arg)
{
    struct channel *c = arg;
    struct channel readers[5];
    aw_task *t[5];
    for (int i = 0; i < 5; i++) {
        readers[i] = (struct channel){.fds = {c->fds[0], -1}};
        t[i] = aw_create_task(read_once, &readers[i]);
        AW_TRY(aw_sleep(0));
    }
    for (int i = 0; i < 5; i++) {
        assert_false(aw_done(t[i]));
        assert_int_equal(write(c->fds[1], &"abcde"[i], 1), 1);
        AW_TRY(aw_join(t[i]));
        assert_int_equal(readers[i].n, 1);
        assert_int_equal(readers[i].got[0], "abcde"[i]);
    }
    return 0;
}

TEST(io_readers_of_one_descriptor_are_served_in_order)
{
    struct channel c = open_channel();
    assert_int_equal(aw_run(five_readers, &c), 0);
    close_channel(&c);
}

static int bad_arguments(void *arg)
{
    struct channel *c = arg;
    assert_int_equal(aw_read(c->fds[0], NULL, 1), -EINVAL);
    assert_int_equal(aw_write(c->fds[1], NULL, 1), -EINVAL);
    assert_int_equal(aw_read(c->fds[0], c->got, 0), 0);
    assert_int_equal(aw_write(c->fds[1], c->got, 0), 0);
    return 0;
}

TEST(io_bad_arguments)
{
    struct channel c = open_channel();
    assert_int_equal(aw_run(bad_arguments, &c), 0);
    assert_int_equal(aw_read(c.fds[0], c.got, 1), AW_EMISUSE);
    assert_int_equal(aw_write(c.fds[1], "x", 1), AW_EMISUSE);
    assert_int_equal(aw_poll(c.fds[0], POLLIN), AW_EMISUSE);
    close_channel(&c);
}
