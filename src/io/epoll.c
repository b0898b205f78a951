/*
 * epoll.c - the backend that every Linux has.
 *
 * Every operation is first tried at once; only one that would block waits, on the entry of its
 * descriptor in a table, until the kernel says "ready", and is then tried again:
 *
 *      submit --> try --> done at once              (most of them)
 *                  |
 *                  +----> on its entry's queue, interest told to the kernel
 *                           |
 *      poll:   "ready" -----+---> try again, in the order of submission --> completed
 *
 * The table is indexed by the descriptor's number.  An entry remembers what the kernel was last
 * told about the number, but closing a descriptor makes the kernel forget it without a word, and
 * the number may come back as another file.  Hence the rule of this file:
 *
 *   What an entry believes is only trusted while an operation waits on it.
 *
 * The first operation to wait on an entry always tells the kernel, and reads from the answer
 * whether the number is known there.  To close a descriptor that an operation waits on is the
 * caller's mistake; nobody can notice it here.
 *
 * Interest is taken back lazily: after a completion the kernel keeps watching, since most often
 * the next operation wants the same.  Only an event that nobody waits for ends it.
 *
 * One thing the kernel does not forget: a closed descriptor whose file lives on elsewhere (in the
 * child of a fork, behind a dup) goes on reporting events under its dead number, and no call can
 * stop it.  Such an event is known by its generation, or by the kernel's refusal to take the
 * interest back; the set of watched descriptors is then made anew.
 */
#include "io/epoll_io.h"

#include <string.h>

enum {
    EVENTS_PER_POLL = 64,
    /* What a blocking descriptor takes without blocking once it is ready to be written to: a pipe
     * is when it has room for this much (PIPE_BUF). */
    BLOCKING_WRITE_MAX = 4096,
    FIRST_TABLE_SIZE = 64,
};

static const uint64_t wake_mark = UINT64_MAX; /* an event of the eventfd; no entry has this mark */

/* The kernel's events and poll()'s are the same bits; what is always reported needs no asking. */
static const uint32_t always_reported = EPOLLERR | EPOLLHUP;

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLPRI == POLLPRI &&
                   EPOLLERR == POLLERR && EPOLLHUP == POLLHUP && EPOLLRDHUP == POLLRDHUP,
               "an operation's events go to epoll as they are");

/* ---- queues ---- */

static struct aw_op_queue *queue_for(struct watch *w, const struct aw_op *op)
{
    enum aw_op_side side = aw_op_side(op);
    if (side == AW_SIDE_READ)
        return &w->readers;
    return side == AW_SIDE_WRITE ? &w->writers : &w->pollers;
}

/* ---- the table ---- */

/* The entry of a number, NULL while the table does not reach that far. */
static struct watch *entry_if_any(struct epoll_io *e, int fd)
{
    return (size_t)fd < e->table_size ? &e->table[fd] : NULL;
}

static bool grow_table(struct epoll_io *e, size_t least)
{
    size_t size = e->table_size > 0 ? 2 * e->table_size : FIRST_TABLE_SIZE;
    if (size < least)
        size = least;
    struct watch *table = aw_mem_zalloc(size * sizeof *table);
    if (!table)
        return false;
    if (e->table_size > 0)
        memcpy(table, e->table, e->table_size * sizeof *table);
    aw_mem_free(e->table);
    e->table = table;
    e->table_size = size;
    return true;
}

/* The same, growing the table if need be; NULL when there is no memory. */
static struct watch *entry_of(struct epoll_io *e, int fd)
{
    size_t index = (size_t)fd;
    if (index >= e->table_size && !grow_table(e, index + 1))
        return NULL;
    return &e->table[index];
}

static bool anybody_waits(const struct watch *w)
{
    return w->readers.first || w->writers.first || w->pollers.first || w->receiver;
}

/* The events that somebody waits for.  Nobody's interest is 0, anybody's is not: a poller of no
 * events waits for errors, and asks for the bit that comes with them anyway. */
