/*
 * signals.c - signals of the process on a loop: noticed anywhere, answered in the loop's thread.
 *
 * A handler may do nearly nothing: it sets a bit of the signal and the loop's `attention` flag, and
 * wakes the poll.  The loop clears the flag before it takes the bits, and the handler sets them in
 * the other order; so a bit that the loop misses leaves the flag set for the next pass.  A handler
 * that finds its bit set has nothing more to do: who set it wakes the loop after that, and the loop
 * has yet to take it.
 *
 * A signal is taken from the process while somebody on the loop wants it: the run itself, to be
 * stopped by it (stop.c, run.c), or subscribers, of which callbacks are one kind.  What the run was
 * asked to take for stopping is refused to subscribers; a runner's SIGINT, which nobody asked for,
 * is theirs as long as there are any.
 */
#include <stdio.h>

#include "core/core.h"

#define UNSEEN_MAX 3 /* stops that the loop did not react to before the process ends */
#define SIGNAL_MAX 64

/* ---- in signal context ---- */

static void note_signal(int signo, void *arg)
{
    aw_loop *l = arg;
    uint64_t bit = AW_SIGNAL_BIT(signo);
    if ((atomic_load(&l->signals_stop) & bit) &&
        atomic_fetch_add(&l->signals_unseen, 1) >= UNSEEN_MAX)
        aw_signal_die(signo); /* the loop is stuck, and somebody wants out */
    if (atomic_fetch_or(&l->signals, bit) & bit)
        return;
    atomic_store(&l->attention, true);
    if (l->io) /* before the first pass there is nothing to wake */
        aw_inbox_wake(l);
}

/* ---- whose they are ---- */

static uint64_t subscribed(const aw_loop *l)
{
    uint64_t set = 0;
    aw_list_each(link, &l->signal_subs) set |=
        aw_container_of(link, struct aw_signal_sub, link)->set;
    return set;
}

static void give_back(aw_loop *l, uint64_t set)
{
    for (int signo = 1; signo <= SIGNAL_MAX; signo++)
        if (set & AW_SIGNAL_BIT(signo))
            aw_signal_give_back(signo);
    l->signals_taken &= ~set;
}

/* Take what is wanted and not ours yet: all of it, or nothing. */
static int take(aw_loop *l, uint64_t wanted)
{
    uint64_t taken = 0;
    wanted &= ~l->signals_taken;
    for (int signo = 1; signo <= SIGNAL_MAX; signo++) {
        if (!(wanted & AW_SIGNAL_BIT(signo)))
            continue;
        int err = aw_signal_take(signo, note_signal, l);
        if (err < 0) {
            give_back(l, taken);
            return aw_fail(err, err == -EBUSY ? "another loop has taken this signal"
                                              : "the signal cannot be handled here");
        }
        taken |= AW_SIGNAL_BIT(signo);
        l->signals_taken |= AW_SIGNAL_BIT(signo);
    }
    return 0;
}

/* After any change: what nobody wants any more goes, with what came of it. */
static void settle(aw_loop *l)
{
    uint64_t theirs = subscribed(l), unwanted = l->signals_taken & ~(theirs | l->stop_set);
    atomic_store(&l->signals_stop, l->stop_set & ~theirs);
    if (!unwanted)
        return;
    give_back(l, unwanted);
    atomic_fetch_and(&l->signals, ~unwanted);
}

/* ---- on the loop ---- */

static void tell(aw_loop *l, int signo)
{
    bool told = false;
    aw_list_each_safe(link, &l->signal_subs)
    {
        struct aw_signal_sub *sub = aw_container_of(link, struct aw_signal_sub, link);
        if (!(sub->set & AW_SIGNAL_BIT(signo)))
            continue;
        told = true;
        sub->arrived(sub, signo);
    }
    if (!told && (l->stop_set & AW_SIGNAL_BIT(signo)))
        l->on_signal(l, signo, l->on_signal_arg);
}

