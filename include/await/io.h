/*
 * await/io.h - POSIX calls that suspend the task in place of blocking the thread.
 *
 * Each has the result of the call it is named after, with a negated errno for an error, and
 * aw_errmsg() then says with which descriptor, path or address, and why (await/error.h).  They work
 * on blocking and non-blocking descriptors alike; the descriptor's own flags are left alone.
 *
 * Cancellation.  An operation that took effect returns that effect (bytes moved) even when the
 * task was cancelled meanwhile; the cancellation then waits for the next suspension point.  Only
 * an operation without effect returns -ECANCELED.  The buffer is not touched after the return.
 *
 * A call that can be answered at once may do so without suspending, as the backend likes it: a task
 * that reads what is always ready need not let others run until it waits for something else
 * (aw_sleep(0) gives way).  Reads of one descriptor, by several tasks, get what comes in the order
 * in which they were called, and writes likewise.
 *
 * Files.  aw_pread() takes what is in the page cache at once.  Everything else is done by the
 * kernel while the loop goes on (io_uring); or, with epoll, which knows no files, by a thread of
 * the loop's pool (await/executor.h): also aw_read() and aw_write() of a file that was opened
 * without O_NONBLOCK (with it the loop waits), one after the other on each descriptor.  What the
 * kernel or a thread has begun with a disk cannot be broken off: a cancelled call then returns when
 * it is over, with its effect.  More calls on files are in await/file.h.
 *
 * Do not close a descriptor that a task waits on: cancel the task first.
 */
#ifndef AWAIT_IO_H
#define AWAIT_IO_H

#include <stdint.h>
#include <sys/types.h>

#include "await/task.h"

/* Those of <sys/socket.h> and <sys/uio.h>, whose many names not every program wants. */
struct iovec;
struct msghdr;
struct sockaddr;
typedef unsigned aw_socklen; /* socklen_t */

