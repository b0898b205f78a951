/*
 * compose.c - scenarios of several things at once: gather in its forms, shields, waits, limits.
 */
#include "fault/scenarios.h"

/* ---- structured ---- */

struct part {
    double seconds;
    int result; /* what it returns */
    int sum;    /* where it puts what it made */
};

static int make_part(void *arg)
{
    struct part *p = arg;
    AW_TRY(aw_sleep(p->seconds));
    p->sum = p->result * 10;
    return p->result;
}

static int gather_three(void *arg)
{
    struct part *p = arg;
    EXPECT(aw_gather(AW_CORO(make_part, &p[0]), AW_CORO(make_part, &p[1], .name = "second"),
                     AW_CORO(make_part, &p[2], .stack_size = 128 << 10)),
           0);
    CHECK(p[0].sum == 10 && p[1].sum == 20 && p[2].sum == 30);
    return 0;
}

SCENARIO(gather_three)
{
    struct part p[3] = {{3, 1, 0}, {1, 2, 0}, {2, 3, 0}};
    return run_main(gather_three, p);
}

struct limited {
    int running, most;
    struct owned args[12];
};
static struct limited limited;

static int one_of_few(void *arg)
{
    int index = (int)((struct owned *)arg - limited.args);
    limited.running++;
    limited.most = limited.running > limited.most ? limited.running : limited.most;
    int err = aw_sleep(1 + index % 3);
    limited.running--;
    return err < 0 ? err : index;
}

static int gather_limit(void *arg)
{
    aw_work works[12];
    int results[12];
    (void)arg;
    for (int i = 0; i < 12; i++)
        works[i] = AW_CORO(one_of_few, &limited.args[i], .release = release_owned);
    int err = aw_gather_array(works, 12, .limit = 3, .results = results);
    CHECK(limited.running == 0 && limited.most <= 3);
    EXPECT(err, 0);
    for (int i = 0; i < 12; i++)
        CHECK(results[i] == i);
    CHECK(limited.most == 3);
    CHECK_CALM(aw_time() == 9);
    return 0;
}

SCENARIO(gather_limit)
{
    limited = (struct limited){0};
    int err = run_main(gather_limit, NULL);
    CHECK(owned_all_or_none(limited.args, 12));
    CHECK(err < 0 || limited.args[0].released == 1);
    return err;
}

/* More than fit on the caller's stack. */
static int gather_many(void *arg)
{
    struct part *p = arg;
    aw_work works[20];
    int results[20];
    for (int i = 0; i < 20; i++)
        works[i] = AW_CORO(make_part, &p[i]);
    EXPECT(aw_gather_array(works, 20, .results = results), 0);
    for (int i = 0; i < 20; i++)
        CHECK(results[i] == i && p[i].sum == 10 * i);
    return 0;
}

SCENARIO(gather_many)
{
    struct part p[20];
    for (int i = 0; i < 20; i++)
        p[i] = (struct part){i % 4, i, 0};
    return run_main(gather_many, p);
}

static int fail_after_a_second(void *arg)
{
    AW_TRY(aw_sleep(1));
    return aw_raise(-EXDEV, arg);
}

struct failing {
    struct owned args[3];
    int cleaned;
};

static int clean_once(void *arg)
{
    struct failing *f = arg;
    int err = clean_up_slowly(NULL);
    f->cleaned++;
    return err;
}

static int gather_failure(void *arg)
{
    struct failing *f = arg;
    int err = aw_gather(AW_CORO(clean_once, f), AW_CORO(fail_after_a_second, "the disk is full"),
                        AW_CORO(sleep_long, &f->args[0], .release = release_owned));
    CHECK(f->cleaned <= 1 && f->args[0].released <= 1);
    EXPECT(err, -EXDEV);
    CHECK(f->cleaned == 1 && f->args[0].released == 1);
    CHECK_CALM(strcmp(aw_errmsg(), "the disk is full") == 0);
    return 0;
}

SCENARIO(gather_failure)
{
    struct failing f = {0};
    return run_main(gather_failure, &f);
}

static int gather_errors(void *arg)
{
    int results[3] = {0};
    (void)arg;
    struct later good = {2, 5}, bad = {1, -EXDEV};
    const aw_work works[3] = {AW_CORO(give_later, &good), AW_CORO(give_later, &bad),
                              AW_CORO(give, INT(6))};
    EXPECT(aw_gather_array(works, 3, .results = results, .return_errors = true), 0);
    EXPECT(results[0], 5);
    EXPECT(results[1], -EXDEV);
    EXPECT(results[2], 6);
    return 0;
}

SCENARIO(gather_errors)
{
    return run_main(gather_errors, NULL);
}

