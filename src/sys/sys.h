/*
 * sys.h - everything the library asks of the operating system, in one place.
 *
 * System calls go through one table, the allocator through one hook.  Tests put failing or
 * recording functions there, a simulator puts a whole world there, and nothing above this layer
 * can tell.  The entries return a value >= 0 or a negated errno: errno itself is never read above
 * this layer, because a compiler may keep its address across a switch.
 *
 * This is the only layer that includes the system's headers; what the layers above need of their
 * constants and structs they get from here.
 */
#ifndef AW_SYS_H
#define AW_SYS_H

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "await/memory.h"
#include "base/base.h"

struct addrinfo;
struct aw_file_id;
struct io_uring;
struct io_uring_params;
struct io_uring_probe;
struct aw_spawn;

/* The table.  Every entry has the arguments of the call it is named after, and returns its result
 * or -errno (mmap: NULL-able pointer through `ret`, and 0 or -errno).  errno is left as it was. */
struct aw_sys_table {
    int (*map)(void **ret, size_t size); /* private, anonymous, no-reserve, read-write */
    int (*unmap)(void *addr, size_t size);
    int (*protect_none)(void *addr, size_t size);           /* mprotect(PROT_NONE): a guard */
    int (*guard)(void *first, size_t stride, size_t count); /* aw_guard_by_advice() */
    int (*can_read)(const void *addr);                      /* aw_guard_can_read() */
    int (*discard)(void *addr, size_t size);                /* madvise(MADV_DONTNEED) */
    int (*no_huge)(void *addr, size_t size);                /* madvise(MADV_NOHUGEPAGE) */
    int (*epoll_create)(void);                              /* close-on-exec */
    int (*epoll_ctl)(int ep, int op, int fd, struct epoll_event *ev);
    int (*epoll_wait)(int ep, struct epoll_event *evs, int max, int64_t timeout_ns); /* <0: ever */
    int (*eventfd)(void);                  /* close-on-exec, non-blocking */
    int (*get_flags)(int fd);              /* fcntl(F_GETFL) */
    int (*set_flags)(int fd, int flags);   /* fcntl(F_SETFL) */
    int (*poll_one)(int fd, short events); /* poll() with no wait: revents */
    ssize_t (*read)(int fd, void *buf, size_t n);
    ssize_t (*write)(int fd, const void *buf, size_t n);
    ssize_t (*readv)(int fd, const struct iovec *v, int n);
    ssize_t (*writev)(int fd, const struct iovec *v, int n);
    ssize_t (*recv)(int fd, void *buf, size_t n, int flags);
    ssize_t (*send)(int fd, const void *buf, size_t n, int flags);
    ssize_t (*recvmsg)(int fd, struct msghdr *msg, int flags);
    ssize_t (*sendmsg)(int fd, const struct msghdr *msg, int flags);
    int (*accept)(int fd, struct sockaddr *addr, socklen_t *len, int flags); /* accept4() */
    int (*connect)(int fd, const struct sockaddr *addr, socklen_t len);
    int (*get_option)(int fd, int level, int name, void *value, socklen_t *len); /* getsockopt() */
    int (*close)(int fd);
    ssize_t (*pread_now)(int fd, void *buf, size_t n, int64_t at); /* preadv2(RWF_NOWAIT) */
    ssize_t (*pread)(int fd, void *buf, size_t n, int64_t at);
    ssize_t (*pwrite)(int fd, const void *buf, size_t n, int64_t at);
    int (*openat)(int dir, const char *path, int flags, unsigned mode);
    ssize_t (*preadv)(int fd, const struct iovec *v, int n, int64_t at);
    ssize_t (*pwritev)(int fd, const struct iovec *v, int n, int64_t at);
    int (*statx)(int dir, const char *path, int flags, unsigned mask, struct statx *ret);
    int (*fsync)(int fd, bool only_data); /* fsync() or fdatasync() */
    int (*fallocate)(int fd, int mode, int64_t at, int64_t n);
    int (*fchmod)(int fd, unsigned mode);
    int (*renameat)(int dir, const char *from, int to_dir, const char *to, unsigned flags);
    int (*unlinkat)(int dir, const char *path, int flags);
    int (*mkdirat)(int dir, const char *path, unsigned mode);
    ssize_t (*getdents)(int fd, void *buf, size_t n); /* getdents64() */
    ssize_t (*sendfile)(int to, int from, int64_t at, size_t n);
    /* io_uring's three, as sys/uring.h has them; NULL in a build without it. */
    int (*ring_open)(struct io_uring *ring, unsigned entries, struct io_uring_params *params);
    int (*ring_close)(struct io_uring *ring);
    int (*ring_probe)(struct io_uring *ring, struct io_uring_probe *probe, unsigned n);
    int (*ring_attach)(struct io_uring *ring); /* register its descriptor with this thread */
    int (*ring_detach)(struct io_uring *ring);
    int (*ring_buffers)(struct io_uring *ring, void *memory, unsigned entries, int group);
    int (*ring_enter)(struct io_uring *ring, int64_t timeout_ns); /* submit, wait for one */
    int (*fork)(void);
    int (*socket_pair)(int ret[2], int type);                 /* local, close-on-exec */
    int (*send_fds)(int fd, const int *fds, size_t n);        /* one message, without waiting */
    ssize_t (*send_now)(int fd, const void *buf, size_t n);   /* never waits; no SIGPIPE */
    ssize_t (*recv_now)(int fd, void *buf, size_t n);         /* never waits */
    ssize_t (*pipe_write)(int fd, const void *buf, size_t n); /* write(), and no SIGPIPE */
    int (*end_sending)(int fd);                               /* shutdown(SHUT_WR) */
    int (*poll)(struct pollfd *fds, size_t n, int64_t timeout_ns); /* <0: ever */
    int (*sigaction)(int signo, const struct sigaction *action, struct sigaction *before);
    int (*pipe)(int ret[2], int nonblocking); /* close-on-exec; 0 or 1: this end does not block */
    int (*kill)(int pid, int signo);
    /* Children, as sys/spawn.h has them. */
    int (*spawn)(struct aw_spawn *s);
    int (*pidfd_open)(int pid);
    int (*pidfd_signal)(int pidfd, int signo);
    int (*reap)(int pidfd, int pid, int *ret_status);
    /* Sockets and names: sys/net.h has the structs. */
    int (*socket)(int family, int type, int protocol); /* close-on-exec, non-blocking */
    int (*bind)(int fd, const struct sockaddr *addr, socklen_t len);
    int (*listen)(int fd, int backlog);
    int (*socket_name)(int fd, bool of_peer, struct sockaddr *addr, socklen_t *len);
    int (*set_option)(int fd, int level, int option, const void *value, socklen_t len);
    int (*lookup)(const char *host, const char *port, const struct addrinfo *hints,
                  struct addrinfo **ret); /* getaddrinfo(): blocks, for threads */
    void (*lookup_free)(struct addrinfo *found);
    int (*interface)(const char *name);                       /* if_nametoindex() */
    int (*file_id)(const char *path, struct aw_file_id *ret); /* lstat() */
    int (*unlink)(const char *path);
    ssize_t (*random)(void *buf, size_t n); /* getrandom() */
};
extern struct aw_sys_table aw_sys;

