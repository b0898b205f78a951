/*
 * await/http_server.h - an HTTP/1.1 server: the companion library await-http.
 *
 *     static int hello(aw_http_request *r, void *arg)
 *     {
 *         return aw_http_respond_text(r, 200, "hello\n");
 *     }
 *     ...
 *     aw_http_server *server;
 *     AW_TRY(aw_http_serve(&server, hello, NULL, "8080"));
 *     int err = aw_http_server_serve_forever(server, .grace = 10);
 *     aw_http_server_unref(server);
 *
 * Each connection is a task, which reads a request, calls the handler in that same task, and goes
 * on with the next request of the connection.  So a handler is a coroutine like any other: it may
 * sleep, await, and talk to other servers, and holds up nobody but its own client.  A handler works
 * on one exchange, a request and its answer: an aw_http_request, which is its own until it returns.
 *
 * The server is strict.  What two programs could understand differently is refused, and the
 * connection closed: both Content-Length and Transfer-Encoding, either of them twice, numbers that
 * are none, folded fields, line ends other than CR LF, blanks before a colon, control characters,
 * versions and codings that it does not know, a Host that is missing, repeated or malformed.
 * Everything that a client can make large or slow has a limit, each with an option below.  A
 * refusal is answered with the status that fits, and told in one line that names the peer, the
 * reason and the limit: see aw_http_log_entry.
 *
 * Strings that are given out (method, path, fields, ...) end in a zero, belong to the exchange, and
 * last until its handler returns.  So does memory of aw_http_request_alloc().
 *
 * Every call belongs to the thread that runs the server's loop, and those on an exchange to the
 * task of its handler; only those that say so suspend.  -EINVAL for NULL.
 */
#ifndef AWAIT_HTTP_SERVER_H
#define AWAIT_HTTP_SERVER_H

#include <stdio.h>

#include "await/net.h"
#include "await/stream.h"
#include "await/task.h"

