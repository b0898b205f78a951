/*
 * random.c - bytes that nobody can foretell: the kernel's.
 */
#include <errno.h>

#include <sys/random.h>

#include "await/memory.h"
#include "sys/sys.h"

ssize_t aw_random_now(void *buf, size_t n)
{
    int saved = errno;
    ssize_t got = getrandom(buf, n, 0);
    int reason = errno;
    errno = saved;
    return got < 0 ? -reason : got;
}

/* Signals cut large requests short, and small ones before the kernel has begun. */
int aw_random_bytes(void *buf, size_t n)
{
    char *at = buf;
    if (!buf && n)
        return -EINVAL;
    while (n > 0) {
        ssize_t got = aw_sys.random(at, n);
        if (got == -EINTR)
            continue;
        if (got < 0)
            return (int)got;
        at += got;
        n -= (size_t)got;
    }
    return 0;
}
