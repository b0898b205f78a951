/*
 * submit.c - handing work to a loop from any thread: callbacks, coroutines.
 *
 * A submission is one allocation: the concurrent future, the item that goes through the inbox, the
 * description of the coroutine with the copied argument behind it, and the watch on the task that
 * runs it.  The loop holds a reference from the push until the work is over, the submitter another.
 *
 *     submitter                       loop's thread
 *     push(begin)   ----------------> begin: makes the task, watches it
 *     cancel: settles the future,
 *             push(cancel)  --------> cancels the task, if there is one
 *                                     task ends: settles the future (unless cancelled), then
 *                                     opens `ended`
 *
 * The future may be done, by a cancel, while the coroutine still runs; `ended` tells when it has
 * ended, or never will begin.
 *
 * Everything but the future, the latches and the two items on their way belongs to the loop's
 * thread once the push has released it.  The last reference may go in any thread, and the record's
 * hold on the loop's memory with it.
 */
#include <string.h>

#include "thread/cfuture.h"

/* ---- callbacks ---- */

/* The public node, seen from inside. */
struct node_call {
    struct aw_ready ready;
    aw_callback *cb;
    void *arg;
};
_Static_assert(sizeof(struct node_call) == sizeof(aw_inbox_node) &&
                   _Alignof(struct node_call) == _Alignof(aw_inbox_node) &&
                   sizeof(struct node_call) == AW_RECORD_WORDS * sizeof(void *),
               "the public node and a record have room");

/* One of those that the loop's limit counts is over. */
static void leave(aw_loop *l)
{
    if (l->submit_limit)
        atomic_fetch_sub_explicit(&l->submitted, 1, memory_order_relaxed);
}

/* It begins without task-local values, and those that it sets end with it. */
static void call_back(aw_loop *l, aw_callback *cb, void *arg)
{
    aw_context *mine = NULL;
    l->context = &mine;
    int err = cb(arg);
    if (err < 0)
        aw_report_bare_callback(l, *(void **)&cb, "a callback failed", err);
    int64_t took = aw_step_took(l);
    if (took >= 0)
        aw_report_slow_bare_callback(l, *(void **)&cb, took);
    aw_step_begin(l);
    l->context = NULL;
    if (mine)
        aw_context_unref(mine);
}

static void run_node(struct aw_ready *item)
{
    struct node_call *n = aw_container_of(item, struct node_call, ready);
    if (!aw_self.dropping)
        call_back(aw_self.loop, n->cb, n->arg); /* from here on the node is its owner's again */
}

static void run_record(struct aw_ready *item)
{
    struct node_call *n = aw_container_of(item, struct node_call, ready), call = *n;
    aw_record_free(n);
    if (aw_self.dropping)
        return;
    leave(aw_self.loop);
    call_back(aw_self.loop, call.cb, call.arg);
}

/* Under the loop's limit?  Then one more is on its way, or at work. */
static int enter(aw_loop *l)
{
    if (!l->submit_limit)
        return 0;
    size_t before = atomic_fetch_add_explicit(&l->submitted, 1, memory_order_relaxed);
    if (before < l->submit_limit)
        return 0;
    atomic_fetch_sub_explicit(&l->submitted, 1, memory_order_relaxed);
    return aw_fail(AW_EFULL, "the loop has as many submissions as its .submit_limit allows");
}

static int check(aw_loop *l, bool has_function)
{
    if (!l)
        return aw_null_handle();
    return has_function ? 0 : aw_fail(-EINVAL, "the function is NULL");
}

static int refuse(aw_loop *l, aw_callback *cb)
{
    AW_TRY(check(l, cb != NULL));
    return aw_fail(-EINVAL, "the node is NULL");
}

int aw_call_soon_threadsafe_node(aw_loop *l, aw_inbox_node *node, aw_callback *cb, void *arg)
{
    if (AW_UNLIKELY(!l || !cb || !node))
        return refuse(l, cb);
    struct node_call *n = (struct node_call *)(void *)node;
    *n = (struct node_call){.ready = {.run = run_node}, .cb = cb, .arg = arg};
    return aw_inbox_push(l, &n->ready);
}

