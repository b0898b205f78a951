/*
 * fiber.c - the parts of a fiber's life that are not worth inlining: its end, and the adoption of
 * a thread's own stack, which is described by being left: the switch away saves its registers and
 * tells AddressSanitizer's extent of it to whoever comes next.
 */
#include "coro/fiber.h"

void aw_fiber_adopt_thread(struct aw_fiber *f)
{
    *f = (struct aw_fiber){0};
#ifdef AW_TSAN
    f->tsan_fiber = AW_NOTE_FIBER_CURRENT();
#endif
}

_Noreturn void aw_fiber_exit_to(struct aw_fiber *from, struct aw_fiber *to)
{
    aw_assert(from != to && to->regs.ip);
    from->regs.ip = NULL; /* whoever switches to it is caught by the assertion, or by page 0 */
    AW_NOTE_START_SWITCH(NULL, to->asan_lo, to->asan_size);
    AW_NOTE_FIBER_SWITCH(to->tsan_fiber);
    aw_regs_jump(from, to);
}

#ifdef AW_ASAN
void aw_fiber_begin_asan(struct aw_fiber *self, struct aw_fiber *previous)
{
    AW_NOTE_FINISH_SWITCH(NULL, &previous->asan_lo, &previous->asan_size);
    self->entry(self);
}
#endif
