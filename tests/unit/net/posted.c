/*
 * Many streams at work at once: small writes are posted, where the backend does so, and sent with
 * those of the others when the pass ends.  What readers get, and when, must not show it.
 *
 * A crowd of connected sockets: the streams are over one end of each, tests use the other end by
 * plain calls.  When the whole crowd has been written to before the loop looks, it is busy.
 */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/net/posted.h"

enum { CROWD = 16, ROUNDS = 200, TCP_ROUNDS = 1000, PIECE = 700 };

static struct member {
    aw_stream *s;
    int other; /* the plain end */
    int (*answer)(struct member *m);
    aw_task *task;
    size_t said; /* bytes of a pattern */
} crowd[CROWD];

static int serve(void *arg)
{
    struct member *m = arg;
    char byte;
    ssize_t n;
    while ((n = aw_stream_read(m->s, &byte, 1)) > 0)
        AW_TRY(m->answer(m));
    return (int)n;
}

/* Two ends that are connected by TCP, with little room between them. */
static void tcp_pair(int fd[2])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr *where = (struct sockaddr *)&at;
    socklen_t size = sizeof at;
    const int room = 4096;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
    assert_int_equal(bind(listener, where, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, where, &size), 0);
    fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
    assert_int_equal(connect(fd[0], where, size), 0);
    fd[1] = accept(listener, NULL, NULL);
    assert_true(fd[1] >= 0);
    close(listener);
}

static void local_pair(int fd[2])
{
    const int room = 4096;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
}

static void connect_crowd_by(void (*pair)(int fd[2]), int (*answer)(struct member *m))
{
    for (struct member *m = crowd; m < crowd + CROWD; m++) {
        int fd[2];
        pair(fd);
        *m = (struct member){.other = fd[1], .answer = answer};
        m->s = aw_stream_from_fd(fd[0]);
        assert_non_null(m->s);
        m->task = aw_create_task(serve, m);
        assert_non_null(m->task);
    }
    passes(3); /* everybody reads */
    count_sends();
}

static void connect_crowd(int (*answer)(struct member *m))
{
    connect_crowd_by(local_pair, answer);
}

static void ask_everybody(void)
{
    for (struct member *m = crowd; m < crowd + CROWD; m++)
        assert_int_equal(write(m->other, "?", 1), 1);
}

/* Everybody is told that there is no more to come, and takes it for the end. */
static void dismiss_crowd(void)
{
    aw_sys = real;
    for (struct member *m = crowd; m < crowd + CROWD; m++)
        close(m->other);
    for (struct member *m = crowd; m < crowd + CROWD; m++) {
        if (m->task)
            aw_ignore(aw_join(m->task));
        aw_stream_unref(m->s);
    }
}

/* Wait until n bytes have come there. */
static void receive(struct member *m, char *buf, size_t n)
{
    for (size_t got = 0; got < n;) {
        ssize_t some = aw_recv(m->other, buf + got, n - got, 0);
        assert_true(some > 0);
        got += (size_t)some;
    }
}

/* ---- one answer each ---- */

/* What the i-th one says: five characters. */
static char *yes(size_t i, char text[8])
{
    snprintf(text, 8, "yes%c\n", (char)('a' + i));
    return text;
}

static int say_yes(struct member *m)
{
    char text[8];
    return aw_stream_write(m->s, yes((size_t)(m - crowd), text), 5);
}

TEST_IN_LOOP(posted_answers_of_many_arrive)
{
    connect_crowd(say_yes);
    for (int i = 0; i < ROUNDS; i++) {
        char answer[6] = "", expected[8];
        ask_everybody();
        for (size_t k = 0; k < CROWD; k++) {
            receive(&crowd[k], answer, 5);
            assert_string_equal(answer, yes(k, expected));
        }
    }
    if (posts())
        assert_true(sends < CROWD * ROUNDS / 4);
    else
        assert_int_equal(sends, CROWD * ROUNDS);
    dismiss_crowd();
}

static int say_much(struct member *m)
{
    AW_TRY(aw_stream_write(m->s, "one ", 4));
    AW_TRY(aw_stream_write(m->s, "two ", 4));
    return aw_stream_write(m->s, "three", 5);
}

TEST_IN_LOOP(posted_writes_of_one_pass_keep_their_order)
{
    connect_crowd(say_much);
    for (int i = 0; i < ROUNDS; i++) {
        char answer[14] = "";
        ask_everybody();
        for (struct member *m = crowd; m < crowd + CROWD; m++) {
            receive(m, answer, 13);
            assert_string_equal(answer, "one two three");
        }
    }
    dismiss_crowd();
}

/* ---- more than the other side takes ---- */

static int say_a_piece(struct member *m)
{
    char piece[PIECE];
    size_t first = 1 + m->said * 7 % (PIECE - 1);
    pattern(piece, PIECE, m->said);
    m->said += PIECE;
    AW_TRY(aw_stream_write(m->s, piece, first));
    return aw_stream_write(m->s, piece + first, PIECE - first);
}

/* Nobody reads while everybody is asked, again and again; so what is posted is not taken, or in
 * part, with more behind it already. */
static void fill_the_ways(void (*pair)(int fd[2]), int rounds)
{
    static char all[TCP_ROUNDS * PIECE];
    size_t sum = (size_t)rounds * PIECE;
    connect_crowd_by(pair, say_a_piece);
    for (int i = 0; i < rounds; i++) {
        ask_everybody();
        passes(2 + i % 3);
    }
    for (struct member *m = crowd; m < crowd + CROWD; m++)
        assert_true(aw_stream_pending(m->s) > 0);
    for (struct member *m = crowd; m < crowd + CROWD; m++) {
        receive(m, all, sum);
        assert_true(is_pattern(all, sum, 0));
        assert_int_equal(m->said, sum);
    }
    passes(2);
    for (struct member *m = crowd; m < crowd + CROWD; m++)
        assert_int_equal(aw_stream_pending(m->s), 0);
    dismiss_crowd();
}