static uint32_t interest(const struct watch *w)
{
    uint32_t events = 0;
    if (w->readers.first || w->receiver)
        events |= EPOLLIN;
    if (w->writers.first)
        events |= EPOLLOUT;
    for (struct aw_op *op = aw_op_queue_first(&w->pollers); op;
         op = aw_op_queue_next(&w->pollers, op))
        events |= (uint16_t)op->events | EPOLLERR;
    return events;
}

/* ---- telling the kernel ---- */

static int control(struct epoll_io *e, int what, int fd, uint32_t events)
{
    uint64_t mark = (uint64_t)e->table[fd].generation << 32 | (uint32_t)fd;
    struct epoll_event ev = {.events = events, .data.u64 = mark};
    return aw_sys.epoll_ctl(e->ep, what, fd, &ev);
}

/* A new registration has a new generation, so that what an earlier file under this number still
 * reports can be told apart. */
static int control_add(struct epoll_io *e, int fd, uint32_t events)
{
    e->table[fd].generation++;
    return control(e, EPOLL_CTL_ADD, fd, events);
}

/* Makes the kernel watch a number for what is waited for, whatever it knows of the number: the
 * entry's belief only decides which of the two calls is tried first. */
static int tell_interest(struct epoll_io *e, int fd)
{
    struct watch *w = &e->table[fd];
    uint32_t events = interest(w);
    int err;
    if (w->mask) {
        err = control(e, EPOLL_CTL_MOD, fd, events);
        if (err == -ENOENT)
            err = control_add(e, fd, events);
    } else {
        err = control_add(e, fd, events);
        if (err == -EEXIST)
            err = control(e, EPOLL_CTL_MOD, fd, events);
    }
    if (err == 0)
        w->mask = events;
    return err;
}

/* Takes back the interest that nobody has any more.  A number that the kernel does not know, and
 * yet reports, belongs to a dead descriptor. */
static void narrow_interest(struct epoll_io *e, int fd)
{
    struct watch *w = &e->table[fd];
    uint32_t events = interest(w);
    int err = control(e, events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL, fd, events);
    if (err == 0)
        w->mask = events;
    if (err != -ENOENT && err != -EBADF)
        return;
    w->mask = 0;
    e->haunted = true;
}

/* ---- trying ---- */

/* Is this a file that is never waited for?  epoll refuses those with EPERM, also when asked to
 * forget what it does not know, which otherwise changes nothing while nobody waits. */
static bool never_blocks(struct epoll_io *e, int fd)
{
    struct watch *w = entry_of(e, fd);
    if (!w || anybody_waits(w))
        return false;
    w->mask = 0;
    return control(e, EPOLL_CTL_DEL, fd, 0) == -EPERM;
}

/* A transfer on a blocking descriptor must not block the loop's thread.  Asking first is as good
 * as it gets: another process may take the data in between. */
static int64_t try_blocking(struct epoll_io *e, const struct aw_op *op, int flags)
{
    bool is_write = aw_op_side(op) == AW_SIDE_WRITE;
    int64_t ready = aw_op_readiness(op->fd, is_write ? POLLOUT : POLLIN);
    if (ready < 0 && !(ready == AW_OP_MUST_WAIT && aw_op_is_refused(op, flags)))
        return ready;
    if (op->kind != AW_OP_ACCEPT && never_blocks(e, op->fd)) /* and yet it does: it is a file */
        return aw_op_at_once(op);
    bool may_block = is_write && aw_op_length(op) > BLOCKING_WRITE_MAX;
    return aw_op_call(op, may_block ? BLOCKING_WRITE_MAX : SIZE_MAX);
}

static int64_t try_transfer(struct epoll_io *e, const struct aw_op *op)
{
    if (aw_op_is_message(op))
        return aw_op_call(op, SIZE_MAX);
    int flags = aw_sys.get_flags(op->fd);
    if (flags < 0)
        return flags;
    return flags & O_NONBLOCK ? aw_op_call(op, SIZE_MAX) : try_blocking(e, op, flags);
}

