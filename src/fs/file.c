/*
 * file.c - files: aw_pread, aw_pwrite, aw_openat, aw_close.
 *
 * The operation goes to the backend.  One that cannot do it without blocking gives it back, and it
 * is done by a thread of the loop's pool; a call on its way to a thread is cancelled there, and one
 * that has begun is waited for, since its buffer is on the task's stack.
 */
#include "core/op.h"

#include "await/error.h"
#include "await/executor.h"
#include "await/io.h"
#include "await/loop.h"

static int do_it(void *arg)
{
    return (int)aw_op_block(arg);
}

static int file_call(struct aw_op *op, const char *name, const void *caller)
{
    int64_t result = aw_op_await(op, caller);
    if (result != AW_OP_NEEDS_THREAD)
        return (int)result;
    return aw_to_thread_(
        do_it, &(aw_job_opts){.file = __FILE__, .line = __LINE__, .fn_name = name, .arg = op});
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
    return file_call(&op, "aw_pread", __builtin_return_address(0));
}

ssize_t aw_pwrite(int fd, const void *buf, size_t n, int64_t offset)
{
    AW_TRY(check_range(buf, n, offset));
    struct aw_op op = {
        .kind = AW_OP_PWRITE, .fd = fd, .buf = (void *)buf, .len = aw_op_len(n), .offset = offset};
    return file_call(&op, "aw_pwrite", __builtin_return_address(0));
}

int aw_openat(int dir, const char *path, int flags, unsigned mode)
{
    if (!path)
        return aw_raise(-EINVAL, "the path is NULL");
    struct aw_op op = {
        .kind = AW_OP_OPENAT, .fd = dir, .buf = (void *)path, .flags = flags, .mode = mode};
    return file_call(&op, "aw_openat", __builtin_return_address(0));
}

/* Interrupted or not, Linux has closed it. */
int aw_close(int fd)
{
    struct aw_op op = {.kind = AW_OP_CLOSE, .fd = fd};
    int result = (int)aw_op_await(&op, __builtin_return_address(0));
    return result == -EINTR ? 0 : result;
}
