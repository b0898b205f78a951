/*
 * Reading from streams of every sort: some, exactly so many, up to a separator, lines, everything.
 */
#include "unit/net/streams.h"

static const char *error_of(ssize_t result)
{
    return aw_error_name((int)result);
}

/* Starts a call, and lets it fall asleep. */
static aw_task *start(aw_fn *fn, struct caller *c)
{
    aw_task *t = aw_create_task(fn, c);
    assert_non_null(t);
    passes(2);
    return t;
}

/* ---- some ---- */

// STRM-001: reading 0 bytes gives an empty result at once and leaves the buffer as it is.
TEST_STREAMS(STRM_001_reading_nothing_is_done_at_once)
{
    char byte;
    assert_int_equal(aw_stream_read(e->r, &byte, 0), 0);
    assert_int_equal(aw_stream_read(e->r, NULL, 0), 0);
    say(e->w, "a\nbc");
    expect_line(e->r, "a\n");
    assert_int_equal(aw_stream_read(e->r, &byte, 0), 0);
    expect_text(e->r, "bc");
}

// STRM-002: a read waits for data and then returns what is there, up to the number asked for,
// without waiting for more.
TEST_STREAMS(STRM_002_a_read_returns_what_is_there)
{
    struct caller c = {.s = e->r, .n = 30};
    aw_task *t = start(call_read, &c);
    assert_false(c.done);
    say(e->w, "data");
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(c.result, 4);
    assert_memory_equal(c.buf, "data", 4);
    say(e->w, "0123456789");
    assert_int_equal(aw_stream_read(e->r, c.buf, 4), 4);
    assert_memory_equal(c.buf, "0123", 4);
    expect_text(e->r, "456789");
}

// STRM-003: reading without a bound collects everything up to end of file.
TEST_STREAMS(STRM_003_everything_up_to_the_end)
{
    char *all;
    say(e->w, "chunk1 ");
    say(e->w, "chunk2");
    assert_int_equal(aw_stream_close(e->w), 0);
    assert_int_equal(aw_stream_readall(e->r, &all, 1000), 13);
    assert_string_equal(all, "chunk1 chunk2");
    assert_int_equal(aw_stream_readall(e->r, &all, 1000), 0);
    assert_string_equal(all, "");
    assert_true(aw_stream_at_eof(e->r));
}

TEST_STREAMS(stream_everything_is_bounded)
{
    char *all;
    say(e->w, "0123456789");
    assert_int_equal(aw_stream_readall(e->r, &all, 9), AW_ELIMIT);
    assert_int_equal(aw_stream_close(e->w), 0);
    assert_int_equal(aw_stream_readall(e->r, &all, 10), 10);
    assert_string_equal(all, "0123456789");
    assert_int_equal(aw_stream_readall(e->r, NULL, 10), -EINVAL);
    assert_int_equal(aw_stream_readall(e->r, &all, SIZE_MAX), -EINVAL);
}

// STRM-016: at-end is true only when end of file was reached and the buffer is empty.
TEST_STREAMS(STRM_016_at_the_end_when_all_is_read)
{
    char byte;
    assert_false(aw_stream_at_eof(e->r));
    say(e->w, "some\nmore");
    assert_int_equal(aw_stream_close(e->w), 0);
    expect_line(e->r, "some\n");
    assert_false(aw_stream_at_eof(e->r));
    expect_text(e->r, "more");
    assert_int_equal(aw_stream_read(e->r, &byte, 1), 0);
    assert_true(aw_stream_at_eof(e->r));
    assert_int_equal(aw_stream_read(e->r, &byte, 1), 0);
}

TEST_STREAMS(stream_that_is_readable_keeps_what_it_has)
{
    say(e->w, "there");
    assert_true(aw_stream_wait_readable(e->r) > 0);
    assert_true(aw_stream_wait_readable(e->r) > 0);
    expect_text(e->r, "there");
    assert_int_equal(aw_stream_close(e->w), 0);
    assert_int_equal(aw_stream_wait_readable(e->r), 0);
    assert_int_equal(aw_stream_wait_readable(NULL), -EINVAL);
}

