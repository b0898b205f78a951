/*
 * aw_gather and aw_gather_array: work that is started by a call and has ended when it returns.
 */
#include "util.h"

/* A child that notes its name when it begins and when it ends, and how many are running. */
struct child {
    char name;
    double seconds;
    int result;
    bool stubborn; /* takes a second more when it is cancelled */
};

static int running, most, begun;

static int child(void *arg)
{
    struct child *c = arg;
    note(c->name);
    begun++;
    if (++running > most)
        most = running;
    int err = aw_sleep(c->seconds);
    if (err == -ECANCELED && c->stubborn)
        err = aw_sleep(1) < 0 ? -EINVAL : -ECANCELED;
    running--;
    note((char)(err < 0 ? '-' : c->name - 'a' + 'A'));
    return err < 0 ? err : c->result;
}

#define CHILD(name_, seconds_, result_) (&(struct child){name_, seconds_, result_, false})

TEST_IN_LOOP(task_gather_structured_runs_all_and_returns_zero)
{
    double began = aw_time();
    assert_int_equal(aw_gather(AW_CORO(child, CHILD('a', 2, 5)), AW_CORO(child, CHILD('b', 1, 6)),
                               AW_CORO(child, CHILD('c', 3, 7))),
                     0);
    assert_time(aw_time() - began, 3);
    assert_trace("abcBAC");
    assert_int_equal(most, 3);
    assert_int_equal(aw_all_tasks(NULL, 0), 1);
}

TEST_IN_LOOP(task_gather_structured_first_error_cancels_the_rest)
{
    double began = aw_time();
    struct child slow = {'c', 9, 7, .stubborn = true};
    assert_int_equal(aw_gather(AW_CORO(child, CHILD('a', 9, 5)),
                               AW_CORO(child, CHILD('b', 1, -EIO)), AW_CORO(child, &slow)),
                     -EIO);
    assert_time(aw_time() - began, 2); /* it waited for the stubborn one */
    assert_int_equal(running, 0);
    assert_trace("abcB--");
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    assert_int_equal(aw_sleep(1), 0);
}

static int fail_after(void *arg)
{
    AW_TRY(aw_sleep(1));
    return aw_await(arg);
}

TEST_IN_LOOP(task_gather_structured_keeps_the_first_errors_detail)
{
    aw_future *f = aw_future_new();
    assert_int_equal(aw_set_error(f, -EIO, .msg = "the disk is gone"), 0);
    assert_int_equal(aw_gather(AW_CORO(answer_cancel, INT(-ENOENT)), AW_CORO(fail_after, f)), -EIO);
    assert_string_equal(aw_errmsg(), "the disk is gone");
    aw_unref(f);
}

TEST_IN_LOOP(task_gather_structured_cancelled_child_is_an_error)
{
    double began = aw_time();
    assert_int_equal(aw_gather(AW_CORO(child, CHILD('a', 9, 5)), AW_CORO(give, INT(-ECANCELED))),
                     -ECANCELED);
    assert_time(aw_time() - began, 0);
    assert_trace("a-");
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
}

static int gather_two(void *arg)
{
    struct child *c = arg;
    int err = aw_gather(AW_CORO(child, &c[0]), AW_CORO(child, &c[1]));
    note((char)(err == -ECANCELED ? '!' : '?'));
    return err;
}

TEST_IN_LOOP(task_gather_structured_cancelled_caller_waits_for_its_children)
{
    double began = aw_time();
    struct child c[2] = {{'a', 9, 5, false}, {'b', 9, 6, .stubborn = true}};
    aw_task *t = aw_create_task(gather_two, c);
    assert_int_equal(aw_sleep(1), 0);
    assert_true(aw_cancel(t, .msg = "no longer wanted"));
    assert_int_equal(aw_await(t), -ECANCELED);
    assert_string_equal(aw_errmsg(), "no longer wanted");
    assert_time(aw_time() - began, 2);
    assert_trace("ab--!");
    assert_int_equal(running, 0);
    aw_unref(t);
}

static int gather_swallowers(void *arg)
{
    (void)arg;
    return aw_gather(AW_CORO(answer_cancel, INT(1)), AW_CORO(answer_cancel, INT(2)));
}

TEST_IN_LOOP(task_gather_structured_cancelled_caller_is_told_whatever_children_answer)
{
    aw_task *t = aw_create_task(gather_swallowers, NULL);
    passes(2);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_await(t), -ECANCELED);
    assert_true(aw_cancelled(t));
    aw_unref(t);
}

TEST_IN_LOOP(task_gather_structured_cancelled_before_its_children_began)
{
    struct child c[2] = {{'a', 9, 5, false}, {'b', 9, 6, false}};
    aw_task *t = aw_create_task(gather_two, c, .eager = true);
    assert_trace("");
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_trace("!");
}

