/*
 * Deadlocks: a run that nothing could wake ends and says who waits; one that a signal, or somebody
 * with the loop's pointer, could wake does not.
 */
#include "report_capture.h"
#include "stop_util.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "await/queue.h"
#include "await/sync.h"

static int capture_deadlock(const aw_report *r, void *arg)
{
    return r->kind == AW_REPORT_DEADLOCK ? capture_report(r, arg) : 0;
}

/* Runs `main` into a deadlock, whose text says all of `parts`, one after the other. */
static void check_deadlock(aw_fn *main, const char *const parts[])
{
    assert_int_equal(aw_run(main, NULL, .exception_handler = capture_deadlock), -EDEADLK);
    assert_int_equal(capture.n, 1);
    normalise(capture.text);
    const char *at = capture.text;
    for (int i = 0; parts[i]; i++) {
        const char *found = strstr(at, parts[i]);
        if (!found)
            fail_msg("not in its place: %s\n%s", parts[i], capture.text);
        at = found + strlen(parts[i]);
    }
    memset(&capture, 0, sizeof capture);
}

/* ---- what can wait for each other ---- */

static aw_lock locks[2];

static int take_both(void *arg)
{
    int first = *(int *)arg;
    AW_TRY(aw_lock_acquire(&locks[first]));
    AW_TRY(aw_sleep(1));
    return aw_lock_acquire(&locks[!first]);
}

static int cross_locks(void *arg)
{
    int first[] = {0, 1};
    (void)arg;
    memset(locks, 0, sizeof locks);
    return aw_gather(AW_CORO(take_both, &first[0], .name = "one"),
                     AW_CORO(take_both, &first[1], .name = "two"));
}

TEST(stop_deadlock_of_two_locks)
{
    check_deadlock(
        cross_locks,
        (const char *[]){
            "await: deadlock: every task waits, and nothing is left that could wake one\n",
            "  task:    main main, created at stop_deadlock.c:",
            "  waiting: aw_gather (2 of 2 left), called at test_core+0x*\n",
            "  task:    one take_both, created at stop_deadlock.c:",
            "  waiting: aw_lock_acquire (lock, 1 waiting), called at test_core+0x*\n",
            "  task:    two take_both, created at stop_deadlock.c:",
            "  waiting: aw_lock_acquire (lock, 1 waiting), called at test_core+0x*\n", NULL});
}

static int take_twice(void *arg)
{
    (void)arg;
    aw_lock lock = AW_LOCK_INIT;
    AW_TRY(aw_lock_acquire(&lock));
    return aw_lock_acquire(&lock);
}

static int get_from_empty(void *arg)
{
    void *item;
    (void)arg;
    aw_queue q = AW_QUEUE_INIT(.maxsize = 3);
    return aw_queue_get(&q, &item);
}

static int put_into_full(void *arg)
{
    aw_queue q = AW_QUEUE_INIT(.maxsize = 1);
    AW_TRY(aw_queue_put(&q, arg));
    int err = aw_queue_put(&q, arg);
    aw_ignore(aw_queue_fini(&q));
    return err;
}

static int join_unfinished(void *arg)
{
    static aw_queue q = AW_QUEUE_INIT(.maxsize = 3);
    AW_TRY(aw_queue_put(&q, arg));
    return aw_queue_join(&q);
}

static int wait_for_event(void *arg)
{
    (void)arg;
    aw_event e = AW_EVENT_INIT;
    return aw_event_wait(&e);
}

static int wait_for_notification(void *arg)
{
    aw_condition c = {.lock = NULL};
    (void)arg;
    AW_TRY(aw_condition_acquire(&c));
    return aw_condition_wait(&c);
}

static int be_first_of_three(void *arg)
{
    aw_barrier b = AW_BARRIER_INIT(3);
    (void)arg;
    return aw_barrier_wait(&b);
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return aw_sleep((double)INFINITY);
}

