/*
 * text.c - growing text, and JSON's strings.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "await/memory.h"
#include "redis/text.h"

static bool grow(struct rd_text *t, size_t n)
{
    size_t need = t->len + n;
    if (need < n || (t->ceiling && need > t->ceiling)) {
        t->failed = AW_ELIMIT;
        return false;
    }
    if (need <= t->cap)
        return true;
    size_t cap = t->cap ? t->cap : 64;
    while (cap < need)
        cap += cap / 2 + 64;
    char *data = aw_mem_alloc(cap);
    if (!data) {
        t->failed = -ENOMEM;
        return false;
    }
    if (t->len)
        memcpy(data, t->data, t->len);
    aw_mem_free(t->data);
    t->data = data;
    t->cap = cap;
    return true;
}

char *rd_text_room(struct rd_text *t, size_t n)
{
    if (t->failed || !grow(t, n))
        return NULL;
    char *at = t->data + t->len;
    t->len += n;
    return at;
}

void rd_text_add(struct rd_text *t, const void *data, size_t n)
{
    char *at = rd_text_room(t, n);
    if (at && n)
        memcpy(at, data, n);
}

void rd_text_adds(struct rd_text *t, const char *text)
{
    rd_text_add(t, text, strlen(text));
}

void rd_text_addc(struct rd_text *t, char c)
{
    rd_text_add(t, &c, 1);
}

void rd_text_printf(struct rd_text *t, const char *format, ...)
{
    char buf[512];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(buf, sizeof buf, format, ap);
    va_end(ap);
    if (n >= 0)
        rd_text_add(t, buf, (size_t)n < sizeof buf ? (size_t)n : sizeof buf - 1);
}

void rd_text_clear(struct rd_text *t)
{
    aw_mem_free(t->data);
    *t = (struct rd_text){.ceiling = t->ceiling};
}

/* ---- JSON's strings ---- */

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

void rd_text_quote(struct rd_text *t, const char *text, size_t n)
{
    rd_text_addc(t, '"');
    for (size_t i = 0, len; i < n; i += len) {
        len = character((const unsigned char *)text + i, n - i);
        if (len == 0) {
            t->failed = t->failed ? t->failed : -EILSEQ;
            return;
        }
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20)
            rd_text_printf(t, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            rd_text_printf(t, "\\%c", c);
        else
            rd_text_add(t, text + i, len);
    }
    rd_text_addc(t, '"');
}
