/*
 * stack.c - the pool: slots that wait to be used again, and what becomes of those that nobody uses.
 *
 * A slot that was used a moment ago is in the cache and has its pages, so it is the best to use
 * next, and the fast path keeps no more than a list, last in first out.  Which slots are not needed
 * any more follows from the list itself, at no cost: from time to time (aw_stack_pool_rest(), when
 * the owner has nothing to do) all that is on `free` moves away.  Slots taken since then were taken
 * from what moved, as `free` was empty; so what is still there at the next rest was not needed in
 * between.
 *
 *     put -> free -> worn -> idle -> surplus -> bare    (arena.h)
 *              rest    |  next rest    |
 *                      |               +- loses all its pages
 *                      +- loses what a deep use left, all but its top
 *
 * A rest does a slice of the work at a time, so that what comes meanwhile need not wait long.
 *
 * Invariants:
 *   - every slot with a record is live or on one of these lists of its class;
 *   - rest_at == 0: nothing has been used since the last rest had no more to do.
 */
#include <errno.h>
#include <string.h>

#include "coro/arena.h"
#include "coro/shadow.h"
#include "sys/sys.h"

#define CACHE_LINE 64u
#define NS_BETWEEN_RESTS 1000000000
#define SLICE_TRIMMED 256u /* slots a call of aw_stack_pool_rest() looks at: about 100 us, */
#define SLICE_LEFT 1024u   /* and those it gives back: 100 us, or 1 ms when they lie apart */
#define IDLE_KEPT 32u      /* slots of a class that stay, however long they are not used */
#define BYTES_KEPT ((size_t)16 << 10)

void aw_stack_pool_init(struct aw_stack_pool *p, size_t block_size)
{
    aw_assert(block_size >= sizeof(struct aw_fiber) && block_size <= AW_STACK_MIN / 4);
    memset(p, 0, sizeof *p);
    p->block_size = aw_round_up(block_size, CACHE_LINE);
    aw_list_init(&p->arenas);
    aw_list_init(&p->leaving);
    for (unsigned i = 0; i < AW_STACK_CLASSES; i++)
        aw_list_init(&p->classes[i].with_bare);
}

void aw_stack_pool_fini(struct aw_stack_pool *p)
{
    size_t block_size = p->block_size;
    while (!aw_list_empty(&p->arenas))
        aw_arena_free(p, aw_container_of(p->arenas.next, struct aw_stack_arena, all));
    aw_stack_pool_init(p, block_size);
}

static struct aw_fiber *pop(struct aw_fiber **list)
{
    struct aw_fiber *f = *list;
    if (f)
        *list = f->free_next;
    return f;
}

static void push(struct aw_fiber **list, struct aw_fiber *f)
{
    f->free_next = *list;
    *list = f;
}

/* ---- taking ---- */

/* One that has rested; those first that kept the most. */
static struct aw_fiber *take_rested(struct aw_stack_pool *p, struct aw_stack_class *c)
{
    struct aw_fiber *f = pop(&c->worn);
    if (!f && (f = pop(&c->idle)) != NULL) {
        c->n_idle--;
        p->n_idle--;
    }
    return f ? f : pop(&c->surplus);
}

static int take_bare(struct aw_stack_pool *p, unsigned class_index, struct aw_fiber **ret)
{
    struct aw_stack_class *c = &p->classes[class_index];
    if (aw_list_empty(&c->with_bare)) {
        int err = aw_arena_add(p, class_index);
        if (err < 0)
            return err;
    }
    aw_list *first = c->with_bare.next;
    return aw_arena_take(p, aw_container_of(first, struct aw_stack_arena, with_bare), ret);
}

static void leave_all(struct aw_stack_pool *p, struct aw_fiber **list)
{
    struct aw_fiber *f;
    while ((f = pop(list)) != NULL)
        aw_arena_leave(p, f);
}

/* Everything that is not in use goes back; whether addresses and mappings came free by that. */
static bool leave_everything(struct aw_stack_pool *p)
{
    for (unsigned i = 0; i < AW_STACK_CLASSES; i++) {
        struct aw_stack_class *c = &p->classes[i];
        leave_all(p, &c->free);
        leave_all(p, &c->worn);
        leave_all(p, &c->idle);
        leave_all(p, &c->surplus);
        c->n_idle = 0;
    }
    p->n_idle = 0;
    return aw_arenas_settle(p);
}

