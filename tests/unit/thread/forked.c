/*
 * The child of a fork, in a program with a loop thread, a pool and a channel at work: each call on
 * what is the parent's is refused, and the child's exit neither hangs nor reaches over.
 */
#include "util.h"

#include <semaphore.h>

/* What the parent has; everything is busy when it forks. */
static struct {
    aw_loop_thread *lt;
    aw_loop *loop;
    aw_executor *pool;
    aw_channel *full, *empty;
    aw_cfuture *submitted, *running, *queued;
    flag going;
    sem_t begun, go_on;
} parent;

static int stand_still(void *arg)
{
    sem_post(&parent.begun);
    sem_wait(&parent.go_on);
    return (int)(intptr_t)arg;
}

static void begin_everything(void)
{
    sem_init(&parent.begun, 0, 0);
    sem_init(&parent.go_on, 0, 0);
    parent.lt = start_loop();
    parent.loop = aw_loop_thread_loop(parent.lt);
    parent.pool = aw_thread_pool(.max_workers = 1);
    parent.full = aw_channel_new(1);
    parent.empty = aw_channel_new(1);
    assert_int_equal(aw_channel_send(parent.full, NULL), 0);
    parent.submitted = aw_submit(parent.loop, signal_and_sleep, &parent.going);
    parent.running = aw_executor_submit(parent.pool, stand_still, INT(3));
    parent.queued = aw_executor_submit(parent.pool, give, INT(4));
    wait_flag(&parent.going);
    sem_wait(&parent.begun);
}

/* All of it is as it was: the child has not disturbed it. */
static void end_everything(void)
{
    void *item = &parent;
    assert_false(aw_cfuture_done(parent.submitted));
    assert_int_equal(aw_cfuture_result(aw_submit(parent.loop, give, INT(9)), 5), 9);
    sem_post(&parent.go_on);
    assert_int_equal(aw_cfuture_join(parent.running, 5), 3);
    assert_int_equal(aw_cfuture_join(parent.queued, 5), 4);
    assert_int_equal(aw_executor_free(parent.pool), 0);
    assert_int_equal(aw_channel_recv(parent.full, &item), 0);
    assert_null(item);
    assert_int_equal(aw_channel_count(parent.empty), 0);
    stop_loop(parent.lt);
    assert_int_equal(aw_cfuture_join(parent.submitted, 5), -ECANCELED);
    aw_channel_unref(parent.full);
    aw_channel_unref(parent.empty);
}

/* ---- every call ---- */

static _Atomic int released;

static int refusal(const void *made)
{
    return made ? 0 : aw_errno();
}

static int call_node(void)
{
    static aw_inbox_node node;
    return aw_call_soon_threadsafe_node(parent.loop, &node, do_nothing, NULL);
}

static int next_completed(void)
{
    unsigned char seen[1] = {0};
    return aw_cfuture_next_completed(&parent.submitted, 1, seen, INFINITY);
}

static int note_nothing(aw_cfuture *f, void *arg)
{
    (void)f, (void)arg;
    return 0;
}

static int map_one(void)
{
    return aw_executor_map(parent.pool, give, &(void *){NULL}, 1);
}

static int receive_into(int (*receive)(aw_channel *ch, void **ret))
{
    void *item;
    return receive(parent.full, &item);
}

static int receive_waiting(aw_channel *ch, void **ret)
{
    return aw_channel_recv(ch, ret);
}

#define CALL(name_, expr)                                                                          \
    static int call_##name_(void)                                                                  \
    {                                                                                              \
        return (expr);                                                                             \
    }
#define RELEASED (void *)&released, .release = count_release
CALL(soon, aw_call_soon_threadsafe(parent.loop, do_nothing, NULL))
CALL(submit, refusal(aw_submit(parent.loop, do_nothing, RELEASED)))
CALL(submit_ready, refusal(aw_submit_ready(parent.loop, do_nothing, RELEASED)))
CALL(result, aw_cfuture_result(parent.submitted, INFINITY))
CALL(result_of_job, aw_cfuture_result(parent.running, INFINITY))
CALL(join, aw_cfuture_join(parent.submitted, INFINITY))
CALL(join_job, aw_cfuture_join(parent.queued, INFINITY))
CALL(wait, aw_cfuture_wait(&parent.running, 1, AW_ALL_COMPLETED, INFINITY))
CALL(callback, aw_cfuture_add_done_callback(parent.queued, note_nothing, NULL))
CALL(stop, aw_loop_thread_stop(parent.lt))
CALL(run, aw_loop_run_forever(parent.loop))
CALL(close, aw_loop_close(parent.loop))
CALL(set_executor, aw_loop_set_default_executor(parent.loop, parent.pool))
CALL(execute, refusal(aw_executor_submit(parent.pool, do_nothing, RELEASED)))
CALL(shutdown, aw_executor_shutdown(parent.pool, .wait = true, .cancel_futures = true))
CALL(free, aw_executor_free(parent.pool))
CALL(max_workers, aw_executor_max_workers(parent.pool))
CALL(threads, aw_executor_threads(parent.pool))
CALL(queued, aw_executor_queued(parent.pool))
CALL(send, aw_channel_send(parent.full, NULL))
CALL(recv, receive_into(receive_waiting))
CALL(try_send, aw_channel_try_send(parent.empty, NULL))
CALL(try_recv, receive_into(aw_channel_try_recv))
CALL(close_channel, aw_channel_close(parent.empty, .immediate = true))
CALL(count, aw_channel_count(parent.full))
CALL(capacity, aw_channel_capacity(parent.full))