#ifdef __cplusplus
extern "C" {
#endif

/* read(2): up to n bytes as soon as there are any; 0 at end of file.  Suspends.  Errors: those of
 * read(2) negated, -ECANCELED, AW_EMISUSE outside a task, -EINVAL for a NULL buffer. */
AW_API ssize_t aw_read(int fd, void *buf, size_t n) AW_MUST_USE;

/* write(2): as many bytes as there is room for, at least one.  Suspends; errors as aw_read(), with
 * -EPIPE for a pipe nobody reads (SIGPIPE is the program's business). */
AW_API ssize_t aw_write(int fd, const void *buf, size_t n) AW_MUST_USE;

/* poll(2) for one descriptor: wait until one of `events` (POLLIN, POLLOUT, ...) or an error
 * condition (POLLERR, POLLHUP) is there; returns what is (> 0).  For descriptors that a foreign
 * library reads.  With no events, 0, it waits for an error condition alone; that the other side has
 * ended its sending is none, and told to who asks for POLLIN or POLLRDHUP.  A file, a folder, or a
 * device such as /dev/null is always ready for POLLIN and POLLOUT, and for nothing else: without
 * either it is -EINVAL, as it would wait for ever. */
AW_API int aw_poll(int fd, short events) AW_MUST_USE;

/* readv(2) and writev(2): aw_read() and aw_write() with several buffers.  The vectors and what they
 * name stay the caller's, and in place, until the call returns.  -EINVAL also for more than 1,024
 * of them, or fewer than none. */
AW_API ssize_t aw_readv(int fd, const struct iovec *v, int n) AW_MUST_USE;
AW_API ssize_t aw_writev(int fd, const struct iovec *v, int n) AW_MUST_USE;

/* ---- sockets ----
 *
 * Any socket will do, blocking or not.  Receiving calls on one socket, aw_read(), aw_readv() and
 * aw_accept() among them, take their turn in the order in which they were called, and so do sending
 * ones with aw_connect().  A call with MSG_DONTWAIT never waits: -EAGAIN.  MSG_WAITALL is refused
 * with -EOPNOTSUPP: what arrived before a cancellation would be neither lost nor told.
 *
 * Each has also the errors of the call it is named after, negated; -ECANCELED, then nothing was
 * taken, sent or accepted; AW_EMISUSE outside a task; -EINVAL for a NULL pointer. */

/* recv(2): up to n bytes, or one datagram, as soon as there are any; 0 at the end of a stream, or
 * for an empty datagram. */
AW_API ssize_t aw_recv(int fd, void *buf, size_t n, int flags) AW_MUST_USE;

/* send(2): as many bytes as there is room for, at least one; a datagram whole.  There is no
 * SIGPIPE: MSG_NOSIGNAL is always added. */
AW_API ssize_t aw_send(int fd, const void *buf, size_t n, int flags) AW_MUST_USE;

/* recvmsg(2) and sendmsg(2): the same with addresses, several buffers and ancillary data.  The
 * message and all that it names stay in place until the call returns.  Descriptors that are
 * received belong to the caller; MSG_CMSG_CLOEXEC is not added. */
AW_API ssize_t aw_recvmsg(int fd, struct msghdr *msg, int flags) AW_MUST_USE;
AW_API ssize_t aw_sendmsg(int fd, const struct msghdr *msg, int flags) AW_MUST_USE;

/* accept4(2): the next connection of a listening socket, as a descriptor that is the caller's,
 * non-blocking and close-on-exec; `addr` and `len` as there, both may be NULL.  A connection that
 * was taken is returned also to a task that was cancelled meanwhile.  -EMFILE and the like leave it
 * where it was: to call again at once would spin. */
AW_API int aw_accept(int fd, struct sockaddr *addr, aw_socklen *len) AW_MUST_USE;

/* connect(2): 0 when the connection is there.  On a socket of TCP it suspends until that is
 * decided; a local socket, or a datagram one, is connected or refused at once, with -EAGAIN where
 * the listener's queue is full.  -EISCONN, and -EALREADY when somebody else has begun it.
 * Cancelled, it leaves a socket on which the kernel may go on connecting: close it.  With epoll a
 * socket that blocks is made not to for the moment in which the attempt begins or is looked at. */
AW_API int aw_connect(int fd, const struct sockaddr *addr, aw_socklen len) AW_MUST_USE;

/* ---- files ---- */

/* pread(2): up to n bytes from `offset` on, counted from the file's beginning; fewer only at its
 * end, where it is 0.  The file's position stays; calls on one file are not ordered.  Suspends.
 * Errors: those of pread(2) negated, -ECANCELED, AW_EMISUSE outside a task, -EINVAL for a NULL
 * buffer or a negative offset; with epoll also those of aw_to_thread().  For what has no positions,
 * a pipe or a socket, it is an error to call it; with io_uring it may read from it all the same. */
AW_API ssize_t aw_pread(int fd, void *buf, size_t n, int64_t offset) AW_MUST_USE;

/* pwrite(2): write n bytes from `offset` on; fewer if the disk is full.  Suspends; errors as
 * aw_pread(). */
AW_API ssize_t aw_pwrite(int fd, const void *buf, size_t n, int64_t offset) AW_MUST_USE;

/* openat(2): a descriptor for `path`, relative to the directory `dir` or (AT_FDCWD) the working
 * directory; `flags` and `mode` as there, O_CLOEXEC included: it is not added.  The descriptor is
 * the caller's, also when the task was cancelled meanwhile.  Suspends.  Errors: those of openat(2)
 * negated, -ECANCELED, AW_EMISUSE outside a task, -EINVAL for a NULL path; with epoll also those of
 * aw_to_thread(), and a FIFO without another end then keeps a cancelled call waiting. */
AW_API int aw_openat(int dir, const char *path, int flags, unsigned mode) AW_MUST_USE;

/* close(2): gives the descriptor up.  May suspend, and is not broken off by a cancellation, which
 * waits for the next call: so a cancelled task can clean up.  0, or errors of close(2) negated: but
 * for -EBADF the descriptor is closed all the same; AW_EMISUSE outside a task. */
AW_API int aw_close(int fd);

#ifdef __cplusplus
}
#endif
#endif
