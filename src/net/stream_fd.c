/*
 * stream_fd.c - streams over descriptors: sockets, pipes, terminals.
 *
 * Bytes are moved by calls that never wait, straight into the reader's memory or out of the
 * writer's; only for readiness the stream waits, with operations of its own, one for each side.  So
 * the kernel never has memory of the stream's: an idle one holds none, and cancelling is simple.
 *
 * What is ready as soon as it is waited for is tried again in the next pass, not at once: a kernel
 * that says "ready" and then takes nothing must not keep the loop from other work.
 *
 * The descriptor is closed only when both operations have come back, as the seam demands.
 */
#include "net/stream.h"

static struct aw_io *io_of(const aw_stream *s)
{
    return s->loop->io;
}

static bool in_flight(const struct aw_op *op)
{
    return op->state == AW_OP_IN_FLIGHT;
}

/* ---- waiting for readiness ---- */

static void try_again_soon(aw_stream *s)
{
    if (s->of_fd.is_again)
        return;
    s->of_fd.is_again = true;
    s->sleepers++; /* its memory stays */
    aw_ready_push(s->loop, &s->of_fd.again);
}

static int poll_for(aw_stream *s, struct aw_op *op)
{
    if (in_flight(op) || s->of_fd.is_again)
        return 0;
    if (!io_of(s)->backend->submit(io_of(s), op))
        return 0;
    if (op->result < 0)
        return (int)op->result;
    try_again_soon(s);
    return 0;
}

/* ---- reading ---- */

static ssize_t receive(const aw_stream *s, void *buf, size_t n)
{
    ssize_t got;
    n = aw_op_len(n);
    do {
        got = s->of_fd.is_socket ? aw_sys.recv_now(s->of_fd.fd, buf, n)
                                 : aw_sys.read(s->of_fd.fd, buf, n);
    } while (got == -EINTR);
    return got;
}

/* Take what is there: 0, -EAGAIN or an error. */
static int take(aw_stream *s)
{
    size_t room;
    void *space = aw_stream_space(s, &room);
    if (!space)
        return -ENOMEM;
    ssize_t got = receive(s, space, room);
    aw_stream_fed(s, got > 0 ? (size_t)got : 0);
    if (got == 0)
        aw_stream_feed_eof(s);
    return got < 0 ? (int)got : 0;
}

static int fd_pull(aw_stream *s)
{
    int err = 0;
    while (err == 0 && aw_stream_wants(s) && !in_flight(&s->of_fd.in) && !s->of_fd.is_again)
        err = take(s);
    return err == -EAGAIN ? poll_for(s, &s->of_fd.in) : err;
}

static void in_done(struct aw_op *op)
{
    aw_stream *s = aw_container_of(op, aw_stream, of_fd.in);
    if (s->over)
        aw_stream_settle(s);
    else if (op->result < 0)
        aw_stream_lose(s, (int)op->result, NULL);
    else
        aw_stream_pull(s);
}

/* ---- writing ---- */

static ssize_t fd_push(aw_stream *s, const void *buf, size_t n)
{
    ssize_t sent;
    n = aw_op_len(n);
    do {
        sent = s->of_fd.is_socket ? aw_sys.send_now(s->of_fd.fd, buf, n)
                                  : aw_sys.pipe_write(s->of_fd.fd, buf, n);
    } while (sent == -EINTR);
    return sent;
}

static int fd_await_room(aw_stream *s)
{
    return poll_for(s, &s->of_fd.out);
}

static void out_done(struct aw_op *op)
{
    aw_stream *s = aw_container_of(op, aw_stream, of_fd.out);
    if (s->over)
        aw_stream_settle(s);
    else if (op->result < 0)
        aw_stream_lose(s, (int)op->result, NULL);
    else
        aw_stream_flush(s);
}

static bool fd_may_end_sending(const aw_stream *s)
{
    return s->of_fd.is_socket || s->no_read;
}

/* What goes one way only ends with its descriptor. */
static int fd_end_sending(aw_stream *s)
{
    if (s->of_fd.is_socket)
        return aw_sys.end_sending(s->of_fd.fd);
    s->closing = true;
    return 0;
}

/* ---- both ---- */

static void again(struct aw_ready *item)
{
    aw_stream *s = aw_container_of(item, aw_stream, of_fd.again);
    s->of_fd.is_again = false;
    if (!s->over) {
        aw_stream_pull(s);
        if (aw_stream_pending(s))
            aw_stream_flush(s);
    }
    s->sleepers--;
    aw_stream_free_unused(s);
}

static void cancel(aw_stream *s, struct aw_op *op)
{
    if (in_flight(op))
        (void)io_of(s)->backend->cancel(io_of(s), op);
}

static void fd_stop(aw_stream *s)
{
    cancel(s, &s->of_fd.in);
    cancel(s, &s->of_fd.out);
}

static bool fd_busy(const aw_stream *s)
{
    return in_flight(&s->of_fd.in) || in_flight(&s->of_fd.out);
}

static void fd_shut(aw_stream *s, bool in_order)
{
    (void)in_order;
    (void)aw_sys.close(s->of_fd.fd);
    s->of_fd.fd = -1;
}

static int fd_fd(const aw_stream *s)
{
    return s->of_fd.fd < 0 ? -EBADF : s->of_fd.fd;
}

static const struct aw_stream_kind fd_kind = {
    .pull = fd_pull,
    .push = fd_push,
    .await_room = fd_await_room,
    .end_sending = fd_end_sending,
    .stop = fd_stop,
    .busy = fd_busy,
    .shut = fd_shut,
    .fd = fd_fd,
    .may_end_sending = fd_may_end_sending,
};

/* ---- making ---- */

/* What is it?  0, or why it will not do. */
static int look_at(aw_stream *s, int fd)
{
    int flags = aw_sys.get_flags(fd);
    if (flags < 0)
        return aw_fail(flags, NULL);
    int type = aw_sys.socket_type(fd);
    s->of_fd.is_socket = type >= 0;
    if (type < 0 && type != -ENOTSOCK)
        return aw_fail(type, NULL);
    if (type >= 0)
        return type == SOCK_STREAM ? 0 : aw_fail(-EINVAL, "the socket does not carry a stream");
    s->no_read |= (flags & O_ACCMODE) == O_WRONLY;
    s->no_write |= (flags & O_ACCMODE) == O_RDONLY;
    if (s->no_read && s->no_write)
        return aw_fail(-EINVAL, "neither to be read nor to be written");
    int err = flags & O_NONBLOCK ? 0 : aw_sys.set_flags(fd, flags | O_NONBLOCK);
    return err < 0 ? aw_fail(err, NULL) : 0;
}

aw_stream *aw_stream_from_fd_(const aw_stream_opts *opts)
{
    aw_stream *s = aw_stream_make(&fd_kind, opts);
    if (!s)
        return NULL;
    int err = look_at(s, opts->fd);
    if (err < 0) {
        aw_stream_unmake(s);
        return aw_null(err);
    }
    s->of_fd.fd = opts->fd;
    s->of_fd.in =
        (struct aw_op){.kind = AW_OP_POLL, .fd = opts->fd, .events = POLLIN, .done = in_done};
    s->of_fd.out =
        (struct aw_op){.kind = AW_OP_POLL, .fd = opts->fd, .events = POLLOUT, .done = out_done};
    aw_list_init(&s->of_fd.in.link);
    aw_list_init(&s->of_fd.out.link);
    s->of_fd.again.run = again;
    return s;
}
