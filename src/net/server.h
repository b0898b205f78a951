/*
 * server.h - a server's parts: sockets that listen, a task that accepts for each, a task per
 * connection.
 *
 *   aw_server --+-- listener: socket, acceptor task ---- accept ----+
 *               +-- listener ...                                    v
 *               +-- clients: stream, task: handler(stream, arg); then the stream is closed
 *
 * Whatever happens to a task, its `release` is called once, and that is where its part of the
 * server is put away: also when the task never began, and when a loop is closed over it.  The
 * server is over when it is closed and all parts have gone; `ended` is done then.  Its memory goes
 * with the last reference: each user's handle, acceptor and client has one.
 */
#ifndef AW_SERVER_H
#define AW_SERVER_H

#include "await/loop.h"
#include "await/stream.h"
#include "await/sync.h"
#include "base/list.h"
#include "net/net.h"

/* A socket that listens, or is about to. */
struct aw_listener {
    struct aw_server *server;
    int fd;                  /* -1: closed */
    bool given;              /* it was the caller's, and is again if the server cannot be started */
    aw_task *acceptor;       /* a handle, while it accepts */
    struct aw_net_path path; /* to be removed when it is closed */
};

/* A connection, from being accepted until its task has ended. */
struct aw_client {
    aw_list link; /* on server->clients */
    struct aw_server *server;
    int fd;            /* until there is a stream, then -1 */
    aw_stream *stream; /* a handle, or NULL */
    aw_task *task;     /* a handle */
    bool unwanted;     /* closed before it began */
};

struct aw_server {
    unsigned refs;
    aw_future *ended;    /* pending until it is over; also tells whose thread this is */
    aw_server_opts opts; /* what only matters at the start is NULL */
    struct aw_listener *listeners;
    size_t n_listeners;
    bool is_local;    /* of AF_UNIX */
    size_t accepting; /* acceptors that have not ended */
    aw_list clients;
    size_t n_clients;
    aw_event room; /* set when a client has gone */
    int reserve;   /* a descriptor to be given up when there is no other; or -1 */
    double told;   /* when trouble was reported last */
    bool has_told;
    bool serving;    /* start_serving was called, and close was not */
    bool closed;     /* nothing is accepted any more */
    bool over;       /* and all has gone */
    bool forever;    /* a task is in serve_forever */
    bool in_a_hurry; /* what clients have not sent when they end is dropped */
};

/* ---- listen.c ---- */

/* Make and bind the listeners that the options ask for; none is left if that fails. */
int aw_server_bind(aw_server *s, const aw_server_opts *opts);

/* Close one, if it is not, and remove its path. */
void aw_listener_close(struct aw_listener *l);

/* Its address, for reports. */
void aw_listener_name(const struct aw_listener *l, char text[AW_ADDRESS_TEXT]);

/* ---- accept.c ---- */

/* Start the task that accepts. */
int aw_listener_start(struct aw_listener *l);

/* The descriptor in reserve: had, or had again; and given up. */
int aw_server_take_reserve(aw_server *s);
void aw_server_drop_reserve(aw_server *s);

/* ---- server.c ---- */

/* A part has gone: the server may be over. */
void aw_server_part_gone(aw_server *s);

#endif