TEST_STREAMS(stream_is_peeked_at_and_consumed)
{
    const char *at = NULL;
    assert_int_equal(aw_stream_peek(e->r, &at), 0);
    assert_null(at);
    say(e->w, "there");
    assert_int_equal(aw_stream_wait_buffered(e->r, 5), 5);
    assert_int_equal(aw_stream_peek(e->r, &at), 5);
    assert_memory_equal(at, "there", 5);
    assert_int_equal(aw_stream_consume(e->r, 6), -EINVAL);
    assert_int_equal(aw_stream_consume(e->r, 2), 0);
    assert_int_equal(aw_stream_peek(e->r, &at), 3);
    assert_memory_equal(at, "ere", 3);
    say(e->w, "!");
    assert_int_equal(aw_stream_close(e->w), 0);
    assert_int_equal(aw_stream_wait_buffered(e->r, 100), 4); /* the end: all there is */
    expect_text(e->r, "ere!");
    assert_int_equal(aw_stream_wait_buffered(e->r, 1), 0);
    assert_int_equal(aw_stream_consume(e->r, 0), 0);
    assert_int_equal(aw_stream_consume(e->r, 1), -EINVAL);
    assert_int_equal(aw_stream_wait_buffered(e->r, SIZE_MAX), -EINVAL);
    assert_int_equal(aw_stream_wait_buffered(NULL, 1), -EINVAL);
    assert_int_equal(aw_stream_consume(NULL, 0), -EINVAL);
    assert_int_equal(aw_stream_peek(NULL, &at), 0);
    assert_int_equal(aw_stream_peek(e->r, NULL), 0);
}

/* ---- lines ---- */

// STRM-005: a line is put together from several chunks; what follows the newline stays buffered.
TEST_STREAMS(STRM_005_a_line_from_several_chunks)
{
    struct caller c = {.s = e->r};
    say(e->w, "chunk1 ");
    aw_task *t = start(call_line, &c);
    say(e->w, "chunk2 ");
    assert_int_equal(aw_sleep(0.001), 0);
    assert_false(c.done);
    say(e->w, "chunk3 \n chunk4");
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(c.result, 22);
    assert_string_equal(c.at, "chunk1 chunk2 chunk3 \n");
    assert_int_equal(aw_stream_buffered(e->r), 7);
    expect_text(e->r, " chunk4");
}

// STRM-006: a line longer than the limit fails; if its newline is buffered just that line is
// dropped and the next one can be read.
TEST_STREAMS_WITH(STRM_006_too_long_a_line_is_dropped, .limit = 10)
{
    char *line;
    say(e->w, "line1 is long\nnext\n");
    assert_int_equal(aw_stream_readline(e->r, &line), AW_ELIMIT);
    expect_line(e->r, "next\n");
    say(e->w, "there is no newline");
    assert_int_equal(aw_stream_readline(e->r, &line), AW_ELIMIT);
    assert_int_equal(aw_stream_buffered(e->r), 0);
    say(e->w, "\nlast\n");
    expect_line(e->r, "\n");
    expect_line(e->r, "last\n");
}

// STRM-007: the limit counts the line without its newline: with limit 7, '1234567' plus newline is
// read and '12345678' plus newline fails.
TEST_STREAMS_WITH(STRM_007_the_newline_does_not_count, .limit = 7)
{
    char *line;
    say(e->w, "1234567\n");
    expect_line(e->r, "1234567\n");
    say(e->w, "12345678\n");
    assert_int_equal(aw_stream_readline(e->r, &line), AW_ELIMIT);
    say(e->w, "x\n");
    expect_line(e->r, "x\n");
}

// STRM-008: at end of file the unfinished last line is returned as it is; after that, and on an
// empty stream, the result is empty.
TEST_STREAMS(STRM_008_the_last_line_may_be_unfinished)
{
    say(e->w, "one\nsome data");
    assert_int_equal(aw_stream_close(e->w), 0);
    expect_line(e->r, "one\n");
    expect_line(e->r, "some data");
    expect_line(e->r, "");
    expect_line(e->r, "");
}

/* ---- up to a separator ---- */

