/*
 * server_body.c - the body of a request: of a length that was told, or in chunks.
 *
 * Bytes go from the stream to the handler's memory; only the lines between chunks are looked at in
 * the stream's buffer.  A chunk's line is hexadecimal digits, perhaps an extension, CR LF; trailers
 * are fields like others, and dropped.  Extensions and trailers together have a limit of their own,
 * because they cost their sender nothing else.
 *
 * Reading has two limits of time: what the handler waits on the whole, and a rate.  Only waiting
 * counts: a handler that takes its time is no slow client.
 */
#include "http/server.h"

#include <string.h>

enum {
    LINE_MAX_ = 4096,        /* bytes of a chunk's line, or a trailer */
    OVERHEAD_MAX = 16 << 10, /* bytes of extensions and trailers */
    DROP_MAX = 64 << 10,     /* bytes of a body that nobody reads */
    GRACE = 10,              /* seconds before the rate counts */
    GROWTH = 4 << 10,        /* bytes of memory that a body begins with */
};

/* ---- failing ---- */

/* Nothing more can be read, and the connection will end. */
static int gone(aw_http_request *r, int error)
{
    r->body.error = error;
    r->keep_alive = false;
    return aw_http_peer_error(r, error);
}

/* The body is no good, which is told. */
static int fail(aw_http_request *r, int error, struct aw_http_refusal refusal)
{
    r->refusal = refusal.status;
    aw_http_log_refusal(r, &refusal);
    return gone(r, error);
}

static int malformed(aw_http_request *r, const char *why)
{
    return fail(r, -EPROTO, aw_http_because(400, why));
}

static int too_large(aw_http_request *r)
{
    if (r->body.is_dropped)
        return gone(r, AW_ELIMIT);
    return fail(r, AW_ELIMIT,
                aw_http_limited(413, "the body is too large", "max_body", (double)r->body.most));
}

static int too_slow(aw_http_request *r)
{
    const aw_http_server_opts *o = &r->connection->server->opts;
    if (r->body.waited >= o->body_timeout)
        return fail(
            r, -ETIMEDOUT,
            aw_http_limited(408, "the body takes too long", "body_timeout", o->body_timeout));
    return fail(r, -ETIMEDOUT,
                aw_http_limited(408, "the body comes too slowly", "min_rate", (double)o->min_rate));
}

/* ---- waiting ---- */

static double allowance(const aw_http_request *r)
{
    const aw_http_server_opts *o = &r->connection->server->opts;
    double by_rate = GRACE;
    if (o->min_rate == SIZE_MAX)
        by_rate = INFINITY;
    else
        by_rate += (double)r->body.got / (double)o->min_rate;
    double most = by_rate < o->body_timeout ? by_rate : o->body_timeout;
    return most - r->body.waited;
}

/* Wait until n bytes are buffered, or what follows the head of the stream: how many there are. */
static ssize_t wait_for(aw_http_request *r, size_t n)
{
    struct aw_http_connection *c = r->connection;
    double began = aw_time();
    int err = aw_http_flush(c); /* the answer so far may be what the client waits for */
    if (err < 0)
        return gone(r, err);
    AW_TRY(aw_http_deadline(c, began + allowance(r)));
    ssize_t got = aw_stream_wait_buffered(c->stream, n);
    r->body.waited += aw_time() - began;
    aw_ignore(aw_http_deadline(c, INFINITY));
    if (c->timed_out)
        return too_slow(r);
    if (got == -ECANCELED)
        return got;
    if (got < 0)
        return gone(r, (int)got);
    if ((size_t)got >= n)
        return got;
    r->refusal = 400; /* should it still listen */
    return gone(r, AW_EOF);
}

/* ---- chunks ---- */

