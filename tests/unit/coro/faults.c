/*
 * What the pool does when it is refused something: memory, addresses, guards, bookkeeping.
 *
 * The same work is done over and over while the k-th request fails, once or from then on, until k
 * is beyond the last: each time the pool must answer with -ENOMEM, lose nothing, and work again.
 */
#include "fibers.h"

#include <errno.h>

#include "await/memory.h"
#include "sys/sys.h"

static struct aw_sys_table real;

/* Of the requests counted, number `fail_at` fails, and with `for_ever` all after it. */
static struct {
    unsigned requests, fail_at;
    bool for_ever;
    unsigned failed;
    size_t mapped; /* bytes, now */
    size_t allocated;
} faults;

static bool refused(void)
{
    unsigned n = ++faults.requests;
    bool fail = faults.fail_at && (faults.for_ever ? n >= faults.fail_at : n == faults.fail_at);
    faults.failed += fail;
    return fail;
}

static int faulty_map(void **ret, size_t size)
{
    int err = refused() ? -ENOMEM : real.map(ret, size);
    if (err >= 0)
        faults.mapped += size;
    return err;
}

static int counted_unmap(void *addr, size_t size)
{
    faults.mapped -= size;
    return real.unmap(addr, size);
}

static int faulty_protect(void *addr, size_t size)
{
    return refused() ? -ENOMEM : real.protect_none(addr, size);
}

static int no_guard(void *first, size_t stride, size_t count)
{
    (void)first, (void)stride, (void)count;
    return -EINVAL; /* a kernel without guards by advice: mprotect() makes them, and can fail */
}

static int faulty_no_huge(void *addr, size_t size)
{
    (void)addr, (void)size;
    return -EINVAL; /* a kernel without huge pages */
}

static void *faulty_alloc(size_t size, void *arg)
{
    (void)arg;
    if (refused())
        return NULL;
    faults.allocated++;
    return malloc(size);
}

static void counted_free(void *ptr, void *arg)
{
    (void)arg;
    faults.allocated -= ptr != NULL;
    free(ptr);
}

static void faults_install(void)
{
    real = aw_sys;
    aw_sys.map = faulty_map;
    aw_sys.unmap = counted_unmap;
    aw_sys.protect_none = faulty_protect;
    aw_sys.guard = no_guard;
    aw_sys.no_huge = faulty_no_huge;
    assert_int_equal(aw_set_allocator(&(aw_allocator){.alloc = faulty_alloc, .free = counted_free}),
                     0);
}

static void faults_set(unsigned fail_at, bool for_ever)
{
    faults.requests = faults.failed = 0;
    faults.fail_at = fail_at;
    faults.for_ever = for_ever;
}

#define WANTED 40

static void touch(struct test_fiber *self)
{
    volatile char bytes[1000];
    memset((char *)bytes, 1, sizeof bytes);
    (void)self;
}

/* Gets up to WANTED stacks of two sizes; stops at the first error, which it returns. */
static int get_many(struct aw_fiber **slots, unsigned *count)
{
    for (*count = 0; *count < WANTED; ++*count) {
        int err = aw_stack_get(&pool, *count % 4 ? STACK_SIZE : STACK_SIZE * 16, &slots[*count]);
        if (err < 0)
            return err;
    }
    return 0;
}

static void put_many(struct aw_fiber **slots, unsigned count)
{
    assert_int_equal(pool.slots_live, count);
    while (count > 0)
        aw_stack_put(&pool, slots[--count]);
}

/* Work with one failure pattern; returns whether anything failed. */
static bool work_with_fault(unsigned fail_at, bool for_ever)
{
    struct aw_fiber *slots[WANTED];
    unsigned count;
    fibers_begin();
    faults_set(fail_at, for_ever);
    int err = get_many(slots, &count);
    bool failed = faults.failed > 0;
    if (err < 0)
        assert_int_equal(err, -ENOMEM);
    if (err < 0 || for_ever)
        assert_true(failed == (err < 0)); /* one refused mapping alone is made up for */
    put_many(slots, count);
    faults_set(0, false);
    assert_int_equal(get_many(slots, &count), 0); /* the very next attempt works */
    assert_int_equal(pool.slots_made, WANTED);
    put_many(slots, count);
    fiber_resume(fiber_new(touch, NULL));
    fibers_end();
    assert_int_equal(faults.mapped, 0);
    assert_int_equal(faults.allocated, 0);
    return failed;
}

