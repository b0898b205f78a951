/*
 * streams.c - scenarios of streams of every sort: what is said arrives, whole and in order, or
 * somebody is told.
 *
 * Two tasks talk through a stream each.  Whatever fails, both give their streams up.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "await/stream.h"
#include "fault/inject.h"
#ifdef AW_TLS
#include "await/tls.h"
#include "unit/tls/certs.h"
#endif

enum { BULK = 150000, PIECE = 30000 };

struct talk {
    aw_stream *r, *w; /* what w writes r reads */
    bool one_way;
    int said, heard; /* what became of the two */
};

/* In a disturbed run the other side may be gone already. */
#define EXPECT_UNLESS_GONE(expr, expected)                                                         \
    do {                                                                                           \
        long long n_ = (expr);                                                                     \
        if (disturbed() && n_ >= 0 && n_ < (expected))                                             \
            return AW_EOF;                                                                         \
        if (disturbed() && is_gone(n_))                                                       \
            return (int)n_;                                                                        \
        EXPECT(n_, expected);                                                                      \
    } while (0)

static char byte_at(size_t i)
{
    return (char)(i * 31 >> 3);
}

/* ---- the two who talk ---- */

static int write_bulk(aw_stream *s)
{
    static char piece[PIECE];
    for (size_t done = 0; done < BULK; done += PIECE) {
        for (size_t i = 0; i < PIECE; i++)
            piece[i] = byte_at(done + i);
        AW_TRY(aw_stream_write(s, piece, PIECE));
        AW_TRY(aw_stream_drain(s));
    }
    return 0;
}

static int read_bulk(aw_stream *s)
{
    static char piece[PIECE];
    for (size_t done = 0; done < BULK;) {
        size_t want = BULK - done < PIECE ? BULK - done : PIECE;
        ssize_t n = aw_stream_read(s, piece, want);
        AW_TRY((int)n);
        CHECK(n > 0 || disturbed());
        if (n == 0)
            return AW_EOF;
        for (ssize_t i = 0; i < n; i++)
            CHECK(piece[i] == byte_at(done + (size_t)i));
        done += (size_t)n;
    }
    return 0;
}

static int speak(struct talk *t)
{
    const struct iovec line[] = {{"a line", 6}, {"\n", 1}};
    AW_TRY(aw_stream_writev(t->w, line, 2));
    AW_TRY(aw_stream_write(t->w, "head;body", 9));
    AW_TRY(write_bulk(t->w));
    AW_TRY(aw_stream_write(t->w, "the rest", 8));
    AW_TRY(aw_stream_write_eof(t->w));
    if (t->one_way)
        return 0;
    char answer[6];
    AW_TRY(aw_stream_readexactly(t->w, answer, 6));
    CHECK(memcmp(answer, "answer", 6) == 0);
    return 0;
}

static int listen_to(struct talk *t)
{
    char *at, body[4];
    ssize_t n = aw_stream_wait_readable(t->r);
    AW_TRY((int)n);
    CHECK(n > 0 || disturbed());
    n = aw_stream_wait_buffered(t->r, 7);
    AW_TRY((int)n);
    const char *seen = "";
    CHECK(aw_stream_peek(t->r, &seen) == (size_t)n);
    CHECK((n >= 7 && memcmp(seen, "a line\n", 7) == 0) || disturbed());
    AW_TRY(aw_stream_consume(t->r, 0));
    EXPECT_UNLESS_GONE(aw_stream_readline(t->r, &at), 7);
    CHECK(strcmp(at, "a line\n") == 0);
    EXPECT_UNLESS_GONE(aw_stream_readuntil(t->r, &at, ";"), 5);
    CHECK(strcmp(at, "head;") == 0);
    EXPECT_UNLESS_GONE(aw_stream_readexactly(t->r, body, 4), 0);
    CHECK(memcmp(body, "body", 4) == 0);
    AW_TRY(read_bulk(t->r));
    EXPECT_UNLESS_GONE(aw_stream_readall(t->r, &at, 100), 8);
    CHECK(strcmp(at, "the rest") == 0 && aw_stream_at_eof(t->r) && !aw_stream_buffered(t->r));
    return t->one_way ? 0 : aw_stream_write(t->r, "answer", 6);
}

