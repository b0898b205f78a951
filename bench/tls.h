/*
 * tls.h - what the two servers of TLS's bulk row share: a certificate, a file, and the client.
 *
 * The server is a child on a CPU of its own; this process is the client, on another one, and the
 * same for both servers: a blocking program that asks for the file and decrypts it.
 */
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/ssl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

#define TLS_REQUEST "GET /blob HTTP/1.0\r\n\r\n"

/* ---- a folder with cert.pem, key.pem and the blob ---- */

struct tls_place {
    char folder[64];
    size_t size; /* of the blob */
};

static inline int tls_place_make(struct tls_place *p)
{
    char command[512], blob[96];
    snprintf(p->folder, sizeof p->folder, "/tmp/await-bench-XXXXXX");
    if (!mkdtemp(p->folder))
        return perror("mkdtemp"), -1;
    snprintf(command, sizeof command,
             "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
             "-subj /CN=bench -days 2 -keyout key.pem -out cert.pem 2>/dev/null",
             p->folder);
    if (system(command) != 0)
        return fprintf(stderr, "the command openssl is needed\n"), -1;
    p->size = bench_count((size_t)1 << 30, 1 << 20);
    snprintf(blob, sizeof blob, "%s/blob", p->folder);
    int fd = open(blob, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)p->size) < 0)
        return perror(blob), -1;
    static char buf[1 << 16];
    while (read(fd, buf, sizeof buf) > 0)
        ; /* it is in memory then */
    return close(fd);
}

static inline void tls_place_remove(const struct tls_place *p)
{
    static const char *const names[] = {"cert.pem", "key.pem", "blob", ""};
    char path[96];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", p->folder, names[i]);
        (void)remove(path);
    }
}

/* ---- CPUs ---- */

/* This process to the n-th CPU that it may use, if there are so many. */
static inline void tls_confine(int n)
{
    cpu_set_t may, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof may, &may) < 0 || CPU_COUNT(&may) < 2)
        return;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &may) && n-- == 0)
            CPU_SET(cpu, &one);
    (void)sched_setaffinity(0, sizeof one, &one);
}

/* Processor seconds that a process of one thread has used. */
static inline double tls_cpu_of(pid_t pid)
{
    char path[64];
    unsigned long long ns = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f || fscanf(f, "%llu", &ns) != 1)
        ns = 0;
    if (f)
        fclose(f);
    return (double)ns / 1e9;
}

/* ---- the client ---- */

/* Connected; tries for as long as the server takes to listen. */
static inline int tls_connect(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    for (double until = bench_now() + 10; bench_now() < until; usleep(1000)) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
            return fd;
        close(fd);
    }
    return fprintf(stderr, "nobody listens on port %u\n", port), -1;
}

/* Ask and read everything: bytes, or -1. */
static inline double tls_fetch(SSL *ssl)
{
    static char buf[1 << 16];
    double sum = 0;
    int n;
    if (SSL_connect(ssl) != 1 || SSL_write(ssl, TLS_REQUEST, sizeof TLS_REQUEST - 1) <= 0)
        return fprintf(stderr, "no handshake\n"), -1;
    while ((n = SSL_read(ssl, buf, sizeof buf)) > 0)
        sum += n;
    return sum;
}

static inline int tls_measure(const struct tls_place *p, unsigned port, pid_t server)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = ctx ? SSL_new(ctx) : NULL;
    tls_confine(0);
    int fd = tls_connect(port);
    if (!ssl || fd < 0 || SSL_set_fd(ssl, fd) != 1)
        return -1;
    double began = bench_now(), cpu = tls_cpu_of(server), bytes = tls_fetch(ssl);
    double took = bench_now() - began;
    cpu = tls_cpu_of(server) - cpu;
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
    if (bytes < (double)p->size)
        return fprintf(stderr, "only %.0f of %zu bytes came\n", bytes, p->size), -1;
    bench_say("tls-bulk", bytes / took / 1e6);
    bench_say("tls-bulk-cpu", cpu / bytes * 1e9);
    return 0;
}

/* The server's process is serve(place, port), which does not return while it serves. */
static inline int tls_run(int (*serve)(const struct tls_place *p, unsigned port))
{
    struct tls_place p;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (tls_place_make(&p) < 0 || bind(fd, (struct sockaddr *)&at, size) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) < 0)
        return -1;
    close(fd); /* the port is free, and nobody else asks for it */
    pid_t server = fork();
    if (server == 0) {
        tls_confine(1);
        _exit(serve(&p, ntohs(at.sin_port)) < 0);
    }
    int err = server < 0 ? -1 : tls_measure(&p, ntohs(at.sin_port), server);
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    tls_place_remove(&p);
    return err;
}

#endif
