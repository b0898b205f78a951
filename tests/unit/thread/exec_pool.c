/*
 * Pools: how many threads, which names, in which order, and how they end.
 */
#include <pthread.h>
#include <sched.h>

#include "jobs.h"

// CONC-007: A job waiting in the queue can be cancelled and then never runs; a running one cannot.
TEST(CONC_007_only_a_waiting_job_can_be_cancelled)
{
    struct gate gate;
    _Atomic int calls = 0;
    gate_init(&gate, 5);
    aw_executor *ex = aw_thread_pool(.max_workers = 1);
    aw_cfuture *running = aw_executor_submit(ex, stand_at_gate, &gate);
    aw_cfuture *waiting = aw_executor_submit(ex, count_call, &calls);
    gate_await(&gate);
    assert_true(aw_cfuture_running(running));
    assert_false(aw_cfuture_running(waiting));
    assert_false(aw_cfuture_cancel(running));
    assert_true(aw_cfuture_cancel(waiting));
    assert_true(aw_cfuture_cancelled(waiting));
    assert_int_equal(aw_executor_queued(ex), 0);
    gate_open(&gate);
    assert_int_equal(collect(running), 5);
    assert_int_equal(collect(waiting), -ECANCELED);
    assert_int_equal(aw_executor_free(ex), 0);
    assert_int_equal(calls, 0);
}

// CONC-011: A pool of 0 or fewer workers fails with EINVAL.
TEST(CONC_011_a_pool_needs_a_worker)
{
    int none = 0;
    assert_null(aw_thread_pool(.max_workers = 0));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_thread_pool(.prefix = "x", .max_workers = none));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_thread_pool(.max_workers = -1));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_thread_pool(.exit_timeout = NAN));
    assert_int_equal(aw_errno(), -EINVAL);
}

// CONC-012: The default number of threads is the smaller of 32 and the usable processors plus 4.
TEST(CONC_012_default_number_of_threads)
{
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    int expected = CPU_COUNT(&set) + 4 < 32 ? CPU_COUNT(&set) + 4 : 32;
    aw_executor *ex = aw_thread_pool(.prefix = "p");
    assert_int_equal(aw_executor_max_workers(ex), expected);
    assert_int_equal(aw_executor_free(ex), 0);
    ex = aw_thread_pool();
    assert_int_equal(aw_executor_max_workers(ex), expected);
    assert_int_equal(aw_executor_free(ex), 0);
    limit_processors();
    ex = aw_thread_pool();
    assert_int_equal(aw_executor_max_workers(ex), 5);
    assert_int_equal(aw_executor_free(ex), 0);
}

static void *count_workers_when_bound(void *ret)
{
    limit_processors();
    aw_executor *ex = aw_thread_pool();
    *(int *)ret = aw_executor_max_workers(ex);
    assert_int_equal(aw_executor_free(ex), 0);
    return NULL;
}

/* What one thread is bound to says nothing of the others. */
TEST(exec_a_thread_bound_to_a_processor_counts_all_of_the_program)
{
    aw_executor *ex = aw_thread_pool();
    int workers = 0;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, count_workers_when_bound, &workers), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(workers, aw_executor_max_workers(ex));
    assert_int_equal(aw_executor_free(ex), 0);
}

// CONC-013: An idle thread is used again before a new one is started: three jobs in a row make one
// thread.
TEST(CONC_013_idle_threads_are_used_again)
{
    aw_executor *ex = aw_thread_pool(.max_workers = 8);
    char names[3][64];
    assert_int_equal(aw_executor_threads(ex), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(collect(aw_executor_submit(ex, tell_name, names[i])), 0);
        wait_for_idle(ex);
    }
    assert_int_equal(aw_executor_threads(ex), 1);
    assert_string_equal(names[0], names[2]);
    assert_int_equal(aw_executor_free(ex), 0);
}

