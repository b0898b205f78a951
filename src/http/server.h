/*
 * server.h - what an HTTP server is inside.
 *
 *   aw_server --(a task per connection)--> connection, on that task's stack
 *                                              |  stream: reads heads and bodies where they lie
 *                                              |  out: an answer's head and small body together
 *                                              +- request: one exchange at a time, with an arena
 *
 * A connection that waits for its next request holds no memory but its stack: the arena's first
 * chunk and the buffer of answers are the server's, taken when a request comes and given back when
 * there is nothing left to do; being last in, first out they stay in the processor's cache.
 *
 * Time limits cost nothing while they hold: a connection has one deadline, a number, and one timer,
 * which is only moved when the deadline comes to lie before it; a timer that comes too early sets
 * itself again.  One that is right gives the stream the error -ETIMEDOUT, so whoever reads or
 * drains gets that, and what the handler does besides is left alone.
 */
#ifndef AW_HTTP_SERVER_INTERNAL_H
#define AW_HTTP_SERVER_INTERNAL_H

#include <math.h>

#include "await/http_server.h"
#include "await/loop.h"
#include "await/memory.h"
#include "base/base.h"
#include "base/list.h"
#include "http/parser.h"
#include "text/date.h"
#include "text/words.h"

enum {
    AW_HTTP_CHUNK = 2 << 10,  /* bytes of an arena's first chunk */
    AW_HTTP_OUT = 16 << 10,   /* bytes of the buffer of answers */
    AW_HTTP_SMALL = 64 << 10, /* bytes of a body that is copied */
    AW_HTTP_SPARE = 64,       /* of either, kept by a server */
};

/* ---- memory ---- */

/* A piece of memory: of an arena, or a buffer of answers. */
struct aw_http_chunk {
    struct aw_http_chunk *next;
    size_t size; /* of what follows */
    _Alignas(max_align_t) char data[];
};

/* Chunks of one size that nobody uses. */
struct aw_http_spare {
    struct aw_http_chunk *first;
    size_t n, size;
};

/* ---- the server ---- */

struct aw_http_server {
    unsigned refs;
    aw_server *below; /* NULL: it serves one stream */
    aw_http_server_opts
        opts; /* with the defaults filled in; what only matters at the start: NULL */
    aw_list connections;
    bool closing;
    uint64_t served, refused;
    struct aw_http_spare arenas, buffers;
    double date_until; /* of the loop's clock */
    char date[AW_DATE_HTTP];
};

/* ---- a connection ---- */

struct aw_http_connection;

/* What has become of the answer. */
enum aw_http_state { AW_HTTP_WAITING, AW_HTTP_ANSWERING, AW_HTTP_ANSWERED };

/* Of the request's body. */
struct aw_http_body {
    uint64_t left;   /* bytes of the body, or of the chunk */
    uint64_t got;    /* bytes so far */
    size_t most;     /* .max_body */
    size_t overhead; /* bytes of chunk extensions and trailers */
    double waited;   /* seconds */
    bool is_chunked;
    bool in_chunk;    /* the bytes of a chunk, or its end, come next */
    bool is_begun;    /* somebody has read */
    bool is_dropped;  /* nobody wants it */
    bool is_complete; /* nothing more comes */
    bool is_expected; /* the client waits for a 100 */
    int error;        /* with which it has failed */
};

struct aw_http_parameter {
    const char *name, *value;
};

/* An exchange.  All zero at its beginning but `connection`. */
struct aw_http_request {
    struct aw_http_connection *connection;
    struct aw_http_chunk *chunks; /* the arena; the first is where memory is taken */
    size_t used;                  /* of the first chunk */
    struct aw_http_head head;
    char *path, *query; /* decoded; "" without one */
    const char *host;   /* NULL: HTTP/1.0 without */
    struct aw_http_parameter *parameters;
    size_t n_parameters;
    const char
        *rest; /* of the target: what a route's "*name" stands for; NULL: there is no route */
    struct aw_http_body body;
    double began;
    bool wants_upgrade; /* Connection: upgrade */
    bool keep_alive;    /* the connection outlives the exchange */
    bool is_head;
    bool is_last; /* of the requests that the connection may have */

