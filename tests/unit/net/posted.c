/*
 * Many streams at work at once: small writes are posted, where the backend does so, and sent with
 * those of the others when the pass ends.  What readers get, and when, must not show it.
 *
 * A crowd of connected sockets: the streams are over one end of each, tests use the other end by
 * plain calls.  When the whole crowd has been written to before the loop looks, it is busy.
 */
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "await/net.h"
#include "core/core.h"
#include "unit/net/streams.h"

enum { CROWD = 16, ROUNDS = 200, TCP_ROUNDS = 1000, PIECE = 700 };

static struct member {
    aw_stream *s;
    int other; /* the plain end */
    int (*answer)(struct member *m);
    aw_task *task;
    size_t said; /* bytes of a pattern */
} crowd[CROWD];

static struct aw_sys_table real;
static unsigned sends; /* calls of send(2) */

static ssize_t counting_send(int fd, const void *buf, size_t n, int flags)
{
    sends++;
    return real.send(fd, buf, n, flags);
}

static void count_sends(void)
{
    real = aw_sys;
    aw_sys.send = counting_send;
    sends = 0;
}

static bool posts(void)
{
    return aw_running_loop()->io->backend->post;
}

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

/* ---- the same for many ---- */

/* Raises the limit on descriptors, as far as that is allowed. */
static void need_descriptors(rlim_t n)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur >= n)
        return;
    if (limit.rlim_max < n)
        SKIP("too few descriptors may be open");
    limit.rlim_cur = n;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Streams over sockets of which tests have the other ends. */
struct audience {
    size_t n;
    aw_stream **all;
    int *others;
};

static struct audience audience(size_t n)
{
    struct audience a = {n, calloc(n, sizeof(aw_stream *)), calloc(n, sizeof(int))};
    int fd[2];
    need_descriptors(2 * n + 64);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
        a.all[i] = aw_stream_from_fd(fd[0]);
        assert_non_null(a.all[i]);
        a.others[i] = fd[1];
    }
    passes(2);
    return a;
}

static void send_home(struct audience *a)
{
    for (size_t i = 0; i < a->n; i++) {
        aw_stream_unref(a->all[i]);
        close(a->others[i]);
    }
    passes(2);
    free(a->all);
    free(a->others);
}

/* Everybody has got exactly this much of the pattern, each from another place on. */
static void check_audience(const struct audience *a, size_t size)
{
    char got[4096];
    for (size_t i = 0; i < a->n; i++) {
        assert_int_equal(recv(a->others[i], got, sizeof got, MSG_DONTWAIT), size);
        assert_true(is_pattern(got, size, i));
        assert_int_equal(aw_stream_pending(a->all[i]), 0);
    }
}

static void write_to_audience(const struct audience *a, size_t size, size_t from)
{
    char text[1024];
    for (size_t i = 0; i < a->n; i++) {
        pattern(text, size, i + from);
        assert_int_equal(aw_stream_write(a->all[i], text, size), 0);
    }
}

/* In one pass, and nothing has come before it: so it is the sends themselves that make it busy. */
static void write_to_all(size_t n, size_t size, unsigned most_sends)
{
    struct audience a = audience(n);
    count_sends();
    write_to_audience(&a, size, 0);
    write_to_audience(&a, size, size);
    passes(3);
    if (posts())
        assert_true(sends <= most_sends);
    aw_sys = real;
    check_audience(&a, 2 * size);
    send_home(&a);
}

/* More than the ring has places for is handed over in parts. */
TEST_IN_LOOP(posted_to_many_who_said_nothing)
{
    write_to_all(400, 60, 40);
}

/* More than may be in flight, or have memory: the rest is sent by calls. */
TEST_IN_LOOP(posted_to_more_than_may_be_in_flight)
{
    write_to_all(1200, 20, 400);
}

TEST_IN_LOOP(posted_to_more_than_there_is_memory_for)
{
    write_to_all(200, 1000, 400);
}

/* Who waits for one connection, or for a few, has what is written before the pass is over. */
TEST_IN_LOOP(posted_is_nothing_to_a_few)
{
    struct audience a = audience(2);
    count_sends();
    for (size_t i = 0; i < 200; i++) {
        char text[10];
        pattern(text, sizeof text, i * sizeof text);
        assert_int_equal(aw_stream_write(a.all[0], text, sizeof text), 0);
        assert_int_equal(aw_stream_pending(a.all[0]), 0);
    }
    write_to_audience(&(struct audience){1, a.all + 1, a.others + 1}, 10, 1);
    assert_int_equal(sends, 201);
    aw_sys = real;
    a.n = 1;
    check_audience(&a, 2000);
    a.n = 2;
    send_home(&a);
}

