/*
 * threads.c - scenarios of loops in threads, submissions, concurrent futures, wrapped futures.
 *
 * The thread that runs the scenario waits for what it has submitted before it goes on, and the
 * loops in threads have a virtual clock: so mostly one of the two is at work.
 */
#include <math.h>

#include "core/core.h"
#include "fault/inject.h"

/* ---- a loop in a thread ---- */

static int watch_this_loop(void *arg)
{
    (void)arg;
    inject_watch(aw_self.loop);
    return 0;
}

/* The library's own thread with a loop, whose tasks are disturbed too. */
static aw_loop_thread *start_loop_thread(void)
{
    static aw_inbox_node node; /* free again: its loop is closed */
    aw_loop_thread *lt = aw_loop_thread_start(.name = "swept", .virtual_clock = true,
                                              .exception_handler = note_report);
    if (lt)
        aw_ignore(
            aw_call_soon_threadsafe_node(aw_loop_thread_loop(lt), &node, watch_this_loop, NULL));
    return lt;
}

static int with_loop_thread(int (*body)(aw_loop *l))
{
    threads_take_part();
    aw_loop_thread *lt = start_loop_thread();
    if (!lt)
        return unexpected(aw_errno(), "a loop thread", __FILE__, __LINE__);
    int err = body(aw_loop_thread_loop(lt));
    int end = aw_loop_thread_stop(lt);
    if (end == -ETIMEDOUT && notes.loop_failed)
        return err; /* with tasks that nothing could run to their ends */
    EXPECT(end, 0);
    return err;
}

/* ---- callbacks ---- */

static int count_up(void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
    return 0;
}

static int count_calls(aw_loop *l)
{
    static _Atomic int n;
    static aw_inbox_node node;
    aw_cfuture *last;
    n = 0;
    EXPECT(aw_call_soon_threadsafe(l, count_up, (void *)&n), 0);
    EXPECT(aw_call_soon_threadsafe_node(l, &node, count_up, (void *)&n), 0);
    EXPECT(aw_call_soon_threadsafe(l, count_up, (void *)&n), 0);
    MAKE_CONCURRENT(last, aw_submit(l, give, INT(3)));
    EXPECT(aw_cfuture_result(last, INFINITY), 3);
    CHECK(n == 3);
    return 0;
}

SCENARIO(thread_callbacks)
{
    return with_loop_thread(count_calls);
}

/* ---- submissions and what they come to ---- */

static int thing;

static int give_thing(void *arg)
{
    (void)arg;
    AW_TRY(aw_sleep(1));
    aw_return_value(&thing);
    return 5;
}

static int fail_with_words(void *arg)
{
    (void)arg;
    AW_TRY(aw_sleep(1));
    return aw_raise(-EXDEV, "over there");
}

static int submit_and_collect(aw_loop *l)
{
    struct later second = {1, 7};
    aw_cfuture *copied, *value, *bad;
    MAKE_CONCURRENT(copied, aw_submit(l, give_later, &second, .copy = sizeof second));
    EXPECT(aw_cfuture_result(copied, INFINITY), 7);
    MAKE_CONCURRENT(value, aw_submit(l, give_thing, NULL, .name = "finder"));
    EXPECT(aw_cfuture_result(value, INFINITY), 5);
    CHECK(aw_cfuture_value(value) == &thing && aw_cfuture_done(value));
    CHECK(!aw_cfuture_running(value) && !aw_cfuture_cancelled(value));
    CHECK(!aw_cfuture_cancel(value));
    MAKE_CONCURRENT(bad, aw_submit(l, fail_with_words, NULL));
    EXPECT(aw_cfuture_result(bad, INFINITY), -EXDEV);
    CHECK_CALM(strcmp(aw_errmsg(), "over there") == 0);
    return aw_cfuture_join(aw_cfuture_ref(copied), 1) == 7 ? 0 : WRONG;
}

SCENARIO(thread_submit)
{
    return with_loop_thread(submit_and_collect);
}

/* Arguments come back on every way out. */
static struct owned mine[6];

