/*
 * md5.c - MD5 (RFC 1321): what the service confirms bodies by.  It guards against accidents on the
 * way, not against people.  Of our own, because a library that keeps to today's rules of
 * cryptography may refuse to give it.
 */
#include <string.h>

#include "sqs/md5.h"

static const uint32_t sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

static const unsigned char turns[4][4] = {
    {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static uint32_t word(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void block(uint32_t s[4], const unsigned char *p)
{
    uint32_t a = s[0], b = s[1], c = s[2], d = s[3];
    for (unsigned i = 0; i < 64; i++) {
        unsigned round = i / 16, at;
        uint32_t f;
        if (round == 0) {
            f = (b & c) | (~b & d);
            at = i;
        } else if (round == 1) {
            f = (d & b) | (~d & c);
            at = (5 * i + 1) % 16;
        } else if (round == 2) {
            f = b ^ c ^ d;
            at = (3 * i + 5) % 16;
        } else {
            f = c ^ (b | ~d);
            at = 7 * i % 16;
        }
        f += a + sines[i] + word(p + at * 4);
        unsigned n = turns[round][i % 4];
        a = d;
        d = c;
        c = b;
        b += f << n | f >> (32 - n);
    }
    s[0] += a;
    s[1] += b;
    s[2] += c;
    s[3] += d;
}

void aw_sqs_md5_begin(struct aw_sqs_md5 *m)
{
    *m = (struct aw_sqs_md5){.s = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};
}

void aw_sqs_md5_add(struct aw_sqs_md5 *m, const void *data, size_t n)
{
    const unsigned char *p = data;
    while (n > 0) {
        size_t at = m->n % 64, piece = 64 - at < n ? 64 - at : n;
        if (piece == 64) {
            block(m->s, p);
        } else {
            memcpy(m->part + at, p, piece);
            if (at + piece == 64)
                block(m->s, m->part);
        }
        m->n += piece;
        p += piece;
        n -= piece;
    }
}

void aw_sqs_md5_end(struct aw_sqs_md5 *m, char hex[33])
{
    static const char digits[] = "0123456789abcdef";
    static const unsigned char pad[64] = {0x80};
    unsigned char bits[8];
    for (int i = 0; i < 8; i++)
        bits[i] = (unsigned char)(m->n * 8 >> (8 * i));
    size_t at = m->n % 64;
    aw_sqs_md5_add(m, pad, at < 56 ? 56 - at : 120 - at);
    aw_sqs_md5_add(m, bits, 8);
    for (int i = 0; i < 16; i++) {
        unsigned char c = (unsigned char)(m->s[i / 4] >> (8 * (i % 4)));
        hex[2 * i] = digits[c >> 4];
        hex[2 * i + 1] = digits[c & 15];
    }
    hex[32] = 0;
}
