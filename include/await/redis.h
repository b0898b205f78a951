/*
 * await/redis.h - Redis: commands, messages, and Socket.IO servers that share their broadcasts.
 * The companion library await-redis.
 *
 *     aw_redis *r;
 *     AW_TRY(aw_redis_open(&r, "redis://localhost/0"));
 *     aw_redis_reply *reply;
 *     AW_TRY(aw_redis_command(r, &reply, "INCRBY %s %d", "visits", 2));
 *     printf("%lld\n", (long long)reply->integer);
 *     aw_redis_reply_free(reply);
 *     ...
 *     aw_ignore(aw_redis_close(r));
 *     aw_redis_unref(r);
 *
 * A client has one connection for commands, which all its tasks share: what several of them ask is
 * sent at once and answered in order, without any waiting for the other.  Hence what changes the
 * connection itself is not for it: subscribing, MONITOR, HELLO, QUIT and the like are refused, and
 * MULTI ... EXEC, WATCH and SELECT, which are not, take in what other tasks send in between, and
 * what waits in the server (BLPOP, XREAD BLOCK) keeps all others waiting; give a client of its own
 * to whoever uses them.  Messages come by a second connection, which is made at
 * the first subscription.
 *
 * A connection that is lost is made again by itself, after a pause that is drawn between 0 and a
 * bound which doubles with each failure (.backoff_min to .backoff_max).  Commands that were sent
 * and not answered fail with -ECONNRESET, and are never sent again: they may have been done.
 * Commands that are given while there is no connection wait for it, as long as their time limit
 * lets them.  Subscriptions are made again; that messages may be missing is told in their place.
 *
 * Cancelling a task that waits for a reply leaves the others alone: its reply is thrown away when
 * it comes.  The command may have been done.
 *
 * Every call belongs to the thread that runs the loop of aw_redis_open() (AW_ETHREAD elsewhere).
 * Only those that say so suspend.  -EINVAL for NULL.  Strings are copied.
 */
#ifndef AWAIT_REDIS_H
#define AWAIT_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "await/socketio.h"
#include "await/tls.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A client; what it hears; Socket.IO's part in it. */
typedef struct aw_redis aw_redis;
typedef struct aw_redis_subscription aw_redis_subscription;
typedef struct aw_redis_fanout aw_redis_fanout;

/* ---- replies ---- */

/* What a reply, or a part of it, is. */
enum aw_redis_type {
    AW_REDIS_NIL,
    AW_REDIS_STRING,
    AW_REDIS_STATUS, /* "OK" */
    AW_REDIS_INTEGER,
    AW_REDIS_ARRAY,
    AW_REDIS_ERROR, /* only inside an array, as EXEC gives them: "ERR ..." */
};

/* A reply: a tree. */
typedef struct aw_redis_reply {
    enum aw_redis_type type;
    int64_t integer; /* AW_REDIS_INTEGER */
    char *str;       /* strings, statuses, errors: a zero follows, and there may be some inside */
    size_t len;      /* bytes of it */
    struct aw_redis_reply *elements; /* AW_REDIS_ARRAY */
    size_t n;
} aw_redis_reply;

/* Free a reply, the whole tree; NULL is allowed.  Any thread. */
AW_API void aw_redis_reply_free(aw_redis_reply *reply);

/* ---- clients ---- */

/* What an operator should see: a connection that was lost or is back, an error that no caller
 * gets.  Why a connection cannot be made again is told once, until it is something else.  One line
 * without its end: "redis 127.0.0.1:6379: the connection is lost: ...".  Must not suspend. */
typedef void aw_redis_logger(const char *line, void *arg);

