/*
 * stacks.c - how much of their stacks tasks use, by where they were created (AWAIT_STACKS=1).
 *
 * Fresh pages are zero, and a stack is written from its top down: how far is told by the lowest
 * word that is not zero.  So that a stack used before tells nothing of its former user, it is made
 * zero again when it is handed out.  All this reads every page of every stack, which is why it must
 * be asked for.
 *
 * A task is looked at when it ends, before it gives memory back by aw_trim_stack(), and by
 * aw_stack_report() while it lives.  What it reserved and never wrote (a large array, used in part)
 * is not seen below the last thing it wrote.
 */
#include <string.h>

#include "core/core.h"

/* Tasks created in one place, with stacks of one size. */
struct aw_stack_site {
    struct aw_stack_site *next; /* most recently used first */
    const char *fn_name, *file;
    int line;
    uint32_t slot_size;
    size_t tasks; /* created there */
    size_t peak;  /* bytes of the stack that one of them used, at most */
    bool told;    /* in the report that is being written */
};

/* Everything above the lowest word in use, block included: what of the slot is needed besides the
 * guard.  Tools are right to object to such reading anywhere else. */
__attribute__((no_sanitize("address"), no_sanitize("thread"))) static size_t
bytes_used(const struct aw_fiber *f)
{
    size_t usable = f->slot_size - aw_page_size();
    const uintptr_t *word = (const uintptr_t *)(const void *)f->stack_lo;
    const uintptr_t *end = (const uintptr_t *)(const void *)f;
    AW_NOTE_DEFINED(word, (size_t)((const char *)end - (const char *)word));
    while (word < end && *(const volatile uintptr_t *)word == 0)
        word++;
    return usable - (size_t)((const char *)word - f->stack_lo);
}

static bool is_of(const struct aw_stack_site *s, const struct aw_tcb *t)
{
    return s->line == t->fut.line && s->file == t->fut.file && s->fn_name == t->fn_name &&
           s->slot_size == t->fiber.slot_size;
}

/* Where the task was created, moved to the front; NULL: no memory for its record. */
static struct aw_stack_site *site_of(aw_loop *l, const struct aw_tcb *t)
{
    struct aw_stack_site **link = &l->stack_sites, *s;
    while ((s = *link) != NULL && !is_of(s, t))
        link = &s->next;
    if (s) {
        *link = s->next;
    } else {
        s = aw_mem_alloc(sizeof *s);
        if (!s)
            return NULL;
        *s = (struct aw_stack_site){.fn_name = t->fn_name,
                                    .file = t->fut.file,
                                    .line = t->fut.line,
                                    .slot_size = t->fiber.slot_size};
    }
    s->next = l->stack_sites;
    return l->stack_sites = s;
}

void aw_stacks_wipe(struct aw_fiber *f)
{
    AW_NOTE_UNPOISON(f->stack_lo, (size_t)((char *)f - f->stack_lo));
    size_t usable = f->slot_size - aw_page_size(), used = bytes_used(f);
    char *lowest = f->stack_lo + (usable - used);
    if (lowest < (char *)f)
        memset(lowest, 0, (size_t)((char *)f - lowest));
}

void aw_stacks_count(struct aw_tcb *t)
{
    struct aw_stack_site *s = site_of(t->fut.loop, t);
    if (s)
        s->tasks++;
    else
        t->fut.loop->stacks_uncounted++;
}

void aw_stacks_look(struct aw_tcb *t)
{
    struct aw_stack_site *s = site_of(t->fut.loop, t);
    size_t used = s ? bytes_used(&t->fiber) : 0;
    if (s && used > s->peak)
        s->peak = used;
}

void aw_trim_stack(void)
{
    struct aw_tcb *t = aw_self.loop ? aw_self.loop->current : NULL;
    if (!t)
        return;
    if (AW_UNLIKELY(aw_self.loop->measures_stacks))
        aw_stacks_look(t);
    aw_stack_discard_below(&t->fiber);
}

/* ---- the report ---- */

/* The one with the highest peak that has not been told yet. */
static struct aw_stack_site *next_to_tell(const aw_loop *l)
{
    struct aw_stack_site *highest = NULL;
    for (struct aw_stack_site *s = l->stack_sites; s; s = s->next)
        if (!s->told && (!highest || s->peak > highest->peak))
            highest = s;
    return highest;
}

static void tell(const struct aw_stack_site *s)
{
    char line[512];
    aw_buf b;
    aw_buf_init(&b, line, sizeof line);
    aw_buf_printf(&b, "%8.1f KiB of %u KiB, %zu task%s: %s at %s:%d\n", (double)s->peak / 1024,
                  (unsigned)(s->slot_size >> 10), s->tasks, s->tasks == 1 ? "" : "s",
                  s->fn_name ? s->fn_name : "?", s->file ? s->file : "?", s->line);
    aw_stderr_write(line, b.len);
}

static int tell_all(aw_loop *l)
{
    static const char title[] = "await: the most that tasks used of their stacks\n";
    char line[80];
    aw_buf b;
    int n = 0;
    aw_stderr_write(title, sizeof title - 1);
    for (struct aw_stack_site *s = l->stack_sites; s; s = s->next)
        s->told = false;
    for (struct aw_stack_site *s; (s = next_to_tell(l)) != NULL; n++) {
        tell(s);
        s->told = true;
    }
    aw_buf_init(&b, line, sizeof line);
    aw_buf_printf(&b, "          %zu tasks not counted: no memory\n", l->stacks_uncounted);
    if (l->stacks_uncounted)
        aw_stderr_write(line, b.len);
    return n;
}

int aw_stack_report(aw_loop *l)
{
    if (!l)
        l = aw_self.loop;
    if (!l)
        return aw_no_loop();
    AW_TRY(aw_loop_check(l));
    if (!l->measures_stacks)
        return aw_fail(AW_EMISUSE, "stacks are not measured: set AWAIT_STACKS=1");
    if (l->closed)
        return aw_fail(AW_EMISUSE, "the loop is closed");
    aw_list_each(link, &l->tasks) aw_stacks_look(aw_container_of(link, struct aw_tcb, all));
    return tell_all(l);
}

void aw_stacks_close(aw_loop *l)
{
    if (!l->measures_stacks)
        return;
    tell_all(l);
    for (struct aw_stack_site *s; (s = l->stack_sites) != NULL;) {
        l->stack_sites = s->next;
        aw_mem_free(s);
    }
}
