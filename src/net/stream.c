/*
 * stream.c - a stream's life: made, held, closed, freed.
 *
 * Who holds a stream: its handles; the sleepers in its calls; and until it is shut its own being
 * open, so that what is pending is sent although nobody holds it any more.  Each of the three is
 * counted apart, and memory goes with the last of them.
 *
 * Without a handle nobody can abort it either, and an other side that takes nothing would keep its
 * descriptor for ever.  So from then on a timer looks whether anything was taken since it was set,
 * and aborts the stream if not.  A stream that is to be closed within a time (`hurried`) is aborted
 * at its end, handle or not, progress or not.
 *
 * A loop that closes has left the kernel before, and will run no task any more: its streams are
 * shut at once, and nobody is woken.
 */
#include "net/stream.h"

#include <math.h>

#include "net/net.h"

enum {
    LIMIT = 64 << 10,       /* bytes */
    HIGH = 64 << 10,        /* bytes */
    MAX_PENDING = 16 << 20, /* bytes */
};

#define CLOSE_TIMEOUT 60. /* seconds */

/* ---- checks ---- */

int aw_stream_check_task(const aw_stream *s)
{
    if (!aw_sync_task())
        return aw_no_loop();
    if (aw_self.loop != s->loop)
        return aw_fail(AW_ETHREAD, "the stream belongs to another loop");
    return 0;
}

int aw_stream_error(const aw_stream *s, int code)
{
    return aw_fail_text(code, s->detail);
}

/* ---- waiting ---- */

void aw_stream_describe(const aw_stream *s, aw_buf *out)
{
    int fd = s->kind->fd(s);
    aw_buf_printf(out, "stream");
    if (fd >= 0)
        aw_buf_printf(out, " of descriptor %d", fd);
    aw_buf_printf(out, ", %zu bytes to be read, %zu pending%s", s->rx.len, aw_stream_pending(s),
                  s->closing ? ", closing" : "");
}

int aw_stream_sleep(aw_stream *s, aw_waiters *line, const struct aw_wait_kind *kind,
                    const void *caller)
{
    struct aw_waiter w = {.stays = false};
    s->sleepers++;
    int err = aw_waiter_sleep(line, &w, &(struct aw_sync_call){kind, s, caller});
    s->sleepers--;
    return err;
}

void aw_stream_describe_wait(const struct aw_wait *w, aw_buf *out)
{
    aw_stream_describe(w->object, out);
}

/* The task is abandoned: it never comes back to say that it sleeps no more. */
void aw_stream_drop_wait(struct aw_wait *w)
{
    aw_stream *s = w->object;
    aw_waiter_drop(w);
    s->sleepers--;
    aw_stream_free_unused(s);
}

void aw_stream_wake_all(aw_waiters *line)
{
    while (line->first)
        aw_waiter_wake(line->first);
}

/* ---- the end ---- */

void aw_stream_free_unused(aw_stream *s)
{
    if (s->handles || s->sleepers || !s->shut)
        return;
    aw_stream_drop_rx(s);
    aw_bytes_clear(s->loop, &s->tx);
    if (s->kind->free)
        s->kind->free(s);
    aw_text_unref(s->detail);
    aw_loop_unref(s->loop);
    aw_mem_free(s);
}

static void tell_the_end(aw_stream *s)
{
    if (s->loop->closed)
        return;
    aw_stream_wake_reader(s);
    aw_stream_wake_all(&s->drainers);
    aw_stream_wake_all(&s->closers);
}

static void shut(aw_stream *s, bool in_order)
{
    aw_timer_cancel(&s->loop->timers, &s->patience);
    s->kind->shut(s, in_order);
    s->shut = s->eof = true;
    aw_list_remove(&s->closer.link);
    tell_the_end(s);
}

void aw_stream_settle(aw_stream *s)
{
    if (!s->over || s->shut || s->kind->busy(s))
        return;
    shut(s, !s->lost && !s->aborted);
    aw_stream_free_unused(s);
}

void aw_stream_finish(aw_stream *s)
{
    if (s->over)
        return;
    s->closing = s->over = true;
    aw_bytes_clear(s->loop, &s->tx);
    s->kind->stop(s);
    aw_stream_settle(s);
}

/* Which stream it was, where nobody has said more. */
static struct aw_text *words_for(const aw_stream *s, int error)
{
    char text[128];
    aw_buf b;
    int fd = s->kind->fd(s);
    aw_buf_init(&b, text, sizeof text);
    aw_buf_add(&b, "the stream");
    if (fd >= 0)
        aw_buf_printf(&b, " of descriptor %d", fd);
    aw_buf_printf(&b, ": %s", aw_strerror(error));
    return aw_text_new(text);
}

void aw_stream_lose(aw_stream *s, int error, struct aw_text *detail)
{
    aw_assert(error < 0);
    if (s->over) {
        aw_text_unref(detail);
        return;
    }
    detail = detail ? detail : words_for(s, error);
    s->lost = error;
    if (!s->set_error) {
        aw_text_unref(s->detail);
        s->detail = detail;
    } else {
        aw_text_unref(detail);
    }
    if (!s->loop->closed) {
        aw_stream_wake_reader(s);
        aw_stream_wake_all(&s->drainers);
    }
    aw_stream_finish(s);
}

static void loop_closes(struct aw_closer *closer)
{
    aw_stream *s = aw_container_of(closer, aw_stream, closer);
    bool in_order = !s->lost && !s->aborted && !aw_stream_pending(s);
    aw_list_init(&closer->link);
    s->lost = s->lost ? s->lost : -ECONNABORTED;
    s->closing = s->over = true;
    aw_bytes_clear(s->loop, &s->tx);
    s->kind->stop(s);
    shut(s, in_order);
    aw_stream_free_unused(s);
}

