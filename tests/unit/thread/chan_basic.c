/*
 * Channels: order, room, time limits, between tasks, threads, and one another.
 */
#include "jobs.h"

static void *item_of(int n)
{
    return (void *)(intptr_t)n;
}

static int recv_int(aw_channel *ch)
{
    void *item = NULL;
    int err = aw_channel_recv(ch, &item);
    return err < 0 ? err : (int)(intptr_t)item;
}

TEST(chan_first_in_first_out)
{
    void *item = "untouched";
    aw_channel *ch = aw_channel_new(3);
    assert_int_equal(aw_channel_capacity(ch), 3);
    for (int round = 0; round < 5; round++) { /* the ring's end is crossed */
        for (int i = 1; i <= 3; i++)
            assert_int_equal(aw_channel_send(ch, item_of(i)), 0);
        assert_int_equal(aw_channel_count(ch), 3);
        assert_int_equal(aw_channel_try_send(ch, item_of(4)), AW_EFULL);
        assert_int_equal(recv_int(ch), 1);
        assert_int_equal(aw_channel_try_send(ch, item_of(4)), 0);
        for (int i = 2; i <= 4; i++)
            assert_int_equal(recv_int(ch), i);
        assert_int_equal(aw_channel_try_recv(ch, &item), AW_EEMPTY);
        assert_string_equal(item, "untouched");
    }
    assert_int_equal(aw_channel_send(ch, NULL), 0);
    assert_int_equal(aw_channel_try_recv(ch, &item), 0);
    assert_null(item);
    aw_channel_unref(ch);
}

TEST_REAL_CLOCK(chan_time_limits_of_a_thread)
{
    void *item = "untouched";
    aw_channel *ch = aw_channel_new(1);
    assert_int_equal(aw_channel_recv(ch, &item, .timeout = 0.02), -ETIMEDOUT);
    assert_int_equal(aw_channel_recv(ch, &item, .timeout = -1), -ETIMEDOUT);
    assert_string_equal(item, "untouched");
    assert_int_equal(aw_channel_send(ch, item_of(1), .timeout = -1), 0);
    assert_int_equal(aw_channel_send(ch, item_of(2), .timeout = 0.02), -ETIMEDOUT);
    assert_int_equal(aw_channel_send(ch, item_of(2), .timeout = -1), -ETIMEDOUT);
    assert_int_equal(aw_channel_recv(ch, &item, .timeout = INFINITY), 0);
    assert_ptr_equal(item, item_of(1));
    assert_int_equal(aw_channel_count(ch), 0);
    aw_channel_unref(ch);
}

TEST(chan_bad_arguments)
{
    void *item;
    aw_channel *ch = aw_channel_new(1);
    assert_int_equal(aw_channel_send(NULL, NULL), -EINVAL);
    assert_int_equal(aw_channel_recv(NULL, &item), -EINVAL);
    assert_int_equal(aw_channel_try_send(NULL, NULL), -EINVAL);
    assert_int_equal(aw_channel_try_recv(NULL, &item), -EINVAL);
    assert_int_equal(aw_channel_close(NULL), -EINVAL);
    assert_int_equal(aw_channel_count(NULL), -EINVAL);
    assert_int_equal(aw_channel_capacity(NULL), -EINVAL);
    assert_false(aw_channel_closed(NULL));
    assert_null(aw_channel_ref(NULL));
    aw_channel_unref(NULL);
    assert_int_equal(aw_channel_recv(ch, NULL), -EINVAL);
    assert_int_equal(aw_channel_try_recv(ch, NULL), -EINVAL);
    assert_int_equal(aw_channel_recv(ch, &item, .timeout = NAN), -EINVAL);
    assert_int_equal(aw_channel_send(ch, NULL, .timeout = NAN), -EINVAL);
    aw_channel_unref(ch);
    assert_null(aw_channel_new(SIZE_MAX));
    assert_int_equal(aw_errno(), -ENOMEM);
}

static int wait_in_a_callback(void *arg)
{
    void *item;
    assert_int_equal(aw_channel_recv(arg, &item), AW_EMISUSE);
    assert_int_equal(aw_channel_send(arg, NULL), AW_EMISUSE);
    assert_int_equal(aw_channel_try_send(arg, item_of(5)), 0);
    assert_int_equal(aw_channel_try_recv(arg, &item), 0);
    return 0;
}

static int call_back(void *arg)
{
    assert_int_equal(aw_call_soon(wait_in_a_callback, arg), 0);
    return aw_sleep(0);
}

TEST(chan_callbacks_must_not_wait)
{
    aw_channel *ch = aw_channel_new(1);
    assert_int_equal(aw_run(call_back, ch, .exception_handler = collect_report), 0);
    assert_reports(0);
    aw_channel_unref(ch);
}