void aw_loop_attend(aw_loop *l)
{
    atomic_store(&l->attention, false);
    uint64_t bits = atomic_exchange(&l->signals, 0);
    atomic_store(&l->signals_unseen, 0);
    for (int signo = 1; bits; signo++, bits >>= 1)
        if (bits & 1)
            tell(l, signo);
}

/* ---- the run's own ---- */

int aw_loop_take_signals(aw_loop *l, unsigned set, bool yielding, aw_loop_signal *fn, void *arg)
{
    uint64_t wanted = (set & AW_SIGINT ? AW_SIGNAL_BIT(SIGINT) : 0) |
                      (set & AW_SIGTERM ? AW_SIGNAL_BIT(SIGTERM) : 0);
    if (wanted & subscribed(l))
        return aw_fail(-EBUSY, "a handler of the loop's has this signal");
    AW_TRY(take(l, wanted));
    l->on_signal = fn;
    l->on_signal_arg = arg;
    l->stop_set = wanted;
    l->stop_yields = yielding;
    settle(l);
    return 0;
}

void aw_loop_give_signals_back(aw_loop *l)
{
    l->stop_set = 0;
    settle(l);
}

/* ---- subscribers ---- */

static int refuse(int code, int signo, const char *why)
{
    char text[64];
    snprintf(text, sizeof text, "signal %d %s", signo, why);
    return aw_raise(code, text);
}

static int check_number(int signo)
{
    if (signo < 1 || signo > SIGNAL_MAX)
        return refuse(-EINVAL, signo, "does not exist");
    return 0;
}

/* Those of a set: by the kernel, or because the code at fault would run again. */
static uint64_t cannot_be_caught(uint64_t set)
{
    return set & (AW_SIGNAL_BIT(SIGKILL) | AW_SIGNAL_BIT(SIGSTOP) | AW_SIGNAL_BIT(SIGSEGV) |
                  AW_SIGNAL_BIT(SIGBUS) | AW_SIGNAL_BIT(SIGFPE) | AW_SIGNAL_BIT(SIGILL));
}

int aw_signal_subscribe(aw_loop *l, struct aw_signal_sub *sub)
{
    if (!sub->set)
        return aw_fail(-EINVAL, "the set of signals is empty");
    uint64_t lost = cannot_be_caught(sub->set);
    if (lost)
        return refuse(AW_EMISUSE, __builtin_ctzll(lost) + 1, "cannot be caught");
    if (!aw_is_main_thread())
        return aw_fail(AW_EMISUSE, "signals are for the main thread");
    if (!l->stop_yields && (sub->set & l->stop_set))
        return aw_fail(-EBUSY, "the run's .stop_on has this signal");
    AW_TRY(take(l, sub->set));
    sub->loop = l;
    aw_list_push_back(&l->signal_subs, &sub->link);
    settle(l);
    return 0;
}

bool aw_signal_is_coming(const struct aw_signal_sub *sub)
{
    return atomic_load(&sub->loop->signals) & sub->set;
}

void aw_signal_come_again(aw_loop *l, uint64_t set)
{
    set &= ~l->signals_taken;
    for (int signo = 1; signo <= SIGNAL_MAX; signo++)
        if (set & AW_SIGNAL_BIT(signo))
            aw_signal_raise(signo);
}

uint64_t aw_signal_unsubscribe(struct aw_signal_sub *sub)
{
    aw_loop *l = sub->loop;
    uint64_t untold = atomic_load(&l->signals) & sub->set;
    aw_list_remove(&sub->link);
    settle(l);
    return untold;
}

/* ---- callbacks ---- */

struct aw_signal_watch {
    struct aw_signal_sub sub; /* subscribed until it is removed */
    struct aw_ready ready;
    aw_list link; /* on loop->signal_watches, until it is removed */
    bool queued;  /* on the ready queue, or its callback is running */
    bool removed; /* let go of when it is not queued */
    aw_handle *call;
};

static void free_watch(struct aw_signal_watch *w)
{
    aw_handle_unref(w->call);
    aw_mem_free(w);
}