/* ---- arrays, limits ---- */

enum { WORKS = 20 };

/* `n` works of one second each, whose results are their numbers times ten. */
static void make_works(aw_work *works, struct child *children, int n)
{
    for (int i = 0; i < n; i++) {
        children[i] = (struct child){(char)('a' + i), 1 + i % 3, i * 10, false};
        works[i] = AW_CORO(child, &children[i], .release = note_release);
    }
}

TEST_IN_LOOP(task_gather_array_keeps_the_order_of_results)
{
    aw_work works[WORKS];
    struct child children[WORKS];
    int results[WORKS + 1] = {[WORKS] = 777};
    double began = aw_time();
    make_works(works, children, WORKS);
    assert_int_equal(aw_gather_array(works, WORKS, .results = results), 0);
    assert_time(aw_time() - began, 3);
    assert_int_equal(most, WORKS);
    for (int i = 0; i < WORKS; i++)
        assert_int_equal(results[i], i * 10);
    assert_int_equal(results[WORKS], 777);
}

TEST_IN_LOOP(task_gather_array_runs_no_more_than_the_limit)
{
    static const size_t limits[] = {1, 3, 7, 9, WORKS - 1, WORKS, WORKS + 5};
    for (size_t k = 0; k < sizeof limits / sizeof limits[0]; k++) {
        aw_work works[WORKS];
        struct child children[WORKS];
        int results[WORKS];
        memset(results, -1, sizeof results);
        memset(trace, 0, sizeof trace);
        most = begun = 0;
        make_works(works, children, WORKS);
        double began = aw_time();
        int err = aw_gather_array(works, WORKS, .limit = limits[k], .results = results);
        assert_int_equal(err, 0);
        assert_int_equal(most, limits[k] < WORKS ? (int)limits[k] : WORKS);
        assert_int_equal(begun, WORKS);
        for (int i = 0; i < WORKS; i++)
            assert_int_equal(results[i], i * 10);
        if (limits[k] == 1)
            assert_time(aw_time() - began, 39); /* one after the other: 7 + 2 * 7 + 3 * 6 */
        else if (limits[k] >= WORKS)
            assert_time(aw_time() - began, 3);
    }
}

TEST_IN_LOOP(task_gather_array_starts_the_next_when_one_ends)
{
    struct child c[4] = {
        {'a', 3, 0, false}, {'b', 1, 0, false}, {'c', 1, 0, false}, {'d', 5, 0, false}};
    aw_work works[4];
    double began = aw_time();
    for (int i = 0; i < 4; i++)
        works[i] = AW_CORO(child, &c[i]);
    assert_int_equal(aw_gather_array(works, 4, .limit = 2), 0);
    assert_trace("abBcCdAD");
    assert_time(aw_time() - began, 7);
}

TEST_IN_LOOP(task_gather_array_failure_stops_what_has_not_begun)
{
    aw_work works[6];
    struct child c[6];
    int results[6];
    for (int i = 0; i < 6; i++) {
        c[i] = (struct child){(char)('a' + i), i == 1 ? 1 : 2, i == 2 ? -EIO : i, false};
        works[i] = AW_CORO(child, &c[i], .release = note_release);
    }
    c[3].seconds = 9;
    /* a and b begin; c follows b at 1 s, d follows a at 2 s, and c fails at 3 s. */
    double began = aw_time();
    assert_int_equal(aw_gather_array(works, 6, .limit = 2, .results = results), -EIO);
    assert_time(aw_time() - began, 3);
    assert_int_equal(begun, 4);
    assert_trace("abBbcAadCc-def"); /* every release once, of those that never began too */
    const int expected[6] = {0, 1, -EIO, -ECANCELED, -ECANCELED, -ECANCELED};
    assert_memory_equal(results, expected, sizeof results);
}

TEST_IN_LOOP(task_gather_array_returns_errors_as_results)
{
    aw_work works[5];
    struct child c[5];
    int results[5];
    for (int i = 0; i < 5; i++) {
        c[i] = (struct child){(char)('a' + i), 1, i % 2 ? -ENOENT - i : i, false};
        works[i] = AW_CORO(child, &c[i]);
    }
    assert_int_equal(
        aw_gather_array(works, 5, .limit = 2, .return_errors = true, .results = results), 0);
    const int expected[5] = {0, -ENOENT - 1, 2, -ENOENT - 3, 4};
    assert_memory_equal(results, expected, sizeof results);
    assert_int_equal(begun, 5);
    assert_int_equal(aw_gather_array(works, 5, .return_errors = true), 0); /* nowhere to put them */
    assert_reports(0);
}

TEST_IN_LOOP(task_gather_array_of_nothing)
{
    assert_int_equal(aw_call_soon(note_it, "c"), 0);
    assert_int_equal(aw_gather_array(NULL, 0), 0);
    assert_int_equal(aw_gather_array(NULL, 0, .limit = 3), 0);
    assert_trace(""); /* did not suspend */
    assert_int_equal(aw_gather_array(NULL, 2), -EINVAL);
    passes(1);
}