AW_COLD int aw_stack_get_new(struct aw_stack_pool *p, unsigned class_index, struct aw_fiber **ret)
{
    if (class_index >= AW_STACK_CLASSES)
        return -EINVAL;
    if (aw_shadow_stack_on())
        return -ENOTSUP;
    struct aw_fiber *f = take_rested(p, &p->classes[class_index]);
    int err = f ? 0 : take_bare(p, class_index, &f);
    if (err < 0 && leave_everything(p))
        err = take_bare(p, class_index, &f);
    if (err < 0)
        return err;
    f->free_next = f;
    p->slots_live++;
    *ret = f;
    return 0;
}

/* ---- resting ---- */

/* Gives back what lies deeper than most uses go.  There may be nothing: to find out would cost as
 * much. */
static void trim(const struct aw_fiber *f)
{
    size_t page = aw_page_size(), kept = aw_round_up(BYTES_KEPT, page);
    uintptr_t lo = (uintptr_t)f->stack_lo, hi = ((uintptr_t)f & ~(uintptr_t)(page - 1)) - kept;
    if (f->slot_size > 2 * kept)
        (void)aw_sys.discard(f->stack_lo, hi - lo);
}

/* The frames of this call, and of the system call's, lie below `here`. */
#if defined(AW_ASAN) || defined(AW_TSAN)
#define STILL_TO_COME ((uintptr_t)4096)
#else
#define STILL_TO_COME ((uintptr_t)512)
#endif

AW_NOINLINE void aw_stack_discard_below(const struct aw_fiber *f)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), page = aw_page_size();
    uintptr_t lo = (uintptr_t)f->stack_lo, hi = (here - STILL_TO_COME) & ~(page - 1);
    aw_assert(lo && here > lo && here < (uintptr_t)f);
    if (hi > lo)
        (void)aw_sys.discard(f->stack_lo, hi - lo);
}

/* Begins a rest: what was put since the last one is worn, what was idle all the time is surplus. */
static void turn_over(struct aw_stack_pool *p, struct aw_stack_class *c)
{
    struct aw_fiber **link = &c->idle;
    unsigned kept = 0;
    for (; *link && kept < IDLE_KEPT; kept++)
        link = &(*link)->free_next;
    aw_assert(!c->surplus && !c->worn);
    c->surplus = *link;
    *link = NULL;
    p->n_idle -= c->n_idle - kept;
    c->n_idle = kept;
    c->worn = c->free;
    c->free = NULL;
}

/* A slice of a rest's work on one class. */
static void work_on(struct aw_stack_pool *p, struct aw_stack_class *c, unsigned *trims,
                    unsigned *leaves)
{
    struct aw_fiber *f;
    for (; *trims && (f = pop(&c->worn)) != NULL; --*trims) {
        trim(f);
        push(&c->idle, f);
        c->n_idle++;
        p->n_idle++;
    }
    for (; *leaves && (f = pop(&c->surplus)) != NULL; --*leaves)
        aw_arena_leave(p, f);
}

/* Does the next slice of work; whether it was the last. */
static bool work(struct aw_stack_pool *p)
{
    unsigned trims = SLICE_TRIMMED, leaves = SLICE_LEFT;
    p->surplus_idle = false;
    for (unsigned i = 0; i < AW_STACK_CLASSES; i++) {
        work_on(p, &p->classes[i], &trims, &leaves);
        p->surplus_idle = p->surplus_idle || p->classes[i].n_idle > IDLE_KEPT;
    }
    aw_arenas_settle(p);
    return trims > 0 && leaves > 0;
}

int64_t aw_stack_pool_rest(struct aw_stack_pool *p, int64_t now)
{
    if (!p->resting) {
        if (!aw_stack_pool_wants_rest(p)) {
            p->rest_at = 0;
            return INT64_MAX;
        }
        if (p->rest_at == 0)
            p->rest_at = now + NS_BETWEEN_RESTS;
        if (now < p->rest_at)
            return p->rest_at - now;
        for (unsigned i = 0; i < AW_STACK_CLASSES; i++)
            turn_over(p, &p->classes[i]);
        p->resting = true;
    }
    if (!work(p))
        return 0;
    p->resting = false;
    p->rest_at = aw_stack_pool_wants_rest(p) ? now + NS_BETWEEN_RESTS : 0;
    return p->rest_at ? NS_BETWEEN_RESTS : INT64_MAX;
}
