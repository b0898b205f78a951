/*
 * gather.c - asyncio's gather and shield: futures that follow other futures.
 *
 * Each follower is one allocation: the future that the user sees, and a watch per future followed.
 * A watch that fires puts its own item on the ready queue, and the follower reacts a pass later, as
 * in asyncio; so a long chain of followers completes link by link and never recurses.  Every watch
 * holds a reference to its follower, and the follower one to each future it follows.
 */
#include "core/core.h"

/* ---- gather ---- */

struct child {
    struct aw_watch watch;
    struct aw_ready ready;
    struct gather *gather;
    aw_future *future;
};

struct gather {
    aw_future fut;
    size_t n, pending; /* children; those whose end has not been seen */
    bool return_errors;
    bool cancel_requested;
    struct aw_text *msg;          /* of the request */
    struct aw_cancel_item cancel; /* queued, with a reference, when its children are to be */
    int *results;                 /* behind the children */
    struct child children[];
};

static struct gather *gather_of(aw_future *f)
{
    return aw_container_of(f, struct gather, fut);
}

void aw_gather_free(aw_future *f)
{
    struct gather *g = gather_of(f);
    for (size_t i = 0; i < g->n; i++)
        aw_unref(g->children[i].future);
    aw_text_unref(g->msg);
    aw_mem_free(g);
}

static void fail_gather(struct gather *g, int code, struct aw_text *detail)
{
    g->fut.looked = code == -ECANCELED; /* a cancellation is nothing to report */
    aw_future_complete(&g->fut, AW_FAILED, code, NULL, aw_text_ref(detail));
}

static void finish_gather(struct gather *g)
{
    if (g->cancel_requested) {
        fail_gather(g, -ECANCELED, g->msg);
        return;
    }
    for (size_t i = 0; i < g->n; i++)
        g->results[i] = g->children[i].future->result;
    aw_future_complete(&g->fut, AW_FINISHED, (int)g->n, g->results, NULL);
}

/* The end of a child, one pass after it. */
static void child_ended(struct aw_ready *item)
{
    struct child *c = aw_container_of(item, struct child, ready);
    struct gather *g = c->gather;
    aw_future *f = c->future;
    g->pending--;
    if (g->fut.state != AW_PENDING || g->return_errors)
        aw_future_look(f);
    if (g->fut.state == AW_PENDING && !g->fut.loop->closed) {
        if (f->result < 0 && !g->return_errors) {
            aw_future_look(f);
            fail_gather(g, f->result, f->detail);
        } else if (g->pending == 0) {
            finish_gather(g);
        }
    }
    aw_unref(&g->fut);
}

static void child_fire(struct aw_watch *w, aw_future *f)
{
    aw_ready_push(f->loop, &aw_container_of(w, struct child, watch)->ready);
}

static aw_future *child_waiter(const struct aw_watch *w)
{
    return &aw_container_of(w, struct child, watch)->gather->fut;
}

static void child_drop(struct aw_watch *w)
{
    aw_unref(&aw_container_of(w, struct child, watch)->gather->fut);
}

static const struct aw_watch_kind child_watch = {
    .fire = child_fire, .waiter = child_waiter, .drop = child_drop};

static void follow(struct gather *g, size_t i, aw_future *f)
{
    struct child *c = &g->children[i];
    *c = (struct child){.watch = {.kind = &child_watch},
                        .ready = {.run = child_ended},
                        .gather = g,
                        .future = aw_ref(f)};
    aw_list_init(&c->watch.link);
    g->fut.refs++;
    if (f->state == AW_PENDING)
        aw_list_push_back(&f->watchers, &c->watch.link);
    else
        child_fire(&c->watch, f);
}

static aw_loop *loop_of(aw_future *const *fs, size_t n)
{
    if (aw_self.loop || !n || !fs || !fs[0])
        return aw_self.loop;
    return fs[0]->loop;
}

static void cancel_children(struct aw_cancel_item *item)
{
    struct gather *g = aw_container_of(item, struct gather, cancel);
    for (size_t i = 0; i < g->n; i++)
        if (g->children[i].future->state == AW_PENDING)
            aw_cancel_request(g->children[i].future, g->msg);
    aw_unref(&g->fut);
}

aw_future *aw_gather_new_(const aw_gather_opts *opts)
{
    aw_loop *l = loop_of(opts->fs, opts->n);
    int err = aw_futures_check(l, opts->fs, opts->n);
    if (err < 0)
        return aw_null(err);
    if (!l)
        return aw_null(aw_no_loop());
    if (l->closed)
        return aw_fail_null(AW_EMISUSE, "the loop is closed");
    size_t each = sizeof(struct child) + sizeof(int);
    bool too_many = opts->n > (SIZE_MAX - sizeof(struct gather)) / each;
    struct gather *g = too_many ? NULL : aw_mem_alloc(sizeof *g + opts->n * each);
    if (!g)
        return aw_fail_null(-ENOMEM, NULL);
    aw_future_init(&g->fut, l, AW_KIND_GATHER, opts->file, opts->line);
    g->n = g->pending = opts->n;
    g->return_errors = opts->return_errors;
    g->cancel_requested = false;
    g->cancel.round = 0;
    g->msg = NULL;
    g->results = (int *)&g->children[opts->n];
    g->cancel.run = cancel_children;
    aw_list_init(&g->cancel.link);
    for (size_t i = 0; i < opts->n; i++)
        follow(g, i, opts->fs[i]);
    if (!opts->n)
        finish_gather(g);
    return &g->fut;
}

