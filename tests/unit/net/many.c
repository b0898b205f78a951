/*
 * A server among thousands: connections that are idle, and that stay; connections that send so
 * slowly that a limit ends them; and good clients, who notice nothing of either.
 *
 * The thousands are the tasks of a process of their own, so that neither side runs out of
 * descriptors.
 */
#include <math.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "await/io.h"
#include "unit/net/serving.h"

#define LINE_LIMIT 0.5 /* seconds for a line that has begun */
#define DRIP 0.05      /* seconds between the bytes of those who are slow */

enum { GOOD = 20 };

/* ---- the server ---- */

struct guest {
    aw_stream *stream;
    char *line;
    ssize_t n;
};

static unsigned evicted, answered;

static int read_line(void *arg)
{
    struct guest *g = arg;
    g->n = aw_stream_readline(g->stream, &g->line);
    return g->n < 0 ? (int)g->n : 0;
}

/* Idle for as long as one likes, but who has begun a line has to end it. */
static int answer_lines(aw_stream *s, void *arg)
{
    struct guest g = {.stream = s};
    (void)arg;
    for (;;) {
        ssize_t there = aw_stream_wait_readable(s);
        if (there <= 0)
            return there == -ECANCELED ? -ECANCELED : 0;
        int err = aw_timeout_call(LINE_LIMIT, read_line, &g);
        if (err == -ETIMEDOUT) {
            evicted++;
            return 0;
        }
        if (err < 0 || g.n == 0)
            return err == -ECANCELED ? err : 0;
        AW_TRY(aw_stream_write(s, g.line, (size_t)g.n));
        AW_TRY(aw_stream_drain(s));
        answered++;
    }
}

/* ---- the thousands ---- */

static struct crowd {
    unsigned each; /* how many idle, and how many slow */
    char port[8];
    aw_stream **idle;
    unsigned connected, ended;
    aw_semaphore door;
    aw_event everybody; /* has connected */
} crowd = {.door = AW_SEMAPHORE_INIT(200)};

/* A line there and back. */
static int talk(aw_stream *s)
{
    char *line;
    AW_TRY(aw_stream_write(s, "hello\n", 6));
    ssize_t n = aw_stream_readline(s, &line);
    if (n != 6 || memcmp(line, "hello\n", 6) != 0)
        return n < 0 ? (int)n : aw_raise(-EPROTO, n ? "another line" : "no line");
    return 0;
}

/* A few at a time, until they are served: the kernel forgets who does not fit the backlog. */
static int arrive(aw_stream **ret)
{
    AW_TRY(aw_semaphore_acquire(&crowd.door));
    int err = aw_open_connection(ret, "127.0.0.1", crowd.port);
    if (err >= 0)
        err = talk(*ret);
    aw_ignore(aw_semaphore_release(&crowd.door));
    if (err >= 0 && ++crowd.connected == 2 * crowd.each)
        aw_ignore(aw_event_set(&crowd.everybody));
    return err;
}

static int be_idle(void *arg)
{
    return arrive(arg);
}

static int be_slow(void *arg)
{
    aw_stream *s;
    char byte;
    (void)arg;
    AW_TRY(arrive(&s));
    AW_TRY(aw_event_wait(&crowd.everybody));
    int err = 0;
    while (err >= 0 && !aw_stream_at_eof(s)) {
        err = aw_stream_write(s, "x", 1);
        if (err >= 0)
            err = aw_sleep(DRIP);
    }
    crowd.ended += aw_stream_read(s, &byte, 1) <= 0;
    aw_stream_unref(s);
    return 0;
}

static int live(aw_group *g, void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < crowd.each; i++) {
        AW_TRY(aw_group_start(g, be_idle, &crowd.idle[i]));
        AW_TRY(aw_group_start(g, be_slow, NULL));
    }
    return 0;
}

static int be_crowd(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    AW_TRY(aw_group_call(&g, live, arg));
    for (unsigned i = 0; i < crowd.each; i++) { /* who was idle is still there, and served */
        AW_TRY(talk(crowd.idle[i]));
        aw_stream_unref(crowd.idle[i]);
    }
    return crowd.ended == crowd.each ? 0 : -EPROTO;
}

/* In a process of its own; `port` is told as soon as there is one, `end` is closed at its end. */
static pid_t begin_crowd(int port[2], int end[2])
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    close(port[1]);
    close(end[0]);
    ssize_t n = read(port[0], crowd.port, sizeof crowd.port - 1);
    crowd.idle = calloc(crowd.each, sizeof *crowd.idle);
    int err = n > 0 && crowd.idle ? aw_run(be_crowd, NULL) : -EIO;
    if (err < 0)
        fprintf(stderr, "the crowd: %s %s\n", aw_error_name(err), aw_errmsg());
    _exit(err < 0);
}

/* ---- good clients ---- */

static bool is_over;

static int be_good(void *arg)
{
    unsigned *rounds = arg;
    aw_stream *s = connect_to_port(crowd.port);
    char text[32], *line;
    while (!is_over) {
        int len = snprintf(text, sizeof text, "round %u\n", ++*rounds);
        assert_int_equal(aw_stream_write(s, text, (size_t)len), 0);
        assert_int_equal(aw_stream_readline(s, &line), len);
        assert_memory_equal(line, text, (size_t)len);
        AW_TRY(aw_sleep(0.01));
    }
    hang_up(s);
    return 0;
}

static int watch(void *fd)
{
    char byte;
    ssize_t n = aw_read(*(int *)fd, &byte, 1);
    is_over = true;
    return (int)n;
}

static int hold_out(void *pipes)
{
    int *port = pipes, *end = port + 2;
    unsigned rounds[GOOD] = {0};
    aw_task *good[GOOD];
    aw_server *s = serve_on_loopback(answer_lines, NULL);
    snprintf(crowd.port, sizeof crowd.port, "%s", port_of_server(s));
    assert_int_equal(write(port[1], crowd.port, strlen(crowd.port)), strlen(crowd.port));
    for (int i = 0; i < GOOD; i++)
        good[i] = aw_create_task(be_good, &rounds[i]);
    assert_int_equal(watch(&end[0]), 0);
    for (int i = 0; i < GOOD; i++) {
        assert_int_equal(aw_join(good[i]), 0);
        assert_true(rounds[i] > 1);
    }
    assert_int_equal(evicted, crowd.each);
    assert_true(answered > 3 * crowd.each);
    assert_int_equal(aw_server_shutdown(s, .grace = 1000), 0);
    aw_server_unref(s);
    return 0;
}

/* As many of each as there are descriptors for. */
static unsigned how_many(void)
{
    struct rlimit limit;
    unsigned n = test_scale(5000, 300);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < 2 * (rlim_t)n + 200)
        n = (unsigned)(limit.rlim_max - 200) / 2;
    return n;
}

TEST_SLOW_REAL_CLOCK(server_among_thousands_of_idle_and_slow)
{
    int pipes[4], status; /* how the crowd hears of the port; how its end is seen */
    crowd.each = how_many();
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(pipe(pipes + 2), 0);
    pid_t pid = begin_crowd(pipes, pipes + 2);
    assert_true(pid > 0);
    close(pipes[3]);
    assert_int_equal(aw_run(hold_out, pipes), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    printf("%u idle, %u slow, %u lines answered\n", crowd.each, evicted, answered);
}
