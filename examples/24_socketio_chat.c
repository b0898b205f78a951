/*
 * A chat with rooms, by Socket.IO: 24_socketio_chat [PORT], then http://localhost:8080/ in several
 * windows.
 *
 * A client says `join` with a name and a room, and is told by the acknowledgement who is there;
 * what it then says by `say` goes to everybody else in that room.  The page speaks the protocol
 * itself, in a few lines; `io()` of npm's socket.io-client, or any other client, talks to this
 * server as well.
 *
 * Notice what a handler may do: wait.  `history` answers slowly, and nobody else is held up.  And
 * what it need not do: find out who is still there.  A room is left by leaving.
 */
#include <await.h>
#include <await/http_server.h>
#include <await/socketio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 20, ARGUMENTS = 1200, GRACE = 5 };

struct guest {
    char name[NAME + 1], room[NAME + 1];
};

/* ---- events ---- */

/* A name as part of JSON: what would need quoting there is left out. */
static void copy_name(char to[NAME + 1], const char *from)
{
    size_t n = 0;
    for (; from && *from && n < NAME; from++)
        if ((unsigned char)*from >= ' ' && (unsigned char)*from < 127 && !strchr("\"\\", *from))
            to[n++] = *from;
    to[n] = '\0';
}

/* socket.emit('join', name, room, (names) => ...) */
static int join(aw_sio_event *e, void *arg)
{
    aw_sio_namespace *chat = arg;
    aw_sio_socket *s = aw_sio_event_socket(e), *there[50];
    struct guest *g = aw_sio_socket_data(s);
    if (*g->room)
        return aw_sio_ack(e, "[\"you are in a room already\"]");
    copy_name(g->name, aw_sio_event_string(e, 0));
    copy_name(g->room, aw_sio_event_string(e, 1));
    if (!*g->name)
        *g->room = '\0';
    if (!*g->room)
        return aw_sio_ack(e, "[\"a name and a room, please\"]");
    AW_TRY(aw_sio_join(s, g->room));
    char names[ARGUMENTS] = "[null,\"\"";
    size_t n = aw_sio_fetch(chat, g->room, there, 50);
    for (size_t i = 0; i < n && i < 50; i++) {
        const struct guest *other = aw_sio_socket_data(there[i]);
        size_t at = strlen(names);
        snprintf(names + at, sizeof names - at - 2, ",\"%s\"", other->name);
        aw_sio_socket_unref(there[i]);
    }
    snprintf(names + strlen(names), 2, "]");
    char args[ARGUMENTS];
    snprintf(args, sizeof args, "[\"%s\",\"is here\"]", g->name);
    AW_TRY(aw_sio_broadcast(chat, "notice", args, .room = g->room, .except_socket = s));
    return aw_sio_ack(e, names);
}

/* socket.emit('say', text): the text goes on as the JSON that it came as. */
static int say(aw_sio_event *e, void *arg)
{
    aw_sio_socket *s = aw_sio_event_socket(e);
    const struct guest *g = aw_sio_socket_data(s);
    size_t n;
    const char *json = aw_sio_event_json(e, &n);
    if (!*g->room || !aw_sio_event_string(e, 0) || n > 1000)
        return aw_sio_emit(s, "notice", "[\"server\",\"join a room, and say little\"]");
    char args[ARGUMENTS];
    snprintf(args, sizeof args, "[\"%s\",%s", g->name, json + 1);
    return aw_sio_broadcast(arg, "said", args, .room = g->room, .except_socket = s);
}

/* socket.emit('history', (text) => ...): waits for somebody, as for a database. */
static int history(aw_sio_event *e, void *arg)
{
    (void)arg;
    AW_TRY(aw_sleep(0.2));
    return aw_sio_ack(e, "[\"nothing was said before you came\"]");
}

/* ---- coming and going ---- */

static int come(aw_sio_socket *s, void *arg)
{
    (void)arg;
    aw_sio_socket_set_data(s, calloc(1, sizeof(struct guest)));
    return aw_sio_socket_data(s) ? 0 : -ENOMEM;
}