/* ---- without a handle, or in a hurry ---- */

/* Bytes that the other side has not taken, as far as that can be seen from here. */
static size_t untaken(const aw_stream *s)
{
    return aw_stream_pending(s) + (s->kind->below ? s->kind->below(s) : 0);
}

static void be_patient(aw_stream *s, double seconds)
{
    s->untaken = untaken(s);
    aw_timer_set(&s->loop->timers, &s->patience, aw_deadline_in(s->loop, seconds));
}

static void patience_ends(struct aw_timer *timer)
{
    aw_stream *s = aw_container_of(timer, aw_stream, patience);
    if ((s->handles && !s->hurried) || s->over)
        return;
    if (untaken(s) != s->untaken && !s->hurried)
        be_patient(s, s->close_timeout);
    else
        aw_ignore(aw_stream_abort(s));
}

/* ---- making ---- */

int aw_stream_check_sizes(const aw_stream_opts *opts)
{
    if (opts->high && opts->low > opts->high)
        return aw_fail(-EINVAL, ".high is below .low");
    if (opts->limit > SSIZE_MAX / 4)
        return aw_fail(-EINVAL, ".limit is no size");
    if (isnan(opts->close_timeout) || opts->close_timeout < 0)
        return aw_fail(-EINVAL, ".close_timeout is negative or NaN");
    return 0;
}

static int check_opts(const aw_stream_opts *opts)
{
    if (!aw_self.loop)
        return aw_no_loop();
    if (opts->read_only && opts->write_only)
        return aw_fail(-EINVAL, "neither to be read nor to be written");
    return aw_stream_check_sizes(opts);
}

aw_stream *aw_stream_make(const struct aw_stream_kind *kind, const aw_stream_opts *opts)
{
    int err = check_opts(opts);
    if (err < 0)
        return aw_null(err);
    aw_stream *s = aw_mem_zalloc(sizeof *s);
    if (!s)
        return aw_fail_null(-ENOMEM, "no memory for a stream");
    s->kind = kind;
    s->loop = aw_self.loop;
    s->loop->refs++;
    s->handles = 1;
    s->closer.run = loop_closes;
    aw_list_push_back(&s->loop->closers, &s->closer.link);
    s->limit = opts->limit ? opts->limit : LIMIT;
    s->high = opts->high ? opts->high : opts->low > HIGH ? opts->low : HIGH;
    s->low = opts->low ? opts->low : s->high / 4;
    s->max_pending = opts->max_pending ? opts->max_pending : MAX_PENDING;
    s->close_timeout = opts->close_timeout != 0 ? opts->close_timeout : CLOSE_TIMEOUT;
    s->patience.fire = patience_ends;
    s->no_read = opts->write_only;
    s->no_write = opts->read_only;
    return s;
}

void aw_stream_unmake(aw_stream *s)
{
    aw_list_remove(&s->closer.link);
    aw_loop_unref(s->loop);
    aw_mem_free(s);
}

/* ---- handles ---- */

aw_stream *aw_stream_ref(aw_stream *s)
{
    if (s && aw_stream_check(s) == 0)
        s->handles++;
    return s;
}

void aw_stream_unref(aw_stream *s)
{
    if (!s || aw_stream_check(s) < 0)
        return;
    aw_assert(s->handles > 0);
    if (s->handles == 1)
        aw_ignore(aw_stream_close(s)); /* held by the handle meanwhile */
    if (--s->handles == 0 && !s->over && !s->hurried)
        be_patient(s, s->close_timeout);
    aw_stream_free_unused(s);
}

/* ---- closing ---- */

int aw_stream_close(aw_stream *s)
{
    AW_TRY(aw_stream_check(s));
    if (s->closing)
        return 0;
    s->closing = true;
    s->handles++; /* it may be the last that it hears of */
    aw_stream_flush(s);
    s->handles--;
    return 0;
}

int aw_stream_close_within(aw_stream *s, double seconds)
{
    AW_TRY(aw_stream_check(s));
    if (!(seconds > 0))
        return aw_fail(-EINVAL, "the time limit is not above 0");
    AW_TRY(aw_stream_close(s));
    if (s->over || s->hurried)
        return 0;
    s->hurried = true;
    be_patient(s, seconds);
    return 0;
}

/* Is anything pending that would be dropped? */
static bool would_drop(const aw_stream *s)
{
    return s->kind->sends_held ? s->tx.len > 0 : aw_stream_pending(s) > 0;
}

int aw_stream_abort(aw_stream *s)
{
    AW_TRY(aw_stream_check(s));
    if (s->over)
        return 0;
    s->closing = true;
    if (would_drop(s))
        s->aborted = true;
    aw_stream_finish(s);
    return 0;
}

bool aw_stream_is_closing(const aw_stream *s)
{
    return aw_stream_check(s) < 0 || s->closing;
}

static const struct aw_wait_kind closed_kind = AW_STREAM_KIND("aw_stream_wait_closed");

int aw_stream_wait_closed(aw_stream *s)
{
    AW_TRY(aw_stream_check(s));
    AW_TRY(aw_stream_check_task(s));
    int err = 0;
    if (!s->shut)
        err = aw_stream_sleep(s, &s->closers, &closed_kind, __builtin_return_address(0));
    if (err >= 0 && s->lost)
        err = aw_stream_error(s, s->lost);
    aw_stream_free_unused(s);
    return err;
}

/* ---- below ---- */

int aw_stream_fd(const aw_stream *s)
{
    AW_TRY(aw_stream_check(s));
    return s->kind->fd(s);
}
