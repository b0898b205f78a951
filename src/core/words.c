/*
 * words.c - what an error says besides its code: what was tried, with what, and why it failed.
 *
 *     cannot bind 127.0.0.1:80: address already in use
 *     aw_read of descriptor 7: connection reset by peer
 *     aw_connect of descriptor 7 to 127.0.0.1:80: connection refused
 *     aw_openat of settings.conf: no such file or directory
 *
 * The reason comes last, and there is always room for it.  As with every error, words are an extra:
 * where there is no memory for them the code goes alone.
 */
#include <inttypes.h>

#include "core/core.h"
#include "core/op.h"
#include "sys/net.h"

enum {
    ABOUT = 640, /* bytes for what it is about */
    REASON = 64, /* longer than any of aw_strerror() */
    SHOWN = 300, /* of a path */
};

int aw_fail_about(int code, const char *fmt, ...)
{
    char text[ABOUT + REASON];
    va_list ap;
    aw_buf b;
    aw_buf_init(&b, text, ABOUT);
    va_start(ap, fmt);
    aw_buf_vprintf(&b, fmt, ap);
    va_end(ap);
    b.size = sizeof text;
    aw_buf_printf(&b, ": %s", aw_strerror(code));
    return aw_raise(code, text);
}

/* ---- of an operation ---- */

/* Names that are looked up are the caller's and still there.  What the kernel could not read is not
 * looked at here. */
static void add_object(aw_buf *b, const struct aw_op *op, bool readable)
{
    const char *path = aw_op_has_name(op) && readable ? op->buf : "";
    if (*path)
        aw_buf_add_end(b, path, SHOWN);
    else
        aw_buf_printf(b, "descriptor %d", op->fd);
    if (op->kind == AW_OP_RENAMEAT && readable) {
        aw_buf_add(b, " to ");
        aw_buf_add_end(b, op->more, SHOWN);
    }
    if (op->kind == AW_OP_CONNECT && readable && op->len <= sizeof(struct sockaddr_storage)) {
        aw_buf_add(b, " to ");
        aw_sockaddr_add(b, op->buf, op->len, true);
    }
}

/* Who asks not to be kept waiting gets "not now" for an answer, again and again. */
static bool is_answer(const struct aw_op *op, int code)
{
    return code == -EAGAIN && op->kind != AW_OP_CONNECT;
}

int aw_op_fail(const struct aw_op *op, int code)
{
    char text[ABOUT];
    aw_buf b;
    if (is_answer(op, code))
        return aw_fail(code, NULL);
    aw_buf_init(&b, text, sizeof text);
    aw_buf_printf(&b, "%s of ", aw_op_name(op));
    add_object(&b, op, code != -EFAULT);
    if (aw_op_has_offset(op))
        aw_buf_printf(&b, " at %" PRId64, op->offset);
    return aw_fail_about(code, "%s", text);
}
