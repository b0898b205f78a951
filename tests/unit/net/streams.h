/*
 * streams.h - the one suite that every sort of stream passes.
 *
 * TEST_STREAMS(name) is a test whose body runs once for each sort that its binary has, as the main
 * coroutine of a loop, with two ends: what is written to `w` is read from `r`.  Where a sort goes
 * both ways it goes so the other way round too.
 */
#ifndef TESTS_NET_STREAMS_H
#define TESTS_NET_STREAMS_H

#include <sys/uio.h>

#include "await/stream.h"
#include "unit/core/util.h"

/* A sort of stream, and how two connected ones are made. */
struct sort {
    const char *name;
    int (*open)(aw_stream *ret[2], const aw_stream_opts *opts); /* r, w */
    bool one_way;      /* w does not read, r does not write */
    bool holds_little; /* nothing between the ends takes what nobody reads */
};
extern const struct sort sorts[];
extern const size_t n_sorts;

struct ends {
    aw_stream *r, *w;
    const struct sort *sort;
};

typedef void suite_body(struct ends *e);

/* Runs it for every sort, with options for both ends. */
void run_for_sorts(suite_body *body, const aw_stream_opts *opts);

#define TEST_STREAMS(name) TEST_STREAMS_WITH(name, .fd = -1)
#define TEST_STREAMS_WITH(name, ...)                                                               \
    static void name##_body(struct ends *e);                                                       \
    TEST_SLOW(name)                                                                                \
    {                                                                                              \
        run_for_sorts(name##_body, &(aw_stream_opts){__VA_ARGS__});                                \
    }                                                                                              \
    static void name##_body(struct ends *e)

/* Write a text, all of it or fail. */
void say(aw_stream *s, const char *text);

/* Read exactly this. */
void expect_text(aw_stream *s, const char *text);

/* Read a line, which is this. */
void expect_line(aw_stream *s, const char *line);

/* Wait until so many bytes are buffered, by reading as many beforehand as are not wanted: for
 * sources that bring nothing without being asked. */
void expect_end(aw_stream *s);

/* A task that does one call on a stream, and what became of it. */
struct caller {
    aw_stream *s;
    size_t n;
    char *at;
    char buf[64];
    ssize_t result;
    bool done;
};
int call_read(void *caller);
int call_exactly(void *caller);
int call_line(void *caller);
int call_drain(void *caller);
int call_wait_closed(void *caller);

/* Bytes without end, that tell where they are. */
void pattern(char *buf, size_t n, size_t offset);
bool is_pattern(const char *buf, size_t n, size_t offset);

#endif
