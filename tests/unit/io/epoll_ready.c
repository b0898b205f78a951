/*
 * Readiness, cancellation, wake-ups, and the events that nobody waits for.
 */
#include <pthread.h>
#include <signal.h>

#include "unit/io/rig.h"

/* ---- readiness ---- */

TEST(epoll_poll_gives_the_events_that_are_ready)
{
    struct rig r;
    int fds[2];
    rig_open(&r);
    make_pipe(fds, O_NONBLOCK);
    struct aw_op out = op_poll(fds[1], POLLOUT), in = op_poll(fds[0], POLLIN | POLLOUT);
    must_give(&r, &out, POLLOUT);
    must_wait(&r, &in);
    rig_expect_nothing(&r);
    put(fds[1], "x");
    assert_int_equal(rig_result(&r, &in), POLLIN);
    must_give(&r, &in, POLLIN);
    close_pipe(fds);
    rig_close(&r);
}

TEST(epoll_poll_always_reports_the_hang_up)
{
    struct rig r;
    int fds[2];
    rig_open(&r);
    make_pipe(fds, O_NONBLOCK);
    struct aw_op nothing = op_poll(fds[0], 0), in = op_poll(fds[0], POLLIN);
    must_wait(&r, &nothing);
    must_wait(&r, &in);
    put(fds[1], "x");
    assert_int_equal(rig_result(&r, &in), POLLIN);
    rig_expect_nothing(&r);
    close(fds[1]);
    assert_int_equal(rig_result(&r, &nothing), POLLHUP);
    must_give(&r, &in, POLLIN | POLLHUP);
    close(fds[0]);
    rig_close(&r);
}

TEST(epoll_poll_always_reports_the_error)
{
    struct rig r;
    int fds[2];
    rig_open(&r);
    make_pipe(fds, O_NONBLOCK);
    fill_pipe(fds[1]);
    struct aw_op op = op_poll(fds[1], POLLIN);
    must_wait(&r, &op);
    close(fds[0]);
    assert_int_equal(rig_result(&r, &op), POLLERR);
    close(fds[1]);
    rig_close(&r);
}

TEST(epoll_poll_wakes_all_who_wait_beside_a_reader)
{
    struct rig r;
    int fds[2];
    char buf[4];
    struct aw_op polls[3];
    rig_open(&r);
    make_pipe(fds, O_NONBLOCK);
    struct aw_op in = op_read(fds[0], buf, 4);
    must_wait(&r, &in);
    for (int i = 0; i < 3; i++) {
        polls[i] = op_poll(fds[0], POLLIN);
        must_wait(&r, &polls[i]);
    }
    put(fds[1], "data");
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_result(&r, &polls[i]), POLLIN);
    assert_int_equal(rig_result(&r, &in), 4);
    close_pipe(fds);
    rig_close(&r);
}

/* ---- cancellation ---- */

TEST(epoll_cancelled_operation_ends_and_takes_nothing)
{
    struct rig r;
    int fds[2];
    char buf[3][4];
    struct aw_op ops[3];
    rig_open(&r);
    make_pipe(fds, O_NONBLOCK);
    for (int i = 0; i < 3; i++) {
        ops[i] = op_read(fds[0], buf[i], 1);
        must_wait(&r, &ops[i]);
    }
    rig_cancel(&r, &ops[1]);
    put(fds[1], "ab");
    rig_cancel(&r, &ops[0]);
    assert_int_equal(rig_result(&r, &ops[2]), 1);
    assert_int_equal(buf[2][0], 'a');
    must_give(&r, &ops[0], 1);
    assert_int_equal(buf[0][0], 'b');
    close_pipe(fds);
    rig_close(&r);
}

TEST(epoll_cancel_after_completion_comes_too_late)
{
    struct rig r;
    int fds[2];
    char buf[4];
    rig_open(&r);
    make_pipe(fds, O_NONBLOCK);
    struct aw_op op = op_read(fds[0], buf, 4);
    must_wait(&r, &op);
    put(fds[1], "data");
    rig_poll(&r, 1000);
    assert_false(r.io->backend->cancel(r.io, &op));
    assert_int_equal(rig_result(&r, &op), 4);
    close_pipe(fds);
    rig_close(&r);
}

TEST(epoll_close_drops_what_is_in_flight)
{
    struct rig r;
    int fds[2];
    char buf[4];
    rig_open(&r);
    make_pipe(fds, O_NONBLOCK);
    struct aw_op op = op_read(fds[0], buf, 4);
    must_wait(&r, &op);
    r.io->backend->close(r.io);
    close_pipe(fds);
}

