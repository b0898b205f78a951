/*
 * Waiting for several concurrent futures.
 */
#include <semaphore.h>

#include "util.h"

enum { N = 4 };

/* Pending ones, and one thread that completes some of them after a while. */
struct crowd {
    aw_cfuture *f[N];
    int first, error; /* the number of the one to complete; of the one to fail after it, or -1 */
};

static void *complete_some(void *arg)
{
    struct crowd *c = arg;
    pause_ms(20);
    assert_int_equal(aw_cfuture_set_result(c->f[c->first], 1, NULL), 0);
    if (c->error >= 0)
        assert_int_equal(aw_cfuture_set_error(c->f[c->error], -EIO, NULL), 0);
    return NULL;
}

static void make(struct crowd *c)
{
    for (int i = 0; i < N; i++)
        c->f[i] = aw_cfuture_new();
}

/* Whatever is done has been looked at. */
static void unmake(struct crowd *c)
{
    for (int i = 0; i < N; i++) {
        aw_ignore(aw_cfuture_result(c->f[i], 0));
        aw_cfuture_unref(c->f[i]);
    }
}

/* CONC-022: Waiting for the first to complete returns with those done then; if some were done
 * beforehand it returns at once with just those. */
TEST_REAL_CLOCK(CONC_022_first_completed)
{
    struct crowd c = {.first = 2, .error = -1};
    make(&c);
    pthread_t t = start_thread(complete_some, &c);
    assert_int_equal(aw_cfuture_wait(c.f, N, AW_FIRST_COMPLETED, 5), 1);
    for (int i = 0; i < N; i++)
        assert_int_equal(aw_cfuture_done(c.f[i]), i == 2);
    end_thread(t);
    unmake(&c);
}

TEST(CONC_022_some_were_completed_before)
{
    struct crowd c;
    make(&c);
    assert_true(aw_cfuture_cancel(c.f[0]));
    assert_int_equal(aw_cfuture_set_result(c.f[3], 1, NULL), 0);
    assert_int_equal(aw_cfuture_wait(c.f, N, AW_FIRST_COMPLETED, INFINITY), 2);
    unmake(&c);
}

/* CONC-023: Waiting for the first error returns when one fails, with earlier successes among those
 * done; a failure that was there before makes it return at once. */
TEST_REAL_CLOCK(CONC_023_first_error)
{
    struct crowd c = {.first = 1, .error = 3};
    make(&c);
    pthread_t t = start_thread(complete_some, &c);
    assert_int_equal(aw_cfuture_wait(c.f, N, AW_FIRST_ERROR, 5), 2);
    end_thread(t);
    assert_true(aw_cfuture_done(c.f[1]));
    assert_int_equal(aw_cfuture_result(c.f[3], 0), -EIO);
    unmake(&c);
}

TEST(CONC_023_a_failure_was_there_before)
{
    struct crowd c;
    make(&c);
    assert_int_equal(aw_cfuture_set_error(c.f[1], -EIO, NULL), 0);
    assert_int_equal(aw_cfuture_wait(c.f, N, AW_FIRST_ERROR, INFINITY), 1);
    unmake(&c);
}

/* A cancelled one is not a failed one; and when all are done it returns without any failure. */
TEST(CONC_023_cancelled_is_no_error)
{
    struct crowd c;
    make(&c);
    assert_true(aw_cfuture_cancel(c.f[0]));
    assert_int_equal(aw_cfuture_wait(c.f, N, AW_FIRST_ERROR, 0.01), 1);
    for (int i = 1; i < N; i++)
        assert_int_equal(aw_cfuture_set_result(c.f[i], 1, NULL), 0);
    assert_int_equal(aw_cfuture_wait(c.f, N, AW_FIRST_ERROR, INFINITY), N);
    unmake(&c);
}

/* CONC-024: A wait that times out reports no error: what is unfinished is just not among those that
 * are done. */
