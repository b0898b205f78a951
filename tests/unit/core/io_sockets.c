/*
 * Sockets: received from, sent to, accepted and connected by coroutines.
 */
#include "unit/core/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/sys.h"

/* ---- what the tests are about ---- */

static struct sockaddr *as_addr(void *any)
{
    return any;
}

static int new_socket(int flags)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    assert_true(fd >= 0);
    return fd;
}

/* A listening socket of the loopback, and its address. */
static int listen_somewhere(struct sockaddr_in *addr, int flags)
{
    int fd = new_socket(flags);
    socklen_t len = sizeof *addr;
    *addr = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_int_equal(bind(fd, as_addr(addr), sizeof *addr), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, as_addr(addr), &len), 0);
    return fd;
}

static void make_pair(int fds[2], int flags)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0, fds), 0);
}

static void close_both(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

/* Is there something to read? */
static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void until_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 5000), 1);
}

/* ---- receiving and sending ---- */

struct receiver {
    int fd, flags;
    ssize_t n;
    char got[16];
};

static int receive(void *arg)
{
    struct receiver *r = arg;
    r->n = aw_recv(r->fd, r->got, sizeof r->got, r->flags);
    return 0;
}

TEST_IN_LOOP(io_sockets_receive_what_is_sent)
{
    for (int flags = 0; flags <= SOCK_NONBLOCK; flags += SOCK_NONBLOCK) {
        int fds[2];
        make_pair(fds, flags);
        struct receiver r = {.fd = fds[0]};
        aw_task *t = aw_create_task(receive, &r);
        passes(2);
        assert_false(aw_done(t));
        assert_int_equal(aw_send(fds[1], "hello", 5, 0), 5);
        assert_int_equal(aw_join(t), 0);
        assert_int_equal(r.n, 5);
        assert_memory_equal(r.got, "hello", 5);
        assert_int_equal(fcntl(fds[0], F_GETFL) & O_NONBLOCK, flags);
        shutdown(fds[1], SHUT_WR);
        assert_int_equal(aw_recv(fds[0], r.got, 1, 0), 0);
        close_both(fds);
    }
}

/* A signal would end the test. */
TEST_IN_LOOP(io_sockets_send_to_nobody_without_signal)
{
    int fds[2];
    make_pair(fds, 0);
    struct iovec v = {.iov_base = "x", .iov_len = 1};
    struct msghdr msg = {.msg_iov = &v, .msg_iovlen = 1};
    close(fds[1]);
    assert_int_equal(aw_send(fds[0], "x", 1, 0), -EPIPE);
    assert_int_equal(aw_sendmsg(fds[0], &msg, 0), -EPIPE);
    close(fds[0]);
}

TEST_IN_LOOP(io_sockets_peek_and_impatience)
{
    int fds[2];
    char buf[8];
    make_pair(fds, 0);
    assert_int_equal(aw_recv(fds[0], buf, 1, MSG_DONTWAIT), -EAGAIN);
    struct receiver r = {.fd = fds[0], .flags = MSG_PEEK};
    aw_task *t = aw_create_task(receive, &r);
    passes(1);
    assert_int_equal(send(fds[1], "ab", 2, 0), 2);
    assert_int_equal(aw_recv(fds[0], buf, 2, MSG_DONTWAIT), -EAGAIN); /* it is not its turn */
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(r.n, 2);
    assert_int_equal(aw_recv(fds[0], buf, 8, MSG_DONTWAIT), 2);
    assert_int_equal(aw_recv(fds[0], buf, 8, MSG_WAITALL), -EOPNOTSUPP);
    assert_int_equal(aw_send(fds[0], buf, 8, MSG_WAITALL), -EOPNOTSUPP);
    close_both(fds);
}

/* More than the socket holds: the sender waits for room, and nothing is lost or doubled. */
enum { BULK = 1 << 20 };

