/*
 * server_head.c - the head of a request: waited for, taken out of the stream, and understood.
 *
 * The head stays in the stream's buffer until it is complete, and is then copied once, into the
 * exchange's arena, where its parts become strings.  What spelling cannot decide is decided here:
 * which fields must be there once, which exclude each other, and what comes behind the head.  A
 * server in front of this one, or behind it, must not come to another end about that.
 */
#include "http/server.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What the fields that decide about a request say; NULL: they are not there. */
struct fields {
    const char *host, *length, *coding, *expect;
    const char *repeated; /* one that must not be */
    bool closes, keeps;   /* Connection */
};

/* Told, and answered: 0, as there is no request. */
static int refuse(aw_http_request *r, struct aw_http_refusal refusal)
{
    aw_http_log_refusal(r, &refusal);
    aw_http_answer_refusal(r, refusal.status);
    return 0;
}

/* ---- what the fields mean ---- */

static void note(const char **place, const struct aw_http_field *f, struct fields *fields)
{
    if (*place)
        fields->repeated = f->name;
    *place = f->value;
}

static void look_at_connection(aw_http_request *r, const char *list, struct fields *ret)
{
    const char *token, *end = list + strlen(list);
    size_t n;
    while (aw_next_item(&list, end, &token, &n)) {
        ret->closes |= aw_same_word(token, n, "close");
        ret->keeps |= aw_same_word(token, n, "keep-alive");
        r->wants_upgrade |= aw_same_word(token, n, "upgrade");
    }
}

static void look_at_fields(aw_http_request *r, struct fields *ret)
{
    for (size_t i = 0; i < r->head.n_fields; i++) {
        const struct aw_http_field *f = &r->head.fields[i];
        if (aw_same_word(f->name, f->name_len, "host"))
            note(&ret->host, f, ret);
        else if (aw_same_word(f->name, f->name_len, "content-length"))
            note(&ret->length, f, ret);
        else if (aw_same_word(f->name, f->name_len, "transfer-encoding"))
            note(&ret->coding, f, ret);
        else if (aw_same_word(f->name, f->name_len, "expect"))
            note(&ret->expect, f, ret);
        else if (aw_same_word(f->name, f->name_len, "connection"))
            look_at_connection(r, f->value, ret);
    }
    r->keep_alive = !ret->closes && (r->head.minor == 1 || ret->keeps);
}

/* ---- the body ---- */

static const char *check_length(aw_http_request *r, const char *text)
{
    uint64_t n = 0;
    if (!*text)
        return "Content-Length is no number";
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9')
            return "Content-Length is no number";
        if (n > ((uint64_t)INT64_MAX - 9) / 10)
            return "Content-Length is too large a number";
        n = n * 10 + (uint64_t)(*p - '0');
    }
    r->body.left = n;
    r->body.is_complete = n == 0;
    return NULL;
}

/* Without "chunked" as the last coding nobody knows where the body ends. */
static bool ends_in_chunks(const char *list)
{
    const char *coding, *end = list + strlen(list);
    size_t n;
    bool ret = false;
    while (aw_next_item(&list, end, &coding, &n))
        ret = aw_same_word(coding, n, "chunked");
    return ret;
}

static struct aw_http_refusal check_coding(aw_http_request *r, const struct fields *f)
{
    if (f->length)
        return aw_http_because(400, "both Content-Length and Transfer-Encoding");
    if (r->head.minor == 0)
        return aw_http_because(400, "Transfer-Encoding in HTTP/1.0");
    if (!ends_in_chunks(f->coding))
        return aw_http_because(400, "a transfer coding whose end cannot be told");
    if (!aw_same_word(f->coding, strlen(f->coding), "chunked"))
        return aw_http_because(501, "a transfer coding that is not known");
    r->body.is_chunked = true;
    return (struct aw_http_refusal){.status = 0};
}

