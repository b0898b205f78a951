/*
 * The ends of streams of every sort: of one side, in order, by force, and by being forgotten.
 */
#include <fcntl.h>
#include <math.h>

#include "await/testing.h"
#include "unit/net/streams.h"

enum { BULK = 3 << 20 };
static char bulk[BULK];

static void fill(aw_stream *w)
{
    pattern(bulk, BULK, 0);
    assert_int_equal(aw_stream_write(w, bulk, BULK), 0);
}

static void expect_bulk(aw_stream *r)
{
    char *all;
    assert_int_equal(aw_stream_readall(r, &all, BULK), BULK);
    assert_true(is_pattern(all, BULK, 0));
    expect_end(r);
}

/* The other side sees that something is missing, as far as it can. */
static void expect_less(struct ends *e)
{
    char *all;
    ssize_t n = aw_stream_readall(e->r, &all, BULK);
    if (strcmp(e->sort->name, "tcp") == 0)
        assert_int_equal(n, -ECONNRESET);
    assert_true((n >= 0 && n < BULK) || n == -ECONNRESET || n == AW_EOF);
}

/* ---- closing ---- */

// STRM-021: closing a writer makes is-closing true, and wait-closed returns even if data received
// was never read.
TEST_STREAMS(STRM_021_closed_with_unread_data)
{
    say(e->w, "first\nsecond");
    expect_line(e->r, "first\n");
    assert_false(aw_stream_is_closing(e->r));
    assert_int_equal(aw_stream_close(e->r), 0);
    assert_true(aw_stream_is_closing(e->r));
    assert_int_equal(aw_stream_wait_closed(e->r), 0);
    assert_int_equal(aw_stream_close(e->r), 0);
    assert_int_equal(aw_stream_wait_closed(e->r), 0);
}

// STRM-022: closing a writer also ends its reader: after wait-closed the reader is at end and reads
// come back empty.
TEST_STREAMS(STRM_022_closing_ends_its_own_reader)
{
    struct caller c = {.s = e->r, .n = 10};
    aw_task *t = aw_create_task(call_read, &c);
    passes(2);
    assert_int_equal(aw_stream_close(e->r), 0);
    assert_int_equal(aw_stream_wait_closed(e->r), 0);
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(c.result, 0);
    assert_true(aw_stream_at_eof(e->r));
    assert_int_equal(aw_stream_read(e->r, c.buf, 10), 0);
}

TEST_STREAMS(stream_closing_sends_what_is_pending)
{
    struct caller c = {.s = e->w};
    fill(e->w);
    assert_int_equal(aw_stream_close(e->w), 0);
    assert_true(aw_stream_pending(e->w) > 0);
    assert_int_equal(aw_stream_write(e->w, "x", 1), AW_EMISUSE);
    assert_int_equal(aw_stream_write_eof(e->w), AW_EMISUSE);
    aw_task *t = aw_create_task(call_wait_closed, &c);
    passes(3);
    assert_false(c.done);
    expect_bulk(e->r);
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(c.result, 0);
    assert_int_equal(aw_stream_drain(e->w), -ECONNRESET);
    assert_true(aw_stream_fd(e->w) == -EBADF || aw_stream_fd(e->w) == -ENOTSUP);
}

TEST_STREAMS(stream_the_last_handle_closes)
{
    fill(e->w);
    aw_stream_unref(aw_stream_ref(e->w));
    assert_false(aw_stream_is_closing(e->w));
    aw_stream_unref(e->w);
    expect_bulk(e->r);
    e->w = NULL;
}

TEST_STREAMS(stream_cancelled_wait_for_the_end)
{
    struct caller c = {.s = e->w};
    aw_task *t = aw_create_task(call_wait_closed, &c);
    passes(2);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(c.result, -ECANCELED);
    say(e->w, "still open");
    expect_text(e->r, "still open");
}

TEST_STREAMS(stream_aborted_with_something_pending)
{
    struct caller c = {.s = e->w}, d = c;
    fill(e->w);
    aw_task *t = aw_create_task(call_drain, &c), *u = aw_create_task(call_wait_closed, &d);
    passes(3);
    assert_false(c.done || d.done);
    assert_int_equal(aw_stream_abort(e->w), 0);
    assert_int_equal(aw_stream_pending(e->w), 0);
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(c.result, -ECONNRESET);
    assert_int_equal(aw_join(u), 0);
    assert_int_equal(d.result, 0);
    assert_int_equal(aw_stream_abort(e->w), 0);
    expect_less(e);
}

