/*
 * tasks.c - scenarios of tasks: started, named, awaited, cancelled, given arguments and stacks.
 */
#include "fault/scenarios.h"

/* ---- running and awaiting ---- */

static int return_seven(void *arg)
{
    *(int *)arg += 1;
    return 7;
}

SCENARIO(main_alone)
{
    int ran = 0;
    EXPECT(run_main(return_seven, &ran), 7);
    CHECK(ran == 1);
    return 0;
}

static int two_tasks(void *arg)
{
    (void)arg;
    aw_task *slow, *fast;
    MAKE(slow, aw_create_task(give_later, (&(struct later){2, 1}), .copy = sizeof(struct later)));
    MAKE(fast, aw_create_task(give_later, (&(struct later){1, 2}), .copy = sizeof(struct later)));
    EXPECT(aw_await(slow), 1);
    EXPECT(aw_await(fast), 2);
    CHECK_CALM(aw_time() == 2);
    return 0;
}

SCENARIO(two_tasks)
{
    return run_main(two_tasks, NULL);
}

/* A handle is made, used and dropped in one expression. */
static int joined_at_once(void *arg)
{
    struct later one_second = {1, 4};
    for (int i = 0; i < *(int *)arg; i++)
        EXPECT(aw_join(aw_create_task(give_later, &one_second)), 4);
    aw_trim_stack(); /* whether the system takes it or not */
    EXPECT(aw_join(aw_create_task(give, INT(5), .eager = true)), 5);
    return 0;
}

SCENARIO(joined_at_once)
{
    int times = 3;
    return run_main(joined_at_once, &times);
}

static int await_chain(void *arg)
{
    aw_future *f, *links[6];
    (void)arg;
    MAKE(f, aw_future_new());
    for (int i = 0; i < 6; i++)
        MAKE(links[i], aw_create_task(await_it, i ? links[i - 1] : f));
    AW_TRY(aw_sleep(1));
    CHECK(aw_set_result(f, 11, NULL) == 0 || aw_cancelled(f));
    EXPECT(aw_await(links[5]), 11);
    for (int i = 0; i < 6; i++)
        EXPECT(aw_result(links[i]), 11);
    return 0;
}

SCENARIO(await_chain)
{
    return run_main(await_chain, NULL);
}

struct crew {
    aw_future *over;
    int left;
};

static int crew_member(void *arg)
{
    struct crew *c = arg;
    int err = aw_sleep(c->left);
    if (--c->left == 0)
        aw_ignore(aw_set_result(c->over, 0, NULL));
    return err;
}

static int fail_quietly(void *arg)
{
    (void)arg;
    return aw_sleep(1) < 0 ? -ECANCELED : -EXDEV;
}

static int fire_and_forget(void *arg)
{
    struct crew *c = arg;
    MAKE(c->over, aw_future_new());
    for (int i = 0; i < 3; i++) {
        c->left++;
        int err = aw_spawn(crew_member, c);
        if (err < 0)
            c->left--;
        EXPECT(err, 0);
    }
    EXPECT(aw_spawn(fail_quietly, NULL), 0);
    EXPECT(aw_await(c->over), 0);
    return aw_sleep(2);
}

SCENARIO(fire_and_forget)
{
    struct crew c = {0};
    announce_reports(1); /* fail_quietly() */
    AW_TRY(run_main(fire_and_forget, &c));
    CHECK(c.left == 0);
    CHECK_CALM(reports_made() == 1);
    return 0;
}

static int eager_leaf(void *arg)
{
    *(int *)arg += 1;
    return 5;
}

static int eager_branch(void *arg)
{
    EXPECT(aw_join(aw_create_task(eager_leaf, arg, .eager = true)), 5);
    AW_TRY(aw_sleep(1));
    EXPECT(aw_join(aw_create_task(eager_leaf, arg)), 5);
    return 6;
}

