/*
 * group.c - task groups: children of unknown number, none of which outlives the scope.
 *
 * The group's record lies on the parent's stack; a child points to it and stands on its list until
 * it has ended.  The exit sleeps until the list is empty, whatever happens: a cancellation of the
 * parent wakes it, is passed on to the children once, and the exit sleeps again.
 *
 * As with asyncio's done callbacks, a failure takes effect one pass after it: siblings that fail in
 * the same pass are all told.  Until then the failed child counts as alive.
 *
 * Failing must not need memory: whoever starts a child makes room for one failure more, so that a
 * child that fails only fills in a row.  The rows travel with the AW_EGROUP as an error's detail
 * does, shared by reference.
 *
 * Counting cancel requests, as asyncio does: the group's own request to its parent is taken back at
 * the exit.  If another request is there besides, that one is delivered after the group's failure
 * has been returned.
 */
#include <stdio.h>
#include <string.h>

#include "core/core.h"

/* Room for failures, and the text that carries them. */
struct row {
    aw_group_error pub;
    struct aw_text *name, *msg; /* own pub.name and pub.msg, where those are not label or "" */
    char label[24];
};

struct aw_group_failures {
    struct aw_group_failures *next; /* while they are freed */
    size_t n, room;
    aw_group_error *list; /* what users see: one array */
    struct row *rows;
    struct aw_text *text; /* the detail that will own this; not counted */
};

#define TEXT_ROOM 160

/* ---- failures ---- */

/* A reference to a row's detail goes.  If it was the last, what hangs on it (the failures of that
 * child's own group) is put on the list and not freed here: groups nest deeper than stacks. */
static void drop_msg(struct aw_text *msg, struct aw_group_failures **todo)
{
    if (msg && msg->failures && atomic_load_explicit(&msg->refs, memory_order_acquire) == 1) {
        msg->failures->next = *todo;
        *todo = msg->failures;
        msg->failures = NULL;
    }
    aw_text_unref(msg);
}

void aw_group_failures_free(struct aw_group_failures *f)
{
    f->next = NULL;
    while (f) {
        struct aw_group_failures *todo = f->next;
        for (size_t i = 0; i < f->n; i++) {
            aw_text_unref(f->rows[i].name);
            drop_msg(f->rows[i].msg, &todo);
        }
        aw_mem_free(f->list);
        aw_mem_free(f->rows);
        aw_mem_free(f);
        f = todo;
    }
}

static struct aw_group_failures *new_failures(void)
{
    struct aw_group_failures *f = aw_mem_zalloc(sizeof *f);
    struct aw_text *text = aw_mem_alloc(sizeof *text + TEXT_ROOM);
    if (!f || !text) {
        aw_mem_free(f);
        aw_mem_free(text);
        return NULL;
    }
    text->refs = 1;
    text->failures = f;
    f->text = text;
    return f;
}

/* Room for `want` rows. */
static int reserve(struct aw_group_failures *f, size_t want)
{
    if (want <= f->room)
        return 0;
    size_t room = f->room ? f->room * 2 : 8;
    aw_group_error *list = aw_mem_alloc(room * sizeof *list);
    struct row *rows = aw_mem_alloc(room * sizeof *rows);
    if (!list || !rows) {
        aw_mem_free(list);
        aw_mem_free(rows);
        return -ENOMEM;
    }
    if (f->n)
        memcpy(rows, f->rows, f->n * sizeof *rows);
    aw_mem_free(f->list);
    aw_mem_free(f->rows);
    f->list = list;
    f->rows = rows;
    f->room = room;
    return 0;
}

/* The group's failures with room for its live children, one more, and the body. */
static int make_room(aw_group *g)
{
    struct aw_group_failures *f = g->errors;
    if (!f)
        g->errors = f = new_failures();
    if (!f || reserve(f, f->n + g->alive + 2) < 0)
        return aw_fail(-ENOMEM, "no memory for a group's failures");
    return 0;
}

static void add_failure(aw_group *g, struct aw_tcb *t, int code, struct aw_text *msg)
{
    struct aw_group_failures *f = g->errors;
    aw_assert(f && f->n < f->room);
    struct row *row = &f->rows[f->n++];
    *row = (struct row){.name = aw_text_ref(t->name), .msg = msg};
    aw_task_label(t, row->label, sizeof row->label);
    row->pub = (aw_group_error){.fn_name = t->fn_name ? t->fn_name : "", .code = code};
}

