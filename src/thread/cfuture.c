/*
 * cfuture.c - a result to come, for any thread.  The idea and the invariants stand in cfuture.h.
 *
 * Sleeping.  A thread that waits sets the WAITERS bit by a compare and swap on the state it has
 * seen and sleeps while the word is unchanged; every change of state keeps the bit, but for the
 * completing exchange, which takes it away and, if it was set, wakes all.  A sleeper that comes too
 * late finds the word changed and does not sleep.  All of this is on one word, so its modification
 * order decides: the bit is set before the exchange, which then sees it, or not at all.
 *
 * Memory order.  Outcome: plain fields, written between the claim and the exchange that releases
 * them, read after an acquiring load of a final state.  Callbacks: adding one releases, taking them
 * acquires, so run() sees what the adder wrote; and an adder that finds them taken must see the
 * outcome, so taking releases and its load acquires.  References: giving one up releases, giving
 * up the last acquires, so freeing comes after every use.
 *
 * The completing call touches the future after the exchange, when a waiter that it has woken may
 * give up the last handle: it holds a reference of its own for that time.
 */
#include <math.h>

#include "thread/cfuture.h"

/* In place of the callbacks: once they have been taken; while one of them is taken back. */
static struct aw_cf_callback taken_mark, busy_mark;

/* ---- life ---- */

void aw_cfuture_init(aw_cfuture *f, const struct aw_cfuture_kind *kind, aw_loop *loop)
{
    *f = (aw_cfuture){.kind = kind, .loop = loop, .fork_generation = aw_fork_generation()};
    atomic_init(&f->refs, 1);
    atomic_init(&f->state, AW_CF_PENDING);
}

static void free_plain(aw_cfuture *f)
{
    aw_mem_free(f);
}

static void report_lost(aw_cfuture *f)
{
    static const aw_task_opts nothing_known;
    aw_report_submitted(NULL, AW_REPORT_NEVER_RETRIEVED,
                        "a concurrent future failed and nobody looked at it", &nothing_known,
                        f->result, f->detail);
}

static const struct aw_cfuture_kind plain_kind = {.free = free_plain, .lost = report_lost};

aw_cfuture *aw_cfuture_new(void)
{
    aw_cfuture *f = aw_mem_alloc(sizeof *f);
    if (!f)
        return aw_fail_null(-ENOMEM, NULL);
    aw_cfuture_init(f, &plain_kind, NULL);
    return f;
}

aw_cfuture *aw_cfuture_ref(aw_cfuture *f)
{
    if (f)
        atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

/* Nobody else has it any more. */
static void drop_callbacks(aw_cfuture *f)
{
    struct aw_cf_callback *c = atomic_load_explicit(&f->callbacks, memory_order_relaxed);
    aw_assert(c != &busy_mark);
    for (struct aw_cf_callback *next; c && c != &taken_mark; c = next) {
        next = c->next;
        if (c->drop)
            c->drop(c);
    }
}

void aw_cfuture_unref(aw_cfuture *f)
{
    if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) > 1)
        return;
    drop_callbacks(f);
    if (aw_cf_state(f) == AW_CF_FAILED && f->kind->lost &&
        !atomic_load_explicit(&f->looked, memory_order_relaxed))
        f->kind->lost(f);
    aw_text_unref(f->detail);
    f->kind->free(f);
}

/* ---- completing ---- */

/* From pending (or running, when `most` says so) to the next state; false when it is past that, and
 * then it is not COMPLETING either. */
static bool advance(aw_cfuture *f, enum aw_cfuture_state most, enum aw_cfuture_state to)
{
    uint32_t seen = atomic_load_explicit(&f->state, memory_order_acquire);
    for (;;) {
        uint32_t state = seen & AW_CF_STATE;
        if (state == AW_CF_COMPLETING) {
            aw_thread_yield();
            seen = atomic_load_explicit(&f->state, memory_order_acquire);
        } else if (state > most) {
            return false;
        } else if (atomic_compare_exchange_weak_explicit(
                       &f->state, &seen, to | (seen & AW_CF_WAITERS), memory_order_acquire,
                       memory_order_acquire)) {
            return true;
        }
    }
}

