/*
 * entry.c - an operation as io_uring has it: one kind, one entry of the ring.  Polls are in
 * uring_ready.c.
 */
#include "io/receive.h"
#include "io/ring.h"

/* Into a chunk that the kernel takes from the ring of them, and again into the next. */
static void fill_receiver(struct io_uring_sqe *sqe, const struct aw_op *op)
{
    const struct aw_receiver *r = aw_container_of(op, const struct aw_receiver, op);
    io_uring_prep_recv(sqe, op->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT; /* of group 0 */
    if (!r->one_by_one)
        sqe->ioprio |= IORING_RECV_MULTISHOT;
}

static void fill_name(struct io_uring_sqe *sqe, const struct aw_op *op)
{
    switch (op->kind) {
    case AW_OP_OPENAT:
        io_uring_prep_openat(sqe, op->fd, op->buf, op->flags, op->mode);
        break;
    case AW_OP_STATX:
        io_uring_prep_statx(sqe, op->fd, op->buf, op->flags, op->mode, op->more);
        break;
    case AW_OP_RENAMEAT:
        io_uring_prep_renameat(sqe, op->fd, op->buf, op->other, op->more, (unsigned)op->flags);
        break;
    default:
        aw_assert(op->kind == AW_OP_UNLINKAT);
        io_uring_prep_unlinkat(sqe, op->fd, op->buf, op->flags);
    }
}

static void fill_file(struct io_uring_sqe *sqe, const struct aw_op *op)
{
    uint64_t offset = (uint64_t)op->offset;
    switch (op->kind) {
    case AW_OP_PREAD:
        io_uring_prep_read(sqe, op->fd, op->buf, (unsigned)op->len, offset);
        break;
    case AW_OP_PWRITE:
        io_uring_prep_write(sqe, op->fd, op->buf, (unsigned)op->len, offset);
        break;
    case AW_OP_PREADV:
        io_uring_prep_readv(sqe, op->fd, op->buf, (unsigned)op->len, offset);
        break;
    case AW_OP_PWRITEV:
        io_uring_prep_writev(sqe, op->fd, op->buf, (unsigned)op->len, offset);
        break;
    case AW_OP_FSYNC:
        io_uring_prep_fsync(sqe, op->fd, op->flags ? IORING_FSYNC_DATASYNC : 0);
        break;
    case AW_OP_FALLOCATE:
        io_uring_prep_fallocate(sqe, op->fd, op->flags, op->offset, (off_t)op->len);
        break;
    case AW_OP_CLOSE:
        io_uring_prep_close(sqe, op->fd);
        break;
    default:
        fill_name(sqe, op);
    }
}

void aw_ring_fill(struct io_uring_sqe *sqe, const struct aw_op *op)
{
    const uint64_t position = UINT64_MAX; /* the file's own */
    unsigned len = (unsigned)op->len, flags = (unsigned)op->flags;
    switch (op->kind) {
    case AW_OP_READ:
        io_uring_prep_read(sqe, op->fd, op->buf, len, position);
        break;
    case AW_OP_WRITE:
        io_uring_prep_write(sqe, op->fd, op->buf, len, position);
        break;
    case AW_OP_READV:
        io_uring_prep_readv(sqe, op->fd, op->buf, len, position);
        break;
    case AW_OP_WRITEV:
        io_uring_prep_writev(sqe, op->fd, op->buf, len, position);
        break;
    case AW_OP_RECV:
        io_uring_prep_recv(sqe, op->fd, op->buf, op->len, op->flags);
        break;
    case AW_OP_SEND:
        io_uring_prep_send(sqe, op->fd, op->buf, op->len, op->flags | MSG_NOSIGNAL);
        break;
    case AW_OP_POST:
        io_uring_prep_send(sqe, op->fd, op->buf, op->len,
                           MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL);
        break;
    case AW_OP_RECVMSG:
        io_uring_prep_recvmsg(sqe, op->fd, op->buf, flags);
        break;
    case AW_OP_SENDMSG:
        io_uring_prep_sendmsg(sqe, op->fd, op->buf, flags | MSG_NOSIGNAL);
        break;
    case AW_OP_ACCEPT:
        io_uring_prep_accept(sqe, op->fd, op->buf, op->more, op->flags);
        break;
    case AW_OP_CONNECT:
        io_uring_prep_connect(sqe, op->fd, op->buf, (socklen_t)op->len);
        break;
    case AW_OP_RECEIVE:
        fill_receiver(sqe, op);
        break;
    default:
        fill_file(sqe, op);
    }
}
