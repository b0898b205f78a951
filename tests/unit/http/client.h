/*
 * client.h - servers for the tests of the HTTP client: they take requests as they come and answer
 * with exactly the bytes they are given.
 */
#ifndef TESTS_HTTP_CLIENT_H
#define TESTS_HTTP_CLIENT_H

#include <math.h>
#include <strings.h>

#include "../core/util.h"
#include "await/http.h"
#include "await/net.h"
#include "await/scope.h"
#include "await/testing.h"
#include "await/tls.h"

#define OK_HEAD(length) "HTTP/1.1 200 OK\r\nContent-Length: " #length "\r\n"
#define OK_HELLO OK_HEAD(5) "\r\nhello"

enum { SEEN_MAX = 16, REQUEST_MAX = 2048 };

/* A server: the i-th request that comes gets the i-th answer, and later ones the last. */
struct place {
    aw_server *server;
    unsigned port;
    char url[64]; /* "http://127.0.0.1:port" */
    const char *const *answers;
    size_t sizes[SEEN_MAX]; /* of the answers; 0: they are strings */
    bool close;             /* after every answer */
    bool reset;             /* in place of closing */
    size_t cut;             /* send only so many bytes of an answer, and close */
    size_t piece;           /* send so many bytes at a time, letting others run in between */
    double delay;           /* seconds before an answer */
    bool mute;              /* read, and never answer */
    aw_tls_context *tls;    /* speak TLS; NULL: plainly */
    unsigned connections, open, requests;
    char seen[SEEN_MAX][REQUEST_MAX]; /* requests, heads and bodies */
    size_t seen_size[SEEN_MAX];
};

/* ---- reading a request ---- */

static inline void note_bytes(struct place *p, const char *data, size_t n)
{
    size_t i = p->requests < SEEN_MAX ? p->requests : SEEN_MAX - 1;
    size_t room = REQUEST_MAX - 1 - p->seen_size[i];
    n = n < room ? n : room;
    memcpy(p->seen[i] + p->seen_size[i], data, n);
    p->seen_size[i] += n;
    p->seen[i][p->seen_size[i]] = '\0';
}

static inline int take_body(struct place *p, aw_stream *s, size_t n)
{
    char buf[4096];
    while (n > 0) {
        ssize_t got = aw_stream_read(s, buf, n < sizeof buf ? n : sizeof buf);
        if (got <= 0)
            return got < 0 ? (int)got : AW_EOF;
        note_bytes(p, buf, (size_t)got);
        n -= (size_t)got;
    }
    return 0;
}

/* Chunks are noted without their sizes. */
static inline int take_chunks(struct place *p, aw_stream *s)
{
    for (;;) {
        char *line;
        ssize_t n = aw_stream_readline(s, &line);
        if (n <= 0)
            return n < 0 ? (int)n : AW_EOF;
        size_t size = strtoul(line, NULL, 16);
        AW_TRY(take_body(p, s, size));
        n = aw_stream_readline(s, &line);
        if (n <= 0 || size == 0)
            return n < 0 ? (int)n : 0;
    }
}

/* 1: there is one; 0: no more come. */
static inline int take_request(struct place *p, aw_stream *s)
{
    char *head;
    ssize_t n = aw_stream_readuntil(s, &head, "\r\n\r\n");
    if (n < 0)
        return n == -ECANCELED ? (int)n : 0;
    note_bytes(p, head, (size_t)n);
    head[n - 1] = '\0';
    const char *length = strcasestr(head, "Content-Length:");
    bool chunked = strcasestr(head, "Transfer-Encoding: chunked") != NULL;
    int err = chunked  ? take_chunks(p, s)
              : length ? take_body(p, s, strtoul(length + 15, NULL, 10))
                       : 0;
    return err < 0 ? 0 : 1;
}

/* ---- answering ---- */