// STRM-009: read-until returns the data with the separator and leaves the rest buffered.
TEST_STREAMS(STRM_009_up_to_a_separator)
{
    char *at;
    say(e->w, "dataAAArest");
    assert_int_equal(aw_stream_readuntil(e->r, &at, "AAA"), 7);
    assert_string_equal(at, "dataAAA");
    assert_int_equal(aw_stream_buffered(e->r), 4);
    assert_string_equal(at, "dataAAA");
    expect_text(e->r, "rest");
}

static int call_until(void *arg)
{
    struct caller *c = arg;
    c->result = aw_stream_readuntil(c->s, &c->at, "aaa");
    c->done = true;
    return 0;
}

// STRM-010: a separator is found even when it arrives split over several chunks.
TEST_STREAMS(STRM_010_a_separator_in_pieces)
{
    struct caller c = {.s = e->r};
    aw_task *t = start(call_until, &c);
    const char *const pieces[] = {"QWERTY", "a", "a", "b", "xxaa", "axyz"};
    for (size_t i = 0; i < 6; i++) {
        assert_false(c.done);
        say(e->w, pieces[i]);
        assert_int_equal(aw_sleep(0.001), 0);
    }
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(c.result, 14);
    assert_string_equal(c.at, "QWERTYaabxxaaa");
    expect_text(e->r, "xyz");
}

// STRM-011: read-until beyond the limit without the separator in sight fails with 'limit overrun'
// and keeps the data for another read.
TEST_STREAMS_WITH(STRM_011_no_separator_within_the_limit, .limit = 8)
{
    char *at;
    size_t offset = 0;
    say(e->w, "some dataAA");
    assert_int_equal(aw_stream_readuntil(e->r, &at, "AAA", .ret_offset = &offset), AW_ELIMIT);
    assert_int_equal(offset, 9);
    assert_int_equal(aw_stream_buffered(e->r), 11);
    expect_text(e->r, "some dataAA");
}

// STRM-012: read-until whose separator lies beyond the limit fails with 'limit overrun', tells the
// offset of the separator and keeps the data.
TEST_STREAMS_WITH(STRM_012_the_separator_is_beyond_the_limit, .limit = 8)
{
    char *at;
    size_t offset = 0;
    say(e->w, "some data\r\nxx");
    assert_int_equal(aw_stream_readuntil(e->r, &at, "\r\n", .ret_offset = &offset), AW_ELIMIT);
    assert_int_equal(offset, 9);
    expect_text(e->r, "some data\r\nxx");
}

TEST_STREAMS(stream_of_several_separators_the_one_that_ends_first)
{
    char *at;
    static const char *const ends[] = {"\r\n\r\n", "\n", "END", NULL};
    say(e->w, "a\r\n\r\nbEND\nc;dENDe\r");
    assert_int_equal(aw_stream_readuntil(e->r, &at, NULL, .separators = ends), 3);
    assert_string_equal(at, "a\r\n");
    assert_int_equal(aw_stream_readuntil(e->r, &at, NULL, .separators = ends), 2);
    assert_int_equal(aw_stream_readuntil(e->r, &at, ";", .separators = ends), 4);
    assert_string_equal(at, "bEND");
    assert_int_equal(aw_stream_readuntil(e->r, &at, ";", .separators = ends), 1);
    assert_int_equal(aw_stream_readuntil(e->r, &at, ";", .separators = ends), 2);
    assert_string_equal(at, "c;");
    assert_int_equal(aw_stream_readuntil(e->r, &at, ";", .separators = ends), 4);
    expect_text(e->r, "e\r");
}

TEST_STREAMS(stream_separators_may_hold_zeros_and_must_hold_something)
{
    char *at;
    assert_int_equal(aw_stream_write(e->w, "a\0b\0\0c", 6), 0);
    assert_int_equal(aw_stream_readuntil(e->r, &at, "\0\0", .separator_len = 2), 5);
    assert_memory_equal(at, "a\0b\0\0", 6); /* and a zero behind it */
    expect_text(e->r, "c");
    static const char *const empty[] = {"x", "", NULL};
    assert_int_equal(aw_stream_readuntil(e->r, &at, ""), -EINVAL);
    assert_int_equal(aw_stream_readuntil(e->r, &at, NULL), -EINVAL);
    assert_int_equal(aw_stream_readuntil(e->r, &at, NULL, .separators = empty), -EINVAL);
    assert_int_equal(aw_stream_readuntil(e->r, NULL, "x"), -EINVAL);
    assert_int_equal(aw_stream_readline(e->r, NULL), -EINVAL);
}

