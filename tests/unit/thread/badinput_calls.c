/*
 * NULL in place of every handle, durations that are no number, and a loop that is just closing:
 * each call says what is wrong, and nothing else suffers.
 *
 * Jobs that never return and callbacks that block a loop: see exec_end.c and loop_thread_*.c.
 */
#include "util.h"

/* ---- NULL ---- */

static int refusal(const void *made)
{
    return made ? 0 : aw_errno();
}

static int note_nothing(aw_cfuture *f, void *arg)
{
    (void)f, (void)arg;
    return 0;
}

#define CALL(name_, expr)                                                                          \
    static int call_##name_(void)                                                                  \
    {                                                                                              \
        return (expr);                                                                             \
    }
static aw_inbox_node node;
CALL(soon, aw_call_soon_threadsafe(NULL, do_nothing, NULL))
CALL(soon_node, aw_call_soon_threadsafe_node(NULL, &node, do_nothing, NULL))
CALL(submit, refusal(aw_submit(NULL, do_nothing, NULL)))
CALL(submit_ready, refusal(aw_submit_ready(NULL, do_nothing, NULL)))
CALL(result, aw_cfuture_result(NULL, 1))
CALL(join, aw_cfuture_join(NULL, 1))
CALL(callback, aw_cfuture_add_done_callback(NULL, note_nothing, NULL))
CALL(set_running, aw_cfuture_set_running(NULL))
CALL(set_result, aw_cfuture_set_result(NULL, 1, NULL))
CALL(set_error, aw_cfuture_set_error(NULL, -EIO, NULL))
CALL(wrap, refusal(aw_wrap_future(NULL)))
CALL(loop_of, refusal(aw_loop_thread_loop(NULL)))
CALL(execute, refusal(aw_executor_submit(NULL, do_nothing, NULL)))
CALL(map, aw_executor_map(NULL, do_nothing, &(void *){NULL}, 1))
CALL(shutdown, aw_executor_shutdown(NULL, .wait = true))
CALL(max_workers, aw_executor_max_workers(NULL))
CALL(threads, aw_executor_threads(NULL))
CALL(queued, aw_executor_queued(NULL))
CALL(set_executor, aw_loop_set_default_executor(NULL, NULL))
CALL(send, aw_channel_send(NULL, NULL))
CALL(recv, aw_channel_recv(NULL, &(void *){NULL}))
CALL(try_send, aw_channel_try_send(NULL, NULL))
CALL(try_recv, aw_channel_try_recv(NULL, &(void *){NULL}))
CALL(close_channel, aw_channel_close(NULL))
CALL(count, aw_channel_count(NULL))
CALL(capacity, aw_channel_capacity(NULL))

#define ROW(name_)                                                                                 \
    {                                                                                              \
#name_, call_##name_                                                                       \
    }
static const struct {
    const char *name;
    int (*call)(void);
} calls[] = {
    ROW(soon),        ROW(soon_node), ROW(submit),      ROW(submit_ready),  ROW(result),
    ROW(join),        ROW(callback),  ROW(set_running), ROW(set_result),    ROW(set_error),
    ROW(wrap),        ROW(loop_of),   ROW(execute),     ROW(map),           ROW(shutdown),
    ROW(max_workers), ROW(threads),   ROW(queued),      ROW(set_executor),  ROW(send),
    ROW(recv),        ROW(try_send),  ROW(try_recv),    ROW(close_channel), ROW(count),
    ROW(capacity),
};

static int call_with_null(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        int err = calls[i].call();
        if (err != -EINVAL || aw_errmsg()[0] == '\0')
            fail_msg("%s: %s (%s)", calls[i].name, aw_error_name(err), aw_errmsg());
    }
    return 0;
}

TEST(badinput_thread_calls_of_nothing)
{
    assert_int_equal(call_with_null(NULL), 0);
    assert_int_equal(aw_run(call_with_null, NULL), 0);
    assert_false(aw_cfuture_done(NULL) || aw_cfuture_running(NULL) || aw_cfuture_cancelled(NULL));
    assert_false(aw_cfuture_cancel(NULL) || aw_channel_closed(NULL));
    assert_null(aw_cfuture_value(NULL));
    assert_null(aw_cfuture_announced(NULL));
    assert_null(aw_cfuture_ref(NULL));
    assert_null(aw_channel_ref(NULL));
    assert_null(aw_executor_ref(NULL));
    aw_cfuture_unref(NULL);
    aw_channel_unref(NULL);
    aw_executor_unref(NULL);
    assert_int_equal(aw_executor_free(NULL), 0);
    assert_int_equal(aw_loop_thread_stop(NULL), 0);
}

