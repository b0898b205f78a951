/*
 * await/websocket.h - WebSocket (RFC 6455), client and server: the companion library
 * await-websocket.
 *
 *     aw_websocket *ws;
 *     aw_websocket_message m;
 *     int more;
 *     AW_TRY(aw_websocket_connect(&ws, "wss://example.org/feed", .timeout = 10));
 *     while ((more = aw_websocket_receive(ws, &m)) > 0)   // 0: closed in good order
 *         printf("%s\n", m.data);
 *     aw_websocket_unref(ws);
 *
 * A connection carries messages, text or binary, both ways.  One task at a time receives; any task
 * of the loop sends, and callbacks may too, with .nowait.
 *
 * Receiving does everything that the protocol asks for on the way: it answers pings, hears pongs
 * and answers the other side's close.  So each connection needs a task that receives, also where no
 * messages are expected.  While that task waits, the connection holds neither buffer nor parser;
 * and when it first does, what its stack has used and left is given back (aw_trim_stack()).
 *
 * Memory is bounded whatever the other side does: what is received grows with the bytes that have
 * come, not with those announced, up to .max_message in at most .max_fragments pieces; one pong is
 * owed at most, and who sends more control frames than .max_control in ten seconds is refused; what
 * is sent waits, or fails at .max_pending.  A refusal says why to the other side (a close code) and
 * to the caller: aw_errmsg() names the peer, the reason and the limit, and is the line in the HTTP
 * server's log of refusals when its handler passes the error on.
 *
 * Compression (permessage-deflate) and HTTP/2 are not spoken.
 *
 * Every call belongs to the thread that runs the connection's loop (AW_ETHREAD elsewhere, and
 * -EINVAL for NULL), except those on frames.
 */
#ifndef AWAIT_WEBSOCKET_H
#define AWAIT_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "await/http_server.h"
#include "await/stream.h"
#include "await/tls.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One side of a connection. */
typedef struct aw_websocket aw_websocket;

/* Close codes, of RFC 6455 and its registry.  3000 to 3999 are registered by libraries, 4000 to
 * 4999 are free for a program's own use.  The three marked so are never sent. */
enum {
    AW_WS_NORMAL = 1000,
    AW_WS_GOING_AWAY = 1001,
    AW_WS_PROTOCOL_ERROR = 1002,
    AW_WS_UNSUPPORTED = 1003,
    AW_WS_NO_CODE = 1005,  /* not sent: the other side closed and named no code */
    AW_WS_ABNORMAL = 1006, /* not sent: the connection ended without a closing handshake */
    AW_WS_BAD_TEXT = 1007,
    AW_WS_POLICY = 1008,
    AW_WS_TOO_BIG = 1009,
    AW_WS_EXTENSION_NEEDED = 1010,
    AW_WS_INTERNAL = 1011,
    AW_WS_RESTART = 1012,
    AW_WS_TRY_LATER = 1013,
    AW_WS_BAD_GATEWAY = 1014,
    AW_WS_TLS = 1015, /* not sent */
};

/* ---- limits ---- */

/* What both sides may set; zero means the default. */
typedef struct aw_websocket_limits {
    size_t max_message;     /* bytes of a message that is received; 1 MiB */
    unsigned max_fragments; /* pieces that it may come in; 1024 */
    unsigned max_control;   /* pings, pongs and the like in ten seconds; 100 */
    size_t high;            /* bytes pending above which sending waits; 64 KiB */
    size_t low;             /* bytes pending at which it goes on; a quarter of .high */
    size_t max_pending;     /* bytes pending at which .nowait fails; 1 MiB */
    double ping_interval;   /* seconds of silence after which a ping is sent; 20; INFINITY: never */
    double pong_timeout;    /* seconds that anything may take to come after it; 20 */
    double close_timeout; /* seconds for a closing handshake, and to be rid of the last bytes; 10 */
} aw_websocket_limits;

/* ---- making one ---- */

typedef struct aw_websocket_connect_opts {
    aw_websocket **ret;
    const char *url;              /* ws://host[:port]/path?query, or wss:// */
    double timeout;               /* seconds for all of it; 0: 30 */
    aw_tls_context *tls;          /* wss: whom to trust; by default the system's authorities */
    const char *const *headers;   /* more of them, "Name: value", up to a NULL */
    const char *const *protocols; /* sub-protocols in order of preference, up to a NULL */
    const char *origin;           /* the Origin header; none by default */
    aw_stream *stream;            /* connected already, to be used in place of connecting (and of
                                     starting TLS); the connection takes a handle of its own, and a
                                     failure aborts it */
    int *ret_status;              /* receives the status of the server's answer, 0 without one */
    aw_websocket_limits limits;
} aw_websocket_connect_opts;

