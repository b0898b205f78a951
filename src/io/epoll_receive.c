/*
 * epoll_receive.c - receivers on epoll.
 *
 * A receiver stays on its descriptor's entry, and is received from whenever that is ready.  Without
 * a chunk to receive into it leaves the entry, so that the kernel need not repeat what is known,
 * and comes back when there is one.
 */
#include "io/epoll_io.h"

/* op->phase */
enum { ON_ENTRY, STARVING };

bool aw_epoll_receive_submit(struct epoll_io *e, struct aw_op *op)
{
    int err = aw_epoll_watch_receiver(e, op);
    if (err < 0) {
        op->result = err;
        op->state = AW_OP_COMPLETED;
        return true;
    }
    op->phase = ON_ENTRY;
    op->state = AW_OP_IN_FLIGHT;
    e->io.in_flight++;
    return false;
}

void aw_epoll_receive_finish(struct epoll_io *e, struct aw_op *op, int64_t result)
{
    if (op->phase == STARVING)
        aw_list_remove(&op->all);
    else
        e->table[op->fd].receiver = NULL;
    aw_assert(e->io.in_flight > 0);
    e->io.in_flight--;
    op->result = result;
    op->state = AW_OP_COMPLETED;
}

/* Without a chunk to receive into it is as good as not there, until one comes back. */
void aw_epoll_receive_serve(struct epoll_io *e, struct aw_receiver *r, aw_list *completed)
{
    struct aw_op *op = &r->op;
    int64_t result = aw_receive_ready(r, &e->chunks);
    if (result == -ENOBUFS) {
        e->table[op->fd].receiver = NULL;
        op->phase = STARVING;
        aw_list_push_back(&e->chunks.starving, &op->all);
    } else if (result <= 0 && result != AW_OP_MUST_WAIT) {
        aw_epoll_receive_finish(e, op, result);
    }
    if (!aw_list_empty(&r->chunks) || op->state == AW_OP_COMPLETED)
        aw_receiver_announce(r, completed);
}

/* One starving receiver for each chunk that has come back: it is ready, as epoll will say. */
void aw_epoll_feed(struct epoll_io *e, aw_list *completed)
{
    aw_list_each(chunk, &e->chunks.free)
    {
        aw_list *first = aw_list_pop_front(&e->chunks.starving);
        if (!first)
            return;
        struct aw_op *op = aw_container_of(first, struct aw_op, all);
        int err = aw_epoll_watch_receiver(e, op);
        if (err == 0) {
            op->phase = ON_ENTRY;
            continue;
        }
        aw_epoll_receive_finish(e, op, err); /* it is on no list any more */
        aw_receiver_announce(aw_receiver_of(op), completed);
    }
}
