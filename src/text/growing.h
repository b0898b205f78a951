/*
 * growing.h - bytes that are put together piece by piece, in memory that grows up to a ceiling: for
 * the companions, each of which has a copy of its own.
 *
 * A failure is remembered, not returned by each call: what is added after it is dropped, and
 * whoever has put everything in asks once.  So an encoder reads like what it writes.
 */
#ifndef AW_TEXT_GROWING_H
#define AW_TEXT_GROWING_H

#include "base/base.h"

struct aw_growing {
    char *data;     /* not terminated; NULL while there is nothing */
    size_t len;     /* bytes that are there */
    size_t cap;     /* bytes of memory */
    size_t ceiling; /* most bytes ever; 0: no ceiling */
    int failed;     /* 0; -ENOMEM, AW_ELIMIT, or what was set: nothing is added any more */
};

void aw_growing_add(struct aw_growing *t, const void *data, size_t n);
void aw_growing_adds(struct aw_growing *t, const char *text);
void aw_growing_addc(struct aw_growing *t, char c);
void aw_growing_addu(struct aw_growing *t, uint64_t number);
void aw_growing_printf(struct aw_growing *t, const char *format, ...) AW_PRINTF(2, 3);

/* Room for n more bytes at the end, counted as there: where to write them, or NULL. */
char *aw_growing_room(struct aw_growing *t, size_t n);

/* Give its memory up: it is as new, with the same ceiling. */
void aw_growing_clear(struct aw_growing *t);

#endif
