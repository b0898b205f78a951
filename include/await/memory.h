/*
 * await/memory.h - where the library gets its memory.
 *
 * Every allocation outside the stacks goes through one replaceable allocator; stacks come from
 * the kernel.  An allocation that fails is an error of the call that needed it, never an abort.
 */
#ifndef AWAIT_MEMORY_H
#define AWAIT_MEMORY_H

#include <stddef.h>

#include "await/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An allocator: both functions must be safe to call from any thread.  `alloc` returns memory
 * aligned for any type, or NULL; `free` accepts what `alloc` gave and NULL. */
typedef struct aw_allocator {
    void *(*alloc)(size_t size, void *arg);
    void (*free)(void *ptr, void *arg);
    void *arg;
} aw_allocator;

/* Use this allocator from now on, process-wide; NULL goes back to malloc() and free().  The
 * struct is copied.  Call it before the first loop is made: memory is given back to the allocator
 * that is set at that time.  Returns 0, or -EINVAL when a function is missing. */
AW_API int aw_set_allocator(const aw_allocator *allocator);

#ifdef __cplusplus
}
#endif
#endif
