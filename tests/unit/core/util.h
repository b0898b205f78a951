/*
 * util.h - what the tests of futures and tasks share: a coroutine as the body of a test, small
 * coroutines to start, a trace of what ran in which order, and the reports that were made.
 *
 * Every test has a process of its own, so that the trace and the reports can be static.
 */
#ifndef TESTS_CORE_UTIL_H
#define TESTS_CORE_UTIL_H

#include "await.h"
#include "harness/test.h"

/* ---- reports ---- */

/* The latest report, as far as tests ask, and how many there were. */
static struct {
    int n;
    enum aw_report_kind kind;
    int error, line;
    aw_future *future; /* only to be compared: it may be gone */
    char name[64], detail[64], fn_name[64], file[128];
} reports;

static inline void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

static inline int collect_report(const aw_report *r, void *arg)
{
    (void)arg;
    printf("report: %s", r->text); /* shown if the test fails */
    reports.n++;
    reports.kind = r->kind;
    reports.error = r->error;
    reports.line = r->line;
    reports.future = r->future;
    copy_text(reports.name, sizeof reports.name, r->name);
    copy_text(reports.detail, sizeof reports.detail, r->detail);
    copy_text(reports.fn_name, sizeof reports.fn_name, r->fn_name);
    copy_text(reports.file, sizeof reports.file, r->file);
    return 0;
}

/* There have been `count` reports since the last call; a test may not leave any unnamed. */
#define assert_reports(count)                                                                      \
    do {                                                                                           \
        assert_int_equal(reports.n, (count));                                                      \
        reports.n = 0;                                                                             \
    } while (0)

/* ---- a test inside a coroutine ---- */

/* A test whose body runs as the main coroutine of a loop, and which leaves no report behind. */
#define TEST_IN_LOOP(name)                                                                         \
    static void name##_body(void);                                                                 \
    static int name##_main(void *arg)                                                              \
    {                                                                                              \
        (void)arg;                                                                                 \
        name##_body();                                                                             \
        return 0;                                                                                  \
    }                                                                                              \
    TEST(name)                                                                                     \
    {                                                                                              \
        assert_int_equal(aw_run(name##_main, NULL, .exception_handler = collect_report), 0);       \
        assert_reports(0);                                                                         \
    }                                                                                              \
    static void name##_body(void)

/* Give up so many passes. */
static inline void passes(int n)
{
    while (n-- > 0)
        assert_int_equal(aw_sleep(0), 0);
}

/* Times are doubles made from whole nanoseconds. */
#define assert_time(measured, expected)                                                            \
    do {                                                                                           \
        double measured_ = (measured), expected_ = (expected);                                     \
        if (!(measured_ > expected_ - 1e-7 && measured_ < expected_ + 1e-7))                       \
            fail_msg("%s is %.9f s, expected %.9f", #measured, measured_, expected_);              \
    } while (0)

/* ---- a trace of what ran ---- */

static char trace[512];

static inline void note(char c)
{
    size_t n = strlen(trace);
    assert_true(n + 1 < sizeof trace);
    trace[n] = c;
}

#define assert_trace(expected) assert_string_equal(trace, (expected))

/* As callback, done callback, coroutine and release: note the first letter of the argument. */
static inline int note_it(void *arg)
{
    note(*(const char *)arg);
    return 0;
}

static inline int note_done(aw_future *f, void *arg)
{
    (void)f;
    return note_it(arg);
}

static inline void note_release(void *arg)
{
    note(*(const char *)arg);
}

/* ---- coroutines ---- */

/* A number as an argument. */
#define INT(n) ((void *)(intptr_t)(n))

/* Returns its argument. */
static inline int give(void *arg)
{
    return (int)(intptr_t)arg;
}

/* Sleeps, and returns a result or an error; a cancellation ends it. */
struct later {
    double seconds;
    int result;
};

static inline int give_later(void *arg)
{
    struct later *l = arg;
    AW_TRY(aw_sleep(l->seconds));
    return l->result;
}

#define LATER(seconds_, result_) (&(struct later){(seconds_), (result_)})

/* Sleeps until it is cancelled, and gives in. */
static inline int sleep_long(void *arg)
{
    (void)arg;
    return aw_sleep(1000);
}

/* Sleeps until it is cancelled, and answers with its argument. */
static inline int answer_cancel(void *arg)
{
    return aw_sleep(1000) == -ECANCELED ? give(arg) : 999;
}

/* Awaits a future that is its argument. */
static inline int await_it(void *arg)
{
    return aw_await(arg);
}

/* ---- memory ---- */

/* An allocator that counts the blocks that are in use, and can be made to fail. */
static struct {
    _Atomic size_t live;
    bool failing;
} memory;

static inline void *count_alloc(size_t size, void *arg)
{
    (void)arg;
    void *p = memory.failing ? NULL : malloc(size);
    memory.live += p != NULL;
    return p;
}

static inline void count_free(void *ptr, void *arg)
{
    (void)arg;
    memory.live -= ptr != NULL;
    free(ptr);
}

/* To be called before the first loop is made. */
static inline void count_memory(void)
{
    aw_allocator a = {count_alloc, count_free, NULL};
    assert_int_equal(aw_set_allocator(&a), 0);
}

#endif
