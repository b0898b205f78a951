/*
 * serving.h - what the tests of the HTTP server share: conversations in raw bytes.
 *
 * talk() serves one connection over a pair of streams in memory: what the client sends is given as
 * text, everything that it gets comes back as text, and so does what the server has told its log.
 */
#ifndef TESTS_HTTP_SERVING_H
#define TESTS_HTTP_SERVING_H

#include "await/http_server.h"
#include "await/testing.h"
#include "unit/core/util.h"

enum { GOT_MAX = 65536 };

/* A conversation. */
struct talk {
    const char *sent;
    size_t n;        /* of it; 0: it is a string */
    size_t piece;    /* > 0: it is sent in pieces of this size, the server running in between */
    size_t split;    /* > 0: in two, the first of this size */
    double pause;    /* seconds between pieces */
    bool keeps_open; /* the client does not end its side */
    aw_http_handler *handler; /* NULL: answers what it was asked */
    void *arg;
    aw_http_server_opts opts; /* further options */

    char *got; /* what came back, up to the end; always a string.  Room for GOT_MAX bytes, or NULL:
                  it lasts for some conversations */
    size_t n_got;
    char told[1024]; /* the lines of the log */
    int refusals;
    int result; /* of serving */
};

/* Converse, from the first byte to the end of the connection. */
void talk(struct talk *t);

/* The same at once: `struct talk *t = TALK("GET ...", .opts.max_body = 3)`; gone some
 * talks later. */
#define TALK(...) talk_with(&(struct talk){.sent = __VA_ARGS__})
struct talk *talk_with(const struct talk *t);

/* The status of the i-th answer, from 0 on; 0: there is none. */
int status_of(const struct talk *t, int i);
/* How many answers came. */
int answers(const struct talk *t);
/* Does the i-th answer's head have this line? */
bool has_line(const struct talk *t, const char *line);

/* Sends what it was asked back: "METHOD path?query body". */
int tell_back(aw_http_request *r, void *arg);

/* "GET path" with a Host, and perhaps more lines that end in \r\n. */
#define GET(path, more) "GET " path " HTTP/1.1\r\nHost: a\r\n" more "\r\n"
#define POST(path, more) "POST " path " HTTP/1.1\r\nHost: a\r\n" more "\r\n"

#endif
