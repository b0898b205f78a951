/*
 * Timers as users of a loop see them: order, "never early", and what cancelled ones cost.
 */
#include "core/core.h"
#include "loop_record.h"

/* LOOP-004: Timers run in the order of their deadlines, whatever the order they were set in. */
TEST(LOOP_004_timers_run_in_order_of_deadline)
{
    struct record r = {""};
    struct mark m[] = {{&r, "0.3"}, {&r, "0.1"}, {&r, "-1"}, {&r, "0.2"}, {&r, "0"}, {&r, "5000"}};
    aw_loop *l = new_loop();
    for (int i = 0; i < 6; i++)
        assert_int_equal(aw_call_later(strtod(m[i].name, NULL), mark, &m[i], .loop = l), 0);
    run_for(l, 6000);
    assert_record(r, "-1 0 0.1 0.2 0.3 5000");
    aw_loop_free(l);
}

TEST(LOOP_004_equal_deadlines_run_in_the_order_set)
{
    struct record r = {""};
    struct mark m[] = {{&r, "a"}, {&r, "b"}, {&r, "c"}, {&r, "d"}};
    aw_loop *l = new_loop();
    double when = aw_loop_time(l) + 0.25;
    assert_int_equal(aw_call_at(when, mark, &m[0], .loop = l), 0);
    assert_int_equal(aw_call_later(0.25, mark, &m[1], .loop = l), 0);
    assert_int_equal(aw_call_at(when, mark, &m[2], .loop = l), 0);
    assert_int_equal(aw_call_later(0.25, mark, &m[3], .loop = l), 0);
    run_for(l, 1);
    assert_record(r, "a b c d");
    aw_loop_free(l);
}

struct timing {
    aw_loop *loop;
    double ran_at;
};

static int note_time_and_stop(void *arg)
{
    struct timing *t = arg;
    t->ran_at = aw_loop_time(t->loop);
    return aw_loop_stop(t->loop);
}

/* Sets one timer, by delay or by absolute time, and returns how much too late it ran. */
static double lateness(aw_loop *l, double seconds, bool absolute)
{
    struct timing t = {l, -1};
    aw_handle *h = NULL;
    double when = aw_loop_time(l) + seconds;
    int err = absolute ? aw_call_at(when, note_time_and_stop, &t, .loop = l, .handle = &h)
                       : aw_call_later(seconds, note_time_and_stop, &t, .loop = l, .handle = &h);
    assert_int_equal(err, 0);
    assert_true(aw_handle_when(h) >= when - 1e-9);
    assert_int_equal(aw_loop_run_forever(l), 0);
    assert_true(t.ran_at >= aw_handle_when(h) - 1e-9);
    aw_handle_unref(h);
    return t.ran_at - when;
}

/* LOOP-005: A timer of 0.1 s never runs before 0.1 s by the loop's clock, as delay or as time. */
TEST_REAL_CLOCK(LOOP_005_timer_is_never_early)
{
    aw_loop *l = new_loop();
    assert_true(lateness(l, 0.1, false) >= 0);
    assert_true(lateness(l, 0.1, true) >= 0);
    for (int i = 0; i < 100; i++)
        assert_true(lateness(l, i * 1e-5, i % 2) >= 0);
    aw_loop_free(l);
}

TEST(LOOP_005_timer_is_exact_on_the_virtual_clock)
{
    static const double delays[] = {0.1, 1e-9, 1e-3, 0.0655, 1, 3600, 86400, 31536000};
    aw_loop *l = new_loop();
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++)
        for (int absolute = 0; absolute < 2; absolute++)
            assert_seconds(lateness(l, delays[i], absolute), 0);
    aw_loop_free(l);
}

/* LOOP-006: In one pass, callbacks scheduled before it run before the timers that are due. */
TEST(LOOP_006_scheduled_callbacks_before_due_timers)
{
    struct record r = {""};
    struct mark timer = {&r, "timer"}, soon = {&r, "soon"};
    aw_loop *l = new_loop();
    assert_int_equal(aw_call_later(0, mark, &timer, .loop = l), 0);
    assert_int_equal(aw_call_soon(mark, &soon, .loop = l), 0);
    run_one_pass(l);
    assert_record(r, "soon timer");
    aw_loop_free(l);
}

static int polls;
static int64_t shortest_sleep_ends; /* when the shortest sleep asked for would have ended */
static struct aw_sys_table real;

static void watch_sleep(int64_t timeout_ns)
{
    int64_t ends = timeout_ns < 0 ? INT64_MAX : aw_clock_real() + timeout_ns;
    polls++;
    if (ends < shortest_sleep_ends)
        shortest_sleep_ends = ends;
}

