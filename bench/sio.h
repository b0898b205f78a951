/*
 * sio.h - what servers of Socket.IO share: starting their load generator, which is sioload.c.
 */
#ifndef BENCH_SIO_H
#define BENCH_SIO_H

#include "bench/echo.h"

/* As echo_load(), with the program beside this one. */
static inline int sio_load(const char *row, unsigned port)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 32);
    if (n < 0)
        return perror("/proc/self/exe"), -1;
    path[n] = 0;
    snprintf(strrchr(path, '/') + 1, 32, "bench_sioload");
    setenv("BENCH_LOAD", path, 1);
    return echo_load(row, port);
}

#endif
