/*
 * sleepers.c - a million tasks that are asleep at the same moment: memory, and processor time.
 *
 * Twice in one process.  The first time every stack's page is new, and the kernel's work on it is
 * most of the cost; that is where the bytes are read.  The second time finds warm stacks, as a
 * server in its second minute does: how fast they start, and what the whole run costs.
 */
#include <await.h>

#include "bench/bench.h"

struct crowd {
    size_t n, awake;
    double until; /* of the loop's clock */
    aw_future *over;
    double start, bytes; /* seconds to start them; memory that they hold */
};

static int sleeper(void *arg)
{
    struct crowd *c = arg;
    AW_TRY(aw_sleep(aw_left(c->until)));
    if (++c->awake == c->n)
        return aw_set_result(c->over, 0, NULL);
    return 0;
}

static int run_crowd(struct crowd *c, double seconds)
{
    double before = bench_memory(), began = bench_now();
    c->awake = 0;
    c->until = aw_time() + seconds;
    c->over = aw_future_new();
    if (!c->over)
        return aw_errno();
    for (size_t i = 0; i < c->n; i++)
        AW_TRY(aw_spawn(sleeper, c));
    AW_TRY(aw_sleep(0));
    c->start = bench_now() - began;
    c->bytes = bench_memory() - before;
    return aw_join(c->over);
}

static int twice(void *arg)
{
    struct crowd *c = arg;
    AW_TRY(run_crowd(c, (double)c->n * 8e-6));
    double bytes = c->bytes, used = bench_cpu();
    AW_TRY(run_crowd(c, c->start * 1.5));
    bench_say("sleepers-bytes", bytes / (double)c->n);
    bench_say("sleepers-rate", (double)c->n / c->start / 1e3);
    bench_say("sleepers-cpu", bench_cpu() - used);
    return 0;
}

/* The reason is said once; what the end of the run does to each task is not worth a line. */
static int quiet(const aw_report *report, void *arg)
{
    (void)report;
    (void)arg;
    return 0;
}

static int run_sleepers(void)
{
    struct crowd c = {.n = bench_count(1000000, 100)};
    int err = aw_run(twice, &c, .exception_handler = quiet);
    if (err < 0)
        fprintf(stderr, "%s %s\n", aw_strerror(err), aw_errmsg());
    return err;
}

static const struct bench_row rows[] = {{"sleepers", run_sleepers}};

BENCH_MAIN(rows)
