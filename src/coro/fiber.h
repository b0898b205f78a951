/*
 * fiber.h - one flow of control on a stack of its own, and how to change from one to another.
 *
 * A fiber is a stack pointer, an instruction pointer and two frame registers; the rest of the
 * machine state is what the compiler says is live at the switch, because aw_fiber_switch() is
 * inline and names everything else as lost.  This layer knows of no loop, no task and no
 * scheduling.
 *
 *      low                                                        high
 *      +-------+---------------------------------+-----------+------+
 *      | guard |  <- stack grows down            |  block    | col. |
 *      +-------+---------------------------------+-----------+------+
 *      ^ slot  ^ stack_lo                         ^ aw_fiber         ^ slot + slot_size
 *
 * Stack and owner's record are one allocation: a slot.  At the top of the slot lies the owner's
 * block (a task), which begins with the aw_fiber; below it the stack; at the very bottom a page
 * that faults.  `col.` is the colour: tops are moved by a varying number of cache lines, since
 * stacks at a power-of-two distance would put all their hot lines into the same cache sets.
 *
 * The floating-point control words (mxcsr, the x87 control word) are the thread's, not the
 * fiber's: a fiber that changes the rounding mode puts it back before it switches.
 */
#ifndef AW_FIBER_H
#define AW_FIBER_H

#include "base/list.h"
#include "sys/notes.h"

/* Asked for by a build option; elsewhere, where there is no switch in assembly. */
#if !defined(AW_SWITCH_UCONTEXT) && !(defined(__x86_64__) && !defined(__ILP32__)) &&               \
    !(defined(__aarch64__) && !defined(__ILP32__) && !defined(__AARCH64EB__))
#define AW_SWITCH_UCONTEXT 1
#endif

/* Where a fiber that is not running will go on.  The assembly knows these offsets.  `base` is the
 * register in which compilers keep a frame's base when neither sp nor fp will do (alloca and an
 * over-aligned local in one function; any instrumented function): like fp, it cannot be declared
 * lost. */
struct aw_regs {
    void *sp, *ip, *fp, *base;
};

/* The first function of a fiber.  It never returns: its last act is aw_fiber_exit_to(). */
struct aw_fiber;
typedef void aw_fiber_entry(struct aw_fiber *self);

struct aw_fiber {
    struct aw_regs regs;  /* first member; valid while it is not running; ip NULL: it has ended */
    char *stack_lo;       /* lowest usable byte, just above the guard; NULL: a thread's own stack */
    uint32_t slot_size;   /* bytes of the whole slot, guard and block included; 0: a thread's */
    uint32_t valgrind_id; /* what valgrind knows the stack as */
    struct aw_stack_arena *arena; /* the mapping that the slot is part of; NULL: a thread's */
    struct aw_fiber *free_next;   /* in the pool: the next free one of its size; in use: itself */
#ifdef AW_ASAN
    void *fake_stack;      /* AddressSanitizer's, while it is not running */
    const void *asan_lo;   /* extent of the stack, as AddressSanitizer is told it; that of a */
    size_t asan_size;      /* thread's own is learnt from it when that is first left */
    aw_fiber_entry *entry; /* to be called once AddressSanitizer knows of the new stack */
#endif
#ifdef AW_TSAN
    void *tsan_fiber; /* ThreadSanitizer's, of the last preparation; NULL: never prepared */
#endif
};

/* What aw_fiber_prepare() leaves of a stack at the least: enough to begin and to be switched. */
#ifdef AW_SWITCH_UCONTEXT
#define AW_FIBER_ROOM_MIN ((size_t)8192)
#else
#define AW_FIBER_ROOM_MIN ((size_t)4096)
#endif

/* Make `f`, a slot's fiber, start in `entry` when it is first switched to.  `reserve` bytes just
 * below the block are left out of the stack (rounded up to 16); returns their address, or NULL
 * when they would leave less than AW_FIBER_ROOM_MIN of the stack.  `f` must not be running. */
static inline void *aw_fiber_prepare(struct aw_fiber *f, aw_fiber_entry *entry, size_t reserve);

/* Describe the stack that the calling code runs on (the thread's own, as a rule), so that it can
 * be switched from and back to.  To be called anew whenever another thread takes over. */
void aw_fiber_adopt_thread(struct aw_fiber *f);

/* Leave `from`, which must be the running one, and go on in `to`, which must not; returns when
 * somebody switches back to `from`. */
static inline void aw_fiber_switch(struct aw_fiber *from, struct aw_fiber *to);

/* The same, for a `from` that will never run again on this stack's contents. */
_Noreturn static inline void aw_fiber_exit_to(struct aw_fiber *from, struct aw_fiber *to);

/* ---- stacks ---- */

#define AW_STACK_CLASSES 18 /* 16 KiB << 0 .. 16 KiB << 17 = 2 GiB */
#define AW_STACK_MIN_LOG2 14
#define AW_STACK_MIN ((size_t)1 << AW_STACK_MIN_LOG2)
#define AW_STACK_MAX (AW_STACK_MIN << (AW_STACK_CLASSES - 1))

/* The slots of one size that are not in use; stack.c tells how they get from one list to the next.
 * All but the first are empty most of the time. */
struct aw_stack_class {
    struct aw_fiber *free;    /* put since the last rest, most recently used first */
    struct aw_fiber *worn;    /* the same, of the rest that is going on: to be trimmed */
    struct aw_fiber *idle;    /* trimmed, and not used since */
    struct aw_fiber *surplus; /* not used from one rest to the next: to be given back */
    aw_list with_bare;        /* arenas that slots can be taken from */
    size_t slots;             /* in all arenas */
    size_t n_idle;            /* on `idle` */
};

