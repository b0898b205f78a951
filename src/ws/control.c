/*
 * control.c - pings, pongs and closes: what is done about them, and the refusal of what is wrong.
 *
 * A ping is answered at once while there is room.  Behind a reader who is slow one pong is owed, to
 * the latest ping, and a task of its own sends it when there is room again; so pings that nobody
 * reads the answers of cost a fixed amount of memory.
 */
#include <stdio.h>
#include <string.h>

#include "await/net.h"
#include "await/scope.h"
#include "ws/ws.h"

#define CONTROL_WINDOW 10.0 /* seconds */

/* ---- pongs that are owed ---- */

static void forget_pong(aw_websocket *ws)
{
    ws->answering = false;
    aw_mem_free(ws->pong);
    ws->pong = NULL;
}

static int send_when_room(void *arg)
{
    aw_websocket *ws = arg;
    int err = aw_stream_drain(ws->stream);
    if (err >= 0 && !ws->ended && !ws->close_sent)
        aw_ignore(ws_put(ws, WS_PONG, true, ws->pong, ws->pong_len));
    forget_pong(ws);
    return 0; /* who receives is told how the stream has ended */
}

static void let_go(void *arg)
{
    aw_websocket *ws = arg;
    forget_pong(ws); /* also when the task never ran */
    ws_let_go(ws);
}

static int owe_pong(aw_websocket *ws)
{
    if (!ws->pong)
        ws->pong = aw_mem_alloc(WS_CONTROL_MAX);
    if (!ws->pong)
        return -ENOMEM;
    memcpy(ws->pong, ws->control, ws->control_len);
    ws->pong_len = ws->control_len;
    if (ws->answering)
        return 0;
    ws_hold(ws);
    int err = aw_spawn(send_when_room, ws, .name = "pong", .release = let_go);
    if (err < 0) {
        forget_pong(ws);
        ws_let_go(ws);
        return err;
    }
    ws->answering = true;
    return 0;
}

/* ---- each kind ---- */

/* An answer that cannot be sent shows that the connection is ending: whoever reads sees it. */
static int on_ping(aw_websocket *ws)
{
    if (ws->close_sent)
        return 0;
    int err;
    if (ws->answering || ws_pending(ws) > ws->limits.high)
        err = owe_pong(ws);
    else
        err = ws_put(ws, WS_PONG, true, ws->control, ws->control_len);
    return err == -ENOMEM ? ws_fail(ws, -ENOMEM, AW_WS_INTERNAL, "no memory for a pong", 0) : 0;
}

/* The number of the ping that a pong answers; 0: of none that is still to be answered. */
static uint64_t answers(const aw_websocket *ws)
{
    uint64_t number;
    if (ws->control_len != sizeof number)
        return 0;
    memcpy(&number, ws->control, sizeof number);
    return number > ws->answered && number <= ws->pings ? number : 0;
}

/* It answers all pings before it, too. */
static int on_pong(aw_websocket *ws, uint64_t number)
{
    ws->answered = number;
    for (struct ws_pinger *p = ws->pingers; p; p = p->next)
        if (p->number <= number)
            aw_event_set(&p->heard);
    return 0;
}

bool ws_may_name(int code)
{
    if (code >= 3000 && code <= 4999)
        return true;
    return code >= 1000 && code <= 1014 && code != 1004 && code != AW_WS_NO_CODE &&
           code != AW_WS_ABNORMAL;
}

/* Answered with the same code. */
static int on_close(aw_websocket *ws)
{
    size_t n = ws->control_len;
    const char *reason = (const char *)ws->control + 2;
    int code = n >= 2 ? ws->control[0] << 8 | ws->control[1] : AW_WS_NO_CODE;
    if (n == 1 || (n && !ws_may_name(code)))
        return ws_fail(ws, -EPROTO, AW_WS_PROTOCOL_ERROR, "a close code that may not be", 0);
    if (n > 2 && !aw_utf8_whole(reason, n - 2))
        return ws_fail(ws, -EILSEQ, AW_WS_BAD_TEXT, "the reason of a close is not UTF-8", 0);
    if (n > 2)
        ws->reason = aw_copy_n(reason, n - 2); /* without memory the code has to do */
    ws->close_code = code;
    if (!ws->close_sent)
        aw_ignore(ws_put(ws, WS_CLOSE, true, ws->control, n ? 2 : 0));
    ws->close_sent = true;
    return 2;
}

static bool is_flood(aw_websocket *ws)
{
    double now = aw_time();
    if (!ws->control_count || now - ws->control_since >= CONTROL_WINDOW) {
        ws->control_since = now;
        ws->control_count = 0;
    }
    return ++ws->control_count > ws->limits.max_control;
}

int ws_control(aw_websocket *ws, uint8_t opcode)
{
    uint64_t number = opcode == WS_PONG ? answers(ws) : 0;
    if (opcode == WS_CLOSE)
        return on_close(ws);
    if (number)
        return on_pong(ws, number);
    if (is_flood(ws))
        return ws_fail(ws, -EMSGSIZE, AW_WS_POLICY, "too many control frames, .max_control",
                       ws->limits.max_control);
    return opcode == WS_PING ? on_ping(ws) : 0;
}

/* ---- the end ---- */

/* Throw away what comes until the other side has closed. */
static int hear_out(void *arg)
{
    aw_websocket *ws = arg;
    char waste[512];
    ssize_t n = 1;
    ws_codec_free(&ws->codec);
    while (n > 0 && !ws->ended) {
        n = aw_stream_wait_readable(ws->stream);
        while (n > 0 && aw_stream_buffered(ws->stream))
            n = aw_stream_read(ws->stream, waste, sizeof waste);
    }
    return n < 0 ? (int)n : 0;
}

/* Closing a socket with unread bytes would take the close away from the other side. */
static int linger(aw_websocket *ws)
{
    if (ws->ended || ws_flush(ws) < 0)
        return 0;
    if (ws->server || ws->close_code == 0)
        aw_ignore(aw_stream_write_eof(ws->stream));
    return aw_timeout_call(ws->limits.close_timeout, hear_out, ws);
}

int ws_fail(aw_websocket *ws, int err, int code, const char *why, size_t limit)
{
    char peer[AW_ADDRESS_TEXT], text[AW_ADDRESS_TEXT + 128], number[32] = "";
    ws_peer(ws->stream, peer, sizeof peer);
    if (limit)
        snprintf(number, sizeof number, " is %zu", limit);
    snprintf(text, sizeof text, "WebSocket of %s refused (%d): %s%s", peer, code, why, number);
    if (!ws->close_sent)
        aw_ignore(ws_close_frame(ws, code, why));
    int heard = linger(ws);
    ws_end(ws, aw_raise(err, text));
    return heard == -ECANCELED ? heard : ws_outcome(ws);
}

/* The server ends the connection; a client waits for that. */
int ws_part(aw_websocket *ws)
{
    int heard = ws->server ? 0 : linger(ws);
    ws_end(ws, 0);
    return heard == -ECANCELED ? heard : ws_outcome(ws);
}
