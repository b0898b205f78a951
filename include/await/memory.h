/*
 * await/memory.h - where the library gets its memory.
 *
 * Every allocation outside the stacks goes through one replaceable allocator; stacks come from
 * the kernel.  An allocation that fails is an error of the call that needed it, never an abort.
 *
 * Stacks are mapped many at a time, up to 64 MiB of addresses; where addresses are rationed (ulimit
 * -v, strict overcommit) less, down to a single stack.  A stack costs the pages that were touched,
 * one for a task that only sleeps, and is used again when its task has ended.  A loop that goes to
 * sleep gives memory back: of a stack that nobody used for a second all but the top 16 KiB, after
 * another second all of it, and mappings with no stack in use; 32 stacks of each size stay.  For
 * that it wakes up at most twice.  A loop that never sleeps keeps what it has.
 *
 * Below each stack lies a page that faults.  Before Linux 6.13 each is a mapping of its own, and
 * vm.max_map_count limits a process to about 32,000 stacks.
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

/* Memory from that allocator, for what is built upon the library and counts with it: aligned for
 * any type, the second all zero; NULL when there is none (0 bytes are memory too).  It is given
 * back with the last, and so is what a call has made for its caller (aw_read_file()); NULL is
 * allowed there.  Any thread; they do not suspend. */
AW_API void *aw_mem_alloc(size_t size);
AW_API void *aw_mem_zalloc(size_t size);
AW_API void aw_mem_free(void *ptr);

/* Fill `buf` with n bytes that nobody can foretell, from the kernel (getrandom(2)): for keys and
 * names that must not be guessed.  0; -EINVAL for NULL; the kernel's error (-ENOSYS, -EPERM where
 * a filter forbids it), and then nothing in `buf` may be used.  Any thread; blocks only in the
 * first moments of a machine's life. */
AW_API int aw_random_bytes(void *buf, size_t n) AW_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
