/*
 * The states of a concurrent future, one producer and one consumer.
 */
#include "util.h"

/* ---- states ---- */

/* What the three questions answer. */
#define assert_state(f, done, running, cancelled)                                                  \
    do {                                                                                           \
        assert_int_equal(aw_cfuture_done(f), done);                                                \
        assert_int_equal(aw_cfuture_running(f), running);                                          \
        assert_int_equal(aw_cfuture_cancelled(f), cancelled);                                      \
    } while (0)

/* CONC-001: A concurrent future is pending, running, cancelled or finished; done is true only for
 * the last two, running only for the second. */
TEST(CONC_001_states)
{
    aw_cfuture *f = aw_cfuture_new();
    assert_state(f, 0, 0, 0);
    assert_int_equal(aw_cfuture_set_running(f), 0);
    assert_state(f, 0, 1, 0);
    assert_int_equal(aw_cfuture_set_result(f, 1, NULL), 0);
    assert_state(f, 1, 0, 0);
    aw_cfuture_unref(f);
    f = aw_cfuture_new();
    assert_true(aw_cfuture_cancel(f));
    assert_state(f, 1, 0, 1);
    aw_cfuture_unref(f);
    f = aw_cfuture_new();
    assert_int_equal(aw_cfuture_set_error(f, -EIO, NULL), 0);
    assert_state(f, 1, 0, 0);
    assert_int_equal(aw_cfuture_join(f, 0), -EIO);
    assert_state(NULL, 0, 0, 0);
}

/* CONC-002: Cancelling a pending one returns true; a running or finished one returns false and is
 * unchanged; one that was cancelled before returns true. */
TEST(CONC_002_cancelling)
{
    aw_cfuture *f = aw_cfuture_new();
    assert_true(aw_cfuture_cancel(f));
    assert_true(aw_cfuture_cancel(f));
    assert_int_equal(aw_cfuture_join(f, 0), -ECANCELED);
    f = aw_cfuture_new();
    assert_int_equal(aw_cfuture_set_running(f), 0);
    assert_false(aw_cfuture_cancel(f));
    assert_true(aw_cfuture_running(f));
    assert_int_equal(aw_cfuture_set_result(f, 5, NULL), 0);
    assert_false(aw_cfuture_cancel(f));
    assert_int_equal(aw_cfuture_join(f, 0), 5);
    f = aw_cfuture_new();
    assert_int_equal(aw_cfuture_set_error(f, -EIO, NULL), 0);
    assert_false(aw_cfuture_cancel(f));
    assert_int_equal(aw_cfuture_join(f, 0), -EIO);
    assert_false(aw_cfuture_cancel(NULL));
}

/* ---- between threads ---- */

static void *wait_for_it(void *arg)
{
    return INT(aw_cfuture_result(arg, INFINITY));
}

/* CONC-003: A thread that is blocked in result is released with the value when another thread sets
 * it, and with -ECANCELED when another thread cancels the future. */
TEST_REAL_CLOCK(CONC_003_released_by_a_result)
{
    aw_cfuture *f = aw_cfuture_new();
    pthread_t t = start_thread(wait_for_it, f);
    pause_ms(20);
    assert_int_equal(aw_cfuture_set_result(f, 42, NULL), 0);
    assert_int_equal((intptr_t)end_thread(t), 42);
    aw_cfuture_unref(f);
}

TEST_REAL_CLOCK(CONC_003_released_by_an_error)
{
    aw_cfuture *f = aw_cfuture_new();
    pthread_t t = start_thread(wait_for_it, f);
    assert_int_equal(aw_cfuture_set_running(f), 0);
    pause_ms(20);
    assert_int_equal(aw_cfuture_set_error(f, -ENOENT, NULL), 0);
    assert_int_equal((intptr_t)end_thread(t), -ENOENT);
    aw_cfuture_unref(f);
}

TEST_REAL_CLOCK(CONC_003_released_by_a_cancellation)
{
    aw_cfuture *f = aw_cfuture_new();
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        t[i] = start_thread(wait_for_it, f);
    pause_ms(20);
    assert_true(aw_cfuture_cancel(f));
    for (int i = 0; i < 4; i++)
        assert_int_equal((intptr_t)end_thread(t[i]), -ECANCELED);
    aw_cfuture_unref(f);
}

/* ---- callbacks ---- */

static char trace[64];
static pthread_t called_in;

static int note(aw_cfuture *f, void *arg)
{
    size_t n = strlen(trace);
    assert_true(aw_cfuture_done(f) && n + 1 < sizeof trace);
    trace[n] = *(const char *)arg;
    called_in = pthread_self();
    return 0;
}

