/*
 * CPU-bound work: eight pieces on every core, and a loop that answers all the while.
 *
 * A coroutine that computes blocks its loop until it has a result; the same function in a pool's
 * thread does not.  Notice the last line: while every core is busy, a coroutine that asks for a
 * turn every millisecond gets it, and how late.
 *
 * The pool has a thread for each processor: more would only compete with one another.  Its threads
 * step back behind the loop's (Linux knows a nice value for each thread).
 */
#include <await.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PIECES = 8, TURNS = 100000 };

struct watch {
    bool over;
    int turns;
    double late[TURNS]; /* by how many seconds each turn was */
};

/* An ordinary function that computes: how many primes there are below a limit. */
static int count_primes(void *arg)
{
    int limit = *(int *)arg, found = 0;
    for (int n = 2; n < limit; n++) {
        int d = 2;
        while (d * d <= n && n % d != 0)
            d++;
        found += d * d > n;
    }
    return found;
}

static int step_back(void *arg)
{
    (void)arg;
    return setpriority(PRIO_PROCESS, 0, 10) < 0 ? -errno : 0;
}

static int piece(void *pool)
{
    int limit = 1000000;
    return aw_join(aw_run_in_executor(pool, count_primes, &limit));
}

static int take_turns(void *arg)
{
    struct watch *w = arg;
    do {
        double due = aw_time() + 0.001;
        AW_TRY(aw_sleep(0.001));
        w->late[w->turns++] = aw_time() - due;
    } while (!w->over && w->turns < TURNS);
    return 0;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void tell(struct watch *w)
{
    qsort(w->late, (size_t)w->turns, sizeof w->late[0], by_size);
    printf("the loop's turns meanwhile: %d, late by %.2f ms (median), %.2f ms (worst)\n", w->turns,
           1e3 * w->late[w->turns / 2], 1e3 * w->late[w->turns - 1]);
}

static int compute(aw_executor *pool, struct watch *w)
{
    aw_work pieces[PIECES];
    int found[PIECES];
    double began = aw_time();
    AW_TRY(piece(pool));
    printf("one piece alone: %.2f s\n", aw_time() - began);

    for (int i = 0; i < PIECES; i++)
        pieces[i] = AW_CORO(piece, pool);
    began = aw_time();
    aw_task *turns = aw_create_task(take_turns, w);
    int err = aw_gather_array(pieces, PIECES, .results = found);
    w->over = true;
    int watched = aw_join(turns);
    AW_TRY(err);
    AW_TRY(watched);
    printf("eight pieces on %d threads: %.2f s\n", aw_executor_threads(pool), aw_time() - began);
    for (int i = 0; i < PIECES; i++)
        printf(i < PIECES - 1 ? "%d " : "%d primes\n", found[i]);
    tell(w);
    return 0;
}

static int start(void *arg)
{
    (void)arg;
    int processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
    aw_executor *pool = aw_thread_pool(.max_workers = processors, .initializer = step_back);
    if (!pool)
        return aw_errno();
    struct watch *w = calloc(1, sizeof *w);
    int err = w ? compute(pool, w) : -ENOMEM;
    free(w);
    aw_executor_unref(pool); /* it ends when its work has ended: all of it was awaited */
    return err;
}

int main(void)
{
    int err = aw_run(start, NULL);
    if (err < 0)
        fprintf(stderr, "%s\n", aw_strerror(err));
    return err < 0;
}