/* Options of a client; zero means the default.  Times are seconds, sizes bytes. */
typedef struct aw_redis_opts {
    aw_redis **ret;
    const char *url;         /* see aw_redis_open(); NULL: the members below say it all */
    const char *host;        /* each of these goes before the URL's: "localhost" */
    const char *port;        /* "6379" */
    const char *path;        /* a local socket's path, or "@name", in place of a host */
    const char *user;        /* none: the default user */
    const char *password;    /* none: nobody is told one */
    unsigned db;             /* 0 */
    aw_tls_context *tls;     /* encrypt; a URL "rediss:" without one: the system's authorities */
    const char *server_name; /* for the certificate; the host */
    const char *name;        /* CLIENT SETNAME; none */
    double connect_timeout;  /* of one attempt, name, TLS and password included; 10 */
    double timeout;          /* of a command, waiting for a connection included; 10; INFINITY */
    double ping_interval;    /* of silence, after which a PING is sent; after the second the
                                connection is lost.  15; INFINITY: never */
    double backoff_min;      /* the bound of the first pause; 0.1 */
    double backoff_max;      /* and the highest; 5 */
    size_t max_reply;        /* of a reply in memory; 64 MiB.  A larger one ends the connection */
    size_t max_pending;      /* of commands that the server has not taken; 16 MiB */
    unsigned max_waiting;    /* commands that are sent and not answered; 100,000 */
    bool lazy;               /* do not wait for the first connection */
    aw_redis_logger *logger; /* NULL: lines go to standard error */
    void *logger_arg;
} aw_redis_opts;

/* int aw_redis_open(aw_redis **ret, const char *url, ...options): a client for the running loop,
 * and its first connection.
 *
 *     redis://[[user][:password]@][host][:port][/db]          rediss:// the same by TLS
 *     unix://[[user][:password]@]/path[?db=number]
 *
 * with %XX in each part.  0, and *ret is the caller's; -EINVAL with the reason in aw_errmsg() (a
 * URL that is none, an option that makes no sense); what the first attempt came to, unless .lazy:
 * the errors of aw_open_connection(), aw_open_unix_connection() and aw_start_tls(), -ETIMEDOUT, and
 * those of aw_redis_command() for what the server says to the password, the database and the name;
 * -ENOMEM; -ECANCELED; AW_EMISUSE outside a task.  Suspends, unless .lazy. */
#ifndef __cplusplus
#define aw_redis_open(...) aw_redis_open_(&(aw_redis_opts){.ret = __VA_ARGS__})
#endif
AW_API int aw_redis_open_(const aw_redis_opts *opts) AW_MUST_USE;

/* Another handle; returns `r`.  And one less: the last one, those of subscriptions and fan-outs
 * included, ends the client at once.  NULL is allowed in both. */
AW_API aw_redis *aw_redis_ref(aw_redis *r);
AW_API void aw_redis_unref(aw_redis *r);

/* End the client: who waits in one of its calls gets AW_ESHUTDOWN, and so does every call from now
 * on.  What was sent without waiting and has not left is dropped.  0, also when it has ended
 * before; -ECANCELED: it ends all the same; AW_EMISUSE outside a task.  Suspends until its
 * connections are closed. */
AW_API int aw_redis_close(aw_redis *r);

/* Is the connection for commands there at this moment?  False for NULL. */
AW_API bool aw_redis_connected(const aw_redis *r);

/* ---- commands ---- */

/* Errors of all commands: what the server says, in aw_errmsg(), word for word, under the code
 *     -EACCES     NOAUTH, WRONGPASS, NOPERM
 *     -EAGAIN     LOADING, BUSY, TRYAGAIN, MASTERDOWN, CLUSTERDOWN
 *     -EROFS      READONLY
 *     -EREMOTEIO  all others: ERR, WRONGTYPE, ...
 * -ECONNRESET: the connection was lost after it was sent; -EPROTO, AW_ELIMIT: what came is no reply
 * (also: nested deeper than 7 arrays), or one above .max_reply; -ETIMEDOUT, and if there was no
 * connection all the time aw_errmsg() says why; AW_EFULL: .max_waiting; AW_ELIMIT: larger than
 * .max_pending; AW_ESHUTDOWN; -ECANCELED; AW_EMISUSE outside a task, and for a command that is not
 * for a shared connection; -EINVAL for no command at all, and a format that makes no sense;
 * -ENOMEM. */

/* Send a command and wait for its reply: *ret is the caller's, to be given to
 * aw_redis_reply_free(); `ret` NULL: it is not wanted.
 *
 * Words of the format, separated by spaces, are arguments; what is put in stays in its argument,
 * whatever it contains: %s a string, %b bytes (a const void * and a size_t), %d %i %u with l, ll, z
 * or nothing, %f and %g a double with 17 digits, %% a percent sign.
 *
 *     aw_redis_command(r, NULL, "SET user:%d %b", id, data, size)
 *
 * 0, or an error as above.  Suspends. */
