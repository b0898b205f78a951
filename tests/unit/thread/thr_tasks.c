/*
 * Loops in several threads: what each sees of its tasks, and how others come to see them.
 */
#include "util.h"

/* ---- from another thread ---- */

/* What a thread learns of a loop's tasks: it asks by a coroutine, as handles are the loop's own. */
struct question {
    int n;
    char names[8][16];
};

static int name_all(void *arg)
{
    struct question *q = arg;
    aw_task *tasks[8];
    q->n = aw_all_tasks(tasks, 8);
    for (int i = 0; i < q->n && i < 8; i++) {
        snprintf(q->names[i], sizeof q->names[i], "%s", aw_task_name(tasks[i]));
        aw_unref(tasks[i]);
    }
    return q->n;
}

static int start_both(void *arg)
{
    aw_unref(aw_create_task(sleep_long, NULL, .name = "lazy"));
    aw_unref(aw_create_task(sleep_long, NULL, .name = "eager", .eager = true));
    raise_flag(arg);
    return aw_sleep(INFINITY);
}

/* THR-017: The set of all tasks of a loop can be read from another thread, and holds those that
 * were started lazily and those that were started eagerly. */
TEST_REAL_CLOCK(THR_017_all_tasks_read_from_another_thread)
{
    aw_loop_thread *lt = start_loop();
    aw_loop *l = aw_loop_thread_loop(lt);
    flag began = {0};
    struct question q;
    aw_cfuture *f = aw_submit(l, start_both, &began, .name = "starter");
    wait_flag(&began);
    assert_int_equal(aw_cfuture_join(aw_submit(l, name_all, &q, .name = "asker"), 5), 4);
    assert_string_equal(q.names[0], "starter");
    assert_string_equal(q.names[1], "lazy");
    assert_string_equal(q.names[2], "eager");
    assert_string_equal(q.names[3], "asker");
    assert_int_equal(aw_all_tasks(NULL, 0, .loop = l), AW_ETHREAD);
    aw_cfuture_unref(f);
    stop_loop(lt);
}

/* ---- side by side ---- */

static int watch_myself(void *arg)
{
    aw_task *const me = aw_current_task();
    aw_loop *const mine = aw_running_loop();
    for (int i = 0; i < 50; i++) {
        assert_ptr_equal(aw_current_task(), me);
        assert_ptr_equal(aw_running_loop(), mine);
        assert_string_equal(aw_task_name(me), arg);
        AW_TRY(aw_sleep(0.0002));
    }
    return 0;
}

static int watch_all(void *arg)
{
    char name[16];
    aw_task *mine[10], *all[16];
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "%s-%d", (char *)arg, i);
        mine[i] = aw_create_task(watch_myself, name, .name = name, .copy = sizeof name);
    }
    assert_int_equal(aw_all_tasks(all, 16), 11);
    for (int i = 0; i < 11; i++) {
        assert_ptr_equal(all[i], i ? mine[i - 1] : aw_current_task());
        aw_unref(all[i]);
    }
    int err = 0;
    for (int i = 0; i < 10; i++) {
        int result = aw_join(mine[i]);
        err = err < 0 ? err : result;
    }
    assert_int_equal(aw_all_tasks(all, 0), 1);
    return err;
}

static void *run_watchers(void *arg)
{
    for (int i = 0; i < 5; i++)
        assert_int_equal(aw_run(watch_all, arg), 0);
    assert_null(aw_current_task());
    assert_null(aw_running_loop());
    return NULL;
}

/* THR-018: Ten threads that run a loop each at the same time do not disturb one another: each sees
 * only its own tasks and its own current task. */
TEST_REAL_CLOCK(THR_018_ten_loops_in_ten_threads)
{
    char names[10][8];
    pthread_t t[10];
    for (int i = 0; i < 10; i++) {
        snprintf(names[i], sizeof names[i], "loop%d", i);
        t[i] = start_thread(run_watchers, names[i]);
    }
    for (int i = 0; i < 10; i++)
        end_thread(t[i]);
}

/* ---- handed from thread to thread ---- */

static void *run_until_stopped(void *arg)
{
    assert_int_equal(aw_loop_run_forever(arg), 0);
    return NULL;
}

static void *stop_from_here(void *arg)
{
    wait_until(aw_loop_is_running(arg));
    assert_int_equal(aw_loop_stop(arg), AW_ETHREAD);
    assert_int_equal(aw_call_soon_threadsafe(arg, stop_running_loop, NULL), 0);
    return NULL;
}

static int count_steps(void *arg)
{
    for (;;) {
        ++*(_Atomic int *)arg;
        AW_TRY(aw_sleep(0.001));
    }
}

/* A loop made in one thread, run in a second, stopped from a third, and run again in a fourth; its
 * tasks go on where they were. */
TEST_REAL_CLOCK(thr_loop_moves_between_threads)
{
    aw_loop *l = aw_loop_new();
    _Atomic int steps = 0;
    aw_task *t = aw_create_task(count_steps, (void *)&steps, .loop = l);
    for (int i = 0; i < 5; i++) {
        int before = steps;
        pthread_t runner = start_thread(run_until_stopped, l);
        wait_until(steps > before + 3);
        pthread_t stopper = start_thread(stop_from_here, l);
        end_thread(stopper);
        end_thread(runner);
        assert_false(aw_loop_is_running(l));
    }
    assert_true(aw_cancel(t));
    assert_int_equal(aw_loop_run_until_complete(l, t), -ECANCELED);
    aw_unref(t);
    aw_loop_free(l);
}

static void *run_taken(void *arg)
{
    assert_int_equal(aw_loop_run_forever(arg), AW_ETHREAD);
    return NULL;
}

TEST_REAL_CLOCK(thr_loop_runs_in_one_thread_at_a_time)
{
    aw_loop_thread *lt = start_loop();
    for (int i = 0; i < 10; i++)
        end_thread(start_thread(run_taken, aw_loop_thread_loop(lt)));
    stop_loop(lt);
}
