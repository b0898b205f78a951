/*
 * curl.h - libcurl as the client sees it: an engine that runs transfers on a loop.
 *
 * Only curl.c and url.c know libcurl; no type of its is named here.  An engine is one multi handle:
 * its connections, cookies and sockets, watched by the loop.  A transfer is one hop of a request:
 * no redirect is followed, and no limit of time is kept here.
 *
 * Who may call what.  Everything that talks to the network runs in callbacks of the loop, on the
 * thread's own stack; starting, pausing and ending a transfer are cheap enough for a task's.  The
 * calls of `struct aw_transfer_calls` come from inside libcurl: they may look, store and wake, but
 * not end a transfer.  The exception is ended(), which comes last and may do anything.
 */
#ifndef AW_HTTP_CURL_H
#define AW_HTTP_CURL_H

#include "await/http.h"
#include "await/loop.h"
#include "base/list.h"

struct aw_curl;
struct aw_transfer;

struct aw_transfer_calls {
    /* The transfer has a connection to make: names are looked up from now on.  < 0: do not. */
    int (*connecting)(struct aw_transfer *t);
    /* It is about to connect to this address, "" for a local socket: asked where .public_only is
     * set.  < 0: do not. */
    int (*address)(struct aw_transfer *t, const char *ip);
    /* The request is about to be sent to this address; < 0: do not. */
    int (*connected)(struct aw_transfer *t, const char *ip);
    /* A line of a head, with its line break; the last one is empty.  < 0 ends the transfer. */
    int (*head)(struct aw_transfer *t, const char *line, size_t n);
    /* A piece of the body: 0 taken; 1 not taken, and wait for aw_transfer_resume(); < 0 ends. */
    int (*body)(struct aw_transfer *t, const char *data, size_t n);
    /* The next bytes to send: how many, 0 at the end, < 0 ends; -EAGAIN: wait as above. */
    ssize_t (*upload)(struct aw_transfer *t, char *buf, size_t n);
    /* It is over, and no call follows. */
    void (*ended)(struct aw_transfer *t, int err);
};

struct aw_transfer {
    aw_list link; /* the engine's transfers; linked while it is under way */
    struct aw_curl *engine;
    const struct aw_transfer_calls *calls;
    void *easy;
    void *fields;    /* the list of headers that libcurl reads */
    bool has_host;   /* a Host is among them */
    int refused;     /* what a call returned < 0 */
    char words[256]; /* why it failed, if libcurl said something */
    /* Set when it is over. */
    int version;
    char *redirect; /* where a redirect leads, absolute; to be freed by aw_mem_free() */
    aw_http_timings timings;
};

/* What one hop is about.  Everything stays in place until the transfer is over. */
struct aw_transfer_spec {
    const char *method, *url;
    const char *const *headers; /* pairs of the request's */
    const char *content_type;   /* NULL: there is no body */
    const char *user_agent;     /* NULL: none */
    const void *body;           /* `size` bytes, when there is a body and no upload */
    size_t size;
    bool has_body, copy_body;
    bool foreign, foreign_session; /* another host: no authorisation, cookies or Host among the
                                      headers of the request's; of the session's */
    bool upload; /* the body comes by upload(), of upload_size bytes; negative: unknown */
    int64_t upload_size;
    double connect_timeout;
    aw_http_version version;
    const char *user, *password, *bearer, *aws_sigv4;
};

/* Initialise libcurl, before anything else: 0, -ENOMEM.  Any thread, any number of times. */
int aw_curl_init(void);

/* Has libcurl asked for memory in vain, in this thread, since it was last watched? */
void aw_curl_watch_memory(void);
bool aw_curl_lacked_memory(void);

/* An engine for the running loop, with the options of a session, which stay in place.  NULL with
 * aw_errno(). */
struct aw_curl *aw_curl_new(const aw_http_session_opts *opts);

/* Ends all transfers with this error. */
void aw_curl_fail_all(struct aw_curl *c, int err);

/* Closes its connections; no transfer is under way. */
void aw_curl_free(struct aw_curl *c);

/* Its loop: the only one whose tasks may use it. */
aw_loop *aw_curl_loop(const struct aw_curl *c);
size_t aw_curl_active(const struct aw_curl *c);

/* Begins: 0, and ended() will be called once; or an error, and nothing is.  Does not suspend. */
int aw_transfer_begin(struct aw_transfer *t, struct aw_curl *c, const struct aw_transfer_spec *s);

/* Ends it now, with ended(t, err). */
void aw_transfer_abort(struct aw_transfer *t, int err);

/* Goes on after body() returned 1, or upload() -EAGAIN.  body() may be called at once. */
void aw_transfer_resume(struct aw_transfer *t);

/* The jar. */
int aw_curl_cookie_add(struct aw_curl *c, const char *line); /* or "ALL": empty it */
int aw_curl_cookie_get(struct aw_curl *c, const char *name, char *buf, size_t size);

/* ---- url.c ---- */

/* A string of aw_mem_alloc() that holds `url` made absolute, with the query's pairs; without user
 * and password if `bare`, and then without query and fragment too if `words`.  NULL with
 * aw_errno(). */
char *aw_url_text(const char *base, const char *url, const char *const *query, bool bare,
                  bool words);

/* Of absolute URLs: do both name the same scheme, host and port?  Is a user in it? */
bool aw_url_same_origin(const char *a, const char *b);
bool aw_url_has_user(const char *url);
#endif