static const struct aw_wait_kind gather_kind = {.name = "aw_gather_futures", .drop = aw_join_drop};

int aw_gather_futures_(const aw_gather_opts *opts)
{
    if (!aw_self.loop || !aw_self.loop->current)
        return aw_no_loop();
    aw_future *g = aw_gather_new_(opts);
    if (!g)
        return aw_errno();
    int err = aw_await_as(g, &gather_kind, __builtin_return_address(0));
    aw_unref(g);
    return err;
}

/* ---- cancelling a gather ---- */

static bool has_pending_child(const struct gather *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->children[i].future->state == AW_PENDING)
            return true;
    return false;
}

bool aw_gather_request_cancel(aw_future *f, struct aw_text *msg)
{
    struct gather *g = gather_of(f);
    bool again = g->cancel.round == f->loop->cancel_round;
    if (!has_pending_child(g) || !aw_cancel_queue(f->loop, &g->cancel))
        return false;
    if (again)
        return true;
    aw_ref(f); /* until its children have been asked */
    g->cancel_requested = true;
    aw_text_ref(msg);
    aw_text_unref(g->msg);
    g->msg = msg;
    return true;
}

/* ---- shield ---- */

struct shield {
    aw_future fut;
    struct aw_watch watch;
    struct aw_ready ready;
    aw_future *inner;
};

void aw_shield_free(aw_future *f)
{
    struct shield *s = aw_container_of(f, struct shield, fut);
    aw_unref(s->inner);
    aw_mem_free(s);
}

/* The inner future has ended, one pass ago. */
static void inner_ended(struct aw_ready *item)
{
    struct shield *s = aw_container_of(item, struct shield, ready);
    aw_future *f = s->inner;
    if (s->fut.state == AW_PENDING && !s->fut.loop->closed) {
        aw_future_look(f);
        aw_future_complete(&s->fut, f->state, f->result, f->value, aw_text_ref(f->detail));
    }
    aw_unref(&s->fut);
}

static void shield_fire(struct aw_watch *w, aw_future *f)
{
    aw_ready_push(f->loop, &aw_container_of(w, struct shield, watch)->ready);
}

static aw_future *shield_waiter(const struct aw_watch *w)
{
    return &aw_container_of(w, struct shield, watch)->fut;
}

static void shield_drop(struct aw_watch *w)
{
    aw_unref(&aw_container_of(w, struct shield, watch)->fut);
}

static const struct aw_watch_kind shield_watch = {
    .fire = shield_fire, .waiter = shield_waiter, .drop = shield_drop};

/* ---- followers that nobody holds ---- */

/* Take a watch back, with the reference it holds; one that has fired is on its way already. */
static void take_back(aw_future *follower, struct aw_watch *watch)
{
    if (!aw_list_linked(&watch->link))
        return;
    aw_list_remove(&watch->link);
    follower->refs--;
}

bool aw_follower_let_go(aw_future *f)
{
    struct gather *g = f->kind == AW_KIND_GATHER ? gather_of(f) : NULL;
    bool awaited = f->state == AW_PENDING && !aw_list_empty(&f->watchers);
    if (awaited || f->refs != (g ? g->pending : 1))
        return false;
    if (!g)
        take_back(f, &aw_container_of(f, struct shield, fut)->watch);
    for (size_t i = 0; g && i < g->n; i++)
        take_back(f, &g->children[i].watch);
    return f->refs == 0;
}

aw_future *aw_shield_(aw_future *f, const aw_future_opts *opts)
{
    int err = aw_future_check(f);
    if (err < 0)
        return aw_null(err);
    if (f->loop->closed)
        return aw_fail_null(AW_EMISUSE, "the loop is closed");
    if (f->state != AW_PENDING)
        return aw_ref(f); /* nothing to protect any more */
    struct shield *s = aw_mem_alloc(sizeof *s);
    if (!s)
        return aw_fail_null(-ENOMEM, NULL);
    aw_future_init(&s->fut, f->loop, AW_KIND_SHIELD, opts->file, opts->line);
    s->watch.kind = &shield_watch;
    s->ready.run = inner_ended;
    s->inner = aw_ref(f);
    s->fut.refs++;
    aw_list_push_back(&f->watchers, &s->watch.link);
    return &s->fut;
}
