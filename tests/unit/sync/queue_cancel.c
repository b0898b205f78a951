/*
 * Queues: getters and putters that are cancelled lose nothing and leave nothing behind.
 */
#include "queues.h"

/* A queue of maximum 1 that holds the number 1. */
#define FULL_QUEUE(q)                                                                              \
    aw_queue q = AW_QUEUE_INIT(.maxsize = 1);                                                      \
    assert_int_equal(aw_queue_put_nowait(&q, INT(1)), 0)

/* QUE-008: If the first of two waiting getters is cancelled, the next item goes to the second. */
TEST_IN_LOOP(QUE_008_first_getter_cancelled)
{
    aw_queue q = AW_QUEUE_INIT();
    aw_task *a = aw_create_task(get_one, &q), *b = aw_create_task(get_one, &q);
    passes(1);
    end_by_cancel(a);
    assert_int_equal(aw_queue_put(&q, INT(5)), 0);
    passes(1);
    assert_ended(b, 5);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* The same with the cancellation not seen yet when the item is put. */
TEST_IN_LOOP(queue_first_getter_cancelled_just_now)
{
    aw_queue q = AW_QUEUE_INIT();
    aw_task *a = aw_create_task(get_one, &q), *b = aw_create_task(get_one, &q);
    passes(1);
    assert_true(aw_cancel(a));
    assert_int_equal(aw_queue_put(&q, INT(5)), 0);
    passes(1);
    assert_ended_cancelled(a);
    assert_ended(b, 5);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* QUE-011: A get given up on timeout leaves no waiting getter behind. */
TEST_IN_LOOP(QUE_011_get_with_a_time_limit)
{
    aw_queue q = AW_QUEUE_INIT(.maxsize = 5);
    double began = aw_time();
    assert_int_equal(aw_timeout_call(0.1, get_one, &q), -ETIMEDOUT);
    assert_time(aw_time() - began, 0.1);
    assert_int_equal(aw_queue_put_nowait(&q, INT(1)), 0);
    passes(2);
    assert_int_equal(aw_queue_size(&q), 1);
    assert_int_equal(aw_queue_fini(&q), 0); /* which refuses while somebody waits */
}

/* QUE-012: A blocked put that is cancelled leaves no waiting putter behind and does not add its
 * item. */
TEST_IN_LOOP(QUE_012_cancelled_put)
{
    FULL_QUEUE(q);
    aw_task *t = aw_create_task(put_two, &q);
    passes(1);
    end_by_cancel(t);
    assert_int_equal(aw_queue_size(&q), 1);
    assert_int_equal(get(&q), 1);
    passes(2);
    assert_int_equal(get(&q), AW_EEMPTY);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* QUE-013: With three waiting getters, two items put and the first getter cancelled, the other two
 * get the two items. */
TEST_IN_LOOP(QUE_013_woken_getter_cancelled)
{
    aw_queue q = AW_QUEUE_INIT();
    aw_task *t[3];
    for (int i = 0; i < 3; i++)
        t[i] = aw_create_task(get_one, &q);
    passes(1);
    assert_int_equal(aw_queue_put_nowait(&q, INT(1)), 0);
    assert_int_equal(aw_queue_put_nowait(&q, INT(2)), 0);
    end_by_cancel(t[0]);
    int second = aw_join(t[1]), third = aw_join(t[2]);
    assert_true((second == 1 && third == 2) || (second == 2 && third == 1));
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* QUE-014: A putter cancelled after room was made has not put its item; putting again puts it
 * exactly once. */
TEST_IN_LOOP(QUE_014_woken_putter_cancelled)
{
    FULL_QUEUE(q);
    aw_task *t = aw_create_task(put_two, &q);
    passes(1);
    assert_int_equal(get(&q), 1);
    end_by_cancel(t);
    assert_int_equal(aw_queue_size(&q), 0);
    assert_int_equal(aw_join(aw_create_task(put_two, &q)), 0);
    assert_int_equal(get(&q), 2);
    assert_int_equal(get(&q), AW_EEMPTY);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* QUE-015: A putter woken by a get and cancelled before it runs ends with plain -ECANCELED. */
TEST_IN_LOOP(QUE_015_plain_cancellation)
{
    FULL_QUEUE(q);
    aw_task *t = aw_create_task(put_two, &q);
    passes(1);
    assert_int_equal(get(&q), 1);
    assert_true(aw_cancel(t, .msg = "why"));
    assert_int_equal(aw_await(t), -ECANCELED);
    assert_string_equal(aw_errmsg(), "why");
    assert_ended_cancelled(t);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* The room that a cancelled putter was woken for goes to the next one. */
TEST_IN_LOOP(queue_room_is_passed_on)
{
    FULL_QUEUE(q);
    aw_task *a = aw_create_task(put_two, &q), *b = aw_create_task(put_two, &q);
    passes(1);
    assert_int_equal(get(&q), 1);
    assert_true(aw_cancel(a));
    passes(2);
    assert_ended_cancelled(a);
    assert_ended(b, 0);
    assert_int_equal(get(&q), 2);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* A getter woken for an item that somebody else took, and cancelled, has nothing to pass on. */
TEST_IN_LOOP(queue_nothing_to_pass_on)
{
    aw_queue q = AW_QUEUE_INIT();
    aw_task *a = aw_create_task(get_one, &q), *b = aw_create_task(get_one, &q);
    passes(1);
    assert_int_equal(aw_queue_put_nowait(&q, INT(1)), 0);
    assert_int_equal(get(&q), 1);
    end_by_cancel(a);
    passes(3);
    assert_false(aw_done(b));
    assert_int_equal(aw_queue_put_nowait(&q, INT(2)), 0);
    assert_int_equal(aw_join(b), 2);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* A cancelled join does not disturb the others. */
TEST_IN_LOOP(queue_cancelled_join)
{
    FULL_QUEUE(q);
    aw_task *a = aw_create_task(join_queue, &q), *b = aw_create_task(join_queue, &q);
    passes(1);
    end_by_cancel(a);
    assert_int_equal(get(&q), 1);
    assert_int_equal(aw_queue_task_done(&q), 0);
    assert_int_equal(aw_join(b), 0);
    assert_int_equal(aw_queue_fini(&q), 0);
}
