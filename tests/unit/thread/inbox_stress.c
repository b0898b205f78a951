/*
 * Many threads hand callbacks to one loop: none is lost, none comes twice, each thread's in order.
 */
#include <sched.h>

#include "util.h"

enum { THREADS = 8 };

struct producer {
    aw_loop *loop;
    unsigned n, sent;
    long last; /* written by the loop: the number that came last */
    unsigned came;
};

struct message {
    struct producer *from;
    long number;
    aw_inbox_node node;
};

static int receive(void *arg)
{
    struct message *m = arg;
    assert_true(m->number > m->from->last);
    m->from->last = m->number;
    m->from->came++;
    free(m);
    return 0;
}

/* Every other one with its own node. */
static void *produce(void *arg)
{
    struct producer *p = arg;
    for (unsigned i = 0; i < p->n; i++) {
        struct message *m = malloc(sizeof *m);
        *m = (struct message){.from = p, .number = i + 1};
        if (i % 2)
            assert_int_equal(aw_call_soon_threadsafe(p->loop, receive, m), 0);
        else
            assert_int_equal(aw_call_soon_threadsafe_node(p->loop, &m->node, receive, m), 0);
        if (i % 1000 == 999)
            pause_ms(0); /* lets the loop run empty and sleep, now and then */
    }
    return NULL;
}

static void flood(void)
{
    aw_loop_thread *lt = start_loop();
    struct producer p[THREADS];
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++) {
        p[i] = (struct producer){.loop = aw_loop_thread_loop(lt), .n = test_scale(250000, 20000)};
        t[i] = start_thread(produce, &p[i]);
    }
    for (int i = 0; i < THREADS; i++)
        end_thread(t[i]);
    flush_loop(aw_loop_thread_loop(lt));
    stop_loop(lt);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(p[i].came, p[i].n);
        assert_int_equal(p[i].last, p[i].n);
    }
}

TEST_SLOW_REAL_CLOCK(inbox_eight_threads_at_once)
{
    flood();
}

/* On one processor the loop gives way to those who have much for it. */
TEST_SLOW_REAL_CLOCK(inbox_eight_threads_on_one_processor)
{
    limit_processors();
    flood();
}

/* ---- one at a time, so that the loop sleeps each time ---- */

struct ping {
    aw_inbox_node node;
    _Atomic unsigned came;
};

static int count_ping(void *arg)
{
    atomic_fetch_add(&((struct ping *)arg)->came, 1);
    return 0;
}

/* No wake-up is lost: the next is sent when the last has come. */
TEST_SLOW_REAL_CLOCK(inbox_ping)
{
    aw_loop_thread *lt = start_loop();
    struct ping p = {.came = 0};
    for (unsigned i = 0; i < test_scale(100000, 10000); i++) {
        assert_int_equal(
            aw_call_soon_threadsafe_node(aw_loop_thread_loop(lt), &p.node, count_ping, &p), 0);
        while (atomic_load(&p.came) == i)
            sched_yield();
    }
    stop_loop(lt);
}
