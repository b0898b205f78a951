/*
 * clocks.h - who has seen what: vector clocks, the blocks of memory, and the last accesses to each
 * byte.
 */
#ifndef TESTS_MODEL_CLOCKS_H
#define TESTS_MODEL_CLOCKS_H

#include "model/explore.h"

enum { WHO = MODEL_THREADS + 1 }; /* the threads, and the setup and check */

/* One entry for each of WHO, in one register. */
typedef uint16_t tick;
typedef tick ticks __attribute__((vector_size(16)));
struct clock {
    ticks at;
};
_Static_assert(WHO <= sizeof(ticks) / sizeof(tick), "a clock has an entry for each");

extern struct clock clocks[WHO]; /* how much of each thread's steps each has seen */

/* Everything is forgotten: a new order begins. */
void clocks_reset(void);

static inline void clock_join(struct clock *c, const struct clock *other)
{
    ticks later = (ticks)(other->at > c->at);
    c->at = (later & other->at) | (~later & c->at);
}

/* `who` reads, writes or does something atomic to these bytes; what is wrong with that, or NULL. */
const char *clocks_plain(int who, const void *addr, size_t size, bool write);
const char *clocks_atomic(int who, const void *addr, size_t size, bool write, bool acquire,
                          bool release, bool replaces);

/* ---- blocks of memory ---- */

void *blocks_alloc(size_t size);
/* What is wrong with freeing it, or NULL; the memory stays as it is until the order is over. */
const char *blocks_free(int who, void *ptr);
/* How many have not been freed. */
size_t blocks_left(void);

#endif
