/*
 * inject.c - the counting, failing allocator and table of system calls.
 *
 * Memory is handed out filled with rubbish and given back as rubbish, so that what the library
 * forgets to write, or reads too late, shows.
 *
 * Losing the words beside an error for want of memory is documented.  It happens only in the few
 * functions that the linker wraps for us (see tests/meson.build): an allocation that fails in one
 * of them may stay unnoticed, any other must be told.
 *
 * All threads are counted together.  The plan is made and ended while there is only one.
 *
 * Time is virtual, but for a loop that has something with the kernel, which waits for that as long
 * as its clock says: only so can other threads and processes answer.  Where there are none, a wait
 * after a failure is in vain, and is cut short here: see comes_at_once().
 */
#include "fault/inject.h"

#include <dirent.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "sys/child.h"
#include "sys/thread.h"
#ifdef AW_IO_URING
#include "sys/uring.h"
#endif

const struct fault faults[] = {
    {SWEEP_ALLOC, SITE_ALLOC, "alloc", -ENOMEM, TOLD, true},
    /* A refused arena is asked for again at half the size. */
    {SWEEP_STACK, SITE_MAP, "map", -ENOMEM, TOLD_IF_EVER, true},
    {SWEEP_STACK, SITE_PROTECT_NONE, "protect_none", -ENOMEM, TOLD, true},
    {SWEEP_STACK, SITE_UNMAP, "unmap", -ENOMEM, HARMLESS, true},
    {SWEEP_STACK, SITE_NO_HUGE, "no_huge", -EINVAL, HARMLESS, true},
    {SWEEP_SYSTEM, SITE_EPOLL_CREATE, "epoll_create", -EMFILE, TOLD, true},
    {SWEEP_SYSTEM, SITE_EPOLL_CREATE, "epoll_create", -ENOMEM, TOLD, true},
    {SWEEP_SYSTEM, SITE_EPOLL_CTL, "epoll_ctl", -ENOMEM, TOLD, true},
    {SWEEP_SYSTEM, SITE_EPOLL_CTL, "epoll_ctl", -ENOSPC, TOLD, true},
    {SWEEP_SYSTEM, SITE_EPOLL_WAIT, "epoll_wait", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_EPOLL_WAIT, "epoll_wait", -EBADF, TOLD, true},
    {SWEEP_SYSTEM, SITE_EVENTFD, "eventfd", -EMFILE, TOLD, true},
    {SWEEP_SYSTEM, SITE_EVENTFD, "eventfd", -ENODEV, TOLD, true},
    {SWEEP_SYSTEM, SITE_GET_FLAGS, "get_flags", -EBADF, TOLD, true},
    {SWEEP_SYSTEM, SITE_POLL_ONE, "poll_one", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_POLL_ONE, "poll_one", -ENOMEM, TOLD, true},
    {SWEEP_SYSTEM, SITE_READ, "read", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_READ, "read", -EAGAIN, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_READ, "read", -EIO, TOLD, true},
    {SWEEP_SYSTEM, SITE_WRITE, "write", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_WRITE, "write", -EAGAIN, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_WRITE, "write", -EPIPE, TOLD, true},
    {SWEEP_SYSTEM, SITE_RECV, "recv", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_RECV, "recv", -EAGAIN, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_RECV, "recv", -ECONNRESET, TOLD, true},
    {SWEEP_SYSTEM, SITE_SEND, "send", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_SEND, "send", -EAGAIN, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_SEND, "send", -EPIPE, TOLD, true},
    {SWEEP_SYSTEM, SITE_ACCEPT, "accept", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_ACCEPT, "accept", -EMFILE, TOLD, true},
    {SWEEP_SYSTEM, SITE_CONNECT, "connect", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_CONNECT, "connect", -ENETUNREACH, TOLD, true},
    {SWEEP_SYSTEM, SITE_CLOSE, "close", -EIO, HARMLESS, true},
    {SWEEP_SYSTEM, SITE_PREAD_NOW, "pread_now", -EAGAIN, HARMLESS, true},
    {SWEEP_SYSTEM, SITE_PREAD, "pread", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_PREAD, "pread", -EIO, TOLD, true},
    {SWEEP_SYSTEM, SITE_PWRITE, "pwrite", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_PWRITE, "pwrite", -ENOSPC, TOLD, true},
    {SWEEP_SYSTEM, SITE_OPENAT, "openat", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_OPENAT, "openat", -EMFILE, TOLD, true},
    {SWEEP_SYSTEM, SITE_STATX, "statx", -EACCES, TOLD, true},
    {SWEEP_SYSTEM, SITE_FSYNC, "fsync", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_FSYNC, "fsync", -EIO, TOLD, true},
    {SWEEP_SYSTEM, SITE_RENAMEAT, "renameat", -EDQUOT, TOLD, true},
    {SWEEP_SYSTEM, SITE_FCHMOD, "fchmod", -EPERM, TOLD, true},
    {SWEEP_SYSTEM, SITE_UNLINKAT, "unlinkat", -EBUSY, TOLD, false},
    {SWEEP_SYSTEM, SITE_MKDIRAT, "mkdirat", -EDQUOT, TOLD, true},
    {SWEEP_SYSTEM, SITE_GETDENTS, "getdents", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_GETDENTS, "getdents", -EIO, TOLD, true},
    {SWEEP_SYSTEM, SITE_RING_OPEN, "ring_open", -EMFILE, TOLD, true},
    {SWEEP_SYSTEM, SITE_RING_OPEN, "ring_open", -ENOMEM, TOLD, true},
    {SWEEP_SYSTEM, SITE_RING_OPEN, "ring_open", -EINVAL, TOLD_IF_EVER, true}, /* in a lesser mode */
    {SWEEP_SYSTEM, SITE_RING_PROBE, "ring_probe", -EINVAL, TOLD, true},
    {SWEEP_SYSTEM, SITE_RING_ATTACH, "ring_attach", -EBUSY, HARMLESS, true},
    {SWEEP_SYSTEM, SITE_RING_DETACH, "ring_detach", -EINVAL, HARMLESS, true},
    {SWEEP_SYSTEM, SITE_RING_BUFFERS, "ring_buffers", -EINVAL, HARMLESS, true},
    {SWEEP_SYSTEM, SITE_RING_ENTER, "ring_enter", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_RING_ENTER, "ring_enter", -EAGAIN, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_RING_ENTER, "ring_enter", -EBUSY, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_RING_ENTER, "ring_enter", -EBADF, TOLD, true},
    {SWEEP_SYSTEM, SITE_SOCKET_PAIR, "socket_pair", -EMFILE, TOLD, true},
    {SWEEP_SYSTEM, SITE_SEND_FDS, "send_fds", -EAGAIN, TOLD, true},
    {SWEEP_SYSTEM, SITE_SEND_NOW, "send_now", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_SEND_NOW, "send_now", -EAGAIN, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_RECV_NOW, "recv_now", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_RECV_NOW, "recv_now", -EAGAIN, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_SET_FLAGS, "set_flags", -EPERM, TOLD, true},
    {SWEEP_SYSTEM, SITE_PIPE_WRITE, "pipe_write", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_PIPE_WRITE, "pipe_write", -EAGAIN, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_PIPE_WRITE, "pipe_write", -EPIPE, TOLD, true},
    {SWEEP_SYSTEM, SITE_GET_OPTION, "get_option", -ENOBUFS, TOLD, true},
    {SWEEP_SYSTEM, SITE_END_SENDING, "end_sending", -ENOTCONN, TOLD, true},
    {SWEEP_SYSTEM, SITE_SOCKET, "socket", -EMFILE, TOLD, true},
    {SWEEP_SYSTEM, SITE_BIND, "bind", -EADDRNOTAVAIL, TOLD, true},
    {SWEEP_SYSTEM, SITE_LISTEN, "listen", -EADDRINUSE, TOLD, true},
    {SWEEP_SYSTEM, SITE_SOCKET_NAME, "socket_name", -ENOBUFS, TOLD, true},
    {SWEEP_SYSTEM, SITE_SET_OPTION, "set_option", -ENOPROTOOPT, TOLD, true},
    {SWEEP_SYSTEM, SITE_LOOKUP, "lookup", -EAGAIN, TOLD, true},
    {SWEEP_SYSTEM, SITE_FILE_ID, "file_id", -EACCES, TOLD, true},
    {SWEEP_SYSTEM, SITE_UNLINK, "unlink", -EACCES, TOLD, true},
    {SWEEP_SYSTEM, SITE_RANDOM, "random", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_RANDOM, "random", -ENOSYS, TOLD, true},
    {SWEEP_SYSTEM, SITE_POLL, "poll", -EINTR, HARMLESS, false},
    /* Then everything is looked at. */
    {SWEEP_SYSTEM, SITE_POLL, "poll", -ENOMEM, HARMLESS, true},
    {SWEEP_SYSTEM, SITE_SIGACTION, "sigaction", -EPERM, TOLD, true},
    {SWEEP_SYSTEM, SITE_PIPE, "pipe", -EMFILE, TOLD, true},
    {SWEEP_SYSTEM, SITE_KILL, "kill", -EPERM, TOLD, true},
    {SWEEP_SYSTEM, SITE_SPAWN, "spawn", -EAGAIN, TOLD, true},
    {SWEEP_SYSTEM, SITE_SPAWN, "spawn", -ENOMEM, TOLD, true},
    {SWEEP_SYSTEM, SITE_PIDFD_OPEN, "pidfd_open", -EMFILE, TOLD, true},
    {SWEEP_SYSTEM, SITE_PIDFD_OPEN, "pidfd_open", -ENOSYS, HARMLESS, true}, /* a thread waits */
    {SWEEP_SYSTEM, SITE_PIDFD_SIGNAL, "pidfd_signal", -EPERM, TOLD, true},
    {SWEEP_SYSTEM, SITE_REAP, "reap", -EINTR, HARMLESS, false},
    {SWEEP_SYSTEM, SITE_REAP, "reap", -ECHILD, TOLD, true},
    {SWEEP_SYSTEM, SITE_THREAD, "thread", -EAGAIN, TOLD, true},
    /* Woken without a reason: as by a signal. */
    {SWEEP_SYSTEM, SITE_FUTEX_WAIT, "futex_wait", -EINTR, HARMLESS, false},
    {SWEEP_CANCEL, SITE_SUSPEND, "once", -ECANCELED, HARMLESS, false},
    {SWEEP_CANCEL, SITE_SUSPEND, "twice", -ECANCELED, HARMLESS, false},
    {SWEEP_CANCEL, SITE_SUSPEND, "again", -ECANCELED, HARMLESS, false},
    {SWEEP_CANCEL, SITE_SUSPEND, "next_pass", -ECANCELED, HARMLESS, false},
    {SWEEP_CANCEL, SITE_SUSPEND, "with_timer", -ECANCELED, HARMLESS, false},
    {SWEEP_CANCEL, SITE_SUSPEND, "before_timer", -ECANCELED, HARMLESS, false},
};
const size_t n_faults = sizeof faults / sizeof *faults;

