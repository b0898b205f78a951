/*
 * Order from a seed: the same seed gives the same run, another seed another one; what order is
 * promised is kept, and nothing is lost.
 */
#include "testing_calls.h"

#include <signal.h>

/* ---- a busy program ---- */

/* Workers that share a lock and a queue, sleep, and talk through a pipe.  What they do is written
 * down, and the loop's own account of it is taken at the end. */
enum { WORKERS = 6, ITEMS = 4 };
#define UNIT 1e-5 /* seconds, which pass for real while the kernel is waited for */

struct worker {
    struct busy *busy;
    int number;
};

struct busy {
    struct worker workers[WORKERS + 3];
    aw_lock lock;
    aw_queue queue;
    aw_event begun;
    int fds[2];
    int items, bytes;
    uint64_t trace;
    size_t used;
    char text[1024];
};

static void write_down(struct busy *b, char what, int number)
{
    assert_true(b->used + 2 < sizeof b->text);
    b->text[b->used++] = what;
    b->text[b->used++] = (char)('0' + number);
}

static int produce(void *arg)
{
    struct worker *w = arg;
    struct busy *b = w->busy;
    AW_TRY(aw_event_wait(&b->begun));
    for (int i = 0; i < ITEMS; i++) {
        AW_TRY(aw_sleep(w->number % 3 * UNIT));
        AW_TRY(aw_lock_acquire(&b->lock));
        write_down(b, 'l', w->number);
        AW_TRY(aw_sleep(i % 2 ? 0 : UNIT / 2));
        AW_TRY(aw_lock_release(&b->lock));
        AW_TRY(aw_queue_put(&b->queue, w));
        if (aw_write(b->fds[1], "x", 1) != 1)
            return -EPIPE;
    }
    return 0;
}

static int consume(void *arg)
{
    struct worker *w = arg;
    void *item;
    int err;
    while ((err = aw_queue_get(&w->busy->queue, &item)) == 0) {
        w->busy->items++;
        write_down(w->busy, 'q', ((struct worker *)item)->number);
        AW_TRY(aw_timeout_call(2 * UNIT, sleep_long, NULL) == -ETIMEDOUT ? 0 : -EPROTO);
    }
    return err == AW_ESHUTDOWN ? 0 : err;
}

static int read_bytes(void *arg)
{
    struct worker *w = arg;
    char bytes[4];
    while (w->busy->bytes < WORKERS * ITEMS) {
        ssize_t n = aw_read(w->busy->fds[0], bytes, sizeof bytes);
        if (n < 0)
            return (int)n;
        w->busy->bytes += (int)n;
        write_down(w->busy, 'r', (int)n);
    }
    return 0;
}

static int work_in_group(aw_group *g, void *arg)
{
    struct busy *b = arg;
    struct worker *workers = b->workers;
    aw_task *producers[WORKERS];
    for (int i = 0; i < WORKERS + 3; i++)
        workers[i] = (struct worker){b, i};
    for (int i = 0; i < WORKERS; i++)
        AW_TRY(aw_group_start(g, produce, &workers[i], .ret_task = &producers[i]));
    AW_TRY(aw_group_start(g, consume, &workers[WORKERS]));
    AW_TRY(aw_group_start(g, consume, &workers[WORKERS + 1]));
    AW_TRY(aw_group_start(g, read_bytes, &workers[WORKERS + 2]));
    AW_TRY(aw_sleep(UNIT));
    AW_TRY(aw_event_set(&b->begun));
    for (int i = 0; i < WORKERS; i++)
        AW_TRY(aw_join(producers[i]));
    return aw_queue_shutdown(&b->queue);
}

static int be_busy(void *arg)
{
    struct busy *b = arg;
    aw_group g = AW_GROUP_INIT;
    AW_TRY(pipe(b->fds));
    int err = aw_group_call(&g, work_in_group, b);
    close(b->fds[0]);
    close(b->fds[1]);
    b->trace = aw_loop_trace(aw_running_loop());
    return err < 0 ? err : aw_queue_fini(&b->queue);
}

static struct busy run_busy(uint64_t seed, bool shuffle)
{
    struct busy b = {.queue = AW_QUEUE_INIT(.maxsize = 2)};
    assert_int_equal(aw_run(be_busy, &b, .seed = seed, .shuffle = shuffle), 0);
    assert_int_equal(b.items, WORKERS * ITEMS);
    assert_int_equal(b.bytes, WORKERS * ITEMS);
    return b;
}

