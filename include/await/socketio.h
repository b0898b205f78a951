/*
 * await/socketio.h - a Socket.IO server: the companion library await-socketio.
 *
 *     static int say(aw_sio_event *e, void *arg)     // socket.emit('say', 'hello') comes here
 *     {
 *         aw_sio_namespace *ns = arg;
 *         return aw_sio_broadcast(ns, "said", aw_sio_event_json(e, NULL),
 *                                 .except_socket = aw_sio_event_socket(e));
 *     }
 *     ...
 *     aw_sio *io = aw_sio_new();
 *     aw_sio_namespace *ns = aw_sio_of(io, "/");
 *     AW_TRY(aw_sio_on(ns, "say", say, ns));
 *     AW_TRY(aw_http_serve(&server, aw_sio_handler, NULL, "8080", .arg = io));
 *
 * Socket.IO protocol 5 over Engine.IO protocol 4, as version 3 and 4 of the JavaScript clients
 * speak it, by HTTP long-polling and WebSocket, with upgrade from the one to the other.  It is a
 * handler of an HTTP server (await/http_server.h): the only one, or a route beside others.
 *
 * A client's connection is a session; in it the client connects to namespaces, and in each of them
 * it is a socket.  Whatever is a handler here is a coroutine in a task of its own: it may sleep,
 * await, and ask other servers.  Handlers of one client run at the same time; they begin in the
 * order in which its packets came.  A handler that fails ends what it was called for, is reported
 * to the loop's exception handler, and nothing else happens.
 *
 * Values.  What an event carries are its arguments: a JSON array as text, "[1,{\"a\":true}]", and
 * bytes beside it.  Who receives gets that text, or the value that jansson has made of it, a
 * `json_t *` (include <jansson.h> to do something with it); who sends gives either.  Text is passed
 * on as it came, digit by digit; only half of a surrogate pair, which JavaScript makes by cutting a
 * string within a character, becomes U+FFFD.  Bytes, a Buffer or an ArrayBuffer in JavaScript,
 * stand in the JSON as {"_placeholder":true,"num":0}, with their number: see aw_sio_event_bytes()
 * and .attachments.
 *
 * Sending never suspends, and a slow client holds up nobody.  What it does not take is kept for it,
 * up to .max_buffered bytes; with the packet that would be more its session ends, by the reason
 * "transport error" and with a line that names the limit.  Clients connect again by themselves, as
 * new sockets; what they have missed is not sent again.  A program whose clients must not miss
 * anything shows each one that connects what there is; one that has much to say to one client paces
 * itself by aw_sio_call(); and what is worthless when it is late is sent with .is_volatile.  A
 * broadcast is encoded once, whatever the number of its clients; its bytes count for each of them.
 *
 * Every client is a stranger.  Session ids are 120 bits from the kernel.  Pages of other sites are
 * refused unless .origins lists them.  Everything that a client can make large, deep, many or slow
 * has a limit among the options; who goes beyond one is refused or disconnected, and one line names
 * the peer, the reason and the limit.
 *
 * Every call belongs to the thread that runs the loop of aw_sio_new() (AW_ETHREAD elsewhere) except
 * aw_sio_broadcast_threadsafe(), which belongs to every thread.  Only those that say so suspend.
 * -EINVAL for NULL.  Strings are copied unless it says otherwise.
 */
#ifndef AWAIT_SOCKETIO_H
#define AWAIT_SOCKETIO_H

#include <stdbool.h>
#include <stddef.h>

#include "await/http_server.h"
#include "await/task.h"

