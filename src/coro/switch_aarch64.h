/*
 * switch_aarch64.h - the context switch of aarch64, as inline assembly.
 *
 * The idea is that of switch_x86_64.h: the assembly saves and loads sp, pc, x29 and x19 itself and
 * declares every other register lost, so that the compiler saves what is live where the switch is
 * inlined, and nothing else.
 *
 *   - It ends in a branch, not a return, for the sake of the return predictor.
 *   - x29 is what frames are found by.  x19 is what clang keeps a frame's base in, where neither sp
 *     nor x29 will do; so it is put back too, and not declared lost.
 *   - Return addresses may be signed (pac-ret).  They are signed with the address of their place on
 *     the stack, which a switch does not change; none is handled here.
 *   - The landing label is reached by an indirect branch, so it is a `bti j` (hint #36, which does
 *     nothing on processors without).  The branch goes by x17, which `bti c` accepts as well.
 *   - While the registers are being loaded they belong to neither fiber's frame: there the return
 *     address is declared undefined, which ends an unwinding instead of misleading it.
 *   - fpcr and fpsr are the thread's (fiber.h); streaming mode and ZA are to be off.
 *
 * At the landing x0 is the fiber that was left and x1 the one that goes on.  aw_fiber_start, in
 * entry_aarch64.S, depends on that and on x29.
 *
 * Memory ordering is no matter here: a fiber is resumed by the thread that it was left in, for
 * which its own writes are in order.
 */
#ifndef AW_SWITCH_AARCH64_H
#define AW_SWITCH_AARCH64_H

#include "coro/fiber.h"

#if defined(__has_feature)
#if __has_feature(shadow_call_stack)
#error "x18 is the pointer of a shadow call stack, which is not switched"
#endif
#endif

_Static_assert(offsetof(struct aw_fiber, regs.sp) == 0, "known to the assembly");
_Static_assert(offsetof(struct aw_fiber, regs.ip) == 8, "known to the assembly");
_Static_assert(offsetof(struct aw_fiber, regs.fp) == 16, "known to the assembly");
_Static_assert(offsetof(struct aw_fiber, regs.base) == 24, "known to the assembly");

/* Where new fibers land; the function to call is in x29. */
void aw_fiber_start(void);

/* CFI directives are an error where the compiler emits none of its own. */
#ifdef __GCC_HAVE_DWARF2_CFI_ASM
#define AW_ASM_CFI_OFF ".cfi_remember_state\n\t.cfi_undefined x30\n\t"
#define AW_ASM_CFI_ON ".cfi_restore_state\n\t"
#else
#define AW_ASM_CFI_OFF
#define AW_ASM_CFI_ON
#endif

/* Goes on in the fiber at x1. */
#define AW_ASM_GO                                                                                  \
    "ldp x3, x17, [x1]\n\t" AW_ASM_CFI_OFF "ldp x29, x19, [x1, #16]\n\t"                           \
    "mov sp, x3\n\t"                                                                               \
    "br x17\n\t" AW_ASM_CFI_ON

#ifdef __ARM_FEATURE_SVE
#define AW_ASM_LOST_VECTORS                                                                        \
    "z0", "z1", "z2", "z3", "z4", "z5", "z6", "z7", "z8", "z9", "z10", "z11", "z12", "z13", "z14", \
        "z15", "z16", "z17", "z18", "z19", "z20", "z21", "z22", "z23", "z24", "z25", "z26", "z27", \
        "z28", "z29", "z30", "z31", "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9",    \
        "p10", "p11", "p12", "p13", "p14", "p15", "ffr"
#else
#define AW_ASM_LOST_VECTORS                                                                        \
    "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", \
        "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", \
        "v28", "v29", "v30", "v31"
#endif

/* All but sp, x29 and x19, which are put back, and x0 and x1, which are results. */
#define AW_ASM_LOST                                                                                \
    "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",      \
        "x16", "x17", "x18", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30", \
        AW_ASM_LOST_VECTORS, "cc", "memory"

static inline __attribute__((always_inline)) struct aw_fiber *aw_regs_swap(struct aw_fiber *from,
                                                                           struct aw_fiber *to)
{
    register struct aw_fiber *left __asm__("x0") = from;
    register struct aw_fiber *next __asm__("x1") = to;
    __asm__ volatile("adr x2, 1f\n\t"
                     "mov x3, sp\n\t"
                     "stp x3, x2, [x0]\n\t"
                     "stp x29, x19, [x0, #16]\n\t" /* from can be resumed now */
                     AW_ASM_GO "1:\n\t"
                     "hint #36\n\t"
                     : "+r"(left), "+r"(next)
                     :
                     : AW_ASM_LOST);
    return left;
}

static inline __attribute__((always_inline, noreturn)) void aw_regs_jump(struct aw_fiber *from,
                                                                         struct aw_fiber *to)
{
    register struct aw_fiber *left __asm__("x0") = from;
    register struct aw_fiber *next __asm__("x1") = to;
    __asm__ volatile(AW_ASM_GO : : "r"(left), "r"(next) : "x3", "x17", "memory");
    __builtin_unreachable();
}

/* Makes the next switch to `f` call `entry` on the stack that ends at `top`, a multiple of 16. */
static inline void aw_regs_init(struct aw_fiber *f, char *top, uintptr_t entry)
{
    f->regs.sp = top;
    f->regs.ip = (void *)(uintptr_t)aw_fiber_start;
    f->regs.fp = (void *)entry;
}

/* A return address as it lies on the stack, without its signature (xpaclri). */
static inline const void *aw_return_address(uintptr_t stored)
{
    register uintptr_t address __asm__("x30") = stored;
    __asm__("hint #7" : "+r"(address));
    return (const void *)address;
}

#endif
