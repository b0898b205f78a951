/*
 * The simulated network without faults: its time, its sockets, what it refuses, and that the same
 * seed gives the same run.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

#include "../core/util.h"
#include "await/net.h"
#include "await/testing.h"
#include "harness/test.h"

static void assert_seconds(double seconds, double expected)
{
    assert_true(seconds > expected - 1e-6 && seconds < expected + 1e-6);
}

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

static int bind_in(int fd, const struct sockaddr_in *at)
{
    return aw_sim_bind(fd, (const struct sockaddr *)(const void *)at, sizeof *at);
}

static int listener_at(unsigned port, int backlog)
{
    struct sockaddr_in at = loopback(port);
    int fd = aw_sim_socket(AF_INET, SOCK_STREAM);
    assert_true(fd >= AW_SIM_FIRST_FD);
    assert_int_equal(bind_in(fd, &at), 0);
    assert_int_equal(aw_sim_listen(fd, backlog), 0);
    return fd;
}

static int connect_to(int fd, unsigned port)
{
    struct sockaddr_in at = loopback(port);
    return aw_connect(fd, (struct sockaddr *)(void *)&at, sizeof at);
}

static void close_both(const int fds[2])
{
    assert_int_equal(aw_sim_close(fds[0]), 0);
    assert_int_equal(aw_sim_close(fds[1]), 0);
}

/* ---- time ---- */

static int one_way_takes_the_latency(void *arg)
{
    int fds[2];
    char buf[8];
    (void)arg;
    assert_int_equal(aw_sim_pair(fds, SOCK_STREAM), 0);
    double began = aw_time();
    assert_int_equal(aw_send(fds[0], "abc", 3, 0), 3);
    assert_true(aw_time() == began);
    assert_int_equal(aw_recv(fds[1], buf, 8, MSG_DONTWAIT), -EAGAIN);
    assert_int_equal(aw_recv(fds[1], buf, 8, 0), 3);
    assert_seconds(aw_time() - began, 0.25);
    close_both(fds);
    return 0;
}

TEST(sim_bytes_take_the_latency)
{
    assert_int_equal(aw_sim_run(one_way_takes_the_latency, NULL, .latency = 0.25), 0);
}

/* A knock and its answer: twice. */
static int connecting_takes_two_ways(void *arg)
{
    (void)arg;
    int listener = listener_at(80, 5), fds[2] = {aw_sim_socket(AF_INET, SOCK_STREAM), -1};
    double began = aw_time();
    assert_int_equal(connect_to(fds[0], 80), 0);
    assert_seconds(aw_time() - began, 0.5);
    fds[1] = aw_accept(listener, NULL, NULL);
    assert_true(fds[1] >= 0);
    close_both(fds);
    assert_int_equal(aw_sim_close(listener), 0);
    return 0;
}

TEST(sim_connecting_takes_two_ways)
{
    assert_int_equal(aw_sim_run(connecting_takes_two_ways, NULL, .latency = 0.25), 0);
}

/* Timers and the network share one clock. */
static int timers_go_on(void *arg)
{
    int fds[2];
    char c;
    (void)arg;
    assert_int_equal(aw_sim_pair(fds, SOCK_STREAM), 0);
    assert_int_equal(aw_send(fds[0], "x", 1, 0), 1);
    assert_int_equal(aw_sleep(0.1), 0);
    assert_int_equal(aw_recv(fds[1], &c, 1, MSG_DONTWAIT), -EAGAIN);
    assert_int_equal(aw_sleep(0.2), 0);
    assert_int_equal(aw_recv(fds[1], &c, 1, MSG_DONTWAIT), 1);
    assert_seconds(aw_time(), 0.3);
    close_both(fds);
    return 0;
}

TEST(sim_timers_and_bytes_share_a_clock)
{
    assert_int_equal(aw_sim_run(timers_go_on, NULL, .latency = 0.25), 0);
}

/* The kernel's descriptors work as ever, beside the others. */
static int both_worlds(void *arg)
{
    int fds[2], real[2];
    char c;
    (void)arg;
    assert_int_equal(aw_sim_pair(fds, SOCK_STREAM), 0);
    assert_int_equal(pipe(real), 0);
    assert_int_equal(aw_write(real[1], "r", 1), 1);
    assert_int_equal(aw_send(fds[0], "s", 1, 0), 1);
    assert_int_equal(aw_read(real[0], &c, 1), 1);
    assert_int_equal(c, 'r');
    assert_int_equal(aw_recv(fds[1], &c, 1, 0), 1);
    assert_int_equal(c, 's');
    close(real[0]);
    close(real[1]);
    close_both(fds);
    return 0;
}

