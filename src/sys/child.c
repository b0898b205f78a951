/*
 * child.c - the program's side of child.h: starting the server, and asking it for workers.
 *
 * A request is one message with two descriptors on a socket that keeps messages apart, so threads
 * need no lock around it.  The server is a grandchild: the process between ends at once and is
 * waited for, so that the program has no child it does not know, and the server, which nobody may
 * wait for, is the system's to clear away.
 *
 * The child of a fork closes its copy of `control`, or the server would not notice the program's
 * end; a program that is executed never gets it.
 */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <pthread.h>

#include "sys/forkserver.h"

static atomic_int control = -1;

static void forget_server(void)
{
    int fd = atomic_exchange(&control, -1);
    if (fd >= 0)
        close(fd);
}

__attribute__((constructor)) static void forget_over_fork(void)
{
    aw_ignore(pthread_atfork(NULL, NULL, forget_server));
}

/* ---- threads ---- */

/* The folder's links are itself, its parent's, and one for each thread.  A thread that nobody made
 * may be there, but not alone. */
static int tasks_of_proc(void)
{
    struct stat st;
    int saved = errno;
    if (stat("/proc/self/task", &st) == 0) {
        int n = (int)st.st_nlink - 2;
        return n > 1 ? n - AW_OWN_THREADS : n;
    }
    int err = -errno;
    errno = saved;
    return err;
}

/* What the C library has never made a second thread of has one, also where an emulator has others.
 * A thread that was joined may still be counted for a moment. */
int aw_thread_count(void)
{
    if (__libc_single_threaded)
        return 1;
    int n = tasks_of_proc();
    for (int turn = 0; turn < 20 && n > 1; turn++) {
        nanosleep(&(struct timespec){.tv_nsec = 100000L * turn}, NULL);
        n = tasks_of_proc();
    }
    return n;
}

/* ---- waking a poll ---- */

/* Not through the table: a count that is full makes the poll return as well, and there is no other
 * reason to fail. */
void aw_eventfd_add(int fd)
{
    const uint64_t one = 1;
    int saved = errno;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
    errno = saved;
}

void aw_eventfd_clear(int fd)
{
    uint64_t sum;
    int saved = errno;
    while (read(fd, &sum, sizeof sum) < 0 && errno == EINTR)
        continue;
    errno = saved;
}

/* ---- the server ---- */

bool aw_child_server_is_there(void)
{
    return atomic_load(&control) >= 0;
}

int aw_child_server_fd(void)
{
    return atomic_load(&control);
}

/* The process between: its child is the server. */
static _Noreturn void be_between(int end, aw_child_main *worker)
{
    int pid = aw_sys.fork();
    if (pid == 0)
        aw_forkserver_run(end, worker);
    if (pid < 0)
        aw_forkserver_greet(end, pid);
    _exit(0);
}

/* Reads the greeting, and sees off the process between, if anything but the system may. */
static int meet(int end, pid_t between)
{
    int32_t err = -EPIPE;
    ssize_t n;
    while ((n = read(end, &err, sizeof err)) < 0 && errno == EINTR)
        continue;
    while (waitpid(between, NULL, 0) < 0 && errno == EINTR)
        continue;
    return n == sizeof err ? err : -EPIPE;
}

static int fork_server(const int pair[2], aw_child_main *worker)
{
    fflush(NULL);
    int saved = errno;
    int pid = aw_sys.fork();
    if (pid == 0)
        be_between(pair[1], worker);
    aw_sys.close(pair[1]);
    int err = pid < 0 ? pid : meet(pair[0], pid);
    errno = saved;
    return err;
}

int aw_child_server_start(aw_child_main *worker)
{
    int pair[2];
    if (aw_child_server_is_there())
        return 0;
    int n = aw_thread_count();
    if (n != 1)
        return n < 0 ? n : -EBUSY;
    int err = aw_sys.socket_pair(pair, SOCK_SEQPACKET);
    if (err < 0)
        return err;
    err = fork_server(pair, worker);
    if (err < 0)
        aw_sys.close(pair[0]);
    else
        atomic_store(&control, pair[0]);
    return err;
}

/* ---- workers ---- */

static void close_pair(const int pair[2])
{
    aw_sys.close(pair[0]);
    aw_sys.close(pair[1]);
}

int aw_child_spawn(int *ret_data, int *ret_status)
{
    int data[2], status[2];
    int err = aw_sys.socket_pair(data, SOCK_STREAM);
    if (err < 0)
        return err;
    err = aw_sys.socket_pair(status, SOCK_SEQPACKET);
    if (err < 0) {
        close_pair(data);
        return err;
    }
    const int theirs[2] = {data[1], status[1]};
    err = aw_sys.send_fds(atomic_load(&control), theirs, 2);
    if (err < 0) {
        close_pair(data);
        close_pair(status);
        return err;
    }
    aw_sys.close(data[1]);
    aw_sys.close(status[1]);
    *ret_data = data[0];
    *ret_status = status[0];
    return 0;
}

/* Two messages at most wait there, so it has room; and if the server is gone, so is the worker. */
void aw_child_signal(int status, int signo)
{
    int saved = errno;
    int32_t message = signo;
    while (send(status, &message, sizeof message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
           errno == EINTR)
        continue;
    errno = saved;
}

/* If the server closed its end over a signal that it had not read, that is told once, before the
 * news that it left. */
int aw_child_news(int status, struct aw_child_news *ret)
{
    ssize_t n;
    do
        n = aw_sys.recv_now(status, ret, sizeof *ret);
    while (n == -EINTR || n == -ECONNRESET);
    if (n == -EAGAIN)
        return 0;
    if (n != sizeof *ret)
        *ret = (struct aw_child_news){.kind = AW_CHILD_LOST};
    return 1;
}

void aw_child_describe(int wait_status, char *out, size_t size)
{
    if (WIFSIGNALED(wait_status))
        snprintf(out, size, "was killed by signal %d (%s)", WTERMSIG(wait_status),
                 strsignal(WTERMSIG(wait_status)));
    else
        snprintf(out, size, "ended with status %d", WEXITSTATUS(wait_status));
}
