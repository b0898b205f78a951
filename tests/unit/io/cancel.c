/*
 * An operation on a socket and its cancellation, in either order, for every kind, on both backends.
 *
 * With -ECANCELED it has had no effect: what it could have received is there, what it could have
 * sent is not, and a connection waits for the next who accepts.  Otherwise the effect is what it
 * returns.  Its buffer is left alone from then on.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "unit/io/both.h"

/* Two ends, an operation on the first that has to wait, and all that it points to. */
struct setting {
    struct rig r;
    enum way way;
    int fds[2];
    size_t filled; /* of what is written: this much was in the way */
    char buf[8];
    struct iovec v;
    struct msghdr msg;
    struct aw_op op;
};

static const char word[] = "word";

static bool is_writer(const struct setting *s)
{
    return aw_op_side(&s->op) == AW_SIDE_WRITE;
}

static void set_op(struct setting *s, uint8_t kind)
{
    s->v = (struct iovec){.iov_base = s->buf, .iov_len = 4};
    s->msg = (struct msghdr){.msg_iov = &s->v, .msg_iovlen = 1};
    s->op = (struct aw_op){.kind = kind, .fd = s->fds[0], .buf = s->buf, .len = 4};
    if (kind == AW_OP_READV || kind == AW_OP_WRITEV) {
        s->op.buf = &s->v;
        s->op.len = 1;
    } else if (kind == AW_OP_RECVMSG || kind == AW_OP_SENDMSG) {
        s->op.buf = &s->msg;
    }
}

static size_t fill_socket(int fd)
{
    static const char zeros[4096];
    size_t total = 0;
    ssize_t n;
    while ((n = send(fd, zeros, sizeof zeros, MSG_DONTWAIT)) > 0)
        total += (size_t)n;
    return total;
}

static size_t drain(int fd)
{
    static char sink[4096];
    size_t total = 0;
    ssize_t n;
    while ((n = recv(fd, sink, sizeof sink, MSG_DONTWAIT)) > 0)
        total += (size_t)n;
    return total;
}

static void begin(struct setting *s, enum way way, uint8_t kind)
{
    *s = (struct setting){.way = way};
    open_rig(&s->r, way);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->fds), 0);
    set_op(s, kind);
    memcpy(s->buf, is_writer(s) ? word : "pppp", 4);
    if (is_writer(s))
        s->filled = fill_socket(s->fds[0]);
    must_wait(&s->r, &s->op);
    rig_poll(&s->r, 0);
    assert_int_equal(s->op.state, AW_OP_IN_FLIGHT);
}

static void end(struct setting *s)
{
    close_pipe(s->fds);
    close_rig(&s->r, s->way);
}

/* For a writer there has to be room for all: then everything before it is away. */
static void let_happen(struct setting *s)
{
    if (is_writer(s))
        assert_int_equal(drain(s->fds[1]), s->filled);
    else
        put(s->fds[1], word);
}

/* The backend learns of it, and nobody else. */
static void let_be_noticed(struct setting *s)
{
#ifdef AW_IO_URING
    if (s->way == URING) {
        while (io_uring_cq_ready(uring_watch.ring) == 0)
            assert_int_equal(aw_sys.ring_enter(uring_watch.ring, 0), 0);
        return;
    }
#endif
    for (int i = 0; i < 100 && s->op.state == AW_OP_IN_FLIGHT; i++)
        rig_poll(&s->r, 100);
}

/* True: it had its effect, and returns it. */
static bool check_outcome(struct setting *s)
{
    char poison[sizeof s->buf], got[8];
    bool taken = s->op.result != -ECANCELED;
    if (taken)
        assert_int_equal(s->op.result, 4);
    if (taken || is_writer(s))
        assert_memory_equal(s->buf, word, 4);
    else
        assert_memory_equal(s->buf, "pppp", 4);
    memset(poison, 0xa5, sizeof poison);
    memset(s->buf, 0xa5, sizeof s->buf);
    if (is_writer(s)) {
        assert_int_equal(recv(s->fds[1], got, 8, MSG_DONTWAIT), taken ? 4 : -1);
        if (taken)
            assert_memory_equal(got, word, 4);
    } else {
        put(s->fds[1], "later");
        assert_int_equal(drain(s->fds[0]), taken ? 5 : 4 + 5);
    }
    rig_expect_nothing(&s->r);
    assert_memory_equal(s->buf, poison, sizeof poison);
    return taken;
}

