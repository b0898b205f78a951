/*
 * uring_rig.h - the rig of rig.h on io_uring, with hands on the ring itself.
 *
 * The system calls of the ring are watched: the ring is known, each call is counted, and a test can
 * change what the kernel has posted before the backend sees it.
 */
#ifndef TESTS_UNIT_IO_URING_RIG_H
#define TESTS_UNIT_IO_URING_RIG_H

#include "sys/uring.h"
#include "unit/io/rig.h"

static struct {
    struct aw_sys_table real;
    struct io_uring *ring;  /* the one used last */
    unsigned enters;        /* calls of ring_enter() */
    unsigned opens_refused; /* so many modes the kernel does not know */
    int refuse;             /* what ring_enter() fails with, so often: */
    unsigned refusals;
    void (*meddle)(struct io_uring_cqe *cqe); /* sees each completion once, if set */
    unsigned seen;                            /* completions up to here have been meddled with */
} uring_watch;

static inline int uring_watch_open(struct io_uring *ring, unsigned entries,
                                   struct io_uring_params *params)
{
    if (uring_watch.opens_refused > 0) {
        uring_watch.opens_refused--;
        return -EINVAL;
    }
    uring_watch.seen = 0;
    return uring_watch.real.ring_open(ring, entries, params);
}

static inline void uring_watch_meddle(struct io_uring *ring)
{
    unsigned tail = io_uring_smp_load_acquire(ring->cq.ktail);
    for (; uring_watch.seen != tail; uring_watch.seen++)
        if (uring_watch.meddle)
            uring_watch.meddle(&ring->cq.cqes[uring_watch.seen & ring->cq.ring_mask]);
}

static inline int uring_watch_enter(struct io_uring *ring, int64_t timeout_ns)
{
    uring_watch.ring = ring;
    uring_watch.enters++;
    if (uring_watch.refusals > 0) {
        uring_watch.refusals--;
        return uring_watch.refuse;
    }
    int err = uring_watch.real.ring_enter(ring, timeout_ns);
    uring_watch_meddle(ring);
    return err;
}

static inline int uring_watch_attach(struct io_uring *ring)
{
    uring_watch.ring = ring;
    return uring_watch.real.ring_attach(ring);
}

/* Files are read by the ring, too. */
static inline ssize_t uring_nothing_cached(int fd, void *buf, size_t n, int64_t at)
{
    (void)fd;
    (void)buf;
    (void)n;
    (void)at;
    return -EAGAIN;
}

/* Opens the backend for this thread, or skips the test. */
static inline void uring_rig_open(struct rig *r)
{
    const char *why = "";
    if (test_is_under_valgrind())
        SKIP("the tool does not see what the ring writes");
    uring_watch.real = aw_sys;
    aw_sys.ring_open = uring_watch_open;
    aw_sys.ring_enter = uring_watch_enter;
    aw_sys.ring_attach = uring_watch_attach;
    aw_sys.pread_now = uring_nothing_cached;
    if (aw_io_open(&r->io, "io_uring", &why) < 0)
        SKIP(why);
    assert_int_equal(r->io->in_flight, 0);
    aw_list_init(&r->done);
    assert_int_equal(r->io->backend->enter(r->io), 0);
}

static inline void uring_rig_close(struct rig *r)
{
    r->io->backend->leave(r->io, &r->done);
    rig_close(r);
    aw_sys = uring_watch.real;
}

static inline struct aw_op op_pread(int fd, void *buf, size_t len, int64_t offset)
{
    return (struct aw_op){.kind = AW_OP_PREAD, .fd = fd, .buf = buf, .len = len, .offset = offset};
}

static inline struct aw_op op_pwrite(int fd, const void *buf, size_t len, int64_t offset)
{
    return (struct aw_op){.kind = AW_OP_PWRITE,
                          .fd = fd,
                          .buf = (void *)(uintptr_t)buf,
                          .len = len,
                          .offset = offset};
}

static inline struct aw_op op_openat(int dir, const char *path, int flags, unsigned mode)
{
    return (struct aw_op){.kind = AW_OP_OPENAT,
                          .fd = dir,
                          .buf = (void *)(uintptr_t)path,
                          .flags = flags,
                          .mode = mode};
}

static inline struct aw_op op_close(int fd)
{
    return (struct aw_op){.kind = AW_OP_CLOSE, .fd = fd};
}

/* Submits, and its result. */
static inline int64_t uring_do(struct rig *r, struct aw_op op)
{
    must_wait(r, &op);
    return rig_result(r, &op);
}

#endif
