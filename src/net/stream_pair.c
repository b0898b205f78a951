/*
 * stream_pair.c - two streams in one process, each the other's other side.
 *
 * What one writes goes into the other's queue, as long as that has room for it; then it stays
 * pending where it was written, as with a socket.  A half that closes is the other's end of file; a
 * half that goes with something unsent is the other's -ECONNRESET.
 */
#include "net/stream.h"

/* The peer has room again, or nobody has asked. */
static void let_flow(aw_stream *peer)
{
    if (!peer || !peer->of_pair.waits)
        return;
    peer->of_pair.waits = false;
    aw_stream_flush(peer);
}

static int pair_pull(aw_stream *s)
{
    let_flow(s->of_pair.peer);
    return 0;
}

static void pair_resume(aw_stream *s)
{
    let_flow(s->of_pair.peer);
}

static ssize_t pair_push(aw_stream *s, const void *buf, size_t n)
{
    aw_stream *peer = s->of_pair.peer;
    if (!peer || peer->over)
        return -EPIPE;
    size_t room = aw_stream_appetite(peer);
    if (!room)
        return -EAGAIN;
    n = n < room ? n : room;
    return aw_stream_feed(peer, buf, n) ? (ssize_t)n : -EPIPE;
}

static int pair_await_room(aw_stream *s)
{
    s->of_pair.waits = true;
    return 0;
}

static bool pair_may_end_sending(const aw_stream *s)
{
    (void)s;
    return true;
}

static int pair_end_sending(aw_stream *s)
{
    if (s->of_pair.peer)
        aw_stream_feed_eof(s->of_pair.peer);
    return 0;
}

static void pair_stop(aw_stream *s)
{
    s->of_pair.waits = false;
}

static bool pair_busy(const aw_stream *s)
{
    (void)s;
    return false;
}

/* The peer forgets this one; what it has pending for it cannot be sent any more. */
static void pair_shut(aw_stream *s, bool in_order)
{
    aw_stream *peer = s->of_pair.peer;
    if (!peer)
        return;
    s->of_pair.peer = peer->of_pair.peer = NULL;
    if (s->loop->closed)
        return;
    if (!in_order && !peer->eof) {
        aw_stream_lose(peer, -ECONNRESET, NULL);
        return;
    }
    aw_stream_feed_eof(peer);
    if (peer->of_pair.waits)
        aw_stream_flush(peer);
}

static int pair_fd(const aw_stream *s)
{
    (void)s;
    return -ENOTSUP;
}

static const struct aw_stream_kind pair_kind = {
    .pull = pair_pull,
    .resume = pair_resume,
    .push = pair_push,
    .await_room = pair_await_room,
    .end_sending = pair_end_sending,
    .stop = pair_stop,
    .busy = pair_busy,
    .shut = pair_shut,
    .fd = pair_fd,
    .may_end_sending = pair_may_end_sending,
};

int aw_stream_pair_(const aw_stream_opts *opts)
{
    aw_stream_opts plain = *opts;
    if (!opts->ret)
        return aw_fail(-EINVAL, "there is nowhere to put them");
    if (opts->read_only || opts->write_only)
        return aw_fail(-EINVAL, "a pair goes both ways");
    plain.ret = NULL;
    aw_stream *a = aw_stream_make(&pair_kind, &plain);
    aw_stream *b = a ? aw_stream_make(&pair_kind, &plain) : NULL;
    if (!b) {
        if (a)
            aw_stream_unmake(a);
        return aw_errno();
    }
    a->of_pair.peer = b;
    b->of_pair.peer = a;
    opts->ret[0] = a;
    opts->ret[1] = b;
    return 0;
}
