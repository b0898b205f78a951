/*
 * Under load: eight threads submit at once; loop threads come and go by the thousand.
 */
#include "util.h"

#include <dirent.h>

enum { THREADS = 8 };

/* ---- many submissions ---- */

struct submitter {
    aw_loop *loop;
    unsigned n;
    _Atomic unsigned *ended;
    unsigned done;
};

static int end_and_count(void *arg)
{
    struct submitter *s = *(struct submitter **)arg;
    atomic_fetch_add(s->ended, 1);
    return 1;
}

/* Every eighth is waited for, so that nobody gets far ahead. */
static void *submit_many(void *arg)
{
    struct submitter *s = arg;
    for (unsigned i = 0; i < s->n; i++) {
        aw_cfuture *f = aw_submit(s->loop, end_and_count, &s, .copy = sizeof s);
        assert_non_null(f);
        if (i % 8 == 7) {
            assert_int_equal(aw_cfuture_join(f, INFINITY), 1);
            s->done++;
        } else {
            aw_cfuture_unref(f);
        }
    }
    return NULL;
}

TEST_SLOW_REAL_CLOCK(loop_thread_eight_threads_submit_at_once)
{
    count_memory();
    aw_loop_thread *lt = start_loop();
    struct submitter s[THREADS];
    _Atomic unsigned ended = 0;
    pthread_t t[THREADS];
    unsigned n = test_scale(125000, 5000);
    for (int i = 0; i < THREADS; i++) {
        s[i] = (struct submitter){.loop = aw_loop_thread_loop(lt), .n = n, .ended = &ended};
        t[i] = start_thread(submit_many, &s[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        end_thread(t[i]);
        assert_int_equal(s[i].done, n / 8);
    }
    flush_loop(aw_loop_thread_loop(lt));
    stop_loop(lt);
    assert_int_equal(ended, THREADS * n);
    assert_int_equal(blocks_left(), 0);
}

/* ---- cancelled at every moment ---- */

static int sleep_or_end(void *arg)
{
    int n = *(int *)arg;
    return n % 3 == 0 ? 1 : n % 3 == 1 ? aw_sleep(0) : aw_sleep(INFINITY);
}

struct canceller {
    aw_loop *loop;
    _Atomic int *released;
    unsigned n;
};

static void *submit_and_cancel(void *arg)
{
    struct canceller *c = arg;
    for (unsigned i = 0; i < c->n; i++) {
        int n = (int)i;
        aw_cfuture *f = aw_submit(c->loop, sleep_or_end, &n, .eager = i % 5 == 0);
        for (volatile unsigned spin = 0; spin < i % 64 * 30; spin++)
            continue;
        bool was_first = aw_cfuture_cancel(f);
        int err = aw_cfuture_result(f, INFINITY);
        assert_true(was_first ? err == -ECANCELED : err >= 0);
        assert_int_equal(aw_cfuture_join(f, INFINITY), err);
    }
    return NULL;
}

TEST_SLOW_REAL_CLOCK(loop_thread_submissions_cancelled_at_every_moment)
{
    count_memory();
    aw_loop_thread *lt = start_loop();
    struct canceller c = {.loop = aw_loop_thread_loop(lt), .n = test_scale(30000, 2000)};
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        t[i] = start_thread(submit_and_cancel, &c);
    for (int i = 0; i < 3; i++)
        end_thread(t[i]);
    stop_loop(lt);
    assert_int_equal(blocks_left(), 0);
}

/* ---- started and stopped ---- */

static unsigned entries_of(const char *folder)
{
    unsigned n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
    fclose(f);
    return pages * 4;
}

/* Loops come and go under those who submit to them: a slot is taken by one thread at a time. */
struct slot {
    pthread_mutex_t lock;
    aw_loop *loop; /* NULL between two loops */
};

struct feeder {
    struct slot *slot;
    flag *enough;
    _Atomic int released, accepted;
};

static int work_a_little(void *arg)
{
    (void)arg;
    AW_TRY(aw_sleep(0));
    return aw_sleep(0.0001);
}

static void *feed(void *arg)
{
    struct feeder *f = arg;
    while (!is_up(f->enough)) {
        aw_cfuture *last = NULL;
        pthread_mutex_lock(&f->slot->lock);
        for (int i = 0; f->slot->loop && i < 5; i++) {
            aw_cfuture_unref(last);
            last = aw_submit(f->slot->loop, work_a_little, (void *)&f->released,
                             .release = count_release);
            f->accepted += last != NULL;
        }
        pthread_mutex_unlock(&f->slot->lock);
        if (last)
            aw_ignore(aw_cfuture_join(last, INFINITY));
        else
            sched_yield();
    }
    return NULL;
}

static void come_and_go(struct slot *slot)
{
    aw_loop_thread *lt = start_loop();
    pthread_mutex_lock(&slot->lock);
    slot->loop = aw_loop_thread_loop(lt);
    pthread_mutex_unlock(&slot->lock);
    sched_yield();
    pthread_mutex_lock(&slot->lock);
    slot->loop = NULL;
    pthread_mutex_unlock(&slot->lock);
    stop_loop(lt);
}

/* No leak of thread, descriptor or memory: what there is afterwards was there before. */
TEST_SLOW_REAL_CLOCK(loop_thread_ten_thousand_under_load)
{
    count_memory();
    struct slot slot = {.lock = PTHREAD_MUTEX_INITIALIZER};
    flag enough = {0};
    struct feeder f[2];
    pthread_t t[2];
    stop_loop(start_loop());
    unsigned threads = entries_of("/proc/self/task"), files = entries_of("/proc/self/fd");
    for (int i = 0; i < 2; i++) {
        f[i] = (struct feeder){.slot = &slot, .enough = &enough};
        t[i] = start_thread(feed, &f[i]);
    }
    unsigned rounds = test_scale(10000, 500);
    long early = 0;
    for (unsigned i = 0; i < rounds; i++) {
        come_and_go(&slot);
        if (i == rounds / 10)
            early = resident_kib();
    }
    raise_flag(&enough);
    for (int i = 0; i < 2; i++) {
        end_thread(t[i]);
        assert_int_equal(f[i].released, f[i].accepted);
    }
    if (!test_is_emulated()) /* the emulator's own threads, and its records of ours */
        wait_until(entries_of("/proc/self/task") == threads); /* listed a little beyond the join */
    assert_int_equal(entries_of("/proc/self/fd"), files);
    assert_int_equal(blocks_left(), 0);
    if (!test_is_instrumented() && !test_is_emulated())
        assert_true(resident_kib() < early + 8192);
}
