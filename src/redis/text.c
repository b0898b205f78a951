/*
 * text.c - JSON's strings.
 */
#include "redis/text.h"

/* Neither longer than need be, nor half of a pair, nor beyond the last character. */
static bool second_fits(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xe0:
        return second >= 0xa0;
    case 0xed:
        return second < 0xa0;
    case 0xf0:
        return second >= 0x90;
    case 0xf4:
        return second < 0x90;
    default:
        return true;
    }
}

/* How many bytes the character of UTF-8 at `s` has; 0: it is none. */
static size_t character(const unsigned char *s, size_t n)
{
    if (s[0] < 0x80)
        return 1;
    size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || n < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return second_fits(s[0], s[1]) ? len : 0;
}

void rd_text_quote(struct aw_growing *t, const char *text, size_t n)
{
    aw_growing_addc(t, '"');
    for (size_t i = 0, len; i < n; i += len) {
        len = character((const unsigned char *)text + i, n - i);
        if (len == 0) {
            t->failed = t->failed ? t->failed : -EILSEQ;
            return;
        }
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20)
            aw_growing_printf(t, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            aw_growing_printf(t, "\\%c", c);
        else
            aw_growing_add(t, text + i, len);
    }
    aw_growing_addc(t, '"');
}
