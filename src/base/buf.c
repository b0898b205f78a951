/*
 * buf.c - text with a ceiling.
 *
 * What does not fit is cut at the last byte of the storage, never dropped as a whole; so nothing
 * can follow a cut, and a report ends early but has no hole in its middle.  `wanted` goes on
 * counting: a caller can tell how much room the whole text would have needed.
 */
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

void aw_buf_init(aw_buf *b, char *storage, size_t size)
{
    *b = (aw_buf){.data = storage, .size = size};
    if (size > 0)
        storage[0] = '\0';
}

/* Bytes of text that can still be added. */
static size_t room(const aw_buf *b)
{
    return b->size > 0 ? b->size - 1 - b->len : 0;
}

void aw_buf_addn(aw_buf *b, const char *text, size_t n)
{
    size_t fits = room(b);
    if (fits > n)
        fits = n;
    b->wanted += n;
    if (fits == 0)
        return;
    memcpy(b->data + b->len, text, fits);
    b->len += fits;
    b->data[b->len] = '\0';
}

void aw_buf_add(aw_buf *b, const char *text)
{
    aw_buf_addn(b, text, strlen(text));
}

void aw_buf_add_end(aw_buf *b, const char *text, size_t n)
{
    size_t len = strlen(text);
    aw_buf_add(b, len > n ? "..." : "");
    aw_buf_add(b, len > n ? text + len - n : text);
}

/* ---- what can be shown ---- */

/* What a sequence of UTF-8 begins with: how many bytes follow, and which the first of them may be,
 * so that nothing is told in two ways, and the control characters above ASCII are left out. */
static const struct lead {
    unsigned char first, last, more, least, most;
} leads[] = {
    {0xc2, 0xc2, 1, 0xa0, 0xbf}, {0xc3, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf},
    {0xe1, 0xec, 2, 0x80, 0xbf}, {0xed, 0xed, 2, 0x80, 0x9f}, {0xee, 0xef, 2, 0x80, 0xbf},
    {0xf0, 0xf0, 3, 0x90, 0xbf}, {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

/* The length of the character above ASCII at `s`; 0: it is none to be shown.  The zero at the end
 * of the text follows nothing. */
static size_t length_above_ascii(const unsigned char *s)
{
    for (size_t i = 0; i < sizeof leads / sizeof *leads; i++) {
        const struct lead *l = &leads[i];
        if (s[0] < l->first || s[0] > l->last)
            continue;
        if (s[1] < l->least || s[1] > l->most)
            return 0;
        for (size_t j = 2; j <= l->more; j++)
            if ((s[j] & 0xc0) != 0x80)
                return 0;
        return (size_t)l->more + 1;
    }
    return 0;
}

static bool is_plain(unsigned char c)
{
    return c >= ' ' && c < 127;
}

static void add_escaped(aw_buf *b, unsigned char c)
{
    const char *name = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;
    if (name)
        aw_buf_add(b, name);
    else
        aw_buf_printf(b, "\\x%02x", c);
}

void aw_buf_add_shown(aw_buf *b, const char *text)
{
    while (*text) {
        const unsigned char *s = (const unsigned char *)text;
        size_t n = 0;
        while (is_plain(s[n]))
            n++;
        n = n ? n : length_above_ascii(s);
        if (n)
            aw_buf_addn(b, text, n);
        else
            add_escaped(b, *s);
        text += n ? n : 1;
    }
}

/* ---- formatted ---- */

void aw_buf_vprintf(aw_buf *b, const char *fmt, va_list ap)
{
    size_t fits = room(b);
    char *end = fits > 0 ? b->data + b->len : NULL;
    int n = vsnprintf(end, fits > 0 ? fits + 1 : 0, fmt, ap);
    if (n < 0) { /* not representable: as if it had not been asked for */
        if (end)
            *end = '\0';
        return;
    }
    b->wanted += (size_t)n;
    b->len += (size_t)n < fits ? (size_t)n : fits;
}

void aw_buf_printf(aw_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    aw_buf_vprintf(b, fmt, ap);
    va_end(ap);
}
