/*
 * table.h - names to things: an intrusive hash table, seeded.
 *
 * Names come from strangers (session ids, rooms), so the hash is SipHash-2-4 with a key from the
 * kernel: nobody can choose names that meet in one slot.
 */
#ifndef AW_SIO_TABLE_H
#define AW_SIO_TABLE_H

#include "base/base.h"

struct aw_sio_node {
    struct aw_sio_node *next; /* in its slot */
    const char *name;         /* lies in what the node is part of; ends in a zero */
    uint64_t hash;
};

struct aw_sio_table {
    struct aw_sio_node **slots; /* NULL as long as nothing was added */
    size_t n, size;             /* nodes; slots, a power of two */
    const uint64_t *key;        /* two words */
};

/* The node of this name, or NULL. */
struct aw_sio_node *aw_sio_table_find(const struct aw_sio_table *t, const char *name);

/* Add a node whose name is set, and not in the table.  0, -ENOMEM. */
int aw_sio_table_add(struct aw_sio_table *t, struct aw_sio_node *node);

/* Take out a node that is in it. */
void aw_sio_table_remove(struct aw_sio_table *t, struct aw_sio_node *node);

/* Any node, or NULL: for taking them out one by one. */
struct aw_sio_node *aw_sio_table_any(const struct aw_sio_table *t);

/* Give the slots up; there must be no node left. */
void aw_sio_table_clear(struct aw_sio_table *t);

uint64_t aw_sio_hash(const uint64_t key[2], const void *data, size_t n);

#endif
