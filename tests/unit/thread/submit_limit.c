/*
 * A limit on submissions: what is over it is refused and stays the caller's, however the others
 * end; and memory stays bounded by it, whatever threads ask for.
 */
#include "util.h"

static const aw_loop_thread_opts with_limit = {.name = "limited", .submit_limit = 4};

static aw_cfuture *refused(aw_loop *l, aw_fn *fn, void *arg, _Atomic int *released)
{
    aw_cfuture *f = aw_submit(l, fn, arg, .release = count_release);
    assert_null(f);
    assert_int_equal(aw_errno(), AW_EFULL);
    assert_non_null(strstr(aw_errmsg(), ".submit_limit"));
    assert_int_equal(*released, 0);
    return f;
}

TEST_REAL_CLOCK(submit_limit_counts_what_has_begun)
{
    aw_loop_thread *lt = aw_loop_thread_start_(&with_limit);
    aw_loop *l = aw_loop_thread_loop(lt);
    aw_cfuture *fs[4];
    for (int i = 0; i < 4; i++)
        assert_non_null(fs[i] = aw_submit(l, sleep_long, NULL));
    _Atomic int released = 0;
    refused(l, sleep_long, &released, &released);
    assert_int_equal(aw_call_soon_threadsafe(l, count_up, &released), AW_EFULL);
    assert_int_equal(released, 0);
    assert_true(aw_cfuture_cancel(fs[0]));
    assert_int_equal(aw_cfuture_join(fs[0], INFINITY), -ECANCELED);
    assert_int_equal(aw_call_soon_threadsafe(l, do_nothing, NULL), 0); /* there is room for one */
    for (int i = 1; i < 4; i++) {
        aw_cfuture_cancel(fs[i]);
        assert_int_equal(aw_cfuture_join(fs[i], INFINITY), -ECANCELED);
    }
    stop_loop(lt);
}

/* Nothing of what was refused is counted, nor what failed for other reasons. */
TEST_REAL_CLOCK(submit_limit_is_given_back)
{
    count_memory();
    aw_loop_thread *lt = aw_loop_thread_start_(&with_limit);
    aw_loop *l = aw_loop_thread_loop(lt);
    for (int i = 0; i < 20; i++) {
        no_memory = true;
        assert_null(aw_submit(l, do_nothing, NULL));
        assert_int_equal(aw_errno(), -ENOMEM);
        assert_int_equal(aw_call_soon_threadsafe(l, do_nothing, NULL), -ENOMEM);
        no_memory = false;
        assert_int_equal(aw_cfuture_join(aw_submit(l, give, INT(i)), INFINITY), i);
        assert_int_equal(aw_cfuture_join(aw_submit(l, give, INT(-EIO)), INFINITY), -EIO);
        aw_cfuture_unref(aw_submit(l, do_nothing, NULL));
        flush_loop(l);
    }
    stop_loop(lt);
}

/* A callback's own node is memory that is there already. */
TEST_REAL_CLOCK(submit_limit_is_not_for_nodes)
{
    aw_loop_thread *lt = aw_loop_thread_start(.submit_limit = 1);
    aw_loop *l = aw_loop_thread_loop(lt);
    aw_cfuture *f = aw_submit(l, sleep_long, NULL);
    assert_non_null(f);
    aw_inbox_node nodes[8] = {0};
    _Atomic int n = 0;
    for (int i = 0; i < 8; i++)
        assert_int_equal(aw_call_soon_threadsafe_node(l, &nodes[i], count_up, (void *)&n), 0);
    aw_cfuture_cancel(f);
    assert_int_equal(aw_cfuture_join(f, INFINITY), -ECANCELED);
    flush_loop(l); /* it may have been cancelled before the loop took it and what came after it */
    assert_int_equal(n, 8);
    stop_loop(lt);
}

/* ---- eight threads, as fast as they can, at a loop that is held up ---- */

enum { THREADS = 8, LIMIT = 1000 };