int aw_call_soon_threadsafe(aw_loop *l, aw_callback *cb, void *arg)
{
    AW_TRY(check(l, cb != NULL));
    AW_TRY(enter(l));
    struct node_call *n = aw_record_new();
    int err = n ? 0 : aw_fail(-ENOMEM, NULL);
    if (n) {
        *n = (struct node_call){.ready = {.run = run_record}, .cb = cb, .arg = arg};
        err = aw_inbox_push(l, &n->ready);
    }
    if (err == 0)
        return 0;
    if (n)
        aw_record_free(n);
    leave(l);
    return err;
}

/* ---- submissions ---- */

struct submission {
    aw_cfuture future;
    struct aw_ready begin;     /* the way to the loop */
    struct aw_ready cancel;    /* the same for a cancellation; pushed once */
    struct aw_ready callbacks; /* runs the callbacks on the loop's own stack */
    struct aw_watch watch;     /* on the task */
    aw_task *task;             /* a reference, from begin() until it has ended; the loop's */
    aw_fn *fn;
    aw_task_opts opts;
    struct aw_text *name;
    aw_context *context;
    struct aw_latch announced; /* aw_announce() was called, or will not be */
    bool expected;             /* somebody waits for that: known before it is handed over */
    void *announcement;        /* valid once that is open */
    _Alignas(max_align_t) char copy[];
};

static struct submission *submission_of(aw_cfuture *f)
{
    return aw_container_of(f, struct submission, future);
}

static void free_submission(aw_cfuture *f)
{
    struct submission *s = submission_of(f);
    aw_loop *l = f->loop;
    aw_text_unref(s->name);
    aw_context_unref(s->context);
    aw_mem_free(s);
    aw_loop_release(l);
}

/* A user has cancelled it: the request goes the way of the work, behind it. */
static void tell_loop(aw_cfuture *f)
{
    struct submission *s = submission_of(f);
    aw_cfuture_ref(f);
    if (aw_inbox_push(f->loop, &s->cancel) < 0)
        aw_cfuture_unref(f); /* the loop is closed: nothing runs there any more */
}

/* To the handler of its loop, if this is its thread. */
static void report_lost(aw_cfuture *f)
{
    aw_report_submitted(f->loop == aw_self.loop ? f->loop : NULL, AW_REPORT_NEVER_RETRIEVED,
                        "a submitted coroutine failed and nobody looked at it",
                        &submission_of(f)->opts, f->result, f->detail);
}

static struct aw_spin *spin_of_waiters(aw_cfuture *f)
{
    return &f->loop->waiter_spin;
}

static const struct aw_cfuture_kind submission_kind = {.cancelled = tell_loop,
                                                       .free = free_submission,
                                                       .spin = spin_of_waiters,
                                                       .has_work = true,
                                                       .lost = report_lost};

/* The work is over, or never will be: the loop's reference goes. */
static void over(struct submission *s)
{
    leave(s->future.loop);
    if (s->expected)
        aw_latch_open(&s->announced);
    aw_cfuture_end(&s->future);
    aw_cfuture_unref(&s->future);
}

static void run_callbacks(struct aw_ready *item)
{
    struct submission *s = aw_container_of(item, struct submission, callbacks);
    aw_loop *l = s->future.loop == aw_self.loop ? aw_self.loop : NULL;
    aw_context *none = NULL;
    if (l)
        l->context = &none;
    aw_cfuture_run_callbacks(&s->future);
    if (l)
        l->context = NULL;
    aw_context_unref(none);
    over(s);
}

/* Settle the future here, where user code must not run, and leave its callbacks to a later pass.
 * True: nobody has the future any more, nor will hear of its outcome. */
