/*
 * How process pools end, and programs that have them: nobody is left behind, and nobody hangs.
 */
#include "procs.h"

/* ---- pools ---- */

TEST_REAL_CLOCK(proc_nothing_is_left_of_a_pool)
{
    assert_int_equal(aw_process_server(), 0);
    int before = descriptors();
    count_memory();
    long pids[3], blocks = blocks_left();
    for (int round = 0; round < 5; round++) {
        aw_process_pool *pool = aw_process_pool(.max_workers = 3);
        aw_cfuture *fs[6];
        for (int i = 0; i < 6; i++)
            fs[i] = i % 2 ? submit_int(pool, echo, i) : submit(pool, leave, NULL, 0);
        for (int i = 0; i < 6; i++)
            assert_int_equal(collect(fs[i]), i % 2 ? (int)sizeof(int) : AW_EBROKEN);
        int n = aw_process_pool_pids(pool, pids, 3);
        assert_int_equal(aw_process_pool_free(pool), 0);
        for (int i = 0; i < n; i++)
            assert_false(is_alive(pids[i]));
    }
    assert_int_equal(descriptors(), before);
    assert_int_equal(blocks_left(), blocks + (aw_errmsg()[0] != '\0')); /* the last detail */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

TEST_REAL_CLOCK(proc_shutdown_finishes_what_was_submitted)
{
    aw_cfuture *fs[20];
    aw_process_pool *pool = make_pool(.max_workers = 2);
    for (int i = 0; i < 20; i++)
        fs[i] = submit_ms(pool, i % 3);
    assert_int_equal(aw_process_pool_shutdown(pool), 0);
    assert_null(aw_process_submit(pool, tell_pid, NULL, 0));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_int_equal(aw_process_pool_shutdown(pool, .wait = true), 0);
    for (int i = 0; i < 20; i++) {
        assert_true(aw_cfuture_done(fs[i]));
        assert_int_equal(collect(fs[i]), i % 3);
    }
    assert_int_equal(aw_process_pool_shutdown(pool, .wait = true, .cancel_futures = true), 0);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

TEST_REAL_CLOCK(proc_shutdown_can_cancel_what_waits)
{
    aw_cfuture *fs[20];
    aw_process_pool *pool = make_pool(.max_workers = 1);
    for (int i = 0; i < 20; i++)
        fs[i] = submit(pool, run_for_ever, NULL, 0);
    wait_until(aw_cfuture_running(fs[0]));
    assert_int_equal(aw_process_pool_shutdown(pool, .cancel_futures = true), 0);
    for (int i = 1; i < 20; i++) {
        assert_true(aw_cfuture_cancelled(fs[i]));
        assert_int_equal(collect(fs[i]), -ECANCELED);
    }
    assert_true(aw_cfuture_running(fs[0]));
    assert_true(aw_process_abort(fs[0]));
    assert_int_equal(aw_process_pool_shutdown(pool, .wait = true), 0);
    assert_int_equal(collect(fs[0]), -ECANCELED);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

TEST_REAL_CLOCK(proc_the_last_handle_lets_the_jobs_finish)
{
    aw_process_pool *pool = make_pool(.max_workers = 1);
    assert_ptr_equal(aw_process_pool_ref(pool), pool);
    aw_process_pool_unref(pool);
    aw_cfuture *first = submit_ms(pool, 20), *second = submit_ms(pool, 1);
    aw_process_pool_unref(pool);
    assert_int_equal(collect(second), 1);
    assert_int_equal(collect(first), 20);
}

static int wait_in_callback(aw_cfuture *f, void *pool)
{
    (void)f;
    assert_int_equal(aw_process_pool_shutdown(pool, .wait = true), -EDEADLK);
    assert_int_equal(aw_process_pool_free(pool), -EDEADLK);
    aw_process_pool_unref(pool);
    return 0;
}

TEST_REAL_CLOCK(proc_a_callback_cannot_wait_for_its_own_pool)
{
    aw_process_pool *pool = make_pool(.max_workers = 1);
    aw_cfuture *f = submit(pool, run_for_ever, NULL, 0);
    wait_until(aw_cfuture_running(f));
    assert_int_equal(aw_cfuture_add_done_callback(f, wait_in_callback, pool), 0);
    assert_true(aw_process_abort(f));
    assert_int_equal(aw_cfuture_join(f, INFINITY), -ECANCELED);
}

TEST_REAL_CLOCK(proc_several_wait_for_one_end)
{
    aw_process_pool *pool = make_pool(.max_workers = 1);
    pthread_t ts[3];
    aw_cfuture *f = submit_ms(pool, 50);
    for (int i = 0; i < 3; i++)
        ts[i] = start_thread((void *(*)(void *))(void (*)(void))aw_process_pool_free,
                             aw_process_pool_ref(pool));
    for (int i = 0; i < 3; i++)
        end_thread(ts[i]);
    assert_int_equal(collect(f), 50);
    aw_process_pool_unref(pool);
}

/* ---- the end of the program ---- */

static int nap_and_say(const void *in, size_t n, aw_process_reply *out)
{
    int result = nap_inside(in, n, out);
    printf("said\n");
    return result;
}

static void end_with_jobs(void *arg)
{
    static aw_process_pool *pool; /* its handle is kept up to the end */
    (void)arg;
    pool = make_pool(.max_workers = 1);
    for (int i = 0; i < 2; i++)
        aw_cfuture_unref(submit(pool, nap_and_say, &(long){30}, sizeof(long)));
}

TEST_REAL_CLOCK(proc_jobs_finish_before_the_program)
{
    struct child_result r;
    run_child(&r, end_with_jobs, NULL);
    assert_true(child_exited(&r, 0));
    assert_string_equal(r.out, "said\nsaid\n");
    assert_string_equal(r.err, "");
}

static void end_over_jobs(void *arg)
{
    static aw_cfuture *f; /* nobody gives it up */
    (void)arg;
    aw_process_pool *pool = make_pool(.max_workers = 1, .exit_timeout = 0.1);
    f = submit(pool, run_for_ever, NULL, 0);
    aw_cfuture_unref(submit(pool, nap_and_say, &(long){0}, sizeof(long)));
    wait_until(aw_cfuture_running(f));
    only_worker(pool);
}

TEST_REAL_CLOCK(proc_the_exit_names_and_kills_what_does_not_end)
{
    struct child_result r;
    run_child(&r, end_over_jobs, NULL);
    assert_true(child_exited(&r, 0));
    assert_string_equal(r.out, "");
    assert_non_null(strstr(r.err, "await: the process ended over jobs that would not end\n"));
    assert_non_null(strstr(r.err, "  pool:    of processes, created at "));
    assert_non_null(strstr(r.err, "  job:     run_for_ever in process "));
    assert_non_null(strstr(r.err, "  waiting: 1 jobs\n"));
}

static void end_over_daemon(void *arg)
{
    (void)arg;
    aw_process_pool *pool = make_pool(.max_workers = 1, .daemon = true);
    aw_process_pool *idle = aw_process_pool(.daemon = true);
    assert_int_equal(collect(submit_ms(idle, 0)), 0);
    aw_cfuture_unref(submit(pool, run_for_ever, NULL, 0));
    aw_cfuture_unref(submit(pool, run_for_ever, NULL, 0));
}

TEST_REAL_CLOCK(proc_a_daemon_is_abandoned_with_a_line)
{
    struct child_result r;
    run_child(&r, end_over_daemon, NULL);
    assert_true(child_exited(&r, 0));
    assert_string_equal(r.err,
                        "await: the process ended over a daemon process pool, which had 2 jobs\n");
}

static int exit_here(aw_cfuture *f, void *arg)
{
    (void)f, (void)arg;
    exit(3);
}

static void exit_in_a_callback(void *arg)
{
    (void)arg;
    aw_process_pool *pool = make_pool(.max_workers = 1);
    aw_cfuture *f = submit(pool, run_for_ever, NULL, 0);
    wait_until(aw_cfuture_running(f));
    assert_int_equal(aw_cfuture_add_done_callback(f, exit_here, NULL), 0);
    assert_true(aw_process_abort(f));
    for (;;)
        pause();
}

TEST_REAL_CLOCK(proc_exit_in_a_callback)
{
    struct child_result r;
    run_child(&r, exit_in_a_callback, NULL);
    assert_true(child_exited(&r, 3));
}

/* Two workers, one of them stopped, and the server: told by number, and then the program is killed.
 */
static int tell_server(const void *in, size_t n, aw_process_reply *out)
{
    (void)in, (void)n, (void)out;
    return (int)getppid();
}

static void be_killed(void *arg)
{
    (void)arg;
    long pids[2];
    aw_process_pool *pool = make_pool(.max_workers = 2);
    int server = collect(submit(pool, tell_server, NULL, 0));
    aw_cfuture_unref(submit(pool, run_for_ever, NULL, 0));
    aw_cfuture_unref(submit(pool, run_for_ever, NULL, 0));
    wait_until(aw_process_pool_pids(pool, pids, 2) == 2);
    kill((pid_t)pids[0], SIGSTOP);
    printf("%d %ld %ld\n", server, pids[0], pids[1]);
    fflush(stdout);
    raise(SIGKILL);
}

TEST_REAL_CLOCK(proc_workers_end_with_the_program)
{
    struct child_result r;
    long server, first, second;
    run_child(&r, be_killed, NULL);
    assert_true(child_killed(&r, SIGKILL));
    assert_int_equal(sscanf(r.out, "%ld %ld %ld", &server, &first, &second), 3);
    wait_until(!is_alive(server));
    wait_until(!is_alive(first) && !is_alive(second));
}

/* ---- fork ---- */

static aw_process_pool *parents;
static aw_cfuture *parents_job;

static void use_in_child(void *arg)
{
    (void)arg;
    assert_null(aw_process_submit(parents, tell_pid, NULL, 0));
    assert_int_equal(aw_errno(), AW_EFORKED);
    assert_int_equal(aw_process_pool_shutdown(parents, .wait = true), AW_EFORKED);
    assert_int_equal(aw_process_pool_free(parents), AW_EFORKED);
    assert_int_equal(aw_process_pool_terminate(parents), AW_EFORKED);
    assert_int_equal(aw_process_pool_kill(parents), AW_EFORKED);
    assert_int_equal(aw_process_pool_queued(parents), AW_EFORKED);
    assert_int_equal(aw_process_pool_pids(parents, NULL, 0), AW_EFORKED);
    assert_false(aw_process_abort(parents_job));
    assert_ptr_equal(aw_process_pool_ref(parents), parents);
    aw_process_pool_unref(parents);
    assert_null(aw_process_pool(.max_workers = 1)); /* the server is the parent's */
    assert_int_equal(aw_errno(), AW_EMISUSE);
    end_child();
    assert_int_equal(aw_process_server(), 0); /* but it may have one of its own */
    aw_process_pool *own = aw_process_pool(.max_workers = 1);
    assert_int_equal(collect(submit_ms(own, 1)), 1);
    assert_int_equal(aw_process_pool_free(own), 0);
}

TEST_REAL_CLOCK(proc_the_child_of_a_fork_has_no_pool)
{
    struct child_result r;
    if (test_is_emulated())
        SKIP("an emulator's own thread counts as one of the program's");
    parents = make_pool(.max_workers = 1);
    parents_job = submit(parents, run_for_ever, NULL, 0);
    wait_until(aw_cfuture_running(parents_job));
    long pid = only_worker(parents);
    run_child(&r, use_in_child, NULL);
    assert_string_equal(r.err, "");
    assert_true(child_exited(&r, 0));
    assert_true(is_alive(pid)); /* the child's end was not its own */
    assert_true(aw_process_abort(parents_job));
    assert_int_equal(collect(parents_job), -ECANCELED);
    assert_int_equal(aw_process_pool_free(parents), 0);
}
