/*
 * In place of cmocka where the target of a cross build has none: the few assertions that the tests
 * use, with the same names and meanings.  A failure is told and aborts, as the harness asks of
 * cmocka too.
 */
#ifndef TESTS_HARNESS_PLAIN_CMOCKA_H
#define TESTS_HARNESS_PLAIN_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long plain_number;

#define fail_msg(...)                                                                              \
    do {                                                                                           \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                                            \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fputc('\n', stderr);                                                                       \
        abort();                                                                                   \
    } while (0)

static inline void plain_compare(plain_number a, plain_number b, int equal, const char *what,
                                 const char *file, int line)
{
    if ((a == b) == equal)
        return;
    fprintf(stderr, "%s:%d: %s: %#llx and %#llx\n", file, line, what, a, b);
    abort();
}

static inline void plain_compare_strings(const char *a, const char *b, int equal, const char *what,
                                         const char *file, int line)
{
    if ((strcmp(a, b) == 0) == equal)
        return;
    fprintf(stderr, "%s:%d: %s: \"%s\" and \"%s\"\n", file, line, what, a, b);
    abort();
}

static inline void plain_in_range(plain_number n, plain_number lo, plain_number hi,
                                  const char *what, const char *file, int line)
{
    if (n >= lo && n <= hi)
        return;
    fprintf(stderr, "%s:%d: %s: %lld is not within %lld to %lld\n", file, line, what, (long long)n,
            (long long)lo, (long long)hi);
    abort();
}

#define PLAIN_HERE_(what) what, __FILE__, __LINE__

#define assert_true(c) plain_compare(!!(c), 1, 1, PLAIN_HERE_(#c))
#define assert_false(c) plain_compare(!!(c), 0, 1, PLAIN_HERE_("not " #c))
#define assert_int_equal(a, b)                                                                     \
    plain_compare((plain_number)(a), (plain_number)(b), 1, PLAIN_HERE_(#a " == " #b))
#define assert_int_not_equal(a, b)                                                                 \
    plain_compare((plain_number)(a), (plain_number)(b), 0, PLAIN_HERE_(#a " != " #b))
#define assert_ptr_equal(a, b)                                                                     \
    plain_compare((uintptr_t)(a), (uintptr_t)(b), 1, PLAIN_HERE_(#a " == " #b))
#define assert_ptr_not_equal(a, b)                                                                 \
    plain_compare((uintptr_t)(a), (uintptr_t)(b), 0, PLAIN_HERE_(#a " != " #b))
#define assert_null(p) plain_compare((uintptr_t)(p), 0, 1, PLAIN_HERE_(#p " == NULL"))
#define assert_non_null(p) plain_compare((uintptr_t)(p), 0, 0, PLAIN_HERE_(#p " != NULL"))
#define assert_in_range(n, lo, hi)                                                                 \
    plain_in_range((plain_number)(n), (plain_number)(lo), (plain_number)(hi), PLAIN_HERE_(#n))
#define assert_string_equal(a, b)                                                                  \
    plain_compare_strings((a), (b), 1, PLAIN_HERE_(#a " equal to " #b))
#define assert_string_not_equal(a, b)                                                              \
    plain_compare_strings((a), (b), 0, PLAIN_HERE_(#a " other than " #b))
#define assert_memory_equal(a, b, n)                                                               \
    plain_compare(memcmp((a), (b), (n)) == 0, 1, 1, PLAIN_HERE_(#a " equal to " #b))
#define assert_memory_not_equal(a, b, n)                                                           \
    plain_compare(memcmp((a), (b), (n)) == 0, 0, 1, PLAIN_HERE_(#a " other than " #b))

struct CMUnitTest {
    const char *name;
    void (*test_func)(void **state);
};

/* The harness has one test in a group, and looks for a number of failures; a failure aborts. */
#define cmocka_run_group_tests_name(name_, group, setup, teardown)                                 \
    (printf("running %s\n", (name_)), (group)[0].test_func(NULL), 0)

#endif
