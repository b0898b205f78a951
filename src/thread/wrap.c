/*
 * wrap.c - a concurrent future awaited: aw_wrap_future.
 *
 * The wrapper is a future of the loop; a record between the two passes completion one way, through
 * the inbox, and cancellation the other.  Either side may go first: the loop may close while the
 * concurrent future is pending, and that may complete while the loop closes.
 *
 * The record has two sides.  The loop's side (the watch on the wrapper, the closer, the count) is
 * let go of in the loop's thread, or in the one that closes it.  The rest is freed by whoever has
 * the record last, in any thread:
 *
 *     the loop, when it runs the item that was handed over: it lets go of its side and frees it
 *     the closing thread, when it gets the callback back from the concurrent future: the same
 *     otherwise the completing thread has the callback, and the closing thread only lets go:
 *         - it was handed over: it lies in the schedule that is dropped next, and is freed there
 *         - it will be refused, as the inbox is closed: of the two, whoever comes second frees it
 *
 * The last is decided by one exchange on each side, which releases what the first has written and
 * acquires it for the second.  After a successful push the completing thread does not touch the
 * record: the loop may have freed it.
 */
#include "thread/cfuture.h"

/* Cancelling the concurrent future runs its callbacks, so it is done from the loop's own stack, in
 * a pass of its own; a separate record, because the other may be gone by then. */
struct cancelling {
    struct aw_ready ready;
    aw_cfuture *inner;
};

enum { WRAP_WHOLE, WRAP_LEFT, WRAP_REFUSED };

struct wrap {
    struct aw_cf_callback callback; /* on the concurrent future */
    struct aw_ready done;           /* from there to the loop */
    struct aw_watch watch;          /* on the wrapper, for its cancellation */
    struct aw_closer closer;        /* on the loop */
    struct cancelling *cancelling;  /* NULL once it is on its way */
    aw_cfuture *inner;              /* a reference */
    aw_future *wrapper;             /* a reference; NULL once the loop's side is gone */
    aw_loop *loop;                  /* its memory is held */
    _Atomic unsigned state;         /* WRAP_*: what one of two that part has done */
};

/* The loop's side, in its thread or the one that closes it. */
static void let_go(struct wrap *w)
{
    aw_future *wrapper = w->wrapper;
    if (!wrapper)
        return;
    aw_list_remove(&w->watch.link);
    aw_list_remove(&w->closer.link);
    w->loop->outside--;
    w->wrapper = NULL;
    aw_unref(wrapper);
}

/* The rest, in any thread. */
static void free_rest(struct wrap *w)
{
    aw_cfuture_unref(w->inner);
    aw_loop_release(w->loop);
    aw_mem_free(w->cancelling);
    aw_mem_free(w);
}

/* On the loop: the concurrent future is done.  Or the loop has been closed since. */
static void wrapped_done(struct aw_ready *item)
{
    struct wrap *w = aw_container_of(item, struct wrap, done);
    static const enum aw_future_state states[] = {[AW_CF_FINISHED] = AW_FINISHED,
                                                  [AW_CF_FAILED] = AW_FAILED,
                                                  [AW_CF_CANCELLED] = AW_CANCELLED};
    aw_cfuture *f = w->inner;
    if (w->wrapper && w->wrapper->state == AW_PENDING && !w->loop->closed) {
        aw_list_remove(&w->watch.link);
        aw_cf_look(f);
        aw_future_complete(w->wrapper, states[aw_cf_state(f)], f->result, f->value,
                           aw_text_ref(f->detail));
    }
    let_go(w);
    free_rest(w);
}

/* In the thread that completed it. */
static void hand_over(struct aw_cf_callback *callback, aw_cfuture *f)
{
    (void)f;
    struct wrap *w = aw_container_of(callback, struct wrap, callback);
    if (aw_inbox_push(w->loop, &w->done) == 0)
        return;
    if (atomic_exchange_explicit(&w->state, WRAP_REFUSED, memory_order_acq_rel) == WRAP_LEFT)
        free_rest(w);
}

static void loop_closes(struct aw_closer *closer)
{
    struct wrap *w = aw_container_of(closer, struct wrap, closer);
    let_go(w);
    if (aw_cfuture_unwatch(w->inner, &w->callback) ||
        atomic_exchange_explicit(&w->state, WRAP_LEFT, memory_order_acq_rel) == WRAP_REFUSED)
        free_rest(w);
}

static void cancel_inner(struct aw_ready *item)
{
    struct cancelling *c = aw_container_of(item, struct cancelling, ready);
    aw_ignore(aw_cfuture_cancel(c->inner));
    aw_cfuture_unref(c->inner);
    aw_mem_free(c);
}

/* The wrapper is done: by our doing, or cancelled by its waiter. */
static void wrapper_done(struct aw_watch *watch, aw_future *wrapper)
{
    struct wrap *w = aw_container_of(watch, struct wrap, watch);
    if (wrapper->state != AW_CANCELLED)
        return;
    w->cancelling->inner = aw_cfuture_ref(w->inner);
    aw_ready_push(w->loop, &w->cancelling->ready);
    w->cancelling = NULL;
}

static const struct aw_watch_kind wrapper_watch = {.fire = wrapper_done};

aw_future *aw_wrap_future_(aw_cfuture *f, const aw_future_opts *opts)
{
    aw_loop *l = aw_self.loop;
    if (!f)
        return aw_null(aw_null_handle());
    if (!l)
        return aw_null(aw_no_loop());
    if (aw_cf_is_forked(f) && !aw_cfuture_done(f))
        return aw_fail_null(AW_EFORKED, "the work is that of the parent of this process");
    struct wrap *w = aw_mem_alloc(sizeof *w);
    struct cancelling *c = aw_mem_alloc(sizeof *c);
    aw_future_opts mine = {.file = opts->file, .line = opts->line, .loop = l};
    aw_future *wrapper = w && c ? aw_future_new_(&mine) : NULL;
    if (!wrapper) {
        aw_mem_free(c);
        aw_mem_free(w);
        return aw_fail_null(-ENOMEM, NULL);
    }
    *c = (struct cancelling){.ready = {.run = cancel_inner}};
    *w = (struct wrap){.cancelling = c,
                       .callback = {.run = hand_over},
                       .done = {.run = wrapped_done},
                       .watch = {.kind = &wrapper_watch},
                       .closer = {.run = loop_closes},
                       .inner = aw_cfuture_ref(f),
                       .wrapper = aw_ref(wrapper),
                       .loop = l};
    aw_loop_hold(l);
    l->outside++;
    aw_list_push_back(&l->closers, &w->closer.link);
    aw_list_push_back(&wrapper->watchers, &w->watch.link);
    aw_cfuture_watch(f, &w->callback);
    return wrapper;
}