TEST(exec_busy_threads_bring_more_up_to_the_limit)
{
    struct gate gate;
    gate_init(&gate, 0);
    aw_executor *ex = aw_thread_pool(.max_workers = 3);
    aw_cfuture *fs[5];
    for (int i = 0; i < 5; i++)
        fs[i] = aw_executor_submit(ex, stand_at_gate, &gate);
    for (int i = 0; i < 3; i++)
        gate_await(&gate);
    assert_int_equal(aw_executor_threads(ex), 3);
    assert_int_equal(aw_executor_queued(ex), 2);
    for (int i = 0; i < 5; i++)
        gate_open(&gate);
    for (int i = 0; i < 5; i++)
        assert_int_equal(collect(fs[i]), 0);
    assert_int_equal(aw_executor_free(ex), 0);
    assert_int_equal(gate.calls, 5);
}

static void await_idle(aw_executor *ex, int n)
{
    for (int idle = 0; idle < n; sched_yield()) {
        idle = 0;
        aw_mutex_lock(&ex->lock);
        aw_list_each(at, &ex->idle) idle++;
        aw_mutex_unlock(&ex->lock);
    }
}

static int meet(void *barrier)
{
    pthread_barrier_wait(barrier);
    return 0;
}

/* A burst finds a worker that searches, and so wakes nobody: the workers wake one another. */
TEST(exec_a_burst_reaches_every_thread)
{
    enum { N = 4 };
    struct gate gate;
    gate_init(&gate, 0);
    aw_executor *ex = aw_thread_pool(.max_workers = N);
    for (int round = 0; round < 2000; round++) {
        aw_cfuture *fs[N];
        assert_int_equal(collect(aw_executor_submit(ex, nap_job, INT(0))), 0);
        for (int i = 0; i < N; i++)
            fs[i] = aw_executor_submit(ex, stand_at_gate, &gate);
        for (int i = 0; i < N; i++)
            gate_await(&gate); /* all of them at once */
        for (int i = 0; i < N; i++)
            gate_open(&gate);
        for (int i = 0; i < N; i++)
            assert_int_equal(collect(fs[i]), 0);
    }
    assert_int_equal(aw_executor_threads(ex), N);
    assert_int_equal(aw_executor_free(ex), 0);
}

/* Those who are called come one by one; a shutdown meanwhile sends no thread away that is needed.
 */
TEST_REAL_CLOCK(exec_jobs_that_meet_do_so_though_the_pool_is_shut_down)
{
    enum { N = 4 };
    pthread_barrier_t meeting;
    assert_int_equal(pthread_barrier_init(&meeting, NULL, N), 0);
    for (int round = 0; round < 500; round++) {
        aw_executor *ex = aw_thread_pool(.max_workers = N);
        aw_cfuture *fs[N];
        for (int i = 0; i < N; i++)
            fs[i] = aw_executor_submit(ex, meet, &meeting);
        for (int i = 0; i < N; i++)
            assert_int_equal(collect(fs[i]), 0);
        await_idle(ex, N);
        for (int i = 0; i < N; i++)
            fs[i] = aw_executor_submit(ex, meet, &meeting);
        assert_int_equal(aw_executor_free(ex), 0);
        for (int i = 0; i < N; i++)
            assert_int_equal(collect(fs[i]), 0);
    }
    pthread_barrier_destroy(&meeting);
}

/* A job waits for its thread to come: that is no queue that is full. */
TEST_REAL_CLOCK(exec_a_limit_on_the_queue_refuses_nothing_while_threads_are_free)
{
    enum { N = 4 };
    pthread_barrier_t meeting;
    assert_int_equal(pthread_barrier_init(&meeting, NULL, N), 0);
    aw_executor *ex = aw_thread_pool(.max_workers = N, .queue_limit = 1);
    for (int round = 0; round < 500; round++) {
        aw_cfuture *fs[N];
        for (int i = 0; i < N; i++) {
            fs[i] = aw_executor_submit(ex, meet, &meeting);
            assert_non_null(fs[i]);
        }
        for (int i = 0; i < N; i++)
            assert_int_equal(collect(fs[i]), 0);
        await_idle(ex, N);
    }
    assert_int_equal(aw_executor_free(ex), 0);
    pthread_barrier_destroy(&meeting);
}

