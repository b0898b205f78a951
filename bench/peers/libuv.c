/*
 * libuv.c - the benchmarks on libuv, which has callbacks and no coroutines.
 *
 * Callbacks from a foreign thread are what its documentation advises: a queue under a mutex, and
 * uv_async_send(), which coalesces.
 */
#include <uv.h>

#include "bench/cached.h"
#include "bench/echo.h"

static int check(int err)
{
    if (err < 0)
        fprintf(stderr, "libuv: %s\n", uv_strerror(err));
    return err;
}

static void close_all(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
}

/* ---- timers ---- */

static void nothing(uv_timer_t *timer)
{
    (void)timer;
}

static uint64_t due(size_t i)
{
    return (uint64_t)(1000 + (double)(i % 1000) * 370);
}

static int run_timers(void)
{
    const size_t present = bench_count(1000000, 1), n = bench_count(1000, 1), times = 500;
    uv_timer_t *timers = malloc((present + n) * sizeof *timers), *some = timers + present;
    uv_loop_t *loop = uv_default_loop();
    double set = 0, cancel = 0;
    if (!timers)
        return -1;
    for (size_t i = 0; i < present + n; i++)
        uv_timer_init(loop, &timers[i]);
    for (size_t i = 0; i < present; i++)
        uv_timer_start(&timers[i], nothing, due(i), 0);
    for (size_t k = 0; k < times; k++) {
        double began = bench_now();
        for (size_t i = 0; i < n; i++)
            uv_timer_start(&some[i], nothing, due(i), 0);
        double middle = bench_now();
        for (size_t i = 0; i < n; i++)
            uv_timer_stop(&some[i]);
        set += middle - began;
        cancel += bench_now() - middle;
    }
    double each = 1e9 / (double)(n * times);
    bench_say("timer-set", set * each);
    bench_say("timer-cancel", cancel * each);
    bench_say("timers", (set + cancel) * each / 2);
    return 0; /* the process ends over them */
}

/* ---- sleepers: timers, since there are no tasks ---- */

static double crowd(size_t n, double seconds, double *ret_bytes)
{
    uv_loop_t loop;
    uv_loop_init(&loop);
    double before = bench_memory(), began = bench_now();
    uv_timer_t *timers = malloc(n * sizeof *timers);
    for (size_t i = 0; timers && i < n; i++) {
        uv_timer_init(&loop, &timers[i]);
        uv_timer_start(&timers[i], nothing, (uint64_t)(seconds * 1e3), 0);
    }
    double took = bench_now() - began;
    *ret_bytes = bench_memory() - before;
    close_all(&loop);
    free(timers);
    return took;
}

static int run_sleepers(void)
{
    const size_t n = bench_count(1000000, 100);
    double bytes, ignored, start = crowd(n, (double)n * 2e-6, &bytes), used = bench_cpu();
    double warm = crowd(n, start * 1.5, &ignored);
    bench_say("sleepers-bytes", bytes / (double)n);
    bench_say("sleepers-rate", (double)n / warm / 1e3);
    bench_say("sleepers-cpu", bench_cpu() - used);
    return 0;
}

/* ---- callbacks from a foreign thread ---- */

struct call {
    struct call *next;
    void (*run)(struct call *call);
};

static uv_loop_t loop;
static uv_async_t news;
static uv_mutex_t lock;
static struct call *first, **last = &first;
static uv_sem_t over;

static void run_calls(uv_async_t *async)
{
    (void)async;
    uv_mutex_lock(&lock);
    struct call *call = first;
    first = NULL;
    last = &first;
    uv_mutex_unlock(&lock);
    for (struct call *next; call; call = next) {
        next = call->next;
        call->run(call);
    }
}

static void post(struct call *call)
{
    call->next = NULL;
    uv_mutex_lock(&lock);
    *last = call;
    last = &call->next;
    uv_mutex_unlock(&lock);
    uv_async_send(&news);
}

static void run_loop(void *arg)
{
    (void)arg;
    uv_run(&loop, UV_RUN_DEFAULT);
}

static void run_stop(struct call *call)
{
    (void)call;
    uv_close((uv_handle_t *)&news, NULL);
}

