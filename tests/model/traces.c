/*
 * traces.c - a hash of all that has happened which is the same for orders that differ only in how
 * independent steps follow each other.
 *
 * Each thread has a hash of its own steps.  A step takes in what it depends on: a write the write
 * before it on that word, and the reads since; a read the write before it.  So the threads' hashes
 * say who saw whom, and nothing of the rest.  Where they are the same, the threads are at the same
 * place with the same values in memory: the steps are those of deterministic code, and a plain
 * access that depended on the order would be a race, which is found whatever the order is.  What
 * follows has been tried then, if there was as much bad luck left to try it with.
 *
 * Addresses are not part of it: they change from order to order.
 */
#include "model/traces.h"

#include <stdlib.h>
#include <string.h>

static uint64_t threads[WHO];

static uint64_t mix(uint64_t hash, uint64_t with)
{
    hash = (hash ^ with) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
    return hash * 0xd6e8feb86659fd93u + 1;
}

/* ---- words ---- */

enum { MAX_PLACES = 1 << 12 };

static struct place {
    const void *addr; /* NULL: free */
    uint64_t write;   /* the latest */
    uint64_t reads;   /* those since, summed up: their order is open */
} places[MAX_PLACES];
static struct place *used[MAX_PLACES];
static size_t n_used;

static struct place *place_of(const void *addr)
{
    size_t i = mix(0, (uintptr_t)addr) % MAX_PLACES;
    while (places[i].addr && places[i].addr != addr)
        i = (i + 1) % MAX_PLACES;
    if (places[i].addr)
        return &places[i];
    if (n_used == MAX_PLACES / 2)
        abort();
    places[i] = (struct place){.addr = addr};
    return used[n_used++] = &places[i];
}

void traces_reset(void)
{
    while (n_used)
        used[--n_used]->addr = NULL;
    for (uint64_t i = 0; i < WHO; i++)
        threads[i] = i;
}

void trace_step(int who, const void *addr, bool write)
{
    struct place *p = place_of(addr);
    threads[who] = mix(mix(threads[who], write), p->write);
    if (write) {
        threads[who] = mix(threads[who], p->reads);
        p->write = threads[who];
        p->reads = 0;
    } else {
        p->reads += threads[who];
    }
}

void trace_event(int who, uint64_t what)
{
    threads[who] = mix(threads[who], what);
}

/* ---- what has been seen ---- */

static struct seen {
    uint64_t hash; /* 0: free */
    int bad_luck;  /* the least that it was come to with */
} * table;
static size_t table_size, n_seen;

static struct seen *find(struct seen *in, size_t size, uint64_t hash)
{
    size_t i = hash % size;
    while (in[i].hash && in[i].hash != hash)
        i = (i + 1) % size;
    return &in[i];
}

static void grow(void)
{
    size_t size = table_size ? 2 * table_size : 1 << 16;
    struct seen *bigger = calloc(size, sizeof *bigger);
    if (!bigger)
        abort();
    for (size_t i = 0; i < table_size; i++)
        if (table[i].hash)
            *find(bigger, size, table[i].hash) = table[i];
    free(table);
    table = bigger;
    table_size = size;
}

bool trace_seen(uint64_t more, int bad_luck)
{
    uint64_t hash = mix(0, more);
    if (2 * n_seen >= table_size)
        grow();
    for (int i = 0; i < WHO; i++)
        hash = mix(hash, threads[i]);
    struct seen *s = find(table, table_size, hash |= 1);
    if (s->hash && s->bad_luck <= bad_luck)
        return true;
    n_seen += !s->hash;
    *s = (struct seen){hash, bad_luck};
    return false;
}

unsigned long traces_known(void)
{
    return n_seen;
}

void traces_forget(void)
{
    free(table);
    table = NULL;
    table_size = n_seen = 0;
}
