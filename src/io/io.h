/*
 * io.h - the seam between the loop and the kernel.
 *
 * An operation is a record on its caller's stack.  A backend takes it (submit), and exactly once
 * puts it on the list of the completed ones (poll), with its result; in between the record and
 * its buffer belong to the backend.  Cancelling asks the backend to hurry up: the operation still
 * completes exactly once, with -ECANCELED if it had no effect and with its effect otherwise.
 * One kind goes on until it is told to end, and hands over what arrives meanwhile: receive.h.
 * epoll, io_uring and the simulator fill the same table; nothing above it can tell which.
 *
 * A descriptor must stay open while an operation is in flight on it.  Reads of one descriptor are
 * served in the order of their submission, and so are writes; operations with an offset of their
 * own are not ordered.
 *
 *      caller               backend                       kernel
 *      submit(op) --------> tries it, or queues it -----> (in flight)
 *      cancel(op) --------> withdraws it, or asks  -----> (in flight until it says so)
 *      poll(timeout) <----- list of completed ops  <----- done
 *
 * An operation on a file blocks where a thread may not: io_uring does it all the same, epoll does
 * what can be done at once and gives the rest back (AW_OP_NEEDS_THREAD) to be done by a thread of
 * the pool, with aw_op_block().
 */
#ifndef AW_IO_H
#define AW_IO_H

#include "base/list.h"
#include "sys/sys.h"

/* What there is to do, and the fields that say it.  A new one needs a line here, a case in
 * entry.c, and one in epoll.c (try_op) if it waits for readiness, or in files.c if it
 * blocks; fields that a kind does not name are zero. */
enum aw_op_kind {
    AW_OP_POLL,    /* wait for readiness: fd, events; ready events out as the result */
    AW_OP_READ,    /* fd, buf, len: read(2) at the file position */
    AW_OP_WRITE,   /* fd, buf, len: write(2) at the file position */
    AW_OP_READV,   /* fd, buf: the vectors, len: how many; at the file position */
    AW_OP_WRITEV,  /* the same */
    AW_OP_RECV,    /* fd, buf, len, flags: those of recv(2) */
    AW_OP_SEND,    /* fd, buf, len, flags: those of send(2), and MSG_NOSIGNAL */
    AW_OP_RECVMSG, /* fd, buf: the struct msghdr, flags */
    AW_OP_SENDMSG, /* fd, buf: the struct msghdr, flags: and MSG_NOSIGNAL */
    AW_OP_ACCEPT,  /* fd, buf: room for the address or NULL, more: its socklen_t or NULL, flags */
    AW_OP_CONNECT, /* fd, buf: the address, len */
    AW_OP_RECEIVE, /* of a struct aw_receiver: see receive.h */
    AW_OP_PREAD,   /* fd, buf, len, offset */
    AW_OP_PWRITE,  /* fd, buf, len, offset */
    AW_OP_OPENAT,  /* fd (or AT_FDCWD), buf: the path, flags, mode; the descriptor as the result */
    AW_OP_CLOSE,   /* fd */
    AW_OP_PREADV,  /* fd, buf: the vectors, len: how many, offset */
    AW_OP_PWRITEV, /* the same */
    AW_OP_STATX,   /* fd, buf: the path, flags, mode: the mask, more: the struct statx */
    AW_OP_FSYNC,   /* fd, flags: not 0 for the data alone */
    AW_OP_FALLOCATE, /* fd, flags: its mode, offset, len */
    AW_OP_RENAMEAT,  /* fd, buf: the old path, other, more: the new one, flags */
    AW_OP_UNLINKAT,  /* fd, buf: the path, flags */
    AW_OP_MKDIRAT,   /* fd, buf: the path, mode: only by a thread, as those that follow */
    AW_OP_GETDENTS,  /* fd, buf, len */
    AW_OP_SENDFILE,  /* fd: to what, other: from where, offset, len */
    AW_OP_POST,      /* fd, buf, len: only by the backend's post() */
    AW_OP_KINDS
};

/* What an operation takes its turn in, among the others of its descriptor. */
enum aw_op_side { AW_NO_SIDE, AW_SIDE_READ, AW_SIDE_WRITE };

