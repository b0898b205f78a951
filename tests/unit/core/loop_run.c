/*
 * Running, stopping and closing a loop, and what may not be done inside a run or after closing.
 */
#include "loop_record.h"

#include <unistd.h>

struct stopping {
    aw_loop *loop;
    struct mark first, late;
};

static int stop_and_schedule(void *arg)
{
    struct stopping *s = arg;
    AW_TRY(aw_loop_stop(s->loop));
    AW_TRY(aw_call_soon(mark, &s->late));
    return mark(&s->first);
}

/* LOOP-009: Stop lets the pass finish; what its callbacks scheduled waits for the next run. */
TEST(LOOP_009_stop_finishes_the_pass)
{
    struct record r = {""};
    aw_loop *l = new_loop();
    struct stopping s = {l, {&r, "stop"}, {&r, "late"}};
    struct mark last = {&r, "last"};
    assert_int_equal(aw_call_soon(stop_and_schedule, &s, .loop = l), 0);
    assert_int_equal(aw_call_soon(mark, &last, .loop = l), 0);
    assert_int_equal(aw_loop_run_forever(l), 0);
    assert_record(r, "stop last");
    run_one_pass(l);
    assert_record(r, "stop last late");
    aw_loop_free(l);
}

static int stop_in_task(void *arg)
{
    struct stopping *s = arg;
    mark(&s->first);
    AW_TRY(aw_loop_stop(s->loop));
    AW_TRY(aw_sleep(0));
    return mark(&s->late);
}

TEST(LOOP_009_a_task_stops_its_loop_and_goes_on_in_the_next_run)
{
    struct record r = {""};
    aw_loop *l = new_loop();
    struct stopping s = {l, {&r, "stop"}, {&r, "resumed"}};
    aw_task *t = aw_create_task(stop_in_task, &s, .loop = l);
    assert_int_equal(aw_loop_run_forever(l), 0);
    assert_record(r, "stop");
    assert_false(aw_done(t));
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    assert_record(r, "stop resumed");
    aw_unref(t);
    aw_loop_free(l);
}

/* LOOP-010: Stop before run_forever makes it do exactly one pass, not blocking, and return. */
TEST(LOOP_010_stopped_before_the_run)
{
    struct record r = {""};
    aw_loop *l = new_loop();
    struct stopping s = {l, {&r, "first"}, {&r, "second"}};
    struct mark timer = {&r, "timer"};
    double begin = aw_loop_time(l);
    assert_int_equal(aw_call_later(10, mark, &timer, .loop = l), 0);
    assert_int_equal(aw_call_soon(stop_and_schedule, &s, .loop = l), 0);
    run_one_pass(l);
    assert_record(r, "first");
    assert_seconds(aw_loop_time(l), begin);
    run_for(l, 20);
    assert_record(r, "first second timer");
    aw_loop_free(l);
}

TEST_REAL_CLOCK(LOOP_010_with_nothing_to_do_it_returns_at_once)
{
    int fds[2];
    struct record r = {""};
    struct mark m = {&r, "readable"};
    aw_loop *l = new_loop();
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(aw_add_reader(fds[0], mark, &m, .loop = l), 0);
    run_one_pass(l); /* blocking would be the test's time limit */
    assert_record(r, "");
    assert_int_equal(write(fds[1], "x", 1), 1);
    run_one_pass(l);
    assert_record(r, "readable");
    assert_true(aw_remove_reader(l, fds[0]));
    aw_loop_free(l);
    close(fds[0]);
    close(fds[1]);
}

static int sleep_then(void *arg)
{
    AW_TRY(aw_sleep(1));
    return *(int *)arg;
}

/* LOOP-011: run_until_complete returns the result or the error; at once if it is there already. */
TEST(LOOP_011_run_until_complete)
{
    aw_loop *l = new_loop();
    int results[] = {0, 42, -EIO, -ECANCELED};
    double begin = aw_loop_time(l);
    for (int i = 0; i < 4; i++) {
        aw_task *t = aw_create_task(sleep_then, &results[i], .loop = l);
        assert_int_equal(aw_loop_run_until_complete(l, t), results[i]);
        assert_seconds(aw_loop_time(l), begin + i + 1);
        assert_int_equal(aw_loop_run_until_complete(l, t), results[i]);
        assert_seconds(aw_loop_time(l), begin + i + 1);
        aw_unref(t);
    }
    aw_loop_free(l);
}

