/*
 * report_capture.h - a handler that keeps what it was told, and the comparison of whole texts.
 *
 * Texts are compared as they are, but for what no test can know: offsets of code addresses and the
 * directories of files (normalise() of the harness).
 */
#ifndef TESTS_CORE_REPORT_CAPTURE_H
#define TESTS_CORE_REPORT_CAPTURE_H

#include "await.h"
#include "harness/test.h"

/* Every report of a run: the texts one after the other, the fields of each. */
struct captured {
    enum aw_report_kind kind;
    int error, line;
    char message[96], detail[64], name[64], fn_name[64], file[256];
    double duration;
    aw_future *future; /* only to be compared */
    aw_handle *handle;
    aw_loop *loop;
};

static struct {
    int n;
    struct captured reports[8];
    char text[8192];
} capture;

static inline void capture_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "(null)");
}

static inline int capture_report(const aw_report *r, void *arg)
{
    (void)arg;
    assert_true(capture.n < 8);
    struct captured *c = &capture.reports[capture.n++];
    *c = (struct captured){.kind = r->kind,
                           .error = r->error,
                           .line = r->line,
                           .duration = r->duration,
                           .future = r->future,
                           .handle = r->handle,
                           .loop = r->loop};
    capture_text(c->message, sizeof c->message, r->message);
    capture_text(c->detail, sizeof c->detail, r->detail);
    capture_text(c->name, sizeof c->name, r->name);
    capture_text(c->fn_name, sizeof c->fn_name, r->fn_name);
    capture_text(c->file, sizeof c->file, r->file);
    size_t used = strlen(capture.text);
    snprintf(capture.text + used, sizeof capture.text - used, "%s", r->text);
    return 0;
}

/* Everything that was reported since the last time is this, with lines by printf(). */
__attribute__((format(printf, 1, 2))) static inline void assert_reported(const char *format, ...)
{
    char expected[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(expected, sizeof expected, format, args);
    va_end(args);
    normalise(capture.text);
    assert_string_equal(capture.text, expected);
    capture.text[0] = '\0';
    capture.n = 0;
}

/* A loop whose reports are captured. */
static inline aw_loop *captured_loop(bool debug)
{
    aw_loop *l = aw_loop_new(.debug = debug);
    assert_non_null(l);
    assert_int_equal(aw_loop_set_exception_handler(l, capture_report, NULL), 0);
    return l;
}

static inline void one_pass(aw_loop *l)
{
    assert_int_equal(aw_loop_stop(l), 0);
    assert_int_equal(aw_loop_run_forever(l), 0);
}

#endif
