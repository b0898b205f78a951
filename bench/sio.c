/*
 * sio.c - a Socket.IO server that broadcasts: see sioload.c, which it starts.
 */
#include <await.h>
#include <await/http_server.h>
#include <await/socketio.h>

#include "bench/echo.h"

/* With the name, and the packet around it, a frame of 64 bytes. */
#define ARGUMENTS "[\"0123456789012345678901234567890123456789012345678\"]"

static int go(aw_sio_event *e, void *arg)
{
    (void)e;
    return aw_sio_broadcast(arg, "news", ARGUMENTS);
}

static int serve_row(void *row)
{
    aw_http_server *server;
    aw_address at;
    aw_sio *io = aw_sio_new();
    aw_sio_namespace *ns = aw_sio_of(io, "/");
    AW_TRY(aw_sio_on(ns, "go", go, ns));
    AW_TRY(aw_http_serve(&server, aw_sio_handler, "127.0.0.1", "0", .arg = io,
                         .max_connections = 20000));
    AW_TRY(aw_http_server_address(server, 0, &at));
    if (echo_load_by("bench_sioload", row, (unsigned)aw_address_port(&at)) < 0)
        return -EIO;
    int err = aw_http_server_serve_forever(server);
    aw_http_server_unref(server);
    aw_sio_unref(io);
    return err;
}

static int serve(char *row)
{
    int err = aw_run(serve_row, row);
    if (err < 0)
        fprintf(stderr, "%s %s\n", aw_strerror(err), aw_errmsg());
    return err;
}

static int run_broadcast(void)
{
    return serve((char[]){"sio-broadcast"});
}

static int run_idle(void)
{
    return serve((char[]){"sio-idle"});
}

static const struct bench_row rows[] = {{"sio-broadcast", run_broadcast}, {"sio-idle", run_idle}};
BENCH_MAIN(rows)
