/*
 * flat.c - does a task, a timer, a wake-up cost the same with ten others as with a million?
 *
 * n tasks are parked, each on a future of its own.  Then one more is created, run and joined, many
 * times; a timer is set and cancelled, with n present; and the parked ones are woken in turn, each
 * going to sleep again.
 */
#include <await.h>

#include "bench/bench.h"

#define TIMES 200000

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void say(const char *kind, size_t n, double began, size_t operations)
{
    char name[64];
    snprintf(name, sizeof name, "flat-%s-%zu", kind, n);
    bench_say_ns(name, began, (double)operations);
}

struct parked {
    aw_event *bell;
    bool stop;
};

static int park(void *arg)
{
    struct parked *p = arg;
    while (!p->stop) {
        AW_TRY(aw_event_wait(p->bell));
        aw_ignore(aw_event_clear(p->bell));
    }
    return 0;
}

static int tasks(size_t n, size_t times)
{
    double began = bench_now();
    for (size_t i = 0; i < times; i++)
        AW_TRY(aw_join(aw_create_task(nothing, NULL)));
    say("task", n, began, times);
    return 0;
}

/* Wakes them in turn, a few at a time, so that the loop's pass is not what is measured. */
static int wake(aw_event *bells, size_t n, size_t times)
{
    size_t at_a_time = n < 100 ? n : 100, woken = 0;
    double began = bench_now();
    for (size_t i = 0; woken < times; i = (i + at_a_time) % n) {
        for (size_t k = 0; k < at_a_time; k++)
            AW_TRY(aw_event_set(&bells[(i + k) % n]));
        AW_TRY(aw_sleep(0));
        woken += at_a_time;
    }
    say("wake", n, began, woken);
    return 0;
}

static int measure_parked(struct parked *parked, aw_event *bells, size_t n, size_t times)
{
    for (size_t i = 0; i < n; i++) {
        parked[i].bell = &bells[i];
        AW_TRY(aw_spawn(park, &parked[i]));
    }
    AW_TRY(aw_sleep(0));
    AW_TRY(tasks(n, times));
    AW_TRY(wake(bells, n, times > n ? times : n));
    for (size_t i = 0; i < n; i++) {
        parked[i].stop = true;
        AW_TRY(aw_event_set(&bells[i]));
    }
    return aw_sleep(0);
}

static int timers(size_t n, size_t times)
{
    aw_handle **handles = malloc(n * sizeof(aw_handle *)), *one;
    if (!handles)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        AW_TRY(aw_call_later(1 + (double)(i % 1000) * 0.37, nothing, NULL, .handle = &handles[i]));
    double began = bench_now();
    for (size_t i = 0; i < times; i++) {
        AW_TRY(aw_call_later(1 + (double)(i % 1000) * 0.37, nothing, NULL, .handle = &one));
        aw_handle_cancel(one);
        aw_handle_unref(one);
    }
    say("timer", n, began, times);
    for (size_t i = 0; i < n; i++) {
        aw_handle_cancel(handles[i]);
        aw_handle_unref(handles[i]);
    }
    free(handles);
    return 0;
}

static int every_size(void *arg)
{
    const size_t most = bench_count(1000000, 10), times = bench_count(TIMES, 10);
    (void)arg;
    for (size_t n = 10; n <= most; n *= 10)
        AW_TRY(timers(n, times));
    for (size_t n = 10; n <= most; n *= 10) {
        struct parked *parked = calloc(n, sizeof *parked);
        aw_event *bells = calloc(n, sizeof *bells);
        int err = parked && bells ? measure_parked(parked, bells, n, times) : -ENOMEM;
        if (err < 0)
            return err;
        free(parked);
        free(bells);
    }
    return 0;
}

/* The reason is said once; what the end of the run does to each task is not worth a line. */
static int quiet(const aw_report *report, void *arg)
{
    (void)report;
    (void)arg;
    return 0;
}

static int run_flat(void)
{
    int err = aw_run(every_size, NULL, .exception_handler = quiet);
    fflush(stdout);
    if (err < 0)
        fprintf(stderr, "%s %s\n", aw_strerror(err), aw_errmsg());
    return err;
}

static const struct bench_row rows[] = {{"flat", run_flat}};

BENCH_MAIN(rows)
