/*
 * await/sqs.h - Amazon's queue service, and what speaks its protocol: the companion await-sqs.
 *
 *     aw_sqs *sqs = aw_sqs_new(NULL);         // region, endpoint and keys from the surroundings
 *     char url[AW_SQS_URL_MAX];
 *     AW_TRY(aw_sqs_get_queue_url(sqs, "jobs", url, sizeof url));
 *     AW_TRY(aw_sqs_send(sqs, url, "a job"));
 *
 *     aw_sqs_consumer *c = aw_sqs_consumer_new(sqs, url, work, NULL, .concurrency = 20);
 *     int err = aw_sqs_consumer_run(c);       // work(message, NULL), 20 at a time, until it is
 *     aw_sqs_consumer_unref(c);               // stopped; deletes what work() returned 0 for
 *     aw_sqs_unref(sqs);
 *
 * Each operation is a call that suspends its task; the connections are those of a session of
 * await/http.h.  The protocol is the service's JSON one, requests are signed with version 4.
 *
 * At least once.  A message comes again when it was not deleted within its visibility timeout, and
 * the service may hand one out twice for reasons of its own: whoever works on messages has to bear
 * seeing one again.  A request that is sent again after its answer was lost may have taken effect
 * twice: a queue without .dedup ids may then hold a message twice.
 *
 * Where things come from, the first that there is:
 *   - region: the argument; AWS_REGION; AWS_DEFAULT_REGION; `region` of the profile in the config
 * file;
 *   - endpoint: .endpoint; AWS_ENDPOINT_URL_SQS; AWS_ENDPOINT_URL; in the config file the profile's
 *     `services` section's `sqs`, then the profile's `endpoint_url` (neither environment nor file
 *     with AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true); else the region's own.  With an endpoint and
 *     no region the region is us-east-1;
 *   - keys: .access_key and .secret_key; AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
 *     AWS_SESSION_TOKEN (not with .profile); the profile in the shared credentials file, then in
 *     the config file; the container's address (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, or
 *     .._FULL_URI), which has to be one of this machine's or be spoken to by https; the instance's
 *     metadata service, version 2 (not with AWS_EC2_METADATA_DISABLED=true).
 * The profile is .profile, AWS_PROFILE, AWS_DEFAULT_PROFILE, or "default"; the files are
 * AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE, by default ~/.aws/credentials and ~/.aws/config.
 * Profiles that assume a role, sign on or run a program are not followed, and say so.  Keys that
 * expire are asked for again ten minutes before, by one task while the others wait; the files are
 * read again when the service says that the keys have expired.
 *
 * Trying again.  A connection that failed, a status of 500, 502, 503, 504 or 429, throttling, and
 * an answer whose MD5 is wrong are tried again, .attempts times in all, after a time drawn between
 * 0 and a limit that doubles (0.1 s, of throttling 0.5 s, at most 20 s).  A client has a budget of
 * 500 for that, of which every attempt takes 5 and which every success refills a little, so that a
 * service that is down is not asked three times as much.  Keys that have expired, and a clock that
 * is wrong, are corrected once, the clock by the server's, and do not count.
 *
 * Errors.  aw_errmsg() is one line: the operation, the queue, the service's code and message, the
 * request's id.  An aw_sqs_error has them apart, where .error points to one.
 *
 *     -EINVAL       bad arguments, and what the service calls bad (InvalidAttributeValue, ...)
 *     -EILSEQ       a text that is no UTF-8; aw_errmsg() says which, and where
 *     -EMSGSIZE     larger than the service takes
 *     -ENOENT       there is no such queue; or the endpoint's host is not known
 *     -EEXIST       a queue of this name has other attributes
 *     -ENOKEY       no credentials anywhere; aw_errmsg() says where they were looked for
 *     -EKEYEXPIRED  the keys have expired, and no newer ones are to be had
 *     -EACCES       the keys are wrong or may not do this, or the signature does not match
 *     -EBUSY        throttled, or a purge is under way
 *     -ESTALE       the receipt is not valid any more
 *     -EBADMSG      the answer is no JSON, or not what it should be, or its MD5 is wrong
 *     -EREMOTEIO    any other error of the service's
 *     -ECANCELED, -ENOMEM, -ETIMEDOUT, -ECONNREFUSED and the others of await/http.h
 *     AW_ESHUTDOWN  the client was closed
 *     AW_EMISUSE    outside a task; AW_ETHREAD in another loop than the client's
 *
 * Everything belongs to the thread that runs the client's loop.  NULL where something is needed is
 * -EINVAL; giving up NULL is allowed.  Cancelling an operation ends its request by closing the
 * connection; it may have taken effect.  Durations are seconds, which the service has in whole
 * numbers: they are rounded up.
 */
