/*
 * communicate.c - what goes to a child and comes from it: communicate, and a program run to its
 * end.
 *
 * Up to three things happen at once, or a child that writes before it has read everything would
 * wait for us as we wait for it: the input is sent and each output is read.  One of them is done by
 * the calling task, the others by tasks of a group.  An end of a pipe that the user has as a stream
 * is used as one, since something may be buffered there.
 */
#include <math.h>
#include <string.h>

#include "proc/process.h"

#include "await/executor.h"
#include "await/io.h"
#include "await/scope.h"

#define CHUNK ((size_t)65536)
#define FIRST_ROOM ((size_t)4096)
#define GRACE_DEFAULT 2.0

/* ---- ends of pipes ---- */

static bool is_open(const struct aw_pipe_end *e)
{
    return e->fd >= 0 || e->stream;
}

void aw_pipe_end_close(struct aw_pipe_end *e)
{
    if (e->fd >= 0)
        aw_sys.close(e->fd);
    e->fd = -1;
    aw_stream_unref(e->stream);
    e->stream = NULL;
}

/* The stream stays the process's, to be waited for. */
static void finish_input(struct aw_pipe_end *e)
{
    if (e->stream)
        aw_ignore(aw_stream_close(e->stream));
    else
        aw_pipe_end_close(e);
}

static aw_stream *stream_of(aw_process *p, int i)
{
    static const char *const none[] = {"the process has no pipe for its input",
                                       "the process has no pipe for its output",
                                       "the process has no pipe for its errors"};
    int err = aw_child_check(p);
    if (err < 0)
        return aw_null(err);
    struct aw_pipe_end *e = &p->ends[i];
    if (e->stream)
        return e->stream;
    if (e->fd < 0)
        return aw_fail_null(-EBADF, none[i]);
    e->stream =
        aw_stream_from_fd(e->fd, .limit = p->limit, .read_only = i != 0, .write_only = i == 0);
    if (e->stream)
        e->fd = -1;
    return e->stream;
}

aw_stream *aw_process_stdin(aw_process *p)
{
    return stream_of(p, 0);
}

aw_stream *aw_process_stdout(aw_process *p)
{
    return stream_of(p, 1);
}

aw_stream *aw_process_stderr(aw_process *p)
{
    return stream_of(p, 2);
}

static ssize_t read_some(struct aw_pipe_end *e, void *buf, size_t n)
{
    return e->stream ? aw_stream_read(e->stream, buf, n) : aw_read(e->fd, buf, n);
}

/* At least one byte, without a signal. */
static ssize_t write_some(struct aw_pipe_end *e, const void *buf, size_t n)
{
    n = n < CHUNK ? n : CHUNK;
    if (e->stream) {
        AW_TRY(aw_stream_write(e->stream, buf, n));
        AW_TRY(aw_stream_drain(e->stream));
        return (ssize_t)n;
    }
    for (;;) {
        ssize_t done = aw_sys.pipe_write(e->fd, buf, n);
        if (done != -EAGAIN && done != -EINTR)
            return done;
        AW_TRY(aw_poll(e->fd, POLLOUT));
    }
}

/* ---- outputs ---- */

void aw_output_fini(aw_output *o)
{
    if (!o)
        return;
    aw_mem_free(o->data);
    *o = (aw_output){0};
}

void aw_process_result_fini(aw_process_result *r)
{
    if (!r)
        return;
    aw_output_fini(&r->out);
    aw_output_fini(&r->err);
}

struct collector {
    aw_output *to; /* NULL: it is read and lost */
    size_t room;   /* allocated */
    size_t limit;  /* bytes; 0: none */
};

/* Room for one byte more and the zero. */
static int make_room(struct collector *c)
{
    aw_output *o = c->to;
    if (o->data && o->size + 2 <= c->room)
        return 0;
    size_t room = o->data ? c->room * 2 : FIRST_ROOM;
    char *data = room > c->room ? aw_mem_alloc(room) : NULL;
    if (!data)
        return aw_fail(-ENOMEM, "no memory for the output of a process");
    if (o->data)
        memcpy(data, o->data, o->size);
    aw_mem_free(o->data);
    o->data = data;
    o->data[o->size] = '\0';
    c->room = room;
    return 0;
}

/* How many bytes came; 0 at the end. */
static ssize_t collect_some(struct aw_pipe_end *e, struct collector *c)
{
    char lost[FIRST_ROOM];
    if (!c->to)
        return read_some(e, lost, sizeof lost);
    aw_output *o = c->to;
    AW_TRY(make_room(c));
    ssize_t n = read_some(e, o->data + o->size, c->room - o->size - 1);
    if (n <= 0)
        return n;
    o->size += (size_t)n;
    bool over = c->limit && o->size > c->limit;
    if (over)
        o->size = c->limit;
    o->data[o->size] = '\0';
    return over ? AW_ELIMIT : n; /* its words: name_it() */
}

/* Until the end; others get their turn meanwhile. */
static int collect(struct aw_pipe_end *e, aw_output *to, size_t limit)
{
    struct collector c = {.to = to, .limit = limit};
    for (;;) {
        ssize_t n = collect_some(e, &c);
        if (n <= 0)
            return (int)n;
        AW_TRY(aw_sleep(0));
    }
}

/* ---- all at once ---- */

