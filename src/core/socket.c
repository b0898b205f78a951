/*
 * socket.c - aw_recv and its kin: messages, vectors, connections.
 *
 * Each lays out an operation and awaits it, as those of fd.c do.
 */
#include "core/core.h"
#include "core/op.h"

#define AW_VECTORS_MAX 1024 /* the kernel's */

_Static_assert(_Generic((socklen_t){0}, aw_socklen
                        : true, default
                        : false),
               "the public header has the system's type under a name of its own");

static int check_buffer(const void *buf, size_t n)
{
    return !buf && n ? aw_fail(-EINVAL, "the buffer is NULL") : 0;
}

/* The kernel's interface would gather here, and readiness would not. */
static int check_flags(int flags)
{
    return flags & MSG_WAITALL ? aw_fail(-EOPNOTSUPP, "MSG_WAITALL: call it again for the rest")
                               : 0;
}

ssize_t aw_recv(int fd, void *buf, size_t n, int flags)
{
    AW_TRY(check_buffer(buf, n));
    AW_TRY(check_flags(flags));
    struct aw_op op = {
        .kind = AW_OP_RECV, .fd = fd, .buf = buf, .len = aw_op_len(n), .flags = flags};
    return (ssize_t)aw_op_await(&op, __builtin_return_address(0));
}

ssize_t aw_send(int fd, const void *buf, size_t n, int flags)
{
    AW_TRY(check_buffer(buf, n));
    AW_TRY(check_flags(flags));
    struct aw_op op = {
        .kind = AW_OP_SEND, .fd = fd, .buf = (void *)buf, .len = aw_op_len(n), .flags = flags};
    return (ssize_t)aw_op_await(&op, __builtin_return_address(0));
}

ssize_t aw_recvmsg(int fd, struct msghdr *msg, int flags)
{
    AW_TRY(msg ? check_flags(flags) : aw_fail(-EINVAL, "the message is NULL"));
    struct aw_op op = {.kind = AW_OP_RECVMSG, .fd = fd, .buf = msg, .flags = flags};
    return (ssize_t)aw_op_await(&op, __builtin_return_address(0));
}

ssize_t aw_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    AW_TRY(msg ? check_flags(flags) : aw_fail(-EINVAL, "the message is NULL"));
    struct aw_op op = {.kind = AW_OP_SENDMSG, .fd = fd, .buf = (void *)msg, .flags = flags};
    return (ssize_t)aw_op_await(&op, __builtin_return_address(0));
}

/* ---- vectors ---- */

int aw_check_vectors(const struct iovec *v, int n)
{
    if (n < 0 || n > AW_VECTORS_MAX)
        return aw_fail(-EINVAL, "the number of vectors");
    if (!v && n)
        return aw_fail(-EINVAL, "the vectors are NULL");
    size_t sum = 0;
    for (int i = 0; i < n; i++) {
        if (!v[i].iov_base && v[i].iov_len)
            return aw_fail(-EINVAL, "a vector's buffer is NULL");
        if (v[i].iov_len > PTRDIFF_MAX - sum)
            return aw_fail(-EINVAL, "the vectors are longer than a result can tell");
        sum += v[i].iov_len;
    }
    return 0;
}

/* Of nothing: does not wait, and tells a bad descriptor. */
static int empty_vectors(const struct aw_op *op)
{
    if (!aw_self.loop || !aw_self.loop->current)
        return aw_no_loop();
    int result = (int)(op->kind == AW_OP_READV ? aw_sys.readv(op->fd, op->buf, (int)op->len)
                                               : aw_sys.writev(op->fd, op->buf, (int)op->len));
    return result < 0 ? aw_op_fail(op, result) : result;
}

static ssize_t transfer(struct aw_op *op, const char *name, const void *caller)
{
    AW_TRY(aw_check_vectors(op->buf, (int)op->len));
    return aw_op_length(op) ? (ssize_t)aw_op_await_in_turn(op, name, caller) : empty_vectors(op);
}

ssize_t aw_readv(int fd, const struct iovec *v, int n)
{
    struct aw_op op = {.kind = AW_OP_READV, .fd = fd, .buf = (void *)v, .len = (size_t)n};
    return transfer(&op, "aw_readv", __builtin_return_address(0));
}

ssize_t aw_writev(int fd, const struct iovec *v, int n)
{
    struct aw_op op = {.kind = AW_OP_WRITEV, .fd = fd, .buf = (void *)v, .len = (size_t)n};
    return transfer(&op, "aw_writev", __builtin_return_address(0));
}

/* ---- connections ---- */

int aw_accept(int fd, struct sockaddr *addr, aw_socklen *len)
{
    if (addr && !len)
        return aw_fail(-EINVAL, "the room for the address is not told");
    struct aw_op op = {.kind = AW_OP_ACCEPT,
                       .fd = fd,
                       .buf = addr,
                       .more = addr ? len : NULL,
                       .flags = SOCK_NONBLOCK | SOCK_CLOEXEC};
    return (int)aw_op_await(&op, __builtin_return_address(0));
}

int aw_connect(int fd, const struct sockaddr *addr, aw_socklen len)
{
    if (!addr)
        return aw_fail(-EINVAL, "the address is NULL");
    struct aw_op op = {.kind = AW_OP_CONNECT, .fd = fd, .buf = (void *)addr, .len = len};
    return (int)aw_op_await(&op, __builtin_return_address(0));
}
