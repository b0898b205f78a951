/*
 * echo.h - what the echo servers share: their rows, and the load generator beside them.
 *
 * A server listens on a free port and starts the load generator (load.c), another process, with the
 * row and the port.  That one confines both to CPUs of their own, measures, and prints the figures
 * of the row; the server ends with it.  So servers in every language are measured alike.
 */
#ifndef BENCH_ECHO_H
#define BENCH_ECHO_H

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

#define ECHO_BUFFER 1024 /* bytes that a server reads at a time */

/* The rows: connections, then how many requests are sent at a time. */
#define ECHO_ROWS(row_) row_(50) row_(1000) row_(5000) row_(50x16) row_(idle)
#define ECHO_EPOLL_ROWS(row_) row_(50) row_(1000) row_(5000) row_(50x16)

/* The server has nothing more to do: its load generator has printed the figures, or why not. */
static void echo_over(int signo)
{
    int status = 0;
    (void)signo;
    (void)waitpid(-1, &status, WNOHANG);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* A program beside this one, or beside bench_load where the environment says where that is. */
static inline int echo_load_path(char path[PATH_MAX], const char *program)
{
    const char *named = getenv("BENCH_LOAD");
    ssize_t n = named ? snprintf(path, PATH_MAX - 32, "%s", named)
                      : readlink("/proc/self/exe", path, PATH_MAX - 32);
    if (n < 0 || n >= PATH_MAX - 32)
        return -1;
    path[n] = 0;
    char *slash = strrchr(path, '/');
    snprintf(slash ? slash + 1 : path, 32, "%s", program);
    return 0;
}

/* Start this load generator: the process ends when it does. */
static inline int echo_load_by(const char *program, const char *row, unsigned port)
{
    char path[PATH_MAX], text[16];
    if (echo_load_path(path, program) < 0)
        return perror(program), -1;
    snprintf(text, sizeof text, "%u", port);
    signal(SIGCHLD, echo_over);
    pid_t child = fork();
    if (child < 0)
        return perror("fork"), -1;
    if (child == 0) {
        execl(path, path, row, text, (char *)NULL);
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        _exit(1);
    }
    return 0;
}

static inline int echo_load(const char *row, unsigned port)
{
    return echo_load_by("bench_load", row, port);
}

/* A socket that listens on a free port of this machine's own interface; or -1, said why. */
static inline int echo_listen(unsigned *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) < 0 || listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) < 0)
        return perror("listen"), -1;
    *ret_port = ntohs(at.sin_port);
    return fd;
}

#endif
