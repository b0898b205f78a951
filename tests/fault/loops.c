/*
 * loops.c - scenarios of loops: driven by hand, timers and callbacks, reports, the end of a run.
 */
#include <math.h>

#include "core/core.h"
#include "fault/inject.h"

/* ---- loops by hand ---- */

/* A loop with a task on it, run to its end and once more. */
static int run_twice(aw_loop *l)
{
    struct later second = {1, 5};
    aw_task *first, *next;
    MAKE(first, aw_create_task(give_later, &second, .copy = sizeof second, .loop = l));
    EXPECT(aw_loop_run_until_complete(l, first), 5);
    CHECK(aw_loop_time(l) >= 1 && !aw_loop_is_running(l) && !aw_loop_is_closed(l));
    MAKE(next, aw_create_task(give_later, &second, .copy = sizeof second, .loop = l));
    EXPECT(aw_loop_run_until_complete(l, next), 5);
    EXPECT(aw_loop_run_until_complete(l, first), 5);
    return 0;
}

SCENARIO(loop_run_twice)
{
    aw_loop *l = make_loop();
    if (!l)
        return aw_errno();
    int err = run_twice(l);
    end_loop(l);
    return err;
}

static int stop_the_loop(void *arg)
{
    return aw_loop_stop(arg);
}

static int count_up(void *arg)
{
    *(int *)arg += 1;
    return 0;
}

static int run_forever(aw_loop *l, int *n)
{
    EXPECT(aw_call_later(1, count_up, n, .loop = l), 0);
    EXPECT(aw_call_later(2, stop_the_loop, l, .loop = l), 0);
    EXPECT(aw_call_later(2.5, count_up, n, .loop = l), 0);
    EXPECT(aw_loop_run_forever(l), 0);
    CHECK(*n == 1);
    EXPECT(aw_loop_stop(l), 0);
    EXPECT(aw_loop_run_forever(l), 0);
    CHECK(*n == 1);
    EXPECT(aw_call_later(2, stop_the_loop, l, .loop = l), 0);
    EXPECT(aw_loop_run_forever(l), 0);
    CHECK(*n == 2);
    return 0;
}

SCENARIO(loop_run_forever)
{
    int n = 0;
    aw_loop *l = make_loop();
    if (!l)
        return aw_errno();
    int err = run_forever(l, &n);
    aw_loop_free(l);
    return err;
}

/* Closed over tasks: one that waits, one that never began.  Their arguments come back. */
static int leave_pending(aw_loop *l, struct owned *o)
{
    for (int i = 0; i < 2; i++) {
        aw_task *t;
        MAKE(t, aw_create_task(sleep_long, &o[i], .release = release_owned, .loop = l));
        o[i].given = 1;
        if (i == 0) {
            EXPECT(aw_loop_stop(l), 0);
            EXPECT(aw_loop_run_forever(l), 0);
        }
    }
    EXPECT(aw_call_soon(count_up, NULL, .loop = l), 0);
    EXPECT(aw_call_later(1, count_up, NULL, .loop = l), 0);
    return 0;
}

/* Stacks are measured, as far as there is memory to note it down. */
static int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

static int tell_of_stacks(void *arg)
{
    (void)arg;
    EXPECT(aw_join(aw_create_task(end_at_once, NULL)), 0);
    EXPECT(aw_gather(AW_CORO(end_at_once, NULL), AW_CORO(end_at_once, NULL)), 0);
    int lines = aw_stack_report(NULL);
    CHECK(lines >= 0 && lines <= 3);
    CHECK_CALM(lines == 3);
    return 0;
}

SCENARIO(stacks_are_measured)
{
    setenv("AWAIT_STACKS", "1", 1);
    int err = run_main(tell_of_stacks, NULL);
    unsetenv("AWAIT_STACKS");
    return err;
}

SCENARIO(loop_closed_over_tasks)
{
    struct owned o[2] = {0};
    aw_loop *l = make_loop();
    if (!l)
        return aw_errno();
    announce_reports(2);
    int err = leave_pending(l, o);
    CHECK(aw_loop_close(l) == 0 && aw_loop_is_closed(l) && aw_loop_close(l) == 0);
    CHECK(aw_loop_run_forever(l) == AW_EMISUSE && !aw_create_task(sleep_long, NULL, .loop = l));
    aw_loop_free(l);
    CHECK(owned_settled(o, 2));
    return err;
}

