/*
 * aw_executor_map(): results in order, a time limit, errors, and nothing begun that need not be.
 */
#include <math.h>

#include "jobs.h"

static int square(void *arg)
{
    int n = *(int *)arg;
    if (n % 7 == 0)
        nap(1);
    return n * n;
}

static void map_squares(size_t chunk)
{
    enum { N = 100 };
    int inputs[N], results[N];
    void *pointers[N];
    size_t count = 0;
    aw_executor *ex = aw_thread_pool(.max_workers = 4);
    for (int i = 0; i < N; i++) {
        inputs[i] = i;
        pointers[i] = &inputs[i];
        results[i] = -1;
    }
    assert_int_equal(aw_executor_map(ex, square, inputs, N, .stride = sizeof inputs[0],
                                     .results = results, .chunk = chunk, .ret_count = &count),
                     0);
    assert_int_equal(count, N);
    for (int i = 0; i < N; i++)
        assert_int_equal(results[i], i * i);
    memset(results, 0, sizeof results);
    assert_int_equal(aw_executor_map(ex, square, pointers, N, .results = results, .chunk = chunk),
                     0);
    for (int i = 0; i < N; i++)
        assert_int_equal(results[i], i * i);
    assert_int_equal(aw_executor_map(ex, square, pointers, N, .chunk = chunk), 0);
    assert_int_equal(aw_executor_free(ex), 0);
}

// CONC-008: Mapping over inputs gives the results in input order, whatever the chunk size.
TEST(CONC_008_map_keeps_the_order_of_the_inputs)
{
    map_squares(0);
    map_squares(1);
    map_squares(7);
    map_squares(100);
    map_squares(SIZE_MAX);
}

// CONC-009: A map with a time limit that is too short for the third call delivers two results and
// then ETIMEDOUT.
TEST_REAL_CLOCK(CONC_009_map_delivers_what_was_there_in_time)
{
    int naps[3] = {0, 0, 500}, results[3] = {-1, -1, -1};
    void *inputs[3] = {INT(naps[0]), INT(naps[1]), INT(naps[2])};
    size_t count = 99;
    aw_executor *ex = aw_thread_pool(.max_workers = 2);
    assert_int_equal(aw_executor_map(ex, nap_job, inputs, 3, .results = results, .timeout = 0.2,
                                     .ret_count = &count),
                     -ETIMEDOUT);
    assert_int_equal(count, 2);
    assert_int_equal(results[0], 0);
    assert_int_equal(results[1], 0);
    assert_int_equal(aw_executor_free(ex), 0);
}

static int count_and_nap(void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
    nap(200);
    return 0;
}

// CONC-010: When a map iteration ends by ETIMEDOUT, the mapped calls that have not started are
// cancelled and never run.
TEST_REAL_CLOCK(CONC_010_map_in_time_or_not_at_all)
{
    _Atomic int calls = 0;
    void *inputs[10];
    size_t count = 99;
    for (int i = 0; i < 10; i++)
        inputs[i] = &calls;
    aw_executor *ex = aw_thread_pool(.max_workers = 1);
    assert_int_equal(
        aw_executor_map(ex, count_and_nap, inputs, 10, .timeout = 0.05, .ret_count = &count),
        -ETIMEDOUT);
    int begun = calls;
    assert_true(begun < 10 && count <= (size_t)begun);
    nap(300);
    assert_int_equal(calls, begun);
    assert_int_equal(aw_executor_free(ex), 0);
}

TEST_REAL_CLOCK(exec_map_does_not_wait_for_the_jobs_of_others)
{
    struct gate gate;
    _Atomic int calls = 0;
    void *input = &calls;
    gate_init(&gate, 0);
    aw_executor *ex = aw_thread_pool(.max_workers = 1);
    aw_cfuture *other = aw_executor_submit(ex, stand_at_gate, &gate);
    assert_int_equal(aw_executor_map(ex, count_call, &input, 1, .timeout = 0.05), -ETIMEDOUT);
    assert_int_equal(aw_executor_map(ex, count_call, &input, 1, .timeout = -1), -ETIMEDOUT);
    gate_open(&gate);
    assert_int_equal(collect(other), 0);
    assert_int_equal(calls, 0);
    assert_int_equal(aw_executor_free(ex), 0);
}

struct maybe {
    int result;
    _Atomic int *calls;
};

static int give_or_fail(void *arg)
{
    struct maybe *m = arg;
    atomic_fetch_add(m->calls, 1);
    if (m->result < 0) {
        aw_refuse(m->result, "this one fails");
        nap(10);
    }
    return m->result;
}

