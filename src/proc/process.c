/*
 * process.c - the life of a child process, from its start to the moment it is seen off.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proc/process.h"

#include "await/scope.h"

#define PATIENCE_NS INT64_C(5000000000) /* for a child that was killed */

/* ---- records ---- */

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

aw_process *aw_child_new(aw_loop *l, const aw_process_opts *opts)
{
    aw_buf name;
    aw_process *p = aw_mem_zalloc(sizeof *p);
    if (!p)
        return aw_fail_null(-ENOMEM, "no memory for a process");
    p->refs = p->handles = 1;
    p->loop = l;
    p->end_fd = p->waiter_fd = -1;
    p->leads_group = opts->new_session || opts->new_group;
    p->limit = opts->limit;
    p->file = opts->file;
    p->line_number = opts->line;
    aw_buf_init(&name, p->name, sizeof p->name);
    aw_buf_add_shown(&name, last_part(opts->argv[0]));
    for (int i = 0; i < 3; i++)
        p->ends[i].fd = -1;
    aw_list_init(&p->line.waiting);
    aw_list_init(&p->closer.link);
    aw_loop_keep(l);
    return p;
}

static void close_ends(aw_process *p)
{
    for (int i = 0; i < 3; i++)
        aw_pipe_end_close(&p->ends[i]);
}

void aw_child_discard(aw_process *p)
{
    aw_loop *l = p->loop;
    close_ends(p);
    aw_closer_remove(&p->closer);
    aw_mem_free(p);
    aw_loop_let_go(l);
}

static void drop(aw_process *p)
{
    if (--p->refs == 0)
        aw_child_discard(p);
}

int aw_child_check(const aw_process *p)
{
    return p ? aw_loop_check_slow(p->loop) : aw_null_handle();
}

aw_process *aw_process_ref(aw_process *p)
{
    if (p && aw_child_check(p) == 0) {
        p->refs++;
        p->handles++;
    }
    return p;
}

void aw_process_unref(aw_process *p)
{
    if (!p || aw_child_check(p) < 0)
        return;
    aw_assert(p->handles > 0);
    if (--p->handles == 0)
        close_ends(p);
    drop(p);
}

/* ---- errors ---- */

static int lost(void)
{
    return aw_fail(-ECHILD, "the status of the process was taken by somebody else");
}

int aw_child_raise(const aw_process *p, int code, const char *why)
{
    char text[256];
    snprintf(text, sizeof text, "process %d, %s: %s", p->pid, p->name, why);
    return aw_raise(code, text);
}

static int about(const aw_process *p, int err, const char *what)
{
    return aw_fail_about(err, "process %d, %s: %s", p->pid, p->name, what);
}

/* ---- the end ---- */

/* It is no more: nothing watches it, and who waits is told. */
static void see_off(aw_process *p)
{
    p->ended = true;
    aw_remove_reader(p->loop, p->end_fd);
    aw_sys.close(p->end_fd);
    p->end_fd = -1;
    if (!p->has_pidfd)
        aw_os_thread_join(&p->waiter);
    aw_line_wake(&p->line, 0);
    drop(p);
}

/* Has it ended?  1, 0, or -ECHILD: somebody else has waited for it. */
static int look(aw_process *p)
{
    int status = 0, n;
    if (p->ended)
        return p->lost ? -ECHILD : 1;
    do
        n = aw_sys.reap(p->has_pidfd ? p->end_fd : -1, p->pid, &status);
    while (n == -EINTR);
    if (n == 0)
        return 0;
    p->lost = n < 0;
    bool by_signal = (status & 0x7f) != 0;
    p->status = by_signal ? -(status & 0x7f) : (status >> 8) & 0xff;
    see_off(p);
    return n;
}

static int on_end(void *arg)
{
    aw_ignore(look(arg));
    return 0;
}

/* Nobody will hear of its end by itself: who waits is told so. */
static void not_watched(void *arg, int error)
{
    aw_process *p = arg;
    p->unwatched = error;
    aw_line_wake(&p->line, error);
}

static int watch(aw_process *p)
{
    p->unwatched = 0;
    return aw_fd_watch(p->end_fd, on_end, not_watched,
                       &(aw_call_opts){.file = p->file,
                                       .line = p->line_number,
                                       .cb_name = "aw_process",
                                       .arg = p,
                                       .loop = p->loop});
}

