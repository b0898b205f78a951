/*
 * arena.h - the mappings that slots are taken from; private to this folder.
 *
 * An arena is one mapping of equal slots.  A slot of it is either bare, which means that no page of
 * it holds anything but the guard, and that it has no record; or it has been taken, and its record
 * lies in its top page until it is given back.  Which are bare is told by a bit per slot, since
 * anything written into the slot would cost the page that being bare saves.
 *
 *     slots:   0 ........ guarded ......... slots
 *              | taken or   | bare, and no     |
 *              | bare       | guard yet        |
 *
 * Guards are made in batches, ahead of use: a guard touches the slot's page table, not its pages.
 */
#ifndef AW_ARENA_H
#define AW_ARENA_H

#include "coro/fiber.h"

struct aw_stack_arena {
    aw_list all;       /* on pool->arenas, newest first */
    aw_list with_bare; /* on its class's list while it has bare slots */
    aw_list leaving;   /* on pool->leaving while slots of it are about to be given back */
    char *base;
    size_t slot_size;
    uint32_t slots, guarded; /* in all; how many have their guard, counted from the first */
    uint32_t bare, n_leaving;
    uint32_t lowest; /* no bare slot in the words of bits before this one */
    uint32_t colour; /* of slot 0; those after it go on from there */
    uint64_t *going; /* bit per slot: leaving; lies behind is_bare */
    uint64_t is_bare[];
};

/* Maps another arena for a class: 0, or -ENOMEM. */
int aw_arena_add(struct aw_stack_pool *p, unsigned class_index);

/* Takes the lowest bare slot, makes its record: 0, or -ENOMEM for a guard that cannot be had. */
int aw_arena_take(struct aw_stack_pool *p, struct aw_stack_arena *a, struct aw_fiber **ret);

/* A free slot's record is given up; its pages follow with aw_arenas_settle(). */
void aw_arena_leave(struct aw_stack_pool *p, struct aw_fiber *f);

/* Makes bare what is leaving, and unmaps arenas all bare; returns whether there was one. */
bool aw_arenas_settle(struct aw_stack_pool *p);

/* Unmaps it, whatever its slots are. */
void aw_arena_free(struct aw_stack_pool *p, struct aw_stack_arena *a);

#endif
