/*
 * Each fault of the simulated network: that it occurs, what it does and does not do, that it stops
 * when it is told to, and that it occurs again with the same seed.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "../core/util.h"
#include "await/testing.h"
#include "harness/test.h"

enum { BYTES = 1000 };

/* What became of BYTES bytes that were sent in pieces of ten and received. */
struct result {
    size_t sent, received, calls;
    int send_error, end; /* of receiving: 0 or an error */
    double took;
};

static int receive(void *arg)
{
    struct result *r = ((void **)arg)[0];
    int fd = *(int *)((void **)arg)[1];
    char buf[64];
    ssize_t n;
    while ((n = aw_recv(fd, buf, sizeof buf, 0)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(buf[i], (char)(r->received++ % 100)); /* in order, once */
        r->calls++;
    }
    r->end = (int)n;
    return 0;
}

static int transfer(void *arg)
{
    struct result *r = arg;
    int fds[2];
    char buf[10];
    assert_int_equal(aw_sim_pair(fds, SOCK_STREAM), 0);
    aw_task *receiver = aw_create_task(receive, ((void *[]){r, &fds[1]}));
    while (r->sent < BYTES && r->send_error == 0) {
        for (size_t i = 0; i < sizeof buf; i++)
            buf[i] = (char)((r->sent + i) % 100);
        ssize_t n = aw_send(fds[0], buf, sizeof buf, 0);
        r->sent += n > 0 ? (size_t)n : 0;
        r->send_error = n < 0 ? (int)n : 0;
        assert_int_equal(aw_sleep(0.001), 0);
    }
    assert_int_equal(aw_sim_shutdown(fds[0]), 0);
    assert_int_equal(aw_join(receiver), 0);
    r->took = aw_time();
    assert_int_equal(aw_sim_close(fds[0]), 0);
    assert_int_equal(aw_sim_close(fds[1]), 0);
    return 0;
}

#define TRANSFER(r, c, ...)                                                                        \
    do {                                                                                           \
        *(r) = (struct result){.sent = 0};                                                         \
        assert_int_equal(aw_sim_run(transfer, (r), .seed = 7, .ret_counts = (c), __VA_ARGS__), 0); \
    } while (0)

static void assert_whole(const struct result *r)
{
    assert_int_equal(r->received, r->sent);
    assert_int_equal(r->end, 0);
}

TEST(sim_calm_by_default)
{
    struct result r;
    aw_sim_counts c;
    TRANSFER(&r, &c, .latency = 0);
    assert_whole(&r);
    assert_int_equal(r.calls, BYTES / 10);
    assert_true(!c.split && !c.coalesced && !c.short_writes && !c.short_reads && !c.storms &&
                !c.refusals && !c.stalls && !c.resets && !c.half_closes && !c.aborted && !c.late);
    assert_int_equal(c.bytes, r.sent);
}

TEST(sim_splits)
{
    struct result r;
    aw_sim_counts c;
    TRANSFER(&r, &c, .split = 0.5, .jitter = 0.0005);
    assert_whole(&r);
    assert_in_range(c.split, 50, 150);
    assert_true(r.calls > BYTES / 10);
}

TEST(sim_coalesces)
{
    struct result r;
    aw_sim_counts c;
    TRANSFER(&r, &c, .coalesce = 0.5, .latency = 0.01);
    assert_whole(&r);
    assert_in_range(c.coalesced, 30, 70);
    assert_int_equal(r.calls, BYTES / 10 - c.coalesced);
}

TEST(sim_shortens_calls)
{
    struct result r;
    aw_sim_counts c;
    TRANSFER(&r, &c, .short_write = 0.5);
    assert_whole(&r);
    assert_true(c.short_writes > 30 && !c.short_reads);
    TRANSFER(&r, &c, .short_read = 0.5);
    assert_whole(&r);
    assert_true(c.short_reads > 30 && !c.short_writes);
}

TEST(sim_storms)
{
    struct result r;
    aw_sim_counts c;
    TRANSFER(&r, &c, .storm = 0.3);
    assert_whole(&r);
    assert_true(c.storms > 30 && c.refusals >= c.storms);
}

static int storm_is_seen(void *arg)
{
    int fds[2], refused = 0;
    (void)arg;
    assert_int_equal(aw_sim_pair(fds, SOCK_STREAM), 0);
    for (int i = 0; i < 100; i++) { /* without time going on */
        assert_int_equal(aw_poll(fds[0], POLLOUT), POLLOUT);
        refused += aw_send(fds[0], "x", 1, MSG_DONTWAIT) == -EAGAIN;
    }
    assert_in_range(refused, 1, 8);
    assert_int_equal(aw_sim_close(fds[0]), 0);
    assert_int_equal(aw_sim_close(fds[1]), 0);
    return 0;
}

/* Ready, and then not: and yet not for ever. */
TEST(sim_storms_refuse_what_is_ready)
{
    assert_int_equal(aw_sim_run(storm_is_seen, NULL, .seed = 3, .storm = 0.5), 0);
}

TEST(sim_stalls)
{
    struct result r;
    aw_sim_counts c;
    TRANSFER(&r, &c, .stall = 0.1);
    assert_whole(&r);
    assert_true(c.stalls > 2);
    assert_true(r.took > 1);
}

TEST(sim_resets)
{
    struct result r;
    aw_sim_counts c;
    TRANSFER(&r, &c, .reset = 0.05);
    assert_int_equal(c.resets, 1);
    assert_true(r.received < BYTES && r.sent < BYTES);
    assert_true(r.send_error == -ECONNRESET || r.send_error == -EPIPE);
    assert_int_equal(r.end, -ECONNRESET);
}

TEST(sim_half_closes)
{
    struct result r;
    aw_sim_counts c;
    TRANSFER(&r, &c, .half_close = 0.05);
    assert_int_equal(c.half_closes, 1);
    assert_int_equal(r.send_error, -EPIPE);
    assert_int_equal(r.end, 0);
    assert_int_equal(r.received, r.sent); /* what was sent before the end comes before it */
    assert_true(r.received < BYTES);
}

static int abort_at_the_door(void *arg)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct sockaddr *addr = (struct sockaddr *)(void *)&at;
    int listener = aw_sim_socket(AF_INET, SOCK_STREAM), aborted = 0, *ret = arg;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(aw_sim_bind(listener, addr, sizeof at), 0);
    assert_int_equal(aw_sim_listen(listener, 5), 0);
    for (int i = 0; i < 40; i++) {
        char c;
        int fd = aw_sim_socket(AF_INET, SOCK_STREAM);
        assert_int_equal(aw_connect(fd, addr, sizeof at), 0);
        int accepted = aw_accept(listener, NULL, NULL);
        if (accepted < 0) {
            assert_int_equal(accepted, -ECONNABORTED);
            assert_int_equal(aw_recv(fd, &c, 1, 0), -ECONNRESET);
            aborted++;
        } else {
            assert_int_equal(aw_sim_close(accepted), 0);
        }
        assert_int_equal(aw_sim_close(fd), 0);
    }
    *ret = aborted;
    return aw_sim_close(listener);
}

