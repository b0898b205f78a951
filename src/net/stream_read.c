/*
 * stream_read.c - reading: waiting for bytes, and the calls that take them.
 *
 * A reading call looks at what is buffered, and while that does not answer it sleeps until there is
 * more: at least as many bytes as it needs, the end, or an error.  It takes its bytes only when it
 * has them all; so a call that is cancelled has consumed nothing.  One exception makes echo cheap:
 * aw_stream_read() that finds nothing lends its caller's memory to the source, and what goes there
 * has been read, cancelled or not.
 *
 * What is given out as a pointer stays where it is: rx moves on in other memory rather than move
 * it.  The zero behind it stands in place of the first byte that is unread, which is kept apart.
 */
#include <string.h>

#include "net/stream.h"

enum { DIRECT_MIN = 512 }; /* bytes: for less a source is not asked directly */

/* ---- memory that was given out ---- */

static void unveil(aw_stream *s)
{
    if (s->is_veiled)
        *aw_bytes_begin(&s->rx) = s->veiled;
    s->is_veiled = false;
}

/* Whoever looked at it has come back. */
static void take_back(aw_stream *s)
{
    if (!s->is_given)
        return;
    unveil(s);
    s->is_given = false;
    aw_bytes_clear(s->loop, &s->given);
    aw_bytes_drop(s->loop, &s->rx, 0);
}

void aw_stream_drop_rx(aw_stream *s)
{
    s->is_given = s->is_veiled = false;
    aw_bytes_clear(s->loop, &s->given);
    aw_bytes_clear(s->loop, &s->rx);
}

/* Make room in rx without moving what somebody looks at: the unread rest goes elsewhere. */
static bool reserve(aw_stream *s, size_t n)
{
    if (!s->is_given || s->given.data || aw_bytes_room(&s->rx) >= n)
        return aw_bytes_reserve(s->loop, &s->rx, n);
    struct aw_bytes rest = {0};
    if (!aw_bytes_reserve(s->loop, &rest, s->rx.len + n))
        return false;
    if (s->rx.len) {
        memcpy(rest.data, aw_bytes_begin(&s->rx), s->rx.len);
        rest.len = s->rx.len;
        if (s->is_veiled)
            rest.data[0] = s->veiled;
        s->is_veiled = false;
    }
    s->given = s->rx;
    s->rx = rest;
    return true;
}

/* ---- what a source does ---- */

size_t aw_stream_appetite(aw_stream *s)
{
    const struct aw_stream_reader *r = s->reader;
    size_t holds = s->rx.len, most = 2 * s->limit;
    if (r && r->need > holds && most < r->need)
        most = r->need;
    if (s->closing || s->eof)
        return 0;
    if (holds < most)
        return most - holds;
    s->paused = true;
    return 0;
}

static bool is_satisfied(const aw_stream *s, const struct aw_stream_reader *r)
{
    return r->got || s->rx.len >= r->need || s->eof || s->lost || s->set_error;
}

void aw_stream_wake_reader(aw_stream *s)
{
    struct aw_stream_reader *r = s->reader;
    if (!r || !r->asleep || !is_satisfied(s, r))
        return;
    s->reader = NULL;
    aw_wake(&r->wait, 0);
}

bool aw_stream_wants(const aw_stream *s)
{
    return s->reader && !is_satisfied(s, s->reader);
}

void aw_stream_pull(aw_stream *s)
{
    int err = aw_stream_wants(s) && !s->closing ? s->kind->pull(s) : 0;
    if (err < 0)
        aw_stream_lose(s, err, NULL);
}

/* As many as the sleeping reader takes directly. */
static size_t feed_reader(aw_stream *s, const char *data, size_t n)
{
    struct aw_stream_reader *r = s->reader;
    if (!r || !r->buf || s->rx.len)
        return 0;
    size_t room = r->room - r->got;
    if (n > room)
        n = room;
    memcpy(r->buf + r->got, data, n);
    r->got += n;
    return n;
}

