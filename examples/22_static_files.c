/*
 * A server of static files: 22_static_files PORT FOLDER.
 *
 * Serves the files below a folder, with ranges and conditions, and prints a line for each request.
 * GET /status answers in JSON beside them.  SIGTERM or SIGINT (Ctrl-C) stops it: connections that
 * wait are closed, and what is in hand has 5 seconds.
 *
 * Notice that nobody can leave the folder: a path is taken apart before it is decoded, and symbolic
 * links are not followed.
 */
#include <await.h>
#include <await/http_server.h>
#include <stdio.h>

struct site {
    aw_http_server *server;
    double began;
};

static int status(aw_http_request *r, void *arg)
{
    const struct site *site = arg;
    char text[128];
    int n = snprintf(text, sizeof text, "{\"seconds\": %.0f, \"requests\": %llu}\n",
                     aw_time() - site->began,
                     (unsigned long long)aw_http_server_requests(site->server));
    return aw_http_respond(r, 200, "application/json", text, (size_t)n);
}

static int serve(struct site *site, aw_http_router *router, const char *port)
{
    char text[AW_ADDRESS_TEXT];
    aw_address at;
    AW_TRY(aw_http_serve(&site->server, aw_http_router_handler, "127.0.0.1", port, .arg = router,
                         .access_log = stdout));
    aw_ignore(aw_http_server_address(site->server, 0, &at));
    aw_ignore(aw_address_format(&at, text, sizeof text));
    printf("listening on %s\n", text);
    int err = aw_stop_wait();
    int left = aw_http_server_shutdown(site->server, .grace = 5);
    printf("stopped, %d connections cut off\n", left);
    aw_http_server_unref(site->server);
    return err;
}

static int run(void *arg)
{
    char **args = arg;
    struct site site = {.began = aw_time()};
    aw_http_router *router = aw_http_router_new();
    aw_http_files *files = aw_http_files_new(args[1]);
    int err = router && files ? 0 : aw_errno();
    if (err >= 0)
        err = aw_http_route(router, "GET", "/status", status, &site);
    if (err >= 0)
        err = aw_http_route(router, "*", "/*path", aw_http_files_handler, files);
    if (err >= 0)
        err = serve(&site, router, args[0]);
    aw_http_files_free(files);
    aw_http_router_free(router);
    return err;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        printf("usage: %s PORT FOLDER\n", argv[0]);
        return 2;
    }
    int err = aw_run(run, argv + 1, .stop_on = AW_SIGINT_SIGTERM);
    if (err < 0)
        printf("%s: %s\n", aw_strerror(err), aw_errmsg());
    return err < 0;
}
