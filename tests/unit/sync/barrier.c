/*
 * Barriers: rounds of a fixed number of parties, and what resetting and aborting does to whom.
 */
#include "util.h"

#define N 5

/* What the tasks of a test share: a barrier of N, and counts of what they saw. */
static struct {
    aw_barrier barrier;
    int passed, broken, other; /* how often */
    int index[N];              /* of those that passed, in order of leaving */
    bool filling[N];           /* was it, as each left */
} party;

static void new_party(void)
{
    memset(&party, 0, sizeof party);
    party.barrier = (aw_barrier)AW_BARRIER_INIT(N);
}

/* One passage; counts what became of it. */
static int pass(void)
{
    int index = aw_barrier_wait(&party.barrier);
    if (index == AW_EBROKEN)
        party.broken++;
    if (index < 0)
        return index;
    if (party.passed < N) {
        party.filling[party.passed] = party.barrier.state == 0;
        party.index[party.passed] = index;
    }
    party.passed++;
    return index;
}

static int guest(void *arg)
{
    (void)arg;
    return pass();
}

/* So many tasks of the same work, as a gather that lets each fail. */
static void run_guests(aw_fn *fn, int n)
{
    aw_work works[16];
    for (int i = 0; i < n; i++)
        works[i] = AW_CORO(fn, INT(i));
    assert_int_equal(aw_gather_array(works, (size_t)n, .return_errors = true), 0);
}

static void start_guests(aw_task **tasks, int n)
{
    for (int i = 0; i < n; i++)
        tasks[i] = aw_create_task(guest, NULL);
    passes(1);
}

/* Nothing of a round is left over. */
static void assert_at_rest(bool broken)
{
    assert_int_equal(aw_barrier_n_waiting(&party.barrier), 0);
    assert_int_equal(party.barrier.count, 0);
    assert_int_equal(aw_barrier_broken(&party.barrier), broken);
}

/* SYNC-033: When the last of N parties arrives all N go on, each with a different index from 0 to
 * N-1, and nobody is counted as waiting any more. */
TEST_IN_LOOP(SYNC_033_all_go_on)
{
    new_party();
    aw_task *tasks[N - 1];
    assert_int_equal(aw_barrier_parties(&party.barrier), N);
    start_guests(tasks, N - 1);
    assert_int_equal(aw_barrier_n_waiting(&party.barrier), N - 1);
    assert_int_equal(party.passed, 0);
    assert_int_equal(pass(), N - 1);
    unsigned seen = 0;
    for (int i = 0; i < N - 1; i++)
        assert_int_equal(aw_join(tasks[i]), i);
    for (int i = 0; i < N; i++)
        seen |= 1u << party.index[i];
    assert_int_equal(seen, (1u << N) - 1);
    assert_at_rest(false);
}

/* SYNC-034: A barrier for one party never blocks: two waits in turn both return index 0. */
TEST_IN_LOOP(SYNC_034_barrier_for_one)
{
    aw_barrier barrier = AW_BARRIER_INIT(1);
    assert_at_once(aw_barrier_wait(&barrier), 0);
    assert_at_once(aw_barrier_wait(&barrier), 0);
    assert_int_equal(aw_barrier_n_waiting(&barrier), 0);
    assert_false(aw_barrier_broken(&barrier));
}

static int pass_twice(void *arg)
{
    (void)arg;
    AW_TRY(pass());
    return pass();
}

/* SYNC-035: A barrier can be used again at once: five tasks that pass it twice make ten passages
 * and leave it unbroken. */
TEST_IN_LOOP(SYNC_035_used_again_at_once)
{
    new_party();
    run_guests(pass_twice, N);
    assert_int_equal(party.passed, 2 * N);
    assert_at_rest(false);
}

/* SYNC-036: While woken parties are still leaving, the barrier is draining; the last one to leave
 * already finds it filling again. */
TEST_IN_LOOP(SYNC_036_draining)
{
    new_party();
    run_guests(guest, N);
    for (int i = 0; i < N; i++)
        assert_int_equal(party.filling[i], i == N - 1);
    assert_at_rest(false);
}