/* Fill in what points into rows, which have stopped moving, and the summary. */
static void seal_failures(struct aw_group_failures *f)
{
    for (size_t i = 0; i < f->n; i++) {
        struct row *row = &f->rows[i];
        row->pub.name = row->name ? row->name->s : row->label;
        row->pub.msg = row->msg ? row->msg->s : "";
        f->list[i] = row->pub;
    }
    const aw_group_error *first = &f->list[0];
    snprintf(f->text->s, TEXT_ROOM, "%zu failed; the first: %.40s %.40s: %s%s%.40s", f->n,
             first->name, first->fn_name, aw_error_name(first->code), *first->msg ? ": " : "",
             first->msg);
}

int aw_group_errors(const aw_group_error **ret)
{
    const struct aw_errslot *slot = aw_errslot_current();
    struct aw_text *text = slot->msg_code == AW_EGROUP ? slot->owner : NULL;
    if (!ret || !text || !text->failures)
        return 0;
    *ret = text->failures->list;
    return (int)text->failures->n;
}

/* ---- children ---- */

static aw_list *children(aw_group *g)
{
    return (aw_list *)(void *)&g->first; /* first and last are next and prev of the list's head */
}

static void abort_group(aw_group *g)
{
    g->aborting = true;
    aw_group_cancel(g);
}

/* Take the child off the group; the exit may go on when it was the last. */
static void leave_group(struct aw_tcb *t)
{
    aw_group *g = t->group;
    struct aw_wait *w = g->wait;
    t->group = NULL;
    aw_list_remove(&t->sibling);
    if (--g->alive == 0 && w && !w->woken)
        aw_wake(w, 0);
}

/* A failure takes effect in the pass after it, and before those who await the child go on. */
static void child_failed(struct aw_ready *item)
{
    struct aw_tcb *t = aw_container_of(item, struct aw_tcb, ready);
    aw_group *g = t->group;
    if (g) { /* or the loop was closed over it */
        add_failure(g, t, t->fut.result, aw_text_ref(t->fut.detail));
        leave_group(t);
        if (!g->aborting) {
            abort_group(g);
            g->parent_cancelled = true;
            aw_cancel_request(g->scope.task, NULL);
        }
    }
    aw_unref(&t->fut);
}

void aw_group_child_ends(struct aw_tcb *t, int result)
{
    if (result >= 0 || result == -ECANCELED) {
        leave_group(t);
        return;
    }
    t->fut.looked = true;
    t->fut.refs++;
    t->ready.run = child_failed;
    aw_ready_push(t->fut.loop, &t->ready);
}

void aw_group_forget(struct aw_tcb *t)
{
    t->group = NULL;
    aw_list_remove(&t->sibling);
}

static int may_start(const aw_group *g, const aw_loop *where)
{
    if (!g)
        return aw_fail(-EINVAL, "the group is NULL");
    if (g->scope.state != AW_SCOPE_OPEN)
        return aw_fail(AW_EMISUSE, "the group has not been entered, or has ended");
    const aw_loop *l = g->scope.task->loop;
    AW_TRY(aw_loop_check(l));
    if (l != aw_self.loop || (where && where != l))
        return aw_fail(AW_ETHREAD, "the group belongs to another loop");
    if (g->aborting)
        return aw_fail(AW_EMISUSE, "the group is shutting down");
    if (g->exiting && !g->alive)
        return aw_fail(AW_EMISUSE, "the group has ended");
    return 0;
}

int aw_group_start_(aw_group *g, aw_fn *fn, const aw_task_opts *opts)
{
    AW_TRY(may_start(g, opts->loop));
    AW_TRY(make_room(g));
    /* An eager child may end before this returns, so it joins the group before it runs. */
    aw_task_opts plain = *opts;
    plain.ret_task = NULL;
    plain.group = g;
    return aw_task_hand_over(aw_create_task_(fn, &plain), opts->ret_task);
}

void aw_group_adopt(aw_group *g, struct aw_tcb *t)
{
    t->group = g;
    g->alive++;
    aw_list_push_back(children(g), &t->sibling);
}

void aw_group_cancel(aw_group *g)
{
    if (!g || g->scope.state != AW_SCOPE_OPEN || aw_loop_check(g->scope.task->loop) < 0)
        return;
    aw_list_each(link, children(g))
        aw_cancel_request(&aw_container_of(link, struct aw_tcb, sibling)->fut, NULL);
}

size_t aw_group_alive(const aw_group *g)
{
    return g ? g->alive : 0;
}

void aw_group_unwrap(aw_group *g)
{
    if (g)
        g->unwrap = true;
}

/* ---- entering and leaving ---- */

/* The parent will never go on, nor will the children; its stack may be gone before they are. */
static void abandon_group(aw_scope *s)
{
    aw_group *g = aw_container_of(s, aw_group, scope);
    aw_list *link;
    while ((link = aw_list_pop_front(children(g))) != NULL)
        aw_container_of(link, struct aw_tcb, sibling)->group = NULL;
    if (g->errors)
        aw_text_unref(((struct aw_group_failures *)g->errors)->text);
    g->errors = NULL;
}

