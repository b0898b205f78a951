/*
 * io.c - the simulator as a backend.
 *
 * Operations on simulated sockets are tried when they are submitted and whenever their socket was
 * touched; those on other descriptors go to a backend of the kernel's.  By chance an operation is
 * late: it is only begun at the next poll, as a queue of requests would do it; or it is done at
 * once, and told at the next poll, so that who cancels it meanwhile comes too late; or cancelling
 * it takes until the next poll.
 */
#include "sim/sim.h"

/* op->phase */
enum { WAITING, BEGUN, TOLD, STARVING };

static struct sim *sim_of(struct aw_io *io)
{
    return (struct sim *)io;
}

static bool is_ours(const struct aw_op *op)
{
    return sim_in_range(op->fd) && !aw_op_has_name(op);
}

static void count_in_flight(struct sim *s)
{
    s->io.in_flight = s->inner->in_flight + s->time.in_flight;
}

static struct aw_op_queue *queue_for(struct sim_sock *k, const struct aw_op *op)
{
    enum aw_op_side side = aw_op_side(op);
    if (side == AW_SIDE_READ)
        return &k->readers;
    return side == AW_SIDE_WRITE ? &k->writers : &k->pollers;
}

/* ---- trying ---- */

static int64_t try_connect(struct sim *s, struct sim_sock *k, struct aw_op *op)
{
    if (op->phase != BEGUN) {
        int result = aw_simu_connect(s, k, op->buf, (socklen_t)op->len);
        if (result != -EINPROGRESS)
            return result;
        op->phase = BEGUN;
    }
    if (k->state == SIM_CONNECTING)
        return AW_OP_MUST_WAIT;
    if (k->state != SIM_REFUSED)
        return 0;
    k->state = SIM_FRESH;
    int error = aw_simu_take_error(k);
    return error ? -error : -ECONNREFUSED; /* somebody has asked before */
}

/* The calls of the table, as everybody else makes them. */
static int64_t try_transfer(const struct aw_op *op)
{
    const struct aw_sys_table *sys = aw_simu_door()->sys;
    switch (op->kind) {
    case AW_OP_READ:
        return sys->read(op->fd, op->buf, op->len);
    case AW_OP_WRITE:
        return sys->write(op->fd, op->buf, op->len);
    case AW_OP_READV:
        return sys->readv(op->fd, op->buf, (int)op->len);
    case AW_OP_WRITEV:
        return sys->writev(op->fd, op->buf, (int)op->len);
    case AW_OP_RECV:
        return sys->recv(op->fd, op->buf, op->len, op->flags);
    case AW_OP_SEND:
        return sys->send(op->fd, op->buf, op->len, op->flags);
    case AW_OP_RECVMSG:
        return sys->recvmsg(op->fd, op->buf, op->flags);
    case AW_OP_SENDMSG:
        return sys->sendmsg(op->fd, op->buf, op->flags);
    default:
        return sys->accept(op->fd, op->buf, op->more, op->flags);
    }
}

/* What is for files. */
static int64_t refuse(const struct aw_op *op)
{
    if (aw_op_has_offset(op))
        return -ESPIPE;
    return op->kind == AW_OP_GETDENTS ? -ENOTDIR : -EINVAL;
}

static int64_t try_op(struct sim *s, struct sim_sock *k, struct aw_op *op)
{
    if (op->kind == AW_OP_POLL) {
        int ready = aw_simu_door()->sys->poll_one(op->fd, op->events);
        return ready ? ready : AW_OP_MUST_WAIT;
    }
    if (op->kind == AW_OP_CONNECT)
        return try_connect(s, k, op);
    if (op->kind == AW_OP_CLOSE)
        return aw_simu_door()->sys->close(op->fd);
    if (aw_op_side(op) == AW_NO_SIDE)
        return refuse(op);
    int64_t result = try_transfer(op);
    return result == -EAGAIN ? AW_OP_MUST_WAIT : result;
}

/* ---- operations ---- */

static bool finish(struct aw_op *op, int64_t result)
{
    op->result = result;
    op->state = AW_OP_COMPLETED;
    return true;
}

static void begin(struct sim *s, struct aw_op *op)
{
    op->state = AW_OP_IN_FLIGHT;
    s->time.in_flight++;
    count_in_flight(s);
}

static void end(struct sim *s, struct aw_op *op, int64_t result)
{
    finish(op, result);
    s->time.in_flight--;
    count_in_flight(s);
}

static void complete(struct sim *s, struct sim_sock *k, struct aw_op *op, int64_t result,
                     aw_list *completed)
{
    aw_op_queue_remove(queue_for(k, op), op);
    end(s, op, result);
    aw_list_push_back(completed, &op->link);
}

/* It is done, and nobody is told before the next poll. */
static bool tell_later(struct sim *s, struct aw_op *op, int64_t result)
{
    s->counts.late++;
    op->result = result;
    op->phase = TOLD;
    begin(s, op);
    aw_list_push_back(&s->told, &op->link);
    return false;
}

