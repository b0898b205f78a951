/*
 * uring_receive.c - receivers on io_uring.
 *
 * A receiver is one operation of the ring that goes on: for each piece that arrives the kernel
 * takes a chunk from the ring of chunks, and posts a completion with its number.
 *
 *      free --give()--> with the kernel --completion--> the owner's --release--> free
 *
 * Chunks are given to the kernel before each call, all that are free: giving is writing to memory,
 * and one store that makes it seen.  An operation for which there is none ends with -ENOBUFS; it
 * starves until one comes back, and is begun again.  Bytes that have no chunk stay in the socket.
 *
 * What the kernel lacks is found out by using it.  Without rings of chunks (before 5.19), and for
 * what is no socket, the descriptor is polled, and received from here when it is ready, into chunks
 * of another pool, which the kernel never sees.  Without operations that go on (before 6.0) each
 * receives one chunk.
 */
#include "io/uring_io.h"
#include "sys/notes.h"

enum { RING_ENTRIES = 512, GROUP = 0 };

static struct io_uring_buf_ring *shared(struct aw_ring_buffers *b)
{
    return b->memory;
}

static size_t ring_bytes(void)
{
    return RING_ENTRIES * sizeof(struct io_uring_buf);
}

void aw_uring_receive_init(struct uring_io *u)
{
    aw_chunks_init(&u->chunks);
    aw_chunks_init(&u->buffers.chunks);
}

void aw_uring_receive_fini(struct uring_io *u)
{
    if (u->buffers.memory)
        (void)aw_sys.unmap(u->buffers.memory, ring_bytes());
    aw_chunks_fini(&u->chunks);
    aw_chunks_fini(&u->buffers.chunks);
}

void aw_uring_receive_forget(struct uring_io *u)
{
    struct aw_ring_buffers *b = &u->buffers;
    for (unsigned id = 0; id < b->chunks.made && b->with_kernel > 0; id++) {
        struct aw_chunk *c = aw_chunk_numbered(&b->chunks, (uint16_t)id);
        if (!c->with_kernel)
            continue;
        c->with_kernel = false;
        b->with_kernel--;
        aw_chunk_release(c);
    }
    b->registered = false;
}

/* ---- the ring of chunks ---- */

/* Has the kernel a ring to take chunks from?  It is made and registered when it is first needed,
 * and again with each ring of operations. */
static bool have_ring(struct uring_io *u)
{
    struct aw_ring_buffers *b = &u->buffers;
    if (b->registered || b->missing)
        return b->registered;
    b->missing = (!b->memory && aw_sys.map(&b->memory, ring_bytes()) < 0) ||
                 aw_sys.ring_buffers(&u->ring, b->memory, RING_ENTRIES, GROUP) < 0;
    b->registered = !b->missing;
    if (b->registered)
        io_uring_buf_ring_init(shared(b));
    return b->registered;
}

static void give_all(struct aw_ring_buffers *b)
{
    const int mask = io_uring_buf_ring_mask(RING_ENTRIES);
    int n = 0;
    aw_list *node;
    while ((node = aw_list_pop_front(&b->chunks.free)) != NULL) {
        struct aw_chunk *c = aw_container_of(node, struct aw_chunk, link);
        c->with_kernel = true;
        io_uring_buf_ring_add(shared(b), c->data, AW_CHUNK_SIZE, c->id, mask, n++);
    }
    io_uring_buf_ring_advance(shared(b), n);
    b->with_kernel += (size_t)n;
}

static struct aw_chunk *take_back(struct aw_ring_buffers *b, uint16_t id)
{
    struct aw_chunk *c = aw_chunk_numbered(&b->chunks, id);
    aw_assert(c->with_kernel);
    c->with_kernel = false;
    b->with_kernel--;
    return c;
}

/* ---- begun, and begun again ---- */

bool aw_uring_receive_prepare(struct uring_io *u, struct aw_op *op)
{
    struct aw_ring_buffers *b = &u->buffers;
    struct aw_receiver *r = aw_receiver_of(op);
    if (!r->polled && !have_ring(u))
        r->polled = true;
    if (!r->polled && b->chunks.made == 0 && !aw_chunks_grow(&b->chunks))
        r->polled = true;
    if (r->polled)
        return false;
    if (!aw_list_empty(&b->chunks.free))
        give_all(b);
    r->one_by_one = b->one_by_one;
    return true;
}