/* Does the operation if it can be done now: its result, or AW_OP_MUST_WAIT. */
static int64_t try_op(struct epoll_io *e, struct aw_op *op)
{
    if (op->fd < 0)
        return -EBADF;
    if (op->kind == AW_OP_POLL)
        return aw_op_readiness(op->fd, op->events);
    if (op->kind == AW_OP_CONNECT)
        return aw_op_try_connect(op);
    int64_t result = try_transfer(e, op);
    if (result == -EAGAIN || result == -EINTR) /* the latter is ready, and will be tried again */
        return AW_OP_MUST_WAIT;
    return result;
}

/* ---- operations ---- */

static void finish(struct aw_op *op, int64_t result)
{
    op->result = result;
    op->state = AW_OP_COMPLETED;
}

/* Takes a waiting operation off its queue with its result. */
static void finish_waiting(struct epoll_io *e, struct aw_op *op, int64_t result)
{
    aw_op_queue_remove(queue_for(&e->table[op->fd], op), op);
    aw_assert(e->io.in_flight > 0);
    e->io.in_flight--;
    finish(op, result);
}

/* Somebody new waits, and, if it is known that somebody did before, little may have to be told. */
static int add_interest(struct epoll_io *e, int fd, bool trusted)
{
    const struct watch *w = &e->table[fd];
    return trusted && !(interest(w) & ~w->mask) ? 0 : tell_interest(e, fd);
}

/* Puts the operation on its queue: 0, or the reason why it cannot wait. */
static int begin_waiting(struct epoll_io *e, struct aw_op *op)
{
    struct watch *w = entry_of(e, op->fd);
    if (!w)
        return -ENOMEM;
    bool trusted = anybody_waits(w);
    struct aw_op_queue *q = queue_for(w, op);
    aw_op_queue_push(q, op);
    int err = add_interest(e, op->fd, trusted);
    if (err < 0)
        aw_op_queue_remove(q, op);
    return err;
}

/* The same for a receiver. */
int aw_epoll_watch_receiver(struct epoll_io *e, struct aw_op *op)
{
    struct watch *w = op->fd >= 0 ? entry_of(e, op->fd) : NULL;
    if (!w)
        return op->fd >= 0 ? -ENOMEM : -EBADF;
    aw_assert(!w->receiver);
    bool trusted = anybody_waits(w);
    w->receiver = aw_receiver_of(op);
    int err = add_interest(e, op->fd, trusted);
    if (err < 0)
        w->receiver = NULL;
    return err;
}

/* What an operation gives on a file that cannot be waited for.  It is ready for reading and
 * writing, and will never be for anything else: that is -EINVAL, as io_uring has it. */
static int64_t do_inline(const struct aw_op *op)
{
    if (op->kind != AW_OP_POLL)
        return AW_OP_NEEDS_THREAD;
    int events = op->events & (POLLIN | POLLOUT);
    return events ? events : -EINVAL;
}

/* Must it stand behind others?  Pollers take nothing away from each other. */
static bool has_predecessor(struct epoll_io *e, const struct aw_op *op)
{
    if (op->fd < 0 || op->kind == AW_OP_POLL)
        return false;
    struct watch *w = entry_if_any(e, op->fd);
    return w && queue_for(w, op)->first;
}

static int64_t do_now(struct epoll_io *e, struct aw_op *op)
{
    if (op->kind != AW_OP_POLL && aw_op_side(op) == AW_NO_SIDE)
        return aw_op_at_once(op);
    bool behind = has_predecessor(e, op) && !aw_op_connects_at_once(op);
    if (aw_op_is_impatient(op))
        return behind ? -EAGAIN : aw_op_call_impatiently(op);
    return behind ? AW_OP_MUST_WAIT : try_op(e, op);
}

