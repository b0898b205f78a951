/*
 * The timers by themselves: compared with a sorted list, at every distance, set and cancelled in
 * every state.
 */
#include "base/prng.h"
#include "core/core.h"
#include "loop_record.h"

#include <math.h>

enum { MANY = 2000 };

/* A timer, and what a plain model knows of it. */
struct probe {
    struct aw_timer timer;
    int64_t deadline;
    uint64_t order; /* in which it was set */
    bool set;
};

static struct probe probes[MANY];
static struct probe *fired[MANY];
static size_t n_fired;
static uint64_t next_order;

static void fire(struct aw_timer *t)
{
    struct probe *p = aw_container_of(t, struct probe, timer);
    assert_true(p->set);
    assert_false(aw_timer_is_set(t));
    p->set = false;
    fired[n_fired++] = p;
}

static void set(struct aw_timers *ts, struct probe *p, int64_t deadline)
{
    p->timer.fire = fire;
    p->deadline = deadline;
    p->order = next_order++;
    p->set = true;
    aw_timer_set(ts, &p->timer, deadline);
}

static int64_t least_deadline(void)
{
    int64_t least = INT64_MAX;
    for (int i = 0; i < MANY; i++)
        if (probes[i].set && probes[i].deadline < least)
            least = probes[i].deadline;
    return least;
}

static size_t count_set(void)
{
    size_t n = 0;
    for (int i = 0; i < MANY; i++)
        n += probes[i].set;
    return n;
}

/* Everything due has fired, nothing else has, and in the right order. */
static void fire_and_check(struct aw_timers *ts, int64_t now)
{
    n_fired = 0;
    aw_timers_fire(ts, now);
    for (size_t i = 0; i < n_fired; i++) {
        assert_true(fired[i]->deadline <= now);
        if (i == 0)
            continue;
        assert_true(fired[i - 1]->deadline <= fired[i]->deadline);
        if (fired[i - 1]->deadline == fired[i]->deadline)
            assert_true(fired[i - 1]->order < fired[i]->order);
    }
    int64_t least = least_deadline();
    assert_true(least > now);
    assert_int_equal(ts->count, count_set());
    int64_t next = aw_timers_next(ts);
    assert_true(next <= least);
    assert_true(least == INT64_MAX ? next == INT64_MAX : next > now);
}

/* A deadline at any order of magnitude from now. */
static int64_t some_deadline(struct aw_prng *prng, int64_t now)
{
    int bits = (int)(aw_prng_next(prng) % 50);
    int64_t distance = (int64_t)(aw_prng_next(prng) >> (63 - bits));
    return now + distance - (aw_prng_next(prng) % 16 == 0 ? 1000 : 0);
}

static void change_some(struct aw_timers *ts, struct aw_prng *prng, int64_t now)
{
    for (int i = 0; i < 20; i++) {
        struct probe *p = &probes[aw_prng_next(prng) % MANY];
        if (p->set) {
            aw_timer_cancel(ts, &p->timer);
            p->set = false;
        } else {
            set(ts, p, some_deadline(prng, now));
        }
    }
}

static int64_t some_later_time(struct aw_timers *ts, struct aw_prng *prng, int64_t now)
{
    int64_t next = aw_timers_next(ts);
    if (aw_prng_next(prng) % 2 && next != INT64_MAX)
        return next > now ? next : now;
    return now + (int64_t)(aw_prng_next(prng) >> (63 - aw_prng_next(prng) % 45));
}

TEST(timer_wheel_against_a_model)
{
    static struct aw_timers ts;
    for (uint64_t seed = 1; seed <= test_scale(10, 3); seed++) {
        struct aw_prng prng;
        aw_prng_seed(&prng, seed);
        int64_t now = (int64_t)(aw_prng_next(&prng) >> 12);
        memset(probes, 0, sizeof probes);
        aw_timers_init(&ts, now);
        for (int round = 0; round < 1000; round++) {
            change_some(&ts, &prng, now);
            now = some_later_time(&ts, &prng, now);
            fire_and_check(&ts, now);
        }
    }
}

/* Following aw_timers_next() alone reaches every timer at its deadline, and without spinning. */
TEST(timer_wheel_walked_by_its_own_estimates)
{
    static struct aw_timers ts;
    struct aw_prng prng;
    int64_t now = 12345678912345;
    size_t steps = 0;
    aw_prng_seed(&prng, 7);
    aw_timers_init(&ts, now);
    for (int i = 0; i < MANY; i++)
        set(&ts, &probes[i], some_deadline(&prng, now));
    fire_and_check(&ts, now);
    for (int64_t next; (next = aw_timers_next(&ts)) != INT64_MAX; steps++) {
        assert_true(next > now);
        now = next;
        fire_and_check(&ts, now);
        for (size_t i = 0; i < n_fired; i++)
            assert_int_equal(fired[i]->deadline, now);
    }
    assert_true(steps <= 2 * MANY);
}

