/*
 * structured.c - work started by a call and waited for by the same call: aw_gather.
 *
 * The caller sleeps in one wait; each child has a watch in an array of the caller's (eight fit on
 * its stack).  A child that ends only notes its outcome and wakes the caller when there is
 * something to do: the next work to start, or the end.  So arguments and results may live on the
 * caller's stack: the call does not return while a child runs.
 *
 * A failure, or a cancellation of the caller, stops what has not begun and cancels the rest.  The
 * caller goes on sleeping until the last child has ended, however often it is cancelled.
 */
#include "core/core.h"

#define INLINE_MEMBERS 8

struct member {
    struct aw_watch watch;
    struct gathering *gathering;
    aw_task *task; /* NULL: this slot is free */
    size_t index;  /* of its work */
};

struct gathering {
    struct aw_wait wait;
    struct aw_cancel_item cancel; /* cancels every live child */
    const aw_gather_array_opts *opts;
    size_t n;    /* works */
    size_t next; /* the first that has not been started */
    size_t alive;
    size_t n_members; /* slots: as many as may be alive */
    struct member *members;
    int error;              /* the first one, or 0 */
    struct aw_text *detail; /* its detail */
    bool stopping;          /* nothing more is to be started */
    bool cancelled;         /* the caller is to be told -ECANCELED */
};

/* ---- children ---- */

static void cancel_children(struct aw_cancel_item *item)
{
    struct gathering *g = aw_container_of(item, struct gathering, cancel);
    for (size_t i = 0; i < g->n_members; i++)
        if (g->members[i].task && g->members[i].task->state == AW_PENDING)
            aw_cancel_request(g->members[i].task, NULL);
}

static void stop_children(struct gathering *g, aw_loop *l)
{
    g->stopping = true;
    aw_cancel_begin_round(l);
    aw_ignore(aw_cancel_queue(l, &g->cancel));
    aw_cancel_queued(l);
}

static void note_error(struct gathering *g, int code, struct aw_text *detail)
{
    if (g->error)
        return;
    g->error = code;
    g->detail = aw_text_ref(detail);
}

static void note_result(struct gathering *g, size_t index, int result)
{
    if (g->opts->results)
        g->opts->results[index] = result;
}

/* A child has ended: on its stack, in its last step. */
static void member_ended(struct aw_watch *w, aw_future *f)
{
    struct member *m = aw_container_of(w, struct member, watch);
    struct gathering *g = m->gathering;
    note_result(g, m->index, f->result);
    f->looked = true;
    m->task = NULL;
    g->alive--;
    if (f->result < 0 && !g->opts->return_errors) {
        note_error(g, f->result, f->detail);
        if (!g->stopping)
            stop_children(g, f->loop);
    }
    bool something_to_do = !g->alive || (!g->stopping && g->next < g->n);
    if (something_to_do && g->wait.task && !g->wait.woken)
        aw_wake(&g->wait, 0);
    aw_unref(f);
}

static aw_future *member_waiter(const struct aw_watch *w)
{
    return &aw_container_of(w, struct member, watch)->gathering->wait.task->fut;
}

static const struct aw_watch_kind member_watch = {.fire = member_ended, .waiter = member_waiter};

static struct member *free_member(struct gathering *g)
{
    for (size_t i = 0; i < g->n_members; i++) {
        size_t at = (g->next + i) % g->n_members;
        if (!g->members[at].task)
            return &g->members[at];
    }
    return NULL;
}

/* Was the same object used by an earlier work of this call? */
static bool earlier(const struct gathering *g, size_t index, size_t *first)
{
    const aw_work *works = g->opts->works;
    for (size_t i = 0; works[index].state == AW_WORK_CORO && i < index; i++) {
        if (works[i].state == AW_WORK_CORO && works[i].coro == works[index].coro) {
            *first = i;
            return true;
        }
    }
    return false;
}

static int start_one(struct gathering *g, size_t index)
{
    const aw_work *work = &g->opts->works[index];
    size_t first;
    if (earlier(g, index, &first))
        return 0; /* it runs once; its result is copied at the end */
    AW_TRY(aw_work_claim(work));
    aw_task *t = aw_work_start(work);
    if (!t) {
        int err = aw_null_handle();
        if (work->state == AW_WORK_CORO)
            aw_work_drop(work); /* it is spent */
        return err;
    }
    struct member *m = free_member(g);
    *m = (struct member){
        .watch = {.kind = &member_watch}, .gathering = g, .task = t, .index = index};
    g->alive++;
    if (t->state == AW_PENDING)
        aw_list_push_back(&t->watchers, &m->watch.link);
    else {
        aw_future_look(t);          /* a failure stands on the loop's list already */
        member_ended(&m->watch, t); /* it was eager */
    }
    return 0;
}

/* ---- beginning and ending ---- */

/* Nothing has run yet and not everything could be started: as though the call had never been. */
static bool nothing_ran(const struct gathering *g)
{
    if (g->alive != g->next)
        return false;
    for (size_t i = 0; i < g->n_members; i++)
        if (g->members[i].task && aw_tcb_of(g->members[i].task)->started)
            return false;
    return true;
}

