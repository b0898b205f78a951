/*
 * threads.c - what crossing threads costs: callbacks and coroutines handed to a loop, and blocking
 * work handed out by one.
 *
 * The main thread is the foreign one; the loop runs in a thread of its own.  Rates count from the
 * first submission to the end of the last one's work.
 */
#include <await.h>
#include <math.h>

#include "bench/bench.h"

static aw_loop *loop_of(aw_loop_thread *lt)
{
    return aw_loop_thread_loop(lt);
}

static int failed(const char *what)
{
    fprintf(stderr, "%s: %s %s\n", what, aw_strerror(aw_errno()), aw_errmsg());
    return -1;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- callbacks from a foreign thread ---- */

struct countdown {
    size_t left;
    aw_cfuture *over;
};

static int count(void *arg)
{
    struct countdown *c = arg;
    if (--c->left == 0)
        return aw_cfuture_set_result(c->over, 0, NULL);
    return 0;
}

static int call_with_nodes(aw_loop *l, struct countdown *c, aw_inbox_node *nodes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (aw_call_soon_threadsafe_node(l, &nodes[i], count, c) < 0)
            return failed("callback");
    return 0;
}

static int call_allocating(aw_loop *l, struct countdown *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (aw_call_soon_threadsafe(l, count, c) < 0)
            return failed("callback");
    return 0;
}

/* n callbacks, and wait for the last one.  Without nodes they are allocated. */
static int callbacks(aw_loop *l, aw_inbox_node *nodes, size_t n)
{
    struct countdown c = {n, aw_cfuture_new()};
    if (!c.over)
        return failed("future");
    int err = nodes ? call_with_nodes(l, &c, nodes, n) : call_allocating(l, &c, n);
    return err < 0 ? err : aw_cfuture_join(c.over, INFINITY);
}

static int run_callbacks(const char *name, bool own_nodes)
{
    const size_t n = bench_count(1000000, 1);
    aw_inbox_node *nodes = own_nodes ? calloc(n, sizeof *nodes) : NULL;
    aw_loop_thread *lt = aw_loop_thread_start(.name = "bench");
    if (!lt || (own_nodes && !nodes))
        return failed("start");
    int err = callbacks(loop_of(lt), nodes, n);
    double began = bench_now();
    if (err == 0)
        err = callbacks(loop_of(lt), nodes, n);
    bench_say_rate(name, began, (double)n);
    aw_ignore(aw_loop_thread_stop(lt));
    free(nodes);
    return err;
}

static int run_callbacks_node(void)
{
    return run_callbacks("callbacks-node", true);
}

static int run_callbacks_alloc(void)
{
    return run_callbacks("callbacks-alloc", false);
}

/* ---- coroutines from a foreign thread ---- */

/* n coroutines, IN_FLIGHT of them at a time; the result of each is asked for. */
static int submit_and_collect(aw_loop *l, size_t n)
{
    enum { IN_FLIGHT = 1000 };
    static aw_cfuture *fs[IN_FLIGHT];
    for (size_t i = 0; i < n + IN_FLIGHT; i++) {
        aw_cfuture **f = &fs[i % IN_FLIGHT];
        if (i >= IN_FLIGHT && i - IN_FLIGHT < n) {
            AW_TRY(aw_cfuture_result(*f, INFINITY));
            aw_cfuture_unref(*f);
        }
        if (i < n && !(*f = aw_submit(l, nothing, NULL)))
            return failed("submit");
    }
    return 0;
}

static int run_submit_collect(void)
{
    const size_t n = bench_count(300000, 1);
    aw_loop_thread *lt = aw_loop_thread_start(.name = "bench");
    if (!lt)
        return failed("start");
    int err = submit_and_collect(loop_of(lt), n / 4);
    double began = bench_now();
    if (err == 0)
        err = submit_and_collect(loop_of(lt), n);
    bench_say_rate("submit-collect", began, (double)n);
    aw_ignore(aw_loop_thread_stop(lt));
    return err;
}

static int submit_and_wait(const char *name, aw_loop *l, size_t n)
{
    double *took = malloc(n * sizeof *took);
    if (!took)
        return failed("memory");
    for (size_t i = 0; i < n; i++) {
        double began = bench_now();
        aw_cfuture *f = aw_submit(l, nothing, NULL);
        if (!f || aw_cfuture_result(f, INFINITY) < 0)
            return failed("submit");
        took[i] = (bench_now() - began) * 1e6;
        aw_cfuture_unref(f);
    }
    bench_say_percentiles(name, took, n);
    free(took);
    return 0;
}

/* With the loop and the waiting thread staying awake for `spin` seconds. */
static int measure_submit_wait(const char *name, double spin)
{
    aw_loop_thread *lt = aw_loop_thread_start(.name = "bench", .spin = spin);
    if (!lt)
        return failed("start");
    int err = submit_and_wait(name, loop_of(lt), bench_count(4000, 1));
    aw_ignore(aw_loop_thread_stop(lt));
    return err;
}

static int run_submit_wait(void)
{
    return measure_submit_wait("submit-wait", 0);
}

static int run_submit_wait_spin(void)
{
    return measure_submit_wait("submit-wait-spin", 50e-6);
}

/* ---- blocking work from a loop ---- */

static int one_at_a_time(void *arg)
{
    const size_t n = *(size_t *)arg;
    AW_TRY(aw_to_thread(nothing, NULL));
    double began = bench_now();
    for (size_t i = 0; i < n; i++)
        AW_TRY(aw_to_thread(nothing, NULL));
    bench_say("to-thread", (bench_now() - began) * 1e6 / (double)n);
    return 0;
}

static int run_to_thread(void)
{
    size_t n = bench_count(4000, 1);
    return aw_run(one_at_a_time, &n) < 0 ? failed("run") : 0;
}

static int some_of_many(void *arg)
{
    for (size_t n = *(size_t *)arg; n > 0; n--)
        AW_TRY(aw_to_thread(nothing, NULL));
    return 0;
}

static int many_at_a_time(void *arg)
{
    enum { IN_FLIGHT = 64 };
    aw_work works[IN_FLIGHT];
    size_t each = *(size_t *)arg / IN_FLIGHT + 1;
    for (int i = 0; i < IN_FLIGHT; i++)
        works[i] = AW_CORO(some_of_many, &each);
    double began = bench_now();
    AW_TRY(aw_gather_array(works, IN_FLIGHT));
    bench_say_rate("to-thread-64", began, (double)(each * IN_FLIGHT));
    return 0;
}

static int run_to_thread_64(void)
{
    size_t n = bench_count(100000, 1);
    return aw_run(many_at_a_time, &n) < 0 ? failed("run") : 0;
}

static const struct bench_row rows[] = {
    {"callbacks-node", run_callbacks_node},     {"callbacks-alloc", run_callbacks_alloc},
    {"submit-collect", run_submit_collect},     {"submit-wait", run_submit_wait},
    {"submit-wait-spin", run_submit_wait_spin}, {"to-thread", run_to_thread},
    {"to-thread-64", run_to_thread_64},
};

BENCH_MAIN(rows)
