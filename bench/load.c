/*
 * load.c - the load generator of the echo rows: `bench_load ROW PORT`, started by the server.
 *
 * N connections, on each of which a batch of requests of 64 bytes is under way: when the last byte
 * of its answers has come, the next batch is sent.  A fixed number of requests, after a tenth as
 * many that do not count.  It confines itself to the last CPU and the server, its parent, to the
 * first, where there are two; reads the server's processor time from outside, and prints the
 * figures of the row:
 *
 *     ROW       microseconds of the server's processor time per request
 *     ROW-rate  thousands of requests per second
 *     ROW-p50   microseconds from sending a batch until the whole answer is there, median
 *     ROW-p99   the 99th percentile of that
 *
 * Rows that begin with "websocket" are of the same in WebSocket: after a handshake each request is
 * a binary message of 64 bytes in a masked frame, and each answer the same message in a frame.
 *
 * The row that ends in "idle" only makes connections, each of which has had one answer, and prints
 * ROW-bytes: memory that the server holds for each.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"

#define MESSAGE ((size_t)64)
#define FRAME_MAX (MESSAGE + 6) /* a WebSocket frame with its header and mask */
#define MAX_DEPTH ((size_t)16)
#define EVENTS 512

struct shape {
    const char *name; /* the end of the row's */
    size_t connections, depth, requests;
};

static const struct shape shapes[] = {
    {"50", 50, 1, 400000},      {"1000", 1000, 1, 400000}, {"5000", 5000, 1, 400000},
    {"50x16", 50, 16, 4000000}, {"idle", 10000, 1, 0},
};

struct connection {
    int fd;
    size_t missing; /* bytes of the answers to the batch */
    double sent;
};

static struct connection *connections;
static size_t n_connections, depth;
static bool is_websocket;
static size_t request_size = MESSAGE, answer_size = MESSAGE;
static char message[FRAME_MAX * MAX_DEPTH]; /* requests, one behind the other */
static char first_answer[FRAME_MAX];
static pid_t server;

static int fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    return -1;
}

/* ---- the server, from outside ---- */

static void confine(pid_t thread, int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    (void)sched_setaffinity(thread, sizeof one, &one);
}

/* Every thread that the server has now; those to come are confined as their makers are. */
static void confine_server(int cpu)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)server);
    DIR *threads = opendir(path);
    for (struct dirent *e; threads && (e = readdir(threads)) != NULL;)
        if (e->d_name[0] != '.')
            confine((pid_t)strtol(e->d_name, NULL, 10), cpu);
    if (threads)
        closedir(threads);
}

static void part(void)
{
    cpu_set_t all;
    int first = CPU_SETSIZE, last = -1;
    if (sched_getaffinity(0, sizeof all, &all) < 0)
        return;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all)) {
            first = cpu < first ? cpu : first;
            last = cpu;
        }
    if (first >= last)
        return;
    confine(0, last);
    confine_server(first);
}

/* Both sides need a descriptor for each connection. */
static int raise_limits(size_t n)
{
    struct rlimit limit;
    pid_t both[] = {server, 0};
    for (size_t i = 0; i < 2; i++) {
        if (prlimit(both[i], RLIMIT_NOFILE, NULL, &limit) < 0)
            return fail("prlimit");
        if (limit.rlim_cur >= n)
            continue;
        limit.rlim_cur = n;
        limit.rlim_max = limit.rlim_max < n ? n : limit.rlim_max;
        if (prlimit(both[i], RLIMIT_NOFILE, &limit, NULL) < 0) {
            fprintf(stderr, "skipped: no more than %zu descriptors may be open\n",
                    (size_t)limit.rlim_cur);
            return -1;
        }
    }
    return 0;
}

static double server_memory(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)server);
    return bench_memory_in(path);
}

/* ---- connections ---- */

/* What is sent, and what it is answered with. */
static void make_messages(void)
{
    static const char header[] = "\x82\xc0mask";
    memset(message, 'e', sizeof message);
    memset(first_answer, 'e', sizeof first_answer);
    if (!is_websocket)
        return;
    request_size = MESSAGE + 6;
    answer_size = MESSAGE + 2;
    memcpy(first_answer, "\x82\x40", 2);
    for (size_t i = 0; i < sizeof message; i += request_size) {
        memcpy(message + i, header, 6);
        for (size_t j = 0; j < MESSAGE; j++)
            message[i + 6 + j] = (char)('e' ^ "mask"[j % 4]);
    }
}

/* WebSocket's handshake: up to the empty line of the answer, byte by byte. */
static int shake_hands(int fd)
{
    static const char ask[] = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    char last[5] = "", first[13] = "";
    if (send(fd, ask, sizeof ask - 1, MSG_NOSIGNAL) != (ssize_t)sizeof ask - 1 ||
        recv(fd, first, 12, MSG_WAITALL) != 12 || strcmp(first, "HTTP/1.1 101") != 0)
        return fail("the handshake");
    while (strcmp(last, "\r\n\r\n") != 0) {
        memmove(last, last + 1, 3);
        if (recv(fd, last + 3, 1, 0) != 1)
            return fail("the handshake's answer");
    }
    return 0;
}

