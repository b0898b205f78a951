/*
 * threads.c - the limit of bench/threads.c: a lock-free list with a futex, and nothing else.
 *
 * Two mailboxes, one for each direction.  Pushing is a swap, which makes an item the last one, and
 * a store, which links it behind the one that was; the reader follows the links and calls each
 * item. A reader that finds nothing puts a mark in the last one's place and sleeps on a word; who
 * replaces the mark wakes it, so no call is made while it is awake.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/limit/raw.h"

struct item {
    _Atomic(struct item *) next;
    void (*run)(struct item *item);
};

struct mailbox {
    _Alignas(64) _Atomic(struct item *) last; /* NULL: there is none */
    _Atomic(struct item *) first;             /* linked by who found none */
    _Alignas(64) _Atomic uint32_t woken;
};

static struct item asleep;
static double spin; /* seconds to stay awake before sleeping */

/* Looks for a while; false: there is nothing still. */
static bool comes_soon(bool (*is_there)(void *arg), void *arg)
{
    for (double until = spin > 0 ? bench_now() + spin : 0; spin > 0 && bench_now() < until;)
        for (int i = 0; i < 16; i++)
            if (is_there(arg))
                return true;
    return false;
}

static bool has_items(void *arg)
{
    struct mailbox *m = arg;
    return atomic_load_explicit(&m->last, memory_order_relaxed) != NULL;
}

