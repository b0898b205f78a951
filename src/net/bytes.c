/*
 * bytes.c - the memory of a queue of bytes: a block while it is small, then twice as much each time
 * it has to grow.
 */
#include "net/bytes.h"

#include <string.h>

static void give_back(aw_loop *l, struct aw_bytes *b)
{
    if (b->size == AW_BLOCK_SIZE)
        aw_block_put(l, b->data);
    else
        aw_mem_free(b->data);
}

static size_t size_for(size_t want)
{
    size_t size = AW_BLOCK_SIZE;
    while (size < want && size <= SIZE_MAX / 2)
        size *= 2;
    return size < want ? want : size;
}

/* Into other memory, which is large enough. */
static bool move(aw_loop *l, struct aw_bytes *b, size_t size)
{
    char *data = size == AW_BLOCK_SIZE ? aw_block_get(l) : aw_mem_alloc(size);
    if (!data)
        return false;
    if (b->len)
        memcpy(data, aw_bytes_begin(b), b->len);
    if (b->data)
        give_back(l, b);
    *b = (struct aw_bytes){.data = data, .len = b->len, .size = size};
    return true;
}

/* Moving the rest to the front pays where more was taken than is left: each byte then is moved at
 * most once for every one taken. */
bool aw_bytes_reserve(aw_loop *l, struct aw_bytes *b, size_t more)
{
    if (b->data && aw_bytes_room(b) >= more)
        return true;
    if (more > SIZE_MAX / 2 - b->len)
        return false;
    size_t want = b->len + more + 1;
    if (!b->data || want > b->size || b->at < b->len)
        return move(l, b, size_for(want > b->len * 2 ? want : b->len * 2));
    memmove(b->data, aw_bytes_begin(b), b->len);
    b->at = 0;
    return true;
}

bool aw_bytes_add(aw_loop *l, struct aw_bytes *b, const void *data, size_t n)
{
    if (!aw_bytes_reserve(l, b, n))
        return false;
    memcpy(aw_bytes_begin(b) + b->len, data, n);
    b->len += n;
    return true;
}

bool aw_bytes_put_back(aw_loop *l, struct aw_bytes *b, const void *data, size_t n)
{
    if (b->at < n) {
        if (!aw_bytes_reserve(l, b, n))
            return false;
        memmove(aw_bytes_begin(b) + n, aw_bytes_begin(b), b->len);
    } else {
        b->at -= n;
    }
    memcpy(aw_bytes_begin(b), data, n);
    b->len += n;
    return true;
}

void aw_bytes_drop(aw_loop *l, struct aw_bytes *b, size_t n)
{
    aw_assert(n <= b->len);
    b->at += n;
    b->len -= n;
    if (!b->len)
        aw_bytes_clear(l, b);
}

void aw_bytes_clear(aw_loop *l, struct aw_bytes *b)
{
    if (b->data)
        give_back(l, b);
    *b = (struct aw_bytes){0};
}
