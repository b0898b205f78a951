/*
 * url.c - ws:// and wss://, strictly: scheme, host, port, and what is asked for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ws/head.h"
#include "ws/ws.h"

static int wrong(const char *why)
{
    return aw_raise(-EINVAL, why);
}

static const char *parse_scheme(const char *url, bool *secure)
{
    const char *colon = strstr(url, "://");
    size_t n = colon ? (size_t)(colon - url) : 0;
    *secure = aw_same_word(url, n, "wss");
    return colon && (*secure || aw_same_word(url, n, "ws")) ? colon + 3 : NULL;
}

static int parse_port(const char *text, size_t n, struct ws_url *ret)
{
    unsigned number = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return wrong("the URL's port is no number");
        number = 10 * number + (unsigned)(text[i] - '0');
        if (number > 65535)
            return wrong("the URL's port is no port");
    }
    if (n && !number)
        return wrong("the URL's port is no port");
    snprintf(ret->port, sizeof ret->port, "%u", n ? number : ret->secure ? 443 : 80);
    return 0;
}

/* "host", "host:80", "[::1]:80" */
static int parse_place(const char *place, size_t n, struct ws_url *ret)
{
    const char *host = place, *end = place + n, *stop;
    if (n && *place == '[') {
        host++;
        stop = memchr(host, ']', n - 1);
        if (!stop)
            return wrong("the URL's address has no end");
    } else {
        stop = memchr(place, ':', n);
        stop = stop ? stop : end;
    }
    const char *rest = *host && host > place ? stop + 1 : stop;
    if (rest < end && *rest != ':')
        return wrong("there is something between the URL's host and its port");
    if (stop == host)
        return wrong("the URL has no host");
    AW_TRY(parse_port(rest + (rest < end), rest < end ? (size_t)(end - rest - 1) : 0, ret));
    ret->host = aw_copy_n(host, (size_t)(stop - host));
    return ret->host ? 0 : aw_raise(-ENOMEM, NULL);
}

/* Anything else would have to be written in another way to be sent. */
static bool is_sendable(const char *url)
{
    for (; *url; url++)
        if (*url <= ' ' || *url >= 127 || *url == '#')
            return false;
    return true;
}

int ws_url_parse(const char *url, struct ws_url *ret)
{
    *ret = (struct ws_url){0};
    if (!url)
        return wrong("the URL is NULL");
    const char *place = parse_scheme(url, &ret->secure);
    if (!place)
        return wrong("the URL does not begin with ws:// or wss://");
    if (!is_sendable(place))
        return wrong("the URL has a fragment, or bytes that have to be quoted");
    ret->place = place;
    ret->place_size = strcspn(place, "/?");
    if (memchr(place, '@', ret->place_size))
        return wrong("the URL names a user: use a header for that");
    ret->target = place + ret->place_size;
    return parse_place(place, ret->place_size, ret);
}

void ws_url_free(struct ws_url *u)
{
    aw_mem_free(u->host);
    u->host = NULL;
}
