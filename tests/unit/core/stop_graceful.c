/*
 * The graceful stop: a signal becomes a wish, tasks hear of it, and what does not end in time is
 * cancelled.
 */
#include "stop_util.h"

#include <math.h>
#include <pthread.h>
#include <time.h>

/* ---- the wish ---- */

static int wait_and_finish(void *arg)
{
    assert_false(aw_stopping());
    assert_int_equal(aw_stop_wait(), 0);
    assert_true(aw_stopping());
    assert_int_equal(aw_stop_wait(), 0); /* at once */
    return give(arg);
}

static int raise_then_wait(void *arg)
{
    AW_TRY(raise(*(int *)arg));
    return wait_and_finish(INT(7));
}

TEST_ORDER_FREE(stop_by_either_signal)
{
    int signals[] = {SIGINT, SIGTERM};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(aw_run(raise_then_wait, &signals[i], .stop_on = AW_SIGINT_SIGTERM), 7);
        assert_int_equal(aw_run(raise_then_wait, &signals[i], .stop_on = 1u << i), 7);
    }
    assert_false(aw_stopping());
}

static int terminate_me(void *arg)
{
    (void)arg;
    return kill(getpid(), SIGTERM);
}

static int wait_long(void *arg)
{
    AW_TRY(aw_call_later(5, terminate_me, NULL));
    int err = wait_and_finish(arg);
    assert_time(aw_time(), 5);
    return err;
}

TEST(stop_waiting_with_nothing_else_to_do)
{
    assert_int_equal(aw_run(wait_long, INT(3), .stop_on = AW_SIGTERM), 3);
}

/* Several who wait, woken in the order in which they came. */
static int wait_and_note(void *arg)
{
    int err = aw_stop_wait();
    note(err < 0 ? 'x' : *(char *)arg);
    return err;
}

static int many_waiters(void *arg)
{
    (void)arg;
    aw_task *impatient = aw_create_task(wait_and_note, "n");
    AW_TRY(aw_sleep(0));
    AW_TRY(aw_call_later(1, raise_it, INT(SIGTERM)));
    aw_cancel(impatient);
    assert_int_equal(aw_join(impatient), -ECANCELED);
    return aw_gather(AW_CORO(wait_and_note, "1"), AW_CORO(wait_and_note, "2"),
                     AW_CORO(wait_and_note, "3"));
}

TEST(stop_wakes_all_who_wait)
{
    assert_int_equal(aw_run(many_waiters, NULL, .stop_on = AW_SIGTERM), 0);
    assert_trace("x123");
}

/* One that is cancelled in the same pass in which it is woken. */
static int woken_and_cancelled(void *arg)
{
    (void)arg;
    aw_task *t = aw_create_task(wait_and_note, "n");
    AW_TRY(aw_sleep(0));
    AW_TRY(raise(SIGTERM));
    AW_TRY(aw_sleep(0)); /* the loop looks: it is woken */
    aw_cancel(t);
    return aw_join(t) == -ECANCELED || trace[0] == 'n' ? 0 : -EPROTO;
}

TEST_ORDER_FREE(stop_waiter_that_is_cancelled_when_woken)
{
    assert_int_equal(aw_run(woken_and_cancelled, NULL, .stop_on = AW_SIGTERM), 0);
}

static int ask_in_callback(void *arg)
{
    note(aw_stopping() ? 'y' : 'n');
    assert_int_equal(aw_stop_wait(), AW_EMISUSE);
    return arg ? raise(SIGTERM) : 0;
}

static int ask_in_callbacks(void *arg)
{
    AW_TRY(aw_call_soon(ask_in_callback, "raise"));
    AW_TRY(aw_sleep(0));
    AW_TRY(aw_sleep(0));
    AW_TRY(aw_call_soon(ask_in_callback, NULL));
    AW_TRY(aw_sleep(0));
    return give(arg);
}