TEST(timer_wheel_level_boundaries)
{
    static struct aw_timers ts;
    int64_t start = 1;
    int n = 0;
    aw_timers_init(&ts, start);
    for (int bit = 0; bit < 62; bit++)
        for (int64_t off = -1; off <= 1; off++)
            set(&ts, &probes[n++], (INT64_C(1) << bit) + off);
    for (int bit = 0; bit < 62; bit++)
        for (int64_t off = -1; off <= 1; off++)
            fire_and_check(&ts, (INT64_C(1) << bit) + off);
    assert_int_equal(ts.count, 0);
}

TEST(timer_never_is_never)
{
    static struct aw_timers ts;
    aw_timers_init(&ts, 0);
    set(&ts, &probes[0], INT64_MAX);
    assert_int_equal(aw_timers_next(&ts), INT64_MAX);
    n_fired = 0;
    aw_timers_fire(&ts, INT64_MAX - 1);
    assert_int_equal(n_fired, 0);
    assert_true(aw_timer_is_set(&probes[0].timer));
    aw_timer_cancel(&ts, &probes[0].timer);
    assert_false(aw_timer_is_set(&probes[0].timer));
    aw_timer_cancel(&ts, &probes[0].timer); /* harmless */
}

TEST(timer_overdue_when_set)
{
    static struct aw_timers ts;
    aw_timers_init(&ts, INT64_C(5) << 40);
    set(&ts, &probes[0], 3);
    set(&ts, &probes[1], 0);
    set(&ts, &probes[2], 3);
    fire_and_check(&ts, INT64_C(5) << 40);
    assert_int_equal(n_fired, 3);
    assert_ptr_equal(fired[0], &probes[1]);
    assert_ptr_equal(fired[1], &probes[0]);
    assert_ptr_equal(fired[2], &probes[2]);
}

TEST(timer_seconds_become_nanoseconds_never_too_few)
{
    assert_int_equal(aw_ns_from_seconds(0), 0);
    assert_int_equal(aw_ns_from_seconds(-1), 0);
    assert_int_equal(aw_ns_from_seconds(1), 1000000000);
    assert_int_equal(aw_ns_from_seconds(0.1), 100000000);
    assert_int_equal(aw_ns_from_seconds(1e-12), 1);
    assert_int_equal(aw_ns_from_seconds(1.0000000001), 1000000001);
    assert_int_equal(aw_ns_from_seconds((double)INFINITY), INT64_MAX);
    assert_int_equal(aw_ns_from_seconds(1e300), INT64_MAX);
    assert_int_equal(aw_ns_from_seconds(-(double)INFINITY), 0);
}

/* ---- as tasks see them ---- */

static int sleep_and_compare(void *arg)
{
    static const double naps[] = {0.001, 1e-9, 0.0003, 0.02};
    (void)arg;
    for (size_t i = 0; i < sizeof naps / sizeof naps[0]; i++) {
        double begin = aw_time();
        AW_TRY(aw_sleep(naps[i]));
        assert_true(aw_time() - begin >= naps[i] - 1e-9);
    }
    return 0;
}

TEST_REAL_CLOCK(timer_sleep_is_never_short)
{
    assert_int_equal(aw_run(sleep_and_compare, NULL), 0);
}

static int left_of_a_deadline(void *arg)
{
    (void)arg;
    double deadline = aw_time() + 1;
    assert_seconds(aw_left(deadline), 1);
    AW_TRY(aw_sleep(1));
    assert_true(aw_left(deadline) < 0);
    assert_true(aw_left(aw_time()) < 0);
    AW_TRY(aw_sleep(1));
    assert_seconds(aw_left(deadline), -1);
    return 0;
}

TEST(timer_what_is_left_is_never_zero)
{
    assert_int_equal(aw_run(left_of_a_deadline, NULL), 0);
}

TEST_REAL_CLOCK(timer_clock_goes_on_outside_a_loop)
{
    double begin = aw_time();
    aw_loop *l = new_loop();
    assert_true(aw_loop_time(l) >= begin);
    assert_true(aw_time() >= aw_loop_time(l) - 1);
    run_for(l, 0.002);
    assert_true(aw_time() >= begin + 0.002 - 1e-9);
    aw_loop_free(l);
}