static int eager_tree(void *arg)
{
    int *n = arg;
    aw_task *a, *b;
    MAKE(a, aw_create_task(eager_branch, n, .eager = true));
    CHECK(*n == 1 || aw_done(a));
    MAKE(b, aw_create_task(eager_branch, n, .eager = true));
    EXPECT(aw_await(a), 6);
    EXPECT(aw_await(b), 6);
    CHECK(*n == 4);
    return 0;
}

SCENARIO(eager_tree)
{
    int n = 0;
    return run_main(eager_tree, &n);
}

static int many_tasks(void *arg)
{
    aw_task *t[40];
    int sum = 0;
    (void)arg;
    for (int i = 0; i < 40; i++)
        MAKE(t[i],
             aw_create_task(give_later, (&(struct later){i % 7, i}), .copy = sizeof(struct later)));
    for (int i = 0; i < 40; i++) {
        int got = aw_await(t[i]);
        EXPECT(got, i);
        sum += got;
    }
    CHECK(sum == 780);
    return 0;
}

SCENARIO(many_tasks)
{
    return run_main(many_tasks, NULL);
}

/* ---- cancelling ---- */

static int cancel_with_a_message(void *arg)
{
    aw_task *t;
    (void)arg;
    MAKE(t, aw_create_task(sleep_long, NULL));
    AW_TRY(aw_sleep(1));
    CHECK(aw_cancel(t, .msg = "enough") || aw_done(t));
    CHECK(aw_cancelling(t) >= 1 || aw_done(t));
    EXPECT(aw_await(t) == -ECANCELED && aw_cancelled(t), true);
    CHECK_CALM(strcmp(aw_errmsg(), "enough") == 0);
    return 0;
}

SCENARIO(cancel_with_a_message)
{
    return run_main(cancel_with_a_message, NULL);
}

static int cancelled_cleans_up(void *arg)
{
    aw_task *t;
    (void)arg;
    MAKE(t, aw_create_task(clean_up_slowly, NULL));
    AW_TRY(aw_sleep(1));
    aw_cancel(t);
    int err = aw_await(t);
    CHECK(aw_done(t) || err == -ECANCELED);
    EXPECT(err == -ECANCELED ? 0 : err, 0);
    CHECK_CALM(aw_time() == 2);
    return 0;
}

SCENARIO(cancelled_cleans_up)
{
    return run_main(cancelled_cleans_up, NULL);
}

/* Asks for its own cancellation, and takes that back; then once more, too late. */
static int changes_its_mind(void *arg)
{
    aw_task *me = aw_current_task();
    int before = aw_cancelling(me);
    (void)arg;
    aw_cancel(me);
    CHECK(aw_cancelling(me) == before + 1);
    EXPECT(aw_uncancel(me), before);
    AW_TRY(aw_sleep(1));
    aw_cancel(me);
    EXPECT(aw_sleep(1), -ECANCELED);
    EXPECT(aw_uncancel(me) - aw_cancelling(me), 0);
    return aw_sleep(1) < 0 ? -ECANCELED : 3;
}

static int uncancel(void *arg)
{
    (void)arg;
    EXPECT(aw_join(aw_create_task(changes_its_mind, NULL)), 3);
    return 0;
}

SCENARIO(uncancel)
{
    return run_main(uncancel, NULL);
}

static int cancelled_before_it_began(void *arg)
{
    struct owned *o = arg;
    aw_task *t;
    MAKE(t, aw_create_task(return_seven, o, .release = release_owned));
    o->given = 1;
    aw_cancel(t);
    EXPECT(aw_await(t), -ECANCELED);
    CHECK(o->released == 1 && o->given == 1); /* return_seven() would have counted */
    return 0;
}

SCENARIO(cancelled_before_it_began)
{
    struct owned o = {0};
    int err = run_main(cancelled_before_it_began, &o);
    CHECK(owned_settled(&o, 1));
    return err;
}

/* ---- names ---- */

static int look_around(void *arg)
{
    aw_task *all[8], *t = aw_current_task();
    char text[128];
    (void)arg;
    int n = aw_all_tasks(all, 8);
    CHECK(n >= 2);
    for (int i = 0; i < n && i < 8; i++)
        keep(all[i]);
    EXPECT(aw_set_task_name(t, "onlooker"), 0);
    CHECK(strcmp(aw_task_name(t), "onlooker") == 0);
    CHECK(aw_describe(t, text, sizeof text) > 0 && strstr(text, "onlooker"));
    CHECK(aw_future_loop(t) == aw_running_loop());
    return aw_sleep(1);
}