enum { DESCRIPTORS = 1024 };

static struct aw_sys_table real; /* the system's own calls */
static struct {
    _Atomic size_t blocks, bytes, mapped;
} account;
static _Atomic bool wakes[DESCRIPTORS]; /* those that loops are woken by */
static const struct point *plan;        /* NULL: only count */
static _Atomic unsigned seen[SITES], fired, loud;
static bool counting;
static _Atomic bool forgiven[SITES], spoken_of[SITES];
static bool prompt, lookups; /* see comes_at_once() */

/* ---- the plan ---- */

void inject_begin(const struct point *p)
{
    for (int site = 0; site < SITES; site++) {
        seen[site] = 0;
        forgiven[site] = spoken_of[site] = false;
    }
    fired = loud = 0;
    plan = p;
    prompt = false;
    counting = true;
    expected_error = p ? p->fault->error : 0;
}

void inject_end(void)
{
    counting = false;
    plan = NULL;
    expected_error = 0;
}

bool disturbed(void)
{
    return plan != NULL;
}

void may_be_silent(enum site site)
{
    forgiven[site] = true;
}

void may_be_told(enum site site)
{
    spoken_of[site] = true;
}

bool inject_may_be_told(enum site site)
{
    return spoken_of[site];
}

void comes_at_once(bool but_lookups)
{
    prompt = true;
    lookups = but_lookups;
}

