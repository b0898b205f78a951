/*
 * epoll_io.h - what the files of the epoll backend share: see epoll.c.
 */
#ifndef AW_IO_EPOLL_IO_H
#define AW_IO_EPOLL_IO_H

#include "io/io.h"
#include "io/queue.h"
#include "io/receive.h"

/* What is known about a descriptor's number. */
struct watch {
    struct aw_op_queue readers; /* AW_SIDE_READ */
    struct aw_op_queue writers; /* AW_SIDE_WRITE */
    struct aw_op_queue pollers; /* AW_OP_POLL: they take nothing, so that they need not queue up */
    struct aw_receiver *receiver;
    uint32_t mask;       /* interest the kernel was last told; 0: it was told to forget */
    uint32_t generation; /* of the registration: events of an older one are a dead file's */
};

struct epoll_io {
    struct aw_io io; /* first: the two are cast into each other */
    int ep;
    int wake_fd;
    bool haunted; /* a closed descriptor's file goes on reporting: make the set anew */
    struct aw_chunks chunks;
    struct watch *table;
    size_t table_size;
};

/* Puts a receiver on its descriptor's entry: 0, or the reason why it cannot wait (epoll.c). */
int aw_epoll_watch_receiver(struct epoll_io *e, struct aw_op *op);

/* ---- receivers (epoll_receive.c) ---- */

/* True: it could not begin. */
bool aw_epoll_receive_submit(struct epoll_io *e, struct aw_op *op);

/* Takes it off whatever it waits on, with its result. */
void aw_epoll_receive_finish(struct epoll_io *e, struct aw_op *op, int64_t result);

/* Its descriptor is ready. */
void aw_epoll_receive_serve(struct epoll_io *e, struct aw_receiver *r, aw_list *completed);

/* Begins again what waited for chunks, as many as there are now. */
void aw_epoll_feed(struct epoll_io *e, aw_list *completed);

#endif