bool aw_stream_feed(aw_stream *s, const void *data, size_t n)
{
    size_t taken = feed_reader(s, data, n);
    if (taken < n) {
        if (!reserve(s, n - taken)) {
            aw_stream_lose(s, -ENOMEM, NULL);
            return false;
        }
        aw_ignore(!aw_bytes_add(s->loop, &s->rx, (const char *)data + taken, n - taken));
    }
    aw_stream_wake_reader(s);
    return true;
}

void aw_stream_feed_bytes(aw_stream *s, struct aw_bytes *b)
{
    size_t taken = feed_reader(s, aw_bytes_begin(b), b->len);
    aw_bytes_drop(s->loop, b, taken);
    if (!b->len) {
        aw_stream_wake_reader(s);
    } else if (!s->rx.data) {
        s->rx = *b;
        aw_stream_wake_reader(s);
    } else {
        aw_stream_feed(s, aw_bytes_begin(b), b->len);
        aw_bytes_clear(s->loop, b);
    }
}

void *aw_stream_space(aw_stream *s, size_t *ret_room)
{
    struct aw_stream_reader *r = s->reader;
    if (r && r->buf && !s->rx.len && r->room >= DIRECT_MIN) {
        *ret_room = r->room;
        return r->buf;
    }
    size_t least = r && r->need > s->rx.len ? r->need - s->rx.len : 1;
    if (least > s->limit)
        least = s->limit;
    if (!reserve(s, least))
        return NULL;
    size_t room = aw_bytes_room(&s->rx), most = aw_stream_appetite(s);
    *ret_room = most && most < room ? most : room;
    return aw_bytes_begin(&s->rx) + s->rx.len;
}

void aw_stream_fed(aw_stream *s, size_t n)
{
    struct aw_stream_reader *r = s->reader;
    if (r && r->buf && !s->rx.len && r->room >= DIRECT_MIN)
        r->got += n;
    else
        s->rx.len += n;
    if (!s->rx.len)
        aw_bytes_clear(s->loop, &s->rx);
    if (n)
        aw_stream_wake_reader(s);
}

void aw_stream_feed_eof(aw_stream *s)
{
    s->eof = true;
    aw_stream_wake_reader(s);
}

/* ---- a call ---- */

static struct aw_stream_reader *reader_of(struct aw_wait *w)
{
    return aw_container_of(w, struct aw_stream_reader, wait);
}

static bool read_cancel(struct aw_wait *w)
{
    reader_of(w)->stream->reader = NULL;
    aw_wake(w, -ECANCELED);
    return true;
}

static void read_drop(struct aw_wait *w)
{
    aw_stream *s = reader_of(w)->stream;
    if (!w->woken)
        s->reader = NULL;
    s->sleepers--;
    aw_stream_free_unused(s);
}

#define READ_KIND(call)                                                                            \
    {                                                                                              \
        .name = (call), .cancel = read_cancel, .drop = read_drop,                                  \
        .describe = aw_stream_describe_wait, .effect_wins = true                                   \
    }
enum { READ, EXACTLY, UNTIL, LINE, ALL, READABLE, BUFFERED };
static const struct aw_wait_kind kinds[] = {
    [READ] = READ_KIND("aw_stream_read"),
    [EXACTLY] = READ_KIND("aw_stream_readexactly"),
    [UNTIL] = READ_KIND("aw_stream_readuntil"),
    [LINE] = READ_KIND("aw_stream_readline"),
    [ALL] = READ_KIND("aw_stream_readall"),
    [READABLE] = READ_KIND("aw_stream_wait_readable"),
    [BUFFERED] = READ_KIND("aw_stream_wait_buffered"),
};

/* A public call that reads. */
struct call {
    int kind;
    const void *caller;
};

static int begin(aw_stream *s)
{
    AW_TRY(aw_stream_check(s));
    if (s->is_reading)
        return aw_fail(AW_EMISUSE, "another task reads from this stream");
    if (s->no_read)
        return aw_fail(-EBADF, "the stream is only for writing");
    take_back(s);
    return s->set_error ? aw_stream_error(s, s->set_error) : 0;
}

/* Nothing more will come: `s` holds all there is. */
static bool has_ended(const aw_stream *s)
{
    return s->eof || s->lost;
}

