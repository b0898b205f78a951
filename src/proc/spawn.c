/*
 * spawn.c - making a child process: what the options mean, pipes, the start.
 *
 * Everything that can fail for want of memory or descriptors is done before the child is made; what
 * comes after that can only fail to watch it, and then it is killed (process.c).
 */
#include <stdlib.h>
#include <string.h>

#include "proc/process.h"

/* What is opened for the child, and closed here when it has been made. */
struct start {
    const aw_process_opts *opts;
    struct aw_spawn spawn;
    int theirs[3]; /* -1: nothing */
};

/* ---- options ---- */

static int refuse(const char *why)
{
    return aw_fail(-EINVAL, why);
}

static bool is_stdio(int wish, bool may_be_stdout)
{
    return wish >= AW_INHERIT && (wish != AW_STDOUT || may_be_stdout);
}

static int check(const aw_process_opts *o)
{
    if (!o->argv || !o->argv[0])
        return refuse("there is no program");
    if (!is_stdio(o->in, false) || !is_stdio(o->out, false) || !is_stdio(o->err, true))
        return refuse(".in, .out or .err is neither a descriptor nor AW_PIPE and the like");
    if (o->n_pass_fds && !o->pass_fds)
        return refuse(".pass_fds is NULL");
    if (o->new_session && o->new_group)
        return refuse("a session's leader leads its group as well");
    return 0;
}

static int check_no_run(const aw_process_opts *o)
{
    if (o->input || o->input_size || o->timeout != 0 || o->grace != 0 || o->output_limit || o->ret)
        return refuse("this option is for aw_run_process()");
    return 0;
}

/* The directories in which the child's own environment, or this one, looks for programs. */
static const char *search_path(const aw_process_opts *o)
{
    const char *path = o->env ? NULL : getenv("PATH");
    for (const char *const *e = o->env; e && *e; e++)
        if (strncmp(*e, "PATH=", 5) == 0)
            path = *e + 5;
    return path ? path : "/bin:/usr/bin";
}

/* ---- descriptors ---- */

static int open_one(struct start *st, aw_process *p, int i, int wish)
{
    int ends[2];
    if (wish == AW_DEVNULL) {
        int fd = aw_open_null();
        if (fd < 0)
            return fd;
        st->theirs[i] = st->spawn.std[i] = fd;
    } else if (wish == AW_PIPE) {
        int ours = i == 0;
        int err = aw_sys.pipe(ends, ours ? 1 : 0);
        if (err < 0)
            return err;
        p->ends[i].fd = ends[ours];
        st->theirs[i] = st->spawn.std[i] = ends[!ours];
    } else {
        st->spawn.std[i] = wish > 0 ? wish : -1;
    }
    return 0;
}

/* What it is about, in words. */
static int failed(const struct start *st, int err, const char *what)
{
    return aw_fail_about(err, "%s '%s'", what, st->spawn.program);
}

static int open_all(struct start *st, aw_process *p)
{
    const aw_process_opts *o = st->opts;
    const int wishes[3] = {o->in, o->out, o->err == AW_STDOUT ? AW_INHERIT : o->err};
    for (int i = 0; i < 3; i++) {
        int err = open_one(st, p, i, wishes[i]);
        if (err < 0)
            return failed(st, err, "a descriptor for");
    }
    return 0;
}

static void close_theirs(struct start *st)
{
    for (int i = 0; i < 3; i++)
        if (st->theirs[i] >= 0)
            aw_sys.close(st->theirs[i]);
}

/* ---- the start ---- */

static int not_spawned(const struct start *st, int err)
{
    switch (st->spawn.failed_at) {
    case AW_SPAWN_CHDIR:
        return aw_fail_about(err, "the working directory '%s'", st->spawn.cwd);
    case AW_SPAWN_PASS:
        return failed(st, err, "a descriptor of .pass_fds, for");
    case AW_SPAWN_SET_UP:
        return failed(st, err, "the descriptors or the session of");
    default:
        return failed(st, err, "the program");
    }
}

static int start(struct start *st, aw_process *p)
{
    AW_TRY(open_all(st, p));
    int pid = aw_sys.spawn(&st->spawn);
    if (pid < 0)
        return not_spawned(st, pid);
    return aw_child_begin(p, pid);
}

static struct start prepare(const aw_process_opts *o)
{
    return (struct start){.opts = o,
                          .theirs = {-1, -1, -1},
                          .spawn = {.program = o->program ? o->program : o->argv[0],
                                    .path = search_path(o),
                                    .argv = (char *const *)o->argv,
                                    .envp = (char *const *)o->env,
                                    .cwd = o->cwd,
                                    .std = {-1, -1, -1},
                                    .err_to_out = o->err == AW_STDOUT,
                                    .pass = o->pass_fds,
                                    .n_pass = o->n_pass_fds,
                                    .new_session = o->new_session,
                                    .new_group = o->new_group}};
}

/* Nothing, or the reason recorded. */
aw_process *aw_child_create(const aw_process_opts *o)
{
    int err = check(o);
    if (err >= 0)
        err = aw_sleep(0);
    aw_loop *l = err < 0 ? NULL : aw_loop_of_task();
    aw_process *p = l ? aw_child_new(l, o) : NULL;
    if (!p)
        return err < 0 ? aw_null(err) : NULL;
    struct start st = prepare(o);
    err = start(&st, p);
    close_theirs(&st);
    if (err >= 0)
        return p;
    aw_child_discard(p);
    return aw_null(err);
}

aw_process *aw_create_subprocess_exec_(const aw_process_opts *opts)
{
    int err = opts->command ? refuse("this option is for aw_create_subprocess_shell()")
                            : check_no_run(opts);
    return err < 0 ? aw_null(err) : aw_child_create(opts);
}

aw_process *aw_create_subprocess_shell_(const aw_process_opts *opts)
{
    int err = check_no_run(opts);
    if (err >= 0 && (!opts->command || opts->argv))
        err = refuse("there is no command, or an argv beside it");
    if (err < 0)
        return aw_null(err);
    const char *const argv[] = {"/bin/sh", "-c", opts->command, NULL};
    aw_process_opts mine = *opts;
    mine.argv = argv;
    return aw_child_create(&mine);
}
