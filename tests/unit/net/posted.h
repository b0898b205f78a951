/*
 * posted.h - what tests of posting share: counting the calls of send(2), which posts are not.
 */
#ifndef UNIT_NET_POSTED_H
#define UNIT_NET_POSTED_H

#include "core/core.h"
#include "unit/net/streams.h"

static struct aw_sys_table real;
static unsigned sends; /* calls of send(2) */

static inline ssize_t counting_send(int fd, const void *buf, size_t n, int flags)
{
    sends++;
    return real.send(fd, buf, n, flags);
}

static inline void count_sends(void)
{
    real = aw_sys;
    aw_sys.send = counting_send;
    sends = 0;
}

static inline bool posts(void)
{
    return aw_running_loop()->io->backend->post;
}

#endif
