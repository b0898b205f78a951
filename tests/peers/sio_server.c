/*
 * sio_server.c - the Socket.IO server that real clients are tested with: sio_server [PORT
 * [CERTIFICATE]], by TLS with a certificate and its key.
 *
 * It prints where it listens and serves until SIGTERM.  Events: those of sio_suite.h; `join` enters
 * rooms; `tell` [room, text] says `told` to a room but the sender; `question` asks the client, and
 * acknowledges with its answer; `kick` disconnects it; `count` acknowledges with the number of
 * sockets.  `/guarded` lets in who has a token.
 */
#include <await.h>
#include <await/http_server.h>
#include <await/socketio.h>
#include <await/tls.h>
#include <stdio.h>
#include <string.h>

#include "sio_suite.h"

static int disconnected(aw_sio_socket *s, void *arg)
{
    (void)arg;
    printf("%s: %s\n", aw_sio_namespace_name(aw_sio_socket_namespace(s)), aw_sio_socket_reason(s));
    return 0;
}

static int join(aw_sio_event *e, void *arg)
{
    (void)arg;
    AW_TRY(aw_sio_join(aw_sio_event_socket(e), aw_sio_event_string(e, 0)));
    return aw_sio_ack(e, NULL);
}

static int tell(aw_sio_event *e, void *arg)
{
    return aw_sio_broadcast(arg, "told", aw_sio_event_json(e, NULL),
                            .room = aw_sio_event_string(e, 0),
                            .except_socket = aw_sio_event_socket(e));
}

static int question(aw_sio_event *e, void *arg)
{
    aw_sio_event *answer = NULL;
    (void)arg;
    int err = aw_sio_call(aw_sio_event_socket(e), "question", aw_sio_event_json(e, NULL),
                          .ret = &answer, .timeout = 0.3);
    if (err == 0)
        err = aw_sio_ack(e, aw_sio_event_json(answer, NULL));
    else if (err == -ETIMEDOUT)
        err = aw_sio_ack(e, "[\"no answer\"]");
    aw_sio_event_unref(answer);
    return err;
}

static int kick(aw_sio_event *e, void *arg)
{
    double all = 0;
    (void)arg;
    (void)aw_sio_event_number(e, 0, &all);
    return aw_sio_disconnect(aw_sio_event_socket(e), .close = all != 0);
}

static int count(aw_sio_event *e, void *arg)
{
    char args[32];
    snprintf(args, sizeof args, "[%zu]", aw_sio_namespace_sockets(arg));
    return aw_sio_ack(e, args);
}

static int guard(aw_sio_socket *s, void *arg)
{
    (void)arg;
    AW_TRY(aw_sleep(0.005));
    if (!strstr(aw_sio_socket_auth(s), "\"token\":\"123\""))
        return aw_sio_refuse(s, "not authorised", "{\"code\":42}");
    return 0;
}

static aw_sio_namespace *furnish(aw_sio *io, const char *name)
{
    aw_sio_namespace *ns = aw_sio_of(io, name);
    aw_ignore(sio_suite(ns));
    aw_ignore(aw_sio_on_disconnect(ns, disconnected, NULL));
    aw_ignore(aw_sio_on(ns, "join", join, NULL));
    aw_ignore(aw_sio_on(ns, "tell", tell, ns));
    aw_ignore(aw_sio_on(ns, "question", question, NULL));
    aw_ignore(aw_sio_on(ns, "kick", kick, NULL));
    aw_ignore(aw_sio_on(ns, "count", count, ns));
    return ns;
}

static int serve(aw_http_server **ret, aw_sio *io, char **args)
{
    const char *port = args[0] ? args[0] : "0", *certificate = args[0] ? args[1] : NULL;
    aw_tls_context *tls = NULL;
    if (certificate) {
        tls = aw_tls_context_new(.server = true, .certificate = certificate);
        AW_TRY(tls ? 0 : aw_errno());
    }
    int err = aw_http_serve(ret, aw_sio_handler, "127.0.0.1", port, .arg = io, .tls = tls);
    aw_tls_context_unref(tls);
    return err;
}

static int run(void *arg)
{
    aw_http_server *server;
    aw_address at;
    aw_sio *io = aw_sio_new(.ping_interval = 2, .ping_timeout = 2);
    furnish(io, "/");
    furnish(io, "/custom");
    aw_ignore(aw_sio_use(furnish(io, "/guarded"), guard, NULL));
    AW_TRY(serve(&server, io, arg));
    AW_TRY(aw_http_server_address(server, 0, &at));
    printf("listening on 127.0.0.1:%d\n", aw_address_port(&at));
    fflush(stdout);
    int err = aw_stop_wait();
    int left = aw_sio_close(io, .grace = 2);
    aw_ignore(aw_http_server_shutdown(server, .grace = 2));
    aw_http_server_unref(server);
    printf("%zu sessions, %d handlers\n", aw_sio_sessions(io), left);
    aw_sio_unref(io);
    return err;
}

int main(int argc, char **argv)
{
    (void)argc;
    int err = aw_run(run, argv + 1, .stop_on = AW_SIGINT_SIGTERM);
    if (err < 0)
        fprintf(stderr, "%s %s\n", aw_strerror(err), aw_errmsg());
    return err < 0;
}
