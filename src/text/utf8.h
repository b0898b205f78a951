/*
 * utf8.h - is it UTF-8?
 */
#ifndef AW_TEXT_UTF8_H
#define AW_TEXT_UTF8_H

#include "base/base.h"

/* How far a text has been checked.  Zero: between two characters. */
struct aw_utf8 {
    uint8_t left;      /* bytes that the character still needs */
    uint8_t low, high; /* what the next of them may be */
};

/* Check what comes next: false at the first byte that makes it no UTF-8, whatever followed. */
bool aw_utf8_check(struct aw_utf8 *u, const void *data, size_t n);

/* With how many bytes a text that is complete begins that are whole characters: n if all are. */
size_t aw_utf8_good(const void *data, size_t n);

/* Is it whole characters and nothing else? */
static inline bool aw_utf8_whole(const void *data, size_t n)
{
    return aw_utf8_good(data, n) == n;
}

#endif