static int start(uv_thread_t *thread)
{
    if (check(uv_loop_init(&loop)) < 0 || check(uv_async_init(&loop, &news, run_calls)) < 0 ||
        check(uv_mutex_init(&lock)) < 0 || check(uv_sem_init(&over, 0)) < 0)
        return -1;
    return check(uv_thread_create(thread, run_loop, NULL));
}

static void stop(uv_thread_t *thread)
{
    static struct call call = {.run = run_stop};
    post(&call);
    uv_thread_join(thread);
    uv_loop_close(&loop);
}

static size_t left;

static void count(struct call *call)
{
    (void)call;
    if (--left == 0)
        uv_sem_post(&over);
}

static void count_and_free(struct call *call)
{
    free(call);
    count(NULL);
}

static void callbacks(struct call *calls, size_t n)
{
    left = n;
    for (size_t i = 0; i < n; i++) {
        struct call *call = calls ? &calls[i] : malloc(sizeof *call);
        if (!call)
            abort();
        call->run = calls ? count : count_and_free;
        post(call);
    }
    uv_sem_wait(&over);
}

static int run_callbacks(const char *name, struct call *calls, size_t n)
{
    uv_thread_t thread;
    if (start(&thread) < 0)
        return -1;
    callbacks(calls, n);
    double began = bench_now();
    callbacks(calls, n);
    bench_say_rate(name, began, (double)n);
    stop(&thread);
    free(calls);
    return 0;
}

static int run_callbacks_node(void)
{
    const size_t n = bench_count(1000000, 1);
    struct call *calls = calloc(n, sizeof *calls);
    return calls ? run_callbacks("callbacks-node", calls, n) : -1;
}

static int run_callbacks_alloc(void)
{
    return run_callbacks("callbacks-alloc", NULL, bench_count(1000000, 1));
}

static void answer(struct call *call)
{
    (void)call;
    uv_sem_post(&over);
}

/* A callback and a semaphore, since there are no coroutines. */
static int run_submit_wait(void)
{
    const size_t n = bench_count(4000, 1);
    double *took = malloc(n * sizeof *took);
    uv_thread_t thread;
    if (!took || start(&thread) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        struct call call = {.run = answer};
        double began = bench_now();
        post(&call);
        uv_sem_wait(&over);
        took[i] = (bench_now() - began) * 1e6;
    }
    bench_say_percentiles("submit-wait", took, n);
    stop(&thread);
    free(took);
    return 0;
}

/* ---- blocking work ---- */

static size_t jobs_left;

static void do_job(uv_work_t *work)
{
    (void)work;
}

static void job_over(uv_work_t *work, int status)
{
    size_t *times = work->data;
    (void)status;
    if (--*times > 0)
        uv_queue_work(work->loop, work, do_job, job_over);
    else
        jobs_left--;
}

