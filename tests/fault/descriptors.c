/*
 * descriptors.c - scenarios of pipes: reading, writing, polling, and callbacks on readiness.
 *
 * While the kernel is waited for even a virtual clock takes its time, so these are in a hurry.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "fault/inject.h"

#define MOMENT 0.0005 /* seconds */

/* ---- calls that suspend ---- */

struct talk {
    struct pipe_ends pipe;
    char said[64];
    size_t heard;
};

static int say_later(void *arg)
{
    struct talk *t = arg;
    AW_TRY(aw_sleep(MOMENT));
    return (int)aw_write(t->pipe.w, "hello", 5);
}

static int hear(void *arg)
{
    struct talk *t = arg;
    while (t->heard < 5) {
        ssize_t n = aw_read(t->pipe.r, t->said + t->heard, sizeof t->said - t->heard);
        AW_TRY((int)n);
        t->heard += (size_t)n;
    }
    return (int)t->heard;
}

static int read_and_write(void *arg)
{
    struct talk *t = arg;
    EXPECT(aw_gather(AW_CORO(hear, t), AW_CORO(say_later, t)), 0);
    CHECK(t->heard == 5 && memcmp(t->said, "hello", 5) == 0);
    return 0;
}

/* On blocking and on non-blocking descriptors. */
static int talk(aw_fn *main, int flags)
{
    struct talk t = {0};
    AW_TRY(pipe_open(&t.pipe, flags));
    int err = run_main(main, &t);
    pipe_close(&t.pipe);
    return err;
}

SCENARIO(pipe_blocking)
{
    return talk(read_and_write, 0);
}

SCENARIO(pipe_nonblocking)
{
    return talk(read_and_write, O_NONBLOCK);
}

enum { BULK = 200000 };
static char bulk[BULK];

/* More than a pipe holds, into one descriptor and out of another. */
struct flow {
    int from, to;
    size_t received;
    char block[16384];
};

static int write_bulk(void *arg)
{
    const struct flow *f = arg;
    for (size_t done = 0; done < BULK;) {
        ssize_t n = aw_write(f->to, bulk + done, BULK - done);
        AW_TRY((int)n);
        done += (size_t)n;
    }
    return 0;
}

static int read_bulk(void *arg)
{
    struct flow *f = arg;
    while (f->received < BULK) {
        ssize_t n = aw_read(f->from, f->block, sizeof f->block);
        AW_TRY((int)n);
        CHECK(n > 0 && f->received + (size_t)n <= BULK);
        CHECK(memcmp(f->block, bulk + f->received, (size_t)n) == 0);
        f->received += (size_t)n;
    }
    return 0;
}

static int pour(void *arg)
{
    struct flow *f = arg;
    EXPECT(aw_gather(AW_CORO(write_bulk, f), AW_CORO(read_bulk, f)), 0);
    close(f->to);
    f->to = -1;
    EXPECT(aw_read(f->from, f->block, sizeof f->block), 0);
    return 0;
}

static void fill_bulk(void)
{
    for (size_t i = 0; i < BULK; i++)
        bulk[i] = (char)(i * 31 >> 3);
}

static int pour_through(int flags)
{
    static struct flow f;
    struct pipe_ends p;
    fill_bulk();
    AW_TRY(pipe_open(&p, flags));
    f = (struct flow){.from = p.r, .to = p.w};
    int err = run_main(pour, &f);
    p.w = f.to;
    pipe_close(&p);
    return err;
}

SCENARIO(bulk_nonblocking)
{
    return pour_through(O_NONBLOCK);
}

/* Whether a descriptor never blocks is not found out without memory: it is then written to in
 * smaller pieces. */
SCENARIO(bulk_blocking)
{
    may_be_silent(SITE_ALLOC);
    return pour_through(0);
}

/* Each end of a socket is read and written at the same time. */
static int pour_both_ways(void *arg)
{
    struct flow *forth = arg, *back = forth + 1;
    EXPECT(aw_gather(AW_CORO(write_bulk, forth), AW_CORO(read_bulk, forth),
                     AW_CORO(write_bulk, back), AW_CORO(read_bulk, back)),
           0);
    return 0;
}

SCENARIO(socket_both_ways)
{
    static struct flow flows[2];
    int ends[2], room = 16384;
    fill_bulk();
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room) == 0);
    flows[0] = (struct flow){.from = ends[1], .to = ends[0]};
    flows[1] = (struct flow){.from = ends[0], .to = ends[1]};
    int err = run_main(pour_both_ways, flows);
    close(ends[0]);
    close(ends[1]);
    return err;
}

/* The limit ends a read; what comes after it is still there for the next. */
static int limited_read(void *arg)
{
    struct talk *t = arg;
    EXPECT(aw_timeout_call(MOMENT, hear, t), -ETIMEDOUT);
    EXPECT(aw_gather(AW_CORO(say_later, t), AW_CORO(hear, t)), 0);
    return 0;
}