struct place {
    _Atomic int *next;
    int at;
};

static int note_place(void *arg)
{
    struct place *p = arg;
    p->at = atomic_fetch_add(p->next, 1);
    return p->at;
}

// CONC-014: Jobs on a pool with one worker run in the order submitted.
TEST(CONC_014_one_worker_keeps_the_order)
{
    enum { N = 200 };
    _Atomic int next = 0;
    struct place places[N];
    aw_cfuture *fs[N];
    aw_executor *ex = aw_thread_pool(.max_workers = 1);
    for (int i = 0; i < N; i++) {
        places[i].next = &next;
        fs[i] = aw_executor_submit(ex, note_place, &places[i]);
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(collect(fs[i]), i);
    assert_int_equal(aw_executor_free(ex), 0);
}

// CONC-015: Submitting after shutdown fails with 'misuse'; a second shutdown is harmless.
TEST(CONC_015_nothing_after_shutdown)
{
    _Atomic int calls = 0;
    aw_executor *ex = aw_thread_pool(.max_workers = 2);
    assert_int_equal(collect(aw_executor_submit(ex, count_call, &calls)), 0);
    assert_int_equal(aw_executor_shutdown(ex, .wait = true), 0);
    assert_null(aw_executor_submit(ex, count_call, &calls));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_int_equal(aw_executor_shutdown(ex), 0);
    assert_int_equal(aw_executor_shutdown(ex, .wait = true, .cancel_futures = true), 0);
    assert_int_equal(aw_executor_threads(ex), 0);
    assert_int_equal(aw_executor_free(ex), 0);
    ex = aw_thread_pool(.max_workers = 2); /* one that never had a thread */
    assert_int_equal(aw_executor_shutdown(ex), 0);
    assert_null(aw_executor_submit(ex, count_call, &calls));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    aw_executor_unref(ex);
    assert_int_equal(calls, 1);
}

// CONC-016: Shutdown with waiting returns when all fifty queued jobs are done.
TEST(CONC_016_shutdown_waits_for_all)
{
    _Atomic int calls = 0;
    aw_executor *ex = aw_thread_pool(.max_workers = 3);
    for (int i = 0; i < 50; i++)
        aw_cfuture_unref(aw_executor_submit(ex, count_call, &calls));
    assert_int_equal(aw_executor_shutdown(ex, .wait = true), 0);
    assert_int_equal(calls, 50);
    aw_executor_unref(ex);
}

// CONC-017: Shutdown that cancels pending jobs cancels those not started (most of fifty) and lets
// the started ones finish; none is left pending.
TEST(CONC_017_shutdown_cancels_what_has_not_started)
{
    enum { N = 50 };
    struct gate gate;
    gate_init(&gate, 0);
    aw_executor *ex = aw_thread_pool(.max_workers = 2);
    aw_cfuture *fs[N];
    for (int i = 0; i < N; i++)
        fs[i] = aw_executor_submit(ex, stand_at_gate, &gate);
    gate_await(&gate);
    gate_await(&gate);
    assert_int_equal(aw_executor_shutdown(ex, .cancel_futures = true), 0);
    gate_open(&gate);
    gate_open(&gate);
    assert_int_equal(aw_executor_shutdown(ex, .wait = true), 0);
    int cancelled = 0;
    for (int i = 0; i < N; i++) {
        assert_true(aw_cfuture_done(fs[i]));
        cancelled += aw_cfuture_cancelled(fs[i]);
        aw_cfuture_unref(fs[i]);
    }
    assert_int_equal(cancelled, N - 2);
    assert_int_equal(gate.calls, 2);
    aw_executor_unref(ex);
}

// CONC-018: A job cancelled right after submission does not make a waiting shutdown hang.
TEST(CONC_018_cancelled_at_once_and_shut_down)
{
    for (int i = 0; i < 200; i++) {
        aw_executor *ex = aw_thread_pool(.max_workers = 1 + i % 2);
        aw_cfuture *f = aw_executor_submit(ex, nap_job, INT(0));
        bool cancelled = aw_cfuture_cancel(f);
        assert_int_equal(aw_executor_shutdown(ex, .wait = true), 0);
        assert_int_equal(collect(f), cancelled ? -ECANCELED : 0);
        aw_executor_unref(ex);
    }
}

static _Atomic int initialised;
static _Thread_local int local_calls;

static int initialise(void *arg)
{
    assert_string_equal(arg, "argument");
    atomic_fetch_add(&initialised, 1);
    local_calls = 100;
    return 0;
}

static int look_local(void *arg)
{
    (void)stand_at_gate(arg);
    return ++local_calls;
}

// CONC-020: The initializer runs in every worker before its first job.
TEST(CONC_020_the_initializer_comes_first_in_every_thread)
{
    struct gate gate;
    gate_init(&gate, 0);
    aw_executor *ex =
        aw_thread_pool(.max_workers = 2, .initializer = initialise, .initializer_arg = "argument");
    assert_int_equal(initialised, 0);
    aw_cfuture *a = aw_executor_submit(ex, look_local, &gate);
    aw_cfuture *b = aw_executor_submit(ex, look_local, &gate);
    aw_cfuture *c = aw_executor_submit(ex, look_local, &gate);
    for (int i = 0; i < 3; i++)
        gate_open(&gate);
    assert_int_equal(collect(a), 101);
    int second = collect(b), third = collect(c);
    assert_true((second == 101 && third == 102) || (second == 102 && third == 101));
    assert_int_equal(initialised, 2);
    assert_int_equal(aw_executor_free(ex), 0);
}

static void broken_pool(void *arg)
{
    (void)arg;
    struct gate gate;
    _Atomic int calls = 0;
    gate_init(&gate, -EIO);
    aw_executor *ex =
        aw_thread_pool(.max_workers = 1, .initializer = stand_at_gate, .initializer_arg = &gate);
    aw_cfuture *a = aw_executor_submit(ex, count_call, &calls);
    aw_cfuture *b = aw_executor_submit(ex, count_call, &calls);
    gate_open(&gate);
    assert_int_equal(collect(a), AW_EBROKEN);
    assert_int_equal(collect(b), AW_EBROKEN);
    assert_null(aw_executor_submit(ex, count_call, &calls));
    assert_int_equal(aw_errno(), AW_EBROKEN);
    assert_int_equal(aw_executor_free(ex), 0);
    assert_int_equal(calls, 0);
}

TEST(exec_a_failing_initializer_breaks_the_pool)
{
    struct child_result r;
    run_child(&r, broken_pool, NULL);
    assert_true(child_exited(&r, 0));
    assert_non_null(strstr(r.err, "the initializer of a thread of the pool has failed"));
    assert_non_null(strstr(r.err, "-EIO"));
}

static int tell_system_name(void *arg)
{
    return -pthread_getname_np(pthread_self(), arg, 16);
}

// CONC-021: Threads of a pool with a name prefix are named prefix_0, prefix_1 and so on.
TEST(CONC_021_threads_have_the_prefix_in_their_name)
{
    struct gate gate;
    char system[16], name[64];
    gate_init(&gate, 0);
    aw_executor *ex = aw_thread_pool(.max_workers = 2, .prefix = "crunch");
    assert_int_equal(collect(aw_executor_submit(ex, tell_system_name, system)), 0);
    assert_string_equal(system, "crunch_0");
    wait_for_idle(ex);
    aw_cfuture *held = aw_executor_submit(ex, stand_at_gate, &gate);
    gate_await(&gate);
    assert_int_equal(collect(aw_executor_submit(ex, tell_system_name, system)), 0);
    assert_string_equal(system, "crunch_1");
    assert_int_equal(collect(aw_executor_submit(ex, tell_name, name)), 0);
    assert_string_equal(name, "crunch_1");
    gate_open(&gate);
    assert_int_equal(collect(held), 0);
    assert_int_equal(aw_executor_free(ex), 0);
    assert_string_equal(aw_worker_name(), "");
}

TEST(exec_without_a_prefix_pools_are_numbered)
{
    char first[64], second[64];
    aw_executor *a = aw_thread_pool(), *named = aw_thread_pool(.prefix = "x"),
                *b = aw_thread_pool();
    assert_int_equal(collect(aw_executor_submit(a, tell_name, first)), 0);
    assert_int_equal(collect(aw_executor_submit(b, tell_name, second)), 0);
    assert_string_equal(first, "await-pool-0_0");
    assert_string_equal(second, "await-pool-1_0");
    assert_int_equal(aw_executor_free(a), 0);
    assert_int_equal(aw_executor_free(b), 0);
    assert_int_equal(aw_executor_free(named), 0);
}

TEST(exec_a_full_queue_refuses)
{
    struct gate gate;
    _Atomic int calls = 0, releases = 0;
    struct parcel parcel = {&parcel, &calls, &releases, 0};
    gate_init(&gate, 0);
    aw_executor *ex = aw_thread_pool(.max_workers = 1, .queue_limit = 2);
    aw_cfuture *fs[3];
    for (int i = 0; i < 3; i++)
        fs[i] = aw_executor_submit(ex, stand_at_gate, &gate);
    gate_await(&gate);
    assert_null(aw_executor_submit(ex, open_parcel, &parcel, .release = release_parcel));
    assert_int_equal(aw_errno(), AW_EFULL);
    assert_true(aw_cfuture_cancel(fs[1])); /* which makes room */
    aw_cfuture *late = aw_executor_submit(ex, open_parcel, &parcel, .release = release_parcel);
    gate_open(&gate);
    gate_open(&gate);
    assert_int_equal(collect(late), 0);
    assert_int_equal(collect(fs[0]), 0);
    assert_int_equal(collect(fs[1]), -ECANCELED);
    assert_int_equal(collect(fs[2]), 0);
    assert_int_equal(aw_executor_free(ex), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(releases, 1);
}

TEST_REAL_CLOCK(exec_shutdown_with_a_time_limit)
{
    struct gate gate;
    gate_init(&gate, 0);
    aw_executor *ex = aw_thread_pool(.max_workers = 1);
    aw_cfuture *f = aw_executor_submit(ex, stand_at_gate, &gate);
    gate_await(&gate);
    assert_int_equal(aw_executor_shutdown(ex, .wait = true, .timeout = 0.05), -ETIMEDOUT);
    assert_int_equal(aw_executor_shutdown(ex, .wait = true, .timeout = -1), -ETIMEDOUT);
    assert_int_equal(aw_executor_shutdown(ex, .wait = true, .timeout = NAN), -EINVAL);
    gate_open(&gate);
    assert_int_equal(aw_executor_shutdown(ex, .wait = true, .timeout = 5), 0);
    assert_int_equal(collect(f), 0);
    aw_executor_unref(ex);
}

/* The last handle goes while jobs run and wait: they are done all the same. */
TEST(exec_the_last_handle_lets_the_work_finish)
{
    struct gate gate;
    _Atomic int calls = 0;
    gate_init(&gate, 7);
    aw_executor *ex = aw_thread_pool(.max_workers = 1);
    aw_executor *same = aw_executor_ref(ex);
    aw_cfuture *running = aw_executor_submit(ex, stand_at_gate, &gate);
    aw_executor_unref(ex);
    aw_cfuture *waiting = aw_executor_submit(same, count_call, &calls);
    aw_executor_unref(same);
    gate_open(&gate);
    assert_int_equal(collect(running), 7);
    assert_int_equal(collect(waiting), 0);
    assert_int_equal(calls, 1);
}

static int end_own_pool(void *arg)
{
    aw_executor *ex = arg;
    assert_int_equal(aw_executor_free(ex), -EDEADLK);
    assert_int_equal(aw_executor_shutdown(ex, .wait = true), -EDEADLK);
    assert_int_equal(aw_executor_shutdown(ex), 0);
    return 3;
}

TEST(exec_a_job_cannot_wait_for_its_own_pool)
{
    aw_executor *ex = aw_thread_pool();
    assert_int_equal(collect(aw_executor_submit(ex, end_own_pool, ex)), 3);
    assert_int_equal(aw_executor_free(ex), 0);
}

static int submit_more(void *arg)
{
    aw_executor *ex = arg;
    aw_cfuture *f = aw_executor_submit(ex, nap_job, INT(1));
    return f ? collect(f) : aw_errno();
}

TEST(exec_jobs_can_submit_jobs)
{
    aw_executor *ex = aw_thread_pool(.max_workers = 2);
    assert_int_equal(collect(aw_executor_submit(ex, submit_more, ex)), 1);
    assert_int_equal(aw_executor_free(ex), 0);
}

TEST(exec_bad_arguments)
{
    aw_executor *ex = aw_thread_pool();
    assert_null(aw_executor_submit(ex, NULL, NULL));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_executor_submit(ex, nap_job, NULL, .copy = 4));
    assert_int_equal(aw_errno(), -EINVAL);
    int x = 0;
    assert_null(aw_executor_submit(ex, nap_job, &x, .copy = SIZE_MAX));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_executor_submit(ex, nap_job, NULL, .abandon_on_cancel = true));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_executor_submit(NULL, nap_job, NULL));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_int_equal(aw_executor_shutdown(NULL), -EINVAL);
    assert_int_equal(aw_executor_threads(NULL), -EINVAL);
    assert_int_equal(aw_executor_free(NULL), 0);
    assert_null(aw_executor_ref(NULL));
    aw_executor_unref(NULL);
    assert_int_equal(aw_executor_free(ex), 0);
}

