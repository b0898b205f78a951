/*
 * base.h - the words that every layer uses: attributes, assertions, container_of.
 *
 * aw_assert() states what must be true and stays on in release builds: a scheduler that goes on
 * with a broken invariant corrupts somebody's stack.  aw_debug_assert() is for checks that cost
 * more than a compare.  What may happen (no memory, bad input) is never asserted: it is an error
 * code.
 */
#ifndef AW_BASE_H
#define AW_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "await/error.h"

#define AW_LIKELY(x) __builtin_expect(!!(x), 1)
#define AW_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define AW_NOINLINE __attribute__((noinline))
#define AW_COLD __attribute__((cold, noinline))
#define AW_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#define aw_container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define aw_round_up(n, align) (((n) + (align)-1) / (align) * (align))

/* Have the lines of these bytes come to this processor's cache, to be written soon.  Harmless where
 * there is nothing. */
static inline __attribute__((always_inline)) void aw_fetch(uintptr_t at, size_t size)
{
    enum { LINE = 64 };
    for (size_t i = 0; i < size; i += LINE)
        __builtin_prefetch((const void *)(at + i), 1);
}

/* Ends the process with "await: file:line: what"; the place is the library's own source. */
AW_COLD _Noreturn void aw_panic(const char *file, int line, const char *what);

#define aw_assert(cond)                                                                            \
    (AW_LIKELY(cond) ? (void)0 : aw_panic(__FILE__, __LINE__, "assertion failed: " #cond))

#ifdef AW_DEBUG_HANDLES
#define aw_debug_assert(cond) aw_assert(cond)
#else
#define aw_debug_assert(cond) ((void)sizeof(cond))
#endif

#endif
