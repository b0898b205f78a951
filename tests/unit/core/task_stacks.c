/*
 * Stacks as a loop uses them: an idle loop gives back what it does not need, and a limit on the
 * process is an error of the call that would start one task too many.
 */
#include "util.h"

#include "core/core.h"

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int give_way(void *arg)
{
    (void)arg;
    return aw_sleep(0);
}

static size_t stacks_made(void)
{
    return aw_self.loop->stacks.slots_made;
}

/* A thousand at once, and then none: two seconds later their stacks are gone. */
static int be_idle(void *arg)
{
    enum { TASKS = 1000, KEPT = 32 };
    aw_work works[TASKS];
    (void)arg;
    for (int i = 0; i < TASKS; i++)
        works[i] = AW_CORO(give_way, NULL);
    AW_TRY(aw_gather_array(works, TASKS));
    assert_true(stacks_made() > TASKS);
    while (stacks_made() > KEPT + 1)
        AW_TRY(aw_sleep(0.1));
    AW_TRY(aw_gather_array(works, TASKS));
    assert_true(stacks_made() > TASKS);
    return 0;
}

TEST_REAL_CLOCK(task_stacks_of_an_idle_loop_are_given_back)
{
    assert_int_equal(aw_run(be_idle, NULL, .stack_size = 1 << 20), 0);
}

static double slept;

static int sleep_and_look(void *arg)
{
    enum { TASKS = 200 };
    aw_work works[TASKS];
    (void)arg;
    for (int i = 0; i < TASKS; i++)
        works[i] = AW_CORO(give_way, NULL);
    AW_TRY(aw_gather_array(works, TASKS));
    double began = aw_time();
    AW_TRY(aw_sleep(3)); /* the loop wakes to give back, and the sleep is as long as ever */
    slept = aw_time() - began;
    return (int)stacks_made();
}

TEST_REAL_CLOCK(task_stacks_are_given_back_during_one_long_sleep)
{
    assert_in_range(aw_run(sleep_and_look, NULL, .stack_size = 1 << 20), 1, 33);
    assert_true(slept >= 3);
}

/* ---- limits ---- */

static int reach_the_limit(void *arg)
{
    enum { MOST = 3000 };
    static aw_task *tasks[MOST];
    int n = 0, half;
    (void)arg;
    limit_addresses((size_t)64 << 20);
    while (n < MOST && (tasks[n] = aw_create_task(give_way, NULL)) != NULL)
        n++;
    printf("%d tasks\n", n);
    assert_in_range(n, 700, 1024); /* of 64 KiB, of 64 MiB that the heap needs a part of */
    assert_int_equal(aw_errno(), -ENOMEM);
    assert_non_null(strstr(aw_errmsg(), "ulimit -v"));
    assert_int_equal(aw_spawn(nothing, NULL), -ENOMEM);
    for (half = n; half > n / 2; half--)
        AW_TRY(aw_join(tasks[half - 1]));
    AW_TRY(aw_join(aw_create_task(nothing, NULL)));
    for (; half > 0; half--)
        AW_TRY(aw_join(tasks[half - 1]));
    /* All are free, and not wanted any more: one of half their size. */
    return aw_join(aw_create_task(nothing, NULL, .stack_size = 16 << 20));
}

static void run_into_the_limit(void *arg)
{
    (void)arg;
    assert_int_equal(aw_run(reach_the_limit, NULL), 0);
}

TEST(task_stacks_end_with_the_limit_on_addresses)
{
    static struct child_result r;
    if (test_is_instrumented())
        SKIP("the tool needs more addresses than any limit");
    run_child(&r, run_into_the_limit, NULL);
    printf("%s%s", r.out, r.err);
    if (child_exited(&r, 77))
        SKIP("no limit on addresses can be set");
    assert_true(child_exited(&r, 0));
}
