/*
 * table.c - the system calls as they are, behind the table that can replace them.
 *
 * Each entry does the call and folds errno into its result.  errno itself is put back as it was
 * found: some entries are used in signal handlers, and a program's own errno is none of our
 * business.
 */
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>

#include <pthread.h>

#include "sys/net.h"
#include "sys/notes.h"
#include "sys/spawn.h"
#include "sys/sys.h"
#ifdef AW_IO_URING
#include "sys/uring.h"
#endif

/* The result of a call that left its reason in errno; `saved` is errno from before the call. */
static ssize_t settle(ssize_t result, int saved)
{
    if (AW_LIKELY(result >= 0))
        return result;
    int reason = errno;
    errno = saved;
    return -reason;
}

static int sys_map(void **ret, size_t size)
{
    int saved = errno;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *addr = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (addr == MAP_FAILED)
        return (int)settle(-1, saved);
    *ret = addr;
    return 0;
}

static int sys_unmap(void *addr, size_t size)
{
    int saved = errno;
    return (int)settle(munmap(addr, size), saved);
}

static int sys_protect_none(void *addr, size_t size)
{
    int saved = errno;
    return (int)settle(mprotect(addr, size, PROT_NONE), saved);
}

static int sys_discard(void *addr, size_t size)
{
    int saved = errno;
    return (int)settle(madvise(addr, size, MADV_DONTNEED), saved);
}

static int sys_no_huge(void *addr, size_t size)
{
    int saved = errno;
    return (int)settle(madvise(addr, size, MADV_NOHUGEPAGE), saved);
}

static int sys_epoll_create(void)
{
    int saved = errno;
    return (int)settle(epoll_create1(EPOLL_CLOEXEC), saved);
}

static int sys_epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
    int saved = errno;
    return (int)settle(epoll_ctl(ep, op, fd, ev), saved);
}

/* A timeout in the milliseconds of epoll_wait(), rounded up: waking early would make a loop spin
 * through the last millisecond before each timer. */
static int milliseconds(int64_t ns)
{
    const int64_t ns_per_ms = 1000000;
    if (ns < 0)
        return -1;
    int64_t ms = ns / ns_per_ms + (ns % ns_per_ms != 0);
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* The thread sanitizer delivers signals in calls that it knows, and it does not know this one. */
#if defined(SYS_epoll_pwait2) && !defined(AW_TSAN)

/* Waits with nanoseconds; -ENOSYS where this kernel, or a filter in front of it, has no such call
 * (filters of old answer EPERM, which the call itself never does). */
static int epoll_wait_ns(int ep, struct epoll_event *evs, int max, int64_t timeout_ns)
{
    static atomic_bool missing;
    const int64_t ns_per_s = 1000000000;
    if (atomic_load_explicit(&missing, memory_order_relaxed))
        return -ENOSYS;
    int saved = errno;
    struct timespec ts = {.tv_sec = timeout_ns / ns_per_s, .tv_nsec = timeout_ns % ns_per_s};
    long n = syscall(SYS_epoll_pwait2, ep, evs, max, timeout_ns < 0 ? NULL : &ts, NULL, (size_t)0);
    int result = (int)settle(n, saved);
    if (result != -ENOSYS && result != -EPERM)
        return result;
    atomic_store_explicit(&missing, true, memory_order_relaxed);
    return -ENOSYS;
}

#else

static int epoll_wait_ns(int ep, struct epoll_event *evs, int max, int64_t timeout_ns)
{
    (void)ep, (void)evs, (void)max, (void)timeout_ns;
    return -ENOSYS;
}

#endif

static int sys_epoll_wait(int ep, struct epoll_event *evs, int max, int64_t timeout_ns)
{
    int n = epoll_wait_ns(ep, evs, max, timeout_ns);
    if (n != -ENOSYS)
        return n;
    int saved = errno;
    return (int)settle(epoll_wait(ep, evs, max, milliseconds(timeout_ns)), saved);
}

static int sys_eventfd(void)
{
    int saved = errno;
    return (int)settle(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), saved);
}

static int sys_get_flags(int fd)
{
    int saved = errno;
    return (int)settle(fcntl(fd, F_GETFL), saved);
}

static int sys_poll_one(int fd, short events)
{
    int saved = errno;
    struct pollfd p = {.fd = fd, .events = events};
    int n = (int)settle(poll(&p, 1, 0), saved);
    return n < 0 ? n : p.revents;
}

static ssize_t sys_read(int fd, void *buf, size_t n)
{
    int saved = errno;
    return settle(read(fd, buf, n), saved);
}

static ssize_t sys_write(int fd, const void *buf, size_t n)
{
    int saved = errno;
    return settle(write(fd, buf, n), saved);
}

static int sys_set_flags(int fd, int flags)
{
    int saved = errno;
    return (int)settle(fcntl(fd, F_SETFL, flags), saved);
}

