/*
 * run.c - a run from its first pass to its last: run_until_complete, run_forever, aw_run.
 *
 * aw_run() leaves nothing behind.  When main is done, or nothing could wake it any more, every task
 * that is left is reported and cancelled, and the loop goes on until all of them have ended; tasks
 * that they start meanwhile are cancelled in the next round.  What even then waits for something
 * that cannot come is reported when the loop is closed.
 */
#include <math.h>

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

/* Run an entered loop until `f` is done; its outcome, or why it is still pending. */
static int run_until(aw_loop *l, aw_future *f)
{
    int err = 0;
    if (f->state == AW_PENDING) {
        struct stopper s = {.watch = {.kind = &stopper_watch}, .loop = l};
        aw_list_push_back(&f->watchers, &s.watch.link);
        err = aw_loop_passes(l);
        if (f->state == AW_PENDING)
            aw_list_remove(&s.watch.link);
    }
    if (err < 0)
        return err;
    if (f->state == AW_PENDING)
        return aw_fail(AW_EMISUSE, "the loop was stopped before the future was done");
    return aw_future_outcome(f);
}

int aw_loop_run_until_complete(aw_loop *l, aw_future *f)
{
    if (!l || !f)
        return aw_null_handle();
    AW_TRY(aw_future_check(f));
    if (f->loop != l)
        return aw_fail(AW_ETHREAD, "the future belongs to another loop");
    AW_TRY(aw_loop_enter(l));
    aw_ref(f);
    int err = run_until(l, f);
    aw_loop_leave(l);
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
    aw_list_each(link, &l->tasks)
    {
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

/* Cancel every task of an entered loop and run, pass by pass, until none is left that could end. */
void aw_loop_drain(aw_loop *l, bool told)
{
    uint64_t last = 0;
    int err = 0;
    if (l->n_tasks == l->n_given_up)
        return;
    l->one_pass = l->draining = true;
    aw_hard_begin(l);
    while (l->n_tasks > l->n_given_up && err >= 0) {
        if (l->next_id != last)
            last = cancel_tasks_after(l, last, told && !last);
        err = aw_loop_passes(l);
    }
    aw_hard_end(l);
    l->one_pass = l->draining = false;
}

/* ---- aw_run ---- */

static aw_loop *loop_for(const aw_run_opts *opts)
{
    aw_loop *l;
    if (opts->loop_factory)
        l = opts->loop_factory(opts->loop_factory_arg);
    else
        l = aw_loop_new(.debug = opts->debug, .virtual_clock = opts->virtual_clock,
                        .backend = opts->backend, .seed = opts->seed, .shuffle = opts->shuffle,
                        .spin = opts->spin, .submit_limit = opts->submit_limit);
    if (!l)
        return NULL;
    l->detect_deadlock = !opts->loop_factory;
    l->hard_after = opts->hard;
    if (opts->exception_handler) {
        l->handler = opts->exception_handler;
        l->handler_arg = opts->exception_arg;
    }
    return l;
}

static aw_task *main_task(aw_loop *l, aw_fn *fn, const aw_run_opts *opts)
{
    return aw_create_task_default(
        fn, &(aw_task_opts){.file = opts->file,
                            .line = opts->line,
                            .fn_name = opts->fn_name,
                            .arg = opts->arg,
                            .name = opts->name ? opts->name : "main",
                            .stack_size = opts->stack_size ? opts->stack_size : MAIN_STACK,
                            .loop = l});
}

/* What the run of `main` came to, in view of a stop. */
static int outcome(aw_loop *l, aw_task *main, int err)
{
    if (aw_tcb_of(main)->given_up)
        return aw_fail(-ETIMEDOUT, "main would not stop");
    if (l->stop_asked && aw_cancelled(main))
        return 0;
    return err;
}

static int run_main(aw_loop *l, aw_fn *fn, const aw_run_opts *opts)
{
    AW_TRY(aw_stop_on(l, opts->stop_on, opts->grace));
    aw_task *main = main_task(l, fn, opts);
    int err = main ? outcome(l, main, run_until(l, main)) : aw_errno();
    bool deadlock = err == -EDEADLK && main && !aw_done(main);
    if (deadlock)
        aw_report_deadlock(l, main);
    aw_loop_drain(l, deadlock);
    aw_stop_off(l);
    aw_unref(main);
    return err;
}

static int refuse_options(const aw_run_opts *opts)
{
    if (isnan(opts->grace) || isnan(opts->hard) || opts->grace < 0 || opts->hard < 0)
        return aw_fail(-EINVAL, ".grace or .hard is negative or NaN");
    if (opts->stop_on & ~(unsigned)AW_SIGINT_SIGTERM)
        return aw_fail(-EINVAL, ".stop_on takes AW_SIGINT and AW_SIGTERM");
    return 0;
}

int aw_run_(aw_fn *fn, const aw_run_opts *opts)
{
    if (!fn)
        return aw_fail(-EINVAL, "the coroutine function is NULL");
    if (aw_self.loop)
        return aw_fail(AW_EMISUSE, "a loop is running in this thread");
    AW_TRY(refuse_options(opts));
    aw_loop *l = loop_for(opts);
    if (!l)
        return aw_null_handle();
    int err = aw_loop_enter(l);
    if (err >= 0) {
        err = run_main(l, fn, opts);
        aw_loop_leave(l);
    }
    aw_loop_free(l);
    return err;
}

/* ---- runners ---- */

struct aw_runner {
    aw_loop *loop; /* NULL until it is needed */
    bool running, closed;
    aw_runner_opts opts;
    aw_context *context; /* what one run leaves to the next */
    aw_task *main;       /* of the present run */
    unsigned interrupts; /* SIGINTs during it */
};

aw_runner *aw_runner_new_(const aw_runner_opts *opts)
{
    if (isnan(opts->hard) || opts->hard < 0)
        return aw_fail_null(-EINVAL, ".hard is negative or NaN");
    aw_runner *r = aw_mem_zalloc(sizeof *r);
    if (!r)
        return aw_fail_null(-ENOMEM, NULL);
    r->opts = *opts;
    return r;
}

aw_loop *aw_runner_loop(aw_runner *r)
{
    if (!r)
        return aw_null(aw_null_handle());
    if (r->closed)
        return aw_fail_null(AW_EMISUSE, "the runner is closed");
    if (r->loop)
        return r->loop;
    const aw_runner_opts *o = &r->opts;
    r->loop = loop_for(&(aw_run_opts){.debug = o->debug,
                                      .virtual_clock = o->virtual_clock,
                                      .backend = o->backend,
                                      .seed = o->seed,
                                      .shuffle = o->shuffle,
                                      .spin = o->spin,
                                      .submit_limit = o->submit_limit,
                                      .hard = o->hard,
                                      .loop_factory = o->loop_factory,
                                      .loop_factory_arg = o->loop_factory_arg,
                                      .exception_handler = o->exception_handler,
                                      .exception_arg = o->exception_arg});
    if (r->loop)
        r->loop->detect_deadlock = false; /* others have its pointer */
    return r->loop;
}

static void interrupted(aw_loop *l, int signo, void *arg)
{
    (void)signo;
    aw_runner *r = arg;
    if (r->interrupts++)
        l->stop = AW_STOP_THIS_PASS;
    else
        aw_cancel_request(r->main, NULL);
}

/* SIGINT is taken where that is nobody else's business, and left alone elsewhere. */
static void take_sigint(aw_runner *r)
{
    r->interrupts = 0;
    if (!r->opts.no_sigint && aw_is_main_thread() && aw_signal_is_default_sigint())
        aw_ignore(aw_loop_take_signals(r->loop, AW_SIGINT, true, interrupted, r));
}

static int runner_outcome(aw_runner *r, int err)
{
    if (!aw_done(r->main))
        return r->interrupts > 1 ? aw_fail(AW_EINTR, "interrupted twice") : err;
    if (r->interrupts && err == -ECANCELED && aw_uncancel(r->main) == 0)
        return aw_fail(AW_EINTR, "interrupted");
    return err;
}

/* The values that main ended with are the next run's. */
static void keep_context(aw_runner *r)
{
    aw_context_unref(r->context);
    r->context = aw_context_ref(aw_tcb_of(r->main)->context);
}

/* A run on the entered loop. */
static int runner_main(aw_runner *r, aw_fn *fn, const aw_task_opts *opts)
{
    aw_task_opts mine = *opts;
    mine.loop = r->loop;
    mine.eager = false;
    mine.name = opts->name ? opts->name : "main";
    mine.stack_size = opts->stack_size ? opts->stack_size : MAIN_STACK;
    mine.context = opts->context ? opts->context : r->context;
    r->main = aw_create_task_default(fn, &mine);
    if (!r->main)
        return aw_errno();
    take_sigint(r);
    int err = runner_outcome(r, run_until(r->loop, r->main));
    aw_loop_give_signals_back(r->loop);
    if (!opts->context)
        keep_context(r);
    aw_unref(r->main);
    r->main = NULL;
    return err;
}

int aw_runner_run_(aw_runner *r, aw_fn *fn, const aw_task_opts *opts)
{
    if (aw_self.loop)
        return aw_fail(AW_EMISUSE, "a loop is running in this thread");
    aw_loop *l = aw_runner_loop(r);
    if (!l)
        return aw_null_handle();
    AW_TRY(aw_loop_enter(l));
    r->running = true;
    int err = runner_main(r, fn, opts);
    r->running = false;
    aw_loop_leave(l);
    return err;
}

int aw_runner_close(aw_runner *r)
{
    if (!r || r->closed)
        return 0;
    if (r->running || aw_self.loop)
        return aw_fail(AW_EMISUSE, "a run is going on");
    r->closed = true;
    int err = r->loop ? aw_loop_enter(r->loop) : 0;
    if (r->loop && err >= 0) {
        aw_loop_drain(r->loop, false);
        aw_loop_leave(r->loop);
    }
    aw_ignore(aw_loop_close(r->loop));
    return err;
}

void aw_runner_free(aw_runner *r)
{
    if (!r || r->running)
        return;
    aw_ignore(aw_runner_close(r));
    aw_loop_free(r->loop);
    aw_context_unref(r->context);
    aw_mem_free(r);
}