TEST(badinput_thread_no_number_of_seconds)
{
    unsigned char seen[1] = {0};
    aw_executor *ex = aw_thread_pool(.max_workers = 1);
    aw_channel *ch = aw_channel_new(1);
    aw_cfuture *f = aw_cfuture_new();
    void *item;
    assert_int_equal(aw_cfuture_result(f, NAN), -EINVAL);
    assert_int_equal(aw_cfuture_join(f, NAN), -EINVAL);
    assert_int_equal(aw_cfuture_wait(&f, 1, AW_ALL_COMPLETED, NAN), -EINVAL);
    assert_int_equal(aw_cfuture_next_completed(&f, 1, seen, NAN), -EINVAL);
    assert_int_equal(aw_executor_shutdown(ex, .wait = true, .timeout = NAN), -EINVAL);
    assert_int_equal(aw_executor_map(ex, do_nothing, &(void *){NULL}, 1, .timeout = NAN), -EINVAL);
    assert_int_equal(aw_channel_send(ch, NULL, .timeout = NAN), -EINVAL);
    assert_int_equal(aw_channel_recv(ch, &item, .timeout = NAN), -EINVAL);
    assert_int_equal(refusal(aw_loop_thread_start(.exit_timeout = NAN)), -EINVAL);
    assert_int_equal(refusal(aw_thread_pool(.exit_timeout = NAN)), -EINVAL);
    assert_false(aw_cfuture_done(f)); /* and all of them are as they were */
    assert_int_equal(aw_channel_count(ch), 0);
    assert_int_equal(aw_cfuture_join(aw_executor_submit(ex, give, INT(3)), INFINITY), 3);
    aw_cfuture_unref(f);
    aw_channel_unref(ch);
    assert_int_equal(aw_executor_free(ex), 0);
}

/* ---- a loop that is closing ---- */

struct closing {
    aw_loop_thread *lt;
    flag going, cancelled, go_on;
    _Atomic int calls, released;
};

/* Cancelled, it cleans up until it is let go: the loop drains meanwhile. */
static int clean_up(void *arg)
{
    struct closing *c = arg;
    raise_flag(&c->going);
    int err = aw_sleep(INFINITY);
    raise_flag(&c->cancelled);
    while (!is_up(&c->go_on))
        aw_ignore(aw_sleep(0.001));
    return err;
}

static void *stop_it(void *arg)
{
    struct closing *c = arg;
    assert_int_equal(aw_loop_thread_stop(c->lt, .timeout = 30), 0);
    return NULL;
}

/* Until it is closed a loop takes callbacks, which may be what a task waits for; no coroutine is
 * begun, and each call says so. */
TEST_REAL_CLOCK(badinput_a_loop_that_is_closing)
{
    count_memory();
    struct closing c = {.lt = start_loop()};
    aw_loop *l = aw_loop_thread_loop(c.lt);
    aw_cfuture *slow = aw_submit(l, clean_up, &c);
    wait_flag(&c.going);
    pthread_t t = start_thread(stop_it, &c);
    wait_flag(&c.cancelled);
    assert_int_equal(aw_call_soon_threadsafe(l, count_up, (void *)&c.calls), 0);
    aw_cfuture *f = aw_submit(l, count_up, (void *)&c.released, .release = count_release);
    assert_int_equal(aw_cfuture_join(f, 5), -ECANCELED);
    f = aw_submit_ready(l, count_up, (void *)&c.released, .release = count_release);
    assert_null(aw_cfuture_announced(f));
    assert_int_equal(aw_cfuture_join(f, 5), -ECANCELED);
    assert_int_equal(c.calls, 1);
    assert_int_equal(c.released, 2);
    raise_flag(&c.go_on);
    end_thread(t);
    assert_int_equal(aw_cfuture_join(slow, 5), -ECANCELED);
    assert_int_equal(blocks_left(), 0);
}