/* In order if it went well so far. */
static int end(aw_stream *s, int err)
{
    if (err == 0)
        err = aw_stream_close(s);
    else
        aw_ignore(aw_stream_abort(s));
    CHECK(aw_stream_is_closing(s));
    int closed = aw_stream_wait_closed(s);
    return err < 0 ? err : closed;
}

static int speaking(void *arg)
{
    struct talk *t = arg;
    t->said = speak(t);
    if (t->said != WRONG)
        t->said = end(t->w, t->said);
    return 0;
}

static int listening(void *arg)
{
    struct talk *t = arg;
    t->heard = listen_to(t);
    if (t->heard != WRONG)
        t->heard = end(t->r, t->heard);
    return 0;
}

/* What became of both: the reason before its consequences. */
static int worst(const struct talk *t)
{
    int first = t->said, other = t->heard;
    if (first == 0 || other == WRONG || (is_gone(first) && first != expected_error)) {
        other = t->said;
        first = t->heard;
    }
    return first && !(is_gone(first) && other == expected_error) ? first : other;
}

static int converse(struct talk *t)
{
    CHECK(t->r && t->w);
    AW_TRY(aw_stream_set_write_limits(t->w, 50000, 10000));
    AW_TRY(aw_gather(AW_CORO(speaking, t), AW_CORO(listening, t)));
    return worst(t);
}

static int give_up(struct talk *t, int err)
{
    aw_stream_unref(t->r);
    aw_stream_unref(t->w);
    return err;
}

/* ---- descriptors ---- */

/* Where there is no memory that the kernel could receive into it is asked in another way, and a
 * cancellation that cannot be sent at once is sent later. */
static void descriptors_are_polled_instead(void)
{
    may_be_silent(SITE_RING_ENTER);
    may_be_silent(SITE_ALLOC);
    may_be_silent(SITE_MAP);
}

/* As streams, or closed. */
static int open_two(struct talk *t, const int fds[2])
{
    t->r = aw_stream_from_fd(fds[0]);
    int err = t->r ? 0 : aw_errno();
    if (!t->r)
        close(fds[0]);
    t->w = aw_stream_from_fd(fds[1]);
    if (!t->w)
        close(fds[1]);
    if (!t->w && err == 0)
        err = aw_errno();
    return err;
}

static int over_socket(void *arg)
{
    struct talk t = {0};
    int fds[2];
    (void)arg;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    int err = open_two(&t, fds);
    return give_up(&t, err < 0 ? err : converse(&t));
}

SCENARIO(stream_over_a_socket)
{
    descriptors_are_polled_instead();
    return run_main(over_socket, NULL);
}

static int over_pipe(void *arg)
{
    struct talk t = {.one_way = true};
    int fds[2];
    (void)arg;
    CHECK(pipe(fds) == 0);
    int err = open_two(&t, fds);
    if (err == 0)
        CHECK(aw_stream_fd(t.r) == fds[0]);
    return give_up(&t, err < 0 ? err : converse(&t));
}

SCENARIO(stream_over_a_pipe)
{
    descriptors_are_polled_instead();
    return run_main(over_pipe, NULL);
}

/* ---- memory ---- */

static int in_memory(void *arg)
{
    struct talk t = {0};
    aw_stream *two[2];
    (void)arg;
    AW_TRY(aw_stream_pair(two, .limit = 20000));
    t.r = two[0];
    t.w = two[1];
    return give_up(&t, converse(&t));
}

SCENARIO(stream_in_memory)
{
    return run_main(in_memory, NULL);
}

/* An error that was set reaches who waits, and who comes later. */
static int read_byte(void *arg)
{
    char byte;
    return (int)aw_stream_read(arg, &byte, 1);
}

static int set_it(void *arg)
{
    AW_TRY(aw_sleep(1));
    return aw_stream_set_error(arg, -EILSEQ, .msg = "nonsense");
}