/* A line that ends in CR LF, where it lies: its length without that, and what is to be consumed. */
static ssize_t chunk_line(aw_http_request *r, const char **ret)
{
    aw_stream *s = r->connection->stream;
    for (size_t seen = 0;;) {
        size_t n = aw_stream_peek(s, ret);
        const char *end = n > seen ? memchr(*ret + seen, '\n', n - seen) : NULL;
        size_t len = end ? (size_t)(end - *ret) : n;
        if (len > LINE_MAX_)
            return malformed(r, "a line between chunks is too long");
        if (end && (len == 0 || end[-1] != '\r'))
            return malformed(r, "a line between chunks ends in a bare line feed");
        if (end)
            return (ssize_t)len - 1;
        seen = n;
        ssize_t got = wait_for(r, n + 1);
        if (got < 0)
            return got;
    }
}

static int spend(aw_http_request *r, size_t n)
{
    r->body.overhead += n;
    return r->body.overhead > OVERHEAD_MAX
               ? malformed(r, "there is too much in extensions and trailers")
               : 0;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The size at the beginning of a chunk's line; how many digits, 0: it is none.  Zeros in front
 * count as digits: else a byte could be sent with thousands of them. */
static size_t chunk_size(const char *line, size_t n, uint64_t *ret)
{
    size_t i = 0;
    *ret = 0;
    for (; i < n && digit(line[i]) >= 0; i++) {
        if (i == 16)
            return 0;
        *ret = *ret * 16 + (uint64_t)digit(line[i]);
    }
    return i;
}

/* The fields behind the last chunk, and the empty line. */
static int skip_trailers(aw_http_request *r)
{
    for (;;) {
        const char *line = "";
        ssize_t n = chunk_line(r, &line);
        if (n < 0)
            return (int)n;
        size_t name = 0;
        while (name < (size_t)n && aw_token_char[(unsigned char)line[name]])
            name++;
        if (n > 0 && (name == 0 || name == (size_t)n || line[name] != ':' ||
                      aw_has_control(line, (size_t)n)))
            return malformed(r, "a trailer is malformed");
        if (n > 0)
            AW_TRY(spend(r, (size_t)n));
        AW_TRY(aw_stream_consume(r->connection->stream, (size_t)n + 2));
        if (n == 0)
            break;
    }
    r->body.is_complete = true;
    return 0;
}

/* The end of a chunk, CR LF. */
static int end_chunk(aw_http_request *r)
{
    const char *line = "";
    ssize_t n = chunk_line(r, &line);
    if (n < 0)
        return (int)n;
    if (n > 0)
        return malformed(r, "a chunk is longer than it says");
    r->body.in_chunk = false;
    return aw_stream_consume(r->connection->stream, 2);
}

/* The line before a chunk: how long it is. */
static int begin_chunk(aw_http_request *r)
{
    const char *line = "";
    ssize_t n = chunk_line(r, &line);
    if (n < 0)
        return (int)n;
    size_t digits = chunk_size(line, (size_t)n, &r->body.left);
    if (digits == 0 || (digits < (size_t)n && line[digits] != ';'))
        return malformed(r, "a chunk's size is no number");
    if (aw_has_control(line, (size_t)n))
        return malformed(r, "control characters between chunks");
    AW_TRY(spend(r, (size_t)n - digits));
    AW_TRY(aw_stream_consume(r->connection->stream, (size_t)n + 2));
    if (r->body.left > r->body.most || r->body.got > r->body.most - r->body.left)
        return too_large(r);
    if (r->body.left == 0)
        return skip_trailers(r);
    r->body.in_chunk = true;
    return 0;
}

/* Until there are bytes of the body to be read, or there will be none. */
static int next_chunk(aw_http_request *r)
{
    while (r->body.left == 0 && !r->body.is_complete)
        AW_TRY(r->body.in_chunk ? end_chunk(r) : begin_chunk(r));
    return 0;
}

/* ---- reading ---- */

/* The client waits to be told that its body is wanted. */
static int say_continue(aw_http_request *r)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    r->body.is_expected = false;
    AW_TRY(aw_http_flush(r->connection));
    if (r->state != AW_HTTP_WAITING)
        return 0;
    int err = aw_stream_write(r->connection->stream, text, sizeof text - 1);
    return err < 0 ? gone(r, err) : 0;
}