AW_API int aw_redis_command(aw_redis *r, aw_redis_reply **ret, const char *format, ...) AW_MUST_USE;

/* Options of a command given as an array. */
typedef struct aw_redis_argv_opts {
    aw_redis *redis;
    aw_redis_reply **ret;
    const char *const *argv;
    size_t n;
    const size_t *lengths; /* of the arguments; NULL: they are strings */
    double timeout;        /* seconds, for one that may take longer (BLPOP); 0: the client's */
} aw_redis_argv_opts;

/* int aw_redis_command_argv(aw_redis *r, aw_redis_reply **ret, const char *const *argv, size_t n,
 * ...options): the same for arguments in an array. */
#ifndef __cplusplus
#define aw_redis_command_argv(r, ret_, ...)                                                        \
    aw_redis_command_argv_(&(aw_redis_argv_opts){.redis = (r), .ret = (ret_), .argv = __VA_ARGS__})
#endif
AW_API int aw_redis_command_argv_(const aw_redis_argv_opts *opts) AW_MUST_USE;

/* Send a command and do not wait, in tasks and in callbacks: 0, it is on its way, in order with the
 * others; -ENOTCONN when there is no connection; otherwise the errors from AW_EFULL on.  An error
 * of the server's goes to the logger.  Never suspends. */
AW_API int aw_redis_send(aw_redis *r, const char *format, ...);

/* ---- messages ---- */

/* Options of a subscription; zero means the default. */
typedef struct aw_redis_subscribe_opts {
    aw_redis_subscription **ret;
    aw_redis *redis;
    const char *channel;         /* may be NULL if there are others: */
    const char *const *channels; /* more of them, up to a NULL */
    const char *const *patterns; /* "news.*": as PSUBSCRIBE, up to a NULL */
    size_t max_queued;           /* messages that wait to be taken; 1,000 */
    size_t max_queued_bytes;     /* of them; 16 MiB */
    double timeout;              /* seconds until the server has agreed; 0: the client's */
} aw_redis_subscribe_opts;

/* int aw_redis_subscribe(aw_redis_subscription **ret, aw_redis *r, const char *channel,
 * ...options): hear what is published to channels.
 *
 * 0: the server has agreed, what is published from now on will come; *ret is the caller's, to be
 * given to aw_redis_unsubscribe().  Otherwise the errors of commands, and -EINVAL without any
 * channel.  Suspends. */
#ifndef __cplusplus
#define aw_redis_subscribe(ret_, ...)                                                              \
    aw_redis_subscribe_(&(aw_redis_subscribe_opts){.ret = (ret_), .redis = __VA_ARGS__})
#endif
AW_API int aw_redis_subscribe_(const aw_redis_subscribe_opts *opts) AW_MUST_USE;

/* A message; or, if `data` is NULL, the notice that some are missing here. */
typedef struct aw_redis_message {
    const char *channel;
    const char *pattern; /* that the channel fits; NULL: it was subscribed to by its name */
    const char *data;    /* a zero follows */
    size_t size;
    uint64_t lost;    /* a notice: so many came while the queue was full, and were dropped */
    bool interrupted; /* a notice: there was no connection meanwhile, and nobody knows what has
                         been published */
} aw_redis_message;

/* Take the next message, in the order in which they came; one that fits a channel and a pattern
 * comes for each.  0, and what *ret points to is valid until the next call; AW_ESHUTDOWN after the
 * last one when the client has ended; -EACCES and others when the server has refused to subscribe
 * again; AW_EMISUSE while another task waits here, or outside a task; -ECANCELED.  Suspends while
 * there is none. */
AW_API int aw_redis_next(aw_redis_subscription *s, aw_redis_message *ret) AW_MUST_USE;

/* End a subscription, and give it up; what is queued is dropped.  0, also for NULL; AW_EMISUSE
 * while a task waits in aw_redis_next().  Never suspends. */
AW_API int aw_redis_unsubscribe(aw_redis_subscription *s);

/* ---- Socket.IO ---- */