/* int aw_websocket_connect(aw_websocket **ret, const char *url, ...options): connect to a server
 * and agree on WebSocket; *ret is the caller's.
 *
 * 0; -EINVAL for a URL, a header or a protocol that cannot be sent; the errors of
 * aw_open_connection() and aw_start_tls(); -EPROTO when the server refused, or answered anything
 * but what RFC 6455 asks for (its signature of the key, no extension, one of the protocols);
 * AW_EOF when it went away; -ETIMEDOUT, -ECANCELED, -ENOMEM.  Redirects are not followed: the
 * answer's status is in *.ret_status.  Suspends.
 *
 * The context for wss:// that is made where none is given reads the system's authorities from
 * files, each time: who connects often makes one of its own. */
#ifndef __cplusplus
#define aw_websocket_connect(...)                                                                  \
    aw_websocket_connect_(&(aw_websocket_connect_opts){.ret = __VA_ARGS__})
#endif
AW_API int aw_websocket_connect_(const aw_websocket_connect_opts *opts) AW_MUST_USE;

/* May a page of this origin ("https://example.org") connect?  Must not suspend. */
typedef bool aw_websocket_origin_check(const char *origin, aw_http_request *r, void *arg);

typedef struct aw_websocket_accept_opts {
    aw_http_request *request;
    aw_websocket **ret;
    const char *const *protocols; /* sub-protocols that the server speaks, in order of preference,
                                     up to a NULL */
    bool need_protocol;           /* refuse a client that speaks none of them */
    const char *const *origins;   /* that are let in, "https://example.org", up to a NULL; "*" lets
                                     every origin in */
    aw_websocket_origin_check *check_origin; /* asked about those that are not in .origins */
    void *check_arg;
    aw_websocket_limits limits;
} aw_websocket_accept_opts;

/* int aw_websocket_accept(aw_http_request *r, aw_websocket **ret, ...options): in a handler of the
 * HTTP server: answer a request for a WebSocket; *ret is the handler's.
 *
 *     static int echo(aw_http_request *r, void *arg)
 *     {
 *         aw_websocket *ws;
 *         AW_TRY(aw_websocket_accept(r, &ws));
 *         ... receive and send ...
 *         aw_websocket_unref(ws);
 *     }
 *
 * Browsers let the pages of any site connect anywhere, and say with "Origin" whose page it was.
 * Without options only pages of the server's own host are let in (by https, and by http where the
 * server is not asked by TLS), and clients that are no browsers, which name no origin.
 *
 * 0; -EACCES: the origin may not (the client was answered 403); -EPROTO: it is no handshake of
 * RFC 6455, or has no protocol that is needed (400, 405; 426 where another version or no upgrade
 * was asked for).  The handler passes these on, and they are a line in the server's log of
 * refusals. -EINVAL for options that cannot be; the errors of aw_http_upgrade(), -ENOMEM.  Does not
 * suspend.
 *
 * The connection's stream is the HTTP server's, and is closed when the handler returns: what other
 * tasks still hold of the WebSocket is then ended. */
#ifndef __cplusplus
#define aw_websocket_accept(...)                                                                   \
    aw_websocket_accept_(&(aw_websocket_accept_opts){.request = __VA_ARGS__})
#endif
AW_API int aw_websocket_accept_(const aw_websocket_accept_opts *opts) AW_MUST_USE;

typedef struct aw_websocket_stream_opts {
    aw_stream *stream;
    bool server;          /* the accepting side: its frames are not masked */
    const char *protocol; /* what was agreed on; copied; "" by default */
    aw_websocket_limits limits;
} aw_websocket_stream_opts;

/* aw_websocket *aw_websocket_from_stream(aw_stream *s, .server = true, ...options): a connection
 * over a stream on which the handshake was done by other means.
 *
 * It takes a handle of its own to the stream, which nobody else may read or write from now on.
 * NULL with aw_errno(): -EINVAL (no stream, .high below .low, a negative or NaN time), -ENOMEM,
 * AW_EMISUSE without a running loop.  Does not suspend. */
