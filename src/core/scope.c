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

/* `closed`: the scope whose end brought it to light, or NULL. */
static AW_COLD _Noreturn void scope_abort(struct aw_place at, struct aw_tcb *t, const char *how,
                                          const aw_scope *closed)
{
    char text[512], label[64];
    aw_buf b;
    aw_buf_init(&b, text, sizeof text);
    aw_buf_printf(&b, "await: a scope was left wrongly: %s\n", how);
    aw_buf_printf(&b, "  scope:   %s, entered at %s:%d\n", at.what, at.file, at.line);
    if (closed)
        aw_buf_printf(&b, "  around:  %s, entered at %s:%d\n", closed->what, closed->file,
                      closed->line);
    aw_buf_printf(&b, "  task:    %s %s, created at %s:%d\n", aw_task_label(t, label, sizeof label),
                  t->fn_name ? t->fn_name : "", t->fut.file ? t->fut.file : "?", t->fut.line);
    aw_stderr_write(text, b.len);
    abort();
}

static AW_COLD _Noreturn void abort_returned(struct aw_tcb *t)
{
    scope_abort(t->scope_at, t, "the function that entered it has returned", NULL);
}

/* A scope's record lies in a frame of whoever entered it, if on this stack at all: below the
 * present frame means that it was left by `return`. */
static void check_frame(struct aw_tcb *t, const void *frame)
{
    uintptr_t scope = (uintptr_t)t->scopes, lo = (uintptr_t)t->fiber.stack_lo;
    if (AW_UNLIKELY(scope && scope >= lo && scope < (uintptr_t)frame))
        abort_returned(t);
}

void aw_scope_open(aw_scope *s, struct aw_tcb *t, const char *what, const char *file, int line)
{
    check_frame(t, __builtin_frame_address(0));
    if (AW_UNLIKELY(t->scopes == s))
        abort_returned(t); /* another record is where an open one should be */
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
    if (s->task != &t->fut)
        scope_abort(place_of(s), t, "it was closed by another task", NULL);
    if (t->scopes != s)
        scope_abort(t->scope_at, t, "the scope around it was closed while it is open", s);
    t->scopes = s->outer;
    s->state = AW_SCOPE_CLOSED;
    if (outer)
        t->scope_at = place_of(outer);
}

/* What was left by `return` is no scope any more, whatever stands in its place. */
__attribute__((no_sanitize("address"))) static bool is_open(const aw_scope *s,
                                                            const struct aw_tcb *t)
{
    return s && s->state == AW_SCOPE_OPEN && s->task == &t->fut;
}

void aw_scopes_abandon(struct aw_tcb *t)
{
    while (is_open(t->scopes, t)) {
        aw_scope *s = t->scopes;
        t->scopes = s->outer;
        s->state = AW_SCOPE_CLOSED;
        if (s->abandon)
            s->abandon(s);
    }
    t->scopes = NULL;
}

_Noreturn void aw_scope_left_open(struct aw_tcb *t)
{
    scope_abort(t->scope_at, t, "the task ended inside it", NULL);
}

#ifdef AW_DEBUG_HANDLES
/* Is the record of the innermost scope still what it was?  It may lie in a frame that is gone. */
__attribute__((no_sanitize("address"))) static bool is_intact(const struct aw_tcb *t)
{
    const aw_scope *s = t->scopes;
    return is_open(s, t) && s->what == t->scope_at.what && s->file == t->scope_at.file &&
           s->line == t->scope_at.line;
}

void aw_scope_check(struct aw_tcb *t)
{
    check_frame(t, __builtin_frame_address(0));
    if (t->scopes && !is_intact(t))
        abort_returned(t);
}
#endif