TEST_REAL_CLOCK(CONC_024_time_out)
{
    struct crowd c;
    make(&c);
    assert_int_equal(aw_cfuture_set_result(c.f[1], 1, NULL), 0);
    double began = now();
    assert_int_equal(aw_cfuture_wait(c.f, N, AW_ALL_COMPLETED, 0.03), 1);
    assert_true(now() - began >= 0.03);
    assert_int_equal(aw_cfuture_wait(c.f, N, AW_ALL_COMPLETED, 0), 1);
    assert_int_equal(aw_cfuture_wait(c.f, N, AW_ALL_COMPLETED, -1), 1);
    assert_false(aw_cfuture_done(c.f[0]));
    unmake(&c);
}

TEST_REAL_CLOCK(CONC_024_all_completed)
{
    struct crowd c = {.first = 0, .error = 1};
    make(&c);
    assert_true(aw_cfuture_cancel(c.f[2]));
    assert_true(aw_cfuture_cancel(c.f[3]));
    pthread_t t = start_thread(complete_some, &c);
    assert_int_equal(aw_cfuture_wait(c.f, N, AW_ALL_COMPLETED, 5), N);
    end_thread(t);
    unmake(&c);
}

/* CONC-025: As-completed with a time limit (0 included) delivers what is done, then gives
 * -ETIMEDOUT; the detail tells how many of how many were unfinished. */
TEST_REAL_CLOCK(CONC_025_delivers_what_is_done_then_times_out)
{
    for (int i = 0; i < 2; i++) {
        struct crowd c;
        unsigned char seen[N] = {0};
        make(&c);
        assert_int_equal(aw_cfuture_set_result(c.f[2], 1, NULL), 0);
        assert_int_equal(aw_cfuture_set_error(c.f[0], -EIO, NULL), 0);
        double timeout = i ? 0.01 : 0;
        assert_int_equal(aw_cfuture_next_completed(c.f, N, seen, timeout), 0);
        assert_int_equal(aw_cfuture_next_completed(c.f, N, seen, timeout), 2);
        assert_int_equal(aw_cfuture_next_completed(c.f, N, seen, timeout), -ETIMEDOUT);
        assert_string_equal(aw_errmsg(), "2 of 4 futures are unfinished");
        unmake(&c);
    }
}

static sem_t next_wanted;

/* The next one only when the one before has been seen. */
static void *complete_one_by_one(void *arg)
{
    static const int order[N] = {2, 0, 3, 1};
    struct crowd *c = arg;
    for (int i = 0; i < N; i++) {
        while (sem_wait(&next_wanted) != 0)
            continue;
        assert_int_equal(aw_cfuture_set_result(c->f[order[i]], i, NULL), 0);
    }
    return NULL;
}

TEST_REAL_CLOCK(CONC_025_each_once_as_they_complete)
{
    struct crowd c;
    unsigned char seen[N] = {0};
    make(&c);
    sem_init(&next_wanted, 0, 1);
    pthread_t t = start_thread(complete_one_by_one, &c);
    int i, expected = 0;
    while ((i = aw_cfuture_next_completed(c.f, N, seen, 5)) < N) {
        assert_true(i >= 0);
        assert_int_equal(aw_cfuture_result(c.f[i], 0), expected++);
        sem_post(&next_wanted);
    }
    assert_int_equal(expected, N);
    assert_int_equal(aw_cfuture_next_completed(c.f, N, seen, 0), N);
    end_thread(t);
    sem_destroy(&next_wanted);
    unmake(&c);
}

/* ---- misuse ---- */

TEST(cfuture_wait_bad_arguments)
{
    struct crowd c;
    unsigned char seen[N] = {0};
    aw_cfuture *none[1] = {NULL};
    make(&c);
    assert_int_equal(aw_cfuture_wait(c.f, 0, AW_ALL_COMPLETED, 1), -EINVAL);
    assert_int_equal(aw_cfuture_wait(NULL, 1, AW_ALL_COMPLETED, 1), -EINVAL);
    assert_int_equal(aw_cfuture_wait(none, 1, AW_ALL_COMPLETED, 1), -EINVAL);
    assert_int_equal(aw_cfuture_wait(c.f, N, 77, 1), -EINVAL);
    assert_int_equal(aw_cfuture_wait(c.f, N, AW_ALL_COMPLETED, NAN), -EINVAL);
    assert_int_equal(aw_cfuture_wait(c.f, SIZE_MAX, AW_ALL_COMPLETED, 1), -EINVAL);
    assert_int_equal(aw_cfuture_next_completed(c.f, N, NULL, 1), -EINVAL);
    assert_int_equal(aw_cfuture_next_completed(c.f, 0, seen, 1), -EINVAL);
    assert_int_equal(aw_cfuture_next_completed(c.f, N, seen, NAN), -EINVAL);
    unmake(&c);
}