static bool is_impatient(const struct aw_op *op)
{
    return op->kind >= AW_OP_RECV && op->kind <= AW_OP_SENDMSG && (op->flags & MSG_DONTWAIT);
}

static bool wait_in_queue(struct sim *s, struct aw_op_queue *q, struct aw_op *op)
{
    aw_op_queue_push(q, op);
    begin(s, op);
    return false;
}

static bool submit_receiver(struct sim *s, struct sim_sock *k, struct aw_op *op)
{
    sim_assert(!k->receiver);
    k->receiver = aw_receiver_of(op);
    begin(s, op);
    aw_simu_touch(s, k);
    return false;
}

static bool submit_ours(struct sim *s, struct aw_op *op)
{
    struct sim_sock *k = aw_simu_find(s, op->fd);
    op->asked = false;
    op->phase = WAITING;
    if (!k)
        return finish(op, -EBADF);
    aw_simu_settle(s);
    if (op->kind == AW_OP_RECEIVE)
        return submit_receiver(s, k, op);
    if (op->kind == AW_OP_CLOSE)
        return finish(op, try_op(s, k, op));
    struct aw_op_queue *q = queue_for(k, op);
    bool behind = q->first && op->kind != AW_OP_POLL;
    if (is_impatient(op)) {
        int64_t result = behind ? AW_OP_MUST_WAIT : try_op(s, k, op);
        return finish(op, result == AW_OP_MUST_WAIT ? -EAGAIN : result);
    }
    if (!behind && aw_simu_draw(s, s->opts.late)) { /* it is not even begun */
        s->counts.late++;
        wait_in_queue(s, q, op);
        aw_simu_touch(s, k);
        return false;
    }
    int64_t result = behind ? AW_OP_MUST_WAIT : try_op(s, k, op);
    if (result == AW_OP_MUST_WAIT)
        return wait_in_queue(s, q, op);
    return aw_simu_draw(s, s->opts.late) ? tell_later(s, op, result) : finish(op, result);
}

static bool sim_submit(struct aw_io *io, struct aw_op *op)
{
    struct sim *s = sim_of(io);
    if (is_ours(op))
        return submit_ours(s, op);
    bool done = s->inner->backend->submit(s->inner, op);
    count_in_flight(s);
    return done;
}

/* ---- receivers ---- */

static void end_receiver(struct sim *s, struct sim_sock *k, struct aw_op *op, int64_t result)
{
    if (op->phase == STARVING)
        aw_list_remove(&op->all);
    k->receiver = NULL;
    end(s, op, result);
}

/* One chunk: what comes of it, or AW_OP_MUST_WAIT. */
static int64_t receive_chunk(struct sim *s, struct aw_receiver *r)
{
    struct aw_chunk *c = aw_simu_door()->chunk_get(&s->chunks);
    if (!c) {
        if (s->chunks.made == 0)
            return -ENOMEM;
        r->op.phase = STARVING;
        aw_list_push_back(&s->starving, &r->op.all);
        return AW_OP_MUST_WAIT;
    }
    ssize_t n = aw_simu_door()->sys->recv(r->op.fd, c->data, AW_CHUNK_SIZE, MSG_DONTWAIT);
    if (n > 0)
        aw_simu_door()->receiver_add(r, c, (size_t)n);
    else
        aw_list_push_front(&s->chunks.free, &c->link);
    return n == -EAGAIN ? AW_OP_MUST_WAIT : n;
}

/* A chunk for each time it is looked at; the rest is there the next time. */
static void serve_receiver(struct sim *s, struct sim_sock *k, aw_list *completed)
{
    struct aw_receiver *r = k->receiver;
    int64_t result = r->op.phase == STARVING ? AW_OP_MUST_WAIT : receive_chunk(s, r);
    if (result > 0)
        aw_simu_touch(s, k);
    else if (result != AW_OP_MUST_WAIT || r->op.asked)
        end_receiver(s, k, &r->op, result == AW_OP_MUST_WAIT ? -ECANCELED : result);
    if (result > 0 && r->op.asked)
        end_receiver(s, k, &r->op, -ECANCELED);
    if (!aw_list_empty(&r->chunks) || r->op.state == AW_OP_COMPLETED)
        aw_simu_door()->receiver_announce(r, completed);
}

/* Chunks have come back. */
static void feed(struct sim *s)
{
    aw_list_each(chunk, &s->chunks.free)
    {
        aw_list *first = aw_list_pop_front(&s->starving);
        if (!first)
            return;
        struct aw_op *op = aw_container_of(first, struct aw_op, all);
        op->phase = WAITING;
        aw_simu_touch(s, aw_simu_find(s, op->fd));
    }
}

/* ---- cancelling ---- */

static bool cancel_ours(struct sim *s, struct aw_op *op)
{
    struct sim_sock *k = aw_simu_find(s, op->fd);
    if (op->phase == TOLD || op->asked)
        return false;
    if (aw_simu_draw(s, s->opts.late)) {
        s->counts.late++;
        op->asked = true;
        aw_simu_touch(s, k);
        return false;
    }
    if (op->kind == AW_OP_RECEIVE) {
        end_receiver(s, k, op, -ECANCELED);
        return !aw_receiver_of(op)->announced;
    }
    aw_op_queue_remove(queue_for(k, op), op);
    end(s, op, -ECANCELED);
    return true;
}

