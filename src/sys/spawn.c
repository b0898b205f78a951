/*
 * spawn.c - starting a program in a child process, and what can be done with that.
 *
 * The child is made by vfork(): it runs on the parent's memory, whose thread stands still until the
 * program has begun, so that nothing is copied and the parent learns at once what failed.  Between
 * the two the child makes system calls only; it has no lock, allocates nothing and runs no handler:
 * all signals are blocked, and when they are let through those that had a handler have none.
 * posix_spawn() does the same, but cannot mark every descriptor that is not meant for the child,
 * change the directory everywhere, or say which step failed.
 *
 * Where vfork() is fork() (sanitizers, valgrind and emulators make it so) the child's memory is its
 * own, and the parent learns nothing by it.  So the first child, and each after one of that sort,
 * gets a pipe as well, which closes by itself when the program begins.
 */
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <pthread.h>

#include "sys/spawn.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#define SIGNALS 65
#define CLOSE_RANGE_AS_CLOEXEC 4 /* CLOSE_RANGE_CLOEXEC, of Linux 5.11 */

/* How far the child has got; written there. */
struct news {
    int step, error; /* error > 0: an errno */
};

struct spawning {
    struct aw_spawn *s;
    volatile struct news news; /* by way of shared memory */
    volatile bool shared;      /* there is such a way */
    int pipe[2];               /* or -1 */
};

static atomic_bool memory_is_shared; /* seen to be so */

/* ---- in the child ---- */

static _Noreturn void give_up(struct spawning *sp, enum aw_spawn_step step, int error)
{
    struct news news = {.step = (int)step, .error = error};
    sp->news.step = news.step;
    sp->news.error = news.error;
    if (sp->pipe[1] >= 0) {
        ssize_t ignored = write(sp->pipe[1], &news, sizeof news);
        (void)ignored;
    }
    _exit(127);
}

static void must(struct spawning *sp, int result, enum aw_spawn_step step)
{
    if (result < 0)
        give_up(sp, step, errno);
}

static void set_close_on_exec(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFD);
    if (flags >= 0)
        fcntl(fd, F_SETFD, on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC);
}

/* Where the kernel cannot do it at once.  A limit that is no limit is not walked to its end: beyond
 * a million the program's own marks have to do. */
static void mark_one_by_one(void)
{
    struct rlimit limit;
    long last = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (long)limit.rlim_cur : 1024;
    for (int fd = 3; fd < (last < 0 || last > 1000000 ? 1000000 : last); fd++)
        set_close_on_exec(fd, true);
}

/* Descriptors from 3 on go when the program begins, but for those to be handed on. */
static void mark_descriptors(struct spawning *sp)
{
    const struct aw_spawn *s = sp->s;
#ifdef SYS_close_range
    if (syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_AS_CLOEXEC) < 0)
#endif
        mark_one_by_one();
    for (size_t i = 0; i < s->n_pass; i++) {
        must(sp, fcntl(s->pass[i], F_GETFD), AW_SPAWN_PASS);
        set_close_on_exec(s->pass[i], false);
    }
}

/* The standard three.  What is among them already is first brought to safety. */
static void place_descriptors(struct spawning *sp)
{
    struct aw_spawn *s = sp->s;
    int from[3];
    for (int i = 0; i < 3; i++) {
        from[i] = s->std[i];
        if (from[i] >= 0 && from[i] < 3 && from[i] != i)
            must(sp, from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 3), AW_SPAWN_SET_UP);
    }
    for (int i = 0; i < 3; i++) {
        if (from[i] == i)
            set_close_on_exec(i, false);
        else if (from[i] >= 0)
            must(sp, dup2(from[i], i), AW_SPAWN_SET_UP);
    }
    if (s->err_to_out)
        must(sp, dup2(STDOUT_FILENO, STDERR_FILENO), AW_SPAWN_SET_UP);
}