static int sleep_until_fed(aw_stream *s, struct aw_stream_reader *r, const struct call *c)
{
    r->wait = (struct aw_wait){.kind = &kinds[c->kind], .object = s, .caller = c->caller};
    r->stream = s;
    s->reader = r;
    aw_stream_pull(s);
    if (is_satisfied(s, r)) {
        s->reader = NULL;
        return 0;
    }
    r->asleep = true;
    int result = aw_suspend(aw_self.loop->current, &r->wait);
    s->reader = NULL;
    return result;
}

/* Wait until r->need bytes are there, or r->got some, or nothing more will come.  0; an error that
 * was set; -ECANCELED. */
static int wait_for(aw_stream *s, struct aw_stream_reader *r, const struct call *c)
{
    AW_TRY(aw_stream_check_task(s));
    s->is_reading = true;
    s->sleepers++;
    int err = sleep_until_fed(s, r, c);
    s->sleepers--;
    s->is_reading = false;
    if (!s->handles && s->shut) {
        aw_stream_free_unused(s);
        return aw_fail(AW_EMISUSE, "the stream was given up while a task read from it");
    }
    if (err >= 0 && s->set_error && !r->got)
        err = aw_stream_error(s, s->set_error);
    return err;
}

/* So many bytes were consumed. */
static void consumed(aw_stream *s, size_t n)
{
    aw_bytes_drop(s->loop, &s->rx, n);
    if (!s->paused || s->rx.len > s->limit || s->closing)
        return;
    s->paused = false;
    if (s->kind->resume)
        s->kind->resume(s);
}

static void take(aw_stream *s, void *buf, size_t n)
{
    if (n)
        memcpy(buf, aw_bytes_begin(&s->rx), n);
    consumed(s, n);
}

/* Give out n bytes where they are. */
static void give(aw_stream *s, char **ret, size_t n)
{
    if (!n) {
        s->empty[0] = '\0';
        *ret = s->empty;
        return;
    }
    char *data = aw_bytes_begin(&s->rx);
    s->is_given = true;
    if (n < s->rx.len) {
        s->veiled = data[n];
        s->is_veiled = true;
        s->rx.at += n;
        s->rx.len -= n;
    } else {
        s->given = s->rx; /* the queue begins anew */
        s->rx = (struct aw_bytes){0};
    }
    data[n] = '\0';
    *ret = data;
    consumed(s, 0);
}

/* What is told when nothing is left: the end of the stream, or how it was lost. */
static int the_end(const aw_stream *s)
{
    return s->lost ? aw_stream_error(s, s->lost) : 0;
}

/* ---- up to so many, exactly so many, all ---- */

ssize_t aw_stream_read(aw_stream *s, void *buf, size_t n)
{
    AW_TRY(begin(s));
    if (n > SSIZE_MAX || (!buf && n))
        return aw_fail(-EINVAL, buf ? "the number of bytes" : "the buffer is NULL");
    if (!n)
        return 0;
    if (!s->rx.len && !has_ended(s)) {
        struct aw_stream_reader r = {.need = 1, .buf = buf, .room = n};
        AW_TRY(wait_for(s, &r, &(struct call){READ, __builtin_return_address(0)}));
        if (r.got)
            return (ssize_t)r.got;
    }
    if (!s->rx.len)
        return the_end(s);
    if (n > s->rx.len)
        n = s->rx.len;
    take(s, buf, n);
    return (ssize_t)n;
}

/* The stream has ended short of what was asked for. */
static int give_partial(aw_stream *s, void *buf, size_t *ret_partial)
{
    size_t n = s->lost ? 0 : s->rx.len;
    if (ret_partial)
        *ret_partial = n;
    if (s->lost)
        return the_end(s);
    take(s, buf, n);
    return aw_fail(AW_EOF, "the stream ended before that many bytes");
}

