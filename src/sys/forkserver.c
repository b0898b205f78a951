/*
 * forkserver.c - the process that forks the workers: one thread, one poll, no memory but its stack.
 *
 * It is a copy of the program from before there were threads, so what it forks is whole: no lock is
 * held by a thread that is not there, and memory is as main found it.  It has no descriptor of the
 * program's but the standard three, and calls nothing of the user's; so it does what it is asked,
 * and clears away what has died, until the program is gone.  Then it kills the workers and ends.
 *
 * The system's calls are made directly, not through the table: what tests put there is meant for
 * the program.
 */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sys/forkserver.h"

#define WORKERS_MAX 1024
#define CONTROL 3 /* the server's descriptor; and `data` in a worker */

struct server {
    aw_child_main *worker;
    int news; /* signalfd: workers have ended */
    int n;    /* workers not waited for yet */
    struct {
        pid_t pid;
        int status; /* -1: the program has closed its end */
    } workers[WORKERS_MAX];
};

/* ---- being a process of its own ---- */

static void close_from(unsigned first)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, first, ~0u, 0u) == 0)
        return;
#endif
    struct rlimit most;
    const rlim_t enough = 65536;
    if (getrlimit(RLIMIT_NOFILE, &most) < 0 || most.rlim_cur > enough)
        most.rlim_cur = enough;
    for (rlim_t fd = first; fd < most.rlim_cur; fd++)
        close((int)fd);
}

/* Leaves the standard three and this one, which is CONTROL from now on. */
static void keep_only(int fd)
{
    if (fd != CONTROL)
        dup2(fd, CONTROL);
    close_from(CONTROL + 1);
}

static void reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int signo = 1; signo < NSIG; signo++)
        sigaction(signo, &action, NULL);
}

static void mask_signals(int how)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(how, &all, NULL);
}

/* ---- talking to the program ---- */

void aw_forkserver_greet(int fd, int err)
{
    int32_t message = err;
    while (send(fd, &message, sizeof message, MSG_NOSIGNAL) < 0 && errno == EINTR)
        continue;
}

/* It takes a few messages before anybody reads them; more are never sent. */
static void tell(int fd, int kind, pid_t pid, int status)
{
    struct aw_child_news news = {.kind = kind, .pid = pid, .status = status};
    if (fd < 0)
        return;
    while (send(fd, &news, sizeof news, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EINTR)
        continue;
}

/* A request and its two descriptors: 1; 0 if there is none after all, < 0: the program is gone. */
static int take_request(int ret[2])
{
    char byte;
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    ssize_t n = recvmsg(CONTROL, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOMEM) ? 0 : -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (!c || c->cmsg_type != SCM_RIGHTS)
        return 0;
    size_t fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(ret, CMSG_DATA(c), (fds < 2 ? fds : 2) * sizeof(int));
    if (fds == 2)
        return 1;
    if (fds == 1) /* no room for the other: the program finds its ends closed */
        close(ret[0]);
    return 0;
}

/* ---- workers ---- */

/* Signals are blocked until now, so that one that was sent at once is not lost.  That it has
 * started the worker tells by itself, so that nothing it does can be heard of before. */
static _Noreturn void be_worker(const struct server *s, int data, int status, pid_t server)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != server)
        _exit(0); /* it had gone before that was set */
    tell(status, AW_CHILD_STARTED, getpid(), 0);
    reset_signals();
    signal(SIGINT, SIG_IGN);
    prctl(PR_SET_NAME, "await-worker");
    keep_only(data);
    mask_signals(SIG_UNBLOCK);
    s->worker(CONTROL);
    _exit(0);
}

static void start_worker(struct server *s, int data, int status)
{
    pid_t self = getpid(), pid = -1;
    int err = EAGAIN;
    if (s->n < WORKERS_MAX) {
        pid = fork();
        err = errno;
    }
    if (pid == 0)
        be_worker(s, data, status, self);
    close(data);
    if (pid < 0) {
        tell(status, AW_CHILD_REFUSED, 0, -err);
        close(status);
        return;
    }
    s->workers[s->n].pid = pid;
    s->workers[s->n++].status = status;
}

/* The program wants a signal sent, or has closed its end. */
static void serve_worker(struct server *s, int i)
{
    int32_t signo;
    ssize_t n = recv(s->workers[i].status, &signo, sizeof signo, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n == sizeof signo) {
        kill(s->workers[i].pid, signo);
        return;
    }
    kill(s->workers[i].pid, SIGKILL);
    close(s->workers[i].status);
    s->workers[i].status = -1;
}

static void has_ended(struct server *s, pid_t pid, int status)
{
    int i = 0;
    while (i < s->n && s->workers[i].pid != pid)
        i++;
    if (i == s->n)
        return;
    tell(s->workers[i].status, AW_CHILD_ENDED, pid, status);
    if (s->workers[i].status >= 0)
        close(s->workers[i].status);
    s->workers[i] = s->workers[--s->n];
}

static void bury(struct server *s)
{
    struct signalfd_siginfo info;
    pid_t pid;
    int status;
    while (read(s->news, &info, sizeof info) > 0)
        continue;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        has_ended(s, pid, status);
}

/* ---- the server ---- */

static _Noreturn void end(const struct server *s)
{
    for (int i = 0; i < s->n; i++)
        kill(s->workers[i].pid, SIGKILL);
    _exit(0);
}

/* What is to be looked at: workers first, so that their places are their numbers. */
static nfds_t fill(const struct server *s, struct pollfd *fds)
{
    nfds_t n = (nfds_t)s->n;
    for (int i = 0; i < s->n; i++)
        fds[i] = (struct pollfd){.fd = s->workers[i].status, .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = s->news, .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = CONTROL, .events = POLLIN};
    return n;
}

/* Signals go out before anybody is buried: a place keeps its worker until then. */
static void serve_once(struct server *s)
{
    struct pollfd fds[WORKERS_MAX + 2];
    int request[2], known = s->n;
    if (poll(fds, fill(s, fds), -1) < 0)
        return;
    for (int i = 0; i < known; i++)
        if (fds[i].revents)
            serve_worker(s, i);
    if (fds[known].revents)
        bury(s);
    if (!fds[known + 1].revents)
        return;
    int got = take_request(request);
    if (got < 0)
        end(s);
    if (got > 0)
        start_worker(s, request[0], request[1]);
}

/* All signals are blocked here: what a terminal, or who manages services, sends to every process of
 * a program is for the program itself, which may want its workers yet. */
_Noreturn void aw_forkserver_run(int control, aw_child_main *worker)
{
    struct server s = {.worker = worker};
    sigset_t ended;
    reset_signals();
    mask_signals(SIG_BLOCK);
    keep_only(control);
    prctl(PR_SET_NAME, "await-server");
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    s.news = signalfd(-1, &ended, SFD_CLOEXEC | SFD_NONBLOCK);
    int err = s.news < 0 ? -errno : 0;
    aw_forkserver_greet(CONTROL, err);
    if (err < 0)
        _exit(1);
    for (;;)
        serve_once(&s);
}
