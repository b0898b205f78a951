/*
 * server_memory.c - memory of exchanges: an arena each, whose first chunk is used again.
 *
 * What does not fit into a chunk gets one of its own size; all of them go at once when the exchange
 * is over.  A server keeps a few chunks that nobody uses.
 */
#include "http/server.h"

#include <string.h>

static struct aw_http_chunk *chunk_new(size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    struct aw_http_chunk *chunk = aw_mem_alloc(sizeof *chunk + size);
    if (chunk)
        *chunk = (struct aw_http_chunk){.size = size};
    return chunk;
}

struct aw_http_chunk *aw_http_chunk_take(struct aw_http_spare *spare)
{
    struct aw_http_chunk *chunk = spare->first;
    if (!chunk)
        return chunk_new(spare->size);
    spare->first = chunk->next;
    spare->n--;
    chunk->next = NULL;
    return chunk;
}

void aw_http_chunk_give(struct aw_http_spare *spare, struct aw_http_chunk *chunk)
{
    if (spare->n >= AW_HTTP_SPARE || chunk->size != spare->size) {
        aw_mem_free(chunk);
        return;
    }
    chunk->next = spare->first;
    spare->first = chunk;
    spare->n++;
}

void aw_http_spare_clear(struct aw_http_spare *spare)
{
    while (spare->first) {
        struct aw_http_chunk *chunk = spare->first;
        spare->first = chunk->next;
        aw_mem_free(chunk);
    }
    spare->n = 0;
}

static void *take(aw_http_request *r, size_t n)
{
    struct aw_http_chunk *chunk = r->chunks;
    if (!chunk || n > chunk->size - r->used)
        return NULL;
    void *ret = chunk->data + r->used;
    r->used += n;
    return ret;
}

/* A chunk that was made for one large thing is full at once, and goes behind the first. */
static void *take_large(aw_http_request *r, size_t n)
{
    struct aw_http_chunk *chunk = chunk_new(n);
    if (!chunk)
        return NULL;
    if (r->chunks) {
        chunk->next = r->chunks->next;
        r->chunks->next = chunk;
    } else {
        r->chunks = chunk;
        r->used = n;
    }
    return chunk->data;
}

void *aw_http_request_alloc(aw_http_request *r, size_t n)
{
    if (!r || n > SIZE_MAX / 2)
        return NULL;
    n = aw_round_up(n ? n : 1, _Alignof(max_align_t));
    void *ret = take(r, n);
    if (ret)
        return ret;
    struct aw_http_spare *spare = &r->connection->server->arenas;
    if (n > spare->size / 4)
        return take_large(r, n);
    struct aw_http_chunk *chunk = aw_http_chunk_take(spare);
    if (!chunk)
        return NULL;
    chunk->next = r->chunks;
    r->chunks = chunk;
    r->used = 0;
    return take(r, n);
}

char *aw_http_copy(aw_http_request *r, const char *text, size_t n)
{
    char *copy = aw_http_request_alloc(r, n + 1);
    if (!copy)
        return NULL;
    if (n)
        memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

void aw_http_arena_clear(aw_http_request *r)
{
    while (r->chunks) {
        struct aw_http_chunk *chunk = r->chunks;
        r->chunks = chunk->next;
        aw_http_chunk_give(&r->connection->server->arenas, chunk);
    }
    r->used = 0;
}
