/*
 * cfuture.c - a result to come, for any thread.  The idea and the invariants stand in cfuture.h.
 *
 * Sleeping.  A thread that waits sets the WAITERS bit by a compare and swap on the state it has
 * seen and sleeps while the word is unchanged; the completing exchange takes the bit away and, if
 * it was set, wakes all.  A sleeper that comes too late finds the word changed and does not sleep.
 */
#include <math.h>
#include <string.h>

#include "thread/cfuture.h"

static struct aw_cf_callback taken_mark; /* in place of the callbacks once they have been taken */

/* ---- life ---- */

void aw_cfuture_init(aw_cfuture *f, const struct aw_cfuture_kind *kind, aw_loop *loop)
{
    *f = (aw_cfuture){.kind = kind, .loop = loop};
    atomic_init(&f->refs, 1);
    atomic_init(&f->state, AW_CF_PENDING);
}

static void free_plain(aw_cfuture *f)
{
    aw_mem_free(f);
}

static const struct aw_cfuture_kind plain_kind = {.free = free_plain};

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

void aw_cfuture_unref(aw_cfuture *f)
{
    if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) > 1)
        return;
    aw_text_unref(f->detail);
    f->kind->free(f);
}

/* ---- completing ---- */

static bool claim(aw_cfuture *f)
{
    uint32_t seen = atomic_load_explicit(&f->state, memory_order_relaxed);
    while ((seen & AW_CF_STATE) < AW_CF_COMPLETING)
        if (atomic_compare_exchange_weak_explicit(&f->state, &seen,
                                                  AW_CF_COMPLETING | (seen & AW_CF_WAITERS),
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    return false;
}

bool aw_cfuture_settle(aw_cfuture *f, enum aw_cfuture_state state, int result, void *value,
                       struct aw_text *detail)
{
    if (!claim(f)) {
        aw_text_unref(detail);
        return false;
    }
    f->result = result;
    f->value = value;
    f->detail = detail;
    uint32_t before = atomic_exchange(&f->state, state);
    if (before & AW_CF_WAITERS)
        aw_futex_wake_all(&f->state);
    return true;
}

bool aw_cfuture_seal(aw_cfuture *f)
{
    struct aw_cf_callback *none = NULL;
    return atomic_compare_exchange_strong(&f->callbacks, &none, &taken_mark);
}

void aw_cfuture_run_callbacks(aw_cfuture *f)
{
    struct aw_cf_callback *newest = atomic_exchange(&f->callbacks, &taken_mark), *oldest = NULL;
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

void aw_cfuture_end(aw_cfuture *f)
{
    if (atomic_exchange(&f->ended, 1) != 1)
        aw_futex_wake_all(&f->ended);
}

int aw_cfuture_set_running(aw_cfuture *f)
{
    if (!f)
        return aw_null_handle();
    uint32_t seen = atomic_load(&f->state);
    while ((seen & AW_CF_STATE) == AW_CF_PENDING)
        if (atomic_compare_exchange_weak(&f->state, &seen, AW_CF_RUNNING | (seen & AW_CF_WAITERS)))
            return 0;
    return aw_fail(AW_ESTATE, "the future is not pending");
}

/* The setters are for futures of aw_cfuture_new(): others have a producer. */
static int may_set(aw_cfuture *f)
{
    if (!f)
        return aw_null_handle();
    if (f->kind != &plain_kind)
        return aw_fail(AW_EMISUSE, "its own work decides what this future comes to");
    return 0;
}

int aw_cfuture_set_result(aw_cfuture *f, int result, void *value)
{
    AW_TRY(may_set(f));
    if (result < 0)
        return aw_fail(-EINVAL, "a result is >= 0; aw_cfuture_set_error() sets errors");
    return aw_cfuture_complete(f, AW_CF_FINISHED, result, value, NULL)
               ? 0
               : aw_fail(AW_ESTATE, "the future is done already");
}

int aw_cfuture_set_error(aw_cfuture *f, int code, const char *msg)
{
    AW_TRY(may_set(f));
    if (code >= 0)
        return aw_fail(-EINVAL, "an error code is < 0");
    return aw_cfuture_complete(f, AW_CF_FAILED, code, NULL, aw_text_new(msg))
               ? 0
               : aw_fail(AW_ESTATE, "the future is done already");
}

bool aw_cfuture_cancel(aw_cfuture *f)
{
    if (!f)
        return false;
    uint32_t seen = atomic_load(&f->state);
    for (;;) {
        uint32_t state = seen & AW_CF_STATE;
        if (state != AW_CF_PENDING)
            return state == AW_CF_CANCELLED;
        if (atomic_compare_exchange_weak(&f->state, &seen,
                                         AW_CF_COMPLETING | (seen & AW_CF_WAITERS)))
            break;
    }
    f->result = -ECANCELED;
    if (atomic_exchange(&f->state, AW_CF_CANCELLED) & AW_CF_WAITERS)
        aw_futex_wake_all(&f->state);
    if (f->kind->cancelled)
        f->kind->cancelled(f);
    aw_cfuture_run_callbacks(f);
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
    return f->result < 0 ? aw_fail_text(f->result, f->detail) : f->result;
}

/* ---- waiting ---- */

static int64_t deadline_in(double seconds)
{
    int64_t ns = aw_ns_from_seconds(seconds), now = aw_clock_real();
    return ns > INT64_MAX - now ? INT64_MAX : now + ns;
}

/* Sleep until it is done: 0 or -ETIMEDOUT. */
static int sleep_until_done(aw_cfuture *f, int64_t deadline)
{
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

/* Would waiting here wait for this very thread? */
static int refuse_own_loop(const aw_cfuture *f)
{
    if (f->loop && f->loop->fork_generation != aw_fork_generation())
        return aw_fail(AW_EFORKED, "the loop belongs to the parent of this process");
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
        AW_TRY(refuse_own_loop(f));
        if (timeout <= 0 || sleep_until_done(f, deadline_in(timeout)) < 0)
            return aw_fail(-ETIMEDOUT, NULL);
    }
    return outcome(f);
}

static bool sleep_until_ended(aw_cfuture *f, int64_t deadline)
{
    while (!atomic_load_explicit(&f->ended, memory_order_acquire))
        if (aw_futex_wait(&f->ended, 0, deadline) == -ETIMEDOUT)
            return atomic_load_explicit(&f->ended, memory_order_acquire);
    return true;
}

int aw_cfuture_join(aw_cfuture *f, double timeout)
{
    if (!f)
        return aw_null_handle();
    if (isnan(timeout))
        return aw_fail(-EINVAL, "the time limit is NaN");
    bool over = f->kind->has_work ? atomic_load(&f->ended) : aw_cfuture_done(f);
    if (!over)
        AW_TRY(refuse_own_loop(f));
    int64_t deadline = deadline_in(timeout);
    bool late = sleep_until_done(f, deadline) < 0;
    if (!late && f->kind->has_work)
        late = !sleep_until_ended(f, deadline);
    if (late && f->kind->has_work) {
        aw_ignore(aw_cfuture_cancel(f));
        sleep_until_ended(f, INT64_MAX);
    }
    int err = aw_cfuture_done(f) ? outcome(f) : aw_fail(-ETIMEDOUT, NULL);
    if (late && err == -ECANCELED)
        err = aw_fail(-ETIMEDOUT, NULL);
    aw_cfuture_unref(f);
    return err;
}

/* ---- callbacks ---- */

void aw_cfuture_watch(aw_cfuture *f, struct aw_cf_callback *callback)
{
    struct aw_cf_callback *first = atomic_load(&f->callbacks);
    do {
        if (first == &taken_mark) {
            callback->run(callback, f);
            return;
        }
        callback->next = first;
    } while (!atomic_compare_exchange_weak(&f->callbacks, &first, callback));
    /* Completed between its settling and its callbacks' taking: whoever completes takes this too.
     */
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

int aw_cfuture_add_done_callback(aw_cfuture *f, aw_cfuture_callback *cb, void *arg)
{
    if (!f)
        return aw_null_handle();
    if (!cb)
        return aw_fail(-EINVAL, "the callback is NULL");
    struct user_callback *u = aw_mem_alloc(sizeof *u);
    if (!u)
        return aw_fail(-ENOMEM, NULL);
    *u = (struct user_callback){.base = {.run = run_user_callback}, .cb = cb, .arg = arg};
    aw_cfuture_watch(f, &u->base);
    return 0;
}

/* ---- several ---- */

/* What the thread sleeps on, shared with the callbacks, which may outlive the wait. */
struct gong {
    _Atomic uint32_t refs;
    _Atomic uint32_t strokes;
    struct stroke {
        struct aw_cf_callback base;
        struct gong *gong;
    } each[];
};

static void drop_gong(struct gong *g, uint32_t n)
{
    if (atomic_fetch_sub(&g->refs, n) == n)
        aw_mem_free(g);
}

static void strike(struct aw_cf_callback *base, aw_cfuture *f)
{
    (void)f;
    struct gong *g = aw_container_of(base, struct stroke, base)->gong;
    atomic_fetch_add(&g->strokes, 1);
    aw_futex_wake_all(&g->strokes);
    drop_gong(g, 1);
}

/* Futures to wait for: those that are not marked, when there are marks. */
struct crowd {
    aw_cfuture *const *fs;
    size_t n;
    const unsigned char *marks; /* or NULL */
    int when;
};

static bool enough(const struct crowd *c, size_t *ret_done)
{
    size_t done = 0, all = 0;
    bool failed = false;
    for (size_t i = 0; i < c->n; i++) {
        if (c->marks && c->marks[i])
            continue;
        uint32_t state = aw_cf_state(c->fs[i]);
        all++;
        done += state > AW_CF_COMPLETING;
        failed = failed || state == AW_CF_FAILED;
    }
    *ret_done = done;
    if (done == all)
        return true;
    return c->when == AW_FIRST_COMPLETED ? done > 0 : c->when == AW_FIRST_ERROR && failed;
}

static int check_crowd(const struct crowd *c, double timeout)
{
    if (!c->fs || !c->n)
        return aw_fail(-EINVAL, "nothing to wait for");
    if (c->when < AW_ALL_COMPLETED || c->when > AW_FIRST_ERROR)
        return aw_fail(-EINVAL, "unknown condition to wait for");
    if (isnan(timeout))
        return aw_fail(-EINVAL, "the time limit is NaN");
    for (size_t i = 0; i < c->n; i++) {
        if (!c->fs[i])
            return aw_null_handle();
        if (!aw_cfuture_done(c->fs[i]))
            AW_TRY(refuse_own_loop(c->fs[i]));
    }
    return 0;
}

static struct gong *hang_gong(const struct crowd *c)
{
    bool too_many = c->n > (SIZE_MAX - sizeof(struct gong)) / sizeof(struct stroke);
    struct gong *g = too_many ? NULL : aw_mem_alloc(sizeof *g + c->n * sizeof g->each[0]);
    if (!g)
        return NULL;
    atomic_init(&g->refs, (uint32_t)c->n + 1);
    atomic_init(&g->strokes, 0);
    uint32_t unused = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (c->marks && c->marks[i]) {
            unused++;
            continue;
        }
        g->each[i] = (struct stroke){.base = {.run = strike}, .gong = g};
        aw_cfuture_watch(c->fs[i], &g->each[i].base);
    }
    if (unused)
        drop_gong(g, unused);
    return g;
}

/* Sleep until there is enough, or the deadline: how many are done, or -ENOMEM. */
static int wait_for_crowd(const struct crowd *c, int64_t deadline)
{
    size_t done;
    if (enough(c, &done))
        return (int)done;
    struct gong *g = hang_gong(c);
    if (!g)
        return aw_fail(-ENOMEM, NULL);
    for (;;) {
        uint32_t strokes = atomic_load(&g->strokes);
        if (enough(c, &done) || aw_futex_wait(&g->strokes, strokes, deadline) == -ETIMEDOUT)
            break;
    }
    aw_ignore(enough(c, &done));
    drop_gong(g, 1);
    return (int)done;
}

int aw_cfuture_wait(aw_cfuture *const *fs, size_t n, int when, double timeout)
{
    struct crowd c = {.fs = fs, .n = n, .when = when};
    AW_TRY(check_crowd(&c, timeout));
    return wait_for_crowd(&c, deadline_in(timeout));
}

int aw_cfuture_next_completed(aw_cfuture *const *fs, size_t n, unsigned char *seen, double timeout)
{
    struct crowd c = {.fs = fs, .n = n, .marks = seen, .when = AW_FIRST_COMPLETED};
    if (!seen)
        return aw_fail(-EINVAL, "the array of marks is NULL");
    AW_TRY(check_crowd(&c, timeout));
    if (memchr(seen, 0, n)) {
        int done = wait_for_crowd(&c, deadline_in(timeout));
        if (done <= 0)
            return done < 0 ? done : aw_fail(-ETIMEDOUT, NULL);
    }
    for (size_t i = 0; i < n; i++) {
        if (!seen[i] && aw_cfuture_done(fs[i])) {
            seen[i] = 1;
            return (int)i;
        }
    }
    return (int)n;
}
