/*
 * Many who are written to in one pass, though they have said nothing: from some number on what they
 * get is posted.  To a few it is sent at once, and nothing is promised less for it.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/net/posted.h"
#include "unit/net/serving.h"

/* ---- an audience ---- */

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

/* The kernel has, or will have, what was posted: aborting drops nothing, and connections end in
 * order. */
TEST_IN_LOOP(posted_farewells_of_a_server_in_a_hurry_end_in_order)
{
    aw_server *server;
    aw_stream *all[GUESTS];
    char last[8];
    assert_int_equal(aw_start_server(&server, say_bye_when_cancelled, "127.0.0.1", "0"), 0);
    for (int i = 0; i < GUESTS; i++)
        all[i] = connect_to_server(server);
    WAIT_UNTIL(guests == GUESTS);
    assert_int_equal(aw_server_shutdown(server, .grace = 0), GUESTS);
    for (int i = 0; i < GUESTS; i++) {
        assert_int_equal(aw_stream_read(all[i], last, sizeof last), 4);
        assert_int_equal(aw_stream_read(all[i], last, sizeof last), 0);
        hang_up(all[i]);
    }
    aw_server_unref(server);
}
