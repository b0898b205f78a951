/*
 * procs.h - what the tests of process pools share: jobs for workers, and ways to look at processes.
 *
 * A worker has none of the test's descriptors, so a job tells what it knows by what comes out of
 * it.
 */
#ifndef TESTS_THREAD_PROCS_H
#define TESTS_THREAD_PROCS_H

#include <dirent.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "util.h"

#define DATA 3 /* the socket that a worker has to the program */

/* ---- jobs ---- */

/* Gives back what it got, and how many bytes that were. */
static inline int echo(const void *in, size_t n, aw_process_reply *out)
{
    AW_TRY(aw_process_write(out, in, n));
    return (int)n;
}

static inline int tell_pid(const void *in, size_t n, aw_process_reply *out)
{
    (void)in, (void)n;
    long pid = (long)getpid();
    return aw_process_write(out, &pid, sizeof pid);
}

static inline int run_for_ever(const void *in, size_t n, aw_process_reply *out)
{
    (void)in, (void)n, (void)out;
    for (;;)
        pause();
    return 0;
}

/* Ends by the signal that is its input. */
static inline int die(const void *in, size_t n, aw_process_reply *out)
{
    int signo;
    (void)n, (void)out;
    memcpy(&signo, in, sizeof signo);
    raise(signo);
    return 0;
}

static inline int leave(const void *in, size_t n, aw_process_reply *out)
{
    (void)in, (void)n, (void)out;
    _exit(7);
}

static inline int nap_inside(const void *in, size_t n, aw_process_reply *out)
{
    long ms;
    (void)n, (void)out;
    memcpy(&ms, in, sizeof ms);
    pause_ms(ms);
    return (int)ms;
}

/* ---- using pools ---- */

#define submit(pool, fn, ...) checked(aw_process_submit(pool, fn, __VA_ARGS__))
#define submit_int(pool, fn, value) submit(pool, fn, &(int){value}, sizeof(int))
#define submit_ms(pool, ms) submit(pool, nap_inside, &(long){ms}, sizeof(long))

static inline aw_cfuture *checked(aw_cfuture *f)
{
    if (!f)
        fail_msg("not submitted: %s (%s)", aw_error_name(aw_errno()), aw_errmsg());
    return f;
}

/* Its outcome, and its handle goes. */
static inline int collect(aw_cfuture *f)
{
    int result = aw_cfuture_result(f, INFINITY);
    aw_cfuture_unref(f);
    return result;
}

/* The process that does the pool's next job. */
static inline long worker_of(aw_process_pool *pool)
{
    aw_cfuture *f = submit(pool, tell_pid, NULL, 0);
    long pid = 0;
    size_t n;
    int err = aw_cfuture_result(f, INFINITY);
    if (err != 0)
        fail_msg("%s: %s", aw_error_name(err), aw_errmsg());
    const void *output = aw_process_output(f, &n);
    assert_int_equal(n, sizeof pid);
    memcpy(&pid, output, sizeof pid);
    aw_cfuture_unref(f);
    return pid;
}

/* The only worker, once it is known. */
static inline long only_worker(aw_process_pool *pool)
{
    long pid;
    wait_until(aw_process_pool_pids(pool, &pid, 1) == 1);
    return pid;
}

/* There, and not only waiting to be cleared away by whoever inherited it. */
static inline bool is_alive(long pid)
{
    char path[32], text[512] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    const char *name_end = n ? strrchr(text, ')') : NULL;
    return name_end && name_end[2] != 'Z' && name_end[2] != 'X';
}

static inline int descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* The server first, as in main; then a pool. */
#define make_pool(...)                                                                             \
    (assert_int_equal(aw_process_server(), 0), checked_pool(aw_process_pool(__VA_ARGS__)))

static inline aw_process_pool *checked_pool(aw_process_pool *pool)
{
    if (!pool)
        fail_msg("no pool: %s (%s)", aw_error_name(aw_errno()), aw_errmsg());
    return pool;
}

#endif