/* A result for the caller of submit() alone: only a thread can do this. */
#define AW_OP_NEEDS_THREAD INT64_MIN

/* Inside a backend: it cannot be done now, wait for readiness.  (-EAGAIN may be a result.) */
#define AW_OP_MUST_WAIT (INT64_MIN + 1)

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
    uint8_t phase; /* the backend's: how far it has got */
    bool asked;    /* the backend's: cancel() was called */
    int fd;
    int other;    /* a second descriptor; of a kind that has none, the backend's */
    short events; /* POLLIN, POLLOUT, ... */
    int flags;
    unsigned mode;
    void *buf;
    void *more;
    size_t len;
    int64_t offset;
    int64_t result;                 /* set when completed: >= 0 or -errno */
    void (*done)(struct aw_op *op); /* what the loop does with it once it has been polled */
    aw_list link;                   /* the backend's: its fd's queue, then the completed list */
    aw_list all;                    /* the backend's: where it is on the way to the kernel */
};

struct aw_io; /* a backend's instance */

/* Nine functions, and no more.  All but wake() are called by the thread that runs the loop, and
 * between runs by the one that the loop belongs to then. */
struct aw_io_backend {
    const char *name; /* "epoll": what AWAIT_BACKEND and reports call it */

    /* Make an instance.  0 or -errno; `why`, if not NULL, is then set to a
     * static text that says what was missing. */
    int (*open)(struct aw_io **ret, const char **why);

    /* Frees the instance, after leave().  Operations still in flight are dropped: nobody waits for
     * them. */
    void (*close)(struct aw_io *io);

    /* The calling thread begins to run the loop, and ends to; another one may be next.  NULL where
     * the thread makes no difference.  enter() gives 0 or -errno.  After leave() nothing is with
     * the kernel: what it had completed is appended to `completed`, the rest is still in flight as
     * far as the caller can tell, and will go on in the next run. */
    int (*enter)(struct aw_io *io);
    void (*leave)(struct aw_io *io, aw_list *completed);

    /* Begin an operation.  True: it completed at once, op->result is set, and it will not appear
     * in poll().  False: it is in flight. */
    bool (*submit)(struct aw_io *io, struct aw_op *op);

