/*
 * Model test of events and conditions: who was there at the set gets through, and a notification is
 * never lost with the one it was meant for.
 */
#include "model.h"

/* ---- event ---- */

static aw_event event;
static uint64_t last_set; /* the number of the last call before it */

static void set(void)
{
    assert_int_equal(aw_event_set(&event), 0);
    last_set = play.calls;
}

static void step_event(struct actor *a)
{
    if (once_in(8)) {
        set();
        if (once_in(2))
            assert_int_equal(aw_event_clear(&event), 0);
        return;
    }
    if (once_in(4))
        assert_int_equal(aw_event_clear(&event), 0);
    bool was_set = aw_event_is_set(&event);
    int err = call(a, wait_event, &event);
    if (err < 0)
        assert_true(is_cancelled(err));
    else
        assert_true(was_set || last_set >= a->since); /* it was set while this one waited */
}

static void event_at_rest(void)
{
    for (int i = 0; i < ACTORS; i++)
        if (play.actors[i].waiting)
            assert_true(play.actors[i].since > last_set && !aw_event_is_set(&event));
    if (once_in(3))
        set();
}

static void event_at_end(void)
{
    assert_null(event.waiters.first);
}

TEST_MODEL(model_event, step_event, event_at_rest, event_at_end)

/* ---- condition: a store with room for a few, notified one by one ---- */

#define ROOM 3

static aw_lock lock;
static aw_condition has_item = AW_CONDITION_INIT(&lock), has_room = AW_CONDITION_INIT(&lock);
static int items;
static struct actor *inside;
static bool wants_room[ACTORS]; /* what an actor that waits wants: room, or an item */

/* Who answers a predicate holds the lock; when it says no, the wait releases it. */
static int is_there(void *arg)
{
    struct actor *a = arg;
    assert_true(aw_lock_locked(&lock));
    assert_true(!inside || inside == a);
    bool yes = wants_room[a->id] ? items < ROOM : items > 0;
    inside = yes ? a : NULL;
    return yes ? 7 : 0;
}

static int wait_for_it(void *arg)
{
    struct actor *a = arg;
    return aw_condition_wait_for(wants_room[a->id] ? &has_room : &has_item, is_there, a);
}

static void trade(struct actor *a)
{
    items += wants_room[a->id] ? 1 : -1;
    assert_true(items >= 0 && items <= ROOM);
    aw_condition *other = wants_room[a->id] ? &has_item : &has_room;
    assert_true(aw_condition_notify(other, 1) >= 0);
    if (once_in(30))
        assert_true(aw_condition_notify_all(&has_item) >= 0); /* for nothing */
}

static void step_condition(struct actor *a)
{
    wants_room[a->id] = once_in(2);
    int err = call(a, take_lock, &lock);
    if (err < 0) {
        assert_true(is_cancelled(err));
        return;
    }
    assert_null(inside);
    inside = a;
    if (once_in(3))
        yield(a); /* inside, so that others queue for the lock */
    err = call(a, wait_for_it, a);
    assert_true(aw_lock_locked(&lock) && (!inside || inside == a)); /* held again, come what may */
    inside = a;
    if (err >= 0) {
        assert_int_equal(err, 7);
        trade(a);
    } else {
        assert_true(is_cancelled(err));
    }
    if (once_in(3))
        yield(a);
    if (once_in(30))
        linger(a);
    assert_ptr_equal(inside, a);
    inside = NULL;
    assert_int_equal(aw_lock_release(&lock), 0);
}

static void condition_at_rest(void)
{
    assert_int_equal(aw_lock_locked(&lock), inside != NULL);
    for (int i = 0; i < ACTORS && !inside; i++)
        if (play.actors[i].waiting)
            assert_true(wants_room[i] ? items == ROOM : items == 0);
}

static void condition_at_end(void)
{
    assert_false(aw_lock_locked(&lock));
    assert_true(!lock.waiters.first && !has_item.waiters.first && !has_room.waiters.first);
}

TEST_MODEL(model_condition, step_condition, condition_at_rest, condition_at_end)
