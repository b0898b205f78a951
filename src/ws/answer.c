/*
 * answer.c - what a server answers: is it an agreement, to what was asked for and nothing else?
 *
 * The head is looked at line by line, strictly: each ends in CR LF, no line continues another, a
 * name is a token with its colon right behind it.  The fields that matter may stand there once.
 */
#include <stdio.h>
#include <string.h>

#include "ws/head.h"
#include "ws/ws.h"

struct field {
    const char *value;
    size_t n;
    unsigned times;
};

struct fields {
    struct field upgrade, connection, accept, protocol, extensions;
};

static int refuse(const char *why)
{
    return aw_raise(-EPROTO, why);
}

/* The next line without its end, which must be CR LF; NULL: there is no such line. */
static const char *next_line(const char **at, const char *end, size_t *ret_n)
{
    const char *line = *at, *feed = memchr(line, '\n', (size_t)(end - line));
    if (!feed || feed == line || feed[-1] != '\r')
        return NULL;
    *ret_n = (size_t)(feed - 1 - line);
    *at = feed + 1;
    return memchr(line, '\r', *ret_n) || memchr(line, '\0', *ret_n) ? NULL : line;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 101 Switching Protocols": the status, or 0. */
static int parse_status(const char *line, size_t n)
{
    if (n < 12 || memcmp(line, "HTTP/1.1 ", 9) != 0 || (n > 12 && line[12] != ' '))
        return 0;
    if (!is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11]))
        return 0;
    return (line[9] - '0') * 100 + (line[10] - '0') * 10 + line[11] - '0';
}

static struct field *field_of(struct fields *f, const char *name, size_t n)
{
    if (aw_same_word(name, n, "Upgrade"))
        return &f->upgrade;
    if (aw_same_word(name, n, "Connection"))
        return &f->connection;
    if (aw_same_word(name, n, "Sec-WebSocket-Accept"))
        return &f->accept;
    if (aw_same_word(name, n, "Sec-WebSocket-Protocol"))
        return &f->protocol;
    return aw_same_word(name, n, "Sec-WebSocket-Extensions") ? &f->extensions : NULL;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static int take_field(struct fields *f, const char *line, size_t n)
{
    const char *colon = memchr(line, ':', n), *value, *end = line + n;
    size_t name_size = colon ? (size_t)(colon - line) : 0;
    if (!colon || !aw_is_token(line, name_size))
        return refuse("the server's answer has a line that is no field");
    for (value = colon + 1; value < end && is_space(*value);)
        value++;
    while (end > value && is_space(end[-1]))
        end--;
    struct field *known = field_of(f, line, name_size);
    if (known && known->times++)
        return refuse("the server's answer has a field of the handshake twice");
    if (known) {
        known->value = value;
        known->n = (size_t)(end - value);
    }
    return 0;
}

static int take_fields(struct fields *f, const char *at, const char *end)
{
    for (unsigned count = 0; at < end; count++) {
        size_t n;
        const char *line = next_line(&at, end, &n);
        if (!line)
            return refuse("the server's answer has a line without its end");
        if (n == 0)
            return 0;
        if (count == WS_FIELDS_MAX)
            return refuse("the server's answer has more than 100 fields");
        AW_TRY(take_field(f, line, n));
    }
    return refuse("the server's answer has no end");
}

/* One of those that were asked for, or none. */
static int choose_protocol(const struct field *f, const char *const *wanted, const char **ret)
{
    *ret = NULL;
    if (!f->times)
        return 0;
    for (size_t i = 0; wanted && wanted[i]; i++)
        if (strlen(wanted[i]) == f->n && !memcmp(wanted[i], f->value, f->n))
            *ret = wanted[i];
    return *ret ? 0 : refuse("the server has chosen a protocol that was not asked for");
}

int ws_answer_check(const char *head, size_t n, const char *key, const char *const *protocols,
                    struct ws_answer *ret)
{
    char wanted[WS_ACCEPT_SIZE + 1], text[64];
    const char *at = head, *end = head + n;
    struct fields f = {0};
    size_t line_size;
    *ret = (struct ws_answer){0};
    const char *line = next_line(&at, end, &line_size);
    ret->status = line ? parse_status(line, line_size) : 0;
    if (!ret->status)
        return refuse("the server's answer is not HTTP/1.1");
    if (ret->status != 101) {
        snprintf(text, sizeof text, "the server has refused, with status %d", ret->status);
        return refuse(text);
    }
    AW_TRY(take_fields(&f, at, end));
    if (!f.upgrade.times || !aw_same_word(f.upgrade.value, f.upgrade.n, "websocket"))
        return refuse("the server upgrades to something else");
    if (!f.connection.times || !ws_list_has(f.connection.value, f.connection.n, "upgrade"))
        return refuse("the server's answer has no Connection: Upgrade");
    ws_key_answer(key, wanted);
    if (f.accept.n != WS_ACCEPT_SIZE || memcmp(f.accept.value, wanted, WS_ACCEPT_SIZE) != 0)
        return refuse("the server has not answered the key");
    if (f.extensions.times && f.extensions.n)
        return refuse("the server wants an extension that was not asked for");
    return choose_protocol(&f.protocol, protocols, &ret->protocol);
}
