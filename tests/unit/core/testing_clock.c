/*
 * await/testing.h: time that is moved, and waiting until everybody is blocked.
 */
#include "testing_calls.h"

#include <float.h>
#include <math.h>

/* ---- the virtual clock ---- */

static int sleep_for_hours(void *arg)
{
    for (int i = 0; i < 1000; i++)
        AW_TRY(aw_sleep(3600));
    assert_time(aw_time(), 3600000);
    return give(arg);
}

TEST(testing_time_jumps_when_nothing_is_ready)
{
    assert_int_equal(aw_run(sleep_for_hours, INT(1), .virtual_clock = true), 1);
}

static int stand_still(void *arg)
{
    double began = aw_time();
    for (int i = 0; i < 1000; i++)
        AW_TRY(aw_sleep(0));
    assert_time(aw_time(), began);
    return give(arg);
}

TEST(testing_time_stands_still_while_there_is_work)
{
    assert_int_equal(aw_run(stand_still, INT(2)), 2);
}

static int advance(void *arg)
{
    double began = aw_time(), times[] = {0, 0.25, 3, 1e6};
    (void)arg;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(aw_testing_advance(times[i]), 0);
        assert_time(aw_time(), began + times[i]);
        began += times[i];
    }
    double bad[] = {-1, -1e-300, NAN, -INFINITY};
    for (int i = 0; i < 4; i++)
        assert_int_equal(aw_testing_advance(bad[i]), -EINVAL);
    assert_time(aw_time(), began);
    return 0;
}

TEST(testing_advance)
{
    assert_int_equal(aw_run(advance, NULL), 0);
    assert_int_equal(aw_testing_advance(1), AW_EMISUSE);
}

static int advance_far(void *arg)
{
    double far[] = {DBL_MAX, INFINITY, 1e9, INFINITY};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(aw_testing_advance(1), 0);
        assert_int_equal(aw_testing_advance(far[i]), 0);
        AW_TRY(aw_sleep(0));
    }
    return give(arg);
}

/* There is an end of time, and nothing beyond. */
TEST(testing_advance_beyond_all_times)
{
    assert_int_equal(aw_run(advance_far, INT(3)), 3);
}

static int advance_in_vain(void *arg)
{
    (void)arg;
    return aw_testing_advance(1);
}

TEST_REAL_CLOCK(testing_real_time_cannot_be_moved)
{
    assert_int_equal(aw_run(advance_in_vain, NULL), AW_EMISUSE);
    assert_string_equal(aw_errmsg(), "the loop's clock is the real one");
    assert_int_equal(aw_run(advance_in_vain, NULL, .virtual_clock = true), 0);
}

/* As though the running code had taken so long: what became due meanwhile runs in its order. */
static int sleep_and_note(void *arg)
{
    const char *name = arg;
    AW_TRY(aw_sleep(*name - '0'));
    note(*name);
    return 0;
}

static int advance_beside_sleepers(void *arg)
{
    AW_TRY(aw_spawn(sleep_and_note, "3"));
    AW_TRY(aw_spawn(sleep_and_note, "1"));
    AW_TRY(aw_spawn(sleep_and_note, "5"));
    AW_TRY(aw_call_later(2, note_it, "2"));
    AW_TRY(aw_wait_all_blocked());
    AW_TRY(aw_testing_advance(4));
    assert_trace("");
    AW_TRY(aw_wait_all_blocked());
    assert_trace("123");
    assert_time(aw_time(), 4);
    AW_TRY(aw_sleep(2));
    assert_trace("1235");
    return give(arg);
}

TEST(testing_advance_wakes_what_is_due)
{
    int result = aw_run(advance_beside_sleepers, INT(4));
    assert_int_equal(result, 4);
}

/* ---- until all are blocked ---- */

static int yield_and_note(void *arg)
{
    passes(100);
    return note_it(arg);
}

static int wait_beside_work(void *arg)
{
    double began = aw_time();
    for (int i = 0; i < 3; i++)
        AW_TRY(aw_spawn(yield_and_note, "x"));
    AW_TRY(aw_spawn(sleep_and_note, "1"));
    AW_TRY(aw_wait_all_blocked());
    assert_trace("xxx");
    assert_true(aw_time() < began + 1); /* the sleeper is blocked: nobody waits for it */
    return give(arg);
}

