/*
 * The parity script: some hundred operations, and errors, whose results are the same on every
 * backend.
 *
 * STEP(call) does a call and writes its text and its result into a trace; what was received is
 * traced too.  The script runs once on each backend, and the traces are compared, line by line. The
 * part about sockets makes and closes descriptors through a `struct world` alone, so that a world
 * without a kernel can run it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "await.h"
#include "await/sim.h"
#include "harness/test.h"
#include "io/io.h"

/* ---- the trace ---- */

enum { TRACE_SIZE = 1 << 16, STEPS_MIN = 200 };

struct trace {
    char text[TRACE_SIZE];
    size_t used;
    int steps;
};

static struct trace *trace;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(trace->text + trace->used, TRACE_SIZE - trace->used, format, args);
    va_end(args);
    assert_true(n >= 0 && trace->used + (size_t)n < TRACE_SIZE);
    trace->used += (size_t)n;
}

static int64_t step(const char *call, int64_t result)
{
    trace->steps++;
    if (result < 0)
        say("%s = %s\n", call, aw_error_name((int)result));
    else
        say("%s = %lld\n", call, (long long)result);
    return result;
}

/* A descriptor is one or none: its number is chance. */
static int step_fd(const char *call, int fd)
{
    step(call, fd < 0 ? fd : 0);
    return fd;
}

#define STEP(call) step(#call, (call))
#define STEP_FD(call) step_fd(#call, (call))

static void say_bytes(const char *bytes, size_t n)
{
    say("    \"");
    for (size_t i = 0; i < n && i < 64; i++)
        say(bytes[i] >= ' ' && bytes[i] < 127 ? "%c" : "\\%03o", (unsigned char)bytes[i]);
    say("\"\n");
}

/* ---- a world of sockets ---- */

struct world {
    int (*socket)(int domain, int type);
    int (*pair)(int type, int ret[2]);
    int (*listen)(int fd, struct sockaddr *addr, socklen_t *len); /* where it likes */
    int (*shut)(int fd);                                          /* no more is sent */
    int (*close)(int fd);
};

static int real_socket(int domain, int type)
{
    return socket(domain, type | SOCK_CLOEXEC, 0);
}

static int real_pair(int type, int ret[2])
{
    return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ret);
}

static int real_listen(int fd, struct sockaddr *addr, socklen_t *len)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_int_equal(bind(fd, (struct sockaddr *)(void *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 5), 0);
    return getsockname(fd, addr, len);
}

static int real_shut(int fd)
{
    return shutdown(fd, SHUT_WR);
}

static int simulated_pair(int type, int ret[2])
{
    return aw_sim_pair(ret, type);
}

static int simulated_listen(int fd, struct sockaddr *addr, socklen_t *len)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_int_equal(aw_sim_bind(fd, (struct sockaddr *)(void *)&at, sizeof at), 0);
    assert_int_equal(aw_sim_listen(fd, 5), 0);
    return aw_sim_getsockname(fd, addr, len);
}

static const struct world simulated_world = {.socket = aw_sim_socket,
                                             .pair = simulated_pair,
                                             .listen = simulated_listen,
                                             .shut = aw_sim_shutdown,
                                             .close = aw_sim_close};

static const struct world real_world = {.socket = real_socket,
                                        .pair = real_pair,
                                        .listen = real_listen,
                                        .shut = real_shut,
                                        .close = close};

static void close_both(const struct world *w, const int fds[2])
{
    w->close(fds[0]);
    w->close(fds[1]);
}

/* ---- sockets ---- */

static char got[100];

static ssize_t receive(int fd, size_t n, int flags)
{
    memset(got, '.', sizeof got);
    ssize_t result = aw_recv(fd, got, n, flags);
    say_bytes(got, result > 0 ? (size_t)result : 0);
    return result;
}

static ssize_t send_parts(int fd, const char *a, const char *b)
{
    struct iovec v[3] = {
        {(void *)(uintptr_t)a, strlen(a)}, {NULL, 0}, {(void *)(uintptr_t)b, strlen(b)}};
    struct msghdr msg = {.msg_iov = v, .msg_iovlen = 3};
    return aw_sendmsg(fd, &msg, 0);
}

static ssize_t receive_parts(int fd, size_t a, size_t b, int *flags)
{
    struct iovec v[2] = {{got, a}, {got + a, b}};
    struct msghdr msg = {.msg_iov = v, .msg_iovlen = 2};
    memset(got, '.', sizeof got);
    ssize_t n = aw_recvmsg(fd, &msg, 0);
    say_bytes(got, n > 0 ? a + b : 0);
    *flags = msg.msg_flags & MSG_TRUNC;
    return n;
}

