/*
 * sio.c - beside bench/sio.c: the frame of a broadcast, sent to each client by one send().
 *
 * What clients say is told apart by the first bytes only, the answers are constants, nothing is
 * checked and nothing queued: a client that does not read in time misses events.  It is not a
 * floor: sends that are handed over together cost less.
 */
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include "bench/echo.h"

enum { CLIENTS = 16384, EVENTS = 512 };

static int clients[CLIENTS], n_clients;

#define TEXT(size_, text_) "\x81" size_ text_

static void say(int fd, const char *bytes, size_t n)
{
    (void)!send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void broadcast(void)
{
    static const char frame[] =
        TEXT("\x3e", "42[\"news\",\"0123456789012345678901234567890123456789012345678\"]");
    _Static_assert(sizeof frame - 1 == 64, "a frame of 64 bytes");
    for (int i = 0; i < n_clients; i++)
        say(clients[i], frame, sizeof frame - 1);
}

/* A request to upgrade; or a frame of "40" or "42…", masked with zeros. */
static void hear(int fd)
{
    static const char upgraded[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                   "Connection: Upgrade\r\n\r\n" TEXT("\x0c", "0{\"sid\":\"a\"}"),
                      joined[] = TEXT("\x0d", "40{\"sid\":\"b\"}");
    char data[1024];
    ssize_t n = recv(fd, data, sizeof data, MSG_DONTWAIT);
    if (n <= 0)
        return;
    if (data[0] == 'G')
        say(fd, upgraded, sizeof upgraded - 1);
    else if (n >= 8 && data[7] == '2')
        broadcast();
    else
        say(fd, joined, sizeof joined - 1);
}

static void add(int poll, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), on = 1;
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    if (fd < 0 || n_clients == CLIENTS)
        return;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &e) == 0)
        clients[n_clients++] = fd;
}

static int serve(const char *row)
{
    unsigned port;
    int listener = echo_listen(&port), poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS] = {{.events = EPOLLIN, .data.fd = listener}};
    if (listener < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, listener, events) < 0 ||
        echo_load_by("bench_sioload", row, port) < 0)
        return -1;
    for (;;) {
        int n = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < n; i++)
            if (events[i].data.fd == listener)
                add(poll, listener);
            else
                hear(events[i].data.fd);
    }
}

static int run_broadcast(void)
{
    return serve("sio-broadcast");
}

static const struct bench_row rows[] = {{"sio-broadcast", run_broadcast}};
BENCH_MAIN(rows)
