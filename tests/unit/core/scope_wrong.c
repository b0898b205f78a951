/*
 * Scopes that are left wrongly: the process ends, and says which scope and where it was entered.
 */
#include "util.h"

#include <signal.h>

/* Run it as the main coroutine of a process of its own, which ends with a report of this scope. */
static void run_in_child(void *arg)
{
    aw_ignore(aw_run_(
        *(aw_fn **)arg,
        &(aw_run_opts){
            .file = "here.c", .line = 7, .fn_name = "body", .name = "culprit", .arg = NULL}));
}

/* `around`: what was closed while the scope was open, and where that was entered; or NULL. */
static void assert_aborts(aw_fn *fn, const char *how, const char *what, int line,
                          const char *around)
{
    struct child_result r;
    char expected[512];
    run_child(&r, run_in_child, &fn);
    assert_true(child_killed(&r, SIGABRT));
    normalise(r.err);
    snprintf(expected, sizeof expected,
             "await: a scope was left wrongly: %s\n"
             "  scope:   %s, entered at scope_wrong.c:%d\n"
             "%s%s%s"
             "  task:    culprit body, created at here.c:7\n",
             how, what, line, around ? "  around:  " : "", around ? around : "",
             around ? "\n" : "");
    assert_string_equal(r.err, expected);
}

static void assert_aborts_around(aw_fn *fn, const char *what, int line, const char *around, int at)
{
    char text[128];
    snprintf(text, sizeof text, "%s, entered at scope_wrong.c:%d", around, at);
    assert_aborts(fn, "the scope around it was closed while it is open", what, line, text);
}

static const char ended[] = "the task ended inside it";
static const char returned[] = "the function that entered it has returned";

/* ---- by return ---- */

enum { GROUP_LEFT_AT = __LINE__ + 5 };
static int group_left_by_return(void *arg)
{
    (void)arg;
    aw_group g = AW_GROUP_INIT;
    AW_TRY(aw_group_enter(&g));
    return 0;
}

TEST(scope_group_left_by_return)
{
    assert_aborts(group_left_by_return, ended, "aw_group", GROUP_LEFT_AT, NULL);
}

enum { FULL_GROUP_LEFT_AT = __LINE__ + 5 };
static int group_left_with_children(void *arg)
{
    (void)arg;
    aw_group g = AW_GROUP_INIT;
    AW_TRY(aw_group_enter(&g));
    for (int i = 0; i < 3; i++)
        AW_TRY(aw_group_start(&g, sleep_long, NULL));
    AW_TRY(aw_sleep(1));
    return 0;
}

TEST(scope_group_left_by_return_with_children)
{
    assert_aborts(group_left_with_children, ended, "aw_group", FULL_GROUP_LEFT_AT, NULL);
}

enum { LIMIT_LEFT_AT = __LINE__ + 5 };
static int limit_left_by_return(void *arg)
{
    (void)arg;
    aw_timeout tm = AW_TIMEOUT_INIT;
    AW_TRY(aw_timeout_enter(&tm, 1));
    AW_TRY(aw_sleep(2)); /* as so often */
    return aw_timeout_exit(&tm, 0);
}

TEST(scope_limit_left_by_return)
{
    assert_aborts(limit_left_by_return, ended, "aw_timeout", LIMIT_LEFT_AT, NULL);
}

enum { ITERATION_LEFT_AT = __LINE__ + 6 };
static int iteration_left_by_return(void *arg)
{
    aw_completed it = AW_COMPLETED_INIT;
    aw_future *f = aw_future_new();
    (void)arg;
    AW_TRY(aw_completed_enter(&it, &f, 1));
    return 0;
}

TEST(scope_iteration_left_by_return)
{
    assert_aborts(iteration_left_by_return, ended, "aw_completed", ITERATION_LEFT_AT, NULL);
}

/* The innermost one is named, which is the one that was forgotten. */
enum { INNERMOST_AT = __LINE__ + 6 };
static int several_left_by_return(void *arg)
{
    aw_timeout outer = AW_TIMEOUT_INIT, inner = AW_TIMEOUT_INIT;
    (void)arg;
    AW_TRY(aw_timeout_enter(&outer, 2));
    AW_TRY(aw_timeout_enter(&inner, 1));
    return 0;
}

