/*
 * uring.c - the backend where the kernel does the operations.
 *
 * An operation is written into the ring from its record on the task's stack, and nothing more: the
 * ring is handed over once per pass, by the same system call that waits; in between only for a
 * cancellation, or when it is full of what is posted (uring_post.c).
 *
 *      submit --> behind others of its descriptor?  --> queued     (its turn comes when they end)
 *                 no room in the ring, no run?      --> waiting    (list, prepared by the poll)
 *                 else                              --> flying     (in the ring or the kernel)
 *      poll:  waiting --> flying;  io_uring_enter();  completions --> the completed list
 *
 * Order.  The kernel wakes those who wait for one descriptor in no useful order, so of the reads of
 * one descriptor only the first flies, and of the writes too.  Operations with an offset of their
 * own fly at once.
 *
 * Cancelling a flying operation sends another one after it, at once: data that arrive later are not
 * taken.  The record and its buffer come back only with the operation's own completion.  The ring
 * is first in, first out, and a cancellation is executed when it is submitted, so it can not hit a
 * later operation whose record lies at the same address.
 *
 * Threads.  A ring belongs to the thread that made it: that is what makes it cheap.  So leaving a
 * loop takes everything back from the kernel, by cancelling it; what is thereby cancelled, without
 * anybody having asked for it, has had no effect, and waits for the next run.  If that is in
 * another thread the kernel refuses the old ring, and a new one is made.
 *
 * Waking.  A poll for the eventfd stays in the ring: it reports every write to it, so that nothing
 * has to be read or armed again.  Only where this ends (an old kernel) the eventfd is read.
 *
 * Reads of a file that lies in the page cache are not worth a round through the ring: they are done
 * on the spot, up to a budget per pass, so that a task which reads and reads lets others run.
 *
 * Without system call.  A poll that must not wait, with nothing to hand over, looks at two words of
 * shared memory: the end of the completions, and the flag by which the kernel says that it has some
 * which it would like to post.
 */
#include "io/uring_io.h"

#include <string.h>

enum {
    FIRST_TABLE_SIZE = 64,
    CACHED_MAX = 1 << 20, /* bytes read from the page cache in a pass: some 100 microseconds */
    CACHED_LEAST = 1024,  /* what a read costs, as bytes */
    REFUSALS_MAX = 1000, /* of the kernel for want of memory, one after the other: about a second */
    REFUSAL_PAUSE = 1000000, /* ns */
};

/* What a completion is of, if not an operation, whose address it has. */
enum { WAKE_MARK = 1, CANCEL_MARK = 2 };

/* ---- queues ---- */

static bool is_ordered(const struct aw_op *op)
{
    return aw_op_side(op) != AW_NO_SIDE;
}

static bool is_polling(const struct aw_op *op)
{
    return op->kind == AW_OP_POLL || (op->phase & POLLING);
}

static struct aw_op_queue *queue_of(struct uring_io *u, const struct aw_op *op)
{
    struct sides *s = &u->table[op->fd];
    return aw_op_side(op) == AW_SIDE_READ ? &s->readers : &s->writers;
}

/* The table reaches as far as descriptors do: 0, -EBADF, -ENOMEM. */
static int reach(struct uring_io *u, int fd)
{
    size_t size = u->table_size > 0 ? 2 * u->table_size : FIRST_TABLE_SIZE;
    if (fd < 0 || aw_sys.get_flags(fd) < 0)
        return -EBADF;
    if (size <= (size_t)fd)
        size = (size_t)fd + 1;
    struct sides *table = aw_mem_zalloc(size * sizeof *table);
    if (!table)
        return -ENOMEM;
    if (u->table_size > 0)
        memcpy(table, u->table, u->table_size * sizeof *table);
    aw_mem_free(u->table);
    u->table = table;
    u->table_size = size;
    return 0;
}

/* ---- into the ring ---- */

static bool prepare(struct uring_io *u, struct aw_op *op)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    if (AW_UNLIKELY(!sqe))
        return false;
    if (op->kind == AW_OP_RECEIVE && !aw_uring_receive_prepare(u, op))
        op->phase |= POLLING;
    if (AW_UNLIKELY(is_polling(op))) {
        aw_uring_fill_poll(sqe, op);
    } else {
        aw_ring_fill(sqe, op);
        if (op->phase & ASYNC)
            sqe->flags |= IOSQE_ASYNC;
    }
    io_uring_sqe_set_data(sqe, op);
    op->phase = (uint8_t)((op->phase & ~PLACE) | FLYING);
    aw_list_push_back(&u->flying, &op->all);
    return true;
}

