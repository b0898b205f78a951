/*
 * handshake.c - what a session keeps of the request that began it, and which pages may make one.
 */
#include <string.h>

#include "sio/sio.h"
#include "text/words.h"

/* ---- what is kept ---- */

static void add_string(struct aw_growing *t, const char *text)
{
    aw_growing_add(t, text, strlen(text) + 1);
}

char *aw_sio_handshake_new(const aw_http_request *r)
{
    struct aw_growing t = {0};
    const char *name, *value;
    add_string(&t, aw_http_request_peer(r));
    add_string(&t, aw_http_request_query(r));
    for (size_t i = 0; aw_http_request_field_at(r, i, &name, &value) == 0; i++) {
        add_string(&t, name);
        add_string(&t, value);
    }
    aw_growing_addc(&t, '\0');
    char *block = t.failed ? NULL : aw_mem_alloc(t.len);
    if (block)
        memcpy(block, t.data, t.len);
    aw_growing_clear(&t);
    return block;
}

static const char *next(const char *string)
{
    return string + strlen(string) + 1;
}

const char *aw_sio_handshake_peer(const char *h)
{
    return h;
}

const char *aw_sio_handshake_query(const char *h)
{
    return next(h);
}

static bool same(const char *a, const char *b)
{
    return aw_same_word(a, strlen(a), b);
}

const char *aw_sio_handshake_field(const char *h, const char *name)
{
    for (const char *at = next(next(h)); *at; at = next(next(at)))
        if (same(at, name))
            return next(at);
    return NULL;
}

/* ---- who may ---- */

/* The page of this server itself: its origin's host and port are those that it has asked for.  One
 * that came by plain HTTP could be anybody's, where the server is reached by TLS. */
static bool is_own(aw_http_request *r, const char *origin)
{
    const char *host = aw_http_request_field(r, "Host"), *at = strstr(origin, "://");
    if (!host || !at || !same(at + 3, host))
        return false;
    return !aw_http_request_is_tls(r) || strncmp(origin, "https://", 8) == 0;
}

static bool is_listed(const aw_sio *io, const char *origin)
{
    for (char **listed = io->origins; listed && *listed; listed++)
        if (same(*listed, origin))
            return true;
    return io->every_origin;
}

int aw_sio_check_origin(aw_sio *io, aw_http_request *r, const char **ret_refused)
{
    const char *origin = aw_http_request_field(r, "Origin");
    if (!origin)
        return 0; /* no page, or a page of this server that only reads */
    bool listed = is_listed(io, origin);
    if (!listed && is_own(r, origin))
        return 0;
    if (!listed) {
        *ret_refused = "the page's origin is not allowed";
        return -EACCES;
    }
    AW_TRY(
        aw_http_respond_field(r, "Access-Control-Allow-Origin", io->every_origin ? "*" : origin));
    AW_TRY(aw_http_respond_field(r, "Vary", "Origin"));
    if (io->opts.credentials)
        AW_TRY(aw_http_respond_field(r, "Access-Control-Allow-Credentials", "true"));
    return 0;
}