TEST(scope_several_left_by_return)
{
    assert_aborts(several_left_by_return, ended, "aw_timeout", INNERMOST_AT, NULL);
}

/* ---- in the wrong order ---- */

enum { CROSSED_AT = __LINE__ + 5 };
static int closed_crosswise(void *arg)
{
    aw_timeout tm = AW_TIMEOUT_INIT;
    aw_group g = AW_GROUP_INIT;
    AW_TRY(aw_timeout_enter(&tm, 1));
    AW_TRY(aw_group_enter(&g));
    AW_TRY(aw_timeout_exit(&tm, 0));
    (void)arg;
    return aw_group_exit(&g, 0);
}

TEST(scope_limit_closed_before_what_it_holds)
{
    assert_aborts_around(closed_crosswise, "aw_group", CROSSED_AT + 1, "aw_timeout", CROSSED_AT);
}

/* A group says so at once, and does not wait for its children before. */
enum { CROSSED_GROUP_AT = __LINE__ + 6 };
static int group_closed_too_early(void *arg)
{
    aw_timeout tm = AW_TIMEOUT_INIT;
    aw_group g = AW_GROUP_INIT;
    (void)arg;
    AW_TRY(aw_group_enter(&g));
    AW_TRY(aw_group_start(&g, sleep_long, NULL));
    AW_TRY(aw_timeout_enter(&tm, 1));
    return aw_group_exit(&g, 0);
}

TEST(scope_group_closed_before_what_it_holds)
{
    assert_aborts_around(group_closed_too_early, "aw_timeout", CROSSED_GROUP_AT + 2, "aw_group",
                         CROSSED_GROUP_AT);
}

enum { CROSSED_ITERATION_AT = __LINE__ + 7 };
static int iteration_closed_too_early(void *arg)
{
    aw_timeout tm = AW_TIMEOUT_INIT;
    aw_completed it = AW_COMPLETED_INIT;
    aw_future *f = aw_future_new();
    (void)arg;
    AW_TRY(aw_completed_enter(&it, &f, 1));
    AW_TRY(aw_timeout_enter(&tm, 1));
    return aw_completed_exit(&it, 0);
}

TEST(scope_iteration_closed_before_what_it_holds)
{
    assert_aborts_around(iteration_closed_too_early, "aw_timeout", CROSSED_ITERATION_AT + 1,
                         "aw_completed", CROSSED_ITERATION_AT);
}

/* ---- by another task ---- */

static int close_iteration(void *arg)
{
    return aw_completed_exit(arg, 0);
}

enum { FOREIGN_ITERATION_AT = __LINE__ + 6 };
static int iteration_closed_by_a_child(void *arg)
{
    aw_completed it = AW_COMPLETED_INIT;
    aw_future *f = aw_future_new();
    (void)arg;
    AW_TRY(aw_completed_enter(&it, &f, 1));
    return aw_join(aw_create_task_(
        close_iteration,
        &(aw_task_opts){
            .file = "here.c", .line = 7, .fn_name = "body", .name = "culprit", .arg = &it}));
}

TEST(scope_iteration_closed_by_another_task)
{
    assert_aborts(iteration_closed_by_a_child, "it was closed by another task", "aw_completed",
                  FOREIGN_ITERATION_AT, NULL);
}

static int close_foreign_group(void *arg)
{
    assert_int_equal(aw_group_exit(arg, 0), AW_EMISUSE);
    assert_int_equal(aw_group_exit(arg, -EIO), -EIO);
    note('f');
    return 0;
}

/* Groups and limits refuse that, and are in force as before. */
TEST_IN_LOOP(scope_group_closed_by_another_task)
{
    aw_group g = AW_GROUP_INIT;
    double began = aw_time();
    assert_int_equal(aw_group_enter(&g), 0);
    assert_int_equal(aw_group_start(&g, give_later, LATER(1, 0)), 0);
    assert_int_equal(aw_group_start(&g, close_foreign_group, &g), 0);
    assert_int_equal(aw_group_exit(&g, 4), 4);
    assert_time(aw_time() - began, 1);
    assert_trace("f");
}