unsigned inject_seen(enum site site)
{
    return seen[site];
}

unsigned inject_fired(void)
{
    return fired;
}

unsigned inject_loud(void)
{
    return loud;
}

int inject_hit(enum site site, bool benign_here)
{
    if (!counting)
        return 0;
    unsigned k = atomic_fetch_add(&seen[site], 1) + 1;
    if (!plan || plan->fault->site != site)
        return 0;
    if (k < plan->k || (k > plan->k && !plan->ever))
        return 0;
    enum telling telling = plan->fault->telling;
    fired++;
    if (!benign_here && !forgiven[site] && (telling == TOLD || plan->ever))
        loud++;
    return plan->fault->error;
}

const struct fault *inject_suspension(void)
{
    return inject_hit(SITE_SUSPEND, true) ? plan->fault : NULL;
}

/* ---- memory ---- */

static void *counting_alloc(size_t size, void *arg)
{
    (void)arg;
    void *p = inject_hit(SITE_ALLOC, inject_benign > 0) ? NULL : malloc(size);
    if (!p)
        return NULL;
    memset(p, 0xa5, size);
    account.blocks++;
    account.bytes += malloc_usable_size(p);
    return p;
}

static void counting_free(void *p, void *arg)
{
    (void)arg;
    if (!p)
        return;
    size_t size = malloc_usable_size(p);
    account.blocks--;
    account.bytes -= size;
    memset(p, 0x5a, size);
    free(p);
}

