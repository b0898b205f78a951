/*
 * await/stream.h - buffered streams: asyncio's StreamReader and StreamWriter in one object.
 *
 *     aw_stream *s = aw_stream_from_fd(fd);        // a connected socket, a pipe
 *     char *line;
 *     ssize_t n;
 *     while ((n = aw_stream_readline(s, &line)) > 0) {
 *         AW_TRY(aw_stream_write(s, line, (size_t)n));   // never waits
 *         AW_TRY(aw_stream_drain(s));                    // waits while too much is pending
 *     }
 *     aw_ignore(aw_stream_close(s));
 *     aw_ignore(aw_stream_wait_closed(s));
 *     aw_stream_unref(s);
 *
 * A stream reads bytes and writes bytes, over a descriptor, to its other half in the same process,
 * or over a transport of the user's own.  One that carries only one direction fails in the other.
 *
 * Reading.  What has come and was not read yet is buffered; a source is paused while that is more
 * than twice .limit, so that only what it had under way already comes on top.  One task reads at a
 * time: a second one gets AW_EMISUSE.  A read that is cancelled consumes nothing; one that has got
 * its data returns them even when a cancellation came meanwhile, which then waits for the next
 * suspension point.  A call that gives out a pointer gives one into the stream's own buffer: the
 * bytes are the caller's to change, a zero byte follows them, and both last until the next call
 * that reads from the stream, or the last aw_stream_unref().  A stream without unread data holds no
 * buffer.
 *
 * Writing.  What the other side does not take at once is copied, and sent on by the loop, as are
 * small writes where there are many (aw_stream_write() says more).  Callers keep that small by
 * draining after writing.  What nobody drains ends at .max_pending.
 *
 * The end.  aw_stream_close() sends what is pending and then closes; aw_stream_abort() drops it.
 * A stream ends by itself when sending fails, as a read then tells too; its descriptor is closed at
 * once.  A stream is reference counted; giving up the last handle closes it as aw_stream_close()
 * does.  A loop that is closed aborts its streams.
 *
 * Every call belongs to the thread that runs the stream's loop: AW_ETHREAD elsewhere, and -EINVAL
 * for NULL.  They may be called by tasks and by callbacks; only those that say so suspend.
 */
#ifndef AWAIT_STREAM_H
#define AWAIT_STREAM_H

#include <sys/types.h>

#include "await/task.h"

struct iovec;                                 /* <sys/uio.h> */
typedef struct aw_tls_context aw_tls_context; /* await/tls.h */