/* ---- nobody waits ---- */

/* How many polls of 50 ms come back before their time. */
static int early_returns(struct rig *r)
{
    int early = 0;
    for (int i = 0; i < 6; i++) {
        int64_t begin = aw_clock_real();
        rig_poll(r, 50);
        early += aw_clock_real() - begin < 50 * 1000000;
    }
    return early;
}

TEST_REAL_CLOCK(epoll_events_that_nobody_waits_for_do_not_spin)
{
    struct rig r;
    int fds[2];
    char buf[1];
    rig_open(&r);
    make_pipe(fds, O_NONBLOCK);
    struct aw_op op = op_read(fds[0], buf, 1);
    must_wait(&r, &op);
    put(fds[1], "more than one");
    assert_int_equal(rig_result(&r, &op), 1);
    assert_true(early_returns(&r) <= 1);
    struct aw_op other = op_poll(fds[0], POLLPRI);
    must_wait(&r, &other);
    assert_int_equal(early_returns(&r), 0);
    close(fds[1]);
    assert_int_equal(rig_result(&r, &other), POLLHUP);
    assert_true(early_returns(&r) <= 1);
    close(fds[0]);
    rig_close(&r);
}

TEST_REAL_CLOCK(epoll_interest_of_one_side_ends_while_the_other_waits)
{
    struct rig r;
    int fds[2];
    char buf[1];
    static char sink[1 << 20];
    rig_open(&r);
    make_pipe(fds, O_NONBLOCK);
    fill_pipe(fds[1]);
    struct aw_op out = op_write(fds[1], "x", 1), in = op_poll(fds[1], POLLPRI);
    must_wait(&r, &out);
    must_wait(&r, &in);
    assert_true(read(fds[0], sink, sizeof sink) > 0);
    assert_int_equal(rig_result(&r, &out), 1);
    assert_true(early_returns(&r) <= 1);
    struct aw_op again = op_read(fds[0], buf, 1);
    must_give(&r, &again, 1);
    rig_cancel(&r, &in);
    close_pipe(fds);
    rig_close(&r);
}

/* ---- waking up ---- */

TEST(epoll_wake_before_the_poll_is_not_lost)
{
    struct rig r;
    rig_open(&r);
    for (int i = 0; i < 3; i++) {
        r.io->backend->wake(r.io);
        r.io->backend->wake(r.io);
        rig_poll(&r, -1);
    }
    assert_true(aw_list_empty(&r.done));
    rig_close(&r);
}

TEST_REAL_CLOCK(epoll_wake_is_used_up_by_the_poll)
{
    struct rig r;
    rig_open(&r);
    r.io->backend->wake(r.io);
    rig_poll(&r, -1);
    assert_int_equal(early_returns(&r), 0);
    rig_close(&r);
}

static void *wake_a_little_later(void *arg)
{
    struct aw_io *io = arg;
    usleep(20000);
    io->backend->wake(io);
    return NULL;
}

TEST(epoll_wake_from_another_thread)
{
    struct rig r;
    pthread_t thread;
    rig_open(&r);
    assert_int_equal(pthread_create(&thread, NULL, wake_a_little_later, r.io), 0);
    rig_poll(&r, -1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    rig_close(&r);
}

static struct aw_io *woken_by_signal;

static void wake_from_handler(int sig)
{
    (void)sig;
    int saved = errno;
    errno = EDOM;
    woken_by_signal->backend->wake(woken_by_signal);
    if (errno != EDOM)
        _exit(9);
    errno = saved;
}

TEST(epoll_wake_from_a_signal_handler)
{
    struct rig r;
    rig_open(&r);
    woken_by_signal = r.io;
    struct sigaction action = {.sa_handler = wake_from_handler};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    rig_poll(&r, -1);
    rig_close(&r);
}

static void *signal_a_little_later(void *arg)
{
    usleep(20000);
    pthread_kill(*(pthread_t *)arg, SIGUSR1);
    return NULL;
}

TEST(epoll_signal_during_the_poll_is_no_error)
{
    struct rig r;
    pthread_t self = pthread_self(), thread;
    rig_open(&r);
    woken_by_signal = r.io;
    struct sigaction action = {.sa_handler = wake_from_handler};
    sigaction(SIGUSR1, &action, NULL);
    assert_int_equal(pthread_create(&thread, NULL, signal_a_little_later, &self), 0);
    rig_poll(&r, -1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    rig_close(&r);
}
