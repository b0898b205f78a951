/*
 * await/http.h - the HTTP client: the companion library await-http, over libcurl.
 *
 *     aw_http_session *s = aw_http_session_new("https://example.org/api/");
 *     aw_http_response *r;
 *     int status = aw_http_get(&r, s, "items", .query = AW_PAIRS("q", "red shoes"), .timeout = 15);
 *     if (status < 0)
 *         printf("%s: %s\n", aw_strerror(status), aw_errmsg());
 *     else
 *         printf("%d, %s\n", status, aw_http_response_text(r));
 *     aw_http_response_unref(r);
 *     aw_http_session_unref(s);
 *
 * A request is a call that suspends its task; requests that run at the same time are tasks.  What a
 * session's requests have in common is said once, in the session: its connections, which are kept
 * and used again, its cookies, whom to trust, limits.
 *
 * What is safe is the default.  TLS is verified, chain and name; only http and https are spoken,
 * also where a redirect leads; a redirect to another host gets neither authorisation nor cookies of
 * the request's; bodies and heads have a limit, requests a time limit; the environment is not asked
 * for proxies, ~/.netrc is not read; names, values and methods with line breaks are refused.
 *
 * Pairs.  Headers, queries and forms are names and values in turn, up to a NULL:
 * AW_PAIRS("Accept", "text/plain", "X-Id", id).
 *
 * Time limits are seconds.  0, as by leaving one out, means that of the session, or the default;
 * INFINITY (of math.h) means none, a negative number has expired; NaN is -EINVAL.
 *
 * Errors.  aw_errmsg() names the method and the URL, without user, password and query, and the
 * cause.  The codes that the calls have in common:
 *
 *     -EINVAL          bad options, a URL that is none, or a host's name of more than 253 bytes
 *     -EPROTONOSUPPORT a scheme that is not allowed
 *     -ENOENT          the host's name, or the proxy's, is not known
 *     -ECONNREFUSED, -ENETUNREACH, -ECONNRESET, ...   as the system says
 *     -ETIMEDOUT       one of the time limits; aw_errmsg() says which
 *     -EKEYREJECTED    the server's certificate was not accepted
 *     -EPROTO          TLS or HTTP was not spoken as it should be; a bad encoding
 *     AW_EOF           the connection ended before the response did
 *     AW_ELIMIT        the body or the head is larger than its limit
 *     -ELOOP           too many redirects
 *     -EACCES          .public_only, and the address is not a public one
 *     -EREMOTEIO       .raise_for_status, and the status is 400 or more
 *     AW_ESHUTDOWN     the session was closed
 *     -ECANCELED, -ENOMEM, -EMFILE
 *     AW_EMISUSE       outside a task; AW_ETHREAD in another loop than the session's
 *
 * Everything belongs to the thread that runs the session's loop.  NULL gives -EINVAL, 0, false or
 * "", whatever fits; giving up NULL is allowed.
 *
 * Certificates are verified as libcurl does: for the names that they list, or, where they list
 * none, for their common name.
 *
 * The library uses libcurl, which is told to take its memory from the allocator of await/memory.h
 * unless the program has initialised it before.  Names are looked up in threads of libcurl's.
 */
#ifndef AWAIT_HTTP_H
#define AWAIT_HTTP_H

#include <sys/types.h>

#include "await/task.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What requests have in common: connections, cookies, defaults. */
typedef struct aw_http_session aw_http_session;

/* The answer to one request. */
typedef struct aw_http_response aw_http_response;

/* Names and values in turn. */
#ifndef __cplusplus
#define AW_PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL, NULL})
#endif

/* Which HTTP to speak. */
typedef enum aw_http_version {
    AW_HTTP_ANY = 0,     /* 2 where TLS agrees on it, else 1.1 */
    AW_HTTP_1_1 = 11,    /* 1.1 */
    AW_HTTP_2 = 20,      /* as AW_HTTP_ANY */
    AW_HTTP_2_PRIOR = 21 /* 2 also without TLS, without asking */
} aw_http_version;

/* ---- sessions ---- */

