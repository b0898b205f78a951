/*
 * table.c - the hash table and SipHash-2-4 (Aumasson and Bernstein).
 */
#include <string.h>

#include "await/memory.h"
#include "sio/table.h"

/* ---- the hash ---- */

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void mix(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void absorb(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    mix(v);
    mix(v);
    v[0] ^= word;
}

/* Up to eight bytes, the first being the lowest. */
static uint64_t little_endian(const unsigned char *at, size_t n)
{
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++)
        word |= (uint64_t)at[i] << (8 * i);
    return word;
}

uint64_t aw_sio_hash(const uint64_t key[2], const void *data, size_t n)
{
    const unsigned char *at = data;
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                     key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
    size_t left = n;
    for (; left >= 8; left -= 8, at += 8)
        absorb(v, little_endian(at, 8));
    absorb(v, little_endian(at, left) | (uint64_t)n << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        mix(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- the table ---- */

struct aw_sio_node *aw_sio_table_find(const struct aw_sio_table *t, const char *name)
{
    if (t->n == 0)
        return NULL;
    uint64_t hash = aw_sio_hash(t->key, name, strlen(name));
    struct aw_sio_node *node = t->slots[hash & (t->size - 1)];
    while (node && (node->hash != hash || strcmp(node->name, name) != 0))
        node = node->next;
    return node;
}

static void insert(struct aw_sio_table *t, struct aw_sio_node *node)
{
    struct aw_sio_node **slot = &t->slots[node->hash & (t->size - 1)];
    node->next = *slot;
    *slot = node;
}

/* Twice as many slots.  A table that is full and cannot grow still works, a little slower. */
static int grow(struct aw_sio_table *t)
{
    size_t old_size = t->size;
    struct aw_sio_node **old = t->slots;
    size_t size = old_size ? old_size * 2 : 8;
    struct aw_sio_node **slots = aw_mem_zalloc(size * sizeof(struct aw_sio_node *));
    if (!slots)
        return old ? 0 : -ENOMEM;
    t->slots = slots;
    t->size = size;
    for (size_t i = 0; i < old_size; i++)
        for (struct aw_sio_node *node = old[i], *next; node; node = next) {
            next = node->next;
            insert(t, node);
        }
    aw_mem_free(old);
    return 0;
}

int aw_sio_table_add(struct aw_sio_table *t, struct aw_sio_node *node)
{
    if (t->n == t->size && grow(t) < 0)
        return -ENOMEM;
    node->hash = aw_sio_hash(t->key, node->name, strlen(node->name));
    insert(t, node);
    t->n++;
    return 0;
}

void aw_sio_table_remove(struct aw_sio_table *t, struct aw_sio_node *node)
{
    struct aw_sio_node **at = &t->slots[node->hash & (t->size - 1)];
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    t->n--;
}

struct aw_sio_node *aw_sio_table_any(const struct aw_sio_table *t)
{
    for (size_t i = 0; t->n > 0 && i < t->size; i++)
        if (t->slots[i])
            return t->slots[i];
    return NULL;
}

void aw_sio_table_clear(struct aw_sio_table *t)
{
    aw_mem_free(t->slots);
    t->slots = NULL;
    t->n = t->size = 0;
}