static ssize_t write_parts(int fd, const char *a, const char *b)
{
    struct iovec v[2] = {{(void *)(uintptr_t)a, strlen(a)}, {(void *)(uintptr_t)b, strlen(b)}};
    return aw_writev(fd, v, 2);
}

static ssize_t read_parts(int fd, size_t a, size_t b)
{
    struct iovec v[2] = {{got, a}, {got + a, b}};
    memset(got, '.', sizeof got);
    ssize_t n = aw_readv(fd, v, 2);
    say_bytes(got, n > 0 ? a + b : 0);
    return n;
}

static void stream_steps(const struct world *w, int fds[2])
{
    int flags;
    STEP(receive(fds[0], 5, MSG_DONTWAIT));
    STEP(aw_send(fds[1], "hello, world", 12, 0));
    STEP(receive(fds[0], 5, MSG_PEEK));
    STEP(receive(fds[0], 5, 0));
    STEP(receive(fds[0], 0, 0));
    STEP(aw_poll(fds[0], POLLIN));
    STEP(aw_poll(fds[0], POLLIN | POLLOUT));
    STEP(receive(fds[0], 50, 0));
    STEP(receive(fds[0], 50, MSG_DONTWAIT));
    STEP(send_parts(fds[0], "from ", "the other"));
    STEP(receive_parts(fds[1], 3, 4, &flags));
    STEP(flags);
    STEP(read_parts(fds[1], 1, 50));
    STEP(write_parts(fds[1], "vec", "tor"));
    STEP(aw_read(fds[0], got, 4));
    STEP(aw_read(fds[0], got, 4));
    STEP(aw_write(fds[0], "x", 1));
    STEP(aw_write(fds[0], "", 0));
    STEP(aw_send(fds[0], "", 0, 0));
    STEP(receive(fds[1], 8, MSG_WAITALL));
    STEP(receive(fds[1], 8, MSG_OOB | MSG_DONTWAIT) < 0);
    STEP(w->shut(fds[0]));
    STEP(receive(fds[1], 8, 0));
    STEP(receive(fds[1], 8, 0));
    STEP(aw_poll(fds[1], POLLIN));
    STEP(aw_send(fds[0], "late", 4, 0));
    STEP(aw_send(fds[1], "back", 4, 0));
    STEP(receive(fds[0], 8, 0));
    w->close(fds[1]);
    STEP(receive(fds[0], 8, 0));
    STEP(send_parts(fds[0], "no", "body"));
    w->close(fds[0]);
    STEP(receive(fds[0], 8, 0));
    STEP(aw_send(fds[0], "x", 1, 0));
    STEP(aw_poll(fds[0], POLLIN));
}

static void datagram_steps(const struct world *w, int fds[2])
{
    int flags;
    STEP(aw_send(fds[0], "one", 3, 0));
    STEP(aw_send(fds[0], "", 0, 0));
    STEP(aw_send(fds[0], "three bytes and more", 20, 0));
    STEP(aw_send(fds[0], "four", 4, 0));
    STEP(receive(fds[1], 50, 0));
    STEP(receive(fds[1], 50, 0));
    STEP(receive_parts(fds[1], 2, 3, &flags));
    STEP(flags == MSG_TRUNC);
    STEP(receive(fds[1], 2, 0));
    STEP(receive(fds[1], 2, MSG_DONTWAIT));
    w->close(fds[0]);
    w->close(fds[1]);
}