static int names(void *arg)
{
    aw_task *given, *numbered;
    (void)arg;
    MAKE(given, aw_create_task(sleep_long, NULL, .name = "given"));
    MAKE(numbered, aw_create_task(look_around, NULL));
    const char *name = aw_task_name(numbered);
    CHECK(strcmp(name, "Task-3") == 0 || (disturbed() && !*name));
    EXPECT(aw_await(numbered), 0);
    CHECK(strcmp(aw_task_name(given), "given") == 0);
    aw_cancel(given);
    EXPECT(aw_await(given), -ECANCELED);
    return 0;
}

SCENARIO(names)
{
    return run_main(names, NULL);
}

/* ---- stacks and arguments ---- */

/* Uses about half of the stack that it is told it has. */
static int use_stack(void *arg)
{
    volatile char block[2048];
    size_t left = (size_t)(uintptr_t)arg;
    memset((char *)block, 1, sizeof block);
    if (left > 2 * sizeof block && use_stack(INT(left - 2 * sizeof block)) < 0)
        return -ECANCELED;
    AW_TRY(left > 2 * sizeof block ? 0 : aw_sleep(1));
    return block[left % sizeof block];
}

static int stack_sizes(void *arg)
{
    static const size_t sizes[] = {32 << 10, 64 << 10, 100 << 10, 256 << 10, 1 << 20, 4 << 20};
    enum { N = sizeof sizes / sizeof *sizes };
    aw_task *t[N];
    (void)arg;
    for (size_t i = 0; i < N; i++)
        MAKE(t[i], aw_create_task(use_stack, INT(sizes[i] < 128 << 10 ? 16 << 10 : 64 << 10),
                                  .stack_size = sizes[i]));
    for (size_t i = 0; i < N; i++)
        EXPECT(aw_await(t[i]), 1);
    return 0;
}

SCENARIO(stack_sizes)
{
    return run_main(stack_sizes, NULL);
}

static int end_at_once(void *arg)
{
    const struct owned *o = arg;
    return o->released;
}

static int copy_and_release(void *arg)
{
    struct owned *o = arg;
    struct later l = {1, 0};
    aw_task *copies[3], *released[3];
    for (int i = 0; i < 3; i++) {
        l.result = i;
        MAKE(copies[i], aw_create_task(give_later, &l, .copy = sizeof l));
        MAKE(released[i], aw_create_task(i ? sleep_long : end_at_once, &o[i],
                                         .release = release_owned, .eager = i == 1));
        o[i].given = 1;
    }
    l.result = 99;
    for (int i = 0; i < 3; i++)
        EXPECT(aw_await(copies[i]), i);
    CHECK(((struct later *)aw_value(copies[2]))->result == 2);
    for (int i = 0; i < 3; i++)
        aw_cancel(released[i]);
    EXPECT(aw_await(released[2]), -ECANCELED);
    return 0;
}

SCENARIO(copy_and_release)
{
    struct owned o[3] = {0};
    int err = run_main(copy_and_release, o);
    CHECK(owned_settled(o, 3));
    return err;
}

static int return_a_value(void *arg)
{
    static int answer = 42;
    AW_TRY(aw_sleep(1));
    if (arg)
        aw_return_value(&answer);
    return 1;
}

static int values(void *arg)
{
    int own = 7;
    aw_task *set, *plain;
    (void)arg;
    MAKE(set, aw_create_task(return_a_value, &own));
    MAKE(plain, aw_create_task(return_a_value, NULL));
    EXPECT(aw_await(set), 1);
    EXPECT(aw_await(plain), 1);
    CHECK(*(int *)aw_value(set) == 42 && !aw_value(plain));
    return 0;
}

SCENARIO(values)
{
    return run_main(values, NULL);
}