static ssize_t sys_readv(int fd, const struct iovec *v, int n)
{
    int saved = errno;
    return settle(readv(fd, v, n), saved);
}

static ssize_t sys_writev(int fd, const struct iovec *v, int n)
{
    int saved = errno;
    return settle(writev(fd, v, n), saved);
}

static ssize_t sys_recv(int fd, void *buf, size_t n, int flags)
{
    int saved = errno;
    return settle(recv(fd, buf, n, flags), saved);
}

static ssize_t sys_send(int fd, const void *buf, size_t n, int flags)
{
    int saved = errno;
    return settle(send(fd, buf, n, flags), saved);
}

static ssize_t sys_recvmsg(int fd, struct msghdr *msg, int flags)
{
    int saved = errno;
    return settle(recvmsg(fd, msg, flags), saved);
}

static ssize_t sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    int saved = errno;
    return settle(sendmsg(fd, msg, flags), saved);
}

static int sys_accept(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    int saved = errno;
    return (int)settle(accept4(fd, addr, len, flags), saved);
}

static int sys_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    int saved = errno;
    return (int)settle(connect(fd, addr, len), saved);
}

static int sys_get_option(int fd, int level, int name, void *value, socklen_t *len)
{
    int saved = errno;
    return (int)settle(getsockopt(fd, level, name, value, len), saved);
}

static int sys_close(int fd)
{
    int saved = errno;
    return (int)settle(close(fd), saved);
}

static ssize_t sys_pread_now(int fd, void *buf, size_t n, int64_t at)
{
    int saved = errno;
    struct iovec v = {.iov_base = buf, .iov_len = n};
    return settle(preadv2(fd, &v, 1, at, RWF_NOWAIT), saved);
}

static ssize_t sys_pread(int fd, void *buf, size_t n, int64_t at)
{
    int saved = errno;
    return settle(pread(fd, buf, n, at), saved);
}

static ssize_t sys_pwrite(int fd, const void *buf, size_t n, int64_t at)
{
    int saved = errno;
    return settle(pwrite(fd, buf, n, at), saved);
}

static int sys_openat(int dir, const char *path, int flags, unsigned mode)
{
    int saved = errno;
    return (int)settle(openat(dir, path, flags, mode), saved);
}

static ssize_t sys_preadv(int fd, const struct iovec *v, int n, int64_t at)
{
    int saved = errno;
    return settle(preadv(fd, v, n, at), saved);
}

static ssize_t sys_pwritev(int fd, const struct iovec *v, int n, int64_t at)
{
    int saved = errno;
    return settle(pwritev(fd, v, n, at), saved);
}

static int sys_statx(int dir, const char *path, int flags, unsigned mask, struct statx *ret)
{
    int saved = errno;
    return (int)settle(statx(dir, path, flags, mask, ret), saved);
}

static int sys_fsync(int fd, bool only_data)
{
    int saved = errno;
    return (int)settle(only_data ? fdatasync(fd) : fsync(fd), saved);
}

static int sys_fallocate(int fd, int mode, int64_t at, int64_t n)
{
    int saved = errno;
    return (int)settle(fallocate(fd, mode, at, n), saved);
}

static int sys_fchmod(int fd, unsigned mode)
{
    int saved = errno;
    return (int)settle(fchmod(fd, mode), saved);
}

static int sys_renameat(int dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    int saved = errno;
    return (int)settle(renameat2(dir, from, to_dir, to, flags), saved);
}

static int sys_unlinkat(int dir, const char *path, int flags)
{
    int saved = errno;
    return (int)settle(unlinkat(dir, path, flags), saved);
}

static int sys_mkdirat(int dir, const char *path, unsigned mode)
{
    int saved = errno;
    return (int)settle(mkdirat(dir, path, mode), saved);
}

static ssize_t sys_getdents(int fd, void *buf, size_t n)
{
    int saved = errno;
    return settle(syscall(SYS_getdents64, fd, buf, n), saved);
}

static ssize_t sys_sendfile(int to, int from, int64_t at, size_t n)
{
    int saved = errno;
    off_t offset = at;
    return settle(sendfile(to, from, &offset, n), saved);
}

static int sys_fork(void)
{
    int saved = errno;
    return (int)settle(fork(), saved);
}

static int sys_socket_pair(int ret[2], int type)
{
    int saved = errno;
    return (int)settle(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ret), saved);
}

#define FDS_MAX 2

static int sys_send_fds(int fd, const int *fds, size_t n)
{
    int saved = errno;
    char byte = 0;
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control = {0};
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = CMSG_SPACE(n * sizeof(int))};
    aw_assert(n <= FDS_MAX);
    control.head = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(n * sizeof(int))};
    memcpy(CMSG_DATA(&control.head), fds, n * sizeof(int));
    return (int)settle(sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL), saved);
}

