/*
 * scope.c - what is entered must be left: the list of open scopes of a task.
 *
 * A scope's object lies on the stack of whoever entered it.  Leaving it by `return` would leave
 * other records pointing into a dead frame, so a task that ends with a scope open, or closes them
 * in the wrong order, is stopped there and then, with the place where the scope was entered.
 */
#include <stdlib.h>

#include "core/core.h"

static struct aw_place place_of(const aw_scope *s)
{
    return (struct aw_place){.what = s->what, .file = s->file, .line = s->line};
}

static AW_COLD _Noreturn void scope_abort(struct aw_place at, struct aw_tcb *t, const char *how)
{
    char text[512], label[64];
    aw_buf b;
    aw_buf_init(&b, text, sizeof text);
    aw_buf_printf(&b, "await: a scope was left wrongly: %s\n", how);
    aw_buf_printf(&b, "  scope:   %s, entered at %s:%d\n", at.what, at.file, at.line);
    aw_buf_printf(&b, "  task:    %s %s, created at %s:%d\n", aw_task_label(t, label, sizeof label),
                  t->fn_name ? t->fn_name : "", t->fut.file ? t->fut.file : "?", t->fut.line);
    aw_stderr_write(text, b.len);
    abort();
}

void aw_scope_open(aw_scope *s, struct aw_tcb *t, const char *what, const char *file, int line)
{
    *s = (aw_scope){.outer = t->scopes,
                    .what = what,
                    .file = file ? file : "?",
                    .task = &t->fut,
                    .line = line,
                    .state = AW_SCOPE_OPEN};
    t->scopes = s;
    t->scope_at = place_of(s);
}

void aw_scope_close(aw_scope *s, struct aw_tcb *t)
{
    const aw_scope *outer = s->outer;
    if (t->scopes != s)
        scope_abort(place_of(s), t,
                    "it was closed while a scope inside it is open, or by another task");
    t->scopes = s->outer;
    s->state = AW_SCOPE_CLOSED;
    if (outer)
        t->scope_at = place_of(outer);
}

_Noreturn void aw_scope_left_open(struct aw_tcb *t)
{
    scope_abort(t->scope_at, t, "the task ended inside it");
}

#ifdef AW_DEBUG_HANDLES
/* A scope's record lies in a frame of whoever entered it: below the present one means that it was
 * left by `return`. */
void aw_scope_check(struct aw_tcb *t)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), lo = (uintptr_t)t->fiber.stack_lo;
    uintptr_t scope = (uintptr_t)t->scopes;
    if (scope && scope >= lo && scope < here)
        scope_abort(t->scope_at, t, "the function that entered it has returned");
}
#endif