static int with_error(void *arg)
{
    aw_stream *two[2], **ret = arg;
    AW_TRY(aw_stream_pair(two));
    ret[0] = two[0];
    ret[1] = two[1];
    int err = aw_gather(AW_CORO(read_byte, two[0]), AW_CORO(set_it, two[0]));
    EXPECT(err, -EILSEQ);
    CHECK_CALM(strcmp(aw_errmsg(), "nonsense") == 0);
    CHECK(read_byte(two[0]) == -EILSEQ);
    EXPECT(aw_stream_abort(two[1]), 0);
    CHECK(aw_stream_pending(two[1]) == 0);
    aw_stream_unref(aw_stream_ref(two[0]));
    return 0;
}

SCENARIO(stream_with_an_error)
{
    aw_stream *two[2] = {NULL, NULL};
    int err = run_main(with_error, two);
    aw_stream_unref(two[0]);
    aw_stream_unref(two[1]);
    return err;
}

/* ---- a transport of one's own ---- */

static ssize_t inner_read(void *inner, void *buf, size_t n)
{
    return aw_stream_read(inner, buf, n);
}

static ssize_t inner_write(void *inner, const void *buf, size_t n)
{
    AW_TRY(aw_stream_write(inner, buf, n));
    int err = aw_stream_drain(inner);
    return err < 0 && err != -ECANCELED ? err : (ssize_t)n;
}

static int inner_shutdown(void *inner)
{
    return aw_stream_write_eof(inner);
}

static int inner_close(void *inner)
{
    AW_TRY(aw_stream_close(inner));
    return aw_stream_wait_closed(inner);
}

static void inner_abort(void *inner)
{
    aw_ignore(aw_stream_abort(inner));
}

static void inner_release(void *inner)
{
    aw_stream_unref(inner);
}

static const aw_transport through = {.read = inner_read,
                                     .write = inner_write,
                                     .shutdown = inner_shutdown,
                                     .close = inner_close,
                                     .abort = inner_abort,
                                     .release = inner_release};

static int over_transport(void *arg)
{
    struct talk t = {0};
    aw_stream *inner[2];
    (void)arg;
    AW_TRY(aw_stream_pair(inner));
    t.r = aw_stream_from_transport(&through, inner[0]);
    int err = t.r ? 0 : aw_errno();
    if (!t.r)
        aw_stream_unref(inner[0]);
    t.w = aw_stream_from_transport(&through, inner[1]);
    if (!t.w)
        aw_stream_unref(inner[1]);
    if (!t.w && err == 0)
        err = aw_errno();
    if (err == 0)
        CHECK(aw_stream_transport_context(t.r, &through) == inner[0]);
    return give_up(&t, err < 0 ? err : converse(&t));
}

SCENARIO(stream_over_a_transport)
{
    return run_main(over_transport, NULL);
}

/* ---- TLS ---- */

#ifdef AW_TLS

static int encrypt_client(void *arg)
{
    struct talk *t = arg;
    aw_tls_context *c = aw_tls_context_new(.ca_file = the_world()->root_file);
    t->said = aw_start_tls(&t->w, c, "good.example");
    aw_tls_context_unref(c);
    return 0;
}

static int encrypt_server(void *arg)
{
    struct talk *t = arg;
    aw_tls_context *c = aw_tls_context_new(.server = true, .certificate = the_world()->server_file);
    t->heard = aw_start_tls(&t->r, c, NULL);
    aw_tls_context_unref(c);
    return 0;
}

static int over_tls(void *arg)
{
    struct talk t = {0};
    aw_stream *two[2];
    (void)arg;
    AW_TRY(aw_stream_pair(two));
    t.r = two[0];
    t.w = two[1];
    int err = aw_gather(AW_CORO(encrypt_client, &t), AW_CORO(encrypt_server, &t));
    if (err >= 0)
        err = worst(&t);
    return give_up(&t, err < 0 ? err : converse(&t));
}

/* How long messages are differs, as signatures do. */
SCENARIO(stream_over_tls)
{
    threads_take_part();
    return run_main(over_tls, NULL);
}

#endif
