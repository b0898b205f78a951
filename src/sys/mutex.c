/*
 * mutex.c - the part of mutex.h for when somebody else has the lock.
 */
#include "sys/mutex.h"

void aw_mutex_lock_slow(struct aw_mutex *m)
{
    while (atomic_exchange_explicit(&m->word, AW_MUTEX_WAITED_FOR, memory_order_acquire) !=
           AW_MUTEX_FREE)
        aw_ignore(aw_futex_wait(&m->word, AW_MUTEX_WAITED_FOR, INT64_MAX));
}
