/*
 * Calls that make no sense: NULL, bad numbers, no task to suspend; and what reports say of waits.
 */
#include "util.h"

static int yes(void *arg)
{
    (void)arg;
    return 1;
}

/* NULL in place of a primitive is -EINVAL, or false. */
TEST_IN_LOOP(null_locks_and_events)
{
    aw_lock lock = AW_LOCK_INIT;
    assert_int_equal(aw_lock_acquire(NULL), -EINVAL);
    assert_string_equal(aw_errmsg(), "the lock is NULL");
    assert_int_equal(aw_lock_release(NULL), -EINVAL);
    assert_int_equal(aw_lock_call(NULL, yes, NULL), -EINVAL);
    assert_int_equal(aw_lock_call(&lock, NULL, NULL), -EINVAL);
    assert_false(aw_lock_locked(NULL));
    assert_int_equal(aw_event_set(NULL), -EINVAL);
    assert_int_equal(aw_event_clear(NULL), -EINVAL);
    assert_int_equal(aw_event_wait(NULL), -EINVAL);
    assert_false(aw_event_is_set(NULL));
}

TEST_IN_LOOP(null_conditions)
{
    aw_condition cond = AW_CONDITION_INIT(NULL);
    assert_int_equal(aw_condition_acquire(NULL), -EINVAL);
    assert_int_equal(aw_condition_release(NULL), -EINVAL);
    assert_int_equal(aw_condition_wait(NULL), -EINVAL);
    assert_int_equal(aw_condition_wait_for(NULL, yes, NULL), -EINVAL);
    assert_int_equal(aw_condition_wait_for(&cond, NULL, NULL), -EINVAL);
    assert_int_equal(aw_condition_notify(NULL, 1), -EINVAL);
    assert_int_equal(aw_condition_notify_all(NULL), -EINVAL);
    assert_false(aw_condition_locked(NULL));
}

TEST_IN_LOOP(null_semaphores_and_barriers)
{
    assert_int_equal(aw_semaphore_acquire(NULL), -EINVAL);
    assert_int_equal(aw_semaphore_release(NULL), -EINVAL);
    assert_int_equal(aw_semaphore_value(NULL), -EINVAL);
    assert_false(aw_semaphore_locked(NULL));
    assert_int_equal(aw_bounded_semaphore_acquire(NULL), -EINVAL);
    assert_int_equal(aw_bounded_semaphore_release(NULL), -EINVAL);
    assert_int_equal(aw_bounded_semaphore_value(NULL), -EINVAL);
    assert_false(aw_bounded_semaphore_locked(NULL));
    assert_int_equal(aw_barrier_wait(NULL), -EINVAL);
    assert_int_equal(aw_barrier_reset(NULL), -EINVAL);
    assert_int_equal(aw_barrier_abort(NULL), -EINVAL);
    assert_int_equal(aw_barrier_parties(NULL), -EINVAL);
    assert_int_equal(aw_barrier_n_waiting(NULL), -EINVAL);
    assert_false(aw_barrier_broken(NULL));
}

/* Every call on a queue that makes no sense. */
static void assert_no_queue(aw_queue *q)
{
    void *item = NULL;
    assert_int_equal(aw_queue_put(q, "x"), -EINVAL);
    assert_int_equal(aw_queue_get(q, &item), -EINVAL);
    assert_int_equal(aw_queue_put_nowait(q, "x"), -EINVAL);
    assert_int_equal(aw_queue_get_nowait(q, &item), -EINVAL);
    assert_int_equal(aw_queue_size(q), -EINVAL);
    assert_int_equal(aw_queue_maxsize(q), -EINVAL);
    assert_int_equal(aw_queue_task_done(q), -EINVAL);
    assert_int_equal(aw_queue_join(q), -EINVAL);
    assert_int_equal(aw_queue_shutdown(q), -EINVAL);
    assert_int_equal(aw_queue_fini(q), -EINVAL);
    assert_false(aw_queue_empty(q) || aw_queue_full(q));
    assert_null(item);
}

TEST_IN_LOOP(queues_that_make_no_sense)
{
    aw_queue unknown = AW_QUEUE_INIT(.order = (enum aw_queue_order)7);
    aw_queue incomparable = AW_QUEUE_INIT(.order = AW_PRIORITY);
    aw_queue good = AW_QUEUE_INIT();
    assert_no_queue(NULL);
    assert_string_equal(aw_errmsg(), "the queue is NULL");
    assert_no_queue(&unknown);
    assert_no_queue(&incomparable);
    assert_string_equal(aw_errmsg(), "a priority queue needs .compare");
    assert_int_equal(aw_queue_get(&good, NULL), -EINVAL);
    assert_int_equal(aw_queue_get_nowait(&good, NULL), -EINVAL);
}

