/*
 * loop_record.h - what the tests of the loop share: a record of what ran, in order.
 *
 * A record is a text, so that an expectation reads as a sentence of names and a failure shows
 * both: assert_record(r, "first second third").
 */
#ifndef TESTS_CORE_LOOP_RECORD_H
#define TESTS_CORE_LOOP_RECORD_H

#include "await.h"
#include "harness/test.h"

struct record {
    char text[512];
};

/* One who enters a name into a record when it runs. */
struct mark {
    struct record *record;
    const char *name;
};

#define assert_record(r, expected) assert_string_equal((r).text, (expected))

static inline void note(struct record *r, const char *name)
{
    size_t used = strlen(r->text);
    snprintf(r->text + used, sizeof r->text - used, "%s%s", used ? " " : "", name);
}

/* A callback, and a coroutine too. */
static inline int mark(void *arg)
{
    struct mark *m = arg;
    note(m->record, m->name);
    return 0;
}

/* A callback that ends the run after this pass. */
static inline int stop_loop(void *arg)
{
    return aw_loop_stop(arg);
}

static inline void run_one_pass(aw_loop *l)
{
    assert_int_equal(aw_loop_stop(l), 0);
    assert_int_equal(aw_loop_run_forever(l), 0);
}

/* Passes until a callback stops the loop `seconds` from now. */
static inline void run_for(aw_loop *l, double seconds)
{
    assert_int_equal(aw_call_later(seconds, stop_loop, l, .loop = l), 0);
    assert_int_equal(aw_loop_run_forever(l), 0);
}

static inline aw_loop *new_loop(void)
{
    aw_loop *l = aw_loop_new();
    assert_non_null(l);
    return l;
}

/* Times are doubles made from whole nanoseconds. */
#define assert_seconds(measured, expected)                                                         \
    do {                                                                                           \
        double measured_ = (measured), expected_ = (expected);                                     \
        if (!(measured_ > expected_ - 1e-8 && measured_ < expected_ + 1e-8))                       \
            fail_msg("%s is %.9f s, expected %.9f", #measured, measured_, expected_);              \
    } while (0)

#endif
