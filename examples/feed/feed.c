/*
 * The feed service: from a queue to every browser that looks on.
 *
 *     feed [--port 8080] [--journal FILE] ...           (feed --help)
 *     curl -H 'Content-Type: application/json' -d '{"text":"hello"}' http://127.0.0.1:8080/items
 *
 * This file begins and ends it; feed.h says what is where.  SIGTERM or SIGINT (Ctrl-C) stops it in
 * stages: nothing new is let in, what waits is sent to those who are connected, the clients are
 * told, the file is written; what does not fit into --grace seconds stays in the queue.
 */
#include "feed/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static struct source *choose(const struct options *o, struct items *items)
{
    if (!*o->queue)
        return queue_new(items);
#ifdef FEED_SQS
    return sqs_new(o, items);
#else
    return aw_refuse(-ENOTSUP, "--queue: built without await-sqs");
#endif
}

static int join_others(struct feed *f)
{
    if (!*f->options->redis)
        return 0;
#ifdef FEED_REDIS
    return shared_start(&f->shared, f);
#else
    return aw_raise(-ENOTSUP, "--redis: built without await-redis");
#endif
}

static int start(struct feed *f)
{
    f->items = items_open(f->options);
    f->source = f->items ? choose(f->options, f->items) : NULL;
    if (!f->source)
        return aw_errno();
    AW_TRY(web_start(f));
    AW_TRY(join_others(f));
    AW_TRY(web_listen(f));
    f->pump = aw_create_task(pump, f, .name = "pump", .stack_size = 256 * 1024);
    return f->pump ? 0 : aw_errno();
}

static void say_where(struct feed *f)
{
    char text[AW_ADDRESS_TEXT];
    aw_address at;
    if (aw_http_server_address(f->server, 0, &at) >= 0 &&
        aw_address_format(&at, text, sizeof text) >= 0)
        say("info", "listening", "{s:s, s:s, s:I, s:I}", "address", text, "queue", f->source->name,
            "waiting", (json_int_t)f->source->waiting(f->source), "kept",
            (json_int_t)items_kept(f->items));
}

/* Each part by itself, whatever was there when starting failed. */
static void stop(struct feed *f)
{
    aw_ignore(aw_event_set(&f->stop));
    if (f->server)
        aw_ignore(aw_http_server_close(f->server));
    if (f->pump) {
        f->source->stop(f->source);
        aw_ignore(aw_wait_for(f->pump, f->options->grace / 2));
        aw_unref(f->pump);
    }
    web_stop(f);
    if (f->shared)
        f->shared->stop(f->shared);
    if (f->source)
        f->source->free(f->source);
    if (f->items)
        items_close(f->items);
}

static int serve(void *arg)
{
    struct feed f = {.options = arg};
    int err = start(&f);
    if (err >= 0) {
        say_where(&f);
        err = aw_stop_wait();
        say("info", "stopping", "{s:I}", "clients",
            (json_int_t)aw_sio_namespace_sockets(f.clients));
    } else {
        say("error", "cannot start", "{s:s, s:s}", "reason", aw_strerror(err), "detail",
            aw_errmsg());
    }
    stop(&f);
    say("info", "stopped", NULL);
    return err;
}

/* A log whose reader has gone must not end the service; and where there is none, no other file may
 * take its number. */
static void settle_log(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
    signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
    settle_log();
    struct options o = {.host = NULL};
    int go_on = options_read(&o, argc, argv);
    if (go_on <= 0)
        return go_on < 0 ? 2 : 0;
    return aw_run(serve, &o, .stop_on = AW_SIGINT_SIGTERM, .grace = o.grace) < 0;
}