TEST(exec_map_stops_at_the_first_error)
{
    enum { N = 1000 };
    _Atomic int calls = 0;
    struct maybe inputs[N];
    int results[N];
    size_t count = 0;
    for (int i = 0; i < N; i++)
        inputs[i] = (struct maybe){i, &calls};
    inputs[20].result = -EIO;
    inputs[25].result = -EPERM;
    aw_executor *ex = aw_thread_pool(.max_workers = 1);
    assert_int_equal(aw_executor_map(ex, give_or_fail, inputs, N, .stride = sizeof inputs[0],
                                     .results = results, .ret_count = &count),
                     -EIO);
    assert_string_equal(aw_errmsg(), "this one fails");
    assert_int_equal(count, 20);
    assert_int_equal(results[19], 19);
    assert_int_equal(calls, 21);
    assert_int_equal(aw_executor_free(ex), 0);
}

TEST(exec_map_gives_the_first_error_in_order)
{
    enum { N = 64 };
    _Atomic int calls = 0;
    struct maybe inputs[N];
    size_t count = 0;
    for (int i = 0; i < N; i++)
        inputs[i] = (struct maybe){i % 8 == 5 ? -1 - i : i, &calls};
    aw_executor *ex = aw_thread_pool(.max_workers = 4);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(aw_executor_map(ex, give_or_fail, inputs, N, .stride = sizeof inputs[0],
                                         .ret_count = &count),
                         -6);
        assert_int_equal(count, 5);
    }
    assert_int_equal(aw_executor_free(ex), 0);
}

static sem_t third_fails;

static int wait_or_fail(void *arg)
{
    int i = *(int *)arg;
    if (i == 2) {
        sem_post(&third_fails);
        return -EXDEV;
    }
    if (i == 0) {
        sem_wait(&third_fails);
        nap(10);
    }
    return i;
}

/* An input that was drawn, and not begun when a later one fails, has its call. */
TEST_REAL_CLOCK(exec_map_makes_the_calls_before_the_one_that_fails)
{
    int inputs[4] = {0, 1, 2, 3}, results[4] = {-1, -1, -1, -1};
    size_t count = 0;
    sem_init(&third_fails, 0, 0);
    aw_executor *ex = aw_thread_pool(.max_workers = 2);
    assert_int_equal(aw_executor_map(ex, wait_or_fail, inputs, 4, .stride = sizeof inputs[0],
                                     .chunk = 2, .results = results, .ret_count = &count),
                     -EXDEV);
    assert_int_equal(count, 2);
    assert_int_equal(results[1], 1);
    assert_int_equal(results[3], -1);
    assert_int_equal(aw_executor_free(ex), 0);
    sem_destroy(&third_fails);
}

struct shutter {
    aw_executor *ex;
    struct gate *gate;
};

static void *shut_later(void *arg)
{
    struct shutter *s = arg;
    gate_await(s->gate);
    assert_int_equal(aw_executor_shutdown(s->ex, .cancel_futures = true), 0);
    gate_open(s->gate);
    return NULL;
}

TEST(exec_map_and_a_shutdown_that_cancels)
{
    struct gate gate;
    pthread_t thread;
    _Atomic int calls = 0;
    void *inputs[3] = {&calls, &calls, &calls};
    gate_init(&gate, 0);
    aw_executor *ex = aw_thread_pool(.max_workers = 1);
    aw_cfuture *held = aw_executor_submit(ex, stand_at_gate, &gate);
    struct shutter s = {ex, &gate};
    assert_int_equal(pthread_create(&thread, NULL, shut_later, &s), 0);
    int err = aw_executor_map(ex, count_call, inputs, 3);
    assert_true(err == -ECANCELED || err == AW_EMISUSE); /* as the shutdown came late or early */
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(collect(held), 0);
    assert_int_equal(calls, 0);
    assert_int_equal(aw_executor_free(ex), 0);
}

static int map_in_own_pool(void *arg)
{
    aw_executor *ex = arg;
    void *input = ex;
    return aw_executor_map(ex, map_in_own_pool, &input, 1);
}

TEST(exec_map_bad_arguments)
{
    void *input = INT(1);
    aw_executor *ex = aw_thread_pool(.max_workers = 1);
    size_t count = 9;
    assert_int_equal(aw_executor_map(NULL, nap_job, &input, 1), -EINVAL);
    assert_int_equal(aw_executor_map(ex, NULL, &input, 1), -EINVAL);
    assert_int_equal(aw_executor_map(ex, nap_job, NULL, 1), -EINVAL);
    assert_int_equal(aw_executor_map(ex, nap_job, &input, 1, .timeout = NAN), -EINVAL);
    assert_int_equal(aw_executor_map(ex, nap_job, NULL, 0, .ret_count = &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(aw_executor_map(ex, nap_job, &input, SIZE_MAX), -ENOMEM);
    assert_int_equal(collect(aw_executor_submit(ex, map_in_own_pool, ex)), -EDEADLK);
    assert_int_equal(aw_executor_shutdown(ex), 0);
    assert_int_equal(aw_executor_map(ex, nap_job, &input, 1), AW_EMISUSE);
    aw_executor_unref(ex);
}
