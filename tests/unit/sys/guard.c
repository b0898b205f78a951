/*
 * Guards: pages that fault, made without mappings of their own where that works, and never believed
 * without a look.
 */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#include "harness/test.h"
#include "sys/sys.h"

enum { PAGES = 300, STRIDE_PAGES = 4 };

static char *map_pages(size_t n)
{
    void *p = NULL;
    assert_int_equal(aw_sys.map(&p, n * aw_page_size()), 0);
    return p;
}

static void write_at(void *arg)
{
    *(volatile char *)arg = 1;
}

static void assert_faults(char *addr, bool wanted)
{
    static struct child_result r;
    run_child(&r, write_at, addr);
    assert_true(wanted ? child_killed(&r, SIGSEGV) : child_exited(&r, 0));
}

/* The lines of the list of mappings. */
static unsigned count_mappings(void)
{
    unsigned lines = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    assert_non_null(f);
    for (int c; (c = fgetc(f)) != EOF;)
        lines += c == '\n';
    fclose(f);
    return lines;
}

/* All of 300, or none where the system has no such guards. */
static char *guarded_pages(void)
{
    size_t stride = STRIDE_PAGES * aw_page_size();
    char *p = map_pages((size_t)PAGES * STRIDE_PAGES);
    size_t made = aw_guard_pages(p, stride, PAGES);
    if (made == 0)
        SKIP("no guards by advice here");
    assert_int_equal(made, PAGES);
    return p;
}

TEST(guard_pages_fault_and_their_neighbours_do_not)
{
    size_t page = aw_page_size();
    char *p = guarded_pages();
    for (size_t i = 0; i < PAGES; i += 37) {
        char *guard = p + i * STRIDE_PAGES * page;
        assert_faults(guard, true);
        assert_faults(guard + page - 1, true);
        assert_faults(guard + page, false);
        assert_faults(guard + STRIDE_PAGES * page - 1, false);
        assert_int_equal(aw_sys.can_read(guard), 0);
        assert_int_equal(aw_sys.can_read(guard + page), 1);
    }
}

TEST(guard_pages_take_no_mappings)
{
    if (test_is_instrumented())
        SKIP("the tool makes mappings of its own");
    unsigned before = count_mappings();
    guarded_pages();
    assert_in_range(count_mappings(), before, before + 2);
}

TEST(guard_pages_survive_a_discard)
{
    size_t page = aw_page_size(), size = (size_t)PAGES * STRIDE_PAGES * page;
    char *p = guarded_pages();
    memset(p + page, 1, 3 * page);
    assert_int_equal(aw_sys.discard(p, size), 0);
    assert_int_equal(p[page], 0);
    assert_faults(p, true);
    assert_faults(p + size - STRIDE_PAGES * page, true);
}

TEST(guard_leaves_errno_and_descriptors)
{
    char *p = map_pages(PAGES);
    int next = dup(0);
    close(next);
    errno = EDOM;
    (void)aw_guard_pages(p, aw_page_size(), PAGES);
    (void)aw_sys.can_read(p);
    assert_true(aw_sys.guard((void *)1, 1, 1) < 0);
    assert_int_equal(errno, EDOM);
    int after = dup(0);
    assert_int_equal(after, next);
    close(after);
}

/* ---- systems that have none, or pretend ---- */

static unsigned asked, looked;

static int pretend(void *first, size_t stride, size_t count)
{
    (void)first, (void)stride;
    asked++;
    return (int)count;
}

static int refuse(void *first, size_t stride, size_t count)
{
    (void)first, (void)stride, (void)count;
    asked++;
    return -EINVAL;
}

static int (*real_can_read)(const void *addr);

static int look(const void *addr)
{
    looked++;
    return real_can_read(addr);
}

static void skip_where_never_tried(void)
{
    if (test_is_instrumented())
        SKIP("under a tool guards are always made by mprotect()");
}

TEST(guard_that_is_only_pretended_is_found_out)
{
    skip_where_never_tried();
    char *p = map_pages(PAGES);
    aw_sys.guard = pretend;
    for (int i = 0; i < 3; i++)
        assert_int_equal(aw_guard_pages(p, aw_page_size(), PAGES), 0);
    assert_int_equal(asked, 1);
}

TEST(guard_that_is_refused_is_not_asked_for_again)
{
    skip_where_never_tried();
    char *p = map_pages(1);
    aw_sys.guard = refuse;
    for (int i = 0; i < 3; i++)
        assert_int_equal(aw_guard_pages(p, aw_page_size(), 1), 0);
    assert_int_equal(asked, 1);
}

TEST(guard_is_put_to_the_test_once)
{
    skip_where_never_tried();
    guarded_pages();
    real_can_read = aw_sys.can_read;
    aw_sys.can_read = look;
    guarded_pages();
    assert_int_equal(looked, 0);
}

/* Without a pipe nothing can be found out: no guard is claimed, and the next attempt tries again.
 */
TEST(guard_that_cannot_be_tested_is_not_claimed)
{
    skip_where_never_tried();
    char *p = map_pages(PAGES);
    size_t before = limit_descriptors(0);
    assert_int_equal(aw_sys.can_read(p), -EMFILE);
    assert_int_equal(aw_guard_pages(p, aw_page_size(), PAGES), 0);
    limit_descriptors(before);
    guarded_pages();
}

/* Without descriptors the batches are refused, and guards are made one by one. */
TEST(guard_works_without_descriptors)
{
    skip_where_never_tried();
    guarded_pages();
    size_t before = limit_descriptors(0);
    char *p = guarded_pages();
    limit_descriptors(before);
    assert_faults(p, true);
    assert_faults(p + (PAGES - 1) * STRIDE_PAGES * aw_page_size(), true);
}