/* Its turn has come. */
static void start(struct uring_io *u, struct aw_op *op)
{
    bool may_fly = u->running && !u->leaving && aw_list_empty(&u->waiting);
    if (may_fly && prepare(u, op))
        return;
    op->phase = (uint8_t)((op->phase & ~PLACE) | WAITING);
    aw_list_push_back(&u->waiting, &op->all);
}

void aw_uring_start(struct uring_io *u, struct aw_op *op)
{
    start(u, op);
}

/* Ask the kernel for an operation that flies; later, if there is no room. */
static void send_cancel(struct uring_io *u, struct aw_op *op)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    if (!sqe) {
        op->phase |= TO_CANCEL;
        u->to_cancel = true;
        return;
    }
    op->phase &= (uint8_t)~TO_CANCEL;
    io_uring_prep_cancel(sqe, op, 0);
    sqe->user_data = CANCEL_MARK;
    if (u->ring.features & IORING_FEAT_CQE_SKIP)
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

static void send_cancels(struct uring_io *u)
{
    if (AW_LIKELY(!u->to_cancel))
        return;
    u->to_cancel = false;
    aw_list_each(node, &u->flying)
    {
        struct aw_op *op = aw_container_of(node, struct aw_op, all);
        if (op->phase & TO_CANCEL)
            send_cancel(u, op);
        if (u->to_cancel)
            return; /* there is no more room */
    }
}

/* The eventfd may have been written to already, and be it for this very poll: that is reported at
 * once, and must not be read away here. */
static void arm_wake(struct uring_io *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    if (!sqe)
        return;
    if (u->wake_once)
        io_uring_prep_poll_add(sqe, u->wake_fd, POLLIN);
    else
        io_uring_prep_poll_multishot(sqe, u->wake_fd, POLLIN);
    sqe->user_data = WAKE_MARK;
    u->wake_armed = true;
}

/* Fills the ring: false if there is something left that had no room. */
static bool fill_ring(struct uring_io *u, bool will_wait)
{
    send_cancels(u);
    aw_uring_feed(u);
    if (will_wait && !u->wake_armed)
        arm_wake(u);
    aw_list *node;
    while ((node = aw_list_pop_front(&u->waiting)) != NULL) {
        if (prepare(u, aw_container_of(node, struct aw_op, all)))
            continue;
        aw_list_push_front(&u->waiting, node);
        return false;
    }
    return !u->to_cancel && (u->wake_armed || !will_wait);
}

/* ---- out of the ring ---- */

/* It is over: takes it off its queue, and the next one's turn comes. */
static void finish(struct uring_io *u, struct aw_op *op, int64_t result)
{
    if (is_ordered(op)) {
        struct aw_op_queue *q = queue_of(u, op);
        bool was_first = q->first == &op->link;
        aw_op_queue_remove(q, op);
        if (was_first && q->first)
            start(u, aw_op_queue_first(q));
    }
    if (AW_UNLIKELY(op->phase & THROUGH))
        aw_uring_end_through(op);
    aw_assert(u->io.in_flight > 0);
    u->io.in_flight--;
    u->posts -= op->kind == AW_OP_POST;
    op->result = result;
    op->state = AW_OP_COMPLETED;
}

void aw_uring_finish(struct uring_io *u, struct aw_op *op, int64_t result)
{
    finish(u, op, result);
}

/* It would block, and the kernel did not wait by itself, as it does not on some non-blocking
 * descriptors: poll, and try again.  What is ready and would block all the same is a file on which
 * nobody can wait. */
static void try_again(struct uring_io *u, struct aw_op *op)
{
    bool poll_first = is_ordered(op);
    if ((op->phase & TRIED) || !poll_first)
        op->phase |= ASYNC;
    op->phase |= TRIED | (poll_first ? POLLING : 0);
    start(u, op);
}

