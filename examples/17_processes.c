/*
 * CPU-bound work in processes: eight pieces, and one of the workers is killed in the middle.
 *
 * A crash in a thread ends the program; one in a worker process ends that worker.  Notice that
 * piece 5 alone has an error, which says what became of its worker, that the other seven have their
 * results, and that the loop goes on all the while.
 *
 * The workers are forked off a server process that main() starts first, before there are threads.
 * What goes in and what comes out are bytes; nothing is shared.
 */
#define _POSIX_C_SOURCE 200809L /* kill */
#include <await.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { PIECES = 8, LIMIT = 500000 };

static bool is_prime(int n)
{
    int d = 2;
    while (d * d <= n && n % d != 0)
        d++;
    return d * d > n;
}

/* In a worker process: how many primes there are below the limit. */
static int count_primes(const void *in, size_t size, aw_process_reply *out)
{
    int number = *(const int *)in, found = 0;
    (void)size;
    for (int n = 2; n < LIMIT; n++) {
        if (number == 5 && n == LIMIT / 2)
            kill(getpid(), SIGKILL); /* as the system does when memory runs out */
        found += is_prime(n);
    }
    return aw_process_write(out, &found, sizeof found);
}

struct piece {
    aw_process_pool *pool;
    int number, found;
};

static int compute(void *arg)
{
    struct piece *p = arg;
    int err = aw_to_process(p->pool, count_primes, &p->number, sizeof p->number, .out = &p->found,
                            .room = sizeof p->found);
    if (err < 0)
        printf("piece %d: %s: %s\n", p->number, aw_error_name(err), aw_errmsg());
    return err;
}

static int count_turns(void *arg)
{
    int *turns = arg;
    for (;;) {
        AW_TRY(aw_sleep(0.001));
        ++*turns;
    }
}

static int compute_all(aw_process_pool *pool)
{
    struct piece pieces[PIECES];
    aw_work work[PIECES];
    int results[PIECES];
    for (int i = 0; i < PIECES; i++) {
        pieces[i] = (struct piece){.pool = pool, .number = i + 1};
        work[i] = AW_CORO(compute, &pieces[i]);
    }
    AW_TRY(aw_gather_array(work, PIECES, .results = results, .return_errors = true));
    for (int i = 0; i < PIECES; i++)
        if (results[i] >= 0)
            printf("piece %d: %d primes\n", pieces[i].number, pieces[i].found);
    return 0;
}

static int start(void *pool)
{
    int turns = 0;
    aw_task *counting = aw_create_task(count_turns, &turns);
    int err = compute_all(pool);
    aw_cancel(counting);
    aw_ignore(aw_join(counting));
    printf("the loop's turns meanwhile: %d\n", turns);
    return err;
}

int main(void)
{
    if (aw_process_server() < 0) {
        fprintf(stderr, "no process server: %s\n", aw_errmsg());
        return 1;
    }
    aw_process_pool *pool = aw_process_pool();
    if (!pool) {
        fprintf(stderr, "no pool: %s\n", aw_strerror(aw_errno()));
        return 1;
    }
    int err = aw_run(start, pool);
    if (err < 0)
        fprintf(stderr, "%s\n", aw_strerror(err));
    int freed = aw_process_pool_free(pool);
    return err < 0 || freed < 0;
}
