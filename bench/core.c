/*
 * core.c - what the core costs: one line per workload, nanoseconds per operation.
 *
 * Each workload is what a program does all day: give way, start and join, pass messages, set and
 * cancel timers.  bench/run.py runs this several times and prints medians.
 */
#include <await.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void say(const char *name, double began, double operations)
{
    printf("%s\t%.2f\n", name, (seconds() - began) * 1e9 / operations);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int give_way(void *arg)
{
    for (int n = *(int *)arg; n > 0; n--)
        AW_TRY(aw_sleep(0));
    return 0;
}

/* `tasks` tasks give way to each other, `each` times. */
static int yield_among(const char *name, size_t tasks, int each)
{
    aw_work *works = malloc(tasks * sizeof *works);
    if (!works)
        return -ENOMEM;
    for (size_t i = 0; i < tasks; i++)
        works[i] = AW_CORO(give_way, &each);
    double began = seconds();
    int err = aw_gather_array(works, tasks);
    say(name, began, (double)tasks * each);
    free(works);
    return err;
}

static int create_and_join(void)
{
    const int n = 1000000;
    double began = seconds();
    for (int i = 0; i < n; i++)
        AW_TRY(aw_join(aw_create_task(nothing, NULL)));
    say("create + run + join", began, n);
    return 0;
}

struct table {
    aw_queue there, back;
    int rounds;
};

static int answer(void *arg)
{
    struct table *t = arg;
    void *ball;
    for (int i = 0; i < t->rounds; i++) {
        AW_TRY(aw_queue_get(&t->there, &ball));
        AW_TRY(aw_queue_put(&t->back, ball));
    }
    return 0;
}

static int ping_pong(void)
{
    struct table t = {.rounds = 1000000};
    aw_task *other = aw_create_task(answer, &t);
    void *ball = &t;
    double began = seconds();
    for (int i = 0; i < t.rounds; i++) {
        AW_TRY(aw_queue_put(&t.there, ball));
        AW_TRY(aw_queue_get(&t.back, &ball));
    }
    say("ping-pong through queues, a round", began, t.rounds);
    int err = aw_join(other);
    aw_queue_fini(&t.there);
    aw_queue_fini(&t.back);
    return err;
}

static int gather_ten_thousand(void)
{
    enum { N = 10000, TIMES = 20 };
    static aw_work works[N];
    for (int i = 0; i < N; i++)
        works[i] = AW_CORO(nothing, NULL);
    AW_TRY(aw_gather_array(works, N)); /* touches the stacks */
    double began = seconds();
    for (int i = 0; i < TIMES; i++)
        AW_TRY(aw_gather_array(works, N));
    say("gather of 10,000, a child", began, (double)N * TIMES);
    return 0;
}

static int timers(void)
{
    enum { N = 1000000 };
    aw_handle **handles = malloc(N * sizeof(aw_handle *));
    if (!handles)
        return -ENOMEM;
    double began = seconds();
    for (int i = 0; i < N; i++)
        AW_TRY(aw_call_later(1 + i % 1000 * 0.37, nothing, NULL, .handle = &handles[i]));
    say("timer set, up to a million present", began, N);
    began = seconds();
    for (int i = 0; i < N; i++)
        aw_handle_cancel(handles[i]);
    say("timer cancelled", began, N);
    for (int i = 0; i < N; i++)
        aw_handle_unref(handles[i]);
    free(handles);
    return 0;
}

static int measure(void *arg)
{
    (void)arg;
    AW_TRY(yield_among("yield, 2 tasks", 2, 1000000));
    AW_TRY(yield_among("yield, 1,000 tasks", 1000, 2000));
    AW_TRY(create_and_join());
    AW_TRY(ping_pong());
    AW_TRY(gather_ten_thousand());
    return timers();
}

int main(void)
{
    int err = aw_run(measure, NULL);
    if (err < 0)
        fprintf(stderr, "bench: %s %s\n", aw_strerror(err), aw_errmsg());
    return err < 0;
}