static bool would_block(const struct aw_op *op, int64_t result)
{
    if (result != -EAGAIN || op->kind == AW_OP_CONNECT || op->kind == AW_OP_POST)
        return false;
    return is_ordered(op) || !(op->phase & TRIED);
}

/* What the kernel says to itself when a signal, such as a cancellation, hits one of its threads; it
 * does not always translate it. */
bool aw_uring_was_interrupted(int64_t result)
{
    const int64_t restart_first = -512, restart_last = -516;
    return result == -EINTR || (result <= restart_first && result >= restart_last);
}

/* Connecting goes on while nobody waits for it: broken off and begun again, it has to be waited for
 * before the call tells how it has gone; else the call says that somebody is connecting already.
 */
static void op_event(struct uring_io *u, struct aw_op *op, int64_t result, aw_list *completed)
{
    bool polled = op->phase & POLLING;
    if (is_polling(op))
        result = aw_uring_polled(op, result);
    bool waits = result == AW_OP_MUST_WAIT, blocks = would_block(op, result);
    bool again = waits || aw_uring_was_interrupted(result) ||
                 (u->leaving && result == -ECANCELED) || (polled && result > 0);
    aw_list_remove(&op->all);
    op->phase &= (uint8_t) ~(POLLING | TO_CANCEL);
    if (op->asked && (again || blocks)) {
        result = -ECANCELED;
    } else if (again) {
        if (polled ? waits : op->kind == AW_OP_CONNECT)
            op->phase |= POLLING;
        start(u, op);
        return;
    } else if (blocks) {
        try_again(u, op);
        return;
    }
    finish(u, op, result);
    aw_list_push_back(completed, &op->link);
}

/* The poll is about to return, so what is written to the eventfd meanwhile may be read too. */
static void wake_event(struct uring_io *u, const struct io_uring_cqe *cqe)
{
    uint64_t count;
    if (cqe->flags & IORING_CQE_F_MORE)
        return;
    u->wake_armed = false;
    (void)aw_sys.read(u->wake_fd, &count, sizeof count);
    if (cqe->res == -EINVAL && !u->wake_once)
        u->wake_once = true;
    else if (cqe->res < 0 && cqe->res != -ECANCELED)
        u->broken = cqe->res;
}

static void completion(struct uring_io *u, struct aw_op *op, const struct io_uring_cqe *cqe,
                       aw_list *completed)
{
    if (op->kind == AW_OP_RECEIVE)
        aw_uring_receive_event(u, op, cqe->res, cqe->flags, completed);
    else
        op_event(u, op, cqe->res, completed);
}

static void reap(struct uring_io *u, aw_list *completed)
{
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    io_uring_for_each_cqe(&u->ring, head, cqe)
    {
        count++;
        if (cqe->user_data == WAKE_MARK)
            wake_event(u, cqe);
        else if (cqe->user_data != CANCEL_MARK)
            completion(u, io_uring_cqe_get_data(cqe), cqe, completed);
    }
    io_uring_cq_advance(&u->ring, count);
    u->reaped = count;
}

/* ---- the call ---- */

static void pause_a_little(void)
{
    _Atomic uint32_t nobody = 0;
    (void)aw_futex_wait(&nobody, 0, aw_clock_real() + REFUSAL_PAUSE);
}

/* A refusal for want of memory or of room for completions loses nothing: the ring keeps what is in
 * it, and it is tried again. */
static int call_kernel(struct uring_io *u, int64_t timeout_ns)
{
    int err = aw_sys.ring_enter(&u->ring, timeout_ns);
    if (err == 0 || err == -EINTR) {
        u->refusals = 0;
        return 0;
    }
    bool transient = err == -EAGAIN || err == -EBUSY || err == -ENOMEM;
    if (!transient || u->refusals >= REFUSALS_MAX)
        return err;
    u->refusals++;
    if (!io_uring_cq_ready(&u->ring))
        pause_a_little();
    return 0;
}

/* Hands the ring over and waits for a completion, as far as either is necessary. */
static int exchange(struct uring_io *u, int64_t timeout_ns)
{
    if (timeout_ns && !io_uring_cq_ready(&u->ring))
        return call_kernel(u, timeout_ns);
    unsigned flags = IO_URING_READ_ONCE(*u->ring.sq.kflags);
    if (io_uring_sq_ready(&u->ring) || (flags & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)))
        return call_kernel(u, 0);
    return 0;
}