/* ---- memory ---- */

/* aw_mem_alloc(), aw_mem_zalloc(), aw_mem_free(): await/memory.h. */

/* The table's entry for bytes that nobody can foretell. */
ssize_t aw_random_now(void *buf, size_t n);

/* ---- guards ---- */

/* Make `count` pages fault that begin `stride` bytes apart, the first at `first`, without splitting
 * the mapping: how many do now, counted from the first.  0: it cannot be had here (now), use
 * aw_sys.protect_none(). */
size_t aw_guard_pages(char *first, size_t stride, size_t count);

/* The table's entries for it.  MADV_GUARD_INSTALL: how many were said to be made, or -errno.  And
 * whether the kernel, asked to write the byte to a pipe, can read it: 1, 0 or -errno. */
int aw_guard_by_advice(void *first, size_t stride, size_t count);
int aw_guard_can_read(const void *addr);

/* ---- clock ---- */

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t aw_clock_real(void);
/* Nanoseconds since 1970, of the clock that people set. */
int64_t aw_clock_wall(void);

/* A loop's clock: the real one, or a virtual one that stands still until it is moved. */
struct aw_clock {
    bool is_virtual;
    int64_t virtual_now; /* ns; what a virtual clock reads */
};

static inline int64_t aw_clock_now(const struct aw_clock *c)
{
    return AW_UNLIKELY(c->is_virtual) ? c->virtual_now : aw_clock_real();
}

