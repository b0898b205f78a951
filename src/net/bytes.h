/*
 * bytes.h - a queue of bytes in one piece of memory: added at the end, taken from the front.
 *
 *      data      at            at + len          size
 *       | taken  |  the bytes  |  room     | one |
 *
 * One piece, so that what is searched for is never split and what is handed on needs no gathering.
 * An empty queue holds no memory.  A small one lies in a block of its loop's.  There is always one
 * byte more than was asked for, so that a zero may stand behind the last.
 */
#ifndef AW_NET_BYTES_H
#define AW_NET_BYTES_H

#include "core/core.h"

struct aw_bytes {
    char *data; /* NULL: nothing held */
    size_t at, len, size;
};

static inline char *aw_bytes_begin(const struct aw_bytes *b)
{
    return b->data + b->at;
}

/* Bytes that can be added without moving those that are there. */
static inline size_t aw_bytes_room(const struct aw_bytes *b)
{
    return b->data ? b->size - 1 - b->at - b->len : 0;
}

/* Make room for `more` at the end, moving what is there if need be: false without memory. */
bool aw_bytes_reserve(aw_loop *l, struct aw_bytes *b, size_t more);

/* Add; false without memory, and then nothing was. */
bool aw_bytes_add(aw_loop *l, struct aw_bytes *b, const void *data, size_t n);

/* The same before the first. */
bool aw_bytes_put_back(aw_loop *l, struct aw_bytes *b, const void *data, size_t n);

/* Take n from the front; memory that holds nothing is given back. */
void aw_bytes_drop(aw_loop *l, struct aw_bytes *b, size_t n);
void aw_bytes_clear(aw_loop *l, struct aw_bytes *b);

#endif
