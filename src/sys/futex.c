/*
 * futex.c - sleeping on a word of memory.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#include "sys/sys.h"

/* A deadline before the clock began is as good as one that has just passed; the kernel would refuse
 * it.  errno stays as it was: waiting and waking happen inside calls that promise nothing of it. */
int aw_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline)
{
    int64_t at = deadline > 0 ? deadline : 0;
    struct timespec ts = {.tv_sec = (time_t)(at / 1000000000), .tv_nsec = (long)(at % 1000000000)};
    int saved = errno;
    long err = syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected,
                       deadline == INT64_MAX ? NULL : &ts, NULL, FUTEX_BITSET_MATCH_ANY);
    bool late = err < 0 && errno == ETIMEDOUT;
    errno = saved;
    return late ? -ETIMEDOUT : 0;
}

/* Who sleeps there may be gone, and the word with it: then nobody is woken, or somebody without
 * reason, for which every sleeper is prepared. */
static void wake(_Atomic uint32_t *word, int n)
{
    int saved = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
    errno = saved;
}

void aw_futex_wake_all(_Atomic uint32_t *word)
{
    wake(word, INT_MAX);
}

void aw_futex_wake_one(_Atomic uint32_t *word)
{
    wake(word, 1);
}
