/*
 * arena.c - where slots come from and go to: mappings, their guards, their bare slots.
 *
 * A system call per stack would cost more than everything else a task does, so memory is mapped
 * in arenas, each for one size of slot.  The first of a size is small, since most programs have a
 * few tasks; each further one is as large as all before, up to ARENA_MAX.  Mappings reserve
 * addresses, not memory, but where addresses themselves are rationed (RLIMIT_AS, strict
 * overcommit) a refused arena is asked for again at half the size, down to a single slot.
 *
 * The way back is in batches too.  Slots next to each other are given back by one call, in a tenth
 * of the time that one call for each would take; an arena with no slot taken is unmapped, which
 * also gives back its page tables.
 *
 * Invariants:
 *   - slots [0, guarded) of an arena have their guards, all others are bare;
 *   - a slot is taken all at once or, when its guard cannot be had, not at all: it stays the next;
 *   - an arena is on its class's list of those with bare slots exactly while a->bare > 0;
 *   - a failing call changes nothing but, possibly, that a new arena is there to be taken from.
 */
#include "coro/arena.h"

#include <errno.h>
#include <string.h>

#include "sys/sys.h"

#define CACHE_LINE 64u
#define COLOURS 24u /* different heights of the tops, a cache line apart */
#define ARENA_FIRST ((size_t)256 << 10)
#define ARENA_FIRST_SLOTS 4u
#define ARENA_MAX ((size_t)64 << 20)
#define WORD 64u
#define GUARDS_AHEAD 1024u /* so many are made at once, at most */

static bool bit(const uint64_t *bits, uint32_t i)
{
    return bits[i / WORD] >> i % WORD & 1;
}

/* ---- slots ---- */

/* The fiber at the top of a slot. */
static struct aw_fiber *slot_fiber(const struct aw_stack_pool *p, const struct aw_stack_arena *a,
                                   uint32_t index)
{
    size_t colour = (a->colour + index) % COLOURS;
    char *end = a->base + (index + (size_t)1) * a->slot_size;
    return (struct aw_fiber *)(void *)(end - colour * CACHE_LINE - p->block_size);
}

/* Takes back what the tools were told when the slot was taken. */
static void forget_slot(struct aw_fiber *f)
{
    AW_NOTE_STACK_FREE(f->valgrind_id);
#ifdef AW_TSAN
    if (f->tsan_fiber)
        AW_NOTE_FIBER_FREE(f->tsan_fiber);
#endif
    (void)f;
}

static void make_record(struct aw_stack_arena *a, uint32_t index, struct aw_fiber *f)
{
    char *slot = a->base + index * a->slot_size;
    AW_NOTE_UNPOISON(slot, a->slot_size);
    *f = (struct aw_fiber){.stack_lo = slot + aw_page_size(),
                           .slot_size = (uint32_t)a->slot_size,
                           .arena = a,
                           .free_next = f};
    f->valgrind_id = AW_NOTE_STACK_NEW(f->stack_lo, (char *)f);
#ifdef AW_ASAN
    f->asan_lo = f->stack_lo;
    f->asan_size = (size_t)((char *)f - f->stack_lo);
#endif
}

/* Guards for the next slots; for one at least, or -ENOMEM. */
static int guard_more(struct aw_stack_pool *p, struct aw_stack_arena *a)
{
    size_t page = aw_page_size(), ahead = a->slots - a->guarded;
    aw_assert(page <= a->slot_size / 4);
    char *first = a->base + a->guarded * a->slot_size;
    size_t made = aw_guard_pages(first, a->slot_size, ahead < GUARDS_AHEAD ? ahead : GUARDS_AHEAD);
    if (made == 0 && aw_sys.protect_none(first, page) < 0) {
        p->why = "no room for the guard of a stack: vm.max_map_count is reached";
        return -ENOMEM;
    }
    a->guarded += made ? (uint32_t)made : 1;
    return 0;
}

int aw_arena_take(struct aw_stack_pool *p, struct aw_stack_arena *a, struct aw_fiber **ret)
{
    aw_assert(a->bare > 0);
    while (!a->is_bare[a->lowest])
        a->lowest++;
    uint32_t index = a->lowest * WORD + (uint32_t)__builtin_ctzll(a->is_bare[a->lowest]);
    aw_assert(index <= a->guarded);
    if (index == a->guarded && guard_more(p, a) < 0)
        return -ENOMEM;
    a->is_bare[a->lowest] &= a->is_bare[a->lowest] - 1;
    if (--a->bare == 0)
        aw_list_remove(&a->with_bare);
    struct aw_fiber *f = slot_fiber(p, a, index);
    make_record(a, index, f);
    p->slots_made++;
    p->bytes_made += a->slot_size;
    *ret = f;
    return 0;
}

/* ---- giving back ---- */

void aw_arena_leave(struct aw_stack_pool *p, struct aw_fiber *f)
{
    struct aw_stack_arena *a = f->arena;
    uint32_t index = (uint32_t)((size_t)(f->stack_lo - a->base) / a->slot_size);
    aw_assert(!bit(a->is_bare, index) && !bit(a->going, index));
    forget_slot(f);
    a->going[index / WORD] |= UINT64_C(1) << index % WORD;
    if (a->n_leaving++ == 0)
        aw_list_push_back(&p->leaving, &a->leaving);
    p->slots_made--;
    p->bytes_made -= a->slot_size;
}