/* ---- the same seed ---- */

static void check_same(uint64_t seed, bool shuffle, unsigned times)
{
    struct busy first = run_busy(seed, shuffle);
    assert_true(first.trace != 0);
    for (unsigned i = 1; i < times; i++) {
        struct busy again = run_busy(seed, shuffle);
        assert_true(again.trace == first.trace);
        assert_memory_equal(again.text, first.text, sizeof first.text);
    }
}

TEST_SLOW(testing_one_seed_is_one_run_a_thousand_times)
{
    check_same(1, true, test_scale(1000, 100));
}

TEST_SLOW(testing_one_seed_without_shuffling_is_one_run)
{
    check_same(7, false, test_scale(1000, 100));
}

TEST(testing_any_seed_is_one_run)
{
    for (uint64_t seed = 2; seed < 40; seed++)
        check_same(seed << (seed % 60), true, 3);
}

/* Addresses, and what other runs left behind in this process, do not matter. */
static void print_trace(void *arg)
{
    struct busy b = run_busy(*(uint64_t *)arg, true);
    printf("%llx %.200s", (unsigned long long)b.trace, b.text);
}

TEST(testing_one_seed_in_several_processes)
{
    struct child_result first, r;
    uint64_t seed = 99;
    run_child(&first, print_trace, &seed);
    assert_true(strlen(first.out) > 100);
    run_busy(1, true);
    aw_loop *elsewhere[3]; /* so that the next loop lies at another address */
    for (int i = 0; i < 3; i++)
        assert_non_null(elsewhere[i] = aw_loop_new());
    run_child(&r, print_trace, &seed);
    assert_string_equal(r.out, first.out);
    for (int i = 0; i < 3; i++)
        aw_loop_free(elsewhere[i]);
}

/* What the kernel tells though nobody waits for it does not count: a descriptor that was read from
 * before gets data while only another is waited for, and time goes on. */
struct pipes {
    int quiet[2], busy[2];
    uint64_t trace;
};

static int read_quiet(void *arg)
{
    struct pipes *p = arg;
    return read_from(p->quiet[0]);
}

static int read_now_and_then(void *arg)
{
    struct pipes *p = arg;
    for (int i = 0; i < 5; i++) {
        if (read_from(p->busy[0]) != 1)
            return -EPROTO;
        AW_TRY(aw_sleep(20 * UNIT));
    }
    return 0;
}

static int write_all_the_time(void *arg)
{
    struct pipes *p = arg;
    for (int i = 0; i < 30; i++) {
        AW_TRY(aw_sleep(3 * UNIT));
        if (write(p->busy[1], "x", 1) != 1)
            return -EPROTO;
    }
    return write(p->quiet[1], "x", 1) == 1 ? 0 : -EPROTO;
}

static int use_pipes(void *arg)
{
    struct pipes *p = arg;
    AW_TRY(pipe(p->quiet));
    AW_TRY(pipe(p->busy));
    AW_TRY(aw_gather(AW_CORO(read_quiet, p), AW_CORO(read_now_and_then, p),
                     AW_CORO(write_all_the_time, p)));
    p->trace = aw_loop_trace(aw_running_loop());
    for (int i = 0; i < 2; i++) {
        close(p->quiet[i]);
        close(p->busy[i]);
    }
    return 0;
}

TEST(testing_one_seed_whatever_the_kernel_tells)
{
    struct pipes p = {.trace = 0};
    uint64_t first = 0;
    for (unsigned i = 0; i < test_scale(200, 20); i++) {
        assert_int_equal(aw_run(use_pipes, &p, .seed = 3), 0);
        first = first ? first : p.trace;
        assert_true(p.trace == first);
    }
}

/* ---- other seeds ---- */

static unsigned different_traces(uint64_t (*trace_of)(uint64_t seed), unsigned n)
{
    uint64_t seen[64];
    unsigned different = 0;
    for (unsigned i = 0; i < n; i++) {
        uint64_t drawn = trace_of(i + 1);
        unsigned j = 0;
        while (j < different && seen[j] != drawn)
            j++;
        if (j == different)
            seen[different++] = drawn;
    }
    return different;
}

static uint64_t shuffled_trace(uint64_t seed)
{
    return run_busy(seed, true).trace;
}

