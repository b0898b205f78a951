/*
 * clock.c - the real clock: monotonic, so that nobody who sets the time of day moves a timer.  And
 * the time of day, for dates that are shown to others.
 */
#include "sys/sys.h"

int64_t aw_clock_real(void)
{
    struct timespec ts;
    int err = clock_gettime(CLOCK_MONOTONIC, &ts);
    aw_assert(err == 0);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t aw_clock_wall(void)
{
    struct timespec ts;
    int err = clock_gettime(CLOCK_REALTIME, &ts);
    aw_assert(err == 0);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}
