/*
 * sqs.h - the client as its files share it: read this one first.
 *
 * Every operation is one aw_sqs_call: a body that is written, a request, an answer that is read.
 *
 *     queues.c, calls.c, batch.c, message.c   write bodies and read answers
 *     request.c                               signs, sends, judges, tries again
 *     error.c                                 what the service's errors mean
 *     settings.c, profile.c                   where region and endpoint come from
 *     keys.c, metadata.c                      where keys come from, and when new ones are needed
 *     text.c, json.c, md5.c, date.c           the formats
 *     consumer*.c                             the consumer, upon the public calls alone
 *
 * Signing is libcurl's, asked for by .aws_sigv4.  It signs every header that is given, in the form
 * in which it is given, so none is empty, the user agent is not given as one, and there is no
 * query; the date is a header of ours, so that a clock that is wrong can be corrected.
 */
#ifndef AW_SQS_SQS_H
#define AW_SQS_SQS_H

#include "await/http.h"
#include "await/loop.h"
#include "await/memory.h"
#include "await/sqs.h"
#include "await/sync.h"
#include "base/prng.h"
#include "sqs/json.h"
#include "sqs/text.h"

/* Keys, and until when they are good (INFINITY: for ever). */
struct aw_sqs_keys {
    char *access, *secret, *token;
    double expires;
};

/* Those that are in use: a request holds the ones that it is signed with. */
struct aw_sqs_ring {
    unsigned refs;
    struct aw_sqs_keys keys;
};

struct aw_sqs {
    unsigned refs;
    aw_loop *loop;
    aw_http_session *http;
    aw_http_session *near; /* for the sources of keys: without a proxy; made when needed */
    aw_sqs_opts o;         /* whose texts are copies */

    /* settings.c: found by the first request; endpoint NULL: not yet. */
    aw_lock settling;
    char *region, *endpoint, *signing;

    /* keys.c: NULL: none yet. */
    aw_lock renewing;
    struct aw_sqs_ring *ring;
    double ask_again; /* by the wall clock: not before, after asking has failed */

    /* request.c */
    double skew; /* the server's clock less ours */
    int budget;
    aw_prng prng;
};

/* One operation. */
struct aw_sqs_call {
    const char *operation, *queue; /* queue: its URL or name, for words; or NULL */
    struct aw_growing body;
    double wait;         /* seconds that the service may take on purpose */
    bool takes;          /* its answer has effects when it is lost: see aw_sqs_receive() */
    aw_sqs_error *error; /* the caller's, or NULL */
    struct aw_sqs_json *reply;
    int (*check)(const struct aw_sqs_json *reply, void *arg); /* -EBADMSG: as though it was lost */
    void *arg;
};

/* ---- request.c ---- */

/* Begins a body: "{" and the queue's URL, if there is one. */
void aw_sqs_call_begin(struct aw_sqs_call *q, const char *operation, const char *queue_url);

/* The same for a queue of the caller's, checked: -EINVAL, -EILSEQ, raised. */
int aw_sqs_begin(struct aw_sqs_call *q, const char *operation, const char *queue);

/* Ends the body, sends it, and leaves the answer in q->reply.  0, or an error that was raised, with
 * q->error filled.  Suspends. */
int aw_sqs_call(aw_sqs *c, struct aw_sqs_call *q);
void aw_sqs_call_end(struct aw_sqs_call *q);

/* Raises an error of the call's before it was made, with one line. */
int aw_sqs_refuse(const struct aw_sqs_call *q, int err, const char *why);

/* Sleeps before attempt n (from 2 on), if there are attempts and a budget left: false if not, or
 * when cancelled, which *err then says. */
bool aw_sqs_again(aw_sqs *c, int n, bool throttled, int *err);

/* A number between 0 and the limit. */
double aw_sqs_drawn(aw_sqs *c, double limit);

