/*
 * ping.c - pings that a program asks for, and the timer that looks for signs of life.
 *
 * The timer runs each .ping_interval.  If nothing has come since it last ran it sends a ping, and
 * then has .pong_timeout: anything that comes will do, as a long message may be in the way of the
 * pong; and so does that the other side takes what is pending, behind which the ping has to wait.
 * Only who waits to receive would have heard it; so the time counts if a task has waited from the
 * ping on, and begins again if not.
 */
#include <math.h>

#include "await/scope.h"
#include "ws/ws.h"

/* Its number is ws->pings then. */
static int send_ping(aw_websocket *ws)
{
    uint64_t number = ws->pings + 1;
    AW_TRY(ws_put(ws, WS_PING, true, &number, sizeof number));
    ws->pings = number;
    return 0;
}

/* ---- the timer ---- */

static int on_time(void *arg);

static int start(aw_websocket *ws, double seconds)
{
    return isinf(seconds) ? 0 : aw_call_later(seconds, on_time, ws, .handle = &ws->timer);
}

/* How much the other side has taken; known only while more is pending. */
static uint64_t taken(const aw_websocket *ws)
{
    size_t pending = aw_stream_pending(ws->stream);
    return pending ? ws->written - pending : UINT64_MAX;
}

static int ping_now(aw_websocket *ws)
{
    ws->awaiting = true;
    ws->patient = ws->waiting;
    if (!ws->close_sent)
        aw_ignore(send_ping(ws));
    ws->taken = taken(ws);
    return start(ws, ws->limits.pong_timeout);
}

static int give_up(aw_websocket *ws)
{
    aw_ignore(aw_stream_abort(ws->stream));
    ws_end(ws, aw_raise(-ETIMEDOUT, "no sign of life: the pong has not come"));
    return 0;
}

/* Without memory for a timer the failure is reported: nobody looks after the connection then. */
static int look(aw_websocket *ws)
{
    if (ws->heard || (ws->awaiting && taken(ws) > ws->taken)) {
        ws->heard = ws->awaiting = false;
        return start(ws, ws->limits.ping_interval);
    }
    if (!ws->awaiting)
        return ping_now(ws);
    if (ws->patient)
        return give_up(ws);
    ws->patient = ws->waiting;
    return start(ws, ws->limits.pong_timeout);
}

static int on_time(void *arg)
{
    aw_websocket *ws = arg;
    aw_handle_unref(ws->timer);
    ws->timer = NULL;
    ws_hold(ws);
    int err = look(ws);
    ws_let_go(ws);
    return err;
}

int ws_timer_start(aw_websocket *ws)
{
    return start(ws, ws->limits.ping_interval);
}

void ws_timer_stop(aw_websocket *ws)
{
    if (ws->timer)
        aw_handle_cancel(ws->timer);
    aw_handle_unref(ws->timer);
    ws->timer = NULL;
}

/* ---- pings of one's own ---- */

static int wait_for_pong(void *arg)
{
    struct ws_pinger *p = arg;
    return aw_event_wait(&p->heard);
}

static void leave(aw_websocket *ws, const struct ws_pinger *p)
{
    struct ws_pinger **at = &ws->pingers;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
}

static int ping_and_wait(aw_websocket *ws, double timeout)
{
    struct ws_pinger p = {.next = ws->pingers};
    AW_TRY(send_ping(ws));
    p.number = ws->pings;
    ws->pingers = &p;
    int err = timeout != 0 ? aw_timeout_call(timeout, wait_for_pong, &p) : wait_for_pong(&p);
    leave(ws, &p);
    if (err >= 0 && ws->answered < p.number)
        return aw_raise(-EPIPE, "the WebSocket has ended without a pong");
    return err;
}

int aw_websocket_ping_(const aw_websocket_ping_opts *opts)
{
    aw_websocket *ws = opts->ws;
    AW_TRY(ws_check(ws));
    if (isnan(opts->timeout))
        return aw_raise(-EINVAL, ".timeout is NaN");
    if (!aw_current_task())
        return aw_raise(AW_EMISUSE, "waiting for a pong is for tasks");
    if (ws->ended || ws->close_sent)
        return aw_raise(-EPIPE, "the WebSocket is closed or closing");
    double before = aw_time();
    ws_hold(ws);
    int err = ping_and_wait(ws, opts->timeout);
    ws_let_go(ws);
    if (err >= 0 && opts->ret_latency)
        *opts->ret_latency = aw_time() - before;
    return err < 0 ? err : 0;
}
