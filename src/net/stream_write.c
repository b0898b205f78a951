/*
 * stream_write.c - writing: at once as far as it goes, the rest when there is room.
 *
 * What is pending is one queue.  A write first offers its bytes to the other side, unless others
 * are pending before them; only what is not taken is copied.  aw_stream_flush() goes on with the
 * queue whenever the kind says that there is room, and when the queue is empty does what was put
 * off until then: the end of the sending side, and the end of the stream.
 */
#include <string.h>

#include "net/stream.h"

#define NO_ROOM "no memory for what is to be sent"

/* ---- sending ---- */

void aw_stream_pending_changed(aw_stream *s)
{
    size_t n = aw_stream_pending(s);
    if (n > s->high)
        s->full = true;
    else if (n <= s->low)
        s->full = false;
    if (!s->full)
        aw_stream_wake_all(&s->drainers);
}

/* Give the other side what is pending: 0 if it took everything, -EAGAIN, or an error. */
static int push_pending(aw_stream *s)
{
    while (s->tx.len) {
        ssize_t n = s->kind->push(s, aw_bytes_begin(&s->tx), s->tx.len);
        if (n < 0)
            return (int)n;
        aw_bytes_drop(s->loop, &s->tx, (size_t)n);
    }
    return 0;
}

/* What was put off until everything is sent: 0 when it is done, or -EINPROGRESS, or an error. */
static int do_endings(aw_stream *s)
{
    if (s->ending && !s->ended) {
        int err = s->kind->end_sending(s);
        if (err < 0)
            return err;
        s->ended = true;
    }
    return 0;
}

static void flush(aw_stream *s)
{
    int err = push_pending(s);
    aw_stream_pending_changed(s);
    if (err == -EAGAIN)
        err = s->kind->await_room(s);
    else if (err == 0)
        err = do_endings(s);
    if (err < 0 && err != -EINPROGRESS)
        aw_stream_lose(s, err, NULL);
    else if (err == 0 && s->closing && !aw_stream_pending(s) &&
             !(s->kind->part && s->kind->part(s)))
        aw_stream_finish(s);
}

/* The last that holds the stream may go in the course of it. */
void aw_stream_flush(aw_stream *s)
{
    if (s->over)
        return;
    s->sleepers++;
    flush(s);
    s->sleepers--;
    aw_stream_free_unused(s);
}

/* ---- writing ---- */

static int may_write(const aw_stream *s)
{
    AW_TRY(aw_stream_check(s));
    if (s->no_write)
        return aw_fail(-EBADF, "the stream is only for reading");
    if (s->lost)
        return aw_stream_error(s, s->lost);
    if (s->closing || s->ending)
        return aw_fail(AW_EMISUSE, s->closing ? "the stream is closed"
                                              : "the sending side of the stream has ended");
    return 0;
}

static int may_add(const aw_stream *s, size_t n)
{
    size_t pending = aw_stream_pending(s);
    if (pending > s->max_pending || n > s->max_pending - pending)
        return aw_fail(AW_ELIMIT, "more would be pending than .max_pending");
    return 0;
}

/* Everything may be lost at any write: the error is then the stream's. */
static int outcome(aw_stream *s)
{
    return s->lost ? aw_stream_error(s, s->lost) : 0;
}

static int add(aw_stream *s, const void *data, size_t n)
{
    return aw_bytes_add(s->loop, &s->tx, data, n) ? 0 : aw_fail(-ENOMEM, NO_ROOM);
}

int aw_stream_write(aw_stream *s, const void *buf, size_t n)
{
    AW_TRY(may_write(s));
    if (!buf && n)
        return aw_fail(-EINVAL, "the buffer is NULL");
    if (!n)
        return 0;
    AW_TRY(may_add(s, n));
    ssize_t sent = 0;
    if (!aw_stream_pending(s))
        sent = s->kind->push(s, buf, n);
    if (AW_LIKELY(sent == (ssize_t)n))
        return 0;
    if (sent < 0 && sent != -EAGAIN) {
        aw_stream_lose(s, (int)sent, NULL);
        return outcome(s);
    }
    size_t done = sent > 0 ? (size_t)sent : 0;
    int err = add(s, (const char *)buf + done, n - done);
    if (err < 0 && done)
        aw_stream_lose(s, err, NULL); /* one cannot say how much of it was sent */
    if (err < 0)
        return err;
    if (aw_stream_pending(s) == n - done)
        aw_stream_flush(s);
    else
        aw_stream_pending_changed(s);
    return outcome(s);
}

int aw_stream_writev(aw_stream *s, const struct iovec *pieces, size_t n)
{
    size_t sum = 0, before;
    AW_TRY(may_write(s));
    if (!pieces && n)
        return aw_fail(-EINVAL, "the pieces are NULL");
    for (size_t i = 0; i < n; i++) {
        if (!pieces[i].iov_base && pieces[i].iov_len)
            return aw_fail(-EINVAL, "a piece is NULL");
        if (pieces[i].iov_len > SSIZE_MAX - sum)
            return aw_fail(-EINVAL, "the pieces are too long");
        sum += pieces[i].iov_len;
    }
    AW_TRY(may_add(s, sum));
    if (!sum)
        return 0;
    before = aw_stream_pending(s);
    if (!aw_bytes_reserve(s->loop, &s->tx, sum))
        return aw_fail(-ENOMEM, NO_ROOM);
    for (size_t i = 0; i < n; i++)
        if (pieces[i].iov_len)
            AW_TRY(add(s, pieces[i].iov_base, pieces[i].iov_len));
    if (!before)
        aw_stream_flush(s);
    else
        aw_stream_pending_changed(s);
    return outcome(s);
}

int aw_stream_write_eof(aw_stream *s)
{
    AW_TRY(aw_stream_check(s));
    if (s->ending && !s->lost)
        return 0;
    AW_TRY(may_write(s));
    if (!s->kind->may_end_sending(s))
        return aw_fail(-ENOTSUP, "the sending side cannot be ended alone");
    s->ending = true;
    if (!aw_stream_pending(s))
        aw_stream_flush(s);
    return outcome(s);
}

/* ---- flow ---- */

static const struct aw_wait_kind drain_kind = AW_STREAM_KIND("aw_stream_drain");

/* Why draining makes no sense, or 0. */
static int drain_error(const aw_stream *s)
{
    if (s->set_error)
        return aw_stream_error(s, s->set_error);
    if (s->lost)
        return aw_stream_error(s, s->lost);
    return s->over ? aw_fail(-ECONNRESET, "the stream was closed") : 0;
}

int aw_stream_drain(aw_stream *s)
{
    AW_TRY(aw_stream_check(s));
    AW_TRY(drain_error(s));
    if (AW_LIKELY(!s->full))
        return 0;
    AW_TRY(aw_stream_check_task(s));
    int err = aw_stream_sleep(s, &s->drainers, &drain_kind, __builtin_return_address(0));
    if (err >= 0)
        err = drain_error(s);
    aw_stream_free_unused(s);
    return err;
}

size_t aw_stream_pending(const aw_stream *s)
{
    if (aw_stream_check(s) < 0 || s->over)
        return 0;
    return s->tx.len + (s->kind->holds ? s->kind->holds(s) : 0);
}

int aw_stream_set_write_limits(aw_stream *s, size_t high, size_t low)
{
    AW_TRY(aw_stream_check(s));
    if (high < low)
        return aw_fail(-EINVAL, "high is below low");
    s->high = high;
    s->low = low;
    s->full = false;
    aw_stream_pending_changed(s);
    return 0;
}