static inline int answer(struct place *p, aw_stream *s, const char *text, size_t n)
{
    if (p->delay > 0)
        AW_TRY(aw_sleep(p->delay));
    if (p->cut && p->cut < n)
        n = p->cut;
    for (size_t at = 0; at < n;) {
        size_t some = p->piece && p->piece < n - at ? p->piece : n - at;
        AW_TRY(aw_stream_write(s, text + at, some));
        AW_TRY(aw_stream_drain(s));
        at += some;
        if (p->piece)
            AW_TRY(aw_sleep(0));
    }
    return 0;
}

static inline const char *answer_for(const struct place *p, size_t i, size_t *ret_size)
{
    size_t n = 0;
    while (p->answers[n])
        n++;
    i = i < n ? i : n - 1;
    *ret_size = p->sizes[i] ? p->sizes[i] : strlen(p->answers[i]);
    return p->answers[i];
}

static inline int wait_for_its_end(aw_stream *s)
{
    char byte;
    ssize_t n;
    while ((n = aw_stream_read(s, &byte, 1)) > 0)
        ;
    return n == -ECANCELED ? (int)n : 0;
}

static inline int converse(struct place *p, aw_stream *s)
{
    int more;
    while ((more = take_request(p, s)) > 0) {
        size_t size, i = p->requests++;
        if (p->mute)
            return wait_for_its_end(s);
        const char *text = answer_for(p, i, &size);
        if (answer(p, s, text, size) < 0 || p->close || p->cut)
            return 0;
    }
    return more;
}

static inline int serve_place(aw_stream *s, void *arg)
{
    struct place *p = arg;
    p->connections++;
    p->open++;
    s = aw_stream_ref(s);
    int err = p->tls ? aw_start_tls(&s, p->tls, NULL) : 0;
    err = err < 0 ? 0 : converse(p, s);
    p->open--;
    if (p->reset)
        aw_stream_abort(s);
    aw_stream_unref(s);
    return err == -ECANCELED ? err : 0;
}

/* ---- servers ---- */

static inline void open_place(struct place *p, const char *const *answers)
{
    aw_address a;
    p->answers = answers;
    assert_int_equal(
        aw_start_server(&p->server, serve_place, "127.0.0.1", "0", .arg = p, .stack_size = 1 << 17),
        0);
    assert_int_equal(aw_server_address(p->server, 0, &a), 0);
    p->port = (unsigned)aw_address_port(&a);
    snprintf(p->url, sizeof p->url, "http://127.0.0.1:%u", p->port);
}
#define OPEN_PLACE(p, ...) open_place((p), (const char *const[]){__VA_ARGS__, NULL})

static inline void close_place(struct place *p)
{
    aw_server_close_clients(p->server);
    assert_int_equal(aw_server_close(p->server), 0);
    assert_int_equal(aw_server_wait_closed(p->server), 0);
    aw_server_unref(p->server);
}

/* A session with this place as its base. */
#define SESSION_WITH(p, ...) session_made(aw_http_session_new((p)->url, __VA_ARGS__))
#define SESSION(p) session_made(aw_http_session_new((p)->url))

static inline aw_http_session *session_made(aw_http_session *s)
{
    if (!s)
        fail_msg("%s: %s", aw_error_name(aw_errno()), aw_errmsg());
    return s;
}

/* A status that must be this one. */
#define ASSERT_STATUS(expr, expected)                                                              \
    do {                                                                                           \
        int status_ = (expr);                                                                      \
        if (status_ != (expected))                                                                 \
            fail_msg(#expr ": %d (%s), %s", status_, status_ < 0 ? aw_error_name(status_) : "",    \
                     aw_errmsg());                                                                 \
    } while (0)

/* A request fails with this, and says why. */
#define ASSERT_FAILS(expr, expected, words)                                                        \
    do {                                                                                           \
        int status_ = (expr);                                                                      \
        if (status_ != (expected) || !strstr(aw_errmsg(), (words)))                                \
            fail_msg(#expr ": %d (%s), %s", status_, status_ < 0 ? aw_error_name(status_) : "",    \
                     aw_errmsg());                                                                 \
    } while (0)

/* Was this line among the request's? */
static inline bool saw(const struct place *p, size_t request, const char *text)
{
    return strstr(p->seen[request], text) != NULL;
}

#endif
