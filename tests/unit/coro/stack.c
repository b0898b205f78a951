/*
 * The pool of stacks: sizes, colours, order of reuse, and guards that fault.
 */
#include "fibers.h"

#include <errno.h>
#include <signal.h>

#include "sys/sys.h"

TEST(coro_sizes_are_rounded_up_to_a_class)
{
    static const struct {
        size_t asked, got;
    } sizes[] = {{0, 16 << 10},           {1, 16 << 10},         {16 << 10, 16 << 10},
                 {(16 << 10) + 1, 32768}, {65535, 65536},        {65536, 65536},
                 {65537, 131072},         {1 << 20, 1 << 20},    {(64 << 20) - 1, 64 << 20},
                 {64 << 20, 64 << 20},    {128 << 20, 128 << 20}};
    fibers_begin();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct aw_fiber *f = NULL;
        assert_int_equal(aw_stack_get(&pool, sizes[i].asked, &f), 0);
        assert_int_equal(f->slot_size, sizes[i].got);
        size_t room = (size_t)((char *)f - f->stack_lo);
        assert_true(room + aw_page_size() + sizeof(struct test_fiber) <= sizes[i].got);
        assert_true(room + 8192 >= sizes[i].got);
        aw_stack_put(&pool, f);
    }
    fibers_end();
}

TEST(coro_sizes_beyond_the_largest_class_are_refused)
{
    fibers_begin();
    struct aw_fiber *f = NULL;
    assert_int_equal(aw_stack_get(&pool, AW_STACK_MAX + 1, &f), -EINVAL);
    assert_int_equal(aw_stack_get(&pool, SIZE_MAX / 2, &f), -EINVAL);
    assert_int_equal(aw_stack_get(&pool, SIZE_MAX, &f), -EINVAL);
    assert_null(f);
    assert_true(aw_list_empty(&pool.arenas));
    fibers_end();
}

TEST(coro_the_largest_class_is_had_or_refused)
{
    fibers_begin();
    struct aw_fiber *f = NULL;
    int err = aw_stack_get(&pool, AW_STACK_MAX, &f); /* 2 GiB of addresses: some machines say no */
    if (err == 0) {
        assert_int_equal(f->slot_size, AW_STACK_MAX);
        aw_stack_put(&pool, f);
    } else {
        assert_int_equal(err, -ENOMEM);
    }
    fibers_end();
}

TEST(coro_slots_do_not_overlap)
{
    fibers_begin();
    enum { COUNT = 300 };
    struct aw_fiber *slots[COUNT];
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(aw_stack_get(&pool, (size_t)16384 << (i % 3), &slots[i]), 0);
        memset(slots[i] + 1, i, sizeof(struct test_fiber) - sizeof(struct aw_fiber));
        memset(slots[i]->stack_lo, i, (size_t)((char *)slots[i] - slots[i]->stack_lo));
    }
    for (int i = 0; i < COUNT; i++) {
        const unsigned char *lo = (unsigned char *)slots[i]->stack_lo;
        const unsigned char *block = (unsigned char *)(slots[i] + 1);
        assert_int_equal(lo[0], i & 255);
        assert_int_equal(((unsigned char *)slots[i])[-1], i & 255);
        assert_int_equal(block[0], i & 255);
        assert_int_equal(slots[i]->slot_size, 16384u << (i % 3));
        aw_stack_put(&pool, slots[i]);
    }
    fibers_end();
}

TEST(coro_new_blocks_are_zero)
{
    fibers_begin();
    struct aw_fiber *f = NULL;
    assert_int_equal(aw_stack_get(&pool, STACK_SIZE, &f), 0);
    const unsigned char *rest = (unsigned char *)(f + 1);
    for (size_t i = 0; i < sizeof(struct test_fiber) - sizeof *f; i++)
        assert_int_equal(rest[i], 0);
    aw_stack_put(&pool, f);
    fibers_end();
}

