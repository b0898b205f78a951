/*
 * sio.h - the server's parts; the file to read first.
 *
 *   aw_sio --+-- namespaces --+-- handlers, middleware        (who is called for what)
 *            |                +-- sockets, rooms              (who hears what)
 *            +-- sessions (by id), in lines of alarms         (who is there, and until when)
 *            +-- jobs: the tasks of handlers
 *
 *   session --- transport: a WebSocket, or a queue and a GET that waits for it
 *      +------- sockets, one for each namespace it is in
 *      +------- the event whose attachments are coming in
 *
 * From the wire up:    http.c (requests) -> polling.c, upgrade.c (transports) -> session.c (engine
 * packets) -> receive.c (Socket.IO packets) -> socket.c (connecting), event.c (handlers).
 * And down:            emit.c -> out.c (a packet, encoded once) -> session.c (send) -> transport.
 *
 * Who keeps what alive.  References are counted: a session is held by its server's table while it
 * is open, by every socket of it, and by each request that works for it; a socket by its session
 * while it is connected, by jobs and events; the server by its user and its sessions.  So
 * everything that a handler may hold outlives the client, and says -ENOTCONN.
 *
 * Who may end what.  Nothing that sends ends a session: lists are being walked.  It marks it as
 * doomed, and a callback ends it in the next pass.
 */
#ifndef AW_SIO_H
#define AW_SIO_H

#include "await/loop.h"
#include "await/memory.h"
#include "await/scope.h"
#include "await/socketio.h"
#include "await/websocket.h"
#include "base/base.h"
#include "base/list.h"
#include "sio/engine.h"
#include "sio/json.h"
#include "sio/packet.h"
#include "sio/table.h"
#include "text/growing.h"

#define AW_SIO_ID 20 /* letters of an id: 120 bits */

struct aw_sio_session;

/* ---- alarms ---- */

/* Something that is to happen at a time: embedded, on no line or on one. */
struct aw_sio_alarm {
    aw_list link;
    double due; /* of aw_time() */
};

/* Alarms that are all set the same time ahead, so that they stand in the order in which they are
 * due, setting one is an append, and one timer serves them all. */
struct aw_sio_line {
    aw_list waiting;
    double period;
    aw_handle *timer; /* for the first of them, or one that has gone; NULL: none is set */
    aw_sio *io;
    void (*fire)(aw_sio *io, struct aw_sio_alarm *alarm); /* it is off the line */
};

/* ---- what is sent ---- */

/* An encoded packet: one text, and attachments.  Made once, sent to many. */
struct aw_sio_out {
    unsigned refs;
    unsigned n;       /* attachments */
    size_t bytes;     /* of everything */
    const char *text; /* an Engine.IO packet, "42[...]"; in this block, as all is */
    size_t len;
    aw_sio_bytes *parts;         /* n of them */
    aw_websocket_frame **frames; /* 1 + n, NULL until a WebSocket wants one */
};

/* What it is made of. */
struct aw_sio_draft {
    enum aw_sio_type type; /* EVENT, ACK, or one of those that have no attachments */
    const char *nsp;
    bool has_id;
    uint64_t id;
    const char *event; /* NULL: no name comes first */
    const char *json;
    const struct json_t *value;
    const aw_sio_bytes *attachments;
    size_t n_attachments;
};

/* ---- the server ---- */

/* Somebody's function, and where it was given. */
struct aw_sio_handler {
    void (*fn)(void); /* of the type that its place says; NULL: none */
    void *arg;
    const char *file, *name;
    int line;
};

/* The handler of an event. */
struct aw_sio_listener {
    struct aw_sio_node node; /* in its namespace's `listeners` */
    struct aw_sio_handler handler;
    char name[];
};

/* Middleware. */
struct aw_sio_guard {
    struct aw_sio_guard *next;
    struct aw_sio_handler handler;
};

struct aw_sio_namespace {
    struct aw_sio_node node; /* in io->namespaces */
    aw_sio *io;
    struct aw_sio_guard *guards, **last_guard;
    struct aw_sio_handler on_connect, on_disconnect, on_any;
    struct aw_sio_table listeners, by_id, rooms;
    aw_list sockets; /* that are connected */
    uint64_t stamp;  /* of the latest broadcast */
    char name[];
};