int aw_stream_readexactly_(const aw_stream_exactly_opts *opts)
{
    aw_stream *s = opts->stream;
    AW_TRY(begin(s));
    if (opts->n > SSIZE_MAX || (!opts->buf && opts->n))
        return aw_fail(-EINVAL, opts->buf ? "the number of bytes" : "the buffer is NULL");
    while (s->rx.len < opts->n && !has_ended(s)) {
        struct aw_stream_reader r = {.need = opts->n};
        AW_TRY(wait_for(s, &r, &(struct call){EXACTLY, __builtin_return_address(0)}));
    }
    if (s->rx.len < opts->n)
        return give_partial(s, opts->buf, opts->ret_partial);
    take(s, opts->buf, opts->n);
    return 0;
}

ssize_t aw_stream_readall(aw_stream *s, char **ret, size_t max)
{
    AW_TRY(begin(s));
    if (!ret || max >= SSIZE_MAX)
        return aw_fail(-EINVAL, ret ? "the number of bytes" : "there is nowhere to put them");
    while (s->rx.len <= max && !has_ended(s)) {
        struct aw_stream_reader r = {.need = max + 1};
        AW_TRY(wait_for(s, &r, &(struct call){ALL, __builtin_return_address(0)}));
    }
    if (s->rx.len > max)
        return aw_fail(AW_ELIMIT, "there is more than was asked for");
    AW_TRY(the_end(s));
    size_t n = s->rx.len;
    give(s, ret, n);
    return (ssize_t)n;
}

ssize_t aw_stream_wait_readable(aw_stream *s)
{
    AW_TRY(begin(s));
    if (!s->rx.len && !has_ended(s)) {
        struct aw_stream_reader r = {.need = 1};
        AW_TRY(wait_for(s, &r, &(struct call){READABLE, __builtin_return_address(0)}));
    }
    return s->rx.len ? (ssize_t)s->rx.len : the_end(s);
}

ssize_t aw_stream_wait_buffered(aw_stream *s, size_t n)
{
    AW_TRY(begin(s));
    if (n > SSIZE_MAX)
        return aw_fail(-EINVAL, "the number of bytes");
    while (s->rx.len < n && !has_ended(s)) {
        struct aw_stream_reader r = {.need = n};
        AW_TRY(wait_for(s, &r, &(struct call){BUFFERED, __builtin_return_address(0)}));
    }
    return s->rx.len ? (ssize_t)s->rx.len : the_end(s);
}

size_t aw_stream_peek(aw_stream *s, const char **ret)
{
    if (!ret || begin(s) < 0 || !s->rx.len)
        return 0;
    *ret = aw_bytes_begin(&s->rx);
    return s->rx.len;
}

int aw_stream_consume(aw_stream *s, size_t n)
{
    AW_TRY(begin(s));
    if (n > s->rx.len)
        return aw_fail(-EINVAL, "more than is buffered");
    if (n)
        consumed(s, n);
    return 0;
}

/* ---- up to a separator ---- */

/* The separators of a call, walked from 0 on; false behind the last. */
static bool separator_at(const aw_stream_until_opts *o, size_t i, const char **ret, size_t *ret_len)
{
    if (o->separator && i-- == 0) {
        *ret = o->separator;
        *ret_len = o->separator_len ? o->separator_len : strlen(o->separator);
        return true;
    }
    *ret = o->separators ? o->separators[i] : NULL;
    *ret_len = *ret ? strlen(*ret) : 0;
    return *ret != NULL;
}

/* Where a search is. */
struct search {
    size_t shortest, longest; /* separators */
    size_t from;              /* no separator begins before this offset */
    size_t begin, end;        /* of the one that was found; end is 0: none yet */
};

static int begin_search(struct search *f, const aw_stream_until_opts *o)
{
    const char *sep;
    size_t len;
    *f = (struct search){.shortest = SIZE_MAX};
    for (size_t i = 0; separator_at(o, i, &sep, &len); i++) {
        if (!len)
            return aw_fail(-EINVAL, "a separator is empty");
        f->shortest = len < f->shortest ? len : f->shortest;
        f->longest = len > f->longest ? len : f->longest;
    }
    return f->longest ? 0 : aw_fail(-EINVAL, "there is no separator");
}

