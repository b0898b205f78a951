/*
 * Callbacks from any thread: they wake the loop, and keep the order in which they were made.
 */
#include "util.h"

/* ---- waking ---- */

struct wakening {
    aw_loop *loop;
    flag called;
    double at;
};

static int note_time(void *arg)
{
    struct wakening *w = arg;
    w->at = now();
    raise_flag(&w->called);
    return 0;
}

/* THR-001: A callback handed over by another thread wakes a loop that waits in its poll, and runs
 * without waiting for any timer. */
TEST_REAL_CLOCK(THR_001_a_sleeping_loop_is_woken)
{
    aw_loop_thread *lt = start_loop();
    struct wakening w = {.loop = aw_loop_thread_loop(lt)};
    for (int i = 0; i < 20; i++) {
        pause_ms(5); /* it sleeps by now */
        double before = now();
        atomic_store(&w.called.up, 0);
        assert_int_equal(aw_call_soon_threadsafe(w.loop, note_time, &w), 0);
        wait_flag(&w.called);
        assert_true(w.at - before < 2);
    }
    stop_loop(lt);
}

static int wait_for_timer(void *arg)
{
    raise_flag(arg);
    return aw_sleep(3600);
}

TEST_REAL_CLOCK(THR_001_no_timer_is_waited_for)
{
    aw_loop_thread *lt = start_loop();
    flag began = {0};
    struct wakening w = {.loop = aw_loop_thread_loop(lt)};
    aw_cfuture *f = aw_submit(w.loop, wait_for_timer, &began);
    wait_flag(&began);
    pause_ms(5);
    double before = now();
    assert_int_equal(aw_call_soon_threadsafe(w.loop, note_time, &w), 0);
    wait_flag(&w.called);
    assert_true(w.at - before < 2);
    assert_true(aw_cfuture_cancel(f));
    aw_cfuture_unref(f);
    stop_loop(lt);
}

/* Also before the loop has run for the first time, and between two runs. */
TEST_REAL_CLOCK(inbox_of_a_loop_that_does_not_run_is_kept)
{
    aw_loop *l = aw_loop_new();
    _Atomic int calls = 0;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(aw_call_soon_threadsafe(l, count_up, &calls), 0);
        assert_int_equal(aw_call_soon_threadsafe(l, stop_running_loop, NULL), 0);
        assert_int_equal(calls, i - 1);
        assert_int_equal(aw_loop_run_forever(l), 0);
        assert_int_equal(calls, i);
    }
    aw_loop_free(l);
}

/* ---- order ---- */

static char trace[64];

static int note(void *arg)
{
    size_t n = strlen(trace);
    assert_true(n + 1 < sizeof trace);
    trace[n] = *(const char *)arg;
    return 0;
}

static void *hand_over(void *arg)
{
    assert_int_equal(aw_call_soon_threadsafe(arg, note, "t"), 0);
    return NULL;
}

static int after_a_thread(void *arg)
{
    (void)arg;
    end_thread(start_thread(hand_over, aw_running_loop()));
    AW_TRY(aw_call_soon(note, "s"));
    AW_TRY(aw_sleep(0));
    AW_TRY(aw_sleep(0));
    return 0;
}

/* THR-002: A callback that was handed over comes before one that is scheduled with call-soon
 * afterwards, be it from another thread or from the same one. */
TEST(THR_002_another_thread_was_first)
{
    assert_int_equal(aw_run(after_a_thread, NULL), 0);
    assert_string_equal(trace, "ts");
}

static int note_task(void *arg)
{
    return note(arg);
}

static int mixed(void *arg)
{
    (void)arg;
    aw_loop *l = aw_running_loop();
    AW_TRY(aw_call_soon(note, "1"));
    AW_TRY(aw_call_soon_threadsafe(l, note, "2"));
    AW_TRY(aw_call_soon(note, "3"));
    AW_TRY(aw_call_soon_threadsafe(l, note, "4"));
    AW_TRY(aw_call_soon_threadsafe(l, note, "5"));
    aw_task *t = aw_create_task(note_task, "6");
    AW_TRY(aw_call_soon(note, "7"));
    AW_TRY(aw_call_soon_threadsafe(l, note, "8"));
    AW_TRY(aw_join(t));
    AW_TRY(aw_sleep(0));
    return 0;
}

TEST(THR_002_from_the_loops_own_thread)
{
    assert_int_equal(aw_run(mixed, NULL), 0);
    assert_string_equal(trace, "12345678");
}

/* ---- nodes ---- */

static int use_again(void *arg);

struct reuse {
    aw_loop *loop;
    aw_inbox_node node;
    int calls;
    flag done;
};

