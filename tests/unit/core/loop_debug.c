/*
 * Slow steps in debug mode, the check of the calling thread, and task factories.
 */
#include "core/core.h"
#include "loop_record.h"

#include <math.h>
#include <pthread.h>
#include <unistd.h>

/* The reports of slow steps: how many, and the last one. */
struct slow {
    int calls;
    enum aw_report_kind kind;
    double duration;
    char fn_name[64], name[64];
};

static int note_slow(const aw_report *report, void *arg)
{
    struct slow *s = arg;
    s->calls++;
    s->kind = report->kind;
    s->duration = report->duration;
    snprintf(s->fn_name, sizeof s->fn_name, "%s", report->fn_name ? report->fn_name : "");
    snprintf(s->name, sizeof s->name, "%s", report->name ? report->name : "");
    return 0;
}

static aw_loop *watched_loop(struct slow *s, bool debug)
{
    aw_loop *l = aw_loop_new(.debug = debug);
    assert_non_null(l);
    assert_int_equal(aw_loop_set_exception_handler(l, note_slow, s), 0);
    return l;
}

/* Blocks its loop for as long as its argument says: a callback and a coroutine. */
static int block(void *arg)
{
    aw_loop_advance(aw_running_loop(), *(double *)arg);
    return 0;
}

static void call_blocking(aw_loop *l, double seconds)
{
    assert_int_equal(aw_call_soon(block, &seconds, .loop = l), 0);
    run_one_pass(l);
}

static void run_blocking_task(aw_loop *l, double seconds)
{
    aw_task *t = aw_create_task(block, &seconds, .loop = l, .name = "blocker");
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    aw_unref(t);
}

/* LOOP-023: In debug mode a callback or step of at least the limit (0.1 s) is reported. */
TEST(LOOP_023_slow_callback_in_debug_mode)
{
    struct slow s = {0};
    aw_loop *l = watched_loop(&s, true);
    assert_true(aw_loop_debug(l));
    call_blocking(l, 0.099);
    assert_int_equal(s.calls, 0);
    call_blocking(l, 0.1);
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.kind, AW_REPORT_SLOW);
    assert_seconds(s.duration, 0.1);
    assert_string_equal(s.fn_name, "block");
    assert_int_equal(aw_call_later(1, block, &(double){3}, .loop = l), 0);
    run_for(l, 2);
    assert_int_equal(s.calls, 2);
    assert_seconds(s.duration, 3);
    aw_loop_free(l);
}

TEST(LOOP_023_slow_task_step_in_debug_mode)
{
    struct slow s = {0};
    aw_loop *l = watched_loop(&s, true);
    run_blocking_task(l, 0.05);
    assert_int_equal(s.calls, 0);
    run_blocking_task(l, 0.25);
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.kind, AW_REPORT_SLOW);
    assert_seconds(s.duration, 0.25);
    assert_string_equal(s.fn_name, "block");
    assert_string_equal(s.name, "blocker");
    aw_loop_free(l);
}

/* Blocks in its second and fourth step, and sleeps much longer, which is no blocking. */
static int block_between_sleeps(void *arg)
{
    AW_TRY(aw_sleep(10));
    block(arg);
    AW_TRY(aw_sleep(0));
    AW_TRY(aw_sleep(10));
    return block(arg);
}

TEST(LOOP_023_each_step_counts_by_itself)
{
    struct slow s = {0};
    double seconds = 0.2;
    aw_loop *l = watched_loop(&s, true);
    aw_task *t = aw_create_task(block_between_sleeps, &seconds, .loop = l);
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    assert_int_equal(s.calls, 2);
    assert_seconds(s.duration, 0.2);
    aw_unref(t);
    aw_loop_free(l);
}

TEST(LOOP_023_nothing_outside_debug_mode)
{
    struct slow s = {0};
    aw_loop *l = watched_loop(&s, false);
    assert_false(aw_loop_debug(l));
    call_blocking(l, 10);
    run_blocking_task(l, 10);
    assert_int_equal(s.calls, 0);
    aw_loop_set_debug(l, true);
    call_blocking(l, 10);
    assert_int_equal(s.calls, 1);
    aw_loop_set_debug(l, false);
    call_blocking(l, 10);
    assert_int_equal(s.calls, 1);
    aw_loop_free(l);
}

TEST(LOOP_023_the_limit_can_be_set)
{
    struct slow s = {0};
    aw_loop *l = watched_loop(&s, true);
    assert_int_equal(aw_loop_set_slow_step(l, 0.5), 0);
    call_blocking(l, 0.499);
    run_blocking_task(l, 0.499);
    assert_int_equal(s.calls, 0);
    call_blocking(l, 0.5);
    run_blocking_task(l, 0.5);
    assert_int_equal(s.calls, 2);
    assert_int_equal(aw_loop_set_slow_step(l, -1), -EINVAL);
    assert_int_equal(aw_loop_set_slow_step(l, (double)NAN), -EINVAL);
    assert_int_equal(aw_loop_set_slow_step(l, (double)INFINITY), 0);
    call_blocking(l, 1e6);
    assert_int_equal(s.calls, 2);
    aw_loop_free(l);
}