TEST(stop_seen_from_callbacks_and_outside)
{
    assert_int_equal(aw_run(ask_in_callbacks, NULL, .stop_on = AW_SIGTERM), 0);
    assert_trace("ny");
    assert_false(aw_stopping());
    assert_int_equal(aw_stop_wait(), AW_EMISUSE);
}

/* ---- grace ---- */

static int stopped_after;

static int ignore_the_wish(void *arg)
{
    double began = aw_time();
    int err = aw_sleep(1000);
    stopped_after = (int)(aw_time() - began);
    return arg ? give(arg) : err;
}

static int raise_and_ignore(void *arg)
{
    AW_TRY(raise(SIGTERM));
    return ignore_the_wish(arg);
}

TEST(stop_cancels_after_the_grace)
{
    assert_int_equal(aw_run(raise_and_ignore, NULL, .stop_on = AW_SIGTERM, .grace = 3), 0);
    assert_int_equal(stopped_after, 3);
    assert_int_equal(aw_run(raise_and_ignore, NULL, .stop_on = AW_SIGTERM), 0);
    assert_int_equal(stopped_after, 10);
    assert_int_equal(aw_run(raise_and_ignore, NULL, .stop_on = AW_SIGTERM, .grace = 1e-9), 0);
    assert_int_equal(stopped_after, 0);
}

TEST(stop_returns_what_main_returned)
{
    assert_int_equal(aw_run(raise_and_ignore, INT(4), .stop_on = AW_SIGTERM, .grace = 3), 4);
    assert_int_equal(aw_run(raise_and_ignore, INT(-EIO), .stop_on = AW_SIGTERM, .grace = 3), -EIO);
}

static int give_up_early(void *arg)
{
    (void)arg;
    AW_TRY(raise(SIGTERM));
    AW_TRY(aw_stop_wait());
    return -ECANCELED;
}

static int cancelled_without_stop(void *arg)
{
    aw_cancel(aw_current_task());
    return ignore_the_wish(arg);
}

/* 0 is for who ended cancelled because of the stop, not for every cancelled main. */
TEST(stop_makes_a_cancelled_main_a_success)
{
    assert_int_equal(aw_run(give_up_early, NULL, .stop_on = AW_SIGTERM), 0);
    assert_int_equal(aw_run(cancelled_without_stop, NULL, .stop_on = AW_SIGTERM), -ECANCELED);
}

static int raise_and_sleep_for_ever(void *arg)
{
    (void)arg;
    AW_TRY(aw_call_later(20000, stop_this_run, aw_current_task()));
    AW_TRY(raise(SIGTERM));
    int err = aw_sleep(INFINITY);
    assert_time(aw_time(), 20000);
    return err;
}

TEST(stop_with_endless_grace)
{
    assert_int_equal(
        aw_run(raise_and_sleep_for_ever, NULL, .stop_on = AW_SIGTERM, .grace = INFINITY), 0);
}

/* Every task hears of it once: those that others await as well, those in a group too. */
static int count_requests(void *arg)
{
    int err = aw_sleep(1000);
    *(int *)arg = aw_cancelling(aw_current_task());
    AW_TRY(aw_sleep(1)); /* undisturbed */
    note('.');
    return err;
}

static int await_child(void *arg)
{
    return aw_join(aw_create_task(count_requests, arg));
}

static int start_all(void *arg)
{
    int *counts = arg;
    AW_TRY(raise(SIGTERM));
    AW_TRY(aw_spawn(await_child, &counts[0]));
    AW_TRY(aw_spawn(count_requests, &counts[1]));
    return aw_gather(AW_CORO(count_requests, &counts[2]), AW_CORO(await_child, &counts[3]));
}