static aw_cfuture *with_callbacks(void)
{
    static const char *const letters[] = {"a", "b", "c"};
    aw_cfuture *f = aw_cfuture_new();
    memset(trace, 0, sizeof trace);
    for (int i = 0; i < 3; i++)
        assert_int_equal(aw_cfuture_add_done_callback(f, note, (void *)letters[i]), 0);
    assert_string_equal(trace, "");
    return f;
}

/* CONC-004: Unlike those of loop futures, done callbacks run inside set-result, set-error or
 * cancel, in the calling thread and in order of registration, before that call returns. */
TEST(CONC_004_callbacks_run_inside_the_completing_call)
{
    aw_cfuture *f = with_callbacks();
    assert_int_equal(aw_cfuture_set_result(f, 1, NULL), 0);
    assert_string_equal(trace, "abc");
    aw_cfuture_unref(f);
    f = with_callbacks();
    assert_int_equal(aw_cfuture_set_error(f, -EIO, NULL), 0);
    assert_string_equal(trace, "abc");
    assert_int_equal(aw_cfuture_join(f, 0), -EIO);
    f = with_callbacks();
    assert_true(aw_cfuture_cancel(f));
    assert_string_equal(trace, "abc");
    assert_true(pthread_equal(called_in, pthread_self()));
    aw_cfuture_unref(f);
}

static void *set_it(void *arg)
{
    assert_int_equal(aw_cfuture_set_result(arg, 1, NULL), 0);
    assert_true(pthread_equal(called_in, pthread_self()));
    return NULL;
}

TEST_REAL_CLOCK(CONC_004_callbacks_run_in_the_completing_thread)
{
    aw_cfuture *f = with_callbacks();
    end_thread(start_thread(set_it, f));
    assert_string_equal(trace, "abc");
    aw_cfuture_unref(f);
}

static int give_error(aw_cfuture *f, void *arg)
{
    (void)f;
    return (int)(intptr_t)arg;
}

static void complete_with_a_failing_callback(void *arg)
{
    aw_cfuture *f = aw_cfuture_new();
    (void)arg;
    assert_int_equal(aw_cfuture_add_done_callback(f, give_error, INT(-EIO)), 0);
    assert_int_equal(aw_cfuture_add_done_callback(f, note, "n"), 0);
    assert_int_equal(aw_cfuture_set_result(f, 1, NULL), 0);
    assert_string_equal(trace, "n"); /* the others are called all the same */
    aw_cfuture_unref(f);
}

TEST_REAL_CLOCK(CONC_004_a_failing_callback_is_reported)
{
    struct child_result r;
    run_child(&r, complete_with_a_failing_callback, NULL);
    normalise(r.err);
    assert_string_equal(r.err, "await: a callback of a concurrent future failed\n"
                               "  callback: test_thread+0x*\n"
                               "  error:   -EIO (input/output error)\n");
    assert_true(child_exited(&r, 0));
}

/* CONC-005: A done callback that is added to a finished, failed or cancelled one runs at once,
 * inside the call that adds it. */
TEST(CONC_005_callback_on_a_done_future)
{
    for (int i = 0; i < 3; i++) {
        aw_cfuture *f = with_callbacks();
        if (i == 0)
            assert_int_equal(aw_cfuture_set_result(f, 1, NULL), 0);
        else if (i == 1)
            assert_int_equal(aw_cfuture_set_error(f, -EIO, NULL), 0);
        else
            assert_true(aw_cfuture_cancel(f));
        assert_int_equal(aw_cfuture_add_done_callback(f, note, "d"), 0);
        assert_string_equal(trace, "abcd");
        assert_int_equal(aw_cfuture_result(f, 0), i == 0 ? 1 : i == 1 ? -EIO : -ECANCELED);
        aw_cfuture_unref(f);
    }
}

static int add_another(aw_cfuture *f, void *arg)
{
    return aw_cfuture_add_done_callback(f, note, arg);
}

TEST(CONC_005_callback_added_by_a_callback)
{
    aw_cfuture *f = with_callbacks();
    assert_int_equal(aw_cfuture_add_done_callback(f, add_another, "x"), 0);
    assert_int_equal(aw_cfuture_add_done_callback(f, note, "y"), 0);
    assert_int_equal(aw_cfuture_set_result(f, 1, NULL), 0);
    assert_string_equal(trace, "abcxy");
    aw_cfuture_unref(f);
}

/* ---- only once ---- */

/* CONC-006: Setting a result or an error on one that is finished, failed or cancelled fails with
 * "invalid state", and the first outcome stays. */
