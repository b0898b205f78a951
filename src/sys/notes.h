/*
 * notes.h - what the sanitizers and valgrind must be told about stacks.
 *
 * None of them can see that a program has changed its stack.  AddressSanitizer keeps one fake
 * stack per real one and must be told before and after each switch (NULL as the save slot means:
 * the stack left is finished with).  ThreadSanitizer keeps one history per fibre and must be told
 * immediately before the switch; it runs the handlers of signals where it sees fit.
 * LeakSanitizer looks for pointers only in memory that it knows, so mapped stacks are named as
 * roots.  Valgrind must know the extent of each stack, and forget what it thought of bytes below
 * the stack pointer when they become data.  Where a tool is not compiled in, its notes are empty.
 */
#ifndef AW_NOTES_H
#define AW_NOTES_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define AW_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define AW_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define AW_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define AW_TSAN 1
#endif

#ifdef AW_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#define AW_NOTE_START_SWITCH(save, bottom, size)                                                   \
    __sanitizer_start_switch_fiber((save), (bottom), (size))
#define AW_NOTE_FINISH_SWITCH(save, bottom, size)                                                  \
    __sanitizer_finish_switch_fiber((save), (bottom), (size))
#define AW_NOTE_POISON(p, n) __asan_poison_memory_region((p), (n))
#define AW_NOTE_UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#define AW_NOTE_ROOT(p, n) __lsan_register_root_region((p), (n))
#define AW_NOTE_UNROOT(p, n) __lsan_unregister_root_region((p), (n))
#else
#define AW_NOTE_START_SWITCH(save, bottom, size) ((void)0)
#define AW_NOTE_FINISH_SWITCH(save, bottom, size) ((void)0)
#define AW_NOTE_POISON(p, n) ((void)(p), (void)(n))
#define AW_NOTE_UNPOISON(p, n) ((void)(p), (void)(n))
#define AW_NOTE_ROOT(p, n) ((void)(p), (void)(n))
#define AW_NOTE_UNROOT(p, n) ((void)(p), (void)(n))
#endif

#ifdef AW_TSAN
#include <sanitizer/tsan_interface.h>
#include <string.h>
#define AW_NOTE_FIBER_CURRENT() __tsan_get_current_fiber()
#define AW_NOTE_FIBER_NEW() __tsan_create_fiber(0)
#define AW_NOTE_FIBER_FREE(f) __tsan_destroy_fiber(f)
#define AW_NOTE_FIBER_SWITCH(f) (aw_note_signals(), __tsan_switch_to_fiber((f), 0))

/* A signal waits, in the fibre that it met, for the next call that ThreadSanitizer intercepts: let
 * that come before the fibre is left, perhaps for good. */
static inline void aw_note_signals(void)
{
    static const char *volatile text = "";
    size_t n = strlen(text);
    __asm__ volatile("" ::"r"(n)); /* so that the call is made */
}
#else
#define AW_NOTE_FIBER_SWITCH(f) ((void)0)
#endif

#if !defined(AW_HAVE_VALGRIND) && defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#define AW_HAVE_VALGRIND 1
#endif
#endif

#ifdef AW_HAVE_VALGRIND
#include <valgrind/memcheck.h>
#define AW_NOTE_VALGRIND() RUNNING_ON_VALGRIND
#define AW_NOTE_STACK_NEW(lo, hi) VALGRIND_STACK_REGISTER((lo), (hi))
#define AW_NOTE_STACK_FREE(id) VALGRIND_STACK_DEREGISTER(id)
#define AW_NOTE_UNDEFINED(p, n) ((void)VALGRIND_MAKE_MEM_UNDEFINED((p), (n)))
#define AW_NOTE_DEFINED(p, n) ((void)VALGRIND_MAKE_MEM_DEFINED((p), (n)))
#else
#define AW_NOTE_VALGRIND() 0
#define AW_NOTE_STACK_NEW(lo, hi) ((void)(lo), (void)(hi), 0u)
#define AW_NOTE_STACK_FREE(id) ((void)(id))
#define AW_NOTE_UNDEFINED(p, n) ((void)(p), (void)(n))
#define AW_NOTE_DEFINED(p, n) ((void)(p), (void)(n))
#endif

#endif