/* Handlers are code of the parent's, and SIGPIPE is what this library ignores for itself. */
static void reset_signals(void)
{
    struct sigaction action;
    sigset_t none;
    for (int signo = 1; signo < SIGNALS; signo++) {
        if (sigaction(signo, NULL, &action) < 0)
            continue;
        bool plain = !(action.sa_flags & SA_SIGINFO);
        if (plain && action.sa_handler == SIG_DFL)
            continue;
        if (plain && action.sa_handler == SIG_IGN && signo != SIGPIPE)
            continue;
        action = (struct sigaction){.sa_handler = SIG_DFL};
        sigaction(signo, &action, NULL);
    }
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

/* The next directory of a path and the program, in `out`; false when they do not fit. */
static bool join_path(char out[PATH_MAX], const char *dir, size_t n, const char *program)
{
    size_t len = strlen(program);
    if (n == 0) { /* the working directory */
        dir = ".";
        n = 1;
    }
    if (n + 1 + len + 1 > PATH_MAX)
        return false;
    memcpy(out, dir, n);
    out[n] = '/';
    memcpy(out + n + 1, program, len + 1);
    return true;
}

/* As execvp() does it: the first that can be executed; a directory where it may not be looked for
 * is told only if it is nowhere else. */
static int exec_in_path(const struct aw_spawn *s)
{
    char file[PATH_MAX];
    int error = ENOENT;
    for (const char *dir = s->path;; dir++) {
        size_t n = strcspn(dir, ":");
        if (join_path(file, dir, n, s->program))
            execve(file, s->argv, s->envp);
        else
            errno = ENAMETOOLONG;
        if (errno == EACCES)
            error = EACCES;
        else if (errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG)
            return errno;
        dir += n;
        if (!*dir)
            return error;
    }
}

static _Noreturn void become_program(struct spawning *sp)
{
    const struct aw_spawn *s = sp->s;
    sp->shared = true;
    place_descriptors(sp);
    mark_descriptors(sp);
    if (s->new_session)
        must(sp, setsid(), AW_SPAWN_SET_UP);
    else if (s->new_group)
        must(sp, setpgid(0, 0), AW_SPAWN_SET_UP);
    if (s->cwd)
        must(sp, chdir(s->cwd), AW_SPAWN_CHDIR);
    reset_signals();
    if (!strchr(s->program, '/'))
        give_up(sp, AW_SPAWN_EXEC, *s->program ? exec_in_path(s) : ENOENT);
    execve(s->program, s->argv, s->envp);
    give_up(sp, AW_SPAWN_EXEC, errno);
}

/* ---- in the parent ---- */

/* The child's memory was a copy: it said so through the pipe, or the program has begun. */
static void hear(struct spawning *sp)
{
    struct news news = {0};
    ssize_t n;
    while ((n = read(sp->pipe[0], &news, sizeof news)) < 0 && errno == EINTR)
        continue;
    if (n == sizeof news) {
        sp->news.step = news.step;
        sp->news.error = news.error;
    }
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void forget(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

/* On the parent's stack, so it must not return before the child is done with that. */
static pid_t start(struct spawning *sp)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = vfork();
    if (pid == 0)
        become_program(sp);
    pid_t result = pid < 0 ? -errno : pid;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

/* What the child came to: its number, or what it failed with. */
static int settle(struct spawning *sp, pid_t pid)
{
    close_end(&sp->pipe[1]);
    if (pid > 0 && sp->shared)
        atomic_store_explicit(&memory_is_shared, true, memory_order_relaxed);
    else if (pid > 0 && sp->pipe[0] >= 0)
        hear(sp);
    close_end(&sp->pipe[0]);
    if (pid < 0 || !sp->news.error)
        return pid;
    forget(pid);
    sp->s->failed_at = (enum aw_spawn_step)sp->news.step;
    return -sp->news.error;
}

int aw_spawn_now(struct aw_spawn *s)
{
    int saved = errno;
    struct spawning sp = {.s = s, .pipe = {-1, -1}};
    s->failed_at = 0;
    if (!s->envp)
        s->envp = environ;
    if (!atomic_load_explicit(&memory_is_shared, memory_order_relaxed)) {
        int err = aw_sys.pipe(sp.pipe, -1);
        if (err < 0)
            return err;
    }
    int result = settle(&sp, start(&sp));
    errno = saved;
    return result;
}

/* ---- children that run ---- */

static int told(long result, int saved)
{
    int reason = errno;
    errno = saved;
    return result < 0 ? -reason : (int)result;
}

int aw_pidfd_open(int pid)
{
    int saved = errno;
#ifdef SYS_pidfd_open
    return told(syscall(SYS_pidfd_open, pid, 0u), saved);
#else
    (void)pid, (void)saved;
    return -ENOSYS;
#endif
}

int aw_pidfd_signal(int pidfd, int signo)
{
    int saved = errno;
#ifdef SYS_pidfd_send_signal
    return told(syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0u), saved);
#else
    (void)pidfd, (void)signo, (void)saved;
    return -ENOSYS;
#endif
}

static int wait_status(const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED)
        return (info->si_status & 0xff) << 8;
    return info->si_status | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

int aw_reap(int pidfd, int pid, int *ret_status)
{
    int saved = errno;
    siginfo_t info = {0};
    idtype_t by = pidfd >= 0 ? (idtype_t)P_PIDFD : P_PID;
    int err = told(waitid(by, (id_t)(pidfd >= 0 ? pidfd : pid), &info, WEXITED | WNOHANG), saved);
    if (err < 0)
        return err;
    if (info.si_pid == 0)
        return 0;
    *ret_status = wait_status(&info);
    return 1;
}

void aw_wait_for_end(int pid)
{
    siginfo_t info;
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
        continue;
}