SCENARIO(read_with_a_limit)
{
    may_be_silent(SITE_RING_ENTER); /* a cancellation is sent again */
    return talk(limited_read, O_NONBLOCK);
}

static int poll_readable(void *arg)
{
    const struct talk *t = arg;
    int events = aw_poll(t->pipe.r, POLLIN);
    return events == POLLIN ? 0 : events < 0 ? events : WRONG;
}

static int polling(void *arg)
{
    struct talk *t = arg;
    EXPECT(aw_poll(t->pipe.w, POLLOUT), POLLOUT);
    EXPECT(aw_gather(AW_CORO(poll_readable, t), AW_CORO(poll_readable, t), AW_CORO(say_later, t)),
           0);
    EXPECT(hear(t), 5);
    return 0;
}

SCENARIO(polling)
{
    return talk(polling, 0);
}

/* A regular file is never waited for: it is read at once, or by a thread.  A number that is no
 * descriptor is an error. */
static int odd_descriptors(void *arg)
{
    char word[8];
    int fd = *(int *)arg;
    CHECK(pwrite(fd, "file", 4, 0) == 4);
    EXPECT(aw_read(fd, word, sizeof word), 4);
    EXPECT(aw_read(fd, word, sizeof word), 0);
    CHECK(aw_read(-1, word, sizeof word) == -EBADF);
    CHECK(aw_read(fd, NULL, 1) == -EINVAL);
    return 0;
}

/* Whether it is one is not found out without memory: then it is read on the spot. */
SCENARIO(regular_file)
{
    threads_take_part();
    may_be_silent(SITE_ALLOC);
    may_be_silent(SITE_THREAD);
    if (test_is_emulated()) /* it knows no read without waiting: a thread reads */
        may_be_told(SITE_READ);
    FILE *file = tmpfile();
    CHECK(file);
    int fd = fileno(file), err = run_main(odd_descriptors, &fd);
    fclose(file);
    return err;
}

/* ---- callbacks on readiness ---- */

struct watched {
    struct pipe_ends pipe;
    aw_future *over;
    int written, heard;
};

/* A descriptor that cannot be watched is only reported: who waits for it is told by this. */
static void give_up(void *arg)
{
    struct watched *w = arg;
    if (w->over)
        aw_cancel(w->over);
}

static int on_readable(void *arg)
{
    struct watched *w = arg;
    char byte;
    CHECK(read(w->pipe.r, &byte, 1) == 1);
    if (++w->heard < 3)
        return 0;
    CHECK(aw_remove_reader(NULL, w->pipe.r));
    if (!aw_done(w->over))
        EXPECT(aw_set_result(w->over, w->heard, NULL), 0);
    return 0;
}

static int on_writable(void *arg)
{
    struct watched *w = arg;
    CHECK(write(w->pipe.w, "x", 1) == 1);
    if (++w->written == 3)
        CHECK(aw_remove_writer(NULL, w->pipe.w));
    return 0;
}

static int never_called(void *arg)
{
    (void)arg;
    return WRONG;
}

static int watch_both(void *arg)
{
    struct watched *w = arg;
    on_report(give_up, w);
    MAKE(w->over, aw_future_new());
    EXPECT(aw_add_reader(w->pipe.r, never_called, NULL), 0);
    AW_TRY(aw_sleep(0));
    EXPECT(aw_add_reader(w->pipe.r, on_readable, w), 0);
    int err = aw_add_writer(w->pipe.w, on_writable, w);
    if (err == 0)
        err = aw_await(w->over);
    aw_remove_reader(NULL, w->pipe.r);
    aw_remove_writer(NULL, w->pipe.w);
    EXPECT(err, 3);
    CHECK(w->written == 3 && w->heard == 3);
    return 0;
}

/* In case of need what is told by a report is the error of the whole. */
static int watch(aw_fn *main, struct watched *w)
{
    AW_TRY(pipe_open(&w->pipe, O_NONBLOCK));
    int err = run_main(main, w);
    pipe_close(&w->pipe);
    return err == -ECANCELED && notes.report_error ? notes.report_error : err;
}

SCENARIO(readers_and_writers)
{
    may_be_silent(SITE_RING_ENTER); /* to end a watch may take a second time */
    struct watched w = {0};
    return watch(watch_both, &w);
}

/* Numbers far apart: the tables grow. */
static int watch_a_high_number(void *arg)
{
    struct watched *w = arg;
    int high = fcntl(w->pipe.r, F_DUPFD_CLOEXEC, 300);
    CHECK(high >= 300);
    close(w->pipe.r);
    w->pipe.r = high;
    return watch_both(w);
}

SCENARIO(high_descriptor)
{
    may_be_silent(SITE_RING_ENTER);
    struct watched w = {0};
    return watch(watch_a_high_number, &w);
}

