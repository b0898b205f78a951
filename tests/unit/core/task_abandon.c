/*
 * A loop that is closed over tasks that wait: what their waits hold is given back.
 */
#include "util.h"

static int await_one(void *arg)
{
    (void)arg;
    return aw_await(aw_future_new());
}

static int join_one(void *arg)
{
    return aw_join(aw_create_task(sleep_long, arg));
}

static int await_one_shielded(void *arg)
{
    (void)arg;
    return aw_await_shielded(aw_future_new());
}

static int wait_for_one(void *arg)
{
    return aw_wait_for(arg, 100);
}

static int wait_in_limit(void *arg)
{
    return aw_timeout_call(100, wait_for_one, arg);
}

enum { MANY = 12 };

static int wait_for_many(void *arg)
{
    aw_future *fs[MANY];
    for (int i = 0; i < MANY; i++)
        fs[i] = arg;
    return aw_wait(fs, MANY, AW_ALL_COMPLETED);
}

static int complete_many(void *arg)
{
    aw_future *fs[MANY], *f;
    aw_completed it = AW_COMPLETED_INIT;
    for (int i = 0; i < MANY; i++)
        fs[i] = arg;
    AW_TRY(aw_completed_enter(&it, fs, MANY));
    return aw_completed_exit(&it, aw_completed_next(&it, &f));
}

static int gather_two(void *arg)
{
    return aw_gather(AW_CORO(sleep_long, arg), AW_CORO(give, INT(3)));
}

static int gather_many(void *arg)
{
    aw_work works[MANY];
    for (int i = 0; i < MANY; i++)
        works[i] = AW_CORO(sleep_long, "x", .release = note_release);
    (void)arg;
    return aw_gather_array(works, MANY, .limit = 10);
}

static void close_over(aw_fn *fn)
{
    aw_loop *l = aw_loop_new();
    assert_int_equal(aw_loop_set_exception_handler(l, collect_report, NULL), 0);
    aw_future *f = aw_future_new(.loop = l);
    assert_int_equal(aw_spawn(fn, f, .loop = l), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(aw_loop_stop(l), 0);
        assert_int_equal(aw_loop_run_forever(l), 0);
    }
    assert_int_equal(aw_loop_close(l), 0);
    assert_true(reports.n > 0);
    reports.n = 0;
    aw_unref(f);
    aw_loop_free(l);
    aw_ignore(aw_result(NULL)); /* the thread's last words are not kept in memory then */
}

/* But for the handles that stand in frames which are never gone back to. */
TEST(task_waits_are_given_back_when_their_loop_is_closed)
{
    aw_fn *const all[] = {join_one,      wait_for_one, wait_in_limit, wait_for_many,
                          complete_many, gather_two,   gather_many};
    count_memory();
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        close_over(all[i]);
        assert_int_equal(memory.live, 0);
    }
    assert_trace("xxxxxxxxxxxx"); /* every release, of those that never began too */
    close_over(await_one);
    assert_int_equal(memory.live, 3); /* the future that only its frame knows, and its loop */
    close_over(await_one_shielded);
    assert_int_equal(memory.live, 6);
}
