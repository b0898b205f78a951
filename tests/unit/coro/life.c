/*
 * The lives of fibers: ended anywhere, used again a million times, nested, in several threads.
 *
 * Much of this is for the tools: a stack that is left in the middle of frames has poison on it
 * that AddressSanitizer must not find in the next use, and entries on ThreadSanitizer's own call
 * stack that nothing pops.
 */
#include "fibers.h"

#include <pthread.h>

#include "sys/sys.h"

static volatile bool ends = true; /* what compilers believe about functions without a return */

/* Ends the fiber with frames below it that never return. */
static AW_NOINLINE unsigned end_at_depth(struct test_fiber *self, unsigned depth)
{
    volatile unsigned char bytes[100];
    memset((unsigned char *)bytes, (int)depth, sizeof bytes);
    if (depth > 0)
        return end_at_depth(self, depth - 1) + bytes[depth];
    if (ends) {
        aw_stack_put(&pool, &self->fiber);
        aw_fiber_exit_to(&self->fiber, &thread);
    }
    return 0;
}

static void end_somewhere(struct test_fiber *self)
{
    unsigned *ended = self->arg;
    end_at_depth(self, (*ended)++ % 7);
}

TEST_SLOW(coro_a_stack_is_reused_a_million_times)
{
    fibers_begin();
    unsigned ended = 0, uses = test_scale(1000000, 30000);
    for (unsigned i = 0; i < uses; i++)
        fiber_resume(fiber_new(end_somewhere, &ended));
    assert_int_equal(ended, uses);
    assert_int_equal(pool.slots_made, 1);
    fibers_end();
}

static AW_NOINLINE int use_arrays(unsigned depth)
{
    volatile int values[61];
    for (unsigned i = 0; i < 61; i++)
        values[i] = (int)(i * depth);
    return depth ? use_arrays(depth - 1) + values[depth % 61] : values[0];
}

static void use_stack(struct test_fiber *self)
{
    *(int *)self->arg = use_arrays(30);
}

TEST(coro_what_one_use_left_does_not_disturb_the_next)
{
    fibers_begin();
    unsigned ended = 0;
    for (int i = 0; i < 100; i++) {
        int first = -1, second = -2;
        fiber_resume(fiber_new(use_stack, &first));
        fiber_resume(fiber_new(end_somewhere, &ended));
        fiber_resume(fiber_new(use_stack, &second));
        assert_int_equal(first, second);
    }
    fibers_end();
}

static void end_into_next(struct aw_fiber *f)
{
    struct test_fiber *self = (struct test_fiber *)(void *)f;
    struct test_fiber *next = self->arg;
    aw_stack_put(&pool, f);
    aw_fiber_exit_to(f, next ? &next->fiber : &thread);
}

TEST(coro_a_fiber_ends_into_another_fiber)
{
    fibers_begin();
    struct test_fiber *next = NULL;
    for (int i = 0; i < 200; i++) {
        struct test_fiber *f = fiber_new(NULL, next);
        aw_fiber_prepare(&f->fiber, end_into_next, 0);
        next = f;
    }
    fiber_resume(next);
    fibers_end();
}

/* ---- misuse ---- */

static void resume_ended(void *arg)
{
    unsigned ended = 0;
    (void)arg;
    fibers_begin();
    struct test_fiber *f = fiber_new(end_somewhere, &ended);
    fiber_resume(f);
    fiber_resume(f);
}

static void put_twice(void *arg)
{
    (void)arg;
    fibers_begin();
    struct test_fiber *f = fiber_new(end_somewhere, NULL);
    aw_stack_put(&pool, &f->fiber);
    aw_stack_put(&pool, &f->fiber);
}

TEST(coro_misuse_ends_the_process)
{
    static struct child_result r;
    run_child(&r, put_twice, NULL);
    assert_int_not_equal(r.status, 0);
    assert_non_null(strstr(r.err, "assertion failed: f->free_next == f"));
    run_child(&r, resume_ended, NULL);
    assert_int_not_equal(r.status, 0);
}

/* ---- nesting and threads ---- */

struct nested {
    struct aw_stack_pool pool;
    struct aw_fiber outer;
    int turns;
};

static void nested_body(struct test_fiber *self)
{
    struct nested *n = self->arg;
    for (;;) {
        n->turns++;
        aw_fiber_switch(&self->fiber, &n->outer);
    }
}

static void nested_entry(struct aw_fiber *f)
{
    struct test_fiber *self = (struct test_fiber *)(void *)f;
    self->body(self);
}

/* A loop may be run inside another's task: what it adopts is then a fiber's stack. */
static void run_nested(struct test_fiber *self)
{
    struct nested n = {.turns = 0};
    struct aw_fiber *f = NULL;
    aw_stack_pool_init(&n.pool, sizeof(struct test_fiber));
    aw_fiber_adopt_thread(&n.outer);
    assert_int_equal(aw_stack_get(&n.pool, STACK_SIZE, &f), 0);
    struct test_fiber *inner = (struct test_fiber *)(void *)f;
    inner->body = nested_body;
    inner->arg = &n;
    aw_fiber_prepare(f, nested_entry, 0);
    for (int i = 0; i < 10; i++) {
        aw_fiber_switch(&n.outer, f);
        assert_int_equal(use_arrays(20), use_arrays(20));
        fiber_pause(self);
    }
    assert_int_equal(n.turns, 10);
    aw_stack_pool_fini(&n.pool);
}

