/*
 * The loop thread of the process: started by the first who asks, stopped by the last.
 */
#include "util.h"

TEST_REAL_CLOCK(loop_thread_shared_is_counted)
{
    aw_loop_thread *a = aw_loop_thread_shared(), *b = aw_loop_thread_shared();
    assert_non_null(a);
    assert_ptr_equal(a, b);
    assert_int_equal(aw_loop_thread_shared_release(), 0);
    assert_int_equal(aw_cfuture_join(aw_submit(aw_loop_thread_loop(a), give, INT(3)), 5), 3);
    assert_int_equal(aw_loop_thread_shared_release(), 0);
    assert_int_equal(aw_loop_thread_shared_release(), AW_EMISUSE);
    a = aw_loop_thread_shared();
    assert_int_equal(aw_cfuture_join(aw_submit(aw_loop_thread_loop(a), give, INT(4)), 5), 4);
    assert_int_equal(aw_loop_thread_shared_release(), 0);
}

static void *use_shared(void *arg)
{
    for (int i = 0; i < *(int *)arg; i++) {
        aw_loop_thread *lt = aw_loop_thread_shared();
        assert_non_null(lt);
        assert_int_equal(aw_cfuture_join(aw_submit(aw_loop_thread_loop(lt), give, INT(i)), 5), i);
        assert_int_equal(aw_loop_thread_shared_release(), 0);
    }
    return NULL;
}

TEST_SLOW_REAL_CLOCK(loop_thread_shared_by_many_threads)
{
    count_memory();
    int n = (int)test_scale(500, 50);
    pthread_t t[8];
    for (int i = 0; i < 8; i++)
        t[i] = start_thread(use_shared, &n);
    for (int i = 0; i < 8; i++)
        end_thread(t[i]);
    assert_int_equal(aw_loop_thread_shared_release(), AW_EMISUSE);
    assert_int_equal(blocks_left(), 0);
}

static void use_in_child(void *arg)
{
    aw_loop_thread *lt = aw_loop_thread_shared();
    assert_ptr_not_equal(lt, arg);
    assert_int_equal(aw_cfuture_join(aw_submit(aw_loop_thread_loop(lt), give, INT(5)), 5), 5);
    assert_int_equal(aw_loop_thread_shared_release(), 0);
    assert_int_equal(aw_loop_thread_shared_release(), AW_EMISUSE);
}

TEST_REAL_CLOCK(loop_thread_shared_in_a_forked_child_is_its_own)
{
    struct child_result r;
    if (test_is_instrumented())
        SKIP("threads in the child of a program with threads are not for sanitizers");
    aw_loop_thread *lt = aw_loop_thread_shared();
    run_child(&r, use_in_child, lt);
    assert_string_equal(r.err, "");
    assert_true(child_exited(&r, 0));
    assert_int_equal(aw_cfuture_join(aw_submit(aw_loop_thread_loop(lt), give, INT(6)), 5), 6);
    assert_int_equal(aw_loop_thread_shared_release(), 0);
}
