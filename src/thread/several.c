/*
 * several.c - a thread waits for concurrent futures: the first, all of them, one after the other.
 *
 * The thread sleeps on a gong, which a callback on each future strikes.  When it has seen enough,
 * or the time is over, it takes the callbacks back; one that is being run at that moment strikes a
 * gong that nobody hears, and lets go of it: the gong is freed with its last reference.  So however
 * often somebody looks at a future that takes long, nothing piles up on it.
 *
 * A stroke comes after the future's final state and is read before the states are: a thread that
 * has counted no stroke since it looked has missed nothing.
 */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "thread/cfuture.h"

/* What the thread sleeps on, shared with the callbacks. */
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
    if (atomic_fetch_sub_explicit(&g->refs, n, memory_order_acq_rel) == n)
        aw_mem_free(g);
}

static void strike(struct aw_cf_callback *base, aw_cfuture *f)
{
    (void)f;
    struct gong *g = aw_container_of(base, struct stroke, base)->gong;
    atomic_fetch_add_explicit(&g->strokes, 1, memory_order_release);
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

static bool is_meant(const struct crowd *c, size_t i)
{
    return !c->marks || !c->marks[i];
}

static bool enough(const struct crowd *c, size_t *ret_done)
{
    size_t done = 0, all = 0;
    bool failed = false;
    for (size_t i = 0; i < c->n; i++) {
        if (!is_meant(c, i))
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
    if (!c->fs || !c->n || c->n > INT_MAX)
        return aw_fail(-EINVAL, c->fs && c->n ? "too many futures" : "nothing to wait for");
    if (c->when < AW_ALL_COMPLETED || c->when > AW_FIRST_ERROR)
        return aw_fail(-EINVAL, "unknown condition to wait for");
    if (isnan(timeout))
        return aw_fail(-EINVAL, "the time limit is NaN");
    for (size_t i = 0; i < c->n; i++)
        if (!c->fs[i])
            return aw_null_handle();
    return 0;
}

static int refuse_own_loop(const struct crowd *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (is_meant(c, i) && !aw_cfuture_done(c->fs[i]))
            AW_TRY(aw_cf_refuse_own_loop(c->fs[i]));
    return 0;
}

/* With a reference for each that is meant, and the thread's. */
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
        if (!is_meant(c, i)) {
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

static void take_gong_down(const struct crowd *c, struct gong *g)
{
    uint32_t mine = 1;
    for (size_t i = 0; i < c->n; i++)
        mine += is_meant(c, i) && aw_cfuture_unwatch(c->fs[i], &g->each[i].base);
    drop_gong(g, mine);
}

/* Sleep until there is enough, or the time is over: how many are done, -ENOMEM or -EDEADLK. */
static int wait_for_crowd(const struct crowd *c, double timeout)
{
    size_t done;
    if (enough(c, &done) || timeout <= 0)
        return (int)done;
    AW_TRY(refuse_own_loop(c));
    int64_t deadline = aw_cf_deadline_in(timeout);
    struct gong *g = hang_gong(c);
    if (!g)
        return aw_fail(-ENOMEM, NULL);
    for (;;) {
        uint32_t strokes = atomic_load_explicit(&g->strokes, memory_order_acquire);
        if (enough(c, &done))
            break;
        if (aw_futex_wait(&g->strokes, strokes, deadline) == -ETIMEDOUT) {
            aw_ignore(enough(c, &done));
            break;
        }
    }
    take_gong_down(c, g);
    return (int)done;
}

int aw_cfuture_wait(aw_cfuture *const *fs, size_t n, int when, double timeout)
{
    struct crowd c = {.fs = fs, .n = n, .when = when};
    AW_TRY(check_crowd(&c, timeout));
    return wait_for_crowd(&c, timeout);
}

static int out_of_time(const struct crowd *c)
{
    size_t unfinished = 0;
    char text[64];
    for (size_t i = 0; i < c->n; i++)
        unfinished += !aw_cfuture_done(c->fs[i]);
    snprintf(text, sizeof text, "%zu of %zu futures are unfinished", unfinished, c->n);
    struct aw_text *msg = aw_text_new(text);
    aw_fail_text(-ETIMEDOUT, msg);
    aw_text_unref(msg);
    return -ETIMEDOUT;
}

int aw_cfuture_next_completed(aw_cfuture *const *fs, size_t n, unsigned char *seen, double timeout)
{
    struct crowd c = {.fs = fs, .n = n, .marks = seen, .when = AW_FIRST_COMPLETED};
    if (!seen)
        return aw_fail(-EINVAL, "the array of marks is NULL");
    AW_TRY(check_crowd(&c, timeout));
    if (!memchr(seen, 0, n))
        return (int)n;
    int done = wait_for_crowd(&c, timeout);
    if (done <= 0)
        return done < 0 ? done : out_of_time(&c);
    for (size_t i = 0; i < n; i++) {
        if (!seen[i] && aw_cfuture_done(fs[i])) {
            seen[i] = 1;
            return (int)i;
        }
    }
    return (int)n;
}
