/*
 * Pools under load: many submitters, cancellers and shutdowns at once.  Nothing is lost, nothing is
 * done twice, every argument is released once.
 */
#include <math.h>

#include "jobs.h"

/* A job that may be cancelled by one of several threads, and knows how often it was touched. */
struct item {
    _Atomic int done, released;
};

static int do_item(void *arg)
{
    atomic_fetch_add(&((struct item *)arg)->done, 1);
    return 0;
}

static void release_item(void *arg)
{
    atomic_fetch_add(&((struct item *)arg)->released, 1);
}

struct producer {
    pthread_t thread;
    aw_executor *ex;
    unsigned n, seed;
    struct item *items;
    unsigned refused, cancelled;
};

static unsigned draw(unsigned *seed)
{
    return *seed = *seed * 1664525u + 1013904223u;
}

static void *produce(void *arg)
{
    struct producer *p = arg;
    for (unsigned i = 0; i < p->n; i++) {
        aw_cfuture *f = aw_executor_submit(p->ex, do_item, &p->items[i], .release = release_item);
        if (!f) {
            assert_true(aw_errno() == AW_EFULL || aw_errno() == AW_EMISUSE);
            p->refused++;
            continue;
        }
        unsigned what = draw(&p->seed) >> 28;
        if (what < 4)
            p->cancelled += aw_cfuture_cancel(f);
        if (what >= 14)
            assert_true(aw_cfuture_join(f, INFINITY) <= 0);
        else
            aw_cfuture_unref(f);
    }
    return NULL;
}

static void run_producers(aw_executor *ex, unsigned n, bool shut_in_between)
{
    enum { PRODUCERS = 4 };
    struct producer ps[PRODUCERS];
    unsigned done = 0, released = 0, refused = 0, cancelled = 0;
    for (unsigned i = 0; i < PRODUCERS; i++) {
        ps[i] = (struct producer){.ex = ex, .n = n, .seed = i + 1};
        ps[i].items = calloc(n, sizeof *ps[i].items);
        assert_int_equal(pthread_create(&ps[i].thread, NULL, produce, &ps[i]), 0);
    }
    if (shut_in_between) {
        nap(3);
        assert_int_equal(aw_executor_shutdown(ex, .wait = true, .cancel_futures = true), 0);
    }
    for (unsigned i = 0; i < PRODUCERS; i++)
        assert_int_equal(pthread_join(ps[i].thread, NULL), 0);
    assert_int_equal(aw_executor_shutdown(ex, .wait = true), 0);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        for (unsigned k = 0; k < n; k++) {
            assert_true(ps[i].items[k].done <= 1 && ps[i].items[k].released <= 1);
            assert_true(ps[i].items[k].done <= ps[i].items[k].released);
            done += (unsigned)ps[i].items[k].done;
            released += (unsigned)ps[i].items[k].released;
        }
        refused += ps[i].refused;
        cancelled += ps[i].cancelled;
        free(ps[i].items);
    }
    assert_int_equal(released + refused, PRODUCERS * n);
    if (!shut_in_between)
        assert_int_equal(done + cancelled + refused, PRODUCERS * n);
    aw_executor_unref(ex);
}

TEST_SLOW_REAL_CLOCK(exec_stress_four_threads_submit_and_cancel)
{
    run_producers(aw_thread_pool(.max_workers = 4), test_scale(50000, 5000), false);
    run_producers(aw_thread_pool(.max_workers = 1), test_scale(50000, 5000), false);
    run_producers(aw_thread_pool(.max_workers = 3, .queue_limit = 8), test_scale(50000, 5000),
                  false);
}

TEST_SLOW_REAL_CLOCK(exec_stress_shut_down_in_between)
{
    for (unsigned i = 0; i < test_scale(200, 50); i++)
        run_producers(aw_thread_pool(.max_workers = 1 + (int)(i % 4)), 2000, true);
}

/* Handles of both kinds and the pool's own end race for the last reference. */
TEST_SLOW_REAL_CLOCK(exec_stress_short_lived_pools)
{
    _Atomic int calls = 0;
    int n = (int)test_scale(2000, 300);
    for (int i = 0; i < n; i++) {
        aw_executor *ex = aw_thread_pool(.max_workers = 2);
        aw_cfuture *a = aw_executor_submit(ex, count_call, &calls);
        aw_cfuture *b = aw_executor_submit(ex, count_call, &calls);
        if (i % 3 == 0)
            assert_int_equal(aw_executor_free(ex), 0);
        else
            aw_executor_unref(ex);
        assert_int_equal(aw_cfuture_join(a, INFINITY), 0);
        assert_int_equal(collect(b), 0);
    }
    assert_int_equal(calls, 2 * n);
}

