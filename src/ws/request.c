/*
 * request.c - what a client asks: the text of the request, with nothing in it that could end a
 * line.
 */
#include <stdio.h>
#include <string.h>

#include "ws/head.h"
#include "ws/ws.h"

/* Text that grows; without memory it says so in the end. */
struct text {
    char *data;
    size_t len, size;
    bool failed;
};

static void add(struct text *t, const char *more, size_t n)
{
    if (t->len + n >= t->size) {
        size_t size = 2 * (t->len + n) + 512;
        char *data = aw_mem_alloc(size);
        if (!data) {
            t->failed = true;
            return;
        }
        if (t->len)
            memcpy(data, t->data, t->len);
        aw_mem_free(t->data);
        t->data = data;
        t->size = size;
    }
    memcpy(t->data + t->len, more, n);
    t->len += n;
    t->data[t->len] = '\0';
}

static void add_text(struct text *t, const char *more)
{
    add(t, more, strlen(more));
}

static void add_field(struct text *t, const char *name, const char *value)
{
    add_text(t, name);
    add_text(t, ": ");
    add_text(t, value);
    add_text(t, "\r\n");
}

/* Bytes that a value may have; a line's end is not among them. */
static bool is_value(const char *s)
{
    for (; *s; s++)
        if (((unsigned char)*s < ' ' && *s != '\t') || *s == 127)
            return false;
    return true;
}

/* The handshake's own are not for the caller to say again. */
static bool is_own(const char *name, size_t n)
{
    static const char *const own[] = {"Host",           "Upgrade",           "Connection",
                                      "Content-Length", "Transfer-Encoding", "Origin"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (ws_same_word(name, n, own[i]))
            return true;
    return n >= 14 && ws_same_word(name, 14, "Sec-WebSocket-");
}

static bool check_header(const char *line)
{
    size_t n = strcspn(line, ":");
    return line[n] && ws_is_token(line, n) && !is_own(line, n) && is_value(line + n);
}

static const char *complaint(const aw_websocket_connect_opts *o)
{
    for (size_t i = 0; o->headers && o->headers[i]; i++)
        if (!check_header(o->headers[i]))
            return "a header that cannot be sent, or is the handshake's own";
    for (size_t i = 0; o->protocols && o->protocols[i]; i++) {
        if (!ws_is_token(o->protocols[i], strlen(o->protocols[i])))
            return "a protocol's name is no token";
        for (size_t j = 0; j < i; j++)
            if (!strcmp(o->protocols[i], o->protocols[j]))
                return "a protocol is named twice";
    }
    return o->origin && (!*o->origin || !is_value(o->origin)) ? "the origin cannot be sent" : NULL;
}

static void add_options(struct text *t, const aw_websocket_connect_opts *o)
{
    if (o->origin)
        add_field(t, "Origin", o->origin);
    for (size_t i = 0; o->protocols && o->protocols[i]; i++) {
        add_text(t, i ? ", " : "Sec-WebSocket-Protocol: ");
        add_text(t, o->protocols[i]);
    }
    if (o->protocols && o->protocols[0])
        add_text(t, "\r\n");
    for (size_t i = 0; o->headers && o->headers[i]; i++) {
        add_text(t, o->headers[i]);
        add_text(t, "\r\n");
    }
}

char *ws_request(const struct ws_url *u, const aw_websocket_connect_opts *o, const char *key)
{
    const char *why = complaint(o);
    if (why)
        return aw_refuse(-EINVAL, why);
    struct text t = {0};
    add_text(&t, *u->target == '/' ? "GET " : "GET /");
    add_text(&t, u->target);
    add_text(&t, " HTTP/1.1\r\nHost: ");
    add(&t, u->place, u->place_size);
    add_text(&t, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
    add_field(&t, "Sec-WebSocket-Key", key);
    add_options(&t, o);
    add_text(&t, "\r\n");
    if (!t.failed)
        return t.data;
    aw_mem_free(t.data);
    return aw_refuse(-ENOMEM, NULL);
}