/* ---- by the return of a function that the coroutine called ---- */

enum { HELPER_AT = __LINE__ + 4 };
__attribute__((noinline)) static int forgetful(int error)
{
    aw_timeout tm = AW_TIMEOUT_INIT;
    AW_TRY(aw_timeout_enter(&tm, 100));
    AW_TRY(aw_sleep(1));
    AW_TRY(error); /* out, and the limit stays behind */
    return aw_timeout_exit(&tm, 0);
}

static int call_forgetful(void *arg)
{
    (void)arg;
    return forgetful(-EIO) == -EIO ? 0 : -EINVAL;
}

TEST(scope_left_by_a_function_before_the_end_of_the_task)
{
    assert_aborts(call_forgetful, ended, "aw_timeout", HELPER_AT, NULL);
}

static int call_forgetful_twice(void *arg)
{
    AW_TRY(call_forgetful(arg));
    return call_forgetful(arg); /* whose record is where the first one was */
}

/* A sanitizer notices the dead frame itself, and sooner. */
static void skip_under_sanitizers(void)
{
    if (test_is_instrumented())
        SKIP("a sanitizer notices the dead frame itself");
}

TEST(scope_left_by_a_function_and_entered_again)
{
    skip_under_sanitizers();
    assert_aborts(call_forgetful_twice, returned, "aw_timeout", HELPER_AT, NULL);
}

static int forgetful_body(aw_group *g, void *arg)
{
    (void)g;
    return call_forgetful(arg);
}

enum { CALLED_AT = __LINE__ + 4 };
static int call_with_forgetful_body(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    return aw_group_call(&g, forgetful_body, arg);
}

/* The one that was left is named first, not only the one around it. */
TEST(scope_left_inside_the_body_of_a_group)
{
    assert_aborts_around(call_with_forgetful_body, "aw_timeout", HELPER_AT, "aw_group", CALLED_AT);
}

static int limited_forgetful(void *arg)
{
    return aw_timeout_call(10, call_forgetful, arg);
}

TEST(scope_left_inside_a_limited_call)
{
    assert_aborts(limited_forgetful, "the scope around it was closed while it is open",
                  "aw_timeout", HELPER_AT, "aw_timeout, entered at aw_timeout_call:0");
}

/* Uses the stack where the frame of the function that returned was. */
__attribute__((noinline)) static int overwrite(int depth)
{
    volatile char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)0xa5;
    return depth ? overwrite(depth - 1) + bytes[depth] : bytes[0];
}

#ifdef AW_DEBUG_HANDLES
static int go_on(void *arg)
{
    AW_TRY(call_forgetful(arg));
    return aw_sleep(200);
}

static int go_on_for_long(void *arg)
{
    AW_TRY(call_forgetful(arg));
    aw_ignore(overwrite(3));
    return aw_sleep(200);
}

/* The next time the task suspends, and not some time later in a wheel of timers. */
TEST(scope_left_by_a_function_is_noticed_at_the_next_suspension)
{
    skip_under_sanitizers();
    assert_aborts(go_on, returned, "aw_timeout", HELPER_AT, NULL);
    assert_aborts(go_on_for_long, returned, "aw_timeout", HELPER_AT, NULL);
}
#else
__attribute__((noinline)) static int forgets_group(void)
{
    aw_group g = AW_GROUP_INIT;
    return aw_group_enter(&g);
}

static int go_on_without_check(void *arg)
{
    assert_int_equal(forgets_group(), 0);
    aw_ignore(overwrite(3));
    return sleep_long(arg);
}

/* Where nobody looks at suspensions, closing the loop over the task does no harm. */
TEST(scope_left_by_a_function_and_the_loop_closed)
{
    skip_under_sanitizers();
    aw_loop *l = aw_loop_new();
    assert_int_equal(aw_loop_set_exception_handler(l, collect_report, NULL), 0);
    assert_int_equal(aw_spawn(go_on_without_check, NULL, .loop = l), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(aw_loop_stop(l), 0);
        assert_int_equal(aw_loop_run_forever(l), 0);
    }
    aw_loop_free(l);
    assert_reports(1);
}
#endif
