/*
 * stream_transport.c - streams over a transport of the user's own, whose calls suspend.
 *
 * Somebody has to be suspended in them, and the user's tasks may not be, as a stream buffers what
 * they write and keeps what they do not stay for.  So each call runs in a task of the stream's,
 * which is made when there is something to do and ends with it: one to read while somebody waits
 * for bytes, one to write while some are pending.  Both work on memory of their own (`in`, `out`),
 * so that the queues may move meanwhile.
 *
 * What a task has come to is dealt with when it is over (its .release), also if it was cancelled
 * before it began; it counts as a sleeper until then.
 */
#include "net/stream.h"

enum { READ_MAX = 16 << 10 }; /* bytes asked of a transport at a time */

static struct aw_stream_own *own(aw_stream *s)
{
    return &s->of_own;
}

/* A task of the stream's, for which the stream stays. */
static int start(aw_stream *s, aw_task **ret, aw_fn *fn, const char *name,
                 void (*over)(void *stream))
{
    *ret = aw_create_task_default(fn, &(aw_task_opts){.file = __FILE__,
                                                      .line = __LINE__,
                                                      .fn_name = name,
                                                      .arg = s,
                                                      .loop = s->loop,
                                                      .release = over});
    if (!*ret)
        return aw_errno();
    s->sleepers++;
    return 0;
}

static void forget(aw_task **task)
{
    aw_unref(*task);
    *task = NULL;
}

/* Why the running task's call failed, in words. */
static void keep_detail(aw_stream *s, int error)
{
    aw_text_unref(own(s)->detail);
    own(s)->detail = aw_errslot_share(aw_errslot_current(), error);
}

static void lose(aw_stream *s, int error)
{
    struct aw_text *detail = own(s)->detail;
    own(s)->detail = NULL;
    aw_stream_lose(s, error, detail);
}

/* ---- reading ---- */

static int read_some(void *arg)
{
    aw_stream *s = arg;
    struct aw_stream_own *o = own(s);
    o->n = -ENOMEM;
    if (!aw_bytes_reserve(s->loop, &o->in, s->limit < READ_MAX ? s->limit : READ_MAX))
        return 0;
    size_t room = aw_bytes_room(&o->in), most = aw_stream_appetite(s);
    room = most && most < room ? most : room;
    ssize_t n = o->transport->read(o->context, o->in.data, room);
    aw_assert(n < 0 || (size_t)n <= room);
    o->n = n;
    if (n < 0)
        keep_detail(s, (int)n);
    return 0;
}

static void take_in(aw_stream *s, size_t n)
{
    struct aw_bytes in = own(s)->in;
    own(s)->in = (struct aw_bytes){0};
    in.len = n;
    aw_stream_feed_bytes(s, &in);
}

static void read_is_over(void *arg)
{
    aw_stream *s = arg;
    ssize_t n = own(s)->n;
    forget(&own(s)->reading);
    if (n > 0 && !s->over)
        take_in(s, (size_t)n);
    else
        aw_bytes_clear(s->loop, &own(s)->in);
    if (s->over)
        aw_stream_settle(s);
    else if (n == 0)
        aw_stream_feed_eof(s);
    else if (n < 0 && !(n == -ECANCELED && s->closing))
        lose(s, (int)n);
    if (s->closing)
        aw_stream_flush(s);
    else if (aw_stream_wants(s))
        aw_stream_pull(s);
    s->sleepers--;
    aw_stream_free_unused(s);
}

static int own_pull(aw_stream *s)
{
    if (own(s)->reading)
        return 0;
    own(s)->n = -ECANCELED; /* if it never begins */
    return start(s, &own(s)->reading, read_some, "aw_transport.read", read_is_over);
}

/* ---- writing ---- */

/* One step of the writing task: 1 if there was something to do, 0, or an error. */
static int write_some(aw_stream *s)
{
    struct aw_stream_own *o = own(s);
    if (!o->out.len) {
        aw_bytes_clear(s->loop, &o->out);
        o->out = s->tx;
        s->tx = (struct aw_bytes){0};
    }
    if (o->out.len) {
        ssize_t n = o->transport->write(o->context, aw_bytes_begin(&o->out), o->out.len);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        aw_assert((size_t)n <= o->out.len);
        aw_bytes_drop(s->loop, &o->out, (size_t)n);
        aw_stream_pending_changed(s);
        return 1;
    }
    if (s->ending && !s->ended) {
        AW_TRY(o->transport->shutdown(o->context));
        s->ended = true;
        return 1;
    }
    if (!o->parting)
        return 0;
    o->parting = false;
    return o->transport->close(o->context);
}

