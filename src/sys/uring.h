/*
 * uring.h - liburing, behind the table of system calls.
 *
 * What fills and empties a ring without a system call (io_uring_get_sqe() and the like) is used as
 * it is; what makes a system call is one of these, through the table, so that it can be made to
 * fail.  All return 0 or -errno and leave errno alone.  The table's entries say what each is for.
 */
#ifndef AW_URING_H
#define AW_URING_H

#include <liburing.h>
#include <stdint.h>

int aw_ring_open(struct io_uring *ring, unsigned entries, struct io_uring_params *params);
int aw_ring_close(struct io_uring *ring);
int aw_ring_probe(struct io_uring *ring, struct io_uring_probe *probe, unsigned n);

/* In the thread that uses the ring: spare each call the look-up of its descriptor.  Undone by the
 * same thread, before another one closes the ring. */
int aw_ring_attach(struct io_uring *ring);
int aw_ring_detach(struct io_uring *ring);

/* Memory of whole pages as a ring of so many buffers, a power of two, that the kernel may take. */
int aw_ring_buffers(struct io_uring *ring, void *memory, unsigned entries, int group);

/* Submit what is prepared and, if nothing is completed, wait for one completion (ns; 0: only look
 * for what has come; < 0: no limit).  0 also when the time is over; -EINTR. */
int aw_ring_enter(struct io_uring *ring, int64_t timeout_ns);

#endif