    /* Send a few bytes, as send(2) with MSG_DONTWAIT does, together with what others post before
     * the next poll(): one call for many of them.  True: it is in flight, of op->buf there is a
     * copy, to which op->buf points until op->done() has been called; it completes in the next
     * poll() with how many bytes were taken, or -EAGAIN, or an error, and cancelling changes
     * nothing of that. False: it is not worth while now, or there is no room: send them by a call.
     * May be NULL. */
    bool (*post)(struct aw_io *io, struct aw_op *op);

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

/* Memory to receive into, made when it is needed: see receive.h. */
enum { AW_SLABS = 6 };
struct aw_chunks {
    aw_list free;     /* given back, or never used */
    aw_list starving; /* receivers that wait for one: op->all */
    unsigned made;
    struct aw_slab *slabs[AW_SLABS];
};

/* Of a backend that makes completions itself, at times of the loop's clock: the simulator. */
struct aw_io_time {
    const struct aw_clock *clock; /* the loop's, and its trace; set by the loop */
    const uint64_t *trace;
    size_t in_flight; /* operations that wait for nothing outside the process */
    /* When the next of them may go on, so that it has to be polled; INT64_MAX: never. */
    int64_t (*next)(const struct aw_io *io);
};

/* Operations in flight, so that the loop can tell "idle" from "waiting for the kernel". */
struct aw_io {
    const struct aw_io_backend *backend;
    size_t in_flight;
    struct aw_io_time *time; /* NULL, but for the simulator */
};

/* How many operations something outside the process may complete. */
static inline size_t aw_io_outside(const struct aw_io *io)
{
    return io->in_flight - (AW_UNLIKELY(io->time != NULL) ? io->time->in_flight : 0);
}

extern const struct aw_io_backend aw_io_epoll;
extern const struct aw_io_backend aw_io_uring;

/* One more backend, which is only used where it is asked for by name; or NULL. */
extern const struct aw_io_backend *_Atomic aw_io_simulator;

/* The backend for this process: the one that `name` or else AWAIT_BACKEND names, or the best one
 * that opens.  0 or -errno, with `why` as in open(); a backend asked for by name and not obtained
 * is an error, an unknown name -EINVAL.  On success `why` is what a better one was missing, or
 * NULL if there is no better one. */
int aw_io_open(struct aw_io **ret, const char *name, const char **why);

/* Whose turn it has to wait for. */
static inline enum aw_op_side aw_op_side(const struct aw_op *op)
{
    static const uint8_t sides[AW_OP_KINDS] = {
        [AW_OP_READ] = AW_SIDE_READ,     [AW_OP_READV] = AW_SIDE_READ,
        [AW_OP_RECV] = AW_SIDE_READ,     [AW_OP_RECVMSG] = AW_SIDE_READ,
        [AW_OP_ACCEPT] = AW_SIDE_READ,   [AW_OP_WRITE] = AW_SIDE_WRITE,
        [AW_OP_WRITEV] = AW_SIDE_WRITE,  [AW_OP_SEND] = AW_SIDE_WRITE,
        [AW_OP_SENDMSG] = AW_SIDE_WRITE, [AW_OP_CONNECT] = AW_SIDE_WRITE,
    };
    return (enum aw_op_side)sides[op->kind];
}

/* Does it name a place in a file, and not go by the file's position? */
static inline bool aw_op_has_offset(const struct aw_op *op)
{
    switch (op->kind) {
    case AW_OP_PREAD:
    case AW_OP_PWRITE:
    case AW_OP_PREADV:
    case AW_OP_PWRITEV:
    case AW_OP_FALLOCATE:
        return true;
    default:
        return false;
    }
}

/* ---- transfers and sockets (transfer.c) ---- */

/* Can the call itself be told not to wait, whatever the descriptor's flags are? */
bool aw_op_is_message(const struct aw_op *op);

/* What is to be told at once: the caller has asked not to be kept waiting (MSG_DONTWAIT). */
bool aw_op_is_impatient(const struct aw_op *op);

/* The system call of an operation that has a side: its result, as it is.  It waits if the
 * descriptor does, but for messages and for connecting, which never do.  write() and writev() write
 * at most `max` bytes. */
int64_t aw_op_call(const struct aw_op *op, size_t max);

/* The same for what never waits, and all of it. */
int64_t aw_op_call_impatiently(const struct aw_op *op);

/* How many bytes it is about: of all vectors. */
size_t aw_op_length(const struct aw_op *op);

/* The readiness of a descriptor now: events, AW_OP_MUST_WAIT for none, or an error. */
int64_t aw_op_readiness(int fd, short events);

/* Would the call be refused, although the descriptor is not ready?  If it is open for the other
 * direction, or, for accepting, if nobody listens there.  `flags` are the descriptor's. */
bool aw_op_is_refused(const struct aw_op *op, int flags);

/* Begins to connect, or, when the socket is ready, asks how it has gone (until then each call gives
 * -EALREADY): the result or AW_OP_MUST_WAIT.  op->phase is 0 before the first call. */
int64_t aw_op_try_connect(struct aw_op *op);

/* Is connecting over with its call?  Else that may give -EINPROGRESS, and later -EALREADY until it
 * is over, and then the result: 0 or -EISCONN, or the error. */
bool aw_op_connects_at_once(const struct aw_op *op);

/* ---- files ---- */

/* Is `fd` the directory that a name is looked up in?  It may then be AT_FDCWD. */
static inline bool aw_op_has_name(const struct aw_op *op)
{
    return op->kind == AW_OP_OPENAT || op->kind == AW_OP_STATX || op->kind == AW_OP_RENAMEAT ||
           op->kind == AW_OP_UNLINKAT || op->kind == AW_OP_MKDIRAT;
}

/* An operation on a file: its result if it does not have to wait for a disk, or
 * AW_OP_NEEDS_THREAD. */
int64_t aw_op_at_once(const struct aw_op *op);

/* The same in any thread, which may block. */
int64_t aw_op_block(const struct aw_op *op);

#endif
