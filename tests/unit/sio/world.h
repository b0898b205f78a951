/*
 * world.h - a Socket.IO server in the test's own loop, and clients made of bytes.
 *
 * A client's connection is one half of a stream pair, the other half of which the HTTP server
 * serves, so nothing leaves the process and the virtual clock decides when what happens.
 */
#ifndef TESTS_UNIT_SIO_WORLD_H
#define TESTS_UNIT_SIO_WORLD_H

#include "await.h"
#include "await/http_server.h"
#include "await/socketio.h"
#include "await/testing.h"
#include "harness/test.h"

/* ---- the world ---- */

/* A server with the namespaces "/" and "/custom", each with the events of peers/sio_suite.h, as the
 * protocol's own test suite asks for.  Times are short. */
extern aw_sio *io;
extern aw_sio_namespace *root, *custom;
extern char told[4096];    /* what the server has said about clients, lines */
extern char reasons[1024]; /* of disconnections, in order, each with a ';' */

/* Runs fn in a loop with the world; its options may be changed by `change` before. */
void in_world(void (*fn)(void), void (*change)(aw_sio_opts *o));

/* ---- connections ---- */

struct conn {
    aw_stream *stream; /* the client's side */
    aw_task *server;   /* that serves the other side */
};

struct conn *dial(void);
void hang_up(struct conn *c); /* and wait until the server has noticed */

void say(struct conn *c, const char *bytes, size_t n);

/* One answer of HTTP: its status; the head and the body, which last until the next. */
struct answer {
    int status;
    char head[4096];
    char body[65536];
    size_t len;
};
void ask(struct conn *c, const char *method, const char *target, const char *fields,
         const char *body);
void hear(struct conn *c, struct answer *a);

/* A request on a connection of its own: its answer's status, and the body. */
int get(const char *target, struct answer *a);
int post(const char *target, const char *body, struct answer *a);
#define GET(a, ...) (snprintf(target_, sizeof target_, __VA_ARGS__), get(target_, (a)))
#define POST(a, body, ...)                                                                         \
    (snprintf(target_, sizeof target_, __VA_ARGS__), post(target_, body, (a)))
extern char target_[1024];

/* ---- WebSocket ---- */

/* Open one for this query; false: it was refused, with the status in *ret_status. */
struct conn *ws_dial(const char *query, int *ret_status);
void ws_text(struct conn *c, const char *text);
void ws_binary(struct conn *c, const void *data, size_t n);
/* The next frame: its opcode (1, 2, 8); 0 when the connection has ended. */
int ws_hear(struct conn *c, char *buf, size_t size, size_t *ret_n);
void ws_expect(struct conn *c, const char *text); /* a text frame with these bytes */
void ws_expect_closed(struct conn *c);            /* nothing comes any more, but a close */
/* The same: with this code, and one line was told since the last call of this, with `why`. */
void ws_expect_refused(struct conn *c, int code, const char *why);

/* ---- sessions ---- */

/* Begin one by polling: its id.  And connect it to "/", past `auth`. */
void open_polling(char sid[32]);
void open_socket(char sid[32], char id[32]);
/* The same by WebSocket. */
struct conn *ws_open(void);
struct conn *ws_open_socket(char id[32]);

/* The value of the string "sid" in a text. */
void find_sid(const char *text, char sid[32]);

#endif