TEST(coro_last_in_first_out)
{
    fibers_begin();
    struct aw_fiber *slots[10], *again = NULL;
    for (int i = 0; i < 10; i++)
        assert_int_equal(aw_stack_get(&pool, STACK_SIZE, &slots[i]), 0);
    assert_int_equal(pool.slots_live, 10);
    for (int i = 0; i < 10; i++)
        aw_stack_put(&pool, slots[i]);
    assert_int_equal(pool.slots_live, 0);
    for (int i = 9; i >= 0; i--) {
        assert_int_equal(aw_stack_get(&pool, STACK_SIZE, &again), 0);
        assert_ptr_equal(again, slots[i]);
    }
    assert_int_equal(pool.slots_made, 10);
    for (int i = 0; i < 10; i++)
        aw_stack_put(&pool, slots[i]);
    fibers_end();
}

TEST(coro_neighbouring_stacks_have_different_colours)
{
    fibers_begin();
    enum { COUNT = 200, COLOURS = 24 };
    static struct aw_fiber *slots[COUNT];
    unsigned seen[COLOURS] = {0};
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(aw_stack_get(&pool, STACK_SIZE, &slots[i]), 0);
        assert_int_equal((uintptr_t)slots[i] % 64, 0);
        char *end = slots[i]->stack_lo - aw_page_size() + slots[i]->slot_size;
        size_t below = (size_t)(end - (char *)slots[i]);
        seen[(below / 64) % COLOURS]++;
    }
    for (int i = 0; i < COLOURS; i++) /* spread as evenly as 200 can be */
        assert_in_range(seen[i], COUNT / COLOURS, COUNT / COLOURS + 1);
    for (int i = 0; i < COUNT; i++)
        aw_stack_put(&pool, slots[i]);
    fibers_end();
}

/* ---- guards ---- */

static AW_NOINLINE unsigned bottomless(volatile unsigned *depth)
{
    volatile char bytes[512];
    bytes[*depth % 512] = 1;
    if (++*depth == 0)
        return 0; /* never: the stack ends long before */
    return bottomless(depth) + (unsigned)bytes[1];
}

static void overflow(struct test_fiber *self)
{
    volatile unsigned depth = 0;
    (void)self;
    bottomless(&depth);
}

/* Two fibers, so that what lies below the second one's guard is memory in use. */
static void overflow_in_child(void *arg)
{
    (void)arg;
    fibers_begin();
    fiber_new(overflow, NULL);
    fiber_resume(fiber_new(overflow, NULL));
}

TEST(coro_an_overflow_faults)
{
    if (test_is_instrumented())
        SKIP("the tool has its own view of a fault on the stack");
    static struct child_result r;
    for (int i = 0; i < 20; i++) {
        run_child(&r, overflow_in_child, NULL);
        assert_true(child_killed(&r, SIGSEGV));
    }
}

static void write_at(void *arg)
{
    *(volatile char *)arg = 1;
}

TEST(coro_exactly_the_guard_page_faults)
{
    if (test_is_instrumented())
        SKIP("the tool has its own view of a fault on the stack");
    fibers_begin();
    static struct child_result r;
    size_t page = aw_page_size();
    for (int i = 0; i < 6; i++) {
        struct aw_fiber *f = &fiber_new(overflow, NULL)->fiber;
        run_child(&r, write_at, f->stack_lo);
        assert_true(child_exited(&r, 0));
        run_child(&r, write_at, f->stack_lo - 1);
        assert_true(child_killed(&r, SIGSEGV));
        run_child(&r, write_at, f->stack_lo - page);
        assert_true(child_killed(&r, SIGSEGV));
    }
    aw_stack_pool_fini(&pool);
}

TEST(coro_guard_hits_are_recognised)
{
    fibers_begin();
    struct aw_fiber *f = &fiber_new(overflow, NULL)->fiber;
    size_t page = aw_page_size();
    uintptr_t lo = (uintptr_t)f->stack_lo;
    assert_true(aw_stack_guard_hit(f, lo - 1, page));
    assert_true(aw_stack_guard_hit(f, lo - page, page));
    assert_false(aw_stack_guard_hit(f, lo, page));
    assert_false(aw_stack_guard_hit(f, lo - page - 1, page));
    assert_false(aw_stack_guard_hit(&thread, 0, page));
    aw_stack_put(&pool, f);
    fibers_end();
}