TEST_IN_LOOP(posted_bytes_that_were_not_taken_are_sent_later_in_order)
{
    fill_the_ways(local_pair, ROUNDS);
}

TEST_IN_LOOP(posted_bytes_that_were_taken_in_part_are_completed_in_order)
{
    fill_the_ways(tcp_pair, TCP_ROUNDS);
}

static int say_and_drain(struct member *m)
{
    AW_TRY(aw_stream_write(m->s, "yes\n", 4));
    AW_TRY(aw_stream_drain(m->s));
    assert_int_equal(aw_stream_pending(m->s), 0);
    return 0;
}

TEST_IN_LOOP(posted_bytes_are_waited_for_where_nothing_may_be_pending)
{
    char answer[4];
    connect_crowd(say_and_drain);
    for (struct member *m = crowd; m < crowd + CROWD; m++)
        assert_int_equal(aw_stream_set_write_limits(m->s, 0, 0), 0);
    for (int i = 0; i < ROUNDS; i++) {
        ask_everybody();
        for (struct member *m = crowd; m < crowd + CROWD; m++)
            receive(m, answer, 4);
    }
    dismiss_crowd();
}

/* ---- ends ---- */

static int say_and_close(struct member *m)
{
    AW_TRY(aw_stream_write(m->s, "bye\n", 4));
    return aw_stream_close(m->s);
}

static int say_and_end(struct member *m)
{
    AW_TRY(aw_stream_write(m->s, "bye\n", 4));
    return aw_stream_write_eof(m->s);
}

static int say_end_and_close(struct member *m)
{
    AW_TRY(say_and_end(m));
    return aw_stream_close(m->s);
}

static void expect_bye(int (*answer)(struct member *m))
{
    char last[8];
    connect_crowd(answer);
    ask_everybody();
    for (struct member *m = crowd; m < crowd + CROWD; m++) {
        receive(m, last, 4);
        assert_memory_equal(last, "bye\n", 4);
        assert_int_equal(aw_recv(m->other, last, sizeof last, 0), 0);
    }
    dismiss_crowd();
}

TEST_IN_LOOP(posted_bytes_come_before_the_close)
{
    expect_bye(say_and_close);
}

TEST_IN_LOOP(posted_bytes_come_before_the_end_of_sending)
{
    expect_bye(say_and_end);
}

TEST_IN_LOOP(posted_bytes_come_before_both_ends)
{
    expect_bye(say_end_and_close);
}

static int say_and_abort(struct member *m)
{
    AW_TRY(aw_stream_write(m->s, "bye\n", 4));
    AW_TRY(aw_stream_abort(m->s));
    return AW_EOF;
}

/* The kernel may have them already. */
TEST_IN_LOOP(posted_bytes_of_an_aborted_stream_need_not_arrive)
{
    char last[8];
    connect_crowd(say_and_abort);
    ask_everybody();
    for (struct member *m = crowd; m < crowd + CROWD; m++) {
        ssize_t n = aw_recv(m->other, last, sizeof last, 0);
        assert_true(n == 0 || n == 4);
        assert_int_equal(aw_stream_wait_closed(m->s), 0);
    }
    dismiss_crowd();
}

static int say_to_nobody(struct member *m)
{
    close(m->other);
    m->other = dup(0);
    AW_TRY(aw_stream_write(m->s, "yes\n", 4));
    AW_TRY(aw_stream_set_write_limits(m->s, 0, 0));
    int err = aw_stream_drain(m->s);
    assert_true(err == -EPIPE || err == -ECONNRESET);
    return AW_EOF;
}

/* A write may have gone well, and the loss is told by the next call. */
TEST_IN_LOOP(posted_bytes_to_nobody_lose_the_stream)
{
    connect_crowd(say_to_nobody);
    if (!posts()) {
        dismiss_crowd();
        SKIP("this backend does not post: writing fails at once");
    }
    ask_everybody();
    for (struct member *m = crowd; m < crowd + CROWD; m++) {
        assert_int_equal(aw_join(m->task), AW_EOF);
        m->task = NULL;
    }
    dismiss_crowd();
}

static unsigned answered;

static int say_yes_and_stop(struct member *m)
{
    AW_TRY(say_yes(m));
    return ++answered == CROWD ? aw_loop_stop(aw_running_loop()) : 0;
}

static int ask(void *arg)
{
    (void)arg;
    connect_crowd(say_yes_and_stop);
    ask_everybody();
    return 0;
}

/* The loop ends in the pass in which they were posted. */
TEST(posted_bytes_are_sent_when_the_loop_ends)
{
    char answer[8] = "", expected[8];
    aw_loop *l = aw_loop_new();
    aw_task *t = aw_create_task(ask, NULL, .loop = l);
    assert_int_equal(aw_loop_run_forever(l), 0);
    aw_sys = real;
    assert_int_equal(answered, CROWD);
    aw_unref(t);
    for (struct member *m = crowd; m < crowd + CROWD; m++) {
        assert_int_equal(read(m->other, answer, sizeof answer), 5);
        assert_string_equal(answer, yes((size_t)(m - crowd), expected));
        close(m->other);
        aw_unref(m->task);
        aw_stream_unref(m->s);
    }
    assert_int_equal(aw_loop_close(l), 0);
    aw_loop_free(l);
}