/* Closed over tasks in every kind of wait: what the library holds for them is given back. */
static int wait_in_a_gather(void *arg)
{
    (void)arg;
    aw_work works[10];
    for (int i = 0; i < 10; i++)
        works[i] = AW_CORO(sleep_long, NULL);
    return aw_gather_array(works, 10);
}

static int wait_for_many(void *arg)
{
    aw_future **fs = arg;
    return aw_wait(fs, 10, AW_ALL_COMPLETED);
}

static int wait_with_a_limit(void *arg)
{
    return aw_wait_for(*(aw_future **)arg, 100);
}

static int wait_for_a_gather(void *arg)
{
    return aw_gather_futures(arg, 10);
}

static int wait_for_the_first(void *arg)
{
    aw_future *f;
    aw_completed it = AW_COMPLETED_INIT;
    AW_TRY(aw_completed_enter(&it, arg, 10));
    return aw_completed_exit(&it, aw_completed_next(&it, &f));
}

static int join_it(void *arg)
{
    return aw_join(aw_ref(arg));
}

static int leave_waiting(aw_loop *l, aw_future *fs[10])
{
    aw_fn *const kinds[] = {wait_in_a_gather, wait_for_many, wait_with_a_limit, wait_for_a_gather,
                            wait_for_the_first};
    for (int i = 0; i < 10; i++)
        MAKE(fs[i], aw_create_task(sleep_long, NULL, .loop = l));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        EXPECT(aw_spawn(kinds[i], fs, .loop = l), 0);
    EXPECT(aw_spawn(await_it, fs[0], .loop = l), 0);
    EXPECT(aw_spawn(join_it, fs[1], .loop = l), 0);
    EXPECT(aw_loop_stop(l), 0);
    EXPECT(aw_loop_run_forever(l), 0);
    return 0;
}

SCENARIO(loop_closed_over_waits)
{
    aw_future *fs[10];
    aw_loop *l = make_loop();
    if (!l)
        return aw_errno();
    may_be_silent(SITE_MAP); /* whoever would be told is left in the middle of it */
    may_be_silent(SITE_PROTECT_NONE);
    announce_reports(27); /* ten of them in the gather, ten that are waited for */
    int err = leave_waiting(l, fs);
    aw_loop_free(l);
    return err;
}

/* Handles may be used after their loop is gone. */
static int leave_a_handle(void *arg)
{
    aw_future **f = arg;
    MAKE(*f, aw_create_task(give_later, (&(struct later){1, 7}), .copy = sizeof(struct later),
                            .name = "survivor"));
    EXPECT(aw_await(*f), 7);
    return 0;
}

SCENARIO(handles_outlive_their_loop)
{
    aw_future *f = NULL;
    EXPECT(run_main(leave_a_handle, &f), 0);
    CHECK(aw_done(f) && aw_result(f) == 7 && strcmp(aw_task_name(f), "survivor") == 0);
    CHECK(((struct later *)aw_value(f))->result == 7);
    CHECK(aw_future_loop(f) && aw_loop_is_closed(aw_future_loop(f)));
    return 0;
}

/* ---- callbacks and timers ---- */

static char order[16];

static int note_letter(void *arg)
{
    size_t n = strlen(order);
    if (n + 1 < sizeof order)
        order[n] = *(const char *)arg;
    return 0;
}

static int timers(void *arg)
{
    aw_handle *gone = NULL, *kept = NULL, *soon = NULL;
    (void)arg;
    double now = aw_time();
    EXPECT(aw_call_later(3, note_letter, "d"), 0);
    EXPECT(aw_call_at(now + 2, note_letter, "b"), 0);
    EXPECT(aw_call_later(2, note_letter, "c"), 0);
    EXPECT(aw_call_soon(note_letter, "a"), 0);
    EXPECT(aw_call_later(1, note_letter, "x", .handle = &gone), 0);
    aw_handle_cancel(gone);
    CHECK(aw_handle_cancelled(gone));
    aw_handle_unref(gone);
    EXPECT(aw_call_at(now + 4, note_letter, "e", .handle = &kept), 0);
    CHECK(aw_handle_when(kept) == now + 4 && !aw_handle_cancelled(kept));
    aw_handle_unref(kept);
    EXPECT(aw_call_soon(note_letter, "y", .handle = &soon), 0);
    aw_handle_cancel(soon);
    CHECK(aw_handle_when(soon) == 0);
    aw_handle_unref(soon);
    AW_TRY(aw_sleep(5));
    CHECK(strcmp(order, "abcde") == 0);
    return 0;
}