#ifndef AWAIT_SQS_H
#define AWAIT_SQS_H

#include "await/task.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A client: an endpoint, keys, connections. */
typedef struct aw_sqs aw_sqs;

/* Room for the URL of a queue. */
enum { AW_SQS_URL_MAX = 512 };

/* What the service says of an error; texts are cut. */
typedef struct aw_sqs_error {
    int status;      /* of HTTP; 0: there was no answer */
    bool sender;     /* the caller's mistake, not the service's */
    char code[80];   /* "QueueDoesNotExist"; "" if it was not the service that failed */
    char legacy[96]; /* "AWS.SimpleQueueService.NonExistentQueue", where it is said */
    char message[256];
    char request_id[80];
} aw_sqs_error;

typedef struct aw_sqs_opts {
    const char *region;
    const char
        *endpoint; /* "http://localhost:4566"; requests go there whatever a queue's URL says */
    const char *access_key, *secret_key, *session_token;
    const char *profile;
    int attempts;           /* at one request, in all: AWS_MAX_ATTEMPTS, or 3; at least 1 */
    double timeout;         /* seconds for one attempt, besides the wait of a receive; 30 */
    double connect_timeout; /* 5 */
    unsigned connections;   /* most at a time; 100 */
    const char *ca_file;    /* whom to trust; AWS_CA_BUNDLE, or the system's authorities */
    const char *proxy;      /* as in await/http.h; never for the sources of keys */
    bool proxy_from_environment;
} aw_sqs_opts;

/* aw_sqs *aw_sqs_new(const char *region, ...options): a client of the running loop; the region may
 * be NULL.  Options are copied; the rest of the surroundings is asked by the first request.  NULL
 * with aw_errno(): -EINVAL, -ENOMEM, AW_EMISUSE (no running loop).  Does not suspend. */
#ifndef __cplusplus
#define aw_sqs_new(...) aw_sqs_new_(&(aw_sqs_opts){.region = __VA_ARGS__})
#endif
AW_API aw_sqs *aw_sqs_new_(const aw_sqs_opts *opts);

/* Another handle; returns `sqs`.  And one less: with the last one its connections are closed. */
AW_API aw_sqs *aw_sqs_ref(aw_sqs *sqs);
AW_API void aw_sqs_unref(aw_sqs *sqs);

/* End it now: requests that are under way fail with AW_ESHUTDOWN, as do later ones; connections are
 * closed.  0, also when done before; AW_ETHREAD.  Does not suspend. */
AW_API int aw_sqs_close(aw_sqs *sqs);

/* ---- queues ---- */

/* What calls on queues have in common; pairs are names and values in turn, up to a NULL. */
typedef struct aw_sqs_queue_opts {
    aw_sqs *sqs;
    const char *name;
    char *buf;
    size_t size;
    const char *owner;             /* get_queue_url: the account, if it is another one's */
    const char *const *attributes; /* create_queue: pairs, "VisibilityTimeout", "30" */
    const char *const *tags;       /* create_queue: pairs */
    aw_sqs_error *error;           /* receives what the service says if it fails */
} aw_sqs_queue_opts;

/* int aw_sqs_create_queue(aw_sqs *sqs, const char *name, char *buf, size_t size, ...options): make
 * a queue, or find one that has these attributes, and put its URL into `buf`.
 *
 * The URL's length; if that is `size` or more it is cut, as by snprintf().  -EEXIST. */
#ifndef __cplusplus
#define aw_sqs_create_queue(sqs_, name_, buf_, ...)                                                \
    aw_sqs_create_queue_(                                                                          \
        &(aw_sqs_queue_opts){.sqs = (sqs_), .name = (name_), .buf = (buf_), .size = __VA_ARGS__})
#endif
AW_API int aw_sqs_create_queue_(const aw_sqs_queue_opts *opts) AW_MUST_USE;

/* int aw_sqs_get_queue_url(aw_sqs *sqs, const char *name, char *buf, size_t size, ...options): the
 * URL of a queue that is there; likewise.  -ENOENT. */
#ifndef __cplusplus
#define aw_sqs_get_queue_url(sqs_, name_, buf_, ...)                                               \
    aw_sqs_get_queue_url_(                                                                         \
        &(aw_sqs_queue_opts){.sqs = (sqs_), .name = (name_), .buf = (buf_), .size = __VA_ARGS__})
