/*
 * Waiting for signals: once, again and again, by several tasks; nothing is lost.
 */
#include "util.h"

static int raise_it(void *arg)
{
    return raise((int)(intptr_t)arg);
}

static int wait_for_set(void *arg)
{
    return aw_signal_wait(*(uint64_t *)arg);
}

TEST_IN_LOOP(signal_wait_says_which)
{
    uint64_t set = aw_signal(SIGUSR1) | aw_signal(SIGUSR2);
    assert_int_equal(aw_call_later(1, raise_it, INT(SIGUSR2)), 0);
    assert_int_equal(aw_signal_wait(set), SIGUSR2);
    assert_int_equal(aw_call_later(1, raise_it, INT(SIGUSR1)), 0);
    assert_int_equal(aw_signal_wait(set), SIGUSR1);
    assert_true(has_default(SIGUSR1));
    assert_true(has_default(SIGUSR2));
}

TEST_IN_LOOP(signal_wait_of_several_tasks)
{
    uint64_t sets[3] = {aw_signal(SIGUSR1), aw_signal(SIGUSR1) | aw_signal(SIGUSR2),
                        aw_signal(SIGUSR2)};
    int calls = 0;
    aw_task *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = aw_create_task(wait_for_set, &sets[i]);
    assert_int_equal(aw_add_signal_handler(SIGUSR1, count_call, &calls), 0);
    passes(1);
    raise(SIGUSR1);
    passes(3);
    assert_int_equal(calls, 1);
    assert_int_equal(aw_result(tasks[0]), SIGUSR1);
    assert_int_equal(aw_result(tasks[1]), SIGUSR1);
    assert_false(aw_done(tasks[2]));
    raise(SIGUSR2);
    assert_int_equal(aw_join(tasks[2]), SIGUSR2);
    aw_unref(tasks[0]);
    aw_unref(tasks[1]);
}

TEST_IN_LOOP(signal_wait_cancelled)
{
    uint64_t set = aw_signal(SIGUSR1);
    aw_task *t = aw_create_task(wait_for_set, &set);
    passes(1);
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_true(has_default(SIGUSR1));
    assert_int_equal(aw_wait_for(aw_create_task(wait_for_set, &set), 1), -ETIMEDOUT);
}

static int cancel_it(void *arg)
{
    aw_cancel(arg);
    return 0;
}

static int wait_and_tell(void *arg)
{
    int signo = aw_signal_wait(*(uint64_t *)arg);
    note(signo == SIGUSR1 ? '1' : '?');
    return aw_sleep(0); /* where the cancellation was left for */
}

/* The signal comes, and then a cancellation, before the task has run: the one is returned, and the
 * other is still to come. */
TEST_IN_LOOP(signal_wait_cancelled_too_late)
{
    uint64_t set = aw_signal(SIGUSR1);
    aw_task *t = aw_create_task(wait_and_tell, &set);
    passes(1);
    raise(SIGUSR1); /* noticed, but not handed on yet */
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_trace("1");
    t = aw_create_task(wait_and_tell, &set);
    passes(1);
    raise(SIGUSR1);
    assert_int_equal(aw_call_soon(cancel_it, t), 0);
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_trace("11");
}

static atomic_int handled;

static void handle(int signo)
{
    atomic_fetch_add(&handled, signo);
}

/* What comes when the wait is over already has its former action. */
TEST_IN_LOOP(signal_wait_passes_on_what_it_does_not_want)
{
    uint64_t set = aw_signal(SIGUSR1) | aw_signal(SIGUSR2);
    signal(SIGUSR1, handle);
    signal(SIGUSR2, handle);
    aw_task *t = aw_create_task(wait_for_set, &set);
    passes(1);
    raise(SIGUSR2);
    raise(SIGUSR1);
    assert_int_equal(aw_join(t), SIGUSR1);
    assert_int_equal(handled, SIGUSR2);
    t = aw_create_task(wait_for_set, &set);
    passes(1);
    aw_cancel(t);
    raise(SIGUSR1);
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_int_equal(handled, SIGUSR1 + SIGUSR2);
}

/* ---- kept signals ---- */

