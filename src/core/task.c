/*
 * task.c - a coroutine's life: created, begun, ended, freed.
 *
 * A task is its stack: the control block lies at the top of it, so that making one is taking a slot
 * from the pool and filling in a record, and a parked one costs one page.  The loop holds one
 * reference until the coroutine has ended; the creator's handle is another.  The stack goes back to
 * the pool with the last reference, which may be while the task still runs on it: the pool hands it
 * out again only after the switch away.
 *
 * Whatever happens, `release` is called once for work that was accepted: when the coroutine
 * returned, when it was cancelled before it began, or when its loop was closed over it.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/core.h"

/* ---- ending ---- */

static void release_arg(struct aw_tcb *t)
{
    void (*release)(void *) = t->release;
    t->release = NULL;
    if (release)
        release(t->release_arg);
}

static void leave_loop(aw_loop *l, struct aw_tcb *t)
{
    if (AW_UNLIKELY(l->measures_stacks))
        aw_stacks_look(t);
    aw_list_remove(&t->all);
    aw_loop_count_task(l, -1);
    l->n_given_up -= t->given_up;
    if (AW_UNLIKELY(l->n_given_up && l->n_given_up == l->n_tasks))
        l->stop = AW_STOP_THIS_PASS; /* the others will never end */
}

/* The future's part of the end: what the coroutine returned becomes the outcome. */
static void set_outcome(struct aw_tcb *t, int result)
{
    aw_future *f = &t->fut;
    if (AW_LIKELY(result >= 0 && !t->must_cancel)) {
        aw_future_complete(f, AW_FINISHED, result, t->value_set ? f->value : t->arg, NULL);
        return;
    }
    if (result >= 0 || result == -ECANCELED) {
        aw_future_complete(f, AW_CANCELLED, -ECANCELED, NULL, aw_text_ref(t->cancel_msg));
        return;
    }
    aw_future_complete(f, AW_FAILED, result, NULL, aw_errslot_share(&t->err, result));
}

static int body(struct aw_tcb *t)
{
    if (AW_UNLIKELY(t->must_cancel))
        return -ECANCELED; /* cancelled before it began: it never runs */
    t->started = true;
    return t->fn(t->arg);
}

static void task_entry(struct aw_fiber *fiber)
{
    struct aw_tcb *t = aw_container_of(fiber, struct aw_tcb, fiber);
    int result = body(t);
    if (AW_UNLIKELY(t->scopes != NULL))
        aw_scope_left_open(t);
    if (AW_UNLIKELY(t->release != NULL))
        release_arg(t);
    leave_loop(t->fut.loop, t);
    if (AW_UNLIKELY(t->group != NULL))
        aw_group_child_ends(t, result);
    set_outcome(t, result);
    aw_sched_exit(t);
}

static AW_NOINLINE void free_texts(struct aw_tcb *t)
{
    aw_text_unref(t->fut.detail);
    aw_text_unref(t->cancel_msg);
    aw_text_unref(t->name);
    aw_errslot_fini(&t->err);
}

void aw_task_free(struct aw_tcb *t)
{
    if (AW_UNLIKELY(t->fut.detail || t->cancel_msg || t->name || t->err.owner))
        free_texts(t);
    if (AW_UNLIKELY(t->context != NULL))
        aw_context_unref(t->context);
    aw_stack_put(&t->fut.loop->stacks, &t->fiber);
}

void aw_task_abandon(struct aw_tcb *t)
{
    aw_future *f = &t->fut;
    release_arg(t);
    leave_loop(f->loop, t);
    if (t->group)
        aw_group_forget(t);
    if (t->wait && t->wait->kind->drop)
        t->wait->kind->drop(t->wait);
    aw_scopes_abandon(t);
    aw_future_drop_watches(f);
    f->state = AW_CANCELLED;
    f->result = -ECANCELED;
    aw_unref(f);
}

/* ---- creating ---- */

static int check_opts(aw_loop *l, aw_fn *fn, const aw_task_opts *opts, size_t size)
{
    if (!fn)
        return aw_fail(-EINVAL, "the coroutine function is NULL");
    if (opts->ret_task)
        return aw_fail(-EINVAL, ".ret_task is for calls that return no handle");
    if (size < AW_STACK_MIN)
        return aw_fail(-EINVAL, ".stack_size is less than 16 KiB");
    AW_TRY(aw_loop_check(l));
    if (l->closed)
        return aw_fail(AW_EMISUSE, "the loop is closed");
    if (opts->copy && (opts->copy > size / 2 || !opts->arg))
        return aw_fail(-EINVAL, opts->arg ? ".copy is more than half of the stack"
                                          : ".copy of an argument that is NULL");
    return 0;
}

