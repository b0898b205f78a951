/*
 * entry_x86_64.S - where a fiber begins: its outermost frame, which calls the entry function.
 *
 * Reached by the jump in switch_x86_64.h with rsp at the top of the stack (a multiple of 16), rsi
 * the fiber that begins, rdi the one that was left, and the function to call in rbp: it is not
 * put on the stack, so that making a fiber touches no line of it.
 *
 * Every way of unwinding ends here.  For those that read CFI the return address is undefined; for
 * those that follow frame pointers rbp is zero, and becomes the end of the entry function's chain.
 *
 * It is entered by a push and a jump, not a call: the entry function never returns, and a call
 * would leave an entry on the processor's stack of return addresses, which then mispredicts every
 * return of the fibers that go on afterwards.
 */
#if defined(__x86_64__)

    .text
    .p2align 4
    .globl aw_fiber_start
    .hidden aw_fiber_start
    .type aw_fiber_start, @function
aw_fiber_start:
    .cfi_startproc
    .cfi_undefined rip
    endbr64
    movq %rbp, %rax
    xorl %ebp, %ebp
    xchgq %rsi, %rdi
    leaq 1f(%rip), %rcx
    pushq %rcx
    jmp *%rax
    /* The entry function does not return; its return address must still lie in here. */
    ud2
1:  ud2
    .cfi_endproc
    .size aw_fiber_start, . - aw_fiber_start

/* Ready for indirect branch tracking (bit 0), and by leaving out bit 1 not for shadow stacks: one
 * such object makes the linker drop the mark from the whole program, and libc leave them off. */
    .section .note.gnu.property, "a", @note
    .p2align 3
    .long 4                 /* size of the name */
    .long 16                /* size of what follows it */
    .long 5                 /* NT_GNU_PROPERTY_TYPE_0 */
    .asciz "GNU"
    .long 0xc0000002        /* GNU_PROPERTY_X86_FEATURE_1_AND */
    .long 4
    .long 1                 /* IBT */
    .long 0

#endif

    .section .note.GNU-stack, "", @progbits