static int send_bulk(void *arg)
{
    const int *fd = arg;
    static char block[BULK];
    for (int i = 0; i < BULK; i++)
        block[i] = (char)(i * 7 >> 3);
    for (size_t done = 0; done < BULK;) {
        ssize_t n = aw_send(*fd, block + done, BULK - done, 0);
        assert_true(n > 0);
        done += (size_t)n;
    }
    return shutdown(*fd, SHUT_WR);
}

TEST_IN_LOOP(io_sockets_send_more_than_there_is_room_for)
{
    int fds[2];
    static char got[BULK];
    size_t done = 0;
    ssize_t n;
    make_pair(fds, 0);
    aw_task *t = aw_create_task(send_bulk, &fds[1]);
    while ((n = aw_recv(fds[0], got + done, BULK - done, 0)) > 0)
        done += (size_t)n;
    assert_int_equal(done, BULK);
    for (int i = 0; i < BULK; i++)
        assert_int_equal(got[i], (char)(i * 7 >> 3));
    assert_int_equal(aw_join(t), 0);
    close_both(fds);
}

/* ---- messages and vectors ---- */

struct message {
    int fd;
    ssize_t n;
    char head[2], rest[8];
    char from[sizeof(struct sockaddr_in)];
    struct iovec v[2];
    struct msghdr msg;
};

static int receive_message(void *arg)
{
    struct message *m = arg;
    m->v[0] = (struct iovec){.iov_base = m->head, .iov_len = sizeof m->head};
    m->v[1] = (struct iovec){.iov_base = m->rest, .iov_len = sizeof m->rest};
    m->msg = (struct msghdr){
        .msg_iov = m->v, .msg_iovlen = 2, .msg_name = m->from, .msg_namelen = sizeof m->from};
    m->n = aw_recvmsg(m->fd, &m->msg, 0);
    return 0;
}

TEST_IN_LOOP(io_sockets_messages_have_addresses_and_parts)
{
    struct sockaddr_in at[2];
    int fds[2];
    for (int i = 0; i < 2; i++) {
        socklen_t len = sizeof at[i];
        at[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fds[i], as_addr(&at[i]), len), 0);
        assert_int_equal(getsockname(fds[i], as_addr(&at[i]), &len), 0);
    }
    struct message m = {.fd = fds[0]};
    aw_task *t = aw_create_task(receive_message, &m);
    passes(1);
    struct iovec v[2] = {{.iov_base = "abc", .iov_len = 3}, {.iov_base = "de", .iov_len = 2}};
    struct msghdr msg = {
        .msg_name = &at[0], .msg_namelen = sizeof at[0], .msg_iov = v, .msg_iovlen = 2};
    assert_int_equal(aw_sendmsg(fds[1], &msg, 0), 5);
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(m.n, 5);
    assert_memory_equal(m.head, "ab", 2);
    assert_memory_equal(m.rest, "cde", 3);
    assert_int_equal(m.msg.msg_namelen, sizeof at[1]);
    assert_memory_equal(m.from, &at[1], sizeof at[1]);
    assert_int_equal(aw_send(fds[1], "", 0, 0), -EDESTADDRREQ);
    assert_int_equal(aw_connect(fds[1], as_addr(&at[0]), sizeof at[0]), 0);
    assert_int_equal(aw_send(fds[1], "", 0, 0), 0); /* an empty datagram is one */
    assert_int_equal(aw_recv(fds[0], m.rest, sizeof m.rest, 0), 0);
    close_both(fds);
}

struct vectors {
    int fd;
    ssize_t n;
    char a[1], b[4];
};

static int read_vectors(void *arg)
{
    struct vectors *r = arg;
    struct iovec v[3] = {{.iov_base = r->a, .iov_len = 1},
                         {.iov_base = NULL, .iov_len = 0},
                         {.iov_base = r->b, .iov_len = 4}};
    r->n = aw_readv(r->fd, v, 3);
    return 0;
}