struct talk {
    const aw_communicate_opts *opts;
    aw_process *process;
    int error; /* the first */
};

static int note_error(struct talk *t, int err)
{
    if (err < 0 && err != -ECANCELED && !t->error)
        t->error = err;
    return err;
}

/* A child that has read enough, or ended, is no failure. */
static int feed(void *arg)
{
    struct talk *t = arg;
    struct aw_pipe_end *e = &t->process->ends[0];
    const char *from = t->opts->input;
    for (size_t left = t->opts->size; left > 0;) {
        ssize_t n = write_some(e, from, left);
        if (n == -EPIPE || n == -ECONNRESET)
            break;
        if (n < 0)
            return note_error(t, (int)n);
        from += n;
        left -= (size_t)n;
    }
    finish_input(e);
    return 0;
}

static int collect_end(struct talk *t, int i)
{
    const aw_communicate_opts *o = t->opts;
    return note_error(t, collect(&t->process->ends[i], i == 1 ? o->out : o->err, o->limit));
}

static int collect_err(void *arg)
{
    return collect_end(arg, 2);
}

static int body(aw_group *g, void *arg)
{
    struct talk *t = arg;
    aw_group_unwrap(g);
    if (is_open(&t->process->ends[0]))
        AW_TRY(aw_group_start(g, feed, t));
    if (is_open(&t->process->ends[2]))
        AW_TRY(aw_group_start(g, collect_err, t));
    return is_open(&t->process->ends[1]) ? collect_end(t, 1) : 0;
}

static int talk(void *arg)
{
    struct talk *t = arg;
    struct aw_pipe_end *ends = t->process->ends;
    aw_group g = AW_GROUP_INIT;
    if (t->opts->size == 0 && is_open(&ends[0]))
        finish_input(&ends[0]);
    int err = aw_group_call(&g, body, t);
    if (err < 0)
        return err == AW_EGROUP ? t->error : err;
    return aw_process_wait(t->process, t->opts->status);
}

static int check(const aw_communicate_opts *o)
{
    AW_TRY(aw_child_check(o->process));
    if (!aw_loop_of_task())
        return aw_errno();
    if (isnan(o->timeout))
        return aw_fail(-EINVAL, "the time limit is NaN");
    if (o->size && !o->input)
        return aw_fail(-EINVAL, "the input is NULL");
    if (o->size && !is_open(&o->process->ends[0]))
        return aw_fail(-EINVAL, "there is no pipe for the input");
    return 0;
}

/* Whoever has inherited an output keeps it open. */
static int out_of_time(const aw_process *p)
{
    return aw_child_raise(p, -ETIMEDOUT, "it, or one of its outputs, did not end in time");
}

static int name_it(const aw_process *p, int err)
{
    if (err == AW_ELIMIT)
        return aw_child_raise(p, err, "its output is longer than .limit");
    return err == -ETIMEDOUT ? out_of_time(p) : err;
}

int aw_process_communicate_(const aw_communicate_opts *o)
{
    if (o->out)
        *o->out = (aw_output){0};
    if (o->err)
        *o->err = (aw_output){0};
    AW_TRY(check(o));
    struct talk t = {.opts = o, .process = aw_process_ref(o->process)};
    int err = o->timeout != 0 ? aw_timeout_call(o->timeout, talk, &t) : talk(&t);
    err = name_it(t.process, err);
    aw_process_unref(t.process);
    return err;
}

/* ---- to its end ---- */

static int check_run(const aw_process_opts *o)
{
    if (isnan(o->timeout) || isnan(o->grace))
        return aw_fail(-EINVAL, ".timeout or .grace is NaN");
    if (o->command)
        return aw_fail(-EINVAL, "this option is for aw_create_subprocess_shell()");
    if (o->input_size && (!o->input || (o->in != 0 && o->in != AW_PIPE)))
        return aw_fail(-EINVAL, "the input is NULL, or there is no pipe for it");
    return 0;
}

/* Unless something else is said, everything that it writes is wanted. */
static aw_process_opts with_pipes(const aw_process_opts *o)
{
    aw_process_opts mine = *o;
    if (o->in == 0)
        mine.in = o->input_size ? AW_PIPE : AW_DEVNULL;
    mine.out = o->out ? o->out : AW_PIPE;
    mine.err = o->err ? o->err : AW_PIPE;
    return mine;
}

static int run(aw_process *p, const aw_process_opts *o, aw_process_result *r)
{
    int err = aw_process_communicate(p, o->input, o->input_size, .out = r ? &r->out : NULL,
                                     .err = r ? &r->err : NULL, .status = r ? &r->status : NULL,
                                     .timeout = o->timeout, .limit = o->output_limit);
    if (err >= 0)
        return err;
    int end = aw_process_stop(p, o->grace != 0 ? o->grace : GRACE_DEFAULT, r ? &r->status : NULL);
    if (end < 0)
        return end;
    return name_it(p, err);
}

int aw_run_process_(const aw_process_opts *opts)
{
    if (opts->ret)
        *opts->ret = (aw_process_result){0};
    AW_TRY(check_run(opts));
    aw_process_opts mine = with_pipes(opts);
    aw_process *p = aw_child_create(&mine);
    if (!p)
        return aw_errno();
    int err = run(p, opts, opts->ret);
    aw_process_unref(p);
    return err;
}