/* Cancels, and waits for the end if it is not there at once. */
static void cancel_to_the_end(struct setting *s)
{
    if (!s->r.io->backend->cancel(s->r.io, &s->op))
        rig_result(&s->r, &s->op);
    assert_int_equal(s->op.state, AW_OP_COMPLETED);
    assert_false(s->r.io->backend->cancel(s->r.io, &s->op)); /* too late makes no difference */
}

static void effect_then_cancel(enum way way, uint8_t kind)
{
    struct setting s;
    begin(&s, way, kind);
    let_happen(&s);
    let_be_noticed(&s);
    assert_false(s.r.io->backend->cancel(s.r.io, &s.op));
    rig_result(&s.r, &s.op);
    assert_true(check_outcome(&s));
    end(&s);
}

static void cancel_then_effect(enum way way, uint8_t kind)
{
    struct setting s;
    begin(&s, way, kind);
    bool at_once = s.r.io->backend->cancel(s.r.io, &s.op);
    let_happen(&s);
    if (!at_once)
        rig_result(&s.r, &s.op);
    assert_false(check_outcome(&s));
    end(&s);
}

static void both_at_once(enum way way, uint8_t kind)
{
    struct setting s;
    begin(&s, way, kind);
    let_happen(&s);
    cancel_to_the_end(&s);
    (void)check_outcome(&s);
    end(&s);
}

static void every_kind(enum way way)
{
    static const uint8_t kinds[] = {AW_OP_READ, AW_OP_WRITE, AW_OP_READV,   AW_OP_WRITEV,
                                    AW_OP_RECV, AW_OP_SEND,  AW_OP_RECVMSG, AW_OP_SENDMSG};
    for (size_t i = 0; i < sizeof kinds; i++) {
        effect_then_cancel(way, kinds[i]);
        cancel_then_effect(way, kinds[i]);
        both_at_once(way, kinds[i]);
    }
}

TEST(epoll_cancelled_transfers_in_every_order)
{
    every_kind(EPOLL);
}

TEST(uring_cancelled_transfers_in_every_order)
{
    every_kind(URING);
}

/* ---- connections ---- */

static struct sockaddr *as_addr(struct sockaddr_in *in)
{
    return (struct sockaddr *)(void *)in;
}

static int new_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    return fd;
}

static int listen_somewhere(struct sockaddr_in *at, int backlog)
{
    int fd = new_socket();
    socklen_t len = sizeof *at;
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_int_equal(bind(fd, as_addr(at), len), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, as_addr(at), &len), 0);
    return fd;
}

/* Exactly one connection has been made: it was accepted, or it can be. */
static void expect_the_connection(struct setting *s, int client)
{
    char byte;
    int fd = (int)s->op.result;
    fcntl(s->op.fd, F_SETFL, O_NONBLOCK);
    if (fd < 0) {
        assert_int_equal(s->op.result, -ECANCELED);
        fd = accept(s->op.fd, NULL, NULL);
    }
    assert_true(fd >= 0);
    assert_int_equal(accept(s->op.fd, NULL, NULL), -1);
    put(client, "x");
    assert_int_equal(read(fd, &byte, 1), 1);
    close(fd);
    close(client);
    close(s->op.fd);
}

enum order { EFFECT_FIRST, CANCEL_FIRST, BOTH };

