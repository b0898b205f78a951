/*
 * util.h - what the tests of signals and subprocesses share.
 */
#ifndef TESTS_PROC_UTIL_H
#define TESTS_PROC_UTIL_H

#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pthread.h>

#include <math.h>

#include "../core/util.h"
#include "sys/sys.h"

/* As callback: counts. */
static inline int count_call(void *arg)
{
    ++*(int *)arg;
    return 0;
}

/* The action in force for a signal. */
static inline void *action_of(int signo)
{
    struct sigaction now;
    assert_int_equal(sigaction(signo, NULL, &now), 0);
    void *handler;
    memcpy(&handler, &now.sa_handler, sizeof handler);
    return handler;
}

static inline bool has_default(int signo)
{
    struct sigaction now;
    assert_int_equal(sigaction(signo, NULL, &now), 0);
    return now.sa_handler == SIG_DFL;
}

/* Is the process's first thread asleep in the kernel? */
static inline bool main_sleeps(void)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)getpid());
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    const char *state = strrchr(text, ')');
    return state && state[2] == 'S';
}

/* In a thread: a signal to the process, once the loop sleeps. */
static inline void *kill_when_asleep(void *arg)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (!main_sleeps())
        sched_yield();
    kill(getpid(), (int)(intptr_t)arg);
    return NULL;
}

/* How many descriptors are open. */
static inline int open_descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 2048; fd++)
        n += aw_sys.get_flags(fd) >= 0;
    return n;
}

/* Has this process a child, dead or alive? */
static inline bool has_children(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

#endif
