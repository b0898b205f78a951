/*
 * block.c - blocks of memory for buffers that come and go.
 *
 * A buffer that is filled and emptied again within a moment is not worth an allocation each time,
 * and one that is kept while it is empty is not worth its memory: so each loop keeps a few blocks
 * for whoever needs one just now, the one used last on top, as it is still in the cache.
 */
#include "core/core.h"

enum { KEPT = 64 }; /* a quarter of a megabyte */

struct aw_block {
    struct aw_block *next;
};

void *aw_block_get(aw_loop *l)
{
    struct aw_block *b = l->blocks;
    if (!b)
        return aw_mem_alloc(AW_BLOCK_SIZE);
    l->blocks = b->next;
    l->n_blocks--;
    return b;
}

void aw_block_put(aw_loop *l, void *block)
{
    struct aw_block *b = block;
    if (!b || l->n_blocks == KEPT || l->closed) {
        aw_mem_free(b);
        return;
    }
    b->next = l->blocks;
    l->blocks = b;
    l->n_blocks++;
}

void aw_blocks_close(aw_loop *l)
{
    while (l->blocks) {
        struct aw_block *b = l->blocks;
        l->blocks = b->next;
        aw_mem_free(b);
    }
    l->n_blocks = 0;
}