struct aw_sio {
    unsigned refs;
    aw_sio_opts opts; /* defaults filled in */
    char **origins;   /* copied; NULL at the end, or NULL */
    bool every_origin;
    aw_loop *loop;
    uint64_t key[2];
    struct aw_sio_table sessions, namespaces;
    struct aw_sio_line pings, pongs, connects;
    aw_list doomed; /* sessions to be ended in the next pass */
    bool doom_is_coming;
    aw_list jobs, readers;
    aw_future *quiet; /* somebody waits for the last of them to end */
    bool closed;
    struct aw_sio_out *ping; /* the packet "2" */
    const aw_sio_adapter *adapter;
    void *adapter_arg;
};

/* A handler at work: a task. */
struct aw_sio_job {
    aw_list link; /* on io->jobs */
    aw_sio *io;
    aw_task *task; /* a handle */
    struct aw_sio_handler handler;
    aw_sio_socket *socket;          /* a reference, */
    struct aw_sio_session *session; /* and another: it counts the jobs that are its packets' */
    aw_sio_event *event;            /* a reference, or NULL */
    int (*run)(struct aw_sio_job *job);
};

/* The task that reads from a WebSocket.  It is not the one of the request, which is deep, and whose
 * memory would be held as long as the client stays: it does nothing deep itself. */
struct aw_sio_reader {
    aw_list link;                   /* on io->readers */
    aw_task *task;                  /* a handle */
    struct aw_sio_session *session; /* these three: references */
    aw_websocket *ws;
    aw_stream *stream;
};

/* ---- sessions ---- */

enum aw_sio_state {
    AW_SIO_OPEN,
    AW_SIO_LINGERING, /* ended, but for what the next two GETs will take along */
    AW_SIO_ENDED,
};

/* A packet that waits to be taken by polling. */
struct aw_sio_queued {
    aw_fifo_node node;
    struct aw_sio_out *out;
};

struct aw_sio_session {
    struct aw_sio_node node; /* in io->sessions, unless it has ended */
    unsigned refs;
    unsigned handlers; /* jobs for what it has sent */
    unsigned asking;   /* calls that wait for its answers, most of them by those jobs */
    aw_sio *io;
    enum aw_sio_state state;
    bool posting;                /* a POST is being read or worked on */
    bool upgrading;              /* a WebSocket has come for it */
    bool probed;                 /* and has been probed: no GET is held any more */
    bool was_connected;          /* to some namespace */
    char final;                  /* what a GET that is held gets at the end: '1', '6' */
    aw_websocket *ws;            /* a reference, once that is the transport; else it is polling */
    aw_fifo queue;               /* struct aw_sio_queued: polling */
    size_t queued;               /* bytes that it holds */
    aw_future *poll;             /* a GET that is held waits for this */
    aw_future *room;             /* its reader waits for a handler to end */
    struct aw_sio_alarm heart;   /* the next ping, or the end of waiting for a pong */
    struct aw_sio_alarm connect; /* until it must be in a namespace */
    bool awaits_pong;
    aw_list sockets;        /* by session_link: connected, or about to be */
    aw_sio_event *incoming; /* attachments of it are missing */
    aw_list doom;           /* on io->doomed */
    const char *doom_reason;
    char *handshake; /* peer, query, and names and values of fields: strings, the last empty */
    char sid[AW_SIO_ID + 1];
};

/* ---- sockets ---- */

enum aw_sio_socket_state { AW_SIO_CONNECTING, AW_SIO_CONNECTED, AW_SIO_GONE };

/* A question that a client has not answered: on the stack of who asks. */
struct aw_sio_question {
    aw_list link;
    uint64_t id;
    aw_future *done;
    aw_sio_event *answer; /* a reference */
};

/* A room, as long as it has members. */
struct aw_sio_room {
    struct aw_sio_node node; /* in its namespace's `rooms` */
    aw_sio_namespace *ns;
    aw_list members; /* by in_room */
    size_t n;
    char name[];
};

struct aw_sio_member {
    aw_list in_room, in_socket;
    struct aw_sio_room *room;
    aw_sio_socket *socket;
};

