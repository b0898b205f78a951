/*
 * several.c - waiting for several futures: aw_wait, and one after the other in as_completed.
 *
 * A node per future, on the caller's stack up to eight and in one array beyond; each holds a
 * reference, so a future that nobody else keeps stays valid until the wait is over.  A completion
 * counts at once; the sleeping task is woken when enough is there.
 */
#include <math.h>

#include "core/core.h"

#define INLINE_NODES 8

int aw_futures_check(aw_loop *l, aw_future *const *fs, size_t n)
{
    if (n && !fs)
        return aw_fail(-EINVAL, "the array of futures is NULL");
    for (size_t i = 0; i < n; i++) {
        AW_TRY(aw_future_check(fs[i]));
        if (fs[i]->loop != l)
            return aw_fail(AW_ETHREAD, "the futures belong to two loops, or to another one");
    }
    return 0;
}

/* ---- aw_wait ---- */

struct node {
    struct aw_watch watch;
    struct several *several;
    aw_future *future;
};

struct several {
    struct aw_wait wait;
    struct aw_timer timer;
    enum aw_wait_when when;
    size_t n, pending;
    bool failed; /* one of them did */
    struct node *nodes;
};

static bool enough(const struct several *s)
{
    if (s->pending == 0)
        return true;
    if (s->when == AW_FIRST_COMPLETED)
        return s->pending < s->n;
    return s->when == AW_FIRST_ERROR && s->failed;
}

static void count_one(struct several *s, const aw_future *f)
{
    s->pending--;
    s->failed = s->failed || f->state == AW_FAILED;
}

static void node_fire(struct aw_watch *w, aw_future *f)
{
    struct several *s = aw_container_of(w, struct node, watch)->several;
    count_one(s, f);
    if (enough(s) && !s->wait.woken)
        aw_wake(&s->wait, 0);
}

static aw_future *node_waiter(const struct aw_watch *w)
{
    return &aw_container_of(w, struct node, watch)->several->wait.task->fut;
}

static const struct aw_watch_kind node_watch = {.fire = node_fire, .waiter = node_waiter};

static void time_over(struct aw_timer *timer)
{
    struct several *s = aw_container_of(timer, struct several, timer);
    if (!s->wait.woken)
        aw_wake(&s->wait, 0);
}

static bool wait_cancel(struct aw_wait *w)
{
    aw_wake(w, -ECANCELED);
    return true;
}

static void wait_describe(const struct aw_wait *w, aw_buf *out)
{
    const struct several *s = aw_container_of(w, const struct several, wait);
    aw_buf_printf(out, "%zu of %zu pending", s->pending, s->n);
}

static int unwatch_all(struct several *s)
{
    int done = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct node *node = &s->nodes[i];
        done += node->future->state != AW_PENDING;
        aw_list_remove(&node->watch.link);
        aw_unref(node->future);
    }
    return done;
}

/* The loop closes over the wait. */
static void wait_drop(struct aw_wait *w)
{
    struct several *s = aw_container_of(w, struct several, wait);
    aw_ignore(unwatch_all(s));
    if (s->n > INLINE_NODES)
        aw_mem_free(s->nodes);
}

static const struct aw_wait_kind wait_kind = {
    .name = "aw_wait", .cancel = wait_cancel, .drop = wait_drop, .describe = wait_describe};

static void watch_all(struct several *s, aw_future *const *fs)
{
    for (size_t i = 0; i < s->n; i++) {
        struct node *node = &s->nodes[i];
        *node =
            (struct node){.watch = {.kind = &node_watch}, .several = s, .future = aw_ref(fs[i])};
        aw_list_init(&node->watch.link);
        if (fs[i]->state == AW_PENDING)
            aw_list_push_back(&fs[i]->watchers, &node->watch.link);
        else
            count_one(s, fs[i]);
    }
}

