/*
 * handle.c - callbacks: call_soon, call_later, call_at, and those on futures.
 *
 * A handle is one scheduled call.  The schedule (ready queue or timers) holds one reference and the
 * user, if they asked for it, another.  One that waits for its time leaves the timers at once when
 * it is cancelled; one that is already on the ready queue stays there and is passed over.
 *
 * Callbacks run on the loop's own stack, with the task-local values of whoever scheduled them; one
 * that fails is reported, and the loop goes on.
 */
#include <math.h>

#include "core/core.h"
#include "sys/notes.h"

/* ---- memory ---- */

/* Time limits come and go by the thousand, and an allocation for each would be the most of what
 * they cost.  A sanitizer is to see who uses one too late. */
#ifdef AW_ASAN
enum { KEPT = 0 };
#else
enum { KEPT = 1024 }; /* a fifth of a megabyte */
#endif

static aw_handle *get_handle(aw_loop *l)
{
    aw_fifo_node *spare = l->spare_handles;
    if (!spare)
        return aw_mem_alloc(sizeof(aw_handle));
    l->spare_handles = spare->next;
    l->n_spare_handles--;
    return aw_container_of(aw_container_of(spare, struct aw_ready, link), aw_handle, ready);
}

static void put_handle(aw_loop *l, aw_handle *h)
{
    if (l->n_spare_handles >= KEPT || l->closed) {
        aw_mem_free(h);
        return;
    }
    h->ready.link.next = l->spare_handles;
    l->spare_handles = &h->ready.link;
    l->n_spare_handles++;
}

void aw_handles_close(aw_loop *l)
{
    while (l->spare_handles)
        aw_mem_free(get_handle(l));
}

/* ---- one call ---- */

static void free_handle(aw_handle *h)
{
    aw_loop *l = h->loop;
    aw_context_unref(h->context);
    put_handle(l, h);
    aw_loop_unref(l);
}

static void drop_handle(aw_handle *h)
{
    aw_assert(h->refs > 0);
    if (--h->refs == 0)
        free_handle(h);
}

void aw_handle_call(aw_handle *h)
{
    aw_loop *l = h->loop;
    l->context = &h->context;
    int err = h->cb(h->arg);
    if (err < 0)
        aw_report_callback(l, h, "a callback failed", err);
    int64_t took = aw_step_took(l);
    if (took >= 0)
        aw_report_slow_callback(h, took);
    aw_step_begin(l);
    l->context = NULL;
}

static void run_handle(struct aw_ready *item)
{
    aw_handle *h = aw_container_of(item, aw_handle, ready);
    h->called = true;
    if (!h->cancelled && !h->loop->closed)
        aw_handle_call(h);
    drop_handle(h);
}

static void timer_due(struct aw_timer *timer)
{
    aw_handle *h = aw_container_of(timer, aw_handle, timer);
    aw_ready_push(h->loop, &h->ready);
}

void aw_handle_drop_timer(struct aw_timer *timer)
{
    if (timer->fire == timer_due)
        drop_handle(aw_container_of(timer, aw_handle, timer));
}

int aw_handle_new(aw_callback *cb, const aw_call_opts *opts, aw_handle **ret)
{
    aw_loop *l = opts->loop ? opts->loop : aw_self.loop;
    if (!l)
        return aw_no_loop();
    if (!cb)
        return aw_fail(-EINVAL, "the callback is NULL");
    AW_TRY(aw_loop_check(l));
    if (l->closed)
        return aw_fail(AW_EMISUSE, "the loop is closed");
    aw_handle *h = get_handle(l);
    if (!h)
        return aw_fail(-ENOMEM, NULL);
    *h = (aw_handle){
        .ready = {.run = run_handle},
        .timer = {.fire = timer_due},
        .refs = opts->handle ? 2 : 1,
        .loop = l,
        .cb = cb,
        .arg = opts->arg,
        .cb_name = opts->cb_name,
        .file = opts->file,
        .line = opts->line,
        .context = aw_context_ref(opts->context ? opts->context : aw_context_here()),
    };
    l->refs++;
    if (opts->handle)
        *opts->handle = h;
    *ret = h;
    return 0;
}

int aw_call_soon_(aw_callback *cb, const aw_call_opts *opts)
{
    aw_handle *h = NULL;
    AW_TRY(aw_handle_new(cb, opts, &h));
    if (aw_inbox_filled(h->loop))
        aw_inbox_take_all(h->loop); /* what was handed over before comes first */
    aw_ready_push(h->loop, &h->ready);
    return 0;
}

