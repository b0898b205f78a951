/*
 * text.h - base64.
 */
#ifndef AW_SIO_TEXT_H
#define AW_SIO_TEXT_H

#include "text/growing.h"

/* Base64, as RFC 4648 has it: bytes of the text for n bytes; write them (no terminator). */
size_t aw_sio_base64_size(size_t n);
void aw_sio_base64_encode(char *out, const void *data, size_t n);

/* The other way, in place: how many bytes, or -EBADMSG for what is no base64.  Padding may be
 * missing, as some clients leave it out; bits that belong to no byte must be zero. */
long aw_sio_base64_decode(char *text, size_t n);

#endif
