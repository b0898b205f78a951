/*
 * processes.c - scenarios of process pools.
 *
 * What fails, fails in the program: the process server is started before anything is counted (see
 * sweep.c), and so its workers are never disturbed.  The pool's thread is; what it cannot tell in a
 * call's result becomes the job's error.
 */
#include <math.h>

#include "fault/inject.h"

/* An emulator's own thread counts as one of the program's once the program has had one: the child
 * of a fork then gets no server, and needs none: see sweep(). */
void process_begins(void)
{
    int err = aw_process_server();
    assert_true(err == 0 || (err == AW_EMISUSE && test_is_emulated()));
}

/* ---- jobs, in worker processes ---- */

static int echo(const void *in, size_t n, aw_process_reply *out)
{
    AW_TRY(aw_process_write(out, in, n));
    return (int)n;
}

static int leave(const void *in, size_t n, aw_process_reply *out)
{
    (void)in, (void)n, (void)out;
    _exit(7);
}

static int run_for_ever(const void *in, size_t n, aw_process_reply *out)
{
    (void)in, (void)n, (void)out;
    for (;;)
        pause();
    return 0;
}

/* ---- pools ---- */

/* Uses a pool and gives it back, whatever came of that. */
static int with_pool(aw_process_pool *pool, int (*use)(aw_process_pool *pool))
{
    threads_take_part();
    may_be_silent(SITE_POLL_ONE);
    if (!pool)
        return unexpected(aw_errno(), "pool", __FILE__, __LINE__);
    int err = use(pool);
    CHECK(aw_process_pool_free(pool) == 0);
    return err;
}

static int submit_and_look(aw_process_pool *pool)
{
    aw_cfuture *f;
    size_t size;
    MAKE_CONCURRENT(f, aw_process_submit(pool, echo, "bytes", 6));
    EXPECT(aw_cfuture_result(f, INFINITY), 6);
    CHECK(strcmp(aw_process_output(f, &size), "bytes") == 0 && size == 6);
    CHECK(aw_process_pool_pids(pool, NULL, 0) <= 1);
    CHECK(aw_process_pool_queued(pool) == 0);
    CHECK(!aw_process_abort(f));
    CHECK(aw_process_write(NULL, "x", 1) == -EINVAL);
    CHECK(aw_process_server() == 0);
    aw_process_pool_unref(aw_process_pool_ref(pool));
    return 0;
}

SCENARIO(process_job)
{
    return with_pool(aw_process_pool(.max_workers = 1), submit_and_look);
}

/* Each in a worker of its own; the limit is there to be timed, not to be reached. */
static int submit_some(aw_process_pool *pool)
{
    aw_cfuture *fs[3];
    for (int i = 0; i < 3; i++)
        MAKE_CONCURRENT(fs[i], aw_process_submit(pool, echo, "abc", (size_t)i, .timeout = 60));
    for (int i = 0; i < 3; i++)
        EXPECT(aw_cfuture_result(fs[i], INFINITY), i);
    return 0;
}

SCENARIO(process_jobs_in_workers_of_their_own)
{
    return with_pool(aw_process_pool(.max_workers = 1, .max_tasks_per_child = 1), submit_some);
}

static int leave_and_go_on(aw_process_pool *pool)
{
    aw_cfuture *f;
    may_be_silent(SITE_ALLOC); /* the words beside AW_EBROKEN */
    MAKE_CONCURRENT(f, aw_process_submit(pool, leave, NULL, 0));
    EXPECT(aw_cfuture_result(f, INFINITY), AW_EBROKEN);
    CHECK_CALM(strstr(aw_errmsg(), "in leave, ended with status 7"));
    MAKE_CONCURRENT(f, aw_process_submit(pool, echo, "x", 1));
    EXPECT(aw_cfuture_result(f, INFINITY), 1);
    return 0;
}

SCENARIO(process_that_dies)
{
    return with_pool(aw_process_pool(.max_workers = 1), leave_and_go_on);
}