static int call_at(aw_callback *cb, const aw_call_opts *opts, double seconds, bool absolute)
{
    if (isnan(seconds))
        return aw_fail(-EINVAL, "the time is NaN");
    aw_handle *h = NULL;
    AW_TRY(aw_handle_new(cb, opts, &h));
    int64_t due = absolute ? aw_ns_from_seconds(seconds) : aw_deadline_in(h->loop, seconds);
    h->when = absolute || due == INT64_MAX ? seconds : (double)due / 1e9;
    aw_timer_set(&h->loop->timers, &h->timer, due);
    return 0;
}

int aw_call_later_(double seconds, aw_callback *cb, const aw_call_opts *opts)
{
    return call_at(cb, opts, seconds, false);
}

int aw_call_at_(double when, aw_callback *cb, const aw_call_opts *opts)
{
    return call_at(cb, opts, when, true);
}

static bool usable(aw_handle *h)
{
    return h && aw_loop_check(h->loop) == 0;
}

void aw_handle_cancel(aw_handle *h)
{
    if (!usable(h) || h->cancelled || h->called)
        return;
    h->cancelled = true;
    if (h->watch)
        aw_fd_watch_cancel(h->watch);
    if (h->signal)
        aw_signal_watch_cancel(h->signal);
    if (!aw_timer_is_set(&h->timer))
        return;
    aw_timer_cancel(&h->loop->timers, &h->timer);
    drop_handle(h);
}

bool aw_handle_cancelled(aw_handle *h)
{
    return usable(h) && h->cancelled;
}

double aw_handle_when(aw_handle *h)
{
    return usable(h) ? h->when : 0;
}

void aw_handle_unref(aw_handle *h)
{
    if (usable(h))
        drop_handle(h);
}

/* ---- on futures ---- */

struct done_callback {
    struct aw_watch watch; /* until the future is done */
    struct aw_ready ready; /* from then on */
    aw_future *future;     /* a reference from then on */
    aw_done_callback *cb;
    void *arg;
    aw_context *context;
};

static void free_done_callback(struct done_callback *d)
{
    aw_context_unref(d->context);
    aw_mem_free(d);
}

static void run_done_callback(struct aw_ready *item)
{
    struct done_callback *d = aw_container_of(item, struct done_callback, ready);
    aw_future *f = d->future;
    aw_loop *l = f->loop;
    if (!l->closed) {
        l->context = &d->context;
        int err = d->cb(f, d->arg);
        if (err < 0)
            aw_report_done_callback(f, *(void **)&d->cb, err);
        int64_t took = aw_step_took(l);
        if (took >= 0)
            aw_report_slow_done_callback(f, *(void **)&d->cb, took);
        aw_step_begin(l);
        l->context = NULL;
    }
    free_done_callback(d);
    aw_unref(f);
}

static void schedule_done_callback(struct aw_watch *w, aw_future *f)
{
    struct done_callback *d = aw_container_of(w, struct done_callback, watch);
    d->future = f;
    f->refs++;
    aw_ready_push(f->loop, &d->ready);
}

static void drop_done_callback(struct aw_watch *w)
{
    free_done_callback(aw_container_of(w, struct done_callback, watch));
}

static const struct aw_watch_kind done_callback_watch = {.fire = schedule_done_callback,
                                                         .drop = drop_done_callback};

int aw_add_done_callback(aw_future *f, aw_done_callback *cb, void *arg)
{
    AW_TRY(aw_future_check(f));
    if (!cb)
        return aw_fail(-EINVAL, "the callback is NULL");
    if (f->loop->closed)
        return aw_fail(AW_EMISUSE, "the loop is closed");
    struct done_callback *d = aw_mem_alloc(sizeof *d);
    if (!d)
        return aw_fail(-ENOMEM, NULL);
    *d = (struct done_callback){
        .watch = {.kind = &done_callback_watch},
        .ready = {.run = run_done_callback},
        .cb = cb,
        .arg = arg,
        .context = aw_context_ref(aw_context_here()),
    };
    aw_list_init(&d->watch.link);
    if (f->state == AW_PENDING)
        aw_list_push_back(&f->watchers, &d->watch.link);
    else
        schedule_done_callback(&d->watch, f);
    return 0;
}

int aw_remove_done_callback(aw_future *f, aw_done_callback *cb, void *arg)
{
    AW_TRY(aw_future_check(f));
    if (f->state != AW_PENDING)
        return 0;
    int gone = 0;
    aw_list_each_safe(link, &f->watchers)
    {
        struct aw_watch *w = aw_container_of(link, struct aw_watch, link);
        struct done_callback *d = aw_container_of(w, struct done_callback, watch);
        if (w->kind != &done_callback_watch || d->cb != cb || d->arg != arg)
            continue;
        aw_list_remove(link);
        free_done_callback(d);
        gone++;
    }
    return gone;
}