struct aw_sio_socket {
    struct aw_sio_node node; /* in its namespace's by_id, while it is connected */
    aw_list session_link, namespace_link;
    unsigned refs;
    enum aw_sio_socket_state state;
    struct aw_sio_session *session; /* a reference */
    aw_sio_namespace *ns;
    aw_list members;   /* by in_socket */
    aw_list questions; /* by link */
    uint64_t next_id;  /* of a question */
    uint64_t stamp;    /* of the latest broadcast that it has had, or was excepted from */
    const char *reason;
    void *data;
    char *auth;                /* JSON, or NULL */
    struct json_t *auth_value; /* parsed when it was asked for */
    char *refusal;             /* JSON of the packet that refuses it, while it is being refused */
    char id[AW_SIO_ID + 1];
};

struct aw_sio_event {
    unsigned refs;
    bool is_answer, wants_ack, acked;
    uint64_t id;
    aw_sio_socket *socket; /* a reference */
    struct json_t *value;  /* the arguments */
    const char *name, *json;
    size_t json_len;
    size_t bytes;        /* of the text and the attachments so far */
    unsigned n, got;     /* attachments expected, and there */
    aw_sio_bytes *parts; /* of them; each its own block */
};

/* ---- server.c ---- */

/* AW_ETHREAD in another thread than the server's, else 0. */
int aw_sio_here(const aw_sio *io);

/* An id that nobody can guess, ending in a zero.  0 or the error of aw_random_bytes(). */
int aw_sio_new_id(char id[AW_SIO_ID + 1]);

/* One line about a peer that was refused or ended; limit NULL: none was hit. */
void aw_sio_tell(aw_sio *io, const char *peer, const char *reason, const char *limit, size_t value);

/* ---- line.c ---- */

void aw_sio_line_init(struct aw_sio_line *line, aw_sio *io, double period,
                      void (*fire)(aw_sio *io, struct aw_sio_alarm *alarm));
/* Put an alarm on the line, if it is not on one.  0; -ENOMEM: it is on the line all the same, and
 * rings with the next one. */
int aw_sio_line_set(struct aw_sio_line *line, struct aw_sio_alarm *alarm);
void aw_sio_line_clear(struct aw_sio_line *line);

/* ---- out.c ---- */

/* Encode it.  NULL with aw_errno(): the errors that await/socketio.h names. */
struct aw_sio_out *aw_sio_encode(aw_sio *io, const struct aw_sio_draft *draft);

/* A packet of this text. */
struct aw_sio_out *aw_sio_out_new(const char *text, size_t n);
struct aw_sio_out *aw_sio_out_ref(struct aw_sio_out *out);
void aw_sio_out_unref(struct aw_sio_out *out);

/* Its frames, made if they are not there.  0, -ENOMEM, -EILSEQ. */
int aw_sio_out_frames(struct aw_sio_out *out);

/* ---- session.c ---- */

/* A session for a request; its id is known, nobody waits, nothing was sent.  The caller has a
 * reference.  NULL with aw_errno(). */
struct aw_sio_session *aw_sio_session_new(aw_sio *io, aw_http_request *r);
struct aw_sio_session *aw_sio_session_ref(struct aw_sio_session *s);
void aw_sio_session_unref(struct aw_sio_session *s);

struct aw_sio_session *aw_sio_session_find(const aw_sio *io, const char *sid);

/* The packet that opens it.  NULL with aw_errno(). */
struct aw_sio_out *aw_sio_session_greeting(const struct aw_sio_session *s);

/* Send to it: 0, also when a volatile one was dropped; -ENOTCONN; -ENOMEM, AW_EFULL and what ended
 * the transport: it is doomed. */
int aw_sio_session_send(struct aw_sio_session *s, struct aw_sio_out *out, bool is_volatile);

/* From polling to this WebSocket: what waits goes there.  0 or errors as above. */
int aw_sio_session_take_websocket(struct aw_sio_session *s, aw_websocket *ws);

/* Everything that waits, taken out of the queue, as a payload. */
void aw_sio_session_drain(struct aw_sio_session *s, struct aw_growing *payload);

/* A GET that is held goes on. */
void aw_sio_session_wake(struct aw_sio_session *s);

/* Whoever waits for a handler to end looks again. */
void aw_sio_session_make_room(struct aw_sio_session *s);

/* What to do with a packet of Engine.IO.  0; an error, with which the session should be ended.
 * Suspends while too many handlers are at work. */
int aw_sio_session_packet(struct aw_sio_session *s, struct aw_eio_packet *p);

/* End it: sockets are disconnected for this reason, its id is forgotten.  The transport is told, by
 * this close code of WebSocket.  Without effect the second time. */