TEST(coro_a_fiber_can_be_adopted_like_a_thread)
{
    fibers_begin();
    struct test_fiber *f = fiber_new(run_nested, NULL);
    for (int i = 0; i < 11; i++)
        fiber_resume(f);
    fibers_end();
}

struct worker {
    struct aw_stack_pool pool;
    struct aw_fiber thread, *fiber;
    int turns;
};

static void worker_turn(struct test_fiber *self)
{
    struct worker *w = self->arg;
    for (;;) {
        w->turns++;
        aw_fiber_switch(&self->fiber, &w->thread);
    }
}

static void worker_init(struct worker *w)
{
    aw_stack_pool_init(&w->pool, sizeof(struct test_fiber));
    assert_int_equal(aw_stack_get(&w->pool, STACK_SIZE, &w->fiber), 0);
    struct test_fiber *t = (struct test_fiber *)(void *)w->fiber;
    t->body = worker_turn;
    t->arg = w;
    aw_fiber_prepare(w->fiber, nested_entry, 0);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    aw_fiber_adopt_thread(&w->thread);
    for (int i = 0; i < 2000; i++)
        aw_fiber_switch(&w->thread, w->fiber);
    return NULL;
}

/* Stacks are made in one thread, run in another, given back in the first. */
TEST(coro_threads_have_fibers_of_their_own)
{
    static struct worker workers[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        worker_init(&workers[i]);
        assert_int_equal(pthread_create(&threads[i], NULL, worker_main, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].turns, 2000);
        aw_stack_pool_fini(&workers[i].pool);
    }
}

/* ---- what ThreadSanitizer is told ---- */

#ifdef AW_TSAN
static void expect_own_history(struct test_fiber *self)
{
    assert_ptr_equal(AW_NOTE_FIBER_CURRENT(), self->fiber.tsan_fiber);
    fiber_pause(self);
    assert_ptr_equal(AW_NOTE_FIBER_CURRENT(), self->fiber.tsan_fiber);
}

static int shared;

static void racing_turn(struct test_fiber *self)
{
    struct worker *w = self->arg;
    for (;;) {
        shared++;
        aw_fiber_switch(&self->fiber, &w->thread);
    }
}

/* Fibers of two threads write the same variable, each after a switch. */
static void race(void *arg)
{
    static struct worker workers[2];
    pthread_t threads[2];
    (void)arg;
    for (int i = 0; i < 2; i++) {
        worker_init(&workers[i]);
        ((struct test_fiber *)(void *)workers[i].fiber)->body = racing_turn;
    }
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, worker_main, &workers[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

TEST(coro_threadsanitizer_knows_who_runs)
{
    fibers_begin();
    struct test_fiber *a = fiber_new(expect_own_history, NULL);
    struct test_fiber *b = fiber_new(expect_own_history, NULL);
    fiber_resume(a);
    fiber_resume(b);
    fiber_resume(a);
    fiber_resume(b);
    assert_ptr_equal(AW_NOTE_FIBER_CURRENT(), thread.tsan_fiber);
    fibers_end();
}

TEST(coro_threadsanitizer_sees_a_race_between_fibers_of_two_threads)
{
    static struct child_result r;
    run_child(&r, race, NULL);
    assert_int_not_equal(r.status, 0);
    assert_non_null(strstr(r.err, "data race"));
    assert_non_null(strstr(r.err, "racing_turn"));
}
#endif

/* ---- the end of a pool ---- */

TEST(coro_unmapped_stacks_leave_no_poison_behind)
{
    unsigned ended = 0;
    for (int round = 0; round < 5; round++) {
        fibers_begin();
        struct aw_fiber *slots[4];
        for (int i = 0; i < 4; i++)
            fiber_resume(fiber_new(end_somewhere, &ended));
        for (int i = 0; i < 4; i++)
            assert_int_equal(aw_stack_get(&pool, STACK_SIZE, &slots[i]), 0);
        for (int i = 0; i < 4; i++)
            aw_stack_put(&pool, slots[i]);
        fibers_end();
        void *same = NULL; /* with luck the very addresses */
        assert_int_equal(aw_sys.map(&same, (size_t)256 << 10), 0);
        memset(same, 1, (size_t)256 << 10);
        assert_int_equal(aw_sys.unmap(same, (size_t)256 << 10), 0);
    }
}

static void stay(struct test_fiber *self)
{
    fiber_pause(self);
}

TEST(coro_a_pool_may_end_with_suspended_fibers)
{
    fibers_begin();
    for (int i = 0; i < 20; i++)
        fiber_resume(fiber_new(stay, NULL));
    assert_int_equal(pool.slots_live, 20);
    aw_stack_pool_fini(&pool);
}