/* The next run of slots from *at on of which each is bare or leaving; *at becomes its end. */
static uint32_t next_run(const struct aw_stack_arena *a, uint32_t *at)
{
    uint32_t begin = *at;
    while (begin < a->guarded && !bit(a->going, begin))
        begin++;
    for (*at = begin; *at < a->guarded; ++*at)
        if (!bit(a->going, *at) && !bit(a->is_bare, *at))
            break;
    return begin;
}

static void settle(struct aw_stack_pool *p, struct aw_stack_arena *a)
{
    uint32_t words = (a->slots + WORD - 1) / WORD;
    for (uint32_t at = 0, begin; (begin = next_run(a, &at)) < a->guarded;) /* guards survive it */
        (void)aw_sys.discard(a->base + begin * a->slot_size, (at - begin) * a->slot_size);
    for (uint32_t i = 0; i < words; i++) {
        a->is_bare[i] |= a->going[i];
        a->going[i] = 0;
    }
    if (a->bare == 0)
        aw_list_push_front(&p->classes[aw_stack_class_of(a->slot_size)].with_bare, &a->with_bare);
    a->bare += a->n_leaving;
    a->n_leaving = 0;
    a->lowest = 0;
}

bool aw_arenas_settle(struct aw_stack_pool *p)
{
    bool unmapped = false;
    aw_list *link;
    while ((link = aw_list_pop_front(&p->leaving)) != NULL) {
        struct aw_stack_arena *a = aw_container_of(link, struct aw_stack_arena, leaving);
        if (a->bare + a->n_leaving < a->slots) {
            settle(p, a);
            continue;
        }
        unmapped = true;
        aw_arena_free(p, a);
    }
    return unmapped;
}

/* ---- mappings ---- */

/* How many slots the next arena of this class should have. */
static uint32_t slots_wanted(const struct aw_stack_class *c, size_t slot_size)
{
    size_t slots = ARENA_FIRST / slot_size, most = ARENA_MAX / slot_size;
    if (slots < ARENA_FIRST_SLOTS)
        slots = ARENA_FIRST_SLOTS;
    if (slots < c->slots)
        slots = c->slots;
    if (slots > most)
        slots = most;
    return slots ? (uint32_t)slots : 1;
}

/* Maps `*slots` slots, or as many as are to be had of its halves. */
static int map_slots(char **ret, uint32_t *slots, size_t slot_size)
{
    for (; *slots > 0; *slots /= 2) {
        void *base;
        if (aw_sys.map(&base, *slots * slot_size) < 0)
            continue;
        *ret = base;
        /* With huge pages a parked task would cost 2 MiB instead of 4 KiB; kernels without them
         * refuse the call, which is as good. */
        (void)aw_sys.no_huge(base, *slots * slot_size);
        AW_NOTE_ROOT(base, *slots * slot_size);
        return 0;
    }
    return -ENOMEM;
}

static void all_bare(struct aw_stack_arena *a)
{
    uint32_t words = (a->slots + WORD - 1) / WORD;
    a->going = a->is_bare + words;
    memset(a->is_bare, 0xff, words * sizeof *a->is_bare);
    if (a->slots % WORD)
        a->is_bare[words - 1] = (UINT64_C(1) << a->slots % WORD) - 1;
    memset(a->going, 0, words * sizeof *a->going);
    a->bare = a->slots;
}

int aw_arena_add(struct aw_stack_pool *p, unsigned class_index)
{
    struct aw_stack_class *c = &p->classes[class_index];
    size_t slot_size = AW_STACK_MIN << class_index;
    uint32_t slots = slots_wanted(c, slot_size), words = (slots + WORD - 1) / WORD;
    struct aw_stack_arena *a = aw_mem_alloc(sizeof *a + 2 * words * sizeof(uint64_t));
    p->why = "no memory for a stack";
    if (!a)
        return -ENOMEM;
    *a = (struct aw_stack_arena){.slot_size = slot_size, .colour = p->colour};
    if (map_slots(&a->base, &slots, slot_size) < 0) {
        aw_mem_free(a);
        p->why = "no addresses for a stack: the system refuses memory, or vm.max_map_count or a "
                 "limit on the process (ulimit -v) is reached";
        return -ENOMEM;
    }
    a->slots = slots;
    all_bare(a);
    c->slots += slots;
    p->colour = (p->colour + slots) % COLOURS;
    aw_list_init(&a->leaving);
    aw_list_push_front(&p->arenas, &a->all);
    aw_list_push_front(&c->with_bare, &a->with_bare);
    return 0;
}

/* The slots that have a record still. */
static void forget_slots(const struct aw_stack_pool *p, const struct aw_stack_arena *a)
{
#ifndef AW_TSAN
    if (!AW_NOTE_VALGRIND())
        return;
#endif
    for (uint32_t i = 0; i < a->guarded; i++)
        if (!bit(a->is_bare, i) && !bit(a->going, i))
            forget_slot(slot_fiber(p, a, i));
}

void aw_arena_free(struct aw_stack_pool *p, struct aw_stack_arena *a)
{
    size_t size = a->slots * a->slot_size;
    p->classes[aw_stack_class_of(a->slot_size)].slots -= a->slots;
    forget_slots(p, a);
    if (a->bare > 0)
        aw_list_remove(&a->with_bare);
    aw_list_remove(&a->all);
    AW_NOTE_UNROOT(a->base, size);
    AW_NOTE_UNPOISON(a->base, size);
    aw_sys.unmap(a->base, size);
    aw_mem_free(a);
}
