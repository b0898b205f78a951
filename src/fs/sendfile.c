/*
 * sendfile.c - a file's bytes into a socket or a pipe.
 *
 * sendfile(2) may wait for two things: room, which a non-blocking descriptor does not wait for but
 * tells, and then it is polled; and a disk, for which it is given to a thread.  A descriptor that
 * blocks would keep the thread, for as long as the other side likes: there the bytes are read and
 * written, by calls that wait for neither.
 */
#include "fs/fs.h"

#include "await/error.h"
#include "await/file.h"
#include "await/io.h"

enum { PIECE = 1 << 20, COPIED = 1 << 16 };

static ssize_t copy_with(char *buf, int out, int in, int64_t offset, size_t n)
{
    ssize_t got = aw_pread(in, buf, n < COPIED ? n : COPIED, offset);
    return got > 0 ? aw_write(out, buf, (size_t)got) : got;
}

static ssize_t copy(int out, int in, int64_t offset, size_t n)
{
    char *buf = aw_mem_alloc(COPIED);
    if (!buf)
        return aw_raise(-ENOMEM, "no memory to copy with");
    ssize_t result = copy_with(buf, out, in, offset, n);
    aw_mem_free(buf);
    return result;
}

/* AW_OP_MUST_WAIT: there is no room.  (That no thread could be had is -EAGAIN too.) */
static int64_t send_piece(int out, int in, int64_t offset, size_t n, const void *caller)
{
    struct aw_op op = {.kind = AW_OP_SENDFILE,
                       .fd = out,
                       .other = in,
                       .offset = offset,
                       .len = n < PIECE ? n : PIECE};
    int result = aw_file_call(&op, "aw_sendfile", caller);
    return result == -EAGAIN && op.result == -EAGAIN ? AW_OP_MUST_WAIT : result;
}

ssize_t aw_sendfile(int out, int in, int64_t offset, size_t n)
{
    const void *caller = __builtin_return_address(0);
    if (offset < 0)
        return aw_raise(-EINVAL, "the offset is negative");
    int flags = aw_sys.get_flags(out);
    if (flags < 0)
        return aw_fail_about(flags, "aw_sendfile of descriptor %d", out);
    if (!(flags & O_NONBLOCK))
        return copy(out, in, offset, n);
    for (;;) {
        int64_t sent = send_piece(out, in, offset, n, caller);
        if (sent == -EINVAL) /* not between these two */
            return copy(out, in, offset, n);
        if (sent != AW_OP_MUST_WAIT)
            return (ssize_t)sent;
        AW_TRY(aw_poll(out, POLLOUT));
    }
}
