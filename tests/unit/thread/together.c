/*
 * Everything at once, for a given time: loop threads that come and go under threads which submit to
 * them, pools and a channel that are shut and replaced in use.
 *
 * Nothing is known of the order, so what is looked at is what must hold in any: each argument that
 * was accepted is released once, each item that was sent is received or dropped once, each
 * callback is called once, and in the end nothing is left of memory or threads.
 *
 * AWAIT_STRESS_SECONDS says for how long; a second without it.  Under ThreadSanitizer this is the
 * search for races between the parts, and `make test-all` gives it minutes.
 */
#include "util.h"

enum { LOOPS = 2, SUBMITTERS = 2 };

static struct {
    pthread_mutex_t lock;
    aw_loop *loops[LOOPS]; /* under the lock: there while one holds it, or NULL */
    aw_executor *pool;     /* the same */
    aw_channel *channel;
    flag enough;
    _Atomic unsigned next;
    _Atomic long accepted, released;
    _Atomic long sent, received, dropped;
    _Atomic long watched, called;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

static unsigned random_of(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

static aw_channel *current_channel(void)
{
    pthread_mutex_lock(&world.lock);
    aw_channel *ch = aw_channel_ref(world.channel);
    pthread_mutex_unlock(&world.lock);
    return ch;
}

static aw_executor *current_pool(void)
{
    pthread_mutex_lock(&world.lock);
    aw_executor *ex = aw_executor_ref(world.pool);
    pthread_mutex_unlock(&world.lock);
    return ex;
}

/* ---- items ---- */

static void drop_item(void *item)
{
    assert_ptr_equal(item, &world);
    world.dropped++;
}

static int send_one(void)
{
    aw_channel *ch = current_channel();
    int err = aw_channel_send(ch, &world, .timeout = 0.001);
    world.sent += err == 0;
    aw_channel_unref(ch);
    return err;
}

static int receive_one(void)
{
    void *item;
    aw_channel *ch = current_channel();
    int err = aw_channel_recv(ch, &item, .timeout = 0.001);
    if (err == 0) {
        assert_ptr_equal(item, &world);
        world.received++;
    }
    aw_channel_unref(ch);
    return err;
}

/* ---- jobs and coroutines ---- */

static void release(void *arg)
{
    assert_ptr_equal(arg, &world);
    world.released++;
}

static int job(void *arg)
{
    (void)arg;
    if (world.next++ % 16 == 0)
        sched_yield();
    return 0;
}

static aw_cfuture *submit_job(void)
{
    aw_executor *ex = current_pool();
    aw_cfuture *f = aw_executor_submit(ex, job, &world, .release = release);
    world.accepted += f != NULL;
    aw_executor_unref(ex);
    return f;
}

static int await_job(void)
{
    aw_cfuture *f = submit_job();
    if (!f)
        return aw_errno();
    aw_future *mine = aw_wrap_future(f);
    aw_cfuture_unref(f);
    int err = aw_await(mine);
    aw_unref(mine);
    return err;
}

static int run_job(void)
{
    aw_future *f = aw_run_in_executor(NULL, job, &world, .release = release);
    world.accepted += f != NULL;
    if (!f)
        return aw_errno();
    int err = aw_await(f);
    aw_unref(f);
    return err;
}

static int work(void *arg)
{
    int err = 0;
    assert_ptr_equal(arg, &world);
    switch (world.next++ % 6) {
    case 0:
        err = aw_sleep(0);
        break;
    case 1:
        err = aw_sleep(0.0002);
        break;
    case 2:
        err = send_one();
        break;
    case 3:
        err = receive_one();
        break;
    case 4:
        err = await_job();
        break;
    default:
        err = run_job();
    }
    return err == -ECANCELED ? err : 0; /* limits, and what was shut in between */
}

/* ---- threads that submit ---- */

static int note_call(aw_cfuture *f, void *arg)
{
    assert_true(aw_cfuture_done(f));
    assert_ptr_equal(arg, &world);
    world.called++;
    return 0;
}

static aw_cfuture *submit_to(unsigned i)
{
    aw_cfuture *f = NULL;
    pthread_mutex_lock(&world.lock);
    if (world.loops[i])
        f = aw_submit(world.loops[i], work, &world, .release = release);
    pthread_mutex_unlock(&world.lock);
    world.accepted += f != NULL;
    return f;
}

/* One of the ways to be done with a future. */
static void finish(aw_cfuture *f, unsigned way)
{
    int err = 0;
    if (way & 8) {
        assert_int_equal(aw_cfuture_add_done_callback(f, note_call, &world), 0);
        world.watched++;
    }
    switch (way % 4) {
    case 0:
        err = aw_cfuture_join(f, INFINITY);
        break;
    case 1:
        err = aw_cfuture_join(f, 0.0001);
        break;
    case 2:
        aw_ignore(aw_cfuture_cancel(f));
        err = aw_cfuture_join(f, INFINITY);
        break;
    default:
        err = aw_cfuture_result(f, INFINITY);
        aw_cfuture_unref(f);
    }
    assert_true(err == 0 || err == -ECANCELED || err == -ETIMEDOUT);
}

static void *submit(void *arg)
{
    unsigned seed = *(unsigned *)arg;
    while (!is_up(&world.enough)) {
        unsigned n = random_of(&seed);
        aw_cfuture *f = n % 3 ? submit_to(n / 4 % LOOPS) : submit_job();
        if (f)
            finish(f, n / 16);
        else
            sched_yield();
    }
    return NULL;
}

static void *exchange(void *arg)
{
    unsigned seed = *(unsigned *)arg;
    while (!is_up(&world.enough)) {
        int err = random_of(&seed) % 2 ? send_one() : receive_one();
        assert_true(err == 0 || err == -ETIMEDOUT || err == AW_ESHUTDOWN);
    }
    return NULL;
}

/* ---- what comes and goes ---- */

static void replace_channel(bool immediate)
{
    aw_channel *fresh = aw_channel_new(2, .release = drop_item);
    pthread_mutex_lock(&world.lock);
    aw_channel *old = world.channel;
    world.channel = fresh;
    pthread_mutex_unlock(&world.lock);
    if (old)
        assert_int_equal(aw_channel_close(old, .immediate = immediate), 0);
    aw_channel_unref(old);
}

static void replace_pool(bool wait)
{
    aw_executor *fresh = aw_thread_pool(.max_workers = 2);
    pthread_mutex_lock(&world.lock);
    aw_executor *old = world.pool;
    world.pool = fresh;
    pthread_mutex_unlock(&world.lock);
    if (old)
        assert_int_equal(aw_executor_shutdown(old, .wait = wait, .cancel_futures = !wait), 0);
    aw_executor_unref(old);
}

static int hear_nothing(const struct aw_report *r, void *arg)
{
    (void)r, (void)arg;
    return 0;
}

static void *come_and_go(void *arg)
{
    unsigned i = *(unsigned *)arg;
    while (!is_up(&world.enough)) {
        aw_loop_thread *lt = aw_loop_thread_start(.exception_handler = hear_nothing);
        assert_non_null(lt);
        pthread_mutex_lock(&world.lock);
        world.loops[i] = aw_loop_thread_loop(lt);
        pthread_mutex_unlock(&world.lock);
        pause_ms(i ? 20 : 1);
        pthread_mutex_lock(&world.lock);
        world.loops[i] = NULL;
        pthread_mutex_unlock(&world.lock);
        assert_int_equal(aw_loop_thread_stop(lt, .timeout = 30), 0);
    }
    return NULL;
}

static void replace_until(double end)
{
    for (unsigned n = 0; now() < end; n++) {
        replace_channel(n % 2);
        replace_pool(n % 4 == 0);
        pause_ms(5);
    }
}

static double stress_seconds(void)
{
    const char *said = getenv("AWAIT_STRESS_SECONDS");
    return said ? strtod(said, NULL) : 1;
}

TEST_SLOW_REAL_CLOCK(stress_everything_at_once)
{
    unsigned numbers[LOOPS + SUBMITTERS + 1];
    pthread_t threads[LOOPS + SUBMITTERS + 1];
    unsigned n = 0;
    count_memory();
    replace_channel(true);
    replace_pool(true);
    for (; n < LOOPS + SUBMITTERS + 1; n++) {
        numbers[n] = n;
        threads[n] = start_thread(n < LOOPS                ? come_and_go
                                  : n < LOOPS + SUBMITTERS ? submit
                                                           : exchange,
                                  &numbers[n]);
    }
    replace_until(now() + stress_seconds());
    raise_flag(&world.enough);
    while (n > 0)
        end_thread(threads[--n]);
    assert_int_equal(aw_channel_close(world.channel, .immediate = true), 0);
    aw_channel_unref(world.channel);
    assert_int_equal(aw_executor_free(world.pool), 0);
    printf("%ld accepted, %ld sent, %ld dropped\n", world.accepted, world.sent, world.dropped);
    assert_true(world.accepted > 0 && world.sent > 0);
    wait_until(blocks_left() == 0); /* pools that nobody has waited for end by themselves */
    assert_int_equal(world.released, world.accepted);
    assert_int_equal(world.received + world.dropped, world.sent);
    assert_int_equal(world.called, world.watched);
}
