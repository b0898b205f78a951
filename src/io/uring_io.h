/*
 * uring_io.h - what the files of the io_uring backend share: see uring.c.
 */
#ifndef AW_IO_URING_IO_H
#define AW_IO_URING_IO_H

#include "io/io.h"
#include "io/queue.h"
#include "io/receive.h"
#include "io/ring.h"

/* op->phase: where it is, and what it needs. */
enum {
    QUEUED = 0,
    WAITING = 1,  /* on u->waiting */
    FLYING = 2,   /* on u->flying */
    STARVING = 3, /* a receiver, on its pool's list */
    PLACE = 3,
    POLLING = 4,    /* it would block: its descriptor is polled first */
    TRIED = 8,      /* that was done once */
    ASYNC = 16,     /* one of the kernel's threads shall do it */
    TO_CANCEL = 32, /* a cancellation has to be sent, and there was no room */
    THROUGH = 64,   /* it polls an epoll descriptor of its own, op->other */
};

/* The chunks that the kernel receives into.  It takes them from a ring of its own, in memory that
 * both sides see. */
struct aw_ring_buffers {
    struct aw_chunks chunks;
    void *memory; /* of the ring; NULL: not made yet */
    size_t with_kernel;
    bool registered; /* with the ring of operations in use */
    bool missing;    /* there are no such rings here */
    bool one_by_one; /* one operation receives one chunk */
    bool goes_on;    /* it is known that they receive many */
};

struct sides {
    struct aw_op_queue readers, writers;
};

struct uring_io {
    struct aw_io io; /* first: the two are cast into each other */
    struct io_uring ring;
    int wake_fd;
    bool has_ring;
    bool running;    /* between enter() and leave() */
    bool leaving;    /* what comes back cancelled will be submitted again */
    bool wake_armed; /* the poll for the eventfd is in the ring */
    bool wake_once;  /* the kernel's polls report once */
    bool to_cancel;  /* some operation is marked so */
    int broken;      /* the loop cannot be woken any more: why */
    unsigned refusals;
    unsigned reaped;                /* completions of the last call */
    unsigned sends;                 /* since then, to another descriptor than the one before: */
    int sent_to;                    /* to this */
    bool refused;                   /* the kernel did not take the ring in between */
    unsigned posts;                 /* in flight */
    char *posted;                   /* the bytes to be sent for them; NULL: none so far */
    size_t posted_len;              /* that much of it is taken */
    size_t cached;                  /* bytes read from the page cache in this pass */
    aw_list waiting, flying;        /* op->all */
    struct aw_ring_buffers buffers; /* to receive into */
    struct aw_chunks chunks;        /* the same for those that are polled */
    struct sides *table;            /* by descriptor */
    size_t table_size;
};

/* Its turn has come; it is over (uring.c). */
void aw_uring_start(struct uring_io *u, struct aw_op *op);
void aw_uring_finish(struct uring_io *u, struct aw_op *op, int64_t result);

/* Did a signal end it, and nothing else? */
bool aw_uring_was_interrupted(int64_t result);

/* ---- small sends (uring_post.c) ---- */

bool aw_uring_post(struct aw_io *io, struct aw_op *op);

/* A poll begins. */
void aw_uring_post_again(struct uring_io *u);

/* ---- polls (uring_ready.c) ---- */

/* The entry of an operation that polls: of a poll, or of one that is POLLING. */
void aw_uring_fill_poll(struct io_uring_sqe *sqe, const struct aw_op *op);

/* Its poll has ended with this: the events that it waits for, an error, or AW_OP_MUST_WAIT. */
int64_t aw_uring_polled(struct aw_op *op, int64_t result);

/* It is over, and was polled THROUGH. */
void aw_uring_end_through(struct aw_op *op);

/* ---- receivers (uring_receive.c) ---- */

void aw_uring_receive_init(struct uring_io *u);
void aw_uring_receive_fini(struct uring_io *u);

/* How it is to be received now: false if the descriptor is to be polled. */
bool aw_uring_receive_prepare(struct uring_io *u, struct aw_op *op);

/* Something came of it: res and flags of the completion. */
void aw_uring_receive_event(struct uring_io *u, struct aw_op *op, int32_t res, uint32_t flags,
                            aw_list *completed);

/* Gives the kernel the chunks that came back, and begins again what waits for some. */
void aw_uring_feed(struct uring_io *u);

/* The ring is gone, and with it what the kernel knew of chunks. */
void aw_uring_receive_forget(struct uring_io *u);

#endif
