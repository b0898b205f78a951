/*
 * A proxy for protocols of lines: 20_proxy PORT UPSTREAM_HOST UPSTREAM_PORT.
 *
 * Each client is connected to the upstream, and lines are copied both ways until both have ended.
 * When one side ends its sending, the other is told so and may go on sending (half-close): a client
 * that asks, ends, and then reads the answer gets it.  SIGTERM or SIGINT (Ctrl-C) stops it; clients
 * have 5 seconds to finish.
 *
 * Notice the drain after each write: while one side does not read, nothing is read from the other,
 * so a fast sender is slowed down, by TCP itself, and the proxy's memory does not grow.
 */
#include <await.h>
#include <await/net.h>
#include <stdio.h>
#include <string.h>

struct way {
    aw_stream *from, *to;
    int lines;
};

static int copy(void *arg)
{
    struct way *w = arg;
    char *line;
    ssize_t n;
    while ((n = aw_stream_readline(w->from, &line)) > 0) {
        AW_TRY(aw_stream_write(w->to, line, (size_t)n));
        AW_TRY(aw_stream_drain(w->to));
        w->lines++;
    }
    return n < 0 ? (int)n : aw_stream_write_eof(w->to);
}

static int copy_both_ways(aw_stream *client, aw_stream *upstream)
{
    struct way there = {.from = client, .to = upstream}, back = {.from = upstream, .to = client};
    int err = aw_gather(AW_CORO(copy, &there), AW_CORO(copy, &back));
    printf("%d lines there, %d back: %s\n", there.lines, back.lines,
           err < 0 ? aw_strerror(err) : "ok");
    if (err < 0) { /* neither side shall take it for the end of the data */
        aw_ignore(aw_stream_abort(client));
        aw_ignore(aw_stream_abort(upstream));
    }
    return err == -ECANCELED ? err : 0; /* what a peer does is no error of ours */
}

static int serve(aw_stream *client, void *arg)
{
    char **args = arg;
    aw_stream *upstream;
    int err = aw_open_connection(&upstream, args[1], args[2], .timeout = 10);
    if (err < 0) {
        printf("%s: %s\n", aw_strerror(err), aw_errmsg());
        aw_ignore(aw_stream_abort(client));
        return err == -ECANCELED ? err : 0;
    }
    err = copy_both_ways(client, upstream);
    aw_stream_unref(upstream); /* sends what is pending, and closes */
    return err;
}

static int run(void *arg)
{
    char **args = arg, text[AW_ADDRESS_TEXT];
    aw_server *server;
    aw_address at;
    AW_TRY(aw_start_server(&server, serve, "127.0.0.1", args[0], .arg = args, .limit = 1000));
    aw_ignore(aw_server_address(server, 0, &at));
    aw_ignore(aw_address_format(&at, text, sizeof text));
    printf("listening on %s\n", text);
    int err = aw_stop_wait();
    int left = aw_server_shutdown(server, .grace = 5);
    printf("stopped, %d connections cut off\n", left);
    aw_server_unref(server);
    return err;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        printf("usage: %s PORT UPSTREAM_HOST UPSTREAM_PORT\n", argv[0]);
        return 2;
    }
    int err = aw_run(run, argv + 1, .stop_on = AW_SIGINT_SIGTERM);
    if (err < 0)
        printf("%s: %s\n", aw_strerror(err), aw_errmsg());
    return err < 0;
}
