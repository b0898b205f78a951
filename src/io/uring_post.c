/*
 * uring_post.c - small sends of many connections, all by the call that polls.
 *
 * Where many connections are at work, or many are sent the same, a system call for each costs more
 * than what is sent.  What is posted is written into the ring instead.  The kernel is told not to
 * wait, so it takes the bytes in the call that hands the ring over, or not at all: the next poll's,
 * or one of our own when the ring is full.  A loop with little to do gains nothing by that: there
 * one sends by a call, at once.
 *
 * Memory.  The bytes are copied into memory of the backend's own, one behind the other.  It is used
 * again from its beginning when a poll begins and no post is in flight: whoever had one was told of
 * its end before.  So the kernel never has memory of a caller's, and a post whose ring was dropped
 * can go into the next one.
 */
#include "io/uring_io.h"

#include <string.h>

enum {
    MANY = 4,               /* completions by one call: from there on posting pays */
    MANY_SENDS = 32,        /* since then, one after the other to different descriptors: as well */
    POSTS_MAX = 1024,       /* in flight: there is room for as many completions, and for others */
    POST_MAX = 1024,        /* bytes: copying them costs much less than a call */
    POSTED_SIZE = 64 << 10, /* bytes, of all in a pass */
};

/* Is there a place in the ring?  One that is full is handed over, unless the kernel has refused
 * that: then there is none until the next poll, which sees to it. */
static bool has_place(struct uring_io *u)
{
    if (io_uring_sq_space_left(&u->ring) == 0 && !u->refused)
        u->refused = aw_sys.ring_enter(&u->ring, 0) < 0;
    return io_uring_sq_space_left(&u->ring) > 0;
}

/* What waits for a place must not be overtaken, nor waited behind. */
static bool has_room(struct uring_io *u, size_t n)
{
    if (n > POST_MAX || n > POSTED_SIZE - u->posted_len || u->posts == POSTS_MAX)
        return false;
    if (!u->posted)
        u->posted = aw_mem_alloc(POSTED_SIZE);
    return u->posted && aw_list_empty(&u->waiting) && has_place(u);
}

/* One connection is sent to by calls, however often: who waits for it has it at once. */
static bool is_busy(struct uring_io *u, int fd)
{
    u->sends += fd != u->sent_to;
    u->sent_to = fd;
    return u->reaped >= MANY || u->sends > MANY_SENDS;
}

bool aw_uring_post(struct aw_io *io, struct aw_op *op)
{
    struct uring_io *u = (struct uring_io *)io;
    aw_assert(op->kind == AW_OP_POST && op->state != AW_OP_IN_FLIGHT);
    if (!is_busy(u, op->fd) || !u->running || u->leaving || !has_room(u, op->len))
        return false;
    op->buf = memcpy(u->posted + u->posted_len, op->buf, op->len);
    u->posted_len += op->len;
    u->posts++;
    op->phase = QUEUED;
    op->asked = false;
    op->state = AW_OP_IN_FLIGHT;
    io->in_flight++;
    aw_uring_start(u, op);
    return true;
}

void aw_uring_post_again(struct uring_io *u)
{
    u->sends = 0;
    u->refused = false;
    if (!u->posts)
        u->posted_len = 0;
}