/* One request and its answer, waited for: after it the server has surely accepted. */
static int greet(int fd)
{
    char answer[FRAME_MAX];
    if (is_websocket && shake_hands(fd) < 0)
        return -1;
    if (send(fd, message, request_size, MSG_NOSIGNAL) != (ssize_t)request_size ||
        recv(fd, answer, answer_size, MSG_WAITALL) != (ssize_t)answer_size)
        return fail("the first request");
    if (memcmp(answer, first_answer, answer_size) != 0) {
        fprintf(stderr, "load: the answer is not the request\n");
        return -1;
    }
    return 0;
}

static int connect_one(struct connection *c, unsigned port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)},
                             .sin_port = htons((uint16_t)port)};
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&at, sizeof at) < 0)
        return fail("connect");
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (greet(c->fd) < 0)
        return -1;
    return fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

static int connect_all(size_t n, unsigned port)
{
    connections = calloc(n, sizeof *connections);
    if (!connections || raise_limits(n + 64) < 0)
        return -1;
    for (; n_connections < n; n_connections++)
        if (connect_one(&connections[n_connections], port) < 0)
            return -1;
    return 0;
}

/* ---- the load ---- */

struct run {
    size_t to_send, to_come, n_took; /* batches */
    double *took;                    /* microseconds */
};

static int send_batch(struct run *r, struct connection *c, double now)
{
    r->to_send--;
    c->missing = answer_size * depth;
    c->sent = now;
    if (send(c->fd, message, request_size * depth, MSG_NOSIGNAL) == (ssize_t)(request_size * depth))
        return 0;
    return fail("send"); /* what is under way is far less than a socket holds */
}

static int take(struct run *r, struct connection *c)
{
    char answer[FRAME_MAX * MAX_DEPTH];
    ssize_t n = recv(c->fd, answer, sizeof answer, 0);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0 || (size_t)n > c->missing)
        return fail(n < 0 ? "recv" : n == 0 ? "the server has closed" : "too long an answer");
    c->missing -= (size_t)n;
    if (c->missing)
        return 0;
    double now = bench_now();
    r->took[r->n_took++] = (now - c->sent) * 1e6;
    r->to_come--;
    return r->to_send ? send_batch(r, c, now) : 0;
}

/* Everything that is sent comes back before this returns: nothing is left of it for the next. */
static int drive(int poll, struct run *r)
{
    struct epoll_event events[EVENTS];
    for (size_t i = 0; i < n_connections && r->to_send; i++)
        if (send_batch(r, &connections[i], bench_now()) < 0)
            return -1;
    while (r->to_come) {
        int n = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < n; i++)
            if (take(r, events[i].data.ptr) < 0)
                return -1;
    }
    return 0;
}

static int poll_all(void)
{
    int poll = epoll_create1(EPOLL_CLOEXEC);
    if (poll < 0)
        return fail("epoll_create1");
    for (size_t i = 0; i < n_connections; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = &connections[i]};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, connections[i].fd, &e) < 0)
            return fail("epoll_ctl");
    }
    return poll;
}

static void say(const char *row, const char *what, double value)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s", row, what);
    bench_say(name, value);
}

static int load(const char *row, const struct shape *shape)
{
    size_t n = bench_count(shape->requests, 1000) / shape->depth, warm = n / 10;
    struct run r = {.to_send = warm, .to_come = warm, .took = calloc(n, sizeof *r.took)};
    int poll = poll_all();
    depth = shape->depth;
    if (!r.took || poll < 0 || drive(poll, &r) < 0)
        return -1;
    r = (struct run){.to_send = n, .to_come = n, .took = r.took};
    double used = bench_cpu_of(server), began = bench_now();
    if (drive(poll, &r) < 0)
        return -1;
    double seconds = bench_now() - began, requests = (double)(n * shape->depth);
    used = bench_cpu_of(server) - used;
    qsort(r.took, n, sizeof *r.took, bench_compare_doubles);
    say(row, "", used * 1e6 / requests);
    say(row, "-rate", requests / seconds / 1e3);
    say(row, "-p50", r.took[n / 2]);
    say(row, "-p99", r.took[n * 99 / 100]);
    return 0;
}

static int run(const char *row, const struct shape *shape, unsigned port)
{
    double before = server_memory();
    if (connect_all(bench_count(shape->connections, 2), port) < 0)
        return -1;
    if (shape->requests)
        return load(row, shape);
    say(row, "-bytes", (server_memory() - before) / (double)n_connections);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3 || !strrchr(argv[1], '-'))
        return fprintf(stderr, "usage: %s ROW PORT\n", argv[0]), 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    server = getppid();
    is_websocket = !strncmp(argv[1], "websocket", 9);
    make_messages();
    part();
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (!strcmp(strrchr(argv[1], '-') + 1, shapes[i].name))
            return run(argv[1], &shapes[i], (unsigned)strtoul(argv[2], NULL, 10)) < 0;
    fprintf(stderr, "load: no row %s\n", argv[1]);
    return 2;
}
