/*
 * fd.c - descriptors: aw_read, aw_write, aw_poll, and callbacks on readiness.
 *
 * A suspending call lays its operation on the task's stack and sleeps until the backend has given
 * it back.  Cancelling asks the backend to hurry; the call returns only when record and buffer are
 * its own again.  If the operation took effect nevertheless, that is what the call returns, and the
 * cancellation waits for the next suspension point (effect_wins).
 *
 * A reader or writer callback is a poll operation that is submitted again each time its callback
 * has run.  Replacing or removing one may leave the old operation in flight: the watch is then let
 * go of when that comes back.
 */
#include "core/core.h"
#include "core/op.h"

/* ---- calls that suspend ---- */

struct fd_call {
    struct aw_wait wait;
    struct aw_op op;
};

static void call_done(struct aw_op *op)
{
    aw_wake(&aw_container_of(op, struct fd_call, op)->wait, (int)op->result);
}

static bool call_cancel(struct aw_wait *w)
{
    struct fd_call *c = aw_container_of(w, struct fd_call, wait);
    struct aw_io *io = w->task->fut.loop->io;
    if (c->op.state == AW_OP_IN_FLIGHT && io->backend->cancel(io, &c->op))
        aw_wake(w, -ECANCELED);
    return true;
}

/* A descriptor that nobody will ever be told of. */
static void drop_result(const struct aw_op *op)
{
    bool opens = op->kind == AW_OP_ACCEPT || op->kind == AW_OP_OPENAT;
    if (opens && op->result >= 0)
        (void)aw_sys.close((int)op->result);
}

/* Its loop has left the kernel alone before, so the record is the backend's only. */
static void call_drop(struct aw_wait *w)
{
    struct fd_call *c = aw_container_of(w, struct fd_call, wait);
    struct aw_io *io = w->task->fut.loop->io;
    if (c->op.state == AW_OP_IN_FLIGHT)
        aw_ignore(io->backend->cancel(io, &c->op));
    else
        drop_result(&c->op);
}

static void call_describe(const struct aw_wait *w, aw_buf *out)
{
    aw_buf_printf(out, "descriptor %d", aw_container_of(w, const struct fd_call, wait)->op.fd);
}

/* Closing is not broken off: a cancelled task has to clean up too. */
static bool close_cancel(struct aw_wait *w)
{
    (void)w;
    return true;
}

#define FD_KIND(call, how)                                                                         \
    {                                                                                              \
        .name = (call), .cancel = (how), .describe = call_describe, .drop = call_drop,             \
        .effect_wins = true                                                                        \
    }
static const struct aw_wait_kind kinds[AW_OP_KINDS] = {
    [AW_OP_POLL] = FD_KIND("aw_poll", call_cancel),
    [AW_OP_READ] = FD_KIND("aw_read", call_cancel),
    [AW_OP_WRITE] = FD_KIND("aw_write", call_cancel),
    [AW_OP_READV] = FD_KIND("aw_readv", call_cancel),
    [AW_OP_WRITEV] = FD_KIND("aw_writev", call_cancel),
    [AW_OP_RECV] = FD_KIND("aw_recv", call_cancel),
    [AW_OP_SEND] = FD_KIND("aw_send", call_cancel),
    [AW_OP_RECVMSG] = FD_KIND("aw_recvmsg", call_cancel),
    [AW_OP_SENDMSG] = FD_KIND("aw_sendmsg", call_cancel),
    [AW_OP_ACCEPT] = FD_KIND("aw_accept", call_cancel),
    [AW_OP_CONNECT] = FD_KIND("aw_connect", call_cancel),
    [AW_OP_PREAD] = FD_KIND("aw_pread", call_cancel),
    [AW_OP_PWRITE] = FD_KIND("aw_pwrite", call_cancel),
    [AW_OP_OPENAT] = FD_KIND("aw_openat", call_cancel),
    [AW_OP_CLOSE] = FD_KIND("aw_close", close_cancel),
    [AW_OP_PREADV] = FD_KIND("aw_preadv", call_cancel),
    [AW_OP_PWRITEV] = FD_KIND("aw_pwritev", call_cancel),
    [AW_OP_STATX] = FD_KIND("aw_statx", call_cancel),
    [AW_OP_FSYNC] = FD_KIND("aw_fsync", call_cancel),
    [AW_OP_FALLOCATE] = FD_KIND("aw_fallocate", call_cancel),
    [AW_OP_RENAMEAT] = FD_KIND("aw_renameat", call_cancel),
    [AW_OP_UNLINKAT] = FD_KIND("aw_unlinkat", call_cancel),
    [AW_OP_MKDIRAT] = FD_KIND("aw_mkdirat", call_cancel),
    [AW_OP_GETDENTS] = FD_KIND("aw_dir_read", call_cancel),
    [AW_OP_SENDFILE] = FD_KIND("aw_sendfile", call_cancel),
};