static int not_sent(const aw_process *p, int err, int signo)
{
    char what[32];
    snprintf(what, sizeof what, "signal %d", signo);
    return about(p, err, what);
}

static int signal_now(aw_process *p, int signo)
{
    if (p->ended)
        return aw_fail(-ESRCH, "the process has been waited for");
    int err = p->has_pidfd ? aw_sys.pidfd_signal(p->end_fd, signo) : aw_sys.kill(p->pid, signo);
    return err < 0 ? not_sent(p, err, signo) : 0;
}

static void wait_until_killed(aw_process *p)
{
    struct pollfd fd = {.fd = p->end_fd, .events = POLLIN};
    if (aw_sys.poll(&fd, 1, PATIENCE_NS) < 0)
        aw_wait_for_end(p->pid);
}

/* A child that cannot be killed at once (its disk does not answer) stays for whoever comes after
 * this process. */
static void kill_at_the_end(aw_process *p)
{
    char name[sizeof p->name + 32];
    snprintf(name, sizeof name, "%s, process id %d", p->name, p->pid);
    aw_report_child(p->loop, "a child process was killed: its loop was closed before it ended",
                    name, p->file, p->line_number);
    aw_ignore(signal_now(p, SIGKILL));
    wait_until_killed(p);
    if (look(p) == 0) {
        p->lost = true;
        see_off(p);
    }
}

/* Pipes are closed with the loop, as streams are. */
static void loop_closes(struct aw_closer *closer)
{
    aw_process *p = aw_container_of(closer, struct aw_process, closer);
    p->refs++;
    if (look(p) == 0)
        kill_at_the_end(p);
    close_ends(p);
    drop(p);
}

/* ---- the start ---- */

static void wait_in_thread(void *arg)
{
    aw_process *p = arg;
    aw_wait_for_end(p->pid);
    aw_sys.close(p->waiter_fd); /* the record may go when the loop has seen this */
}

static int start_waiter(aw_process *p)
{
    int ends[2];
    int err = aw_sys.pipe(ends, -1);
    if (err < 0)
        return err;
    p->end_fd = ends[0];
    p->waiter_fd = ends[1];
    err = aw_os_thread_start(&p->waiter, "await-child", 0, -1, wait_in_thread, p);
    if (err < 0) {
        aw_sys.close(ends[0]);
        aw_sys.close(ends[1]);
        p->end_fd = -1;
    }
    return err;
}

static int find_end_fd(aw_process *p)
{
    int fd = aw_sys.pidfd_open(p->pid);
    if (fd >= 0) {
        p->end_fd = fd;
        p->has_pidfd = true;
        return 0;
    }
    bool missing = fd == -ENOSYS || fd == -EPERM;
    return missing ? start_waiter(p) : fd;
}

/* Nobody will hear of it. */
static void kill_unheard(aw_process *p)
{
    int status;
    aw_sys.kill(p->pid, SIGKILL);
    aw_wait_for_end(p->pid);
    aw_ignore(aw_sys.reap(-1, p->pid, &status));
    if (p->end_fd < 0)
        return;
    aw_sys.close(p->end_fd);
    if (!p->has_pidfd)
        aw_os_thread_join(&p->waiter);
}

int aw_child_begin(aw_process *p, int pid)
{
    p->pid = pid;
    int err = find_end_fd(p);
    if (err == -ESRCH) /* it has ended and been seen off: its number may be another's by now */
        return lost();
    if (err >= 0)
        err = watch(p);
    if (err < 0) {
        kill_unheard(p);
        return about(p, err, "waiting for its end");
    }
    p->refs++;
    p->closer.run = loop_closes;
    aw_closer_add(p->loop, &p->closer);
    return 0;
}

/* ---- looking, waiting ---- */

static void tell(const aw_process *p, int *ret)
{
    if (ret)
        *ret = p->status;
}

int aw_process_pid(aw_process *p)
{
    AW_TRY(aw_child_check(p));
    return p->pid;
}

