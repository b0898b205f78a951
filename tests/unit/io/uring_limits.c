/*
 * io_uring: more than fits, refusals of the kernel, old kernels, waking; and no call without need.
 */
#include <pthread.h>

#include "unit/io/uring_rig.h"

/* More operations than the ring has room for, and more completions than theirs: none is lost. */
TEST(uring_overfull_rings_lose_nothing)
{
    enum { MANY = 3000 };
    static struct aw_op ops[MANY];
    struct rig r;
    int fds[2], count = 0;
    uring_rig_open(&r);
    make_pipe(fds, 0);
    for (int i = 0; i < MANY; i++) {
        ops[i] = op_poll(fds[0], POLLIN);
        must_wait(&r, &ops[i]);
    }
    rig_expect_nothing(&r);
    put(fds[1], "x");
    while (r.io->in_flight > 0)
        rig_poll(&r, 1000);
    while (rig_next(&r))
        count++;
    assert_int_equal(count, MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(ops[i].result, POLLIN);
    close_pipe(fds);
    uring_rig_close(&r);
}

/* The same, cancelled: there is no room for the cancellations either. */
TEST(uring_overfull_ring_of_cancellations_loses_nothing)
{
    enum { MANY = 2000 };
    static struct aw_op ops[MANY];
    struct rig r;
    int fds[2], at_once = 0, later = 0;
    uring_rig_open(&r);
    make_pipe(fds, 0);
    for (int i = 0; i < MANY; i++) {
        ops[i] = op_poll(fds[0], POLLIN);
        must_wait(&r, &ops[i]);
    }
    uring_watch.refuse = -EBUSY; /* so that nothing leaves the ring in between */
    uring_watch.refusals = 900;
    for (int i = 0; i < MANY; i++)
        at_once += r.io->backend->cancel(r.io, &ops[i]);
    uring_watch.refusals = 0;
    while (r.io->in_flight > 0)
        rig_poll(&r, 1000);
    while (rig_next(&r))
        later++;
    assert_int_equal(at_once + later, MANY);
    assert_true(later > 0);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(ops[i].result, -ECANCELED);
    close_pipe(fds);
    uring_rig_close(&r);
}

TEST(uring_refusals_are_waited_out)
{
    static const int reasons[] = {-EAGAIN, -EBUSY, -ENOMEM, -EINTR};
    struct rig r;
    int fds[2];
    char buf[1];
    uring_rig_open(&r);
    make_pipe(fds, 0);
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        struct aw_op op = op_read(fds[0], buf, 1);
        must_wait(&r, &op);
        put(fds[1], "r");
        uring_watch.refuse = reasons[i];
        uring_watch.refusals = 5;
        assert_int_equal(rig_result(&r, &op), 1);
        assert_int_equal(uring_watch.refusals, 0);
    }
    close_pipe(fds);
    uring_rig_close(&r);
}

TEST(uring_refusals_without_end_are_an_error)
{
    struct rig r;
    int err = 0;
    uring_rig_open(&r);
    uring_watch.refuse = -EBADF;
    uring_watch.refusals = 1;
    assert_int_equal(r.io->backend->poll(r.io, -1, &r.done), -EBADF);
    uring_watch.refuse = -ENOMEM;
    uring_watch.refusals = 5000;
    for (int i = 0; i < 5000 && err == 0; i++)
        err = r.io->backend->poll(r.io, -1, &r.done);
    assert_int_equal(err, -ENOMEM);
    uring_watch.refusals = 0;
    uring_rig_close(&r);
}

/* With operations in flight, nothing new and nothing to wait for, no call is made. */
TEST(uring_poll_without_news_makes_no_system_call)
{
    struct rig r;
    int fds[2];
    char buf[1];
    uring_rig_open(&r);
    make_pipe(fds, 0);
    struct aw_op op = op_read(fds[0], buf, 1);
    must_wait(&r, &op);
    assert_int_equal(uring_watch.enters, 0); /* submitting is not a call */
    rig_poll(&r, 0);
    assert_int_equal(uring_watch.enters, 1);
    for (int i = 0; i < 10; i++)
        rig_poll(&r, 0);
    assert_int_equal(uring_watch.enters, 1);
    put(fds[1], "n");
    assert_int_equal(rig_result(&r, &op), 1);
    close_pipe(fds);
    uring_rig_close(&r);
}

