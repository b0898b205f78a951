/*
 * websocket.c - a server that sends back the messages it gets, a task for each connection.
 */
#include <await.h>
#include <await/websocket.h>

#include "bench/echo.h"

static int echo(aw_http_request *r, void *arg)
{
    aw_websocket *ws;
    aw_websocket_message m;
    int more;
    (void)arg;
    AW_TRY(aw_websocket_accept(r, &ws));
    while ((more = aw_websocket_receive(ws, &m)) > 0) {
        more = aw_websocket_send(ws, m.data, m.size, .binary = m.binary);
        if (more < 0)
            break;
    }
    aw_websocket_unref(ws);
    return more == AW_EOF ? 0 : more; /* the load generator goes without a word */
}

static int serve_row(void *row)
{
    aw_http_server *server;
    aw_address at;
    AW_TRY(aw_http_serve(&server, echo, "127.0.0.1", "0", .max_connections = 20000));
    AW_TRY(aw_http_server_address(server, 0, &at));
    if (echo_load(row, (unsigned)aw_address_port(&at)) < 0)
        return -EIO;
    int err = aw_http_server_serve_forever(server);
    aw_http_server_unref(server);
    return err;
}

static int serve(char *row)
{
    int err = aw_run(serve_row, row);
    if (err < 0)
        fprintf(stderr, "%s %s\n", aw_strerror(err), aw_errmsg());
    return err;
}

/* clang-format off */
#define RUN(name_) static int run_##name_(void) { return serve((char[]){"websocket-" #name_}); }
RUN(50) RUN(1000) RUN(50x16) RUN(idle)

#define ROW(name_) {"websocket-" #name_, run_##name_}
static const struct bench_row rows[] = {ROW(50), ROW(1000), ROW(50x16), ROW(idle)};
/* clang-format on */

BENCH_MAIN(rows)
