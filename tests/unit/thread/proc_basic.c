/*
 * Process pools: what goes in and comes out, what is refused, initialisers, limits.
 */
#include <fcntl.h>

#include "procs.h"

/* ---- bytes ---- */

static void echo_bytes(aw_process_pool *pool, size_t n)
{
    size_t size = 99;
    char *bytes = malloc(n + 1);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    aw_cfuture *f = submit(pool, echo, bytes, n);
    assert_int_equal(aw_cfuture_result(f, INFINITY), n);
    const void *output = aw_process_output(f, &size);
    assert_non_null(output);
    assert_ptr_equal(output, aw_cfuture_value(f));
    assert_int_equal((uintptr_t)output % _Alignof(max_align_t), 0);
    assert_int_equal(size, n);
    assert_memory_equal(output, bytes, n);
    aw_cfuture_unref(f);
    free(bytes);
}

TEST(proc_bytes_go_in_and_come_out)
{
    aw_process_pool *pool = make_pool(.max_workers = 1);
    const size_t sizes[] = {0, 1, 255, 4096, 70001, 3000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        echo_bytes(pool, sizes[i]);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

TEST(proc_input_is_copied)
{
    aw_process_pool *pool = make_pool(.max_workers = 1);
    char bytes[] = "before";
    aw_cfuture *f = submit(pool, echo, bytes, sizeof bytes);
    memcpy(bytes, "after!", sizeof bytes);
    assert_int_equal(aw_cfuture_result(f, INFINITY), 7);
    assert_string_equal(aw_process_output(f, NULL), "before");
    aw_cfuture_unref(f);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

/* Writes as many times three bytes as the input says. */
static int write_threes(const void *in, size_t n, aw_process_reply *out)
{
    int times;
    (void)n;
    memcpy(&times, in, sizeof times);
    for (int i = 0; i < times; i++)
        AW_TRY(aw_process_write(out, "abc", 3));
    return times;
}

static int write_nonsense(const void *in, size_t n, aw_process_reply *out)
{
    (void)in, (void)n;
    if (aw_process_write(NULL, "x", 1) != -EINVAL || aw_process_write(out, NULL, 1) != -EINVAL)
        return -EIO;
    return aw_process_write(out, NULL, 0);
}

TEST(proc_output_has_a_limit)
{
    size_t size;
    aw_process_pool *pool = make_pool(.max_workers = 1, .output_limit = 3000);
    aw_cfuture *f = submit_int(pool, write_threes, 1000);
    assert_int_equal(aw_cfuture_result(f, INFINITY), 1000);
    const char *output = aw_process_output(f, &size);
    assert_int_equal(size, 3000);
    assert_memory_equal(output + 2997, "abc", 3);
    aw_cfuture_unref(f);
    f = submit_int(pool, write_threes, 1001);
    assert_int_equal(aw_cfuture_result(f, INFINITY), AW_ELIMIT);
    assert_non_null(strstr(aw_errmsg(), ".output_limit"));
    size = 9;
    assert_null(aw_process_output(f, &size));
    assert_int_equal(size, 0);
    aw_cfuture_unref(f);
    assert_int_equal(collect(submit(pool, write_nonsense, NULL, 0)), 0);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

TEST(proc_output_of_what_is_no_job)
{
    size_t size = 9;
    aw_cfuture *f = aw_cfuture_new();
    assert_int_equal(aw_cfuture_set_result(f, 0, &size), 0);
    assert_null(aw_process_output(f, &size));
    assert_int_equal(size, 0);
    assert_null(aw_process_output(NULL, NULL));
    assert_false(aw_process_abort(f));
    assert_false(aw_process_abort(NULL));
    aw_cfuture_unref(f);
}

/* ---- errors ---- */

static int fail_in_detail(const void *in, size_t n, aw_process_reply *out)
{
    AW_TRY(aw_process_write(out, "lost", 4));
    aw_refuse(-EIO, n ? in : NULL);
    return -EIO;
}

/* CONC-027: An ordinary error in a worker process reaches the job's future as that error and does
 * not break the pool. */
TEST(CONC_027_an_error_is_just_an_error)
{
    aw_process_pool *pool = make_pool(.max_workers = 1, .break_on_death = true);
    long pid = worker_of(pool);
    aw_cfuture *f = submit(pool, fail_in_detail, "disc is full", sizeof "disc is full");
    assert_int_equal(aw_cfuture_result(f, INFINITY), -EIO);
    assert_string_equal(aw_errmsg(), "disc is full");
    assert_null(aw_process_output(f, NULL));
    aw_cfuture_unref(f);
    f = submit(pool, fail_in_detail, NULL, 0); /* nothing is left of the former one */
    assert_int_equal(aw_cfuture_result(f, INFINITY), -EIO);
    assert_string_equal(aw_errmsg(), "");
    aw_cfuture_unref(f);
    assert_int_equal(worker_of(pool), pid);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

static int refuse_at_length(const void *in, size_t n, aw_process_reply *out)
{
    static char text[100001];
    (void)in, (void)n, (void)out;
    memset(text, 'x', sizeof text - 1);
    aw_refuse(-EDOM, text);
    return -EDOM;
}

static int say_cancelled(const void *in, size_t n, aw_process_reply *out)
{
    (void)in, (void)n, (void)out;
    return -ECANCELED;
}

TEST(proc_other_ways_to_fail)
{
    aw_process_pool *pool = make_pool(.max_workers = 1);
    aw_cfuture *f = submit(pool, refuse_at_length, NULL, 0);
    assert_int_equal(aw_cfuture_result(f, INFINITY), -EDOM);
    assert_int_equal(strlen(aw_errmsg()), 4096);
    aw_cfuture_unref(f);
    f = submit(pool, say_cancelled, NULL, 0);
    assert_int_equal(aw_cfuture_result(f, INFINITY), -ECANCELED);
    assert_true(aw_cfuture_cancelled(f));
    aw_cfuture_unref(f);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

TEST(proc_a_function_that_no_module_has)
{
    aw_process_pool *pool = make_pool(.max_workers = 1);
    void *heap = malloc(1);
    aw_process_fn *fn;
    memcpy(&fn, &heap, sizeof fn);
    aw_cfuture *f = submit(pool, fn, NULL, 0);
    assert_int_equal(aw_cfuture_result(f, INFINITY), AW_EMISUSE);
    assert_non_null(strstr(aw_errmsg(), "aw_process_server()"));
    aw_cfuture_unref(f);
    free(heap);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

/* A failure that nobody looks at is told. */
static void drop_failure(void *arg)
{
    (void)arg;
    aw_process_pool *pool = make_pool(.max_workers = 1);
    aw_cfuture_unref(submit(pool, leave, NULL, 0));
    assert_int_equal(aw_process_pool_free(pool), 0);
}

TEST(proc_a_failure_nobody_looks_at_is_reported)
{
    struct child_result r;
    run_child(&r, drop_failure, NULL);
    assert_true(child_exited(&r, 0));
    assert_non_null(strstr(r.err, "a job failed and nobody looked at it"));
    assert_non_null(strstr(r.err, "in leave, ended with status 7"));
}

/* ---- what is refused ---- */

static void *make_server(void *arg)
{
    (void)arg;
    return INT(aw_process_server());
}

static int server_in_a_loop(void *arg)
{
    (void)arg;
    return aw_process_server();
}

TEST(proc_the_server_comes_first)
{
    if (test_is_emulated())
        SKIP("an emulator's own thread counts as one of the program's");
    assert_null(aw_process_pool(.max_workers = 1));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_non_null(strstr(aw_errmsg(), "aw_process_server()"));
    assert_int_equal((intptr_t)end_thread(start_thread(make_server, NULL)), AW_EMISUSE);
    assert_int_equal(aw_run(server_in_a_loop, NULL), AW_EMISUSE);
    assert_int_equal(aw_process_server(), 0); /* the thread has ended */
    assert_int_equal(aw_process_server(), 0);
    assert_int_equal((intptr_t)end_thread(start_thread(make_server, NULL)), 0);
    assert_int_equal(aw_process_pool_free(aw_process_pool(.max_workers = 1)), 0);
}

TEST(proc_with_threads_there_is_no_server)
{
    aw_loop_thread *lt = start_loop();
    assert_int_equal(aw_process_server(), AW_EMISUSE);
    assert_non_null(strstr(aw_errmsg(), "first in main"));
    stop_loop(lt);
}

#define assert_refused(...)                                                                        \
    do {                                                                                           \
        assert_null(aw_process_pool(__VA_ARGS__));                                                 \
        assert_int_equal(aw_errno(), -EINVAL);                                                     \
    } while (0)

TEST(proc_bad_options)
{
    assert_int_equal(aw_process_server(), 0);
    int before = descriptors();
    assert_refused(.max_workers = 0);
    assert_refused(.max_workers = -1);
    assert_refused(.max_workers = 257);
    assert_refused(.max_tasks_per_child = -1);
    assert_refused(.timeout = -1);
    assert_refused(.timeout = NAN);
    assert_refused(.exit_timeout = NAN);
    assert_refused(.initializer_size = 1);
    assert_refused(.initializer = echo, .initializer_size = 1);
    assert_int_equal(descriptors(), before);
}

TEST(proc_bad_arguments)
{
    aw_process_pool *pool = make_pool();
    assert_null(aw_process_submit(pool, NULL, "x", 1));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_process_submit(pool, echo, NULL, 1));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_process_submit(pool, echo, "x", SIZE_MAX));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_process_submit(pool, echo, "x", 1, .timeout = NAN));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_int_equal(aw_process_pool_shutdown(pool, .timeout = NAN), -EINVAL);
    assert_int_equal(aw_to_process(pool, echo, "x", 1), AW_EMISUSE);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

TEST(proc_no_pool_at_all)
{
    assert_null(aw_process_submit(NULL, echo, "x", 1));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_int_equal(aw_process_pool_shutdown(NULL), -EINVAL);
    assert_int_equal(aw_process_pool_terminate(NULL), -EINVAL);
    assert_int_equal(aw_process_pool_kill(NULL), -EINVAL);
    assert_int_equal(aw_process_pool_queued(NULL), -EINVAL);
    assert_int_equal(aw_process_pool_pids(NULL, NULL, 0), -EINVAL);
    assert_int_equal(aw_process_pool_free(NULL), 0);
    assert_null(aw_process_pool_ref(NULL));
    aw_process_pool_unref(NULL);
}

/* ---- the queue ---- */

TEST_REAL_CLOCK(proc_the_queue_has_a_limit_and_can_be_left)
{
    aw_process_pool *pool = make_pool(.max_workers = 1, .queue_limit = 2);
    aw_cfuture *running = submit(pool, run_for_ever, NULL, 0);
    aw_cfuture *first = submit(pool, tell_pid, NULL, 0), *second = submit(pool, tell_pid, NULL, 0);
    assert_null(aw_process_submit(pool, tell_pid, NULL, 0));
    assert_int_equal(aw_errno(), AW_EFULL);
    wait_until(aw_cfuture_running(running));
    assert_int_equal(aw_process_pool_queued(pool), 2);
    assert_true(aw_cfuture_cancel(first));
    assert_int_equal(aw_process_pool_queued(pool), 1);
    aw_cfuture *third = submit(pool, tell_pid, NULL, 0);
    assert_false(aw_cfuture_cancel(running));
    assert_true(aw_process_abort(running));
    assert_int_equal(collect(running), -ECANCELED);
    assert_int_equal(collect(first), -ECANCELED);
    assert_int_equal(collect(second), 0);
    assert_int_equal(collect(third), 0);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

/* CONC-029: With at most three jobs per worker process, three jobs run in one process and the
 * fourth in a new one, one process at a time. */
TEST(CONC_029_a_worker_is_replaced_after_its_jobs)
{
    aw_process_pool *pool = make_pool(.max_workers = 1, .max_tasks_per_child = 3);
    long first = worker_of(pool), pids[4];
    assert_int_equal(worker_of(pool), first);
    assert_int_equal(worker_of(pool), first);
    long second = worker_of(pool);
    assert_int_not_equal(second, first);
    assert_false(is_alive(first));
    assert_int_equal(aw_process_pool_pids(pool, pids, 4), 1);
    assert_int_equal(pids[0], second);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

TEST_REAL_CLOCK(proc_workers_are_made_when_they_are_needed)
{
    aw_process_pool *pool = make_pool(.max_workers = 3);
    aw_cfuture *fs[4];
    long pids[3];
    assert_int_equal(aw_process_pool_pids(pool, NULL, 0), 0);
    for (int i = 0; i < 3; i++)
        worker_of(pool);
    assert_int_equal(aw_process_pool_pids(pool, pids, 3), 1);
    for (int i = 0; i < 4; i++)
        fs[i] = submit(pool, run_for_ever, NULL, 0);
    wait_until(aw_process_pool_pids(pool, pids, 3) == 3);
    wait_until(aw_process_pool_queued(pool) == 1);
    assert_int_equal(aw_process_pool_kill(pool), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(collect(fs[i]), AW_EBROKEN);
    assert_int_equal(collect(fs[3]), -ECANCELED);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

/* Also where the server is slow to go on after a fork. */
TEST(proc_a_worker_is_known_when_its_first_job_is_done)
{
    for (int i = 0; i < 50; i++) {
        aw_process_pool *pool = make_pool(.max_workers = 1);
        long pid = worker_of(pool), known = 0;
        assert_int_equal(aw_process_pool_pids(pool, &known, 1), 1);
        assert_int_equal(known, pid);
        assert_int_equal(aw_process_pool_free(pool), 0);
    }
}

/* ---- what a worker is ---- */

static int global = 1;

static int add_to_global(const void *in, size_t n, aw_process_reply *out)
{
    (void)in, (void)n, (void)out;
    return global++;
}

TEST(proc_a_worker_has_the_globals_of_then)
{
    global = 10;
    aw_process_pool *pool = make_pool(.max_workers = 1);
    global = 20;
    assert_int_equal(collect(submit(pool, add_to_global, NULL, 0)), 10);
    assert_int_equal(collect(submit(pool, add_to_global, NULL, 0)), 11);
    assert_int_equal(global, 20);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

struct inside {
    int descriptors;
    bool int_ignored, term_default, usr1_default, none_blocked, alone;
};

static bool action_is(int signo, void (*handler)(int))
{
    struct sigaction action;
    sigaction(signo, NULL, &action);
    return action.sa_handler == handler;
}

static int look_around(const void *in, size_t n, aw_process_reply *out)
{
    struct inside i = {0};
    sigset_t blocked;
    (void)in, (void)n;
    for (int fd = 0; fd < 256; fd++) /* not by /proc, which has those of valgrind too */
        i.descriptors += fcntl(fd, F_GETFD) >= 0;
    i.int_ignored = action_is(SIGINT, SIG_IGN);
    i.term_default = action_is(SIGTERM, SIG_DFL);
    i.usr1_default = action_is(SIGUSR1, SIG_DFL);
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    i.none_blocked = !sigismember(&blocked, SIGTERM) && !sigismember(&blocked, SIGCHLD) &&
                     !sigismember(&blocked, SIGINT);
    i.alone = !aw_running_loop() && getppid() != 1;
    return aw_process_write(out, &i, sizeof i);
}

static void ignore_it(int signo)
{
    (void)signo;
}

TEST(proc_a_worker_inherits_nothing_of_the_program)
{
    struct inside i;
    int open_before = dup(1);
    signal(SIGUSR1, ignore_it);
    aw_process_pool *pool = make_pool(.max_workers = 1);
    int open_after = dup(1);
    aw_cfuture *f = submit(pool, look_around, NULL, 0);
    assert_int_equal(aw_cfuture_result(f, INFINITY), 0);
    memcpy(&i, aw_process_output(f, NULL), sizeof i);
    aw_cfuture_unref(f);
    assert_int_equal(i.descriptors, 4);
    assert_true(i.int_ignored && i.term_default && i.usr1_default && i.none_blocked && i.alone);
    close(open_before);
    close(open_after);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

static int await_inside(void *arg)
{
    (void)arg;
    AW_TRY(aw_sleep(0.001));
    return 5;
}

static int run_a_loop(const void *in, size_t n, aw_process_reply *out)
{
    (void)in, (void)n, (void)out;
    return aw_run(await_inside, NULL);
}

TEST(proc_a_job_may_run_a_loop_of_its_own)
{
    aw_process_pool *pool = make_pool(.max_workers = 1);
    assert_int_equal(collect(submit(pool, run_a_loop, NULL, 0)), 5);
    assert_int_equal(collect(submit(pool, run_a_loop, NULL, 0)), 5);
    assert_int_equal(aw_process_pool_free(pool), 0);
}

static int print(const void *in, size_t n, aw_process_reply *out)
{
    (void)n, (void)out;
    printf("%s.", (const char *)in);
    return 0;
}

static void print_in_a_job(void *arg)
{
    (void)arg;
    printf("before."); /* in the buffer; to be seen once */
    aw_process_pool *pool = make_pool(.max_workers = 1);
    assert_int_equal(collect(submit(pool, print, "inside", 7)), 0);
    printf("after.");
    assert_int_equal(aw_process_pool_free(pool), 0);
}

TEST(proc_what_a_job_prints_is_seen_once)
{
    struct child_result r;
    run_child(&r, print_in_a_job, NULL);
    assert_true(child_exited(&r, 0));
    assert_string_equal(r.out, "before.inside.after.");
    assert_string_equal(r.err, "");
}

/* ---- initialisers ---- */

static int set_global(const void *in, size_t n, aw_process_reply *out)
{
    if (n != sizeof global)
        return -EBADMSG;
    memcpy(&global, in, sizeof global);
    return aw_process_write(out, "dropped", 7);
}

TEST(proc_an_initializer_comes_first)
{
    int value = 40;
    aw_process_pool *pool =
        make_pool(.max_workers = 1, .max_tasks_per_child = 2, .initializer = set_global,
                  .initializer_input = &value, .initializer_size = sizeof value);
    value = 0; /* it was copied */
    for (int round = 0; round < 2; round++) {
        assert_int_equal(collect(submit(pool, add_to_global, NULL, 0)), 40);
        assert_int_equal(collect(submit(pool, add_to_global, NULL, 0)), 41);
    }
    assert_int_equal(aw_process_pool_free(pool), 0);
}

static void assert_breaks(aw_process_pool *pool, const char *why)
{
    aw_cfuture *f = submit(pool, tell_pid, NULL, 0);
    assert_int_equal(aw_cfuture_result(f, INFINITY), AW_EBROKEN);
    if (!strstr(aw_errmsg(), why))
        fail_msg("\"%s\" is not in \"%s\"", why, aw_errmsg());
    aw_cfuture_unref(f);
    assert_null(aw_process_submit(pool, tell_pid, NULL, 0));
    assert_int_equal(aw_errno(), AW_EBROKEN);
    assert_non_null(strstr(aw_errmsg(), why));
    assert_int_equal(aw_process_pool_free(pool), 0);
}

TEST_REAL_CLOCK(proc_an_initializer_that_fails_breaks_the_pool)
{
    assert_int_equal(aw_process_server(), 0);
    assert_breaks(aw_process_pool(.initializer = fail_in_detail, .initializer_input = "no key",
                                  .initializer_size = 7),
                  "no key");
    assert_breaks(aw_process_pool(.initializer = leave), "the initializer, ended with status 7");
    assert_breaks(aw_process_pool(.initializer = run_for_ever, .timeout = 0.05),
                  "the initializer, was killed at the time limit");
}