TEST(LOOP_011_a_plain_future_that_is_done)
{
    aw_loop *l = new_loop();
    aw_future *f = aw_future_new(.loop = l);
    assert_int_equal(aw_set_error(f, -ENOENT, .msg = "no such key"), 0);
    assert_int_equal(aw_loop_run_until_complete(l, f), -ENOENT);
    assert_string_equal(aw_errmsg(), "no such key");
    aw_unref(f);
    aw_loop_free(l);
}

/* LOOP-012: Stopped before the future is done: AW_EMISUSE; it is pending and can be run on. */
TEST(LOOP_012_stopped_while_running_until_complete)
{
    aw_loop *l = new_loop();
    int result = 7;
    aw_task *t = aw_create_task(sleep_then, &result, .loop = l);
    assert_int_equal(aw_call_later(0.5, stop_loop, l, .loop = l), 0);
    assert_int_equal(aw_loop_run_until_complete(l, t), AW_EMISUSE);
    assert_true(aw_errmsg()[0] != '\0');
    assert_false(aw_done(t));
    assert_int_equal(aw_loop_run_until_complete(l, t), 7);
    aw_unref(t);
    aw_loop_free(l);
}

struct nesting {
    aw_loop *running, *other;
    int until_complete, forever, run;
};

static int never(void *arg)
{
    (void)arg;
    fail_msg("this was not to run");
    return 0;
}

static int nest(void *arg)
{
    struct nesting *n = arg;
    aw_future *f = aw_future_new(.loop = n->other);
    n->until_complete = aw_loop_run_until_complete(n->other, f);
    n->forever = aw_loop_run_forever(n->other);
    n->run = aw_run(never, NULL);
    aw_unref(f);
    return 0;
}

static void check_nesting(aw_loop *running, aw_loop *other)
{
    struct nesting n = {running, other, 1, 1, 1};
    aw_task *t = aw_create_task(nest, &n, .loop = running);
    assert_int_equal(aw_loop_run_until_complete(running, t), 0);
    aw_unref(t);
    assert_int_equal(n.until_complete, AW_EMISUSE);
    assert_int_equal(n.forever, AW_EMISUSE);
    assert_int_equal(n.run, AW_EMISUSE);

    n = (struct nesting){running, other, 1, 1, 1};
    assert_int_equal(aw_call_soon(nest, &n, .loop = running), 0);
    run_one_pass(running);
    assert_int_equal(n.until_complete, AW_EMISUSE);
    assert_int_equal(n.forever, AW_EMISUSE);
    assert_int_equal(n.run, AW_EMISUSE);
}

/* LOOP-013: Running a loop from inside itself, task or callback, gives AW_EMISUSE. */
TEST(LOOP_013_loop_inside_itself)
{
    aw_loop *l = new_loop();
    check_nesting(l, l);
    aw_loop_free(l);
}

/* LOOP-014: Running a second loop in a thread where one is running gives AW_EMISUSE. */
TEST(LOOP_014_second_loop_in_a_running_thread)
{
    aw_loop *l = new_loop(), *other = new_loop();
    check_nesting(l, other);
    run_one_pass(other); /* it is as good as new */
    aw_loop_free(other);
    aw_loop_free(l);
}

static int run_misuse(void *arg)
{
    (void)arg;
    return aw_run(never, NULL);
}

TEST(LOOP_014_aw_run_in_a_coroutine)
{
    assert_int_equal(aw_run(run_misuse, NULL), AW_EMISUSE);
}

struct asking {
    aw_loop *loop, *seen[2];
    bool running[2];
};

static int ask_in_callback(void *arg)
{
    struct asking *a = arg;
    a->running[0] = aw_loop_is_running(a->loop);
    a->seen[0] = aw_running_loop();
    return 0;
}

static int ask_in_task(void *arg)
{
    struct asking *a = arg;
    a->running[1] = aw_loop_is_running(a->loop);
    a->seen[1] = aw_running_loop();
    return 0;
}

static struct asking ask_both(aw_loop *l)
{
    struct asking a = {.loop = l};
    assert_int_equal(aw_call_soon(ask_in_callback, &a, .loop = l), 0);
    aw_task *t = aw_create_task(ask_in_task, &a, .loop = l);
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    aw_unref(t);
    return a;
}

