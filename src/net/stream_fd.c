/*
 * stream_fd.c - streams over descriptors: sockets, pipes, terminals.
 *
 * Reading is receiving until told otherwise: chunks of the loop's memory, which are copied to where
 * they are wanted and given back at once.  It begins with the first read, and is cancelled while
 * the stream holds too much; the next read that has to wait begins it again.
 *
 * Writing is a call that never waits, straight out of the writer's memory.  Where the backend finds
 * that many are at work, a few bytes are posted instead: copied, and sent with those of the others
 * when the pass ends.  What then turns out not to have been taken goes back to the front of what is
 * pending.  For room the stream waits with an operation; as nothing is posted meanwhile, one record
 * serves for both.  Room that is there as soon as it is waited for is used in
 * the next pass, not at once: a kernel that says "ready" and then takes nothing must not keep the
 * loop from other work.
 *
 * So the kernel never has memory of the stream's: an idle one holds none, and cancelling is simple.
 * The descriptor is closed only when both operations have come back, as the seam demands.
 */
#include "net/net.h"
#include "net/stream.h"

static bool in_flight(const struct aw_op *op)
{
    return op->state == AW_OP_IN_FLIGHT;
}

/* The kernel's still, or on the loop's list of those that are over? */
static bool is_out(const aw_stream *s)
{
    return in_flight(&s->of_fd.out) || !aw_list_empty(&s->of_fd.out.link);
}

/* Bytes that were posted, and of which is not known yet what became. */
static size_t fd_holds(const aw_stream *s)
{
    return s->of_fd.out.kind == AW_OP_POST && is_out(s) ? s->of_fd.out.len : 0;
}

/* ---- reading ---- */

static void take_chunks(aw_stream *s)
{
    struct aw_chunk *c;
    while ((c = aw_receiver_take(&s->of_fd.in)) != NULL) {
        if (!s->over)
            aw_ignore(!aw_stream_feed(s, c->data, c->len));
        aw_chunk_release(c);
    }
}

/* The receiver is over: the end, an error, or it was told to. */
static void received_all(aw_stream *s)
{
    int64_t result = s->of_fd.in.op.result;
    if (s->over)
        aw_stream_settle(s);
    else if (result == 0)
        aw_stream_feed_eof(s);
    else if (result != -ECANCELED)
        aw_stream_lose(s, (int)result, NULL);
    else
        aw_stream_pull(s); /* somebody may have come meanwhile */
}

static void stop_receiving(aw_stream *s)
{
    if (in_flight(&s->of_fd.in.op) && aw_op_cancel(s->loop, &s->of_fd.in.op))
        take_chunks(s);
}

static void arrived(struct aw_receiver *in)
{
    aw_stream *s = aw_container_of(in, aw_stream, of_fd.in);
    s->sleepers++; /* it may be the end of it */
    take_chunks(s);
    if (in->op.state == AW_OP_COMPLETED)
        received_all(s);
    else if (!s->over && !aw_stream_appetite(s))
        stop_receiving(s);
    s->sleepers--;
    aw_stream_free_unused(s);
}

/* A device such as /dev/null, for which epoll cannot wait (-EPERM): it never blocks. */
static int read_at_once(aw_stream *s)
{
    size_t room;
    ssize_t n;
    void *space = aw_stream_space(s, &room);
    if (!space)
        return -ENOMEM;
    do
        n = aw_sys.read(s->of_fd.fd, space, aw_op_len(room));
    while (n == -EINTR);
    aw_stream_fed(s, n > 0 ? (size_t)n : 0);
    if (n == 0)
        aw_stream_feed_eof(s);
    return n < 0 ? (int)n : 0;
}

static int fd_pull(aw_stream *s)
{
    struct aw_op *op = &s->of_fd.in.op;
    if (in_flight(op) || !aw_op_begin(s->loop, op))
        return 0;
    if (op->result == -EPERM)
        return read_at_once(s);
    return op->result < 0 ? (int)op->result : -EIO;
}

/* ---- writing ---- */

static bool post(aw_stream *s, const void *buf, size_t n)
{
    struct aw_op *op = &s->of_fd.out;
    if (!s->of_fd.is_socket || is_out(s))
        return false;
    op->kind = AW_OP_POST;
    op->buf = (void *)buf; /* which is copied */
    op->len = n;
    if (!aw_op_post(s->loop, op))
        return false;
    if (n > s->high)
        s->full = true;
    return true;
}

static ssize_t fd_push(aw_stream *s, const void *buf, size_t n)
{
    ssize_t sent;
    if (fd_holds(s))
        return -EAGAIN;
    if (post(s, buf, n))
        return (ssize_t)n;
    n = aw_op_len(n);
    do {
        sent = s->of_fd.is_socket ? aw_sys.send(s->of_fd.fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL)
                                  : aw_sys.pipe_write(s->of_fd.fd, buf, n);
    } while (sent == -EINTR);
    return sent;
}