/* The outcome has been written. */
static void publish(aw_cfuture *f, enum aw_cfuture_state state)
{
    if (atomic_exchange_explicit(&f->state, state, memory_order_acq_rel) & AW_CF_WAITERS)
        aw_futex_wake_all(&f->state);
}

bool aw_cfuture_settle(aw_cfuture *f, enum aw_cfuture_state state, int result, void *value,
                       struct aw_text *detail)
{
    if (!advance(f, AW_CF_RUNNING, AW_CF_COMPLETING)) {
        aw_text_unref(detail);
        return false;
    }
    f->result = result;
    f->value = value;
    f->detail = detail;
    publish(f, state);
    return true;
}

bool aw_cfuture_seal(aw_cfuture *f)
{
    struct aw_cf_callback *none = NULL;
    return atomic_compare_exchange_strong_explicit(&f->callbacks, &none, &taken_mark,
                                                   memory_order_release, memory_order_relaxed);
}

/* The list or `taken`; waits while somebody takes a callback back. */
static struct aw_cf_callback *callbacks_now(aw_cfuture *f)
{
    struct aw_cf_callback *c;
    while ((c = atomic_load_explicit(&f->callbacks, memory_order_acquire)) == &busy_mark)
        aw_thread_yield();
    return c;
}

/* Puts a mark in place of the list: its newest one, or `taken` when that is there already. */
static struct aw_cf_callback *take_callbacks(aw_cfuture *f, struct aw_cf_callback *mark)
{
    struct aw_cf_callback *newest;
    do {
        newest = callbacks_now(f);
        if (newest == &taken_mark)
            break;
    } while (!atomic_compare_exchange_weak_explicit(&f->callbacks, &newest, mark,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return newest;
}

void aw_cfuture_run_callbacks(aw_cfuture *f)
{
    struct aw_cf_callback *newest = take_callbacks(f, &taken_mark), *oldest = NULL;
    if (newest == &taken_mark)
        return;
    for (struct aw_cf_callback *next; newest; newest = next) {
        next = newest->next;
        newest->next = oldest;
        oldest = newest;
    }
    for (struct aw_cf_callback *next; oldest; oldest = next) {
        next = oldest->next;
        oldest->run(oldest, f);
    }
}

bool aw_cfuture_complete(aw_cfuture *f, enum aw_cfuture_state state, int result, void *value,
                         struct aw_text *detail)
{
    if (!aw_cfuture_settle(f, state, result, value, detail))
        return false;
    aw_cfuture_run_callbacks(f);
    return true;
}

bool aw_cfuture_begin(aw_cfuture *f)
{
    return advance(f, AW_CF_PENDING, AW_CF_RUNNING);
}

/* ---- latches ---- */

void aw_latch_open(struct aw_latch *latch)
{
    if (atomic_exchange_explicit(&latch->word, AW_LATCH_OPEN, memory_order_acq_rel) ==
        AW_LATCH_WAITERS)
        aw_futex_wake_all(&latch->word);
}

bool aw_latch_wait(struct aw_latch *latch, int64_t deadline)
{
    for (;;) {
        uint32_t seen = atomic_load_explicit(&latch->word, memory_order_acquire);
        if (seen == AW_LATCH_OPEN)
            return true;
        if (seen == AW_LATCH_SHUT &&
            !atomic_compare_exchange_weak_explicit(&latch->word, &seen, AW_LATCH_WAITERS,
                                                   memory_order_relaxed, memory_order_relaxed))
            continue;
        if (aw_futex_wait(&latch->word, AW_LATCH_WAITERS, deadline) == -ETIMEDOUT)
            return aw_latch_is_open(latch);
    }
}

/* ---- setting ---- */

/* The setters are for futures of aw_cfuture_new(): others have a producer. */
static int may_set(aw_cfuture *f)
{
    if (!f)
        return aw_null_handle();
    if (f->kind != &plain_kind)
        return aw_fail(AW_EMISUSE, "its own work decides what this future comes to");
    return 0;
}

int aw_cfuture_set_running(aw_cfuture *f)
{
    AW_TRY(may_set(f));
    return aw_cfuture_begin(f) ? 0 : aw_fail(AW_ESTATE, "the future is not pending");
}

/* The one who waits may give up its handle before this is over, and there may be no other. */
static int set(aw_cfuture *f, enum aw_cfuture_state state, int result, void *value,
               struct aw_text *detail)
{
    aw_cfuture_ref(f);
    bool first = aw_cfuture_complete(f, state, result, value, detail);
    aw_cfuture_unref(f);
    return first ? 0 : aw_fail(AW_ESTATE, "the future is done already");
}

int aw_cfuture_set_result(aw_cfuture *f, int result, void *value)
{
    AW_TRY(may_set(f));
    if (result < 0)
        return aw_fail(-EINVAL, "a result is >= 0; aw_cfuture_set_error() sets errors");
    return set(f, AW_CF_FINISHED, result, value, NULL);
}

int aw_cfuture_set_error(aw_cfuture *f, int code, const char *msg)
{
    AW_TRY(may_set(f));
    if (code >= 0)
        return aw_fail(-EINVAL, "an error code is < 0");
    return set(f, AW_CF_FAILED, code, NULL, aw_text_new(msg));
}

bool aw_cfuture_cancel(aw_cfuture *f)
{
    if (!f)
        return false;
    if (aw_cf_is_forked(f) || !advance(f, AW_CF_PENDING, AW_CF_COMPLETING))
        return aw_cf_state(f) == AW_CF_CANCELLED;
    aw_cfuture_ref(f); /* as above */
    f->result = -ECANCELED;
    publish(f, AW_CF_CANCELLED);
    if (f->kind->cancelled)
        f->kind->cancelled(f);
    aw_cfuture_run_callbacks(f);
    aw_cfuture_unref(f);
    return true;
}

/* ---- asking ---- */

bool aw_cfuture_done(aw_cfuture *f)
{
    return f && aw_cf_state(f) > AW_CF_COMPLETING;
}

bool aw_cfuture_running(aw_cfuture *f)
{
    return f && aw_cf_state(f) == AW_CF_RUNNING;
}

bool aw_cfuture_cancelled(aw_cfuture *f)
{
    return f && aw_cf_state(f) == AW_CF_CANCELLED;
}

void *aw_cfuture_value(aw_cfuture *f)
{
    return f && aw_cf_state(f) == AW_CF_FINISHED ? f->value : NULL;
}

static int outcome(aw_cfuture *f)
{
    aw_cf_look(f);
    return f->result < 0 ? aw_fail_text(f->result, f->detail) : f->result;
}

/* ---- waiting ---- */

int64_t aw_cf_deadline_in(double seconds)
{
    int64_t ns = aw_ns_from_seconds(seconds);
    if (ns == INT64_MAX)
        return ns;
    int64_t now = aw_clock_real();
    return ns > INT64_MAX - now ? INT64_MAX : now + ns;
}

static bool is_done(void *f)
{
    return aw_cf_state(f) > AW_CF_COMPLETING;
}

static bool is_over(void *f)
{
    return aw_latch_is_open(&((aw_cfuture *)f)->ended);
}

/* Where its loop spins, who waits for it does: true as soon as it is there. */
static bool comes_soon(aw_cfuture *f, bool (*there)(void *f), int64_t deadline)
{
    return f->kind->spin && aw_spin_until(f->kind->spin(f), there, f, deadline);
}

/* Sleep until it is done: 0 or -ETIMEDOUT. */
static int sleep_until_done(aw_cfuture *f, int64_t deadline)
{
    if (comes_soon(f, is_done, deadline))
        return 0;
    for (;;) {
        uint32_t seen = atomic_load_explicit(&f->state, memory_order_acquire);
        if ((seen & AW_CF_STATE) > AW_CF_COMPLETING)
            return 0;
        uint32_t with_bit = seen | AW_CF_WAITERS;
        if (seen != with_bit && !atomic_compare_exchange_weak(&f->state, &seen, with_bit))
            continue;
        if (aw_futex_wait(&f->state, with_bit, deadline) == -ETIMEDOUT && !aw_cfuture_done(f))
            return -ETIMEDOUT;
    }
}

int aw_cf_refuse_own_loop(const aw_cfuture *f)
{
    if (aw_cf_is_forked(f))
        return aw_fail(AW_EFORKED, "the work is that of the parent of this process");
    if (f->loop && f->loop == aw_self.loop)
        return aw_fail(-EDEADLK, "the loop's own thread cannot block for its work; await it");
    return 0;
}

int aw_cfuture_result(aw_cfuture *f, double timeout)
{
    if (!f)
        return aw_null_handle();
    if (isnan(timeout))
        return aw_fail(-EINVAL, "the time limit is NaN");
    if (!aw_cfuture_done(f)) {
        AW_TRY(aw_cf_refuse_own_loop(f));
        if (timeout <= 0 || sleep_until_done(f, aw_cf_deadline_in(timeout)) < 0)
            return aw_fail(-ETIMEDOUT, NULL);
    }
    return outcome(f);
}

/* Its work is over, and so it is done.  When the time is over the work is told to end. */
static bool join_work(aw_cfuture *f, int64_t deadline)
{
    if (comes_soon(f, is_over, deadline) || aw_latch_wait(&f->ended, deadline))
        return true;
    aw_ignore(aw_cfuture_cancel(f));
    aw_latch_wait(&f->ended, INT64_MAX);
    return false;
}

int aw_cfuture_join(aw_cfuture *f, double timeout)
{
    if (!f)
        return aw_null_handle();
    if (isnan(timeout))
        return aw_fail(-EINVAL, "the time limit is NaN");
    bool has_work = f->kind->has_work;
    if (!(has_work ? aw_latch_is_open(&f->ended) : aw_cfuture_done(f)))
        AW_TRY(aw_cf_refuse_own_loop(f));
    int64_t deadline = aw_cf_deadline_in(timeout);
    bool in_time = has_work ? join_work(f, deadline) : sleep_until_done(f, deadline) == 0;
    int err = aw_cfuture_done(f) ? outcome(f) : -ETIMEDOUT;
    if (!in_time && (err == -ECANCELED || err == -ETIMEDOUT))
        err = aw_fail(-ETIMEDOUT, NULL);
    aw_cfuture_unref(f);
    return err;
}

/* ---- callbacks ---- */

void aw_cfuture_watch(aw_cfuture *f, struct aw_cf_callback *callback)
{
    struct aw_cf_callback *first;
    do {
        first = callbacks_now(f);
        if (first == &taken_mark) {
            callback->run(callback, f);
            return;
        }
        callback->next = first;
    } while (!atomic_compare_exchange_weak_explicit(&f->callbacks, &first, callback,
                                                    memory_order_release, memory_order_relaxed));
    /* Settled meanwhile?  Then its callbacks have not been taken yet: this one is with them. */
}

bool aw_cfuture_unwatch(aw_cfuture *f, struct aw_cf_callback *callback)
{
    struct aw_cf_callback *list = take_callbacks(f, &busy_mark), **at = &list;
    if (list == &taken_mark)
        return false;
    while (*at && *at != callback)
        at = &(*at)->next;
    aw_assert(*at);
    *at = callback->next;
    atomic_store_explicit(&f->callbacks, list, memory_order_release);
    return true;
}

struct user_callback {
    struct aw_cf_callback base;
    aw_cfuture_callback *cb;
    void *arg;
};

static void run_user_callback(struct aw_cf_callback *base, aw_cfuture *f)
{
    struct user_callback *u = aw_container_of(base, struct user_callback, base);
    int err = u->cb(f, u->arg);
    if (err < 0)
        aw_report_outside(*(void **)&u->cb, "a callback of a concurrent future failed", err);
    aw_mem_free(u);
}

static void drop_user_callback(struct aw_cf_callback *base)
{
    aw_mem_free(aw_container_of(base, struct user_callback, base));
}

int aw_cfuture_add_done_callback(aw_cfuture *f, aw_cfuture_callback *cb, void *arg)
{
    if (!f)
        return aw_null_handle();
    if (!cb)
        return aw_fail(-EINVAL, "the callback is NULL");
    if (aw_cf_is_forked(f) && !aw_cfuture_done(f))
        return aw_fail(AW_EFORKED, "the work is that of the parent of this process");
    struct user_callback *u = aw_mem_alloc(sizeof *u);
    if (!u)
        return aw_fail(-ENOMEM, NULL);
    *u = (struct user_callback){
        .base = {.run = run_user_callback, .drop = drop_user_callback}, .cb = cb, .arg = arg};
    aw_cfuture_watch(f, &u->base);
    return 0;
}