TEST_IN_LOOP(io_vectors_are_read_and_written)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct vectors r = {.fd = fds[0]};
    aw_task *t = aw_create_task(read_vectors, &r);
    passes(1);
    struct iovec v[2] = {{.iov_base = "xy", .iov_len = 2}, {.iov_base = "z", .iov_len = 1}};
    assert_int_equal(aw_writev(fds[1], v, 2), 3);
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(r.n, 3);
    assert_int_equal(r.a[0], 'x');
    assert_memory_equal(r.b, "yz", 2);
    assert_int_equal(aw_readv(fds[0], NULL, 0), 0);
    assert_int_equal(aw_writev(fds[1], v, 0), 0);
    close_both(fds);
    if (!test_is_emulated()) /* an emulator answers for the system when there is nothing to write */
        assert_int_equal(aw_writev(fds[1], v, 0), -EBADF);
    assert_int_equal(aw_writev(fds[1], v, 2), -EBADF);
}

/* A pipe that blocks, and more vectors than go into it. */
static int write_vectors(void *arg)
{
    const int *fd = arg;
    static char block[3000];
    struct iovec v[40];
    size_t done = 0;
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)i;
    while (done < 120000) {
        int first = (int)(done / 3000), skip = (int)(done % 3000);
        for (int i = first; i < 40; i++)
            v[i] = (struct iovec){.iov_base = block + (i == first ? skip : 0),
                                  .iov_len = (size_t)(3000 - (i == first ? skip : 0))};
        ssize_t n = aw_writev(*fd, v + first, 40 - first);
        assert_true(n > 0);
        done += (size_t)n;
    }
    return 0;
}

TEST_IN_LOOP(io_vectors_longer_than_a_blocking_pipe)
{
    int fds[2];
    static unsigned char got[120000];
    assert_int_equal(pipe(fds), 0);
    aw_task *t = aw_create_task(write_vectors, &fds[1]);
    for (size_t done = 0; done < sizeof got;) {
        ssize_t n = aw_read(fds[0], got + done, sizeof got - done);
        assert_true(n > 0);
        done += (size_t)n;
    }
    for (size_t i = 0; i < sizeof got; i++)
        assert_int_equal(got[i], i % 3000 % 256);
    assert_int_equal(aw_join(t), 0);
    close_both(fds);
}

/* ---- connections ---- */

struct accepter {
    int fd, got;
    struct sockaddr_in from;
    socklen_t len;
};

static int accept_one(void *arg)
{
    struct accepter *a = arg;
    a->len = sizeof a->from;
    a->got = aw_accept(a->fd, as_addr(&a->from), &a->len);
    return 0;
}

struct connecter {
    struct sockaddr_in at;
    int fd, result;
};

// NET-011: Accepting gives a non-blocking socket and the peer's address.
TEST_IN_LOOP(NET_011_accepting_gives_a_socket_and_the_address)
{
    for (int flags = 0; flags <= SOCK_NONBLOCK; flags += SOCK_NONBLOCK) {
        struct sockaddr_in at, own;
        socklen_t len = sizeof own;
        struct accepter a = {.fd = listen_somewhere(&at, flags)};
        aw_task *t = aw_create_task(accept_one, &a);
        passes(2);
        assert_false(aw_done(t));
        int fd = new_socket(flags);
        assert_int_equal(aw_connect(fd, as_addr(&at), sizeof at), 0);
        assert_int_equal(aw_join(t), 0);
        assert_true(a.got >= 0);
        assert_true(fcntl(a.got, F_GETFL) & O_NONBLOCK);
        assert_int_equal(fcntl(a.got, F_GETFD), FD_CLOEXEC);
        assert_int_equal(getsockname(fd, as_addr(&own), &len), 0);
        assert_int_equal(a.len, sizeof own);
        assert_int_equal(a.from.sin_port, own.sin_port);
        assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, flags);
        assert_int_equal(aw_connect(fd, as_addr(&at), sizeof at), -EISCONN);
        close(fd);
        close(a.got);
        close(a.fd);
    }
}