/* A kernel that does not take the ring for a while. */
static unsigned refusals_left;

static int refusing_enter(struct io_uring *ring, int64_t timeout_ns)
{
    if (refusals_left == 0)
        return real.ring_enter(ring, timeout_ns);
    refusals_left--;
    return -EAGAIN;
}

/* A refusal is met once in a pass, and costs neither waiting nor the loop's patience. */
TEST_IN_LOOP(posted_while_the_kernel_refuses)
{
    struct audience a = audience(1200);
    real = aw_sys;
    aw_sys.ring_enter = refusing_enter;
    refusals_left = 3;
    write_to_audience(&a, 20, 0);
    if (posts())
        assert_int_equal(refusals_left, 2);
    passes(4);
    aw_sys = real;
    check_audience(&a, 20);
    send_home(&a);
}

/* The loop is stopped in the pass in which others began more than the ring has places for: what was
 * written leaves with it, or has left. */
enum { BEGUN = 400, TOLD = 64 };
static struct audience told, begun;

static int read_one(void *s)
{
    char byte;
    return (int)aw_stream_read(s, &byte, 1);
}

static int tell_and_stop(void *arg)
{
    (void)arg;
    write_to_audience(&told, 10, 0);
    return aw_loop_stop(aw_running_loop());
}

static int begin_much(void *arg)
{
    (void)arg;
    told = audience(TOLD);
    begun = audience(BEGUN);
    for (size_t i = 0; i < BEGUN; i++)
        aw_unref(aw_create_task(read_one, begun.all[i]));
    aw_unref(aw_create_task(tell_and_stop, NULL));
    return 0;
}

static int part(void *arg)
{
    (void)arg;
    send_home(&told);
    for (size_t i = 0; i < BEGUN; i++)
        close(begun.others[i]);
    begun.n = 0;
    passes(3);
    for (size_t i = 0; i < BEGUN; i++)
        aw_stream_unref(begun.all[i]);
    send_home(&begun);
    return 0;
}

TEST(posted_leaves_with_a_loop_that_stops)
{
    aw_loop *l = aw_loop_new();
    aw_unref(aw_create_task(begin_much, NULL, .loop = l));
    assert_int_equal(aw_loop_run_forever(l), 0);
    check_audience(&told, 10);
    aw_future *parting = aw_create_task(part, NULL, .loop = l);
    assert_int_equal(aw_loop_run_until_complete(l, parting), 0);
    aw_unref(parting);
    aw_loop_free(l);
}

/* ---- a server in a hurry ---- */

enum { GUESTS = 100 };
static unsigned guests;

static int say_bye_when_cancelled(aw_stream *s, void *arg)
{
    (void)arg;
    guests++;
    char byte;
    ssize_t n = aw_stream_read(s, &byte, 1);
    return n == -ECANCELED ? aw_stream_write(s, "bye\n", 4) : (int)n;
}

static int connect_to(const aw_address *at)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)},
                             .sin_port = htons((uint16_t)aw_address_port(at))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* What was posted has the kernel: aborting drops nothing, and the connection ends in order. */
TEST_IN_LOOP(posted_farewells_of_a_server_in_a_hurry_end_in_order)
{
    aw_server *server;
    aw_address at;
    int fds[GUESTS];
    char last[8];
    assert_int_equal(aw_start_server(&server, say_bye_when_cancelled, "127.0.0.1", "0"), 0);
    assert_int_equal(aw_server_address(server, 0, &at), 0);
    for (int i = 0; i < GUESTS; i++)
        fds[i] = connect_to(&at);
    while (guests < GUESTS)
        passes(1);
    assert_int_equal(aw_server_shutdown(server, .grace = 0), GUESTS);
    for (int i = 0; i < GUESTS; i++) {
        assert_int_equal(aw_recv(fds[i], last, sizeof last, 0), 4);
        assert_int_equal(aw_recv(fds[i], last, sizeof last, 0), 0);
        close(fds[i]);
    }
    aw_server_unref(server);
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
