/*
 * base64.h - base64, as RFC 4648 has it, both ways.
 */
#ifndef AW_TEXT_BASE64_H
#define AW_TEXT_BASE64_H

#include "text/growing.h"

/* Bytes of the text for n bytes; and write it (no terminator). */
size_t aw_base64_size(size_t n);
void aw_base64_encode(char *out, const void *data, size_t n);

/* The same behind what is there. */
void aw_growing_base64(struct aw_growing *t, const void *data, size_t n);

/* The other way: how many bytes, or -EBADMSG for what is no base64.  Padding may be missing, as
 * some leave it out; bits that belong to no byte must be zero.  `out` has room for 3/4 of n, and
 * may be where the text is. */
long aw_base64_decode(void *out, const char *text, size_t n);

#endif
