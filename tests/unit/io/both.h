/*
 * both.h - the rig of either backend, for tests that hold on both.
 */
#ifndef TESTS_UNIT_IO_BOTH_H
#define TESTS_UNIT_IO_BOTH_H

#include "unit/io/rig.h"
#ifdef AW_IO_URING
#include "unit/io/uring_rig.h"
#endif

/* The last two are io_uring in the ways of other kernels: see receive.c. */
enum way { EPOLL, URING, ONE_BY_ONE, POLLED, WAYS };

static inline void open_rig(struct rig *r, enum way way)
{
    if (way == EPOLL) {
        rig_open(r);
        return;
    }
#ifdef AW_IO_URING
    uring_rig_open(r);
#else
    SKIP("built without io_uring");
#endif
}

static inline void close_rig(struct rig *r, enum way way)
{
    if (way == EPOLL)
        rig_close(r);
#ifdef AW_IO_URING
    else
        uring_rig_close(r);
#endif
}

#endif