static int gather_limited(void *arg)
{
    return aw_gather_array(arg, 4, .limit = 2);
}

TEST_IN_LOOP(task_gather_array_cancelled_caller_starts_no_more)
{
    aw_work works[4];
    struct child c[4];
    for (int i = 0; i < 4; i++) {
        c[i] = (struct child){(char)('a' + i), 5, 0, false};
        works[i] = AW_CORO(child, &c[i], .release = note_release);
    }
    aw_task *t = aw_create_task(gather_limited, works);
    assert_int_equal(aw_sleep(1), 0);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_trace("ab-a-bcd");
}

/* ---- what cannot be started ---- */

TEST_IN_LOOP(task_gather_structured_that_cannot_start_has_run_nothing)
{
    aw_fn *nothing = NULL;
    aw_coro *used = aw_coro_new(give, INT(1));
    assert_int_equal(aw_join(aw_task_of(used)), 1);
    assert_int_equal(aw_gather(AW_CORO(note_it, "a", .release = note_release),
                               AW_CORO(nothing, "b", .release = note_release)),
                     -EINVAL);
    passes(2);
    assert_trace(""); /* and the arguments are still the caller's */
    assert_int_equal(aw_gather(AW_CORO(note_it, "a", .release = note_release), AW_USE(used)),
                     AW_EMISUSE);
    passes(2);
    assert_trace("");
    assert_int_equal(aw_gather(AW_CORO(note_it, "a"), AW_USE(NULL)), -EINVAL);
    assert_int_equal(aw_gather(AW_CORO(note_it, "a", .stack_size = SIZE_MAX)), -EINVAL);
    passes(2);
    assert_trace("");
    assert_int_equal(aw_all_tasks(NULL, 0), 1);
    aw_coro_unref(used);
}

static int gather_nine_without_memory(void *arg)
{
    aw_work works[9];
    (void)arg;
    for (int i = 0; i < 9; i++)
        works[i] = AW_CORO(note_it, "x", .release = note_release);
    memory.failing = true;
    assert_int_equal(aw_gather_array(works, 9), -ENOMEM);
    assert_int_equal(aw_sleep(0), 0);
    assert_trace("");
    memory.failing = false;
    return 0;
}

TEST(task_gather_array_without_memory_has_run_nothing)
{
    count_memory();
    assert_int_equal(aw_run(gather_nine_without_memory, NULL), 0);
    assert_int_equal(memory.live, 0);
}

TEST_IN_LOOP(task_gather_structured_of_eager_work)
{
    assert_int_equal(aw_gather(AW_CORO(note_it, "a", .eager = true),
                               AW_CORO(child, CHILD('b', 1, 0), .eager = true)),
                     0);
    assert_trace("abB");
    assert_int_equal(aw_gather(AW_CORO(give, INT(-EIO), .eager = true), AW_CORO(note_it, "c")),
                     -EIO);
    assert_trace("abB");
}

/* One level of a tree of gathers: each child gathers two more. */
static int gather_tree(void *arg)
{
    int depth = give(arg);
    if (depth == 0)
        return child(CHILD('x', 1, 0));
    return aw_gather(AW_CORO(gather_tree, INT(depth - 1)), AW_CORO(gather_tree, INT(depth - 1)));
}

TEST_IN_LOOP(task_gather_structured_nests_and_is_cancelled_as_a_tree)
{
    double began = aw_time();
    assert_int_equal(gather_tree(INT(5)), 0);
    assert_time(aw_time() - began, 1);
    assert_int_equal(begun, 32);
    aw_task *t = aw_create_task(gather_tree, INT(5));
    assert_int_equal(aw_sleep(0.5), 0);
    assert_int_equal(running, 32);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_int_equal(running, 0);
    assert_time(aw_time() - began, 1.5);
    assert_int_equal(aw_all_tasks(NULL, 0), 1);
}

static aw_task *sibling;

static int fail_after_a_second(void *arg)
{
    (void)arg;
    sibling = aw_current_task();
    AW_TRY(aw_sleep(1));
    return -EIO;
}

static int await_sibling(void *arg)
{
    (void)arg;
    return aw_await(sibling);
}

/* Who awaits the sibling that fails is cancelled while that is being completed. */
TEST_IN_LOOP(task_gather_structured_whose_children_await_the_one_that_fails)
{
    assert_int_equal(aw_gather(AW_CORO(fail_after_a_second, NULL), AW_CORO(await_sibling, NULL),
                               AW_CORO(await_sibling, NULL)),
                     -EIO);
    assert_int_equal(aw_all_tasks(NULL, 0), 1);
}