TEST(testing_other_seeds_are_other_runs)
{
    assert_in_range(different_traces(shuffled_trace, 40), 38, 40);
}

/* Five tasks in every one of the 120 orders, none much more often than another. */
static int five_at_once(void *arg)
{
    const char *names[] = {"1", "2", "3", "4", "5"};
    (void)arg;
    for (int i = 0; i < 5; i++)
        AW_TRY(aw_spawn(note_it, (void *)names[i]));
    return aw_sleep(1);
}

static unsigned index_of_order(void)
{
    unsigned index = 0;
    for (int i = 0; i < 5; i++) {
        unsigned less = 0;
        for (int j = i + 1; j < 5; j++)
            less += trace[j] < trace[i];
        index = index * (unsigned)(5 - i) + less;
    }
    return index;
}

TEST(testing_every_order_is_drawn)
{
    unsigned seen[120] = {0}, missing = 0;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        memset(trace, 0, sizeof trace);
        assert_int_equal(aw_run(five_at_once, NULL, .seed = seed, .shuffle = true), 0);
        assert_int_equal(strlen(trace), 5);
        seen[index_of_order()]++;
    }
    for (int i = 0; i < 120; i++) { /* 25 each on average */
        missing += seen[i] == 0;
        assert_in_range(seen[i], 0, 60);
    }
    assert_in_range(missing, 0, 1);
}

/* ---- what order is promised ---- */

/* A seed alone leaves first in, first out. */
TEST(testing_a_seed_without_shuffling_keeps_the_order)
{
    for (uint64_t seed = 1; seed < 50; seed++) {
        memset(trace, 0, sizeof trace);
        assert_int_equal(aw_run(five_at_once, NULL, .seed = seed), 0);
        assert_trace("12345");
    }
}

static int note_after(void *arg)
{
    return note_it((void *)arg);
}

static int callbacks_beside_tasks(void *arg)
{
    const char *names[] = {"a", "b", "c", "d", "e", "f"};
    AW_TRY(five_at_once(arg));
    memset(trace, 0, sizeof trace);
    for (int i = 0; i < 5; i++) {
        AW_TRY(aw_spawn(no_work, NULL));
        AW_TRY(aw_call_soon(note_after, (void *)names[i]));
        AW_TRY(aw_spawn(no_work, NULL));
    }
    AW_TRY(aw_sleep(1));
    assert_trace("abcde");
    memset(trace, 0, sizeof trace);
    for (int i = 0; i < 6; i++)
        AW_TRY(aw_call_later(i / 2, note_after, (void *)names[i])); /* two are due together */
    AW_TRY(aw_sleep(4));
    assert_trace("abcdef");
    return give(INT(1));
}

TEST(testing_callbacks_keep_their_order_when_tasks_are_shuffled)
{
    for (uint64_t seed = 1; seed < 50; seed++)
        assert_int_equal(aw_run(callbacks_beside_tasks, NULL, .seed = seed, .shuffle = true), 1);
}

static int done_callbacks(void *arg)
{
    const char *names[] = {"a", "b", "c", "d"};
    aw_future *f = aw_future_new();
    (void)arg;
    for (int i = 0; i < 4; i++)
        AW_TRY(aw_add_done_callback(f, note_done, (void *)names[i]));
    AW_TRY(aw_set_result(f, 0, NULL));
    AW_TRY(aw_sleep(1));
    aw_unref(f);
    return 0;
}

TEST(testing_done_callbacks_keep_their_order)
{
    for (uint64_t seed = 1; seed < 50; seed++) {
        memset(trace, 0, sizeof trace);
        assert_int_equal(aw_run(done_callbacks, NULL, .seed = seed, .shuffle = true), 0);
        assert_trace("abcd");
    }
}

/* First come, first served holds for who waits in a line, whatever the order of running. */
static int take_lock(void *arg)
{
    AW_TRY(aw_lock_acquire(&things.lock));
    note_it(arg);
    return aw_lock_release(&things.lock);
}

static int stand_in_line(void *arg)
{
    const char *names[] = {"1", "2", "3", "4", "5"};
    (void)arg;
    AW_TRY(aw_lock_acquire(&things.lock));
    for (int i = 0; i < 5; i++)
        aw_unref(aw_create_task(take_lock, (void *)names[i], .eager = true));
    AW_TRY(aw_lock_release(&things.lock));
    return aw_sleep(1);
}

