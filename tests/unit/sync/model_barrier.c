/*
 * Model test of barriers: a round has its parties and no more, nobody stays behind, and only a
 * reset or an abort breaks it.
 */
#include "model.h"

#define PARTIES 4

static aw_barrier barrier = AW_BARRIER_INIT(PARTIES);
static int leaving;       /* of the round that is draining: how many may still get through */
static uint64_t breaking; /* the last call before the latest reset or abort was begun */
static bool aborted;
static uint64_t rounds, broken;
static bool must_break[ACTORS]; /* it was inside when the barrier was reset at rest */

static int reset(void *arg)
{
    (void)arg;
    return aw_barrier_reset(&barrier);
}

static int abort_it(void *arg)
{
    (void)arg;
    return aw_barrier_abort(&barrier);
}

/* The state changes at the end of the call: nothing suspends after that. */
static void disturb(struct actor *a, bool aborting)
{
    uint64_t before = play.calls;
    int err = call(a, aborting ? abort_it : reset, NULL);
    if (err < 0) {
        assert_true(is_cancelled(err));
        return;
    }
    breaking = play.calls;
    aborted = aborting;
    leaving = 0; /* those still in it are broken */
    assert_true(breaking > before && aw_barrier_broken(&barrier) == aborting);
}

static void got_through(int index)
{
    assert_in_range(index, 0, PARTIES - 1);
    assert_false(aborted);
    if (index == PARTIES - 1) { /* the last to come, who is the first to leave */
        leaving = PARTIES;
        rounds++;
    }
    assert_true(leaving > 0);
    leaving--;
}

static void step_barrier(struct actor *a)
{
    if (once_in(60)) {
        disturb(a, once_in(3));
        return;
    }
    must_break[a->id] = false;
    int err = call(a, wait_barrier, &barrier);
    assert_true(!must_break[a->id] || err == AW_EBROKEN || is_cancelled(err));
    if (err >= 0)
        got_through(err);
    else if (err == AW_EBROKEN)
        assert_true(aborted || breaking >= a->since), broken++;
    else
        assert_true(is_cancelled(err));
}

/* At rest everybody who waits is inside. */
static void reset_at_rest(void)
{
    assert_int_equal(aw_barrier_reset(&barrier), 0);
    for (int i = 0; i < ACTORS; i++)
        must_break[i] = play.actors[i].waiting;
    breaking = play.calls;
    aborted = false;
    leaving = 0;
}

static void barrier_at_rest(void)
{
    assert_int_equal(aw_barrier_broken(&barrier), aborted);
    assert_int_equal(aw_barrier_n_waiting(&barrier), n_waiting());
    assert_int_equal(barrier.count, n_waiting());
    assert_true(n_waiting() < (aborted ? 1 : PARTIES));
    for (int i = 0; i < ACTORS; i++)
        assert_false(must_break[i] && play.actors[i].waiting);
    if (once_in(aborted ? 2 : 20))
        reset_at_rest();
}

static void barrier_at_end(void)
{
    assert_int_equal(barrier.count, 0);
    assert_true(!barrier.cond.waiters.first && !barrier.cond.own.waiters.first);
    assert_true(rounds > 0 && broken > 0);
}

TEST_MODEL(model_barrier, step_barrier, barrier_at_rest, barrier_at_end)