/* ---- waking ---- */

static void *wake_it(void *arg)
{
    struct aw_io *io = arg;
    io->backend->wake(io);
    return NULL;
}

static void wake_in_every_way(struct rig *r)
{
    for (int i = 0; i < 3; i++) {
        pthread_t t;
        r->io->backend->wake(r->io); /* before it sleeps */
        rig_poll(r, -1);
        assert_int_equal(pthread_create(&t, NULL, wake_it, r->io), 0); /* before or while */
        rig_poll(r, -1);
        pthread_join(t, NULL);
    }
    assert_true(aw_list_empty(&r->done));
}

TEST(uring_wakes_before_and_while_it_sleeps)
{
    struct rig r;
    uring_rig_open(&r);
    wake_in_every_way(&r);
    uring_rig_close(&r);
}

/* A kernel that does not know polls that go on reporting. */
static void single_shot(struct io_uring_cqe *cqe)
{
    if (cqe->user_data != 1 || !(cqe->flags & IORING_CQE_F_MORE))
        return;
    cqe->flags &= ~IORING_CQE_F_MORE;
    cqe->res = -EINVAL;
    uring_watch.meddle = NULL; /* from now on it is asked for one report at a time */
}

TEST(uring_wakes_with_polls_that_report_once)
{
    struct rig r;
    uring_rig_open(&r);
    uring_watch.meddle = single_shot;
    wake_in_every_way(&r);
    assert_null(uring_watch.meddle);
    wake_in_every_way(&r);
    uring_rig_close(&r);
}

TEST(uring_timeout_ends_a_poll)
{
    struct rig r;
    uring_rig_open(&r);
    int64_t began = aw_clock_real();
    rig_poll(&r, 3);
    assert_true(aw_clock_real() - began >= 3000000);
    uring_rig_close(&r);
}

/* ---- older kernels ---- */

static void transfer_in_a_lesser_mode(unsigned modes_refused)
{
    struct rig r;
    int fds[2];
    char buf[4];
    uring_watch.opens_refused = modes_refused;
    uring_rig_open(&r);
    assert_int_equal(uring_watch.opens_refused, 0);
    make_pipe(fds, 0);
    struct aw_op op = op_read(fds[0], buf, sizeof buf), other = op_poll(fds[0], POLLIN);
    must_wait(&r, &op);
    rig_expect_nothing(&r);
    put(fds[1], "old");
    assert_int_equal(rig_result(&r, &op), 3);
    must_wait(&r, &other);
    rig_expect_nothing(&r);
    assert_false(r.io->backend->cancel(r.io, &other));
    assert_int_equal(rig_result(&r, &other), -ECANCELED);
    wake_in_every_way(&r);
    close_pipe(fds);
    uring_rig_close(&r);
}

TEST(uring_in_the_modes_of_older_kernels)
{
    transfer_in_a_lesser_mode(0);
    transfer_in_a_lesser_mode(1);
    transfer_in_a_lesser_mode(2);
}

static int no_probe(struct io_uring *ring, struct io_uring_probe *probe, unsigned n)
{
    (void)ring;
    (void)n;
    probe->last_op = 0; /* one that only pretends to be io_uring */
    return 0;
}

static int no_features(struct io_uring *ring, unsigned entries, struct io_uring_params *params)
{
    int err = uring_watch.real.ring_open(ring, entries, params);
    ring->features &= ~IORING_FEAT_EXT_ARG;
    return err;
}

TEST(uring_that_lacks_something_is_not_taken)
{
    struct rig r;
    struct aw_io *io = NULL;
    const char *why = NULL;
    uring_rig_open(&r);
    uring_rig_close(&r);
    aw_sys.ring_probe = no_probe;
    assert_int_equal(aw_io_open(&io, "io_uring", &why), -ENOSYS);
    assert_string_equal(why, "the kernel's io_uring lacks an operation");
    aw_sys.ring_open = no_features;
    assert_int_equal(aw_io_open(&io, "io_uring", &why), -ENOSYS);
    assert_string_equal(why, "the kernel's io_uring is too old: Linux 5.11 is needed");
    aw_sys = uring_watch.real;
}