static int take_stack(aw_loop *l, size_t size, struct aw_tcb **ret)
{
    struct aw_fiber *fiber;
    int err = aw_stack_get(&l->stacks, size, &fiber);
    if (err == -EINVAL)
        return aw_fail(err, ".stack_size is too large");
    if (err == -ENOTSUP)
        return aw_fail(err, "this thread has a shadow stack, which tasks cannot have");
    if (err < 0)
        return aw_fail(err, l->stacks.why);
    if (AW_UNLIKELY(l->measures_stacks))
        aw_stacks_wipe(fiber);
    *ret = aw_container_of(fiber, struct aw_tcb, fiber);
    return 0;
}

/* Every field but the fiber's own. */
static inline void init_tcb(struct aw_tcb *t, aw_loop *l, aw_fn *fn, const aw_task_opts *opts)
{
    aw_context *context = opts->context ? opts->context : aw_context_here();
    aw_future_init(&t->fut, l, AW_KIND_TASK, opts->file, opts->line);
    t->wait = NULL;
    t->ready.run = NULL;
    t->must_cancel = t->given_up = t->started = t->value_set = false;
    t->hard_calls = 0;
    t->suspensions = 0;
    t->eager_parent = NULL;
    t->eager_task = NULL;
    t->context = context ? aw_context_ref(context) : NULL;
    t->fn = fn;
    t->arg = opts->arg;
    t->release = opts->release;
    t->release_arg = opts->arg;
    t->cancel_requests = 0;
    t->cancel_epoch = 0;
    t->cancel_msg = NULL;
    t->id = ++l->next_id;
    t->name = NULL;
    t->fn_name = opts->fn_name;
    t->scopes = NULL;
    t->submission = opts->submission;
    t->group = NULL;
    t->err = (struct aw_errslot){0};
}

static inline struct aw_tcb *new_task(aw_loop *l, aw_fn *fn, const aw_task_opts *opts)
{
    size_t size = opts->stack_size ? opts->stack_size : AW_TASK_STACK;
    struct aw_tcb *t = NULL;
    int err = check_opts(l, fn, opts, size);
    if (err < 0 || (err = take_stack(l, size, &t)) < 0)
        return aw_null(err);
    struct aw_text *name = opts->name ? aw_text_new(opts->name) : NULL;
    if (AW_UNLIKELY(opts->name && *opts->name && !name)) {
        aw_stack_put(&l->stacks, &t->fiber);
        return aw_fail_null(-ENOMEM, "no memory for the task's name");
    }
    void *copy = aw_fiber_prepare(&t->fiber, task_entry, opts->copy);
    if (!copy) {
        aw_text_unref(name);
        aw_stack_put(&l->stacks, &t->fiber);
        return aw_fail_null(-EINVAL, ".copy leaves too little of the stack");
    }
    init_tcb(t, l, fn, opts);
    t->name = name;
    if (opts->copy)
        t->arg = memcpy(copy, opts->arg, opts->copy);
    if (AW_UNLIKELY(l->measures_stacks))
        aw_stacks_count(t);
    aw_list_push_back(&l->tasks, &t->all);
    aw_loop_count_task(l, 1);
    if (opts->group)
        aw_group_adopt(opts->group, t);
    return t;
}

struct aw_tcb *aw_task_new(aw_loop *l, aw_fn *fn, const aw_task_opts *opts)
{
    return new_task(l, fn, opts);
}

aw_task *aw_create_task_default(aw_fn *fn, const aw_task_opts *opts)
{
    aw_loop *l = opts->loop ? opts->loop : aw_self.loop;
    if (!l)
        return aw_null(aw_no_loop());
    struct aw_tcb *t = new_task(l, fn, opts);
    if (!t)
        return NULL;
    t->fut.refs = 2; /* the creator's handle, and the loop's until the coroutine has ended */
    if (opts->eager && l == aw_self.loop) {
        aw_sched_eager(l, t);
        return &t->fut;
    }
    if (AW_UNLIKELY(aw_inbox_filled(l)))
        aw_inbox_take_all(l); /* what was handed over before comes first */
    aw_ready_push(l, &t->ready);
    return &t->fut;
}

static AW_NOINLINE aw_task *by_factory(aw_loop *l, aw_fn *fn, const aw_task_opts *opts)
{
    aw_task_opts named = *opts;
    named.loop = l;
    return l->factory(fn, &named, l->factory_arg);
}