static bool epoll_submit(struct aw_io *io, struct aw_op *op)
{
    struct epoll_io *e = (struct epoll_io *)io;
    aw_assert(op->state != AW_OP_IN_FLIGHT);
    if (op->kind == AW_OP_RECEIVE)
        return aw_epoll_receive_submit(e, op);
    op->phase = 0;
    int64_t result = do_now(e, op);
    if (result != AW_OP_MUST_WAIT) {
        finish(op, result);
        return true;
    }
    int err = begin_waiting(e, op);
    if (err < 0) {
        finish(op, err == -EPERM ? do_inline(op) : err);
        return true;
    }
    op->state = AW_OP_IN_FLIGHT;
    io->in_flight++;
    return false;
}

static bool epoll_cancel(struct aw_io *io, struct aw_op *op)
{
    aw_assert(op->state != AW_OP_IDLE);
    if (op->state == AW_OP_COMPLETED)
        return false;
    if (op->kind == AW_OP_RECEIVE) {
        aw_epoll_receive_finish((struct epoll_io *)io, op, -ECANCELED);
        return !aw_receiver_of(op)->announced;
    }
    finish_waiting((struct epoll_io *)io, op, -ECANCELED);
    return true;
}

/* ---- events ---- */

/* Tries the operations of one side in their order, until one would block. */
static void serve(struct epoll_io *e, struct aw_op_queue *q, aw_list *completed)
{
    struct aw_op *op;
    while ((op = aw_op_queue_first(q))) {
        int64_t result = try_op(e, op);
        if (result == AW_OP_MUST_WAIT)
            return;
        finish_waiting(e, op, result);
        aw_list_push_back(completed, &op->link);
    }
}

static void serve_pollers(struct epoll_io *e, struct aw_op_queue *q, uint32_t ready,
                          aw_list *completed)
{
    struct aw_op *op = aw_op_queue_first(q);
    while (op) {
        struct aw_op *next = aw_op_queue_next(q, op);
        uint32_t events = ready & ((uint16_t)op->events | always_reported);
        if (events) {
            finish_waiting(e, op, (int64_t)events);
            aw_list_push_back(completed, &op->link);
        }
        op = next;
    }
}

/* What was ready but wanted by nobody when it was reported is no longer asked for; what has just
 * been served goes on being watched. */
static void serve_entry(struct epoll_io *e, int fd, uint32_t ready, aw_list *completed)
{
    struct watch *w = &e->table[fd];
    uint32_t wanted = interest(w);
    bool unwanted = !wanted || (ready & ~(wanted | always_reported));
    serve_pollers(e, &w->pollers, ready, completed);
    if (w->receiver && (ready & (EPOLLIN | always_reported)))
        aw_epoll_receive_serve(e, w->receiver, completed);
    if (ready & (EPOLLIN | always_reported))
        serve(e, &w->readers, completed);
    if (ready & (EPOLLOUT | always_reported))
        serve(e, &w->writers, completed);
    if (unwanted)
        narrow_interest(e, fd);
}

static void handle_event(struct epoll_io *e, const struct epoll_event *ev, aw_list *completed)
{
    uint64_t mark = ev->data.u64;
    if (mark == wake_mark)
        return; /* it has done its work: the poll is over */
    int fd = (int)(mark & INT32_MAX);
    aw_assert((size_t)fd < e->table_size);
    if (e->table[fd].generation == (uint32_t)(mark >> 32))
        serve_entry(e, fd, ev->events, completed);
    else
        e->haunted = true;
}

/* ---- the set of watched descriptors ---- */

/* A set with nothing in it but the eventfd: 0, or -errno.  Edge-triggered, the eventfd reports each
 * write once, so that its counter need not be read: a system call less for each wake-up.  The
 * counter is full after 2^64 of them. */
static int make_set(int *ret, int wake_fd)
{
    int ep = aw_sys.epoll_create();
    if (ep < 0)
        return ep;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u64 = wake_mark};
    int err = aw_sys.epoll_ctl(ep, EPOLL_CTL_ADD, wake_fd, &ev);
    if (err < 0)
        aw_sys.close(ep);
    else
        *ret = ep;
    return err;
}

