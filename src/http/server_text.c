/*
 * server_text.c - %-codes.
 */
#include "http/server.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ptrdiff_t aw_http_decode(char *text, size_t n, bool is_query)
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