/* Who comes while a round is draining waits at the entrance for the next one. */
TEST_IN_LOOP(barrier_entrance_while_draining)
{
    new_party();
    aw_task *first[N - 1], *next[N];
    start_guests(first, N - 1);
    for (int i = 0; i < N; i++)
        next[i] = aw_create_task(guest, NULL);
    assert_int_equal(pass(), N - 1);
    assert_int_equal(aw_barrier_n_waiting(&party.barrier), 0); /* draining */
    for (int i = 0; i < N - 1; i++)
        assert_int_equal(aw_join(first[i]), i);
    unsigned seen = 0;
    for (int i = 0; i < N; i++)
        seen |= 1u << aw_join(next[i]);
    assert_int_equal(seen, (1u << N) - 1);
    assert_at_rest(false);
}

/* SYNC-037: Cancelling one waiting party lowers the waiting count by one and does not break the
 * barrier; another task can take the place. */
TEST_IN_LOOP(SYNC_037_cancelled_party)
{
    new_party();
    aw_task *tasks[N - 1];
    start_guests(tasks, N - 1);
    assert_true(aw_cancel(tasks[0]));
    passes(1);
    assert_int_equal(aw_barrier_n_waiting(&party.barrier), N - 2);
    assert_false(aw_barrier_broken(&party.barrier));
    assert_ended_cancelled(tasks[0]);
    aw_task *substitute = aw_create_task(guest, NULL);
    passes(4);
    assert_int_equal(aw_barrier_n_waiting(&party.barrier), N - 1);
    assert_int_equal(pass(), N - 1);
    for (int i = 1; i < N - 1; i++)
        assert_true(aw_join(tasks[i]) >= 0);
    assert_true(aw_join(substitute) >= 0);
    assert_int_equal(party.passed, N);
    assert_at_rest(false);
}

/* ---- reset ---- */

/* SYNC-038: Resetting a barrier makes every waiting party fail with AW_EBROKEN; the barrier itself
 * is not broken and works again. */
TEST_IN_LOOP(SYNC_038_reset_while_filling)
{
    new_party();
    aw_task *tasks[N - 1];
    start_guests(tasks, N - 1);
    assert_int_equal(aw_barrier_reset(&party.barrier), 0);
    for (int i = 0; i < N - 1; i++)
        assert_int_equal(aw_join(tasks[i]), AW_EBROKEN);
    assert_int_equal(party.broken, N - 1);
    assert_at_rest(false);
    run_guests(guest, N);
    assert_int_equal(party.passed, N);
    assert_at_rest(false);
}

/* A reset of a barrier nobody is at changes nothing, and does not suspend. */
TEST_IN_LOOP(barrier_reset_at_rest)
{
    new_party();
    assert_at_once(aw_barrier_reset(&party.barrier), 0);
    assert_at_rest(false);
    run_guests(guest, N);
    assert_int_equal(party.passed, N);
}

static int reset_when_half_are_out(void *arg)
{
    (void)arg;
    AW_TRY(pass());
    return party.barrier.count == N / 2 ? aw_barrier_reset(&party.barrier) : 0;
}

/* SYNC-039: A reset in the middle of draining gives AW_EBROKEN to those that had not yet left;
 * those already out are unaffected. */
TEST_IN_LOOP(SYNC_039_reset_while_draining)
{
    new_party();
    run_guests(reset_when_half_are_out, N);
    assert_int_equal(party.broken, N / 2);
    assert_int_equal(party.passed, N - N / 2);
    assert_at_rest(false);
}

static int waits_again(void *arg)
{
    (void)arg;
    int err = pass();
    if (err == AW_EBROKEN)
        return pass(); /* so that the next round has all its parties */
    AW_TRY(err);
    if (party.passed > N / 2)
        AW_TRY(aw_barrier_reset(&party.barrier));
    int broken = party.broken;
    err = pass();
    party.other += party.broken > broken && err == AW_EBROKEN;
    return err;
}

/* SYNC-040: Tasks blocked at the entrance of a draining barrier are not broken by a reset; they go
 * on to the next round. */
TEST_IN_LOOP(SYNC_040_reset_spares_the_entrance)
{
    new_party();
    run_guests(waits_again, N);
    assert_int_equal(party.broken, N / 2);
    assert_int_equal(party.other, 0);
    assert_int_equal(party.passed, N - N / 2 + N);
    assert_at_rest(false);
}

