/*
 * uring.c - the system calls of io_uring, by liburing.
 *
 * A ring is kept out of the children of a fork: two processes that fill the same ring would each
 * find the other's operations in it.
 */
#include "sys/uring.h"

#include <errno.h>

int aw_ring_open(struct io_uring *ring, unsigned entries, struct io_uring_params *params)
{
    int err = io_uring_queue_init_params(entries, ring, params);
    if (err < 0)
        return err;
    err = io_uring_ring_dontfork(ring);
    if (err < 0)
        io_uring_queue_exit(ring);
    return err;
}

int aw_ring_close(struct io_uring *ring)
{
    io_uring_queue_exit(ring);
    return 0;
}

int aw_ring_probe(struct io_uring *ring, struct io_uring_probe *probe, unsigned n)
{
    return io_uring_register_probe(ring, probe, n);
}

int aw_ring_attach(struct io_uring *ring)
{
    int err = io_uring_register_ring_fd(ring);
    return err < 0 ? err : 0;
}

int aw_ring_detach(struct io_uring *ring)
{
    int err = io_uring_unregister_ring_fd(ring);
    return err < 0 ? err : 0;
}

int aw_ring_buffers(struct io_uring *ring, void *memory, unsigned entries, int group)
{
    struct io_uring_buf_reg reg = {
        .ring_addr = (uintptr_t)memory, .ring_entries = entries, .bgid = (uint16_t)group};
    int err = io_uring_register_buf_ring(ring, &reg, 0);
    return err < 0 ? err : 0;
}

int aw_ring_enter(struct io_uring *ring, int64_t timeout_ns)
{
    const int64_t ns_per_s = 1000000000;
    int result;
    if (timeout_ns == 0) {
        result = io_uring_submit_and_get_events(ring);
    } else {
        struct io_uring_cqe *first;
        struct __kernel_timespec ts = {.tv_sec = timeout_ns / ns_per_s,
                                       .tv_nsec = timeout_ns % ns_per_s};
        result =
            io_uring_submit_and_wait_timeout(ring, &first, 1, timeout_ns < 0 ? NULL : &ts, NULL);
    }
    return result < 0 && result != -ETIME ? result : 0;
}
