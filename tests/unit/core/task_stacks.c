/*
 * Stacks as a loop uses them: an idle loop gives back what it does not need, and a limit on the
 * process is an error of the call that would start one task too many.
 */
#include "util.h"

#include <sys/mman.h>

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

/* ---- what a task gives back itself ---- */

/* How many pages of the running task's stack are there. */
static size_t pages_held(void)
{
    static unsigned char held[4096];
    const struct aw_fiber *f = &aw_self.loop->current->fiber;
    size_t page = aw_page_size(), n = f->slot_size / page - 1, count = 0;
    assert_true(n <= sizeof held);
    assert_int_equal(mincore(f->stack_lo, n * page, held), 0);
    for (size_t i = 0; i < n; i++)
        count += held[i] & 1;
    return count;
}

static int go_deep(int left)
{
    volatile char frame[1000];
    memset((char *)frame, left, sizeof frame);
    return left > 0 ? go_deep(left - 1) + frame[500] : 0;
}

static int trim_and_go_on(void *arg)
{
    char kept[2000];
    (void)arg;
    memset(kept, 'k', sizeof kept);
    size_t before = pages_held();
    int sum = go_deep(100);
    size_t deep = pages_held();
    aw_trim_stack();
    size_t after = pages_held();
    printf("%zu pages, deep %zu, trimmed %zu\n", before, deep, after);
    assert_true(deep >= 24 && after <= before + 1 && after <= 4);
    assert_int_equal(go_deep(100), sum);
    aw_trim_stack();
    AW_TRY(aw_sleep(1));
    for (size_t i = 0; i < sizeof kept; i++)
        assert_int_equal(kept[i], 'k');
    return 7;
}

TEST(task_stacks_are_trimmed_where_the_task_says_so)
{
    aw_trim_stack(); /* no task: nothing */
    if (test_is_instrumented())
        SKIP("the tool's frames are larger, or lie elsewhere");
    assert_int_equal(aw_run(trim_and_go_on, NULL, .stack_size = 256 << 10), 7);
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