TEST_STREAMS(stream_aborted_while_it_closes)
{
    fill(e->w);
    assert_int_equal(aw_stream_close(e->w), 0);
    assert_int_equal(aw_stream_abort(e->w), 0);
    assert_int_equal(aw_stream_wait_closed(e->w), 0);
}

/* ---- nobody holds it any more ---- */

/* The kernel has operations, so time does not jump by itself. */
static void let_pass(double seconds)
{
    for (int i = 0; i < 10; i++) {
        assert_int_equal(aw_wait_all_blocked(), 0);
        assert_int_equal(aw_testing_advance(seconds / 10), 0);
        passes(2);
    }
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* What is on its way at first counts as taken: so it may be the second look that ends it. */
static void expect_given_up_after(struct ends *e, double seconds)
{
    int fd = aw_stream_fd(e->w);
    fill(e->w);
    aw_stream_unref(e->w);
    e->w = NULL;
    let_pass(seconds * 0.99);
    assert_true(fd < 0 || is_open(fd));
    let_pass(seconds * 1.5);
    assert_false(is_open(fd));
    expect_less(e);
}

TEST_STREAMS(stream_without_a_handle_is_given_up_if_nobody_takes_anything)
{
    expect_given_up_after(e, 60);
}

TEST_STREAMS_WITH(stream_without_a_handle_is_given_up_at_its_limit, .close_timeout = 0.5)
{
    expect_given_up_after(e, 0.5);
}

/* Slow is not dead: ten minutes. */
TEST_STREAMS(stream_without_a_handle_waits_for_the_slow)
{
    static char piece[BULK / 12];
    fill(e->w);
    aw_stream_unref(e->w);
    e->w = NULL;
    for (size_t at = 0; at < BULK; at += sizeof piece) {
        let_pass(50);
        assert_int_equal(aw_stream_readexactly(e->r, piece, sizeof piece), 0);
        assert_true(is_pattern(piece, sizeof piece, at));
    }
    expect_end(e->r);
}

TEST_STREAMS_WITH(stream_without_a_handle_waits_for_ever_if_told_so,
                  .close_timeout = (double)INFINITY)
{
    fill(e->w);
    aw_stream_unref(e->w);
    e->w = NULL;
    let_pass(1e6);
    expect_bulk(e->r);
}

/* Whoever holds it decides himself how long to wait. */
TEST_STREAMS_WITH(stream_with_a_handle_is_not_given_up, .close_timeout = 1)
{
    fill(e->w);
    assert_int_equal(aw_stream_close(e->w), 0);
    let_pass(100);
    expect_bulk(e->r);
}

/* Held or not, and though something is taken all the time. */
TEST_STREAMS(stream_closed_within_a_time_is_aborted_then)
{
    static char piece[BULK / 12];
    fill(e->w);
    assert_int_equal(aw_stream_close_within(e->w, (double)NAN), -EINVAL);
    assert_int_equal(aw_stream_close_within(e->w, 0), -EINVAL);
    assert_int_equal(aw_stream_close_within(e->w, 5), 0);
    assert_int_equal(aw_stream_close_within(e->w, 50), 0);
    for (int i = 0; i < 4; i++) {
        let_pass(1);
        assert_int_equal(aw_stream_readexactly(e->r, piece, sizeof piece), 0);
    }
    assert_true(aw_stream_pending(e->w) > 0);
    let_pass(1.5);
    assert_int_equal(aw_stream_pending(e->w), 0);
    expect_less(e);
}

/* ---- one side ---- */

// STRM-023: write-eof is sent after the pending data and ends only the sending side; the peer's
// answer can still be read.
TEST_STREAMS(STRM_023_the_sending_side_ends_alone)
{
    fill(e->w);
    assert_int_equal(aw_stream_write_eof(e->w), 0);
    assert_int_equal(aw_stream_write_eof(e->w), 0);
    assert_int_equal(aw_stream_write(e->w, "x", 1), AW_EMISUSE);
    expect_bulk(e->r);
    if (e->sort->one_way)
        return;
    assert_false(aw_stream_is_closing(e->w));
    say(e->r, "the answer");
    expect_text(e->w, "the answer");
    assert_int_equal(aw_stream_close(e->r), 0);
    expect_end(e->w);
}

TEST_STREAMS(stream_both_ways_at_once)
{
    if (e->sort->one_way) {
        assert_int_equal(aw_stream_write(e->r, "x", 1), -EBADF);
        assert_int_equal(aw_stream_write_eof(e->r), -EBADF);
        char byte;
        assert_int_equal(aw_stream_read(e->w, &byte, 1), -EBADF);
        return;
    }
    struct caller c = {.s = e->w};
    aw_task *t = aw_create_task(call_line, &c);
    passes(2);
    fill(e->w);
    say(e->r, "meanwhile\n");
    assert_int_equal(aw_join(t), 0);
    assert_string_equal(c.at, "meanwhile\n");
    assert_int_equal(aw_stream_write_eof(e->w), 0);
    expect_bulk(e->r);
}

/* ---- the other end goes ---- */

TEST_STREAMS(stream_what_was_sent_before_the_end_is_read)
{
    say(e->w, "some ");
    say(e->w, "data");
    assert_int_equal(aw_stream_close(e->w), 0);
    assert_int_equal(aw_stream_wait_closed(e->w), 0);
    expect_text(e->r, "some data");
    expect_end(e->r);
}

/* ---- wrong use ---- */

TEST_STREAMS(stream_calls_outside_tasks_and_of_nothing)
{
    (void)e;
    char byte, *at;
    assert_int_equal(aw_stream_read(NULL, &byte, 1), -EINVAL);
    assert_int_equal(aw_stream_readexactly(NULL, &byte, 1), -EINVAL);
    assert_int_equal(aw_stream_readuntil(NULL, &at, "x"), -EINVAL);
    assert_int_equal(aw_stream_readline(NULL, &at), -EINVAL);
    assert_int_equal(aw_stream_readall(NULL, &at, 1), -EINVAL);
    assert_int_equal(aw_stream_write(NULL, &byte, 1), -EINVAL);
    assert_int_equal(aw_stream_writev(NULL, NULL, 0), -EINVAL);
    assert_int_equal(aw_stream_drain(NULL), -EINVAL);
    assert_int_equal(aw_stream_write_eof(NULL), -EINVAL);
    assert_int_equal(aw_stream_set_write_limits(NULL, 1, 1), -EINVAL);
    assert_int_equal(aw_stream_close_within(NULL, 1), -EINVAL);
    assert_int_equal(aw_stream_set_error(NULL, -1), -EINVAL);
    assert_int_equal(aw_stream_close(NULL), -EINVAL);
    assert_int_equal(aw_stream_abort(NULL), -EINVAL);
    assert_int_equal(aw_stream_wait_closed(NULL), -EINVAL);
    assert_int_equal(aw_stream_fd(NULL), -EINVAL);
    assert_int_equal(aw_stream_pending(NULL), 0);
    assert_int_equal(aw_stream_buffered(NULL), 0);
    assert_true(aw_stream_at_eof(NULL));
    assert_true(aw_stream_is_closing(NULL));
    assert_null(aw_stream_ref(NULL));
    assert_null(aw_stream_transport_context(NULL, NULL));
    aw_stream_unref(NULL);
}

static int call_from_callback(void *arg)
{
    struct caller *c = arg;
    c->result = aw_stream_read(c->s, c->buf, 1);
    c->done = true;
    return 0;
}

TEST_STREAMS(stream_a_callback_cannot_wait)
{
    struct caller c = {.s = e->r};
    assert_int_equal(aw_call_soon(call_from_callback, &c), 0);
    passes(2);
    assert_int_equal(c.result, AW_EMISUSE);
    say(e->w, "a\nb");
    expect_line(e->r, "a\n");
    assert_int_equal(aw_call_soon(call_from_callback, &c), 0);
    passes(2);
    assert_int_equal(c.result, 1); /* it need not */
    assert_int_equal(c.buf[0], 'b');
}
