/*
 * base64.c - base64: see base64.h.
 */
#include "text/base64.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t aw_base64_size(size_t n)
{
    return (n + 2) / 3 * 4;
}

void aw_base64_encode(char *out, const void *data, size_t n)
{
    const unsigned char *in = data;
    for (; n >= 3; n -= 3, in += 3) {
        unsigned bits = (unsigned)in[0] << 16 | (unsigned)in[1] << 8 | in[2];
        *out++ = letters[bits >> 18];
        *out++ = letters[bits >> 12 & 63];
        *out++ = letters[bits >> 6 & 63];
        *out++ = letters[bits & 63];
    }
    if (n == 0)
        return;
    unsigned bits = (unsigned)in[0] << 16 | (n == 2 ? (unsigned)in[1] << 8 : 0);
    *out++ = letters[bits >> 18];
    *out++ = letters[bits >> 12 & 63];
    *out++ = n == 2 ? letters[bits >> 6 & 63] : '=';
    *out = '=';
}

void aw_growing_base64(struct aw_growing *t, const void *data, size_t n)
{
    char *at = aw_growing_room(t, aw_base64_size(n));
    if (at)
        aw_base64_encode(at, data, n);
}

/* What a letter stands for, or -1. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

long aw_base64_decode(void *out, const char *text, size_t n)
{
    if (n % 4 == 0 && n > 0 && text[n - 1] == '=')
        n -= text[n - 2] == '=' ? 2 : 1;
    if (n % 4 == 1)
        return -EBADMSG;
    unsigned char *to = out; /* never ahead of what is read */
    unsigned bits = 0, have = 0;
    for (size_t i = 0; i < n; i++) {
        int v = value_of(text[i]);
        if (v < 0)
            return -EBADMSG;
        bits = bits << 6 | (unsigned)v;
        have += 6;
        if (have >= 8) {
            have -= 8;
            *to++ = (unsigned char)(bits >> have);
            bits &= (1u << have) - 1;
        }
    }
    return bits ? -EBADMSG : (long)(to - (unsigned char *)out);
}
