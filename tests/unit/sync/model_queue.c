/*
 * Model test of queues: every item comes out once, in its order; nobody sleeps while there is
 * something for him; the counts agree.
 */
#include "model.h"

#define MOST 4096

static void drop(void *item);
static aw_queue q = AW_QUEUE_INIT(.maxsize = 2, .release = drop);
static struct {
    int in[MOST]; /* the items that are in the queue, in the order they were put */
    int n;
    int last; /* the latest item made */
    uint64_t unfinished;
    uint64_t finished; /* the last call before unfinished became 0 */
    uint64_t dropped, got, put;
    bool shut;
} m;

static int by_residue(const void *a, const void *b)
{
    return (int)((intptr_t)a % 7) - (int)((intptr_t)b % 7);
}

/* Which of the model's items comes out next. */
static int next_out(void)
{
    if (q.order != AW_PRIORITY)
        return q.order == AW_FIFO ? 0 : m.n - 1;
    int best = 0;
    for (int i = 1; i < m.n; i++)
        if (by_residue(INT(m.in[i]), INT(m.in[best])) < 0)
            best = i;
    return best;
}

static void came_out(void *item)
{
    assert_true(m.n > 0);
    int at = next_out();
    assert_int_equal((int)(intptr_t)item, m.in[at]);
    memmove(&m.in[at], &m.in[at + 1], (size_t)(--m.n - at) * sizeof m.in[0]);
}

static void went_in(int item)
{
    assert_true(m.n < MOST);
    m.in[m.n++] = item;
    m.unfinished++;
    m.put++;
    assert_true(q.maxsize <= 0 || m.n <= q.maxsize);
}

static void finish(uint64_t n)
{
    m.unfinished -= n;
    if (!m.unfinished)
        m.finished = play.calls;
}

static void drop(void *item)
{
    came_out(item);
    m.dropped++;
    finish(1);
}

/* ---- actors ---- */

static int put(void *arg)
{
    return aw_queue_put(&q, arg);
}

static int get(void *arg)
{
    return aw_queue_get(&q, arg);
}

enum { PUTS, GETS, JOINS };
static int doing[ACTORS]; /* what the call that an actor waits in is */

static int random_call(struct actor *a, int what, aw_fn *fn, void *arg)
{
    doing[a->id] = what;
    return call(a, fn, arg);
}

static void put_something(struct actor *a)
{
    int item = ++m.last;
    bool wait = !once_in(4);
    int err = wait ? random_call(a, PUTS, put, INT(item)) : aw_queue_put_nowait(&q, INT(item));
    if (err == 0)
        went_in(item);
    else if (err != AW_ESHUTDOWN || !m.shut)
        assert_true(wait ? is_cancelled(err) : err == AW_EFULL);
    assert_true(err < 0 || !m.shut);
}

static void get_something(struct actor *a)
{
    void *item = NULL;
    bool wait = !once_in(4);
    int err = wait ? random_call(a, GETS, get, &item) : aw_queue_get_nowait(&q, &item);
    if (err == AW_ESHUTDOWN && m.shut && m.n == 0)
        return;
    if (err < 0) {
        assert_true(wait ? is_cancelled(err) : err == AW_EEMPTY && !m.shut);
        return;
    }
    came_out(item);
    m.got++;
    if (once_in(2))
        linger(a); /* working on it */
    finish(1);
    assert_int_equal(aw_queue_task_done(&q), 0);
}

static void step_queue(struct actor *a)
{
    int what = pick(20);
    if (what == 0) {
        uint64_t before = m.unfinished;
        int err = random_call(a, JOINS, join_queue, &q);
        assert_true(err < 0 ? is_cancelled(err) : !before || m.finished >= a->since);
    } else if (what < 10) {
        put_something(a);
    } else {
        get_something(a);
    }
    assert_int_equal(aw_queue_size(&q), m.n);
}

/* ---- at rest ---- */

static int n_doing(int what)
{
    int n = 0;
    for (int i = 0; i < ACTORS; i++)
        n += play.actors[i].waiting && doing[i] == what;
    return n;
}

static bool is_full(void)
{
    return q.maxsize > 0 && m.n >= q.maxsize;
}

static void shut_down(void)
{
    bool immediate = once_in(2);
    m.shut = true;
    assert_int_equal(aw_queue_shutdown(&q, .immediate = immediate), 0);
    assert_true(!immediate || m.n == 0);
}

/* It is shut down, empty and worked off: another kind of queue in its place. */
static void open_another(void)
{
    static const enum aw_queue_order orders[] = {AW_FIFO, AW_LIFO, AW_PRIORITY};
    assert_int_equal(aw_queue_task_done(&q), -EINVAL);
    assert_int_equal(aw_queue_fini(&q), 0);
    q = (aw_queue)AW_QUEUE_INIT(.maxsize = pick(5), .order = orders[pick(3)], .compare = by_residue,
                                .release = drop);
    m.shut = false;
}

static void queue_at_rest(void)
{
    assert_int_equal(aw_queue_size(&q), m.n);
    assert_int_equal(aw_queue_empty(&q), m.n == 0);
    assert_int_equal(aw_queue_full(&q), is_full());
    assert_true(!n_doing(GETS) || (m.n == 0 && !m.shut));
    assert_true(!n_doing(PUTS) || (is_full() && !m.shut));
    assert_true(!n_doing(JOINS) || m.unfinished);
    if (!m.shut && once_in(20))
        shut_down();
    else if (m.shut && !m.n && !m.unfinished)
        open_another();
}

static void queue_at_end(void)
{
    assert_true(!q.getters.first && !q.putters.first && !q.joiners.first);
    assert_int_equal(m.put, m.got + m.dropped + (uint64_t)m.n);
    assert_int_equal(aw_queue_fini(&q), 0);
    assert_int_equal(m.put, m.got + m.dropped);
    assert_int_equal(m.n, 0);
}

TEST_MODEL(model_queue, step_queue, queue_at_rest, queue_at_end)
