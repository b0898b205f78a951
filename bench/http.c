/*
 * http.c - an HTTP server that answers everything with six bytes, in one thread, under wrk.
 */
#include <await.h>
#include <await/http_server.h>
#include <await/process.h>
#include <unistd.h>

#include "bench/bench.h"

static int answer(aw_http_request *r, void *arg)
{
    (void)arg;
    return aw_http_respond(r, 200, "text/plain", "hello\n", 6);
}

/* The load generator, a program beside this one, prints the figures. */
static int load(const char *row, unsigned port)
{
    const char *script = getenv("BENCH_HTTP_LOAD");
    char at[16], self[16];
    snprintf(at, sizeof at, "%u", port);
    snprintf(self, sizeof self, "%d", (int)getpid());
    if (!script)
        return aw_raise(-ENOENT, "BENCH_HTTP_LOAD does not name the load generator");
    aw_process *p = aw_create_subprocess_exec(AW_ARGV("python3", script, row, at, self));
    if (!p)
        return aw_errno();
    int status = -1, err = aw_process_wait(p, &status);
    aw_process_unref(p);
    return err < 0 ? err : status ? -EIO : 0;
}

static int serve_row(void *row)
{
    aw_http_server *server;
    aw_address at;
    AW_TRY(aw_http_serve(&server, answer, "127.0.0.1", "0"));
    AW_TRY(aw_http_server_address(server, 0, &at));
    int err = load(row, (unsigned)aw_address_port(&at));
    aw_ignore(aw_http_server_shutdown(server));
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

static int run_50(void)
{
    return serve((char[]){"http-50"});
}

static int run_1000(void)
{
    return serve((char[]){"http-1000"});
}

static const struct bench_row rows[] = {{"http-50", run_50}, {"http-1000", run_1000}};

BENCH_MAIN(rows)