static int uring_poll(struct aw_io *io, int64_t timeout_ns, aw_list *completed)
{
    struct uring_io *u = (struct uring_io *)io;
    bool all;
    int err;
    u->cached = 0;
    aw_uring_post_again(u);
    do {
        all = fill_ring(u, timeout_ns != 0);
        err = exchange(u, all && aw_list_empty(completed) ? timeout_ns : 0);
        reap(u, completed);
    } while (!all && err == 0);
    if (err == 0)
        err = u->broken;
    return aw_list_empty(completed) ? err : 0;
}

/* ---- operations ---- */

static bool finish_now(struct aw_op *op, int64_t result)
{
    op->result = result;
    op->state = AW_OP_COMPLETED;
    return true;
}

/* The kernel first tries to open without blocking, and a FIFO is then open, or refused, before
 * there is another end.  To open it as open(2) does takes a thread that can be kept waiting. */
static bool opens_by_thread(const struct aw_op *op)
{
    return op->kind == AW_OP_OPENAT && !(op->flags & O_NONBLOCK);
}

/* -EINVAL and the like are said at once too, and for a pipe -ESPIPE, which the ring would read. */
static bool read_from_cache(struct uring_io *u, struct aw_op *op)
{
    if (u->cached >= CACHED_MAX)
        return false;
    int64_t result = aw_op_at_once(op);
    if (result == AW_OP_NEEDS_THREAD)
        return false;
    u->cached += CACHED_LEAST + (result > 0 ? (size_t)result : 0);
    return finish_now(op, result);
}

static bool has_predecessor(struct uring_io *u, const struct aw_op *op)
{
    return (size_t)op->fd < u->table_size && queue_of(u, op)->first;
}

static bool uring_submit(struct aw_io *io, struct aw_op *op)
{
    struct uring_io *u = (struct uring_io *)io;
    aw_assert(op->state != AW_OP_IN_FLIGHT);
    if (op->fd < 0 && !aw_op_has_name(op))
        return finish_now(op, -EBADF);
    if (AW_UNLIKELY(op->kind >= AW_OP_MKDIRAT)) /* of Linux 5.15; the others of none */
        return finish_now(op, AW_OP_NEEDS_THREAD);
    if (op->kind == AW_OP_PREAD && read_from_cache(u, op))
        return true;
    if (AW_UNLIKELY(aw_op_is_impatient(op)))
        return finish_now(op, has_predecessor(u, op) ? -EAGAIN : aw_op_call_impatiently(op));
    if (aw_op_connects_at_once(op))
        return finish_now(op, aw_op_call_impatiently(op));
    op->phase = opens_by_thread(op) ? ASYNC : QUEUED;
    op->asked = false;
    bool first = true;
    if (is_ordered(op)) {
        int err = (size_t)op->fd < u->table_size ? 0 : reach(u, op->fd);
        if (err < 0)
            return finish_now(op, err);
        struct aw_op_queue *q = queue_of(u, op);
        first = !q->first;
        aw_op_queue_push(q, op);
    }
    op->state = AW_OP_IN_FLIGHT;
    io->in_flight++;
    if (first)
        start(u, op);
    return false;
}

/* At once, so that what arrives after the cancellation is left for others to read. */
static void cancel_now(struct uring_io *u, struct aw_op *op)
{
    op->asked = true;
    if (io_uring_sq_space_left(&u->ring) == 0)
        aw_ignore(call_kernel(u, 0));
    send_cancel(u, op);
    aw_ignore(call_kernel(u, 0)); /* on failure it goes with the next poll */
}

static bool uring_cancel(struct aw_io *io, struct aw_op *op)
{
    struct uring_io *u = (struct uring_io *)io;
    aw_assert(op->state != AW_OP_IDLE);
    if (op->state == AW_OP_COMPLETED)
        return false;
    if ((op->phase & PLACE) == FLYING) {
        if (!op->asked && op->kind != AW_OP_POST)
            cancel_now(u, op);
        return false;
    }
    if ((op->phase & PLACE) != QUEUED)
        aw_list_remove(&op->all);
    finish(u, op, -ECANCELED);
    return op->kind != AW_OP_RECEIVE || !aw_receiver_of(op)->announced;
}

