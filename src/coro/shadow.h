/*
 * shadow.h - does the calling thread run with a shadow stack?
 *
 * A shadow stack is the processor's own record of where functions return to.  It would have to be
 * switched together with the other, which the switch does not do: the first function to return
 * would fault.  So no slot is made in such a thread (stack.c), and the objects written in assembly
 * do not say that they could live with one, which makes libc leave them off.
 */
#ifndef AW_SHADOW_H
#define AW_SHADOW_H

#include "base/base.h"

#if defined(__x86_64__)

/* rdsspq leaves the zero where there is none. */
static inline bool aw_shadow_stack_on(void)
{
    uint64_t ssp = 0;
    __asm__ volatile("rdsspq %0" : "+r"(ssp));
    return ssp != 0;
}

#elif defined(__aarch64__)

/* chkfeat x16, by its number as assemblers learnt it late: clears the bits of what is on.  It does
 * nothing on processors that do not know it, nor does it where nothing is on. */
static inline bool aw_shadow_stack_on(void)
{
    register uint64_t features __asm__("x16") = 1; /* the guarded control stack */
    __asm__ volatile("hint #40" : "+r"(features));
    return features == 0;
}

#else

static inline bool aw_shadow_stack_on(void)
{
    return false;
}

#endif

#endif
