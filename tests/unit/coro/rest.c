/*
 * Memory that goes back: what a rest takes from stacks that nobody uses, and in what order.
 *
 * The pool is told the time, so that a second passes when the test says so.
 */
#include "fibers.h"

#include <errno.h>

#include "sys/sys.h"

#define SECOND INT64_C(1000000000)
enum { MANY = 3000, KEPT = 32 };

static struct aw_fiber *slots[MANY];
static int64_t now = 5 * SECOND;

static void get_all(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(aw_stack_get(&pool, STACK_SIZE, &slots[i]), 0);
}

static void put_all(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        aw_stack_put(&pool, slots[i]);
}

/* Rests until there is nothing more to do at once. */
static int64_t rest(void)
{
    int64_t next = 0;
    for (unsigned slices = 0; next == 0; slices++) {
        next = aw_stack_pool_rest(&pool, now);
        assert_true(slices < MANY);
    }
    return next;
}

static size_t mapped(void)
{
    size_t slots_in_all = 0;
    for (unsigned i = 0; i < AW_STACK_CLASSES; i++)
        slots_in_all += pool.classes[i].slots;
    return slots_in_all;
}

TEST(coro_a_pool_that_was_not_used_wants_no_rest)
{
    fibers_begin();
    assert_false(aw_stack_pool_wants_rest(&pool));
    assert_int_equal(aw_stack_pool_rest(&pool, now), INT64_MAX);
    get_all(10);
    assert_false(aw_stack_pool_wants_rest(&pool)); /* all in use */
    assert_int_equal(aw_stack_pool_rest(&pool, now), INT64_MAX);
    put_all(10);
    assert_true(aw_stack_pool_wants_rest(&pool));
    fibers_end();
}

TEST(coro_stacks_that_nobody_needs_are_given_back)
{
    fibers_begin();
    get_all(MANY);
    put_all(MANY);
    assert_int_equal(rest(), SECOND); /* used a moment ago */
    assert_int_equal(pool.slots_made, MANY);
    now += SECOND / 2;
    assert_int_equal(rest(), SECOND / 2);
    now += SECOND / 2;
    assert_int_equal(rest(), SECOND); /* trimmed */
    assert_int_equal(pool.slots_made, MANY);
    now += SECOND;
    assert_int_equal(rest(), INT64_MAX); /* given back */
    assert_int_equal(pool.slots_made, KEPT);
    assert_true(mapped() < MANY / 2); /* with the mappings that were free */
    assert_false(aw_stack_pool_wants_rest(&pool));
    get_all(MANY);
    assert_int_equal(pool.slots_made, MANY);
    put_all(MANY);
    fibers_end();
}

TEST(coro_stacks_needed_in_between_stay)
{
    enum { NEEDED = 500 };
    fibers_begin();
    get_all(MANY);
    put_all(MANY);
    for (int seconds = 0; seconds < 5; seconds++) {
        rest();
        now += SECOND;
        get_all(NEEDED);
        put_all(NEEDED);
    }
    assert_in_range(pool.slots_made, NEEDED, NEEDED + KEPT);
    for (int seconds = 0; seconds < 3; seconds++) {
        now += SECOND;
        rest();
    }
    assert_int_equal(pool.slots_made, KEPT);
    fibers_end();
}

TEST(coro_a_rest_that_is_interrupted_goes_on)
{
    fibers_begin();
    get_all(MANY);
    put_all(MANY);
    rest();
    for (int seconds = 0; seconds < 2; seconds++) {
        now += SECOND;
        while (aw_stack_pool_rest(&pool, now) == 0) { /* after every slice work comes */
            get_all(100);
            for (unsigned i = 0; i < 100; i++)
                memset(slots[i]->stack_lo, 1, 100);
            put_all(100);
        }
    }
    assert_int_equal(pool.slots_live, 0);
    assert_true(pool.slots_made < MANY);
    get_all(MANY);
    for (unsigned i = 0; i < MANY; i++)
        slots[i]->stack_lo[0] = 2; /* all there, and nobody's twice */
    put_all(MANY);
    fibers_end();
}

TEST(coro_live_stacks_keep_what_is_on_them)
{
    fibers_begin();
    get_all(MANY);
    for (unsigned i = 0; i < MANY; i++)
        memset((char *)slots[i] - 64, (int)(i % 251), 64);
    for (unsigned i = 0; i < MANY; i++)
        if (i % 7)
            aw_stack_put(&pool, slots[i]);
    for (int seconds = 0; seconds < 4; seconds++) {
        now += SECOND;
        rest();
    }
    for (unsigned i = 0; i < MANY; i += 7) {
        assert_int_equal(((unsigned char *)slots[i])[-64], i % 251);
        assert_int_equal(((unsigned char *)slots[i])[-1], i % 251);
        aw_stack_put(&pool, slots[i]);
    }
    assert_int_equal(pool.slots_made, (MANY + 6) / 7 + KEPT);
    fibers_end();
}

/* ---- memory, really ---- */

/* Bytes that the process holds of these addresses. */
static size_t resident(const char *lo, const char *hi)
{
    size_t page = aw_page_size(), pages = 0;
    static unsigned char there[1 << 16];
    assert_true((size_t)(hi - lo) / page <= sizeof there);
    assert_int_equal(mincore((void *)(uintptr_t)lo, (size_t)(hi - lo), there), 0);
    for (size_t i = 0; i < (size_t)(hi - lo) / page; i++)
        pages += there[i] & 1;
    return pages * page;
}

