/*
 * The allocator hook: everything goes through it once it is set, and nothing else.
 */
#include "await/memory.h"

#include "harness/test.h"
#include "sys/sys.h"

struct counts {
    size_t allocs, frees;
    bool empty;
};

static void *counting_alloc(size_t size, void *arg)
{
    struct counts *c = arg;
    c->allocs++;
    void *ptr = c->empty ? NULL : malloc(size);
    return ptr ? memset(ptr, '#', size) : NULL;
}

static void counting_free(void *ptr, void *arg)
{
    struct counts *c = arg;
    c->frees++;
    free(ptr);
}

TEST(memory_comes_from_the_hook_and_goes_back_to_it)
{
    struct counts c = {0};
    aw_allocator a = {.alloc = counting_alloc, .free = counting_free, .arg = &c};
    assert_int_equal(aw_set_allocator(&a), 0);
    a = (aw_allocator){0}; /* the struct was copied */
    char *p = aw_mem_alloc(10);
    char *q = aw_mem_zalloc(100);
    assert_int_equal(c.allocs, 2);
    for (int i = 0; i < 100; i++)
        assert_int_equal(q[i], 0);
    aw_mem_free(p);
    aw_mem_free(q);
    assert_int_equal(c.frees, 2);
    assert_int_equal(aw_set_allocator(NULL), 0);
    aw_mem_free(aw_mem_alloc(1));
    assert_int_equal(c.allocs, 2);
}

TEST(memory_of_an_empty_allocator_is_null)
{
    struct counts c = {.empty = true};
    aw_allocator a = {.alloc = counting_alloc, .free = counting_free, .arg = &c};
    assert_int_equal(aw_set_allocator(&a), 0);
    assert_null(aw_mem_alloc(10));
    assert_null(aw_mem_zalloc(10));
    aw_mem_free(NULL);
    assert_int_equal(aw_set_allocator(NULL), 0);
}

TEST(memory_allocator_without_a_function_is_refused)
{
    struct counts c = {0};
    aw_allocator no_free = {.alloc = counting_alloc, .arg = &c};
    aw_allocator no_alloc = {.free = counting_free, .arg = &c};
    assert_int_equal(aw_set_allocator(&no_free), -EINVAL);
    assert_int_equal(aw_set_allocator(&no_alloc), -EINVAL);
    void *p = aw_mem_alloc(0);
    assert_non_null(p);
    assert_int_equal(c.allocs, 0);
    aw_mem_free(p);
}

/* Gives a byte at a time, after a signal. */
static ssize_t few_at_a_time(void *buf, size_t n)
{
    static unsigned calls;
    if (n == 0 || calls++ % 2 == 0)
        return -EINTR;
    *(char *)buf = (char)('a' + calls / 2 % 26);
    return 1;
}

static ssize_t none_at_all(void *buf, size_t n)
{
    (void)buf, (void)n;
    return -ENOSYS;
}

TEST(random_bytes_are_all_there_and_never_the_same)
{
    char one[32] = {0}, other[32] = {0};
    assert_int_equal(aw_random_bytes(one, sizeof one), 0);
    assert_int_equal(aw_random_bytes(other, sizeof other), 0);
    assert_memory_not_equal(one, other, sizeof one);
    assert_int_equal(aw_random_bytes(NULL, 1), -EINVAL);
    assert_int_equal(aw_random_bytes(NULL, 0), 0);
    aw_sys.random = few_at_a_time;
    assert_int_equal(aw_random_bytes(one, 3), 0);
    assert_memory_equal(one, "bcd", 3);
    aw_sys.random = none_at_all;
    assert_int_equal(aw_random_bytes(one, 3), -ENOSYS);
}
