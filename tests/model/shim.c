/*
 * shim.c - what the instrumented sources call: a compiler puts these calls before every access for
 * ThreadSanitizer's runtime, whose place this takes.
 *
 * Every atomic operation is a point at which other threads may go on.  A fence is not modelled, and
 * the library has none.
 */
#include <stdlib.h>
#include <string.h>

#include "model/explore.h"

/* The memory orders as compilers number them. */
enum { RELAXED, CONSUME, ACQUIRE, RELEASE, ACQ_REL, SEQ_CST };

static bool acquires(int order)
{
    return order == CONSUME || order == ACQUIRE || order >= ACQ_REL;
}

static bool releases(int order)
{
    return order >= RELEASE;
}

static void plain(const void *addr, size_t size, bool write)
{
    if (model_is_on())
        model_plain(addr, size, write);
}

static bool step(const char *what, const void *addr, bool change)
{
    if (!model_is_on())
        return false;
    model_point(what, addr, change);
    return true;
}

/* ---- plain accesses ---- */

void __tsan_init(void);
void __tsan_init(void)
{
}

void __tsan_func_entry(void *pc);
void __tsan_func_entry(void *pc)
{
    (void)pc;
}

void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

#define PLAIN(name, size, write)                                                                   \
    void __tsan_##name(void *addr);                                                                \
    void __tsan_##name(void *addr)                                                                 \
    {                                                                                              \
        plain(addr, size, write);                                                                  \
    }

#define PLAIN_OF_SIZE(size)                                                                        \
    PLAIN(read##size, size, false)                                                                 \
    PLAIN(write##size, size, true)                                                                 \
    PLAIN(unaligned_read##size, size, false)                                                       \
    PLAIN(unaligned_write##size, size, true)                                                       \
    PLAIN(volatile_read##size, size, false)                                                        \
    PLAIN(volatile_write##size, size, true)                                                        \
    PLAIN(read_write##size, size, true)                                                            \
    PLAIN(unaligned_read_write##size, size, true)

PLAIN_OF_SIZE(1)
PLAIN_OF_SIZE(2)
PLAIN_OF_SIZE(4)
PLAIN_OF_SIZE(8)
PLAIN_OF_SIZE(16)

void __tsan_read_range(void *addr, size_t size);
void __tsan_read_range(void *addr, size_t size)
{
    plain(addr, size, false);
}

void __tsan_write_range(void *addr, size_t size);
void __tsan_write_range(void *addr, size_t size)
{
    plain(addr, size, true);
}

void *__tsan_memset(void *to, int byte, size_t size);
void *__tsan_memset(void *to, int byte, size_t size)
{
    plain(to, size, true);
    return memset(to, byte, size);
}

void *__tsan_memcpy(void *to, const void *from, size_t size);
void *__tsan_memcpy(void *to, const void *from, size_t size)
{
    plain(from, size, false);
    plain(to, size, true);
    return memcpy(to, from, size);
}

void *__tsan_memmove(void *to, const void *from, size_t size);
void *__tsan_memmove(void *to, const void *from, size_t size)
{
    plain(from, size, false);
    plain(to, size, true);
    return memmove(to, from, size);
}

/* ---- atomic operations ---- */

#define LOAD_STORE(bits)                                                                           \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *a, int order);        \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *a, int order)         \
    {                                                                                              \
        if (step("loads", (const void *)a, LOOK))                                                  \
            model_atomic((const void *)a, bits / 8, false, acquires(order), false, false);         \
        return *a;                                                                                 \
    }                                                                                              \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *a, uint##bits##_t v, int order);     \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *a, uint##bits##_t v, int order)      \
    {                                                                                              \
        if (step("stores", (const void *)a, CHANGE))                                               \
            model_atomic((const void *)a, bits / 8, true, false, releases(order), true);           \
        *a = v;                                                                                    \
    }

#define MODIFY(bits, name, word, expression)                                                       \
    uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *a, uint##bits##_t v,      \
                                                int order);                                        \
    uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *a, uint##bits##_t v,      \
                                                int order)                                         \
    {                                                                                              \
        if (step(word, (const void *)a, CHANGE))                                                   \
            model_atomic((const void *)a, bits / 8, true, acquires(order), releases(order),        \
                         false);                                                                   \
        uint##bits##_t old = *a;                                                                   \
        *a = (uint##bits##_t)(expression);                                                         \
        return old;                                                                                \
    }

/* Both forms: gcc's writes back what was found, clang's returns it. */
#define COMPARE(bits)                                                                              \
    static bool compare##bits(volatile uint##bits##_t *a, uint##bits##_t *expected,                \
                              uint##bits##_t v, int order, int failure, bool weak)                 \
    {                                                                                              \
        bool on = step("compares and swaps", (const void *)a, CHANGE);                             \
        uint##bits##_t old = *a;                                                                   \
        bool same = old == *expected && !(on && weak && model_bad_luck());                         \
        if (on && same)                                                                            \
            model_atomic((const void *)a, bits / 8, true, acquires(order), releases(order),        \
                         false);                                                                   \
        else if (on)                                                                               \
            model_atomic((const void *)a, bits / 8, false, acquires(failure), false, false);       \
        if (same)                                                                                  \
            *a = v;                                                                                \
        *expected = old;                                                                           \
        return same;                                                                               \
    }                                                                                              \
    int __tsan_atomic##bits##_compare_exchange_strong(                                             \
        volatile uint##bits##_t *a, uint##bits##_t *c, uint##bits##_t v, int o, int f);            \
    int __tsan_atomic##bits##_compare_exchange_strong(                                             \
        volatile uint##bits##_t *a, uint##bits##_t *c, uint##bits##_t v, int o, int f)             \
    {                                                                                              \
        return compare##bits(a, c, v, o, f, false);                                                \
    }                                                                                              \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile uint##bits##_t *a, uint##bits##_t *c, \
                                                    uint##bits##_t v, int o, int f);               \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile uint##bits##_t *a, uint##bits##_t *c, \
                                                    uint##bits##_t v, int o, int f)                \
    {                                                                                              \
        return compare##bits(a, c, v, o, f, true);                                                 \
    }                                                                                              \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                     \
        volatile uint##bits##_t *a, uint##bits##_t c, uint##bits##_t v, int o, int f);             \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                     \
        volatile uint##bits##_t *a, uint##bits##_t c, uint##bits##_t v, int o, int f)              \
    {                                                                                              \
        compare##bits(a, &c, v, o, f, false);                                                      \
        return c;                                                                                  \
    }

#define ATOMIC_OF_SIZE(bits)                                                                       \
    LOAD_STORE(bits)                                                                               \
    MODIFY(bits, exchange, "exchanges", v)                                                         \
    MODIFY(bits, fetch_add, "adds to", old + v)                                                    \
    MODIFY(bits, fetch_sub, "subtracts from", old - v)                                             \
    MODIFY(bits, fetch_and, "ands to", old &v)                                                     \
    MODIFY(bits, fetch_or, "ors to", old | v)                                                      \
    MODIFY(bits, fetch_xor, "xors to", old ^ v)                                                    \
    COMPARE(bits)

ATOMIC_OF_SIZE(8)
ATOMIC_OF_SIZE(16)
ATOMIC_OF_SIZE(32)
ATOMIC_OF_SIZE(64)

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
    (void)order;
    abort();
}

void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int order)
{
    (void)order;
    abort();
}
