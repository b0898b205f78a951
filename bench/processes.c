/*
 * processes.c - `true` a thousand times, one after the other: started, and waited for.
 */
#include <await.h>

#include "bench/bench.h"

static int run_true(size_t times)
{
    int status;
    for (size_t i = 0; i < times; i++) {
        aw_process *p = aw_create_subprocess_exec(AW_ARGV("/bin/true"));
        if (!p)
            return aw_errno();
        int err = aw_process_wait(p, &status);
        aw_process_unref(p);
        if (err < 0 || status != 0)
            return err < 0 ? err : -EIO;
    }
    return 0;
}

static int run_many(void *arg)
{
    size_t times = bench_count(1000, 1);
    (void)arg;
    AW_TRY(run_true(bench_count(50, 1)));
    double began = bench_now();
    AW_TRY(run_true(times));
    bench_say_rate("processes", began, (double)times);
    return 0;
}

static int run_processes(void)
{
    int err = aw_run(run_many, NULL);
    if (err < 0)
        fprintf(stderr, "%s %s\n", aw_strerror(err), aw_errmsg());
    return err;
}

static const struct bench_row rows[] = {{"processes", run_processes}};

BENCH_MAIN(rows)