#define ROW(name_)                                                                                 \
    {                                                                                              \
#name_, call_##name_                                                                       \
    }
static const struct {
    const char *name;
    int (*call)(void);
} calls[] = {
    ROW(soon),        ROW(node),         ROW(submit),        ROW(submit_ready),
    ROW(result),      ROW(join),         ROW(result_of_job), ROW(join_job),
    ROW(wait),        ROW(callback),     ROW(stop),          ROW(run),
    ROW(close),       ROW(set_executor), ROW(execute),       ROW(shutdown),
    ROW(free),        ROW(threads),      ROW(max_workers),   ROW(queued),
    ROW(send),        ROW(recv),         ROW(try_send),      ROW(close_channel),
    ROW(count),       ROW(capacity),     ROW(try_recv),      {"next_completed", next_completed},
    {"map", map_one},
};

static void call_everything(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        int err = calls[i].call();
        if (err != AW_EFORKED)
            printf("%s: %s\n", calls[i].name, aw_error_name(err));
    }
    assert_int_equal(released, 0);
    end_child();
}

TEST_REAL_CLOCK(forked_child_is_refused_every_call)
{
    struct child_result r;
    begin_everything();
    run_child(&r, call_everything, NULL);
    assert_string_equal(r.out, "");
    assert_string_equal(r.err, "");
    assert_true(child_exited(&r, 0));
    end_everything();
}

/* What only asks, or gives a handle up, is harmless. */
static void let_go_of_everything(void *arg)
{
    (void)arg;
    assert_false(aw_cfuture_done(parent.submitted) || aw_cfuture_cancelled(parent.queued));
    assert_true(aw_cfuture_running(parent.running));
    assert_false(aw_cfuture_cancel(parent.submitted) || aw_cfuture_cancel(parent.queued));
    assert_int_equal(aw_cfuture_wait(&parent.running, 1, AW_ALL_COMPLETED, 0), 0);
    assert_ptr_equal(aw_loop_thread_loop(parent.lt), parent.loop);
    assert_false(aw_channel_closed(parent.full));
    aw_executor_unref(aw_executor_ref(parent.pool));
    aw_cfuture_unref(parent.submitted);
    aw_cfuture_unref(parent.queued);
    aw_cfuture_unref(parent.running);
    aw_executor_unref(parent.pool);
    aw_channel_unref(parent.full);
    aw_channel_unref(parent.empty);
    end_child();
}

TEST_REAL_CLOCK(forked_child_may_let_go)
{
    struct child_result r;
    begin_everything();
    run_child(&r, let_go_of_everything, NULL);
    assert_string_equal(r.err, "");
    assert_true(child_exited(&r, 0));
    end_everything();
}

/* ---- its exit ---- */

static void only_exit(void *arg)
{
    (void)arg;
    end_child();
}

TEST_REAL_CLOCK(forked_child_ends_at_once)
{
    struct child_result r;
    begin_everything();
    for (int i = 0; i < 3; i++) {
        double began = now();
        run_child(&r, only_exit, NULL);
        assert_string_equal(r.err, "");
        assert_true(child_exited(&r, 0));
        assert_true(now() - began < 3);
    }
    end_everything();
}

/* ---- a life of its own ---- */

/* In a loop of the child's, the parent's work cannot be awaited either. */
static int await_the_parents(void *arg)
{
    (void)arg;
    assert_null(aw_wrap_future(parent.submitted));
    assert_int_equal(aw_errno(), AW_EFORKED);
    assert_null(aw_wrap_future(parent.queued));
    assert_int_equal(aw_errno(), AW_EFORKED);
    assert_null(aw_run_in_executor(parent.pool, give, NULL));
    assert_int_equal(aw_errno(), AW_EFORKED);
    assert_int_equal(aw_loop_set_default_executor(aw_running_loop(), parent.pool), 0);
    return aw_to_thread(give, NULL);
}

static void begin_anew(void *arg)
{
    (void)arg;
    assert_int_equal(aw_run(await_the_parents, NULL), AW_EFORKED);
    aw_channel *ch = aw_channel_new(1);
    assert_int_equal(aw_channel_send(ch, NULL), 0);
    aw_channel_unref(ch);
    end_child();
}

/* Threads cannot be made in the child of a program with threads under ThreadSanitizer. */
static void begin_threads_anew(void *arg)
{
    (void)arg;
    aw_loop_thread *lt = start_loop();
    aw_executor *pool = aw_thread_pool(.max_workers = 1);
    assert_int_equal(aw_cfuture_join(aw_submit(aw_loop_thread_loop(lt), give, INT(1)), 5), 1);
    assert_int_equal(aw_cfuture_join(aw_executor_submit(pool, give, INT(2)), 5), 2);
    assert_int_equal(aw_executor_free(pool), 0);
    stop_loop(lt);
}

TEST_REAL_CLOCK(forked_child_has_a_life_of_its_own)
{
    struct child_result r;
    begin_everything();
    run_child(&r, begin_anew, NULL);
    assert_string_equal(r.err, "");
    assert_true(child_exited(&r, 0));
    if (!test_is_instrumented()) {
        run_child(&r, begin_threads_anew, NULL);
        assert_string_equal(r.err, "");
        assert_true(child_exited(&r, 0));
    }
    end_everything();
}
