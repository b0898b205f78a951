/*
 * Signals lent to one taker each: taken, given back, passed on in the child of a fork.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "harness/test.h"
#include "sys/sys.h"

static atomic_int calls, last_signo;
static void *_Atomic last_arg;

static void count(int signo, void *arg)
{
    atomic_fetch_add(&calls, 1);
    atomic_store(&last_signo, signo);
    atomic_store(&last_arg, arg);
}

static struct sigaction action_of(int signo)
{
    struct sigaction now;
    assert_int_equal(sigaction(signo, NULL, &now), 0);
    return now;
}

TEST(signal_taken_calls_the_taker)
{
    int arg;
    assert_int_equal(aw_signal_take(SIGTERM, count, &arg), 0);
    errno = ENOENT;
    assert_int_equal(raise(SIGTERM), 0);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    assert_int_equal(calls, 2);
    assert_int_equal(last_signo, SIGTERM);
    assert_ptr_equal(last_arg, &arg);
    aw_signal_give_back(SIGTERM);
    assert_true(action_of(SIGTERM).sa_handler == SIG_DFL);
}

TEST(signal_has_one_taker_at_a_time)
{
    assert_int_equal(aw_signal_take(SIGTERM, count, NULL), 0);
    assert_int_equal(aw_signal_take(SIGTERM, count, NULL), -EBUSY);
    assert_int_equal(aw_signal_take(SIGINT, count, NULL), 0);
    aw_signal_give_back(SIGTERM);
    assert_int_equal(aw_signal_take(SIGTERM, count, NULL), 0);
    assert_int_equal(raise(SIGINT), 0);
    assert_int_equal(last_signo, SIGINT);
    aw_signal_give_back(SIGINT);
    aw_signal_give_back(SIGTERM);
}

TEST(signal_that_cannot_be_taken)
{
    const int bad[] = {0, -1, 65, 1 << 30, SIGKILL, SIGSTOP};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(aw_signal_take(bad[i], count, NULL), -EINVAL);
    assert_int_equal(aw_signal_take(SIGTERM, NULL, NULL), -EINVAL);
    assert_int_equal(aw_signal_take(SIGKILL, count, NULL), -EINVAL); /* not -EBUSY */
}

static void other_handler(int signo)
{
    atomic_store(&last_signo, -signo);
}

static void info_handler(int signo, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    atomic_store(&last_signo, -signo);
}

TEST(signal_given_back_is_as_it_was)
{
    struct sigaction before = {.sa_sigaction = info_handler, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaddset(&before.sa_mask, SIGUSR2);
    assert_int_equal(sigaction(SIGTERM, &before, NULL), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(aw_signal_take(SIGTERM, count, NULL), 0);
        assert_true(action_of(SIGTERM).sa_sigaction != info_handler);
        aw_signal_give_back(SIGTERM);
        struct sigaction now = action_of(SIGTERM);
        assert_true(now.sa_sigaction == info_handler && now.sa_flags & SA_NODEFER);
        assert_true(sigismember(&now.sa_mask, SIGUSR2));
    }
    raise(SIGTERM);
    assert_int_equal(last_signo, -SIGTERM);
    assert_int_equal(calls, 0);
}

TEST(signal_default_of_sigint)
{
    signal(SIGINT, SIG_DFL);
    assert_true(aw_signal_is_default_sigint());
    signal(SIGINT, SIG_IGN);
    assert_false(aw_signal_is_default_sigint());
    signal(SIGINT, other_handler);
    assert_false(aw_signal_is_default_sigint());
    signal(SIGINT, SIG_DFL);
    assert_int_equal(aw_signal_take(SIGINT, count, NULL), 0);
    assert_false(aw_signal_is_default_sigint());
    aw_signal_give_back(SIGINT);
    assert_true(aw_signal_is_default_sigint());
}

/* ---- threads ---- */

static atomic_bool over;

static void *send_all_the_time(void *arg)
{
    while (!atomic_load(&over))
        raise(*(int *)arg); /* delivered in this thread */
    return NULL;
}

static void count_slowly(int signo, void *arg)
{
    for (volatile int spin = 0; spin < 3000; spin++)
        continue;
    count(signo, arg);
}

/* Who has been given back is not called any more, and at work no more in another thread. */
TEST(signal_given_back_while_others_send_it)
{
    pthread_t threads[2];
    int signo = SIGUSR1, arg;
    if (test_is_emulated())
        SKIP("an emulator looks twice at a signal's action, and calls SIG_IGN if it has changed");
    signal(SIGUSR1, SIG_IGN);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send_all_the_time, &signo), 0);
    for (unsigned i = 0; i < test_scale(2000, 200); i++) {
        assert_int_equal(aw_signal_take(SIGUSR1, count_slowly, &arg), 0);
        aw_signal_give_back(SIGUSR1);
        int seen = atomic_load(&calls);
        for (volatile int spin = 0; spin < 6000; spin++)
            continue;
        assert_int_equal(atomic_load(&calls), seen);
    }
    atomic_store(&over, true);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(action_of(SIGUSR1).sa_handler == SIG_IGN);
}

