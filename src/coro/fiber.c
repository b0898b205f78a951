/*
 * fiber.c - the parts of a fiber's life that are not worth inlining: the adoption of a thread's own
 * stack, which is described by being left: the switch away saves its registers and tells
 * AddressSanitizer's extent of it to whoever comes next.
 */
#include "coro/fiber.h"

void aw_fiber_adopt_thread(struct aw_fiber *f)
{
    *f = (struct aw_fiber){0};
#ifdef AW_TSAN
    f->tsan_fiber = AW_NOTE_FIBER_CURRENT();
#endif
}

#ifdef AW_ASAN
void aw_fiber_begin_asan(struct aw_fiber *self, struct aw_fiber *previous)
{
    AW_NOTE_FINISH_SWITCH(NULL, &previous->asan_lo, &previous->asan_size);
    self->entry(self);
}
#endif