static int go(aw_sio_socket *s, void *arg)
{
    struct guest *g = aw_sio_socket_data(s);
    char args[ARGUMENTS];
    if (g && *g->room) {
        snprintf(args, sizeof args, "[\"%s\",\"has left: %s\"]", g->name, aw_sio_socket_reason(s));
        aw_ignore(aw_sio_broadcast(arg, "notice", args, .room = g->room));
    }
    free(g);
    return 0;
}

/* ---- the page ---- */

static const char page[] =
    "<!doctype html><meta charset=utf-8><title>Chat</title>\n"
    "<p><input id=name placeholder=name> <input id=room placeholder=room value=lobby>\n"
    "<button id=join>join</button>\n"
    "<p><input id=text placeholder='say something' size=50>\n"
    "<ul id=log></ul>\n"
    "<script>\n"
    "// Socket.IO in a few lines: 0 opens, 40 connects, 2 is a ping, 42 an event, 43 an answer.\n"
    "const ws = new WebSocket(`ws://${location.host}/socket.io/?EIO=4&transport=websocket`);\n"
    "const waiting = {}; let id = 0;\n"
    "const show = (...words) => { const li = document.createElement('li');\n"
    "  li.textContent = words.join(' '); log.prepend(li); };\n"
    "const emit = (...args) => { const answer = typeof args.at(-1) === 'function' && args.pop();\n"
    "  if (answer) waiting[++id] = answer;\n"
    "  ws.send('42' + (answer ? id : '') + JSON.stringify(args)); };\n"
    "ws.onmessage = ({data}) => {\n"
    "  if (data[0] === '0') ws.send('40');\n"
    "  if (data === '2') ws.send('3');\n"
    "  const [, kind, n, json] = data.match(/^(4[23])(\\d*)(.*)/) || [];\n"
    "  if (kind === '42') { const [event, who, what] = JSON.parse(json);\n"
    "    show(event === 'said' ? who + ':' : '* ' + who, what); }\n"
    "  if (kind === '43') waiting[n](...JSON.parse(json)); };\n"
    "ws.onclose = () => show('the server has gone');\n"
    "const $ = (x) => document.getElementById(x);\n"
    "$('join').onclick = () => emit('join', $('name').value, $('room').value,\n"
    "  (error, _, ...names) => show(error || 'here: ' + names.join(', ')));\n"
    "$('text').onchange = (e) => { emit('say', e.target.value);\n"
    "  show('you:', e.target.value); e.target.value = ''; };\n"
    "</script>\n";

static int give_page(aw_http_request *r, void *arg)
{
    (void)arg;
    return aw_http_respond(r, 200, "text/html; charset=utf-8", page, sizeof page - 1);
}

/* ---- the server ---- */

static int furnish(aw_sio_namespace *chat)
{
    AW_TRY(aw_sio_on_connect(chat, come, NULL));
    AW_TRY(aw_sio_on_disconnect(chat, go, chat));
    AW_TRY(aw_sio_on(chat, "join", join, chat));
    AW_TRY(aw_sio_on(chat, "say", say, chat));
    return aw_sio_on(chat, "history", history, NULL);
}

static int serve(aw_sio *io, aw_http_router *router, const char *port)
{
    aw_http_server *server;
    aw_address at;
    AW_TRY(furnish(aw_sio_of(io, "/")));
    AW_TRY(aw_http_route(router, "GET", "/", give_page, NULL));
    AW_TRY(aw_http_route(router, "*", "/socket.io/", aw_sio_handler, io));
    AW_TRY(aw_http_serve(&server, aw_http_router_handler, "127.0.0.1", port, .arg = router));
    AW_TRY(aw_http_server_address(server, 0, &at));
    printf("listening on 127.0.0.1:%d\n", aw_address_port(&at));
    int err = aw_stop_wait();
    printf("%zu clients\n", aw_sio_sessions(io));
    aw_ignore(aw_sio_close(io, .grace = GRACE)); /* first the sessions, then what they came by */
    int left = aw_http_server_shutdown(server, .grace = GRACE);
    aw_http_server_unref(server);
    return err < 0 ? err : left;
}

static int run(void *arg)
{
    char **args = arg;
    aw_sio *io = aw_sio_new();
    aw_http_router *router = aw_http_router_new();
    int err = io && router ? serve(io, router, args[0] ? args[0] : "8080") : aw_errno();
    aw_sio_unref(io);
    aw_http_router_free(router);
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