TEST(stop_deadlock_of_one_who_waits_for_nobody)
{
    const struct {
        aw_fn *main;
        const char *waits;
    } cases[] = {
        {take_twice, "  waiting: aw_lock_acquire (lock, 1 waiting), "},
        {get_from_empty, "  waiting: aw_queue_get (queue, size 0 of 3, 0 unfinished), "},
        {put_into_full, "  waiting: aw_queue_put (queue, size 1 of 1, 1 unfinished), "},
        {join_unfinished, "  waiting: aw_queue_join (queue, size 1 of 3, 1 unfinished), "},
        {wait_for_event, "  waiting: aw_event_wait (event, 1 waiting), "},
        {wait_for_notification, "  waiting: aw_condition_wait (condition, 1 waiting), "},
        {be_first_of_three, "  waiting: aw_barrier_wait (barrier, filling, 1 of 3 in it), "},
        {sleep_for_ever, "  waiting: aw_sleep (for ever), "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_deadlock(cases[i].main, (const char *[]){cases[i].waits, NULL});
}

/* A child that awaits its parent, which waits for its children. */
static int await_parent(void *arg)
{
    return aw_await_shielded(arg);
}

static int start_child(aw_group *g, void *arg)
{
    (void)arg;
    return aw_group_start(g, await_parent, aw_current_task(), .name = "child");
}

static int parent(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    return aw_group_call(&g, start_child, arg);
}

TEST(stop_deadlock_of_a_group)
{
    check_deadlock(
        parent,
        (const char *[]){
            "  task:    main main, created at ", "  waiting: aw_group_exit (1 left), called at ",
            "  task:    child await_parent, created at ",
            "  waiting: aw_await_shielded (<task main main pending>), called at ", NULL});
}

static int await_each_other(void *arg)
{
    aw_task **other = arg;
    return aw_join(aw_ref(*other));
}

static int make_pair(void *arg)
{
    static aw_task *t[2];
    (void)arg;
    t[0] = aw_create_task(await_each_other, &t[1], .name = "left");
    t[1] = aw_create_task(await_each_other, &t[0], .name = "right");
    int err = aw_wait_for(t[0], (double)INFINITY);
    aw_unref(t[0]);
    aw_unref(t[1]);
    return err;
}

TEST(stop_deadlock_within_an_endless_time_limit)
{
    check_deadlock(
        make_pair,
        (const char *[]){
            "  cycle:   left await_each_other -> right await_each_other -> left await_each_other\n",
            "  waiting: aw_wait_for", NULL});
}

/* ---- a time limit, a timer, a reader: no deadlock ---- */

static int limited(void *arg)
{
    return aw_timeout_call(1000, wait_for_event, arg);
}

static int finish_later(void *arg)
{
    return aw_set_result(arg, 5, NULL);
}

static int wait_for_timer(void *arg)
{
    aw_future *f = aw_future_new();
    (void)arg;
    AW_TRY(aw_call_later(1000, finish_later, f));
    return aw_join(f);
}

TEST(stop_no_deadlock_while_a_timer_is_set)
{
    assert_int_equal(aw_run(limited, NULL), -ETIMEDOUT);
    assert_int_equal(aw_run(wait_for_timer, NULL), 5);
}

/* ---- a signal ---- */

static int wait_for_stop(void *arg)
{
    AW_TRY(aw_stop_wait());
    return give(arg);
}

static int raise_in_callback(void *arg)
{
    (void)arg;
    raise(SIGTERM);
    return 0;
}

static int wait_beside(void *arg)
{
    AW_TRY(aw_spawn(wait_for_stop, INT(0)));
    return wait_for_event(arg);
}

/* Not before the run has taken the signal, however slow the machine is. */
static void *terminate_later(void *arg)
{
    struct sigaction action;
    do {
        sched_yield();
        assert_int_equal(sigaction((int)(intptr_t)arg, NULL, &action), 0);
    } while (action.sa_handler == SIG_DFL);
    nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
    raise((int)(intptr_t)arg);
    return NULL;
}

/* Whoever waits for the wish may be woken by it: on either clock the loop waits with them. */
static void check_no_deadlock(aw_fn *main, int result)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, terminate_later, INT(SIGTERM)), 0);
    assert_int_equal(aw_run(main, INT(7), .stop_on = AW_SIGTERM, .grace = 0.01), result);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

TEST(stop_no_deadlock_while_somebody_waits_for_a_signal)
{
    check_no_deadlock(wait_for_stop, 7);
    check_no_deadlock(wait_beside, 0); /* main is cancelled after the grace */
}

TEST_REAL_CLOCK(stop_no_deadlock_on_the_real_clock)
{
    check_no_deadlock(wait_for_stop, 7);
    check_no_deadlock(wait_beside, 0);
}

/* That a signal could end the run does not make it alive. */
TEST(stop_deadlock_where_nobody_waits_for_the_signal)
{
    assert_int_equal(aw_run(wait_for_event, NULL, .stop_on = AW_SIGINT_SIGTERM,
                            .exception_handler = capture_deadlock),
                     -EDEADLK);
    assert_int_equal(capture.n, 1);
}

/* Nor does waiting for a signal that the run does not take. */
TEST(stop_deadlock_of_who_waits_for_a_signal_that_is_not_ours)
{
    assert_int_equal(aw_run(wait_for_stop, NULL, .exception_handler = capture_deadlock), -EDEADLK);
    assert_int_equal(capture.n, 1);
    assert_non_null(strstr(capture.text, "  waiting: aw_stop_wait, called at "));
}

static int raise_then_block(void *arg)
{
    AW_TRY(aw_call_soon(raise_in_callback, NULL));
    return wait_for_event(arg);
}

/* The signal is there already: the time of grace runs. */
TEST(stop_no_deadlock_once_the_signal_has_come)
{
    assert_int_equal(aw_run(raise_then_block, NULL, .stop_on = AW_SIGTERM), 0);
}

/* ---- somebody else has the loop ---- */

static int expose_and_block(void *arg)
{
    assert_non_null(aw_running_loop());
    return wait_for_event(arg);
}

static int expose_by_future(void *arg)
{
    aw_future *f = aw_future_new();
    assert_non_null(aw_future_loop(f));
    aw_unref(f);
    return wait_for_event(arg);
}

static aw_loop *make_loop(void *arg)
{
    (void)arg;
    return aw_loop_new();
}

TEST(stop_no_deadlock_when_somebody_has_the_loop)
{
    check_no_deadlock(expose_and_block, 0);
    check_no_deadlock(expose_by_future, 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, terminate_later, INT(SIGTERM)), 0);
    assert_int_equal(aw_run(wait_for_event, NULL, .stop_on = AW_SIGTERM, .grace = 0.01,
                            .loop_factory = make_loop),
                     0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* A runner's loop can be asked for; what blocks there is ended by an interrupt. */
TEST_REAL_CLOCK(stop_no_deadlock_in_a_runner)
{
    pthread_t thread;
    signal(SIGINT, SIG_DFL);
    aw_runner *r = aw_runner_new();
    assert_int_equal(pthread_create(&thread, NULL, terminate_later, INT(SIGINT)), 0);
    assert_int_equal(aw_runner_run(r, wait_for_event, NULL), AW_EINTR);
    assert_int_equal(pthread_join(thread, NULL), 0);
    aw_runner_free(r);
}