/* ---- nothing piles up ---- */

TEST_REAL_CLOCK(cfuture_wait_leaves_nothing_behind)
{
    count_memory();
    struct crowd c;
    unsigned char seen[N] = {0};
    make(&c);
    long before = blocks_left();
    for (int i = 0; i < 300; i++) {
        assert_int_equal(aw_cfuture_wait(c.f, N, AW_FIRST_COMPLETED, 1e-4), 0);
        assert_int_equal(aw_cfuture_next_completed(c.f, N, seen, 1e-4), -ETIMEDOUT);
    }
    assert_true(blocks_left() <= before + 1); /* the text of the last error */
    unmake(&c);
}

/* The same one, several times over. */
TEST_REAL_CLOCK(cfuture_wait_for_one_twice)
{
    struct crowd c = {.first = 0, .error = -1};
    make(&c);
    aw_cfuture *twice[3] = {c.f[0], c.f[0], c.f[0]};
    pthread_t t = start_thread(complete_some, &c);
    assert_int_equal(aw_cfuture_wait(twice, 3, AW_ALL_COMPLETED, 5), 3);
    end_thread(t);
    unmake(&c);
}

/* ---- under load ---- */

struct heap_of {
    aw_cfuture **f;
    unsigned n;
    _Atomic unsigned callbacks;
};

static int count_callback(aw_cfuture *f, void *arg)
{
    (void)f;
    atomic_fetch_add(&((struct heap_of *)arg)->callbacks, 1);
    return 0;
}

static void *complete_all(void *arg)
{
    struct heap_of *h = arg;
    for (unsigned i = 0; i < h->n; i++)
        aw_ignore(i % 3 == 0   ? aw_cfuture_cancel(h->f[i])
                  : i % 3 == 1 ? aw_cfuture_set_result(h->f[i], 1, NULL)
                               : aw_cfuture_set_error(h->f[i], -EIO, NULL));
    return NULL;
}

static void *watch_all(void *arg)
{
    struct heap_of *h = arg;
    for (unsigned i = 0; i < h->n; i++) {
        assert_int_equal(aw_cfuture_add_done_callback(h->f[i], count_callback, h), 0);
        aw_ignore(aw_cfuture_wait(&h->f[i], 1, AW_FIRST_COMPLETED, 1e-5));
    }
    return NULL;
}

static void *wait_for_all(void *arg)
{
    struct heap_of *h = arg;
    for (unsigned i = 0; i + 8 <= h->n; i += 8)
        assert_int_equal(aw_cfuture_wait(h->f + i, 8, AW_ALL_COMPLETED, INFINITY), 8);
    for (unsigned i = 0; i < h->n; i++)
        aw_ignore(aw_cfuture_result(h->f[i], INFINITY));
    return NULL;
}

/* Completed by two threads at once, watched by two, waited for by two. */
TEST_SLOW_REAL_CLOCK(cfuture_everything_at_once)
{
    count_memory();
    struct heap_of h = {.n = test_scale(20000, 3000)};
    h.f = calloc(h.n, sizeof *h.f);
    for (unsigned i = 0; i < h.n; i++)
        h.f[i] = aw_cfuture_new();
    void *(*const work[])(void *) = {watch_all,    wait_for_all, watch_all,
                                     wait_for_all, complete_all, complete_all};
    pthread_t t[6];
    for (int i = 0; i < 6; i++)
        t[i] = start_thread(work[i], &h);
    for (int i = 0; i < 6; i++)
        end_thread(t[i]);
    for (unsigned i = 0; i < h.n; i++)
        aw_cfuture_unref(h.f[i]);
    free(h.f);
    assert_int_equal(h.callbacks, 2 * h.n);
    assert_int_equal(blocks_left(), 0);
}