TEST(coro_a_deep_use_does_not_hold_memory_for_ever)
{
    fibers_begin();
    size_t size = (size_t)1 << 20, page = aw_page_size();
    struct aw_fiber *f = NULL;
    assert_int_equal(aw_stack_get(&pool, size, &f), 0);
    char *lo = f->stack_lo, *hi = lo - page + f->slot_size;
    memset(lo, 1, (size_t)((char *)f - lo));
    aw_stack_put(&pool, f);
    assert_int_equal(resident(lo, hi), size - page);
    for (int seconds = 0; seconds < 4; seconds++) {
        now += SECOND;
        rest();
    }
    assert_true(resident(lo, hi) <= (16 << 10) + 2 * page);
    struct aw_fiber *again = NULL;
    assert_int_equal(aw_stack_get(&pool, size, &again), 0);
    assert_ptr_equal(again, f);
    assert_int_equal(lo[0], 0);
    aw_stack_put(&pool, f);
    fibers_end();
}

static void write_at(void *arg)
{
    *(volatile char *)arg = 1;
}

TEST(coro_guards_are_there_after_memory_was_given_back)
{
    if (test_is_instrumented())
        SKIP("the tool has its own view of a fault on the stack");
    static struct child_result r;
    fibers_begin();
    get_all(MANY);
    for (unsigned i = 0; i < MANY; i += 2)
        aw_stack_put(&pool, slots[i]);
    for (int seconds = 0; seconds < 4; seconds++) {
        now += SECOND;
        rest();
    }
    assert_int_equal(pool.slots_made, MANY / 2 + KEPT);
    for (unsigned i = 0; i < MANY; i += 2)
        assert_int_equal(aw_stack_get(&pool, STACK_SIZE, &slots[i]), 0);
    for (unsigned i = 0; i < MANY; i += 271) {
        run_child(&r, write_at, slots[i]->stack_lo - 1);
        assert_true(child_killed(&r, SIGSEGV));
        run_child(&r, write_at, slots[i]->stack_lo);
        assert_true(child_exited(&r, 0));
    }
    put_all(MANY);
    fibers_end();
}

/* ---- refusals ---- */

static size_t addresses_left;
static int (*real_map)(void **ret, size_t size);
static int (*real_unmap)(void *addr, size_t size);

static int rationed_map(void **ret, size_t size)
{
    if (size > addresses_left)
        return -ENOMEM;
    addresses_left -= size;
    return real_map(ret, size);
}

static int counted_unmap(void *addr, size_t size)
{
    addresses_left += size;
    return real_unmap(addr, size);
}

/* Free stacks of one size make room for those of another. */
TEST(coro_free_stacks_are_given_up_for_what_is_needed)
{
    real_map = aw_sys.map, real_unmap = aw_sys.unmap;
    aw_sys.map = rationed_map, aw_sys.unmap = counted_unmap;
    addresses_left = 256 * STACK_SIZE;
    fibers_begin();
    unsigned n = 0;
    while (n < MANY && aw_stack_get(&pool, STACK_SIZE, &slots[n]) == 0)
        n++;
    assert_int_equal(n, 256);
    assert_non_null(strstr(pool.why, "ulimit -v"));
    struct aw_fiber *large = NULL;
    assert_int_equal(aw_stack_get(&pool, 100 * STACK_SIZE, &large), -ENOMEM);
    put_all(n);
    assert_int_equal(aw_stack_get(&pool, 100 * STACK_SIZE, &large), 0);
    aw_stack_put(&pool, large);
    get_all(n);
    put_all(n);
    fibers_end();
    assert_int_equal(addresses_left, 256 * STACK_SIZE);
}

static int refused_discard(void *addr, size_t size)
{
    (void)addr, (void)size;
    return -EINVAL; /* locked memory */
}

TEST(coro_memory_that_cannot_be_given_back_is_used_again)
{
    fibers_begin();
    aw_sys.discard = refused_discard;
    get_all(MANY);
    for (unsigned i = 0; i < MANY; i += 2)
        aw_stack_put(&pool, slots[i]);
    for (int seconds = 0; seconds < 4; seconds++) {
        now += SECOND;
        rest();
    }
    for (unsigned i = 0; i < MANY; i += 2) {
        assert_int_equal(aw_stack_get(&pool, STACK_SIZE, &slots[i]), 0);
        assert_int_equal(slots[i]->slot_size, STACK_SIZE);
    }
    assert_int_equal(pool.slots_live, MANY);
    put_all(MANY);
    fibers_end();
}

static unsigned maps;

static int counting_map(void **ret, size_t size)
{
    maps++;
    return real_map(ret, size);
}

/* What a million tasks come down to, a tenth of it: their stacks fit into few mappings. */
TEST(coro_a_hundred_thousand_stacks_in_few_mappings)
{
    enum { LOTS = 100000 };
    static struct aw_fiber *lots[LOTS];
    if (test_is_instrumented())
        SKIP("too many stacks for the tool");
    real_map = aw_sys.map;
    aw_sys.map = counting_map;
    fibers_begin();
    for (unsigned i = 0; i < LOTS; i++)
        if (aw_stack_get(&pool, STACK_SIZE, &lots[i]) < 0)
            SKIP("guards are mappings here");
    assert_true(maps <= 12 + LOTS / 1024);
    for (unsigned i = 0; i < LOTS; i++)
        aw_stack_put(&pool, lots[i]);
    for (int seconds = 0; seconds < 4; seconds++) {
        now += SECOND;
        rest();
    }
    assert_int_equal(pool.slots_made, KEPT);
    assert_true(mapped() <= KEPT * 1024);
    fibers_end();
}
