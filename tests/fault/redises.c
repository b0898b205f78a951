/*
 * redises.c - a scenario of Redis: commands, messages and broadcasts, with a small server in the
 * same loop.  Whatever fails the client comes to an end, and nothing is left; connections that fail
 * are made again, so much is mended in silence.
 */
#include <stdio.h>
#include <stdlib.h>

#include "await/net.h"
#include "await/redis.h"
#include "await/scope.h"
#include "fault/inject.h"

enum { ARGS = 4, SIZE = 256 };

/* The server: who has subscribed is told what is published. */
struct shop {
    aw_server *server;
    aw_stream *hearer; /* the latest connection that has subscribed */
};

struct order {
    char argv[ARGS][SIZE];
    size_t lengths[ARGS];
    int argc;
};

/* What the other side's failure looks like. */
static int consequence(int err)
{
    bool is_one = is_gone(err) || err == AW_ESHUTDOWN || err == -ETIMEDOUT || err == -ENOTCONN ||
                  err == -ECANCELED || err == -ECONNREFUSED || err == -ENOENT;
    return disturbed() && is_one ? expected_error : err;
}

/* ---- the server ---- */

static int number(aw_stream *s, long *ret)
{
    char *line;
    ssize_t n = aw_stream_readline(s, &line);
    if (n <= 1)
        return n < 0 ? (int)n : AW_EOF;
    *ret = strtol(line + 1, NULL, 10);
    return 0;
}

static int read_order(aw_stream *s, struct order *o)
{
    long n = 0, len = 0;
    char end[2];
    AW_TRY(number(s, &n));
    if (n > ARGS)
        return -EPROTO;
    for (o->argc = 0; o->argc < n; o->argc++) {
        AW_TRY(number(s, &len));
        if (len >= SIZE)
            return -EPROTO;
        AW_TRY(aw_stream_readexactly(s, o->argv[o->argc], (size_t)len));
        AW_TRY(aw_stream_readexactly(s, end, 2));
        o->argv[o->argc][len] = '\0';
        o->lengths[o->argc] = (size_t)len;
    }
    return 0;
}

static int publish(struct shop *shop, const struct order *o)
{
    char text[2 * SIZE];
    int n = snprintf(text, sizeof text, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%zu\r\n",
                     o->lengths[1], o->argv[1], o->lengths[2]);
    if (!shop->hearer || strcmp(o->argv[1], "c") != 0)
        return 0;
    AW_TRY(aw_stream_write(shop->hearer, text, (size_t)n));
    AW_TRY(aw_stream_write(shop->hearer, o->argv[2], o->lengths[2]));
    return aw_stream_write(shop->hearer, "\r\n", 2);
}

static int answer(struct shop *shop, aw_stream *s, const struct order *o)
{
    char text[2 * SIZE];
    const char *kind = strcmp(o->argv[0], "SUBSCRIBE") == 0    ? "subscribe"
                       : strcmp(o->argv[0], "PSUBSCRIBE") == 0 ? "psubscribe"
                                                               : "unsubscribe";
    if (strstr(o->argv[0], "SUBSCRIBE")) {
        shop->hearer = s;
        int n = snprintf(text, sizeof text, "*3\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n:1\r\n",
                         strlen(kind), kind, o->lengths[1], o->argv[1]);
        return aw_stream_write(s, text, (size_t)n);
    }
    if (strcmp(o->argv[0], "PUBLISH") == 0) {
        aw_ignore(publish(shop, o));
        return aw_stream_write(s, ":1\r\n", 4);
    }
    if (strcmp(o->argv[0], "LIST") == 0)
        return aw_stream_write(s, "*2\r\n$1\r\na\r\n-ERR b\r\n", 19);
    return aw_stream_write(s, "+OK\r\n", 5);
}

static int serve(aw_stream *s, void *arg)
{
    struct shop *shop = arg;
    struct order o;
    int err = 0;
    while (err >= 0 && (err = read_order(s, &o)) >= 0)
        err = answer(shop, s, &o);
    if (shop->hearer == s)
        shop->hearer = NULL;
    return 0;
}

/* ---- the client ---- */

static void hear_of_it(const char *line, void *arg)
{
    (void)line;
    (void)arg;
}

