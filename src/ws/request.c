/*
 * request.c - what a client asks: the text of the request, with nothing in it that could end a
 * line.
 */
#include <stdio.h>
#include <string.h>

#include "text/growing.h"
#include "ws/head.h"
#include "ws/ws.h"

static void add_field(struct aw_growing *t, const char *name, const char *value)
{
    aw_growing_adds(t, name);
    aw_growing_adds(t, ": ");
    aw_growing_adds(t, value);
    aw_growing_adds(t, "\r\n");
}

/* A line's end is a control character, too. */
static bool is_value(const char *s)
{
    return !aw_has_control(s, strlen(s));
}

/* The handshake's own are not for the caller to say again. */
static bool is_own(const char *name, size_t n)
{
    static const char *const own[] = {"Host",           "Upgrade",           "Connection",
                                      "Content-Length", "Transfer-Encoding", "Origin"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (aw_same_word(name, n, own[i]))
            return true;
    return n >= 14 && aw_same_word(name, 14, "Sec-WebSocket-");
}

static bool check_header(const char *line)
{
    size_t n = strcspn(line, ":");
    return line[n] && aw_is_token(line, n) && !is_own(line, n) && is_value(line + n);
}

static const char *complaint(const aw_websocket_connect_opts *o)
{
    for (size_t i = 0; o->headers && o->headers[i]; i++)
        if (!check_header(o->headers[i]))
            return "a header that cannot be sent, or is the handshake's own";
    for (size_t i = 0; o->protocols && o->protocols[i]; i++) {
        if (!aw_is_token(o->protocols[i], strlen(o->protocols[i])))
            return "a protocol's name is no token";
        for (size_t j = 0; j < i; j++)
            if (!strcmp(o->protocols[i], o->protocols[j]))
                return "a protocol is named twice";
    }
    return o->origin && (!*o->origin || !is_value(o->origin)) ? "the origin cannot be sent" : NULL;
}

static void add_options(struct aw_growing *t, const aw_websocket_connect_opts *o)
{
    if (o->origin)
        add_field(t, "Origin", o->origin);
    for (size_t i = 0; o->protocols && o->protocols[i]; i++) {
        aw_growing_adds(t, i ? ", " : "Sec-WebSocket-Protocol: ");
        aw_growing_adds(t, o->protocols[i]);
    }
    if (o->protocols && o->protocols[0])
        aw_growing_adds(t, "\r\n");
    for (size_t i = 0; o->headers && o->headers[i]; i++) {
        aw_growing_adds(t, o->headers[i]);
        aw_growing_adds(t, "\r\n");
    }
}

char *ws_request(const struct ws_url *u, const aw_websocket_connect_opts *o, const char *key)
{
    const char *why = complaint(o);
    if (why)
        return aw_refuse(-EINVAL, why);
    struct aw_growing t = {0};
    aw_growing_adds(&t, *u->target == '/' ? "GET " : "GET /");
    aw_growing_adds(&t, u->target);
    aw_growing_adds(&t, " HTTP/1.1\r\nHost: ");
    aw_growing_add(&t, u->place, u->place_size);
    aw_growing_adds(
        &t, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
    add_field(&t, "Sec-WebSocket-Key", key);
    add_options(&t, o);
    aw_growing_add(&t, "\r\n", 3); /* and the string's end */
    if (!t.failed)
        return t.data;
    aw_growing_clear(&t);
    return aw_refuse(-ENOMEM, NULL);
}
