/*
 * rd.h - a client, as the files of this folder share it.
 *
 *     command() --> a call --> stream --> Redis     the link for commands
 *         ^ reply      |________ in order _______|
 *
 *     SUBSCRIBE --> a call --> stream --> Redis     the link for messages
 *     sinks <-- channel <-- "message" ___________|
 *
 * A link is one connection, made again and again by a task of its own, which also is the only one
 * to read.  While it is up `stream` is set; everybody writes to it, whole commands at a time.  Each
 * command sent is a call at the end of the link's list, each reply belongs to the first of it.  Who
 * no longer waits for a call leaves it there, unwanted.
 *
 * A channel is a name that somebody is subscribed to; its sinks are those who get what comes.  It
 * is in the table as long as it has sinks, and in memory as long as it has sinks, calls and
 * waiters.
 *
 * A client lives as long as it has handles or running links.
 */
#ifndef AW_REDIS_RD_H
#define AW_REDIS_RD_H

#include "await/loop.h"
#include "await/memory.h"
#include "await/redis.h"
#include "await/sync.h"
#include "base/list.h"
#include "base/prng.h"
#include "redis/format.h"
#include "redis/reader.h"
#include "redis/url.h"
#include "text/words.h"

struct rd_channel;

/* A command that was sent, until its reply has come and was taken. */
struct rd_call {
    aw_list link;
    bool wanted; /* somebody waits for it, and frees it */
    bool is_ping;
    struct rd_channel *channel; /* it is to be subscribed to by this; NULL: another command */
    int err;
    aw_redis_reply *reply;
    aw_event done;
};

/* A connection to the server, made again and again. */
struct rd_link {
    aw_redis *client;
    bool for_messages;
    bool begun, ended;
    bool heard, pinging; /* since the last tick; one is on its way */
    aw_stream *stream;   /* NULL: it is down */
    aw_event up;         /* it is up, or has ended */
    aw_event settled;    /* the first attempt has come to something */
    aw_event over;       /* the task has gone */
    aw_list calls;
    size_t n_calls;
    aw_task *task;
    aw_handle *timer;
    struct rd_reader reader;
    bool was_up, told; /* at all; that it is down */
    unsigned failures; /* in a row */
    double risen;      /* when it came up */
    int err;           /* of the last attempt */
    char why[256];     /* and its words */
};

/* Somebody who gets what comes on a channel.  The functions must not suspend, nor remove sinks. */
struct rd_sink {
    aw_list link; /* in the channel */
    struct rd_channel *channel;
    void (*message)(struct rd_sink *s, const char *channel, const char *data, size_t n);
    void (*interrupted)(struct rd_sink *s); /* the connection was lost, and is back */
    void (*ended)(struct rd_sink *s, int err);
};

struct rd_channel {
    struct rd_channel *next; /* in its bucket */
    unsigned refs;
    bool is_pattern, agreed;
    int err; /* the server has refused */
    char *why;
    aw_list sinks;
    aw_event settled;
    char name[];
};

struct aw_redis {
    aw_loop *loop;
    size_t handles, inside;
    bool closing;
    aw_redis_opts opts; /* its strings are ours */
    struct rd_url url;
    char *strings;
    char place[128]; /* for messages */
    aw_tls_context *tls;
    aw_prng prng;
    struct rd_link commands, messages;
    struct rd_channel **buckets;
    size_t n_buckets, n_channels;
};

/* ---- client.c ---- */

/* 0; -EINVAL for NULL; AW_ETHREAD. */
int rd_check(const aw_redis *r);

/* A running link holds the client. */
void rd_let_go(aw_redis *r);

/* AW_ESHUTDOWN, in words, too. */
int rd_has_ended(void);

/* A line for the operator. */
void rd_log(const aw_redis *r, const char *format, ...) AW_PRINTF(2, 3);

/* ---- link.c ---- */

void rd_link_init(struct rd_link *l, aw_redis *r, bool for_messages);

/* Begin to connect, if that was not done. */
int rd_link_begin(struct rd_link *l);

/* End it; `over` is set when it has. */
void rd_link_stop(struct rd_link *l);

/* Something is wrong with the stream: nobody writes to it from now on. */
void rd_link_broken(struct rd_link *l, int err, const char *why);

/* Send a command: NULL with aw_errno().  It is on the list then, `wanted` as given. */
struct rd_call *rd_link_send(struct rd_link *l, const struct aw_growing *command, bool wanted);

/* ---- connect.c ---- */

/* One attempt: *ret is a stream that the server has let us in by. */
int rd_connect(struct rd_link *l, aw_stream **ret);

/* One reply of the stream, by the link's reader.  Suspends. */
int rd_read(struct rd_link *l, aw_stream *s, aw_redis_reply **ret);

/* ---- command.c ---- */

/* The code of an error that the server has said, with its words in aw_errmsg(). */
int rd_error_of(const aw_redis_reply *reply);

/* A reply has come for a call, or the error that takes its place: the call goes on from here. */
void rd_call_answer(struct rd_link *l, struct rd_call *c, int err, aw_redis_reply *reply);

/* What aw_redis_send() does. */
int rd_send(aw_redis *r, const struct aw_growing *command);

/* ---- channel.c ---- */

/* Hear a channel: the sink gets what comes from now on.  0; -ENOMEM.  The link is begun. */
int rd_sink_add(aw_redis *r, struct rd_sink *s, const char *name, bool is_pattern);
void rd_sink_remove(aw_redis *r, struct rd_sink *s);

/* Wait until the server has agreed to what the sink hears.  Suspends. */
int rd_sink_wait(struct rd_sink *s);

/* The link for messages is up: subscribe to everything again.  It has ended. */
void rd_channels_rise(aw_redis *r, bool again);
void rd_channels_end(aw_redis *r);

/* What came on the link for messages: is it a message (which has been given to its sinks)? */
bool rd_channels_message(aw_redis *r, const aw_redis_reply *reply);

/* The server's answer to subscribing. */
void rd_channel_answer(aw_redis *r, struct rd_channel *c, int err, const aw_redis_reply *reply);
void rd_channel_unref(struct rd_channel *c);

#endif
