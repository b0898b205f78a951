/*
 * fanout.h - a Socket.IO server's part in Redis, as the files of this folder share it.
 *
 *     aw_sio_broadcast() --> PUBLISH socket.io#/#           --> all other servers
 *     aw_sio_deliver()   <-- PSUBSCRIBE socket.io#*         <-- their broadcasts
 *     answers, deeds     <-- SUBSCRIBE socket.io-request#/# <-- their requests
 *         |_____________ --> PUBLISH socket.io-response#/#
 *
 * Requests are subscribed to for each namespace by its exact name, since that is what the others
 * count (PUBSUB NUMSUB) to know how many answers to wait for.
 */
#ifndef AW_REDIS_FANOUT_H
#define AW_REDIS_FANOUT_H

#include "redis/json.h"
#include "redis/msgpack.h"
#include "redis/rd.h"

enum { RD_UID = 6, RD_HOST_ID = RD_UID + 6 };

/* A namespace, and its requests. */
struct rd_space {
    struct rd_space *next;
    aw_redis_fanout *fanout;
    aw_sio_namespace *ns;
    struct rd_sink requests;
    char *channel; /* for answers */
};

struct aw_redis_fanout {
    aw_redis *redis;
    aw_sio *io;
    size_t refs; /* the user's, and tasks that ask clients */
    bool stopped;
    char *key, *python; /* NULL: no Python */
    aw_redis_server_event *server_event;
    void *arg;
    double ack_timeout;
    size_t max_packet;
    char uid[RD_UID + 1], host_id[RD_HOST_ID + 1];
    struct rd_sink broadcasts, pythons;
    struct rd_space *spaces;
    struct aw_growing channel; /* scratch */
};

/* ---- fanout.c ---- */

/* PUBLISH.  Never suspends. */
int rd_publish(aw_redis *r, const char *channel, const char *data, size_t n);

/* The namespace of this name, if there is one. */
struct rd_space *rd_space_find(const aw_redis_fanout *f, const char *name);

void rd_fanout_unref(aw_redis_fanout *f);

/* ---- packet.c ---- */

/* A broadcast as it is sent, and where to: arguments are an array. */
void rd_packet_write(struct aw_growing *out, const char *uid, const char *nsp,
                     const aw_sio_packet *p, const struct json_t *arguments);
void rd_packet_channel(struct aw_growing *out, const char *key, const char *nsp,
                       const aw_sio_packet *p);

/* The arguments of a packet as a value: 0, -EINVAL with words, AW_ELIMIT, -ENOMEM. */
int rd_packet_arguments(const aw_sio_packet *p, struct json_t **ret);

/* ---- request.c ---- */

/* A request of another server has come: do it, and answer. */
void rd_request(struct rd_space *s, const char *data, size_t n);

/* Call a function for each socket that is in one of the rooms (none: for all), and in none of the
 * excepted: how many.  0 too if there is no memory. */
typedef void rd_socket_fn(aw_sio_socket *s, void *arg);
size_t rd_each_socket(aw_sio_namespace *ns, const aw_sio_packet *p, rd_socket_fn *fn, void *arg);

/* ---- ask.c ---- */

/* Ask the clients that another server wants to be asked, and pass on what they answer. */
void rd_ask(struct rd_space *s, const char *data, size_t n);

/* ---- python.c ---- */

/* A broadcast for python-socketio's servers; and what has come from them. */
int rd_python_send(aw_redis_fanout *f, const char *nsp, const aw_sio_packet *p,
                   const struct json_t *arguments);
void rd_python_take(aw_redis_fanout *f, const char *data, size_t n);

#endif