bool aw_process_returncode(aw_process *p, int *ret)
{
    if (aw_child_check(p) < 0 || !p->ended || p->lost)
        return false;
    tell(p, ret);
    return true;
}

int aw_process_poll(aw_process *p, int *ret)
{
    AW_TRY(aw_child_check(p));
    p->refs++;
    int n = look(p);
    if (n > 0)
        tell(p, ret);
    drop(p);
    return n < 0 ? lost() : n;
}

static void describe(const void *object, aw_buf *out)
{
    const aw_process *p = object;
    aw_buf_printf(out, "process %d %s", p->pid, p->name);
}

static bool be_patient(const void *object)
{
    (void)object;
    return true;
}

static int wait_as(aw_process *p, const char *name, bool patient, const void *caller)
{
    if (!aw_loop_of_task())
        return aw_errno();
    if (p->unwatched && look(p) == 0)
        AW_TRY(watch(p));
    if (!p->ended)
        AW_TRY(
            aw_line_wait(&p->line, &(struct aw_line_call){.name = name,
                                                          .caller = caller,
                                                          .describe = describe,
                                                          .object = p,
                                                          .patient = patient ? be_patient : NULL}));
    return p->lost ? lost() : 0;
}

int aw_process_wait(aw_process *p, int *ret)
{
    AW_TRY(aw_child_check(p));
    p->refs++; /* who waits may be the last to have given up a handle meanwhile */
    int err = wait_as(p, "aw_process_wait", false, __builtin_return_address(0));
    if (err >= 0)
        tell(p, ret);
    drop(p);
    return err;
}

/* ---- signals ---- */

int aw_process_send_signal(aw_process *p, int signo)
{
    AW_TRY(aw_child_check(p));
    return signal_now(p, signo);
}

int aw_process_terminate(aw_process *p)
{
    return aw_process_send_signal(p, SIGTERM);
}

int aw_process_kill(aw_process *p)
{
    return aw_process_send_signal(p, SIGKILL);
}

/* While the leader has not been seen off the group's number is no other's. */
int aw_process_signal_group(aw_process *p, int signo)
{
    AW_TRY(aw_child_check(p));
    if (!p->leads_group)
        return aw_fail(AW_EMISUSE, "the process does not lead a group of its own");
    if (p->ended)
        return aw_fail(-ESRCH, "the process has been waited for");
    int err = aw_sys.kill(-p->pid, signo);
    return err < 0 ? not_sent(p, err, signo) : 0;
}

/* ---- stopping ---- */

/* 0 also when it is gone. */
static int signal_all(aw_process *p, int signo)
{
    int err = p->leads_group ? aw_process_signal_group(p, signo) : signal_now(p, signo);
    return err == -ESRCH ? 0 : err;
}

struct stop {
    aw_process *process;
    const void *caller;
};

static int wait_for_end(void *arg)
{
    const struct stop *s = arg;
    return wait_as(s->process, "aw_process_stop", false, s->caller);
}

static int ask_to_end(struct stop *s, double grace)
{
    if (s->process->ended)
        return 0;
    if (grace <= 0)
        return -ETIMEDOUT;
    AW_TRY(signal_all(s->process, SIGTERM));
    return aw_timeout_call(grace, wait_for_end, s);
}

/* After SIGKILL the end is near, so a cancellation can wait for it.  What may not be killed is left
 * alone. */
static int stop(struct stop *s, double grace)
{
    int err = ask_to_end(s, grace);
    if (s->process->ended)
        return err == -ECANCELED ? err : s->process->lost ? lost() : 0;
    if (err == -EPERM)
        return err;
    AW_TRY(signal_all(s->process, SIGKILL));
    int end = wait_as(s->process, "aw_process_stop", true, s->caller);
    return err == -ECANCELED ? err : end;
}

int aw_process_stop(aw_process *p, double grace, int *ret)
{
    AW_TRY(aw_child_check(p));
    if (isnan(grace))
        return aw_fail(-EINVAL, "the grace is NaN");
    if (!aw_loop_of_task())
        return aw_errno();
    struct stop s = {.process = p, .caller = __builtin_return_address(0)};
    p->refs++;
    int err = stop(&s, grace);
    if (p->ended && !p->lost)
        tell(p, ret);
    drop(p);
    return err;
}