/* The separator that ends first, among what is buffered. */
static bool search(struct search *f, const aw_stream *s, const aw_stream_until_opts *o)
{
    const char *data = s->rx.data ? aw_bytes_begin(&s->rx) : NULL, *sep;
    size_t len, n = s->rx.len;
    if (n < f->from || n - f->from < f->shortest)
        return false;
    for (size_t i = 0; separator_at(o, i, &sep, &len); i++) {
        size_t upto = f->end ? f->end : n; /* one that ends later does not count */
        const char *at = memmem(data + f->from, upto - f->from, sep, len);
        size_t begin = at ? (size_t)(at - data) : 0;
        if (!at || (f->end && begin + len >= f->end))
            continue;
        f->begin = begin;
        f->end = begin + len;
    }
    if (!f->end)
        f->from = n + 1 > f->longest ? n + 1 - f->longest : 0;
    return f->end > 0;
}

static int overrun(const aw_stream_until_opts *o, size_t offset, const char *text)
{
    if (o->ret_offset)
        *o->ret_offset = offset;
    return aw_fail(AW_ELIMIT, text);
}

/* Until a separator is buffered, within the limit: 0; AW_EOF: the stream has ended without; or an
 * error. */
static int find(aw_stream *s, struct search *f, const aw_stream_until_opts *o, const struct call *c)
{
    while (!search(f, s, o)) {
        if (f->from > s->limit)
            return overrun(o, f->from, "no separator within the limit");
        if (has_ended(s))
            return s->lost ? the_end(s) : AW_EOF;
        struct aw_stream_reader r = {.need = s->rx.len + 1};
        AW_TRY(wait_for(s, &r, c));
    }
    if (f->begin > s->limit)
        return overrun(o, f->begin, "the separator is beyond the limit");
    return 0;
}

ssize_t aw_stream_readuntil_(const aw_stream_until_opts *opts)
{
    aw_stream *s = opts->stream;
    struct search f;
    AW_TRY(begin(s));
    if (!opts->ret)
        return aw_fail(-EINVAL, "there is nowhere to put them");
    AW_TRY(begin_search(&f, opts));
    int err = find(s, &f, opts, &(struct call){UNTIL, __builtin_return_address(0)});
    if (err == AW_EOF) {
        size_t n = s->rx.len;
        give(s, opts->ret, n);
        if (opts->ret_partial)
            *opts->ret_partial = n;
        return s->lost ? the_end(s) : aw_fail(AW_EOF, "the stream ended before a separator");
    }
    AW_TRY(err);
    give(s, opts->ret, f.end);
    return (ssize_t)f.end;
}

ssize_t aw_stream_readline(aw_stream *s, char **ret)
{
    const aw_stream_until_opts line = {.stream = s, .ret = ret, .separator = "\n"};
    struct search f = {.shortest = 1, .longest = 1};
    AW_TRY(begin(s));
    if (!ret)
        return aw_fail(-EINVAL, "there is nowhere to put it");
    int err = find(s, &f, &line, &(struct call){LINE, __builtin_return_address(0)});
    if (err == AW_ELIMIT)
        consumed(s, f.end ? f.end : s->rx.len);
    if (err < 0 && (err != AW_EOF || s->lost)) /* lost by AW_EOF, it was cut off: no end in order */
        return err;
    size_t n = err == AW_EOF ? s->rx.len : f.end;
    give(s, ret, n);
    return (ssize_t)n;
}

/* ---- asking, and setting an error ---- */

bool aw_stream_at_eof(const aw_stream *s)
{
    return aw_stream_check(s) < 0 || (s->eof && !s->rx.len);
}

size_t aw_stream_buffered(const aw_stream *s)
{
    return aw_stream_check(s) < 0 ? 0 : s->rx.len;
}

int aw_stream_set_error_(const aw_stream_error_opts *opts)
{
    aw_stream *s = opts->stream;
    AW_TRY(aw_stream_check(s));
    if (opts->code >= 0)
        return aw_fail(-EINVAL, "the code is no error");
    aw_text_unref(s->detail);
    s->detail = aw_text_new(opts->msg);
    s->set_error = opts->code;
    aw_stream_wake_reader(s);
    aw_stream_wake_all(&s->drainers);
    return 0;
}
