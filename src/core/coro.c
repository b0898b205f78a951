/*
 * coro.c - work described and not begun: AW_CORO, and coroutine objects.
 *
 * An object is a description with an identity, used once.  The ones that have not been used stand
 * on a list of the process, because one that is made outside any loop, and forgotten, has nobody
 * else who would notice: the end of the process does, and so does the closing of the loop in which
 * it was made.
 */
#include <string.h>

#include "core/core.h"

struct aw_coro {
    aw_list unused; /* on the list below until it is used */
    uint32_t refs;
    bool used;
    aw_fn *fn;
    aw_task_opts opts; /* its strings are the caller's; arg is the copy if there is one */
    void *release_arg; /* the caller's argument */
    aw_loop *loop;     /* running where it was made, or NULL: never followed, only compared */
    void *copy;        /* of the argument, or NULL */
};

/* Guarded by the process lock. */
static aw_list unused_list = {&unused_list, &unused_list};

static void lock_and_add(aw_coro *c)
{
    aw_process_lock();
    aw_list_push_back(&unused_list, &c->unused);
    aw_process_unlock();
}

static void lock_and_remove(aw_coro *c)
{
    aw_process_lock();
    aw_list_remove(&c->unused);
    aw_process_unlock();
}

/* The first unused object made in this loop, or, for NULL, any; off the list. */
static aw_coro *lock_and_take(aw_loop *l)
{
    aw_coro *found = NULL;
    aw_process_lock();
    aw_list_each(link, &unused_list)
    {
        aw_coro *c = aw_container_of(link, aw_coro, unused);
        if (l && c->loop != l)
            continue;
        aw_list_remove(link);
        found = c;
        break;
    }
    aw_process_unlock();
    return found;
}

/* Its work has ended, or never will begin. */
static void release_arg(aw_coro *c)
{
    void (*release)(void *) = c->opts.release;
    c->opts.release = NULL;
    if (release)
        release(c->release_arg);
}

static void report_unused(aw_coro *c, aw_loop *l)
{
    c->used = true;
    aw_report_unused_coro(l, c->opts.name, c->opts.fn_name, c->opts.file, c->opts.line);
    release_arg(c);
}

void aw_coro_report_unused(aw_loop *l)
{
    aw_coro *c;
    while ((c = lock_and_take(l)) != NULL)
        report_unused(c, l);
}

static void __attribute__((destructor)) report_at_exit(void)
{
    aw_coro_report_unused(NULL);
}

aw_coro *aw_coro_new_(aw_fn *fn, const aw_task_opts *opts)
{
    if (!fn)
        return aw_fail_null(-EINVAL, "the coroutine function is NULL");
    if (opts->copy && !opts->arg)
        return aw_fail_null(-EINVAL, ".copy of an argument that is NULL");
    aw_coro *c = aw_mem_zalloc(sizeof *c);
    void *copy = c && opts->copy ? aw_mem_alloc(opts->copy) : NULL;
    if (!c || (opts->copy && !copy)) {
        aw_mem_free(c);
        return aw_fail_null(-ENOMEM, NULL);
    }
    c->refs = 1;
    c->fn = fn;
    c->opts = *opts;
    c->release_arg = opts->arg;
    c->copy = copy;
    if (copy)
        c->opts.arg = memcpy(copy, opts->arg, opts->copy);
    c->loop = aw_self.loop;
    lock_and_add(c);
    return c;
}

void aw_coro_unref(aw_coro *c)
{
    if (!c || --c->refs)
        return;
    lock_and_remove(c);
    if (!c->used)
        report_unused(c, aw_self.loop == c->loop ? c->loop : NULL);
    aw_mem_free(c->copy);
    aw_mem_free(c);
}

/* ---- as work ---- */

aw_work aw_work_(aw_fn *fn, const aw_task_opts *opts)
{
    return (aw_work){.fn = fn, .opts = *opts, .state = AW_WORK_FN};
}

aw_work aw_work_use_(aw_coro *c)
{
    return (aw_work){.coro = c, .state = AW_WORK_CORO};
}

/* From here on the task, or aw_work_drop(), releases the argument. */
static int claim(aw_coro *c)
{
    if (!c)
        return aw_null_handle();
    if (c->used)
        return aw_fail(AW_EMISUSE, "the coroutine object was used before");
    lock_and_remove(c);
    c->used = true;
    return 0;
}

int aw_work_claim(const aw_work *w)
{
    if (w->state == AW_WORK_CORO)
        return claim(w->coro);
    if (!w->fn)
        return aw_fail(-EINVAL, "the coroutine function is NULL");
    return 0;
}

/* Start claimed work whose release is somebody else's business until the caller says otherwise. */
static aw_task *start_coro(aw_coro *c)
{
    aw_task_opts opts = c->opts;
    opts.release = NULL;
    aw_task *t = aw_create_task_(c->fn, &opts);
    if (!t)
        return NULL;
    if (t->kind == AW_KIND_TASK && t->state == AW_PENDING) {
        aw_tcb_of(t)->release = c->opts.release;
        aw_tcb_of(t)->release_arg = c->release_arg;
        c->opts.release = NULL;
    } else {
        release_arg(c); /* it ended in its eager step */
    }
    return t;
}

aw_task *aw_work_start(const aw_work *w)
{
    return w->state == AW_WORK_CORO ? start_coro(w->coro) : aw_create_task_(w->fn, &w->opts);
}

void aw_work_drop(const aw_work *w)
{
    if (w->state == AW_WORK_CORO)
        release_arg(w->coro);
    else if (w->opts.release)
        w->opts.release(w->opts.arg);
}

aw_task *aw_task_of(aw_coro *c)
{
    int err = claim(c);
    if (err < 0)
        return aw_null(err);
    aw_task *t = start_coro(c);
    if (!t)
        release_arg(c);
    return t;
}