/* A tree: two branches at each node, leaves that sleep. */
static int tree(void *arg)
{
    int depth = (int)(intptr_t)arg;
    if (depth == 0)
        return aw_sleep(1);
    return aw_gather(AW_CORO(tree, INT(depth - 1)), AW_CORO(tree, INT(depth - 1)));
}

SCENARIO(gather_tree)
{
    EXPECT(run_main(tree, INT(3)), 0);
    return 0;
}

/* ---- on handles ---- */

/* A disturbance may make the time run out. */
static int in_time(int err)
{
    return disturbed() && err == -ETIMEDOUT ? -ECANCELED : err;
}

static int make_ten(aw_future *fs[10])
{
    for (int i = 0; i < 10; i++)
        MAKE(fs[i], aw_create_task(give_later, (&(struct later){1 + i % 3, i}),
                                   .copy = sizeof(struct later)));
    return 0;
}

static int gather_futures(void *arg)
{
    aw_future *fs[10], *g;
    (void)arg;
    AW_TRY(make_ten(fs));
    EXPECT(aw_gather_futures(fs, 10), 10);
    MAKE(g, aw_gather_new(fs, 10, .return_errors = true));
    EXPECT(aw_await(g), 10);
    const int *results = aw_value(g);
    for (int i = 0; i < 10; i++)
        EXPECT(results[i], i);
    return 0;
}

SCENARIO(gather_futures)
{
    return run_main(gather_futures, NULL);
}

static int gather_cancelled(void *arg)
{
    aw_future *fs[3], *g;
    (void)arg;
    for (int i = 0; i < 3; i++)
        MAKE(fs[i], aw_create_task(i ? clean_up_slowly : sleep_long, NULL));
    MAKE(g, aw_gather_new(fs, 3, .return_errors = true));
    AW_TRY(aw_sleep(1));
    aw_cancel(g, .msg = "no longer wanted");
    EXPECT(aw_await(g), -ECANCELED);
    CHECK(aw_done(fs[0]) && aw_done(fs[1]) && aw_done(fs[2]));
    return 0;
}

SCENARIO(gather_cancelled)
{
    return run_main(gather_cancelled, NULL);
}

static int await_a_shield(void *arg)
{
    return aw_join(aw_shield(arg));
}

static int await_shielded(void *arg)
{
    return aw_await_shielded(arg);
}

/* Who waits is cancelled; what is waited for goes on. */
static int shields(void *arg)
{
    struct later two_seconds = {2, 8};
    aw_task *work, *a, *b;
    (void)arg;
    MAKE(work, aw_create_task(give_later, &two_seconds, .copy = sizeof two_seconds));
    MAKE(a, aw_create_task(await_a_shield, work));
    MAKE(b, aw_create_task(await_shielded, work));
    AW_TRY(aw_sleep(1));
    aw_cancel(a);
    aw_cancel(b);
    EXPECT(aw_await(a), -ECANCELED);
    EXPECT(aw_await(b), -ECANCELED);
    EXPECT(aw_join(aw_shield(work)), 8);
    EXPECT(aw_join(aw_shield(work)), 8); /* of what is done */
    return 0;
}

SCENARIO(shields)
{
    return run_main(shields, NULL);
}

static int wait_all(void *arg)
{
    aw_future *fs[10];
    (void)arg;
    AW_TRY(make_ten(fs));
    EXPECT(aw_wait(fs, 10, AW_ALL_COMPLETED), 10);
    for (int i = 0; i < 10; i++)
        EXPECT(aw_result(fs[i]), i);
    return 0;
}

SCENARIO(wait_all)
{
    return run_main(wait_all, NULL);
}

static int wait_some(void *arg)
{
    aw_future *fs[10], *few[2];
    (void)arg;
    AW_TRY(make_ten(fs));
    int done = aw_wait(fs, 10, AW_FIRST_COMPLETED);
    CHECK(done != 0);
    AW_TRY(done);
    CHECK_CALM(done == 4);
    done = aw_wait(fs, 10, AW_ALL_COMPLETED, .timeout = 1.5);
    AW_TRY(done);
    CHECK_CALM(done == 7);
    MAKE(few[0],
         aw_create_task(give_later, (&(struct later){1, -EXDEV}), .copy = sizeof(struct later)));
    MAKE(few[1], aw_create_task(sleep_long, NULL));
    done = aw_wait(few, 2, AW_FIRST_ERROR);
    AW_TRY(done);
    CHECK_CALM(done == 1);
    EXPECT(aw_error(few[0]), -EXDEV);
    aw_cancel(few[1]);
    EXPECT(aw_await(few[1]), -ECANCELED);
    return 0;
}