/* A pool of slots of one owner: no locks.  Free slots are reused last in, first out, so that the
 * one handed out is the one still in the cache; memory is given back by aw_stack_pool_rest(). */
struct aw_stack_pool {
    size_t block_size; /* of the owner's block, in whole cache lines */
    struct aw_stack_class classes[AW_STACK_CLASSES]; /* by log2(size / AW_STACK_MIN) */
    aw_list arenas;                                  /* every mapping, newest first */
    aw_list leaving;                                 /* those of which slots are being given back */
    uint32_t colour;                                 /* of the next arena's first slot */
    bool resting;                                    /* a rest has begun and is not done */
    bool surplus_idle;                               /* a class has more idle ones than it keeps */
    size_t slots_live, slots_made;                   /* handed out now; with a record */
    size_t n_idle;                                   /* of all classes */
    size_t bytes_made;                               /* address space of those with a record */
    int64_t rest_at;                                 /* when the next rest is due; 0: not known */
    const char *why;                                 /* the reason of the last -ENOMEM */
};

/* `block_size` is at most a quarter of AW_STACK_MIN, and at least that of a struct aw_fiber. */
void aw_stack_pool_init(struct aw_stack_pool *p, size_t block_size);

/* Unmaps everything; no slot may be in use except as memory nobody looks at again. */
void aw_stack_pool_fini(struct aw_stack_pool *p);

/* Is there anything for aw_stack_pool_rest() to do, now or later? */
static inline bool aw_stack_pool_wants_rest(const struct aw_stack_pool *p)
{
    return p->resting || p->surplus_idle || p->slots_made - p->slots_live != p->n_idle;
}

/* To be called when the owner has nothing better to do: gives back memory that was not needed
 * lately.  A stack that nobody has used for a second loses all but its top 16 KiB; after another
 * second it is given back altogether, but for 32 of each size, and so are mappings of which no slot
 * is left.  Does a slice of that, of a millisecond at most.  `now` is any clock's, in ns.  Returns
 * when to call again, in ns from now: 0, when there is more to do at once; INT64_MAX, when there is
 * nothing to do until stacks have been used. */
int64_t aw_stack_pool_rest(struct aw_stack_pool *p, int64_t now);

/* Gives back the memory of the running stack, which is that of `f`, below the caller's frame and
 * half a KiB: whole pages, which are zero when they are used again. */
void aw_stack_discard_below(const struct aw_fiber *f);

/* A slot of at least `size` bytes (rounded up to a power of two of at least AW_STACK_MIN).  Its
 * block begins with a struct aw_fiber whose stack fields are set; the rest of the block is as the
 * last user left it, or zero.  Returns 0; -ENOMEM, with the reason in p->why; -EINVAL for a size
 * beyond AW_STACK_MAX; -ENOTSUP in a thread with a shadow stack.  What is refused is asked for
 * again after all free slots have been given back. */
static inline int aw_stack_get(struct aw_stack_pool *p, size_t size, struct aw_fiber **ret);

/* Gives a slot back.  May be called on that very stack: its memory stays mapped, and nothing else
 * uses it until the owner asks for a stack again. */
static inline void aw_stack_put(struct aw_stack_pool *p, struct aw_fiber *f);

/* The class of slots that holds `size` bytes; AW_STACK_CLASSES or more: none does. */
static inline unsigned aw_stack_class_of(size_t size)
{
    size_t above = size > AW_STACK_MIN ? (size - 1) >> AW_STACK_MIN_LOG2 : 0;
    return above ? 64u - (unsigned)__builtin_clzll(above) : 0;
}

/* aw_stack_get() where no slot was put lately. */
int aw_stack_get_new(struct aw_stack_pool *p, unsigned class_index, struct aw_fiber **ret);

/* Who takes one slot will soon take the next, and write to its block. */
static inline void aw_fetch_block(const struct aw_fiber *f)
{
    aw_fetch((uintptr_t)f, 384);
}

static inline int aw_stack_get(struct aw_stack_pool *p, size_t size, struct aw_fiber **ret)
{
    unsigned i = aw_stack_class_of(size);
    struct aw_fiber *f = AW_LIKELY(i < AW_STACK_CLASSES) ? p->classes[i].free : NULL;
    if (AW_UNLIKELY(!f))
        return aw_stack_get_new(p, i, ret);
    struct aw_fiber *next = p->classes[i].free = f->free_next;
    aw_fetch_block(next);
    f->free_next = f;
    p->slots_live++;
    *ret = f;
    return 0;
}

static inline void aw_stack_put(struct aw_stack_pool *p, struct aw_fiber *f)
{
    aw_assert(f->free_next == f); /* in use, and a slot's: neither put twice nor a thread's */
    unsigned i = (unsigned)__builtin_ctz(f->slot_size) - AW_STACK_MIN_LOG2;
    f->free_next = p->classes[i].free;
    p->classes[i].free = f;
    p->slots_live--;
}

/* Does the address lie in the guard page below this fiber's stack? */
static inline bool aw_stack_guard_hit(const struct aw_fiber *f, uintptr_t addr, size_t page)
{
    uintptr_t lo = (uintptr_t)f->stack_lo;
    return f->stack_lo && addr < lo && addr >= lo - page;
}

#include "coro/switch.h"

#endif
