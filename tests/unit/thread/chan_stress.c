/*
 * Channels under load: many senders and receivers of both kinds, some of whom give up.  Every item
 * arrives once, and those of one sender in their order.
 */
#include "jobs.h"

enum { SENDERS_MAX = 16 };

/* What has arrived: by sender, how many; each a number that is one more than the last if one
 * receiver only looks. */
struct tally {
    aw_channel *ch;
    unsigned n; /* items of each sender */
    _Atomic unsigned char *seen;
    _Atomic unsigned arrived, sent, given_up;
    _Atomic unsigned next_sender;
};

static void tally_init(struct tally *t, size_t capacity, unsigned n)
{
    *t = (struct tally){.ch = aw_channel_new(capacity), .n = n};
    t->seen = calloc(SENDERS_MAX, n);
    assert_non_null(t->ch);
    assert_non_null(t->seen);
}

static void note_arrival(struct tally *t, void *item)
{
    unsigned at = (unsigned)(uintptr_t)item;
    assert_true(at < SENDERS_MAX * t->n);
    assert_int_equal(atomic_fetch_add(&t->seen[at], 1), 0); /* none comes twice */
    atomic_fetch_add(&t->arrived, 1);
}

/* Sends all its items, each until it is sent; gives up now and then, and tries again. */
static int send_all(void *arg)
{
    struct tally *t = arg;
    unsigned me = atomic_fetch_add(&t->next_sender, 1), seed = me + 1;
    for (unsigned i = 0; i < t->n;) {
        seed = seed * 1664525u + 1013904223u;
        void *item = (void *)(uintptr_t)(me * t->n + i);
        double limit = seed >> 29 ? 0 : (seed >> 20 & 3) * 1e-5 - 1e-5;
        int err = aw_channel_send(t->ch, item, .timeout = limit);
        if (err == -ETIMEDOUT) {
            atomic_fetch_add(&t->given_up, 1);
            continue;
        }
        if (err < 0)
            return err;
        atomic_fetch_add(&t->sent, 1);
        i++;
    }
    return 0;
}

static int recv_all(void *arg)
{
    struct tally *t = arg;
    unsigned seed = 99;
    for (;;) {
        void *item;
        seed = seed * 1664525u + 1013904223u;
        double limit = seed >> 29 ? 0 : (seed >> 20 & 3) * 1e-5 - 1e-5;
        int err = aw_channel_recv(t->ch, &item, .timeout = limit);
        if (err == AW_ESHUTDOWN)
            return 0;
        if (err == 0)
            note_arrival(t, item);
        else if (err == -ETIMEDOUT)
            atomic_fetch_add(&t->given_up, 1);
        else
            return err;
    }
}

static void *send_in_thread(void *arg)
{
    assert_int_equal(send_all(arg), 0);
    return NULL;
}

static void *recv_in_thread(void *arg)
{
    assert_int_equal(recv_all(arg), 0);
    return NULL;
}

static void check_all_arrived(struct tally *t, unsigned senders)
{
    assert_int_equal(t->sent, senders * t->n);
    assert_int_equal(t->arrived, senders * t->n);
    for (unsigned i = 0; i < senders * t->n; i++)
        assert_int_equal(t->seen[i], 1);
    aw_channel_unref(t->ch);
    free((void *)t->seen);
}

