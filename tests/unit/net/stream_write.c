/*
 * Writing to streams of every sort: what is pending, its limits and marks, and draining.
 */
#include "unit/net/streams.h"

enum { BULK = 3 << 20 };
static char bulk[BULK];

/* Reads everything and compares. */
struct reading {
    aw_stream *s;
    size_t done, total;
    size_t piece; /* at most so many bytes at a time */
};

static int read_pattern(void *arg)
{
    static char buf[100000];
    struct reading *r = arg;
    while (r->done < r->total) {
        size_t want = r->total - r->done;
        want = r->piece < want ? r->piece : want;
        ssize_t n = aw_stream_read(r->s, buf, want < sizeof buf ? want : sizeof buf);
        AW_TRY((int)n);
        assert_true(n > 0);
        assert_true(is_pattern(buf, (size_t)n, r->done));
        r->done += (size_t)n;
    }
    return 0;
}

/* More than lies between the ends is pending. */
static void fill(aw_stream *w)
{
    pattern(bulk, BULK, 0);
    assert_int_equal(aw_stream_write(w, bulk, BULK), 0);
    assert_true(aw_stream_pending(w) > 0);
}

static void read_bulk(aw_stream *r)
{
    assert_int_equal(read_pattern(&(struct reading){.s = r, .total = BULK, .piece = BULK}), 0);
}

TEST_STREAMS(stream_much_is_sent_in_order)
{
    const size_t pieces[] = {1000, 37, 70000};
    size_t at = 0;
    fill(e->w);
    for (int i = 0; i < 300; i++) {
        char piece[1000];
        pattern(piece, sizeof piece, BULK + at);
        assert_int_equal(aw_stream_write(e->w, piece, sizeof piece), 0);
        at += sizeof piece;
    }
    for (size_t done = 0, i = 0; done < BULK + at; i++) {
        static char buf[70000];
        ssize_t n = aw_stream_read(e->r, buf, pieces[i % 3]);
        assert_true(n > 0);
        assert_true(is_pattern(buf, (size_t)n, done));
        done += (size_t)n;
    }
    assert_int_equal(aw_stream_pending(e->w), 0);
}

TEST_STREAMS_WITH(stream_a_long_exact_read_and_a_long_line, .limit = BULK)
{
    static char back[BULK];
    char *line;
    memset(bulk, 'x', BULK);
    bulk[BULK - 1] = '\n';
    assert_int_equal(aw_stream_write(e->w, bulk, BULK), 0);
    assert_int_equal(aw_stream_write(e->w, bulk, BULK), 0);
    assert_int_equal(aw_stream_readexactly(e->r, back, BULK), 0);
    assert_memory_equal(back, bulk, BULK);
    assert_int_equal(aw_stream_readline(e->r, &line), BULK);
    assert_memory_equal(line, bulk, BULK);
}

TEST_STREAMS(stream_pieces_are_written_as_one)
{
    const struct iovec v[] = {{"one ", 4}, {NULL, 0}, {"two ", 4}, {"three", 5}};
    assert_int_equal(aw_stream_writev(e->w, v, 4), 0);
    assert_int_equal(aw_stream_writev(e->w, NULL, 0), 0);
    assert_int_equal(aw_stream_write(e->w, NULL, 0), 0);
    expect_text(e->r, "one two three");
    const struct iovec wrong[] = {{"one", 3}, {NULL, 1}}, long_[] = {{"a", SIZE_MAX}};
    assert_int_equal(aw_stream_writev(e->w, wrong, 2), -EINVAL);
    assert_int_equal(aw_stream_writev(e->w, long_, 1), -EINVAL);
    assert_int_equal(aw_stream_writev(e->w, NULL, 1), -EINVAL);
    assert_int_equal(aw_stream_write(e->w, NULL, 1), -EINVAL);
    fill(e->w); /* and behind others */
    assert_int_equal(aw_stream_writev(e->w, v, 4), 0);
    read_bulk(e->r);
    expect_text(e->r, "one two three");
}

TEST_STREAMS_WITH(stream_no_more_is_pending_than_allowed, .max_pending = 100000)
{
    int err;
    size_t taken = 0;
    static char block[50000];
    do {
        pattern(block, sizeof block, taken);
        err = aw_stream_write(e->w, block, sizeof block);
        taken += err == 0 ? sizeof block : 0;
        assert_true(aw_stream_pending(e->w) <= 100000);
    } while (err == 0);
    assert_int_equal(err, AW_ELIMIT);
    assert_int_equal(aw_stream_write(e->w, bulk, SIZE_MAX), AW_ELIMIT);
    assert_int_equal(read_pattern(&(struct reading){.s = e->r, .total = taken, .piece = 999}), 0);
    say(e->w, "goes on");
    expect_text(e->r, "goes on");
}