static ssize_t sys_send_now(int fd, const void *buf, size_t n)
{
    int saved = errno;
    return settle(send(fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL), saved);
}

static ssize_t sys_recv_now(int fd, void *buf, size_t n)
{
    int saved = errno;
    return settle(recv(fd, buf, n, MSG_DONTWAIT), saved);
}

/* The signal of a broken pipe comes to this thread before the call returns.  Where it was blocked
 * before it is the program's, and stays pending as any call would leave it. */
static ssize_t sys_pipe_write(int fd, const void *buf, size_t n)
{
    int saved = errno;
    sigset_t broken, before;
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken, &before);
    ssize_t result = settle(write(fd, buf, n), saved);
    if (sigismember(&before, SIGPIPE))
        return result;
    const struct timespec at_once = {0};
    if (result == -EPIPE)
        (void)settle(sigtimedwait(&broken, NULL, &at_once), saved); /* not there if ignored */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

static int sys_end_sending(int fd)
{
    int saved = errno;
    return (int)settle(shutdown(fd, SHUT_WR), saved);
}

static int sys_poll(struct pollfd *fds, size_t n, int64_t timeout_ns)
{
    int saved = errno;
    return (int)settle(poll(fds, n, milliseconds(timeout_ns)), saved);
}

static int sys_sigaction(int signo, const struct sigaction *action, struct sigaction *before)
{
    int saved = errno;
    return (int)settle(sigaction(signo, action, before), saved);
}

static int sys_pipe(int ret[2], int nonblocking)
{
    int saved = errno;
    int err = (int)settle(pipe2(ret, O_CLOEXEC), saved);
    if (err >= 0 && nonblocking >= 0)
        fcntl(ret[nonblocking], F_SETFL, O_NONBLOCK | (nonblocking ? O_WRONLY : O_RDONLY));
    return err;
}

static int sys_kill(int pid, int signo)
{
    int saved = errno;
    return (int)settle(kill(pid, signo), saved);
}

struct aw_sys_table aw_sys = {
    .map = sys_map,
    .unmap = sys_unmap,
    .protect_none = sys_protect_none,
    .guard = aw_guard_by_advice,
    .can_read = aw_guard_can_read,
    .discard = sys_discard,
    .no_huge = sys_no_huge,
    .epoll_create = sys_epoll_create,
    .epoll_ctl = sys_epoll_ctl,
    .epoll_wait = sys_epoll_wait,
    .eventfd = sys_eventfd,
    .get_flags = sys_get_flags,
    .set_flags = sys_set_flags,
    .poll_one = sys_poll_one,
    .read = sys_read,
    .write = sys_write,
    .readv = sys_readv,
    .writev = sys_writev,
    .recv = sys_recv,
    .send = sys_send,
    .recvmsg = sys_recvmsg,
    .sendmsg = sys_sendmsg,
    .accept = sys_accept,
    .connect = sys_connect,
    .get_option = sys_get_option,
    .close = sys_close,
    .pread_now = sys_pread_now,
    .pread = sys_pread,
    .pwrite = sys_pwrite,
    .openat = sys_openat,
    .preadv = sys_preadv,
    .pwritev = sys_pwritev,
    .statx = sys_statx,
    .fsync = sys_fsync,
    .fallocate = sys_fallocate,
    .fchmod = sys_fchmod,
    .renameat = sys_renameat,
    .unlinkat = sys_unlinkat,
    .mkdirat = sys_mkdirat,
    .getdents = sys_getdents,
    .sendfile = sys_sendfile,
#ifdef AW_IO_URING
    .ring_open = aw_ring_open,
    .ring_close = aw_ring_close,
    .ring_probe = aw_ring_probe,
    .ring_attach = aw_ring_attach,
    .ring_detach = aw_ring_detach,
    .ring_buffers = aw_ring_buffers,
    .ring_enter = aw_ring_enter,
#endif
    .fork = sys_fork,
    .socket_pair = sys_socket_pair,
    .send_fds = sys_send_fds,
    .send_now = sys_send_now,
    .recv_now = sys_recv_now,
    .pipe_write = sys_pipe_write,
    .end_sending = sys_end_sending,
    .poll = sys_poll,
    .sigaction = sys_sigaction,
    .pipe = sys_pipe,
    .kill = sys_kill,
    .spawn = aw_spawn_now,
    .pidfd_open = aw_pidfd_open,
    .pidfd_signal = aw_pidfd_signal,
    .reap = aw_reap,
    .socket = aw_net_socket,
    .bind = aw_net_bind,
    .listen = aw_net_listen,
    .socket_name = aw_net_name,
    .set_option = aw_net_set_option,
    .lookup = aw_net_lookup,
    .lookup_free = aw_net_lookup_free,
    .interface = aw_net_interface,
    .file_id = aw_net_file_id,
    .unlink = aw_net_unlink,
    .random = aw_random_now,
};