/* ---- the ring ---- */

static int make_ring(struct uring_io *u, const char **why)
{
    int err = aw_ring_make(&u->ring, why);
    u->has_ring = err == 0;
    u->wake_armed = false;
    return err;
}

static void drop_ring(struct uring_io *u)
{
    if (u->has_ring)
        (void)aw_sys.ring_close(&u->ring);
    u->has_ring = false;
    aw_uring_receive_forget(u);
}

/* ---- runs ---- */

/* To attach the ring is also the question whether it is this thread's. */
static int uring_enter(struct aw_io *io)
{
    struct uring_io *u = (struct uring_io *)io;
    const char *why;
    if (u->has_ring && aw_sys.ring_attach(&u->ring) == -EEXIST)
        drop_ring(u);
    if (!u->has_ring) {
        int err = make_ring(u, &why);
        if (err < 0)
            return err;
        (void)aw_sys.ring_attach(&u->ring); /* without, each call looks the ring up */
    }
    u->running = true;
    return 0;
}

/* The ring cannot be used any more: the kernel cancels what is in it when it is closed. */
static void abandon_ring(struct uring_io *u, aw_list *completed)
{
    drop_ring(u);
    while (!aw_list_empty(&u->flying)) {
        struct io_uring_cqe cqe = {.res = -ECANCELED};
        completion(u, aw_container_of(u->flying.next, struct aw_op, all), &cqe, completed);
    }
}

static void take_back(struct uring_io *u, aw_list *completed)
{
    aw_list_each(node, &u->flying)
    {
        struct aw_op *op = aw_container_of(node, struct aw_op, all);
        if (!op->asked)
            op->phase |= TO_CANCEL;
    }
    u->to_cancel = true;
    while (!aw_list_empty(&u->flying)) {
        send_cancels(u);
        int err = exchange(u, u->to_cancel ? 0 : -1);
        reap(u, completed);
        if (err < 0)
            abandon_ring(u, completed);
    }
    u->to_cancel = false;
}

static void uring_leave(struct aw_io *io, aw_list *completed)
{
    struct uring_io *u = (struct uring_io *)io;
    u->leaving = true;
    if (!aw_list_empty(&u->flying))
        take_back(u, completed);
    u->leaving = false;
    u->running = false;
    if (u->has_ring)
        (void)aw_sys.ring_detach(&u->ring);
}

/* ---- the instance ---- */

/* A full counter (-EAGAIN) is as good as a write: the loop has been woken. */
static void uring_wake(struct aw_io *io)
{
    const struct uring_io *u = (const struct uring_io *)io;
    const uint64_t one = 1;
    (void)aw_sys.write(u->wake_fd, &one, sizeof one);
}

static void uring_close(struct aw_io *io)
{
    struct uring_io *u = (struct uring_io *)io;
    drop_ring(u);
    aw_uring_receive_fini(u);
    aw_sys.close(u->wake_fd);
    aw_mem_free(u->posted);
    aw_mem_free(u->table);
    aw_mem_free(u);
}

static int open_descriptors(struct uring_io *u, const char **why)
{
    int err = make_ring(u, why);
    if (err < 0)
        return err;
    u->wake_fd = aw_sys.eventfd();
    if (u->wake_fd >= 0)
        return 0;
    *why = "no eventfd";
    drop_ring(u);
    return u->wake_fd;
}

static int uring_open(struct aw_io **ret, const char **why)
{
    const char *missing = "no memory";
    struct uring_io *u = aw_mem_zalloc(sizeof *u);
    int err = u ? open_descriptors(u, &missing) : -ENOMEM;
    if (err < 0) {
        if (why)
            *why = missing;
        aw_mem_free(u);
        return err;
    }
    u->io.backend = &aw_io_uring;
    aw_list_init(&u->waiting);
    aw_list_init(&u->flying);
    aw_uring_receive_init(u);
    *ret = &u->io;
    return 0;
}

const struct aw_io_backend aw_io_uring = {
    .name = "io_uring",
    .open = uring_open,
    .close = uring_close,
    .enter = uring_enter,
    .leave = uring_leave,
    .submit = uring_submit,
    .post = aw_uring_post,
    .cancel = uring_cancel,
    .poll = uring_poll,
    .wake = uring_wake,
};
