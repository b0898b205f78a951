/*
 * Handing over to a loop that closes, has closed, or belongs to the parent of this process; and
 * the callback that is the last thing a loop does.
 */
#include "util.h"

/* THR-003: Handing a callback to a closed loop fails with "misuse". */
TEST(THR_003_closed_loop)
{
    aw_loop *l = aw_loop_new();
    aw_inbox_node node;
    assert_int_equal(aw_loop_close(l), 0);
    assert_int_equal(aw_call_soon_threadsafe(l, do_nothing, NULL), AW_EMISUSE);
    assert_string_equal(aw_errmsg(), "the loop is closed");
    assert_int_equal(aw_call_soon_threadsafe_node(l, &node, do_nothing, NULL), AW_EMISUSE);
    assert_true(aw_loop_is_closed(l));
    aw_loop_free(l);
}

static aw_loop *new_closed_loop(void *arg)
{
    (void)arg;
    aw_loop *l = aw_loop_new();
    assert_int_equal(aw_loop_close(l), 0);
    return l;
}

static int set_executor(void *arg)
{
    aw_executor *ex = aw_thread_pool();
    int err = aw_loop_set_default_executor(arg, ex);
    assert_int_equal(aw_executor_free(ex), 0);
    return err;
}

TEST(LOOP_018_closed_loop_refuses_what_threads_ask)
{
    _Atomic int released = 0;
    aw_loop *l = new_closed_loop(NULL);
    assert_int_equal(aw_call_soon_threadsafe(l, do_nothing, NULL), AW_EMISUSE);
    assert_null(aw_submit(l, do_nothing, (void *)&released, .release = count_release));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_null(aw_submit_ready(l, do_nothing, (void *)&released, .release = count_release));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_int_equal(released, 0);
    assert_int_equal(set_executor(l), AW_EMISUSE);
    assert_null(aw_run_in_executor(NULL, do_nothing, NULL));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_int_equal(aw_to_thread(do_nothing, NULL), AW_EMISUSE);
    assert_int_equal(
        aw_run(do_nothing, NULL, .loop_factory = new_closed_loop, .stop_on = AW_SIGINT),
        AW_EMISUSE);
    aw_loop_free(l);
}

TEST(inbox_callbacks_of_a_closed_loop_are_not_called)
{
    count_memory();
    aw_loop *l = aw_loop_new();
    aw_inbox_node node;
    _Atomic int calls = 0;
    assert_int_equal(aw_call_soon_threadsafe(l, count_up, (void *)&calls), 0);
    assert_int_equal(aw_call_soon_threadsafe_node(l, &node, count_up, (void *)&calls), 0);
    aw_loop_free(l);
    assert_int_equal(calls, 0);
    assert_int_equal(blocks_left(), 0);
}

static int close_another(void *arg)
{
    return aw_loop_close(arg);
}

/* The loop that runs here is not the one that they were for. */
TEST(inbox_closed_from_within_another_loop)
{
    aw_loop *l = aw_loop_new();
    _Atomic int calls = 0;
    assert_int_equal(aw_call_soon_threadsafe(l, count_up, (void *)&calls), 0);
    assert_int_equal(aw_run(close_another, l), 0);
    assert_int_equal(calls, 0);
    aw_loop_free(l);
}

/* ---- the last thing a loop does ---- */

/* Runs its loop until it is stopped, and frees it. */
static void *run_and_free(void *arg)
{
    assert_int_equal(aw_loop_run_forever(arg), 0);
    aw_loop_free(arg);
    return NULL;
}

TEST_SLOW_REAL_CLOCK(inbox_push_may_be_what_frees_the_loop)
{
    for (unsigned i = 0; i < test_scale(20000, 1000); i++) {
        aw_loop *l = aw_loop_new();
        aw_inbox_node node;
        pthread_t t = start_thread(run_and_free, l);
        if (i % 3 == 0)
            pause_ms(0);
        assert_int_equal(aw_call_soon_threadsafe_node(l, &node, stop_running_loop, NULL), 0);
        end_thread(t);
    }
}

/* ---- closing against pushing ---- */

struct pushers {
    aw_loop *loop;
    _Atomic int accepted, called;
};

/* Never so many ahead that the loop could not come to its end. */
static void *push_until_closed(void *arg)
{
    struct pushers *p = arg;
    for (int refused = 0; refused < 10;) {
        if (p->accepted > p->called + 100 && !aw_loop_is_closed(p->loop)) {
            sched_yield();
            continue;
        }
        int err = aw_call_soon_threadsafe(p->loop, count_up, (void *)&p->called);
        refused += err == AW_EMISUSE;
        p->accepted += err == 0;
    }
    return NULL;
}

TEST_SLOW_REAL_CLOCK(inbox_closes_under_pushers)
{
    count_memory();
    for (unsigned round = 0; round < test_scale(100, 20); round++) {
        aw_loop *l = aw_loop_new();
        struct pushers p = {.loop = l};
        pthread_t t[4];
        for (int i = 0; i < 4; i++)
            t[i] = start_thread(push_until_closed, &p);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(aw_call_soon_threadsafe(l, stop_running_loop, NULL), 0);
            assert_int_equal(aw_loop_run_forever(l), 0);
        }
        assert_int_equal(aw_loop_close(l), 0);
        for (int i = 0; i < 4; i++)
            end_thread(t[i]);
        assert_true(p.called <= p.accepted);
        aw_loop_free(l);
    }
    assert_int_equal(blocks_left(), 0);
}

static void *look_whether_closed(void *arg)
{
    wait_until(aw_loop_is_closed(arg));
    return NULL;
}

TEST_REAL_CLOCK(inbox_any_thread_may_ask_whether_a_loop_is_closed)
{
    aw_loop *l = aw_loop_new();
    pthread_t t = start_thread(look_whether_closed, l);
    pause_ms(2);
    assert_int_equal(aw_loop_close(l), 0);
    end_thread(t);
    aw_loop_free(l);
}

/* ---- the child of a fork ---- */

static void call_from_child(void *arg)
{
    aw_inbox_node node;
    assert_int_equal(aw_call_soon_threadsafe(arg, do_nothing, NULL), AW_EFORKED);
    assert_int_equal(aw_call_soon_threadsafe_node(arg, &node, do_nothing, NULL), AW_EFORKED);
    assert_null(aw_submit(arg, do_nothing, NULL));
    assert_int_equal(aw_errno(), AW_EFORKED);
    assert_null(aw_submit_ready(arg, do_nothing, NULL));
    assert_int_equal(aw_errno(), AW_EFORKED);
    end_child();
}

TEST_REAL_CLOCK(inbox_of_the_parent_is_refused_in_a_forked_child)
{
    struct child_result r;
    aw_loop *l = aw_loop_new();
    run_child(&r, call_from_child, l);
    assert_string_equal(r.err, "");
    assert_true(child_exited(&r, 0));
    aw_loop_free(l);
}
