/*
 * parser.c - the adapter to http-parser, or to llhttp where the distribution has it.
 *
 * The parser is given a whole head at once and calls back with each part of it.  The parts are
 * strings in place: every one is followed by a byte that is not needed any more.  (An empty value
 * may be told as a place behind its line: it becomes a constant.)
 */
#include "http/parser.h"

#include <string.h>

#if __has_include(<llhttp.h>)
#include <llhttp.h>
typedef llhttp_t parser;
typedef llhttp_settings_t parser_settings;
#else
#include <http_parser.h>
typedef http_parser parser;
typedef http_parser_settings parser_settings;
#endif

struct parse {
    struct aw_http_head *head;
    bool complete;
};

static int on_url(parser *p, const char *at, size_t n)
{
    struct parse *parse = p->data;
    parse->head->target = (char *)(uintptr_t)at;
    parse->head->target_len = n;
    return 0;
}

static int on_field(parser *p, const char *at, size_t n)
{
    struct aw_http_head *head = ((struct parse *)p->data)->head;
    head->fields[head->n_fields++] =
        (struct aw_http_field){.name = at, .name_len = (uint32_t)n, .value = ""};
    return 0;
}

static int on_value(parser *p, const char *at, size_t n)
{
    struct aw_http_head *head = ((struct parse *)p->data)->head;
    struct aw_http_field *f = &head->fields[head->n_fields - 1];
    while (n > 0 && (at[n - 1] == ' ' || at[n - 1] == '\t'))
        n--;
    if (n > 0) {
        f->value = at;
        f->value_len = (uint32_t)n;
    }
    return 0;
}

/* The body is not this parser's business: it stops here. */
static int on_complete(parser *p)
{
    ((struct parse *)p->data)->complete = true;
    return 2;
}

static const parser_settings settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_complete,
};

#if __has_include(<llhttp.h>)
static int run(parser *p, struct parse *parse, const char *data, size_t n)
{
    llhttp_init(p, HTTP_REQUEST, &settings);
    p->data = parse;
    llhttp_errno_t err = llhttp_execute(p, data, n);
    return err == HPE_PAUSED_UPGRADE ? HPE_OK : (int)err;
}

static const char *method_name(const parser *p)
{
    return llhttp_method_name((llhttp_method_t)p->method);
}

static const char *error_text(int err)
{
    return llhttp_errno_name((llhttp_errno_t)err);
}
#else
static int run(parser *p, struct parse *parse, const char *data, size_t n)
{
    http_parser_init(p, HTTP_REQUEST);
    p->data = parse;
    (void)http_parser_execute(p, &settings, data, n);
    return (int)HTTP_PARSER_ERRNO(p);
}

static const char *method_name(const parser *p)
{
    return http_method_str((enum http_method)p->method);
}

static const char *error_text(int err)
{
    return http_errno_description((enum http_errno)err);
}
#endif

/* Every part becomes a string; the bytes behind them have been read. */
static void terminate(const struct aw_http_head *head)
{
    head->target[head->target_len] = '\0';
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct aw_http_field *f = &head->fields[i];
        ((char *)(uintptr_t)f->name)[f->name_len] = '\0';
        if (f->value_len > 0)
            ((char *)(uintptr_t)f->value)[f->value_len] = '\0';
    }
}

const char *aw_http_parse(struct aw_http_head *head, char *data, size_t n, int *ret_status)
{
    struct parse parse = {.head = head};
    parser p;
    head->n_fields = 0;
    head->target = NULL;
    memset(&p, 0, sizeof p);
    int err = run(&p, &parse, data, n);
    *ret_status = err == HPE_INVALID_METHOD ? 501 : 400;
    if (err == HPE_INVALID_METHOD)
        return "the method is not known";
    if (err != HPE_OK)
        return error_text(err);
    if (!parse.complete || !head->target)
        return "the head is malformed";
    *ret_status = 505;
    if (p.http_major != 1 || p.http_minor > 1)
        return "the version is not served";
    head->method = method_name(&p);
    head->minor = p.http_minor;
    terminate(head);
    return NULL;
}

const char *aw_http_reason(int status)
{
    switch (status) {
#define REASON(code, name, text)                                                                   \
    case code:                                                                                     \
        return #text;
        HTTP_STATUS_MAP(REASON)
#undef REASON
    default:
        return "Unknown";
    }
}
