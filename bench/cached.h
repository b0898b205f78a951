/*
 * cached.h - a file that lies in the page cache, and the places in it to be read: for the
 * programs that read it at random, 4 KiB at a time.
 */
#ifndef BENCH_CACHED_H
#define BENCH_CACHED_H

#include <stdint.h>
#include <unistd.h>

#include "bench/bench.h"

#define CACHED_BLOCK 4096
#define CACHED_READERS 64

struct cached {
    int fd;
    size_t blocks;
    size_t reads; /* of all readers together */
};

/* Makes the file, without a name, in the working directory; and reads it once: it is in memory
 * now.  < 0: it could not be made, and the reason was printed. */
static inline int cached_open(struct cached *c)
{
    char name[] = "bench-cached-XXXXXX";
    static char some[CACHED_BLOCK * 256];
    c->fd = mkstemp(name);
    c->blocks = bench_count(65536, 256); /* 256 MiB */
    c->reads = bench_count(1000000, CACHED_READERS);
    if (c->fd < 0)
        return perror("a file in the working directory"), -1;
    unlink(name);
    memset(some, 'x', sizeof some);
    for (size_t i = 0; i < c->blocks; i += 256)
        if (write(c->fd, some, sizeof some) != (ssize_t)sizeof some)
            return perror("writing the file"), -1;
    for (size_t i = 0; i < c->blocks; i += 256)
        if (pread(c->fd, some, sizeof some, (off_t)(i * CACHED_BLOCK)) != (ssize_t)sizeof some)
            return perror("reading the file"), -1;
    return 0;
}

/* Where the next read goes; every reader has a state of its own, which begins as its number. */
static inline int64_t cached_next(const struct cached *c, uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((*state >> 33) % c->blocks) * CACHED_BLOCK;
}

#endif
