/*
 * redis_server.c - a Socket.IO server that shares its broadcasts through Redis, for tests.
 *
 * redis_server URL: prints "listening on 127.0.0.1:port".  A client enters the room that its query
 * names at the end.  An event `all` is broadcast to all servers with its arguments, `room` to the
 * room that its first argument names; `serverEvent` of another server is broadcast as one, too.
 */
#include <await.h>
#include <await/http_server.h>
#include <await/redis.h>
#include <stdio.h>
#include <string.h>

static int on_connect(aw_sio_socket *s, void *arg)
{
    const char *room = strstr(aw_sio_socket_query(s), "room=");
    char name[32];
    (void)arg;
    if (!room)
        return 0;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(room + 5, "&"), room + 5);
    return aw_sio_join(s, name);
}

static int on_all(aw_sio_event *e, void *arg)
{
    const aw_sio_bytes *bytes;
    size_t n = aw_sio_event_attachments(e, &bytes);
    return aw_sio_broadcast((aw_sio_namespace *)arg, "all", aw_sio_event_json(e, NULL),
                            .attachments = bytes, .n_attachments = n);
}

static int on_room(aw_sio_event *e, void *arg)
{
    return aw_sio_broadcast((aw_sio_namespace *)arg, "room", aw_sio_event_json(e, NULL),
                            .room = aw_sio_event_string(e, 0));
}

static void on_server_event(aw_sio_namespace *ns, const char *event, const char *json, void *arg)
{
    (void)arg;
    if (strcmp(event, "serverEvent") == 0)
        aw_ignore(aw_sio_broadcast(ns, event, json));
}

static int furnish(aw_sio *io)
{
    aw_sio_namespace *ns = aw_sio_of(io, "/");
    if (!ns)
        return aw_errno();
    AW_TRY(aw_sio_on_connect(ns, on_connect, NULL));
    AW_TRY(aw_sio_on(ns, "all", on_all, ns));
    return aw_sio_on(ns, "room", on_room, ns);
}

static int serve(aw_sio *io)
{
    aw_http_server *server;
    aw_address a;
    AW_TRY(aw_http_serve(&server, aw_sio_handler, "127.0.0.1", "0", .arg = io));
    int err = aw_http_server_address(server, 0, &a);
    if (err >= 0) {
        printf("listening on 127.0.0.1:%d\n", aw_address_port(&a));
        fflush(stdout);
        err = aw_http_server_serve_forever(server, .grace = 0);
    }
    aw_http_server_unref(server);
    return err;
}

static int run(void *url)
{
    aw_redis *r;
    aw_redis_fanout *f = NULL;
    AW_TRY(aw_redis_open(&r, url));
    aw_sio *io = aw_sio_new(.origins = (const char *const[]){"*", NULL});
    int err = io ? furnish(io) : aw_errno();
    if (err >= 0)
        err = aw_redis_fanout_start(&f, r, io, .python_channel = "socketio",
                                    .server_event = on_server_event);
    if (err >= 0)
        err = serve(io);
    aw_ignore(aw_redis_fanout_stop(f));
    aw_sio_unref(io);
    aw_redis_unref(r);
    return err;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    int err = aw_run(run, argv[1], .stop_on = AW_SIGINT_SIGTERM, .grace = 0.01);
    return err < 0 && err != -ECANCELED;
}
