/*
 * http_client.h - what the HTTP clients share: how much they ask for, and the server beside them.
 *
 * The server is a process of its own, the same for every client: one thread with epoll that knows
 * one answer, 200 with 1 KiB, and gives it for every head that ends, on connections that are kept.
 */
#ifndef BENCH_HTTP_CLIENT_H
#define BENCH_HTTP_CLIENT_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"

enum { HTTP_CLIENTS = 64, HTTP_BODY = 1024, HTTP_REQUESTS = 60000 };

static char http_answer[HTTP_BODY + 200];
static size_t http_answer_size;

static void http_make_answer(void)
{
    int n = snprintf(http_answer, sizeof http_answer,
                     "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\n"
                     "Content-Length: %d\r\n\r\n",
                     HTTP_BODY);
    memset(http_answer + n, 'x', HTTP_BODY);
    http_answer_size = (size_t)n + HTTP_BODY;
}

/* A head comes in one piece, as clients send it; its end is the end of what has come. */
static void http_talk(int fd)
{
    char buf[4096];
    ssize_t n = recv(fd, buf, sizeof buf, 0);
    if (n <= 0) {
        close(fd);
        return;
    }
    if (n >= 4 && !memcmp(buf + n - 4, "\r\n\r\n", 4))
        (void)!send(fd, http_answer, http_answer_size, MSG_NOSIGNAL);
}

static void http_accept(int ep, int listener)
{
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    if (fd < 0)
        return;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

static _Noreturn void http_serve(int listener)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener}, ready[128];
    int ep = epoll_create1(EPOLL_CLOEXEC);
    http_make_answer();
    (void)epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int n = epoll_wait(ep, ready, 128, -1);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.fd == listener)
                http_accept(ep, listener);
            else
                http_talk(ready[i].data.fd);
        }
    }
}

/* Starts the server, which ends with this process: its port, or 0. */
static inline unsigned http_start_server(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) < 0 || listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) < 0)
        return perror("listen"), 0u;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        http_serve(fd);
    }
    close(fd);
    return child < 0 ? 0u : ntohs(at.sin_port);
}

#endif