TEST(coro_every_refusal_is_an_error_and_no_more)
{
    faults_install();
    unsigned points = 0;
    for (int for_ever = 0; for_ever < 2; for_ever++)
        for (unsigned k = 1; work_with_fault(k, for_ever); k++)
            points++;
    printf("%u points of failure\n", points);
    assert_true(points > 2 * WANTED);
}

static size_t largest;

static int stingy_map(void **ret, size_t size)
{
    return size > largest ? -ENOMEM : real.map(ret, size);
}

TEST(coro_arenas_shrink_where_addresses_are_rationed)
{
    real = aw_sys;
    aw_sys.map = stingy_map;
    for (largest = STACK_SIZE; largest <= 64 * STACK_SIZE; largest *= 2) {
        struct aw_fiber *slots[WANTED];
        fibers_begin();
        for (unsigned i = 0; i < WANTED; i++)
            assert_int_equal(aw_stack_get(&pool, STACK_SIZE, &slots[i]), 0);
        put_many(slots, WANTED);
        struct aw_fiber *f;
        assert_int_equal(aw_stack_get(&pool, largest + 1, &f), -ENOMEM);
        fibers_end();
    }
}

static unsigned maps;

static int counting_map(void **ret, size_t size)
{
    maps++;
    assert_true(size <= (size_t)64 << 20);
    return real.map(ret, size);
}

TEST(coro_arenas_grow)
{
    real = aw_sys;
    aw_sys.map = counting_map;
    fibers_begin();
    static struct aw_fiber *slots[3000];
    for (unsigned i = 0; i < 3000; i++)
        assert_int_equal(aw_stack_get(&pool, STACK_SIZE, &slots[i]), 0);
    assert_true(maps <= 12); /* 4 + 8 + ... + 1024 = 2044, and one more of 1024 */
    put_many(slots, 3000);
    fibers_end();
}

/* ---- real limits ---- */

/* Stacks until there are no more; then one back and one more, and all of it again. */
static unsigned exhaust(struct aw_fiber **slots, unsigned most)
{
    unsigned count = 0;
    fibers_begin();
    while (count < most && aw_stack_get(&pool, AW_STACK_MIN, &slots[count]) == 0)
        count++;
    if (count > 0 && count < most) {
        struct aw_fiber *f = NULL;
        aw_stack_put(&pool, slots[count - 1]);
        assert_int_equal(aw_stack_get(&pool, AW_STACK_MIN, &f), 0);
        assert_ptr_equal(f, slots[count - 1]);
        assert_int_equal(aw_stack_get(&pool, AW_STACK_MIN, &f), -ENOMEM);
    }
    put_many(slots, count);
    fibers_end();
    return count;
}

TEST_SLOW(coro_the_kernel_runs_out_of_mappings)
{
    enum { MOST = 40000 };
    if (test_is_instrumented())
        SKIP("the tool needs mappings of its own");
    aw_sys.guard = no_guard;
    static struct aw_fiber *slots[MOST];
    unsigned count = exhaust(slots, MOST);
    if (count == MOST)
        SKIP("vm.max_map_count allows more stacks than the test makes");
    assert_true(count > 1000);
    assert_int_equal(exhaust(slots, 1000), 1000);
}

static void use_up_addresses(void *arg)
{
    const size_t spare = (size_t)16 << 20;
    static struct aw_fiber *slots[2000];
    (void)arg;
    limit_addresses(spare);
    unsigned count = exhaust(slots, 2000);
    printf("%u stacks\n", count);
    assert_in_range(count, spare / AW_STACK_MIN / 2, spare / AW_STACK_MIN);
}

TEST(coro_a_limit_on_addresses_is_used_to_the_end)
{
    if (test_is_instrumented())
        SKIP("the tool needs more addresses than any limit");
    static struct child_result r;
    run_child(&r, use_up_addresses, NULL);
    printf("%s%s", r.out, r.err);
    if (child_exited(&r, 77))
        SKIP("no limit on addresses can be set");
    assert_true(child_exited(&r, 0));
}
