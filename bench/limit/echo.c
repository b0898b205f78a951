/*
 * echo.c - the limit of bench/echo.c: an io_uring server, and an epoll server, without tasks.
 *
 * io_uring: a multishot accept, a multishot receive for each connection into buffers provided by a
 * ring, sends out of these same buffers, and completions run when they are asked for.  A buffer
 * goes back when its send is over.  epoll: level-triggered; receive and send as events tell.
 */
#include <liburing.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include "bench/echo.h"

#define BUFFERS 8192u
#define ENTRIES 4096u

enum { ACCEPT, RECEIVE, SEND };

static int listener;

static void no_delay(int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* ---- io_uring ---- */

static struct io_uring ring;
static struct io_uring_buf_ring *provided;
static char *memory;

static uint64_t tag(uint64_t what, int fd, unsigned buffer)
{
    return what | (uint64_t)buffer << 8 | (uint64_t)(unsigned)fd << 32;
}

static struct io_uring_sqe *entry(void)
{
    struct io_uring_sqe *sqe;
    while ((sqe = io_uring_get_sqe(&ring)) == NULL)
        io_uring_submit(&ring);
    return sqe;
}

static void accept_all(void)
{
    struct io_uring_sqe *sqe = entry();
    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    sqe->user_data = tag(ACCEPT, 0, 0);
}

static void receive_all(int fd)
{
    struct io_uring_sqe *sqe = entry();
    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    sqe->user_data = tag(RECEIVE, fd, 0);
}

static void provide(unsigned buffer)
{
    io_uring_buf_ring_add(provided, memory + (size_t)buffer * ECHO_BUFFER, ECHO_BUFFER,
                          (unsigned short)buffer, (int)io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(provided, 1);
}

static void accepted(const struct io_uring_cqe *cqe)
{
    if (cqe->res >= 0) {
        no_delay(cqe->res);
        receive_all(cqe->res);
    }
    if (!(cqe->flags & IORING_CQE_F_MORE))
        accept_all();
}

static void received(const struct io_uring_cqe *cqe)
{
    int fd = (int)(cqe->user_data >> 32);
    if (cqe->res > 0) {
        unsigned buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        struct io_uring_sqe *sqe = entry();
        io_uring_prep_send(sqe, fd, memory + (size_t)buffer * ECHO_BUFFER, (size_t)cqe->res,
                           MSG_WAITALL | MSG_NOSIGNAL);
        sqe->user_data = tag(SEND, fd, buffer);
    }
    if (cqe->flags & IORING_CQE_F_MORE)
        return;
    if (cqe->res > 0 || cqe->res == -ENOBUFS)
        receive_all(fd);
    else
        close(fd);
}

static void completed(const struct io_uring_cqe *cqe)
{
    switch (cqe->user_data & 0xff) {
    case ACCEPT:
        accepted(cqe);
        break;
    case RECEIVE:
        received(cqe);
        break;
    default:
        provide((unsigned)(cqe->user_data >> 8) & 0xffffff);
    }
}

static int set_up(void)
{
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                              IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
                                     .cq_entries = 4 * ENTRIES};
    int err = io_uring_queue_init_params(ENTRIES, &ring, &params);
    if (err < 0)
        return fprintf(stderr, "no io_uring: %s\n", strerror(-err)), -1;
    io_uring_register_ring_fd(&ring);
    provided = aligned_alloc(4096, BUFFERS * sizeof(struct io_uring_buf));
    memory = malloc((size_t)BUFFERS * ECHO_BUFFER);
    if (!provided || !memory)
        return perror("malloc"), -1;
    io_uring_buf_ring_init(provided);
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)provided, .ring_entries = BUFFERS};
    err = io_uring_register_buf_ring(&ring, &reg, 0);
    if (err < 0)
        return fprintf(stderr, "no buffers: %s\n", strerror(-err)), -1;
    for (unsigned i = 0; i < BUFFERS; i++)
        provide(i);
    return 0;
}

static int by_ring(void)
{
    if (set_up() < 0)
        return -1;
    accept_all();
    for (;;) {
        struct io_uring_cqe *cqe;
        unsigned head, n = 0;
        int err = io_uring_submit_and_wait(&ring, 1);
        if (err < 0 && err != -EINTR)
            return fprintf(stderr, "io_uring_enter: %s\n", strerror(-err)), -1;
        io_uring_for_each_cqe(&ring, head, cqe)
        {
            n++;
            completed(cqe);
        }
        io_uring_cq_advance(&ring, n);
    }
}

/* ---- epoll ---- */

static void watch(int poll, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &e) < 0)
        perror("epoll_ctl");
}

static void answer(int fd)
{
    char buf[ECHO_BUFFER];
    ssize_t n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        close(fd);
    else if (n > 0 && send(fd, buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) != n)
        close(fd);
}

static int by_epoll(void)
{
    struct epoll_event events[1024];
    int poll = epoll_create1(EPOLL_CLOEXEC);
    watch(poll, listener);
    for (;;) {
        int n = epoll_wait(poll, events, 1024, -1);
        if (n < 0 && errno != EINTR)
            return perror("epoll_wait"), -1;
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                answer(fd);
            } else if ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
                no_delay(fd);
                watch(poll, fd);
            }
        }
    }
}

static int serve(const char *row, int (*by)(void))
{
    unsigned port;
    listener = echo_listen(&port);
    return listener < 0 || echo_load(row, port) < 0 ? -1 : by();
}

/* clang-format off */
#define PLAIN(name_) static int run_##name_(void) { return serve("echo-" #name_, by_ring); }
#define EPOLL(name_) \
    static int run_epoll_##name_(void) { return serve("echo-epoll-" #name_, by_epoll); }
ECHO_ROWS(PLAIN)
ECHO_EPOLL_ROWS(EPOLL)

#define PLAIN_ROW(name_) {"echo-" #name_, run_##name_},
#define EPOLL_ROW(name_) {"echo-epoll-" #name_, run_epoll_##name_},
static const struct bench_row rows[] = {ECHO_ROWS(PLAIN_ROW) ECHO_EPOLL_ROWS(EPOLL_ROW)};
/* clang-format on */

BENCH_MAIN(rows)
