/*
 * words.c - small texts: see words.h.
 */
#include <string.h>

#include "await/memory.h"
#include "text/words.h"

/* RFC 9110, 5.6.2: letters, digits, and !#$%&'*+-.^_`|~; a row is 32 bytes. */
// clang-format off
const unsigned char aw_token_char[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 1, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0,
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0,
};
// clang-format on

char *aw_copy_n(const char *text, size_t n)
{
    char *copy = text ? aw_mem_alloc(n + 1) : NULL;
    if (!copy)
        return NULL;
    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

char *aw_copy(const char *text)
{
    return text ? aw_copy_n(text, strlen(text)) : NULL;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool aw_same_word(const char *a, size_t n, const char *b)
{
    for (size_t i = 0; i < n; i++)
        if (b[i] == '\0' || lower(a[i]) != lower(b[i]))
            return false;
    return b[n] == '\0';
}

bool aw_is_token(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!aw_token_char[(unsigned char)text[i]])
            return false;
    return n > 0;
}

bool aw_has_control(const char *text, size_t n)
{
    unsigned bad = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        bad |= (unsigned)(c < 0x20) & (unsigned)(c != '\t');
        bad |= (unsigned)(c == 0x7f);
    }
    return bad != 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool aw_next_item(const char **at, const char *end, const char **ret, size_t *ret_n)
{
    const char *begin = *at;
    while (begin < end && (is_blank(*begin) || *begin == ','))
        begin++;
    const char *comma = begin < end ? memchr(begin, ',', (size_t)(end - begin)) : NULL;
    const char *stop = comma ? comma : end;
    *at = stop;
    while (stop > begin && is_blank(stop[-1]))
        stop--;
    *ret = begin;
    *ret_n = (size_t)(stop - begin);
    return stop > begin;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ptrdiff_t aw_percent_decode(char *text, size_t n, bool is_query)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++, to++) {
        text[to] = is_query && text[i] == '+' ? ' ' : text[i];
        if (text[i] != '%')
            continue;
        int high = i + 2 < n ? hex(text[i + 1]) : -1, low = i + 2 < n ? hex(text[i + 2]) : -1;
        if (high < 0 || low < 0 || high + low == 0)
            return -1;
        text[to] = (char)(high * 16 + low);
        i += 2;
    }
    return (ptrdiff_t)to;
}
