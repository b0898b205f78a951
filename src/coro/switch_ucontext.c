/*
 * switch_ucontext.c - how a fiber begins where the C library switches: see switch_ucontext.h.
 */
#include "coro/fiber.h"

#ifdef AW_SWITCH_UCONTEXT

/* Pointers do not fit the arguments of makecontext(), which are ints; their halves do. */
static void begin(unsigned high, unsigned low)
{
    struct aw_fiber *self = (struct aw_fiber *)((uintptr_t)high << 16 << 16 | low);
    uintptr_t entry = (uintptr_t)self->regs.fp;
    ((void (*)(struct aw_fiber *, struct aw_fiber *))entry)(self, self->regs.base);
    aw_panic(__FILE__, __LINE__, "a fiber's entry function returned");
}

void aw_regs_init(struct aw_fiber *f, char *top, uintptr_t entry)
{
    uintptr_t at = ((uintptr_t)top - sizeof(ucontext_t)) & ~(uintptr_t)63;
    ucontext_t *c = (ucontext_t *)at;
    int err = getcontext(c);
    aw_assert(err == 0);
    c->uc_stack.ss_sp = f->stack_lo;
    c->uc_stack.ss_size = at - (uintptr_t)f->stack_lo;
    c->uc_link = NULL;
    uintptr_t self = (uintptr_t)f;
    makecontext(c, (void (*)(void))(uintptr_t)begin, 2, (unsigned)(self >> 16 >> 16),
                (unsigned)self);
    f->regs.sp = c;
    f->regs.ip = c; /* what it is does not matter */
    f->regs.fp = (void *)entry;
}

#endif
