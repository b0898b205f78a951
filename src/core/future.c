/*
 * future.c - a result to come: completing it, telling those who wait, reading it, letting it go.
 *
 * A future is done once and for good.  Completing it fires its watches in the order in which they
 * were registered; firing only queues, so nothing of the user's runs inside aw_set_result().
 *
 * Failures are not lost: a future that failed stands on its loop's list of those nobody has looked
 * at, from its completion until someone asks for the outcome; the last unref, or the end of the
 * loop, reports it if that never happened.
 */
#include "core/core.h"

static const char not_alive[] = "a handle was used after its last reference was given up";

#ifdef AW_DEBUG_HANDLES
static void check_alive(const aw_future *f)
{
    if (f->magic != AW_FUTURE_ALIVE)
        aw_panic(f->file ? f->file : "?", f->line, not_alive);
}
#else
static void check_alive(const aw_future *f)
{
    (void)f;
    (void)not_alive;
}
#endif

int aw_future_check(aw_future *f)
{
    if (AW_UNLIKELY(!f))
        return aw_null_handle();
    check_alive(f);
    return aw_loop_check(f->loop);
}

/* The same for calls that return bool or nothing. */
static bool usable(aw_future *f)
{
    return f && aw_future_check(f) == 0;
}

aw_future *aw_future_new_(const aw_future_opts *opts)
{
    aw_loop *l = opts->loop ? opts->loop : aw_self.loop;
    if (!l)
        return aw_null(aw_no_loop());
    int err = aw_loop_check(l);
    if (err < 0)
        return aw_null(err);
    if (l->closed)
        return aw_fail_null(AW_EMISUSE, "the loop is closed");
    aw_future *f = aw_mem_alloc(sizeof *f);
    if (!f)
        return aw_fail_null(-ENOMEM, NULL);
    aw_future_init(f, l, AW_KIND_PLAIN, opts->file, opts->line);
    return f;
}

/* ---- completing ---- */

static void fire_watches(aw_future *f)
{
    aw_list *link;
    while ((link = aw_list_pop_front(&f->watchers)) != NULL) {
        struct aw_watch *w = aw_container_of(link, struct aw_watch, link);
        w->kind->fire(w, f);
    }
}

void aw_future_complete(aw_future *f, enum aw_future_state state, int result, void *value,
                        struct aw_text *detail)
{
    aw_assert(f->state == AW_PENDING && state != AW_PENDING);
    f->state = (uint8_t)state;
    f->result = result;
    f->value = value;
    f->detail = detail;
    if (!aw_list_empty(&f->watchers))
        fire_watches(f);
    if (state == AW_FAILED && !f->looked)
        aw_list_push_back(&f->loop->unlooked, &f->watchers);
}

/* What set_result and set_error have in common: may this future be finished from outside? */
static int may_finish(aw_future *f)
{
    int err = aw_future_check(f);
    if (err < 0)
        return err;
    if (f->kind != AW_KIND_PLAIN)
        return aw_fail(AW_EMISUSE, "only its own coroutine, or what it follows, can finish it");
    if (f->state != AW_PENDING)
        return aw_fail(AW_ESTATE, "the future is done already");
    return 0;
}

int aw_set_result(aw_future *f, int result, void *value)
{
    AW_TRY(may_finish(f));
    if (result < 0)
        return aw_fail(-EINVAL, "a result is >= 0; aw_set_error() sets errors");
    aw_future_complete(f, AW_FINISHED, result, value, NULL);
    return 0;
}

int aw_set_error_(aw_future *f, const aw_error_opts *opts)
{
    AW_TRY(may_finish(f));
    if (opts->code >= 0)
        return aw_fail(-EINVAL, "an error code is < 0");
    aw_future_complete(f, AW_FAILED, opts->code, NULL, aw_text_new(opts->msg));
    return 0;
}

int aw_copy_outcome(aw_future *to, aw_future *from)
{
    AW_TRY(may_finish(to));
    AW_TRY(aw_future_check(from));
    if (from->state == AW_PENDING)
        return aw_fail(AW_ESTATE, "the future to copy from is still pending");
    aw_future_look(from);
    aw_future_complete(to, from->state, from->result, from->value, aw_text_ref(from->detail));
    return 0;
}

