/*
 * overflow.c - a task that used up its stack: say which, where it was made, how much it had.
 *
 * Below each stack lies a page that faults.  The handler runs on an alternate stack, recognises
 * the page as the running task's guard and writes one block before the signal takes its course; a
 * fault elsewhere is somebody else's and passed on, unless the stack pointer has left the stack.
 * Only async-signal-safe calls are made.
 */
#include <stdio.h>

#include "core/core.h"

enum { FRAME_MAX = 1 << 20 };

static void add_number(aw_buf *b, uint64_t n)
{
    char digits[24];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do {
        digits[--at] = (char)('0' + n % 10);
    } while (n /= 10);
    aw_buf_add(b, &digits[at]);
}

static void say_overflow(const struct aw_tcb *t)
{
    char text[512];
    aw_buf b;
    aw_buf_init(&b, text, sizeof text);
    aw_buf_add(&b, "await: stack overflow\n  task:    ");
    if (t->name) {
        aw_buf_add(&b, t->name->s);
    } else {
        aw_buf_add(&b, "Task-");
        add_number(&b, t->id);
    }
    aw_buf_add(&b, " ");
    aw_buf_add(&b, t->fn_name ? t->fn_name : "");
    aw_buf_add(&b, "\n  created: ");
    aw_buf_add(&b, t->fut.file ? t->fut.file : "?");
    aw_buf_add(&b, ":");
    add_number(&b, (uint64_t)t->fut.line);
    aw_buf_add(&b, "\n  stack:   ");
    add_number(&b, t->fiber.slot_size >> 10);
    aw_buf_add(&b, " KiB; give it more with .stack_size\n");
    aw_stderr_write(text, b.len);
}

/* A frame larger than the guard may leave it untouched, and fault behind it.  Farther away it is
 * another stack on purpose. */
static bool stepped_over(const struct aw_fiber *f, uintptr_t sp)
{
    uintptr_t lo = (uintptr_t)f->stack_lo;
    return f->stack_lo && sp < lo && sp >= lo - FRAME_MAX;
}

static bool on_fault(uintptr_t addr, uintptr_t sp)
{
    aw_loop *l = aw_self.loop;
    if (!l || !l->current)
        return false;
    const struct aw_fiber *f = &l->current->fiber;
    if (!aw_stack_guard_hit(f, addr, aw_page_size()) && !stepped_over(f, sp))
        return false;
    say_overflow(l->current);
    return true;
}

bool aw_overflow_watch(void)
{
    return aw_trap_install(on_fault, false) >= 0;
}

void aw_overflow_unwatch(void)
{
    aw_trap_remove();
}
