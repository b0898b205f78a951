/*
 * io_uring: a loop that one thread leaves and another enters takes its operations along.
 */
#include <pthread.h>

#include "unit/io/uring_rig.h"

static void *leave_and_end(void *arg)
{
    struct rig *r = arg;
    uring_rig_open(r);
    return NULL;
}

struct visit {
    struct rig *r;
    struct aw_op *op;
    bool submit;
};

/* Enters in a thread of its own, submits, polls once, leaves. */
static void *visit(void *arg)
{
    struct visit *v = arg;
    struct aw_io *io = v->r->io;
    assert_int_equal(io->backend->enter(io), 0);
    if (v->submit)
        must_wait(v->r, v->op);
    rig_poll(v->r, 0);
    io->backend->leave(io, &v->r->done);
    return NULL;
}

static void visit_in_a_thread(struct rig *r, struct aw_op *op, bool submit)
{
    pthread_t t;
    struct visit v = {r, op, submit};
    assert_int_equal(pthread_create(&t, NULL, visit, &v), 0);
    pthread_join(t, NULL);
}

static void open_outside(struct rig *r)
{
    uring_rig_open(r);
    r->io->backend->leave(r->io, &r->done);
}

TEST(uring_operation_goes_on_in_another_thread)
{
    struct rig r;
    int fds[2];
    char buf[8] = "pppppp";
    open_outside(&r);
    make_pipe(fds, 0);
    struct aw_op op = op_read(fds[0], buf, sizeof buf);
    visit_in_a_thread(&r, &op, true);
    assert_int_equal(op.state, AW_OP_IN_FLIGHT);
    assert_int_equal(r.io->in_flight, 1);
    put(fds[1], "thread");
    assert_string_equal(buf, "pppppp"); /* nobody runs: nothing is with the kernel */
    visit_in_a_thread(&r, &op, false);
    if (op.state == AW_OP_IN_FLIGHT) {
        assert_int_equal(r.io->backend->enter(r.io), 0);
        rig_poll(&r, 1000);
        r.io->backend->leave(r.io, &r.done);
    }
    assert_ptr_equal(rig_next(&r), &op);
    assert_int_equal(op.result, 6);
    assert_memory_equal(buf, "thread", 6);
    close_pipe(fds);
    rig_close(&r);
    aw_sys = uring_watch.real;
}

/* What had its effect when the thread left is handed out then, not lost. */
TEST(uring_effect_before_leaving_is_kept)
{
    struct rig r;
    int fds[2];
    char buf[8];
    uring_rig_open(&r);
    make_pipe(fds, 0);
    struct aw_op op = op_read(fds[0], buf, sizeof buf), behind = op_read(fds[0], buf, sizeof buf);
    must_wait(&r, &op);
    must_wait(&r, &behind);
    rig_poll(&r, 0);
    put(fds[1], "kept");
    assert_int_equal(aw_sys.ring_enter(uring_watch.ring, 0), 0);
    r.io->backend->leave(r.io, &r.done);
    assert_ptr_equal(rig_next(&r), &op);
    assert_int_equal(op.result, 4);
    assert_int_equal(behind.state, AW_OP_IN_FLIGHT);
    rig_cancel(&r, &behind);
    close_pipe(fds);
    rig_close(&r);
    aw_sys = uring_watch.real;
}

/* Cancelled and left before the kernel has answered: it has ended by then. */
TEST(uring_cancelled_operation_ends_with_the_leaving)
{
    struct rig r;
    int fds[2];
    char buf[8];
    uring_rig_open(&r);
    make_pipe(fds, 0);
    struct aw_op op = op_read(fds[0], buf, sizeof buf);
    must_wait(&r, &op);
    rig_poll(&r, 0);
    assert_false(r.io->backend->cancel(r.io, &op));
    r.io->backend->leave(r.io, &r.done);
    assert_ptr_equal(rig_next(&r), &op);
    assert_int_equal(op.result, -ECANCELED);
    close_pipe(fds);
    rig_close(&r);
    aw_sys = uring_watch.real;
}

/* Between two runs operations can be begun and taken back. */
TEST(uring_operations_between_runs_wait_for_the_next)
{
    struct rig r;
    int fds[2];
    char buf[8];
    open_outside(&r);
    make_pipe(fds, 0);
    struct aw_op first = op_read(fds[0], buf, sizeof buf), second = op_poll(fds[0], POLLIN);
    must_wait(&r, &first);
    must_wait(&r, &second);
    rig_cancel(&r, &first);
    put(fds[1], "x");
    assert_int_equal(r.io->backend->enter(r.io), 0);
    assert_int_equal(rig_result(&r, &second), POLLIN);
    close_pipe(fds);
    uring_rig_close(&r);
}

/* A ring whose thread has ended can be closed by another, with what was prepared in it. */
TEST(uring_of_a_thread_that_ended_is_closed_by_another)
{
    struct rig r;
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, leave_and_end, &r), 0);
    pthread_join(t, NULL);
    uring_rig_close(&r);
}

/* The kernel refuses to take anything back: the ring is given up, and the operations live on. */
TEST(uring_broken_ring_is_given_up_when_leaving)
{
    struct rig r;
    int fds[2];
    char buf[8];
    uring_rig_open(&r);
    make_pipe(fds, 0);
    struct aw_op op = op_poll(fds[0], POLLIN), asked = op_read(fds[0], buf, 1);
    must_wait(&r, &op);
    must_wait(&r, &asked);
    rig_poll(&r, 0);
    uring_watch.refuse = -EBADF;
    uring_watch.refusals = 100;
    assert_false(r.io->backend->cancel(r.io, &asked));
    r.io->backend->leave(r.io, &r.done);
    uring_watch.refusals = 0;
    assert_ptr_equal(rig_next(&r), &asked);
    assert_int_equal(asked.result, -ECANCELED);
    assert_int_equal(r.io->backend->enter(r.io), 0);
    put(fds[1], "x");
    assert_int_equal(rig_result(&r, &op), POLLIN);
    close_pipe(fds);
    uring_rig_close(&r);
}
