/*
 * gate.c - the spelling of a head, line by line as it comes.
 *
 * A line ends in CR LF and has neither CR nor LF nor any other control character but tabs within.
 * The first is METHOD SP TARGET SP HTTP/1.x; the others begin with a field's name and a colon
 * right behind it.  One empty line before the first is passed over, as RFC 9112 asks; the empty
 * line behind the last is the end.
 */
#include "http/parser.h"

#include <string.h>

#include "text/words.h"

static size_t token_length(const char *data, size_t n)
{
    size_t i = 0;
    while (i < n && aw_token_char[(unsigned char)data[i]])
        i++;
    return i;
}

static const char *check_request_line(const char *line, size_t n)
{
    static const char version[] = " HTTP/";
    size_t method = token_length(line, n);
    if (method == 0 || method == n || line[method] != ' ')
        return "the request line does not begin with a method";
    const char *target = line + method + 1;
    const char *end = memchr(target, ' ', n - method - 1);
    if (!end || end == target)
        return "the request line has no target or no version";
    for (const char *p = target; p < end; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
            return "the target has characters that must be encoded";
    size_t left = (size_t)(line + n - end);
    if (left != 9 || memcmp(end, version, 6) != 0 || end[7] != '.')
        return "the version is malformed";
    return NULL;
}

static const char *check_field(const char *line, size_t n)
{
    size_t name = token_length(line, n);
    if (line[0] == ' ' || line[0] == '\t')
        return "a field is folded, or begins with a blank";
    if (name == 0 || name == n || line[name] != ':')
        return "a field's name is malformed, or a blank stands before its colon";
    return NULL;
}

/* A line without its end. */
static const char *check_line(const struct aw_http_gate *g, const char *line, size_t n)
{
    if (aw_has_control(line, n))
        return "control characters in the head";
    return g->lines == 0 ? check_request_line(line, n) : check_field(line, n);
}

ptrdiff_t aw_http_gate(struct aw_http_gate *g, const char *data, size_t n, const char **why)
{
    const char *end;
    while (g->at < n && (end = memchr(data + g->at, '\n', n - g->at)) != NULL) {
        const char *line = data + g->line;
        size_t len = (size_t)(end - line);
        if (len == 0 || end[-1] != '\r') {
            *why = "a line ends in a bare line feed";
            return -1;
        }
        g->at = g->line = (size_t)(end + 1 - data);
        if (len == 1 && g->lines > 0)
            return (ptrdiff_t)g->at;
        if (len == 1 && g->skip == 0) {
            g->skip = g->at;
            continue;
        }
        *why = check_line(g, line, len - 1);
        if (*why)
            return -1;
        g->lines++;
    }
    g->at = n;
    /* What is no HTTP at all, a TLS handshake for one, need not be waited for. */
    if (g->lines == 0 && g->line < n && !aw_token_char[(unsigned char)data[g->line]] &&
        !(g->skip == 0 && data[g->line] == '\r')) {
        *why = "this is not HTTP";
        return -1;
    }
    return 0;
}
