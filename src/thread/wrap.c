/*
 * wrap.c - a concurrent future awaited: aw_wrap_future.
 *
 * The wrapper is a future of the loop; a record between the two passes completion one way, through
 * the inbox, and cancellation the other.  Either side may go first: the loop may close while the
 * concurrent future is pending, and that may complete while the loop closes.  This is rare and not
 * hot, so one lock, the process's, decides: under it the completing thread hands the record over,
 * or finds it detached; and the closing thread detaches it, or finds it handed over.
 */
#include "thread/cfuture.h"

/* Cancelling the concurrent future runs its callbacks, so it is done from the loop's own stack, in
 * a pass of its own; a separate record, because the other may be gone by then. */
struct cancelling {
    struct aw_ready ready;
    aw_cfuture *inner;
};

struct wrap {
    struct aw_cf_callback callback; /* on the concurrent future */
    struct aw_ready done;           /* from there to the loop */
    struct aw_watch watch;          /* on the wrapper, for its cancellation */
    struct aw_closer closer;        /* on the loop */
    struct cancelling *cancelling;  /* NULL once it is on its way */
    aw_cfuture *inner;
    aw_future *wrapper;
    aw_loop *loop;
    enum { ARMED, HANDED_OVER, REFUSED, DETACHED } state; /* under the process lock */
};

/* The loop's part of the record goes: in its thread, or the one that closes it. */
static void let_go(struct wrap *w)
{
    aw_loop *l = w->loop;
    aw_list_remove(&w->watch.link);
    aw_list_remove(&w->closer.link);
    l->outside--;
    aw_mem_free(w->cancelling);
    aw_unref(w->wrapper);
    aw_cfuture_unref(w->inner);
    aw_loop_release(l);
}

/* On the loop: the concurrent future is done. */
static void wrapped_done(struct aw_ready *item)
{
    struct wrap *w = aw_container_of(item, struct wrap, done);
    static const enum aw_future_state states[] = {[AW_CF_FINISHED] = AW_FINISHED,
                                                  [AW_CF_FAILED] = AW_FAILED,
                                                  [AW_CF_CANCELLED] = AW_CANCELLED};
    aw_cfuture *f = w->inner;
    aw_list_remove(&w->watch.link);
    if (w->wrapper->state == AW_PENDING && !w->loop->closed)
        aw_future_complete(w->wrapper, states[aw_cf_state(f)], f->result, f->value,
                           aw_text_ref(f->detail));
    let_go(w);
    aw_mem_free(w);
}

/* In the thread that completed it. */
static void hand_over(struct aw_cf_callback *callback, aw_cfuture *f)
{
    (void)f;
    struct wrap *w = aw_container_of(callback, struct wrap, callback);
    aw_process_lock();
    bool detached = w->state == DETACHED;
    if (!detached)
        w->state = aw_inbox_push(w->loop, &w->done) < 0 ? REFUSED : HANDED_OVER;
    aw_process_unlock();
    if (detached)
        aw_mem_free(w);
}

static void loop_closes(struct aw_closer *closer)
{
    struct wrap *w = aw_container_of(closer, struct wrap, closer);
    aw_process_lock();
    bool handed_over = w->state == HANDED_OVER, refused = w->state == REFUSED;
    if (!handed_over)
        w->state = DETACHED;
    aw_process_unlock();
    if (handed_over)
        return; /* it is in the schedule that is about to be dropped */
    let_go(w);
    if (refused)
        aw_mem_free(w);
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
