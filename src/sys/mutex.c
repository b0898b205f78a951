/*
 * mutex.c - the part of mutex.h for when somebody else has the lock.
 *
 * What a lock guards takes a fraction of a microsecond, sleeping and being woken several: so look
 * a few times before going to sleep.  Who finds it free that way takes it as one that nobody
 * waits for, as that thread is awake; a sleeper's mark, if there is one, has gone with the unlock
 * that woke it, and it puts up the mark again when it finds the lock taken.
 */
#include "sys/mutex.h"

#ifndef MUTEX_LOOKS /* the models make do with one */
#define MUTEX_LOOKS 30
#endif

static bool comes_soon(struct aw_mutex *m)
{
    for (int i = 0; i < MUTEX_LOOKS; i++) {
        uint32_t seen = atomic_load_explicit(&m->word, memory_order_relaxed);
        if (seen == AW_MUTEX_FREE &&
            atomic_compare_exchange_strong_explicit(&m->word, &seen, AW_MUTEX_TAKEN,
                                                    memory_order_acquire, memory_order_relaxed))
            return true;
        aw_cpu_relax();
    }
    return false;
}

void aw_mutex_lock_slow(struct aw_mutex *m)
{
    if (comes_soon(m))
        return;
    while (atomic_exchange_explicit(&m->word, AW_MUTEX_WAITED_FOR, memory_order_acquire) !=
           AW_MUTEX_FREE)
        aw_ignore(aw_futex_wait(&m->word, AW_MUTEX_WAITED_FOR, INT64_MAX));
}
