/*
 * Queues: what goes in comes out, once, in order; who waits, and who need not.
 */
#include "queues.h"

/* Puts a number into a queue, which is an item like others. */
static int put(aw_queue *q, int n)
{
    return aw_queue_put_nowait(q, INT(n));
}

/* QUE-001: A new queue is empty with size 0; without a maximum it is never full. */
TEST_IN_LOOP(QUE_001_new_queue)
{
    aw_queue q = AW_QUEUE_INIT();
    assert_int_equal(aw_queue_size(&q), 0);
    assert_true(aw_queue_empty(&q));
    assert_false(aw_queue_full(&q));
    for (int i = 0; i < 1000; i++)
        assert_int_equal(put(&q, i), 0);
    assert_int_equal(aw_queue_size(&q), 1000);
    assert_false(aw_queue_empty(&q) || aw_queue_full(&q));
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* QUE-002: Items come out in the order they went in. */
TEST_IN_LOOP(QUE_002_first_in_first_out)
{
    static aw_queue q;
    int in = 0, out = 0;
    for (int round = 1; round < 60; round++) { /* in and out by turns: the ring goes round, grows */
        for (int i = 0; i < round; i++)
            assert_int_equal(put(&q, in++), 0);
        for (int i = 0; i < round - round / 7; i++)
            assert_int_equal(get(&q), out++);
    }
    while (!aw_queue_empty(&q))
        assert_int_equal(get(&q), out++);
    assert_int_equal(out, in);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* QUE-003: A maximum of 0 or below means unbounded. */
TEST_IN_LOOP(QUE_003_no_maximum)
{
    int sizes[] = {0, -1, -1000};
    for (int i = 0; i < 3; i++) {
        aw_queue q = AW_QUEUE_INIT(.maxsize = sizes[i]);
        assert_int_equal(aw_queue_maxsize(&q), sizes[i]);
        for (int k = 0; k < 100; k++)
            assert_int_equal(put(&q, k), 0);
        assert_false(aw_queue_full(&q));
        assert_int_equal(aw_queue_fini(&q), 0);
    }
}

/* QUE-004: Put on a queue with room, and get on a queue with items, do not suspend. */
TEST_IN_LOOP(QUE_004_no_suspension_without_need)
{
    aw_queue q = AW_QUEUE_INIT(.maxsize = 2);
    void *item;
    assert_at_once(aw_queue_put(&q, "a"), 0);
    assert_at_once(aw_queue_put(&q, "b"), 0);
    assert_true(aw_queue_full(&q));
    assert_at_once(aw_queue_get(&q, &item), 0);
    assert_string_equal(item, "a");
    assert_at_once(aw_queue_get(&q, &item), 0);
    assert_string_equal(item, "b");
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* QUE-005: A non-waiting get on an empty queue fails with AW_EEMPTY. */
TEST_IN_LOOP(QUE_005_nothing_to_get)
{
    aw_queue q = AW_QUEUE_INIT();
    void *item = &q;
    assert_int_equal(aw_queue_get_nowait(&q, &item), AW_EEMPTY);
    assert_ptr_equal(item, &q);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* QUE-006: A non-waiting put on a full queue fails with AW_EFULL. */
TEST_IN_LOOP(QUE_006_no_room)
{
    aw_queue q = AW_QUEUE_INIT(.maxsize = 1);
    assert_int_equal(put(&q, 1), 0);
    assert_int_equal(put(&q, 2), AW_EFULL);
    assert_int_equal(aw_queue_size(&q), 1);
    assert_int_equal(get(&q), 1);
    assert_int_equal(put(&q, 3), 0);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* QUE-007: A non-waiting get may take an item meant for a getter that was woken but has not run;
 * that getter goes on waiting and gets the next item. */
TEST_IN_LOOP(QUE_007_item_taken_before_the_getter_ran)
{
    aw_queue q = AW_QUEUE_INIT();
    aw_task *t = aw_create_task(get_one, &q);
    passes(1);
    assert_int_equal(put(&q, 1), 0);
    assert_int_equal(get(&q), 1);
    passes(3);
    assert_false(aw_done(t));
    assert_int_equal(put(&q, 2), 0);
    assert_int_equal(aw_join(t), 2);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* Puts a number, then notes it. */
struct putting {
    aw_queue *q;
    int n;
};

static int put_one(void *arg)
{
    struct putting *p = arg;
    AW_TRY(aw_queue_put(p->q, INT(p->n)));
    note((char)('0' + p->n));
    return 0;
}

#define PUTTING(q, n) (&(struct putting){(q), (n)})

/* QUE-009: Waiting putters are let in in waiting order. */
TEST_IN_LOOP(QUE_009_putters_in_order)
{
    aw_queue q = AW_QUEUE_INIT(.maxsize = 1);
    assert_int_equal(put(&q, 0), 0);
    aw_task *a = aw_create_task(put_one, PUTTING(&q, 1));
    aw_task *b = aw_create_task(put_one, PUTTING(&q, 2));
    aw_task *c = aw_create_task(put_one, PUTTING(&q, 3));
    passes(1);
    for (int i = 0; i <= 3; i++) {
        assert_int_equal(get(&q), i);
        passes(1);
    }
    assert_trace("123");
    assert_ended(a, 0);
    assert_ended(b, 0);
    assert_ended(c, 0);
    assert_int_equal(aw_queue_fini(&q), 0);
}

#define ITEMS 5

static int produce(void *arg)
{
    for (int i = 0; i < ITEMS; i++)
        AW_TRY(aw_queue_put(arg, INT(i)));
    return 0;
}

static int consume(void *arg)
{
    for (int i = 0; i < ITEMS; i++)
        assert_int_equal(get_one(arg), i);
    return 0;
}

/* QUE-010: A producer and a consumer on a queue of maximum 1 both finish; neither is left
 * waiting. */
TEST_IN_LOOP(QUE_010_producer_and_consumer)
{
    aw_queue q = AW_QUEUE_INIT(.maxsize = 1);
    assert_int_equal(aw_gather(AW_CORO(produce, &q), AW_CORO(consume, &q)), 0);
    assert_int_equal(aw_gather(AW_CORO(consume, &q), AW_CORO(produce, &q)), 0);
    assert_true(aw_queue_empty(&q));
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* ---- the other orders ---- */

/* QUE-016: A last-in-first-out queue fed 1, 3, 2 delivers 2, 3, 1. */
TEST_IN_LOOP(QUE_016_last_in_first_out)
{
    aw_queue q = AW_QUEUE_INIT(.order = AW_LIFO);
    assert_int_equal(put(&q, 1), 0);
    assert_int_equal(put(&q, 3), 0);
    assert_int_equal(put(&q, 2), 0);
    assert_int_equal(get(&q), 2);
    assert_int_equal(get(&q), 3);
    assert_int_equal(get(&q), 1);
    assert_int_equal(get(&q), AW_EEMPTY);
    assert_int_equal(aw_queue_fini(&q), 0);
}

static int by_number(const void *a, const void *b)
{
    intptr_t x = (intptr_t)a, y = (intptr_t)b;
    return (x > y) - (x < y);
}

/* A priority queue delivers the least first. */
TEST_IN_LOOP(queue_least_first)
{
    aw_queue q = AW_QUEUE_INIT(.order = AW_PRIORITY, .compare = by_number, .maxsize = 5000);
    uint32_t x = 1;
    for (int i = 0; i < 5000; i++) {
        x = x * 1664525 + 1013904223;
        assert_int_equal(put(&q, (int)(x >> 20)), 0);
    }
    assert_int_equal(put(&q, 1), AW_EFULL);
    for (int i = 0, last = 0; i < 5000; i++) {
        int n = get(&q);
        assert_true(n >= last);
        last = n;
    }
    assert_int_equal(aw_queue_fini(&q), 0);
}

static int by_tens(const void *a, const void *b)
{
    return by_number(INT((intptr_t)a / 10), INT((intptr_t)b / 10));
}

/* Items of equal priority come in the order they were put. */
TEST_IN_LOOP(queue_equals_in_order)
{
    aw_queue q = AW_QUEUE_INIT(.order = AW_PRIORITY, .compare = by_tens);
    int in[] = {35, 11, 39, 15, 30, 19, 20, 10, 31}, out[] = {11, 15, 19, 10, 20, 35, 39, 30, 31};
    for (int i = 0; i < 9; i++)
        assert_int_equal(put(&q, in[i]), 0);
    for (int i = 0; i < 9; i++)
        assert_int_equal(get(&q), out[i]);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* ---- storage ---- */

/* NULL is an item like others. */
TEST_IN_LOOP(queue_of_null)
{
    aw_queue q = AW_QUEUE_INIT();
    void *item = &q;
    assert_int_equal(aw_queue_put(&q, NULL), 0);
    assert_int_equal(aw_queue_get(&q, &item), 0);
    assert_null(item);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* A queue that is never put to has nothing to free; one in steady use does not allocate. */
TEST(queue_allocates_to_grow_only)
{
    count_memory();
    aw_queue q = AW_QUEUE_INIT();
    assert_int_equal(get(&q), AW_EEMPTY);
    assert_int_equal(memory.live, 0);
    assert_int_equal(put(&q, 1), 0);
    assert_int_equal(memory.live, 1);
    memory.failing = true;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(put(&q, i), 0);
        assert_true(get(&q) >= 0);
    }
    memory.failing = false;
    assert_int_equal(aw_queue_fini(&q), 0);
    assert_int_equal(memory.live, 0);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* Without memory to grow, a put fails with -ENOMEM and changes nothing. */
TEST(queue_cannot_grow)
{
    count_memory();
    aw_queue q = AW_QUEUE_INIT();
    memory.failing = true;
    assert_int_equal(put(&q, 1), -ENOMEM);
    assert_int_equal(aw_queue_size(&q), 0);
    assert_int_equal(aw_queue_task_done(&q), -EINVAL);
    memory.failing = false;
    int n = 0;
    while (n < 8)
        assert_int_equal(put(&q, n++), 0);
    memory.failing = true;
    assert_int_equal(put(&q, n), -ENOMEM);
    memory.failing = false;
    for (int i = 0; i < n; i++)
        assert_int_equal(get(&q), i);
    assert_int_equal(aw_queue_fini(&q), 0);
    assert_int_equal(memory.live, 0);
}