TEST(loop_debug_mode_by_the_environment)
{
    static const struct {
        const char *value;
        bool debug;
    } cases[] = {{"1", true}, {"yes", true}, {"0", false}, {"", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        setenv("AWAIT_DEBUG", cases[i].value, 1);
        aw_loop *l = new_loop();
        assert_int_equal(aw_loop_debug(l), cases[i].debug);
        aw_loop_free(l);
    }
    unsetenv("AWAIT_DEBUG");
}

/* What another thread is answered when it uses a loop that is running, or what belongs to it. */
struct stranger {
    aw_loop *loop;
    aw_future *future;
    aw_task *task;
    int pipe[2];
    int soon, later, at, reader, create, spawn, new_future, set, result, add, run, stop, close;
    bool cancel, remove;
    char message[256];
};

static int never(void *arg)
{
    (void)arg;
    fail_msg("this was not to run");
    return 0;
}

static int never_done(aw_future *f, void *arg)
{
    (void)f;
    return never(arg);
}

static void use_callbacks(struct stranger *s)
{
    s->soon = aw_call_soon(never, NULL, .loop = s->loop);
    snprintf(s->message, sizeof s->message, "%s", aw_errmsg());
    s->later = aw_call_later(0, never, NULL, .loop = s->loop);
    s->at = aw_call_at(0, never, NULL, .loop = s->loop);
    s->reader = aw_add_reader(s->pipe[0], never, NULL, .loop = s->loop);
    s->remove = aw_remove_reader(s->loop, s->pipe[0]);
    s->run = aw_loop_run_forever(s->loop);
    s->stop = aw_loop_stop(s->loop);
    s->close = aw_loop_close(s->loop);
}

static void use_futures(struct stranger *s)
{
    s->create = aw_create_task(never, NULL, .loop = s->loop) ? 1 : aw_errno();
    s->spawn = aw_spawn(never, NULL, .loop = s->loop);
    s->new_future = aw_future_new(.loop = s->loop) ? 1 : aw_errno();
    s->set = aw_set_result(s->future, 1, NULL);
    s->result = aw_result(s->future);
    s->add = aw_add_done_callback(s->future, never_done, NULL);
    s->cancel = aw_cancel(s->task);
}

static void *be_a_stranger(void *arg)
{
    struct stranger *s = arg;
    use_callbacks(s);
    use_futures(s);
    assert_int_equal(write(s->pipe[1], "x", 1), 1);
    return NULL;
}

/* Blocks on the pipe while the other thread tries everything. */
static int host(void *arg)
{
    struct stranger *s = arg;
    pthread_t thread;
    char c;
    s->task = aw_current_task();
    s->future = aw_future_new();
    assert_int_equal(pthread_create(&thread, NULL, be_a_stranger, s), 0);
    ssize_t n = aw_read(s->pipe[0], &c, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(n, 1);
    assert_false(aw_done(s->future));
    aw_unref(s->future);
    return 0;
}

static struct stranger host_a_stranger(bool debug)
{
    struct stranger s = {.cancel = true, .remove = true};
    assert_int_equal(pipe(s.pipe), 0);
    s.loop = aw_loop_new(.debug = debug);
    aw_task *t = aw_create_task(host, &s, .loop = s.loop);
    assert_int_equal(aw_loop_run_until_complete(s.loop, t), 0);
    aw_unref(t);
    aw_loop_free(s.loop);
    close(s.pipe[0]);
    close(s.pipe[1]);
    return s;
}

/* LOOP-024: Calls from another thread than the one that runs the loop give AW_ETHREAD, always. */
TEST_REAL_CLOCK(LOOP_024_calls_from_another_thread)
{
    for (int debug = 0; debug < 2; debug++) {
        struct stranger s = host_a_stranger(debug);
        assert_int_equal(s.soon, AW_ETHREAD);
        assert_int_equal(s.later, AW_ETHREAD);
        assert_int_equal(s.at, AW_ETHREAD);
        assert_true(s.message[0] != '\0');
    }
}

TEST_REAL_CLOCK(LOOP_024_everything_else_from_another_thread)
{
    struct stranger s = host_a_stranger(false);
    assert_int_equal(s.reader, AW_ETHREAD);
    assert_false(s.remove);
    assert_int_equal(s.create, AW_ETHREAD);
    assert_int_equal(s.spawn, AW_ETHREAD);
    assert_int_equal(s.new_future, AW_ETHREAD);
    assert_int_equal(s.set, AW_ETHREAD);
    assert_int_equal(s.result, AW_ETHREAD);
    assert_int_equal(s.add, AW_ETHREAD);
    assert_false(s.cancel);
    assert_int_equal(s.stop, AW_ETHREAD);
    assert_true(s.run == AW_EMISUSE || s.run == AW_ETHREAD);
    assert_true(s.close == AW_EMISUSE || s.close == AW_ETHREAD);
}

/* The message names both threads. */
TEST_REAL_CLOCK(LOOP_024_message_names_both_threads)
{
    struct stranger s = host_a_stranger(false);
    char own[32];
    snprintf(own, sizeof own, "%ld", aw_thread_id());
    assert_non_null(strstr(s.message, own));
    char *digits = strpbrk(s.message, "0123456789");
    assert_true(strtol(digits, &digits, 10) > 0);
    digits = strpbrk(digits, "0123456789");
    assert_non_null(digits);
}

static void *run_in_thread(void *arg)
{
    aw_loop *l = arg;
    run_for(l, 0.001);
    return NULL;
}

TEST(loop_one_loop_may_run_in_one_thread_after_the_other)
{
    struct record r = {""};
    struct mark m[] = {{&r, "here"}, {&r, "there"}, {&r, "here again"}};
    aw_loop *l = new_loop();
    pthread_t thread;
    assert_int_equal(aw_call_soon(mark, &m[0], .loop = l), 0);
    run_for(l, 1);
    assert_int_equal(aw_call_soon(mark, &m[1], .loop = l), 0);
    assert_int_equal(pthread_create(&thread, NULL, run_in_thread, l), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(aw_call_soon(mark, &m[2], .loop = l), 0);
    run_for(l, 1);
    assert_record(r, "here there here again");
    aw_loop_free(l);
}

/* A factory that counts, and can refuse. */
struct factory {
    int calls;
    bool refuse;
    aw_loop *loop;
    char fn_name[64];
};

static aw_task *make_task(aw_fn *fn, const aw_task_opts *opts, void *arg)
{
    struct factory *f = arg;
    f->calls++;
    f->loop = opts->loop;
    snprintf(f->fn_name, sizeof f->fn_name, "%s", opts->fn_name ? opts->fn_name : "");
    return f->refuse ? aw_refuse(-EAGAIN, "no more tasks today") : aw_create_task_default(fn, opts);
}

static int make_children(void *arg)
{
    struct record *r = arg;
    struct mark a = {r, "a"}, b = {r, "b"}, c = {r, "c"}, d = {r, "d"};
    AW_TRY(aw_join(aw_create_task(mark, &a)));
    AW_TRY(aw_gather(AW_CORO(mark, &b), AW_CORO(mark, &c)));
    AW_TRY(aw_spawn(mark, &d));
    return aw_sleep(0);
}

/* LOOP-027: A task factory makes the loop's tasks; set back to NULL, the default does again. */
TEST(LOOP_027_task_factory)
{
    struct record r = {""};
    struct factory f = {0};
    aw_loop *l = new_loop();
    assert_int_equal(aw_loop_set_task_factory(l, make_task, &f), 0);
    aw_task *t = aw_create_task(make_children, &r, .loop = l);
    assert_int_equal(f.calls, 1);
    assert_string_equal(f.fn_name, "make_children");
    assert_ptr_equal(f.loop, l);
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    aw_unref(t);
    assert_record(r, "a b c d");
    assert_int_equal(f.calls, 5);
    assert_ptr_equal(f.loop, l);
    assert_int_equal(aw_loop_set_task_factory(l, NULL, NULL), 0);
    t = aw_create_task(make_children, &r, .loop = l);
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    assert_int_equal(f.calls, 5);
    aw_unref(t);
    assert_int_equal(aw_loop_set_task_factory(NULL, make_task, &f), -EINVAL);
    aw_loop_free(l);
}

TEST(LOOP_027_task_factory_that_refuses)
{
    struct factory f = {.refuse = true};
    aw_loop *l = new_loop();
    assert_int_equal(aw_loop_set_task_factory(l, make_task, &f), 0);
    assert_null(aw_create_task(never, NULL, .loop = l));
    assert_int_equal(aw_errno(), -EAGAIN);
    assert_string_equal(aw_errmsg(), "no more tasks today");
    assert_int_equal(aw_spawn(never, NULL, .loop = l), -EAGAIN);
    f.refuse = false;
    assert_int_equal(aw_loop_set_task_factory(l, NULL, NULL), 0);
    aw_loop_free(l);
}

/* ---- the backend ---- */

static int no_ring(struct io_uring *ring, unsigned entries, struct io_uring_params *params)
{
    (void)ring;
    (void)entries;
    (void)params;
    return -EPERM;
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Runs something with standard error in a file, and returns what was written there. */
static const char *said_by(bool debug)
{
    static char text[512];
    FILE *file = tmpfile();
    int before = dup(STDERR_FILENO);
    assert_non_null(file);
    fflush(stderr);
    dup2(fileno(file), STDERR_FILENO);
    int err = aw_run(do_nothing, NULL, .debug = debug);
    dup2(before, STDERR_FILENO);
    close(before);
    assert_int_equal(err, 0);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

/* Why it is not the best one is told in debug mode, and only there. */
TEST(loop_debug_mode_tells_why_the_backend_is_not_the_best)
{
    struct aw_sys_table real = aw_sys;
    unsetenv("AWAIT_BACKEND");
    unsetenv("AWAIT_DEBUG");
    if (!real.ring_open)
        SKIP("built without io_uring");
    aw_sys.ring_open = no_ring;
    assert_string_equal(said_by(false), "");
    assert_string_equal(said_by(true), "await: the loop uses epoll: io_uring is forbidden here\n");
    aw_sys = real;
}
