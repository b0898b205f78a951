/*
 * switch.h - changing from one fiber to another; the inline half of fiber.h.
 *
 * What is particular to a CPU is a few functions and a label, in switch_<cpu>.h and entry_<cpu>.S:
 *
 *   aw_regs_swap(from, to)       saves where to go on into from, goes on in to; returns, when
 *                                somebody comes back, the fiber that he came from;
 *   aw_regs_jump(from, to)       the same without saving;
 *   aw_regs_init(f, top, entry)  makes the next switch to f begin in entry, on an empty stack;
 *   aw_return_address(stored)    what a return address on a stack stands for, if it is signed;
 *   aw_fiber_start               where a fiber's first switch lands: calls entry(self, previous).
 *
 * Without a header for the CPU, or when asked for, switch_ucontext.h has the C library do it.
 *
 * Around them stand the sanitizers' notes.  Their order is fixed: AddressSanitizer is told before
 * and after, ThreadSanitizer at the last moment, since whatever is recorded behind its note counts
 * as done by the fiber switched to.
 *
 * Invariants.  Exactly one fiber of a thread runs; its regs are stale.  Every other one's regs say
 * where it goes on, and the bytes from regs.sp - 128 (the red zone) up are untouched until then.
 * A fiber is only ever resumed by the thread that it was left in: compilers keep addresses of
 * thread-local variables over the switch.
 */
#ifndef AW_SWITCH_H
#define AW_SWITCH_H

#include "coro/fiber.h"

#if defined(AW_SWITCH_UCONTEXT)
#include "coro/switch_ucontext.h"
#elif defined(__x86_64__)
#include "coro/switch_x86_64.h"
#else
#include "coro/switch_aarch64.h"
#endif

#ifdef AW_ASAN
/* Stands in for the entry until AddressSanitizer has been told that the switch is done. */
void aw_fiber_begin_asan(struct aw_fiber *self, struct aw_fiber *previous);
#endif

static inline void *aw_fiber_prepare(struct aw_fiber *f, aw_fiber_entry *entry, size_t reserve)
{
    size_t room = (size_t)((char *)f - f->stack_lo);
    if (AW_UNLIKELY(reserve > room - AW_FIBER_ROOM_MIN))
        return NULL;
    char *top = (char *)f - aw_round_up(reserve, 16);
    AW_NOTE_UNPOISON(f->stack_lo, room);
    if (reserve)
        AW_NOTE_UNDEFINED(top, reserve);
#ifdef AW_ASAN
    f->entry = entry;
    aw_regs_init(f, top, (uintptr_t)aw_fiber_begin_asan);
#else
    aw_regs_init(f, top, (uintptr_t)entry);
#endif
#ifdef AW_TSAN
    /* The last user's functions never returned, so his fibre still has them on its call stack:
     * reports would show them, and in the end it would overflow. */
    if (f->tsan_fiber)
        AW_NOTE_FIBER_FREE(f->tsan_fiber);
    f->tsan_fiber = AW_NOTE_FIBER_NEW();
#endif
    return top;
}

static inline __attribute__((always_inline)) void aw_fiber_switch(struct aw_fiber *from,
                                                                  struct aw_fiber *to)
{
    aw_debug_assert(from != to && to->regs.ip);
    AW_NOTE_START_SWITCH(&from->fake_stack, to->asan_lo, to->asan_size);
    AW_NOTE_FIBER_SWITCH(to->tsan_fiber);
    struct aw_fiber *previous = aw_regs_swap(from, to);
    AW_NOTE_FINISH_SWITCH(from->fake_stack, &previous->asan_lo, &previous->asan_size);
    (void)previous;
}

_Noreturn static inline void aw_fiber_exit_to(struct aw_fiber *from, struct aw_fiber *to)
{
    aw_assert(from != to && to->regs.ip);
    from->regs.ip = NULL; /* whoever switches to it is caught by the assertion, or by page 0 */
    AW_NOTE_START_SWITCH(NULL, to->asan_lo, to->asan_size);
    AW_NOTE_FIBER_SWITCH(to->tsan_fiber);
    aw_regs_jump(from, to);
}

#endif
