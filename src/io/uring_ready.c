/*
 * uring_ready.c - waiting until a descriptor is ready for what was asked for, and nothing else.
 *
 * A poll in the ring also ends when the other side has ended its sending, asked for or not, and
 * made again it ends again at once.  A peer that ends its sending and reads nothing would so keep a
 * sender busy with asking.  epoll tells no more than it is asked for, and its descriptor can be
 * polled itself: so an operation that was told of the end and waits for something else gets an
 * epoll descriptor of its own, in op->other, and waits for that, until it is over.
 */
#include "io/uring_io.h"

static short wanted(const struct aw_op *op)
{
    if (op->kind == AW_OP_POLL)
        return op->events;
    return aw_op_side(op) == AW_SIDE_WRITE ? POLLOUT : POLLIN;
}

static int go_through(struct aw_op *op)
{
    struct epoll_event ev = {.events = (uint16_t)wanted(op)};
    int ep = aw_sys.epoll_create();
    if (ep < 0)
        return ep;
    int err = aw_sys.epoll_ctl(ep, EPOLL_CTL_ADD, op->fd, &ev);
    if (err < 0) {
        (void)aw_sys.close(ep);
        return err;
    }
    op->other = ep;
    op->phase |= THROUGH;
    return 0;
}

void aw_uring_end_through(struct aw_op *op)
{
    (void)aw_sys.close(op->other);
    op->phase &= (uint8_t)~THROUGH;
}

void aw_uring_fill_poll(struct io_uring_sqe *sqe, const struct aw_op *op)
{
    if (op->phase & THROUGH)
        io_uring_prep_poll_add(sqe, op->other, POLLIN);
    else
        io_uring_prep_poll_add(sqe, op->fd, (uint16_t)wanted(op));
}

int64_t aw_uring_polled(struct aw_op *op, int64_t result)
{
    if (result <= 0)
        return result;
    if (op->phase & THROUGH)
        return aw_op_readiness(op->fd, wanted(op));
    int64_t asked = result & ((uint16_t)wanted(op) | POLLERR | POLLHUP | POLLNVAL);
    if (asked)
        return asked;
    int err = go_through(op);
    return err < 0 ? err : AW_OP_MUST_WAIT;
}