SCENARIO(wait_some)
{
    return run_main(wait_some, NULL);
}

static int as_completed(void *arg)
{
    aw_future *fs[10], *f;
    bool seen[10] = {false};
    int err, n = 0;
    (void)arg;
    AW_TRY(make_ten(fs));
    aw_completed it = AW_COMPLETED_INIT;
    EXPECT(aw_completed_enter(&it, fs, 10), 0);
    while ((err = aw_completed_next(&it, &f)) > 0) {
        int result = aw_result(f);
        if (result < 0 || seen[result])
            break;
        seen[result] = true;
        n++;
    }
    err = aw_completed_exit(&it, err);
    if (err == 0)
        CHECK(n == 10);
    return err > 0 ? aw_result(f) : err;
}

SCENARIO(as_completed)
{
    return run_main(as_completed, NULL);
}

static int as_completed_in_time(void *arg)
{
    aw_future *fs[2], *f = NULL;
    (void)arg;
    MAKE(fs[0], aw_create_task(give_later, (&(struct later){1, 3}), .copy = sizeof(struct later)));
    MAKE(fs[1], aw_create_task(sleep_long, NULL));
    aw_completed it = AW_COMPLETED_INIT;
    EXPECT(aw_completed_enter(&it, fs, 2, .timeout = 2), 0);
    int first = aw_completed_next(&it, &f), second = 0;
    int result = first > 0 ? aw_result(f) : first;
    if (result == 3)
        second = aw_completed_next(&it, &f);
    EXPECT(in_time(aw_completed_exit(&it, result)), 3);
    EXPECT(second == 1 ? aw_result(f) : second, -ETIMEDOUT);
    aw_cancel(fs[1]);
    EXPECT(aw_await(fs[1]), -ECANCELED);
    return 0;
}

SCENARIO(as_completed_in_time)
{
    return run_main(as_completed_in_time, NULL);
}

/* ---- time limits ---- */

static int time_limits_on_tasks(void *arg)
{
    struct later second = {1, 4};
    aw_task *quick, *slow, *stubborn;
    (void)arg;
    MAKE(quick, aw_create_task(give_later, &second, .copy = sizeof second));
    EXPECT(in_time(aw_wait_for(quick, 5)), 4);
    EXPECT(aw_wait_for(quick, 0), 4);
    MAKE(slow, aw_create_task(sleep_long, NULL));
    EXPECT(aw_wait_for(slow, 1), -ETIMEDOUT);
    CHECK(aw_cancelled(slow));
    MAKE(stubborn, aw_create_task(clean_up_slowly, NULL));
    EXPECT(aw_wait_for(stubborn, 1), -ETIMEDOUT);
    CHECK_CALM(aw_time() == 4);
    return 0;
}

SCENARIO(time_limits_on_tasks)
{
    return run_main(time_limits_on_tasks, NULL);
}

static int inner_limit(void *arg)
{
    return aw_timeout_call(1, sleep_long, arg);
}

static int limit_inside_a_limit(void *arg)
{
    int requests = aw_cancelling(aw_current_task());
    EXPECT(inner_limit(arg), -ETIMEDOUT);
    CHECK(aw_cancelling(aw_current_task()) == requests); /* anybody else's is not taken for it */
    return aw_sleep(100);
}

static int time_limits_nested(void *arg)
{
    EXPECT(aw_timeout_call(5, limit_inside_a_limit, arg), -ETIMEDOUT);
    EXPECT(aw_timeout_call(5, inner_limit, arg), -ETIMEDOUT);
    CHECK(aw_cancelling(aw_current_task()) == 0);
    EXPECT(aw_timeout_call(1, give, INT(9)), 9);
    return 0;
}

SCENARIO(time_limits_nested)
{
    return run_main(time_limits_nested, NULL);
}

/* A deadline for several steps, with what is left for each. */
static int deadline(void *arg)
{
    (void)arg;
    double until = aw_time() + 2;
    aw_future *f;
    for (int i = 0; i < 2; i++) {
        MAKE(f,
             aw_create_task(give_later, (&(struct later){0.5, i}), .copy = sizeof(struct later)));
        EXPECT(in_time(aw_wait_for(f, aw_left(until))), i);
    }
    MAKE(f, aw_create_task(sleep_long, NULL));
    int done = aw_wait(&f, 1, AW_ALL_COMPLETED, .timeout = aw_left(until));
    AW_TRY(done);
    CHECK(done ? disturbed() : aw_left(until) < 0);
    EXPECT(aw_wait_for(f, aw_left(until)), -ETIMEDOUT);
    return 0;
}

SCENARIO(deadline)
{
    return run_main(deadline, NULL);
}
