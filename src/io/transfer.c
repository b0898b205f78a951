/*
 * transfer.c - the system calls of reading, writing and sockets.
 *
 * Both backends do them now and then: epoll all of them, when a descriptor is ready; io_uring what
 * must not wait in the kernel.  Messages are told not to wait by a flag of the call; connecting,
 * which knows no such flag, by the descriptor's own, which is put back before anybody else runs.
 */
#include "io/io.h"

enum {
    VECTORS_AT_ONCE = 16,
    BEGUN = 1, /* op->phase, of connecting: the first call was made */
};

bool aw_op_is_message(const struct aw_op *op)
{
    return op->kind >= AW_OP_RECV && op->kind <= AW_OP_SENDMSG;
}

bool aw_op_is_impatient(const struct aw_op *op)
{
    return aw_op_is_message(op) && (op->flags & MSG_DONTWAIT);
}

/* A local connection is made, or refused, by the call; what is no address is refused. */
bool aw_op_connects_at_once(const struct aw_op *op)
{
    const struct sockaddr *addr = op->buf;
    return op->kind == AW_OP_CONNECT &&
           (op->len < sizeof addr->sa_family || addr->sa_family == AF_UNIX ||
            addr->sa_family == AF_UNSPEC);
}

size_t aw_op_length(const struct aw_op *op)
{
    if (op->kind != AW_OP_READV && op->kind != AW_OP_WRITEV)
        return op->len;
    const struct iovec *v = op->buf;
    size_t sum = 0;
    for (size_t i = 0; i < op->len; i++)
        sum += v[i].iov_len;
    return sum;
}

/* The first `max` bytes of what the vectors name, or fewer.  Those of nothing are left out, so that
 * something is written. */
static int64_t write_first(const struct aw_op *op, size_t max)
{
    const struct iovec *all = op->buf;
    struct iovec first[VECTORS_AT_ONCE];
    int n = 0;
    for (size_t i = 0; i < op->len && n < VECTORS_AT_ONCE && max > 0; i++) {
        if (all[i].iov_len == 0)
            continue;
        first[n] = all[i];
        if (first[n].iov_len > max)
            first[n].iov_len = max;
        max -= first[n++].iov_len;
    }
    return aw_sys.writev(op->fd, first, n);
}

/* A failed attempt may have left its mark on the socket, and the next call only takes it away:
 * -ECONNABORTED.  So it is made once more, as the kernel does it for io_uring. */
static int64_t connect_twice(const struct aw_op *op)
{
    int result = aw_sys.connect(op->fd, op->buf, (socklen_t)op->len);
    if (result == -ECONNABORTED)
        result = aw_sys.connect(op->fd, op->buf, (socklen_t)op->len);
    return result;
}

static int64_t connect_without_waiting(const struct aw_op *op)
{
    int flags = aw_sys.get_flags(op->fd);
    if (flags < 0)
        return flags;
    if (flags & O_NONBLOCK)
        return connect_twice(op);
    int err = aw_sys.set_flags(op->fd, flags | O_NONBLOCK);
    if (err < 0)
        return err;
    int64_t result = connect_twice(op);
    (void)aw_sys.set_flags(op->fd, flags); /* it has just been possible */
    return result;
}

int64_t aw_op_call(const struct aw_op *op, size_t max)
{
    switch (op->kind) {
    case AW_OP_READ:
        return aw_sys.read(op->fd, op->buf, op->len);
    case AW_OP_WRITE:
        return aw_sys.write(op->fd, op->buf, op->len < max ? op->len : max);
    case AW_OP_READV:
        return aw_sys.readv(op->fd, op->buf, (int)op->len);
    case AW_OP_WRITEV:
        if (max < SIZE_MAX)
            return write_first(op, max);
        return aw_sys.writev(op->fd, op->buf, (int)op->len);
    case AW_OP_RECV:
        return aw_sys.recv(op->fd, op->buf, op->len, op->flags | MSG_DONTWAIT);
    case AW_OP_SEND:
        return aw_sys.send(op->fd, op->buf, op->len, op->flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    case AW_OP_RECVMSG:
        return aw_sys.recvmsg(op->fd, op->buf, op->flags | MSG_DONTWAIT);
    case AW_OP_SENDMSG:
        return aw_sys.sendmsg(op->fd, op->buf, op->flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    case AW_OP_ACCEPT:
        return aw_sys.accept(op->fd, op->buf, op->more, op->flags);
    default:
        aw_assert(op->kind == AW_OP_CONNECT);
        return connect_without_waiting(op);
    }
}

int64_t aw_op_call_impatiently(const struct aw_op *op)
{
    int64_t result;
    do {
        result = aw_op_call(op, SIZE_MAX);
    } while (result == -EINTR);
    return result;
}

/* ---- waiting ---- */

int64_t aw_op_readiness(int fd, short events)
{
    int ready;
    do {
        ready = aw_sys.poll_one(fd, events);
    } while (ready == -EINTR);
    if (ready < 0)
        return ready;
    if (ready & POLLNVAL)
        return -EBADF;
    return ready ? ready : AW_OP_MUST_WAIT;
}

bool aw_op_is_refused(const struct aw_op *op, int flags)
{
    int way = flags & O_ACCMODE;
    if (op->kind != AW_OP_ACCEPT)
        return way == (aw_op_side(op) == AW_SIDE_WRITE ? O_RDONLY : O_WRONLY);
    int listening = 0;
    socklen_t len = sizeof listening;
    int err = aw_sys.get_option(op->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len);
    return err == -ENOTSOCK || err == -EBADF || (err == 0 && !listening);
}

int64_t aw_op_try_connect(struct aw_op *op)
{
    int64_t result = aw_op_call(op, SIZE_MAX);
    if (result == -EINPROGRESS || result == -EINTR || (result == -EALREADY && op->phase == BEGUN)) {
        op->phase = BEGUN;
        return AW_OP_MUST_WAIT;
    }
    return result == -EISCONN && op->phase == BEGUN ? 0 : result;
}