SCENARIO(timers)
{
    memset(order, 0, sizeof order);
    return run_main(timers, NULL);
}

/* Near and far, more than a slot of the wheel holds, some cancelled. */
static int many_timers(void *arg)
{
    int *n = arg;
    aw_handle *h;
    for (int i = 0; i < 30; i++) {
        EXPECT(aw_call_later(0.0001 * i * i * i, count_up, n, .handle = &h), 0);
        if (i % 3 == 0)
            aw_handle_cancel(h);
        aw_handle_unref(h);
    }
    EXPECT(aw_call_later(1e6, count_up, n), 0);
    EXPECT(aw_call_later(INFINITY, count_up, n), 0);
    AW_TRY(aw_sleep(10));
    CHECK(*n == 20);
    return 0;
}

SCENARIO(many_timers)
{
    int n = 0;
    return run_main(many_timers, &n);
}

/* A callback that schedules the next, and at last tells who waits, come what may. */
struct relay {
    aw_future *over;
    int left;
};

static int pass_on(void *arg)
{
    struct relay *r = arg;
    int err = --r->left > 0 ? aw_call_soon(pass_on, r) : 0;
    if (err == 0 && r->left > 0)
        return 0;
    if (!aw_done(r->over))
        aw_ignore(err < 0 ? aw_set_error(r->over, err) : aw_set_result(r->over, 0, NULL));
    return err;
}

static int relay(void *arg)
{
    struct relay *r = arg;
    MAKE(r->over, aw_future_new());
    EXPECT(aw_call_soon(pass_on, r), 0);
    EXPECT(aw_await(r->over), 0);
    CHECK(r->left == 0);
    return 0;
}

SCENARIO(relay)
{
    struct relay r = {.left = 5};
    return run_main(relay, &r);
}

/* ---- reports ---- */

static int fail_at_once(void *arg)
{
    (void)arg;
    return -EXDEV;
}

static int give_to_default(const aw_report *r, void *arg)
{
    aw_report quiet = *r;
    quiet.text = "";
    AW_TRY(aw_default_exception_handler(&quiet, NULL));
    return note_report(r, arg);
}

static int failing_callbacks(void *arg)
{
    (void)arg;
    aw_loop *l = aw_running_loop();
    EXPECT(aw_loop_set_exception_handler(l, give_to_default, NULL), 0);
    EXPECT(aw_call_soon(fail_at_once, NULL), 0);
    EXPECT(aw_call_later(1, fail_at_once, NULL), 0);
    EXPECT(aw_spawn(fail_at_once, NULL), 0);
    AW_TRY(aw_sleep(2));
    EXPECT(aw_loop_set_exception_handler(l, note_report, NULL), 0);
    EXPECT(aw_call_soon(fail_at_once, NULL), 0);
    return aw_sleep(1);
}

SCENARIO(failing_callbacks)
{
    announce_reports(4);
    return run_main(failing_callbacks, NULL);
}

/* A step that takes long, by the virtual clock, in a task and in a callback. */
static int be_slow(void *arg)
{
    aw_loop_advance(aw_self.loop, 1);
    return (int)(intptr_t)arg;
}

static int debug_mode(void *arg)
{
    (void)arg;
    aw_loop *l = aw_running_loop();
    aw_loop_set_debug(l, true);
    CHECK(aw_loop_debug(l));
    EXPECT(aw_loop_set_slow_step(l, 0.5), 0);
    EXPECT(aw_join(aw_create_task(be_slow, INT(2))), 2);
    EXPECT(aw_call_soon(be_slow, NULL), 0);
    AW_TRY(aw_sleep(1));
    aw_loop_set_debug(l, false);
    return 0;
}

SCENARIO(debug_mode)
{
    announce_reports(2);
    return run_main(debug_mode, NULL);
}

