/*
 * utf8.c - is it UTF-8?  Piece by piece, and no later than the first byte that cannot be.
 *
 * After a first byte one knows how many follow, and which values the second may have: that alone
 * shuts out what is longer than need be (E0, F0), the surrogates (ED) and what lies beyond Unicode
 * (F4).  All others are 80 to BF.
 */
#include <string.h>

#include "text/utf8.h"

static bool begin(struct aw_utf8 *u, uint8_t c)
{
    if (c < 0xc2 || c > 0xf4)
        return false;
    u->left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    u->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    u->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    return true;
}

static bool go_on(struct aw_utf8 *u, uint8_t c)
{
    if (c < u->low || c > u->high)
        return false;
    u->left--;
    u->low = 0x80;
    u->high = 0xbf;
    return true;
}

/* Past the bytes that are ASCII, eight at a time. */
static const uint8_t *skip_ascii(const uint8_t *at, const uint8_t *end)
{
    uint64_t eight;
    for (; end - at >= (ptrdiff_t)sizeof eight; at += sizeof eight) {
        memcpy(&eight, at, sizeof eight);
        if (eight & UINT64_C(0x8080808080808080))
            break;
    }
    while (at < end && *at < 0x80)
        at++;
    return at;
}

/* To the first byte that cannot be, or the end. */
static const uint8_t *advance(struct aw_utf8 *u, const uint8_t *at, const uint8_t *end)
{
    for (;; at++) {
        if (!u->left)
            at = skip_ascii(at, end);
        if (at == end || !(u->left ? go_on(u, *at) : begin(u, *at)))
            return at;
    }
}

bool aw_utf8_check(struct aw_utf8 *u, const void *data, size_t n)
{
    const uint8_t *at = data;
    return n == 0 || advance(u, at, at + n) == at + n;
}

size_t aw_utf8_good(const void *data, size_t n)
{
    struct aw_utf8 u = {0};
    if (n == 0)
        return 0;
    const uint8_t *from = data, *at = advance(&u, from, from + n);
    if (u.left) /* within a character: back to its first byte */
        while ((*--at & 0xc0) == 0x80)
            ;
    return (size_t)(at - from);
}
