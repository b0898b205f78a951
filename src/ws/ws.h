/*
 * ws.h - a connection, as the files of this folder share it.
 *
 *      aw_websocket_send() --> ws_put() --> codec --> stream --> the other side
 *                                 ^ pong, close
 *      aw_websocket_receive() <-- message <-- pieces <-- codec <-- stream
 *                                    control frames: answered on the way
 *
 * Everything is done in the calls of those who receive and send, and in one timer; the stream does
 * the waiting.  One task receives: whoever is in aw_websocket_receive(), else in
 * aw_websocket_close().
 *
 * How a connection ends
 *   close_sent    our close has been queued: nothing may be sent any more
 *   close_code    what ended the other side's sending is known: its close, or that it went away
 *   ended         the stream is closed, `outcome` is what receiving tells from now on
 * None is taken back.  Who reaches the end, in whatever way, calls ws_end().
 */
#ifndef AW_WS_WS_H
#define AW_WS_WS_H

#include "await/loop.h"
#include "await/memory.h"
#include "await/sync.h"
#include "await/websocket.h"
#include "text/utf8.h"
#include "ws/frame.h"
#include "ws/text.h"

enum { WS_CONTROL_MAX = 125, WS_REASON_MAX = 123 };

/* A task that waits for a pong: on its stack. */
struct ws_pinger {
    struct ws_pinger *next;
    uint64_t number; /* of the ping */
    aw_event heard;
};

struct aw_websocket {
    aw_stream *stream;
    struct ws_codec codec;
    size_t handles; /* and calls that are under way */
    aw_websocket_limits limits;

    bool server;
    bool receiving;  /* a task is in ws_receive() */
    bool waiting;    /* and asleep there */
    bool discarding; /* and that is aw_websocket_close(), which wants no messages */
    bool given;      /* `data` was handed out */
    bool trimmed;    /* the task that receives has given the memory of its stack back */
    bool heard;      /* something has come since it was last asked for */
    bool awaiting;   /* the timer waits for a sign of life */
    bool patient;    /* a task has waited all that time */
    bool answering;  /* a task waits for room to send the pong that is owed */
    bool close_sent, ended;
    bool sent_binary; /* of the message that is sent in pieces */

    /* The message that is coming. */
    uint8_t opcode; /* WS_TEXT, WS_BINARY; 0: none has begun */
    unsigned fragments;
    size_t len, size; /* bytes that are there; room, without the zero */
    char *data;
    struct aw_utf8 utf8;

    /* The control frame that is coming, and how many came since `control_since`. */
    uint8_t control[WS_CONTROL_MAX];
    uint8_t control_len;
    unsigned control_count;
    double control_since;

    /* The pong that is owed, while `answering`. */
    uint8_t *pong;
    size_t pong_len;

    /* The message that `speaker` sends in pieces; others wait for `spoken`. */
    aw_task *speaker;
    struct aw_utf8 sent_utf8;
    aw_event spoken;

    /* Frames that are written together, in the next pass at the latest. */
    uint8_t *held; /* NULL: none */
    size_t held_size;
    aw_handle *flusher;

    uint64_t pings, answered; /* the numbers of the last ping, and of the last that was answered */
    struct ws_pinger *pingers;
    uint8_t random[64]; /* for masks: a client's */
    unsigned random_left;
    aw_handle *timer;        /* for signs of life */
    uint64_t written, taken; /* bytes given to the stream; and known to be sent at the last ping */

    int close_code; /* 0: not yet */
    int outcome;    /* once ended */
    aw_event end;   /* set then */
    char *detail;   /* of the outcome; NULL: none */
    char *reason;   /* NULL: none */
    char *protocol; /* NULL: none */
};

/* ---- connection.c ---- */

/* 0, or what a call is to return: for NULL, and in the wrong thread. */
int ws_check(const aw_websocket *ws);

/* The limits with their defaults; -EINVAL. */
int ws_limits(const aw_websocket_limits *given, aw_websocket_limits *ret);

/* While a call waits nobody frees the connection. */
void ws_hold(aw_websocket *ws);
void ws_let_go(aw_websocket *ws);

/* It is over: close the stream, keep the outcome and aw_errmsg() if it is an error, wake everybody.
 * Returns the outcome. */
int ws_end(aw_websocket *ws, int outcome);

/* The outcome of one that has ended, with its words. */
int ws_outcome(const aw_websocket *ws);

/* Who the other side is, for messages. */
void ws_peer(const aw_stream *s, char *buf, size_t size);

/* ---- send.c ---- */

/* Queue a frame, whole or not at all.  Never waits. */
int ws_put(aw_websocket *ws, uint8_t opcode, bool fin, const void *data, size_t n);

/* Write what is held.  If that fails the connection has ended. */
int ws_flush(aw_websocket *ws);

/* How many bytes are pending, in the stream and held. */
size_t ws_pending(const aw_websocket *ws);

/* ---- receive.c ---- */

/* What aw_websocket_receive() does; `ret` NULL: messages are thrown away, until the end. */
int ws_receive(aw_websocket *ws, aw_websocket_message *ret);

/* ---- control.c ---- */

/* A control frame has come, in `control`: 0; 1: it was the close; or how it breaks the rules. */
int ws_control(aw_websocket *ws, uint8_t opcode);

/* Refuse what the other side does: close with this code, wait until it may have read that, and end.
 * Returns `err`; aw_errmsg() says who, why and (if it is not 0) the limit. */
int ws_fail(aw_websocket *ws, int err, int code, const char *why, size_t limit);

/* Both closes have been said: end. */
int ws_part(aw_websocket *ws);

/* May a close name this code? */
bool ws_may_name(int code);

/* ---- close.c ---- */

/* Send a close: nothing may be sent after it. */
int ws_close_frame(aw_websocket *ws, int code, const char *reason);

/* ---- ping.c ---- */

/* Begin to look for signs of life; and stop. */
int ws_timer_start(aw_websocket *ws);
void ws_timer_stop(aw_websocket *ws);

#endif