// NET-011: An accept that is given up takes no connection; once its listener is closed later
// connects are refused.
TEST_IN_LOOP(NET_011_accept_given_up_takes_nothing)
{
    struct sockaddr_in at;
    struct accepter a = {.fd = listen_somewhere(&at, 0)};
    int fd = new_socket(0);
    assert_int_equal(aw_timeout_call(0.01, accept_one, &a), 0);
    assert_int_equal(a.got, -ECANCELED);
    assert_int_equal(connect(fd, as_addr(&at), sizeof at), 0);
    passes(3);
    assert_true(is_readable(a.fd));
    assert_int_equal(accept_one(&a), 0);
    assert_true(a.got >= 0);
    close(a.got);
    close(fd);
    close(a.fd);
    for (int flags = 0; flags <= SOCK_NONBLOCK; flags += SOCK_NONBLOCK) {
        fd = new_socket(flags);
        assert_int_equal(aw_connect(fd, as_addr(&at), sizeof at), -ECONNREFUSED);
        assert_int_equal(aw_connect(fd, as_addr(&at), sizeof at), -ECONNREFUSED); /* once more */
        close(fd);
    }
}

// NET-010: A receive that was cancelled takes no data: the next one gets all of it.
TEST_IN_LOOP(NET_010_cancelled_receive_takes_no_data)
{
    int fds[2];
    make_pair(fds, 0);
    struct receiver r = {.fd = fds[0]};
    for (int i = 0; i < 10; i++) {
        aw_task *t = aw_create_task(receive, &r);
        passes(2);
        assert_true(aw_cancel(t));
        assert_int_equal(send(fds[1], "data", 4, 0), 4);
        assert_int_equal(aw_join(t), 0);
        assert_int_equal(r.n, -ECANCELED);
        assert_int_equal(aw_recv(fds[0], r.got, sizeof r.got, 0), 4);
        assert_memory_equal(r.got, "data", 4);
    }
    close_both(fds);
}

/* What was accepted when the request came is returned, and the request waits. */
static int accept_then_sleep(void *arg)
{
    assert_int_equal(accept_one(arg), 0);
    return aw_sleep(0);
}

TEST_IN_LOOP(io_accepted_connection_wins_over_cancellation)
{
    struct sockaddr_in at;
    struct accepter a = {.fd = listen_somewhere(&at, SOCK_NONBLOCK), .got = -1};
    int fd = new_socket(0), attempts = 0;
    aw_task *t = aw_create_task(accept_then_sleep, &a);
    passes(1);
    assert_int_equal(connect(fd, as_addr(&at), sizeof at), 0);
    while (is_readable(a.fd) && attempts++ < 5)
        passes(1);
    assert_int_equal(a.got, -1); /* taken, and the task has not resumed */
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_true(a.got >= 0);
    close(a.got);
    close(fd);
    close(a.fd);
}

static void run_one_pass(aw_loop *l)
{
    assert_int_equal(aw_loop_stop(l), 0);
    assert_int_equal(aw_loop_run_forever(l), 0);
}

static struct io_uring *ring_in_use;
static int (*real_ring_enter)(struct io_uring *ring, int64_t timeout_ns);

static int watch_ring_enter(struct io_uring *ring, int64_t timeout_ns)
{
    ring_in_use = ring;
    return real_ring_enter(ring, timeout_ns);
}

/* Connects when the poll of the pass is over, and has io_uring accept: that is found by the loop
 * when it takes back what is in flight. */
static int connect_now(void *arg)
{
    const struct connecter *c = arg;
    int err = connect(c->fd, as_addr((void *)&c->at), sizeof c->at);
    if (ring_in_use)
        assert_int_equal(real_ring_enter(ring_in_use, 0), 0);
    return err;
}

