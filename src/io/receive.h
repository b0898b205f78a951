/*
 * receive.h - receiving until told otherwise: for objects that own their descriptor.
 *
 * A receiver is one long operation.  What arrives comes in chunks, pieces of memory that belong to
 * the loop, so that a connection on which nothing happens holds none:
 *
 *      submit(&r->op) --> in flight:  bytes ... bytes ... bytes ...  end, error or cancellation
 *                                       |         |                    |
 *                                   r->arrived() once for what a poll brought: takes the chunks;
 *                                   when r->op.state is AW_OP_COMPLETED, that was the last call
 *
 *   - The owner alone reads from the descriptor: a receiver takes no turns with other operations.
 *     It is a socket of bytes, or a pipe or the like (io_uring then polls it, and reads when it is
 *     ready); not one of datagrams.
 *   - Chunks come in the order of the bytes.  Each is the owner's, from aw_receiver_take() until
 *     aw_chunk_release(); both belong to the loop's thread.
 *   - There is a limited number of chunks.  When all are with owners receiving pauses by itself,
 * and goes on when one comes back.  So an owner either gives its chunks back soon, having copied
 *     what it wants to keep, or cancels its receiver.
 *   - To pause is to cancel: backend->cancel(io, &r->op).  True: it is over here and now, and
 *     arrived() will not be called; false: arrived() will be called once more, with the end. Either
 *     way chunks that came before are on the list; nothing comes after, and nothing is lost: what
 *     was not received is still the kernel's.  To go on is to submit again.
 *   - The result, once it is completed: 0 at the end of the bytes, -ECANCELED, or an error.
 *     submit() returns true only where it could not begin: op.result then says why.
 *   - Before the record goes it is completed, and every chunk has been released.
 *
 * io_uring: a multishot receive picks its memory, when there are bytes, from a ring of chunks that
 * the kernel has; on old kernels it is begun anew for each chunk, and without such rings the
 * descriptor is polled.  epoll: the descriptor stays registered, and is received from when it is
 * ready.
 */
#ifndef AW_IO_RECEIVE_H
#define AW_IO_RECEIVE_H

#include "io/io.h"

enum { AW_CHUNK_SIZE = 8192 };

/* A piece of what arrived. */
struct aw_chunk {
    aw_list link; /* for the owner's use as long as it has the chunk */
    char *data;
    size_t len; /* 1 to AW_CHUNK_SIZE */
    struct aw_chunks *pool;
    uint16_t id;
    bool with_kernel; /* io_uring's: nobody else's at present */
};

struct aw_receiver {
    struct aw_op op;
    aw_list chunks; /* arrived and not taken */
    void (*arrived)(struct aw_receiver *r);
    bool announced;          /* on its way to arrived() */
    bool is_file;            /* not a socket: read(2) */
    bool polled, one_by_one; /* io_uring's: how it is received */
};

/* Sets a record up, for a descriptor, before it is submitted for the first time.  (Not between two
 * submissions: chunks may be left.) */
void aw_receiver_init(struct aw_receiver *r, int fd, void (*arrived)(struct aw_receiver *r));

/* The next chunk that has arrived, now the caller's; NULL: no more for now. */
struct aw_chunk *aw_receiver_take(struct aw_receiver *r);

/* Gives a chunk back.  At the latest before the loop is closed. */
void aw_chunk_release(struct aw_chunk *c);

/* ---- for backends ---- */

static inline struct aw_receiver *aw_receiver_of(struct aw_op *op)
{
    return aw_container_of(op, struct aw_receiver, op);
}

void aw_chunks_init(struct aw_chunks *p);
void aw_chunks_fini(struct aw_chunks *p); /* those that owners still have too */

/* A free chunk, making some if there is none; NULL: all that there may be are in use (p->made > 0),
 * or there is no memory for the first. */
struct aw_chunk *aw_chunk_get(struct aw_chunks *p);

/* Makes more: false if there may not be more, or there is no memory. */
bool aw_chunks_grow(struct aw_chunks *p);

/* The chunk that has this number. */
struct aw_chunk *aw_chunk_numbered(const struct aw_chunks *p, uint16_t id);

/* Receives what is there into chunks of the pool, for as long as it is much, up to a limit, and
 * without waiting, if the descriptor is known to be ready: > 0, there may be more; AW_OP_MUST_WAIT;
 * 0, the end; -ENOBUFS, out of chunks for now; another error. */
int64_t aw_receive_ready(struct aw_receiver *r, struct aw_chunks *p);

/* A chunk with bytes in it has arrived. */
void aw_receiver_add(struct aw_receiver *r, struct aw_chunk *c, size_t len);

/* Have arrived() called after this poll. */
void aw_receiver_announce(struct aw_receiver *r, aw_list *completed);

#endif
