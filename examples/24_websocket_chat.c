/*
 * A chat for browsers: 24_websocket_chat [PORT], then open http://127.0.0.1:PORT/ in several tabs.
 *
 * One port has the page, and under /chat the WebSocket.  The first message of a client is its name,
 * every other one is sent to everybody, as a frame that is encoded once.  Who does not read has a
 * limited number of bytes kept, and is dropped then: nobody else waits for that.  Pages of other
 * sites cannot connect.  SIGTERM or SIGINT (Ctrl-C) ends it; everybody is told.
 */
#include <await.h>
#include <await/websocket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 1000, NAME = 20, PENDING = 64 * 1024, GRACE = 5 };

struct client {
    aw_websocket *ws;
    char name[NAME + 1];
    struct client *next;
};

static struct client *clients; /* those who have said their names */

static const char page[] =
    "<!DOCTYPE html><meta charset=utf-8><title>chat</title>\n"
    "<pre id=all></pre><form><input id=line autofocus placeholder='your name'></form>\n"
    "<script>\n"
    "const line = document.getElementById('line'), all = document.getElementById('all');\n"
    "const ws = new WebSocket(location.href.replace(/^http/, 'ws') + 'chat');\n"
    "const show = text => { all.textContent += text + '\\n'; };\n"
    "ws.onmessage = e => show(e.data);\n"
    "ws.onclose = e => show('closed: ' + e.code + ' ' + e.reason);\n"
    "document.forms[0].onsubmit = e => {\n"
    "    e.preventDefault(); ws.send(line.value); line.value = ''; line.placeholder = '';\n"
    "};\n"
    "</script>\n";

/* To everybody: none of these calls suspends, so nobody can leave meanwhile. */
static void tell(const char *name, const char *text)
{
    char line[TEXT + NAME + 8];
    int n = snprintf(line, sizeof line, "%s%s%s", name, *name ? ": " : "", text);
    aw_websocket_frame *frame = aw_websocket_frame_new(line, (size_t)n);
    for (struct client *c = clients; frame && c; c = c->next)
        if (aw_websocket_send_frame(c->ws, frame, .nowait = true) == AW_EFULL)
            aw_ignore(aw_websocket_abort(c->ws)); /* it does not read */
    aw_websocket_frame_unref(frame);
}

static void note(const char *name, const char *what)
{
    char text[NAME + 32];
    snprintf(text, sizeof text, "* %s %s", name, what);
    tell("", text);
}

static void leave(const struct client *me)
{
    struct client **at = &clients;
    while (*at != me)
        at = &(*at)->next;
    *at = me->next;
    note(me->name, "has left");
}

/* Cut to `most` bytes, but not within a character. */
static void cut(aw_websocket_message *m, size_t most)
{
    size_t n = m->size < most ? m->size : most;
    while (n && n < m->size && (m->data[n] & 0xc0) == 0x80)
        n--;
    m->data[n] = '\0';
}

static int talk(struct client *me)
{
    aw_websocket_message m;
    int more = aw_websocket_receive(me->ws, &m);
    if (more <= 0)
        return more;
    cut(&m, NAME);
    snprintf(me->name, sizeof me->name, "%s", m.data);
    me->next = clients;
    clients = me;
    note(me->name, "is here");
    while ((more = aw_websocket_receive(me->ws, &m)) > 0) {
        cut(&m, TEXT);
        tell(me->name, m.data);
    }
    leave(me); /* whatever the reason: a close, a reset, a cancellation */
    return more == AW_EOF || more == -ECONNABORTED ? 0 : more;
}

static int chat(aw_http_request *r)
{
    struct client me = {0};
    AW_TRY(aw_websocket_accept(r, &me.ws, .limits.max_message = 4 * TEXT,
                               .limits.max_pending = PENDING));
    int err = talk(&me);
    aw_websocket_unref(me.ws);
    return err;
}

static int answer(aw_http_request *r, void *arg)
{
    (void)arg;
    if (strcmp(aw_http_request_path(r), "/chat") == 0)
        return chat(r);
    if (strcmp(aw_http_request_path(r), "/") == 0)
        return aw_http_respond(r, 200, "text/html; charset=utf-8", page, sizeof page - 1);
    return aw_http_respond_status(r, 404);
}

static int run(void *arg)
{
    char **args = arg, text[AW_ADDRESS_TEXT];
    aw_http_server *server;
    aw_address at;
    AW_TRY(aw_http_serve(&server, answer, "127.0.0.1", args[0] ? args[0] : "7000"));
    aw_ignore(aw_http_server_address(server, 0, &at));
    aw_ignore(aw_address_format(&at, text, sizeof text));
    printf("listening on %s\n", text);
    int err = aw_stop_wait();
    for (struct client *c = clients; c; c = c->next)
        aw_ignore(aw_websocket_close(c->ws, .code = AW_WS_GOING_AWAY, .reason = "the server ends",
                                     .nowait = true));
    int left = aw_http_server_shutdown(server, .grace = GRACE);
    aw_http_server_unref(server);
    return err < 0 ? err : left;
}

int main(int argc, char **argv)
{
    (void)argc;
    return aw_run(run, argv + 1, .stop_on = AW_SIGINT_SIGTERM) != 0;
}