TEST(sim_leaves_real_descriptors_alone)
{
    assert_int_equal(aw_sim_run(both_worlds, NULL), 0);
}

/* ---- sockets ---- */

static int names_and_numbers(void *arg)
{
    struct sockaddr_in at = loopback(0), name;
    aw_socklen len = sizeof name;
    (void)arg;
    int a = aw_sim_socket(AF_INET, SOCK_STREAM), b = aw_sim_socket(AF_INET, SOCK_STREAM);
    assert_int_equal(b, a + 1);
    assert_int_equal(bind_in(a, &at), 0);
    assert_int_equal(aw_sim_getsockname(a, (struct sockaddr *)(void *)&name, &len), 0);
    assert_int_equal(len, sizeof name);
    assert_true(ntohs(name.sin_port) > 0);
    assert_int_equal(bind_in(b, &name), -EADDRINUSE);
    assert_int_equal(bind_in(a, &name), -EINVAL);
    assert_int_equal(aw_sim_close(a), 0);
    assert_int_equal(bind_in(b, &name), 0);
    assert_int_equal(aw_sim_socket(AF_INET, SOCK_STREAM), a); /* the lowest number */
    assert_int_equal(aw_sim_close(a), 0);
    assert_int_equal(aw_sim_close(b), 0);
    assert_int_equal(aw_sim_close(b), -EBADF);
    assert_int_equal(aw_sim_socket(AF_INET, SOCK_DGRAM), -EPROTONOSUPPORT);
    assert_int_equal(aw_sim_socket(AF_NETLINK, SOCK_STREAM), -EAFNOSUPPORT);
    return 0;
}

TEST(sim_names_and_numbers)
{
    assert_int_equal(aw_sim_run(names_and_numbers, NULL), 0);
}

/* A way holds .buffer bytes; who sends more waits until some were received. */
static int little_room(void *arg)
{
    int fds[2];
    char buf[16];
    (void)arg;
    assert_int_equal(aw_sim_pair(fds, SOCK_STREAM), 0);
    assert_int_equal(aw_send(fds[0], "0123456789abcdef", 16, 0), 10);
    assert_int_equal(aw_send(fds[0], "x", 1, MSG_DONTWAIT), -EAGAIN);
    assert_int_equal(aw_recv(fds[1], buf, 4, 0), 4);
    assert_int_equal(aw_send(fds[0], "ABCDEF", 6, 0), 4);
    assert_int_equal(aw_recv(fds[1], buf, 16, 0), 10);
    assert_memory_equal(buf, "456789ABCD", 10);
    close_both(fds);
    return 0;
}

TEST(sim_way_holds_so_much)
{
    assert_int_equal(aw_sim_run(little_room, NULL, .buffer = 10), 0);
}

/* As with TCP: unread bytes at the close, or bytes to who is gone, break the connection. */
static int unread_at_close(void *arg)
{
    int fds[2];
    char c;
    (void)arg;
    assert_int_equal(aw_sim_pair(fds, SOCK_STREAM), 0);
    assert_int_equal(aw_send(fds[0], "xy", 2, 0), 2);
    assert_int_equal(aw_recv(fds[1], &c, 1, 0), 1);
    assert_int_equal(aw_sim_close(fds[1]), 0);
    assert_int_equal(aw_recv(fds[0], &c, 1, 0), -ECONNRESET);
    assert_int_equal(aw_recv(fds[0], &c, 1, 0), 0);
    assert_int_equal(aw_send(fds[0], "z", 1, 0), -EPIPE);
    assert_int_equal(aw_sim_close(fds[0]), 0);
    return 0;
}

TEST(sim_unread_bytes_break_the_connection)
{
    assert_int_equal(aw_sim_run(unread_at_close, NULL), 0);
}

static int reset_by_hand(void *arg)
{
    int fds[2];
    char c;
    (void)arg;
    assert_int_equal(aw_sim_pair(fds, SOCK_STREAM), 0);
    assert_int_equal(aw_sim_reset(fds[0]), 0);
    assert_int_equal(aw_recv(fds[0], &c, 1, 0), -ECONNRESET);
    assert_int_equal(aw_recv(fds[1], &c, 1, 0), -ECONNRESET);
    close_both(fds);
    return 0;
}

TEST(sim_reset_by_hand)
{
    assert_int_equal(aw_sim_run(reset_by_hand, NULL), 0);
}