/* ---- abort ---- */

static int aborts_when_half_are_out(void *arg)
{
    (void)arg;
    AW_TRY(pass());
    if (party.passed > N / 2)
        return aw_barrier_abort(&party.barrier);
    int err = aw_barrier_wait(&party.barrier);
    party.other += err == AW_EBROKEN; /* at the entrance, having been out */
    return err;
}

/* SYNC-041: An abort gives AW_EBROKEN to those waiting, to those blocked at the entrance and to
 * everyone who comes later. */
TEST_IN_LOOP(SYNC_041_abort)
{
    new_party();
    run_guests(aborts_when_half_are_out, N);
    assert_int_equal(party.broken, N / 2);
    assert_int_equal(party.other, N - N / 2 - 1);
    assert_at_rest(true);
    assert_at_once(aw_barrier_wait(&party.barrier), AW_EBROKEN);
    assert_string_equal(aw_errmsg(), "the barrier was aborted");
}

static int fails_inside(void *arg)
{
    (void)arg;
    int index = pass();
    AW_TRY(index);
    if (index == N / 2) {
        party.other++;
        return aw_barrier_abort(&party.barrier);
    }
    return pass();
}

/* SYNC-042: If one of five parties fails inside the round and aborts, the other four get AW_EBROKEN
 * at their next wait. */
TEST_IN_LOOP(SYNC_042_abort_for_a_failure)
{
    new_party();
    run_guests(fails_inside, N);
    assert_int_equal(party.other, 1);
    assert_int_equal(party.broken, N - 1);
    assert_true(party.passed <= N); /* nobody has passed twice */
    assert_at_rest(true);
}

/* A reset makes an aborted barrier whole again. */
TEST_IN_LOOP(barrier_reset_after_abort)
{
    new_party();
    assert_int_equal(aw_barrier_abort(&party.barrier), 0);
    assert_true(aw_barrier_broken(&party.barrier));
    assert_int_equal(aw_barrier_reset(&party.barrier), 0);
    assert_false(aw_barrier_broken(&party.barrier));
    run_guests(guest, N);
    assert_int_equal(party.passed, N);
    assert_at_rest(false);
}

/* ---- cancelled ---- */

/* A party cancelled after the last one came, before it ran, ends cancelled; the round goes on. */
TEST_IN_LOOP(barrier_cancelled_while_draining)
{
    new_party();
    aw_task *tasks[N - 1];
    start_guests(tasks, N - 1);
    assert_int_equal(pass(), N - 1);
    assert_true(aw_cancel(tasks[1]));
    assert_int_equal(aw_join(tasks[1]), -ECANCELED);
    for (int i = 0; i < N - 1; i++)
        if (i != 1)
            assert_int_equal(aw_join(tasks[i]), i);
    assert_int_equal(party.passed, N - 1);
    assert_at_rest(false);
    run_guests(guest, N);
    assert_int_equal(party.passed, 2 * N - 1);
}

/* One cancelled at the entrance is not counted in the next round. */
TEST_IN_LOOP(barrier_cancelled_at_the_entrance)
{
    new_party();
    aw_task *tasks[N - 1];
    start_guests(tasks, N - 1);
    aw_task *late = aw_create_task(guest, NULL);
    assert_int_equal(pass(), N - 1);
    passes(1);
    assert_true(aw_cancel(late));
    assert_int_equal(aw_join(late), -ECANCELED);
    for (int i = 0; i < N - 1; i++)
        assert_int_equal(aw_join(tasks[i]), i);
    assert_at_rest(false);
}

static int wait_with_limit(void *arg)
{
    return aw_timeout_call(1, guest, arg);
}

/* A time limit on waiting takes the party back out. */
TEST_IN_LOOP(barrier_wait_with_a_time_limit)
{
    new_party();
    run_guests(wait_with_limit, N - 1);
    assert_at_rest(false);
    assert_int_equal(party.passed + party.broken, 0);
    assert_int_equal(aw_timeout_call(1, guest, NULL), -ETIMEDOUT);
    assert_at_rest(false);
}