/* What main leaves behind is cancelled, may clean up, and may start something else. */
static int clean_up_with_help(void *arg)
{
    int err = sleep_long(arg);
    if (err == -ECANCELED)
        *(int *)arg = aw_join(aw_create_task(clean_up_slowly, NULL));
    return err;
}

static int leave_tasks(void *arg)
{
    int *helped = arg;
    for (int i = 0; i < 3; i++)
        EXPECT(aw_spawn(i ? clean_up_with_help : sleep_long, &helped[i]), 0);
    AW_TRY(aw_sleep(1));
    return 0;
}

SCENARIO(tasks_left_at_the_end)
{
    int helped[3] = {0};
    announce_reports(5); /* three at first, then the two that help */
    EXPECT(run_main(leave_tasks, helped), 0);
    for (int i = 1; i < 3; i++)
        EXPECT(helped[i] == -ECANCELED ? 0 : helped[i], 0);
    CHECK_CALM(helped[1] == -ECANCELED && helped[2] == -ECANCELED);
    return 0;
}

/* Two that wait for each other, and nothing that could wake them. */
static int await_place(void *arg)
{
    aw_future **place = arg;
    AW_TRY(aw_sleep(1));
    return aw_await(*place);
}

static int deadlock(void *arg)
{
    static aw_future *a, *b;
    (void)arg;
    MAKE(a, aw_create_task(await_place, &b));
    MAKE(b, aw_create_task(await_place, &a));
    return aw_await(a);
}

SCENARIO(deadlock)
{
    announce_reports(1); /* which names the tasks that it ends */
    EXPECT(run_main(deadlock, NULL), -EDEADLK);
    return 0;
}

/* ---- the task factory ---- */

struct factory {
    int made, refused;
};

static aw_task *make_or_refuse(aw_fn *fn, const aw_task_opts *opts, void *arg)
{
    struct factory *f = arg;
    if (f->made == 2) {
        f->refused++;
        return aw_refuse(AW_EFULL, "two are enough");
    }
    aw_task *t = aw_create_task_default(fn, opts);
    f->made += t != NULL;
    return t;
}

static int with_a_factory(void *arg)
{
    aw_loop *l = aw_running_loop();
    aw_task *a, *b;
    EXPECT(aw_loop_set_task_factory(l, make_or_refuse, arg), 0);
    MAKE(a, aw_create_task(give, INT(1)));
    MAKE(b, aw_create_task(give, INT(2)));
    CHECK(!aw_create_task(give, INT(3)) && aw_errno() == AW_EFULL);
    CHECK_CALM(strcmp(aw_errmsg(), "two are enough") == 0);
    CHECK(aw_spawn(give, INT(3)) == AW_EFULL);
    CHECK(aw_gather(AW_CORO(give, INT(4))) == AW_EFULL);
    EXPECT(aw_await(a), 1);
    EXPECT(aw_await(b), 2);
    EXPECT(aw_loop_set_task_factory(l, NULL, NULL), 0);
    EXPECT(aw_join(aw_create_task(give, INT(3))), 3);
    return 0;
}

SCENARIO(task_factory)
{
    struct factory f = {0};
    int err = run_main(with_a_factory, &f);
    CHECK(err < 0 || (f.made == 2 && f.refused == 3));
    return err;
}

/* ---- calls that make no sense ---- */

static int misuse(void *arg)
{
    aw_future *f;
    (void)arg;
    MAKE(f, aw_future_new());
    CHECK(aw_set_result(f, -1, NULL) == -EINVAL && aw_set_error(f, 1) == -EINVAL);
    CHECK(aw_sleep((double)NAN) == -EINVAL);
    CHECK(aw_await(aw_current_task()) == AW_EMISUSE);
    CHECK(aw_run(give, INT(0)) == AW_EMISUSE);
    CHECK(!aw_create_task(NULL, NULL) && aw_errno() == -EINVAL);
    CHECK(aw_join(NULL) == -EINVAL && !aw_cancel(NULL) && !aw_done(NULL));
    CHECK(strcmp(aw_error_name(AW_EMISUSE), "AW_EMISUSE") == 0);
    CHECK(strlen(aw_strerror(AW_EMISUSE)) > 0);
    aw_cancel(f);
    return aw_await(f) == -ECANCELED ? 0 : WRONG;
}

SCENARIO(misuse)
{
    return run_main(misuse, NULL);
}
