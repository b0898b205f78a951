/*
 * Reading and writing that has to wait, with the same results on both backends.
 */
#include <sys/socket.h>

#include "unit/io/both.h"

/* TEST(name) on epoll and on io_uring; the body has `r`. */
#define TRANSFER_TEST(name)                                                                        \
    static void name##_on(struct rig *r);                                                          \
    static void name##_in(enum way way)                                                            \
    {                                                                                              \
        struct rig r;                                                                              \
        open_rig(&r, way);                                                                         \
        name##_on(&r);                                                                             \
        close_rig(&r, way);                                                                        \
    }                                                                                              \
    TEST(epoll_##name)                                                                             \
    {                                                                                              \
        name##_in(EPOLL);                                                                          \
    }                                                                                              \
    TEST(uring_##name)                                                                             \
    {                                                                                              \
        name##_in(URING);                                                                          \
    }                                                                                              \
    static void name##_on(struct rig *r)

TRANSFER_TEST(read_waits_for_data_and_then_for_the_end)
{
    int fds[2];
    char buf[16];
    for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
        make_pipe(fds, flags);
        struct aw_op op = op_read(fds[0], buf, sizeof buf);
        must_wait(r, &op);
        rig_expect_nothing(r);
        put(fds[1], "late");
        assert_int_equal(rig_result(r, &op), 4);
        assert_memory_equal(buf, "late", 4);
        must_wait(r, &op);
        close(fds[1]);
        assert_int_equal(rig_result(r, &op), 0);
        close(fds[0]);
    }
}

TRANSFER_TEST(readers_of_one_descriptor_are_served_in_order)
{
    int fds[2];
    char buf[4][2];
    struct aw_op ops[4];
    make_pipe(fds, O_NONBLOCK);
    for (int i = 0; i < 4; i++) {
        ops[i] = op_read(fds[0], buf[i], 2);
        must_wait(r, &ops[i]);
    }
    rig_expect_nothing(r);
    put(fds[1], "aabbc");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rig_result(r, &ops[i]), i < 2 ? 2 : 1);
        assert_int_equal(buf[i][0], 'a' + i);
    }
    rig_expect_nothing(r);
    put(fds[1], "d");
    assert_int_equal(rig_result(r, &ops[3]), 1);
    assert_int_equal(buf[3][0], 'd');
    close_pipe(fds);
}

TRANSFER_TEST(write_takes_what_fits_and_waits_for_room)
{
    int fds[2];
    static char data[1 << 20], sink[1 << 20];
    make_pipe(fds, O_NONBLOCK);
    struct aw_op op = op_write(fds[1], data, sizeof data);
    int64_t n = rig_submit(r, &op) ? op.result : rig_result(r, &op);
    assert_true(n > 0 && n < (int64_t)sizeof data);
    must_wait(r, &op);
    rig_expect_nothing(r);
    assert_true(read(fds[0], sink, sizeof sink) > 0);
    assert_true(rig_result(r, &op) > 0);
    close_pipe(fds);
}

TRANSFER_TEST(both_sides_of_a_socket_wait_at_once)
{
    int fds[2];
    char buf[8];
    static char sink[1 << 20];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    size_t filled = fill_pipe(fds[0]);
    struct aw_op in = op_read(fds[0], buf, sizeof buf), out = op_write(fds[0], "x", 1);
    must_wait(r, &out);
    must_wait(r, &in);
    rig_expect_nothing(r);
    put(fds[1], "answer");
    assert_int_equal(rig_result(r, &in), 6);
    rig_expect_nothing(r);
    while (filled > 0)
        filled -= (size_t)read(fds[1], sink, sizeof sink);
    assert_int_equal(rig_result(r, &out), 1);
    close_pipe(fds);
}
