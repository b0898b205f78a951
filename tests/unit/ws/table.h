/*
 * table.h - a WebSocket on one side of a table, and bytes on the other.
 *
 * The connection under test is over a pair of streams in memory; its other side is the test, which
 * writes and reads bytes as they are on the wire.
 */
#ifndef TESTS_WS_TABLE_H
#define TESTS_WS_TABLE_H

#include "await/scope.h"
#include "await/websocket.h"
#include "unit/core/util.h"

struct table {
    aw_websocket *ws;
    aw_stream *raw; /* the other side */
    bool server;    /* of the connection under test */
};

/* Sit down: with the options of aw_websocket_from_stream(). */
#define SIT(...) sit(&(aw_websocket_stream_opts){.stream = NULL, __VA_ARGS__})
struct table sit(const aw_websocket_stream_opts *opts);
void rise(struct table *t);

/* A frame as it is on the wire. */
struct frame {
    int first;           /* its first byte: FIN, reserved bits, opcode */
    const char *payload; /* NULL: nothing */
    size_t n;            /* 0: a string */
    bool other_mask;     /* masked if it should not be, and not if it should */
    int length_bytes;    /* 2 or 8: in place of the shortest way; */
    uint64_t declared;   /* with this length in place of its own */
};
enum { FIN = 0x80, CONT = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

/* Its bytes: how many.  Masked if the connection under test is a server. */
size_t encode_frame(const struct table *t, const struct frame *f, char *ret);

/* Encode a frame and write it. */
#define PUT(t, ...) put_frame((t), &(struct frame){.first = __VA_ARGS__})
void put_frame(const struct table *t, const struct frame *f);

/* The next frame from the connection under test, unmasked: its first byte; -1 at the end.  And its
 * payload, a string. */
int get_frame(const struct table *t, char *payload, size_t size, size_t *ret_n);

/* The next frame is this one. */
void expect_frame(const struct table *t, int first, const char *payload);
/* It is a close with this code; 0: with none. */
void expect_close(const struct table *t, int code);

/* The next message is this one. */
void expect_message(aw_websocket *ws, const char *text);

/* Receive messages until the end: "Ttext|Bbytes|", and then how it ended; a coroutine. */
struct log {
    aw_websocket *ws;
    char text[4096];
    size_t messages;
    int outcome;
    bool done;
};
int keep_log(void *log);

#endif