static struct aw_http_refusal check_body(aw_http_request *r, const struct fields *f)
{
    r->body.is_complete = !f->length && !f->coding;
    r->body.most = r->connection->server->opts.max_body;
    if (f->coding) {
        struct aw_http_refusal refusal = check_coding(r, f);
        if (refusal.status)
            return refusal;
    } else if (f->length) {
        const char *why = check_length(r, f->length);
        if (why)
            return aw_http_because(400, why);
    }
    if (!f->expect || r->head.minor == 0)
        return (struct aw_http_refusal){.status = 0};
    if (!aw_same_word(f->expect, strlen(f->expect), "100-continue"))
        return aw_http_because(417, "an expectation that is not known");
    r->body.is_expected = !r->body.is_complete;
    return (struct aw_http_refusal){.status = 0};
}

/* ---- host and target ---- */

/* A name or an address, and perhaps a port. */
static bool is_host(const char *text, size_t n)
{
    size_t i = 0;
    if (n > 0 && text[0] == '[') {
        i = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
        if (i >= n || text[i] != ']' || i < 3)
            return false;
        i++;
    } else {
        while (i < n && text[i] != ':' &&
               (aw_token_char[(unsigned char)text[i]] && !strchr("#^`|", text[i])))
            i++;
        if (i == 0 || i > 253)
            return false;
    }
    if (i == n)
        return true;
    if (text[i++] != ':' || n - i > 5)
        return false;
    return strspn(text + i, "0123456789") >= n - i;
}

/* Its authority, of a target of this form; the target becomes what follows it. */
static const char *take_authority(aw_http_request *r, size_t *ret_len)
{
    char *target = r->head.target;
    size_t scheme = r->head.target_len > 7 && aw_same_word(target, 7, "http://")    ? 7
                    : r->head.target_len > 8 && aw_same_word(target, 8, "https://") ? 8
                                                                                    : 0;
    if (!scheme)
        return NULL;
    const char *authority = target + scheme;
    *ret_len = strcspn(authority, "/?");
    r->head.target += scheme + *ret_len;
    r->head.target_len -= scheme + *ret_len;
    return authority;
}

static const char *check_host(aw_http_request *r, const char *host)
{
    size_t n = 0;
    if (!host && r->head.minor == 1)
        return "there is no Host";
    if (host && !is_host(host, strlen(host)))
        return "Host is malformed";
    r->host = host;
    const char *authority = take_authority(r, &n);
    if (!authority)
        return NULL;
    if (!is_host(authority, n))
        return "the target's host is malformed";
    if (host && !aw_same_word(authority, n, host))
        return "the target and Host name different hosts";
    r->host = aw_http_copy(r, authority, n);
    return r->host ? NULL : "there is no memory";
}

/* "/path?query" to its parts, or "*" of OPTIONS. */
static const char *check_target(aw_http_request *r)
{
    const char *target = r->head.target;
    size_t n = strcspn(target, "?");
    r->query = target[n] ? (char *)(uintptr_t)target + n + 1 : "";
    if (strchr(target, '#'))
        return "the target has a fragment";
    if (n == 0 ||
        (target[0] != '/' && !(strcmp(target, "*") == 0 && strcmp(r->head.method, "OPTIONS") == 0)))
        return "the target is no path";
    r->path = aw_http_copy(r, target, n);
    if (!r->path)
        return "there is no memory";
    ptrdiff_t len = aw_percent_decode(r->path, n, false);
    if (len < 0)
        return "the path is not encoded as it should be";
    r->path[len] = '\0';
    return NULL;
}

/* "http://host" alone, or with a query, means "/". */
static const char *complete_target(aw_http_request *r)
{
    if (r->head.target[0] == '/' || r->head.target[0] == '*')
        return NULL;
    if (r->head.target[0] && r->head.target[0] != '?')
        return NULL;
    char *target = aw_http_request_alloc(r, r->head.target_len + 2);
    if (!target)
        return "there is no memory";
    target[0] = '/';
    memcpy(target + 1, r->head.target, r->head.target_len + 1);
    r->head.target = target;
    r->head.target_len++;
    return NULL;
}

/* ---- the whole ---- */