static int fd_await_room(aw_stream *s)
{
    struct aw_op *op = &s->of_fd.out;
    if (is_out(s) || s->of_fd.is_again)
        return 0;
    op->kind = AW_OP_POLL;
    if (!aw_op_begin(s->loop, op))
        return 0;
    if (op->result < 0)
        return (int)op->result;
    s->of_fd.is_again = true;
    s->sleepers++; /* its memory stays */
    aw_ready_push(s->loop, &s->of_fd.again);
    return 0;
}

static void again(struct aw_ready *item)
{
    aw_stream *s = aw_container_of(item, aw_stream, of_fd.again);
    s->of_fd.is_again = false;
    if (s->tx.len)
        aw_stream_flush(s);
    s->sleepers--;
    aw_stream_free_unused(s);
}

/* It is known how many of them the kernel took. */
static void was_posted(aw_stream *s)
{
    const struct aw_op *op = &s->of_fd.out;
    size_t sent = op->result > 0 ? (size_t)op->result : 0;
    int err = 0;
    if (op->result < 0 && op->result != -EAGAIN)
        err = (int)op->result;
    else if (sent == op->len)
        aw_stream_flush(s);
    else if (!aw_bytes_put_back(s->loop, &s->tx, (char *)op->buf + sent, op->len - sent))
        err = -ENOMEM;
    else
        err = fd_await_room(s);
    if (err < 0)
        aw_stream_lose(s, err, NULL);
}

/* The stream was aborted meanwhile: what the kernel did not take is dropped. */
static void was_posted_before(aw_stream *s)
{
    const struct aw_op *op = &s->of_fd.out;
    if (op->kind == AW_OP_POST && op->result != (int64_t)op->len)
        s->aborted = true;
    aw_stream_settle(s);
}

static void out_done(struct aw_op *op)
{
    aw_stream *s = aw_container_of(op, aw_stream, of_fd.out);
    if (s->over)
        was_posted_before(s);
    else if (op->kind == AW_OP_POST)
        was_posted(s);
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
    if (fd_holds(s))
        return -EINPROGRESS;
    if (s->of_fd.is_socket)
        return aw_sys.end_sending(s->of_fd.fd);
    s->closing = true;
    return 0;
}

/* ---- both ---- */

static void fd_stop(aw_stream *s)
{
    stop_receiving(s);
    if (in_flight(&s->of_fd.out))
        (void)aw_op_cancel(s->loop, &s->of_fd.out);
}

/* Both may be on the list of those that are over, and what the first comes to must not free the
 * second. */
static bool fd_busy(const aw_stream *s)
{
    return in_flight(&s->of_fd.in.op) || s->of_fd.in.announced || is_out(s);
}

/* What was cut off must not look like the end of the data: the other side of a connection is reset,
 * and the kernel does not go on for minutes to offer what nobody takes. */
static void fd_shut(aw_stream *s, bool in_order)
{
    const struct linger at_once = {.l_onoff = 1};
    take_chunks(s);
    if (!in_order && s->of_fd.is_socket)
        (void)aw_sys.set_option(s->of_fd.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
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
    .holds = fd_holds,
    .sends_held = true,
};

/* ---- making ---- */

/* SOCK_STREAM, ...; -ENOTSOCK, or another error. */
static int socket_type(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;
    int err = aw_sys.get_option(fd, SOL_SOCKET, SO_TYPE, &type, &size);
    return err < 0 ? err : type;
}

/* What the kernel always has ready, and what has a position, is for aw_file. */
static int refuse_files(int fd)
{
    struct statx st;
    int err = aw_sys.statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &st);
    if (err < 0)
        return aw_fail_about(err, "descriptor %d", fd);
    if (S_ISREG(st.stx_mode) || S_ISDIR(st.stx_mode) || S_ISBLK(st.stx_mode))
        return aw_raise_words(-EINVAL, "descriptor %d is a file, not a pipe or a terminal", fd);
    return 0;
}

/* What is it?  0, or why it will not do. */
static int look_at(aw_stream *s, int fd)
{
    int flags = aw_sys.get_flags(fd);
    if (flags < 0)
        return aw_fail_about(flags, "descriptor %d", fd);
    int type = socket_type(fd);
    s->of_fd.is_socket = type >= 0;
    if (type < 0 && type != -ENOTSOCK)
        return aw_fail_about(type, "descriptor %d", fd);
    if (type >= 0)
        return type == SOCK_STREAM ? 0 : aw_fail(-EINVAL, "the socket does not carry a stream");
    s->no_read |= (flags & O_ACCMODE) == O_WRONLY;
    s->no_write |= (flags & O_ACCMODE) == O_RDONLY;
    if (s->no_read && s->no_write)
        return aw_fail(-EINVAL, "neither to be read nor to be written");
    AW_TRY(refuse_files(fd));
    int err = flags & O_NONBLOCK ? 0 : aw_sys.set_flags(fd, flags | O_NONBLOCK);
    return err < 0 ? aw_fail_about(err, "descriptor %d", fd) : 0;
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
    aw_receiver_init(&s->of_fd.in, opts->fd, arrived);
    s->of_fd.out =
        (struct aw_op){.kind = AW_OP_POLL, .fd = opts->fd, .events = POLLOUT, .done = out_done};
    aw_list_init(&s->of_fd.out.link);
    s->of_fd.again.run = again;
    return s;
}
