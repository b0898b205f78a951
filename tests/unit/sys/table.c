/*
 * The table of system calls: results, negated errnos, and an errno that stays as it was.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness/test.h"
#include "sys/sys.h"

TEST(table_failures_are_negated_and_errno_is_left)
{
    char byte;
    struct epoll_event ev = {0};
    errno = EDOM;
    assert_int_equal(aw_sys.read(-1, &byte, 1), -EBADF);
    assert_int_equal(aw_sys.write(-1, &byte, 1), -EBADF);
    assert_int_equal(aw_sys.close(-1), -EBADF);
    assert_int_equal(aw_sys.get_flags(-1), -EBADF);
    assert_int_equal(aw_sys.epoll_ctl(-1, EPOLL_CTL_ADD, 0, &ev), -EBADF);
    assert_int_equal(aw_sys.epoll_wait(-1, &ev, 1, 0), -EBADF);
    assert_int_equal(aw_sys.unmap((void *)1, 1), -EINVAL);
    assert_int_equal(aw_sys.protect_none((void *)1, 1), -EINVAL);
    assert_int_equal(aw_sys.discard((void *)1, 1), -EINVAL);
    assert_int_equal(aw_sys.no_huge((void *)1, 1), -EINVAL);
    assert_int_equal(errno, EDOM);
}

TEST(table_map_gives_memory_that_unmap_takes)
{
    size_t page = aw_page_size();
    void *p = NULL;
    assert_int_equal(aw_sys.map(&p, 4 * page), 0);
    char *bytes = p;
    bytes[0] = bytes[4 * page - 1] = 1;
    assert_int_equal(aw_sys.discard(bytes, page), 0);
    assert_int_equal(bytes[0], 0);
    assert_int_equal(aw_sys.protect_none(bytes, page), 0);
    assert_int_equal(aw_sys.unmap(p, 4 * page), 0);
    void *untouched = &p;
    assert_int_equal(aw_sys.map(&untouched, 0), -EINVAL);
    assert_ptr_equal(untouched, &p);
}

/* The ring's entries are there where the library is built with it. */
static bool is_built(size_t offset)
{
#ifdef AW_IO_URING
    (void)offset;
    return true;
#else
    return offset < offsetof(struct aw_sys_table, ring_open) ||
           offset > offsetof(struct aw_sys_table, ring_enter);
#endif
}

TEST(table_no_entry_is_missing)
{
    void (*const *entry)(void) = (void *)&aw_sys;
    for (size_t i = 0; i < sizeof aw_sys / sizeof *entry; i++)
        assert_true((entry[i] != NULL) == is_built(i * sizeof *entry));
}

TEST(table_poll_one_says_what_is_ready_and_does_not_wait)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(aw_sys.poll_one(fds[0], POLLIN), 0);
    assert_int_equal(aw_sys.poll_one(fds[1], POLLOUT), POLLOUT);
    assert_int_equal(aw_sys.write(fds[1], "x", 1), 1);
    assert_int_equal(aw_sys.poll_one(fds[0], POLLIN), POLLIN);
    assert_int_equal(aw_sys.close(fds[1]), 0);
    assert_int_equal(aw_sys.poll_one(fds[0], POLLIN), POLLIN | POLLHUP);
    assert_int_equal(aw_sys.close(fds[0]), 0);
    assert_int_equal(aw_sys.poll_one(fds[0], POLLIN), POLLNVAL);
}

/* ---- waiting ---- */

/* Waits on a set with nothing in it, and returns how long that took. */
static int64_t empty_wait(int64_t timeout_ns)
{
    struct epoll_event ev;
    int ep = aw_sys.epoll_create();
    assert_true(ep >= 0);
    int64_t begin = aw_clock_real();
    assert_int_equal(aw_sys.epoll_wait(ep, &ev, 1, timeout_ns), 0);
    int64_t took = aw_clock_real() - begin;
    assert_int_equal(aw_sys.close(ep), 0);
    return took;
}

TEST_REAL_CLOCK(table_epoll_wait_never_wakes_early)
{
    static const int64_t timeouts[] = {0, 1, 999, 300000, 1000001, 1500000, 20000000};
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++)
        assert_true(empty_wait(timeouts[i]) >= timeouts[i]);
}

static void interrupted(int sig)
{
    (void)sig;
}

static void *interrupt_until_told(void *arg)
{
    pthread_t *whom = arg;
    for (int i = 0; i < 50; i++) {
        pthread_kill(*whom, SIGUSR1);
        usleep(2000);
    }
    return NULL;
}

TEST_REAL_CLOCK(table_epoll_wait_without_limit_is_interrupted)
{
    struct epoll_event ev;
    struct sigaction action = {.sa_handler = interrupted};
    sigaction(SIGUSR1, &action, NULL);
    pthread_t self = pthread_self(), thread;
    int ep = aw_sys.epoll_create();
    assert_int_equal(pthread_create(&thread, NULL, interrupt_until_told, &self), 0);
    assert_int_equal(aw_sys.epoll_wait(ep, &ev, 1, -1), -EINTR);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(aw_sys.close(ep), 0);
}

/* ---- a kernel without epoll_pwait2 ---- */

#ifdef SYS_epoll_pwait2

/* From now on this process gets `reason` for epoll_pwait2, as from an old kernel or filter. */
static bool deny_pwait2(int reason)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_pwait2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)reason),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return false;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum { NO_SECCOMP = 3 };

static void wait_without_pwait2(void *arg)
{
    if (!deny_pwait2(*(int *)arg))
        exit(NO_SECCOMP);
    for (int i = 0; i < 3; i++) /* rounded up to two milliseconds, not down to one */
        assert_true(empty_wait(1999999) >= 1999999);
    assert_true(empty_wait(0) < 1000000000);
}

TEST_REAL_CLOCK(table_epoll_wait_falls_back_to_milliseconds_rounded_up)
{
    int reasons[] = {ENOSYS, EPERM};
    for (size_t i = 0; i < 2; i++) {
        struct child_result r;
        run_child(&r, wait_without_pwait2, &reasons[i]);
        if (child_exited(&r, NO_SECCOMP))
            SKIP("this system allows no seccomp filter");
        assert_string_equal(r.err, "");
        assert_true(child_exited(&r, 0));
    }
}

#endif
