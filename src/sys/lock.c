/*
 * lock.c - the one lock of the process: for rare things that all threads share.
 *
 * Loops share nothing, so nearly nothing needs a lock.  The exception is a list that must be
 * complete at the end of the process; it is short-lived, uncontended work under a single mutex.
 *
 * It is taken around every fork, so that the child does not inherit it locked by a thread that is
 * not there.
 */
#include <pthread.h>

#include "sys/sys.h"

static pthread_mutex_t process_lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void keep_over_fork(void)
{
    aw_ignore(pthread_atfork(aw_process_lock, aw_process_unlock, aw_process_unlock));
}

void aw_process_lock(void)
{
    int err = pthread_mutex_lock(&process_lock);
    aw_assert(err == 0);
}

void aw_process_unlock(void)
{
    int err = pthread_mutex_unlock(&process_lock);
    aw_assert(err == 0);
}
