/*
 * Events: whoever waits at the set gets through, whatever happens to the flag afterwards.
 */
#include "util.h"

/* SYNC-009: A new event is unset; set and clear change what is-set answers. */
TEST_IN_LOOP(SYNC_009_set_and_clear)
{
    aw_event event = AW_EVENT_INIT;
    assert_false(aw_event_is_set(&event));
    assert_int_equal(aw_event_set(&event), 0);
    assert_true(aw_event_is_set(&event));
    assert_int_equal(aw_event_set(&event), 0);
    assert_true(aw_event_is_set(&event));
    assert_int_equal(aw_event_clear(&event), 0);
    assert_false(aw_event_is_set(&event));
}

/* SYNC-010: Waiting on a set event succeeds at once, without suspending. */
TEST_IN_LOOP(SYNC_010_wait_on_a_set_event)
{
    aw_event event = AW_EVENT_INIT;
    assert_int_equal(aw_event_set(&event), 0);
    assert_at_once(aw_event_wait(&event), 0);
    assert_true(aw_event_is_set(&event));
}

/* Waits for the event and notes a letter. */
struct runner {
    aw_event *event;
    char name;
};

static int run(void *arg)
{
    struct runner *r = arg;
    AW_TRY(aw_event_wait(r->event));
    note(r->name);
    return 0;
}

#define RUNNER(event, name) (&(struct runner){(event), (name)})

/* SYNC-011: A task that first calls wait after the set, but before the woken waiters have run, gets
 * through ahead of them. */
TEST_IN_LOOP(SYNC_011_late_comer_is_first)
{
    aw_event event = AW_EVENT_INIT;
    aw_task *t1 = aw_create_task(run, RUNNER(&event, '1'));
    aw_task *t2 = aw_create_task(run, RUNNER(&event, '2'));
    passes(1);
    assert_trace("");
    aw_task *t3 = aw_create_task(run, RUNNER(&event, '3'));
    assert_int_equal(aw_event_set(&event), 0);
    passes(1);
    assert_trace("312");
    assert_ended(t1, 0);
    assert_ended(t2, 0);
    assert_ended(t3, 0);
}

/* SYNC-012: A set that is followed at once by a clear still lets those through who were waiting at
 * the set, though the event reads unset. */
TEST_IN_LOOP(SYNC_012_set_and_cleared_at_once)
{
    aw_event event = AW_EVENT_INIT;
    aw_task *t1 = aw_create_task(run, RUNNER(&event, '1'));
    passes(1);
    assert_int_equal(aw_event_set(&event), 0);
    assert_int_equal(aw_event_clear(&event), 0);
    assert_false(aw_event_is_set(&event));
    aw_task *t2 = aw_create_task(run, RUNNER(&event, '2'));
    passes(1);
    assert_trace("1");
    assert_ended(t1, 0);
    assert_false(aw_done(t2));
    assert_int_equal(aw_event_set(&event), 0);
    assert_int_equal(aw_event_set(&event), 0);
    assert_int_equal(aw_join(t2), 0);
}

/* A cancelled waiter ends with -ECANCELED and leaves nothing behind; the others wait on. */
TEST_IN_LOOP(event_cancelled_waiter)
{
    aw_event event = AW_EVENT_INIT;
    aw_task *t[3];
    for (int i = 0; i < 3; i++)
        t[i] = aw_create_task(wait_event, &event);
    passes(1);
    end_by_cancel(t[1]);
    assert_int_equal(aw_event_set(&event), 0);
    passes(1);
    assert_ended(t[0], 0);
    assert_ended(t[2], 0);
}

/* One that was woken and is cancelled before it runs ends cancelled; there is nothing to pass on.
 */
TEST_IN_LOOP(event_woken_and_cancelled)
{
    aw_event event = AW_EVENT_INIT;
    aw_task *t = aw_create_task(wait_event, &event);
    passes(1);
    assert_int_equal(aw_event_set(&event), 0);
    assert_true(aw_cancel(t, .msg = "too late"));
    assert_int_equal(aw_await(t), -ECANCELED);
    assert_string_equal(aw_errmsg(), "too late");
    aw_unref(t);
}

/* A thousand waiters are woken in the order in which they came, by a callback as well. */
static int set_event(void *arg)
{
    return aw_event_set(arg);
}

static int arrivals;

static int arrive(void *arg)
{
    AW_TRY(aw_event_wait(arg));
    return arrivals++;
}

TEST_IN_LOOP(event_many_waiters)
{
    aw_event event = AW_EVENT_INIT;
    static aw_task *t[1000];
    int n = (int)test_scale(1000, 200);
    for (int i = 0; i < n; i++)
        t[i] = aw_create_task(arrive, &event);
    passes(1);
    assert_int_equal(aw_call_soon(set_event, &event), 0);
    for (int i = 0; i < n; i++)
        assert_int_equal(aw_join(t[i]), i);
}