static int begin_body(aw_http_request *r)
{
    r->body.is_begun = true;
    if (!r->body.is_chunked && r->body.left > r->body.most)
        return too_large(r);
    return r->body.is_expected ? say_continue(r) : 0;
}

ssize_t aw_http_request_read(aw_http_request *r, void *buf, size_t n)
{
    if (!r || (!buf && n))
        return aw_raise(-EINVAL, "the request or the buffer is NULL");
    if (r->body.error)
        return r->body.error;
    if (r->body.is_complete || n == 0)
        return 0;
    if (!r->body.is_begun)
        AW_TRY(begin_body(r));
    if (r->body.is_chunked)
        AW_TRY(next_chunk(r));
    if (r->body.is_complete)
        return 0;
    if (aw_stream_buffered(r->connection->stream) == 0) {
        ssize_t got = wait_for(r, 1);
        if (got < 0)
            return got;
    }
    ssize_t got = aw_stream_read(r->connection->stream, buf, n < r->body.left ? n : r->body.left);
    if (got < 0)
        return gone(r, (int)got);
    r->body.got += (uint64_t)got;
    r->body.left -= (uint64_t)got;
    r->body.is_complete = r->body.left == 0 && !r->body.is_chunked;
    return got;
}

/* Twice as much room, or what was promised if that is less. */
static char *grow(aw_http_request *r, char *data, size_t used, size_t *size)
{
    size_t want = *size ? *size * 2 : GROWTH;
    if (!r->body.is_chunked && want > used + r->body.left)
        want = used + r->body.left;
    char *more = aw_http_request_alloc(r, want + 1);
    if (!more)
        return NULL;
    if (used)
        memcpy(more, data, used);
    *size = want;
    return more;
}

ssize_t aw_http_request_body(aw_http_request *r, char **ret)
{
    size_t used = 0, size = 0;
    char *data = NULL;
    if (!r || !ret)
        return aw_raise(-EINVAL, "the request is NULL, or there is nowhere to put its body");
    if (r->body.is_begun && !r->body.error)
        return aw_raise(AW_EMISUSE, "a part of the body was read before");
    ssize_t n = 1;
    while (n > 0) {
        if (!data || (used == size && !r->body.is_complete))
            data = grow(r, data, used, &size);
        if (!data)
            return aw_raise(-ENOMEM, "no memory for a request's body");
        n = aw_http_request_read(r, data + used, size - used);
        if (n < 0)
            return n;
        used += (size_t)n;
    }
    data[used] = '\0';
    *ret = data;
    return (ssize_t)used;
}

bool aw_http_body_is_long(const aw_http_request *r)
{
    const struct aw_http_body *b = &r->body;
    if (b->is_complete)
        return false;
    return b->error || b->is_expected || b->left > DROP_MAX;
}

bool aw_http_drop_body(aw_http_request *r)
{
    char waste[4096];
    if (aw_http_body_is_long(r))
        return false;
    r->body.most = r->body.got + DROP_MAX;
    r->body.is_dropped = true;
    while (!r->body.is_complete) {
        ssize_t n = aw_http_request_read(r, waste, sizeof waste);
        if (n < 0)
            return false;
    }
    return true;
}

int64_t aw_http_request_length(const aw_http_request *r)
{
    if (!r)
        return -EINVAL;
    return r->body.is_chunked ? -1 : (int64_t)(r->body.got + r->body.left);
}

int aw_http_request_set_max_body(aw_http_request *r, size_t n)
{
    if (!r)
        return aw_raise(-EINVAL, "the request is NULL");
    if (r->body.is_begun)
        return aw_raise(AW_EMISUSE, "reading the body has begun");
    r->body.most = n;
    return 0;
}