static void connection_steps(const struct world *w, int flags)
{
    struct sockaddr_in at = {.sin_family = AF_INET}, from;
    struct sockaddr *addr = (struct sockaddr *)(void *)&at;
    struct sockaddr *peer = (struct sockaddr *)(void *)&from;
    socklen_t len = sizeof at, from_len = sizeof from, none = 0;
    int listener = w->socket(AF_INET, SOCK_STREAM | flags), fds[2];
    fds[0] = w->socket(AF_INET, SOCK_STREAM | flags);
    STEP(aw_accept(listener, NULL, NULL));
    STEP(receive(fds[0], 5, 0));
    STEP(aw_send(fds[0], "x", 1, 0));
    STEP(w->listen(listener, addr, &len));
    STEP(aw_connect(fds[0], addr, 1));
    STEP(aw_connect(fds[0], addr, 1000));
    STEP(aw_connect(fds[0], addr, len));
    STEP(aw_connect(fds[0], addr, len));
    fds[1] = STEP_FD(aw_accept(listener, peer, &from_len));
    STEP(from_len);
    STEP(from.sin_family == AF_INET && from.sin_addr.s_addr == at.sin_addr.s_addr);
    STEP(aw_accept(fds[1], NULL, NULL));
    STEP(aw_accept(listener, peer, NULL));
    STEP(receive(listener, 5, 0));
    stream_steps(w, fds);
    fds[0] = w->socket(AF_INET, SOCK_STREAM | flags);
    STEP(aw_connect(fds[0], addr, len));
    fds[1] = STEP_FD(aw_accept(listener, peer, &none));
    STEP(none);
    w->close(listener);
    STEP(aw_accept(listener, NULL, NULL));
    close_both(w, fds);
    fds[0] = w->socket(AF_INET, SOCK_STREAM | flags);
    STEP(aw_connect(fds[0], addr, len));
    STEP(aw_connect(fds[0], addr, len));
    at.sin_family = AF_INET6;
    STEP(aw_connect(fds[0], addr, len));
    w->close(fds[0]);
    STEP(aw_connect(fds[0], addr, len));
}

/* ---- several at once ---- */

struct waiter {
    int fd;
    ssize_t n;
    char got[8];
};

static int wait_and_receive(void *arg)
{
    struct waiter *t = arg;
    t->n = aw_recv(t->fd, t->got, 2, 0);
    return 0;
}

enum { WAITERS = 4 };

/* They are served in their order; the second is cancelled. */
static void waiting_steps(const struct world *w, int flags)
{
    int fds[2];
    struct waiter waiters[WAITERS];
    aw_task *tasks[WAITERS];
    STEP(w->pair(SOCK_STREAM | flags, fds));
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){.fd = fds[0]};
        tasks[i] = aw_create_task(wait_and_receive, &waiters[i]);
    }
    STEP(aw_sleep(0));
    STEP(aw_cancel(tasks[1]));
    STEP(aw_join(tasks[1]));
    STEP(waiters[1].n);
    STEP(receive(fds[0], 1, MSG_DONTWAIT));
    STEP(aw_send(fds[1], "aabbc", 5, 0));
    for (int i = 0; i < WAITERS; i++) {
        if (i != 1)
            STEP(aw_join(tasks[i]));
        STEP(waiters[i].n);
        say_bytes(waiters[i].got, waiters[i].n > 0 ? (size_t)waiters[i].n : 0);
    }
    STEP(receive(fds[0], 1, MSG_DONTWAIT));
    close_both(w, fds);
}

static void socket_part(const struct world *w)
{
    int fds[2];
    for (int flags = 0; flags <= SOCK_NONBLOCK; flags += SOCK_NONBLOCK) {
        say("-- sockets, flags %o\n", flags);
        STEP(w->pair(SOCK_STREAM | flags, fds));
        stream_steps(w, fds);
        STEP(w->pair(SOCK_DGRAM | flags, fds));
        datagram_steps(w, fds);
        STEP(w->pair(SOCK_SEQPACKET | flags, fds));
        datagram_steps(w, fds);
        connection_steps(w, flags);
        waiting_steps(w, flags);
    }
}

/* ---- pipes ---- */

static void pipe_part(int flags)
{
    int fds[2];
    say("-- pipes, flags %o\n", flags);
    STEP(pipe2(fds, flags));
    STEP(aw_write(fds[1], "through a pipe", 14));
    STEP(aw_read(fds[0], got, 7));
    STEP(aw_poll(fds[0], POLLIN));
    STEP(aw_poll(fds[1], POLLOUT));
    STEP(read_parts(fds[0], 2, 20));
    STEP(write_parts(fds[1], "vec", "tors"));
    STEP(aw_read(fds[0], got, 50));
    STEP(aw_read(fds[1], got, 1));
    STEP(aw_write(fds[0], "x", 1));
    STEP(read_parts(fds[1], 1, 1));
    STEP(write_parts(fds[0], "x", "y"));
    STEP(aw_recv(fds[0], got, 1, 0));
    STEP(aw_send(fds[1], "x", 1, 0));
    STEP(aw_accept(fds[0], NULL, NULL));
    STEP(aw_read(fds[0], NULL, 1));
    STEP(aw_readv(fds[0], NULL, -1));
    close(fds[1]);
    STEP(aw_read(fds[0], got, 5));
    STEP(aw_poll(fds[0], POLLIN));
    close(fds[0]);
    STEP(aw_read(fds[0], got, 5));
    STEP(pipe2(fds, flags));
    close(fds[0]);
    STEP(aw_write(fds[1], "x", 1));
    STEP(write_parts(fds[1], "x", "y"));
    STEP(aw_poll(fds[1], POLLOUT));
    close(fds[1]);
}

