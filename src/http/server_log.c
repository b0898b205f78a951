/*
 * server_log.c - one line for each exchange, and for each refusal.
 *
 * What a client sent is escaped, so that nobody can write lines of his own into a log.
 */
#include "http/server.h"

#include <stdio.h>
#include <string.h>

enum { LINE = 1024 }; /* bytes; what is longer is cut */

/* A line that is being made. */
struct line {
    char text[LINE];
    size_t len;
};

static void add(struct line *l, const char *text)
{
    size_t n = strlen(text), room = LINE - 1 - l->len;
    n = n < room ? n : room;
    memcpy(l->text + l->len, text, n);
    l->len += n;
    l->text[l->len] = '\0';
}

/* Up to `end` bytes of the line. */
static void add_escaped(struct line *l, const char *text, size_t end)
{
    for (; *text && l->len + 5 < end; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
            l->text[l->len++] = *text;
        else
            l->len += (size_t)snprintf(l->text + l->len, 5, "\\x%02x", c);
    }
    l->text[l->len] = '\0';
}

static void tell(const aw_http_server_opts *o, FILE *file, const aw_http_log_entry *entry)
{
    if (o->logger)
        o->logger(entry, o->logger_arg);
    else if (file)
        fprintf(file, "%s\n", entry->text);
}

/* 'peer "GET /path" '.  A long target is cut: the rest of the line needs room. */
static void add_request(struct line *l, const aw_http_log_entry *e)
{
    add(l, e->peer);
    add(l, " \"");
    add(l, e->method);
    add(l, " ");
    add_escaped(l, e->target, LINE - 256);
    add(l, "\" ");
}

static aw_http_log_entry entry_of(const aw_http_request *r)
{
    return (aw_http_log_entry){
        .peer = r->connection->peer,
        .method = aw_http_request_method(r),
        .target = aw_http_request_target(r),
        .status = r->status,
        .sent = r->is_bodyless ? 0 : r->sent,
        .seconds = r->began > 0 ? aw_time() - r->began : 0,
    };
}

void aw_http_log_refusal(const aw_http_request *r, const struct aw_http_refusal *refusal)
{
    aw_http_server *s = r->connection->server;
    struct line line = {.len = 0};
    char text[128];
    aw_http_log_entry e = entry_of(r);
    s->refused++;
    e.status = refusal->status;
    e.refused = refusal->why;
    e.limit = refusal->limit;
    e.limit_value = refusal->value;
    add_request(&line, &e);
    if (refusal->status)
        snprintf(text, sizeof text, "refused with %d: ", refusal->status);
    else
        snprintf(text, sizeof text, "refused: ");
    add(&line, text);
    add(&line, refusal->why);
    if (refusal->limit) {
        snprintf(text, sizeof text, " (%s is %.15g)", refusal->limit, refusal->value);
        add(&line, text);
    }
    e.text = line.text;
    tell(&s->opts, s->opts.refusal_log ? s->opts.refusal_log : stderr, &e);
}

void aw_http_log_exchange(aw_http_request *r)
{
    aw_http_server *s = r->connection->server;
    if (!s->opts.logger && !s->opts.access_log)
        return;
    struct line line = {.len = 0};
    char text[128];
    aw_http_log_entry e = entry_of(r);
    e.request = r;
    add_request(&line, &e);
    snprintf(text, sizeof text, "%d %llu %.6f", e.status, (unsigned long long)e.sent, e.seconds);
    add(&line, text);
    e.text = line.text;
    tell(&s->opts, s->opts.access_log, &e);
}