TEST(CONC_006_the_first_outcome_stays)
{
    for (int i = 0; i < 3; i++) {
        aw_cfuture *f = aw_cfuture_new();
        if (i == 0)
            assert_int_equal(aw_cfuture_set_result(f, 1, "first"), 0);
        else if (i == 1)
            assert_int_equal(aw_cfuture_set_error(f, -EIO, "first"), 0);
        else
            assert_true(aw_cfuture_cancel(f));
        assert_int_equal(aw_cfuture_set_result(f, 2, "second"), AW_ESTATE);
        assert_int_equal(aw_cfuture_set_error(f, -ENOENT, "second"), AW_ESTATE);
        assert_int_equal(aw_cfuture_set_running(f), AW_ESTATE);
        assert_int_equal(aw_cfuture_result(f, 0), i == 0 ? 1 : i == 1 ? -EIO : -ECANCELED);
        if (i == 0)
            assert_string_equal(aw_cfuture_value(f), "first");
        else
            assert_string_equal(aw_errmsg(), i == 1 ? "first" : "");
        aw_cfuture_unref(f);
    }
}

/* ---- misuse ---- */

TEST_REAL_CLOCK(cfuture_bad_arguments)
{
    aw_cfuture *f = aw_cfuture_new();
    assert_int_equal(aw_cfuture_set_result(f, -1, NULL), -EINVAL);
    assert_int_equal(aw_cfuture_set_error(f, 0, NULL), -EINVAL);
    assert_int_equal(aw_cfuture_add_done_callback(f, NULL, NULL), -EINVAL);
    assert_int_equal(aw_cfuture_add_done_callback(NULL, note, NULL), -EINVAL);
    assert_int_equal(aw_cfuture_set_result(NULL, 1, NULL), -EINVAL);
    assert_int_equal(aw_cfuture_set_error(NULL, -1, NULL), -EINVAL);
    assert_int_equal(aw_cfuture_set_running(NULL), -EINVAL);
    assert_int_equal(aw_cfuture_join(NULL, 1), -EINVAL);
    assert_null(aw_cfuture_value(NULL));
    assert_null(aw_cfuture_ref(NULL));
    aw_cfuture_unref(NULL);
    aw_cfuture_unref(f);
}

/* Only its own coroutine completes a submission. */
TEST_REAL_CLOCK(cfuture_of_a_coroutine_cannot_be_set)
{
    aw_loop_thread *lt = start_loop();
    aw_cfuture *f = aw_submit(aw_loop_thread_loop(lt), sleep_long, NULL);
    assert_int_equal(aw_cfuture_set_result(f, 1, NULL), AW_EMISUSE);
    assert_int_equal(aw_cfuture_set_error(f, -1, NULL), AW_EMISUSE);
    assert_int_equal(aw_cfuture_set_running(f), AW_EMISUSE);
    assert_int_equal(aw_cfuture_join(f, 0), -ETIMEDOUT);
    stop_loop(lt);
}

/* ---- memory ---- */

TEST(cfuture_without_memory)
{
    count_memory();
    aw_cfuture *f = aw_cfuture_new();
    unsigned char seen[1] = {0};
    no_memory = true;
    assert_null(aw_cfuture_new());
    assert_int_equal(aw_errno(), -ENOMEM);
    assert_int_equal(aw_cfuture_add_done_callback(f, note, "x"), -ENOMEM);
    assert_int_equal(aw_cfuture_wait(&f, 1, AW_ALL_COMPLETED, 1), -ENOMEM);
    assert_int_equal(aw_cfuture_wait(&f, 1, AW_ALL_COMPLETED, 0), 0);
    assert_int_equal(aw_cfuture_next_completed(&f, 1, seen, 1), -ENOMEM);
    assert_int_equal(aw_cfuture_set_error(f, -EIO, "the message is lost, the code is not"), 0);
    assert_int_equal(aw_cfuture_join(f, 1), -EIO);
    no_memory = false;
    assert_int_equal(blocks_left(), 0);
}

/* Given up without ever having been done: the callbacks go with it, uncalled. */
TEST(cfuture_given_up_undone)
{
    count_memory();
    aw_cfuture *f = with_callbacks();
    aw_cfuture_unref(f);
    assert_string_equal(trace, "");
    assert_int_equal(blocks_left(), 0);
}

static void *set_without_a_handle(void *arg)
{
    assert_int_equal(aw_cfuture_set_result(arg, 1, NULL), 0);
    return NULL;
}

static void *cancel_without_a_handle(void *arg)
{
    aw_cfuture_cancel(arg);
    return NULL;
}

/* The waiter has the only handle, and gives it up as soon as it can. */
TEST_REAL_CLOCK(cfuture_given_up_under_the_completing_call)
{
    count_memory();
    for (unsigned i = 0; i < test_scale(5000, 300); i++) {
        bool cancel = i % 2;
        aw_cfuture *f = aw_cfuture_new();
        pthread_t t = start_thread(cancel ? cancel_without_a_handle : set_without_a_handle, f);
        assert_int_equal(aw_cfuture_join(f, INFINITY), cancel ? -ECANCELED : 1);
        end_thread(t);
    }
    assert_int_equal(blocks_left(), 0);
}