static int wait_for_enough(struct several *s, const aw_wait_opts *opts, const void *caller)
{
    aw_loop *l = aw_self.loop;
    if (enough(s) || opts->timeout < 0)
        return 0;
    s->wait = (struct aw_wait){.kind = &wait_kind, .task = l->current, .caller = caller};
    s->timer = (struct aw_timer){.fire = time_over};
    if (opts->timeout > 0)
        aw_timer_set(&l->timers, &s->timer, aw_deadline_in(l, opts->timeout));
    int err = aw_suspend(l->current, &s->wait);
    aw_timer_cancel(&l->timers, &s->timer);
    return err;
}

int aw_wait_(const aw_wait_opts *opts)
{
    aw_loop *l = aw_self.loop;
    if (!l || !l->current)
        return aw_no_loop();
    if (!opts->n || opts->when < AW_ALL_COMPLETED || opts->when > AW_FIRST_ERROR)
        return aw_fail(-EINVAL, opts->n ? "unknown condition to wait for" : "nothing to wait for");
    if (isnan(opts->timeout))
        return aw_fail(-EINVAL, "the time limit is NaN");
    AW_TRY(aw_futures_check(l, opts->fs, opts->n));
    struct node few[INLINE_NODES];
    struct several s = {.when = opts->when, .n = opts->n, .pending = opts->n, .nodes = few};
    if (s.n > INLINE_NODES)
        s.nodes = s.n > SIZE_MAX / sizeof few[0] ? NULL : aw_mem_alloc(s.n * sizeof few[0]);
    if (!s.nodes)
        return aw_fail(-ENOMEM, NULL);
    watch_all(&s, opts->fs);
    int err = wait_for_enough(&s, opts, __builtin_return_address(0));
    int done = unwatch_all(&s);
    if (s.nodes != few)
        aw_mem_free(s.nodes);
    return err < 0 ? err : done;
}

/* ---- as_completed ---- */

/* One future of an iteration; when done, on the iteration's list of those to be handed out. */
struct entry {
    struct aw_watch watch;
    aw_completed *it;
    aw_future *future;
    struct entry *next;
};
_Static_assert(sizeof(struct entry) * INLINE_NODES <= sizeof((aw_completed *)0)->inline_nodes,
               "the public struct has room for the private one");

/* The sleep of aw_completed_next(). */
struct next_wait {
    struct aw_wait wait;
    struct aw_timer timer;
};

static void append_done(struct entry *e)
{
    aw_completed *it = e->it;
    e->next = NULL;
    if (it->done_head)
        ((struct entry *)it->done_tail)->next = e;
    else
        it->done_head = e;
    it->done_tail = e;
}

static void entry_fire(struct aw_watch *w, aw_future *f)
{
    (void)f;
    struct entry *e = aw_container_of(w, struct entry, watch);
    struct next_wait *waiter = e->it->waiter;
    append_done(e);
    if (waiter && !waiter->wait.woken)
        aw_wake(&waiter->wait, 0);
}

static aw_future *entry_waiter(const struct aw_watch *w)
{
    return aw_container_of(w, struct entry, watch)->it->scope.task;
}

static const struct aw_watch_kind entry_watch = {.fire = entry_fire, .waiter = entry_waiter};

static int entry_memory(aw_completed *it, size_t n)
{
    it->nodes = it->inline_nodes;
    if (n > INLINE_NODES)
        it->nodes =
            n > SIZE_MAX / sizeof(struct entry) ? NULL : aw_mem_alloc(n * sizeof(struct entry));
    return it->nodes ? 0 : aw_fail(-ENOMEM, NULL);
}

static void let_go(aw_completed *it)
{
    for (size_t i = 0; i < it->n; i++) {
        struct entry *e = (struct entry *)it->nodes + i;
        aw_list_remove(&e->watch.link);
        aw_unref(e->future);
    }
    if (it->nodes != it->inline_nodes)
        aw_mem_free(it->nodes);
}

/* Its task will never go on. */
static void abandon_iteration(aw_scope *scope)
{
    let_go(aw_container_of(scope, aw_completed, scope));
}

