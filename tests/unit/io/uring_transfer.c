/*
 * io_uring: reading, writing and the calls on files, where it does them in a way of its own.
 */
#include <signal.h>
#include <sys/stat.h>

#include "unit/io/uring_rig.h"

TEST(uring_write_on_a_blocking_descriptor_takes_what_fits)
{
    struct rig r;
    int fds[2];
    static char data[1 << 20], sink[1 << 20];
    uring_rig_open(&r);
    make_pipe(fds, 0);
    int64_t n = uring_do(&r, op_write(fds[1], data, sizeof data));
    assert_true(n > 0 && n < (int64_t)sizeof data);
    struct aw_op op = op_write(fds[1], data, sizeof data);
    must_wait(&r, &op);
    rig_expect_nothing(&r);
    assert_true(read(fds[0], sink, sizeof sink) > 0);
    assert_true(rig_result(&r, &op) > 0);
    close_pipe(fds);
    uring_rig_close(&r);
}

TEST(uring_poll_reports_what_is_ready)
{
    struct rig r;
    int fds[2];
    uring_rig_open(&r);
    make_pipe(fds, 0);
    assert_int_equal(uring_do(&r, op_poll(fds[1], POLLOUT)), POLLOUT);
    struct aw_op first = op_poll(fds[0], POLLIN), second = op_poll(fds[0], POLLIN);
    must_wait(&r, &first);
    must_wait(&r, &second);
    rig_expect_nothing(&r);
    put(fds[1], "x");
    while (first.state == AW_OP_IN_FLIGHT || second.state == AW_OP_IN_FLIGHT)
        rig_poll(&r, 1000);
    while (rig_next(&r))
        continue;
    assert_int_equal(first.result, POLLIN);
    assert_int_equal(second.result, POLLIN);
    close(fds[1]);
    assert_true(uring_do(&r, op_poll(fds[0], 0)) & POLLHUP);
    close(fds[0]);
    uring_rig_close(&r);
}

TEST(uring_bad_descriptors_are_errors)
{
    struct rig r;
    int fds[2];
    char buf[4];
    signal(SIGPIPE, SIG_IGN);
    uring_rig_open(&r);
    make_pipe(fds, O_NONBLOCK);
    close_pipe(fds);
    struct aw_op below = op_read(-1, buf, 4), far = op_write(1 << 20, buf, 4);
    must_give(&r, &below, -EBADF);
    must_give(&r, &far, -EBADF);
    struct aw_op ops[] = {op_write(fds[0], buf, 4), op_poll(fds[0], POLLIN),
                          op_pread(fds[0], buf, 4, 0), op_close(fds[0])};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        rig_submit(&r, &ops[i]);
        assert_int_equal(ops[i].state == AW_OP_COMPLETED ? ops[i].result : rig_result(&r, &ops[i]),
                         -EBADF);
    }
    make_pipe(fds, 0);
    assert_int_equal(uring_do(&r, op_read(fds[1], buf, 4)), -EBADF);
    assert_int_equal(uring_do(&r, op_write(fds[0], buf, 4)), -EBADF);
    close(fds[0]);
    assert_int_equal(uring_do(&r, op_write(fds[1], "x", 1)), -EPIPE);
    close(fds[1]);
    uring_rig_close(&r);
}