/* The loop ends while a connection is on its way to a task that will never run. */
TEST(io_accepted_connection_of_an_abandoned_task_is_closed)
{
    struct connecter c = {.fd = new_socket(0)};
    struct accepter a = {.fd = listen_somewhere(&c.at, SOCK_NONBLOCK), .got = -1};
    char byte;
    real_ring_enter = aw_sys.ring_enter;
    aw_sys.ring_enter = watch_ring_enter;
    aw_loop *l = aw_loop_new();
    assert_non_null(l);
    aw_task *t = aw_create_task(accept_one, &a, .loop = l);
    assert_non_null(t);
    aw_unref(t);
    run_one_pass(l);
    assert_int_equal(aw_call_soon(connect_now, &c, .loop = l), 0);
    run_one_pass(l);
    assert_int_equal(a.got, -1);
    assert_int_equal(aw_loop_close(l), 0);
    close(a.fd);
    until_readable(c.fd);
    assert_true(recv(c.fd, &byte, 1, MSG_DONTWAIT) <= 0); /* the other end is gone */
    close(c.fd);
}

TEST_IN_LOOP(io_local_connections_are_made_or_refused_at_once)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    socklen_t len = sizeof at.sun_family, full = sizeof at;
    int flags = SOCK_STREAM | SOCK_CLOEXEC;
    int listener = socket(AF_UNIX, flags, 0), first = socket(AF_UNIX, flags, 0);
    assert_int_equal(bind(listener, as_addr(&at), len), 0); /* a name of the kernel's choice */
    assert_int_equal(getsockname(listener, as_addr(&at), &full), 0);
    assert_int_equal(aw_connect(first, as_addr(&at), full), -ECONNREFUSED);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(aw_connect(first, as_addr(&at), full), 0);
    for (int i = 0; i < 2; i++) { /* the queue is full, for those that block too */
        int more = socket(AF_UNIX, flags | (i ? SOCK_NONBLOCK : 0), 0);
        assert_int_equal(aw_connect(more, as_addr(&at), full), -EAGAIN);
        assert_int_equal(fcntl(more, F_GETFL) & O_NONBLOCK, i ? O_NONBLOCK : 0);
        close(more);
    }
    int peer = aw_accept(listener, NULL, NULL);
    assert_true(peer >= 0);
    close(peer);
    close(first);
    close(listener);
}

/* A connection that nobody decides: the listener's queue is full. */
static int connect_one(void *arg)
{
    struct connecter *c = arg;
    c->result = aw_connect(c->fd, as_addr(&c->at), sizeof c->at);
    return 0;
}

TEST_IN_LOOP(io_connecting_waits_and_is_cancelled)
{
    struct connecter c;
    int listener = listen_somewhere(&c.at, 0), waiting[2];
    assert_int_equal(listen(listener, 0), 0);
    waiting[0] = new_socket(SOCK_NONBLOCK);
    assert_int_equal(connect(waiting[0], as_addr(&c.at), sizeof c.at), -1);
    until_readable(listener);
    waiting[1] = new_socket(0);
    c.fd = new_socket(0);
    aw_task *t = aw_create_task(connect_one, &c);
    passes(5);
    assert_false(aw_done(t));
    assert_int_equal(fcntl(c.fd, F_GETFL) & O_NONBLOCK, 0);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(c.result, -ECANCELED);
    assert_int_equal(aw_connect(c.fd, as_addr(&c.at), sizeof c.at), -EALREADY);
    close(c.fd);
    close_both(waiting);
    close(listener);
}

/* ---- wrong calls ---- */

