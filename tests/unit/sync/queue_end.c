/*
 * Queues: work that is done, joining, and both ways of shutting down.
 */
#include "queues.h"

/* Nothing goes in or out any more. */
static void assert_shut(aw_queue *q)
{
    assert_at_once(put_two(q), AW_ESHUTDOWN);
    assert_at_once(get_one(q), AW_ESHUTDOWN);
    assert_int_equal(aw_queue_put_nowait(q, "x"), AW_ESHUTDOWN);
    assert_int_equal(get(q), AW_ESHUTDOWN);
}

/* ---- joining ---- */

/* QUE-017: Marking a task done more often than items were put fails with -EINVAL. */
TEST_IN_LOOP(QUE_017_done_too_often)
{
    aw_queue q = AW_QUEUE_INIT();
    assert_int_equal(aw_queue_task_done(&q), -EINVAL);
    assert_int_equal(aw_queue_put_nowait(&q, "x"), 0);
    assert_int_equal(aw_queue_task_done(&q), 0);
    assert_int_equal(aw_queue_task_done(&q), -EINVAL);
    assert_string_equal(aw_errmsg(), "more items were done than put");
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* QUE-018: Join on a queue nothing was put on returns at once, any number of times. */
TEST_IN_LOOP(QUE_018_join_of_nothing)
{
    aw_queue q = AW_QUEUE_INIT();
    assert_at_once(aw_queue_join(&q), 0);
    assert_at_once(aw_queue_join(&q), 0);
}

static int sum;

static int work(void *arg)
{
    int n;
    while ((n = get_one(arg)) >= 0) {
        AW_TRY(aw_sleep(n % 3));
        sum += n;
        assert_int_equal(aw_queue_task_done(arg), 0);
    }
    return n == AW_ESHUTDOWN ? 0 : n;
}

/* QUE-019: Two workers that take 100 items and mark each done let join return with every item
 * processed. */
TEST_IN_LOOP(QUE_019_join)
{
    aw_queue q = AW_QUEUE_INIT();
    for (int i = 0; i < 100; i++)
        assert_int_equal(aw_queue_put_nowait(&q, INT(i)), 0);
    aw_task *a = aw_create_task(work, &q), *b = aw_create_task(work, &q);
    assert_int_equal(aw_queue_join(&q), 0);
    assert_int_equal(sum, 4950);
    assert_int_equal(aw_queue_shutdown(&q), 0);
    assert_int_equal(aw_join(a), 0);
    assert_int_equal(aw_join(b), 0);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* A join that was woken goes through, although more was put before it ran. */
TEST_IN_LOOP(queue_join_then_more)
{
    aw_queue q = AW_QUEUE_INIT();
    assert_int_equal(aw_queue_put_nowait(&q, "x"), 0);
    aw_task *t = aw_create_task(join_queue, &q);
    passes(1);
    assert_int_equal(aw_queue_task_done(&q), 0);
    assert_int_equal(aw_queue_put_nowait(&q, "y"), 0);
    passes(1);
    assert_ended(t, 0);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* ---- shutting down ---- */

/* QUE-020: Shutting down an empty queue makes a waiting get fail with AW_ESHUTDOWN and lets join
 * return. */
TEST_IN_LOOP(QUE_020_shutdown_of_an_empty_queue)
{
    aw_queue q = AW_QUEUE_INIT();
    aw_task *t = aw_create_task(get_one, &q);
    passes(1);
    assert_int_equal(aw_queue_shutdown(&q), 0);
    assert_int_equal(aw_queue_size(&q), 0);
    assert_at_once(aw_queue_join(&q), 0);
    passes(1);
    assert_ended(t, AW_ESHUTDOWN);
    assert_shut(&q);
}

/* QUE-021: After a graceful shutdown the items still inside can be got; once empty, every get,
 * waiting or not, fails with AW_ESHUTDOWN rather than AW_EEMPTY. */
TEST_IN_LOOP(QUE_021_graceful_shutdown)
{
    aw_queue q = AW_QUEUE_INIT();
    assert_int_equal(aw_queue_put_nowait(&q, INT(1)), 0);
    assert_int_equal(aw_queue_put_nowait(&q, INT(2)), 0);
    assert_int_equal(aw_queue_shutdown(&q), 0);
    assert_int_equal(aw_queue_size(&q), 2);
    aw_task *t = aw_create_task(join_queue, &q);
    assert_at_once(get_one(&q), 1);
    assert_int_equal(get(&q), 2);
    assert_shut(&q);
    passes(1);
    assert_false(aw_done(t));
    assert_int_equal(aw_queue_task_done(&q), 0);
    assert_int_equal(aw_queue_task_done(&q), 0);
    assert_int_equal(aw_queue_task_done(&q), -EINVAL);
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* QUE-022: A put blocked on a full queue fails with AW_ESHUTDOWN at shutdown and its item is not
 * added. */
TEST_IN_LOOP(QUE_022_blocked_put_at_shutdown)
{
    aw_queue q = AW_QUEUE_INIT(.maxsize = 1);
    assert_int_equal(aw_queue_put_nowait(&q, INT(1)), 0);
    aw_task *t = aw_create_task(put_two, &q);
    passes(1);
    assert_int_equal(aw_queue_shutdown(&q), 0);
    assert_int_equal(aw_queue_size(&q), 1);
    passes(1);
    assert_ended(t, AW_ESHUTDOWN);
    assert_int_equal(get(&q), 1);
    assert_shut(&q);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* QUE-023: An immediate shutdown drops all items, brings the size to 0 and lets join return if none
 * was out for processing; a further task-done fails with -EINVAL. */
TEST_IN_LOOP(QUE_023_immediate_shutdown)
{
    aw_queue q = AW_QUEUE_INIT();
    assert_int_equal(aw_queue_put_nowait(&q, "x"), 0);
    aw_task *t = aw_create_task(join_queue, &q);
    passes(1);
    assert_int_equal(aw_queue_shutdown(&q, .immediate = true), 0);
    assert_int_equal(aw_queue_size(&q), 0);
    passes(1);
    assert_ended(t, 0);
    assert_shut(&q);
    assert_int_equal(aw_queue_task_done(&q), -EINVAL);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* QUE-024: An immediate shutdown with one item out for processing leaves join waiting until that
 * one item's task-done. */
TEST_IN_LOOP(QUE_024_immediate_shutdown_with_work_underway)
{
    aw_queue q = AW_QUEUE_INIT();
    assert_int_equal(aw_queue_put_nowait(&q, INT(1)), 0);
    assert_int_equal(aw_queue_put_nowait(&q, INT(2)), 0);
    aw_task *t = aw_create_task(join_queue, &q);
    assert_int_equal(get_one(&q), 1);
    passes(1);
    assert_int_equal(aw_queue_shutdown(&q, .immediate = true), 0);
    assert_int_equal(aw_queue_size(&q), 0);
    passes(2);
    assert_false(aw_done(t));
    assert_shut(&q);
    assert_int_equal(aw_queue_task_done(&q), 0);
    assert_int_equal(aw_queue_task_done(&q), -EINVAL);
    passes(1);
    assert_ended(t, 0);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* QUE-025: Shutting down twice is harmless, and a graceful shutdown may be followed by an immediate
 * one. */
TEST_IN_LOOP(QUE_025_shutdown_twice)
{
    aw_queue q = AW_QUEUE_INIT();
    assert_int_equal(aw_queue_put_nowait(&q, INT(1)), 0);
    assert_int_equal(aw_queue_put_nowait(&q, INT(2)), 0);
    assert_int_equal(aw_queue_shutdown(&q), 0);
    assert_int_equal(aw_queue_shutdown(&q), 0);
    assert_int_equal(get(&q), 1);
    assert_int_equal(aw_queue_shutdown(&q, .immediate = true), 0);
    assert_int_equal(aw_queue_size(&q), 0);
    assert_int_equal(aw_queue_shutdown(&q, .immediate = true), 0);
    assert_int_equal(aw_queue_shutdown(&q), 0);
    assert_shut(&q);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* A hundred getters, then a hundred putters and as many joiners, are all told of a shutdown. */
static void shut_under(aw_fn *fn, aw_queue *q, int expected)
{
    aw_task *t[100];
    for (int i = 0; i < 100; i++)
        t[i] = aw_create_task(fn, q);
    passes(1);
    assert_true(aw_cancel(t[17]) && aw_cancel(t[99])); /* just now: they are still there */
    assert_int_equal(aw_queue_shutdown(q, .immediate = true), 0);
    passes(1);
    for (int i = 0; i < 100; i++)
        assert_ended(t[i], i == 17 || i == 99 ? -ECANCELED : expected);
    assert_shut(q);
    assert_int_equal(aw_queue_fini(q), 0);
}

TEST_IN_LOOP(queue_shut_down_under_a_hundred)
{
    aw_queue q = AW_QUEUE_INIT(.maxsize = 1);
    shut_under(get_one, &q, AW_ESHUTDOWN);
    assert_int_equal(aw_queue_put_nowait(&q, "x"), 0); /* fini made it as new */
    shut_under(put_two, &q, AW_ESHUTDOWN);
    assert_int_equal(aw_queue_put_nowait(&q, "x"), 0);
    shut_under(join_queue, &q, 0);
}

/* ---- items that are dropped ---- */

/* An immediate shutdown and the end give what is left to .release, in the queue's order. */
TEST_IN_LOOP(queue_releases_what_is_left)
{
    aw_queue q = AW_QUEUE_INIT(.release = note_release);
    assert_int_equal(aw_queue_put_nowait(&q, "a"), 0);
    assert_int_equal(aw_queue_put_nowait(&q, "b"), 0);
    assert_int_equal(aw_queue_put_nowait(&q, "c"), 0);
    void *item;
    assert_int_equal(aw_queue_get(&q, &item), 0); /* a is ours now */
    assert_int_equal(aw_queue_shutdown(&q, .immediate = true), 0);
    assert_trace("bc");
    assert_int_equal(aw_queue_fini(&q), 0);
    assert_trace("bc");
    q.order = AW_LIFO;
    assert_int_equal(aw_queue_put_nowait(&q, "d"), 0);
    assert_int_equal(aw_queue_put_nowait(&q, "e"), 0);
    assert_int_equal(aw_queue_fini(&q), 0);
    assert_trace("bced");
}

/* A queue that somebody waits on cannot be ended. */
TEST_IN_LOOP(queue_fini_under_a_waiter)
{
    aw_queue q = AW_QUEUE_INIT(.maxsize = 1);
    aw_task *t = aw_create_task(get_one, &q);
    passes(1);
    assert_int_equal(aw_queue_fini(&q), AW_EMISUSE);
    end_by_cancel(t);
    assert_int_equal(aw_queue_put_nowait(&q, INT(1)), 0);
    t = aw_create_task(put_two, &q);
    passes(1);
    assert_int_equal(aw_queue_fini(&q), AW_EMISUSE);
    assert_int_equal(get(&q), 1);
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(aw_queue_fini(&q), 0);
}
