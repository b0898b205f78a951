/*
 * buf.h - text built piece by piece into memory that the caller owns.
 *
 * The storage has a fixed size, its ceiling: reports are written when memory may be gone, so
 * building one never allocates.  What does not fit is cut, the text always ends in NUL, and the
 * buffer remembers that it was cut.
 */
#ifndef AW_BUF_H
#define AW_BUF_H

#include <stdarg.h>

#include "base/base.h"

typedef struct aw_buf {
    char *data;    /* the caller's storage; NUL-terminated as long as size > 0 */
    size_t size;   /* bytes of storage, the terminator included */
    size_t len;    /* bytes of text, the terminator not included */
    size_t wanted; /* what len would be with room for everything (snprintf's answer) */
} aw_buf;

void aw_buf_init(aw_buf *b, char *storage, size_t size);
void aw_buf_add(aw_buf *b, const char *text);
void aw_buf_addn(aw_buf *b, const char *text, size_t n);
/* The last `n` bytes of a text, behind "..." if that is not all of it: of a path the end tells more
 * than the beginning. */
void aw_buf_add_end(aw_buf *b, const char *text, size_t n);
/* Text that strangers may have had a hand in, as one line that can be shown: a newline as "\n", and
 * other control characters, and bytes that are no UTF-8, as "\x1b". */
void aw_buf_add_shown(aw_buf *b, const char *text);
void aw_buf_printf(aw_buf *b, const char *fmt, ...) AW_PRINTF(2, 3);
void aw_buf_vprintf(aw_buf *b, const char *fmt, va_list ap) AW_PRINTF(2, 0);

/* Was anything left out for want of room? */
static inline bool aw_buf_cut(const aw_buf *b)
{
    return b->wanted > b->len;
}

#endif