/* ---- tasks ---- */

static int send_five(void *arg)
{
    for (int i = 1; i <= 5; i++)
        AW_TRY(aw_channel_send(arg, item_of(i)));
    return 0;
}

TEST_IN_LOOP(chan_tasks_of_one_loop)
{
    aw_channel *ch = aw_channel_new(2);
    aw_task *t = aw_create_task(send_five, ch);
    for (int i = 1; i <= 5; i++)
        assert_int_equal(recv_int(ch), i);
    assert_int_equal(aw_join(t), 0);
    aw_channel_unref(ch);
}

TEST_IN_LOOP(chan_without_room_each_send_waits_for_its_receive)
{
    void *item;
    aw_channel *ch = aw_channel_new(0);
    assert_int_equal(aw_channel_try_send(ch, item_of(1)), AW_EFULL);
    assert_int_equal(aw_channel_try_recv(ch, &item), AW_EEMPTY);
    aw_task *t = aw_create_task(send_five, ch);
    passes(3);
    assert_int_equal(aw_channel_count(ch), 0);
    for (int i = 1; i <= 5; i++) {
        assert_false(aw_done(t));
        assert_int_equal(recv_int(ch), i);
    }
    assert_int_equal(aw_join(t), 0);
    aw_channel_unref(ch);
}

TEST_IN_LOOP(chan_time_limits_of_a_task)
{
    void *item;
    aw_channel *ch = aw_channel_new(1);
    double began = aw_time();
    assert_int_equal(aw_channel_recv(ch, &item, .timeout = 2.5), -ETIMEDOUT);
    assert_time(aw_time() - began, 2.5);
    assert_int_equal(aw_channel_send(ch, item_of(1)), 0);
    assert_int_equal(aw_channel_send(ch, item_of(2), .timeout = 1), -ETIMEDOUT);
    assert_time(aw_time() - began, 3.5);
    assert_int_equal(aw_channel_send(ch, item_of(2), .timeout = -1), -ETIMEDOUT);
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    assert_int_equal(recv_int(ch), 1);
    aw_channel_unref(ch);
}

struct receiver {
    aw_channel *ch;
    int got;
    _Atomic int thread; /* it is about to receive there */
};

static int recv_one(void *arg)
{
    struct receiver *r = arg;
    r->thread = (int)gettid();
    r->got = recv_int(r->ch);
    return r->got < 0 ? r->got : 0;
}

TEST_IN_LOOP(chan_receivers_are_served_in_order)
{
    aw_channel *ch = aw_channel_new(4);
    struct receiver rs[4];
    aw_task *ts[4];
    void *item;
    for (int i = 0; i < 4; i++) {
        rs[i] = (struct receiver){ch, -1, 0};
        ts[i] = aw_create_task(recv_one, &rs[i]);
    }
    passes(1);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(aw_channel_try_send(ch, item_of(10 + i)), 0);
        assert_int_equal(aw_channel_try_recv(ch, &item), AW_EEMPTY); /* it is handed over */
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(aw_join(ts[i]), 0);
        assert_int_equal(rs[i].got, 10 + i);
    }
    aw_channel_unref(ch);
}

struct sender {
    aw_channel *ch;
    int n;
};

static int send_one(void *arg)
{
    struct sender *s = arg;
    return aw_channel_send(s->ch, item_of(s->n));
}

TEST_IN_LOOP(chan_senders_are_served_in_order)
{
    aw_channel *ch = aw_channel_new(1);
    struct sender ss[4];
    aw_task *ts[4];
    for (int i = 0; i < 4; i++) {
        ss[i] = (struct sender){ch, 20 + i};
        ts[i] = aw_create_task(send_one, &ss[i]);
    }
    passes(1);
    assert_int_equal(aw_channel_try_send(ch, item_of(99)), AW_EFULL);
    for (int i = 0; i < 4; i++)
        assert_int_equal(recv_int(ch), 20 + i);
    for (int i = 0; i < 4; i++)
        assert_int_equal(aw_join(ts[i]), 0);
    aw_channel_unref(ch);
}

/* ---- threads and tasks in one line ---- */

static void *recv_in_thread(void *arg)
{
    aw_ignore(recv_one(arg));
    return NULL;
}

static void *recv_in_own_loop(void *arg)
{
    aw_ignore(aw_run(recv_one, arg));
    return NULL;
}

static bool is_asleep(int thread)
{
    char name[64], state = '?';
    snprintf(name, sizeof name, "/proc/self/task/%d/stat", thread);
    FILE *f = fopen(name, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*d (%*[^)]) %c", &state), 1);
    fclose(f);
    return state == 'S';
}