static int watched_epoll_wait(int ep, struct epoll_event *evs, int max, int64_t timeout_ns)
{
    watch_sleep(timeout_ns);
    return real.epoll_wait(ep, evs, max, timeout_ns);
}

static int watched_ring_enter(struct io_uring *ring, int64_t timeout_ns)
{
    watch_sleep(timeout_ns);
    return real.ring_enter(ring, timeout_ns);
}

/* LOOP-007: A cancelled timer does not shorten the sleep: the loop sleeps to the next live one. */
TEST_REAL_CLOCK(LOOP_007_cancelled_timer_does_not_shorten_the_sleep)
{
    struct record r = {""};
    struct mark m = {&r, "cancelled"};
    aw_loop *l = new_loop();
    double began = aw_loop_time(l); /* all are due before the live one, on slow machines too */
    assert_int_equal(aw_call_later(0.05, stop_loop, l, .loop = l), 0);
    int64_t live = aw_timers_next(&l->timers);
    for (int i = 0; i < 20; i++) {
        aw_handle *h = NULL;
        assert_int_equal(aw_call_at(began + i * 0.002, mark, &m, .loop = l, .handle = &h), 0);
        assert_true(aw_timers_next(&l->timers) < live);
        aw_handle_cancel(h);
        aw_handle_unref(h);
        assert_int_equal(aw_timers_next(&l->timers), live);
    }
    int quiet[2]; /* something for the kernel to do, so that the loop sleeps there */
    assert_int_equal(pipe(quiet), 0);
    assert_int_equal(aw_add_reader(quiet[0], mark, &m, .loop = l), 0);
    shortest_sleep_ends = INT64_MAX;
    real = aw_sys;
    aw_sys.epoll_wait = watched_epoll_wait;
    aw_sys.ring_enter = watched_ring_enter;
    assert_int_equal(aw_loop_run_forever(l), 0);
    aw_sys = real;
    assert_true(polls > 0);
    assert_true(shortest_sleep_ends >= live);
    assert_record(r, "");
    assert_true(aw_remove_reader(l, quiet[0]));
    close(quiet[0]);
    close(quiet[1]);
    aw_loop_free(l);
}

static size_t live_blocks;

static void *counting_alloc(size_t size, void *arg)
{
    (void)arg;
    live_blocks++;
    return malloc(size);
}

static void counting_free(void *ptr, void *arg)
{
    (void)arg;
    live_blocks -= ptr != NULL;
    free(ptr);
}

/* LOOP-008: A cancelled timer leaves the schedule at once, and its memory with its handle. */
TEST(LOOP_008_cancelled_timers_do_not_pile_up)
{
    enum { TIMERS = 5000, CANCELLED = 4000, KEPT = 1024 /* for those to come */ };
    static aw_handle *h[TIMERS];
    struct record r = {""};
    struct mark m = {&r, "x"};
    aw_allocator counting = {counting_alloc, counting_free, NULL};
    assert_int_equal(aw_set_allocator(&counting), 0);
    aw_loop *l = new_loop();
    size_t before = live_blocks;
    for (int i = 0; i < TIMERS; i++)
        assert_int_equal(aw_call_later(100 - i % 7, mark, &m, .loop = l, .handle = &h[i]), 0);
    assert_int_equal(l->timers.count, TIMERS);
    assert_int_equal(live_blocks - before, TIMERS);
    for (int i = 0; i < CANCELLED; i++) {
        aw_handle_cancel(h[i]);
        aw_handle_unref(h[i]);
    }
    assert_int_equal(l->timers.count, TIMERS - CANCELLED);
    assert_true(live_blocks - before <= TIMERS - CANCELLED + KEPT);
    for (int i = CANCELLED; i < TIMERS; i++)
        aw_handle_unref(h[i]);
    aw_loop_free(l);
    assert_int_equal(live_blocks, 0);
    assert_int_equal(aw_set_allocator(NULL), 0);
}

/* Sets and cancels its successor for ever: what a time limit on each request does. */
static int set_and_cancel(void *arg)
{
    aw_loop *l = arg;
    for (int i = 0; i < 100000; i++) {
        aw_handle *h = NULL;
        AW_TRY(aw_call_later(30, stop_loop, l, .handle = &h));
        aw_handle_cancel(h);
        aw_handle_unref(h);
        if (l->timers.count > 1)
            return -EOVERFLOW;
    }
    return 0;
}

TEST(LOOP_008_a_hundred_thousand_cancelled_time_limits)
{
    aw_loop *l = new_loop();
    aw_future *t = aw_create_task(set_and_cancel, l, .loop = l);
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    assert_int_equal(l->timers.count, 0);
    aw_unref(t);
    aw_loop_free(l);
}
