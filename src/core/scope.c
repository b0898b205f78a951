/*
 * scope.c - what is entered must be left: the list of open scopes of a task.
 *
 * A scope's object lies on the stack of whoever entered it.  Leaving it by `return` would leave
 * other records pointing into a dead frame, so a task that ends with a scope open, or closes them
 * in the wrong order, is stopped there and then, with the place where the scope was entered.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/core.h"

static AW_COLD _Noreturn void scope_abort(const aw_scope *s, struct aw_tcb *t, const char *how)
{
    char label[64], text[512];
    int n = snprintf(text, sizeof text,
                     "await: a scope was left wrongly: %s\n"
                     "  scope:   %s, entered at %s:%d\n"
                     "  task:    %s %s, created at %s:%d\n",
                     how, s->what, s->file, s->line, aw_task_label(t, label, sizeof label),
                     t->fn_name ? t->fn_name : "", t->fut.file ? t->fut.file : "?", t->fut.line);
    aw_stderr_write(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
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
}

void aw_scope_close(aw_scope *s, struct aw_tcb *t)
{
    if (t->scopes != s)
        scope_abort(s, t, "it was closed while a scope inside it is open, or by another task");
    t->scopes = s->outer;
    s->state = AW_SCOPE_CLOSED;
}

_Noreturn void aw_scope_left_open(const aw_scope *s, struct aw_tcb *t)
{
    scope_abort(s, t, "the task ended inside it");
}
