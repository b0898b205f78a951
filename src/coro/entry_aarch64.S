/*
 * entry_aarch64.S - where a fiber begins: its outermost frame, which calls the entry function.
 *
 * Reached by the branch in switch_aarch64.h with sp at the top of the stack (a multiple of 16), x1
 * the fiber that begins, x0 the one that was left, and the function to call in x29: it is not put
 * on the stack, so that making a fiber touches no line of it.
 *
 * Every way of unwinding ends here.  For those that read CFI the return address is undefined; for
 * those that follow frame pointers x29 is zero, and becomes the end of the entry function's chain.
 */
#if defined(__aarch64__)

    .text
    .p2align 4
    .globl aw_fiber_start
    .hidden aw_fiber_start
    .type aw_fiber_start, %function
aw_fiber_start:
    .cfi_startproc
    .cfi_undefined x30
    hint #38                /* bti jc */
    mov x16, x29
    mov x29, xzr
    mov x2, x0
    mov x0, x1
    mov x1, x2
    blr x16
    /* The entry function does not return; the call's return address must still lie in here. */
    brk #1
    .cfi_endproc
    .size aw_fiber_start, . - aw_fiber_start

/* Ready for branch targets to be checked (bit 0) and for signed return addresses (bit 1): none is
 * kept in here.  Bit 2, the guarded control stack, is left out: it is not switched. */
    .section .note.gnu.property, "a", %note
    .p2align 3
    .long 4                 /* size of the name */
    .long 16                /* size of what follows it */
    .long 5                 /* NT_GNU_PROPERTY_TYPE_0 */
    .asciz "GNU"
    .long 0xc0000000        /* GNU_PROPERTY_AARCH64_FEATURE_1_AND */
    .long 4
    .long 3                 /* BTI, PAC */
    .long 0

#endif

    .section .note.GNU-stack, "", %progbits