#ifdef __cplusplus
extern "C" {
#endif

struct aw_tls_context; /* await/tls.h */

/* A server: what listens, and its connections. */
typedef struct aw_http_server aw_http_server;

/* One exchange: a request, and the answer to it. */
typedef struct aw_http_request aw_http_request;

/* Serves one request, in the task of its connection.
 *
 * It answers with one of the calls below.  A handler that returns without having answered gives the
 * client a 500, or a 404 if it returned -ENOENT.  Another negative result ends the connection, and
 * is reported to the loop's exception handler unless it is -ECANCELED, or the last error that a
 * call on the exchange has returned for what the client did, or, after an upgrade, AW_EOF,
 * -ECONNRESET or -EPIPE: the client has gone.  A handler that refuses its client itself, by an
 * answer of 400 to 499 or after aw_http_upgrade(), says so by -EPROTO, -EACCES, -EILSEQ or
 * -EMSGSIZE: that is no report, but a line in the log of refusals, with aw_errmsg() as its reason.
 * What is left unread of the request's body is read and dropped, if that is little; else the
 * connection is closed after the answer. */
typedef int aw_http_handler(aw_http_request *r, void *arg);

/* ---- what is told ---- */

/* One line of the log: an exchange that is over, or a refusal. */
typedef struct aw_http_log_entry {
    const char *text;    /* the whole line, without its end; what a client sent is escaped in it */
    const char *peer;    /* "127.0.0.1:40312" */
    const char *method;  /* "" when that much was not understood; so too the next */
    const char *target;  /* as it was sent */
    int status;          /* of the answer; 0: there was none */
    uint64_t sent;       /* bytes of the answer's body */
    double seconds;      /* from the first byte of the request */
    const char *refused; /* NULL, or the reason why the request was not served */
    const char *limit;   /* NULL, or the name of the option whose limit was hit */
    double limit_value;  /* and its value */
    aw_http_request *request; /* NULL in a refusal */
} aw_http_log_entry;

/* Called in the task of the connection; must not suspend. */
typedef void aw_http_logger(const aw_http_log_entry *entry, void *arg);

/* ---- serving ---- */

/* Options of a server; zero means the default.  A size of SIZE_MAX and a time of INFINITY mean no
 * limit. */
typedef struct aw_http_server_opts {
    const char *file, *fn_name; /* filled by the macros */
    int line;
    aw_http_server **ret;
    aw_http_handler *handler;
    const char *host, *port;    /* NULL host: all interfaces; port "0": a free one */
    void *arg;                  /* handed to every call of the handler */
    void (*release)(void *arg); /* called once with `arg` when the server has ended; not when
                                   starting it failed */
    const char *const *hosts;   /* these five: as in aw_server_opts */
    const char *path;           /* a local socket in place of a host and a port */
    const int *sockets;
    size_t n_sockets;
    int backlog;
    bool reuse_port;
    bool start_later;  /* do not listen yet: see aw_http_server_start_serving() */
    size_t stack_size; /* of the connections' tasks, and so of the handlers; as in aw_task_opts */
    struct aw_tls_context *tls; /* serve HTTPS: a server's context, of which a handle is kept */
    const char *server_name;    /* the Server field of answers; NULL: there is none */

    /* what is told */
    FILE *access_log;       /* a line for each exchange; NULL: none.  Writing to it may block */
    FILE *refusal_log;      /* a line for each refusal; NULL: standard error */
    aw_http_logger *logger; /* called for both in place of writing them */
    void *logger_arg;

    /* limits */
    size_t max_connections; /* at a time; further ones wait to be accepted.  10,000 */
    size_t max_requests;    /* on one connection; 1,000,000 */
    size_t max_head;        /* bytes of a request's line and fields together; 32 KiB, at most 64 */
    size_t max_target;      /* bytes of the request's target; 8 KiB -> 414 */
    size_t max_fields;      /* fields of a request; 100 -> 431 */
    size_t max_body;        /* bytes of a request's body; 1 MiB -> 413.  See
                               aw_http_request_set_max_body() */
    double head_timeout;    /* seconds for a request's head, from its first byte, or from the
                               beginning of the connection, handshake included; 10 -> 408 */
    double idle_timeout;    /* seconds between two requests of a connection; 60 */
    double body_timeout;    /* seconds for which a handler may wait for the body, on the whole;
                               300 -> 408 */
    size_t min_rate;        /* bytes per second that a body has to come with, after the first ten
                               seconds of waiting for it; 256 -> 408 */
    double send_timeout;    /* seconds for the other side to take what is pending (64 KiB); 60 */
} aw_http_server_opts;

/* int aw_http_serve(aw_http_server **ret, aw_http_handler *handler, const char *host,
 * const char *port, ...options): listen, and call handler(request, .arg) for each request.
 *
 * *ret is a handle of the caller's; giving it up does not close the server.  0; -EINVAL for options
 * that make no sense; the errors of aw_start_server().  Suspends if a name must be looked up. */
#ifndef __cplusplus
#define aw_http_serve(ret_, handler_, host_, ...)                                                  \
    aw_http_serve_(&(aw_http_server_opts){.file = __FILE__,                                        \
                                          .line = __LINE__,                                        \
                                          .fn_name = #handler_,                                    \
                                          .ret = (ret_),                                           \
                                          .handler = (handler_),                                   \
                                          .host = (host_),                                         \
                                          .port = __VA_ARGS__})
#endif
AW_API int aw_http_serve_(const aw_http_server_opts *opts) AW_MUST_USE;

/* int aw_http_serve_stream(aw_stream *s, aw_http_handler *handler, void *arg, ...options): serve
 * the requests of one connection that is there, in the calling task, until it ends.
 *
 * 1 when a handler has taken the stream over by aw_http_leave(): the caller only unrefs it then.
 *
 * For connections that come by another way, and for tests over aw_stream_pair().  The stream is
 * still the caller's, who closes it; options about listening and .tls are -EINVAL.  0 when the
 * connection came to its end, whatever its client did; the error of a handler; -ECANCELED; -ENOMEM.
 * Suspends. */
#ifndef __cplusplus
#define aw_http_serve_stream(s_, handler_, ...)                                                    \
    aw_http_serve_stream_((s_), &(aw_http_server_opts){.file = __FILE__,                           \
                                                       .line = __LINE__,                           \
                                                       .fn_name = #handler_,                       \
                                                       .handler = (handler_),                      \
                                                       .arg = __VA_ARGS__})
#endif
AW_API int aw_http_serve_stream_(aw_stream *s, const aw_http_server_opts *opts) AW_MUST_USE;

/* Another handle; returns `server`.  And one less.  NULL is allowed in both. */
AW_API aw_http_server *aw_http_server_ref(aw_http_server *server);
AW_API void aw_http_server_unref(aw_http_server *server);

/* As aw_server_start_serving(), aw_server_address() and aw_server_connections(). */
AW_API int aw_http_server_start_serving(aw_http_server *server);
AW_API int aw_http_server_address(const aw_http_server *server, size_t i, aw_address *ret);
AW_API size_t aw_http_server_connections(const aw_http_server *server);

/* How many requests were served, and how many refused. */
AW_API uint64_t aw_http_server_requests(const aw_http_server *server);
AW_API uint64_t aw_http_server_refusals(const aw_http_server *server);

/* Stop gracefully: nothing is accepted any more, connections without a request in hand are closed,
 * the others when their answer is sent, which says so ("Connection: close").  0, also when done
 * before; AW_ETHREAD.  Does not suspend. */
AW_API int aw_http_server_close(aw_http_server *server);

/* Wait until the server is closed and its last connection has ended: as aw_server_wait_closed().
 * Suspends. */
AW_API int aw_http_server_wait_closed(aw_http_server *server) AW_MUST_USE;

/* Options of ending a server. */
typedef struct aw_http_end_opts {
    aw_http_server *server;
    double grace; /* seconds; 0: none */
} aw_http_end_opts;

/* int aw_http_server_shutdown(server, .grace = seconds): close it, give what is in hand so long,
 * then cancel the handlers that are left.  As aw_server_shutdown(): how many were left.  Suspends.
 */
#ifndef __cplusplus
#define aw_http_server_shutdown(...)                                                               \
    aw_http_server_shutdown_(&(aw_http_end_opts){.server = __VA_ARGS__})
#endif
AW_API int aw_http_server_shutdown_(const aw_http_end_opts *opts) AW_MUST_USE;

/* int aw_http_server_serve_forever(server, .grace = seconds): serve until this task is cancelled,
 * then shut down with this grace: -ECANCELED.  As aw_server_serve_forever().  Suspends. */
#ifndef __cplusplus
#define aw_http_server_serve_forever(...)                                                          \
    aw_http_server_serve_forever_(&(aw_http_end_opts){.server = __VA_ARGS__})
#endif
AW_API int aw_http_server_serve_forever_(const aw_http_end_opts *opts) AW_MUST_USE;

/* ---- the request ---- */

/* "GET"; "/a%20b?c=d" as it was sent (of an absolute target what follows the host; "*" of
 * OPTIONS); "/a b", decoded; "c=d", or "".  A path with a malformed %-sequence, or one that means
 * zero, is refused before there is a handler.  Beware that a decoded "%2F" cannot be told from a
 * "/", and that paths may contain "..": see aw_http_files. */
AW_API const char *aw_http_request_method(const aw_http_request *r);
AW_API const char *aw_http_request_target(const aw_http_request *r);
AW_API const char *aw_http_request_path(const aw_http_request *r);
AW_API const char *aw_http_request_query(const aw_http_request *r);

/* 0 of HTTP/1.0, 1 of HTTP/1.1. */
AW_API int aw_http_request_minor(const aw_http_request *r);

/* The value of a field, by its name in any case; of several the first; NULL when there is none. */
AW_API const char *aw_http_request_field(const aw_http_request *r, const char *name);

/* The i-th field, from 0 on, in the order in which they were sent: 0, or -ENOENT. */
AW_API int aw_http_request_field_at(const aw_http_request *r, size_t i, const char **ret_name,
                                    const char **ret_value);

/* Is this token in a field that is a list ("upgrade" in "Connection: keep-alive, Upgrade"), in any
 * case? */
AW_API bool aw_http_request_has_token(const aw_http_request *r, const char *field,
                                      const char *token);

/* The decoded value of a parameter in the query ("+" means a blank); of several the first.  NULL:
 * there is none, it is malformed, or there is no memory. */
AW_API const char *aw_http_request_argument(aw_http_request *r, const char *name);

/* The value that the router found for ":name" or "*name"; NULL: none. */
AW_API const char *aw_http_request_parameter(const aw_http_request *r, const char *name);

/* "127.0.0.1:40312"; is the connection encrypted? */
AW_API const char *aw_http_request_peer(const aw_http_request *r);
AW_API bool aw_http_request_is_tls(const aw_http_request *r);

/* The connection's stream, for asking it something; still the server's. */
AW_API aw_stream *aw_http_request_stream(const aw_http_request *r);

/* Memory for the time of the exchange, aligned for any type; NULL: there is none. */
AW_API void *aw_http_request_alloc(aw_http_request *r, size_t n);

/* How long the body is: 0 for none, -1 when it comes in chunks and nobody knows. */
AW_API int64_t aw_http_request_length(const aw_http_request *r);

/* Another limit in place of .max_body for this request: 0; AW_EMISUSE when reading has begun. */
AW_API int aw_http_request_set_max_body(aw_http_request *r, size_t n);

/* The next part of the body, up to n bytes, as soon as there are any: how many, 0 at its end.
 *
 * A client that waits for it ("Expect: 100-continue") is told to go on by the first call.  Errors,
 * after which the connection is closed: AW_ELIMIT: the body is larger than it may be (413);
 * -ETIMEDOUT: it comes too slowly (408); -EPROTO: it is malformed (400); AW_EOF: the connection has
 * ended before; what ended the stream.  These are told in the log, and unless the handler has begun
 * an answer the client gets the status given here, whatever the handler returns.  -ECANCELED.
 * Suspends. */
AW_API ssize_t aw_http_request_read(aw_http_request *r, void *buf, size_t n) AW_MUST_USE;

/* The whole body: how many bytes *ret points to; a zero follows them, and they are the exchange's.
 * Memory grows as they come.  Errors as above, -ENOMEM; AW_EMISUSE when a part was read before.
 * Suspends. */
AW_API ssize_t aw_http_request_body(aw_http_request *r, char **ret) AW_MUST_USE;

/* ---- the answer ---- */

/* Add a field to the answer.  Names and values are copied.
 *
 * 0; -EINVAL for a name that is none, a value with control characters (so nobody can smuggle a line
 * into an answer), and for Content-Length, Transfer-Encoding, Connection, Date and Server, which
 * are the server's business; in a 101 Connection is not; AW_EMISUSE when the answer has begun;
 * -ENOMEM; AW_ELIMIT when all fields together are more than 64 KiB. */
AW_API int aw_http_respond_field(aw_http_request *r, const char *name, const char *value);

/* The whole answer: this status, and n bytes of body.  `type` is the Content-Type; NULL: none.
 *
 * The answer to HEAD, and 204 and 304, are sent without the body.  Up to 64 KiB are copied, and the
 * call does not suspend; larger bodies are sent from where they are, suspending while the other
 * side does not take them.  0; -EINVAL for a status that is not between 200 and 599, or a `type` as
 * above; AW_EMISUSE when the answer has begun; -ETIMEDOUT: the client does not take it; what ended
 * the stream; -ECANCELED; -ENOMEM. */
AW_API int aw_http_respond(aw_http_request *r, int status, const char *type, const void *body,
                           size_t n);

/* The same with a text, as "text/plain; charset=utf-8". */
AW_API int aw_http_respond_text(aw_http_request *r, int status, const char *text);

/* The same with nothing but the status and its reason as text: "404 Not Found". */
AW_API int aw_http_respond_status(aw_http_request *r, int status);

/* Begin an answer whose body follows in pieces: with a known length, or -1.  Of unknown length it
 * is sent in chunks; to a client of HTTP/1.0 until the connection is closed.  Errors as above. */
AW_API int aw_http_respond_begin(aw_http_request *r, int status, const char *type, int64_t length);

/* The next piece.  Suspends while the other side does not take what is pending, so a slow client
 * slows the handler down.  0; AW_EMISUSE when the answer has not begun, or is over, or more than
 * its length would be written; errors as aw_http_respond().  To HEAD nothing is sent. */
AW_API int aw_http_respond_write(aw_http_request *r, const void *data, size_t n) AW_MUST_USE;

/* Send what was written so far now, in place of with more that follows: 0, or errors as above.  */
AW_API int aw_http_respond_flush(aw_http_request *r);

/* The end of the answer.  0; AW_EMISUSE when it has not begun, or was shorter than its length: the
 * connection then ends, as it does for a handler that returns without this call, so that the client
 * does not take what it got for the whole. */
AW_API int aw_http_respond_end(aw_http_request *r);

/* Has the answer begun?  Then its status is settled. */
AW_API bool aw_http_respond_has_begun(const aw_http_request *r);

/* Hand the connection over: send `status` (101) with "Connection: Upgrade" and the fields that were
 * set, Upgrade among them, and give the handler the stream, in which everything is unread that
 * followed the request.
 *
 * The stream is the handler's to use until it returns, and is closed then; the server's limits of
 * time do not apply to it any more.  The exchange and what it has given out stay valid as well.
 * 0; -EINVAL for another status than 101, and when the request has a body; AW_EMISUSE when the
 * answer has begun; others as aw_http_respond().  Does not suspend. */
AW_API int aw_http_upgrade(aw_http_request *r, int status, aw_stream **ret);

/* After aw_http_upgrade(): take the connection out of the server.
 *
 * *ret is a handle of the caller's to the stream, which the server neither closes when the handler
 * returns, nor counts among its connections any more, nor ends when it is shut down.  The exchange
 * is over when the handler returns, and its memory gone: so a connection that is idle for hours is
 * served best by a small task of its own, which is given the stream.  0; AW_EMISUSE when it was not
 * upgraded.  Does not suspend. */
AW_API int aw_http_leave(aw_http_request *r, aw_stream **ret);

/* ---- routes ---- */

/* Which handler serves which method and path. */
typedef struct aw_http_router aw_http_router;

/* A router; NULL with aw_errno(): -ENOMEM.  It is the caller's, has to outlive the servers that use
 * it (a server's .release may free it), and must not change while they run. */
AW_API aw_http_router *aw_http_router_new(void);
AW_API void aw_http_router_free(aw_http_router *router);

/* Serve this method ("*": any) on this path by handler(request, arg).
 *
 * A path begins with "/".  Its segments are matched one by one, decoded ones with what stands here:
 * ":name" matches any segment that is not empty, and "*name", as the last one, all that is left,
 * also nothing; both are told by aw_http_request_parameter().  A text goes before ":name", and that
 * before "*name".  GET serves HEAD too, unless that has a handler.  0; -EINVAL for a pattern that
 * is none; -EEXIST for one that is there; -ENOMEM. */
AW_API int aw_http_route(aw_http_router *router, const char *method, const char *pattern,
                         aw_http_handler *handler, void *arg);

/* The handler of a server that routes: aw_http_serve(&s, aw_http_router_handler, ..., .arg =
 * router).  Answers 404 for a path that nobody serves, and 405 with Allow for a method. */
AW_API int aw_http_router_handler(aw_http_request *r, void *router);

/* ---- files ---- */

/* Options of files. */
typedef struct aw_http_file_opts {
    aw_http_request *request;
    int dir;             /* descriptor of a folder, or AT_FDCWD */
    const char *path;    /* of the file in it */
    const char *type;    /* Content-Type; by default by the name's ending */
    const char *control; /* Cache-Control; none by default */
} aw_http_file_opts;

/* int aw_http_respond_file(aw_http_request *r, int dir, const char *path, ...options): answer GET
 * and HEAD with a regular file.
 *
 * ETag and Last-Modified are told, made of size and time of change, and conditions about them are
 * answered: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since (412, 304).  A Range of
 * one part is served (206, 416), also under If-Range; requests for several get the whole file.
 *
 * 0 when an answer was sent, whichever; other methods get 405, a file that is not there or no
 * regular file 404, one that may not be read 403.  The path is the program's own: it is opened as
 * it stands, symbolic links included.  For paths that come from a client: aw_http_files.
 * Suspends; errors as aw_http_respond(). */
#ifndef __cplusplus
#define aw_http_respond_file(request_, dir_, ...)                                                  \
    aw_http_respond_file_(                                                                         \
        &(aw_http_file_opts){.request = (request_), .dir = (dir_), .path = __VA_ARGS__})
#endif
AW_API int aw_http_respond_file_(const aw_http_file_opts *opts) AW_MUST_USE;

/* A folder of files for clients. */
typedef struct aw_http_files aw_http_files;

/* Options of a folder. */
typedef struct aw_http_files_opts {
    const char *root;
    const char *index;   /* what a path that ends in "/" means; "index.html"; "": nothing */
    const char *control; /* Cache-Control of all answers; none by default */
    bool dot_files;      /* serve names that begin with a dot, too */
    bool symbolic_links; /* follow symbolic links, out of the folder as well */
} aw_http_files_opts;

/* aw_http_files *aw_http_files_new(const char *root, ...options): serve the files below a folder.
 *
 * A request's path is taken apart before it is decoded, and each part opened by itself in the
 * folder before: "..", ".", empty parts, and parts that contain "/" or a zero once they are decoded
 * are answered with 404 and never looked up.  A symbolic link is not followed, so nothing outside
 * the root can be reached, whoever changes it meanwhile; with .symbolic_links all are, and then who
 * can make links below the root decides what is served.  A path to a folder without its "/" is
 * redirected (301).  There are no listings.
 *
 * NULL with aw_errno(): those of aw_openat(), -EINVAL, -ENOMEM.  It is the caller's; it has to
 * outlive the servers that use it.  Suspends: call it in a task. */
#ifndef __cplusplus
#define aw_http_files_new(...) aw_http_files_new_(&(aw_http_files_opts){.root = __VA_ARGS__})
#endif
AW_API aw_http_files *aw_http_files_new_(const aw_http_files_opts *opts);
/* Suspends for closing the folder; NULL is allowed. */
AW_API void aw_http_files_free(aw_http_files *files);

/* A handler that serves such a folder: as the handler of a server, or of a route that ends in
 * "*path", which then is the path below the root. */
AW_API int aw_http_files_handler(aw_http_request *r, void *files);

#ifdef __cplusplus
}
#endif
#endif
