/*
 * Handles and loops used where or when they must not be: of another loop, after the last
 * reference, after closing, in the child of a fork.
 */
#include "loop_record.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int nothing_done(aw_future *f, void *arg)
{
    (void)f;
    (void)arg;
    return 0;
}

/* ---- a future of another loop ---- */

static int wait_for_foreign(void *arg)
{
    aw_future *foreign = arg, *own = aw_future_new(), *mixed[] = {own, foreign};
    aw_completed it = AW_COMPLETED_INIT;
    assert_int_equal(aw_await(foreign), AW_ETHREAD);
    assert_int_equal(aw_await_shielded(foreign), AW_ETHREAD);
    assert_int_equal(aw_wait_for(foreign, 1), AW_ETHREAD);
    assert_int_equal(aw_wait(mixed, 2, AW_ALL_COMPLETED, .timeout = 1), AW_ETHREAD);
    assert_int_equal(aw_completed_enter(&it, mixed, 2), AW_ETHREAD);
    assert_int_equal(aw_gather_futures(mixed, 2), AW_ETHREAD);
    assert_null(aw_gather_new(mixed, 2));
    assert_int_equal(aw_errno(), AW_ETHREAD);
    assert_true(aw_errmsg()[0] != '\0');
    assert_false(aw_done(foreign));
    assert_false(aw_done(own));
    aw_unref(own);
    return aw_sleep(0.1);
}

TEST(badinput_future_of_another_loop)
{
    aw_loop *other = new_loop();
    aw_future *f = aw_future_new(.loop = other);
    assert_int_equal(aw_run(wait_for_foreign, f), 0);
    aw_unref(f);
    aw_loop_free(other);
}

TEST(badinput_running_until_another_loops_future)
{
    aw_loop *l = new_loop(), *other = new_loop();
    aw_future *f = aw_future_new(.loop = other);
    assert_int_equal(aw_loop_run_until_complete(l, f), AW_ETHREAD);
    assert_int_equal(aw_set_result(f, 3, NULL), 0);
    assert_int_equal(aw_loop_run_until_complete(l, f), AW_ETHREAD);
    assert_int_equal(aw_loop_run_until_complete(other, f), 3);
    aw_unref(f);
    aw_loop_free(other);
    aw_loop_free(l);
}

/* ---- after the last reference ---- */

static void use_future_late(void *arg)
{
    (void)arg;
    aw_loop *l = new_loop();
    aw_future *keep = aw_future_new(.loop = l), *f = aw_future_new(.loop = l);
    aw_unref(f);
    aw_done(f);
    aw_unref(keep);
    aw_loop_free(l);
}

static void use_task_late(void *arg)
{
    (void)arg;
    aw_loop *l = new_loop();
    aw_task *t = aw_create_task(nothing, NULL, .loop = l);
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    aw_unref(t);
    aw_ignore(aw_result(t));
}

static void unref_twice(void *arg)
{
    (void)arg;
    aw_loop *l = new_loop();
    aw_task *t = aw_create_task(nothing, NULL, .loop = l);
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    aw_unref(t);
    aw_unref(t);
}

TEST(badinput_handle_used_after_its_last_reference)
{
#ifdef AW_DEBUG_HANDLES
    void (*const mistakes[])(void *) = {use_task_late, unref_twice, use_future_late};
    struct child_result r;
    for (size_t i = 0; i < test_scale(3, 2); i++) { /* sanitizers find the third by themselves */
        run_child(&r, mistakes[i], NULL);
        assert_true(child_killed(&r, SIGABRT));
        normalise(r.err);
        assert_non_null(strstr(r.err, "await: badinput_handles.c:"));
        assert_non_null(strstr(r.err, "used after its last reference"));
    }
#else
    (void)use_future_late;
    (void)use_task_late;
    (void)unref_twice;
    SKIP("only builds with -Ddebug_handles=true check handles");
#endif
}

/* ---- after closing ---- */

static int never(void *arg)
{
    (void)arg;
    fail_msg("this was not to run");
    return 0;
}

TEST(badinput_futures_of_a_closed_loop)
{
    aw_loop *l = new_loop();
    aw_future *f = aw_future_new(.loop = l), *done = aw_future_new(.loop = l);
    aw_task *t = aw_create_task(nothing, NULL, .loop = l, .name = "kept");
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    assert_int_equal(aw_set_result(done, 7, &done), 0);
    assert_int_equal(aw_loop_close(l), 0);
    assert_int_equal(aw_result(done), 7);
    assert_ptr_equal(aw_value(done), &done);
    assert_true(aw_done(t));
    assert_string_equal(aw_task_name(t), "kept");
    assert_false(aw_done(f));
    assert_int_equal(aw_result(f), AW_ESTATE);
    assert_int_equal(aw_add_done_callback(f, nothing_done, NULL), AW_EMISUSE);
    assert_int_equal(aw_add_done_callback(done, nothing_done, NULL), AW_EMISUSE);
    aw_loop_free(l); /* its memory stays with the handles */
    aw_ref(f);
    aw_unref(f);
    aw_unref(f);
    aw_unref(done);
    aw_unref(t);
}

/* What waited in a closed loop is finished for good, and says so. */
static int wait_for_ever(void *arg)
{
    int err = aw_await(arg);
    fail_msg("this was not to go on: %d", err);
    return 0;
}

static int swallow_report(const aw_report *report, void *arg)
{
    (void)report;
    *(int *)arg += 1;
    return 0;
}