#endif
AW_API int aw_sqs_get_queue_url_(const aw_sqs_queue_opts *opts) AW_MUST_USE;

/* Remove a queue; remove all its messages.  0.  The service takes up to a minute for either, and
 * allows a purge a minute: -EBUSY.  `error` may be NULL. */
AW_API int aw_sqs_delete_queue(aw_sqs *sqs, const char *queue, aw_sqs_error *error) AW_MUST_USE;
AW_API int aw_sqs_purge_queue(aw_sqs *sqs, const char *queue, aw_sqs_error *error) AW_MUST_USE;

/* A queue's attributes: those named up to a NULL ("ApproximateNumberOfMessages"), or all for NULL.
 * 0, and *ret is pairs up to a NULL, one block that the caller gives to aw_sqs_free_pairs(). */
AW_API int aw_sqs_get_attributes(aw_sqs *sqs, const char *queue, const char *const *names,
                                 const char *const **ret, aw_sqs_error *error) AW_MUST_USE;
AW_API void aw_sqs_free_pairs(const char *const *pairs);

/* Set attributes of a queue: pairs.  0. */
AW_API int aw_sqs_set_attributes(aw_sqs *sqs, const char *queue, const char *const *pairs,
                                 aw_sqs_error *error) AW_MUST_USE;

/* ---- sending ---- */

/* An attribute of a message. */
typedef struct aw_sqs_attribute {
    const char *name;
    const char *type;  /* "String", "Number", "Binary", with ".label" behind it if wanted; to send,
                          NULL is "String" */
    const void *value; /* `size` bytes; to send, size 0 is a string (an empty one is refused by the
                          service).  A received one has a zero byte behind it */
    size_t size;
} aw_sqs_attribute;

/* One message to send, by itself or in a batch; the fields below the line are results. */
typedef struct aw_sqs_send_entry {
    const void *body; /* `size` bytes of UTF-8; size 0: a string */
    size_t size;
    double delay; /* seconds until it can be received; 0: the queue's */
    const aw_sqs_attribute *attributes;
    size_t n_attributes;
    const char *group, *dedup; /* of FIFO queues: MessageGroupId, MessageDeduplicationId */
    const char *trace;         /* AWSTraceHeader */

    int result;          /* 0, or why this one failed */
    char message_id[64]; /* given by the service */
    char sequence[32];   /* of a FIFO queue; "" otherwise */
    char code[80];       /* the service's, if it failed */
} aw_sqs_send_entry;

typedef struct aw_sqs_send_opts {
    aw_sqs *sqs;
    const char *queue;
    const void *body; /* these as in aw_sqs_send_entry */
    size_t size;
    double delay;
    const aw_sqs_attribute *attributes;
    size_t n_attributes;
    const char *group, *dedup, *trace;
    char *ret_id; /* receives the message's id, as much as 64 bytes */
    aw_sqs_error *error;
} aw_sqs_send_opts;

/* int aw_sqs_send(aw_sqs *sqs, const char *queue, const void *body, ...options): send a message to
 * the queue with this URL.  0 when the service has it, and its MD5 of the body and the attributes
 * is right.  -EILSEQ, -EMSGSIZE. */
#ifndef __cplusplus
#define aw_sqs_send(sqs_, queue_, ...)                                                             \
    aw_sqs_send_(&(aw_sqs_send_opts){.sqs = (sqs_), .queue = (queue_), .body = __VA_ARGS__})
#endif
AW_API int aw_sqs_send_(const aw_sqs_send_opts *opts) AW_MUST_USE;

/* Send n messages, in requests of at most ten and of 256 KiB, one after the other.
 *
 * 0 if all were accepted.  Else the first failure; .result of each entry says what became of it, in
 * requests that were not made -ECANCELED.  Entries that the service failed by mistakes of its own
 * or by throttling are sent again as requests are. */
AW_API int aw_sqs_send_batch(aw_sqs *sqs, const char *queue, aw_sqs_send_entry *entries, size_t n,
                             aw_sqs_error *error) AW_MUST_USE;

/* ---- receiving ---- */

/* A message that was received; its texts live as long as the aw_sqs_messages it came in. */
typedef struct aw_sqs_message {
    const char *id;
    const char *receipt; /* what deletes it */
    const char *body;    /* `size` bytes, and a zero byte */
    size_t size;
    unsigned receives; /* how often it was received, this time included; 0: not said */
    double sent;       /* seconds since 1970 */
    const char *group, *dedup, *sequence, *trace, *sender; /* "" where there is none */
    const aw_sqs_attribute *attributes;
    size_t n_attributes;
} aw_sqs_message;

