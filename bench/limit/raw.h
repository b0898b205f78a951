/*
 * raw.h - the least that a program with coroutines needs: a switch, stacks, a ready queue.
 *
 * This is what the library is measured against: the same machine work by hand, without handles,
 * errors, cancelling, guards or any check.  The switch is a called function that ends in a jump;
 * the stacks are 64 KiB apart, as the library's are by default, with tops of 24 different heights,
 * and are used again last in, first out.
 */
#ifndef BENCH_LIMIT_RAW_H
#define BENCH_LIMIT_RAW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "bench/bench.h"

#define RAW_STRIDE ((size_t)64 << 10)
#define RAW_ARENA ((size_t)64 << 20)

struct raw_co {
    void *sp; /* while it does not run */
    struct raw_co *next;
    void (*fn)(void *arg);
    void *arg;
    struct raw_co *joiner;
};

static struct raw_co raw_thread, *raw_self = &raw_thread;
static struct raw_co *raw_first, **raw_last = &raw_first; /* ready to go on */
static struct raw_co *raw_free;                           /* stacks to be used again */
static char *raw_arena;
static size_t raw_cut, raw_colour;

void raw_switch(struct raw_co *from, struct raw_co *to);
__asm__(".text\n"
        ".globl raw_switch\n"
        ".type raw_switch, @function\n"
        "raw_switch:\n\t"
        "endbr64\n\t"
        "pushq %rbp\n\t"
        "pushq %rbx\n\t"
        "pushq %r12\n\t"
        "pushq %r13\n\t"
        "pushq %r14\n\t"
        "pushq %r15\n\t"
        "movq %rsp, (%rdi)\n\t"
        "movq (%rsi), %rsp\n\t"
        "popq %r15\n\t"
        "popq %r14\n\t"
        "popq %r13\n\t"
        "popq %r12\n\t"
        "popq %rbx\n\t"
        "popq %rbp\n\t"
        "popq %rcx\n\t"
        "jmpq *%rcx\n"
        ".size raw_switch, .-raw_switch\n");

static inline void raw_ready(struct raw_co *c)
{
    c->next = NULL;
    *raw_last = c;
    raw_last = &c->next;
}

/* Goes on with the first that is ready; there must be one. */
static inline void raw_next(void)
{
    struct raw_co *from = raw_self, *to = raw_first;
    raw_first = to->next;
    if (!raw_first)
        raw_last = &raw_first;
    raw_self = to;
    if (from != to)
        raw_switch(from, to);
}

static inline void raw_yield(void)
{
    raw_ready(raw_self);
    raw_next();
}

static void raw_entry(void)
{
    struct raw_co *me = raw_self;
    me->fn(me->arg);
    if (me->joiner)
        raw_ready(me->joiner);
    struct raw_co *to = raw_first; /* the stack may be handed out from here on, by who comes next */
    me->next = raw_free;
    raw_free = me;
    raw_first = to->next;
    if (!raw_first)
        raw_last = &raw_first;
    raw_self = to;
    raw_switch(me, to);
    __builtin_unreachable();
}

static inline struct raw_co *raw_stack(void)
{
    struct raw_co *c = raw_free;
    if (c) {
        raw_free = c->next;
        return c;
    }
    if (!raw_arena || raw_cut == RAW_ARENA) {
        raw_arena = mmap(NULL, RAW_ARENA, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (raw_arena == MAP_FAILED)
            abort();
        madvise(raw_arena, RAW_ARENA, MADV_NOHUGEPAGE);
        raw_cut = 0;
    }
    raw_cut += RAW_STRIDE;
    raw_colour = (raw_colour + 1) % 24;
    return (struct raw_co *)(void *)(raw_arena + raw_cut - raw_colour * 64 - 128);
}

static inline struct raw_co *raw_create(void (*fn)(void *), void *arg)
{
    struct raw_co *c = raw_stack();
    void **top = (void **)(void *)c;
    top[-2] = (void *)(uintptr_t)raw_entry; /* entered with the stack as a call leaves it */
    c->sp = top - 8;
    c->fn = fn;
    c->arg = arg;
    c->joiner = NULL;
    raw_ready(c);
    return c;
}

#endif
