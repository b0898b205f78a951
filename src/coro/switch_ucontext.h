/*
 * switch_ucontext.h - the context switch by the C library, where there is none in assembly.
 *
 * It costs two system calls for the signal mask, so it is the last resort; the build option
 * switch=ucontext takes it anyway, to keep it tested.  What is saved lies on the stack that is
 * left, and regs.sp points to it; a fiber that has not begun has it at the top of its stack.
 * regs.base of the fiber that goes on is the one that was left.
 *
 * How far unwinding goes is the C library's affair, and so is whose the floating-point control
 * words are: the fiber's, as a rule, where fiber.h says the thread's.
 */
#ifndef AW_SWITCH_UCONTEXT_H
#define AW_SWITCH_UCONTEXT_H

#include "coro/fiber.h"
#include "sys/context.h"

static inline __attribute__((always_inline)) struct aw_fiber *aw_regs_swap(struct aw_fiber *from,
                                                                           struct aw_fiber *to)
{
    ucontext_t here;
    from->regs.sp = &here;
    from->regs.ip = &here; /* what it is does not matter */
    from->regs.fp = __builtin_frame_address(0);
    to->regs.base = from;
    int err = swapcontext(&here, to->regs.sp);
    aw_assert(err == 0);
    return from->regs.base;
}

static inline __attribute__((always_inline, noreturn)) void aw_regs_jump(struct aw_fiber *from,
                                                                         struct aw_fiber *to)
{
    to->regs.base = from;
    setcontext(to->regs.sp);
    aw_panic(__FILE__, __LINE__, "setcontext() returned");
}

/* Makes the next switch to `f` call `entry` on the stack that ends at `top`, a multiple of 16. */
void aw_regs_init(struct aw_fiber *f, char *top, uintptr_t entry);

static inline const void *aw_return_address(uintptr_t stored)
{
    return (const void *)stored;
}

#endif