static int use_again(void *arg)
{
    struct reuse *r = arg;
    if (++r->calls == 1000)
        raise_flag(&r->done);
    else
        assert_int_equal(aw_call_soon_threadsafe_node(r->loop, &r->node, use_again, r), 0);
    return 0;
}

TEST_REAL_CLOCK(inbox_node_is_free_when_its_callback_is_called)
{
    aw_loop_thread *lt = start_loop();
    struct reuse r = {.loop = aw_loop_thread_loop(lt)};
    assert_int_equal(aw_call_soon_threadsafe_node(r.loop, &r.node, use_again, &r), 0);
    wait_flag(&r.done);
    stop_loop(lt);
    assert_int_equal(r.calls, 1000);
}

TEST_REAL_CLOCK(inbox_nodes_need_no_memory)
{
    count_memory();
    aw_loop_thread *lt = start_loop();
    aw_loop *l = aw_loop_thread_loop(lt);
    aw_inbox_node nodes[100];
    _Atomic int calls = 0;
    no_memory = true;
    for (int i = 0; i < 100; i++)
        assert_int_equal(aw_call_soon_threadsafe_node(l, &nodes[i], count_up, (void *)&calls), 0);
    assert_int_equal(aw_call_soon_threadsafe(l, count_up, (void *)&calls), -ENOMEM);
    wait_until(calls == 100);
    no_memory = false;
    stop_loop(lt);
    assert_int_equal(calls, 100);
}

/* ---- misuse, failures ---- */

TEST(inbox_bad_arguments)
{
    aw_loop *l = aw_loop_new();
    aw_inbox_node node;
    assert_int_equal(aw_call_soon_threadsafe(NULL, note, "x"), -EINVAL);
    assert_int_equal(aw_call_soon_threadsafe(l, NULL, "x"), -EINVAL);
    assert_int_equal(aw_call_soon_threadsafe_node(NULL, &node, note, "x"), -EINVAL);
    assert_int_equal(aw_call_soon_threadsafe_node(l, NULL, note, "x"), -EINVAL);
    assert_int_equal(aw_call_soon_threadsafe_node(l, &node, NULL, "x"), -EINVAL);
    aw_loop_free(l);
}

static int fail_with_detail(void *arg)
{
    (void)arg;
    aw_refuse(-EIO, "the disk is on fire");
    return -EIO;
}

TEST_REAL_CLOCK(inbox_failing_callback_goes_to_the_loops_handler)
{
    aw_loop_thread *lt = start_reporting_loop();
    assert_int_equal(aw_call_soon_threadsafe(aw_loop_thread_loop(lt), fail_with_detail, NULL), 0);
    flush_loop(aw_loop_thread_loop(lt));
    assert_int_equal(reports.kind, AW_REPORT_CALLBACK_FAILED);
    assert_int_equal(reports.error, -EIO);
    assert_string_equal(reports.detail, "the disk is on fire");
    assert_false(pthread_equal(reports.thread, pthread_self()));
    normalise(reports.text);
    assert_string_equal(reports.text,
                        "await: a callback failed\n"
                        "  callback: test_thread+0x*\n"
                        "  error:   -EIO (input/output error): the disk is on fire\n");
    assert_reports(1);
    stop_loop(lt);
}

static int be_slow(void *arg)
{
    (void)arg;
    pause_ms(150);
    return 0;
}

TEST_REAL_CLOCK(inbox_callback_that_blocks_is_reported_in_debug_mode)
{
    aw_loop_thread *lt = aw_loop_thread_start(.debug = true, .exception_handler = collect_report);
    assert_int_equal(aw_call_soon_threadsafe(aw_loop_thread_loop(lt), be_slow, NULL), 0);
    flush_loop(aw_loop_thread_loop(lt));
    assert_int_equal(reports.kind, AW_REPORT_SLOW);
    normalise(reports.text);
    assert_non_null(strstr(reports.text, "await: a callback blocked the loop\n"
                                         "  callback: test_thread+0x*\n"
                                         "  took:    0.1"));
    assert_reports(1);
    stop_loop(lt);
}

/* ---- task-local values ---- */

static const aw_local colour = AW_LOCAL_INIT("colour", "none");

static int set_colour(void *arg)
{
    assert_string_equal(aw_local_get(&colour), "none");
    return aw_local_set(&colour, arg);
}

TEST_REAL_CLOCK(inbox_callbacks_share_no_values)
{
    aw_loop_thread *lt = start_loop();
    aw_loop *l = aw_loop_thread_loop(lt);
    assert_int_equal(aw_call_soon_threadsafe(l, set_colour, "red"), 0);
    assert_int_equal(aw_call_soon_threadsafe(l, set_colour, "blue"), 0);
    flush_loop(l);
    stop_loop(lt);
}