int aw_completed_enter_(const aw_completed_opts *opts)
{
    aw_completed *it = opts->it;
    aw_loop *l = aw_self.loop;
    if (!it)
        return aw_fail(-EINVAL, "the iteration is NULL");
    if (!l || !l->current)
        return aw_no_loop();
    if (it->scope.state != AW_SCOPE_FRESH)
        return aw_fail(AW_EMISUSE, "the iteration has been entered before");
    if (isnan(opts->timeout))
        return aw_fail(-EINVAL, "the time limit is NaN");
    AW_TRY(aw_futures_check(l, opts->fs, opts->n));
    AW_TRY(entry_memory(it, opts->n));
    aw_scope_open(&it->scope, l->current, "aw_completed", opts->file, opts->line);
    it->scope.abandon = abandon_iteration;
    it->n = opts->n;
    it->handed_out = 0;
    it->done_head = it->waiter = NULL;
    it->deadline = opts->timeout ? aw_deadline_in(l, opts->timeout) : INT64_MAX;
    for (size_t i = 0; i < opts->n; i++) {
        struct entry *e = (struct entry *)it->nodes + i;
        aw_future *f = opts->fs[i];
        *e = (struct entry){.watch = {.kind = &entry_watch}, .it = it, .future = aw_ref(f)};
        aw_list_init(&e->watch.link);
        if (f->state == AW_PENDING)
            aw_list_push_back(&f->watchers, &e->watch.link);
        else
            append_done(e);
    }
    return 0;
}

static void next_time_over(struct aw_timer *timer)
{
    struct next_wait *w = aw_container_of(timer, struct next_wait, timer);
    if (!w->wait.woken)
        aw_wake(&w->wait, 0);
}

static void next_describe(const struct aw_wait *w, aw_buf *out)
{
    const aw_completed *it = w->object;
    aw_buf_printf(out, "%zu of %zu pending", it->n - it->handed_out, it->n);
}

static const struct aw_wait_kind next_kind = {
    .name = "aw_completed_next", .cancel = wait_cancel, .describe = next_describe};

static int sleep_for_next(aw_completed *it, aw_loop *l, const void *caller)
{
    struct next_wait w = {.wait = {.kind = &next_kind, .object = it, .caller = caller},
                          .timer = {.fire = next_time_over}};
    if (it->deadline <= aw_clock_now(&l->clock))
        return aw_fail(-ETIMEDOUT, NULL);
    aw_timer_set(&l->timers, &w.timer, it->deadline);
    it->waiter = &w;
    int err = aw_suspend(l->current, &w.wait);
    it->waiter = NULL;
    aw_timer_cancel(&l->timers, &w.timer);
    if (err < 0)
        return err;
    return it->done_head ? 0 : aw_fail(-ETIMEDOUT, NULL);
}

int aw_completed_next(aw_completed *it, aw_future **ret)
{
    aw_loop *l = aw_self.loop;
    if (!it || !ret)
        return aw_fail(-EINVAL, "the iteration or the place for its future is NULL");
    if (!l || !l->current)
        return aw_no_loop();
    if (it->scope.state != AW_SCOPE_OPEN || it->scope.task != &l->current->fut)
        return aw_fail(AW_EMISUSE, "the iteration is not this task's, or not entered");
    if (it->handed_out == it->n)
        return 0;
    if (!it->done_head)
        AW_TRY(sleep_for_next(it, l, __builtin_return_address(0)));
    struct entry *e = it->done_head;
    it->done_head = e->next;
    it->handed_out++;
    *ret = e->future;
    return 1;
}

int aw_completed_exit(aw_completed *it, int err)
{
    aw_loop *l = aw_self.loop;
    if (!it || it->scope.state != AW_SCOPE_OPEN || !l || !l->current)
        return err;
    aw_scope_close(&it->scope, l->current);
    let_go(it);
    return err;
}
