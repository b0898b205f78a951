/*
 * Sharing data: a counter used by coroutines of one loop, and one used by threads.
 *
 * Coroutines of a loop change only where they suspend, so a lock is needed only around a change
 * that suspends in its middle: aw_lock.  Threads change anywhere: an OS lock, held for a moment and
 * never across a suspension; or no sharing at all, but a channel to the one coroutine that owns the
 * counter.  Notice how many of the ten and of the four additions are lost without.
 */
#include <await.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { TASKS = 10, THREADS = 4 };

/* ---- coroutines of one loop ---- */

struct account {
    int balance;
    aw_lock lock;
};

static int add(void *arg)
{
    struct account *a = arg;
    int seen = a->balance;
    AW_TRY(aw_sleep(0.01)); /* whatever suspends between reading and writing */
    a->balance = seen + 1;
    return 0;
}

static int add_locked(void *arg)
{
    struct account *a = arg;
    return aw_lock_call(&a->lock, add, a);
}

static int tasks(const char *how, aw_fn *fn)
{
    struct account a = {0};
    aw_work work[TASKS];
    for (int i = 0; i < TASKS; i++)
        work[i] = AW_CORO(fn, &a);
    AW_TRY(aw_gather_array(work, TASKS));
    printf("%d tasks, %s: %d\n", TASKS, how, a.balance);
    return 0;
}

static int tasks_of_a_loop(void *arg)
{
    (void)arg;
    AW_TRY(tasks("no lock", add));
    return tasks("aw_lock", add_locked);
}

/* ---- threads ---- */

struct tally {
    atomic_int careless; /* atomic to read and to write, but not from one to the other */
    int careful;         /* guarded by `mutex` */
    pthread_mutex_t mutex;
    aw_channel *additions;
};

static int count(void *arg)
{
    struct tally *t = arg;
    int seen = atomic_load(&t->careless);
    sleep(1); /* whatever other threads do between reading and writing */
    atomic_store(&t->careless, seen + 1);

    pthread_mutex_lock(&t->mutex);
    t->careful++;
    pthread_mutex_unlock(&t->mutex);

    return aw_channel_send(t->additions, NULL);
}

/* The coroutine that owns its sum: nobody else can touch it. */
static int own(void *arg)
{
    aw_channel *additions = arg;
    void *item;
    int err, sum = 0;
    while ((err = aw_channel_recv(additions, &item)) == 0)
        sum++;
    return err == AW_ESHUTDOWN ? sum : err;
}

/* Calls count() in as many threads, then closes the channel: the owner's sum is complete. */
static int count_in_threads(struct tally *t)
{
    struct tally *each[THREADS];
    for (int i = 0; i < THREADS; i++)
        each[i] = t;
    aw_executor *pool = aw_thread_pool(.max_workers = THREADS);
    int err = aw_executor_map(pool, count, each, THREADS);
    aw_executor_free(pool);
    aw_channel_close(t->additions);
    return err;
}

static int threads(aw_loop *loop)
{
    struct tally t = {.mutex = PTHREAD_MUTEX_INITIALIZER, .additions = aw_channel_new(16)};
    aw_cfuture *owner = aw_submit(loop, own, t.additions);
    int err = count_in_threads(&t);
    int sum = aw_cfuture_join(owner, 5);
    aw_channel_unref(t.additions);
    AW_TRY(err);
    AW_TRY(sum);
    printf("%d threads, no lock: %d\n", THREADS, atomic_load(&t.careless));
    printf("%d threads, a mutex: %d\n", THREADS, t.careful);
    printf("%d threads, a channel: %d\n", THREADS, sum);
    return 0;
}

int main(void)
{
    int err = aw_run(tasks_of_a_loop, NULL);
    aw_loop_thread *worker = aw_loop_thread_start(.name = "owner");
    if (err >= 0)
        err = worker ? threads(aw_loop_thread_loop(worker)) : aw_errno();
    int stopped = aw_loop_thread_stop(worker);
    if (err >= 0)
        err = stopped;
    if (err < 0)
        fprintf(stderr, "%s\n", aw_strerror(err));
    return err < 0;
}