typedef struct aw_http_session_opts {
    const char *base_url;       /* what relative URLs are relative to, as in a browser */
    const char *const *headers; /* pairs: of every request that has no such header itself */
    const char *user_agent;     /* "await/<version>" by default; "" sends none */

    /* Connections. */
    unsigned connections;          /* most at a time, 100; requests above that wait their turn */
    unsigned connections_per_host; /* most to one host; 0: as many as there may be */
    double keepalive;              /* seconds that an unused one is kept; 60 */
    aw_http_version version;

    /* Limits. */
    double timeout;         /* for a whole request, waiting for a connection and redirects included,
                               to the end of the body; 300 */
    double connect_timeout; /* from looking the name up until the connection, TLS included, is
                               there; 30 */
    double read_timeout;    /* in which nothing moves; none by default */
    size_t max_body;        /* bytes of a body that is taken whole, decompressed; 64 MiB */
    size_t max_head;        /* bytes of a head; 64 KiB, and at most 300 KiB */
    int redirects;          /* most that are followed, 10; negative: none is */

    bool no_cookies;       /* neither keep nor send any */
    bool keep_compressed;  /* neither ask for compression nor undo it.  (libcurl, which undoes it,
                              does not tell whether a compressed body was complete in itself) */
    bool raise_for_status; /* a status of 400 or more is the error -EREMOTEIO */
    bool public_only;      /* refuse to connect to addresses that are not public: loopback, private,
                              link-local; for URLs that strangers give.  Not with a proxy, of which
                              nobody knows where it connects to: -EINVAL */
    const char *schemes;   /* "http,https"; what else libcurl can, if asked for */

    /* Authorisation, sent only to the host that was asked first. */
    const char *user, *password; /* basic; the keys of .aws_sigv4 */
    const char *bearer;          /* a token */
    const char *aws_sigv4;       /* sign by AWS's version 4: "aws:amz:<region>:<service>", with
                                    .user and .password as keys.  Sort queries; no empty header */

    /* Proxies. */
    const char *proxy; /* "http://host:port", "https://", "socks5h://"; user and password may be in
                          it */
    bool proxy_from_environment; /* http_proxy, https_proxy, all_proxy, no_proxy */

    /* TLS. */
    const char *ca_file, *ca_path; /* PEM: whom to trust, in place of the system's authorities */
    const char *certificate, *key; /* PEM: a client's */
    const char *key_password;
    const char *pinned_key; /* "sha256//<base64>": the server's public key must be this one */
    bool insecure;          /* believe anybody.  For tests */

    /* Reaching the server by another way. */
    const char *unix_path;         /* a local socket, or "@name", in place of host and port */
    const char *const *connect_to; /* "host:port:otherhost:otherport", up to a NULL: names that TLS
                                      and Host keep, connected to somewhere else */
} aw_http_session_opts;

/* aw_http_session *aw_http_session_new(const char *base_url, ...options): a session of the running
 * loop; base_url may be NULL.  Options are
 * copied.  NULL with aw_errno(): -EINVAL (a bad URL, header or number), -ENOMEM, AW_EMISUSE (no
 * running loop).  Does not suspend. */
#ifndef __cplusplus
#define aw_http_session_new(...)                                                                   \
    aw_http_session_new_(&(aw_http_session_opts){.base_url = __VA_ARGS__})
#endif
AW_API aw_http_session *aw_http_session_new_(const aw_http_session_opts *opts);

/* Another handle; returns `s`.  And one less: with the last one, and the last response whose body
 * is still coming, its connections are closed. */
AW_API aw_http_session *aw_http_session_ref(aw_http_session *s);
AW_API void aw_http_session_unref(aw_http_session *s);

/* End it now: requests that are under way fail with AW_ESHUTDOWN, as do later ones; connections
 * are closed.  0, also when done before; AW_ETHREAD.  Does not suspend. */
AW_API int aw_http_session_close(aw_http_session *s);

/* How many requests are under way, waiting for a connection or for an answer. */
AW_API size_t aw_http_session_active(const aw_http_session *s);

/* Put a cookie into the jar, written as a server's header: "Set-Cookie: a=b; domain=example.org;
 * path=/", or empty it.  0, -EINVAL (a line break, .no_cookies), -ENOMEM, AW_ETHREAD. */
AW_API int aw_http_session_add_cookie(aw_http_session *s, const char *header);
AW_API int aw_http_session_clear_cookies(aw_http_session *s);

/* The value of the first cookie of that name in the jar, as snprintf(): the length wanted; -ENOENT
 * if there is none. */
AW_API int aw_http_session_cookie(aw_http_session *s, const char *name, char *buf, size_t size);

/* ---- requests ---- */

/* One part of a multipart body. */
typedef struct aw_http_part {
    const char *name;
    const void *data; /* `size` bytes; size 0: a string */
    size_t size;
    const char *path;      /* in place of data: a file, sent as it is read */
    const char *file_name; /* what to call it; by default the last part of .path */
    const char *type;      /* its content type; text/plain is not said */
} aw_http_part;