/* What one receive has brought. */
typedef struct aw_sqs_messages aw_sqs_messages;

typedef struct aw_sqs_receive_opts {
    aw_sqs_messages **ret;
    aw_sqs *sqs;
    const char *queue;
    unsigned max;      /* at most so many, 1 to 10; 10 */
    double wait;       /* seconds to wait for the first; at most 20, and 20 by default; negative:
                          do not wait */
    double visibility; /* seconds until they can be received again; 0: the queue's */
    const char *attempt_id; /* of FIFO queues: ReceiveRequestAttemptId */
    aw_sqs_error *error;
} aw_sqs_receive_opts;

/* int aw_sqs_receive(aw_sqs_messages **ret, aw_sqs *sqs, const char *queue, ...options): take
 * messages, waiting until there are any.
 *
 * How many, 0 if none came in time; *ret is then a handle of the caller's (NULL with an error).
 * The MD5 of each body and of its attributes has been compared: -EBADMSG.  A receive whose answer
 * was lost, or whose time ran out, is not tried again: what it had taken comes back after its
 * visibility timeout. */
#ifndef __cplusplus
#define aw_sqs_receive(ret_, sqs_, ...)                                                            \
    aw_sqs_receive_(&(aw_sqs_receive_opts){.ret = (ret_), .sqs = (sqs_), .queue = __VA_ARGS__})
#endif
AW_API int aw_sqs_receive_(const aw_sqs_receive_opts *opts) AW_MUST_USE;

/* Another handle; returns `m`.  And one less: the messages go with the last. */
AW_API aw_sqs_messages *aw_sqs_messages_ref(aw_sqs_messages *m);
AW_API void aw_sqs_messages_unref(aw_sqs_messages *m);

/* How many there are; the i-th, NULL beyond the last. */
AW_API size_t aw_sqs_messages_count(const aw_sqs_messages *m);
AW_API const aw_sqs_message *aw_sqs_messages_at(const aw_sqs_messages *m, size_t i);

/* ---- done with, or not yet ---- */

/* One message to delete, or whose visibility is to change, in a batch. */
typedef struct aw_sqs_entry {
    const char *receipt;
    double visibility; /* to change: seconds from now, 0 to 43200 */

    int result;    /* 0, or why this one failed */
    char code[80]; /* the service's, if it failed */
} aw_sqs_entry;

/* Delete the message that was received with this receipt.  0, also if it was deleted before. */
AW_API int aw_sqs_delete(aw_sqs *sqs, const char *queue, const char *receipt,
                         aw_sqs_error *error) AW_MUST_USE;

/* Let it be received again so many seconds from now; 0: at once.  0; -ESTALE when it is not this
 * receiver's any more. */
AW_API int aw_sqs_change_visibility(aw_sqs *sqs, const char *queue, const char *receipt,
                                    double seconds, aw_sqs_error *error) AW_MUST_USE;

/* The same for n of them, in requests of at most ten; results as of aw_sqs_send_batch(). */
AW_API int aw_sqs_delete_batch(aw_sqs *sqs, const char *queue, aw_sqs_entry *entries, size_t n,
                               aw_sqs_error *error) AW_MUST_USE;
AW_API int aw_sqs_change_visibility_batch(aw_sqs *sqs, const char *queue, aw_sqs_entry *entries,
                                          size_t n, aw_sqs_error *error) AW_MUST_USE;

/* ---- a consumer ---- */

/* Takes the messages of a queue and runs a coroutine for each. */
typedef struct aw_sqs_consumer aw_sqs_consumer;

/* Works on one message, which is valid until it returns, in a task of its own: it may suspend.  A
 * result >= 0: it is done, and will be deleted; negative: it comes again. */
typedef int aw_sqs_handler(const aw_sqs_message *m, void *arg);

/* Hears of what went wrong: the operation and its error, with aw_errmsg() in `why`; or a handler's
 * result, with its message in m (else NULL).  Does not suspend.  Negative: the consumer ends, with
 * this. */
typedef int aw_sqs_on_error(int err, const char *why, const aw_sqs_message *m, void *arg);

