/*
 * feed.h - the feed service: what its files share.
 *
 *     POST /items ---> the queue --------> pump.c ---> item_added, to every client (clients.c)
 *     (web.c)          (queue.c, sqs.c)      |
 *                                            +-------> the kept items: what newcomers are shown
 *                                                      (items.c; shared.c: in Redis)
 *
 * An item is a JSON object.  It waits in a queue, is taken from there by the pump, sent to every
 * client, kept, and only then forgotten by the queue: whatever stops the service in between, the
 * item is sent again, and clients know it by its id.  Everything runs in one loop; with --blocking
 * the pump alone has a thread of its own.
 */
#ifndef FEED_H
#define FEED_H

#include <await.h>
#include <await/http_server.h>
#include <await/socketio.h>
#include <jansson.h>
#include <sys/queue.h>

enum {
    ID_SIZE = 64,               /* bytes of an item's id, and the zero */
    BATCH = 64,                 /* items that are taken from the queue at a time */
    MAX_ITEM = 256 * 1024,      /* bytes of an item; what a message of SQS may have, too */
    MAX_DEPTH = 32,             /* of the JSON of an item */
    HANDLER_STACK = 256 * 1024, /* bytes: parsing JSON needs some */
    WHY = 160,                  /* bytes of a reason in words */
    CURSOR = 48,                /* bytes of a place among the kept items; "" is the beginning */
};

/* ---- options: options.c ---- */

struct options {
    const char *host, *port;
    const char *journal;            /* the file of the queue and of the kept items */
    const char *dead_letters;       /* the file of what could not be parsed */
    const char *queue, *dead_queue; /* URLs of queues of SQS; "": the embedded one, none */
    const char *redis;              /* URL of the Redis that several copies share; "": none */
    const char *page, *client;      /* the folder of the page; the Socket.IO client's script */
    double keep, waiting;           /* how many items are kept; how many may wait */
    double grace;                   /* seconds to finish what is in hand */
    bool sync, blocking;
};

/* From arguments and the environment.  1: go on; 0: help was asked for; -EINVAL: it was said what
 * is wrong. */
int options_read(struct options *o, int argc, char **argv);

/* ---- the log: log.c ---- */

/* One line of JSON on standard error: {"time":...,"level":"info","event":what, ...}, the rest by a
 * format of jansson's: say("info", "listening", "{s:s}", "address", text).  Any thread. */
void say(const char *level, const char *what, const char *format, ...);

/* ---- JSON from strangers: json.c ---- */

/* The value of a JSON text, or NULL, and `why`. */
json_t *json_read(const char *text, size_t n, char why[WHY]);

/* Is it what an item has to be? */
bool json_is_item(const char *text, size_t n);

/* ---- messages and where they come from: queue.c, sqs.c ---- */

/* A message on its way through the pump. */
struct message {
    char id[ID_SIZE];
    char *body; /* a zero follows */
    size_t length;
    char wrong[WHY]; /* why it is no item; "": it is one */
    bool again;      /* it is none, and could not be put aside: it comes again */
    void *source;    /* the source's own */
};

struct batch {
    struct message messages[BATCH];
    size_t n;
};

/* A queue, as the pump and the page see it.  The calls suspend; a negative result is an error, with
 * its words in aw_errmsg(). */
struct source {
    const char *name;
    /* Wait for messages.  AW_ESHUTDOWN: it was stopped, and nothing is left that is in a hurry. */
    int (*receive)(struct source *s, struct batch *ret);
    /* All of them have been served or put aside: forget them, but for those that come again. */
    int (*done)(struct source *s, struct batch *b);
    /* This one is no item: put it where such messages go, besides the file of dead letters. */
    int (*reject)(struct source *s, struct message *m);
    /* Put n bodies into the queue, all or none; their ids are filled in.  AW_EFULL. */
    int (*add)(struct source *s, struct message *m, size_t n);
    /* From now on: receive what should still be served, and then no more.  Does not suspend. */
    void (*stop)(struct source *s);
    void (*free)(struct source *s);
    /* How many messages wait; -1: nobody knows. */
    long (*waiting)(struct source *s);
};

/* ---- the items of this process, in a file: items.c ---- */

struct item {
    TAILQ_ENTRY(item) link;
    enum { KEPT, IN_HAND, WAITING } state;
    uint64_t number; /* in the order of arrival */
    size_t length;
    char id[ID_SIZE];
    char body[];
};

struct items;

struct items *items_open(const struct options *o);
void items_close(struct items *all);

/* Put n bodies into the queue: 0 when they are in the file; AW_EFULL.  Suspends. */
int items_add(struct items *all, struct message *m, size_t n);

/* Up to BATCH of those that wait, waiting for one; AW_ESHUTDOWN once stopped and empty. */
int items_take(struct items *all, struct batch *b);
void items_stop(struct items *all);

/* One of those that were taken: it was served, and is kept; or it is no item, and goes. */
void items_served(struct items *all, struct item *i);
void items_reject(struct items *all, struct item *i);

/* Keep an item that was served and came from elsewhere. */
int items_keep(struct items *all, const struct message *m);

/* Wait until all of that is in the file.  Suspends. */
int items_commit(struct items *all);

/* A person has removed this one: was there one? */
bool items_remove(struct items *all, const char *id);

/* Write the kept items behind the cursor, some of them, as elements of a JSON array; move the
 * cursor behind them.  Are there more? */
bool items_read(struct items *all, FILE *to, char cursor[CURSOR]);

/* 0, or why nothing can be written to the file. */
int items_error(const struct items *all);

size_t items_kept(const struct items *all);
size_t items_waiting(const struct items *all);

struct source *queue_new(struct items *items);
struct source *sqs_new(const struct options *o, struct items *items);

/* ---- what several copies of the service share: shared.c ---- */

/* Broadcasts, and the kept items in place of those in the file.  The calls suspend, but for the
 * first; a negative result is an error. */
struct shared {
    bool (*is_there)(struct shared *s);
    int (*keep)(struct shared *s, const struct batch *b);
    int (*remove)(struct shared *s, const char *id);              /* 1: there was one */
    int (*read)(struct shared *s, FILE *to, char cursor[CURSOR]); /* 1: there are more */
    void (*stop)(struct shared *s);
};

struct feed;
int shared_start(struct shared **ret, struct feed *f);

/* ---- the service: feed.c ---- */

struct feed {
    const struct options *options;
    struct items *items;
    struct source *source;
    struct shared *shared; /* NULL: this is the only copy */
    aw_sio *io;
    aw_sio_namespace *clients;
    aw_http_router *router;
    aw_http_files *files;
    aw_http_server *server;
    aw_task *pump;
    aw_event stop; /* set when the service was asked to */
    bool queue_down;
    struct {
        uint64_t added, emitted, rejected, removed, failures, floods;
    } counted;
};

/* From the queue to the clients: pump.c.  A coroutine, whose argument is a struct feed: it runs
 * until the source has been stopped. */
int pump(void *arg);

/* The Socket.IO server: clients.c. */
int clients_start(struct feed *f);

/* Some of the kept items behind the cursor, as the arguments of the event "items":
 * [[{"id":"17","item":{...}}, ...], more].  1: there are more; *ret is the caller's to free.
 * Suspends. */
int next_piece(struct feed *f, char **ret, char cursor[CURSOR]);

/* That, the page, POST /items and what an operator asks for: web.c.  First all is made, then it
 * listens; to be undone by web_stop(), also when either failed.  They suspend. */
int web_start(struct feed *f);
int web_listen(struct feed *f);
void web_stop(struct feed *f);

#endif