TEST_IN_LOOP(io_socket_calls_with_bad_arguments)
{
    int fds[2];
    char byte = 0;
    struct iovec v = {.iov_base = NULL, .iov_len = 1};
    struct iovec huge[2] = {{.iov_base = &byte, .iov_len = SIZE_MAX / 2},
                            {.iov_base = &byte, .iov_len = 1}};
    struct sockaddr_in at = {.sin_family = AF_INET};
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(aw_recv(fds[0], NULL, 1, 0), -EINVAL);
    assert_int_equal(aw_send(fds[0], NULL, 1, 0), -EINVAL);
    assert_int_equal(aw_recvmsg(fds[0], NULL, 0), -EINVAL);
    assert_int_equal(aw_sendmsg(fds[0], NULL, 0), -EINVAL);
    assert_int_equal(aw_readv(fds[0], NULL, 1), -EINVAL);
    assert_int_equal(aw_readv(fds[0], &v, 1), -EINVAL);
    assert_int_equal(aw_readv(fds[0], &v, -1), -EINVAL);
    assert_int_equal(aw_readv(fds[0], huge, 2), -EINVAL);
    assert_int_equal(aw_writev(fds[1], &v, 1025), -EINVAL);
    assert_int_equal(aw_accept(fds[0], as_addr(&at), NULL), -EINVAL);
    assert_int_equal(aw_connect(fds[0], NULL, 0), -EINVAL);
    assert_int_equal(aw_recv(fds[0], &byte, 1, 0), -ENOTSOCK);
    assert_int_equal(aw_send(fds[0], &byte, 1, 0), -ENOTSOCK);
    assert_int_equal(aw_accept(fds[0], NULL, NULL), -ENOTSOCK);
    assert_int_equal(aw_connect(fds[0], as_addr(&at), sizeof at), -ENOTSOCK);
    assert_int_equal(aw_read(fds[1], &byte, 1), -EBADF); /* of what is written to */
    assert_int_equal(aw_recv(-1, &byte, 1, 0), -EBADF);
    assert_int_equal(aw_accept(-1, NULL, NULL), -EBADF);
    assert_int_equal(aw_connect(-1, as_addr(&at), sizeof at), -EBADF);
    close_both(fds);
    assert_int_equal(aw_recv(fds[0], &byte, 1, 0), -EBADF);
    assert_int_equal(aw_connect(fds[0], as_addr(&at), sizeof at), -EBADF);
    int fd = open("/dev/null", O_RDWR); /* epoll cannot wait for it */
    assert_int_equal(aw_accept(fd, NULL, NULL), -ENOTSOCK);
    close(fd);
    fd = new_socket(0);
    assert_int_equal(aw_accept(fd, NULL, NULL), -EINVAL); /* nobody listens */
    assert_int_equal(aw_recv(fd, &byte, 1, 0), -ENOTCONN);
    assert_int_equal(aw_connect(fd, as_addr(&at), 1), -EINVAL);
    close(fd);
}

TEST(io_socket_calls_outside_a_task)
{
    char byte = 0;
    struct iovec v = {.iov_base = &byte, .iov_len = 1};
    struct msghdr msg = {.msg_iov = &v, .msg_iovlen = 1};
    struct sockaddr_in at = {.sin_family = AF_INET};
    assert_int_equal(aw_recv(0, &byte, 1, 0), AW_EMISUSE);
    assert_int_equal(aw_send(0, &byte, 1, 0), AW_EMISUSE);
    assert_int_equal(aw_recvmsg(0, &msg, 0), AW_EMISUSE);
    assert_int_equal(aw_sendmsg(0, &msg, 0), AW_EMISUSE);
    assert_int_equal(aw_readv(0, &v, 1), AW_EMISUSE);
    assert_int_equal(aw_readv(0, &v, 0), AW_EMISUSE);
    assert_int_equal(aw_writev(0, &v, 1), AW_EMISUSE);
    assert_int_equal(aw_accept(0, NULL, NULL), AW_EMISUSE);
    assert_int_equal(aw_connect(0, as_addr(&at), sizeof at), AW_EMISUSE);
}