#ifdef __cplusplus
extern "C" {
#endif

/* A stream of bytes, one or two ways. */
typedef struct aw_stream aw_stream;

/* ---- making one ---- */

/* A way of one's own of moving bytes.  The calls run in tasks that the stream creates: at most one
 * reads at a time, and one other writes, ends the sending side or closes.  Those of int and ssize_t
 * may suspend; when the stream is aborted, or loses interest, the task is cancelled.  Errors are
 * negative codes; they end the stream, which passes them on.  `context` is given to every call. */
typedef struct aw_transport {
    /* Up to n bytes as soon as there are any; 0 at the end.  As with other calls, bytes that were
     * read are returned even when the task was cancelled.  NULL: there is nothing to read. */
    ssize_t (*read)(void *context, void *buf, size_t n);
    /* At least one byte, up to n: how many.  NULL: this way leads nowhere. */
    ssize_t (*write)(void *context, const void *buf, size_t n);
    /* Everything was written: end the sending side alone.  0.  NULL: that cannot be done. */
    int (*shutdown)(void *context);
    /* Everything was written: say good-bye.  No other call runs, and only abort() and release()
     * come after it.  0.  NULL: there is nothing to say. */
    int (*close)(void *context);
    /* The end, in good order (after close()) or not: let go of whatever is below.  Does not
     * suspend.  No other call runs.  May be NULL. */
    void (*abort)(void *context);
    /* The last reference to the stream has gone: free the context.  Does not suspend; also runs
     * when a loop is closed over the stream.  May be NULL. */
    void (*release)(void *context);
    /* The descriptor below, or -1; NULL: there is none. */
    int (*fd)(void *context);
    /* How many bytes it has taken that the other side has not: .close_timeout goes by it.  NULL:
     * none. */
    size_t (*pending)(void *context);
} aw_transport;

/* What a stream is made of: the first members by the macros, and options.  Zero means default. */
typedef struct aw_stream_opts {
    int fd;
    const aw_transport *transport;
    void *context;
    aw_stream **ret;      /* aw_stream_pair(): two handles */
    size_t limit;         /* bytes: of a line, and half of what is read ahead; 64 KiB */
    size_t high;          /* bytes pending above which drain waits; 64 KiB */
    size_t low;           /* bytes pending at which it goes on; a quarter of .high */
    size_t max_pending;   /* bytes that may be pending at all; 16 MiB */
    double close_timeout; /* seconds without a handle in which the other side takes nothing of what
                             is pending, after which that is dropped; 60, INFINITY: no limit */
    bool read_only;       /* it is not for writing: aw_stream_write() fails with -EBADF */
    bool write_only;      /* it is not for reading: reads fail with -EBADF */
} aw_stream_opts;

/* aw_stream *aw_stream_from_fd(int fd, ...options): a stream over a connected stream socket, a
 * pipe's end or a terminal, for the running loop.
 *
 * The stream owns the descriptor from now on, closes it, and makes it non-blocking unless it is a
 * socket.  What was opened for one direction only, as a pipe's end is, is .read_only or .write_only
 * by itself.  NULL with aw_errno(): -EBADF, -EINVAL (a socket that does not carry bytes in order, a
 * file or a folder, which are for await/file.h, .high below .low, no direction left), -ENOMEM,
 * AW_EMISUSE (no running loop); the descriptor is then still the caller's.
 *
 * There is no SIGPIPE for this descriptor: the stream fails with -EPIPE. */
#ifndef __cplusplus
#define aw_stream_from_fd(...) aw_stream_from_fd_(&(aw_stream_opts){.fd = __VA_ARGS__})
#endif
AW_API aw_stream *aw_stream_from_fd_(const aw_stream_opts *opts);

/* What makes a connected stream secure before anybody uses it, for the .tls options of
 * await/net.h: an aw_tls_context (await/tls.h) begins with one.  start() does as aw_start_tls()
 * does: on success *stream is the new stream, which owns the old one; else it is the old one,
 * closed.  `name` is the host's, NULL on the accepting side; `timeout` in seconds, 0 for its own
 * limit; of `opts` the four sizes and .close_timeout.  It may suspend.  A server keeps it from
 * keep(), once, to drop(). */
typedef struct aw_security aw_security;
struct aw_security {
    int (*start)(const struct aw_security *self, aw_stream **stream, const char *name,
                 double timeout, const aw_stream_opts *opts);
    void (*keep)(const aw_security *self);
    void (*drop)(const aw_security *self);
    bool server; /* its role is the accepting one */
};

/* int aw_stream_pair(aw_stream *ret[2], ...options): two streams that are each other's other side,
 * without any descriptor.  0, -EINVAL, -ENOMEM, AW_EMISUSE. */
#ifndef __cplusplus
#define aw_stream_pair(...) aw_stream_pair_(&(aw_stream_opts){.ret = __VA_ARGS__})
#endif
AW_API int aw_stream_pair_(const aw_stream_opts *opts);

/* aw_stream *aw_stream_from_transport(const aw_transport *t, void *context, ...options): a stream
 * over a transport of one's own.  The table must outlive the stream.  NULL with aw_errno():
 * -EINVAL, -ENOMEM, AW_EMISUSE; the context is then still the caller's. */
#ifndef __cplusplus
#define aw_stream_from_transport(...)                                                              \
    aw_stream_from_transport_(&(aw_stream_opts){.transport = __VA_ARGS__})
#endif
AW_API aw_stream *aw_stream_from_transport_(const aw_stream_opts *opts);

/* Another handle; returns `s`.  And one less: the last one closes the stream, as aw_stream_close()
 * does, and its memory goes when that is done.  Nobody can end it from then on: so if the other
 * side takes nothing for .close_timeout seconds, it is aborted; as long as it takes something, it
 * may take its time.  A run that ends before that loses what is pending
 * (of a transport it reports the task that it cuts off): aw_stream_wait_closed() waits for it.
 * NULL is allowed in both; in another thread than the loop's they do nothing. */
AW_API aw_stream *aw_stream_ref(aw_stream *s);
AW_API void aw_stream_unref(aw_stream *s);

/* ---- reading ---- */

/* Errors of the calls in this part, besides their own: -ECANCELED; AW_EMISUSE outside a task (if
 * they would have to wait) and while another task reads; -EBADF from a stream that is only written;
 * -ENOMEM; and what ended the stream (-ECONNRESET, ...), once the data before it were read, or what
 * aw_stream_set_error() said, at once. */

/* Up to n bytes into `buf`, as soon as there are any; 0 at the end of the stream, and when n is 0.
 * -EINVAL for a NULL buffer or an n that is no size.  Suspends only if nothing is buffered. */
AW_API ssize_t aw_stream_read(aw_stream *s, void *buf, size_t n) AW_MUST_USE;

typedef struct aw_stream_exactly_opts {
    aw_stream *stream;
    void *buf;
    size_t n;
    size_t *ret_partial; /* AW_EOF: receives how many bytes came */
} aw_stream_exactly_opts;

/* int aw_stream_readexactly(aw_stream *s, void *buf, size_t n, .ret_partial = &got): n bytes.
 *
 * 0; AW_EOF when the stream ended before, and what came is then in `buf`; -EINVAL for a NULL buffer
 * and an n above SSIZE_MAX.  With any other error nothing was consumed.  The bytes are kept in the
 * stream until all are there.  Suspends as long as they are not. */
#ifndef __cplusplus
#define aw_stream_readexactly(...)                                                                 \
    aw_stream_readexactly_(&(aw_stream_exactly_opts){.stream = __VA_ARGS__})
#endif
AW_API int aw_stream_readexactly_(const aw_stream_exactly_opts *opts) AW_MUST_USE;

typedef struct aw_stream_until_opts {
    aw_stream *stream;
    char **ret;
    const char *separator;
    size_t separator_len;          /* bytes; 0: it is a string */
    const char *const *separators; /* more of them: strings, up to a NULL */
    size_t *ret_partial;           /* AW_EOF: receives how many bytes *ret points to */
    size_t *ret_offset;            /* AW_ELIMIT: receives the offset of the separator, or how many
                                      bytes are known not to begin one */
} aw_stream_until_opts;

/* ssize_t aw_stream_readuntil(aw_stream *s, char **ret, const char *separator, ...options): the
 * data up to and with the separator; of several, up to the one that ends first.
 *
 * How many bytes *ret points to; AW_EOF when the stream ended before, and *ret points to what came;
 * AW_ELIMIT ('limit overrun') when more than .limit bytes would come before the separator: nothing
 * is consumed then, and aw_stream_read() can take it; -EINVAL without a separator, or an empty one.
 * Suspends as long as no separator has come. */
#ifndef __cplusplus
#define aw_stream_readuntil(...)                                                                   \
    aw_stream_readuntil_(&(aw_stream_until_opts){.stream = __VA_ARGS__})
#endif
AW_API ssize_t aw_stream_readuntil_(const aw_stream_until_opts *opts) AW_MUST_USE;

/* A line: the data up to and with the next '\n', or up to the end of the stream.
 *
 * How many bytes *ret points to, 0 at the end; AW_ELIMIT when the line without its newline is
 * longer than .limit: the line is then dropped if its newline has come, else everything buffered.
 * A stream that was lost ends no line: what came of it is left to aw_stream_read(), and this gives
 * the error, AW_EOF where TLS was cut off.  Suspends as long as there is no line. */
AW_API ssize_t aw_stream_readline(aw_stream *s, char **ret) AW_MUST_USE;

/* Everything up to the end of the stream, at most `max` bytes: how many *ret points to.  AW_ELIMIT
 * when there is more, and nothing is consumed.  Suspends until the end. */
AW_API ssize_t aw_stream_readall(aw_stream *s, char **ret, size_t max) AW_MUST_USE;

/* Wait until there is something to read, and leave it there: how many bytes, 0 at the end.  For
 * parsers that read as they go.  Suspends only if nothing is buffered. */
AW_API ssize_t aw_stream_wait_readable(aw_stream *s) AW_MUST_USE;

/* The same until at least n bytes are there: fewer only at the end of the stream.  -EINVAL for an n
 * above SSIZE_MAX.  Suspends as long as they are not. */
AW_API ssize_t aw_stream_wait_buffered(aw_stream *s, size_t n) AW_MUST_USE;

/* Look at what is buffered and leave it there: how many bytes *ret points to; with 0, and for NULL,
 * *ret is left alone.  The bytes are not the caller's to change, and no zero follows them.  Valid
 * until the next call that reads from the stream, or any suspension.  Never suspends. */
AW_API size_t aw_stream_peek(aw_stream *s, const char **ret);

/* Take the first n of what is buffered: 0; -EINVAL when there are fewer.  Never suspends; errors
 * otherwise as aw_stream_read(). */
AW_API int aw_stream_consume(aw_stream *s, size_t n);

/* Has the stream ended, and was everything read?  True for NULL.  The end of a source that nobody
 * reads may not be known yet. */
AW_API bool aw_stream_at_eof(const aw_stream *s);

/* How many bytes are there to be read without waiting; 0 for NULL. */
AW_API size_t aw_stream_buffered(const aw_stream *s);

typedef struct aw_stream_error_opts {
    aw_stream *stream;
    int code;
    const char *msg; /* the detail for whoever reads: aw_errmsg(); copied */
} aw_stream_error_opts;

/* int aw_stream_set_error(aw_stream *s, int code, .msg = "detail"): from now on every read and
 * drain fails with this negative code, even if data are buffered; who waits is woken.  The stream
 * is not closed.  0, -EINVAL. */
#ifndef __cplusplus
#define aw_stream_set_error(...)                                                                   \
    aw_stream_set_error_(&(aw_stream_error_opts){.stream = __VA_ARGS__})
#endif
AW_API int aw_stream_set_error_(const aw_stream_error_opts *opts);

/* ---- writing ---- */

/* Write n bytes: what cannot be sent at once is copied and sent later, in order.  Where many
 * connections are at work, or many are written to one after the other, a small write may be kept
 * until the end of the loop's pass, and go out by one system call with those of the others; it
 * counts as pending until then.
 *
 * 0; AW_ELIMIT when more than .max_pending bytes would be pending, and nothing is written then;
 * -ENOMEM, likewise; -EBADF on a stream that is only read; AW_EMISUSE after aw_stream_write_eof()
 * or aw_stream_close(); what ended the stream (-EPIPE, -ECONNRESET, ...).  Never suspends. */
AW_API int aw_stream_write(aw_stream *s, const void *buf, size_t n);

/* The same for several pieces, one after the other. */
AW_API int aw_stream_writev(aw_stream *s, const struct iovec *pieces, size_t n);

/* Wait while too much is pending: more than .high bytes, until it is .low or less.  Any number of
 * tasks may wait; they go on together.  0; what ended the stream; -ECONNRESET when it was closed
 * meanwhile; -ECANCELED; AW_EMISUSE outside a task.  Suspends only then. */
AW_API int aw_stream_drain(aw_stream *s) AW_MUST_USE;

/* End the sending side behind what is pending: the other side reads the end, and may go on
 * sending.  0, also when done before; -ENOTSUP where it cannot be done (the transport has no
 * shutdown()); others as aw_stream_write().  Never suspends. */
AW_API int aw_stream_write_eof(aw_stream *s);

/* How many bytes are pending; 0 for NULL. */
AW_API size_t aw_stream_pending(const aw_stream *s);

/* Change .high and .low, to 0 too; lowering .high below what is pending makes drain wait, and
 * raising it lets those go on who wait.  0; -EINVAL when high < low. */
AW_API int aw_stream_set_write_limits(aw_stream *s, size_t high, size_t low);

/* ---- the end ---- */

/* Close once everything pending was sent.  Nothing can be written from now on; who reads gets the
 * end when it is closed, which is never if the other side does not take what is pending.  0, also
 * when it was closed before.  Never suspends. */
AW_API int aw_stream_close(aw_stream *s);

/* The same, and abort the stream after so many seconds if something is pending then: whoever holds
 * it, and however much the other side takes meanwhile.  The first limit stays.  0; -EINVAL unless
 * it is above 0.  Never suspends. */
AW_API int aw_stream_close_within(aw_stream *s, double seconds);

/* Close at once: what is pending is dropped, who waits is woken.  If anything was pending, a TCP
 * connection is reset: the other side shall not take what came for all of it.  0.  Never suspends.
 */
AW_API int aw_stream_abort(aw_stream *s);

/* Was either called, or has the stream ended by an error?  True for NULL. */
AW_API bool aw_stream_is_closing(const aw_stream *s);

/* Wait until the stream is closed and its descriptor gone.  0, or the error with which the stream
 * ended; -ECANCELED; AW_EMISUSE outside a task.  Suspends until then, without limit if the other
 * side does not take what is pending: see aw_timeout_call() and aw_stream_abort(). */
AW_API int aw_stream_wait_closed(aw_stream *s) AW_MUST_USE;

/* ---- what is below ---- */

/* The descriptor, to ask it something; still the stream's.  -ENOTSUP when there is none, -EBADF
 * when it was closed. */
AW_API int aw_stream_fd(const aw_stream *s);

/* The context of a stream over this transport; NULL for any other stream. */
AW_API void *aw_stream_transport_context(const aw_stream *s, const aw_transport *transport);

#ifdef __cplusplus
}
#endif
#endif
