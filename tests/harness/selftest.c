/*
 * The harness tests itself: what it captures, what it strips, what it promises
 * a test about its environment.  (That a failing test fails is a script test,
 * tests/scripts/runner.py, because here it could only fail.)
 */
#include "harness/test.h"

#include <signal.h>
#include <unistd.h>

static void speak_and_exit(void *arg)
{
    printf("out of %s\n", (const char *)arg);
    fprintf(stderr, "err of %s\n", (const char *)arg);
}

static void flood(void *arg)
{
    (void)arg;
    for (int i = 0; i < 40000; i++)
        fputs("0123456789", stderr);
    _exit(3);
}

static void die(void *arg)
{
    raise(*(int *)arg);
}

TEST(harness_child_streams_are_captured_apart)
{
    struct child_result r;
    run_child(&r, speak_and_exit, "me");
    assert_true(child_exited(&r, 0));
    assert_string_equal(r.out, "out of me\n");
    assert_string_equal(r.err, "err of me\n");
}

TEST(harness_child_that_floods_is_cut_not_blocked)
{
    struct child_result r;
    run_child(&r, flood, NULL);
    assert_true(child_exited(&r, 3));
    assert_int_equal(strlen(r.err), sizeof r.err - 1);
    assert_string_equal(r.out, "");
}

TEST(harness_child_dies_of_its_own_signal)
{
    struct child_result r;
    int signals[] = {SIGSEGV, SIGABRT, SIGTERM};
    for (size_t i = 0; i < 3; i++) {
        run_child(&r, die, &signals[i]);
        assert_true(child_killed(&r, signals[i]));
    }
}

TEST(harness_normalise_strips_offsets_and_directories)
{
    char text[] = "made at /a/b-c/d.c:12, ../x/y.c:3 in z.c, await /u/l/libawait.so.0+0x1f3A (+0x) "
                  "keeps /etc/hosts and 1+0x2";
    normalise(text);
    assert_string_equal(text, "made at d.c:12, y.c:3 in z.c, await libawait.so.0+0x* (+0x) "
                              "keeps /etc/hosts and 1+0x*");
}

TEST(harness_clock_is_virtual_by_default)
{
    assert_string_equal(getenv("AWAIT_CLOCK"), "virtual");
}

TEST_REAL_CLOCK(harness_clock_is_real_when_asked)
{
    assert_null(getenv("AWAIT_CLOCK"));
}

TEST(harness_scale_follows_the_build)
{
    assert_int_equal(test_scale(2, 1), test_is_instrumented() || test_is_emulated() ? 1 : 2);
}