TEST_IN_LOOP(signals_kept_between_waits)
{
    aw_signals *s = aw_signals_new(NULL, aw_signal(SIGUSR1) | aw_signal(SIGUSR2));
    assert_non_null(s);
    raise(SIGUSR2);
    raise(SIGUSR1);
    raise(SIGUSR1);
    passes(2);
    assert_int_equal(aw_signals_wait(s), SIGUSR1);
    assert_int_equal(aw_signals_wait(s), SIGUSR2);
    assert_int_equal(aw_call_later(1, raise_it, INT(SIGUSR1)), 0);
    double began = aw_time();
    assert_int_equal(aw_signals_wait(s), SIGUSR1);
    assert_time(aw_time() - began, 1);
    aw_signals_free(s);
    assert_true(has_default(SIGUSR1));
}

static int wait_for_kept(void *arg)
{
    return aw_signals_wait(arg);
}

TEST_IN_LOOP(signals_kept_for_several_tasks)
{
    aw_signals *s = aw_signals_new(NULL, aw_signal(SIGUSR1) | aw_signal(SIGUSR2));
    aw_task *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = aw_create_task(wait_for_kept, s);
    passes(1);
    aw_cancel(tasks[1]);
    raise(SIGUSR2);
    raise(SIGUSR1);
    passes(3);
    assert_int_equal(aw_result(tasks[0]), SIGUSR1);
    assert_int_equal(aw_result(tasks[1]), -ECANCELED);
    assert_int_equal(aw_result(tasks[2]), SIGUSR1);
    assert_int_equal(aw_signals_wait(s), SIGUSR2); /* came when nobody was in line any more */
    for (int i = 0; i < 3; i++)
        aw_unref(tasks[i]);
    aw_signals_free(s);
}

/* Every signal that is sent when the one before was answered is answered. */
static int answer(void *arg)
{
    aw_signals *s = aw_signals_new(NULL, aw_signal(SIGUSR1));
    int n = 0;
    for (int i = 0; i < 1000; i++) {
        raise(SIGUSR1);
        if (i % 3 == 0)
            AW_TRY(aw_sleep(0));
        AW_TRY(aw_signals_wait(s));
        n++;
    }
    aw_signals_free(s);
    return n + (int)(intptr_t)arg;
}

TEST(signals_kept_none_is_lost)
{
    assert_int_equal(aw_run(answer, INT(0)), 1000);
}

TEST_IN_LOOP(signals_bad_handles)
{
    assert_int_equal(aw_signals_wait(NULL), -EINVAL);
    aw_signals_free(NULL);
    assert_int_equal(aw_signal_wait(0), -EINVAL);
}

TEST(signals_outside_of_loops)
{
    assert_int_equal(aw_signal_wait(aw_signal(SIGUSR1)), AW_EMISUSE);
    assert_null(aw_signals_new(NULL, aw_signal(SIGUSR1)));
    assert_int_equal(aw_errno(), AW_EMISUSE);
}

/* ---- the end of a loop ---- */

static int leave_waiting(void *arg)
{
    AW_TRY(aw_spawn(wait_for_set, arg));
    return aw_sleep(0);
}

TEST(signal_wait_ended_by_the_run)
{
    uint64_t set = aw_signal(SIGUSR1);
    assert_int_equal(aw_run(leave_waiting, &set, .exception_handler = collect_report), 0);
    assert_reports(1); /* cancelled by the end of the run */
    assert_true(has_default(SIGUSR1));
}

TEST(signal_wait_abandoned)
{
    uint64_t set = aw_signal(SIGUSR1);
    count_memory();
    aw_loop *l = aw_loop_new();
    aw_loop_set_exception_handler(l, collect_report, NULL);
    aw_task *t = aw_create_task(wait_for_set, &set, .loop = l);
    aw_loop_stop(l);
    aw_loop_run_forever(l);
    aw_loop_close(l);
    assert_reports(1);
    assert_true(has_default(SIGUSR1));
    aw_unref(t);
    aw_loop_free(l);
    assert_int_equal(memory.live, 0);
}

static int wait_for_it(void *arg)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, kill_when_asleep, arg), 0);
    int signo = aw_signal_wait(aw_signal(SIGUSR1));
    pthread_join(thread, NULL);
    return signo;
}

TEST(signal_wait_is_no_deadlock)
{
    assert_int_equal(aw_run(wait_for_it, INT(SIGUSR1)), SIGUSR1);
}