/* What another server says to all servers (node's io.serverSideEmit()): the event's name, and its
 * arguments as a JSON array.  Must not suspend, nor end the fan-out. */
typedef void aw_redis_server_event(aw_sio_namespace *ns, const char *event, const char *json,
                                   void *arg);

/* Options of a fan-out; zero means the default. */
typedef struct aw_redis_fanout_opts {
    aw_redis_fanout **ret;
    aw_redis *redis;
    aw_sio *io;
    const char *key;            /* what its channels begin with; "socket.io" */
    const char *python_channel; /* python-socketio's, "socketio": speak its JSON there, too */
    aw_redis_server_event *server_event;
    void *arg;          /* for it */
    double ack_timeout; /* for clients that are asked by another server; 20 */
    size_t max_packet;  /* of a message of another server; 4,000,000 */
} aw_redis_fanout_opts;

/* int aw_redis_fanout_start(aw_redis_fanout **ret, aw_redis *r, aw_sio *io, ...options): let this
 * Socket.IO server share its broadcasts with all those on the same Redis under the same key.
 *
 * They may be servers with this library, or node's with @socket.io/redis-adapter; processes without
 * a server of their own send by aw_redis_emit(), or node's @socket.io/redis-emitter.  The bytes are
 * theirs: channels "<key>#<namespace>#" and "<key>#<namespace>#<room>#", msgpack.  What node's
 * servers ask (which sockets there are, to let them enter and leave rooms, to disconnect them, to
 * ask clients and pass on their answers) is done and answered.
 *
 * With a .python_channel python-socketio's servers take part, from version 5.15.1 on, and its
 * processes without a server: broadcasts go both ways, bytes included, and theirs let clients here
 * enter and leave rooms, and disconnect them.  They know no rooms to be excepted but those of
 * single clients; a callback of theirs is not called for a client here; and they hear neither
 * node's nor aw_redis_emit().  What versions before 5.14 publish is pickled: it is dropped, and
 * told.
 *
 * While there is no connection to Redis broadcasts reach the clients of their own server only:
 * aw_sio_broadcast() returns -ENOTCONN then, and what others have sent meanwhile is lost, which
 * the client's logger is told.
 *
 * 0, and *ret is the caller's, to be given to aw_redis_fanout_stop(); it is the server's adapter
 * (aw_sio_set_adapter()) until then, and has handles of both.  -EINVAL; the errors of
 * aw_redis_subscribe().  Suspends. */
#ifndef __cplusplus
#define aw_redis_fanout_start(ret_, r, ...)                                                        \
    aw_redis_fanout_start_(&(aw_redis_fanout_opts){.ret = (ret_), .redis = (r), .io = __VA_ARGS__})
#endif
AW_API int aw_redis_fanout_start_(const aw_redis_fanout_opts *opts) AW_MUST_USE;

/* End it and give it up: the server is alone from now on.  0, also for NULL.  Never suspends. */
AW_API int aw_redis_fanout_stop(aw_redis_fanout *f);

/* Options of an emitter's broadcast. */
typedef struct aw_redis_emit_opts {
    aw_redis *redis;
    const char *nsp; /* "/" */
    const char *event;
    const char *json;                /* the arguments: a JSON array as text; NULL: none */
    const aw_sio_bytes *attachments; /* what placeholders in them stand for */
    size_t n_attachments;
    const char *room; /* as for aw_sio_broadcast() */
    const char *const *rooms;
    const char *except_room;
    const char *const *except_rooms;
    bool is_volatile;
    const char *key; /* "socket.io" */
} aw_redis_emit_opts;

/* int aw_redis_emit(aw_redis *r, const char *nsp, const char *event, const char *json, ...options):
 * a broadcast by a process that has no server: to the clients of all servers that share theirs.
 * 0; -EINVAL, AW_ELIMIT for what is no JSON array, or deeper than 64; the errors of
 * aw_redis_send().  Never suspends. */
#ifndef __cplusplus
#define aw_redis_emit(r, nsp_, event_, ...)                                                        \
    aw_redis_emit_(&(aw_redis_emit_opts){                                                          \
        .redis = (r), .nsp = (nsp_), .event = (event_), .json = __VA_ARGS__})
#endif
AW_API int aw_redis_emit_(const aw_redis_emit_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
