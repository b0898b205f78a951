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
