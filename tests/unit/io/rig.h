/*
 * rig.h - an epoll backend under test, with the few verbs that the tests are written in.
 *
 * The rig counts what the seam promises: an operation completes exactly once, by submit(),
 * cancel() or poll(), and in_flight is the number of those that have not.
 */
#ifndef TESTS_UNIT_IO_RIG_H
#define TESTS_UNIT_IO_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "harness/test.h"
#include "io/io.h"

struct rig {
    struct aw_io *io;
    aw_list done; /* completed, not yet looked at */
};

static inline void rig_open(struct rig *r)
{
    const char *why = "";
    assert_int_equal(aw_io_open(&r->io, "epoll", &why), 0);
    assert_int_equal(r->io->in_flight, 0);
    aw_list_init(&r->done);
}

static inline void rig_close(struct rig *r)
{
    assert_true(aw_list_empty(&r->done));
    assert_int_equal(r->io->in_flight, 0);
    r->io->backend->close(r->io);
}

static inline struct aw_op op_read(int fd, void *buf, size_t len)
{
    return (struct aw_op){.kind = AW_OP_READ, .fd = fd, .buf = buf, .len = len};
}

static inline struct aw_op op_write(int fd, const void *buf, size_t len)
{
    return (struct aw_op){.kind = AW_OP_WRITE, .fd = fd, .buf = (void *)(uintptr_t)buf, .len = len};
}

static inline struct aw_op op_poll(int fd, short events)
{
    return (struct aw_op){.kind = AW_OP_POLL, .fd = fd, .events = events};
}

/* Submits an operation: did it complete at once? */
static inline bool rig_submit(struct rig *r, struct aw_op *op)
{
    size_t before = r->io->in_flight;
    bool at_once = r->io->backend->submit(r->io, op);
    assert_int_equal(op->state, at_once ? AW_OP_COMPLETED : AW_OP_IN_FLIGHT);
    assert_int_equal(r->io->in_flight, before + !at_once);
    return at_once;
}

static inline void must_wait(struct rig *r, struct aw_op *op)
{
    assert_false(rig_submit(r, op));
}

static inline void must_give(struct rig *r, struct aw_op *op, int64_t result)
{
    assert_true(rig_submit(r, op));
    assert_int_equal(op->result, result);
}

static inline void rig_cancel(struct rig *r, struct aw_op *op)
{
    size_t before = r->io->in_flight;
    assert_true(r->io->backend->cancel(r->io, op));
    assert_int_equal(op->state, AW_OP_COMPLETED);
    assert_int_equal(op->result, -ECANCELED);
    assert_int_equal(r->io->in_flight, before - 1);
}

/* One poll of at most `ms` (-1: no limit). */
static inline void rig_poll(struct rig *r, int ms)
{
    int64_t timeout_ns = ms < 0 ? -1 : (int64_t)ms * 1000000;
    assert_int_equal(r->io->backend->poll(r->io, timeout_ns, &r->done), 0);
}

/* The next completed operation in order of completion; NULL when there is none. */
static inline struct aw_op *rig_next(struct rig *r)
{
    aw_list *node = aw_list_pop_front(&r->done);
    if (!node)
        return NULL;
    struct aw_op *op = aw_container_of(node, struct aw_op, link);
    assert_int_equal(op->state, AW_OP_COMPLETED);
    return op;
}

/* Polls until an operation completes, which must be this one, and returns its result. */
static inline int64_t rig_result(struct rig *r, const struct aw_op *op)
{
    for (int i = 0; i < 1000 && aw_list_empty(&r->done); i++)
        rig_poll(r, 1000);
    assert_ptr_equal(rig_next(r), op);
    return op->result;
}

/* Polls a few times; nothing may complete. */
static inline void rig_expect_nothing(struct rig *r)
{
    for (int i = 0; i < 3; i++)
        rig_poll(r, 0);
    assert_true(aw_list_empty(&r->done));
}

static inline void make_pipe(int fds[2], int flags)
{
    assert_int_equal(pipe2(fds, flags | O_CLOEXEC), 0);
}

static inline void close_pipe(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static inline void put(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* Writes until the pipe takes no more; returns how much it took. */
static inline size_t fill_pipe(int fd)
{
    static const char zeros[4096];
    size_t total = 0;
    ssize_t n;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while ((n = write(fd, zeros, sizeof zeros)) > 0)
        total += (size_t)n;
    assert_int_equal(errno, EAGAIN);
    return total;
}

#endif