aw_task *aw_create_task_(aw_fn *fn, const aw_task_opts *opts)
{
    aw_loop *l = opts->loop ? opts->loop : aw_self.loop;
    if (AW_UNLIKELY(l && l->factory))
        return by_factory(l, fn, opts);
    return aw_create_task_default(fn, opts);
}

int aw_task_hand_over(aw_task *t, aw_task **ret)
{
    if (!t)
        return aw_null_handle();
    if (ret)
        *ret = t;
    else
        aw_unref(t);
    return 0;
}

int aw_spawn_(aw_fn *fn, const aw_task_opts *opts)
{
    aw_task_opts plain = *opts;
    plain.ret_task = NULL;
    return aw_task_hand_over(aw_create_task_(fn, &plain), opts->ret_task);
}

void aw_return_value(void *value)
{
    aw_loop *l = aw_self.loop;
    if (!l || !l->current)
        return;
    l->current->fut.value = value;
    l->current->value_set = true;
}

/* ---- sleeping ---- */

struct sleep {
    struct aw_wait wait;
    struct aw_timer timer;
};

static void sleep_over(struct aw_timer *timer)
{
    aw_wake(&aw_container_of(timer, struct sleep, timer)->wait, 0);
}

static bool sleep_cancel(struct aw_wait *w)
{
    struct sleep *s = aw_container_of(w, struct sleep, wait);
    aw_timer_cancel(&w->task->fut.loop->timers, &s->timer);
    aw_wake(w, -ECANCELED);
    return true;
}

static void sleep_describe(const struct aw_wait *w, aw_buf *out)
{
    const struct sleep *s = aw_container_of(w, const struct sleep, wait);
    aw_loop *l = w->task->fut.loop;
    if (s->timer.node.key == INT64_MAX)
        aw_buf_add(out, "for ever");
    else
        aw_buf_printf(out, "%.3f s left",
                      (double)(s->timer.node.key - aw_clock_now(&l->clock)) / 1e9);
}

static const struct aw_wait_kind sleep_kind = {
    .name = "aw_sleep", .cancel = sleep_cancel, .describe = sleep_describe};

int aw_sleep(double seconds)
{
    aw_loop *l = aw_self.loop;
    if (!l || !l->current)
        return aw_no_loop();
    if (isnan(seconds))
        return aw_fail(-EINVAL, "the duration is NaN");
    const void *caller = __builtin_return_address(0);
    if (seconds <= 0)
        return aw_yield(l, l->current, caller);
    struct sleep s = {.wait = {.kind = &sleep_kind, .caller = caller},
                      .timer = {.fire = sleep_over}};
    aw_timer_set(&l->timers, &s.timer, aw_deadline_in(l, seconds));
    return aw_suspend(l->current, &s.wait);
}

/* ---- looking around ---- */

aw_task *aw_current_task(void)
{
    aw_loop *l = aw_self.loop;
    return l && l->current ? &l->current->fut : NULL;
}

int aw_all_tasks_(const aw_all_tasks_opts *opts)
{
    aw_loop *l = opts->loop ? opts->loop : aw_self.loop;
    if (!l)
        return aw_no_loop();
    AW_TRY(aw_loop_check(l));
    size_t n = 0;
    aw_list_each(link, &l->tasks)
    {
        if (n < opts->max && opts->tasks)
            opts->tasks[n] = aw_ref(&aw_container_of(link, struct aw_tcb, all)->fut);
        n++;
    }
    return (int)n;
}

const char *aw_task_name(aw_task *f)
{
    if (!f || aw_future_check(f) < 0 || f->kind != AW_KIND_TASK)
        return "";
    struct aw_tcb *t = aw_tcb_of(f);
    if (!t->name) {
        char text[32];
        t->name = aw_text_new(aw_task_label(t, text, sizeof text));
    }
    return t->name ? t->name->s : "";
}

int aw_set_task_name(aw_task *f, const char *name)
{
    AW_TRY(aw_future_check(f));
    if (f->kind != AW_KIND_TASK)
        return aw_fail(AW_EMISUSE, "only a task has a name");
    if (!name || !*name)
        return aw_fail(-EINVAL, "the name is empty");
    struct aw_text *new = aw_text_new(name);
    if (!new)
        return aw_fail(-ENOMEM, NULL);
    aw_text_unref(aw_tcb_of(f)->name);
    aw_tcb_of(f)->name = new;
    return 0;
}
