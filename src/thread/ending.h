/*
 * ending.h - what has to end before the process does: loops in threads first, which may use pools;
 * then pools.
 *
 * One exit handler for all of them, so that the order is this one and not the one in which a
 * program happened to use them.  In the child of a fork the parent's have no threads, and are left
 * alone.
 */
#ifndef AW_ENDING_H
#define AW_ENDING_H

#include "core/core.h"

enum aw_ending_turn { AW_ENDING_LOOPS, AW_ENDING_POOLS, AW_ENDING_TURNS };

/* Embedded in what has to end.  end() is called once, at the exit, in the thread that exits, unless
 * it was removed before; hold() before that under the process lock, so that it stays in memory. */
struct aw_ending {
    aw_list link; /* under the process lock; to itself when it is on no list */
    void (*hold)(struct aw_ending *e);
    void (*end)(struct aw_ending *e);
    unsigned fork_generation;
};

void aw_ending_add(struct aw_ending *e, enum aw_ending_turn turn);
void aw_ending_remove(struct aw_ending *e);

#endif
