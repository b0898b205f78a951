/*
 * epoll: reading and writing at once where that is possible, and never blocking.
 */
#include <signal.h>

#include "unit/io/rig.h"

TEST(epoll_read_of_what_is_there_is_done_at_once)
{
    struct rig r;
    int fds[2];
    char buf[16];
    rig_open(&r);
    for (int blocking = 0; blocking < 2; blocking++) {
        make_pipe(fds, blocking ? 0 : O_NONBLOCK);
        put(fds[1], "hello");
        struct aw_op op = op_read(fds[0], buf, sizeof buf);
        must_give(&r, &op, 5);
        assert_memory_equal(buf, "hello", 5);
        close(fds[1]);
        must_give(&r, &op, 0);
        close(fds[0]);
    }
    rig_close(&r);
}

TEST(epoll_newcomer_does_not_overtake_those_who_wait)
{
    struct rig r;
    int fds[2];
    char first[1], second[1];
    rig_open(&r);
    make_pipe(fds, O_NONBLOCK);
    struct aw_op a = op_read(fds[0], first, 1), b = op_read(fds[0], second, 1);
    must_wait(&r, &a);
    put(fds[1], "12");
    must_wait(&r, &b); /* there is data, but it is a's */
    assert_int_equal(rig_result(&r, &a), 1);
    assert_int_equal(rig_result(&r, &b), 1);
    assert_int_equal(first[0], '1');
    assert_int_equal(second[0], '2');
    close_pipe(fds);
    rig_close(&r);
}

TEST(epoll_write_on_a_blocking_descriptor_never_blocks)
{
    struct rig r;
    int fds[2];
    static char data[1 << 20];
    size_t written = 0;
    rig_open(&r);
    make_pipe(fds, 0);
    struct aw_op op = op_write(fds[1], data, sizeof data);
    while (rig_submit(&r, &op)) {
        assert_true(op.result > 0 && op.result <= 4096);
        written += (size_t)op.result;
        assert_true(written < sizeof data);
    }
    rig_expect_nothing(&r);
    assert_int_equal(read(fds[0], data, written), written);
    assert_true(rig_result(&r, &op) > 0);
    close_pipe(fds);
    rig_close(&r);
}

/* What is in the page cache is read at once, if the file system can tell; the rest by a thread. */
static void must_be_done(struct rig *r, struct aw_op *op, int64_t result)
{
    assert_true(rig_submit(r, op));
    if (op->result == AW_OP_NEEDS_THREAD)
        op->result = aw_op_block(op);
    assert_int_equal(op->result, result);
}

TEST(epoll_regular_file_is_left_to_a_thread)
{
    struct rig r;
    static char data[100000], back[100000];
    memset(data, 'f', sizeof data);
    rig_open(&r);
    for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
        FILE *file = tmpfile();
        assert_non_null(file);
        int fd = fileno(file);
        fcntl(fd, F_SETFL, flags);
        struct aw_op out = op_write(fd, data, sizeof data);
        if (!flags) {
            must_give(&r, &out, AW_OP_NEEDS_THREAD);
            assert_int_equal(lseek(fd, 0, SEEK_END), 0);
        }
        must_be_done(&r, &out, sizeof data);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        struct aw_op in = op_read(fd, back, sizeof back);
        must_be_done(&r, &in, sizeof back);
        assert_memory_equal(data, back, sizeof data);
        must_be_done(&r, &in, 0);
        struct aw_op ready = op_poll(fd, POLLIN | POLLOUT);
        must_give(&r, &ready, POLLIN | POLLOUT);
        fclose(file);
    }
    rig_close(&r);
}

TEST(epoll_nothing_read_or_written_is_a_result)
{
    struct rig r;
    int fds[2];
    rig_open(&r);
    make_pipe(fds, O_NONBLOCK);
    struct aw_op in = op_read(fds[0], NULL, 0), out = op_write(fds[1], NULL, 0);
    must_give(&r, &in, 0);
    must_give(&r, &out, 0);
    close_pipe(fds);
    rig_close(&r);
}

TEST(epoll_bad_descriptors_are_errors_at_once)
{
    struct rig r;
    int fds[2];
    char buf[4];
    rig_open(&r);
    make_pipe(fds, O_NONBLOCK);
    close_pipe(fds);
    const int bad[] = {-1, -1000, fds[0], 1 << 20, INT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct aw_op in = op_read(bad[i], buf, 4), out = op_write(bad[i], buf, 4);
        struct aw_op ready = op_poll(bad[i], POLLIN);
        must_give(&r, &in, -EBADF);
        must_give(&r, &out, -EBADF);
        must_give(&r, &ready, -EBADF);
    }
    rig_close(&r);
}

/* A blocking one too, though it never becomes ready for that. */
TEST(epoll_wrong_end_of_a_pipe_is_an_error)
{
    static const int flags[] = {0, O_NONBLOCK};
    struct rig r;
    rig_open(&r);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        int fds[2];
        char buf[4] = {0};
        make_pipe(fds, flags[i]);
        struct aw_op in = op_read(fds[1], buf, 4), out = op_write(fds[0], buf, 4);
        must_give(&r, &in, -EBADF);
        must_give(&r, &out, -EBADF);
        close_pipe(fds);
    }
    rig_close(&r);
}

TEST(epoll_waiting_writer_learns_that_the_reader_left)
{
    struct rig r;
    int fds[2];
    signal(SIGPIPE, SIG_IGN);
    rig_open(&r);
    make_pipe(fds, O_NONBLOCK);
    fill_pipe(fds[1]);
    struct aw_op op = op_write(fds[1], "x", 1);
    must_wait(&r, &op);
    close(fds[0]);
    assert_int_equal(rig_result(&r, &op), -EPIPE);
    close(fds[1]);
    rig_close(&r);
}

TEST(epoll_table_grows_under_operations_that_wait)
{
    enum { MANY = 300 };
    struct rig r;
    static int fds[MANY][2];
    static char buf[MANY];
    static struct aw_op ops[MANY];
    rig_open(&r);
    for (int i = 0; i < MANY; i++) {
        make_pipe(fds[i], O_NONBLOCK);
        ops[i] = op_read(fds[i][0], &buf[i], 1);
        must_wait(&r, &ops[i]);
    }
    for (int i = MANY - 1; i >= 0; i--) {
        char byte[2] = {(char)('a' + i % 26), '\0'};
        put(fds[i][1], byte);
        assert_int_equal(rig_result(&r, &ops[i]), 1);
        assert_int_equal(buf[i], byte[0]);
        close_pipe(fds[i]);
    }
    rig_close(&r);
}
