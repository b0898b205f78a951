/*
 * Model test of locks and semaphores: never more inside than there are units, first come first
 * served among those who stay, nobody asleep while a unit is free.
 */
#include "model.h"

/* ---- lock ---- */

static aw_lock lock;
static struct actor *holder;

static void enter(struct actor *a)
{
    assert_null(holder);
    assert_true(aw_lock_locked(&lock));
    holder = a;
    assert_first(a);
}

static void leave(struct actor *a)
{
    assert_ptr_equal(holder, a);
    assert_true(aw_lock_locked(&lock));
    holder = NULL;
}

static int inside(void *arg)
{
    struct actor *a = arg;
    enter(a);
    a->waiting = false; /* not for the lock any more */
    int err = once_in(3) ? aw_sleep(1e-3 * pick(3)) : 0;
    leave(a);
    return err < 0 ? err : 5;
}

static int block(void *arg)
{
    return aw_lock_call(&lock, inside, arg);
}

static void step_lock(struct actor *a)
{
    if (once_in(4)) {
        int err = call(a, block, a);
        assert_true(err == 5 || is_cancelled(err));
        return;
    }
    int err = call(a, take_lock, &lock);
    if (err < 0) {
        assert_true(is_cancelled(err));
        return;
    }
    assert_int_equal(err, 0);
    enter(a);
    if (once_in(2))
        linger(a);
    leave(a);
    assert_int_equal(aw_lock_release(&lock), 0);
}

static void lock_at_rest(void)
{
    assert_int_equal(aw_lock_locked(&lock), holder != NULL);
    if (!holder)
        assert_int_equal(n_waiting(), 0);
}

static void lock_at_end(void)
{
    assert_false(aw_lock_locked(&lock));
    assert_null(lock.waiters.first);
    assert_int_equal(lock.loop, 0);
}

TEST_MODEL(model_lock, step_lock, lock_at_rest, lock_at_end)

/* ---- semaphore ---- */

#define UNITS 3

static aw_semaphore sem = AW_SEMAPHORE_INIT(UNITS);
static int held, extra; /* units that actors have; that were given beyond the initial ones */

static void step_semaphore(struct actor *a)
{
    if (once_in(50) && extra < UNITS) {
        extra++;
        assert_int_equal(aw_semaphore_release(&sem), 0);
        return;
    }
    int err = call(a, take_unit, &sem);
    if (err < 0) {
        assert_true(is_cancelled(err));
        return;
    }
    assert_first(a);
    held++;
    assert_true(held <= UNITS + extra && aw_semaphore_value(&sem) >= 0);
    if (once_in(2))
        linger(a);
    held--;
    if (extra && once_in(20)) {
        extra--; /* this one is gone */
        return;
    }
    assert_int_equal(aw_semaphore_release(&sem), 0);
}

static void semaphore_at_rest(void)
{
    assert_int_equal(aw_semaphore_value(&sem), UNITS + extra - held);
    if (aw_semaphore_value(&sem) > 0)
        assert_int_equal(n_waiting(), 0);
    assert_int_equal(aw_semaphore_locked(&sem), aw_semaphore_value(&sem) == 0);
}

static void semaphore_at_end(void)
{
    assert_int_equal(held, 0);
    assert_null(sem.waiters.first);
    semaphore_at_rest();
}

TEST_MODEL(model_semaphore, step_semaphore, semaphore_at_rest, semaphore_at_end)

/* ---- bounded semaphore ---- */

static aw_bounded_semaphore bounded = AW_BOUNDED_SEMAPHORE_INIT(UNITS);

static int take_bounded(void *arg)
{
    return aw_bounded_semaphore_acquire(arg);
}

static void step_bounded(struct actor *a)
{
    if (once_in(20)) {
        /* One too many is refused; another's unit given back is his loss, so not tried. */
        bool full = aw_bounded_semaphore_value(&bounded) == UNITS;
        if (full)
            assert_int_equal(aw_bounded_semaphore_release(&bounded), -EINVAL);
    }
    int err = call(a, take_bounded, &bounded);
    if (err < 0) {
        assert_true(is_cancelled(err));
        return;
    }
    assert_first(a);
    held++;
    assert_true(held <= UNITS);
    if (once_in(2))
        linger(a);
    held--;
    assert_int_equal(aw_bounded_semaphore_release(&bounded), 0);
}

static void bounded_at_rest(void)
{
    int value = aw_bounded_semaphore_value(&bounded);
    assert_int_equal(value, UNITS - held);
    if (value > 0)
        assert_int_equal(n_waiting(), 0);
}

TEST_MODEL(model_bounded_semaphore, step_bounded, bounded_at_rest, bounded_at_rest)
