/*
 * Long chains and cycles of tasks that await each other, and cancelling them.
 */
#include "util.h"

static int await_and_give_in(void *arg)
{
    return aw_await(*(aw_future **)arg);
}

/* Two tasks, each awaiting the other, cannot end by themselves; one cancel ends both. */
TEST_IN_LOOP(task_cycle_of_two_is_broken_by_cancel)
{
    aw_task *a = NULL, *b = NULL;
    a = aw_create_task(await_and_give_in, &b);
    b = aw_create_task(await_and_give_in, &a);
    passes(3);
    assert_false(aw_done(a) || aw_done(b));
    assert_true(aw_cancel(a, .msg = "round and round"));
    for (int i = 0; i < 4 && !(aw_done(a) && aw_done(b)); i++)
        passes(1);
    assert_true(aw_cancelled(a));
    assert_true(aw_cancelled(b));
    assert_int_equal(aw_result(b), -ECANCELED);
    assert_string_equal(aw_errmsg(), "round and round");
    aw_unref(a);
    aw_unref(b);
}

/* The same with a tail: a task that awaits one of the cycle, and is the one cancelled. */
TEST_IN_LOOP(task_cycle_is_broken_from_its_tail)
{
    enum { RING = 5 };
    aw_task *ring[RING] = {NULL};
    for (int i = 0; i < RING; i++)
        ring[i] = aw_create_task(await_and_give_in, &ring[(i + 1) % RING]);
    aw_task *tail = aw_create_task(await_and_give_in, &ring[2]);
    passes(3);
    assert_true(aw_cancel(tail));
    passes(RING + 3);
    assert_true(aw_cancelled(tail));
    for (int i = 0; i < RING; i++) {
        assert_true(aw_cancelled(ring[i]));
        aw_unref(ring[i]);
    }
    aw_unref(tail);
}

/* A cycle through a gather and a shield. */
TEST_IN_LOOP(task_cycle_through_a_gather_is_broken_by_cancel)
{
    aw_future *g = NULL;
    aw_task *a = aw_create_task(await_and_give_in, &g), *b = aw_create_task(await_it, a);
    g = aw_gather_new((aw_future *[]){b, a}, 2);
    passes(3);
    assert_false(aw_done(g));
    assert_true(aw_cancel(g));
    passes(6);
    assert_true(aw_done(g));
    assert_int_equal(aw_error(g), -ECANCELED);
    assert_true(aw_cancelled(a) && aw_cancelled(b));
    aw_unref(g);
    aw_unref(a);
    aw_unref(b);
}

static unsigned chain_length(void)
{
    return test_scale(10000, 1000);
}

/* A chain of tasks, each awaiting the one before, the first awaiting `f`. */
static aw_task **make_chain(aw_future *f, unsigned n)
{
    aw_task **t = calloc(n, sizeof *t);
    assert_non_null(t);
    for (unsigned i = 0; i < n; i++) {
        t[i] = aw_create_task(await_it, i ? t[i - 1] : f, .stack_size = 32 * 1024);
        if (!t[i])
            fail_msg("task %u: %s: %s", i, aw_strerror(aw_errno()), aw_errmsg());
    }
    passes(1);
    return t;
}

static void drop_chain(aw_task **t, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        aw_unref(t[i]);
    free(t);
}

/* Cancelling the end of a long chain reaches the future at its start without recursion. */
TEST_IN_LOOP(task_chain_of_ten_thousand_is_cancelled)
{
    unsigned n = chain_length();
    aw_future *f = aw_future_new();
    aw_task **t = make_chain(f, n);
    assert_true(aw_cancel(t[n - 1], .msg = "long way"));
    assert_true(aw_cancelled(f));
    passes(1);
    assert_true(aw_cancelled(t[0]));
    assert_false(aw_done(t[1]));
    assert_int_equal(aw_await(t[n - 1]), -ECANCELED);
    assert_string_equal(aw_errmsg(), "long way");
    for (unsigned i = 0; i < n; i++)
        assert_true(aw_cancelled(t[i]));
    assert_int_equal(aw_all_tasks(NULL, 0), 1);
    drop_chain(t, n);
    aw_unref(f);
}

/* Cancelling it while the chain's end is already on its way changes nothing for the rest. */
TEST_IN_LOOP(task_chain_of_ten_thousand_carries_a_result)
{
    unsigned n = chain_length();
    aw_future *f = aw_future_new();
    aw_task **t = make_chain(f, n);
    assert_int_equal(aw_set_result(f, 77, NULL), 0);
    passes((int)n - 1);
    assert_true(aw_done(t[n - 2]));
    assert_false(aw_done(t[n - 1]));
    passes(1);
    assert_int_equal(aw_result(t[n - 1]), 77);
    drop_chain(t, n);
    aw_unref(f);
}

