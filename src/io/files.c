/*
 * files.c - operations on files, where the kernel has no asynchronous ones.
 *
 * A file is always "ready", and reading it may yet wait for a disk.  What lies in the page cache is
 * taken at once (preadv2 with RWF_NOWAIT); everything else blocks, and belongs into a thread.
 */
#include "io/io.h"

/* A read of the cache ends early where the cache does, which looks like the end of the file.  It
 * is the end if nothing is behind it. */
static int64_t read_cached(const struct aw_op *op)
{
    char beyond;
    ssize_t n = aw_sys.pread_now(op->fd, op->buf, op->len, op->offset);
    if (n > 0 && (size_t)n < op->len && aw_sys.pread_now(op->fd, &beyond, 1, op->offset + n) != 0)
        return AW_OP_NEEDS_THREAD;
    if (n == -EAGAIN || n == -EOPNOTSUPP || n == -ENOSYS || n == -EINTR)
        return AW_OP_NEEDS_THREAD;
    return n;
}

/* At the file's position, which it moves.  Here the end of the cache may look like an early end, as
 * read(2) may give fewer than there are; nothing at all is the end. */
static int64_t read_cached_here(const struct aw_op *op)
{
    const int64_t here = -1;
    ssize_t n = aw_sys.pread_now(op->fd, op->buf, op->len, here);
    return n >= 0 ? n : AW_OP_NEEDS_THREAD;
}

int64_t aw_op_at_once(const struct aw_op *op)
{
    switch (op->kind) {
    case AW_OP_READ:
        return read_cached_here(op);
    case AW_OP_PREAD:
        return read_cached(op);
    case AW_OP_CLOSE:
        return aw_sys.close(op->fd);
    default:
        return AW_OP_NEEDS_THREAD;
    }
}

static int64_t block_on_a_name(const struct aw_op *op)
{
    switch (op->kind) {
    case AW_OP_OPENAT:
        return aw_sys.openat(op->fd, op->buf, op->flags, op->mode);
    case AW_OP_STATX:
        return aw_sys.statx(op->fd, op->buf, op->flags, op->mode, op->more);
    case AW_OP_RENAMEAT:
        return aw_sys.renameat(op->fd, op->buf, op->other, op->more, (unsigned)op->flags);
    case AW_OP_UNLINKAT:
        return aw_sys.unlinkat(op->fd, op->buf, op->flags);
    default:
        aw_assert(op->kind == AW_OP_MKDIRAT);
        return aw_sys.mkdirat(op->fd, op->buf, op->mode);
    }
}

static int64_t block_once(const struct aw_op *op)
{
    if (aw_op_side(op) != AW_NO_SIDE)
        return aw_op_call(op, SIZE_MAX);
    switch (op->kind) {
    case AW_OP_PREAD:
        return aw_sys.pread(op->fd, op->buf, op->len, op->offset);
    case AW_OP_PWRITE:
        return aw_sys.pwrite(op->fd, op->buf, op->len, op->offset);
    case AW_OP_PREADV:
        return aw_sys.preadv(op->fd, op->buf, (int)op->len, op->offset);
    case AW_OP_PWRITEV:
        return aw_sys.pwritev(op->fd, op->buf, (int)op->len, op->offset);
    case AW_OP_FSYNC:
        return aw_sys.fsync(op->fd, op->flags != 0);
    case AW_OP_FALLOCATE:
        return aw_sys.fallocate(op->fd, op->flags, op->offset, (int64_t)op->len);
    case AW_OP_GETDENTS:
        return aw_sys.getdents(op->fd, op->buf, op->len);
    case AW_OP_SENDFILE:
        return aw_sys.sendfile(op->fd, op->other, op->offset, op->len);
    default:
        return block_on_a_name(op);
    }
}

int64_t aw_op_block(const struct aw_op *op)
{
    int64_t result;
    do {
        result = block_once(op);
    } while (result == -EINTR);
    return result;
}