static bool sim_cancel(struct aw_io *io, struct aw_op *op)
{
    struct sim *s = sim_of(io);
    if (op->state == AW_OP_COMPLETED)
        return false;
    if (is_ours(op))
        return cancel_ours(s, op);
    bool done = s->inner->backend->cancel(s->inner, op);
    count_in_flight(s);
    return done;
}

/* ---- polling ---- */

/* Tries the operations of one side in their order, until one has to wait; what was cancelled does
 * not wait. */
static void serve(struct sim *s, struct sim_sock *k, struct aw_op_queue *q, aw_list *completed)
{
    bool blocked = false;
    struct aw_op *op = aw_op_queue_first(q);
    while (op) {
        struct aw_op *next = aw_op_queue_next(q, op);
        int64_t result = blocked ? AW_OP_MUST_WAIT : try_op(s, k, op);
        if (result == AW_OP_MUST_WAIT && op->asked)
            result = -ECANCELED;
        if (result != AW_OP_MUST_WAIT)
            complete(s, k, op, result, completed);
        else if (op->kind != AW_OP_POLL)
            blocked = true; /* who polls takes nothing from others */
        op = next;
    }
}

static void serve_sock(struct sim *s, struct sim_sock *k, aw_list *completed)
{
    serve(s, k, &k->pollers, completed);
    if (k->receiver)
        serve_receiver(s, k, completed);
    serve(s, k, &k->readers, completed);
    serve(s, k, &k->writers, completed);
}

/* Those that are touched meanwhile are served by the next poll. */
static void serve_touched(struct sim *s, aw_list *completed)
{
    aw_list now, *link;
    aw_list_init(&now);
    aw_list_splice(&now, &s->touched);
    while ((link = aw_list_pop_front(&now)) != NULL)
        serve_sock(s, aw_container_of(link, struct sim_sock, touched), completed);
}

static void tell(struct sim *s, aw_list *completed)
{
    aw_list *link;
    while ((link = aw_list_pop_front(&s->told)) != NULL) {
        struct aw_op *op = aw_container_of(link, struct aw_op, link);
        end(s, op, op->result);
        aw_list_push_back(completed, &op->link);
    }
}

static int64_t next_time(const struct aw_io *io)
{
    const struct sim *s = (const struct sim *)io;
    bool can_feed = !aw_list_empty(&s->starving) && !aw_list_empty(&s->chunks.free);
    if (!aw_list_empty(&s->told) || !aw_list_empty(&s->touched) || can_feed)
        return s->time.clock->virtual_now;
    if (aw_list_empty(&s->events))
        return INT64_MAX;
    return aw_container_of(s->events.next, const struct sim_event, link)->at;
}

static int sim_poll(struct aw_io *io, int64_t timeout_ns, aw_list *completed)
{
    struct sim *s = sim_of(io);
    int err = 0;
    if (next_time(io) <= s->time.clock->virtual_now)
        timeout_ns = 0;
    if (timeout_ns != 0 || s->inner->in_flight > 0)
        err = s->inner->backend->poll(s->inner, timeout_ns, completed);
    aw_simu_settle(s);
    feed(s);
    tell(s, completed);
    serve_touched(s, completed);
    count_in_flight(s);
    return err;
}

static void sim_wake(struct aw_io *io)
{
    struct aw_io *inner = sim_of(io)->inner;
    inner->backend->wake(inner);
}

/* ---- the instance ---- */

static int sim_open(struct aw_io **ret, const char **why)
{
    struct sim *s = aw_simu_here;
    if (!s || s->inner) {
        if (why)
            *why = "there is no simulation but in aw_sim_run()";
        return -EINVAL;
    }
    int err = aw_simu_door()->inner->open(&s->inner, why);
    if (err < 0)
        return err;
    s->io.backend = &aw_simu_backend;
    s->io.time = &s->time;
    s->time.next = next_time;
    aw_list_init(&s->events);
    aw_list_init(&s->bound);
    aw_list_init(&s->touched);
    aw_list_init(&s->told);
    aw_list_init(&s->starving);
    aw_simu_door()->chunks_init(&s->chunks);
    *ret = &s->io;
    return 0;
}

static void sim_backend_close(struct aw_io *io)
{
    struct sim *s = sim_of(io);
    s->trace ^= *s->time.trace;
    aw_simu_close_all(s);
    aw_simu_door()->chunks_fini(&s->chunks);
    s->inner->backend->close(s->inner);
    s->inner = NULL;
    s->time.clock = NULL;
}

const struct aw_io_backend aw_simu_backend = {
    .name = "simulator",
    .open = sim_open,
    .close = sim_backend_close,
    .submit = sim_submit,
    .cancel = sim_cancel,
    .poll = sim_poll,
    .wake = sim_wake,
};