typedef struct aw_sqs_consumer_opts {
    aw_sqs *sqs;
    const char *queue;
    aw_sqs_handler *handler;
    void *arg;            /* of all three functions */
    unsigned concurrency; /* handlers at a time; 10 */
    unsigned prefetch;    /* messages that may wait for their turn; as many as .concurrency, at most
                             10.  They are kept invisible meanwhile */
    bool no_prefetch;     /* none */
    unsigned pollers;     /* long polls at a time; 1 */
    double wait;          /* of a long poll, seconds; 20.  Polls that bring nothing are a second
                             apart at least, also where the service does not wait */
    double visibility;    /* seconds for which a message is invisible, made longer as often as
                             needed; at least 2, 30 by default */
    double timeout;       /* seconds for one message: its handler is cancelled then; 0: none */
    double retry_delay;   /* when what failed comes again: in so many seconds; 0: when its
                             visibility ends; negative: at once */
    double delete_wait;   /* how long a delete may wait for others to go with it; 0.05 */
    unsigned poison_after;     /* what has been received more often than this ... */
    aw_sqs_handler *poison;    /* ... goes here, not to the handler; both or neither */
    aw_sqs_on_error *on_error; /* without one, a queue that is not there, no keys and no permission
                                  end the consumer; everything else is tried again */
    size_t stack_size;         /* of the handlers' tasks */
} aw_sqs_consumer_opts;

/* aw_sqs_consumer *aw_sqs_consumer_new(aw_sqs *sqs, const char *queue, aw_sqs_handler *handler,
 * void *arg, ...options): a consumer, which does nothing yet; it holds the client.  NULL with
 * aw_errno(): -EINVAL, -ENOMEM.  Does not suspend. */
#ifndef __cplusplus
#define aw_sqs_consumer_new(sqs_, queue_, handler_, ...)                                           \
    aw_sqs_consumer_new_(&(aw_sqs_consumer_opts){                                                  \
        .sqs = (sqs_), .queue = (queue_), .handler = (handler_), .arg = __VA_ARGS__})
#endif
AW_API aw_sqs_consumer *aw_sqs_consumer_new_(const aw_sqs_consumer_opts *opts);

/* Run it: receive, work, delete, until aw_sqs_consumer_stop().
 *
 * Stopped, it takes no more, gives what no handler has begun with back to the queue at once, lets
 * the handlers end, deletes what they have done, and returns 0.  An error of .on_error, or one that
 * ends it, likewise.  Cancelled, it cancels the handlers too, gives their messages back, deletes
 * those that are done, and returns -ECANCELED; a second cancellation breaks that off.
 *
 * A long poll that is broken off may have been about to bring messages: they come again when their
 * visibility ends.
 *
 * A message is deleted only after its handler has succeeded, and until then it is kept invisible,
 * up to the twelve hours that the service allows.  It is seen again when the handler fails, when
 * this process dies, when the visibility ends because the service could not be reached in time, or
 * when the deletion fails for good.  Messages of one group of a FIFO queue are worked on one after
 * the other, and when one fails those behind it are given back.
 *
 * AW_EMISUSE outside a task and while it runs already.  Suspends. */
AW_API int aw_sqs_consumer_run(aw_sqs_consumer *c) AW_MUST_USE;

/* Ask it to end; from a handler too.  A long poll that is waiting is broken off.  0; AW_ETHREAD.
 * Does not suspend. */
AW_API int aw_sqs_consumer_stop(aw_sqs_consumer *c);

/* What it has done so far. */
typedef struct aw_sqs_consumer_stats {
    uint64_t received;  /* messages */
    uint64_t succeeded; /* handlers, those of poison included */
    uint64_t failed;
    uint64_t poisoned; /* messages that went to .poison */
    uint64_t deleted;
    uint64_t returned; /* given back without having been begun */
    uint64_t extended; /* times that a message's visibility was made longer */
    uint64_t lost;     /* whose visibility or deletion failed for good: they come again */
    uint64_t polls;    /* requests for messages.  The first one after one that failed does not
                          wait, so that it soon shows whether the service is back */
    uint64_t answered; /* of them, those that did not fail */
    unsigned in_hand;  /* received, and neither deleted nor given up */
    unsigned running;  /* handlers at work */
} aw_sqs_consumer_stats;
AW_API int aw_sqs_consumer_stats_of(const aw_sqs_consumer *c, aw_sqs_consumer_stats *ret);

/* Another handle; returns `c`.  And one less; not the last one while it runs. */
AW_API aw_sqs_consumer *aw_sqs_consumer_ref(aw_sqs_consumer *c);
AW_API void aw_sqs_consumer_unref(aw_sqs_consumer *c);

#ifdef __cplusplus
}
#endif
#endif
