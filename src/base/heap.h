/*
 * heap.h - an intrusive pairing heap ordered by (key, seq).
 *
 * A pairing heap needs no array, so that inserting can never run out of memory; it inserts in
 * constant time, and removes any node, the least included, in amortised logarithmic time.  Nodes
 * of equal key leave in the order of their seq, which is what makes timers with the same deadline
 * fire in the order they were set.
 */
#ifndef AW_HEAP_H
#define AW_HEAP_H

#include "base/base.h"

typedef struct aw_heap_node {
    struct aw_heap_node *child; /* first child: the children form a list through `next` */
    struct aw_heap_node *next;  /* next sibling */
    struct aw_heap_node *prev;  /* previous sibling, or the parent for a first child */
    int64_t key;                /* set by the owner before insertion, fixed while inside */
    uint64_t seq;               /* breaks ties: lower leaves first */
} aw_heap_node;

typedef struct aw_heap {
    aw_heap_node *root; /* the least node, NULL when empty */
} aw_heap;

/* Puts a node in; its key and seq are set, its links need not be. */
void aw_heap_insert(aw_heap *h, aw_heap_node *n);

/* Takes a node out that is in this heap, wherever it stands. */
void aw_heap_remove(aw_heap *h, aw_heap_node *n);

/* Takes the least node out; NULL from an empty heap. */
aw_heap_node *aw_heap_pop(aw_heap *h);

static inline aw_heap_node *aw_heap_min(const aw_heap *h)
{
    return h->root;
}

#endif