/* Two threads send and two receive; on each of two loops two tasks send and two receive. */
static void run_mixed(size_t capacity, unsigned n)
{
    struct tally t;
    pthread_t send[2], recv[2];
    aw_loop_thread *loops[2];
    aw_cfuture *sends[4], *recvs[4];
    tally_init(&t, capacity, n);
    for (int i = 0; i < 2; i++) {
        loops[i] = aw_loop_thread_start();
        assert_int_equal(pthread_create(&recv[i], NULL, recv_in_thread, &t), 0);
        assert_int_equal(pthread_create(&send[i], NULL, send_in_thread, &t), 0);
    }
    for (int i = 0; i < 4; i++) {
        recvs[i] = aw_submit(aw_loop_thread_loop(loops[i % 2]), recv_all, &t);
        sends[i] = aw_submit(aw_loop_thread_loop(loops[i % 2]), send_all, &t);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(send[i], NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(aw_cfuture_join(sends[i], INFINITY), 0);
    assert_int_equal(aw_channel_close(t.ch), 0); /* what is in it is still received */
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(recv[i], NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(aw_cfuture_join(recvs[i], INFINITY), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(aw_loop_thread_stop(loops[i]), 0);
    check_all_arrived(&t, 6);
}

TEST_SLOW_REAL_CLOCK(chan_stress_four_threads_and_two_loops)
{
    run_mixed(16, test_scale(20000, 2000));
}

TEST_SLOW_REAL_CLOCK(chan_stress_one_place)
{
    run_mixed(1, test_scale(10000, 1000));
}

TEST_SLOW_REAL_CLOCK(chan_stress_no_room_at_all)
{
    run_mixed(0, test_scale(10000, 1000));
}

/* ---- order ---- */

struct ordered {
    aw_channel *ch;
    unsigned n;
};

static void *send_in_order(void *arg)
{
    struct ordered *o = arg;
    for (uintptr_t i = 0; i < o->n; i++)
        assert_int_equal(aw_channel_send(o->ch, (void *)i), 0);
    return NULL;
}

static int recv_in_order(void *arg)
{
    struct ordered *o = arg;
    for (uintptr_t i = 0; i < o->n; i++) {
        void *item;
        AW_TRY(aw_channel_recv(o->ch, &item));
        assert_int_equal((uintptr_t)item, i);
    }
    return 0;
}

TEST_SLOW_REAL_CLOCK(chan_stress_one_to_one_keeps_the_order)
{
    struct ordered o = {aw_channel_new(8), test_scale(100000, 10000)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, send_in_order, &o), 0);
    assert_int_equal(aw_run(recv_in_order, &o), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    aw_channel_unref(o.ch);
}

/* ---- receivers that are cancelled ---- */

static int recv_until_cancelled(void *arg)
{
    struct tally *t = arg;
    for (;;) {
        void *item;
        int err = aw_channel_recv(t->ch, &item);
        if (err < 0)
            return err;
        note_arrival(t, item);
    }
}

/* Tasks come, receive for a while, and are cancelled, in the middle of whatever they do. */
static int cancel_receivers(void *arg)
{
    struct tally *t = arg;
    for (;;) {
        aw_task *ts[4];
        for (int i = 0; i < 4; i++)
            ts[i] = aw_create_task(recv_until_cancelled, t);
        AW_TRY(aw_sleep(1e-4));
        bool closed = false;
        for (int i = 0; i < 4; i++) {
            aw_cancel(ts[i]);
            int err = aw_join(ts[i]);
            closed = closed || err == AW_ESHUTDOWN;
            assert_true(err == AW_ESHUTDOWN || err == -ECANCELED);
        }
        if (closed)
            return 0;
    }
}

TEST_SLOW_REAL_CLOCK(chan_stress_receivers_are_cancelled)
{
    struct tally t;
    pthread_t threads[2];
    aw_loop_thread *loops[2];
    aw_cfuture *fs[2];
    tally_init(&t, 4, test_scale(50000, 5000));
    for (int i = 0; i < 2; i++) {
        loops[i] = aw_loop_thread_start();
        fs[i] = aw_submit(aw_loop_thread_loop(loops[i]), cancel_receivers, &t);
        assert_int_equal(pthread_create(&threads[i], NULL, send_in_thread, &t), 0);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(aw_channel_close(t.ch), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(aw_cfuture_join(fs[i], INFINITY), 0);
        assert_int_equal(aw_loop_thread_stop(loops[i]), 0);
    }
    check_all_arrived(&t, 2);
}

/* ---- loops that close while they are served ---- */

static int recv_some(void *arg)
{
    void *item;
    AW_TRY(aw_channel_recv(arg, &item));
    free(item);
    return aw_channel_recv(arg, &item) == 0 ? (free(item), 0) : 0;
}

static int be_silent(const aw_report *r, void *arg)
{
    (void)r;
    (void)arg;
    return 0;
}

/* One pass, with tasks that wait; then the loop closes over them, served or not. */
static void *loops_that_close(void *arg)
{
    for (unsigned i = 0; i < test_scale(2000, 200); i++) {
        aw_loop *l = aw_loop_new();
        assert_int_equal(aw_loop_set_exception_handler(l, be_silent, NULL), 0);
        for (int k = 0; k < 4; k++)
            aw_unref(aw_create_task(recv_some, arg, .loop = l));
        for (int k = 0; k < 2; k++) {
            assert_int_equal(aw_loop_stop(l), 0);
            assert_int_equal(aw_loop_run_forever(l), 0);
        }
        aw_loop_free(l);
    }
    return NULL;
}

static _Atomic bool enough;

static void *send_blocks(void *arg)
{
    while (!atomic_load(&enough)) {
        void *block = malloc(8);
        if (aw_channel_send(arg, block, .timeout = 0.001) < 0)
            free(block);
    }
    return NULL;
}

/* A block that is lost is a leak, one that is handed out twice is freed twice. */
TEST_SLOW_REAL_CLOCK(chan_stress_loops_close_over_those_who_wait)
{
    pthread_t senders[2], loops[2];
    aw_channel *ch = aw_channel_new(2, .release = free);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&senders[i], NULL, send_blocks, ch), 0);
        assert_int_equal(pthread_create(&loops[i], NULL, loops_that_close, ch), 0);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(loops[i], NULL), 0);
    atomic_store(&enough, true);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(senders[i], NULL), 0);
    aw_channel_unref(ch);
}