/* ---- threads ---- */

int __real_aw_os_thread_start(struct aw_os_thread *t, const char *name, size_t stack_size, int cpu,
                              void (*fn)(void *arg), void *arg);
int __wrap_aw_os_thread_start(struct aw_os_thread *t, const char *name, size_t stack_size, int cpu,
                              void (*fn)(void *arg), void *arg);
int __wrap_aw_os_thread_start(struct aw_os_thread *t, const char *name, size_t stack_size, int cpu,
                              void (*fn)(void *arg), void *arg)
{
    int err = inject_hit(SITE_THREAD, false);
    return err ? err : __real_aw_os_thread_start(t, name, stack_size, cpu, fn, arg);
}

int __real_aw_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline);
int __wrap_aw_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline);
int __wrap_aw_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline)
{
    return inject_hit(SITE_FUTEX_WAIT, true) ? 0 : __real_aw_futex_wait(word, expected, deadline);
}

/* ---- time ---- */

/* How long the kernel is really waited for, of the time that a loop wants to sleep.  A job in a
 * thread is waited for as long as it takes. */
static int64_t patience(int64_t timeout_ns)
{
    const int64_t enough = test_is_instrumented() ? 5000000 : 2000000; /* ns */
    const aw_loop *l = aw_self.loop;
    bool in_vain = prompt && fired > 0 && timeout_ns > enough && l && l->clock.is_virtual;
    in_vain = in_vain && l->jobs == 0 && (!lookups || aw_thread_count() == 1);
    return in_vain ? enough : timeout_ns;
}

/* Nothing came: the rest of that time passes on the loop's clock alone. */
static void pass_rest(int64_t timeout_ns, int64_t waited_ns)
{
    if (waited_ns != timeout_ns)
        aw_self.loop->clock.virtual_now += timeout_ns - waited_ns;
}

/* ---- system calls ---- */