const char *aw_op_name(const struct aw_op *op)
{
    bool data_alone = op->kind == AW_OP_FSYNC && op->flags;
    return data_alone ? "aw_fdatasync" : kinds[op->kind].name;
}

int64_t aw_op_await(const struct aw_op *op, const void *caller)
{
    aw_loop *l = aw_self.loop;
    if (!l || !l->current)
        return aw_no_loop();
    struct fd_call c = {.wait = {.kind = &kinds[op->kind], .task = l->current, .caller = caller},
                        .op = *op};
    c.op.done = call_done;
    int64_t result =
        l->io->backend->submit(l->io, &c.op) ? c.op.result : aw_suspend(l->current, &c.wait);
    bool told = result >= 0 || result == -ECANCELED || result == AW_OP_NEEDS_THREAD;
    return told ? result : aw_op_fail(&c.op, (int)result);
}

bool aw_op_begin(const aw_loop *l, struct aw_op *op)
{
    return l->io->backend->submit(l->io, op);
}

bool aw_op_post(const aw_loop *l, struct aw_op *op)
{
    const struct aw_io_backend *backend = l->io->backend;
    return backend->post && backend->post(l->io, op);
}

bool aw_op_cancel(const aw_loop *l, struct aw_op *op)
{
    return l->io->backend->cancel(l->io, op);
}

/* Of nothing: does not wait, and tells a bad descriptor. */
static int empty_transfer(const struct aw_op *op)
{
    if (!aw_self.loop || !aw_self.loop->current)
        return aw_no_loop();
    int result = (int)(op->kind == AW_OP_READ ? aw_sys.read(op->fd, op->buf, 0)
                                              : aw_sys.write(op->fd, op->buf, 0));
    return result < 0 ? aw_op_fail(op, result) : result;
}

static ssize_t transfer(struct aw_op *op, const char *name, const void *caller)
{
    return op->len ? (ssize_t)aw_op_await_in_turn(op, name, caller) : empty_transfer(op);
}

ssize_t aw_read(int fd, void *buf, size_t n)
{
    if (!buf && n)
        return aw_fail(-EINVAL, "the buffer is NULL");
    struct aw_op op = {.kind = AW_OP_READ, .fd = fd, .buf = buf, .len = aw_op_len(n)};
    return transfer(&op, "aw_read", __builtin_return_address(0));
}

ssize_t aw_write(int fd, const void *buf, size_t n)
{
    if (!buf && n)
        return aw_fail(-EINVAL, "the buffer is NULL");
    struct aw_op op = {.kind = AW_OP_WRITE, .fd = fd, .buf = (void *)buf, .len = aw_op_len(n)};
    return transfer(&op, "aw_write", __builtin_return_address(0));
}

int aw_poll(int fd, short events)
{
    struct aw_op op = {.kind = AW_OP_POLL, .fd = fd, .events = events};
    return (int)aw_op_await(&op, __builtin_return_address(0));
}

/* ---- callbacks on readiness ---- */

struct aw_fd_watch {
    struct aw_op op;
    struct aw_ready ready;
    bool queued;  /* on the ready queue, or its callback is running */
    bool removed; /* let go of when op and ready are both back */
    aw_loop *loop;
    aw_handle *call;                      /* the callback, in the shape that reports know */
    void (*failed)(void *arg, int error); /* told in place of a report; or NULL */
};

static bool is_free(const struct aw_fd_watch *w)
{
    return !w->queued && w->op.state != AW_OP_IN_FLIGHT;
}

static void free_watch(struct aw_fd_watch *w)
{
    aw_handle_unref(w->call);
    aw_mem_free(w);
}

static void ready_to_call(struct aw_op *op)
{
    struct aw_fd_watch *w = aw_container_of(op, struct aw_fd_watch, op);
    if (w->removed) {
        free_watch(w);
        return;
    }
    w->queued = true;
    aw_ready_push(w->loop, &w->ready);
}

static void submit_watch(struct aw_fd_watch *w)
{
    struct aw_io *io = w->loop->io;
    if (io && io->backend->submit(io, &w->op))
        ready_to_call(&w->op);
}

static struct aw_fd_watch **place_of(aw_loop *l, int fd, bool writer)
{
    size_t at = (size_t)fd * 2 + writer;
    return fd >= 0 && at < l->n_fds ? &l->fds[at] : NULL;
}

/* The descriptor cannot be watched (any more): says so, and forgets it. */
static void watch_failed(struct aw_fd_watch *w, int error)
{
    *place_of(w->loop, w->op.fd, w->op.events == POLLOUT) = NULL;
    if (w->failed)
        w->failed(w->call->arg, error);
    else
        aw_report_callback(w->loop, w->call, "a descriptor could not be watched", error);
    w->call->watch = NULL;
    free_watch(w);
}

