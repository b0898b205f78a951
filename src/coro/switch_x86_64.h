/*
 * switch_x86_64.h - the context switch of x86-64, as inline assembly.
 *
 * The idea: a switch need not save what nobody needs.  The assembly saves and loads rsp, rip, rbp
 * and rbx itself and declares every other register lost; the compiler, which knows what is live
 * where the switch is inlined, spills just that.  A called switch would save six every time.
 *
 *   - It ends in a jump.  A ret would meet a return predictor that has the other fiber's callers
 *     on it: a misprediction per switch, five times the whole cost.
 *   - It pushes nothing, so the red zone below rsp needs no care: nothing writes to a stack that
 *     is not running, signal handlers included.
 *   - rbp and rbx are put back as they were, so each may be a common register or what a frame is
 *     found by.  Declaring rbx lost instead would not do: clang keeps the base of some frames in
 *     it, those of most functions under AddressSanitizer among them, and then ignores that.
 *   - The rest of a frame is described by the compiler's own CFI, which is right again at the
 *     landing label.  While the registers are being loaded they belong to neither fiber's frame:
 *     there the return address is declared undefined, which ends an unwinding instead of
 *     misleading it.
 *   - The landing label is reached by an indirect jump, so it is an endbr64 where indirect branch
 *     tracking is compiled in.
 *   - Shadow stacks are not switched, see shadow.h.
 *   - mxcsr and the x87 control word are not touched: they are the thread's (fiber.h).
 *
 * At the landing rdi is the fiber that was left and rsi the one that goes on.  aw_fiber_start,
 * in entry_x86_64.S, depends on that and on rbp.
 */
#ifndef AW_SWITCH_X86_64_H
#define AW_SWITCH_X86_64_H

#include "coro/fiber.h"

_Static_assert(offsetof(struct aw_fiber, regs.sp) == 0, "known to the assembly");
_Static_assert(offsetof(struct aw_fiber, regs.ip) == 8, "known to the assembly");
_Static_assert(offsetof(struct aw_fiber, regs.fp) == 16, "known to the assembly");
_Static_assert(offsetof(struct aw_fiber, regs.base) == 24, "known to the assembly");

/* Where new fibers land; the function to call is in rbp. */
void aw_fiber_start(void);

#if defined(__CET__) && (__CET__ & 1)
#define AW_ASM_LANDING "endbr64\n\t"
#else
#define AW_ASM_LANDING
#endif

/* CFI directives are an error where the compiler emits none of its own. */
#ifdef __GCC_HAVE_DWARF2_CFI_ASM
#define AW_ASM_CFI_OFF ".cfi_remember_state\n\t.cfi_undefined rip\n\t"
#define AW_ASM_CFI_ON ".cfi_restore_state\n\t"
#else
#define AW_ASM_CFI_OFF
#define AW_ASM_CFI_ON
#endif

#ifdef __AVX512F__
#define AW_ASM_LOST_AVX512                                                                         \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",    \
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5",  \
        "k6", "k7"
#else
#define AW_ASM_LOST_AVX512
#endif

/* Goes on in the fiber at rsi. */
#define AW_ASM_GO                                                                                  \
    "movq 8(%%rsi), %%rcx\n\t" AW_ASM_CFI_OFF "movq 0(%%rsi), %%rsp\n\t"                           \
    "movq 16(%%rsi), %%rbp\n\t"                                                                    \
    "movq 24(%%rsi), %%rbx\n\t"                                                                    \
    "jmpq *%%rcx\n\t" AW_ASM_CFI_ON

/* All but rsp, rbp and rbx, which are put back, and rdi and rsi, which are results. */
#define AW_ASM_LOST                                                                                \
    "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1",     \
        "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", \
        "xmm13", "xmm14", "xmm15", "mm0", "mm1", "mm2", "mm3", "mm4", "mm5", "mm6", "mm7", "st",   \
        "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "cc",                       \
        "memory" AW_ASM_LOST_AVX512

static inline __attribute__((always_inline)) struct aw_fiber *aw_regs_swap(struct aw_fiber *from,
                                                                           struct aw_fiber *to)
{
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rsp, 0(%%rdi)\n\t"
                     "movq %%rax, 8(%%rdi)\n\t"
                     "movq %%rbp, 16(%%rdi)\n\t"
                     "movq %%rbx, 24(%%rdi)\n\t" /* from can be resumed now */
                     AW_ASM_GO "1:\n\t" AW_ASM_LANDING
                     : "+D"(from), "+S"(to)
                     :
                     : AW_ASM_LOST);
    return from;
}

static inline __attribute__((always_inline, noreturn)) void aw_regs_jump(struct aw_fiber *from,
                                                                         struct aw_fiber *to)
{
    __asm__ volatile(AW_ASM_GO : : "D"(from), "S"(to) : "rcx", "memory");
    __builtin_unreachable();
}

/* Makes the next switch to `f` call `entry` on the stack that ends at `top`, a multiple of 16. */
static inline void aw_regs_init(struct aw_fiber *f, char *top, uintptr_t entry)
{
    f->regs.sp = top;
    f->regs.ip = (void *)(uintptr_t)aw_fiber_start;
    f->regs.fp = (void *)entry;
}

/* A return address as it lies on the stack. */
static inline const void *aw_return_address(uintptr_t stored)
{
    return (const void *)stored;
}

#endif
