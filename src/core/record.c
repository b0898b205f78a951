/*
 * record.c - records that one thread makes and another gives up: callbacks on their way to a loop.
 *
 * An allocator that keeps what was freed for the thread that freed it has a hard time with those.
 * Here a thread cuts its records off a block, one after the other, and takes a new block when that
 * is used up.  A block is freed when all its records have been given up; none is used twice.
 *
 * Invariant: `left` is the number of records that are not given up, counting those that the thread
 * has not cut off yet.  So it reaches zero only when the thread has gone on to another block, or
 * has ended and given up the rest itself; whoever brings it there frees the block.
 *
 * Memory order.  Giving up releases, and the last to do so acquires: it frees what nobody looks at
 * any more.
 */
#include "core/core.h"

enum { RECORDS = 100 }; /* a block is about a page */

struct record {
    void *room[AW_RECORD_WORDS];
    struct aw_records *block;
};

struct aw_records {
    _Atomic unsigned left;
    struct record records[RECORDS];
};

static void give_up(struct aw_records *b, unsigned n)
{
    if (atomic_fetch_sub_explicit(&b->left, n, memory_order_acq_rel) == n)
        aw_mem_free(b);
}

/* A thread whose end cannot be watched would leave its block behind: it gets one for each record.
 */
static AW_NOINLINE void *first_of_new(struct aw_thread *self)
{
    struct aw_records *b = aw_mem_alloc(sizeof *b);
    if (!b)
        return NULL;
    aw_thread_owns();
    unsigned n = self->watched ? RECORDS : 1;
    atomic_init(&b->left, n);
    for (unsigned i = 0; i < n; i++)
        b->records[i].block = b;
    self->records = b;
    self->records_left = n - 1;
    return b->records[n - 1].room;
}

void *aw_record_new(void)
{
    struct aw_thread *self = &aw_self;
    if (!self->records_left)
        return first_of_new(self);
    return self->records->records[--self->records_left].room;
}

void aw_record_free(void *room)
{
    give_up(aw_container_of(room, struct record, room)->block, 1);
}

void aw_record_thread_ends(void)
{
    if (aw_self.records_left)
        give_up(aw_self.records, aw_self.records_left);
    aw_self.records_left = 0;
}