static bool settle(struct submission *s, enum aw_cfuture_state state, int result, void *value,
                   struct aw_text *detail)
{
    aw_cfuture *f = &s->future;
    bool lost = false;
    if (!aw_cfuture_settle(f, state, result, value, detail)) {
        lost = true; /* it was cancelled, and whoever did that runs the callbacks */
    } else if (!aw_cfuture_seal(f)) {
        aw_ready_push(f->loop, &s->callbacks);
        return false;
    } else if (atomic_load_explicit(&f->refs, memory_order_relaxed) == 1) {
        lost = true;
        aw_cf_look(f); /* its task reports it */
    }
    over(s);
    return lost;
}

/* The task's outcome is the future's.  True: nobody will hear of it. */
static bool pass_on(struct submission *s, aw_task *t)
{
    static const enum aw_cfuture_state states[] = {[AW_FINISHED] = AW_CF_FINISHED,
                                                   [AW_FAILED] = AW_CF_FAILED,
                                                   [AW_CANCELLED] = AW_CF_CANCELLED};
    s->task = NULL;
    void *value = t->value;
    if ((s->opts.copy || s->opts.release) && value == aw_tcb_of(t)->arg)
        value = NULL; /* the copy goes with the task's stack, and what is released is gone */
    return settle(s, states[t->state], t->result, value, aw_text_ref(t->detail));
}

/* Inside the task's completion, which reports a failure that has not been looked at. */
static void task_ended(struct aw_watch *w, aw_future *t)
{
    if (!pass_on(aw_container_of(w, struct submission, watch), t))
        t->looked = true;
    aw_unref(t);
}

/* Its loop closes over the task. */
static void task_dropped(struct aw_watch *w)
{
    struct submission *s = aw_container_of(w, struct submission, watch);
    aw_task *t = s->task;
    s->task = NULL;
    aw_ignore(settle(s, AW_CF_CANCELLED, -ECANCELED, NULL, NULL));
    aw_unref(t);
}

static const struct aw_watch_kind task_watch = {.fire = task_ended, .drop = task_dropped};

static void release_arg(struct submission *s)
{
    if (s->opts.release)
        s->opts.release(s->opts.arg);
}

static void could_not_begin(struct submission *s, int err)
{
    struct aw_text *detail = aw_errslot_share(aw_errslot_current(), err);
    aw_report_submitted(s->future.loop, AW_REPORT_NEVER_RAN,
                        "a submitted coroutine could not be begun", &s->opts, err, detail);
    aw_cf_look(&s->future);
    release_arg(s);
    aw_ignore(settle(s, AW_CF_FAILED, err, NULL, detail));
}

/* With the task-local values of its submitter, also where those are none. */
static aw_task *make_task(struct submission *s)
{
    aw_loop *l = s->future.loop;
    aw_task_opts opts = s->opts;
    opts.loop = l;
    opts.context = NULL;
    opts.release = NULL;
    opts.submission = s;
    if (opts.copy)
        opts.arg = s->copy;
    l->context = &s->context;
    aw_task *t = aw_create_task_(s->fn, &opts);
    l->context = NULL;
    return t;
}

static void begin(struct aw_ready *item)
{
    struct submission *s = aw_container_of(item, struct submission, begin);
    aw_loop *l = s->future.loop;
    if (l->closed || l->draining || aw_cfuture_done(&s->future)) {
        release_arg(s);
        aw_ignore(settle(s, AW_CF_CANCELLED, -ECANCELED, NULL, NULL));
        return;
    }
    aw_task *t = make_task(s);
    if (!t) {
        could_not_begin(s, aw_null_handle());
        return;
    }
    s->task = t;
    aw_list_init(&s->watch.link);
    if (t->state == AW_PENDING) {
        aw_tcb_of(t)->release = s->opts.release;
        aw_tcb_of(t)->release_arg = s->opts.arg;
        aw_list_push_back(&t->watchers, &s->watch.link);
        return;
    }
    release_arg(s); /* it was eager, and has ended already */
    if (!pass_on(s, t))
        aw_future_look(t);
    aw_unref(t);
}

static void cancel(struct aw_ready *item)
{
    struct submission *s = aw_container_of(item, struct submission, cancel);
    if (s->task && !s->future.loop->closed)
        aw_cancel_request(s->task, NULL);
    aw_cfuture_unref(&s->future);
}

