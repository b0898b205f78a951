/*
 * receive.c - chunks, and receiving into them when a descriptor is ready.
 *
 * Chunks are made in slabs, each as large as all before it together, when there is a use for more:
 * a loop with little to do works with a few that stay in the processor's caches.  The one that came
 * back last is used first.
 */
#include "io/receive.h"

enum {
    FIRST_SLAB = 16,
    AT_ONCE = 4, /* chunks of one descriptor before it is the others' turn */
};

struct aw_slab {
    struct aw_chunk *chunks;
    char memory[];
};

/* ---- the pool ---- */

void aw_chunks_init(struct aw_chunks *p)
{
    *p = (struct aw_chunks){0};
    aw_list_init(&p->free);
    aw_list_init(&p->starving);
}

void aw_chunks_fini(struct aw_chunks *p)
{
    for (size_t i = 0; i < AW_SLABS; i++)
        aw_mem_free(p->slabs[i]);
}

/* Of the next slab, and where it goes: 16, 16, 32, 64, ... */
static size_t next_slab(const struct aw_chunks *p, size_t *index)
{
    size_t n = p->made > 0 ? p->made : FIRST_SLAB;
    *index = 0;
    for (size_t below = FIRST_SLAB; below <= p->made; below *= 2)
        ++*index;
    return n;
}

bool aw_chunks_grow(struct aw_chunks *p)
{
    size_t index, n = next_slab(p, &index);
    if (index >= AW_SLABS)
        return false;
    struct aw_slab *slab = aw_mem_alloc(sizeof *slab + n * (sizeof *slab->chunks + AW_CHUNK_SIZE));
    if (!slab)
        return false;
    slab->chunks = (struct aw_chunk *)(void *)slab->memory;
    char *data = slab->memory + n * sizeof *slab->chunks;
    for (size_t i = 0; i < n; i++) {
        struct aw_chunk *c = &slab->chunks[i];
        *c = (struct aw_chunk){
            .data = data + i * AW_CHUNK_SIZE, .pool = p, .id = (uint16_t)(p->made + i)};
        aw_list_push_back(&p->free, &c->link);
    }
    p->slabs[index] = slab;
    p->made += (unsigned)n;
    return true;
}

struct aw_chunk *aw_chunk_get(struct aw_chunks *p)
{
    if (aw_list_empty(&p->free) && !aw_chunks_grow(p))
        return NULL;
    return aw_container_of(aw_list_pop_front(&p->free), struct aw_chunk, link);
}

struct aw_chunk *aw_chunk_numbered(const struct aw_chunks *p, uint16_t id)
{
    size_t index = 0, first = 0;
    aw_assert(id < p->made);
    for (size_t below = FIRST_SLAB; id >= below; below *= 2) {
        index++;
        first = below;
    }
    return &p->slabs[index]->chunks[id - first];
}

void aw_chunk_release(struct aw_chunk *c)
{
    aw_list_push_front(&c->pool->free, &c->link);
}

/* ---- receivers ---- */

static void announced(struct aw_op *op)
{
    struct aw_receiver *r = aw_receiver_of(op);
    r->announced = false;
    r->arrived(r);
}

void aw_receiver_init(struct aw_receiver *r, int fd, void (*arrived)(struct aw_receiver *r))
{
    *r = (struct aw_receiver){
        .op = {.kind = AW_OP_RECEIVE, .fd = fd, .events = POLLIN, .done = announced},
        .arrived = arrived};
    aw_list_init(&r->chunks);
}

struct aw_chunk *aw_receiver_take(struct aw_receiver *r)
{
    aw_list *first = aw_list_pop_front(&r->chunks);
    return first ? aw_container_of(first, struct aw_chunk, link) : NULL;
}

void aw_receiver_add(struct aw_receiver *r, struct aw_chunk *c, size_t len)
{
    aw_assert(len > 0 && len <= AW_CHUNK_SIZE);
    c->len = len;
    aw_list_push_back(&r->chunks, &c->link);
}

void aw_receiver_announce(struct aw_receiver *r, aw_list *completed)
{
    if (r->announced)
        return;
    r->announced = true;
    aw_list_push_back(completed, &r->op.link);
}

/* ---- receiving ---- */

static int64_t receive_into(struct aw_receiver *r, struct aw_chunk *c)
{
    int64_t n = -ENOTSOCK;
    if (!r->is_file)
        n = aw_sys.recv(r->op.fd, c->data, AW_CHUNK_SIZE, MSG_DONTWAIT);
    if (n == -ENOTSOCK) {
        r->is_file = true;
        n = aw_sys.read(r->op.fd, c->data, AW_CHUNK_SIZE);
    }
    return n == -EAGAIN || n == -EINTR ? AW_OP_MUST_WAIT : n;
}

/* What blocks is read once: to ask for the rest would be to wait for it. */
int64_t aw_receive_ready(struct aw_receiver *r, struct aw_chunks *p)
{
    int64_t n = 0;
    for (int i = 0; i < AT_ONCE; i++) {
        struct aw_chunk *c = aw_chunk_get(p);
        if (!c)
            return p->made > 0 ? -ENOBUFS : -ENOMEM;
        n = receive_into(r, c);
        if (n <= 0) {
            aw_chunk_release(c);
            return n;
        }
        aw_receiver_add(r, c, (size_t)n);
        if (n < AW_CHUNK_SIZE || r->is_file)
            break;
    }
    return n;
}
