/*
 * line.c - tasks that wait in line, for layers above that do not know of tasks.
 *
 * The record lies on the waiting task's stack.  A line is woken as a whole; who was woken has the
 * result, whatever comes between then and its next step (effects win).
 */
#include "core/core.h"

struct line_wait {
    aw_list link; /* on line->waiting, until it is woken */
    const struct aw_line_call *call;
    struct aw_wait wait;
};

static bool line_cancel(struct aw_wait *w)
{
    struct line_wait *lw = aw_container_of(w, struct line_wait, wait);
    if (lw->call->patient && lw->call->patient(lw->call->object))
        return true;
    aw_list_remove(&lw->link);
    aw_wake(w, -ECANCELED);
    return true;
}

static void line_drop(struct aw_wait *w)
{
    if (!w->woken)
        aw_list_remove(&aw_container_of(w, struct line_wait, wait)->link);
}

static void line_describe(const struct aw_wait *w, aw_buf *out)
{
    const struct aw_line_call *call = aw_container_of(w, const struct line_wait, wait)->call;
    if (call->describe)
        call->describe(call->object, out);
}

int aw_line_wait(struct aw_line *line, const struct aw_line_call *call)
{
    aw_loop *l = aw_self.loop;
    if (!l || !l->current)
        return aw_no_loop();
    const struct aw_wait_kind kind = {.name = call->name,
                                      .cancel = line_cancel,
                                      .describe = line_describe,
                                      .drop = line_drop,
                                      .effect_wins = true};
    struct line_wait lw = {.call = call, .wait = {.kind = &kind, .caller = call->caller}};
    aw_list_push_back(&line->waiting, &lw.link);
    return aw_suspend(l->current, &lw.wait);
}

void aw_line_wake(struct aw_line *line, int result)
{
    aw_list *link;
    while ((link = aw_list_pop_front(&line->waiting)) != NULL)
        aw_wake(&aw_container_of(link, struct line_wait, link)->wait, result);
}