TEST_ORDER_FREE(stop_cancels_every_task_once)
{
    int counts[4] = {0};
    assert_int_equal(aw_run(start_all, counts, .stop_on = AW_SIGTERM, .grace = 2), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(counts[i], 1);
    assert_trace("....");
}

/* Main ends early in the grace; what it leaves is cancelled then, and not again when it is over. */
static int leave_cleaning(void *arg)
{
    AW_TRY(aw_spawn(count_requests, arg));
    AW_TRY(raise(SIGTERM));
    return aw_stop_wait();
}

TEST(stop_grace_ends_with_main)
{
    int count = 0;
    assert_int_equal(aw_run(leave_cleaning, &count, .stop_on = AW_SIGTERM, .grace = 0.5,
                            .exception_handler = collect_report),
                     0);
    assert_trace(".");
    assert_int_equal(count, 1);
    assert_reports(1);
}

/* The first signal comes only when the run is ending already. */
static int be_stopped_in_cleanup(void *arg)
{
    int err = aw_sleep(1000);
    AW_TRY(raise(SIGTERM));
    assert_int_equal(aw_stop_wait(), 0);
    *(int *)arg = aw_stopping();
    AW_TRY(aw_sleep(1));
    note('.');
    return err;
}

static int leave_one(void *arg)
{
    AW_TRY(aw_spawn(be_stopped_in_cleanup, arg));
    AW_TRY(aw_sleep(1));
    return 6;
}

TEST(stop_asked_while_the_run_is_ending)
{
    int stopping = 0;
    assert_int_equal(aw_run(leave_one, &stopping, .stop_on = AW_SIGTERM, .grace = 0.5,
                            .exception_handler = collect_report),
                     6);
    assert_int_equal(stopping, 1);
    assert_trace(".");
    assert_reports(1);
}

/* Cleaning up may take time limits and groups of its own. */
static int clean_up_in_scopes(void *arg)
{
    int err = aw_sleep(1000);
    assert_int_equal(aw_timeout_call(0.5, sleep_long, NULL), -ETIMEDOUT);
    AW_TRY(aw_gather(AW_CORO(give_later, LATER(0.5, 0)), AW_CORO(note_it, arg)));
    return err;
}

static int raise_and_clean_up(void *arg)
{
    AW_TRY(raise(SIGTERM));
    return clean_up_in_scopes(arg);
}

TEST_ORDER_FREE(stop_leaves_room_for_cleaning_up)
{
    assert_int_equal(aw_run(raise_and_clean_up, "c", .stop_on = AW_SIGTERM, .grace = 1), 0);
    assert_trace("c");
}

/* ---- the real clock ---- */

static void *terminate_later(void *arg)
{
    nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
    if (arg)
        pthread_kill(*(pthread_t *)arg, SIGTERM);
    else
        raise(SIGTERM);
    return NULL;
}

static int wait_in_poll(void *arg)
{
    pthread_t thread, *me = arg;
    assert_int_equal(pthread_create(&thread, NULL, terminate_later, me), 0);
    int err = wait_and_finish(INT(2));
    assert_int_equal(pthread_join(thread, NULL), 0);
    return err;
}

/* The loop sleeps in its poll; the handler runs in its thread, or in another. */
TEST_REAL_CLOCK(stop_of_a_loop_that_is_blocked)
{
    pthread_t me = pthread_self();
    assert_int_equal(aw_run(wait_in_poll, &me, .stop_on = AW_SIGTERM), 2);
    assert_int_equal(aw_run(wait_in_poll, NULL, .stop_on = AW_SIGTERM), 2);
}

static int sleep_in_poll(void *arg)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, terminate_later, NULL), 0);
    int err = ignore_the_wish(arg);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return err;
}

TEST_REAL_CLOCK(stop_after_the_grace_of_the_real_clock)
{
    assert_int_equal(aw_run(sleep_in_poll, NULL, .stop_on = AW_SIGTERM, .grace = 0.05), 0);
    assert_int_equal(stopped_after, 0);
}

static void *run_and_wait(void *arg)
{
    (void)arg;
    return INT(aw_run(wait_in_poll, NULL, .stop_on = AW_SIGTERM));
}

TEST_REAL_CLOCK(stop_of_a_loop_in_another_thread)
{
    pthread_t thread;
    void *result;
    assert_int_equal(pthread_create(&thread, NULL, run_and_wait, NULL), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_int_equal((intptr_t)result, 2);
}
