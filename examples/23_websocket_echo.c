/*
 * WebSocket echo, both sides: `23_websocket_echo PORT` serves (0: a free port), `23_websocket_echo
 * ws://host:port/ WORD...` sends each word as a message, prints what comes back, and closes.
 *
 * A handler is a coroutine, so a conversation is a loop.  Sending waits while the other side does
 * not read; a message that is too long, or that breaks the protocol, ends this connection alone,
 * with a line that says whose it was and why.  SIGTERM or SIGINT (Ctrl-C) ends the server: who is
 * connected is told (1001).
 */
#include <await.h>
#include <await/websocket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRACE = 2 };

/* ---- the server ---- */

/* When the server ends, this one says good-bye. */
static int say_goodbye(void *arg)
{
    AW_TRY(aw_stop_wait());
    return aw_websocket_close(arg, .code = AW_WS_GOING_AWAY, .nowait = true);
}

static int converse(aw_group *g, void *arg)
{
    aw_websocket *ws = arg;
    aw_websocket_message m;
    int more;
    AW_TRY(aw_group_start(g, say_goodbye, ws, .stack_size = 16 << 10));
    while ((more = aw_websocket_receive(ws, &m)) > 0) {
        more = aw_websocket_send(ws, m.data, m.size, .binary = m.binary);
        if (more < 0)
            break;
    }
    aw_group_cancel(g);
    return more == AW_EOF || more == -EPIPE ? 0 : more; /* it went away without a word */
}

static int echo(aw_http_request *r, void *arg)
{
    aw_websocket *ws;
    aw_group g = AW_GROUP_INIT;
    (void)arg;
    AW_TRY(aw_websocket_accept(r, &ws));
    aw_group_unwrap(&g);
    int err = aw_group_call(&g, converse, ws);
    aw_websocket_unref(ws);
    return err;
}

static int serve(void *arg)
{
    const char *port = arg;
    char text[AW_ADDRESS_TEXT];
    aw_http_server *server;
    aw_address at;
    AW_TRY(aw_http_serve(&server, echo, "127.0.0.1", port));
    aw_ignore(aw_http_server_address(server, 0, &at));
    aw_ignore(aw_address_format(&at, text, sizeof text));
    printf("listening on %s\n", text);
    int err = aw_stop_wait();
    int left = aw_http_server_shutdown(server, .grace = GRACE);
    aw_http_server_unref(server);
    return err < 0 ? err : left;
}

/* ---- the client ---- */

static int say(aw_websocket *ws, char **words)
{
    aw_websocket_message m;
    for (; *words; words++) {
        AW_TRY(aw_websocket_send(ws, *words, strlen(*words)));
        int more = aw_websocket_receive(ws, &m);
        AW_TRY(more);
        if (more == 0)
            return AW_EOF;
        printf("%.*s\n", (int)m.size, m.data);
    }
    AW_TRY(aw_websocket_close(ws));
    printf("closed with %d\n", aw_websocket_close_code(ws));
    return 0;
}

static int talk(void *arg)
{
    char **args = arg;
    aw_websocket *ws;
    int err = aw_websocket_connect(&ws, args[0], .timeout = 10);
    if (err >= 0) {
        err = say(ws, args + 1);
        aw_websocket_unref(ws);
    }
    if (err < 0)
        printf("%s: %s\n", aw_strerror(err), aw_errmsg());
    return err;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "7000";
    if (strncmp(what, "ws", 2) == 0)
        return aw_run(talk, argv + 1) != 0;
    return aw_run(serve, (void *)what, .stop_on = AW_SIGINT_SIGTERM) != 0;
}