static int map(void **ret, size_t size)
{
    int err = inject_hit(SITE_MAP, inject_benign > 0);
    if (!err && (err = real.map(ret, size)) == 0)
        account.mapped += size;
    return err;
}

/* What cannot be given back is as good as leaked; so it is, and then the call says that it failed.
 */
static int unmap(void *addr, size_t size)
{
    int err = inject_hit(SITE_UNMAP, true);
    account.mapped -= size;
    int result = real.unmap(addr, size);
    return err ? err : result;
}

static int protect_none(void *addr, size_t size)
{
    int err = inject_hit(SITE_PROTECT_NONE, inject_benign > 0);
    return err ? err : real.protect_none(addr, size);
}

/* Refused, so that protect_none() is what can fail: elsewhere each guard falls back to it. */
static int no_guard(void *first, size_t stride, size_t count)
{
    (void)first, (void)stride, (void)count;
    return -EINVAL;
}

static int no_huge(void *addr, size_t size)
{
    int err = inject_hit(SITE_NO_HUGE, true);
    return err ? err : real.no_huge(addr, size);
}

static int epoll_create_(void)
{
    int err = inject_hit(SITE_EPOLL_CREATE, false);
    return err ? err : real.epoll_create();
}

/* A new interest is somebody's; only less of one may be left as it is. */
static int epoll_ctl_(int ep, int op, int fd, struct epoll_event *ev)
{
    int err = inject_hit(SITE_EPOLL_CTL, op != EPOLL_CTL_ADD);
    return err ? err : real.epoll_ctl(ep, op, fd, ev);
}

static int epoll_wait_(int ep, struct epoll_event *evs, int max, int64_t timeout_ns)
{
    int err = inject_hit(SITE_EPOLL_WAIT, false);
    if (err)
        return err;
    int64_t wait = patience(timeout_ns);
    int n = real.epoll_wait(ep, evs, max, wait);
    if (n == 0)
        pass_rest(timeout_ns, wait);
    return n;
}

static int eventfd_(void)
{
    int err = inject_hit(SITE_EVENTFD, false);
    if (err)
        return err;
    int fd = real.eventfd();
    if (fd >= 0 && fd < DESCRIPTORS)
        wakes[fd] = true;
    return fd;
}

static bool is_wake(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS && wakes[fd];
}

static int get_flags(int fd)
{
    int err = inject_hit(SITE_GET_FLAGS, false);
    return err ? err : real.get_flags(fd);
}

static int poll_one(int fd, short events)
{
    int err = inject_hit(SITE_POLL_ONE, false);
    return err ? err : real.poll_one(fd, events);
}

static ssize_t read_(int fd, void *buf, size_t n)
{
    int err = inject_hit(SITE_READ, is_wake(fd));
    return err ? err : real.read(fd, buf, n);
}

/* Adding one to what a loop is woken by cannot fail. */
static ssize_t write_(int fd, const void *buf, size_t n)
{
    int err = is_wake(fd) ? 0 : inject_hit(SITE_WRITE, false);
    return err ? err : real.write(fd, buf, n);
}

/* As Linux does it: closed all the same. */
static int close_(int fd)
{
    if (is_wake(fd))
        wakes[fd] = false;
    int err = inject_hit(SITE_CLOSE, true), result = real.close(fd);
    return err ? err : result;
}

static ssize_t pread_now(int fd, void *buf, size_t n, int64_t at)
{
    int err = inject_hit(SITE_PREAD_NOW, true);
    return err ? err : real.pread_now(fd, buf, n, at);
}

static int ring_open(struct io_uring *ring, unsigned entries, struct io_uring_params *params)
{
    int err = inject_hit(SITE_RING_OPEN, false);
    return err ? err : real.ring_open(ring, entries, params);
}

static int ring_probe(struct io_uring *ring, struct io_uring_probe *probe, unsigned n)
{
    int err = inject_hit(SITE_RING_PROBE, false);
    return err ? err : real.ring_probe(ring, probe, n);
}