static struct submission *describe(aw_loop *l, aw_fn *fn, const aw_task_opts *opts)
{
    struct submission *s = aw_mem_alloc(sizeof *s + opts->copy);
    struct aw_text *name = aw_text_new(opts->name);
    if (!s || (opts->name && *opts->name && !name)) {
        aw_mem_free(s);
        aw_text_unref(name);
        return aw_fail_null(-ENOMEM, NULL);
    }
    aw_cfuture_init(&s->future, &submission_kind, l);
    atomic_init(&s->future.refs, 2); /* the submitter's and the loop's */
    aw_loop_hold(l);
    s->begin.run = begin;
    s->cancel.run = cancel;
    s->callbacks.run = run_callbacks;
    s->watch.kind = &task_watch;
    s->task = NULL;
    s->fn = fn;
    s->opts = *opts;
    s->opts.name = name ? name->s : NULL;
    s->name = name;
    s->context = aw_context_ref(opts->context ? opts->context : aw_context_here());
    atomic_init(&s->announced.word, AW_LATCH_SHUT);
    s->announcement = NULL;
    if (opts->copy)
        memcpy(s->copy, opts->arg, opts->copy);
    return s;
}

static int check_submission(aw_loop *l, aw_fn *fn, const aw_task_opts *opts)
{
    size_t stack_size = opts->stack_size ? opts->stack_size : AW_TASK_STACK;
    AW_TRY(check(l, fn != NULL));
    if (stack_size < AW_STACK_MIN)
        return aw_fail(-EINVAL, ".stack_size is less than 16 KiB");
    if (opts->copy && !opts->arg)
        return aw_fail(-EINVAL, ".copy of an argument that is NULL");
    if (opts->copy > stack_size / 2)
        return aw_fail(-EINVAL, ".copy is more than half of the stack");
    if (opts->ret_task || opts->group)
        return aw_fail(-EINVAL, ".ret_task is for calls on the loop's own thread");
    return 0;
}

static aw_cfuture *submit(aw_loop *l, aw_fn *fn, const aw_task_opts *opts, bool expected)
{
    int err = check_submission(l, fn, opts);
    if (err < 0 || (err = enter(l)) < 0)
        return aw_null(err);
    struct submission *s = describe(l, fn, opts);
    if (!s) {
        leave(l);
        return NULL;
    }
    s->expected = expected;
    err = aw_inbox_push(l, &s->begin);
    if (err < 0) {
        leave(l);
        aw_cfuture_unref(&s->future);
        aw_cfuture_unref(&s->future);
        return aw_null(err);
    }
    return &s->future;
}

aw_cfuture *aw_submit_(aw_loop *l, aw_fn *fn, const aw_task_opts *opts)
{
    return submit(l, fn, opts, false);
}

/* ---- announcing ---- */

aw_cfuture *aw_submit_ready_(aw_loop *l, aw_fn *fn, const aw_task_opts *opts)
{
    if (l && l == aw_self.loop)
        return aw_fail_null(-EDEADLK, "the loop's own thread cannot wait for its work");
    aw_cfuture *f = submit(l, fn, opts, true);
    if (!f)
        return NULL;
    struct submission *s = submission_of(f);
    aw_latch_wait(&s->announced, INT64_MAX);
    return f;
}

int aw_announce(void *value)
{
    aw_loop *l = aw_self.loop;
    if (!l || !l->current)
        return aw_no_loop();
    struct submission *s = l->current->submission;
    if (!s)
        return aw_fail(AW_EMISUSE, "this task was not submitted from a thread");
    if (aw_latch_is_open(&s->announced))
        return aw_fail(AW_EMISUSE, "the task has announced before");
    s->announcement = value;
    aw_latch_open(&s->announced);
    return 0;
}

void *aw_cfuture_announced(aw_cfuture *f)
{
    if (!f || f->kind != &submission_kind || !aw_latch_is_open(&submission_of(f)->announced))
        return NULL;
    return submission_of(f)->announcement;
}