TEST_STREAMS(stream_end_before_the_separator_gives_what_came)
{
    char *at;
    size_t n = 99;
    say(e->w, "partial");
    assert_int_equal(aw_stream_close(e->w), 0);
    assert_int_equal(aw_stream_readuntil(e->r, &at, "\n", .ret_partial = &n), AW_EOF);
    assert_int_equal(n, 7);
    assert_string_equal(at, "partial");
    assert_int_equal(aw_stream_readuntil(e->r, &at, "\n", .ret_partial = &n), AW_EOF);
    assert_int_equal(n, 0);
}

/* ---- exactly ---- */

// STRM-013: an exact read of 0 bytes gives an empty result; a negative number fails with EINVAL and
// leaves the buffer alone.
TEST_STREAMS(STRM_013_exactly_nothing)
{
    char buf[4] = "abc";
    assert_int_equal(aw_stream_readexactly(e->r, buf, 0), 0);
    assert_int_equal(aw_stream_readexactly(e->r, buf, (size_t)-1), -EINVAL);
    assert_int_equal(aw_stream_read(e->r, buf, (size_t)-1), -EINVAL);
    assert_int_equal(aw_stream_readexactly(e->r, NULL, 1), -EINVAL);
    assert_int_equal(aw_stream_read(e->r, NULL, 1), -EINVAL);
    assert_string_equal(buf, "abc");
    say(e->w, "left");
    expect_text(e->r, "left");
}

// STRM-014: an exact read waits until it has all its bytes and leaves any surplus buffered.
TEST_STREAMS(STRM_014_exactly_so_many)
{
    struct caller c = {.s = e->r, .n = 9};
    aw_task *t = start(call_exactly, &c);
    say(e->w, "0123");
    assert_int_equal(aw_sleep(0.001), 0);
    assert_false(c.done);
    say(e->w, "45678surplus");
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(c.result, 0);
    assert_memory_equal(c.buf, "012345678", 9);
    assert_int_equal(aw_stream_buffered(e->r), 7);
    expect_text(e->r, "surplus");
}

TEST_STREAMS(stream_end_before_all_bytes_gives_what_came)
{
    char buf[16] = {0};
    size_t n = 99;
    say(e->w, "short");
    assert_int_equal(aw_stream_close(e->w), 0);
    assert_int_equal(aw_stream_readexactly(e->r, buf, 9, .ret_partial = &n), AW_EOF);
    assert_int_equal(n, 5);
    assert_string_equal(buf, "short");
    assert_int_equal(aw_stream_readexactly(e->r, buf, 1, .ret_partial = &n), AW_EOF);
    assert_int_equal(n, 0);
}

// STRM-017: a blocked exact read that is cancelled consumes nothing: the bytes that had arrived are
// there for the next read.
TEST_STREAMS(STRM_017_a_cancelled_read_consumes_nothing)
{
    struct caller c = {.s = e->r, .n = 9};
    aw_task *t = start(call_exactly, &c);
    say(e->w, "0123");
    assert_int_equal(aw_sleep(0.001), 0);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(c.result, -ECANCELED);
    say(e->w, "4");
    expect_text(e->r, "01234");
}

TEST_STREAMS(stream_a_cancelled_line_and_read_consume_nothing)
{
    struct caller c = {.s = e->r, .n = 9};
    for (int i = 0; i < 3; i++) {
        aw_task *t = start(i % 2 ? call_read : call_line, &c);
        assert_true(aw_cancel(t));
        assert_int_equal(aw_join(t), 0);
        assert_string_equal(error_of(c.result), "-ECANCELED");
    }
    say(e->w, "all of it\n");
    expect_line(e->r, "all of it\n");
}