static int ring_attach(struct io_uring *ring)
{
    int err = inject_hit(SITE_RING_ATTACH, true);
    return err ? err : real.ring_attach(ring);
}

/* What cannot be undone is, and then says that it failed. */
static int ring_detach(struct io_uring *ring)
{
    int err = inject_hit(SITE_RING_DETACH, true), result = real.ring_detach(ring);
    return err ? err : result;
}

static bool is_empty(struct io_uring *ring)
{
#ifdef AW_IO_URING
    return io_uring_cq_ready(ring) == 0;
#else
    (void)ring;
    return true;
#endif
}

static int ring_enter(struct io_uring *ring, int64_t timeout_ns)
{
    int err = inject_hit(SITE_RING_ENTER, false);
    if (err)
        return err;
    int64_t wait = patience(timeout_ns);
    err = real.ring_enter(ring, wait);
    if (err == 0 && is_empty(ring))
        pass_rest(timeout_ns, wait);
    return err;
}

/* By name, so that one backend's failure is not made good by another. */
static void name_the_backend(void)
{
    struct aw_io *io = NULL;
    if (aw_io_open(&io, NULL, NULL) < 0)
        return;
    setenv("AWAIT_BACKEND", io->backend->name, 1);
    io->backend->close(io);
}

static int socket_pair(int ret[2], int type)
{
    int err = inject_hit(SITE_SOCKET_PAIR, false);
    return err ? err : real.socket_pair(ret, type);
}

static int send_fds(int fd, const int *fds, size_t n)
{
    int err = inject_hit(SITE_SEND_FDS, false);
    return err ? err : real.send_fds(fd, fds, n);
}

static ssize_t send_now(int fd, const void *buf, size_t n)
{
    int err = inject_hit(SITE_SEND_NOW, false);
    return err ? err : real.send_now(fd, buf, n);
}

static ssize_t recv_now(int fd, void *buf, size_t n)
{
    int err = inject_hit(SITE_RECV_NOW, false);
    return err ? err : real.recv_now(fd, buf, n);
}

static int poll_(struct pollfd *fds, size_t n, int64_t timeout_ns)
{
    int err = inject_hit(SITE_POLL, false);
    return err ? err : real.poll(fds, n, timeout_ns);
}

void inject_install(void)
{
    if (real.map)
        return;
    name_the_backend();
    const aw_allocator a = {.alloc = counting_alloc, .free = counting_free};
    assert_int_equal(aw_set_allocator(&a), 0);
    real = aw_sys;
    aw_sys.map = map;
    aw_sys.unmap = unmap;
    aw_sys.protect_none = protect_none;
    aw_sys.guard = no_guard;
    aw_sys.no_huge = no_huge;
    aw_sys.epoll_create = epoll_create_;
    aw_sys.epoll_ctl = epoll_ctl_;
    aw_sys.epoll_wait = epoll_wait_;
    aw_sys.eventfd = eventfd_;
    aw_sys.get_flags = get_flags;
    aw_sys.poll_one = poll_one;
    aw_sys.read = read_;
    aw_sys.write = write_;
    aw_sys.close = close_;
    aw_sys.pread_now = pread_now;
    aw_sys.ring_open = ring_open;
    aw_sys.ring_probe = ring_probe;
    aw_sys.ring_attach = ring_attach;
    aw_sys.ring_detach = ring_detach;
    aw_sys.ring_enter = ring_enter;
    aw_sys.socket_pair = socket_pair;
    aw_sys.send_fds = send_fds;
    aw_sys.send_now = send_now;
    aw_sys.recv_now = recv_now;
    aw_sys.poll = poll_;
    inject_sockets();
    inject_children(&real, &aw_sys);
    inject_install_files();
}

struct account account_now(void)
{
    aw_record_thread_ends(); /* a thread keeps memory from which it cuts callbacks */
    struct account now = {
        .blocks = account.blocks, .bytes = account.bytes, .mapped = account.mapped};
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    for (now.descriptors = 0; readdir(dir); now.descriptors++)
        ;
    closedir(dir);
    return now;
}