/* Checks a text: -EILSEQ, raised. */
int aw_sqs_check_text(const struct aw_sqs_call *q, const char *what, const void *text, size_t n);

/* Seconds as the service has them: whole ones, rounded up; -1 for what is none. */
long long aw_sqs_seconds(double s);

/* ---- error.c ---- */

/* The code for an error of the service's. */
int aw_sqs_error_meaning(const char *code, int status);
bool aw_sqs_is_throttled(const char *code, int status);
bool aw_sqs_is_clock(const char *code);

/* Reads what an answer that is not 2xx says: *e is filled. */
void aw_sqs_error_read(const aw_http_response *r, aw_sqs_error *e);

/* ---- settings.c ---- */

/* Finds region and endpoint.  0, or an error that was raised.  Suspends. */
int aw_sqs_settle(aw_sqs *c);

/* The profile's name; and a file of ours, whose path the variable may say, else it is in the home
 * folder: 1, 0 if it is not there, an error.  Suspends. */
const char *aw_sqs_profile(const aw_sqs *c);
int aw_sqs_shared_file(const char *variable, const char *in_home, char **ret);

/* The value of a variable that is neither unset nor empty; NULL. */
const char *aw_sqs_env(const char *name);
bool aw_sqs_env_true(const char *name);

/* ---- profile.c ---- */

/* Reads a whole file: 1, 0 if it is not there, an error.  Suspends. */
int aw_sqs_file(const char *path, char **ret);

/* Looks into a file of sections: "[kind name]" (kind "": "[name]"; "[default]" has none) for a key,
 * or for `sub` indented below it.  1 and a copy of the value; 0; -ENOMEM. */
int aw_sqs_profile_find(const char *text, const char *kind, const char *name, const char *key,
                        const char *sub, char **ret);

/* ---- keys.c ---- */

/* Good keys, to be given back.  0, or an error that was raised.  Suspends. */
int aw_sqs_ring_get(aw_sqs *c, struct aw_sqs_ring **ret);
void aw_sqs_ring_unref(struct aw_sqs_ring *r);

/* These have expired, says the service: the next call asks again. */
void aw_sqs_ring_expired(aw_sqs *c, const struct aw_sqs_ring *r);

/* Copies of these, `token` may be NULL: 1, -ENOMEM. */
int aw_sqs_keys_make(const char *access, const char *secret, const char *token, double expires,
                     struct aw_sqs_keys *ret);

/* ---- metadata.c ---- */

/* Asks the container's address, or the instance's.  1; 0 if there is none; an error that was
 * raised.  Suspends. */
int aw_sqs_container_keys(aw_sqs *c, struct aw_sqs_keys *ret);
int aw_sqs_instance_keys(aw_sqs *c, struct aw_sqs_keys *ret);

/* ---- message.c ---- */

/* A message to send: checked (-EINVAL, -EILSEQ, raised), and its members written. */
int aw_sqs_check_message(const struct aw_sqs_call *q, const aw_sqs_send_entry *e);
void aw_sqs_write_message(struct aw_sqs_call *q, const aw_sqs_send_entry *e);
size_t aw_sqs_body_size(const aw_sqs_send_entry *e);

/* Compares what the service says of a message with what was sent, and takes its ids: 0, -EBADMSG.
 */
int aw_sqs_take_sent(const struct aw_sqs_json *said, aw_sqs_send_entry *e);

/* The MD5 of attributes, in hexadecimal. */
void aw_sqs_attributes_md5(const aw_sqs_attribute *a, size_t n, char hex[33]);

struct aw_sqs_messages {
    unsigned refs;
    size_t n;
    struct aw_sqs_json *reply; /* whose texts are pointed to */
    aw_sqs_message *all;       /* n, in this block of memory */
};

/* Makes messages of an answer, which stays the caller's: 0; -EBADMSG, -ENOMEM. */
int aw_sqs_messages_make(const struct aw_sqs_json *reply, aw_sqs_messages **ret);

#endif