/* It stands in line, and has gone to sleep over that. */
static void wait_until_it_waits(struct receiver *r)
{
    while (!r->thread)
        nap(1);
    for (int seen = 0; seen < 5; nap(1))
        seen = is_asleep(r->thread) ? seen + 1 : 0;
}

TEST_REAL_CLOCK(chan_threads_and_tasks_stand_in_one_line)
{
    aw_channel *ch = aw_channel_new(1);
    struct receiver rs[6];
    pthread_t threads[6];
    for (int i = 0; i < 6; i++) {
        rs[i] = (struct receiver){ch, -1, 0};
        assert_int_equal(
            pthread_create(&threads[i], NULL, i % 2 ? recv_in_thread : recv_in_own_loop, &rs[i]),
            0);
        wait_until_it_waits(&rs[i]);
    }
    for (int i = 0; i < 6; i++)
        assert_int_equal(aw_channel_try_send(ch, item_of(i)), 0);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(rs[i].got, i);
    }
    aw_channel_unref(ch);
}

static void *send_numbers(void *arg)
{
    for (int i = 1; i <= 100; i++)
        assert_int_equal(aw_channel_send(arg, item_of(i)), 0);
    assert_int_equal(aw_channel_close(arg), 0);
    return NULL;
}

static int sum_up(void *arg)
{
    int sum = 0, got;
    while ((got = recv_int(arg)) >= 0)
        sum += got;
    return got == AW_ESHUTDOWN ? sum : got;
}

TEST_REAL_CLOCK(chan_from_a_thread_to_a_coroutine)
{
    pthread_t thread;
    aw_channel *ch = aw_channel_new(4);
    assert_int_equal(pthread_create(&thread, NULL, send_numbers, ch), 0);
    assert_int_equal(aw_run(sum_up, ch), 5050);
    assert_int_equal(pthread_join(thread, NULL), 0);
    aw_channel_unref(ch);
}

static int pass_on(void *arg)
{
    aw_channel **chs = arg;
    void *item;
    int err;
    while ((err = aw_channel_recv(chs[0], &item)) == 0)
        AW_TRY(aw_channel_send(chs[1], item));
    assert_int_equal(aw_channel_close(chs[1]), 0);
    return err == AW_ESHUTDOWN ? 0 : err;
}

/* Two loops and two threads in a row. */
TEST_REAL_CLOCK(chan_through_two_loops)
{
    pthread_t thread;
    aw_channel *chs[3] = {aw_channel_new(2), aw_channel_new(0), aw_channel_new(3)};
    aw_loop_thread *a = aw_loop_thread_start(), *b = aw_loop_thread_start();
    aw_cfuture *fa = aw_submit(aw_loop_thread_loop(a), pass_on, &chs[0]);
    aw_cfuture *fb = aw_submit(aw_loop_thread_loop(b), pass_on, &chs[1]);
    assert_int_equal(pthread_create(&thread, NULL, send_numbers, chs[0]), 0);
    int sum = 0, got;
    while ((got = recv_int(chs[2])) >= 0)
        sum += got;
    assert_int_equal(got, AW_ESHUTDOWN);
    assert_int_equal(sum, 5050);
    assert_int_equal(aw_cfuture_join(fa, INFINITY), 0);
    assert_int_equal(aw_cfuture_join(fb, INFINITY), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(aw_loop_thread_stop(a), 0);
    assert_int_equal(aw_loop_thread_stop(b), 0);
    for (int i = 0; i < 3; i++)
        aw_channel_unref(chs[i]);
}

/* ---- without memory, after a fork ---- */

TEST(chan_without_memory)
{
    count_memory();
    memory.failing = true;
    assert_null(aw_channel_new(4));
    assert_int_equal(aw_errno(), -ENOMEM);
    memory.failing = false;
    aw_channel *ch = aw_channel_new(4);
    memory.failing = true;
    assert_int_equal(aw_channel_send(ch, NULL), 0); /* using it allocates nothing */
    assert_int_equal(recv_int(ch), 0);
    memory.failing = false;
    aw_channel_unref(ch);
    assert_int_equal(memory.live, 0);
}

static void use_in_child(void *arg)
{
    void *item;
    assert_int_equal(aw_channel_try_send(arg, NULL), AW_EFORKED);
    assert_int_equal(aw_channel_recv(arg, &item), AW_EFORKED);
    assert_int_equal(aw_channel_close(arg), AW_EFORKED);
}

TEST(chan_in_the_child_of_a_fork)
{
    struct child_result r;
    aw_channel *ch = aw_channel_new(1);
    run_child(&r, use_in_child, ch);
    assert_true(child_exited(&r, 0));
    aw_channel_unref(ch);
}
