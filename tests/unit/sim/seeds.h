/*
 * seeds.h - programs that run under many seeds, each with another network.
 *
 * A scenario starts its servers; SEED_CLIENTS clients talk to them while the network does what the
 * seed draws.  Then it is calm: everybody has to come to an end, and one more client has to get all
 * it asks for.  What clients and servers read is checked byte by byte: each byte says by its value
 * whose it is and at which place it stands, so that one that is lost, doubled or displaced shows.
 *
 * AWAIT_SIM_SEEDS=n runs n seeds, AWAIT_SIM_SEED=n this one alone.
 */
#ifndef TESTS_SIM_SEEDS_H
#define TESTS_SIM_SEEDS_H

#include "../core/util.h"
#include "await/net.h"
#include "await/report.h"
#include "await/scope.h"
#include "await/testing.h"
#include "base/prng.h"
#include "harness/test.h"

enum { SEED_CLIENTS = 5, SEED_BYTES = 4000 };

struct seed_run;

/* What one scenario is. */
struct seed_scenario {
    const char *test; /* its name, to repeat it by */
    /* Starts its servers: the port that clients go to. */
    unsigned (*start)(struct seed_run *run);
    void (*stop)(struct seed_run *run);
    /* One client's talk: 0, when it got everything; an error otherwise. */
    int (*talk)(struct seed_run *run, aw_stream *s, unsigned id);
};

struct seed_run {
    const struct seed_scenario *scenario;
    uint64_t seed;
    aw_prng prng; /* of the program: sizes and pauses */
    unsigned port;
    aw_server *servers[2];
    size_t bytes; /* that each client sends */
    unsigned complete, broken, cancelled;
    unsigned reports;
    double calm_at;
};

/* The byte of client `id` at a place. */
static inline char seed_byte(unsigned id, size_t at)
{
    return (char)((id * 131u + at * 7u + at / 251u) & 0xffu);
}

static inline void seed_fill(char *buf, size_t n, unsigned id, size_t at)
{
    for (size_t i = 0; i < n; i++)
        buf[i] = seed_byte(id, at + i);
}

static inline void seed_check(const char *buf, size_t n, unsigned id, size_t at)
{
    for (size_t i = 0; i < n; i++)
        if (buf[i] != seed_byte(id, at + i))
            fail_msg("client %u: the byte at %zu is not the one that was sent there", id, at + i);
}

/* Is this what a broken connection gives? */
static inline bool seed_is_loss(ssize_t err)
{
    return err == -ECONNRESET || err == -EPIPE || err == AW_EOF || err == -ECONNREFUSED ||
           err == -ETIMEDOUT || err == -ECONNABORTED;
}

aw_server *seed_serve(struct seed_run *run, aw_client_handler *handler, unsigned *port);
int seed_connect(aw_stream **ret, unsigned port);
void seed_hang_up(aw_stream *s);
void seed_stop_servers(struct seed_run *run);

/* Runs a scenario under its seeds. */
void seeds(const struct seed_scenario *scenario);

#endif
