/*
 * A task that runs out of its stack ends the process with a message that says which, where it was
 * created, and how large its stack was.
 */
#include "loop_record.h"

#include <signal.h>

/* Uses a page per call, and every byte of it, so that the guard cannot be stepped over. */
static int descend(volatile char *above, int depth)
{
    volatile char page[4096];
    for (size_t i = 0; i < sizeof page; i++)
        page[i] = above ? above[i % 64] : 0;
    if (depth > 0)
        return descend(page, depth - 1) + page[depth % 4096];
    return page[0];
}

static int too_deep(void *arg)
{
    AW_TRY(aw_sleep(0));
    return descend(NULL, *(int *)arg);
}

enum { CREATED_AT = __LINE__ + 4 };
static int create_too_deep(void *arg)
{
    int depth = *(int *)arg;
    return aw_join(aw_create_task(too_deep, &depth, .name = "deep", .stack_size = 32768));
}

static void overflow_named(void *arg)
{
    aw_ignore(aw_run(create_too_deep, arg));
}

static void overflow_main(void *arg)
{
    aw_ignore(aw_run(too_deep, arg));
}

static void skip_under_sanitizers(void)
{
    if (test_is_instrumented())
        SKIP("a sanitizer handles the fault itself");
}

TEST(badinput_stack_overflow_is_explained)
{
    struct child_result r;
    char expected[256];
    int deep = 1000;
    skip_under_sanitizers();
    run_child(&r, overflow_named, &deep);
    assert_true(child_killed(&r, SIGSEGV));
    normalise(r.err);
    snprintf(expected, sizeof expected,
             "await: stack overflow\n"
             "  task:    deep too_deep\n"
             "  created: badinput_overflow.c:%d\n"
             "  stack:   32 KiB; give it more with .stack_size\n",
             (int)CREATED_AT);
    assert_string_equal(r.err, expected);
}

TEST(badinput_stack_overflow_of_the_main_coroutine)
{
    struct child_result r;
    int deep = 1000;
    skip_under_sanitizers();
    run_child(&r, overflow_main, &deep);
    assert_true(child_killed(&r, SIGSEGV));
    assert_non_null(strstr(r.err, "  task:    main too_deep\n"));
    assert_non_null(strstr(r.err, "  stack:   256 KiB"));
}

/* With a frame that is larger than the guard, of which nothing is written: the first fault is
 * anywhere. */
static int step_over(void *arg)
{
    volatile char frame[100000];
    __asm__ volatile("" : : "r"(frame) : "memory");
    *(volatile int *)arg = 1;
    return 0;
}

static int create_stepping_over(void *arg)
{
    return aw_join(aw_create_task(step_over, arg, .name = "wide"));
}

static void overflow_by_a_frame(void *arg)
{
    aw_ignore(aw_run(create_stepping_over, arg));
}

TEST(badinput_stack_overflow_by_one_large_frame)
{
    struct child_result r;
    skip_under_sanitizers();
    run_child(&r, overflow_by_a_frame, NULL);
    assert_true(child_killed(&r, SIGSEGV));
    assert_non_null(strstr(r.err, "await: stack overflow\n  task:    wide step_over\n"));
}

TEST(badinput_deep_recursion_that_just_fits)
{
    struct child_result r;
    int depth = 40;
    skip_under_sanitizers();
    run_child(&r, overflow_main, &depth);
    assert_true(child_exited(&r, 0));
    assert_string_equal(r.err, "");
}

static void plain_fault(void *arg)
{
    struct mark m = {NULL, "x"};
    aw_loop *l = new_loop();
    aw_ignore(aw_call_soon(mark, &m, .loop = l)); /* marks into NULL */
    (void)arg;
    aw_ignore(aw_loop_run_forever(l));
}

/* Any other fault keeps its meaning, and is not called an overflow. */
TEST(badinput_other_faults_are_not_explained_away)
{
    struct child_result r;
    skip_under_sanitizers();
    run_child(&r, plain_fault, NULL);
    assert_true(child_killed(&r, SIGSEGV));
    assert_null(strstr(r.err, "overflow"));
}
