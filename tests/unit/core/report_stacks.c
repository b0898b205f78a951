/*
 * AWAIT_STACKS: what is told of the use of stacks is true, by where the tasks were created.
 */
#include "util.h"

#include "core/core.h"

static void skip_where_frames_lie_elsewhere(void)
{
    if (test_is_instrumented())
        SKIP("the tool changes what a frame takes");
}

/* Uses so many bytes of its stack, and a little more. */
static AW_NOINLINE void use(size_t bytes)
{
    char *block = __builtin_alloca(bytes);
    memset(block, 0x55, bytes);
    __asm__ volatile("" : : "r"(block) : "memory");
}

static int deep(void *arg)
{
    use(*(size_t *)arg);
    return 0;
}

static int deep_and_asleep(void *arg)
{
    use(*(size_t *)arg);
    return aw_sleep(1);
}

static int shallow(void *arg)
{
    (void)arg;
    return 0;
}

/* A line of a report: in KiB. */
struct told {
    double used;
    unsigned size, tasks;
};

static struct told told_of(const char *text, const char *fn_name)
{
    struct told t = {0};
    char name[64];
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (sscanf(line, " %lf KiB of %u KiB, %u task%*[s:]%*[ :]%63s", &t.used, &t.size, &t.tasks,
                   name) == 4 &&
            strcmp(name, fn_name) == 0)
            return t;
    }
    fail_msg("nothing is told of %s in: %s", fn_name, text);
    return t;
}

static int use_stacks(void *arg)
{
    size_t sizes[] = {20000, 40000, 30000};
    (void)arg;
    for (int i = 0; i < 3; i++)
        AW_TRY(aw_join(aw_create_task(deep, &sizes[i])));
    for (int i = 0; i < 5; i++) /* on the same stack, which does not tell of the others */
        AW_TRY(aw_join(aw_create_task(shallow, NULL)));
    return 0;
}

static void measure(void *arg)
{
    setenv("AWAIT_STACKS", "1", 1);
    assert_int_equal(aw_run((aw_fn *)(uintptr_t)arg, NULL), 0);
}

TEST(report_stacks_tells_the_most_that_was_used)
{
    static struct child_result r;
    skip_where_frames_lie_elsewhere();
    run_child(&r, measure, (void *)(uintptr_t)use_stacks);
    assert_true(child_exited(&r, 0));
    struct told t = told_of(r.err, "deep");
    assert_int_equal(t.tasks, 3);
    assert_int_equal(t.size, 64);
    assert_true(t.used * 1024 > 40000 && t.used * 1024 < 45000);
    t = told_of(r.err, "shallow");
    assert_int_equal(t.tasks, 5);
    assert_true(t.used > 0.5 && t.used < 6);
    assert_non_null(strstr(r.err, "KiB of 256 KiB, 1 task: "));
    assert_true(strncmp(r.err, "await: the most that tasks used of their stacks\n", 48) == 0);
    assert_true(strstr(r.err, ": deep at ") < strstr(r.err, ": shallow at "));
    assert_non_null(strstr(r.err, "report_stacks.c:"));
}

static int report_while_they_live(void *arg)
{
    size_t size = 100000;
    (void)arg;
    aw_task *t = aw_create_task(deep_and_asleep, &size, .stack_size = 1 << 17);
    AW_TRY(aw_sleep(0.5));
    assert_int_equal(aw_stack_report(NULL), 2);
    fprintf(stderr, "and then\n");
    return aw_join(t);
}

TEST(report_stacks_tells_of_living_tasks)
{
    static struct child_result r;
    skip_where_frames_lie_elsewhere();
    run_child(&r, measure, (void *)(uintptr_t)report_while_they_live);
    assert_true(child_exited(&r, 0));
    char *end = strstr(r.err, "and then\n");
    assert_non_null(end);
    struct told t = told_of(end, "deep_and_asleep");
    assert_true(t.used * 1024 > 100000 && t.used * 1024 < 106000);
    *end = '\0';
    t = told_of(r.err, "deep_and_asleep");
    assert_true(t.used * 1024 > 100000 && t.used * 1024 < 106000);
    assert_int_equal(t.size, 128);
}

static int not_measured(void *arg)
{
    (void)arg;
    assert_int_equal(aw_stack_report(NULL), AW_EMISUSE);
    assert_non_null(strstr(aw_errmsg(), "AWAIT_STACKS"));
    return 0;
}

TEST(report_stacks_only_where_it_was_asked_for)
{
    unsetenv("AWAIT_STACKS");
    assert_int_equal(aw_stack_report(NULL), AW_EMISUSE);
    assert_int_equal(aw_run(not_measured, NULL), 0);
    setenv("AWAIT_STACKS", "0", 1);
    assert_int_equal(aw_run(not_measured, NULL), 0);
}

TEST(report_stacks_of_a_closed_loop_is_misuse)
{
    setenv("AWAIT_STACKS", "1", 1);
    aw_loop *l = aw_loop_new();
    assert_int_equal(aw_stack_report(l), 0);
    aw_future *f = aw_future_new(.loop = l);
    assert_int_equal(aw_loop_close(l), 0);
    assert_int_equal(aw_stack_report(l), AW_EMISUSE);
    aw_unref(f);
    aw_loop_free(l);
}