/* A barrier of no parties, or fewer, answers every call with -EINVAL; zeros are such a one. */
TEST_IN_LOOP(barrier_without_parties)
{
    static aw_barrier barriers[] = {AW_BARRIER_INIT(0), AW_BARRIER_INIT(-4), {.count = 0}};
    for (int i = 0; i < 3; i++) {
        aw_barrier *b = &barriers[i];
        assert_int_equal(aw_barrier_wait(b), -EINVAL);
        assert_string_equal(aw_errmsg(), "a barrier has at least one party");
        assert_int_equal(aw_barrier_reset(b), -EINVAL);
        assert_int_equal(aw_barrier_abort(b), -EINVAL);
        assert_int_equal(aw_barrier_parties(b), -EINVAL);
        assert_int_equal(aw_barrier_n_waiting(b), -EINVAL);
        assert_false(aw_barrier_broken(b));
    }
}

/* A negative bounded semaphore is no better than a plain one. */
TEST_IN_LOOP(bounded_semaphore_negative)
{
    aw_bounded_semaphore sem = AW_BOUNDED_SEMAPHORE_INIT(-2);
    assert_int_equal(aw_bounded_semaphore_acquire(&sem), -EINVAL);
    assert_int_equal(aw_bounded_semaphore_release(&sem), -EINVAL);
    assert_int_equal(aw_bounded_semaphore_value(&sem), -EINVAL);
    assert_false(aw_bounded_semaphore_locked(&sem));
}

/* ---- no task to suspend ---- */

static int call_all(void *arg)
{
    (void)arg;
    static aw_lock lock;
    static aw_event event = {.is_set = true};
    static aw_condition cond;
    static aw_semaphore sem = AW_SEMAPHORE_INIT(1);
    static aw_bounded_semaphore bounded = AW_BOUNDED_SEMAPHORE_INIT(1);
    static aw_barrier barrier = AW_BARRIER_INIT(1);
    static aw_queue q;
    void *item;
    assert_int_equal(aw_lock_acquire(&lock), AW_EMISUSE);
    assert_int_equal(aw_lock_call(&lock, yes, NULL), AW_EMISUSE);
    assert_int_equal(aw_event_wait(&event), AW_EMISUSE);
    assert_int_equal(aw_condition_acquire(&cond), AW_EMISUSE);
    assert_int_equal(aw_condition_wait(&cond), AW_EMISUSE);
    assert_int_equal(aw_condition_wait_for(&cond, yes, NULL), AW_EMISUSE);
    assert_int_equal(aw_semaphore_acquire(&sem), AW_EMISUSE);
    assert_int_equal(aw_bounded_semaphore_acquire(&bounded), AW_EMISUSE);
    assert_int_equal(aw_barrier_wait(&barrier), AW_EMISUSE);
    assert_int_equal(aw_barrier_reset(&barrier), AW_EMISUSE);
    assert_int_equal(aw_barrier_abort(&barrier), AW_EMISUSE);
    assert_int_equal(aw_queue_put(&q, "x"), AW_EMISUSE);
    assert_int_equal(aw_queue_get(&q, &item), AW_EMISUSE);
    assert_int_equal(aw_queue_join(&q), AW_EMISUSE);
    assert_int_equal(aw_semaphore_value(&sem), 1);
    assert_false(aw_lock_locked(&lock));
    return 0;
}

/* What may suspend fails with AW_EMISUSE where no task runs, even if it would not have to. */
TEST(outside_any_loop)
{
    assert_int_equal(call_all(NULL), 0);
}

TEST_IN_LOOP(inside_a_callback)
{
    assert_int_equal(aw_call_soon(call_all, NULL), 0);
    passes(2);
}