#ifdef __cplusplus
extern "C" {
#endif

struct json_t; /* <jansson.h> */

typedef struct aw_sio aw_sio;                     /* a server */
typedef struct aw_sio_namespace aw_sio_namespace; /* one of its namespaces */
typedef struct aw_sio_socket aw_sio_socket;       /* a client in a namespace */
typedef struct aw_sio_event aw_sio_event;         /* what a client has sent: an event, an answer */

/* Bytes that go beside JSON. */
typedef struct aw_sio_bytes {
    const void *data;
    size_t size;
} aw_sio_bytes;

/* ---- the server ---- */

/* Looks at a handshake before there is a session: 0 lets it in, an error refuses it with 403.  Runs
 * in the task of the request, and may suspend; it must not answer. */
typedef int aw_sio_allow(aw_http_request *r, void *arg);

/* A refusal, or a session that was ended for what its client did: one line, "127.0.0.1:4711: the
 * payload is too large (max_payload 1000000)", without its end.  Must not suspend. */
typedef void aw_sio_logger(const char *line, void *arg);

/* Options of a server; zero means the default.  Sizes are bytes, times are seconds. */
typedef struct aw_sio_opts {
    const char *file; /* filled by the macro */
    int line;
    const char *const *origins;    /* those of other sites' pages that may connect, up to a NULL:
                                      "https://example.org"; "*": every site.  None by default; the
                                      page of the server itself always may */
    bool credentials;              /* such pages may send cookies along */
    bool no_polling, no_websocket; /* speak only the other one */
    aw_sio_allow *allow;
    void *allow_arg;
    aw_sio_logger *logger; /* NULL: lines go to standard error */
    void *logger_arg;
    double ping_interval;     /* between an answered ping and the next; 25 */
    double ping_timeout;      /* for the answer, after which the session ends; 20.  Does not end one
                                 that is not read from for the sake of .max_handlers */
    double connect_timeout;   /* until a client must have connected to a namespace; 45 */
    double upgrade_timeout;   /* for the change to WebSocket; 10 */
    size_t max_payload;       /* of a body of polling, or a message of WebSocket; 1,000,000 */
    size_t max_message;       /* of an event with all its attachments; 4,000,000 */
    unsigned max_packets;     /* in one body of polling; 1,000 */
    unsigned max_attachments; /* of an event; 10, at most 64 */
    unsigned max_depth;       /* of JSON, both ways; 64, and no more: jansson recurses */
    size_t max_buffered;      /* waiting to be taken by one client, what it costs to keep packets of
                                 polling included, cut off beyond it; 1 MiB */
    unsigned max_handlers;    /* at work for one client: no more of its packets are read until one
                                 has ended; 64.  Those that wait in aw_sio_call() for an answer of
                                 that client do not count, up to 15 times as many */
    unsigned max_namespaces;  /* that one client is in; 16 */
    size_t max_sessions;      /* at a time; further ones are refused with 503.  100,000.  WebSockets
                                 do not count among the HTTP server's .max_connections */
    size_t stack_size;        /* of the handlers' tasks; as in aw_task_opts */
} aw_sio_opts;

/* aw_sio *aw_sio_new(...options): a server that knows the namespace "/".
 *
 * For the running loop.  It is the caller's: aw_sio_close() ends it, aw_sio_unref() gives it up.
 * NULL with aw_errno(): -EINVAL (a number that makes no sense), -ENOMEM, AW_EMISUSE without a
 * running loop, the error of aw_random_bytes(). */
#ifndef __cplusplus
#define aw_sio_new(...) aw_sio_new_(&(aw_sio_opts){.file = __FILE__, .line = __LINE__, __VA_ARGS__})
#endif
AW_API aw_sio *aw_sio_new_(const aw_sio_opts *opts);

/* The handler of an HTTP server, or of a route: aw_http_route(router, "*", "/socket.io/",
 * aw_sio_handler, io).  Whatever path it is given, it serves. */
AW_API int aw_sio_handler(aw_http_request *r, void *io);

/* How many sessions there are; 0 for NULL. */
AW_API size_t aw_sio_sessions(const aw_sio *io);

/* Options of ending a server. */
typedef struct aw_sio_close_opts {
    aw_sio *io;
    double grace; /* seconds for the handlers that are at work; 0: none */
} aw_sio_close_opts;

/* int aw_sio_close(aw_sio *io, .grace = seconds): end every session, with the reason "server
 * shutting down", refuse new ones, and wait until all handlers have ended, those of disconnection
 * included; after the grace they are cancelled.
 *
 * To be called before the HTTP server is shut down, as its connections are in use as long as there
 * are sessions.  How many handlers had to be cancelled; -ECANCELED: sessions have ended and
 * handlers are cancelled, but not all has gone; AW_EMISUSE outside a task.  Suspends. */
#ifndef __cplusplus
#define aw_sio_close(...) aw_sio_close_(&(aw_sio_close_opts){.io = __VA_ARGS__})
#endif
AW_API int aw_sio_close_(const aw_sio_close_opts *opts);

/* Another handle; returns `io`.  And one less: the last one, of the user's and of the sessions',
 * frees it with its namespaces.  NULL is allowed in both. */
AW_API aw_sio *aw_sio_ref(aw_sio *io);
AW_API void aw_sio_unref(aw_sio *io);

/* ---- namespaces ---- */

/* The namespace of this name, "/" or "/admin", made when it is first asked for: clients can connect
 * to it from then on.  The server's; valid as long as that.  NULL with aw_errno(): -EINVAL for a
 * name without "/", with a comma, or longer than 255 bytes; -ENOMEM. */
AW_API aw_sio_namespace *aw_sio_of(aw_sio *io, const char *name);

/* All namespaces of a server: up to max in *ret, each the server's.  Returns how many there are. */
AW_API size_t aw_sio_namespaces(const aw_sio *io, aw_sio_namespace **ret, size_t max);

/* Its name, "" for NULL; and whose it is. */
AW_API const char *aw_sio_namespace_name(const aw_sio_namespace *ns);
AW_API aw_sio *aw_sio_namespace_server(const aw_sio_namespace *ns);

/* How many sockets are in it; in one of its rooms. */
AW_API size_t aw_sio_namespace_sockets(const aw_sio_namespace *ns);
AW_API size_t aw_sio_room_sockets(const aw_sio_namespace *ns, const char *room);

/* What is called for a socket: when it has connected, and when it is gone. */
typedef int aw_sio_socket_handler(aw_sio_socket *s, void *arg);

/* What is called for an event.  An error is reported, unless it is -ENOTCONN or AW_EFULL because
 * the client has gone, or does not take what is sent; the socket stays connected. */
typedef int aw_sio_event_handler(aw_sio_event *e, void *arg);

/* Options of handlers: the first members are filled by the macros. */
typedef struct aw_sio_on_opts {
    const char *file, *fn_name;
    int line;
    void *arg;
} aw_sio_on_opts;
#define AW_SIO_ON_(fn_, ...)                                                                       \
    (&(aw_sio_on_opts){.file = __FILE__, .line = __LINE__, .fn_name = #fn_, .arg = __VA_ARGS__})

/* int aw_sio_use(ns, fn, arg): middleware.  Before a client is let in to the namespace, all of them
 * are called in the order in which they were added; the socket is not connected yet, and what is
 * emitted to it fails.  A negative result refuses the client, which is told the error's words
 * (aw_errmsg() if it has any, else the code's), and, if there was one, the value of
 * aw_sio_refuse().  Runs in one task with the connection handler. */
#ifndef __cplusplus
#define aw_sio_use(ns, fn, ...) aw_sio_use_((ns), (fn), AW_SIO_ON_(fn, __VA_ARGS__))
#endif
AW_API int aw_sio_use_(aw_sio_namespace *ns, aw_sio_socket_handler *fn, const aw_sio_on_opts *opts);

/* In middleware, `return aw_sio_refuse(s, "not authorised", "{\"code\":7}");`: refuse the client
 * with this message, and this JSON, or NULL, as the error's `data`.  Returns -EACCES; -EINVAL for
 * text that is no JSON, -EILSEQ for a message that is not UTF-8, -ENOMEM. */
AW_API int aw_sio_refuse(aw_sio_socket *s, const char *message, const char *json);

/* int aw_sio_on_connect(ns, fn, arg): called when a socket has connected: what it needs to be ready
 * for events is done before its first suspension.  An error disconnects the socket.
 *
 * int aw_sio_on_disconnect(ns, fn, arg): called once for every socket that had connected, when it
 * is gone: aw_sio_socket_reason() says why.  A client that polls, and vanishes without a word, is
 * gone when its pong is missing: up to .ping_interval and .ping_timeout later.
 *
 * One of each: a second one takes the place of the first.  0, -EINVAL. */
#ifndef __cplusplus
#define aw_sio_on_connect(ns, fn, ...) aw_sio_on_connect_((ns), (fn), AW_SIO_ON_(fn, __VA_ARGS__))
#define aw_sio_on_disconnect(ns, fn, ...)                                                          \
    aw_sio_on_disconnect_((ns), (fn), AW_SIO_ON_(fn, __VA_ARGS__))
#endif
AW_API int aw_sio_on_connect_(aw_sio_namespace *ns, aw_sio_socket_handler *fn,
                              const aw_sio_on_opts *opts);
AW_API int aw_sio_on_disconnect_(aw_sio_namespace *ns, aw_sio_socket_handler *fn,
                                 const aw_sio_on_opts *opts);

/* int aw_sio_on(ns, name, fn, arg): the handler of the events of this name; NULL as the name: of
 * all that have none of their own.  Events that nobody handles are dropped.  0; -EEXIST when there
 * is one; -EINVAL for a name that the protocol keeps for itself ("connect", "connect_error",
 * "disconnect", "disconnecting", "newListener", "removeListener"); -ENOMEM. */
#ifndef __cplusplus
#define aw_sio_on(ns, name, fn, ...) aw_sio_on_((ns), (name), (fn), AW_SIO_ON_(fn, __VA_ARGS__))
#endif
AW_API int aw_sio_on_(aw_sio_namespace *ns, const char *name, aw_sio_event_handler *fn,
                      const aw_sio_on_opts *opts);

/* ---- sockets ---- */

/* Another handle; returns `s`.  And one less.  NULL is allowed in both.  Handlers are called with a
 * borrowed one, good until they return. */
AW_API aw_sio_socket *aw_sio_socket_ref(aw_sio_socket *s);
AW_API void aw_sio_socket_unref(aw_sio_socket *s);

/* Its id, 20 letters, digits, '-' and '_'; nobody can guess it, and clients are told their own.
 * "" for NULL. */
AW_API const char *aw_sio_socket_id(const aw_sio_socket *s);
AW_API aw_sio_namespace *aw_sio_socket_namespace(const aw_sio_socket *s);

/* The socket with this id, borrowed; NULL when it is not connected. */
AW_API aw_sio_socket *aw_sio_find(const aw_sio_namespace *ns, const char *id);

/* The sockets in a room (NULL: in the namespace): up to max handles in *ret, each the caller's to
 * give up.  Returns how many there are. */
AW_API size_t aw_sio_fetch(const aw_sio_namespace *ns, const char *room, aw_sio_socket **ret,
                           size_t max);

/* Is it connected?  False for NULL. */
AW_API bool aw_sio_socket_connected(const aw_sio_socket *s);

/* Why it is gone: "client namespace disconnect", "server namespace disconnect", "ping timeout",
 * "transport close", "transport error", "parse error", "server shutting down"; "" while it is
 * not. */
AW_API const char *aw_sio_socket_reason(const aw_sio_socket *s);

/* What the client gave along with connecting, its `auth`: a JSON object as text, "{}" when it gave
 * none; as a value, borrowed, NULL when it gave none, or there is no memory. */
AW_API const char *aw_sio_socket_auth(const aw_sio_socket *s);
AW_API struct json_t *aw_sio_socket_auth_value(aw_sio_socket *s);

/* Of the request that began the session: the peer's address, "127.0.0.1:40312"; a field ("Cookie")
 * by its name in any case, of several the first, NULL: none; the query as it was sent,
 * "EIO=4&transport=polling&token=a%20b".  Valid as long as the socket. */
AW_API const char *aw_sio_socket_peer(const aw_sio_socket *s);
AW_API const char *aw_sio_socket_field(const aw_sio_socket *s, const char *name);
AW_API const char *aw_sio_socket_query(const aw_sio_socket *s);

/* Does it speak WebSocket by now? */
AW_API bool aw_sio_socket_is_websocket(const aw_sio_socket *s);

/* A pointer of the program's own. */
AW_API void aw_sio_socket_set_data(aw_sio_socket *s, void *data);
AW_API void *aw_sio_socket_data(const aw_sio_socket *s);

/* Enter a room, and leave it; both also when it is (not) in it.  Rooms come and go with their
 * members.  The id of a socket is a room that it alone is in, always.  0; -ENOTCONN; -EINVAL for an
 * empty name; -ENOMEM. */
AW_API int aw_sio_join(aw_sio_socket *s, const char *room);
AW_API int aw_sio_leave(aw_sio_socket *s, const char *room);
AW_API bool aw_sio_in_room(const aw_sio_socket *s, const char *room);

/* Its rooms, but for its id: up to max names, valid until it leaves them.  Returns how many there
 * are. */
AW_API size_t aw_sio_rooms(const aw_sio_socket *s, const char **ret, size_t max);

/* Options of disconnecting. */
typedef struct aw_sio_disconnect_opts {
    aw_sio_socket *socket;
    bool close; /* end its session, and so its sockets in other namespaces */
} aw_sio_disconnect_opts;

/* int aw_sio_disconnect(aw_sio_socket *s, .close = true): disconnect it, with the reason "server
 * namespace disconnect".  0; -ENOTCONN.  Does not suspend. */
#ifndef __cplusplus
#define aw_sio_disconnect(...) aw_sio_disconnect_(&(aw_sio_disconnect_opts){.socket = __VA_ARGS__})
#endif
AW_API int aw_sio_disconnect_(const aw_sio_disconnect_opts *opts);

/* ---- what came ---- */

/* Another handle, to keep an event for longer than its handler runs; returns `e`.  And one less.
 * NULL is allowed in both. */
AW_API aw_sio_event *aw_sio_event_ref(aw_sio_event *e);
AW_API void aw_sio_event_unref(aw_sio_event *e);

/* Who sent it; its name ("" for an answer).  Valid as long as the event, like all that follows. */
AW_API aw_sio_socket *aw_sio_event_socket(const aw_sio_event *e);
AW_API const char *aw_sio_event_name(const aw_sio_event *e);

/* The arguments, a JSON array as text, which ends in a zero; ret_len may be NULL.  And as a value,
 * borrowed. */
AW_API const char *aw_sio_event_json(const aw_sio_event *e, size_t *ret_len);
AW_API struct json_t *aw_sio_event_value(const aw_sio_event *e);

/* The i-th argument, from 0 on, if it is a string, and one without a zero in it: NULL if it is not,
 * so that nobody sees a part of it.  And if it is a number. */
AW_API const char *aw_sio_event_string(const aw_sio_event *e, size_t i);
AW_API bool aw_sio_event_number(const aw_sio_event *e, size_t i, double *ret);

/* The i-th argument, if it is bytes: false if it is not.  The bytes that a placeholder stands for,
 * anywhere in the value.  And all of them, in order: how many. */
AW_API bool aw_sio_event_bytes(const aw_sio_event *e, size_t i, aw_sio_bytes *ret);
AW_API bool aw_sio_event_bytes_of(const aw_sio_event *e, const struct json_t *placeholder,
                                  aw_sio_bytes *ret);
AW_API size_t aw_sio_event_attachments(const aw_sio_event *e, const aw_sio_bytes **ret);

/* Does the client wait for an acknowledgement? */
AW_API bool aw_sio_event_wants_ack(const aw_sio_event *e);

/* ---- sending ---- */

/* What is sent, and to whom.  Each call uses the members that it has a use for. */
typedef struct aw_sio_emit_opts {
    aw_sio_socket *socket;
    aw_sio_namespace *ns;
    aw_sio_event *to; /* aw_sio_ack() */
    const char *event;
    const char *json;                /* the arguments: a JSON array as text; NULL: none */
    const struct json_t *value;      /* or as a value; borrowed */
    const aw_sio_bytes *attachments; /* what the placeholders in them stand for: each is used */
    size_t n_attachments;
    bool is_volatile; /* drop it where it could not be sent at once: the client is between two
                         requests, or has not taken all that came before */
    /* broadcasts */
    const char *room;                /* to the sockets in it; */
    const char *const *rooms;        /* and in these, up to a NULL; each socket once */
    const char *except_room;         /* but not to those in it, */
    const char *const *except_rooms; /* nor in these, up to a NULL, */
    aw_sio_socket *except_socket;    /* nor to this one */
    /* questions */
    double timeout; /* seconds; 0: 20; INFINITY: none */
    aw_sio_event **ret;
} aw_sio_emit_opts;

/* Errors of all of them: -EINVAL for a reserved name, and for what is no JSON array, or whose
 * placeholders do not fit the attachments; AW_ELIMIT for JSON deeper than .max_depth, and too many
 * attachments; -EILSEQ for a name that is not UTF-8; -ENOMEM. */

/* int aw_sio_emit(aw_sio_socket *s, const char *event, const char *json, ...options): send an event
 * to one socket.  0; -ENOTCONN when it is not connected (any more); AW_EFULL when it has more than
 * .max_buffered waiting: it is cut off. */
#ifndef __cplusplus
#define aw_sio_emit(s, event_, ...)                                                                \
    aw_sio_emit_(&(aw_sio_emit_opts){.socket = (s), .event = (event_), .json = __VA_ARGS__})
#endif
AW_API int aw_sio_emit_(const aw_sio_emit_opts *opts);

/* int aw_sio_call(aw_sio_socket *s, const char *event, const char *json, .ret = &answer, ...): send
 * an event and wait for the client's acknowledgement, whose arguments come as an event without a
 * name.  0, and *ret, if it is given, is the caller's to aw_sio_event_unref(); else it is NULL:
 * -ETIMEDOUT; -ENOTCONN, also when it disconnects meanwhile; AW_EFULL; -ECANCELED; AW_EMISUSE
 * outside a task.
 * Suspends. */
#ifndef __cplusplus
#define aw_sio_call(s, event_, ...)                                                                \
    aw_sio_call_(&(aw_sio_emit_opts){.socket = (s), .event = (event_), .json = __VA_ARGS__})
#endif
AW_API int aw_sio_call_(const aw_sio_emit_opts *opts) AW_MUST_USE;

/* int aw_sio_ack(aw_sio_event *e, const char *json, ...options): acknowledge an event, with
 * arguments.  0; AW_ESTATE when it was acknowledged before; AW_EMISUSE when nobody waits for it;
 * -ENOTCONN, AW_EFULL. */
#ifndef __cplusplus
#define aw_sio_ack(e, ...) aw_sio_ack_(&(aw_sio_emit_opts){.to = (e), .json = __VA_ARGS__})
#endif
AW_API int aw_sio_ack_(const aw_sio_emit_opts *opts);

/* int aw_sio_broadcast(aw_sio_namespace *ns, const char *event, const char *json, ...options): send
 * an event to all sockets of the namespace, or those in rooms, with exceptions.  0, also where a
 * client has more than .max_buffered waiting and is cut off; or the error of the adapter, when it
 * was delivered here all the same. */
#ifndef __cplusplus
#define aw_sio_broadcast(ns_, event_, ...)                                                         \
    aw_sio_broadcast_(&(aw_sio_emit_opts){.ns = (ns_), .event = (event_), .json = __VA_ARGS__})
#endif
AW_API int aw_sio_broadcast_(const aw_sio_emit_opts *opts);

/* int aw_sio_broadcast_threadsafe(...): the same from any thread.  Everything is copied, and the
 * broadcast is made soon, in the server's loop; those of one thread in the order in which they were
 * made.  One socket is the room of its id; .value and .except_socket belong to the loop's thread:
 * -EINVAL.  0: it is under way, and what is wrong with its JSON will be reported to the loop's
 * exception handler; -ENOMEM and others of aw_submit().  The server must not be freed meanwhile. */
#ifndef __cplusplus
#define aw_sio_broadcast_threadsafe(ns_, event_, ...)                                              \
    aw_sio_broadcast_threadsafe_(                                                                  \
        &(aw_sio_emit_opts){.ns = (ns_), .event = (event_), .json = __VA_ARGS__})
#endif
AW_API int aw_sio_broadcast_threadsafe_(const aw_sio_emit_opts *opts);

/* ---- several servers ---- */

/* A broadcast as it leaves a server, and as it comes from another one. */
typedef struct aw_sio_packet {
    const char *event;
    const char *json; /* the arguments: a JSON array as text, with placeholders */
    const aw_sio_bytes *attachments;
    size_t n_attachments;
    const char *const *rooms; /* names; none: all sockets of the namespace */
    size_t n_rooms;
    const char *const *except;
    size_t n_except;
    bool is_volatile;
} aw_sio_packet;

/* What ties several servers together.  Without one, a broadcast stays in its server. */
typedef struct aw_sio_adapter {
    /* A broadcast was made, and delivered to the sockets of this server: tell the others, whose
     * adapters call aw_sio_deliver().  Everything in `p` is valid during the call.  An error is
     * what aw_sio_broadcast() returns.  Must not suspend. */
    int (*broadcast)(aw_sio_namespace *ns, const aw_sio_packet *p, void *arg);
    /* A room of this server, or a socket's id, has its first member; has lost its last.  For those
     * who subscribe to rooms; may be NULL.  Must not suspend. */
    void (*room_begins)(aw_sio_namespace *ns, const char *room, void *arg);
    void (*room_ends)(aw_sio_namespace *ns, const char *room, void *arg);
    /* There is a new namespace; those that there were before: aw_sio_namespaces().  May be NULL.
     * Must not suspend. */
    void (*namespace_begins)(aw_sio_namespace *ns, void *arg);
} aw_sio_adapter;

/* Set it, before there are sockets; NULL takes it away.  The table must outlive the server.  0,
 * -EINVAL (no broadcast()). */
AW_API int aw_sio_set_adapter(aw_sio *io, const aw_sio_adapter *adapter, void *arg);

/* Deliver a broadcast to the sockets of this server alone: what an adapter does with what comes
 * from elsewhere.  As aw_sio_broadcast(), whose checks are made here too.  Does not suspend. */
AW_API int aw_sio_deliver(aw_sio_namespace *ns, const aw_sio_packet *p);

#ifdef __cplusplus
}
#endif
#endif
