/*
 * await/io.h - POSIX calls that suspend the task in place of blocking the thread.
 *
 * Each has the result of the call it is named after, with a negated errno for an error.  They work
 * on blocking and non-blocking descriptors alike; the descriptor's own flags are left alone.
 *
 * Cancellation.  An operation that took effect returns that effect (bytes moved) even when the
 * task was cancelled meanwhile; the cancellation then waits for the next suspension point.  Only
 * an operation without effect returns -ECANCELED.  The buffer is not touched after the return.
 *
 * A call that can be answered at once does not suspend: a task that reads what is always ready lets
 * no other run until it waits for something else (aw_sleep(0) gives way).
 *
 * Do not close a descriptor that a task waits on: cancel the task first.
 */
#ifndef AWAIT_IO_H
#define AWAIT_IO_H

#include <sys/types.h>

#include "await/task.h"

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
 * condition is there; returns what is (> 0).  For descriptors that a foreign library reads. */
AW_API int aw_poll(int fd, short events) AW_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
