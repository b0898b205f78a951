/*
 * A peer that has ended its sending, and reads nothing: who waits for room waits, and is not told
 * of the end again and again.  On both backends.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "unit/io/uring_rig.h"

/* fds[0] takes no more, and fds[1] has ended its sending. */
static void make_full(int fds[2], bool tcp)
{
    static char zeros[1 << 16];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    if (!tcp) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    } else {
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &size), 0);
        fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fds[0], (struct sockaddr *)&a, sizeof a), 0);
        fds[1] = accept(listener, NULL, NULL);
        close(listener);
    }
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
    struct pollfd p = {.fd = fds[0], .events = POLLOUT};
    while (poll(&p, 1, 20) == 1) /* what is on its way makes room again */
        while (send(fds[0], zeros, sizeof zeros, 0) > 0)
            continue;
}

static void take_all(int fd)
{
    static char buf[1 << 16];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, 20) == 1 && read(fd, buf, sizeof buf) > 0)
        continue;
}

static int count_descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* Nothing completes in 100 ms, and the kernel is left alone. */
static void expect_sleep(struct rig *r)
{
    unsigned before = uring_watch.enters;
    for (int i = 0; i < 4; i++)
        rig_poll(r, 25);
    struct aw_op *op;
    while ((op = rig_next(r)) != NULL)
        fail_msg("operation %d, events %#x, is over: %d", op->kind, op->events, (int)op->result);
    assert_true(uring_watch.enters - before < 12);
}

static struct aw_op op_send(int fd)
{
    return (struct aw_op){.kind = AW_OP_SEND, .fd = fd, .buf = (void *)"x", .len = 1};
}

static void wait_for_room(struct rig *r, bool tcp)
{
    int fds[2], before = count_descriptors();
    make_full(fds, tcp);
    struct aw_op room = op_poll(fds[0], POLLOUT), sends = op_send(fds[0]), other = room,
                 error = op_poll(fds[0], 0), urgent = op_poll(fds[0], POLLPRI);
    must_wait(r, &room);
    if (!tcp) /* which may have room for a byte, and not say so */
        must_wait(r, &sends);
    must_wait(r, &other);
    must_wait(r, &error);
    must_wait(r, &urgent);
    expect_sleep(r);
    take_all(fds[1]);
    for (int i = 0; i < 1000 && r->io->in_flight > 2; i++)
        rig_poll(r, 100);
    assert_int_equal(r->io->in_flight, 2);
    while (rig_next(r))
        continue;
    assert_int_equal(room.result, POLLOUT);
    assert_int_equal(other.result, POLLOUT);
    assert_int_equal(sends.result, !tcp);
    if (r->io->backend->cancel(r->io, &error))
        assert_int_equal(error.result, -ECANCELED);
    else
        assert_int_equal(rig_result(r, &error), -ECANCELED);
    close(fds[1]);
    (void)send(fds[0], "x", 1, MSG_NOSIGNAL); /* to nobody: a reset */
    int64_t result = rig_result(r, &urgent);
    assert_true(result & POLLHUP);
    assert_false(result & (POLLIN | POLLOUT | POLLRDHUP));
    close(fds[0]);
    assert_int_equal(count_descriptors(), before);
}

TEST_REAL_CLOCK(epoll_waits_for_room_at_a_peer_that_has_ended)
{
    struct rig r;
    rig_open(&r);
    wait_for_room(&r, true);
    wait_for_room(&r, false);
    rig_close(&r);
}

TEST_REAL_CLOCK(uring_waits_for_room_at_a_peer_that_has_ended)
{
    struct rig r;
    uring_rig_open(&r);
    wait_for_room(&r, true);
    wait_for_room(&r, false);
    uring_rig_close(&r);
}

/* In the middle of it the loop stops running, and goes on. */
TEST_REAL_CLOCK(uring_waits_for_room_from_run_to_run)
{
    struct rig r;
    int fds[2];
    uring_rig_open(&r);
    make_full(fds, true);
    struct aw_op room = op_poll(fds[0], POLLOUT);
    must_wait(&r, &room);
    expect_sleep(&r);
    r.io->backend->leave(r.io, &r.done);
    assert_true(aw_list_empty(&r.done));
    assert_int_equal(r.io->backend->enter(r.io), 0);
    expect_sleep(&r);
    take_all(fds[1]);
    assert_int_equal(rig_result(&r, &room), POLLOUT);
    close_pipe(fds);
    uring_rig_close(&r);
}
