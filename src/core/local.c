/*
 * local.c - task-local values as immutable sets.
 *
 * A context never changes once it is made: setting a variable makes a new one for the code that
 * set it.  So inheriting all values is one reference, and nobody can see what somebody else set
 * later.  Sets are small (a handful of variables), so an array searched from the front will do.
 */
#include <string.h>

#include "core/core.h"

struct entry {
    const aw_local *var;
    void *value;
};

struct aw_context {
    _Atomic uint32_t refs; /* a thread's and a task's, whose loop may run in another thread */
    uint32_t n;
    struct entry entries[];
};

aw_context *aw_context_ref(aw_context *c)
{
    if (c)
        atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void aw_context_unref(aw_context *c)
{
    if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        aw_mem_free(c);
}

aw_context **aw_context_enter(aw_context **p)
{
    aw_context **before = aw_self.context_override;
    aw_self.context_override = p;
    return before;
}

void aw_context_leave(aw_context **before)
{
    aw_self.context_override = before;
}

static struct entry *find(aw_context *c, const aw_local *var)
{
    for (uint32_t i = 0; c && i < c->n; i++)
        if (c->entries[i].var == var)
            return &c->entries[i];
    return NULL;
}

/* A copy with room for `room` more entries; NULL when there is no memory. */
static aw_context *copy(const aw_context *c, uint32_t room)
{
    uint32_t n = c ? c->n : 0;
    aw_context *new = aw_mem_alloc(sizeof *new + (n + room) * sizeof new->entries[0]);
    if (!new)
        return NULL;
    atomic_init(&new->refs, 1);
    new->n = n;
    if (n)
        memcpy(new->entries, c->entries, n * sizeof c->entries[0]);
    return new;
}

void *aw_local_get(const aw_local *var)
{
    if (!var)
        return NULL;
    struct entry *e = find(aw_context_here(), var);
    return e ? e->value : var->initial;
}

int aw_local_set(const aw_local *var, void *value)
{
    if (!var)
        return aw_fail(-EINVAL, "the variable is NULL");
    aw_context **p = aw_context_place();
    aw_context *new = copy(*p, find(*p, var) ? 0 : 1);
    if (!new)
        return aw_fail(-ENOMEM, NULL);
    struct entry *e = find(new, var);
    if (!e)
        e = &new->entries[new->n++];
    *e = (struct entry){var, value};
    if (p == &aw_self.context)
        aw_thread_owns();
    aw_context_unref(*p);
    *p = new;
    return 0;
}

aw_context *aw_copy_context(void)
{
    aw_context *c = aw_context_ref(aw_context_here());
    if (!c)
        c = copy(NULL, 0);
    return c ? c : aw_fail_null(-ENOMEM, NULL);
}