static void accept_in(enum way way, enum order order)
{
    struct setting s = {.way = way};
    struct sockaddr_in at;
    open_rig(&s.r, way);
    s.op = (struct aw_op){.kind = AW_OP_ACCEPT, .fd = listen_somewhere(&at, 5)};
    must_wait(&s.r, &s.op);
    rig_poll(&s.r, 0);
    int client = new_socket();
    bool at_once = order == CANCEL_FIRST && s.r.io->backend->cancel(s.r.io, &s.op);
    assert_int_equal(connect(client, as_addr(&at), sizeof at), 0);
    if (order == EFFECT_FIRST)
        let_be_noticed(&s);
    if (order != CANCEL_FIRST)
        at_once = s.r.io->backend->cancel(s.r.io, &s.op);
    if (!at_once)
        rig_result(&s.r, &s.op);
    if (order == EFFECT_FIRST)
        assert_true(s.op.result >= 0);
    if (order == CANCEL_FIRST)
        assert_int_equal(s.op.result, -ECANCELED);
    expect_the_connection(&s, client);
    rig_expect_nothing(&s.r);
    close_rig(&s.r, way);
}

TEST(epoll_cancelled_accept_loses_no_connection)
{
    for (enum order order = EFFECT_FIRST; order <= BOTH; order++)
        accept_in(EPOLL, order);
}

TEST(uring_cancelled_accept_loses_no_connection)
{
    for (enum order order = EFFECT_FIRST; order <= BOTH; order++)
        accept_in(URING, order);
}

/* Made, and noticed; or never decided, because the listener's queue is full. */
static void connect_in(enum way way, bool decided)
{
    struct setting s = {.way = way};
    struct sockaddr_in at;
    open_rig(&s.r, way);
    int listener = listen_somewhere(&at, 0), others[2] = {new_socket(), new_socket()};
    for (int i = 0; i < 2 && !decided; i++) {
        fcntl(others[i], F_SETFL, O_NONBLOCK);
        assert_int_equal(connect(others[i], as_addr(&at), sizeof at), -1);
    }
    s.op = (struct aw_op){.kind = AW_OP_CONNECT, .fd = new_socket(), .buf = &at, .len = sizeof at};
    must_wait(&s.r, &s.op);
    if (decided)
        let_be_noticed(&s);
    else
        rig_poll(&s.r, 0);
    cancel_to_the_end(&s);
    assert_int_equal(s.op.result, decided ? 0 : -ECANCELED);
    rig_expect_nothing(&s.r);
    assert_int_equal(fcntl(s.op.fd, F_GETFL) & O_NONBLOCK, 0);
    close(s.op.fd);
    close_pipe(others);
    close(listener);
    close_rig(&s.r, way);
}

TEST(epoll_cancelled_connect)
{
    connect_in(EPOLL, true);
    connect_in(EPOLL, false);
}

TEST(uring_cancelled_connect)
{
    connect_in(URING, true);
    connect_in(URING, false);
}

/* ---- between runs ---- */

#ifdef AW_IO_URING

/* What is in flight is taken back when a run ends, and goes on in the next: connecting, which has
 * gone on meanwhile, is not begun twice. */
TEST(uring_sockets_wait_from_run_to_run)
{
    struct setting s = {.way = URING};
    struct sockaddr_in at;
    open_rig(&s.r, URING);
    int listener = listen_somewhere(&at, 0), first = new_socket(), second = new_socket();
    fcntl(first, F_SETFL, O_NONBLOCK);
    fcntl(second, F_SETFL, O_NONBLOCK);
    assert_int_equal(connect(first, as_addr(&at), sizeof at), -1);
    assert_int_equal(connect(second, as_addr(&at), sizeof at), -1);
    s.op = (struct aw_op){.kind = AW_OP_CONNECT, .fd = new_socket(), .buf = &at, .len = sizeof at};
    must_wait(&s.r, &s.op);
    for (int i = 0; i < 2; i++) {
        rig_poll(&s.r, 0);
        s.r.io->backend->leave(s.r.io, &s.r.done);
        assert_int_equal(s.op.state, AW_OP_IN_FLIGHT);
        assert_int_equal(s.r.io->backend->enter(s.r.io), 0);
    }
    for (int i = 0; i < 2; i++) {
        int fd = accept(listener, NULL, NULL);
        assert_true(fd >= 0);
        close(fd);
    }
    assert_int_equal(rig_result(&s.r, &s.op), 0); /* after the kernel has asked once more: 1 s */
    close(s.op.fd);
    close(first);
    close(second);
    close(listener);
    close_rig(&s.r, URING);
}

#endif