static void jobs(size_t in_flight, size_t each)
{
    static uv_work_t work[64];
    static size_t times[64];
    jobs_left = in_flight;
    for (size_t i = 0; i < in_flight; i++) {
        times[i] = each;
        work[i].data = &times[i];
        uv_queue_work(uv_default_loop(), &work[i], do_job, job_over);
    }
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

static int run_to_thread(void)
{
    const size_t n = bench_count(4000, 1);
    jobs(1, 1);
    double began = bench_now();
    jobs(1, n);
    bench_say("to-thread", (bench_now() - began) * 1e6 / (double)n);
    return 0;
}

static int run_to_thread_64(void)
{
    const size_t each = bench_count(100000, 1) / 64 + 1;
    jobs(1, 1);
    double began = bench_now();
    jobs(64, each);
    bench_say_rate("to-thread-64", began, (double)(each * 64));
    return 0;
}

/* ---- cached reads ---- */

struct reader {
    uv_fs_t req;
    uint64_t state;
    size_t left;
    char block[CACHED_BLOCK];
};

static struct cached file;
static struct reader readers[CACHED_READERS];

static void read_next(uv_fs_t *req)
{
    struct reader *r = (struct reader *)req;
    uv_buf_t buf = uv_buf_init(r->block, CACHED_BLOCK);
    if (r->left < file.reads / CACHED_READERS && req->result != CACHED_BLOCK)
        abort();
    uv_fs_req_cleanup(req);
    if (r->left-- > 0)
        uv_fs_read(&loop, req, file.fd, &buf, 1, cached_next(&file, &r->state), read_next);
}

static int run_reads(void)
{
    if (cached_open(&file) < 0 || check(uv_loop_init(&loop)) < 0)
        return -1;
    for (int turn = 0; turn < 2; turn++) {
        double began = bench_now();
        for (size_t i = 0; i < CACHED_READERS; i++) {
            readers[i].left = file.reads / CACHED_READERS;
            readers[i].state = i;
            readers[i].req.result = CACHED_BLOCK;
            read_next(&readers[i].req);
        }
        uv_run(&loop, UV_RUN_DEFAULT);
        if (turn)
            bench_say_rate("reads", began, (double)file.reads);
    }
    return 0;
}

/* ---- echo: a connection has a buffer, which holds what is read until it is sent ---- */

struct client {
    uv_tcp_t tcp;
    uv_write_t write;
    char buf[ECHO_BUFFER];
};

static void client_closed(uv_handle_t *handle)
{
    free(handle);
}

static void lend_buffer(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)size;
    *buf = uv_buf_init(((struct client *)handle)->buf, ECHO_BUFFER);
}

static void written(uv_write_t *write, int status)
{
    if (check(status) < 0)
        uv_close((uv_handle_t *)write->handle, client_closed);
}

/* As its documentation advises: try at once, and queue what that leaves. */
static void echo_back(uv_stream_t *stream, ssize_t n, const uv_buf_t *got)
{
    struct client *c = (struct client *)stream;
    uv_buf_t buf = uv_buf_init(got->base, n > 0 ? (unsigned)n : 0);
    if (n < 0) {
        uv_close((uv_handle_t *)stream, client_closed);
        return;
    }
    int sent = n ? uv_try_write(stream, &buf, 1) : 0;
    if (sent == n)
        return;
    buf.base += sent > 0 ? sent : 0;
    buf.len -= sent > 0 ? (size_t)sent : 0;
    check(uv_write(&c->write, stream, &buf, 1, written));
}

static void accept_one(uv_stream_t *server, int status)
{
    struct client *c = malloc(sizeof *c);
    if (!c || check(status) < 0)
        abort();
    uv_tcp_init(server->loop, &c->tcp);
    if (check(uv_accept(server, (uv_stream_t *)&c->tcp)) < 0)
        abort();
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)&c->tcp, lend_buffer, echo_back);
}

static int serve(const char *row)
{
    struct sockaddr_in at;
    int size = sizeof at;
    uv_tcp_t server;
    uv_ip4_addr("127.0.0.1", 0, &at);
    if (check(uv_loop_init(&loop)) < 0 || check(uv_tcp_init(&loop, &server)) < 0 ||
        check(uv_tcp_bind(&server, (struct sockaddr *)&at, 0)) < 0 ||
        check(uv_listen((uv_stream_t *)&server, 1024, accept_one)) < 0 ||
        check(uv_tcp_getsockname(&server, (struct sockaddr *)&at, &size)) < 0)
        return -1;
    return echo_load(row, ntohs(at.sin_port)) < 0 ? -1 : uv_run(&loop, UV_RUN_DEFAULT);
}

/* clang-format off */
#define ECHO_RUN(name_) static int run_echo_##name_(void) { return serve("echo-" #name_); }
ECHO_ROWS(ECHO_RUN)
#define ECHO_ROW(name_) {"echo-" #name_, run_echo_##name_},
/* clang-format on */

static const struct bench_row rows[] = {
    {"timers", run_timers},
    {"sleepers", run_sleepers},
    {"callbacks-node", run_callbacks_node},
    {"callbacks-alloc", run_callbacks_alloc},
    {"submit-wait", run_submit_wait},
    {"to-thread", run_to_thread},
    {"to-thread-64", run_to_thread_64},
    {"reads", run_reads},
    ECHO_ROWS(ECHO_ROW)
};

BENCH_MAIN(rows)