// STRM-018: a stream holding more than twice its limit pauses its source; reading resumes it, and
// no byte is lost.
TEST_STREAMS_WITH(STRM_018_a_full_stream_pauses_its_source, .limit = 1000)
{
    char byte;
    fill(e->w);
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(aw_stream_read(e->r, &byte, 1), 1);
        assert_true(is_pattern(&byte, 1, i));
        assert_true(aw_stream_buffered(e->r) < BULK / 4);
        if (i % 1000 == 0)
            passes(3);
    }
    assert_true(aw_stream_pending(e->w) > 0);
    assert_int_equal(read_pattern(&(struct reading){e->r, 5000, BULK, 5000}), 0);
    assert_int_equal(aw_stream_pending(e->w), 0);
}

// STRM-019: several tasks blocked in drain on one writer are all released together.
TEST_STREAMS(STRM_019_all_who_drain_are_released)
{
    struct caller c[5];
    aw_task *tasks[5];
    fill(e->w);
    for (int i = 0; i < 5; i++) {
        c[i] = (struct caller){.s = e->w};
        tasks[i] = aw_create_task(call_drain, &c[i]);
    }
    passes(3);
    for (int i = 0; i < 5; i++)
        assert_false(c[i].done);
    size_t done = 0;
    while (!c[0].done) {
        struct reading r = {e->r, done, done + 1000, 1000};
        assert_int_equal(read_pattern(&r), 0);
        done += 1000;
        passes(1);
    }
    passes(1);
    assert_true(aw_stream_pending(e->w) <= (64 << 10));
    for (int i = 0; i < 5; i++) {
        assert_true(c[i].done);
        assert_int_equal(aw_join(tasks[i]), 0);
        assert_int_equal(c[i].result, 0);
    }
    assert_int_equal(read_pattern(&(struct reading){e->r, done, BULK, 5000}), 0);
}

TEST_STREAMS(stream_a_cancelled_drain_leaves_the_others)
{
    struct caller a = {.s = e->w}, b = a;
    assert_int_equal(aw_stream_drain(e->w), 0);
    fill(e->w);
    aw_task *t = aw_create_task(call_drain, &a), *u = aw_create_task(call_drain, &b);
    passes(2);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(a.result, -ECANCELED);
    assert_false(b.done);
    read_bulk(e->r);
    assert_int_equal(aw_join(u), 0);
    assert_int_equal(b.result, 0);
}

static int write_and_drain(void *arg)
{
    static const char block[10000];
    aw_stream *s = arg;
    for (int i = 0; i < 10000; i++) {
        AW_TRY(aw_stream_write(s, block, sizeof block));
        AW_TRY(aw_stream_drain(s));
    }
    return 0;
}

// STRM-020: writing and draining in a loop to a peer that has closed ends with ECONNRESET or EPIPE
// instead of going on forever.
TEST_STREAMS(STRM_020_nobody_is_left_to_read)
{
    char byte = 'x';
    assert_int_equal(aw_stream_close(e->r), 0);
    int err = write_and_drain(e->w);
    assert_true(err == -EPIPE || err == -ECONNRESET);
    assert_int_equal(aw_stream_drain(e->w), err);
    assert_int_equal(aw_stream_write(e->w, &byte, 1), err);
    assert_int_equal(aw_stream_write_eof(e->w), err);
    assert_true(aw_stream_is_closing(e->w));
    assert_int_equal(aw_stream_wait_closed(e->w), err);
}

TEST_STREAMS(stream_the_reader_goes_while_one_drains)
{
    aw_task *t = aw_create_task(write_and_drain, e->w);
    passes(5);
    assert_int_equal(aw_stream_close(e->r), 0);
    int err = aw_join(t);
    assert_true(err == -EPIPE || err == -ECONNRESET);
}

// STRM-025: write-buffer limits with high below low fail with EINVAL; lowering high under the
// current fill pauses the writer.
TEST_STREAMS_WITH(STRM_025_marks_of_the_write_buffer, .high = BULK + 100000)
{
    struct caller c = {.s = e->w};
    assert_int_equal(aw_stream_set_write_limits(e->w, 10, 11), -EINVAL);
    fill(e->w);
    assert_int_equal(aw_stream_drain(e->w), 0);
    assert_int_equal(aw_stream_set_write_limits(e->w, 1000, 500), 0);
    aw_task *t = aw_create_task(call_drain, &c);
    passes(2);
    assert_false(c.done);
    assert_int_equal(aw_stream_set_write_limits(e->w, 2 * BULK, BULK), 0);
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(c.result, 0);
    assert_int_equal(aw_stream_set_write_limits(e->w, 0, 0), 0);
    struct reading r = {.s = e->r, .total = BULK, .piece = 1000};
    aw_task *reading = aw_create_task(read_pattern, &r);
    assert_int_equal(aw_stream_drain(e->w), 0);
    assert_int_equal(aw_stream_pending(e->w), 0);
    assert_int_equal(aw_join(reading), 0);
}