/* Shields over shields and gathers over gathers, as deep. */
TEST_IN_LOOP(task_deep_shields_and_gathers_pass_on_and_are_cancelled)
{
    unsigned n = chain_length();
    aw_future *f = aw_future_new(), *shield = aw_ref(f), *gather = aw_ref(f);
    for (unsigned i = 0; i < n; i++) {
        aw_future *s = aw_shield(shield), *g = aw_gather_new(&gather, 1);
        assert_non_null(s);
        assert_non_null(g);
        aw_unref(shield);
        aw_unref(gather);
        shield = s;
        gather = g;
    }
    assert_true(aw_cancel(gather));
    assert_true(aw_cancelled(f));
    assert_int_equal(aw_await(gather), -ECANCELED);
    assert_int_equal(aw_await(shield), -ECANCELED);
    aw_unref(gather);
    aw_unref(shield);
    aw_unref(f);
}

static int gather_awaiters(void *arg)
{
    return aw_gather(AW_CORO(await_and_give_in, arg), AW_CORO(sleep_long, NULL));
}

/* A child of a structured gather that awaits its own parent. */
TEST_IN_LOOP(task_cycle_of_parent_and_child_is_broken_by_cancel)
{
    aw_task *parent = NULL;
    parent = aw_create_task(gather_awaiters, &parent);
    passes(3);
    assert_true(aw_cancel(parent));
    passes(6);
    assert_true(aw_cancelled(parent));
    assert_int_equal(aw_all_tasks(NULL, 0), 1);
    aw_unref(parent);
}

static int gather_deeper(void *arg)
{
    return aw_gather(AW_CORO(gather_awaiters, arg), AW_CORO(sleep_long, NULL));
}

/* The same with a generation between. */
TEST_IN_LOOP(task_cycle_of_grandparent_and_child_is_broken_by_cancel)
{
    aw_task *top = NULL;
    top = aw_create_task(gather_deeper, &top);
    passes(4);
    assert_true(aw_cancel(top));
    passes(8);
    assert_true(aw_cancelled(top));
    assert_int_equal(aw_all_tasks(NULL, 0), 1);
    aw_unref(top);
}

static int await_done(void *arg)
{
    int err = aw_await(arg);
    note(aw_done(arg) ? 'd' : '?'); /* what was awaited is done when aw_await returns */
    return err;
}

/* No cycle: two tasks that await the same, cancelled together, are told when that is done. */
TEST_IN_LOOP(task_waiters_of_one_gather_cancelled_together_see_it_done)
{
    aw_task *slow = aw_create_task(answer_cancel, INT(1));
    aw_future *g = aw_gather_new(&slow, 1);
    aw_task *t[2] = {aw_create_task(await_done, g), aw_create_task(await_done, g)};
    aw_future *both = aw_gather_new(t, 2);
    passes(2);
    assert_true(aw_cancel(both));
    assert_int_equal(aw_await(both), -ECANCELED);
    assert_trace("dd");
    assert_true(aw_cancelled(t[0]) && aw_cancelled(t[1]));
    aw_unref(both);
    aw_unref(t[0]);
    aw_unref(t[1]);
    aw_unref(g);
    aw_unref(slow);
}

static int gather_sleepers(void *arg)
{
    (void)arg;
    return aw_gather(AW_CORO(sleep_long, NULL), AW_CORO(sleep_long, NULL));
}

static int watch_and_run(void *arg)
{
    aw_task **worker = arg;
    return aw_gather(AW_CORO(await_done, *worker), AW_CORO(await_done, *worker));
}

/* The same where what is awaited is in a structured gather of its own. */
TEST_IN_LOOP(task_waiters_of_one_task_cancelled_together_see_it_done)
{
    aw_task *worker = aw_create_task(gather_sleepers, NULL);
    aw_task *t = aw_create_task(watch_and_run, &worker);
    passes(3);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_trace("dd");
    assert_true(aw_cancelled(worker));
    aw_unref(worker);
}

/* Sleeps on when it is cancelled, and ends at the second request. */
static int ask_twice(void *arg)
{
    ++*(int *)arg;
    assert_int_equal(aw_sleep(1000), -ECANCELED);
    ++*(int *)arg;
    assert_int_equal(aw_sleep(1000), -ECANCELED);
    ++*(int *)arg;
    return -ECANCELED;
}

/* A gather that was cancelled long ago, and whose children went on, is cancelled again when the
 * failure of a sibling cancels the task that awaits it. */
TEST_IN_LOOP(task_gather_cancelled_before_is_cancelled_again_by_a_failure)
{
    int stage = 0;
    double began = aw_time();
    aw_task *stubborn = aw_create_task(ask_twice, &stage);
    aw_future *g = aw_gather_new(&stubborn, 1);
    passes(1);
    assert_true(aw_cancel(g));
    assert_int_equal(aw_sleep(1), 0);
    assert_int_equal(stage, 2);
    assert_int_equal(aw_gather(AW_CORO(await_done, g), AW_CORO(give_later, LATER(1, -EIO))), -EIO);
    assert_trace("d");
    assert_int_equal(stage, 3);
    assert_time(aw_time() - began, 2);
    aw_unref(g);
    aw_unref(stubborn);
}