#ifndef __cplusplus
#define aw_websocket_from_stream(...)                                                              \
    aw_websocket_from_stream_(&(aw_websocket_stream_opts){.stream = __VA_ARGS__})
#endif
AW_API aw_websocket *aw_websocket_from_stream_(const aw_websocket_stream_opts *opts);

/* Another handle; returns `ws`.  And one less: the last one closes what is still open, with 1001
 * (going away), and waits for nothing.  NULL is allowed in both. */
AW_API aw_websocket *aw_websocket_ref(aw_websocket *ws);
AW_API void aw_websocket_unref(aw_websocket *ws);

/* ---- receiving ---- */

/* A message: `size` bytes, and a zero behind them.  Text is valid UTF-8. */
typedef struct aw_websocket_message {
    char *data;
    size_t size;
    bool binary;
} aw_websocket_message;

/* Wait for the next message.
 *
 * 1, and *ret is the message: its bytes are the caller's to change until the next call that
 * receives, or the last aw_websocket_unref(); 0 when the connection was closed by a closing
 * handshake, whatever the code (see aw_websocket_close_code()).  Otherwise it has ended, and stays
 * so: AW_EOF when it was cut off without a closing handshake; -ETIMEDOUT when no pong came;
 * -EPROTO when the other side broke the protocol, -EILSEQ when its text was not UTF-8, -EMSGSIZE
 * when it went beyond a limit, -ENOMEM: it was told so by a close code and, up to .close_timeout,
 * what it still sent was thrown away, so that it could read it; what ended the stream.
 *
 * -ECANCELED: nothing is lost, a message that is half received is continued by the next call.
 * AW_EMISUSE outside a task and while another task receives.  Suspends, unless a message is
 * buffered. */
AW_API int aw_websocket_receive(aw_websocket *ws, aw_websocket_message *ret) AW_MUST_USE;

/* ---- sending ---- */

typedef struct aw_websocket_send_opts {
    aw_websocket *ws;
    const void *data;
    size_t size;
    bool binary;     /* text by default, which has to be UTF-8 */
    bool nowait;     /* never wait: fail when .max_pending is reached; for callbacks too */
    bool more;       /* this is a piece of a message, and not the last */
    size_t fragment; /* bytes: cut the message into frames of this size; 0: one frame */
} aw_websocket_send_opts;

/* int aw_websocket_send(aw_websocket *ws, const void *data, size_t size, ...options): queue a
 * message, whole; the loop sends it.
 *
 * While more than .high bytes are pending it waits for them to become .low, before anything is
 * queued: so 0 means that the whole message was, and any error that nothing was.  -EILSEQ for text
 * that is not UTF-8; AW_EFULL with .nowait when more than .max_pending bytes would be pending, or
 * another task is in the middle of a message; AW_ELIMIT for more than the stream's own
 * .max_pending (16 MiB); -EPIPE once the connection is closing; what ended the stream; -ECANCELED;
 * -ENOMEM; AW_EMISUSE outside a task if it would have to wait.  Suspends then.
 *
 * With .more a message is sent piece by piece, by one task, as it is made: all of its pieces but
 * the last say .more, and are of one kind.  Other tasks' messages wait until it is complete, and a
 * task that cannot complete it has to close the connection. */
#ifndef __cplusplus
#define aw_websocket_send(...) aw_websocket_send_(&(aw_websocket_send_opts){.ws = __VA_ARGS__})
#endif
AW_API int aw_websocket_send_(const aw_websocket_send_opts *opts) AW_MUST_USE;

/* A message that was encoded once, to be sent to many. */
typedef struct aw_websocket_frame aw_websocket_frame;

typedef struct aw_websocket_frame_opts {
    const void *data;
    size_t size;
    bool binary;
} aw_websocket_frame_opts;

/* aw_websocket_frame *aw_websocket_frame_new(const void *data, size_t size, .binary = false): the
 * bytes are copied.  NULL with aw_errno(): -EILSEQ for text that is not UTF-8, -EINVAL, -ENOMEM.
 * Any thread; a frame does not change and may be used by several. */
#ifndef __cplusplus
#define aw_websocket_frame_new(...)                                                                \
    aw_websocket_frame_new_(&(aw_websocket_frame_opts){.data = __VA_ARGS__})
#endif
AW_API aw_websocket_frame *aw_websocket_frame_new_(const aw_websocket_frame_opts *opts);

