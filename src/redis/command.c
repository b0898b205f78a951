/*
 * command.c - commands: sent, waited for, answered, or left alone.
 */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "await/scope.h"
#include "redis/rd.h"

/* ---- errors ---- */

int rd_error_of(const aw_redis_reply *reply)
{
    static const struct {
        const char *word;
        int code;
    } known[] = {
        {"NOAUTH", -EACCES},     {"WRONGPASS", -EACCES},   {"NOPERM", -EACCES},
        {"LOADING", -EAGAIN},    {"BUSY", -EAGAIN},        {"TRYAGAIN", -EAGAIN},
        {"MASTERDOWN", -EAGAIN}, {"CLUSTERDOWN", -EAGAIN}, {"READONLY", -EROFS},
    };
    size_t n = strcspn(reply->str, " ");
    int code = -EREMOTEIO;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (n == strlen(known[i].word) && memcmp(reply->str, known[i].word, n) == 0)
            code = known[i].code;
    return aw_raise(code, reply->str);
}

/* ---- calls ---- */

/* Nobody waits: what went wrong is told to the operator. */
static void answer_nobody(struct rd_link *l, struct rd_call *c, int err, aw_redis_reply *reply)
{
    aw_redis *r = l->client;
    if (c->channel) {
        rd_channel_answer(r, c->channel, err, reply);
        rd_channel_unref(c->channel);
    } else if (reply && reply->type == AW_REDIS_ERROR) {
        rd_log(r, "%.300s", reply->str);
    }
    aw_redis_reply_free(reply);
    aw_mem_free(c);
}

void rd_call_answer(struct rd_link *l, struct rd_call *c, int err, aw_redis_reply *reply)
{
    if (!c->wanted) {
        answer_nobody(l, c, err, reply);
        return;
    }
    c->err = err;
    c->reply = reply;
    aw_event_set(&c->done);
}

/* ---- waiting ---- */

/* A command that is being done, and whose. */
struct exchange {
    aw_redis *client;
    struct aw_growing *command;
    struct rd_call *call;
    aw_redis_reply *reply;
};

/* Wait until there is a connection, and not too much waits to be sent by it. */
static int wait_for_room(struct rd_link *l)
{
    for (;;) {
        if (l->ended || l->client->closing)
            return rd_has_ended();
        if (!l->stream) {
            AW_TRY(aw_event_wait(&l->up));
            continue;
        }
        aw_stream *s = aw_stream_ref(l->stream);
        int err = aw_stream_drain(s);
        if (err < 0 && err != -ECANCELED && l->stream == s)
            rd_link_broken(l, err, aw_errmsg());
        bool same = l->stream == s;
        aw_stream_unref(s);
        if (err == -ECANCELED || (err >= 0 && same))
            return err;
    }
}

/* What the call has come to; it is gone then. */
static int collect(struct exchange *x)
{
    struct rd_call *c = x->call;
    int err = c->err;
    x->reply = c->reply;
    x->call = NULL;
    aw_mem_free(c);
    if (err == -ECONNRESET)
        return aw_raise(err, "the connection was lost before the reply; it may have been done");
    if (err < 0)
        return err;
    return x->reply->type == AW_REDIS_ERROR ? rd_error_of(x->reply) : 0;
}

static int perform(void *arg)
{
    struct exchange *x = arg;
    struct rd_link *l = &x->client->commands;
    AW_TRY(wait_for_room(l));
    while (!(x->call = rd_link_send(l, x->command, true))) {
        if (aw_errno() != -ENOTCONN)
            return aw_errno();
        AW_TRY(wait_for_room(l)); /* it was broken; not sent */
    }
    aw_growing_clear(x->command);
    AW_TRY(aw_event_wait(&x->call->done));
    return collect(x);
}

/* The call is not waited for any more: it stays on the list for its reply, unless that is there. */
static void abandon(struct exchange *x)
{
    struct rd_call *c = x->call;
    if (!c)
        return;
    if (!aw_event_is_set(&c->done)) {
        c->wanted = false;
        return;
    }
    aw_redis_reply_free(c->reply);
    aw_mem_free(c);
}

static int exchange(aw_redis *r, struct aw_growing *command, double timeout, aw_redis_reply **ret)
{
    struct exchange x = {.client = r, .command = command};
    if (!aw_current_task())
        return AW_EMISUSE;
    AW_TRY(rd_format_check(command));
    r->inside++;
    int err = timeout == INFINITY ? perform(&x) : aw_timeout_call(timeout, perform, &x);
    abandon(&x);
    if (err == -ETIMEDOUT && !r->commands.stream && r->commands.err < 0)
        err = aw_raise(err, r->commands.why);
    rd_let_go(r);
    if (err >= 0 && ret)
        *ret = x.reply;
    else
        aw_redis_reply_free(x.reply);
    return err < 0 ? err : 0;
}

/* ---- the calls of the header ---- */

int aw_redis_command(aw_redis *r, aw_redis_reply **ret, const char *format, ...)
{
    struct aw_growing t = {0};
    AW_TRY(rd_check(r));
    va_list ap;
    va_start(ap, format);
    int err = rd_format(&t, format, ap);
    va_end(ap);
    if (err >= 0)
        err = exchange(r, &t, r->opts.timeout, ret);
    aw_growing_clear(&t);
    return err;
}

int aw_redis_command_argv_(const aw_redis_argv_opts *o)
{
    struct aw_growing t = {0};
    AW_TRY(rd_check(o->redis));
    if (isnan(o->timeout))
        return aw_raise(-EINVAL, ".timeout is NaN");
    int err = rd_format_argv(&t, o->argv, o->lengths, o->n);
    if (err >= 0)
        err = exchange(o->redis, &t, o->timeout != 0 ? o->timeout : o->redis->opts.timeout, o->ret);
    aw_growing_clear(&t);
    return err;
}

int rd_send(aw_redis *r, const struct aw_growing *command)
{
    if (r->closing)
        return rd_has_ended();
    return rd_link_send(&r->commands, command, false) ? 0 : aw_raise(aw_errno(), aw_errmsg());
}

int aw_redis_send(aw_redis *r, const char *format, ...)
{
    struct aw_growing t = {0};
    AW_TRY(rd_check(r));
    va_list ap;
    va_start(ap, format);
    int err = rd_format(&t, format, ap);
    va_end(ap);
    if (err >= 0)
        err = rd_format_check(&t);
    if (err >= 0)
        err = rd_send(r, &t);
    aw_growing_clear(&t);
    return err;
}
