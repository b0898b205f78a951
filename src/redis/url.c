/*
 * url.c - redis://user:password@host:port/db, rediss://..., unix:///path?db=number.
 *
 * A copy of the URL is cut in place into its parts, which are then unescaped, and never grow.
 */
#include <string.h>

#include "await/loop.h"
#include "await/memory.h"
#include "redis/url.h"
#include "text/words.h"

/* A part of the copy: NULL if it is empty. */
static bool part(const char **ret, char *text)
{
    *ret = NULL;
    if (!text || !*text)
        return true;
    ptrdiff_t n = aw_percent_decode(text, strlen(text), false);
    if (n < 0)
        return false;
    text[n] = '\0';
    *ret = text;
    return true;
}

static bool number(const char *text, unsigned *ret)
{
    unsigned n = 0;
    for (const char *at = text; *at; at++) {
        if (*at < '0' || *at > '9' || n > 1000000)
            return false;
        n = n * 10 + (unsigned)(*at - '0');
    }
    *ret = n;
    return true;
}

/* "user:password@" before the rest, up to the '@' at `end` (NULL: none): cut off; the rest. */
static char *cut_user(struct rd_url *u, char *at, char *end, bool *fine)
{
    if (!end)
        return at;
    *end = '\0';
    char *colon = strchr(at, ':');
    if (colon)
        *colon = '\0';
    *fine = part(&u->password, colon ? colon + 1 : NULL) && part(&u->user, at);
    return end + 1;
}

/* "host:port", "[::1]:port" */
static bool cut_host(struct rd_url *u, char *at)
{
    char *port = NULL;
    if (*at == '[') {
        char *end = strchr(at, ']');
        if (!end || (end[1] && end[1] != ':'))
            return false;
        *end = '\0';
        port = end[1] ? end + 2 : NULL;
        at++;
    } else if ((port = strchr(at, ':')) != NULL) {
        *port++ = '\0';
    }
    return part(&u->host, at) && part(&u->port, port);
}

static bool cut_tcp(struct rd_url *u, char *at)
{
    bool fine = true;
    char *slash = strchr(at, '/');
    if (slash)
        *slash++ = '\0';
    at = cut_user(u, at, strrchr(at, '@'), &fine);
    if (slash && strchr(slash, '?'))
        return false;
    return fine && cut_host(u, at) && (!slash || number(slash, &u->db));
}

static bool cut_unix(struct rd_url *u, char *at)
{
    bool fine = true;
    char *query = strchr(at, '?');
    if (query)
        *query++ = '\0';
    at = cut_user(u, at, *at == '/' ? NULL : strstr(at, "@/"), &fine);
    if (query && (strncmp(query, "db=", 3) != 0 || !number(query + 3, &u->db)))
        return false;
    return fine && *at == '/' && part(&u->path, at);
}

int rd_url_parse(struct rd_url *u, const char *url)
{
    *u = (struct rd_url){0};
    u->memory = aw_copy(url);
    if (!u->memory)
        return -ENOMEM;
    char *rest = strstr(u->memory, "://");
    bool fine = rest != NULL;
    if (fine) {
        *rest = '\0';
        rest += 3;
        u->secure = strcmp(u->memory, "rediss") == 0;
        if (u->secure || strcmp(u->memory, "redis") == 0)
            fine = cut_tcp(u, rest);
        else
            fine = strcmp(u->memory, "unix") == 0 && cut_unix(u, rest);
    }
    if (fine)
        return 0;
    aw_mem_free(u->memory);
    *u = (struct rd_url){0};
    return aw_raise(-EINVAL, "this is no URL of a Redis server");
}