/* Another handle; returns `frame`.  And one less.  NULL is allowed in both.  Any thread. */
AW_API aw_websocket_frame *aw_websocket_frame_ref(aw_websocket_frame *frame);
AW_API void aw_websocket_frame_unref(aw_websocket_frame *frame);

/* How many bytes it is on the wire from a server; 0 for NULL.  Any thread. */
AW_API size_t aw_websocket_frame_size(const aw_websocket_frame *frame);

typedef struct aw_websocket_send_frame_opts {
    aw_websocket *ws;
    aw_websocket_frame *frame;
    bool nowait; /* as in aw_websocket_send() */
} aw_websocket_send_frame_opts;

/* int aw_websocket_send_frame(aw_websocket *ws, aw_websocket_frame *frame, ...options): queue it,
 * as aw_websocket_send() does.  The frame is still the caller's. */
#ifndef __cplusplus
#define aw_websocket_send_frame(...)                                                               \
    aw_websocket_send_frame_(&(aw_websocket_send_frame_opts){.ws = __VA_ARGS__})
#endif
AW_API int aw_websocket_send_frame_(const aw_websocket_send_frame_opts *opts) AW_MUST_USE;

/* How many bytes are pending; 0 for NULL. */
AW_API size_t aw_websocket_pending(const aw_websocket *ws);

typedef struct aw_websocket_ping_opts {
    aw_websocket *ws;
    double timeout;      /* seconds to wait for the pong; 0: no limit */
    double *ret_latency; /* receives the seconds it took */
} aw_websocket_ping_opts;

/* int aw_websocket_ping(aw_websocket *ws, ...options): send a ping and wait for its pong, which the
 * task that receives has to hear.  0; -ETIMEDOUT; -EPIPE once the connection is closing or has
 * ended; -ECANCELED, AW_EMISUSE outside a task; errors of sending.  Suspends. */
#ifndef __cplusplus
#define aw_websocket_ping(...) aw_websocket_ping_(&(aw_websocket_ping_opts){.ws = __VA_ARGS__})
#endif
AW_API int aw_websocket_ping_(const aw_websocket_ping_opts *opts) AW_MUST_USE;

/* ---- the end ---- */

typedef struct aw_websocket_close_opts {
    aw_websocket *ws;
    int code;           /* 1000 by default; one that may be sent */
    const char *reason; /* UTF-8, up to 123 bytes; none by default */
    bool nowait;        /* only send the close: for callbacks; who receives does the rest */
} aw_websocket_close_opts;

/* int aw_websocket_close(aw_websocket *ws, .code = 1000, .reason = "", ...): close in good order:
 * send a close, wait for the other side's, and for the end of the stream.
 *
 * Messages that come meanwhile are for the task that receives; when there is none they are thrown
 * away.  0, also when it was closed in order before; -ETIMEDOUT after .close_timeout, and the
 * connection is cut; what else aw_websocket_receive() tells of a connection that has ended;
 * -EINVAL for a code or a reason that may not be sent, and nothing happens; -ECANCELED: it goes on
 * closing, and may be called again; AW_EMISUSE outside a task.  Suspends; with .nowait never. */
#ifndef __cplusplus
#define aw_websocket_close(...) aw_websocket_close_(&(aw_websocket_close_opts){.ws = __VA_ARGS__})
#endif
AW_API int aw_websocket_close_(const aw_websocket_close_opts *opts);

/* Cut the connection at once: what is pending is dropped, who waits is woken.  0.  Never suspends.
 */
AW_API int aw_websocket_abort(aw_websocket *ws);

/* The code that the other side closed with: AW_WS_NO_CODE if it named none, AW_WS_ABNORMAL if the
 * connection ended without its close; 0 while it is open, and for NULL.  And its reason: never
 * NULL, valid as long as `ws`. */
AW_API int aw_websocket_close_code(const aw_websocket *ws);
AW_API const char *aw_websocket_close_reason(const aw_websocket *ws);

/* Has it ended, or has either side begun to close it?  True for NULL. */
AW_API bool aw_websocket_is_closing(const aw_websocket *ws);

/* ---- looking around ---- */

/* The sub-protocol that was agreed on, "" if none; valid as long as `ws`. */
AW_API const char *aw_websocket_protocol(const aw_websocket *ws);

/* The stream below, still the connection's; NULL for NULL. */
AW_API aw_stream *aw_websocket_stream(const aw_websocket *ws);

#ifdef __cplusplus
}
#endif
#endif