TEST(testing_lines_keep_their_order_when_tasks_are_shuffled)
{
    for (uint64_t seed = 1; seed < 50; seed++) {
        memset(trace, 0, sizeof trace);
        assert_int_equal(aw_run(stand_in_line, NULL, .seed = seed, .shuffle = true), 0);
        assert_trace("12345");
    }
}

/* ---- nothing is lost ---- */

static int count_down(void *arg)
{
    int *left = arg;
    for (int i = 0; i < 20; i++)
        AW_TRY(aw_sleep(i % 5 ? 0 : 0.001 * i));
    (*left)--;
    return 0;
}

static int many_tasks(void *arg)
{
    int left = *(int *)arg;
    for (int i = *(int *)arg; i > 0; i--)
        AW_TRY(aw_spawn(count_down, &left));
    AW_TRY(aw_sleep(1));
    return left;
}

TEST_ORDER_FREE(testing_shuffling_loses_nobody)
{
    int n = (int)test_scale(3000, 300);
    for (uint64_t seed = 1; seed < 4; seed++)
        assert_int_equal(aw_run(many_tasks, &n, .seed = seed, .shuffle = true), 0);
}

/* ---- options and environment ---- */

static void set_env(const char *seed, const char *shuffle)
{
    const char *names[] = {"AWAIT_SEED", "AWAIT_SHUFFLE"}, *values[] = {seed, shuffle};
    for (int i = 0; i < 2; i++)
        assert_int_equal(values[i] ? setenv(names[i], values[i], 1) : unsetenv(names[i]), 0);
}

TEST(testing_environment_is_as_good_as_options)
{
    set_env(NULL, NULL);
    uint64_t plain = run_busy(0, false).trace, seeded = run_busy(12345, false).trace;
    uint64_t shuffled = run_busy(12345, true).trace, unseeded = run_busy(0, true).trace;
    assert_true(plain == 0 && seeded != 0 && shuffled != seeded && unseeded != shuffled);
    set_env("12345", NULL);
    assert_true(run_busy(0, false).trace == seeded);
    assert_true(run_busy(0, true).trace == shuffled);
    assert_true(run_busy(9, true).trace != shuffled); /* an option comes first */
    set_env("12345", "1");
    assert_true(run_busy(0, false).trace == shuffled);
    set_env(NULL, "1");
    assert_true(run_busy(0, false).trace == unseeded);
    assert_true(run_busy(12345, false).trace == shuffled);
    set_env("0", "0");
    assert_true(run_busy(0, false).trace == plain);
    set_env("", "");
    assert_true(run_busy(0, false).trace == plain);
    assert_true(aw_loop_trace(NULL) == 0);
}

static int take_trace_of(void *arg, double seconds)
{
    for (int i = 0; i < 3; i++)
        AW_TRY(aw_sleep(seconds));
    *(uint64_t *)arg = aw_loop_trace(aw_running_loop());
    return 0;
}

static int take_trace(void *arg)
{
    return take_trace_of(arg, 1);
}

static int take_slower_trace(void *arg)
{
    return take_trace_of(arg, 1.000000001);
}

/* The same steps at other times are another run. */
TEST(testing_trace_has_the_times)
{
    uint64_t traces[2];
    assert_int_equal(aw_run(take_trace, &traces[0], .seed = 5), 0);
    assert_int_equal(aw_run(take_slower_trace, &traces[1], .seed = 5), 0);
    assert_true(traces[0] != traces[1]);
}

/* Loops and runners take the same options. */

TEST(testing_seeds_of_loops_and_runners)
{
    uint64_t traces[3];
    assert_int_equal(aw_run(take_trace, &traces[0], .seed = 5, .shuffle = true), 0);
    aw_runner *r = aw_runner_new(.seed = 5, .shuffle = true);
    assert_int_equal(aw_runner_run(r, take_trace, &traces[1]), 0);
    aw_loop *l = aw_loop_new(.seed = 5, .shuffle = true);
    aw_task *t = aw_create_task(take_trace, &traces[2], .loop = l);
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    assert_true(traces[0] && traces[0] == traces[1] && traces[0] == traces[2]);
    assert_true(aw_loop_trace(l) != traces[2]); /* a step more: the end of the task */
    aw_unref(t);
    aw_loop_free(l);
    aw_runner_free(r);
}
