/*
 * mutex.h - a lock for short sections: one word, and no system call where nobody contends.
 *
 * Zeros are a free one.  The word says whether threads may sleep on it, so that giving up a lock
 * nobody waits for is one exchange.  Who has slept takes the lock as "waited for", because it
 * cannot know whether others still sleep; so no sleeper is forgotten, and a wake-up is at most
 * one too many.  Taking acquires what giving up has released.
 *
 * Not recursive, not fair, and nothing is waited for while one is held.
 */
#ifndef AW_SYS_MUTEX_H
#define AW_SYS_MUTEX_H

#include <stdatomic.h>

#include "sys/sys.h"

struct aw_mutex {
    _Atomic uint32_t word;
};
enum { AW_MUTEX_FREE, AW_MUTEX_TAKEN, AW_MUTEX_WAITED_FOR };

void aw_mutex_lock_slow(struct aw_mutex *m);

static inline void aw_mutex_lock(struct aw_mutex *m)
{
    uint32_t seen = AW_MUTEX_FREE;
    if (!atomic_compare_exchange_strong_explicit(&m->word, &seen, AW_MUTEX_TAKEN,
                                                 memory_order_acquire, memory_order_relaxed))
        aw_mutex_lock_slow(m);
}

/* The lock may be gone as soon as it is free: waking looks at its address only. */
static inline void aw_mutex_unlock(struct aw_mutex *m)
{
    if (atomic_exchange_explicit(&m->word, AW_MUTEX_FREE, memory_order_release) ==
        AW_MUTEX_WAITED_FOR)
        aw_futex_wake_one(&m->word);
}

#endif