TEST(sim_aborts_at_the_door)
{
    int aborted = 0;
    aw_sim_counts c;
    assert_int_equal(
        aw_sim_run(abort_at_the_door, &aborted, .seed = 7, .abort = 0.5, .ret_counts = &c), 0);
    assert_in_range(aborted, 10, 30);
    assert_int_equal(c.aborted, aborted);
    assert_int_equal(c.left_open, 0);
}

TEST(sim_late_operations)
{
    struct result r;
    aw_sim_counts c;
    TRANSFER(&r, &c, .late = 0.5);
    assert_whole(&r);
    assert_true(c.late > 50);
}

/* The effect wins: bytes that were received are told, though the call was cancelled. */
struct four {
    int fd, n;
};

static int receive_four(void *arg)
{
    struct four *f = arg;
    char buf[4];
    f->n = (int)aw_recv(f->fd, buf, sizeof buf, 0);
    return 0;
}

static int cancelled_with_effect(void *arg)
{
    int fds[2], *effects = arg;
    char left[8];
    assert_int_equal(aw_sim_pair(fds, SOCK_STREAM), 0);
    for (int i = 0; i < 50; i++) {
        struct four f = {.fd = fds[1]};
        assert_int_equal(aw_send(fds[0], "abcd", 4, 0), 4);
        aw_task *t = aw_create_task(receive_four, &f);
        assert_int_equal(aw_sleep(0), 0);
        bool asked = aw_cancel(t);
        int ended = aw_join(t);
        assert_true(ended == 0 || ended == -ECANCELED);
        assert_true(f.n == 4 || f.n == -ECANCELED);
        effects[f.n == 4 && asked]++;
        if (f.n < 0)
            assert_int_equal(aw_recv(fds[1], left, sizeof left, 0), 4); /* nothing is lost */
    }
    assert_int_equal(aw_sim_close(fds[0]), 0);
    assert_int_equal(aw_sim_close(fds[1]), 0);
    return 0;
}

TEST(sim_effects_win_over_cancelling)
{
    int effects[2] = {0, 0};
    assert_int_equal(aw_sim_run(cancelled_with_effect, effects, .seed = 5, .late = 0.5), 0);
    assert_true(effects[0] > 0 && effects[1] > 0);
}

TEST(sim_calms_down)
{
    struct result r;
    aw_sim_counts c;
    TRANSFER(&r, &c, .split = 1, .short_read = 1, .storm = 0.5, .late = 0.5, .calm_after = 0.02);
    assert_whole(&r);
    assert_in_range(c.split, 1, 200); /* of twenty sends, and their parts */
}

/* ---- the same again ---- */

TEST(sim_same_seed_same_run_100_times)
{
    struct result r = {.sent = 0};
    uint64_t first = 0, again, different = 0;
    assert_int_equal(aw_sim_run(transfer, &r, .seed = 11, .swarm = true, .ret_trace = &first), 0);
    assert_true(first != 0);
    for (int i = 0; i < 100; i++) {
        r = (struct result){.sent = 0};
        assert_int_equal(aw_sim_run(transfer, &r, .seed = 11, .swarm = true, .ret_trace = &again),
                         0);
        assert_true(again == first);
    }
    for (uint64_t seed = 12; seed < 32; seed++) {
        r = (struct result){.sent = 0};
        assert_int_equal(aw_sim_run(transfer, &r, .seed = seed, .swarm = true, .ret_trace = &again),
                         0);
        different += again != first;
    }
    assert_int_equal(different, 20);
}