TEST(badinput_tasks_of_a_closed_loop)
{
    int reports = 0;
    aw_loop *l = new_loop();
    aw_loop_set_exception_handler(l, swallow_report, &reports);
    aw_future *f = aw_future_new(.loop = l);
    aw_task *waiting = aw_create_task(wait_for_ever, f, .loop = l);
    run_one_pass(l);
    aw_task *unborn = aw_create_task(never, NULL, .loop = l);
    assert_int_equal(aw_loop_close(l), 0);
    assert_int_equal(reports, 2);
    assert_true(aw_cancelled(waiting));
    assert_true(aw_cancelled(unborn));
    assert_int_equal(aw_result(waiting), -ECANCELED);
    assert_false(aw_cancel(waiting));
    aw_ignore(aw_set_result(f, 1, NULL)); /* nobody is woken */
    aw_unref(f);
    aw_unref(waiting);
    aw_unref(unborn);
    aw_loop_free(l);
}

/* What a closing loop calls, handler and release, cannot start anything on it any more. */
struct late_start {
    aw_loop *loop;
    int by_handler, by_release;
};
static struct late_start late;

static int start_late(aw_loop *l)
{
    char copied[4096] = {0};
    return aw_spawn(never, copied, .copy = sizeof copied, .loop = l);
}

static int start_in_handler(const aw_report *report, void *arg)
{
    (void)arg;
    late.by_handler = start_late(report->loop);
    return 0;
}

static void start_in_release(void *arg)
{
    (void)arg;
    late.by_release = start_late(late.loop);
}

TEST(badinput_starting_work_on_a_closing_loop)
{
    aw_loop *l = new_loop();
    aw_future *f = aw_future_new(.loop = l);
    late.loop = l;
    aw_loop_set_exception_handler(l, start_in_handler, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(aw_spawn(wait_for_ever, f, .release = start_in_release, .loop = l), 0);
    run_one_pass(l);
    assert_int_equal(aw_loop_close(l), 0);
    assert_int_equal(late.by_handler, AW_EMISUSE);
    assert_int_equal(late.by_release, AW_EMISUSE);
    assert_int_equal(aw_all_tasks(NULL, 0, .loop = l), 0);
    aw_unref(f);
    aw_loop_free(l);
}

/* ---- fork ---- */

/* Everything that a forked child may try with its parent's loop and futures. */
static void use_parents_loop(aw_loop *l, aw_future *f)
{
    assert_int_equal(aw_call_soon(nothing, NULL, .loop = l), AW_EFORKED);
    assert_int_equal(aw_call_later(0, nothing, NULL, .loop = l), AW_EFORKED);
    assert_null(aw_create_task(nothing, NULL, .loop = l));
    assert_int_equal(aw_errno(), AW_EFORKED);
    assert_null(aw_future_new(.loop = l));
    assert_int_equal(aw_errno(), AW_EFORKED);
    assert_int_equal(aw_loop_stop(l), AW_EFORKED);
    assert_int_equal(aw_loop_run_forever(l), AW_EFORKED);
    assert_int_equal(aw_loop_run_until_complete(l, f), AW_EFORKED);
    assert_int_equal(aw_loop_close(l), AW_EFORKED);
    assert_int_equal(aw_add_reader(0, nothing, NULL, .loop = l), AW_EFORKED);
    assert_false(aw_remove_reader(l, 0));
    assert_int_equal(aw_set_result(f, 1, NULL), AW_EFORKED);
    assert_int_equal(aw_result(f), AW_EFORKED);
    assert_false(aw_cancel(f));
    assert_false(aw_done(f));
    aw_unref(f);
    assert_true(aw_errmsg()[0] != '\0');
}

static int three(void *arg)
{
    AW_TRY(aw_sleep(0.01));
    *(int *)arg = 3;
    return 3;
}

static void run_own_loop(void)
{
    int seen = 0;
    assert_int_equal(aw_run(three, &seen), 3);
    assert_int_equal(seen, 3);
}

static void wait_for_child(pid_t pid)
{
    int status;
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

TEST(badinput_fork_beside_a_loop)
{
    aw_loop *l = new_loop();
    static aw_future *f; /* the child cannot free it, but knows it to the end */
    f = aw_future_new(.loop = l);
    run_one_pass(l);
    pid_t pid = fork();
    if (pid == 0) {
        use_parents_loop(l, f);
        run_own_loop();
        _exit(0);
    }
    wait_for_child(pid);
    assert_int_equal(aw_set_result(f, 5, NULL), 0);
    assert_int_equal(aw_loop_run_until_complete(l, f), 5);
    aw_unref(f);
    aw_loop_free(l);
}

static int fork_inside(void *arg)
{
    aw_loop *l = arg;
    aw_future *f = aw_future_new();
    AW_TRY(aw_sleep(0.01));
    pid_t pid = fork();
    if (pid == 0) {
        use_parents_loop(l, f);
        assert_int_equal(aw_sleep(0.01), AW_EFORKED);
        assert_int_equal(aw_await(f), AW_EFORKED);
        assert_null(aw_running_loop());
        assert_int_equal(aw_errno(), AW_EFORKED);
        assert_null(aw_current_task());
        assert_int_equal(aw_spawn(nothing, NULL), AW_EFORKED);
        run_own_loop();
        assert_int_equal(aw_sleep(0.01), AW_EFORKED); /* still on the parent's task's stack */
        _exit(0);
    }
    wait_for_child(pid);
    AW_TRY(aw_sleep(0.01));
    AW_TRY(aw_set_result(f, 1, NULL));
    return aw_join(f);
}

TEST(badinput_fork_inside_a_coroutine)
{
    aw_loop *l = new_loop();
    aw_task *t = aw_create_task(fork_inside, l, .loop = l);
    assert_int_equal(aw_loop_run_until_complete(l, t), 1);
    aw_unref(t);
    aw_loop_free(l);
}
