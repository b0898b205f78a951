/*
 * What aw_poll() gives, on every backend and on the simulator's sockets: the same.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "await/io.h"
#include "await/sim.h"
#include "unit/core/util.h"

struct polling {
    int fd;
    short events;
};

static int poll_it(void *arg)
{
    const struct polling *p = arg;
    return aw_poll(p->fd, p->events);
}

/* Until it is over, or nothing more happens: then it would wait. */
static int poll_a_while(int fd, short events)
{
    return aw_timeout_call(0.02, poll_it, &(struct polling){fd, events});
}

#define WAITS(fd, events) assert_int_equal(poll_a_while(fd, events), -ETIMEDOUT)
#define GIVES(fd, events, result) assert_int_equal(poll_a_while(fd, events), result)

/* ---- what is always ready ---- */

TEST_IN_LOOP(io_polls_of_files_are_over_at_once)
{
    static const char *const paths[] = {"/proc/self/exe", "/", "/dev/null"};
    for (int i = 0; i < 3; i++) {
        int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        GIVES(fd, POLLIN, POLLIN);
        GIVES(fd, POLLOUT, POLLOUT);
        GIVES(fd, POLLIN | POLLOUT | POLLPRI, POLLIN | POLLOUT);
        GIVES(fd, 0, -EINVAL); /* it would wait for ever */
        GIVES(fd, POLLPRI, -EINVAL);
        close(fd);
        GIVES(fd, 0, -EBADF);
    }
}

/* ---- no events: an error alone ---- */

TEST_IN_LOOP(io_polls_of_a_pipe_for_no_events)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    WAITS(fds[0], 0);
    WAITS(fds[1], 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    WAITS(fds[0], 0);
    WAITS(fds[0], POLLPRI);
    close(fds[1]);
    GIVES(fds[0], 0, POLLHUP);
    GIVES(fds[0], POLLIN, POLLIN | POLLHUP);
    close(fds[0]);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    close(fds[0]);
    GIVES(fds[1], 0, POLLERR);
    close(fds[1]);
}

/* The end of the other side's sending is no error, and told to who asks to read. */
static void poll_sockets(const int fds[2], int (*end_sending)(int fd), int (*shut)(int fd))
{
    WAITS(fds[0], 0);
    WAITS(fds[0], POLLIN);
    WAITS(fds[0], POLLPRI);
    GIVES(fds[0], POLLIN | POLLOUT, POLLOUT);
    assert_int_equal(end_sending(fds[1]), 0);
    WAITS(fds[0], 0);
    WAITS(fds[0], POLLPRI);
    GIVES(fds[0], POLLIN, POLLIN);
    GIVES(fds[0], POLLOUT, POLLOUT);
    shut(fds[0]);
    shut(fds[1]);
}

static int end_sending(int fd)
{
    return shutdown(fd, SHUT_WR);
}

TEST_IN_LOOP(io_polls_of_sockets_for_no_events)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    poll_sockets(fds, end_sending, close);
}

static int poll_simulated(void *arg)
{
    int fds[2];
    (void)arg;
    assert_int_equal(aw_sim_pair(fds, SOCK_STREAM), 0);
    poll_sockets(fds, aw_sim_shutdown, aw_sim_close);
    return 0;
}

TEST(io_polls_of_simulated_sockets_for_no_events)
{
    assert_int_equal(aw_sim_run(poll_simulated, NULL, .seed = 1), 0);
}