static aw_cfuture *submit_owned(aw_loop *l, aw_fn *fn, int i)
{
    aw_cfuture *f = aw_submit(l, fn, &mine[i], .release = release_owned);
    mine[i].given = f != NULL;
    return f;
}

static int give_nothing(void *arg)
{
    (void)arg;
    return aw_sleep(1);
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return aw_sleep(INFINITY);
}

static int end_slowly(void *arg)
{
    int err = sleep_for_ever(arg);
    if (err == -ECANCELED)
        aw_ignore(aw_sleep(1));
    return err;
}

/* A task whose own work has ended cannot be cancelled any more. */
static int submit_and_leave(aw_loop *l)
{
    aw_cfuture *done, *cancelled, *late, *left, *slow, *eager;
    memset(mine, 0, sizeof mine);
    MAKE_CONCURRENT(done, submit_owned(l, give_nothing, 0));
    EXPECT(aw_cfuture_result(done, INFINITY), 0);
    MAKE_CONCURRENT(cancelled, submit_owned(l, end_slowly, 1));
    CHECK(aw_cfuture_cancel(cancelled) && aw_cfuture_cancelled(cancelled));
    CHECK(aw_cfuture_join(aw_cfuture_ref(cancelled), INFINITY) == -ECANCELED);
    CHECK(mine[1].released == 1);
    MAKE_CONCURRENT(late, submit_owned(l, sleep_for_ever, 2));
    CHECK(aw_cfuture_join(aw_cfuture_ref(late), 1e-9) < 0 && mine[2].released == 1);
    MAKE_CONCURRENT(left, submit_owned(l, sleep_for_ever, 3));
    MAKE_CONCURRENT(slow, submit_owned(l, end_slowly, 4));
    MAKE_CONCURRENT(eager, aw_submit(l, sleep_for_ever, NULL, .eager = true));
    return 0;
}

SCENARIO(thread_arguments)
{
    int err = with_loop_thread(submit_and_leave);
    CHECK(owned_settled(mine, 6));
    return err;
}

/* ---- announcing ---- */

static int serve(void *arg)
{
    AW_TRY(aw_sleep(1));
    AW_TRY(aw_announce(arg));
    return sleep_for_ever(NULL);
}

static int wait_until_ready(aw_loop *l)
{
    struct later second = {1, 4};
    aw_cfuture *server, *silent;
    MAKE_CONCURRENT(server, aw_submit_ready(l, serve, &thing));
    if (!aw_cfuture_announced(server))
        return unexpected(aw_cfuture_result(server, INFINITY), "announced", __FILE__, __LINE__);
    CHECK(aw_cfuture_announced(server) == &thing);
    aw_cfuture_cancel(server);
    CHECK(aw_cfuture_join(aw_cfuture_ref(server), INFINITY) < 0);
    MAKE_CONCURRENT(silent, aw_submit_ready(l, give_later, &second, .copy = sizeof second));
    CHECK(!aw_cfuture_announced(silent));
    EXPECT(aw_cfuture_result(silent, INFINITY), 4);
    return 0;
}

SCENARIO(thread_announce)
{
    return with_loop_thread(wait_until_ready);
}

/* ---- several at once ---- */

static int note_done(aw_cfuture *f, void *arg)
{
    CHECK(aw_cfuture_done(f));
    return count_up(arg);
}

static int wait_for_three(aw_cfuture **fs, const int *results)
{
    unsigned char seen[3] = {0};
    int n = aw_cfuture_wait(fs, 3, AW_FIRST_COMPLETED, INFINITY);
    CHECK(n >= 1 || n == expected_error);
    AW_TRY(n);
    EXPECT(aw_cfuture_wait(fs, 3, AW_ALL_COMPLETED, INFINITY), 3);
    for (int i = 0; i < 3; i++) {
        int at = aw_cfuture_next_completed(fs, 3, seen, INFINITY);
        CHECK(at == i);
        EXPECT(aw_cfuture_result(fs[at], INFINITY), results[at]);
    }
    CHECK(aw_cfuture_next_completed(fs, 3, seen, INFINITY) == 3);
    return 0;
}

