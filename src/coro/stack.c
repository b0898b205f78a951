/*
 * stack.c - where stacks come from: arenas of equal slots, cut when first needed, then recycled.
 *
 * A system call per stack would cost more than everything else a task does, so memory is mapped
 * in arenas, each for one size of slot.  The first of a size is small, since most programs have a
 * few tasks; each further one is twice as large as the last, up to ARENA_MAX.  Mappings reserve
 * addresses, not memory, but where addresses themselves are rationed (RLIMIT_AS, strict
 * overcommit) a refused arena is asked for again at half the size, down to a single slot.
 *
 * Invariants:
 *   - every slot is uncut (its pages untouched, no guard), free (on its class's list) or live;
 *   - slots [0, cut) of an arena are cut, the rest are not; only the newest arena of a class has
 *     uncut ones, since another is mapped only when it has none left;
 *   - a slot is cut all at once or, when its guard cannot be had, not at all: it stays the next;
 *   - a failing call changes nothing but, possibly, that a new arena is there to be cut.
 */
#include <errno.h>
#include <string.h>

#include "coro/fiber.h"
#include "sys/sys.h"

#define CACHE_LINE 64u
#define COLOURS 24u /* different heights of the tops, a cache line apart */
#define ARENA_FIRST ((size_t)256 << 10)
#define ARENA_FIRST_SLOTS 4u
#define ARENA_MAX ((size_t)64 << 20)

struct aw_stack_arena {
    struct aw_stack_arena *next; /* in the pool, older */
    char *base;
    size_t slot_size;
    size_t slots, cut; /* in all; handed out at least once */
    uint32_t colour;   /* of slot 0; those after it go on from there */
};

void aw_stack_pool_init(struct aw_stack_pool *p, size_t block_size)
{
    aw_assert(block_size >= sizeof(struct aw_fiber) && block_size <= AW_STACK_MIN / 4);
    memset(p, 0, sizeof *p);
    p->block_size = aw_round_up(block_size, CACHE_LINE);
}

/* The fiber at the top of a cut slot. */
static struct aw_fiber *slot_fiber(const struct aw_stack_pool *p, const struct aw_stack_arena *a,
                                   size_t index)
{
    size_t colour = (a->colour + index) % COLOURS;
    char *end = a->base + (index + 1) * a->slot_size;
    return (struct aw_fiber *)(void *)(end - colour * CACHE_LINE - p->block_size);
}

/* Takes back what the tools were told when the slots were cut. */
static void arena_forget_slots(const struct aw_stack_pool *p, const struct aw_stack_arena *a)
{
#ifndef AW_TSAN
    if (!AW_NOTE_VALGRIND())
        return;
#endif
    for (size_t i = 0; i < a->cut; i++) {
        struct aw_fiber *f = slot_fiber(p, a, i);
        AW_NOTE_STACK_FREE(f->valgrind_id);
#ifdef AW_TSAN
        if (f->tsan_fiber)
            AW_NOTE_FIBER_FREE(f->tsan_fiber);
#endif
    }
}

void aw_stack_pool_fini(struct aw_stack_pool *p)
{
    for (struct aw_stack_arena *a = p->arenas, *next; a; a = next) {
        size_t size = a->slots * a->slot_size;
        next = a->next;
        arena_forget_slots(p, a);
        AW_NOTE_UNROOT(a->base, size);
        AW_NOTE_UNPOISON(a->base, size);
        aw_sys.unmap(a->base, size);
        aw_mem_free(a);
    }
    memset(p, 0, sizeof *p);
}

/* How many slots the arena after `last` should have. */
static size_t arena_slots(const struct aw_stack_arena *last, size_t slot_size)
{
    size_t first = ARENA_FIRST / slot_size;
    size_t slots = last ? last->slots * 2 : first;
    size_t most = ARENA_MAX / slot_size;
    if (slots < ARENA_FIRST_SLOTS)
        slots = ARENA_FIRST_SLOTS;
    if (slots > most)
        slots = most;
    return slots ? slots : 1;
}

/* Maps `a->slots` slots, or as many as are to be had of its halves. */
static int arena_map(struct aw_stack_arena *a)
{
    for (; a->slots > 0; a->slots /= 2) {
        void *base;
        if (aw_sys.map(&base, a->slots * a->slot_size) < 0)
            continue;
        a->base = base;
        /* With huge pages a parked task would cost 2 MiB instead of 4 KiB; kernels without them
         * refuse the call, which is as good. */
        (void)aw_sys.no_huge(base, a->slots * a->slot_size);
        AW_NOTE_ROOT(a->base, a->slots * a->slot_size);
        return 0;
    }
    return -ENOMEM;
}

static int arena_add(struct aw_stack_pool *p, struct aw_stack_class *c, size_t slot_size)
{
    struct aw_stack_arena *a = aw_mem_alloc(sizeof *a);
    if (!a)
        return -ENOMEM;
    *a = (struct aw_stack_arena){.next = p->arenas,
                                 .slot_size = slot_size,
                                 .slots = arena_slots(c->arena, slot_size),
                                 .colour = p->colour};
    int err = arena_map(a);
    if (err < 0) {
        aw_mem_free(a);
        return err;
    }
    p->colour = (uint32_t)((p->colour + a->slots) % COLOURS);
    p->arenas = c->arena = a;
    return 0;
}

/* Makes the arena's next slot a stack: the guard first, since only that can fail. */
static int slot_cut(struct aw_stack_pool *p, struct aw_stack_arena *a, struct aw_fiber **ret)
{
    size_t page = aw_page_size();
    char *slot = a->base + a->cut * a->slot_size;
    aw_assert(page <= a->slot_size / 4);
    if (aw_sys.protect_none(slot, page) < 0)
        return -ENOMEM;
    struct aw_fiber *f = slot_fiber(p, a, a->cut);
    AW_NOTE_UNPOISON(slot, a->slot_size);
    *f = (struct aw_fiber){
        .stack_lo = slot + page, .slot_size = (uint32_t)a->slot_size, .free_next = f};
    f->valgrind_id = AW_NOTE_STACK_NEW(f->stack_lo, (char *)f);
#ifdef AW_ASAN
    f->asan_lo = f->stack_lo;
    f->asan_size = (size_t)((char *)f - f->stack_lo);
#endif
    a->cut++;
    p->slots_made++;
    *ret = f;
    return 0;
}

AW_COLD int aw_stack_get_new(struct aw_stack_pool *p, unsigned class_index, struct aw_fiber **ret)
{
    if (class_index >= AW_STACK_CLASSES)
        return -EINVAL;
    if (aw_shadow_stack_on())
        return -ENOTSUP;
    struct aw_stack_class *c = &p->classes[class_index];
    int err = 0;
    if (!c->arena || c->arena->cut == c->arena->slots)
        err = arena_add(p, c, AW_STACK_MIN << class_index);
    if (!err)
        err = slot_cut(p, c->arena, ret);
    if (!err)
        p->slots_live++;
    return err;
}