/* The third knock finds no room until somebody accepts. */
static int connect_in_task(void *arg)
{
    int *fd = arg;
    *fd = aw_sim_socket(AF_INET, SOCK_STREAM);
    return connect_to(*fd, 80);
}

static int backlog_is_full(void *arg)
{
    int listener = listener_at(80, 1), fds[3], accepted[3];
    aw_task *tasks[3];
    aw_sim_counts counts;
    (void)arg;
    for (int i = 0; i < 3; i++)
        tasks[i] = aw_create_task(connect_in_task, &fds[i]);
    assert_int_equal(aw_join(tasks[0]), 0);
    assert_int_equal(aw_join(tasks[1]), 0);
    assert_int_equal(aw_sleep(0.5), 0);
    assert_false(aw_done(tasks[2]));
    assert_int_equal(aw_sim_count(&counts), 0);
    assert_int_equal(counts.full_backlogs, 1);
    for (int i = 0; i < 3; i++)
        assert_true((accepted[i] = aw_accept(listener, NULL, NULL)) >= 0);
    assert_int_equal(aw_join(tasks[2]), 0);
    assert_true(aw_time() >= 1);
    for (int i = 0; i < 3; i++)
        close_both((int[2]){fds[i], accepted[i]});
    return aw_sim_close(listener);
}

TEST(sim_full_backlog_makes_clients_wait)
{
    assert_int_equal(aw_sim_run(backlog_is_full, NULL), 0);
}

static int never_accepted(void *arg)
{
    int listener = listener_at(80, 1), fds[3];
    (void)arg;
    for (int i = 0; i < 3; i++) {
        fds[i] = aw_sim_socket(AF_INET, SOCK_STREAM);
        assert_int_equal(connect_to(fds[i], 80), i < 2 ? 0 : -ETIMEDOUT);
    }
    assert_int_equal(connect_to(fds[2], 81), -ECONNREFUSED);
    assert_int_equal(aw_sim_close(listener), 0); /* those in the backlog are broken off */
    char c;
    assert_int_equal(aw_recv(fds[0], &c, 1, 0), -ECONNRESET);
    for (int i = 0; i < 3; i++)
        assert_int_equal(aw_sim_close(fds[i]), 0);
    return 0;
}

TEST(sim_backlog_that_stays_full_times_out)
{
    assert_int_equal(aw_sim_run(never_accepted, NULL), 0);
}

/* ---- the library's own sockets ---- */

static int say_hello(aw_stream *s, void *arg)
{
    (void)arg;
    return aw_stream_write(s, "hello\n", 6);
}

static int by_net_h(void *arg)
{
    aw_server *server;
    aw_stream *s;
    char *line;
    const char *host = arg;
    assert_int_equal(aw_start_server(&server, say_hello, host, "8080"), 0);
    assert_int_equal(aw_open_connection(&s, host, "8080"), 0);
    assert_true(aw_stream_fd(s) >= AW_SIM_FIRST_FD);
    assert_int_equal(aw_stream_readline(s, &line), 6);
    assert_string_equal(line, "hello\n");
    assert_int_equal(aw_stream_close(s), 0);
    assert_int_equal(aw_stream_wait_closed(s), 0);
    aw_stream_unref(s);
    assert_int_equal(aw_server_close(server), 0);
    assert_int_equal(aw_server_wait_closed(server), 0);
    aw_server_unref(server);
    return 0;
}

TEST(sim_carries_servers_and_clients)
{
    aw_sim_counts counts;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        const char *host = seed % 2 ? "127.0.0.1" : "::1";
        assert_int_equal(aw_sim_run(by_net_h, (void *)(uintptr_t)host, .seed = seed,
                                    .latency = 0.01, .late = 0.3, .ret_counts = &counts),
                         0);
        assert_int_equal(counts.connections, 1);
        assert_int_equal(counts.left_open, 0);
    }
}

static int by_path(void *arg)
{
    aw_server *server;
    aw_stream *s;
    char *line;
    (void)arg;
    assert_int_equal(aw_start_unix_server(&server, say_hello, "@sim"), 0);
    assert_int_equal(aw_open_unix_connection(&s, "@sim"), 0);
    assert_int_equal(aw_stream_readline(s, &line), 6);
    aw_stream_unref(s);
    assert_int_equal(aw_server_close(server), 0);
    assert_int_equal(aw_server_wait_closed(server), 0);
    aw_server_unref(server);
    return 0;
}

TEST(sim_carries_local_sockets)
{
    assert_int_equal(aw_sim_run(by_path, NULL, .latency = 0.01), 0);
}

/* ---- mistakes ---- */

static int ignore_report(const struct aw_report *r, void *arg)
{
    (void)r;
    ++*(int *)arg;
    return 0;
}