/* LOOP-015: is_running is true inside callbacks and coroutines, false before and after a run. */
TEST(LOOP_015_is_running)
{
    aw_loop *l = new_loop(), *other = new_loop();
    assert_false(aw_loop_is_running(l));
    struct asking a = ask_both(l);
    assert_true(a.running[0]);
    assert_true(a.running[1]);
    assert_false(aw_loop_is_running(l));
    assert_false(aw_loop_is_running(other));
    aw_loop_free(l);
    aw_loop_free(other);
}

/* LOOP-016: The running loop is known in callbacks and coroutines; outside a run: AW_EMISUSE. */
TEST(LOOP_016_running_loop)
{
    aw_loop *l = new_loop();
    assert_null(aw_running_loop());
    assert_int_equal(aw_errno(), AW_EMISUSE);
    struct asking a = ask_both(l);
    assert_ptr_equal(a.seen[0], l);
    assert_ptr_equal(a.seen[1], l);
    assert_null(aw_running_loop());
    assert_int_equal(aw_errno(), AW_EMISUSE);
    aw_loop_free(l);
}

struct closing {
    struct mark mark;
    aw_loop *loop;
    int status[2];
};

static int close_while_running(void *arg)
{
    struct closing *c = arg;
    c->status[0] = aw_loop_close(c->loop);
    AW_TRY(aw_sleep(1));
    c->status[1] = aw_loop_close(c->loop);
    return mark(&c->mark);
}

/* LOOP-017: Closing a running loop gives AW_EMISUSE, and the run goes on. */
TEST(LOOP_017_closing_a_running_loop)
{
    struct record r = {""};
    aw_loop *l = new_loop();
    struct closing c = {{&r, "went on"}, l, {1, 1}};
    aw_task *t = aw_create_task(close_while_running, &c, .loop = l);
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    assert_int_equal(c.status[0], AW_EMISUSE);
    assert_int_equal(c.status[1], AW_EMISUSE);
    assert_false(aw_loop_is_closed(l));
    assert_record(r, "went on");
    aw_unref(t);
    assert_int_equal(aw_loop_close(l), 0);
    assert_true(aw_loop_is_closed(l));
    aw_loop_free(l);
}

static int free_while_running(void *arg)
{
    struct closing *c = arg;
    aw_loop_free(c->loop);
    AW_TRY(aw_sleep(1));
    return mark(&c->mark);
}

TEST(LOOP_017_freeing_a_running_loop_does_nothing)
{
    struct record r = {""};
    aw_loop *l = new_loop();
    struct closing c = {{&r, "went on"}, l, {1, 1}};
    aw_task *t = aw_create_task(free_while_running, &c, .loop = l);
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    assert_record(r, "went on");
    aw_unref(t);
    aw_loop_free(l);
}

/* LOOP-018: On a closed loop call_soon, call_later, call_at and create_task fail: AW_EMISUSE. */
TEST(LOOP_018_closed_loop_refuses_work)
{
    struct mark m = {NULL, "never"};
    aw_handle *h = NULL;
    aw_loop *l = new_loop();
    assert_int_equal(aw_loop_close(l), 0);
    assert_int_equal(aw_call_soon(mark, &m, .loop = l, .handle = &h), AW_EMISUSE);
    assert_int_equal(aw_call_later(1, mark, &m, .loop = l, .handle = &h), AW_EMISUSE);
    assert_int_equal(aw_call_at(1, mark, &m, .loop = l, .handle = &h), AW_EMISUSE);
    assert_null(h);
    assert_null(aw_create_task(mark, &m, .loop = l));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_null(aw_create_task(mark, &m, .loop = l, .eager = true));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_int_equal(aw_spawn(mark, &m, .loop = l), AW_EMISUSE);
    assert_null(aw_future_new(.loop = l));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    aw_loop_free(l);
}

TEST(LOOP_018_closed_loop_does_not_run)
{
    aw_loop *l = new_loop();
    aw_future *keep = aw_future_new(.loop = l);
    assert_int_equal(aw_loop_close(l), 0);
    assert_int_equal(aw_loop_run_forever(l), AW_EMISUSE);
    assert_int_equal(aw_loop_run_until_complete(l, keep), AW_EMISUSE);
    assert_false(aw_loop_is_running(l));
    assert_int_equal(aw_loop_close(l), 0);
    aw_loop_free(l); /* the future keeps its memory */
    assert_ptr_equal(aw_future_loop(keep), l);
    assert_true(aw_loop_is_closed(aw_future_loop(keep)));
    aw_unref(keep);
}