static void push(struct mailbox *m, struct item *item)
{
    atomic_store_explicit(&item->next, NULL, memory_order_relaxed);
    struct item *before = atomic_exchange_explicit(&m->last, item, memory_order_acq_rel);
    bool is_first = !before || before == &asleep;
    atomic_store_explicit(is_first ? &m->first : &before->next, item, memory_order_release);
    if (before == &asleep) {
        atomic_store_explicit(&m->woken, 1, memory_order_release);
        syscall(SYS_futex, &m->woken, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

static void sleep_on(struct mailbox *m)
{
    struct item *none = NULL;
    if (comes_soon(has_items, m))
        return;
    atomic_store_explicit(&m->woken, 0, memory_order_relaxed);
    if (!atomic_compare_exchange_strong_explicit(&m->last, &none, &asleep, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return;
    while (!atomic_load_explicit(&m->woken, memory_order_acquire))
        syscall(SYS_futex, &m->woken, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static struct item *follow(_Atomic(struct item *) *link)
{
    return atomic_load_explicit(link, memory_order_acquire);
}

/* What comes behind this one, or NULL when it was the last and the mailbox is empty now. */
static struct item *behind(struct mailbox *m, struct item *item)
{
    struct item *next = follow(&item->next), *last = item;
    if (next)
        return next;
    atomic_store_explicit(&m->first, NULL, memory_order_relaxed);
    if (atomic_compare_exchange_strong_explicit(&m->last, &last, NULL, memory_order_acq_rel,
                                                memory_order_relaxed))
        return NULL;
    while (!(next = follow(&item->next)))
        sched_yield();
    return next;
}

/* Runs what has come; sleeps first if there is nothing. */
static void serve(struct mailbox *m)
{
    if (!has_items(m)) {
        sleep_on(m);
        return;
    }
    struct item *item, *next;
    while (!(item = follow(&m->first)))
        sched_yield();
    for (; item; item = next) {
        next = behind(m, item);
        item->run(item);
    }
}

/* ---- the other thread ---- */

static struct mailbox there, back;
static bool stop;

static void *serve_there(void *arg)
{
    (void)arg;
    while (!stop)
        serve(&there);
    return NULL;
}

static void run_stop(struct item *item)
{
    (void)item;
    stop = true;
}

static pthread_t start_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve_there, NULL))
        abort();
    return thread;
}

static void stop_thread(pthread_t thread)
{
    static struct item last = {.run = run_stop};
    push(&there, &last);
    pthread_join(thread, NULL);
}

/* ---- callbacks ---- */

static size_t left;
static bool is_over;

static void run_over(struct item *item)
{
    (void)item;
    is_over = true;
}

static void count(struct item *item)
{
    static struct item over = {.run = run_over};
    (void)item;
    if (--left == 0)
        push(&back, &over);
}

static void count_and_free(struct item *item)
{
    free(item);
    count(NULL);
}

static void wait_until_over(void)
{
    while (!is_over)
        serve(&back);
}

static void callbacks(struct item *items, size_t n)
{
    left = n;
    is_over = false;
    for (size_t i = 0; i < n; i++) {
        struct item *item = items ? &items[i] : malloc(sizeof *item);
        if (!item)
            abort();
        item->run = items ? count : count_and_free;
        push(&there, item);
    }
    wait_until_over();
}

static int measure_callbacks(const char *name, struct item *items, size_t n)
{
    pthread_t thread = start_thread();
    callbacks(items, n);
    double began = bench_now();
    callbacks(items, n);
    bench_say_rate(name, began, (double)n);
    stop_thread(thread);
    free(items);
    return 0;
}

static int run_callbacks_node(void)
{
    const size_t n = bench_count(1000000, 1);
    struct item *items = calloc(n, sizeof *items);
    return items ? measure_callbacks("callbacks-node", items, n) : -1;
}

static int run_callbacks_alloc(void)
{
    return measure_callbacks("callbacks-alloc", NULL, bench_count(1000000, 1));
}

/* ---- coroutines ---- */

/* A request whose answer is a word: 0, 1 when somebody sleeps on it, 2 when it is there. */
struct request {
    struct item item;
    _Atomic uint32_t state;
};

static void answer_request(struct request *r)
{
    if (atomic_exchange_explicit(&r->state, 2, memory_order_acq_rel) == 1)
        syscall(SYS_futex, &r->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static bool is_answered(void *arg)
{
    struct request *r = arg;
    return atomic_load_explicit(&r->state, memory_order_acquire) == 2;
}

static void wait_for(struct request *r)
{
    uint32_t seen = 0;
    if (comes_soon(is_answered, r))
        return;
    if (!atomic_compare_exchange_strong_explicit(&r->state, &seen, 1, memory_order_acq_rel,
                                                 memory_order_acquire) &&
        seen == 2)
        return;
    while (atomic_load_explicit(&r->state, memory_order_acquire) != 2)
        syscall(SYS_futex, &r->state, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
}

static void coroutine(void *arg)
{
    answer_request(arg);
}

/* The coroutine runs on a stack from the pool, as a task would. */
static void run_coroutine(struct item *item)
{
    raw_create(coroutine, item)->joiner = raw_self;
    raw_next();
}

static void submit(struct request *r)
{
    r->item.run = run_coroutine;
    atomic_store_explicit(&r->state, 0, memory_order_relaxed);
    push(&there, &r->item);
}

static void submit_and_collect(size_t n)
{
    enum { IN_FLIGHT = 1000 };
    static struct request requests[IN_FLIGHT];
    for (size_t i = 0; i < n + IN_FLIGHT; i++) {
        struct request *r = &requests[i % IN_FLIGHT];
        if (i >= IN_FLIGHT && i - IN_FLIGHT < n)
            wait_for(r);
        if (i < n)
            submit(r);
    }
}

static int run_submit_collect(void)
{
    const size_t n = bench_count(300000, 1);
    pthread_t thread = start_thread();
    submit_and_collect(n / 4);
    double began = bench_now();
    submit_and_collect(n);
    bench_say_rate("submit-collect", began, (double)n);
    stop_thread(thread);
    return 0;
}

static int measure_submit_wait(const char *name)
{
    const size_t n = bench_count(4000, 1);
    double *took = malloc(n * sizeof *took);
    struct request r;
    if (!took)
        return -1;
    pthread_t thread = start_thread();
    for (size_t i = 0; i < n; i++) {
        double began = bench_now();
        submit(&r);
        wait_for(&r);
        took[i] = (bench_now() - began) * 1e6;
    }
    bench_say_percentiles(name, took, n);
    stop_thread(thread);
    free(took);
    return 0;
}

static int run_submit_wait(void)
{
    return measure_submit_wait("submit-wait");
}

static int run_submit_wait_spin(void)
{
    spin = 50e-6;
    return measure_submit_wait("submit-wait-spin");
}

/* ---- there and back ---- */

/* What a thread does, and what its end does to who asked for it. */
struct job {
    struct item item;
    size_t times;
};

static size_t jobs_left;

static void job_over(struct item *item);

static void do_job(struct item *item)
{
    item->run = job_over;
    push(&back, item);
}

static void job_over(struct item *item)
{
    struct job *job = (struct job *)item;
    if (--job->times == 0) {
        jobs_left--;
        return;
    }
    item->run = do_job;
    push(&there, item);
}

static void jobs(size_t in_flight, size_t each)
{
    static struct job all[64];
    jobs_left = in_flight;
    for (size_t i = 0; i < in_flight; i++) {
        all[i] = (struct job){{.run = do_job}, each};
        push(&there, &all[i].item);
    }
    while (jobs_left)
        serve(&back);
}

static int run_to_thread(void)
{
    const size_t n = bench_count(4000, 1);
    pthread_t thread = start_thread();
    jobs(1, 1);
    double began = bench_now();
    jobs(1, n);
    bench_say("to-thread", (bench_now() - began) * 1e6 / (double)n);
    stop_thread(thread);
    return 0;
}

static int run_to_thread_64(void)
{
    const size_t each = bench_count(100000, 1) / 64 + 1;
    pthread_t thread = start_thread();
    double began = bench_now();
    jobs(64, each);
    bench_say_rate("to-thread-64", began, (double)(each * 64));
    stop_thread(thread);
    return 0;
}

static const struct bench_row rows[] = {
    {"callbacks-node", run_callbacks_node},     {"callbacks-alloc", run_callbacks_alloc},
    {"submit-collect", run_submit_collect},     {"submit-wait", run_submit_wait},
    {"submit-wait-spin", run_submit_wait_spin}, {"to-thread", run_to_thread},
    {"to-thread-64", run_to_thread_64},
};

BENCH_MAIN(rows)