/* ---- reading ---- */

void aw_future_look(aw_future *f)
{
    if (f->looked)
        return;
    f->looked = true;
    if (f->state == AW_FAILED)
        aw_list_remove(&f->watchers);
}

int aw_future_outcome(aw_future *f)
{
    if (AW_LIKELY(f->state == AW_FINISHED))
        return f->result;
    if (f->state == AW_PENDING)
        return aw_fail(AW_ESTATE, "the future is still pending");
    aw_future_look(f);
    return aw_fail_text(f->result, f->detail);
}

bool aw_done(aw_future *f)
{
    return usable(f) && f->state != AW_PENDING;
}

bool aw_cancelled(aw_future *f)
{
    return usable(f) && f->state == AW_CANCELLED;
}

int aw_result(aw_future *f)
{
    AW_TRY(aw_future_check(f));
    return aw_future_outcome(f);
}

int aw_error(aw_future *f)
{
    int result = aw_result(f);
    return result < 0 ? result : 0;
}

void *aw_value(aw_future *f)
{
    return usable(f) && f->state == AW_FINISHED ? f->value : NULL;
}

aw_loop *aw_future_loop(aw_future *f)
{
    if (!usable(f))
        return NULL;
    f->loop->exposed = true;
    return f->loop;
}

/* ---- waiting ---- */

struct await {
    struct aw_wait wait;
    struct aw_watch watch;
};

static struct await *await_of(const struct aw_watch *w)
{
    return aw_container_of(w, struct await, watch);
}

static void await_fire(struct aw_watch *w, aw_future *f)
{
    (void)f;
    struct await *a = await_of(w);
    if (!a->wait.woken)
        aw_wake(&a->wait, 0);
}

static aw_future *await_waiter(const struct aw_watch *w)
{
    return &await_of(w)->wait.task->fut;
}

static const struct aw_watch_kind await_watch = {.fire = await_fire, .waiter = await_waiter};

static void describe_future(const struct aw_wait *w, aw_buf *out)
{
    char text[128];
    aw_describe(w->object, text, sizeof text);
    aw_buf_add(out, text);
}

/* Ends a wait by itself; what it waits for goes on. */
bool aw_await_break(struct aw_wait *w)
{
    aw_list_remove(&aw_container_of(w, struct await, wait)->watch.link);
    aw_wake(w, -ECANCELED);
    return true;
}

void aw_await_drop(struct aw_wait *w)
{
    aw_list_remove(&aw_container_of(w, struct await, wait)->watch.link);
    aw_unref(w->object);
}

void aw_join_drop(struct aw_wait *w)
{
    aw_future *f = w->object;
    aw_await_drop(w);
    aw_unref(f);
}

static const struct aw_wait_kind await_kind = {
    .name = "aw_await", .describe = describe_future, .drop = aw_await_drop};
static const struct aw_wait_kind join_kind = {
    .name = "aw_join", .describe = describe_future, .drop = aw_await_drop};
static const struct aw_wait_kind shielded_kind = {.name = "aw_await_shielded",
                                                  .describe = describe_future,
                                                  .cancel = aw_await_break,
                                                  .drop = aw_await_drop};

/* `held`: the caller's own reference stays while it waits, so that none is taken. */
static inline __attribute__((always_inline)) int
await(aw_future *f, const struct aw_wait_kind *kind, const void *caller, bool held)
{
    AW_TRY(aw_future_check(f));
    aw_loop *l = aw_self.loop;
    if (!l || !l->current)
        return aw_no_loop();
    if (f->loop != l)
        return aw_fail(AW_ETHREAD, "the future belongs to another loop");
    if (f == &l->current->fut)
        return aw_fail(AW_EMISUSE, "a task cannot await itself");
    if (f->state != AW_PENDING)
        return aw_future_outcome(f);
    struct await a = {.wait = {.kind = kind, .object = f, .caller = caller},
                      .watch = {.kind = &await_watch}};
    aw_list_push_back(&f->watchers, &a.watch.link);
    f->refs += !held;
    int err = aw_suspend(l->current, &a.wait);
    if (f->state == AW_PENDING)
        aw_list_remove(&a.watch.link);
    else if (err >= 0)
        err = aw_future_outcome(f);
    else
        aw_future_look(f);
    if (!held)
        aw_unref(f);
    return err;
}