static void signal_arrived(struct aw_signal_sub *sub, int signo)
{
    (void)signo;
    struct aw_signal_watch *w = aw_container_of(sub, struct aw_signal_watch, sub);
    if (w->queued)
        return;
    w->queued = true;
    aw_ready_push(sub->loop, &w->ready);
}

static void run_watch(struct aw_ready *item)
{
    struct aw_signal_watch *w = aw_container_of(item, struct aw_signal_watch, ready);
    bool callable = !w->removed && !w->sub.loop->closed;
    w->queued = false; /* before: the signal may come again meanwhile, and is then called again */
    aw_handle *call = w->call;
    call->refs++;
    if (callable)
        aw_handle_call(call); /* may remove itself: then `w` is gone */
    else if (w->removed)
        free_watch(w);
    aw_handle_unref(call);
}

static void remove_watch(struct aw_signal_watch *w)
{
    aw_ignore((int)(aw_signal_unsubscribe(&w->sub) != 0));
    aw_list_remove(&w->link);
    w->sub.loop->outside--;
    w->call->signal = NULL;
    w->removed = true;
    if (!w->queued)
        free_watch(w);
}

void aw_signal_watch_cancel(struct aw_signal_watch *w)
{
    remove_watch(w);
}

static struct aw_signal_watch *watch_of(aw_loop *l, int signo)
{
    aw_list_each(link, &l->signal_watches)
    {
        struct aw_signal_watch *w = aw_container_of(link, struct aw_signal_watch, link);
        if (w->sub.set == AW_SIGNAL_BIT(signo))
            return w;
    }
    return NULL;
}

static int new_watch(int signo, aw_callback *cb, const aw_call_opts *opts,
                     struct aw_signal_watch **ret)
{
    struct aw_signal_watch *w = aw_mem_zalloc(sizeof *w);
    if (!w)
        return aw_fail(-ENOMEM, NULL);
    int err = aw_handle_new(cb, opts, &w->call);
    if (err < 0) {
        aw_mem_free(w);
        return err;
    }
    w->sub.set = AW_SIGNAL_BIT(signo);
    w->sub.arrived = signal_arrived;
    w->ready.run = run_watch;
    *ret = w;
    return 0;
}

/* It was never heard of: the user's reference goes too. */
static void drop_new_watch(struct aw_signal_watch *w, const aw_call_opts *opts)
{
    if (opts->handle) {
        *opts->handle = NULL;
        aw_handle_unref(w->call);
    }
    free_watch(w);
}

int aw_add_signal_handler_(int signo, aw_callback *cb, const aw_call_opts *opts)
{
    struct aw_signal_watch *w = NULL, *before;
    aw_loop *l = opts->loop ? opts->loop : aw_self.loop;
    if (!l)
        return aw_no_loop();
    AW_TRY(check_number(signo));
    AW_TRY(new_watch(signo, cb, opts, &w));
    before = watch_of(l, signo);
    int err = aw_signal_subscribe(l, &w->sub);
    if (err < 0) {
        drop_new_watch(w, opts);
        return err;
    }
    l->outside++;
    w->call->signal = w;
    aw_list_push_back(&l->signal_watches, &w->link);
    if (before)
        remove_watch(before);
    return 0;
}

int aw_remove_signal_handler(aw_loop *l, int signo)
{
    AW_TRY(check_number(signo));
    l = l ? l : aw_self.loop;
    if (!l)
        return aw_no_loop();
    AW_TRY(aw_loop_check(l));
    struct aw_signal_watch *w = l->closed ? NULL : watch_of(l, signo);
    if (w)
        remove_watch(w);
    return w != NULL;
}

void aw_signals_close(aw_loop *l)
{
    aw_list *link;
    while ((link = l->signal_watches.next) != &l->signal_watches)
        remove_watch(aw_container_of(link, struct aw_signal_watch, link));
    aw_assert(aw_list_empty(&l->signal_subs) && !l->signals_taken);
}