/* ---- process, thread, environment ---- */

size_t aw_page_size(void);

/* Number of times this process is a fork of the one the library was loaded in.  `on_child` is
 * called in every forked child, in the forking thread, before fork() returns there. */
extern atomic_uint aw_forks; /* fork.c alone writes it */
static inline unsigned aw_fork_generation(void)
{
    return atomic_load_explicit(&aw_forks, memory_order_relaxed);
}
int aw_fork_watch(void (*on_child)(void)); /* once per process; later calls do nothing */

/* The one lock of the process, for rare things that threads share.  Not recursive. */
void aw_process_lock(void);
void aw_process_unlock(void);

/* Call `on_end` in this thread when it ends.  Every thread gives the same function; calling again
 * does nothing more.  0, or -errno. */
int aw_thread_watch(void (*on_end)(void));

/* 1, 2, ...: a number that this process gives out once. */
uint64_t aw_process_number(void);

/* Sleep while *word == expected, until the deadline (ns of the real clock; INT64_MAX: for ever): 0,
 * also without reason, or -ETIMEDOUT.  And wake all who do, or one. */
int aw_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline);
void aw_futex_wake_all(_Atomic uint32_t *word);
void aw_futex_wake_one(_Atomic uint32_t *word);

/* Let another thread run. */
void aw_thread_yield(void);

/* Between two looks at a word that another thread will change. */
static inline void aw_cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* A descriptor of /dev/null, closed on exec: again as often as a signal comes between.  Errno < 0.
 */
int aw_open_null(void);

/* The number of the calling thread, for messages. */
long aw_thread_id(void);

/* Writes text to standard error in one piece, as far as that goes. */
void aw_stderr_write(const char *text, size_t n);

/* "module+0xoffset" of a code address into `out` (always NUL-terminated), for addr2line. */
void aw_code_address(const void *addr, char *out, size_t size);

/* ---- signals ---- */

/* Called in signal context, in any thread. */
typedef void aw_signal_fn(int signo, void *arg);

/* Have fn(signo, arg) called for a signal, until it is given back: 0, -EINVAL, -EBUSY when somebody
 * has it, or sigaction()'s -errno.  Giving back restores the former action and waits for handlers
 * that are at work; not from a handler. */
int aw_signal_take(int signo, aw_signal_fn *fn, void *arg);
void aw_signal_give_back(int signo);
bool aw_signal_is_default_sigint(void);

/* Send it to this process; and end the process as the signal's default action does. */
void aw_signal_raise(int signo);
_Noreturn void aw_signal_die(int signo);

bool aw_is_main_thread(void);

/* ---- faults ---- */

/* Called in signal context on the alternate stack with the address of a memory fault, and where the
 * faulting code had its stack (0: not known on this machine): true when it knew them and has said
 * so (the process then ends by the signal's default action), false to pass the fault to whoever
 * handled it before. */
typedef bool aw_trap_fn(uintptr_t addr, uintptr_t sp);

/* Handle SIGSEGV on an alternate stack of this thread, but only where the default action was in
 * force or `force` is given; a former handler is chained to.  Returns 0, 1 when somebody else's
 * handler was left alone, or -errno (-EBUSY: installed with another function).  Thread by thread;
 * counted, so that nested calls pair up: each call that returned 0 is undone by one remove, in the
 * same thread and before it ends.  A remove without an install does nothing. */
int aw_trap_install(aw_trap_fn *fn, bool force);
void aw_trap_remove(void);

#endif