static int wait_for_several(aw_loop *l)
{
    static _Atomic int n;
    static const int results[] = {0, 1, 2};
    aw_cfuture *fs[3];
    int err = 0;
    n = 0;
    for (int i = 0; i < 3; i++) {
        struct later later = {3 - i, i};
        MAKE_CONCURRENT(fs[i], aw_submit(l, give_later, &later, .copy = sizeof later));
    }
    for (int i = 0; i < 3 && err == 0; i++)
        err = aw_cfuture_add_done_callback(fs[i], note_done, (void *)&n);
    EXPECT(err, 0);
    AW_TRY(wait_for_three(fs, results));
    for (int i = 0; i < 3; i++)
        AW_TRY(aw_cfuture_join(aw_cfuture_ref(fs[i]), INFINITY));
    CHECK(n == 3);
    return 0;
}

SCENARIO(thread_several)
{
    return with_loop_thread(wait_for_several);
}

/* ---- no thread at all ---- */

/* What was handed to a loop before its run, and by itself. */
static int submit_to_a_loop_by_hand(aw_loop *l)
{
    static _Atomic int n;
    struct later second = {1, 7};
    aw_cfuture *first, *dropped, *eager;
    aw_task *last;
    n = 0;
    memset(mine, 0, sizeof mine);
    EXPECT(aw_call_soon_threadsafe(l, count_up, (void *)&n), 0);
    MAKE_CONCURRENT(first, aw_submit(l, give_later, &second, .copy = sizeof second));
    EXPECT(aw_cfuture_add_done_callback(first, note_done, (void *)&n), 0);
    MAKE_CONCURRENT(dropped, submit_owned(l, sleep_long, 0));
    CHECK(aw_cfuture_cancel(dropped));
    MAKE_CONCURRENT(eager, aw_submit(l, give, INT(9), .eager = true));
    CHECK(aw_cfuture_result(first, 0) == -ETIMEDOUT);
    MAKE(last, aw_create_task(give_later, &second, .copy = sizeof second, .loop = l));
    EXPECT(aw_loop_run_until_complete(l, last), 7);
    EXPECT(aw_cfuture_result(first, 0), 7);
    EXPECT(aw_cfuture_result(eager, 0), 9);
    CHECK(n == 2);
    MAKE_CONCURRENT(first, submit_owned(l, sleep_long, 1)); /* never begun */
    EXPECT(aw_call_soon_threadsafe(l, count_up, (void *)&n), 0);
    return 0;
}

SCENARIO(submit_by_hand)
{
    static aw_inbox_node node;
    aw_loop *l = make_loop();
    if (!l)
        return aw_errno();
    int err = submit_to_a_loop_by_hand(l);
    CHECK(aw_loop_close(l) == 0);
    CHECK(aw_call_soon_threadsafe_node(l, &node, count_up, NULL) == AW_EMISUSE);
    aw_loop_free(l);
    CHECK(owned_settled(mine, 6));
    return err;
}

/* ---- concurrent futures of one's own ---- */

static int complete_by_hand(void)
{
    static _Atomic int n;
    aw_cfuture *good, *bad, *given_up;
    n = 0;
    MAKE_CONCURRENT(good, aw_cfuture_new());
    MAKE_CONCURRENT(bad, aw_cfuture_new());
    MAKE_CONCURRENT(given_up, aw_cfuture_new());
    aw_cfuture *all[] = {good, bad, given_up};
    for (int i = 0; i < 3; i++)
        EXPECT(aw_cfuture_add_done_callback(all[i], note_done, (void *)&n), 0);
    CHECK(aw_cfuture_set_running(good) == 0 && aw_cfuture_running(good));
    CHECK(!aw_cfuture_cancel(good));
    EXPECT(aw_cfuture_wait(all, 3, AW_ALL_COMPLETED, 1e-9), 0);
    CHECK(aw_cfuture_set_result(good, 3, &thing) == 0 && aw_cfuture_value(good) == &thing);
    CHECK(aw_cfuture_set_error(bad, -EXDEV, "over there") == 0);
    CHECK(aw_cfuture_cancel(given_up) && n == 3);
    CHECK(aw_cfuture_result(good, 0) == 3 && aw_cfuture_result(given_up, 0) == -ECANCELED);
    CHECK(aw_cfuture_join(aw_cfuture_ref(bad), 0) == -EXDEV);
    return 0;
}

