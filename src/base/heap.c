/*
 * heap.c - the pairing heap: a tree in which every node is at most its children, and nothing else.
 *
 * Joining two trees makes the greater root the first child of the lesser: that is inserting.
 * Taking a node out leaves a row of orphaned children, and how the row is joined is what makes the
 * heap fast: once from left to right in pairs, which halves the row, and then the pairs from right
 * to left into one tree.  Both passes are loops, because a row may hold every node there is.
 *
 * The links of a root are NULL apart from `child`.  A first child's `prev` is its parent, which is
 * recognised by having that node as its `child`.
 */
#include "base/heap.h"

static bool before(const aw_heap_node *a, const aw_heap_node *b)
{
    if (a->key != b->key)
        return a->key < b->key;
    return a->seq < b->seq;
}

/* Joins two roots into one tree and returns its root. */
static aw_heap_node *join(aw_heap_node *a, aw_heap_node *b)
{
    if (before(b, a)) {
        aw_heap_node *lesser = b;
        b = a;
        a = lesser;
    }
    b->prev = a;
    b->next = a->child;
    if (b->next)
        b->next->prev = b;
    a->child = b;
    a->next = a->prev = NULL;
    return a;
}

/* The left-to-right pass: the joined pairs come back as a row in reverse order, by `next`. */
static aw_heap_node *join_in_pairs(aw_heap_node *row)
{
    aw_heap_node *pairs = NULL;
    while (row) {
        aw_heap_node *tree = row, *second = row->next;
        row = second ? second->next : NULL;
        if (second)
            tree = join(tree, second);
        tree->next = pairs;
        pairs = tree;
    }
    return pairs;
}

/* Makes one tree of a row of children; NULL of an empty row. */
static aw_heap_node *join_row(aw_heap_node *row)
{
    aw_heap_node *pairs = join_in_pairs(row);
    if (!pairs)
        return NULL;
    aw_heap_node *root = pairs;
    pairs = pairs->next;
    root->next = root->prev = NULL;
    while (pairs) {
        aw_heap_node *tree = pairs;
        pairs = pairs->next;
        root = join(root, tree);
    }
    return root;
}

/* Cuts a node that is not the root, with everything below it, out of its row of siblings. */
static void cut(aw_heap_node *n)
{
    aw_assert(n->prev);
    if (n->prev->child == n)
        n->prev->child = n->next;
    else
        n->prev->next = n->next;
    if (n->next)
        n->next->prev = n->prev;
}

void aw_heap_insert(aw_heap *h, aw_heap_node *n)
{
    n->child = n->next = n->prev = NULL;
    h->root = h->root ? join(h->root, n) : n;
}

void aw_heap_remove(aw_heap *h, aw_heap_node *n)
{
    aw_assert(h->root);
    if (n != h->root)
        cut(n);
    aw_heap_node *orphans = join_row(n->child);
    if (n == h->root)
        h->root = orphans;
    else if (orphans)
        h->root = join(h->root, orphans);
    n->child = n->next = n->prev = NULL;
}

aw_heap_node *aw_heap_pop(aw_heap *h)
{
    aw_heap_node *least = h->root;
    if (least)
        aw_heap_remove(h, least);
    return least;
}
