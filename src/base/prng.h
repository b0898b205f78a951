/*
 * prng.h - a small seeded generator: order that the semantics leave open is drawn from it.
 *
 * SplitMix64 turns any seed, 0 included, into a good state; xoshiro256** does the drawing.  Not
 * for secrets.
 */
#ifndef AW_PRNG_H
#define AW_PRNG_H

#include "base/base.h"

typedef struct aw_prng {
    uint64_t s[4];
} aw_prng;

static inline void aw_prng_seed(aw_prng *p, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = (seed += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        p->s[i] = z ^ (z >> 31);
    }
}

static inline uint64_t aw_prng_next(aw_prng *p)
{
    uint64_t *s = p->s, r = s[1] * 5, t = s[1] << 17;
    r = ((r << 7) | (r >> 57)) * 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return r;
}

/* A number in [0, n), n > 0, without bias worth speaking of for n < 2^32. */
static inline uint64_t aw_prng_below(aw_prng *p, uint64_t n)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)(((wide)aw_prng_next(p) * n) >> 64);
}

#endif
