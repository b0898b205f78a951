/*
 * run.c - a run from its first pass to its last: run_until_complete, run_forever, aw_run.
 *
 * aw_run() leaves nothing behind.  When main is done, or nothing could wake it any more, every task
 * that is left is reported and cancelled, and the loop goes on until all of them have ended; tasks
 * that they start meanwhile are cancelled in the next round.  What even then waits for something
 * that cannot come is reported when the loop is closed.
 */
#include "core/core.h"

#define MAIN_STACK ((size_t)256 << 10)

/* A run ends one pass after its future is done. */
struct stopper {
    struct aw_watch watch;
    aw_loop *loop;
};

static void stop_after_next_pass(struct aw_watch *w, aw_future *f)
{
    (void)f;
    aw_loop *l = aw_container_of(w, struct stopper, watch)->loop;
    if (!l->stop)
        l->stop = AW_STOP_NEXT_PASS;
}

static const struct aw_watch_kind stopper_watch = {.fire = stop_after_next_pass};

int aw_loop_run_until_complete(aw_loop *l, aw_future *f)
{
    if (!l || !f)
        return aw_null_handle();
    AW_TRY(aw_future_check(f));
    if (f->loop != l)
        return aw_fail(AW_ETHREAD, "the future belongs to another loop");
    AW_TRY(aw_loop_enter(l));
    int err = 0;
    aw_ref(f);
    if (f->state == AW_PENDING) {
        struct stopper s = {.watch = {.kind = &stopper_watch}, .loop = l};
        aw_list_push_back(&f->watchers, &s.watch.link);
        err = aw_loop_passes(l);
        if (f->state == AW_PENDING)
            aw_list_remove(&s.watch.link);
    }
    aw_loop_leave(l);
    if (err >= 0 && f->state == AW_PENDING)
        err = aw_fail(AW_EMISUSE, "the loop was stopped before the future was done");
    else if (err >= 0)
        err = aw_future_outcome(f);
    aw_unref(f);
    return err;
}

int aw_loop_run_forever(aw_loop *l)
{
    AW_TRY(aw_loop_enter(l));
    int err = aw_loop_passes(l);
    aw_loop_leave(l);
    return err;
}

/* ---- the end of a run ---- */

/* Cancel the tasks that were created after `last`; returns the newest one's number.  `told`: a
 * report has named them already. */
static uint64_t cancel_tasks_after(aw_loop *l, uint64_t last, bool told)
{
    uint64_t newest = l->next_id, epoch = l->cancel_epoch;
    aw_list_each(link, &l->tasks) {
        struct aw_tcb *t = aw_container_of(link, struct aw_tcb, all);
        if (t->id <= last)
            continue;
        if (!told)
            aw_report_task(&t->fut, AW_REPORT_CANCELLED_AT_END,
                           "a task was cancelled by the end of the run");
        if (t->cancel_epoch <= epoch) /* not by way of somebody who awaits it */
            aw_cancel_request(&t->fut, NULL);
    }
    return newest;
}

/* Cancel every task and run, pass by pass, until none is left. */
static int drain(aw_loop *l, bool told)
{
    if (!l->n_tasks)
        return 0;
    AW_TRY(aw_loop_enter(l));
    l->one_pass = true;
    uint64_t last = 0;
    int err = 0;
    while (l->n_tasks && err >= 0) {
        if (l->next_id != last)
            last = cancel_tasks_after(l, last, told && !last);
        err = aw_loop_passes(l);
    }
    l->one_pass = false;
    aw_loop_leave(l);
    return err;
}

static aw_loop *loop_for(const aw_run_opts *opts)
{
    aw_loop *l = aw_loop_new(.debug = opts->debug, .virtual_clock = opts->virtual_clock,
                             .backend = opts->backend);
    if (!l)
        return NULL;
    l->detect_deadlock = true;
    l->handler = opts->exception_handler;
    l->handler_arg = opts->exception_arg;
    return l;
}

static int run_main(aw_loop *l, aw_fn *fn, const aw_run_opts *opts)
{
    aw_task *main = aw_create_task_default(
        fn, &(aw_task_opts){.file = opts->file,
                            .line = opts->line,
                            .fn_name = opts->fn_name,
                            .arg = opts->arg,
                            .name = opts->name ? opts->name : "main",
                            .stack_size = opts->stack_size ? opts->stack_size : MAIN_STACK,
                            .loop = l});
    if (!main)
        return aw_errno();
    int err = aw_loop_run_until_complete(l, main);
    bool deadlock = err == -EDEADLK && !aw_done(main);
    if (deadlock)
        aw_report_deadlock(l, main);
    aw_ignore(drain(l, deadlock));
    aw_unref(main);
    return err;
}

int aw_run_(aw_fn *fn, const aw_run_opts *opts)
{
    if (!fn)
        return aw_fail(-EINVAL, "the coroutine function is NULL");
    if (aw_self.loop)
        return aw_fail(AW_EMISUSE, "a loop is running in this thread");
    aw_loop *l = loop_for(opts);
    if (!l)
        return aw_errno();
    int err = run_main(l, fn, opts);
    aw_loop_free(l);
    return err;
}
