/*
 * bench.h - what the benchmark programs share: clock, sizes, rows, and the lines they print.
 *
 * A program has rows; `program ROW` runs one of them and prints a line for each of its figures, the
 * name, a tab, and the value, in the unit that bench/rows.py gives the name.  `program --list`
 * prints the rows.  BENCH_SCALE=n in the environment divides every size by n: a test that the
 * programs run needs no time for it.  The peers' programs in other languages do the same.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

struct bench_row {
    const char *name;
    int (*run)(void); /* < 0: it could not be measured, and the reason was printed */
};

/* Seconds of a clock that runs evenly. */
static inline double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Seconds of processor time that the whole process has used. */
static inline double bench_cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* `n`, or what the scale leaves of it; at least `least`. */
static inline size_t bench_count(size_t n, size_t least)
{
    const char *scale = getenv("BENCH_SCALE");
    size_t by = scale ? strtoul(scale, NULL, 10) : 1;
    n /= by ? by : 1;
    return n < least ? least : n;
}

static inline void bench_say(const char *name, double value)
{
    printf("%s\t%.6g\n", name, value);
}

/* Nanoseconds per operation, since `began`. */
static inline void bench_say_ns(const char *name, double began, double operations)
{
    bench_say(name, (bench_now() - began) * 1e9 / operations);
}

/* Thousands of operations per second, since `began`. */
static inline void bench_say_rate(const char *name, double began, double operations)
{
    bench_say(name, operations / (bench_now() - began) / 1e3);
}

static inline int bench_compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median and the 99th percentile, as NAME and NAME-p99. */
static inline void bench_say_percentiles(const char *name, double *values, size_t n)
{
    char p99[64];
    qsort(values, n, sizeof *values, bench_compare_doubles);
    snprintf(p99, sizeof p99, "%s-p99", name);
    bench_say(name, values[n / 2]);
    bench_say(p99, values[n * 99 / 100]);
}

/* Bytes that a process holds: its pages and the tables that map them. */
static inline double bench_memory_in(const char *status)
{
    char line[256];
    double sum = 0;
    FILE *file = fopen(status, "r");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, "VmRSS:", 6) || !strncmp(line, "VmPTE:", 6))
            sum += strtod(line + 6, NULL) * 1024;
    fclose(file);
    return sum;
}

/* Is it asleep, or gone? */
static inline int bench_rests(pid_t process)
{
    char path[64], line[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)process);
    FILE *file = fopen(path, "r");
    const char *name_end = file && fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    if (file)
        fclose(file);
    return !name_end || name_end[2] != 'R';
}

/* Seconds of processor time of another process that has nothing more to do.  It is let come to rest
 * first, for a while: of one that runs the system says only what it was at its last tick. */
static inline double bench_cpu_of(pid_t process)
{
    struct timespec t = {0};
    clockid_t clock;
    for (int looks = 0; looks < 1000 && !bench_rests(process); looks++)
        continue;
    if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &t) < 0)
        return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline double bench_memory(void)
{
    return bench_memory_in("/proc/self/status");
}

static inline int bench_main(int argc, char **argv, const struct bench_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (argc == 2 && !strcmp(argv[1], "--list"))
            puts(rows[i].name);
        else if (argc == 2 && !strcmp(argv[1], rows[i].name))
            return rows[i].run() < 0;
    }
    if (argc == 2 && !strcmp(argv[1], "--list"))
        return 0;
    fprintf(stderr, "usage: %s --list | ROW\n", argv[0]);
    return 2;
}

#define BENCH_MAIN(rows)                                                                           \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return bench_main(argc, argv, rows, sizeof rows / sizeof *rows);                           \
    }

#endif