/* ---- on loops ---- */

static int one_of_many(void *arg)
{
    _Atomic int *calls = arg;
    for (unsigned i = 0; i < test_scale(100, 20); i++)
        AW_TRY(aw_to_thread(count_call, calls));
    return 0;
}

static int gather_64(void *arg)
{
    aw_work works[64];
    for (int i = 0; i < 64; i++)
        works[i] = AW_CORO(one_of_many, arg);
    return aw_gather_array(works, 64);
}

TEST_SLOW(exec_stress_64_in_flight)
{
    _Atomic int calls = 0;
    assert_int_equal(aw_run(gather_64, &calls), 0);
    assert_int_equal(calls, 64 * (int)test_scale(100, 20));
}

/* ---- cancelled in every phase ---- */

struct storm {
    struct item *items;
    unsigned n, begun;
};

struct drop {
    struct storm *storm;
    struct item *item;
    bool abandon;
};

static int fall(void *arg)
{
    struct drop *d = arg;
    d->storm->begun++;
    return aw_to_thread(do_item, d->item, .release = release_item, .abandon_on_cancel = d->abandon);
}

/* Tasks are cancelled at once, a pass later, or when their jobs may have begun or ended. */
static int run_storm(void *arg)
{
    struct storm *s = arg;
    enum { AT_ONCE = 16 };
    unsigned seed = 7;
    for (unsigned i = 0; i < s->n; i += AT_ONCE) {
        struct drop drops[AT_ONCE];
        aw_task *ts[AT_ONCE];
        for (unsigned k = 0; k < AT_ONCE; k++) {
            drops[k] = (struct drop){s, &s->items[i + k], draw(&seed) >> 31};
            ts[k] = aw_create_task(fall, &drops[k]);
        }
        passes((int)(draw(&seed) >> 30));
        if (draw(&seed) >> 31)
            nap(0);
        for (unsigned k = 0; k < AT_ONCE; k++)
            if (draw(&seed) >> 31)
                aw_cancel(ts[k]);
        for (unsigned k = 0; k < AT_ONCE; k++) {
            int err = aw_join(ts[k]);
            assert_true(err == 0 || err == -ECANCELED);
        }
    }
    return 0;
}

static void check_storm(const struct storm *s)
{
    unsigned released = 0;
    for (unsigned i = 0; i < s->n; i++) {
        assert_true(s->items[i].done <= s->items[i].released && s->items[i].released <= 1);
        released += (unsigned)s->items[i].released;
    }
    assert_int_equal(released, s->begun);
    free(s->items);
}

struct stormy_loop {
    pthread_t thread;
    aw_executor *ex;
    struct storm storm;
};

static void *run_stormy_loop(void *arg)
{
    struct stormy_loop *sl = arg;
    aw_loop *l = aw_loop_new();
    assert_int_equal(aw_loop_set_default_executor(l, sl->ex), 0);
    aw_task *t = aw_create_task(run_storm, &sl->storm, .loop = l);
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    aw_unref(t);
    aw_loop_free(l);
    return NULL;
}

/* Three loops share a pool that is too small for them. */
TEST_SLOW(exec_stress_tasks_cancelled_in_every_phase)
{
    struct stormy_loop loops[3];
    unsigned n = test_scale(16000, 1600);
    aw_executor *ex = aw_thread_pool(.max_workers = 2);
    for (int i = 0; i < 3; i++) {
        loops[i] = (struct stormy_loop){.ex = ex};
        loops[i].storm = (struct storm){.items = calloc(n, sizeof(struct item)), .n = n};
        assert_int_equal(pthread_create(&loops[i].thread, NULL, run_stormy_loop, &loops[i]), 0);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(loops[i].thread, NULL), 0);
    assert_int_equal(aw_executor_free(ex), 0); /* abandoned jobs outlive their loops */
    for (int i = 0; i < 3; i++)
        check_storm(&loops[i].storm);
}

/* The same with pools of the loops' own, which go with them. */
static int one_storm(void *arg)
{
    return run_storm(arg);
}

TEST_SLOW(exec_stress_loops_come_and_go)
{
    for (unsigned i = 0; i < test_scale(300, 40); i++) {
        struct storm s = {.items = calloc(32, sizeof(struct item)), .n = 32};
        assert_int_equal(aw_run(one_storm, &s), 0);
        for (unsigned k = 0, all = 0; all < s.begun; k = (k + 1) % 32)
            all = k ? all + (unsigned)atomic_load(&s.items[k].released)
                    : (unsigned)atomic_load(&s.items[k].released);
        check_storm(&s);
    }
}
