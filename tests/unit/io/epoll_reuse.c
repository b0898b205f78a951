/*
 * Descriptors that are closed and come back as other files, and files that outlive theirs.
 */
#include <sys/socket.h>

#include "unit/io/rig.h"

enum { NUMBER = 100 }; /* the one that is used again and again */

/* A pipe whose reading end has that number. */
static void pipe_at_number(int fds[2], int flags)
{
    make_pipe(fds, O_NONBLOCK | flags);
    assert_int_equal(dup2(fds[0], NUMBER), NUMBER);
    close(fds[0]);
    fds[0] = NUMBER;
}

TEST(epoll_reused_number_gives_each_file_its_own_data)
{
    struct rig r;
    rig_open(&r);
    unsigned rounds = test_scale(10000, 2000);
    for (unsigned i = 0; i < rounds; i++) {
        int fds[2];
        unsigned got = 0;
        pipe_at_number(fds, 0);
        struct aw_op op = op_read(NUMBER, &got, sizeof got);
        must_wait(&r, &op);
        assert_int_equal(write(fds[1], &i, sizeof i), sizeof i);
        assert_int_equal(rig_result(&r, &op), sizeof got);
        assert_int_equal(got, i);
        close_pipe(fds);
    }
    rig_close(&r);
}

/* Closed with data in it and interest registered, after a cancellation, or never waited on. */
TEST(epoll_reused_number_after_any_end_of_the_former_file)
{
    struct rig r;
    char buf[8];
    rig_open(&r);
    for (unsigned i = 0; i < 999; i++) {
        int fds[2];
        pipe_at_number(fds, 0);
        struct aw_op op = op_read(NUMBER, buf, 1);
        if (i % 3 != 0)
            must_wait(&r, &op);
        if (i % 3 == 1)
            rig_cancel(&r, &op);
        put(fds[1], "left over");
        if (i % 3 == 2)
            assert_int_equal(rig_result(&r, &op), 1);
        if (i % 2 == 0)
            rig_expect_nothing(&r);
        close_pipe(fds);
    }
    rig_close(&r);
}

TEST(epoll_number_replaced_by_dup2_is_the_new_file)
{
    struct rig r;
    int first[2], second[2];
    char buf[8];
    rig_open(&r);
    pipe_at_number(first, 0);
    struct aw_op op = op_read(NUMBER, buf, sizeof buf);
    must_wait(&r, &op);
    put(first[1], "first");
    assert_int_equal(rig_result(&r, &op), 5);
    pipe_at_number(second, 0);
    must_wait(&r, &op);
    put(second[1], "second");
    assert_int_equal(rig_result(&r, &op), 6);
    assert_memory_equal(buf, "second", 6);
    close(first[1]);
    close_pipe(second);
    rig_close(&r);
}

/* ---- a file that outlives its descriptor ---- */

/* Leaves a registration behind that no call can take back: the descriptor is closed, its file
 * lives on as `*alive` and has data, which epoll goes on reporting under the dead number. */
static void leave_a_ghost(struct rig *r, int *alive, int *feed)
{
    int fds[2];
    char buf[1];
    pipe_at_number(fds, 0);
    struct aw_op op = op_read(NUMBER, buf, 1);
    must_wait(r, &op);
    put(fds[1], "x");
    assert_int_equal(rig_result(r, &op), 1);
    *alive = dup(NUMBER);
    close(NUMBER);
    put(fds[1], "for the ghost");
    *feed = fds[1];
}

static int early_returns(struct rig *r)
{
    int early = 0;
    for (int i = 0; i < 6; i++) {
        int64_t begin = aw_clock_real();
        rig_poll(r, 30);
        early += aw_clock_real() - begin < 30 * 1000000;
    }
    return early;
}

TEST_REAL_CLOCK(epoll_file_that_outlives_its_descriptor_does_not_spin)
{
    struct rig r;
    int alive, feed, bystander[2];
    char buf[8];
    rig_open(&r);
    make_pipe(bystander, O_NONBLOCK);
    struct aw_op op = op_read(bystander[0], buf, sizeof buf);
    must_wait(&r, &op);
    leave_a_ghost(&r, &alive, &feed);
    assert_true(early_returns(&r) <= 1);
    put(bystander[1], "alive");
    assert_int_equal(rig_result(&r, &op), 5);
    r.io->backend->wake(r.io);
    rig_poll(&r, -1);
    close(alive);
    close(feed);
    close_pipe(bystander);
    rig_close(&r);
}

TEST_REAL_CLOCK(epoll_ghost_of_a_number_does_not_disturb_its_new_file)
{
    struct rig r;
    int alive, feed, fds[2];
    char buf[8];
    rig_open(&r);
    leave_a_ghost(&r, &alive, &feed);
    pipe_at_number(fds, 0);
    struct aw_op in = op_read(NUMBER, buf, sizeof buf), ready = op_poll(NUMBER, POLLIN);
    must_wait(&r, &in);
    must_wait(&r, &ready);
    assert_true(early_returns(&r) <= 2);
    assert_true(aw_list_empty(&r.done));
    rig_cancel(&r, &ready);
    put(fds[1], "mine");
    assert_int_equal(rig_result(&r, &in), 4);
    assert_memory_equal(buf, "mine", 4);
    close(alive);
    close(feed);
    close_pipe(fds);
    rig_close(&r);
}

/* ---- when the exchange of the set goes wrong ---- */

static struct aw_sys_table real;
static int refused;

static int refuse_to_add(int ep, int op, int fd, struct epoll_event *ev)
{
    if (op == EPOLL_CTL_ADD && fd == refused)
        return -ENOSPC;
    return real.epoll_ctl(ep, op, fd, ev);
}

TEST(epoll_operation_that_cannot_be_taken_along_gets_the_error)
{
    struct rig r;
    int alive, feed, bystander[2];
    char buf[8];
    rig_open(&r);
    make_pipe(bystander, O_NONBLOCK);
    struct aw_op op = op_read(bystander[0], buf, sizeof buf);
    must_wait(&r, &op);
    leave_a_ghost(&r, &alive, &feed);
    real = aw_sys;
    refused = bystander[0];
    aw_sys.epoll_ctl = refuse_to_add;
    assert_int_equal(rig_result(&r, &op), -ENOSPC);
    aw_sys = real;
    close(alive);
    close(feed);
    close_pipe(bystander);
    rig_close(&r);
}

static int latest_set;

static int remember_set(void)
{
    return latest_set = real.epoll_create();
}

/* The kernel may know a number that the table believes it does not. */
TEST(epoll_number_that_the_kernel_knows_already_is_no_error)
{
    struct rig r;
    int fds[2];
    char buf[8];
    real = aw_sys;
    aw_sys.epoll_create = remember_set;
    rig_open(&r);
    aw_sys = real;
    make_pipe(fds, O_NONBLOCK);
    struct epoll_event other = {.events = EPOLLOUT};
    assert_int_equal(real.epoll_ctl(latest_set, EPOLL_CTL_ADD, fds[0], &other), 0);
    struct aw_op op = op_read(fds[0], buf, sizeof buf);
    must_wait(&r, &op);
    put(fds[1], "known");
    assert_int_equal(rig_result(&r, &op), 5);
    close_pipe(fds);
    rig_close(&r);
}