void aw_sio_session_end(struct aw_sio_session *s, const char *reason, int code);

/* The same in the next pass. */
void aw_sio_session_doom(struct aw_sio_session *s, const char *reason);

/* End it for what it has sent: `err` says what was wrong with that, and a line tells. */
void aw_sio_session_refuse(struct aw_sio_session *s, int err);

void aw_sio_session_ping(aw_sio *io, struct aw_sio_alarm *alarm);
void aw_sio_session_no_pong(aw_sio *io, struct aw_sio_alarm *alarm);
void aw_sio_session_not_connected(aw_sio *io, struct aw_sio_alarm *alarm);

/* ---- handshake.c ---- */

/* What a session keeps of its request, as one block of strings; NULL: no memory. */
char *aw_sio_handshake_new(const aw_http_request *r);
const char *aw_sio_handshake_peer(const char *h);
const char *aw_sio_handshake_query(const char *h);
const char *aw_sio_handshake_field(const char *h, const char *name);

/* May the page that made this request?  And the fields that tell it so are set.  0; -EACCES, and
 * *ret_refused says why; others of aw_http_respond_field(). */
int aw_sio_check_origin(aw_sio *io, aw_http_request *r, const char **ret_refused);

/* ---- polling.c, upgrade.c ---- */

int aw_sio_polling_open(aw_sio *io, aw_http_request *r);
int aw_sio_polling_get(struct aw_sio_session *s, aw_http_request *r);
int aw_sio_polling_post(struct aw_sio_session *s, aw_http_request *r);
int aw_sio_websocket_open(aw_sio *io, aw_http_request *r);
int aw_sio_websocket_upgrade(struct aw_sio_session *s, aw_http_request *r);

/* A refusal in the form that clients know. */
enum aw_sio_refusal {
    AW_SIO_UNKNOWN_TRANSPORT,
    AW_SIO_UNKNOWN_SID,
    AW_SIO_BAD_METHOD,
    AW_SIO_BAD_REQUEST,
    AW_SIO_FORBIDDEN,
    AW_SIO_BAD_VERSION,
};
int aw_sio_answer(aw_http_request *r, enum aw_sio_refusal why);

/* ---- receive.c ---- */

/* A message of text, which may be changed, or of bytes.  As aw_sio_session_packet(). */
int aw_sio_receive_text(struct aw_sio_session *s, char *text, size_t n);
int aw_sio_receive_bytes(struct aw_sio_session *s, const char *data, size_t n);

/* ---- socket.c ---- */

/* A client wants to connect to a namespace: `json` is its auth, or nothing.  0 or an error, with
 * which the session should be ended. */
int aw_sio_socket_begin(struct aw_sio_session *s, aw_sio_namespace *ns, const char *json, size_t n);

/* Its socket in the namespace of this name, or NULL. */
aw_sio_socket *aw_sio_socket_of(const struct aw_sio_session *s, const char *nsp, size_t n);

/* It is gone: out of its session, its namespace, its rooms; who waits for it is told. */
void aw_sio_socket_end(aw_sio_socket *s, const char *reason);

/* ---- room.c ---- */

void aw_sio_leave_all(aw_sio_socket *s);
struct aw_sio_room *aw_sio_room_find(const aw_sio_namespace *ns, const char *name);

/* ---- job.c ---- */

/* A job or a reader has ended. */
void aw_sio_part_ended(aw_sio *io);

/* Start a handler's task.  Takes no reference of the caller's.  0, or why not. */
int aw_sio_job_start(const struct aw_sio_job *what, bool is_packet);

/* ---- event.c ---- */

/* An event or an answer of a socket, from its packet and the JSON in it.  The socket may be NULL:
 * it is gone, but what was sent is looked at all the same.  NULL with aw_errno(): -EBADMSG,
 * AW_ELIMIT, -ENOMEM. */
aw_sio_event *aw_sio_event_new(aw_sio_socket *s, const struct aw_sio_wire *p, aw_sio *io);

/* One more attachment.  0; AW_ELIMIT: the message is too large; -ENOMEM. */
int aw_sio_event_add(aw_sio_event *e, aw_sio *io, const char *data, size_t n);

/* It is complete: call who waits for it.  0, or why a handler could not be started. */
int aw_sio_event_dispatch(aw_sio_event *e);

#endif
