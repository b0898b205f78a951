/*
 * client.h - sessions and responses, as the files of the client share them.
 *
 * A response is the record of its request too: it is made when the request begins, and has one
 * transfer, which is begun again for every hop.  Who waits for it, the task in aw_http_fetch() or
 * one that reads, waits for `news`, which is set whenever something has changed; what that is is in
 * the fields.
 *
 * client_session.c makes sessions; client_fetch.c leads a request through its hops; client_event.c
 * is what happens to it meanwhile, in callbacks; client_body.c gives the bytes of a body that is
 * sent; client_response.c is what users ask a response.
 */
#ifndef AW_HTTP_CLIENT_H
#define AW_HTTP_CLIENT_H

#include "await/memory.h"
#include "await/sync.h"
#include "http/curl.h"
#include "text/words.h"

/* A connection that a request has begun to make must be there in time; something has to move. */
enum aw_http_phase {
    AW_HTTP_IDLE,     /* no transfer is under way */
    AW_HTTP_WAITING,  /* for a connection, or for its turn */
    AW_HTTP_SENDING,  /* connected: the answer has not come */
    AW_HTTP_RECEIVING /* the head is complete */
};

struct aw_http_session {
    unsigned refs;
    bool closed;
    struct aw_curl *engine;
    aw_http_session_opts o;       /* whose texts are copies */
    char *agent;                  /* NULL: none is sent */
    char *last_asked, *last_made; /* the URL of the last request, as given and in full */
};

/* Bytes at the end of a block that grows. */
struct aw_http_bytes {
    char *data; /* a zero byte follows; NULL: nothing */
    size_t at, len, room;
};

/* Where and how long one line of the head is: offsets into `head`. */
struct aw_http_line {
    size_t name, value;
};

struct aw_http_hop {
    int status;
    char *url;
};

/* What is sent piece by piece: made by the task that runs the source, taken by libcurl. */
struct aw_http_upload {
    aw_http_source *source; /* NULL: there is none */
    void *arg;
    int64_t size;                        /* negative: unknown */
    aw_task *task;                       /* runs it */
    aw_event room;                       /* libcurl has taken what was there */
    char *buf;                           /* AW_HTTP_PIECE bytes */
    size_t at, len;                      /* what of it was not taken yet */
    bool over;                           /* the source has ended */
    bool starving;                       /* libcurl waits */
    struct aw_http_multipart *multipart; /* the source is ours */
};
enum { AW_HTTP_PIECE = 65536, AW_HTTP_READ_AHEAD = 131072 };

struct aw_http_response {
    unsigned refs;
    aw_http_session *session;
    struct aw_transfer transfer;
    enum aw_http_phase phase;
    aw_event news;
    bool stream, reading, paused;
    bool follow;     /* the hop's answer is a redirect to follow: its body is of no interest */
    bool can_repeat; /* the body can be sent again */
    int error;       /* why the request failed; 0 so far */
    bool over;       /* no byte will come any more */
    char *words;     /* the error's; NULL: as the code says */

    /* The request. */
    char method[16];
    char *url;       /* of the present hop */
    char *shown;     /* the same without user and password; NULL: there are none */
    char *made_body; /* a form */
    int redirects_left;

    /* Limits. */
    double began, connect_limit, read_limit, moved; /* moved: when something last did */
    aw_handle *whole_timer, *connect_timer, *read_timer;
    size_t max_body, max_head;
    size_t received; /* bytes of this hop's body */

    /* The answer. */
    int status, version;
    struct aw_http_bytes head;
    struct aw_http_line *lines;
    size_t n_lines, room_lines, head_bytes;
    bool head_done, has_location;
    size_t reason; /* offset into head */
    struct aw_http_bytes body;
    double ended;
    struct aw_http_hop *hops;
    size_t n_hops;

    struct aw_http_upload up;
};

/* ---- client_session.c ---- */

/* Is there one, of the running loop, not closed?  0, or the error, said why. */
int aw_http_session_check(const aw_http_session *s);

/* Could these be sent?  -EINVAL, said why. */
int aw_http_check_pairs(const char *const *pairs, const char *what);
int aw_http_check_text(const char *text, const char *what);

/* ---- client_event.c ---- */

extern const struct aw_transfer_calls aw_http_calls;

/* Set and stop the clocks; -ENOMEM, -EINVAL. */
int aw_http_start_clock(aw_http_response *r, double timeout);
void aw_http_stop_clocks(aw_http_response *r);

/* Something has moved. */
void aw_http_moved(aw_http_response *r);

/* End it with this error, whatever it was doing; with words of ours, or NULL. */
void aw_http_fail(aw_http_response *r, int err, const char *words);

/* Raises what the request has failed with. */
int aw_http_raise_failure(const aw_http_response *r);

/* ---- client_body.c ---- */

/* Begin to run the source, and end it: it has returned when this does.  Suspends. */
int aw_http_upload_start(aw_http_response *r);
void aw_http_upload_stop(aw_http_response *r);

/* libcurl's side: as in aw_transfer_calls. */
ssize_t aw_http_upload_take(aw_http_response *r, char *buf, size_t n);

/* A multipart form as a source of ours: 0, and r->up is complete; an error. */
int aw_http_multipart_new(aw_http_response *r, const aw_http_part *parts, size_t n,
                          char content_type[128]);
void aw_http_multipart_free(struct aw_http_multipart *m);

/* ---- client_response.c ---- */

/* Forget the answer of the hop before. */
void aw_http_forget_answer(aw_http_response *r);

#endif