static int fail_with_detail(void *arg)
{
    (void)arg;
    aw_refuse(-EIO, "the disk is on fire");
    return -EIO;
}

static int fail_without(void *arg)
{
    (void)arg;
    return -EIO;
}

TEST(exec_errors_bring_their_detail)
{
    aw_executor *ex = aw_thread_pool(.max_workers = 1);
    assert_int_equal(collect(aw_executor_submit(ex, fail_with_detail, NULL)), -EIO);
    assert_string_equal(aw_errmsg(), "the disk is on fire");
    assert_int_equal(collect(aw_executor_submit(ex, fail_without, NULL)), -EIO);
    assert_string_equal(aw_errmsg(), "");
    assert_int_equal(aw_executor_free(ex), 0);
}

static void lose_a_failure(void *arg)
{
    (void)arg;
    aw_executor *ex = aw_thread_pool();
    aw_cfuture_unref(aw_executor_submit(ex, fail_with_detail, NULL));
    assert_int_equal(aw_executor_free(ex), 0);
}

TEST(exec_a_failure_nobody_looked_at_is_reported)
{
    struct child_result r;
    run_child(&r, lose_a_failure, NULL);
    assert_true(child_exited(&r, 0));
    assert_non_null(strstr(r.err, "a job failed and nobody looked at it"));
    assert_non_null(strstr(r.err, "fail_with_detail"));
    assert_non_null(strstr(r.err, "the disk is on fire"));
}

static int end_cancelled(void *arg)
{
    (void)arg;
    return -ECANCELED;
}

TEST(exec_a_job_may_end_cancelled)
{
    aw_executor *ex = aw_thread_pool();
    aw_cfuture *f = aw_executor_submit(ex, end_cancelled, NULL);
    assert_int_equal(aw_cfuture_result(f, INFINITY), -ECANCELED);
    assert_true(aw_cfuture_cancelled(f));
    aw_cfuture_unref(f);
    assert_int_equal(aw_executor_free(ex), 0);
}