struct crowd {
    aw_loop *loop;
    unsigned n;
    _Atomic unsigned in, refused, came;
};

static int come(void *arg)
{
    ((struct crowd *)arg)->came++;
    return 0;
}

static void *push_in(void *arg)
{
    struct crowd *c = arg;
    for (unsigned i = 0; i < c->n; i++) {
        aw_cfuture *f = aw_submit(c->loop, come, c);
        assert_true(f || aw_errno() == AW_EFULL);
        atomic_fetch_add(f ? &c->in : &c->refused, 1);
        aw_cfuture_unref(f);
    }
    return NULL;
}

static void crowd_at(aw_loop *l, struct crowd *c, unsigned each)
{
    pthread_t t[THREADS];
    *c = (struct crowd){.loop = l, .n = each};
    for (int i = 0; i < THREADS; i++)
        t[i] = start_thread(push_in, c);
    for (int i = 0; i < THREADS; i++)
        end_thread(t[i]);
}

TEST_SLOW_REAL_CLOCK(submit_limit_bounds_memory)
{
    count_memory();
    aw_loop_thread *lt = aw_loop_thread_start(.submit_limit = LIMIT);
    aw_loop *l = aw_loop_thread_loop(lt);
    flag go = {0};
    assert_int_equal(aw_call_soon_threadsafe(l, block_until, &go), 0);
    wait_until(blocks_in_use > 0);
    long before = blocks_left();
    struct crowd c;
    unsigned each = test_scale(125000, 10000);
    crowd_at(l, &c, each);
    assert_true(c.in <= LIMIT);
    assert_int_equal(c.in + c.refused, THREADS * each);
    assert_true(blocks_in_use - before <= LIMIT + 64);
    raise_flag(&go);
    aw_cfuture *f;
    while ((f = aw_submit(l, do_nothing, NULL)) == NULL)
        sched_yield();
    assert_int_equal(aw_cfuture_join(f, INFINITY), 0);
    assert_int_equal(c.came, c.in); /* each that was let in has run, and no other */
    stop_loop(lt);
    assert_int_equal(blocks_left(), 0);
}

/* ---- a loop that stays awake for a while ---- */

TEST_REAL_CLOCK(submit_to_a_loop_that_spins)
{
    aw_loop_thread *lt = aw_loop_thread_start(.spin = 100e-6);
    aw_loop *l = aw_loop_thread_loop(lt);
    for (int i = 0; i < 2000; i++) {
        if (i % 100 == 0)
            pause_ms(1); /* longer than it spins: so it is found asleep, too */
        assert_int_equal(aw_cfuture_join(aw_submit(l, give, INT(i)), INFINITY), i);
    }
    aw_cfuture *f = aw_submit(l, sleep_long, NULL);
    assert_int_equal(aw_cfuture_result(f, 1e-3), -ETIMEDOUT); /* who waits has spun, too */
    assert_int_equal(aw_cfuture_join(f, 1e-6), -ETIMEDOUT);
    stop_loop(lt);
}

static int sleep_a_little(void *arg)
{
    (void)arg;
    return aw_sleep(1e-3);
}

TEST_REAL_CLOCK(spin_does_not_delay_timers_and_signals_of_the_loop)
{
    assert_int_equal(aw_run(sleep_a_little, NULL, .spin = 1), 0);
    aw_loop_thread *lt = aw_loop_thread_start(.spin = INFINITY);
    assert_int_equal(
        aw_cfuture_join(aw_submit(aw_loop_thread_loop(lt), sleep_a_little, NULL), INFINITY), 0);
    stop_loop(lt);
}

TEST(spin_must_be_a_number)
{
    assert_null(aw_loop_new(.spin = -1));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_non_null(strstr(aw_errmsg(), ".spin"));
    assert_null(aw_loop_thread_start(.spin = NAN));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_int_equal(aw_run(do_nothing, NULL, .spin = NAN), -EINVAL);
}
