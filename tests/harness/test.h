/*
 * The test harness: a test is written once, and that is its registration.
 *
 * TEST(name) defines a function and a constructor that adds it to the list of
 * its binary.  The binary lists its tests (--list) or runs exactly one of them
 * in this process (--run NAME); tests/run.py gives every test its own process,
 * a time limit and a place in a random order.  Behaviours carry their id:
 *
 *     // FUT-001: a new future is pending.
 *     TEST(FUT_001_new_future_is_pending)
 *     {
 *         ...
 *         assert_false(aw_done(f));
 *     }
 *
 * Tests run under the virtual clock unless they are TEST_REAL_CLOCK.  A failed
 * assertion aborts the process instead of jumping: it may stand in a coroutine,
 * on a stack that no longjmp of cmocka's may leave.
 */
#ifndef TESTS_HARNESS_TEST_H
#define TESTS_HARNESS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST_FLAG_REAL_CLOCK 1u
#define TEST_FLAG_SLOW 2u
#define TEST_FLAG_ORDER_FREE 4u

struct test_case {
    const char *name;
    const char *file;
    int line;
    unsigned flags;
    void (*body)(void);
    struct test_case *next; /* written by test_register, in order of definition */
};

void test_register(struct test_case *test);

#define TEST_DEFINE_(name_, flags_)                                                                \
    static void name_(void);                                                                       \
    __attribute__((constructor)) static void test_add_##name_(void)                                \
    {                                                                                              \
        static struct test_case test_case_ = {                                                     \
            .name = #name_, .file = __FILE__, .line = __LINE__, .flags = (flags_), .body = name_}; \
        test_register(&test_case_);                                                                \
    }                                                                                              \
    static void name_(void)

/* A test: at most 10 seconds, and time is virtual. */
#define TEST(name) TEST_DEFINE_(name, 0)

/* A test that must see the machine's own clock. */
#define TEST_REAL_CLOCK(name) TEST_DEFINE_(name, TEST_FLAG_REAL_CLOCK)

/* A test that may take 60 seconds. */
#define TEST_SLOW(name) TEST_DEFINE_(name, TEST_FLAG_SLOW)

/* A test that may take 60 seconds of the machine's own clock. */
#define TEST_SLOW_REAL_CLOCK(name) TEST_DEFINE_(name, TEST_FLAG_SLOW | TEST_FLAG_REAL_CLOCK)

/* A test that holds whatever the order of runnable tasks: it is also run under AWAIT_SHUFFLE=1. */
#define TEST_ORDER_FREE(name) TEST_DEFINE_(name, TEST_FLAG_ORDER_FREE)

/* Ends the test as skipped; from any stack.  The summary names the reason. */
#define SKIP(reason) test_skip(reason)
_Noreturn void test_skip(const char *reason);

/* `full` in a plain build, `under_sanitizer` in a sanitizer build, under valgrind, or emulated. */
unsigned test_scale(unsigned full, unsigned under_sanitizer);

/* Whether this is a sanitizer build, or runs under valgrind. */
bool test_is_instrumented(void);

/* Whether it runs under valgrind: as slow as that, and what it alone sees is what is not
 * initialised. */
bool test_is_under_valgrind(void);

/* Whether it runs under an emulator, which has threads of its own. */
bool test_is_emulated(void);

/* What a child process left behind; texts are cut at their array's size, always terminated. */
struct child_result {
    int status; /* as from waitpid: see WIFEXITED, WIFSIGNALED */
    char out[16384];
    char err[16384];
};

/*
 * Runs fn(arg) in a forked child, ended by exit(0) when fn returns, so that
 * reports made at exit are made.  Crash signals have their default action
 * there, as in a program without a test harness.
 */
void run_child(struct child_result *r, void (*fn)(void *), void *arg);

/* Whether the child exited with `code`; whether it was killed by `signal`. */
bool child_exited(const struct child_result *r, int code);
bool child_killed(const struct child_result *r, int signal);

/* How many descriptors this process may have from now on; returns how many it might before. */
size_t limit_descriptors(size_t n);

/* How many bytes of addresses it may have from now on, besides those that it has.  Skips the test
 * where such a limit is not kept. */
void limit_addresses(size_t spare);

/* Bind the calling thread, and those that it will make, to the processor that it runs on. */
void limit_processors(void);

/*
 * Makes reports comparable, in place: `+0x1f3a` becomes `+0x*`, and the names
 * of *.c files and of modules before an offset lose their directories.
 */
void normalise(char *text);

#endif
