/*
 * streams.c - the machinery of the suite.
 */
#include "unit/net/streams.h"

#include <signal.h>

struct suite_run {
    suite_body *body;
    const struct sort *sort;
    const aw_stream_opts *opts;
};

/* Whatever state it is in. */
static void give_up(aw_stream *s)
{
    if (!s)
        return;
    assert_int_equal(aw_stream_abort(s), 0);
    aw_ignore(aw_stream_wait_closed(s));
    aw_stream_unref(s);
}

static int run_one(void *arg)
{
    const struct suite_run *run = arg;
    aw_stream *two[2];
    AW_TRY(run->sort->open(two, run->opts));
    struct ends e = {.r = two[0], .w = two[1], .sort = run->sort};
    run->body(&e);
    give_up(e.r);
    give_up(e.w);
    return 0;
}

void run_for_sorts(suite_body *body, const aw_stream_opts *opts)
{
    signal(SIGPIPE, SIG_DFL);
    for (size_t i = 0; i < n_sorts; i++) {
        struct suite_run run = {body, &sorts[i], opts};
        printf("%s\n", sorts[i].name); /* shown if the test fails */
        assert_int_equal(aw_run(run_one, &run, .exception_handler = collect_report), 0);
        assert_reports(0);
    }
}

void say(aw_stream *s, const char *text)
{
    assert_int_equal(aw_stream_write(s, text, strlen(text)), 0);
}

void expect_text(aw_stream *s, const char *text)
{
    char buf[256];
    size_t n = strlen(text);
    assert_true(n < sizeof buf);
    assert_int_equal(aw_stream_readexactly(s, buf, n), 0);
    buf[n] = '\0';
    assert_string_equal(buf, text);
}

void expect_line(aw_stream *s, const char *line)
{
    char *at;
    assert_int_equal(aw_stream_readline(s, &at), strlen(line));
    assert_string_equal(at, line);
}

void expect_end(aw_stream *s)
{
    char byte;
    assert_int_equal(aw_stream_read(s, &byte, 1), 0);
    assert_true(aw_stream_at_eof(s));
}

static int over(struct caller *c, ssize_t result)
{
    c->result = result;
    c->done = true;
    return 0;
}

int call_read(void *arg)
{
    struct caller *c = arg;
    return over(c, aw_stream_read(c->s, c->buf, c->n));
}

int call_exactly(void *arg)
{
    struct caller *c = arg;
    return over(c, aw_stream_readexactly(c->s, c->buf, c->n));
}

int call_line(void *arg)
{
    struct caller *c = arg;
    return over(c, aw_stream_readline(c->s, &c->at));
}

int call_drain(void *arg)
{
    struct caller *c = arg;
    return over(c, aw_stream_drain(c->s));
}

int call_wait_closed(void *arg)
{
    struct caller *c = arg;
    return over(c, aw_stream_wait_closed(c->s));
}

static char byte_at(size_t offset)
{
    return (char)((offset * 31 >> 3) ^ offset);
}

void pattern(char *buf, size_t n, size_t offset)
{
    for (size_t i = 0; i < n; i++)
        buf[i] = byte_at(offset + i);
}

bool is_pattern(const char *buf, size_t n, size_t offset)
{
    for (size_t i = 0; i < n; i++)
        if (buf[i] != byte_at(offset + i))
            return false;
    return true;
}
