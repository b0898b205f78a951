/*
 * ring.h - a ring of the kernel's, made as well as this kernel can.
 */
#ifndef AW_IO_RING_H
#define AW_IO_RING_H

#include "io/io.h"
#include "sys/uring.h"

/* A ring for the calling thread: 0, or -errno and a static text that says what was missing. */
int aw_ring_make(struct io_uring *ring, const char **why);

/* Writes an operation, which has not to wait for its turn, into the ring. */
void aw_ring_fill(struct io_uring_sqe *sqe, const struct aw_op *op);

#endif