int aw_group_enter_(aw_group *g, const aw_scope_opts *opts)
{
    aw_loop *l = aw_self.loop;
    if (!g)
        return aw_fail(-EINVAL, "the group is NULL");
    if (!l || !l->current)
        return aw_no_loop();
    if (g->scope.state != AW_SCOPE_FRESH)
        return aw_fail(AW_EMISUSE, "the group has been entered before");
    aw_scope_open(&g->scope, l->current, "aw_group", opts->file, opts->line);
    g->scope.abandon = abandon_group;
    aw_list_init(children(g));
    return 0;
}

static bool wake_exit(struct aw_wait *w)
{
    aw_wake(w, -ECANCELED);
    return true;
}

static void describe_exit(const struct aw_wait *w, aw_buf *out)
{
    aw_buf_printf(out, "%zu left", ((const aw_group *)w->object)->alive);
}

static const struct aw_wait_kind exit_kind = {
    .name = "aw_group_exit", .cancel = wake_exit, .describe = describe_exit, .holds = true};

/* Sleep until the last child has ended; true if the parent was cancelled for the children. */
static bool wait_for_children(aw_group *g, struct aw_tcb *t, const void *caller)
{
    bool cancelled = false;
    while (g->alive) {
        struct aw_wait w = {.kind = &exit_kind, .task = t, .object = g, .caller = caller};
        g->wait = &w;
        int err = aw_suspend(t, &w);
        g->wait = NULL;
        if (err == -ECANCELED && !g->aborting) {
            cancelled = true;
            abort_group(g);
        }
    }
    return cancelled;
}

/* The failures as this call's error.  A request from outside is put back, to be delivered next. */
static int fail_group(aw_group *g, struct aw_tcb *t)
{
    struct aw_group_failures *f = g->errors;
    struct aw_text *msg = aw_text_ref(t->cancel_msg);
    if (t->cancel_requests) {
        aw_ignore(aw_uncancel(&t->fut));
        aw_cancel_request(&t->fut, msg);
    }
    aw_text_unref(msg);
    seal_failures(f);
    if (g->unwrap && f->n == 1)
        return aw_fail_text(f->list[0].code, f->rows[0].msg);
    return aw_fail_text(AW_EGROUP, f->text);
}

/* What the group comes to, once no child is left. */
static int outcome(aw_group *g, struct aw_tcb *t, int err, bool cancelled, struct aw_text *detail)
{
    struct aw_group_failures *f = g->errors;
    if (g->parent_cancelled && aw_uncancel(&t->fut) == 0)
        cancelled = false;
    if (cancelled && (!f || !f->n))
        return aw_fail_text(-ECANCELED, detail ? detail : t->cancel_msg);
    if (err < 0 && err != -ECANCELED) {
        if ((!f || f->n == f->room) && make_room(g) < 0)
            return aw_fail_text(err, detail); /* no child was started, and no memory: as itself */
        add_failure(g, t, err, aw_text_ref(detail));
    }
    f = g->errors;
    return f && f->n ? fail_group(g, t) : err;
}

int aw_group_exit(aw_group *g, int err)
{
    const void *caller = __builtin_return_address(0);
    aw_loop *l = aw_self.loop;
    struct aw_tcb *t = l ? l->current : NULL;
    if (!g || !t || g->scope.state != AW_SCOPE_OPEN || g->scope.task != &t->fut)
        return err < 0 ? err : aw_fail(AW_EMISUSE, "the group is not entered by this task");
    if (t->scopes != &g->scope)
        aw_scope_close(&g->scope, t); /* says what is wrong, and ends the process */
    struct aw_text *detail = err < 0 ? aw_errslot_share(&t->err, err) : NULL;
    g->exiting = true;
    if (err < 0 && !g->aborting)
        abort_group(g);
    bool cancelled = wait_for_children(g, t, caller) || err == -ECANCELED;
    aw_scope_close(&g->scope, t);
    err = outcome(g, t, err, cancelled, detail);
    aw_text_unref(detail);
    if (g->errors)
        aw_text_unref(((struct aw_group_failures *)g->errors)->text);
    g->errors = NULL;
    return err;
}

int aw_group_call_(aw_group *g, aw_group_body *body, void *arg, const aw_scope_opts *opts)
{
    if (!body)
        return aw_fail(-EINVAL, "the group's body is NULL");
    AW_TRY(aw_group_enter_(g, opts));
    return aw_group_exit(g, body(g, arg));
}

void aw_group_guard_exit(struct aw_group_guard *guard)
{
    if (guard->group.scope.state == AW_SCOPE_OPEN)
        *guard->err = aw_group_exit(&guard->group, *guard->err);
}
