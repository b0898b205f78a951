/*
 * Sleepers: how many tasks fit, what one costs, how fast they come and go.
 *
 *     sleepers [how many; 30000 by default]
 *
 * All of them are asleep at the same moment, before the first one wakes.  Notice the memory per
 * task, most of it the one page of its stack that it touched, and which limit applies.  Not being
 * able to start another task is an ordinary error with a reason: what was started goes on.
 */
#include <await.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct crowd {
    long wanted, started, ended;
    int error;         /* why no more than `started` were started, or 0 */
    double first_woke; /* when the first sleeper did */
    aw_future *over;   /* finished by the last one */
};

static int sleeper(void *arg)
{
    struct crowd *c = arg;
    AW_TRY(aw_sleep(2));
    if (c->ended == 0)
        c->first_woke = aw_time();
    if (++c->ended == c->started)
        return aw_set_result(c->over, 0, NULL);
    return 0;
}

/* The number after `key` at the start of a line of a file, or -1. */
static long number_in(const char *path, const char *key)
{
    char line[256];
    long number = -1;
    FILE *file = fopen(path, "r");
    if (!file)
        return -1;
    while (number < 0 && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            number = strtol(line + strlen(key), NULL, 10);
    fclose(file);
    return number;
}

/* Bytes: the pages this process holds, and the tables that map them. */
static long memory(void)
{
    return 1024 *
           (number_in("/proc/self/status", "VmRSS:") + number_in("/proc/self/status", "VmPTE:"));
}

static void start_sleepers(struct crowd *c)
{
    while (c->started < c->wanted) {
        c->error = aw_spawn(sleeper, c);
        if (c->error < 0) {
            printf("stopped   after %ld: %s: %s\n", c->started, aw_strerror(c->error), aw_errmsg());
            return;
        }
        c->started++;
    }
}

/* How many lines a file has, or -1. */
static long lines_of(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return -1;
    long lines = 0;
    for (int c; (c = fgetc(file)) != EOF;)
        lines += c == '\n';
    fclose(file);
    return lines;
}

/* Stacks come many to a mapping, but before Linux 6.13 each one's guard is a mapping too. */
static void print_limit(const struct crowd *c)
{
    printf("limit     %s; %ld mappings, and vm.max_map_count allows %ld\n",
           c->error < 0 ? "reached" : "not reached", lines_of("/proc/self/maps"),
           number_in("/proc/sys/vm/max_map_count", ""));
}

static int run_crowd(struct crowd *c)
{
    long before = memory();
    double began = aw_time();
    start_sleepers(c);
    if (c->started == 0)
        return c->error;
    AW_TRY(aw_sleep(0)); /* one pass, in which each takes its first step */
    double started = aw_time() - began;
    long per_task = (memory() - before) / c->started;

    print_limit(c);
    printf("asleep    %ld tasks at once, %ld bytes each\n", c->started, per_task);
    printf("started   in %.3f s, %.2f us each\n", started, started * 1e6 / (double)c->started);
    AW_TRY(aw_await(c->over));
    double ended = aw_time() - c->first_woke;
    printf("finished  in %.3f s, %.2f us each\n", ended, ended * 1e6 / (double)c->started);
    return 0;
}

static int start(void *arg)
{
    struct crowd *c = arg;
    c->over = aw_future_new();
    if (!c->over)
        return aw_errno();
    int err = run_crowd(c);
    aw_unref(c->over);
    return err;
}

int main(int argc, char **argv)
{
    struct crowd crowd = {.wanted = argc > 1 ? strtol(argv[1], NULL, 10) : 30000};
    if (crowd.wanted < 1) {
        fprintf(stderr, "usage: sleepers [how many]\n");
        return 2;
    }
    int err = aw_run(start, &crowd);
    if (err < 0)
        fprintf(stderr, "%s\n", aw_strerror(err));
    return err < 0;
}