static void take_back(struct gathering *g)
{
    for (size_t i = 0; i < g->n_members; i++) {
        struct member *m = &g->members[i];
        if (m->task && g->opts->works[m->index].state == AW_WORK_FN)
            aw_tcb_of(m->task)->release = NULL; /* the argument is still the caller's */
    }
    g->next = g->n;
}

static void start_failed(struct gathering *g, int err, aw_loop *l)
{
    struct aw_text *detail = aw_errslot_share(aw_errslot_current(), err);
    note_error(g, err, detail);
    aw_text_unref(detail);
    if (nothing_ran(g))
        take_back(g);
    stop_children(g, l);
}

static void start_more(struct gathering *g, aw_loop *l)
{
    while (!g->stopping && g->next < g->n && g->alive < g->n_members) {
        int err = start_one(g, g->next);
        if (err < 0) {
            start_failed(g, err, l);
            return;
        }
        g->next++;
    }
}

/* What was never started is over all the same. */
static void drop_rest(struct gathering *g)
{
    size_t first;
    for (size_t i = g->next; i < g->n; i++) {
        note_result(g, i, -ECANCELED);
        if (!earlier(g, i, &first) && aw_work_claim(&g->opts->works[i]) == 0)
            aw_work_drop(&g->opts->works[i]);
    }
    for (size_t i = 0; g->opts->results && i < g->n; i++)
        if (earlier(g, i, &first))
            g->opts->results[i] = g->opts->results[first];
}

static bool cancel_gathering(struct aw_wait *w)
{
    struct gathering *g = aw_container_of(w, struct gathering, wait);
    g->stopping = true;
    return aw_cancel_queue(w->task->fut.loop, &g->cancel);
}

static void describe_gathering(const struct aw_wait *w, aw_buf *out)
{
    const struct gathering *g = aw_container_of(w, const struct gathering, wait);
    aw_buf_printf(out, "%zu of %zu left", g->alive + (g->stopping ? 0 : g->n - g->next), g->n);
}

/* The loop closes over the wait, and over the children too; the rest never begins. */
static void drop_gathering(struct aw_wait *w)
{
    struct gathering *g = aw_container_of(w, struct gathering, wait);
    for (size_t i = 0; i < g->n_members; i++) {
        if (!g->members[i].task)
            continue;
        aw_list_remove(&g->members[i].watch.link);
        aw_unref(g->members[i].task);
    }
    drop_rest(g);
    if (g->n_members > INLINE_MEMBERS)
        aw_mem_free(g->members);
    aw_text_unref(g->detail);
}

static const struct aw_wait_kind gathering_kind = {.name = "aw_gather",
                                                   .cancel = cancel_gathering,
                                                   .drop = drop_gathering,
                                                   .describe = describe_gathering,
                                                   .holds = true};

static void run_gathering(struct gathering *g, struct aw_tcb *t, const void *caller)
{
    aw_loop *l = t->fut.loop;
    for (;;) {
        start_more(g, l);
        if (!g->alive)
            return;
        g->wait = (struct aw_wait){.kind = &gathering_kind, .task = t, .caller = caller};
        if (aw_suspend(t, &g->wait) == -ECANCELED) {
            g->cancelled = true;
            if (g->alive)
                stop_children(g, l);
        }
    }
}

/* ---- the call ---- */

static int count_works(const aw_gather_array_opts *opts, size_t *ret)
{
    size_t n = 0;
    if (opts->n && !opts->works)
        return aw_fail(-EINVAL, "the array of works is NULL");
    for (; n < opts->n; n++) {
        const aw_work *w = &opts->works[n];
        if (w->state == AW_WORK_END && opts->n == (size_t)-1)
            break;
        if (w->state != AW_WORK_FN && w->state != AW_WORK_CORO)
            return aw_fail(-EINVAL, "a work was not made by AW_CORO or AW_USE");
        if (w->state == AW_WORK_FN ? !w->fn : !w->coro)
            return aw_fail(-EINVAL, "a work's function or object is NULL");
    }
    *ret = n;
    return 0;
}

int aw_gather_array_(const aw_gather_array_opts *opts)
{
    const void *caller = __builtin_return_address(0);
    aw_loop *l = aw_self.loop;
    if (!l || !l->current)
        return aw_no_loop();
    struct member few[INLINE_MEMBERS];
    struct gathering g = {.opts = opts, .cancel = {.run = cancel_children}, .members = few};
    AW_TRY(count_works(opts, &g.n));
    aw_list_init(&g.cancel.link);
    g.n_members = opts->limit && opts->limit < g.n ? opts->limit : g.n;
    if (g.n_members > INLINE_MEMBERS) {
        bool too_many = g.n_members > SIZE_MAX / sizeof *g.members;
        g.members = too_many ? NULL : aw_mem_alloc(g.n_members * sizeof *g.members);
        if (!g.members)
            return aw_fail(-ENOMEM, NULL);
    }
    for (size_t i = 0; i < g.n_members; i++)
        g.members[i].task = NULL;
    run_gathering(&g, l->current, caller);
    drop_rest(&g);
    if (g.members != few)
        aw_mem_free(g.members);
    int err = 0;
    if (g.cancelled)
        err = aw_fail_text(-ECANCELED, l->current->cancel_msg);
    else if (g.error)
        err = aw_fail_text(g.error, g.detail);
    aw_text_unref(g.detail);
    return err;
}
