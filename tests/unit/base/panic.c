/*
 * A broken invariant ends the process, with one line that says where and what.
 */
#include <signal.h>

#include "base/base.h"
#include "harness/test.h"

static void panic_here(void *arg)
{
    aw_panic("src/some/file.c", 12, arg);
}

static void assert_that(void *arg)
{
    bool *claim = arg;
    aw_assert(*claim);
    fputs("went on\n", stderr);
}

TEST(panic_says_where_and_what_and_aborts)
{
    struct child_result r;
    run_child(&r, panic_here, "the sky has fallen");
    assert_true(child_killed(&r, SIGABRT));
    assert_string_equal(r.err, "await: src/some/file.c:12: the sky has fallen\n");
}

TEST(panic_assertion_holds_or_ends_the_process)
{
    struct child_result r;
    bool claim = true;
    run_child(&r, assert_that, &claim);
    assert_true(child_exited(&r, 0));
    assert_string_equal(r.err, "went on\n");
    claim = false;
    run_child(&r, assert_that, &claim);
    assert_true(child_killed(&r, SIGABRT));
    assert_non_null(strstr(r.err, "assertion failed: *claim"));
}