/* Data and a cancellation within one pass: what was read is either returned or still there. */
TEST_STREAMS(stream_read_and_cancelled_at_once_loses_nothing)
{
    for (int round = 0; round < 20; round++) {
        struct caller c = {.s = e->r, .n = 4};
        aw_task *t = start(call_read, &c);
        say(e->w, "0123");
        passes(round % 5);
        aw_cancel(t);
        aw_ignore(aw_join(t)); /* cancelled, if it had not ended before */
        assert_true(c.done);
        if (c.result == -ECANCELED)
            assert_int_equal(aw_stream_readexactly(e->r, c.buf, 4), 0);
        else
            assert_int_equal(c.result, 4);
        assert_memory_equal(c.buf, "0123", 4);
    }
}

/* ---- errors ---- */

// STRM-004: after an error was set on a stream every read reports it, even if data is still
// buffered.
TEST_STREAMS(STRM_004_an_error_that_was_set_is_told_by_every_read)
{
    char buf[4], *at;
    say(e->w, "a\nbc");
    expect_line(e->r, "a\n");
    assert_int_equal(aw_stream_set_error(e->r, -EILSEQ, .msg = "not what was agreed"), 0);
    assert_int_equal(aw_stream_read(e->r, buf, 2), -EILSEQ);
    assert_string_equal(aw_errmsg(), "not what was agreed");
    assert_int_equal(aw_stream_readexactly(e->r, buf, 2), -EILSEQ);
    assert_int_equal(aw_stream_readline(e->r, &at), -EILSEQ);
    assert_int_equal(aw_stream_readuntil(e->r, &at, "c"), -EILSEQ);
    assert_int_equal(aw_stream_readall(e->r, &at, 9), -EILSEQ);
    assert_int_equal(aw_stream_drain(e->r), -EILSEQ);
    assert_int_equal(aw_stream_set_error(e->r, 1), -EINVAL);
}

// STRM-015: setting an error on a stream wakes a blocked reader with that error.
TEST_STREAMS(STRM_015_an_error_wakes_the_reader)
{
    struct caller c = {.s = e->r, .n = 4};
    aw_task *t = start(call_exactly, &c);
    assert_int_equal(aw_stream_set_error(e->r, -EIO), 0);
    assert_int_equal(aw_join(t), 0);
    assert_int_equal(c.result, -EIO);
}

TEST_STREAMS(stream_a_second_reader_is_refused)
{
    struct caller first = {.s = e->r, .n = 10}, second = first;
    aw_task *t = start(call_exactly, &first);
    say(e->w, "01234");
    assert_int_equal(aw_sleep(0.001), 0);
    assert_int_equal(aw_stream_read(e->r, second.buf, 1), AW_EMISUSE);
    assert_int_equal(aw_stream_readexactly(e->r, second.buf, 1), AW_EMISUSE);
    assert_int_equal(aw_stream_readline(e->r, &second.at), AW_EMISUSE);
    assert_int_equal(aw_stream_readall(e->r, &second.at, 9), AW_EMISUSE);
    say(e->w, "56789");
    assert_int_equal(aw_join(t), 0);
    assert_memory_equal(first.buf, "0123456789", 10);
}

/* ---- what was given out ---- */

/* Stays as it is while more comes, until the next read. */
TEST_STREAMS_WITH(stream_a_line_stays_until_the_next_read, .limit = 3000)
{
    static char more[2000];
    char *line;
    pattern(more, sizeof more, 0);
    say(e->w, "this stays\nrest");
    assert_int_equal(aw_stream_readline(e->r, &line), 11);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(aw_stream_write(e->w, more, sizeof more), 0);
        assert_int_equal(aw_sleep(0.001), 0);
        assert_string_equal(line, "this stays\n");
        memset(line, 'x', 11); /* the caller's to change */
        memcpy(line, "this stays\n", 11);
    }
    expect_text(e->r, "rest");
    for (int i = 0; i < 3; i++) {
        char back[sizeof more];
        assert_int_equal(aw_stream_readexactly(e->r, back, sizeof back), 0);
        assert_memory_equal(back, more, sizeof more);
    }
}
