/*
 * futex.c - sleeping on a word of memory.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#include "sys/sys.h"

int aw_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline)
{
    struct timespec ts = {.tv_sec = (time_t)(deadline / 1000000000),
                          .tv_nsec = (long)(deadline % 1000000000)};
    long err = syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected,
                       deadline == INT64_MAX ? NULL : &ts, NULL, FUTEX_BITSET_MATCH_ANY);
    return err < 0 && errno == ETIMEDOUT ? -ETIMEDOUT : 0;
}

void aw_futex_wake_all(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