/* What does not suspend works without a loop. */
TEST(without_a_loop)
{
    aw_event event = AW_EVENT_INIT;
    aw_semaphore sem = AW_SEMAPHORE_INIT(0);
    aw_queue q = AW_QUEUE_INIT();
    void *item;
    assert_int_equal(aw_event_set(&event), 0);
    assert_int_equal(aw_semaphore_release(&sem), 0);
    assert_int_equal(aw_queue_put_nowait(&q, "x"), 0);
    assert_int_equal(aw_queue_get_nowait(&q, &item), 0);
    assert_int_equal(aw_queue_task_done(&q), 0);
    assert_int_equal(aw_queue_shutdown(&q), 0);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* ---- reports ---- */

static char report_text[8192];

static int keep_text(const aw_report *r, void *arg)
{
    (void)arg;
    if (r->kind == AW_REPORT_DEADLOCK)
        snprintf(report_text, sizeof report_text, "%s", r->text);
    return 0;
}

/* What the tasks of a deadlock wait for. */
static struct {
    aw_lock lock;
    aw_event event;
    aw_condition cond, contended;
    aw_semaphore sem;
    aw_bounded_semaphore bounded;
    aw_barrier barrier;
    aw_queue empty, full;
} s = {.barrier = AW_BARRIER_INIT(3), .full = AW_QUEUE_INIT(.maxsize = 1)};

static int no(void *arg)
{
    (void)arg;
    return 0;
}

static int call_lock(void *arg)
{
    return aw_lock_call(arg, yes, NULL);
}

static int take_cond(void *arg)
{
    return aw_condition_acquire(arg);
}

static int wait_cond(void *arg)
{
    AW_TRY(take_cond(arg));
    int err = aw_condition_wait(arg);
    aw_ignore(aw_condition_release(arg));
    return err;
}

static int wait_cond_for(void *arg)
{
    AW_TRY(take_cond(arg));
    int err = aw_condition_wait_for(arg, no, NULL);
    aw_ignore(aw_condition_release(arg));
    return err;
}

static int take_bounded(void *arg)
{
    return aw_bounded_semaphore_acquire(arg);
}

static int get_item(void *arg)
{
    void *item;
    return aw_queue_get(arg, &item);
}

static int put_item(void *arg)
{
    return aw_queue_put(arg, "x");
}

static int block_everybody(void *arg)
{
    (void)arg;
    struct {
        aw_fn *fn;
        void *arg;
    } calls[] = {{take_lock, &s.lock}, {call_lock, &s.lock},       {wait_event, &s.event},
                 {wait_cond, &s.cond}, {wait_cond_for, &s.cond},   {wait_cond, &s.contended},
                 {take_unit, &s.sem},  {take_bounded, &s.bounded}, {wait_barrier, &s.barrier},
                 {get_item, &s.empty}, {put_item, &s.full},        {join_queue, &s.full}};
    AW_TRY(aw_lock_acquire(&s.lock));
    AW_TRY(aw_queue_put_nowait(&s.full, "x"));
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        AW_TRY(aw_spawn(calls[i].fn, calls[i].arg));
    AW_TRY(aw_sleep(1));
    AW_TRY(aw_condition_acquire(&s.contended));
    AW_TRY(aw_condition_notify(&s.contended, 1));
    AW_TRY(aw_spawn(take_cond, &s.contended));
    int err = aw_event_wait(&s.event); /* for ever: nothing is left to set it */
    aw_ignore(aw_condition_release(&s.contended));
    return err;
}

/* A report of a deadlock says of every task which call it waits in, and for what. */
TEST(reports_name_what_is_waited_for)
{
    static const char *const lines[] = {
        "aw_lock_acquire (lock, 2 waiting)",
        "aw_lock_call (lock, 2 waiting)",
        "aw_event_wait (event, 2 waiting)",
        "aw_condition_wait (condition, 2 waiting)",
        "aw_condition_wait_for (condition, 2 waiting)",
        "aw_condition_wait (its lock, 2 waiting)",
        "aw_condition_acquire (its lock, 2 waiting)",
        "aw_semaphore_acquire (semaphore, 1 waiting)",
        "aw_bounded_semaphore_acquire (semaphore, 1 waiting)",
        "aw_barrier_wait (barrier, filling, 1 of 3 in it)",
        "aw_queue_get (queue, size 0, 0 unfinished)",
        "aw_queue_put (queue, size 1 of 1, 1 unfinished)",
        "aw_queue_join (queue, size 1 of 1, 1 unfinished)",
    };
    assert_int_equal(aw_run(block_everybody, NULL, .exception_handler = keep_text), -EDEADLK);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (!strstr(report_text, lines[i]))
            fail_msg("no \"%s\" in:\n%s", lines[i], report_text);
    assert_int_equal(aw_queue_fini(&s.full), 0);
}