static int waits_for_nothing(void *arg)
{
    int fds[2];
    char c;
    (void)arg;
    assert_int_equal(aw_sim_pair(fds, SOCK_STREAM), 0);
    int err = (int)aw_recv(fds[0], &c, 1, 0);
    close_both(fds);
    return err;
}

/* Nobody will ever send: that is a deadlock, and no run without an end. */
TEST(sim_deadlock_is_noticed)
{
    int told = 0;
    assert_int_equal(aw_sim_run(waits_for_nothing, NULL, .exception_handler = ignore_report,
                                .exception_arg = &told),
                     -EDEADLK);
    assert_int_equal(told, 1);
}

static int leaves_open(void *arg)
{
    int fds[2];
    (void)arg;
    assert_int_equal(aw_sim_pair(fds, SOCK_STREAM), 0);
    assert_int_equal(aw_send(fds[0], "abc", 3, 0), 3);
    listener_at(80, 1);
    int fd = aw_sim_socket(AF_INET, SOCK_STREAM);
    assert_int_equal(connect_to(fd, 80), 0);
    return 0;
}

TEST(sim_counts_what_was_left_open)
{
    aw_sim_counts counts;
    assert_int_equal(aw_sim_run(leaves_open, NULL, .latency = 1, .ret_counts = &counts), 0);
    assert_int_equal(counts.left_open, 4);
}

static int few_descriptors(void *arg)
{
    int fds[2], more[2];
    (void)arg;
    assert_int_equal(aw_sim_pair(fds, SOCK_STREAM), 0);
    assert_int_equal(aw_sim_pair(more, SOCK_STREAM), -EMFILE);
    assert_true(aw_sim_socket(AF_INET, SOCK_STREAM) >= 0);
    assert_int_equal(aw_sim_socket(AF_INET, SOCK_STREAM), -EMFILE);
    close_both(fds);
    return 0;
}

TEST(sim_limit_of_descriptors)
{
    assert_int_equal(aw_sim_run(few_descriptors, NULL, .descriptors = 3), 0);
}

static int receive_for_ever(void *arg)
{
    char c;
    return (int)aw_recv(*(int *)arg, &c, 1, 0);
}

static int closes_under_a_waiter(void *arg)
{
    int fds[2];
    (void)arg;
    assert_int_equal(aw_sim_pair(fds, SOCK_STREAM), 0);
    aw_unref(aw_create_task(receive_for_ever, &fds[0]));
    assert_int_equal(aw_sleep(0), 0);
    return aw_sim_close(fds[0]);
}

static void run_closing(void *arg)
{
    (void)arg;
    aw_ignore(aw_sim_run(closes_under_a_waiter, NULL));
}

TEST(sim_closing_under_a_waiter_ends_the_process)
{
    struct child_result r;
    run_child(&r, run_closing, NULL);
    assert_true(child_killed(&r, 6));
    assert_non_null(strstr(r.err, "a descriptor was closed that an operation waits on"));
}

static int misused(void *arg)
{
    (void)arg;
    assert_int_equal(aw_sim_run(misused, NULL), AW_EMISUSE);
    assert_int_equal(aw_sim_count(NULL), -EINVAL);
    assert_int_equal(aw_sim_close(0), -EBADF);
    assert_int_equal(aw_sim_shutdown(AW_SIM_FIRST_FD), -EBADF);
    assert_int_equal(aw_sim_pair(NULL, SOCK_STREAM), -EINVAL);
    return 0;
}

TEST(sim_misuse_is_an_error)
{
    int fds[2];
    aw_sim_counts counts;
    assert_int_equal(aw_sim_calm(), AW_EMISUSE);
    assert_int_equal(aw_sim_count(&counts), AW_EMISUSE);
    assert_int_equal(aw_sim_pair(fds, SOCK_STREAM), AW_EMISUSE);
    assert_int_equal(aw_sim_run(misused, NULL), 0);
    assert_int_equal(aw_sim_run(misused, NULL, .reset = 1.5), -EINVAL);
    assert_int_equal(aw_sim_run(misused, NULL, .late = -1), -EINVAL);
    assert_int_equal(aw_sim_run(misused, NULL, .latency = -1), -EINVAL);
    assert_int_equal(aw_sim_run(misused, NULL, .descriptors = AW_SIM_FDS + 1), -EINVAL);
    assert_int_equal(aw_sim_run(NULL, NULL), -EINVAL);
    assert_int_equal(aw_run(misused, NULL, .backend = "simulator"), -EINVAL);
}