/* ---- files ---- */

static int size_of(int dir, const char *path)
{
    struct statx st;
    int err = aw_statx(dir, path, 0, STATX_SIZE, &st);
    return err < 0 ? err : (int)st.stx_size;
}

static void content_steps(int dir)
{
    int fd = STEP_FD(aw_openat(dir, "f", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    STEP(aw_openat(dir, "f", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    STEP(aw_write(fd, "0123456789", 10));
    STEP(aw_read(fd, got, 5));
    STEP(aw_pread(fd, got, 5, 3));
    say_bytes(got, 5);
    STEP(aw_pread(fd, got, 50, 8));
    STEP(aw_pread(fd, got, 5, 10));
    STEP(aw_pread(fd, got, 5, -1));
    STEP(aw_pwrite(fd, "xyz", 3, 20));
    STEP(size_of(dir, "f"));
    STEP(lseek(fd, 0, SEEK_SET));
    STEP(read_parts(fd, 5, 5));
    STEP(write_parts(fd, "ve", "ctor"));
    STEP(aw_read(fd, got, 50));
    STEP(aw_read(fd, got, 50));
    STEP(aw_preadv(fd, &(struct iovec){got, 4}, 1, 12));
    say_bytes(got, 4);
    STEP(aw_pwritev(fd, &(struct iovec){"end", 3}, 1, 30));
    STEP(aw_preadv(fd, NULL, 1, 0));
    STEP(aw_fallocate(fd, 0, 0, 100));
    STEP(size_of(dir, "f"));
    STEP(aw_fallocate(fd, 0, 0, 0));
    STEP(aw_fsync(fd));
    STEP(aw_fdatasync(fd));
    STEP(aw_poll(fd, POLLIN));
    STEP(aw_recv(fd, got, 1, 0));
    STEP(aw_close(fd));
    STEP(aw_close(fd));
    STEP(aw_pread(fd, got, 1, 0));
    STEP(aw_fsync(fd));
    fd = STEP_FD(aw_openat(dir, "f", O_RDONLY | O_CLOEXEC, 0));
    STEP(aw_write(fd, "x", 1));
    STEP(aw_pwrite(fd, "x", 1, 0));
    STEP(aw_fallocate(fd, 0, 0, 1));
    STEP(aw_close(fd));
}

static void name_steps(int dir)
{
    STEP(aw_openat(dir, "none", O_RDONLY, 0));
    STEP(aw_openat(dir, "f/below", O_RDONLY, 0));
    STEP(aw_openat(dir, "", O_RDONLY, 0));
    STEP(aw_openat(dir, ".", O_WRONLY, 0));
    STEP(aw_openat(-1, "f", O_RDONLY, 0));
    STEP(aw_openat(dir, NULL, O_RDONLY, 0));
    STEP(aw_pread(dir, got, 1, 0));
    STEP(size_of(dir, "none"));
    STEP(size_of(-1, "f"));
    STEP(aw_mkdirat(dir, "d", 0700));
    STEP(aw_mkdirat(dir, "d", 0700));
    STEP(aw_mkdirat(dir, "none/d", 0700));
    STEP(aw_renameat(dir, "f", dir, "d", 0));
    STEP(aw_renameat(dir, "d", dir, "f", 0));
    STEP(aw_renameat(dir, "none", dir, "d/f", 0));
    STEP(aw_renameat(dir, "f", dir, "d/f", 0));
    STEP(size_of(dir, "f"));
    STEP(size_of(dir, "d/f"));
    STEP(aw_unlinkat(dir, "d", 0));
    STEP(aw_unlinkat(dir, "d", AT_REMOVEDIR));
    STEP(aw_unlinkat(dir, "d/f", AT_REMOVEDIR));
    STEP(aw_unlinkat(dir, "d/f", 0));
    STEP(aw_unlinkat(dir, "d/f", 0));
    STEP(aw_unlinkat(dir, "d", 12345));
    STEP(aw_unlinkat(dir, "d", AT_REMOVEDIR));
    STEP(aw_unlinkat(-1, "d", 0));
}

static void folder_steps(int dir)
{
    aw_dirent e;
    int names = 0, fd = -1;
    aw_dir *d = aw_dir_open(dir, "none");
    STEP(d ? 0 : aw_errno());
    fd = STEP_FD(aw_openat(dir, "alone", O_CREAT | O_RDWR, 0600));
    STEP(aw_write(fd, "sent from a file", 16));
    STEP(aw_sendfile(fd, fd, -5, 1));
    int ends[2];
    for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
        STEP(pipe2(ends, flags));
        STEP(aw_sendfile(ends[1], fd, 5, 6));
        STEP(aw_sendfile(ends[1], fd, 16, 6));
        STEP(aw_sendfile(ends[1], ends[0], 0, 6));
        STEP(aw_read(ends[0], got, 50));
        say_bytes(got, 6);
        close(ends[0]);
        close(ends[1]);
    }
    d = aw_dir_open(dir, ".");
    STEP(d != NULL);
    while (STEP(aw_dir_read(d, &e)) > 0)
        names++;
    STEP(names);
    STEP(aw_dir_read(d, NULL));
    aw_dir_close(d);
    STEP(aw_close(fd));
    STEP(aw_unlinkat(dir, "alone", 0));
}

/* ---- on each backend ---- */

static int script(void *arg)
{
    char path[] = "/tmp/await-parity-XXXXXX";
    assert_non_null(mkdtemp(path));
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    socket_part(&real_world);
    pipe_part(0);
    pipe_part(O_NONBLOCK);
    content_steps(dir);
    name_steps(dir);
    folder_steps(dir);
    close(dir);
    assert_int_equal(rmdir(path), 0);
    (void)arg;
    return 0;
}

static void run_on(const char *backend, struct trace *t)
{
    trace = t;
    setenv("AWAIT_BACKEND", backend, 1);
    assert_int_equal(aw_run(script, NULL), 0);
    assert_true(t->steps >= STEPS_MIN);
}

static void compare(const char *a, const char *b, const char *name_a, const char *name_b)
{
    for (int line = 1; *a || *b; line++) {
        size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");
        if (n != m || memcmp(a, b, n) != 0)
            fail_msg("step %d: \"%.*s\" with %s, \"%.*s\" with %s", line, (int)n, a, name_a, (int)m,
                     b, name_b);
        a += n + (a[n] != 0);
        b += m + (b[m] != 0);
    }
}

TEST(parity_script_has_the_same_results_on_each_backend)
{
    static struct trace on_epoll, on_uring;
    struct aw_io *io = NULL;
    signal(SIGPIPE, SIG_IGN);
    run_on("epoll", &on_epoll);
    if (test_is_under_valgrind())
        SKIP("the tool does not see what the ring writes");
    if (aw_io_open(&io, "io_uring", NULL) < 0)
        SKIP("no io_uring here");
    io->backend->close(io);
    run_on("io_uring", &on_uring);
    compare(on_epoll.text, on_uring.text, "epoll", "io_uring");
    printf("%d steps\n", on_uring.steps);
}

static int socket_script(void *arg)
{
    socket_part(arg);
    return 0;
}

/* Without faults the simulated network is the kernel's, as far as results can tell. */
TEST(parity_of_simulated_sockets)
{
    static struct trace of_kernel, of_simulator;
    trace = &of_kernel;
    setenv("AWAIT_BACKEND", "epoll", 1);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(aw_run(socket_script, (void *)(uintptr_t)&real_world), 0);
    trace = &of_simulator;
    assert_int_equal(aw_sim_run(socket_script, (void *)(uintptr_t)&simulated_world), 0);
    compare(of_kernel.text, of_simulator.text, "the kernel", "the simulator");
    printf("%d steps\n", of_simulator.steps);
}

/* Faults that change no result but when it comes: the script gets the same. */
static void compare_with_late_operations(const struct trace *of_kernel)
{
    static struct trace late;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        late = (struct trace){.used = 0};
        trace = &late;
        int err = aw_sim_run(socket_script, (void *)(uintptr_t)&simulated_world, .seed = seed,
                             .late = 0.5);
        assert_int_equal(err, 0);
        compare(of_kernel->text, late.text, "the kernel", "the simulator that is late");
    }
}

TEST(parity_of_simulated_sockets_that_are_late)
{
    static struct trace of_kernel;
    trace = &of_kernel;
    setenv("AWAIT_BACKEND", "epoll", 1);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(aw_run(socket_script, (void *)(uintptr_t)&real_world), 0);
    compare_with_late_operations(&of_kernel);
}
