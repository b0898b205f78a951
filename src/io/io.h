/*
 * io.h - the seam between the loop and the kernel.
 *
 * An operation is a record on its caller's stack.  A backend takes it (submit), and exactly once
 * puts it on the list of the completed ones (poll), with its result; in between the record and
 * its buffer belong to the backend.  Cancelling asks the backend to hurry up: the operation still
 * completes exactly once, with -ECANCELED if it had no effect and with its effect otherwise.
 * epoll, io_uring and the simulator fill the same table; nothing above it can tell which.
 *
 * A descriptor must stay open while an operation is in flight on it.  Reads of one descriptor are
 * served in the order of their submission, and so are writes.
 *
 *      caller               backend                       kernel
 *      submit(op) --------> tries it, or queues it -----> (in flight)
 *      cancel(op) --------> withdraws it, or asks  -----> (in flight until it says so)
 *      poll(timeout) <----- list of completed ops  <----- done
 */
#ifndef AW_IO_H
#define AW_IO_H

#include "base/list.h"
#include "sys/sys.h"

enum aw_op_kind {
    AW_OP_POLL,  /* wait for readiness: events in, ready events out as the result */
    AW_OP_READ,  /* read(fd, buf, len) at the file position */
    AW_OP_WRITE, /* write(fd, buf, len) at the file position */
};

enum aw_op_state {
    AW_OP_IDLE,      /* not the backend's */
    AW_OP_IN_FLIGHT, /* submitted, not completed: record and buffer are the backend's */
    AW_OP_COMPLETED, /* on a completed list, or handed back: `result` is set */
};

/* An operation.  The caller fills the first part and keeps the record in place until it has come
 * back completed. */
struct aw_op {
    uint8_t kind;  /* enum aw_op_kind */
    uint8_t state; /* enum aw_op_state, kept by the backend */
    int fd;
    short events; /* AW_OP_POLL: POLLIN, POLLOUT, ... */
    void *buf;    /* AW_OP_READ, AW_OP_WRITE */
    size_t len;
    int64_t result;                 /* set when completed: >= 0 or -errno */
    void (*done)(struct aw_op *op); /* what the loop does with it once it has been polled */
    aw_list link;                   /* the backend's: its fd's queue, then the completed list */
};

struct aw_io; /* a backend's instance */

/* At most eight functions.  All but wake() are called by the thread that runs the loop. */
struct aw_io_backend {
    const char *name; /* "epoll": what AWAIT_BACKEND and reports call it */

    /* Make an instance for the calling thread.  0 or -errno; `why`, if not NULL, is then set to a
     * static text that says what was missing. */
    int (*open)(struct aw_io **ret, const char **why);

    /* Frees the instance.  Operations still in flight are dropped: nobody waits for them. */
    void (*close)(struct aw_io *io);

    /* Begin an operation.  True: it completed at once, op->result is set, and it will not appear
     * in poll().  False: it is in flight. */
    bool (*submit)(struct aw_io *io, struct aw_op *op);

    /* Ask an operation in flight to end.  True: it has ended here and now with -ECANCELED and will
     * not appear in poll().  False: it will appear there, cancelled or with its effect. */
    bool (*cancel)(struct aw_io *io, struct aw_op *op);

    /* Wait until something completes, wake() is called or the time is over (ns; 0: do not wait,
     * < 0: no limit), and append what completed to `completed`.  It may return early with nothing
     * completed: a signal came, or an event that nobody waits for.  0, or -errno, never -EINTR. */
    int (*poll)(struct aw_io *io, int64_t timeout_ns, aw_list *completed);

    /* Make a poll() that waits, or the next one, return.  Any thread, any signal handler. */
    void (*wake)(struct aw_io *io);
};

/* Operations in flight, so that the loop can tell "idle" from "waiting for the kernel". */
struct aw_io {
    const struct aw_io_backend *backend;
    size_t in_flight;
};

extern const struct aw_io_backend aw_io_epoll;

/* The backend for this process: the one that AWAIT_BACKEND names, or the best one that opens.
 * 0 or -errno, with `why` as in open(); a backend asked for by name and not obtained is an error,
 * an unknown name -EINVAL. */
int aw_io_open(struct aw_io **ret, const char *name, const char **why);

#endif