TEST_ORDER_FREE(testing_all_blocked_lets_all_work_be_done)
{
    assert_int_equal(aw_run(wait_beside_work, INT(5), .exception_handler = collect_report), 5);
    assert_reports(1); /* the sleeper */
}

static int wait_alone(void *arg)
{
    for (int i = 0; i < 3; i++)
        AW_TRY(aw_wait_all_blocked());
    return give(arg);
}

TEST(testing_all_blocked_alone)
{
    assert_int_equal(aw_run(wait_alone, INT(6)), 6);
    assert_int_equal(aw_wait_all_blocked(), AW_EMISUSE);
}

/* Who waits is blocked, too: several are woken one after the other. */
static int wait_and_work(void *arg)
{
    AW_TRY(aw_wait_all_blocked());
    note(*(char *)arg);
    passes(3);
    note('.');
    return 0;
}

static int wait_together(void *arg)
{
    (void)arg;
    return aw_gather(AW_CORO(wait_and_work, "1"), AW_CORO(wait_and_work, "2"),
                     AW_CORO(wait_and_work, "3"));
}

TEST(testing_several_wait_until_all_are_blocked)
{
    assert_int_equal(aw_run(wait_together, NULL), 0);
    assert_trace("1.2.3.");
}

static int be_cancelled(void *arg)
{
    (void)arg;
    int err = aw_wait_all_blocked();
    note(err == -ECANCELED ? 'c' : '?');
    return err;
}

static int cancel_waiter(void *arg)
{
    (void)arg;
    aw_task *t = aw_create_task(be_cancelled, NULL, .eager = true);
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
    return aw_wait_all_blocked();
}

TEST(testing_waiter_for_all_blocked_is_cancelled)
{
    assert_int_equal(aw_run(cancel_waiter, NULL), 0);
    assert_trace("c");
}

static int wait_in_time(void *arg)
{
    return aw_timeout_call(1, wait_alone, arg);
}

TEST(testing_all_blocked_within_a_time_limit)
{
    assert_int_equal(aw_run(wait_in_time, INT(7)), 7);
}

/* ---- with the kernel ---- */

static int read_pipe(void *arg)
{
    char text[8];
    ssize_t n = aw_read(*(int *)arg, text, sizeof text);
    for (ssize_t i = 0; i < n; i++)
        note(text[i]);
    return (int)n;
}

static int wait_for_reader(void *arg)
{
    int fds[2];
    AW_TRY(pipe(fds));
    aw_task *t = aw_create_task(read_pipe, &fds[0]);
    AW_TRY(aw_wait_all_blocked());
    assert_false(aw_done(t)); /* blocked, with its operation in flight */
    assert_int_equal(write(fds[1], "abc", 3), 3);
    AW_TRY(aw_wait_all_blocked());
    assert_trace("abc"); /* what the kernel had already has been seen to */
    assert_int_equal(aw_join(t), 3);
    close(fds[0]);
    close(fds[1]);
    return give(arg);
}

TEST_ORDER_FREE(testing_all_blocked_with_the_kernel)
{
    assert_int_equal(aw_run(wait_for_reader, INT(8)), 8);
}

TEST_REAL_CLOCK(testing_all_blocked_on_the_real_clock)
{
    assert_int_equal(aw_run(wait_for_reader, INT(8)), 8);
    memset(trace, 0, sizeof trace);
    assert_int_equal(aw_run(wait_beside_work, INT(5), .exception_handler = collect_report), 5);
}

/* ---- counting suspensions ---- */

static int count_suspensions(void *arg)
{
    assert_int_equal(aw_suspensions(), 0);
    passes(5);
    assert_int_equal(aw_suspensions(), 5);
    AW_TRY(aw_sleep(1));
    AW_TRY(aw_gather(AW_CORO(no_work, NULL), AW_CORO(no_work, NULL)));
    assert_int_equal(aw_suspensions(), 7);
    assert_int_equal(aw_call_soon(note_it, "x"), 0);
    assert_int_equal(aw_suspensions(), 7);
    return arg ? give(arg) : aw_join(aw_create_task(count_suspensions, INT(1)));
}

TEST_ORDER_FREE(testing_suspensions_are_counted_by_task)
{
    assert_int_equal(aw_suspensions(), 0);
    assert_int_equal(aw_run(count_suspensions, INT(9)), 9);
}

TEST(testing_suspensions_of_a_child_are_its_own)
{
    assert_int_equal(aw_run(count_suspensions, NULL), 1);
}