static int write_all(void *arg)
{
    aw_stream *s = arg;
    int more;
    own(s)->write_error = 0;
    do
        more = s->over ? 0 : write_some(s);
    while (more > 0);
    if (more < 0)
        keep_detail(s, own(s)->write_error = more);
    return 0;
}

static void write_is_over(void *arg)
{
    aw_stream *s = arg;
    int err = own(s)->write_error;
    forget(&own(s)->writing);
    if (s->over)
        aw_stream_settle(s);
    else if (err < 0)
        lose(s, err);
    else
        aw_stream_flush(s);
    s->sleepers--;
    aw_stream_free_unused(s);
}

static int own_await_room(aw_stream *s)
{
    if (own(s)->writing)
        return 0;
    own(s)->write_error = -ECANCELED; /* if it never begins */
    return start(s, &own(s)->writing, write_all, "aw_transport.write", write_is_over);
}

static ssize_t own_push(aw_stream *s, const void *buf, size_t n)
{
    (void)s, (void)buf, (void)n;
    return -EAGAIN;
}

static size_t own_holds(const aw_stream *s)
{
    return s->of_own.out.len;
}

static size_t own_below(const aw_stream *s)
{
    const struct aw_stream_own *o = &s->of_own;
    return o->transport->pending ? o->transport->pending(o->context) : 0;
}

static int own_end_sending(aw_stream *s)
{
    int err = own_await_room(s);
    return err < 0 ? err : -EINPROGRESS;
}

static bool own_may_end_sending(const aw_stream *s)
{
    return s->of_own.transport->shutdown != NULL;
}

/* ---- the end ---- */

/* Good-bye is said by the writing task, when the reading one is out of the way. */
static bool own_part(aw_stream *s)
{
    struct aw_stream_own *o = own(s);
    if (o->reading) {
        aw_cancel(o->reading);
        return true;
    }
    if (o->parted || !o->transport->close)
        return o->writing != NULL;
    o->parted = o->parting = true;
    int err = own_await_room(s);
    if (err < 0)
        aw_stream_lose(s, err, NULL);
    return true;
}

static void own_stop(aw_stream *s)
{
    if (s->loop->closed)
        return;
    if (own(s)->reading)
        aw_cancel(own(s)->reading);
    if (own(s)->writing)
        aw_cancel(own(s)->writing);
}

static bool own_busy(const aw_stream *s)
{
    return s->of_own.reading || s->of_own.writing;
}

static void own_shut(aw_stream *s, bool in_order)
{
    (void)in_order;
    if (own(s)->transport->abort)
        own(s)->transport->abort(own(s)->context);
}

static void own_free(aw_stream *s)
{
    struct aw_stream_own *o = own(s);
    aw_bytes_clear(s->loop, &o->in);
    aw_bytes_clear(s->loop, &o->out);
    aw_text_unref(o->detail);
    if (o->transport->release)
        o->transport->release(o->context);
}

static int own_fd(const aw_stream *s)
{
    const struct aw_stream_own *o = &s->of_own;
    return o->transport->fd && !s->shut ? o->transport->fd(o->context) : -ENOTSUP;
}

static const struct aw_stream_kind own_kind = {
    .pull = own_pull,
    .push = own_push,
    .await_room = own_await_room,
    .end_sending = own_end_sending,
    .part = own_part,
    .stop = own_stop,
    .busy = own_busy,
    .shut = own_shut,
    .free = own_free,
    .fd = own_fd,
    .may_end_sending = own_may_end_sending,
    .holds = own_holds,
    .below = own_below,
};

aw_stream *aw_stream_from_transport_(const aw_stream_opts *opts)
{
    if (!opts->transport || (!opts->transport->read && !opts->transport->write))
        return aw_fail_null(-EINVAL, "the transport has no calls");
    aw_stream *s = aw_stream_make(&own_kind, opts);
    if (!s)
        return NULL;
    s->no_read |= !opts->transport->read;
    s->no_write |= !opts->transport->write;
    if (s->no_read && s->no_write) {
        aw_stream_unmake(s);
        return aw_fail_null(-EINVAL, "neither to be read nor to be written");
    }
    s->of_own.transport = opts->transport;
    s->of_own.context = opts->context;
    return s;
}

void *aw_stream_transport_context(const aw_stream *s, const aw_transport *transport)
{
    bool over_it = s && s->kind == &own_kind && s->of_own.transport == transport;
    return over_it ? s->of_own.context : NULL;
}