static bool remove_watch(aw_loop *l, int fd, bool writer)
{
    struct aw_fd_watch **place = place_of(l, fd, writer), *w = place ? *place : NULL;
    if (!w)
        return false;
    *place = NULL;
    w->removed = true;
    w->call->watch = NULL;
    if (w->op.state == AW_OP_IN_FLIGHT)
        aw_ignore(l->io->backend->cancel(l->io, &w->op));
    if (is_free(w))
        free_watch(w);
    return true;
}

void aw_fd_watch_cancel(struct aw_fd_watch *w)
{
    aw_ignore(remove_watch(w->loop, w->op.fd, w->op.events == POLLOUT));
}

static void run_watch(struct aw_ready *item)
{
    struct aw_fd_watch *w = aw_container_of(item, struct aw_fd_watch, ready);
    if (!w->removed && !w->loop->closed && w->op.result < 0) {
        watch_failed(w, (int)w->op.result);
        return;
    }
    if (!w->removed && !w->loop->closed)
        aw_handle_call(w->call);
    w->queued = false; /* only now: the callback may remove its own watch */
    if (w->removed)
        free_watch(w);
    else if (!w->loop->closed)
        submit_watch(w);
}

static int grow_table(aw_loop *l, int fd)
{
    size_t want = ((size_t)fd + 1) * 2;
    if (want <= l->n_fds)
        return 0;
    want = want < 64 ? 64 : want * 2;
    struct aw_fd_watch **fds = aw_mem_zalloc(want * sizeof *fds);
    if (!fds)
        return aw_fail(-ENOMEM, "no memory for a descriptor that is watched");
    for (size_t i = 0; i < l->n_fds; i++)
        fds[i] = l->fds[i];
    aw_mem_free(l->fds);
    l->fds = fds;
    l->n_fds = want;
    return 0;
}

static int add_watch(int fd, bool writer, aw_callback *cb, const aw_call_opts *opts)
{
    aw_loop *l = opts->loop ? opts->loop : aw_self.loop;
    if (!l)
        return aw_no_loop();
    AW_TRY(aw_loop_check(l));
    if (l->closed)
        return aw_fail(AW_EMISUSE, "the loop is closed");
    if (fd < 0 || aw_sys.get_flags(fd) < 0)
        return aw_fail_about(-EBADF, "watching descriptor %d", fd);
    AW_TRY(grow_table(l, fd));
    struct aw_fd_watch *w = aw_mem_zalloc(sizeof *w);
    if (!w)
        return aw_fail(-ENOMEM, "no memory for a descriptor that is watched");
    int err = aw_handle_new(cb, opts, &w->call);
    if (err < 0) {
        aw_mem_free(w);
        return err;
    }
    w->op = (struct aw_op){
        .kind = AW_OP_POLL, .fd = fd, .events = writer ? POLLOUT : POLLIN, .done = ready_to_call};
    aw_list_init(&w->op.link);
    w->ready.run = run_watch;
    w->loop = l;
    w->call->watch = w;
    remove_watch(l, fd, writer);
    *place_of(l, fd, writer) = w;
    submit_watch(w);
    return 0;
}

int aw_add_reader_(int fd, aw_callback *cb, const aw_call_opts *opts)
{
    return add_watch(fd, false, cb, opts);
}

int aw_add_writer_(int fd, aw_callback *cb, const aw_call_opts *opts)
{
    return add_watch(fd, true, cb, opts);
}

int aw_fd_watch(int fd, aw_callback *cb, void (*failed)(void *arg, int error),
                const aw_call_opts *opts)
{
    AW_TRY(add_watch(fd, false, cb, opts));
    (*place_of(opts->loop, fd, false))->failed = failed;
    return 0;
}

static bool remove_from(aw_loop *l, int fd, bool writer)
{
    l = l ? l : aw_self.loop;
    return l && aw_loop_check(l) == 0 && !l->closed && remove_watch(l, fd, writer);
}

bool aw_remove_reader(aw_loop *l, int fd)
{
    return remove_from(l, fd, false);
}

bool aw_remove_writer(aw_loop *l, int fd)
{
    return remove_from(l, fd, true);
}

/* Watches that were added before the loop had a backend. */
void aw_fds_start(aw_loop *l)
{
    for (size_t i = 0; i < l->n_fds; i++)
        if (l->fds[i] && !l->fds[i]->queued && l->fds[i]->op.state != AW_OP_IN_FLIGHT)
            submit_watch(l->fds[i]);
}

size_t aw_fds_in_flight(const aw_loop *l)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n_fds; i++)
        n += l->fds[i] && l->fds[i]->op.state == AW_OP_IN_FLIGHT;
    return n;
}

void aw_fds_close(aw_loop *l)
{
    for (size_t i = 0; i < l->n_fds; i++)
        remove_watch(l, (int)(i / 2), i % 2);
    aw_mem_free(l->fds);
    l->fds = NULL;
    l->n_fds = 0;
}