    enum aw_http_state state;
    int status;
    char *fields; /* of the answer, as they are sent */
    size_t fields_len, fields_size;
    int64_t length; /* of the answer's body; -1: not known */
    uint64_t sent;  /* bytes of it so far */
    bool is_chunked, is_bodyless;
    bool is_upgraded;
    int refusal;    /* the status that a failure of the client asks for; 0: none */
    int peer_error; /* the last error that was the client's */
};

struct aw_http_connection {
    aw_list link; /* on server->connections */
    aw_http_server *server;
    aw_stream *stream;
    bool is_tls;
    bool has_left;    /* a handler has taken the stream over */
    aw_stream *below; /* the server's, where that is TLS's; else NULL */
    bool is_new;      /* its first request has not begun */
    bool is_idle;     /* waits for the first byte of a request */
    bool timed_out;   /* the stream has the error that says so */
    double deadline;  /* of what is waited for; INFINITY: none */
    double timer_at;  /* when the timer comes; INFINITY: there is none */
    aw_handle *timer;
    struct aw_http_chunk *out;
    size_t out_len;
    struct aw_http_gate gate;
    struct aw_http_request request;
    char peer[AW_ADDRESS_TEXT];
};

/* ---- server_memory.c ---- */

struct aw_http_chunk *aw_http_chunk_take(struct aw_http_spare *spare);
void aw_http_chunk_give(struct aw_http_spare *spare, struct aw_http_chunk *chunk);
void aw_http_spare_clear(struct aw_http_spare *spare);
/* The arena of an exchange goes, and so does everything that it gave out. */
void aw_http_arena_clear(aw_http_request *r);
char *aw_http_copy(aw_http_request *r, const char *text, size_t n);

/* ---- server_connection.c ---- */

/* Serve a connection until it ends: 0 or the error of a handler. */
int aw_http_connection_run(struct aw_http_connection *c);

/* An answer is cut off: the connection ends so that its client notices. */
void aw_http_connection_cut(struct aw_http_connection *c);

/* From now on the stream fails at this time of the loop's clock; INFINITY: never.  0, -ENOMEM. */
int aw_http_deadline(struct aw_http_connection *c, double when);

/* ---- server_head.c ---- */

/* Read the head of the next request: 1; 0 when there is none, or it was refused; or an error. */
int aw_http_read_head(struct aw_http_connection *c);

/* ---- server_body.c ---- */

/* Read what is left of the body and drop it: true when it was read to its end. */
bool aw_http_drop_body(aw_http_request *r);
/* Would it be more than is read so? */
bool aw_http_body_is_long(const aw_http_request *r);

/* ---- server_answer.c ---- */

/* Send what the buffer of answers holds, and give it back: 0, or what ended the stream. */
int aw_http_flush(struct aw_http_connection *c);
/* Wait while the other side does not take what is pending. */
int aw_http_drain(struct aw_http_connection *c);
/* An answer of our own; the connection is closed after it. */
void aw_http_answer_refusal(aw_http_request *r, int status);
/* How the answer to an exchange whose handler has returned ends. */
void aw_http_finish_answer(aw_http_request *r, int result);
/* Note an error that is the client's; returns it. */
int aw_http_peer_error(aw_http_request *r, int error);

/* ---- server_file.c ---- */

/* Answer with an open file: 0 when an answer was sent; -EISDIR or -ENOENT for what is no file; or
 * errors as aw_http_respond_file(). */
int aw_http_file_answer(const aw_http_file_opts *o, int fd);
/* The answer to an error of the file system, if there may still be one. */
int aw_http_file_refuse(aw_http_request *r, int err);
/* Is it neither GET nor HEAD?  Then that was answered: *ret. */
bool aw_http_file_refuse_method(aw_http_request *r, int *ret);

/* ---- server_log.c ---- */

struct aw_http_refusal {
    int status;
    const char *why;
    const char *limit; /* NULL, or the option */
    double value;
};
static inline struct aw_http_refusal aw_http_because(int status, const char *why)
{
    return (struct aw_http_refusal){.status = status, .why = why};
}
static inline struct aw_http_refusal aw_http_limited(int status, const char *why, const char *limit,
                                                     double value)
{
    return (struct aw_http_refusal){status, why, limit, value};
}
/* One line about it, and count it. */
void aw_http_log_refusal(const aw_http_request *r, const struct aw_http_refusal *refusal);
void aw_http_log_exchange(aw_http_request *r);

#endif