/* Gives the next bytes of a body, up to n: how many, 0 at the end, or an error, which ends the
 * request and is its result.  Runs in a task of its own, may suspend, and is cancelled when the
 * request ends before it. */
typedef ssize_t aw_http_source(void *arg, void *buf, size_t n);

/* Options of a request.  Zero means what the session says. */
typedef struct aw_http_opts {
    aw_http_response **ret;   /* receives the response; NULL: only the status counts */
    aw_http_session *session; /* NULL: one for this request alone */
    const char *method, *url;
    const char *const *headers; /* pairs; a value NULL: do not send the session's, or the library's,
                                   header of that name */
    const char *const *query;   /* pairs: added to the URL's query, encoded */

    /* The body: one of these. */
    const void *body; /* `size` bytes as they are; size 0: a string */
    size_t size;
    const char *json;          /* a JSON text; its content type is said */
    const char *const *form;   /* pairs, sent as a form */
    const aw_http_part *parts; /* n_parts, sent as a multipart form */
    size_t n_parts;
    aw_http_source *source; /* the body comes piece by piece */
    void *source_arg;
    int64_t source_size;      /* how many bytes that will be; 0: not known, and sent in chunks */
    const char *content_type; /* of .body and .source; "application/octet-stream" */

    bool stream; /* return when the head is there; the body is read by aw_http_response_read() */

    double timeout, connect_timeout, read_timeout;
    size_t max_body; /* with .stream there is no limit unless it is said here */
    int redirects;   /* negative: none is followed */
    bool raise_for_status;
    aw_http_version version;
    const char *user, *password, *bearer, *aws_sigv4;
} aw_http_opts;

/* int aw_http_fetch(aw_http_response **ret, aw_http_session *s, const char *method,
 * const char *url, ...options): send a request and wait for its answer: to the end of the body, or
 * with .stream to the end of the head.
 *
 * Returns the status (200, 404, ...), and *ret is a handle of the caller's.  Or an error of those
 * above; *ret is NULL then, but for -EREMOTEIO: there is a response to look at.  What .source
 * returned.
 *
 * Redirects (301, 302, 303, 307, 308 with a Location) are followed: 303, and 301 and 302 of a POST,
 * by a GET without a body; the others as they were.  One that would need the bytes of .source again
 * is not followed: its response is the result.
 *
 * A request is sent again by itself only where a connection that was kept turns out to have been
 * closed before any answer came.
 *
 * Suspends.  When its task is cancelled the transfer is ended (its connection closed, its stream
 * reset) and .source has returned before this call returns -ECANCELED.  What the options point to
 * stays in place until then. */
#ifndef __cplusplus
#define aw_http_fetch(ret_, session_, method_, ...)                                                \
    aw_http_fetch_(&(aw_http_opts){                                                                \
        .ret = (ret_), .session = (session_), .method = (method_), .url = __VA_ARGS__})

/* The same with a method: int aw_http_get(aw_http_response **ret, aw_http_session *s,
 * const char *url, ...options), and so on. */
#define aw_http_get(ret_, session_, ...) aw_http_fetch(ret_, session_, "GET", __VA_ARGS__)
#define aw_http_head(ret_, session_, ...) aw_http_fetch(ret_, session_, "HEAD", __VA_ARGS__)
#define aw_http_post(ret_, session_, ...) aw_http_fetch(ret_, session_, "POST", __VA_ARGS__)
#define aw_http_put(ret_, session_, ...) aw_http_fetch(ret_, session_, "PUT", __VA_ARGS__)
#define aw_http_patch(ret_, session_, ...) aw_http_fetch(ret_, session_, "PATCH", __VA_ARGS__)
#define aw_http_delete(ret_, session_, ...) aw_http_fetch(ret_, session_, "DELETE", __VA_ARGS__)
#endif
AW_API int aw_http_fetch_(const aw_http_opts *opts) AW_MUST_USE;

/* ---- responses ---- */

/* Another handle; returns `r`.  And one less: the last one ends the transfer if the body is still
 * coming. */
AW_API aw_http_response *aw_http_response_ref(aw_http_response *r);
AW_API void aw_http_response_unref(aw_http_response *r);

/* The status, its words ("Not Found"; "" in HTTP/2), the version as 10, 11 or 20. */
AW_API int aw_http_response_status(const aw_http_response *r);
AW_API const char *aw_http_response_reason(const aw_http_response *r);
AW_API int aw_http_response_version(const aw_http_response *r);