static void *look(void *arg)
{
    *(bool *)arg = aw_is_main_thread();
    return NULL;
}

static void look_in_child(void *arg)
{
    (void)arg;
    printf("%d", aw_is_main_thread());
}

TEST(signal_main_thread)
{
    pthread_t thread;
    bool is_main = true;
    struct child_result r;
    assert_true(aw_is_main_thread());
    assert_int_equal(pthread_create(&thread, NULL, look, &is_main), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(is_main);
    run_child(&r, look_in_child, NULL);
    assert_string_equal(r.out, "1");
}

/* ---- the end of a process ---- */

static void die_of(void *arg)
{
    int signo = *(int *)arg;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    signal(signo, SIG_IGN);
    aw_signal_die(signo);
}

TEST(signal_die_whatever_was_done_about_the_signal)
{
    struct child_result r;
    int signals[] = {SIGINT, SIGTERM};
    for (int i = 0; i < 2; i++) {
        run_child(&r, die_of, &signals[i]);
        assert_true(child_killed(&r, signals[i]));
    }
}

/* ---- the child of a fork ---- */

static void print_handler(int signo)
{
    (void)signo;
    aw_stderr_write("theirs ", 7);
}

static void raise_in_child(void *arg)
{
    (void)arg;
    raise(SIGTERM);
    raise(SIGTERM);
    fprintf(stderr, "calls %d", calls);
}

/* Taken before the fork is not taken in the child: what was done before is done again. */
TEST(signal_in_a_child_is_handled_as_before_it_was_taken)
{
    struct child_result r;
    assert_int_equal(aw_signal_take(SIGTERM, count, NULL), 0);
    run_child(&r, raise_in_child, NULL);
    assert_true(child_killed(&r, SIGTERM));
    aw_signal_give_back(SIGTERM);

    signal(SIGTERM, print_handler);
    assert_int_equal(aw_signal_take(SIGTERM, count, NULL), 0);
    run_child(&r, raise_in_child, NULL);
    assert_string_equal(r.err, "theirs theirs calls 0");
    aw_signal_give_back(SIGTERM);

    signal(SIGTERM, SIG_IGN);
    assert_int_equal(aw_signal_take(SIGTERM, count, NULL), 0);
    run_child(&r, raise_in_child, NULL);
    assert_string_equal(r.err, "calls 0");
    raise(SIGTERM); /* here it is still ours */
    assert_int_equal(calls, 1);
    aw_signal_give_back(SIGTERM);
}

static void take_in_child(void *arg)
{
    (void)arg;
    fprintf(stderr, "%d ", aw_signal_is_default_sigint());
    fprintf(stderr, "%d ", aw_signal_take(SIGINT, count, NULL));
    fprintf(stderr, "%d ", aw_signal_take(SIGINT, count, NULL) == -EBUSY);
    raise(SIGINT);
    fprintf(stderr, "%d ", calls);
    aw_signal_give_back(SIGINT);
    fprintf(stderr, "%d ", aw_signal_is_default_sigint());
    raise(SIGINT);
    fprintf(stderr, "alive");
}

TEST(signal_may_be_taken_anew_in_a_child)
{
    struct child_result r;
    signal(SIGINT, SIG_DFL);
    assert_int_equal(aw_signal_take(SIGINT, count, NULL), 0);
    run_child(&r, take_in_child, NULL);
    assert_string_equal(r.err, "1 0 1 1 1 ");
    assert_true(child_killed(&r, SIGINT));
    aw_signal_give_back(SIGINT);
}