int aw_await_as(aw_future *f, const struct aw_wait_kind *kind, const void *caller)
{
    return await(f, kind, caller, false);
}

int aw_await(aw_future *f)
{
    return aw_await_as(f, &await_kind, __builtin_return_address(0));
}

int aw_join(aw_future *f)
{
    int err = await(f, &join_kind, __builtin_return_address(0), true);
    aw_unref(f);
    return err;
}

int aw_await_shielded(aw_future *f)
{
    return aw_await_as(f, &shielded_kind, __builtin_return_address(0));
}

/* ---- references ---- */

aw_future *aw_ref(aw_future *f)
{
    if (!usable(f))
        return f;
    f->refs++;
    return f;
}

/* A future goes, or will never be done, with watches on it: they are told nothing any more. */
void aw_future_drop_watches(aw_future *f)
{
    aw_list *link;
    while ((link = aw_list_pop_front(&f->watchers)) != NULL) {
        struct aw_watch *w = aw_container_of(link, struct aw_watch, link);
        if (w->kind->drop)
            w->kind->drop(w);
    }
}

void aw_future_report_unlooked(aw_future *f)
{
    if (f->state != AW_FAILED || f->looked)
        return;
    aw_future_look(f);
    aw_report_task(f, AW_REPORT_NEVER_RETRIEVED,
                   f->kind == AW_KIND_TASK ? "a task failed and nobody looked at it"
                                           : "a future failed and nobody looked at it");
}

static void free_future(aw_future *f)
{
    aw_loop *l = f->loop;
    aw_text_unref(f->detail);
    f->detail = NULL;
    f->magic = AW_FUTURE_FREED;
    if (f->kind == AW_KIND_GATHER)
        aw_gather_free(f);
    else if (f->kind == AW_KIND_SHIELD)
        aw_shield_free(f);
    else if (f->kind == AW_KIND_JOB)
        aw_job_of(f)->kind->free(aw_job_of(f));
    else
        aw_mem_free(f);
    aw_loop_unref(l);
}

/* The last reference has gone.  Futures that follow others hold references, and freeing one may
 * free the next: those that come up meanwhile are queued, so that a long chain does not recurse. */
static void retire(aw_future *f)
{
    aw_loop *l = f->loop;
    aw_future_report_unlooked(f);
    aw_future_drop_watches(f);
    aw_list_push_back(&l->retired, &f->watchers);
    if (l->retiring)
        return;
    l->retiring = true;
    l->refs++;
    aw_list *link;
    while ((link = aw_list_pop_front(&l->retired)) != NULL)
        free_future(aw_container_of(link, aw_future, watchers));
    l->retiring = false;
    aw_loop_unref(l);
}

/* A task follows nobody, so that freeing one never frees another. */
void aw_task_unref(struct aw_tcb *t)
{
    aw_assert(t->fut.refs > 0);
    if (--t->fut.refs > 0)
        return;
    aw_loop *l = t->fut.loop;
    if (AW_UNLIKELY(t->fut.state == AW_FAILED))
        aw_future_report_unlooked(&t->fut);
    if (AW_UNLIKELY(!aw_list_empty(&t->fut.watchers)))
        aw_future_drop_watches(&t->fut);
    t->fut.magic = AW_FUTURE_FREED;
    aw_task_free(t);
    aw_loop_unref(l);
}

void aw_unref(aw_future *f)
{
    if (!usable(f))
        return;
    if (AW_LIKELY(f->kind == AW_KIND_TASK)) {
        aw_task_unref(aw_tcb_of(f));
        return;
    }
    aw_assert(f->refs > 0);
    if (--f->refs == 0)
        retire(f);
    else if (AW_UNLIKELY(f->kind >= AW_KIND_GATHER) && aw_follower_let_go(f)) /* or a shield */
        retire(f);
}
