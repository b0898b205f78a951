/*
 * close.c - closing in good order: our close, the other side's, and then the stream's end.
 *
 * Somebody has to read what the other side still sends.  That is the task that receives, if there
 * is one; else the task that closes becomes it.
 */
#include <string.h>

#include "await/scope.h"
#include "ws/ws.h"

int ws_close_frame(aw_websocket *ws, int code, const char *reason)
{
    uint8_t payload[WS_CONTROL_MAX] = {(uint8_t)(code >> 8), (uint8_t)code};
    size_t n = strlen(reason);
    if (n > WS_REASON_MAX)
        n = WS_REASON_MAX;
    memcpy(payload + 2, reason, n);
    int err = ws_put(ws, WS_CLOSE, true, payload, 2 + n);
    ws->close_sent = true;
    aw_ignore(aw_event_set(&ws->spoken)); /* they will see that it is too late */
    return err;
}

static int wait_for_end(void *arg)
{
    aw_websocket *ws = arg;
    if (ws->receiving)
        return aw_event_wait(&ws->end);
    int err = ws_receive(ws, NULL);
    return err < 0 ? err : 0;
}

/* Until it has ended: its outcome. */
static int await_end(aw_websocket *ws)
{
    ws_hold(ws);
    int err = ws_flush(ws);
    if (err >= 0 && !ws->ended)
        err = aw_timeout_call(ws->limits.close_timeout, wait_for_end, ws);
    if (err == -ETIMEDOUT && !ws->ended) {
        aw_ignore(aw_stream_abort(ws->stream));
        ws_end(ws, aw_raise(-ETIMEDOUT, "the other side has not answered the close"));
    }
    if (err != -ECANCELED && err != AW_EMISUSE)
        err = ws_outcome(ws);
    ws_let_go(ws);
    return err;
}

static int check(const aw_websocket_close_opts *o, int code, const char *reason)
{
    AW_TRY(ws_check(o->ws));
    if (!ws_may_name(code))
        return aw_raise(-EINVAL, "a close may not name this code");
    if (strlen(reason) > WS_REASON_MAX || !aw_utf8_whole(reason, strlen(reason)))
        return aw_raise(-EINVAL, "the reason is no UTF-8 of up to 123 bytes");
    if (!o->nowait && !aw_current_task())
        return aw_raise(AW_EMISUSE, "closing is for tasks, unless with .nowait");
    return 0;
}

/* An end that is known already is told, however it came. */
int aw_websocket_close_(const aw_websocket_close_opts *opts)
{
    aw_websocket *ws = opts->ws;
    const char *reason = opts->reason ? opts->reason : "";
    int code = opts->code ? opts->code : AW_WS_NORMAL;
    AW_TRY(check(opts, code, reason));
    int err = 0;
    if (!ws->ended && !ws->close_sent)
        err = ws_close_frame(ws, code, reason);
    if (err < 0 && !ws->ended) {
        aw_ignore(aw_stream_abort(ws->stream));
        return ws_end(ws, err);
    }
    if (opts->nowait)
        return 0;
    return await_end(ws);
}
