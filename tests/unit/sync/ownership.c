/*
 * Whose a primitive is: of the loop whose tasks wait on it; and what other loops and threads get.
 */
#include <pthread.h>

#include "util.h"

/* ---- two loops, one after the other in this thread ---- */

static int take_cond(void *arg)
{
    return aw_condition_acquire(arg);
}

static int wait_cond(void *arg)
{
    AW_TRY(aw_condition_acquire(arg));
    int err = aw_condition_wait(arg);
    if (err != AW_ETHREAD)
        aw_ignore(aw_condition_release(arg));
    return err;
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

/* A loop in which one task waits for something, and which does not run any more. */
struct parked {
    aw_loop *loop;
    aw_task *task;
};

static int run_on(aw_loop *l, aw_fn *fn, void *arg)
{
    aw_task *t = aw_create_task(fn, arg, .loop = l);
    int err = aw_loop_run_until_complete(l, t);
    aw_unref(t);
    return err;
}

static int yield_once(void *arg)
{
    (void)arg;
    return aw_sleep(0);
}

static struct parked park(aw_fn *fn, void *arg)
{
    struct parked p = {.loop = aw_loop_new()};
    assert_int_equal(aw_loop_set_exception_handler(p.loop, collect_report, NULL), 0);
    p.task = aw_create_task(fn, arg, .loop = p.loop);
    assert_int_equal(run_on(p.loop, yield_once, NULL), 0);
    assert_false(aw_done(p.task));
    return p;
}

/* The parked task has been woken from outside: it ends well. */
static void unpark(struct parked *p)
{
    assert_int_equal(aw_loop_run_until_complete(p->loop, p->task), 0);
    aw_unref(p->task);
    aw_loop_free(p->loop);
}

/* What a task of another loop gets for having to wait. */
static int elsewhere(aw_fn *fn, void *arg)
{
    aw_loop *l = aw_loop_new();
    aw_task *t = aw_create_task(fn, arg, .loop = l);
    int err = aw_loop_run_until_complete(l, t);
    aw_unref(t);
    aw_loop_free(l);
    return err;
}

/* QUE-026: A queue on which a task has to wait belongs to that loop; having to wait on it from
 * another loop fails with AW_ETHREAD. */
TEST(QUE_026_queue_of_another_loop)
{
    static aw_queue q = AW_QUEUE_INIT(.maxsize = 1);
    struct parked p = park(get_item, &q);
    assert_int_equal(elsewhere(get_item, &q), AW_ETHREAD);
    assert_int_equal(aw_queue_put_nowait(&q, "x"), 0); /* no loop runs: wakes the parked one */
    assert_int_equal(elsewhere(get_item, &q), 0);      /* does not have to wait */
    assert_int_equal(aw_queue_put_nowait(&q, "x"), 0);
    unpark(&p);
    p = park(get_item, &q);
    assert_int_equal(aw_queue_put_nowait(&q, "x"), 0);
    unpark(&p);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* So is one on which a task waits to put, or to join. */
TEST(queue_of_another_loop_in_other_ways)
{
    static aw_queue q = AW_QUEUE_INIT(.maxsize = 1);
    assert_int_equal(aw_queue_put_nowait(&q, "x"), 0);
    struct parked p = park(put_item, &q);
    assert_int_equal(elsewhere(put_item, &q), AW_ETHREAD);
    assert_int_equal(elsewhere(join_queue, &q), AW_ETHREAD);
    void *item;
    assert_int_equal(aw_queue_get_nowait(&q, &item), 0);
    unpark(&p);
    p = park(join_queue, &q);
    assert_int_equal(elsewhere(put_item, &q), AW_ETHREAD);
    assert_int_equal(aw_queue_task_done(&q), 0);
    assert_int_equal(aw_queue_task_done(&q), 0);
    unpark(&p);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* A lock belongs to the loop whose tasks wait on it, and still while one of them holds it; once
 * free, it is anybody's. */
TEST(lock_of_another_loop)
{
    static aw_lock lock;
    lock.locked = true;
    struct parked p = park(take_lock, &lock);
    assert_int_equal(elsewhere(take_lock, &lock), AW_ETHREAD);
    assert_string_equal(aw_errmsg(), "the lock belongs to another loop");
    assert_int_equal(aw_lock_release(&lock), 0);
    assert_int_equal(elsewhere(take_lock, &lock), AW_ETHREAD); /* would have to wait its turn */
    unpark(&p);
    assert_true(aw_lock_locked(&lock));
    assert_int_equal(elsewhere(take_lock, &lock), AW_ETHREAD);
    assert_int_equal(aw_lock_release(&lock), 0);
    assert_int_equal(elsewhere(take_lock, &lock), 0);
    p = park(take_lock, &lock);
    assert_int_equal(aw_lock_release(&lock), 0);
    unpark(&p);
}

/* An event and a condition belong to the loop whose tasks wait on them. */
TEST(event_and_condition_of_another_loop)
{
    static aw_event event;
    static aw_condition cond;
    struct parked p = park(wait_event, &event);
    assert_int_equal(elsewhere(wait_event, &event), AW_ETHREAD);
    assert_int_equal(aw_event_set(&event), 0);
    assert_int_equal(elsewhere(wait_event, &event), 0);
    unpark(&p);
    assert_int_equal(aw_event_clear(&event), 0);
    p = park(wait_event, &event);
    assert_int_equal(aw_event_set(&event), 0);
    unpark(&p);
    p = park(wait_cond, &cond);
    assert_int_equal(elsewhere(wait_cond, &cond), AW_ETHREAD);
    assert_true(aw_condition_locked(&cond)); /* wait_cond() keeps it then */
    assert_int_equal(aw_condition_notify_all(&cond), 1);
    assert_int_equal(aw_condition_release(&cond), 0);
    unpark(&p);
}

/* A semaphore belongs to a loop until nobody waits and all units are back. */
TEST(semaphore_of_another_loop)
{
    static aw_semaphore sem = AW_SEMAPHORE_INIT(1), signal;
    assert_int_equal(elsewhere(take_unit, &sem), 0);
    struct parked p = park(take_unit, &sem);
    assert_int_equal(elsewhere(take_unit, &sem), AW_ETHREAD);
    assert_int_equal(aw_semaphore_release(&sem), 0);
    unpark(&p);
    assert_int_equal(elsewhere(take_unit, &sem), AW_ETHREAD); /* one is out */
    assert_int_equal(aw_semaphore_release(&sem), 0);
    assert_int_equal(elsewhere(take_unit, &sem), 0);
    p = park(take_unit, &sem); /* one is out again, but its owner is gone: anybody may wait */
    assert_int_equal(aw_semaphore_release(&sem), 0);
    unpark(&p);
    p = park(take_unit, &signal);
    assert_int_equal(elsewhere(take_unit, &signal), AW_ETHREAD);
    assert_int_equal(aw_semaphore_release(&signal), 0);
    unpark(&p);
    p = park(take_unit, &signal);
    assert_int_equal(aw_semaphore_release(&signal), 0);
    unpark(&p);
}

static int reset_barrier(void *arg)
{
    return aw_barrier_reset(arg);
}

/* A barrier belongs to the loop whose tasks wait in it: not even the last party may be another's.
 */
TEST(barrier_of_another_loop)
{
    static aw_barrier barrier = AW_BARRIER_INIT(2);
    struct parked p = park(wait_barrier, &barrier);
    assert_int_equal(elsewhere(wait_barrier, &barrier), AW_ETHREAD);
    assert_int_equal(elsewhere(reset_barrier, &barrier), AW_ETHREAD);
    assert_int_equal(aw_barrier_n_waiting(&barrier), 1);
    assert_int_equal(run_on(p.loop, wait_barrier, &barrier), 1);
    unpark(&p);
    barrier.parties = 1;
    assert_int_equal(elsewhere(wait_barrier, &barrier), 0);
}

/* ---- another thread ---- */

/* What tasks wait on while a thread that is not theirs tries to wake them. */
static struct {
    aw_lock lock;
    aw_event event;
    aw_condition cond;
    aw_semaphore sem;
    aw_bounded_semaphore bounded;
    aw_queue empty, full;
} s = {.bounded = AW_BOUNDED_SEMAPHORE_INIT(1), .full = AW_QUEUE_INIT(.maxsize = 1)};

static int take_bounded(void *arg)
{
    return aw_bounded_semaphore_acquire(arg);
}

static void *try_to_wake(void *arg)
{
    (void)arg;
    void *item = NULL;
    assert_int_equal(aw_lock_release(&s.lock), AW_ETHREAD);
    assert_non_null(strstr(aw_errmsg(), "the loop runs in thread"));
    assert_int_equal(aw_event_set(&s.event), AW_ETHREAD);
    assert_int_equal(aw_condition_notify(&s.cond, 1), AW_ETHREAD);
    assert_int_equal(aw_condition_notify_all(&s.cond), AW_ETHREAD);
    assert_int_equal(aw_condition_release(&s.cond), AW_ETHREAD);
    assert_int_equal(aw_semaphore_release(&s.sem), AW_ETHREAD);
    assert_int_equal(aw_bounded_semaphore_release(&s.bounded), AW_ETHREAD);
    assert_int_equal(aw_queue_put_nowait(&s.empty, "x"), AW_ETHREAD);
    assert_int_equal(aw_queue_shutdown(&s.empty), AW_ETHREAD);
    assert_int_equal(aw_queue_get_nowait(&s.full, &item), AW_ETHREAD);
    assert_int_equal(aw_queue_shutdown(&s.full, .immediate = true), AW_ETHREAD);
    assert_int_equal(aw_queue_task_done(&s.full), AW_ETHREAD);
    assert_null(item);
    return NULL;
}

/* A call that would wake a task of a loop that runs in another thread fails with AW_ETHREAD and has
 * no effect. */
TEST_IN_LOOP(another_thread_wakes_nobody)
{
    assert_int_equal(aw_lock_acquire(&s.lock), 0);
    assert_int_equal(aw_bounded_semaphore_acquire(&s.bounded), 0);
    assert_int_equal(aw_queue_put_nowait(&s.full, "x"), 0);
    aw_task *t[] = {
        aw_create_task(take_lock, &s.lock),       aw_create_task(wait_event, &s.event),
        aw_create_task(wait_cond, &s.cond),       aw_create_task(take_unit, &s.sem),
        aw_create_task(take_bounded, &s.bounded), aw_create_task(get_item, &s.empty),
        aw_create_task(put_item, &s.full),        aw_create_task(join_queue, &s.full),
    };
    enum { TASKS = sizeof t / sizeof t[0] };
    passes(1);
    assert_int_equal(aw_condition_acquire(&s.cond), 0);
    aw_task *locked_out = aw_create_task(take_cond, &s.cond);
    passes(1);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, try_to_wake, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    passes(3);
    for (int i = 0; i < TASKS; i++)
        assert_false(aw_done(t[i]));
    assert_true(aw_lock_locked(&s.lock) && !aw_event_is_set(&s.event));
    assert_true(aw_queue_empty(&s.empty) && aw_queue_full(&s.full));
    end_by_cancel(locked_out);
    assert_int_equal(aw_condition_release(&s.cond), 0);
    for (int i = 0; i < TASKS; i++)
        end_by_cancel(t[i]);
    assert_int_equal(aw_queue_fini(&s.full), 0);
}

static int wait_for_lock(void *arg)
{
    assert_int_equal(aw_lock_acquire(arg), AW_ETHREAD);
    return 0;
}

static void *run_a_loop(void *arg)
{
    assert_int_equal(aw_run(wait_for_lock, arg), 0);
    return NULL;
}

/* Nor can a loop in another thread wait on what belongs to this one. */
TEST_IN_LOOP(another_threads_loop_cannot_wait)
{
    aw_lock lock = AW_LOCK_INIT;
    assert_int_equal(aw_lock_acquire(&lock), 0);
    aw_task *t = aw_create_task(take_lock, &lock);
    passes(1);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_a_loop, &lock), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(aw_lock_release(&lock), 0);
    assert_int_equal(aw_join(t), 0);
}

/* ---- loops that are closed over waiting tasks ---- */

/* Closes the loop although its task waits; the report of that is the only one. */
static void close_over(struct parked *p)
{
    aw_loop_free(p->loop);
    assert_true(aw_cancelled(p->task));
    aw_unref(p->task);
    assert_reports(1);
}

/* A primitive outlives the loop of those who waited on it: they are gone, and it works again. */
TEST(primitives_outlive_a_loop)
{
    static aw_lock lock;
    static aw_event event;
    static aw_condition cond;
    static aw_semaphore sem;
    static aw_queue q;
    lock.locked = true;
    struct parked p[] = {park(take_lock, &lock), park(wait_event, &event), park(wait_cond, &cond),
                         park(take_unit, &sem), park(get_item, &q)};
    for (int i = 0; i < 5; i++)
        close_over(&p[i]);
    assert_int_equal(aw_lock_release(&lock), 0);
    assert_int_equal(elsewhere(take_lock, &lock), 0);
    assert_int_equal(aw_event_set(&event), 0);
    assert_int_equal(elsewhere(wait_event, &event), 0);
    assert_int_equal(elsewhere(take_cond, &cond), 0);
    assert_int_equal(aw_condition_notify_all(&cond), 0);
    assert_int_equal(aw_semaphore_release(&sem), 0);
    assert_int_equal(elsewhere(take_unit, &sem), 0);
    assert_int_equal(elsewhere(put_item, &q), 0);
    assert_int_equal(elsewhere(get_item, &q), 0);
    assert_int_equal(aw_queue_fini(&q), 0);
}

/* So it does when the task had been woken, and never ran: what it was granted is there again. */
TEST(granted_to_a_task_that_never_ran)
{
    static aw_lock lock;
    static aw_semaphore sem;
    static aw_queue q;
    lock.locked = true;
    struct parked p[] = {park(take_lock, &lock), park(take_unit, &sem), park(get_item, &q)};
    assert_int_equal(aw_lock_release(&lock), 0);
    assert_int_equal(aw_semaphore_release(&sem), 0);
    assert_int_equal(aw_semaphore_value(&sem), 0);
    assert_int_equal(aw_queue_put_nowait(&q, "x"), 0);
    for (int i = 0; i < 3; i++)
        close_over(&p[i]);
    assert_int_equal(elsewhere(take_lock, &lock), 0);
    assert_int_equal(aw_semaphore_value(&sem), 1);
    assert_int_equal(elsewhere(take_unit, &sem), 0);
    assert_int_equal(elsewhere(get_item, &q), 0);
    assert_int_equal(aw_queue_fini(&q), 0);
}

static int take_it_and_end(void *arg)
{
    AW_TRY(aw_spawn(wait_cond, arg));
    AW_TRY(aw_sleep(1));
    return aw_condition_acquire(arg); /* and never releases it */
}

/* A condition's wait that cannot get its lock back is given up in the end, like any task that would
 * not stop; what it stood in line for can be used again. */
TEST(condition_that_never_gets_its_lock)
{
    static aw_condition cond;
    assert_int_equal(aw_run(take_it_and_end, &cond, .exception_handler = collect_report), 0);
    assert_int_equal(reports.kind, AW_REPORT_WOULD_NOT_STOP);
    assert_reports(2); /* cancelled at the end of the run; given up */
    assert_true(aw_condition_locked(&cond));
    assert_int_equal(aw_condition_release(&cond), 0);
    assert_int_equal(elsewhere(take_cond, &cond), 0);
    assert_int_equal(aw_condition_notify_all(&cond), 0);
}
