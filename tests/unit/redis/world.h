/*
 * world.h - a server of the test's own, which says what a test wants it to say, and redis-server.
 */
#ifndef TESTS_REDIS_WORLD_H
#define TESTS_REDIS_WORLD_H

#include "await.h"
#include "await/redis.h"
#include "harness/test.h"

enum { MAX_ARGS = 8 };

struct world;

/* A connection that the server has. */
struct peer {
    struct world *world;
    aw_stream *stream;
    unsigned number; /* of the connection, from 1 on */
    char *argv[MAX_ARGS];
    size_t lengths[MAX_ARGS];
    int argc;
};

/* Answers one command: 0, or an error, which ends the connection. */
typedef int world_answer(struct peer *p);

struct world {
    aw_server *server;
    char path[64];
    char url[96];
    world_answer *answer;
    bool split;           /* every byte by itself */
    unsigned connections; /* so far */
    struct peer *last;    /* the latest connection that is there */
    int seen;             /* commands */
    char lines[4096];     /* of the client's logger */
    void *arg;
};

/* Begin to listen, and stop. */
void world_open(struct world *w, world_answer *answer);
void world_close(struct world *w);

/* Send text to a client. */
int say(struct peer *p, const char *text);
int say_bytes(struct peer *p, const char *data, size_t n);

/* Is it this command? */
bool is_command(const struct peer *p, const char *name);

/* +PONG, +OK, an echo of ECHO, SUBSCRIBE: what a plain server does. */
int answer_plainly(struct peer *p);

/* A logger that adds to w->lines. */
void keep_line(const char *line, void *world);

#define RUN(fn) assert_int_equal(aw_run(fn, NULL), 0)

/* redis-server, as a process: skips the test where there is none. */
struct redis_server {
    aw_process *process;
    char folder[64];
    char path[96];
    char url[128];
};
void redis_server_make(struct redis_server *s);
void redis_server_start(struct redis_server *s);
void redis_server_stop(struct redis_server *s);
void redis_server_forget(struct redis_server *s);

#endif