/* A pool that is broken says so, and not what broke it. */
static int told_by_breaking(int err)
{
    return disturbed() && err == AW_EBROKEN ? expected_error : err;
}

static int use_prepared(aw_process_pool *pool)
{
    aw_cfuture *f;
    MAKE_CONCURRENT(f, aw_process_submit(pool, echo, "xy", 2));
    EXPECT(told_by_breaking(aw_cfuture_result(f, INFINITY)), 2);
    return 0;
}

SCENARIO(process_initializer)
{
    may_be_silent(SITE_ALLOC);
    return with_pool(aw_process_pool(.max_workers = 1, .initializer = echo,
                                     .initializer_input = "abc", .initializer_size = 3),
                     use_prepared);
}

static int break_by_death(aw_process_pool *pool)
{
    aw_cfuture *f;
    may_be_silent(SITE_ALLOC);
    MAKE_CONCURRENT(f, aw_process_submit(pool, leave, NULL, 0));
    EXPECT(aw_cfuture_result(f, INFINITY), AW_EBROKEN);
    CHECK(!aw_process_submit(pool, echo, NULL, 0));
    EXPECT(aw_errno(), AW_EBROKEN);
    return 0;
}

SCENARIO(process_pool_that_breaks)
{
    return with_pool(aw_process_pool(.max_workers = 1, .break_on_death = true), break_by_death);
}

/* ---- ending jobs ---- */

/* A job that runs, or has failed before it could. */
static aw_cfuture *submit_endless(aw_process_pool *pool)
{
    aw_cfuture *f = keep_concurrent(aw_process_submit(pool, run_for_ever, NULL, 0));
    while (f && !aw_cfuture_running(f) && !aw_cfuture_done(f))
        usleep(100);
    return f;
}

static int end_endless(aw_process_pool *pool, int (*end)(aw_process_pool *pool))
{
    aw_cfuture *f = submit_endless(pool);
    may_be_silent(SITE_ALLOC);
    if (!f)
        return unexpected(aw_errno(), "submit", __FILE__, __LINE__);
    CHECK(end(pool) == 0);
    EXPECT(aw_cfuture_result(f, INFINITY), AW_EBROKEN);
    return 0;
}

static int kill_endless(aw_process_pool *pool)
{
    return end_endless(pool, aw_process_pool_kill);
}

static int terminate_endless(aw_process_pool *pool)
{
    return end_endless(pool, aw_process_pool_terminate);
}

static int abort_endless(aw_process_pool *pool)
{
    aw_cfuture *f = submit_endless(pool);
    if (!f)
        return unexpected(aw_errno(), "submit", __FILE__, __LINE__);
    aw_process_abort(f); /* unless it has failed */
    EXPECT(aw_cfuture_result(f, INFINITY), -ECANCELED);
    CHECK(aw_process_pool_shutdown(pool, .wait = true, .cancel_futures = true) == 0);
    return 0;
}

SCENARIO(process_killed)
{
    return with_pool(aw_process_pool(.max_workers = 1), kill_endless);
}

SCENARIO(process_terminated)
{
    return with_pool(aw_process_pool(.max_workers = 1), terminate_endless);
}

SCENARIO(process_job_aborted)
{
    return with_pool(aw_process_pool(.max_workers = 1), abort_endless);
}

/* ---- in coroutines ---- */

static int await_echo(void *arg)
{
    char room[8] = "";
    size_t size = 0;
    EXPECT(
        aw_to_process(arg, echo, "awaited", 8, .out = room, .room = sizeof room, .ret_size = &size),
        8);
    CHECK(size == 8 && strcmp(room, "awaited") == 0);
    return 0;
}

static int run_and_await(aw_process_pool *pool)
{
    return run_main(await_echo, pool);
}

SCENARIO(process_awaited)
{
    return with_pool(aw_process_pool(.max_workers = 1), run_and_await);
}
