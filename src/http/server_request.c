/*
 * server_request.c - what a handler may ask about a request.
 */
#include "http/server.h"

#include <string.h>

const char *aw_http_request_method(const aw_http_request *r)
{
    return r && r->head.method ? r->head.method : "";
}

const char *aw_http_request_target(const aw_http_request *r)
{
    return r && r->head.target ? r->head.target : "";
}

const char *aw_http_request_path(const aw_http_request *r)
{
    return r && r->path ? r->path : "";
}

const char *aw_http_request_query(const aw_http_request *r)
{
    return r && r->query ? r->query : "";
}

int aw_http_request_minor(const aw_http_request *r)
{
    return r ? r->head.minor : -EINVAL;
}

const char *aw_http_request_field(const aw_http_request *r, const char *name)
{
    for (size_t i = 0; r && name && i < r->head.n_fields; i++) {
        const struct aw_http_field *f = &r->head.fields[i];
        if (aw_same_word(f->name, f->name_len, name))
            return f->value;
    }
    return NULL;
}

int aw_http_request_field_at(const aw_http_request *r, size_t i, const char **ret_name,
                             const char **ret_value)
{
    if (!r || !ret_name || !ret_value)
        return aw_raise(-EINVAL, "the request is NULL, or a place for the field");
    if (i >= r->head.n_fields)
        return -ENOENT;
    *ret_name = r->head.fields[i].name;
    *ret_value = r->head.fields[i].value;
    return 0;
}

bool aw_http_request_has_token(const aw_http_request *r, const char *field, const char *token)
{
    for (size_t i = 0; r && field && token && i < r->head.n_fields; i++) {
        const struct aw_http_field *f = &r->head.fields[i];
        const char *at = f->value, *end = at + strlen(at), *found;
        size_t n;
        if (!aw_same_word(f->name, f->name_len, field))
            continue;
        while (aw_next_item(&at, end, &found, &n))
            if (aw_same_word(found, n, token))
                return true;
    }
    return false;
}

/* A name or a value of the query, decoded into memory of its own. */
static char *decoded(aw_http_request *r, const char *text, size_t n)
{
    char *copy = aw_http_copy(r, text, n);
    ptrdiff_t len = copy ? aw_percent_decode(copy, n, true) : -1;
    if (len < 0)
        return NULL;
    copy[len] = '\0';
    return copy;
}

/* Is this name, which may be encoded, the one that is asked for? */
static bool is_name(aw_http_request *r, const char *text, size_t n, const char *name)
{
    if (!memchr(text, '%', n) && !memchr(text, '+', n))
        return strlen(name) == n && memcmp(text, name, n) == 0;
    const char *plain = decoded(r, text, n);
    return plain && strcmp(plain, name) == 0;
}

const char *aw_http_request_argument(aw_http_request *r, const char *name)
{
    const char *at = aw_http_request_query(r);
    while (r && name && *at) {
        size_t n = strcspn(at, "&"), key = strcspn(at, "=&");
        if (is_name(r, at, key, name))
            return key < n ? decoded(r, at + key + 1, n - key - 1) : "";
        at += n + (at[n] == '&');
    }
    return NULL;
}

const char *aw_http_request_parameter(const aw_http_request *r, const char *name)
{
    for (size_t i = 0; r && name && i < r->n_parameters; i++)
        if (strcmp(r->parameters[i].name, name) == 0)
            return r->parameters[i].value;
    return NULL;
}

const char *aw_http_request_peer(const aw_http_request *r)
{
    return r ? r->connection->peer : "";
}

bool aw_http_request_is_tls(const aw_http_request *r)
{
    return r && r->connection->is_tls;
}

aw_stream *aw_http_request_stream(const aw_http_request *r)
{
    return r ? r->connection->stream : NULL;
}