/* Added while the loop does not run, and still there when it closes. */
static int watch_before_the_run(aw_loop *l, struct watched *w)
{
    aw_future *f;
    on_report(give_up, w);
    MAKE(f, aw_future_new(.loop = l));
    w->over = f;
    EXPECT(aw_add_reader(w->pipe.r, on_readable, w, .loop = l), 0);
    CHECK(write(w->pipe.w, "xxx", 3) == 3);
    EXPECT(aw_loop_run_until_complete(l, f), 3);
    EXPECT(aw_add_reader(w->pipe.r, never_called, w, .loop = l), 0);
    EXPECT(aw_loop_stop(l), 0);
    EXPECT(aw_loop_run_forever(l), 0);
    CHECK(!aw_remove_writer(l, w->pipe.w) && !aw_remove_reader(l, w->pipe.w));
    return 0;
}

SCENARIO(watched_before_the_run)
{
    may_be_silent(SITE_RING_ENTER);
    struct watched w = {0};
    aw_loop *l = make_loop();
    if (!l)
        return aw_errno();
    int err = pipe_open(&w.pipe, 0);
    if (err == 0)
        err = watch_before_the_run(l, &w);
    aw_loop_free(l);
    pipe_close(&w.pipe);
    return err == -ECANCELED && notes.report_error ? notes.report_error : err;
}

struct ghost {
    struct talk living, dead;
    int elsewhere;
};

/* Closed behind the library's back while its file lives on elsewhere: the set is made anew. */
static int haunted(void *arg)
{
    struct ghost *g = arg;
    EXPECT(aw_timeout_call(MOMENT, poll_readable, &g->dead), -ETIMEDOUT);
    close(g->dead.pipe.r);
    g->dead.pipe.r = -1;
    CHECK(write(g->dead.pipe.w, "x", 1) == 1);
    EXPECT(aw_gather(AW_CORO(hear, &g->living), AW_CORO(say_later, &g->living)), 0);
    return 0;
}

/* If that fails it is tried again at the next event, and a cancellation that cannot be sent at once
 * is sent with the next poll. */
SCENARIO(closed_behind_its_back)
{
    struct ghost g = {0};
    may_be_silent(SITE_EPOLL_CREATE);
    may_be_silent(SITE_EPOLL_CTL);
    may_be_silent(SITE_RING_ENTER);
    AW_TRY(pipe_open(&g.living.pipe, 0));
    AW_TRY(pipe_open(&g.dead.pipe, O_NONBLOCK));
    g.elsewhere = dup(g.dead.pipe.r);
    int err = run_main(haunted, &g);
    pipe_close(&g.living.pipe);
    pipe_close(&g.dead.pipe);
    close(g.elsewhere);
    return err;
}

/* ---- files ---- */

/* What a thread does is done when it likes, so that a sweep could not repeat it: with epoll the
 * file is opened and written to by the scenario itself. */
struct file {
    int dir, fd;
    bool by_kernel;
};

static int fill_file(struct file *f)
{
    const int flags = O_RDWR | O_CREAT | O_CLOEXEC;
    f->fd = f->by_kernel ? aw_openat(f->dir, "sweep", flags, 0600)
                         : openat(f->dir, "sweep", flags, 0600);
    AW_TRY(f->fd);
    ssize_t n =
        f->by_kernel ? aw_pwrite(f->fd, "in a file", 9, 3) : pwrite(f->fd, "in a file", 9, 3);
    AW_TRY((int)n);
    CHECK(n == 9);
    return 0;
}

static int read_file(struct file *f)
{
    char word[8];
    ssize_t n = aw_pread(f->fd, word, sizeof word, 6);
    AW_TRY((int)n);
    CHECK(n == 6 && memcmp(word, "a file", 6) == 0);
    return 0;
}

static int use_file(void *arg)
{
    struct file *f = arg;
    int err = fill_file(f);
    if (err == 0)
        err = read_file(f);
    if (f->fd >= 0) {
        aw_ignore(aw_close(f->fd)); /* closed, whatever it says */
        f->fd = -1;
    }
    CHECK(aw_openat(f->dir, NULL, 0, 0) == -EINVAL && aw_pwrite(f->dir, "", 1, -1) == -EINVAL);
    return err;
}

SCENARIO(file_calls)
{
    char path[] = "/tmp/await-sweep-XXXXXX";
    CHECK(mkdtemp(path));
    struct file f = {.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .fd = -1};
    f.by_kernel = strcmp(getenv("AWAIT_BACKEND"), "io_uring") == 0;
    CHECK(f.dir >= 0);
    if (test_is_emulated()) /* as in regular_file */
        threads_take_part();
    int err = run_main(use_file, &f);
    if (f.fd >= 0)
        close(f.fd);
    unlinkat(f.dir, "sweep", 0);
    close(f.dir);
    rmdir(path);
    return err;
}
