/*
 * file.c - files: aw_pread, aw_openat and the like, aw_close.
 *
 * The operation goes to the backend.  One that cannot do it without blocking gives it back, and it
 * is done by a thread of the loop's pool.
 */
#include "fs/fs.h"

#include "await/error.h"
#include "await/file.h"
#include "await/io.h"
#include "await/loop.h"

int aw_file_call(struct aw_op *op, const char *name, const void *caller)
{
    return (int)aw_op_await_or_thread(op, name, caller);
}

/* An offset of -1 would be the file's position to the kernel. */
static int check_range(const void *buf, size_t n, int64_t offset)
{
    if (!buf && n)
        return aw_raise(-EINVAL, "the buffer is NULL");
    if (offset < 0)
        return aw_raise(-EINVAL, "the offset is negative");
    return 0;
}

ssize_t aw_pread(int fd, void *buf, size_t n, int64_t offset)
{
    AW_TRY(check_range(buf, n, offset));
    struct aw_op op = {
        .kind = AW_OP_PREAD, .fd = fd, .buf = buf, .len = aw_op_len(n), .offset = offset};
    return aw_file_call(&op, "aw_pread", __builtin_return_address(0));
}

ssize_t aw_pwrite(int fd, const void *buf, size_t n, int64_t offset)
{
    AW_TRY(check_range(buf, n, offset));
    struct aw_op op = {
        .kind = AW_OP_PWRITE, .fd = fd, .buf = (void *)buf, .len = aw_op_len(n), .offset = offset};
    return aw_file_call(&op, "aw_pwrite", __builtin_return_address(0));
}

int aw_openat(int dir, const char *path, int flags, unsigned mode)
{
    if (!path)
        return aw_raise(-EINVAL, "the path is NULL");
    struct aw_op op = {
        .kind = AW_OP_OPENAT, .fd = dir, .buf = (void *)path, .flags = flags, .mode = mode};
    return aw_file_call(&op, "aw_openat", __builtin_return_address(0));
}

/* Interrupted or not, Linux has closed it. */
int aw_close(int fd)
{
    struct aw_op op = {.kind = AW_OP_CLOSE, .fd = fd};
    int result = (int)aw_op_await(&op, __builtin_return_address(0));
    return result == -EINTR ? 0 : result;
}

/* ---- vectors ---- */

static int vectors_call(struct aw_op *op, const char *name, const void *caller)
{
    AW_TRY(aw_check_vectors(op->buf, (int)op->len));
    if (op->offset < 0)
        return aw_raise(-EINVAL, "the offset is negative");
    return aw_file_call(op, name, caller);
}

ssize_t aw_preadv(int fd, const struct iovec *v, int n, int64_t offset)
{
    struct aw_op op = {
        .kind = AW_OP_PREADV, .fd = fd, .buf = (void *)v, .len = (size_t)n, .offset = offset};
    return vectors_call(&op, "aw_preadv", __builtin_return_address(0));
}

ssize_t aw_pwritev(int fd, const struct iovec *v, int n, int64_t offset)
{
    struct aw_op op = {
        .kind = AW_OP_PWRITEV, .fd = fd, .buf = (void *)v, .len = (size_t)n, .offset = offset};
    return vectors_call(&op, "aw_pwritev", __builtin_return_address(0));
}

/* ---- the disk ---- */

int aw_fsync(int fd)
{
    struct aw_op op = {.kind = AW_OP_FSYNC, .fd = fd};
    return aw_file_call(&op, "aw_fsync", __builtin_return_address(0));
}

int aw_fdatasync(int fd)
{
    struct aw_op op = {.kind = AW_OP_FSYNC, .fd = fd, .flags = 1};
    return aw_file_call(&op, "aw_fdatasync", __builtin_return_address(0));
}

int aw_fallocate(int fd, int mode, int64_t offset, int64_t n)
{
    if (offset < 0 || n <= 0)
        return aw_raise(-EINVAL, "an offset or a length that is no part of a file");
    struct aw_op op = {
        .kind = AW_OP_FALLOCATE, .fd = fd, .flags = mode, .offset = offset, .len = (size_t)n};
    return aw_file_call(&op, "aw_fallocate", __builtin_return_address(0));
}

/* ---- names ---- */

static int no_path(void)
{
    return aw_raise(-EINVAL, "the path is NULL");
}

int aw_statx(int dir, const char *path, int flags, unsigned mask, struct statx *ret)
{
    if (!path)
        return no_path();
    if (!ret)
        return aw_raise(-EINVAL, "the room for the answer is NULL");
    struct aw_op op = {.kind = AW_OP_STATX,
                       .fd = dir,
                       .buf = (void *)path,
                       .flags = flags,
                       .mode = mask,
                       .more = ret};
    return aw_file_call(&op, "aw_statx", __builtin_return_address(0));
}

int aw_renameat(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    if (!from || !to)
        return no_path();
    struct aw_op op = {.kind = AW_OP_RENAMEAT,
                       .fd = from_dir,
                       .buf = (void *)from,
                       .other = to_dir,
                       .more = (void *)to,
                       .flags = (int)flags};
    return aw_file_call(&op, "aw_renameat", __builtin_return_address(0));
}

int aw_unlinkat(int dir, const char *path, int flags)
{
    if (!path)
        return no_path();
    struct aw_op op = {.kind = AW_OP_UNLINKAT, .fd = dir, .buf = (void *)path, .flags = flags};
    return aw_file_call(&op, "aw_unlinkat", __builtin_return_address(0));
}

int aw_mkdirat(int dir, const char *path, unsigned mode)
{
    if (!path)
        return no_path();
    struct aw_op op = {.kind = AW_OP_MKDIRAT, .fd = dir, .buf = (void *)path, .mode = mode};
    return aw_file_call(&op, "aw_mkdirat", __builtin_return_address(0));
}
