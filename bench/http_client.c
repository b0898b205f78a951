/*
 * http_client.c - 64 tasks of one session ask a server on the same machine, on connections that are
 * kept, for 1 KiB again and again.
 *
 * `--serve` starts the server alone and prints its port, for clients in other languages.
 */
#include <await.h>
#include <await/http.h>

#include "bench/http_client.h"

struct client {
    aw_http_session *session;
    char url[64];
    size_t left;
};

static int ask(void *arg)
{
    struct client *c = arg;
    while (c->left > 0) {
        aw_http_response *r;
        size_t n;
        c->left--;
        int status = aw_http_get(&r, c->session, c->url);
        AW_TRY(status);
        aw_http_response_body(r, &n);
        aw_http_response_unref(r);
        if (status != 200 || n != HTTP_BODY)
            return -EBADMSG;
    }
    return 0;
}

static int ask_all(aw_group *g, void *arg)
{
    for (int i = 0; i < HTTP_CLIENTS; i++)
        AW_TRY(aw_group_start(g, ask, arg));
    return 0;
}

static int ask_often(struct client *c, size_t n)
{
    aw_group g = AW_GROUP_INIT;
    c->left = n;
    return aw_group_call(&g, ask_all, c);
}

static int measure(void *arg)
{
    struct client c = {.session = aw_http_session_new(NULL)};
    size_t n = bench_count(HTTP_REQUESTS, 640);
    snprintf(c.url, sizeof c.url, "http://127.0.0.1:%u/", *(unsigned *)arg);
    if (!c.session)
        return aw_errno();
    int err = ask_often(&c, n / 10);
    double began = bench_now();
    if (err >= 0)
        err = ask_often(&c, n);
    if (err >= 0)
        bench_say_rate("http-client", began, (double)n);
    aw_http_session_unref(c.session);
    return err;
}

static int run_client(void)
{
    unsigned port = http_start_server();
    int err = port ? aw_run(measure, &port) : -1;
    if (err < 0)
        fprintf(stderr, "%s %s\n", aw_strerror(err), aw_errmsg());
    return err;
}

static const struct bench_row rows[] = {{"http-client", run_client}};

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--serve")) {
        unsigned port = http_start_server();
        printf("%u\n", port);
        fflush(stdout);
        (void)getchar(); /* until who started it has gone */
        return port == 0;
    }
    return bench_main(argc, argv, rows, sizeof rows / sizeof *rows);
}
