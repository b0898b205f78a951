/*
 * sioload.c - the load of the Socket.IO rows: `bench_sioload ROW PORT`, started by the server.
 *
 * N clients by WebSocket, in the namespace "/".  The first one emits `go`, for which the server
 * broadcasts an event whose frame has 64 bytes; when every client has it, the next one is asked
 * for. It confines itself to the last CPU and the server, its parent, to the first, where there are
 * two; reads the server's processor time and memory from outside, and prints the figures of the
 * row:
 *
 *     ROW       seconds of the server's processor time per 100,000 deliveries
 *     ROW-rate  thousands of deliveries per second
 *
 * The row that ends in "idle" only makes clients, and prints ROW-bytes: memory that the server
 * holds for each.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

enum { ROOM = 512, EVENTS = 512, WARM = 20 };

/* A client: what it has received and not yet made use of. */
struct client {
    int fd;
    size_t n;
    unsigned char data[ROOM];
};

static struct client *clients;
static size_t n_clients, delivered;
static pid_t server;

static int fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "not what it should be");
    return -1;
}

/* ---- the server, from outside ---- */

static double server_memory(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)server);
    return bench_memory_in(path);
}

static void confine(pid_t thread, int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    (void)sched_setaffinity(thread, sizeof one, &one);
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
    confine(server, first);
}

static int raise_limits(size_t n)
{
    pid_t both[] = {server, 0};
    for (size_t i = 0; i < 2; i++) {
        struct rlimit limit = {.rlim_cur = n, .rlim_max = n}, now;
        if (prlimit(both[i], RLIMIT_NOFILE, NULL, &now) < 0)
            return fail("prlimit");
        if (now.rlim_cur < n && prlimit(both[i], RLIMIT_NOFILE, &limit, NULL) < 0) {
            fprintf(stderr, "skipped: no more than %zu descriptors may be open\n",
                    (size_t)now.rlim_cur);
            return -1;
        }
    }
    return 0;
}

/* ---- frames ---- */

/* A text frame of a client's, masked with zeros. */
static int send_text(const struct client *c, const char *text)
{
    unsigned char frame[128] = {0x81};
    size_t n = strlen(text);
    frame[1] = (unsigned char)(0x80 | n);
    memcpy(frame + 6, text, n);
    return send(c->fd, frame, n + 6, MSG_NOSIGNAL) == (ssize_t)(n + 6) ? 0 : fail("send");
}

/* The whole frame in front, or 0 while it is not all there; none is longer than 125 + 2 bytes
 * here, or 4 + its length. */
static size_t frame_size(const struct client *c)
{
    if (c->n < 4)
        return c->n >= 2 && c->data[1] + 2u <= c->n ? c->data[1] + 2u : 0;
    size_t size = c->data[1] == 126 ? 4 + ((size_t)c->data[2] << 8 | c->data[3]) : 2u + c->data[1];
    return size <= c->n ? size : 0;
}

static void drop(struct client *c, size_t n)
{
    memmove(c->data, c->data + n, c->n - n);
    c->n -= n;
}

/* A frame: of a broadcast, or a ping, which is answered. */
static int hear(struct client *c, size_t size)
{
    const unsigned char *text = c->data + (c->data[1] == 126 ? 4 : 2);
    if (c->data[0] != 0x81)
        return fail("a frame");
    if (text[0] == '2')
        return send_text(c, "3");
    delivered += size > 10;
    return 0;
}

static int receive(struct client *c)
{
    size_t size;
    ssize_t n = recv(c->fd, c->data + c->n, ROOM - c->n, 0);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        return fail(n < 0 ? "recv" : "the server has closed");
    c->n += (size_t)n;
    while ((size = frame_size(c)) > 0) {
        if (hear(c, size) < 0)
            return -1;
        drop(c, size);
    }
    return 0;
}

/* ---- clients ---- */

/* One frame that begins with this text, waited for. */
static int expect(struct client *c, const char *begin)
{
    size_t size;
    while ((size = frame_size(c)) == 0) {
        ssize_t n = recv(c->fd, c->data + c->n, ROOM - c->n, 0);
        if (n <= 0)
            return fail("the handshake");
        c->n += (size_t)n;
    }
    const unsigned char *text = c->data + (c->data[1] == 126 ? 4 : 2);
    errno = 0;
    if (memcmp(text, begin, strlen(begin)) != 0)
        return fail(begin);
    drop(c, size);
    return 0;
}

static int shake_hands(struct client *c)
{
    static const char request[] =
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "User-Agent: bench/1.0\r\nAccept: */*\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    unsigned char *end = NULL;
    if (send(c->fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0)
        return fail("send");
    while (!end) {
        ssize_t n = recv(c->fd, c->data + c->n, ROOM - c->n, 0);
        if (n <= 0)
            return fail("the answer");
        c->n += (size_t)n;
        end = memmem(c->data, c->n, "\r\n\r\n", 4);
    }
    drop(c, (size_t)(end + 4 - c->data));
    return expect(c, "0{") < 0 || send_text(c, "40") < 0 || expect(c, "40{") < 0 ? -1 : 0;
}

static int connect_one(struct client *c, unsigned port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)},
                             .sin_port = htons((uint16_t)port)};
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&at, sizeof at) < 0)
        return fail("connect");
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return shake_hands(c) < 0 ? -1 : fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

static int connect_all(size_t n, unsigned port)
{
    clients = calloc(n, sizeof *clients);
    if (!clients || raise_limits(n + 64) < 0)
        return -1;
    for (; n_clients < n; n_clients++)
        if (connect_one(&clients[n_clients], port) < 0)
            return -1;
    return 0;
}

/* ---- the load ---- */

static int poll_all(void)
{
    int poll = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; poll >= 0 && i < n_clients; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = &clients[i]};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, clients[i].fd, &e) < 0)
            return fail("epoll_ctl");
    }
    return poll;
}

static int broadcast(int poll, size_t times)
{
    struct epoll_event events[EVENTS];
    for (size_t i = 0; i < times; i++) {
        delivered = 0;
        if (send_text(&clients[0], "42[\"go\"]") < 0)
            return -1;
        while (delivered < n_clients) {
            int n = epoll_wait(poll, events, EVENTS, -1);
            for (int k = 0; k < n; k++)
                if (receive(events[k].data.ptr) < 0)
                    return -1;
        }
    }
    return 0;
}

static void say(const char *row, const char *what, double value)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s", row, what);
    bench_say(name, value);
}

static int load(const char *row)
{
    size_t times = bench_count(300, 10);
    int poll = poll_all();
    if (poll < 0 || broadcast(poll, WARM) < 0)
        return -1;
    double used = bench_cpu_of(server), began = bench_now();
    if (broadcast(poll, times) < 0)
        return -1;
    double seconds = bench_now() - began, deliveries = (double)(times * n_clients);
    say(row, "", (bench_cpu_of(server) - used) * 1e5 / deliveries);
    say(row, "-rate", deliveries / seconds / 1e3);
    return 0;
}

static int run(const char *row, unsigned port)
{
    bool idle = strstr(row, "idle") != NULL;
    double before = server_memory();
    if (connect_all(bench_count(idle ? 10000 : 1000, 2), port) < 0)
        return -1;
    if (!idle)
        return load(row);
    say(row, "-bytes", (server_memory() - before) / (double)n_clients);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return fprintf(stderr, "usage: %s ROW PORT\n", argv[0]), 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    server = getppid();
    part();
    return run(argv[1], (unsigned)strtoul(argv[2], NULL, 10)) < 0;
}
