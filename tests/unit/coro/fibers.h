/*
 * What the tests of this layer share: a pool, the thread as a fiber, and fibers with a body that
 * is an ordinary function of an argument.  When the body returns, the fiber's slot goes back to
 * the pool and the thread goes on.
 */
#ifndef TESTS_CORO_FIBERS_H
#define TESTS_CORO_FIBERS_H

#include "harness/test.h"

#include "coro/fiber.h"

#define STACK_SIZE ((size_t)64 << 10)

/* The owner's block: what a task is in the library. */
struct test_fiber {
    struct aw_fiber fiber;
    void (*body)(struct test_fiber *self);
    void *arg;
    unsigned char rest[200];
};

static struct aw_stack_pool pool;
static struct aw_fiber thread;

static inline void fibers_begin(void)
{
    aw_stack_pool_init(&pool, sizeof(struct test_fiber));
    aw_fiber_adopt_thread(&thread);
}

static inline void fibers_end(void)
{
    assert_int_equal(pool.slots_live, 0);
    aw_stack_pool_fini(&pool);
}

static inline void fiber_run_body(struct aw_fiber *f)
{
    struct test_fiber *self = (struct test_fiber *)(void *)f;
    self->body(self);
    aw_stack_put(&pool, f);
    aw_fiber_exit_to(f, &thread);
}

static inline struct test_fiber *fiber_new_sized(size_t size, void (*body)(struct test_fiber *),
                                                 void *arg)
{
    struct aw_fiber *f = NULL;
    assert_int_equal(aw_stack_get(&pool, size, &f), 0);
    struct test_fiber *t = (struct test_fiber *)(void *)f;
    t->body = body;
    t->arg = arg;
    assert_ptr_equal(aw_fiber_prepare(f, fiber_run_body, 0), f);
    return t;
}

static inline struct test_fiber *fiber_new(void (*body)(struct test_fiber *), void *arg)
{
    return fiber_new_sized(STACK_SIZE, body, arg);
}

/* From the thread into a fiber; returns when the fiber switches back or ends. */
static inline void fiber_resume(struct test_fiber *t)
{
    aw_fiber_switch(&thread, &t->fiber);
}

/* From a fiber back to the thread. */
static inline void fiber_pause(struct test_fiber *self)
{
    aw_fiber_switch(&self->fiber, &thread);
}

#endif