static void starve(struct uring_io *u, struct aw_op *op)
{
    bool polled = aw_receiver_of(op)->polled;
    op->phase = (uint8_t)((op->phase & ~PLACE) | STARVING);
    aw_list_push_back(polled ? &u->chunks.starving : &u->buffers.chunks.starving, &op->all);
    if (!polled && aw_list_empty(&u->buffers.chunks.free))
        (void)aw_chunks_grow(&u->buffers.chunks);
}

static bool begin_one_again(struct uring_io *u, struct aw_chunks *p)
{
    aw_list *first = aw_list_pop_front(&p->starving);
    if (first)
        aw_uring_start(u, aw_container_of(first, struct aw_op, all));
    return first != NULL;
}

/* As many as there are chunks: each of them has bytes waiting, and so takes at least one. */
void aw_uring_feed(struct uring_io *u)
{
    struct aw_ring_buffers *b = &u->buffers;
    if (b->registered && !aw_list_empty(&b->chunks.free))
        give_all(b);
    if (AW_UNLIKELY(!aw_list_empty(&b->chunks.starving)))
        for (size_t n = b->with_kernel; n > 0 && begin_one_again(u, &b->chunks); n--)
            continue;
    if (AW_LIKELY(aw_list_empty(&u->chunks.starving)))
        return;
    aw_list_each(chunk, &u->chunks.free)
    {
        if (!begin_one_again(u, &u->chunks))
            return;
    }
}

/* ---- what came of it ---- */

/* Does the error only say that it has to be done in another way?  -EINVAL is what a kernel without
 * operations that go on says, and -EAGAIN one that does not wait on a non-blocking socket. */
static bool learns(struct uring_io *u, struct aw_receiver *r, int64_t res)
{
    struct aw_ring_buffers *b = &u->buffers;
    if (res == -EINVAL && !b->goes_on && !b->one_by_one) {
        b->one_by_one = true;
        return true;
    }
    if (r->polled || (res != -ENOTSOCK && res != -EAGAIN))
        return res == -EAGAIN;
    r->polled = true;
    return true;
}

/* It is with the kernel no more. */
static void ended(struct uring_io *u, struct aw_op *op, int64_t res)
{
    bool again = res > 0 || res == AW_OP_MUST_WAIT || aw_uring_was_interrupted(res) ||
                 (u->leaving && res == -ECANCELED) || learns(u, aw_receiver_of(op), res);
    if (op->asked && (again || res == -ENOBUFS))
        aw_uring_finish(u, op, -ECANCELED);
    else if (again)
        aw_uring_start(u, op);
    else if (res == -ENOBUFS)
        starve(u, op);
    else
        aw_uring_finish(u, op, res);
}

/* The kernel has written to the chunk by itself, and not in a call that valgrind could see. */
static void arrived_in(struct aw_receiver *r, struct aw_chunk *c, size_t len)
{
    AW_NOTE_DEFINED(c->data, len);
    aw_receiver_add(r, c, len);
}

void aw_uring_receive_event(struct uring_io *u, struct aw_op *op, int32_t res, uint32_t flags,
                            aw_list *completed)
{
    struct aw_receiver *r = aw_receiver_of(op);
    if (flags & IORING_CQE_F_BUFFER) {
        struct aw_chunk *c = take_back(&u->buffers, (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT));
        if (res > 0)
            arrived_in(r, c, (size_t)res);
        else
            aw_chunk_release(c);
    }
    if (flags & IORING_CQE_F_MORE) {
        u->buffers.goes_on = true;
    } else {
        bool ready = (op->phase & POLLING) && res > 0 && !op->asked;
        aw_list_remove(&op->all);
        op->phase &= (uint8_t) ~(POLLING | TO_CANCEL);
        ended(u, op, ready ? aw_receive_ready(r, &u->chunks) : res);
    }
    if (!aw_list_empty(&r->chunks) || op->state == AW_OP_COMPLETED)
        aw_receiver_announce(r, completed);
}
