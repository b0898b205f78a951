/*
 * echo.c - a server that sends back what it gets, a task for each connection, in one thread.
 *
 * The rows called epoll have the loop use that, by the environment, as a user would.
 */
#include <await.h>
#include <await/net.h>

#include "bench/echo.h"

static int echo(aw_stream *s, void *arg)
{
    char buf[ECHO_BUFFER];
    (void)arg;
    for (;;) {
        ssize_t n = aw_stream_read(s, buf, sizeof buf);
        if (n <= 0)
            return (int)n;
        AW_TRY(aw_stream_write(s, buf, (size_t)n));
        AW_TRY(aw_stream_drain(s));
    }
}

static int serve_row(void *row)
{
    aw_server *server;
    aw_address at;
    AW_TRY(aw_start_server(&server, echo, "127.0.0.1", "0"));
    AW_TRY(aw_server_address(server, 0, &at));
    if (echo_load(row, (unsigned)aw_address_port(&at)) < 0)
        return -EIO;
    int err = aw_server_serve_forever(server);
    aw_server_unref(server);
    return err;
}

static int serve(char *row)
{
    int err = aw_run(serve_row, row);
    if (err < 0)
        fprintf(stderr, "%s %s\n", aw_strerror(err), aw_errmsg());
    return err;
}

static int serve_by_epoll(char *row)
{
    return setenv("AWAIT_BACKEND", "epoll", 1) < 0 ? -1 : serve(row);
}

/* clang-format off */
#define PLAIN(name_) static int run_##name_(void) { return serve((char[]){"echo-" #name_}); }
#define EPOLL(name_) \
    static int run_epoll_##name_(void) { return serve_by_epoll((char[]){"echo-epoll-" #name_}); }
ECHO_ROWS(PLAIN)
ECHO_EPOLL_ROWS(EPOLL)

#define PLAIN_ROW(name_) {"echo-" #name_, run_##name_},
#define EPOLL_ROW(name_) {"echo-epoll-" #name_, run_epoll_##name_},
static const struct bench_row rows[] = {ECHO_ROWS(PLAIN_ROW) ECHO_EPOLL_ROWS(EPOLL_ROW)};
/* clang-format on */

BENCH_MAIN(rows)