SCENARIO(concurrent_by_hand)
{
    may_be_silent(SITE_ALLOC); /* the words beside the error of `bad` */
    return complete_by_hand();
}

/* ---- wrapped futures ---- */

static int set_it(void *arg)
{
    return aw_cfuture_set_result(arg, 6, &thing);
}

static int await_and_cancel_wrapped(void *arg)
{
    aw_cfuture *f, *cancelled;
    aw_future *first, *second, *third;
    (void)arg;
    MAKE_CONCURRENT(f, aw_cfuture_new());
    MAKE_CONCURRENT(cancelled, aw_cfuture_new());
    MAKE(first, aw_wrap_future(f));
    MAKE(second, aw_wrap_future(f));
    MAKE(third, aw_wrap_future(cancelled));
    EXPECT(aw_call_later(1, set_it, f), 0);
    EXPECT(aw_await(first), 6);
    EXPECT(aw_await(second), 6);
    CHECK(aw_value(first) == &thing);
    aw_cancel(third);
    AW_TRY(aw_sleep(1));
    CHECK(aw_cfuture_cancelled(cancelled));
    return 0;
}

SCENARIO(wrap_by_hand)
{
    return run_main(await_and_cancel_wrapped, NULL);
}

/* The other loop's work awaited by this one. */
static int await_other_loop(void *arg)
{
    aw_loop *other = arg;
    struct later second = {1, 7};
    aw_cfuture *f, *g;
    aw_future *good, *bad;
    MAKE_CONCURRENT(f, aw_submit(other, give_later, &second, .copy = sizeof second));
    MAKE(good, aw_wrap_future(f));
    EXPECT(aw_await(good), 7);
    MAKE_CONCURRENT(g, aw_submit(other, fail_with_words, NULL));
    MAKE(bad, aw_wrap_future(g));
    EXPECT(aw_await(bad), -EXDEV);
    return 0;
}

/* Only the awaiting loop's suspensions are disturbed. */
SCENARIO(wrap_between_loops)
{
    threads_take_part();
    aw_loop_thread *lt =
        aw_loop_thread_start(.virtual_clock = true, .exception_handler = note_report);
    if (!lt)
        return unexpected(aw_errno(), "a loop thread", __FILE__, __LINE__);
    int err = run_main(await_other_loop, aw_loop_thread_loop(lt));
    EXPECT(aw_loop_thread_stop(lt), 0);
    return err;
}

/* ---- the process's own loop thread ---- */

/* That its loop has failed stands on standard error. */
static int use_shared(aw_loop *l)
{
    struct later soon = {1e-6, 7};
    aw_cfuture *f = aw_submit(l, give_later, &soon, .copy = sizeof soon);
    int result = f ? aw_cfuture_join(f, INFINITY) : aw_errno();
    if (expected_error == -EBADF && result < 0)
        return -EBADF;
    EXPECT(result, 7);
    return 0;
}

SCENARIO(thread_shared)
{
    threads_take_part();
    may_be_silent(SITE_EPOLL_WAIT);
    may_be_silent(SITE_RING_ENTER);
    aw_loop_thread *lt = aw_loop_thread_shared();
    if (!lt)
        return unexpected(aw_errno(), "the shared loop thread", __FILE__, __LINE__);
    int err = aw_loop_thread_shared() == lt ? use_shared(aw_loop_thread_loop(lt)) : WRONG;
    EXPECT(aw_loop_thread_shared_release(), 0);
    EXPECT(aw_loop_thread_shared_release(), 0);
    CHECK(aw_loop_thread_shared_release() == AW_EMISUSE);
    return err;
}
