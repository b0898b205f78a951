/*
 * processes.c - the limit of bench/processes.c: posix_spawn() and waitpid() in a loop.
 */
#include <spawn.h>
#include <sys/wait.h>

#include "bench/bench.h"

extern char **environ;

static int run_true(size_t times)
{
    char *const argv[] = {"/bin/true", NULL};
    for (size_t i = 0; i < times; i++) {
        pid_t pid;
        int status, err = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);
        if (err)
            return fprintf(stderr, "posix_spawn: %s\n", strerror(err)), -1;
        if (waitpid(pid, &status, 0) < 0 || status != 0)
            return perror("waitpid"), -1;
    }
    return 0;
}

static int run_processes(void)
{
    size_t times = bench_count(1000, 1);
    if (run_true(bench_count(50, 1)) < 0)
        return -1;
    double began = bench_now();
    if (run_true(times) < 0)
        return -1;
    bench_say_rate("processes", began, (double)times);
    return 0;
}

static const struct bench_row rows[] = {{"processes", run_processes}};

BENCH_MAIN(rows)
