/*
 * text.h - bytes that are put together piece by piece, in memory that grows up to a ceiling.
 *
 * A failure is remembered, not returned by each call: what is added after it is dropped, and
 * whoever has put everything in asks once.  So an encoder reads like what it writes.
 */
#ifndef AW_SIO_TEXT_H
#define AW_SIO_TEXT_H

#include "base/base.h"

struct aw_sio_text {
    char *data;     /* not terminated; NULL while there is nothing */
    size_t len;     /* bytes that are there */
    size_t cap;     /* bytes of memory */
    size_t ceiling; /* most bytes ever; 0: no ceiling */
    int failed;     /* 0, -ENOMEM, AW_ELIMIT: nothing is added any more */
};

void aw_sio_text_add(struct aw_sio_text *t, const void *data, size_t n);
void aw_sio_text_adds(struct aw_sio_text *t, const char *text);
void aw_sio_text_addc(struct aw_sio_text *t, char c);
void aw_sio_text_addu(struct aw_sio_text *t, uint64_t number);

/* Room for n more bytes at the end, counted as there: where to write them, or NULL. */
char *aw_sio_text_room(struct aw_sio_text *t, size_t n);

/* Give its memory up: it is as new, with the same ceiling. */
void aw_sio_text_clear(struct aw_sio_text *t);

/* Base64, as RFC 4648 has it: bytes of the text for n bytes; write them (no terminator). */
size_t aw_sio_base64_size(size_t n);
void aw_sio_base64_encode(char *out, const void *data, size_t n);

/* The other way, in place: how many bytes, or -EBADMSG for what is no base64.  Padding may be
 * missing, as some clients leave it out; bits that belong to no byte must be zero. */
long aw_sio_base64_decode(char *text, size_t n);

#endif