/* Where it came from, after redirects: a URL without user and password. */
AW_API const char *aw_http_response_url(const aw_http_response *r);

/* The status if it is below 400, else -EREMOTEIO with the URL and the status in aw_errmsg(). */
AW_API int aw_http_response_raise(const aw_http_response *r);

/* The value of the first header of that name, in whatever case; NULL if there is none. */
AW_API const char *aw_http_response_header(const aw_http_response *r, const char *name);

/* The i-th header, from 0 on, as it came: true, and its name and value; false beyond the last. */
AW_API bool aw_http_response_header_at(const aw_http_response *r, size_t i, const char **ret_name,
                                       const char **ret_value);

/* Is its content type this one ("application/json"), whatever parameters follow? */
AW_API bool aw_http_response_is(const aw_http_response *r, const char *type);

/* The body, which a zero byte follows: of a request without .stream; else what has come and was not
 * read yet.  Never NULL.  Valid until the next call that reads, or the last handle. */
AW_API const char *aw_http_response_text(const aw_http_response *r);
AW_API const void *aw_http_response_body(const aw_http_response *r, size_t *ret_size);

/* With .stream: up to n bytes of the body as soon as there are any; 0 at its end.  What nobody
 * reads is not fetched: the server is kept waiting when 128 KiB are there.  Errors as above; one
 * task reads at a time: AW_EMISUSE.  Suspends only if nothing is there; cancelled, nothing is lost,
 * and the transfer goes on. */
AW_API ssize_t aw_http_response_read(aw_http_response *r, void *buf, size_t n) AW_MUST_USE;

/* The rest of the body, at most `max` bytes (0: the session's .max_body), into the response: how
 * many aw_http_response_text() now has.  AW_ELIMIT when there is more.  Suspends until the end. */
AW_API ssize_t aw_http_response_readall(aw_http_response *r, size_t max) AW_MUST_USE;

/* How many redirects led here; the status of the i-th, and the URL that it was the answer of. */
AW_API size_t aw_http_response_redirects(const aw_http_response *r);
AW_API int aw_http_response_redirect(const aw_http_response *r, size_t i, const char **ret_url);

/* When things happened, in seconds from the beginning of the last hop; what was not needed (a
 * connection that was there) is 0.  Complete at the end of the body. */
typedef struct aw_http_timings {
    double resolved;   /* the name is known */
    double connected;  /* the connection is there */
    double secured;    /* and encrypted */
    double sent;       /* the request begins to be sent */
    double first_byte; /* of the answer */
    double total;      /* of the hop */
    double whole;      /* of the request, waiting and redirects included, by the loop's clock */
    bool reused;       /* of a connection that was there */
} aw_http_timings;
AW_API int aw_http_response_timings(const aw_http_response *r, aw_http_timings *ret);

/* ---- URLs ---- */

/* Texts are made as snprintf() does: the length wanted, cut and terminated if it does not fit.
 * Errors: -EINVAL for what is no URL, and for one with line breaks or other control characters;
 * -ENOMEM.  Any thread; they do not suspend. */

/* `url`, made absolute by `base` (which may be NULL if it is absolute already), dots removed, with
 * the pairs of `query` added to its query. */
AW_API int aw_url_make(const char *base, const char *url, const char *const *query, char *buf,
                       size_t size);

/* n bytes (0: a string) with everything but letters, digits, '-', '.', '_' and '~' as %XX; and
 * back, where a '%' that is not followed by two digits stays as it is. */
AW_API int aw_url_encode(const void *text, size_t n, char *buf, size_t size);
AW_API int aw_url_decode(const char *text, char *buf, size_t size);

/* Pairs as a query, or a form: "a=1&b=x%20y". */
AW_API int aw_url_query(const char *const *pairs, char *buf, size_t size);

/* The parts of a URL. */
typedef enum aw_url_part_name {
    AW_URL_SCHEME,
    AW_URL_USER,
    AW_URL_PASSWORD,
    AW_URL_HOST, /* an IPv6 address in brackets */
    AW_URL_PORT, /* the scheme's if none is written */
    AW_URL_PATH,
    AW_URL_QUERY,
    AW_URL_FRAGMENT
} aw_url_part_name;

/* One part of an absolute URL, as it is written in it; -ENOENT if it has no such part.  A host's
 * name of more than 253 bytes is -EINVAL. */
AW_API int aw_url_part(const char *url, aw_url_part_name part, char *buf, size_t size);

#ifdef __cplusplus
}
#endif
#endif
