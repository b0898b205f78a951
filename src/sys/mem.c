/*
 * mem.c - the allocator hook: one struct that every allocation of the library goes through.
 *
 * It is set before the first loop is made, while nobody else uses the library, so that reading it
 * needs no lock and no atomic operation.
 */
#include <stdlib.h>
#include <string.h>

#include "await/memory.h"
#include "sys/sys.h"

static void *default_alloc(size_t size, void *arg)
{
    (void)arg;
    return malloc(size);
}

static void default_free(void *ptr, void *arg)
{
    (void)arg;
    free(ptr);
}

static const aw_allocator default_allocator = {.alloc = default_alloc, .free = default_free};
static aw_allocator current = {.alloc = default_alloc, .free = default_free};

int aw_set_allocator(const aw_allocator *allocator)
{
    if (!allocator)
        allocator = &default_allocator;
    if (!allocator->alloc || !allocator->free)
        return -EINVAL;
    current = *allocator;
    return 0;
}

/* Asking for nothing gives memory too: NULL always means that there was none. */
void *aw_mem_alloc(size_t size)
{
    return current.alloc(size > 0 ? size : 1, current.arg);
}

void *aw_mem_zalloc(size_t size)
{
    void *ptr = aw_mem_alloc(size);
    if (ptr)
        memset(ptr, 0, size);
    return ptr;
}

void aw_mem_free(void *ptr)
{
    if (ptr)
        current.free(ptr, current.arg);
}