static struct aw_http_refusal understand(aw_http_request *r)
{
    struct fields fields = {0};
    if (strcmp(r->head.method, "CONNECT") == 0)
        return aw_http_because(501, "CONNECT is not served");
    look_at_fields(r, &fields);
    r->is_head = strcmp(r->head.method, "HEAD") == 0;
    if (fields.repeated)
        return aw_http_because(400, "a field is repeated that must not be");
    const char *why = check_host(r, fields.host);
    why = why ? why : complete_target(r);
    why = why ? why : check_target(r);
    if (why)
        return aw_http_because(400, why);
    return check_body(r, &fields);
}

/* The parts of a complete head of n bytes, `skip` of them before it. */
static int take_head(aw_http_request *r, const char *data, size_t n)
{
    struct aw_http_connection *c = r->connection;
    size_t skip = c->gate.skip;
    if (c->gate.lines - 1 > c->server->opts.max_fields)
        return refuse(r, aw_http_limited(431, "too many fields", "max_fields",
                                         (double)c->server->opts.max_fields));
    char *head = aw_http_copy(r, data + skip, n - skip);
    r->head.fields = aw_http_request_alloc(r, c->gate.lines * sizeof *r->head.fields);
    AW_TRY(aw_stream_consume(c->stream, n));
    if (!head || !r->head.fields)
        return refuse(r, aw_http_because(503, "there is no memory"));
    int status;
    const char *why = aw_http_parse(&r->head, head, n - skip, &status);
    if (why)
        return refuse(r, aw_http_because(status, why));
    if (r->head.target_len > c->server->opts.max_target)
        return refuse(r, aw_http_limited(414, "the target is too long", "max_target",
                                         (double)c->server->opts.max_target));
    struct aw_http_refusal refusal = understand(r);
    return refusal.status ? refuse(r, refusal) : 1;
}

/* It has become too large before it was complete. */
static int too_large(aw_http_request *r)
{
    const aw_http_server_opts *o = &r->connection->server->opts;
    bool is_target = r->connection->gate.lines == 0;
    return refuse(
        r, aw_http_limited(is_target ? 414 : 431,
                           is_target ? "the request line is too long" : "the head is too large",
                           "max_head", (double)o->max_head));
}

/* Waiting has failed, or the connection has ended: 0 where that is in order. */
static int ended(aw_http_request *r, ssize_t result, bool has_begun)
{
    struct aw_http_connection *c = r->connection;
    if (c->timed_out && has_begun)
        return refuse(r, aw_http_limited(408, "the head takes too long", "head_timeout",
                                         c->server->opts.head_timeout));
    return result == -ECANCELED ? (int)result : 0;
}

/* Wait for the first byte of a request: 1, or as aw_http_read_head(). */
static int await_request(struct aw_http_connection *c)
{
    if (aw_stream_buffered(c->stream) > 0)
        return 1;
    int err = aw_http_flush(c);
    if (err < 0 || c->server->closing)
        return err == -ENOMEM ? err : 0; /* anything else is the client's doing */
    if (!c->is_new)                      /* which has a deadline already */
        AW_TRY(aw_http_deadline(c, aw_time() + c->server->opts.idle_timeout));
    c->is_idle = true;
    ssize_t n = aw_stream_wait_readable(c->stream);
    c->is_idle = false;
    return n > 0 ? 1 : ended(&c->request, n, false);
}

int aw_http_read_head(struct aw_http_connection *c)
{
    aw_http_request *r = &c->request;
    const char *data = "", *why;
    bool waits = false;
    int err = await_request(c);
    if (err <= 0)
        return err;
    c->gate = (struct aw_http_gate){0};
    r->began = aw_time();
    for (;;) {
        size_t n = aw_stream_peek(c->stream, &data);
        size_t most = c->server->opts.max_head; /* what lies behind that has no say */
        ptrdiff_t len = aw_http_gate(&c->gate, data, n < most ? n : most, &why);
        if (len < 0)
            return refuse(r, aw_http_because(400, why));
        if (len > 0)
            return take_head(r, data, (size_t)len);
        if (n >= most)
            return too_large(r);
        if (!waits) /* from the first byte on */
            AW_TRY(aw_http_deadline(c, r->began + c->server->opts.head_timeout));
        waits = true;
        ssize_t got = aw_stream_wait_buffered(c->stream, n + 1);
        if (got <= (ssize_t)n)
            return ended(r, got, true);
    }
}
