/*
 * soak.c - an echo server under load for as long as one likes: memory and descriptors stay as they
 * are.
 *
 * The server runs in the main thread's loop, the clients in a loop thread's.  Clients come, send
 * lines of many lengths, compare what comes back, and leave: most in good order, some in the middle
 * of a line, some by a reset.  Each second the process is measured; the first of ten parts of the
 * time is to get warm in.
 *
 *     soak [SECONDS]      by default an hour
 */
#include <dirent.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <await.h>
#include <await/net.h>

enum { CLIENTS = 200, LINES = 50, LONGEST = 6000 };

#define GROWTH 0.01         /* of the memory, from then on */
#define GROWTH_LEAST 524288 /* bytes that are no growth: the C library's own keeping */

static _Atomic unsigned long visits, lines;
static _Atomic int wrong;
static _Atomic bool is_over;

/* ---- the server ---- */

static int echo(aw_stream *s, void *arg)
{
    char buf[4096];
    ssize_t n;
    (void)arg;
    while ((n = aw_stream_read(s, buf, sizeof buf)) > 0) {
        AW_TRY(aw_stream_write(s, buf, (size_t)n));
        AW_TRY(aw_stream_drain(s));
    }
    return n == -ECONNRESET || n == -EPIPE ? 0 : (int)n; /* some clients are rude */
}

/* ---- a client ---- */

static int one_line(aw_stream *s, unsigned *seed)
{
    char text[LONGEST + 1], *back;
    size_t n = 1 + (size_t)rand_r(seed) % (LONGEST - 1);
    memset(text, 'a' + rand_r(seed) % 26, n);
    text[n - 1] = '\n';
    AW_TRY(aw_stream_write(s, text, n));
    ssize_t got = aw_stream_readline(s, &back);
    if (got < 0)
        return (int)got;
    if ((size_t)got != n || memcmp(back, text, n) != 0)
        return -EBADMSG;
    lines++;
    return 0;
}

static int visit(const char *port, unsigned *seed)
{
    aw_stream *s;
    int err = 0;
    AW_TRY(aw_open_connection(&s, "127.0.0.1", port, .timeout = 60));
    for (int i = rand_r(seed) % LINES; i >= 0 && err == 0; i--)
        err = one_line(s, seed);
    int manners = rand_r(seed) % 8;
    if (err == 0 && manners < 2)
        err = aw_stream_write(s, "half a l", 8);
    if (manners == 0)
        aw_ignore(aw_stream_abort(s));
    aw_stream_unref(s);
    visits++;
    return err;
}

static int visit_for_ever(void *port)
{
    unsigned seed = (unsigned)(uintptr_t)aw_current_task();
    while (!is_over) {
        int err = visit(port, &seed);
        if (err == -ECANCELED)
            return err;
        if (err < 0) {
            fprintf(stderr, "a client: %s %s\n", aw_strerror(err), aw_errmsg());
            wrong++;
        }
        AW_TRY(aw_sleep(0));
    }
    return 0;
}

static int start_clients(aw_group *g, void *port)
{
    for (int i = 0; i < CLIENTS; i++)
        AW_TRY(aw_group_start(g, visit_for_ever, port));
    return 0;
}

static int all_clients(void *port)
{
    aw_group g = AW_GROUP_INIT;
    return aw_group_call(&g, start_clients, port);
}

/* ---- measuring ---- */

struct measure {
    long bytes;
    int descriptors;
};

static struct measure look(void)
{
    struct measure m = {0, -3}; /* "." and "..", and the folder itself */
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    DIR *d = opendir("/proc/self/fd");
    if (f && fscanf(f, "%*d %ld", &pages) == 1)
        m.bytes = pages * sysconf(_SC_PAGESIZE);
    while (d && readdir(d))
        m.descriptors++;
    if (f)
        fclose(f);
    if (d)
        closedir(d);
    return m;
}

static void tell(double at, struct measure m)
{
    printf("%8.0f s  %10lu visits  %12lu lines  %8.1f MiB  %5d descriptors  %d wrong\n", at,
           (unsigned long)visits, (unsigned long)lines, (double)m.bytes / 1048576, m.descriptors,
           (int)wrong);
    fflush(stdout);
}

/* The most that was seen in the first and in the last part of the time. */
static int watch(double seconds, struct measure *first, struct measure *last)
{
    double began = aw_time(), told = -INFINITY, at;
    while ((at = aw_time() - began) < seconds) {
        AW_TRY(aw_sleep(fmin(1, seconds / 100)));
        struct measure m = look(), *part = at < seconds / 2 ? first : last;
        if (at >= seconds / 10 && m.bytes > part->bytes)
            part->bytes = m.bytes;
        if (at >= told + fmax(1, seconds / 60)) {
            told = at;
            tell(at, m);
        }
    }
    return 0;
}

static int judge(struct measure first, struct measure last, int before, int after)
{
    double allowed = fmax((double)first.bytes * GROWTH, GROWTH_LEAST);
    bool grown = (double)(last.bytes - first.bytes) > allowed;
    printf("memory: at most %ld bytes in the first half, %ld in the second%s\n", first.bytes,
           last.bytes, grown ? ": it grows" : "");
    printf("descriptors: %d before, %d after%s\n", before, after, before == after ? "" : ": lost");
    return grown || before != after || wrong || lines == 0 ? -EPROTO : 0;
}

static int soak(void *seconds)
{
    struct measure first = {0}, last = {0};
    aw_server *server;
    aw_address at;
    char port[8];
    AW_TRY(aw_start_server(&server, echo, "127.0.0.1", "0"));
    AW_TRY(aw_server_address(server, 0, &at));
    snprintf(port, sizeof port, "%d", aw_address_port(&at));
    AW_TRY(aw_sleep(0)); /* it listens */
    int before = look().descriptors;
    aw_loop_thread *clients = aw_loop_thread_start(.name = "clients");
    if (!clients)
        return aw_errno();
    aw_cfuture *cf = aw_submit(aw_loop_thread_loop(clients), all_clients, port);
    AW_TRY(watch(*(double *)seconds, &first, &last));
    is_over = true;
    aw_future *ended = aw_wrap_future(cf);
    AW_TRY(aw_join(ended));
    aw_cfuture_unref(cf);
    AW_TRY(aw_loop_thread_stop(clients));
    while (aw_server_connections(server) > 0)
        AW_TRY(aw_sleep(0.01));
    int err = judge(first, last, before, look().descriptors);
    AW_TRY(aw_server_shutdown(server));
    aw_server_unref(server);
    return err;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 3600;
    if (!(seconds > 0)) {
        fprintf(stderr, "usage: %s [SECONDS]\n", argv[0]);
        return 2;
    }
    int err = aw_run(soak, &seconds);
    if (err < 0)
        fprintf(stderr, "soak: %s %s\n", aw_strerror(err), aw_errmsg());
    return err < 0;
}
