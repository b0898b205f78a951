/*
 * text.c - JSON's strings.
 */
#include "redis/text.h"
#include "text/utf8.h"

void rd_text_quote(struct aw_growing *t, const char *text, size_t n)
{
    if (!aw_utf8_whole(text, n))
        t->failed = t->failed ? t->failed : -EILSEQ;
    aw_growing_addc(t, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20)
            aw_growing_printf(t, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            aw_growing_printf(t, "\\%c", c);
        else
            aw_growing_addc(t, text[i]);
    }
    aw_growing_addc(t, '"');
}
