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

int64_t aw_op_at_once(const struct aw_op *op)
{
    switch (op->kind) {
    case AW_OP_PREAD:
        return read_cached(op);
    case AW_OP_CLOSE:
        return aw_sys.close(op->fd);
    default:
        return AW_OP_NEEDS_THREAD;
    }
}

static int64_t block_once(const struct aw_op *op)
{
    switch (op->kind) {
    case AW_OP_PREAD:
        return aw_sys.pread(op->fd, op->buf, op->len, op->offset);
    case AW_OP_PWRITE:
        return aw_sys.pwrite(op->fd, op->buf, op->len, op->offset);
    default:
        aw_assert(op->kind == AW_OP_OPENAT);
        return aw_sys.openat(op->fd, op->buf, op->flags, op->mode);
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
