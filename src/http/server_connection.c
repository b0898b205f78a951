/*
 * server_connection.c - a connection: one request after the other, until it ends.
 *
 * The end.  A client that is still sending while the connection is closed would get a reset, which
 * may destroy the answer on its way.  So the sending side is ended first, and what still comes is
 * read and dropped for a moment.
 */
#include "http/server.h"

#include <stdio.h>

enum {
    LINGER = 2,            /* seconds */
    LINGER_MAX = 16 << 20, /* bytes */
};

/* ---- time ---- */

static int timer_came(void *arg);

static void drop_timer(struct aw_http_connection *c)
{
    aw_handle_cancel(c->timer);
    aw_handle_unref(c->timer);
    c->timer = NULL;
    c->timer_at = INFINITY;
}

static int set_timer(struct aw_http_connection *c, double when)
{
    drop_timer(c);
    AW_TRY(aw_call_at(when, timer_came, c, .handle = &c->timer));
    c->timer_at = when;
    return 0;
}

static int timer_came(void *arg)
{
    struct aw_http_connection *c = arg;
    aw_handle_unref(c->timer);
    c->timer = NULL;
    c->timer_at = INFINITY;
    if (c->deadline == INFINITY)
        return 0;
    if (aw_time() < c->deadline && set_timer(c, c->deadline) == 0)
        return 0;
    c->timed_out = true; /* also where there is no memory for waiting longer */
    return aw_stream_set_error(c->stream, -ETIMEDOUT, .msg = "the client is too slow");
}

int aw_http_deadline(struct aw_http_connection *c, double when)
{
    c->deadline = when;
    return when < c->timer_at ? set_timer(c, when) : 0;
}

/* ---- exchanges ---- */

/* What is left of a request must not be taken for the next. */
static bool is_over_in_order(aw_http_request *r)
{
    if (r->is_upgraded || !r->keep_alive)
        return false;
    return r->body.is_complete || aw_http_drop_body(r);
}

/* The other side of a stream that was handed over has gone: calls on it are not the exchange's. */
static bool has_gone(const aw_http_request *r, int result)
{
    return r->is_upgraded && (result == AW_EOF || result == -ECONNRESET || result == -EPIPE);
}

/* Has the handler refused its client?  It says so by one of these codes, after an answer that says
 * the same, or on a connection that was handed over. */
static bool is_refusal(const aw_http_request *r, int result)
{
    bool is_answered = r->state == AW_HTTP_ANSWERED && r->status >= 400 && r->status < 500;
    return (r->is_upgraded || is_answered) &&
           (result == -EPROTO || result == -EACCES || result == -EILSEQ || result == -EMSGSIZE);
}

/* Apart, as its text would else lie on the stack of every connection. */
static AW_COLD void tell_refusal(aw_http_request *r, int result)
{
    char why[256];
    snprintf(why, sizeof why, "%s", *aw_errmsg() ? aw_errmsg() : aw_strerror(result));
    struct aw_http_refusal refusal = aw_http_because(r->is_upgraded ? 0 : r->status, why);
    aw_http_log_refusal(r, &refusal);
    r->keep_alive = false;
}

/* What a handler's result comes to, besides the answer: 0, or an error for the loop's exception
 * handler.  What the client did is none, and a refusal has its line in the log. */
static int failure(aw_http_request *r, int result)
{
    if (has_gone(r, result))
        return 0;
    if (result >= 0 || result == -ENOENT || result == r->peer_error)
        return 0;
    if (!is_refusal(r, result))
        return result;
    tell_refusal(r, result);
    return 0;
}

/* The request is there: 1 when another may follow, 0 when not, or the error of the handler. */
static int serve_request(struct aw_http_connection *c)
{
    aw_http_request *r = &c->request;
    c->deadline = INFINITY;
    c->server->served++;
    int result = c->server->opts.handler(r, c->server->opts.arg);
    int err = failure(r, result); /* first: it looks at aw_errmsg() */
    aw_http_finish_answer(r, result);
    aw_http_log_exchange(r);
    if (err < 0)
        return err;
    if (!is_over_in_order(r) || c->server->closing)
        return 0;
    err = aw_http_drain(c);
    return err < 0 ? 0 : 1;
}

static void begin_exchange(struct aw_http_connection *c)
{
    c->request = (aw_http_request){.connection = c, .query = ""};
}

static int serve_requests(struct aw_http_connection *c)
{
    int err = 1;
    for (size_t n = 0; err == 1 && n < c->server->opts.max_requests; n++) {
        begin_exchange(c);
        c->request.is_last = n + 1 == c->server->opts.max_requests;
        err = aw_http_read_head(c);
        c->is_new = false;
        if (err == 1)
            err = serve_request(c);
        aw_http_arena_clear(&c->request);
    }
    return err < 0 ? err : 0;
}

/* ---- the end ---- */

void aw_http_connection_cut(struct aw_http_connection *c)
{
    const aw_http_request *r = &c->request;
    if (r->is_chunked || r->length >= 0)
        return; /* the end that is missing tells it */
    c->out_len = 0;
    aw_ignore(aw_stream_abort(c->stream));
}

static int read_and_drop(struct aw_http_connection *c)
{
    char waste[4096];
    AW_TRY(aw_http_flush(c));
    AW_TRY(aw_stream_write_eof(c->stream));
    AW_TRY(aw_http_deadline(c, aw_time() + LINGER));
    for (size_t n = 0; n < LINGER_MAX;) {
        ssize_t got = aw_stream_read(c->stream, waste, sizeof waste);
        if (got <= 0)
            return (int)got;
        n += (size_t)got;
    }
    return 0;
}

/* Whatever it was that ended the connection, `err` is told. */
static int finish(struct aw_http_connection *c, int err)
{
    const aw_http_request *r = &c->request;
    bool lingers = !r->is_upgraded && r->state == AW_HTTP_ANSWERED && !c->timed_out &&
                   !aw_stream_is_closing(c->stream) && err != -ECANCELED;
    int lingered = lingers ? read_and_drop(c) : 0;
    if (lingered == -ECANCELED && err >= 0)
        err = lingered;
    aw_ignore(aw_http_flush(c));
    drop_timer(c);
    aw_list_remove(&c->link);
    return err;
}

int aw_http_connection_run(struct aw_http_connection *c)
{
    aw_list_push_back(&c->server->connections, &c->link);
    c->deadline = c->timer_at = INFINITY;
    c->is_new = true;
    begin_exchange(c);
    int err = aw_http_deadline(c, aw_time() + c->server->opts.head_timeout);
    if (err >= 0)
        err = serve_requests(c);
    return finish(c, err);
}