static int commands(aw_redis *r)
{
    aw_redis_reply *reply;
    AW_TRY(aw_redis_command(r, NULL, "SET %s %b", "k", "v", (size_t)1));
    AW_TRY(aw_redis_command_argv(r, &reply, (const char *const[]){"LIST"}, 1));
    bool fine = reply->n == 2 && reply->elements[1].type == AW_REDIS_ERROR;
    aw_redis_reply_free(reply);
    CHECK(fine);
    return aw_redis_send(r, "PING");
}

static int take(aw_redis_subscription *s)
{
    aw_redis_message m;
    AW_TRY(aw_redis_next(s, &m));
    CHECK_CALM(m.data && strcmp(m.data, "news") == 0);
    return 0;
}

static int messages(aw_redis *r)
{
    aw_redis_subscription *s;
    AW_TRY(aw_redis_subscribe(&s, r, "c"));
    int err = aw_redis_send(r, "PUBLISH c news");
    aw_timeout limit = AW_TIMEOUT_INIT;
    if (err >= 0)
        err = aw_timeout_enter(&limit, 0.3);
    if (err >= 0)
        err = aw_timeout_exit(&limit, take(s));
    int end = aw_redis_unsubscribe(s);
    return err < 0 ? err : end;
}

static int fan_out(aw_redis *r)
{
    aw_redis_fanout *f = NULL;
    aw_sio *io = aw_sio_new();
    if (!io)
        return unexpected(aw_errno(), "aw_sio_new()", __FILE__, __LINE__);
    aw_sio_namespace *ns = aw_sio_of(io, "/");
    CHECK(aw_sio_namespaces(io, &ns, 1) == 1);
    int err = aw_redis_fanout_start(&f, r, io);
    if (err >= 0)
        err = aw_sio_broadcast(ns, "e", "[1,{\"a\":[true,null,\"x\"]}]", .room = "red");
    if (err >= 0)
        err = aw_redis_emit(r, "/", "e", "[]", .except_room = "red");
    if (err >= 0)
        err = aw_redis_command(r, NULL, "PING"); /* what was sent has arrived */
    int end = aw_redis_fanout_stop(f);
    aw_sio_unref(io);
    return err < 0 ? err : end;
}

static int use(aw_redis *r)
{
    AW_TRY(commands(r));
    AW_TRY(messages(r));
    CHECK_CALM(aw_redis_connected(r));
    return fan_out(r);
}

static int redis(void *arg)
{
    static struct shop shop; /* its handlers may go on when this task is cut off */
    aw_redis *r;
    const char *path = arg;
    shop = (struct shop){.server = NULL};
    AW_TRY(aw_start_unix_server(&shop.server, serve, path, .arg = &shop));
    int err = aw_redis_open(&r, NULL, .path = path, .logger = hear_of_it, .connect_timeout = 0.1,
                            .timeout = 0.3, .backoff_max = 0.1);
    if (err >= 0) {
        err = use(aw_redis_ref(r));
        aw_redis_unref(r);
        int end = aw_redis_close(r);
        if (err >= 0)
            err = end;
        aw_redis_unref(r);
    }
    int end = aw_server_shutdown(shop.server, .grace = 0);
    aw_server_unref(shop.server);
    return consequence(err < 0 ? err : end < 0 ? end : 0);
}

SCENARIO(redis_used)
{
    char path[64];
    static int n; /* the kernel may be slow to give up a socket whose ring has failed */
    snprintf(path, sizeof path, "@await-redis-%d-%d", (int)getpid(), n++);
    static const enum site mended[] = {
        SITE_ALLOC,      SITE_MAP,     SITE_GET_FLAGS,   SITE_RING_ENTER, SITE_EPOLL_CTL,
        SITE_GET_OPTION, SITE_RECV,    SITE_SEND,        SITE_ACCEPT,     SITE_CONNECT,
        SITE_SOCKET,     SITE_SUSPEND, SITE_THREAD,      SITE_FUTEX_WAIT, SITE_SET_OPTION,
        SITE_READ,       SITE_WRITE,   SITE_SOCKET_NAME, SITE_SEND_NOW,   SITE_RECV_NOW};
    comes_at_once(false);
    for (size_t i = 0; i < sizeof mended / sizeof *mended; i++)
        may_be_silent(mended[i]);
    return run_main(redis, path);
}