static void fail_ring(struct epoll_io *e, struct aw_op_queue *q, int err, aw_list *completed)
{
    struct aw_op *op;
    while ((op = aw_op_queue_first(q))) {
        finish_waiting(e, op, err);
        aw_list_push_back(completed, &op->link);
    }
}

/* Into a new set an entry goes if somebody waits on it; an error is theirs. */
static void rejoin(struct epoll_io *e, int fd, aw_list *completed)
{
    struct watch *w = &e->table[fd];
    w->mask = 0;
    if (!anybody_waits(w))
        return;
    int err = tell_interest(e, fd);
    if (err == 0)
        return;
    fail_ring(e, &w->readers, err, completed);
    fail_ring(e, &w->writers, err, completed);
    fail_ring(e, &w->pollers, err, completed);
    struct aw_receiver *r = w->receiver;
    if (r) {
        aw_epoll_receive_finish(e, &r->op, err);
        aw_receiver_announce(r, completed);
    }
}

/* Exchanges a haunted set for a new one.  Without the means to make one it is tried again at the
 * next event of the dead descriptor. */
static void exorcise(struct epoll_io *e, aw_list *completed)
{
    int fresh;
    e->haunted = false;
    if (make_set(&fresh, e->wake_fd) < 0)
        return;
    aw_sys.close(e->ep);
    e->ep = fresh;
    for (size_t fd = 0; fd < e->table_size; fd++)
        rejoin(e, (int)fd, completed);
}

/* ---- the instance ---- */

static int epoll_poll(struct aw_io *io, int64_t timeout_ns, aw_list *completed)
{
    struct epoll_io *e = (struct epoll_io *)io;
    struct epoll_event events[EVENTS_PER_POLL];
    if (AW_UNLIKELY(!aw_list_empty(&e->chunks.starving)))
        aw_epoll_feed(e, completed);
    if (!aw_list_empty(completed))
        timeout_ns = 0;
    int n = aw_sys.epoll_wait(e->ep, events, EVENTS_PER_POLL, timeout_ns);
    if (n < 0)
        return n == -EINTR ? 0 : n;
    for (int i = 0; i < n; i++)
        handle_event(e, &events[i], completed);
    if (e->haunted)
        exorcise(e, completed);
    return 0;
}

static void epoll_wake(struct aw_io *io)
{
    const struct epoll_io *e = (const struct epoll_io *)io;
    const uint64_t one = 1;
    (void)aw_sys.write(e->wake_fd, &one, sizeof one);
}

static void epoll_close(struct aw_io *io)
{
    struct epoll_io *e = (struct epoll_io *)io;
    aw_sys.close(e->ep);
    aw_sys.close(e->wake_fd);
    aw_chunks_fini(&e->chunks);
    aw_mem_free(e->table);
    aw_mem_free(e);
}

static int open_descriptors(struct epoll_io *e, const char **why)
{
    *why = "no eventfd";
    e->wake_fd = aw_sys.eventfd();
    if (e->wake_fd < 0)
        return e->wake_fd;
    *why = "no epoll descriptor";
    int err = make_set(&e->ep, e->wake_fd);
    if (err < 0)
        aw_sys.close(e->wake_fd);
    return err;
}

static int epoll_open(struct aw_io **ret, const char **why)
{
    const char *missing = "no memory";
    struct epoll_io *e = aw_mem_zalloc(sizeof *e);
    int err = e ? open_descriptors(e, &missing) : -ENOMEM;
    if (err < 0) {
        if (why)
            *why = missing;
        aw_mem_free(e);
        return err;
    }
    e->io.backend = &aw_io_epoll;
    aw_chunks_init(&e->chunks);
    *ret = &e->io;
    return 0;
}

const struct aw_io_backend aw_io_epoll = {
    .name = "epoll",
    .open = epoll_open,
    .close = epoll_close,
    .submit = epoll_submit,
    .cancel = epoll_cancel,
    .poll = epoll_poll,
    .wake = epoll_wake,
};
