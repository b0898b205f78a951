/*
 * text.h - bytes that are put together piece by piece, in memory that grows up to a ceiling.
 *
 * A failure is remembered: what is added after it is dropped, and whoever has put everything in
 * asks once.
 */
#ifndef AW_REDIS_TEXT_H
#define AW_REDIS_TEXT_H

#include "base/base.h"

struct rd_text {
    char *data;     /* not terminated; NULL while there is nothing */
    size_t len;     /* bytes that are there */
    size_t cap;     /* bytes of memory */
    size_t ceiling; /* most bytes ever; 0: no ceiling */
    int failed;     /* 0, or -ENOMEM, AW_ELIMIT, or what was set */
};

/* Room for n more bytes, counted as there; NULL: it has failed. */
char *rd_text_room(struct rd_text *t, size_t n);

void rd_text_add(struct rd_text *t, const void *data, size_t n);
void rd_text_adds(struct rd_text *t, const char *text);
void rd_text_addc(struct rd_text *t, char c);
void rd_text_printf(struct rd_text *t, const char *format, ...) AW_PRINTF(2, 3);

/* A string as JSON, quoted.  What is no UTF-8 fails with -EILSEQ. */
void rd_text_quote(struct rd_text *t, const char *text, size_t n);

/* Give the memory back. */
void rd_text_clear(struct rd_text *t);

#endif