/* At its position, at an offset, and through all that a file's life has. */
TEST(uring_file_is_opened_written_read_and_closed)
{
    struct rig r;
    char dir[] = "/tmp/await-uring-XXXXXX", buf[16];
    assert_non_null(mkdtemp(dir));
    uring_rig_open(&r);
    int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = (int)uring_do(&r, op_openat(at, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    assert_true(fd >= 0);
    assert_int_equal(uring_do(&r, op_write(fd, "abcdef", 6)), 6);
    assert_int_equal(uring_do(&r, op_pwrite(fd, "XY", 2, 2)), 2);
    assert_int_equal(uring_do(&r, op_pread(fd, buf, sizeof buf, 1)), 5);
    assert_memory_equal(buf, "bXYef", 5);
    assert_int_equal(uring_do(&r, op_read(fd, buf, sizeof buf)), 0);
    assert_int_equal(uring_do(&r, op_pread(fd, buf, sizeof buf, 6)), 0);
    assert_int_equal(uring_do(&r, op_close(fd)), 0);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(uring_do(&r, op_openat(at, "none", O_RDONLY, 0)), -ENOENT);
    unlinkat(at, "f", 0);
    close(at);
    rmdir(dir);
    uring_rig_close(&r);
}

/* What lies in the page cache is read at once, but not without end. */
TEST(uring_cached_reads_are_limited_in_each_pass)
{
    enum { BLOCK = 65536, ENOUGH = 1000 };
    static char block[BLOCK];
    struct rig r;
    uring_rig_open(&r);
    aw_sys.pread_now = uring_watch.real.pread_now;
    FILE *file = tmpfile();
    assert_non_null(file);
    int fd = fileno(file);
    assert_int_equal(write(fd, block, sizeof block), sizeof block);
    for (int round = 0; round < 2; round++) {
        int at_once = 0;
        struct aw_op op = op_pread(fd, block, BLOCK, 0);
        while (at_once < ENOUGH && rig_submit(&r, &op)) {
            assert_int_equal(op.result, BLOCK);
            at_once++;
        }
        assert_true(at_once > 1 && at_once < ENOUGH);
        assert_int_equal(rig_result(&r, &op), BLOCK);
    }
    int fds[2];
    make_pipe(fds, 0);
    struct aw_op op = op_pread(fds[0], block, 1, 0);
    must_give(&r, &op, -ESPIPE);
    close_pipe(fds);
    fclose(file);
    uring_rig_close(&r);
}

/* ---- kernels that give up sooner ---- */

static int again; /* how many completions are still to become -EAGAIN */

static void would_block(struct io_uring_cqe *cqe)
{
    if (cqe->user_data < 8 || cqe->res != -ECANCELED || again == 0)
        return;
    again--;
    cqe->res = -EAGAIN;
}

static void cancel_in_kernel(const struct aw_op *op)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(uring_watch.ring);
    io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)op, 0);
    sqe->user_data = 2; /* as the backend's own */
}

/* The kernel answers "would block" in place of waiting, `times` in a row; then it works as usual.
 */
static void read_that_would_block(int flags, int times)
{
    struct rig r;
    int fds[2];
    char buf[8];
    uring_rig_open(&r);
    make_pipe(fds, flags);
    struct aw_op op = op_read(fds[0], buf, sizeof buf);
    must_wait(&r, &op);
    rig_poll(&r, 0);
    again = times;
    uring_watch.meddle = would_block;
    cancel_in_kernel(&op);
    rig_poll(&r, 0); /* it comes back with -EAGAIN, and becomes a poll */
    rig_expect_nothing(&r);
    assert_int_equal(again, times - 1);
    put(fds[1], "word");
    assert_int_equal(rig_result(&r, &op), 4);
    assert_memory_equal(buf, "word", 4);
    uring_watch.meddle = NULL;
    close_pipe(fds);
    uring_rig_close(&r);
}

TEST(uring_that_does_not_wait_is_polled_and_tried_again)
{
    read_that_would_block(0, 1);
    read_that_would_block(O_NONBLOCK, 1);
}

static void always_ready_never_done(struct io_uring_cqe *cqe)
{
    if (cqe->user_data < 8 || again == 0)
        return;
    if (again-- % 2 == 0) /* the operation, the poll, the operation, ... */
        cqe->res = -EAGAIN;
    else
        cqe->res = POLLIN;
}

/* Ready, and would block all the same: one of the kernel's threads does it then. */
TEST(uring_file_that_cannot_be_waited_for_is_done_by_a_thread)
{
    struct rig r;
    int fds[2];
    char buf[8];
    uring_rig_open(&r);
    make_pipe(fds, 0);
    again = 4;
    uring_watch.meddle = always_ready_never_done;
    struct aw_op op = op_poll(fds[0], POLLIN);
    op = op_read(fds[0], buf, 1);
    put(fds[1], "abcdef"); /* the reads that "would block" do take a byte */
    must_wait(&r, &op);
    assert_int_equal(rig_result(&r, &op), 1);
    assert_int_equal(buf[0], 'c');
    assert_int_equal(again, 0);
    uring_watch.meddle = NULL;
    close_pipe(fds);
    uring_rig_close(&r);
}
