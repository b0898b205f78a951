/*
 * inject_children.c - the counting, failing calls of subprocesses and signals.
 */
#include "core/core.h"
#include "fault/inject.h"
#include "sys/spawn.h"

static const struct aw_sys_table *real;

/* The signals that stop a run are not disturbed: a runner that cannot have SIGINT does without. */
static int sigaction_(int signo, const struct sigaction *action, struct sigaction *before)
{
    bool stops = signo == SIGINT || signo == SIGTERM;
    int err = stops ? 0 : inject_hit(SITE_SIGACTION, false);
    return err ? err : real->sigaction(signo, action, before);
}

static int pipe_(int ret[2], int nonblocking)
{
    int err = inject_hit(SITE_PIPE, false);
    return err ? err : real->pipe(ret, nonblocking);
}

/* What is killed unheard, because it cannot be watched, is. */
static int kill_(int pid, int signo)
{
    int err = pid < 0 ? inject_hit(SITE_KILL, false) : 0;
    return err ? err : real->kill(pid, signo);
}

static int spawn(struct aw_spawn *s)
{
    int err = inject_hit(SITE_SPAWN, false);
    return err ? err : real->spawn(s);
}

static int pidfd_open_(int pid)
{
    int err = inject_hit(SITE_PIDFD_OPEN, false);
    return err ? err : real->pidfd_open(pid);
}

static int pidfd_signal(int pidfd, int signo)
{
    int err = inject_hit(SITE_PIDFD_SIGNAL, false);
    return err ? err : real->pidfd_signal(pidfd, signo);
}

/* Somebody else has taken the status: there was one to take.  The thread that waits for the child
 * where there are no pidfds would wait on, if the child did. */
static void taken_by_another(int pidfd, int pid, int *ret_status)
{
    if (pidfd < 0) {
        aw_ignore(real->kill(pid, SIGKILL));
        aw_wait_for_end(pid);
    }
    aw_ignore(real->reap(pidfd, pid, ret_status));
}

static int reap(int pidfd, int pid, int *ret_status)
{
    int err = inject_hit(SITE_REAP, false);
    if (err == -ECHILD)
        taken_by_another(pidfd, pid, ret_status);
    return err ? err : real->reap(pidfd, pid, ret_status);
}

void inject_children(const struct aw_sys_table *system, struct aw_sys_table *table)
{
    real = system;
    table->sigaction = sigaction_;
    table->pipe = pipe_;
    table->kill = kill_;
    table->spawn = spawn;
    table->pidfd_open = pidfd_open_;
    table->pidfd_signal = pidfd_signal;
    table->reap = reap;
}
